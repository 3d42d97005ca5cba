#!/usr/bin/env python3
"""The golden Command R: the golden Cohere 2 without windows, every block with rotary positions. In double precision and
plain Python; the same code first has to give the golden logits of Cohere 2. Usage: generate.py (writes beside itself).
"""
import importlib.util
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "../cohere2")
spec = importlib.util.spec_from_file_location("plain", os.path.join(HERE, "../../cases/mlp_bias/generate.py"))
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)


def layer_normed(x, w, eps):
    mean = sum(x) / len(x)
    return plain.normed([v - mean for v in x], w, eps)


class Cohere(plain.Llama):
    """Cohere 2 with the window of its file, every fourth block without one and without positions; or Command R."""

    def __init__(self, keys, tensors, windows):
        keys = {name.replace("cohere2.", "llama."): v for name, v in keys.items()}
        keys["llama.attention.layer_norm_rms_epsilon"] = keys["llama.attention.layer_norm_epsilon"]
        super().__init__(keys, tensors)
        self.scale = keys["llama.logit_scale"]
        self.window = keys["llama.attention.sliding_window"] if windows else 0

    def logits(self, tokens):
        keys, values = [[] for _ in self.layers], [[] for _ in self.layers]
        for position, token in enumerate(tokens):
            x = list(self.t["token_embd.weight"][token])
            for layer in self.layers:
                get = lambda name: self.t["blk.%d.%s" % (layer, name)]
                full = self.window > 0 and layer % 4 == 3
                turned = lambda rows, n: rows if full else self.rotate(rows, n, position)
                h = layer_normed(x, get("attn_norm.weight"), self.eps)
                q = turned(plain.product(get("attn_q.weight"), h), self.heads)
                keys[layer].append(turned(plain.product(get("attn_k.weight"), h), self.kv_heads))
                values[layer].append(plain.product(get("attn_v.weight"), h))
                first = max(0, position + 1 - self.window) if self.window > 0 and not full else 0
                a = plain.product(get("attn_output.weight"), self.attend(q, keys[layer][first:], values[layer][first:]))
                gate, up = plain.product(get("ffn_gate.weight"), h), plain.product(get("ffn_up.weight"), h)
                f = [u * g / (1 + plain.math.exp(-g)) for g, u in zip(gate, up)]
                x = plain.added(plain.added(x, a), plain.product(get("ffn_down.weight"), f))
            h = layer_normed(x, self.t["output_norm.weight"], self.eps)
            yield [v * self.scale for v in plain.product(self.t["token_embd.weight"], h)]


def renamed(path, out):
    """The file with another architecture and without a window; the tensors as they are."""
    with open(path, "rb") as f:
        head = f.read(8)
        n_tensors, n_keys = plain.read(f, "<QQ")
        entries = []
        for _ in range(n_keys):
            name = plain.text(f)
            start = f.tell()
            plain.value(f, plain.read(f, "<I")[0])
            end = f.tell()
            f.seek(start)
            entries.append((name, f.read(end - start)))
        start = f.tell()
        for _ in range(n_tensors):
            plain.text(f)
            plain.read(f, "<%dQ" % plain.read(f, "<I")[0])
            plain.read(f, "<IQ")
        end = f.tell()
        f.seek(start)
        table = f.read(end - start)
        f.seek((end + 31) // 32 * 32)
        data = f.read()
    string = lambda s: struct.pack("<Q", len(s)) + s.encode()
    body = b""
    kept = [e for e in entries if not e[0].endswith("sliding_window")]
    for name, raw in kept:
        if name == "general.architecture":
            raw = struct.pack("<I", 8) + string("command-r")
        body += string(name.replace("cohere2.", "command-r.")) + raw
    with open(out, "wb") as f:
        f.write(head + struct.pack("<QQ", n_tensors, len(kept)) + body + table)
        f.write(bytes(-f.tell() % 32) + data)


def main():
    golden = json.load(open(os.path.join(SOURCE, "golden.json")))
    keys, tensors = plain.load(os.path.join(SOURCE, "model.gguf"))
    worst = 0
    for name in ("short", "long"):
        prompt = golden["prompts"][name]
        want = open(os.path.join(SOURCE, prompt["logits"]), "rb").read()
        want = struct.unpack("<%df" % (len(want) // 4), want)
        rows = list(Cohere(keys, tensors, True).logits(prompt["tokens"]))[-prompt["shape"][0]:]
        worst = max([worst] + [abs(a - b) for a, b in zip(want, sum(rows, []))])
        rows = list(Cohere(keys, tensors, False).logits(prompt["tokens"]))[-prompt["shape"][0]:]
        with open(os.path.join(HERE, prompt["logits"]), "wb") as f:
            for row in rows:
                f.write(struct.pack("<%df" % len(row), *row))
    assert worst < 1e-5, worst
    renamed(os.path.join(SOURCE, "model.gguf"), os.path.join(HERE, "model.gguf"))
    golden["name"] = golden["architecture"] = "command-r"
    del golden["config"]["attention.sliding_window"], golden["hidden"], golden["peer"]
    golden["provenance"] = {"reference": "generate.py: double precision, rounded to float32",
                            "cross_check": "the same code gives the golden logits of cohere2: within %.1e" % worst,
                            "weights": "those of cohere2"}
    golden["note"] = "One LayerNorm without bias per block, attention and feed-forward side by side."
    for name in ("smallest_gap_short", "smallest_gap_long"):
        golden["tolerance"].pop(name)
    with open(os.path.join(HERE, "golden.json"), "w") as f:
        json.dump(golden, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
