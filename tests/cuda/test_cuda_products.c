/* test_cuda_products.c - the CUDA kernels of products against the reference of
 * the CPU, bit for bit, on the emulated device (or, in `make gpu-check`, on a
 * real one): both kernels, every precision, awkward shapes, views. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cuda_fixture.h"
#include "kernels/product_sample.h"

Suite *test_cuda_products_suite(void);

enum { MAX_WIDTH = 1024, MAX_ROWS = 70 };

static aci_random dice;

static void setup(void)
{
    cuda_fixture_open(MAX_WIDTH);
    aci_platform_random_seed(&dice, 5);
}

/* What both backends make of one product: `expected` by the CPU's reference,
 * `found` by CUDA. Both come with what `accumulate` adds to. */
static void run_both(float *expected, float *found, const aci_linear *linear,
                     const float *x, int32_t n_rows, int accumulate)
{
    size_t n_out = (size_t)linear->weight->n_out;
    size_t bytes = (size_t)n_rows * n_out * sizeof(float);
    aci_product product = { *linear, expected, n_out, accumulate };
    aci_matrix placed = *linear->weight;
    float *bias = NULL, *in, *out;
    aci_input input = { .x = x, .x_stride = (size_t)linear->weight->n_in };

    ck_assert_int_eq(fixture.cpu->operations->project(
                         fixture.cpu, &product, 1, &input, n_rows, NULL),
                     AC_OK);
    cuda_fixture_adopt(&placed);
    in = cuda_fixture_upload(x, (size_t)n_rows *
                                    (size_t)linear->weight->n_in);
    out = cuda_fixture_upload(found, (size_t)n_rows * n_out);
    if (linear->bias != NULL)
        bias = cuda_fixture_upload(linear->bias, n_out);
    product.linear.weight = &placed;
    product.linear.bias = bias;
    product.out = out;
    input.x = in;
    ck_assert_int_eq(fixture.cuda->operations->project(
                         fixture.cuda, &product, 1, &input, n_rows, NULL),
                     AC_OK);
    cuda_fixture_download(found, out, bytes / sizeof(float));
    cuda_fixture_release(in);
    cuda_fixture_release(out);
    if (bias != NULL)
        cuda_fixture_release(bias);
}

static void check_problem(const product_problem *p, const char *line)
{
    static float x[MAX_ROWS * MAX_WIDTH], bias[2048];
    static float expected[MAX_ROWS * 2048], found[MAX_ROWS * 2048];
    size_t n = (size_t)(p->rows * p->n_out);
    aci_linear linear;
    product_sample s;

    product_sample_make(&s, &fixture.memory, &dice, p->n_out, p->n_in,
                        p->group, p->ratio, 0);
    linear = (aci_linear){ &s.matrix, p->with_bias ? bias : NULL, p->w, p->a };
    product_sample_fill(&dice, x, (size_t)(p->rows * p->n_in), 1.0f);
    product_sample_fill(&dice, bias, (size_t)p->n_out, 1.0f);
    product_sample_fill(&dice, expected, n, 1.0f);
    memcpy(found, expected, n * sizeof *found);
    cuda_fixture_reopen(MAX_WIDTH);
    cuda_fixture_order((unsigned)n);
    run_both(expected, found, &linear, x, p->rows, p->accumulate);
    product_sample_expect_same(expected, found, n, line);
    product_sample_free(&fixture.memory, &s);
}

START_TEST(equal_the_reference_bit_for_bit)
{
    ck_assert_int_ge(product_problems_each(check_problem), 30);
}
END_TEST

/* More columns than a round of multiply_few has, more tokens than a tile of
 * multiply_many. */
START_TEST(equal_it_beyond_one_round_and_one_tile)
{
    static const product_problem all[] = {
        { 1, 33, 4352, 64, 12, 4, 8, 1, 0 },
        { 8, 16, 4352, 32, 12, 8, 16, 0, 1 },
        { 5, 16, 4352, 128, 14, 16, 16, 1, 0 },
        { 131, 160, 704, 64, 12, 8, 8, 1, 1 },
        { 100, 144, 640, 128, 14, 16, 16, 0, 0 },
        { 65, 17, 704, 32, 8, 4, 16, 1, 0 } };
    static float x[131 * 4352], bias[256];
    static float expected[131 * 256], found[131 * 256];
    size_t i;

    for (i = 0; i < sizeof all / sizeof *all; i++) {
        const product_problem *p = &all[i];
        size_t n = (size_t)(p->rows * p->n_out);
        product_sample s;
        aci_linear linear;

        cuda_fixture_reopen(p->n_in);
        product_sample_make(&s, &fixture.memory, &dice, p->n_out, p->n_in,
                            p->group, p->ratio, 0);
        linear = (aci_linear){ &s.matrix, p->with_bias ? bias : NULL, p->w,
                               p->a };
        product_sample_fill(&dice, x, (size_t)(p->rows * p->n_in), 1.0f);
        product_sample_fill(&dice, bias, (size_t)p->n_out, 1.0f);
        product_sample_fill(&dice, expected, n, 1.0f);
        memcpy(found, expected, n * sizeof *found);
        run_both(expected, found, &linear, x, p->rows, p->accumulate);
        product_sample_expect_same(expected, found, n, "a wide product");
        product_sample_free(&fixture.memory, &s);
    }
}
END_TEST

