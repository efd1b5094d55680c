/* test_tokenizer_train.c - a tokenizer learned from text: against merges known
 * by hand, against what Hugging Face's trainer learned from the same text, and
 * read back by our own reader. */
#include <check.h>
#include <jansson.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/files.h"
#include "tokenizer/tokenizer.h"
#include "workshop/workshop.h"

#define GOLDEN "tests/golden/tokenizer/trained/"

static aci_memory memory;
static aci_pool *pool;
static char folder[128], out[160], data[160], packed[160];

static void run(const char *verb, const char *argument)
{
    char command[400];

    snprintf(command, sizeof command, "%s '%s'", verb, argument);
    ck_assert_int_eq(system(command), 0);
}

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
    snprintf(folder, sizeof folder, "/tmp/ac-train-tokenizer-%ld",
             (long)getpid());
    snprintf(out, sizeof out, "%s/out", folder);
    snprintf(data, sizeof data, "%s/data.jsonl", folder);
    snprintf(packed, sizeof packed, "%s/data.txt.xz", folder);
    run("mkdir -p", folder);
}

static void tear_down(void)
{
    run("rm -rf", folder);
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static void put(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

static void put_xz(const char *path, const char *text, size_t n)
{
    uint8_t room[1 << 16];
    size_t used = 0;

    ck_assert_int_eq(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL,
                                             (const uint8_t *)text, n, room,
                                             &used, sizeof room), LZMA_OK);
    put(path, room, used);
}

static ac_tokenizer_options options_for(const char *const *files, uint32_t n,
                                        uint32_t n_vocab)
{
    ac_tokenizer_options options = AC_TOKENIZER_OPTIONS_INIT;

    options.data = files;
    options.n_data = n;
    options.n_vocab = n_vocab;
    return options;
}

static ac_status train(ac_tokenizer_report *report, const char *path,
                       const ac_tokenizer_options *options, ac_error *error)
{
    return aci_workshop_train_tokenizer(&memory, pool, report, path, options,
                                        error);
}

/* Trains on one text, in a file of the name. */
static json_t *learn(const char *path, const char *text, size_t n,
                     uint32_t n_vocab, ac_tokenizer_report *report)
{
    const char *files[] = { path };
    ac_tokenizer_options options = options_for(files, 1, n_vocab);
    ac_error error = AC_ERROR_INIT;
    char json[200];
    json_t *root;

    if (path == packed)
        put_xz(path, text, n);
    else
        put(path, text, n);
    ck_assert_msg(train(report, out, &options, &error) == AC_OK, "%s",
                  error.message);
    snprintf(json, sizeof json, "%s/tokenizer.json", out);
    root = json_load_file(json, 0, NULL);
    ck_assert_ptr_nonnull(root);
    return root;
}

static void expect_merges(const json_t *root, const char *const *wanted,
                          size_t n)
{
    const json_t *merges = json_object_get(json_object_get(root, "model"),
                                           "merges");
    size_t i;

    ck_assert_uint_eq(json_array_size(merges), n);
    for (i = 0; i < n; i++)
        ck_assert_str_eq(json_string_value(json_array_get(merges, i)),
                         wanted[i]);
}

/* hug x10, pug x5, pun x12, bun x4, hugs x5, each on its line: the counts are
 * ug 20, un 16, hu 15, pu 17: "u g" first, then "u n", then "h ug" (15), then
 * "p un" (12); "hug s" and "p ug" have 5 each, and p has the smaller id.
 * "b un" has 4. */
static size_t write_hugs(char *text)
{
    static const struct { const char *word; int n; } words[] = {
        { "hug\n", 10 }, { "pug\n", 5 }, { "pun\n", 12 }, { "bun\n", 4 },
        { "hugs\n", 5 },
    };
    size_t n = 0;
    int i, j;

    for (i = 0; i < 5; i++)
        for (j = 0; j < words[i].n; j++) {
            memcpy(text + n, words[i].word, strlen(words[i].word));
            n += strlen(words[i].word);
        }
    return n;
}

START_TEST(merges_are_those_known_by_hand)
{
    static const char *const wanted[] = { "u g", "u n", "h ug", "p un",
                                          "p ug", "hug s", "b un" };
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    char text[256];
    size_t n = write_hugs(text);
    json_t *root = learn(packed, text, n, 5000, &report), *vocabulary;

    expect_merges(root, wanted, 7);
    vocabulary = json_object_get(json_object_get(root, "model"), "vocab");
    ck_assert_int_eq(json_integer_value(json_object_get(
                         vocabulary, "<|endoftext|>")), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(vocabulary, "!")), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(vocabulary, "ug")),
                     257);
    ck_assert_int_eq(json_integer_value(json_object_get(vocabulary, "bun")),
                     263);
    ck_assert_uint_eq(report.n_vocab, 264);
    ck_assert_uint_eq(report.n_merges, 7);
    ck_assert_uint_eq(report.n_bytes, n);
    ck_assert_uint_eq(report.n_words, 72);         /* and the line ends */
    ck_assert_uint_eq(report.n_distinct_words, 6);
    ck_assert_uint_eq(report.n_tokens, 72);
    json_decref(root);
}
END_TEST

