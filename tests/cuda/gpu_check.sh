#!/bin/sh
# gpu_check.sh - everything that only a real GPU can show, in at most eight
# minutes: the CUDA suites, three times over and under compute-sanitizer; whole
# models against the CPU; the products against measured roofs and cuBLAS;
# tokens per second. One JSON file comes out, compared with the one kept.
#
#     make gpu-check              [DEVICE=0] [OUT=docs/gpu] [SECONDS_MOST=480]
#
# What there is no time left for is skipped aloud, and counts as not passed in
# the JSON only: correctness comes first, then speed, then what repeats.
#
# Programs are those of BUILD, or of build/gpu_pack (`make gpu-pack`) on a
# machine that cannot build. Exit code 77: there is no GPU.
set -eu
device=${DEVICE:-0}
out=${OUT:-docs/gpu}
programs=$BUILD
runner=$BUILD/tests/run_cuda
bench=$BUILD/tests/bench/bench_cuda
if [ ! -x "$runner" ] || [ ! -x "$bench" ]; then
    programs=build/gpu_pack
    [ -d $programs ] || [ ! -f $programs.tar.gz ] ||
        tar -C build -xzf $programs.tar.gz
    runner=$programs/run_cuda
    bench=$programs/bench_cuda
    LD_LIBRARY_PATH=$PWD/$programs/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
fi
program=$programs/agentcompress
zoo=examples/models/base.zoo
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
began=$(date +%s)
most=${SECONDS_MOST:-480}
bad=0
# `within 60 command`: at most 60 seconds, and no more than are left; code 75
# where none are.
within() {
    left=$((began + most - $(date +%s)))
    [ "$left" -gt 2 ] || return 75
    [ "$left" -lt "$1" ] || left=$1
    shift
    timeout -k 5 "$left" "$@"
}
say() { printf '\n== %s (%s s)\n' "$1" "$(($(date +%s) - began))"; }
result() { # name, code
    case $2 in
    0) echo "ok $1"; value=true ;;
    75) echo "SKIP $1: no time was left"; value=null ;;
    *) echo "FAIL $1: code $2"; value=false; bad=1 ;;
    esac
    printf '%s"%s": %s' "$comma" "$1" "$value" >> "$work/checks"
    comma=', '
}
comma=
: > "$work/checks"

# ---- is there one?
if ! command -v nvidia-smi > /dev/null 2>&1 || ! nvidia-smi -L 2>&1 |
    grep -q '^GPU'; then
    echo "SKIP gpu-check: nvidia-smi sees no GPU"
    exit 77
fi
[ -x "$runner" ] || {
    echo "FAIL gpu-check: no $runner; build here, or carry build/gpu_pack"
    exit 1
}
say device
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm \
    --format=csv -i "$device"
name=$(nvidia-smi --query-gpu=name --format=csv,noheader -i "$device" |
    tr -cs 'A-Za-z0-9\n' '_')
export CUDA_VISIBLE_DEVICES="$device" CK_FORK=no CK_DEFAULT_TIMEOUT=0

# ---- the suites; every run must say the same
suites() { # number of the run
    code=0
    within 100 "$runner" > "$work/run$1" 2>&1 || code=$?
    tail -n 3 "$work/run$1"
    result "suites_$1" $code
}
say 'kernels and whole models against the CPU'
suites 1

# ---- the same bits from run to run
say determinism
code=0
for run in 1 2 3; do
    for variant in int4 int8 full; do
        within 60 "$program" run $zoo --device cuda:0 \
            --variant $variant --max-tokens 48 --seed 5 \
            --temperature 0.8 'Format this reference in APA style.' \
            2>> "$work/log" || code=$?
    done > "$work/text$run"
done
[ $code != 0 ] || cmp "$work/text1" "$work/text2" || code=1
[ $code != 0 ] || cmp "$work/text1" "$work/text3" || code=1
result three_identical_runs $code

