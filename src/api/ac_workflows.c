/* ac_workflows.c - making workflows and judging answers: arguments, then
 * workshop/evaluate. */
#include <math.h>

#include "api/handles.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/evaluate/workflow_row.h"
#include "workshop/evaluate/workflow_split.h"
#include "workshop/evaluate/workflow_suite.h"

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
