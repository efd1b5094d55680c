/* ggml_types.h - the number formats of GGUF tensors: blocks of elements that
 * share scales. All known sizes are listed, so that a directory can be checked;
 * those with a name in `readable` can be dequantised.
 *
 *     F32 F16 BF16     one value
 *     Q8_0             32 x int8, scale d               w = d*q
 *     Q4_0 Q5_0        32 x 4, 5 bits, d                w = d*(q - 8 or 16)
 *     Q4_1 Q5_1        32 x 4, 5 bits, d and m          w = d*q + m
 *     Q4_K Q5_K        8 x 32, 6-bit scales and mins    w = d*s*q - dmin*m
 *     Q6_K             16 x 16, int8 scales             w = d*s*(q - 32)   */
#ifndef ACI_MODEL_GGML_TYPES_H
#define ACI_MODEL_GGML_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef struct aci_ggml_type {
    const char *name;
    uint32_t number;
    uint32_t block_elements, block_bytes;
} aci_ggml_type;

/* NULL for a number that is not known. */
const aci_ggml_type *aci_model_ggml_type(uint32_t number);

/* 1 when aci_model_dequantise takes it. */
int aci_model_ggml_readable(uint32_t number);

/* `n_blocks` blocks at `data` (not aligned) to float32, with the same float
 * operations in the same order as ggml's own reference. */
void aci_model_dequantise(float *out, const uint8_t *data, uint32_t type,
                          size_t n_blocks);

#endif
