/* test_encode.c - encoding and decoding against the Hugging Face library's
 * answers (tests/golden/tokenizer), and what must hold for any bytes. */
#include <check.h>

#include "platform/clock.h"
#include "platform/random.h"
#include "tokenizer_files.h"

static const char *const names[] = { "bytes", "pieces", "first",
                                     "tinystories", "qwen2" };

/* Every text of a golden file through one tokenizer. */
static void compare(const char *name, const char *file, int parse, int begin)
{
    json_t *rows = load_golden(file);
    aci_tokens tokens = { NULL, 0, 0 };
    aci_tokenizer *tokenizer;
    aci_memory memory;
    size_t i, n = 0;

    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, name);
    for (i = 0; tokenizer != NULL && i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const json_t *text = json_object_get(row, "text");
        const json_t *ids = json_object_get(row, name);

        if (ids == NULL)
            continue;
        tokens.n = 0;
        ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer,
                                              json_string_value(text),
                                              json_string_length(text), parse,
                                              begin, NULL), AC_OK);
        expect_ids(&tokens, ids, name, json_string_value(text));
        n++;
    }
    if (tokenizer != NULL)
        ck_assert_uint_gt(n, 20);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
    ck_assert_uint_eq(memory.used_bytes, 0);
    json_decref(rows);
}

START_TEST(lines_are_those_of_the_reference)
{
    compare(names[_i], "lines.json", 0, 0);
}
END_TEST

START_TEST(special_tokens_are_those_of_the_reference)
{
    if (strcmp(names[_i], "qwen2") != 0)
        compare(names[_i], "special.json", 1, 1);
}
END_TEST

/* Random bytes, half of them text. */
static size_t make_bytes(char *out, size_t n, aci_random *random)
{
    static const char *const words[] = { "the", " of", "\n", "  ", "é", "日本",
                                         "😀", "<|im_end|>", "</s>", "'s",
                                         "\xE2\x96\x81", "123", "\xC3" };
    size_t at = 0;

    while (at + 16 < n) {
        const char *word =
            words[aci_platform_random_below(random,
                                            sizeof words / sizeof *words)];

        if (aci_platform_random_below(random, 2) == 0) {
            out[at++] = (char)aci_platform_random_below(random, 256);
            continue;
        }
        memcpy(out + at, word, strlen(word));
        at += strlen(word);
    }
    return at;
}

static void expect_round_trip(const aci_tokenizer *tokenizer,
                              aci_memory *memory, const char *text, size_t n)
{
    aci_tokens tokens = { NULL, 0, 0 };
    char back[4096];
    size_t n_back;

    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text, n, 0, 0,
                                          NULL), AC_OK);
    n_back = aci_tokenizer_decode(back, sizeof back, tokenizer, tokens.ids,
                                  tokens.n, 0);
    ck_assert_uint_eq(n_back, n);
    ck_assert_mem_eq(back, text, n);
    aci_tokenizer_tokens_free(memory, &tokens);
}

START_TEST(any_bytes_come_back)
{
    static const char *const kept[] = { "pieces", "bytes" };
    char text[600];
    aci_random random;
    aci_memory memory;
    aci_tokenizer *tokenizer;
    size_t n, i;

    aci_platform_memory_init(&memory);
    aci_platform_random_seed(&random, 7);
    tokenizer = open_named(&memory, kept[_i]);
    expect_round_trip(tokenizer, &memory, "", 0);
    expect_round_trip(tokenizer, &memory, "\0", 1);
    expect_round_trip(tokenizer, &memory, "\xFF\xFE\0x", 4);
    expect_round_trip(tokenizer, &memory, "  \xE2\x96\x81 ", 6);
    for (i = 0; i < 2000; i++) {
        n = make_bytes(text, sizeof text, &random);
        expect_round_trip(tokenizer, &memory, text, n);
    }
    aci_tokenizer_close(tokenizer);
}
END_TEST

START_TEST(special_tokens_in_text_are_text_unless_asked)
{
    static const char text[] = "a<|im_end|><|eot_id|>b";
    aci_tokens tokens = { NULL, 0, 0 };
    aci_tokenizer *tokenizer;
    aci_memory memory;
    size_t i, n_end = 0;
    char back[64];

    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, "bytes");
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text,
                                          strlen(text), 0, 0, NULL), AC_OK);
    for (i = 0; i < tokens.n; i++)
        ck_assert(!aci_tokenizer_is_end(tokenizer, tokens.ids[i]));
    tokens.n = 0;
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text,
                                          strlen(text), 1, 0, NULL), AC_OK);
    for (i = 0; i < tokens.n; i++)
        n_end += (size_t)aci_tokenizer_is_end(tokenizer, tokens.ids[i]);
    ck_assert_uint_eq(n_end, 2);
    ck_assert_uint_eq(aci_tokenizer_decode(back, sizeof back, tokenizer,
                                           tokens.ids, tokens.n, 0), 2);
    ck_assert_mem_eq(back, "ab", 2);
    ck_assert_uint_eq(aci_tokenizer_decode(back, sizeof back, tokenizer,
                                           tokens.ids, tokens.n, 1),
                      strlen(text));
    ck_assert_mem_eq(back, text, strlen(text));
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
}
END_TEST

