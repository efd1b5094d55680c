/* test_products.c - quantised products of every level against the reference,
 * bit for bit, and the reference against float64. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_level.h"
#include "kernels/product_sample.h"
#include "platform/half.h"
#include "platform/random.h"

Suite *test_products_suite(void);

enum { MAX_WIDTH = 1024, MAX_ROWS = 70 };

static aci_memory memory;
static aci_pool *pool;
static aci_random dice;

static void setup(void)
{
    aci_platform_memory_init(&memory);
    aci_platform_random_seed(&dice, 3);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
}

static void teardown(void)
{
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* One product on one level into out [n_rows, n_out]. 0: level not here. */
static int run_input(float *out, const char *level, const aci_linear *linear,
                     const aci_input *input, int32_t n_rows, int accumulate)
{
    aci_backend *backend = NULL;
    aci_product product = { *linear, out, (size_t)linear->weight->n_out,
                            accumulate };

    if (aci_kernels_cpu_level(level) == NULL)
        return 0;
    ck_assert_int_eq(aci_kernels_cpu_open(&backend, &memory, pool, level,
                                          MAX_WIDTH, NULL), AC_OK);
    ck_assert_int_eq(backend->operations->project(backend, &product, 1, input,
                                                  n_rows, NULL), AC_OK);
    backend->operations->close(backend);
    return 1;
}

static int run_level(float *out, const char *level, const aci_linear *linear,
                     const float *x, int32_t n_rows, const float *norm_weight,
                     int accumulate)
{
    const aci_input input = { x, (size_t)linear->weight->n_in, norm_weight,
                              1e-5f, NULL };

    return run_input(out, level, linear, &input, n_rows, accumulate);
}

/* One line of the problem list, on every level. */
static void check_problem(const product_problem *p, const char *line)
{
    static float x[MAX_ROWS * MAX_WIDTH], bias[2048], weight[MAX_WIDTH];
    static float expected[MAX_ROWS * 2048], found[MAX_ROWS * 2048];
    static const char *const levels[] = { "avx2", "avx512" };
    const float *norm_weight = p->with_bias ? weight : NULL;
    aci_linear linear;
    product_sample s;
    int l;

    ck_assert_int_le(p->rows, MAX_ROWS);
    product_sample_make(&s, &memory, &dice, p->n_out, p->n_in, p->group,
                        p->ratio, 0);
    linear = (aci_linear){ &s.matrix, p->with_bias ? bias : NULL, p->w, p->a };
    product_sample_fill(&dice, x, (size_t)(p->rows * p->n_in), 1.0f);
    product_sample_fill(&dice, bias, (size_t)p->n_out, 1.0f);
    product_sample_fill(&dice, weight, (size_t)p->n_in, 1.0f);
    memset(expected, 0, sizeof expected);
    run_level(expected, "reference", &linear, x, p->rows, norm_weight,
              p->accumulate);
    for (l = 0; l < 2; l++) {
        memset(found, 0, sizeof found);
        if (run_level(found, levels[l], &linear, x, p->rows, norm_weight,
                      p->accumulate))
            product_sample_expect_same(
                expected, found, (size_t)(p->rows * p->n_out), line);
        else
            printf("SKIP test_products: this processor lacks %s\n",
                   levels[l]);
    }
    product_sample_free(&memory, &s);
}

START_TEST(every_level_equals_the_reference_bit_for_bit)
{
    ck_assert_int_ge(product_problems_each(check_problem), 30);
}
END_TEST

START_TEST(a_batch_equals_its_rows_one_by_one)
{
    static float x[32 * 256], together[32 * 48], alone[48];
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 16, 16 } };
    product_sample s;
    int l, w, row;

    product_sample_make(&s, &memory, &dice, 48, 256, 64, 14, 0);
    product_sample_fill(&dice, x, sizeof x / sizeof *x, 1.0f);
    for (l = 0; l < 3; l++)
        for (w = 0; w < 3; w++) {
            aci_linear linear = { &s.matrix, NULL, widths[w][0],
                                  widths[w][1] };

            if (!run_level(together, levels[l], &linear, x, 32, NULL, 0))
                continue;
            for (row = 0; row < 32; row++) {
                run_level(alone, levels[l], &linear, x + 256 * row, 1, NULL,
                          0);
                product_sample_expect_same(together + 48 * row, alone, 48,
                                           levels[l]);
            }
        }
    product_sample_free(&memory, &s);
}
END_TEST

