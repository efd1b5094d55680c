/* describe_variant.h - what describe.c says of one variant, inside this
 * folder. */
#ifndef ACI_MODEL_DESCRIBE_VARIANT_H
#define ACI_MODEL_DESCRIBE_VARIANT_H

#include <jansson.h>

#include "model/model.h"

/* Adds "cost" and, where the variant owns tensors, "own" to its object. Reads
 * of the model what aci_model_token_cost does. */
void aci_model_describe_variant(json_t *object, const aci_model *model,
                                int32_t variant);

#endif
