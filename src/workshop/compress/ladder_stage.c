/* ladder_stage.c - what stages of a ladder depend on, and a plan as bytes:
 *
 *     | groups | neurons | of each variant: kept, ranks of qkv, ranks of o |
 *
 * int32 all; what a recipe has no use for is left out. With targets, the losses
 * of widths follow, as doubles. */
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "workshop/compress/ladder_plan.h"

static const char name[] = "order";

/* ---- keys ---------------------------------------------------------------- */

static uint64_t add(uint64_t key, const void *data, size_t n_bytes)
{
    return aci_platform_checksum(data, n_bytes, key);
}

/* Field by field: padding of a struct is nobody's. */
static uint64_t add_recipe(uint64_t key, const aci_recipe *r)
{
    const int32_t bits[] = { r->weight_bits, r->activation_bits, r->head_bits,
                             r->embed_bits, r->compensate };
    const double shares[] = { r->width, r->heads, r->neurons, r->rank,
                              r->target, (double)r->target_cost };

    key = add(key, r->name, strlen(r->name));
    key = add(key, bits, sizeof bits);
    return add(key, shares, sizeof shares);
}

uint64_t aci_workshop_ladder_store_key(const aci_ladder_work *work,
                                       const aci_unit_order *order)
{
    size_t layers = (size_t)work->shape->n_layer;
    uint64_t key = add(work->key, "store", 5);

    if (order == NULL)
        return key;
    key = add(key, order->groups, layers * (size_t)work->shape->n_head_kv *
                                      sizeof *order->groups);
    return add(key, order->neurons, layers * (size_t)work->shape->n_ff *
                                        sizeof *order->neurons);
}

uint64_t aci_workshop_ladder_variant_key(const aci_ladder_work *work,
                                         const aci_ladder_plan *plan,
                                         int32_t variant)
{
    const aci_variant_plan *v = &plan->variants[variant];
    const ac_compress_options *options = work->options;
    const uint64_t numbers[] = { options->recovery_tokens, options->seed,
                                 (uint64_t)work->teaching };
    size_t layers = (size_t)plan->n_layer;
    uint64_t key = aci_workshop_ladder_store_key(work, &plan->order);

    key = add_recipe(add(key, numbers, sizeof numbers), &v->recipe);
    if (v->kept != NULL)
        key = add(key, v->kept, layers * sizeof *v->kept);
    if (v->rank_qkv != NULL)
        key = add(key, v->rank_qkv, layers * sizeof *v->rank_qkv);
    if (v->rank_o != NULL)
        key = add(key, v->rank_o, layers * sizeof *v->rank_o);
    return key;
}

static uint64_t plan_key(const aci_ladder_work *work, const aci_ladder *ladder)
{
    uint64_t key = add(work->key, name, sizeof name);

    for (int32_t i = 0; i < ladder->n; i++)
        key = add_recipe(key, &ladder->recipes[i]);
    return key;
}

/* ---- a plan as bytes ----------------------------------------------------- */

static size_t plan_bytes(const aci_ladder_work *work,
                         const aci_ladder *ladder)
{
    const aci_shape *s = work->shape;
    size_t each = (size_t)s->n_head_kv + (size_t)s->n_ff;

    for (int32_t i = 0; i < ladder->n; i++)
        each += (aci_workshop_recipe_prunes(&ladder->recipes[i]) ? 2u : 0u) +
                (ladder->recipes[i].rank < 1.0 ? 2u : 0u);
    return each * (size_t)s->n_layer * sizeof(int32_t) +
           (aci_workshop_ladder_has_target(ladder)
                ? aci_workshop_losses_count(s) * sizeof(double)
                : 0);
}

_Static_assert(sizeof(aci_kept) == 2 * sizeof(int32_t), "two numbers");

typedef struct cursor {
    uint8_t *at;
    int is_writing;
} cursor;

