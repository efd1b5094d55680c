#!/usr/bin/env python3
"""Makes the golden of a calibration: calibration/llama-tied-bias.bin.

    python3 make_calibration.py            (numpy, torch, transformers)

PyTorch runs models/llama-tied-bias in float64 over the documents of
calibration/text.jsonl, one at a time, bytes as tokens, and hooks collect what
goes into its matrices. Float32, in the order of a calibration's file, without
padding: per layer, for the inputs of q, o, gate and down, mean [n],
max |x| [n], the lower triangle of E[x x']; then the mean cosines over
attention and feed-forward; at the end the head's input. Made with transformers
5.23, torch 2.15.
"""
import json
import os

import numpy as np
import torch
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
model = AutoModelForCausalLM.from_pretrained(
    os.path.join(HERE, "models", "llama-tied-bias"), dtype=torch.float64,
    attn_implementation="eager").eval()
seen = {}


def keep(key):
    def hook(module, args):
        x = args[0].detach().reshape(-1, args[0].shape[-1]).numpy()
        seen.setdefault(key, []).append(x)
    return hook


layers = model.model.layers
for i, layer in enumerate(layers):
    layer.input_layernorm.register_forward_pre_hook(keep((i, "x")))
    layer.post_attention_layernorm.register_forward_pre_hook(
        keep((i, "middle")))
    layer.self_attn.q_proj.register_forward_pre_hook(keep((i, 0)))
    layer.self_attn.o_proj.register_forward_pre_hook(keep((i, 1)))
    layer.mlp.gate_proj.register_forward_pre_hook(keep((i, 2)))
    layer.mlp.down_proj.register_forward_pre_hook(keep((i, 3)))
model.model.norm.register_forward_pre_hook(keep((len(layers), "x")))
model.lm_head.register_forward_pre_hook(keep("head"))

with torch.no_grad(), open(os.path.join(HERE, "calibration",
                                        "text.jsonl")) as lines:
    for line in lines:
        row = json.loads(line)
        text = row.get("text") or row["prompt"] + row["completion"]
        model(torch.tensor([list(text.encode())]))
seen = {key: np.concatenate(rows) for key, rows in seen.items()}


def statistics(x):
    moments = x.T @ x / len(x)
    return [x.mean(0), np.abs(x).max(0),
            moments[np.tril_indices(len(moments))]]


def cosine(a, b):
    return ((a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))).mean()


out = []
for i in range(len(layers)):
    for j in range(4):
        out += statistics(seen[i, j])
    out.append([cosine(seen[i, "x"], seen[i, "middle"]),
                cosine(seen[i, "middle"], seen[i + 1, "x"])])
out += statistics(seen["head"])
np.concatenate(out).astype("<f4").tofile(
    os.path.join(HERE, "calibration", "llama-tied-bias.bin"))
