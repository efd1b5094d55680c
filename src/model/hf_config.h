/* hf_config.h - config.json of a Hugging Face checkpoint, as a shape. */
#ifndef ACI_MODEL_HF_CONFIG_H
#define ACI_MODEL_HF_CONFIG_H

#include <jansson.h>

#include "model/shape.h"

/* Architectures and rope scalings, both spellings of the latter; what is
 * absent gets the default of its class in transformers. `folder` names the
 * model when the file does not. The shape has been checked. */
ac_status aci_model_hf_config(aci_shape *out, const json_t *config,
                              const char *folder, ac_error *error);

/* The rope part alone: theta, scaling, and n_context where scaling grows it. */
ac_status aci_model_hf_rope(aci_shape *out, const json_t *config,
                            ac_error *error);

#endif
