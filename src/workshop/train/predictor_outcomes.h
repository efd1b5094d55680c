/* predictor_outcomes.h - what a predictor learns from: prompts, and how often
 * each variant answered them well.
 *
 * A text file of JSON lines, plain or .xz, each of them either
 *     {"prompt": "...", "success": {"int4": 1, "full": 0.8}}
 * or, as the RouteLLM evaluation publishes them,
 *     {"prompt": "...", "weak_correct": true, "strong_correct": true, ...}
 * (variants "weak" and "strong"). Other fields are passed over; null, or a
 * variant a line does not name, means not known. */
#ifndef ACI_WORKSHOP_TRAIN_PREDICTOR_OUTCOMES_H
#define ACI_WORKSHOP_TRAIN_PREDICTOR_OUTCOMES_H

#include "platform/memory.h"
#include "router/features.h"
#include "router/predictor_forward.h"

enum {
    /* Features never look farther than this. */
    ACI_OUTCOME_KEPT_BYTES = ACI_ROUTER_MAX_TEMPLATE_BYTES +
                             ACI_ROUTER_WINDOW_BYTES
};

typedef struct aci_outcome {
    char *prompt;          /* its first kept bytes, and a NUL */
    uint64_t prompt_bytes; /* of the whole prompt */
    uint64_t prompt_hash;  /* of the whole prompt */
    float success[ACI_NETWORK_MAX_HEADS]; /* NaN: not known */
} aci_outcome;

typedef struct aci_outcomes {
    aci_memory *memory;
    aci_outcome *items;    /* [n], in the file's order */
    size_t n, capacity;
    uint32_t n_heads;      /* variants, in order of first appearance */
    char names[ACI_NETWORK_MAX_HEADS][32];
} aci_outcomes;

/* Zeroed `out` is filled; free it also after a failure. */
ac_status aci_workshop_outcomes_read(aci_outcomes *out, aci_memory *memory,
                                     const char *path, ac_error *error);
void aci_workshop_outcomes_free(aci_outcomes *outcomes);

#endif
