/* export_folder.c - a variant as a Hugging Face directory for vLLM:
 *
 *     int4   W4A16, pack-quantized   our codes and scales: exact
 *     int8   W8A16, pack-quantized   codes, scales s / D rounded to float16
 *            W8A8, int-quantized     one scale a row, which groups of scales do
 *                                    not map to: rounded anew
 *     full   dense, bfloat16 or float16
 *
 * Embeddings, head, norms and biases are 16 bits wide. model/compressed.h has
 * the layouts. Each part of a matrix is a pass over its rows. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "model/safetensors_write.h"
#include "model/tensor_names.h"
#include "platform/error.h"
#include "platform/half.h"
#include "tokenizer/write_json.h"
#include "workshop/compress/export_config.h"

/* Names the directory as ours: only such a one is written over. */
#define MARKER "agentcompress.json"
#define PROGRESS_VALUES (UINT64_C(1) << 18)
enum { LEAST_GROUP = 32 };     /* that kernels take */

typedef enum part { CODES, SCALES, SHAPE, VALUES } part;

/* One tensor of the file. */
typedef struct listed {
    const aci_export_tensor *from;
    part part;
    char name[ACI_FILE_NAME_BYTES + 16];
} listed;

typedef struct folder_export {
    aci_export *work;
    aci_writer *writer;
    char *folder;              /* temporary */
    aci_export_scheme scheme;
    int32_t group;             /* of the packed schemes */
    int bfloat;
    listed *list;              /* [n] */
    aci_safetensor *entries;   /* [n] */
    size_t n;
    float *values;             /* [widest row] */
    int8_t *codes;
    float *scales;
    uint8_t *packed;
    uint64_t n_done, n_total, n_told; /* values */
} folder_export;

/* ---- types --------------------------------------------------------------- */

static int32_t most_bits(const folder_export *e)
{
    return e->scheme == ACI_EXPORT_DENSE    ? 32
           : e->scheme == ACI_EXPORT_W4A16 ? 4 : 8;
}

static ac_status check_bits(const folder_export *e, const char *name,
                            ac_error *error)
{
    const aci_variant *variant = e->work->variant;
    int32_t most = most_bits(e);

    if (variant->weight_bits <= most)
        return AC_OK;
    return aci_platform_fail(error, AC_E_UNSUPPORTED,
                             "%s has weights of %d bits, more than %s holds; "
                             "export int%d instead", variant->name,
                             (int)variant->weight_bits, name, (int)most);
}

static ac_status choose_type(folder_export *e, ac_error *error)
{
    static const struct {
        const char *name;
        aci_export_scheme scheme;
        int bfloat;
    } types[] = {
        { "bf16", ACI_EXPORT_DENSE, 1 },  { "f16", ACI_EXPORT_DENSE, 0 },
        { "w4a16", ACI_EXPORT_W4A16, 0 }, { "w8a16", ACI_EXPORT_W8A16, 0 },
        { "w8a8", ACI_EXPORT_W8A8, 0 },
    };
    const aci_variant *variant = e->work->variant;
    const char *name = e->work->options->type;
    size_t i = 0;

    if (name == NULL)
        name = variant->weight_bits > 8          ? "bf16"
               : variant->weight_bits == 4       ? "w4a16"
               : variant->activation_bits == 8   ? "w8a8"
                                                 : "w8a16";
    while (i < 5 && strcmp(types[i].name, name) != 0)
        i++;
    if (i == 5)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "type \"%.40s\" was none of "
                                 "compressed-tensors' bf16, f16, w4a16, "
                                 "w8a16, w8a8", name);
    e->scheme = types[i].scheme;
    e->bfloat = types[i].bfloat;
    return check_bits(e, name, error);
}

/* ---- what is in the file ------------------------------------------------- */

static int is_linear(const folder_export *e, const aci_tensor *tensor)
{
    return e->scheme != ACI_EXPORT_DENSE && tensor->is_matrix &&
           tensor->layer >= 0;
}

static uint64_t words(const folder_export *e, int32_t n_in)
{
    uint64_t bits = e->scheme == ACI_EXPORT_W4A16 ? 4 : 8;

    return ((uint64_t)n_in * bits + 31) / 32;
}

static uint64_t n_groups(const folder_export *e, int32_t n_in)
{
    return e->scheme == ACI_EXPORT_W8A8
               ? 1 : (uint64_t)(n_in / e->group);
}

