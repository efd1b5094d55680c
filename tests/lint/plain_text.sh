#!/bin/sh
# Lines: 80 columns in C, 100 in CUDA, no tabs, no blanks at line ends, a
# newline at the end; and no path of anybody's machine anywhere.
set -eu
bad=0
# 0x80-0xBF go on a character begun before: not a column of their own.
git ls-files src include cuda examples tests | grep -E '\.([ch]|cu|cc|cpp)$' |
LC_ALL=C xargs awk '
function complain(what) { print FILENAME ":" FNR ": " what; bad = 1 }
{
    line = $0
    gsub(/[\200-\277]/, "", line)
    limit = FILENAME ~ /\.cu$|^cuda\/.*\.h$|^tests\/.*cuda.*\.(cc|h)$/ ? 100 : 80
}
length(line) > limit { complain(length(line) " columns") }
/\t/ { complain("tab") }
/[ \t]$/ { complain("blank at the end of the line") }
/\r/ { complain("carriage return") }
END { exit bad }' || bad=1
git ls-files | grep -E '\.([ch]|cu|cc|sh|md|awk|py)$|^Makefile$' |
while read -r file; do
    [ -s "$file" ] || continue
    [ -z "$(tail -c 1 "$file")" ] || echo "$file: no newline at the end"
done | grep . && bad=1
if git ls-files | grep -vE '^tests/lint/|\.(bin|act|acw|jsonl|json)$' |
    xargs grep -nIE '(^|[^A-Za-z0-9_.*])/(work|home|root|Users)/' /dev/null
then
    echo "a path of one machine"
    bad=1
fi
[ $bad = 0 ] || { echo "FAIL plain_text"; exit 1; }
echo "ok plain_text"
