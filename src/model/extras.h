/* extras.h - extras.acw mapped and used in place: the vectors, matrices and
 * low-rank factors that variants own. */
#ifndef ACI_MODEL_EXTRAS_H
#define ACI_MODEL_EXTRAS_H

#include "kernels/matrix.h"
#include "model/extras_format.h"
#include "model/shape.h"
#include "model/variant.h"
#include "platform/files.h"
#include "platform/memory.h"

typedef struct aci_extras aci_extras;

/* One tensor of one variant, pointing into the mapping. */
typedef struct aci_owned {
    int32_t variant;           /* number in the card */
    int32_t layer;             /* -1 outside the layers */
    int32_t row;               /* ACI_ROW_* of tensor_list.h */
    int32_t kind;              /* aci_owned_kind */
    int32_t rank;              /* 0 unless U V */
    int32_t bits, inner_bits;
    const float *vector;       /* [n] */
    int32_t n;
    aci_matrix matrix;         /* W, or U [n_out, rank] */
    aci_matrix inner;          /* V [rank, n_in]; when shared, q's or gate's */
} aci_owned;

/* Everything is checked against the shape and the variants' plans: AC_E_FORMAT
 * for a tensor of another shape, of a skipped block, of no variant, of full,
 * or there twice; AC_E_CHECKSUM for changed bytes (the tensors' own only with
 * `verify`) and for another store's extras; AC_E_UNSUPPORTED for other
 * versions and byte orders. */
ac_status aci_model_extras_open(aci_extras **out, aci_memory *memory,
                                const char *path, const aci_shape *shape,
                                const aci_variant *variants,
                                int32_t n_variants, uint32_t group,
                                uint64_t store_checksum, int verify,
                                ac_error *error);
/* The same of bytes that are mapped already, called `path` in messages. The
 * image is the extras' from here on, a failure included. */
ac_status aci_model_extras_open_image(aci_extras **out, aci_memory *memory,
                                      aci_mapping *image, const char *path,
                                      const aci_shape *shape,
                                      const aci_variant *variants,
                                      int32_t n_variants, uint32_t group,
                                      uint64_t store_checksum, int verify,
                                      ac_error *error);
void aci_model_extras_close(aci_extras *extras); /* NULL is fine */

uint64_t aci_model_extras_bytes(const aci_extras *extras);
/* The header's checksum: identity of the file, repeated in zoo.json. */
uint64_t aci_model_extras_checksum(const aci_extras *extras);

/* All of them; lent until close. NULL extras have none. */
const aci_owned *aci_model_extras_all(size_t *n, const aci_extras *extras);

/* Number in that list of what `variant` owns as the tensor, or -1. */
int32_t aci_model_extras_find(const aci_extras *extras, int32_t variant,
                              int32_t layer, int32_t row);

#endif
