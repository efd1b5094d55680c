/* test_workflows.c - workflows through the public interface: what another
 * engine's evaluation would call. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <agentcompress.h>
#include <jansson.h>

static char path[64], other[64];

static void set_up(void)
{
    snprintf(path, sizeof path, "/tmp/ac-answers-XXXXXX");
    snprintf(other, sizeof other, "/tmp/ac-others-XXXXXX");
    ck_assert_int_ge(mkstemp(path), 0);
    ck_assert_int_ge(mkstemp(other), 0);
}

static void tear_down(void)
{
    remove(path);
    remove(other);
}

/* ---- generating ---------------------------------------------------------- */

static int32_t keep(const char *json, size_t n_bytes, void *user)
{
    ck_assert_ptr_null(memchr(json, '\n', n_bytes));
    json_array_append_new(user, json_loadb(json, n_bytes, 0, NULL));
    return 0;
}

static json_t *generate(const char *split, uint64_t n, uint32_t training)
{
    ac_workflows_options options = AC_WORKFLOWS_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    json_t *rows = json_array();

    options.n_workflows = n;
    options.training = training;
    ck_assert_msg(ac_workflows_generate(split, &options, keep, rows,
                                        &error) == AC_OK, "%s",
                  error.message);
    return rows;
}

static size_t n_steps(const json_t *row)
{
    return json_array_size(json_object_get(row, "steps"));
}

START_TEST(training_rows_are_the_steps)
{
    json_t *flows = generate("train", 30, 0);
    json_t *rows = generate("train", 30, 1);
    size_t w, n = 0, i;
    json_t *row;

    json_array_foreach(flows, w, row)
        n += n_steps(row);
    ck_assert_uint_eq(json_array_size(rows), n);
    json_array_foreach(rows, i, row) {
        ck_assert_uint_eq(json_object_size(row), 2);
        ck_assert_ptr_null(strstr(json_string_value(
                               json_object_get(row, "prompt")), "{{"));
        ck_assert_uint_gt(json_string_length(
                              json_object_get(row, "completion")), 0);
    }
    json_decref(flows);
    json_decref(rows);
}
END_TEST

START_TEST(the_test_split_has_500)
{
    json_t *rows = generate("test", 0, 0);

    ck_assert_uint_eq(json_array_size(rows), 500);
    json_decref(rows);
}
END_TEST

static int32_t stop(const char *json, size_t n_bytes, void *user)
{
    (void)json;
    (void)n_bytes;
    return ++*(int *)user == 5;
}

static int32_t stop_progress(const ac_progress *progress, void *user)
{
    (void)user;
    ck_assert_str_eq(progress->stage, "workflows");
    ck_assert_uint_eq(progress->total, 500);
    return progress->done == 7;
}

START_TEST(either_callback_may_stop_it)
{
    ac_workflows_options options = AC_WORKFLOWS_OPTIONS_INIT;
    int n = 0;

    ck_assert_int_eq(ac_workflows_generate("test", NULL, stop, &n, NULL),
                     AC_E_CANCELLED);
    ck_assert_int_eq(n, 5);
    options.on_progress = stop_progress;
    n = 10;
    ck_assert_int_eq(ac_workflows_generate("test", &options, stop, &n, NULL),
                     AC_E_CANCELLED);
    ck_assert_int_eq(n, 17);
}
END_TEST

static int32_t check_row(const char *json, size_t n_bytes, void *user)
{
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(ac_workflows_check(json, n_bytes, &error) == AC_OK, "%s",
                  error.message);
    ++*(int *)user;
    return 0;
}

