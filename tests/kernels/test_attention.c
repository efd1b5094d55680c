/* test_attention.c - norms, rotation, the cache and attention of every level
 * against float64, and against each other bit for bit. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_level.h"
#include "platform/half.h"
#include "platform/random.h"

Suite *test_attention_suite(void);

enum { MAX_POSITIONS = 224, MAX_HEADS = 12, MAX_DIM = 128,
       MAX_VALUES = MAX_POSITIONS * MAX_HEADS * MAX_DIM };

/* One shape of attention. */
typedef struct problem {
    int32_t n_head, n_head_kv, head_dim, window, bits;
    int32_t n_rotary, interleaved, qk_norm;
    int32_t n_past, n_rows; /* rows are appended after n_past positions */
} problem;

static const problem problems[] = {
    { 4, 4, 64, 0, 16, 64, 0, 0, 0, 1 },
    { 8, 2, 64, 0, 16, 64, 0, 0, 0, 130 },
    { 8, 2, 64, 0, 8, 64, 0, 0, 61, 70 },
    { 9, 3, 64, 0, 16, 64, 0, 0, 200, 1 },
    { 12, 1, 32, 0, 16, 32, 1, 0, 5, 9 },
    { 8, 4, 8, 0, 16, 8, 0, 0, 17, 63 },
    { 4, 2, 80, 0, 8, 80, 0, 0, 3, 65 },
    { 4, 1, 128, 0, 16, 128, 0, 1, 64, 64 },
    { 4, 2, 16, 7, 16, 16, 0, 0, 60, 40 },
    { 4, 2, 64, 64, 8, 64, 0, 1, 100, 66 },
};

static aci_memory memory;
static aci_pool *pool;
static aci_random dice;

static float q_in[MAX_VALUES], k_in[MAX_VALUES], v_in[MAX_VALUES];
static float norm_weight[MAX_DIM], frequency[MAX_DIM / 2];
static float first_out[MAX_VALUES], out[MAX_VALUES];
static double exact[MAX_VALUES];

static void setup(void)
{
    aci_platform_memory_init(&memory);
    aci_platform_random_seed(&dice, 11);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
}

