/* test_cuda_wide.c - products by warpgroups (multiply_wide.cu), as `project`
 * reaches them, against the reference of the CPU, bit for bit; and that a
 * device on which they go wrong does without. On the emulated device, which
 * runs our code for sm_90a here, or on a real one. */
#include <check.h>
#include <string.h>

#include "cuda_fixture.h"
#include "emulated_runtime.h"
#include "kernels/product_sample.h"

Suite *test_cuda_wide_suite(void);

/* More columns than the rings of shared memory hold, twice. */
enum { N_OUT = 150, N_IN = 1100, MAX_WIDTH = 1152, MAX_ROWS = 300 };

typedef struct problem {
    int rows, n_out, n_in, w, a, with_bias, accumulate;
} problem;

static product_sample samples[2]; /* groups of 64 and 128 */
static float x[MAX_ROWS * N_IN], bias[N_OUT];
static float expected[MAX_ROWS * N_OUT], found[MAX_ROWS * N_OUT];
static aci_random dice;

static void setup(void)
{
    cuda_fixture_open(MAX_WIDTH);
    emulation_code(EMULATION_HAS_SM_90A);
    cuda_fixture_reopen(MAX_WIDTH);
    aci_platform_random_seed(&dice, 11);
    product_sample_make(&samples[0], &fixture.memory, &dice, N_OUT, N_IN, 64,
                        12, 0);
    product_sample_make(&samples[1], &fixture.memory, &dice, N_OUT, N_IN, 128,
                        14, 0);
    product_sample_fill(&dice, x, MAX_ROWS * N_IN, 1.0f);
    product_sample_fill(&dice, bias, N_OUT, 1.0f);
}

static void teardown(void)
{
    product_sample_free(&fixture.memory, &samples[0]);
    product_sample_free(&fixture.memory, &samples[1]);
    emulation_swap_offsets(0);
    cuda_fixture_order(0);
    cuda_fixture_close();
}

static int says(const char *what)
{
    return strstr(fixture.cuda->description, what) != NULL;
}

static void run_on(aci_backend *backend, aci_product product, const float *in,
                   int n_in, int rows)
{
    const aci_input input = { .x = in, .x_stride = (size_t)n_in };

    ck_assert_int_eq(backend->operations->project(backend, &product, 1, &input,
                                                  rows, NULL), AC_OK);
}

/* Into `expected` and `found`; how many floats. */
static size_t run_both(const problem *p, const product_sample *s)
{
    aci_matrix view = aci_matrix_cut(&s->matrix, p->n_out, p->n_in);
    aci_matrix placed = view;
    size_t n = (size_t)(p->rows * p->n_out);
    float *in = cuda_fixture_upload(x, (size_t)(p->rows * p->n_in));
    float *out, *offsets = cuda_fixture_upload(bias, N_OUT);

    product_sample_fill(&dice, expected, n, 1.0f);
    out = cuda_fixture_upload(expected, n);
    cuda_fixture_adopt(&placed);
    run_on(fixture.cpu,
           (aci_product){ { &view, p->with_bias ? bias : NULL, p->w, p->a },
                          expected, (size_t)p->n_out, p->accumulate },
           x, p->n_in, p->rows);
    run_on(fixture.cuda,
           (aci_product){
               { &placed, p->with_bias ? offsets : NULL, p->w, p->a },
               out, (size_t)p->n_out, p->accumulate },
           in, p->n_in, p->rows);
    cuda_fixture_download(found, out, n);
    cuda_fixture_release(in);
    cuda_fixture_release(out);
    cuda_fixture_release(offsets);
    return n;
}

static void expect_same(const problem *p)
{
    int g;

    for (g = 0; g < 2; g++) {
        size_t n = run_both(p, &samples[g]);

        product_sample_expect_same(expected, found, n,
                                   g == 0 ? "groups of 64" : "groups of 128");
    }
}

