/* tokenizer_files.h - the tokenizers that tests run on: three small ones kept
 * in tests/golden/tokenizer, and two in the test data ($AC_TEST_DATA, else
 * ../shared/data). NULL, and a loud line, when the data is not there. */
#ifndef TESTS_TOKENIZER_FILES_H
#define TESTS_TOKENIZER_FILES_H

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/files.h"
#include "tokenizer/tokenizer.h"

#define GOLDEN "tests/golden/tokenizer/"

static inline const char *data_folder(void)
{
    const char *folder = getenv("AC_TEST_DATA");

    return folder != NULL ? folder : "../shared/data";
}

/* False after saying that `path` of the data is missing. */
static inline int find_data(char *out, size_t n, const char *path)
{
    snprintf(out, n, "%s/%s", data_folder(), path);
    if (access(out, R_OK) == 0)
        return 1;
    printf("SKIP tokenizer: %s is not there (set AC_TEST_DATA)\n", out);
    return 0;
}

/* A fresh folder; the caller removes it with remove_folder. */
static inline void make_folder(char *out, size_t n)
{
    const char *root = getenv("TMPDIR");

    snprintf(out, n, "%s/ac-tokenizer-XXXXXX", root != NULL ? root : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(out));
}

static inline void remove_folder(const char *folder)
{
    char command[600];

    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static inline aci_tokenizer *open_folder(aci_memory *memory,
                                         const char *folder)
{
    aci_tokenizer *tokenizer = NULL;
    ac_error error = AC_ERROR_INIT;
    ac_status status =
        aci_tokenizer_from_folder(&tokenizer, memory, folder, &error);

    ck_assert_msg(status == AC_OK, "%s: %s", folder, error.message);
    return tokenizer;
}

/* "bytes", "pieces", "first", "tinystories", "qwen2". */
static inline aci_tokenizer *open_named(aci_memory *memory, const char *name)
{
    char path[512], folder[256], command[1024];
    aci_tokenizer *tokenizer;

    if (strcmp(name, "tinystories") == 0) {
        if (!find_data(path, sizeof path, "models/tinystories-656k"))
            return NULL;
        return open_folder(memory, path);
    }
    if (strcmp(name, "qwen2") != 0) {
        snprintf(path, sizeof path, GOLDEN "%s", name);
        return open_folder(memory, path);
    }
    if (!find_data(path, sizeof path,
                   "tokenizers/qwen2/qwen2.5-tokenizer.tar.xz"))
        return NULL;
    make_folder(folder, sizeof folder);
    snprintf(command, sizeof command, "tar -xJf '%s' -C '%s'", path, folder);
    if (system(command) != 0) {
        printf("SKIP tokenizer: tar could not unpack %s\n", path);
        remove_folder(folder);
        return NULL;
    }
    tokenizer = open_folder(memory, folder);
    remove_folder(folder);
    return tokenizer;
}

static inline json_t *load_golden(const char *name)
{
    char path[256];
    json_error_t where;
    json_t *root;

    snprintf(path, sizeof path, GOLDEN "%s", name);
    root = json_load_file(path, JSON_ALLOW_NUL, &where);
    ck_assert_msg(root != NULL, "%s: %s", path, where.text);
    return root;
}

/* Ids as text, for messages. */
static inline void print_ids(char *out, size_t n, const int32_t *ids,
                             size_t n_ids)
{
    size_t used = 0, i;

    out[0] = '\0';
    for (i = 0; i < n_ids && used + 16 < n; i++)
        used += (size_t)snprintf(out + used, n - used, "%d ", (int)ids[i]);
}

/* Fails with both lists and the text when they differ. */
static inline void expect_ids(const aci_tokens *tokens, const json_t *wanted,
                              const char *name, const char *text)
{
    char got[2000];
    size_t i, n = json_array_size(wanted);
    int same = tokens->n == n;

    for (i = 0; i < n && same; i++)
        same = tokens->ids[i] ==
               (int32_t)json_integer_value(json_array_get(wanted, i));
    if (same)
        return;
    print_ids(got, sizeof got, tokens->ids, tokens->n);
    ck_abort_msg("%s: \"%s\"\n  gave   %s\n  wanted %s", name, text, got,
                 json_dumps(wanted, JSON_COMPACT));
}

#endif
