/* vendor_products.c - see vendor_products.h. Its types are written out here, so
 * that this needs no header of CUDA's to compile. */
#include "vendor_products.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { OP_N = 0, OP_T = 1, R_16BF = 14, COMPUTE_32F = 68, ALGO = -1 };

typedef int create_call(void **handle);
typedef int stream_call(void *handle, void *stream);
typedef int version_call(void *handle, int *version);
typedef int product_call(void *handle, int op_a, int op_b, int m, int n, int k,
                         const void *alpha, const void *a, int a_type, int lda,
                         const void *b, int b_type, int ldb, const void *beta,
                         void *c, int c_type, int ldc, int compute, int algo);

struct vendor_products {
    void *library, *handle;
    int (*destroy)(void *handle);
    stream_call *set_stream;
    product_call *product;
    int version;
};

static void *open_library(void)
{
    static const char *const names[] = { "libcublas.so.13", "libcublas.so.12",
                                         "libcublas.so.11" };
    const char *own = getenv("AC_CUBLAS");
    void *found = NULL;
    size_t i;

    if (own != NULL)
        return dlopen(own, RTLD_LAZY | RTLD_LOCAL);
    for (i = 0; i < 3 && found == NULL; i++)
        found = dlopen(names[i], RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
    for (i = 0; i < 3 && found == NULL; i++)
        found = dlopen(names[i], RTLD_LAZY | RTLD_LOCAL);
    return found;
}

/* 12.6.3 is 120603; some of 11 were 11603. */
static int major_of(int version)
{
    return version >= 100000 ? version / 10000 : version / 1000;
}

vendor_products *vendor_products_open(char *why, size_t why_bytes)
{
    vendor_products *v = calloc(1, sizeof *v);
    create_call *create = NULL;
    version_call *version = NULL;

    if (v == NULL)
        return NULL;
    v->library = open_library();
    if (v->library == NULL) {
        const char *said = dlerror();

        snprintf(why, why_bytes, "%s", said ? said : "no libcublas");
        vendor_products_close(v);
        return NULL;
    }
    create = (create_call *)dlsym(v->library, "cublasCreate_v2");
    version = (version_call *)dlsym(v->library, "cublasGetVersion_v2");
    v->destroy = (int (*)(void *))dlsym(v->library, "cublasDestroy_v2");
    v->set_stream = (stream_call *)dlsym(v->library, "cublasSetStream_v2");
    v->product = (product_call *)dlsym(v->library, "cublasGemmEx");
    if (!create || !version || !v->destroy || !v->set_stream || !v->product)
        snprintf(why, why_bytes, "libcublas lacks a function");
    else if (create(&v->handle) != 0 || version(v->handle, &v->version) != 0)
        snprintf(why, why_bytes, "libcublas did not start");
    else if (major_of(v->version) < 11 || major_of(v->version) > 13)
        snprintf(why, why_bytes, "libcublas is of major %d, not 11 to 13",
                 major_of(v->version));
    else
        return v;
    vendor_products_close(v);
    return NULL;
}

void vendor_products_close(vendor_products *vendor)
{
    if (vendor == NULL)
        return;
    if (vendor->handle != NULL)
        vendor->destroy(vendor->handle);
    if (vendor->library != NULL)
        dlclose(vendor->library);
    free(vendor);
}

int vendor_products_version(const vendor_products *vendor)
{
    return vendor->version;
}

/* Column by column, as Fortran has it: out' = w x'. */
int vendor_products_run(vendor_products *v, void *stream, uint16_t *out,
                        const uint16_t *x, const uint16_t *w, int n_rows,
                        int n_out, int n_in)
{
    float one = 1.0f, zero = 0.0f;

    if (v->set_stream(v->handle, stream) != 0)
        return -1;
    return v->product(v->handle, OP_T, OP_N, n_out, n_rows, n_in, &one, w,
                      R_16BF, n_in, x, R_16BF, n_in, &zero, out, R_16BF,
                      n_out, COMPUTE_32F, ALGO);
}
