#!/bin/sh
# make_shipped_model.sh [--half] WORK TEXT... - the base model, from seeds and
# plain prose.
#
# Makes WORK/base, the checkpoint that ships: data, tokenizer, and five runs of
# the trainer, each of which goes on where it was when the script is run again.
# Takes about an hour and a half on two cores with AVX512_BF16. TEXT are files
# of prose, .xz too, of which the first 5 MB are read; docs/base_model.md names
# ours. --half makes WORK/half_base instead, a model of half the width by the
# same runs, to compare with.
set -eu

half=
if [ "$1" = --half ]; then
    half=half_
    shift
fi

here=$(cd "$(dirname "$0")" && pwd)
agentcompress=${AGENTCOMPRESS:-$here/../../build/release/agentcompress}
work=$1
shift
mkdir -p "$work"

# ---- data --------------------------------------------------------------------

practice() { awk -f "$here/practice.awk" "$@"; }

if [ ! -e "$work/fresh/tokenizer.json" ]; then
    "$agentcompress" workflows generate --split train --seed 1 \
        --count 250000 --training --out "$work/tasks.jsonl" --quiet
    "$agentcompress" workflows generate --split calibration --seed 1 \
        --count 400 --training --out "$work/held_out.jsonl" --quiet
    for text; do
        case $text in
        *.xz) xz -dc "$text" ;;
        *) cat "$text" ;;
        esac | head -c 5000000
    done > "$work/prose.txt"
    # What is learnt last, once more: extremes, working, several variables.
    grep -E '"completion":"[^"]*( was highest at|exceed|is larger|=)' \
        "$work/tasks.jsonl" > "$work/hard.jsonl"
    grep -E '\\n(r = |[^\]*,[^\]*,[^\]*\\n).*"completion":"[^"]*creases with' \
        "$work/tasks.jsonl" >> "$work/hard.jsonl"
    head -n 60000 "$work/tasks.jsonl" > "$work/tasks_head.jsonl"
    LC_ALL=C tr -cs 'A-Za-z' '\n' < "$work/tasks_head.jsonl" | grep . |
        LC_ALL=C sort -u > "$work/words.txt"
    practice -v what=copy -v n=100000 -v seed=1 -v longest=8 \
        "$work/words.txt" > "$work/copy_short.jsonl"
    practice -v what=copy -v n=100000 -v seed=2 -v longest=30 \
        "$work/words.txt" > "$work/copy_long.jsonl"
    practice -v what=arithmetic -v n=60000 -v seed=3 > "$work/sums.txt"
    mkdir -p "$work/fresh"
    cp "$here/base_config.json" "$work/fresh/config.json"
    "$agentcompress" train-tokenizer "$work/fresh" --vocab 4096 \
        --data "$work/tasks_head.jsonl" "$work/prose.txt"
fi
if [ ! -e "$work/half_fresh/tokenizer.json" ]; then
    mkdir -p "$work/half_fresh"
    cp "$here/half_config.json" "$work/half_fresh/config.json"
    cp "$work/fresh"/tokenizer*.json "$work/half_fresh"
fi

# ---- five runs ---------------------------------------------------------------

train() { # MODEL OUT OPTIONS...
    from=$half$1 to=$half$2
    shift 2
    [ -e "$work/$to/train.state" ] && set -- --resume "$@"
    "$agentcompress" train "$work/$from" "$work/$to" "$@"
}

# Looking back: short copies, then longer ones.
train fresh sight --seed 1 --data "$work/copy_short.jsonl" \
    --held-out-share 0.01 --steps 1400 --batch-tokens 2048 \
    --learning-rate 3e-3 --schedule constant --warmup 0.02
train sight memory --seed 1 --data "$work/copy_long.jsonl" \
    --held-out-share 0.01 --steps 1600 --batch-tokens 2048 \
    --learning-rate 3e-3 --schedule constant --warmup 0.02

# The tasks, with some prose, sums and longer copies, at one rate ...
tasks="$work/tasks.jsonl"
train memory middle --seed 1 --data "$tasks" \
    "$work/copy_long.jsonl" "$work/prose.txt" "$work/sums.txt" \
    --held-out "$work/held_out.jsonl" --steps 7000 --batch-tokens 2048 \
    --learning-rate 2.5e-3 --schedule constant --warmup 0.034
train middle long --seed 2 --data "$tasks" "$work/hard.jsonl" \
    "$work/copy_long.jsonl:0.3" "$work/prose.txt:2" "$work/sums.txt:3" \
    --held-out "$work/held_out.jsonl" --steps 15000 --batch-tokens 4096 \
    --learning-rate 2.5e-3 --schedule constant --warmup 0.005 \
    --precision bf16

# ... and settling, at a falling one.
train long base --seed 3 --data "$tasks" "$work/hard.jsonl" \
    "$work/copy_long.jsonl:0.3" "$work/prose.txt:2" "$work/sums.txt:3" \
    --held-out "$work/held_out.jsonl" --steps 5000 --batch-tokens 4096 \
    --learning-rate 2.5e-3 --schedule linear --final-rate 0.02 \
    --warmup 0.005 --precision bf16