/* Gated on the way in is gated before, each row by itself: 200 columns leave a
 * tail behind every vector's width. */
START_TEST(a_gated_input_is_its_rows_gated)
{
    enum { WIDTH = 200, STRIDE = 210, ROWS = 5 };
    static float x[ROWS * STRIDE], up[ROWS * STRIDE], gated[ROWS * WIDTH];
    static float expected[ROWS * 48], found[ROWS * 48];
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    const aci_input input = { .x = x, .x_stride = STRIDE, .up = up };
    const aci_input before = { .x = gated, .x_stride = WIDTH };
    product_sample s;
    int l, row;

    product_sample_make(&s, &memory, &dice, 48, WIDTH, 64, 14, 0);
    product_sample_fill(&dice, x, sizeof x / sizeof *x, 4.0f);
    product_sample_fill(&dice, up, sizeof up / sizeof *up, 1.0f);
    for (l = 0; l < 3; l++) {
        const aci_cpu_level *level = aci_kernels_cpu_level(levels[l]);
        const aci_linear linear = { &s.matrix, NULL, 8, 16 };

        if (level == NULL)
            continue;
        for (row = 0; row < ROWS; row++) {
            memcpy(gated + row * WIDTH, x + row * STRIDE, WIDTH * sizeof *x);
            level->rows->gate(gated + row * WIDTH, up + row * STRIDE, WIDTH);
        }
        run_input(expected, levels[l], &linear, &before, ROWS, 0);
        run_input(found, levels[l], &linear, &input, ROWS, 0);
        product_sample_expect_same(expected, found, ROWS * 48, levels[l]);
    }
    product_sample_free(&memory, &s);
}
END_TEST

START_TEST(extreme_codes_do_not_overflow)
{
    static float x[256], expected[16], found[16];
    static const char *const levels[] = { "avx2", "avx512" };
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 4, 16 },
                                     { 8, 16 }, { 16, 16 } };
    product_sample s;
    int i, l, w;

    product_sample_make(&s, &memory, &dice, 16, 256, 128, 14, 1);
    for (w = 0; w < 5; w++) {
        aci_linear linear = { &s.matrix, NULL, widths[w][0], widths[w][1] };

        for (i = 0; i < 256; i++) /* as large as quantised values get */
            x[i] = w % 2 ? 1.0f : -1.0f;
        run_level(expected, "reference", &linear, x, 1, NULL, 0);
        for (l = 0; l < 2; l++)
            if (run_level(found, levels[l], &linear, x, 1, NULL, 0))
                product_sample_expect_same(expected, found, 16, levels[l]);
    }
    product_sample_free(&memory, &s);
}
END_TEST

/* w of the planes read, as a double. */
static double weight_of(const product_sample *s, int bits, int32_t row,
                        int32_t k)
{
    const aci_matrix *m = &s->matrix;
    int shift;
    size_t at = aci_matrix_nibble_at(m, row, k, &shift);
    double q = ((m->plane_a[at] >> shift) & 15) - 8;
    double r = ((m->plane_b[at] >> shift) & 15) - 8;
    double t = m->plane_c[aci_matrix_byte_at(m, row, k)] - 128;
    double scale = (double)aci_platform_f32_from_f16(
        m->scales[aci_matrix_scale_at(m, row, k / m->group)]);

    if (bits == 4)
        return q * scale;
    if (bits == 8)
        return (m->ratio * q + r) * scale / m->ratio;
    return (256.0 * (m->ratio * q + r) + t) * scale / (256.0 * m->ratio);
}

/* A matrix that has only the rows and columns of a view, copied code by
 * code; what pads it is zero. */
static void copy_cut(product_sample *s, const product_sample *whole,
                     int32_t n_out, int32_t n_in)
{
    const aci_matrix *from = &whole->matrix;
    aci_matrix *m = &s->matrix;
    int32_t r, k;

    product_sample_make(s, &memory, &dice, n_out, n_in, from->group,
                        from->ratio, 0);
    for (r = 0; r < n_out; r++)
        for (k = 0; k < n_in; k++) {
            int shift;
            size_t at = aci_matrix_nibble_at(from, r, k, &shift);

            product_sample_set_nibble(s->a, m, r, k,
                                      (whole->a[at] >> shift & 15) - 8);
            product_sample_set_nibble(s->b, m, r, k,
                                      (whole->b[at] >> shift & 15) - 8);
            s->c[aci_matrix_byte_at(m, r, k)] =
                whole->c[aci_matrix_byte_at(from, r, k)];
            s->scales[aci_matrix_scale_at(m, r, k / m->group)] =
                whole->scales[aci_matrix_scale_at(from, r, k / m->group)];
        }
}

