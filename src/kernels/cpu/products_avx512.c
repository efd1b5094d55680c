/* products_avx512.c - quantised products with AVX-512 VNNI.
 *
 * Formula and exactness: the contract in backend.h; bit-identical to
 * products_reference.c. Weights lie as matrix.h says, read in place.
 *
 * Small (up to ACI_SMALL_ROWS tokens, decoding): every 64-byte line of a tile
 * is one register; its nibbles meet activations expanded the same way (each 8
 * bytes twice, for rows g and g + 8), eight accumulators hold the eight row
 * pairs, and at the end of a group a tree of shuffles turns them into 16 row
 * sums. The weights are the only memory traffic.
 *
 * Large (prefill): tiles are unpacked to [k/4][16 rows][4] bytes in the second
 * level cache, once per strip, and multiplied with 12 tokens at a time out of
 * registers: 32 rows x 12 tokens (8-bit activations), or 16 x 12 with two sums
 * each (16-bit).
 *
 * vpdpbusd is written as assembler: with the intrinsic gcc 12 spills the
 * accumulators and halves the speed. */
#include <immintrin.h>
#include <string.h>

#include "kernels/cpu/products_table.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m512i dot(__m512i sum, __m512i weights, __m512i activations)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum)
            : "v"(weights), "v"(activations));
    return sum;
}

INLINE __m512i load(const void *p)
{
    return _mm512_loadu_si512(p);
}

INLINE __m512i low_nibbles(__m512i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

INLINE __m512i high_nibbles(__m512i v)
{
    return low_nibbles(_mm512_srli_epi16(v, 4));
}

/* D * q for q = 0..15, to look up with a shuffle. */
INLINE __m512i ratio_table(int32_t ratio)
{
    uint8_t table[16];
    int i;

    for (i = 0; i < 16; i++)
        table[i] = (uint8_t)(ratio * i);
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table));
}

/* What the stored, unsigned codes are too large by. */
INLINE int32_t zero_point(const aci_linear *linear)
{
    return linear->weight_bits == 4 ? 8 : 8 * linear->weight->ratio + 8;
}

/* ---- small products ------------------------------------------------------ */

/* Accumulators of the 8 row pairs to 16 row sums, k 0-31 and 32-63 apart:
 * 32-bit lanes of a line are [g, g, g+8, g+8] four times. */
INLINE void sum_pairs(__m512i out[2], const __m512i pair[8])
{
    __m512i u[4], p[2], halves[2];
    int i;

#pragma GCC unroll 4
    for (i = 0; i < 4; i++) {
        __m512 lo = _mm512_castsi512_ps(
            _mm512_unpacklo_epi64(pair[2 * i], pair[2 * i + 1]));
        __m512 hi = _mm512_castsi512_ps(
            _mm512_unpackhi_epi64(pair[2 * i], pair[2 * i + 1]));

        u[i] = _mm512_add_epi32(
            _mm512_castps_si512(_mm512_shuffle_ps(lo, hi, 0x88)),
            _mm512_castps_si512(_mm512_shuffle_ps(lo, hi, 0xDD)));
    }
    for (i = 0; i < 2; i++) /* [u 0+1, u 2+3, u' 0+1, u' 2+3] */
        p[i] = _mm512_add_epi32(
            _mm512_shuffle_i32x4(u[2 * i], u[2 * i + 1], 0x88),
            _mm512_shuffle_i32x4(u[2 * i], u[2 * i + 1], 0xDD));
    halves[0] = _mm512_shuffle_i32x4(p[0], p[1], 0x88);
    halves[1] = _mm512_shuffle_i32x4(p[0], p[1], 0xDD);
    for (i = 0; i < 2; i++)
        out[i] = _mm512_permutexvar_epi32(
            _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11,
                              14, 15),
            halves[i]);
}

/* Where the planes of the strip at hand are. */
typedef struct cursor {
    const uint8_t *a, *b, *c;
} cursor;

/* Bytes ahead of the hardware prefetcher, across page borders. */
enum { AHEAD = 4096 };

