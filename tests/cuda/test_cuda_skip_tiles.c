/* test_cuda_skip_tiles.c - the block-sparse product of the benchmark against
 * the CPU's reference of the dense one with zeros, bit for bit. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bench/skip_tiles_cuda.h"
#include "cuda_fixture.h"
#include "emulated_runtime.h"
#include "kernels/product_sample.h"

Suite *test_cuda_skip_tiles_suite(void);

enum { WIDTH = 4480, ROWS = 8, BLOCK = 1024 };

static aci_random dice;
static cudaStream_t stream;

static void setup(void)
{
    cuda_fixture_open(WIDTH);
    aci_platform_random_seed(&dice, 21);
    ck_assert_int_eq(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
                     cudaSuccess);
}

static void teardown(void)
{
    cudaStreamDestroy(stream);
    cuda_fixture_close();
}

static void *place(const void *bytes, size_t n)
{
    void *device = fixture.cuda->operations->allocate(fixture.cuda, n + 1);

    ck_assert_ptr_nonnull(device);
    ck_assert_int_eq(fixture.cuda->operations->host_to(fixture.cuda, device,
                                                       bytes, n, NULL), AC_OK);
    return device;
}

/* What the lists of a sample's live blocks say, on the host. */
typedef struct packing {
    uint32_t *first;
    uint16_t *live, *scales;
    uint8_t *nibbles;
    size_t n;
} packing;

/* A share of the blocks stays; the others become zero in the sample. The strip
 * `bare` keeps none. */
static void pack(packing *out, product_sample *s, double share, int32_t bare)
{
    const int32_t n_groups = s->matrix.n_in / 128;
    const size_t n = (size_t)s->matrix.n_strip * (size_t)n_groups;
    int32_t strip, g;

    out->n = 0;
    out->first = calloc((size_t)s->matrix.n_strip + 1, sizeof *out->first);
    out->live = calloc(n, sizeof *out->live);
    out->scales = calloc(n, 16 * sizeof *out->scales);
    out->nibbles = calloc(n, BLOCK);
    ck_assert(out->first && out->live && out->scales && out->nibbles);
    for (strip = 0; strip < s->matrix.n_strip; strip++) {
        for (g = 0; g < n_groups; g++) {
            size_t at = (size_t)(strip * n_groups + g);

            if (strip == bare || aci_platform_random_unit(&dice) >= share) {
                memset(s->a + at * BLOCK, 0x88, BLOCK);
                continue;
            }
            out->live[out->n] = (uint16_t)g;
            memcpy(out->scales + 16 * out->n, s->scales + 16 * at,
                   16 * sizeof *s->scales);
            memcpy(out->nibbles + out->n * BLOCK, s->a + at * BLOCK, BLOCK);
            out->n++;
        }
        out->first[strip + 1] = (uint32_t)out->n;
    }
}

static void run_on_device(float *found, const packing *p, int32_t n_out,
                          int32_t n_in, const float *x, int32_t n_rows)
{
    float *in = cuda_fixture_upload(x, (size_t)(n_rows * n_in));
    float *out = cuda_fixture_upload(found, (size_t)(n_rows * n_out));
    size_t n_strips = (size_t)((n_out + 15) / 16);
    void *parts[] = { place(p->first, (n_strips + 1) * sizeof *p->first),
                      place(p->live, p->n * sizeof *p->live),
                      place(p->scales, p->n * 16 * sizeof *p->scales),
                      place(p->nibbles, p->n * BLOCK),
                      fixture.cuda->operations->allocate(
                          fixture.cuda, skip_tiles_cuda_bytes(n_in, n_rows)) };
    const skip_cuda_matrix m = { n_out, n_in, parts[0], parts[1], parts[2],
                                 parts[3] };
    int i;

    ck_assert_ptr_nonnull(parts[4]);
    ck_assert_int_eq(fixture.cuda->operations->synchronize(fixture.cuda, NULL),
                     AC_OK);
    ck_assert_int_eq(skip_tiles_cuda(out, &m, in, n_rows, parts[4], stream),
                     cudaSuccess);
    ck_assert_int_eq(cudaStreamSynchronize(stream), cudaSuccess);
    cuda_fixture_download(found, out, (size_t)(n_rows * n_out));
    for (i = 0; i < 5; i++)
        cuda_fixture_release(parts[i]);
    cuda_fixture_release(in);
    cuda_fixture_release(out);
}

static void check_one(int32_t n_out, int32_t n_in, int32_t n_rows,
                      double share)
{
    static float x[ROWS * WIDTH], expected[ROWS * 200], found[ROWS * 200];
    const aci_input input = { .x = x, .x_stride = (size_t)n_in };
    product_sample s;
    packing p;

    product_sample_make(&s, &fixture.memory, &dice, n_out, n_in, 128, 12, 0);
    pack(&p, &s, share, 1);
    product_sample_fill(&dice, x, (size_t)(n_rows * n_in), 1.0f);
    {
        const aci_product dense = { { &s.matrix, NULL, 4, 8 }, expected,
                                    (size_t)n_out, 0 };

        ck_assert_int_eq(fixture.cpu->operations->project(
                             fixture.cpu, &dense, 1, &input, n_rows, NULL),
                         AC_OK);
    }
    cuda_fixture_order((unsigned)(n_out + n_rows));
    run_on_device(found, &p, n_out, n_in, x, n_rows);
    product_sample_expect_same(expected, found, (size_t)(n_rows * n_out),
                               "block-sparse");
    product_sample_free(&fixture.memory, &s);
    free(p.first);
    free(p.live);
    free(p.scales);
    free(p.nibbles);
}

START_TEST(skipping_is_multiplying_by_zero_bit_for_bit)
{
    static const double shares[] = { 1.0, 0.5, 0.25, 0.03 };
    int i;

    for (i = 0; i < 4; i++) {
        check_one(33, 384, 1, shares[i]);
        check_one(200, 1280, 3, shares[i]);
        check_one(50, WIDTH, 8, shares[i]); /* more than a round of tiles */
    }
}
END_TEST

START_TEST(shapes_it_was_not_made_for_are_refused)
{
    skip_cuda_matrix m = { 16, 192, NULL, NULL, NULL, NULL };

    ck_assert_int_eq(skip_tiles_cuda(NULL, &m, NULL, 1, NULL, stream),
                     cudaErrorInvalidValue);
    m.n_in = 256;
    ck_assert_int_eq(skip_tiles_cuda(NULL, &m, NULL, 9, NULL, stream),
                     cudaErrorInvalidValue);
}
END_TEST

Suite *test_cuda_skip_tiles_suite(void)
{
    Suite *suite = suite_create("test_cuda_skip_tiles");
    TCase *tc = tcase_create("skip_tiles");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, skipping_is_multiplying_by_zero_bit_for_bit);
    tcase_add_test(tc, shapes_it_was_not_made_for_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
