/* export_plan.c - what is written: the tensors of a variant, each cut to the
 * variant's plan and with what the variant owns instead of the store's.
 *
 *     kept by the variant       heads 3 2 0 3      neurons 192 64 128 0
 *     GGUF, layers differ       heads 3 2 0 3      neurons 192 64 128 32
 *     a directory, all alike    heads 3 3 3 3      neurons 192 192 192 192
 *
 * What a target wants beyond the variant is zero, which is exact: a head whose
 * values are zero and whose columns of o are zero adds nothing, nor does a
 * neuron whose column of down is zero. Biases that some layer owns are written
 * for all, zero where there are none, since the targets know them as a switch.
 * A block that the variant leaves out has norms of one. */
#include <string.h>

#include "model/variant_layer.h"
#include "platform/error.h"
#include "workshop/compress/export.h"

enum { DECI_NEURONS = 32 };    /* of a block that is there for its sum alone */

static const aci_owned *owned_of(const aci_export *work, int32_t layer,
                                 int32_t row)
{
    int32_t number = (int32_t)(work->variant - work->model->variants);
    int32_t i = aci_model_extras_find(work->model->extras, number, layer,
                                      row);
    size_t n;

    return i >= 0 ? &aci_model_extras_all(&n, work->model->extras)[i] : NULL;
}

static aci_kept kept_of(const aci_export *work, int32_t layer)
{
    const aci_kept all = { work->model->shape.n_head_kv,
                           work->model->shape.n_ff };

    return work->variant->kept != NULL ? work->variant->kept[layer] : all;
}

/* ---- the shape ----------------------------------------------------------- */

static int owns_any(const aci_export *work, int32_t first, int32_t last)
{
    for (int32_t l = 0; l < work->model->shape.n_layer; l++)
        for (int32_t row = first; row <= last; row++)
            if (owned_of(work, l, row) != NULL)
                return 1;
    return 0;
}

void aci_workshop_export_switches(aci_export *work)
{
    aci_shape *shape = &work->shape;

    *shape = work->model->shape;
    shape->attention_bias |= owns_any(work, ACI_ROW_Q_BIAS, ACI_ROW_V_BIAS);
    shape->output_bias |= owns_any(work, ACI_ROW_O_BIAS, ACI_ROW_O_BIAS);
    shape->mlp_bias |= owns_any(work, ACI_ROW_GATE_BIAS, ACI_ROW_DOWN_BIAS);
    if (work->variant->embed_bits != work->variant->head_bits ||
        owned_of(work, -1, ACI_ROW_HEAD) != NULL)
        shape->tied_embeddings = 0;
}

/* llama.cpp's deci takes the width of a head from layer 0, which must have
 * some; it forgets what attention said where no neurons follow, and which
 * tokens were asked about where the last layer has nothing at all. */
static void suit_deci(aci_kept *kept, int32_t n_layer)
{
    if (kept[0].n_head_kv == 0)
        kept[0].n_head_kv = 1;
    for (int32_t l = 0; l < n_layer; l++)
        if (kept[l].n_ff == 0 &&
            (kept[l].n_head_kv > 0 || l == n_layer - 1))
            kept[l].n_ff = DECI_NEURONS;
}

/* The widest layer becomes the shape's; 1 when all are as wide. */
static int set_widest(aci_export *work)
{
    aci_shape *shape = &work->shape;
    int32_t ratio = shape->n_head / shape->n_head_kv, n_head_kv = 1, n_ff = 1;
    int alike = 1;

    for (int32_t l = 0; l < shape->n_layer; l++) {
        const aci_kept *kept = &work->kept[l];

        n_head_kv = kept->n_head_kv > n_head_kv ? kept->n_head_kv : n_head_kv;
        n_ff = kept->n_ff > n_ff ? kept->n_ff : n_ff;
        alike &= kept->n_head_kv == work->kept[0].n_head_kv &&
                 kept->n_ff == work->kept[0].n_ff;
    }
    shape->n_head_kv = n_head_kv;
    shape->n_head = n_head_kv * ratio;
    shape->n_ff = n_ff > 1 ? n_ff : DECI_NEURONS;
    return alike;
}

