#!/bin/sh
# The command with one allocation of the process failing, each in turn (or
# evenly spread ones, where there are many): ours, and those inside SQLite,
# PCRE2, jansson. It ends with an exit code of its own, in time, and a zoo that
# could not be made is not there.
set -eu
name=programs/failing_malloc
case $MODE in release | debug) ;; *)
    echo "SKIP $name: MODE=$MODE brings its own malloc"
    exit 0 ;;
esac
most=${FAULTS:-60}
work=$PWD/$BUILD/tests/programs/failing_malloc
shim=$work/failing_malloc.so
program=$BUILD/agentcompress
mkdir -p "$work"
if ! $CC -shared -fPIC -O1 -o "$shim" tests/programs/failing_malloc.c \
    2> "$work/log"; then
    echo "SKIP $name: no glibc to stand in front of"
    exit 0
fi
rm -rf "$work"/*.zoo "$work"/*.sqlite*
"$program" compress synthetic:tiny "$work/tiny.zoo" > "$work/log" 2>&1 ||
    { cat "$work/log"; echo "FAIL $name: no zoo to begin with"; exit 1; }
i=0
while [ $i -lt 60 ]; do
    echo "{\"prompt\":\"say $i words\",\"success\":{\"full\":1,\"int4\":$((i % 2))}}"
    i=$((i + 1))
done > "$work/outcomes.jsonl"
cp "$work/outcomes.jsonl" "$work/outcomes.txt"

try() { # what, arguments of the command...
    what=$1
    shift
    COUNT_FILE=$work/count LD_PRELOAD=$shim "$program" "$@" \
        > "$work/log" 2>&1 < /dev/null || {
        cat "$work/log"
        echo "FAIL $name: $what fails by itself"
        exit 1
    }
    rm -rf "$work/new.zoo"
    total=$(cat "$work/count")
    step=$((total / most + 1))
    at=1
    while [ "$at" -le "$total" ]; do
        code=0
        FAIL_AT=$at LD_PRELOAD=$shim timeout 30 "$program" "$@" \
            > "$work/log" 2>&1 < /dev/null || code=$?
        if [ $code -gt 9 ]; then
            cat "$work/log"
            echo "FAIL $name: $what, allocation $at of $total: code $code"
            exit 1
        fi
        if [ $code != 0 ] && [ -e "$work/new.zoo" ]; then
            echo "FAIL $name: $what, allocation $at: half a zoo"
            exit 1
        fi
        rm -rf "$work/new.zoo"
        at=$((at + step))
    done
}

try run run "$work/tiny.zoo" --ledger "$work/run.sqlite" --max-tokens 3 hello
try inspect inspect "$work/tiny.zoo"
try ledger ledger "$work/run.sqlite" --by variant
try compress compress synthetic:tiny "$work/new.zoo"
try train-predictor train-predictor "$work/outcomes.jsonl" "$work/p.acp"
try train-tokenizer train-tokenizer "$work/new.zoo" --vocab 280 \
    --data "$work/outcomes.txt"
try bench bench --synthetic tiny --device cpu --prompt 4 --generate 2 --runs 1
try 'inspect of random weights' inspect synthetic:tiny
try route route "$work/tiny.zoo" hello
echo "ok $name"
