/* feedback_lanes_body.h - included by each level, which says what its registers
 * hold: WIDTH numbers, AT_ONCE sums of sixteen. A sum goes along j whatever
 * they are. */
#include "workshop/compress/feedback_lanes.h"

enum { PARTS = ACI_FEEDBACK_ROWS / WIDTH };

typedef float lanes __attribute__((vector_size(4 * WIDTH)));

/* `n` sums; inlined with n known. */
static inline __attribute__((always_inline)) void
gather_some(lanes *y, const lanes *errors, const float *matrix, size_t stride,
            int n, int32_t first, int32_t last)
{
    lanes sum[AT_ONCE * PARTS];

#pragma GCC unroll 8
    for (int i = 0; i < n * PARTS; i++)
        sum[i] = y[i];
    for (int32_t j = first; j < last; j++) {
        const lanes *e = errors + (size_t)j * PARTS;

#pragma GCC unroll 8
        for (int i = 0; i < n; i++) {
            float by = matrix[(size_t)i * stride + (size_t)j];

#pragma GCC unroll 4
            for (int p = 0; p < PARTS; p++)
                sum[i * PARTS + p] += e[p] * by;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < n * PARTS; i++)
        y[i] = sum[i];
}

static void gather(float *y, const float *errors, const float *matrix,
                   size_t stride, int32_t n, int32_t first, int32_t last)
{
    lanes *out = (lanes *)(void *)y;
    const lanes *e = (const lanes *)(const void *)errors;
    int32_t i = 0;

    for (; i + AT_ONCE <= n; i += AT_ONCE)
        gather_some(out + i * PARTS, e, matrix + (size_t)i * stride, stride,
                    AT_ONCE, first, last);
    for (; i < n; i++)
        gather_some(out + i * PARTS, e, matrix + (size_t)i * stride, stride,
                    1, first, last);
}
