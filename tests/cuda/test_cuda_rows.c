/* test_cuda_rows.c - what happens to rows one by one, and products of float32
 * weights: embed, norm, gated input and dense project on the device against
 * float64 and the CPU's reference. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "cuda_fixture.h"
#include "kernels/product_sample.h"
#include "platform/half.h"

Suite *test_cuda_rows_suite(void);

enum { MAX_WIDTH = 1024, MAX_FLOATS = 1 << 16 };

static aci_random dice;
static float x[MAX_FLOATS], y[MAX_FLOATS], found[MAX_FLOATS],
    again[MAX_FLOATS], expected[MAX_FLOATS];

static void fill(float *to, size_t n)
{
    ck_assert_uint_le(n, MAX_FLOATS);
    product_sample_fill(&dice, to, n, 1.0f);
}

static void setup(void)
{
    cuda_fixture_open(MAX_WIDTH);
    aci_platform_random_seed(&dice, 31);
}

static const aci_backend_operations *cuda(void)
{
    return fixture.cuda->operations;
}

static void succeed(ac_status status)
{
    ck_assert_int_eq(status, AC_OK);
}

/* ---- embed --------------------------------------------------------------- */

static const int32_t tokens[] = { 0, 36, 7, 8, 15, 16, 31, 32, 7 };
enum { TOKENS = sizeof tokens / sizeof *tokens, WORDS = 37 };

static void embed(float *out, const aci_linear *table)
{
    size_t n = (size_t)TOKENS * (size_t)table->weight->n_in;
    float *to = cuda_fixture_upload(x, n);

    succeed(cuda()->embed(fixture.cuda, to, table, tokens, TOKENS, NULL));
    cuda_fixture_download(out, to, n);
    cuda_fixture_release(to);
}

/* Element (row, column) by the words of matrix.h. */
static double exact_weight(const product_sample *s, int32_t row,
                           int32_t column, int bits)
{
    const aci_matrix *m = &s->matrix;
    int shift;
    size_t at = aci_matrix_nibble_at(m, row, column, &shift);
    double scale = (double)aci_platform_f32_from_f16(
        s->scales[aci_matrix_scale_at(m, row, column / m->group)]);
    int w = (s->a[at] >> shift & 15) - 8;

    if (bits == 4)
        return w * scale;
    w = m->ratio * w + (s->b[at] >> shift & 15) - 8;
    if (bits == 8)
        return w * scale / m->ratio;
    w = 256 * w + s->c[aci_matrix_byte_at(m, row, column)] - 128;
    return w * scale / (256.0 * m->ratio);
}

static void check_table(const product_sample *s, const aci_matrix *view,
                        int bits)
{
    aci_matrix placed = *view;
    aci_linear table = { view, NULL, bits, bits == 16 ? 16 : 8 };
    int32_t i, k;

    succeed(fixture.cpu->operations->embed(fixture.cpu, expected, &table,
                                           tokens, TOKENS, NULL));
    cuda_fixture_adopt(&placed);
    table.weight = &placed;
    embed(found, &table);
    ck_assert_mem_eq(found, expected,
                     (size_t)(TOKENS * view->n_in) * sizeof *found);
    for (i = 0; i < TOKENS; i++)
        for (k = 0; k < view->n_in; k++) {
            double exact = exact_weight(s, tokens[i], k, bits);

            ck_assert_double_eq_tol((double)found[i * view->n_in + k], exact,
                                    2e-7 * fabs(exact) + 1e-30);
        }
}

START_TEST(embedding_equals_the_cpus_bit_for_bit)
{
    static const int32_t widths[] = { 1, 40, 64, 65, 200, 576 };
    static const int32_t groups[] = { 32, 64, 128 };
    int i, b;

    for (i = 0; i < 6; i++) {
        product_sample s;
        aci_matrix cut;

        cuda_fixture_reopen(MAX_WIDTH);
        product_sample_make(&s, &fixture.memory, &dice, WORDS, widths[i],
                            groups[i % 3], 8 + i, 0);
        cut = aci_matrix_cut(&s.matrix, WORDS, (widths[i] + 1) / 2);
        for (b = 4; b <= 16; b *= 2) {
            check_table(&s, &s.matrix, b);
            check_table(&s, &cut, b);
        }
        product_sample_free(&fixture.memory, &s);
    }
}
END_TEST

