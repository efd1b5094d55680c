/* test_cost_model.c - sums of token costs against a plain loop, and what full
 * would have cost. */
#include "accountant/cost_model.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "kernels/backend.h"
#include "small_model.h"

static aci_model model;
static aci_cost_table table;

static void begin(void)
{
    model = small_model();
    aci_accountant_cost_table(&table, &model);
}

static aci_token_cost at(int32_t variant, int32_t kv_bits, uint64_t position,
                         int with_head)
{
    aci_token_cost cost;

    aci_model_token_cost(&cost, &model, variant, kv_bits, (int64_t)position,
                         with_head);
    return cost;
}

START_TEST(a_chunk_is_the_engines)
{
    ck_assert_int_eq((int)ACI_ACCOUNTANT_CHUNK, (int)ACI_MAX_ROWS);
}
END_TEST

/* Window, variant, KV bits, first position, prompt, generated. */
static const struct {
    int32_t window, variant, kv_bits;
    uint64_t first, prompt, generated;
} runs[] = {
    { 0, SMALL_FULL, 16, 0, 1, 0 },     { 0, SMALL_INT4, 8, 0, 100, 20 },
    { 0, SMALL_INT8, 16, 33, 513, 2 },  { 64, SMALL_INT4, 16, 0, 100, 50 },
    { 64, SMALL_INT8, 8, 60, 10, 1 },   { 64, SMALL_FULL, 16, 500, 7, 9 },
    { 1, SMALL_FULL, 16, 0, 5, 5 },     { 200, SMALL_INT4, 16, 90, 100, 60 },
};

START_TEST(closed_form_equals_the_loop)
{
    aci_work work = { 0 };
    aci_work_cost sum;
    uint64_t macs = 0, bits = 0, kv = 0, macs2 = 0, bits2 = 0, bytes2 = 0;
    uint64_t weights, p, end;
    aci_token_cost head, plain;

    begin();
    model.shape.window = runs[_i].window;
    aci_accountant_cost_table(&table, &model);
    work.variant = runs[_i].variant;
    work.draft_variant = -1;
    work.kv_bits = runs[_i].kv_bits;
    work.first_position = runs[_i].first;
    work.prompt_tokens = runs[_i].prompt;
    work.generated_tokens = runs[_i].generated;
    aci_accountant_work_cost(&sum, &table, &work);

    plain = at(work.variant, work.kv_bits, 0, 0);
    weights = 2 * plain.bytes - at(work.variant, work.kv_bits, 1, 0).bytes;
    end = work.first_position + work.prompt_tokens;
    for (p = work.first_position; p < end; p++) {
        aci_token_cost c = at(work.variant, work.kv_bits, p, p == end - 1);

        macs += c.macs;
        bits += c.bit_operations;
        kv += at(work.variant, work.kv_bits, p, 0).bytes - weights;
    }
    for (p = end; p + 1 < end + work.generated_tokens; p++) {
        aci_token_cost c = at(work.variant, work.kv_bits, p, 1);

        macs2 += c.macs;
        bits2 += c.bit_operations;
        bytes2 += c.bytes;
    }
    head = at(work.variant, work.kv_bits, 0, 1);
    ck_assert(sum.prefill.macs == macs);
    ck_assert(sum.prefill.bit_operations == bits);
    /* A window of one position has no step: its entry counts as weights. */
    ck_assert(sum.prefill.bytes ==
              kv + weights * ((work.prompt_tokens + 511) / 512) +
                  head.bytes - plain.bytes);
    ck_assert(sum.decode.macs == macs2);
    ck_assert(sum.decode.bit_operations == bits2);
    ck_assert(sum.decode.bytes == bytes2);
}
END_TEST

START_TEST(prefill_reads_weights_once_per_chunk)
{
    aci_work one = { SMALL_FULL, -1, 16, 0, 512, 0, 0, 0 }, two = one;
    aci_work_cost a, b;
    uint64_t weights;

    begin();
    two.prompt_tokens = 513;
    aci_accountant_work_cost(&a, &table, &one);
    aci_accountant_work_cost(&b, &table, &two);
    weights = table.lines[SMALL_FULL][0][0].weight_bytes;
    ck_assert(b.prefill.bytes - a.prefill.bytes ==
              weights + 513 * table.lines[SMALL_FULL][0][0].step.bytes);
}
END_TEST

START_TEST(drafts_cost_what_they_read)
{
    /* 21 tokens: the first from the prompt, 20 from rounds of one each and
     * 15 accepted: 5 rounds, 18 drafted. */
    aci_work work = { SMALL_FULL, SMALL_INT4, 16, 0, 10, 21, 18, 15 };
    aci_work_cost sum;
    aci_token_cost verify, draft;
    const aci_cost_line *own, *small;

    begin();
    aci_accountant_work_cost(&sum, &table, &work);
    verify = at(SMALL_FULL, 16, 20, 1);
    draft = at(SMALL_INT4, 16, 20, 1);
    own = &table.lines[SMALL_FULL][0][1];
    small = &table.lines[SMALL_INT4][0][1];
    ck_assert(sum.decode.macs == 23 * verify.macs + 18 * draft.macs);
    ck_assert(sum.decode.bytes ==
              5 * own->weight_bytes + 18 * small->weight_bytes +
                  21 * (23 * own->step.bytes + 18 * small->step.bytes));
    ck_assert(sum.decode.bytes < 20 * verify.bytes);
}
END_TEST

