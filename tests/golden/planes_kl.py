#!/usr/bin/env python3
"""What the planes of a zoo are worth beside other roundings of its weights.

    python3 planes_kl.py MODEL CALIBRATION EVALUATION [ZOO ...]
                                        (numpy, tokenizers; a Llama in safetensors)

KL divergence from the model as it is, nats per token of the file EVALUATION
(documents apart by two blank lines, 256 tokens of each at most), with all
projections of the layers replaced and activations left alone, in float64 but
for the products, which are float32. An independent reading of docs/formats.md.

For groups of 32, 64 and 128, by scales in float16:
    Q4_0, Q8_0    llama.cpp's rules: d = x / -8 of the x largest in size, d =
                  max / 127; round to nearest
    search        21 steps, squares weighted by E[x^2] sqrt(w^2 + mean w^2)
    GPTQ          error feedback with those scales, by the upper Cholesky factor
                  of the inverse of H = E[x x'], 1 % damping; x from CALIBRATION
and of every ZOO planes A, A+B, A+B+C.
"""
import json
import os
import struct
import sys

import numpy as np
from tokenizers import Tokenizer

N_DOCUMENTS, N_TOKENS = 320, 256
PARTS = {"q": "self_attn.q_proj", "k": "self_attn.k_proj",
         "v": "self_attn.v_proj", "o": "self_attn.o_proj",
         "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}


def read_model(folder):
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        data = file.read()
    n, = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, t in json.loads(data[8:8 + n]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + n + at for at in t["data_offsets"])
        if t["dtype"] == "BF16":
            bits = np.frombuffer(data[begin:end], "<u2").astype("<u4") << 16
            values = bits.view("<f4")
        else:
            values = np.frombuffer(data[begin:end],
                                   {"F32": "<f4", "F16": "<f2"}[t["dtype"]])
        tensors[name] = values.reshape(t["shape"]).astype(np.float32)
    return config, tensors


class Model:
    def __init__(self, folder):
        self.c, self.t = read_model(folder)
        self.n_layer = self.c["num_hidden_layers"]
        self.embed = self.t.get("model.embed_tokens.weight",
                                self.t.get("lm_head.weight"))
        self.head = self.t.get("lm_head.weight", self.embed)
        self.names = [f"model.layers.{i}.{part}.weight"
                      for i in range(self.n_layer) for part in PARTS.values()]

    def norm(self, x, weight):
        by = np.sqrt((x * x).mean(-1, keepdims=True) + self.c["rms_norm_eps"])
        return x / by * weight

    def rotate(self, x):
        n, half = x.shape[0], x.shape[-1] // 2
        base = self.c.get("rope_theta") or \
            self.c.get("rope_parameters", {}).get("rope_theta", 10000.0)
        angle = np.arange(n)[:, None] * base ** (-np.arange(half) / half)
        c = np.cos(angle)[:, None].astype(np.float32)
        s = np.sin(angle)[:, None].astype(np.float32)
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * c - b * s, b * c + a * s], -1)

    def logits(self, ids, weights, seen=None):
        c, t = self.c, self.t
        heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
        dim = c.get("head_dim") or c["hidden_size"] // heads
        n = len(ids)

        def product(name, x):
            if seen is not None:
                sums = seen.setdefault(name, [0.0, 0])
                sums[0] = sums[0] + x.T.astype(np.float64) @ x
                sums[1] += n
            return x @ weights[name].T

        x = self.embed[ids]
        mask = np.triu(np.full((n, n), -np.inf, np.float32), 1)
        for i in range(self.n_layer):
            p = f"model.layers.{i}."
            z = self.norm(x, t[p + "input_layernorm.weight"])
            q, k, v = (product(f"{p}self_attn.{s}_proj.weight", z)
                       .reshape(n, -1, dim) for s in "qkv")
            q, k = self.rotate(q), self.rotate(k)
            k, v = (np.repeat(y, heads // kv, 1) for y in (k, v))
            s = q.transpose(1, 0, 2) @ k.transpose(1, 2, 0) / dim ** 0.5 + mask
            s = np.exp(s - s.max(-1, keepdims=True))
            s /= s.sum(-1, keepdims=True)
            o = (s @ v.transpose(1, 0, 2)).transpose(1, 0, 2).reshape(n, -1)
            x = x + product(p + "self_attn.o_proj.weight", o)
            z = self.norm(x, t[p + "post_attention_layernorm.weight"])
            gate = product(p + "mlp.gate_proj.weight", z)
            up = product(p + "mlp.up_proj.weight", z)
            x = x + product(p + "mlp.down_proj.weight",
                            gate / (1 + np.exp(-gate)) * up)
        return self.norm(x, t["model.norm.weight"]) @ self.head.T


def documents(folder, path):
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    with open(path, encoding="utf-8") as file:
        texts = [x.strip("\n") for x in file.read().split("\n\n\n")]
    ids = [tokenizer.encode(x).ids[:N_TOKENS] for x in texts if x]
    return [np.array(x) for x in ids if len(x) > 16][:N_DOCUMENTS]


def log_softmax(x):
    x = x.astype(np.float64)
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def divergence(model, texts, reference, weights):
    total = n = 0
    for ids, p in zip(texts, reference):
        q = log_softmax(model.logits(ids, weights))
        total += (np.exp(p) * (p - q)).sum()
        n += len(ids)
    return total / n


# ---- roundings --------------------------------------------------------------

def groups(w, group):
    pad = -w.shape[1] % group
    w = np.pad(w.astype(np.float64), ((0, 0), (0, pad)))
    return w.reshape(w.shape[0], -1, group)


def flat(g, n):
    return g.reshape(g.shape[0], -1)[:, :n]


def half(x):
    return x.astype(np.float16).astype(np.float64)


def extreme(g):
    at = np.abs(g).argmax(-1)[..., None]
    return np.take_along_axis(g, at, -1)


def q4_0(w, group, h):
    g = groups(w, group)
    d = extreme(g) / -8
    d[d == 0] = 1
    return flat(np.clip(np.round(g / d), -8, 7) * half(d), w.shape[1])


def q8_0(w, group, h):
    g = groups(w, group)
    d = np.abs(extreme(g)) / 127
    d[d == 0] = 1
    return flat(np.round(g / d) * half(d), w.shape[1])


def scales(w, group, h):
    g = groups(w, group)
    by = groups(np.diag(h)[None], group) * \
        np.sqrt((g * g).mean(-1, keepdims=True) + g * g)
    e = extreme(g)
    e[e == 0] = 1
    v = -g / e
    best = gain = None
    for t in range(21):
        q = np.clip(np.round(v * (9 - 0.1 * t)), -8, 7)
        vq, qq = (by * v * q).sum(-1, keepdims=True), \
            (by * q * q).sum(-1, keepdims=True)
        a = vq / np.maximum(qq, 1e-300)
        value = a * vq
        if best is None:
            best, gain = a, value
        else:
            best = np.where(value > gain, a, best)
            gain = np.maximum(value, gain)
    s = half(-e * best)
    s[s == 0] = 1
    return np.broadcast_to(s, g.shape)


def search(w, group, h):
    s = scales(w, group, h)
    g = groups(w, group)
    return flat(np.clip(np.round(g / s), -8, 7) * s, w.shape[1])


def gptq(w, group, h):
    n = w.shape[1]
    s = flat(scales(w, group, h), n)
    h = h + 0.01 * np.mean(np.diag(h)) * np.eye(n)
    u = np.linalg.cholesky(np.linalg.inv(h)).T
    rest, out = w.astype(np.float64), np.zeros(w.shape)
    for k in range(n):
        out[:, k] = np.clip(np.round(rest[:, k] / s[:, k]), -8, 7) * s[:, k]
        e = (rest[:, k] - out[:, k]) / u[k, k]
        rest[:, k + 1:] -= np.outer(e, u[k, k + 1:])
    return out


# ---- a zoo ------------------------------------------------------------------

def nibbles(data, strips, tiles):
    """[strips * 16, tiles * 64] of a nibble plane: docs/formats.md."""
    b = data.reshape(strips, tiles, 8, 4, 2, 8) # line, word pair, row half, byte
    pair = np.stack([b & 15, b >> 4], -2).astype(np.int32) - 8
    #   strip tile line word half nibble byte -> strip half line tile word ...
    return pair.transpose(0, 4, 2, 1, 3, 5, 6).reshape(strips * 16, tiles * 64)


def bytes_plane(data, strips, tiles):
    b = data.reshape(strips, tiles, 8, 2, 4, 2, 8) # line, nibble, word, half
    return (b.transpose(0, 5, 2, 1, 4, 3, 6).astype(np.int32) - 128) \
        .reshape(strips * 16, tiles * 64)


def read_zoo(folder, names):
    """{tensor: [int4, int8, full]}, and the group."""
    data = np.fromfile(os.path.join(folder, "weights.acw"), np.uint8)
    n_tensors, group = data[48:56].view("<u4")
    out = {}
    for i in range(n_tensors):
        entry = data[4096 + 160 * i:4096 + 160 * (i + 1)]
        name = bytes(entry[:32]).split(b"\0")[0].decode()
        kind, rows, n, padded, _, ratio = entry[32:56].view("<u4")
        offset, size = entry[64:96].view("<u8"), entry[96:128].view("<u8")
        part = [data[o:o + m] for o, m in zip(offset, size)]
        layer, _, short = name.partition(".")
        if kind != 1 or short not in PARTS:
            continue
        strips, tiles = (rows + 15) // 16, padded // 64
        s = part[1].view("<f2").astype(np.float64) \
            .reshape(strips, padded // group, 16).transpose(0, 2, 1) \
            .reshape(strips * 16, -1).repeat(group, 1)
        q, r = nibbles(part[0], strips, tiles), nibbles(part[2], strips, tiles)
        t = bytes_plane(part[3], strips, tiles)
        c = int(ratio) * q + r
        planes = [q * s, c * s / ratio, (256 * c + t) * s / (256 * ratio)]
        out[f"model.layers.{layer}.{PARTS[short]}.weight"] = \
            [x[:rows, :n] for x in planes]
    assert set(out) == set(names)
    return out, int(group)


def main():
    folder, calibration, evaluation = sys.argv[1:4]
    model = Model(folder)
    seen = {}
    for ids in documents(folder, calibration):
        model.logits(ids, model.t, seen)
    h = {name: total / n for name, (total, n) in seen.items()}
    texts = documents(folder, evaluation)[:80]
    reference = [log_softmax(model.logits(ids, model.t)) for ids in texts]

    def judge(label, replaced):
        weights = dict(model.t)
        for name in model.names:
            weights[name] = replaced(name).astype(np.float32)
        kl = divergence(model, texts, reference, weights)
        print(f"{label:32s} {kl:.3e}", flush=True)

    print(f"{sum(map(len, texts))} tokens judged")
    for group in (32, 64, 128):
        for rule in (q4_0, search, gptq, q8_0):
            judge(f"group {group:3d} {rule.__name__}",
                  lambda name: rule(model.t[name], group, h[name]))
    for zoo in sys.argv[4:]:
        planes, group = read_zoo(zoo, model.names)
        for i, label in enumerate(("A", "A+B", "A+B+C")):
            judge(f"group {group:3d} {zoo} {label}",
                  lambda name: planes[name][i])


if __name__ == "__main__":
    main()