START_TEST(overlapping_pairs_are_counted_as_they_merge)
{
    static const char *const wanted[] = { "a a", "aa aa", "b aa" };
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    static const char text[] = "aaaa aaaa\naaaa\nbaa\nbaa";
    json_t *root = learn(packed, text, sizeof text - 1, 260, &report);

    expect_merges(root, wanted, 3);
    json_decref(root);
}
END_TEST

/* The same text as a file, and as JSON lines whose prompt and completion are
 * apart, teaches the same. */
START_TEST(json_lines_are_texts)
{
    static const char *const wanted[] = { "a b", "ab c" };
    static const char text[] =
        "{\"text\": \"abc abc\\nabc\"}\n\n"
        "{\"prompt\": \"ab\", \"completion\": \"\\u0000c\", \"id\": 7}\r\n"
        "{\"text\": \"<|endoftext|>\", \"prompt\": 5}";
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    json_t *root = learn(data, text, sizeof text - 1, 5000, &report);

    expect_merges(root, wanted, 2);
    ck_assert_uint_eq(report.n_bytes, 11 + 4 + 13);
    ck_assert_uint_eq(report.n_words, 4 + 1 + 1);
    json_decref(root);
}
END_TEST

/* A merge of our file, as a string, is the pair of theirs. */
static void expect_same_merge(const json_t *ours, const json_t *theirs,
                              size_t i)
{
    char line[256];

    snprintf(line, sizeof line, "%s %s",
             json_string_value(json_array_get(theirs, 0)),
             json_string_value(json_array_get(theirs, 1)));
    ck_assert_msg(strcmp(json_string_value(ours), line) == 0,
                  "merge %zu was \"%s\", theirs \"%s\"", i,
                  json_string_value(ours), line);
}

START_TEST(hugging_face_learns_the_same)
{
    const char *files[] = { GOLDEN "corpus.txt" };
    const char *specials[] = { "<|user|>" };
    ac_tokenizer_options options = options_for(files, 1, 700);
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    json_t *ours, *theirs, *a, *b;
    char path[200];
    size_t i;

    options.special_tokens = specials;
    options.n_special_tokens = 1;
    snprintf(path, sizeof path, "%s/alone.json", folder);
    ck_assert_int_eq(train(&report, path, &options, NULL), AC_OK);
    ours = json_load_file(path, 0, NULL);
    theirs = json_load_file(GOLDEN "tokenizer.json", 0, NULL);
    ck_assert(ours != NULL && theirs != NULL);
    a = json_object_get(json_object_get(ours, "model"), "merges");
    b = json_object_get(json_object_get(theirs, "model"), "merges");
    ck_assert_uint_eq(json_array_size(a), 700 - 258);
    ck_assert_uint_eq(json_array_size(b), json_array_size(a));
    for (i = 0; i < json_array_size(a); i++)
        expect_same_merge(json_array_get(a, i), json_array_get(b, i), i);
    ck_assert(json_equal(
        json_object_get(json_object_get(ours, "model"), "vocab"),
        json_object_get(json_object_get(theirs, "model"), "vocab")));
    ck_assert(json_equal(json_object_get(ours, "added_tokens"),
                         json_object_get(theirs, "added_tokens")));
    json_decref(ours);
    json_decref(theirs);
}
END_TEST

static void expect_round_trip(const aci_tokenizer *tokenizer,
                              const char *text, size_t n)
{
    aci_tokens tokens = { NULL, 0, 0 };
    char back[2048];

    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text, n, 0, 0,
                                          NULL), AC_OK);
    ck_assert_uint_eq(aci_tokenizer_decode(back, sizeof back, tokenizer,
                                           tokens.ids, tokens.n, 0), n);
    ck_assert(memcmp(back, text, n) == 0);
    aci_tokenizer_tokens_free(&memory, &tokens);
}

