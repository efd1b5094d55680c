/* roofs_avx512.c - vpdpbusd at full rate: sixteen independent sums. */
#include <immintrin.h>

#include "roofs.h"

void roof_multiply_loop(int64_t n_rounds)
{
    __m512i sum[16], x = _mm512_set1_epi8(3);
    volatile int32_t keep;
    int64_t round;
    int i;

    for (i = 0; i < 16; i++)
        sum[i] = _mm512_set1_epi32(i);
    for (round = 0; round < n_rounds; round++) {
#pragma GCC unroll 16
        for (i = 0; i < 16; i++)
            __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(sum[i]) : "v"(x));
    }
    for (i = 1; i < 16; i++)
        sum[0] = _mm512_add_epi32(sum[0], sum[i]);
    keep = _mm512_reduce_add_epi32(sum[0]);
    (void)keep;
}
