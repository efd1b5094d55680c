/* vendor_sparse.c - see vendor_sparse.h. Its types are written out here, so
 * that this needs no header of CUDA's to compile. */
#include "vendor_sparse.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OP_N = 0, R_32F = 0, R_16F = 2, INDEX_32 = 2, BASE_0 = 0, BY_COLUMN = 1,
    BLOCKED_ELL = 13, BLOCK = 16
};

typedef int handle_call(void **handle);
typedef int done_call(void *what);
typedef int version_call(void *handle, int *version);
typedef int stream_call(void *handle, void *stream);
typedef int ell_call(void **out, int64_t rows, int64_t columns, int64_t block,
                     int64_t kept, void *numbers, void *values, int index_type,
                     int base, int value_type);
typedef int dense_call(void **out, int64_t rows, int64_t columns, int64_t ld,
                       void *values, int value_type, int order);
typedef int bytes_call(void *handle, int op_a, int op_b, const void *alpha,
                       void *a, void *b, const void *beta, void *c,
                       int compute, int algorithm, size_t *bytes);
typedef int product_call(void *handle, int op_a, int op_b, const void *alpha,
                         void *a, void *b, const void *beta, void *c,
                         int compute, int algorithm, void *scratch);

struct vendor_sparse {
    void *library, *handle;
    handle_call *create;
    version_call *get_version;
    stream_call *set_stream;
    done_call *destroy, *free_matrix, *free_dense;
    ell_call *make_matrix;
    dense_call *make_dense;
    bytes_call *ask_bytes;
    product_call *product;
    int version;
};

struct vendor_sparse_product { void *matrix, *x, *out; };

static const float one = 1.0f, zero = 0.0f;

/* Where `path` says, libnvJitLink of its folder before it. */
static void *open_path(const char *path)
{
    static const char *const links[] = { "libnvJitLink.so.13",
                                         "libnvJitLink.so.12" };
    const char *name = strrchr(path, '/');
    int folder = name != NULL ? (int)(name - path + 1) : 0;
    char link[1024];
    void *found = NULL;
    size_t i;

    for (i = 0; i < 2 && found == NULL; i++) {
        snprintf(link, sizeof link, "%.*s%s", folder, path, links[i]);
        found = dlopen(link, RTLD_LAZY | RTLD_GLOBAL);
    }
    return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

static void *open_library(void)
{
    const char *own = getenv("AC_CUSPARSE");
    void *found;

    if (own != NULL)
        return open_path(own);
    found = open_path("libcusparse.so.12");
    return found != NULL ? found : open_path("libcusparse.so.11");
}

/* The name of a function that is not there, or NULL. */
static const char *find_functions(vendor_sparse *v)
{
    const struct { const char *name; void *at; } all[] = {
        { "cusparseCreate", &v->create },
        { "cusparseDestroy", &v->destroy },
        { "cusparseGetVersion", &v->get_version },
        { "cusparseSetStream", &v->set_stream },
        { "cusparseCreateBlockedEll", &v->make_matrix },
        { "cusparseDestroySpMat", &v->free_matrix },
        { "cusparseCreateDnMat", &v->make_dense },
        { "cusparseDestroyDnMat", &v->free_dense },
        { "cusparseSpMM_bufferSize", &v->ask_bytes },
        { "cusparseSpMM", &v->product } };
    size_t i;

    for (i = 0; i < sizeof all / sizeof *all; i++) {
        void *found = dlsym(v->library, all[i].name);

        if (found == NULL)
            return all[i].name;
        memcpy(all[i].at, &found, sizeof found);
    }
    return NULL;
}

/* 0, or -1 with the reason. */
static int start(vendor_sparse *v, char *why, size_t why_bytes)
{
    const char *said, *lacks;
    int major;

    v->library = open_library();
    if (v->library == NULL) {
        said = dlerror();
        snprintf(why, why_bytes, "%s", said ? said : "no libcusparse");
        return -1;
    }
    lacks = find_functions(v);
    if (lacks != NULL) {
        snprintf(why, why_bytes, "libcusparse lacks %s", lacks);
        return -1;
    }
    if (v->create(&v->handle) != 0 ||
        v->get_version(v->handle, &v->version) != 0) {
        snprintf(why, why_bytes, "libcusparse did not start");
        return -1;
    }
    major = v->version / 1000;
    if (major != 11 && major != 12) {
        snprintf(why, why_bytes, "libcusparse is of major %d, not 11 or 12",
                 major);
        return -1;
    }
    return 0;
}

vendor_sparse *vendor_sparse_open(char *why, size_t why_bytes)
{
    vendor_sparse *v = calloc(1, sizeof *v);

    if (v != NULL && start(v, why, why_bytes) != 0) {
        vendor_sparse_close(v);
        v = NULL;
    }
    return v;
}

void vendor_sparse_close(vendor_sparse *vendor)
{
    if (vendor == NULL)
        return;
    if (vendor->handle != NULL)
        vendor->destroy(vendor->handle);
    if (vendor->library != NULL)
        dlclose(vendor->library);
    free(vendor);
}

int vendor_sparse_version(const vendor_sparse *vendor)
{
    return vendor->version;
}

/* Columns are tokens: w [n_out, n_in] times x' [n_in, n_rows]. */
vendor_sparse_product *
vendor_sparse_make(vendor_sparse *v, uint16_t *out, uint16_t *x,
                   const int32_t *columns, const uint16_t *values, int n_rows,
                   int n_out, int n_in, int n_kept, size_t *scratch_bytes)
{
    vendor_sparse_product *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    if (v->make_matrix(&p->matrix, n_out, n_in, BLOCK, n_kept,
                       (void *)(uintptr_t)columns, (void *)(uintptr_t)values,
                       INDEX_32, BASE_0, R_16F) == 0 &&
        v->make_dense(&p->x, n_in, n_rows, n_in, x, R_16F, BY_COLUMN) == 0 &&
        v->make_dense(&p->out, n_out, n_rows, n_out, out, R_16F,
                      BY_COLUMN) == 0 &&
        v->ask_bytes(v->handle, OP_N, OP_N, &one, p->matrix, p->x, &zero,
                     p->out, R_32F, BLOCKED_ELL, scratch_bytes) == 0)
        return p;
    vendor_sparse_free(v, p);
    return NULL;
}

void vendor_sparse_free(vendor_sparse *v, vendor_sparse_product *p)
{
    if (p == NULL)
        return;
    if (p->matrix != NULL)
        v->free_matrix(p->matrix);
    if (p->x != NULL)
        v->free_dense(p->x);
    if (p->out != NULL)
        v->free_dense(p->out);
    free(p);
}

int vendor_sparse_run(vendor_sparse *v, const vendor_sparse_product *p,
                      void *scratch, void *stream)
{
    if (v->set_stream(v->handle, stream) != 0)
        return -1;
    return v->product(v->handle, OP_N, OP_N, &one, p->matrix, p->x, &zero,
                      p->out, R_32F, BLOCKED_ELL, scratch);
}