/* A last block of 1, 7, 17, 63, 64, 65 tokens; one strip, odd strips, several
 * blocks of them; one group, and rings that wrap around. */
START_TEST(equal_the_reference_bit_for_bit)
{
    static const problem all[] = {
        { 65, 33, N_IN, 8, 8, 1, 0 },    { 71, N_OUT, N_IN, 4, 8, 0, 1 },
        { 81, 129, 640, 4, 16, 1, 1 },   { 127, 16, 64, 8, 16, 0, 0 },
        { 128, 128, 128, 16, 16, 1, 0 }, { 129, 100, 513, 8, 8, 0, 1 },
        { 193, 17, 700, 16, 16, 0, 1 },  { 145, 48, N_IN, 8, 16, 1, 0 },
        { 300, 40, 448, 4, 8, 1, 1 },    { 192, 1, 1, 16, 16, 0, 0 } };
    size_t i;

    if (emulation_is_on())
        ck_assert_msg(says(", wgmma") && !says("off"), "%s",
                      fixture.cuda->description);
    for (i = 0; i < sizeof all / sizeof *all; i++)
        expect_same(&all[i]);
}
END_TEST

START_TEST(the_order_of_threads_and_copies_is_nothing_to_them)
{
    static const problem all[] = { { 130, 70, 700, 8, 8, 1, 0 },
                                   { 66, 70, N_IN, 16, 16, 1, 0 } };
    unsigned seed;

    for (seed = 1; seed <= 8; seed++) {
        cuda_fixture_order(seed);
        expect_same(&all[seed % 2]);
    }
}
END_TEST

START_TEST(extreme_codes_do_not_overflow)
{
    static const int widths[][2] = { { 4, 8 }, { 8, 8 }, { 4, 16 },
                                     { 8, 16 }, { 16, 16 } };
    product_sample s;
    int w;
    size_t i;

    product_sample_make(&s, &fixture.memory, &dice, 16, 256, 128, 14, 1);
    for (w = 0; w < 5; w++) {
        problem p = { 65, 16, 256, widths[w][0], widths[w][1], 0, 0 };

        for (i = 0; i < 65 * 256; i++)
            x[i] = w % 2 ? 1.0f : -1.0f;
        run_both(&p, &s);
        product_sample_expect_same(expected, found, 65 * 16, "extreme");
    }
    product_sample_free(&fixture.memory, &s);
}
END_TEST

/* Three products of one input in one call, of different precisions and lengths:
 * strips of two of them share a block. */
START_TEST(products_of_one_input_share_a_call)
{
    static const problem all[3] = { { 140, 40, N_IN, 8, 8, 0, 0 },
                                    { 140, 17, N_IN, 8, 8, 0, 0 },
                                    { 140, N_OUT, N_IN, 4, 8, 0, 0 } };
    static float together[3][140 * N_OUT];
    float *in = cuda_fixture_upload(x, (size_t)140 * N_IN);
    const aci_input input = { .x = in, .x_stride = N_IN };
    aci_matrix placed[3];
    aci_product products[3];
    int i;

    for (i = 0; i < 3; i++) {
        placed[i] = aci_matrix_cut(&samples[0].matrix, all[i].n_out, N_IN);
        cuda_fixture_adopt(&placed[i]);
        products[i] = (aci_product){
            { &placed[i], NULL, all[i].w, 8 },
            cuda_fixture_upload(together[i], (size_t)(140 * all[i].n_out)),
            (size_t)all[i].n_out, 0 };
    }
    ck_assert_int_eq(fixture.cuda->operations->project(
                         fixture.cuda, products, 3, &input, 140, NULL), AC_OK);
    for (i = 0; i < 3; i++) {
        size_t n = (size_t)(140 * all[i].n_out);

        cuda_fixture_download(together[i], products[i].out, n);
        cuda_fixture_release(products[i].out);
        run_both(&all[i], &samples[0]);
        product_sample_expect_same(expected, together[i], n, "one of three");
    }
    cuda_fixture_release(in);
}
END_TEST

