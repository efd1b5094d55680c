/* store_format.h - weights.acw, as structs. docs/formats.md draws it.
 *
 *     0        header, 512 bytes, zero to 4096
 *     4096     directory: n_tensors entries of 160 bytes, zero to 4096
 *     ...      section vectors   norms and biases, float32
 *     ...      section A         per matrix: plane A, then its scales
 *     ...      section B         per matrix: plane B
 *     ...      section C         per matrix: plane C
 *
 * Sections, planes and scales begin on multiples of 4096 (a page: whoever runs
 * int4 touches no page of B or C beyond head and embedding), vectors on
 * multiples of 64. Where everything lies follows from the shape and the group
 * alone: aci_model_store_plan computes it for the writer, and for the reader,
 * who believes no offset of the file that is not the planned one. Numbers are
 * little-endian; a machine that is not refuses the file by its mark. */
#ifndef ACI_MODEL_STORE_FORMAT_H
#define ACI_MODEL_STORE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "model/shape.h"

#define ACI_STORE_MAGIC "ACWT"

enum {
    ACI_STORE_FORMAT_VERSION = 1,
    ACI_STORE_LAYOUT_VERSION = 2,      /* T16x64, three planes: matrix.h */
    ACI_STORE_LAYOUT_WIDE = 1,         /* the same, columns padded to 128 */
    ACI_STORE_ENDIAN_MARK = 0x01020304,
    ACI_STORE_PAGE = 4096,
    ACI_STORE_VECTOR_ALIGNMENT = 64
};

enum { ACI_TENSOR_PLANES = 1, ACI_TENSOR_VECTOR = 2 };

/* Parts of a tensor. A vector has only the first, its floats. */
enum { ACI_PART_A, ACI_PART_SCALES, ACI_PART_B, ACI_PART_C, ACI_N_PARTS };

enum { ACI_SECTION_VECTORS, ACI_SECTION_A, ACI_SECTION_B, ACI_SECTION_C,
       ACI_N_SECTIONS };

/* aci_shape with its order fixed for ever. */
typedef struct aci_store_shape {
    int32_t architecture, n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff,
        n_vocab, n_context, window, tied_embeddings, attention_bias,
        output_bias, mlp_bias, qk_norm, rope_interleaved, rope_scaling,
        rope_original_context;
    float norm_eps, rope_theta, rope_factor, rope_low_factor,
        rope_high_factor, rope_beta_fast, rope_beta_slow,
        rope_attention_factor;
    char name[96];
} aci_store_shape;

typedef struct aci_store_header {
    char magic[4];
    uint32_t format_version;
    uint32_t layout_version;
    uint32_t endian_mark;
    uint64_t file_bytes;
    uint64_t directory_offset;
    uint64_t directory_bytes;
    uint64_t directory_checksum;       /* XXH64, seed 0 */
    uint32_t n_tensors;
    uint32_t group;                    /* 32, 64, 128 */
    uint64_t section_offset[ACI_N_SECTIONS];
    uint64_t section_bytes[ACI_N_SECTIONS];
    aci_store_shape shape;
    uint8_t reserved[184];             /* zero */
    uint64_t header_checksum;          /* XXH64 of the 504 bytes before */
} aci_store_header;

typedef struct aci_store_entry {
    char name[32];                     /* NUL-padded */
    uint32_t kind;                     /* ACI_TENSOR_* */
    uint32_t n_out, n_in, n_in_padded;
    uint32_t group;                    /* 0 for vectors */
    uint32_t ratio;                    /* D, 8..14; 0 for vectors */
    uint64_t reserved;                 /* zero */
    uint64_t offset[ACI_N_PARTS];      /* from the file's beginning */
    uint64_t n_bytes[ACI_N_PARTS];
    uint64_t checksum[ACI_N_PARTS];    /* XXH64, seed 0 */
} aci_store_entry;

_Static_assert(sizeof(aci_store_shape) == 200, "fixed");
_Static_assert(sizeof(aci_store_header) == 512, "fixed");
_Static_assert(offsetof(aci_store_header, shape) == 120, "fixed");
_Static_assert(offsetof(aci_store_header, header_checksum) == 504, "fixed");
_Static_assert(sizeof(aci_store_entry) == 160, "fixed");

/* Fills `entries` [aci_model_tensor_count(shape)] but for ratio and checksums,
 * and of `header` all but the two checksums. The shape must have been checked
 * and `group` be 32, 64 or 128; AC_E_UNSUPPORTED when the model would not fit
 * a file of 2^56 bytes. `layout` is a version of those above; writers take
 * the latest. */
ac_status aci_model_store_plan(aci_store_header *header,
                               aci_store_entry *entries,
                               const aci_shape *shape, uint32_t group,
                               uint32_t layout, ac_error *error);

void aci_model_store_shape_pack(aci_store_shape *out, const aci_shape *shape);
void aci_model_store_shape_unpack(aci_shape *out,
                                  const aci_store_shape *stored);

#endif
