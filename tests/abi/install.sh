#!/bin/sh
# What `make install` puts where, that it can be moved, and that uninstall
# leaves nothing; then programs in C, C++, Python and Rust are built and run
# against the installed prefix, the way a user would.
set -eu
case $MODE in release | debug) ;; *)
    echo "SKIP abi/install: MODE=$MODE is not what is installed"
    exit 0 ;;
esac
work=$PWD/$BUILD/tests/abi
rm -rf "$work/stage" "$work/moved"
mkdir -p "$work"
fail() { echo "FAIL abi/install: $1"; exit 1; }
make_quietly() {
    "$MAKE" --no-print-directory MODE="$MODE" "$@" > "$work/log" 2>&1 ||
        { cat "$work/log"; fail "$1"; }
}
# Debian's layout, whose LIBDIR is two levels deep.
where="PREFIX=/usr LIBDIR=/usr/lib/x86_64-linux-gnu DESTDIR=$work/stage"
make_quietly install $where
cd "$work/stage/usr"
for file in bin/agentcompress include/agentcompress.h \
    lib/x86_64-linux-gnu/libagentcompress.a \
    lib/x86_64-linux-gnu/libagentcompress.so \
    lib/x86_64-linux-gnu/libagentcompress.so.0 \
    lib/x86_64-linux-gnu/pkgconfig/agentcompress.pc; do
    [ -e "$file" ] || fail "$file is not there"
done
cd - >/dev/null
make_quietly uninstall $where
[ -z "$(find "$work/stage" ! -type d)" ] ||
    fail "left behind: $(find "$work/stage" ! -type d)"

make_quietly install PREFIX="$work/stage"
mv "$work/stage" "$work/moved" # the .pc and the program are relocatable
prefix=$work/moved
readelf -d "$prefix/lib/libagentcompress.so" |
    grep -q 'SONAME.*libagentcompress\.so\.0' || fail "SONAME"
"$prefix/bin/agentcompress" --help > "$work/help" || fail "the program"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
cflags=$("$PKG_CONFIG" --cflags agentcompress)
libs=$("$PKG_CONFIG" --libs agentcompress)
static=$("$PKG_CONFIG" --static --libs agentcompress)
case $libs in *sqlite3*) fail "Requires.private is not private" ;; esac
zoo=examples/models/base.zoo
if [ ! -d "$zoo" ]; then
    zoo=
    echo "SKIP abi/install with a zoo: examples/models/base.zoo is not there"
fi
export LD_LIBRARY_PATH="$prefix/lib"
check() { # language, program...
    language=$1
    shift
    "$@" $zoo > "$work/output" 2>&1 ||
        { cat "$work/output"; fail "the $language program"; }
    echo "ok consumer in $language"
}

$CC -std=c11 -Wall -Wextra -Werror $cflags -o "$work/in_c" \
    examples/c/hello_zoo.c $libs
check C "$work/in_c"
# --static lists what the archive needs; taken alone it must suffice.
$CC -std=c11 $cflags -o "$work/in_c_static" examples/c/hello_zoo.c \
    $(echo "$static" | sed 's/-lagentcompress/-l:libagentcompress.a/')
LD_LIBRARY_PATH='' check "C, static archive" "$work/in_c_static"
cxx=${CXX:-c++}
if command -v "$cxx" >/dev/null 2>&1; then
    $cxx -std=c++17 -Wall -Wextra -Werror $cflags -o "$work/in_cpp" \
        examples/cpp/stream_answer.cpp $libs
    check C++ "$work/in_cpp"
else
    echo "SKIP consumer in C++: there is no $cxx here"
fi
if python3 -c 'import ctypes' 2>/dev/null; then
    AGENTCOMPRESS_LIBRARY=$prefix/lib/libagentcompress.so.0 \
        check Python python3 examples/python/ask_zoo.py
else
    echo "SKIP consumer in Python: there is no python3 with ctypes here"
fi
if rustc --version >/dev/null 2>&1; then
    rustc -O -A warnings -L "$prefix/lib" -o "$work/in_rust" \
        examples/rust/route_prompt.rs || fail "rustc"
    check Rust "$work/in_rust"
else
    echo "SKIP consumer in Rust: there is no rustc here"
fi
echo "ok abi/install"
