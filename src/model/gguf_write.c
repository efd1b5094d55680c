/* gguf_write.c - see gguf_write.h. */
#include "model/gguf_write.h"

#include <string.h>

#include "model/ggml_types.h"
#include "model/gguf_internal.h"
#include "platform/error.h"
#include "platform/half.h"

enum { GGUF_VERSION = 3 };

void aci_model_gguf_draft_init(aci_gguf_draft *draft, aci_memory *memory)
{
    memset(draft, 0, sizeof *draft);
    draft->memory = memory;
}

void aci_model_gguf_draft_free(aci_gguf_draft *draft)
{
    aci_platform_free(draft->memory, draft->pairs.data);
    aci_platform_free(draft->memory, draft->directory.data);
    aci_model_gguf_draft_init(draft, draft->memory);
}

static void add(aci_gguf_draft *draft, aci_gguf_bytes *to, const void *data,
                size_t n)
{
    if (n > to->capacity - to->n) {
        size_t capacity = to->capacity + to->capacity / 2 + n + 4096;
        uint8_t *bigger = capacity < n ? NULL
                          : aci_platform_realloc(draft->memory, to->data,
                                                 capacity);

        if (bigger == NULL) {
            draft->failed = 1;
            return;
        }
        to->data = bigger;
        to->capacity = capacity;
    }
    if (n > 0)
        memcpy(to->data + to->n, data, n);
    to->n += n;
}

static void add_number(aci_gguf_draft *draft, aci_gguf_bytes *to,
                       uint64_t value, size_t n_bytes)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    add(draft, to, bytes, n_bytes);
}

static void add_string(aci_gguf_draft *draft, aci_gguf_bytes *to,
                       const char *text, size_t n_bytes)
{
    add_number(draft, to, n_bytes, 8);
    add(draft, to, text, n_bytes);
}

/* ---- pairs --------------------------------------------------------------- */

static void begin_pair(aci_gguf_draft *draft, const char *key, uint32_t type)
{
    add_string(draft, &draft->pairs, key, strlen(key));
    add_number(draft, &draft->pairs, type, 4);
    draft->n_pairs++;
}

void aci_model_gguf_put_u32(aci_gguf_draft *draft, const char *key,
                            uint32_t value)
{
    begin_pair(draft, key, GGUF_U32);
    add_number(draft, &draft->pairs, value, 4);
}

void aci_model_gguf_put_f32(aci_gguf_draft *draft, const char *key,
                            float value)
{
    begin_pair(draft, key, GGUF_F32);
    aci_model_gguf_add_float(draft, value);
}

void aci_model_gguf_put_flag(aci_gguf_draft *draft, const char *key, int value)
{
    begin_pair(draft, key, GGUF_BOOL);
    add_number(draft, &draft->pairs, value != 0, 1);
}

void aci_model_gguf_put_text(aci_gguf_draft *draft, const char *key,
                             const char *text, size_t n_bytes)
{
    begin_pair(draft, key, GGUF_STRING);
    aci_model_gguf_add_text(draft, text, n_bytes);
}

static void begin_array(aci_gguf_draft *draft, const char *key,
                        uint32_t element_type, uint64_t n)
{
    begin_pair(draft, key, GGUF_ARRAY);
    add_number(draft, &draft->pairs, element_type, 4);
    add_number(draft, &draft->pairs, n, 8);
}

void aci_model_gguf_put_texts(aci_gguf_draft *draft, const char *key,
                              uint64_t n)
{
    begin_array(draft, key, GGUF_STRING, n);
}

void aci_model_gguf_put_floats(aci_gguf_draft *draft, const char *key,
                               uint64_t n)
{
    begin_array(draft, key, GGUF_F32, n);
}

void aci_model_gguf_put_integers(aci_gguf_draft *draft, const char *key,
                                 uint64_t n)
{
    begin_array(draft, key, GGUF_I32, n);
}

void aci_model_gguf_add_text(aci_gguf_draft *draft, const char *text,
                             size_t n_bytes)
{
    add_string(draft, &draft->pairs, text, n_bytes);
}

void aci_model_gguf_add_float(aci_gguf_draft *draft, float value)
{
    add_number(draft, &draft->pairs, aci_platform_bits_from_f32(value), 4);
}

void aci_model_gguf_add_integer(aci_gguf_draft *draft, int32_t value)
{
    add_number(draft, &draft->pairs, (uint32_t)value, 4);
}

/* ---- tensors ------------------------------------------------------------- */

static uint64_t align(uint64_t bytes)
{
    return (bytes + ACI_GGUF_ALIGNMENT - 1) / ACI_GGUF_ALIGNMENT *
           ACI_GGUF_ALIGNMENT;
}

void aci_model_gguf_list_tensor(aci_gguf_draft *draft, const char *name,
                                uint32_t type, uint64_t n_columns,
                                uint64_t n_rows)
{
    const aci_ggml_type *format = aci_model_ggml_type(type);
    aci_gguf_bytes *to = &draft->directory;
    uint64_t at = align(draft->data_bytes);

    add_string(draft, to, name, strlen(name));
    add_number(draft, to, n_rows == 0 ? 1 : 2, 4);
    add_number(draft, to, n_columns, 8); /* fastest first */
    if (n_rows > 0)
        add_number(draft, to, n_rows, 8);
    add_number(draft, to, type, 4);
    add_number(draft, to, at, 8);
    draft->data_bytes = at + n_columns / format->block_elements *
                                 format->block_bytes *
                                 (n_rows > 0 ? n_rows : 1);
    draft->n_tensors++;
}

ac_status aci_model_gguf_write_header(aci_writer *writer,
                                      const aci_gguf_draft *draft,
                                      ac_error *error)
{
    uint8_t header[24] = { 'G', 'G', 'U', 'F', GGUF_VERSION };
    ac_status status;

    if (draft->failed)
        return aci_platform_fail_memory(error, "a GGUF header");
    for (int i = 0; i < 8; i++) {
        header[8 + i] = (uint8_t)(draft->n_tensors >> (8 * i));
        header[16 + i] = (uint8_t)(draft->n_pairs >> (8 * i));
    }
    status = aci_platform_writer_append(writer, header, sizeof header, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(writer, draft->pairs.data,
                                            draft->pairs.n, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(writer, draft->directory.data,
                                            draft->directory.n, error);
    if (status == AC_OK)
        status = aci_platform_writer_align(writer, ACI_GGUF_ALIGNMENT, error);
    return status;
}
