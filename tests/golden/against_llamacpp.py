#!/usr/bin/env python3
"""Our 4 and 8 bits against llama.cpp's, judged by llama.cpp.

    python3 against_llamacpp.py AGENTCOMPRESS CHECKPOINT CALIBRATION EVALUATION WORK

Needs llama-imatrix, llama-quantize and llama-perplexity in PATH, and the Python
packages gguf and tokenizers. Builds and downloads nothing; keeps its files in
the folder WORK.

Both sides read the same calibration text and are judged on the same evaluation
text, by llama-perplexity --kl-divergence to the checkpoint as F32: windows of
512, second halves. So that "the same text" is the same tokens whatever
llama.cpp's tokenizer makes of it, token i is renamed to one character, U+F0000
+ i, and texts are written in those: each character is a token, and none merge.

Prints per file: bytes of its tensors, bits per weight of the projections and of
the table, perplexity, KL with the tool's standard error, same top token; then
what our engine says of the same tokens and codes, and how much higher
llama.cpp's perplexity is.
"""
import json
import os
import re
import subprocess
import sys

from gguf import GGUFReader, GGUFWriter
from tokenizers import Tokenizer

CONTEXT = 512
FIRST = 0xF0000
NORMAL = 1 # no token is a control: texts may hold any
OURS = ["full", "int8", "int8a16", "int4", "int4a16"]


def run(*words, log):
    done = subprocess.run([str(w) for w in words], text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={"OMP_WAIT_POLICY": "passive", **os.environ})
    with open(log, "w") as f:
        f.write(" ".join(map(str, words)) + "\n" + done.stdout)
    if done.returncode != 0:
        sys.exit(f"{words[0]} failed, see {log}")
    return done.stdout


