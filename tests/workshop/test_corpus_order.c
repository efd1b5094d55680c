/* test_corpus_order.c - which documents come when. */
#include <check.h>
#include <string.h>

#include "workshop/train/corpus.h"

static aci_memory memory;
static aci_corpus corpus;
static aci_corpus_batch batch;

/* Sources of `n_a` and `n_b` documents; document i of a is the tokens
 * 2 i, 2 i + 1 throughout, 3 to 6 of them. */
static void fill(int n_a, int n_b, double weight_b)
{
    aci_workshop_corpus_init(&corpus, &memory, 16, 60000);
    for (int s = 0; s < 2; s++) {
        ck_assert_int_eq(aci_workshop_corpus_source_begin(
                             &corpus, s == 0 ? 1.0 : weight_b, NULL), AC_OK);
        for (int i = 0; i < (s == 0 ? n_a : n_b); i++) {
            int32_t tokens[7], id = 2 * (s == 0 ? i : 10000 + i);

            for (int k = 0; k < 7; k++)
                tokens[k] = id + (k & 1);
            ck_assert_int_eq(aci_workshop_corpus_add(
                                 &corpus, tokens, 4 + (size_t)i % 4, 0, NULL),
                             AC_OK);
        }
    }
}

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_workshop_corpus_batch_create(&batch, &memory, 64,
                                                      NULL), AC_OK);
}

static void tear_down(void)
{
    aci_workshop_corpus_batch_free(&batch);
    aci_workshop_corpus_free(&corpus);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

START_TEST(the_permutation_is_one_for_every_size)
{
    static const uint64_t sizes[] = { 1, 2, 3, 4, 5, 16, 17, 100, 1000 };

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint8_t seen[1000] = { 0 };

        for (uint64_t i = 0; i < sizes[s]; i++) {
            uint64_t at = aci_workshop_corpus_permute(i, sizes[s], 77);

            ck_assert_uint_lt(at, sizes[s]);
            ck_assert_uint_eq(seen[at]++, 0);
        }
    }
}
END_TEST

START_TEST(keys_give_other_orders)
{
    int same = 0;

    for (uint64_t i = 0; i < 1000; i++)
        same += aci_workshop_corpus_permute(i, 1000, 1) ==
                aci_workshop_corpus_permute(i, 1000, 2);
    ck_assert_int_lt(same, 12); /* one is expected */
}
END_TEST

START_TEST(a_pass_has_every_document_once)
{
    aci_corpus_cursor cursor;
    uint8_t seen[300] = { 0 };
    int n = 0;

    memset(&cursor, 0, sizeof cursor);
    fill(300, 0, 1.0);
    while (n < 300) {
        aci_workshop_corpus_draw(&batch, &cursor, &corpus, 5);
        ck_assert_int_gt(batch.batch.n_tokens, 64 - 6);
        ck_assert_int_le(batch.batch.n_tokens, 64);
        for (int d = 0; d < batch.batch.n_documents && n < 300; d++, n++) {
            int32_t id = batch.tokens[batch.starts[d]] / 2;

            ck_assert_uint_eq(seen[id]++, 0);
        }
    }
}
END_TEST

START_TEST(rows_and_targets_belong_together)
{
    aci_corpus_cursor cursor;

    memset(&cursor, 0, sizeof cursor);
    fill(300, 40, 1.0);
    for (int step = 0; step < 30; step++) {
        const aci_batch *b = &batch.batch;
        int64_t n_targets = 0;

        aci_workshop_corpus_draw(&batch, &cursor, &corpus, 5);
        ck_assert_int_eq(b->starts[0], 0);
        ck_assert_int_eq(b->starts[b->n_documents], b->n_tokens);
        for (int d = 0; d < b->n_documents; d++)
            for (int r = b->starts[d]; r < b->starts[d + 1]; r++) {
                ck_assert_int_eq(b->targets[r], b->tokens[r] ^ 1);
                n_targets++;
            }
        ck_assert_int_eq(batch.n_targets, n_targets);
    }
}
END_TEST

START_TEST(a_batch_follows_from_the_cursor_alone)
{
    aci_corpus_cursor cursor, kept;
    int32_t tokens[64];

    memset(&cursor, 0, sizeof cursor);
    fill(100, 30, 2.0);
    for (int step = 0; step < 40; step++)
        aci_workshop_corpus_draw(&batch, &cursor, &corpus, 9);
    kept = cursor;
    aci_workshop_corpus_draw(&batch, &cursor, &corpus, 9);
    memcpy(tokens, batch.tokens, sizeof tokens);
    aci_workshop_corpus_draw(&batch, &cursor, &corpus, 9);
    ck_assert_mem_ne(tokens, batch.tokens, 40);
    aci_workshop_corpus_draw(&batch, &kept, &corpus, 9);
    ck_assert_mem_eq(tokens, batch.tokens,
                     (size_t)batch.batch.n_tokens * sizeof *tokens);
}
END_TEST

START_TEST(sources_keep_their_share)
{
    aci_corpus_cursor cursor;

    memset(&cursor, 0, sizeof cursor);
    fill(300, 100, 3.0); /* as much of each */
    for (int step = 0; step < 200; step++)
        aci_workshop_corpus_draw(&batch, &cursor, &corpus, 1);
    ck_assert_double_eq_tol((double)cursor.n_rows[0] /
                                (double)cursor.n_rows[1], 1.0, 0.01);
}
END_TEST

START_TEST(walking_meets_every_document_once)
{
    size_t next = 0;
    int n = 0;

    fill(50, 20, 1.0);
    while (aci_workshop_corpus_walk(&batch, &next, &corpus))
        n += batch.batch.n_documents;
    ck_assert_int_eq(n, 70);
    ck_assert(!aci_workshop_corpus_walk(&batch, &next, &corpus));
}
END_TEST

Suite *test_corpus_order_suite(void);

Suite *test_corpus_order_suite(void)
{
    Suite *suite = suite_create("test_corpus_order");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, the_permutation_is_one_for_every_size);
    tcase_add_test(tests, keys_give_other_orders);
    tcase_add_test(tests, a_pass_has_every_document_once);
    tcase_add_test(tests, rows_and_targets_belong_together);
    tcase_add_test(tests, a_batch_follows_from_the_cursor_alone);
    tcase_add_test(tests, sources_keep_their_share);
    tcase_add_test(tests, walking_meets_every_document_once);
    suite_add_tcase(suite, tests);
    return suite;
}
