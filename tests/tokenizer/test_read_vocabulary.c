/* test_read_vocabulary.c - whole vocabularies against llama.cpp's vectors, and
 * vocabularies that are wrong.
 *
 * The vectors' GGUF files may have been through a filter that made them valid
 * UTF-8: every byte that was none became U+FFFD. Tokens, merges and types
 * survive that; counts and a few lengths are told from what stands around
 * them, and Llama's scores follow from the order of its tokens. A file that
 * is whole is read the same way. */
#include <check.h>
#include <math.h>

#include "tokenizer/utf8.h"
#include "tokenizer_files.h"

static aci_memory memory;

typedef struct text_list {
    const char **texts;
    size_t *sizes;
    size_t n;
} text_list;

typedef struct listed_vocabulary {
    char *file;
    size_t file_bytes;
    int filtered;
    text_list tokens, merges;
} listed_vocabulary;

#define LOST 0x10000u                /* a byte of a number that is gone */

static unsigned number_byte(const char **at)
{
    if (memcmp(*at, "\xEF\xBF\xBD", 3) == 0) {
        *at += 3;
        return LOST;
    }
    return (uint8_t)*(*at)++;
}

/* A length; when a byte of it is lost, the text ends where the next length
 * stands in front of its zeros. */
static size_t read_length(const char **at)
{
    size_t length = 0, lost = 0, i;
    const char *end;

    for (i = 0; i < 8; i++) {
        unsigned byte = number_byte(at);

        lost |= byte & LOST;
        length |= (size_t)(byte & 255) << (8 * i);
    }
    if (!lost)
        return length;
    end = *at + strlen(*at); /* the first zero byte behind the text */
    if (memcmp(end - 3, "\xEF\xBF\xBD", 3) == 0)
        return (size_t)(end - *at) - 3;
    return (size_t)(end - *at) - 1;
}

static const char *find_key(const listed_vocabulary *v, const char *key)
{
    const char *at = memmem(v->file, v->file_bytes, key, strlen(key));

    ck_assert_msg(at != NULL, "no %s", key);
    return at + strlen(key) + 8; /* behind the two types */
}

static void read_list(const listed_vocabulary *v, text_list *list,
                      const char *key, size_t n)
{
    const char *at = find_key(v, key);
    size_t i;

    list->n = n;
    list->texts = malloc(n * sizeof *list->texts);
    list->sizes = malloc(n * sizeof *list->sizes);
    ck_assert(list->texts != NULL && list->sizes != NULL);
    for (i = 0; i < 8; i++)
        (void)number_byte(&at);
    for (i = 0; i < n; i++) {
        list->sizes[i] = read_length(&at);
        list->texts[i] = at;
        at += list->sizes[i];
    }
}

static int read_file(listed_vocabulary *v, const char *name, size_t n_tokens,
                     size_t n_merges)
{
    char path[512], relative[128];

    memset(v, 0, sizeof *v);
    snprintf(relative, sizeof relative, "tokenizers/%s/ggml-vocab-%s.gguf",
             name, name);
    if (!find_data(path, sizeof path, relative))
        return 0;
    ck_assert_int_eq(aci_platform_read_file(&v->file, &v->file_bytes, &memory,
                                            path, 1 << 26, NULL), AC_OK);
    v->filtered = aci_utf8_valid(v->file, v->file_bytes) == v->file_bytes;
    if (v->filtered)
        printf("NOTE tokenizer: %s went through a text filter; its numbers "
               "are restored by rule\n", path);
    read_list(v, &v->tokens, "tokenizer.ggml.tokens", n_tokens);
    if (n_merges > 0)
        read_list(v, &v->merges, "tokenizer.ggml.merges", n_merges);
    return 1;
}

static void free_file(listed_vocabulary *v)
{
    free(v->tokens.texts);
    free(v->tokens.sizes);
    free(v->merges.texts);
    free(v->merges.sizes);
    aci_platform_free(&memory, v->file);
}

static int gpt2_token(void *context, size_t i, const char **text,
                      size_t *n_bytes, float *score, int32_t *type)
{
    const listed_vocabulary *v = context;

    *text = v->tokens.texts[i];
    *n_bytes = v->tokens.sizes[i];
    *score = 0.0f;
    *type = i == 50256 ? 3 : 1;
    return 1;
}

static int gpt2_merge(void *context, size_t i, const char **text,
                      size_t *n_bytes)
{
    const listed_vocabulary *v = context;

    *text = v->merges.texts[i];
    *n_bytes = v->merges.sizes[i];
    return 1;
}

/* Llama's: runs of spaces were added with a score of -1e9; the rest stand in
 * the order of their scores, 0, -1, -2, ... behind specials and bytes. */
static int llama_token(void *context, size_t i, const char **text,
                       size_t *n_bytes, float *score, int32_t *type)
{
    const listed_vocabulary *v = context;
    size_t k;

    *text = v->tokens.texts[i];
    *n_bytes = v->tokens.sizes[i];
    *type = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
    *score = *type == 1 ? 259.0f - (float)i : 0.0f;
    for (k = 0; k < *n_bytes; k += 3)
        if (memcmp(*text + k, "\xE2\x96\x81", 3) != 0)
            return 1;
    if (*n_bytes > 3)
        *score = -1e9f;
    return 1;
}

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
    listed_vocabulary v;
    aci_vocabulary_source source = {
        .context = &v, .n_tokens = 50257, .n_merges = 50000,
        .token = gpt2_token, .merge = gpt2_merge, .model = "gpt2",
        .pre = "gpt-2", .pre_bytes = 5, .bos = 50256, .eos = 50256,
        .unknown = -1, .add_bos = -1, .add_eos = -1, .add_space_prefix = -1,
    };
    aci_tokenizer *tokenizer = NULL;

    aci_platform_memory_init(&memory);
    if (!read_file(&v, "gpt-2", 50257, 50000))
        return;
    ck_assert_int_eq(aci_tokenizer_from_vocabulary(&tokenizer, &memory,
                                                   &source, NULL), AC_OK);
    compare_vectors(tokenizer, "gpt-2");
    ck_assert(aci_tokenizer_is_end(tokenizer, 50256));
    aci_tokenizer_close(tokenizer);
    free_file(&v);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

START_TEST(llama_gives_the_vectors)
{
    listed_vocabulary v;
    aci_vocabulary_source source = {
        .context = &v, .n_tokens = 32000, .token = llama_token,
        .model = "llama", .bos = 1, .eos = 2, .unknown = 0, .add_bos = -1,
        .add_eos = -1, .add_space_prefix = -1,
    };
    aci_tokenizer *tokenizer = NULL;
    aci_tokens tokens = { NULL, 0, 0 };

    aci_platform_memory_init(&memory);
    if (!read_file(&v, "llama-spm", 32000, 0))
        return;
    ck_assert_int_eq(aci_tokenizer_from_vocabulary(&tokenizer, &memory,
                                                   &source, NULL), AC_OK);
    compare_vectors(tokenizer, "llama-spm");
    /* begin comes by default, and text is never a control token */
    ck_assert_int_eq(aci_tokenizer_encode(&tokens, tokenizer, "</s>", 4, 0, 1,
                                          NULL), AC_OK);
    ck_assert_int_eq(tokens.ids[0], 1);
    ck_assert_uint_gt(tokens.n, 2);
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_tokenizer_close(tokenizer);
    free_file(&v);
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
