/* peaks_sample.c - see peaks_sample.h. */
#include "kernels/peaks_sample.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

void peaks_sample_fill(float *logits, int32_t n, aci_random *dice, int holes)
{
    int32_t i;

    for (i = 0; i < n; i++) {
        double unit = aci_platform_random_unit(dice);

        logits[i] = (float)(floor(unit * 40.0) / 4.0 - 5.0);
        if (aci_platform_random_unit(dice) < 0.1)
            logits[i] = (float)(unit * 12.0 - 6.0);
        if (logits[i] == 0.0f && i % 2 == 0)
            logits[i] = -0.0f;
        if (holes && i % 5 == 3)
            logits[i] = -INFINITY;
    }
}

static int by_choice(const void *a, const void *b)
{
    const aci_choice *x = a, *y = b;

    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return (x->token > y->token) - (x->token < y->token);
}

static void check_order(const aci_peaks *found, const float *logits, int32_t n,
                        int32_t n_best)
{
    aci_choice *all = malloc((size_t)n * sizeof *all);
    int32_t i;

    ck_assert_ptr_nonnull(all);
    for (i = 0; i < n; i++)
        all[i] = (aci_choice){ logits[i], i };
    qsort(all, (size_t)n, sizeof *all, by_choice);
    ck_assert_int_eq(found->n, n < n_best ? n : n_best);
    for (i = 0; i < found->n; i++) {
        ck_assert_int_eq(found->best[i].token, all[i].token);
        ck_assert(found->best[i].logit == all[i].logit);
    }
    free(all);
}

void peaks_sample_check(const aci_peaks *found, const float *logits, int32_t n,
                        int32_t n_best, float scale)
{
    long double sum = 0.0L, mass = 0.0L, top = -INFINITY;
    int32_t i;

    check_order(found, logits, n, n_best);
    for (i = 0; i < n; i++)
        top = logits[i] > top ? (long double)logits[i] : top;
    for (i = 0; i < n; i++) {
        sum += expl((long double)logits[i] - top);
        mass += expl(((long double)logits[i] - top) * (long double)scale);
    }
    /* float32 exponentials: each within 2 units of 2^-24 */
    ck_assert_double_eq_tol(found->log_sum, (double)(top + logl(sum)), 3e-7);
    if (scale > 0.0f)
        ck_assert_double_eq_tol(found->mass / (double)mass, 1.0, 1e-12);
    else
        ck_assert(found->mass == 0.0);
}
