#!/usr/bin/env python3
"""Makes the goldens of the checkpoint readers and of the forward pass.

    python3 make_models.py          (numpy, torch, transformers, safetensors, gguf)

models/NAME/            a tiny random checkpoint: config.json, safetensors
models/NAME.gguf        the same as GGUF, several number formats
models/NAME/golden.bin  i32 n_tokens, i32 n_vocab, i32 tokens[n_tokens],
models/NAME.golden      f32 logits[n_tokens][n_vocab]: transformers read the
                        directory (for GGUF: what the gguf package dequantised)
                        and ran in float64
blocks/TYPE.bin         i32 blocks, i32 bytes of one, i32 values of one, the
                        blocks (random), f32 values by the gguf package

Everything is seeded; made with transformers 5.23, torch 2.15, gguf from PyPI.
"""
import json
import os
import shutil
import struct

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "models")
BLOCKS = os.path.join(HERE, "blocks")
N_TOKENS, N_VOCAB = 40, 128

BASE = dict(hidden_size=64, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, vocab_size=N_VOCAB,
            max_position_embeddings=64, rms_norm_eps=1e-5, hidden_act="silu",
            rope_theta=10000.0, tie_word_embeddings=False,
            torch_dtype="bfloat16")


def config(architecture, **changes):
    c = dict(architectures=[architecture + "ForCausalLM"],
             model_type=architecture.lower(), **BASE)
    c.update(changes)
    return {k: v for k, v in c.items() if v is not None}


def tensor_shapes(c):
    kind, d, ff = c["model_type"], c["hidden_size"], c["intermediate_size"]
    dim = c.get("head_dim") or d // c["num_attention_heads"]
    q, kv = c["num_attention_heads"] * dim, c["num_key_value_heads"] * dim
    bias = c.get("attention_bias", False)
    yield "model.embed_tokens.weight", (N_VOCAB, d)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (d,)
        yield p + "post_attention_layernorm.weight", (d,)
        for name, out, into in (("q", q, d), ("k", kv, d), ("v", kv, d),
                                ("o", d, q)):
            yield f"{p}self_attn.{name}_proj.weight", (out, into)
            if bias or (kind == "qwen2" and name != "o"):
                yield f"{p}self_attn.{name}_proj.bias", (out,)
        if kind == "qwen3":
            yield p + "self_attn.q_norm.weight", (dim,)
            yield p + "self_attn.k_norm.weight", (dim,)
        for name, out, into in (("gate", ff, d), ("up", ff, d),
                                ("down", d, ff)):
            yield f"{p}mlp.{name}_proj.weight", (out, into)
            if c.get("mlp_bias"):
                yield f"{p}mlp.{name}_proj.bias", (out,)
    yield "model.norm.weight", (d,)
    if not c["tie_word_embeddings"]:
        yield "lm_head.weight", (N_VOCAB, d)


def random_tensors(c, seed):
    """Large enough that attention is sharp and rotation matters."""
    random = torch.Generator().manual_seed(seed)
    out = {}
    for name, shape in tensor_shapes(c):
        t = torch.randn(shape, generator=random, dtype=torch.float64)
        if name.endswith("norm.weight"):
            t = 1 + 0.2 * t
        elif name.endswith("bias"):
            t = 0.3 * t
        elif "embed" not in name:
            t = 1.5 * t / shape[1] ** 0.5
        out[name] = t
    return out


def tokens_of(seed):
    return np.random.default_rng(seed).integers(0, N_VOCAB, N_TOKENS)


def write_golden(path, folder, seed):
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager")
    ids = tokens_of(seed)
    with torch.no_grad():
        logits = model(torch.tensor(ids)[None]).logits[0]
    logits = logits.to(torch.float64).numpy()
    assert logits.shape == (N_TOKENS, N_VOCAB)
    with open(path, "wb") as f:
        f.write(struct.pack("<2i", N_TOKENS, N_VOCAB))
        f.write(ids.astype("<i4").tobytes())
        f.write(logits.astype("<f4").tobytes())
    print(f"{os.path.relpath(path, HERE)}: std {logits.std():.3f}")


