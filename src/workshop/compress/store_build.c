/* store_build.c - the plan of weights.acw filled with what a source answers.
 *
 * The whole file is reserved first (a full disk shows at once); then every
 * part of every tensor is written from its beginning to its end, four parts
 * of a matrix side by side, and summed on the way; header and directory come
 * last, so that a torn file is never a store. */
#include "workshop/compress/store_build.h"

#include <math.h>
#include <string.h>

#include "model/store_format.h"
#include "platform/checksum.h"
#include "platform/clock.h"
#include "platform/error.h"
#include "platform/files.h"
#include "workshop/compress/plane_quantizer.h"
#include "workshop/tell.h"

/* Weights per block of strips: 8 MB of planes. */
#define BLOCK_WEIGHTS (INT64_C(4) << 20)

typedef struct build {
    aci_memory *memory;
    aci_pool *pool;
    const aci_shape *shape;
    const aci_strip_source *source;
    const ac_compress_options *options;
    aci_store_header header;
    aci_store_entry *entries;
    aci_writer *writer;
    uint64_t began_nanoseconds;
    uint64_t n_done, n_total;    /* weights */
} build;

/* A block of strips of one matrix while it is being filled. */
typedef struct block {
    const aci_strip_source *source;
    const aci_tensor *tensor;
    int32_t first_strip;
    size_t strip_bytes[ACI_N_PARTS];
    uint8_t *data[ACI_N_PARTS];
    int32_t *failed_strip;       /* [threads]; INT32_MAX: none */
    ac_error *errors;            /* [threads], of the failed strip */
} block;

ac_status aci_workshop_choose_group(uint32_t *out, const aci_shape *shape,
                                    uint32_t wanted, ac_error *error)
{
    int divides = shape->n_embd % 128 == 0 && shape->n_ff % 128 == 0 &&
                  shape->n_head * shape->head_dim % 128 == 0;

    if (wanted == 0)
        wanted = shape->n_embd >= 1024 && divides ? 128 : 64;
    if (wanted != 32 && wanted != 64 && wanted != 128)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "group was %u, not 32, 64 or 128", wanted);
    *out = wanted;
    return AC_OK;
}

/* ---- Progress ------------------------------------------------------------ */

static ac_status report(build *work, ac_error *error)
{
    const ac_compress_options *options = work->options;

    if (options == NULL)
        return AC_OK;
    return aci_workshop_tell(options->on_progress, options->progress_user,
                             work->source->stage, work->n_done, work->n_total,
                             NAN, work->began_nanoseconds, error);
}

/* ---- Blocks of strips ---------------------------------------------------- */

static void fill_strips(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    block *work = argument;

    for (int64_t i = first; i < last; i++) {
        ac_error error = AC_ERROR_INIT;
        int32_t strip = work->first_strip + (int32_t)i;
        aci_strip_planes out;

        out.a = work->data[ACI_PART_A] +
                (size_t)i * work->strip_bytes[ACI_PART_A];
        out.b = work->data[ACI_PART_B] +
                (size_t)i * work->strip_bytes[ACI_PART_B];
        out.c = work->data[ACI_PART_C] +
                (size_t)i * work->strip_bytes[ACI_PART_C];
        out.scales = (uint16_t *)(void *)(
            work->data[ACI_PART_SCALES] +
            (size_t)i * work->strip_bytes[ACI_PART_SCALES]);
        if (work->source->strip(&out, work->tensor, strip, thread,
                                work->source->context, &error) != AC_OK &&
            strip < work->failed_strip[thread]) {
            work->failed_strip[thread] = strip;
            work->errors[thread] = error;
        }
    }
}

/* The failure of the lowest strip, whichever thread met it: the same message
 * at any thread count. */
static ac_status first_failure(const block *work, int32_t n_threads,
                               ac_error *error)
{
    int32_t which = -1;

    for (int32_t i = 0; i < n_threads; i++)
        if (work->failed_strip[i] != INT32_MAX &&
            (which < 0 || work->failed_strip[i] < work->failed_strip[which]))
            which = i;
    if (which < 0)
        return AC_OK;
    return aci_platform_fail(error, work->errors[which].status, "%s",
                             work->errors[which].message);
}

