/* export_gguf.c - a variant as a GGUF file for llama.cpp.
 *
 *     int4   Q4_0   value d * (q - 8), d our scale and q our code: exact
 *     int8   Q8_0   value d * c, d our s / D rounded to float16: a weight moves
 *                   by at most 2^-11 of itself
 *     full   F16, BF16 or F32
 *
 * A block has 32 values and our groups 32, 64 or 128, so a scale is repeated.
 * Norms and biases are F32, as llama.cpp wants them. Architecture llama keeps
 * the rows of q and k by rotary pairs. */
#include <math.h>
#include <string.h>

#include "model/ggml_types.h"
#include "model/gguf_write.h"
#include "model/tensor_list.h"
#include "model/tensor_names.h"
#include "platform/error.h"
#include "platform/half.h"
#include "workshop/compress/export_gguf_metadata.h"

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q8_0 = 8, BF16 = 30 };
enum { BLOCK = 32 };
#define ROPE_TABLE "rope_freqs.weight"
/* Rows are gathered to about this much between two words on progress. */
#define PROGRESS_VALUES (UINT64_C(1) << 18)

typedef struct gguf_export {
    aci_export *work;
    aci_writer *writer;
    uint32_t asked;            /* a type, or AUTOMATIC */
    float *values;             /* [widest row] */
    int8_t *codes;             /* [padded] */
    float *scales;             /* [groups of it] */
    uint8_t *packed;           /* one row as the file has it */
    uint64_t n_done, n_total, n_told; /* values */
} gguf_export;

#define AUTOMATIC UINT32_MAX

static ac_status read_type(uint32_t *out, const char *name,
                           const aci_variant *variant, ac_error *error)
{
    static const struct {
        const char *name;
        uint32_t type;
    } types[] = { { "f32", F32 }, { "f16", F16 }, { "bf16", BF16 },
                  { "q8_0", Q8_0 }, { "q4_0", Q4_0 } };
    size_t i = 0;

    *out = AUTOMATIC;
    if (name == NULL)
        return AC_OK;
    while (i < 5 && strcmp(types[i].name, name) != 0)
        i++;
    if (i == 5)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "type \"%.40s\" was none of GGUF's f32, f16, "
                                 "bf16, q8_0, q4_0", name);
    *out = types[i].type;
    if ((*out == Q8_0 && variant->weight_bits > 8) ||
        (*out == Q4_0 && variant->weight_bits != 4))
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "%s has weights of %d bits, more than "
            "%s holds; export int%c instead", variant->name,
            (int)variant->weight_bits, name, *out == Q8_0 ? '8' : '4');
    return AC_OK;
}

/* The type of a tensor: what was asked for where it holds the variant's
 * weights, else the smallest that does. */
static uint32_t type_of(const gguf_export *e, const aci_export_tensor *tensor)
{
    int32_t bits = tensor->bits;

    if (!tensor->tensor.is_matrix)
        return F32;
    if (e->asked == F32 || e->asked == F16 || e->asked == BF16)
        return e->asked;
    if (bits > 8)
        return F16;
    return bits == 4 && e->asked != Q8_0 ? Q4_0 : Q8_0;
}

/* general.file_type, which is only for people. */
static uint32_t file_type(const gguf_export *e)
{
    const aci_export_tensor tensor = {
        .tensor.is_matrix = 1, .bits = e->work->variant->weight_bits
    };

    switch (type_of(e, &tensor)) {
    case F32:
        return 0;
    case Q4_0:
        return 2;
    case Q8_0:
        return 7;
    case BF16:
        return 32;
    default:
        return 1;
    }
}

/* ---- one row ------------------------------------------------------------- */

static void put_half(uint8_t *out, uint16_t half)
{
    out[0] = (uint8_t)half;
    out[1] = (uint8_t)(half >> 8);
}