START_TEST(embedding_copies_float32)
{
    static const int32_t widths[] = { 1, 255, 256, 257 };
    static float table[WORDS * 257];
    int i, t;

    for (i = 0; i < 4; i++) {
        size_t width = (size_t)widths[i];
        aci_matrix m = { .n_out = WORDS, .n_in = widths[i], .dense = table };
        aci_linear linear = { &m, NULL, 32, 32 };

        fill(table, WORDS * width);
        cuda_fixture_reopen(MAX_WIDTH);
        cuda_fixture_adopt(&m);
        embed(found, &linear);
        for (t = 0; t < TOKENS; t++)
            ck_assert_mem_eq(found + (size_t)t * width,
                             table + (size_t)tokens[t] * width,
                             width * sizeof *found);
    }
}
END_TEST

/* ---- norm ---------------------------------------------------------------- */

/* In place where `in_place`. */
static void norm(float *out, const float *rows, const float *weight,
                 int32_t n_rows, int32_t width, int in_place)
{
    size_t n = (size_t)(n_rows * width);
    float *in = cuda_fixture_upload(rows, n);
    float *w = cuda_fixture_upload(weight, (size_t)width);
    float *to = in_place ? in : cuda_fixture_upload(rows, n);

    succeed(cuda()->norm(fixture.cuda, to, in, w, n_rows, width, 1e-5f,
                         NULL));
    cuda_fixture_download(out, to, n);
    cuda_fixture_release(in);
    cuda_fixture_release(w);
    if (!in_place)
        cuda_fixture_release(to);
}

static void exact_norm(double *out, const float *row, const float *weight,
                       int32_t width)
{
    double sum = 0.0;
    int32_t k;

    for (k = 0; k < width; k++)
        sum += (double)row[k] * (double)row[k];
    for (k = 0; k < width; k++)
        out[k] = (double)row[k] * (double)weight[k] /
                 sqrt(sum / width + (double)1e-5f);
}

START_TEST(norm_is_near_float64)
{
    static const int32_t widths[] = { 1, 7, 31, 32, 33, 255, 256, 257, 1024 };
    static const float sizes[] = { 1.0f, 1e-6f, 1e15f, 0.0f };
    static float weight[MAX_WIDTH];
    static double exact[MAX_WIDTH];
    int i, r, s;
    int32_t k;

    fill(weight, MAX_WIDTH);
    for (i = 0; i < 9; i++) {
        int32_t n = widths[i];

        for (s = 0; s < 4; s++) /* a row of each size, and a fifth */
            product_sample_fill(&dice, x + s * n, (size_t)n, sizes[s]);
        fill(x + 4 * n, (size_t)n);
        norm(found, x, weight, 5, n, 0);
        for (r = 0; r < 5; r++) {
            exact_norm(exact, x + r * n, weight, n);
            for (k = 0; k < n; k++)
                ck_assert_double_eq_tol((double)found[r * n + k], exact[k],
                                        1e-6 * fabs(exact[k]) + 1e-30);
            cuda_fixture_order((unsigned)(r + 1));
            norm(again, x + r * n, weight, 1, n, 1);
            ck_assert_mem_eq(again, found + r * n,
                             (size_t)n * sizeof *again);
        }
        succeed(fixture.cpu->operations->norm(fixture.cpu, expected, x,
                                              weight, 5, n, 1e-5f, NULL));
        for (k = 0; k < 5 * n; k++)
            ck_assert_float_eq_tol(found[k], expected[k],
                                   2e-6f * fabsf(expected[k]) +
                                       1e-30f);
    }
}
END_TEST

/* ---- dense products ------------------------------------------------------ */

typedef struct dense_problem {
    int32_t rows, n_out, n_in, x_stride, with_bias, accumulate, normed;
} dense_problem;

static const dense_problem dense_problems[] = {
    { 1, 1, 1, 1, 0, 0, 0 },        { 1, 7, 31, 31, 1, 0, 0 },
    { 7, 8, 32, 32, 0, 1, 0 },      { 8, 9, 33, 40, 1, 1, 0 },
    { 9, 16, 100, 101, 0, 0, 1 },   { 17, 33, 64, 64, 1, 1, 1 },
    { 63, 3, 65, 65, 1, 0, 1 },     { 65, 17, 40, 48, 0, 1, 0 },
    { 2, 100, 1000, 1024, 1, 1, 1 },
};
static float weights[100 * 1000], bias[100], norm_weight[1000];

