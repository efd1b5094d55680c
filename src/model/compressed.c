/* compressed.c - see compressed.h. */
#include "model/compressed.h"

#include <stdio.h>
#include <string.h>

#include "model/ggml_types.h"
#include "model/tensor_names.h"
#include "platform/error.h"

/* ---- config.json --------------------------------------------------------- */

static int is(const json_t *object, const char *key, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL && strcmp(text, wanted) == 0;
}

static int is_absent(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return value == NULL || json_is_null(value) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static ac_status refuse(ac_error *error, const char *what)
{
    return aci_platform_fail(error, AC_E_UNSUPPORTED,
                             "compressed tensors with %s are not supported",
                             what);
}

static ac_status check_weights(const json_t *weights, ac_error *error)
{
    json_int_t bits =
        json_integer_value(json_object_get(weights, "num_bits"));

    if (!json_is_object(weights))
        return refuse(error, "a group that has no weights");
    if (!is(weights, "type", "int") || (bits != 4 && bits != 8))
        return refuse(error, "other weights than integers of 4 or 8 bits");
    if (json_is_false(json_object_get(weights, "symmetric")))
        return refuse(error, "zero points");
    if (!is(weights, "strategy", "group") &&
        !is(weights, "strategy", "channel"))
        return refuse(error, "scales other than per group or row");
    if (!is_absent(weights, "actorder") &&
        !is(weights, "actorder", "static") &&
        !is(weights, "actorder", "weight"))
        return refuse(error, "columns in another order");
    return AC_OK;
}

static int is_format(const json_t *object)
{
    return is(object, "format", "pack-quantized") ||
           is(object, "format", "int-quantized");
}

ac_status aci_model_compressed_check(const json_t *quantization,
                                     ac_error *error)
{
    json_t *groups = json_object_get(quantization, "config_groups"), *group;
    const json_t *sparsity = json_object_get(quantization,
                                             "sparsity_config");
    const char *name;

    if (!is(quantization, "quant_method", "compressed-tensors"))
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the weights were quantised already; bring "
                                 "the F32, F16 or BF16 ones");
    if (!json_is_object(groups) || json_object_size(groups) == 0)
        return refuse(error, "no config_groups");
    json_object_foreach(groups, name, group) {
        ac_status status = check_weights(json_object_get(group, "weights"),
                                         error);

        if (status != AC_OK)
            return status;
        if (is_absent(group, "format") ? !is_format(quantization)
                                       : !is_format(group))
            return refuse(error, "a format other than pack-quantized and "
                                 "int-quantized");
    }
    if (!is_absent(quantization, "kv_cache_scheme"))
        return refuse(error, "a scheme for the cache");
    if (!is_absent(quantization, "transform_config"))
        return refuse(error, "transforms");
    if (!is_absent(quantization, "sparsity_config") &&
        !is(sparsity, "format", "dense"))
        return refuse(error, "sparsity");
    return AC_OK;
}

/* ---- finding a matrix ---------------------------------------------------- */

static const aci_safetensor *part(const aci_hf_files *files, const char *name,
                                  const char *suffix)
{
    char full[ACI_FILE_NAME_BYTES + 16];

    snprintf(full, sizeof full, "%s%s", name, suffix);
    return aci_model_hf_files_find(files, full);
}

static ac_status malformed(ac_error *error, const char *name,
                           const char *what)
{
    return aci_platform_fail(error, AC_E_FORMAT,
                             "compressed tensor %s %s", name, what);
}

/* b such that n_columns codes of b bits fill as many words as there are. */
static int32_t packed_bits(const aci_safetensor *packed, int64_t n_columns)
{
    for (int32_t bits = 4; bits <= 8; bits += 4)
        if (packed->dimensions[1] ==
            ((uint64_t)n_columns * (uint64_t)bits + 31) / 32)
            return bits;
    return 0;
}

static ac_status check_codes(aci_compressed *out, const char *name,
                             int64_t n_rows, ac_error *error)
{
    const aci_safetensor *codes = out->codes;
    int packed = out->shape != NULL;

    if (codes->n_dimensions != 2 ||
        codes->dimensions[0] != (uint64_t)n_rows ||
        strcmp(codes->type, packed ? "I32" : "I8") != 0)
        return malformed(error, name, "had codes of another shape or type");
    if (!packed)
        return codes->dimensions[1] == (uint64_t)out->n_columns
                   ? AC_OK : malformed(error, name, "had rows of another "
                                                    "length");
    out->bits = packed_bits(codes, out->n_columns);
    if (out->bits == 0)
        return malformed(error, name, "was packed in neither 4 nor 8 bits");
    return AC_OK;
}

