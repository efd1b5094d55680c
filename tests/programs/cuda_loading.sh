#!/bin/sh
# The shared object with CUDA in it, on machines that have none: it needs
# nothing of CUDA or C++ to load, touches no driver before it is asked to, and
# works on the CPU with no driver, an old one, one that lacks functions, one
# without devices, and one that does not start; each time it says why.
set -eu
name=programs/cuda_loading
case $MODE in release | debug) ;; *)
    echo "SKIP $name: MODE=$MODE adds libraries of its own"
    exit 0 ;;
esac
work=$PWD/$BUILD/tests/programs/cuda_loading
library=$BUILD/libagentcompress.so
zoo=examples/models/base.zoo
rm -rf "$work"
mkdir -p "$work"
fail() { echo "FAIL $name: $1"; exit 1; }

# ---- what it needs and how large it is
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for one in $needed; do
    case $one in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | \
    ld-linux* | libgcc_s.so.1 | libpcre2-8.so.* | libutf8proc.so.* | \
    libjansson.so.* | libsqlite3.so.* | liblzma.so.*) ;;
    *) fail "needs $one to load" ;;
    esac
done
cp "$library" "$work/stripped" && strip "$work/stripped"
bytes=$(wc -c < "$work/stripped")
[ "$bytes" -lt 41943040 ] || fail "$bytes bytes are more than 40 MiB"

$CC -Iinclude -o "$work/open_device" tests/programs/open_device.c \
    -L"$BUILD" -lagentcompress -Wl,-rpath,"$PWD/$BUILD" || fail "no program"

# ---- one that was built without CUDA says so, whatever the driver
if ! nm "$library" | grep -q ' t cudaGetDeviceCount$'; then
    "$work/open_device" $zoo auto > "$work/out" || fail "$(cat "$work/out")"
    grep -q 'built without CUDA' "$work/out" || fail "$(cat "$work/out")"
    ! "$work/open_device" $zoo cuda:0 > "$work/out" || fail "has no CUDA"
    grep -q '^-[0-9]* .*built without CUDA' "$work/out" ||
        fail "$(cat "$work/out")"
    echo "ok $name (built without CUDA)"
    exit 0
fi

# ---- drivers
device_code=$(sed -n "s/^#define AC_E_DEVICE (\(-[0-9]*\)).*/\1/p" \
    include/agentcompress.h)
driver() { # what, flags: a libcuda.so.1 in a folder of its own
    mkdir -p "$work/$1"
    # shellcheck disable=SC2086 # a list of flags
    $CC -shared -fPIC $2 -o "$work/$1/libcuda.so.1" \
        tests/programs/stub_driver.c
}
try() { # what, reason: the CPU with auto, AC_E_DEVICE with cuda:0
    LD_LIBRARY_PATH=$work/$1 timeout 60 "$work/open_device" $zoo auto \
        > "$work/out" 2>&1 || fail "$1: $(cat "$work/out")"
    grep -q "^cpu .*(no GPU: cuda:0 cannot be used: .*$2" "$work/out" ||
        fail "$1: $(cat "$work/out")"
    for device in cuda:0 cuda:7; do
        code=0
        LD_LIBRARY_PATH=$work/$1 timeout 60 "$work/open_device" $zoo \
            $device > "$work/out" 2>&1 || code=$?
        [ $code = 1 ] && grep -q "^$device_code $device .*$2" "$work/out" ||
            fail "$1, $device: code $code, $(cat "$work/out")"
    done
}
if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
    echo "  $name: a driver is installed; its absence is not tried"
else
    try none 'there is no NVIDIA driver'
fi
mkdir "$work/empty"
echo 'void nothing(void); void nothing(void) {}' > "$work/empty.c"
$CC -shared -fPIC -o "$work/empty/libcuda.so.1" "$work/empty.c"
try empty .
driver old '-DVERSION=11040 -DSTART=0'
try old 'the driver is for CUDA 11.4'
driver lacking '-DVERSION=13000 -DSTART=0 -DLACKS'
try lacking .
driver no_device '-DVERSION=13000 -DSTART=100'
try no_device 'no CUDA-capable device'
driver no_start '-DVERSION=13000 -DSTART=999'
try no_start 'unknown error'

# ---- nothing of it is touched by loading, or by an engine on the CPU
LD_DEBUG=libs "$work/open_device" $zoo cpu > "$work/out" 2> "$work/opened" ||
    fail "$(cat "$work/out")"
! grep -q 'find library=libcuda' "$work/opened" ||
    fail "looks for a driver without being asked"
grep -q '^cpu' "$work/out" || fail "$(cat "$work/out")"

# ---- the command line
code=0
"$BUILD/agentcompress" bench $zoo --device cuda:9 > "$work/out" 2>&1 || code=$?
[ $code = 6 ] && grep -q 'cuda:9' "$work/out" ||
    fail "bench --device cuda:9: code $code, $(cat "$work/out")"
echo "ok $name ($bytes bytes stripped)"