/* What is fetched ahead of a tile: AHEAD bytes on in the stream of those that
 * are read. Where columns were cut off the stream jumps over them at the end
 * of each strip, and fetching them would cost what not reading them saves. */
typedef struct ahead {
    size_t nibbles, bytes;     /* offsets from the tile at hand */
} ahead;

/* Adds one tile to the pair sums. high[8] takes w*a or w*ah, low[8] w*al and
 * t*ah. `x`: the token's 128 (256) bytes of this tile. */
INLINE void add_tile(__m512i high[8], __m512i low[8], cursor at,
                     const uint8_t *x, __m512i table, int weight_bits,
                     int bits, const ahead *prefetch)
{
    __m512i h0 = load(x), h1 = load(x + 64), l0 = h0, l1 = h1;
    int g;

    if (bits == 16) {
        l0 = load(x + 128);
        l1 = load(x + 192);
    }
#pragma GCC unroll 8
    for (g = 0; g < 8; g++) {
        __m512i v = load(at.a + 64 * g);
        __m512i w0 = low_nibbles(v), w1 = high_nibbles(v);

        if (prefetch)
            _mm_prefetch((const char *)at.a + 64 * g + prefetch->nibbles,
                         _MM_HINT_T0);
        if (weight_bits > 4) {
            __m512i r = load(at.b + 64 * g);

            if (prefetch)
                _mm_prefetch((const char *)at.b + 64 * g +
                                 prefetch->nibbles, _MM_HINT_T0);
            w0 = _mm512_add_epi8(_mm512_shuffle_epi8(table, w0),
                                 low_nibbles(r));
            w1 = _mm512_add_epi8(_mm512_shuffle_epi8(table, w1),
                                 high_nibbles(r));
        }
        high[g] = dot(dot(high[g], w0, h0), w1, h1);
        if (bits == 16)
            low[g] = dot(dot(low[g], w0, l0), w1, l1);
        if (weight_bits == 16) {
            if (prefetch) {
                _mm_prefetch((const char *)at.c + 128 * g +
                                 prefetch->bytes, _MM_HINT_T0);
                _mm_prefetch((const char *)at.c + 128 * g + 64 +
                                 prefetch->bytes, _MM_HINT_T0);
            }
            low[g] = dot(dot(low[g], load(at.c + 128 * g), h0),
                         load(at.c + 128 * g + 64), h1);
        }
    }
}

/* 16 group sums to float, scaled and added; see the contract. */
INLINE __m512 add_group(__m512 result, __m512i high, __m512i low,
                        __m512 scale, int weight_bits, int bits)
{
    __m512 v = _mm512_cvtepi32_ps(high);

    if (bits == 16 && weight_bits == 16)
        v = _mm512_fmadd_ps(v, _mm512_set1_ps(65536.0f),
                            _mm512_mul_ps(_mm512_cvtepi32_ps(low),
                                          _mm512_set1_ps(256.0f)));
    else if (bits == 16)
        v = _mm512_fmadd_ps(v, _mm512_set1_ps(256.0f),
                            _mm512_cvtepi32_ps(low));
    return _mm512_fmadd_ps(v, scale, result);
}

INLINE __m512 load_scales(const uint16_t *scales, float factor)
{
    return _mm512_mul_ps(
        _mm512_cvtph_ps(_mm256_loadu_si256((const void *)scales)),
        _mm512_set1_ps(factor));
}

/* Takes the zero point out of sums of unsigned codes. */
INLINE void remove_zero(__m512i *high, __m512i *low,
                        const aci_activations *a, size_t group_at,
                        int32_t zero, int weight_bits, int bits)
{
    int32_t sum_high = a->sum_high[group_at];

    *high = _mm512_sub_epi32(*high, _mm512_set1_epi32(zero * sum_high));
    if (bits == 16) {
        int32_t low_zero = zero * a->sum_low[group_at];

        if (weight_bits == 16)
            low_zero += 128 * sum_high;
        *low = _mm512_sub_epi32(*low, _mm512_set1_epi32(low_zero));
    }
}

/* The matrix and activations of a product, with what is the same for all of
 * its strips. */
