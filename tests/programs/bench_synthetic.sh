#!/bin/sh
# `agentcompress bench` on random weights that are on no disk: tables, JSON,
# prices, and what is said when something was asked for that is not there.
set -eu
root=$PWD
script=bench_synthetic
. tests/programs/common/begin.sh

if ! command -v python3 > /dev/null; then
    echo "SKIP $name: no python3 to read JSON with"
    exit 0
fi

# ---- a table: every variant at both lengths, the zoo, the price and its source
expect 0 bench --synthetic tiny,n_layer=7 --device cpu --prompt 8,16 \
    --generate 4 --runs 2
for v in full int8a16 int8 int4 int4-lowrank int8-pruned int4-pruned int4-small
do
    [ "$(grep -c "^$v  *\(8\|16\) " out)" = 4 ] || { cat out
        fail "$v is not there at both lengths, timed and priced"; }
done
grep -q '^zoo: .* for 8 variants' out || fail "the table has no zoo"
grep -q '^local-cpu: 0.085 \$ per hour, none, 2026-11-23' out ||
    fail "the table does not say where the price comes from"

# ---- JSON: figures agree with one another and with inspect
expect 0 inspect synthetic:tiny,n_layer=7 --json
cp out inspected
expect 0 bench --synthetic tiny,n_layer=7 --device cpu --prompt 8,16 \
    --generate 4 --runs 2 --json --price h200 --price a100
python3 - inspected out << 'END' || fail "the JSON of bench"
import json, sys
inspected, bench = (json.load(open(p)) for p in sys.argv[1:])
zoo = bench["zoo"]
assert zoo["weights_bytes"] == inspected["weights"]["bytes"]
assert zoo["extras_bytes"] == inspected["extras"]["bytes"]
assert zoo["bytes"] == zoo["weights_bytes"] + zoo["extras_bytes"]
assert zoo["bytes_over_16_bit"] == inspected["bytes_over_16_bit"]
assert abs(zoo["bytes"] / zoo["n_parameters"] / 2
           - zoo["bytes_over_16_bit"]) < 1e-6
prices = {p["name"]: p for p in bench["prices"]}
assert list(prices) == ["h200", "a100"]
assert prices["h200"]["dollars_per_hour"] == 4.45
assert prices["h200"]["as_of"] == "2026-09-20"
rows = bench["variants"]
names = [v["name"] for v in inspected["variants"]]
assert [(r["variant"], r["prompt_tokens"]) for r in rows] == \
    [(n, p) for n in names for p in (8, 16)]
full = {r["prompt_tokens"]: r for r in rows if r["variant"] == "full"}
for r in rows:
    cost = inspected["variants"][names.index(r["variant"])]["cost"]
    assert r["bytes_per_token"] == cost["bytes_per_token"]
    speed = r["decode_tokens_per_second"]
    assert speed >= r["decode_least"] > 0
    assert r["prefill_tokens_per_second"] >= r["prefill_least"] > 0
    ratio = full[r["prompt_tokens"]]["decode_tokens_per_second"] / speed
    assert abs(r["cost_ratio"] / ratio - 1) < 1e-9
    for d in r["dollars"]:
        hour = prices[d["price"]]["dollars_per_hour"]
        for part in ("prefill", "decode"):
            expected = hour / 3.6 / r[part + "_tokens_per_second"]
            assert abs(d[part + "_per_1000_tokens"] / expected - 1) < 1e-9
END

# ---- one variant, some variants, a shape from a file, a book of one's own
expect 0 bench --synthetic tiny --device cpu --variant int4 --prompt 8 \
    --generate 2 --runs 1 --json
[ "$(grep -c '"variant"' out)" = 1 ] || fail "--variant gave others too"
grep -q '"cost_ratio": null' out || fail "a cost relative to nothing"
expect 0 bench --synthetic tiny,variants=int8+int4 --device cpu --prompt 8 \
    --generate 2 --runs 1
if grep -q '^full' out; then fail "full was left out and measured"; fi
expect 0 bench --synthetic "$root/examples/models/base/config.json,n_layer=2" \
    --device cpu --prompt 8 --generate 2 --runs 1
grep -q '^int4-small' out || fail "a shape from a file has no ladder"
cat > book.json << 'END'
{"format": "agentcompress-price-book", "format_version": 1, "prices": [
 {"name": "ours", "provider": "us", "usd_per_hour": 2.5,
  "as_of": "2026-11-01", "source": "a bill"},
 {"name": "theirs", "provider": "them", "usd_per_hour": null,
  "as_of": "2026-11-01", "source": "unknown"}]}
END
expect 0 bench --synthetic tiny --device cpu --prompt 8 --generate 2 --runs 1 \
    --prices book.json
grep -q '^ours: 2.5 \$ per hour, us, 2026-11-01 (a bill)' out ||
    fail "a book of one's own was not used"
if grep -q theirs out; then fail "a price that is unset was used"; fi

# ---- what cannot be done is said, before any work
expect 2 bench --synthetic no-such-shape
grep -q llama-2-70b err || fail "an unknown shape did not list the known"
expect 2 bench --synthetic tiny --price no-such-price
expect 2 bench --synthetic tiny --variant int3
expect 2 bench --synthetic tiny --prices nowhere.json
expect 3 bench --synthetic tiny,n_layer=0
expect 1 bench --synthetic tiny,n_layer=-3
expect 1 bench --synthetic tiny,speed=9
expect 1 bench --synthetic tiny --prompt 0
expect 1 bench --synthetic tiny --prompt 8,
expect 1 bench --synthetic tiny --runs 0
expect 1 bench --synthetic tiny z.zoo
expect 1 bench
expect 4 bench --synthetic tiny --device cpu --prompt 600
expect 6 bench --synthetic tiny --device cuda:99
# more than addresses are for, and more than memory: no row, an exit code
(ulimit -v 2000000
 expect 5 bench --synthetic llama-2-70b --device cpu)
[ -z "$(ls /tmp | grep agentcompress-bench || true)" ] ||
    fail "something was left in /tmp"
echo "ok $name"
