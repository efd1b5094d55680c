/* multiply.h - dense float32 products, the bulk of training.
 *
 *     c [m, n] (+)= op(a) [m, k] * op(b) [k, n]          row-major
 *
 * Forward y = x W' , backward dx = dy W and dW += dy' x are the three uses.
 * The work is cut into tiles of c whose bounds depend on m and n alone, and
 * each tile sums over k in one fixed order, so the result does not depend on
 * the number of threads. */
#ifndef ACI_WORKSHOP_MULTIPLY_H
#define ACI_WORKSHOP_MULTIPLY_H

#include <stddef.h>
#include <stdint.h>

#include "platform/memory.h"
#include "platform/threads.h"

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
 * best the processor has; "openblas" and "avx512" force one. */
ac_status aci_workshop_multiplier_create(aci_multiplier **out,
                                         aci_memory *memory, aci_pool *pool,
                                         const char *level, ac_error *error);
void aci_workshop_multiplier_free(aci_multiplier *multiplier);

/* Allocates nothing; cannot fail. Runs on all threads of the pool. */
void aci_workshop_multiply(aci_multiplier *multiplier,
                           const aci_multiply *product);

#endif
