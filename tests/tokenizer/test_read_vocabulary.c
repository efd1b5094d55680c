/* test_read_vocabulary.c - whole vocabularies against llama.cpp's vectors, and
 * vocabularies that are wrong. */
#include <check.h>
#include <math.h>

#include "listed_vocabulary.h"
#include "tokenizer_files.h"

static aci_memory memory;

/* Every text of NAME.inp gives the ids of its line in NAME.out. */
static void compare_vectors(const aci_tokenizer *tokenizer, const char *name)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char relative[128], path[512], *texts = NULL, *answers = NULL;
    char *text, *end, *line, *number;
    size_t n_texts, n_answers, n = 0, i;
    aci_tokens tokens = { NULL, 0, 0 };

    snprintf(relative, sizeof relative, "tokenizers/%s/ggml-vocab-%s.gguf.inp",
             name, name);
    ck_assert(find_data(path, sizeof path, relative));
    ck_assert_int_eq(aci_platform_read_file(&texts, &n_texts, &memory, path,
                                            1 << 20, NULL), AC_OK);
    memcpy(path + strlen(path) - 3, "out", 3);
    ck_assert_int_eq(aci_platform_read_file(&answers, &n_answers, &memory,
                                            path, 1 << 20, NULL), AC_OK);
    line = answers;
    for (text = texts; text != NULL; text = end) {
        end = memmem(text, n_texts - (size_t)(text - texts), mark,
                     sizeof mark - 1);
        tokens.n = 0;
        ck_assert_int_eq(aci_tokenizer_encode(
            &tokens, tokenizer, text,
            end != NULL ? (size_t)(end - text)
                        : n_texts - (size_t)(text - texts),
            0, 0, NULL), AC_OK);
        for (i = 0; i < tokens.n; i++) {
            long wanted = strtol(line, &number, 10);
            ck_assert_msg(number > line && wanted == tokens.ids[i],
                          "%s: text %zu, token %zu: %d, not %ld", name, n, i,
                          (int)tokens.ids[i], wanted);
            line = number;
        }
        line += strspn(line, " ");
        ck_assert_msg(*line == '\n' || *line == '\0', "%s: text %zu: more "
                      "tokens: %.20s", name, n, line);
        line += *line == '\n';
        end = end == NULL ? NULL : end + sizeof mark - 1;
        n++;
    }
    ck_assert_uint_ge(n, 40);
    ck_assert_uint_eq((size_t)(line - answers), n_answers);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_platform_free(&memory, texts);
    aci_platform_free(&memory, answers);
}

START_TEST(gpt2_gives_the_vectors)
{
    aci_tokenizer *tokenizer;

    aci_platform_memory_init(&memory);
    tokenizer = open_gpt2(&memory);
    if (tokenizer == NULL)
        return;
    compare_vectors(tokenizer, "gpt-2");
    ck_assert(aci_tokenizer_is_end(tokenizer, 50256));
    aci_tokenizer_close(tokenizer);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(llama_gives_the_vectors)
{
    aci_tokenizer *tokenizer;
    aci_tokens tokens = { NULL, 0, 0 };

    aci_platform_memory_init(&memory);
    tokenizer = open_llama(&memory);
    if (tokenizer == NULL)
        return;
    compare_vectors(tokenizer, "llama-spm");
    /* begin comes by default, and text is never a control token */
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, "</s>", 4, 0, 1,
                                          NULL), AC_OK);
    ck_assert_int_eq(tokens.ids[0], 1);
    ck_assert_uint_gt(tokens.n, 2);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(qwen2_gives_the_vectors)
{
    aci_tokenizer *tokenizer;

    aci_platform_memory_init(&memory);
    tokenizer = open_named(&memory, "qwen2");
    if (tokenizer == NULL)
        return;
    compare_vectors(tokenizer, "qwen2");
    ck_assert_int_eq(aci_tokenizer_bos(tokenizer), -1);
    ck_assert(aci_tokenizer_is_end(tokenizer, 151645)); /* <|im_end|> */
    ck_assert(aci_tokenizer_is_end(tokenizer, 151643)); /* <|endoftext|> */
    aci_tokenizer_close(tokenizer);
}
END_TEST

/* A tiny vocabulary, one thing wrong with it at a time. */
typedef struct tiny {
    const char *texts[8];
    float scores[8];
    int32_t types[8];
    const char *merges[4];
} tiny;

