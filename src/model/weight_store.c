/* weight_store.c - checks and hands out a mapped weights.acw. */
#include "model/weight_store.h"

#include <string.h>

#include "model/tensor_list.h"
#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/files.h"

struct aci_weight_store {
    aci_memory *memory;
    aci_mapping mapping;
    aci_store_header header;
    aci_store_entry *entries;  /* a copy, equal to the plan */
    aci_shape shape;
};

static ac_status check_header(const aci_store_header *header,
                              uint64_t file_bytes, const char *path,
                              ac_error *error)
{
    uint64_t checksum;

    if (memcmp(header->magic, ACI_STORE_MAGIC, sizeof header->magic) != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s was not a weight store", path);
    if (header->endian_mark != ACI_STORE_ENDIAN_MARK)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%s had another byte order", path);
    if (header->format_version != ACI_STORE_FORMAT_VERSION ||
        (header->layout_version != ACI_STORE_LAYOUT_VERSION &&
         header->layout_version != ACI_STORE_LAYOUT_WIDE))
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED,
            "%s had format version %u and layout version %u, not %d and %d "
            "or %d", path, header->format_version, header->layout_version,
            ACI_STORE_FORMAT_VERSION, ACI_STORE_LAYOUT_VERSION,
            ACI_STORE_LAYOUT_WIDE);
    checksum = aci_platform_checksum(
        header, offsetof(aci_store_header, header_checksum), 0);
    if (checksum != header->header_checksum)
        return aci_platform_fail(error, AC_E_CHECKSUM,
                                 "the header of %s had changed", path);
    if (header->file_bytes != file_bytes)
        return aci_platform_fail(
            error, AC_E_FORMAT, "%s was %llu bytes long, not %llu", path,
            (unsigned long long)file_bytes,
            (unsigned long long)header->file_bytes);
    if (header->group != 32 && header->group != 64 && header->group != 128)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s had weights in groups of %u", path,
                                 header->group);
    return AC_OK;
}

/* The directory's place and size, before anything is allocated for it. */
static ac_status check_directory_bounds(const aci_weight_store *store,
                                        const char *path, ac_error *error)
{
    const aci_store_header *header = &store->header;
    uint64_t n = aci_model_tensor_count(&store->shape);

    if (header->n_tensors != n ||
        header->directory_bytes != n * sizeof(aci_store_entry) ||
        header->directory_offset != ACI_STORE_PAGE ||
        header->directory_bytes > store->mapping.size - ACI_STORE_PAGE)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "the directory of %s had %u tensors where its shape needs %llu",
            path, header->n_tensors, (unsigned long long)n);
    if (aci_platform_checksum(store->mapping.data + ACI_STORE_PAGE,
                              header->directory_bytes, 0) !=
        header->directory_checksum)
        return aci_platform_fail(error, AC_E_CHECKSUM,
                                 "the directory of %s had changed", path);
    return AC_OK;
}

/* Every field that can be computed must be as computed. */
static ac_status check_entry(const aci_store_entry *entry,
                             const aci_store_entry *planned, const char *path,
                             ac_error *error)
{
    if (memcmp(entry->name, planned->name, sizeof entry->name) != 0)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "the directory of %s had another tensor where %s belongs", path,
            planned->name);
    if (entry->kind != planned->kind || entry->n_out != planned->n_out ||
        entry->n_in != planned->n_in ||
        entry->n_in_padded != planned->n_in_padded ||
        entry->group != planned->group || entry->reserved != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s of %s had another shape than the model",
                                 planned->name, path);
    if (memcmp(entry->offset, planned->offset, sizeof entry->offset) != 0 ||
        memcmp(entry->n_bytes, planned->n_bytes, sizeof entry->n_bytes) != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s of %s was not where it belongs",
                                 planned->name, path);
    if (entry->kind == ACI_TENSOR_PLANES
            ? entry->ratio < 8 || entry->ratio > 14
            : entry->ratio != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s of %s had a plane ratio of %u",
                                 planned->name, path, entry->ratio);
    return AC_OK;
}

static ac_status check_directory(aci_weight_store *store, const char *path,
                                 ac_error *error)
{
    size_t n = store->header.n_tensors;
    aci_store_entry *planned;
    aci_store_header plan;
    ac_status status;

    store->entries = aci_platform_alloc_array(store->memory, n,
                                              sizeof *store->entries);
    planned = aci_platform_alloc_array(store->memory, n, sizeof *planned);
    if (store->entries == NULL || planned == NULL) {
        aci_platform_free(store->memory, planned);
        return aci_platform_fail_memory(error, "a weight store's directory");
    }
    memcpy(store->entries, store->mapping.data + ACI_STORE_PAGE,
           n * sizeof *store->entries);
    status = aci_model_store_plan(&plan, planned, &store->shape,
                                  store->header.group,
                                  store->header.layout_version, error);
    if (status == AC_OK &&
        (plan.file_bytes != store->header.file_bytes ||
         memcmp(plan.section_offset, store->header.section_offset,
                sizeof plan.section_offset) != 0 ||
         memcmp(plan.section_bytes, store->header.section_bytes,
                sizeof plan.section_bytes) != 0))
        status = aci_platform_fail(
            error, AC_E_FORMAT, "%s was %llu bytes long; its shape needs %llu",
            path, (unsigned long long)store->header.file_bytes,
            (unsigned long long)plan.file_bytes);
    for (size_t i = 0; status == AC_OK && i < n; i++)
        status = check_entry(&store->entries[i], &planned[i], path, error);
    aci_platform_free(store->memory, planned);
    return status;
}

