/* predictor_judge.c - see predictor_judge.h. */
#include "workshop/train/predictor_judge.h"

#include <math.h>
#include <stdlib.h>

#include "platform/random.h"

enum { BINS = 15, DRAWS = 200 };

/* By key, then by item, so that the order is the same everywhere. */
static int compare(const void *left, const void *right)
{
    const aci_ranked *a = left, *b = right;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

static void rank(aci_ranked *out, const double *keys, uint32_t n)
{
    uint32_t i;

    for (i = 0; i < n; i++) {
        out[i].key = keys[i];
        out[i].item = i;
    }
    qsort(out, n, sizeof *out, compare);
}

double aci_workshop_auroc(aci_ranked *scratch, const double *scores,
                       const double *outcomes, uint32_t n)
{
    double below = 0.0, won = 0.0, good = 0.0, bad = 0.0;
    uint32_t i = 0, j;

    rank(scratch, scores, n);
    while (i < n) { /* one group of ties at a time */
        double tied_good = 0.0, tied_bad = 0.0;

        for (j = i; j < n && scratch[j].key == scratch[i].key; j++) {
            tied_good += outcomes[scratch[j].item];
            tied_bad += 1.0 - outcomes[scratch[j].item];
        }
        won += tied_good * (below + 0.5 * tied_bad);
        below += tied_bad;
        good += tied_good;
        bad += tied_bad;
        i = j;
    }
    return good > 0.0 && bad > 0.0 ? won / (good * bad) : NAN;
}

double aci_workshop_brier(const double *probabilities, const double *outcomes,
                       uint32_t n)
{
    double sum = 0.0;
    uint32_t i;

    for (i = 0; i < n; i++)
        sum += (probabilities[i] - outcomes[i]) *
               (probabilities[i] - outcomes[i]);
    return n > 0 ? sum / n : NAN;
}

static double ranked_ece(const aci_ranked *ranked, const double *outcomes,
                         uint32_t n)
{
    double error = 0.0;
    uint32_t bin;

    for (bin = 0; bin < BINS; bin++) {
        uint32_t first = (uint32_t)((uint64_t)n * bin / BINS);
        uint32_t last = (uint32_t)((uint64_t)n * (bin + 1) / BINS), i;
        double gap = 0.0;

        for (i = first; i < last; i++)
            gap += ranked[i].key - outcomes[ranked[i].item];
        error += gap < 0.0 ? -gap : gap;
    }
    return n > 0 ? error / n : NAN;
}

double aci_workshop_ece(aci_ranked *scratch, const double *probabilities,
                     const double *outcomes, uint32_t n)
{
    rank(scratch, probabilities, n);
    return ranked_ece(scratch, outcomes, n);
}

double aci_workshop_ece_floor(aci_ranked *scratch, double *drawn,
                           const double *probabilities, uint32_t n,
                           uint64_t seed)
{
    aci_random random;
    double sum = 0.0;
    uint32_t draw, i;

    aci_platform_random_seed(&random, seed);
    rank(scratch, probabilities, n);
    for (draw = 0; draw < DRAWS; draw++) {
        for (i = 0; i < n; i++)
            drawn[i] = aci_platform_random_unit(&random) < probabilities[i];
        sum += ranked_ece(scratch, drawn, n);
    }
    return sum / DRAWS;
}

double aci_workshop_apgr(aci_ranked *scratch, const double *scores,
                      const double *weak, const double *strong, uint32_t n)
{
    double gap = 0.0, gained = 0.0, area = 0.0;
    uint32_t i;

    for (i = 0; i < n; i++)
        gap += strong[i] - weak[i];
    if (!(gap > 0.0))
        return NAN;
    rank(scratch, scores, n);
    for (i = 0; i < n; i++) { /* trapezoids of width 1 / n */
        double gain = strong[scratch[i].item] - weak[scratch[i].item];

        area += gained + 0.5 * gain;
        gained += gain;
    }
    return area / gap / n;
}
