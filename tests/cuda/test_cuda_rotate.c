/* test_cuda_rotate.c - q/k norm, rotary positions and the writing of caches by
 * cuda/rotate.cu, against float64 and the CPU's reference. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "attention_sample.h"

Suite *test_cuda_rotate_suite(void);

enum { SPANS = 3, MAX_FLOATS = 1 << 15, MAX_DIM = 256 };

/* One call. Spans end with one of no rows. */
typedef struct problem {
    int32_t n_head, n_head_kv, head_dim, bits, n_rotary, interleaved, qk_norm;
    float magnitude;
    span_sample spans[SPANS];
} problem;

static const problem problems[] = {
    { 1, 1, 2, 32, 2, 0, 0, 1.0f, { { 0, 1 } } },
    { 4, 2, 64, 16, 64, 0, 0, 1.0f, { { 0, 7 }, { 100, 1 }, { 15, 3 } } },
    { 9, 3, 16, 8, 16, 1, 0, 1.0f, { { 14, 5 }, { 31, 2 } } },
    { 3, 3, 5, 16, 4, 0, 1, 1.0f, { { 6, 17 } } },
    { 8, 1, 40, 8, 20, 0, 1, 1.0f, { { 250, 9 } } },
    { 2, 1, 128, 16, 128, 0, 1, 1.0f, { { 4000, 2 } } },
    { 2, 2, 80, 32, 32, 1, 1, 1.25f, { { 63, 3 }, { 0, 2 } } },
    { 12, 2, 20, 8, 0, 0, 0, 1.0f, { { 3, 30 } } },
    { 1, 1, 256, 16, 256, 1, 0, 0.8f, { { 5, 2 } } },
    { 1, 1, 8, 8, 8, 0, 0, 1.0f, { { 100000, 2 } } },
    { 17, 1, 6, 32, 6, 0, 0, 1.0f, { { 1, 65 } } },
};
enum { PROBLEMS = sizeof problems / sizeof *problems };

static aci_random dice;
static float q_in[MAX_FLOATS], k_in[MAX_FLOATS], v_in[MAX_FLOATS];
static float q_cpu[MAX_FLOATS], k_cpu[MAX_FLOATS];
static float q_out[MAX_FLOATS], q_again[MAX_FLOATS];
static float norm_q[MAX_DIM], norm_k[MAX_DIM], frequency[MAX_DIM / 2];

static void fill(float *x, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        x[i] = (float)aci_platform_random_normal(&dice);
}

static void setup(void)
{
    cuda_fixture_open(512);
    aci_platform_random_seed(&dice, 29);
    fill(q_in, MAX_FLOATS);
    fill(k_in, MAX_FLOATS);
    fill(v_in, MAX_FLOATS);
    fill(norm_q, MAX_DIM);
    fill(norm_k, MAX_DIM);
}

static aci_attention attention_of(const problem *p)
{
    aci_attention a = { .n_head = p->n_head, .n_head_kv = p->n_head_kv,
                        .head_dim = p->head_dim, .norm_eps = 1e-6f,
                        .rope = { frequency, p->n_rotary, p->interleaved,
                                  p->magnitude } };
    int32_t i;

    if (p->qk_norm) {
        a.q_norm = norm_q;
        a.k_norm = norm_k;
    }
    for (i = 0; i < p->n_rotary / 2; i++)
        frequency[i] = powf(10000.0f, -2.0f * (float)i / (float)p->n_rotary);
    return a;
}

static void make_caches(cache_sample *caches, const problem *p)
{
    int32_t s;

    for (s = 0; s < SPANS && p->spans[s].n_rows > 0; s++)
        cache_sample_make(&caches[s], p->bits, p->n_head_kv, p->head_dim,
                          p->spans[s].first + p->spans[s].n_rows + 3);
}

/* The operation on the device; `row` is the first span's first in the inputs.
 * The rotated queries come to `result`. */
static void rotate(float *result, const aci_span *spans, int32_t n_spans,
                   const problem *p, int32_t row)
{
    aci_attention a = attention_of(p);
    size_t n = (size_t)(spans[n_spans - 1].first_row +
                        spans[n_spans - 1].n_rows);
    size_t q_width = (size_t)(p->n_head * p->head_dim);
    size_t kv_width = (size_t)(p->n_head_kv * p->head_dim);
    float *q = cuda_fixture_upload(q_in + (size_t)row * q_width, n * q_width);
    float *k = cuda_fixture_upload(k_in + (size_t)row * kv_width,
                                   n * kv_width);
    float *v = cuda_fixture_upload(v_in + (size_t)row * kv_width,
                                   n * kv_width);
    float *weights[2] = { cuda_fixture_upload(norm_q, MAX_DIM),
                          cuda_fixture_upload(norm_k, MAX_DIM) };
    ac_error error = AC_ERROR_INIT;

    if (p->qk_norm) {
        a.q_norm = weights[0];
        a.k_norm = weights[1];
    }
    ck_assert_msg(fixture.cuda->operations->rotate_append(
                      fixture.cuda, q, k, v, spans, n_spans, &a, &error) ==
                      AC_OK, "%s", error.message);
    cuda_fixture_download(result, q, n * q_width);
    cuda_fixture_release(q);
    cuda_fixture_release(k);
    cuda_fixture_release(v);
    cuda_fixture_release(weights[0]);
    cuda_fixture_release(weights[1]);
}

