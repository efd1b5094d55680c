#!/bin/sh
# Every command of the program on a small zoo: what it prints parses, exit
# codes are the documented ones, and what was asked for has happened.
set -eu
root=$PWD
script=command_line
. tests/programs/common/begin.sh

is_json() {
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$1" ||
        fail "$2 printed no JSON"
}

if ! command -v python3 > /dev/null; then
    echo "SKIP $name: no python3 to read JSON with"
    exit 0
fi

expect 0 --help
expect 0 --version
expect 1
expect 1 no-such-command
expect 1 run
expect 1 run zoo prompt --no-such-option
expect 0 run --help
expect 2 run nowhere.zoo prompt
expect 0 compress synthetic:tiny z.zoo --quiet
expect 1 compress synthetic:tiny z.zoo --quiet          # it exists
expect 0 compress synthetic:tiny z.zoo --quiet --overwrite
expect 2 compress synthetic:no-such-shape y.zoo
expect 2 compress nowhere y.zoo
[ ! -e y.zoo ] || fail "a failed compress left something"

expect 0 inspect z.zoo --json
is_json out inspect
expect 0 run z.zoo --max-tokens 5 --ignore-end hello
grep -q variant err || fail "run printed no table"
expect 0 run z.zoo --json --variant int4 --max-tokens 5 --logprobs 2 hello
is_json out "run --json"
expect 0 run z.zoo --temperature 1 --seed 3 --max-tokens 20 --quiet hello
cp out first
expect 0 run z.zoo --temperature 1 --seed 3 --max-tokens 20 --quiet hello
cmp -s out first || fail "the same seed gave another text"
expect 2 run z.zoo --variant int3 hello
expect 1 run z.zoo --temperature 5 hello
expect 4 run z.zoo --context 8 "a prompt of more than eight bytes"
expect 0 route z.zoo --json hello
is_json out route
expect 0 tokenize z.zoo --json "hi there"
is_json out tokenize
expect 0 score z.zoo --variant int4 --json "some text to score"
is_json out score
i=0
while [ $i -lt 30 ]; do echo "line $i of a text to judge by"; i=$((i + 1))
done > text.txt
echo '{"prompt": "one and ", "completion": "two"}' > text.jsonl
expect 0 perplexity z.zoo text.txt text.jsonl --quiet
grep -q 'KL from full' out || fail "perplexity printed no table"
if grep -q -e '-0[.]0*\( \|$\)' out; then fail "nothing is less than 0"; fi
sed 's/"int4"/"a-name-of-four-words"/' z.zoo/zoo.json > zoo.json
mkdir long.zoo
for f in z.zoo/*; do [ "$f" = z.zoo/zoo.json ] || cp "$f" long.zoo/; done
mv zoo.json long.zoo/zoo.json
expect 0 perplexity long.zoo text.txt --quiet
awk '$1 == "variant" { at = index($0, $2) }
    NF == 0 { at = 0 }
    at && substr($0, at - 1, 2) !~ /^ [^ ]/ { bad = 1 }
    END { exit bad }' out || fail "a long name moved the columns of perplexity"
rm -r long.zoo
expect 0 perplexity z.zoo text.txt --json --context 64 --stride 16 \
    --variants int4 --quiet
is_json out perplexity
grep -q '"stride": 16' out || fail "perplexity did not say its stride"
expect 2 perplexity z.zoo text.txt --variants int3
expect 2 perplexity z.zoo nowhere.txt
expect 1 perplexity z.zoo text.txt --stride 4096
expect 1 perplexity z.zoo text.txt --begin somewhere
expect 1 perplexity z.zoo text.jsonl --second-half
expect 2 inspect z.zoo --plot frontier.svg
grep -q 'run: agentcompress measure z.zoo' err ||
    fail "a plot without figures did not say what to run"
[ ! -e frontier.svg ] || fail "a plot without figures left a file"
expect 0 measure z.zoo --quiet --text text.txt --runs 1 --prompt 8 --generate 4
for cost in bytes bit_operations macs seconds; do
    expect 0 inspect z.zoo --plot $cost.svg --cost $cost
    python3 "$root/tests/programs/common/labels.py" $cost.svg full int8 int4 ||
        fail "the picture of $cost"
done
expect 0 inspect "$root/examples/models/base.zoo" --plot base.svg \
    --quality perplexity --cost bit_operations
python3 "$root/tests/programs/common/labels.py" base.svg full int8a16 int8 \
    int4 int4-lowrank int8-pruned int4-pruned int4-small ||
    fail "the picture of the shipped zoo"
expect 1 inspect z.zoo --plot f.svg --cost money
expect 1 inspect z.zoo --plot f.svg --quality beauty
expect 2 inspect z.zoo --plot nowhere/f.svg
expect 0 measure z.zoo --quiet --runs 1 --prompt 8 --generate 4
expect 0 bench z.zoo --json --runs 1 --prompt 8 --generate 4
is_json out bench
expect 0 ledger z.zoo
expect 0 ledger z.zoo --json --by reason
is_json out "ledger --json"
expect 0 ledger z.zoo --entries
is_json out "ledger --entries"
expect 0 ledger z.zoo --feedback 1 --success 1
expect 2 ledger z.zoo --feedback 4711
expect 0 ledger z.zoo --csv --by day
expect 0 ledger z.zoo --report report.html
grep -q '</html>' report.html || fail "the report is not whole"
expect 2 ledger nowhere.zoo

i=0
while [ $i -lt 80 ]; do
    echo "{\"prompt\": \"task $i of $((i % 7)) kinds\", \"answer\": \"x\"}"
    i=$((i + 1))
done > tasks.jsonl
expect 0 outcomes z.zoo tasks.jsonl outcomes.jsonl --like-full --quiet \
    --max-tokens 3
[ "$(wc -l < outcomes.jsonl)" = 80 ] || fail "outcomes lost tasks"
expect 0 train-predictor outcomes.jsonl p.acp --quiet --epochs 2 --json
is_json out train-predictor
expect 0 inspect p.acp --json
is_json out "inspect PREDICTOR"
echo 'no JSON' > bad.jsonl
expect 3 train-predictor bad.jsonl q.acp --quiet
printf 'low lower lowest\nlow\n' > words.txt
echo '{"prompt": "low", "completion": "lower"}' > pairs.jsonl
expect 0 train-tokenizer made --vocab 300 --data words.txt pairs.jsonl \
    --special '<|user|>' --json
is_json out train-tokenizer
[ -f made/tokenizer_config.json ] || fail "train-tokenizer wrote no config"
is_json made/tokenizer.json "train-tokenizer into its file"
expect 1 train-tokenizer other --vocab 256 --data words.txt --quiet
expect 2 train-tokenizer other --data nowhere.txt --quiet
expect 2 train-tokenizer words.txt/other --data words.txt --quiet
expect 3 train-tokenizer other --data words.txt bad.jsonl --quiet
[ ! -e other ] || fail "a failed train-tokenizer left something"
expect 3 outcomes z.zoo bad.jsonl o.jsonl --quiet
# a run that is stopped while a variant is recovered says so and leaves nothing
"$program" workflows generate --split train --count 200 --training \
    --out lessons.jsonl > /dev/null 2>&1
"$program" compress "$root/examples/models/base" stopped.zoo \
    --variants int4-pruned --calibrate lessons.jsonl --calibration-tokens 8192 \
    --recover 100000000 > out 2> err &
child=$!
i=0
while [ $i -lt 600 ] && ! grep -q '^int4-pruned$' err; do
    sleep 0.1
    i=$((i + 1))
done
sleep 0.5
began=$(date +%s)
kill -TERM $child
code=0
wait $child || code=$?
[ $code = 8 ] || fail "SIGTERM gave $code: $(cat err)"
[ "$(($(date +%s) - began))" -le 5 ] || fail "SIGTERM took its time"
grep -q '^stopping' err || fail "SIGTERM was not answered at once"
grep -q 'stopped at int4-pruned; no zoo' err ||
    fail "$(cat err)"
[ ! -e stopped.zoo ] || fail "a run that was stopped left a zoo"
printf 'garbage' > z.zoo/weights.acw
expect 3 run z.zoo hello
echo "ok $name"
