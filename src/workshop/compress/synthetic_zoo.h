/* synthetic_zoo.h - a whole zoo of random weights that no disk and little
 * memory holds: the ladder of a 70B model needs 160 GB of addresses and 0.3 GB
 * of memory. For benchmarks and tests; synthesize.c writes such zoos to disk.
 *
 *     addresses   header directory norms | A A A ... s A ... | B B ... | C ...
 *     memory      the same               | one block of codes, again and again
 *
 * The range is weights.acw to the byte, header and directory included, and a
 * second one is extras.acw: what opens files opens them, checks them and counts
 * them. Only the planes, the scales and the norms are windows onto one block
 * (platform/repeated.h). Every matrix has addresses of its own, by which a
 * device knows whether it has it already. */
#ifndef ACI_WORKSHOP_SYNTHETIC_ZOO_H
#define ACI_WORKSHOP_SYNTHETIC_ZOO_H

#include "model/zoo_image.h"
#include "workshop/compress/synthetic_spec.h"

/* Fills an image of zeros, named `name` (lent). `with_weights` 0: numbers
 * alone, for describing; nothing can be run. On failure it is cleared. */
ac_status aci_workshop_synthetic_image(aci_zoo_image *out, aci_memory *memory,
                                       const aci_synthetic_spec *spec,
                                       const char *name, int with_weights,
                                       ac_error *error);

/* ---- synthetic_plan.c ---------------------------------------------------- */

/* What the ladder's recipes come to when every layer is as important as the
 * next: the kept of a variant (NULL: all, or no memory: `*failed`), and the
 * ranks of its factors, 0 where they would not pay. */
aci_kept *aci_workshop_synthetic_kept(int *failed, aci_memory *memory,
                                      const aci_shape *shape,
                                      const aci_recipe *recipe);
void aci_workshop_synthetic_ranks(int32_t *rank_qkv, int32_t *rank_o,
                                  const aci_shape *shape,
                                  const aci_recipe *recipe);

/* What variant `recipe` owns, in the order of extras.acw, as entries that are
 * yet to be placed. Returns how many; `out` NULL counts. */
size_t aci_workshop_synthetic_owned(aci_extras_entry *out,
                                    const aci_shape *shape,
                                    const aci_recipe *recipe,
                                    const aci_kept *kept);

#endif
