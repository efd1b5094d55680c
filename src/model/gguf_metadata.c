/* gguf_metadata.c - a GGUF file's metadata by key. What is not there, or is of
 * another kind, answers 0. */
#include <stdlib.h>
#include <string.h>

#include "model/gguf_internal.h"
#include "platform/half.h"

static int by_key(const void *a, const void *b)
{
    const aci_gguf_pair *x = a, *y = b;

    return aci_model_gguf_compare(x->key, x->key_bytes, y->key, y->key_bytes);
}

static const aci_gguf_pair *find(const aci_gguf *gguf, const char *key)
{
    aci_gguf_pair wanted = { .key = key, .key_bytes = strlen(key) };

    if (gguf->n_pairs == 0)
        return NULL;
    return bsearch(&wanted, gguf->pairs, gguf->n_pairs, sizeof wanted, by_key);
}

static const aci_gguf_pair *find_array(const aci_gguf *gguf, const char *key,
                                       size_t i)
{
    const aci_gguf_pair *pair = find(gguf, key);

    return pair != NULL && pair->type == GGUF_ARRAY && i < pair->n ? pair
                                                                   : NULL;
}

/* Any integer type, and bool; 0 beyond int64 and for everything else. */
static int to_integer(int64_t *out, const uint8_t *value, uint32_t type)
{
    uint64_t raw = 0;

    for (size_t i = aci_model_gguf_type_bytes(type); i-- > 0;)
        raw = raw << 8 | value[i];
    switch (type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
        *out = (int64_t)raw;
        return 1;
    case GGUF_U64:
        *out = (int64_t)(raw & INT64_MAX);
        return raw <= INT64_MAX;
    case GGUF_BOOL:
        *out = raw != 0;
        return 1;
    case GGUF_I8:
        *out = (int8_t)raw;
        return 1;
    case GGUF_I16:
        *out = (int16_t)raw;
        return 1;
    case GGUF_I32:
        *out = (int32_t)raw;
        return 1;
    case GGUF_I64:
        *out = (int64_t)raw;
        return 1;
    default:
        return 0;
    }
}

static int to_real(double *out, const uint8_t *value, uint32_t type)
{
    int64_t number;

    if (type == GGUF_F32) {
        uint32_t bits = (uint32_t)value[0] | (uint32_t)value[1] << 8 |
                        (uint32_t)value[2] << 16 | (uint32_t)value[3] << 24;
        *out = (double)aci_platform_f32_from_bits(bits);
        return 1;
    }
    if (type == GGUF_F64) {
        uint64_t bits = aci_model_gguf_u64_at(value);
        memcpy(out, &bits, sizeof bits);
        return 1;
    }
    if (!to_integer(&number, value, type))
        return 0;
    *out = (double)number;
    return 1;
}

static const uint8_t *element(const aci_gguf_pair *pair, size_t i)
{
    return pair->value + i * aci_model_gguf_type_bytes(pair->element_type);
}

int aci_model_gguf_integer(int64_t *out, const aci_gguf *gguf,
                           const char *key)
{
    const aci_gguf_pair *pair = find(gguf, key);

    return pair != NULL && to_integer(out, pair->value, pair->type);
}

int aci_model_gguf_real(double *out, const aci_gguf *gguf, const char *key)
{
    const aci_gguf_pair *pair = find(gguf, key);

    return pair != NULL && to_real(out, pair->value, pair->type);
}

int aci_model_gguf_string(const char **out, size_t *n_bytes,
                          const aci_gguf *gguf, const char *key)
{
    const aci_gguf_pair *pair = find(gguf, key);

    if (pair == NULL || pair->type != GGUF_STRING)
        return 0;
    *out = (const char *)pair->value;
    *n_bytes = pair->n;
    return 1;
}

int aci_model_gguf_array_length(size_t *out, const aci_gguf *gguf,
                                const char *key)
{
    const aci_gguf_pair *pair = find(gguf, key);

    if (pair == NULL || pair->type != GGUF_ARRAY)
        return 0;
    *out = pair->n;
    return 1;
}

int aci_model_gguf_array_string(const char **out, size_t *n_bytes,
                                const aci_gguf *gguf, const char *key,
                                size_t i)
{
    const aci_gguf_pair *pair = find_array(gguf, key, i);

    if (pair == NULL || pair->strings == NULL)
        return 0;
    *n_bytes = (size_t)aci_model_gguf_u64_at(pair->strings[i]);
    *out = (const char *)pair->strings[i] + 8;
    return 1;
}

int aci_model_gguf_array_integer(int64_t *out, const aci_gguf *gguf,
                                 const char *key, size_t i)
{
    const aci_gguf_pair *pair = find_array(gguf, key, i);

    return pair != NULL && pair->strings == NULL &&
           to_integer(out, element(pair, i), pair->element_type);
}

int aci_model_gguf_array_real(double *out, const aci_gguf *gguf,
                              const char *key, size_t i)
{
    const aci_gguf_pair *pair = find_array(gguf, key, i);

    return pair != NULL && pair->strings == NULL &&
           to_real(out, element(pair, i), pair->element_type);
}
