/* test_plane_quantizer.c - errors of the planes on real and on awkward weights,
 * against float64 and the rules of Q4_0 and Q8_0. */
#include <float.h>
#include <math.h>

#include "raw_tensors.h"
#include "platform/random.h"
#include "workshop/compress/plane_quantizer.h"

enum { ROWS = 16, MAX_COLUMNS = 4096 };

static float columns[MAX_COLUMNS * ROWS];
static int8_t codes[3][MAX_COLUMNS * ROWS];
static uint16_t scales[MAX_COLUMNS / 32 * ROWS];

static int32_t quantize(int32_t n, int32_t group, int32_t ratio)
{
    aci_strip_codes out = { codes[0], codes[1], codes[2], scales };

    return aci_workshop_quantize_strip(&out, columns, n, group, ratio);
}

/* The value of one weight through the first `planes` planes. */
static double value_of(int32_t k, int32_t row, int32_t group, int32_t ratio,
                       int planes)
{
    size_t at = (size_t)k * ROWS + (size_t)row;
    double s = (double)aci_platform_f32_from_f16(
        scales[k / group * ROWS + row]);
    double q = codes[0][at], r = codes[1][at], t = codes[2][at];

    if (planes == 1)
        return q * s;
    if (planes == 2)
        return (ratio * q + r) * s / ratio;
    return (256.0 * (ratio * q + r) + t) * s / (256.0 * ratio);
}

/* One assertion for all: Check makes a system call for each. */
static void check_ranges(int32_t n, int32_t ratio)
{
    int n_bad = 0;

    for (int32_t i = 0; i < n * ROWS; i++) {
        int c = ratio * codes[0][i] + codes[1][i];

        n_bad += codes[0][i] < -8 || codes[0][i] > 7 || codes[1][i] < -8 ||
                 codes[1][i] > 7 || codes[2][i] < -127 || c < -120 || c > 105;
    }
    ck_assert_int_eq(n_bad, 0);
}

typedef struct errors {
    int32_t group;
    double square;           /* of the weights */
    double plane[4];         /* squared errors of 1, 2, 3 planes */
    double q4, q8;           /* of the reference rules */
} errors;

/* Symmetric rules with a float16 scale: Q4_0 puts the largest weight on -8,
 * Q8_0 on 127. */
static double reference_error(int32_t first, int32_t row, int32_t group,
                              int bits)
{
    float extreme = 0;
    double error = 0, s;

    for (int32_t k = first; k < first + group; k++)
        if (fabsf(columns[k * ROWS + row]) > fabsf(extreme))
            extreme = columns[k * ROWS + row];
    s = (double)aci_platform_f32_from_f16(aci_platform_f16_from_f32(
        bits == 4 ? extreme / -8.0f : extreme / 127.0f));
    for (int32_t k = first; k < first + group; k++) {
        double w = (double)columns[k * ROWS + row];
        double q = s != 0 ? nearbyint(w / s) : 0;

        if (bits == 4)
            q = fmin(fmax(q, -8), 7);
        error += (w - q * s) * (w - q * s);
    }
    return error;
}

static void add_strip(errors *sum, int32_t n)
{
    int32_t ratio = ACI_PLANE_RATIO;

    ck_assert_int_eq(quantize(n, sum->group, ratio), -1);
    check_ranges(n, ratio);
    for (int32_t row = 0; row < ROWS; row++) {
        for (int32_t k = 0; k < n; k++) {
            double w = (double)columns[k * ROWS + row];

            sum->square += w * w;
            for (int planes = 1; planes <= 3; planes++) {
                double e = w - value_of(k, row, sum->group, ratio, planes);

                sum->plane[planes] += e * e;
            }
        }
        for (int32_t k = 0; k < n; k += sum->group) {
            sum->q4 += reference_error(k, row, sum->group, 4);
            sum->q8 += reference_error(k, row, sum->group, 8);
        }
    }
}

static void add_matrix(const char *name, const float *values, int32_t n_out,
                       int32_t n_in, void *user)
{
    errors *sum = user;

    (void)name;
    if (n_in % 128 != 0 || n_in > MAX_COLUMNS)
        return;
    for (int32_t first = 0; first + ROWS <= n_out; first += ROWS) {
        for (int32_t row = 0; row < ROWS; row++)
            for (int32_t k = 0; k < n_in; k++)
                columns[k * ROWS + row] =
                    values[(size_t)(first + row) * (size_t)n_in + (size_t)k];
        add_strip(sum, n_in);
    }
}

/* int4 better than Q4_0's rule, A+B within twice Q8_0's squared error, A+B+C
 * a few 1e-5 of the weights. */
static void check_file(const char *name)
{
    static const int32_t groups[] = { 32, 64, 128 };
    const char *path = raw_data_path(name);

    for (size_t i = 0; path != NULL && i < 3; i++) {
        errors sum = { .group = groups[i] };

        raw_each_matrix(path, add_matrix, &sum);
        ck_assert(sum.square > 0);
        printf("planes of %.20s group %d: A %.3e (Q4_0 %.3e) AB %.3e "
               "(Q8_0 %.3e) ABC %.2e\n", name, groups[i],
               sqrt(sum.plane[1] / sum.square), sqrt(sum.q4 / sum.square),
               sqrt(sum.plane[2] / sum.square), sqrt(sum.q8 / sum.square),
               sqrt(sum.plane[3] / sum.square));
        ck_assert(sum.plane[1] < sum.q4);
        ck_assert(sum.plane[2] < 2 * sum.q8);
        ck_assert(sqrt(sum.plane[3] / sum.square) < 5e-5);
    }
}

