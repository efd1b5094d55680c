/* training_avx512.c - the bodies of training for AVX-512: one register. */
#include "kernels/cpu/training_level.h"

#include <immintrin.h>

typedef float vr __attribute__((vector_size(64)));
enum { LANES = 16, TILE_ROWS = 8, TILE_VECTORS = 2 };

static inline vr madd(vr a, vr b, vr c)
{
    return (vr)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

static inline vr vroot(vr x)
{
    return (vr)_mm512_sqrt_ps((__m512)x);
}

#include "kernels/cpu/training_body.h"
#include "kernels/cpu/training_losses_body.h"
#include "kernels/cpu/training_attention_body.h"

const aci_training_level aci_kernels_training_avx512 =
    ACI_TRAINING_LEVEL("avx512");
