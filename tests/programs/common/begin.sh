# begin.sh - read by the scripts beside: sets name, program and work, an empty
# folder of the script's own which it goes into; fail and expect.
#
#     script=train; . tests/programs/common/begin.sh
name=programs/$script
program=$PWD/$BUILD/agentcompress
work=$PWD/$BUILD/tests/programs/$script
rm -rf "$work"
mkdir -p "$work"
cd "$work"

fail() {
    echo "FAIL $name: $*"
    exit 1
}

# expect CODE ARGUMENTS...: runs the program; output in ./out, messages in ./err
expect() {
    wanted=$1
    shift
    code=0
    timeout 120 "$program" "$@" > out 2> err < /dev/null || code=$?
    [ "$code" = "$wanted" ] || {
        cat out err
        fail "$* gave $code, not $wanted"
    }
}