typedef struct setting {
    const aci_product_job *job;
    __m512i table;
    float factor;
    int32_t zero;
    size_t x_bytes;       /* of a token and tile */
    size_t x_stride;      /* of a token */
    /* Looking ahead: tiles read of a strip, tiles left out behind them, and
     * how many strips AHEAD is at least, with the tiles it is beyond that; in
     * nibble planes and in plane C. */
    size_t tiles, gap, strips[2], beyond[2];
} setting;

static void set_ahead(setting *s, const aci_matrix *m)
{
    const size_t distance[2] = { AHEAD / ACI_NIBBLE_TILE_BYTES,
                                 AHEAD / ACI_BYTE_TILE_BYTES };
    int i;

    s->tiles = (size_t)(m->n_in_padded / 64);
    s->gap = (size_t)(m->n_in_stored / 64) - s->tiles;
    for (i = 0; i < 2; i++) {
        s->strips[i] = distance[i] / s->tiles;
        s->beyond[i] = distance[i] % s->tiles;
    }
}

INLINE ahead look_ahead(const setting *s, size_t tile)
{
    size_t near = s->strips[0] + (tile + s->beyond[0] >= s->tiles);
    size_t far = s->strips[1] + (tile + s->beyond[1] >= s->tiles);
    ahead next = { AHEAD + near * s->gap * ACI_NIBBLE_TILE_BYTES,
                   AHEAD + far * s->gap * ACI_BYTE_TILE_BYTES };

    return next;
}

/* The columns of one step (a group of 128, or a tile holding one group of 64
 * or two of 32) for one token. */
INLINE __m512 add_step(__m512 result, const setting *s, cursor at,
                       int32_t token, size_t step, const uint16_t *scales,
                       int weight_bits, int bits, int group,
                       const ahead *prefetch)
{
    const aci_activations *a = s->job->activations;
    int tiles = group == 128 ? 2 : 1, groups = group == 32 ? 2 : 1, t;
    size_t group_at = (size_t)token * (size_t)a->n_groups +
                      step * (size_t)groups;
    const uint8_t *x = a->arranged + (size_t)token * s->x_stride +
                       step * (size_t)tiles * s->x_bytes;
    __m512i high[8], low[8], high_sums[2], low_sums[2];

#pragma GCC unroll 8
    for (t = 0; t < 8; t++)
        high[t] = low[t] = _mm512_setzero_si512();
#pragma GCC unroll 2
    for (t = 0; t < tiles; t++) {
        add_tile(high, low, at, x, s->table, weight_bits, bits, prefetch);
        at.a += ACI_NIBBLE_TILE_BYTES;
        at.b += ACI_NIBBLE_TILE_BYTES;
        at.c += ACI_BYTE_TILE_BYTES;
        x += s->x_bytes;
    }
    sum_pairs(high_sums, high);
    if (bits == 16)
        sum_pairs(low_sums, low);
    else
        low_sums[0] = low_sums[1] = _mm512_setzero_si512();
    if (group >= 64) {
        high_sums[0] = _mm512_add_epi32(high_sums[0], high_sums[1]);
        low_sums[0] = _mm512_add_epi32(low_sums[0], low_sums[1]);
    }
#pragma GCC unroll 2
    for (t = 0; t < groups; t++) {
        size_t own = group_at + (size_t)t;
        __m512 scale = _mm512_mul_ps(load_scales(scales + 16 * t, s->factor),
                                     _mm512_set1_ps(a->scales[own]));

        remove_zero(&high_sums[t], &low_sums[t], a, own, s->zero,
                    weight_bits, bits);
        result = add_group(result, high_sums[t], low_sums[t], scale,
                           weight_bits, bits);
    }
    return result;
}

static void store_rows(const aci_product_job *job, int32_t token,
                       int32_t strip, const float *values)
{
    int32_t row = 16 * strip, n = job->linear->weight->n_out - row, i;
    float *out = job->out + (size_t)token * job->out_stride + row;
    const float *bias = job->linear->bias;

    if (n < 16) {
        for (i = 0; i < n; i++)
            aci_store_result(job, token, row + i, values[i]);
        return;
    }
    __m512 v = _mm512_loadu_ps(values);
    if (bias != NULL)
        v = _mm512_add_ps(v, _mm512_loadu_ps(bias + row));
    if (job->accumulate)
        v = _mm512_add_ps(_mm512_loadu_ps(out), v);
    _mm512_storeu_ps(out, v);
}

