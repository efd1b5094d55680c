/* gguf.h - the GGUF container (v2, v3): metadata and tensor directory, nothing
 * of what they mean. Shared by the checkpoint reader and, through the api, the
 * tokenizer's vocabulary import. */
#ifndef ACI_MODEL_GGUF_H
#define ACI_MODEL_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

typedef struct aci_gguf aci_gguf;

typedef struct aci_gguf_tensor {
    const char *name;         /* not NUL-terminated */
    size_t name_bytes;
    uint32_t type;            /* ggml_type */
    uint32_t n_dimensions;
    uint64_t dimensions[4];   /* fastest first, as in the file */
    const uint8_t *data;
    size_t n_bytes;
} aci_gguf_tensor;

ac_status aci_model_gguf_open(aci_gguf **out, aci_memory *memory,
                              const char *path, ac_error *error);
void aci_model_gguf_close(aci_gguf *gguf);

size_t aci_model_gguf_tensor_count(const aci_gguf *gguf);
const aci_gguf_tensor *aci_model_gguf_tensor(const aci_gguf *gguf, size_t i);
/* NULL when there is none. */
const aci_gguf_tensor *aci_model_gguf_find(const aci_gguf *gguf,
                                           const char *name);

/* Metadata by key; return 1 when present and of a fitting type. Numbers of any
 * integer type convert; arrays are read element by element. Strings are lent,
 * not NUL-terminated. */
int aci_model_gguf_integer(int64_t *out, const aci_gguf *gguf,
                           const char *key);
int aci_model_gguf_real(double *out, const aci_gguf *gguf, const char *key);
int aci_model_gguf_string(const char **out, size_t *n_bytes,
                          const aci_gguf *gguf, const char *key);
int aci_model_gguf_array_length(size_t *out, const aci_gguf *gguf,
                                const char *key);
int aci_model_gguf_array_string(const char **out, size_t *n_bytes,
                                const aci_gguf *gguf, const char *key,
                                size_t i);
int aci_model_gguf_array_integer(int64_t *out, const aci_gguf *gguf,
                                 const char *key, size_t i);
int aci_model_gguf_array_real(double *out, const aci_gguf *gguf,
                              const char *key, size_t i);

#endif
