/* extras_build.c - extras.acw: parts are written as they come, the directory
 * behind them, the header last. */
#include "workshop/compress/extras_build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/extras_format.h"
#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/files.h"

struct aci_extras_build {
    aci_memory *memory;
    aci_writer *writer;
    aci_extras_entry *entries;
    uint32_t n_entries, capacity;
    uint32_t group;
};

/* ---- the directory ------------------------------------------------------- */

static ac_status grow(aci_extras_build *build, ac_error *error)
{
    uint32_t capacity = build->capacity > 0 ? 2 * build->capacity : 64;
    aci_extras_entry *more;

    if (build->n_entries < build->capacity)
        return AC_OK;
    if (build->n_entries >= ACI_EXTRAS_MAX_ENTRIES)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "there were more than %d extras",
                                 ACI_EXTRAS_MAX_ENTRIES);
    more = aci_platform_realloc(build->memory, build->entries,
                                capacity * sizeof *more);
    if (more == NULL)
        return aci_platform_fail_memory(error, "the directory of extras");
    build->entries = more;
    build->capacity = capacity;
    return AC_OK;
}

/* The next entry, named; it counts once its parts are written. */
static ac_status begin_entry(aci_extras_entry **out, aci_extras_build *build,
                             const char *variant, const char *tensor,
                             ac_error *error)
{
    ac_status status = grow(build, error);
    aci_extras_entry *entry;

    if (status != AC_OK)
        return status;
    entry = &build->entries[build->n_entries];
    memset(entry, 0, sizeof *entry);
    if (strlen(variant) >= sizeof entry->variant ||
        strlen(tensor) >= sizeof entry->tensor)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "\"%.40s\" or \"%.40s\" was too long a name",
                                 variant, tensor);
    memcpy(entry->variant, variant, strlen(variant));
    memcpy(entry->tensor, tensor, strlen(tensor));
    for (uint32_t i = 0; i < build->n_entries; i++)
        if (memcmp(&build->entries[i], entry,
                   offsetof(aci_extras_entry, kind)) == 0)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "%s of %s was added twice", tensor,
                                     variant);
    *out = entry;
    return AC_OK;
}

/* Plans the entry and writes its parts. */
static ac_status end_entry(aci_extras_build *build, aci_extras_entry *entry,
                           const void *const parts[ACI_N_EXTRA_PARTS],
                           ac_error *error)
{
    uint64_t end = aci_platform_writer_offset(build->writer);
    ac_status status = AC_OK;

    aci_model_extras_plan(entry, &end, build->group);
    for (int i = 0; i < ACI_N_EXTRA_PARTS && status == AC_OK; i++) {
        if (entry->n_bytes[i] == 0)
            continue;
        entry->checksum[i] = aci_platform_checksum(
            parts[i], (size_t)entry->n_bytes[i], 0);
        status = aci_platform_writer_align(build->writer,
                                           ACI_EXTRAS_ALIGNMENT, error);
        if (status == AC_OK)
            status = aci_platform_writer_append(
                build->writer, parts[i], (size_t)entry->n_bytes[i], error);
    }
    if (status == AC_OK)
        build->n_entries++;
    return status;
}

/* ---- adding -------------------------------------------------------------- */

ac_status aci_workshop_extras_vector(aci_extras_build *build,
                                     const char *variant, const char *tensor,
                                     const float *values, int32_t n,
                                     ac_error *error)
{
    const void *const parts[ACI_N_EXTRA_PARTS] = { values };
    aci_extras_entry *entry;
    ac_status status = begin_entry(&entry, build, variant, tensor, error);

    if (status != AC_OK)
        return status;
    for (int32_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "number %d of %s for %s was not finite",
                                     (int)i, tensor, variant);
    entry->kind = ACI_OWNED_VECTOR;
    entry->n_out = 1;
    entry->n_in = (uint32_t)n;
    return end_entry(build, entry, parts, error);
}

static int fits(const aci_packed *packed, const aci_extras_build *build)
{
    return packed->group == (int32_t)build->group && packed->n_out > 0 &&
           packed->n_in > 0;
}

