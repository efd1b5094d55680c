/* compressed.h - matrices that compressed-tensors has made integers of, in a
 * Hugging Face directory:
 *
 *     pack-quantized   X.weight_packed I32 [n_out, ceil(n_in * b / 32)], the
 *                      codes of b = 4 or 8 bits from the lowest up, stored as
 *                      code + 2^(b-1);  X.weight_scale [n_out, n_groups];
 *                      X.weight_shape I64 [2]
 *     int-quantized    X.weight I8 [n_out, n_in];  X.weight_scale
 *
 * A weight is code * scale. Symmetric ones alone; what config.json says of
 * activations is the business of whoever runs the model, and not read. */
#ifndef ACI_MODEL_COMPRESSED_H
#define ACI_MODEL_COMPRESSED_H

#include <jansson.h>

#include "model/hf_files.h"

typedef struct aci_compressed {
    int32_t bits;              /* of a packed code; 0: int8, one a byte */
    int64_t n_columns, group;  /* columns of a scale */
    const aci_safetensor *codes, *scales;
    const aci_safetensor *shape; /* NULL unless packed */
    uint32_t scale_type;       /* as in ggml_types.h */
} aci_compressed;

/* "quantization_config": AC_E_UNSUPPORTED for what is not read above. */
ac_status aci_model_compressed_check(const json_t *quantization,
                                     ac_error *error);

/* Looks for X = `name` without ".weight". *found 0: it is not compressed. */
ac_status aci_model_compressed_find(aci_compressed *out, int *found,
                                    const aci_hf_files *files,
                                    const char *name, int64_t n_rows,
                                    int64_t n_columns, ac_error *error);

/* Rows [first, first + n_rows) as float32. */
void aci_model_compressed_read(float *out, const aci_compressed *matrix,
                               int64_t first, int64_t n_rows);

#endif
