/* gguf_layers.h - heads and neurons of a GGUF file's layers: one number for
 * all of them, or an array with one for each. */
#ifndef ACI_MODEL_GGUF_LAYERS_H
#define ACI_MODEL_GGUF_LAYERS_H

#include "model/gguf.h"
#include "model/shape.h"
#include "model/variant.h"
#include "platform/memory.h"

/* Sets n_head, n_head_kv and n_ff of a shape whose n_layer is known: of the
 * widest layer. *kept [n_layer] is what each layer has of that, the caller's
 * to free, or NULL where all are as wide. AC_E_FORMAT for an array of another
 * length, numbers below zero and heads that do not divide; AC_E_UNSUPPORTED
 * where layers share key-value heads among different numbers of heads. */
ac_status aci_model_gguf_layers(aci_shape *out, aci_kept **kept,
                                aci_memory *memory, const aci_gguf *gguf,
                                const char *prefix, ac_error *error);

#endif
