/* test_workflow_split.c - who owns what, and that nothing leaks: no prompt,
 * template or fact of a held-out split is in train. No model is asked. */
#include "workshop/evaluate/workflow_split.h"

#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "platform/checksum.h"
#include "suite_fixture.h"

enum { N_TRAIN = 3000, N_OTHER = 500, GRAM = 8, MAX_WORDS = 1024,
       TABLE = 1 << 21 };

static aci_memory memory;

START_TEST(names_go_both_ways)
{
    ac_error error = AC_ERROR_INIT;
    aci_split split;
    int i;

    for (i = 0; i < ACI_N_SPLITS; i++) {
        const char *name = aci_workshop_split_name((aci_split)i);

        ck_assert_int_eq(aci_workshop_split_find(&split, name, NULL), AC_OK);
        ck_assert_int_eq((int)split, i);
    }
    ck_assert_int_eq(aci_workshop_split_find(&split, "tests", &error),
                     AC_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.message, "ood-template"));
    ck_assert_int_eq(aci_workshop_split_find(&split, NULL, NULL),
                     AC_E_ARGUMENT);
}
END_TEST

START_TEST(every_key_has_one_owner)
{
    int n[ACI_N_SPLITS] = { 0 }, i, s;
    char key[32];

    for (i = 0; i < 20000; i++) {
        int owners = 0;

        snprintf(key, sizeof key, "form.%d|%d", i / 7, i);
        for (s = 0; s < ACI_N_SPLITS; s++) {
            bool owns = aci_workshop_split_owns((aci_split)s, key);

            n[s] += owns;
            owners += s <= ACI_SPLIT_TEST && owns;
        }
        ck_assert_int_eq(owners, 1);
    }
    ck_assert_int_lt(abs(n[ACI_SPLIT_TRAIN] - 14000), 300);
    ck_assert_int_lt(abs(n[ACI_SPLIT_CALIBRATION] - 2000), 200);
    ck_assert_int_lt(abs(n[ACI_SPLIT_TEST] - 4000), 200);
    for (s = ACI_SPLIT_OOD_KIND; s < ACI_N_SPLITS; s++)
        ck_assert_int_eq(n[s], n[ACI_SPLIT_TEST]);
}
END_TEST

/* ---- leaks --------------------------------------------------------------- */

/* What the prompts of a split are made of. */
typedef struct traces {
    json_t *prompts, *templates, *facts; /* sets */
} traces;

