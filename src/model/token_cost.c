/* token_cost.c - what one token costs, counted and not measured.
 *
 *     macs    n_out * n_in of every matrix, (n_out + n_in) * rank of U V, and
 *             2 * n_head * head_dim for each position attention sees
 *     bits    macs x weight bits x activation bits; attention's "weights" are
 *             the cache, its activations at least 16 bits wide
 *     bytes   planes and scales as they lie in memory, padding included; norms
 *             and biases; one embedding row; the cache entries read
 *
 * Norms, rotary positions, softmax and the activation function are left out:
 * below a hundredth of the whole at any size worth routing. What a variant's
 * plan leaves out is not counted; what it owns is counted in place of the
 * store's. */
#include "kernels/matrix.h"
#include "model/model.h"
#include "model/tensor_list.h"

/* One variant's token. */
typedef struct count {
    const aci_model *model;
    const aci_variant *variant;
    const aci_owned *owned;
    int32_t number;            /* of the variant */
    aci_token_cost sum;
} count;

/* Bytes of rows at `bits`, scales included. */
static uint64_t weight_bytes(uint64_t n_out, uint64_t n_in, int32_t bits,
                             int32_t group)
{
    uint64_t columns;

    if (bits == 32 || group <= 0)
        return n_out * n_in * sizeof(float);
    columns = (uint64_t)aci_matrix_padded((int32_t)n_in, group);
    return n_out * columns * (uint64_t)bits / 8 +
           n_out * (columns / (uint64_t)group) * sizeof(uint16_t);
}

void aci_model_matrix_cost(aci_token_cost *sum, int32_t n_out, int32_t n_in,
                           int32_t bits, int32_t activation_bits,
                           int32_t group)
{
    uint64_t macs = (uint64_t)n_out * (uint64_t)n_in;
    uint64_t rows = (uint64_t)n_out;

    if (bits != 32)
        rows = (rows + ACI_STRIP_ROWS - 1) / ACI_STRIP_ROWS * ACI_STRIP_ROWS;
    sum->macs += macs;
    sum->bit_operations += macs * (uint64_t)bits * (uint64_t)activation_bits;
    sum->bytes += weight_bytes(rows, (uint64_t)n_in, bits, group);
}

static void add_matrix(count *c, int32_t n_out, int32_t n_in, int32_t bits,
                       int32_t activation_bits)
{
    aci_model_matrix_cost(&c->sum, n_out, n_in, bits, activation_bits,
                          c->model->group);
}

/* A tensor at `bits` of the store, or what the variant owns instead. */
static void add_tensor(count *c, const aci_tensor *tensor, int32_t bits)
{
    int32_t i = aci_model_extras_find(c->model->extras, c->number,
                                      tensor->layer, tensor->row);
    const aci_owned *own = i >= 0 ? &c->owned[i] : NULL;
    /* The full planes are always multiplied by 16-bit activations. */
    int32_t activation = bits == 16 ? 16 : c->variant->activation_bits;

    if (!tensor->is_matrix) {
        c->sum.bytes += (uint64_t)tensor->n_in * sizeof(float);
        return;
    }
    if (own == NULL) {
        add_matrix(c, tensor->n_out, tensor->n_in, bits, activation);
        return;
    }
    add_matrix(c, own->matrix.n_out, own->matrix.n_in, own->bits, activation);
    if (own->kind == ACI_OWNED_LOW_RANK)
        add_matrix(c, own->inner.n_out, own->inner.n_in, own->inner_bits,
                   activation);
}

static void add_attention(count *c, int32_t n_head_kv, int32_t kv_bits,
                          int64_t position)
{
    const aci_shape *shape = &c->model->shape;
    uint64_t seen = position < 0 ? 1 : (uint64_t)position + 1;
    uint64_t dim = (uint64_t)shape->head_dim, macs, entry;
    uint64_t n_head = (uint64_t)n_head_kv *
                      (uint64_t)(shape->n_head / shape->n_head_kv);
    int32_t activation = c->variant->activation_bits < 16
                             ? 16 : c->variant->activation_bits;

    if (shape->window > 0 && seen > (uint64_t)shape->window)
        seen = (uint64_t)shape->window;
    macs = 2 * seen * n_head * dim;
    entry = dim * (uint64_t)kv_bits / 8 + (kv_bits == 8 ? 2 : 0);
    c->sum.macs += macs;
    c->sum.bit_operations += macs * (uint64_t)kv_bits * (uint64_t)activation;
    c->sum.bytes += 2 * seen * (uint64_t)n_head_kv * entry;
}

/* A tensor that the shape has, or that the variant added. */
static int is_there(const count *c, const aci_tensor *tensor)
{
    const aci_shape *shape = &c->model->shape;

    return aci_model_tensor_present(shape, tensor) ||
           aci_model_extras_find(c->model->extras, c->number, tensor->layer,
                                 tensor->row) >= 0;
}

static void add_layer(count *c, int32_t layer, int32_t kv_bits,
                      int64_t position)
{
    const aci_shape *shape = &c->model->shape;
    aci_kept kept = { shape->n_head_kv, shape->n_ff };

    if (c->variant->kept != NULL)
        kept = c->variant->kept[layer];
    for (int32_t row = 0; row < ACI_N_LAYER_ROWS; row++) {
        aci_tensor tensor;

        aci_model_tensor_row(&tensor, shape, layer, row);
        aci_model_tensor_cut(&tensor, shape, &kept);
        if (tensor.n_in > 0 && is_there(c, &tensor))
            add_tensor(c, &tensor, c->variant->weight_bits);
    }
    if (kept.n_head_kv > 0)
        add_attention(c, kept.n_head_kv, kv_bits, position);
}

static void multiply(aci_token_cost *cost, uint64_t n)
{
    cost->macs *= n;
    cost->bit_operations *= n;
    cost->bytes *= n;
}

void aci_model_token_cost(aci_token_cost *out, const aci_model *model,
                          int32_t variant, int32_t kv_bits, int64_t position,
                          int with_head)
{
    const aci_shape *shape = &model->shape;
    count c = { model, &model->variants[variant], NULL, variant,
                { 0, 0, 0 } };
    aci_tensor tensor;
    size_t n_owned;

    c.owned = aci_model_extras_all(&n_owned, model->extras);
    if (c.variant->kept == NULL && n_owned == 0) { /* layers are alike */
        add_layer(&c, 0, kv_bits, position);
        multiply(&c.sum, (uint64_t)shape->n_layer);
    } else {
        for (int32_t l = 0; l < shape->n_layer; l++)
            add_layer(&c, l, kv_bits, position);
    }
    c.sum.bytes += weight_bytes(1, (uint64_t)shape->n_embd,
                                c.variant->embed_bits, model->group);
    if (with_head) {
        aci_model_tensor_row(&tensor, shape, -1, ACI_ROW_HEAD);
        add_tensor(&c, &tensor, c.variant->head_bits);
        c.sum.bytes += (uint64_t)shape->n_embd * sizeof(float); /* its norm */
    }
    *out = c.sum;
}