START_TEST(our_reader_opens_it_and_every_byte_comes_back)
{
    const char *files[] = { GOLDEN "corpus.txt" };
    ac_tokenizer_options options = options_for(files, 1, 600);
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;
    aci_tokenizer *tokenizer = NULL;
    aci_tokens tokens = { NULL, 0, 0 };
    char text[1024];
    int i;

    ck_assert_int_eq(train(&report, out, &options, NULL), AC_OK);
    ck_assert_msg(aci_tokenizer_from_folder(&tokenizer, &memory, out,
                                            &error) == AC_OK, "%s",
                  error.message);
    ck_assert_int_eq(aci_tokenizer_size(tokenizer), 600);
    ck_assert_int_eq(aci_tokenizer_bos(tokenizer), 0);
    ck_assert(aci_tokenizer_is_end(tokenizer, 0));
    for (i = 0; i < 256; i++) {
        text[0] = (char)i;
        expect_round_trip(tokenizer, text, 1);
    }
    for (i = 0; i < 1024; i++)
        text[i] = (char)(i < 256 ? i : i * 7 + i / 256);
    expect_round_trip(tokenizer, text, 1024);
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer,
                                          "<|endoftext|>the species", 24, 1,
                                          1, NULL), AC_OK);
    ck_assert_uint_lt(tokens.n, 8); /* the end, and words in few parts */
    ck_assert_int_eq(tokens.ids[0], 0);
    ck_assert_int_ne(tokens.ids[1], 0);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
}
END_TEST

/* What learning says the text becomes is what encoding makes of it. */
START_TEST(encoding_gives_as_many_tokens)
{
    const char *files[] = { GOLDEN "corpus.txt" };
    ac_tokenizer_options options = options_for(files, 1, 1000);
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    aci_tokenizer *tokenizer = NULL;
    aci_tokens tokens = { NULL, 0, 0 };
    char *text;
    size_t n;

    options.max_digits = 3;
    ck_assert_int_eq(train(&report, out, &options, NULL), AC_OK);
    ck_assert_int_eq(aci_tokenizer_from_folder(&tokenizer, &memory, out,
                                               NULL), AC_OK);
    ck_assert_int_eq(aci_platform_read_file(&text, &n, &memory, files[0],
                                            1 << 20, NULL), AC_OK);
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text, n, 0, 0,
                                          NULL), AC_OK);
    ck_assert_uint_eq(tokens.n, report.n_tokens);
    aci_platform_free(&memory, text);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
}
END_TEST

static char *read_out(size_t *n)
{
    char path[200], *bytes = NULL;

    snprintf(path, sizeof path, "%s/tokenizer.json", out);
    ck_assert_int_eq(aci_platform_read_file(&bytes, n, &memory, path, 1 << 24,
                                            NULL), AC_OK);
    return bytes;
}

START_TEST(threads_and_repetition_change_nothing)
{
    const char *files[] = { GOLDEN "corpus.txt", GOLDEN "corpus.txt" };
    ac_tokenizer_options options = options_for(files, 2, 900);
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    char *first, *next;
    size_t n, m;
    uint32_t threads;

    ck_assert_int_eq(train(&report, out, &options, NULL), AC_OK);
    first = read_out(&n);
    for (threads = 1; threads <= 4; threads += 3) {
        aci_platform_pool_free(pool);
        ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, threads,
                                                  NULL), AC_OK);
        ck_assert_int_eq(train(&report, out, &options, NULL), AC_OK);
        next = read_out(&m);
        ck_assert(n == m && memcmp(first, next, n) == 0);
        aci_platform_free(&memory, next);
    }
    aci_platform_free(&memory, first);
}
END_TEST

/* ---- What goes wrong ----------------------------------------------------- */

START_TEST(hostile_text_does_no_harm)
{
    enum { N = 3 << 20 };
    char *text = aci_platform_alloc(&memory, N);
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    uint64_t state = 88172645463325252u;
    char path[200];
    size_t i;

    snprintf(path, sizeof path, "%s/hostile.txt", folder);
    for (i = 0; i < N; i++) { /* one line of one letter, then of any bytes */
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text[i] = i < N / 3 ? 'a' : i < N / 2 ? '\0' : (char)(state >> 11);
        if (text[i] == '\n')
            text[i] = ' ';
    }
    json_decref(learn(path, text, N, 300, &report));
    ck_assert_uint_eq(report.n_vocab, 300);
    ck_assert_uint_eq(report.n_bytes, N);
    aci_platform_free(&memory, text);
}
END_TEST

static void expect_failure(ac_status wanted, const char *word,
                           const char *path,
                           const ac_tokenizer_options *options)
{
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_status status = train(&report, path, options, &error);

    ck_assert_msg(status == wanted, "%d: %s", status, error.message);
    ck_assert_msg(strstr(error.message, word) != NULL, "%s", error.message);
    ck_assert(!aci_platform_is_directory(out));
}

