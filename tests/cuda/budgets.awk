# budgets.awk - from what ptxas says of each kernel (c++filt has made the names
# readable) lines of: kernel, architecture, registers, bytes of stack, of
# spills, of static shared memory.
/Compiling entry function/ {
    kernel = $0
    sub(/^[^']*'/, "", kernel)
    sub(/' for '[^']*'.*$/, "", kernel)
    architecture = $0
    sub(/^.*' for '/, "", architecture)
    sub(/'.*$/, "", architecture)
    sub(/^void /, "", kernel)
    sub(/\(.*$/, "", kernel)           # its parameters
    gsub(/\(int\)|\(unsigned int\)|\(bool\)| /, "", kernel)
    stack = spills = 0
}
/bytes stack frame/ {
    stack = $1
    spills = $5 + $9
}
/Used [0-9]+ registers/ {
    registers = shared = 0
    for (i = 1; i < NF; i++) {
        if ($(i + 1) ~ /^registers/)
            registers = $i
        if ($(i + 1) == "bytes" && $(i + 2) ~ /^smem/)
            shared = $i
    }
    print kernel, architecture, registers, stack, spills, shared
}
