#!/bin/sh
# demo.sh BUILD - the main job on the small zoo that ships: a prompt of each
# kind of research task is routed, answered and accounted for. Run by
# `make demo`.
set -eu

build=${1:-build/release}
zoo=$(dirname "$0")/models/base.zoo
ledger=$build/demo.sqlite
agentcompress=$build/agentcompress

rm -f "$ledger" "$ledger-wal" "$ledger-shm"
"$agentcompress" inspect "$zoo"

ask() { # KIND PROMPT
    printf '\n----------------------------------------------------------------\n'
    printf '%s\n\n%s\n\n' "$1" "$2"
    # The model was trained on prompts that end a line.
    "$agentcompress" run "$zoo" --ledger "$ledger" --max-tokens 160 "$2
"
}

while IFS='|' read -r kind prompt; do
    ask "$kind" "$(printf '%b' "$prompt")"
done < "$(dirname "$0")/demo_prompts.txt"

printf '\n----------------------------------------------------------------\n'
printf 'what that cost, and what the full model would have cost:\n\n'
"$agentcompress" ledger "$ledger" --by variant
"$agentcompress" ledger "$ledger" --report "$build/demo_report.html"
printf '\nThe same as a page: %s\n' "$build/demo_report.html"
