/* synthetic_spec.c - see synthetic_spec.h. */
#include "workshop/compress/synthetic_spec.h"

#include <jansson.h>
#include <stddef.h>
#include <string.h>

#include "model/checkpoint_json.h"
#include "model/hf_config.h"
#include "model/known_shapes.h"
#include "platform/error.h"
#include "workshop/compress/store_build.h"

enum {
    MAX_WORD = 1024,           /* a path, or variants */
    MAX_CONFIG_BYTES = 1 << 20,
    MAX_BLOCK_MIB = 1 << 20,
    LEAST_VOCABULARY = 257     /* the bytes and an end: the tokenizer's */
};

/* Where the numbers of a shape go. */
typedef struct field {
    const char *name;
    size_t member;             /* an int32_t of aci_shape */
} field;

static const field fields[] = {
    { "n_layer", offsetof(aci_shape, n_layer) },
    { "n_embd", offsetof(aci_shape, n_embd) },
    { "n_head", offsetof(aci_shape, n_head) },
    { "n_head_kv", offsetof(aci_shape, n_head_kv) },
    { "head_dim", offsetof(aci_shape, head_dim) },
    { "n_ff", offsetof(aci_shape, n_ff) },
    { "n_vocab", offsetof(aci_shape, n_vocab) },
    { "n_context", offsetof(aci_shape, n_context) },
    { "tied", offsetof(aci_shape, tied_embeddings) },
};

enum { N_FIELDS = sizeof fields / sizeof fields[0] };

/* ---- the shape ----------------------------------------------------------- */

static int is_path(const char *name)
{
    size_t n = strlen(name);

    return strchr(name, '/') != NULL ||
           (n > 5 && strcmp(name + n - 5, ".json") == 0);
}

static ac_status read_config(aci_shape *out, aci_memory *memory,
                             const char *path, ac_error *error)
{
    json_t *config = NULL;
    ac_status status = aci_model_json_load(&config, memory, path,
                                           MAX_CONFIG_BYTES, error);

    if (status == AC_OK)
        status = aci_model_hf_config(out, config, "synthetic", error);
    json_decref(config);
    return status;
}

/* ---- fields -------------------------------------------------------------- */

/* Digits, and nothing but. */
static int read_number(uint64_t *out, const char *text)
{
    *out = 0;
    if (*text == '\0')
        return 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (*out > (UINT64_MAX - 9) / 10)
            return 0;
        *out = 10 * *out + (uint64_t)(*text - '0');
    }
    return *text == '\0';
}

static ac_status refuse(const char *name, const char *value,
                        const char *wanted, ac_error *error)
{
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "%.40s of a synthetic model was \"%.60s\", not "
                             "%s", name, value, wanted);
}

static ac_status set_variants(aci_synthetic_spec *spec, aci_memory *memory,
                              char *names, ac_error *error)
{
    int has_full = strcmp(names, "ladder") == 0;

    for (char *at = names; (at = strchr(at, '+')) != NULL;)
        *at = ',';
    for (const char *at = names; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, ",");

        has_full |= n == 4 && memcmp(at, "full", 4) == 0;
        at = at[n] == ',' ? at + n + 1 : NULL;
    }
    spec->without_full = !has_full;
    return aci_workshop_ladder_parse(&spec->ladder, memory, names, NULL, NULL,
                                     error);
}

static ac_status set_number(aci_synthetic_spec *spec, const char *name,
                            const char *text, ac_error *error)
{
    uint64_t value;

    if (!read_number(&value, text))
        return refuse(name, text, "a whole number", error);
    if (strcmp(name, "seed") == 0) {
        spec->seed = value;
        return AC_OK;
    }
    if (strcmp(name, "block_mib") == 0) {
        if (value < 1 || value > MAX_BLOCK_MIB)
            return refuse(name, text, "1 to 1048576", error);
        spec->block_bytes = value << 20;
        return AC_OK;
    }
    if (value > INT32_MAX)
        return refuse(name, text, "below 2^31", error);
    if (strcmp(name, "group") == 0) {
        spec->group = (uint32_t)value;
        return AC_OK;
    }
    for (int i = 0; i < N_FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0) {
            int32_t number = (int32_t)value;

            memcpy((char *)&spec->shape + fields[i].member, &number,
                   sizeof number);
            return AC_OK;
        }
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "a synthetic model has no \"%.40s\"; there are "
                             "n_layer, n_embd, n_head, n_head_kv, head_dim, "
                             "n_ff, n_vocab, n_context, tied, seed, group, "
                             "block_mib and variants", name);
}

static ac_status set_field(aci_synthetic_spec *spec, aci_memory *memory,
                           char *word, ac_error *error)
{
    char *value = strchr(word, '=');

    if (value == NULL)
        return refuse("a field", word, "NAME=VALUE", error);
    *value++ = '\0';
    return strcmp(word, "variants") == 0
               ? set_variants(spec, memory, value, error)
               : set_number(spec, word, value, error);
}

/* ---- the whole ----------------------------------------------------------- */

/* The next word of a list, without its comma; 0: longer than any is. */
static int next_word(char word[MAX_WORD], const char **text)
{
    size_t n = strcspn(*text, ",");

    if (n >= MAX_WORD)
        return 0;
    memcpy(word, *text, n);
    word[n] = '\0';
    *text += n;
    return 1;
}

static ac_status check(aci_synthetic_spec *spec, ac_error *error)
{
    ac_status status = aci_model_shape_check(&spec->shape, error);

    if (status != AC_OK)
        return status;
    if (spec->shape.n_vocab < LEAST_VOCABULARY)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a synthetic model had %d tokens; its "
                                 "tokenizer has %d",
                                 (int)spec->shape.n_vocab, LEAST_VOCABULARY);
    return aci_workshop_choose_group(&spec->group, &spec->shape, spec->group,
                                     error);
}

ac_status aci_workshop_synthetic_parse(aci_synthetic_spec *out,
                                       aci_memory *memory, const char *text,
                                       ac_error *error)
{
    char word[MAX_WORD];
    ac_status status = AC_OK;

    memset(out, 0, sizeof *out);
    if (!next_word(word, &text))
        return refuse("the name", text, "that short", error);
    status = is_path(word)
                 ? read_config(&out->shape, memory, word, error)
                 : aci_model_known_shape(&out->shape, word, error);
    if (status == AC_OK)
        status = aci_workshop_ladder_parse(&out->ladder, memory, "ladder",
                                           NULL, NULL, error);
    while (status == AC_OK && *text == ',') {
        text++;
        if (!next_word(word, &text))
            return refuse("a field", text, "that short", error);
        status = set_field(out, memory, word, error);
    }
    return status == AC_OK ? check(out, error) : status;
}
