/* listed_vocabulary.h - the GPT-2 and Llama vocabularies of the test data, read
 * without the library's own GGUF reader.
 *
 * The files may have been through a filter that made them valid UTF-8: every
 * byte that was none became U+FFFD. Tokens, merges and types survive that;
 * counts and a few lengths are told from what stands around them, and Llama's
 * scores follow from the order of its tokens. A file that is whole is read the
 * same way. */
#ifndef TESTS_LISTED_VOCABULARY_H
#define TESTS_LISTED_VOCABULARY_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/files.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

typedef struct text_list {
    const char **texts;
    size_t *sizes;
    size_t n;
} text_list;

typedef struct listed_vocabulary {
    aci_memory *memory;
    char *file;
    size_t file_bytes;
    int filtered;
    text_list tokens, merges;
} listed_vocabulary;

#define LOST 0x10000u                /* a byte of a number that is gone */

static inline unsigned number_byte(const char **at)
{
    if (memcmp(*at, "\xEF\xBF\xBD", 3) == 0) {
        *at += 3;
        return LOST;
    }
    return (uint8_t)*(*at)++;
}

/* A length; when a byte of it is lost, the text ends where the next length
 * stands in front of its zeros. */
static inline size_t read_length(const char **at)
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

static inline const char *find_key(const listed_vocabulary *v, const char *key)
{
    const char *at = memmem(v->file, v->file_bytes, key, strlen(key));

    assert(at != NULL);
    return at + strlen(key) + 8; /* behind the two types */
}

static inline void read_listed_texts(const listed_vocabulary *v,
                                     text_list *list, const char *key,
                                     size_t n)
{
    const char *at = find_key(v, key);
    size_t i;

    list->n = n;
    list->texts = malloc(n * sizeof *list->texts);
    list->sizes = malloc(n * sizeof *list->sizes);
    assert(list->texts != NULL && list->sizes != NULL);
    for (i = 0; i < 8; i++)
        (void)number_byte(&at);
    for (i = 0; i < n; i++) {
        list->sizes[i] = read_length(&at);
        list->texts[i] = at;
        at += list->sizes[i];
    }
}

/* 0 after saying that the file is not there. */
static inline int read_listed(listed_vocabulary *v, aci_memory *memory,
                              const char *name, size_t n_tokens,
                              size_t n_merges)
{
    const char *data = getenv("AC_TEST_DATA");
    char path[512];

    memset(v, 0, sizeof *v);
    v->memory = memory;
    snprintf(path, sizeof path, "%s/tokenizers/%s/ggml-vocab-%s.gguf",
             data != NULL ? data : "../shared/data", name, name);
    if (aci_platform_read_file(&v->file, &v->file_bytes, memory, path, 1 << 26,
                               NULL) != AC_OK) {
        printf("SKIP tokenizer: %s is not there (set AC_TEST_DATA)\n", path);
        return 0;
    }
    v->filtered = aci_utf8_valid(v->file, v->file_bytes) == v->file_bytes;
    if (v->filtered)
        printf("NOTE tokenizer: %s went through a text filter; its numbers "
               "are restored by rule\n", path);
    read_listed_texts(v, &v->tokens, "tokenizer.ggml.tokens", n_tokens);
    if (n_merges > 0)
        read_listed_texts(v, &v->merges, "tokenizer.ggml.merges", n_merges);
    return 1;
}

static inline void free_listed(listed_vocabulary *v)
{
    free(v->tokens.texts);
    free(v->tokens.sizes);
    free(v->merges.texts);
    free(v->merges.sizes);
    aci_platform_free(v->memory, v->file);
}

static inline int gpt2_token(void *context, size_t i, const char **text,
                             size_t *n_bytes, float *score, int32_t *type)
{
    const listed_vocabulary *v = context;

    *text = v->tokens.texts[i];
    *n_bytes = v->tokens.sizes[i];
    *score = 0.0f;
    *type = i == 50256 ? 3 : 1;
    return 1;
}

static inline int gpt2_merge(void *context, size_t i, const char **text,
                             size_t *n_bytes)
{
    const listed_vocabulary *v = context;

    *text = v->merges.texts[i];
    *n_bytes = v->merges.sizes[i];
    return 1;
}

/* Llama's: runs of spaces were added with a score of -1e9; the rest stand in
 * the order of their scores, 0, -1, -2, ... behind specials and bytes. */
static inline int llama_token(void *context, size_t i, const char **text,
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

/* The whole tokenizers, or NULL when the data is not there. */
static inline aci_tokenizer *open_gpt2(aci_memory *memory)
{
    listed_vocabulary v;
    aci_vocabulary_source source = {
        .context = &v, .n_tokens = 50257, .n_merges = 50000,
        .token = gpt2_token, .merge = gpt2_merge, .model = "gpt2",
        .pre = "gpt-2", .pre_bytes = 5, .bos = 50256, .eos = 50256,
        .unknown = -1, .add_bos = -1, .add_eos = -1, .add_space_prefix = -1,
    };
    aci_tokenizer *tokenizer = NULL;

    if (read_listed(&v, memory, "gpt-2", 50257, 50000)) {
        aci_tokenizer_from_vocabulary(&tokenizer, memory, &source, NULL);
        assert(tokenizer != NULL);
        free_listed(&v);
    }
    return tokenizer;
}

static inline aci_tokenizer *open_llama(aci_memory *memory)
{
    listed_vocabulary v;
    aci_vocabulary_source source = {
        .context = &v, .n_tokens = 32000, .token = llama_token,
        .model = "llama", .bos = 1, .eos = 2, .unknown = 0, .add_bos = -1,
        .add_eos = -1, .add_space_prefix = -1,
    };
    aci_tokenizer *tokenizer = NULL;

    if (read_listed(&v, memory, "llama-spm", 32000, 0)) {
        aci_tokenizer_from_vocabulary(&tokenizer, memory, &source, NULL);
        assert(tokenizer != NULL);
        free_listed(&v);
    }
    return tokenizer;
}

#endif
