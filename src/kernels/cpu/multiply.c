/* multiply.c - dense float32 products: cutting, packing, threads.
 *
 *     c is cut into tiles; where they are few and k is long, k is split too.
 *     One tile and split is an item of the pool:
 *
 *       for each block of k                     b block   -> packed, in L2
 *         for each group of rows of the tile    a group   -> packed
 *           for each panel of columns
 *             for each panel of rows            kernel: a patch of c
 *
 *     Splits but the first are summed beside, and then added in order.
 *
 * A group is one panel, which stays in L1, unless a is stored transposed: then
 * whole lines are worth more. Every item packs for itself: b is packed again
 * for most tiles of rows, a few percent, and nobody waits for anybody. The
 * cuts are a matter of shape alone: the number of threads changes no sum. */
#include <string.h>

#include "kernels/cpu/cpu_level.h"
#include "kernels/cpu/multiply_table.h"
#include "platform/error.h"

enum {
    TILE_ROWS = 480,       /* multiples of every kernel's rows, columns */
    TILE_COLUMNS = 512,
    ROW_UNIT = 12,
    COLUMN_UNIT = 32,
    BLOCK_DEPTH = 512,     /* of k, packed at a time */
    SPLIT_DEPTH = 1024,    /* k splits are not shorter */
    ENOUGH_ITEMS = 8,      /* below, k is split */
    GROUP_ROWS = 96,       /* of a transposed a, packed at a time */
    PARTIAL_FLOATS = 1 << 22
};

/* One thread's packing buffers. */
typedef struct packing {
    float *a; /* [panels, depth, rows] */
    float *b; /* [panels, depth, columns] */
    const float *packed; /* what b holds, in this call; NULL: nothing */
} packing;

struct aci_multiplier {
    aci_memory *memory;
    aci_pool *pool;
    const aci_multiply_kernel *kernel; /* NULL: OpenBLAS */
    aci_openblas blas;
    int32_t n_threads;
    packing *workers;                  /* [n_threads] */
    float *partial;                    /* [n_splits - 1, m, n] */
};

/* How a product is cut. */
typedef struct multiply_call {
    aci_multiplier *multiplier;
    const aci_multiply *product;
    int64_t rows, columns, depth;      /* of one item */
    int64_t n_down, n_across, n_splits;
} multiply_call;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ceil(n / parts), rounded up to whole units. */
static int64_t share_of(int64_t n, int64_t parts, int64_t unit)
{
    int64_t share = (n + parts - 1) / parts;

    return (share + unit - 1) / unit * unit;
}

