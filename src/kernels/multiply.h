/* multiply.h - dense float32 products on the CPU, the bulk of training.
 *
 *     c [m, n] (+)= op(a) [m, k] * op(b) [k, n]          row-major
 *
 * Forward y = x W', backward dx = dy W and dW += dy' x are the three uses.
 * The work is cut by m, n and k alone, and every sum has one fixed order, so
 * the result does not depend on the number of threads. It does depend on the
 * level, in the last bits; with bfloat16 operands (ACI_MULTIPLY_BFLOAT16), in
 * the third digit: each is rounded to nearest even, sums stay float32, and
 * subnormal numbers count as zero. */
#ifndef ACI_KERNELS_MULTIPLY_H
#define ACI_KERNELS_MULTIPLY_H

#include <stddef.h>
#include <stdint.h>

#include "platform/memory.h"
#include "platform/threads.h"

/* c overlaps neither a nor b. n or m 0: nothing; k 0: c is zero, or as it was.
 * Rows lie at least their own length apart; what is between is not touched. */
typedef struct aci_multiply {
    float *c;
    const float *a, *b;
    int64_t m, n, k;
    int64_t c_stride, a_stride, b_stride; /* floats between stored rows */
    int32_t a_transposed;                 /* a is stored [k, m] */
    int32_t b_transposed;                 /* b is stored [n, k] */
    int32_t accumulate;                   /* 1: c += */
} aci_multiply;

typedef struct aci_multiplier aci_multiplier;

/* Holds the packing buffers of one caller at a time. `level` NULL picks the
 * best that processor and system have; "avx512", "avx2", "openblas" (opened at
 * run time) and "portable" force one, ACI_MULTIPLY_BFLOAT16 is never picked:
 * AC_E_UNSUPPORTED where it is not to be had. */
#define ACI_MULTIPLY_BFLOAT16 "avx512bf16"
ac_status aci_kernels_multiplier_create(aci_multiplier **out,
                                        aci_memory *memory, aci_pool *pool,
                                        const char *level, ac_error *error);
void aci_kernels_multiplier_free(aci_multiplier *multiplier);

/* The level in use; valid as long as the library is. */
const char *aci_kernels_multiplier_level(const aci_multiplier *multiplier);

/* Allocates nothing; cannot fail. Runs on all threads of the pool. */
void aci_kernels_multiply(aci_multiplier *multiplier,
                          const aci_multiply *product);

#endif
