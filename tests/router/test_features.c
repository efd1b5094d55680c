/* test_features.c - the splitter, the shape, templates, and their bounds. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "router/arithmetic.h"
#include "router/features.h"

static aci_features read_text(const char *text)
{
    aci_features f;

    aci_router_read_features(&f, NULL, text, strlen(text), 15);
    return f;
}

START_TEST(words_numbers_and_marks_are_tokens)
{
    aci_features f = read_text("  The answer, 3.14!\n");
    aci_features folded = read_text("the ANSWER , 7.98 !");
    uint32_t i;

    ck_assert_uint_eq(f.n_tokens, 7); /* the answer , 0 . 00 ! */
    ck_assert_uint_eq(folded.n_tokens, 7);
    for (i = 0; i < 7; i++)
        ck_assert(f.word[i] == folded.word[i]);
    ck_assert(f.word[0] != f.word[1]);
}
END_TEST

START_TEST(long_numbers_and_words_are_cut)
{
    aci_features a = read_text("123456789 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
    aci_features b = read_text("4444 aaaaaaaaaaaaaaaaaaaaaaaac");

    ck_assert_uint_eq(a.n_tokens, 2);
    ck_assert_uint_eq(b.n_tokens, 2);
    ck_assert(a.word[0] == b.word[0]);
    ck_assert(a.word[1] == b.word[1]);
}
END_TEST

START_TEST(only_the_first_tokens_are_read)
{
    aci_features a = read_text("1 2 3 4 5 6 7 8 9 a b c d e f g h");
    aci_features b;

    ck_assert_uint_eq(a.n_tokens, 15);
    aci_router_read_features(&b, NULL, "a b c d e f g h i j k l", 23, 10);
    ck_assert_uint_eq(b.n_tokens, 10);
}
END_TEST

START_TEST(empty_blank_and_null_prompts_have_no_tokens)
{
    aci_features f;

    aci_router_read_features(&f, NULL, NULL, 0, 15);
    ck_assert_uint_eq(f.n_tokens, 0);
    ck_assert(f.shape[ACI_SHAPE_LENGTH] == 0.0f);
    f = read_text(" \n\t ");
    ck_assert_uint_eq(f.n_tokens, 0);
}
END_TEST

START_TEST(invalid_utf8_is_only_a_strange_word)
{
    aci_features f = read_text("\xFF\xFE\x80 ok \xC3");

    ck_assert_uint_eq(f.n_tokens, 3);
    ck_assert(f.shape[ACI_SHAPE_FOREIGN] > 0.4f);
}
END_TEST

START_TEST(the_shape_tells_what_is_there)
{
    aci_features f = read_text("What is ___?\nA. x+y\nB. x|y\n```c\n");

    ck_assert(f.shape[ACI_SHAPE_QUESTION] == 1.0f);
    ck_assert(f.shape[ACI_SHAPE_BLANK] == 1.0f);
    ck_assert(f.shape[ACI_SHAPE_TABLE] == 1.0f);
    ck_assert(f.shape[ACI_SHAPE_CODE] == 1.0f);
    ck_assert(f.shape[ACI_SHAPE_LINES] == aci_router_log2(5));
    ck_assert(f.shape[ACI_SHAPE_FIRST_LINE] == aci_router_log2(13));
    ck_assert(f.shape[ACI_SHAPE_OPERATORS] == 1.0f / 32.0f);
    f = read_text("plain words");
    ck_assert(f.shape[ACI_SHAPE_QUESTION] == 0.0f);
    ck_assert(f.shape[ACI_SHAPE_CODE] == 0.0f);
}
END_TEST

START_TEST(the_longest_template_is_skipped_and_numbered)
{
    aci_templates t = { 2, { 8, 16 }, { "Task:   ", "Task:   Answer: " } };
    aci_features f, bare = read_text("why?");

    aci_router_read_features(&f, &t, "Task:   Answer: why?", 20, 15);
    ck_assert_uint_eq(f.template_number, 2);
    ck_assert_uint_eq(f.n_tokens, 2);
    ck_assert(f.word[0] == bare.word[0]);
    ck_assert(f.shape[ACI_SHAPE_LENGTH] == bare.shape[ACI_SHAPE_LENGTH]);
    aci_router_read_features(&f, &t, "Task:   Ans", 11, 15);
    ck_assert_uint_eq(f.template_number, 1);
    aci_router_read_features(&f, &t, "Task", 4, 15);
    ck_assert_uint_eq(f.template_number, 0);
}
END_TEST

START_TEST(a_long_prompt_is_read_in_its_window_alone)
{
    size_t n = (size_t)1 << 20;
    char *text = malloc(n);
    aci_features a, b;
    uint64_t hash;

    memset(text, 'a', n);
    aci_router_read_features(&a, NULL, text, n, 15);
    hash = aci_router_hash_features(&a);
    text[ACI_ROUTER_WINDOW_BYTES] = '?';
    aci_router_read_features(&b, NULL, text, n, 15);
    ck_assert(aci_router_hash_features(&b) == hash);
    text[ACI_ROUTER_WINDOW_BYTES - 1] = '?';
    aci_router_read_features(&b, NULL, text, n, 15);
    ck_assert(aci_router_hash_features(&b) != hash);
    aci_router_read_features(&b, NULL, text, n / 2, 15);
    ck_assert(b.shape[ACI_SHAPE_LENGTH] < a.shape[ACI_SHAPE_LENGTH]);
    free(text);
}
END_TEST

START_TEST(entries_and_rows_stay_in_their_tables)
{
    aci_features f = read_text("1 one 2 two 3 three 4 four 5 five 6 six 7 7 7");
    uint32_t entries[ACI_ROUTER_MAX_WIDE], rows[4], n_wide, n, i, k;

    f.template_number = 1;
    for (n_wide = 1; n_wide < 5000; n_wide = n_wide * 3 + 1) {
        n = aci_router_wide_entries(entries, &f, n_wide);
        ck_assert_uint_le(n, ACI_ROUTER_MAX_WIDE);
        for (i = 0; i < n; i++)
            ck_assert((entries[i] & ~ACI_ROUTER_WIDE_NEGATIVE) < n_wide);
        for (i = 0; i < f.n_tokens; i++) {
            aci_router_embedding_rows(rows, &f, i, n_wide);
            for (k = 0; k < 4; k++)
                ck_assert(rows[k] < n_wide);
        }
    }
}
END_TEST

START_TEST(hashes_are_the_same_on_every_machine)
{
    aci_features f = read_text("Which of the following is NOT 42?\nA. x");

    ck_assert(f.word[0] == 0x0A459029B8DC6632u);
    ck_assert(aci_router_hash_features(&f) == 0xE935C3D56D481949u);
}
END_TEST

START_TEST(exp_and_log2_are_close_and_bounded)
{
    float x;

    ck_assert(aci_router_exp(0.0f) == 1.0f);
    for (x = -20.0f; x < 20.0f; x += 0.37f)
        ck_assert_float_eq_tol(aci_router_exp(x) * aci_router_exp(-x), 1.0f,
                               1e-6f);
    ck_assert_float_eq_tol(aci_router_exp(1.0f), 2.7182818f, 3e-7f);
    ck_assert(aci_router_exp(1e30f) < 1.7e38f * 2.0f);
    ck_assert(aci_router_exp(-1e30f) > 0.0f);
    ck_assert(aci_router_sigmoid(1e30f) == 1.0f);
    ck_assert(aci_router_log2(0) == 0.0f && aci_router_log2(1) == 0.0f);
    ck_assert(aci_router_log2(8) == 3.0f && aci_router_log2(12) == 3.5f);
    ck_assert(aci_router_log2(UINT64_MAX) <= 64.0f);
}
END_TEST

Suite *test_features_suite(void);

Suite *test_features_suite(void)
{
    Suite *suite = suite_create("test_features");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, words_numbers_and_marks_are_tokens);
    tcase_add_test(tests, long_numbers_and_words_are_cut);
    tcase_add_test(tests, only_the_first_tokens_are_read);
    tcase_add_test(tests, empty_blank_and_null_prompts_have_no_tokens);
    tcase_add_test(tests, invalid_utf8_is_only_a_strange_word);
    tcase_add_test(tests, the_shape_tells_what_is_there);
    tcase_add_test(tests, the_longest_template_is_skipped_and_numbered);
    tcase_add_test(tests, a_long_prompt_is_read_in_its_window_alone);
    tcase_add_test(tests, entries_and_rows_stay_in_their_tables);
    tcase_add_test(tests, hashes_are_the_same_on_every_machine);
    tcase_add_test(tests, exp_and_log2_are_close_and_bounded);
    suite_add_tcase(suite, tests);
    return suite;
}
