#!/bin/sh
# The workflows commands on a small zoo: what they write parses, a run that was
# stopped goes on where it was, answers are scored, a predictor is trained.
set -eu
golden=$PWD/tests/golden/workflows.sha256
script=workflows
. tests/programs/common/begin.sh

lines() {
    wc -l < "$1" | tr -d ' '
}

expect 0 workflows --help
expect 1 workflows
expect 1 workflows no-such-action
expect 0 workflows run --help
expect 1 workflows generate --split tests
expect 1 workflows run z.zoo
expect 2 workflows generate --out no-such-folder/x
[ ! -e no-such-folder ] || fail "something was made"

# the frozen set, by the program itself
expect 0 workflows generate --split test
echo "$(sed -n 's/  test$//p' "$golden")  out" | sha256sum -c > /dev/null ||
    fail "the test set is not the one written down"
expect 0 workflows generate --split train --count 3 --training --out t.jsonl
grep -q '^{"prompt":.*"completion":' t.jsonl || fail "no training rows"
expect 0 workflows generate --split test --count 4 --out w.jsonl --quiet
[ "$(lines w.jsonl)" = 4 ] || fail "not four workflows"
expect 0 workflows show w.jsonl --index 3
grep -q 'reference answer' out || fail "show left out the answer"
expect 0 workflows show w.jsonl --id test-biology-000000
expect 2 workflows show w.jsonl --id test-biology-000099
expect 2 workflows show w.jsonl --index 4

expect 0 workflows show --workflows w.jsonl --index 3
expect 1 workflows show w.jsonl --workflows w.jsonl

expect 0 compress synthetic:tiny z.zoo --quiet

# rows are looked at before anything is run: a misspelt field, an id twice
for bad in 's/"facts":\[{/"fact":[{/' 's/"max_words":/"max_word":/' \
    's/"claims":\[{"any"/"claims":[{"some"/' 's/{{1}}/{{9}}/'; do
    sed "2,4$bad" w.jsonl > bad.jsonl
    cmp -s w.jsonl bad.jsonl && continue   # these four may not have it
    expect 3 workflows run z.zoo --workflows bad.jsonl --out bad_out.jsonl
    grep -q 'bad.jsonl: line [234]: test-.*step [1-9]: ' err ||
        fail "$bad: $(cat err)"
    [ ! -e bad_out.jsonl ] || fail "$bad left answers"
done
sed '2s/"facts":\[{/"fact":[{/' w.jsonl > bad.jsonl
expect 3 workflows run z.zoo --workflows bad.jsonl --out bad_out.jsonl
grep -q 'line 2.*data_to_text has no field "fact"' err || fail "$(cat err)"
sed '3p' w.jsonl > bad.jsonl
expect 3 workflows run z.zoo --workflows bad.jsonl --out bad_out.jsonl
grep -q 'line 4: workflow .* is there twice' err || fail "$(cat err)"

expect 2 workflows run z.zoo --variant int3 --out a.jsonl
[ ! -e a.jsonl ] || fail "a refused run left a file"
expect 0 workflows run z.zoo --variant int4 --workflows w.jsonl --quiet \
    --out int4.jsonl
n=$(lines int4.jsonl)
[ "$n" -ge 16 ] || fail "$n answers to four workflows"
sort int4.jsonl | sed 's/"seconds":.*//' > whole

# a run that was killed in the middle of a line goes on where it was
head -c "$(($(wc -c < int4.jsonl) * 2 / 5))" int4.jsonl > cut.jsonl
expect 0 workflows run z.zoo --variant int4 --workflows w.jsonl --jobs 1 \
    --out cut.jsonl
sort cut.jsonl | sed 's/"seconds":.*//' | cmp -s - whole ||
    fail "the resumed run gave other answers"
expect 0 workflows run z.zoo --variant int4 --workflows w.jsonl --out cut.jsonl
[ "$(lines cut.jsonl)" = "$n" ] || fail "a finished run was run again"
expect 1 workflows run z.zoo --variant int8 --workflows w.jsonl --out cut.jsonl
[ "$(lines cut.jsonl)" = "$n" ] || fail "another variant's answers were mixed in"

# answers of another zoo, or to other prompts, are not taken for this one's
grep -q '"suite":"[0-9a-f]\{16\}","zoo":"[0-9a-f]\{16\}"' cut.jsonl ||
    fail "answers do not say what they depend on"
expect 0 compress synthetic:tiny other.zoo --seed 5 --quiet
expect 1 workflows run other.zoo --variant int4 --workflows w.jsonl \
    --out cut.jsonl
