#!/bin/sh
# A program compiled against the header of 0.1 runs with today's library.
set -eu
work=$BUILD/tests/abi
mkdir -p "$work"
$CC -std=c99 -Wall -Werror -Itests/abi -o "$work/client_0_1" \
    tests/abi/client_0_1.c $(cat "$BUILD/link_flags" 2>/dev/null) \
    -L"$BUILD" -lagentcompress -Wl,-rpath,"$PWD/$BUILD"
zoo=examples/models/base.zoo
if [ -d "$zoo" ]; then
    "$work/client_0_1" "$zoo"
    echo "ok abi/old_client"
else
    "$work/client_0_1"
    echo "SKIP abi/old_client with a zoo: $zoo is not there (the rest is ok)"
fi
