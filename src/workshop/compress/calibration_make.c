/* calibration_make.c - the pass that makes a calibration.
 *
 *     x = embedding of every token
 *     for each layer:  read its weights, run them over the batches of x,
 *                      add up what every input of it was, write it, forget it
 *     the same for the head's input
 *
 * x x' is summed in float32 within a batch, where the product runs at full
 * speed and has at most 2,048 terms, and in float64 over the batches: so its
 * error does not grow with the text. Only the lower triangle is computed, in
 * slabs of rows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/multiply.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/compress/calibration_text.h"
#include "workshop/tell.h"

enum { BATCH = ACI_CALIBRATION_BATCH, SLAB_ROWS = 256, MIB = 1 << 20 };

/* Sums over the tokens of one input. */
typedef struct sums {
    int32_t n;
    double *moments;           /* lower triangle, packed */
    double *total;             /* [n] */
    float *largest;            /* [n] */
    float *rows;               /* [BATCH, n] of the batch at hand */
} sums;

typedef struct pass {
    const aci_calibration_request *request;
    aci_memory *memory;
    aci_pool *pool;
    const aci_shape *shape;
    aci_calibration_text text;
    aci_calibration start;     /* stamps and widths of what is made */
    aci_network *network;      /* one layer */
    aci_multiplier *multiplier;
    sums inputs[ACI_N_INPUTS];
    float *slab;               /* [SLAB_ROWS, widest] */
    float *finished;           /* a triangle, a mean as they go to the file */
    float *middle, *out;       /* [BATCH, n_embd] */
    float *x;                  /* [n_tokens, n_embd] */
    double cosine[2];          /* sums over the tokens: attention, ffn */
    int32_t *zeros;            /* [BATCH] */
    uint64_t began, n_done, n_total; /* tokens, over the layers */
} pass;

static size_t triangle(int32_t n)
{
    return (size_t)n * ((size_t)n + 1) / 2;
}

static int32_t widest(const pass *p)
{
    int32_t n = 0;

    for (int i = 0; i < ACI_N_INPUTS; i++)
        n = p->start.width[i] > n ? p->start.width[i] : n;
    return n;
}

/* ---- telling ------------------------------------------------------------- */

static void say(const pass *p, int32_t level, const char *text)
{
    if (p->request->on_log != NULL)
        p->request->on_log(level, text, p->request->log_user);
}

static ac_status report(pass *p, ac_error *error)
{
    return aci_workshop_tell(p->request->on_progress,
                             p->request->progress_user, "calibrate", p->n_done,
                             p->n_total, NAN, p->began, error);
}

/* ---- memory -------------------------------------------------------------- */

static ac_status allocate_sums(pass *p, sums *s, int32_t n, ac_error *error)
{
    s->n = n;
    s->moments = aci_platform_alloc_array(p->memory, triangle(n),
                                          sizeof *s->moments);
    s->total = aci_platform_alloc_array(p->memory, (size_t)n,
                                        sizeof *s->total);
    s->largest = aci_platform_alloc_array(p->memory, (size_t)n,
                                          sizeof *s->largest);
    s->rows = aci_platform_alloc_array(p->memory, (size_t)n * BATCH,
                                       sizeof *s->rows);
    if (s->moments == NULL || s->total == NULL || s->largest == NULL ||
        s->rows == NULL)
        return aci_platform_fail_memory(error, "sums over the tokens");
    return AC_OK;
}

