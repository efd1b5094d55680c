/* workflow_score.c - see workflow_score.h.
 *
 * A checker's source text is the prompt with the reference's earlier answers
 * put in: what an engine made up in an earlier step is no source. */
#include "workshop/evaluate/workflow_score.h"

#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/evaluate/check_answer.h"
#include "workshop/evaluate/json_lines.h"
#include "workshop/evaluate/workflow_check.h"
#include "workshop/evaluate/workflow_suite.h"

typedef struct judging {
    aci_score *score;
    aci_answers answers;
    ac_verdict_callback on_verdict;
    void *user;
    json_t *seen;            /* ids */
} judging;

/* One workflow being judged. */
typedef struct chain {
    aci_workflow workflow;
    const char *given[ACI_MAX_STEPS];      /* the engine's answers */
} chain;

static ac_status name_number(uint16_t *out, aci_score *score,
                             const char *name, ac_error *error)
{
    size_t i;

    for (i = 0; i < score->n_names; i++)
        if (strncmp(score->names[i], name, sizeof score->names[i] - 1) == 0)
            break;
    if (i == ACI_MAX_NAMES)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "there are more than %d domains and kinds",
                                 ACI_MAX_NAMES);
    if (i == score->n_names)
        snprintf(score->names[score->n_names++], sizeof score->names[i],
                 "%s", name);
    *out = (uint16_t)i;
    return AC_OK;
}

/* ---- one step ------------------------------------------------------------ */

static ac_status judge(aci_verdict *out, const judging *j, const chain *c,
                       int32_t step, ac_error *error)
{
    const char *answer = c->given[step];
    char place[24];
    json_t *check;
    ac_status status;

    memset(out, 0, sizeof *out);
    if (answer == NULL) {
        snprintf(out->reason, sizeof out->reason, "no answer");
        return AC_OK;
    }
    status = aci_workshop_workflow_complete(&check, j->score->memory,
                                            &c->workflow, step, error);
    if (status == AC_OK)
        status = aci_workshop_check_answer(out, j->score->memory, check,
                                           answer, strlen(answer), error);
    json_decref(check);
    if (status == AC_OK)
        return AC_OK;
    snprintf(place, sizeof place, "step %d", (int)step + 1);
    return aci_platform_fail_within(error, status, place);
}

/* Counts a reason, digits folded so that like ones fall together. */
static ac_status count_reason(aci_score *score, const char *kind,
                              const char *reason, ac_error *error)
{
    json_t *of_kind = json_object_get(score->reasons, kind);
    char folded[160];
    size_t n = 0;
    json_int_t count;

    for (; *reason != '\0' && n + 1 < sizeof folded; reason++) {
        if (*reason < '0' || *reason > '9')
            folded[n++] = *reason;
        else if (n == 0 || folded[n - 1] != '#')
            folded[n++] = '#';
    }
    folded[n] = '\0';
    if (of_kind == NULL) {
        of_kind = json_object();
        if (json_object_set_new(score->reasons, kind, of_kind) != 0)
            return aci_platform_fail_memory(error, "reasons");
    }
    count = json_integer_value(json_object_get(of_kind, folded)) + 1;
    if (json_object_set_new_nocheck(of_kind, folded,
                                    json_integer(count)) != 0)
        return aci_platform_fail_memory(error, "reasons");
    return AC_OK;
}

static ac_status keep_step(aci_score *score, const chain *c, int32_t step,
                           const aci_verdict *verdict, ac_error *error)
{
    const aci_workflow_step *s = &c->workflow.steps[step];
    aci_scored_step *kept;
    ac_status status;

    if (score->n_steps == score->capacity) {
        size_t larger = 2 * score->capacity + 4096;
        aci_scored_step *steps = aci_platform_realloc(
            score->memory, score->steps, larger * sizeof *steps);

        if (steps == NULL)
            return aci_platform_fail_memory(error, "scores");
        score->steps = steps;
        score->capacity = larger;
    }
    kept = &score->steps[score->n_steps];
    memset(kept, 0, sizeof *kept);
    kept->workflow = (uint32_t)score->n_workflows;
    kept->level = s->level;
    kept->passed = verdict->pass;
    kept->answered = c->given[step] != NULL;
    kept->score = verdict->score;
    status = name_number(&kept->domain, score, c->workflow.domain, error);
    if (status == AC_OK)
        status = name_number(&kept->kind, score, s->kind, error);
    if (status == AC_OK && !verdict->pass)
        status = count_reason(score, s->kind, verdict->reason, error);
    score->n_steps++;
    score->n_answered += kept->answered;
    return status;
}

