/* rows_body.h - norms, quantisation, rotation and attention: one source that
 * rows_reference.c, rows_avx2.c and rows_avx512.c each compile for their level.
 *
 * The includer defines `madd` (fused a*b+c on 16 lanes) and `load_half` (16
 * float16 to float32). Everything else is plain vector arithmetic in a fixed
 * order, so the levels agree to the last bit, and a row never depends on the
 * rows computed beside it. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/cpu_level.h"
#include "platform/half.h"

static inline vf load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

static inline vf splat(float x)
{
    return (vf){ x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x };
}

/* Lanes summed as a tree: 8+8, 4+4, 2+2, 1+1. */
static inline float sum_lanes(vf v)
{
    float a[16];
    int step, i;

    store(a, v);
    for (step = 8; step > 0; step /= 2)
        for (i = 0; i < step; i++)
            a[i] += a[i + step];
    return a[0];
}

static inline float max_lanes(vf v)
{
    float a[16], top;
    int i;

    store(a, v);
    top = a[0];
    for (i = 1; i < 16; i++)
        top = a[i] > top ? a[i] : top;
    return top;
}

/* The first n < 16 floats, zeros behind. */
static inline vf load_part(const float *p, int32_t n)
{
    float a[16] = { 0 };

    memcpy(a, p, (size_t)n * sizeof *p);
    return load(a);
}

static inline vf vmax(vf a, vf b)
{
    vi more = a > b;
    return (vf)(((vi)a & more) | ((vi)b & ~more));
}

static inline vf vmin(vf a, vf b)
{
    vi less = a < b;
    return (vf)(((vi)a & less) | ((vi)b & ~less));
}

static inline vf vabs(vf a)
{
    return (vf)((vi)a & 0x7FFFFFFF);
}

/* Round half to even, |x| < 2^22. */
static inline vf vround(vf x)
{
    return (x + 0x1.8p23f) - 0x1.8p23f;
}

/* e^x, relative error about 1e-7; Cody-Waite reduction, minimax polynomial of
 * degree 6 (Cephes, S. Moshier). Below -87.3 it gives about 1e-38. */
static inline vf vexp(vf x)
{
    vf n, y;

    x = vmin(vmax(x, splat(-87.33654f)), splat(88.37626f));
    n = vround(x * 1.44269504f);
    x = madd(n, splat(-0.693359375f), x);
    x = madd(n, splat(2.12194440e-4f), x);
    y = splat(1.9875691500e-4f);
    y = madd(y, x, splat(1.3981999507e-3f));
    y = madd(y, x, splat(8.3334519073e-3f));
    y = madd(y, x, splat(4.1665795894e-2f));
    y = madd(y, x, splat(1.6666665459e-1f));
    y = madd(y, x, splat(5.0000001201e-1f));
    y = madd(y, x * x, x + 1.0f);
    return (vf)((vi)y + (__builtin_convertvector(n, vi) << 23));
}

/* ---- norm and quantisation ----------------------------------------------- */

static void norm(float *out, const float *x, const float *weight, int32_t n,
                 int32_t n_padded, float eps)
{
    vf sum = splat(0.0f);
    float root;
    int32_t i, whole = n / 16 * 16;

    for (i = 0; i < whole; i += 16)
        sum = madd(load(x + i), load(x + i), sum);
    if (whole < n) {
        vf tail = load_part(x + whole, n - whole);
        sum = madd(tail, tail, sum);
    }
    root = 1.0f / sqrtf(sum_lanes(sum) / (float)n + eps);
    for (i = 0; i < whole; i += 16)
        store(out + i, load(x + i) * root * load(weight + i));
    for (; i < n; i++)
        out[i] = x[i] * root * weight[i];
    if (n_padded > n)
        memset(out + n, 0, (size_t)(n_padded - n) * sizeof *out);
}

/* One group; see the contract in backend.h. */
static inline void quantise_group(int8_t *high, int8_t *low, float *scale,
                                  int32_t *sum_high, int32_t *sum_low,
                                  const float *x, int32_t group, float limit)
{
    vf most = splat(0.0f);
    vi high_sum = { 0 }, low_sum = { 0 };
    float top, factor;
    int32_t k, i;

    for (k = 0; k < group; k += 16)
        most = vmax(most, vabs(load(x + k)));
    top = max_lanes(most);
    factor = top > 0.0f ? limit / top : 0.0f;
    if (!(factor < 3e38f)) /* a group of denormals counts as zero */
        factor = top = 0.0f;
    *scale = top / limit;
    for (k = 0; k < group; k += 16) {
        vi v = __builtin_convertvector(vround(load(x + k) * factor), vi);
        vi h = v, l = { 0 };

        if (low != NULL) {
            l = ((v + 128) & 255) - 128;
            h = (v - l) >> 8;
            low_sum += l;
            vb lb = __builtin_convertvector(l, vb);
            memcpy(low + k, &lb, sizeof lb);
        }
        high_sum += h;
        vb hb = __builtin_convertvector(h, vb);
        memcpy(high + k, &hb, sizeof hb);
    }
    *sum_high = *sum_low = 0;
    for (i = 0; i < 16; i++) {
        *sum_high += high_sum[i];
        *sum_low += low_sum[i];
    }
}

