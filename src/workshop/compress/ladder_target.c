/* ladder_target.c - see ladder_target.h. */
#include "workshop/compress/ladder_target.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"

/* Precisions that are tried: blocks, head. */
static const int32_t precisions[][2] = { { 8, 8 }, { 8, 4 }, { 4, 8 },
                                         { 4, 4 } };
enum { N_PRECISIONS = sizeof precisions / sizeof *precisions };

/* The best so far. */
typedef struct choice {
    int32_t weight_bits, head_bits;
    double loss, cost;         /* over full's */
    double least;              /* cost that can be reached, of all tried */
    aci_target_option *options; /* [2 n_layer] */
} choice;

static ac_status unreachable(const aci_recipe *recipe, double least,
                             ac_error *error)
{
    /* Rounded up, so that what is named can be asked for. */
    double named = ceil(1000.0 * least) / 1000.0;

    return aci_platform_fail(
        error, AC_E_ARGUMENT,
        "target %s=%g cannot be reached: the least that this model's variants "
        "cost is %.3f of full's",
        aci_workshop_target_name(recipe->target_cost), recipe->target, named);
}

/* ---- before anything is measured ----------------------------------------- */

static ac_status least_cost(double *least, aci_target_space *space,
                            aci_memory *memory, ac_error *error)
{
    ac_status status = AC_OK;

    *least = INFINITY;
    for (int i = 0; status == AC_OK && i < N_PRECISIONS; i++) {
        aci_target_unit *units;

        space->weight_bits = precisions[i][0];
        space->head_bits = precisions[i][1];
        status = aci_workshop_target_units(&units, space, memory, error);
        if (status != AC_OK)
            break;
        *least = fmin(*least,
                      (aci_workshop_target_fixed(space) +
                       aci_workshop_target_least(units,
                                                 2 * space->shape->n_layer)) /
                          aci_workshop_target_full(space));
        aci_workshop_target_units_free(units, 2 * space->shape->n_layer,
                                       memory);
    }
    return status;
}

ac_status aci_workshop_targets_reachable(aci_memory *memory,
                                         const aci_ladder *ladder,
                                         const aci_shape *shape,
                                         uint32_t group, ac_error *error)
{
    ac_status status = AC_OK;

    for (int32_t i = 0; status == AC_OK && i < ladder->n; i++) {
        const aci_recipe *recipe = &ladder->recipes[i];
        aci_target_space space = { .shape = shape, .group = group,
                                   .cost = recipe->target_cost };
        double least;

        if (recipe->target == 0.0 || recipe->target_cost == ACI_COST_SECONDS)
            continue;
        status = least_cost(&least, &space, memory, error);
        if (status == AC_OK && recipe->target < least)
            status = unreachable(recipe, least, error);
    }
    return status;
}

/* ---- choosing ------------------------------------------------------------ */

/* The best at one precision; taken when it is better than what there is. */
static ac_status try_precision(choice *best, const aci_target_space *space,
                               double target, aci_memory *memory,
                               ac_error *error)
{
    int32_t n = 2 * space->shape->n_layer;
    double full = aci_workshop_target_full(space), loss = INFINITY;
    double cost = aci_workshop_target_fixed(space);
    int32_t *chosen = aci_platform_alloc_array(memory, (size_t)n,
                                               sizeof *chosen);
    aci_target_unit *units = NULL;
    ac_status status = chosen != NULL
                           ? aci_workshop_target_units(&units, space, memory,
                                                       error)
                           : aci_platform_fail_memory(error, "a choice");

    if (status == AC_OK) {
        best->least = fmin(best->least,
                           (cost + aci_workshop_target_least(units, n)) /
                               full);
        status = aci_workshop_target_choose(chosen, &loss, memory, units, n,
                                            target * full - cost, NULL);
    }
    loss += space->facts->kl[space->weight_bits == 8][space->head_bits == 8];
    if (status == AC_OK && loss < best->loss) {
        best->loss = loss;
        best->weight_bits = space->weight_bits;
        best->head_bits = space->head_bits;
        for (int32_t u = 0; u < n; u++) {
            best->options[u] = units[u].options[chosen[u]];
            cost += best->options[u].cost;
        }
        best->cost = cost / full;
    }
    aci_workshop_target_units_free(units, n, memory);
    aci_platform_free(memory, chosen);
    if (status == AC_E_NO_MEMORY)
        return aci_platform_fail_memory(error, "the choice for a target");
    return status == AC_E_BUDGET ? AC_OK : status;
}

