/* target_seconds.c - how long a token's products take on this machine: every
 * kind of matrix at 4, 8 and 16 bits, whole and half as tall, through all
 * layers in turn so that weights come from where they come from in a model.
 * Two points make a line: what a product takes anyway, and by its weights. */
#include <math.h>

#include "kernels/backend.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "platform/random.h"
#include "workshop/compress/ladder_target.h"

enum { REPEATS = 5 };
static const double least_seconds = 2e-3; /* of a measurement */

typedef struct timing {
    aci_backend *backend;
    aci_model *model;
    float *x, *out;
} timing;

static const aci_matrix *matrix_of(const aci_model *model, int32_t layer,
                                   int32_t kind)
{
    const aci_layer *l = &model->layers[layer];
    const aci_matrix *const list[ACI_N_MATRICES] = { &l->q, &l->k, &l->v,
                                                     &l->o, &l->gate, &l->up,
                                                     &l->down };

    return kind == ACI_TIMED_HEAD ? &model->head : list[kind];
}

/* All layers' matrices of a kind, `halves` of 2 of their rows. */
static ac_status once(const timing *t, int32_t kind, int32_t bits,
                      int32_t halves, ac_error *error)
{
    int32_t n = kind == ACI_TIMED_HEAD ? 1 : t->model->shape.n_layer;
    ac_status status = AC_OK;

    for (int32_t l = 0; status == AC_OK && l < n; l++) {
        const aci_matrix *whole = matrix_of(t->model, l, kind);
        int32_t n_out = (whole->n_out * halves + 1) / 2;
        aci_matrix cut = aci_matrix_cut(whole, n_out, whole->n_in);
        aci_product product = { { &cut, NULL, bits, bits == 16 ? 16 : 8 },
                                t->out, (size_t)n_out, 0 };

        const aci_input input = { .x = t->x,
                                  .x_stride = (size_t)whole->n_in };

        status = t->backend->operations->project(t->backend, &product, 1,
                                                 &input, 1, error);
    }
    return status;
}

static double now(void)
{
    return (double)aci_platform_monotonic_nanoseconds() * 1e-9;
}

/* Seconds of one matrix: the best of several rounds, each long enough. */
static ac_status measure(double *out, const timing *t, int32_t kind,
                         int32_t bits, int32_t halves, ac_error *error)
{
    double n = kind == ACI_TIMED_HEAD ? 1.0 : t->model->shape.n_layer;
    ac_status status = once(t, kind, bits, halves, error);

    *out = INFINITY;
    for (int i = 0; status == AC_OK && i < REPEATS; i++) {
        double began = now(), spent = 0.0;
        int64_t rounds = 0;

        for (; status == AC_OK && spent < least_seconds; rounds++) {
            status = once(t, kind, bits, halves, error);
            spent = now() - began;
        }
        *out = fmin(*out, spent / (double)rounds / n);
    }
    return status;
}

static ac_status measure_kind(double line[2], const timing *t, int32_t kind,
                              int32_t bits, ac_error *error)
{
    const aci_matrix *m = matrix_of(t->model, 0, kind);
    double half_rows = (double)((m->n_out + 1) / 2), half = 0.0, whole = 0.0;
    ac_status status = measure(&whole, t, kind, bits, 2, error);

    if (status == AC_OK)
        status = measure(&half, t, kind, bits, 1, error);
    half = fmin(half, whole); /* noise must not make more weights cheaper */
    line[1] = (whole - half) /
              (((double)m->n_out - half_rows) * (double)m->n_in);
    line[0] = whole - line[1] * (double)m->n_out * (double)m->n_in;
    if (line[0] < 0.0) { /* nor a product free */
        line[0] = 0.0;
        line[1] = whole / ((double)m->n_out * (double)m->n_in);
    }
    return status;
}

ac_status aci_workshop_target_seconds(aci_target_facts *facts,
                                      const aci_ladder_work *work,
                                      aci_model *model, ac_error *error)
{
    static const int32_t bits[] = { 4, 8, 16 };
    const aci_shape *s = work->shape;
    int32_t heads = s->n_head * s->head_dim;
    int32_t width = s->n_embd > s->n_ff ? s->n_embd : s->n_ff;
    timing t = { .model = model };
    aci_random random;
    ac_status status;

    width = width > heads ? width : heads;
    t.x = aci_platform_alloc_array(work->memory, (size_t)width,
                                   sizeof *t.x);
    width = width > s->n_vocab ? width : s->n_vocab;
    t.out = aci_platform_alloc_array(work->memory, (size_t)width,
                                     sizeof *t.out);
    status = t.x != NULL && t.out != NULL
                 ? aci_kernels_cpu_open(&t.backend, work->memory, work->pool,
                                        NULL, width, error)
                 : aci_platform_fail_memory(error, "timing products");
    if (status == AC_OK) {
        int32_t n = heads > s->n_embd ? heads : s->n_embd;

        aci_platform_random_seed(&random, 1);
        for (int32_t i = 0; i < (n > s->n_ff ? n : s->n_ff); i++)
            t.x[i] = (float)aci_platform_random_normal(&random);
    }
    for (int32_t k = 0; status == AC_OK && k < ACI_N_TIMED; k++)
        for (int b = 0; status == AC_OK && b < 3; b++)
            status = measure_kind(facts->seconds[k][b], &t, k, bits[b],
                                  error);
    if (t.backend != NULL)
        t.backend->operations->close(t.backend);
    aci_platform_free(work->memory, t.x);
    aci_platform_free(work->memory, t.out);
    return status;
}