static void quantise(aci_activations *a, int32_t row, const float *x)
{
    size_t at = (size_t)row * (size_t)a->n_in_padded;
    size_t group_at = (size_t)row * (size_t)a->n_groups;
    float limit = a->bits == 8 ? 127.0f : 32512.0f;
    int32_t g;

    for (g = 0; g < a->n_groups; g++) {
        size_t k = at + (size_t)g * (size_t)a->group;

        quantise_group(a->high + k, a->bits == 16 ? a->low + k : NULL,
                       &a->scales[group_at + (size_t)g],
                       &a->sum_high[group_at + (size_t)g],
                       &a->sum_low[group_at + (size_t)g],
                       x + (size_t)g * (size_t)a->group, a->group, limit);
    }
}

/* ---- feed-forward and float32 products ----------------------------------- */

static inline vf silu(vf x)
{
    return x / (1.0f + vexp(-x));
}

static void gate(float *out, const float *up, size_t n)
{
    size_t i;

    for (i = 0; i + 16 <= n; i += 16)
        store(out + i, silu(load(out + i)) * load(up + i));
    if (i < n) {
        vf x = load_part(out + i, (int32_t)(n - i));
        vf y = silu(x) * load_part(up + i, (int32_t)(n - i));

        memcpy(out + i, &y, (n - i) * sizeof *out);
    }
}

/* Rows [first, last) of float32 weights times x, in four partial sums. */
static void dense(float *out, const float *x, const float *weights,
                  int32_t n_in, int32_t first, int32_t last)
{
    int32_t row, i, whole = n_in / 64 * 64;

    for (row = first; row < last; row++) {
        const float *w = weights + (size_t)row * (size_t)n_in;
        vf s0 = splat(0.0f), s1 = s0, s2 = s0, s3 = s0;

        for (i = 0; i < whole; i += 64) {
            s0 = madd(load(x + i), load(w + i), s0);
            s1 = madd(load(x + i + 16), load(w + i + 16), s1);
            s2 = madd(load(x + i + 32), load(w + i + 32), s2);
            s3 = madd(load(x + i + 48), load(w + i + 48), s3);
        }
        for (; i + 16 <= n_in; i += 16)
            s0 = madd(load(x + i), load(w + i), s0);
        if (i < n_in)
            s1 = madd(load_part(x + i, n_in - i),
                      load_part(w + i, n_in - i), s1);
        out[row] = sum_lanes((s0 + s1) + (s2 + s3));
    }
}

/* ---- attention ----------------------------------------------------------- */

/* Su et al. 2021: pairs (i, i + half), or (2i, 2i + 1) when interleaved. */
static void rotate(float *x, const float *cosine, const float *sine,
                   int32_t half, int32_t interleaved)
{
    int32_t step = interleaved ? 1 : half, stride = interleaved ? 2 : 1, i;

    for (i = 0; i < half; i++) {
        float a = x[i * stride], b = x[i * stride + step];

        x[i * stride] = a * cosine[i] - b * sine[i];
        x[i * stride + step] = b * cosine[i] + a * sine[i];
    }
}

/* float16 scale for int8 values, and its reciprocal; both 0 for zeros. */
static inline float row_scale(uint16_t *half, const float *x, int32_t n)
{
    float top = 0.0f, scale;
    int32_t i;

    for (i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    *half = aci_platform_f16_from_f32(top / 127.0f);
    scale = aci_platform_f32_from_f16(*half);
    return scale > 0.0f ? 1.0f / scale : 0.0f;
}

static inline int8_t to_int8(float x)
{
    x = (x + 0x1.8p23f) - 0x1.8p23f;
    return (int8_t)(x > 127.0f ? 127.0f : x < -127.0f ? -127.0f : x);
}

static void append(const aci_kv *kv, int32_t head, int32_t position,
                   const float *k, const float *v)
{
    size_t width = (size_t)aci_kv_width(kv->head_dim);
    size_t line = (size_t)head * (size_t)kv->capacity + (size_t)position;
    size_t k_at = (line - (size_t)position % 16) * width +
                  (size_t)position % 16;
    size_t v_at = line * width, dim = (size_t)kv->head_dim, d;

    if (kv->bits == 32) {
        float *ks = kv->k, *vs = kv->v;

        for (d = 0; d < width; d++) {
            ks[k_at + 16 * d] = d < dim ? k[d] : 0.0f;
            vs[v_at + d] = d < dim ? v[d] : 0.0f;
        }
    } else if (kv->bits == 16) {
        uint16_t *ks = kv->k, *vs = kv->v;

        for (d = 0; d < width; d++) {
            ks[k_at + 16 * d] = d < dim ? aci_platform_f16_from_f32(k[d]) : 0;
            vs[v_at + d] = d < dim ? aci_platform_f16_from_f32(v[d]) : 0;
        }
    } else {
        int8_t *ks = kv->k, *vs = kv->v;
        float kr = row_scale(&kv->k_scales[line], k, kv->head_dim);
        float vr = row_scale(&kv->v_scales[line], v, kv->head_dim);

        for (d = 0; d < width; d++) {
            ks[k_at + 16 * d] = d < dim ? to_int8(k[d] * kr) : 0;
            vs[v_at + d] = d < dim ? to_int8(v[d] * vr) : 0;
        }
    }
}

static inline vf load_int8(const int8_t *p)
{
    vb v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vf);
}

