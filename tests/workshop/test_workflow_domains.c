/* test_workflow_domains.c - the tables: nothing twice, nothing empty, plain
 * ASCII, names that a checker can tell apart, and enough pairs for every
 * split. */
#include "workshop/evaluate/workflow_domains.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "workshop/evaluate/workflow_split.h"

static void expect_name(const char *name)
{
    size_t n, i;

    ck_assert_ptr_nonnull(name);
    n = strlen(name);
    ck_assert_uint_ge(n, 2);
    ck_assert_uint_le(n, 40);
    ck_assert(name[0] != ' ' && name[n - 1] != ' ');
    for (i = 0; i < n; i++)
        ck_assert_msg(name[i] >= 32 && name[i] < 127 &&
                      strchr("{}|\"\\", name[i]) == NULL, "%s", name);
}

static void expect_unlike(const char *const *names, size_t n)
{
    size_t i, j;

    for (i = 0; i < n; i++) {
        expect_name(names[i]);
        for (j = 0; j < i; j++)
            ck_assert_msg(strcmp(names[i], names[j]) != 0, "twice: %s",
                          names[i]);
    }
}

START_TEST(names_of_people_are_all_unlike)
{
    expect_unlike(aci_workshop_family_names, ACI_N_FAMILY_NAMES);
    expect_unlike(aci_workshop_given_names, ACI_N_GIVEN_NAMES);
}
END_TEST

static void expect_quantities(const aci_domain *d)
{
    const char *names[ACI_N_OUTCOMES];
    size_t i;

    for (i = 0; i < ACI_N_OUTCOMES; i++) {
        const aci_quantity *q = &d->outcomes[i];

        names[i] = q->name;
        ck_assert_uint_ge(strlen(q->unit), 1);
        ck_assert_uint_le(strlen(q->unit), 12);
        /* tables draw different values from the range */
        ck_assert_int_gt(q->low, 0);
        ck_assert_int_ge(q->high - q->low, 20);
    }
    expect_unlike(names, ACI_N_OUTCOMES);
}

static void expect_conditions(const aci_domain *d)
{
    const char *names[ACI_N_CONDITIONS];
    size_t i;

    for (i = 0; i < ACI_N_CONDITIONS; i++) {
        const aci_condition *c = &d->conditions[i];

        names[i] = c->variable;
        ck_assert_int_ge(c->n_values, 2);
        ck_assert_int_le(c->n_values, 3);
        expect_unlike(c->values, (size_t)c->n_values);
    }
    expect_unlike(names, ACI_N_CONDITIONS);
}

static void expect_pairings(const aci_domain *d)
{
    const char *names[2 * ACI_N_PAIRINGS];
    size_t i;

    for (i = 0; i < ACI_N_PAIRINGS; i++) {
        names[2 * i] = d->pairings[i].first;
        names[2 * i + 1] = d->pairings[i].second;
    }
    expect_unlike(names, 2 * ACI_N_PAIRINGS);
}

START_TEST(no_domain_says_a_thing_twice)
{
    const char *names[ACI_N_DOMAINS + 1];
    int32_t i;

    for (i = 0; i <= ACI_N_DOMAINS; i++) {
        const aci_domain *d = aci_workshop_domain(i);

        names[i] = d->name;
        expect_name(d->counted);
        expect_quantities(d);
        expect_conditions(d);
        expect_pairings(d);
        expect_unlike(d->predictors, ACI_N_PREDICTORS);
        expect_unlike(d->samples, ACI_N_SAMPLES);
        expect_unlike(d->journals, ACI_N_JOURNALS);
        expect_unlike(d->settings, ACI_N_SETTINGS);
    }
    expect_unlike(names, ACI_N_DOMAINS + 1);
}
END_TEST

/* A hypothesis is told from its rival by names. */
START_TEST(no_predictor_is_an_outcome)
{
    int32_t i, o, p;

    for (i = 0; i <= ACI_N_DOMAINS; i++) {
        const aci_domain *d = aci_workshop_domain(i);

        for (o = 0; o < ACI_N_OUTCOMES; o++)
            for (p = 0; p < ACI_N_PREDICTORS; p++)
                ck_assert_str_ne(d->outcomes[o].name, d->predictors[p]);
    }
}
END_TEST

/* Pairs of outcome and predictor that a split owns, in one domain. */
static int n_owned(aci_split split, const aci_domain *d)
{
    char key[128];
    int n = 0;
    int32_t o, p;

    for (o = 0; o < ACI_N_OUTCOMES; o++) {
        for (p = 0; p < ACI_N_PREDICTORS; p++) {
            snprintf(key, sizeof key, "%s|%s", d->outcomes[o].name,
                     d->predictors[p]);
            n += aci_workshop_split_owns(split, key);
        }
    }
    return n;
}

START_TEST(every_split_has_facts_enough)
{
    int32_t i;

    for (i = 0; i < ACI_N_DOMAINS; i++) {
        const aci_domain *d = aci_workshop_domain(i);

        ck_assert_int_ge(n_owned(ACI_SPLIT_TRAIN, d), 110);
        ck_assert_int_ge(n_owned(ACI_SPLIT_CALIBRATION, d), 10);
        ck_assert_int_ge(n_owned(ACI_SPLIT_TEST, d), 25);
    }
    ck_assert_int_ge(n_owned(ACI_SPLIT_OOD_DOMAIN,
                             aci_workshop_domain(ACI_N_DOMAINS)), 25);
}
END_TEST

Suite *test_workflow_domains_suite(void);
Suite *test_workflow_domains_suite(void)
{
    Suite *suite = suite_create("test_workflow_domains");
    TCase *tests = tcase_create("workflow_domains");

    tcase_add_test(tests, names_of_people_are_all_unlike);
    tcase_add_test(tests, no_domain_says_a_thing_twice);
    tcase_add_test(tests, no_predictor_is_an_outcome);
    tcase_add_test(tests, every_split_has_facts_enough);
    suite_add_tcase(suite, tests);
    return suite;
}