static void run_dense(float *out, const dense_problem *p, const float *rows,
                      int32_t n_rows)
{
    size_t n = (size_t)(n_rows * p->n_out);
    float *in = cuda_fixture_upload(rows, (size_t)(n_rows * p->x_stride));
    float *to = cuda_fixture_upload(out, n);
    float *add = cuda_fixture_upload(bias, (size_t)p->n_out);
    float *norms = cuda_fixture_upload(norm_weight, (size_t)p->n_in);
    aci_matrix m = { .n_out = p->n_out, .n_in = p->n_in, .dense = weights };
    aci_product product = { { &m, p->with_bias ? add : NULL, 32, 32 }, to,
                            (size_t)p->n_out, p->accumulate };
    const aci_input input = { in, (size_t)p->x_stride,
                              p->normed ? norms : NULL, 1e-5f, NULL };

    cuda_fixture_adopt(&m);
    succeed(cuda()->project(fixture.cuda, &product, 1, &input, n_rows, NULL));
    cuda_fixture_download(out, to, n);
    cuda_fixture_release(in);
    cuda_fixture_release(to);
    cuda_fixture_release(add);
    cuda_fixture_release(norms);
}

/* One output, and in *size what its terms add up to without their signs. */
static double exact_dense(double *size, const dense_problem *p,
                          const double *row, int32_t o, float before)
{
    double sum = p->with_bias ? (double)bias[o] : 0.0;
    int32_t k;

    *size = fabs(sum) + 1.0;
    for (k = 0; k < p->n_in; k++) {
        double term = row[k] * (double)weights[o * p->n_in + k];

        sum += term;
        *size += fabs(term);
    }
    return sum + (p->accumulate ? (double)before : 0.0);
}

static void check_dense(const dense_problem *p, const float *before)
{
    static double row[1000];
    int32_t r, o, k;

    for (r = 0; r < p->rows; r++) {
        const float *from = x + r * p->x_stride;

        for (k = 0; k < p->n_in; k++)
            row[k] = (double)from[k];
        if (p->normed)
            exact_norm(row, from, norm_weight, p->n_in);
        for (o = 0; o < p->n_out; o++) {
            int32_t at = r * p->n_out + o;
            double size, exact = exact_dense(&size, p, row, o, before[at]);

            ck_assert_double_eq_tol((double)found[at], exact, 3e-7 * size);
            ck_assert_double_eq_tol((double)expected[at], exact,
                                    1e-6 * size);
        }
    }
}

START_TEST(dense_products_are_near_float64)
{
    const dense_problem *p = &dense_problems[_i];
    size_t n = (size_t)(p->rows * p->n_out);
    aci_matrix m = { .n_out = p->n_out, .n_in = p->n_in, .dense = weights };
    aci_product product = { { &m, p->with_bias ? bias : NULL, 32, 32 },
                            expected, (size_t)p->n_out, p->accumulate };
    const aci_input input = { x, (size_t)p->x_stride,
                              p->normed ? norm_weight : NULL, 1e-5f, NULL };
    int32_t r;

    product_sample_fill(&dice, weights, sizeof weights / sizeof *weights,
                        1.0f);
    fill(bias, sizeof bias / sizeof *bias);
    fill(norm_weight, sizeof norm_weight / sizeof *norm_weight);
    fill(x, (size_t)(p->rows * p->x_stride));
    fill(y, n);
    memcpy(expected, y, n * sizeof *y);
    memcpy(found, y, n * sizeof *y);
    succeed(fixture.cpu->operations->project(fixture.cpu, &product, 1, &input,
                                             p->rows, NULL));
    run_dense(found, p, x, p->rows);
    check_dense(p, y);
    for (r = 0; r < p->rows; r += p->rows > 9 ? 8 : 1) {
        size_t at = (size_t)(r * p->n_out);

        cuda_fixture_order((unsigned)r + 1);
        memcpy(again, y + at, (size_t)p->n_out * sizeof *y);
        run_dense(again, p, x + r * p->x_stride, 1);
        ck_assert_mem_eq(again, found + at, (size_t)p->n_out * sizeof *y);
    }
}
END_TEST

/* ---- gated input --------------------------------------------------------- */

/* silu(x) * up of n numbers, one row each, through products by one. */
static void gate_all(float *out, const aci_backend *backend, const float *gates,
                     const float *up, int32_t n)
{
    static const float one = 1.0f;
    aci_matrix m = { .n_out = 1, .n_in = 1, .dense = &one };
    aci_product product = { { &m, NULL, 32, 32 }, out, 1, 0 };
    aci_input input = { .x = gates, .x_stride = 1, .up = up };
    float *in = NULL, *with = NULL, *to = NULL;

    if (backend == fixture.cuda) {
        cuda_fixture_adopt(&m);
        input.x = in = cuda_fixture_upload(gates, (size_t)n);
        input.up = with = cuda_fixture_upload(up, (size_t)n);
        product.out = to = cuda_fixture_upload(up, (size_t)n);
    }
    succeed(backend->operations->project((aci_backend *)backend, &product, 1,
                                         &input, n, NULL));
    if (backend == fixture.cuda) {
        cuda_fixture_download(out, to, (size_t)n);
        cuda_fixture_release(in);
        cuda_fixture_release(with);
        cuda_fixture_release(to);
    }
}

