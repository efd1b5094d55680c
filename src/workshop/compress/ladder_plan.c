/* ladder_plan.c - see ladder_plan.h. */
#include "workshop/compress/ladder_plan.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/prune_allocate.h"
#include "workshop/compress/prune_heads.h"
#include "workshop/compress/prune_neurons.h"

/* A layer that hardly turns anything still counts for something. */
static const double least_influence = 1e-4;

/* Losses of every width of every layer; attention and feed-forward. */
typedef struct curves {
    double *heads[2];      /* [n_layer, n_head_kv + 1]; compensated, bias */
    double *neurons[2];    /* [n_layer, n_ff + 1] */
    double *influence;     /* [n_layer, 2] */
} curves;

/* ---- the pass over the layers -------------------------------------------- */

static ac_status open_curves(curves *out, const aci_ladder_work *work,
                             ac_error *error)
{
    size_t layers = (size_t)work->shape->n_layer;
    size_t heads = layers * (size_t)(work->shape->n_head_kv + 1);
    size_t neurons = layers * (size_t)(work->shape->n_ff + 1);

    for (int i = 0; i < 2; i++) {
        out->heads[i] = aci_platform_alloc_array(work->memory, heads,
                                                 sizeof(double));
        out->neurons[i] = aci_platform_alloc_array(work->memory, neurons,
                                                   sizeof(double));
    }
    out->influence = aci_platform_alloc_array(work->memory, 2 * layers,
                                              sizeof(double));
    if (out->heads[0] == NULL || out->heads[1] == NULL ||
        out->neurons[0] == NULL || out->neurons[1] == NULL ||
        out->influence == NULL)
        return aci_platform_fail_memory(error, "the losses of widths");
    return AC_OK;
}

static void close_curves(curves *dead, const aci_ladder_work *work)
{
    for (int i = 0; i < 2; i++) {
        aci_platform_free(work->memory, dead->heads[i]);
        aci_platform_free(work->memory, dead->neurons[i]);
    }
    aci_platform_free(work->memory, dead->influence);
}

/* Order and losses of one block into their places. */
static void keep(int32_t *order, double *const losses[2],
                 const aci_pruning *pruning, int32_t layer)
{
    size_t n = (size_t)pruning->n_units, at = (size_t)layer * (n + 1);

    memcpy(order + (size_t)layer * n, pruning->order, n * sizeof *order);
    memcpy(losses[0] + at, pruning->loss, (n + 1) * sizeof(double));
    memcpy(losses[1] + at, pruning->bias_loss, (n + 1) * sizeof(double));
}

static ac_status study_heads(curves *out, aci_unit_order *order,
                             const aci_ladder_work *work, int32_t layer,
                             ac_error *error)
{
    const aci_shape *s = work->shape;
    int32_t n = s->n_head * s->head_dim;
    aci_ladder_seen seen;
    aci_pruning pruning;
    float *o;
    aci_attention_block block = { .n_embd = s->n_embd, .n_head = s->n_head,
                                  .n_head_kv = s->n_head_kv,
                                  .head_dim = s->head_dim };
    ac_status status = aci_workshop_ladder_tensor(&o, work, NULL, layer,
                                                  ACI_ROW_O, NULL, error);

    block.o = o;
    if (status == AC_OK)
        status = aci_workshop_ladder_see(&seen, work, NULL, layer,
                                         ACI_INPUT_O, n, error);
    if (status == AC_OK) {
        status = aci_workshop_prune_heads(&pruning, work->algebra, &block,
                                          seen.h, seen.input.mean,
                                          ACI_PRUNE_SECOND_ORDER, error);
        aci_workshop_ladder_unsee(&seen, work);
    }
    if (status == AC_OK) {
        keep(order->groups, out->heads, &pruning, layer);
        aci_workshop_pruning_free(&pruning);
    }
    aci_platform_free(work->memory, o);
    return status;
}

static ac_status study_neurons(curves *out, aci_unit_order *order,
                               const aci_ladder_work *work, int32_t layer,
                               ac_error *error)
{
    const aci_shape *s = work->shape;
    aci_ladder_seen seen;
    aci_pruning pruning;
    float *down;
    aci_feed_forward block = { .n_embd = s->n_embd, .n_ff = s->n_ff };
    ac_status status = aci_workshop_ladder_tensor(&down, work, NULL, layer,
                                                  ACI_ROW_DOWN, NULL, error);

    block.down = down;
    if (status == AC_OK)
        status = aci_workshop_ladder_see(&seen, work, NULL, layer,
                                         ACI_INPUT_DOWN, s->n_ff, error);
    if (status == AC_OK) {
        status = aci_workshop_prune_neurons(&pruning, work->algebra, &block,
                                            seen.h, seen.input.mean,
                                            ACI_PRUNE_SECOND_ORDER, error);
        aci_workshop_ladder_unsee(&seen, work);
    }
    if (status == AC_OK) {
        keep(order->neurons, out->neurons, &pruning, layer);
        aci_workshop_pruning_free(&pruning);
    }
    aci_platform_free(work->memory, down);
    return status;
}