/* d, nibbles[16]: low ones are values 0 to 15, high ones 16 to 31 */
static void pack_q4_0(uint8_t *out, const int8_t *codes, float scale)
{
    put_half(out, aci_platform_f16_from_f32(scale));
    for (int i = 0; i < BLOCK / 2; i++)
        out[2 + i] = (uint8_t)((codes[i] + 8) |
                               (codes[i + BLOCK / 2] + 8) << 4);
}

/* d, int8[32]. Where rounding moves d far (it is subnormal), other codes are
 * nearer. */
static void pack_q8_0(uint8_t *out, const int8_t *codes, float scale)
{
    uint16_t half = aci_platform_f16_from_f32(scale);
    float d = aci_platform_f32_from_f16(half);
    float ratio = d != 0.0f ? scale / d : 0.0f;

    put_half(out, half);
    for (int i = 0; i < BLOCK; i++) {
        float code = rintf((float)codes[i] * ratio);

        code = code > 127.0f ? 127.0f : code < -127.0f ? -127.0f : code;
        out[2 + i] = (uint8_t)(int8_t)code;
    }
}

static void pack_blocks(gguf_export *e, const aci_export_tensor *tensor,
                        int32_t row, uint32_t type)
{
    uint8_t *out = e->packed;

    aci_workshop_export_row(e->codes, e->scales, tensor, row, BLOCK);
    for (int32_t b = 0; b < tensor->tensor.n_in / BLOCK; b++) {
        if (type == Q4_0)
            pack_q4_0(out, e->codes + b * BLOCK, e->scales[b]);
        else
            pack_q8_0(out, e->codes + b * BLOCK, e->scales[b]);
        out += type == Q4_0 ? 18 : 34;
    }
}

static ac_status pack_values(gguf_export *e, const aci_export_tensor *from,
                             int32_t row, uint32_t type, ac_error *error)
{
    const aci_tensor *tensor = &from->tensor;
    size_t n = (size_t)tensor->n_in;
    int64_t bad;

    aci_workshop_export_read(e->values, e->work, from, row);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(e->values[i]))
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "%s was not finite in row %d, column "
                                     "%zu", tensor->name, (int)row, i);
    if (type == F32) {
        memcpy(e->packed, e->values, n * sizeof(float));
        return AC_OK;
    }
    bad = aci_workshop_export_halves(e->packed, e->values, n, type == BF16);
    if (bad >= 0)
        return aci_platform_fail(
            error, AC_E_NUMERIC, "%s had %g in row %d, more than %s holds; "
            "export with type f32", tensor->name, (double)e->values[bad],
            (int)row, type == BF16 ? "bfloat16" : "float16");
    return AC_OK;
}

/* ---- tensors ------------------------------------------------------------- */

/* Whether the file keeps these rows by rotary pairs. */
static int is_paired(const gguf_export *e, const aci_tensor *tensor)
{
    return aci_workshop_export_gguf_pairs(e->work) && tensor->layer >= 0 &&
           (tensor->row == ACI_ROW_Q || tensor->row == ACI_ROW_K ||
            tensor->row == ACI_ROW_Q_BIAS || tensor->row == ACI_ROW_K_BIAS);
}

/* Row of ours that the file has at `row`: (pair, half) there, (half, pair)
 * here. */
static int32_t our_row(int32_t row, int32_t head_dim)
{
    int32_t within = row % head_dim, half = head_dim / 2;

    return row - within + within % 2 * half + within / 2;
}

static ac_status tell(gguf_export *e, ac_error *error)
{
    if (e->n_done - e->n_told < PROGRESS_VALUES)
        return AC_OK;
    e->n_told = e->n_done;
    return aci_workshop_export_progress(e->work, "export", e->n_done,
                                        e->n_total, error);
}

