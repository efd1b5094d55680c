/* test_generate.c - generation through the public interface: what must be the
 * same is the same, and what cannot be is an error that changes nothing. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zoo_fixture.h"

Suite *test_generate_suite(void);

static const char *zoo;
static ac_engine *engine;
static ac_session *session;

static void open_all(void)
{
    zoo = make_zoo();
    engine = open_zoo(zoo, NULL);
    session = open_session(engine);
}

static void close_all(void)
{
    ac_session_close(session);
    ac_close(engine);
    remove_zoo();
}

static ac_generate_options some(const char *variant, uint32_t max_tokens)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;

    options.variant = variant;
    options.max_tokens = max_tokens;
    options.ignore_end = 1;
    return options;
}

/* Generates and copies the tokens. */
static uint32_t tokens_of(int32_t *out, ac_session *on, const char *prompt,
                          const ac_generate_options *options)
{
    ac_result result = AC_RESULT_INIT;
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(ac_generate(&result, on, prompt, strlen(prompt), options,
                              &error) == AC_OK, "%s", error.message);
    memcpy(out, result.tokens, result.n_tokens * sizeof *out);
    return result.n_tokens;
}

static void expect_same(const int32_t *a, const int32_t *b, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        ck_assert_msg(a[i] == b[i], "token %u differs: %d and %d", i, a[i],
                      b[i]);
}

START_TEST(speculation_gives_the_same_tokens)
{
    int32_t plain[96], drafted[96];
    ac_generate_options options = some("full", 96);
    ac_result result = AC_RESULT_INIT;

    ck_assert_uint_eq(tokens_of(plain, session, "a first prompt", &options),
                      96);
    options.speculate = 1;
    ac_session_reset(session, NULL);
    ck_assert_uint_eq(tokens_of(drafted, session, "a first prompt", &options),
                      96);
    expect_same(plain, drafted, 96);
    ac_session_reset(session, NULL);
    ac_generate(&result, session, "a first prompt", 14, &options, NULL);
    ck_assert_uint_gt(result.usage->draft_tokens, 0);
    ck_assert_uint_le(result.usage->accepted_tokens,
                      result.usage->draft_tokens);
}
END_TEST

START_TEST(speculation_keeps_sampled_text_too)
{
    int32_t plain[64], drafted[64];
    ac_generate_options options = some("int8", 64);

    options.temperature = 0.9f;
    options.top_k = 40;
    options.repetition_penalty = 1.1f;
    options.seed = 5;
    tokens_of(plain, session, "sampled", &options);
    options.speculate = 1;
    ac_session_reset(session, NULL);
    tokens_of(drafted, session, "sampled", &options);
    expect_same(plain, drafted, 64);
}
END_TEST

START_TEST(threads_and_levels_do_not_change_the_text)
{
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    const char *const variants[] = { "int4", "int8", "full" };
    uint32_t threads;
    size_t v, l;

    for (v = 0; v < 3; v++) {
        int32_t expected[32], found[32];
        ac_generate_options options = some(variants[v], 32);

        tokens_of(expected, session, "the same everywhere", &options);
        for (l = 0; l < 3; l++)
            for (threads = 1; threads <= 3; threads++) {
                ac_open_options open = AC_OPEN_OPTIONS_INIT;
                ac_engine *other = NULL;
                ac_session *conversation;

                open.n_threads = threads;
                open.cpu_level = levels[l];
                if (ac_open(&other, zoo, &open, NULL) == AC_E_UNSUPPORTED)
                    continue; /* this processor lacks the level */
                conversation = open_session(other);
                tokens_of(found, conversation, "the same everywhere",
                          &options);
                expect_same(expected, found, 32);
                ac_session_close(conversation);
                ac_close(other);
            }
    }
}
END_TEST

START_TEST(a_shared_prefix_is_reused_and_changes_nothing)
{
    int32_t fresh[24], reused[24];
    ac_generate_options options = some("int8", 24);
    ac_result result = AC_RESULT_INIT;

    tokens_of(fresh, session, "one two three four five", &options);
    ac_session_reset(session, NULL);
    tokens_of(reused, session, "one two three SEVEN", &options);
    ck_assert_int_eq(ac_generate(&result, session, "one two three four five",
                                 23, &options, NULL), AC_OK);
    ck_assert_uint_ge(result.usage->cached_tokens, 13);
    ck_assert_uint_lt(result.usage->prompt_tokens, 12);
    expect_same(fresh, result.tokens, 24);
}
END_TEST

