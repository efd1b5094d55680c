/* test_sampler.c - choosing a token: greedy, penalties, truncation, seeds. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "engine/sampler.h"

Suite *test_sampler_suite(void);

enum { N_VOCAB = 8, N_DRAWS = 20000 };

static aci_memory memory;
static aci_sampler sampler;
static float logits[N_VOCAB] = { 0.0f, 2.0f, 1.0f,  -1.0f,
                                       2.0f, 0.5f, -3.0f, 1.5f };

static void open_sampler(void)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_engine_sampler_open(&sampler, &memory, N_VOCAB, NULL),
                     AC_OK);
    aci_engine_sampler_seed(&sampler, 1);
}

static void close_sampler(void)
{
    aci_engine_sampler_close(&sampler);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* How often the sampler asked for the whole row, and what it is told. */
static int n_asked;
static ac_status answer;

static ac_status give_row(void *user, const float **whole, ac_error *error)
{
    (void)error;
    n_asked++;
    *whole = user;
    return answer;
}

static ac_status sample_row(aci_sample *out, float *row,
                            const ac_generate_options *options,
                            const int32_t *history, size_t n)
{
    aci_peaks peaks;
    const aci_row known = { &peaks, give_row, row };

    aci_kernels_peaks(&peaks, row, sampler.n_vocab,
                      aci_engine_n_best(options), aci_engine_scale(options));
    return aci_engine_sample(out, &sampler, &known, options, history, n,
                             NULL);
}

static int32_t sample(const ac_generate_options *options,
                      const int32_t *history, size_t n)
{
    aci_sample out;

    ck_assert_int_eq(sample_row(&out, logits, options, history, n), AC_OK);
    return out.token;
}

START_TEST(greedy_takes_the_largest_and_the_lower_id_of_a_tie)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;

    ck_assert_int_eq(sample(&options, NULL, 0), 1);
}
END_TEST

START_TEST(logprobs_are_those_of_the_model_and_sum_to_one)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    aci_sample out;
    double sum = 0.0, total = 0.0;
    uint32_t i;

    for (i = 0; i < N_VOCAB; i++)
        sum += exp((double)logits[i]);
    options.n_logprobs = N_VOCAB;
    ck_assert_int_eq(sample_row(&out, logits, &options, NULL, 0), AC_OK);
    ck_assert_uint_eq(out.n_top, N_VOCAB);
    ck_assert_double_eq_tol((double)out.logprob, 2.0 - log(sum), 1e-6);
    ck_assert_int_eq(out.top[0].token, 1);
    ck_assert_int_eq(out.top[1].token, 4);
    ck_assert_int_eq(out.top[N_VOCAB - 1].token, 6);
    for (i = 0; i < N_VOCAB; i++)
        total += exp((double)out.top[i].logprob);
    ck_assert_double_eq_tol(total, 1.0, 1e-6);
}
END_TEST

START_TEST(repetition_penalty_moves_away_from_seen_tokens)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    const int32_t history[] = { 1, 4, 1 };

    options.repetition_penalty = 2.0f; /* 2.0 -> 1.0 for tokens 1 and 4 */
    ck_assert_int_eq(sample(&options, history, 3), 7);
    /* outside the window nothing is penalised */
    options.penalty_window = 1;
    ck_assert_int_eq(sample(&options, history, 3), 4);
}
END_TEST

START_TEST(frequency_penalty_counts_and_presence_does_not)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    const int32_t history[] = { 1, 1, 1, 4 };

    options.frequency_penalty = 0.4f; /* 1: 2-1.2, 4: 2-0.4 */
    ck_assert_int_eq(sample(&options, history, 4), 4);
    options.frequency_penalty = 0.0f;
    options.presence_penalty = 0.4f;  /* both lose 0.4 */
    ck_assert_int_eq(sample(&options, history, 4), 1);
}
END_TEST

START_TEST(logit_bias_adds_and_forbids)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    const ac_logit_bias bias[] = { { 1, -INFINITY }, { 2, 5.0f } };

    options.logit_bias = bias;
    options.n_logit_bias = 1;
    ck_assert_int_eq(sample(&options, NULL, 0), 4);
    options.n_logit_bias = 2;
    ck_assert_int_eq(sample(&options, NULL, 0), 2);
}
END_TEST

START_TEST(forbidding_every_token_is_an_error)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_logit_bias bias[N_VOCAB];
    aci_sample out;
    int32_t i;

    for (i = 0; i < N_VOCAB; i++)
        bias[i] = (ac_logit_bias){ i, -INFINITY };
    options.logit_bias = bias;
    options.n_logit_bias = N_VOCAB;
    ck_assert_int_eq(sample_row(&out, logits, &options, NULL, 0), AC_E_NUMERIC);
    options.temperature = 1.0f;
    ck_assert_int_eq(sample_row(&out, logits, &options, NULL, 0), AC_E_NUMERIC);
}
END_TEST

