/* answer_marks.c - what an answer depends on, as a number of 16 digits: the
 * prompts up to it, and the weights that answered. An answer with another
 * mark is stale. FNV-1a: it tells accidents apart, not forgeries. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "workflows.h"

static const uint64_t fnv_start = 14695981039346656037u;

static uint64_t add_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * 1099511628211u;
    return hash;
}

/* A text and its end; NULL is not "". */
static uint64_t add_text(uint64_t hash, const char *text)
{
    if (text == NULL)
        return add_bytes(hash, "", 1);
    return add_bytes(add_bytes(hash, "t", 1), text, strlen(text) + 1);
}

/* JSON with its keys sorted. */
static uint64_t add_json(uint64_t hash, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS |
                                      JSON_ENCODE_ANY);

    hash = add_text(hash, text);
    free(text);
    return hash;
}

static void write_mark(char *out, uint64_t hash)
{
    snprintf(out, MARK_BYTES, "%016llx", (unsigned long long)hash);
}

/* ---- what was asked ------------------------------------------------------ */

void suite_mark(char *out, const json_t *row, size_t step, bool reference)
{
    uint64_t hash = fnv_start;

    for (size_t i = 0; i <= step; i++) {
        const json_t *one = row_step(row, i);

        hash = add_text(hash,
                        json_string_value(json_object_get(one, "prompt")));
        hash = add_json(hash, json_object_get(one, "max_tokens"));
        if (reference && i < step)
            hash = add_text(hash, json_string_value(
                                      json_object_get(one, "answer")));
    }
    write_mark(out, hash);
}

/* ---- who answered -------------------------------------------------------- */

/* Bytes of a file; one that is not there counts as such. */
static uint64_t add_file(uint64_t hash, const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char piece[1 << 16];
    size_t n;

    if (file == NULL)
        return add_text(hash, NULL);
    while ((n = fread(piece, 1, sizeof piece, file)) > 0) {
        size_t i = 0;

        for (; i + 8 <= n; i += 8) { /* by eights: models are large */
            uint64_t word;

            memcpy(&word, piece + i, 8);
            hash = (hash ^ word) * 1099511628211u;
            hash ^= hash >> 32;
        }
        hash = add_bytes(hash, piece + i, n - i);
    }
    fclose(file);
    return hash;
}

static int is_weights(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');

    return end != NULL && strcmp(end, ".safetensors") == 0;
}

static uint64_t add_checkpoint(uint64_t hash, const char *path)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, is_weights, alphasort);
    char file[4096];

    if (n < 0)
        return add_file(hash, path); /* a GGUF file */
    for (int i = 0; i < n; i++) {
        snprintf(file, sizeof file, "%s/%s", path, list[i]->d_name);
        hash = add_file(hash, file);
        free(list[i]);
    }
    free(list);
    return hash;
}

/* The parts of a variant's card that say how it runs, not what was measured. */
static uint64_t add_variant(uint64_t hash, const json_t *variant)
{
    static const char *const fields[] = { "name", "weight_bits",
                                          "activation_bits", "head_bits",
                                          "embed_bits", "plan" };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        hash = add_json(hash, json_object_get(variant, fields[i]));
    return hash;
}

/* Of a zoo its checksums; of the routed, all variants and who chooses. */
static uint64_t add_zoo(uint64_t hash, const json_t *zoo, const char *path,
                        const char *variant, float confidence)
{
    bool routed = strcmp(variant, "routed") == 0;
    const json_t *one;
    char file[4096];
    size_t i;

    hash = add_json(hash, json_object_get(json_object_get(zoo, "weights"),
                                          "checksum"));
    hash = add_json(hash, json_object_get(json_object_get(zoo, "extras"),
                                          "checksum"));
    json_array_foreach(json_object_get(zoo, "variants"), i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));

        if (routed || (name != NULL && strcmp(name, variant) == 0))
            hash = add_variant(hash, one);
    }
    if (!routed)
        return hash;
    snprintf(file, sizeof file, "%s/predictor.acp", path);
    return add_bytes(add_file(hash, file), &confidence, sizeof confidence);
}

ac_status zoo_mark(char *out, const char *path, const char *variant,
                   float confidence, ac_error *error)
{
    char *text = NULL;
    ac_status status = ac_inspect(&text, path, error);
    json_t *about = status == AC_OK ? json_loads(text, 0, NULL) : NULL;
    const char *kind = json_string_value(json_object_get(about, "kind"));
    uint64_t hash = fnv_start;

    if (kind != NULL && strcmp(kind, "zoo") == 0)
        hash = add_zoo(hash, about, path, variant, confidence);
    else if (status == AC_OK)
        hash = add_checkpoint(hash, path);
    write_mark(out, hash);
    json_decref(about);
    ac_free(text);
    return status;
}