START_TEST(extreme_codes_do_not_overflow)
{
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 4, 16 },
                                     { 8, 16 }, { 16, 16 } };
    static const int rows[] = { 1, 12 };
    static float x[12 * 256], expected[12 * 16], found[12 * 16];
    product_sample s;
    size_t i;
    int w, n;

    product_sample_make(&s, &fixture.memory, &dice, 16, 256, 128, 14, 1);
    for (w = 0; w < 5; w++)
        for (n = 0; n < 2; n++) {
            aci_linear linear = { &s.matrix, NULL, widths[w][0],
                                  widths[w][1] };

            for (i = 0; i < sizeof x / sizeof *x; i++)
                x[i] = w % 2 ? 1.0f : -1.0f;
            run_both(expected, found, &linear, x, rows[n], 0);
            product_sample_expect_same(expected, found,
                                       (size_t)(16 * rows[n]), "extreme");
        }
    product_sample_free(&fixture.memory, &s);
}
END_TEST

/* What a variant leaves out: fewer rows, fewer columns of the same bytes. */
START_TEST(a_view_equals_the_cpus)
{
    static const int cuts[][2] = { { 100, 960 }, { 48, 448 }, { 33, 100 },
                                   { 1, 1 }, { 99, 513 } };
    static const int rows[] = { 1, 20 };
    static float x[20 * 960], expected[20 * 100], found[20 * 100];
    int group, c, n;

    product_sample_fill(&dice, x, sizeof x / sizeof *x, 1.0f);
    for (group = 32; group <= 128; group *= 2) {
        product_sample whole;

        cuda_fixture_reopen(960);
        product_sample_make(&whole, &fixture.memory, &dice, 100, 960, group,
                            12, 0);
        for (c = 0; c < 5; c++)
            for (n = 0; n < 2; n++) {
                aci_matrix view = aci_matrix_cut(&whole.matrix, cuts[c][0],
                                                 cuts[c][1]);
                aci_linear linear = { &view, NULL, n ? 4 : 8, 8 };

                run_both(expected, found, &linear, x, rows[n], 0);
                product_sample_expect_same(
                    expected, found, (size_t)(rows[n] * cuts[c][0]),
                    "a view");
            }
        product_sample_free(&fixture.memory, &whole);
    }
}
END_TEST

/* Three products of one input in one call, of different precisions: each is
 * what it is alone. */
START_TEST(products_of_one_input_share_a_call)
{
    static const int n_out[3] = { 48, 17, 130 };
    static const int rows[] = { 2, 33 };
    static float x[33 * 256], alone[33 * 130], found[33 * 130];
    product_sample s[3];
    int i, n;

    product_sample_fill(&dice, x, sizeof x / sizeof *x, 1.0f);
    for (i = 0; i < 3; i++)
        product_sample_make(&s[i], &fixture.memory, &dice, n_out[i], 256, 64,
                            12, 0);
    for (n = 0; n < 2; n++) {
        float *in = cuda_fixture_upload(x, (size_t)rows[n] * 256);
        aci_matrix placed[3];
        aci_product all[3];
        aci_input input = { .x_stride = 256 };

        for (i = 0; i < 3; i++) {
            placed[i] = s[i].matrix;
            cuda_fixture_adopt(&placed[i]);
            all[i] = (aci_product){
                { &placed[i], NULL, i == 2 ? 4 : 8, 8 },
                cuda_fixture_upload(alone, (size_t)(rows[n] * n_out[i])),
                (size_t)n_out[i], 0 };
        }
        input.x = in;
        ck_assert_int_eq(fixture.cuda->operations->project(
                             fixture.cuda, all, 3, &input, rows[n], NULL),
                         AC_OK);
        input.x = x;
        for (i = 0; i < 3; i++) {
            aci_linear linear = { &s[i].matrix, NULL, i == 2 ? 4 : 8, 8 };
            size_t size = (size_t)(rows[n] * n_out[i]);

            cuda_fixture_download(found, all[i].out, size);
            cuda_fixture_release(all[i].out);
            {
                aci_product one = { linear, alone, (size_t)n_out[i], 0 };

                ck_assert_int_eq(fixture.cpu->operations->project(
                                     fixture.cpu, &one, 1, &input, rows[n],
                                     NULL), AC_OK);
            }
            product_sample_expect_same(alone, found, size, "one of three");
        }
        cuda_fixture_release(in);
    }
    for (i = 0; i < 3; i++)
        product_sample_free(&fixture.memory, &s[i]);
}
END_TEST

Suite *test_cuda_products_suite(void)
{
    Suite *suite = suite_create("test_cuda_products");
    TCase *tc = tcase_create("products");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, cuda_fixture_close);
    tcase_add_test(tc, equal_the_reference_bit_for_bit);
    tcase_add_test(tc, equal_it_beyond_one_round_and_one_tile);
    tcase_add_test(tc, extreme_codes_do_not_overflow);
    tcase_add_test(tc, a_view_equals_the_cpus);
    tcase_add_test(tc, products_of_one_input_share_a_call);
    suite_add_tcase(suite, tc);
    return suite;
}
