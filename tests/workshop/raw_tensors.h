/* raw_tensors.h - the matrices of a safetensors file as float32, read in the
 * plainest way: data for quantiser tests, independent of the readers. */
#ifndef AC_TEST_RAW_TENSORS_H
#define AC_TEST_RAW_TENSORS_H

#include <check.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/half.h"

/* Path of a file of the test data, or NULL after a loud skip. */
static inline const char *raw_data_path(const char *name)
{
    static char path[512];
    const char *root = getenv("AC_TEST_DATA");
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", name);
    file = fopen(path, "rb");
    if (file == NULL) {
        printf("SKIP no test data: %s\n", path);
        return NULL;
    }
    fclose(file);
    return path;
}

typedef void (*raw_matrix_visitor)(const char *name, const float *values,
                                   int32_t n_out, int32_t n_in, void *user);

static inline float *raw_floats(const char *bytes, size_t n, int is_half)
{
    float *out = malloc(n * sizeof *out);

    for (size_t i = 0; i < n; i++) {
        uint16_t half;

        if (is_half) {
            memcpy(&half, bytes + 2 * i, 2);
            out[i] = aci_platform_f32_from_f16(half);
        } else {
            memcpy(&out[i], bytes + 4 * i, 4);
        }
    }
    return out;
}

/* Calls `visit` for every two-dimensional F16 or F32 tensor. */
static inline void raw_each_matrix(const char *path, raw_matrix_visitor visit,
                                   void *user)
{
    FILE *file = fopen(path, "rb");
    const char *name;
    json_t *root, *entry;
    uint64_t n_header;
    char *text;
    long size;

    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    text = malloc((size_t)size);
    ck_assert_uint_eq(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    memcpy(&n_header, text, 8);
    root = json_loadb(text + 8, n_header, 0, NULL);
    ck_assert_ptr_nonnull(root);
    json_object_foreach(root, name, entry) {
        const json_t *shape = json_object_get(entry, "shape");
        const char *type = json_string_value(json_object_get(entry, "dtype"));
        size_t begin, rows, columns;
        float *values;

        if (shape == NULL || json_array_size(shape) != 2)
            continue;
        rows = (size_t)json_integer_value(json_array_get(shape, 0));
        columns = (size_t)json_integer_value(json_array_get(shape, 1));
        begin = 8 + n_header +
                (size_t)json_integer_value(json_array_get(
                    json_object_get(entry, "data_offsets"), 0));
        values = raw_floats(text + begin, rows * columns,
                            strcmp(type, "F16") == 0);
        visit(name, values, (int32_t)rows, (int32_t)columns, user);
        free(values);
    }
    json_decref(root);
    free(text);
}

#endif