static int64_t i64_at(const uint8_t *data)
{
    uint64_t value = 0;

    for (int i = 7; i >= 0; i--)
        value = value << 8 | data[i];
    return (int64_t)value;
}

static ac_status check_shape(const aci_compressed *out, const char *name,
                             int64_t n_rows, ac_error *error)
{
    const aci_safetensor *shape = out->shape;

    if (shape == NULL)
        return AC_OK;
    if (strcmp(shape->type, "I64") != 0 || shape->n_bytes != 16 ||
        i64_at(shape->data) != n_rows ||
        i64_at(shape->data + 8) != out->n_columns)
        return malformed(error, name, "had a weight_shape that was not its "
                                      "shape");
    return AC_OK;
}

static ac_status check_scales(aci_compressed *out, const char *name,
                              int64_t n_rows, ac_error *error)
{
    static const struct {
        const char *name;
        uint32_t type;
    } types[] = { { "F32", 0 }, { "F16", 1 }, { "BF16", 30 } };
    const aci_safetensor *scales = out->scales;
    uint64_t n_groups = scales->n_dimensions == 2 ? scales->dimensions[1] : 1;
    size_t i = 0;

    while (i < 3 && strcmp(types[i].name, scales->type) != 0)
        i++;
    if (i == 3 || scales->n_dimensions < 1 || scales->n_dimensions > 2 ||
        scales->dimensions[0] != (uint64_t)n_rows || n_groups == 0 ||
        (uint64_t)out->n_columns % n_groups != 0)
        return malformed(error, name, "had scales of another shape or type");
    out->scale_type = types[i].type;
    out->group = out->n_columns / (int64_t)n_groups;
    return AC_OK;
}

ac_status aci_model_compressed_find(aci_compressed *out, int *found,
                                    const aci_hf_files *files,
                                    const char *name, int64_t n_rows,
                                    int64_t n_columns, ac_error *error)
{
    ac_status status;

    memset(out, 0, sizeof *out);
    out->n_columns = n_columns;
    out->codes = part(files, name, "_packed");
    out->shape = out->codes != NULL ? part(files, name, "_shape") : NULL;
    if (out->codes == NULL)
        out->codes = part(files, name, "");
    out->scales = part(files, name, "_scale");
    *found = out->codes != NULL && out->scales != NULL;
    if (!*found)
        return AC_OK;
    if (out->shape == NULL && out->codes == part(files, name, "_packed"))
        return malformed(error, name, "had no weight_shape");
    status = check_codes(out, name, n_rows, error);
    if (status == AC_OK)
        status = check_shape(out, name, n_rows, error);
    return status == AC_OK ? check_scales(out, name, n_rows, error) : status;
}

/* ---- reading ------------------------------------------------------------- */

static int code_at(const aci_compressed *matrix, const uint8_t *row,
                   int64_t column)
{
    if (matrix->bits == 0)
        return (int8_t)row[column];
    if (matrix->bits == 8) /* words are little-endian: bytes in order */
        return row[column] - 128;
    return (row[column / 2] >> (column % 2 ? 4 : 0) & 15) - 8;
}

void aci_model_compressed_read(float *out, const aci_compressed *matrix,
                               int64_t first, int64_t n_rows)
{
    size_t element = aci_model_ggml_type(matrix->scale_type)->block_bytes;
    size_t n_groups = (size_t)(matrix->n_columns / matrix->group);
    size_t row_bytes = (size_t)matrix->codes->dimensions[1] *
                       (matrix->bits == 0 ? 1 : 4);

    for (int64_t r = first; r < first + n_rows; r++) {
        const uint8_t *row = matrix->codes->data + (size_t)r * row_bytes;
        const uint8_t *scales = matrix->scales->data +
                                (size_t)r * n_groups * element;
        float scale = 0.0f;

        for (int64_t k = 0; k < matrix->n_columns; k++) {
            if (k % matrix->group == 0)
                aci_model_dequantise(
                    &scale,
                    scales + (size_t)(k / matrix->group) * element,
                    matrix->scale_type, 1);
            *out++ = (float)code_at(matrix, row, k) * scale;
        }
    }
}
