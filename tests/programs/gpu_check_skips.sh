#!/bin/sh
# gpu_check.sh on a machine without a GPU: skips, with the code that says so;
# and with one that a script pretends, and no time at all: skips every part, and
# still leaves a file that can be read.
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
SKIP*) ;;
*) echo "FAIL $name: $said"; exit 1 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/build/tests/bench"
cat > "$work/bin/nvidia-smi" <<'END'
#!/bin/sh
case $* in
-L) echo 'GPU 0: Pretended' ;;
*) echo 'Pretended GPU' ;;
esac
END
printf '#!/bin/sh\nexit 9\n' > "$work/build/tests/run_cuda"
cp "$work/build/tests/run_cuda" "$work/build/tests/bench/bench_cuda"
cp "$work/build/tests/run_cuda" "$work/build/agentcompress"
chmod +x "$work/bin/nvidia-smi" "$work/build/tests/run_cuda" \
    "$work/build/tests/bench/bench_cuda" "$work/build/agentcompress"
check() { # seconds, wanted code, what every check must be in the file
    code=0
    PATH="$work/bin:$PATH" BUILD="$work/build" OUT="$work/out" \
        SECONDS_MOST=$1 sh tests/cuda/gpu_check.sh > "$work/said" 2>&1 ||
        code=$?
    [ $code = "$2" ] || { cat "$work/said"
        echo "FAIL $name: code $code with $1 seconds"; exit 1; }
    python3 -c 'import json, sys
checks = json.load(open(sys.argv[1]))["checks"]
sys.exit(not checks or any(v is not eval(sys.argv[2])
                           for v in checks.values()))' \
        "$work/out/Pretended_GPU.json" "$3" ||
        { cat "$work/out/"*; echo "FAIL $name: not $3 each"; exit 1; }
}
check 0 0 None
check 60 1 False
echo "ok $name"
