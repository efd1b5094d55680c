#!/usr/bin/env python3
"""The loss curve of `agentcompress train`, computed again by PyTorch.

    pytorch_curve.py start FOLDER                 weights for FOLDER's config.json
    pytorch_curve.py train FOLDER TEXT OUT.csv    200 steps, one thread
    agentcompress train FOLDER OUT --data TEXT --steps 200 --context 256 \
        --batch-tokens 2048 --seed 7 --learning-rate 2e-3

Nothing of ours is called: reading, packing, order, schedule and AdamW are
written here from their description (docs/training.md, corpus_order.c). Needs
torch, transformers, tokenizers. Results: docs/training.md.
"""
import json
import math
import sys

import tokenizers
import torch
from transformers import LlamaConfig, LlamaForCausalLM

STEPS, CONTEXT, BATCH_TOKENS, SEED = 200, 256, 2048, 7
RATE, FINAL, WARMUP = 2e-3, 0.1, 4
MASK = (1 << 64) - 1


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def permute(i, n, key):
    half = 1
    while half < 31 and 1 << (2 * half) < n:
        half += 1
    mask = (1 << half) - 1
    while True:
        left, right = i >> half, i & mask
        for r in range(4):
            left, right = right, left ^ (
                mix((right + mix((key + r) & MASK)) & MASK) & mask)
        i = left << half | right
        if i < n:
            return i


def read_pieces(folder, path):
    tokenizer = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
    end = tokenizer.token_to_id("<|endoftext|>")
    documents, lines, blank, pieces = [], [], 0, []
    for line in open(path, encoding="utf-8", newline="").read().split("\n"):
        line = line[:-1] if line.endswith("\r") else line
        blank = 0 if line else blank + 1
        lines.append(line)
        if blank == 2:
            documents.append("\n".join(lines).strip("\n"))
            lines = []
    documents.append("\n".join(lines).strip("\n"))
    for text in filter(None, documents):
        ids = tokenizer.encode(text, add_special_tokens=False).ids + [end]
        for at in range(0, len(ids) - 1, CONTEXT):
            targets = ids[at + 1:at + 1 + CONTEXT]
            pieces.append((ids[at:at + len(targets)], targets))
    return pieces


def batches(pieces):
    drawn = 0
    while True:
        tokens, targets, positions, documents, n = [], [], [], [], 0
        while True:
            turn, within = divmod(drawn, len(pieces))
            key = mix((SEED + mix(mix((turn + 0x9E3779B97F4A7C15) & MASK)))
                      & MASK)
            x, y = pieces[permute(within, len(pieces), key)]
            if len(x) > BATCH_TOKENS - len(tokens):
                break
            drawn, n = drawn + 1, n + 1
            tokens += x
            targets += y
            positions += range(len(x))
            documents += [n] * len(x)
        yield [torch.tensor(v) for v in (tokens, targets, positions,
                                         documents)]


def rate(step):
    if step < WARMUP:
        return RATE * (step + 1) / WARMUP
    done = (step - WARMUP) / (STEPS - WARMUP - 1)
    return RATE * (FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * done)))


def train(folder, path, out):
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").train()
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1},
         {"params": vectors, "weight_decay": 0.0}],
        lr=RATE, betas=(0.9, 0.95), eps=1e-8)
    source = batches(read_pieces(folder, path))
    with open(out, "w") as log:
        log.write("step,loss,grad_norm\n")
        for step in range(STEPS):
            x, y, positions, documents = next(source)
            n = len(x)
            seen = documents[:, None] == documents[None, :]
            seen &= torch.ones(n, n, dtype=torch.bool).tril()
            mask = torch.zeros(n, n).masked_fill(~seen, -math.inf)
            logits = model(input_ids=x[None], attention_mask=mask[None, None],
                           position_ids=positions[None]).logits[0]
            loss = torch.nn.functional.cross_entropy(logits, y)
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            log.write(f"{step + 1},{loss.item():.6f},{norm.item():.6f}\n")
            log.flush()


def start(folder):
    torch.manual_seed(1)
    with open(folder + "/config.json") as file:
        config = LlamaConfig(**json.load(file))
    LlamaForCausalLM(config).save_pretrained(folder)


if __name__ == "__main__":
    {"start": start, "train": train}[sys.argv[1]](*sys.argv[2:])
