/* workflow_row.h - reading a workflow's row, and putting earlier answers into
 * a prompt. Rows may come from users: every field is looked at before use. */
#ifndef ACI_WORKSHOP_WORKFLOW_ROW_H
#define ACI_WORKSHOP_WORKFLOW_ROW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

enum { ACI_MAX_STEPS = 64 };

/* Lent by the row. */
typedef struct aci_workflow_step {
    const char *kind;        /* the row's, or the check's */
    int32_t level;           /* 0 when the row has none */
    const char *prompt;
    const char *answer;      /* the reference; NULL: none */
    const json_t *check;
    int32_t max_tokens;      /* 256 when the row has none */
} aci_workflow_step;

typedef struct aci_workflow {
    const char *id;
    const char *domain;      /* "" when the row has none */
    int32_t n_steps;
    aci_workflow_step steps[ACI_MAX_STEPS];
} aci_workflow;

/* AC_E_FORMAT says what is wrong, "step 2 has no prompt". */
ac_status aci_workshop_workflow_read(aci_workflow *out, const json_t *row,
                                     ac_error *error);

/* `text` with every "{{n}}" replaced by answers[n - 1], in one pass: an answer
 * that itself holds "{{1}}" stays as it is. *out is NUL-terminated and the
 * caller's. AC_E_FORMAT when n is not in [1, n_answers] or that answer is
 * NULL. */
ac_status aci_workshop_workflow_fill(char **out, aci_memory *memory,
                                     const char *text,
                                     const char *const *answers,
                                     size_t n_answers, ac_error *error);

/* {"prompt", "completion"} of step `step` (from 0), earlier answers being the
 * reference's. The caller releases *out. */
ac_status aci_workshop_workflow_training(json_t **out, aci_memory *memory,
                                         const aci_workflow *workflow,
                                         int32_t step, ac_error *error);

#endif
