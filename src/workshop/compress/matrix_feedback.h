/* matrix_feedback.h - from a calibration to the feedback of the matrix at
 * hand. Matrices that read the same input (q, k, v) share what is computed. */
#ifndef ACI_WORKSHOP_MATRIX_FEEDBACK_H
#define ACI_WORKSHOP_MATRIX_FEEDBACK_H

#include "workshop/compress/error_feedback.h"
#include "workshop/compress/stages.h"
#include "workshop/compress/unit_order.h"

typedef struct aci_matrix_feedback {
    aci_memory *memory;
    const ac_compress_options *options;
    const aci_shape *shape;
    aci_calibration *calibration;
    aci_algebra *algebra;
    aci_feedback *feedback;    /* of the matrix at hand; NULL: none */
    int32_t layer, input;      /* what it is of */
    const aci_unit_order *order; /* lent; NULL: as in the checkpoint */
} aci_matrix_feedback;

/* Calibrates on options->calibration, or takes what was kept. The tokenizer is
 * the one in `folder`; a calibration that nobody asked to keep is a stage, and
 * made anew when it is of other work. */
ac_status aci_workshop_matrix_feedback_open(aci_matrix_feedback *out,
                                            aci_memory *memory,
                                            aci_pool *pool,
                                            const aci_checkpoint *checkpoint,
                                            const char *folder,
                                            const aci_stages *stages,
                                            ac_error *error);
/* Also of one that is all zero. */
void aci_workshop_matrix_feedback_close(aci_matrix_feedback *feedback);

/* Goes on to a matrix: feedback is set, to NULL for an embedding that no head
 * shares. What could not be factored is told to the log. */
ac_status aci_workshop_matrix_feedback_enter(aci_matrix_feedback *feedback,
                                             const aci_tensor *tensor,
                                             ac_error *error);

#endif