/* Sixteen cached values from element `at` on. */
static inline __attribute__((always_inline)) vf
load_cached(const void *cache, size_t at, int32_t bits)
{
    if (bits == 16)
        return load_half((const uint16_t *)cache + at);
    return bits == 8 ? load_int8((const int8_t *)cache + at)
                     : load((const float *)cache + at);
}

enum { CHUNK = 64, BLOCKS = CHUNK / 16 };

/* Scores of `n` queries (a constant) against 16 positions. */
static inline __attribute__((always_inline)) void
score_block(float (*scores)[CHUNK], const aci_attention_tile *t, int32_t n,
            size_t k_at, int32_t column)
{
    const aci_kv *kv = t->kv;
    vf sum[ACI_QUERY_TILE];
    int32_t i, d;

    for (i = 0; i < n; i++)
        sum[i] = splat(0.0f);
    for (d = 0; d < kv->head_dim; d++) {
        size_t at = k_at + 16 * (size_t)d;
        vf k = load_cached(kv->k, at, kv->bits);

        for (i = 0; i < n; i++)
            sum[i] = madd(splat(t->q[i][d]), k, sum[i]);
    }
    for (i = 0; i < n; i++)
        store(scores[i] + column, sum[i]);
}

static void score_chunk(float (*scores)[CHUNK], const aci_attention_tile *t,
                        int32_t first, int32_t n_blocks)
{
    const aci_kv *kv = t->kv;
    size_t line = (size_t)t->kv_head * (size_t)kv->capacity + (size_t)first;
    int32_t width = aci_kv_width(kv->head_dim), b, i;

    for (b = 0; b < n_blocks; b++) {
        size_t k_at = (line + 16 * (size_t)b) * (size_t)width;

        switch (t->n) {
        case 1: score_block(scores, t, 1, k_at, 16 * b); break;
        case 2: score_block(scores, t, 2, k_at, 16 * b); break;
        case 3: score_block(scores, t, 3, k_at, 16 * b); break;
        case 4: score_block(scores, t, 4, k_at, 16 * b); break;
        case 5: score_block(scores, t, 5, k_at, 16 * b); break;
        case 6: score_block(scores, t, 6, k_at, 16 * b); break;
        case 7: score_block(scores, t, 7, k_at, 16 * b); break;
        default: score_block(scores, t, 8, k_at, 16 * b); break;
        }
        if (kv->bits == 8)
            for (i = 0; i < t->n; i++)
                store(scores[i] + 16 * b,
                      load(scores[i] + 16 * b) *
                          load_half(kv->k_scales + line + 16 * b));
    }
}

/* Turns one query's scores of a chunk into weights, zero outside [low, high),
 * and rescales what it has summed so far (online softmax). */
static void weigh(float *weights, float *top, vf *sum, float *out,
                  int32_t width, float scale, int32_t low, int32_t high)
{
    const vi lane = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    vf s[BLOCKS], most = splat(*top);
    float new_top, factor;
    int32_t b, d;

    for (b = 0; b < BLOCKS; b++) {
        vi inside = (lane + 16 * b >= low) & (lane + 16 * b < high);

        s[b] = load(weights + 16 * b) * scale;
        s[b] = (vf)(((vi)s[b] & inside) |
                    ((vi)splat(-INFINITY) & ~inside));
        most = vmax(most, s[b]);
    }
    new_top = max_lanes(most);
    factor = vexp(splat(*top - new_top))[0];
    if (*top == -INFINITY)
        factor = 0.0f;
    *sum *= factor;
    for (b = 0; b < BLOCKS; b++) {
        vi inside = (lane + 16 * b >= low) & (lane + 16 * b < high);
        vf w = (vf)((vi)vexp(s[b] - new_top) & inside);

        *sum += w;
        store(weights + 16 * b, w);
    }
    if (factor != 1.0f)
        for (d = 0; d < width; d += 16)
            store(out + d, load(out + d) * factor);
    *top = new_top;
}

