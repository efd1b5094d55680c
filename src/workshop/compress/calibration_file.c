/* calibration_file.c - a calibration on disk.
 *
 *     | header | layer 0: qkv o gate_up down, cosines | layer 1 ... | head |
 *     input: mean [n], largest [n], lower triangle of H [n (n + 1) / 2]
 *
 * All float32, each part on a multiple of 64. Every offset follows from the
 * header's widths; a reader computes the size and refuses any other. float32
 * keeps H to 6e-8, far below what another text would change in it. */
#include <stdio.h>
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "workshop/compress/calibration.h"

enum { VERSION = 1, HEADER_BYTES = 128, ALIGNMENT = 64 };
#define ENDIAN_MARK 0x01020304u

static const char magic[8] = "ACCALIBR";

/* As it lies in the file. */
typedef struct header {
    char magic[8];
    uint32_t version, endian_mark;
    uint64_t file_bytes;
    uint64_t model_checksum, data_checksum, n_tokens;
    int32_t n_layer, width[ACI_N_INPUTS];
    uint8_t reserved[40];
    uint64_t body_checksum;
    uint64_t header_checksum; /* of the bytes before it */
} header;

_Static_assert(sizeof(header) == HEADER_BYTES, "a header is 128 bytes");

struct aci_calibration_writer {
    aci_memory *memory;
    aci_writer *file;
    aci_checksum sum;
    header header;
    uint64_t at;
};

/* ---- places -------------------------------------------------------------- */

static uint64_t padded(uint64_t n_floats)
{
    uint64_t mask = ALIGNMENT - 1;

    return (n_floats * sizeof(float) + mask) & ~mask;
}

static uint64_t triangle(int32_t n)
{
    return (uint64_t)n * ((uint64_t)n + 1) / 2;
}

static uint64_t input_bytes(int32_t n)
{
    return 2 * padded((uint64_t)n) + padded(triangle(n));
}

static uint64_t layer_bytes(const int32_t *width)
{
    uint64_t bytes = padded(2);

    for (int i = 0; i < ACI_N_LAYER_INPUTS; i++)
        bytes += input_bytes(width[i]);
    return bytes;
}

static uint64_t place_of(const int32_t *width, int32_t layer, int32_t input)
{
    uint64_t at = HEADER_BYTES + (uint64_t)layer * layer_bytes(width);

    /* The head's input stands where another layer's would begin. */
    for (int i = 0; i < input && input != ACI_INPUT_HEAD; i++)
        at += input_bytes(width[i]);
    return at;
}

static uint64_t file_bytes(const int32_t *width, int32_t n_layer)
{
    return place_of(width, n_layer, ACI_INPUT_HEAD) +
           input_bytes(width[ACI_INPUT_HEAD]);
}

void aci_workshop_calibration_shape(aci_calibration *out,
                                    const aci_shape *shape)
{
    out->n_layer = shape->n_layer;
    out->width[ACI_INPUT_QKV] = shape->n_embd;
    out->width[ACI_INPUT_O] = shape->n_head * shape->head_dim;
    out->width[ACI_INPUT_GATE_UP] = shape->n_embd;
    out->width[ACI_INPUT_DOWN] = shape->n_ff;
    out->width[ACI_INPUT_HEAD] = shape->n_embd;
}

/* ---- reading ------------------------------------------------------------- */

static ac_status check(const aci_calibration *c, const header *h,
                       const char *path, ac_error *error)
{
    const uint8_t *data = c->file.data;
    aci_calibration wanted = *c;

    if (h->version != VERSION || h->endian_mark != ENDIAN_MARK)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%s was made by another version or on "
                                 "another kind of machine", path);
    if (aci_platform_checksum(h, offsetof(header, header_checksum), 0) !=
        h->header_checksum)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the header of %s was damaged", path);
    if (h->n_layer != wanted.n_layer ||
        memcmp(h->width, wanted.width, sizeof h->width) != 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s was made from a model of another shape",
                                 path);
    if (h->file_bytes != c->file.size ||
        h->file_bytes != file_bytes(h->width, h->n_layer))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s had %zu bytes, not %llu", path,
                                 c->file.size,
                                 (unsigned long long)file_bytes(h->width,
                                                                h->n_layer));
    if (h->n_tokens == 0 ||
        aci_platform_checksum(data + HEADER_BYTES,
                              c->file.size - HEADER_BYTES, 0) !=
            h->body_checksum)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "the statistics in %s were damaged", path);
    return AC_OK;
}

