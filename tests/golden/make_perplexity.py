#!/usr/bin/env python3
"""Perplexity by PyTorch in float64, to hold `agentcompress perplexity` against.

    python3 make_perplexity.py                          writes perplexity/
    python3 make_perplexity.py CHECKPOINT TEXT CONTEXT STRIDE [half] [N_TOKENS]
                                                        prints the figures;
                        special tokens are read, as with --special

perplexity/tokenizer.json   one token per ASCII character, for models/llama
perplexity/text.txt         a text of those
perplexity/golden.json      figures of models/llama on it, by window and stride

Sliding windows as in the transformers documentation ("Perplexity of
fixed-length models"); half: llama.cpp's second halves of whole windows. Errors
by batches of one window (of the stride's steps within one, when sliding).
Made with transformers 5.24, torch 2.15.
"""
import json
import lzma
import math
import os
import sys

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "perplexity")
LLAMA = os.path.join(HERE, "models", "llama")


def nats_by_batch(model, ids, context, stride, half):
    """[(sum of -ln p, tokens)] of each batch."""
    batches, previous, began = [[0.0, 0]], 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + context, len(ids))
        if half and end - begin < context:
            break
        first = max(previous, begin + 1)
        if half:
            first = begin + context // 2 + 1
        window = torch.tensor(ids[begin:end])[None]
        with torch.no_grad():
            logp = model(window).logits[0].double().log_softmax(-1)
        for i in range(first, end):
            batches[-1][0] -= logp[i - 1 - begin, ids[i]].item()
            batches[-1][1] += 1
        previous = end
        if end - began >= context:
            batches.append([0.0, 0])
            began = end
        if end == len(ids):
            break
    return [b for b in batches if b[1] > 0]


def figures(model, ids, context, stride, half=False):
    batches = nats_by_batch(model, ids, context, stride, half)
    total, n = sum(b[0] for b in batches), sum(b[1] for b in batches)
    mean, count = total / n, len(batches)
    square = sum((x - mean * k) ** 2 for x, k in batches)
    error = math.sqrt(square * count / (count - 1)) / n if count > 1 else None
    return dict(context=context, stride=stride, half=half, judged=n,
                batches=count, nats=mean, nats_error=error,
                perplexity=math.exp(mean))


def load(path):
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32,
                                                 attn_implementation="eager")
    return model.double().eval()


def byte_spelling(byte):
    """As GPT-2 spells the bytes below 128."""
    return chr(byte) if 33 <= byte <= 126 else chr(
        256 + (byte if byte < 33 else 33))


def write_golden():
    os.makedirs(FOLDER, exist_ok=True)
    vocabulary = {byte_spelling(b): b for b in range(128)}
    tokenizer = dict(
        version="1.0", added_tokens=[], normalizer=None, post_processor=None,
        pre_tokenizer=dict(type="ByteLevel", add_prefix_space=False,
                           trim_offsets=True, use_regex=True),
        decoder=dict(type="ByteLevel", add_prefix_space=False,
                     trim_offsets=True, use_regex=True),
        model=dict(type="BPE", dropout=None, unk_token=None, fuse_unk=False,
                   byte_fallback=False, vocab=vocabulary, merges=[]))
    with open(os.path.join(FOLDER, "tokenizer.json"), "w") as f:
        json.dump(tokenizer, f, indent=0)
    text = "".join(f"Line {i} of a text that no model has read: {i * i}.\n"
                   for i in range(1, 8))
    with open(os.path.join(FOLDER, "text.txt"), "w") as f:
        f.write(text)
    model, ids = load(LLAMA), list(text.encode())
    rows = [figures(model, ids, c, s, h)
            for c, s, h in ((32, 32, False), (32, 8, False), (48, 48, True),
                            (64, 24, False))]
    with open(os.path.join(FOLDER, "golden.json"), "w") as f:
        json.dump(rows, f, indent=1)


def main():
    if len(sys.argv) < 2:
        return write_golden()
    path, text, context, stride = sys.argv[1:5]
    half = "half" in sys.argv[5:]
    limits = [int(a) for a in sys.argv[5:] if a.isdigit()]
    read = lzma.open if text.endswith(".xz") else open
    with read(text, "rt", encoding="utf-8", newline="") as f:
        ids = Tokenizer.from_file(
            os.path.join(path, "tokenizer.json")).encode(f.read()).ids
    ids = ids[:limits[0]] if limits else ids
    row = figures(load(path), ids, int(context), int(stride), half)
    print(json.dumps(row, indent=1))


main()
