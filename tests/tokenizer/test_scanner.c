/* test_scanner.c - the written-out scanners cut text exactly where their
 * expressions do. Characters that PCRE2's Unicode tables and utf8proc's class
 * differently (they are of different years) are left out, and counted. */
#include <check.h>
#include <pcre2.h>
#include <pthread.h>
#include <utf8proc.h>

#include "platform/random.h"
#include "tokenizer/splitter.h"
#include "tokenizer/utf8.h"
#include "tokenizer_files.h"

static aci_memory memory;

static const char *pattern_of(int i)
{
    const char *const patterns[] = {
        aci_tokenizer_pattern_gpt2, aci_tokenizer_pattern_llama3,
        aci_tokenizer_pattern_qwen2, aci_tokenizer_pattern_digit
    };
    return patterns[i];
}

static aci_splitter *exact(const char *pattern)
{
    aci_splitter *splitter = NULL;

    ck_assert_int_eq(aci_tokenizer_splitter_create(
        &splitter, &memory, pattern, strlen(pattern), ACI_SPLIT_ISOLATED, 0, 1,
        NULL), AC_OK);
    ck_assert_ptr_null(aci_tokenizer_splitter_scanner(splitter));
    return splitter;
}

/* Code points that both tables class alike: 1 in known[]. */
static size_t find_known(uint8_t *known)
{
    static const char letters[] = "^(?:(\\p{L})|(\\p{N})|.)$";
    pcre2_match_data *data = pcre2_match_data_create(4, NULL);
    pcre2_code *code;
    PCRE2_SIZE at;
    int number;
    size_t n_other = 0;
    uint32_t point;

    code = pcre2_compile((PCRE2_SPTR)letters, sizeof letters - 1,
                         PCRE2_UTF | PCRE2_UCP | PCRE2_DOTALL, &number, &at,
                         NULL);
    ck_assert_ptr_nonnull(code);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    for (point = 0; point < 0x110000; point++) {
        utf8proc_uint8_t text[4];
        utf8proc_category_t category =
            utf8proc_category((utf8proc_int32_t)point);
        int letter = category >= UTF8PROC_CATEGORY_LU &&
                     category <= UTF8PROC_CATEGORY_LO;
        int numeral = category >= UTF8PROC_CATEGORY_ND &&
                      category <= UTF8PROC_CATEGORY_NO;
        utf8proc_ssize_t n;
        int groups;

        known[point] = 0;
        if (point >= 0xD800 && point < 0xE000)
            continue;
        n = utf8proc_encode_char((utf8proc_int32_t)point, text);
        groups = pcre2_match(code, text, (PCRE2_SIZE)n, 0, 0, data, NULL);
        ck_assert_int_gt(groups, 0);
        known[point] = groups == (letter ? 2 : numeral ? 3 : 1);
        n_other += !known[point];
    }
    pcre2_code_free(code);
    pcre2_match_data_free(data);
    return n_other;
}

static size_t random_text(char *out, size_t n, const uint8_t *known,
                          aci_random *random)
{
    static const char *const words[] = {
        " ", "  ", "\n", "\r\n", "\t", "'", "'s", "'LL", "'Re", "'\xC5\xBF",
        "\xC2\xA0", "\xE3\x80\x80", "\xE1\xA0\x8E", "\xC2\x85", "1", "23",
        "word", "X", "!", "?!", "\xE2\x80\xA8", "\xE2\x80\x8B", "\xC2\xBD"
    };
    size_t at = 0;

    while (at + 16 < n) {
        uint32_t point;

        if (aci_platform_random_below(random, 3) != 0) {
            const char *word =
                words[aci_platform_random_below(random,
                                                sizeof words / sizeof *words)];
            memcpy(out + at, word, strlen(word));
            at += strlen(word);
            continue;
        }
        point = (uint32_t)aci_platform_random_below(
            random, aci_platform_random_below(random, 2) ? 0x3000 : 0x110000);
        if (known[point])
            at += (size_t)utf8proc_encode_char((utf8proc_int32_t)point,
                                               (utf8proc_uint8_t *)out + at);
    }
    return at;
}

