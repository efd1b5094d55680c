/* workflow_make.c - a workflow: four to eight requests about one topic.
 *
 * A plan is a string of letters, one per step:
 *     d data-to-text    k data-to-text that needs something known
 *     h hypothesis      l literature review    c citation
 * Each plan holds all four kinds. A review after a hypothesis judges it, a
 * level-3 citation after a review picks the source from it, a difference after
 * a summary starts from it: those prompts hold "{{n}}", the answer of step n.
 * A workflow without any is drawn again. */
#include "workshop/evaluate/workflow_make.h"

#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/evaluate/request.h"

static const char *const plans[] = {
    "dhlc", "hlcd", "lcdh", "khlc", "dkhlc", "hldcd", "lckhd", "dhlcd",
    "kdhlcd", "hlcddk", "dklchl", "dhlcdkc", "lchkddc", "dkhlcdlc"
};

/* Chances of levels 0 to 3 in 100. Most workflows are routine; a demanding one
 * holds steps of all levels. */
static const int32_t level_chances[2][ACI_N_LEVELS] = { { 62, 38, 0, 0 },
                                                        { 25, 25, 30, 20 } };
/* Demanding workflows in 100: practice leans to them. */
enum { DEMANDING_TRAIN = 65, DEMANDING = 35 };

static int32_t draw_level(aci_request *request)
{
    const int32_t *chances = level_chances[request->demanding];
    int32_t at = aci_workshop_request_below(request, 100), level = 0;

    while (level < ACI_N_LEVELS - 1 && at >= chances[level])
        at -= chances[level++];
    return level;
}

static void draw_topic(aci_request *request)
{
    const aci_domain *d = request->domain;
    aci_topic *t = request->topic;
    json_t *unused = request->facts = json_array();

    memset(t, 0, sizeof *t);
    do {
        t->outcome =
            &d->outcomes[aci_workshop_request_below(request, ACI_N_OUTCOMES)];
        t->predictor =
            d->predictors[aci_workshop_request_below(request,
                                                     ACI_N_PREDICTORS)];
    } while (!aci_workshop_request_own(request, t->outcome->name,
                                       t->predictor));
    do
        t->rival = d->predictors[aci_workshop_request_below(
            request, ACI_N_PREDICTORS)];
    while (t->rival == t->predictor);
    t->sign = aci_workshop_request_chance(request, 50) ? 1 : -1;
    json_decref(unused);
    request->facts = NULL;
}

static ac_status make_step(json_t *steps, aci_request *request, char letter,
                           ac_error *error)
{
    ac_status status = AC_E_INTERNAL;
    json_t *step;

    request->step++;
    request->level = draw_level(request);
    request->facts = json_array();
    request->check = NULL;
    aci_workshop_text_clear(&request->prompt);
    aci_workshop_text_clear(&request->answer);
    switch (letter) {
    case 'd': status = aci_workshop_request_data(request, error); break;
    case 'k': status = aci_workshop_request_knowledge(request, error); break;
    case 'h': status = aci_workshop_request_hypothesis(request, error); break;
    case 'l': status = aci_workshop_request_literature(request, error); break;
    default: status = aci_workshop_request_citation(request, error);
    }
    if (status != AC_OK) {
        json_decref(request->facts);
        json_decref(request->check);
        return status;
    }
    step = json_pack("{s:s, s:i, s:s, s:o, s:s, s:s, s:o, s:i}", "kind",
                     request->kind, "level", request->level, "template",
                     request->template_id, "facts", request->facts, "prompt",
                     request->prompt.data, "answer", request->answer.data,
                     "check", request->check, "max_tokens",
                     request->max_tokens);
    if (step == NULL || json_array_append_new(steps, step) != 0)
        return aci_platform_fail_memory(error, "a workflow");
    return AC_OK;
}

static ac_status make_steps(json_t *steps, aci_request *request,
                            ac_error *error)
{
    const char *plan;
    ac_status status = AC_OK;

    json_array_clear(steps);
    request->step = 0;
    request->demanding = aci_workshop_request_chance(
        request, request->split == ACI_SPLIT_TRAIN ? DEMANDING_TRAIN
                                                   : DEMANDING);
    draw_topic(request);
    plan = plans[aci_workshop_request_below(request,
                                            sizeof plans / sizeof *plans)];
    for (; *plan != '\0' && status == AC_OK; plan++)
        status = make_step(steps, request, *plan, error);
    return status;
}

/* Does a step use an earlier answer? */
static bool is_chained(const json_t *steps)
{
    const json_t *step;
    size_t i;

    json_array_foreach(steps, i, step)
        if (strstr(json_string_value(json_object_get(step, "prompt")),
                   "{{") != NULL)
            return true;
    return false;
}

/* Distinct random streams for every (split, seed, index). */
static void seed_random(aci_random *random, aci_split split, uint64_t seed,
                        uint64_t index)
{
    aci_platform_random_seed(random, seed * 8 + (uint64_t)split);
    aci_platform_random_seed(random, aci_platform_random_next(random) +
                                         index * 0x9e3779b97f4a7c15u);
}

ac_status aci_workshop_workflow_make(json_t **out, aci_memory *memory,
                                     const char *split, uint64_t seed,
                                     uint64_t index, ac_error *error)
{
    aci_random random;
    aci_topic topic;
    aci_request request = { .random = &random, .topic = &topic };
    json_t *steps = json_array();
    char id[96];
    ac_status status =
        aci_workshop_split_find(&request.split, split, error);

    (void)memory;
    *out = NULL;
    if (status == AC_OK) {
        seed_random(&random, request.split, seed, index);
        request.domain = aci_workshop_domain(
            request.split == ACI_SPLIT_OOD_DOMAIN
                ? ACI_N_DOMAINS
                : (int32_t)(index % ACI_N_DOMAINS));
        do
            status = make_steps(steps, &request, error);
        while (status == AC_OK && !is_chained(steps));
    }
    if (status != AC_OK) {
        json_decref(steps);
        return status;
    }
    if (seed == 0) /* the frozen sets */
        snprintf(id, sizeof id, "%s-%s-%06llu", split, request.domain->name,
                 (unsigned long long)index);
    else
        snprintf(id, sizeof id, "%s-%s-%06llu.%llu", split,
                 request.domain->name, (unsigned long long)index,
                 (unsigned long long)seed);
    *out = json_pack("{s:s, s:s, s:s, s:o}", "id", id, "split", split,
                     "domain", request.domain->name, "steps", steps);
    return *out == NULL ? aci_platform_fail_memory(error, "a workflow")
                        : AC_OK;
}
