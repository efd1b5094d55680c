/* test_perplexity.c - judging variants by a text: against PyTorch, against
 * logits asked for one by one, and what is refused. */
#include <check.h>
#include <jansson.h>
#include <lzma.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zoo_fixture.h"

#define GOLDEN "tests/golden/perplexity/"

Suite *test_perplexity_suite(void);

static const char *zoo;
static ac_engine *engine;

static void setup(void)
{
    zoo = make_zoo();
    engine = open_zoo(zoo, NULL);
}

static void teardown(void)
{
    ac_close(engine);
    remove_zoo();
}

static const char *write_file(const char *name, const void *data, size_t n)
{
    const char *path = beside_zoo(name);
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, n, file), n);
    fclose(file);
    return path;
}

static const char *some_text(size_t n)
{
    static char text[4096];
    size_t i;

    ck_assert_uint_lt(n, sizeof text);
    for (i = 0; i < n; i++)
        text[i] = "the quick brown fox, 0123456789.\n"[i * i % 33];
    text[n] = '\0';
    return text;
}

static ac_perplexity_options windows(uint32_t context, uint32_t stride)
{
    ac_perplexity_options options = AC_PERPLEXITY_OPTIONS_INIT;

    options.n_context = context;
    options.stride = stride;
    return options;
}

typedef struct judged {
    ac_quality rows[AC_MAX_VARIANTS];
    ac_text_summary summary;
    size_t n;
} judged;

static ac_status judge(judged *j, ac_engine *with, const char *path,
                       const ac_perplexity_options *options, ac_error *error)
{
    const ac_quality row = AC_QUALITY_INIT;
    const ac_text_summary summary = AC_TEXT_SUMMARY_INIT;

    j->rows[0] = row;
    j->summary = summary;
    return ac_perplexity(j->rows, AC_MAX_VARIANTS, &j->n, &j->summary, with,
                         path, options, error);
}

static judged judge_well(const char *path,
                         const ac_perplexity_options *options)
{
    ac_error error = AC_ERROR_INIT;
    judged j;

    ck_assert_msg(judge(&j, engine, path, options, &error) == AC_OK, "%s",
                  error.message);
    return j;
}

/* ---- against PyTorch ----------------------------------------------------- */

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 20];
    FILE *file = fopen(from, "rb");
    size_t n;

    ck_assert_msg(file != NULL, "%s is missing", from);
    n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    write_file(to, bytes, n);
}

static ac_engine *open_llama(void)
{
    copy_file("tests/golden/models/llama/config.json", "config.json");
    copy_file("tests/golden/models/llama/model.safetensors",
              "model.safetensors");
    copy_file(GOLDEN "tokenizer.json", "tokenizer.json");
    return open_zoo(beside_zoo(""), NULL);
}

START_TEST(figures_are_those_of_pytorch)
{
    json_t *golden = json_load_file(GOLDEN "golden.json", 0, NULL);
    ac_engine *llama = open_llama();
    size_t i;

    ck_assert_uint_gt(json_array_size(golden), 3);
    for (i = 0; i < json_array_size(golden); i++) {
        json_t *row = json_array_get(golden, i);
        ac_perplexity_options options = windows(
            (uint32_t)json_integer_value(json_object_get(row, "context")),
            (uint32_t)json_integer_value(json_object_get(row, "stride")));
        ac_error error = AC_ERROR_INIT;
        judged j;
        double nats = json_number_value(json_object_get(row, "nats"));

        options.second_half = options.whole_windows =
            json_is_true(json_object_get(row, "half"));
        ck_assert_msg(judge(&j, llama, GOLDEN "text.txt", &options, &error) ==
                          AC_OK, "%s", error.message);
        ck_assert_int_eq((int64_t)j.summary.n_judged,
            json_integer_value(json_object_get(row, "judged")));
        ck_assert_int_eq((int64_t)j.summary.n_batches,
            json_integer_value(json_object_get(row, "batches")));
        ck_assert_double_eq_tol(j.rows[0].nats, nats, 1e-6);
        ck_assert_double_eq_tol(j.rows[0].perplexity, exp(nats), 1e-3);
        ck_assert_double_eq_tol(j.rows[0].bits_per_byte, nats / log(2.0),
                                1e-5);
        ck_assert_double_eq_tol(j.rows[0].nats_error,
            json_number_value(json_object_get(row, "nats_error")), 1e-6);
    }
    ac_close(llama);
    json_decref(golden);
}
END_TEST

