/* test_listing.c - a tokenizer listed and built again from the list gives the
 * same tokens, as GGUF's vocabulary. */
#include <check.h>

#include "tokenizer/listing.h"
#include "tokenizer/normalise.h"
#include "tokenizer_files.h"

Suite *test_listing_suite(void);

static aci_memory memory;
static ac_error error;

/* A listing as a source of tokens. */
typedef struct listed {
    aci_listing listing;
    float *scores;
} listed;

static int give_token(void *context, size_t i, const char **text,
                      size_t *n_bytes, float *score, int32_t *type)
{
    listed *l = context;
    aci_token_type kind;

    *n_bytes = aci_tokenizer_listing_token(text, &kind, &l->listing,
                                           (int32_t)i);
    *type = (int32_t)kind;
    *score = l->scores[i];
    return 1;
}

static int give_merge(void *context, size_t i, const char **text,
                      size_t *n_bytes)
{
    listed *l = context;

    *n_bytes = aci_tokenizer_listing_merge(text, &l->listing, i);
    return 1;
}

static aci_tokenizer *build_again(const aci_tokenizer *tokenizer,
                                  size_t *n_loose)
{
    const aci_act_header *header = tokenizer->header;
    int bytes = header->family == ACI_ACT_BYTES;
    listed l = { .scores = calloc(header->n_tokens, sizeof(float)) };
    aci_vocabulary_source source = {
        .context = &l, .n_tokens = header->n_tokens, .token = give_token,
        .merge = give_merge, .model = bytes ? "gpt2" : "llama",
        .bos = header->bos, .eos = header->eos, .unknown = header->unknown,
        .add_bos = (header->flags & ACI_ACT_ADD_BOS) != 0, .add_eos = -1,
        .add_space_prefix = header->prefix != ACI_ACT_PREFIX_NONE,
    };
    aci_tokenizer *again = NULL;
    ac_status status;

    ck_assert_ptr_nonnull(l.scores);
    ck_assert_int_eq(aci_tokenizer_listing_open(&l.listing, &memory,
                                                tokenizer, &error), AC_OK);
    aci_tokenizer_listing_scores(l.scores, n_loose, &l.listing);
    source.n_merges = bytes ? l.listing.n_merges : 0;
    source.pre = aci_tokenizer_listing_pre(&l.listing);
    source.pre_bytes = source.pre != NULL ? strlen(source.pre) : 0;
    status = aci_tokenizer_from_vocabulary(&again, &memory, &source, &error);
    ck_assert_msg(status == AC_OK, "%s", error.message);
    aci_tokenizer_listing_close(&l.listing);
    free(l.scores);
    return again;
}

/* GGUF's "qwen2" means NFC to us, though llama.cpp does not bring text into
 * it: what is not in that form says nothing here. */
static int is_normal(const json_t *text)
{
    aci_bytes bytes = { .memory = &memory };
    size_t n = json_string_length(text);
    int normal;

    ck_assert_int_eq(aci_tokenizer_normalise(&bytes, json_string_value(text),
                                             n, ACI_ACT_FORM_NFC), AC_OK);
    normal = bytes.n == n &&
             (n == 0 || memcmp(bytes.data, json_string_value(text), n) == 0);
    aci_platform_free(&memory, bytes.data);
    return normal;
}

/* Lines of the golden file that the two encode alike, of all in NFC. */
static size_t n_alike(const aci_tokenizer *a, const aci_tokenizer *b,
                      size_t *n)
{
    json_t *lines = json_load_file(GOLDEN "lines.json", JSON_ALLOW_NUL, NULL);
    size_t i, alike = 0;

    for (i = 0, *n = 0; i < json_array_size(lines); i++) {
        const json_t *text = json_object_get(json_array_get(lines, i),
                                             "text");
        aci_tokens x = { 0 }, y = { 0 };

        if (!is_normal(text))
            continue;
        ++*n;
        ck_assert_int_eq(
            aci_tokenizer_encode(&x, a, json_string_value(text),
                                 json_string_length(text), 1, 1, &error),
            AC_OK);
        ck_assert_int_eq(
            aci_tokenizer_encode(&y, b, json_string_value(text),
                                 json_string_length(text), 1, 1, &error),
            AC_OK);
        alike += x.n == y.n &&
                 (x.n == 0 || memcmp(x.ids, y.ids, x.n * sizeof *x.ids) == 0);
        aci_tokenizer_tokens_free(&memory, &x);
        aci_tokenizer_tokens_free(&memory, &y);
    }
    json_decref(lines);
    ck_assert_uint_gt(*n, 100);
    return alike;
}

static void setup(void)
{
    aci_platform_memory_init(&memory);
}

static void teardown(void)
{
    ck_assert_uint_eq(memory.used_bytes, 0);
}

START_TEST(byte_level_comes_back_exactly)
{
    static const char *const folders[] = { GOLDEN "bytes", GOLDEN "trained" };
    aci_tokenizer *tokenizer = open_folder(&memory, folders[_i]), *again;
    size_t n, n_loose;

    again = build_again(tokenizer, &n_loose);
    ck_assert_uint_eq(n_alike(tokenizer, again, &n), n);
    aci_tokenizer_close(again);
    aci_tokenizer_close(tokenizer);
}
END_TEST

/* Scores of what was made from scores: built twice, the second time from its
 * own list, it is the same to the last text and has nothing loose. */
START_TEST(scores_of_scores_are_exact)
{
    aci_tokenizer *first = open_folder(&memory, GOLDEN "pieces");
    aci_tokenizer *again, *third;
    size_t n, n_loose;

    again = build_again(first, &n_loose);
    third = build_again(again, &n_loose);
    ck_assert_uint_eq(n_loose, 0);
    ck_assert_uint_eq(n_alike(again, third, &n), n);
    aci_tokenizer_close(third);
    aci_tokenizer_close(again);
    aci_tokenizer_close(first);
}
END_TEST

/* Merges learned pair by pair are not scores: that is counted, not hidden. */
START_TEST(what_scores_cannot_say_is_counted)
{
    aci_tokenizer *tokenizer = open_folder(&memory, GOLDEN "pieces"), *again;
    size_t n, n_loose, alike;

    again = build_again(tokenizer, &n_loose);
    alike = n_alike(tokenizer, again, &n);
    ck_assert(n_loose > 0 || alike == n);
    aci_tokenizer_close(again);
    aci_tokenizer_close(tokenizer);
}
END_TEST

Suite *test_listing_suite(void)
{
    Suite *suite = suite_create("test_listing");
    TCase *tests = tcase_create("listing");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, byte_level_comes_back_exactly, 0, 2);
    tcase_add_test(tests, scores_of_scores_are_exact);
    tcase_add_test(tests, what_scores_cannot_say_is_counted);
    suite_add_tcase(suite, tests);
    return suite;
}
