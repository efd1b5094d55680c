#!/bin/sh
# Globals of the library: ac_ in api, aci_<folder>_ elsewhere; none can be
# changed. Read from the source by ctags; tests/abi/archive.sh asks the built
# archive the same.
set -eu
if ! ctags --version 2>/dev/null | grep -q Universal; then
    echo "SKIP global_names: universal-ctags is not installed"
    exit 0
fi
# Macros that stand for "static inline ..." are told to ctags.
static_macros=$(git ls-files 'src/*.[ch]' | xargs sed -n \
    's/^# *define \([A-Z_]*\) static .*/-D \1=static/p' | sort -u)
git ls-files 'src/*.c' 'cuda/*.c' | grep -v '^src/programs/' |
    xargs ctags $static_macros -f - --sort=no --c-kinds=fv --fields=f --excmd=number |
awk -F '\t' '$4 != "file:" { # visible outside its file
    n = split($2, part, "/")
    folder = part[1] == "cuda" ? "cuda" : part[2]
    if (folder == "api" && $1 ~ /^ac_/)
        next
    if (index($1, "aci_" folder "_") != 1) {
        print $2 ":" $3 " " $1 " should begin aci_" folder "_"
        bad = 1
    }
} END { exit bad }' || { echo "FAIL global_names"; exit 1; }
echo "ok global_names"
