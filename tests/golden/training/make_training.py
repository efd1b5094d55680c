#!/usr/bin/env python3
"""Makes the goldens of the trainer's network: logits, loss and all gradients.

    python3 make_training.py        (numpy, torch, transformers, safetensors)

NAME/           a tiny random checkpoint: config.json, model.safetensors (f32)
NAME/golden.bin i32 n_tokens, n_documents, n_targets,
                i32 tokens[n_tokens], targets[n_tokens] (-1: none),
                    starts[n_documents + 1],
                f64 loss: cross-entropy summed over rows with a target,
                f32 logits[n_targets][n_vocab] of those rows,
                f32 gradients of every tensor, in the order of
                    src/model/tensor_list.h,
                f64 curve[20]: mean loss before each of 20 steps of AdamW on
                    this batch (rate 3e-3, betas 0.9 0.95, epsilon 1e-8, decay
                    0.1 for matrices, gradients clipped to norm 1)

transformers ran in float64, document by document: nothing packed, nothing
masked. Everything is seeded; made with transformers 5.23, torch 2.15.
"""
import json
import os
import shutil
import struct

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
N_VOCAB, DOCUMENTS = 24, (7, 1, 67)

BASE = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=4,
            vocab_size=N_VOCAB, max_position_embeddings=96, rms_norm_eps=1e-5,
            hidden_act="silu", rope_theta=10000.0, torch_dtype="float32")
MODELS = {
    "llama": dict(model_type="llama", architectures=["LlamaForCausalLM"],
                  tie_word_embeddings=True),
    "qwen2": dict(model_type="qwen2", architectures=["Qwen2ForCausalLM"],
                  tie_word_embeddings=False),
    "qwen3": dict(model_type="qwen3", architectures=["Qwen3ForCausalLM"],
                  tie_word_embeddings=False, attention_bias=False),
}
LAYER = ("input_layernorm.weight self_attn.q_proj.weight "
         "self_attn.k_proj.weight self_attn.v_proj.weight "
         "self_attn.o_proj.weight self_attn.q_proj.bias self_attn.k_proj.bias "
         "self_attn.v_proj.bias self_attn.o_proj.bias self_attn.q_norm.weight "
         "self_attn.k_norm.weight post_attention_layernorm.weight "
         "mlp.gate_proj.weight mlp.up_proj.weight mlp.down_proj.weight").split()


def names(n_layers):
    yield "model.embed_tokens.weight"
    for i in range(n_layers):
        for name in LAYER:
            yield f"model.layers.{i}.{name}"
    yield "model.norm.weight"
    yield "lm_head.weight"


def randomise(model, seed):
    """Large enough that attention is sharp and rotation matters."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            t = torch.randn(p.shape, generator=random, dtype=torch.float64)
            if name.endswith("norm.weight"):
                t = 1 + 0.2 * t
            elif name.endswith("bias"):
                t = 0.3 * t
            elif "embed" not in name:
                t = 1.5 * t / p.shape[1] ** 0.5
            p.copy_(t.to(torch.float32))


def make(name, changes, seed):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(dict(BASE, **changes), f, indent=1, sort_keys=True)
        f.write("\n")
    model = AutoModelForCausalLM.from_config(
        AutoConfig.from_pretrained(folder), attn_implementation="eager")
    model = model.to(torch.float64)
    randomise(model, seed)
    weights = {k: v.detach().to(torch.float32).contiguous().clone()
               for k, v in model.named_parameters()}
    save_file(weights, os.path.join(folder, "model.safetensors"),
              {"format": "pt"})
    write_golden(os.path.join(folder, "golden.bin"), model, seed)


def forward(model, tokens, targets, starts):
    loss, logits = 0.0, []
    for a, b in zip(starts[:-1], starts[1:]):
        out = model(torch.tensor(tokens[a:b])[None]).logits[0]
        wanted = torch.tensor(targets[a:b])
        logits.append(out[wanted >= 0].detach().numpy())
        if (wanted >= 0).any():
            loss = loss + torch.nn.functional.cross_entropy(
                out, wanted, ignore_index=-1, reduction="sum")
    return loss, logits


def curve(model, batch, n_targets):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    adam = torch.optim.AdamW([dict(params=matrices, weight_decay=0.1),
                              dict(params=vectors, weight_decay=0.0)],
                             lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for _ in range(20):
        loss = forward(model, *batch)[0] / n_targets
        losses.append(loss.item())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
    return losses


def write_golden(path, model, seed):
    random = np.random.default_rng(seed)
    n = sum(DOCUMENTS)
    tokens = random.integers(0, N_VOCAB, n)
    targets = random.integers(0, N_VOCAB, n)
    targets[random.random(n) < 0.3] = -1
    starts = np.concatenate([[0], np.cumsum(DOCUMENTS)])
    loss, logits = forward(model, tokens, targets, starts)
    loss.backward()
    gradients = {k: v.grad for k, v in model.named_parameters()}
    with open(path, "wb") as f:
        f.write(struct.pack("<3i", n, len(DOCUMENTS), int((targets >= 0).sum())))
        for a in (tokens, targets, starts):
            f.write(a.astype("<i4").tobytes())
        f.write(struct.pack("<d", loss.item()))
        f.write(np.concatenate(logits).astype("<f4").tobytes())
        for name in names(BASE["num_hidden_layers"]):
            if name in gradients:
                f.write(gradients[name].numpy().astype("<f4").tobytes())
        losses = curve(model, (tokens, targets, starts), (targets >= 0).sum())
        f.write(np.array(losses, "<f8").tobytes())
    print(os.path.basename(os.path.dirname(path)), losses[0], losses[-1])


if __name__ == "__main__":
    for seed, (name, changes) in enumerate(MODELS.items(), 1):
        make(name, changes, seed)