/* out[i] += sum over positions of weight * v, four queries and 64 columns (or
 * what is left of them) at a time. */
static inline __attribute__((always_inline)) void
mix_tile(float (*out)[ACI_MAX_HEAD_DIM], float (*weights)[CHUNK],
         const aci_kv *kv, size_t v_at, int32_t low, int32_t high,
         int32_t width, int32_t n, int32_t n_vectors)
{
    vf sum[4][4];
    int32_t i, j, p;

    for (i = 0; i < n; i++)
        for (j = 0; j < n_vectors; j++)
            sum[i][j] = load(out[i] + 16 * j);
    for (p = low; p < high; p++) {
        size_t at = v_at + (size_t)p * (size_t)width;

        for (j = 0; j < n_vectors; j++) {
            vf v = load_cached(kv->v, at + 16 * (size_t)j, kv->bits);

            for (i = 0; i < n; i++)
                sum[i][j] = madd(splat(weights[i][p]), v, sum[i][j]);
        }
    }
    for (i = 0; i < n; i++)
        for (j = 0; j < n_vectors; j++)
            store(out[i] + 16 * j, sum[i][j]);
}

static void mix_queries(float (*out)[ACI_MAX_HEAD_DIM],
                        float (*weights)[CHUNK], const aci_kv *kv,
                        size_t v_at, int32_t low, int32_t high, int32_t width,
                        int32_t n)
{
    int32_t d;

    for (d = 0; d + 64 <= width; d += 64) {
        float (*o)[ACI_MAX_HEAD_DIM] =
            (float (*)[ACI_MAX_HEAD_DIM])(void *)(out[0] + d);
        size_t at = v_at + (size_t)d;

        switch (n) {
        case 1: mix_tile(o, weights, kv, at, low, high, width, 1, 4); break;
        case 2: mix_tile(o, weights, kv, at, low, high, width, 2, 4); break;
        case 3: mix_tile(o, weights, kv, at, low, high, width, 3, 4); break;
        default: mix_tile(o, weights, kv, at, low, high, width, 4, 4); break;
        }
    }
    for (; d < width; d += 16)
        mix_tile((float (*)[ACI_MAX_HEAD_DIM])(void *)(out[0] + d), weights,
                 kv, v_at + (size_t)d, low, high, width, n, 1);
}

static void attend(const aci_attention_tile *t)
{
    const aci_kv *kv = t->kv;
    int32_t width = aci_kv_width(kv->head_dim), first, i, d, p;
    int32_t last = 0, start = INT32_MAX, from[ACI_QUERY_TILE];
    float out[ACI_QUERY_TILE][ACI_MAX_HEAD_DIM];
    float scores[ACI_QUERY_TILE][CHUNK], top[ACI_QUERY_TILE];
    vf sum[ACI_QUERY_TILE];

    for (i = 0; i < t->n; i++) {
        int32_t end = t->position[i] + 1;

        from[i] = t->window > 0 && end > t->window ? end - t->window : 0;
        start = from[i] < start ? from[i] : start;
        last = end > last ? end : last;
        top[i] = -INFINITY;
        sum[i] = splat(0.0f);
        memset(out[i], 0, (size_t)width * sizeof out[i][0]);
    }
    for (first = start / CHUNK * CHUNK; first < last; first += CHUNK) {
        size_t line = (size_t)t->kv_head * (size_t)kv->capacity +
                      (size_t)first;
        int32_t n = last - first < CHUNK ? last - first : CHUNK;
        int32_t low = n, high = 0;

        score_chunk(scores, t, first, (n + 15) / 16);
        for (i = 0; i < t->n; i++) {
            int32_t a = from[i] > first ? from[i] - first : 0;
            int32_t b = t->position[i] + 1 - first;

            b = b < CHUNK ? b : CHUNK;
            if (b <= a) { /* this query sees nothing of the chunk */
                memset(scores[i], 0, sizeof scores[i]);
                continue;
            }
            weigh(scores[i], &top[i], &sum[i], out[i], width, t->scale, a, b);
            low = a < low ? a : low;
            high = b > high ? b : high;
            for (p = a; p < b && kv->bits == 8; p++)
                scores[i][p] *= aci_platform_f32_from_f16(
                    kv->v_scales[line + (size_t)p]);
        }
        for (i = 0; i < t->n; i += 4)
            mix_queries(out + i, scores + i, kv, line * (size_t)width, low,
                        high, width, t->n - i < 4 ? t->n - i : 4);
    }
    for (i = 0; i < t->n; i++) {
        float total = sum_lanes(sum[i]);

        for (d = 0; d < kv->head_dim; d++)
            t->out[i][d] = out[i][d] / total;
    }
}
