/* tensor_list.h - which tensors a model of a given shape consists of, in the
 * one order that everything keeps: the weight store's directory, the reader,
 * the writer, the loader of checkpoints.
 *
 *     embed
 *     per layer: attn_norm q k v o q_bias k_bias v_bias o_bias q_norm k_norm
 *                ffn_norm gate up down gate_bias up_bias down_bias
 *     final_norm
 *     head                         absent when tied
 *
 * Biases and q/k norms are there when the shape says so. Names are those of
 * checkpoint.h ("0.q"). */
#ifndef ACI_MODEL_TENSOR_LIST_H
#define ACI_MODEL_TENSOR_LIST_H

#include <stdint.h>

#include "model/model.h"
#include "model/shape.h"

typedef struct aci_tensor {
    char name[32];
    int32_t layer;       /* -1 outside the layers */
    int32_t is_matrix;   /* else a float32 vector */
    int32_t n_out;       /* 1 for vectors */
    int32_t n_in;
    size_t member;       /* offset in aci_layer, or aci_model when layer < 0 */
} aci_tensor;

/* The shape must have passed aci_model_shape_check. */
size_t aci_model_tensor_count(const aci_shape *shape);

/* Tensor `i` of the list, i < count. */
void aci_model_tensor_at(aci_tensor *out, const aci_shape *shape, size_t i);

/* Where the opened model keeps it; one of the two is set. */
aci_matrix *aci_model_tensor_matrix(aci_model *model,
                                    const aci_tensor *tensor);
const float **aci_model_tensor_vector(aci_model *model,
                                      const aci_tensor *tensor);

#endif
