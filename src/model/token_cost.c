/* token_cost.c - what one token costs, counted and not measured.
 *
 *     macs    n_out * n_in of every matrix, and 2 * n_head * head_dim for each
 *             position attention sees
 *     bits    macs x weight bits x activation bits; attention's "weights" are
 *             the cache, its activations at least 16 bits wide
 *     bytes   planes and scales as they lie in memory, padding included; norms
 *             and biases; one embedding row; the cache entries read
 *
 * Norms, rotary positions, softmax and the activation function are left out:
 * below a hundredth of the whole at any size worth routing. */
#include "kernels/matrix.h"
#include "model/tensor_list.h"
#include "model/variant.h"

static uint64_t round_up(uint64_t value, uint64_t step)
{
    return (value + step - 1) / step * step;
}

/* Bytes of `n_out` rows at `bits`, scales included; 0 rows padded to none. */
static uint64_t weight_bytes(uint64_t n_out, uint64_t n_in, int32_t bits,
                             int32_t group)
{
    uint64_t columns = round_up(n_in, ACI_COLUMN_PADDING);

    if (bits == 32 || group <= 0)
        return n_out * n_in * sizeof(float);
    return n_out * columns * (uint64_t)bits / 8 +
           n_out * (columns / (uint64_t)group) * sizeof(uint16_t);
}

static int32_t activation_bits_of(int32_t weight_bits,
                                  const aci_variant *variant)
{
    /* The full planes are always multiplied by 16-bit activations. */
    return weight_bits == 16 ? 16 : variant->activation_bits;
}

static void add_matrix(aci_token_cost *out, int32_t n_out, int32_t n_in,
                       int32_t bits, const aci_variant *variant,
                       int32_t group)
{
    uint64_t macs = (uint64_t)n_out * (uint64_t)n_in;
    uint64_t rows = bits == 32 ? (uint64_t)n_out
                               : round_up((uint64_t)n_out, ACI_STRIP_ROWS);

    out->macs += macs;
    out->bit_operations += macs * (uint64_t)bits *
                           (uint64_t)activation_bits_of(bits, variant);
    out->bytes += weight_bytes(rows, (uint64_t)n_in, bits, group);
}

static void add_attention(aci_token_cost *out, const aci_shape *shape,
                          const aci_variant *variant, int32_t kv_bits,
                          int64_t position)
{
    uint64_t seen = position < 0 ? 1 : (uint64_t)position + 1;
    uint64_t dim = (uint64_t)shape->head_dim, macs, entry;
    int32_t activation = variant->activation_bits < 16
                             ? 16 : variant->activation_bits;

    if (shape->window > 0 && seen > (uint64_t)shape->window)
        seen = (uint64_t)shape->window;
    macs = 2 * seen * (uint64_t)shape->n_head * dim;
    entry = dim * (uint64_t)kv_bits / 8 + (kv_bits == 8 ? 2 : 0);
    out->macs += macs;
    out->bit_operations += macs * (uint64_t)kv_bits * (uint64_t)activation;
    out->bytes += 2 * seen * (uint64_t)shape->n_head_kv * entry;
}

/* What layer 0 costs; all layers are alike. */
static void add_layer(aci_token_cost *out, const aci_shape *shape,
                      const aci_variant *variant, int32_t group)
{
    size_t n = aci_model_tensor_count(shape);

    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, shape, i);
        if (tensor.layer > 0)
            break;
        if (tensor.layer < 0)
            continue;
        if (tensor.is_matrix)
            add_matrix(out, tensor.n_out, tensor.n_in, variant->weight_bits,
                       variant, group);
        else
            out->bytes += (uint64_t)tensor.n_in * sizeof(float);
    }
}

void aci_model_token_cost(aci_token_cost *out, const aci_shape *shape,
                          const aci_variant *variant, int32_t group,
                          int32_t kv_bits, int64_t position, int with_head)
{
    uint64_t n_layer = (uint64_t)shape->n_layer;
    aci_token_cost layer = { 0, 0, 0 };

    add_layer(&layer, shape, variant, group);
    add_attention(&layer, shape, variant, kv_bits, position);
    out->macs = layer.macs * n_layer;
    out->bit_operations = layer.bit_operations * n_layer;
    out->bytes = layer.bytes * n_layer;
    out->bytes += weight_bytes(1, (uint64_t)shape->n_embd,
                               variant->embed_bits, group);
    if (!with_head)
        return;
    add_matrix(out, shape->n_vocab, shape->n_embd, variant->head_bits,
               variant, group);
    out->bytes += (uint64_t)shape->n_embd * sizeof(float); /* final norm */
}
