/* test_peaks.c - the best entries of a row of logits and its sums. */
#include <check.h>
#include <math.h>

#include "kernels/peaks_sample.h"

Suite *test_peaks_suite(void);

enum { LONGEST = 5000 };

static float logits[LONGEST];

START_TEST(they_are_what_sorting_gives)
{
    static const int32_t lengths[] = { 1, 2, 63, 64, 65, 66, 1000, LONGEST };
    aci_random dice;
    aci_peaks found;
    int round;
    size_t i;

    aci_platform_random_seed(&dice, 4);
    for (i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (round = 0; round < 8; round++) {
            int32_t n_best = round % 3 == 0 ? ACI_PEAKS : 1 + 7 * (round / 3);
            float scale = round == 0 ? 0.0f : 0.3f * (float)round;

            peaks_sample_fill(logits, lengths[i], &dice, round % 2);
            aci_kernels_peaks(&found, logits, lengths[i], n_best, scale);
            peaks_sample_check(&found, logits, lengths[i], n_best, scale);
        }
}
END_TEST

START_TEST(what_is_not_finite_shows_in_the_sum)
{
    static const float bad[] = { NAN, INFINITY };
    aci_random dice;
    aci_peaks found;
    int32_t at;
    int k;

    for (k = 0; k < 2; k++)
        for (at = 0; at < 100; at += 33) {
            aci_platform_random_seed(&dice, 4);
            peaks_sample_fill(logits, 100, &dice, 0);
            logits[at] = bad[k];
            aci_kernels_peaks(&found, logits, 100, ACI_PEAKS, 1.0f);
            ck_assert(!isfinite(found.log_sum));
        }
    for (at = 0; at < 100; at++)
        logits[at] = -INFINITY;
    aci_kernels_peaks(&found, logits, 100, ACI_PEAKS, 1.0f);
    ck_assert(!isfinite(found.log_sum));
}
END_TEST

Suite *test_peaks_suite(void)
{
    Suite *suite = suite_create("test_peaks");
    TCase *tc = tcase_create("peaks");

    tcase_add_test(tc, they_are_what_sorting_gives);
    tcase_add_test(tc, what_is_not_finite_shows_in_the_sum);
    suite_add_tcase(suite, tc);
    return suite;
}
