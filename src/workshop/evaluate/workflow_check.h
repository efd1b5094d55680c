/* workflow_check.h - a workflow's row looked at as a whole, before anybody
 * spends hours on answering it. */
#ifndef ACI_WORKSHOP_WORKFLOW_CHECK_H
#define ACI_WORKSHOP_WORKFLOW_CHECK_H

#include "workshop/evaluate/workflow_row.h"

/* A step's check with the reference's answers where its source says "{{n}}";
 * the caller releases *out. */
ac_status aci_workshop_workflow_complete(json_t **out, aci_memory *memory,
                                         const aci_workflow *workflow,
                                         int32_t step, ac_error *error);

/* AC_OK when every step can be asked and judged; else AC_E_FORMAT naming step
 * and field. */
ac_status aci_workshop_workflow_check(aci_memory *memory, const json_t *row,
                                      ac_error *error);

#endif
