/* test_stream.c - the stream gives whole characters and loses none. */
#include <check.h>

#include "platform/random.h"
#include "tokenizer/utf8.h"
#include "tokenizer_files.h"

static aci_memory memory;

/* Everything a stream gives for `text`, each time whole; its length. */
static size_t run(aci_tokenizer_stream *stream, const aci_tokenizer *tokenizer,
                  const char *text, size_t n_text, char *out)
{
    aci_tokens tokens = { NULL, 0, 0 };
    const char *part;
    size_t i, n, total = 0;

    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text, n_text, 0,
                                          0, NULL), AC_OK);
    aci_tokenizer_stream_reset(stream);
    for (i = 0; i <= tokens.n; i++) {
        part = i < tokens.n
                   ? aci_tokenizer_stream_push(&n, stream, tokens.ids[i])
                   : aci_tokenizer_stream_finish(&n, stream);
        ck_assert_uint_eq(aci_utf8_valid(part, n), n);
        ck_assert_int_eq(part[n], '\0');
        memcpy(out + total, part, n);
        total += n;
    }
    aci_tokenizer_tokens_free(&memory, &tokens);
    return total;
}

START_TEST(text_comes_through_whole)
{
    static const char *const names[] = { "bytes", "pieces", "first" };
    json_t *rows = load_golden("lines.json");
    aci_tokenizer_stream *stream = NULL;
    aci_tokenizer *tokenizer;
    char out[4096], wanted[4096];
    size_t i, n, n_wanted;

    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, names[_i]);
    ck_assert_int_eq(aci_tokenizer_stream_open(&stream, &memory, tokenizer, 1,
                                               0, NULL), AC_OK);
    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *text = json_object_get(json_array_get(rows, i), "text");
        aci_tokens tokens = { NULL, 0, 0 };

        ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer,
                                              json_string_value(text),
                                              json_string_length(text), 0, 0,
                                              NULL), AC_OK);
        n_wanted = aci_tokenizer_decode(wanted, sizeof wanted, tokenizer,
                                        tokens.ids, tokens.n, 0);
        aci_tokenizer_tokens_free(&memory, &tokens);
        n = run(stream, tokenizer, json_string_value(text),
                json_string_length(text), out);
        ck_assert_uint_eq(n, n_wanted);
        ck_assert_mem_eq(out, wanted, n);
    }
    aci_tokenizer_stream_close(stream);
    aci_tokenizer_close(tokenizer);
    ck_assert_uint_eq(memory.used_bytes, 0);
    json_decref(rows);
}
END_TEST

/* Maximal parts, as Unicode 15 table 3-8 and Python's decoder have it. */
START_TEST(broken_text_becomes_replacement_characters)
{
    static const struct {
        const char *text;
        size_t n;
        const char *wanted;
    } cases[] = {
        { "\xC3", 1, "\xEF\xBF\xBD" },
        { "\xC3(", 2, "\xEF\xBF\xBD(" },
        { "\xE2\x82", 2, "\xEF\xBF\xBD" },
        { "a\xE2\x82z", 4, "a\xEF\xBF\xBDz" },
        { "\xF0\x9F\x98", 3, "\xEF\xBF\xBD" },
        { "\xC0\xAF", 2, "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xE0\x80", 2, "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xF4\x90", 2, "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xFF\xFE", 2, "\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xF0\x9F\xC3\xA9", 4, "\xEF\xBF\xBD\xC3\xA9" },
        { "\x80\xE2\x82\xAC", 4, "\xEF\xBF\xBD\xE2\x82\xAC" },
    };
    aci_tokenizer_stream *stream = NULL;
    aci_tokenizer *tokenizer;
    char out[256];
    size_t i, n;

    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, "bytes");
    ck_assert_int_eq(aci_tokenizer_stream_open(&stream, &memory, tokenizer, 1,
                                               0, NULL), AC_OK);
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        n = run(stream, tokenizer, cases[i].text, cases[i].n, out);
        out[n] = '\0';
        ck_assert_str_eq(out, cases[i].wanted);
    }
    aci_tokenizer_stream_close(stream);
    aci_tokenizer_close(tokenizer);
}
END_TEST

START_TEST(a_character_waits_for_its_last_byte)
{
    aci_tokenizer_stream *stream = NULL;
    aci_tokens tokens = { NULL, 0, 0 };
    aci_tokenizer *tokenizer;
    const char *part;
    size_t i, n;

    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, "bytes");
    ck_assert_int_eq(aci_tokenizer_stream_open(&stream, &memory, tokenizer, 0,
                                               0, NULL), AC_OK);
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer,
                                          "\xF0\x9F\xA6\x99", 4, 0, 0, NULL),
                     AC_OK);
    ck_assert_uint_eq(tokens.n, 4);
    for (i = 0; i < 4; i++) {
        part = aci_tokenizer_stream_push(&n, stream, tokens.ids[i]);
        ck_assert_uint_eq(n, i < 3 ? 0 : 4);
    }
    ck_assert_str_eq(part, "\xF0\x9F\xA6\x99");
    aci_tokenizer_stream_push(&n, stream, -1); /* nothing, no harm */
    ck_assert_uint_eq(n, 0);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_stream_close(stream);
    aci_tokenizer_stream_close(NULL);
    aci_tokenizer_close(tokenizer);
}
END_TEST

START_TEST(only_a_start_loses_its_space)
{
    aci_tokenizer_stream *stream = NULL;
    aci_tokenizer *tokenizer;
    char out[64];
    int at_start;
    size_t n;

    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, "pieces");
    for (at_start = 0; at_start < 2; at_start++) {
        ck_assert_int_eq(aci_tokenizer_stream_open(&stream, &memory, tokenizer,
                                                   at_start, 0, NULL), AC_OK);
        n = run(stream, tokenizer, "  dog", 5, out);
        out[n] = '\0';
        ck_assert_str_eq(out, at_start ? "  dog" : "   dog");
        aci_tokenizer_stream_close(stream);
    }
    aci_tokenizer_close(tokenizer);
}
END_TEST

Suite *test_stream_suite(void);
Suite *test_stream_suite(void)
{
    Suite *suite = suite_create("test_stream");
    TCase *tests = tcase_create("stream");

    tcase_add_loop_test(tests, text_comes_through_whole, 0, 3);
    tcase_add_test(tests, broken_text_becomes_replacement_characters);
    tcase_add_test(tests, a_character_waits_for_its_last_byte);
    tcase_add_test(tests, only_a_start_loses_its_space);
    suite_add_tcase(suite, tests);
    return suite;
}