static void teardown(void)
{
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static void fill(float *x, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        x[i] = (float)aci_platform_random_normal(&dice);
}

static void fill_problem(const problem *p)
{
    int32_t i;

    fill(q_in, MAX_VALUES);
    fill(k_in, MAX_VALUES);
    fill(v_in, MAX_VALUES);
    fill(norm_weight, MAX_DIM);
    for (i = 0; i < p->n_rotary / 2; i++)
        frequency[i] = powf(10000.0f, -2.0f * (float)i / (float)p->n_rotary);
}

static aci_attention attention_of(const problem *p)
{
    aci_attention a = { p->n_head, p->n_head_kv, p->head_dim, p->window,
                        1.0f / sqrtf((float)p->head_dim), NULL, NULL, 1e-6f,
                        { frequency, p->n_rotary, p->interleaved, 1.0f } };

    if (p->qk_norm)
        a.q_norm = a.k_norm = norm_weight;
    return a;
}

/* All positions through a backend: the past in one go, then the rows `at_once`
 * at a time. `result` [n_rows, n_head * head_dim]. 0: level not here. */
static int run(float *result, const char *level, const problem *p,
               int32_t at_once)
{
    static float q[MAX_VALUES], k[MAX_VALUES];
    aci_attention a = attention_of(p);
    int32_t total = p->n_past + p->n_rows, first = 0;
    size_t q_width = (size_t)(p->n_head * p->head_dim);
    size_t kv_width = (size_t)(p->n_head_kv * p->head_dim);
    aci_kv kv = { .bits = p->bits, .n_head_kv = p->n_head_kv,
                  .head_dim = p->head_dim,
                  .capacity = (total + 15) / 16 * 16 };
    size_t lines = (size_t)(p->n_head_kv * kv.capacity);
    size_t bytes = lines * (size_t)aci_kv_width(p->head_dim) *
                   (size_t)(p->bits / 8);
    aci_backend *backend = NULL;

    if (aci_kernels_cpu_level(level) == NULL)
        return 0;
    ck_assert_int_eq(aci_kernels_cpu_open(&backend, &memory, pool, level,
                                          2048, NULL), AC_OK);
    kv.k = aci_platform_alloc(&memory, bytes);
    kv.v = aci_platform_alloc(&memory, bytes);
    kv.k_scales = aci_platform_alloc(&memory, 2 * lines);
    kv.v_scales = aci_platform_alloc(&memory, 2 * lines);
    memset(kv.k, 0xFF, bytes); /* NaN where nothing was written */
    memset(kv.v, 0xFF, bytes);
    memset(kv.k_scales, 0xFF, 2 * lines);
    memset(kv.v_scales, 0xFF, 2 * lines);
    memcpy(q, q_in, sizeof q);
    memcpy(k, k_in, sizeof k);
    while (first < total) {
        int32_t n = first < p->n_past ? p->n_past : at_once;
        aci_span span = { 0, n, first, &kv };

        span.n_rows = n = n < total - first ? n : total - first;
        ck_assert_int_eq(backend->operations->rotate_append(
                             backend, q + (size_t)first * q_width,
                             k + (size_t)first * kv_width,
                             v_in + (size_t)first * kv_width, &span, 1, &a,
                             NULL), AC_OK);
        if (first >= p->n_past)
            ck_assert_int_eq(backend->operations->attend(
                                 backend,
                                 result + (size_t)(first - p->n_past) *
                                              q_width,
                                 q + (size_t)first * q_width, &span, 1, &a,
                                 NULL), AC_OK);
        first += n;
    }
    aci_platform_free(&memory, kv.k);
    aci_platform_free(&memory, kv.v);
    aci_platform_free(&memory, kv.k_scales);
    aci_platform_free(&memory, kv.v_scales);
    backend->operations->close(backend);
    return 1;
}

/* ---- float64 ------------------------------------------------------------- */

static void exact_rotate(double *x, const float *from, const problem *p,
                         int32_t position)
{
    int32_t half = p->n_rotary / 2, i;
    double sum = 0.0;

    for (i = 0; i < p->head_dim; i++)
        sum += (double)from[i] * (double)from[i];
    for (i = 0; i < p->head_dim; i++)
        x[i] = p->qk_norm ? (double)from[i] * (double)norm_weight[i] /
                                sqrt(sum / p->head_dim + 1e-6)
                          : (double)from[i];
    for (i = 0; i < half; i++) {
        int32_t a = p->interleaved ? 2 * i : i;
        int32_t b = p->interleaved ? 2 * i + 1 : i + half;
        double angle = (double)((float)position * frequency[i]);
        double xa = x[a], xb = x[b];

        x[a] = xa * cos(angle) - xb * sin(angle);
        x[b] = xb * cos(angle) + xa * sin(angle);
    }
}

static void exact_attention(double *result, const problem *p)
{
    static double weights[MAX_POSITIONS], q[MAX_DIM], k[MAX_DIM];
    int32_t row, h, t, d, group = p->n_head / p->n_head_kv;

    for (row = 0; row < p->n_rows; row++)
        for (h = 0; h < p->n_head; h++) {
            int32_t at = p->n_past + row, kv = h / group;
            int32_t from = p->window && at + 1 > p->window
                               ? at + 1 - p->window : 0;
            double *o = result + (row * p->n_head + h) * p->head_dim;
            double total = 0.0;

            exact_rotate(q, q_in + (at * p->n_head + h) * p->head_dim, p, at);
            memset(o, 0, (size_t)p->head_dim * sizeof *o);
            for (t = from; t <= at; t++) {
                double dot = 0.0;

                exact_rotate(k, k_in + (t * p->n_head_kv + kv) * p->head_dim,
                             p, t);
                for (d = 0; d < p->head_dim; d++)
                    dot += q[d] * k[d];
                weights[t] = exp(dot / sqrt((double)p->head_dim));
                total += weights[t];
            }
            for (t = from; t <= at; t++)
                for (d = 0; d < p->head_dim; d++)
                    o[d] += weights[t] / total *
                            (double)v_in[(t * p->n_head_kv + kv) *
                                             p->head_dim + d];
        }
}

START_TEST(attention_is_near_float64)
{
    const problem *p = &problems[_i];
    size_t n = (size_t)(p->n_rows * p->n_head * p->head_dim), i;
    double error = 0.0, size = 0.0;

    fill_problem(p);
    exact_attention(exact, p);
    run(out, "reference", p, p->n_rows);
    for (i = 0; i < n; i++) {
        error += pow((double)out[i] - exact[i], 2.0);
        size += exact[i] * exact[i];
    }
    /* float16 keys and values: 2^-11 each; int8: 1/127 of the largest */
    ck_assert_double_lt(sqrt(error / size), p->bits == 16 ? 2e-3 : 3e-2);
}
END_TEST

START_TEST(levels_and_batches_agree_bit_for_bit)
{
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    static const int32_t sizes[] = { 1, 5, 1000 };
    const problem *p = &problems[_i];
    size_t n = (size_t)(p->n_rows * p->n_head * p->head_dim);
    int l, s;

    fill_problem(p);
    run(first_out, "reference", p, p->n_rows);
    for (l = 0; l < 3; l++)
        for (s = 0; s < 3; s++) {
            if (!run(out, levels[l], p, sizes[s]))
                continue;
            ck_assert_msg(memcmp(out, first_out, n * sizeof *out) == 0,
                          "%s, %d rows at once", levels[l], (int)sizes[s]);
        }
}
END_TEST

/* ---- norm and gate ------------------------------------------------------- */

START_TEST(norm_and_gate_are_near_float64_and_equal_on_all_levels)
{
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    static const int32_t widths[] = { 1, 15, 16, 64, 100, 576, 2048 };
    static float x[2048], w[2048], y[2048], kept[2048];
    int l, i;
    int32_t k;

    for (i = 0; i < 7; i++) {
        int32_t n = widths[i];
        double sum = 0.0;

        fill(x, (size_t)n);
        fill(w, (size_t)n);
        for (k = 0; k < n; k++)
            sum += (double)x[k] * (double)x[k];
        for (l = 0; l < 3; l++) {
            const aci_cpu_level *level = aci_kernels_cpu_level(levels[l]);

            if (level == NULL)
                continue;
            level->rows->norm(y, x, w, n, n, 1e-5f);
            for (k = 0; k < n; k++)
                ck_assert_double_eq_tol((double)y[k], (double)x[k] *
                    (double)w[k] / sqrt(sum / n + 1e-5),
                    2e-6 * (1.0 + fabs((double)y[k])));
            if (l == 0)
                memcpy(kept, y, sizeof kept);
            ck_assert_mem_eq(kept, y, (size_t)n * sizeof *y);
            memcpy(y, x, sizeof y);
            level->rows->gate(y, w, (size_t)n);
            for (k = 0; k < n; k++)
                ck_assert_double_eq_tol((double)y[k], (double)x[k] /
                    (1.0 + exp(-(double)x[k])) * (double)w[k],
                    1e-6 * (1.0 + fabs((double)y[k])));
        }
    }
}
END_TEST

START_TEST(the_exponential_survives_extremes)
{
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    float x[16] = { -1e30f, 1e30f, -INFINITY, 90.0f, -90.0f, -0.0f };
    const float one[16] = { 1, 1, 1, 1, 1, 1 };
    int l, i;

    for (l = 0; l < 3; l++) {
        const aci_cpu_level *level = aci_kernels_cpu_level(levels[l]);
        float y[16];

        if (level == NULL)
            continue;
        memcpy(y, x, sizeof y);
        level->rows->gate(y, one, 6);
        for (i = 0; i < 6; i++)
            ck_assert(!isnan(y[i]) || isinf(x[i]));
        ck_assert_float_eq(y[1], 1e30f);
        ck_assert_float_eq(y[3], 90.0f);
    }
}
END_TEST

Suite *test_attention_suite(void)
{
    Suite *suite = suite_create("test_attention");
    TCase *tc = tcase_create("attention");
    int n = (int)(sizeof problems / sizeof *problems);

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, attention_is_near_float64, 0, n);
    tcase_add_loop_test(tc, levels_and_batches_agree_bit_for_bit, 0, n);
    tcase_add_test(tc, norm_and_gate_are_near_float64_and_equal_on_all_levels);
    tcase_add_test(tc, the_exponential_survives_extremes);
    suite_add_tcase(suite, tc);
    return suite;
}
