/* test_corpus.c - documents become pieces whose rows and targets are right. */
#include "workshop/train/corpus.h"

#include <check.h>

static aci_memory memory;
static aci_corpus corpus;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    aci_workshop_corpus_init(&corpus, &memory, 4, 100);
    ck_assert_int_eq(aci_workshop_corpus_source_begin(&corpus, 1.0, NULL),
                     AC_OK);
}

static void tear_down(void)
{
    aci_workshop_corpus_free(&corpus);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static void add(size_t n, size_t n_given)
{
    int32_t tokens[64] = { 0 };

    for (size_t i = 0; i < n; i++)
        tokens[i] = (int32_t)i;
    ck_assert_int_eq(aci_workshop_corpus_add(&corpus, tokens, n, n_given,
                                             NULL), AC_OK);
}

static void expect_piece(size_t i, uint64_t first, int32_t n_rows,
                         int32_t first_target)
{
    ck_assert_uint_lt(i, corpus.n_pieces);
    ck_assert_uint_eq(corpus.pieces[i].first, first);
    ck_assert_int_eq(corpus.pieces[i].n_rows, n_rows);
    ck_assert_int_eq(corpus.pieces[i].first_target, first_target);
}

START_TEST(every_token_but_the_first_is_a_target_once)
{
    add(10, 0);
    ck_assert_uint_eq(corpus.n_pieces, 3);
    expect_piece(0, 0, 4, 0);
    expect_piece(1, 4, 4, 0);
    expect_piece(2, 8, 1, 0);
    ck_assert_uint_eq(corpus.sources[0].n_targets, 9);
    ck_assert_int_eq(aci_workshop_corpus_token(&corpus, 9), 9);
}
END_TEST

START_TEST(what_fills_the_context_exactly_is_one_piece)
{
    add(5, 0);
    ck_assert_uint_eq(corpus.n_pieces, 1);
    expect_piece(0, 0, 4, 0);
}
END_TEST

START_TEST(a_prompt_is_not_learned)
{
    add(4, 2); /* rows 0 1 2; only what tokens 2 and 3 are is learned */
    expect_piece(0, 0, 3, 1);
    ck_assert_uint_eq(corpus.sources[0].n_targets, 2);
}
END_TEST

START_TEST(a_long_prompt_loses_its_beginning)
{
    add(9, 6); /* 4 rows are had: tokens 4 .. 8, of which 6 .. 8 learned */
    ck_assert_uint_eq(corpus.n_pieces, 1);
    expect_piece(0, 0, 4, 1);
    ck_assert_int_eq(aci_workshop_corpus_token(&corpus, 0), 4);
    ck_assert_uint_eq(corpus.n_shortened, 1);
}
END_TEST

START_TEST(a_long_completion_goes_on_in_the_next_piece)
{
    add(12, 3); /* one given token is kept before the nine learned */
    ck_assert_uint_eq(corpus.n_pieces, 3);
    expect_piece(0, 0, 4, 0);
    expect_piece(1, 4, 4, 0);
    expect_piece(2, 8, 1, 0);
    ck_assert_uint_eq(corpus.sources[0].n_targets, 9);
    ck_assert_int_eq(aci_workshop_corpus_token(&corpus, 0), 2);
}
END_TEST

START_TEST(nothing_to_predict_is_no_piece)
{
    add(0, 0);
    add(1, 0);
    add(3, 3);
    ck_assert_uint_eq(corpus.n_pieces, 0);
}
END_TEST

START_TEST(ids_beyond_sixteen_bits_are_kept)
{
    static const int32_t tokens[] = { 70000, 99999, 1 };

    aci_workshop_corpus_free(&corpus);
    aci_workshop_corpus_init(&corpus, &memory, 4, 100000);
    aci_workshop_corpus_source_begin(&corpus, 1.0, NULL);
    ck_assert_int_eq(aci_workshop_corpus_add(&corpus, tokens, 3, 0, NULL),
                     AC_OK);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(aci_workshop_corpus_token(&corpus, i), tokens[i]);
}
END_TEST

START_TEST(the_checksum_sees_everything)
{
    uint64_t empty = aci_workshop_corpus_checksum(&corpus), one, weighed;

    add(6, 0);
    one = aci_workshop_corpus_checksum(&corpus);
    corpus.sources[0].weight = 2.0;
    weighed = aci_workshop_corpus_checksum(&corpus);
    ck_assert_uint_ne(empty, one);
    ck_assert_uint_ne(one, weighed);
    corpus.sources[0].weight = 1.0;
    ((uint16_t *)corpus.tokens)[3]++;
    ck_assert_uint_ne(aci_workshop_corpus_checksum(&corpus), one);
}
END_TEST

START_TEST(no_memory_is_an_error)
{
    aci_workshop_corpus_free(&corpus);
    memory.fail_at = memory.n_allocations + 1;
    aci_workshop_corpus_init(&corpus, &memory, 4, 100);
    aci_workshop_corpus_source_begin(&corpus, 1.0, NULL);
    ck_assert_int_eq(aci_workshop_corpus_add(&corpus, (int32_t[]){ 1, 2 }, 2,
                                             0, NULL), AC_E_NO_MEMORY);
}
END_TEST

Suite *test_corpus_suite(void);

Suite *test_corpus_suite(void)
{
    Suite *suite = suite_create("test_corpus");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, every_token_but_the_first_is_a_target_once);
    tcase_add_test(tests, what_fills_the_context_exactly_is_one_piece);
    tcase_add_test(tests, a_prompt_is_not_learned);
    tcase_add_test(tests, a_long_prompt_loses_its_beginning);
    tcase_add_test(tests, a_long_completion_goes_on_in_the_next_piece);
    tcase_add_test(tests, nothing_to_predict_is_no_piece);
    tcase_add_test(tests, ids_beyond_sixteen_bits_are_kept);
    tcase_add_test(tests, the_checksum_sees_everything);
    tcase_add_test(tests, no_memory_is_an_error);
    suite_add_tcase(suite, tests);
    return suite;
}
