/* feedback_lanes.h - the sums that error feedback spends its time on, once per
 * level of the processor. Sixteen lanes are sixteen rows of a strip and never
 * meet, and products are not fused, so every level gives the same bits. */
#ifndef ACI_WORKSHOP_FEEDBACK_LANES_H
#define ACI_WORKSHOP_FEEDBACK_LANES_H

#include <stddef.h>
#include <stdint.h>

enum { ACI_FEEDBACK_ROWS = 16 };

typedef struct aci_feedback_lanes {
    /* y[i] += sum over j in [first, last) of errors[j] * matrix[i][j], for
     * i < n; y and errors [.][16], aligned to 64 bytes. */
    void (*gather)(float *y, const float *errors, const float *matrix,
                   size_t stride, int32_t n, int32_t first, int32_t last);
} aci_feedback_lanes;

extern const aci_feedback_lanes aci_workshop_feedback_portable;
extern const aci_feedback_lanes aci_workshop_feedback_avx2;
extern const aci_feedback_lanes aci_workshop_feedback_avx512;

/* "avx512", "avx2", "portable"; NULL: the best there is, else NULL where the
 * processor lacks it. */
const aci_feedback_lanes *aci_workshop_feedback_level(const char *name);

#endif