START_TEST(nan_anywhere_is_an_error)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    float bad[N_VOCAB];
    aci_sample out;
    int i;

    for (i = 0; i < N_VOCAB; i++) {
        memcpy(bad, logits, sizeof bad);
        bad[i] = NAN;
        ck_assert_int_eq(sample_row(&out, bad, &options, NULL, 0),
                         AC_E_NUMERIC);
    }
}
END_TEST

/* Draws many tokens and compares their shares with `expected`. */
static void expect_shares(const ac_generate_options *options,
                          const double expected[N_VOCAB])
{
    int counts[N_VOCAB] = { 0 }, i;
    double tolerance = 4.0 * sqrt(0.25 / N_DRAWS);

    for (i = 0; i < N_DRAWS; i++)
        counts[sample(options, NULL, 0)]++;
    for (i = 0; i < N_VOCAB; i++) {
        if (expected[i] == 0.0)
            ck_assert_int_eq(counts[i], 0);
        ck_assert_double_eq_tol((double)counts[i] / N_DRAWS, expected[i],
                                tolerance);
    }
}

/* Softmax at `temperature` over the tokens whose bit is set in `kept`. */
static void shares_of(double expected[N_VOCAB], double temperature,
                      unsigned kept)
{
    double sum = 0.0;
    int i;

    for (i = 0; i < N_VOCAB; i++) {
        expected[i] = (kept >> i & 1u)
                          ? exp((double)logits[i] / temperature) : 0.0;
        sum += expected[i];
    }
    for (i = 0; i < N_VOCAB; i++)
        expected[i] /= sum;
}

START_TEST(temperature_gives_the_softmax)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    double expected[N_VOCAB];

    options.temperature = 0.7f;
    shares_of(expected, 0.7, 0xFF);
    expect_shares(&options, expected);
}
END_TEST

START_TEST(top_k_keeps_the_k_best)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    double expected[N_VOCAB];

    options.temperature = 1.0f;
    options.top_k = 3; /* 1, 4, 7 */
    shares_of(expected, 1.0, 1u << 1 | 1u << 4 | 1u << 7);
    expect_shares(&options, expected);
}
END_TEST

START_TEST(top_p_keeps_the_smallest_nucleus)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    double expected[N_VOCAB];

    options.temperature = 1.0f;
    options.top_p = 0.6f; /* 1 and 4 hold .57, 7 is needed */
    shares_of(expected, 1.0, 1u << 1 | 1u << 4 | 1u << 7);
    expect_shares(&options, expected);
}
END_TEST

START_TEST(min_p_drops_what_is_far_below_the_best)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    double expected[N_VOCAB];

    options.temperature = 1.0f;
    options.min_p = 0.3f; /* exp(-1.2): logits over 0.8 */
    shares_of(expected, 1.0, 1u << 1 | 1u << 2 | 1u << 4 | 1u << 7);
    expect_shares(&options, expected);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_tokens)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    int32_t first[64], i, differ = 0;

    options.temperature = 1.5f;
    options.top_p = 0.95f;
    aci_engine_sampler_seed(&sampler, 99);
    for (i = 0; i < 64; i++)
        first[i] = sample(&options, NULL, 0);
    aci_engine_sampler_seed(&sampler, 99);
    for (i = 0; i < 64; i++)
        ck_assert_int_eq(sample(&options, NULL, 0), first[i]);
    aci_engine_sampler_seed(&sampler, 100);
    for (i = 0; i < 64; i++)
        differ += sample(&options, NULL, 0) != first[i];
    ck_assert_int_gt(differ, 0);
}
END_TEST

/* ---- more choices than the peaks hold ------------------------------------ */

enum { MANY = 300, MANY_DRAWS = 40000 };

static float many[MANY];

/* Nearly flat, in no order: the 64 best have about a third of the mass. */
static void open_many(void)
{
    int32_t i;

    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_engine_sampler_open(&sampler, &memory, MANY, NULL),
                     AC_OK);
    aci_engine_sampler_seed(&sampler, 5);
    n_asked = 0;
    answer = AC_OK;
    for (i = 0; i < MANY; i++)
        many[i] = (float)(i * 7 % MANY) / MANY;
}

static int32_t sample_many(const ac_generate_options *options)
{
    aci_sample out;

    ck_assert_int_eq(sample_row(&out, many, options, NULL, 0), AC_OK);
    return out.token;
}

