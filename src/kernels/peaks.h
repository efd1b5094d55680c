/* peaks.h - what choosing a token needs of a row of logits: its best entries
 * and two sums, half a kilobyte in place of half a megabyte. A device computes
 * them where the logits are; whoever needs more asks for the whole row. */
#ifndef ACI_KERNELS_PEAKS_H
#define ACI_KERNELS_PEAKS_H

#include <stdint.h>

enum { ACI_PEAKS = 64 };

typedef struct aci_choice {
    float logit;
    int32_t token;
} aci_choice;

typedef struct aci_peaks {
    double log_sum; /* log of the sum of exp(logit), the exponentials float32;
                     * not finite where a logit is NaN, one is infinite or all
                     * are minus infinity */
    double mass;    /* sum of exp((logit - best) * scale); 0 for scale 0 */
    int32_t n;      /* of `best`: those asked for or more, or the whole row */
    int32_t unused;
    aci_choice best[ACI_PEAKS]; /* largest first; equal ones by their token */
} aci_peaks;

/* The plain version, for logits in host memory. n_vocab >= 1; n_best of 1 to
 * ACI_PEAKS are found; scale is 1 / temperature, or 0 where no mass is wanted.
 * Rows with NaN have no order: then log_sum alone means something. */
void aci_kernels_peaks(aci_peaks *out, const float *logits, int32_t n_vocab,
                       int32_t n_best, float scale);

#endif
