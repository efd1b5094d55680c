/* batch_mean.c - see batch_mean.h. */
#include "workshop/evaluate/batch_mean.h"

#include <math.h>

void aci_workshop_batch_close(aci_batch_mean *m)
{
    if (m->n == 0.0)
        return;
    m->sum_x += m->x;
    m->sum_n += m->n;
    m->sum_xx += m->x * m->x;
    m->sum_xn += m->x * m->n;
    m->sum_nn += m->n * m->n;
    m->n_batches++;
    m->x = m->n = 0.0;
}

double aci_workshop_batch_mean(double *error, const aci_batch_mean *m)
{
    double mean, square, batches = (double)m->n_batches;

    *error = (double)NAN;
    if (m->n_batches == 0)
        return (double)NAN;
    mean = m->sum_x / m->sum_n;
    if (m->n_batches > 1) {
        square = m->sum_xx - 2.0 * mean * m->sum_xn +
                 mean * mean * m->sum_nn;
        square = square > 0.0 ? square : 0.0; /* rounding */
        *error = sqrt(square * batches / (batches - 1.0)) / m->sum_n;
    }
    return mean;
}
