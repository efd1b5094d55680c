/* model_storage.h - what an opened model owns, inside this folder: either a
 * mapped weight store, or the float32 tensors of a checkpoint. */
#ifndef ACI_MODEL_MODEL_STORAGE_H
#define ACI_MODEL_MODEL_STORAGE_H

#include "model/model.h"
#include "model/weight_store.h"
#include "model/zoo_card.h"

typedef struct aci_model_storage {
    aci_weight_store *store;   /* zoo; else NULL */
    float **dense;             /* checkpoint: one per tensor of the list */
    size_t n_dense;
} aci_model_storage;

/* A zeroed model but for `memory`, `storage` and `zoo_path`. */
ac_status aci_model_begin(aci_model **out, aci_memory *memory,
                          const char *path, ac_error *error);

/* Points a model whose store and extras are open at what they hold, and hands
 * it the card's variants. */
ac_status aci_model_join(aci_model *model, aci_zoo_card *card,
                         ac_error *error);

/* Both fill a zeroed model that has `memory`, `storage` and `zoo_path`. On
 * failure what they allocated stays in the model for aci_model_close. */
ac_status aci_model_load_zoo(aci_model *model, int verify, ac_error *error);
ac_status aci_model_load_dense(aci_model *model, ac_error *error);

/* Plans against the shape: AC_E_FORMAT where they keep more than there is. */
ac_status aci_model_check_plans(const aci_variant *variants,
                                int32_t n_variants, const aci_shape *shape,
                                ac_error *error);

/* The extras of the zoo at that path, if its card tells of any; else NULL. On
 * failure too `*out` may be there and is the caller's to close. */
ac_status aci_model_open_extras(aci_extras **out, aci_memory *memory,
                                const char *zoo, const aci_zoo_card *card,
                                const aci_weight_store *store, int verify,
                                ac_error *error);

#endif
