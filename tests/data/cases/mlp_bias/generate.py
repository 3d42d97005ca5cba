#!/usr/bin/env python3
"""logits.f32: what the golden llama model with MLP biases gives, in double precision. Plain Python, no packages.

Only what that file needs: F32 tensors, one context, interleaved rotary positions. Without biases it agrees with the
golden logits to 2e-5. Usage: generate.py (writes beside itself).
"""
import math
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "../../golden/llama/model.gguf")
TOKENS = [1, 5, 17, 200, 64, 33]
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


def bias(i, which):
    """Exact in single precision; tests/engine/unread_parts_test.cc has the same."""
    return ((i * 37 + which * 11) % 19 - 9) / 16


def read(f, form):
    return struct.unpack(form, f.read(struct.calcsize(form)))


def text(f):
    return f.read(read(f, "<Q")[0]).decode()


def value(f, kind):
    if kind == 8:
        return text(f)
    if kind == 9:
        element, count = read(f, "<IQ")
        return [value(f, element) for _ in range(count)]
    return read(f, SCALARS[kind])[0]


def load(path):
    with open(path, "rb") as f:
        f.read(8)
        n_tensors, n_keys = read(f, "<QQ")
        keys = {}
        for _ in range(n_keys):
            name = text(f)
            keys[name] = value(f, read(f, "<I")[0])
        table = []
        for _ in range(n_tensors):
            name = text(f)
            dims = read(f, "<%dQ" % read(f, "<I")[0])
            kind, offset = read(f, "<IQ")
            assert kind == 0, name
            table.append((name, dims, offset))
        base = (f.tell() + 31) // 32 * 32
        tensors = {}
        for name, dims, offset in table:
            f.seek(base + offset)
            flat = read(f, "<%df" % math.prod(dims))
            rows = [flat[i * dims[0]:(i + 1) * dims[0]] for i in range(math.prod(dims[1:]))]
            tensors[name] = rows if len(dims) == 2 else flat
    return keys, tensors


def product(w, x, b=None):
    y = [sum(a * c for a, c in zip(row, x)) for row in w]
    return y if b is None else [a + c for a, c in zip(y, b)]


def normed(x, w, eps):
    scale = math.sqrt(sum(v * v for v in x) / len(x) + eps)
    return [v / scale * g for v, g in zip(x, w)]


def added(x, y):
    return [a + b for a, b in zip(x, y)]


class Llama:
    def __init__(self, keys, tensors):
        k = lambda name: keys["llama." + name]
        self.t = tensors
        self.layers = range(k("block_count"))
        self.heads, self.kv_heads = k("attention.head_count"), k("attention.head_count_kv")
        self.width, self.rotated = k("attention.key_length"), k("rope.dimension_count")
        self.eps, self.base = k("attention.layer_norm_rms_epsilon"), k("rope.freq_base")

    def rotate(self, q, n, position):
        out = list(q)
        for head in range(n):
            for pair in range(self.rotated // 2):
                angle = position * self.base ** (-2 * pair / self.rotated)
                c, s = math.cos(angle), math.sin(angle)
                j = head * self.width + 2 * pair
                out[j], out[j + 1] = q[j] * c - q[j + 1] * s, q[j] * s + q[j + 1] * c
        return out

    def attend(self, q, keys, values):
        out = []
        for head in range(self.heads):
            at = head // (self.heads // self.kv_heads) * self.width
            mine = q[head * self.width:(head + 1) * self.width]
            scores = [sum(a * b for a, b in zip(mine, k[at:at + self.width])) / math.sqrt(self.width) for k in keys]
            top = max(scores)
            weights = [math.exp(s - top) for s in scores]
            total = sum(weights)
            out += [sum(w * v[at + i] for w, v in zip(weights, values)) / total for i in range(self.width)]
        return out

    def logits(self, tokens):
        keys, values = [[] for _ in self.layers], [[] for _ in self.layers]
        for position, token in enumerate(tokens):
            x = list(self.t["token_embd.weight"][token])
            for layer in self.layers:
                get = lambda name: self.t.get("blk.%d.%s" % (layer, name))
                h = normed(x, get("attn_norm.weight"), self.eps)
                q = self.rotate(product(get("attn_q.weight"), h), self.heads, position)
                keys[layer].append(self.rotate(product(get("attn_k.weight"), h), self.kv_heads, position))
                values[layer].append(product(get("attn_v.weight"), h))
                x = added(x, product(get("attn_output.weight"), self.attend(q, keys[layer], values[layer])))
                h = normed(x, get("ffn_norm.weight"), self.eps)
                gate = product(get("ffn_gate.weight"), h, get("ffn_gate.bias"))
                up = product(get("ffn_up.weight"), h, get("ffn_up.bias"))
                h = [u * g / (1 + math.exp(-g)) for g, u in zip(gate, up)]
                x = added(x, product(get("ffn_down.weight"), h, get("ffn_down.bias")))
            yield product(self.t["output.weight"], normed(x, self.t["output_norm.weight"], self.eps))


def main():
    keys, tensors = load(MODEL)
    for layer in range(keys["llama.block_count"]):
        for which, part in enumerate(("gate", "up", "down")):
            name = "blk.%d.ffn_%s" % (layer, part)
            tensors[name + ".bias"] = [bias(i, which) for i in range(len(tensors[name + ".weight"]))]
    with open(os.path.join(HERE, "logits.f32"), "wb") as f:
        for row in Llama(keys, tensors).logits(TOKENS):
            f.write(struct.pack("<%df" % len(row), *row))


if __name__ == "__main__":
    main()
