/* predictor_file.c - predictor.acp: writing, reading with every check, and
 * describing. The layout is in docs/formats.md.
 *
 * Nothing read is trusted: sizes are bounded before they are used, the
 * network's dimensions must be the ones compiled in, numbers must be finite,
 * names printable and different, and the file exactly as long as it says. */
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/files.h"
#include "router/predictor.h"

#define MAGIC "ACPREDIC"

enum {
    VERSION = 1,
    HEADER_BYTES = 128,
    CHECKED_FROM = 32, /* the checksum covers the file from here */
    MAX_FILE_BYTES = 32 << 20
};

/* Places in the header. */
enum {
    AT_VERSION = 8, AT_HEADER_BYTES = 12, AT_FILE_BYTES = 16,
    AT_CHECKSUM = 24, AT_TOKENS = 32, AT_WIDE = 36, AT_EMBEDDING = 40,
    AT_HEADS = 44, AT_SHAPES = 48, AT_WIDTH = 52, AT_HIDDEN = 56,
    AT_ATTENTION = 60, AT_LAYERS = 64, AT_TEMPLATES = 68, AT_FAMILIAR = 72,
    AT_NUMBERS = 76, AT_THRESHOLD = 80, AT_TRAIN = 84, AT_CALIBRATE = 88,
    AT_TEST = 92, AT_AUROC = 96, AT_BRIER = 100, AT_ECE = 104,
    AT_ZERO = 108, AT_SEED = 112, AT_ZEROS = 120
};

/* ---- Little-endian numbers ----------------------------------------------- */

