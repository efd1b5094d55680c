/* gguf.c - walking a GGUF file once, trusting nothing:
 *
 *     "GGUF" | u32 version | u64 n_tensors | u64 n_pairs
 *     n_pairs   x  string key | u32 type | value
 *     n_tensors x  string name | u32 n_dims | u64 dims[] | u32 type | u64 at
 *     padding to the alignment
 *     data; a tensor begins at `at` from here
 *
 * A string is a u64 length and bytes, an array a u32 type, a u64 count and the
 * elements. Every count is checked against the bytes left before anything is
 * allocated for it. */
#include "model/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "model/ggml_types.h"
#include "model/gguf_internal.h"
#include "platform/error.h"

/* The smallest a pair and a tensor can be in the file. */
enum { LEAST_PAIR_BYTES = 13, LEAST_TENSOR_BYTES = 25 };
enum { MAX_PAIRS = 1 << 16, MAX_TENSORS = 1 << 20 };
enum { DEFAULT_ALIGNMENT = 32, MAX_ALIGNMENT = 1 << 20 };

typedef struct cursor {
    const uint8_t *at, *end;
} cursor;

size_t aci_model_gguf_type_bytes(uint32_t type)
{
    static const uint8_t bytes[GGUF_N_TYPES] = {
        [GGUF_U8] = 1, [GGUF_I8] = 1, [GGUF_U16] = 2, [GGUF_I16] = 2,
        [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
        [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
    };

    return type < GGUF_N_TYPES ? bytes[type] : 0;
}

uint64_t aci_model_gguf_u64_at(const uint8_t *data)
{
    uint64_t value = 0;

    for (int i = 7; i >= 0; i--)
        value = value << 8 | data[i];
    return value;
}

int aci_model_gguf_compare(const char *a, size_t n_a, const char *b,
                           size_t n_b)
{
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);

    return order != 0 ? order : (n_a > n_b) - (n_a < n_b);
}

/* ---- reading, 0 when the file ended first ------------------------------ */

static size_t left(const cursor *c)
{
    return (size_t)(c->end - c->at);
}

static int read_u32(uint32_t *out, cursor *c)
{
    if (left(c) < 4)
        return 0;
    *out = (uint32_t)c->at[0] | (uint32_t)c->at[1] << 8 |
           (uint32_t)c->at[2] << 16 | (uint32_t)c->at[3] << 24;
    c->at += 4;
    return 1;
}

static int read_u64(uint64_t *out, cursor *c)
{
    if (left(c) < 8)
        return 0;
    *out = aci_model_gguf_u64_at(c->at);
    c->at += 8;
    return 1;
}

static int read_string(const char **out, size_t *n, cursor *c)
{
    uint64_t length;

    if (!read_u64(&length, c) || length > left(c))
        return 0;
    *out = (const char *)c->at;
    *n = (size_t)length;
    c->at += length;
    return 1;
}

/* How much of a name a message repeats. */
static int shown(size_t n_bytes)
{
    return n_bytes < 120 ? (int)n_bytes : 120;
}

static ac_status ended(ac_error *error, const char *where, size_t i)
{
    return aci_platform_fail(error, AC_E_FORMAT,
                             "the file ended inside %s %zu", where, i);
}

/* ---- metadata ---------------------------------------------------------- */

static ac_status read_strings(aci_gguf_pair *pair, aci_memory *memory,
                              cursor *c, ac_error *error)
{
    pair->strings = aci_platform_alloc_array(memory, pair->n,
                                             sizeof *pair->strings);
    if (pair->strings == NULL)
        return aci_platform_fail_memory(error, "an array of strings");
    for (size_t i = 0; i < pair->n; i++) {
        const char *text;
        size_t n;

        pair->strings[i] = c->at;
        if (!read_string(&text, &n, c))
            return ended(error, "string", i);
    }
    return AC_OK;
}

static ac_status read_array(aci_gguf_pair *pair, aci_memory *memory,
                            cursor *c, ac_error *error)
{
    uint64_t n;
    size_t least;

    if (!read_u32(&pair->element_type, c) || !read_u64(&n, c))
        return ended(error, "array", 0);
    least = pair->element_type == GGUF_STRING
                ? 8 : aci_model_gguf_type_bytes(pair->element_type);
    if (least == 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%.*s was an array of type %u",
                                 shown(pair->key_bytes), pair->key,
                                 (unsigned)pair->element_type);
    if (n > left(c) / least)
        return aci_platform_fail(
            error, AC_E_FORMAT, "an array claimed %llu elements, %zu bytes "
            "were left", (unsigned long long)n, left(c));
    pair->n = (size_t)n;
    pair->value = c->at;
    if (pair->element_type == GGUF_STRING)
        return read_strings(pair, memory, c, error);
    c->at += pair->n * least;
    return AC_OK;
}

static ac_status read_pair(aci_gguf_pair *pair, aci_memory *memory, cursor *c,
                           size_t i, ac_error *error)
{
    size_t bytes;

    if (!read_string(&pair->key, &pair->key_bytes, c) ||
        !read_u32(&pair->type, c))
        return ended(error, "metadata entry", i);
    if (pair->key_bytes == 0 || pair->key_bytes > 65535)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "metadata entry %zu had a key of %zu bytes",
                                 i, pair->key_bytes);
    if (pair->type >= GGUF_N_TYPES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "metadata entry %zu was of type %u", i,
                                 (unsigned)pair->type);
    if (pair->type == GGUF_ARRAY)
        return read_array(pair, memory, c, error);
    if (pair->type == GGUF_STRING) {
        const char *text;

        if (!read_string(&text, &pair->n, c))
            return ended(error, "metadata entry", i);
        pair->value = (const uint8_t *)text;
        return AC_OK;
    }
    pair->value = c->at;
    bytes = aci_model_gguf_type_bytes(pair->type);
    if (left(c) < bytes)
        return ended(error, "metadata entry", i);
    c->at += bytes;
    return AC_OK;
}

