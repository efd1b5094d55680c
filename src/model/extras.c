/* extras.c - checks and hands out a mapped extras.acw. */
#include "model/extras.h"

#include <string.h>

#include "model/tensor_list.h"
#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/files.h"

struct aci_extras {
    aci_memory *memory;
    aci_mapping mapping;
    aci_extras_header header;
    const aci_extras_entry *entries; /* in the mapping */
    const aci_shape *shape;          /* while opening */
    const aci_variant *variants;     /* likewise */
    aci_owned *owned;                /* [n_entries] */
    int32_t *numbers;                /* 1 + number in owned, by slot; 0 none */
    int32_t n_variants, n_layer;
};

/* ---- finding ------------------------------------------------------------- */

static size_t slots_per_variant(int32_t n_layer)
{
    return (size_t)n_layer * ACI_N_LAYER_ROWS + ACI_N_ROWS - ACI_N_LAYER_ROWS;
}

static int32_t *slot_of(const aci_extras *extras, int32_t variant,
                        int32_t layer, int32_t row)
{
    size_t n_layer = (size_t)extras->n_layer;
    size_t slot = layer < 0 ? n_layer * ACI_N_LAYER_ROWS +
                                  (size_t)(row - ACI_N_LAYER_ROWS)
                            : (size_t)layer * ACI_N_LAYER_ROWS + (size_t)row;

    return extras->numbers +
           (size_t)variant * slots_per_variant(extras->n_layer) + slot;
}

int32_t aci_model_extras_find(const aci_extras *extras, int32_t variant,
                              int32_t layer, int32_t row)
{
    return extras == NULL ? -1 : *slot_of(extras, variant, layer, row) - 1;
}

/* ---- header and directory ------------------------------------------------ */

static ac_status check_versions(const aci_extras_header *header,
                                const char *path, ac_error *error)
{
    if (memcmp(header->magic, ACI_EXTRAS_MAGIC, sizeof header->magic) != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s was not a file of extras", path);
    if (header->endian_mark != ACI_EXTRAS_ENDIAN_MARK)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%s had another byte order", path);
    if (header->format_version != ACI_EXTRAS_FORMAT_VERSION ||
        header->layout_version != ACI_EXTRAS_LAYOUT_VERSION)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED,
            "%s had format version %u and layout version %u, not %d and %d",
            path, header->format_version, header->layout_version,
            ACI_EXTRAS_FORMAT_VERSION, ACI_EXTRAS_LAYOUT_VERSION);
    return AC_OK;
}

static ac_status check_header(const aci_extras *extras, uint32_t group,
                              uint64_t store_checksum, const char *path,
                              ac_error *error)
{
    const aci_extras_header *header = &extras->header;
    uint64_t size = extras->mapping.size;
    ac_status status = check_versions(header, path, error);

    if (status != AC_OK)
        return status;
    if (aci_platform_checksum(header,
                              offsetof(aci_extras_header, header_checksum),
                              0) != header->header_checksum)
        return aci_platform_fail(error, AC_E_CHECKSUM,
                                 "the header of %s had changed", path);
    if (header->store_checksum != store_checksum)
        return aci_platform_fail(error, AC_E_CHECKSUM,
                                 "%s belonged to another weight store", path);
    if (header->file_bytes != size || header->group != group ||
        header->n_entries > ACI_EXTRAS_MAX_ENTRIES ||
        header->directory_bytes !=
            header->n_entries * sizeof(aci_extras_entry) ||
        header->directory_offset % ACI_EXTRAS_ALIGNMENT != 0 ||
        header->directory_offset < sizeof *header ||
        header->directory_offset > size ||
        header->directory_bytes != size - header->directory_offset)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "the header of %s did not fit its %llu bytes", path,
            (unsigned long long)size);
    if (aci_platform_checksum(extras->mapping.data + header->directory_offset,
                              header->directory_bytes, 0) !=
        header->directory_checksum)
        return aci_platform_fail(error, AC_E_CHECKSUM,
                                 "the directory of %s had changed", path);
    return AC_OK;
}

/* ---- entries ------------------------------------------------------------- */

static int ends(const char name[32])
{
    return memchr(name, '\0', 32) != NULL;
}

