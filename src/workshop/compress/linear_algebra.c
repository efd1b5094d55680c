/* linear_algebra.c - checks, cuts into blocks, and hands them to a level. */
#include "workshop/compress/linear_algebra.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/linear_algebra_table.h"

enum {
    MOST = 32000,     /* n: 2 n^2 fits LAPACK's integers */
    BLOCK_ROWS = 128, /* of a product, one item of the pool */
    BLOCK_RIGHT = 64  /* right-hand sides likewise */
};

struct aci_algebra {
    aci_memory *memory;
    aci_pool *pool; /* NULL: the caller's thread */
    const aci_algebra_level *level;
    aci_lapack lapack;
};

ac_status aci_workshop_algebra_create(aci_algebra **out, aci_memory *memory,
                                      aci_pool *pool, const char *level,
                                      ac_error *error)
{
    aci_algebra *algebra = aci_platform_alloc_zeroed(memory, 1,
                                                     sizeof *algebra);

    *out = NULL;
    if (algebra == NULL)
        return aci_platform_fail_memory(error, "linear algebra");
    algebra->memory = memory;
    algebra->pool = pool;
    if ((level == NULL || strcmp(level, "openblas") == 0) &&
        aci_workshop_lapack_open(&algebra->lapack))
        algebra->level = &aci_workshop_algebra_openblas;
    else if (level == NULL || strcmp(level, "plain") == 0)
        algebra->level = &aci_workshop_algebra_plain;
    if (algebra->level == NULL) {
        aci_platform_free(memory, algebra);
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "there is no linear algebra \"%s\" here",
                                 level);
    }
    *out = algebra;
    return AC_OK;
}

void aci_workshop_algebra_free(aci_algebra *algebra)
{
    if (algebra == NULL)
        return;
    aci_workshop_lapack_close(&algebra->lapack);
    aci_platform_free(algebra->memory, algebra);
}

const char *aci_workshop_algebra_level(const aci_algebra *algebra)
{
    return algebra->level->name;
}

aci_memory *aci_workshop_algebra_memory(const aci_algebra *algebra)
{
    return algebra->memory;
}

/* Rows [rows, columns] finite? `lower`: up to the diagonal. x - x is 0 for
 * finite x alone, and adding zeros keeps it one loop without branches. */
static int all_finite(const double *a, int64_t rows, int64_t columns,
                      int64_t stride, int lower)
{
    int64_t i, j;

    for (i = 0; i < rows; i++) {
        const double *row = a + i * stride;
        int64_t n = lower && i + 1 < columns ? i + 1 : columns;
        double sum = 0.0;

        for (j = 0; j < n; j++)
            sum += row[j] - row[j];
        if (sum != 0.0 || isnan(sum))
            return 0;
    }
    return 1;
}

static ac_status check_size(int64_t n, ac_error *error)
{
    if (n < 0 || n > MOST)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%lld is no size of a matrix (0 to %d)",
                                 (long long)n, MOST);
    return AC_OK;
}

static ac_status not_finite(const char *what, ac_error *error)
{
    return aci_platform_fail(error, AC_E_NUMERIC,
                             "%s held NaN or an infinity", what);
}

/* ---- what falls apart into blocks -----------------------------------------*/

static void run_blocks(aci_algebra *algebra, aci_pool_task task,
                       void *argument, int64_t n_blocks)
{
    aci_workshop_lapack_begin(&algebra->lapack);
    if (algebra->pool != NULL)
        aci_platform_pool_run(algebra->pool, task, argument, n_blocks, 1);
    else
        task(argument, 0, n_blocks, 0);
    aci_workshop_lapack_end(&algebra->lapack);
}

static int64_t blocks(int64_t n, int64_t block)
{
    return (n + block - 1) / block;
}

/* The part of n that block `i` has. */
static int64_t part(int64_t n, int64_t block, int64_t i)
{
    return n - i * block < block ? n - i * block : block;
}