static int by_key(const void *a, const void *b)
{
    const aci_gguf_pair *x = a, *y = b;

    return aci_model_gguf_compare(x->key, x->key_bytes, y->key, y->key_bytes);
}

static ac_status read_pairs(aci_gguf *gguf, cursor *c, uint64_t n,
                            ac_error *error)
{
    if (n > MAX_PAIRS || n > left(c) / LEAST_PAIR_BYTES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the file claimed %llu metadata entries",
                                 (unsigned long long)n);
    gguf->pairs = aci_platform_alloc_zeroed(gguf->memory, (size_t)n,
                                            sizeof *gguf->pairs);
    if (gguf->pairs == NULL)
        return aci_platform_fail_memory(error, "metadata");
    for (size_t i = 0; i < n; i++) {
        ac_status status;

        gguf->n_pairs = i + 1; /* so that close frees what it holds */
        status = read_pair(&gguf->pairs[i], gguf->memory, c, i, error);
        if (status != AC_OK)
            return status;
    }
    if (n > 0)
        qsort(gguf->pairs, (size_t)n, sizeof *gguf->pairs, by_key);
    for (size_t i = 1; i < n; i++)
        if (by_key(&gguf->pairs[i - 1], &gguf->pairs[i]) == 0)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "metadata key %.*s appeared twice",
                                     shown(gguf->pairs[i].key_bytes),
                                     gguf->pairs[i].key);
    return AC_OK;
}

/* ---- tensors ----------------------------------------------------------- */

/* Name, dimensions, type; `at` is checked when the data's start is known. */
static ac_status read_tensor(aci_gguf_tensor *out, uint64_t *at, cursor *c,
                             size_t i, ac_error *error)
{
    if (!read_string(&out->name, &out->name_bytes, c) ||
        !read_u32(&out->n_dimensions, c))
        return ended(error, "tensor entry", i);
    if (out->name_bytes == 0 || out->name_bytes > 255)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "tensor %zu had a name of %zu bytes", i,
                                 out->name_bytes);
    if (out->n_dimensions > 4)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "tensor %.*s had %u dimensions",
                                 shown(out->name_bytes), out->name,
                                 (unsigned)out->n_dimensions);
    for (int d = 0; d < 4; d++) {
        out->dimensions[d] = 1;
        if (d < (int)out->n_dimensions && !read_u64(&out->dimensions[d], c))
            return ended(error, "tensor entry", i);
    }
    if (!read_u32(&out->type, c) || !read_u64(at, c))
        return ended(error, "tensor entry", i);
    return AC_OK;
}