static int64_t parts_of(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

/* ---- cutting ------------------------------------------------------------- */

static void cut(multiply_call *call)
{
    const aci_multiply *p = call->product;
    int64_t n_tiles, n_splits;

    /* Five tiles would keep one of two threads waiting for a fifth. */
    n_tiles = parts_of(p->m, TILE_ROWS);
    n_tiles += n_tiles > 1 ? n_tiles % 2 : 0;
    call->rows = share_of(p->m, n_tiles, ROW_UNIT);
    call->columns = share_of(p->n, parts_of(p->n, TILE_COLUMNS), COLUMN_UNIT);
    call->n_down = parts_of(p->m, call->rows);
    call->n_across = parts_of(p->n, call->columns);
    n_tiles = call->n_down * call->n_across;
    n_splits = smaller(ENOUGH_ITEMS / n_tiles, p->k / SPLIT_DEPTH);
    n_splits = smaller(n_splits, PARTIAL_FLOATS / (p->m * p->n) + 1);
    if (n_splits < 1)
        n_splits = 1;
    call->depth = share_of(p->k, n_splits, 1);
    call->n_splits = n_splits;
}

/* The product that item `item` is: a tile, and a part of k. */
static void take_item(aci_multiply *part, const multiply_call *call,
                      int64_t item)
{
    const aci_multiply *p = call->product;
    int64_t row = item % call->n_down * call->rows;
    int64_t column = item / call->n_down % call->n_across * call->columns;
    int64_t split = item / call->n_down / call->n_across;
    int64_t k = split * call->depth;

    *part = *p;
    part->m = smaller(call->rows, p->m - row);
    part->n = smaller(call->columns, p->n - column);
    part->k = smaller(call->depth, p->k - k);
    part->a += p->a_transposed ? k * p->a_stride + row : row * p->a_stride + k;
    part->b += p->b_transposed ? column * p->b_stride + k
                               : k * p->b_stride + column;
    if (split > 0) {
        part->c = call->multiplier->partial + (split - 1) * p->m * p->n;
        part->c_stride = p->n;
        part->accumulate = 0;
    }
    part->c += row * part->c_stride + column;
}

/* ---- multiplying one item ------------------------------------------------ */

/* Steps [from, from + depth) of k, of rows [row, row + n) of a. */
static void pack_a(const aci_multiply_kernel *kernel, float *out,
                   const aci_multiply *p, int64_t row, int64_t n,
                   int64_t from, int64_t depth)
{
    if (p->a_transposed)
        kernel->pack_rows(out, p->a + from * p->a_stride + row, p->a_stride,
                          kernel->rows, n, depth);
    else
        kernel->pack_columns(out, p->a + row * p->a_stride + from,
                             p->a_stride, kernel->rows, n, depth);
}

/* The same steps of all columns of b, unless the item before had them. */
static void pack_b(const aci_multiply_kernel *kernel, packing *to,
                   const aci_multiply *p, int64_t from, int64_t depth)
{
    const float *b = p->b + (p->b_transposed ? from : from * p->b_stride);

    if (to->packed == b)
        return;
    to->packed = b;
    if (p->b_transposed)
        kernel->pack_columns(to->b, b, p->b_stride, kernel->columns, p->n,
                             depth);
    else
        kernel->pack_rows(to->b, b, p->b_stride, kernel->columns, p->n,
                          depth);
}

static void multiply_block(const aci_multiply_kernel *kernel,
                           packing *packed, const aci_multiply *p,
                           int64_t from, int64_t depth)
{
    int32_t rows = kernel->rows, columns = kernel->columns;
    int64_t n_words = parts_of(depth, kernel->depth), row, n, i, j;

    pack_b(kernel, packed, p, from, depth);
    for (row = 0; row < p->m; row += n) {
        n = smaller(p->a_transposed ? GROUP_ROWS : rows, p->m - row);
        pack_a(kernel, packed->a, p, row, n, from, depth);
        for (j = 0; j < p->n; j += columns)
            for (i = 0; i < n; i += rows) {
                aci_multiply_patch patch = {
                    p->c + (row + i) * p->c_stride + j, p->c_stride,
                    (int32_t)smaller(rows, n - i),
                    (int32_t)smaller(columns, p->n - j),
                    from > 0 || p->accumulate
                };

                kernel->multiply(&patch, packed->a + i * n_words,
                                 packed->b + j * n_words, n_words);
            }
    }
}

static void multiply_items(void *argument, int64_t first, int64_t last,
                           int32_t thread)
{
    const multiply_call *call = argument;
    const aci_multiplier *multiplier = call->multiplier;
    aci_multiply part;
    int64_t from, depth;

    for (; first < last; first++) {
        take_item(&part, call, first);
        if (multiplier->kernel == NULL) {
            aci_kernels_openblas_multiply(&multiplier->blas, &part);
            continue;
        }
        depth = share_of(part.k, parts_of(part.k, BLOCK_DEPTH), 1);
        for (from = 0; from < part.k; from += depth)
            multiply_block(multiplier->kernel, &multiplier->workers[thread],
                           &part, from, smaller(depth, part.k - from));
    }
}

/* ---- the whole product --------------------------------------------------- */

/* Rows [first, last) of c: the partial sums are added, in order. */
static void add_partial(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    const multiply_call *call = argument;
    const aci_multiply *p = call->product;
    int64_t row, split, j;

    (void)thread;
    for (row = first; row < last; row++)
        for (split = 1; split < call->n_splits; split++) {
            const float *x = call->multiplier->partial +
                             ((split - 1) * p->m + row) * p->n;
            float *c = p->c + row * p->c_stride;

            for (j = 0; j < p->n; j++)
                c[j] += x[j];
        }
}

static void clear(const aci_multiply *p)
{
    int64_t i;

    for (i = 0; i < p->m && !p->accumulate; i++)
        memset(p->c + i * p->c_stride, 0, (size_t)p->n * sizeof *p->c);
}

void aci_kernels_multiply(aci_multiplier *multiplier,
                          const aci_multiply *product)
{
    multiply_call call = { .multiplier = multiplier, .product = product };
    int32_t i;

    if (product->m == 0 || product->n == 0)
        return;
    if (product->k == 0) {
        clear(product);
        return;
    }
    cut(&call);
    for (i = 0; i < multiplier->n_threads; i++)
        multiplier->workers[i].packed = NULL;
    if (multiplier->kernel == NULL)
        aci_kernels_openblas_begin(&multiplier->blas);
    aci_platform_pool_run(multiplier->pool, multiply_items, &call,
                          call.n_down * call.n_across * call.n_splits, 1);
    if (multiplier->kernel == NULL)
        aci_kernels_openblas_end(&multiplier->blas);
    if (call.n_splits > 1)
        aci_platform_pool_run(multiplier->pool, add_partial, &call,
                              product->m, 16);
}

/* ---- create and free ----------------------------------------------------- */

static int wanted(const char *level, const char *name)
{
    return level == NULL || strcmp(level, name) == 0;
}

/* Picks the kernel or opens OpenBLAS; 0 when `level` is not to be had. */
static int choose(aci_multiplier *multiplier, const char *level)
{
    const aci_multiply_kernel *found = NULL;

#if defined(__x86_64__)
    if (level != NULL && wanted(level, ACI_MULTIPLY_BFLOAT16) &&
        aci_kernels_cpu_has_bfloat16())
        found = &aci_kernels_multiply_avx512bf16;
    else if (wanted(level, "avx512") &&
             aci_kernels_cpu_level("avx512") != NULL)
        found = &aci_kernels_multiply_avx512;
    else if (wanted(level, "avx2") && aci_kernels_cpu_level("avx2") != NULL)
        found = &aci_kernels_multiply_avx2;
#endif
    if (found == NULL && wanted(level, "openblas") &&
        aci_kernels_openblas_open(&multiplier->blas))
        return 1;
    if (found == NULL && wanted(level, "portable"))
        found = &aci_kernels_multiply_portable;
    multiplier->kernel = found;
    return found != NULL;
}

static ac_status make_buffers(aci_multiplier *multiplier, ac_error *error)
{
    aci_memory *memory = multiplier->memory;
    size_t a_floats = GROUP_ROWS * BLOCK_DEPTH + ACI_PANEL_SLACK;
    size_t b_floats = TILE_COLUMNS * BLOCK_DEPTH + ACI_PANEL_SLACK;
    int32_t i;

    multiplier->partial = aci_platform_alloc_array(memory, PARTIAL_FLOATS,
                                                   sizeof(float));
    multiplier->workers = aci_platform_alloc_zeroed(
        memory, (size_t)multiplier->n_threads, sizeof(packing));
    if (multiplier->partial == NULL || multiplier->workers == NULL)
        return aci_platform_fail_memory(error, "a product");
    for (i = 0; i < multiplier->n_threads && multiplier->kernel != NULL; i++) {
        packing *w = &multiplier->workers[i];

        w->a = aci_platform_alloc_array(memory, a_floats, sizeof(float));
        w->b = aci_platform_alloc_array(memory, b_floats, sizeof(float));
        if (w->a == NULL || w->b == NULL)
            return aci_platform_fail_memory(error, "a product");
    }
    return AC_OK;
}

ac_status aci_kernels_multiplier_create(aci_multiplier **out,
                                        aci_memory *memory, aci_pool *pool,
                                        const char *level, ac_error *error)
{
    aci_multiplier *multiplier = aci_platform_alloc_zeroed(
        memory, 1, sizeof *multiplier);
    ac_status status;

    *out = NULL;
    if (multiplier == NULL)
        return aci_platform_fail_memory(error, "a product");
    multiplier->memory = memory;
    multiplier->pool = pool;
    multiplier->n_threads = aci_platform_pool_threads(pool);
    if (choose(multiplier, level))
        status = make_buffers(multiplier, error);
    else
        status = aci_platform_fail(error, AC_E_UNSUPPORTED, "this machine "
                                   "has no products of level \"%.32s\"",
                                   level);
    if (status == AC_OK)
        *out = multiplier;
    else
        aci_kernels_multiplier_free(multiplier);
    return status;
}

void aci_kernels_multiplier_free(aci_multiplier *multiplier)
{
    aci_memory *memory;
    int32_t i;

    if (multiplier == NULL)
        return;
    memory = multiplier->memory;
    for (i = 0; multiplier->workers && i < multiplier->n_threads; i++) {
        aci_platform_free(memory, multiplier->workers[i].a);
        aci_platform_free(memory, multiplier->workers[i].b);
    }
    aci_platform_free(memory, multiplier->workers);
    aci_platform_free(memory, multiplier->partial);
    aci_kernels_openblas_close(&multiplier->blas);
    aci_platform_free(memory, multiplier);
}

const char *aci_kernels_multiplier_level(const aci_multiplier *multiplier)
{
    return multiplier->kernel ? multiplier->kernel->name : "openblas";
}