grep -q 'answers of another zoo' err || fail "$(cat err)"
sed 's/"prompt":"/"prompt":"Now: /' w.jsonl > changed.jsonl
expect 1 workflows run z.zoo --variant int4 --workflows changed.jsonl \
    --out cut.jsonl
grep -q 'an answer to another prompt than step 1 of test-' err ||
    fail "$(cat err)"
expect 1 workflows run z.zoo --variant int4 --workflows w.jsonl --reference \
    --out cut.jsonl
[ "$(lines cut.jsonl)" = "$n" ] || fail "a refused run changed the answers"
sed 's/"max_words":[0-9]*/"max_words":9/' w.jsonl > checks.jsonl
expect 0 workflows run z.zoo --variant int4 --workflows checks.jsonl \
    --out cut.jsonl                                  # same prompts: kept
expect 0 workflows generate --split test --first 4 --count 1 --out more.jsonl
expect 0 workflows run z.zoo --variant int4 --workflows more.jsonl \
    --out cut.jsonl
grep -q "warning: $n answers in cut.jsonl are to workflows" err ||
    fail "$(cat err)"
sed 's/"suite":"[^"]*","zoo":"[^"]*",//' int4.jsonl > old.jsonl
expect 0 workflows run z.zoo --variant int4 --workflows w.jsonl --out old.jsonl
grep -q "warning: $n answers in old.jsonl do not say" err || fail "$(cat err)"

expect 0 workflows run z.zoo --variant routed --split test --count 4 --quiet \
    --out routed.jsonl
grep -q '"variant":"routed".*"ran":"' routed.jsonl || fail "nobody ran it"
expect 0 workflows run z.zoo --workflows w.jsonl --reference --quiet \
    --out full.jsonl

expect 0 workflows score int4.jsonl --count 4 --against full.jsonl \
    --verdicts verdicts.jsonl
grep -q '^int4: 4 workflows' out || fail "score printed no head"
[ "$(lines verdicts.jsonl)" = "$n" ] || fail "not a verdict for each step"
expect 0 workflows score int4.jsonl --workflows w.jsonl --json --threads 1
cp out one
expect 0 workflows score int4.jsonl --workflows w.jsonl --json --threads 2
cmp -s out one || fail "threads changed the figures"
if command -v python3 > /dev/null; then
    python3 -c 'import json; json.load(open("one"))' || fail "no JSON"
fi
expect 0 workflows score int4.jsonl --count 500          # missing: failed
grep -q ' [1-9][0-9]* of them unanswered' out || fail "nothing was missing"
expect 3 workflows score int4.jsonl --count 3            # strays
cat int4.jsonl int4.jsonl > twice.jsonl
expect 3 workflows score twice.jsonl --count 4
grep -q 'answered before' err || fail "$(cat err)"
expect 2 workflows score nowhere.jsonl

expect 0 workflows outcomes int4.jsonl routed.jsonl --split test --count 4 \
    --out outcomes.jsonl
grep -q '"success":{"int4":[01],"routed":[01]}' outcomes.jsonl ||
    fail "no row of two variants"

# enough prompts for a predictor: right answers for one, none for the other
if command -v python3 > /dev/null; then
    expect 0 workflows generate --split calibration --count 60 --out c.jsonl
    python3 - << 'END'
import json
with open("good.jsonl", "w") as good, open("poor.jsonl", "w") as poor:
    for line in open("c.jsonl"):
        row = json.loads(line)
        for i, step in enumerate(row["steps"]):
            answer = {"id": row["id"], "step": i + 1,
                      "answer": step["answer"], "variant": "full"}
            good.write(json.dumps(answer) + "\n")
            if step["level"] > 1:
                answer["answer"] = "no"
            answer["variant"] = "int4"
            poor.write(json.dumps(answer) + "\n")
END
    expect 0 workflows score good.jsonl --workflows c.jsonl
    grep -q '100.00 %' out || fail "right answers were not right"
    expect 0 workflows outcomes good.jsonl poor.jsonl --workflows c.jsonl \
        --out o.jsonl
    expect 0 train-predictor o.jsonl p.acp --quiet --epochs 2
    sed 's/"int4":0/"int4":1/' o.jsonl > agree.jsonl
    expect 0 train-predictor agree.jsonl p.acp --quiet --epochs 2
    grep -q 'all variants agree' out || fail "$(cat out)"
    if grep -q nan out; then fail "$(cat out)"; fi
fi
echo "ok $name"
