/* checkpoint.c - one face for both kinds of checkpoint.
 *
 * At open every tensor of tensor_list.h is looked up under its file's name,
 * its shape is held against the model's, and tensors that the model does not
 * have are refused: a checkpoint that opens is complete and nothing in it goes
 * unread. Reading converts rows on the way; nothing is kept. */
#include "model/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/checkpoint_json.h"
#include "model/compressed.h"
#include "model/ggml_types.h"
#include "model/gguf.h"
#include "model/gguf_shape.h"
#include "model/hf_config.h"
#include "model/hf_files.h"
#include "model/tensor_names.h"
#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/files.h"

#define MAX_CONFIG_BYTES ((size_t)1 << 20)

typedef struct entry {
    char name[32];
    aci_gguf_tensor source;    /* fastest dimension first, whatever the file */
    int64_t n_rows, n_columns;
    int32_t permuted;          /* rows lie in the order of rotary pairs */
    aci_compressed compressed; /* codes NULL: `source` holds the values */
} entry;

struct aci_checkpoint {
    aci_memory *memory;
    char *path;
    aci_shape shape;
    aci_kept *kept;            /* [n_layer], or NULL: everything */
    aci_gguf *gguf;            /* NULL: Hugging Face */
    aci_hf_files hf;
    entry *entries;            /* [n], sorted by name */
    size_t n;
};

/* ---- matching names and shapes ----------------------------------------- */

/* Our view of a tensor of a safetensors file; 0 when its type is not ours. */
static int view(aci_gguf_tensor *out, const aci_safetensor *tensor)
{
    static const struct {
        const char *name;
        uint32_t type;
    } types[] = { { "F32", 0 }, { "F16", 1 }, { "BF16", 30 } };
    uint32_t n = tensor->n_dimensions;
    size_t i = 0;

    memset(out, 0, sizeof *out);
    out->name = tensor->name;
    out->name_bytes = strlen(tensor->name);
    while (i < 3 && strcmp(types[i].name, tensor->type) != 0)
        i++;
    if (i == 3)
        return 0;
    out->type = types[i].type;
    out->n_dimensions = n;
    for (uint32_t d = 0; d < n && d < 4; d++)
        out->dimensions[d] = tensor->dimensions[n - 1 - d];
    out->data = tensor->data;
    out->n_bytes = tensor->n_bytes;
    return 1;
}

/* Of tied embeddings some writers keep the head and leave out the table. */
static int is_tied_table(const aci_checkpoint *checkpoint,
                         const aci_tensor *tensor)
{
    return checkpoint->shape.tied_embeddings &&
           strcmp(tensor->name, "embed") == 0;
}

/* Finds the file's tensor; names it in `file_name` either way. */
static ac_status find_source(aci_gguf_tensor *out, char *file_name,
                             const aci_checkpoint *checkpoint,
                             const aci_tensor *tensor, ac_error *error)
{
    const char *type = "?";
    int found, readable;

    if (checkpoint->gguf != NULL) {
        const aci_gguf_tensor *source;

        aci_model_tensor_name_gguf(file_name, tensor);
        source = aci_model_gguf_find(checkpoint->gguf, file_name);
        found = source != NULL;
        readable = found && aci_model_ggml_readable(source->type);
        if (found) {
            *out = *source;
            type = aci_model_ggml_type(source->type)->name;
        }
    } else {
        const aci_safetensor *source;

        aci_model_tensor_name_hf(file_name, tensor);
        source = aci_model_hf_files_find(&checkpoint->hf, file_name);
        if (source == NULL && is_tied_table(checkpoint, tensor))
            source = aci_model_hf_files_find(&checkpoint->hf,
                                             "lm_head.weight");
        found = source != NULL;
        readable = found && view(out, source);
        type = found ? source->type : type;
    }
    if (!found)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "tensor %s was missing", file_name);
    if (!readable)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "tensor %s was of type %s, which is not "
                                 "supported", file_name, type);
    return AC_OK;
}