static int tiny_token(void *context, size_t i, const char **text,
                      size_t *n_bytes, float *score, int32_t *type)
{
    const tiny *t = context;

    if (t->texts[i] == NULL)
        return 0;
    *text = t->texts[i];
    *n_bytes = strlen(t->texts[i]);
    *score = t->scores[i];
    *type = t->types[i];
    return 1;
}

static int tiny_merge(void *context, size_t i, const char **text,
                      size_t *n_bytes)
{
    const tiny *t = context;

    *text = t->merges[i];
    *n_bytes = strlen(t->merges[i]);
    return 1;
}

static ac_status open_tiny(const tiny *t, const char *model, size_t n_merges,
                           int32_t bos)
{
    aci_vocabulary_source source = {
        .context = (void *)(uintptr_t)t, .n_tokens = 6, .n_merges = n_merges,
        .token = tiny_token, .merge = tiny_merge, .model = model, .bos = bos,
        .eos = -1, .unknown = -1, .add_bos = -1, .add_eos = -1,
        .add_space_prefix = 0,
    };
    aci_tokenizer *tokenizer = NULL;
    aci_tokens tokens = { NULL, 0, 0 };
    ac_error error = AC_ERROR_INIT;
    ac_status status =
        aci_tokenizer_from_vocabulary(&tokenizer, &memory, &source, &error);

    if (status == AC_OK)
        ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, "abcab\xFF",
                                              6, 1, 1, NULL), AC_OK);
    else
        ck_assert_uint_gt(strlen(error.message), 0);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
    ck_assert_uint_eq(memory.used_bytes, 0);
    return status;
}

static const tiny good = { { "a", "b", "c", "ab", "abc", "<x>" },
                           { 0, 0, 0, -1, -2, 0 },
                           { 1, 1, 1, 1, 1, 3 },
                           { "a b", "ab c" } };

START_TEST(wrong_vocabularies_are_errors)
{
    tiny t = good;

    aci_platform_memory_init(&memory);
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, 5), AC_OK);
    ck_assert_int_eq(open_tiny(&t, "llama", 0, 5), AC_OK);
    ck_assert_int_eq(open_tiny(&t, "bert", 0, 5), AC_E_UNSUPPORTED);
    ck_assert_int_eq(open_tiny(&t, NULL, 0, 5), AC_E_UNSUPPORTED);
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, 6), AC_E_FORMAT);
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, -2), AC_E_FORMAT);
    t.merges[1] = "a b"; /* twice */
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, 5), AC_E_FORMAT);
    t.merges[1] = "b b"; /* into nothing known */
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, 5), AC_E_FORMAT);
    t.merges[1] = "z a";
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, 5), AC_E_FORMAT);
    t.merges[1] = "ab";
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, 5), AC_E_FORMAT);
    t.merges[1] = " ab";
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, 5), AC_E_FORMAT);
    t.merges[1] = "a b c";
    ck_assert_int_eq(open_tiny(&t, "gpt2", 2, 5), AC_E_FORMAT);
    t = good;
    t.types[2] = 9;
    ck_assert_int_eq(open_tiny(&t, "llama", 0, 5), AC_E_FORMAT);
    t.types[2] = 6; /* a byte that is none */
    ck_assert_int_eq(open_tiny(&t, "llama", 0, 5), AC_E_FORMAT);
    t = good;
    t.scores[3] = (float)NAN;
    ck_assert_int_eq(open_tiny(&t, "llama", 0, 5), AC_E_NUMERIC);
    t = good;
    t.texts[4] = NULL;
    ck_assert_int_eq(open_tiny(&t, "llama", 0, 5), AC_E_FORMAT);
    t = good;
    t.texts[4] = "ab"; /* twice, and empty: harmless */
    t.texts[2] = "";
    ck_assert_int_eq(open_tiny(&t, "llama", 0, 5), AC_OK);
}
END_TEST

Suite *test_read_vocabulary_suite(void);
Suite *test_read_vocabulary_suite(void)
{
    Suite *suite = suite_create("test_read_vocabulary");
    TCase *tests = tcase_create("vocabularies");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, gpt2_gives_the_vectors);
    tcase_add_test(tests, llama_gives_the_vectors);
    tcase_add_test(tests, qwen2_gives_the_vectors);
    tcase_add_test(tests, wrong_vocabularies_are_errors);
    suite_add_tcase(suite, tests);
    return suite;
}
