/* test_predictor_train.c - outcomes read, templates found, and a predictor
 * really trained: on prompts made so that their words tell, and, when the
 * data are there, on RouteLLM's. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lzma.h>

#include "platform/files.h"
#include "platform/random.h"
#include "router/predictor.h"
#include "workshop/train/predictor_data.h"
#include "workshop/workshop.h"

static aci_memory memory;
static char outcomes[64], predictor[64], second[64];

static void set_up(void)
{
    long id = (long)getpid();

    aci_platform_memory_init(&memory);
    snprintf(outcomes, sizeof outcomes, "/tmp/ac-outcomes-%ld", id);
    snprintf(predictor, sizeof predictor, "/tmp/ac-predictor-%ld", id);
    snprintf(second, sizeof second, "/tmp/ac-second-%ld", id);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
    remove(outcomes);
    remove(predictor);
    remove(second);
}

static void write_text(const char *text, size_t n)
{
    FILE *f = fopen(outcomes, "wb");

    ck_assert(f != NULL);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    fclose(f);
}

/* Prompts of which "int4" answers those about colours, mostly, and not those
 * about proofs; "full" nearly all; half of them behind one instruction. */
static void write_learnable(int n)
{
    static const char *easy[] = { "red", "green", "blue", "sky", "grass" };
    static const char *hard[] = { "prove", "lemma", "field", "group", "ring" };
    FILE *f = fopen(outcomes, "w");
    aci_random random;
    int i;

    ck_assert(f != NULL);
    aci_platform_random_seed(&random, 12);
    for (i = 0; i < n; i++) {
        uint64_t pick = aci_platform_random_next(&random);
        int is_easy = (pick & 1) != 0;
        const char **words = is_easy ? easy : hard;
        int good = aci_platform_random_unit(&random) < (is_easy ? 0.9 : 0.1);

        fprintf(f,
                "{\"prompt\": \"%sTell me of %s and %s number %llu.\", "
                "\"success\": {\"int4\": %d, \"full\": %s}}\n",
                pick & 2 ? "You are a careful assistant; answer the question "
                           "that follows in one line. "
                         : "",
                words[(pick >> 8) % 5], words[(pick >> 16) % 5],
                (unsigned long long)(pick >> 40), good,
                (pick >> 24) % 20 ? "true" : "0");
    }
    fclose(f);
}

static ac_status train(ac_train_report *report, const char *to, uint64_t seed,
                       ac_error *error)
{
    ac_train_options options = AC_TRAIN_OPTIONS_INIT;

    options.seed = seed;
    options.max_epochs = 12;
    return aci_workshop_train_predictor(&memory, report, outcomes, to,
                                        &options, error);
}

