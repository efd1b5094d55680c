/* synthetic_plan.c - plans without calibration: what ladder_plan.c deals out by
 * measured losses is dealt out evenly, so that sizes and speeds are those of a
 * real ladder though nothing was measured. */
#include <stdio.h>
#include <string.h>

#include "model/tensor_list.h"
#include "workshop/compress/ladder_plan.h"
#include "workshop/compress/plane_quantizer.h"
#include "workshop/compress/synthetic_zoo.h"

/* As prune_allocate.h protects them: the first two and the last. */
enum { PROTECTED_FIRST = 2, PROTECTED_LAST = 1, PROTECTED_FROM = 7 };
#define LEAST_SHARE 0.3

static int is_protected(const aci_shape *shape, int32_t layer)
{
    return shape->n_layer >= PROTECTED_FROM &&
           (layer < PROTECTED_FIRST ||
            layer >= shape->n_layer - PROTECTED_LAST);
}

/* Of the layers that may be cut, so that all together come to the width. */
static double share_of(const aci_shape *shape, double width)
{
    double n = shape->n_layer, whole = 0.0, share;

    if (shape->n_layer >= PROTECTED_FROM)
        whole = PROTECTED_FIRST + PROTECTED_LAST;
    share = (width * n - whole) / (n - whole);
    return share < LEAST_SHARE ? LEAST_SHARE : share;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* Heads are few: what is left of a share goes to the next layer. */
static int32_t heads_of(const aci_shape *shape, double share, int32_t layer)
{
    double each = share * shape->n_head_kv;
    int32_t n = (int32_t)(each * (layer + 1)) - (int32_t)(each * layer);

    return n < 1 ? 1 : n;
}

static int32_t neurons_of(const aci_shape *shape, double share)
{
    int32_t n = (int32_t)(share * shape->n_ff) / ACI_KEPT_NEURONS *
                ACI_KEPT_NEURONS;

    if (n < ACI_KEPT_NEURONS)
        n = ACI_KEPT_NEURONS;
    return n < shape->n_ff ? n : shape->n_ff;
}

aci_kept *aci_workshop_synthetic_kept(int *failed, aci_memory *memory,
                                      const aci_shape *shape,
                                      const aci_recipe *recipe)
{
    double heads = share_of(shape, smaller(recipe->width, recipe->heads));
    double neurons = share_of(shape, smaller(recipe->width, recipe->neurons));
    aci_kept *kept;

    *failed = 0;
    if (!aci_workshop_recipe_prunes(recipe))
        return NULL;
    kept = aci_platform_alloc_array(memory, (size_t)shape->n_layer,
                                    sizeof *kept);
    *failed = kept == NULL;
    for (int32_t l = 0; kept != NULL && l < shape->n_layer; l++) {
        kept[l] = (aci_kept){ shape->n_head_kv, shape->n_ff };
        if (is_protected(shape, l))
            continue;
        kept[l].n_head_kv = heads_of(shape, heads, l);
        kept[l].n_ff = neurons_of(shape, neurons);
    }
    return kept;
}

/* Factors [n_out, r] and [r, n_in] with `share` of a matrix's products. */
static int32_t rank_of(int64_t n_out, int64_t n_in, double share)
{
    int64_t most = aci_workshop_ladder_ceiling(n_out, n_in);
    int64_t rank = (int64_t)(share * (double)n_out * (double)n_in /
                             (double)(n_out + n_in)) /
                   ACI_LADDER_RANKS * ACI_LADDER_RANKS;

    return (int32_t)(rank < most ? rank : most);
}

void aci_workshop_synthetic_ranks(int32_t *rank_qkv, int32_t *rank_o,
                                  const aci_shape *shape,
                                  const aci_recipe *recipe)
{
    int64_t embd = shape->n_embd, q = shape->n_head * shape->head_dim;
    int64_t kv = shape->n_head_kv * shape->head_dim;

    *rank_qkv = *rank_o = 0;
    if (recipe->rank >= 1.0)
        return;
    *rank_qkv = rank_of(q + 2 * kv, embd, recipe->rank);
    *rank_o = rank_of(embd, q, recipe->rank);
}

/* ---- what a variant owns ------------------------------------------------- */

/* Entries on their way; `out` NULL: they are counted only. */
typedef struct owning {
    aci_extras_entry *out;
    size_t n;
    const aci_shape *shape;
    const aci_recipe *recipe;
    const aci_kept *kept;      /* of the layer at hand; NULL: all of it */
    int32_t layer;
} owning;

static void own(owning *o, int32_t row, int32_t kind, int32_t rank)
{
    uint32_t bits = (uint32_t)o->recipe->weight_bits;
    aci_extras_entry *entry;
    aci_tensor tensor;

    if (o->out == NULL) {
        o->n++;
        return;
    }
    entry = &o->out[o->n++];
    memset(entry, 0, sizeof *entry);
    aci_model_tensor_row(&tensor, o->shape, o->layer, row);
    aci_model_tensor_cut(&tensor, o->shape, o->kept);
    snprintf(entry->variant, sizeof entry->variant, "%s", o->recipe->name);
    snprintf(entry->tensor, sizeof entry->tensor, "%s", tensor.name);
    entry->kind = (uint32_t)kind;
    entry->n_out = (uint32_t)tensor.n_out;
    entry->n_in = (uint32_t)tensor.n_in;
    if (kind == ACI_OWNED_VECTOR)
        return;
    entry->rank = (uint32_t)rank;
    entry->bits = bits;
    entry->ratio = ACI_PLANE_RATIO;
    if (kind == ACI_OWNED_LOW_RANK) {
        entry->inner_bits = bits;
        entry->inner_ratio = ACI_PLANE_RATIO;
    }
}

/* Columns that went are made up for by new weights, or by a bias. */
static void own_cut(owning *o)
{
    int heads_went = o->kept->n_head_kv < o->shape->n_head_kv;
    int neurons_went = o->kept->n_ff < o->shape->n_ff;

    if (heads_went && o->recipe->compensate)
        own(o, ACI_ROW_O, ACI_OWNED_MATRIX, 0);
    else if (heads_went)
        own(o, ACI_ROW_O_BIAS, ACI_OWNED_VECTOR, 0);
    if (neurons_went && o->recipe->compensate)
        own(o, ACI_ROW_DOWN, ACI_OWNED_MATRIX, 0);
    else if (neurons_went)
        own(o, ACI_ROW_DOWN_BIAS, ACI_OWNED_VECTOR, 0);
}

size_t aci_workshop_synthetic_owned(aci_extras_entry *out,
                                    const aci_shape *shape,
                                    const aci_recipe *recipe,
                                    const aci_kept *kept)
{
    owning o = { out, 0, shape, recipe, NULL, 0 };
    int32_t rank_qkv, rank_o;

    aci_workshop_synthetic_ranks(&rank_qkv, &rank_o, shape, recipe);
    for (; o.layer < shape->n_layer; o.layer++) {
        if (rank_qkv > 0) {
            own(&o, ACI_ROW_Q, ACI_OWNED_LOW_RANK, rank_qkv);
            own(&o, ACI_ROW_K, ACI_OWNED_SHARED, rank_qkv);
            own(&o, ACI_ROW_V, ACI_OWNED_SHARED, rank_qkv);
        }
        if (rank_o > 0)
            own(&o, ACI_ROW_O, ACI_OWNED_LOW_RANK, rank_o);
        if (kept != NULL) {
            o.kept = &kept[o.layer];
            own_cut(&o);
        }
    }
    return o.n;
}