/* Type, shape and length of one part. */
static void describe(aci_safetensor *out, const folder_export *e,
                     const listed *l)
{
    const aci_tensor *t = &l->from->tensor;
    size_t element = 2;

    out->name = l->name;
    out->n_dimensions = t->is_matrix ? 2 : 1;
    out->dimensions[0] = (uint64_t)(t->is_matrix ? t->n_out : t->n_in);
    out->dimensions[1] = (uint64_t)t->n_in;
    out->type = e->bfloat ? "BF16" : "F16";
    if (l->part == CODES && e->scheme == ACI_EXPORT_W8A8) {
        out->type = "I8";
        element = 1;
    } else if (l->part == CODES) {
        out->type = "I32";
        out->dimensions[1] = words(e, t->n_in);
        element = 4;
    } else if (l->part == SCALES) {
        out->dimensions[1] = n_groups(e, t->n_in);
        if (e->scheme == ACI_EXPORT_W8A8) {
            out->type = "F32";
            element = 4;
        }
    } else if (l->part == SHAPE) {
        out->type = "I64";
        out->n_dimensions = 1;
        out->dimensions[0] = 2;
        element = 8;
    }
    out->n_bytes = element * (size_t)out->dimensions[0];
    if (out->n_dimensions == 2)
        out->n_bytes *= (size_t)out->dimensions[1];
}

static void add(folder_export *e, const aci_export_tensor *from, part which,
                const char *suffix)
{
    const aci_tensor *tensor = &from->tensor;
    listed *l = &e->list[e->n];
    char name[ACI_FILE_NAME_BYTES];
    size_t n;

    aci_model_tensor_name_hf(name, tensor);
    n = strlen(name);
    memcpy(l->name, name, n);
    memcpy(l->name + n, suffix, strlen(suffix) + 1);
    l->from = from;
    l->part = which;
    describe(&e->entries[e->n], e, l);
    e->n++;
    if (which == CODES || which == VALUES)
        e->n_total += (uint64_t)tensor->n_out * (uint64_t)tensor->n_in;
}

/* Matrices that a variant owns may be of more bits than the rest. */
static ac_status check_matrix(const folder_export *e,
                              const aci_export_tensor *from, ac_error *error)
{
    if (from->bits > most_bits(e))
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "%s of %s has %d bits of its own, more "
            "than the others; export bf16 or w8a8", from->tensor.name,
            e->work->variant->name, (int)from->bits);
    if (e->scheme != ACI_EXPORT_W8A8 && from->tensor.n_in % e->group != 0)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED,
            "%s has rows of %d values and scales for groups of %d, of which "
            "not even those of %d divide them; export w8a8 or bf16",
            from->tensor.name, (int)from->tensor.n_in,
            (int)e->work->model->group, (int)LEAST_GROUP);
    return AC_OK;
}

/* The zoo's group, or a half or a quarter of it, with each scale as often:
 * whatever divides the rows that a cut leaves. */
static int32_t choose_group(const folder_export *e)
{
    int32_t group = e->work->model->group;

    for (size_t i = 0; i < e->work->n_tensors; i++) {
        const aci_tensor *tensor = &e->work->tensors[i].tensor;

        while (is_linear(e, tensor) && group > LEAST_GROUP &&
               tensor->n_in % group != 0)
            group /= 2;
    }
    return group;
}

static ac_status list_tensors(folder_export *e, ac_error *error)
{
    int packed = e->scheme != ACI_EXPORT_W8A8;

    e->group = choose_group(e);
    for (size_t i = 0; i < e->work->n_tensors; i++) {
        const aci_export_tensor *from = &e->work->tensors[i];
        ac_status status;

        if (!is_linear(e, &from->tensor)) {
            add(e, from, VALUES, "");
            continue;
        }
        status = check_matrix(e, from, error);
        if (status != AC_OK)
            return status;
        add(e, from, CODES, packed ? "_packed" : "");
        add(e, from, SCALES, "_scale");
        if (packed)
            add(e, from, SHAPE, "_shape");
    }
    e->work->report->n_tensors = e->n;
    return AC_OK;
}

static ac_status allocate(folder_export *e, ac_error *error)
{
    aci_memory *memory = e->work->memory;
    size_t n = e->work->n_tensors;
    size_t widest = aci_workshop_export_widest(e->work, 64);

    e->list = aci_platform_alloc_zeroed(memory, 3 * n, sizeof *e->list);
    e->entries = aci_platform_alloc_zeroed(memory, 3 * n,
                                           sizeof *e->entries);
    e->values = aci_platform_alloc_array(memory, widest, sizeof(float));
    e->codes = aci_platform_alloc(memory, widest);
    e->scales = aci_platform_alloc_array(memory, widest, sizeof(float));
    e->packed = aci_platform_alloc_array(memory, widest, sizeof(float));
    if (e->list == NULL || e->entries == NULL || e->values == NULL ||
        e->codes == NULL || e->scales == NULL || e->packed == NULL)
        return aci_platform_fail_memory(error, "rows");
    return AC_OK;
}

