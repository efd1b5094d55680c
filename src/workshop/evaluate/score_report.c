/* score_report.c - see score_report.h. */
#include "workshop/evaluate/score_report.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/evaluate/bootstrap.h"
#include "workshop/evaluate/score_groups.h"

/* One set of answers, tallied and drawn. */
typedef struct drawn {
    const aci_score *score;
    aci_clusters clusters;
    double *resamples;       /* [n_ratios][n] */
} drawn;

typedef struct reporting {
    aci_memory *memory;
    aci_pool *pool;
    aci_groups *groups;
    drawn own, other;        /* other.score NULL: nothing to compare with */
    double *scratch;         /* [n] */
    uint32_t n;
    uint64_t seed;
} reporting;

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *estimate(double value, double low, double high)
{
    return json_pack("{s:o, s:o, s:o}", "value", number(value), "low",
                     number(low), "high", number(high));
}

/* ---- one set of answers -------------------------------------------------- */

static json_t *ratio_json(const reporting *r, uint32_t ratio)
{
    double value = aci_workshop_ratio(&r->own.clusters, ratio), low, high;

    memcpy(r->scratch, r->own.resamples + (size_t)ratio * r->n,
           r->n * sizeof *r->scratch);
    aci_workshop_interval(&low, &high, r->scratch, r->n);
    aci_workshop_interval_extreme(
        &low, &high, value,
        aci_workshop_ratio_clusters(&r->own.clusters, ratio));
    return estimate(value, low, high);
}

static json_t *group_json(const reporting *r, uint32_t g)
{
    const aci_group *group = &r->groups->list[g];
    uint32_t n_steps, n_workflows, first = ACI_N_RATIOS * g;
    json_t *row;

    aci_workshop_groups_count(&n_steps, &n_workflows, group, r->own.score);
    row = json_pack(
        "{s:s, s:s, s:I, s:I, s:o, s:o}", "by", group->by, "name",
        group->name, "workflows", (json_int_t)n_workflows, "steps",
        (json_int_t)n_steps, "step_success",
        ratio_json(r, first + ACI_RATIO_STEPS), "score",
        number(aci_workshop_ratio(&r->own.clusters,
                                  first + ACI_RATIO_SCORE)));
    if (group->of_workflows)
        json_object_set_new(row, "workflow_success",
                            ratio_json(r, first + ACI_RATIO_WORKFLOWS));
    return row;
}

/* [{"kind", "reason", "count"}], commonest first. */
static json_t *reasons_json(const aci_score *score)
{
    json_t *list = json_array(), *of_kind, *count;
    const char *kind, *reason;

    json_object_foreach(score->reasons, kind, of_kind) {
        json_object_foreach(of_kind, reason, count) {
            json_int_t n = json_integer_value(count);
            size_t at = 0;

            while (at < json_array_size(list) &&
                   json_integer_value(json_object_get(
                       json_array_get(list, at), "count")) >= n)
                at++;
            json_array_insert_new(
                list, at, json_pack("{s:s, s:s, s:I}", "kind", kind,
                                    "reason", reason, "count", n));
        }
    }
    return list;
}

/* ---- two sets ------------------------------------------------------------ */

static json_t *difference_json(const reporting *r, uint32_t ratio)
{
    const double *own = r->own.resamples + (size_t)ratio * r->n;
    const double *other = r->other.resamples + (size_t)ratio * r->n;
    double low, high;
    uint32_t i;

    for (i = 0; i < r->n; i++)
        r->scratch[i] = own[i] - other[i];
    aci_workshop_interval(&low, &high, r->scratch, r->n);
    return estimate(aci_workshop_ratio(&r->own.clusters, ratio) -
                        aci_workshop_ratio(&r->other.clusters, ratio),
                    low, high);
}

/* Workflows that one passed and the other failed. */
static void count_changes(uint32_t *gained, uint32_t *lost,
                          const reporting *r)
{
    const aci_scored_step *own = r->own.score->steps;
    const aci_scored_step *other = r->other.score->steps;
    bool a = true, b = true;
    size_t i, n = r->own.score->n_steps;

    *gained = *lost = 0;
    for (i = 0; i < n; i++) {
        a = a && own[i].passed;
        b = b && other[i].passed;
        if (i + 1 < n && own[i + 1].workflow == own[i].workflow)
            continue;
        *gained += a && !b;
        *lost += b && !a;
        a = b = true;
    }
}

