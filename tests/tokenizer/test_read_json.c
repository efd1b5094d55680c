/* test_read_json.c - tokenizer.json and the files beside it when they are
 * wrong, cut, or ask for what we cannot do; SentencePiece files likewise. */
#include <check.h>

#include "platform/random.h"
#include "tokenizer_files.h"

static aci_memory memory;
static char folder[256];

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    make_folder(folder, sizeof folder);
}

static void tear_down(void)
{
    remove_folder(folder);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static void put(const char *name, const char *bytes, size_t n)
{
    char path[320];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

/* Opens the folder; when that works, encodes. */
static ac_status open_it(char *message)
{
    static const char text[] = "the  dog\n\nwas <|eot_id|> \xC3 1912";
    aci_tokenizer *tokenizer = NULL;
    aci_tokens tokens = { NULL, 0, 0 };
    ac_error error = AC_ERROR_INIT;
    ac_status status =
        aci_tokenizer_from_folder(&tokenizer, &memory, folder, &error);

    if (status == AC_OK)
        (void)aci_tokenizer_encode(&tokens, tokenizer, text, sizeof text, 1, 1,
                                   &error);
    else
        ck_assert_uint_gt(strlen(error.message), 0);
    if (message != NULL)
        strcpy(message, error.message);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
    return status;
}

static char *golden_json(const char *name, size_t *n)
{
    char path[128], *bytes = NULL;

    snprintf(path, sizeof path, GOLDEN "%s/tokenizer.json", name);
    ck_assert_int_eq(aci_platform_read_file(&bytes, n, &memory, path, 1 << 26,
                                            NULL), AC_OK);
    return bytes;
}

START_TEST(a_cut_file_is_an_error)
{
    size_t n, cut;
    char *bytes = golden_json("bytes", &n);

    for (cut = 0; cut + 3 < n; cut += 211) {
        put("tokenizer.json", bytes, cut);
        ck_assert_int_eq(open_it(NULL), AC_E_FORMAT);
    }
    aci_platform_free(&memory, bytes);
}
END_TEST

START_TEST(flipped_bytes_do_no_harm)
{
    size_t n, i;
    char *bytes = golden_json(_i == 0 ? "bytes" : "pieces", &n);
    aci_random random;

    aci_platform_random_seed(&random, 3 + (uint64_t)_i);
    for (i = 0; i < 400; i++) {
        size_t at = (size_t)aci_platform_random_below(&random, n);
        char held = bytes[at];

        bytes[at] = (char)(held ^ (1 << aci_platform_random_below(&random,
                                                                  8)));
        put("tokenizer.json", bytes, n);
        (void)open_it(NULL);
        bytes[at] = held;
    }
    aci_platform_free(&memory, bytes);
}
END_TEST

/* tokenizer.json around one member each. */
#define JSON(normalizer, splitter, model, added)                            \
    "{\"normalizer\":" normalizer ",\"pre_tokenizer\":" splitter            \
    ",\"added_tokens\":" added ",\"model\":" model "}"
#define BPE "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}," \
            "\"merges\":[\"a b\"]}"

START_TEST(what_cannot_be_done_is_refused_by_name)
{
    static const struct {
        const char *json, *word;
        ac_status status;
    } cases[] = {
        { JSON("null", "null", BPE, "[]"), NULL, AC_OK },
        { JSON("{\"type\":\"Lowercase\"}", "null", BPE, "[]"), "Lowercase",
          AC_E_UNSUPPORTED },
        { JSON("null", "{\"type\":\"BertPreTokenizer\"}", BPE, "[]"),
          "BertPreTokenizer", AC_E_UNSUPPORTED },
        { JSON("null", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},"
               "\"behavior\":\"Isolated\"}", BPE, "[]"), "refused",
          AC_E_UNSUPPORTED },
        { JSON("null", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},"
               "\"behavior\":\"Removed\"}", BPE, "[]"), "Removed",
          AC_E_UNSUPPORTED },
        { JSON("null", "null", "{\"type\":\"Unigram\",\"vocab\":[]}", "[]"),
          "Unigram", AC_E_UNSUPPORTED },
        { JSON("null", "null", "{\"type\":\"BPE\",\"merges\":[]}", "[]"),
          "vocabulary", AC_E_FORMAT },
        { JSON("null", "null", "null", "[]"), "model", AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{\"a\":-1},"
               "\"merges\":[]}", "[]"), "range", AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{\"a\":1e15},"
               "\"merges\":[]}", "[]"), "range", AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},"
               "\"merges\":[]}", "[]"), "twice", AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"a\":1},"
               "\"merges\":[]}", "[]"), "duplicate", AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,"
               "\"aa\":1},\"merges\":[[\"a\",\"a\"],[\"a\",\"a\"]]}", "[]"),
          "twice", AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{\"a\":0,"
               "\"aa\":1},\"merges\":[[\"\",\"a\"]]}", "[]"), "empty",
          AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},"
               "\"merges\":[[\"a\",\"a\"]]}", "[]"), "lacks", AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{\"a\":0},"
               "\"merges\":[7]}", "[]"), "two tokens", AC_E_FORMAT },
        { JSON("null", "null", "{\"type\":\"BPE\",\"vocab\":{},"
               "\"merges\":[]}", "[]"), "empty", AC_E_FORMAT },
        { JSON("null", "null", BPE, "[{\"id\":-4,\"content\":\"x\"}]"),
          "malformed", AC_E_FORMAT },
        { JSON("null", "null", BPE, "[{\"id\":99999999,\"content\":\"x\"}]"),
          "malformed", AC_E_FORMAT },
        { "[]", "model", AC_E_FORMAT },
        { "{", "JSON", AC_E_FORMAT },
        { "", "JSON", AC_E_FORMAT },
        { "\xFF\xFE", "JSON", AC_E_FORMAT },
    };
    char message[512];
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("tokenizer.json", cases[i].json, strlen(cases[i].json));
        ck_assert_msg(open_it(message) == cases[i].status, "%zu: %s: %s", i,
                      cases[i].json, message);
        if (cases[i].word != NULL)
            ck_assert_msg(strstr(message, cases[i].word) != NULL,
                          "no \"%s\" in: %s", cases[i].word, message);
    }
}
END_TEST