/* ---- against logits one by one ------------------------------------------- */

static double log_sum(const float *x, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i]);
    return log(sum);
}

static size_t top(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

START_TEST(one_window_is_what_ac_score_says)
{
    enum { N = 100 };
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_perplexity_options options = windows(N, 0);
    ac_session *session = open_session(engine);
    const char *text = some_text(N);
    float logprobs[N], *full, *own;
    int32_t tokens[N];
    double kl = 0.0, nats = 0.0, same = 0.0;
    size_t n, i, k;
    judged j;

    ac_describe(&info, engine, NULL);
    full = malloc(N * info.n_vocab * sizeof *full);
    own = malloc(N * info.n_vocab * sizeof *own);
    ck_assert_int_eq(ac_tokenize(tokens, N, &n, engine, text, N,
                                 AC_SPECIAL_AS_TEXT, NULL), AC_OK);
    ck_assert_uint_eq(n, N);
    ac_score(logprobs, full, session, tokens, N, "full", NULL);
    ac_score(logprobs, own, session, tokens, N, "int4", NULL);
    for (i = 0; i + 1 < N; i++) {
        const float *f = full + i * info.n_vocab, *o = own + i * info.n_vocab;
        double zf = log_sum(f, info.n_vocab), zo = log_sum(o, info.n_vocab);

        for (k = 0; k < info.n_vocab; k++)
            kl += exp((double)f[k] - zf) *
                  ((double)f[k] - zf - (double)o[k] + zo);
        same += top(f, info.n_vocab) == top(o, info.n_vocab);
        nats -= (double)logprobs[i + 1];
    }
    options.variants = "int4";
    options.text = text;
    options.text_bytes = N;
    j = judge_well(NULL, &options);
    ck_assert_uint_eq(j.n, 2);
    ck_assert_str_eq(j.rows[1].name, "int4");
    ck_assert_double_eq_tol(j.rows[1].kl, kl / (N - 1), 1e-9);
    ck_assert_double_eq_tol(j.rows[1].same_top, same / (N - 1), 1e-12);
    ck_assert_double_eq_tol(j.rows[1].nats, nats / (N - 1), 1e-6);
    ck_assert(isnan(j.rows[1].kl_error)); /* one batch */
    free(full);
    free(own);
    ac_session_close(session);
}
END_TEST

START_TEST(full_does_not_diverge_from_itself)
{
    ac_perplexity_options options = windows(32, 8);
    judged j;
    size_t i;

    options.text = some_text(1000);
    options.text_bytes = 1000;
    j = judge_well(NULL, &options);
    ck_assert_uint_eq(j.n, 3);
    ck_assert_str_eq(j.rows[0].name, "full");
    ck_assert_double_eq(j.rows[0].kl, 0.0);
    ck_assert_double_eq(j.rows[0].kl_error, 0.0);
    ck_assert_double_eq(j.rows[0].kl_max, 0.0);
    ck_assert_double_eq(j.rows[0].same_top, 1.0);
    ck_assert_double_eq(j.rows[0].nats_over_full, 0.0);
    ck_assert_uint_eq(j.summary.n_judged, 999);
    ck_assert_uint_eq(j.summary.n_batches, 32);
    for (i = 1; i < j.n; i++) {
        const ac_quality *q = &j.rows[i];

        ck_assert_double_gt(q->kl_median, 0.0);
        ck_assert_double_lt(q->kl_median, q->kl_p99);
        ck_assert_double_le(q->kl_p99, q->kl_max);
        ck_assert_double_lt(q->kl, q->kl_max);
        ck_assert_double_gt(q->kl_error, 0.0);
        ck_assert_double_eq_tol(q->nats_over_full, q->nats - j.rows[0].nats,
                                1e-12);
        ck_assert_double_lt(q->nats_over_full_error, q->nats_error);
    }
}
END_TEST

START_TEST(threads_change_nothing)
{
    ac_perplexity_options options = windows(64, 16);
    ac_open_options one = AC_OPEN_OPTIONS_INIT;
    ac_engine *other;
    judged a, b;
    size_t i;

    one.n_threads = 1;
    other = open_zoo(zoo, &one);
    options.text = some_text(500);
    options.text_bytes = 500;
    a = judge_well(NULL, &options);
    ck_assert_int_eq(judge(&b, other, NULL, &options, NULL), AC_OK);
    for (i = 0; i < a.n; i++) {
        a.rows[i].seconds = b.rows[i].seconds = 0.0;
        ck_assert_mem_eq(&a.rows[i].variant, &b.rows[i].variant,
                         sizeof a.rows[i] - sizeof(uint32_t));
    }
    ac_close(other);
}
END_TEST

/* ---- texts --------------------------------------------------------------- */

START_TEST(only_completions_count)
{
    static const char lines[] =
        "{\"prompt\": \"What is it? \", \"completion\": \"A fox.\"}\n\n"
        "{\"text\": \"quick\"}\n"
        "{\"prompt\": \"Where? \", \"completion\": \"Brown\", \"id\": 3}\n";
    ac_perplexity_options options = windows(64, 0);
    judged j;
    const char *path = write_file("t.jsonl", lines, sizeof lines - 1);

    j = judge_well(path, &options);
    ck_assert_uint_eq(j.summary.n_documents, 3);
    ck_assert_uint_eq(j.summary.n_judged, 6 + 4 + 5);
    ck_assert_uint_eq(j.summary.judged_bytes, 6 + 4 + 5);
    ck_assert_uint_eq(j.summary.n_batches, 3);
    ck_assert_uint_eq(j.summary.n_tokens, 12 + 6 + 5 + 7 + 5);
}
END_TEST

START_TEST(the_end_token_counts_when_asked_for)
{
    static const char lines[] =
        "{\"prompt\": \"Is it? \", \"completion\": \"Yes\"}\n"
        "{\"text\": \"quick\"}\n";
    ac_perplexity_options options = windows(64, 0);
    const char *path = write_file("t.jsonl", lines, sizeof lines - 1);
    judged j;

    j = judge_well(path, &options);
    ck_assert_int_eq(j.summary.end_token, -1);
    ck_assert_uint_eq(j.summary.n_judged, 3 + 4);
    options.end = 1;
    j = judge_well(path, &options);
    ck_assert_int_ge(j.summary.end_token, 0);
    ck_assert_uint_eq(j.summary.n_judged, 4 + 5);
    ck_assert_uint_eq(j.summary.judged_bytes, 3 + 4);
}
END_TEST

START_TEST(xz_is_the_same_text)
{
    static uint8_t packed[8192];
    ac_perplexity_options options = windows(50, 25);
    const char *text = some_text(777);
    size_t n = 0;
    judged plain, unpacked;

    ck_assert_int_eq(lzma_easy_buffer_encode(
        1, LZMA_CHECK_CRC32, NULL, (const uint8_t *)text, 777, packed, &n,
        sizeof packed), LZMA_OK);
    plain = judge_well(write_file("t.txt", text, 777), &options);
    unpacked = judge_well(write_file("t.txt.xz", packed, n), &options);
    ck_assert_uint_eq(plain.summary.n_tokens, 777);
    ck_assert_uint_eq(unpacked.summary.n_bytes, 777);
    ck_assert_double_eq(plain.rows[2].kl, unpacked.rows[2].kl);
    ck_assert_str_ne(plain.summary.text_sha256, unpacked.summary.text_sha256);
    ck_assert_str_eq(plain.summary.vocabulary_sha256,
                     unpacked.summary.vocabulary_sha256);
}
END_TEST

START_TEST(max_tokens_cuts_the_text)
{
    ac_perplexity_options options = windows(20, 0);
    judged j;

    options.text = some_text(1000);
    options.text_bytes = 1000;
    options.max_tokens = 50;
    j = judge_well(NULL, &options);
    ck_assert_uint_eq(j.summary.n_tokens, 50);
    ck_assert_uint_eq(j.summary.n_judged, 19 + 19 + 9);
    options.whole_windows = 1;
    j = judge_well(NULL, &options);
    ck_assert_uint_eq(j.summary.n_judged, 19 + 19);
}
END_TEST

/* ---- what is refused ----------------------------------------------------- */

static void expect_refusal(ac_status status, const char *words,
                           const char *path,
                           const ac_perplexity_options *options)
{
    ac_error error = AC_ERROR_INIT;
    judged j;

    ck_assert_int_eq(judge(&j, engine, path, options, &error), status);
    ck_assert_msg(strstr(error.message, words) != NULL, "\"%s\"",
                  error.message);
}

START_TEST(texts_that_do_not_do_are_refused)
{
    ac_perplexity_options options = windows(64, 0);

    expect_refusal(AC_E_NOT_FOUND, "", "/nowhere/text", &options);
    expect_refusal(AC_E_ARGUMENT, "context of 63 or less",
                   write_file("short", some_text(63), 63), &options);
    options.n_context = 0; /* whatever fits */
    judge_well(beside_zoo("short"), &options);
    options.whole_windows = 1;
    expect_refusal(AC_E_ARGUMENT, "smaller context", beside_zoo("short"),
                   &options);
    options.whole_windows = 0;
    expect_refusal(AC_E_ARGUMENT, "none to judge",
                   write_file("empty", "", 0), &options);
    expect_refusal(AC_E_FORMAT, "byte 4 (0xE9)",
                   write_file("latin", "caf \xE9 au lait", 14), &options);
    expect_refusal(AC_E_FORMAT, "line 2",
                   write_file("bad.jsonl", "{\"text\": \"one\"}\n{\"t\": 1}\n",
                              26), &options);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    ac_perplexity_options options = windows(64, 65);
    ac_quality row = AC_QUALITY_INIT;
    size_t n = 0;

    options.text = some_text(200);
    options.text_bytes = 200;
    expect_refusal(AC_E_ARGUMENT, "stride", NULL, &options);
    options = windows(1, 0);
    options.text = "abc";
    options.text_bytes = 3;
    expect_refusal(AC_E_ARGUMENT, "this model takes 2 to", NULL, &options);
    options = windows(64, 32);
    expect_refusal(AC_E_ARGUMENT, "text_path", NULL, &options);
    options.text = "abc";
    options.text_bytes = 3;
    options.second_half = 1;
    expect_refusal(AC_E_ARGUMENT, "disjoint", NULL, &options);
    options = windows(0, 0);
    options.text = "abc";
    options.text_bytes = 3;
    options.variants = "int8,int5";
    expect_refusal(AC_E_NOT_FOUND, "no variant \"int5\"; there is: ", NULL,
                   &options);
    options.variants = NULL;
    ck_assert_int_eq(ac_perplexity(&row, 1, &n, NULL, engine, NULL, &options,
                                   NULL), AC_E_TOO_SMALL);
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(ac_perplexity(NULL, 1, &n, NULL, engine, NULL, &options,
                                   NULL), AC_E_ARGUMENT);
    ck_assert_int_eq(ac_perplexity(&row, 1, &n, NULL, NULL, NULL, &options,
                                   NULL), AC_E_ARGUMENT);
}
END_TEST

static int32_t stop_soon(const ac_progress *progress, void *user)
{
    ck_assert_uint_le(progress->done, progress->total);
    return ++*(int *)user == 5;
}

START_TEST(cancelling_stops_it)
{
    ac_perplexity_options options = windows(16, 0);
    int calls = 0;

    options.text = some_text(400);
    options.text_bytes = 400;
    options.on_progress = stop_soon;
    options.progress_user = &calls;
    expect_refusal(AC_E_CANCELLED, "cancelled", NULL, &options);
    ck_assert_int_eq(calls, 5);
}
END_TEST

Suite *test_perplexity_suite(void)
{
    Suite *suite = suite_create("test_perplexity");
    TCase *tc = tcase_create("perplexity");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, figures_are_those_of_pytorch);
    tcase_add_test(tc, one_window_is_what_ac_score_says);
    tcase_add_test(tc, full_does_not_diverge_from_itself);
    tcase_add_test(tc, threads_change_nothing);
    tcase_add_test(tc, only_completions_count);
    tcase_add_test(tc, the_end_token_counts_when_asked_for);
    tcase_add_test(tc, xz_is_the_same_text);
    tcase_add_test(tc, max_tokens_cuts_the_text);
    tcase_add_test(tc, texts_that_do_not_do_are_refused);
    tcase_add_test(tc, nonsense_is_refused);
    tcase_add_test(tc, cancelling_stops_it);
    suite_add_tcase(suite, tc);
    return suite;
}
