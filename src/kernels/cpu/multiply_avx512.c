/* multiply_avx512.c - dense float32 products in 512-bit registers.
 *
 * 12 rows by 32 columns: 24 registers of sums, 2 of b, 1 of a; 14 loads for
 * 24 multiply-adds. Packing transposes with 128-bit loads put straight into
 * their quarter of a register, so that two shuffles per row are left. */
#include <immintrin.h>

#include "kernels/cpu/multiply_table.h"

typedef float vec __attribute__((vector_size(64)));

#define LANES 16
#define ROWS 12
#define EACH_ROW(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define FMA(x, y, z) \
    (vec)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(z))

#include "kernels/cpu/multiply_body.h"

/* Writes 16 floats per step whatever the width: the next step, or the slack
 * behind the panel, takes what is too much. */
static void pack_rows(float *out, const float *x, int64_t stride,
                      int32_t width, int32_t n, int64_t k)
{
    __mmask16 low = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1u);
    __mmask16 high = n >= 32 ? 0xffff : n <= 16 ? 0 :
                     (__mmask16)((1u << (n - 16)) - 1u);

    for (; k > 0; k--, x += stride, out += width) {
        _mm512_storeu_ps(out, _mm512_maskz_loadu_ps(low, x));
        if (width > 16)
            _mm512_storeu_ps(out + 16, _mm512_maskz_loadu_ps(high, x + 16));
    }
}

/* Four columns of rows r, r + 4, r + 8 (and r + 12): one quarter each. */
static inline __m512 quarters(const float *x, int64_t stride, int whole)
{
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(x));

    v = _mm512_mask_broadcast_f32x4(v, 0x00f0, _mm_loadu_ps(x + 4 * stride));
    v = _mm512_mask_broadcast_f32x4(v, 0x0f00, _mm_loadu_ps(x + 8 * stride));
    if (whole)
        v = _mm512_mask_broadcast_f32x4(v, 0xf000,
                                        _mm_loadu_ps(x + 12 * stride));
    return v;
}

/* Four steps of 12 or 16 rows. */
static inline void transpose(float *out, int32_t width, const float *x,
                             int64_t stride, int whole)
{
    __m512 a = quarters(x, stride, whole);
    __m512 b = quarters(x + stride, stride, whole);
    __m512 c = quarters(x + 2 * stride, stride, whole);
    __m512 d = quarters(x + 3 * stride, stride, whole);
    __m512d ab_low = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
    __m512d ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
    __m512d cd_low = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
    __m512d cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));

    _mm512_storeu_pd(out, _mm512_unpacklo_pd(ab_low, cd_low));
    _mm512_storeu_pd(out + width, _mm512_unpackhi_pd(ab_low, cd_low));
    _mm512_storeu_pd(out + 2 * width, _mm512_unpacklo_pd(ab_high, cd_high));
    _mm512_storeu_pd(out + 3 * width, _mm512_unpackhi_pd(ab_high, cd_high));
}

static void pack_columns(float *out, const float *x, int64_t stride,
                         int32_t width, int32_t n, int64_t k)
{
    int64_t i, whole = k & ~(int64_t)3;

    if (n < width)
        whole = 0;
    if (width == ROWS)
        for (i = 0; i < whole; i += 4)
            transpose(out + i * ROWS, ROWS, x + i, stride, 0);
    else
        for (i = 0; i < whole; i += 4) {
            transpose(out + i * 32, 32, x + i, stride, 1);
            transpose(out + i * 32 + 16, 32, x + i + 16 * stride, stride, 1);
        }
    aci_kernels_pack_columns(out + whole * width, x + whole, stride, width, n,
                             k - whole);
}

const aci_multiply_kernel aci_kernels_multiply_avx512 = {
    "avx512", ROWS, 2 * LANES, multiply, pack_rows, pack_columns
};
