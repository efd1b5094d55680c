/* ac_route.c - from a prompt to a decision. */
#include <math.h>
#include <string.h>

#include "api/handles.h"
#include "platform/clock.h"
#include "platform/error.h"

/* Assumed where a caller gives no limit; also ac_generate's own default. */
enum { DEFAULT_MAX_TOKENS = 256, BYTES_PER_TOKEN = 4 };

static ac_status check(const ac_route_options *options, ac_error *error)
{
    if (!(options->min_confidence >= 0.0f && options->min_confidence <= 1.0f))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "min_confidence was not in [0, 1]");
    if (!(options->max_unfamiliarity >= 0.0f &&
          options->max_unfamiliarity <= 1.0f))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "max_unfamiliarity was not in [0, 1]");
    if (options->budget_nanodollars < 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the budget was negative");
    return AC_OK;
}

/* The number of the pinned variant, or -1 to route. */
static ac_status pinned_variant(int32_t *out, const ac_engine *engine,
                                const char *name, ac_error *error)
{
    char list[256] = "";
    size_t used = 0;
    int32_t i;

    *out = -1;
    if (name == NULL || strcmp(name, "auto") == 0)
        return AC_OK;
    *out = aci_model_variant_find(engine->model, name);
    if (*out >= 0)
        return AC_OK;
    for (i = 0; i < engine->model->n_variants; i++) {
        const char *known = engine->model->variants[i].name;
        size_t n = strlen(known);

        if (used + n + 2 > sizeof list)
            break;
        list[used++] = ' ';
        memcpy(list + used, known, n + 1);
        used += n;
    }
    return aci_platform_fail(error, AC_E_NOT_FOUND,
                             "no variant \"%.32s\"; there are: auto%s", name,
                             list);
}

/* What each variant would cost on this request. */
static void fill_candidates(aci_candidate *out, const ac_engine *engine,
                            uint64_t prompt_tokens, uint64_t max_tokens)
{
    const aci_model *model = engine->model;
    double full;
    int64_t dollars;
    int32_t i;

    aci_accountant_estimate(&full, &dollars, engine->accountant,
                            model->full_variant, prompt_tokens, max_tokens);
    for (i = 0; i < model->n_variants; i++) {
        double seconds;

        aci_accountant_estimate(&seconds, &out[i].expected_nanodollars,
                                engine->accountant, i, prompt_tokens,
                                max_tokens);
        out[i].name = model->variants[i].name;
        out[i].cost = full > 0.0 ? seconds / full : 1.0;
    }
}

static void keep_inputs(aci_decision_inputs *out, const aci_policy *policy,
                        const aci_candidate *candidates, int32_t n,
                        uint64_t prompt_tokens, uint64_t max_tokens)
{
    int32_t i;

    memset(out, 0, sizeof *out);
    out->min_confidence = policy->min_confidence;
    out->max_unfamiliarity = policy->max_unfamiliarity;
    out->pinned = policy->pinned;
    out->n_candidates = n;
    out->budget_nanodollars = policy->budget_nanodollars;
    out->prompt_tokens = prompt_tokens;
    out->max_tokens = max_tokens;
    for (i = 0; i < n; i++) {
        out->cost[i] = candidates[i].cost;
        out->expected_nanodollars[i] = candidates[i].expected_nanodollars;
    }
}

ac_status aci_api_decide(ac_decision *out, aci_decision_inputs *inputs,
                         const ac_engine *engine,
                         const char *prompt, size_t prompt_bytes,
                         const ac_route_options *options,
                         uint64_t prompt_tokens, ac_error *error)
{
    uint64_t began = aci_platform_monotonic_nanoseconds();
    aci_candidate candidates[AC_MAX_VARIANTS];
    aci_policy policy = { 0 };
    uint64_t max_tokens = options->max_tokens ? options->max_tokens
                                              : DEFAULT_MAX_TOKENS;
    ac_status status = check(options, error);

    if (status == AC_OK)
        status = pinned_variant(&policy.pinned, engine, options->variant,
                                error);
    if (status != AC_OK)
        return status;
    policy.min_confidence =
        options->min_confidence > 0.0f ? options->min_confidence : 0.7f;
    policy.max_unfamiliarity = options->max_unfamiliarity;
    policy.budget_nanodollars = options->budget_nanodollars;
    fill_candidates(candidates, engine, prompt_tokens, max_tokens);
    keep_inputs(inputs, &policy, candidates, engine->model->n_variants,
                prompt_tokens, max_tokens);
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    aci_router_decide(out, engine->predictor, candidates,
                      engine->model->n_variants, engine->model->full_variant,
                      &policy, prompt, prompt_bytes);
    out->router_nanoseconds = aci_platform_monotonic_nanoseconds() - began;
    return AC_OK;
}

ac_status ac_route(ac_decision *out, const ac_engine *engine,
                   const char *prompt, size_t prompt_bytes,
                   const ac_route_options *options, ac_error *error)
{
    ac_route_options own = AC_ROUTE_OPTIONS_INIT;
    ac_decision decision = AC_DECISION_INIT;
    aci_decision_inputs inputs;
    ac_status status = aci_api_need(out, "out", error);

    if (status == AC_OK)
        status = aci_api_need(engine, "engine", error);
    if (status == AC_OK && prompt_bytes > 0)
        status = aci_api_need(prompt, "prompt", error);
    if (status == AC_OK)
        status = aci_api_take_options(&own, sizeof own, options, "options",
                                      error);
    if (status == AC_OK)
        status = aci_api_decide(&decision, &inputs, engine, prompt,
                                prompt_bytes, &own,
                                prompt_bytes / BYTES_PER_TOKEN + 1, error);
    if (status == AC_OK)
        status = aci_api_give_result(out, &decision, sizeof decision, "out",
                                     error);
    return status;
}
