/* ac_workflows.c - making workflows and judging answers: arguments, then
 * workshop/evaluate. */
#include <math.h>
#include <string.h>

#include "api/handles.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/evaluate/score_report.h"
#include "workshop/evaluate/workflow_check.h"
#include "workshop/evaluate/workflow_row.h"
#include "workshop/evaluate/workflow_score.h"
#include "workshop/evaluate/workflow_split.h"
#include "workshop/evaluate/workflow_suite.h"

/* ---- making -------------------------------------------------------------- */

/* What the walk over a split carries. */
typedef struct writing {
    aci_memory *memory;
    const ac_workflows_options *options;
    ac_row_callback on_row;
    void *user;
    uint64_t began, done;
    char *text;                  /* of the row at hand */
    size_t capacity;
} writing;

static ac_status write_row(writing *w, const json_t *row, ac_error *error)
{
    size_t n = json_dumpb(row, w->text, w->capacity, JSON_COMPACT);

    if (n > w->capacity) {
        aci_platform_free(w->memory, w->text);
        w->capacity = 2 * n;
        w->text = aci_platform_alloc(w->memory, w->capacity);
        if (w->text == NULL)
            w->capacity = n = 0;
        else
            n = json_dumpb(row, w->text, w->capacity, JSON_COMPACT);
    }
    if (n == 0)
        return aci_platform_fail_memory(error, "a row");
    if (w->on_row(w->text, n, w->user) != 0)
        return aci_platform_fail(error, AC_E_CANCELLED,
                                 "the caller stopped it");
    return AC_OK;
}

static ac_status write_training(writing *w, const json_t *row,
                                ac_error *error)
{
    aci_workflow workflow;
    int32_t i;
    ac_status status = aci_workshop_workflow_read(&workflow, row, error);

    for (i = 0; status == AC_OK && i < workflow.n_steps; i++) {
        json_t *made;

        status = aci_workshop_workflow_training(&made, w->memory, &workflow,
                                                i, error);
        if (status == AC_OK)
            status = write_row(w, made, error);
        json_decref(made);
    }
    return status;
}

static ac_status write_workflow(const json_t *row, void *user,
                                ac_error *error)
{
    writing *w = user;
    ac_progress progress = { sizeof progress, 0, "workflows", ++w->done,
                             w->options->n_workflows, 0.0, (double)NAN };
    ac_status status = w->options->training ? write_training(w, row, error)
                                            : write_row(w, row, error);

    progress.seconds = 1e-9 * (double)(aci_platform_monotonic_nanoseconds() -
                                       w->began);
    if (status == AC_OK && w->options->on_progress != NULL &&
        w->options->on_progress(&progress, w->options->progress_user) != 0)
        return aci_platform_fail(error, AC_E_CANCELLED, "it was cancelled");
    return status;
}

ac_status ac_workflows_generate(const char *split,
                                const ac_workflows_options *options,
                                ac_row_callback on_row, void *user,
                                ac_error *error)
{
    ac_workflows_options own = AC_WORKFLOWS_OPTIONS_INIT;
    aci_memory memory;
    aci_split known;
    writing w = { &memory, &own, on_row, user, 0, 0, NULL, 0 };
    ac_status status = aci_api_need(split, "split", error);

    if (status == AC_OK && on_row == NULL)
        status = aci_platform_fail(error, AC_E_ARGUMENT, "on_row was NULL");
    if (status == AC_OK)
        status = aci_api_take_options(&own, sizeof own, options, "options",
                                      error);
    if (status == AC_OK)
        status = aci_workshop_split_find(&known, split, error);
    if (status == AC_OK && own.training > 1)
        status = aci_platform_fail(error, AC_E_ARGUMENT,
                                   "training was neither 0 nor 1");
    if (status != AC_OK)
        return status;
    if (own.n_workflows == 0)
        own.n_workflows = aci_workshop_suite_count(split);
    aci_platform_memory_init(&memory);
    w.began = aci_platform_monotonic_nanoseconds();
    status = aci_workshop_suite_make(&memory, split, own.seed, own.first,
                                     own.n_workflows, write_workflow, &w,
                                     error);
    aci_platform_free(&memory, w.text);
    return status;
}

/* ---- prompts ------------------------------------------------------------- */