START_TEST(another_variant_does_not_reuse_the_cache)
{
    int32_t fresh[24];
    ac_generate_options options = some("int8", 24);
    ac_result result = AC_RESULT_INIT;

    tokens_of(fresh, session, "one two three", &options);
    ac_session_reset(session, NULL);
    options.variant = "int4";
    ac_generate(&result, session, "one two three", 13, &options, NULL);
    options.variant = "int8";
    ck_assert_int_eq(ac_generate(&result, session, "one two three", 13,
                                 &options, NULL), AC_OK);
    ck_assert_uint_eq(result.usage->cached_tokens, 0);
    expect_same(fresh, result.tokens, 24);
}
END_TEST

START_TEST(keep_session_continues_the_conversation)
{
    ac_generate_options options = some("full", 8);
    ac_result result = AC_RESULT_INIT;

    ac_generate(&result, session, "begin", 5, &options, NULL);
    options.keep_session = 1;
    ck_assert_int_eq(ac_generate(&result, session, " more", 5, &options,
                                 NULL), AC_OK);
    ck_assert_uint_ge(result.usage->cached_tokens, 5);
}
END_TEST

/* ---- streaming ----------------------------------------------------------- */

typedef struct stream {
    char text[65536];
    size_t n;
    int calls, stop_after;
} stream;

static int32_t collect(const char *text, size_t n, void *user)
{
    stream *s = user;

    ck_assert_uint_lt(s->n + n, sizeof s->text);
    memcpy(s->text + s->n, text, n);
    s->n += n;
    return ++s->calls == s->stop_after;
}

START_TEST(streamed_text_is_the_text)
{
    ac_generate_options options = some("int4", 200);
    ac_result result = AC_RESULT_INIT;
    stream s = { .n = 0 };

    options.temperature = 1.5f;
    options.on_text = collect;
    options.text_user = &s;
    ck_assert_int_eq(ac_generate(&result, session, "x", 1, &options, NULL),
                     AC_OK);
    ck_assert_uint_eq(s.n, result.text_bytes);
    ck_assert_mem_eq(s.text, result.text, s.n);
    ck_assert_int_eq(result.text[result.text_bytes], 0);
}
END_TEST

START_TEST(a_stop_string_is_cut_and_never_streamed)
{
    ac_generate_options options = some("int4", 120);
    ac_result result = AC_RESULT_INIT;
    stream s = { .n = 0 };
    char whole[4096], stop[3];
    const char *const stops[] = { stop };

    options.temperature = 1.0f;
    ck_assert_int_eq(ac_generate(&result, session, "x", 1, &options, NULL),
                     AC_OK);
    ck_assert_uint_gt(result.text_bytes, 8);
    memcpy(whole, result.text, result.text_bytes + 1);
    memcpy(stop, whole + result.text_bytes / 2, 2);
    stop[2] = '\0';
    options.stop = stops;
    options.n_stop = 1;
    options.on_text = collect;
    options.text_user = &s;
    ac_session_reset(session, NULL);
    ck_assert_int_eq(ac_generate(&result, session, "x", 1, &options, NULL),
                     AC_OK);
    ck_assert_uint_eq(result.stop_reason, AC_STOP_STRING);
    ck_assert_ptr_null(strstr(result.text, stop));
    ck_assert_uint_eq(result.text_bytes,
                      (size_t)(strstr(whole, stop) - whole));
    ck_assert_uint_eq(s.n, result.text_bytes);
}
END_TEST

START_TEST(the_callback_cancels_and_partial_text_is_there)
{
    ac_generate_options options = some("full", 100);
    ac_result result = AC_RESULT_INIT;
    stream s = { .stop_after = 3 };

    options.temperature = 1.0f;
    options.on_text = collect;
    options.text_user = &s;
    ck_assert_int_eq(ac_generate(&result, session, "x", 1, &options, NULL),
                     AC_E_CANCELLED);
    ck_assert_uint_eq(result.stop_reason, AC_STOP_CANCELLED);
    ck_assert_int_eq(s.calls, 3);
    ck_assert_uint_lt(result.n_tokens, 100);
}
END_TEST

