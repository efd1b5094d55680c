/* known_shapes.h - shapes of published models by name, for weights that are
 * drawn instead of read. */
#ifndef ACI_MODEL_KNOWN_SHAPES_H
#define ACI_MODEL_KNOWN_SHAPES_H

#include "model/shape.h"

/* "llama-2-70b", "smollm-135m", ...: AC_E_NOT_FOUND lists them all. */
ac_status aci_model_known_shape(aci_shape *out, const char *name,
                                ac_error *error);

#endif
