/* test_score_groups.c - which steps are counted together. */
#include "workshop/evaluate/score_groups.h"

#include <check.h>
#include <string.h>

static aci_memory memory;
static aci_groups groups;

/* Two workflows: (bio: A0 pass, B1 fail), (chem: A1 pass, A0 pass 0.5). */
static aci_scored_step steps[] = {
    { 0, 0, 1, 0, true, true, 1.0 }, { 0, 0, 2, 1, false, true, 0.25 },
    { 1, 3, 1, 1, true, true, 1.0 }, { 1, 3, 1, 0, true, false, 1.0 },
};
static aci_score score = { .memory = &memory, .steps = steps, .n_steps = 4,
                           .n_workflows = 2,
                           .names = { "bio", "A", "B", "chem" },
                           .n_names = 4 };

static uint32_t find(const char *by, const char *name)
{
    uint32_t g;

    for (g = 0; g < groups.n; g++)
        if (strcmp(groups.list[g].by, by) == 0 &&
            strcmp(groups.list[g].name, name) == 0)
            return g;
    ck_abort_msg("no group %s %s", by, name);
    return 0;
}

START_TEST(groups_are_those_that_occur)
{
    static const char *const expected[][2] = {
        { "all", "all" }, { "domain", "bio" }, { "domain", "chem" },
        { "kind", "A" }, { "kind", "B" }, { "level", "0" }, { "level", "1" },
        { "kind_level", "A 0" }, { "kind_level", "A 1" },
        { "kind_level", "B 1" }
    };
    uint32_t g;

    ck_assert_int_eq(aci_workshop_groups_make(&groups, &score, NULL), AC_OK);
    ck_assert_uint_eq(groups.n, 10);
    for (g = 0; g < groups.n; g++) {
        ck_assert_str_eq(groups.list[g].by, expected[g][0]);
        ck_assert_str_eq(groups.list[g].name, expected[g][1]);
    }
}
END_TEST

static void expect_counts(const char *by, const char *name, uint32_t n_steps,
                          uint32_t n_workflows)
{
    uint32_t s, w;

    aci_workshop_groups_count(&s, &w, &groups.list[find(by, name)], &score);
    ck_assert_uint_eq(s, n_steps);
    ck_assert_uint_eq(w, n_workflows);
}

START_TEST(steps_and_workflows_are_counted)
{
    ck_assert_int_eq(aci_workshop_groups_make(&groups, &score, NULL), AC_OK);
    expect_counts("all", "all", 4, 2);
    expect_counts("domain", "bio", 2, 1);
    expect_counts("kind", "A", 3, 2);
    expect_counts("level", "1", 2, 2);
    expect_counts("kind_level", "B 1", 1, 1);
}
END_TEST

START_TEST(ratios_are_passes_scores_and_whole_workflows)
{
    aci_clusters c = { .memory = &memory };
    uint32_t all, kind, chem;

    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_workshop_groups_make(&groups, &score, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_groups_tally(&c, &groups, &score, NULL),
                     AC_OK);
    all = ACI_N_RATIOS * find("all", "all");
    kind = ACI_N_RATIOS * find("kind", "B");
    chem = ACI_N_RATIOS * find("domain", "chem");
    ck_assert_double_eq(aci_workshop_ratio(&c, all + ACI_RATIO_STEPS), 0.75);
    ck_assert_double_eq(aci_workshop_ratio(&c, all + ACI_RATIO_SCORE),
                        3.25 / 4.0);
    ck_assert_double_eq(aci_workshop_ratio(&c, all + ACI_RATIO_WORKFLOWS),
                        0.5);
    ck_assert_double_eq(aci_workshop_ratio(&c, kind + ACI_RATIO_SCORE), 0.25);
    ck_assert_double_eq(aci_workshop_ratio(&c, chem + ACI_RATIO_WORKFLOWS),
                        1.0);
    ck_assert_uint_eq(c.n_clusters, 2);
    aci_workshop_clusters_free(&c);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

Suite *test_score_groups_suite(void);
Suite *test_score_groups_suite(void)
{
    Suite *suite = suite_create("test_score_groups");
    TCase *tests = tcase_create("score_groups");

    tcase_add_test(tests, groups_are_those_that_occur);
    tcase_add_test(tests, steps_and_workflows_are_counted);
    tcase_add_test(tests, ratios_are_passes_scores_and_whole_workflows);
    suite_add_tcase(suite, tests);
    return suite;
}
