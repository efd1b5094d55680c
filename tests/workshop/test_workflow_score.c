/* test_workflow_score.c - right answers pass everywhere, others' answers do
 * not, what is missing failed, and strays are refused. */
#include "workshop/evaluate/workflow_score.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "suite_fixture.h"
#include "workshop/evaluate/workflow_split.h"

enum { N = 120 };

static aci_memory memory;
static aci_score score;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
    drop_files();
}

static ac_status judge(const char *split, answer_callback answer, void *user,
                       ac_verdict_callback on_verdict, void *told)
{
    aci_suite suite = { NULL, split, 0, 0, N };
    json_t *list = make_workflows(split, 0, 0, N);
    const char *path = new_file("answers");
    ac_error error = AC_ERROR_INIT;
    ac_status status;

    put_answers(path, list, "who", answer, user);
    json_decref(list);
    status = aci_workshop_score(&score, &memory, &suite, path, on_verdict,
                                told, &error);
    if (status == AC_OK)
        ck_assert_str_eq(score.variant, "who");
    return status;
}

static size_t n_passed(void)
{
    size_t n = 0, i;

    for (i = 0; i < score.n_steps; i++)
        n += score.steps[i].passed;
    return n;
}

START_TEST(right_answers_pass_in_every_split)
{
    int s;

    for (s = 0; s < ACI_N_SPLITS; s++) {
        const char *split = aci_workshop_split_name((aci_split)s);

        ck_assert_int_eq(judge(split, right_answer, NULL, NULL, NULL), AC_OK);
        ck_assert_uint_eq(score.n_workflows, N);
        ck_assert_uint_eq(score.n_answered, score.n_steps);
        ck_assert_uint_eq(n_passed(), score.n_steps);
        ck_assert_uint_eq(json_object_size(score.reasons), 0);
        aci_workshop_score_free(&score);
    }
}
END_TEST

/* The answer to the same kind of request of an earlier workflow. */
static const char *other_answer(const json_t *workflow, size_t step,
                                void *user)
{
    json_t *kept = user;
    const json_t *row =
        json_array_get(json_object_get(workflow, "steps"), step);
    const char *kind = json_string_value(json_object_get(row, "kind"));
    json_t *list = json_object_get(kept, kind);
    size_t n = json_array_size(list);

    if (list == NULL) {
        list = json_array();
        json_object_set_new(kept, kind, list);
    }
    json_array_append(list, json_object_get(row, "answer"));
    return n < 8 ? "" : json_string_value(json_array_get(list, n - 8));
}

START_TEST(answers_of_another_workflow_fail)
{
    json_t *kept = json_object();

    ck_assert_int_eq(judge("test", other_answer, kept, NULL, NULL), AC_OK);
    /* "The hypothesis is supported by [1][2]" may be right by chance */
    ck_assert_uint_lt(n_passed(), score.n_steps / 25);
    ck_assert_uint_gt(json_object_size(score.reasons), 0);
    aci_workshop_score_free(&score);
    json_decref(kept);
}
END_TEST

static const char *no_second_step(const json_t *workflow, size_t step,
                                  void *user)
{
    return step == 1 ? NULL : right_answer(workflow, step, user);
}

START_TEST(what_is_missing_failed)
{
    size_t i;

    ck_assert_int_eq(judge("test", no_second_step, NULL, NULL, NULL), AC_OK);
    ck_assert_uint_eq(score.n_steps - score.n_answered, N);
    ck_assert_uint_eq(n_passed(), score.n_steps - N);
    for (i = 0; i < score.n_steps; i++) {
        ck_assert_int_eq(score.steps[i].answered, score.steps[i].passed);
        ck_assert_double_eq(score.steps[i].score,
                            score.steps[i].passed ? 1.0 : 0.0);
    }
    aci_workshop_score_free(&score);
}
END_TEST

typedef struct told {
    int n, n_without_prompt, n_missing;
    char first[64];
} told;

