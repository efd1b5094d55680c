/* train_rate.c - how fast this machine multiplies matrices of the network's
 * own shapes: what training is held against.
 *
 * Of every matrix the three products of training are timed for some tens of
 * milliseconds, then weighed by how often a step needs them. */
#include <string.h>

#include "kernels/multiply.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/train/trainer.h"

#define SECONDS_IN_ALL 0.3
enum { N_SHAPES = 6, MAX_ROWS = 4096, MAX_FLOATS = 1 << 24 };

typedef struct product_shape {
    int64_t n_out, n_in, times;
} product_shape;

static void list_shapes(product_shape out[N_SHAPES], const aci_shape *s)
{
    const product_shape shapes[N_SHAPES] = {
        { (int64_t)s->n_head * s->head_dim, s->n_embd, s->n_layer },
        { (int64_t)s->n_head_kv * s->head_dim, s->n_embd, 2 * s->n_layer },
        { s->n_embd, (int64_t)s->n_head * s->head_dim, s->n_layer },
        { s->n_ff, s->n_embd, 2 * s->n_layer },
        { s->n_embd, s->n_ff, s->n_layer },
        { s->n_vocab, s->n_embd, 1 },
    };

    memcpy(out, shapes, sizeof shapes);
}

/* Forward, and both products of the backward pass. */
static void multiply_once(aci_multiplier *multiplier, float *x, float *w,
                          float *y, const product_shape *s, int64_t m)
{
    const aci_multiply products[3] = {
        { .c = y, .a = x, .b = w, .m = m, .n = s->n_out, .k = s->n_in,
          .c_stride = s->n_out, .a_stride = s->n_in, .b_stride = s->n_in,
          .b_transposed = 1 },
        { .c = x, .a = y, .b = w, .m = m, .n = s->n_in, .k = s->n_out,
          .c_stride = s->n_in, .a_stride = s->n_out, .b_stride = s->n_in },
        { .c = w, .a = y, .b = x, .m = s->n_out, .n = s->n_in, .k = m,
          .c_stride = s->n_in, .a_stride = s->n_out, .b_stride = s->n_in,
          .a_transposed = 1 },
    };

    for (int i = 0; i < 3; i++)
        aci_kernels_multiply(multiplier, &products[i]);
}

/* Seconds of one round of three products. */
static double time_shape(aci_multiplier *multiplier, float *x, float *w,
                         float *y, const product_shape *s, int64_t m)
{
    uint64_t began, now;
    int64_t n = 0;

    multiply_once(multiplier, x, w, y, s, m); /* caches, page faults */
    began = aci_platform_monotonic_nanoseconds();
    do {
        multiply_once(multiplier, x, w, y, s, m);
        n++;
        now = aci_platform_monotonic_nanoseconds();
    } while ((double)(now - began) * 1e-9 < SECONDS_IN_ALL / N_SHAPES);
    return (double)(now - began) * 1e-9 / (double)n;
}

ac_status aci_workshop_rate_measure(double *rate, aci_memory *memory,
                                    aci_pool *pool, const aci_shape *shape,
                                    int32_t batch_tokens, const char *level,
                                    ac_error *error)
{
    product_shape shapes[N_SHAPES];
    aci_multiplier *multiplier = NULL;
    int64_t wide = 1, weights = 1, m = batch_tokens;
    double operations = 0.0, seconds = 0.0;
    float *x, *w, *y;
    ac_status status;

    list_shapes(shapes, shape);
    for (int i = 0; i < N_SHAPES; i++) {
        const product_shape *s = &shapes[i];
        int64_t widest = s->n_out > s->n_in ? s->n_out : s->n_in;

        wide = widest > wide ? widest : wide;
        weights = s->n_out * s->n_in > weights ? s->n_out * s->n_in : weights;
    }
    m = m < MAX_ROWS ? m : MAX_ROWS;
    m = m * wide <= MAX_FLOATS ? m : (MAX_FLOATS + wide - 1) / wide;
    x = aci_platform_alloc_zeroed(memory, (size_t)(m * wide), sizeof *x);
    y = aci_platform_alloc_zeroed(memory, (size_t)(m * wide), sizeof *y);
    w = aci_platform_alloc_zeroed(memory, (size_t)weights, sizeof *w);
    status = x != NULL && y != NULL && w != NULL
                 ? aci_kernels_multiplier_create(&multiplier, memory,
                                                 pool, level, error)
                 : aci_platform_fail_memory(error, "measuring products");
    for (int i = 0; status == AC_OK && i < N_SHAPES; i++) {
        const product_shape *s = &shapes[i];
        double times = (double)s->times;

        operations += times * 6.0 * (double)(m * s->n_out * s->n_in);
        seconds += times * time_shape(multiplier, x, w, y, s, m);
    }
    if (status == AC_OK)
        *rate = operations / seconds;
    aci_kernels_multiplier_free(multiplier);
    aci_platform_free(memory, w);
    aci_platform_free(memory, y);
    aci_platform_free(memory, x);
    return status;
}
