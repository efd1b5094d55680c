/* compare_rows.c - see compare_rows.h. */
#include "workshop/evaluate/compare_rows.h"

#include <math.h>

typedef struct comparing {
    aci_row *rows;
    const float *full, *own;
    int32_t n_vocab;
} comparing;

/* ln sum exp x, and where the largest is; ties go to the lower token, as in
 * greedy decoding. NaN or infinite when a logit is. */
static double log_sum_exp(int32_t *top, const float *x, int32_t n)
{
    double sum = 0.0, most;
    int32_t i;

    *top = 0;
    for (i = 1; i < n; i++)
        if (x[i] > x[*top])
            *top = i;
    most = (double)x[*top];
    for (i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    return most + log(sum);
}

static double divergence(const float *full, double full_z, const float *own,
                         double own_z, int32_t n)
{
    double kl = 0.0;
    int32_t i;

    for (i = 0; i < n; i++) {
        double ln_p = (double)full[i] - full_z;

        kl += exp(ln_p) * (ln_p - ((double)own[i] - own_z));
    }
    return kl > 0.0 || isnan(kl) ? kl : 0.0; /* rounding */
}

static void compare_row(aci_row *row, const float *full, const float *own,
                        int32_t n_vocab)
{
    int32_t top;
    double z = log_sum_exp(&top, own, n_vocab);

    row->nats = z - (double)own[row->target];
    if (own == full) {
        row->full_nats = row->nats;
        row->full_z = z;
        row->full_top = top;
        row->kl = 0.0;
    } else {
        row->kl = divergence(full, row->full_z, own, z, n_vocab);
    }
    row->same_top = top == row->full_top;
    row->is_bad = !isfinite(row->nats) || !isfinite(row->kl);
}

static void compare_some(void *argument, int64_t first, int64_t last,
                         int32_t thread)
{
    const comparing *c = argument;
    int64_t i;

    (void)thread;
    for (i = first; i < last; i++)
        if (c->rows[i].target >= 0)
            compare_row(&c->rows[i], c->full + i * c->n_vocab,
                        c->own + i * c->n_vocab, c->n_vocab);
}

void aci_workshop_compare_rows(aci_row *rows, const float *full,
                               const float *own, int64_t n_rows,
                               int32_t n_vocab, aci_pool *pool)
{
    comparing c = { rows, full, own, n_vocab };

    aci_platform_pool_run(pool, compare_some, &c, n_rows, 1);
}
