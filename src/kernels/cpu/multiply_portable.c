/* multiply_portable.c - dense float32 products for any processor, in the
 * compiler's own vectors: 4 rows by 8 columns. */
#include <string.h>

#include "kernels/cpu/multiply_table.h"

typedef float vec __attribute__((vector_size(16)));

#define LANES 4
#define ROWS 4
#define EACH_ROW(X) X(0) X(1) X(2) X(3)
#define FMA(x, y, z) ((x) * (y) + (z))

#include "kernels/cpu/multiply_body.h"

void aci_kernels_pack_rows(float *out, const float *x, int64_t stride,
                           int32_t width, int32_t n, int64_t k)
{
    for (; k > 0; k--, x += stride, out += width) {
        memcpy(out, x, (size_t)n * sizeof *x);
        memset(out + n, 0, (size_t)(width - n) * sizeof *x);
    }
}

void aci_kernels_pack_columns(float *out, const float *x, int64_t stride,
                              int32_t width, int32_t n, int64_t k)
{
    int64_t i;
    int32_t j;

    for (i = 0; i < k; i++, out += width) {
        for (j = 0; j < n; j++)
            out[j] = x[j * stride + i];
        for (; j < width; j++)
            out[j] = 0.0f;
    }
}

const aci_multiply_kernel aci_kernels_multiply_portable = {
    "portable", ROWS, 2 * LANES, multiply, aci_kernels_pack_rows,
    aci_kernels_pack_columns
};