/* All of a strip for tokens [0, n). With n = 1, the case that decoding is,
 * everything but the weights stays in registers. */
INLINE void small_strip(const setting *s, int32_t strip, int32_t n,
                        int weight_bits, int bits, int group)
{
    const aci_matrix *m = s->job->linear->weight;
    size_t columns = group == 128 ? 128 : 64, step, token;
    size_t steps = (size_t)m->n_in_padded / columns;
    size_t scale_step = group == 32 ? 32 : 16;
    size_t nibbles = (size_t)strip * (size_t)(m->n_in_stored / 64) *
                     ACI_NIBBLE_TILE_BYTES;
    cursor at = { m->plane_a + nibbles, m->plane_b + nibbles,
                  m->plane_c + 2 * nibbles };
    const uint16_t *scales = m->scales +
                             aci_matrix_scale_at(m, 16 * strip, 0);
    __m512 result[ACI_SMALL_ROWS];

    for (token = 0; token < (size_t)n; token++)
        result[token] = _mm512_setzero_ps();
    for (step = 0; step < steps; step++) {
        ahead next = look_ahead(s, step * (columns / 64));

        result[0] = add_step(result[0], s, at, 0, step, scales, weight_bits,
                             bits, group, &next);
        for (token = 1; token < (size_t)n; token++)
            result[token] = add_step(result[token], s, at, (int32_t)token,
                                     step, scales, weight_bits, bits, group,
                                     NULL);
        at.a += columns / 64 * ACI_NIBBLE_TILE_BYTES;
        at.b += columns / 64 * ACI_NIBBLE_TILE_BYTES;
        at.c += columns / 64 * ACI_BYTE_TILE_BYTES;
        scales += scale_step;
    }
    for (token = 0; token < (size_t)n; token++) {
        float values[16];

        _mm512_storeu_ps(values, result[token]);
        store_rows(s->job, (int32_t)token, strip, values);
    }
}

/* Compiled once per widths and group, and apart for a single token. */
#define SMALL_STRIPS(name, weight_bits, bits, group)                          \
    static void name(const setting *s, int32_t first, int32_t last)           \
    {                                                                         \
        int32_t n = s->job->activations->n_rows, strip;                       \
                                                                              \
        for (strip = first; strip < last && n == 1; strip++)                  \
            small_strip(s, strip, 1, weight_bits, bits, group);               \
        for (strip = first; strip < last && n > 1; strip++)                   \
            small_strip(s, strip, n, weight_bits, bits, group);               \
    }