static ac_status study(curves *out, aci_unit_order *order,
                       const aci_ladder_work *work, ac_error *error)
{
    int32_t n = work->shape->n_layer;
    ac_status status = AC_OK;

    for (int32_t l = 0; status == AC_OK && l < n; l++) {
        double attention, feed_forward;

        status = aci_workshop_ladder_progress(work, "order", (uint64_t)l,
                                              (uint64_t)n, NAN, error);
        if (status == AC_OK)
            status = study_heads(out, order, work, l, error);
        if (status == AC_OK)
            status = study_neurons(out, order, work, l, error);
        aci_workshop_calibration_cosines(&attention, &feed_forward,
                                         work->calibration, l);
        out->influence[2 * l] = fmax(1.0 - attention, least_influence);
        out->influence[2 * l + 1] = fmax(1.0 - feed_forward,
                                         least_influence);
    }
    return status;
}

/* ---- what targets need of it --------------------------------------------- */

int32_t aci_workshop_losses_steps(const aci_shape *shape)
{
    return (shape->n_ff + ACI_NEURON_MULTIPLE - 1) / ACI_NEURON_MULTIPLE;
}

static size_t per_layer(const aci_shape *shape)
{
    return (size_t)shape->n_head_kv + 1 +
           (size_t)aci_workshop_losses_steps(shape) + 1;
}

size_t aci_workshop_losses_count(const aci_shape *shape)
{
    return 2 * (size_t)shape->n_layer * per_layer(shape);
}

const double *aci_workshop_losses_heads(const aci_ladder_plan *plan,
                                        const aci_shape *shape, int32_t layer,
                                        int by_bias)
{
    return plan->losses + (2 * (size_t)layer + (by_bias != 0)) *
                              per_layer(shape);
}

const double *aci_workshop_losses_neurons(const aci_ladder_plan *plan,
                                          const aci_shape *shape,
                                          int32_t layer, int by_bias)
{
    return aci_workshop_losses_heads(plan, shape, layer, by_bias) +
           shape->n_head_kv + 1;
}

static double relative(const double *losses, int64_t units)
{
    double all = losses[0] > 0.0 ? losses[0] : 1.0;

    return fmax(losses[units] / all, 0.0);
}

static ac_status keep_losses(aci_ladder_plan *out, const curves *from,
                             const aci_shape *s, ac_error *error)
{
    int32_t n_steps = aci_workshop_losses_steps(s);
    double *at;

    out->losses = at = aci_platform_alloc_array(
        out->memory, aci_workshop_losses_count(s), sizeof *at);
    if (at == NULL)
        return aci_platform_fail_memory(error, "the losses of widths");
    for (size_t l = 0; l < (size_t)s->n_layer; l++)
        for (int i = 0; i < 2; i++) {
            const double *heads = from->heads[i] +
                                  l * (size_t)(s->n_head_kv + 1);
            const double *neurons = from->neurons[i] +
                                    l * (size_t)(s->n_ff + 1);

            for (int32_t k = 0; k <= s->n_head_kv; k++)
                *at++ = relative(heads, k);
            for (int32_t j = 0; j <= n_steps; j++)
                *at++ = relative(neurons, j < n_steps
                                              ? j * ACI_NEURON_MULTIPLE
                                              : s->n_ff);
        }
    return AC_OK;
}

/* ---- widths -------------------------------------------------------------- */

enum { HEADS = 1, NEURONS = 2 };

