/* test_corpus_read.c - text and JSON lines, plain and packed, as documents. */
#include <check.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workshop/train/corpus.h"

static aci_memory memory;
static aci_tokenizer *tokenizer;
static aci_corpus corpus, held_out;
static char folder[64], path[96];
static ac_error error;

static void set_up(void)
{
    memset(&error, 0, sizeof error);
    error.struct_size = sizeof error;
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_tokenizer_from_folder(
                         &tokenizer, &memory, "tests/golden/tokenizer/bytes",
                         &error), AC_OK);
    aci_workshop_corpus_init(&corpus, &memory, 1024,
                             aci_tokenizer_size(tokenizer));
    aci_workshop_corpus_init(&held_out, &memory, 1024,
                             aci_tokenizer_size(tokenizer));
    strcpy(folder, "/tmp/ac-corpus-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down(void)
{
    char command[120];

    aci_workshop_corpus_free(&corpus);
    aci_workshop_corpus_free(&held_out);
    aci_tokenizer_close(tokenizer);
    ck_assert_uint_eq(memory.used_bytes, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *name, const void *bytes, size_t n)
{
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static ac_status read_as(int32_t documents, double held_out_share)
{
    aci_corpus_reading reading = {
        .tokenizer = tokenizer, .train = &corpus,
        .held_out = held_out_share > 0.0 ? &held_out : NULL,
        .held_out_share = held_out_share, .documents = documents
    };

    return aci_workshop_corpus_read(&reading, path, 1.0, &error);
}

/* Piece i, targets of its last row included, as text; "^" and "$" are begin
 * and end, "|" is where learning begins. */
static void expect(size_t i, const char *wanted)
{
    const aci_corpus_piece *piece = &corpus.pieces[i];
    char text[400];
    size_t n = 0;

    ck_assert_uint_lt(i, corpus.n_pieces);
    for (int32_t r = 0; r <= piece->n_rows; r++) {
        int32_t token = aci_workshop_corpus_token(&corpus, piece->first +
                                                               (uint64_t)r);

        if (r == piece->first_target + 1)
            text[n++] = '|';
        if (token == aci_tokenizer_eos(tokenizer))
            text[n++] = '$';
        else if (token == aci_tokenizer_bos(tokenizer))
            text[n++] = '^';
        else
            n += aci_tokenizer_piece(text + n, sizeof text - n - 2, tokenizer,
                                     token, 1);
    }
    text[n] = '\0';
    ck_assert_str_eq(text, wanted);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

START_TEST(two_blank_lines_end_a_document)
{
    put_text("a.txt", "\nab\n\ncd\n\n\nef\r\ngh\n\n\n\n\n");
    ck_assert_int_eq(read_as(ACI_DOCUMENTS_BLANK, 0.0), AC_OK);
    ck_assert_uint_eq(corpus.n_pieces, 2);
    expect(0, "^|ab\n\ncd$");
    expect(1, "^|ef\ngh$");
}
END_TEST

START_TEST(a_mark_ends_a_document_too)
{
    put_text("a.txt", "ab\n<|endoftext|>\ncd");
    ck_assert_int_eq(read_as(ACI_DOCUMENTS_BLANK, 0.0), AC_OK);
    ck_assert_uint_eq(corpus.n_pieces, 2);
    expect(1, "^|cd$");
}
END_TEST

START_TEST(a_file_or_a_line_may_be_one)
{
    put_text("a.txt", "ab\n\n\ncd\n");
    ck_assert_int_eq(read_as(ACI_DOCUMENTS_FILE, 0.0), AC_OK);
    ck_assert_int_eq(read_as(ACI_DOCUMENTS_LINE, 0.0), AC_OK);
    ck_assert_uint_eq(corpus.n_pieces, 3);
    expect(0, "^|ab\n\n\ncd$");
    expect(1, "^|ab$");
    expect(2, "^|cd$");
    ck_assert_uint_eq(corpus.n_sources, 2);
}
END_TEST

START_TEST(of_a_prompt_only_the_completion_is_learned)
{
    put_text("a.jsonl", "{\"prompt\": \"ab\", \"completion\": \"cd\"}\n\n"
                        "{\"text\": \"e\\u00e9\", \"other\": 1}\n");
    ck_assert_int_eq(read_as(0, 0.0), AC_OK);
    ck_assert_uint_eq(corpus.n_pieces, 2);
    expect(0, "^ab|cd$");
    expect(1, "^|e\xC3\xA9$");
}
END_TEST

START_TEST(bad_records_are_named)
{
    put_text("a.jsonl", "{\"text\": \"a\"}\n{\"prompt\": \"a\"}\n");
    ck_assert_int_eq(read_as(0, 0.0), AC_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "line 2"));
    put_text("b.jsonl", "{\"text\": \n");
    ck_assert_int_eq(read_as(0, 0.0), AC_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "b.jsonl: line 1"));
    snprintf(path, sizeof path, "%s/none", folder);
    ck_assert_int_eq(read_as(0, 0.0), AC_E_NOT_FOUND);
}
END_TEST

START_TEST(packed_files_are_read)
{
    static const char text[] = "{\"text\": \"abc\"}\n";
    uint8_t packed[400];
    size_t n = 0;

    ck_assert_int_eq(lzma_easy_buffer_encode(
                         6, LZMA_CHECK_CRC64, NULL, (const uint8_t *)text,
                         sizeof text - 1, packed, &n, sizeof packed), LZMA_OK);
    put("a.jsonl.xz", packed, n);
    ck_assert_int_eq(read_as(0, 0.0), AC_OK);
    expect(0, "^|abc$");
    put("b.jsonl.xz", packed, n / 2);
    ck_assert_int_eq(read_as(0, 0.0), AC_E_FORMAT);
}
END_TEST

START_TEST(a_share_is_held_out_by_its_text)
{
    char text[8000];
    size_t n = 0, n_train, n_held;

    for (int i = 0; i < 400; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "number %d\n", i);
    put_text("a.txt", text);
    ck_assert_int_eq(read_as(ACI_DOCUMENTS_LINE, 0.25), AC_OK);
    n_train = corpus.n_pieces;
    n_held = held_out.n_pieces;
    ck_assert_uint_eq(n_train + n_held, 400);
    ck_assert_uint_gt(n_held, 70);
    ck_assert_uint_lt(n_held, 130);
    ck_assert_int_eq(read_as(ACI_DOCUMENTS_LINE, 0.25), AC_OK);
    ck_assert_uint_eq(held_out.n_pieces, 2 * n_held); /* the same again */
}
END_TEST

START_TEST(no_memory_is_an_error_everywhere)
{
    uint64_t n = 0;
    ac_status status;

    put_text("a.jsonl", "{\"prompt\": \"ab\", \"completion\": \"cd\"}\n");
    do {
        aci_workshop_corpus_free(&corpus);
        aci_workshop_corpus_init(&corpus, &memory, 1024,
                                 aci_tokenizer_size(tokenizer));
        memory.fail_at = memory.n_allocations + ++n;
        status = read_as(0, 0.0);
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
    } while (status != AC_OK && n < 100);
    memory.fail_at = 0;
    ck_assert_uint_gt(n, 4);
    ck_assert_uint_lt(n, 100);
}
END_TEST

Suite *test_corpus_read_suite(void);

Suite *test_corpus_read_suite(void)
{
    Suite *suite = suite_create("test_corpus_read");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, two_blank_lines_end_a_document);
    tcase_add_test(tests, a_mark_ends_a_document_too);
    tcase_add_test(tests, a_file_or_a_line_may_be_one);
    tcase_add_test(tests, of_a_prompt_only_the_completion_is_learned);
    tcase_add_test(tests, bad_records_are_named);
    tcase_add_test(tests, packed_files_are_read);
    tcase_add_test(tests, a_share_is_held_out_by_its_text);
    tcase_add_test(tests, no_memory_is_an_error_everywhere);
    suite_add_tcase(suite, tests);
    return suite;
}