#define SMALL_GROUPS(name, weight_bits, bits)                                 \
    SMALL_STRIPS(name##_g32, weight_bits, bits, 32)                           \
    SMALL_STRIPS(name##_g64, weight_bits, bits, 64)                           \
    SMALL_STRIPS(name##_g128, weight_bits, bits, 128)

SMALL_GROUPS(small_w4a8, 4, 8)
SMALL_GROUPS(small_w8a8, 8, 8)
SMALL_GROUPS(small_w4a16, 4, 16)
SMALL_GROUPS(small_w8a16, 8, 16)
SMALL_GROUPS(small_w16a16, 16, 16)

typedef void (*small_function)(const setting *s, int32_t first, int32_t last);

#define SMALL_ROW(name) { name##_g32, name##_g64, name##_g128 }
static const small_function small_functions[5][3] = {
    SMALL_ROW(small_w4a8), SMALL_ROW(small_w8a8), SMALL_ROW(small_w4a16),
    SMALL_ROW(small_w8a16), SMALL_ROW(small_w16a16)
};

static void small_product(const aci_product_job *job, int32_t first,
                          int32_t last)
{
    const aci_activations *a = job->activations;
    int32_t w = job->linear->weight_bits, bits = a->bits;
    int kind = (bits == 16 ? 2 : 0) + (w == 4 ? 0 : w == 8 ? 1 : 2);
    setting s = { job, ratio_table(job->linear->weight->ratio),
                  aci_scale_factor(job->linear), zero_point(job->linear),
                  (size_t)(16 * bits),
                  (size_t)(a->n_in_padded / 64) * (size_t)(16 * bits),
                  0, 0, { 0 }, { 0 } };

    set_ahead(&s, job->linear->weight);
    small_functions[kind][a->group / 64](&s, first, last);
}

/* 64 values twice over: columns of low nibbles, then of high ones, each eight
 * bytes doubled for the two rows of a pair. */
static void expand(uint8_t *out, const int8_t *x)
{
    const __m512i doubled_low = _mm512_setr_epi64(0, 0, 2, 2, 4, 4, 6, 6);
    const __m512i doubled_high = _mm512_setr_epi64(1, 1, 3, 3, 5, 5, 7, 7);
    __m512i v = load(x);

    _mm512_storeu_si512(out, _mm512_permutexvar_epi64(doubled_low, v));
    _mm512_storeu_si512(out + 64, _mm512_permutexvar_epi64(doubled_high, v));
}

static void arrange_small(aci_activations *a, int32_t first, int32_t last)
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

/* ---- large products ------------------------------------------------------ */

/* Twelve tokens side by side, [n_in_padded / 4][12][4] bytes; for 16 bits the
 * low plane follows. Missing tokens are zero. */
static void arrange_large(aci_activations *a, int32_t first, int32_t last)
{
    size_t n = (size_t)a->n_in_padded, plane = n * ACI_TOKEN_TILE, k;
    int32_t base, i;

    for (base = first; base < last; base += ACI_TOKEN_TILE) {
        uint8_t *out = a->arranged + (size_t)base * n * (size_t)(a->bits / 8);

        for (i = 0; i < ACI_TOKEN_TILE; i++) {
            size_t row = (size_t)(base + i) * n;

            for (k = 0; k < n; k += 4) {
                uint8_t *at = out + k * ACI_TOKEN_TILE + 4 * (size_t)i;
                int32_t h = 0, l = 0;

                if (base + i < last) {
                    memcpy(&h, a->high + row + k, 4);
                    if (a->bits == 16)
                        memcpy(&l, a->low + row + k, 4);
                }
                memcpy(at, &h, 4);
                if (a->bits == 16)
                    memcpy(at + plane, &l, 4);
            }
        }
    }
}

/* Eight lines (row pairs; 8 bytes of row g, 8 of row g + 8, four times) to
 * eight vectors of [16 rows][4 columns]. out[2 j + h]: columns 16 j + 4 h. */
INLINE void transpose_lines(__m512i out[8], const __m512i line[8])
{
    int side, half, j;
    __m512i rows[2][4]; /* [half][rows 0-3, 4-7, 8-11, 12-15], lanes j */

    for (side = 0; side < 2; side++) {
        __m512i u[4];

        for (j = 0; j < 4; j++)
            u[j] = side == 0
                       ? _mm512_unpacklo_epi32(line[2 * j], line[2 * j + 1])
                       : _mm512_unpackhi_epi32(line[2 * j], line[2 * j + 1]);
        for (j = 0; j < 2; j++) {
            rows[0][2 * side + j] =
                _mm512_unpacklo_epi64(u[2 * j], u[2 * j + 1]);
            rows[1][2 * side + j] =
                _mm512_unpackhi_epi64(u[2 * j], u[2 * j + 1]);
        }
    }
    for (half = 0; half < 2; half++) { /* 4 x 4 lanes of 128 bits */
        __m512i *r = rows[half];
        __m512i a = _mm512_shuffle_i32x4(r[0], r[1], 0x88);
        __m512i b = _mm512_shuffle_i32x4(r[0], r[1], 0xDD);
        __m512i c = _mm512_shuffle_i32x4(r[2], r[3], 0x88);
        __m512i d = _mm512_shuffle_i32x4(r[2], r[3], 0xDD);

        out[0 + half] = _mm512_shuffle_i32x4(a, c, 0x88); /* j = 0 */
        out[4 + half] = _mm512_shuffle_i32x4(a, c, 0xDD); /* j = 2 */
        out[2 + half] = _mm512_shuffle_i32x4(b, d, 0x88); /* j = 1 */
        out[6 + half] = _mm512_shuffle_i32x4(b, d, 0xDD); /* j = 3 */
    }
}

/* Stores both nibble halves of a tile: columns 16 j + 4 h (low nibbles hold
 * h = 0, 1; high ones h = 2, 3). */
INLINE void store_tile(uint8_t *panel, const __m512i low[8],
                       const __m512i high[8])
{
    __m512i out[8];
    int j, h;

    transpose_lines(out, low);
    for (j = 0; j < 4; j++)
        for (h = 0; h < 2; h++)
            _mm512_storeu_si512(panel + 64 * (4 * j + h), out[2 * j + h]);
    transpose_lines(out, high);
    for (j = 0; j < 4; j++)
        for (h = 0; h < 2; h++)
            _mm512_storeu_si512(panel + 64 * (4 * j + 2 + h), out[2 * j + h]);
}

/* A strip's codes as [n_in_padded / 4][16][4] unsigned bytes. */
static void unpack_strip(uint8_t *panel, const aci_linear *linear,
                         int32_t strip)
{
    const aci_matrix *m = linear->weight;
    size_t tiles = (size_t)(m->n_in_padded / 64), t;
    size_t offset = (size_t)strip * (size_t)(m->n_in_stored / 64) *
                    ACI_NIBBLE_TILE_BYTES;
    __m512i table = ratio_table(m->ratio);
    int g;

    for (t = 0; t < tiles; t++, offset += ACI_NIBBLE_TILE_BYTES) {
        __m512i low[8], high[8];

        for (g = 0; g < 8; g++) {
            __m512i v = load(m->plane_a + offset + 64 * g);

            low[g] = low_nibbles(v);
            high[g] = high_nibbles(v);
            if (linear->weight_bits > 4) {
                __m512i r = load(m->plane_b + offset + 64 * g);

                low[g] = _mm512_add_epi8(_mm512_shuffle_epi8(table, low[g]),
                                         low_nibbles(r));
                high[g] = _mm512_add_epi8(_mm512_shuffle_epi8(table, high[g]),
                                          high_nibbles(r));
            }
        }
        store_tile(panel + 1024 * t, low, high);
    }
}

/* The same for plane C. */
static void unpack_bytes(uint8_t *panel, const aci_matrix *m, int32_t strip)
{
    size_t tiles = (size_t)(m->n_in_padded / 64), t;
    const uint8_t *from = m->plane_c + (size_t)strip *
                                           (size_t)(m->n_in_stored / 64) *
                                           ACI_BYTE_TILE_BYTES;
    int g;

    for (t = 0; t < tiles; t++, from += ACI_BYTE_TILE_BYTES) {
        __m512i low[8], high[8];

        for (g = 0; g < 8; g++) {
            low[g] = load(from + 128 * g);
            high[g] = load(from + 128 * g + 64);
        }
        store_tile(panel + 1024 * t, low, high);
    }
}

INLINE __m512i broadcast(const uint8_t *x)
{
    int32_t four;

    memcpy(&four, x, 4);
    return _mm512_set1_epi32(four);
}

/* The work of a token tile: its activations and how many tokens are real. */
typedef struct token_tile {
    const uint8_t *high, *low;
    int32_t first, n;
} token_tile;

/* 32 rows (two strips' panels) x 12 tokens, 8-bit activations. */
static void multiply_pair(const aci_product_job *job, const uint8_t *w0,
                          const uint8_t *w1, int32_t strip, int32_t n_strips,
                          token_tile tile)
{
    const aci_matrix *m = job->linear->weight;
    const aci_activations *a = job->activations;
    float factor = aci_scale_factor(job->linear);
    int32_t zero = zero_point(job->linear), g, i, k;
    const uint16_t *s0 = m->scales + aci_matrix_scale_at(m, 16 * strip, 0);
    const uint16_t *s1 = m->scales + aci_matrix_scale_at(
                             m, 16 * (strip + n_strips - 1), 0);
    const uint8_t *x = tile.high;
    float out[ACI_TOKEN_TILE][32];

    memset(out, 0, sizeof out);
    for (g = 0; g < a->n_groups; g++) {
        __m512i sum0[ACI_TOKEN_TILE], sum1[ACI_TOKEN_TILE];
        __m512 scale0 = load_scales(s0 + 16 * g, factor);
        __m512 scale1 = load_scales(s1 + 16 * g, factor);

#pragma GCC unroll 12
        for (i = 0; i < ACI_TOKEN_TILE; i++)
            sum0[i] = sum1[i] = _mm512_setzero_si512();
        for (k = 0; k < a->group; k += 4) {
            __m512i v0 = load(w0), v1 = load(w1);

#pragma GCC unroll 12
            for (i = 0; i < ACI_TOKEN_TILE; i++) {
                __m512i v = broadcast(x + 4 * i);

                sum0[i] = dot(sum0[i], v0, v);
                sum1[i] = dot(sum1[i], v1, v);
            }
            w0 += 64;
            w1 += 64;
            x += 4 * ACI_TOKEN_TILE;
        }
#pragma GCC unroll 12
        for (i = 0; i < ACI_TOKEN_TILE; i++) {
            int32_t token = tile.first + (i < tile.n ? i : 0);
            size_t at = (size_t)token * (size_t)a->n_groups + (size_t)g;
            __m512i z = _mm512_set1_epi32(zero * a->sum_high[at]);
            __m512 sa = _mm512_set1_ps(a->scales[at]);

            _mm512_storeu_ps(out[i], _mm512_fmadd_ps(
                _mm512_cvtepi32_ps(_mm512_sub_epi32(sum0[i], z)),
                _mm512_mul_ps(scale0, sa), _mm512_loadu_ps(out[i])));
            _mm512_storeu_ps(out[i] + 16, _mm512_fmadd_ps(
                _mm512_cvtepi32_ps(_mm512_sub_epi32(sum1[i], z)),
                _mm512_mul_ps(scale1, sa), _mm512_loadu_ps(out[i] + 16)));
        }
    }
    for (i = 0; i < tile.n; i++) {
        store_rows(job, tile.first + i, strip, out[i]);
        if (n_strips == 2)
            store_rows(job, tile.first + i, strip + 1, out[i] + 16);
    }
}

/* 16 rows x 12 tokens, 16-bit activations; `wc` NULL unless 16-bit weights. */
INLINE void multiply_wide(const aci_product_job *job, const uint8_t *w,
                          const uint8_t *wc, int32_t strip, token_tile tile,
                          int weight_bits)
{
    const aci_matrix *m = job->linear->weight;
    const aci_activations *a = job->activations;
    float factor = aci_scale_factor(job->linear);
    int32_t zero = zero_point(job->linear), g, i, k;
    const uint16_t *s = m->scales + aci_matrix_scale_at(m, 16 * strip, 0);
    const uint8_t *h = tile.high, *l = tile.low;
    float out[ACI_TOKEN_TILE][16];

    memset(out, 0, sizeof out);
    for (g = 0; g < a->n_groups; g++) {
        __m512i high[ACI_TOKEN_TILE], low[ACI_TOKEN_TILE];
        __m512 scale = load_scales(s + 16 * g, factor);

#pragma GCC unroll 12
        for (i = 0; i < ACI_TOKEN_TILE; i++)
            high[i] = low[i] = _mm512_setzero_si512();
        for (k = 0; k < a->group; k += 4) {
            __m512i v = load(w), c = v;

            if (weight_bits == 16) {
                c = load(wc);
                wc += 64;
            }
#pragma GCC unroll 12
            for (i = 0; i < ACI_TOKEN_TILE; i++) {
                __m512i xh = broadcast(h + 4 * i);

                high[i] = dot(high[i], v, xh);
                low[i] = dot(low[i], v, broadcast(l + 4 * i));
                if (weight_bits == 16)
                    low[i] = dot(low[i], c, xh);
            }
            w += 64;
            h += 4 * ACI_TOKEN_TILE;
            l += 4 * ACI_TOKEN_TILE;
        }
        for (i = 0; i < ACI_TOKEN_TILE; i++) {
            int32_t token = tile.first + (i < tile.n ? i : 0);
            size_t at = (size_t)token * (size_t)a->n_groups + (size_t)g;
            __m512 sa = _mm512_mul_ps(scale, _mm512_set1_ps(a->scales[at]));

            remove_zero(&high[i], &low[i], a, at, zero, weight_bits, 16);
            _mm512_storeu_ps(out[i], add_group(_mm512_loadu_ps(out[i]),
                                               high[i], low[i], sa,
                                               weight_bits, 16));
        }
    }
    for (i = 0; i < tile.n; i++)
        store_rows(job, tile.first + i, strip, out[i]);
}

static token_tile tile_at(const aci_activations *a, int32_t first)
{
    size_t n = (size_t)a->n_in_padded;
    token_tile tile;

    tile.high = a->arranged + (size_t)first * n * (size_t)(a->bits / 8);
    tile.low = tile.high + n * ACI_TOKEN_TILE;
    tile.first = first;
    tile.n = a->n_rows - first < ACI_TOKEN_TILE ? a->n_rows - first
                                                : ACI_TOKEN_TILE;
    return tile;
}

static void large_narrow(const aci_product_job *job, int32_t strip,
                         int32_t n_strips)
{
    size_t bytes = (size_t)job->linear->weight->n_in_padded * 16;
    uint8_t *panel = job->panel;
    const uint8_t *second = n_strips == 2 ? panel + bytes : panel;
    int32_t first;

    unpack_strip(panel, job->linear, strip);
    if (n_strips == 2)
        unpack_strip(panel + bytes, job->linear, strip + 1);
    for (first = 0; first < job->activations->n_rows; first += ACI_TOKEN_TILE)
        multiply_pair(job, panel, second, strip, n_strips,
                      tile_at(job->activations, first));
}

static void large_wide(const aci_product_job *job, int32_t strip)
{
    const aci_linear *linear = job->linear;
    uint8_t *panel = job->panel;
    uint8_t *bytes = panel + (size_t)linear->weight->n_in_padded * 16;
    int32_t first;

    unpack_strip(panel, linear, strip);
    if (linear->weight_bits == 16)
        unpack_bytes(bytes, linear->weight, strip);
    for (first = 0; first < job->activations->n_rows;
         first += ACI_TOKEN_TILE) {
        token_tile tile = tile_at(job->activations, first);

        if (linear->weight_bits == 16)
            multiply_wide(job, panel, bytes, strip, tile, 16);
        else
            multiply_wide(job, panel, NULL, strip, tile, 8);
    }
}

static void large_product(const aci_product_job *job, int32_t first,
                          int32_t last)
{
    int32_t strip;

    if (job->activations->bits == 16)
        for (strip = first; strip < last; strip++)
            large_wide(job, strip);
    else
        for (strip = first; strip < last; strip += 2)
            large_narrow(job, strip, last - strip < 2 ? 1 : 2);
}

/* ---- the table ----------------------------------------------------------- */

static size_t arranged_bytes(int32_t n_rows, int32_t n_in_padded)
{
    size_t n = (size_t)n_in_padded;
    size_t small = (size_t)4 * ACI_SMALL_ROWS * n;
    size_t large = 2 * ((size_t)n_rows + ACI_TOKEN_TILE) * n;

    return small > large ? small : large;
}

static size_t panel_bytes(int32_t n_in_padded)
{
    return (size_t)2 * 16 * (size_t)n_in_padded;
}

static void arrange(aci_activations *a, int32_t first, int32_t last)
{
    if (a->n_rows <= ACI_SMALL_ROWS)
        arrange_small(a, first, last);
    else
        arrange_large(a, first, last);
}

static void product(const aci_product_job *job, int32_t first, int32_t last)
{
    if (job->activations->n_rows <= ACI_SMALL_ROWS)
        small_product(job, first, last);
    else
        large_product(job, first, last);
}

const aci_product_functions aci_kernels_products_avx512 = {
    arranged_bytes, panel_bytes, arrange, product
};