START_TEST(begin_and_end_come_from_the_configuration)
{
    aci_memory memory;
    aci_tokenizer *tokenizer;
    aci_tokens tokens = { NULL, 0, 0 };

    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, "pieces");
    ck_assert_int_eq(aci_tokenizer_bos(tokenizer), 1);
    ck_assert(aci_tokenizer_is_end(tokenizer, 2));
    ck_assert(!aci_tokenizer_is_end(tokenizer, 1));
    ck_assert(!aci_tokenizer_is_end(tokenizer, -1));
    ck_assert(!aci_tokenizer_is_end(tokenizer, INT32_MAX));
    ck_assert_uint_eq(aci_tokenizer_piece(NULL, 0, tokenizer, -5, 1), 0);
    ck_assert_uint_eq(aci_tokenizer_piece(NULL, 0, tokenizer, 1 << 30, 1), 0);
    ck_assert_uint_eq(aci_tokenizer_piece(NULL, 0, tokenizer, 2, 0), 0);
    ck_assert_uint_eq(aci_tokenizer_piece(NULL, 0, tokenizer, 2, 1), 4);
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, "", 0, 0, 1,
                                          NULL), AC_OK);
    ck_assert_uint_eq(tokens.n, 1);
    ck_assert_int_eq(tokens.ids[0], 1);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
}
END_TEST

/* A megabyte that offers nowhere to cut: seconds at most, not hours. */
START_TEST(a_megabyte_without_spaces_is_quick)
{
    static const char *const patterns[] = { "a", "the", "ab", "\xE6\x97\xA5",
                                            "\xFF", "=", " ", "\n", "1", "<" };
    const size_t n = 1 << 20;
    aci_tokens tokens = { NULL, 0, 0 };
    aci_memory memory;
    aci_tokenizer *tokenizer;
    uint64_t begun;
    char *text = malloc(n);
    size_t i, k, length;

    ck_assert_ptr_nonnull(text);
    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, names[_i % 4]);
    if (tokenizer == NULL)
        return;
    for (k = 0; k < sizeof patterns / sizeof *patterns; k++) {
        length = strlen(patterns[k]);
        for (i = 0; i + length <= n; i += length)
            memcpy(text + i, patterns[k], length);
        tokens.n = 0;
        begun = aci_platform_monotonic_nanoseconds();
        ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text, i, 0,
                                              0, NULL), AC_OK);
        ck_assert_uint_gt(tokens.n, 0);
        ck_assert_uint_lt(aci_platform_monotonic_nanoseconds() - begun,
                          3000000000u);
    }
    free(text);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
}
END_TEST

/* Every allocation of opening and encoding fails once. */
START_TEST(every_failed_allocation_is_an_error)
{
    static const char text[] = "Who was e\xCC\x81 born <left> 1912? "
                               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    uint64_t at;
    int failed = 1;

    for (at = 1; failed && at < 1000; at++) {
        aci_tokens tokens = { NULL, 0, 0 };
        aci_tokenizer *tokenizer = NULL;
        ac_error error = AC_ERROR_INIT;
        aci_memory memory;
        char path[64];
        ac_status status;

        aci_platform_memory_init(&memory);
        memory.fail_at = at;
        snprintf(path, sizeof path, GOLDEN "%s", names[_i % 3]);
        status = aci_tokenizer_from_folder(&tokenizer, &memory, path, &error);
        if (status == AC_OK)
            status = aci_tokenizer_encode(&tokens, tokenizer, text,
                                          strlen(text), 1, 1, &error);
        failed = status != AC_OK;
        if (failed) {
            ck_assert_msg(status == AC_E_NO_MEMORY, "%d %s", (int)status,
                          error.message);
            ck_assert_uint_eq(tokens.n, 0);
        }
        aci_tokenizer_tokens_free(&memory, &tokens);
        aci_tokenizer_close(tokenizer);
        ck_assert_uint_eq(memory.used_bytes, 0);
    }
    ck_assert(!failed);
    ck_assert_uint_gt(at, 10);
}
END_TEST

Suite *test_encode_suite(void);
Suite *test_encode_suite(void)
{
    Suite *suite = suite_create("test_encode");
    TCase *tests = tcase_create("encode");

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, lines_are_those_of_the_reference, 0, 5);
    tcase_add_loop_test(tests, special_tokens_are_those_of_the_reference, 0,
                        5);
    tcase_add_loop_test(tests, any_bytes_come_back, 0, 1);
    tcase_add_test(tests, special_tokens_in_text_are_text_unless_asked);
    tcase_add_test(tests, begin_and_end_come_from_the_configuration);
    tcase_add_loop_test(tests, a_megabyte_without_spaces_is_quick, 0, 4);
    tcase_add_loop_test(tests, every_failed_allocation_is_an_error, 0, 3);
    suite_add_tcase(suite, tests);
    return suite;
}
