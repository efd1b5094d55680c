#!/bin/sh
# File names are unique in the tree and say what the file does.
set -eu
bad=0
names=$(git ls-files src include cuda examples tests lib |
    grep -E '\.([chs]|cu|cc|cpp|sh|py|rs)$')
if echo "$names" | sed 's|.*/||' | sort | uniq -d | grep .; then
    echo "file names used twice"
    bad=1
fi
if echo "$names" | sed 's|.*/||' | grep -E \
    '(^|_)(utils?|common|misc|helpers?|manager|base)(_|\.)'; then
    echo "file names that say nothing"
    bad=1
fi
# A source file is tested by test_<file>.c; told, not enforced: some are
# tested through what they are part of.
untested=
for file in $(git ls-files 'src/*.c' | grep -v '^src/programs/'); do
    name=$(basename "$file" .c)
    ls tests/*/"test_$name.c" >/dev/null 2>&1 || untested="$untested $name"
done
[ -z "$untested" ] ||
    echo "  no test file of their own name:$untested" | fold -s -w 78
[ $bad = 0 ] || { echo "FAIL file_names"; exit 1; }
echo "ok file_names"
