/* cpu_backend.c - the operations of backend.h on the CPU: each is cut into
 * items that threads take, and the items are the level's work.
 *
 * A quantised product has two steps with a barrier between: the activations of
 * all rows are normed, quantised and arranged once; then strips of all the
 * products that share them are multiplied. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/cpu/cpu_level.h"
#include "platform/error.h"
#include "platform/half.h"

/* Scratch of one thread. */
typedef struct lane_scratch {
    float *row;            /* [max_width padded] a normed row */
    void *panel;
} lane_scratch;

typedef struct cpu_backend {
    aci_backend base;
    const aci_cpu_level *level;
    aci_activations activations;
    lane_scratch *scratch; /* [n_threads] */
    int32_t n_threads;
    int32_t max_width;     /* padded */
    float *cosine, *sine;  /* [ACI_MAX_ROWS, ACI_MAX_HEAD_DIM / 2] */
} cpu_backend;

/* ---- passes ------------------------------------------------------------- */

static ac_status begin_step(aci_backend *backend, const aci_step *step,
                            int32_t *done, ac_error *error)
{
    (void)backend;
    (void)step;
    (void)error;
    *done = 0;
    return AC_OK;
}

static ac_status end_step(aci_backend *backend, int32_t succeeded,
                          ac_error *error)
{
    (void)backend;
    (void)succeeded;
    (void)error;
    return AC_OK;
}

/* ---- embedding ----------------------------------------------------------- */

static void dequantise_row(float *out, const aci_linear *table, int32_t row)
{
    const aci_matrix *m = table->weight;
    float factor = aci_scale_factor(table), scale = 0.0f;
    int32_t k, shift;

    for (k = 0; k < m->n_in; k++) {
        size_t at = aci_matrix_nibble_at(m, row, k, &shift);
        int32_t w = ((m->plane_a[at] >> shift) & 15) - 8;

        if (k % m->group == 0)
            scale = factor * aci_platform_f32_from_f16(
                m->scales[aci_matrix_scale_at(m, row, k / m->group)]);
        if (table->weight_bits > 4)
            w = m->ratio * w + ((m->plane_b[at] >> shift) & 15) - 8;
        if (table->weight_bits == 16)
            w = 256 * w + m->plane_c[aci_matrix_byte_at(m, row, k)] - 128;
        out[k] = (float)w * scale;
    }
}

static ac_status embed(aci_backend *backend, float *out,
                       const aci_linear *table, const int32_t *tokens,
                       int32_t n_rows, ac_error *error)
{
    const aci_matrix *m = table->weight;
    size_t width = (size_t)m->n_in;
    int32_t i;

    (void)backend;
    (void)error;
    for (i = 0; i < n_rows; i++, out += width)
        if (m->dense != NULL)
            memcpy(out, m->dense + (size_t)tokens[i] * width,
                   width * sizeof *out);
        else
            dequantise_row(out, table, tokens[i]);
    return AC_OK;
}

/* ---- norm ---------------------------------------------------------------- */

static ac_status norm(aci_backend *backend, float *out, const float *x,
                      const float *weight, int32_t n_rows, int32_t width,
                      float eps, ac_error *error)
{
    const aci_cpu_level *level = ((cpu_backend *)backend)->level;
    int32_t i;

    (void)error;
    for (i = 0; i < n_rows; i++) {
        size_t at = (size_t)i * (size_t)width;

        level->rows->norm(out + at, x + at, weight, width, width, eps);
    }
    return AC_OK;
}

/* ---- products ------------------------------------------------------------ */

/* One call of project. */
typedef struct product_call {
    cpu_backend *cpu;
    const aci_product *products;
    int32_t n_products, n_rows;
    const aci_input *input;
    int32_t first_item[ACI_MAX_PRODUCTS + 1]; /* items of each product */
} product_call;

/* A row of the input, normed or gated where asked, with zeros behind it. */
static const float *input_row(const product_call *call, int32_t row,
                              int32_t thread)
{
    const aci_input *input = call->input;
    const aci_row_functions *rows = call->cpu->level->rows;
    size_t at = (size_t)row * input->x_stride;
    float *out = call->cpu->scratch[thread].row;
    const aci_matrix *m = call->products[0].linear.weight;
    int32_t n = m->n_in, padded = m->dense != NULL ? n : m->n_in_padded;

    if (input->norm_weight != NULL) {
        rows->norm(out, input->x + at, input->norm_weight, n, padded,
                   input->norm_eps);
        return out;
    }
    memcpy(out, input->x + at, (size_t)n * sizeof *out);
    memset(out + n, 0, (size_t)(padded - n) * sizeof *out);
    if (input->up != NULL)
        rows->gate(out, input->up + at, (size_t)n);
    return out;
}