def folder_of(name):
    folder = os.path.join(MODELS, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def write_config(folder, c):
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(c, f, indent=1, sort_keys=True)
        f.write("\n")


def make(name, c, seed, dtype=torch.bfloat16, n_shards=1, weights_of=None):
    folder = folder_of(name)
    write_config(folder, c)
    if weights_of:  # another scaling of the same weights
        os.symlink(f"../{weights_of}/model.safetensors",
                   os.path.join(folder, "model.safetensors"))
    else:
        tensors = {k: v.to(dtype) for k, v in random_tensors(c, seed).items()}
        save(folder, tensors, n_shards)
    write_golden(os.path.join(folder, "golden.bin"), folder, seed)


def save(folder, tensors, n_shards):
    meta = {"format": "pt"}
    if n_shards == 1:
        save_file(tensors, os.path.join(folder, "model.safetensors"), meta)
        return
    names, where = sorted(tensors), {}
    for i in range(n_shards):
        file = f"model-{i + 1:05d}-of-{n_shards:05d}.safetensors"
        part = {k: tensors[k] for k in names[i::n_shards]}
        save_file(part, os.path.join(folder, file), meta)
        where.update({k: file for k in part})
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": size}, "weight_map": where}, f,
                  indent=1, sort_keys=True)
        f.write("\n")


# ---- GGUF -------------------------------------------------------------------

