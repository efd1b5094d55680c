/* test_workflow_row.c - rows read, earlier answers put in. */
#include "workshop/evaluate/workflow_row.h"

#include <check.h>
#include <string.h>

static aci_memory memory;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
}

#define STEP "{\"prompt\": \"p {{1}}\", \"check\": {\"kind\": \"own\"}}"

START_TEST(what_a_row_leaves_out_has_defaults)
{
    json_t *row = json_loads("{\"id\": \"a\", \"steps\": [" STEP "]}", 0,
                             NULL);
    aci_workflow read;

    ck_assert_int_eq(aci_workshop_workflow_read(&read, row, NULL), AC_OK);
    ck_assert_str_eq(read.id, "a");
    ck_assert_str_eq(read.domain, "");
    ck_assert_int_eq(read.n_steps, 1);
    ck_assert_str_eq(read.steps[0].kind, "own");
    ck_assert_int_eq(read.steps[0].level, 0);
    ck_assert_int_eq(read.steps[0].max_tokens, 256);
    ck_assert_ptr_null(read.steps[0].answer);
    json_decref(row);
}
END_TEST

START_TEST(bad_rows_are_refused)
{
    static const char *const rows[][2] = {
        { "{}", "no id" },
        { "{\"id\": \"\", \"steps\": [" STEP "]}", "no id" },
        { "{\"id\": 3, \"steps\": [" STEP "]}", "no id" },
        { "{\"id\": \"a\"}", "steps" },
        { "{\"id\": \"a\", \"steps\": []}", "steps" },
        { "{\"id\": \"a\", \"steps\": [" STEP ", 1]}", "step 2" },
        { "{\"id\": \"a\", \"steps\": [{\"prompt\": \"p\"}]}", "check" },
        { "{\"id\": \"a\", \"steps\": [{\"prompt\": \"p\", \"check\": {}}]}",
          "kind" },
        { "{\"id\": \"a\", \"steps\": [{\"prompt\": \"p\", \"level\": -1, "
          "\"check\": {\"kind\": \"k\"}}]}", "level" },
        { "{\"id\": \"a\", \"steps\": [{\"prompt\": \"p\", \"max_tokens\": "
          "0, \"check\": {\"kind\": \"k\"}}]}", "max_tokens" },
        { "{\"id\": \"a\", \"steps\": [{\"prompt\": \"p\", \"max_tokens\": "
          "\"9\", \"check\": {\"kind\": \"k\"}}]}", "max_tokens" },
    };
    aci_workflow read;
    size_t i;

    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        ac_error error = AC_ERROR_INIT;
        json_t *row = json_loads(rows[i][0], 0, NULL);

        ck_assert_ptr_nonnull(row);
        ck_assert_int_eq(aci_workshop_workflow_read(&read, row, &error),
                         AC_E_FORMAT);
        ck_assert_msg(strstr(error.message, rows[i][1]) != NULL, "%s",
                      error.message);
        json_decref(row);
    }
}
END_TEST

START_TEST(answers_are_put_in_once)
{
    static const char *const answers[] = { "one {{2}}", "", "3" };
    static const char *const cases[][2] = {
        { "", "" },
        { "plain {1} {{x}} {{}} {{1} {{ 1 }} {{", NULL },
        { "{{1}}", "one {{2}}" },
        { "a{{3}}b{{1}}c{{2}}d", "a3bone {{2}}cd" },
        { "{{{1}}}", NULL },
        { "{{{{3}}", "{{3" },
    };
    char *filled;
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(aci_workshop_workflow_fill(&filled, &memory,
                                                    cases[i][0], answers, 3,
                                                    NULL), AC_OK);
        if (i == 4)
            ck_assert_str_eq(filled, "{one {{2}}}");
        else
            ck_assert_str_eq(filled, cases[i][1] ? cases[i][1]
                                                 : cases[i][0]);
        aci_platform_free(&memory, filled);
    }
}
END_TEST

START_TEST(an_answer_that_is_not_there_is_refused)
{
    static const char *const answers[] = { "one", NULL };
    static const char *const texts[] = { "{{2}}", "{{3}}", "a {{1}} {{999}}",
                                         "{{00000000000000000000009}}" };
    char *filled;
    size_t i;

    for (i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_int_eq(
            aci_workshop_workflow_fill(&filled, &memory, texts[i], answers, 2,
                                       NULL),
            AC_E_FORMAT);
        ck_assert_ptr_null(filled);
    }
}
END_TEST

START_TEST(training_rows_hold_reference_answers)
{
    json_t *row = json_loads(
        "{\"id\": \"a\", \"steps\": [{\"prompt\": \"first\", \"answer\": "
        "\"x y\", \"check\": {\"kind\": \"k\"}}, {\"prompt\": \"use "
        "{{1}}.\", \"answer\": \"z\", \"check\": {\"kind\": \"k\"}}, "
        "{\"prompt\": \"open\", \"check\": {\"kind\": \"k\"}}]}", 0, NULL);
    aci_workflow read;
    json_t *made;

    ck_assert_int_eq(aci_workshop_workflow_read(&read, row, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_workflow_training(&made, &memory, &read, 1,
                                                    NULL), AC_OK);
    ck_assert_uint_eq(json_object_size(made), 2);
    ck_assert_str_eq(json_string_value(json_object_get(made, "prompt")),
                     "use x y.");
    ck_assert_str_eq(json_string_value(json_object_get(made, "completion")),
                     "z");
    json_decref(made);
    ck_assert_int_eq(aci_workshop_workflow_training(&made, &memory, &read, 2,
                                                    NULL), AC_E_FORMAT);
    ck_assert_ptr_null(made);
    json_decref(row);
}
END_TEST

Suite *test_workflow_row_suite(void);
Suite *test_workflow_row_suite(void)
{
    Suite *suite = suite_create("test_workflow_row");
    TCase *tests = tcase_create("workflow_row");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, what_a_row_leaves_out_has_defaults);
    tcase_add_test(tests, bad_rows_are_refused);
    tcase_add_test(tests, answers_are_put_in_once);
    tcase_add_test(tests, an_answer_that_is_not_there_is_refused);
    tcase_add_test(tests, training_rows_hold_reference_answers);
    suite_add_tcase(suite, tests);
    return suite;
}
