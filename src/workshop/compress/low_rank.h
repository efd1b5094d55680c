/* low_rank.h - a matrix as the product of two thin ones.
 *
 * Of all products U V of rank r, the one nearest to W [n_out, n_in] in what the
 * matrix answers to the inputs it sees:
 *
 *     least of  E |W x - U V x|^2  =  tr((W - U V) H (W - U V)'),  H = E[x x']
 *
 * With orthonormal eigenvectors u_1, u_2 .. of W H W', largest value first, it
 * is U = [u_1 .. u_r], V = U' W, and the error is the sum of the other values:
 * the whitened SVD of SVD-LLM (arXiv 2403.07378) without an inverse, as
 * Swift-SVD has it. Every rank is a prefix of the same factors, so one
 * decomposition serves all variants, and its values the choice of ranks.
 *
 * Functions here know no files, tensors or layers. Weights are float and
 * row-major; statistics are those of calibration.h. NaN is AC_E_NUMERIC. */
#ifndef ACI_WORKSHOP_LOW_RANK_H
#define ACI_WORKSHOP_LOW_RANK_H

#include "workshop/compress/linear_algebra.h"

typedef struct aci_low_rank_input {
    const float *weights;     /* [n_out, n_in] */
    int64_t n_out, n_in;
    const double *h;          /* [n_in, n_in]; NULL: the identity, plain SVD */
    const double *row_weight; /* [n_out], above 0: errors of an output count
                                 times its square; NULL: ones */
    int64_t rank;             /* the highest wanted; 0: min(n_out, n_in) */
} aci_low_rank_input;

/* Owned by the caller, aci_workshop_low_rank_free. */
typedef struct aci_low_rank {
    aci_memory *memory;
    int64_t n_out, n_in;
    int64_t most;  /* rows of left and right: the rank asked for, or less where
                      the rest is nothing but rounding */
    double *left;  /* U' [most, n_out] */
    double *right; /* V [most, n_in] */
    double *error; /* [most + 1], falling: of each rank, in the metric above
                      with row_weight; error[0] is the power of the output */
} aci_low_rank;

ac_status aci_workshop_low_rank(aci_low_rank *out, aci_algebra *algebra,
                                const aci_low_rank_input *input,
                                ac_error *error);
void aci_workshop_low_rank_free(aci_low_rank *factors);

/* The factors of a rank up to `most` as float: left [n_out, rank], right
 * [rank, n_in]. */
void aci_workshop_low_rank_take(float *left, float *right,
                                const aci_low_rank *factors, int64_t rank);

/* bias [n_out] = (W - left right) mean: makes up for what was cut off on
 * average. Of the factors as they will be run, quantised or not. Rank 0: all
 * of W's mean answer. */
void aci_workshop_low_rank_bias(double *bias, const float *weights,
                                const float *left, const float *right,
                                int64_t n_out, int64_t n_in, int64_t rank,
                                const float *mean);

/* What `left` sees: out [rank, rank] = right H right'. Quantising right uses H,
 * quantising left uses this, with right as it will be run. */
ac_status aci_workshop_low_rank_seen(double *out, aci_algebra *algebra,
                                     const float *right, int64_t rank,
                                     int64_t n_in, const double *h,
                                     ac_error *error);

/* Joint factors: matrices that read one input (q, k, v) are stacked into one W
 * and share V; `left` falls apart into their rows. Unless told otherwise the
 * largest of them gets all of the rank; this sets row_weight [n_out] so that
 * each counts by its relative error. rows [n_parts] sum up to n_out; with
 * grouped-query attention those of k and v are fewer. */
ac_status aci_workshop_low_rank_balance(double *row_weight,
                                        aci_algebra *algebra,
                                        const aci_low_rank_input *stacked,
                                        const int64_t *rows, int32_t n_parts,
                                        ac_error *error);

/* tr((a - b) H (a - b)'): the mean squared difference of two matrices' answers.
 * b NULL: zeros. */
ac_status aci_workshop_answer_error(double *out, aci_algebra *algebra,
                                    const float *a, const float *b,
                                    int64_t n_out, int64_t n_in,
                                    const double *h, ac_error *error);

/* ---- ranks for many (low_rank_allocate.c) -------------------------------- */

typedef struct aci_rank_choice {
    const double *error;  /* [most + 1], falling, of aci_low_rank */
    int64_t most;         /* no rank above it */
    double cost_per_rank; /* > 0: n_out + n_in for weights, or measured */
    double weight;        /* of error / error[0] in the whole; 0: 1 */
} aci_rank_choice;

/* Ranks within sum(rank * cost_per_rank) <= budget, multiples of `multiple`:
 * half of what each would get if all kept the same share, then greedily where
 * the error falls most per cost. Without that floor the spectra choose worse
 * than an equal share does (Swift-SVD: perplexity 16.0 against 11.4; with it
 * 11.2). AC_E_ARGUMENT when not even one `multiple` each fits; where `most` is
 * smaller than that, `most` itself. */
ac_status aci_workshop_allocate_ranks(int64_t *ranks,
                                      const aci_rank_choice *choices,
                                      int32_t n, int64_t multiple,
                                      double budget, ac_error *error);

/* Ranks are multiples of 16, of 64 for large matrices: others lose on real
 * hardware what they save. */
int64_t aci_workshop_rank_multiple(int64_t n_out, int64_t n_in);

/* The highest multiple that still saves a fifth of the matrix; 0: none, low
 * rank does not pay. */
int64_t aci_workshop_rank_ceiling(int64_t n_out, int64_t n_in);

#endif