/* Deals out a share of the operations of one kind of blocks, or of both. */
static ac_status deal(aci_variant_plan *plan, const aci_ladder_work *work,
                      const curves *losses, int kinds, double share,
                      ac_error *error)
{
    const aci_shape *s = work->shape;
    int32_t groups = s->n_head / s->n_head_kv, n = 0;
    size_t most = 2 * (size_t)s->n_layer;
    int by_bias = !plan->recipe.compensate;
    aci_prune_rules rules = { .n_layer = s->n_layer, .target = share };
    aci_prune_choice *choices = aci_platform_alloc_zeroed(
        work->memory, most, sizeof *choices);
    int64_t *kept = aci_platform_alloc_array(work->memory, most, sizeof *kept);
    double reached = 1.0;
    ac_status status = AC_OK;

    if (choices == NULL || kept == NULL)
        status = aci_platform_fail_memory(error, "the choice of widths");
    for (int32_t l = 0; status == AC_OK && l < s->n_layer; l++)
        for (int kind = HEADS; kind <= NEURONS; kind++) {
            aci_prune_choice *c = &choices[n];

            if ((kinds & kind) == 0)
                continue;
            c->layer = l;
            c->n_units = kind == HEADS ? s->n_head_kv : s->n_ff;
            c->multiple = kind == HEADS ? 1 : ACI_NEURON_MULTIPLE;
            c->loss = (kind == HEADS ? losses->heads : losses->neurons)
                          [by_bias] + (size_t)l * (size_t)(c->n_units + 1);
            c->cost_per_unit = kind == HEADS
                                   ? (2.0 * groups + 2.0) * s->head_dim *
                                         s->n_embd
                                   : 3.0 * s->n_embd;
            c->weight = losses->influence[2 * l + (kind == NEURONS)];
            n++;
        }
    if (status == AC_OK)
        status = aci_workshop_prune_allocate(kept, &reached, choices, n,
                                             &rules, error);
    if (status == AC_E_BUDGET) {
        aci_workshop_ladder_note(work, AC_LOG_WARNING,
                                 "%s keeps %.2f of its blocks, not %.2f: less "
                                 "is not given up", plan->recipe.name,
                                 reached, share);
        status = AC_OK;
    }
    for (int32_t i = 0; status == AC_OK && i < n; i++)
        if (choices[i].multiple == 1)
            plan->kept[choices[i].layer].n_head_kv = (int32_t)kept[i];
        else
            plan->kept[choices[i].layer].n_ff = (int32_t)kept[i];
    aci_platform_free(work->memory, choices);
    aci_platform_free(work->memory, kept);
    return status;
}

static ac_status plan_widths(aci_variant_plan *plan,
                             const aci_ladder_work *work,
                             const curves *losses, ac_error *error)
{
    const aci_shape *s = work->shape;
    const aci_recipe *recipe = &plan->recipe;
    ac_status status = AC_OK;

    plan->kept = aci_platform_alloc_zeroed(work->memory, (size_t)s->n_layer,
                                           sizeof *plan->kept);
    if (plan->kept == NULL)
        return aci_platform_fail_memory(error, "a variant's plan");
    for (int32_t l = 0; l < s->n_layer; l++)
        plan->kept[l] = (aci_kept){ s->n_head_kv, s->n_ff };
    if (recipe->width < 1.0)
        status = deal(plan, work, losses, HEADS | NEURONS, recipe->width,
                      error);
    if (status == AC_OK && recipe->heads < 1.0)
        status = deal(plan, work, losses, HEADS, recipe->heads, error);
    if (status == AC_OK && recipe->neurons < 1.0)
        status = deal(plan, work, losses, NEURONS, recipe->neurons, error);
    return status;
}

/* ---- ranks --------------------------------------------------------------- */

/* A matrix that may become factors, and what it would lose. */
typedef struct factored {
    int32_t *rank;         /* where its rank goes */
    aci_low_rank factors;
} factored;

static void rank_choice(aci_rank_choice *out, const aci_low_rank *factors)
{
    out->error = factors->error;
    out->most = factors->most / ACI_LADDER_RANKS * ACI_LADDER_RANKS;
    out->cost_per_rank = (double)(factors->n_out + factors->n_in);
    out->weight = 0.0;
}