ac_status aci_workshop_extras_matrix(aci_extras_build *build,
                                     const char *variant, const char *tensor,
                                     const aci_packed *weight,
                                     ac_error *error)
{
    const void *const parts[ACI_N_EXTRA_PARTS] = { weight->a, weight->scales,
                                                   weight->b };
    aci_extras_entry *entry;
    ac_status status = begin_entry(&entry, build, variant, tensor, error);

    if (status != AC_OK)
        return status;
    if (!fits(weight, build))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s of %s was packed in another group",
                                 tensor, variant);
    entry->kind = ACI_OWNED_MATRIX;
    entry->n_out = (uint32_t)weight->n_out;
    entry->n_in = (uint32_t)weight->n_in;
    entry->bits = (uint32_t)weight->bits;
    entry->ratio = (uint32_t)weight->ratio;
    return end_entry(build, entry, parts, error);
}

ac_status aci_workshop_extras_low_rank(aci_extras_build *build,
                                       const char *variant,
                                       const char *tensor, int32_t n_in,
                                       const aci_packed *u,
                                       const aci_packed *v, ac_error *error)
{
    const void *parts[ACI_N_EXTRA_PARTS] = { u->a, u->scales, u->b };
    aci_extras_entry *entry;
    ac_status status = begin_entry(&entry, build, variant, tensor, error);

    if (status != AC_OK)
        return status;
    if (!fits(u, build) ||
        (v != NULL && (!fits(v, build) || v->n_out != u->n_in ||
                       v->n_in != n_in)))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the factors of %s for %s did not fit each "
                                 "other", tensor, variant);
    entry->kind = v != NULL ? ACI_OWNED_LOW_RANK : ACI_OWNED_SHARED;
    entry->n_out = (uint32_t)u->n_out;
    entry->n_in = (uint32_t)n_in;
    entry->rank = (uint32_t)u->n_in;
    entry->bits = (uint32_t)u->bits;
    entry->ratio = (uint32_t)u->ratio;
    if (v != NULL) {
        entry->inner_bits = (uint32_t)v->bits;
        entry->inner_ratio = (uint32_t)v->ratio;
        parts[ACI_EXTRA_INNER_A] = v->a;
        parts[ACI_EXTRA_INNER_SCALES] = v->scales;
        parts[ACI_EXTRA_INNER_B] = v->b;
    }
    return end_entry(build, entry, parts, error);
}

static int is_whole(const aci_extras_header *header, const aci_mapping *file,
                    const aci_extras_build *build)
{
    return memcmp(header->magic, ACI_EXTRAS_MAGIC, sizeof header->magic) ==
               0 &&
           header->header_checksum ==
               aci_platform_checksum(
                   header, offsetof(aci_extras_header, header_checksum), 0) &&
           header->file_bytes == file->size && header->group == build->group &&
           header->directory_offset + header->directory_bytes ==
               file->size &&
           header->directory_bytes ==
               header->n_entries * sizeof(aci_extras_entry) &&
           header->directory_checksum ==
               aci_platform_checksum(file->data + header->directory_offset,
                                     (size_t)header->directory_bytes, 0);
}

static ac_status append_entry(aci_extras_build *build,
                              const aci_extras_entry *from,
                              const uint8_t *data, ac_error *error)
{
    const void *parts[ACI_N_EXTRA_PARTS];
    char variant[sizeof from->variant + 1] = "";
    char tensor[sizeof from->tensor + 1] = "";
    aci_extras_entry *entry;
    ac_status status;

    memcpy(variant, from->variant, sizeof from->variant);
    memcpy(tensor, from->tensor, sizeof from->tensor);
    status = begin_entry(&entry, build, variant, tensor, error);
    if (status != AC_OK)
        return status;
    *entry = *from;
    for (int i = 0; i < ACI_N_EXTRA_PARTS; i++)
        parts[i] = data + from->offset[i];
    status = end_entry(build, entry, parts, error);
    for (int i = 0; status == AC_OK && i < ACI_N_EXTRA_PARTS; i++)
        if (entry->checksum[i] != from->checksum[i])
            status = aci_platform_fail(error, AC_E_CHECKSUM,
                                       "%s of %s had changed on the disk",
                                       tensor, variant);
    return status;
}

