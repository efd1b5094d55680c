/* gguf_shape.h - GGUF metadata as a shape. */
#ifndef ACI_MODEL_GGUF_SHAPE_H
#define ACI_MODEL_GGUF_SHAPE_H

#include "model/gguf.h"
#include "model/shape.h"
#include "model/variant.h"
#include "platform/memory.h"

/* `path` names the model when the file does not. The shape was checked. *kept
 * as of aci_model_gguf_layers, on failure too. */
ac_status aci_model_gguf_shape(aci_shape *out, aci_kept **kept,
                               aci_memory *memory, const aci_gguf *gguf,
                               const char *path, ac_error *error);

/* The rope part: theta, scaling by metadata or by a table of factors. */
ac_status aci_model_gguf_rope(aci_shape *out, const aci_gguf *gguf,
                              const char *prefix, ac_error *error);

/* "<prefix>.<key>" as a number; 1 when present. A present key of another kind
 * or out of range gives -1. */
int aci_model_gguf_shape_integer(int32_t *out, const aci_gguf *gguf,
                                 const char *prefix, const char *key);
int aci_model_gguf_shape_real(float *out, const aci_gguf *gguf,
                              const char *prefix, const char *key);

#endif