/* Adds the matrix when factors pay; its dense operations count anyway. */
static ac_status consider(factored *list, aci_rank_choice *choices,
                          int32_t *n, aci_variant_plan *plan,
                          const aci_ladder_work *work,
                          const aci_unit_order *order, int32_t layer,
                          int is_o, ac_error *error)
{
    const aci_shape *s = work->shape;
    const aci_kept *kept = plan->kept != NULL ? &plan->kept[layer] : NULL;
    int32_t keys = (kept != NULL ? kept->n_head_kv : s->n_head_kv) *
                   s->head_dim;
    int32_t heads = keys * (s->n_head / s->n_head_kv);
    int64_t n_out = is_o ? s->n_embd : heads + 2 * keys;
    int64_t n_in = is_o ? heads : s->n_embd;
    int64_t most = aci_workshop_ladder_ceiling(n_out, n_in);
    factored *f = &list[*n];
    aci_ladder_seen seen = { .h = NULL };
    float *o = NULL;
    ac_status status;

    if (most == 0)
        return AC_OK;
    if (is_o) {
        status = aci_workshop_ladder_tensor(&o, work, order, layer,
                                            ACI_ROW_O, kept, error);
        if (status == AC_OK)
            status = aci_workshop_ladder_see(&seen, work, order, layer,
                                             ACI_INPUT_O, heads, error);
        if (status == AC_OK)
            status = aci_workshop_ladder_factor(&f->factors, work, o, n_out,
                                                n_in, seen.h, most, error);
        aci_workshop_ladder_unsee(&seen, work);
        aci_platform_free(work->memory, o);
    } else {
        status = aci_workshop_ladder_factor_qkv(&f->factors, work, order,
                                                layer, kept, most, error);
    }
    if (status != AC_OK)
        return status;
    if (f->factors.most < ACI_LADDER_RANKS) { /* it says less than that */
        aci_workshop_low_rank_free(&f->factors);
        return AC_OK;
    }
    /* What it loses is enough here; all layers' factors are gigabytes. */
    aci_platform_free(f->factors.memory, f->factors.left);
    aci_platform_free(f->factors.memory, f->factors.right);
    f->factors.left = f->factors.right = NULL;
    f->rank = (is_o ? plan->rank_o : plan->rank_qkv) + layer;
    rank_choice(&choices[*n], &f->factors);
    *n += 1;
    return AC_OK;
}

/* What the budget leaves goes to matrices that stay whole: those first whose
 * factors lose most for what they save. */
static void stay_whole(int64_t *ranks, const aci_rank_choice *choices,
                       const factored *list, int32_t n, double left)
{
    for (;;) {
        double most = 0.0, takes = 0.0;
        int32_t which = -1;

        for (int32_t i = 0; i < n; i++) {
            const aci_low_rank *f = &list[i].factors;
            double saved = (double)f->n_out * (double)f->n_in -
                           (double)ranks[i] * choices[i].cost_per_rank;
            double loses = f->error[ranks[i]] / f->error[0] / saved;

            if (ranks[i] == 0 || saved > left || !(loses > most))
                continue;
            which = i;
            most = loses;
            takes = saved;
        }
        if (which < 0)
            return;
        ranks[which] = 0;
        left -= takes;
    }
}

/* The share of the operations of what can be factored; at least one step
 * each. */
static ac_status choose_ranks(int64_t *ranks, const aci_rank_choice *choices,
                              const factored *list, int32_t n, double share,
                              ac_error *error)
{
    double budget = 0.0, least = 0.0, spent = 0.0;
    ac_status status;

    for (int32_t i = 0; i < n; i++) {
        budget += share * (double)list[i].factors.n_out *
                  (double)list[i].factors.n_in;
        least += ACI_LADDER_RANKS * choices[i].cost_per_rank;
    }
    status = aci_workshop_allocate_ranks(ranks, choices, n, ACI_LADDER_RANKS,
                                         fmax(budget, least), error);
    for (int32_t i = 0; status == AC_OK && i < n; i++)
        spent += (double)ranks[i] * choices[i].cost_per_rank;
    if (status == AC_OK)
        stay_whole(ranks, choices, list, n, budget - spent);
    return status;
}

