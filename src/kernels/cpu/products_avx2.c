/* products_avx2.c - quantised products with AVX2 and FMA.
 *
 * Formula and exactness: the contract in backend.h; bit-identical to
 * products_reference.c. A 64-byte line of a tile is two registers, columns
 * 0-31 and 32-63; codes are made signed, and a product of signed bytes is
 * maddubs(|x|, sign(w, x)): with |w| <= 120 for codes and 127 for plane C no
 * pair of products leaves int16 (matrix.h bounds the ratio for this). */
#include <immintrin.h>

#include "kernels/cpu/products_table.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m256i load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE __m256i low_nibbles(__m256i v)
{
    return _mm256_and_si256(v, _mm256_set1_epi8(15));
}

INLINE __m256i high_nibbles(__m256i v)
{
    return low_nibbles(_mm256_srli_epi16(v, 4));
}

INLINE __m256i dot(__m256i sum, __m256i w, __m256i x)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x),
                                         _mm256_sign_epi8(w, x));

    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs,
                                                   _mm256_set1_epi16(1)));
}

/* w of a nibble for one plane, ratio * q + r for two; to look up q. */
INLINE __m256i code_table(const aci_linear *linear)
{
    int32_t step = linear->weight_bits == 4 ? 1 : linear->weight->ratio, i;
    int8_t table[16];

    for (i = 0; i < 16; i++) /* the -8 of plane B is taken out here too */
        table[i] = (int8_t)(step * (i - 8) -
                            (linear->weight_bits == 4 ? 0 : 8));
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table));
}

/* Sums of one group of one strip and token: [16] rows. */
typedef struct group_sums {
    int32_t high[16], low[16];
} group_sums;

typedef struct cursor {
    const uint8_t *a, *b, *c; /* of the tile at hand */
    const uint8_t *x;         /* 128 (256) bytes of activations */
} cursor;

/* One register of a line: 32 bytes, columns 32*half of a row pair. */
INLINE void add_line(__m256i *high, __m256i *low, cursor at, int g, int half,
                     __m256i table, int weight_bits, int bits)
{
    size_t offset = (size_t)(64 * g + 32 * half);
    __m256i v = load(at.a + offset);
    __m256i w0 = _mm256_shuffle_epi8(table, low_nibbles(v));
    __m256i w1 = _mm256_shuffle_epi8(table, high_nibbles(v));
    __m256i h0 = load(at.x + 32 * half), h1 = load(at.x + 64 + 32 * half);

    if (weight_bits > 4) {
        __m256i r = load(at.b + offset);

        w0 = _mm256_add_epi8(w0, low_nibbles(r));
        w1 = _mm256_add_epi8(w1, high_nibbles(r));
    }
    *high = dot(dot(*high, w0, h0), w1, h1);
    if (bits == 16) {
        *low = dot(*low, w0, load(at.x + 128 + 32 * half));
        *low = dot(*low, w1, load(at.x + 192 + 32 * half));
    }
    if (weight_bits == 16) {
        const uint8_t *c = at.c + 128 * g + 32 * half;
        __m256i flip = _mm256_set1_epi8((char)0x80);

        *low = dot(*low, _mm256_xor_si256(load(c), flip), h0);
        *low = dot(*low, _mm256_xor_si256(load(c + 64), flip), h1);
    }
}

/* Lanes of a pair are [g, g, g+8, g+8] twice. */
INLINE void sum_pairs(int32_t out[16], const __m256i pair[8])
{
    int g;

    for (g = 0; g < 8; g += 2) {
        __m256i h = _mm256_hadd_epi32(pair[g], pair[g + 1]);
        __m128i s = _mm_add_epi32(_mm256_castsi256_si128(h),
                                  _mm256_extracti128_si256(h, 1));

        out[g] = _mm_extract_epi32(s, 0);
        out[g + 8] = _mm_extract_epi32(s, 1);
        out[g + 1] = _mm_extract_epi32(s, 2);
        out[g + 9] = _mm_extract_epi32(s, 3);
    }
}

/* Columns [column, column + group) of one strip and token. */
INLINE void sum_group(group_sums *out, const aci_product_job *job,
                      cursor at, int32_t column, __m256i table,
                      int weight_bits, int bits)
{
    int32_t group = job->activations->group, done;
    int half = column % 64 == 32, g;
    __m256i high[8], low[8];

    for (g = 0; g < 8; g++)
        high[g] = low[g] = _mm256_setzero_si256();
    for (done = 0; done < group; done += 32) {
        for (g = 0; g < 8; g++)
            add_line(&high[g], &low[g], at, g, half, table, weight_bits,
                     bits);
        if (half) {
            at.a += ACI_NIBBLE_TILE_BYTES;
            at.b += ACI_NIBBLE_TILE_BYTES;
            at.c += ACI_BYTE_TILE_BYTES;
            at.x += 16 * bits;
        }
        half = !half;
    }
    sum_pairs(out->high, high);
    if (bits == 16)
        sum_pairs(out->low, low);
}

