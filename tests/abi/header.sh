#!/bin/sh
# The public header compiles alone as C99, C11 and C++17, strictly; its structs
# have no hidden padding and lie where they always did.
set -eu
work=$BUILD/tests/abi
mkdir -p "$work"
strict="-pedantic -Wall -Wextra -Wshadow -Wundef -Werror -fsyntax-only"
echo '#include <agentcompress.h>
extern int one; int one = AC_OK;
static const ac_generate_options defaults = AC_GENERATE_OPTIONS_INIT;
const void *address(void); const void *address(void) { return &defaults; }' \
    > "$work/alone.c"
cp "$work/alone.c" "$work/alone.cpp"
for standard in c99 c11; do
    $CC -std=$standard $strict -Iinclude "$work/alone.c"
done
if command -v "${CXX:-c++}" >/dev/null 2>&1; then
    "${CXX:-c++}" -std=c++17 $strict -Iinclude "$work/alone.cpp"
else
    echo "SKIP abi/header as C++: there is no c++ here"
fi
$CC -std=c11 $strict -Wpadded -Iinclude tests/abi/frozen_layout.c
echo "ok abi/header"