/* Who owns it and which tensor it is. */
static ac_status identify(aci_owned *owned, aci_tensor *tensor,
                          const aci_extras *extras,
                          const aci_extras_entry *entry, ac_error *error)
{
    size_t number = (size_t)(entry - extras->entries);
    int32_t v = 0;

    /* A name that nobody knows may be any bytes: it is not repeated. */
    if (!ends(entry->variant) || !ends(entry->tensor))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "a name of entry %zu did not end", number);
    while (v < extras->n_variants &&
           strcmp(extras->variants[v].name, entry->variant) != 0)
        v++;
    if (v == extras->n_variants || strcmp(entry->variant, "full") == 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "entry %zu was of no variant that can own "
                                 "tensors", number);
    if (!aci_model_tensor_named(tensor, extras->shape, entry->tensor) ||
        tensor->row == ACI_ROW_EMBED)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "entry %zu was no tensor that %s can own",
                                 number, entry->variant);
    if (tensor->layer >= 0 && extras->variants[v].kept != NULL)
        aci_model_tensor_cut(tensor, extras->shape,
                             &extras->variants[v].kept[tensor->layer]);
    owned->variant = v;
    owned->layer = tensor->layer;
    owned->row = tensor->row;
    owned->kind = (int32_t)entry->kind;
    owned->rank = (int32_t)entry->rank;
    owned->bits = (int32_t)entry->bits;
    owned->inner_bits = (int32_t)entry->inner_bits;
    return AC_OK;
}

static int may_share(int32_t row)
{
    return row == ACI_ROW_K || row == ACI_ROW_V || row == ACI_ROW_UP;
}

static int planes_are_sound(uint32_t bits, uint32_t ratio)
{
    return (bits == 4 || bits == 8) && ratio >= 8 && ratio <= 14;
}

/* The numbers of the entry, each against what the tensor's shape and its kind
 * ask for. */
static int is_sound(const aci_extras_entry *entry, const aci_tensor *tensor)
{
    int is_pair = entry->kind == ACI_OWNED_LOW_RANK;
    int has_rank = is_pair || entry->kind == ACI_OWNED_SHARED;

    if (entry->n_out != (uint32_t)tensor->n_out ||
        entry->n_in != (uint32_t)tensor->n_in || entry->n_in == 0 ||
        entry->n_out == 0)
        return 0;
    if (has_rank ? entry->rank == 0 || entry->rank > entry->n_in
                 : entry->rank != 0)
        return 0;
    if (is_pair ? !planes_are_sound(entry->inner_bits, entry->inner_ratio)
                : entry->inner_bits != 0 || entry->inner_ratio != 0)
        return 0;
    switch (entry->kind) {
    case ACI_OWNED_VECTOR:
        return !tensor->is_matrix && entry->bits == 0 && entry->ratio == 0;
    case ACI_OWNED_SHARED:
        return may_share(tensor->row) &&
               planes_are_sound(entry->bits, entry->ratio);
    case ACI_OWNED_MATRIX:
    case ACI_OWNED_LOW_RANK:
        return tensor->is_matrix &&
               planes_are_sound(entry->bits, entry->ratio);
    default:
        return 0;
    }
}

/* Its parts are where they must be; *end moves behind them. */
static int is_in_place(const aci_extras_entry *entry, uint64_t *end,
                       uint32_t group)
{
    static const uint8_t zero[sizeof entry->reserved];
    aci_extras_entry planned = *entry;

    aci_model_extras_plan(&planned, end, group);
    return memcmp(planned.offset, entry->offset, sizeof planned.offset) == 0 &&
           memcmp(planned.n_bytes, entry->n_bytes,
                  sizeof planned.n_bytes) == 0 &&
           memcmp(entry->reserved, zero, sizeof zero) == 0;
}

