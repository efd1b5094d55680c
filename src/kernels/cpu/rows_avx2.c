/* rows_avx2.c - rows_body.h for AVX2, FMA and F16C: two registers of eight. */
#pragma GCC diagnostic ignored "-Wpsabi" /* lanes never cross a file */
#include "kernels/cpu/lanes.h"

#include <immintrin.h>

typedef union halves {
    vf whole;
    __m256 part[2];
} halves;

static inline vf madd(vf a, vf b, vf c)
{
    halves x = { .whole = a }, y = { .whole = b }, z = { .whole = c };

    z.part[0] = _mm256_fmadd_ps(x.part[0], y.part[0], z.part[0]);
    z.part[1] = _mm256_fmadd_ps(x.part[1], y.part[1], z.part[1]);
    return z.whole;
}

static inline vf load_half(const uint16_t *p)
{
    const __m128i *at = (const __m128i *)(const void *)p;
    halves v;

    v.part[0] = _mm256_cvtph_ps(_mm_loadu_si128(at));
    v.part[1] = _mm256_cvtph_ps(_mm_loadu_si128(at + 1));
    return v.whole;
}

#include "kernels/cpu/rows_body.h"
#include "kernels/cpu/rows_table.h"

const aci_row_functions aci_kernels_rows_avx2 = ACI_ROW_FUNCTIONS;