static ac_status write_matrix(gguf_export *e, const aci_export_tensor *from,
                              ac_error *error)
{
    const aci_tensor *tensor = &from->tensor;
    uint32_t type = type_of(e, from);
    const aci_ggml_type *format = aci_model_ggml_type(type);
    size_t row_bytes = (size_t)tensor->n_in / format->block_elements *
                       format->block_bytes;
    int paired = is_paired(e, tensor);
    ac_status status = AC_OK;

    for (int32_t i = 0; i < tensor->n_out && status == AC_OK; i++) {
        int32_t row = paired ? our_row(i, e->work->shape.head_dim) : i;

        if (type == Q4_0 || type == Q8_0)
            pack_blocks(e, from, row, type);
        else
            status = pack_values(e, from, row, type, error);
        if (status == AC_OK)
            status = aci_platform_writer_append(e->writer, e->packed,
                                                row_bytes, error);
        e->n_done += (uint64_t)tensor->n_in;
        if (status == AC_OK)
            status = tell(e, error);
    }
    return status;
}

static ac_status write_vector(gguf_export *e, const aci_export_tensor *from,
                              ac_error *error)
{
    int32_t n = from->tensor.n_in, head_dim = e->work->shape.head_dim;
    ac_status status = pack_values(e, from, 0, F32, error);

    if (status == AC_OK && is_paired(e, &from->tensor))
        for (int32_t i = 0; i < n; i++)
            memcpy(e->packed + sizeof(float) * (size_t)i,
                   &e->values[our_row(i, head_dim)], sizeof(float));
    e->n_done += (uint64_t)n;
    return status != AC_OK
               ? status
               : aci_platform_writer_append(e->writer, e->packed,
                                            sizeof(float) * (size_t)n, error);
}

/* Llama 3's scaling: what every frequency is divided by. */
static ac_status write_rope_table(gguf_export *e, ac_error *error)
{
    const aci_shape *shape = &e->work->shape;
    aci_shape plain = *shape;
    size_t n = (size_t)shape->head_dim / 2;
    float magnitude, *without = e->values, *with = e->values + n;

    if (shape->rope_scaling != ACI_ROPE_LLAMA3)
        return AC_OK;
    plain.rope_scaling = ACI_ROPE_NONE;
    aci_model_rope_frequencies(without, &magnitude, &plain, 1);
    aci_model_rope_frequencies(with, &magnitude, shape, 1);
    for (size_t i = 0; i < n; i++)
        without[i] /= with[i];
    return aci_platform_writer_append(e->writer, without, n * sizeof(float),
                                      error);
}

static ac_status write_tensors(gguf_export *e, ac_error *error)
{
    const aci_export *work = e->work;
    ac_status status = AC_OK;

    for (size_t i = 0; i < work->n_tensors && status == AC_OK; i++) {
        const aci_export_tensor *from = &work->tensors[i];

        status = from->tensor.is_matrix ? write_matrix(e, from, error)
                                        : write_vector(e, from, error);
        if (status == AC_OK)
            status = aci_platform_writer_align(e->writer, ACI_GGUF_ALIGNMENT,
                                               error);
    }
    if (status == AC_OK)
        status = write_rope_table(e, error);
    if (status == AC_OK)
        status = aci_workshop_export_progress(e->work, "export", e->n_total,
                                              e->n_total, error);
    return status;
}

/* ---- the file ------------------------------------------------------------ */

static ac_status list_tensors(aci_gguf_draft *draft, gguf_export *e,
                              ac_error *error)
{
    const aci_shape *shape = &e->work->shape;

    for (size_t i = 0; i < e->work->n_tensors; i++) {
        const aci_tensor *tensor = &e->work->tensors[i].tensor;
        uint32_t type = type_of(e, &e->work->tensors[i]);
        char name[ACI_FILE_NAME_BYTES];

        aci_model_tensor_name_gguf(name, tensor);
        if ((type == Q4_0 || type == Q8_0) && tensor->n_in % BLOCK != 0)
            return aci_platform_fail(
                error, AC_E_UNSUPPORTED,
                "%s has rows of %d values and %s takes blocks of %d; export "
                "with type f16", name, (int)tensor->n_in,
                aci_model_ggml_type(type)->name, BLOCK);
        aci_model_gguf_list_tensor(
            draft, name, type, (uint64_t)tensor->n_in,
            tensor->is_matrix ? (uint64_t)tensor->n_out : 0);
        e->n_total += (uint64_t)tensor->n_out * (uint64_t)tensor->n_in;
    }
    if (shape->rope_scaling == ACI_ROPE_LLAMA3)
        aci_model_gguf_list_tensor(draft, ROPE_TABLE, F32,
                                   (uint64_t)shape->head_dim / 2, 0);
    e->work->report->n_tensors = draft->n_tensors;
    return AC_OK;
}

