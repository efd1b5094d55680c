/* multiply_table.h - what a level of dense float32 products fills in.
 *
 * multiply.c cuts c into tiles and packs what they need; a kernel multiplies
 * one panel of each:
 *     a  [k, rows]      `rows` rows of op(a), side by side
 *     b  [k, columns]   `columns` columns of op(b)
 * in words of 32 bits: a float, or two steps of k in bfloat16, half as many.
 * Missing rows and columns are zeros in the panels and are not stored. */
#ifndef ACI_KERNELS_CPU_MULTIPLY_TABLE_H
#define ACI_KERNELS_CPU_MULTIPLY_TABLE_H

#include "kernels/multiply.h"
#include "platform/library.h"

enum {
    ACI_PANEL_SLACK = 16 /* floats behind a panel that packing may write */
};

/* The part of c that one kernel call makes: n_rows <= rows and so on. */
typedef struct aci_multiply_patch {
    float *c;
    int64_t stride;
    int32_t n_rows, n_columns;
    int32_t accumulate;
} aci_multiply_patch;

typedef struct aci_multiply_kernel {
    const char *name;
    int32_t rows, columns;
    int32_t depth; /* steps of k in a word of a panel: 1, or 2 bfloat16 */
    void (*multiply)(const aci_multiply_patch *patch, const float *a,
                     const float *b, int64_t n_words);
    /* Panels: out [ceil(n / width), ceil(k / depth), width] from x [k, n];
     * what the last lacks becomes zero. `width` is `rows` or `columns`. */
    void (*pack_rows)(float *out, const float *x, int64_t stride,
                      int32_t width, int64_t n, int64_t k);
    /* The same from x [n, k]. */
    void (*pack_columns)(float *out, const float *x, int64_t stride,
                         int32_t width, int64_t n, int64_t k);
} aci_multiply_kernel;

extern const aci_multiply_kernel aci_kernels_multiply_avx512bf16;
extern const aci_multiply_kernel aci_kernels_multiply_avx512;
extern const aci_multiply_kernel aci_kernels_multiply_avx2;
extern const aci_multiply_kernel aci_kernels_multiply_portable;

/* OpenBLAS, opened at run time. A call runs on the caller's thread alone,
 * between begin and end, which hold the library's threads back. */
typedef struct aci_openblas {
    aci_library *library; /* NULL: not open */
    void (*sgemm)(int order, int transpose_a, int transpose_b, int m, int n,
                  int k, float alpha, const float *a, int a_stride,
                  const float *b, int b_stride, float beta, float *c,
                  int c_stride);
    int (*threads)(void);
    void (*set_threads)(int n);
    int n_threads;        /* to be restored */
} aci_openblas;

int aci_kernels_openblas_open(aci_openblas *blas); /* 0: there is none */
void aci_kernels_openblas_close(aci_openblas *blas);
void aci_kernels_openblas_begin(aci_openblas *blas);
void aci_kernels_openblas_multiply(const aci_openblas *blas,
                                   const aci_multiply *product);
void aci_kernels_openblas_end(aci_openblas *blas);

/* Plain packing, for levels without their own. */
void aci_kernels_pack_rows(float *out, const float *x, int64_t stride,
                           int32_t width, int64_t n, int64_t k);
void aci_kernels_pack_columns(float *out, const float *x, int64_t stride,
                              int32_t width, int64_t n, int64_t k);

#endif