static ac_status set_sizes(aci_export *work, int may_differ, ac_error *error)
{
    int32_t n = work->shape.n_layer;
    int alike;

    work->kept = aci_platform_alloc_array(work->memory, (size_t)n,
                                          sizeof *work->kept);
    if (work->kept == NULL)
        return aci_platform_fail_memory(error, "the sizes of layers");
    for (int32_t l = 0; l < n; l++)
        work->kept[l] = kept_of(work, l);
    alike = set_widest(work);
    if (!alike && may_differ) {
        suit_deci(work->kept, n);
        (void)set_widest(work);
        return AC_OK;
    }
    if (!alike)
        aci_workshop_export_note(
            work, "%s keeps less of some layers than of others, which this "
            "format has no class for: all are written as wide as the widest, "
            "with zeros, %d key-value heads and %d neurons. Answers are the "
            "same, less is saved", work->variant->name,
            (int)work->shape.n_head_kv, (int)work->shape.n_ff);
    aci_platform_free(work->memory, work->kept);
    work->kept = NULL;
    return AC_OK;
}

/* ---- tensors ------------------------------------------------------------- */

static void set_matrix(aci_export_tensor *out, const aci_weight *weight)
{
    out->matrix = weight->outer;
    out->bits = weight->outer_bits;
    out->inner = weight->inner;
    out->rank = weight->rank;
    out->inner_bits = weight->inner_bits;
}

static void fill_layer_matrix(aci_export_tensor *out,
                              const aci_variant_layer *layer)
{
    const aci_weight *const weights[ACI_N_LAYER_ROWS] = {
        [ACI_ROW_Q] = &layer->q, [ACI_ROW_K] = &layer->k,
        [ACI_ROW_V] = &layer->v, [ACI_ROW_O] = &layer->o,
        [ACI_ROW_GATE] = &layer->gate, [ACI_ROW_UP] = &layer->up,
        [ACI_ROW_DOWN] = &layer->down,
    };

    set_matrix(out, weights[out->tensor.row]);
}

static const float *layer_vector(const aci_variant_layer *layer, int32_t row)
{
    const float *const vectors[ACI_N_LAYER_ROWS] = {
        [ACI_ROW_ATTN_NORM] = layer->attn_norm,
        [ACI_ROW_Q_BIAS] = layer->q_bias, [ACI_ROW_K_BIAS] = layer->k_bias,
        [ACI_ROW_V_BIAS] = layer->v_bias, [ACI_ROW_O_BIAS] = layer->o_bias,
        [ACI_ROW_Q_NORM] = layer->q_norm, [ACI_ROW_K_NORM] = layer->k_norm,
        [ACI_ROW_FFN_NORM] = layer->ffn_norm,
        [ACI_ROW_GATE_BIAS] = layer->gate_bias,
        [ACI_ROW_UP_BIAS] = layer->up_bias,
        [ACI_ROW_DOWN_BIAS] = layer->down_bias,
    };

    return vectors[row];
}

static int is_norm(int32_t row)
{
    return row == ACI_ROW_ATTN_NORM || row == ACI_ROW_FFN_NORM ||
           row == ACI_ROW_Q_NORM || row == ACI_ROW_K_NORM;
}

static void fill_in_layer(aci_export_tensor *out, const aci_export *work,
                          const aci_variant_layer *layer)
{
    int32_t l = out->tensor.layer;
    aci_kept kept = kept_of(work, l);
    aci_tensor cut = out->tensor;
    int32_t bits = work->variant->weight_bits;

    aci_model_tensor_cut(&cut, &work->model->shape, &kept);
    if (out->tensor.is_matrix) {
        out->bits = bits;
        if (cut.n_out > 0)
            fill_layer_matrix(out, layer);
    } else {
        out->vector = layer_vector(layer, out->tensor.row);
        out->n_vector = out->vector != NULL ? cut.n_in : 0;
        out->fill = is_norm(out->tensor.row) ? 1.0f : 0.0f;
    }
    if (work->kept != NULL)
        aci_model_tensor_cut(&out->tensor, &work->shape, &work->kept[l]);
}

