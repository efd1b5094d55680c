/* workflow_make.h - one workflow as a JSON row (docs/workflows.md). */
#ifndef ACI_WORKSHOP_WORKFLOW_MAKE_H
#define ACI_WORKSHOP_WORKFLOW_MAKE_H

#include <jansson.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

/* A pure function of (split, seed, index). The caller releases *out.
 * AC_E_ARGUMENT for an unknown split. */
ac_status aci_workshop_workflow_make(json_t **out, aci_memory *memory,
                                     const char *split, uint64_t seed,
                                     uint64_t index, ac_error *error);

#endif