static ac_status write_block(build *work, const block *filled,
                             aci_checksum *sums, size_t entry,
                             int32_t n_strips, ac_error *error)
{
    for (int part = 0; part < ACI_N_PARTS; part++) {
        size_t n = filled->strip_bytes[part] * (size_t)n_strips;
        uint64_t offset = work->entries[entry].offset[part] +
                          filled->strip_bytes[part] *
                              (uint64_t)filled->first_strip;
        ac_status status = aci_platform_writer_patch(
            work->writer, offset, filled->data[part], n, error);

        if (status != AC_OK)
            return status;
        aci_platform_checksum_add(&sums[part], filled->data[part], n);
    }
    return AC_OK;
}

/* Strips per block: few enough to bound memory, enough to feed the pool. */
static int32_t block_strips(const build *work, const aci_store_entry *entry,
                            int32_t n_strips)
{
    int64_t weights = BLOCK_WEIGHTS, n;
    uint64_t limit = work->memory->limit_bytes;

    if (limit != 0 && limit / 16 < (uint64_t)weights)
        weights = (int64_t)(limit / 16);
    n = weights / ((int64_t)entry->n_in_padded * ACI_STRIP_ROWS);
    n = n < 1 ? 1 : n;
    return n < n_strips ? (int32_t)n : n_strips;
}

static ac_status allocate_block(build *work, block *out,
                                const aci_store_entry *entry, int32_t n_total,
                                int32_t n_strips, ac_error *error)
{
    size_t threads = (size_t)aci_platform_pool_threads(work->pool);

    for (int part = 0; part < ACI_N_PARTS; part++) {
        out->strip_bytes[part] = entry->n_bytes[part] / (uint64_t)n_total;
        out->data[part] = aci_platform_alloc_array(
            work->memory, (size_t)n_strips, out->strip_bytes[part]);
        if (out->data[part] == NULL)
            return aci_platform_fail_memory(error, "a block of weights");
    }
    out->failed_strip = aci_platform_alloc_array(work->memory, threads,
                                                 sizeof *out->failed_strip);
    out->errors = aci_platform_alloc_array(work->memory, threads,
                                           sizeof *out->errors);
    if (out->failed_strip == NULL || out->errors == NULL)
        return aci_platform_fail_memory(error, "a block of weights");
    return AC_OK;
}

static void free_block(build *work, block *dead)
{
    for (int part = 0; part < ACI_N_PARTS; part++)
        aci_platform_free(work->memory, dead->data[part]);
    aci_platform_free(work->memory, dead->failed_strip);
    aci_platform_free(work->memory, dead->errors);
}

static ac_status fill_block(build *work, block *filled, int32_t n_strips,
                            ac_error *error)
{
    int32_t threads = aci_platform_pool_threads(work->pool);

    for (int32_t i = 0; i < threads; i++)
        filled->failed_strip[i] = INT32_MAX;
    aci_platform_pool_run(work->pool, fill_strips, filled, n_strips, 1);
    return first_failure(filled, threads, error);
}

static ac_status write_matrix(build *work, const aci_tensor *tensor,
                              size_t entry, ac_error *error)
{
    aci_store_entry *here = &work->entries[entry];
    int32_t n_total = (tensor->n_out + ACI_STRIP_ROWS - 1) / ACI_STRIP_ROWS;
    int32_t n_block = block_strips(work, here, n_total);
    block filled = { .source = work->source, .tensor = tensor };
    aci_checksum sums[ACI_N_PARTS];
    ac_status status;

    here->ratio = ACI_PLANE_RATIO;
    for (int part = 0; part < ACI_N_PARTS; part++)
        aci_platform_checksum_begin(&sums[part], 0);
    status = work->source->matrix != NULL
                 ? work->source->matrix(tensor, work->source->context, error)
                 : AC_OK;
    if (status == AC_OK)
        status = allocate_block(work, &filled, here, n_total, n_block, error);
    for (int32_t first = 0; status == AC_OK && first < n_total;
         first += n_block) {
        int32_t n = n_total - first < n_block ? n_total - first : n_block;

        filled.first_strip = first;
        status = fill_block(work, &filled, n, error);
        if (status == AC_OK)
            status = write_block(work, &filled, sums, entry, n, error);
        work->n_done += (uint64_t)n * ACI_STRIP_ROWS * here->n_in_padded;
        if (status == AC_OK)
            status = report(work, error);
    }
    for (int part = 0; part < ACI_N_PARTS; part++)
        here->checksum[part] = aci_platform_checksum_end(&sums[part]);
    free_block(work, &filled);
    return status;
}

