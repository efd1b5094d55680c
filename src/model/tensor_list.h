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

/* Which tensor of a layer, or of the model. */
enum {
    ACI_ROW_ATTN_NORM, ACI_ROW_Q, ACI_ROW_K, ACI_ROW_V, ACI_ROW_O,
    ACI_ROW_Q_BIAS, ACI_ROW_K_BIAS, ACI_ROW_V_BIAS, ACI_ROW_O_BIAS,
    ACI_ROW_Q_NORM, ACI_ROW_K_NORM,
    ACI_ROW_FFN_NORM, ACI_ROW_GATE, ACI_ROW_UP, ACI_ROW_DOWN,
    ACI_ROW_GATE_BIAS, ACI_ROW_UP_BIAS, ACI_ROW_DOWN_BIAS,
    ACI_N_LAYER_ROWS,
    ACI_ROW_EMBED = ACI_N_LAYER_ROWS, ACI_ROW_FINAL_NORM, ACI_ROW_HEAD,
    ACI_N_ROWS
};

typedef struct aci_tensor {
    char name[32];
    int32_t layer;       /* -1 outside the layers */
    int32_t row;         /* ACI_ROW_* */
    int32_t is_matrix;   /* else a float32 vector */
    int32_t n_out;       /* 1 for vectors */
    int32_t n_in;
    size_t member;       /* offset in aci_layer, or aci_model when layer < 0 */
} aci_tensor;

/* The shape must have passed aci_model_shape_check. */
size_t aci_model_tensor_count(const aci_shape *shape);

/* Tensor `i` of the list, i < count. */
void aci_model_tensor_at(aci_tensor *out, const aci_shape *shape, size_t i);

/* The tensor of a row, whether or not the shape has it; layer -1 for rows
 * outside the layers. And whether it has. */
void aci_model_tensor_row(aci_tensor *out, const aci_shape *shape,
                          int32_t layer, int32_t row);
int aci_model_tensor_present(const aci_shape *shape,
                             const aci_tensor *tensor);

/* The tensor of that name, also where the shape has none (a bias, a tied
 * head); 0 for other names. */
int aci_model_tensor_named(aci_tensor *out, const aci_shape *shape,
                           const char *name);

/* n_out and n_in as a plan leaves them; NULL leaves them alone. 0 when it
 * skips the tensor's block. */
void aci_model_tensor_cut(aci_tensor *tensor, const aci_shape *shape,
                          const aci_kept *kept);

/* Where the opened model keeps it; one of the two is set. */
aci_matrix *aci_model_tensor_matrix(aci_model *model,
                                    const aci_tensor *tensor);
const float **aci_model_tensor_vector(aci_model *model,
                                      const aci_tensor *tensor);

#endif
