#!/usr/bin/env python3
"""Checks what `kedge audit export` wrote, signatures included, with nothing but the standard library.

Usage: verify_audit_export.py EXPORT.jsonl [PUBLIC_KEY_HEX]

Without the key that you know to be the log's, what is checked is that one key signed everything: anybody can make such
an export with a key of his own. Ends with 0 when all is right, 1 and a line "BROKEN: ..." when anything is not."""
import base64, hashlib, json, sys

from ed25519_check import is_valid


def need(condition, what):
    if not condition:
        sys.exit("BROKEN: " + what)


def read(path):
    lines = []
    for number, line in enumerate(open(path, "rb"), 1):
        try:
            lines.append(json.loads(line.decode("utf-8")))
        except ValueError as error:
            need(False, f"line {number} is not JSON: {error}")
        need(isinstance(lines[-1], dict) and "type" in lines[-1], f"line {number} is no line of an export")
    return lines


def check(lines, trusted):
    need(lines and lines[0]["type"] == "log", "the first line does not describe a log")
    genesis = lines[0]["genesis"]
    canonical = json.dumps(genesis, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    genesis_hash = hashlib.sha256(b"kedge-audit-genesis-v1\n" + canonical.encode()).hexdigest()
    key = bytes.fromhex(genesis["public_key"])
    need(trusted in (None, genesis["public_key"]), "the public key is another one: " + genesis["public_key"])
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
            need(line["key_id"] == hashlib.sha256(key).hexdigest()[:16], f"head {seq} is of another key")
            message = "kedge-audit-head-v1\n%s\n%d\n%d\n%s\n%s\n" % (
                genesis_hash, line["first"], line["seq"], line["created"], line["hash"])
            need(is_valid(key, message.encode(), bytes.fromhex(line["signature"])), f"the signature of head {seq}")
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
    print(f"ok: {seq} records, {artifacts} artifacts, {heads} heads; every signature checked with "
          + ("the key given" if trusted else f"{key.hex()}, the export's own key: compare it with the log's"))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        check(read(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None)
    except OSError as error:
        sys.exit(str(error))
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # a member that is missing or of another type
        need(False, f"a line has not the form of an export: {error!r}")