static aci_matrix matrix_at(const aci_extras *extras,
                            const aci_extras_entry *entry, int first,
                            uint32_t n_out, uint32_t n_in)
{
    const uint8_t *data = extras->mapping.data;
    int32_t group = (int32_t)extras->header.group;
    aci_matrix m = { .n_out = (int32_t)n_out, .n_in = (int32_t)n_in,
                     .group = group };

    m.n_in_padded = m.n_in_stored = aci_matrix_padded(m.n_in, group);
    m.n_strip = (m.n_out + ACI_STRIP_ROWS - 1) / ACI_STRIP_ROWS;
    m.ratio = (int32_t)(first == 0 ? entry->ratio : entry->inner_ratio);
    m.plane_a = data + entry->offset[first + ACI_EXTRA_A];
    if (entry->n_bytes[first + ACI_EXTRA_B] > 0)
        m.plane_b = data + entry->offset[first + ACI_EXTRA_B];
    m.scales = (const uint16_t *)(const void *)(
        data + entry->offset[first + ACI_EXTRA_SCALES]);
    return m;
}

static void point(aci_owned *owned, const aci_extras *extras,
                  const aci_extras_entry *entry)
{
    if (entry->kind == ACI_OWNED_VECTOR) {
        owned->vector = (const float *)(const void *)(
            extras->mapping.data + entry->offset[ACI_EXTRA_A]);
        owned->n = (int32_t)entry->n_in;
        return;
    }
    owned->matrix = matrix_at(extras, entry, 0, entry->n_out,
                              entry->rank > 0 ? entry->rank : entry->n_in);
    if (entry->kind == ACI_OWNED_LOW_RANK)
        owned->inner = matrix_at(extras, entry, ACI_EXTRA_INNER_A,
                                 entry->rank, entry->n_in);
}

static ac_status read_entry(aci_extras *extras, size_t i, uint64_t *end,
                            ac_error *error)
{
    const aci_extras_entry *entry = &extras->entries[i];
    aci_owned *owned = &extras->owned[i];
    aci_tensor tensor;
    int32_t *slot;
    ac_status status = identify(owned, &tensor, extras, entry, error);

    if (status != AC_OK)
        return status;
    if (!is_sound(entry, &tensor))
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "%s of %s had numbers that do not fit its plan (kind %u, %u x %u, "
            "rank %u)", entry->tensor, entry->variant, entry->kind,
            entry->n_out, entry->n_in, entry->rank);
    if (!is_in_place(entry, end, extras->header.group) ||
        *end > extras->header.directory_offset)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s of %s was not where it belongs",
                                 entry->tensor, entry->variant);
    slot = slot_of(extras, owned->variant, owned->layer, owned->row);
    if (*slot != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s of %s was there twice", entry->tensor,
                                 entry->variant);
    *slot = (int32_t)i + 1;
    point(owned, extras, entry);
    return AC_OK;
}

/* Entries without a V of their own borrow it. */
static ac_status share(aci_extras *extras, ac_error *error)
{
    for (size_t i = 0; i < extras->header.n_entries; i++) {
        aci_owned *owned = &extras->owned[i];
        int32_t lender;

        if (owned->kind != ACI_OWNED_SHARED)
            continue;
        lender = aci_model_extras_find(
            extras, owned->variant, owned->layer,
            owned->row == ACI_ROW_UP ? ACI_ROW_GATE : ACI_ROW_Q);
        if (lender < 0 || extras->owned[lender].kind != ACI_OWNED_LOW_RANK ||
            extras->owned[lender].rank != owned->rank)
            return aci_platform_fail(
                error, AC_E_FORMAT, "%s of %s shared a factor that is not "
                "there", extras->entries[i].tensor,
                extras->entries[i].variant);
        owned->inner = extras->owned[lender].inner;
        owned->inner_bits = extras->owned[lender].inner_bits;
    }
    return AC_OK;
}

static ac_status read_entries(aci_extras *extras, ac_error *error)
{
    uint64_t end = sizeof extras->header;
    size_t n = extras->header.n_entries;
    ac_status status = AC_OK;

    extras->owned = aci_platform_alloc_zeroed(extras->memory, n + 1,
                                              sizeof *extras->owned);
    extras->numbers = aci_platform_alloc_zeroed(
        extras->memory,
        (size_t)extras->n_variants * slots_per_variant(extras->n_layer),
        sizeof *extras->numbers);
    if (extras->owned == NULL || extras->numbers == NULL)
        return aci_platform_fail_memory(error, "the list of extras");
    for (size_t i = 0; status == AC_OK && i < n; i++)
        status = read_entry(extras, i, &end, error);
    end = (end + ACI_EXTRAS_ALIGNMENT - 1) / ACI_EXTRAS_ALIGNMENT *
          ACI_EXTRAS_ALIGNMENT;
    if (status == AC_OK && end != extras->header.directory_offset)
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "the directory was not where it belongs");
    return status == AC_OK ? share(extras, error) : status;
}