/* ---- rows ---------------------------------------------------------------- */

/* Codes and the scale of a row on a grid of its own: the largest value is
 * 127. */
static float round_row(folder_export *e, int32_t n)
{
    float most = 0.0f, scale;

    for (int32_t k = 0; k < n; k++)
        most = fmaxf(most, fabsf(e->values[k]));
    scale = most / 127.0f;
    for (int32_t k = 0; k < n; k++)
        e->codes[k] = (int8_t)(most > 0.0f
                                   ? rintf(e->values[k] * (127.0f / most))
                                   : 0.0f);
    return scale;
}

static void put_words(uint8_t *out, const int8_t *codes, int32_t n, int bits,
                      size_t n_bytes)
{
    memset(out, 0, n_bytes);
    for (int32_t k = 0; k < n; k++)
        if (bits == 4)
            out[k / 2] |= (uint8_t)((codes[k] + 8) << (k % 2 ? 4 : 0));
        else
            out[k] = (uint8_t)(codes[k] + 128);
}

static ac_status too_large(const folder_export *e, const aci_tensor *tensor,
                           int32_t row, ac_error *error)
{
    return aci_platform_fail(error, AC_E_NUMERIC,
                             "%s had a value in row %d that %s does not hold",
                             tensor->name, (int)row,
                             e->bfloat ? "bfloat16" : "float16");
}

/* One row of one part into e->packed. */
static ac_status pack_row(size_t *n_bytes, folder_export *e, const listed *l,
                          int32_t row, ac_error *error)
{
    const aci_tensor *tensor = &l->from->tensor;
    int32_t n = tensor->n_in;
    const float *values = e->values;
    size_t n_values = (size_t)n;

    if (l->part == VALUES || e->scheme == ACI_EXPORT_W8A8)
        aci_workshop_export_read(e->values, e->work, l->from, row);
    if (l->part != VALUES && e->scheme == ACI_EXPORT_W8A8) {
        float scale = round_row(e, n);

        *n_bytes = l->part == CODES ? n_values : sizeof scale;
        memcpy(e->packed, l->part == CODES ? (void *)e->codes : &scale,
               *n_bytes);
        return AC_OK;
    }
    if (l->part != VALUES)
        aci_workshop_export_row(e->codes, e->scales, l->from, row, e->group);
    if (l->part == CODES) {
        *n_bytes = 4 * (size_t)words(e, n);
        put_words(e->packed, e->codes, n,
                  e->scheme == ACI_EXPORT_W4A16 ? 4 : 8, *n_bytes);
        return AC_OK;
    }
    if (l->part == SCALES) {
        values = e->scales;
        n_values = (size_t)n_groups(e, n);
    }
    *n_bytes = 2 * n_values;
    return aci_workshop_export_halves(e->packed, values, n_values,
                                      e->bfloat) < 0
               ? AC_OK : too_large(e, tensor, row, error);
}

static ac_status tell(folder_export *e, ac_error *error)
{
    if (e->n_done - e->n_told < PROGRESS_VALUES)
        return AC_OK;
    e->n_told = e->n_done;
    return aci_workshop_export_progress(e->work, "export", e->n_done,
                                        e->n_total, error);
}

static ac_status write_part(folder_export *e, const listed *l,
                            ac_error *error)
{
    const aci_tensor *tensor = &l->from->tensor;
    ac_status status = AC_OK;

    if (l->part == SHAPE) {
        int64_t shape[2] = { tensor->n_out, tensor->n_in };

        return aci_platform_writer_append(e->writer, shape, sizeof shape,
                                          error);
    }
    for (int32_t row = 0; row < tensor->n_out && status == AC_OK; row++) {
        size_t n_bytes = 0;

        status = pack_row(&n_bytes, e, l, row, error);
        if (status == AC_OK)
            status = aci_platform_writer_append(e->writer, e->packed, n_bytes,
                                                error);
        if (l->part != SCALES)
            e->n_done += (uint64_t)tensor->n_in;
        if (status == AC_OK)
            status = tell(e, error);
    }
    return status;
}

