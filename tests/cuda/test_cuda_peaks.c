/* test_cuda_peaks.c - the peaks of rows of logits, found on the device. */
#include <check.h>
#include <math.h>

#include "cuda_fixture.h"
#include "kernels/peaks_sample.h"

Suite *test_cuda_peaks_suite(void);

enum { MOST_ROWS = 9, LONGEST = 131073, MOST = 150000 };

static float logits[MOST];
static aci_peaks found[MOST_ROWS];

static void setup(void)
{
    cuda_fixture_open(128);
}

static void find(int32_t n_rows, int32_t n_vocab, float scale)
{
    size_t n = (size_t)n_rows * (size_t)n_vocab;
    float *device = cuda_fixture_upload(logits, n);

    ck_assert_int_eq(fixture.cuda->operations->peaks(fixture.cuda, found,
                                                     device, n_rows, n_vocab,
                                                     1, scale, NULL),
                     AC_OK);
    cuda_fixture_release(device);
}

/* One segment or many, one pass over their runs (31) or several. */
START_TEST(they_are_what_sorting_gives)
{
    static const struct { int32_t n_rows, n_vocab; } sizes[] = {
        { 1, 1 }, { 2, 63 }, { 9, 64 }, { 3, 65 }, { 2, 2047 }, { 2, 2048 },
        { 2, 2049 }, { 1, 63488 }, { 1, 63489 }, { 1, LONGEST } };
    aci_random dice;
    size_t i;
    int32_t row;

    aci_platform_random_seed(&dice, 6);
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int32_t n = sizes[i].n_vocab;
        float scale = i % 3 == 0 ? 0.0f : 0.7f * (float)i;

        cuda_fixture_order((unsigned)i);
        for (row = 0; row < sizes[i].n_rows; row++)
            peaks_sample_fill(logits + (size_t)row * (size_t)n, n, &dice,
                              row % 2);
        find(sizes[i].n_rows, n, scale);
        for (row = 0; row < sizes[i].n_rows; row++)
            peaks_sample_check(&found[row], logits + (size_t)row * (size_t)n,
                               n, ACI_PEAKS, scale);
    }
}
END_TEST

START_TEST(what_is_not_finite_shows_in_the_sum)
{
    static const float bad[] = { NAN, INFINITY };
    enum { N = 5000 };
    aci_random dice;
    int32_t i;
    int k;

    for (k = 0; k < 2; k++) {
        aci_platform_random_seed(&dice, 6);
        peaks_sample_fill(logits, N, &dice, 0);
        logits[4097] = bad[k];
        find(1, N, 1.0f);
        ck_assert(!isfinite(found[0].log_sum));
    }
    for (i = 0; i < N; i++)
        logits[i] = -INFINITY;
    find(1, N, 1.0f);
    ck_assert(!isfinite(found[0].log_sum));
    logits[4097] = NAN; /* alone in its segment */
    logits[3] = 1.0f;
    find(1, N, 1.0f);
    ck_assert(!isfinite(found[0].log_sum));
}
END_TEST

/* A segment where all is forbidden adds nothing. */
START_TEST(empty_segments_add_nothing)
{
    enum { N = 6000 };
    int32_t i;

    for (i = 0; i < N; i++)
        logits[i] = -INFINITY;
    logits[4500] = 2.0f;
    logits[4501] = 1.0f;
    find(1, N, 1.0f);
    peaks_sample_check(&found[0], logits, N, ACI_PEAKS, 1.0f);
}
END_TEST

Suite *test_cuda_peaks_suite(void)
{
    Suite *suite = suite_create("test_cuda_peaks");
    TCase *tc = tcase_create("peaks");

    tcase_add_checked_fixture(tc, setup, cuda_fixture_close);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, they_are_what_sorting_gives);
    tcase_add_test(tc, what_is_not_finite_shows_in_the_sum);
    tcase_add_test(tc, empty_segments_add_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}