static void put32(uint8_t *to, uint32_t value)
{
    int i;

    for (i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void put64(uint8_t *to, uint64_t value)
{
    put32(to, (uint32_t)value);
    put32(to + 4, (uint32_t)(value >> 32));
}

static void put_float(uint8_t *to, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    put32(to, bits);
}

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 |
           (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint64_t get64(const uint8_t *from)
{
    return get32(from) | (uint64_t)get32(from + 4) << 32;
}

static float get_float(const uint8_t *from)
{
    uint32_t bits = get32(from);
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- Writing ------------------------------------------------------------- */

static size_t file_size(const aci_predictor *p)
{
    size_t n = HEADER_BYTES + p->shape.n_heads * ACI_PREDICTOR_NAME_BYTES;
    uint32_t i;

    for (i = 0; i < p->templates.n; i++)
        n += 4 + p->templates.n_bytes[i];
    return n + ((size_t)1 << (p->familiar_log2 - 3)) + 4 * p->places.total;
}

static void fill_header(uint8_t *to, const aci_predictor *p, size_t n_bytes)
{
    memcpy(to, MAGIC, 8);
    put32(to + AT_VERSION, VERSION);
    put32(to + AT_HEADER_BYTES, HEADER_BYTES);
    put64(to + AT_FILE_BYTES, n_bytes);
    put32(to + AT_TOKENS, p->shape.n_tokens);
    put32(to + AT_WIDE, p->shape.n_wide);
    put32(to + AT_EMBEDDING, p->shape.n_embedding);
    put32(to + AT_HEADS, p->shape.n_heads);
    put32(to + AT_SHAPES, ACI_ROUTER_SHAPES);
    put32(to + AT_WIDTH, ACI_NETWORK_WIDTH);
    put32(to + AT_HIDDEN, ACI_NETWORK_HIDDEN);
    put32(to + AT_ATTENTION, ACI_NETWORK_ATTENTION);
    put32(to + AT_LAYERS, ACI_NETWORK_LAYERS);
    put32(to + AT_TEMPLATES, p->templates.n);
    put32(to + AT_FAMILIAR, p->familiar_log2);
    put32(to + AT_NUMBERS, (uint32_t)p->places.total);
    put_float(to + AT_THRESHOLD, p->max_unfamiliarity);
    put32(to + AT_TRAIN, p->record.n_train);
    put32(to + AT_CALIBRATE, p->record.n_calibrate);
    put32(to + AT_TEST, p->record.n_test);
    put_float(to + AT_AUROC, p->record.auroc);
    put_float(to + AT_BRIER, p->record.brier);
    put_float(to + AT_ECE, p->record.ece);
    put64(to + AT_SEED, p->record.seed);
}

static void fill_body(uint8_t *to, const aci_predictor *p)
{
    size_t n = (size_t)1 << (p->familiar_log2 - 3), i;
    uint32_t k;

    for (k = 0; k < p->shape.n_heads; k++) {
        memcpy(to, p->names[k], ACI_PREDICTOR_NAME_BYTES);
        to += ACI_PREDICTOR_NAME_BYTES;
    }
    for (k = 0; k < p->templates.n; k++) {
        put32(to, p->templates.n_bytes[k]);
        memcpy(to + 4, p->templates.text[k], p->templates.n_bytes[k]);
        to += 4 + p->templates.n_bytes[k];
    }
    memcpy(to, p->familiar, n);
    for (i = 0; i < p->places.total; i++)
        put_float(to + n + 4 * i, p->numbers[i]);
}

ac_status aci_router_predictor_write(const aci_predictor *predictor,
                                     const char *path, ac_error *error)
{
    size_t n_bytes = file_size(predictor);
    uint8_t *bytes = aci_platform_alloc_zeroed(predictor->memory, n_bytes, 1);
    aci_writer *writer = NULL;
    ac_status status;

    if (bytes == NULL)
        return aci_platform_fail_memory(error, "the predictor's file");
    fill_header(bytes, predictor, n_bytes);
    fill_body(bytes + HEADER_BYTES, predictor);
    put64(bytes + AT_CHECKSUM,
          aci_platform_checksum(bytes + CHECKED_FROM, n_bytes - CHECKED_FROM,
                                0));
    status = aci_platform_writer_open(&writer, predictor->memory, path, error);
    if (status == AC_OK)
        status = aci_platform_writer_append(writer, bytes, n_bytes, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(writer);
    aci_platform_free(predictor->memory, bytes);
    return status;
}

/* ---- Reading ------------------------------------------------------------- */

typedef struct source {
    const uint8_t *bytes;
    size_t n, at;
    const char *path;
    ac_error *error;
} source;

static ac_status refuse(const source *from, const char *why)
{
    return aci_platform_fail(from->error, AC_E_FORMAT, "%s: %s", from->path,
                             why);
}

/* The next `n` bytes, or NULL. */
static const uint8_t *take(source *from, size_t n)
{
    const uint8_t *bytes = from->bytes + from->at;

    if (n > from->n - from->at)
        return NULL;
    from->at += n;
    return bytes;
}

static ac_status check_identity(const source *from)
{
    const uint8_t *b = from->bytes;

    if (from->n < HEADER_BYTES)
        return refuse(from, "too short for a predictor");
    if (memcmp(b, MAGIC, 8) != 0)
        return refuse(from, "not a predictor");
    if (get32(b + AT_VERSION) != VERSION)
        return aci_platform_fail(from->error, AC_E_UNSUPPORTED,
                                 "%s: predictor of version %u; this library "
                                 "reads %d",
                                 from->path, get32(b + AT_VERSION), VERSION);
    if (get32(b + AT_HEADER_BYTES) != HEADER_BYTES)
        return refuse(from, "its header has another size");
    if (get64(b + AT_FILE_BYTES) != from->n)
        return refuse(from, "its length is not the one it tells");
    if (get64(b + AT_CHECKSUM) !=
        aci_platform_checksum(b + CHECKED_FROM, from->n - CHECKED_FROM, 0))
        return aci_platform_fail(from->error, AC_E_CHECKSUM,
                                 "%s: its bytes differ from their checksum",
                                 from->path);
    return AC_OK;
}

static ac_status check_dimensions(const source *from)
{
    const uint8_t *b = from->bytes;
    float threshold = get_float(b + AT_THRESHOLD);

    if (get32(b + AT_SHAPES) != ACI_ROUTER_SHAPES ||
        get32(b + AT_WIDTH) != ACI_NETWORK_WIDTH ||
        get32(b + AT_HIDDEN) != ACI_NETWORK_HIDDEN ||
        get32(b + AT_ATTENTION) != ACI_NETWORK_ATTENTION ||
        get32(b + AT_LAYERS) != ACI_NETWORK_LAYERS)
        return aci_platform_fail(from->error, AC_E_UNSUPPORTED,
                                 "%s: a network of other dimensions",
                                 from->path);
    if (get32(b + AT_TOKENS) < ACI_ROUTER_MIN_TOKENS ||
        get32(b + AT_TOKENS) > ACI_ROUTER_MAX_TOKENS)
        return refuse(from, "reads fewer than 10 or more than 15 tokens");
    if (get32(b + AT_WIDE) == 0 ||
        get32(b + AT_WIDE) > ACI_PREDICTOR_MAX_WIDE ||
        get32(b + AT_EMBEDDING) == 0 ||
        get32(b + AT_EMBEDDING) > ACI_PREDICTOR_MAX_EMBEDDING)
        return refuse(from, "a table is empty or too large");
    if (get32(b + AT_HEADS) == 0 ||
        get32(b + AT_HEADS) > ACI_NETWORK_MAX_HEADS)
        return refuse(from, "it has no head, or more than 16");
    if (get32(b + AT_TEMPLATES) > ACI_ROUTER_MAX_TEMPLATES)
        return refuse(from, "it has more than 16 templates");
    if (get32(b + AT_FAMILIAR) < ACI_PREDICTOR_MIN_FAMILIAR_LOG2 ||
        get32(b + AT_FAMILIAR) > ACI_PREDICTOR_MAX_FAMILIAR_LOG2)
        return refuse(from, "its word filter is too small or too large");
    if (!(threshold > 0.0f && threshold <= 1.0f))
        return refuse(from, "its threshold is not in (0, 1]");
    if (get32(b + AT_ZERO) != 0 || get64(b + AT_ZEROS) != 0)
        return refuse(from, "its reserved bytes are not zero");
    return AC_OK;
}

static bool name_is_fine(const uint8_t *name)
{
    size_t n = 0, i;

    while (n < ACI_PREDICTOR_NAME_BYTES && name[n] > 32 && name[n] < 127)
        n++;
    if (n == 0 || n == ACI_PREDICTOR_NAME_BYTES)
        return false;
    for (i = n; i < ACI_PREDICTOR_NAME_BYTES; i++)
        if (name[i] != 0)
            return false;
    return true;
}

static ac_status read_names(aci_predictor *p, source *from)
{
    uint32_t k, j;

    for (k = 0; k < p->shape.n_heads; k++) {
        const uint8_t *name = take(from, ACI_PREDICTOR_NAME_BYTES);

        if (name == NULL)
            return refuse(from, "it ended early");
        if (!name_is_fine(name))
            return refuse(from, "a head's name is empty or not printable");
        memcpy(p->names[k], name, ACI_PREDICTOR_NAME_BYTES);
        for (j = 0; j < k; j++)
            if (strcmp(p->names[j], p->names[k]) == 0)
                return refuse(from, "two heads have one name");
    }
    return AC_OK;
}

static ac_status read_templates(aci_predictor *p, source *from)
{
    aci_templates templates = { 0 };
    uint32_t k;

    templates.n = get32(from->bytes + AT_TEMPLATES);
    for (k = 0; k < templates.n; k++) {
        const uint8_t *size = take(from, 4), *text;

        if (size == NULL)
            return refuse(from, "it ended early");
        templates.n_bytes[k] = get32(size);
        if (templates.n_bytes[k] == 0 ||
            templates.n_bytes[k] > ACI_ROUTER_MAX_TEMPLATE_BYTES)
            return refuse(from, "a template is empty or too long");
        text = take(from, templates.n_bytes[k]);
        if (text == NULL)
            return refuse(from, "it ended early");
        templates.text[k] = (const char *)text;
    }
    return aci_router_predictor_set_templates(p, &templates, from->error);
}

static ac_status read_numbers(aci_predictor *p, source *from)
{
    size_t n_familiar = (size_t)1 << (p->familiar_log2 - 3), i;
    const uint8_t *familiar = take(from, n_familiar);
    const uint8_t *numbers = take(from, 4 * p->places.total);

    if (familiar == NULL || numbers == NULL)
        return refuse(from, "it ended early");
    if (from->at != from->n)
        return refuse(from, "it has bytes behind its end");
    memcpy(p->familiar, familiar, n_familiar);
    for (i = 0; i < p->places.total; i++) {
        p->numbers[i] = get_float(numbers + 4 * i);
        if (!isfinite(p->numbers[i]))
            return aci_platform_fail(from->error, AC_E_NUMERIC,
                                     "%s: number %zu is not finite",
                                     from->path, i);
    }
    return AC_OK;
}

static void read_record(aci_predictor *p, const uint8_t *b)
{
    p->max_unfamiliarity = get_float(b + AT_THRESHOLD);
    p->record.n_train = get32(b + AT_TRAIN);
    p->record.n_calibrate = get32(b + AT_CALIBRATE);
    p->record.n_test = get32(b + AT_TEST);
    p->record.auroc = get_float(b + AT_AUROC);
    p->record.brier = get_float(b + AT_BRIER);
    p->record.ece = get_float(b + AT_ECE);
    p->record.seed = get64(b + AT_SEED);
}

static ac_status read_all(aci_predictor **out, aci_memory *memory,
                          source *from)
{
    const uint8_t *b = from->bytes;
    aci_network_shape shape;
    ac_status status = check_identity(from);

    if (status == AC_OK)
        status = check_dimensions(from);
    if (status != AC_OK)
        return status;
    shape.n_tokens = get32(b + AT_TOKENS);
    shape.n_wide = get32(b + AT_WIDE);
    shape.n_embedding = get32(b + AT_EMBEDDING);
    shape.n_heads = get32(b + AT_HEADS);
    if (get32(b + AT_NUMBERS) != aci_router_network_places(&shape).total)
        return refuse(from, "it holds another number of numbers");
    *out = aci_router_predictor_new(memory, &shape, get32(b + AT_FAMILIAR));
    if (*out == NULL)
        return aci_platform_fail_memory(from->error, "a predictor");
    read_record(*out, b);
    from->at = HEADER_BYTES;
    status = read_names(*out, from);
    if (status == AC_OK)
        status = read_templates(*out, from);
    if (status == AC_OK)
        status = read_numbers(*out, from);
    return status;
}

ac_status aci_router_predictor_open(aci_predictor **out, aci_memory *memory,
                                    const char *path, ac_error *error)
{
    source from = { NULL, 0, 0, path, error };
    aci_predictor *predictor = NULL;
    char *bytes = NULL;
    ac_status status;

    *out = NULL;
    status = aci_platform_read_file(&bytes, &from.n, memory, path,
                                    MAX_FILE_BYTES, error);
    if (status != AC_OK)
        return status;
    from.bytes = (const uint8_t *)bytes;
    status = read_all(&predictor, memory, &from);
    aci_platform_free(memory, bytes);
    if (status == AC_OK)
        *out = predictor;
    else
        aci_router_predictor_close(predictor);
    return status;
}

/* ---- Describing ---------------------------------------------------------- */

static json_t *real_or_null(float value)
{
    return isfinite(value) ? json_real((double)value) : json_null();
}

static json_t *describe(const aci_predictor *p)
{
    json_t *heads = json_array(), *templates = json_array();
    uint32_t k;

    for (k = 0; k < p->shape.n_heads; k++)
        json_array_append_new(heads, json_string(p->names[k]));
    for (k = 0; k < p->templates.n; k++)
        json_array_append_new(templates,
                              json_integer(p->templates.n_bytes[k]));
    return json_pack(
        "{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:f,"
        " s:i, s:i, s:i, s:I, s:o, s:o, s:o}",
        "kind", "predictor", "version", (int)VERSION,
        "parameters", (int)aci_router_predictor_parameters(p),
        "prefix_tokens", (int)p->shape.n_tokens,
        "wide_weights", (int)p->shape.n_wide,
        "embedding_rows", (int)p->shape.n_embedding,
        "layers", (int)ACI_NETWORK_LAYERS, "width", (int)ACI_NETWORK_WIDTH,
        "hidden", (int)ACI_NETWORK_HIDDEN, "heads", heads,
        "template_bytes", templates,
        "max_unfamiliarity", (double)p->max_unfamiliarity,
        "n_train", (int)p->record.n_train,
        "n_calibrate", (int)p->record.n_calibrate,
        "n_test", (int)p->record.n_test,
        "seed", (json_int_t)p->record.seed,
        "auroc", real_or_null(p->record.auroc),
        "brier", real_or_null(p->record.brier),
        "ece", real_or_null(p->record.ece));
}

ac_status aci_router_predictor_describe(char **out, aci_memory *memory,
                                        const char *path, ac_error *error)
{
    aci_predictor *predictor = NULL;
    ac_status status;
    json_t *json;
    char *text;
    size_t n;

    *out = NULL;
    status = aci_router_predictor_open(&predictor, memory, path, error);
    if (status != AC_OK)
        return status;
    json = describe(predictor);
    aci_router_predictor_close(predictor);
    n = json == NULL ? 0 : json_dumpb(json, NULL, 0, JSON_INDENT(2));
    text = n == 0 ? NULL : aci_platform_alloc(memory, n + 1);
    if (text != NULL && json_dumpb(json, text, n, JSON_INDENT(2)) == n) {
        text[n] = '\0';
        *out = text;
    } else {
        aci_platform_free(memory, text);
        status = aci_platform_fail_memory(error, "a description");
    }
    json_decref(json);
    return status;
}