typedef struct block_call {
    const aci_algebra *algebra;
    const aci_dense_product *product;
    const aci_solve *solve;
    int32_t transposed;
} block_call;

static void product_block(void *argument, int64_t first, int64_t last,
                          int32_t thread)
{
    const block_call *call = argument;
    int64_t i;

    (void)thread;
    for (i = first; i < last; i++) {
        aci_dense_product p = *call->product;
        int64_t row = i * BLOCK_ROWS;

        p.c += row * p.c_stride;
        p.a += p.a_transposed ? row : row * p.a_stride;
        p.m = part(p.m, BLOCK_ROWS, i);
        if (p.c_symmetric)
            p.n = row + p.m;
        if (p.a_upper) {
            p.a += p.a_transposed ? row * p.a_stride : row;
            p.b += p.b_transposed ? row : row * p.b_stride;
            p.k -= row;
        }
        call->algebra->level->product(&call->algebra->lapack, &p);
    }
}

/* Below the diagonal to above it, in tiles that stay in the cache. */
static void mirror(double *c, int64_t n, int64_t stride)
{
    enum { TILE = 32 };
    int64_t top, left, i, j;

    for (top = 0; top < n; top += TILE)
        for (left = 0; left <= top; left += TILE)
            for (i = top; i < n && i < top + TILE; i++)
                for (j = left; j < i && j < left + TILE; j++)
                    c[j * stride + i] = c[i * stride + j];
}

ac_status aci_workshop_product(aci_algebra *algebra, const aci_dense_product *p,
                               ac_error *error)
{
    block_call call = { algebra, p, NULL, 0 };

    if (p->m < 0 || p->n < 0 || p->k < 0 || p->m > INT32_MAX ||
        p->n > INT32_MAX || p->k > INT32_MAX || p->c_stride > INT32_MAX ||
        p->a_stride > INT32_MAX || p->b_stride > INT32_MAX ||
        p->c_stride < p->n || p->a_stride < (p->a_transposed ? p->m : p->k) ||
        p->b_stride < (p->b_transposed ? p->k : p->n) ||
        (p->c_symmetric && p->m != p->n) || (p->a_upper && p->m > p->k))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a product has impossible sizes");
    if (p->m == 0 || p->n == 0)
        return AC_OK;
    if (!all_finite(p->a, p->a_transposed ? p->k : p->m,
                    p->a_transposed ? p->m : p->k, p->a_stride, 0) ||
        !all_finite(p->b, p->b_transposed ? p->n : p->k,
                    p->b_transposed ? p->k : p->n, p->b_stride, 0) ||
        (p->beta != 0.0 && !all_finite(p->c, p->m, p->n, p->c_stride, 0)))
        return not_finite("a factor", error);
    if (p->k == 0) { /* strides of 0 are none to BLAS */
        int64_t i, j;

        for (i = 0; i < p->m; i++)
            for (j = 0; j < p->n; j++) {
                double *c = p->c + i * p->c_stride + j;

                *c = p->beta == 0.0 ? 0.0 : p->beta * *c;
            }
        return AC_OK;
    }
    run_blocks(algebra, product_block, &call, blocks(p->m, BLOCK_ROWS));
    if (p->c_symmetric)
        mirror(p->c, p->n, p->c_stride);
    return AC_OK;
}

static void solve_block(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    const block_call *call = argument;
    int64_t i;

    (void)thread;
    for (i = first; i < last; i++) {
        aci_solve s = *call->solve;

        s.x += i * BLOCK_RIGHT * (s.by_rows ? s.x_stride : 1);
        s.n_right = part(s.n_right, BLOCK_RIGHT, i);
        call->algebra->level->solve(&call->algebra->lapack, &s,
                                    call->transposed);
    }
}

