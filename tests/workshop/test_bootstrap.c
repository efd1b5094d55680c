/* test_bootstrap.c - intervals against binomial ones, clusters as the unit,
 * pairs, and the same figures at any thread count. */
#include "workshop/evaluate/bootstrap.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 10000 };

static aci_memory memory;
static aci_pool *pool;
static double drawn[4 * N];

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
}

static void tear_down(void)
{
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* n clusters of `steps` steps each, the first k of which pass. */
static aci_clusters make(uint32_t n, uint32_t k, uint32_t steps)
{
    aci_clusters c = { .memory = &memory };
    uint32_t i, s;

    for (i = 0; i < n; i++)
        for (s = 0; s < steps; s++)
            ck_assert_int_eq(aci_workshop_clusters_add(&c, i, 0, i < k, 1.0,
                                                       NULL), AC_OK);
    return c;
}

static void interval_of(double *low, double *high, const aci_clusters *c)
{
    ck_assert_int_eq(aci_workshop_bootstrap(drawn, pool, c, N, 1, NULL),
                     AC_OK);
    aci_workshop_interval(low, high, drawn, N);
}

/* Drawing n Bernoulli clusters is drawing from Binomial(n, k / n), whose
 * quantiles are known: scipy.stats.binom.ppf([.025, .975], 500, .9) = 436,
 * 463; (200, .5) = 86, 114; (60, .05) = 0, 7. */
START_TEST(intervals_are_binomial_ones)
{
    static const double cases[][4] = { { 500, 450, 436, 463 },
                                       { 200, 100, 86, 114 },
                                       { 60, 3, 0, 7 } };
    size_t i;

    for (i = 0; i < 3; i++) {
        aci_clusters c = make((uint32_t)cases[i][0], (uint32_t)cases[i][1],
                              1);
        double low, high, one = 1.0 / cases[i][0];

        interval_of(&low, &high, &c);
        ck_assert_double_eq_tol(aci_workshop_ratio(&c, 0),
                                cases[i][1] * one, 1e-12);
        ck_assert_double_eq_tol(low, cases[i][2] * one, 1.01 * one);
        ck_assert_double_eq_tol(high, cases[i][3] * one, 1.01 * one);
        aci_workshop_clusters_free(&c);
    }
}
END_TEST

/* Ten steps that stand or fall together are worth one. */
START_TEST(steps_of_a_cluster_are_drawn_together)
{
    aci_clusters one = make(100, 70, 1), ten = make(100, 70, 10);
    double low[2], high[2];

    interval_of(&low[0], &high[0], &one);
    interval_of(&low[1], &high[1], &ten);
    ck_assert_double_eq(low[0], low[1]);
    ck_assert_double_eq(high[0], high[1]);
    ck_assert_uint_eq(aci_workshop_ratio_clusters(&ten, 0), 100);
    aci_workshop_clusters_free(&one);
    aci_workshop_clusters_free(&ten);
}
END_TEST

START_TEST(one_seed_draws_two_sets_alike)
{
    aci_clusters a = make(80, 60, 1), b = make(80, 60, 1);
    static double other[N];
    double low, high;
    uint32_t i;

    b.shares[0].numerator = 0.0; /* one cluster differs */
    ck_assert_int_eq(aci_workshop_bootstrap(drawn, pool, &a, N, 5, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_bootstrap(other, pool, &b, N, 5, NULL),
                     AC_OK);
    for (i = 0; i < N; i++)
        drawn[i] -= other[i];
    aci_workshop_interval(&low, &high, drawn, N);
    /* times that one cluster is drawn: Poisson(1), 97.5 % within 3 */
    ck_assert_double_eq(low, 0.0);
    ck_assert_double_eq_tol(high, 3.0 / 80.0, 1e-12);
    aci_workshop_clusters_free(&a);
    aci_workshop_clusters_free(&b);
}
END_TEST

START_TEST(threads_do_not_change_figures)
{
    aci_clusters c = make(90, 31, 3);
    static double other[N];
    aci_pool *alone;
    ac_status status = aci_platform_pool_create(&alone, &memory, 1, NULL);

    ck_assert_int_eq(status, AC_OK);
    ck_assert_int_eq(aci_workshop_bootstrap(drawn, pool, &c, N, 9, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_bootstrap(other, alone, &c, N, 9, NULL),
                     AC_OK);
    ck_assert_mem_eq(drawn, other, sizeof other);
    ck_assert_int_eq(aci_workshop_bootstrap(other, alone, &c, N, 10, NULL),
                     AC_OK);
    ck_assert_mem_ne(drawn, other, sizeof other);
    aci_platform_pool_free(alone);
    aci_workshop_clusters_free(&c);
}
END_TEST

START_TEST(what_a_resample_lacks_is_left_out)
{
    aci_clusters c = { .memory = &memory };
    double low, high;
    uint32_t i;

    for (i = 0; i < 6; i++)
        aci_workshop_clusters_add(&c, i, 0, 1.0, 1.0, NULL);
    aci_workshop_clusters_add(&c, 5, 1, 0.25, 1.0, NULL); /* rare */
    aci_workshop_clusters_add(&c, 5, 2, 0.0, 0.0, NULL);  /* never */
    ck_assert_int_eq(aci_workshop_bootstrap(drawn, pool, &c, N, 1, NULL),
                     AC_OK);
    aci_workshop_interval(&low, &high, drawn + N, N);
    ck_assert_double_eq(low, 0.25);
    ck_assert_double_eq(high, 0.25);
    aci_workshop_interval(&low, &high, drawn + 2 * N, N);
    ck_assert(isnan(low) && isnan(high));
    ck_assert(isnan(aci_workshop_ratio(&c, 2)));
    aci_workshop_clusters_free(&c);
}
END_TEST

/* Clopper-Pearson of 0 of 10 is [0, 0.3085], of 30 of 30 [0.8843, 1]. */
START_TEST(no_failure_at_all_is_no_certainty)
{
    double low = 0.0, high = 0.0;

    aci_workshop_interval_extreme(&low, &high, 0.0, 10);
    ck_assert_double_eq(low, 0.0);
    ck_assert_double_eq_tol(high, 0.3085, 1e-4);
    low = high = 1.0;
    aci_workshop_interval_extreme(&low, &high, 1.0, 30);
    ck_assert_double_eq_tol(low, 0.8843, 1e-4);
    ck_assert_double_eq(high, 1.0);
    low = 0.2;
    high = 0.4;
    aci_workshop_interval_extreme(&low, &high, 0.3, 10);
    ck_assert_double_eq(low, 0.2);
    ck_assert_double_eq(high, 0.4);
}
END_TEST

Suite *test_bootstrap_suite(void);
Suite *test_bootstrap_suite(void)
{
    Suite *suite = suite_create("test_bootstrap");
    TCase *tests = tcase_create("bootstrap");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, intervals_are_binomial_ones);
    tcase_add_test(tests, steps_of_a_cluster_are_drawn_together);
    tcase_add_test(tests, one_seed_draws_two_sets_alike);
    tcase_add_test(tests, threads_do_not_change_figures);
    tcase_add_test(tests, what_a_resample_lacks_is_left_out);
    tcase_add_test(tests, no_failure_at_all_is_no_certainty);
    suite_add_tcase(suite, tests);
    return suite;
}
