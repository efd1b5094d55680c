/* workflow_score.h - a suite's answers judged: what every step and every
 * workflow came to. Numbers for groups of them: score_groups.h. */
#ifndef ACI_WORKSHOP_WORKFLOW_SCORE_H
#define ACI_WORKSHOP_WORKFLOW_SCORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"
#include "workshop/evaluate/workflow_answers.h"

typedef struct aci_scored_step {
    uint32_t workflow;       /* place in the suite */
    uint16_t domain, kind;   /* into `names` of the score */
    int32_t level;
    bool passed, answered;
    double score;
} aci_scored_step;

enum { ACI_MAX_NAMES = 64 };

typedef struct aci_score {
    aci_memory *memory;
    aci_scored_step *steps;
    size_t n_steps, capacity;
    size_t n_workflows, n_answered;
    char names[ACI_MAX_NAMES][32];  /* domains and kinds, as they came */
    size_t n_names;
    json_t *reasons;         /* {kind: {reason: count}} */
    char variant[64];
} aci_score;

/* Where the workflows come from: a file, or a split made on the spot. */
typedef struct aci_suite {
    const char *path;        /* NULL: the split */
    const char *split;
    uint64_t seed, first, n_workflows;
} aci_suite;

/* Judges the answers in `path`; a step without one failed. `on_verdict` may be
 * NULL. AC_E_FORMAT when answers belong to no step of the suite. */
ac_status aci_workshop_score(aci_score *out, aci_memory *memory,
                             const aci_suite *suite, const char *path,
                             ac_verdict_callback on_verdict, void *user,
                             ac_error *error);
void aci_workshop_score_free(aci_score *score);

#endif
