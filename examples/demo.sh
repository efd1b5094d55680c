#!/bin/sh
# demo.sh BUILD - the main job on the small zoo that ships: three prompts are
# routed, answered and accounted for. Run by `make demo`.
set -eu

build=${1:-build/release}
zoo=$(dirname "$0")/models/demo.zoo
ledger=$build/demo.sqlite
agentcompress=$build/agentcompress

rm -f "$ledger" "$ledger-wal" "$ledger-shm"
"$agentcompress" inspect "$zoo"

ask() {
    printf '\n----------------------------------------------------------------\n'
    printf 'prompt: %s\n\n' "$1"
    "$agentcompress" run "$zoo" --ledger "$ledger" --max-tokens "$2" \
        --stop '
' "$1"
}

while IFS='|' read -r tokens prompt; do
    ask "$(printf '%b' "$prompt")" "$tokens"
done < "$(dirname "$0")/demo_prompts.txt"

printf '\n----------------------------------------------------------------\n'
printf 'what that cost, and what the full model would have cost:\n\n'
"$agentcompress" ledger "$ledger" --by variant
"$agentcompress" ledger "$ledger" --report "$build/demo_report.html"
printf '\nThe same as a page: %s\n' "$build/demo_report.html"
