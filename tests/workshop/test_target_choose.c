/* test_target_choose.c - the knapsack against every choice there is: never over
 * the budget, never far from the best, and a larger budget never worse. */
#include "workshop/compress/target_choose.h"

#include <check.h>
#include <math.h>

#include "platform/random.h"

enum { N = 5, MOST = 4 };

typedef struct problem {
    aci_target_option options[N][MOST];
    aci_target_unit units[N];
    double all;                /* the dearest choice */
} problem;

static aci_memory memory;

/* Dearer options lose less, as a rule; some are good for nothing. */
static void make(problem *p, uint64_t seed)
{
    aci_random random;

    aci_platform_random_seed(&random, seed);
    p->all = 0.0;
    for (int u = 0; u < N; u++) {
        double most = 0.0;

        p->units[u].options = p->options[u];
        p->units[u].n = 1 + (int32_t)aci_platform_random_below(&random, MOST);
        for (int i = 0; i < p->units[u].n; i++) {
            double cost = 1.0 + 9.0 * aci_platform_random_unit(&random);
            double loss = aci_platform_random_unit(&random) / cost;

            p->options[u][i] = (aci_target_option){ cost, loss, i, 0, 0 };
            most = fmax(most, cost);
        }
        p->all += most;
    }
}

/* The least loss of all choices within the budget. */
static double best_of_all(const problem *p, double budget)
{
    int at[N] = { 0 }, u = 0;
    double best = INFINITY;

    while (u < N) {
        double cost = 0.0, loss = 0.0;

        for (int k = 0; k < N; k++) {
            cost += p->options[k][at[k]].cost;
            loss += p->options[k][at[k]].loss;
        }
        if (cost <= budget)
            best = fmin(best, loss);
        for (u = 0; u < N && ++at[u] == p->units[u].n; u++)
            at[u] = 0;
    }
    return best;
}

START_TEST(it_is_the_best_choice_within_the_budget)
{
    int n_compared = 0;

    aci_platform_memory_init(&memory);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        double last = INFINITY, least;
        problem p;

        make(&p, seed);
        least = aci_workshop_target_least(p.units, N);
        for (int i = 0; i <= 20; i++) {
            double budget = least + (p.all - least) * i / 20.0;
            double step = p.all / 16384.0, cost = 0.0, sum = 0.0, loss;
            int32_t chosen[N];

            ck_assert_int_eq(aci_workshop_target_choose(
                                 chosen, &loss, &memory, p.units, N, budget,
                                 NULL), AC_OK);
            for (int u = 0; u < N; u++) {
                cost += p.options[u][chosen[u]].cost;
                sum += p.options[u][chosen[u]].loss;
            }
            ck_assert_double_le(cost, budget * (1.0 + 1e-12));
            ck_assert_double_eq_tol(sum, loss, 1e-12);
            ck_assert_double_ge(loss, best_of_all(&p, budget) - 1e-12);
            /* costs are rounded up by less than a step for each unit */
            if (budget - N * step >= least) {
                ck_assert_double_le(loss, best_of_all(&p, budget - N * step) +
                                              1e-12);
                n_compared++;
            }
            if (i > 1) { /* the least is taken as it is, within a step */
                ck_assert_double_le(loss, last + 1e-12);
            }
            last = loss;
        }
    }
    ck_assert_int_gt(n_compared, 3000);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(what_cannot_be_is_told)
{
    double loss;
    int32_t chosen[N];
    problem p;

    aci_platform_memory_init(&memory);
    make(&p, 3);
    ck_assert_int_eq(aci_workshop_target_choose(
                         chosen, &loss, &memory, p.units, N,
                         aci_workshop_target_least(p.units, N) * 0.999, NULL),
                     AC_E_BUDGET);
    ck_assert(isinf(loss));
    ck_assert_int_eq(aci_workshop_target_choose(chosen, &loss, &memory,
                                                p.units, N, NAN, NULL),
                     AC_E_BUDGET);
    for (memory.fail_at = 1; memory.fail_at <= 3; memory.fail_at++) {
        memory.n_allocations = 0;
        ck_assert_int_eq(aci_workshop_target_choose(
                             chosen, &loss, &memory, p.units, N, p.all, NULL),
                         AC_E_NO_MEMORY);
        ck_assert_uint_eq(memory.used_bytes, 0);
    }
}
END_TEST

Suite *test_target_choose_suite(void);
Suite *test_target_choose_suite(void)
{
    Suite *suite = suite_create("test_target_choose");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, it_is_the_best_choice_within_the_budget);
    tcase_add_test(tests, what_cannot_be_is_told);
    suite_add_tcase(suite, tests);
    return suite;
}