/* From 65 rows on, and not below: seen by breaking it once it is in use. */
START_TEST(project_takes_it_for_many_rows_alone)
{
    problem p = { 65, 33, N_IN, 8, 8, 0, 0 };
    size_t n;

    if (!emulation_is_on())
        return;
    emulation_swap_offsets(1);
    n = run_both(&p, &samples[0]);
    ck_assert_int_ne(memcmp(expected, found, n * sizeof *found), 0);
    p.rows = 64;
    n = run_both(&p, &samples[0]);
    ck_assert_int_eq(memcmp(expected, found, n * sizeof *found), 0);
}
END_TEST

START_TEST(a_device_that_fails_the_self_test_does_without)
{
    const problem p = { 130, 33, N_IN, 8, 8, 0, 0 };

    if (!emulation_is_on())
        return;
    emulation_swap_offsets(1);
    cuda_fixture_reopen(MAX_WIDTH);
    ck_assert_msg(says(", wgmma off: failed its self-test"), "%s",
                  fixture.cuda->description);
    expect_same(&p);
    emulation_swap_offsets(0);
    emulation_code(EMULATION_HAS_CODE); /* of sm_90, without the 'a' */
    cuda_fixture_reopen(MAX_WIDTH);
    ck_assert_msg(!says("wgmma"), "%s", fixture.cuda->description);
    expect_same(&p);
}
END_TEST

static void reopen_with(size_t most_bytes)
{
    fixture.cuda->operations->close(fixture.cuda);
    ck_assert_uint_eq(emulation_bytes(), 0);
    ck_assert_int_eq(aci_cuda_open(&fixture.cuda, &fixture.memory, 0, MAX_WIDTH,
                                   most_bytes, NULL), AC_OK);
}

START_TEST(the_self_test_takes_no_memory_that_is_wanted)
{
    size_t used;

    if (!emulation_is_on())
        return;
    reopen_with(0);
    used = fixture.cuda->operations->used_bytes(fixture.cuda);
    emulation_code(EMULATION_HAS_CODE);
    reopen_with(0);
    ck_assert_uint_eq(fixture.cuda->operations->used_bytes(fixture.cuda), used);
    emulation_code(EMULATION_HAS_SM_90A);
    reopen_with(used + 4096);
    ck_assert_msg(says(", wgmma off: no memory for its self-test"), "%s",
                  fixture.cuda->description);
}
END_TEST

START_TEST(a_fault_during_the_self_test_is_told)
{
    ac_error error = AC_ERROR_INIT;
    aci_backend *other;

    if (!emulation_is_on())
        return;
    emulation_fail_launch(4);
    ck_assert_int_eq(aci_cuda_open(&other, &fixture.memory, 0, MAX_WIDTH, 0,
                                   &error), AC_E_DEVICE);
    ck_assert_ptr_null(other);
    ck_assert_msg(strstr(error.message, "unspecified launch failure") != NULL,
                  "%s", error.message);
    emulation_plug(1); /* another process would find it whole */
}
END_TEST

Suite *test_cuda_wide_suite(void)
{
    Suite *suite = suite_create("test_cuda_wide");
    TCase *tc = tcase_create("wide products");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, equal_the_reference_bit_for_bit);
    tcase_add_test(tc, the_order_of_threads_and_copies_is_nothing_to_them);
    tcase_add_test(tc, extreme_codes_do_not_overflow);
    tcase_add_test(tc, products_of_one_input_share_a_call);
    tcase_add_test(tc, project_takes_it_for_many_rows_alone);
    tcase_add_test(tc, a_device_that_fails_the_self_test_does_without);
    tcase_add_test(tc, the_self_test_takes_no_memory_that_is_wanted);
    tcase_add_test(tc, a_fault_during_the_self_test_is_told);
    suite_add_tcase(suite, tc);
    return suite;
}