static void fill_outside(aci_export_tensor *out, const aci_export *work,
                         const aci_weight *head, const float *final_norm)
{
    if (out->tensor.row == ACI_ROW_EMBED) {
        out->matrix = work->model->embed;
        out->bits = work->variant->embed_bits;
    } else if (out->tensor.row == ACI_ROW_HEAD) {
        set_matrix(out, head);
    } else {
        out->vector = final_norm;
        out->n_vector = out->tensor.n_in;
    }
}

static void list_tensors(aci_export *work)
{
    const aci_model *model = work->model;
    int32_t number = (int32_t)(work->variant - model->variants), now = -1;
    size_t n_owned, n = aci_model_tensor_count(&work->shape);
    const aci_owned *owned = aci_model_extras_all(&n_owned, model->extras);
    aci_variant_layer layer = { 0 };
    const float *final_norm;
    aci_weight head;

    aci_model_variant_head(&head, &final_norm, model, number, &model->head,
                           model->final_norm, owned);
    for (size_t i = 0; i < n; i++) {
        aci_export_tensor *out = &work->tensors[work->n_tensors];

        aci_model_tensor_at(&out->tensor, &work->shape, i);
        if (out->tensor.layer < 0) {
            fill_outside(out, work, &head, final_norm);
        } else {
            if (out->tensor.layer != now) {
                now = out->tensor.layer;
                aci_model_variant_layer(&layer, model, number, now,
                                        &model->layers[now], owned);
            }
            fill_in_layer(out, work, &layer);
        }
        if (out->tensor.n_out > 0) /* else its block is not there */
            work->n_tensors++;
        else
            memset(out, 0, sizeof *out);
    }
}

static ac_status allocate_factors(aci_export *work, ac_error *error)
{
    size_t most = 0, rank = 0;

    for (size_t i = 0; i < work->n_tensors; i++) {
        const aci_export_tensor *t = &work->tensors[i];
        size_t n = (size_t)t->rank * (size_t)t->inner.n_in;

        most = n > most ? n : most;
        rank = (size_t)t->rank > rank ? (size_t)t->rank : rank;
    }
    if (most == 0)
        return AC_OK;
    work->inner = aci_platform_alloc_array(work->memory, most,
                                           sizeof *work->inner);
    work->outer = aci_platform_alloc_array(work->memory, rank,
                                           sizeof *work->outer);
    if (work->inner == NULL || work->outer == NULL)
        return aci_platform_fail_memory(error, "factors to multiply out");
    aci_workshop_export_note(
        work, "the low-rank factors of %s are multiplied out: as large as the "
        "matrices in whose place they are", work->variant->name);
    return AC_OK;
}

ac_status aci_workshop_export_plan(aci_export *work, int may_differ,
                                   ac_error *error)
{
    ac_status status = set_sizes(work, may_differ, error);

    if (status != AC_OK)
        return status;
    work->tensors = aci_platform_alloc_zeroed(
        work->memory, aci_model_tensor_count(&work->shape),
        sizeof *work->tensors);
    if (work->tensors == NULL)
        return aci_platform_fail_memory(error, "a list of tensors");
    list_tensors(work);
    return allocate_factors(work, error);
}

void aci_workshop_export_plan_free(aci_export *work)
{
    aci_platform_free(work->memory, work->outer);
    aci_platform_free(work->memory, work->inner);
    aci_platform_free(work->memory, work->tensors);
    aci_platform_free(work->memory, work->kept);
    work->outer = work->inner = NULL;
    work->inner_of = NULL;
    work->tensors = NULL;
    work->kept = NULL;
    work->n_tensors = 0;
}