START_TEST(rows_are_checked_before_they_are_run)
{
    static const char *const bad[][2] = {
        { "[]", "no JSON object" },
        { "{\"id\": \"a\"}", "steps" },
        { "{\"id\": \"a\", \"steps\": [{\"prompt\": \"{{1}}\", "
          "\"check\": {\"kind\": \"data_to_text\", \"source\": \"x\", "
          "\"max_words\": 9}}]}",
          "a: step 1: {{1}}" },
        { "{\"id\": \"a\", \"steps\": [{\"prompt\": \"x\", \"check\": "
          "{\"kind\": \"data_to_text\", \"source\": \"x\"}}]}",
          "a: step 1: check: \"max_words\"" },
        { "{\"id\": \"a\", \"steps\": [{\"prompt\": \"x\", \"check\": "
          "{\"kind\": \"data_to_text\", \"source\": \"x\", \"max_words\": 9, "
          "\"fact\": []}}]}",
          "data_to_text has no field \"fact\"" }
    };
    ac_workflows_options options = AC_WORKFLOWS_OPTIONS_INIT;
    int n = 0;

    options.n_workflows = 40;
    ck_assert_int_eq(ac_workflows_generate("ood-kind", &options, check_row,
                                           &n, NULL), AC_OK);
    ck_assert_int_eq(n, 40);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ac_error error = AC_ERROR_INIT;

        ck_assert_int_eq(ac_workflows_check(bad[i][0], strlen(bad[i][0]),
                                            &error), AC_E_FORMAT);
        ck_assert_msg(strstr(error.message, bad[i][1]) != NULL, "%s",
                      error.message);
    }
    ck_assert_int_eq(ac_workflows_check(NULL, 0, NULL), AC_E_ARGUMENT);
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    ac_workflows_options options = AC_WORKFLOWS_OPTIONS_INIT;
    ac_workflows_score_options scoring = AC_WORKFLOWS_SCORE_OPTIONS_INIT;
    char *out;

    ck_assert_int_eq(ac_workflows_generate(NULL, NULL, stop, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_workflows_generate("tests", NULL, stop, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_workflows_generate("test", NULL, NULL, NULL, NULL),
                     AC_E_ARGUMENT);
    options.training = 2;
    ck_assert_int_eq(ac_workflows_generate("test", &options, stop, NULL,
                                           NULL), AC_E_ARGUMENT);
    ck_assert_int_eq(ac_workflows_score(&out, NULL, NULL, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_workflows_score(&out, "/tmp/ac-none", NULL, NULL),
                     AC_E_NOT_FOUND);
    ck_assert_ptr_null(out);
    scoring.reserved = 1;
    ck_assert_int_eq(ac_workflows_score(&out, path, &scoring, NULL),
                     AC_E_UNSUPPORTED);
    scoring.reserved = 0;
    scoring.n_resamples = 2000000;
    ck_assert_int_eq(ac_workflows_score(&out, path, &scoring, NULL),
                     AC_E_ARGUMENT);
    scoring.n_resamples = 0;
    scoring.split = "none";
    ck_assert_int_eq(ac_workflows_score(&out, path, &scoring, NULL),
                     AC_E_ARGUMENT);
}
END_TEST

/* ---- answering ----------------------------------------------------------- */

/* An engine that knows the reference and errs at every `wrong`-th step. */
static void answer_all(const char *file, const json_t *flows, int wrong,
                       const char *variant)
{
    FILE *out = fopen(file, "w");
    json_t *flow, *step;
    size_t w, i;
    int n = 0;

    json_array_foreach(flows, w, flow) {
        json_array_foreach(json_object_get(flow, "steps"), i, step) {
            const char *text =
                json_string_value(json_object_get(step, "answer"));
            json_t *row = json_pack(
                "{s:O, s:i, s:s, s:s}", "id", json_object_get(flow, "id"),
                "step", (int)i + 1, "answer",
                wrong > 0 && ++n % wrong == 0 ? "I do not know." : text,
                "variant", variant);

            json_dumpf(row, out, JSON_COMPACT);
            fputc('\n', out);
            json_decref(row);
        }
    }
    fclose(out);
}

START_TEST(prompts_hold_ones_own_answers)
{
    json_t *flows = generate("test", 40, 0), *flow;
    const char *answers[64];
    int n_used = 0;
    size_t w, i;

    for (i = 0; i < 64; i++)
        answers[i] = "MINE";
    json_array_foreach(flows, w, flow) {
        char *text = json_dumps(flow, 0);

        for (i = 0; i <= n_steps(flow); i++) {
            uint32_t max_tokens = 0;
            char *prompt = NULL;

            ck_assert_int_eq(ac_workflows_prompt(&prompt, &max_tokens, text,
                                                 strlen(text), answers, i,
                                                 NULL), AC_OK);
            if (i == n_steps(flow)) {
                ck_assert_ptr_null(prompt); /* all are answered */
                continue;
            }
            ck_assert_uint_gt(max_tokens, 0);
            ck_assert_ptr_null(strstr(prompt, "{{"));
            n_used += strstr(prompt, "MINE") != NULL;
            ac_free(prompt);
        }
        free(text);
    }
    ck_assert_int_ge(n_used, 40);
    json_decref(flows);
}
END_TEST

START_TEST(a_bad_row_has_no_prompt)
{
    static const char *const rows[] = { "", "[]", "{}", "{\"id\":\"a\"}" };
    char *prompt;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(ac_workflows_prompt(&prompt, NULL, rows[i],
                                             strlen(rows[i]), NULL, 0, NULL),
                         AC_E_FORMAT);
        ck_assert_ptr_null(prompt);
    }
}
END_TEST

/* ---- scoring ------------------------------------------------------------- */

static int32_t count(const ac_step_verdict *verdict, void *user)
{
    int *n = user;

    n[0]++;
    n[1] += (int)verdict->passed;
    return 0;
}

START_TEST(answers_are_scored)
{
    ac_workflows_score_options options = AC_WORKFLOWS_SCORE_OPTIONS_INIT;
    json_t *flows = generate("test", 60, 0), *report, *all;
    ac_error error = AC_ERROR_INIT;
    int n[2] = { 0, 0 };
    char *text = NULL;

    answer_all(path, flows, 5, "mine");
    answer_all(other, flows, 0, "right");
    options.n_workflows = 60;
    options.against_path = other;
    options.n_resamples = 500;
    options.on_verdict = count;
    options.verdict_user = n;
    ck_assert_msg(ac_workflows_score(&text, path, &options, &error) == AC_OK,
                  "%s", error.message);
    report = json_loads(text, 0, NULL);
    all = json_array_get(json_object_get(report, "groups"), 0);
    ck_assert_int_eq(n[0], json_integer_value(json_object_get(report,
                                                              "steps")));
    ck_assert_int_eq(n[1], n[0] - n[0] / 5);
    ck_assert_double_eq_tol(
        json_number_value(json_object_get(
            json_object_get(all, "step_success"), "value")),
        (double)n[1] / n[0], 1e-12);
    ck_assert_ptr_nonnull(json_object_get(report, "against"));
    ac_free(text);
    json_decref(report);
    json_decref(flows);
}
END_TEST

START_TEST(verdicts_alone_need_no_report)
{
    ac_workflows_score_options options = AC_WORKFLOWS_SCORE_OPTIONS_INIT;
    json_t *flows = generate("calibration", 20, 0);
    int n[2] = { 0, 0 };

    answer_all(path, flows, 0, "right");
    options.split = "calibration";
    options.n_workflows = 20;
    options.on_verdict = count;
    options.verdict_user = n;
    ck_assert_int_eq(ac_workflows_score(NULL, path, &options, NULL), AC_OK);
    ck_assert_int_eq(n[0], n[1]);
    ck_assert_int_ge(n[0], 80);
    json_decref(flows);
}
END_TEST

Suite *test_workflows_suite(void);
Suite *test_workflows_suite(void)
{
    Suite *suite = suite_create("test_workflows");
    TCase *tests = tcase_create("workflows");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, training_rows_are_the_steps);
    tcase_add_test(tests, the_test_split_has_500);
    tcase_add_test(tests, either_callback_may_stop_it);
    tcase_add_test(tests, rows_are_checked_before_they_are_run);
    tcase_add_test(tests, wrong_arguments_are_refused);
    tcase_add_test(tests, prompts_hold_ones_own_answers);
    tcase_add_test(tests, a_bad_row_has_no_prompt);
    tcase_add_test(tests, answers_are_scored);
    tcase_add_test(tests, verdicts_alone_need_no_report);
    suite_add_tcase(suite, tests);
    return suite;
}
