/* safetensors.c - reading the header and believing none of it unchecked. */
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "model/checkpoint_json.h"
#include "platform/error.h"
#include "platform/files.h"

/* What the format's own library allows. */
#define MAX_HEADER_BYTES ((uint64_t)100 << 20)

struct aci_safetensors {
    aci_memory *memory;
    aci_mapping mapping;
    json_t *header;            /* owns names and types */
    const uint8_t *data;
    size_t data_bytes;
    aci_safetensor *tensors;   /* [n], by name */
    size_t n;
};

/* Bytes of an element; 0 for a type we do not know. */
static size_t element_bytes(const char *type)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {
        { "F32", 4 }, { "F16", 2 }, { "BF16", 2 }, { "F64", 8 },
        { "I64", 8 }, { "I32", 4 }, { "I16", 2 }, { "I8", 1 }, { "U64", 8 },
        { "U32", 4 }, { "U16", 2 }, { "U8", 1 }, { "BOOL", 1 },
        { "F8_E4M3", 1 }, { "F8_E5M2", 1 },
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, type) == 0)
            return types[i].bytes;
    return 0;
}

/* A count or an offset: a whole number that is not negative. */
static int read_size(uint64_t *out, const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return 0;
    *out = (uint64_t)json_integer_value(value);
    return 1;
}

static ac_status read_shape(aci_safetensor *out, const json_t *shape,
                            ac_error *error)
{
    size_t n = json_array_size(shape);

    if (!json_is_array(shape))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "tensor %s had no shape", out->name);
    if (n > ACI_MAX_DIMENSIONS)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "tensor %s had %zu dimensions", out->name, n);
    out->n_dimensions = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        if (!read_size(&out->dimensions[i], json_array_get(shape, i)))
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "tensor %s had an impossible shape",
                                     out->name);
    return AC_OK;
}

/* Element count times element size, or 0 on overflow (*ok 0). */
static uint64_t expected_bytes(const aci_safetensor *tensor, size_t element,
                               int *ok)
{
    uint64_t bytes = element;

    *ok = 1;
    for (uint32_t i = 0; i < tensor->n_dimensions; i++)
        if (__builtin_mul_overflow(bytes, tensor->dimensions[i], &bytes))
            *ok = 0;
    return bytes;
}

static ac_status read_extent(aci_safetensor *out, const aci_safetensors *file,
                             const json_t *offsets, ac_error *error)
{
    uint64_t begin, end, expected;
    size_t element = element_bytes(out->type);
    int ok;

    if (element == 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "tensor %s was of type %s", out->name,
                                 out->type);
    if (json_array_size(offsets) != 2 ||
        !read_size(&begin, json_array_get(offsets, 0)) ||
        !read_size(&end, json_array_get(offsets, 1)) || begin > end)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "tensor %s had impossible offsets",
                                 out->name);
    if (end > file->data_bytes)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "tensor %s ended at byte %llu of %zu bytes of data", out->name,
            (unsigned long long)end, file->data_bytes);
    expected = expected_bytes(out, element, &ok);
    if (!ok || expected != end - begin)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "tensor %s had %llu bytes, which its shape does not need",
            out->name, (unsigned long long)(end - begin));
    out->data = file->data + begin;
    out->n_bytes = (size_t)(end - begin);
    return AC_OK;
}

static ac_status read_tensor(aci_safetensor *out, const aci_safetensors *file,
                             const char *name, const json_t *entry,
                             ac_error *error)
{
    ac_status status;

    out->name = name;
    out->type = json_string_value(json_object_get(entry, "dtype"));
    if (out->type == NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "tensor %s had no type", name);
    status = read_shape(out, json_object_get(entry, "shape"), error);
    if (status != AC_OK)
        return status;
    return read_extent(out, file, json_object_get(entry, "data_offsets"),
                       error);
}

static int by_place(const void *left, const void *right)
{
    const aci_safetensor *a = left, *b = right;

    if (a->data != b->data)
        return a->data < b->data ? -1 : 1;
    return (a->n_bytes > b->n_bytes) - (a->n_bytes < b->n_bytes);
}