/* Everything whose size does not depend on the number of tokens. */
static ac_status allocate_fixed(pass *p, ac_error *error)
{
    size_t wide = (size_t)widest(p);
    ac_status status = aci_kernels_multiplier_create(
        &p->multiplier, p->memory, p->pool, NULL, error);

    if (status == AC_OK)
        status = aci_workshop_layer_network(&p->network, p->memory, p->pool,
                                            p->shape, BATCH, error);
    for (int i = 0; status == AC_OK && i < ACI_N_INPUTS; i++)
        status = allocate_sums(p, &p->inputs[i], p->start.width[i], error);
    if (status != AC_OK)
        return status;
    p->slab = aci_platform_alloc_array(p->memory, wide * SLAB_ROWS,
                                       sizeof *p->slab);
    p->finished = aci_platform_alloc_array(
        p->memory, triangle((int32_t)wide) + wide, sizeof *p->finished);
    p->middle = aci_platform_alloc_array(
        p->memory, (size_t)p->shape->n_embd * BATCH, sizeof *p->middle);
    p->out = aci_platform_alloc_array(
        p->memory, (size_t)p->shape->n_embd * BATCH, sizeof *p->out);
    p->zeros = aci_platform_alloc_zeroed(p->memory, BATCH, sizeof *p->zeros);
    if (p->slab == NULL || p->finished == NULL || p->middle == NULL ||
        p->out == NULL || p->zeros == NULL)
        return aci_platform_fail_memory(error, "a calibration's buffers");
    return AC_OK;
}

/* Of one token: its state, its id, its place in the batches. */
static uint64_t token_bytes(const aci_shape *shape)
{
    return (uint64_t)shape->n_embd * sizeof(float) + 40;
}

/* How many tokens the memory limit leaves room for; says what it will take. */
static ac_status fit_tokens(uint64_t *n_tokens, const pass *p,
                            uint64_t in_text, ac_error *error)
{
    uint64_t limit = p->memory->limit_bytes, used = p->memory->used_bytes;
    uint64_t each = token_bytes(p->shape), most = UINT64_MAX;
    char text[200], least[24], all[24], most_text[24];

    *n_tokens = p->request->n_tokens != 0 ? p->request->n_tokens
                                          : ACI_CALIBRATION_TOKENS;
    *n_tokens = *n_tokens < in_text ? *n_tokens : in_text;
    if (limit != 0)
        most = limit > used ? (limit - used) / each : 0;
    if (most < *n_tokens && most < ACI_CALIBRATION_LEAST)
        return aci_platform_fail(
            error, AC_E_NO_MEMORY,
            "calibrating needs %s with %d tokens, %s with %llu; the limit was "
            "%s",
            aci_platform_bytes_text(least,
                                    used + each * ACI_CALIBRATION_LEAST),
            (int)ACI_CALIBRATION_LEAST,
            aci_platform_bytes_text(all, used + each * *n_tokens),
            (unsigned long long)*n_tokens,
            aci_platform_bytes_text(most_text, limit));
    if (most < *n_tokens) {
        snprintf(text, sizeof text,
                 "calibration: the memory limit leaves room for %llu of %llu "
                 "tokens", (unsigned long long)most,
                 (unsigned long long)*n_tokens);
        say(p, AC_LOG_WARNING, text);
        *n_tokens = most;
    }
    snprintf(text, sizeof text,
             "calibration: %llu tokens, %llu MiB of memory at most",
             (unsigned long long)*n_tokens,
             (unsigned long long)((used + each * *n_tokens) / MIB + 1));
    say(p, AC_LOG_INFO, text);
    return AC_OK;
}

static void free_pass(pass *p)
{
    for (int i = 0; i < ACI_N_INPUTS; i++) {
        sums *s = &p->inputs[i];

        aci_platform_free(p->memory, s->moments);
        aci_platform_free(p->memory, s->total);
        aci_platform_free(p->memory, s->largest);
        aci_platform_free(p->memory, s->rows);
    }
    aci_workshop_network_free(p->network);
    aci_kernels_multiplier_free(p->multiplier);
    aci_platform_free(p->memory, p->slab);
    aci_platform_free(p->memory, p->finished);
    aci_platform_free(p->memory, p->middle);
    aci_platform_free(p->memory, p->out);
    aci_platform_free(p->memory, p->zeros);
    aci_platform_free(p->memory, p->x);
    aci_workshop_calibration_text_free(&p->text);
}

/* ---- summing ------------------------------------------------------------- */

