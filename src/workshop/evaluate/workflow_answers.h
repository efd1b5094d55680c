/* workflow_answers.h - an engine's answers to a suite, by workflow and step. */
#ifndef ACI_WORKSHOP_WORKFLOW_ANSWERS_H
#define ACI_WORKSHOP_WORKFLOW_ANSWERS_H

#include <jansson.h>

#include "agentcompress.h"
#include "platform/memory.h"

typedef struct aci_answers {
    json_t *by_id;           /* {id: {"1": "text", ...}} */
    char variant[64];        /* who answered; "" when the rows do not say */
    char path[256];          /* of the file, for messages; may be cut */
} aci_answers;

/* Reads rows {"id", "step", "answer"} and, when there, "variant"; other fields
 * are passed over. AC_E_FORMAT names the line: a field missing, the same step
 * of the same workflow twice, rows of two variants. */
ac_status aci_workshop_answers_read(aci_answers *out, aci_memory *memory,
                                    const char *path, ac_error *error);
void aci_workshop_answers_free(aci_answers *answers);

/* The answer to `step` (from 1) of workflow `id`, lent; NULL: none. */
const char *aci_workshop_answers_find(const aci_answers *answers,
                                      const char *id, int32_t step);

/* Lets go of a workflow's answers once they are judged: what is left at the
 * end belongs to no workflow. Number of answers it had. */
size_t aci_workshop_answers_drop(aci_answers *answers, const char *id);

/* A workflow that is still there, or NULL. */
const char *aci_workshop_answers_left(const aci_answers *answers);

#endif
