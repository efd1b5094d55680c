/* test_workflow_make.c - a workflow is a function of split, seed and number;
 * it has four to eight steps of all kinds, and uses its own answers. */
#include "workshop/evaluate/workflow_make.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite_fixture.h"
#include "workshop/evaluate/workflow_row.h"
#include "workshop/evaluate/workflow_split.h"

enum { N = 400 };

static const char *const kinds[4] = { "citation", "data_to_text",
                                      "hypothesis", "literature_review" };
static const char *const domains[4] = { "biology", "chemistry", "physics",
                                        "social_science" };

static aci_memory memory;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static int place(const char *const names[4], const char *name)
{
    int i;

    for (i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    ck_abort_msg("unknown: %s", name);
    return -1;
}

START_TEST(the_same_number_is_the_same_workflow)
{
    int s;

    for (s = 0; s < ACI_N_SPLITS; s++) {
        const char *split = aci_workshop_split_name((aci_split)s);
        json_t *run = make_workflows(split, 3, 0, 40);
        json_t *alone = make_workflows(split, 3, 25, 1);
        json_t *seed = make_workflows(split, 4, 25, 1);

        ck_assert_int_eq(json_equal(json_array_get(run, 25),
                                    json_array_get(alone, 0)), 1);
        ck_assert_int_eq(json_equal(json_array_get(seed, 0),
                                    json_array_get(alone, 0)), 0);
        json_decref(run);
        json_decref(alone);
        json_decref(seed);
    }
}
END_TEST

START_TEST(names_are_unlike_between_seeds_and_numbers)
{
    json_t *a = make_workflows("test", 0, 0, 20);
    json_t *b = make_workflows("test", 1, 0, 20);
    json_t *ids = json_object(), *row;
    size_t i;

    json_array_extend(a, b);
    json_array_foreach(a, i, row)
        json_object_set_new(ids, json_string_value(
                                     json_object_get(row, "id")),
                            json_true());
    ck_assert_uint_eq(json_object_size(ids), 40);
    json_decref(ids);
    json_decref(a);
    json_decref(b);
}
END_TEST

/* Does a step need the answer of step `n`? */
static bool uses(const aci_workflow_step *step, int32_t n)
{
    char mark[16];

    snprintf(mark, sizeof mark, "{{%d}}", (int)n);
    return strstr(step->prompt, mark) != NULL;
}

static void expect_chain(const json_t *row)
{
    aci_workflow read;
    int n_of_kind[4] = { 0 }, n_uses = 0;
    int32_t i, n;

    ck_assert_int_eq(aci_workshop_workflow_read(&read, row, NULL), AC_OK);
    ck_assert_int_ge(read.n_steps, 4);
    ck_assert_int_le(read.n_steps, 8);
    for (i = 0; i < read.n_steps; i++) {
        const aci_workflow_step *step = &read.steps[i];

        n_of_kind[place(kinds, step->kind)]++;
        ck_assert_int_le(step->level, 3);
        ck_assert_ptr_nonnull(step->answer);
        ck_assert_uint_gt(strlen(step->answer), 0);
        ck_assert_uint_lt(strlen(step->prompt), 2048);
        /* UTF-8 bytes bound tokens, whatever the tokenizer merges */
        ck_assert_uint_lt(strlen(step->answer), 400);
        for (n = 1; n <= 8; n++) {
            ck_assert_msg(n <= i || !uses(step, n), "%s: step %d uses a "
                          "later answer", read.id, (int)i + 1);
            n_uses += uses(step, n);
        }
    }
    for (n = 0; n < 4; n++)
        ck_assert_int_ge(n_of_kind[n], 1);
    ck_assert_int_ge(n_uses, 1);
}

START_TEST(every_workflow_is_a_chain_of_all_kinds)
{
    json_t *list, *row;
    size_t i;
    int s;

    for (s = 0; s < ACI_N_SPLITS; s++) {
        list = make_workflows(aci_workshop_split_name((aci_split)s), 0, 0, N);
        json_array_foreach(list, i, row)
            expect_chain(row);
        json_decref(list);
    }
}
END_TEST

/* The frozen sets: domains exactly, kinds and levels near their shares. */
START_TEST(domains_kinds_and_levels_are_balanced)
{
    json_t *list = make_workflows("test", 0, 0, 500), *row;
    int n_domain[4] = { 0 }, n_kind[4] = { 0 }, n_level[4] = { 0 };
    int cells[4][4] = { { 0 } }, n_steps = 0, k, l;
    aci_workflow read;
    size_t i;
    int32_t s;

    json_array_foreach(list, i, row) {
        ck_assert_int_eq(aci_workshop_workflow_read(&read, row, NULL), AC_OK);
        n_domain[place(domains, read.domain)]++;
        for (s = 0; s < read.n_steps; s++) {
            k = place(kinds, read.steps[s].kind);
            n_kind[k]++;
            n_level[read.steps[s].level]++;
            cells[k][read.steps[s].level]++;
            n_steps++;
        }
    }
    for (k = 0; k < 4; k++) {
        ck_assert_int_eq(n_domain[k], 125);
        ck_assert_int_gt(n_kind[k], n_steps / 8);
        ck_assert_int_gt(n_level[k], n_steps / 15);
        for (l = 0; l < 4; l++)
            ck_assert_int_ge(cells[k][l], 30);
    }
    json_decref(list);
}
END_TEST

START_TEST(a_held_out_domain_is_another_one)
{
    json_t *list = make_workflows("ood-domain", 0, 0, 50), *row;
    size_t i;
    int d;

    json_array_foreach(list, i, row)
        for (d = 0; d < 4; d++)
            ck_assert_str_ne(json_string_value(json_object_get(row,
                                                               "domain")),
                             domains[d]);
    json_decref(list);
}
END_TEST

/* What comes before the first dot names the form of a request. */
static json_t *forms(const char *split)
{
    json_t *list = make_workflows(split, 0, 0, N), *row, *step;
    json_t *set = json_object();
    size_t w, i;

    json_array_foreach(list, w, row) {
        json_array_foreach(json_object_get(row, "steps"), i, step) {
            char form[48];

            snprintf(form, sizeof form, "%s", json_string_value(
                         json_object_get(step, "template")));
            form[strcspn(form, ".")] = '\0';
            json_object_set_new(set, form, json_true());
        }
    }
    json_decref(list);
    return set;
}

START_TEST(a_held_out_form_is_in_no_other_split)
{
    json_t *held = forms("ood-kind"), *train = forms("train"), *value;
    const char *form;
    int n_new = 0;

    json_object_foreach(held, form, value)
        n_new += json_object_get(train, form) == NULL;
    ck_assert_int_ge(n_new, 1);
    json_decref(held);
    json_decref(train);
}
END_TEST

START_TEST(an_unknown_split_is_refused)
{
    json_t *row;

    ck_assert_int_eq(aci_workshop_workflow_make(&row, &memory, "tests", 0, 0,
                                                NULL), AC_E_ARGUMENT);
    ck_assert_ptr_null(row);
}
END_TEST

Suite *test_workflow_make_suite(void);
Suite *test_workflow_make_suite(void)
{
    Suite *suite = suite_create("test_workflow_make");
    TCase *tests = tcase_create("workflow_make");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_same_number_is_the_same_workflow);
    tcase_add_test(tests, names_are_unlike_between_seeds_and_numbers);
    tcase_add_test(tests, every_workflow_is_a_chain_of_all_kinds);
    tcase_add_test(tests, domains_kinds_and_levels_are_balanced);
    tcase_add_test(tests, a_held_out_domain_is_another_one);
    tcase_add_test(tests, a_held_out_form_is_in_no_other_split);
    tcase_add_test(tests, an_unknown_split_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