static int by_name(const void *left, const void *right)
{
    const aci_safetensor *a = left, *b = right;

    return strcmp(a->name, b->name);
}

/* As the format demands: no byte belongs to two tensors, none to nobody. */
static ac_status check_cover(aci_safetensors *file, ac_error *error)
{
    const uint8_t *at = file->data;

    if (file->n > 0)
        qsort(file->tensors, file->n, sizeof *file->tensors, by_place);
    for (size_t i = 0; i < file->n; i++) {
        const aci_safetensor *tensor = &file->tensors[i];

        if (tensor->data != at)
            return aci_platform_fail(
                error, AC_E_FORMAT, "tensor %s %s", tensor->name,
                tensor->data < at ? "lay over another one"
                                  : "lay behind bytes of no tensor");
        at += tensor->n_bytes;
    }
    if (at != file->data + file->data_bytes)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "%zu bytes at the end belonged to no tensor",
            (size_t)(file->data + file->data_bytes - at));
    return AC_OK;
}

static ac_status read_tensors(aci_safetensors *file, ac_error *error)
{
    size_t n = json_object_size(file->header);
    const char *name;
    json_t *entry;

    file->tensors = aci_platform_alloc_zeroed(file->memory, n,
                                              sizeof *file->tensors);
    if (file->tensors == NULL)
        return aci_platform_fail_memory(error, "a tensor directory");
    json_object_foreach(file->header, name, entry) {
        ac_status status;

        if (strcmp(name, "__metadata__") == 0)
            continue;
        status = read_tensor(&file->tensors[file->n], file, name, entry,
                             error);
        if (status != AC_OK)
            return status;
        file->n++;
    }
    return check_cover(file, error);
}

static ac_status read_header(aci_safetensors *file, ac_error *error)
{
    const uint8_t *bytes = file->mapping.data;
    uint64_t n = 0;
    ac_status status;

    if (file->mapping.size < 8)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "it ended inside its header");
    for (int i = 7; i >= 0; i--)
        n = n << 8 | bytes[i];
    if (n > MAX_HEADER_BYTES || n > file->mapping.size - 8)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "its header claimed %llu bytes of a file of %zu",
            (unsigned long long)n, file->mapping.size);
    file->data = bytes + 8 + n;
    file->data_bytes = file->mapping.size - 8 - (size_t)n;
    status = aci_model_json_parse(&file->header, (const char *)bytes + 8,
                                  (size_t)n, "the header", error);
    if (status != AC_OK)
        return status;
    return read_tensors(file, error);
}

ac_status aci_model_safetensors_open(aci_safetensors **out,
                                     aci_memory *memory, const char *path,
                                     ac_error *error)
{
    aci_safetensors *file = aci_platform_alloc_zeroed(memory, 1,
                                                      sizeof *file);
    ac_status status;

    *out = NULL;
    if (file == NULL)
        return aci_platform_fail_memory(error, path);
    file->memory = memory;
    status = aci_platform_map(&file->mapping, path, error);
    if (status == AC_OK) {
        status = read_header(file, error);
        if (status != AC_OK)
            aci_platform_fail_within(error, status, path);
    }
    if (status != AC_OK) {
        aci_model_safetensors_close(file);
        return status;
    }
    if (file->n > 0)
        qsort(file->tensors, file->n, sizeof *file->tensors, by_name);
    *out = file;
    return AC_OK;
}

void aci_model_safetensors_close(aci_safetensors *file)
{
    if (file == NULL)
        return;
    json_decref(file->header);
    aci_platform_unmap(&file->mapping);
    aci_platform_free(file->memory, file->tensors);
    aci_platform_free(file->memory, file);
}

size_t aci_model_safetensors_count(const aci_safetensors *file)
{
    return file->n;
}

const aci_safetensor *aci_model_safetensors_at(const aci_safetensors *file,
                                               size_t i)
{
    return &file->tensors[i];
}

const aci_safetensor *aci_model_safetensors_find(const aci_safetensors *file,
                                                 const char *name)
{
    aci_safetensor wanted = { .name = name };

    if (file->n == 0)
        return NULL;
    return bsearch(&wanted, file->tensors, file->n, sizeof wanted, by_name);
}
