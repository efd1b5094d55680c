/* ladder_plan.h - from recipes to numbers: in which order the units of every
 * layer are kept, how many of them each variant keeps, at which ranks.
 *
 * One pass over the layers gives orders and the loss of every width
 * (prune_columns.h); widths are then dealt out where they cost least
 * (prune_allocate.h). A block's relative loss counts by how much the block
 * turns what goes through it, 1 - cosine of the calibration. */
#ifndef ACI_WORKSHOP_LADDER_PLAN_H
#define ACI_WORKSHOP_LADDER_PLAN_H

#include "workshop/compress/ladder_recipe.h"
#include "workshop/compress/linear_algebra.h"
#include "workshop/compress/low_rank.h"
#include "workshop/compress/stages.h"
#include "workshop/compress/unit_order.h"

/* How variants are trained. */
enum aci_ladder_teaching {
    ACI_TEACH_NONE,
    ACI_TEACH_BLOCKS,      /* a layer at a time (ladder_blocks.c) */
    ACI_TEACH_END          /* the whole model too (ladder_recover.c) */
};

/* What the making of a ladder works with; all of it lent. */
typedef struct aci_ladder_work {
    aci_memory *memory;
    aci_pool *pool;
    const aci_checkpoint *checkpoint;
    const aci_shape *shape;
    const aci_calibration *calibration;
    aci_algebra *algebra;
    const ac_compress_options *options;
    uint32_t group;
    uint64_t began_nanoseconds;
    const aci_stages *stages;
    uint64_t key;          /* of model, text, group and what computes */
    int32_t teaching;      /* aci_ladder_teaching */
} aci_ladder_work;

typedef struct aci_variant_plan {
    aci_recipe recipe;
    aci_kept *kept;        /* [n_layer]; NULL: everything */
    int32_t *rank_qkv, *rank_o; /* [n_layer], 0: no factors; NULL: none */
} aci_variant_plan;

typedef struct aci_ladder_plan {
    aci_memory *memory;
    int32_t n_layer;
    aci_unit_order order;
    aci_variant_plan variants[AC_MAX_VARIANTS];
    int32_t n;
    double *losses;        /* with targets: of every width, see below */
} aci_ladder_plan;

/* Relative losses of keeping k heads, or j steps of 64 neurons (the last one
 * may be shorter), when a bias alone makes up for the rest (by_bias) or the
 * weights that stay do. */
int32_t aci_workshop_losses_steps(const aci_shape *shape); /* of neurons */
size_t aci_workshop_losses_count(const aci_shape *shape);
const double *aci_workshop_losses_heads(const aci_ladder_plan *plan,
                                        const aci_shape *shape, int32_t layer,
                                        int by_bias);
const double *aci_workshop_losses_neurons(const aci_ladder_plan *plan,
                                          const aci_shape *shape,
                                          int32_t layer, int by_bias);

/* Tells what a variant became in the log. A target that the rules of
 * prune_allocate.h forbid becomes the least they allow, and that is said.
 * AC_E_NUMERIC names layer and tensor; AC_E_CANCELLED. `out` is to be closed
 * after a failure too. */
ac_status aci_workshop_ladder_plan(aci_ladder_plan *out,
                                   const aci_ladder_work *work,
                                   const aci_ladder *ladder, ac_error *error);
void aci_workshop_ladder_plan_close(aci_ladder_plan *plan);

/* ---- ladder_stage.c: finished stages of a ladder ------------------------- */

/* The plan as an interrupted run found it, or as it is found now and kept. */
ac_status aci_workshop_ladder_plan_stage(aci_ladder_plan *out,
                                         const aci_ladder_work *work,
                                         const aci_ladder *ladder,
                                         ac_error *error);
/* Of a store in that order, and of one variant beside it. */
uint64_t aci_workshop_ladder_store_key(const aci_ladder_work *work,
                                       const aci_unit_order *order);
uint64_t aci_workshop_ladder_variant_key(const aci_ladder_work *work,
                                         const aci_ladder_plan *plan,
                                         int32_t variant);

/* ---- ladder_layer.c: what both passes read ------------------------------- */

/* A tensor in order, cut to what is kept; *out, from work->memory, is NULL when
 * it failed. */
ac_status aci_workshop_ladder_tensor(float **out, const aci_ladder_work *work,
                                     const aci_unit_order *order,
                                     int32_t layer, int32_t row,
                                     const aci_kept *kept, ac_error *error);

/* H [n, n] and the mean of the first n columns of an input, in order. */
typedef struct aci_ladder_seen {
    aci_input_statistics input;  /* n of it are used */
    double *h;
} aci_ladder_seen;
ac_status aci_workshop_ladder_see(aci_ladder_seen *out,
                                  const aci_ladder_work *work,
                                  const aci_unit_order *order, int32_t layer,
                                  int32_t input, int32_t n, ac_error *error);
void aci_workshop_ladder_unsee(aci_ladder_seen *seen,
                               const aci_ladder_work *work);

/* Factors of q, k and v stacked, rows as kept, each part by its relative
 * error; and those of a matrix [n_out, n_in] by itself. */
ac_status aci_workshop_ladder_factor_qkv(aci_low_rank *out,
                                         const aci_ladder_work *work,
                                         const aci_unit_order *order,
                                         int32_t layer, const aci_kept *kept,
                                         int64_t rank, ac_error *error);
ac_status aci_workshop_ladder_factor(aci_low_rank *out,
                                     const aci_ladder_work *work,
                                     const float *weights, int64_t n_out,
                                     int64_t n_in, const double *h,
                                     int64_t rank, ac_error *error);

/* Columns of planes go by 64, so do ranks. 0: factors do not pay. */
enum { ACI_LADDER_RANKS = 64 };
int64_t aci_workshop_ladder_ceiling(int64_t n_out, int64_t n_in);

/* A line for the user. */
void aci_workshop_ladder_note(const aci_ladder_work *work, int32_t level,
                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* AC_E_CANCELLED when the callback wants an end. */
ac_status aci_workshop_ladder_progress(const aci_ladder_work *work,
                                       const char *stage, uint64_t done,
                                       uint64_t total, double loss,
                                       ac_error *error);

#endif