ac_status ac_workflows_prompt(char **out_prompt, uint32_t *max_tokens,
                              const char *workflow, size_t n_bytes,
                              const char *const *answers, size_t n_answers,
                              ac_error *error)
{
    aci_memory library; /* ac_free's */
    aci_workflow read;
    json_t *row;
    ac_status status = aci_api_need(out_prompt, "out_prompt", error);

    if (status != AC_OK)
        return status;
    *out_prompt = NULL;
    status = aci_api_need(workflow, "workflow", error);
    if (status == AC_OK && n_answers > 0)
        status = aci_api_need(answers, "answers", error);
    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&library);
    row = json_loadb(workflow, n_bytes, JSON_REJECT_DUPLICATES, NULL);
    if (row == NULL)
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "the workflow was no JSON object");
    if (status == AC_OK)
        status = aci_workshop_workflow_read(&read, row, error);
    if (status == AC_OK && n_answers < (size_t)read.n_steps) {
        status = aci_workshop_workflow_fill(out_prompt, &library,
                                            read.steps[n_answers].prompt,
                                            answers, n_answers, error);
        if (max_tokens != NULL)
            *max_tokens = (uint32_t)read.steps[n_answers].max_tokens;
    }
    json_decref(row);
    return status;
}

ac_status ac_workflows_check(const char *workflow, size_t n_bytes,
                             ac_error *error)
{
    aci_memory memory;
    json_t *row;
    ac_status status = aci_api_need(workflow, "workflow", error);

    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&memory);
    row = json_loadb(workflow, n_bytes, JSON_REJECT_DUPLICATES, NULL);
    status = json_is_object(row)
                 ? aci_workshop_workflow_check(&memory, row, error)
                 : aci_platform_fail(error, AC_E_FORMAT,
                                     "the workflow was no JSON object");
    json_decref(row);
    return status;
}

/* ---- judging ------------------------------------------------------------- */

static ac_status take_score(ac_workflows_score_options *own,
                            const ac_workflows_score_options *options,
                            ac_error *error)
{
    aci_split known;
    ac_status status = aci_api_take_options(own, sizeof *own, options,
                                            "options", error);

    if (status == AC_OK && own->reserved != 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "options.reserved was not 0");
    if (own->split == NULL)
        own->split = "test";
    if (own->n_resamples == 0)
        own->n_resamples = 10000;
    if (status == AC_OK && (own->n_resamples > 1000000 ||
                            own->n_threads > 1024))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_resamples was over 1000000 or n_threads "
                                 "over 1024");
    return status == AC_OK && own->workflows_path == NULL
               ? aci_workshop_split_find(&known, own->split, error)
               : status;
}

static ac_status give_json(char **out, const json_t *json, ac_error *error)
{
    aci_memory library; /* ac_free's */
    size_t n = json_dumpb(json, NULL, 0, JSON_INDENT(2));

    aci_platform_memory_init(&library);
    *out = n > 0 ? aci_platform_alloc(&library, n + 1) : NULL;
    if (*out == NULL)
        return aci_platform_fail_memory(error, "the report");
    json_dumpb(json, *out, n, JSON_INDENT(2));
    (*out)[n] = '\0';
    return AC_OK;
}

static ac_status report(char **out, aci_memory *memory,
                        const aci_score *score, const aci_score *against,
                        const ac_workflows_score_options *options,
                        ac_error *error)
{
    aci_pool *pool = NULL;
    json_t *json = NULL;
    ac_status status = aci_platform_pool_create(&pool, memory,
                                                options->n_threads, error);

    if (status == AC_OK)
        status = aci_workshop_score_report(&json, pool, score, against,
                                           options->n_resamples,
                                           options->resample_seed, error);
    if (status == AC_OK)
        status = give_json(out, json, error);
    json_decref(json);
    aci_platform_pool_free(pool);
    return status;
}

ac_status ac_workflows_score(char **out_json, const char *answers,
                             const ac_workflows_score_options *options,
                             ac_error *error)
{
    ac_workflows_score_options own = AC_WORKFLOWS_SCORE_OPTIONS_INIT;
    aci_memory memory;
    aci_suite suite;
    aci_score score = { .memory = &memory }, against = score;
    ac_status status = aci_api_need(answers, "answers", error);

    if (out_json != NULL)
        *out_json = NULL;
    if (status == AC_OK)
        status = take_score(&own, options, error);
    if (status != AC_OK)
        return status;
    aci_platform_memory_init(&memory);
    suite = (aci_suite){ own.workflows_path, own.split, own.seed, own.first,
                         own.n_workflows };
    status = aci_workshop_score(&score, &memory, &suite, answers,
                                own.on_verdict, own.verdict_user, error);
    if (status == AC_OK && own.against_path != NULL && out_json != NULL)
        status = aci_workshop_score(&against, &memory, &suite,
                                    own.against_path, NULL, NULL, error);
    if (status == AC_OK && out_json != NULL)
        status = report(out_json, &memory, &score,
                        own.against_path != NULL ? &against : NULL, &own,
                        error);
    aci_workshop_score_free(&score);
    aci_workshop_score_free(&against);
    return status;
}