/* Length from type and shape; place inside the data. */
static ac_status place_tensor(aci_gguf_tensor *out, uint64_t at,
                              const uint8_t *data, size_t data_bytes,
                              uint64_t alignment, ac_error *error)
{
    const aci_ggml_type *type = aci_model_ggml_type(out->type);
    uint64_t bytes;
    int overflow = 0, n = shown(out->name_bytes);

    if (type == NULL)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "tensor %.*s was of unknown type %u", n,
                                 out->name, (unsigned)out->type);
    if (out->dimensions[0] % type->block_elements != 0)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "tensor %.*s had rows of %llu values in blocks of %u", n,
            out->name, (unsigned long long)out->dimensions[0],
            (unsigned)type->block_elements);
    bytes = out->dimensions[0] / type->block_elements;
    overflow |= __builtin_mul_overflow(bytes, type->block_bytes, &bytes);
    for (int d = 1; d < 4; d++)
        overflow |= __builtin_mul_overflow(bytes, out->dimensions[d], &bytes);
    if (overflow || at % alignment != 0 || at > data_bytes ||
        bytes > data_bytes - at)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "tensor %.*s at %llu did not lie in %zu bytes of data", n,
            out->name, (unsigned long long)at, data_bytes);
    out->data = data + at;
    out->n_bytes = (size_t)bytes;
    return AC_OK;
}

static int by_place(const void *a, const void *b)
{
    const aci_gguf_tensor *x = *(const aci_gguf_tensor *const *)a;
    const aci_gguf_tensor *y = *(const aci_gguf_tensor *const *)b;

    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

static int by_name(const void *a, const void *b)
{
    const aci_gguf_tensor *x = *(const aci_gguf_tensor *const *)a;
    const aci_gguf_tensor *y = *(const aci_gguf_tensor *const *)b;

    return aci_model_gguf_compare(x->name, x->name_bytes, y->name,
                                  y->name_bytes);
}

/* Leaves gguf->by_name sorted by name. */
static ac_status check_tensors(const aci_gguf *gguf, ac_error *error)
{
    const aci_gguf_tensor **order = gguf->by_name;
    size_t n = gguf->n_tensors;

    for (size_t i = 0; i < n; i++)
        order[i] = &gguf->tensors[i];
    qsort(order, n, sizeof *order, by_place);
    for (size_t i = 1; i < n; i++)
        if (order[i - 1]->data + order[i - 1]->n_bytes > order[i]->data)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "tensor %.*s lay over another one",
                                     shown(order[i]->name_bytes),
                                     order[i]->name);
    qsort(order, n, sizeof *order, by_name);
    for (size_t i = 1; i < n; i++)
        if (by_name(&order[i - 1], &order[i]) == 0)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "tensor %.*s appeared twice",
                                     shown(order[i]->name_bytes),
                                     order[i]->name);
    return AC_OK;
}

static ac_status data_alignment(uint64_t *out, const aci_gguf *gguf,
                                ac_error *error)
{
    int64_t value = DEFAULT_ALIGNMENT;

    (void)aci_model_gguf_integer(&value, gguf, "general.alignment");
    if (value < 1 || value > MAX_ALIGNMENT || (value & (value - 1)) != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "general.alignment was %lld",
                                 (long long)value);
    *out = (uint64_t)value;
    return AC_OK;
}

static ac_status read_directory(aci_gguf *gguf, uint64_t *at, cursor *c,
                                ac_error *error)
{
    uint64_t alignment = DEFAULT_ALIGNMENT, padding;
    ac_status status = data_alignment(&alignment, gguf, error);

    for (size_t i = 0; status == AC_OK && i < gguf->n_tensors; i++)
        status = read_tensor(&gguf->tensors[i], &at[i], c, i, error);
    if (status != AC_OK || gguf->n_tensors == 0)
        return status;
    padding = -(uint64_t)(c->at - gguf->mapping.data) & (alignment - 1);
    if (padding > left(c))
        return ended(error, "padding before tensor", 0);
    c->at += padding;
    for (size_t i = 0; status == AC_OK && i < gguf->n_tensors; i++)
        status = place_tensor(&gguf->tensors[i], at[i], c->at, left(c),
                              alignment, error);
    return status == AC_OK ? check_tensors(gguf, error) : status;
}

