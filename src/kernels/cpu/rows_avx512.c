/* rows_avx512.c - rows_body.h for AVX-512: one register of sixteen. */
#include "kernels/cpu/lanes.h"

#include <immintrin.h>

static inline vf madd(vf a, vf b, vf c)
{
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

static inline vf load_half(const uint16_t *p)
{
    const __m256i *at = (const __m256i *)(const void *)p;

    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256(at));
}

#include "kernels/cpu/rows_body.h"
#include "kernels/cpu/rows_table.h"

const aci_row_functions aci_kernels_rows_avx512 = ACI_ROW_FUNCTIONS;
