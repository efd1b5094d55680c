/* checkpoint.h - reading what the user brings: a Hugging Face directory or a
 * GGUF file, tensor by tensor, a few rows at a time, as float32.
 *
 * Tensors are known by our canonical names, whatever the file calls them:
 *     embed  final_norm  head
 *     L.attn_norm  L.q L.k L.v L.o  L.q_bias L.k_bias L.v_bias L.o_bias
 *     L.q_norm L.k_norm  L.ffn_norm  L.gate L.up L.down (+ _bias)
 * with L the layer number in decimal: "0.q". `head` is absent when tied. */
#ifndef ACI_MODEL_CHECKPOINT_H
#define ACI_MODEL_CHECKPOINT_H

#include "model/shape.h"
#include "model/variant.h"
#include "platform/memory.h"

typedef struct aci_checkpoint aci_checkpoint;

/* Maps the files, reads the headers, checks every shape and offset.
 * AC_E_UNSUPPORTED for a file whose layers have different sizes: whoever calls
 * this takes the shape for that of every layer. */
ac_status aci_model_checkpoint_open(aci_checkpoint **out, aci_memory *memory,
                                    const char *path, ac_error *error);
/* The same for whoever asks what each layer keeps. */
ac_status aci_model_checkpoint_open_cut(aci_checkpoint **out,
                                        aci_memory *memory, const char *path,
                                        ac_error *error);
void aci_model_checkpoint_close(aci_checkpoint *checkpoint);

const aci_shape *aci_model_checkpoint_shape(const aci_checkpoint *checkpoint);
/* [n_layer] what each layer has of the shape, or NULL: everything. Of a block
 * that a layer has not there are no tensors. */
const aci_kept *aci_model_checkpoint_kept(const aci_checkpoint *checkpoint);

/* 1 when the tensor exists; its shape in n_rows (1 for vectors), n_columns. */
int aci_model_checkpoint_find(const aci_checkpoint *checkpoint,
                              const char *name, int64_t *n_rows,
                              int64_t *n_columns);

/* Rows [first, first+n) of a tensor into out [n, n_columns]. Rotary order is
 * always Hugging Face's (GGUF's llama q and k rows are un-permuted here).
 * AC_E_NUMERIC, naming the tensor, when a value is not finite. */
ac_status aci_model_checkpoint_read(float *out,
                                    const aci_checkpoint *checkpoint,
                                    const char *name, int64_t first,
                                    int64_t n_rows, ac_error *error);

/* Where the tokenizer is to be built from: the directory or the GGUF file. */
const char *aci_model_checkpoint_path(const aci_checkpoint *checkpoint);
/* 1 when GGUF. */
int aci_model_checkpoint_is_gguf(const aci_checkpoint *checkpoint);
/* Checksum over all weights' bytes and the shape: provenance. */
uint64_t aci_model_checkpoint_checksum(const aci_checkpoint *checkpoint);

#endif
