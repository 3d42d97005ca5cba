#!/usr/bin/env python3
"""A forward pass in float64 of the block that predicts further tokens in tests/data/golden/qwen35/model.gguf, of the golden's
first eight tokens with made-up hidden states: `prediction_reference.py OUT.f32` writes the logits of rows 2 and 7. From the
model's published description (Qwen3.5's configuration; arXiv 2412.19437, section 2.2), with numpy alone."""
import pathlib
import struct
import sys

import numpy as np

MODEL = pathlib.Path(__file__).parent.parent / "data/golden/qwen35/model.gguf"
HEADS, KV_HEADS, HEAD_DIM, ROTATED, BASE, EPS = 4, 2, 24, 16, 1e6, 1e-6
TOKENS = [1, 268, 131, 150, 84, 164, 191, 157]
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def read_tensors(path):
    """Tensors of a GGUF file that has float32 ones only, by name, rows first."""
    with open(path, "rb") as f:
        def read(form):
            return struct.unpack("<" + form, f.read(struct.calcsize("<" + form)))

        def text():
            return f.read(read("Q")[0]).decode("utf8", "replace")

        def skip(kind):
            if kind == 8:
                text()
            elif kind == 9:
                inner, n = read("IQ")
                for _ in range(n):
                    skip(inner)
            else:
                read(SCALARS[kind])

        read("II")
        n_tensors, n_keys = read("QQ")
        for _ in range(n_keys):
            text()
            skip(read("I")[0])
        infos = []
        for _ in range(n_tensors):
            name = text()
            dims = read("Q" * read("I")[0])
            kind, at = read("IQ")
            assert kind == 0, name
            infos.append((name, dims, at))
        data = (f.tell() + 31) // 32 * 32
        tensors = {}
        for name, dims, at in infos:
            f.seek(data + at)
            values = np.frombuffer(f.read(4 * int(np.prod(dims))), "<f4")
            tensors[name] = values.astype(np.float64).reshape(dims[::-1])
        return tensors


def rms_norm(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * weight


def rotate(x):
    """x: [n][heads][HEAD_DIM]; the first ROTATED values, halves paired, by positions 0 to n - 1."""
    half = ROTATED // 2
    angle = np.arange(len(x))[:, None] * BASE ** (-2.0 * np.arange(half) / ROTATED)[None]
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    y = x.copy()
    y[..., :half] = x[..., :half] * c - x[..., half:ROTATED] * s
    y[..., half:ROTATED] = x[..., half:ROTATED] * c + x[..., :half] * s
    return y


def attention(q, k, v):
    n = len(q)
    out = np.zeros_like(q)
    for head in range(HEADS):
        group = head // (HEADS // KV_HEADS)
        scores = q[:, head] @ k[:, group].T / np.sqrt(HEAD_DIM)
        scores[np.triu(np.ones((n, n)), 1) > 0] = -np.inf
        p = np.exp(scores - scores.max(-1, keepdims=True))
        out[:, head] = p / p.sum(-1, keepdims=True) @ v[:, group]
    return out


def logits_of(tensors, tokens, states):
    def w(name):
        return tensors["blk.4." + name + ".weight"]

    n = len(tokens)
    embedded = rms_norm(tensors["token_embd.weight"][tokens], w("nextn.enorm"))
    x = np.concatenate([embedded, rms_norm(states, w("nextn.hnorm"))], -1) @ w("nextn.eh_proj").T
    h = rms_norm(x, w("attn_norm"))
    q, gate = np.split((h @ w("attn_q").T).reshape(n, HEADS, 2 * HEAD_DIM), 2, -1)
    k, v = ((h @ w(name).T).reshape(n, KV_HEADS, HEAD_DIM) for name in ("attn_k", "attn_v"))
    q, k = rotate(rms_norm(q, w("attn_q_norm"))), rotate(rms_norm(k, w("attn_k_norm")))
    seen = attention(q, k, v) / (1 + np.exp(-gate))
    x = x + seen.reshape(n, -1) @ w("attn_output").T
    h = rms_norm(x, w("post_attention_norm"))
    gate = h @ w("ffn_gate").T
    x = x + (gate / (1 + np.exp(-gate)) * (h @ w("ffn_up").T)) @ w("ffn_down").T
    return rms_norm(x, w("nextn.shared_head_norm")) @ tensors["output.weight"].T


def main():
    tensors = read_tensors(MODEL)
    row, column = np.arange(len(TOKENS))[:, None], np.arange(48)[None]
    states = ((row * 31 + column * 17) % 64) / 32.0 - 1
    logits = logits_of(tensors, TOKENS, states)
    logits[[2, 7]].astype("<f4").tofile(sys.argv[1])


if __name__ == "__main__":
    main()
