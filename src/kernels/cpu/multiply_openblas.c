/* multiply_openblas.c - dense float32 products by OpenBLAS, where the system
 * has it. The usual soname is one whose integers are 32 bits wide. */
#include "kernels/cpu/multiply_table.h"

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 }; /* of cblas.h */

int aci_kernels_openblas_open(aci_openblas *blas)
{
    aci_library *library = aci_platform_library_open("libopenblas.so.0");

    if (library == NULL)
        return 0;
    if (aci_platform_library_find(&blas->sgemm, library, "cblas_sgemm") &&
        aci_platform_library_find(&blas->threads, library,
                                  "openblas_get_num_threads") &&
        aci_platform_library_find(&blas->set_threads, library,
                                  "openblas_set_num_threads")) {
        blas->library = library;
        return 1;
    }
    aci_platform_library_close(library);
    return 0;
}

void aci_kernels_openblas_close(aci_openblas *blas)
{
    aci_platform_library_close(blas->library);
    blas->library = NULL;
}

void aci_kernels_openblas_begin(aci_openblas *blas)
{
    blas->n_threads = blas->threads();
    if (blas->n_threads != 1)
        blas->set_threads(1);
}

void aci_kernels_openblas_end(aci_openblas *blas)
{
    if (blas->n_threads != 1)
        blas->set_threads(blas->n_threads);
}

void aci_kernels_openblas_multiply(const aci_openblas *blas,
                                   const aci_multiply *p)
{
    blas->sgemm(ROW_MAJOR, p->a_transposed ? TRANSPOSED : PLAIN,
                p->b_transposed ? TRANSPOSED : PLAIN, (int)p->m, (int)p->n,
                (int)p->k, 1.0f, p->a, (int)p->a_stride, p->b,
                (int)p->b_stride, p->accumulate ? 1.0f : 0.0f, p->c,
                (int)p->c_stride);
}
