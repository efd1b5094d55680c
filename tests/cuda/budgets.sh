#!/bin/sh
# budgets.sh check|show|accept - what ptxas made of each kernel (BUILD holds its
# words beside the objects) against the table in budgets.txt.
#
# More registers or shared memory mean fewer blocks at a time, spills and stack
# mean traffic to memory; no other test would show either. The bounds hold for
# the compiler that made the table; by another one they are told, not enforced,
# but for spills of more than 64 bytes. A line with a stack is a fault to mend.
set -eu
table=tests/cuda/budgets.txt
# parameters are stripped before c++filt prints them: templates alone are left
found=$BUILD/cuda/budgets
cat "$BUILD"/cuda/*.ptxas |
    sed "s/entry function '\\([^']*\\)'/entry function '\\1 '/" | c++filt |
    awk -f tests/cuda/budgets.awk | LC_ALL=C sort > "$found"
[ -s "$found" ] || { echo "FAIL cuda budgets: ptxas said nothing"; exit 1; }
twice=$(awk '{ print $1, $2 }' "$found" | uniq -d)
[ -z "$twice" ] || {
    echo "FAIL cuda budgets: two kernels have one name, which budgets go by:"
    echo "$twice"
    exit 1
}
compiler=$("${NVCC:-nvcc}" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')

case $1 in
show)
    awk 'BEGIN { printf "%-60s %-7s %9s %6s %7s %7s\n", "kernel", "for",
                        "registers", "stack", "spills", "shared" }
         { printf "%-60s %-7s %9d %6d %7d %7d\n", $1, $2, $3, $4, $5, $6 }' \
        "$found"
    ;;
accept)
    {
        echo "# What kernels may use at most, compiled by nvcc $compiler:"
        echo "# kernel, architecture, registers, bytes of stack, of spills, of" \
            "static shared memory."
        echo "# Checked by tests/cuda/budgets.sh; \`make cuda-budgets-accept\`"
        awk '{ print $1, $2, int(($3 + 7) / 8) * 8, $4, $5, $6 }' "$found"
    } > $table
    echo "ok $table has $(wc -l < "$found") lines"
    ;;
check)
    awk -v compiler="$compiler" -v table=$table '
    BEGIN {
        name[3] = "registers"
        name[4] = "bytes of stack"
        name[5] = "bytes of spills"
        name[6] = "bytes of shared memory"
    }
    FILENAME == table && /compiled by nvcc/ {
        bound = $NF == compiler ":"
    }
    FILENAME == table {
        if (!/^#/)
            for (i = 3; i <= 6; i++)
                most[$1 " " $2, i] = $i
        if (!/^#/)
            known[$1 " " $2] = 1
        next
    }
    {
        id = $1 " " $2
        n_stacks += $4 > 0
        if (!(id in known)) {
            print "  " id ": not in the table"
            bad = 1
            next
        }
        seen[id] = 1
        for (i = 3; i <= 6; i++)
            if ($i > most[id, i]) {
                print "  " id ": " $i " of at most " most[id, i] " " name[i]
                bad = bad || bound || (i == 5 && $i > 64)
            }
    }
    END {
        if (n_stacks > 0)
            print "  " n_stacks " kernels have a stack; see make cuda-budgets"
        for (id in known)
            if (!(id in seen)) { print "  " id ": is no more"; bad = 1 }
        exit bad
    }' $table "$found" || {
        echo "FAIL cuda budgets: if it is meant, make cuda-budgets-accept"
        exit 1
    }
    echo "ok cuda budgets ($(wc -l < "$found") kernels, nvcc $compiler)"
    ;;
esac
