/* score_groups.c - see score_groups.h. */
#include "workshop/evaluate/score_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/error.h"

enum { BY_ALL, BY_DOMAIN, BY_KIND, BY_LEVEL, BY_KIND_LEVEL, N_BY };

static const char *const by_names[N_BY] = { "all", "domain", "kind", "level",
                                            "kind_level" };

/* What a step is called under each way of grouping. */
static void key_of(int32_t *a, int32_t *b, int by,
                   const aci_scored_step *step)
{
    *a = by == BY_DOMAIN                     ? step->domain
         : by == BY_KIND || by == BY_KIND_LEVEL ? step->kind
         : by == BY_LEVEL                    ? step->level
                                             : 0;
    *b = by == BY_KIND_LEVEL ? step->level : 0;
}

static bool holds(const aci_group *group, const aci_scored_step *step)
{
    int32_t a, b;
    int by = 0;

    while (by_names[by] != group->by)
        by++;
    key_of(&a, &b, by, step);
    return group->a == a && group->b == b;
}

static void name_group(aci_group *out, int by, const aci_score *score)
{
    switch (by) {
    case BY_ALL:
        snprintf(out->name, sizeof out->name, "all");
        break;
    case BY_LEVEL:
        snprintf(out->name, sizeof out->name, "%d", (int)out->a);
        break;
    case BY_KIND_LEVEL:
        snprintf(out->name, sizeof out->name, "%s %d",
                 score->names[out->a], (int)out->b);
        break;
    default:
        snprintf(out->name, sizeof out->name, "%s", score->names[out->a]);
    }
}

static int compare(const void *a, const void *b)
{
    const aci_group *x = a, *y = b;

    return strcmp(x->name, y->name);
}

ac_status aci_workshop_groups_make(aci_groups *out, const aci_score *score,
                                   ac_error *error)
{
    uint32_t began, g;
    size_t i;
    int by;

    out->n = 0;
    for (by = 0; by < N_BY; by++) {
        began = out->n;
        for (i = 0; i < score->n_steps; i++) {
            for (g = began; g < out->n; g++)
                if (holds(&out->list[g], &score->steps[i]))
                    break;
            if (g < out->n)
                continue;
            if (g == ACI_MAX_GROUPS)
                return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                         "there are more than %d groups",
                                         ACI_MAX_GROUPS);
            out->list[g].by = by_names[by];
            key_of(&out->list[g].a, &out->list[g].b, by, &score->steps[i]);
            out->list[g].of_workflows = by == BY_ALL || by == BY_DOMAIN;
            name_group(&out->list[g], by, score);
            out->n++;
        }
        qsort(out->list + began, out->n - began, sizeof *out->list, compare);
    }
    return AC_OK;
}

static ac_status tally_step(aci_clusters *out, const aci_groups *groups,
                            const aci_scored_step *step, ac_error *error)
{
    uint32_t g;
    ac_status status = AC_OK;

    for (g = 0; g < groups->n && status == AC_OK; g++) {
        if (!holds(&groups->list[g], step))
            continue;
        status = aci_workshop_clusters_add(
            out, step->workflow, ACI_N_RATIOS * g + ACI_RATIO_STEPS,
            step->passed, 1.0, error);
        if (status == AC_OK)
            status = aci_workshop_clusters_add(
                out, step->workflow, ACI_N_RATIOS * g + ACI_RATIO_SCORE,
                step->score, 1.0, error);
    }
    return status;
}

/* A workflow passes with all its steps; it belongs to its last one's group. */
static ac_status tally_workflow(aci_clusters *out, const aci_groups *groups,
                                const aci_scored_step *last, bool passed,
                                ac_error *error)
{
    uint32_t g;
    ac_status status = AC_OK;

    for (g = 0; g < groups->n && status == AC_OK; g++)
        if (groups->list[g].of_workflows && holds(&groups->list[g], last))
            status = aci_workshop_clusters_add(
                out, last->workflow, ACI_N_RATIOS * g + ACI_RATIO_WORKFLOWS,
                passed, 1.0, error);
    return status;
}

ac_status aci_workshop_groups_tally(aci_clusters *out,
                                    const aci_groups *groups,
                                    const aci_score *score, ac_error *error)
{
    bool passed = true;
    size_t i;
    ac_status status = AC_OK;

    for (i = 0; i < score->n_steps && status == AC_OK; i++) {
        const aci_scored_step *step = &score->steps[i];

        status = tally_step(out, groups, step, error);
        passed = passed && step->passed;
        if (status != AC_OK || (i + 1 < score->n_steps &&
                                step[1].workflow == step->workflow))
            continue;
        status = tally_workflow(out, groups, step, passed, error);
        passed = true;
    }
    out->n_ratios = ACI_N_RATIOS * groups->n;
    return status;
}

void aci_workshop_groups_count(uint32_t *n_steps, uint32_t *n_workflows,
                               const aci_group *group,
                               const aci_score *score)
{
    uint32_t last = UINT32_MAX;
    size_t i;

    *n_steps = *n_workflows = 0;
    for (i = 0; i < score->n_steps; i++) {
        if (!holds(group, &score->steps[i]))
            continue;
        (*n_steps)++;
        *n_workflows += score->steps[i].workflow != last;
        last = score->steps[i].workflow;
    }
}
