/* store_plan.c - where everything lies in weights.acw, from the shape and the
 * group alone. Every sum is checked: shapes come from files. */
#include "model/store_format.h"

#include <string.h>

#include "kernels/matrix.h"
#include "model/tensor_list.h"
#include "platform/error.h"

#define MAX_FILE_BYTES (UINT64_C(1) << 56)

/* Each tensor has fewer than 2^31 rows and columns, so no single part can
 * overflow; `end` is kept below MAX_FILE_BYTES, so neither can a sum. */
typedef struct cursor {
    uint64_t end;
    int overflow;
} cursor;

static void align(cursor *at, uint64_t alignment)
{
    at->end = (at->end + alignment - 1) / alignment * alignment;
}

static void place(aci_store_entry *entry, int part, cursor *at)
{
    entry->offset[part] = at->end;
    if (entry->n_bytes[part] > MAX_FILE_BYTES - at->end)
        at->overflow = 1;
    else
        at->end += entry->n_bytes[part];
}

/* Sizes of the parts of one tensor. */
static void size_entry(aci_store_entry *entry, const aci_tensor *tensor,
                       uint32_t group, uint32_t layout)
{
    int wide = layout == ACI_STORE_LAYOUT_WIDE || group == ACI_COLUMN_PADDING;
    uint64_t step = wide ? ACI_COLUMN_PADDING : ACI_TILE_COLUMNS;
    uint64_t strips = ((uint64_t)tensor->n_out + ACI_STRIP_ROWS - 1) /
                      ACI_STRIP_ROWS;
    uint64_t padded = ((uint64_t)tensor->n_in + step - 1) / step * step;
    uint64_t weights = strips * ACI_STRIP_ROWS * padded;

    memset(entry, 0, sizeof *entry);
    memcpy(entry->name, tensor->name, sizeof entry->name);
    entry->n_out = (uint32_t)tensor->n_out;
    entry->n_in = (uint32_t)tensor->n_in;
    if (!tensor->is_matrix) {
        entry->kind = ACI_TENSOR_VECTOR;
        entry->n_in_padded = entry->n_in;
        entry->n_bytes[ACI_PART_A] = 4 * (uint64_t)tensor->n_in;
        return;
    }
    entry->kind = ACI_TENSOR_PLANES;
    entry->n_in_padded = (uint32_t)padded;
    entry->group = group;
    entry->n_bytes[ACI_PART_A] = weights / 2;
    entry->n_bytes[ACI_PART_SCALES] = weights / group * 2;
    entry->n_bytes[ACI_PART_B] = weights / 2;
    entry->n_bytes[ACI_PART_C] = weights;
}

/* Places the given parts of every tensor of a kind, as one section. */
static void place_section(aci_store_header *header, int section,
                          aci_store_entry *entries, cursor *at)
{
    uint32_t kind = section == ACI_SECTION_VECTORS ? ACI_TENSOR_VECTOR
                                                   : ACI_TENSOR_PLANES;
    int part = section == ACI_SECTION_B   ? ACI_PART_B
               : section == ACI_SECTION_C ? ACI_PART_C
                                          : ACI_PART_A;

    align(at, ACI_STORE_PAGE);
    header->section_offset[section] = at->end;
    for (uint32_t i = 0; i < header->n_tensors; i++) {
        if (entries[i].kind != kind)
            continue;
        align(at, kind == ACI_TENSOR_VECTOR ? ACI_STORE_VECTOR_ALIGNMENT
                                            : ACI_STORE_PAGE);
        place(&entries[i], part, at);
        if (section == ACI_SECTION_A) {
            align(at, ACI_STORE_PAGE);
            place(&entries[i], ACI_PART_SCALES, at);
        }
    }
    align(at, ACI_STORE_PAGE);
    header->section_bytes[section] = at->end - header->section_offset[section];
}

ac_status aci_model_store_plan(aci_store_header *header,
                               aci_store_entry *entries,
                               const aci_shape *shape, uint32_t group,
                               uint32_t layout, ac_error *error)
{
    size_t n = aci_model_tensor_count(shape);
    cursor at = { ACI_STORE_PAGE, 0 };

    memset(header, 0, sizeof *header);
    memcpy(header->magic, ACI_STORE_MAGIC, sizeof header->magic);
    header->format_version = ACI_STORE_FORMAT_VERSION;
    header->layout_version = layout;
    header->endian_mark = ACI_STORE_ENDIAN_MARK;
    header->n_tensors = (uint32_t)n;
    header->group = group;
    header->directory_offset = at.end;
    header->directory_bytes = n * sizeof *entries;
    at.end += header->directory_bytes;
    aci_model_store_shape_pack(&header->shape, shape);
    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, shape, i);
        size_entry(&entries[i], &tensor, group, layout);
    }
    for (int section = 0; section < ACI_N_SECTIONS; section++)
        place_section(header, section, entries, &at);
    if (at.overflow)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the model was too large for a zoo");
    header->file_bytes = at.end;
    return AC_OK;
}

/* One list for both directions. */
#define FOR_EACH_FIELD(F) \
    F(architecture) F(n_layer) F(n_embd) F(n_head) F(n_head_kv) F(head_dim) \
    F(n_ff) F(n_vocab) F(n_context) F(window) F(tied_embeddings) \
    F(attention_bias) F(output_bias) F(mlp_bias) F(qk_norm) \
    F(rope_interleaved) F(rope_scaling) F(rope_original_context) F(norm_eps) \
    F(rope_theta) F(rope_factor) F(rope_low_factor) F(rope_high_factor) \
    F(rope_beta_fast) F(rope_beta_slow) F(rope_attention_factor)

#define PACK(field) out->field = shape->field;
#define UNPACK(field) out->field = stored->field;

void aci_model_store_shape_pack(aci_store_shape *out, const aci_shape *shape)
{
    size_t n = strnlen(shape->name, sizeof shape->name - 1);

    memset(out, 0, sizeof *out);
    FOR_EACH_FIELD(PACK)
    memcpy(out->name, shape->name, n);
}

void aci_model_store_shape_unpack(aci_shape *out,
                                  const aci_store_shape *stored)
{
    memset(out, 0, sizeof *out);
    FOR_EACH_FIELD(UNPACK)
    memcpy(out->name, stored->name, sizeof out->name);
    out->name[sizeof out->name - 1] = '\0';
}
