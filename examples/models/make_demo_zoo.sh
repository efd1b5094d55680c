#!/bin/sh
# make_demo_zoo.sh TRAINED ZOO [AGENTCOMPRESS] - from what train_demo_model.py
# left in the folder TRAINED to the zoo that ships: compress, see which prompts
# each variant answers as full does, learn the predictor, and put it in.
set -eu

trained=$1
zoo=$2
agentcompress=${3:-agentcompress}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$agentcompress" compress "$trained/checkpoint" "$work/plain.zoo"
"$agentcompress" outcomes "$work/plain.zoo" \
    "$trained/tasks_train_predictor.jsonl" "$work/outcomes.jsonl" --like-full
"$agentcompress" train-predictor "$work/outcomes.jsonl" "$work/demo.acp"
"$agentcompress" compress "$trained/checkpoint" "$zoo" --overwrite \
    --predictor "$work/demo.acp"
