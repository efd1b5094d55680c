/* test_vocabulary_gguf.c - a vocabulary inside a GGUF file (stories260k: 512
 * SentencePiece tokens), against the merging rule written down plainly: join
 * the best-scored neighbours, leftmost first, until none join. */
#include <check.h>

#include "api/vocabulary_gguf.h"
#include "platform/random.h"
#include "tokenizer_files.h"

static aci_memory memory;

typedef struct plain_model {
    size_t n;
    const char *texts[1024];
    size_t sizes[1024];
    double scores[1024];
    int64_t types[1024];
} plain_model;

static void read_plain(plain_model *m, const aci_gguf *gguf)
{
    size_t i;

    ck_assert(aci_model_gguf_array_length(&m->n, gguf,
                                          "tokenizer.ggml.tokens"));
    ck_assert_uint_le(m->n, 1024);
    for (i = 0; i < m->n; i++) {
        ck_assert(aci_model_gguf_array_string(&m->texts[i], &m->sizes[i], gguf,
                                              "tokenizer.ggml.tokens", i));
        ck_assert(aci_model_gguf_array_real(&m->scores[i], gguf,
                                            "tokenizer.ggml.scores", i));
        ck_assert(aci_model_gguf_array_integer(&m->types[i], gguf,
                                               "tokenizer.ggml.token_type",
                                               i));
    }
}

static int find_plain(const plain_model *m, const char *text, size_t n)
{
    int i;

    for (i = 0; i < (int)m->n; i++)
        if (m->types[i] == 1 && m->sizes[i] == n &&
            memcmp(m->texts[i], text, n) == 0)
            return i;
    return -1;
}

/* ASCII text with U+2581 for spaces; ids to out, their number returned. */
static size_t encode_plain(int32_t *out, const plain_model *m,
                           const char *text)
{
    char spaced[1024];
    size_t starts[1024], n = 0, at = 0, i, best, k;

    starts[n++] = 0;
    memcpy(spaced, "\xE2\x96\x81", 3);
    for (at = 3; *text != '\0'; text++) {
        starts[n++] = at;
        if (*text == ' ') {
            memcpy(spaced + at, "\xE2\x96\x81", 3);
            at += 3;
        } else {
            spaced[at++] = *text;
        }
    }
    starts[n] = at;
    for (;;) {
        double best_score = -1e30;

        best = SIZE_MAX;
        for (i = 0; i + 1 < n; i++) {
            int id = find_plain(m, spaced + starts[i],
                                starts[i + 2] - starts[i]);
            if (id >= 0 && m->scores[id] > best_score) {
                best_score = m->scores[id];
                best = i;
            }
        }
        if (best == SIZE_MAX)
            break;
        for (i = best + 1; i < n; i++)
            starts[i] = starts[i + 1];
        n--;
    }
    for (i = 0, k = 0; i < n; i++) {
        int id = find_plain(m, spaced + starts[i], starts[i + 1] - starts[i]);

        if (id >= 0) {
            out[k++] = id;
            continue;
        }
        ck_assert_uint_eq(starts[i + 1] - starts[i], 1); /* byte 0 is id 3 */
        out[k++] = 3 + (uint8_t)spaced[starts[i]];
    }
    return k;
}

START_TEST(ids_are_those_of_the_rule)
{
    static const char letters[] = "etaoinshrdlu etaoin      .,!'\"TOM\n09zq";
    static plain_model model;
    aci_tokenizer *tokenizer = NULL;
    aci_tokens tokens = { NULL, 0, 0 };
    aci_gguf *gguf = NULL;
    ac_error error = AC_ERROR_INIT;
    aci_random random;
    char path[512], text[256], back[300];
    int32_t wanted[1024];
    size_t i, k, n, n_wanted;

    aci_platform_memory_init(&memory);
    if (!find_data(path, sizeof path, "models/stories260k/stories260k-f32."
                                      "gguf"))
        return;
    ck_assert_msg(aci_model_gguf_open(&gguf, &memory, path, &error) == AC_OK,
                  "%s", error.message);
    ck_assert_msg(aci_api_vocabulary_gguf(&tokenizer, &memory, gguf,
                                          &error) == AC_OK,
                  "%s", error.message);
    ck_assert_int_eq(aci_tokenizer_size(tokenizer), 512);
    ck_assert_int_eq(aci_tokenizer_bos(tokenizer), 1);
    ck_assert(aci_tokenizer_is_end(tokenizer, 2));
    read_plain(&model, gguf);
    aci_platform_random_seed(&random, 9);
    for (k = 0; k < 1500; k++) {
        n = 1 + (size_t)aci_platform_random_below(&random, k % 3 ? 30 : 200);
        for (i = 0; i < n; i++)
            text[i] = letters[aci_platform_random_below(&random,
                                                        sizeof letters - 1)];
        text[n] = '\0';
        tokens.n = 0;
        ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, text, n, 0,
                                              0, NULL), AC_OK);
        n_wanted = encode_plain(wanted, &model, text);
        ck_assert_msg(tokens.n == n_wanted &&
                      memcmp(tokens.ids, wanted, n_wanted * 4) == 0,
                      "\"%s\"", text);
        ck_assert_uint_eq(aci_tokenizer_decode(back, sizeof back, tokenizer,
                                               tokens.ids, tokens.n, 0), n);
        ck_assert_mem_eq(back, text, n);
    }
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
    aci_model_gguf_close(gguf);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

Suite *test_vocabulary_gguf_suite(void);
Suite *test_vocabulary_gguf_suite(void)
{
    Suite *suite = suite_create("test_vocabulary_gguf");
    TCase *tests = tcase_create("vocabulary in GGUF");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, ids_are_those_of_the_rule);
    suite_add_tcase(suite, tests);
    return suite;
}
