/* gguf_internal.h - what gguf.c (parsing) and gguf_metadata.c (looking up)
 * share. */
#ifndef ACI_MODEL_GGUF_INTERNAL_H
#define ACI_MODEL_GGUF_INTERNAL_H

#include "model/gguf.h"
#include "platform/files.h"

enum {
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32,
    GGUF_BOOL, GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64,
    GGUF_N_TYPES
};

/* One key and its value. Strings and arrays of them were walked once. */
typedef struct aci_gguf_pair {
    const char *key;
    size_t key_bytes;
    uint32_t type;
    uint32_t element_type;     /* of an array */
    const uint8_t *value;      /* behind the string's or array's length */
    size_t n;                  /* bytes of a string, elements of an array */
    const uint8_t **strings;   /* [n] where each begins (its length), or NULL */
} aci_gguf_pair;

struct aci_gguf {
    aci_memory *memory;
    aci_mapping mapping;
    aci_gguf_pair *pairs;      /* [n_pairs], sorted by key */
    size_t n_pairs;
    aci_gguf_tensor *tensors;  /* [n_tensors], in the file's order */
    const aci_gguf_tensor **by_name;
    size_t n_tensors;
};

/* Bytes of a value of a fixed size; 0 for strings and arrays. */
size_t aci_model_gguf_type_bytes(uint32_t type);
uint64_t aci_model_gguf_u64_at(const uint8_t *data);
/* By bytes, shorter first among equals. */
int aci_model_gguf_compare(const char *a, size_t n_a, const char *b,
                           size_t n_b);

#endif