START_TEST(configurations_tell_begin_and_end)
{
    static const char model[] =
        "{\"added_tokens\":[{\"id\":3,\"content\":\"<b>\",\"special\":true},"
        "{\"id\":4,\"content\":\"<e>\",\"special\":true},"
        "{\"id\":5,\"content\":\"<|eot_id|>\",\"special\":true}],"
        "\"model\":" BPE "}";
    static const char config[] =
        "{\"model_max_length\":1000000000000000019884624838656,"
        "\"add_bos_token\":true,\"bos_token\":{\"content\":\"<b>\"}}";
    static const char generation[] = "{\"eos_token_id\":[4,2,-1,1e9,\"x\"]}";
    aci_tokenizer *tokenizer = NULL;
    aci_tokens tokens = { NULL, 0, 0 };

    put("tokenizer.json", model, strlen(model));
    put("tokenizer_config.json", config, strlen(config));
    put("generation_config.json", generation, strlen(generation));
    tokenizer = open_folder(&memory, folder);
    ck_assert_int_eq(aci_tokenizer_bos(tokenizer), 3);
    ck_assert_int_eq(aci_tokenizer_size(tokenizer), 6);
    ck_assert(aci_tokenizer_is_end(tokenizer, 4));
    ck_assert(aci_tokenizer_is_end(tokenizer, 2));
    ck_assert(aci_tokenizer_is_end(tokenizer, 5)); /* known by its name */
    ck_assert(!aci_tokenizer_is_end(tokenizer, 3));
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, "ab", 2, 0, 1,
                                          NULL), AC_OK);
    ck_assert_uint_eq(tokens.n, 2);
    ck_assert_int_eq(tokens.ids[0], 3);
    ck_assert_int_eq(tokens.ids[1], 2);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
    put("generation_config.json", "{", 1);
    ck_assert_int_eq(open_it(NULL), AC_E_FORMAT);
}
END_TEST

