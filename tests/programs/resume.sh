#!/bin/sh
# A run of `compress` killed again and again, each time a little later: the
# zoo's name never leads to anything before it is whole, the same command goes
# on, and what it makes is byte for byte what a run makes that nobody killed.
# Then a NaN in a weight, found and named on the way through the layers.
set -eu
script=resume
source=$PWD
. tests/programs/common/begin.sh

if ! $CC -O1 -o random_checkpoint "$source/tests/programs/random_checkpoint.c" \
    -lm 2> log; then
    echo "SKIP $name: cannot build the random checkpoint's maker"
    exit 0
fi
shape='layers=3 embd=256 heads=8 kv-heads=2 ff=640 vocab=700'
./random_checkpoint model $shape
i=0
while [ $i -lt 2000 ]; do
    echo "line $i says what line $((i * 7919 % 2000)) said: some words of it"
    i=$((i + 1))
done > text.txt
set -- --variants ladder --calibrate text.txt --calibration-tokens 2048 \
    --recover 2048 --memory 150M
begun=$(date +%s%N)
expect 0 compress model whole "$@"
took=$(( ($(date +%s%N) - begun) / 1000000 )) # milliseconds
grep -q 'a layer at a time' err || fail "--memory did not bound recovery"
grep -q 'layer errs by' err || fail "nothing was recovered"

kills=5
k=1
while [ $k -le $kills ]; do
    "$program" compress model killed "$@" > out 2> err &
    pid=$!
    sleep "$(awk "BEGIN { print $took * $k / ($kills + 1) / 1000 }")"
    kill -9 $pid 2> /dev/null || true
    wait $pid 2> /dev/null || true
    [ ! -e killed ] || break
    code=0
    "$program" inspect killed.unfinished > out 2> err || code=$?
    k=$((k + 1))
done
[ -e killed ] || expect 0 compress model killed "$@"
[ $k -eq 1 ] || [ ! -e killed.unfinished ] || fail "stages were left"
for file in weights.acw extras.acw tokenizer.act; do
    cmp "whole/$file" "killed/$file" || fail "after $k kills $file differs"
done
[ "$(ls whole)" = "$(ls killed)" ] || fail "other files than those of a zoo"
expect 0 inspect killed --json
expect 0 run killed --variant int4-small --max-tokens 4 --ignore-end hello

# taken up, and said so
"$program" compress model again "$@" > out 2> err &
pid=$!
waited=0
while [ ! -e again.unfinished/stages/weights.stage ]; do
    sleep 0.05
    waited=$((waited + 1))
    [ $waited -lt 2000 ] || fail "no stage was finished"
done
kill -9 $pid
wait $pid 2> /dev/null || true
expect 0 compress model again "$@"
grep -q 'order: taken up' err || fail "the order was not taken up"
grep -q 'weights: taken up' err || fail "the store was not taken up"
cmp whole/weights.acw again/weights.acw || fail "weights.acw differs"
cmp whole/extras.acw again/extras.acw || fail "extras.acw differs"

nan=model.layers.1.mlp.down_proj.weight
./random_checkpoint bad $shape "nan=$nan"
code=0
"$program" compress bad bad.zoo "$@" > out 2> err || code=$?
[ $code -ne 0 ] || fail "a NaN went through"
grep -q "$nan held NaN at row 0" err || { cat err; fail "the NaN was not named"; }
[ ! -e bad.zoo ] && [ ! -e bad.zoo.unfinished ] || fail "the NaN left a folder"
rm -rf model bad whole killed again
echo "ok $name"
