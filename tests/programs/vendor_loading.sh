#!/bin/sh
# cuBLAS and cuSPARSE as the benchmark opens them: one that is there, one that
# is not, one that lacks a function, does not start, is of another major, or
# needs libnvJitLink from its own folder. Each time it says what it found.
set -eu
name=programs/vendor_loading
work=$PWD/$BUILD/tests/programs/vendor_loading
rm -rf "$work"
mkdir -p "$work"
fail() { echo "FAIL $name: $1"; exit 1; }

$CC -D_GNU_SOURCE -Itests -o "$work/open_vendor" tests/programs/open_vendor.c \
    tests/bench/vendor_products.c tests/bench/vendor_sparse.c -ldl ||
    fail "no program"
stub() { # name, flags
    mkdir -p "$work/$1"
    # shellcheck disable=SC2086 # a list of flags
    $CC -shared -fPIC $2 -o "$work/$1/libvendor.so" \
        tests/programs/stub_vendor.c || fail "$1: no stub"
}
try() { # name, what is said of cuBLAS, of cuSPARSE
    AC_CUBLAS=$work/$1/libvendor.so AC_CUSPARSE=$work/$1/libvendor.so \
        "$work/open_vendor" > "$work/out" 2>&1 || fail "$1: $(cat "$work/out")"
    grep -q "^cublas $2" "$work/out" || fail "$1: $(cat "$work/out")"
    grep -q "^cusparse $3" "$work/out" || fail "$1: $(cat "$work/out")"
}
stub sound '-DVERSION=12603 -DSTART=0'
try sound 12603 12603
try missing 'none: .*cannot open shared object' \
    'none: .*cannot open shared object'
stub lacking '-DVERSION=12603 -DSTART=0 -DLACKS'
try lacking 'none: libcublas lacks a function' \
    'none: libcusparse lacks cusparseSpMM'
stub no_start '-DVERSION=12603 -DSTART=1'
try no_start 'none: libcublas did not start' 'none: libcusparse did not start'
stub old '-DVERSION=10201 -DSTART=0'
try old 'none: libcublas is of major 10' 'none: libcusparse is of major 10'
stub new '-DVERSION=140100 -DSTART=0'
try new 'none: libcublas is of major 14' 'none: libcusparse is of major 140'

# ---- cuSPARSE that needs libnvJitLink.so.12, found in its own folder alone
mkdir -p "$work/linked"
echo 'int nvJitLinkVersion(void); int nvJitLinkVersion(void) { return 0; }' \
    > "$work/link.c"
$CC -shared -fPIC -Wl,-soname,libnvJitLink.so.12 \
    -o "$work/linked/libnvJitLink.so.12" "$work/link.c"
$CC -shared -fPIC -DVERSION=12603 -DSTART=0 -DNEEDS_LINK \
    -o "$work/linked/libvendor.so" tests/programs/stub_vendor.c \
    "$work/linked/libnvJitLink.so.12"
try linked '.*' 12603
mv "$work/linked/libnvJitLink.so.12" "$work/elsewhere"
try linked 'none: .*nvJitLink' 'none: .*nvJitLink'
echo "ok $name"
