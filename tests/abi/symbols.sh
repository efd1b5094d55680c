#!/bin/sh
# Four lists are one: the header's functions, lib/symbols.txt, the version
# script, and what the shared object exports. And the archive, which hides
# nothing, has only names that begin with ac_ or aci_, and no data that
# changes.
set -eu
work=$BUILD/tests/abi
mkdir -p "$work"
fail() { echo "FAIL abi/symbols: $1"; exit 1; }

awk '/^AC_API/ { on = 1; text = "" } on { text = text " " $0 }
     on && /;/ { on = 0; match(text, /ac_[a-z_]+\(/)
                 print substr(text, RSTART, RLENGTH - 1) }' \
    include/agentcompress.h | sort > "$work/header"
sed -n 's/^ *\(ac_[a-z_]*\);$/\1/p' lib/agentcompress.map | sort > "$work/map"
nm -D --defined-only "$BUILD/libagentcompress.so" |
    awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort > "$work/exported"
for list in header map exported; do
    diff -u lib/symbols.txt "$work/$list" || fail "$list"
done

case $MODE in release | debug) ;; *)
    echo "ok abi/symbols (archive not looked at: MODE=$MODE)"
    exit 0 ;;
esac
nm -g --defined-only "$BUILD/libagentcompress.a" |
    awk 'NF == 3 && $3 !~ /^aci?_/ { print; bad = 1 } END { exit bad }' ||
    fail "names in the archive"
# .data and .bss (not .data.rel.ro, which is constant once loaded; nor what
# nvcc keeps to register its kernels)
objdump -t "$BUILD/libagentcompress.a" |
    awk '!/device_stub|__cudaFat|__nv_/ && $2 != "d" && $3 != "d" && / O \.(data|bss|tbss|tdata)(\.[^r][^ ]*)?\t/ {
             print; bad = 1 } END { exit bad }' ||
    fail "data that can change"
echo "ok abi/symbols"
