/* roofs_avx512.c - vpdpbusd at full rate, and linear reading: many independent
 * sums, in registers by name so that none can end up in memory. */
#include <immintrin.h>

#include "roofs.h"

#define SIXTEEN(DO)                                                           \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)                           \
    DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

void roof_multiply_loop(int64_t n_rounds)
{
    __m512i x = _mm512_set1_epi8(3), total = x;
    volatile int32_t keep;
    int64_t round;

#define MAKE(i) __m512i sum##i = _mm512_set1_epi32(i);
#define STEP(i)                                                               \
    __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(sum##i) : "v"(x));
#define ADD(i) total = _mm512_add_epi32(total, sum##i);
    SIXTEEN(MAKE)
    for (round = 0; round < n_rounds; round++) {
        SIXTEEN(STEP)
    }
    SIXTEEN(ADD)
    keep = _mm512_reduce_add_epi32(total);
    (void)keep;
}

uint64_t roof_read_loop(const uint8_t *at, const uint8_t *end)
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;

    for (; at < end; at += 256) {
        _mm_prefetch((const char *)at + 4096, _MM_HINT_T0);
        _mm_prefetch((const char *)at + 4160, _MM_HINT_T0);
        _mm_prefetch((const char *)at + 4224, _MM_HINT_T0);
        _mm_prefetch((const char *)at + 4288, _MM_HINT_T0);
        a = _mm512_xor_si512(a, _mm512_loadu_si512(at));
        b = _mm512_xor_si512(b, _mm512_loadu_si512(at + 64));
        c = _mm512_xor_si512(c, _mm512_loadu_si512(at + 128));
        d = _mm512_xor_si512(d, _mm512_loadu_si512(at + 192));
    }
    a = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
    return (uint64_t)_mm512_reduce_add_epi64(a);
}