/* The chosen options as a plan. */
static ac_status fill(aci_variant_plan *out, const choice *best,
                      const aci_shape *shape, aci_memory *memory,
                      ac_error *error)
{
    size_t layers = (size_t)shape->n_layer;

    out->recipe.weight_bits = best->weight_bits;
    out->recipe.head_bits = best->head_bits;
    out->recipe.compensate = best->weight_bits == 4;
    out->kept = aci_platform_alloc_array(memory, layers, sizeof *out->kept);
    out->rank_qkv = aci_platform_alloc_array(memory, layers,
                                             sizeof *out->rank_qkv);
    out->rank_o = aci_platform_alloc_array(memory, layers,
                                           sizeof *out->rank_o);
    if (out->kept == NULL || out->rank_qkv == NULL || out->rank_o == NULL)
        return aci_platform_fail_memory(error, "a variant's plan");
    for (size_t l = 0; l < layers; l++) {
        out->kept[l] = (aci_kept){ best->options[2 * l].kept,
                                   best->options[2 * l + 1].kept };
        out->rank_qkv[l] = best->options[2 * l].rank_qkv;
        out->rank_o[l] = best->options[2 * l].rank_o;
    }
    return AC_OK;
}

static void tell(const aci_ladder_work *work, const aci_variant_plan *plan,
                 const choice *best)
{
    const aci_shape *s = work->shape;
    double heads = 0.0, neurons = 0.0;
    int32_t factors = 0;

    for (int32_t l = 0; l < s->n_layer; l++) {
        heads += plan->kept[l].n_head_kv;
        neurons += plan->kept[l].n_ff;
        factors += (plan->rank_qkv[l] > 0) + (plan->rank_o[l] > 0);
    }
    aci_workshop_ladder_note(
        work, AC_LOG_INFO,
        "%s: blocks of %d bits, head of %d, %.0f %% of the heads, %.0f %% of "
        "the neurons, %d of %d attention matrices factors: %.4f of full's "
        "cost, KL %.4f expected before recovery", plan->recipe.name,
        (int)best->weight_bits, (int)best->head_bits,
        100.0 * heads / ((double)s->n_layer * s->n_head_kv),
        100.0 * neurons / ((double)s->n_layer * s->n_ff), (int)factors,
        2 * (int)s->n_layer, best->cost, best->loss);
}

static ac_status plan_one(aci_variant_plan *out, aci_targeted *card,
                          const aci_ladder_work *work,
                          const aci_ladder_plan *plan,
                          const aci_target_facts *facts, ac_error *error)
{
    size_t n = 2 * (size_t)work->shape->n_layer;
    aci_target_space space = { .shape = work->shape, .group = work->group,
                               .cost = out->recipe.target_cost,
                               .plan = plan, .facts = facts };
    choice best = { .loss = INFINITY, .least = INFINITY };
    ac_status status = AC_OK;

    best.options = aci_platform_alloc_array(work->memory, n,
                                            sizeof *best.options);
    if (best.options == NULL)
        return aci_platform_fail_memory(error, "a choice");
    for (int i = 0; status == AC_OK && i < N_PRECISIONS; i++) {
        space.weight_bits = precisions[i][0];
        space.head_bits = precisions[i][1];
        status = try_precision(&best, &space, out->recipe.target,
                               work->memory, error);
    }
    if (status == AC_OK && !isfinite(best.loss))
        status = unreachable(&out->recipe, best.least, error);
    if (status == AC_OK)
        status = fill(out, &best, work->shape, work->memory, error);
    if (status == AC_OK) {
        tell(work, out, &best);
        *card = (aci_targeted){
            aci_workshop_target_name(out->recipe.target_cost),
            out->recipe.target, best.cost, best.loss
        };
    }
    aci_platform_free(work->memory, best.options);
    return status;
}

ac_status aci_workshop_ladder_targets(aci_ladder_plan *plan,
                                      aci_zoo_card *card,
                                      const aci_ladder_work *work,
                                      aci_ladder_school *school,
                                      aci_model *model, ac_error *error)
{
    aci_target_facts *facts = NULL;
    ac_status status = AC_OK;

    if (plan->losses == NULL)
        return AC_OK;
    if (school->lessons.n_pieces == 0 || school->exam.n_pieces == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the calibration text is too short to judge "
                                 "by, and a target is chosen by that");
    status = aci_workshop_target_facts(&facts, work, plan, school, model,
                                       error);
    if (status == AC_OK) {
        memcpy(card->timings, facts->seconds, sizeof card->timings);
        card->has_timings = 1;
    }
    for (int32_t i = 0; status == AC_OK && i < plan->n; i++)
        if (plan->variants[i].recipe.target > 0.0)
            status = plan_one(&plan->variants[i], &card->targeted[i], work,
                              plan, facts, error);
    aci_platform_free(work->memory, facts);
    return status;
}
