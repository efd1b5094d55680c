#!/bin/sh
# `agentcompress train`: killed at any moment and resumed on other threads it
# makes the same weights; Ctrl-C saves; what it makes is a checkpoint; its log
# is drawn.
set -eu
tokenizer=$PWD/tests/golden/tokenizer/bytes
script=train
. tests/programs/common/begin.sh
mkdir model
cp "$tokenizer"/tokenizer.json "$tokenizer"/tokenizer_config.json model
cat > model/config.json << 'END'
{"architectures": ["LlamaForCausalLM"], "model_type": "llama",
 "hidden_act": "silu", "hidden_size": 64, "intermediate_size": 128,
 "max_position_embeddings": 128, "num_attention_heads": 4,
 "num_key_value_heads": 2, "num_hidden_layers": 2, "rms_norm_eps": 1e-05,
 "rope_theta": 10000.0, "tie_word_embeddings": true, "vocab_size": 640}
END
i=0
while [ $i -lt 200 ]; do
    echo "{\"prompt\": \"line $i, then\", \"completion\": \" $((i + 1))\"}"
    i=$((i + 1))
done > data.jsonl

# The floats of a train.state: behind 40 bytes of header, the counters and the
# settings, whose lengths the header has; before 8 bytes of checksum.
weights() {
    skip=$(od -A n -t u8 -j 16 -N 16 "$1" | awk '{ print 40 + $1 + $2 }')
    tail -c "+$((skip + 1))" "$1" | head -c -8 | cksum
}

common="--data data.jsonl --steps 60 --batch-tokens 512 --seed 5
        --held-out-share 0.1 --evaluate-every 7"
# shellcheck disable=SC2086
expect 0 train model whole $common --threads 2 --json
for delay in 0.05 0.11 0.17 0.23 0.31; do
    # shellcheck disable=SC2086
    timeout -s KILL $delay "$program" train model killed $common --resume \
        --save-every 2 --threads 1 > /dev/null 2>&1 || true
done
# shellcheck disable=SC2086
expect 0 train model killed $common --resume --save-every 2 --threads 3
[ "$(weights whole/train.state)" = "$(weights killed/train.state)" ] ||
    fail "a killed run differs from one never killed"
cmp whole/model.safetensors killed/model.safetensors ||
    fail "the model of a killed run differs"
[ "$(awk -F , 'NR > 1 { n += $1 == NR - 1 } END { print n }' \
    killed/log.csv)" = 60 ] || fail "the log is not a line per step"

# Ctrl-C: the step is finished, the state saved, the code is 8.
# It comes once the first step is in the log, however slow the machine is.
code=0
# shellcheck disable=SC2086
"$program" train model stopped $common --steps 1000000 \
    --resume > out 2> err &
training=$!
i=0
while [ $i -lt 600 ] &&
    [ "$(cat stopped/log.csv 2> /dev/null | wc -l)" -lt 2 ]; do
    sleep 0.1
    i=$((i + 1))
done
kill -INT $training
wait $training || code=$?
[ $code = 8 ] || fail "Ctrl-C gave $code"
grep -q "can be resumed" err || fail "Ctrl-C did not say what it left"

# shellcheck disable=SC2086
expect 1 train model whole $common
# shellcheck disable=SC2086
expect 1 train model whole $common --resume --learning-rate 0.01
grep -q learning_rate err || fail "the option that differs is not named"
# other text: the file is named, not what follows from it
sed '3s/prompt": *"/&X/' data.jsonl > other.jsonl
head -n 20 data.jsonl > extra.jsonl
again="--batch-tokens 512 --seed 5 --evaluate-every 7 --resume"
expect 0 train model two --data data.jsonl extra.jsonl --steps 4 $again
expect 0 train model two --data data.jsonl extra.jsonl --steps 4 $again
expect 1 train model two --data data.jsonl other.jsonl --epochs 2 $again
grep -q 'file 2, other.jsonl, is not what it was (extra.jsonl)' err ||
    fail "$(cat err)"
expect 1 train model two --data data.jsonl --steps 4 $again
grep -q 'file 2, which is not given now' err || fail "$(cat err)"
expect 1 train model two --data data.jsonl extra.jsonl --epochs 2 \
    --held-out-share 0.2 $again
grep -q 'another n_context, documents or held_out_share' err ||
    fail "$(cat err)"
expect 2 train model new --data nothing.jsonl
echo 'nonsense' > bad.jsonl
expect 3 train model new --data bad.jsonl
grep -q 'bad.jsonl: line 1' err || fail "the bad line is not named"

expect 1 train model new --data data.jsonl --precision half
grep -q 'float32 and bf16' err || fail "precisions are not named"
if grep -qw avx512_bf16 /proc/cpuinfo; then
    # shellcheck disable=SC2086
    expect 0 train model rounded $common --precision bf16
    # shellcheck disable=SC2086
    expect 1 train model rounded $common --resume
    grep -q 'another precision' err || fail "another precision was taken"
else
    echo "SKIP $name --precision bf16: no AVX512_BF16"
    expect 3 train model new --data data.jsonl --precision bf16
    grep -q AVX512_BF16 err || fail "what the processor lacks is not named"
fi

expect 0 train --plot whole/log.csv curve.svg
grep -q '^</svg>' curve.svg || fail "the curve is cut off"
if command -v python3 > /dev/null; then
    python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' \
        curve.svg || fail "the curve is no XML"
fi
expect 3 train --plot data.jsonl curve.svg

expect 0 compress whole whole.zoo --quiet
expect 0 run whole.zoo --max-tokens 4 'line 7, then'
expect 0 train whole more --data data.jsonl --steps 2 --trainable lora
expect 0 compress more more.zoo --quiet
echo "ok $name"