/* Eight group sums to float, scaled and added. */
INLINE __m256 add_group(__m256 result, const int32_t *high, const int32_t *low,
                        __m256 scale, int weight_bits, int bits)
{
    __m256 v = _mm256_cvtepi32_ps(load(high));

    if (bits == 16 && weight_bits == 16)
        v = _mm256_fmadd_ps(v, _mm256_set1_ps(65536.0f),
                            _mm256_mul_ps(_mm256_cvtepi32_ps(load(low)),
                                          _mm256_set1_ps(256.0f)));
    else if (bits == 16)
        v = _mm256_fmadd_ps(v, _mm256_set1_ps(256.0f),
                            _mm256_cvtepi32_ps(load(low)));
    return _mm256_fmadd_ps(v, scale, result);
}

INLINE __m256 load_scales(const uint16_t *scales, float factor)
{
    return _mm256_mul_ps(
        _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)
                                        scales)),
        _mm256_set1_ps(factor));
}

INLINE void multiply_strip(const aci_product_job *job, int32_t strip,
                           int32_t token, int weight_bits, int bits)
{
    const aci_matrix *m = job->linear->weight;
    const aci_activations *a = job->activations;
    float factor = aci_scale_factor(job->linear), values[16];
    size_t tiles = (size_t)(m->n_in_padded / 64);
    size_t first_tile = (size_t)strip * (size_t)(m->n_in_stored / 64);
    size_t x_bytes = (size_t)(16 * bits);
    const uint16_t *scales =
        m->scales + aci_matrix_scale_at(m, 16 * strip, 0);
    __m256i table = code_table(job->linear);
    __m256 first = _mm256_setzero_ps(), second = first;
    int32_t g, i, n = m->n_out - 16 * strip;

    for (g = 0; g < a->n_groups; g++, scales += 16) {
        int32_t column = g * a->group;
        size_t tile = first_tile + (size_t)(column / 64);
        size_t group_at = (size_t)token * (size_t)a->n_groups + (size_t)g;
        cursor at = { m->plane_a + tile * ACI_NIBBLE_TILE_BYTES,
                      m->plane_b + tile * ACI_NIBBLE_TILE_BYTES,
                      m->plane_c + tile * ACI_BYTE_TILE_BYTES,
                      a->arranged + ((size_t)token * tiles +
                                     (size_t)(column / 64)) * x_bytes };
        __m256 sa = _mm256_set1_ps(a->scales[group_at]);
        group_sums sums;

        sum_group(&sums, job, at, column, table, weight_bits, bits);
        first = add_group(first, sums.high, sums.low,
                          _mm256_mul_ps(load_scales(scales, factor), sa),
                          weight_bits, bits);
        second = add_group(second, sums.high + 8, sums.low + 8,
                           _mm256_mul_ps(load_scales(scales + 8, factor), sa),
                           weight_bits, bits);
    }
    _mm256_storeu_ps(values, first);
    _mm256_storeu_ps(values + 8, second);
    for (i = 0; i < 16 && i < n; i++)
        aci_store_result(job, token, 16 * strip + i, values[i]);
}

static void product(const aci_product_job *job, int32_t first, int32_t last)
{
    int32_t w = job->linear->weight_bits, strip, token;
    int32_t n = job->activations->n_rows, bits = job->activations->bits;

    for (strip = first; strip < last; strip++)
        for (token = 0; token < n; token++) { /* weights stay in L1 */
            if (bits == 8 && w == 4)
                multiply_strip(job, strip, token, 4, 8);
            else if (bits == 8)
                multiply_strip(job, strip, token, 8, 8);
            else if (w == 4)
                multiply_strip(job, strip, token, 4, 16);
            else if (w == 8)
                multiply_strip(job, strip, token, 8, 16);
            else
                multiply_strip(job, strip, token, 16, 16);
        }
}

/* 64 values twice over: columns of low nibbles, then of high ones, each eight
 * bytes doubled for the two rows of a pair. */
static void expand(uint8_t *out, const int8_t *x)
{
    int i;

    for (i = 0; i < 8; i++) {
        const int8_t *from = x + 16 * (i / 2);

        _mm_storel_epi64((__m128i *)(void *)(out + 8 * i),
                         _mm_loadl_epi64((const __m128i *)(const void *)
                                         from));
        _mm_storel_epi64((__m128i *)(void *)(out + 64 + 8 * i),
                         _mm_loadl_epi64((const __m128i *)(const void *)
                                         (from + 8)));
    }
}

static void arrange(aci_activations *a, int32_t first, int32_t last)
{
    size_t n = (size_t)a->n_in_padded, planes = (size_t)(a->bits / 8), k;
    int32_t row;

    for (row = first; row < last; row++) {
        uint8_t *out = a->arranged + (size_t)row * n * 2 * planes;

        for (k = 0; k < n; k += 64) {
            expand(out, a->high + (size_t)row * n + k);
            out += 128;
            if (a->bits == 16) {
                expand(out, a->low + (size_t)row * n + k);
                out += 128;
            }
        }
    }
}

static size_t arranged_bytes(int32_t n_rows, int32_t n_in_padded)
{
    return (size_t)4 * (size_t)n_rows * (size_t)n_in_padded;
}

static size_t panel_bytes(int32_t n_in_padded)
{
    (void)n_in_padded;
    return 0;
}

const aci_product_functions aci_kernels_products_avx2 = {
    arranged_bytes, panel_bytes, arrange, product
};
