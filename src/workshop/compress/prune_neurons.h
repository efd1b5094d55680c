/* prune_neurons.h - the neurons of a feed-forward block by importance.
 *
 *     z = silu(Wgate x) o (Wup x)        y = Wdown z
 *
 * Neurons may change places freely: rows of gate and up, columns of down. Put
 * in order once, every width is a prefix of the same three matrices and runs as
 * a dense product. Widths are multiples of 64, the depth of a tile. */
#ifndef ACI_WORKSHOP_PRUNE_NEURONS_H
#define ACI_WORKSHOP_PRUNE_NEURONS_H

#include "workshop/compress/prune_columns.h"

enum { ACI_NEURON_MULTIPLE = 64 };

typedef struct aci_feed_forward {
    const float *gate, *up; /* [n_ff, n_embd] */
    const float *down;      /* [n_embd, n_ff] */
    int64_t n_embd, n_ff;
} aci_feed_forward;

/* h [n_ff, n_ff] and mean [n_ff] of z; method is an aci_prune_order. Units of
 * `out` are neurons. gate and up are not read. */
ac_status aci_workshop_prune_neurons(aci_pruning *out, aci_algebra *algebra,
                                     const aci_feed_forward *block,
                                     const double *h, const float *mean,
                                     int32_t method, ac_error *error);

/* The block with its neurons in order, the same sizes; computes the same but
 * for the order of sums. */
void aci_workshop_order_neurons(float *gate, float *up, float *down,
                                const aci_feed_forward *block,
                                const int32_t *order);

#endif
