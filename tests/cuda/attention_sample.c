/* attention_sample.c - see attention_sample.h. */
#include "attention_sample.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "platform/half.h"

enum { MAX_DIM = 512 };

static void *make_filled(size_t bytes)
{
    void *memory = aci_platform_alloc(&fixture.memory, bytes);

    ck_assert_ptr_nonnull(memory);
    return memset(memory, 0xFF, bytes);
}

static void *place(size_t bytes)
{
    void *memory = fixture.cuda->operations->allocate(fixture.cuda, bytes);

    ck_assert_ptr_nonnull(memory);
    return memory;
}

void cache_sample_make(cache_sample *s, int32_t bits, int32_t n_head_kv,
                       int32_t head_dim, int32_t capacity)
{
    size_t lines;

    capacity = (capacity + 15) / 16 * 16;
    lines = (size_t)n_head_kv * (size_t)capacity;
    memset(s, 0, sizeof *s);
    s->host.bits = bits;
    s->host.n_head_kv = n_head_kv;
    s->host.head_dim = head_dim;
    s->host.capacity = capacity;
    s->bytes = lines * (size_t)aci_kv_width(head_dim) * (size_t)(bits / 8);
    s->device = s->host;
    s->host.k = make_filled(s->bytes);
    s->host.v = make_filled(s->bytes);
    s->device.k = place(s->bytes);
    s->device.v = place(s->bytes);
    if (bits == 8) {
        s->scale_bytes = lines * sizeof(uint16_t);
        s->host.k_scales = make_filled(s->scale_bytes);
        s->host.v_scales = make_filled(s->scale_bytes);
        s->device.k_scales = place(s->scale_bytes);
        s->device.v_scales = place(s->scale_bytes);
    }
    cache_sample_upload(s);
}

void cache_sample_free(cache_sample *s)
{
    aci_platform_free(&fixture.memory, s->host.k);
    aci_platform_free(&fixture.memory, s->host.v);
    aci_platform_free(&fixture.memory, s->host.k_scales);
    aci_platform_free(&fixture.memory, s->host.v_scales);
    cuda_fixture_release(s->device.k);
    cuda_fixture_release(s->device.v);
    if (s->device.k_scales != NULL) {
        cuda_fixture_release(s->device.k_scales);
        cuda_fixture_release(s->device.v_scales);
    }
}

static void copy_up(void *device, const void *host, size_t bytes)
{
    ck_assert_int_eq(fixture.cuda->operations->host_to(
                         fixture.cuda, device, host, bytes, NULL), AC_OK);
}

void cache_sample_upload(cache_sample *s)
{
    copy_up(s->device.k, s->host.k, s->bytes);
    copy_up(s->device.v, s->host.v, s->bytes);
    if (s->scale_bytes > 0) {
        copy_up(s->device.k_scales, s->host.k_scales, s->scale_bytes);
        copy_up(s->device.v_scales, s->host.v_scales, s->scale_bytes);
    }
}

static void copy_down(void *host, const void *device, size_t bytes)
{
    ck_assert_int_eq(fixture.cuda->operations->to_host(
                         fixture.cuda, host, device, bytes, NULL), AC_OK);
}

void cache_sample_download(cache_sample *s)
{
    copy_down(s->host.k, s->device.k, s->bytes);
    copy_down(s->host.v, s->device.v, s->bytes);
    if (s->scale_bytes > 0) {
        copy_down(s->host.k_scales, s->device.k_scales, s->scale_bytes);
        copy_down(s->host.v_scales, s->device.v_scales, s->scale_bytes);
    }
}

/* ---- where things lie, by the words of backend.h ------------------------- */

static size_t line_of(const aci_kv *kv, int32_t head, int32_t position)
{
    return (size_t)head * (size_t)kv->capacity + (size_t)position;
}

/* k [n_head_kv, capacity / 16, width, 16] */
static size_t key_at(const aci_kv *kv, int32_t head, int32_t position,
                     int32_t d)
{
    size_t block = (size_t)head * (size_t)(kv->capacity / 16) +
                   (size_t)(position / 16);

    return (block * (size_t)aci_kv_width(kv->head_dim) + (size_t)d) * 16 +
           (size_t)(position % 16);
}

static size_t value_at(const aci_kv *kv, int32_t head, int32_t position,
                       int32_t d)
{
    return line_of(kv, head, position) * (size_t)aci_kv_width(kv->head_dim) +
           (size_t)d;
}

static void put(void *values, int32_t bits, size_t at, float value)
{
    if (bits == 32)
        ((float *)values)[at] = value;
    else if (bits == 16)
        ((uint16_t *)values)[at] = aci_platform_f16_from_f32(value);
    else
        ((int8_t *)values)[at] = (int8_t)lrintf(value);
}

