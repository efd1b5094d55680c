/* multiply_weights.c - products of one input with the weights of a variant,
 * which may be whole matrices or pairs of thin ones.
 *
 *     products    all whole W, and every V:   out = W x,  low = V x
 *     outers      all U:                      out = U low
 *
 * Matrices that share an input go through one call, which quantises it once.
 * So q, k, v and gate, up are one call, of low rank too. */
#include "engine/engine_internal.h"

static aci_product product(const aci_matrix *weight, int32_t bits,
                           const aci_weight *of, const float *bias,
                           float *out, int32_t accumulate)
{
    aci_product p = { { weight, bias, bits, of->activation_bits }, out,
                      (size_t)weight->n_out, accumulate };

    return p;
}

static aci_product outer_product(const aci_output *output)
{
    const aci_weight *w = output->weight;

    return product(&w->outer, w->outer_bits, w, output->bias, output->out,
                   output->accumulate);
}

ac_status aci_engine_multiply(aci_engine *engine, const aci_output *outputs,
                              int32_t n, const aci_input *input,
                              int32_t n_rows, ac_error *error)
{
    aci_product products[ACI_MAX_PRODUCTS] = { 0 };
    aci_outer outers[ACI_MAX_PRODUCTS] = { 0 };
    int32_t n_products = 0, n_outers = 0, n_lows = 0, i;

    for (i = 0; i < n; i++) {
        const aci_weight *w = outputs[i].weight;

        if (w->rank == 0) {
            products[n_products++] = outer_product(&outputs[i]);
            continue;
        }
        outers[n_outers].product = outer_product(&outputs[i]);
        outers[n_outers].inner =
            w->is_shared ? 0 : n_products; /* the lender comes first */
        n_outers++;
        if (!w->is_shared)
            products[n_products++] =
                product(&w->inner, w->inner_bits, w, NULL,
                        engine->workspace.low[n_lows++], 0);
    }
    return engine->backend->operations->project_pairs(
        engine->backend, products, n_products, outers, n_outers, input, n_rows,
        error);
}