typedef struct column_work {
    sums *s;
    int32_t n_rows;
} column_work;

static void add_columns(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    column_work *work = argument;
    sums *s = work->s;

    (void)thread;
    for (int32_t row = 0; row < work->n_rows; row++) {
        const float *x = s->rows + (size_t)row * (size_t)s->n;

        for (int64_t k = first; k < last; k++) {
            float size = fabsf(x[k]);

            s->total[k] += (double)x[k];
            /* so that a NaN is kept: no comparison with it is true */
            s->largest[k] = size <= s->largest[k] ? s->largest[k] : size;
        }
    }
}

/* One slab of the triangle into the sums in double. */
typedef struct slab_work {
    const float *slab;
    double *moments;
    int64_t first, stride;
} slab_work;

static void add_slab(void *argument, int64_t first, int64_t last,
                     int32_t thread)
{
    slab_work *work = argument;

    (void)thread;
    for (int64_t i = first; i < last; i++) {
        int64_t row = work->first + i;
        double *to = work->moments + row * (row + 1) / 2;
        const float *from = work->slab + i * work->stride;

        for (int64_t k = 0; k <= row; k++)
            to[k] += (double)from[k];
    }
}

static void add_moments(pass *p, sums *s, int32_t n_rows)
{
    for (int64_t first = 0; first < s->n; first += SLAB_ROWS) {
        int64_t m = s->n - first < SLAB_ROWS ? s->n - first : SLAB_ROWS;
        slab_work work = { p->slab, s->moments, first, first + m };
        aci_multiply product = { .c = p->slab, .a = s->rows + first,
                                 .b = s->rows, .m = m, .n = first + m,
                                 .k = n_rows, .c_stride = first + m,
                                 .a_stride = s->n, .b_stride = s->n,
                                 .a_transposed = 1 };

        aci_kernels_multiply(p->multiplier, &product);
        aci_platform_pool_run(p->pool, add_slab, &work, m, 16);
    }
}

static void add_input(pass *p, sums *s, int32_t n_rows)
{
    column_work work = { s, n_rows };

    aci_platform_pool_run(p->pool, add_columns, &work, s->n, 64);
    add_moments(p, s, n_rows);
}

static void clear(sums *s)
{
    memset(s->moments, 0, triangle(s->n) * sizeof *s->moments);
    memset(s->total, 0, (size_t)s->n * sizeof *s->total);
    memset(s->largest, 0, (size_t)s->n * sizeof *s->largest);
}

/* Sum over rows of cos(x, y); a row of zeros counts 0. */
static double sum_cosines(const float *x, const float *y, int32_t n_rows,
                          int32_t n)
{
    double sum = 0.0;

    for (int32_t row = 0; row < n_rows; row++, x += n, y += n) {
        double xx = 0.0, yy = 0.0, xy = 0.0;

        for (int32_t k = 0; k < n; k++) {
            xx += (double)x[k] * (double)x[k];
            yy += (double)y[k] * (double)y[k];
            xy += (double)x[k] * (double)y[k];
        }
        if (xx > 0.0 && yy > 0.0)
            sum += xy / sqrt(xx * yy);
    }
    return sum;
}

/* ---- writing ------------------------------------------------------------- */

static ac_status write_input(pass *p, aci_calibration_writer *writer,
                             int32_t layer, int32_t input, ac_error *error)
{
    sums *s = &p->inputs[input];
    size_t n = triangle(s->n);
    double per_token = 1.0 / (double)p->text.n_tokens;
    float *mean = p->finished + n;
    aci_input_statistics done = { s->n, mean, s->largest, p->finished };
    int finite = 1;

    for (size_t i = 0; i < n; i++) {
        p->finished[i] = (float)(s->moments[i] * per_token);
        finite &= isfinite(p->finished[i]) != 0;
    }
    for (int32_t k = 0; k < s->n; k++) {
        mean[k] = (float)(s->total[k] * per_token);
        finite &= isfinite(mean[k]) && isfinite(s->largest[k]);
    }
    if (!finite) {
        char name[64];

        aci_workshop_calibration_name(name, layer, input, p->shape->n_layer);
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "%s was not finite on the calibration text",
                                 name);
    }
    return aci_workshop_calibration_write_input(writer, &done, error);
}