/* Items are tiles of ACI_TOKEN_TILE rows. */
static void quantise_tiles(void *argument, int64_t first, int64_t last,
                           int32_t thread)
{
    const product_call *call = argument;
    const aci_cpu_level *level = call->cpu->level;
    aci_activations *a = &call->cpu->activations;
    int32_t begin = (int32_t)first * ACI_TOKEN_TILE;
    int32_t end = (int32_t)last * ACI_TOKEN_TILE, row;

    if (end > call->n_rows)
        end = call->n_rows;
    for (row = begin; row < end; row++)
        level->rows->quantise(a, row, input_row(call, row, thread));
    level->products->arrange(a, begin, end);
}

/* Items are pairs of strips, of one product after the other. */
static void multiply_items(void *argument, int64_t first, int64_t last,
                           int32_t thread)
{
    const product_call *call = argument;
    int32_t p;

    for (p = 0; p < call->n_products; p++) {
        const aci_product *product = &call->products[p];
        int64_t from = first - call->first_item[p];
        int64_t to = last - call->first_item[p];
        int64_t most = call->first_item[p + 1] - call->first_item[p];
        int32_t n_strip = product->linear.weight->n_strip;
        aci_product_job job = { &product->linear, &call->cpu->activations,
                                product->out, product->out_stride,
                                product->accumulate,
                                call->cpu->scratch[thread].panel };

        from = from < 0 ? 0 : from;
        to = to > most ? most : to;
        if (from < to)
            call->cpu->level->products->product(
                &job, (int32_t)(2 * from),
                2 * to > n_strip ? n_strip : (int32_t)(2 * to));
    }
}

static void run_quantised(product_call *call)
{
    aci_activations *a = &call->cpu->activations;
    const aci_linear *linear = &call->products[0].linear;
    int32_t p, tiles = (call->n_rows + ACI_TOKEN_TILE - 1) / ACI_TOKEN_TILE;

    a->n_rows = call->n_rows;
    a->n_in_padded = linear->weight->n_in_padded;
    a->group = linear->weight->group;
    a->n_groups = a->n_in_padded / a->group;
    a->bits = linear->activation_bits;
    call->first_item[0] = 0;
    for (p = 0; p < call->n_products; p++)
        call->first_item[p + 1] =
            call->first_item[p] +
            (call->products[p].linear.weight->n_strip + 1) / 2;
    aci_platform_pool_run(call->cpu->base.pool, quantise_tiles, call, tiles,
                          1);
    aci_platform_pool_run(call->cpu->base.pool, multiply_items, call,
                          call->first_item[call->n_products], 4);
}

/* Items are blocks of DENSE_ROWS outputs. */
enum { DENSE_ROWS = 64 };

static void multiply_dense(void *argument, int64_t first, int64_t last,
                           int32_t thread)
{
    const product_call *call = argument;
    const aci_product *product = call->products;
    const aci_matrix *m = product->linear.weight;
    int32_t end = (int32_t)last * DENSE_ROWS, row, i;
    float out[DENSE_ROWS];
    aci_product_job job = { &product->linear, NULL, product->out,
                            product->out_stride, product->accumulate, NULL };

    if (end > m->n_out)
        end = m->n_out;
    for (i = 0; i < call->n_rows; i++) {
        const float *x = input_row(call, i, thread);

        for (row = (int32_t)first * DENSE_ROWS; row < end;
             row += DENSE_ROWS) {
            int32_t n = end - row < DENSE_ROWS ? end - row : DENSE_ROWS, j;

            call->cpu->level->rows->dense(
                out, x, m->dense + (size_t)row * (size_t)m->n_in, m->n_in, 0,
                n);
            for (j = 0; j < n; j++)
                aci_store_result(&job, i, row + j, out[j]);
        }
    }
}

static void run_dense(product_call *call)
{
    product_call one = *call;
    int32_t p;

    one.n_products = 1;
    for (p = 0; p < call->n_products; p++) {
        one.products = &call->products[p];
        aci_platform_pool_run(
            call->cpu->base.pool, multiply_dense, &one,
            (one.products->linear.weight->n_out + DENSE_ROWS - 1) /
                DENSE_ROWS, 1);
    }
}

