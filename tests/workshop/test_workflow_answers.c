/* test_workflow_answers.c - answers found by workflow and step; twice the same
 * step, and two variants in one file, are refused. */
#include "workshop/evaluate/workflow_answers.h"

#include <check.h>
#include <string.h>

#include "suite_fixture.h"

static aci_memory memory;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
    drop_files();
}

static ac_status read_text(aci_answers *out, const char *text,
                           ac_error *error)
{
    const char *path = new_file("answers");

    put_text(path, text);
    return aci_workshop_answers_read(out, &memory, path, error);
}

START_TEST(answers_are_found)
{
    aci_answers a;

    ck_assert_int_eq(
        read_text(&a, "{\"id\":\"a\",\"step\":2,\"answer\":\"two\"}\n"
                      "{\"id\":\"b\",\"step\":1,\"answer\":\"\",\"x\":9}\n"
                      "{\"id\":\"a\",\"step\":1,\"answer\":\"one\"}\n", NULL),
        AC_OK);
    ck_assert_str_eq(aci_workshop_answers_find(&a, "a", 1), "one");
    ck_assert_str_eq(aci_workshop_answers_find(&a, "a", 2), "two");
    ck_assert_str_eq(aci_workshop_answers_find(&a, "b", 1), "");
    ck_assert_ptr_null(aci_workshop_answers_find(&a, "b", 2));
    ck_assert_ptr_null(aci_workshop_answers_find(&a, "c", 1));
    ck_assert_str_eq(a.variant, "");
    ck_assert_uint_eq(aci_workshop_answers_drop(&a, "a"), 2);
    ck_assert_uint_eq(aci_workshop_answers_drop(&a, "a"), 0);
    ck_assert_str_eq(aci_workshop_answers_left(&a), "b");
    ck_assert_uint_eq(aci_workshop_answers_drop(&a, "b"), 1);
    ck_assert_ptr_null(aci_workshop_answers_left(&a));
    aci_workshop_answers_free(&a);
}
END_TEST

#define ONE "{\"id\":\"a\",\"step\":1,\"answer\":\"x\",\"variant\":\"int4\"}\n"

START_TEST(bad_files_are_refused)
{
    static const char *const files[][2] = {
        { ONE ONE, "answered before" },
        { ONE "{\"id\":\"a\",\"step\":2,\"answer\":\"x\","
              "\"variant\":\"int8\"}\n", "variant" },
        { ONE "{\"id\":\"a\",\"step\":2,\"answer\":\"x\"}\n", "variant" },
        { "\n{\"step\":1,\"answer\":\"x\"}\n", "no id" },
        { "\n{\"id\":\"a\",\"answer\":\"x\"}\n", "step" },
        { "\n{\"id\":\"a\",\"step\":0,\"answer\":\"x\"}\n", "step" },
        { "\n{\"id\":\"a\",\"step\":\"1\",\"answer\":\"x\"}\n", "step" },
        { "\n{\"id\":\"a\",\"step\":1,\"answer\":null}\n", "answer" },
        { "\n{\"id\":\"a\",\"step\":99999999999,\"answer\":\"x\"}\n",
          "step" },
    };
    aci_answers a;
    size_t i;

    for (i = 0; i < sizeof files / sizeof *files; i++) {
        ac_error error = AC_ERROR_INIT;

        ck_assert_int_eq(read_text(&a, files[i][0], &error), AC_E_FORMAT);
        ck_assert_msg(strstr(error.message, files[i][1]) != NULL &&
                      strstr(error.message, "line 2") != NULL, "%s",
                      error.message);
    }
}
END_TEST

START_TEST(no_answers_are_fine)
{
    aci_answers a;

    ck_assert_int_eq(read_text(&a, "", NULL), AC_OK);
    ck_assert_ptr_null(aci_workshop_answers_left(&a));
    aci_workshop_answers_free(&a);
    ck_assert_int_eq(aci_workshop_answers_read(&a, &memory,
                                               "/tmp/ac-no-such-file", NULL),
                     AC_E_NOT_FOUND);
}
END_TEST

Suite *test_workflow_answers_suite(void);
Suite *test_workflow_answers_suite(void)
{
    Suite *suite = suite_create("test_workflow_answers");
    TCase *tests = tcase_create("workflow_answers");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, answers_are_found);
    tcase_add_test(tests, bad_files_are_refused);
    tcase_add_test(tests, no_answers_are_fine);
    suite_add_tcase(suite, tests);
    return suite;
}