ac_status aci_workshop_extras_append(aci_extras_build *build,
                                     const char *path, ac_error *error)
{
    aci_mapping file = { NULL, 0 };
    aci_extras_header header;
    aci_extras_entry entry;
    ac_status status = aci_platform_map(&file, path, error);

    if (status != AC_OK)
        return status;
    memset(&header, 0, sizeof header);
    if (file.size >= sizeof header)
        memcpy(&header, file.data, sizeof header);
    if (!is_whole(&header, &file, build))
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "%s was no file of extras", path);
    for (uint32_t i = 0; status == AC_OK && i < header.n_entries; i++) {
        memcpy(&entry, file.data + header.directory_offset +
                           i * sizeof entry, sizeof entry);
        status = append_entry(build, &entry, file.data, error);
    }
    aci_platform_unmap(&file);
    return status;
}

/* ---- the file ------------------------------------------------------------ */

ac_status aci_workshop_extras_open(aci_extras_build **out, aci_memory *memory,
                                   const char *path, uint32_t group,
                                   ac_error *error)
{
    const uint8_t blank[sizeof(aci_extras_header)] = { 0 };
    aci_extras_build *build = aci_platform_alloc_zeroed(memory, 1,
                                                        sizeof *build);
    ac_status status;

    *out = NULL;
    if (build == NULL)
        return aci_platform_fail_memory(error, "the writer of extras");
    build->memory = memory;
    build->group = group;
    status = aci_platform_writer_open(&build->writer, memory, path, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(build->writer, &blank,
                                            sizeof blank, error);
    if (status == AC_OK)
        *out = build;
    else
        aci_workshop_extras_abandon(build);
    return status;
}

void aci_workshop_extras_abandon(aci_extras_build *build)
{
    if (build == NULL)
        return;
    aci_platform_writer_abandon(build->writer);
    aci_platform_free(build->memory, build->entries);
    aci_platform_free(build->memory, build);
}

static ac_status write_ends(aci_extras_header *header,
                            aci_extras_build *build, ac_error *error)
{
    size_t n = build->n_entries * sizeof *build->entries;
    ac_status status = aci_platform_writer_align(
        build->writer, ACI_EXTRAS_ALIGNMENT, error);

    if (status != AC_OK)
        return status;
    header->directory_offset = aci_platform_writer_offset(build->writer);
    header->directory_bytes = n;
    header->directory_checksum = aci_platform_checksum(build->entries, n, 0);
    header->file_bytes = header->directory_offset + n;
    header->header_checksum = aci_platform_checksum(
        header, offsetof(aci_extras_header, header_checksum), 0);
    status = aci_platform_writer_append(build->writer, build->entries, n,
                                        error);
    if (status == AC_OK)
        status = aci_platform_writer_patch(build->writer, 0, header,
                                           sizeof *header, error);
    return status;
}

ac_status aci_workshop_extras_commit(aci_store_built *out,
                                     aci_extras_build *build,
                                     uint64_t store_checksum,
                                     ac_error *error)
{
    aci_extras_header header;
    ac_status status;

    if (build->n_entries == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there were no extras to write");
    memset(&header, 0, sizeof header);
    memcpy(header.magic, ACI_EXTRAS_MAGIC, sizeof header.magic);
    header.format_version = ACI_EXTRAS_FORMAT_VERSION;
    header.layout_version = ACI_EXTRAS_LAYOUT_VERSION;
    header.endian_mark = ACI_EXTRAS_ENDIAN_MARK;
    header.n_entries = build->n_entries;
    header.group = build->group;
    header.store_checksum = store_checksum;
    status = write_ends(&header, build, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(build->writer, error);
    if (status != AC_OK)
        return status;
    build->writer = NULL;
    out->n_bytes = header.file_bytes;
    out->checksum = header.header_checksum;
    aci_workshop_extras_abandon(build);
    return AC_OK;
}
