#!/bin/sh
# make_shipped_zoo.sh WORK [CHECKPOINT] - from the base model to the zoo that
# ships, WORK/base.zoo: compress into the ladder of eight variants, see which of
# them answers which prompt of the calibration split, learn the predictor from
# that, put it in, and measure the variants on WORK/quality.txt. About ten
# minutes on two cores.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
agentcompress=${AGENTCOMPRESS:-$here/../../build/release/agentcompress}
work=$1
checkpoint=${2:-$here/base}
zoo=$work/base.zoo
variants='full int8a16 int8 int4 int4-lowrank int8-pruned int4-pruned
    int4-small'

mkdir -p "$work"
"$agentcompress" workflows generate --split train --seed 5 --count 500 \
    --training --out "$work/calibration.jsonl" --quiet
"$agentcompress" compress "$checkpoint" "$zoo" --overwrite \
    --variants ladder --calibrate "$work/calibration.jsonl"

# Every variant gets the same prompts: the right earlier answers are in them.
answers=
for variant in $variants; do
    "$agentcompress" workflows run "$zoo" --variant "$variant" \
        --split calibration --count 800 --reference \
        --out "$work/calibration_$variant.jsonl"
    answers="$answers $work/calibration_$variant.jsonl"
done
# shellcheck disable=SC2086 # a list of files
"$agentcompress" workflows outcomes $answers --split calibration --count 800 \
    --out "$work/outcomes.jsonl"
"$agentcompress" train-predictor "$work/outcomes.jsonl" "$work/base.acp"
cp "$work/base.acp" "$zoo/predictor.acp"
if [ -e "$work/quality.txt" ]; then
    "$agentcompress" measure "$zoo" --text "$work/quality.txt"
fi
