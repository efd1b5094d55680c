/* policy.c - which variant; see docs/routing.md for why this rule.
 *
 *   1. a pinned variant is taken, whatever it costs;
 *   2. else, without a predictor: full;
 *   3. else, when the prompt is unlike the training prompts: full;
 *   4. else the cheapest variant whose success is at least min_confidence,
 *      when it is cheaper than full; full when there is none;
 *   5. when that choice is over the budget: the best success among those
 *      within it; when nothing is within it, the cheapest.
 *
 * A pure function: the same arguments give the same bits, so a decision can
 * be replayed from what the ledger keeps. */
#include <string.h>

#include "router/features.h"
#include "router/predictor_forward.h"
#include "router/router.h"

static const float DEFAULT_CONFIDENCE = 0.7f;

/* What is known of each variant's success; 0 where nothing is. */
static void spread_success(ac_decision *out, const aci_predictor *predictor,
                           const aci_candidate *candidates, int32_t n,
                           int32_t full, const char *prompt,
                           size_t prompt_bytes)
{
    float success[ACI_NETWORK_MAX_HEADS];
    int32_t n_heads = aci_router_predictor_heads(predictor), i, k;

    aci_router_predict(success, &out->unfamiliarity, &out->prompt_hash,
                       predictor, prompt, prompt_bytes);
    out->success[full] = 1.0f;
    for (i = 0; i < n; i++)
        for (k = 0; k < n_heads; k++)
            if (strcmp(candidates[i].name,
                       aci_router_predictor_head_name(predictor, k)) == 0)
                out->success[i] = success[k];
}

static int32_t cheapest_sufficient(uint32_t *reason, const ac_decision *out,
                                   const aci_candidate *candidates, int32_t n,
                                   int32_t full, float min_confidence)
{
    int32_t best = -1, i;

    for (i = 0; i < n; i++)
        if (i != full && out->success[i] > 0.0f &&
            out->success[i] >= min_confidence &&
            (best < 0 || candidates[i].cost < candidates[best].cost))
            best = i;
    *reason = best < 0 ? AC_REASON_LOW_CONFIDENCE : AC_REASON_CHEAPEST;
    return best < 0 || !(candidates[best].cost < candidates[full].cost)
               ? full
               : best;
}

static int fits(const aci_candidate *candidate, int64_t budget)
{
    return candidate->expected_nanodollars >= 0 &&
           candidate->expected_nanodollars <= budget;
}

/* True when `a` is the better buy: more success; of equals, and those of
 * which nothing is known, the dearer, being nearer to full. */
static int better(const ac_decision *out, const aci_candidate *candidates,
                  int32_t a, int32_t b)
{
    if (out->success[a] != out->success[b])
        return out->success[a] > out->success[b];
    return candidates[a].cost > candidates[b].cost;
}

static int32_t best_within(const ac_decision *out,
                           const aci_candidate *candidates, int32_t n,
                           int64_t budget)
{
    int32_t best = -1, cheapest = 0, i;

    for (i = 0; i < n; i++) {
        if (fits(&candidates[i], budget) &&
            (best < 0 || better(out, candidates, i, best)))
            best = i;
        if (candidates[i].cost < candidates[cheapest].cost)
            cheapest = i;
    }
    return best < 0 ? cheapest : best;
}

static int32_t choose(uint32_t *reason, const ac_decision *out,
                      const aci_predictor *predictor,
                      const aci_candidate *candidates, int32_t n,
                      int32_t full, const aci_policy *policy)
{
    float confidence = policy->min_confidence > 0.0f ? policy->min_confidence
                                                     : DEFAULT_CONFIDENCE;
    float strange = policy->max_unfamiliarity;
    int32_t chosen = full;

    if (policy->pinned >= 0 && policy->pinned < n) {
        *reason = AC_REASON_PINNED;
        return policy->pinned;
    }
    if (predictor != NULL && !(strange > 0.0f))
        strange = aci_router_predictor_threshold(predictor);
    if (predictor == NULL)
        *reason = AC_REASON_NO_PREDICTOR;
    else if (out->unfamiliarity > strange)
        *reason = AC_REASON_UNFAMILIAR;
    else
        chosen = cheapest_sufficient(reason, out, candidates, n, full,
                                     confidence);
    if (policy->budget_nanodollars > 0 &&
        !fits(&candidates[chosen], policy->budget_nanodollars)) {
        *reason = AC_REASON_BUDGET;
        chosen = best_within(out, candidates, n, policy->budget_nanodollars);
    }
    return chosen;
}

/* Without a predictor the features are read all the same: the decision then
 * still carries the key of its prompt. */
static uint64_t hash_unread(const char *prompt, size_t prompt_bytes)
{
    aci_features features;

    aci_router_read_features(&features, NULL, prompt, prompt_bytes,
                             ACI_ROUTER_MAX_TOKENS);
    return aci_router_hash_features(&features);
}

void aci_router_decide(ac_decision *out, const aci_predictor *predictor,
                       const aci_candidate *candidates, int32_t n_candidates,
                       int32_t full, const aci_policy *policy,
                       const char *prompt, size_t prompt_bytes)
{
    int32_t chosen;

    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    out->n_variants = (uint32_t)n_candidates;
    out->success[full] = 1.0f;
    if (predictor != NULL)
        spread_success(out, predictor, candidates, n_candidates, full, prompt,
                       prompt_bytes);
    else
        out->prompt_hash = hash_unread(prompt, prompt_bytes);
    chosen = choose(&out->reason, out, predictor, candidates, n_candidates,
                    full, policy);
    out->variant = (uint32_t)chosen;
    strncpy(out->variant_name, candidates[chosen].name,
            sizeof out->variant_name - 1);
    out->confidence = out->success[chosen];
    out->expected_nanodollars = candidates[chosen].expected_nanodollars;
    out->full_nanodollars = candidates[full].expected_nanodollars;
}
