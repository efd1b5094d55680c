/* error_feedback.h - codes of a strip chosen so that their errors cancel in
 * the products the matrix is used for; see error_feedback.c. */
#ifndef ACI_WORKSHOP_ERROR_FEEDBACK_H
#define ACI_WORKSHOP_ERROR_FEEDBACK_H

#include "workshop/compress/calibration.h"
#include "workshop/compress/feedback_lanes.h"
#include "workshop/compress/linear_algebra.h"
#include "workshop/compress/plane_quantizer.h"

/* What one input of a model says about the matrices that read it; shared by
 * threads. */
typedef struct aci_feedback {
    aci_memory *memory;
    int32_t n;
    float *importance;   /* [n rounded up to 128] E[x^2]; 0 in the padding */
    float *factor;       /* [n, n] row k: V[j][k], j < k; NULL: H could not be
                            factored, codes are rounded */
    float *moments;      /* [n, n] H, damped; NULL likewise */
    float *inverse;      /* [n] 1 / H[k][k] */
    int32_t n_tries;     /* dampings tried */
    /* How codes are chosen, see error_feedback.c: set by create, changed by
     * tests that hold single steps against other programs. */
    const aci_feedback_lanes *lanes;
    int32_t n_descents;
    float slack;
} aci_feedback;

/* From one input's statistics. H gets 1 % of its mean diagonal added, ten times
 * that on each of five more tries while it is not positive definite. */
ac_status aci_workshop_feedback_create(aci_feedback **out,
                                       aci_memory *memory,
                                       aci_algebra *algebra,
                                       const aci_input_statistics *input,
                                       ac_error *error);
void aci_workshop_feedback_free(aci_feedback *feedback);

/* Bytes it takes to make one, at most, for an input this wide. */
uint64_t aci_workshop_feedback_bytes(int32_t n);

/* As aci_workshop_quantize_strip, with feedback. `errors` [n_in_padded][16] is
 * scratch. */
int32_t aci_workshop_feedback_strip(aci_strip_codes *out, float *errors,
                                    const aci_feedback *feedback,
                                    const float *weights, int32_t n_in_padded,
                                    int32_t group, int32_t ratio);

#endif
