/* calibration_text.h - the tokens a calibration is made from, in batches. */
#ifndef ACI_WORKSHOP_CALIBRATION_TEXT_H
#define ACI_WORKSHOP_CALIBRATION_TEXT_H

#include "workshop/compress/calibration.h"
#include "workshop/train/corpus.h"

/* Rows a batch may have: the products run at full speed, activations stay
 * small. Also the longest piece of a document. */
enum { ACI_CALIBRATION_BATCH = 2048 };

typedef struct aci_calibration_text {
    aci_memory *memory;
    int32_t *tokens;       /* [n_tokens] */
    int32_t *starts;       /* batch by batch, [n_documents + 1] each */
    size_t *first_token;   /* [n_batches + 1] */
    size_t *first_start;   /* [n_batches + 1] */
    size_t n_batches, n_tokens, n_starts;
    uint64_t checksum;     /* of tokens and starts */
} aci_calibration_text;

/* All documents of the request's files. */
ac_status aci_workshop_calibration_read(aci_corpus *out, aci_memory *memory,
                                        const aci_calibration_request *request,
                                        ac_error *error);

/* The pieces that come first in the shuffled order, whole ones, as many as
 * n_tokens hold; the corpus is not empty. AC_E_ARGUMENT when none fits. */
ac_status aci_workshop_calibration_choose(aci_calibration_text *out,
                                          aci_memory *memory,
                                          const aci_corpus *corpus,
                                          uint64_t n_tokens, int32_t n_vocab,
                                          ac_error *error);
void aci_workshop_calibration_text_free(aci_calibration_text *text);

/* Batch `i`; `zeros` [ACI_CALIBRATION_BATCH] stands in for the tokens of a
 * network that has no embedding. */
void aci_workshop_calibration_batch(aci_batch *out,
                                    const aci_calibration_text *text, size_t i,
                                    const int32_t *zeros);

#endif