ac_status aci_workshop_triangular_solve(aci_algebra *algebra,
                                        const aci_solve *s, int32_t transposed,
                                        ac_error *error)
{
    block_call call = { algebra, NULL, s, transposed };
    ac_status status = check_size(s->n, error);
    int64_t i;

    if (status != AC_OK)
        return status;
    if (s->n_right < 0 || s->n_right > INT32_MAX || s->x_stride > INT32_MAX ||
        s->l_stride > INT32_MAX || s->l_stride < s->n ||
        s->x_stride < (s->by_rows ? s->n : s->n_right))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a solve has impossible sizes");
    if (s->n == 0 || s->n_right == 0)
        return AC_OK;
    if (!all_finite(s->l, s->n, s->n, s->l_stride, 1) ||
        !all_finite(s->x, s->by_rows ? s->n_right : s->n,
                    s->by_rows ? s->n : s->n_right, s->x_stride, 0))
        return not_finite("a factor or right-hand side", error);
    for (i = 0; i < s->n; i++)
        if (s->l[i * s->l_stride + i] == 0.0)
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "the factor's row %lld has a zero pivot",
                                     (long long)i);
    run_blocks(algebra, solve_block, &call, blocks(s->n_right, BLOCK_RIGHT));
    return AC_OK;
}

ac_status aci_workshop_spd_solve(aci_algebra *algebra, const aci_solve *s,
                                 ac_error *error)
{
    ac_status status = aci_workshop_triangular_solve(algebra, s, 0, error);

    if (status == AC_OK)
        status = aci_workshop_triangular_solve(algebra, s, 1, error);
    return status;
}

/* ---- factors --------------------------------------------------------------*/

static void clear_above_diagonal(double *a, int64_t n)
{
    int64_t i;

    for (i = 0; i < n; i++)
        memset(a + i * n + i + 1, 0, (size_t)(n - i - 1) * sizeof *a);
}

static ac_status factor(aci_algebra *algebra, double *a, int64_t n,
                        int64_t *pivot, ac_error *error)
{
    ac_status status = check_size(n, error);
    int64_t failed = -1;

    *pivot = -1;
    if (status != AC_OK || n == 0)
        return status;
    if (!all_finite(a, n, n, n, 1))
        return not_finite("a matrix to be factored", error);
    aci_workshop_lapack_begin(&algebra->lapack);
    failed = algebra->level->cholesky(&algebra->lapack, a, n);
    aci_workshop_lapack_end(&algebra->lapack);
    *pivot = failed;
    return failed < 0 ? AC_OK : AC_E_NUMERIC;
}

/* Names the pivot, unless the message is there already. */
static ac_status not_definite(ac_status status, int64_t failed, int64_t n,
                              int64_t *pivot, ac_error *error)
{
    if (pivot != NULL)
        *pivot = failed;
    if (status == AC_E_NUMERIC && failed >= 0)
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "the matrix was not positive definite: pivot "
                                 "%lld of %lld", (long long)failed,
                                 (long long)n);
    return status;
}

ac_status aci_workshop_cholesky(aci_algebra *algebra, double *a, int64_t n,
                                int64_t *pivot, ac_error *error)
{
    int64_t failed;
    ac_status status = factor(algebra, a, n, &failed, error);

    if (status == AC_OK)
        clear_above_diagonal(a, n);
    return not_definite(status, failed, n, pivot, error);
}

/* a = inv(L)' inv(L), inv(L) as its own matrix: dpotri would do it in place,
 * but only OpenBLAS has that. */
static ac_status multiply_inverses(aci_algebra *algebra, double *a,
                                   const double *l, int64_t n, ac_error *error)
{
    aci_dense_product p = { a, l, l, n, n, n, n, n, n, 1, 0, 1.0, 0.0, 1, 1 };

    return aci_workshop_product(algebra, &p, error);
}

