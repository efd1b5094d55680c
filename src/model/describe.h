/* describe.h - what a zoo or checkpoint is, as JSON, without loading weights:
 * for ac_inspect. */
#ifndef ACI_MODEL_DESCRIBE_H
#define ACI_MODEL_DESCRIBE_H

#include "agentcompress.h"
#include "model/model.h"
#include "model/zoo_card.h"
#include "platform/memory.h"

/* The card, the shape, the store's versions and sections. With `verify` every
 * byte is checked first. `*out` is NUL-terminated, from `memory`, the
 * caller's. */
ac_status aci_model_describe_zoo(char **out, aci_memory *memory,
                                 const char *path, int verify,
                                 ac_error *error);

/* The same of a zoo that is open and has taken the card's variants. */
ac_status aci_model_describe_open(char **out, aci_memory *memory,
                                  const aci_model *model,
                                  const aci_zoo_card *card, ac_error *error);

/* The shape, the format, what it would take as a zoo. */
ac_status aci_model_describe_checkpoint(char **out, aci_memory *memory,
                                        const char *path, ac_error *error);

#endif