/* The prompt as the engine saw it, or NULL when it lacks an answer. */
static ac_status tell(const judging *j, const chain *c, int32_t step,
                      const aci_verdict *verdict, ac_error *error)
{
    const aci_workflow_step *s = &c->workflow.steps[step];
    ac_step_verdict told = {
        sizeof told, (uint32_t)step + 1, (uint32_t)s->level,
        verdict->pass, c->given[step] != NULL, 0, verdict->score,
        c->workflow.id, c->workflow.domain, s->kind,
        j->score->variant[0] ? j->score->variant : NULL, NULL,
        c->given[step], verdict->reason
    };
    char *prompt = NULL;
    ac_status status;
    int32_t stop;

    if (j->on_verdict == NULL)
        return AC_OK;
    status = aci_workshop_workflow_fill(&prompt, j->score->memory, s->prompt,
                                        c->given, (size_t)step, NULL);
    if (status == AC_E_NO_MEMORY)
        return aci_platform_fail_memory(error, "a prompt");
    told.prompt = prompt;
    stop = j->on_verdict(&told, j->user);
    aci_platform_free(j->score->memory, prompt);
    if (stop != 0)
        return aci_platform_fail(error, AC_E_CANCELLED,
                                 "the caller stopped it");
    return AC_OK;
}

/* ---- the suite ----------------------------------------------------------- */

static ac_status judge_workflow(const json_t *row, void *user,
                                ac_error *error)
{
    judging *j = user;
    chain c;
    int32_t i;
    size_t n_given = 0;
    ac_status status = aci_workshop_workflow_read(&c.workflow, row, error);

    if (status != AC_OK)
        return status;
    if (json_object_get(j->seen, c.workflow.id) != NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "workflow %s is there twice",
                                 c.workflow.id);
    if (json_object_set_new(j->seen, c.workflow.id, json_true()) != 0)
        return aci_platform_fail_memory(error, "ids");
    for (i = 0; i < c.workflow.n_steps; i++) {
        c.given[i] = aci_workshop_answers_find(&j->answers, c.workflow.id,
                                               i + 1);
        n_given += c.given[i] != NULL;
    }
    for (i = 0; i < c.workflow.n_steps && status == AC_OK; i++) {
        aci_verdict verdict;

        status = judge(&verdict, j, &c, i, error);
        if (status == AC_OK)
            status = keep_step(j->score, &c, i, &verdict, error);
        if (status == AC_OK)
            status = tell(j, &c, i, &verdict, error);
    }
    j->score->n_workflows++;
    if (aci_workshop_answers_drop(&j->answers, c.workflow.id) != n_given &&
        status == AC_OK)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s answered a step that %s has not",
                                 j->answers.path, c.workflow.id);
    return status;
}

static ac_status walk(judging *j, aci_memory *memory, const aci_suite *suite,
                      ac_error *error)
{
    uint64_t n = suite->n_workflows;
    const char *left;
    ac_status status;

    if (suite->path != NULL) {
        status = aci_workshop_json_lines(memory, suite->path, judge_workflow,
                                         j, error);
    } else {
        if (n == 0)
            n = aci_workshop_suite_count(suite->split);
        status = aci_workshop_suite_make(memory, suite->split, suite->seed,
                                         suite->first, n, judge_workflow, j,
                                         error);
    }
    if (status != AC_OK)
        return status;
    if (j->score->n_workflows == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there was no workflow to score");
    left = aci_workshop_answers_left(&j->answers);
    if (left != NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s answered workflow %.80s, which is not "
                                 "among those scored", j->answers.path, left);
    return AC_OK;
}

ac_status aci_workshop_score(aci_score *out, aci_memory *memory,
                             const aci_suite *suite, const char *path,
                             ac_verdict_callback on_verdict, void *user,
                             ac_error *error)
{
    judging j = { .score = out, .on_verdict = on_verdict, .user = user };
    ac_status status;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    status = aci_workshop_answers_read(&j.answers, memory, path, error);
    if (status != AC_OK)
        return status;
    snprintf(out->variant, sizeof out->variant, "%s", j.answers.variant);
    out->reasons = json_object();
    j.seen = json_object();
    if (out->reasons == NULL || j.seen == NULL)
        status = aci_platform_fail_memory(error, "scores");
    if (status == AC_OK)
        status = walk(&j, memory, suite, error);
    json_decref(j.seen);
    aci_workshop_answers_free(&j.answers);
    if (status != AC_OK)
        aci_workshop_score_free(out);
    return status;
}

void aci_workshop_score_free(aci_score *score)
{
    aci_platform_free(score->memory, score->steps);
    json_decref(score->reasons);
    score->steps = NULL;
    score->reasons = NULL;
}
