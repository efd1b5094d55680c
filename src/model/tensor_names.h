/* tensor_names.h - what files call the tensors of tensor_list.h. */
#ifndef ACI_MODEL_TENSOR_NAMES_H
#define ACI_MODEL_TENSOR_NAMES_H

#include "model/tensor_list.h"

enum { ACI_FILE_NAME_BYTES = 96 };

/* "model.layers.0.self_attn.q_proj.weight" of "0.q". */
void aci_model_tensor_name_hf(char out[ACI_FILE_NAME_BYTES],
                              const aci_tensor *tensor);
/* "blk.0.attn_q.weight" of "0.q". */
void aci_model_tensor_name_gguf(char out[ACI_FILE_NAME_BYTES],
                                const aci_tensor *tensor);

/* Tensors that a file may have besides and that say nothing we need: tables
 * that follow from the shape, and a head when the embeddings are tied. */
int aci_model_tensor_ignored(const char *name, size_t n_bytes,
                             const aci_shape *shape);

#endif
