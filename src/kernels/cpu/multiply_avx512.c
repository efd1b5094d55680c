/* multiply_avx512.c - dense float32 products in 512-bit registers.
 *
 * 12 rows by 32 columns: 24 registers of sums, 2 of b, 1 of a; 14 loads for
 * 24 multiply-adds. On panels in cache it runs at the peak of one core (Zen 5,
 * 268 GFLOP/s); docs/speed_log.md has whole products and what was tried.
 * Packing transposes with 128-bit loads put straight into their quarter of a
 * register, so that two shuffles per row are left. */
#include <immintrin.h>

#include "kernels/cpu/multiply_table.h"

typedef float vec __attribute__((vector_size(64)));

#define LANES 16
#define ROWS 12
#define EACH_ROW(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define SPREAD(x) (vec)_mm512_set1_ps(x)
#define FMA(x, y, z) \
    (vec)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(z))

#include "kernels/cpu/multiply_body.h"

enum {
    GROUP = 8,      /* panels that pack_rows fills at a time */
    FETCH_AHEAD = 8 /* steps */
};

/* One step of whole panels side by side, of ROWS or of 2 * LANES floats.
 * 12 floats go in two pieces: a masked store would take far longer. */
static inline void pack_step(float *out, int64_t panel, int32_t width,
                             const float *x, int64_t n_panels)
{
    for (; n_panels > 0; n_panels--, x += width, out += panel)
        if (width == ROWS) {
            _mm256_storeu_ps(out, _mm256_loadu_ps(x));
            _mm_storeu_ps(out + 8, _mm_loadu_ps(x + 8));
        } else {
            _mm512_storeu_ps(out, _mm512_loadu_ps(x));
            _mm512_storeu_ps(out + LANES, _mm512_loadu_ps(x + LANES));
        }
}

/* Some panels together while the lines of x are at hand: rows that lie a
 * multiple of 4096 bytes apart would throw each other out of the cache before
 * the next panel, and the processor does not fetch them ahead by itself. */
static void pack_rows(float *out, const float *x, int64_t stride,
                      int32_t width, int64_t n, int64_t k)
{
    int64_t i, j;

    while (n >= width) {
        int64_t n_panels = n / width < GROUP ? n / width : GROUP;

        for (i = 0; i < k; i++) {
            const float *row = x + i * stride;

            for (j = 0; j < n_panels * width; j += LANES)
                __builtin_prefetch(row + FETCH_AHEAD * stride + j);
            if (width == ROWS)
                pack_step(out + i * ROWS, k * ROWS, ROWS, row, n_panels);
            else
                pack_step(out + i * 2 * LANES, k * 2 * LANES, 2 * LANES, row,
                          n_panels);
        }
        x += n_panels * width;
        n -= n_panels * width;
        out += n_panels * width * k;
    }
    aci_kernels_pack_rows(out, x, stride, width, n, k);
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

static void pack_panel(float *out, const float *x, int64_t stride,
                       int32_t width, int64_t n, int64_t k)
{
    int64_t i, whole = n < width ? 0 : k & ~(int64_t)3;

    if (width == ROWS)
        for (i = 0; i < whole; i += 4)
            transpose(out + i * ROWS, ROWS, x + i, stride, 0);
    else
        for (i = 0; i < whole; i += 4) {
            transpose(out + i * 32, 32, x + i, stride, 1);
            transpose(out + i * 32 + 16, 32, x + i + 16 * stride, stride, 1);
        }
    aci_kernels_pack_columns(out + whole * width, x + whole, stride, width,
                             n < width ? n : width, k - whole);
}

static void pack_columns(float *out, const float *x, int64_t stride,
                         int32_t width, int64_t n, int64_t k)
{
    int64_t at;

    for (at = 0; at < n; at += width)
        pack_panel(out + at * k, x + at * stride, stride, width, n - at, k);
}

const aci_multiply_kernel aci_kernels_multiply_avx512 = {
    "avx512", ROWS, 2 * LANES, 1, multiply, pack_rows, pack_columns
};
