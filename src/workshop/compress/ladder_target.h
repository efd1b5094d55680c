/* ladder_target.h - a variant by what it may cost: of all precisions, widths
 * and ranks the one that is expected to lose least.
 *
 *   facts    target_facts.c     measured once a run: the divergence of 4- and
 *                               8-bit blocks and heads, and of each layer with
 *                               half its heads or neurons, or factors
 *   options  target_options.c   per layer: what every width and rank costs and
 *                               is expected to lose
 *   choice   target_choose.c    one option for every unit
 *   plan     ladder_target.c    the best of four precisions, as a variant
 *
 * What a unit loses is taken to be proportional to its relative squared error
 * and to add up over units (the linearity of HIGGS: Malinovskii et al., 2024):
 * KL = KL(bits) + sum of alpha_u e_u, with alpha_u = KL / e of the one width
 * or rank that was measured. */
#ifndef ACI_WORKSHOP_LADDER_TARGET_H
#define ACI_WORKSHOP_LADDER_TARGET_H

#include "workshop/compress/ladder_make.h"
#include "workshop/compress/target_choose.h"

/* ---- target_facts.c ------------------------------------------------------ */

enum { ACI_FACT_HEADS, ACI_FACT_NEURONS, ACI_FACT_QKV, ACI_FACT_O,
       ACI_N_FACTS };
enum { ACI_TIMED_HEAD = ACI_N_MATRICES, ACI_N_TIMED };
_Static_assert((int)ACI_N_TIMED == (int)ACI_N_TIMINGS, "the card has them");

/* Doubles without padding between, so that they can be kept as bytes. */
typedef struct aci_target_facts {
    double kl[2][2];           /* blocks, head: 0 of 4 bits, 1 of 8 */
    double seconds[ACI_N_TIMED][3][2]; /* of a product, at 4, 8 and 16 bits:
                                  fixed, and per weight; zeros: not timed */
    int64_t n_ranks;           /* steps of 64 that errors have */
    double layers[];           /* [n_layer, ACI_N_FACTS + 2 * (n_ranks + 1)]:
                                  alphas; errors of qkv and of o by rank, 1 at
                                  rank 0, -1 where there is no such rank */
} aci_target_facts;

ac_status aci_workshop_target_facts(aci_target_facts **out,
                                    const aci_ladder_work *work,
                                    const aci_ladder_plan *plan,
                                    aci_ladder_school *school,
                                    aci_model *model, ac_error *error);
double aci_workshop_fact_alpha(const aci_target_facts *facts, int32_t layer,
                               int32_t fact);
double aci_workshop_fact_error(const aci_target_facts *facts, int32_t layer,
                               int is_o, int64_t step);
/* Steps of 64 that a rank may have; 0: factors do not pay. */
int32_t aci_workshop_target_ranks(const aci_shape *shape, int is_o);

/* ---- target_seconds.c ---------------------------------------------------- */

/* One token through every kind of matrix, whole and halved, on this machine. */
ac_status aci_workshop_target_seconds(aci_target_facts *facts,
                                      const aci_ladder_work *work,
                                      aci_model *model, ac_error *error);

/* ---- target_options.c ---------------------------------------------------- */

typedef struct aci_target_space {
    const aci_shape *shape;
    uint32_t group;
    int32_t cost;              /* aci_target_cost */
    int32_t weight_bits, head_bits;
    const aci_ladder_plan *plan;   /* NULL with facts: costs alone */
    const aci_target_facts *facts;
} aci_target_space;

/* Cost of full, in the space's unit; and of what is not chosen. */
double aci_workshop_target_full(const aci_target_space *space);
double aci_workshop_target_fixed(const aci_target_space *space);

/* Attention of layer l is unit 2 l, its feed-forward 2 l + 1. */
ac_status aci_workshop_target_units(aci_target_unit **out,
                                    const aci_target_space *space,
                                    aci_memory *memory, ac_error *error);
void aci_workshop_target_units_free(aci_target_unit *units, int32_t n,
                                    aci_memory *memory);

/* ---- ladder_target.c ----------------------------------------------------- */

/* Before hours are spent: AC_E_ARGUMENT naming the least that can be reached,
 * for costs that are counted. Seconds are only known when they are measured. */
ac_status aci_workshop_targets_reachable(aci_memory *memory,
                                         const aci_ladder *ladder,
                                         const aci_shape *shape,
                                         uint32_t group, ac_error *error);

/* Plans every variant that has a target; what was expected goes into the
 * card. */
ac_status aci_workshop_ladder_targets(aci_ladder_plan *plan,
                                      aci_zoo_card *card,
                                      const aci_ladder_work *work,
                                      aci_ladder_school *school,
                                      aci_model *model, ac_error *error);

#endif
