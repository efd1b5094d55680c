# code_only.awk - C with comments and the insides of strings blanked; prints
# "file:line:code". Knows /* */, //, "..." and '...'.
FNR == 1 { in_comment = 0 }
{
    line = $0
    out = ""
    while (line != "") {
        if (in_comment) {
            end = index(line, "*/")
            if (end == 0)
                break
            line = substr(line, end + 2)
            in_comment = 0
        } else if (substr(line, 1, 2) == "/*") {
            in_comment = 1
            line = substr(line, 3)
        } else if (substr(line, 1, 2) == "//") {
            break
        } else if (line ~ /^["']/) {
            quote = substr(line, 1, 1)
            at = 2
            while (at <= length(line) && substr(line, at, 1) != quote)
                at += substr(line, at, 1) == "\\" ? 2 : 1
            out = out quote quote
            line = substr(line, at + 1)
        } else {
            out = out substr(line, 1, 1)
            line = substr(line, 2)
        }
    }
    if (out !~ /^[ \t]*$/)
        print FILENAME ":" FNR ":" out
}
