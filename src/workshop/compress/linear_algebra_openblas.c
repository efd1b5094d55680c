/* linear_algebra_openblas.c - the same by BLAS and LAPACK of OpenBLAS.
 *
 * LAPACK is column-major: to it our lower triangle is an upper one, L is U',
 * and its column i, an eigenvector, is our row i. Its integers are 32 bits wide
 * behind this soname, which bounds n (linear_algebra.c checks it). */
#include "workshop/compress/linear_algebra_table.h"

/* of cblas.h */
enum {
    ROW_MAJOR = 101,
    PLAIN = 111,
    TRANSPOSED = 112,
    LOWER = 122,
    NON_UNIT = 131,
    LEFT = 141,
    RIGHT = 142
};

int aci_workshop_lapack_open(aci_lapack *lapack)
{
    aci_library *library = aci_platform_library_open("libopenblas.so.0");

    if (library == NULL)
        return 0;
    if (aci_platform_library_find(&lapack->threads, library,
                                  "openblas_get_num_threads") &&
        aci_platform_library_find(&lapack->set_threads, library,
                                  "openblas_set_num_threads") &&
        aci_platform_library_find(&lapack->dgemm, library, "cblas_dgemm") &&
        aci_platform_library_find(&lapack->dtrsm, library, "cblas_dtrsm") &&
        aci_platform_library_find(&lapack->dpotrf, library, "dpotrf_") &&
        aci_platform_library_find(&lapack->dtrtri, library, "dtrtri_") &&
        aci_platform_library_find(&lapack->dsyevd, library, "dsyevd_")) {
        lapack->library = library;
        return 1;
    }
    aci_platform_library_close(library);
    return 0;
}

void aci_workshop_lapack_close(aci_lapack *lapack)
{
    aci_platform_library_close(lapack->library);
    lapack->library = NULL;
}

void aci_workshop_lapack_begin(aci_lapack *lapack)
{
    if (lapack->library == NULL)
        return;
    lapack->n_threads = lapack->threads();
    if (lapack->n_threads != 1)
        lapack->set_threads(1);
}

void aci_workshop_lapack_end(aci_lapack *lapack)
{
    if (lapack->library != NULL && lapack->n_threads != 1)
        lapack->set_threads(lapack->n_threads);
}

static void product(const aci_lapack *lapack, const aci_dense_product *p)
{
    lapack->dgemm(ROW_MAJOR, p->a_transposed ? TRANSPOSED : PLAIN,
                  p->b_transposed ? TRANSPOSED : PLAIN, (int)p->m, (int)p->n,
                  (int)p->k, p->alpha, p->a, (int)p->a_stride, p->b,
                  (int)p->b_stride, p->beta, p->c, (int)p->c_stride);
}

static int64_t cholesky(const aci_lapack *lapack, double *a, int64_t n)
{
    int size = (int)n, info = 0;

    lapack->dpotrf("U", &size, a, &size, &info, 1);
    return info > 0 ? info - 1 : -1;
}

static void invert_lower(const aci_lapack *lapack, double *l, int64_t n)
{
    int size = (int)n, info = 0;

    lapack->dtrtri("U", "N", &size, l, &size, &info, 1, 1);
}

static void solve(const aci_lapack *lapack, const aci_solve *s,
                  int32_t transposed)
{
    /* a row solves from the other side: L x = b is x' L' = b' */
    int turned = s->by_rows ? !transposed : transposed;

    lapack->dtrsm(ROW_MAJOR, s->by_rows ? RIGHT : LEFT, LOWER,
                  turned ? TRANSPOSED : PLAIN, NON_UNIT,
                  (int)(s->by_rows ? s->n_right : s->n),
                  (int)(s->by_rows ? s->n : s->n_right), 1.0, s->l,
                  (int)s->l_stride, s->x, (int)s->x_stride);
}

/* 1 + 6 n + 2 n^2 numbers, then 3 + 5 n integers. */
static size_t eigen_work(int64_t n)
{
    size_t size = (size_t)n;

    return 1 + 6 * size + 2 * size * size + (3 + 5 * size + 1) / 2;
}

static int eigen(const aci_lapack *lapack, double *values, double *a,
                 double *work, int64_t n)
{
    int size = (int)n, info = 0;
    int n_work = 1 + 6 * size + 2 * size * size, n_integers = 3 + 5 * size;

    lapack->dsyevd("V", "U", &size, a, &size, values, work, &n_work,
                   (int *)(void *)(work + n_work), &n_integers, &info, 1, 1);
    return info == 0;
}

const aci_algebra_level aci_workshop_algebra_openblas = {
    "openblas", product, cholesky, invert_lower, solve, eigen_work, eigen
};