static ac_status verify_weights(const aci_weight_store *store,
                                const char *path, ac_error *error)
{
    static const char *const parts[] = { "plane A", "scales", "plane B",
                                         "plane C" };

    for (size_t i = 0; i < store->header.n_tensors; i++) {
        const aci_store_entry *entry = &store->entries[i];

        for (int part = 0; part < ACI_N_PARTS; part++) {
            const uint8_t *data = store->mapping.data + entry->offset[part];

            if (entry->n_bytes[part] == 0 ||
                aci_platform_checksum(data, entry->n_bytes[part], 0) ==
                    entry->checksum[part])
                continue;
            return aci_platform_fail(
                error, AC_E_CHECKSUM, "%s of %s in %s had changed",
                entry->kind == ACI_TENSOR_VECTOR ? "values" : parts[part],
                entry->name, path);
        }
    }
    return AC_OK;
}

static ac_status check_mapped(aci_weight_store *store, const char *path,
                              int verify, ac_error *error)
{
    ac_status status;

    if (store->mapping.size < ACI_STORE_PAGE)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s ended inside its header", path);
    memcpy(&store->header, store->mapping.data, sizeof store->header);
    status = check_header(&store->header, store->mapping.size, path, error);
    if (status != AC_OK)
        return status;
    aci_model_store_shape_unpack(&store->shape, &store->header.shape);
    status = aci_model_shape_check(&store->shape, error);
    if (status != AC_OK)
        return aci_platform_fail_within(error, status, path);
    status = check_directory_bounds(store, path, error);
    if (status == AC_OK)
        status = check_directory(store, path, error);
    if (status == AC_OK && verify)
        status = verify_weights(store, path, error);
    return status;
}

ac_status aci_model_store_open(aci_weight_store **out, aci_memory *memory,
                               const char *path, int verify, ac_error *error)
{
    aci_mapping mapping;
    ac_status status = aci_platform_map(&mapping, path, error);

    *out = NULL;
    if (status != AC_OK)
        return status;
    return aci_model_store_open_image(out, memory, &mapping, path, verify,
                                      error);
}

ac_status aci_model_store_open_image(aci_weight_store **out,
                                     aci_memory *memory, aci_mapping *image,
                                     const char *name, int verify,
                                     ac_error *error)
{
    aci_weight_store *store = aci_platform_alloc_zeroed(memory, 1,
                                                        sizeof *store);
    ac_status status;

    *out = NULL;
    if (store == NULL) {
        aci_platform_unmap(image);
        return aci_platform_fail_memory(error, "a weight store");
    }
    store->memory = memory;
    store->mapping = *image;
    *image = (aci_mapping){ NULL, 0 };
    status = check_mapped(store, name, verify, error);
    if (status != AC_OK) {
        aci_model_store_close(store);
        return status;
    }
    *out = store;
    return AC_OK;
}

void aci_model_store_close(aci_weight_store *store)
{
    if (store == NULL)
        return;
    aci_platform_unmap(&store->mapping);
    aci_platform_free(store->memory, store->entries);
    aci_platform_free(store->memory, store);
}

const aci_shape *aci_model_store_shape(const aci_weight_store *store)
{
    return &store->shape;
}

int32_t aci_model_store_group(const aci_weight_store *store)
{
    return (int32_t)store->header.group;
}

uint64_t aci_model_store_bytes(const aci_weight_store *store)
{
    return store->header.file_bytes;
}

uint64_t aci_model_store_checksum(const aci_weight_store *store)
{
    return store->header.header_checksum;
}

const aci_store_header *aci_model_store_header(const aci_weight_store *store)
{
    return &store->header;
}

const aci_store_entry *aci_model_store_entries(const aci_weight_store *store)
{
    return store->entries;
}

void aci_model_store_matrix(aci_matrix *out, const aci_weight_store *store,
                            size_t i)
{
    const aci_store_entry *entry = &store->entries[i];
    const uint8_t *data = store->mapping.data;

    memset(out, 0, sizeof *out);
    out->n_out = (int32_t)entry->n_out;
    out->n_in = (int32_t)entry->n_in;
    out->n_in_padded = aci_matrix_padded(out->n_in, (int32_t)entry->group);
    out->n_in_stored = (int32_t)entry->n_in_padded;
    out->n_strip = (int32_t)((entry->n_out + ACI_STRIP_ROWS - 1) /
                             ACI_STRIP_ROWS);
    out->group = (int32_t)entry->group;
    out->ratio = (int32_t)entry->ratio;
    out->plane_a = data + entry->offset[ACI_PART_A];
    out->plane_b = data + entry->offset[ACI_PART_B];
    out->plane_c = data + entry->offset[ACI_PART_C];
    out->scales = (const uint16_t *)(const void *)(
        data + entry->offset[ACI_PART_SCALES]);
}

const float *aci_model_store_vector(const aci_weight_store *store, size_t i)
{
    return (const float *)(const void *)(
        store->mapping.data + store->entries[i].offset[ACI_PART_A]);
}
