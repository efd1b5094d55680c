/* linear_algebra.h - dense float64 algebra for compression: products, Cholesky
 * factors, solves, the symmetric eigen-decomposition.
 *
 * Statistics of activations are nearly singular, and what compression does with
 * them (inverting, whitening) multiplies every rounding by the condition
 * number: float32 costs real perplexity here (SliceGPT, arXiv 2401.15024), so
 * all of it is float64.
 *
 * BLAS and LAPACK of OpenBLAS do the work where the system has them, opened at
 * run time; else our own plain versions, the reference of the others. OpenBLAS
 * is held at one thread: how it cuts a sum depends on how many it has, and a
 * zoo must not. What falls apart into blocks by itself (rows of a product,
 * right-hand sides) is cut by shape alone and runs on our pool. Results
 * therefore depend on the level, in the last bits, never on the thread count.
 *
 * All matrices are row-major; a stride is in doubles and at least the length
 * of a row. n up to 32000. Infinities and NaN are refused with AC_E_NUMERIC
 * before anything is written, unless said otherwise. Calls on one algebra take
 * turns; the caller sees to that. */
#ifndef ACI_WORKSHOP_LINEAR_ALGEBRA_H
#define ACI_WORKSHOP_LINEAR_ALGEBRA_H

#include <stdint.h>

#include "platform/memory.h"
#include "platform/threads.h"

typedef struct aci_algebra aci_algebra;

/* `level` NULL takes OpenBLAS if it is there; "openblas" and "plain" force
 * one: AC_E_UNSUPPORTED where it is not to be had. `pool` NULL: the caller's
 * thread alone. */
ac_status aci_workshop_algebra_create(aci_algebra **out, aci_memory *memory,
                                      aci_pool *pool, const char *level,
                                      ac_error *error);
void aci_workshop_algebra_free(aci_algebra *algebra);
const char *aci_workshop_algebra_level(const aci_algebra *algebra);

/* What it was made with, for those that are handed an algebra only. */
aci_memory *aci_workshop_algebra_memory(const aci_algebra *algebra);

/* c [m, n] = alpha op(a) [m, k] op(b) [k, n] + beta c. c overlaps neither.
 * beta 0: what c held is not read. */
typedef struct aci_dense_product {
    double *c;
    const double *a, *b;
    int64_t m, n, k;
    int64_t c_stride, a_stride, b_stride;
    int32_t a_transposed; /* a is stored [k, m] */
    int32_t b_transposed; /* b is stored [n, k] */
    double alpha, beta;
    int32_t c_symmetric;  /* so is c, m = n: half of it is computed and copied
                             to the other */
    int32_t a_upper;      /* op(a) [m, k] is upper triangular: its zeros are
                             left out */
} aci_dense_product;

ac_status aci_workshop_product(aci_algebra *algebra, const aci_dense_product *p,
                               ac_error *error);

/* a [n, n] = L L', L lower, in place of a; only the lower triangle is read, the
 * upper one becomes zero. AC_E_NUMERIC when a is not positive definite: *pivot
 * (may be NULL) is the first row whose pivot is not above zero and a is half
 * done; -1 when a was not finite. */
ac_status aci_workshop_cholesky(aci_algebra *algebra, double *a, int64_t n,
                                int64_t *pivot, ac_error *error);

/* a [n, n], symmetric positive definite, becomes its inverse, all of it. Errors
 * as above. */
ac_status aci_workshop_spd_inverse(aci_algebra *algebra, double *a, int64_t n,
                                   int64_t *pivot, ac_error *error);

/* a becomes U, upper, with inv(a) = U' U: what GPTQ walks along (arXiv
 * 2210.17323), U[j][j]^2 = [inv(a[j:, j:])]_jj. By a = R R' with R upper and
 * U = inv(R): one factorisation, and no inverse of a nearly singular matrix is
 * ever formed. Errors as above. */
ac_status aci_workshop_inverse_factor(aci_algebra *algebra, double *a,
                                      int64_t n, int64_t *pivot,
                                      ac_error *error);

/* Right-hand sides and the lower factor l [n, n], its diagonal not zero. */
typedef struct aci_solve {
    double *x;       /* in: right-hand sides; out: solutions */
    const double *l;
    int64_t n, n_right;
    int64_t x_stride, l_stride;
    int32_t by_rows; /* 0: x [n, n_right], 1: x [n_right, n], one a row */
} aci_solve;

/* Solves L x = b, `transposed`: L' x = b. */
ac_status aci_workshop_triangular_solve(aci_algebra *algebra,
                                        const aci_solve *s, int32_t transposed,
                                        ac_error *error);
/* Solves L L' x = b. */
ac_status aci_workshop_spd_solve(aci_algebra *algebra, const aci_solve *s,
                                 ac_error *error);

/* a [n, n] = sum values[i] v_i v_i', values ascending; v_i becomes row i of a,
 * of length 1, its largest entry positive. Only the lower triangle is read.
 * AC_E_NUMERIC also when it did not converge (a is lost then). */
ac_status aci_workshop_symmetric_eigen(double *values, aci_algebra *algebra,
                                       double *a, int64_t n, ac_error *error);

#endif
