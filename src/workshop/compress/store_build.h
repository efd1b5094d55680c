/* store_build.h - writing weights.acw, block by block.
 *
 * Whoever knows the weights (a checkpoint, a random generator) answers for one
 * strip or one vector at a time, strips on any thread of the pool; the blocks
 * of strips go to their places in the file in order. So memory is bounded
 * whatever the model's size, and the bytes do not depend on the threads. */
#ifndef ACI_WORKSHOP_STORE_BUILD_H
#define ACI_WORKSHOP_STORE_BUILD_H

#include "model/shape.h"
#include "model/tensor_list.h"
#include "platform/memory.h"
#include "platform/threads.h"
#include "workshop/compress/plane_packer.h"

typedef struct aci_strip_source {
    /* The tensor's values, [n_in]. */
    ac_status (*vector)(float *out, const aci_tensor *tensor, void *context,
                        ac_error *error);
    /* Strip `strip` of a matrix; `thread` numbers scratch space. */
    ac_status (*strip)(const aci_strip_planes *out, const aci_tensor *tensor,
                       int32_t strip, int32_t thread, void *context,
                       ac_error *error);
    void *context;
    const char *stage;         /* for the progress callback */
    /* Told of a matrix before its first strip, on the caller's thread; NULL:
     * need not be. */
    ac_status (*matrix)(const aci_tensor *tensor, void *context,
                        ac_error *error);
} aci_strip_source;

typedef struct aci_store_built {
    uint64_t n_bytes, checksum;
} aci_store_built;

/* Group for a shape: `wanted`, or when that is 0, 128 for wide models whose
 * widths it divides, else 64. AC_E_ARGUMENT for other than 32, 64, 128. */
ac_status aci_workshop_choose_group(uint32_t *out, const aci_shape *shape,
                                    uint32_t wanted, ac_error *error);

/* Writes `path`. All matrices get ACI_PLANE_RATIO. On failure or when the
 * progress callback says so nothing is left behind. */
ac_status aci_workshop_store_build(aci_store_built *out, aci_memory *memory,
                                   aci_pool *pool, const char *path,
                                   const aci_shape *shape, uint32_t group,
                                   const aci_strip_source *source,
                                   const ac_compress_options *options,
                                   ac_error *error);

#endif
