/* prune_allocate.h - how much each of many blocks gives up for a target, and
 * which whole layers go.
 *
 * Losses of different blocks are compared relative to what the block puts out;
 * a weight says how much that matters to the model, where it was measured. Low
 * widths are refused and first and last layers left alone: what one block loses
 * is only the same as what another loses while both are small. */
#ifndef ACI_WORKSHOP_PRUNE_ALLOCATE_H
#define ACI_WORKSHOP_PRUNE_ALLOCATE_H

#include <stdint.h>

#include "agentcompress.h"

typedef struct aci_prune_choice {
    const double *loss;   /* [n_units + 1], falling: aci_pruning's loss, or
                             bias_loss */
    int64_t n_units;
    int64_t multiple;     /* units go by so many: 64 neurons, 1 group */
    double cost_per_unit; /* > 0: operations, bytes or measured seconds */
    double weight;        /* of loss / loss[0]; 0: 1 */
    int32_t layer;        /* which this block is part of */
} aci_prune_choice;

typedef struct aci_prune_rules {
    int32_t n_layer;
    double target;        /* share of the whole cost that may be left, 0..1 */
    double fixed_cost;    /* of the model beside these blocks */
    double least_share;   /* each block keeps so much of its units; 0: 0.3 */
    int32_t n_first;      /* first layers not touched; 0: 2 of a model of more
                             than 6 layers, else none; -1: none */
    int32_t n_last;       /* last layers likewise; 0: 1 */
} aci_prune_rules;

/* kept [n]: units of each block, the cheapest in summed weighted loss that
 * brings cost + fixed_cost to target times the whole. *reached: the share left.
 * AC_E_BUDGET when rules forbid as much: kept and *reached are then the least
 * that they allow. Steps follow the lower convex hull of each loss, so that a
 * steep step before a flat one hides nothing. */
ac_status aci_workshop_prune_allocate(int64_t *kept, double *reached,
                                      const aci_prune_choice *choices,
                                      int32_t n,
                                      const aci_prune_rules *rules,
                                      ac_error *error);

/* The fewest units that the rules leave a block. */
int64_t aci_workshop_prune_least(const aci_prune_choice *choice,
                                 const aci_prune_rules *rules);

/* Whole layers, by block influence 1 - cosine(input, output) (ShortGPT, arXiv
 * 2403.03853): the next one to go, -1 when all left are protected. Influences
 * change with every removal, so the caller measures `cosine` [n_layer] again
 * with `gone` [n_layer] left out, and asks again. Protection as in `rules`.
 * Cosines that are not finite are AC_E_NUMERIC. */
ac_status aci_workshop_next_layer(int32_t *layer, const double *cosine,
                                  const uint8_t *gone,
                                  const aci_prune_rules *rules,
                                  ac_error *error);

#endif