# ---- logits of other models, where they are
say 'models against the CPU: perplexity of one text'
data=${AC_TEST_DATA:-../shared/data}
printf '%s' 'Once upon a time there was a little dog. It liked to play in the
park with its friend, a cat. One day they found a big red ball.' > "$work/text"
for model in $zoo "$data/models/tinystories-656k" \
    "$data/models/stories260k/stories260k-f32.gguf"; do
    [ -e "$model" ] || { echo "  no $model"; continue; }
    code=0
    for on in cpu cuda:0; do
        within 60 "$program" perplexity "$model" "$work/text" --device $on \
            --json > "$work/ppl.$on" 2>> "$work/log" || code=$?
    done
    [ $code != 0 ] || cat "$work/ppl.cpu" "$work/ppl.cuda:0" | tr ',{}' '\n\n\n' |
    awk -F: '/"perplexity"/ { p[n++] = $2 }
             END { if (n < 2 || n % 2) exit 1
                   for (i = 0; i < n / 2; i++) {
                       off = p[i + n / 2] / p[i] - 1
                       printf "  perplexity %.6f, %+.2e on cuda\n", p[i], off
                       if (off > 1e-3 || off < -1e-3) exit 1 } }' || code=$?
    result "perplexity_$(basename "$model" | tr '.-' '__')" $code
done

# ---- speed
say 'products against roofs and cuBLAS'
kept=docs/gpu/$name.json
mkdir -p "$out"
code=0
within 180 "$bench" --out "$work/products.json" --against "$kept" || code=$?
result not_slower_than_kept $code
say 'tokens per second'
for on in cuda:0 cpu; do
    within 90 "$program" bench $zoo --device $on > "$work/bench.$on" \
        2>&1 || true
    cat "$work/bench.$on"
    within 90 "$program" bench $zoo --device $on --json \
        > "$work/json.$on" 2>> "$work/log" || echo null > "$work/json.$on"
done

# ---- models too large for any file here: random weights (docs/cuda.md)
large() { # shape, seconds at most, lengths of prompt
    code=0
    within "$2" "$program" bench --synthetic "$1" --device cuda:0 --runs 2 \
        --prompt "$3" --json > "$work/json.$1" 2>> "$work/log" || code=$?
    [ $code = 0 ] || echo null > "$work/json.$1"
    tr -d ',' < "$work/json.$1" | awk '
        /"variant"/ { name = $2 }
        /"does_not_fit"/ { sub(/^[^:]*: /, ""); print "  " name ": " $0 }
        /"prompt_tokens"/ { n = $2 }
        /"prefill_tokens_per_second"/ { prefill = $2 }
        /"decode_tokens_per_second"/ {
            printf "  %-14s prompt %d: prefill %.1f, decode %.1f tokens/s\n",
                name, n, prefill, $2 }'
    result "large_$(echo "$1" | tr '.-' '__')" $code
}
say 'large models of random weights'
large llama-3-8b 60 512,2048
large llama-2-70b 150 512,2048

# ---- compute-sanitizer, where it works
say compute-sanitizer
for tool in memcheck racecheck; do
    if ! compute-sanitizer --version > /dev/null 2>&1; then
        echo "SKIP $tool: no compute-sanitizer"
        continue
    fi
    code=0
    within 90 env CK_RUN_SUITE=test_cuda_rows compute-sanitizer \
        --tool $tool --error-exitcode 9 "$runner" > "$work/$tool" 2>&1 || code=$?
    if grep -qi 'not supported\|failed to initialize' "$work/$tool"; then
        echo "SKIP $tool: it does not work on this machine"
    elif [ $code = 124 ]; then
        echo "SKIP $tool: not done in 90 seconds"
    else
        tail -n 2 "$work/$tool"
        result "$tool" $code
    fi
done

say 'the suites again, twice'
suites 2
suites 3

{
    printf '{"device": "%s", "driver": "%s", "date": "%s", "commit": "%s",\n' \
        "$name" "$(nvidia-smi --query-gpu=driver_version \
        --format=csv,noheader -i "$device")" "$(date -u +%Y-%m-%d)" \
        "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    printf '"checks": {%s},\n"measured": ' "$(cat "$work/checks")"
    cat "$work/products.json" 2> /dev/null || echo null
    printf ',\n"bench_cuda": '
    cat "$work/json.cuda:0"
    printf ',\n"bench_cpu": '
    cat "$work/json.cpu"
    printf ',\n"bench_large": {"llama-3-8b": '
    cat "$work/json.llama-3-8b"
    printf ', "llama-2-70b": '
    cat "$work/json.llama-2-70b"
    printf '}}\n'
} > "$out/$name.json"
say "done: $out/$name.json"
exit $bad
