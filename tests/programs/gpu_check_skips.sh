#!/bin/sh
# gpu_check.sh on a machine without a GPU: skips, with the code that says so.
set -eu
name=programs/gpu_check_skips
if command -v nvidia-smi > /dev/null 2>&1 && nvidia-smi -L 2>&1 |
    grep -q '^GPU'; then
    echo "SKIP $name: there is a GPU; run make gpu-check"
    exit 0
fi
code=0
said=$(OUT=$BUILD sh tests/cuda/gpu_check.sh) || code=$?
[ $code = 77 ] || { echo "FAIL $name: code $code, $said"; exit 1; }
case $said in
SKIP*) echo "ok $name" ;;
*) echo "FAIL $name: $said"; exit 1 ;;
esac
