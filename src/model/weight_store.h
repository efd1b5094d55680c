/* weight_store.h - weights.acw mapped and used in place.
 *
 * Opening reads two pages or so, whatever the size: header and directory are
 * checked against their checksums and against the plan that follows from the
 * shape. The weights themselves are checked only when asked. */
#ifndef ACI_MODEL_WEIGHT_STORE_H
#define ACI_MODEL_WEIGHT_STORE_H

#include "kernels/matrix.h"
#include "model/shape.h"
#include "model/store_format.h"
#include "platform/files.h"
#include "platform/memory.h"

typedef struct aci_weight_store aci_weight_store;

/* AC_E_FORMAT when it is not a store or its numbers disagree, AC_E_CHECKSUM
 * when bytes changed (with `verify` the tensor and plane are named),
 * AC_E_UNSUPPORTED for other versions and byte orders. */
ac_status aci_model_store_open(aci_weight_store **out, aci_memory *memory,
                               const char *path, int verify, ac_error *error);
/* The same of bytes that are mapped already, called `name` in messages. The
 * image is the store's from here on, a failure included. */
ac_status aci_model_store_open_image(aci_weight_store **out,
                                     aci_memory *memory, aci_mapping *image,
                                     const char *name, int verify,
                                     ac_error *error);
void aci_model_store_close(aci_weight_store *store); /* NULL is fine */

const aci_shape *aci_model_store_shape(const aci_weight_store *store);
int32_t aci_model_store_group(const aci_weight_store *store);
uint64_t aci_model_store_bytes(const aci_weight_store *store);
/* The header's checksum: covers shape, directory and, through the directory,
 * every weight. Identity of the store. */
uint64_t aci_model_store_checksum(const aci_weight_store *store);
const aci_store_header *aci_model_store_header(const aci_weight_store *store);
const aci_store_entry *aci_model_store_entries(const aci_weight_store *store);

/* Tensor `i` of the shape's list (tensor_list.h); lent until close. */
void aci_model_store_matrix(aci_matrix *out, const aci_weight_store *store,
                            size_t i);
const float *aci_model_store_vector(const aci_weight_store *store, size_t i);

#endif
