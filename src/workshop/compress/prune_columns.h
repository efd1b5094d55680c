/* prune_columns.h - which inputs a matrix can do without, and what the others
 * then do for them: the common part of prune_neurons.h and prune_heads.h.
 *
 * W [n_out, n_in] reads x in units of `width` neighbouring columns: one neuron
 * of a feed-forward block, or the heads of one KV group. With
 *
 *     C = E[x x'] - mean mean', its diagonal times 1 + damping,
 *
 * keeping the units K costs, when W' and a bias make the best of them,
 *
 *     W' = W C[:, K] inv(C[K, K])      b = W mean - W' mean_K
 *     loss(K) = E |W x - W' x_K - b|^2 (+ damping sum_j C_jj |W_j - W'_j|^2)
 *
 * Damping draws W' to W, so that W' does not learn the calibration text by
 * heart; it goes by each input's own variance, since a few inputs are often a
 * thousand times the others. A dead input keeps its weights.
 *
 * Once units are in order, C = L L' in that order gives all of this for every
 * number of units at once: column j of W L is what unit j adds to what those
 * before it say, so loss(k) is the sum of its squares beyond k, and W' solves
 * W' L[K, K] = (W L)[:, K]. Every width is a prefix: a store permuted once
 * serves all of them. */
#ifndef ACI_WORKSHOP_PRUNE_COLUMNS_H
#define ACI_WORKSHOP_PRUNE_COLUMNS_H

#include "workshop/compress/linear_algebra.h"

enum aci_prune_order {
    /* Optimal Brain Surgeon over units (Hassibi, Stork 1993; Kurtic et al.,
     * ZipLM, arXiv 2302.04089): the unit whose loss is least when all others
     * make up for it, tr(W_u inv([inv C]_uu) W_u'), goes first; inv C and W are
     * brought up to date after each of `rounds` rounds. */
    ACI_PRUNE_SECOND_ORDER = 0,
    /* FLAP (An et al., arXiv 2312.11983): Var(x_j) |W_j|^2 summed over the
     * unit: what is lost when a bias alone makes up for it. One pass. */
    ACI_PRUNE_FLUCTUATION = 1,
    /* The same with what is lost together: least sum of W'W o C over the
     * pruned, one unit after the other. For widths that keep their weights. */
    ACI_PRUNE_BIAS_ONLY = 2,
    /* The order that they are in: found before, and weights and statistics
     * put into it. */
    ACI_PRUNE_AS_IS = 3
};

typedef struct aci_prune_input {
    const float *weights; /* [n_out, n_in] */
    int64_t n_out, n_in;
    int64_t width;        /* columns of a unit; n_in is a multiple */
    const double *h;      /* [n_in, n_in] = E[x x'] */
    const float *mean;    /* [n_in] = E[x] */
    double damping;       /* 0: 0.003; more where few tokens were seen */
    int32_t method;       /* aci_prune_order */
    int32_t rounds;       /* second order; 0: 8, or one a unit if fewer than
                             64; n_units: one by one, exactly greedy */
} aci_prune_input;

/* Owned by the caller, aci_workshop_pruning_free. */
typedef struct aci_pruning {
    aci_memory *memory;
    int64_t n_out, n_in, width, n_units;
    int32_t *order;    /* [n_units], the one to be kept longest first */
    double *loss;      /* [n_units + 1], falling: with k units kept, their
                          weights changed; loss[0]: the output's variance */
    double *bias_loss; /* the same with weights as they were, a bias only */
    double *factor;    /* L [n_in, n_in], columns in order */
    double *added;     /* W L [n_out, n_in] */
    float *weights;    /* W [n_out, n_in] in order */
    float *mean;       /* [n_in] in order */
} aci_pruning;

/* AC_E_NUMERIC: not finite, or C is not the covariance of anything. */
ac_status aci_workshop_prune(aci_pruning *out, aci_algebra *algebra,
                             const aci_prune_input *input, ac_error *error);
void aci_workshop_pruning_free(aci_pruning *pruning);

/* What runs with the first k units, 0 to n_units: weights [n_out, k * width],
 * bias [n_out]. */
ac_status aci_workshop_prune_compensate(float *weights, double *bias,
                                        aci_algebra *algebra,
                                        const aci_pruning *pruning, int64_t k,
                                        ac_error *error);

/* The bias [n_out] alone, weights as they were: W_P mean_P of the pruned. */
void aci_workshop_prune_bias(double *bias, const aci_pruning *pruning,
                             int64_t k);

/* Rows, or columns, of a matrix in the order of units: unit i of `out` is unit
 * order[i] of `in`. Of gate and up the rows, of down the columns; of q, k and v
 * the rows with the width that each has for a unit. */
void aci_workshop_order_rows(float *out, const float *in, const int32_t *order,
                             int64_t n_units, int64_t width,
                             int64_t n_columns);
void aci_workshop_order_columns(float *out, const float *in,
                                const int32_t *order, int64_t n_rows,
                                int64_t n_units, int64_t width);

/* ---- prune_order.c: the orders alone ------------------------------------- */

/* Least worth first. c [n_in, n_in] is C and is lost; w [n_out, n_in] is W and
 * is lost. */
ac_status aci_workshop_prune_second_order(int32_t *removed,
                                          aci_algebra *algebra, double *c,
                                          double *w,
                                          const aci_prune_input *input,
                                          ac_error *error);
/* a [n_units, n_units] is W'W o C, summed over units. */
ac_status aci_workshop_prune_first_order(int32_t *removed, aci_memory *memory,
                                         const double *a, int64_t n_units,
                                         int32_t method, ac_error *error);

#endif