/* Rows and columns cut anywhere, on tiles' and groups' borders and inside. */
START_TEST(a_view_equals_a_matrix_of_its_own)
{
    static float x[20 * 960], expected[20 * 100], found[20 * 100];
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 4, 16 },
                                     { 8, 16 }, { 16, 16 } };
    static const int cuts[][2] = { { 100, 960 }, { 48, 960 }, { 100, 448 },
                                   { 64, 64 }, { 33, 100 }, { 16, 896 },
                                   { 1, 1 }, { 99, 513 } };
    static const int rows[] = { 1, 3, 20 };
    int group, c, w, l, n;

    product_sample_fill(&dice, x, sizeof x / sizeof *x, 1.0f);
    for (group = 32; group <= 128; group *= 2) {
        product_sample whole, own;

        product_sample_make(&whole, &memory, &dice, 100, 960, group, 12, 0);
        for (c = 0; c < 8; c++) {
            aci_matrix view = aci_matrix_cut(&whole.matrix, cuts[c][0],
                                             cuts[c][1]);

            copy_cut(&own, &whole, cuts[c][0], cuts[c][1]);
            for (w = 0; w < 5; w++)
                for (n = 0; n < 3; n++) {
                    aci_linear one = { &own.matrix, NULL, widths[w][0],
                                       widths[w][1] };
                    aci_linear other = one;

                    other.weight = &view;
                    run_level(expected, "reference", &one, x, rows[n], NULL,
                              0);
                    for (l = 0; l < 3; l++)
                        if (run_level(found, levels[l], &other, x, rows[n],
                                      NULL, 0))
                            product_sample_expect_same(
                                expected, found,
                                (size_t)(rows[n] * cuts[c][0]), levels[l]);
                }
            product_sample_free(&memory, &own);
        }
        product_sample_free(&memory, &whole);
    }
}
END_TEST

START_TEST(the_reference_is_near_float64)
{
    static float x[3 * 200], out[3 * 40];
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 4, 16 },
                                     { 8, 16 }, { 16, 16 } };
    product_sample s;
    int w, row, r, k;

    product_sample_make(&s, &memory, &dice, 40, 200, 32, 10, 0);
    product_sample_fill(&dice, x, sizeof x / sizeof *x, 1.0f);
    for (w = 0; w < 5; w++) {
        aci_linear linear = { &s.matrix, NULL, widths[w][0], widths[w][1] };
        double worst = 0.0, bound = widths[w][1] == 8 ? 8e-3 : 3e-5;

        run_level(out, "reference", &linear, x, 3, NULL, 0);
        for (row = 0; row < 3; row++)
            for (r = 0; r < 40; r++) {
                double exact = 0.0, size = 0.0;

                for (k = 0; k < 200; k++) {
                    double y = weight_of(&s, widths[w][0], r, k) *
                               (double)x[200 * row + k];

                    exact += y;
                    size += y * y;
                }
                worst = fmax(worst, fabs(exact -
                                         (double)out[40 * row + r]) /
                                        sqrt(size));
            }
        ck_assert_double_lt(worst, bound * 4.0);
    }
    product_sample_free(&memory, &s);
}
END_TEST

Suite *test_products_suite(void)
{
    Suite *suite = suite_create("test_products");
    TCase *tc = tcase_create("products");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, every_level_equals_the_reference_bit_for_bit);
    tcase_add_test(tc, a_batch_equals_its_rows_one_by_one);
    tcase_add_test(tc, a_gated_input_is_its_rows_gated);
    tcase_add_test(tc, extreme_codes_do_not_overflow);
    tcase_add_test(tc, a_view_equals_a_matrix_of_its_own);
    tcase_add_test(tc, the_reference_is_near_float64);
    suite_add_tcase(suite, tc);
    return suite;
}