/* Shares of each tenth of the order, best first, of the `kept` best. */
static void expect_tenths(const ac_generate_options *options, int kept)
{
    double expected[10] = { 0.0 }, total = 0.0;
    int counts[10] = { 0 }, i;

    for (i = 0; i < MANY; i++) {
        int tenth = (MANY - 1 - i * 7 % MANY) * 10 / MANY;
        double w = exp((double)many[i] / (double)options->temperature);

        if (MANY - 1 - i * 7 % MANY >= kept)
            continue;
        expected[tenth] += w;
        total += w;
    }
    for (i = 0; i < MANY_DRAWS; i++) {
        int rank = MANY - 1 - sample_many(options) * 7 % MANY;

        ck_assert_int_lt(rank, kept);
        counts[rank * 10 / MANY]++;
    }
    for (i = 0; i < 10; i++)
        ck_assert_double_eq_tol((double)counts[i] / MANY_DRAWS,
                                expected[i] / total,
                                4.0 * sqrt(0.25 / MANY_DRAWS));
}

START_TEST(the_whole_row_is_asked_for_only_where_the_peaks_end)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    int i;

    ck_assert_int_eq(sample_many(&options) * 7 % MANY, MANY - 1);
    options.temperature = 1.0f;
    options.top_k = 64;
    for (i = 0; i < 1000; i++)
        sample_many(&options);
    ck_assert_int_eq(n_asked, 0);
    options.top_k = 65;
    sample_many(&options);
    ck_assert_int_eq(n_asked, 1);
}
END_TEST

START_TEST(temperature_reaches_all_choices)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;

    options.temperature = 0.6f;
    expect_tenths(&options, MANY);
    ck_assert_int_gt(n_asked, 0);
}
END_TEST

START_TEST(top_k_and_min_p_beyond_the_peaks)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;

    options.temperature = 1.0f;
    options.top_k = 150;
    expect_tenths(&options, 150);
    options.top_k = 0;
    options.min_p = 0.6065f; /* exp(-1/2): the upper half */
    expect_tenths(&options, MANY / 2 + 1);
}
END_TEST

START_TEST(top_p_beyond_the_peaks)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    double sum = 0.0, all = 0.0;
    int i, kept;

    options.temperature = 1.0f;
    options.top_p = 0.8f;
    for (i = 0; i < MANY; i++)
        all += exp((double)i / MANY);
    for (kept = 0; sum < 0.8 * all; kept++)
        sum += exp((double)(MANY - 1 - kept) / MANY);
    expect_tenths(&options, kept);
}
END_TEST

START_TEST(a_row_that_does_not_come_is_told)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    const ac_logit_bias bias = { 0, 1.0f };
    aci_sample out;

    answer = AC_E_DEVICE;
    options.temperature = 1.0f;
    options.top_k = 100;
    ck_assert_int_eq(sample_row(&out, many, &options, NULL, 0), AC_E_DEVICE);
    options.temperature = 0.0f;
    ck_assert_int_eq(sample_row(&out, many, &options, NULL, 0), AC_OK);
    options.logit_bias = &bias;
    options.n_logit_bias = 1;
    ck_assert_int_eq(sample_row(&out, many, &options, NULL, 0), AC_E_DEVICE);
}
END_TEST

Suite *test_sampler_suite(void)
{
    Suite *suite = suite_create("test_sampler");
    TCase *tc = tcase_create("sampler");

    tcase_add_checked_fixture(tc, open_sampler, close_sampler);
    tcase_add_test(tc, greedy_takes_the_largest_and_the_lower_id_of_a_tie);
    tcase_add_test(tc, logprobs_are_those_of_the_model_and_sum_to_one);
    tcase_add_test(tc, repetition_penalty_moves_away_from_seen_tokens);
    tcase_add_test(tc, frequency_penalty_counts_and_presence_does_not);
    tcase_add_test(tc, logit_bias_adds_and_forbids);
    tcase_add_test(tc, forbidding_every_token_is_an_error);
    tcase_add_test(tc, nan_anywhere_is_an_error);
    tcase_add_test(tc, temperature_gives_the_softmax);
    tcase_add_test(tc, top_k_keeps_the_k_best);
    tcase_add_test(tc, top_p_keeps_the_smallest_nucleus);
    tcase_add_test(tc, min_p_drops_what_is_far_below_the_best);
    tcase_add_test(tc, the_same_seed_gives_the_same_tokens);
    suite_add_tcase(suite, tc);
    tc = tcase_create("many");
    tcase_add_checked_fixture(tc, open_many, close_sampler);
    tcase_add_test(tc, the_whole_row_is_asked_for_only_where_the_peaks_end);
    tcase_add_test(tc, temperature_reaches_all_choices);
    tcase_add_test(tc, top_k_and_min_p_beyond_the_peaks);
    tcase_add_test(tc, top_p_beyond_the_peaks);
    tcase_add_test(tc, a_row_that_does_not_come_is_told);
    suite_add_tcase(suite, tc);
    return suite;
}
