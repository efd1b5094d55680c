/* extras_build.h - writing extras.acw, tensor by tensor, as they are found.
 *
 *     aci_workshop_pack(&u, memory, pool, U, n_out, rank, 4, group, error);
 *     aci_workshop_pack(&v, memory, pool, V, rank, n_in, 8, group, error);
 *     aci_workshop_extras_low_rank(build, "int4lr", "0.q", n_in, &u, &v,
 *                                  error);
 *
 * Whoever has codes of his own (rounded with error feedback, say) fills an
 * aci_packed himself with plane_packer.h. Nothing of what was added is held in
 * memory, and the bytes depend on what is added in which order alone. */
#ifndef ACI_WORKSHOP_EXTRAS_BUILD_H
#define ACI_WORKSHOP_EXTRAS_BUILD_H

#include "agentcompress.h"
#include "platform/memory.h"
#include "platform/threads.h"
#include "workshop/compress/error_feedback.h"
#include "workshop/compress/store_build.h"

/* A matrix in planes A, or A and B: whole planes in the order of matrix.h,
 * columns padded by aci_matrix_padded. */
typedef struct aci_packed {
    int32_t n_out, n_in, group;
    int32_t bits;              /* 4 or 8 */
    int32_t ratio;             /* D */
    uint8_t *a, *b;            /* b NULL at 4 bits */
    uint16_t *scales;
} aci_packed;

/* Room for a matrix, of zero weights; then codes from float weights [n_out,
 * n_in], searched and rounded as the store's are without calibration.
 * AC_E_NUMERIC when one is not finite or too large for a float16 scale. */
ac_status aci_workshop_pack_open(aci_packed *out, aci_memory *memory,
                                 int32_t n_out, int32_t n_in, int32_t bits,
                                 int32_t group, ac_error *error);
ac_status aci_workshop_pack(aci_packed *out, aci_memory *memory,
                            aci_pool *pool, const float *weights,
                            int32_t n_out, int32_t n_in, int32_t bits,
                            int32_t group, ac_error *error);
/* The same with error feedback (error_feedback.h); NULL: without. */
ac_status aci_workshop_pack_fed(aci_packed *out, aci_memory *memory,
                                aci_pool *pool, const float *weights,
                                int32_t n_out, int32_t n_in, int32_t bits,
                                int32_t group, const aci_feedback *feedback,
                                ac_error *error);
void aci_workshop_pack_close(aci_packed *packed, aci_memory *memory);

/* The same as a matrix of the kernels; lent by `packed`. */
aci_matrix aci_workshop_packed_matrix(const aci_packed *packed);

typedef struct aci_extras_build aci_extras_build;

/* Begins `path`, beside its place; group as in the store. */
ac_status aci_workshop_extras_open(aci_extras_build **out, aci_memory *memory,
                                   const char *path, uint32_t group,
                                   ac_error *error);

/* What variant `variant` owns as `tensor` ("0.o_bias", "3.down", "head"; see
 * tensor_list.h), of the shape its plan leaves. AC_E_ARGUMENT when it was
 * added already or a name is too long; whether it fits the model is seen by
 * whoever opens the zoo. */
ac_status aci_workshop_extras_vector(aci_extras_build *build,
                                     const char *variant, const char *tensor,
                                     const float *values, int32_t n,
                                     ac_error *error);
ac_status aci_workshop_extras_matrix(aci_extras_build *build,
                                     const char *variant, const char *tensor,
                                     const aci_packed *weight,
                                     ac_error *error);
/* W ~= U V; v NULL: the V of q (for k, v) or gate (for up) in the same layer,
 * n_in its columns and those of W. */
ac_status aci_workshop_extras_low_rank(aci_extras_build *build,
                                       const char *variant,
                                       const char *tensor, int32_t n_in,
                                       const aci_packed *u,
                                       const aci_packed *v, ac_error *error);

/* All that another file of extras holds, as it is there. AC_E_FORMAT for one
 * that this file did not write. */
ac_status aci_workshop_extras_append(aci_extras_build *build,
                                     const char *path, ac_error *error);

/* Writes the directory and the header and puts the file into its place; the
 * build is gone when that succeeds. `out` is what zoo.json repeats. */
ac_status aci_workshop_extras_commit(aci_store_built *out,
                                     aci_extras_build *build,
                                     uint64_t store_checksum,
                                     ac_error *error);
void aci_workshop_extras_abandon(aci_extras_build *build); /* NULL is fine */

#endif