static ac_status check_shape(const aci_gguf_tensor *source,
                             const char *file_name, const aci_tensor *tensor,
                             ac_error *error)
{
    uint64_t n_in = (uint64_t)tensor->n_in, n_out = (uint64_t)tensor->n_out;
    const uint64_t *is = source->dimensions;

    if (tensor->is_matrix) {
        if (source->n_dimensions == 2 && is[0] == n_in && is[1] == n_out)
            return AC_OK;
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "tensor %s had %u dimensions, %llu x %llu, not %d x %d",
            file_name, (unsigned)source->n_dimensions,
            (unsigned long long)is[1], (unsigned long long)is[0],
            (int)tensor->n_out, (int)tensor->n_in);
    }
    if (aci_model_ggml_type(source->type)->block_elements != 1)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "tensor %s was a vector in blocks",
                                 file_name);
    if (source->n_dimensions == 1 && is[0] == n_in)
        return AC_OK;
    return aci_platform_fail(
        error, AC_E_FORMAT, "tensor %s had %u dimensions, %llu values, not %d",
        file_name, (unsigned)source->n_dimensions, (unsigned long long)is[0],
        (int)tensor->n_in);
}

/* A matrix of integers with scales beside it; *found 0: it is none. */
static ac_status find_compressed(entry *e, int *found,
                                 const aci_checkpoint *checkpoint,
                                 const aci_tensor *tensor, ac_error *error)
{
    char file_name[ACI_FILE_NAME_BYTES];
    ac_status status;

    *found = 0;
    if (checkpoint->gguf != NULL || !tensor->is_matrix || tensor->layer < 0)
        return AC_OK;
    aci_model_tensor_name_hf(file_name, tensor);
    status = aci_model_compressed_find(&e->compressed, found, &checkpoint->hf,
                                       file_name, tensor->n_out, tensor->n_in,
                                       error);
    if (!*found) {
        memset(&e->compressed, 0, sizeof e->compressed);
        return status;
    }
    e->source.name = e->compressed.codes->name;
    e->source.name_bytes = strlen(e->source.name);
    e->source.data = e->compressed.codes->data;
    e->source.n_bytes = e->compressed.codes->n_bytes;
    return status;
}

/* GGUF's llama files keep q and k rows so that rotary pairs are neighbours. */
static int is_permuted(const aci_checkpoint *checkpoint,
                       const aci_tensor *tensor)
{
    const char *dot = strchr(tensor->name, '.');

    if (checkpoint->gguf == NULL ||
        checkpoint->shape.architecture != ACI_LLAMA || dot == NULL)
        return 0;
    return strcmp(dot, ".q") == 0 || strcmp(dot, ".k") == 0 ||
           strcmp(dot, ".q_bias") == 0 || strcmp(dot, ".k_bias") == 0;
}

static int by_name(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static ac_status match_tensor(entry *e, const aci_checkpoint *checkpoint,
                              const aci_tensor *tensor, ac_error *error)
{
    char file_name[ACI_FILE_NAME_BYTES];
    int found = 0;
    ac_status status = find_compressed(e, &found, checkpoint, tensor, error);

    if (status == AC_OK && !found)
        status = find_source(&e->source, file_name, checkpoint, tensor,
                             error);
    if (status == AC_OK && !found)
        status = check_shape(&e->source, file_name, tensor, error);
    memcpy(e->name, tensor->name, sizeof e->name);
    e->n_rows = tensor->n_out;
    e->n_columns = tensor->n_in;
    e->permuted = is_permuted(checkpoint, tensor);
    return status;
}

static ac_status match_tensors(aci_checkpoint *checkpoint, ac_error *error)
{
    size_t n = aci_model_tensor_count(&checkpoint->shape);
    ac_status status = AC_OK;

    checkpoint->entries = aci_platform_alloc_zeroed(
        checkpoint->memory, n, sizeof *checkpoint->entries);
    if (checkpoint->entries == NULL)
        return aci_platform_fail_memory(error, "a tensor directory");
    for (size_t i = 0; i < n && status == AC_OK; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, &checkpoint->shape, i);
        if (checkpoint->kept != NULL && tensor.layer >= 0)
            aci_model_tensor_cut(&tensor, &checkpoint->shape,
                                 &checkpoint->kept[tensor.layer]);
        if (tensor.n_out > 0) /* else its block is not there */
            status = match_tensor(&checkpoint->entries[checkpoint->n++],
                                  checkpoint, &tensor, error);
    }
    if (status == AC_OK)
        qsort(checkpoint->entries, checkpoint->n,
              sizeof *checkpoint->entries, by_name);
    return status;
}

