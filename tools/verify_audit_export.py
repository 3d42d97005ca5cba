#!/usr/bin/env python3
"""Checks what `kedge audit export` wrote, with nothing but the standard library (signatures: PyNaCl, when installed).

Usage: verify_audit_export.py EXPORT.jsonl [PUBLIC_KEY_HEX]
"""
import base64, hashlib, json, sys

try:
    from nacl.signing import VerifyKey
except ImportError:
    VerifyKey = None


def need(condition, what):
    if not condition:
        sys.exit("BROKEN: " + what)


lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
need(lines and lines[0]["type"] == "log", "the first line does not describe a log")
genesis = lines[0]["genesis"]
canonical = json.dumps(genesis, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
genesis_hash = hashlib.sha256(b"kedge-audit-genesis-v1\n" + canonical.encode()).hexdigest()
need(len(sys.argv) < 3 or genesis["public_key"] == sys.argv[2], "the public key is another one")
prev, seq, signed, heads, artifacts = genesis_hash, 0, 0, 0, 0
named = {}
for line in lines[1:]:
    if line["type"] == "record":
        seq += 1
        digest = hashlib.sha256(bytes.fromhex(prev) + line["json"].encode()).hexdigest()
        need(line["seq"] == seq and line["prev"] == prev and line["hash"] == digest, f"record {seq}")
        named.update((a["sha256"], a) for a in json.loads(line["json"])["kedge"]["artifacts"])
        prev = digest
    elif line["type"] == "head":
        need((line["first"], line["seq"], line["hash"]) == (signed + 1, seq, prev), f"head {line['seq']}")
        message = "kedge-audit-head-v1\n%s\n%d\n%d\n%s\n%s\n" % (
            genesis_hash, line["first"], line["seq"], line["created"], line["hash"])
        if VerifyKey:  # raises when the signature is wrong
            VerifyKey(bytes.fromhex(genesis["public_key"])).verify(message.encode(), bytes.fromhex(line["signature"]))
        signed, heads = seq, heads + 1
    elif line["type"] == "artifact":
        content = base64.b64decode(line["base64"])
        digest = hashlib.sha256(bytes.fromhex(line["salt"]) + content).hexdigest()
        of = named.get(digest)
        need(digest == line["sha256"] and of and (of["kind"], of["bytes"]) == (line["kind"], len(content)),
             f"artifact {line['sha256']}")
        artifacts += 1
    else:
        need(False, f"a line of type {line['type']}")
need(signed == seq, f"records after {signed} have no head")
print(f"ok: {seq} records, {heads} heads, {artifacts} artifacts; signatures "
      + ("checked" if VerifyKey else "NOT checked: PyNaCl is not installed"))
