"""make_seeds.py - writes the seeds under tests/fuzz/corpora: one small valid
input per kind, from which the fuzzers start and `make check` replays.

    python3 tests/fuzz/make_seeds.py build/release/agentcompress

The program makes those that only it can make: a zoo's own files. Run by hand
when a format changes; the seeds are kept in the repository.
"""
import json
import lzma
import os
import random
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RANDOM = random.Random(1)


def put(folder, name, data):
    path = os.path.join(HERE, "corpora", folder)
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, name), "wb") as file:
        file.write(data)


# ---- Tokenizers --------------------------------------------------------------

def byte_letters():
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {b: chr(b) for b in plain}, 0
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + extra)
            extra += 1
    return letters


def byte_level_json():
    letters = byte_letters()
    vocab = {letters[b]: i for i, b in enumerate(sorted(letters))}
    merges = []
    for word in [" the", " he", "ll", "llo", " w", "ing", "12", "na", "ïv"]:
        parts = [letters[b] for b in word.encode()]
        while len(parts) > 1:
            merged = parts[0] + parts[1]
            if merged not in vocab:
                vocab[merged] = len(vocab)
                merges.append(f"{parts[0]} {parts[1]}")
            parts[:2] = [merged]
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": len(vocab) + i, "content": text, "special": True,
             "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False} for i, text in enumerate(special)],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                          "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "unk_token": None, "byte_fallback": False,
                  "vocab": vocab, "merges": merges}}


def sentencepiece_pieces():
    """(text, score, type) as in tokenizer.model; types as in SentencePiece."""
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]
    words = ["▁t", "he", "▁the", "ll", "llo", "▁w", "in", "ing", "12", "na"]
    pieces += [(w, -float(i), 1) for i, w in enumerate(words)]
    letters = "▁abcdefghilnotwïv12中.,!?"
    return pieces + [(c, -100.0 - i, 1) for i, c in enumerate(letters)]


def sentencepiece_json():
    vocab = {text: i for i, (text, _, _) in enumerate(sentencepiece_pieces())}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": i, "content": text, "special": True, "single_word": False,
             "lstrip": False, "rstrip": False, "normalized": False}
            for i, text in enumerate(["<unk>", "<s>", "</s>"])],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "},
             "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True,
                  "byte_fallback": True, "vocab": vocab,
                  "merges": ["▁ t", "h e", "▁t he", "l l", "ll o", "▁ w",
                             "i n", "n a", "1 2"]}}


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, kind, payload):
    return varint(number << 3 | kind) + payload


def message(number, payload):
    return field(number, 2, varint(len(payload)) + payload)


def sentencepiece_model():
    out = b""
    for text, score, kind in sentencepiece_pieces():
        out += message(1, message(1, text.encode()) +
                       field(2, 5, struct.pack("<f", score)) +
                       field(3, 0, varint(kind)))
    out += message(2, field(3, 0, varint(2)) + field(35, 0, varint(1)))
    # normaliser: a space in front, extra white space kept
    return out + message(3, message(1, b"identity") + field(3, 0, varint(1)) +
                         field(4, 0, varint(0)))


# ---- Checkpoints -------------------------------------------------------------

EMBD, FF, VOCAB = 32, 64, 40


