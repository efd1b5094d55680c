/* safetensors.h - one .safetensors file: names, types, shapes and bytes.
 *
 *     u64 n | n bytes of JSON | data
 *     JSON: { name: { "dtype", "shape", "data_offsets": [begin, end) }, ... }
 *
 * Opened, every tensor lies inside the file, is as long as its type and shape
 * say, and shares no byte with another. */
#ifndef ACI_MODEL_SAFETENSORS_H
#define ACI_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

enum { ACI_MAX_DIMENSIONS = 8 };

typedef struct aci_safetensor {
    const char *name;          /* lent by the file */
    const char *type;          /* "F32", as the file says */
    uint32_t n_dimensions;
    uint64_t dimensions[ACI_MAX_DIMENSIONS]; /* slowest first */
    const uint8_t *data;       /* not aligned */
    size_t n_bytes;
} aci_safetensor;

typedef struct aci_safetensors aci_safetensors;

ac_status aci_model_safetensors_open(aci_safetensors **out,
                                     aci_memory *memory, const char *path,
                                     ac_error *error);
void aci_model_safetensors_close(aci_safetensors *file);

size_t aci_model_safetensors_count(const aci_safetensors *file);
/* In the order of their names. */
const aci_safetensor *aci_model_safetensors_at(const aci_safetensors *file,
                                               size_t i);
/* NULL when there is none. */
const aci_safetensor *aci_model_safetensors_find(const aci_safetensors *file,
                                                 const char *name);

#endif