static void *cancel_soon(void *user)
{
    (void)user;
    for (int i = 0; i < 200; i++) {
        struct timespec pause = { 0, 2000000 };

        nanosleep(&pause, NULL);
        ac_session_cancel(session);
    }
    return NULL;
}

START_TEST(another_thread_cancels)
{
    ac_generate_options options = some("full", 100000);
    ac_result result = AC_RESULT_INIT;
    pthread_t thread;
    ac_status status;

    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
    status = ac_generate(&result, session, "x", 1, &options, NULL);
    pthread_join(thread, NULL);
    /* the tiny model may fill its context before the first cancel */
    ck_assert(status == AC_E_CANCELLED ||
              result.stop_reason == AC_STOP_CONTEXT);
}
END_TEST

/* ---- errors that change nothing ------------------------------------------ */

START_TEST(a_prompt_over_the_context_names_both_sizes)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_result result = AC_RESULT_INIT;
    char *prompt, size[32];

    ac_describe(&info, engine, NULL);
    prompt = calloc(1, 4 * (size_t)info.n_context);
    memset(prompt, 'a', 4 * (size_t)info.n_context);
    ck_assert_int_eq(ac_generate(&result, session, prompt,
                                 4 * (size_t)info.n_context, NULL, &error),
                     AC_E_CONTEXT_FULL);
    snprintf(size, sizeof size, "%u", info.n_context);
    ck_assert_ptr_nonnull(strstr(error.message, size));
    ck_assert_ptr_null(result.decision);
    free(prompt);
}
END_TEST