START_TEST(an_empty_folder_has_no_tokenizer)
{
    char message[512];

    ck_assert_int_eq(open_it(message), AC_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(message, "tokenizer.json"));
}
END_TEST

/* A SentencePiece model of a few pieces, in protobuf. */
static size_t make_model(uint8_t *out, int model_type)
{
    static const struct {
        const char *text;
        float score;
        uint8_t type;
    } pieces[] = {
        { "<unk>", 0, 2 }, { "<s>", 0, 3 }, { "</s>", 0, 3 },
        { "<0x41>", 0, 6 }, { "<0xC3>", 0, 6 }, { "\xE2\x96\x81", -4, 1 },
        { "t", -5, 1 }, { "h", -6, 1 }, { "e", -7, 1 }, { "th", -1, 1 },
        { "the", -2, 1 }, { "\xE2\x96\x81the", -3, 1 },
    };
    size_t n = 0, i, length;

    for (i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        length = strlen(pieces[i].text);
        out[n++] = 0x0A;
        out[n++] = (uint8_t)(length + 9);
        out[n++] = 0x0A;
        out[n++] = (uint8_t)length;
        memcpy(out + n, pieces[i].text, length);
        n += length;
        out[n++] = 0x15;
        memcpy(out + n, &pieces[i].score, 4);
        n += 4;
        out[n++] = 0x18;
        out[n++] = pieces[i].type;
    }
    out[n++] = 0x12; /* trainer_spec: model_type */
    out[n++] = 2;
    out[n++] = 0x18;
    out[n++] = (uint8_t)model_type;
    out[n++] = 0x1A; /* normalizer_spec: spaces are kept */
    out[n++] = 2;
    out[n++] = 0x20;
    out[n++] = 0;
    return n;
}

START_TEST(a_sentencepiece_model_is_read)
{
    static const int32_t wanted[] = { 1, 11, 11, 3, 5, 4, 0 };
    static const char text[] = "the theA \xC3z";
    aci_tokenizer *tokenizer;
    aci_tokens tokens = { NULL, 0, 0 };
    uint8_t model[512];
    char got[100];
    size_t n = make_model(model, 2);

    put("tokenizer.model", (char *)model, n);
    tokenizer = open_folder(&memory, folder);
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text,
                                          strlen(text), 0, 1, NULL), AC_OK);
    print_ids(got, sizeof got, tokens.ids, tokens.n);
    ck_assert_msg(tokens.n == 7 &&
                  memcmp(tokens.ids, wanted, sizeof wanted) == 0, "%s", got);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
    n = make_model(model, 1);
    put("tokenizer.model", (char *)model, n);
    ck_assert_int_eq(open_it(NULL), AC_E_UNSUPPORTED);
}
END_TEST

START_TEST(damaged_sentencepiece_models_do_no_harm)
{
    uint8_t model[512];
    size_t n = make_model(model, 2), i, bit;

    for (i = 0; i < n; i++) {
        put("tokenizer.model", (char *)model, i);
        ck_assert_int_ne(open_it(NULL), AC_OK);
    }
    for (i = 0; i < n; i++)
        for (bit = 0; bit < 8; bit++) {
            model[i] ^= (uint8_t)(1u << bit);
            put("tokenizer.model", (char *)model, n);
            (void)open_it(NULL);
            model[i] ^= (uint8_t)(1u << bit);
        }
}
END_TEST

Suite *test_read_json_suite(void);
Suite *test_read_json_suite(void)
{
    Suite *suite = suite_create("test_read_json");
    TCase *tests = tcase_create("importers");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_cut_file_is_an_error);
    tcase_add_loop_test(tests, flipped_bytes_do_no_harm, 0, 2);
    tcase_add_test(tests, what_cannot_be_done_is_refused_by_name);
    tcase_add_test(tests, configurations_tell_begin_and_end);
    tcase_add_test(tests, an_empty_folder_has_no_tokenizer);
    tcase_add_test(tests, a_sentencepiece_model_is_read);
    tcase_add_test(tests, damaged_sentencepiece_models_do_no_harm);
    suite_add_tcase(suite, tests);
    return suite;
}