static ac_status verify_parts(const aci_extras *extras, const char *path,
                              ac_error *error)
{
    for (size_t i = 0; i < extras->header.n_entries; i++) {
        const aci_extras_entry *entry = &extras->entries[i];

        for (int part = 0; part < ACI_N_EXTRA_PARTS; part++)
            if (entry->n_bytes[part] > 0 &&
                aci_platform_checksum(
                    extras->mapping.data + entry->offset[part],
                    entry->n_bytes[part], 0) != entry->checksum[part])
                return aci_platform_fail(
                    error, AC_E_CHECKSUM, "%s of %s in %s had changed",
                    entry->tensor, entry->variant, path);
    }
    return AC_OK;
}

/* ---- open and close ------------------------------------------------------ */

static ac_status check_mapped(aci_extras *extras, const char *path,
                              uint32_t group, uint64_t store_checksum,
                              int verify, ac_error *error)
{
    ac_status status;

    if (extras->mapping.size < sizeof extras->header)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s ended inside its header", path);
    memcpy(&extras->header, extras->mapping.data, sizeof extras->header);
    status = check_header(extras, group, store_checksum, path, error);
    if (status != AC_OK)
        return status;
    extras->entries = (const aci_extras_entry *)(const void *)(
        extras->mapping.data + extras->header.directory_offset);
    status = read_entries(extras, error);
    if (status != AC_OK)
        return aci_platform_fail_within(error, status, path);
    return verify ? verify_parts(extras, path, error) : AC_OK;
}

ac_status aci_model_extras_open(aci_extras **out, aci_memory *memory,
                                const char *path, const aci_shape *shape,
                                const aci_variant *variants,
                                int32_t n_variants, uint32_t group,
                                uint64_t store_checksum, int verify,
                                ac_error *error)
{
    aci_mapping mapping;
    ac_status status = aci_platform_map(&mapping, path, error);

    *out = NULL;
    if (status != AC_OK)
        return status;
    return aci_model_extras_open_image(out, memory, &mapping, path, shape,
                                       variants, n_variants, group,
                                       store_checksum, verify, error);
}

ac_status aci_model_extras_open_image(aci_extras **out, aci_memory *memory,
                                      aci_mapping *image, const char *path,
                                      const aci_shape *shape,
                                      const aci_variant *variants,
                                      int32_t n_variants, uint32_t group,
                                      uint64_t store_checksum, int verify,
                                      ac_error *error)
{
    aci_extras *extras = aci_platform_alloc_zeroed(memory, 1, sizeof *extras);
    ac_status status;

    *out = NULL;
    if (extras == NULL) {
        aci_platform_unmap(image);
        return aci_platform_fail_memory(error, "extras");
    }
    extras->memory = memory;
    extras->mapping = *image;
    *image = (aci_mapping){ NULL, 0 };
    extras->shape = shape;
    extras->variants = variants;
    extras->n_variants = n_variants;
    extras->n_layer = shape->n_layer;
    status = check_mapped(extras, path, group, store_checksum, verify, error);
    extras->shape = NULL;
    extras->variants = NULL;
    if (status == AC_OK)
        *out = extras;
    else
        aci_model_extras_close(extras);
    return status;
}

void aci_model_extras_close(aci_extras *extras)
{
    if (extras == NULL)
        return;
    aci_platform_unmap(&extras->mapping);
    aci_platform_free(extras->memory, extras->owned);
    aci_platform_free(extras->memory, extras->numbers);
    aci_platform_free(extras->memory, extras);
}

uint64_t aci_model_extras_bytes(const aci_extras *extras)
{
    return extras->header.file_bytes;
}

uint64_t aci_model_extras_checksum(const aci_extras *extras)
{
    return extras->header.header_checksum;
}

const aci_owned *aci_model_extras_all(size_t *n, const aci_extras *extras)
{
    *n = extras != NULL ? extras->header.n_entries : 0;
    return extras != NULL ? extras->owned : NULL;
}