static ac_status read_tensors(aci_gguf *gguf, cursor *c, uint64_t n,
                              ac_error *error)
{
    uint64_t *at;
    ac_status status;

    if (n > MAX_TENSORS || n > left(c) / LEAST_TENSOR_BYTES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the file claimed %llu tensors",
                                 (unsigned long long)n);
    gguf->n_tensors = (size_t)n;
    gguf->tensors = aci_platform_alloc_zeroed(gguf->memory, (size_t)n,
                                              sizeof *gguf->tensors);
    gguf->by_name = aci_platform_alloc_zeroed(gguf->memory, (size_t)n,
                                              sizeof *gguf->by_name);
    at = aci_platform_alloc_zeroed(gguf->memory, (size_t)n, sizeof *at);
    if (gguf->tensors == NULL || gguf->by_name == NULL || at == NULL)
        status = aci_platform_fail_memory(error, "a tensor directory");
    else
        status = read_directory(gguf, at, c, error);
    aci_platform_free(gguf->memory, at);
    return status;
}

/* ---- the whole --------------------------------------------------------- */

static ac_status parse(aci_gguf *gguf, ac_error *error)
{
    cursor c = { gguf->mapping.data, gguf->mapping.data };
    uint32_t version;
    uint64_t n_tensors, n_pairs;
    ac_status status;

    if (gguf->mapping.size < 24 || memcmp(c.at, "GGUF", 4) != 0)
        return aci_platform_fail(error, AC_E_FORMAT, "it was no GGUF file");
    c.end = c.at + gguf->mapping.size;
    c.at += 4;
    (void)read_u32(&version, &c);
    (void)read_u64(&n_tensors, &c);
    (void)read_u64(&n_pairs, &c);
    if (version == 0x02000000u || version == 0x03000000u)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "it was a big-endian GGUF file");
    if (version != 2 && version != 3)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "GGUF version %u is not supported; 2 and 3 "
                                 "are", (unsigned)version);
    status = read_pairs(gguf, &c, n_pairs, error);
    if (status == AC_OK)
        status = read_tensors(gguf, &c, n_tensors, error);
    return status;
}

ac_status aci_model_gguf_open(aci_gguf **out, aci_memory *memory,
                              const char *path, ac_error *error)
{
    aci_gguf *gguf = aci_platform_alloc_zeroed(memory, 1, sizeof *gguf);
    ac_status status;

    *out = NULL;
    if (gguf == NULL)
        return aci_platform_fail_memory(error, path);
    gguf->memory = memory;
    status = aci_platform_map(&gguf->mapping, path, error);
    if (status == AC_OK) {
        status = parse(gguf, error);
        if (status != AC_OK)
            aci_platform_fail_within(error, status, path);
    }
    if (status != AC_OK) {
        aci_model_gguf_close(gguf);
        return status;
    }
    *out = gguf;
    return AC_OK;
}

void aci_model_gguf_close(aci_gguf *gguf)
{
    if (gguf == NULL)
        return;
    for (size_t i = 0; i < gguf->n_pairs; i++)
        aci_platform_free(gguf->memory, gguf->pairs[i].strings);
    aci_platform_free(gguf->memory, gguf->pairs);
    aci_platform_free(gguf->memory, gguf->tensors);
    aci_platform_free(gguf->memory, gguf->by_name);
    aci_platform_unmap(&gguf->mapping);
    aci_platform_free(gguf->memory, gguf);
}

size_t aci_model_gguf_tensor_count(const aci_gguf *gguf)
{
    return gguf->n_tensors;
}

const aci_gguf_tensor *aci_model_gguf_tensor(const aci_gguf *gguf, size_t i)
{
    return &gguf->tensors[i];
}

const aci_gguf_tensor *aci_model_gguf_find(const aci_gguf *gguf,
                                           const char *name)
{
    aci_gguf_tensor wanted = { .name = name, .name_bytes = strlen(name) };
    const aci_gguf_tensor *key = &wanted, **found;

    if (gguf->n_tensors == 0)
        return NULL;
    found = bsearch(&key, gguf->by_name, gguf->n_tensors,
                    sizeof *gguf->by_name, by_name);
    return found != NULL ? *found : NULL;
}