static double silu(double v) { return v / (1.0 + exp(-v)); }

START_TEST(gated_input_is_near_float64)
{
    static const int32_t sizes[] = { 1, 31, ACI_MAX_ROWS };
    int i;
    int32_t k;

    for (i = 0; i < 3; i++) {
        product_sample_fill(&dice, x, (size_t)sizes[i], 8.0f);
        fill(y, (size_t)sizes[i]);
        gate_all(found, fixture.cuda, x, y, sizes[i]);
        gate_all(expected, fixture.cpu, x, y, sizes[i]);
        for (k = 0; k < sizes[i]; k++) {
            double exact = silu((double)x[k]) * (double)y[k];

            ck_assert_double_eq_tol((double)found[k], exact,
                                    1e-6 * fabs(exact) + 1e-12);
            ck_assert_double_eq_tol((double)found[k], (double)expected[k],
                                    2e-6 * fabs(exact) + 1e-12);
        }
    }
}
END_TEST

START_TEST(gated_input_survives_extremes)
{
    const float in[] = { -1e30f, 1e30f, -INFINITY, 90.0f, -90.0f, -0.0f,
                         88.8f, -88.8f, -104.0f, 1e-40f };
    const float one[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    int32_t n = sizeof in / sizeof *in, k;

    gate_all(found, fixture.cuda, in, one, n);
    for (k = 0; k < n; k++)
        if (isfinite(in[k]))
            ck_assert_double_eq_tol((double)found[k], in[k] < -1e3f ? 0.0
                                        : silu((double)in[k]),
                                    1e-6 * fabs((double)found[k]) + 1e-35);
}
END_TEST

enum { GATE_IN = 192, GATE_OUT = 70, GATE_ROWS = 11, GATE_STRIDE = 200 };

static void run_gated(float *out, aci_backend *backend, aci_linear linear,
                      const aci_input *input)
{
    aci_product product = { linear, out, GATE_OUT, 0 };

    succeed(backend->operations->project(backend, &product, 1, input,
                                         GATE_ROWS, NULL));
}

/* Quantised on the way in: on the device what the CPU makes of the same
 * integers, but for a code on a border here and there: of 16 bits, so 1 / 65024
 * of a term. */
START_TEST(gated_products_are_near_the_cpus)
{
    const size_t n = GATE_ROWS * GATE_OUT;
    aci_input input = { .x = x, .x_stride = GATE_STRIDE, .up = y };
    product_sample s;
    aci_matrix placed;
    aci_linear linear = { &s.matrix, NULL, 16, 16 };
    float *in, *with, *to;
    size_t i;

    product_sample_make(&s, &fixture.memory, &dice, GATE_OUT, GATE_IN, 64, 12,
                        0);
    fill(x, GATE_ROWS * GATE_STRIDE);
    fill(y, GATE_ROWS * GATE_STRIDE);
    run_gated(expected, fixture.cpu, linear, &input);
    placed = s.matrix;
    cuda_fixture_adopt(&placed);
    linear.weight = &placed;
    input.x = in = cuda_fixture_upload(x, GATE_ROWS * GATE_STRIDE);
    input.up = with = cuda_fixture_upload(y, GATE_ROWS * GATE_STRIDE);
    to = cuda_fixture_upload(x, n);
    run_gated(to, fixture.cuda, linear, &input);
    cuda_fixture_download(found, to, n);
    for (i = 0; i < n; i++)
        ck_assert_float_eq_tol(found[i], expected[i],
                               1e-4f * (1.0f + fabsf(expected[i])));
    cuda_fixture_release(in);
    cuda_fixture_release(with);
    cuda_fixture_release(to);
    product_sample_free(&fixture.memory, &s);
}
END_TEST

Suite *test_cuda_rows_suite(void)
{
    Suite *suite = suite_create("test_cuda_rows");
    TCase *tc = tcase_create("rows");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, cuda_fixture_close);
    tcase_add_test(tc, embedding_equals_the_cpus_bit_for_bit);
    tcase_add_test(tc, embedding_copies_float32);
    tcase_add_test(tc, norm_is_near_float64);
    tcase_add_loop_test(tc, dense_products_are_near_float64, 0,
                        (int)(sizeof dense_problems /
                              sizeof *dense_problems));
    tcase_add_test(tc, gated_input_is_near_float64);
    tcase_add_test(tc, gated_input_survives_extremes);
    tcase_add_test(tc, gated_products_are_near_the_cpus);
    suite_add_tcase(suite, tc);
    return suite;
}
