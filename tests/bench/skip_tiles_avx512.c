/* skip_tiles_avx512.c - see skip_tiles.h: int4, 8-bit activations, one token.
 * A block is two tiles of matrix.h: eight lines each, one per row pair, whose
 * lanes are rows g, g, g + 8, g + 8 four times over. */
#include <immintrin.h>

#include "skip_tiles.h"

static inline __m512i dot(__m512i sum, __m512i weights, __m512i x)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(weights), "v"(x));
    return sum;
}

/* Eight float sums of row pairs to 16 rows. */
static void store(float *out, const __m512 sum[8])
{
    int g, i;

    for (g = 0; g < 8; g++) {
        float lane[16], low = 0.0f, high = 0.0f;

        _mm512_storeu_ps(lane, sum[g]);
        for (i = 0; i < 16; i++)
            *(i & 2 ? &high : &low) += lane[i];
        out[g] = low;
        out[g + 8] = high;
    }
}

int skip_tiles_possible(void)
{
    return __builtin_cpu_supports("avx512vnni") != 0;
}

void skip_tiles_multiply(float *out, const skip_matrix *m, const int8_t *x)
{
    const __m512i nibble = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8);
    const uint8_t *at = m->nibbles;
    const float *scale = m->scales;
    int32_t strip, i, t, g;

    for (strip = 0; strip < m->n_strips; strip++) {
        __m512 sum[8];

        for (g = 0; g < 8; g++)
            sum[g] = _mm512_setzero_ps();
        for (i = m->first[strip]; i < m->first[strip + 1]; i++) {
            const int8_t *in = x + m->block[i] * 256;
            __m512i pair[8], zero = _mm512_setzero_si512();

            for (g = 0; g < 8; g++)
                pair[g] = _mm512_setzero_si512();
            for (t = 0; t < 2; t++, at += 512, in += 128) {
                __m512i x0 = _mm512_loadu_si512(in);
                __m512i x1 = _mm512_loadu_si512(in + 64);

                zero = dot(dot(zero, eight, x0), eight, x1);
#pragma GCC unroll 8
                for (g = 0; g < 8; g++) {
                    __m512i v = _mm512_loadu_si512(at + 64 * g);

                    _mm_prefetch((const char *)at + 64 * g + 4096,
                                 _MM_HINT_T0);
                    pair[g] = dot(
                        dot(pair[g], _mm512_and_si512(v, nibble), x0),
                        _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble), x1);
                }
            }
#pragma GCC unroll 8
            for (g = 0; g < 8; g++)
                sum[g] = _mm512_fmadd_ps(
                    _mm512_cvtepi32_ps(_mm512_sub_epi32(pair[g], zero)),
                    _mm512_set1_ps(scale[i]), sum[g]);
        }
        store(out + 16 * strip, sum);
    }
}