static ac_status allocate(gguf_export *e, ac_error *error)
{
    aci_memory *memory = e->work->memory;
    size_t widest = aci_workshop_export_widest(e->work, 512);

    e->values = aci_platform_alloc_array(memory, widest, sizeof(float));
    e->codes = aci_platform_alloc(memory, widest);
    e->scales = aci_platform_alloc_array(memory, widest / BLOCK,
                                         sizeof(float));
    e->packed = aci_platform_alloc_array(memory, widest, sizeof(float));
    if (e->values == NULL || e->codes == NULL || e->scales == NULL ||
        e->packed == NULL)
        return aci_platform_fail_memory(error, "rows");
    return AC_OK;
}

static ac_status write_file(gguf_export *e, ac_error *error)
{
    aci_gguf_draft draft;
    ac_status status;

    aci_model_gguf_draft_init(&draft, e->work->memory);
    aci_workshop_export_gguf_shape(&draft, e->work, file_type(e));
    status = aci_workshop_export_gguf_vocabulary(&draft, e->work, error);
    if (status == AC_OK)
        status = list_tensors(&draft, e, error);
    if (status == AC_OK)
        status = allocate(e, error);
    if (status == AC_OK)
        status = aci_model_gguf_write_header(e->writer, &draft, error);
    aci_model_gguf_draft_free(&draft);
    if (status == AC_OK)
        status = write_tensors(e, error);
    if (status == AC_OK)
        status = aci_platform_writer_flush(e->writer, error);
    e->work->report->n_bytes = aci_platform_writer_offset(e->writer);
    return status;
}

/* Only another GGUF file is written over, and only when that was asked for. */
static ac_status check_place(const aci_export *work, ac_error *error)
{
    aci_mapping mapping;
    int is_gguf;
    ac_status status;

    if (aci_platform_is_directory(work->out))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s is a directory, GGUF is one file",
                                 work->out);
    if (!aci_platform_is_file(work->out))
        return AC_OK;
    if (!work->options->overwrite)
        return aci_platform_fail(error, AC_E_ARGUMENT, "%s exists already",
                                 work->out);
    status = aci_platform_map(&mapping, work->out, error);
    if (status != AC_OK)
        return status;
    is_gguf = mapping.size >= 4 && memcmp(mapping.data, "GGUF", 4) == 0;
    aci_platform_unmap(&mapping);
    return is_gguf ? AC_OK
                   : aci_platform_fail(error, AC_E_ARGUMENT,
                                       "%s is no GGUF file and was left "
                                       "alone", work->out);
}

ac_status aci_workshop_export_gguf(aci_export *work, ac_error *error)
{
    aci_memory *memory = work->memory;
    gguf_export e = { .work = work };
    ac_status status = check_place(work, error);

    if (status == AC_OK)
        status = read_type(&e.asked, work->options->type, work->variant,
                           error);
    if (status == AC_OK)
        status = aci_workshop_export_gguf_plan(work, error);
    if (status == AC_OK)
        status = aci_platform_writer_open(&e.writer, memory, work->out, error);
    if (status == AC_OK)
        status = write_file(&e, error);
    aci_platform_free(memory, e.packed);
    aci_platform_free(memory, e.scales);
    aci_platform_free(memory, e.codes);
    aci_platform_free(memory, e.values);
    if (status == AC_OK)
        status = aci_workshop_export_check(
            work, aci_platform_writer_temporary(e.writer), error);
    if (status == AC_OK) {
        status = aci_platform_writer_commit(e.writer, error);
        if (status == AC_OK)
            e.writer = NULL;
    }
    aci_platform_writer_abandon(e.writer);
    return status;
}
