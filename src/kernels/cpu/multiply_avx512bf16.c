/* multiply_avx512bf16.c - dense products of bfloat16 operands, float32 sums.
 *
 *     c [m, n] (+)= round(a) * round(b)     round: to bfloat16, nearest even
 *
 * Operands are float32 in memory and are rounded while they are packed. A word
 * of a panel is two steps of k, the earlier in its low half, and vdpbf16ps
 * multiplies and adds both: twice the rate of float32. The kernel is that of
 * multiply_avx512.c. An odd k has a zero behind it.
 *
 * vdpbf16ps and the conversions take subnormal numbers for zero, round to
 * nearest even and raise nothing, whatever the thread's mode is: products under
 * 1.2e-38 are lost, which gradients do not notice.
 *
 * Packing of x [n, k] puts 8 numbers of row r, of row r + 4 and so on side by
 * side before they are rounded, so that a quarter of a register has 4 words of
 * one row, and the two shuffles per row of the float32 kernel are left. */
#include <immintrin.h>
#include <string.h>

#include "kernels/cpu/multiply_table.h"

typedef float vec __attribute__((vector_size(64)));

#define LANES 16
#define ROWS 12
#define EACH_ROW(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define SPREAD(x) (vec)_mm512_set1_ps(x)
#define FMA(x, y, z) \
    (vec)_mm512_dpbf16_ps((__m512)(z), (__m512bh)(x), (__m512bh)(y))

#include "kernels/cpu/multiply_body.h"

enum {
    COLUMNS = 2 * LANES,
    GROUP = 8,        /* panels that pack_rows fills at a time */
    FETCH_AHEAD = 8,  /* steps */
    CHUNK = 8         /* numbers of a row that are packed at a time */
};

/* ---- x [k, n] ------------------------------------------------------------ */

/* Words of one step: low halves of `x`, high halves of `next`. */
static inline __m512i pair(const float *x, const float *next, __mmask16 has,
                           __mmask16 has_next)
{
    const __m512i order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
        22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512bh both = _mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(has_next, next),
                                        _mm512_maskz_loadu_ps(has, x));

    return _mm512_permutexvar_epi16(order, (__m512i)both);
}

/* One step of panels side by side, of n numbers in all. 12 words go in two
 * pieces: a masked store would take far longer. */
static inline void pack_step(float *out, int64_t panel, int32_t width,
                             const float *x, const float *next, int64_t n,
                             int has_next)
{
    for (; n > 0; n -= width, out += panel, x += width, next += width) {
        uint32_t has = n < width ? (1u << n) - 1
                                 : (uint32_t)(((uint64_t)1 << width) - 1);
        uint32_t behind = has_next ? has : 0;
        __m512i low = pair(x, next, (__mmask16)has, (__mmask16)behind);

        if (width == ROWS) {
            _mm256_storeu_si256((void *)out, _mm512_castsi512_si256(low));
            _mm_storeu_si128((void *)(out + 8),
                             _mm512_extracti32x4_epi32(low, 2));
            continue;
        }
        _mm512_storeu_si512(out, low);
        _mm512_storeu_si512(out + LANES,
                            pair(x + LANES, next + LANES,
                                 (__mmask16)(has >> LANES),
                                 (__mmask16)(behind >> LANES)));
    }
}

/* Some panels together while the lines of x are at hand, as in
 * multiply_avx512.c. */
static void pack_rows(float *out, const float *x, int64_t stride,
                      int32_t width, int64_t n, int64_t k)
{
    int64_t n_steps = (k + 1) / 2, i, j, part;

    for (; n > 0; n -= part, x += part, out += GROUP * width * n_steps) {
        part = n < GROUP * width ? n : GROUP * width;
        for (i = 0; i < n_steps; i++) {
            const float *row = x + 2 * i * stride;
            int has_next = 2 * i + 1 < k;

            for (j = 0; j < part; j += LANES) {
                __builtin_prefetch(row + FETCH_AHEAD * stride + j);
                __builtin_prefetch(row + (FETCH_AHEAD + 1) * stride + j);
            }
            if (width == ROWS)
                pack_step(out + i * ROWS, n_steps * ROWS, ROWS, row,
                          row + stride, part, has_next);
            else
                pack_step(out + i * COLUMNS, n_steps * COLUMNS, COLUMNS, row,
                          row + stride, part, has_next);
        }
    }
}

