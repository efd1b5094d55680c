/* prune_neurons.c - see prune_neurons.h. */
#include "workshop/compress/prune_neurons.h"

ac_status aci_workshop_prune_neurons(aci_pruning *out, aci_algebra *algebra,
                                     const aci_feed_forward *block,
                                     const double *h, const float *mean,
                                     int32_t method, ac_error *error)
{
    aci_prune_input input = { .weights = block->down,
                              .n_out = block->n_embd,
                              .n_in = block->n_ff,
                              .width = 1,
                              .h = h,
                              .mean = mean,
                              .method = method };

    return aci_workshop_prune(out, algebra, &input, error);
}

void aci_workshop_order_neurons(float *gate, float *up, float *down,
                                const aci_feed_forward *block,
                                const int32_t *order)
{
    aci_workshop_order_rows(gate, block->gate, order, block->n_ff, 1,
                            block->n_embd);
    aci_workshop_order_rows(up, block->up, order, block->n_ff, 1,
                            block->n_embd);
    aci_workshop_order_columns(down, block->down, order, block->n_embd,
                               block->n_ff, 1);
}