START_TEST(what_can_be_learned_is_learned)
{
    static const char easy[] = "Tell me of blue and red number 5.";
    static const char hard[] = "Tell me of lemma and ring number 5.";
    ac_train_report r = AC_TRAIN_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;
    float success[ACI_NETWORK_MAX_HEADS], unfamiliarity;
    uint64_t hash;
    aci_predictor *p;

    write_learnable(1000);
    ck_assert_msg(train(&r, predictor, 1, &error) == AC_OK, "%s",
                  error.message);
    ck_assert_uint_eq(r.n_variants, 2);
    ck_assert_uint_le(r.n_parameters, 10500);
    ck_assert_uint_gt(r.n_test, 150);
    ck_assert_double_gt(r.auroc, 0.85); /* 0.9 is as well as one can */
    ck_assert_double_lt(r.brier, 0.13);
    ck_assert_double_lt(r.ece, 0.1);
    ck_assert_double_gt(r.apgr, 0.65);
    ck_assert_double_eq_tol(r.apgr_random, 0.5, 0.05);
    ck_assert_double_gt(r.apgr_oracle, r.apgr);
    ck_assert_double_eq_tol(r.share_full_at_threshold, 0.5, 0.12);
    ck_assert_double_gt(r.retention_at_threshold, 0.9);
    ck_assert_int_eq(aci_router_predictor_open(&p, &memory, predictor, NULL),
                     AC_OK);
    ck_assert_str_eq(aci_router_predictor_head_name(p, 0), "int4");
    ck_assert_uint_ge(p->templates.n, 1);
    aci_router_predict(success, &unfamiliarity, &hash, p, easy,
                       sizeof easy - 1);
    ck_assert_float_gt(success[0], 0.7f);
    ck_assert_float_le(unfamiliarity, aci_router_predictor_threshold(p));
    aci_router_predict(success, &unfamiliarity, &hash, p, hard,
                       sizeof hard - 1);
    ck_assert_float_lt(success[0], 0.3f);
    aci_router_predict(success, &unfamiliarity, &hash, p,
                       "Quel temps fait-il aujourd'hui?", 31);
    ck_assert_float_gt(unfamiliarity, aci_router_predictor_threshold(p));
    aci_router_predictor_close(p);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_file)
{
    char *a, *b, *c;
    size_t n_a, n_b, n_c;

    write_learnable(300);
    ck_assert_int_eq(train(NULL, predictor, 7, NULL), AC_OK);
    ck_assert_int_eq(train(NULL, second, 7, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_read_file(&a, &n_a, &memory, predictor,
                                            1 << 20, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_read_file(&b, &n_b, &memory, second,
                                            1 << 20, NULL), AC_OK);
    ck_assert_int_eq(train(NULL, second, 8, NULL), AC_OK);
    ck_assert_int_eq(aci_platform_read_file(&c, &n_c, &memory, second,
                                            1 << 20, NULL), AC_OK);
    ck_assert(n_a == n_b && memcmp(a, b, n_a) == 0);
    ck_assert(n_a != n_c || memcmp(a, c, n_a) != 0);
    aci_platform_free(&memory, a);
    aci_platform_free(&memory, b);
    aci_platform_free(&memory, c);
}
END_TEST

/* ---- Bad outcomes -------------------------------------------------------- */

static const struct {
    const char *text, *message; /* what the message must contain */
} bad[] = {
    { "", "no variant" },
    { "{\"prompt\": \"a\", \"success\": {}}\n", "no variant" },
    { "{\"prompt\": \"a\", \"success\": {\"int4\": 1}}\n{\"prompt\"\n",
      "line 2" },
    { "\n\n[1]\n", "line 3: not a JSON object" },
    { "{\"success\": {\"int4\": 1}}", "line 1: there is no text" },
    { "{\"prompt\": 7, \"success\": {\"int4\": 1}}", "no text" },
    { "{\"prompt\": \"a\"}", "no object" },
    { "{\"prompt\": \"a\", \"success\": [1]}", "no object" },
    { "{\"prompt\": \"a\", \"success\": {\"int4\": 1.5}}", "1.5" },
    { "{\"prompt\": \"a\", \"success\": {\"int4\": -1}}", "not in [0, 1]" },
    { "{\"prompt\": \"a\", \"success\": {\"int4\": \"yes\"}}", "neither" },
    { "{\"prompt\": \"a\", \"success\": {\"\": 1}}", "0 bytes" },
    { "{\"prompt\": \"a\", \"success\": {\"a b\": 1}}", "printable" },
    { "{\"prompt\": \"a\", \"success\": {\"int4\": 1, \"int4\": 0}}",
      "duplicate" },
    { "{\"prompt\": \"a\xFF\", \"success\": {\"int4\": 1}}", "line 1" },
    { "{\"prompt\": \"a\", \"success\": {\"int4\": 1}}", "too few" },
    { "{\"prompt\": \"a\", \"success\": {\"a\":1,\"b\":1,\"c\":1,\"d\":1,"
      "\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,\"l\":1,"
      "\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1}}", "more than 16" },
    { "\xFD" "7zXZ\0junkjunkjunkjunk", "damaged .xz" },
};

START_TEST(bad_outcomes_are_refused_by_line)
{
    ac_error error = AC_ERROR_INIT;
    size_t n = strlen(bad[_i].text);

    write_text(bad[_i].text, bad[_i].text[0] == '\xFD' ? 22 : n);
    ck_assert_int_ne(train(NULL, predictor, 1, &error), AC_OK);
    ck_assert_msg(strstr(error.message, bad[_i].message) != NULL, "%s",
                  error.message);
    ck_assert(!aci_platform_is_file(predictor));
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
    ac_train_options options = AC_TRAIN_OPTIONS_INIT;

    write_learnable(300);
    options.n_prefix_tokens = 9;
    ck_assert_int_eq(aci_workshop_train_predictor(
        &memory, NULL, outcomes, predictor, &options, NULL), AC_E_ARGUMENT);
    options.n_prefix_tokens = 16;
    ck_assert_int_eq(aci_workshop_train_predictor(
        &memory, NULL, outcomes, predictor, &options, NULL), AC_E_ARGUMENT);
    options.n_prefix_tokens = 10;
    options.test_share = NAN;
    ck_assert_int_eq(aci_workshop_train_predictor(
        &memory, NULL, outcomes, predictor, &options, NULL), AC_E_ARGUMENT);
    ck_assert_int_eq(aci_workshop_train_predictor(
        &memory, NULL, "/no/such/file", predictor, NULL, NULL),
        AC_E_NOT_FOUND);
}
END_TEST

static int32_t stop_at_third(const ac_progress *progress, void *user)
{
    int *n = user;

    ck_assert_str_eq(progress->stage, "train");
    ck_assert(progress->done <= progress->total);
    return ++*n == 3;
}

START_TEST(the_callback_can_stop_it)
{
    ac_train_options options = AC_TRAIN_OPTIONS_INIT;
    int n = 0;

    write_learnable(300);
    options.on_progress = stop_at_third;
    options.progress_user = &n;
    ck_assert_int_eq(aci_workshop_train_predictor(
        &memory, NULL, outcomes, predictor, &options, NULL), AC_E_CANCELLED);
    ck_assert_int_eq(n, 3);
    ck_assert(!aci_platform_is_file(predictor));
}
END_TEST

START_TEST(a_head_that_never_fails_and_missing_outcomes_are_fine)
{
    ac_train_report r = AC_TRAIN_REPORT_INIT;
    FILE *f = fopen(outcomes, "w");
    int i;

    for (i = 0; i < 200; i++)
        fprintf(f, "{\"prompt\": \"case %d %c\", \"success\": {\"int8\": 1, "
                   "\"int4\": %s, \"rare\": %s}}\n",
                i, 'a' + i % 26, i % 3 ? "0.25" : "null",
                i == 0 ? "1" : "null");
    fclose(f);
    ck_assert_int_eq(train(&r, predictor, 3, NULL), AC_OK);
    ck_assert_uint_eq(r.n_variants, 3);
    ck_assert(isnan(r.auroc)); /* int8 has no failure to rank */
}
END_TEST

START_TEST(every_allocation_may_fail_while_training)
{
    uint64_t fail_at;
    ac_status status = AC_E_NO_MEMORY;

    /* The 300 prompts are 300 allocations alike: a stride goes over them. */
    write_learnable(300);
    for (fail_at = 1; status != AC_OK && fail_at < 4000;
         fail_at += fail_at > 10 && fail_at < 290 ? 40 : 1) {
        ac_train_options options = AC_TRAIN_OPTIONS_INIT;

        options.max_epochs = 1;
        memory.n_allocations = 0;
        memory.fail_at = fail_at;
        status = aci_workshop_train_predictor(&memory, NULL, outcomes,
                                              predictor, &options, NULL);
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
        ck_assert_uint_eq(memory.used_bytes, 0);
    }
    memory.fail_at = 0;
    ck_assert_int_eq(status, AC_OK);
}
END_TEST

/* ---- Lines and templates ------------------------------------------------- */

START_TEST(packed_outcomes_read_like_plain_ones)
{
    aci_outcomes plain, packed;
    char *text;
    uint8_t *xz;
    size_t n, n_xz = 0, i;

    write_learnable(2000);
    ck_assert_int_eq(aci_workshop_outcomes_read(&plain, &memory, outcomes,
                                                NULL), AC_OK);
    ck_assert_int_eq(aci_platform_read_file(&text, &n, &memory, outcomes,
                                            1 << 24, NULL), AC_OK);
    xz = malloc(lzma_stream_buffer_bound(n));
    ck_assert_int_eq(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL,
                                             (uint8_t *)text, n, xz, &n_xz,
                                             lzma_stream_buffer_bound(n)),
                     LZMA_OK);
    write_text((char *)xz, n_xz);
    ck_assert_int_eq(aci_workshop_outcomes_read(&packed, &memory, outcomes,
                                                NULL), AC_OK);
    ck_assert_uint_eq(plain.n, 2000);
    ck_assert_uint_eq(packed.n, plain.n);
    for (i = 0; i < plain.n; i++) {
        ck_assert(packed.items[i].prompt_hash == plain.items[i].prompt_hash);
        ck_assert_str_eq(packed.items[i].prompt, plain.items[i].prompt);
    }
    aci_workshop_outcomes_free(&packed);
    write_text((char *)xz, n_xz / 2);
    ck_assert_int_eq(aci_workshop_outcomes_read(&packed, &memory, outcomes,
                                                NULL), AC_E_FORMAT);
    aci_workshop_outcomes_free(&packed);
    aci_workshop_outcomes_free(&plain);
    aci_platform_free(&memory, text);
    free(xz);
}
END_TEST

START_TEST(shared_openings_are_found)
{
    static const char opening[] = "You are a careful assistant; answer the "
                                  "question that follows in one line. ";
    aci_outcomes read;
    aci_predictor_data data;
    aci_templates templates;
    uint32_t i, found = 0;

    write_learnable(1000);
    ck_assert_int_eq(aci_workshop_outcomes_read(&read, &memory, outcomes,
                                                NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_data_split(&data, &memory, &read, 0.2f, 1,
                                             NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_find_templates(&templates, &data, NULL),
                     AC_OK);
    for (i = 0; i < templates.n; i++) {
        ck_assert_uint_ge(templates.n_bytes[i], 48);
        ck_assert(memcmp(templates.text[i], opening, 48) == 0);
        found += templates.n_bytes[i] >= sizeof opening - 1;
    }
    ck_assert_uint_ge(found, 1);
    aci_workshop_data_free(&data);
    aci_workshop_outcomes_free(&read);
}
END_TEST

/* ---- RouteLLM's outcomes ------------------------------------------------- */

static const char *routellm(void)
{
    static char place[1024];
    const char *root = getenv("AC_TEST_DATA");

    snprintf(place, sizeof place, "%s/prompts/routellm/outcomes.jsonl.xz",
             root != NULL ? root : "../shared/data");
    return aci_platform_is_file(place) ? place : NULL;
}

START_TEST(routellm_is_predicted_as_well_as_documented)
{
    const char *place = routellm();
    ac_train_options options = AC_TRAIN_OPTIONS_INIT;
    ac_train_report r = AC_TRAIN_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;

    if (getenv("AC_TEST_QUICK") != NULL) { /* under a sanitizer: minutes */
        printf("SKIP test_predictor_train: RouteLLM, AC_TEST_QUICK is set\n");
        return;
    }
    if (place == NULL) {
        printf("SKIP test_predictor_train: no RouteLLM outcomes in "
               "$AC_TEST_DATA or ../shared/data\n");
        return;
    }
    options.max_epochs = 6; /* a quarter of what it takes; enough here */
    ck_assert_msg(aci_workshop_train_predictor(&memory, &r, place, predictor,
                                               &options, &error) == AC_OK,
                  "%s", error.message);
    ck_assert_uint_le(r.n_parameters, 10500);
    ck_assert_double_ge(r.auroc, 0.68);
    ck_assert_double_gt(r.apgr, r.apgr_random);
    /* A perfect predictor shows 0.030 +- 0.005 on so few prompts
     * (docs/routing.md), so the bound is on what would be wrong. */
    ck_assert_double_le(r.ece, 0.045);
}
END_TEST

Suite *test_predictor_train_suite(void);

Suite *test_predictor_train_suite(void)
{
    Suite *suite = suite_create("test_predictor_train");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 180);
    tcase_add_test(tests, what_can_be_learned_is_learned);
    tcase_add_test(tests, the_same_seed_gives_the_same_file);
    tcase_add_loop_test(tests, bad_outcomes_are_refused_by_line, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tests, options_out_of_range_are_refused);
    tcase_add_test(tests, the_callback_can_stop_it);
    tcase_add_test(tests,
                   a_head_that_never_fails_and_missing_outcomes_are_fine);
    tcase_add_test(tests, every_allocation_may_fail_while_training);
    tcase_add_test(tests, packed_outcomes_read_like_plain_ones);
    tcase_add_test(tests, shared_openings_are_found);
    tcase_add_test(tests, routellm_is_predicted_as_well_as_documented);
    suite_add_tcase(suite, tests);
    return suite;
}