/* ---- nothing else ------------------------------------------------------ */

/* Whether the name is that of the tensor `e` is read from, or of one that goes
 * with it. */
static int belongs(const entry *e, const char *name)
{
    const aci_compressed *c = &e->compressed;

    return e->source.name == name ||
           (c->codes != NULL &&
            (c->scales->name == name ||
             (c->shape != NULL && c->shape->name == name)));
}

static ac_status check_expected(const aci_checkpoint *checkpoint,
                                const char *name, size_t n_bytes,
                                ac_error *error)
{
    for (size_t i = 0; i < checkpoint->n; i++)
        if (belongs(&checkpoint->entries[i], name))
            return AC_OK;
    if (aci_model_tensor_ignored(name, n_bytes, &checkpoint->shape))
        return AC_OK;
    return aci_platform_fail(
        error, AC_E_UNSUPPORTED,
        "tensor %.*s does not belong to a %s model of this configuration",
        n_bytes < 120 ? (int)n_bytes : 120, name,
        aci_model_architecture_name(checkpoint->shape.architecture));
}

static ac_status check_nothing_else(const aci_checkpoint *checkpoint,
                                    ac_error *error)
{
    const aci_hf_files *hf = &checkpoint->hf;
    ac_status status = AC_OK;
    size_t n = checkpoint->gguf != NULL
                   ? aci_model_gguf_tensor_count(checkpoint->gguf) : 0;

    for (size_t i = 0; status == AC_OK && i < n; i++) {
        const aci_gguf_tensor *t = aci_model_gguf_tensor(checkpoint->gguf, i);

        status = check_expected(checkpoint, t->name, t->name_bytes, error);
    }
    for (size_t f = 0; f < hf->n; f++) {
        n = aci_model_safetensors_count(hf->files[f]);
        for (size_t i = 0; status == AC_OK && i < n; i++) {
            const char *name = aci_model_safetensors_at(hf->files[f], i)->name;

            status = check_expected(checkpoint, name, strlen(name), error);
        }
    }
    return status;
}

/* ---- open and close ---------------------------------------------------- */

static ac_status open_gguf(aci_checkpoint *checkpoint, ac_error *error)
{
    ac_status status = aci_model_gguf_open(
        &checkpoint->gguf, checkpoint->memory, checkpoint->path, error);

    if (status != AC_OK)
        return status;
    status = aci_model_gguf_shape(&checkpoint->shape, &checkpoint->kept,
                                  checkpoint->memory, checkpoint->gguf,
                                  checkpoint->path, error);
    if (status == AC_OK)
        status = match_tensors(checkpoint, error);
    if (status == AC_OK)
        status = check_nothing_else(checkpoint, error);
    return status == AC_OK ? AC_OK
                           : aci_platform_fail_within(error, status,
                                                      checkpoint->path);
}

static ac_status read_config(aci_checkpoint *checkpoint, ac_error *error)
{
    char *path = aci_platform_join(checkpoint->memory, checkpoint->path,
                                   "config.json");
    json_t *config = NULL;
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_model_json_load(&config, checkpoint->memory, path,
                                 MAX_CONFIG_BYTES, error);
    if (status == AC_OK) {
        status = aci_model_hf_config(&checkpoint->shape, config,
                                     checkpoint->path, error);
        if (status != AC_OK)
            aci_platform_fail_within(error, status, path);
    }
    json_decref(config);
    aci_platform_free(checkpoint->memory, path);
    return status;
}

