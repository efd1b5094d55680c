#!/bin/sh
# No kernel spills, and none takes more registers or shared memory than the
# table in tests/cuda/budgets.txt allows.
set -eu
if ! ls "$BUILD"/cuda/*.ptxas > /dev/null 2>&1; then
    echo "SKIP programs/cuda_budgets: built without nvcc"
    exit 0
fi
sh tests/cuda/budgets.sh check
