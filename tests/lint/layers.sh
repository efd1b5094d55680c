#!/bin/sh
# Who may include whom: calls go only downward, stages never meet but in api,
# programs and examples see the public header alone, includes name a folder.
set -eu
git ls-files src cuda examples tests/api | grep -E '\.([ch]|cu|cpp)$' |
xargs grep -nE '^[ \t]*#[ \t]*include[ \t]*"' /dev/null |
awk -F: '
BEGIN {
    below["platform"] = "platform"
    below["kernels"] = "kernels platform"
    below["cuda"] = "cuda kernels platform"
    below["model"] = "model kernels platform"
    below["tokenizer"] = "tokenizer platform"
    below["router"] = "router model kernels platform"
    below["engine"] = "engine model kernels platform"
    below["accountant"] = "accountant model platform"
    below["workshop"] = "workshop tokenizer router engine accountant " \
                        "model kernels platform"
    below["api"] = "api " below["workshop"]
    below["programs"] = "programs"
    below["tests"] = "api_tests"
}
{
    n = split($1, part, "/")
    layer = part[1] == "src" && n > 2 ? part[2] : part[1]
    match($3, /"[^"]*"/)
    name = substr($3, RSTART + 1, RLENGTH - 2)
    if (name == "agentcompress.h" || (name == "flow.h" &&
        layer != "programs" && layer != "examples" && layer != "tests"))
        next
    if (split(name, target, "/") < 2) {
        # what lies beside a program or a test goes by its own name
        if (layer != "tests" && layer != "programs")
            { print $1 ":" $2 ": include names no folder: " name; bad = 1 }
        next
    }
    if (index(" " below[layer] " ", " " target[1] " ") == 0)
        { print $1 ":" $2 ": " layer " may not include " name; bad = 1 }
}
END { exit bad }' || { echo "FAIL layers"; exit 1; }
echo "ok layers"
