/* multiply_avx2.c - dense float32 products in 256-bit registers: 6 rows by 16
 * columns, 12 of the 16 registers hold sums. */
#include <immintrin.h>

#include "kernels/cpu/multiply_table.h"

typedef float vec __attribute__((vector_size(32)));

#define LANES 8
#define ROWS 6
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define SPREAD(x) (vec)_mm256_set1_ps(x)
#define FMA(x, y, z) \
    (vec)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(z))

#include "kernels/cpu/multiply_body.h"

const aci_multiply_kernel aci_kernels_multiply_avx2 = {
    "avx2", ROWS, 2 * LANES, 1, multiply, aci_kernels_pack_rows,
    aci_kernels_pack_columns
};