def by_pairs(w, n_head):
    """llama files keep rotary pairs as neighbours."""
    return (w.reshape(n_head, 2, w.shape[0] // n_head // 2, *w.shape[1:])
            .swapaxes(1, 2).reshape(w.shape))


def unpaired(w, n_head):
    return (w.reshape(n_head, w.shape[0] // n_head // 2, 2, *w.shape[1:])
            .swapaxes(1, 2).reshape(w.shape))


GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm",
    "lm_head": "output", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    stem, end = name.rsplit(".", 1)
    if stem.startswith("model.layers."):
        _, _, layer, rest = stem.split(".", 3)
        return f"blk.{layer}.{GGUF_NAMES[rest]}.{end}"
    return f"{GGUF_NAMES[stem]}.{end}"


def llama3_table(c):
    """What each frequency is divided by, as the public converter writes it."""
    r, dim = c["rope_scaling"], c["hidden_size"] // c["num_attention_heads"]
    old, out = r["original_max_position_embeddings"], []
    for i in range(0, dim, 2):
        wave = 2 * np.pi * c["rope_theta"] ** (i / dim)
        if wave < old / r["high_freq_factor"]:
            out.append(1.0)
        elif wave > old / r["low_freq_factor"]:
            out.append(r["factor"])
        else:
            s = (old / wave - r["low_freq_factor"]) / (
                r["high_freq_factor"] - r["low_freq_factor"])
            out.append(1 / ((1 - s) / r["factor"] + s))
    return np.array(out, dtype=np.float32)


def make_gguf(name, c, seed, types):
    """`types` are dealt out to the matrices in turn."""
    kind = c["model_type"]
    w = gguf.GGUFWriter(os.path.join(MODELS, name + ".gguf"), kind)
    w.add_name("tiny " + name)
    w.add_block_count(c["num_hidden_layers"])
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(c["num_key_value_heads"])
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_rope_freq_base(c["rope_theta"])
    if "head_dim" in c:
        w.add_key_length(c["head_dim"])
        w.add_value_length(c["head_dim"])
    scaling = c.get("rope_scaling", {})
    if scaling.get("rope_type") == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_table(c))
    if scaling.get("rope_type") == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(scaling["factor"])
        w.add_rope_scaling_orig_ctx_len(
            scaling["original_max_position_embeddings"])
    read_back, i = {}, 0
    for hf, t in random_tensors(c, seed).items():
        a, n_head = t.numpy().astype(np.float32), 0
        if kind == "llama" and "q_proj" in hf:
            n_head = c["num_attention_heads"]
        if kind == "llama" and "k_proj" in hf:
            n_head = c["num_key_value_heads"]
        a = by_pairs(a, n_head) if n_head else a
        if a.ndim == 2:
            of = types[i % len(types)]
            i += 1
            if a.shape[1] % gguf.GGML_QUANT_SIZES[of][0]:
                of = Q.F16
        else:
            of = Q.F32
        raw = gguf.quants.quantize(a, of)
        w.add_tensor(gguf_name(hf), raw, raw_dtype=of)
        a = gguf.quants.dequantize(raw, of).reshape(a.shape)
        a = unpaired(a, n_head) if n_head else a
        read_back[hf] = torch.tensor(np.ascontiguousarray(a),
                                     dtype=torch.float64)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    folder = folder_of(name + "-scratch")
    write_config(folder, dict(c, torch_dtype="float64"))
    save(folder, read_back, 1)
    write_golden(os.path.join(MODELS, name + ".golden"), folder, seed)
    shutil.rmtree(folder)


def make_blocks(kind, floats_at, seed, n=6):
    """Random bytes with sane float16 scales at `floats_at`."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (n, size), dtype=np.uint8)
    for at in floats_at:
        scale = random.normal(0, 0.05, n).astype(np.float16)
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(n, 2)
    out = gguf.quants.dequantize(blocks, kind).astype("<f4")
    with open(os.path.join(BLOCKS, kind.name + ".bin"), "wb") as f:
        f.write(struct.pack("<3i", n, size, values))
        f.write(blocks.tobytes())
        f.write(out.reshape(-1).tobytes())


def main():
    os.makedirs(MODELS, exist_ok=True)
    os.makedirs(BLOCKS, exist_ok=True)
    llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                  high_freq_factor=4.0, original_max_position_embeddings=32)
    make("llama", config("Llama"), 1, torch.float16)
    make("llama-tied-bias", config("Llama", tie_word_embeddings=True,
                                   attention_bias=True, mlp_bias=True), 2)
    make("llama-sharded", config("Llama", num_key_value_heads=4), 3,
         n_shards=3)
    make("rope-linear", config("Llama", rope_scaling=dict(
        type="linear", factor=2.5)), 4, weights_of="llama")
    make("rope-dynamic", config("Llama", max_position_embeddings=16,
         rope_scaling=dict(type="dynamic", factor=4.0)), 5,
         weights_of="llama")
    make("rope-llama3", config("Llama", rope_scaling=llama3), 6,
         weights_of="llama")
    make("rope-yarn", config("Llama", rope_theta=None, rope_parameters=dict(
        rope_type="yarn", rope_theta=5000.0, factor=4.0, beta_fast=4.0,
        original_max_position_embeddings=16)), 7, weights_of="llama")
    make("mistral", config("Mistral", sliding_window=8), 8)
    make("qwen2", config("Qwen2", use_sliding_window=True, sliding_window=16,
                         max_window_layers=0, rope_theta=1000000.0), 9)
    make("qwen3", config("Qwen3", head_dim=32, tie_word_embeddings=True), 10)
    make_gguf("llama", config("Llama", rope_scaling=llama3), 11,
              [Q.Q8_0, Q.Q4_0, Q.Q5_1, Q.F16, Q.Q4_1, Q.Q5_0])
    make_gguf("qwen3", config("Qwen3", head_dim=32, rope_scaling=dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=16),
        num_hidden_layers=1), 12, [Q.BF16])
    make_gguf("qwen2", config("Qwen2", tie_word_embeddings=True), 13,
              [Q.Q8_0])
    for i, (kind, at) in enumerate([
            (Q.Q8_0, [0]), (Q.Q4_0, [0]), (Q.Q4_1, [0, 2]), (Q.Q5_0, [0]),
            (Q.Q5_1, [0, 2]), (Q.Q4_K, [0, 2]), (Q.Q5_K, [0, 2]),
            (Q.Q6_K, [208])]):
        make_blocks(kind, at, 100 + i)


if __name__ == "__main__":
    main()