/* ---- x [n, k] ------------------------------------------------------------ */

/* Four words of rows r, r + 4, r + 8 (and r + 12): one quarter each. */
static inline __m512i quarters(const float *x, int64_t stride, int whole)
{
    __m512 low = _mm512_castps256_ps512(_mm256_loadu_ps(x));
    __m512 high = _mm512_zextps256_ps512(_mm256_loadu_ps(x + 8 * stride));

    low = _mm512_mask_broadcast_f32x8(low, 0xff00,
                                      _mm256_loadu_ps(x + 4 * stride));
    if (whole)
        high = _mm512_mask_broadcast_f32x8(high, 0xff00,
                                           _mm256_loadu_ps(x + 12 * stride));
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Four steps of 12 or 16 rows; 12 write four words behind. */
static inline void transpose(float *out, int32_t width, const float *x,
                             int64_t stride, int whole)
{
    __m512i a = quarters(x, stride, whole);
    __m512i b = quarters(x + stride, stride, whole);
    __m512i c = quarters(x + 2 * stride, stride, whole);
    __m512i d = quarters(x + 3 * stride, stride, whole);
    __m512i ab_low = _mm512_unpacklo_epi32(a, b);
    __m512i ab_high = _mm512_unpackhi_epi32(a, b);
    __m512i cd_low = _mm512_unpacklo_epi32(c, d);
    __m512i cd_high = _mm512_unpackhi_epi32(c, d);

    _mm512_storeu_si512(out, _mm512_unpacklo_epi64(ab_low, cd_low));
    _mm512_storeu_si512(out + width, _mm512_unpackhi_epi64(ab_low, cd_low));
    _mm512_storeu_si512(out + 2 * width,
                        _mm512_unpacklo_epi64(ab_high, cd_high));
    _mm512_storeu_si512(out + 3 * width,
                        _mm512_unpackhi_epi64(ab_high, cd_high));
}

static inline void pack_chunk(float *out, int32_t width, const float *x,
                              int64_t stride)
{
    if (width == ROWS) {
        transpose(out, ROWS, x, stride, 0);
    } else {
        transpose(out, COLUMNS, x, stride, 1);
        transpose(out + LANES, COLUMNS, x + LANES * stride, stride, 1);
    }
}

/* A chunk that lacks rows, or numbers of k: by way of a full one. */
static void pack_part(float *out, const float *x, int64_t stride,
                      int32_t width, int64_t n, int64_t k)
{
    float full[COLUMNS * CHUNK] = { 0 }, words[COLUMNS * CHUNK / 2 + LANES];
    int64_t i;

    for (i = 0; i < n; i++)
        memcpy(full + i * CHUNK, x + i * stride, (size_t)k * sizeof *x);
    pack_chunk(words, width, full, CHUNK);
    memcpy(out, words, (size_t)((k + 1) / 2 * width) * sizeof *out);
}

static void pack_columns(float *out, const float *x, int64_t stride,
                         int32_t width, int64_t n, int64_t k)
{
    int64_t n_steps = (k + 1) / 2, at, i;

    for (at = 0; at < n; at += width, out += n_steps * width) {
        const float *rows = x + at * stride;
        int64_t part = n - at < width ? n - at : width;
        int64_t whole = part < width ? 0 : k / CHUNK * CHUNK;

        for (i = 0; i < whole; i += CHUNK)
            pack_chunk(out + i / 2 * width, width, rows + i, stride);
        for (; i < k; i += CHUNK)
            pack_part(out + i / 2 * width, rows + i, stride, width, part,
                      k - i < CHUNK ? k - i : CHUNK);
    }
}

const aci_multiply_kernel aci_kernels_multiply_avx512bf16 = {
    "avx512bf16", ROWS, COLUMNS, 2, multiply, pack_rows, pack_columns
};