static json_t *against_json(const reporting *r)
{
    json_t *rows = json_array();
    uint32_t g, gained, lost;

    for (g = 0; g < r->groups->n; g++) {
        const aci_group *group = &r->groups->list[g];
        uint32_t first = ACI_N_RATIOS * g;
        json_t *row = json_pack(
            "{s:s, s:s, s:o}", "by", group->by, "name", group->name,
            "step_difference", difference_json(r, first + ACI_RATIO_STEPS));

        if (group->of_workflows)
            json_object_set_new(
                row, "workflow_difference",
                difference_json(r, first + ACI_RATIO_WORKFLOWS));
        json_array_append_new(rows, row);
    }
    count_changes(&gained, &lost, r);
    return json_pack("{s:s, s:I, s:I, s:I, s:o}", "variant",
                     r->other.score->variant, "missing",
                     (json_int_t)(r->other.score->n_steps -
                                  r->other.score->n_answered),
                     "workflows_gained", (json_int_t)gained,
                     "workflows_lost", (json_int_t)lost, "groups", rows);
}

/* ---- the report ---------------------------------------------------------- */

static ac_status draw(drawn *out, const reporting *r, const aci_score *score,
                      ac_error *error)
{
    ac_status status;

    out->score = score;
    status = aci_workshop_groups_tally(&out->clusters, r->groups, score,
                                       error);
    if (status != AC_OK)
        return status;
    out->resamples = aci_platform_alloc_array(
        r->memory, r->n, out->clusters.n_ratios * sizeof(double));
    if (out->resamples == NULL)
        return aci_platform_fail_memory(error, "resamples");
    return aci_workshop_bootstrap(out->resamples, r->pool, &out->clusters,
                                  r->n, r->seed, error);
}

static json_t *report_json(const reporting *r)
{
    const aci_score *score = r->own.score;
    json_t *groups = json_array(), *report;
    uint32_t g;

    for (g = 0; g < r->groups->n; g++)
        json_array_append_new(groups, group_json(r, g));
    report = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "variant",
        score->variant, "workflows", (json_int_t)score->n_workflows, "steps",
        (json_int_t)score->n_steps, "missing",
        (json_int_t)(score->n_steps - score->n_answered), "resamples",
        (json_int_t)r->n, "seed", (json_int_t)r->seed, "groups", groups,
        "failures", reasons_json(score));
    if (report != NULL && r->other.score != NULL)
        json_object_set_new(report, "against", against_json(r));
    return report;
}

static ac_status make(json_t **out, reporting *r, const aci_score *score,
                      const aci_score *against, ac_error *error)
{
    ac_status status = aci_workshop_groups_make(r->groups, score, error);

    if (status == AC_OK)
        status = draw(&r->own, r, score, error);
    if (status == AC_OK && against != NULL)
        status = draw(&r->other, r, against, error);
    if (status != AC_OK)
        return status;
    *out = report_json(r);
    return *out == NULL ? aci_platform_fail_memory(error, "the report")
                        : AC_OK;
}

ac_status aci_workshop_score_report(json_t **out, aci_pool *pool,
                                    const aci_score *score,
                                    const aci_score *against,
                                    uint32_t n_resamples, uint64_t seed,
                                    ac_error *error)
{
    reporting r = { .memory = score->memory, .pool = pool, .n = n_resamples,
                    .seed = seed, .own.clusters.memory = score->memory,
                    .other.clusters.memory = score->memory };
    ac_status status;

    *out = NULL;
    r.groups = aci_platform_alloc(r.memory, sizeof *r.groups);
    r.scratch = aci_platform_alloc_array(r.memory, n_resamples,
                                         sizeof(double));
    if (r.groups == NULL || r.scratch == NULL)
        status = aci_platform_fail_memory(error, "the report");
    else
        status = make(out, &r, score, against, error);
    aci_workshop_clusters_free(&r.own.clusters);
    aci_workshop_clusters_free(&r.other.clusters);
    aci_platform_free(r.memory, r.own.resamples);
    aci_platform_free(r.memory, r.other.resamples);
    aci_platform_free(r.memory, r.groups);
    aci_platform_free(r.memory, r.scratch);
    return status;
}