/* ---- files --------------------------------------------------------------- */

static ac_status write_weights(folder_export *e, ac_error *error)
{
    aci_memory *memory = e->work->memory;
    char *path = aci_platform_join(memory, e->folder, "model.safetensors");
    ac_status status = AC_OK;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_platform_writer_open(&e->writer, memory, path, error);
    aci_platform_free(memory, path);
    if (status == AC_OK)
        status = aci_model_safetensors_begin(e->writer, memory, e->entries,
                                             e->n, error);
    for (size_t i = 0; i < e->n && status == AC_OK; i++)
        status = write_part(e, &e->list[i], error);
    if (status == AC_OK)
        status = aci_workshop_export_progress(e->work, "export", e->n_total,
                                              e->n_total, error);
    if (status == AC_OK) {
        e->work->report->n_bytes += aci_platform_writer_offset(e->writer);
        status = aci_platform_writer_commit(e->writer, error);
        if (status == AC_OK)
            e->writer = NULL;
    }
    aci_platform_writer_abandon(e->writer);
    return status;
}

static ac_status write_marker(const folder_export *e, ac_error *error)
{
    const aci_export *work = e->work;

    return aci_workshop_export_json(
        work, e->folder, MARKER,
        json_pack("{s:s, s:s, s:s}", "made_by", "agentcompress "
                  AC_VERSION_STRING, "model", work->model->shape.name,
                  "variant", work->variant->name), error);
}

static ac_status fill(folder_export *e, ac_error *error)
{
    ac_status status = allocate(e, error);

    if (status == AC_OK)
        status = list_tensors(e, error);
    if (status == AC_OK)
        status = aci_workshop_export_config(e->work, e->folder, e->scheme,
                                            e->group, e->bfloat, error);
    if (status == AC_OK)
        status = aci_tokenizer_write_json(e->work->tokenizer, e->work->memory,
                                          e->folder, error);
    if (status == AC_OK)
        status = write_marker(e, error);
    return status == AC_OK ? write_weights(e, error) : status;
}

/* Only an earlier export is written over, never somebody's other directory. */
static ac_status check_place(const aci_export *work, ac_error *error)
{
    char *marker;
    int is_ours;

    if (!work->options->overwrite || !aci_platform_is_directory(work->out))
        return AC_OK;
    marker = aci_platform_join(work->memory, work->out, MARKER);
    if (marker == NULL)
        return aci_platform_fail_memory(error, "a path");
    is_ours = aci_platform_is_file(marker);
    aci_platform_free(work->memory, marker);
    return is_ours ? AC_OK
                   : aci_platform_fail(error, AC_E_ARGUMENT,
                                       "%s is no export and was left alone",
                                       work->out);
}

static void note_target(const folder_export *e)
{
    const aci_variant *variant = e->work->variant;

    if (e->scheme == ACI_EXPORT_W4A16 && variant->activation_bits == 8)
        aci_workshop_export_note(
            e->work, "%s has activations of 8 bits; as W4A16 they are 16 bits "
            "wide", variant->name);
    if (e->scheme != ACI_EXPORT_DENSE && variant->head_bits < 8)
        aci_workshop_export_note(
            e->work, "the head's weights of %d bits are written as float16: "
            "as good, but not as small", (int)variant->head_bits);
}

ac_status aci_workshop_export_folder(aci_export *work, ac_error *error)
{
    aci_memory *memory = work->memory;
    folder_export e = { .work = work };
    ac_status status = check_place(work, error);

    if (status == AC_OK)
        status = choose_type(&e, error);
    if (status == AC_OK)
        status = aci_workshop_export_folder_plan(work, error);
    if (status == AC_OK)
        status = aci_platform_folder_begin(&e.folder, memory, work->out,
                                           work->options->overwrite != 0,
                                           error);
    if (status == AC_OK) {
        note_target(&e);
        status = fill(&e, error);
    }
    aci_platform_free(memory, e.packed);
    aci_platform_free(memory, e.scales);
    aci_platform_free(memory, e.codes);
    aci_platform_free(memory, e.values);
    aci_platform_free(memory, e.entries);
    aci_platform_free(memory, e.list);
    if (status == AC_OK)
        status = aci_workshop_export_check(work, e.folder, error);
    if (status == AC_OK)
        status = aci_platform_folder_commit(memory, e.folder, work->out,
                                            error);
    if (status != AC_OK)
        aci_platform_folder_abandon(memory, e.folder);
    return status;
}
