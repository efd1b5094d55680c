/* score_report.h - what judged answers come to, by domain, kind and level,
 * with intervals: the JSON of ac_workflows_score (docs/workflows.md). */
#ifndef ACI_WORKSHOP_SCORE_REPORT_H
#define ACI_WORKSHOP_SCORE_REPORT_H

#include <jansson.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/threads.h"
#include "workshop/evaluate/workflow_score.h"

/* `against` NULL, or another's answers to the same suite: differences are
 * score minus against. The caller releases *out. */
ac_status aci_workshop_score_report(json_t **out, aci_pool *pool,
                                    const aci_score *score,
                                    const aci_score *against,
                                    uint32_t n_resamples, uint64_t seed,
                                    ac_error *error);

#endif
