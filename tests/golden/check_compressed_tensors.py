#!/usr/bin/env python3
"""Exported directories read by the packages they are for.

    python3 check_compressed_tensors.py AGENTCOMPRESS ZOO CHECKPOINT TEXT WORK

ZOO is one of the Llama in CHECKPOINT, with int4a16, int8a16 and int8. Each is
exported into WORK and read twice: its projections dequantised by the package
compressed-tensors and held against the planes of the zoo, read by the
description of its format (planes_kl.py); and the directory loaded by
transformers, in float32, and its perplexity of TEXT held against that of
`agentcompress perplexity`, second halves of windows of 512.

Needs torch, transformers, compressed-tensors, safetensors.
"""
import json
import os
import subprocess
import sys

import numpy as np
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationConfig
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from planes_kl import PARTS, read_zoo

CONTEXT = 512
EXPORTS = [("int4a16", "w4a16", 0), ("int8a16", "w8a16", 1), ("int8", "w8a8", 1)]


def dequantised(folder):
    """{tensor: float32} by compressed-tensors' own code."""
    with open(f"{folder}/config.json") as f:
        config = QuantizationConfig.model_validate(
            json.load(f)["quantization_config"])
    scheme = config.config_groups["group_0"]
    compressor = BaseCompressor.get_value_from_registry(config.format)
    modules = {}
    for name, value in load_file(f"{folder}/model.safetensors").items():
        module, _, part = name.rpartition(".")
        if part == "weight_scale": # or the product would be rounded to it
            value = value.float()
        modules.setdefault(module, {})[part] = value
    return {module + ".weight":
            compressor.decompress(parts, scheme)["weight"].float().numpy()
            for module, parts in modules.items() if "weight_scale" in parts}


def perplexity(folder, ids, begin):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    total = n = 0
    with torch.no_grad():
        for at in range(0, len(ids) - CONTEXT + 1, CONTEXT):
            window = torch.tensor(ids[at:at + CONTEXT])[None]
            if begin is not None:
                window[0, 0] = begin
            logp = model(window).logits[0].double().log_softmax(-1)
            first = CONTEXT // 2
            total -= logp[first:-1].gather(1, window[0, first + 1:, None]) \
                .sum().item()
            n += CONTEXT - 1 - first
    return np.exp(total / n), n


def main():
    program, zoo, checkpoint, text, work = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    with open(f"{checkpoint}/config.json") as f:
        config = json.load(f)
    planes, _ = read_zoo(zoo, [f"model.layers.{i}.{p}.weight"
                               for i in range(config["num_hidden_layers"])
                               for p in PARTS.values()])
    with open(f"{checkpoint}/tokenizer_config.json") as f:
        begin = config["bos_token_id"] \
            if json.load(f).get("add_bos_token") else None
    ours = json.loads(subprocess.check_output(
        [program, "perplexity", zoo, text, "--context", str(CONTEXT),
         "--second-half", "--whole-windows", "--kv-bits", "32",
         "--begin", "none" if begin is None else "window", "--json",
         "--quiet"]))[0]
    by_name = {v["variant"]: v["perplexity"] for v in ours["variants"]}
    for variant, kind, plane in EXPORTS:
        folder = f"{work}/{kind}"
        subprocess.check_output([program, "export", zoo, folder, "--variant",
                                 variant, "--type", kind, "--overwrite",
                                 "--quiet"])
        worst = largest = 0
        for name, w in dequantised(folder).items():
            v = planes[name][plane]
            worst = max(worst, np.linalg.norm(w - v) / np.linalg.norm(v))
            largest = max(largest, np.abs(w - v).max())
        ids = AutoTokenizer.from_pretrained(folder).encode(
            open(text, encoding="utf-8", errors="replace").read(),
            add_special_tokens=False)
        if begin is not None:
            ids = [begin] + ids
        theirs, n = perplexity(folder, ids, begin)
        # Special tokens in TEXT would be read as such by one side only.
        assert len(ids) == ours["tokens"] and n == ours["judged_tokens"]
        print(f"{kind}: weights off by at most {worst:.2e} of a tensor, "
              f"{largest:.2e} at most; perplexity {theirs:.4f} of {n} tokens, "
              f"{variant} {by_name[variant]:.4f}, "
              f"{100 * (theirs / by_name[variant] - 1):+.3f} %", flush=True)


main()