static ac_status project(aci_backend *backend, const aci_product *products,
                         int32_t n_products, const aci_input *input,
                         int32_t n_rows, ac_error *error)
{
    product_call call = { (cpu_backend *)backend, products, n_products,
                          n_rows, input, { 0 } };

    (void)error;
    if (products[0].linear.weight_bits == 32)
        run_dense(&call);
    else
        run_quantised(&call);
    return AC_OK;
}

/* ---- rotary positions and the cache -------------------------------------- */

typedef struct span_call {
    cpu_backend *cpu;
    const aci_span *spans;
    int32_t n_spans;
    const aci_attention *attention;
    float *q, *k;
    const float *v;
    float *out;
} span_call;

static void rotate_heads(const span_call *call, float *x, int32_t n_heads,
                         const float *norm_weight, int32_t row)
{
    const aci_attention *a = call->attention;
    int32_t half = a->rope.n_rotary / 2, h;
    size_t table = (size_t)row * (ACI_MAX_HEAD_DIM / 2);

    for (h = 0; h < n_heads; h++, x += a->head_dim) {
        if (norm_weight != NULL)
            call->cpu->level->rows->norm(x, x, norm_weight, a->head_dim,
                                         a->head_dim, a->norm_eps);
        call->cpu->level->rows->rotate(x, call->cpu->cosine + table,
                                       call->cpu->sine + table, half,
                                       a->rope.interleaved);
    }
}

static void rotate_row(const span_call *call, const aci_span *span, int32_t i)
{
    const aci_attention *a = call->attention;
    int32_t row = span->first_row + i, position = span->first_position + i;
    int32_t half = a->rope.n_rotary / 2, j, h;
    size_t table = (size_t)row * (ACI_MAX_HEAD_DIM / 2);
    size_t dim = (size_t)a->head_dim;
    size_t kv_at = (size_t)row * (size_t)a->n_head_kv * dim;

    for (j = 0; j < half; j++) {
        float angle = (float)position * a->rope.inverse_frequency[j];

        call->cpu->cosine[table + (size_t)j] =
            cosf(angle) * a->rope.magnitude;
        call->cpu->sine[table + (size_t)j] = sinf(angle) * a->rope.magnitude;
    }
    rotate_heads(call, call->q + (size_t)row * (size_t)a->n_head * dim,
                 a->n_head, a->q_norm, row);
    rotate_heads(call, call->k + kv_at, a->n_head_kv, a->k_norm, row);
    for (h = 0; h < a->n_head_kv; h++)
        call->cpu->level->rows->append(span->kv, h, position,
                                       call->k + kv_at + (size_t)h * dim,
                                       call->v + kv_at + (size_t)h * dim);
}

/* The span that a row belongs to; spans are in row order. */
static const aci_span *span_of(const span_call *call, int32_t row)
{
    int32_t s = 0;

    while (s + 1 < call->n_spans && call->spans[s + 1].first_row <= row)
        s++;
    return &call->spans[s];
}

static int32_t count_rows(const aci_span *spans, int32_t n_spans)
{
    return spans[n_spans - 1].first_row + spans[n_spans - 1].n_rows;
}

static void rotate_rows(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    const span_call *call = argument;
    int32_t row;

    (void)thread;
    for (row = (int32_t)first; row < (int32_t)last; row++) {
        const aci_span *span = span_of(call, row);

        rotate_row(call, span, row - span->first_row);
    }
}

static ac_status rotate_append(aci_backend *backend, float *q, float *k,
                               const float *v, const aci_span *spans,
                               int32_t n_spans,
                               const aci_attention *attention,
                               ac_error *error)
{
    span_call call = { (cpu_backend *)backend, spans, n_spans, attention, q,
                       k, v, NULL };

    (void)error;
    aci_platform_pool_run(backend->pool, rotate_rows, &call,
                          count_rows(spans, n_spans), 8);
    return AC_OK;
}

/* ---- attention ----------------------------------------------------------- */

/* Rows of one span that share a tile: their heads of one group fill it. */
static int32_t rows_per_tile(const aci_attention *a)
{
    int32_t group = a->n_head / a->n_head_kv;

    return group >= ACI_QUERY_TILE ? 1 : ACI_QUERY_TILE / group;
}

