/* batch_mean.h - the mean over tokens, and how sure it is.
 *
 * Neighbouring tokens are not independent: a hard passage is hard for many
 * tokens in a row, and the usual s / sqrt(n) is too small. So tokens are taken
 * in batches (here: as many as a window reads) and the batches are held to be
 * independent. With sums x_b over n_b tokens,
 *
 *     m = sum x_b / sum n_b
 *     error^2 = B / (B - 1) * sum (x_b - m n_b)^2 / (sum n_b)^2
 *
 * the ratio estimator of cluster sampling (Cochran 1977, section 9A). */
#ifndef ACI_WORKSHOP_BATCH_MEAN_H
#define ACI_WORKSHOP_BATCH_MEAN_H

#include <stdint.h>

typedef struct aci_batch_mean {
    double x, n;                 /* of the batch at hand */
    double sum_x, sum_n;         /* of those closed */
    double sum_xx, sum_xn, sum_nn;
    uint64_t n_batches;
} aci_batch_mean;

/* All zero to begin with. */
static inline void aci_workshop_batch_add(aci_batch_mean *m, double x)
{
    m->x += x;
    m->n += 1.0;
}

/* Ends a batch; an empty one does not count. */
void aci_workshop_batch_close(aci_batch_mean *m);

/* The mean, and its standard error in *error (NaN of fewer than two batches).
 * NaN when nothing was added. */
double aci_workshop_batch_mean(double *error, const aci_batch_mean *m);

#endif
