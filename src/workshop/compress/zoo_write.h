/* zoo_write.h - what a zoo made from a checkpoint and a synthetic one have in
 * common: group, variants, weights.acw, zoo.json. */
#ifndef ACI_WORKSHOP_ZOO_WRITE_H
#define ACI_WORKSHOP_ZOO_WRITE_H

#include "model/zoo_card.h"
#include "workshop/compress/stages.h"
#include "workshop/compress/store_build.h"

/* Fills the card's variants from "full,int8,int4" (NULL: those), as
 * ladder_recipe.h has it; AC_E_ARGUMENT for those that keep less as well. */
ac_status aci_workshop_parse_variants(aci_zoo_card *card, aci_memory *memory,
                                      const char *names, ac_error *error);

/* Writes both files into `folder`. The card comes with its provenance, and with
 * its variants unless they are to be parsed from the options; group, weights
 * and names of the shape are filled in here. A store that an interrupted run
 * finished under `key` is taken as it is; stages NULL: none was. */
ac_status aci_workshop_zoo_write(aci_zoo_card *card, aci_memory *memory,
                                 aci_pool *pool, const char *folder,
                                 const aci_shape *shape,
                                 const aci_strip_source *source,
                                 const ac_compress_options *options,
                                 const aci_stages *stages, uint64_t key,
                                 ac_error *error);

#endif