static double get(const void *values, int32_t bits, size_t at,
                  const uint16_t *scales, size_t line)
{
    if (bits == 32)
        return (double)((const float *)values)[at];
    if (bits == 16)
        return (double)aci_platform_f32_from_f16(
            ((const uint16_t *)values)[at]);
    return (double)((const int8_t *)values)[at] *
           (double)aci_platform_f32_from_f16(scales[line]);
}

/* 1 / the scale of 8 bits, which is set; else 1. */
static float set_scale(uint16_t *scales, size_t line, const float *x,
                       int32_t n)
{
    float top = 0.0f;
    int32_t d;

    if (scales == NULL)
        return 1.0f;
    for (d = 0; d < n; d++)
        top = fmaxf(top, fabsf(x[d]));
    /* a little up, so that no code goes beyond 127 */
    scales[line] = aci_platform_f16_from_f32(top / 126.8f);
    return top > 0.0f ? 1.0f / aci_platform_f32_from_f16(scales[line]) : 0.0f;
}

void cache_sample_set(cache_sample *s, int32_t head, int32_t position,
                      const float *k, const float *v)
{
    const aci_kv *kv = &s->host;
    size_t line = line_of(kv, head, position);
    float k_factor = set_scale(kv->k_scales, line, k, kv->head_dim);
    float v_factor = set_scale(kv->v_scales, line, v, kv->head_dim);
    int32_t d;

    for (d = 0; d < aci_kv_width(kv->head_dim); d++) {
        int inside = d < kv->head_dim;

        put(kv->k, kv->bits, key_at(kv, head, position, d),
            inside ? k[d] * k_factor : 0.0f);
        put(kv->v, kv->bits, value_at(kv, head, position, d),
            inside ? v[d] * v_factor : 0.0f);
    }
}

void cache_sample_fill(cache_sample *s, aci_random *dice, int32_t first,
                       int32_t last)
{
    float k[MAX_DIM], v[MAX_DIM];
    int32_t head, position, d;

    for (head = 0; head < s->host.n_head_kv; head++)
        for (position = first; position < last; position++) {
            for (d = 0; d < s->host.head_dim; d++) {
                k[d] = (float)aci_platform_random_normal(dice);
                v[d] = (float)aci_platform_random_normal(dice);
            }
            cache_sample_set(s, head, position, k, v);
        }
}

int32_t cache_samples_spans(aci_span *out, const cache_sample *caches,
                            const span_sample *spans, int32_t n,
                            int on_device)
{
    int32_t s, row = 0;

    for (s = 0; s < n && spans[s].n_rows > 0; s++) {
        out[s] = (aci_span){ row, spans[s].n_rows, spans[s].first,
                             on_device ? &caches[s].device
                                       : &caches[s].host };
        row += spans[s].n_rows;
    }
    return s;
}

void cache_samples_free(cache_sample *caches, const span_sample *spans,
                        int32_t n)
{
    int32_t s;

    for (s = 0; s < n && spans[s].n_rows > 0; s++)
        cache_sample_free(&caches[s]);
}

double cache_sample_key(const aci_kv *kv, int32_t head, int32_t position,
                        int32_t d)
{
    return get(kv->k, kv->bits, key_at(kv, head, position, d), kv->k_scales,
               line_of(kv, head, position));
}

double cache_sample_value(const aci_kv *kv, int32_t head, int32_t position,
                          int32_t d)
{
    return get(kv->v, kv->bits, value_at(kv, head, position, d),
               kv->v_scales, line_of(kv, head, position));
}

/* ---- float64 ------------------------------------------------------------- */

static double exact_score(const float *q, const aci_kv *kv, int32_t head,
                          int32_t position, double scale)
{
    double dot = 0.0;
    int32_t d;

    for (d = 0; d < kv->head_dim; d++)
        dot += (double)q[d] * cache_sample_key(kv, head, position, d);
    return dot * scale;
}

void attention_exact(double *out, const float *q, const aci_kv *kv,
                     const aci_attention *a, int32_t position)
{
    int32_t from = a->window > 0 && position + 1 > a->window
                       ? position + 1 - a->window : 0;
    size_t n = (size_t)(position + 1 - from);
    double *weights = aci_platform_alloc(&fixture.memory, n * sizeof *weights);
    int32_t h, t, d, dim = a->head_dim;

    ck_assert_ptr_nonnull(weights);
    for (h = 0; h < a->n_head; h++) {
        int32_t head = h / (a->n_head / a->n_head_kv);
        double top = -INFINITY, sum = 0.0;

        for (t = from; t <= position; t++) {
            weights[t - from] = exact_score(q + h * dim, kv, head, t,
                                            (double)a->scale);
            top = fmax(top, weights[t - from]);
        }
        for (t = from; t <= position; t++)
            sum += weights[t - from] = exp(weights[t - from] - top);
        for (d = 0; d < dim; d++) {
            double mix = 0.0;

            for (t = from; t <= position; t++)
                mix += weights[t - from] * cache_sample_value(kv, head, t, d);
            out[h * dim + d] = mix / sum;
        }
    }
    aci_platform_free(&fixture.memory, weights);
}
