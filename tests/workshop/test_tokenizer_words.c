/* test_tokenizer_words.c - what is counted as a word, and what is left out. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "workshop/train/tokenizer_words.h"

static aci_memory memory;
static aci_words words;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    aci_workshop_words_init(&words, &memory);
}

static void tear_down(void)
{
    aci_workshop_words_free(&words);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static void count(const char *text, size_t n)
{
    static const char *const names[] = { "<|end|>", "<|" };
    const aci_specials specials = { names, 2 };
    aci_scanner scanner =
        aci_tokenizer_scanner_for(aci_tokenizer_pattern_qwen2,
                                  strlen(aci_tokenizer_pattern_qwen2));

    ck_assert_int_eq(aci_workshop_words_count(&words, scanner, &specials,
                                              text, n, NULL), AC_OK);
}

static void expect(const char *word, size_t n, uint64_t wanted)
{
    size_t n_words = words.n;
    uint32_t item;

    ck_assert_int_eq(aci_workshop_words_find(&item, &words, word, n, NULL),
                     AC_OK);
    ck_assert_msg(words.items[item].count == wanted && words.n == n_words,
                  "\"%s\" was there %llu times", word,
                  (unsigned long long)words.items[item].count);
}

START_TEST(pieces_are_counted)
{
    static const char text[] = "the cat, the 12 cats\n\nthe";

    count(text, sizeof text - 1);
    expect("the", 3, 2);
    expect(" the", 4, 1);
    expect(" cat", 4, 1);
    expect(",", 1, 1);
    expect("1", 1, 1);
    expect("\n\n", 2, 1);
    ck_assert_uint_eq(words.n, 9);
}
END_TEST

START_TEST(special_tokens_and_bad_bytes_cut)
{
    static const char text[] = "ab<|end|>ab<|ab\xFF" "ab\xC3<|end|\xE2\x82";

    count(text, sizeof text - 1);
    expect("ab", 2, 4);
    expect("end", 3, 1);
    expect("|", 1, 1);
    ck_assert_uint_eq(words.n, 3);
}
END_TEST

START_TEST(long_words_are_counted_in_parts)
{
    char text[3 * ACI_LONGEST_WORD + 3];
    size_t i;

    for (i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    text[0] = text[1] = text[2] = 'x'; /* now no character is at its place */
    memmove(text + 3, text + 4, sizeof text - 4);
    count(text, i - 1);
    ck_assert_uint_eq(words.n, 3); /* the first, the next like it, the rest */
    for (i = 0; i < words.n; i++) {
        ck_assert_uint_le(words.items[i].n_bytes, ACI_LONGEST_WORD);
        ck_assert((words.text[words.items[i].at] & 0xC0) != 0x80);
    }
}
END_TEST

START_TEST(tables_add_up)
{
    aci_words other;
    char word[16];
    uint32_t item;
    int i;

    aci_workshop_words_init(&other, &memory);
    for (i = 0; i < 5000; i++) {
        snprintf(word, sizeof word, "%d", i % 3000);
        ck_assert_int_eq(aci_workshop_words_find(
                             &item, i % 2 ? &words : &other, word,
                             strlen(word), NULL), AC_OK);
        (i % 2 ? &words : &other)->items[item].count++;
    }
    ck_assert_int_eq(aci_workshop_words_add(&words, &other, NULL), AC_OK);
    aci_workshop_words_free(&other);
    ck_assert_uint_eq(words.n, 3000);
    expect("0", 1, 2);
    expect("1999", 4, 2);
    expect("2000", 4, 1);
}
END_TEST

Suite *test_tokenizer_words_suite(void);
Suite *test_tokenizer_words_suite(void)
{
    Suite *suite = suite_create("test_tokenizer_words");
    TCase *tests = tcase_create("tokenizer_words");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, pieces_are_counted);
    tcase_add_test(tests, special_tokens_and_bad_bytes_cut);
    tcase_add_test(tests, long_words_are_counted_in_parts);
    tcase_add_test(tests, tables_add_up);
    suite_add_tcase(suite, tests);
    return suite;
}