def rename_tokens(path):
    """The same GGUF, whose token i is the character U+F0000 + i."""
    reader = GGUFReader(path)
    value = {k: f.contents() for k, f in reader.fields.items()}
    n = len(value["tokenizer.ggml.tokens"])
    begin = value.get("tokenizer.ggml.bos_token_id")
    end = value.get("tokenizer.ggml.eos_token_id")
    writer = GGUFWriter(path + ".new", value["general.architecture"])
    for key, field in reader.fields.items():
        if key.startswith(("GGUF.", "tokenizer.")) or \
                key == "general.architecture":
            continue
        writer.add_key_value(key, value[key], field.types[0],
                             field.types[-1] if len(field.types) > 1 else None)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([chr(FIRST + i) for i in range(n)])
    writer.add_token_scores([0.0] * n)
    writer.add_token_types([NORMAL] * n)
    writer.add_add_space_prefix(False)
    writer.add_bos_token_id(begin if begin is not None else 0)
    writer.add_eos_token_id(end if end is not None else 0)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(value.get("tokenizer.ggml.add_bos_token", False))
    writer.add_add_eos_token(False)
    for t in reader.tensors:
        writer.add_tensor(t.name, t.data, raw_dtype=t.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(path + ".new", path)


def rename_text(tokenizer, text, out):
    ids = tokenizer.encode(open(text, encoding="utf-8", errors="replace").read(),
                           add_special_tokens=False).ids
    with open(out, "w", encoding="utf-8") as f:
        f.write("".join(chr(FIRST + i) for i in ids))
    return len(ids)


def sizes(path):
    """Bytes of all tensors; bits per weight of the projections, the table."""
    parts = {"all": [0, 0], "layers": [0, 0], "table": [0, 0]}
    for t in GGUFReader(path).tensors:
        names = ["all"]
        if len(t.shape) > 1 and t.shape[1] > 1:
            names.append("layers" if t.name.startswith("blk.") else "table")
        for name in names:
            parts[name][0] += int(t.n_bytes)
            parts[name][1] += int(t.n_elements)
    return [parts["all"][0]] + [8 * parts[p][0] / parts[p][1]
                                for p in ("layers", "table")]


def judge(work, name, text, base):
    """Of a GGUF by llama-perplexity: ppl, KL, its error, same top."""
    # Its last lines are lost when it ends before its logger has run, as it does
    # on a busy machine (llama.cpp issue 22142).
    for _ in range(50):
        out = run("llama-perplexity", "-m", f"{work}/{name}.gguf", "-f", text,
                  "-c", CONTEXT, "--kl-divergence", "--kl-divergence-base",
                  base, log=f"{work}/{name}.kl")
        if "Same top p:" in out:
            break
    else:
        sys.exit(f"llama-perplexity did not print its sums, see {name}.kl")

    def number(label):
        found = re.search(label + r"\s*:\s*([-\d.]+)\s*±\s*([-\d.]+)", out)
        return float(found[1]), float(found[2])

    return number(r"Mean PPL\(Q\)"), number("Mean    KLD"), \
        number("Same top p")


def main():
    program, model, calibration, evaluation, work = sys.argv[1:]
    os.makedirs(work, exist_ok=True)
    tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
    cal, ev = f"{work}/calibration.ids", f"{work}/evaluation.ids"
    n_judged = rename_text(tokenizer, evaluation, ev)
    print(rename_text(tokenizer, calibration, cal), "tokens to calibrate,",
          n_judged, "to judge")

    # Ours: two zoos, with and without calibration.
    for zoo, more in [("ours", ["--calibrate", calibration]), ("plain", [])]:
        run(program, "compress", model, f"{work}/{zoo}.zoo", "--group", 32,
            "--variants", ",".join(OURS), "--overwrite", *more,
            log=f"{work}/{zoo}.log")
    files = [("f32", model, "full", "f32"), ("f16", model, "full", "f16"),
             ("ours-int8", f"{work}/ours.zoo", "int8", "q8_0"),
             ("plain-int8", f"{work}/plain.zoo", "int8", "q8_0"),
             ("ours-int4", f"{work}/ours.zoo", "int4", "q4_0"),
             ("plain-int4", f"{work}/plain.zoo", "int4", "q4_0")]
    for name, source, variant, kind in files:
        path = f"{work}/{name}.gguf"
        run(program, "export", source, path, "--variant", variant, "--type",
            kind, "--overwrite", "--quiet", log=f"{work}/{name}.log")
        rename_tokens(path)

    # Theirs, from the F32 file.
    run("llama-imatrix", "-m", f"{work}/f32.gguf", "-f", cal, "-c", CONTEXT,
        "-o", f"{work}/imatrix.gguf", log=f"{work}/imatrix.log")
    matrix = ["--imatrix", f"{work}/imatrix.gguf"]
    table = ["--token-embedding-type", "q8_0", "--output-tensor-type", "q8_0"]
    theirs = [("q8_0", "Q8_0", ["--pure"]),
              ("q4_0, pure", "Q4_0", ["--pure"]),
              ("q4_0, imatrix, pure", "Q4_0", matrix + ["--pure"]),
              ("q4_0, table q8_0", "Q4_0", ["--pure"] + table),
              ("q4_0, imatrix, table q8_0", "Q4_0",
               matrix + ["--pure"] + table),
              ("q4_0, imatrix, default", "Q4_0", matrix),
              ("iq4_nl, imatrix, table q8_0", "IQ4_NL",
               matrix + ["--pure"] + table),
              ("q4_1, imatrix, table q8_0", "Q4_1",
               matrix + ["--pure"] + table),
              ("q5_0, imatrix, table q8_0", "Q5_0",
               matrix + ["--pure"] + table)]
    for name, kind, options in theirs:
        run("llama-quantize", *options, f"{work}/f32.gguf",
            f"{work}/{name}.gguf", kind, log=f"{work}/{name}.log")

    base = f"{work}/f32.logits"
    run("llama-perplexity", "-m", f"{work}/f32.gguf", "-f", ev, "-c", CONTEXT,
        "--kl-divergence-base", base, log=f"{work}/f32.kl")
    print(f"{'file':30} {'bytes':>9} {'layers':>6} {'table':>6}"
          f" {'ppl':>9} {'KL':>10} {'+-':>9} {'top %':>6}")
    seen = {}
    for name in [f[0] for f in files] + [t[0] for t in theirs]:
        (ppl, _), (kl, error), (top, _) = judge(work, name, ev, base)
        n, layers, rest = sizes(f"{work}/{name}.gguf")
        seen[name] = ppl
        print(f"{name:30} {n:9} {layers:6.3f} {rest:6.3f} {ppl:9.4f}"
              f" {kl:10.6f} {error:9.6f} {top:6.2f}", flush=True)
    begin = GGUFReader(f"{work}/f32.gguf").fields[
        "tokenizer.ggml.add_bos_token"].contents()
    for zoo in ("ours", "plain"):
        judged = json.loads(subprocess.check_output(
            [program, "perplexity", f"{work}/{zoo}.zoo", evaluation,
             "--context", str(CONTEXT), "--second-half", "--whole-windows",
             "--begin", "window" if begin else "none", "--json", "--quiet"]))
        if judged[0]["tokens"] != n_judged + begin:
            print("the text holds special tokens, which our engine reads as"
                  " text: its figures are of other tokens")
        for v in judged[0]["variants"]:
            name = v["variant"].replace("a16", "")
            other = seen.get(f"{zoo}-{name}", seen["f16"])
            print(f"{zoo + ' zoo, ' + v['variant']:47}"
                  f" {v['perplexity']:9.4f} {v['kl_divergence']:10.6f}"
                  f" {v['kl_divergence_error']:9.6f}"
                  f" {100 * v['same_top_token']:6.2f}   llama.cpp has"
                  f" {100 * (other / v['perplexity'] - 1):+.3f} %")


if __name__ == "__main__":
    main()