static ac_status plan_ranks(aci_variant_plan *plan,
                            const aci_ladder_work *work,
                            const aci_unit_order *order, ac_error *error)
{
    size_t layers = (size_t)work->shape->n_layer;
    factored *list = aci_platform_alloc_zeroed(work->memory, 2 * layers,
                                               sizeof *list);
    aci_rank_choice *choices = aci_platform_alloc_zeroed(
        work->memory, 2 * layers, sizeof *choices);
    int64_t *ranks = aci_platform_alloc_array(work->memory, 2 * layers,
                                              sizeof *ranks);
    int32_t n = 0;
    ac_status status = AC_OK;

    plan->rank_qkv = aci_platform_alloc_zeroed(work->memory, layers,
                                               sizeof *plan->rank_qkv);
    plan->rank_o = aci_platform_alloc_zeroed(work->memory, layers,
                                             sizeof *plan->rank_o);
    if (list == NULL || choices == NULL || ranks == NULL ||
        plan->rank_qkv == NULL || plan->rank_o == NULL)
        status = aci_platform_fail_memory(error, "the choice of ranks");
    for (size_t i = 0; status == AC_OK && i < 2 * layers; i++) {
        status = aci_workshop_ladder_progress(work, "ranks", i, 2 * layers,
                                              NAN, error);
        if (status == AC_OK &&
            (plan->kept == NULL || plan->kept[i / 2].n_head_kv > 0))
            status = consider(list, choices, &n, plan, work, order,
                              (int32_t)(i / 2), (int)(i % 2), error);
    }
    if (status == AC_OK && n > 0)
        status = choose_ranks(ranks, choices, list, n, plan->recipe.rank,
                              error);
    for (int32_t i = 0; i < n; i++) {
        if (status == AC_OK)
            *list[i].rank = (int32_t)ranks[i];
        aci_workshop_low_rank_free(&list[i].factors);
    }
    if (status == AC_OK && n == 0)
        aci_workshop_ladder_note(work, AC_LOG_WARNING,
                                 "%s: attention is too small for factors of "
                                 "rank %d to pay; it stays as it is",
                                 plan->recipe.name, ACI_LADDER_RANKS);
    aci_platform_free(work->memory, list);
    aci_platform_free(work->memory, choices);
    aci_platform_free(work->memory, ranks);
    return status;
}

/* ---- the whole ----------------------------------------------------------- */

static void tell(const aci_ladder_work *work, const aci_variant_plan *plan)
{
    int32_t layers = work->shape->n_layer, factors = 0;
    double heads = 0.0, neurons = 0.0;

    for (int32_t l = 0; l < layers; l++) {
        heads += plan->kept != NULL ? plan->kept[l].n_head_kv
                                    : work->shape->n_head_kv;
        neurons += plan->kept != NULL ? plan->kept[l].n_ff
                                      : work->shape->n_ff;
        if (plan->rank_qkv != NULL)
            factors += (plan->rank_qkv[l] > 0) + (plan->rank_o[l] > 0);
    }
    aci_workshop_ladder_note(
        work, AC_LOG_INFO,
        "%s keeps %.0f %% of the heads and %.0f %% of the neurons; %d of %d "
        "attention matrices are factors", plan->recipe.name,
        100.0 * heads / ((double)layers * work->shape->n_head_kv),
        100.0 * neurons / ((double)layers * work->shape->n_ff), (int)factors,
        2 * (int)layers);
}

ac_status aci_workshop_ladder_plan(aci_ladder_plan *out,
                                   const aci_ladder_work *work,
                                   const aci_ladder *ladder, ac_error *error)
{
    curves losses = { .influence = NULL };
    int any = 0;
    ac_status status;

    memset(out, 0, sizeof *out);
    out->memory = work->memory;
    out->n_layer = work->shape->n_layer;
    for (out->n = 0; out->n < ladder->n; out->n++) {
        out->variants[out->n].recipe = ladder->recipes[out->n];
        any |= aci_workshop_recipe_prunes(&ladder->recipes[out->n]);
    }
    any |= aci_workshop_ladder_has_target(ladder);
    status = aci_workshop_order_open(&out->order, work->memory, work->shape,
                                     error);
    if (status == AC_OK && any)
        status = open_curves(&losses, work, error);
    if (status == AC_OK && any)
        status = study(&losses, &out->order, work, error);
    for (int32_t i = 0; status == AC_OK && i < out->n; i++) {
        aci_variant_plan *plan = &out->variants[i];

        if (aci_workshop_recipe_prunes(&plan->recipe))
            status = plan_widths(plan, work, &losses, error);
        if (status == AC_OK && plan->recipe.rank < 1.0)
            status = plan_ranks(plan, work, &out->order, error);
        if (status == AC_OK && plan->recipe.target == 0.0 &&
            aci_workshop_recipe_is_structural(&plan->recipe))
            tell(work, plan);
    }
    if (status == AC_OK && aci_workshop_ladder_has_target(ladder))
        status = keep_losses(out, &losses, work->shape, error);
    close_curves(&losses, work);
    return status;
}

void aci_workshop_ladder_plan_close(aci_ladder_plan *plan)
{
    for (int32_t i = 0; i < plan->n; i++) {
        aci_platform_free(plan->memory, plan->variants[i].kept);
        aci_platform_free(plan->memory, plan->variants[i].rank_qkv);
        aci_platform_free(plan->memory, plan->variants[i].rank_o);
    }
    aci_platform_free(plan->memory, plan->losses);
    aci_workshop_order_close(&plan->order);
    memset(plan, 0, sizeof *plan);
}
