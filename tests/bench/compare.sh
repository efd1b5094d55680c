#!/bin/sh
# compare.sh BENCH BASE - the same benchmark before (commit BASE, built in a
# worktree of its own) and after (this tree), in turns, RUNS times each. Lines
# are matched by their words; each number gets the medians of both, their
# ratio, and the spread between runs, to be believed only beyond it.
set -eu
bench=$1 base=${2:-main}
runs=${RUNS:-5}
there=build/compare
log=build/compare.log
git worktree remove --force "$there" 2>/dev/null || true
git worktree add --detach "$there" "$base" >/dev/null 2>&1 ||
    { echo "no such commit: $base"; exit 1; }
trap 'git worktree remove --force "$there"' EXIT
program=build/release/tests/bench/bench_$bench
make --no-print-directory "$program" >/dev/null
make --no-print-directory -C "$there" "$program" >/dev/null
: > "$log"
i=0
while [ $i -lt "$runs" ]; do
    (cd "$there" && "./$program" ${ARGS:-}) | sed 's/^/before /' >> "$log"
    "./$program" ${ARGS:-} | sed 's/^/after /' >> "$log"
    i=$((i + 1))
done
echo "$bench: $base against this tree, $runs runs in turns"
awk '
function median(list,    n, v, i, j, t) {
    n = split(list, v, " ")
    for (i = 2; i <= n; i++) # few: insertion sort
        for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
            t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
        }
    low = v[1]; high = v[n]
    return v[int((n + 1) / 2)]
}
{
    side = $1
    sub(/^[a-z]* /, "")
    words = $0
    gsub(/[0-9]+(\.[0-9]+)?/, "#", words)
    rest = $0
    for (k = 1; match(rest, /[0-9]+(\.[0-9]+)?/); k++) {
        key = words SUBSEP k
        if (!(key in seen)) { seen[key] = 1; order[++n_keys] = key }
        values[side, key] = values[side, key] " " substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
    }
}
END {
    for (i = 1; i <= n_keys; i++) {
        split(order[i], part, SUBSEP)
        before = median(values["before", order[i]])
        spread = before + 0 != 0 ? (high - low) / before : 0
        after = median(values["after", order[i]])
        if (before + 0 != 0 && before != after)
            printf "%12s -> %12s  x%.3f  (spread %.1f %%)  %s [%d]\n",
                before, after, after / before, 100 * spread, part[1], part[2]
    }
}' "$log"
