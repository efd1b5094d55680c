/* extras_plan.c - where the parts of an entry of extras.acw lie. */
#include <string.h>

#include "kernels/matrix.h"
#include "model/extras_format.h"

static void place(aci_extras_entry *entry, int part, uint64_t n_bytes,
                  uint64_t *end)
{
    if (n_bytes == 0)
        return;
    *end = (*end + ACI_EXTRAS_ALIGNMENT - 1) / ACI_EXTRAS_ALIGNMENT *
           ACI_EXTRAS_ALIGNMENT;
    entry->offset[part] = *end;
    entry->n_bytes[part] = n_bytes;
    *end += n_bytes;
}

/* Planes and scales of [n_out, n_in]; shapes that passed aci_model_shape_check
 * are far from overflow in 64 bits. */
static void place_matrix(aci_extras_entry *entry, int first, uint32_t n_out,
                         uint32_t n_in, uint32_t bits, uint32_t group,
                         uint64_t *end)
{
    uint64_t rows = ((uint64_t)n_out + ACI_STRIP_ROWS - 1) / ACI_STRIP_ROWS *
                    ACI_STRIP_ROWS;
    uint64_t weights = rows * (uint64_t)aci_matrix_padded((int32_t)n_in,
                                                          (int32_t)group);

    place(entry, first + ACI_EXTRA_A, weights / 2, end);
    place(entry, first + ACI_EXTRA_SCALES,
          weights / group * sizeof(uint16_t), end);
    place(entry, first + ACI_EXTRA_B, bits == 8 ? weights / 2 : 0, end);
}

void aci_model_extras_plan(aci_extras_entry *entry, uint64_t *end,
                           uint32_t group)
{
    memset(entry->offset, 0, sizeof entry->offset);
    memset(entry->n_bytes, 0, sizeof entry->n_bytes);
    if (entry->kind == ACI_OWNED_VECTOR) {
        place(entry, ACI_EXTRA_A, entry->n_in * sizeof(float), end);
        return;
    }
    place_matrix(entry, 0, entry->n_out,
                 entry->kind == ACI_OWNED_MATRIX ? entry->n_in : entry->rank,
                 entry->bits, group, end);
    if (entry->kind == ACI_OWNED_LOW_RANK)
        place_matrix(entry, ACI_EXTRA_INNER_A, entry->rank, entry->n_in,
                     entry->inner_bits, group, end);
}