static void attend_rows(const span_call *call, const aci_span *span,
                        int32_t first, int32_t n, int32_t kv_head)
{
    const aci_attention *a = call->attention;
    int32_t group = a->n_head / a->n_head_kv, row, h;
    aci_attention_tile tile = { .kv = span->kv, .kv_head = kv_head,
                                .window = a->window, .scale = a->scale };

    for (row = first; row < first + n; row++)
        for (h = kv_head * group; h < (kv_head + 1) * group; h++) {
            size_t at = ((size_t)row * (size_t)a->n_head + (size_t)h) *
                        (size_t)a->head_dim;

            tile.q[tile.n] = call->q + at;
            tile.out[tile.n] = call->out + at;
            tile.position[tile.n] = span->first_position + row -
                                    span->first_row;
            if (++tile.n == ACI_QUERY_TILE) {
                call->cpu->level->rows->attend(&tile);
                tile.n = 0;
            }
        }
    if (tile.n > 0)
        call->cpu->level->rows->attend(&tile);
}

/* Items: for each span, tiles of rows times key-value heads. */
static void attend_items(void *argument, int64_t first, int64_t last,
                         int32_t thread)
{
    const span_call *call = argument;
    int32_t rows = rows_per_tile(call->attention), s = 0;
    int64_t heads = call->attention->n_head_kv, before = 0, item;

    (void)thread;
    for (item = first; item < last; item++) {
        const aci_span *span = &call->spans[s];
        int64_t tiles = (span->n_rows + rows - 1) / rows;
        int64_t local;
        int32_t row, left;

        while (item - before >= tiles * heads) {
            before += tiles * heads;
            span = &call->spans[++s];
            tiles = (span->n_rows + rows - 1) / rows;
        }
        local = item - before;
        /* later rows see more: hand them out first */
        row = (int32_t)(tiles - 1 - local / heads) * rows;
        left = span->n_rows - row;
        attend_rows(call, span, span->first_row + row,
                    left < rows ? left : rows, (int32_t)(local % heads));
    }
}

static ac_status attend(aci_backend *backend, float *out, const float *q,
                        const aci_span *spans, int32_t n_spans,
                        const aci_attention *attention, ac_error *error)
{
    span_call call = { (cpu_backend *)backend, spans, n_spans, attention,
                       NULL, NULL, NULL, out };
    int32_t rows = rows_per_tile(attention), s;
    int64_t items = 0;

    (void)error;
    call.q = (float *)(uintptr_t)q; /* only read */
    for (s = 0; s < n_spans; s++)
        items += (int64_t)((spans[s].n_rows + rows - 1) / rows) *
                 attention->n_head_kv;
    aci_platform_pool_run(backend->pool, attend_items, &call, items, 2);
    return AC_OK;
}

/* ---- memory -------------------------------------------------------------- */

static ac_status refuse(aci_backend *backend, size_t bytes, const char *what,
                        ac_error *error)
{
    (void)backend;
    return aci_platform_fail(error, AC_E_NO_MEMORY,
                             "out of memory for %s (%zu bytes)", what, bytes);
}

static size_t used_bytes(aci_backend *backend)
{
    (void)backend;
    return 0;
}

static ac_status check_room(aci_backend *backend, uint64_t bytes,
                            ac_error *error)
{
    (void)backend;
    (void)bytes;
    (void)error;
    return AC_OK;
}

static void *allocate(aci_backend *backend, size_t bytes)
{
    return aci_platform_alloc(backend->memory, bytes);
}

static void release(aci_backend *backend, void *memory)
{
    aci_platform_free(backend->memory, memory);
}

static ac_status copy(aci_backend *backend, void *to, const void *from,
                      size_t bytes, ac_error *error)
{
    (void)backend;
    (void)error;
    memcpy(to, from, bytes);
    return AC_OK;
}

static ac_status adopt(aci_backend *backend, aci_matrix *matrix,
                       ac_error *error)
{
    (void)backend;
    (void)matrix;
    (void)error;
    return AC_OK; /* used where it lies */
}

static ac_status synchronize(aci_backend *backend, ac_error *error)
{
    (void)backend;
    (void)error;
    return AC_OK; /* nothing is ever under way */
}

/* ---- open and close ------------------------------------------------------ */

static void close_backend(aci_backend *backend)
{
    cpu_backend *cpu = (cpu_backend *)backend;
    aci_memory *memory = backend->memory;
    aci_activations *a = &cpu->activations;
    int32_t i;

    for (i = 0; cpu->scratch != NULL && i < cpu->n_threads; i++) {
        aci_platform_free(memory, cpu->scratch[i].row);
        aci_platform_free(memory, cpu->scratch[i].panel);
    }
    aci_platform_free(memory, cpu->scratch);
    aci_platform_free(memory, a->high);
    aci_platform_free(memory, a->low);
    aci_platform_free(memory, a->scales);
    aci_platform_free(memory, a->sum_high);
    aci_platform_free(memory, a->sum_low);
    aci_platform_free(memory, a->arranged);
    aci_platform_free(memory, cpu->cosine);
    aci_platform_free(memory, cpu->sine);
    aci_platform_free(memory, cpu);
}

