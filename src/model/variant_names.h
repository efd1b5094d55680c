/* variant_names.h - the ways of running a nested store that have a name. */
#ifndef ACI_MODEL_VARIANT_NAMES_H
#define ACI_MODEL_VARIANT_NAMES_H

#include "model/variant.h"

/* Fills `out` for "full", "int8", "int8a16", "int4", "int4a16" or "int4h4",
 * nothing measured. Returns 0 for an unknown name. */
int aci_model_variant_named(aci_variant *out, const char *name);

/* The names, comma-separated, for messages. */
const char *aci_model_variant_list(void);

/* "full" of a checkpoint: float32 throughout. */
void aci_model_variant_dense(aci_variant *out);

#endif