START_TEST(scanner_cuts_like_its_expression)
{
    const char *pattern = pattern_of(_i);
    aci_scanner scanner = aci_tokenizer_scanner_for(pattern, strlen(pattern));
    uint8_t *known = malloc(0x110000);
    aci_splitter *splitter;
    void *scratch = NULL;
    aci_random random;
    size_t i, n_other;
    char text[200];

    aci_platform_memory_init(&memory);
    aci_platform_random_seed(&random, 11 + (uint64_t)_i);
    splitter = exact(pattern);
    ck_assert_ptr_nonnull(known);
    ck_assert_ptr_nonnull(scanner);
    n_other = find_known(known);
    ck_assert_msg(n_other < 20000, "%zu characters left out", n_other);
    for (i = 0; i < 40000; i++) {
        size_t n = random_text(text, i % 2 ? 40 : sizeof text, known,
                               &random);
        aci_split_walk walk;
        size_t at = 0, length;

        aci_tokenizer_split_begin(&walk, splitter, &scratch, text, n);
        while (at < n) {
            ck_assert_int_eq(aci_tokenizer_split_next(&length, &walk, NULL),
                             AC_OK);
            ck_assert_msg(scanner(text + at, n - at) == length,
                          "at %zu of \"%.*s\": %zu instead of %zu", at,
                          (int)n, text, scanner(text + at, n - at), length);
            at += length;
        }
    }
    free(known);
    aci_tokenizer_split_scratch_free(scratch);
    aci_tokenizer_splitter_free(splitter);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

/* Pieces of `text`, joined by '|'. */
static void expect_pieces(const char *pattern, uint32_t behaviour,
                          uint32_t invert, const char *text,
                          const char *wanted)
{
    aci_splitter *splitter = NULL;
    aci_split_walk walk;
    void *scratch = NULL;
    char got[256];
    size_t n = 0, at = 0, length;

    ck_assert_int_eq(aci_tokenizer_splitter_create(
        &splitter, &memory, pattern, strlen(pattern), behaviour, invert, 1,
        NULL), AC_OK);
    aci_tokenizer_split_begin(&walk, splitter, &scratch, text, strlen(text));
    for (;;) {
        ck_assert_int_eq(aci_tokenizer_split_next(&length, &walk, NULL),
                         AC_OK);
        if (length == 0)
            break;
        if (at > 0)
            got[n++] = '|';
        memcpy(got + n, text + at, length);
        n += length;
        at += length;
    }
    got[n] = '\0';
    ck_assert_str_eq(got, wanted);
    aci_tokenizer_split_scratch_free(scratch);
    aci_tokenizer_splitter_free(splitter);
}

/* The five ways of tokenizer.json, as the Hugging Face library answers. */
START_TEST(behaviours_are_those_of_the_reference)
{
    aci_platform_memory_init(&memory);
    expect_pieces("-", ACI_SPLIT_ISOLATED, 0, "a-b--c", "a|-|b|-|-|c");
    expect_pieces("-", ACI_SPLIT_PREVIOUS, 0, "a-b--c", "a-|b-|-|c");
    expect_pieces("-", ACI_SPLIT_NEXT, 0, "a-b--c", "a|-b|-|-c");
    expect_pieces("-", ACI_SPLIT_CONTIGUOUS, 0, "a-b--c", "a|-|b|--|c");
    expect_pieces("-", ACI_SPLIT_PREVIOUS, 0, "--a-", "-|-|a-");
    expect_pieces("-", ACI_SPLIT_NEXT, 0, "--a-", "-|-a|-");
    expect_pieces("[a-z]+", ACI_SPLIT_ISOLATED, 1, "ab12c", "ab|12|c");
    expect_pieces("x*", ACI_SPLIT_ISOLATED, 0, "axxb", "a|xx|b");
    expect_pieces("\\s", ACI_SPLIT_ISOLATED, 0, "a\xE1\xA0\x8E b",
                  "a\xE1\xA0\x8E| |b");
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(expressions_we_cannot_run_are_refused)
{
    static const char *const bad[] = { "(", "[a-z&&[^b]]", "[[a]b]", "\\h",
                                       "[\\S]", "a\\Kb", "\\C", "(?<x" };
    aci_splitter *splitter = NULL;
    ac_error error = AC_ERROR_INIT;
    size_t i;

    aci_platform_memory_init(&memory);
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(aci_tokenizer_splitter_create(
            &splitter, &memory, bad[i], strlen(bad[i]), 0, 0, 1, &error),
            AC_E_UNSUPPORTED);
        ck_assert_ptr_null(splitter);
    }
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(endless_backtracking_is_an_error)
{
    static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
    aci_splitter *splitter;
    aci_split_walk walk;
    void *scratch = NULL;
    size_t length;

    aci_platform_memory_init(&memory);
    splitter = exact("(?:a|aa)+$");
    aci_tokenizer_split_begin(&walk, splitter, &scratch, text, strlen(text));
    ck_assert_int_eq(aci_tokenizer_split_next(&length, &walk, NULL),
                     AC_E_UNSUPPORTED);
    aci_tokenizer_split_scratch_free(scratch);
    aci_tokenizer_splitter_free(splitter);
}
END_TEST

/* One compiled expression, many threads, each with its own scratch. */
typedef struct walker {
    const aci_splitter *splitter;
    size_t n_pieces;
    pthread_t thread;
} walker;

static void *walk_often(void *argument)
{
    static const char text[] = "It's 1912, \xE6\x97\xA5\xE6\x9C\xAC:  don't\n\n"
                               "you  know?";
    walker *w = argument;
    void *scratch = NULL;
    int i;

    for (i = 0; i < 3000; i++) {
        aci_split_walk walk;
        size_t length;

        aci_tokenizer_split_begin(&walk, w->splitter, &scratch, text,
                                  sizeof text - 1);
        while (aci_tokenizer_split_next(&length, &walk, NULL) == AC_OK &&
               length > 0)
            w->n_pieces++;
    }
    aci_tokenizer_split_scratch_free(scratch);
    return NULL;
}

START_TEST(threads_share_an_expression)
{
    walker walkers[4];
    aci_splitter *splitter;
    int i;

    aci_platform_memory_init(&memory);
    splitter = exact(aci_tokenizer_pattern_llama3);
    for (i = 0; i < 4; i++) {
        walkers[i] = (walker){ .splitter = splitter };
        ck_assert_int_eq(pthread_create(&walkers[i].thread, NULL, walk_often,
                                        &walkers[i]), 0);
    }
    for (i = 0; i < 4; i++) {
        pthread_join(walkers[i].thread, NULL);
        ck_assert_uint_eq(walkers[i].n_pieces, 3000 * 16);
    }
    aci_tokenizer_splitter_free(splitter);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

Suite *test_scanner_suite(void);
Suite *test_scanner_suite(void)
{
    Suite *suite = suite_create("test_scanner");
    TCase *tests = tcase_create("splitting");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, scanner_cuts_like_its_expression, 0, 4);
    tcase_add_test(tests, behaviours_are_those_of_the_reference);
    tcase_add_test(tests, expressions_we_cannot_run_are_refused);
    tcase_add_test(tests, threads_share_an_expression);
    tcase_add_test(tests, endless_backtracking_is_an_error);
    suite_add_tcase(suite, tests);
    return suite;
}