static ac_status open_folder(aci_checkpoint *checkpoint, ac_error *error)
{
    ac_status status = read_config(checkpoint, error);

    if (status == AC_OK)
        status = aci_model_hf_files_open(&checkpoint->hf, checkpoint->memory,
                                         checkpoint->path, error);
    if (status != AC_OK)
        return status;
    status = match_tensors(checkpoint, error);
    if (status == AC_OK)
        status = check_nothing_else(checkpoint, error);
    return status == AC_OK ? AC_OK
                           : aci_platform_fail_within(error, status,
                                                      checkpoint->path);
}

ac_status aci_model_checkpoint_open(aci_checkpoint **out, aci_memory *memory,
                                    const char *path, ac_error *error)
{
    ac_status status = aci_model_checkpoint_open_cut(out, memory, path,
                                                     error);

    if (status != AC_OK || (*out)->kept == NULL)
        return status;
    aci_model_checkpoint_close(*out);
    *out = NULL;
    return aci_platform_fail(error, AC_E_UNSUPPORTED,
                             "%s: its layers have different numbers of heads "
                             "or neurons; such a model can be run, but not "
                             "compressed or trained", path);
}

ac_status aci_model_checkpoint_open_cut(aci_checkpoint **out,
                                        aci_memory *memory, const char *path,
                                        ac_error *error)
{
    aci_checkpoint *checkpoint;
    ac_status status;

    *out = NULL;
    checkpoint = aci_platform_alloc_zeroed(memory, 1, sizeof *checkpoint);
    if (checkpoint == NULL)
        return aci_platform_fail_memory(error, "a checkpoint");
    checkpoint->memory = memory;
    checkpoint->path = aci_platform_strndup(memory, path, strlen(path));
    if (checkpoint->path == NULL)
        status = aci_platform_fail_memory(error, "a path");
    else if (aci_platform_is_directory(path))
        status = open_folder(checkpoint, error);
    else
        status = open_gguf(checkpoint, error);
    if (status != AC_OK) {
        aci_model_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return AC_OK;
}

void aci_model_checkpoint_close(aci_checkpoint *checkpoint)
{
    if (checkpoint == NULL)
        return;
    aci_model_gguf_close(checkpoint->gguf);
    aci_model_hf_files_close(&checkpoint->hf);
    aci_platform_free(checkpoint->memory, checkpoint->entries);
    aci_platform_free(checkpoint->memory, checkpoint->kept);
    aci_platform_free(checkpoint->memory, checkpoint->path);
    aci_platform_free(checkpoint->memory, checkpoint);
}

/* ---- questions --------------------------------------------------------- */

static const entry *find(const aci_checkpoint *checkpoint, const char *name)
{
    entry wanted;
    size_t n = strlen(name);

    if (n >= sizeof wanted.name)
        return NULL;
    memcpy(wanted.name, name, n + 1);
    return bsearch(&wanted, checkpoint->entries, checkpoint->n, sizeof wanted,
                   by_name);
}

const aci_shape *aci_model_checkpoint_shape(const aci_checkpoint *checkpoint)
{
    return &checkpoint->shape;
}

const aci_kept *aci_model_checkpoint_kept(const aci_checkpoint *checkpoint)
{
    return checkpoint->kept;
}

int aci_model_checkpoint_find(const aci_checkpoint *checkpoint,
                              const char *name, int64_t *n_rows,
                              int64_t *n_columns)
{
    const entry *e = find(checkpoint, name);

    if (e == NULL)
        return 0;
    *n_rows = e->n_rows;
    *n_columns = e->n_columns;
    return 1;
}

const char *aci_model_checkpoint_path(const aci_checkpoint *checkpoint)
{
    return checkpoint->path;
}

int aci_model_checkpoint_is_gguf(const aci_checkpoint *checkpoint)
{
    return checkpoint->gguf != NULL;
}

uint64_t aci_model_checkpoint_checksum(const aci_checkpoint *checkpoint)
{
    aci_checksum state;

    aci_platform_checksum_begin(&state, 0);
    aci_platform_checksum_add(&state, &checkpoint->shape,
                              sizeof checkpoint->shape);
    for (size_t i = 0; i < checkpoint->n; i++) {
        const entry *e = &checkpoint->entries[i];

        aci_platform_checksum_add(&state, e->name, sizeof e->name);
        aci_platform_checksum_add(&state, e->source.data, e->source.n_bytes);
        if (e->compressed.codes != NULL)
            aci_platform_checksum_add(&state, e->compressed.scales->data,
                                      e->compressed.scales->n_bytes);
    }
    return aci_platform_checksum_end(&state);
}

/* ---- reading ----------------------------------------------------------- */

/* Where Hugging Face's row lies among rows kept by rotary pairs: within a
 * head, (half, i) there is (i, half) here. */
static int64_t paired_row(int64_t row, int64_t head_dim)
{
    int64_t within = row % head_dim, half = head_dim / 2;

    return row - within + within % half * 2 + within / half;
}

static ac_status check_finite(const float *values, const entry *e,
                              int64_t n_rows, int64_t first, ac_error *error)
{
    int64_t n = n_rows * e->n_columns;

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return aci_platform_fail(
                error, AC_E_NUMERIC,
                "tensor %.*s held %s at row %lld, column %lld",
                (int)e->source.name_bytes, e->source.name,
                isnan(values[i]) ? "NaN" : "infinity",
                (long long)(first + i / e->n_columns),
                (long long)(i % e->n_columns));
    return AC_OK;
}

/* Rows as the file has them, or one by one by rotary pairs. A vector by pairs
 * is a column: rows of one value. */
static void convert(float *out, const aci_checkpoint *checkpoint,
                    const entry *e, int64_t first, int64_t n_rows)
{
    const aci_ggml_type *type = aci_model_ggml_type(e->source.type);
    int64_t width = e->n_columns;
    size_t blocks, row_bytes;

    if (e->compressed.codes != NULL) {
        aci_model_compressed_read(out, &e->compressed, first, n_rows);
        return;
    }
    if (e->permuted && e->n_rows == 1) {
        n_rows = n_rows > 0 ? e->n_columns : 0;
        width = 1;
    }
    blocks = (size_t)width / type->block_elements;
    row_bytes = blocks * type->block_bytes;
    if (!e->permuted) {
        aci_model_dequantise(out, e->source.data + (size_t)first * row_bytes,
                             e->source.type, blocks * (size_t)n_rows);
        return;
    }
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t row = paired_row(first + r, checkpoint->shape.head_dim);

        aci_model_dequantise(out + r * width,
                             e->source.data + (size_t)row * row_bytes,
                             e->source.type, blocks);
    }
}

ac_status aci_model_checkpoint_read(float *out,
                                    const aci_checkpoint *checkpoint,
                                    const char *name, int64_t first,
                                    int64_t n_rows, ac_error *error)
{
    const entry *e = find(checkpoint, name);

    if (e == NULL)
        return aci_platform_fail(error, AC_E_NOT_FOUND,
                                 "there is no tensor %s", name);
    if (first < 0 || n_rows < 0 || first > e->n_rows ||
        n_rows > e->n_rows - first)
        return aci_platform_fail(
            error, AC_E_ARGUMENT, "rows %lld to %lld of %s were asked for, "
            "there are %lld", (long long)first, (long long)(first + n_rows),
            name, (long long)e->n_rows);
    convert(out, checkpoint, e, first, n_rows);
    return check_finite(out, e, n_rows, first, error);
}
