/* test_products.c - quantised products of every level against the reference,
 * bit for bit, and the reference against float64. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_level.h"
#include "platform/half.h"
#include "platform/random.h"

Suite *test_products_suite(void);

enum { MAX_WIDTH = 1024, MAX_ROWS = 70 };

static aci_memory memory;
static aci_pool *pool;
static aci_random dice;

/* A matrix of random codes, made through the layout's own address functions:
 * padding is zero codes with zero scales. */
typedef struct sample {
    aci_matrix matrix;
    uint8_t *a, *b, *c;
    uint16_t *scales;
} sample;

static void set_nibble(uint8_t *plane, const aci_matrix *m, int32_t row,
                       int32_t column, int value)
{
    int shift;
    size_t at = aci_matrix_nibble_at(m, row, column, &shift);

    plane[at] = (uint8_t)((plane[at] & (0xF0 >> shift)) |
                          ((value + 8) << shift));
}

static int random_in(int low, int high)
{
    return low + (int)aci_platform_random_below(&dice,
                                                (uint64_t)(high - low + 1));
}

/* extreme: only the largest codes, where sums could overflow. */
static void make_sample(sample *s, int32_t n_out, int32_t n_in, int32_t group,
                        int32_t ratio, int extreme)
{
    aci_matrix *m = &s->matrix;
    size_t n;
    int32_t r, k;

    memset(s, 0, sizeof *s);
    m->n_out = n_out;
    m->n_in = n_in;
    m->n_in_padded = m->n_in_stored = aci_matrix_padded(n_in, group);
    m->n_strip = (n_out + 15) / 16;
    m->group = group;
    m->ratio = ratio;
    n = aci_matrix_nibble_bytes(m);
    s->a = aci_platform_alloc(&memory, n);
    s->b = aci_platform_alloc(&memory, n);
    s->c = aci_platform_alloc(&memory, 2 * n);
    s->scales = aci_platform_alloc(&memory, aci_matrix_scale_bytes(m));
    memset(s->a, 0x88, n);
    memset(s->b, 0x88, n);
    memset(s->c, 0x80, 2 * n);
    memset(s->scales, 0, aci_matrix_scale_bytes(m));
    for (r = 0; r < n_out; r++)
        for (k = 0; k < n_in; k++) {
            int q = extreme ? -8 : random_in(-8, 7);
            int low = extreme ? -8 : random_in(-8, 7);
            int t = extreme ? -127 : random_in(-127, 127);

            set_nibble(s->a, m, r, k, q);
            set_nibble(s->b, m, r, k, low);
            s->c[aci_matrix_byte_at(m, r, k)] = (uint8_t)(t + 128);
            s->scales[aci_matrix_scale_at(m, r, k / group)] =
                aci_platform_f16_from_f32(
                    0.01f + 0.001f * (float)random_in(0, 50));
        }
    m->plane_a = s->a;
    m->plane_b = s->b;
    m->plane_c = s->c;
    m->scales = s->scales;
}

static void free_sample(sample *s)
{
    aci_platform_free(&memory, s->a);
    aci_platform_free(&memory, s->b);
    aci_platform_free(&memory, s->c);
    aci_platform_free(&memory, s->scales);
}

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
static int run_level(float *out, const char *level, const aci_linear *linear,
                     const float *x, int32_t n_rows, const float *norm_weight,
                     int accumulate)
{
    aci_backend *backend = NULL;
    aci_product product = { *linear, out, (size_t)linear->weight->n_out,
                            accumulate };

    if (aci_kernels_cpu_level(level) == NULL)
        return 0;
    ck_assert_int_eq(aci_kernels_cpu_open(&backend, &memory, pool, level,
                                          MAX_WIDTH, NULL), AC_OK);
    ck_assert_int_eq(backend->operations->project(
                         backend, &product, 1, x,
                         (size_t)linear->weight->n_in, norm_weight, 1e-5f,
                         n_rows, NULL), AC_OK);
    backend->operations->close(backend);
    return 1;
}

static void fill_random(float *x, size_t n, float size)
{
    size_t i;

    for (i = 0; i < n; i++)
        x[i] = size * (float)aci_platform_random_normal(&dice);
}

static void expect_same(const float *expected, const float *found, size_t n,
                        const char *what)
{
    size_t i;

    for (i = 0; i < n; i++)
        ck_assert_msg(memcmp(&expected[i], &found[i], sizeof *found) == 0,
                      "%s: output %zu is %.9g, the reference has %.9g", what,
                      i, (double)found[i], (double)expected[i]);
}

