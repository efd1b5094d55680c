#!/bin/sh
# The ten longest functions and files: the next ones to simplify. A function
# over 100 lines says "Long because" in the comment above it; a file over 800
# lines says "generated" in its first lines.
set -eu
list=$(mktemp)
trap 'rm -f "$list"' EXIT
git ls-files 'src/*.c' 'cuda/*.c' 'cuda/*.cu' 'tests/cuda/*.cc' | xargs awk '
FNR == 1 { comment = ""; head = "" }
/^[A-Za-z_].*\(/ { head = $0; head_line = FNR }
/^(\/\*| \*)/ { comment = comment $0 }
/^\{/ { start = head_line; excused = comment ~ /Long because/ }
/^\}/ && start {
    name = head
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
    print FNR - start + 1, FILENAME ":" start, name, excused ? "excused" : ""
    start = 0
    comment = ""
}
/^$/ { comment = "" }' | sort -rn > "$list"
echo "  longest functions"
head -n 10 "$list" | sed 's/^/    /'
echo "  longest files"
git ls-files 'src/*.[ch]' 'cuda/*' 'include/*' | xargs wc -l |
    grep -v total | sort -rn | head -n 10 | sed 's/^ */    /'
bad=0
awk '$1 > 100 && $4 != "excused" { print $2 ": " $3 " has " $1 " lines"; b = 1 }
     END { exit b }' "$list" || bad=1
git ls-files 'src/*.[ch]' 'cuda/*' | while read -r file; do
    [ "$(wc -l < "$file")" -le 800 ] ||
        head -n 5 "$file" | grep -qi generated ||
        echo "$file is longer than 800 lines"
done | grep . && bad=1
[ $bad = 0 ] || { echo "FAIL sizes"; exit 1; }
echo "ok sizes"
