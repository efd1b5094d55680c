/* test_text_windows.c - every token is judged as often as the rule says, with
 * as much before it as it promises. */
#include "workshop/evaluate/text_windows.h"

#include <check.h>
#include <string.h>

Suite *test_text_windows_suite(void);

enum { LONGEST = 200 };

typedef struct seen {
    int times[LONGEST];      /* judged */
    size_t before[LONGEST];  /* tokens before it in its window */
    int n_windows;
} seen;

static void walk(seen *s, const aci_window_rule *rule, size_t n_tokens)
{
    aci_window w = { 0, 0, 0 };
    size_t i;

    memset(s, 0, sizeof *s);
    while (aci_workshop_window_next(&w, rule, n_tokens)) {
        ck_assert_uint_lt(w.begin, w.first);
        ck_assert_uint_le(w.first, w.end);
        ck_assert_uint_le(w.end, n_tokens);
        ck_assert_uint_le(w.end - w.begin, rule->context);
        for (i = w.first; i < w.end; i++) {
            s->times[i]++;
            s->before[i] = i - w.begin;
        }
        s->n_windows++;
    }
}

START_TEST(sliding_windows_judge_each_token_once)
{
    size_t context, stride, n, i;
    seen s;

    for (context = 2; context <= 17; context += 3)
        for (stride = 1; stride < context; stride++)
            for (n = 0; n < 80; n++) {
                aci_window_rule rule = { context, stride, false, false };

                walk(&s, &rule, n);
                for (i = 0; i < n; i++) {
                    ck_assert_int_eq(s.times[i], i > 0);
                    if (i >= context)
                        ck_assert_uint_ge(s.before[i], context - stride);
                }
            }
}
END_TEST

START_TEST(disjoint_windows_judge_all_but_their_first)
{
    size_t n, i;
    seen s;

    for (n = 0; n < LONGEST; n++) {
        aci_window_rule rule = { 16, 16, false, false };

        walk(&s, &rule, n);
        ck_assert_int_eq(s.n_windows, (int)((n + 15) / 16));
        for (i = 0; i < n; i++)
            ck_assert_int_eq(s.times[i], i % 16 != 0);
    }
}
END_TEST

START_TEST(second_halves_are_those_of_llama_cpp)
{
    /* its first is n_ctx / 2: the logits at [first, n_ctx - 1) are judged,
     * so tokens [first + 1, n_ctx), n_ctx - first - 1 of each chunk */
    aci_window_rule rule = { 16, 16, true, true };
    seen s;
    size_t i;

    walk(&s, &rule, 100);
    ck_assert_int_eq(s.n_windows, 6);
    for (i = 0; i < 100; i++)
        ck_assert_int_eq(s.times[i], i < 96 && i % 16 >= 9);
}
END_TEST

START_TEST(whole_windows_leave_the_rest)
{
    aci_window_rule rule = { 10, 5, false, true };
    seen s;

    walk(&s, &rule, 9);
    ck_assert_int_eq(s.n_windows, 0);
    walk(&s, &rule, 10);
    ck_assert_int_eq(s.n_windows, 1);
    walk(&s, &rule, 14);
    ck_assert_int_eq(s.n_windows, 1);
    walk(&s, &rule, 15);
    ck_assert_int_eq(s.n_windows, 2);
    ck_assert_int_eq(s.times[14], 1);
}
END_TEST

Suite *test_text_windows_suite(void)
{
    Suite *suite = suite_create("test_text_windows");
    TCase *tc = tcase_create("text_windows");

    tcase_add_test(tc, sliding_windows_judge_each_token_once);
    tcase_add_test(tc, disjoint_windows_judge_all_but_their_first);
    tcase_add_test(tc, second_halves_are_those_of_llama_cpp);
    tcase_add_test(tc, whole_windows_leave_the_rest);
    suite_add_tcase(suite, tc);
    return suite;
}
