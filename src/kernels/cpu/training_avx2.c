/* training_avx2.c - the bodies of training for AVX2 and FMA: two registers. */
#pragma GCC diagnostic ignored "-Wpsabi" /* lanes never cross a file */
#include "kernels/cpu/training_level.h"

#include <immintrin.h>

typedef float vr __attribute__((vector_size(64)));
enum { LANES = 16, TILE_ROWS = 4, TILE_VECTORS = 1 };

typedef union halves {
    vr whole;
    __m256 part[2];
} halves;

static inline vr madd(vr a, vr b, vr c)
{
    halves x = { .whole = a }, y = { .whole = b }, z = { .whole = c };

    z.part[0] = _mm256_fmadd_ps(x.part[0], y.part[0], z.part[0]);
    z.part[1] = _mm256_fmadd_ps(x.part[1], y.part[1], z.part[1]);
    return z.whole;
}

static inline vr vroot(vr v)
{
    halves x = { .whole = v };

    x.part[0] = _mm256_sqrt_ps(x.part[0]);
    x.part[1] = _mm256_sqrt_ps(x.part[1]);
    return x.whole;
}

#include "kernels/cpu/training_body.h"
#include "kernels/cpu/training_losses_body.h"
#include "kernels/cpu/training_attention_body.h"

const aci_training_level aci_kernels_training_avx2 =
    ACI_TRAINING_LEVEL("avx2");