/* ---- the pass ------------------------------------------------------------ */

static ac_status embed(pass *p, ac_error *error)
{
    size_t width = (size_t)p->shape->n_embd;
    ac_status status = AC_OK;

    p->x = aci_platform_alloc_array(p->memory, p->text.n_tokens,
                                    width * sizeof *p->x);
    if (p->x == NULL)
        return aci_platform_fail_memory(error, "the states of all tokens");
    for (size_t i = 0; status == AC_OK && i < p->text.n_tokens; i++)
        status = aci_model_checkpoint_read(
            p->x + i * width, p->request->checkpoint, "embed",
            p->text.tokens[i], 1, error);
    return status;
}

/* Runs layer `layer` over batch `i`; its output takes the place of its input.
 * The last layer's output goes on through the final norm. */
static ac_status run_batch(pass *p, int32_t layer, size_t i, ac_error *error)
{
    int32_t width = p->shape->n_embd;
    float *x = p->x + p->text.first_token[i] * (size_t)width;
    int last = layer + 1 == p->shape->n_layer;
    aci_layer_rows rows = {
        .x = x,
        .qkv_in = p->inputs[ACI_INPUT_QKV].rows,
        .o_in = p->inputs[ACI_INPUT_O].rows,
        .middle = p->middle,
        .gate_up_in = p->inputs[ACI_INPUT_GATE_UP].rows,
        .down_in = p->inputs[ACI_INPUT_DOWN].rows,
        .out = p->out,
        .head_in = last ? p->inputs[ACI_INPUT_HEAD].rows : NULL,
    };
    aci_batch batch;
    ac_status status;

    aci_workshop_calibration_batch(&batch, &p->text, i, p->zeros);
    status = aci_workshop_network_run_layer(&rows, p->network, &batch, error);
    if (status != AC_OK)
        return status;
    p->cosine[0] += sum_cosines(x, p->middle, batch.n_tokens, width);
    p->cosine[1] += sum_cosines(p->middle, p->out, batch.n_tokens, width);
    memcpy(x, p->out, (size_t)batch.n_tokens * (size_t)width * sizeof *x);
    for (int input = 0; input < ACI_N_LAYER_INPUTS + last; input++)
        add_input(p, &p->inputs[input], batch.n_tokens);
    p->n_done += (uint64_t)batch.n_tokens;
    return report(p, error);
}

static ac_status run_layer(pass *p, aci_calibration_writer *writer,
                           int32_t layer, ac_error *error)
{
    double n = (double)p->text.n_tokens;
    ac_status status = aci_workshop_layer_load(
        p->network, p->request->checkpoint, layer, error);

    for (int i = 0; i < ACI_N_INPUTS; i++)
        clear(&p->inputs[i]);
    p->cosine[0] = p->cosine[1] = 0.0;
    for (size_t i = 0; status == AC_OK && i < p->text.n_batches; i++)
        status = run_batch(p, layer, i, error);
    for (int i = 0; status == AC_OK && i < ACI_N_LAYER_INPUTS; i++)
        status = write_input(p, writer, layer, i, error);
    if (status == AC_OK)
        status = aci_workshop_calibration_write_cosines(
            writer, p->cosine[0] / n, p->cosine[1] / n, error);
    return status;
}