def tensors():
    """Name in Hugging Face's and GGUF's words, rows, columns (0: vector)."""
    layer = [("input_layernorm", "attn_norm", EMBD, 0),
             ("self_attn.q_proj", "attn_q", EMBD, EMBD),
             ("self_attn.k_proj", "attn_k", EMBD // 2, EMBD),
             ("self_attn.v_proj", "attn_v", EMBD // 2, EMBD),
             ("self_attn.o_proj", "attn_output", EMBD, EMBD),
             ("post_attention_layernorm", "ffn_norm", EMBD, 0),
             ("mlp.gate_proj", "ffn_gate", FF, EMBD),
             ("mlp.up_proj", "ffn_up", FF, EMBD),
             ("mlp.down_proj", "ffn_down", EMBD, FF)]
    yield "model.embed_tokens.weight", "token_embd.weight", VOCAB, EMBD
    for theirs, gguf, rows, columns in layer:
        yield (f"model.layers.0.{theirs}.weight", f"blk.0.{gguf}.weight",
               rows, columns)
    yield "model.norm.weight", "output_norm.weight", EMBD, 0


def numbers(n):
    return [RANDOM.gauss(0, 0.1) for _ in range(n)]


def floats(n, kind):
    if kind == "F32":
        return struct.pack(f"<{n}f", *numbers(n))
    if kind == "F16":
        return struct.pack(f"<{n}e", *numbers(n))
    wide = struct.pack(f"<{n}f", *numbers(n))  # BF16: the upper halves
    return b"".join(wide[i + 2:i + 4] for i in range(0, 4 * n, 4))


def safetensors(kind):
    size = {"F32": 4, "F16": 2, "BF16": 2}[kind]
    header, data = {}, b""
    for name, _, rows, columns in tensors():
        n = rows * (columns or 1)
        header[name] = {"dtype": kind,
                        "shape": [rows, columns] if columns else [rows],
                        "data_offsets": [len(data), len(data) + n * size]}
        data += floats(n, kind)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def config(**changes):
    values = {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
              "hidden_size": EMBD, "intermediate_size": FF,
              "num_hidden_layers": 1, "num_attention_heads": 2,
              "num_key_value_heads": 1, "vocab_size": VOCAB,
              "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
              "rope_theta": 10000.0, "tie_word_embeddings": True,
              "hidden_act": "silu"}
    values.update(changes)
    return json.dumps(values).encode()


def gguf_string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_value(key, kind, payload):
    return gguf_string(key) + struct.pack("<I", kind) + payload


def gguf_array(key, kind, items):
    return gguf_value(key, 9, struct.pack("<IQ", kind, len(items)) +
                      b"".join(items))


def second_layer():
    """Of deci: no attention, half the neurons."""
    for _, name, rows, columns in tensors():
        if ".ffn_" in name:
            rows, columns = [FF // 2 if n == FF else n
                             for n in (rows, columns)]
            yield "", name.replace("blk.0.", "blk.1."), rows, columns


def gguf(kind, block_values, block_bytes, deci=False):
    """Vectors are F32, matrices of ggml type `kind`, random blocks. deci has
    two layers of different sizes."""
    prefix = "deci." if deci else "llama."
    listed = list(tensors()) + (list(second_layer()) if deci else [])
    pieces = sentencepiece_pieces()[:VOCAB]
    meta = [gguf_value("general.architecture", 8, gguf_string(prefix[:-1])),
            gguf_value("tokenizer.ggml.model", 8, gguf_string("llama")),
            gguf_array("tokenizer.ggml.tokens", 8,
                       [gguf_string(t) for t, _, _ in pieces]),
            gguf_array("tokenizer.ggml.scores", 6,
                       [struct.pack("<f", s) for _, s, _ in pieces]),
            gguf_array("tokenizer.ggml.token_type", 5,
                       [struct.pack("<i", k) for _, _, k in pieces])]
    for key, value in [("block_count", 2 if deci else 1),
                       ("context_length", 64),
                       ("embedding_length", EMBD),
                       ("feed_forward_length", [FF, FF // 2]),
                       ("attention.head_count", [2, 0]),
                       ("attention.head_count_kv", [1, 0]),
                       ("attention.key_length", EMBD // 2)]:
        if isinstance(value, list) and deci:
            meta.append(gguf_array(prefix + key, 5,
                                   [struct.pack("<i", n) for n in value]))
        elif deci or key != "attention.key_length":
            value = value[0] if isinstance(value, list) else value
            meta.append(gguf_value(prefix + key, 4, struct.pack("<I", value)))
    meta.append(gguf_value(prefix + "attention.layer_norm_rms_epsilon", 6,
                           struct.pack("<f", 1e-5)))
    directory, data = b"", b""
    for _, name, rows, columns in listed:
        data += bytes(-len(data) % 32)
        shape = [columns, rows] if columns else [rows]
        directory += gguf_string(name) + struct.pack("<I", len(shape))
        directory += struct.pack(f"<{len(shape)}Q", *shape)
        directory += struct.pack("<IQ", kind if columns else 0, len(data))
        if not columns or kind == 0:
            data += floats(rows * (columns or 1), "F32")
        else:  # scales of 2^-8 so that every value is finite
            for _ in range(rows * columns // block_values):
                data += struct.pack("<e", 2.0 ** -8)
                data += RANDOM.randbytes(block_bytes - 2)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(meta)) + b"".join(meta)
    head += directory
    return head + bytes(-len(head) % 32) + data


# ---- What the program makes --------------------------------------------------

def zoo_files(program):
    with tempfile.TemporaryDirectory() as place:
        zoo = os.path.join(place, "z.zoo")
        predictor = os.path.join(place, "p.acp")
        outcomes = os.path.join(place, "o.jsonl")
        with open(outcomes, "w") as file:
            for i in range(120):
                file.write(json.dumps({
                    "prompt": f"{'say' if i % 2 else 'prove'} number {i}",
                    "success": {"full": 1, "int4": i % 2}}) + "\n")
        checkpoint = os.path.join(place, "c.gguf")
        with open(checkpoint, "wb") as file:
            file.write(gguf(0, 1, 4))

        def run(*words):
            subprocess.check_call([program, *words],
                                  stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)

        run("compress", checkpoint, zoo)
        run("compress", "synthetic:tiny", zoo + "2")
        run("train-predictor", outcomes, predictor)
        for folder, name, path in [
                ("zoo_card", "small.json", f"{zoo}/zoo.json"),
                ("weight_store", "small.acw", f"{zoo}/weights.acw"),
                ("tokenizer_file", "pieces.act", f"{zoo}/tokenizer.act"),
                ("tokenizer_file", "bytes.act", f"{zoo}2/tokenizer.act"),
                ("predictor", "two_heads.acp", predictor)]:
            with open(path, "rb") as file:
                put(folder, name, file.read())


def main():
    put("tokenizer_json", "byte_level.json",
        json.dumps(byte_level_json(), ensure_ascii=False).encode())
    put("tokenizer_json", "sentencepiece.json",
        json.dumps(sentencepiece_json(), ensure_ascii=False).encode())
    put("tokenizer_model", "bpe.model", sentencepiece_model())
    for kind in ("F32", "F16", "BF16"):
        put("safetensors", kind.lower(),
            config(torch_dtype=kind) + b"\xff" * 4 + safetensors(kind))
    put("safetensors", "yarn", config(rope_scaling={
        "rope_type": "yarn", "factor": 4.0,
        "original_max_position_embeddings": 16}) + b"\xff" * 4 +
        safetensors("BF16"))
    for name, kind, values, size in [("f32", 0, 1, 4), ("q4_0", 2, 32, 18),
                                     ("q5_0", 6, 32, 22), ("q8_0", 8, 32, 34)]:
        put("gguf", name, gguf(kind, values, size))
    variants = (b'{"prompt": "na\\u00efve \\ud83d\\ude00", '
                b'"success": {"int4": 1, "full": 0.8}}\n'
                b'{"prompt": "", "success": {"int4": null}}\n')
    put("outcomes", "variants.jsonl", variants)
    put("outcomes", "packed.xz", lzma.compress(variants))
    put("outcomes", "routellm.jsonl", b'{"prompt": "why", '
        b'"weak_correct": true, "strong_correct": false}\n\n')
    put("encode", "mixed", "Hello, naïve 中文 world 12345\n\n  x\t!?".encode())
    put("encode", "broken", b"\xff\xc3 \xe4\xb8 <|im_end|>\x00\xf0\x9f\x98\x80")
    put("encode", "spaces", b"   a  b\r\n \n\t\t c " * 5)
    if len(sys.argv) > 1:
        zoo_files(sys.argv[1])
    put("gguf", "deci", gguf(8, 32, 34, deci=True))


if __name__ == "__main__":
    main()
