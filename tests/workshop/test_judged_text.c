/* test_judged_text.c - texts to documents of tokens; the tokenizer has one
 * token per ASCII character. */
#include "workshop/evaluate/judged_text.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *test_judged_text_suite(void);

static aci_memory memory;
static aci_tokenizer *tokenizer;
static char path[64];

static void setup(void)
{
    ac_error error = AC_ERROR_INIT;

    aci_platform_memory_init(&memory);
    ck_assert_msg(aci_tokenizer_from_folder(&tokenizer, &memory,
                                            "tests/golden/perplexity",
                                            &error) == AC_OK,
                  "%s", error.message);
}

static void teardown(void)
{
    aci_tokenizer_close(tokenizer);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static void write_lines(const char *text)
{
    FILE *file;
    int number;

    strcpy(path, "/tmp/ac-judged-XXXXXX.jsonl");
    number = mkstemps(path, 6);
    ck_assert_int_ge(number, 0);
    file = fdopen(number, "w");
    fputs(text, file);
    fclose(file);
}

static ac_status read_text(aci_judged_text *out, const char *from,
                           const char *given, uint64_t max_tokens,
                           ac_error *error)
{
    ac_perplexity_options options = AC_PERPLEXITY_OPTIONS_INIT;

    options.text = given;
    options.text_bytes = given ? strlen(given) : 0;
    options.max_tokens = max_tokens;
    return aci_workshop_judged_text_read(out, &memory, tokenizer, from,
                                         &options, error);
}

START_TEST(plain_text_is_one_document)
{
    aci_judged_text text;

    ck_assert_int_eq(read_text(&text, NULL, "two\nlines\n", 0, NULL), AC_OK);
    ck_assert_uint_eq(text.n_documents, 1);
    ck_assert_uint_eq(text.ends[0], 10);
    ck_assert_int_eq(text.tokens.ids[3], '\n');
    ck_assert_ptr_null(text.counts);
    ck_assert_str_eq(text.sha256, /* printf 'two\nlines\n' | sha256sum */
        "3cd2b845bb8a0312bafe8468a196e9d96dd101624a3be01343a7b0a13ca4d26e");
    aci_workshop_judged_text_free(&text);
    ck_assert_int_eq(read_text(&text, NULL, "two\nlines\n", 4, NULL), AC_OK);
    ck_assert_uint_eq(text.tokens.n, 4);
    aci_workshop_judged_text_free(&text);
}
END_TEST

START_TEST(lines_are_documents_and_prompts_do_not_count)
{
    static const uint8_t counts[] = { 0, 0, 1, 1, 1, 1, 1 };
    aci_judged_text text;
    size_t i;

    write_lines("{\"prompt\": \"ab\", \"completion\": \"cde\"}\n \n"
                "{\"text\": \"fg\"}");
    ck_assert_int_eq(read_text(&text, path, NULL, 0, NULL), AC_OK);
    ck_assert_uint_eq(text.n_documents, 2);
    ck_assert_uint_eq(text.ends[0], 5);
    ck_assert_uint_eq(text.ends[1], 7);
    ck_assert_mem_eq(text.counts, counts, sizeof counts);
    for (i = 0; i < 7; i++)
        ck_assert_int_eq(text.tokens.ids[i], 'a' + (int)i);
    aci_workshop_judged_text_free(&text);
    ck_assert_int_eq(read_text(&text, path, NULL, 4, NULL), AC_OK);
    ck_assert_uint_eq(text.n_documents, 1);
    ck_assert_uint_eq(text.ends[0], 4);
    aci_workshop_judged_text_free(&text);
    unlink(path);
}
END_TEST

START_TEST(bad_lines_are_named)
{
    static const char *const bad[] = {
        "{\"prompt\": \"a\"}", "[]", "{", "{\"text\": 3}",
        "{\"prompt\": \"a\", \"completion\": null}", "\"text\"",
    };
    aci_judged_text text;
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        ac_error error = AC_ERROR_INIT;
        char lines[128];

        snprintf(lines, sizeof lines, "{\"text\": \"fine\"}\n\n%s\n", bad[i]);
        write_lines(lines);
        ck_assert_int_eq(read_text(&text, path, NULL, 0, &error),
                         AC_E_FORMAT);
        ck_assert_msg(strstr(error.message, "line 3: ") != NULL, "%s: %s",
                      bad[i], error.message);
        aci_workshop_judged_text_free(&text);
        unlink(path);
    }
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    aci_judged_text text;
    uint64_t i, n = 1;
    ac_status status = AC_E_NO_MEMORY;

    write_lines("{\"prompt\": \"ab\", \"completion\": \"cde\"}\n");
    for (i = 1; status != AC_OK && i < 100; i++) {
        memory.n_allocations = 0;
        memory.fail_at = i;
        status = read_text(&text, path, NULL, 0, NULL);
        memory.fail_at = 0;
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
        aci_workshop_judged_text_free(&text);
        n++;
    }
    ck_assert_int_eq(status, AC_OK);
    ck_assert_uint_gt(n, 4);
    unlink(path);
}
END_TEST

Suite *test_judged_text_suite(void)
{
    Suite *suite = suite_create("test_judged_text");
    TCase *tc = tcase_create("judged_text");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, plain_text_is_one_document);
    tcase_add_test(tc, lines_are_documents_and_prompts_do_not_count);
    tcase_add_test(tc, bad_lines_are_named);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