static ac_status peaks(aci_backend *backend, aci_peaks *out,
                       const float *logits, int32_t n_rows, int32_t n_vocab,
                       int32_t n_best, float scale, ac_error *error)
{
    int32_t i;

    (void)backend;
    (void)error;
    for (i = 0; i < n_rows; i++)
        aci_kernels_peaks(&out[i], logits + (size_t)i * (size_t)n_vocab,
                          n_vocab, n_best, scale);
    return AC_OK;
}

static const aci_backend_operations operations = {
    begin_step, end_step,
    embed,   norm,          project,
    rotate_append, attend,  allocate, release,  copy,
    copy,    adopt,         synchronize, close_backend, refuse, used_bytes,
    peaks,   check_room,    aci_kernels_project_pairs
};

/* Untouched pages cost nothing, so everything is sized for the largest call. */
static ac_status make_scratch(cpu_backend *cpu, ac_error *error)
{
    aci_memory *memory = cpu->base.memory;
    const aci_product_functions *products = cpu->level->products;
    aci_activations *a = &cpu->activations;
    size_t width = (size_t)cpu->max_width, n = width * ACI_MAX_ROWS;
    size_t groups = n / 32, table = ACI_MAX_ROWS * ACI_MAX_HEAD_DIM / 2;
    int32_t i;

    cpu->scratch = aci_platform_alloc_zeroed(memory, (size_t)cpu->n_threads,
                                             sizeof *cpu->scratch);
    a->high = aci_platform_alloc(memory, n);
    a->low = aci_platform_alloc(memory, n);
    a->scales = aci_platform_alloc_array(memory, groups, sizeof(float));
    a->sum_high = aci_platform_alloc_array(memory, groups, sizeof(int32_t));
    a->sum_low = aci_platform_alloc_array(memory, groups, sizeof(int32_t));
    a->arranged = aci_platform_alloc(
        memory, products->arranged_bytes(ACI_MAX_ROWS, cpu->max_width));
    cpu->cosine = aci_platform_alloc_array(memory, table, sizeof(float));
    cpu->sine = aci_platform_alloc_array(memory, table, sizeof(float));
    if (!cpu->scratch || !a->high || !a->low || !a->scales || !a->sum_high ||
        !a->sum_low || !a->arranged || !cpu->cosine || !cpu->sine)
        return aci_platform_fail_memory(error, "activations");
    for (i = 0; i < cpu->n_threads; i++) {
        cpu->scratch[i].row = aci_platform_alloc_array(memory, width,
                                                       sizeof(float));
        cpu->scratch[i].panel = aci_platform_alloc(
            memory, products->panel_bytes(cpu->max_width));
        if (!cpu->scratch[i].row || !cpu->scratch[i].panel)
            return aci_platform_fail_memory(error, "a thread's scratch");
    }
    return AC_OK;
}

ac_status aci_kernels_cpu_open(aci_backend **out, aci_memory *memory,
                               aci_pool *pool, const char *level,
                               int32_t max_width, ac_error *error)
{
    const aci_cpu_level *found = aci_kernels_cpu_level(level);
    cpu_backend *cpu;
    ac_status status;

    *out = NULL;
    if (found == NULL)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "this processor has no level \"%.32s\"",
                                 level);
    cpu = aci_platform_alloc_zeroed(memory, 1, sizeof *cpu);
    if (cpu == NULL)
        return aci_platform_fail_memory(error, "the CPU backend");
    cpu->base.operations = &operations;
    cpu->base.memory = memory;
    cpu->base.pool = pool;
    cpu->level = found;
    cpu->n_threads = aci_platform_pool_threads(pool);
    cpu->max_width = (max_width + ACI_COLUMN_PADDING - 1) /
                     ACI_COLUMN_PADDING * ACI_COLUMN_PADDING;
    snprintf(cpu->base.description, sizeof cpu->base.description,
             "cpu %s, %d threads", found->name, (int)cpu->n_threads);
    status = make_scratch(cpu, error);
    if (status == AC_OK)
        *out = &cpu->base;
    else
        close_backend(&cpu->base);
    return status;
}