/* ---- float64 ------------------------------------------------------------- */

static void exact_rotate(double *x, const float *from, const float *weight,
                         const problem *p, int32_t position)
{
    int32_t half = p->n_rotary / 2, i;
    double sum = 0.0;

    for (i = 0; i < p->head_dim; i++)
        sum += (double)from[i] * (double)from[i];
    for (i = 0; i < p->head_dim; i++)
        x[i] = p->qk_norm ? (double)from[i] * (double)weight[i] /
                                sqrt(sum / p->head_dim + 1e-6)
                          : (double)from[i];
    for (i = 0; i < half; i++) {
        int32_t a = p->interleaved ? 2 * i : i;
        int32_t b = p->interleaved ? 2 * i + 1 : i + half;
        double angle = (double)((float)position * frequency[i]);
        double c = cos(angle) * (double)p->magnitude;
        double s = sin(angle) * (double)p->magnitude;
        double xa = x[a], xb = x[b];

        x[a] = xa * c - xb * s;
        x[b] = xb * c + xa * s;
    }
}

/* float32 roundings, and those of cosine and sine: some 1e-6 of the largest. */
static double slack(const double *x, int32_t n)
{
    double top = 0.0;
    int32_t i;

    for (i = 0; i < n; i++)
        top = fmax(top, fabs(x[i]));
    return 1e-6 * top;
}

static void check_queries(const problem *p, const aci_span *span)
{
    double x[MAX_DIM];
    int32_t row, h, d;

    for (row = 0; row < span->n_rows; row++)
        for (h = 0; h < p->n_head; h++) {
            int32_t at = ((span->first_row + row) * p->n_head + h) *
                         p->head_dim;

            exact_rotate(x, q_in + at, norm_q, p, span->first_position + row);
            for (d = 0; d < p->head_dim; d++)
                ck_assert_double_eq_tol((double)q_out[at + d], x[d],
                                        slack(x, p->head_dim));
        }
}

/* What the format's own rounding may take from keys of this size. */
static double rounding_of(int32_t bits, const double *x, int32_t n, double at)
{
    double top = slack(x, n) * 1e6;

    return bits == 32 ? 0.0 : bits == 16 ? fabs(at) / 2048.0 + 3e-8
                                         : top / 127.0 * 0.5005;
}

static void check_key(const problem *p, const aci_kv *kv, int32_t head,
                      int32_t position, const float *from)
{
    double x[MAX_DIM];
    int32_t d;

    exact_rotate(x, from, norm_k, p, position);
    for (d = 0; d < p->head_dim; d++)
        ck_assert_double_eq_tol(cache_sample_key(kv, head, position, d), x[d],
                                slack(x, p->head_dim) +
                                    rounding_of(p->bits, x, p->head_dim,
                                                x[d]));
    for (; d < aci_kv_width(p->head_dim); d++)
        ck_assert_double_eq(cache_sample_key(kv, head, position, d), 0.0);
}

/* The span's keys are near float64's; around them nothing was written. */
static void check_keys(const problem *p, const aci_span *span,
                       const aci_kv *kv)
{
    int32_t h, t, from = span->first_position - 20;

    for (h = 0; h < p->n_head_kv; h++)
        for (t = from > 0 ? from : 0; t < kv->capacity; t++) {
            int32_t row = t - span->first_position;

            if (row < 0 || row >= span->n_rows)
                ck_assert(isnan(cache_sample_key(kv, h, t, 0)));
            else
                check_key(p, kv, h, t,
                          k_in + ((span->first_row + row) * p->n_head_kv +
                                  h) * p->head_dim);
        }
}

START_TEST(queries_and_keys_are_near_float64)
{
    const problem *p = &problems[_i];
    cache_sample caches[SPANS];
    aci_span spans[SPANS];
    int32_t n_spans, s;

    make_caches(caches, p);
    n_spans = cache_samples_spans(spans, caches, p->spans, SPANS, 1);
    rotate(q_out, spans, n_spans, p, 0);
    for (s = 0; s < n_spans; s++) {
        cache_sample_download(&caches[s]);
        check_queries(p, &spans[s]);
        check_keys(p, &spans[s], &caches[s].host);
    }
    cache_samples_free(caches, p->spans, SPANS);
}
END_TEST