ac_status aci_workshop_spd_inverse(aci_algebra *algebra, double *a, int64_t n,
                                   int64_t *pivot, ac_error *error)
{
    int64_t failed = -1;
    double *l = NULL;
    ac_status status = check_size(n, error);

    if (status != AC_OK)
        return not_definite(status, -1, n, pivot, error);
    l = aci_platform_alloc_array(algebra->memory, (size_t)(n * n), sizeof *l);
    if (l == NULL)
        return not_definite(aci_platform_fail_memory(error, "an inverse"), -1,
                            n, pivot, error);
    status = factor(algebra, a, n, &failed, error);
    if (status != AC_OK)
        goto out;
    memcpy(l, a, (size_t)(n * n) * sizeof *l);
    aci_workshop_lapack_begin(&algebra->lapack);
    if (n > 0)
        algebra->level->invert_lower(&algebra->lapack, l, n);
    aci_workshop_lapack_end(&algebra->lapack);
    clear_above_diagonal(l, n);
    status = multiply_inverses(algebra, a, l, n, error);
out:
    aci_platform_free(algebra->memory, l);
    return not_definite(status, failed, n, pivot, error);
}

/* Last to first, rows and columns both; twice is as before. */
static void reverse(double *a, int64_t n)
{
    int64_t i, last = n * n - 1;

    for (i = 0; i < n * n / 2; i++) {
        double x = a[i];

        a[i] = a[last - i];
        a[last - i] = x;
    }
}

ac_status aci_workshop_inverse_factor(aci_algebra *algebra, double *a,
                                      int64_t n, int64_t *pivot,
                                      ac_error *error)
{
    int64_t failed = -1, i, j;
    ac_status status = check_size(n, error);

    if (status != AC_OK)
        return not_definite(status, -1, n, pivot, error);
    if (!all_finite(a, n, n, n, 1)) /* before it is turned around */
        return not_definite(not_finite("a matrix to be factored", error), -1,
                            n, pivot, error);
    for (i = 0; i < n; i++)
        for (j = 0; j < i; j++)
            a[j * n + i] = a[i * n + j];
    reverse(a, n);
    status = factor(algebra, a, n, &failed, error);
    if (status != AC_OK)
        return not_definite(status, failed < 0 ? -1 : n - 1 - failed, n,
                            pivot, error);
    aci_workshop_lapack_begin(&algebra->lapack);
    if (n > 0)
        algebra->level->invert_lower(&algebra->lapack, a, n);
    aci_workshop_lapack_end(&algebra->lapack);
    clear_above_diagonal(a, n);
    reverse(a, n);
    return not_definite(AC_OK, -1, n, pivot, error);
}

/* ---- eigenvectors ---------------------------------------------------------*/

static void settle_signs(double *a, int64_t n)
{
    int64_t i, j, largest;

    for (i = 0; i < n; i++) {
        double *v = a + i * n;

        for (largest = 0, j = 1; j < n; j++)
            if (fabs(v[j]) > fabs(v[largest]))
                largest = j;
        for (j = 0; j < n && v[largest] < 0.0; j++)
            if (j != largest)
                v[j] = -v[j];
        v[largest] = fabs(v[largest]);
    }
}

ac_status aci_workshop_symmetric_eigen(double *values, aci_algebra *algebra,
                                       double *a, int64_t n, ac_error *error)
{
    ac_status status = check_size(n, error);
    double *work;
    int good;

    if (status != AC_OK || n == 0)
        return status;
    if (!all_finite(a, n, n, n, 1))
        return not_finite("a matrix to be decomposed", error);
    work = aci_platform_alloc_array(algebra->memory,
                                    algebra->level->eigen_work(n),
                                    sizeof *work);
    if (work == NULL)
        return aci_platform_fail_memory(error, "eigenvectors");
    aci_workshop_lapack_begin(&algebra->lapack);
    good = algebra->level->eigen(&algebra->lapack, values, a, work, n);
    aci_workshop_lapack_end(&algebra->lapack);
    aci_platform_free(algebra->memory, work);
    if (!good)
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "eigenvectors did not converge");
    settle_signs(a, n);
    return AC_OK;
}