START_TEST(errors_name_the_cause_and_leave_nothing)
{
    static const char good[] = "abc abc abc";
    static const char bad[] = "{\"text\": \"fine\"}\n{\"words\": 5}\n";
    const char *one[] = { packed }, *missing[] = { "nowhere.txt" };
    const char *lines[] = { data };
    const char *twice[] = { "<|a|>", "<|a|>" }, *accent[] = { "\xC4\xA0x" };
    ac_tokenizer_options options = options_for(one, 1, 256);

    put_xz(packed, good, sizeof good - 1);
    expect_failure(AC_E_ARGUMENT, "256 bytes", out, &options);
    options.n_vocab = 257;
    expect_failure(AC_E_NOT_FOUND, "nowhere/", "nowhere/at/all", &options);
    options.special_tokens = twice;
    options.n_special_tokens = 2;
    options.n_vocab = 300;
    expect_failure(AC_E_ARGUMENT, "twice", out, &options);
    options.special_tokens = accent;
    options.n_special_tokens = 1;
    expect_failure(AC_E_ARGUMENT, "ASCII", out, &options);
    options = options_for(missing, 1, 300);
    expect_failure(AC_E_NOT_FOUND, "nowhere.txt", out, &options);
    put(data, bad, sizeof bad - 1);
    options = options_for(lines, 1, 300);
    expect_failure(AC_E_FORMAT, "line 2", out, &options);
    put(data, "{\"text\": \"a", 11);
    expect_failure(AC_E_FORMAT, "line 1", out, &options);
    put(data, "\n", 1);
    expect_failure(AC_E_ARGUMENT, "no text", out, &options);
    put(packed, "\xFD" "7zXZ\0damaged", 13);
    options = options_for(one, 1, 300);
    expect_failure(AC_E_FORMAT, ".xz", out, &options);
}
END_TEST

static int32_t stop(const ac_progress *progress, void *user)
{
    (void)user;
    return strcmp(progress->stage, "learn merges") == 0;
}

START_TEST(the_callback_stops_it)
{
    const char *files[] = { GOLDEN "corpus.txt" };
    ac_tokenizer_options options = options_for(files, 1, 600);

    options.on_progress = stop;
    expect_failure(AC_E_CANCELLED, "stopped", out, &options);
}
END_TEST

START_TEST(every_failed_allocation_is_an_error)
{
    const char *files[] = { packed };
    ac_tokenizer_options options = options_for(files, 1, 264);
    ac_tokenizer_report report = AC_TOKENIZER_REPORT_INIT;
    char text[256];
    ac_status status = AC_E_NO_MEMORY;
    uint64_t at;

    put_xz(packed, text, write_hugs(text));
    for (at = 1; status == AC_E_NO_MEMORY; at++) {
        memory.fail_at = memory.n_allocations + at;
        status = train(&report, out, &options, NULL);
    }
    memory.fail_at = 0;
    ck_assert_int_eq(status, AC_OK);
    ck_assert_uint_gt(at, 20);
}
END_TEST

START_TEST(the_door_checks_its_arguments)
{
    const char *files[] = { NULL };
    ac_tokenizer_options options = options_for(files, 0, 0);
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(ac_train_tokenizer(NULL, NULL, &options, &error),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(ac_train_tokenizer(NULL, out, NULL, &error),
                     AC_E_ARGUMENT);
    options.n_data = 1;
    ck_assert_int_eq(ac_train_tokenizer(NULL, out, &options, &error),
                     AC_E_ARGUMENT);
    files[0] = GOLDEN "corpus.txt";
    options.max_digits = 2;
    ck_assert_int_eq(ac_train_tokenizer(NULL, out, &options, &error),
                     AC_E_ARGUMENT);
    options.max_digits = 3;
    options.n_special_tokens = 1;
    ck_assert_int_eq(ac_train_tokenizer(NULL, out, &options, &error),
                     AC_E_ARGUMENT);
    options.n_special_tokens = 0;
    ck_assert_int_eq(ac_train_tokenizer(NULL, out, &options, &error), AC_OK);
}
END_TEST

Suite *test_tokenizer_train_suite(void);
Suite *test_tokenizer_train_suite(void)
{
    Suite *suite = suite_create("test_tokenizer_train");
    TCase *tests = tcase_create("tokenizer_train");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, merges_are_those_known_by_hand);
    tcase_add_test(tests, overlapping_pairs_are_counted_as_they_merge);
    tcase_add_test(tests, json_lines_are_texts);
    tcase_add_test(tests, hugging_face_learns_the_same);
    tcase_add_test(tests, our_reader_opens_it_and_every_byte_comes_back);
    tcase_add_test(tests, encoding_gives_as_many_tokens);
    tcase_add_test(tests, threads_and_repetition_change_nothing);
    tcase_add_test(tests, hostile_text_does_no_harm);
    tcase_add_test(tests, errors_name_the_cause_and_leave_nothing);
    tcase_add_test(tests, the_callback_stops_it);
    tcase_add_test(tests, every_failed_allocation_is_an_error);
    tcase_add_test(tests, the_door_checks_its_arguments);
    suite_add_tcase(suite, tests);
    return suite;
}
