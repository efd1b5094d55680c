/* gguf_write.h - making a GGUF file: metadata and directory gathered in
 * memory, then written in front of the tensors, whose bytes the caller appends
 * in the order listed, each from a multiple of ACI_GGUF_ALIGNMENT. gguf.c has
 * the picture of the format. */
#ifndef ACI_MODEL_GGUF_WRITE_H
#define ACI_MODEL_GGUF_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/files.h"
#include "platform/memory.h"

enum { ACI_GGUF_ALIGNMENT = 32 };

/* Bytes that grow; what did not fit is remembered and told at the end. */
typedef struct aci_gguf_bytes {
    uint8_t *data;
    size_t n, capacity;
} aci_gguf_bytes;

typedef struct aci_gguf_draft {
    aci_memory *memory;
    aci_gguf_bytes pairs, directory;
    uint64_t n_pairs, n_tensors;
    uint64_t data_bytes;       /* of the tensors listed so far */
    int failed;                /* 1: memory ran out */
} aci_gguf_draft;

void aci_model_gguf_draft_init(aci_gguf_draft *draft, aci_memory *memory);
void aci_model_gguf_draft_free(aci_gguf_draft *draft);

/* One pair each. Keys are NUL-terminated, texts have a length. */
void aci_model_gguf_put_u32(aci_gguf_draft *draft, const char *key,
                            uint32_t value);
void aci_model_gguf_put_f32(aci_gguf_draft *draft, const char *key,
                            float value);
void aci_model_gguf_put_flag(aci_gguf_draft *draft, const char *key,
                             int value);
void aci_model_gguf_put_text(aci_gguf_draft *draft, const char *key,
                             const char *text, size_t n_bytes);

/* An array of n elements, which the next n calls of the right kind add. */
void aci_model_gguf_put_texts(aci_gguf_draft *draft, const char *key,
                              uint64_t n);
void aci_model_gguf_put_floats(aci_gguf_draft *draft, const char *key,
                               uint64_t n);
void aci_model_gguf_put_integers(aci_gguf_draft *draft, const char *key,
                                 uint64_t n);
void aci_model_gguf_add_text(aci_gguf_draft *draft, const char *text,
                             size_t n_bytes);
void aci_model_gguf_add_float(aci_gguf_draft *draft, float value);
void aci_model_gguf_add_integer(aci_gguf_draft *draft, int32_t value);

/* A tensor of n_rows rows of n_columns, or a vector when n_rows is 0; `type`
 * as in ggml_types.h, n_columns a multiple of its block. */
void aci_model_gguf_list_tensor(aci_gguf_draft *draft, const char *name,
                                uint32_t type, uint64_t n_columns,
                                uint64_t n_rows);

/* Header, pairs, directory, padding: the tensors' bytes come next. */
ac_status aci_model_gguf_write_header(aci_writer *writer,
                                      const aci_gguf_draft *draft,
                                      ac_error *error);

#endif