/* One line of the problem list, on every level. */
static void check_problem(const char *line)
{
    static float x[MAX_ROWS * MAX_WIDTH], bias[2048], weight[MAX_WIDTH];
    static float expected[MAX_ROWS * 2048], found[MAX_ROWS * 2048];
    static const char *const levels[] = { "avx2", "avx512" };
    int rows, n_out, n_in, group, ratio, w, a, with_bias, accumulate, l;
    aci_linear linear;
    sample s;

    ck_assert_int_eq(sscanf(line, "%d %d %d g%d D%d w%da%d bias%d acc%d",
                            &rows, &n_out, &n_in, &group, &ratio, &w, &a,
                            &with_bias, &accumulate), 9);
    ck_assert_int_le(rows, MAX_ROWS);
    make_sample(&s, n_out, n_in, group, ratio, 0);
    linear = (aci_linear){ &s.matrix, with_bias ? bias : NULL, w, a };
    fill_random(x, (size_t)(rows * n_in), 1.0f);
    fill_random(bias, (size_t)n_out, 1.0f);
    fill_random(weight, (size_t)n_in, 1.0f);
    memset(expected, 0, sizeof expected);
    run_level(expected, "reference", &linear, x, rows,
              with_bias ? weight : NULL, accumulate);
    for (l = 0; l < 2; l++) {
        memset(found, 0, sizeof found);
        if (run_level(found, levels[l], &linear, x, rows,
                      with_bias ? weight : NULL, accumulate))
            expect_same(expected, found, (size_t)(rows * n_out), line);
        else
            printf("SKIP test_products: this processor lacks %s\n",
                   levels[l]);
    }
    free_sample(&s);
}

START_TEST(every_level_equals_the_reference_bit_for_bit)
{
    FILE *list = fopen("tests/operations/products.txt", "r");
    char line[256];
    int n = 0;

    ck_assert_msg(list != NULL, "run from the repository's root");
    while (fgets(line, sizeof line, list) != NULL)
        if (line[0] != '#' && line[0] != '\n') {
            check_problem(line);
            n++;
        }
    fclose(list);
    ck_assert_int_ge(n, 30);
}
END_TEST

START_TEST(a_batch_equals_its_rows_one_by_one)
{
    static float x[32 * 256], together[32 * 48], alone[48];
    static const char *const levels[] = { "reference", "avx2", "avx512" };
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 16, 16 } };
    sample s;
    int l, w, row;

    make_sample(&s, 48, 256, 64, 14, 0);
    fill_random(x, sizeof x / sizeof *x, 1.0f);
    for (l = 0; l < 3; l++)
        for (w = 0; w < 3; w++) {
            aci_linear linear = { &s.matrix, NULL, widths[w][0],
                                  widths[w][1] };

            if (!run_level(together, levels[l], &linear, x, 32, NULL, 0))
                continue;
            for (row = 0; row < 32; row++) {
                run_level(alone, levels[l], &linear, x + 256 * row, 1, NULL,
                          0);
                expect_same(together + 48 * row, alone, 48, levels[l]);
            }
        }
    free_sample(&s);
}
END_TEST

START_TEST(extreme_codes_do_not_overflow)
{
    static float x[256], expected[16], found[16];
    static const char *const levels[] = { "avx2", "avx512" };
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 4, 16 },
                                     { 8, 16 }, { 16, 16 } };
    sample s;
    int i, l, w;

    make_sample(&s, 16, 256, 128, 14, 1);
    for (w = 0; w < 5; w++) {
        aci_linear linear = { &s.matrix, NULL, widths[w][0], widths[w][1] };

        for (i = 0; i < 256; i++) /* as large as quantised values get */
            x[i] = w % 2 ? 1.0f : -1.0f;
        run_level(expected, "reference", &linear, x, 1, NULL, 0);
        for (l = 0; l < 2; l++)
            if (run_level(found, levels[l], &linear, x, 1, NULL, 0))
                expect_same(expected, found, 16, levels[l]);
    }
    free_sample(&s);
}
END_TEST

/* w of the planes read, as a double. */
static double weight_of(const sample *s, int bits, int32_t row, int32_t k)
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
static void copy_cut(sample *s, const sample *whole, int32_t n_out,
                     int32_t n_in)
{
    const aci_matrix *from = &whole->matrix;
    aci_matrix *m = &s->matrix;
    int32_t r, k;

    make_sample(s, n_out, n_in, from->group, from->ratio, 0);
    for (r = 0; r < n_out; r++)
        for (k = 0; k < n_in; k++) {
            int shift;
            size_t at = aci_matrix_nibble_at(from, r, k, &shift);

            set_nibble(s->a, m, r, k, (whole->a[at] >> shift & 15) - 8);
            set_nibble(s->b, m, r, k, (whole->b[at] >> shift & 15) - 8);
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

    fill_random(x, sizeof x / sizeof *x, 1.0f);
    for (group = 32; group <= 128; group *= 2) {
        sample whole, own;

        make_sample(&whole, 100, 960, group, 12, 0);
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
                            expect_same(expected, found,
                                        (size_t)(rows[n] * cuts[c][0]),
                                        levels[l]);
                }
            free_sample(&own);
        }
        free_sample(&whole);
    }
}
END_TEST

START_TEST(the_reference_is_near_float64)
{
    static float x[3 * 200], out[3 * 40];
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 4, 16 },
                                     { 8, 16 }, { 16, 16 } };
    sample s;
    int w, row, r, k;

    make_sample(&s, 40, 200, 32, 10, 0);
    fill_random(x, sizeof x / sizeof *x, 1.0f);
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
    free_sample(&s);
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
    tcase_add_test(tc, extreme_codes_do_not_overflow);
    tcase_add_test(tc, a_view_equals_a_matrix_of_its_own);
    tcase_add_test(tc, the_reference_is_near_float64);
    suite_add_tcase(suite, tc);
    return suite;
}