START_TEST(absurd_counts_saturate)
{
    aci_work work = { SMALL_FULL, SMALL_INT4, 16, UINT64_MAX, UINT64_MAX,
                      UINT64_MAX, 0, 0 };
    aci_work_cost sum;

    begin();
    aci_accountant_work_cost(&sum, &table, &work);
    ck_assert(sum.prefill.bit_operations == INT64_MAX);
    ck_assert(sum.decode.bytes <= INT64_MAX && sum.decode.bytes > 1u << 30);
    work.draft_tokens = work.accepted_tokens = UINT64_MAX;
    aci_accountant_work_cost(&sum, &table, &work);
    ck_assert(sum.decode.bit_operations == INT64_MAX);
    ck_assert(aci_accountant_add(UINT64_MAX, UINT64_MAX) == INT64_MAX);
    ck_assert(aci_accountant_add(2, 3) == 5);
}
END_TEST

static uint32_t ratio(double *prefill, double *decode, uint32_t variant,
                      uint64_t drafts)
{
    aci_work work = { (int32_t)variant, SMALL_INT4, 16, 0, 100, 21, drafts,
                      drafts / 2 };

    return aci_accountant_full_ratio(prefill, decode, &table, &work);
}

START_TEST(full_itself_is_not_modelled)
{
    double prefill, decode;

    begin();
    ck_assert_uint_eq(ratio(&prefill, &decode, SMALL_FULL, 0), AC_BASIS_SAME);
    ck_assert(prefill == 1.0 && decode == 1.0);
    /* With drafts, plain full did not run. */
    ck_assert_uint_eq(ratio(&prefill, &decode, SMALL_FULL, 18),
                      AC_BASIS_ANALYTIC);
    ck_assert(prefill == 1.0 && decode > 1.0);
}
END_TEST

START_TEST(the_card_comes_first)
{
    double prefill, decode;

    begin();
    ck_assert_uint_eq(ratio(&prefill, &decode, SMALL_INT4, 0), AC_BASIS_CARD);
    ck_assert(prefill == 1.0 / 0.8 && decode == 1.0 / 0.4);
}
END_TEST

START_TEST(else_bytes_and_operations)
{
    double prefill, decode;
    const aci_cost_line *a, *b;

    begin();
    ck_assert_uint_eq(ratio(&prefill, &decode, SMALL_INT8, 0),
                      AC_BASIS_ANALYTIC);
    a = &table.lines[SMALL_FULL][0][0];
    b = &table.lines[SMALL_INT8][0][0];
    ck_assert(decode > 1.5 && decode < 2.0);
    /* 4 times the bit-operations, but only twice the bytes. */
    ck_assert(prefill == (double)a->weight_bytes / (double)b->weight_bytes);
}
END_TEST

static const double broken[] = { NAN, INFINITY, -INFINITY, 0.0, -1.0, 1e-300,
                                 1e300, 1e-4 };

START_TEST(broken_ratios_are_not_used)
{
    double prefill, decode;

    begin();
    model.variants[SMALL_INT4].decode_ratio = broken[_i];
    ck_assert_uint_eq(ratio(&prefill, &decode, SMALL_INT4, 0),
                      AC_BASIS_ANALYTIC);
    ck_assert(prefill == 1.0 / 0.8 && decode > 1.0 && decode < 4.0);
    model.variants[SMALL_INT4].prefill_ratio = broken[_i];
    ck_assert_uint_eq(ratio(&prefill, &decode, SMALL_INT4, 0),
                      AC_BASIS_ANALYTIC);
    ck_assert(prefill > 1.0 && prefill < 4.0);
}
END_TEST

START_TEST(nominal_seconds_follow_the_card)
{
    aci_work full = { SMALL_FULL, -1, 16, 0, 100, 21, 0, 0 }, small = full;
    double p, d, p4, d4;
    aci_work_cost cost;

    begin();
    small.variant = SMALL_INT4;
    aci_accountant_nominal_seconds(&p, &d, &table, &full);
    aci_accountant_nominal_seconds(&p4, &d4, &table, &small);
    aci_accountant_work_cost(&cost, &table, &full);
    ck_assert(p == (double)cost.prefill.macs / 50e9);
    ck_assert(d == (double)cost.decode.bytes / 10e9);
    ck_assert_double_eq_tol(p4 / p, 0.8, 1e-12);
    ck_assert_double_eq_tol(d4 / d, 0.4, 1e-12);
}
END_TEST

Suite *test_cost_model_suite(void);
Suite *test_cost_model_suite(void)
{
    Suite *suite = suite_create("test_cost_model");
    TCase *tests = tcase_create("test_cost_model");

    tcase_add_test(tests, a_chunk_is_the_engines);
    tcase_add_loop_test(tests, closed_form_equals_the_loop, 0,
                        sizeof runs / sizeof *runs);
    tcase_add_test(tests, prefill_reads_weights_once_per_chunk);
    tcase_add_test(tests, drafts_cost_what_they_read);
    tcase_add_test(tests, absurd_counts_saturate);
    tcase_add_test(tests, full_itself_is_not_modelled);
    tcase_add_test(tests, the_card_comes_first);
    tcase_add_test(tests, else_bytes_and_operations);
    tcase_add_loop_test(tests, broken_ratios_are_not_used, 0,
                        sizeof broken / sizeof *broken);
    tcase_add_test(tests, nominal_seconds_follow_the_card);
    suite_add_tcase(suite, tests);
    return suite;
}