/* Letters folded, all but letters and digits one space. */
static void normalise(char *out, const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        if (isalnum((unsigned char)*text))
            out[n++] = (char)tolower((unsigned char)*text);
        else if (n > 0 && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    out[n] = '\0';
}

static void add_step(traces *t, const json_t *workflow, size_t i)
{
    static char normal[16384];
    const json_t *step =
        json_array_get(json_object_get(workflow, "steps"), i), *fact;
    char *prompt = reference_prompt(&memory, workflow, i);
    size_t f;

    ck_assert_uint_lt(strlen(prompt), sizeof normal);
    normalise(normal, prompt);
    json_object_set_new(t->prompts, normal, json_true());
    json_object_set_new(
        t->templates,
        json_string_value(json_object_get(step, "template")), json_true());
    json_array_foreach(json_object_get(step, "facts"), f, fact)
        json_object_set_new(t->facts, json_string_value(fact), json_true());
    aci_platform_free(&memory, prompt);
}

static traces trace(const char *split, uint64_t seed, uint64_t n)
{
    traces t = { json_object(), json_object(), json_object() };
    json_t *list = make_workflows(split, seed, 0, n), *workflow;
    size_t w, i;

    json_array_foreach(list, w, workflow)
        for (i = 0; i < json_array_size(json_object_get(workflow, "steps"));
             i++)
            add_step(&t, workflow, i);
    json_decref(list);
    return t;
}

static void drop(traces *t)
{
    json_decref(t->prompts);
    json_decref(t->templates);
    json_decref(t->facts);
}

static void expect_apart(json_t *a, json_t *b)
{
    const char *key;
    json_t *value;

    ck_assert_uint_gt(json_object_size(a), 0);
    json_object_foreach(b, key, value)
        ck_assert_msg(json_object_get(a, key) == NULL, "leaked: %s", key);
}

START_TEST(nothing_of_train_is_held_out)
{
    static const struct { const char *split; uint64_t seed; } held[] = {
        { "test", 0 }, { "test", 5 }, { "calibration", 0 },
        { "ood-kind", 0 }, { "ood-domain", 0 }, { "ood-template", 0 }
    };
    traces train = trace("train", 0, N_TRAIN), other;
    size_t i;

    for (i = 0; i < sizeof held / sizeof *held; i++) {
        other = trace(held[i].split, held[i].seed, N_OTHER);
        expect_apart(train.prompts, other.prompts);
        expect_apart(train.templates, other.templates);
        expect_apart(train.facts, other.facts);
        drop(&other);
    }
    drop(&train);
}
END_TEST

START_TEST(calibration_and_test_are_apart)
{
    traces a = trace("calibration", 0, 1000), b = trace("test", 0, 500);

    expect_apart(a.prompts, b.prompts);
    expect_apart(a.templates, b.templates);
    expect_apart(a.facts, b.facts);
    drop(&a);
    drop(&b);
}
END_TEST

/* ---- the nearest overlap ------------------------------------------------- */

static uint64_t *table; /* of 8-word sequences in train; 0: free */

static bool seen(uint64_t gram, bool add)
{
    size_t at = gram & (TABLE - 1);

    while (table[at] != 0 && table[at] != gram)
        at = (at + 1) & (TABLE - 1);
    if (add)
        table[at] = gram;
    return table[at] == gram;
}

/* Share of the text's 8-word sequences that are in the table. */
static double overlap(const char *text, bool add)
{
    const char *starts[MAX_WORDS];
    size_t n = 0, n_seen = 0, i;
    const char *at;

    for (at = text; *at != '\0' && n < MAX_WORDS; at++)
        if (at == text || at[-1] == ' ')
            starts[n++] = at;
    if (n < GRAM)
        return 0.0;
    for (i = 0; i + GRAM <= n; i++) {
        const char *end = i + GRAM < n ? starts[i + GRAM]
                                       : starts[i] + strlen(starts[i]);

        n_seen += seen(aci_platform_checksum(starts[i],
                                             (size_t)(end - starts[i]), 1) |
                           1, add);
    }
    return (double)n_seen / (double)(n - GRAM + 1);
}

/* Prompts of one domain share its words and the phrases they are worded with,
 * but at least a tenth of every held-out prompt's 8-word sequences was never
 * seen in train, and on average far more. */
START_TEST(the_nearest_prompt_is_not_near)
{
    traces train = trace("train", 0, N_TRAIN), other;
    double largest = 0.0, sum = 0.0;
    const char *key;
    json_t *value;

    table = calloc(TABLE, sizeof *table);
    ck_assert_ptr_nonnull(table);
    json_object_foreach(train.prompts, key, value)
        overlap(key, true);
    other = trace("test", 0, 500);
    json_object_foreach(other.prompts, key, value) {
        double share = overlap(key, false);

        largest = share > largest ? share : largest;
        sum += share;
    }
    ck_assert_double_lt(largest, 0.9);
    ck_assert_double_lt(sum / (double)json_object_size(other.prompts), 0.4);
    drop(&train);
    drop(&other);
    free(table);
}
END_TEST

static void set_up(void)
{
    aci_platform_memory_init(&memory);
}

static void tear_down(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
}

Suite *test_workflow_split_suite(void);
Suite *test_workflow_split_suite(void)
{
    Suite *suite = suite_create("test_workflow_split");
    TCase *tests = tcase_create("workflow_split");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, names_go_both_ways);
    tcase_add_test(tests, every_key_has_one_owner);
    tcase_add_test(tests, nothing_of_train_is_held_out);
    tcase_add_test(tests, calibration_and_test_are_apart);
    tcase_add_test(tests, the_nearest_prompt_is_not_near);
    suite_add_tcase(suite, tests);
    return suite;
}