static ac_status run(pass *p, ac_error *error)
{
    aci_calibration_writer *writer = NULL;
    int32_t n_layer = p->shape->n_layer;
    ac_status status;

    p->began = aci_platform_monotonic_nanoseconds();
    p->n_total = (uint64_t)p->text.n_tokens * (uint64_t)n_layer;
    status = report(p, error);
    if (status == AC_OK)
        status = embed(p, error);
    if (status == AC_OK)
        status = aci_workshop_calibration_writer_open(
            &writer, p->memory, p->request->path, &p->start, error);
    for (int32_t layer = 0; status == AC_OK && layer < n_layer; layer++)
        status = run_layer(p, writer, layer, error);
    if (status == AC_OK)
        status = write_input(p, writer, n_layer, ACI_INPUT_HEAD, error);
    if (status == AC_OK) {
        status = aci_workshop_calibration_commit(writer, error);
        if (status == AC_OK)
            writer = NULL;
    }
    aci_workshop_calibration_abandon(writer);
    return status;
}

/* ---- the door ------------------------------------------------------------ */

/* The text as a calibration stamps it: chosen to fit, its checksum taken. */
static ac_status take_text(pass *p, ac_error *error)
{
    aci_corpus corpus = { 0 };
    uint64_t n_tokens = 0, in_text = 0;
    ac_status status = aci_workshop_calibration_read(&corpus, p->memory,
                                                     p->request, error);

    if (status == AC_OK)
        status = allocate_fixed(p, error);
    for (size_t i = 0; i < corpus.n_sources; i++)
        in_text += corpus.sources[i].n_rows;
    if (status == AC_OK)
        status = fit_tokens(&n_tokens, p, in_text, error);
    if (status == AC_OK)
        status = aci_workshop_calibration_choose(&p->text, p->memory, &corpus,
                                                 n_tokens, p->shape->n_vocab,
                                                 error);
    aci_workshop_corpus_free(&corpus);
    p->start.n_tokens = p->text.n_tokens;
    p->start.data_checksum = p->text.checksum;
    return status;
}

/* A file that is there must be of this model and text. */
static ac_status reuse(aci_calibration **out, pass *p, ac_error *error)
{
    const char *path = p->request->path;
    const char *differs = NULL;
    ac_status status = aci_workshop_calibration_open(out, p->memory, path,
                                                     p->shape, error);

    if (status != AC_OK)
        return status;
    if ((*out)->model_checksum != p->start.model_checksum)
        differs = "another model";
    else if ((*out)->data_checksum != p->start.data_checksum ||
             (*out)->n_tokens != p->start.n_tokens)
        differs = "another text, or another number of tokens";
    if (differs == NULL) {
        say(p, AC_LOG_INFO, "calibration: taken from its file");
        return AC_OK;
    }
    aci_workshop_calibration_close(*out);
    *out = NULL;
    return aci_platform_fail(error, AC_E_ARGUMENT, "%s was made from %s",
                             path, differs);
}

ac_status aci_workshop_calibration_make(aci_calibration **out,
                                        aci_memory *memory, aci_pool *pool,
                                        const aci_calibration_request *request,
                                        ac_error *error)
{
    pass *p = aci_platform_alloc_zeroed(memory, 1, sizeof *p);
    int is_kept = 0;
    ac_status status;

    *out = NULL;
    if (p == NULL)
        return aci_platform_fail_memory(error, "a calibration");
    p->request = request;
    p->memory = memory;
    p->pool = pool;
    p->shape = aci_model_checkpoint_shape(request->checkpoint);
    aci_workshop_calibration_shape(&p->start, p->shape);
    p->start.model_checksum = aci_model_checkpoint_checksum(
        request->checkpoint);
    status = take_text(p, error);
    if (status == AC_OK && aci_platform_is_file(request->path)) {
        status = reuse(out, p, request->replace ? NULL : error);
        is_kept = status == AC_OK || !request->replace;
        if (!is_kept) {
            say(p, AC_LOG_WARNING, "calibration: the unfinished run's is of "
                "another model or text, or damaged; made anew");
            status = AC_OK;
        }
    }
    if (status == AC_OK && !is_kept) {
        status = run(p, error);
        if (status == AC_OK)
            status = aci_workshop_calibration_open(out, memory, request->path,
                                                   p->shape, error);
    }
    free_pass(p);
    aci_platform_free(memory, p);
    return status;
}
