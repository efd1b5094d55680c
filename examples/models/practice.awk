# practice.awk - what the base model practises besides the workflows.
#
#     awk -v what=copy -v n=1000 -v seed=1 -v longest=8 -f practice.awk WORDS
#         JSON lines: copy a few words and numbers, or one field of a record.
#         A fresh model learns to look back from these within minutes, and
#         from the workflows alone only after hours.
#     awk -v what=arithmetic -v n=1000 -v seed=1 -f practice.awk
#         lines of text: sums, differences, products, comparisons
#
# WORDS holds one word a line. The numbers come from a generator computed here
# (Park and Miller's), so every awk prints the same.
function below(n) {
    state = (state * 16807) % 2147483647
    return int(state / 2147483647 * n)
}

function letter() {
    return substr("abcdefghijklmnopqrstuvwxyz", 1 + below(26), 1)
}

function item(    dice) {
    dice = below(100)
    if (dice < 60)
        return words[1 + below(n_words)]
    if (dice < 80)
        return 2 + below(98)
    if (dice < 90)
        return 100 + below(2001)
    if (dice < 95)
        return (1 + below(99)) "." below(10)
    return letter() letter() letter()
}

function items(count,    text) {
    text = item()
    while (--count > 0)
        text = text " " item()
    return text
}

function print_row(prompt, completion) {
    printf "{\"prompt\": \"%s\", \"completion\": \"%s\"}\n", prompt, completion
}

function print_copy(    text) {
    text = items(2 + below(longest - 1))
    print_row("Copy this.\\n" text "\\n", text)
}

# One field of two to four, under names in a drawn order.
function print_field(    i, j, kept, count, asked, rows) {
    count = 2 + below(3)
    for (i = 1; i <= count; i++) {
        j = i + below(n_fields - i + 1)
        kept = fields[i]
        fields[i] = fields[j]
        fields[j] = kept
        values[i] = items(1 + below(3))
        rows = rows fields[i] ": " values[i] "\\n"
    }
    asked = 1 + below(count)
    print_row("Give the " fields[asked] ".\\n" rows, values[asked])
}

function decimal() {
    return (1 + below(240)) "." below(10)
}

# Of two different numbers "larger" or "smaller", as the first is.
function comparison(a, b) {
    while (a == b)
        b = a + 1
    return a " is " (a + 0 < b + 0 ? "smaller" : "larger") " than " b "."
}

function sum_text(i,    a, b, c) {
    a = 2 + below(98)
    b = 2 + below(98)
    c = 2 + below(98)
    if (i % 6 == 0)
        return a " + " b " = " (a + b) ". " (a + b) " + " c " = " \
            (a + b + c) "."
    if (i % 6 == 1)
        return (a + b) " - " b " = " a "."
    if (i % 6 == 2)
        return a > b ? a " - " b " = " (a - b) "." : a " + " a " = " 2 * a "."
    if (i % 6 == 3)
        return (a % 48 + 2) " x " (b % 9 + 1) " = " \
            (a % 48 + 2) * (b % 9 + 1) "."
    if (i % 6 == 4)
        return comparison(a, b)
    return comparison(decimal(), decimal())
}

BEGIN {
    state = seed
    n_fields = split("title author year volume pages value unit place name " \
                     "group", fields, " ")
    if (what == "arithmetic") {
        for (i = 0; i < n; i++)
            print sum_text(i) " " sum_text(i + 1) " " sum_text(i + 2) " " \
                sum_text(i + 3) " " sum_text(i + 4) " " sum_text(i + 5)
        exit
    }
}

{ words[++n_words] = $0 }

END {
    if (what == "copy") {
        for (i = 0; i < n; i++) {
            if (below(10) < 7)
                print_copy()
            else
                print_field()
        }
    }
}
