/* test_tokenizer_text.c - files cut into parts on many threads give the words
 * that one pass over the whole text gives. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/random.h"
#include "workshop/train/tokenizer_text.h"

enum { N_BYTES = 5 << 19 }; /* more than a block of two threads */

static aci_memory memory;
static char path[64];
static const aci_specials none = { NULL, 0 };

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    snprintf(path, sizeof path, "/tmp/ac-tokenizer-text-%ld",
             (long)getpid());
}

static void tear_down(void)
{
    remove(path);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static ac_status no_progress(void *context, uint64_t n_bytes,
                             ac_error *error)
{
    *(uint64_t *)context = n_bytes;
    (void)error;
    return AC_OK;
}

/* What can go wrong at a cut, in every order. */
static size_t write_text(char *text, uint64_t seed)
{
    static const char *const parts[] = {
        "a", "word", "I'", "'ll", " ", "  ", "\n", "\n\n", "\r\n", "\t", ".",
        "...\n", "\xC3\xA9", "\xC2\xA0", "\xE3\x80\x80", "\xD9\xA3", "7",
        "12", "\xF0\x9F\x98\x80", "'S", "\xC2\x85", "\xE2\x80\xA8",
    };
    aci_random random;
    size_t n = 0;

    aci_platform_random_seed(&random, seed);
    while (n + 8 < N_BYTES) {
        const char *part = parts[aci_platform_random_below(
            &random, sizeof parts / sizeof *parts)];

        memcpy(text + n, part, strlen(part));
        n += strlen(part);
    }
    return n;
}

static void expect_equal(aci_words *a, const aci_words *b)
{
    size_t i;

    ck_assert_uint_eq(a->n, b->n);
    for (i = 0; i < b->n; i++) {
        uint32_t item;

        ck_assert_int_eq(aci_workshop_words_find(
                             &item, a, b->text + b->items[i].at,
                             b->items[i].n_bytes, NULL), AC_OK);
        ck_assert_uint_eq(a->items[item].count, b->items[i].count);
    }
}

START_TEST(cutting_changes_no_word)
{
    const char *pattern = _i % 2 == 0 ? aci_tokenizer_pattern_qwen2
                                      : aci_tokenizer_pattern_llama3;
    aci_scanner scanner = aci_tokenizer_scanner_for(pattern, strlen(pattern));
    char *text = aci_platform_alloc(&memory, N_BYTES);
    size_t n = write_text(text, (uint64_t)_i);
    aci_text_counter *counter;
    aci_words whole, *cut;
    aci_pool *pool;
    uint64_t n_bytes, told = 0;
    FILE *file = fopen(path, "wb");

    ck_assert(file != NULL && fwrite(text, 1, n, file) == n);
    fclose(file);
    aci_workshop_words_init(&whole, &memory);
    ck_assert_int_eq(aci_workshop_words_count(&whole, scanner, &none, text, n,
                                              NULL), AC_OK);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory,
                                              1 + (uint32_t)_i, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_text_counter_create(
                         &counter, &memory, pool, scanner, &none, no_progress,
                         &told, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_text_counter_file(counter, path, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_text_counter_words(&cut, &n_bytes, counter,
                                                     NULL), AC_OK);
    ck_assert_uint_eq(n_bytes, n);
    ck_assert_uint_eq(told, n);
    expect_equal(cut, &whole);
    aci_workshop_text_counter_free(counter);
    aci_platform_pool_free(pool);
    aci_workshop_words_free(&whole);
    aci_platform_free(&memory, text);
}
END_TEST

Suite *test_tokenizer_text_suite(void);
Suite *test_tokenizer_text_suite(void)
{
    Suite *suite = suite_create("test_tokenizer_text");
    TCase *tests = tcase_create("tokenizer_text");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, cutting_changes_no_word, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
