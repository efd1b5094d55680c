/* unit_order.h - a checkpoint whose layers are in order of importance: it
 * stands in front of the reader, and everything behind it sees a model in which
 * the first KV groups and the first neurons are those to keep longest.
 *
 *     groups    rows of q, k and v (and of their biases), columns of o
 *     neurons   rows of gate and up (and of their biases), columns of down
 *
 * Units of one layer may change places freely, so the model stays the same
 * function; only the order of sums changes. Statistics of the inputs of o and
 * down change places with the columns that read them. */
#ifndef ACI_WORKSHOP_UNIT_ORDER_H
#define ACI_WORKSHOP_UNIT_ORDER_H

#include "workshop/compress/calibration.h"

typedef struct aci_unit_order {
    aci_memory *memory;
    const aci_shape *shape;
    int32_t *groups;       /* [n_layer, n_head_kv], as aci_pruning's order */
    int32_t *neurons;      /* [n_layer, n_ff] */
} aci_unit_order;

/* Everything where it is. */
ac_status aci_workshop_order_open(aci_unit_order *out, aci_memory *memory,
                                  const aci_shape *shape, ac_error *error);
void aci_workshop_order_close(aci_unit_order *order); /* all zero is fine */

/* Rows [first, first + n) of a tensor, in order, into out [n, n_in]; `scratch`
 * [n_in] is lent. `order` NULL: as the checkpoint has them. */
ac_status aci_workshop_order_read(float *out, float *scratch,
                                  const aci_unit_order *order,
                                  const aci_checkpoint *checkpoint,
                                  const aci_tensor *tensor, int32_t first,
                                  int32_t n, ac_error *error);

/* One input's statistics, in order, in memory of their own. The first units
 * alone are its beginning with a smaller n. */
ac_status aci_workshop_order_statistics(aci_input_statistics *out,
                                        aci_memory *memory,
                                        const aci_unit_order *order,
                                        const aci_calibration *calibration,
                                        int32_t layer, int32_t input,
                                        ac_error *error);
void aci_workshop_order_statistics_free(aci_input_statistics *statistics,
                                        aci_memory *memory);

#endif