static ac_status write_vector(build *work, const aci_tensor *tensor,
                              size_t entry, ac_error *error)
{
    aci_store_entry *here = &work->entries[entry];
    float *values = aci_platform_alloc_array(
        work->memory, (size_t)tensor->n_in, sizeof *values);
    ac_status status;

    if (values == NULL)
        return aci_platform_fail_memory(error, "a vector");
    status = work->source->vector(values, tensor, work->source->context,
                                  error);
    if (status == AC_OK)
        status = aci_platform_writer_patch(
            work->writer, here->offset[ACI_PART_A], values,
            here->n_bytes[ACI_PART_A], error);
    if (status == AC_OK)
        here->checksum[ACI_PART_A] = aci_platform_checksum(
            values, here->n_bytes[ACI_PART_A], 0);
    aci_platform_free(work->memory, values);
    return status;
}

/* ---- The file ------------------------------------------------------------ */

static ac_status write_header(build *work, ac_error *error)
{
    aci_store_header *header = &work->header;
    ac_status status;

    header->directory_checksum = aci_platform_checksum(
        work->entries, header->directory_bytes, 0);
    header->header_checksum = aci_platform_checksum(
        header, offsetof(aci_store_header, header_checksum), 0);
    status = aci_platform_writer_patch(work->writer, header->directory_offset,
                                       work->entries, header->directory_bytes,
                                       error);
    if (status == AC_OK)
        status = aci_platform_writer_patch(work->writer, 0, header,
                                           sizeof *header, error);
    return status;
}

static ac_status write_all(build *work, ac_error *error)
{
    ac_status status = aci_platform_writer_extend(
        work->writer, work->header.file_bytes, error);

    for (size_t i = 0; status == AC_OK && i < work->header.n_tensors; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, work->shape, i);
        status = tensor.is_matrix ? write_matrix(work, &tensor, i, error)
                                  : write_vector(work, &tensor, i, error);
    }
    if (status == AC_OK)
        status = write_header(work, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(work->writer, error);
    if (status == AC_OK)
        work->writer = NULL;
    return status;
}

static ac_status plan(build *work, uint32_t group, ac_error *error)
{
    size_t n = aci_model_tensor_count(work->shape);
    ac_status status;

    work->entries = aci_platform_alloc_array(work->memory, n,
                                             sizeof *work->entries);
    if (work->entries == NULL)
        return aci_platform_fail_memory(error, "the store's directory");
    status = aci_model_store_plan(&work->header, work->entries, work->shape,
                                  group, ACI_STORE_LAYOUT_VERSION, error);
    for (size_t i = 0; status == AC_OK && i < n; i++)
        if (work->entries[i].kind == ACI_TENSOR_PLANES)
            work->n_total += work->entries[i].n_bytes[ACI_PART_C];
    return status;
}

ac_status aci_workshop_store_build(aci_store_built *out, aci_memory *memory,
                                   aci_pool *pool, const char *path,
                                   const aci_shape *shape, uint32_t group,
                                   const aci_strip_source *source,
                                   const ac_compress_options *options,
                                   ac_error *error)
{
    build *work = aci_platform_alloc_zeroed(memory, 1, sizeof *work);
    ac_status status;

    if (work == NULL)
        return aci_platform_fail_memory(error, "the store's writer");
    work->memory = memory;
    work->pool = pool;
    work->shape = shape;
    work->source = source;
    work->options = options;
    work->began_nanoseconds = aci_platform_monotonic_nanoseconds();
    status = plan(work, group, error);
    if (status == AC_OK)
        status = report(work, error);
    if (status == AC_OK)
        status = aci_platform_writer_open(&work->writer, memory, path, error);
    if (status == AC_OK)
        status = write_all(work, error);
    aci_platform_writer_abandon(work->writer);
    out->n_bytes = work->header.file_bytes;
    out->checksum = work->header.header_checksum;
    aci_platform_free(memory, work->entries);
    aci_platform_free(memory, work);
    return status;
}