static ac_status take(aci_calibration *c, const char *path, ac_error *error)
{
    header h;
    ac_status status;

    if (c->file.size < HEADER_BYTES ||
        memcmp(c->file.data, magic, sizeof magic) != 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s is no calibration", path);
    memcpy(&h, c->file.data, sizeof h);
    status = check(c, &h, path, error);
    c->model_checksum = h.model_checksum;
    c->data_checksum = h.data_checksum;
    c->n_tokens = h.n_tokens;
    return status;
}

ac_status aci_workshop_calibration_open(aci_calibration **out,
                                        aci_memory *memory, const char *path,
                                        const aci_shape *shape,
                                        ac_error *error)
{
    aci_calibration *c = aci_platform_alloc_zeroed(memory, 1, sizeof *c);
    ac_status status;

    *out = NULL;
    if (c == NULL)
        return aci_platform_fail_memory(error, "a calibration");
    c->memory = memory;
    aci_workshop_calibration_shape(c, shape);
    status = aci_platform_map(&c->file, path, error);
    if (status == AC_OK)
        status = take(c, path, error);
    if (status == AC_OK)
        *out = c;
    else
        aci_workshop_calibration_close(c);
    return status;
}

void aci_workshop_calibration_close(aci_calibration *calibration)
{
    if (calibration == NULL)
        return;
    aci_platform_unmap(&calibration->file);
    aci_platform_free(calibration->memory, calibration);
}

void aci_workshop_calibration_input(aci_input_statistics *out,
                                    const aci_calibration *calibration,
                                    int32_t layer, int32_t input)
{
    const uint8_t *at = calibration->file.data +
                        place_of(calibration->width, layer, input);

    out->n = calibration->width[input];
    out->mean = (const float *)(const void *)at;
    at += padded((uint64_t)out->n);
    out->largest = (const float *)(const void *)at;
    at += padded((uint64_t)out->n);
    out->moments = (const float *)(const void *)at;
}

void aci_workshop_calibration_moments(double *out,
                                      const aci_input_statistics *input)
{
    const float *from = input->moments;
    size_t n = (size_t)input->n;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            out[i * n + j] = out[j * n + i] = (double)*from++;
}

void aci_workshop_calibration_cosines(double *attention, double *feed_forward,
                                      const aci_calibration *calibration,
                                      int32_t layer)
{
    float pair[2];
    uint64_t at = place_of(calibration->width, layer + 1, 0) - padded(2);

    memcpy(pair, calibration->file.data + at, sizeof pair);
    *attention = (double)pair[0];
    *feed_forward = (double)pair[1];
}

/* ---- writing ------------------------------------------------------------- */

ac_status aci_workshop_calibration_writer_open(aci_calibration_writer **out,
                                               aci_memory *memory,
                                               const char *path,
                                               const aci_calibration *start,
                                               ac_error *error)
{
    aci_calibration_writer *writer = aci_platform_alloc_zeroed(
        memory, 1, sizeof *writer);
    header *h;
    ac_status status;

    *out = NULL;
    if (writer == NULL)
        return aci_platform_fail_memory(error, "a calibration's writer");
    writer->memory = memory;
    writer->at = HEADER_BYTES;
    aci_platform_checksum_begin(&writer->sum, 0);
    h = &writer->header;
    memcpy(h->magic, magic, sizeof magic);
    h->version = VERSION;
    h->endian_mark = ENDIAN_MARK;
    h->model_checksum = start->model_checksum;
    h->data_checksum = start->data_checksum;
    h->n_tokens = start->n_tokens;
    h->n_layer = start->n_layer;
    memcpy(h->width, start->width, sizeof h->width);
    h->file_bytes = file_bytes(h->width, h->n_layer);
    status = aci_platform_writer_open(&writer->file, memory, path, error);
    if (status == AC_OK)
        status = aci_platform_writer_extend(writer->file, h->file_bytes,
                                            error);
    if (status == AC_OK)
        *out = writer;
    else
        aci_workshop_calibration_abandon(writer);
    return status;
}

/* Values, then zeros up to the next multiple of 64. */
static ac_status put(aci_calibration_writer *writer, const float *values,
                     uint64_t n, ac_error *error)
{
    static const uint8_t zeros[ALIGNMENT];
    size_t bytes = (size_t)n * sizeof *values;
    size_t rest = (size_t)padded(n) - bytes;
    ac_status status = aci_platform_writer_patch(writer->file, writer->at,
                                                 values, bytes, error);

    if (status == AC_OK && rest > 0)
        status = aci_platform_writer_patch(writer->file, writer->at + bytes,
                                           zeros, rest, error);
    aci_platform_checksum_add(&writer->sum, values, bytes);
    aci_platform_checksum_add(&writer->sum, zeros, rest);
    writer->at += padded(n);
    return status;
}

ac_status aci_workshop_calibration_write_input(
    aci_calibration_writer *writer, const aci_input_statistics *input,
    ac_error *error)
{
    ac_status status = put(writer, input->mean, (uint64_t)input->n, error);

    if (status == AC_OK)
        status = put(writer, input->largest, (uint64_t)input->n, error);
    if (status == AC_OK)
        status = put(writer, input->moments, triangle(input->n), error);
    return status;
}

ac_status aci_workshop_calibration_write_cosines(
    aci_calibration_writer *writer, double attention, double feed_forward,
    ac_error *error)
{
    float pair[2] = { (float)attention, (float)feed_forward };

    return put(writer, pair, 2, error);
}

ac_status aci_workshop_calibration_commit(aci_calibration_writer *writer,
                                          ac_error *error)
{
    header *h = &writer->header;
    ac_status status;

    if (writer->at != h->file_bytes)
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "a calibration ended early");
    h->body_checksum = aci_platform_checksum_end(&writer->sum);
    h->header_checksum = aci_platform_checksum(
        h, offsetof(header, header_checksum), 0);
    status = aci_platform_writer_patch(writer->file, 0, h, sizeof *h, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(writer->file, error);
    if (status != AC_OK)
        return status;
    aci_platform_free(writer->memory, writer);
    return AC_OK;
}

void aci_workshop_calibration_abandon(aci_calibration_writer *writer)
{
    if (writer == NULL)
        return;
    aci_platform_writer_abandon(writer->file);
    aci_platform_free(writer->memory, writer);
}

/* ---- names --------------------------------------------------------------- */

int aci_workshop_calibration_of(int32_t *layer, int32_t *input,
                                const aci_tensor *tensor,
                                const aci_shape *shape)
{
    static const struct {
        const char *name;
        int32_t input;
    } matrices[] = {
        { "q", ACI_INPUT_QKV },        { "k", ACI_INPUT_QKV },
        { "v", ACI_INPUT_QKV },        { "o", ACI_INPUT_O },
        { "gate", ACI_INPUT_GATE_UP }, { "up", ACI_INPUT_GATE_UP },
        { "down", ACI_INPUT_DOWN },
    };
    const char *dot = strchr(tensor->name, '.');

    *layer = tensor->layer;
    if (!tensor->is_matrix)
        return 0;
    if (tensor->layer < 0) {
        *layer = shape->n_layer;
        *input = ACI_INPUT_HEAD;
        return strcmp(tensor->name, "head") == 0 || shape->tied_embeddings;
    }
    for (size_t i = 0; dot != NULL && i < sizeof matrices / sizeof *matrices;
         i++)
        if (strcmp(dot + 1, matrices[i].name) == 0) {
            *input = matrices[i].input;
            return 1;
        }
    return 0;
}

void aci_workshop_calibration_name(char out[64], int32_t layer, int32_t input,
                                   int32_t n_layer)
{
    static const char *const names[] = { "q, k and v", "o", "gate and up",
                                         "down" };

    if (layer == n_layer)
        snprintf(out, 64, "the input of the head");
    else
        snprintf(out, 64, "layer %d, the input of %s", (int)layer,
                 names[input]);
}
