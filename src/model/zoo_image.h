/* zoo_image.h - a zoo that is in memory instead of in a directory: the bytes of
 * its files and its card. Opening one checks what opening files checks. */
#ifndef ACI_MODEL_ZOO_IMAGE_H
#define ACI_MODEL_ZOO_IMAGE_H

#include "model/model.h"
#include "model/zoo_card.h"
#include "platform/files.h"

typedef struct aci_zoo_image {
    const char *name;          /* in place of a path; lent */
    aci_zoo_card card;
    aci_mapping weights;       /* as weights.acw */
    aci_mapping extras;        /* as extras.acw; empty when the card tells of
                                  none */
    uint32_t absent_variants;  /* a bit each: not to be run. Planes that only
                                  they read are left out of the model, so that
                                  no device has to take them */
} aci_zoo_image;

/* The mappings and the plans of the card become the model's, or are gone after
 * a failure. Figures and names of the card stay for describing. */
ac_status aci_model_open_image(aci_model **out, aci_memory *memory,
                               aci_zoo_image *image, ac_error *error);

/* What an image that was not opened holds. */
void aci_model_image_clear(aci_zoo_image *image, aci_memory *memory);

/* Bits of the store's matrix that the variants which can run read; 0: none. */
int32_t aci_model_bits_read(const aci_model *model, int32_t layer,
                            int32_t row);

#endif