/* Values are not rotated: those in the cache are the CPU's to the last bit,
 * and so is everything around them. */
START_TEST(values_are_the_cpus_bit_for_bit)
{
    const problem *p = &problems[_i];
    cache_sample ours[SPANS], theirs[SPANS];
    aci_span spans[SPANS];
    aci_attention a = attention_of(p);
    int32_t n_spans, s;

    make_caches(ours, p);
    make_caches(theirs, p);
    rotate(q_out, spans,
           cache_samples_spans(spans, ours, p->spans, SPANS, 1), p, 0);
    n_spans = cache_samples_spans(spans, theirs, p->spans, SPANS, 0);
    memcpy(q_cpu, q_in, sizeof q_cpu);
    memcpy(k_cpu, k_in, sizeof k_cpu);
    ck_assert_int_eq(fixture.cpu->operations->rotate_append(
                         fixture.cpu, q_cpu, k_cpu, v_in, spans, n_spans, &a,
                         NULL), AC_OK);
    for (s = 0; s < n_spans; s++) {
        cache_sample_download(&ours[s]);
        ck_assert_mem_eq(ours[s].host.v, theirs[s].host.v, ours[s].bytes);
        if (p->bits == 8)
            ck_assert_mem_eq(ours[s].host.v_scales, theirs[s].host.v_scales,
                             ours[s].scale_bytes);
    }
    cache_samples_free(ours, p->spans, SPANS);
    cache_samples_free(theirs, p->spans, SPANS);
}
END_TEST

/* Row by row, threads in another order: the same bits in q and the caches. */
START_TEST(rows_have_the_same_bits_alone)
{
    const problem *p = &problems[_i];
    size_t width = (size_t)(p->n_head * p->head_dim);
    cache_sample whole[SPANS], parts[SPANS];
    aci_span spans[SPANS];
    int32_t n_spans, s, row;

    make_caches(whole, p);
    make_caches(parts, p);
    n_spans = cache_samples_spans(spans, whole, p->spans, SPANS, 1);
    rotate(q_out, spans, n_spans, p, 0);
    for (s = 0; s < n_spans; s++) {
        for (row = 0; row < spans[s].n_rows; row++) {
            aci_span one = { 0, 1, spans[s].first_position + row,
                             &parts[s].device };
            int32_t number = spans[s].first_row + row;

            cuda_fixture_order((unsigned)number);
            rotate(q_again, &one, 1, p, number);
            ck_assert_mem_eq(q_again, q_out + (size_t)number * width,
                             width * sizeof *q_out);
        }
        cache_sample_download(&whole[s]);
        cache_sample_download(&parts[s]);
        ck_assert_mem_eq(whole[s].host.k, parts[s].host.k, whole[s].bytes);
        ck_assert_mem_eq(whole[s].host.v, parts[s].host.v, whole[s].bytes);
        if (p->bits == 8)
            ck_assert_mem_eq(whole[s].host.k_scales, parts[s].host.k_scales,
                             whole[s].scale_bytes);
    }
    cuda_fixture_order(0);
    cache_samples_free(whole, p->spans, SPANS);
    cache_samples_free(parts, p->spans, SPANS);
}
END_TEST

/* A head of zeros has a scale of zero, and is zeros. */
START_TEST(zeros_are_kept_as_zeros)
{
    const problem p = { 1, 1, 16, 8, 16, 0, 0, 1.0f, { { 4, 2 } } };
    cache_sample cache;
    aci_span span;
    int32_t d;

    make_caches(&cache, &p);
    memset(k_in, 0, 16 * sizeof *k_in);
    memset(v_in, 0, 16 * sizeof *v_in);
    cache_samples_spans(&span, &cache, p.spans, SPANS, 1);
    rotate(q_out, &span, 1, &p, 0);
    cache_sample_download(&cache);
    for (d = 0; d < 16; d++) {
        ck_assert_double_eq(cache_sample_key(&cache.host, 0, 4, d), 0.0);
        ck_assert_double_eq(cache_sample_value(&cache.host, 0, 4, d), 0.0);
    }
    cache_sample_free(&cache);
}
END_TEST

Suite *test_cuda_rotate_suite(void)
{
    Suite *suite = suite_create("test_cuda_rotate");
    TCase *tc = tcase_create("rotate");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, cuda_fixture_close);
    tcase_add_loop_test(tc, queries_and_keys_are_near_float64, 0, PROBLEMS);
    tcase_add_loop_test(tc, values_are_the_cpus_bit_for_bit, 0, PROBLEMS);
    tcase_add_loop_test(tc, rows_have_the_same_bits_alone, 0, PROBLEMS);
    tcase_add_test(tc, zeros_are_kept_as_zeros);
    suite_add_tcase(suite, tc);
    return suite;
}