START_TEST(an_empty_prompt_without_begin_token_is_an_error)
{
    ac_result result = AC_RESULT_INIT;

    ck_assert_int_eq(ac_generate(&result, session, "", 0, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_generate(&result, session, NULL, 0, NULL, NULL),
                     AC_E_ARGUMENT);
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
    ac_generate_options good = some("int4", 4), bad;
    ac_logit_bias bias = { 1 << 30, 1.0f };
    const char *const empty[] = { "" };
    ac_result result = AC_RESULT_INIT;

#define REFUSED(field, value)                                                 \
    do {                                                                      \
        bad = good;                                                           \
        bad.field = value;                                                    \
        ck_assert_int_ne(ac_generate(&result, session, "x", 1, &bad, NULL),   \
                         AC_OK);                                              \
    } while (0)
    REFUSED(temperature, -1.0f);
    REFUSED(temperature, NAN);
    REFUSED(top_p, 1.5f);
    REFUSED(min_p, -0.1f);
    REFUSED(repetition_penalty, INFINITY);
    REFUSED(n_logprobs, 21);
    REFUSED(variant, "no such variant");
    REFUSED(struct_size, 3);
    REFUSED(struct_size, 1u << 30);
    REFUSED(budget_nanodollars, -1);
    REFUSED(special, 2);
    bad = good;
    bad.logit_bias = &bias;
    bad.n_logit_bias = 1;
    ck_assert_int_eq(ac_generate(&result, session, "x", 1, &bad, NULL),
                     AC_E_ARGUMENT);
    bad = good;
    bad.stop = empty;
    bad.n_stop = 1;
    ck_assert_int_eq(ac_generate(&result, session, "x", 1, &bad, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_generate(&result, session, "x", 1, &good, NULL),
                     AC_OK);
#undef REFUSED
}
END_TEST

START_TEST(null_arguments_are_errors)
{
    ac_result result = AC_RESULT_INIT;
    ac_decision decision = AC_DECISION_INIT;
    ac_engine *none = NULL;
    size_t n;

    ck_assert_int_eq(ac_generate(NULL, session, "x", 1, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_generate(&result, NULL, "x", 1, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_generate(&result, session, NULL, 1, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_generate_chat(&result, session, NULL, 1, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_route(&decision, NULL, "x", 1, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_open(NULL, zoo, NULL, NULL), AC_E_ARGUMENT);
    ck_assert_int_eq(ac_open(&none, NULL, NULL, NULL), AC_E_ARGUMENT);
    ck_assert_int_eq(ac_session_open(NULL, engine, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_tokenize(NULL, 0, NULL, engine, "x", 1, 0, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_tokenize(NULL, 0, &n, engine, NULL, 1, 0, NULL),
                     AC_E_ARGUMENT);
    ac_close(NULL);
    ac_session_close(NULL);
    ac_session_cancel(NULL);
    ac_ledger_close(NULL);
    ac_free(NULL);
}
END_TEST

/* ---- log-probabilities and scores ---------------------------------------- */

START_TEST(scores_agree_with_generated_logprobs)
{
    ac_generate_options options = some("int8", 12);
    ac_result result = AC_RESULT_INIT;
    float found[12], scored[64];
    int32_t all[64], generated[12];
    size_t n;
    int i;

    options.n_logprobs = 3;
    ck_assert_int_eq(ac_generate(&result, session, "score me", 8, &options,
                                 NULL), AC_OK);
    memcpy(found, result.token_logprobs, sizeof found);
    memcpy(generated, result.tokens, sizeof generated);
    for (i = 0; i < 12; i++)
        ck_assert_float_eq(result.top_logprobs[3 * i].logprob, found[i]);
    ck_assert_int_eq(ac_tokenize(all, 52, &n, engine, "score me", 8, 0, NULL),
                     AC_OK);
    memcpy(all + n, generated, sizeof generated);
    ck_assert_int_eq(ac_score(scored, NULL, session, all, n + 12, "int8",
                              NULL), AC_OK);
    for (i = 0; i < 12; i++)
        ck_assert_float_eq(scored[n + (size_t)i], found[i]);
}
END_TEST

/* ---- threads ------------------------------------------------------------- */

static void *generate_alone(void *user)
{
    ac_session *own = open_session(engine);
    ac_generate_options options = some("int4", 40);

    tokens_of(user, own, "concurrent", &options);
    ac_session_close(own);
    return NULL;
}

START_TEST(sessions_on_threads_do_not_disturb_each_other)
{
    int32_t tokens[4][40];
    pthread_t threads[4];
    int i;

    for (i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, generate_alone, tokens[i]);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (i = 1; i < 4; i++)
        expect_same(tokens[0], tokens[i], 40);
}
END_TEST

START_TEST(a_session_outlives_its_engine)
{
    ac_engine *other = open_zoo(zoo, NULL);
    ac_session *orphan = open_session(other);
    ac_generate_options options = some("int4", 4);
    int32_t tokens[4];

    ac_close(other);
    ck_assert_uint_eq(tokens_of(tokens, orphan, "still here", &options), 4);
    ac_session_close(orphan);
}
END_TEST

Suite *test_generate_suite(void)
{
    Suite *suite = suite_create("test_generate");
    TCase *tc = tcase_create("generate");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, open_all, close_all);
    tcase_add_test(tc, speculation_gives_the_same_tokens);
    tcase_add_test(tc, speculation_keeps_sampled_text_too);
    tcase_add_test(tc, threads_and_levels_do_not_change_the_text);
    tcase_add_test(tc, a_shared_prefix_is_reused_and_changes_nothing);
    tcase_add_test(tc, another_variant_does_not_reuse_the_cache);
    tcase_add_test(tc, keep_session_continues_the_conversation);
    tcase_add_test(tc, streamed_text_is_the_text);
    tcase_add_test(tc, a_stop_string_is_cut_and_never_streamed);
    tcase_add_test(tc, the_callback_cancels_and_partial_text_is_there);
    tcase_add_test(tc, another_thread_cancels);
    tcase_add_test(tc, a_prompt_over_the_context_names_both_sizes);
    tcase_add_test(tc, an_empty_prompt_without_begin_token_is_an_error);
    tcase_add_test(tc, options_out_of_range_are_refused);
    tcase_add_test(tc, null_arguments_are_errors);
    tcase_add_test(tc, scores_agree_with_generated_logprobs);
    tcase_add_test(tc, sessions_on_threads_do_not_disturb_each_other);
    tcase_add_test(tc, a_session_outlives_its_engine);
    suite_add_tcase(suite, tc);
    return suite;
}
