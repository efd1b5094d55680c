/* multiply_portable.c - dense float32 products for any processor, in the
 * compiler's own vectors: 4 rows by 8 columns. */
#include <string.h>

#include "kernels/cpu/multiply_table.h"

typedef float vec __attribute__((vector_size(16)));

#define LANES 4
#define ROWS 4
#define EACH_ROW(X) X(0) X(1) X(2) X(3)
#define SPREAD(x) (vec){ x, x, x, x }
#define FMA(x, y, z) ((x) * (y) + (z))

#include "kernels/cpu/multiply_body.h"

void aci_kernels_pack_rows(float *out, const float *x, int64_t stride,
                           int32_t width, int64_t n, int64_t k)
{
    int64_t at, i;

    for (at = 0; at < n; at += width)
        for (i = 0; i < k; i++, out += width) {
            int64_t part = n - at < width ? n - at : width;

            memcpy(out, x + i * stride + at, (size_t)part * sizeof *x);
            memset(out + part, 0, (size_t)(width - part) * sizeof *x);
        }
}

void aci_kernels_pack_columns(float *out, const float *x, int64_t stride,
                              int32_t width, int64_t n, int64_t k)
{
    int64_t at, i, j;

    for (at = 0; at < n; at += width)
        for (i = 0; i < k; i++, out += width)
            for (j = 0; j < width; j++)
                out[j] = at + j < n ? x[(at + j) * stride + i] : 0.0f;
}

const aci_multiply_kernel aci_kernels_multiply_portable = {
    "portable", ROWS, 2 * LANES, 1, multiply, aci_kernels_pack_rows,
    aci_kernels_pack_columns
};
