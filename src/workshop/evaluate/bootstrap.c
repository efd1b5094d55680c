/* bootstrap.c - see bootstrap.h. */
#include "workshop/evaluate/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/error.h"
#include "platform/random.h"

static ac_status grow(aci_clusters *c, ac_error *error)
{
    size_t larger = 2 * c->capacity + 1024;
    aci_share *shares;

    if (c->n_shares < c->capacity)
        return AC_OK;
    shares = aci_platform_realloc(c->memory, c->shares,
                                  larger * sizeof *shares);
    if (shares == NULL)
        return aci_platform_fail_memory(error, "a bootstrap");
    c->shares = shares;
    c->capacity = larger;
    return AC_OK;
}

ac_status aci_workshop_clusters_add(aci_clusters *c, uint32_t cluster,
                                    uint32_t ratio, double numerator,
                                    double denominator, ac_error *error)
{
    size_t i = c->n_shares;
    ac_status status;

    while (i > 0 && c->shares[i - 1].cluster == cluster) {
        i--;
        if (c->shares[i].ratio == ratio) {
            c->shares[i].numerator += numerator;
            c->shares[i].denominator += denominator;
            return AC_OK;
        }
    }
    status = grow(c, error);
    if (status != AC_OK)
        return status;
    c->shares[c->n_shares++] =
        (aci_share){ cluster, ratio, numerator, denominator };
    if (cluster >= c->n_clusters)
        c->n_clusters = cluster + 1;
    if (ratio >= c->n_ratios)
        c->n_ratios = ratio + 1;
    return AC_OK;
}

void aci_workshop_clusters_free(aci_clusters *c)
{
    aci_platform_free(c->memory, c->shares);
    c->shares = NULL;
}

/* ---- drawing ------------------------------------------------------------- */

typedef struct drawing {
    const aci_clusters *clusters;
    double *out;
    uint32_t *times;         /* [n_threads][n_clusters] */
    double *sums;            /* [n_threads][n_ratios][2] */
    uint32_t n_resamples;
    uint64_t seed;
} drawing;

static void draw_once(const drawing *d, uint32_t *times, double *sums,
                      uint32_t resample)
{
    const aci_clusters *c = d->clusters;
    aci_random random;
    uint32_t i;
    size_t s;

    aci_platform_random_seed(&random, d->seed);
    aci_platform_random_seed(&random, aci_platform_random_next(&random) +
                                          resample * 0x9e3779b97f4a7c15u);
    memset(times, 0, c->n_clusters * sizeof *times);
    memset(sums, 0, 2 * c->n_ratios * sizeof *sums);
    for (i = 0; i < c->n_clusters; i++)
        times[aci_platform_random_below(&random, c->n_clusters)]++;
    for (s = 0; s < c->n_shares; s++) {
        const aci_share *share = &c->shares[s];
        double n = times[share->cluster];

        sums[2 * share->ratio] += n * share->numerator;
        sums[2 * share->ratio + 1] += n * share->denominator;
    }
    for (i = 0; i < c->n_ratios; i++)
        d->out[(size_t)i * d->n_resamples + resample] =
            sums[2 * i + 1] > 0.0 ? sums[2 * i] / sums[2 * i + 1]
                                  : (double)NAN;
}

static void draw_some(void *argument, int64_t first, int64_t last,
                      int32_t thread)
{
    const drawing *d = argument;
    uint32_t *times = d->times + (size_t)thread * d->clusters->n_clusters;
    double *sums = d->sums + 2 * (size_t)thread * d->clusters->n_ratios;
    int64_t i;

    for (i = first; i < last; i++)
        draw_once(d, times, sums, (uint32_t)i);
}

ac_status aci_workshop_bootstrap(double *out, aci_pool *pool,
                                 const aci_clusters *clusters,
                                 uint32_t n_resamples, uint64_t seed,
                                 ac_error *error)
{
    drawing d = { clusters, out, NULL, NULL, n_resamples, seed };
    size_t n_threads = (size_t)aci_platform_pool_threads(pool);
    aci_memory *memory = clusters->memory;
    ac_status status = AC_OK;

    d.times = aci_platform_alloc_zeroed(memory, n_threads,
                                        clusters->n_clusters *
                                            sizeof *d.times);
    d.sums = aci_platform_alloc_zeroed(memory, n_threads,
                                       2 * clusters->n_ratios *
                                           sizeof *d.sums);
    if (d.times == NULL || d.sums == NULL)
        status = aci_platform_fail_memory(error, "a bootstrap");
    else
        aci_platform_pool_run(pool, draw_some, &d, n_resamples, 64);
    aci_platform_free(memory, d.times);
    aci_platform_free(memory, d.sums);
    return status;
}

/* ---- reading off --------------------------------------------------------- */

double aci_workshop_ratio(const aci_clusters *c, uint32_t ratio)
{
    double numerator = 0.0, denominator = 0.0;
    size_t i;

    for (i = 0; i < c->n_shares; i++) {
        if (c->shares[i].ratio == ratio) {
            numerator += c->shares[i].numerator;
            denominator += c->shares[i].denominator;
        }
    }
    return denominator > 0.0 ? numerator / denominator : (double)NAN;
}

uint32_t aci_workshop_ratio_clusters(const aci_clusters *c, uint32_t ratio)
{
    uint32_t n = 0;
    size_t i;

    for (i = 0; i < c->n_shares; i++)
        n += c->shares[i].ratio == ratio;
    return n;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void aci_workshop_interval(double *low, double *high, double *values,
                           uint32_t n)
{
    uint32_t kept = 0, i;

    for (i = 0; i < n; i++)
        if (!isnan(values[i]))
            values[kept++] = values[i];
    *low = *high = (double)NAN;
    if (kept == 0)
        return;
    qsort(values, kept, sizeof *values, compare);
    i = (uint32_t)(0.025 * (double)kept);
    *low = values[i];
    *high = values[kept - 1 - i];
}

void aci_workshop_interval_extreme(double *low, double *high, double share,
                                   uint32_t n_clusters)
{
    double far = pow(0.025, 1.0 / (double)n_clusters);

    if (share >= 1.0)
        *low = far;
    if (share <= 0.0)
        *high = 1.0 - far;
}