START_TEST(gpt2_layer_is_kept_as_promised)
{
    check_file("layers/gpt2-124m-attention-layer6-f16.safetensors");
}
END_TEST

START_TEST(tinystories_is_kept_as_promised)
{
    check_file("models/tinystories-656k/model.safetensors");
}
END_TEST

/* The largest error of three planes in steps of the third. */
static double worst_in_steps(int32_t n, int32_t group, int32_t ratio)
{
    double worst = 0;

    for (int32_t row = 0; row < ROWS; row++)
        for (int32_t k = 0; k < n; k++) {
            double s = fabs((double)aci_platform_f32_from_f16(
                scales[k / group * ROWS + row]));
            double w = (double)columns[k * ROWS + row];
            double e = fabs(w - value_of(k, row, group, ratio, 3));

            if (s > 0)
                e /= s / (256.0 * ratio);
            else
                e *= 0x1p24 * 256.0 * ratio;
            worst = e > worst ? e : worst;
        }
    return worst;
}

/* Distributions that tempt a search to clip: no weight may end outside what
 * the finer planes reach (half a step, a whole one where t = 128 was cut). */
START_TEST(no_weight_is_out_of_reach)
{
    static const int32_t groups[] = { 32, 64, 128 };
    aci_random random;

    aci_platform_random_seed(&random, 7);
    for (int32_t ratio = 8; ratio <= 14; ratio++)
        for (int kind = 0; kind < 6; kind++)
            for (int g = 0; g < 3; g++) {
                for (int32_t i = 0; i < 256 * ROWS; i++) {
                    double x = aci_platform_random_normal(&random);

                    if (kind == 1)
                        x = x * x * x;             /* heavy tails */
                    if (kind == 2)
                        x = x < 0 ? -1 : 1;        /* both extremes equal */
                    if (kind == 3)
                        x = fabs(x);               /* one-sided */
                    if (kind == 4 && i % 640 == 0)
                        x *= 1000;                 /* lone outliers */
                    if (kind == 5)
                        x = i % 3 ? 0 : 1e-3 * x;  /* sparse */
                    columns[i] = (float)(0.02 * x);
                }
                ck_assert_int_eq(quantize(256, groups[g], ratio), -1);
                check_ranges(256, ratio);
                ck_assert(worst_in_steps(256, groups[g], ratio) <= 1.05);
            }
}
END_TEST

START_TEST(tiny_weights_use_subnormal_scales)
{
    static const float sizes[] = { 1e-3f, 1e-4f, 1e-5f, 1e-6f, 1e-7f, 1e-9f,
                                   1e-12f, 1e-30f, 1e-42f };
    aci_random random;

    aci_platform_random_seed(&random, 8);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int32_t j = 0; j < 128 * ROWS; j++)
            columns[j] = sizes[i] *
                         (float)aci_platform_random_normal(&random);
        ck_assert_int_eq(quantize(128, 64, 12), -1);
        check_ranges(128, 12);
        ck_assert(worst_in_steps(128, 64, 12) <= 1.05);
    }
}
END_TEST

START_TEST(zeros_have_zero_scales_and_codes)
{
    memset(columns, 0, sizeof columns);
    columns[5] = 1.0f; /* row 5, group 0 only */
    ck_assert_int_eq(quantize(128, 32, 12), -1);
    for (int32_t i = 0; i < 128 * ROWS; i++)
        if (i != 5)
            for (int plane = 0; plane < 3; plane++)
                ck_assert_int_eq(codes[plane][i], 0);
    for (int32_t i = 0; i < 4 * ROWS; i++)
        ck_assert_int_eq(scales[i] != 0, i == 5);
}
END_TEST

START_TEST(huge_weights_are_refused_by_row)
{
    memset(columns, 0, sizeof columns);
    columns[40 * ROWS + 3] = 5e5f; /* 5e5 / 8.6 still has a float16 */
    ck_assert_int_eq(quantize(128, 64, 12), -1);
    ck_assert(fabs(value_of(40, 3, 64, 12, 3) - 5e5) < 50);
    columns[40 * ROWS + 3] = -5e5f;
    ck_assert_int_eq(quantize(128, 64, 12), -1);
    ck_assert(fabs(value_of(40, 3, 64, 12, 3) + 5e5) < 50);
    columns[40 * ROWS + 3] = 6e5f;
    ck_assert_int_eq(quantize(128, 64, 12), 3);
    columns[40 * ROWS + 3] = FLT_MAX;
    ck_assert_int_eq(quantize(128, 64, 12), 3);
}
END_TEST

Suite *test_plane_quantizer_suite(void);
Suite *test_plane_quantizer_suite(void)
{
    Suite *suite = suite_create("test_plane_quantizer");
    TCase *tests = tcase_create("planes");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, gpt2_layer_is_kept_as_promised);
    tcase_add_test(tests, tinystories_is_kept_as_promised);
    tcase_add_test(tests, no_weight_is_out_of_reach);
    tcase_add_test(tests, tiny_weights_use_subnormal_scales);
    tcase_add_test(tests, zeros_have_zero_scales_and_codes);
    tcase_add_test(tests, huge_weights_are_refused_by_row);
    suite_add_tcase(suite, tests);
    return suite;
}
