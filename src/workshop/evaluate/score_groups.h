/* score_groups.h - which steps are reported together: all of them; those of a
 * domain, a kind, a level, a kind at a level. */
#ifndef ACI_WORKSHOP_SCORE_GROUPS_H
#define ACI_WORKSHOP_SCORE_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "agentcompress.h"
#include "workshop/evaluate/bootstrap.h"
#include "workshop/evaluate/workflow_score.h"

enum { ACI_MAX_GROUPS = 512 };

typedef struct aci_group {
    const char *by;          /* all, domain, kind, level or kind_level */
    char name[48];           /* "biology", "0", "hypothesis 2" */
    int32_t a, b;            /* what the name is made from */
    bool of_workflows;       /* whole workflows fall into it */
} aci_group;

typedef struct aci_groups {
    aci_group list[ACI_MAX_GROUPS]; /* sorted as they are to be printed */
    uint32_t n;
} aci_groups;

/* Three ratios for each group, numbered 3 * group + one of these. */
enum { ACI_RATIO_STEPS, ACI_RATIO_SCORE, ACI_RATIO_WORKFLOWS, ACI_N_RATIOS };

/* The groups that the steps fall into. AC_E_UNSUPPORTED when too many. */
ac_status aci_workshop_groups_make(aci_groups *out, const aci_score *score,
                                   ac_error *error);

/* The ratios of every workflow, for aci_workshop_bootstrap. `out` begins
 * zeroed but for its memory. */
ac_status aci_workshop_groups_tally(aci_clusters *out,
                                    const aci_groups *groups,
                                    const aci_score *score, ac_error *error);

/* Steps of the group, and workflows that have one. */
void aci_workshop_groups_count(uint32_t *n_steps, uint32_t *n_workflows,
                               const aci_group *group,
                               const aci_score *score);

#endif
