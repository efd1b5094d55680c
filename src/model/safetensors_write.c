/* safetensors_write.c - see safetensors_write.h; safetensors.h has the
 * format. */
#include "model/safetensors_write.h"

#include <jansson.h>
#include <string.h>

#include "platform/error.h"

enum { ALIGNMENT = 8 };

static json_t *entry(const aci_safetensor *tensor, uint64_t begin)
{
    json_t *shape = json_array();

    for (uint32_t d = 0; d < tensor->n_dimensions; d++)
        json_array_append_new(
            shape, json_integer((json_int_t)tensor->dimensions[d]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->type, "shape",
                     shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + tensor->n_bytes));
}

static json_t *directory(const aci_safetensor *tensors, size_t n)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (json_object_set_new(header, tensors[i].name,
                                entry(&tensors[i], at)) != 0) {
            json_decref(header);
            return NULL;
        }
        at += tensors[i].n_bytes;
    }
    return header;
}

ac_status aci_model_safetensors_begin(aci_writer *writer, aci_memory *memory,
                                      const aci_safetensor *tensors, size_t n,
                                      ac_error *error)
{
    json_t *header = directory(tensors, n);
    size_t n_text = json_dumpb(header, NULL, 0, JSON_COMPACT);
    uint64_t n_padded = (n_text + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *text = n_text > 0 ? aci_platform_alloc(memory, n_padded) : NULL;
    uint8_t size[8];
    ac_status status;

    if (text == NULL) {
        json_decref(header);
        return aci_platform_fail_memory(error, "a safetensors header");
    }
    json_dumpb(header, text, n_text, JSON_COMPACT);
    memset(text + n_text, ' ', n_padded - n_text);
    for (int i = 0; i < 8; i++)
        size[i] = (uint8_t)(n_padded >> (8 * i));
    status = aci_platform_writer_append(writer, size, sizeof size, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(writer, text, n_padded, error);
    aci_platform_free(memory, text);
    json_decref(header);
    return status;
}
