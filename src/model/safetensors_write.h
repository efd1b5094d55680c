/* safetensors_write.h - the header of a .safetensors file; the caller appends
 * the tensors' bytes behind it, in the order listed. */
#ifndef ACI_MODEL_SAFETENSORS_WRITE_H
#define ACI_MODEL_SAFETENSORS_WRITE_H

#include "model/safetensors.h"
#include "platform/files.h"

/* Of each tensor name, type, dimensions and n_bytes are used. The header ends
 * at a multiple of 8 bytes and carries {"format": "pt"}, without which
 * transformers does not load a file. */
ac_status aci_model_safetensors_begin(aci_writer *writer, aci_memory *memory,
                                      const aci_safetensor *tensors, size_t n,
                                      ac_error *error);

#endif