static int32_t tell(const ac_step_verdict *v, void *user)
{
    told *t = user;

    if (t->n++ == 0)
        snprintf(t->first, sizeof t->first, "%s", v->workflow);
    ck_assert_uint_eq(v->struct_size, sizeof *v);
    ck_assert_str_eq(v->variant, "who");
    ck_assert_uint_ge(v->step, 1);
    t->n_without_prompt += v->prompt == NULL;
    t->n_missing += v->answer == NULL;
    ck_assert_int_eq(v->answer != NULL, (int)v->answered);
    ck_assert_int_eq(v->reason[0] == '\0', (int)v->passed);
    if (v->prompt != NULL)
        ck_assert_ptr_null(strstr(v->prompt, "{{"));
    return 0;
}

START_TEST(verdicts_are_told_in_order)
{
    told t = { .n = 0 };

    ck_assert_int_eq(judge("test", no_second_step, NULL, tell, &t), AC_OK);
    ck_assert_int_eq(t.n, (int)score.n_steps);
    ck_assert_str_eq(t.first, "test-biology-000000");
    ck_assert_int_eq(t.n_missing, N);
    ck_assert_int_gt(t.n_without_prompt, 0); /* those that use step 2 */
    aci_workshop_score_free(&score);
}
END_TEST

static int32_t stop(const ac_step_verdict *v, void *user)
{
    (void)user;
    return v->step == 3;
}

START_TEST(a_listener_may_stop_it)
{
    ck_assert_int_eq(judge("test", right_answer, NULL, stop, NULL),
                     AC_E_CANCELLED);
}
END_TEST

static ac_status judge_text(const char *workflows, const char *answers,
                            ac_error *error)
{
    const char *suite_path = new_file("suite"), *path = new_file("answers");
    aci_suite suite = { suite_path, NULL, 0, 0, 0 };
    ac_status status;

    put_text(suite_path, workflows);
    put_text(path, answers);
    status = aci_workshop_score(&score, &memory, &suite, path, NULL, NULL,
                                error);
    if (status == AC_OK)
        aci_workshop_score_free(&score);
    return status;
}

#define FLOW(id, check) "{\"id\":\"" id "\",\"steps\":[{\"prompt\":\"p\","    \
    "\"check\":" check "}]}\n"
#define GOOD FLOW("a", "{\"kind\":\"data_to_text\",\"source\":\"moss 4 mm\"," \
    "\"facts\":[{\"entity\":\"moss\",\"value\":\"4\",\"unit\":\"mm\"}],"      \
    "\"max_words\":20}")
#define SAID(id, step) "{\"id\":\"" id "\",\"step\":" step ",\"answer\":"     \
    "\"Moss had 4 mm.\"}\n"

START_TEST(strays_and_bad_suites_are_refused)
{
    static const struct {
        const char *suite, *answers, *message;
        ac_status status;
    } cases[] = {
        { GOOD, SAID("a", "1"), "", AC_OK },
        { GOOD, "", "", AC_OK },
        { GOOD, SAID("a", "1") SAID("b", "1"), "not among", AC_E_FORMAT },
        { GOOD, SAID("a", "2"), "has not", AC_E_FORMAT },
        { GOOD GOOD, SAID("a", "1"), "twice", AC_E_FORMAT },
        { FLOW("a", "{\"kind\":\"poem\"}"), SAID("a", "1"), "step 1",
          AC_E_FORMAT },
        { "{\"id\":\"a\"}\n", "", "steps", AC_E_FORMAT },
        { "", "", "no workflow", AC_E_ARGUMENT },
    };
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        ac_error error = AC_ERROR_INIT;

        ck_assert_msg(judge_text(cases[i].suite, cases[i].answers, &error) ==
                          cases[i].status, "%zu: %s", i, error.message);
        ck_assert_msg(strstr(error.message, cases[i].message) != NULL, "%s",
                      error.message);
    }
}
END_TEST

Suite *test_workflow_score_suite(void);
Suite *test_workflow_score_suite(void)
{
    Suite *suite = suite_create("test_workflow_score");
    TCase *tests = tcase_create("workflow_score");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, right_answers_pass_in_every_split);
    tcase_add_test(tests, answers_of_another_workflow_fail);
    tcase_add_test(tests, what_is_missing_failed);
    tcase_add_test(tests, verdicts_are_told_in_order);
    tcase_add_test(tests, a_listener_may_stop_it);
    tcase_add_test(tests, strays_and_bad_suites_are_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
