/* check_answer.h - did a request succeed? One checker per kind, driven by the
 * request's `check` object (docs/workflows.md has the schema).
 *
 * A checker knows the truth; it never asks a model. It passes an answer only
 * when every rule holds, and keeps the share of rules that do as the score. */
#ifndef ACI_WORKSHOP_CHECK_ANSWER_H
#define ACI_WORKSHOP_CHECK_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "agentcompress.h"
#include "platform/memory.h"

typedef struct aci_verdict {
    bool pass;           /* every rule holds */
    double score;        /* share of rules that hold, [0, 1] */
    char reason[160];    /* the first rule broken; "" when it passed */
} aci_verdict;

/* AC_E_FORMAT, naming the field, when `check` is not a valid object; any
 * answer, of any bytes, is judged without error. */
ac_status aci_workshop_check_answer(aci_verdict *out, aci_memory *memory,
                                    const json_t *check, const char *answer,
                                    size_t n_bytes, ac_error *error);

#endif