static void move(cursor *c, void *data, size_t n_bytes)
{
    if (c->is_writing)
        memcpy(c->at, data, n_bytes);
    else
        memcpy(data, c->at, n_bytes);
    c->at += n_bytes;
}

static void move_plan(cursor *c, aci_ladder_plan *plan,
                      const aci_shape *shape)
{
    size_t layers = (size_t)shape->n_layer;

    move(c, plan->order.groups, layers * (size_t)shape->n_head_kv *
                                    sizeof *plan->order.groups);
    move(c, plan->order.neurons, layers * (size_t)shape->n_ff *
                                     sizeof *plan->order.neurons);
    for (int32_t i = 0; i < plan->n; i++) {
        aci_variant_plan *v = &plan->variants[i];

        if (aci_workshop_recipe_prunes(&v->recipe))
            move(c, v->kept, layers * sizeof *v->kept);
        if (v->recipe.rank < 1.0) {
            move(c, v->rank_qkv, layers * sizeof *v->rank_qkv);
            move(c, v->rank_o, layers * sizeof *v->rank_o);
        }
    }
    if (plan->losses != NULL)
        move(c, plan->losses, aci_workshop_losses_count(shape) *
                                  sizeof *plan->losses);
}

/* Room for all that a plan has. */
static ac_status open_plan(aci_ladder_plan *out, const aci_ladder_work *work,
                           const aci_ladder *ladder, ac_error *error)
{
    size_t layers = (size_t)work->shape->n_layer;
    int full = 0;

    memset(out, 0, sizeof *out);
    out->memory = work->memory;
    out->n_layer = work->shape->n_layer;
    for (out->n = 0; out->n < ladder->n; out->n++) {
        aci_variant_plan *v = &out->variants[out->n];

        v->recipe = ladder->recipes[out->n];
        if (aci_workshop_recipe_prunes(&v->recipe)) {
            v->kept = aci_platform_alloc_array(work->memory, layers,
                                               sizeof *v->kept);
            full |= v->kept == NULL;
        }
        if (v->recipe.rank < 1.0) {
            v->rank_qkv = aci_platform_alloc_array(work->memory, layers,
                                                   sizeof *v->rank_qkv);
            v->rank_o = aci_platform_alloc_array(work->memory, layers,
                                                 sizeof *v->rank_o);
            full |= v->rank_qkv == NULL || v->rank_o == NULL;
        }
    }
    if (aci_workshop_ladder_has_target(ladder)) {
        out->losses = aci_platform_alloc_array(
            work->memory, aci_workshop_losses_count(work->shape),
            sizeof *out->losses);
        full |= out->losses == NULL;
    }
    if (full)
        return aci_platform_fail_memory(error, "a variant's plan");
    return aci_workshop_order_open(&out->order, work->memory, work->shape,
                                   error);
}

ac_status aci_workshop_ladder_plan_stage(aci_ladder_plan *out,
                                         const aci_ladder_work *work,
                                         const aci_ladder *ladder,
                                         ac_error *error)
{
    uint64_t key = plan_key(work, ladder);
    size_t n = plan_bytes(work, ladder);
    uint8_t *bytes = aci_platform_alloc(work->memory, n);
    cursor c = { bytes, 0 };
    ac_status status;

    out->memory = work->memory;
    if (bytes == NULL)
        return aci_platform_fail_memory(error, "a plan");
    if (aci_workshop_stage_take(bytes, work->stages, name, key, n)) {
        status = open_plan(out, work, ladder, error);
        if (status == AC_OK)
            move_plan(&c, out, work->shape);
    } else {
        status = aci_workshop_ladder_plan(out, work, ladder, error);
        c.is_writing = 1;
        if (status == AC_OK) {
            move_plan(&c, out, work->shape);
            status = aci_workshop_stage_put(work->stages, name, key, bytes, n,
                                            error);
        }
    }
    aci_platform_free(work->memory, bytes);
    return status;
}
