/* multiply_weights.c - products of one input with the weights of a variant,
 * which may be whole matrices or pairs of thin ones.
 *
 *     first    all whole W, and every V:   out = W x,  low = V x
 *     then     per V, all U that read it:  out = U low
 *
 * Matrices that share an input go through one call, which quantises it once.
 * So q, k, v and gate, up of a plain variant are one call, as they were, and
 * low rank adds one per V. */
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

/* All U that read `low`, the outputs' scratch rows. */
static ac_status multiply_outer(aci_engine *engine, const aci_output *outputs,
                                int32_t n, float *const *lows,
                                const float *low, int32_t rank,
                                int32_t n_rows, ac_error *error)
{
    const aci_input input = { .x = low, .x_stride = (size_t)rank };
    aci_product products[ACI_MAX_PRODUCTS];
    int32_t n_products = 0, i;

    for (i = 0; i < n; i++)
        if (lows[i] == low)
            products[n_products++] = outer_product(&outputs[i]);
    return engine->backend->operations->project(
        engine->backend, products, n_products, &input, n_rows, error);
}

ac_status aci_engine_multiply(aci_engine *engine, const aci_output *outputs,
                              int32_t n, const aci_input *input,
                              int32_t n_rows, ac_error *error)
{
    aci_product products[ACI_MAX_PRODUCTS] = { 0 };
    float *lows[ACI_MAX_PRODUCTS] = { 0 };
    int32_t n_products = 0, n_lows = 0, i;
    ac_status status;

    for (i = 0; i < n; i++) {
        const aci_weight *w = outputs[i].weight;

        if (w->rank == 0) {
            products[n_products++] = outer_product(&outputs[i]);
        } else if (w->is_shared) {
            lows[i] = lows[0]; /* the lender comes first: extras.c */
        } else {
            lows[i] = engine->workspace.low[n_lows++];
            products[n_products++] = product(&w->inner, w->inner_bits, w,
                                             NULL, lows[i], 0);
        }
    }
    status = engine->backend->operations->project(
        engine->backend, products, n_products, input, n_rows, error);
    for (i = 0; i < n && status == AC_OK; i++)
        if (lows[i] != NULL && !outputs[i].weight->is_shared)
            status = multiply_outer(engine, outputs, n, lows, lows[i],
                                    outputs[i].weight->rank, n_rows, error);
    return status;
}
