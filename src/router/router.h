/* router.h - a prompt in, a decision out.
 *
 * The predictor (about 10,000 parameters) reads hashed features of the
 * prompt's first 15 tokens and gives each variant's chance of success; the
 * policy picks the cheapest variant that is good enough. Deterministic to the
 * bit, no allocation, any thread. docs/routing.md explains it. */
#ifndef ACI_ROUTER_ROUTER_H
#define ACI_ROUTER_ROUTER_H

#include "flow.h"
#include "platform/memory.h"

typedef struct aci_predictor aci_predictor;

/* What the policy needs to know of each variant. */
typedef struct aci_candidate {
    const char *name;
    double cost;                    /* relative to full (1.0), per request */
    int64_t expected_nanodollars;   /* -1: no price */
} aci_candidate;

typedef struct aci_policy {
    float min_confidence;           /* default 0.7 */
    float max_unfamiliarity;        /* 0: the predictor's own */
    int32_t pinned;                 /* -1: route */
    int64_t budget_nanodollars;     /* 0: none */
} aci_policy;

ac_status aci_router_predictor_open(aci_predictor **out, aci_memory *memory,
                                    const char *path, ac_error *error);
void aci_router_predictor_close(aci_predictor *predictor);

/* Heads of the predictor, by variant name. */
int32_t aci_router_predictor_heads(const aci_predictor *predictor);
const char *aci_router_predictor_head_name(const aci_predictor *predictor,
                                           int32_t head);
/* The unfamiliarity above which its prompts go to full. */
float aci_router_predictor_threshold(const aci_predictor *predictor);
/* JSON description into new memory (for ac_inspect). */
ac_status aci_router_predictor_describe(char **out, aci_memory *memory,
                                        const char *path, ac_error *error);

/* Calibrated success probability per head, and unfamiliarity in [0,1]. */
void aci_router_predict(float *success, float *unfamiliarity,
                        uint64_t *feature_hash,
                        const aci_predictor *predictor, const char *prompt,
                        size_t prompt_bytes);

/* The whole decision. `predictor` may be NULL. Candidates are the zoo's
 * variants in order, at most AC_MAX_VARIANTS; `full` is the number of the full
 * one. A variant the predictor has no head for is never chosen by routing
 * (except full). A pure function: router_nanoseconds is left 0. */
void aci_router_decide(ac_decision *out, const aci_predictor *predictor,
                       const aci_candidate *candidates, int32_t n_candidates,
                       int32_t full, const aci_policy *policy,
                       const char *prompt, size_t prompt_bytes);

#endif
