/* zoo_card.c - zoo.json read and written whole.
 *
 * 64-bit checksums and the seed are strings of 16 hexadecimal digits: JSON
 * readers elsewhere keep 53 bits. What was not measured is null here and NaN
 * in memory. */
#include "model/zoo_card.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "platform/files.h"

#define CARD_FORMAT "agentcompress-zoo"

/* ---- Reading -------------------------------------------------------------- */

static ac_status fail_field(ac_error *error, const char *field,
                            const char *wanted)
{
    return aci_platform_fail(error, AC_E_FORMAT, "%s was not %s", field,
                             wanted);
}

/* Text of bounded length; absent or null gives "" unless `required`. */
static ac_status read_text(char *out, size_t capacity, const json_t *object,
                           const char *field, int required, ac_error *error)
{
    const json_t *value = json_object_get(object, field);
    size_t n;

    out[0] = '\0';
    if (!required && (value == NULL || json_is_null(value)))
        return AC_OK;
    if (!json_is_string(value))
        return fail_field(error, field, "a text");
    n = json_string_length(value);
    if (n >= capacity || strlen(json_string_value(value)) != n)
        return fail_field(error, field, "a text of fitting length");
    memcpy(out, json_string_value(value), n + 1);
    return AC_OK;
}

static ac_status read_hex(uint64_t *out, const json_t *object,
                          const char *field, ac_error *error)
{
    const char *text = json_string_value(json_object_get(object, field));

    *out = 0;
    if (text == NULL || strlen(text) != 16)
        return fail_field(error, field, "16 hexadecimal digits");
    for (int i = 0; i < 16; i++) {
        char c = text[i];
        uint64_t digit;

        if (c >= '0' && c <= '9')
            digit = (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint64_t)(c - 'a' + 10);
        else
            return fail_field(error, field, "16 hexadecimal digits");
        *out = *out << 4 | digit;
    }
    return AC_OK;
}

static ac_status read_integer(int64_t *out, const json_t *object,
                              const char *field, int64_t low, int64_t high,
                              ac_error *error)
{
    const json_t *value = json_object_get(object, field);

    if (!json_is_integer(value) || json_integer_value(value) < low ||
        json_integer_value(value) > high)
        return fail_field(error, field, "an integer in its range");
    *out = json_integer_value(value);
    return AC_OK;
}

static ac_status read_bits(int32_t *out, const json_t *object,
                           const char *field, int32_t lowest, ac_error *error)
{
    int64_t value = 0;
    ac_status status = read_integer(&value, object, field, lowest, 16, error);

    if (status != AC_OK)
        return status;
    if (value != 4 && value != 8 && value != 16)
        return fail_field(error, field, "4, 8 or 16");
    *out = (int32_t)value;
    return AC_OK;
}

/* The measured figures of a variant; `wanted` bounds them. */
typedef struct figure {
    const char *field;
    size_t member;
    double highest;
} figure;

static const figure figures[] = {
    { "decode_ratio", offsetof(aci_variant, decode_ratio), 1e6 },
    { "prefill_ratio", offsetof(aci_variant, prefill_ratio), 1e6 },
    { "kl_divergence", offsetof(aci_variant, kl_divergence), 1e6 },
    { "perplexity", offsetof(aci_variant, perplexity), 1e30 },
    { "success_rate", offsetof(aci_variant, success_rate), 1 },
};

enum { N_FIGURES = sizeof figures / sizeof figures[0] };

static double *figure_of(aci_variant *variant, const figure *which)
{
    return (double *)(void *)((char *)variant + which->member);
}

static ac_status read_measured(aci_variant *out, const json_t *object,
                               ac_error *error)
{
    const json_t *measured = json_object_get(object, "measured");

    if (measured != NULL && !json_is_object(measured))
        return fail_field(error, "measured", "an object");
    for (size_t i = 0; i < N_FIGURES; i++) {
        const json_t *value = json_object_get(measured, figures[i].field);
        double number;

        *figure_of(out, &figures[i]) = NAN;
        if (value == NULL || json_is_null(value))
            continue;
        number = json_number_value(value);
        if (!json_is_number(value) || !(number >= 0) ||
            number > figures[i].highest)
            return fail_field(error, figures[i].field,
                              "null or a number in its range");
        *figure_of(out, &figures[i]) = number;
    }
    return AC_OK;
}

/* Names go into messages, ledgers and command lines: keep them plain. */
static int is_plain_name(const char *name)
{
    if (name[0] == '\0')
        return 0;
    for (; *name != '\0'; name++)
        if (!((*name >= 'a' && *name <= 'z') ||
              (*name >= 'A' && *name <= 'Z') ||
              (*name >= '0' && *name <= '9') || *name == '-' ||
              *name == '_' || *name == '.'))
            return 0;
    return 1;
}

static ac_status read_variant(aci_zoo_card *card, const json_t *object,
                              ac_error *error)
{
    aci_variant *out = &card->variants[card->n_variants];
    ac_status status;

    if (!json_is_object(object))
        return fail_field(error, "variants", "a list of objects");
    status = read_text(out->name, sizeof out->name, object, "name", 1, error);
    if (status == AC_OK && !is_plain_name(out->name))
        return fail_field(error, "name", "of letters, digits, - _ and .");
    for (int32_t i = 0; status == AC_OK && i < card->n_variants; i++)
        if (strcmp(card->variants[i].name, out->name) == 0)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "variant %s was there twice", out->name);
    if (status == AC_OK)
        status = read_bits(&out->weight_bits, object, "weight_bits", 4, error);
    if (status == AC_OK)
        status = read_bits(&out->activation_bits, object, "activation_bits",
                           8, error);
    if (status == AC_OK)
        status = read_bits(&out->head_bits, object, "head_bits", 4, error);
    if (status == AC_OK)
        status = read_bits(&out->embed_bits, object, "embed_bits", 4, error);
    if (status == AC_OK)
        status = read_measured(out, object, error);
    if (status == AC_OK)
        card->n_variants++;
    return status;
}

static ac_status read_variants(aci_zoo_card *card, const json_t *root,
                               ac_error *error)
{
    const json_t *list = json_object_get(root, "variants");
    size_t n = json_array_size(list);
    int has_full = 0;

    if (!json_is_array(list) || n == 0 || n > AC_MAX_VARIANTS)
        return fail_field(error, "variants", "a list of 1 to 16 objects");
    for (size_t i = 0; i < n; i++) {
        ac_status status = read_variant(card, json_array_get(list, i), error);

        if (status != AC_OK)
            return status;
        if (strcmp(card->variants[i].name, "full") == 0)
            has_full = 1;
    }
    if (!has_full)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "variants had none named full");
    return AC_OK;
}

static ac_status read_weights(aci_zoo_card *card, const json_t *root,
                              ac_error *error)
{
    const json_t *weights = json_object_get(root, "weights");
    int64_t value = 0;
    ac_status status;

    if (!json_is_object(weights))
        return fail_field(error, "weights", "an object");
    status = read_integer(&value, weights, "bytes", 1, INT64_MAX, error);
    card->weights_bytes = (uint64_t)value;
    if (status == AC_OK)
        status = read_integer(&value, weights, "group", 1, 128, error);
    card->group = (uint32_t)value;
    if (status == AC_OK)
        status = read_hex(&card->weights_checksum, weights, "checksum", error);
    return status;
}

static ac_status read_provenance(aci_zoo_card *card, const json_t *root,
                                 ac_error *error)
{
    const json_t *from = json_object_get(root, "provenance");
    ac_status status;

    if (!json_is_object(from))
        return fail_field(error, "provenance", "an object");
    status = read_text(card->library_version, sizeof card->library_version,
                       from, "library_version", 1, error);
    if (status == AC_OK)
        status = read_text(card->checkpoint, sizeof card->checkpoint, from,
                           "checkpoint", 0, error);
    if (status == AC_OK)
        status = read_hex(&card->checkpoint_checksum, from,
                          "checkpoint_checksum", error);
    if (status == AC_OK)
        status = read_hex(&card->seed, from, "seed", error);
    if (status == AC_OK)
        status = read_text(card->created, sizeof card->created, from,
                           "created", 0, error);
    return status;
}

static ac_status read_root(aci_zoo_card *card, const json_t *root,
                           ac_error *error)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    const json_t *version = json_object_get(root, "format_version");
    ac_status status;

    if (format == NULL || strcmp(format, CARD_FORMAT) != 0 ||
        !json_is_integer(version))
        return fail_field(error, "format", "\"" CARD_FORMAT
                          "\" with an integer format_version");
    if (json_integer_value(version) != ACI_CARD_FORMAT_VERSION)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "format_version was %lld, not %d",
            (long long)json_integer_value(version), ACI_CARD_FORMAT_VERSION);
    status = read_text(card->name, sizeof card->name, root, "name", 1, error);
    if (status == AC_OK)
        status = read_text(card->architecture, sizeof card->architecture,
                           root, "architecture", 1, error);
    if (status == AC_OK)
        status = read_provenance(card, root, error);
    if (status == AC_OK)
        status = read_weights(card, root, error);
    if (status == AC_OK)
        status = read_variants(card, root, error);
    return status;
}

ac_status aci_model_card_read(aci_zoo_card *out, aci_memory *memory,
                              const char *path, ac_error *error)
{
    json_error_t where;
    char *text = NULL;
    size_t n = 0;
    json_t *root;
    ac_status status;

    memset(out, 0, sizeof *out);
    status = aci_platform_read_file(&text, &n, memory, path,
                                    ACI_CARD_MAX_BYTES, error);
    if (status != AC_OK)
        return status;
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
    aci_platform_free(memory, text);
    if (root == NULL)
        return aci_platform_fail(error, AC_E_FORMAT, "%s, line %d: %s", path,
                                 where.line, where.text);
    status = json_is_object(root)
                 ? read_root(out, root, error)
                 : fail_field(error, "the card", "an object");
    json_decref(root);
    if (status != AC_OK)
        return aci_platform_fail_within(error, status, path);
    return AC_OK;
}

/* ---- Writing -------------------------------------------------------------- */

static json_t *make_hex(uint64_t value)
{
    char text[17];

    snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    return json_string(text);
}

/* Checkpoints name themselves in any bytes; JSON has to be UTF-8. */
static json_t *make_string(const char *text)
{
    json_t *value = json_string(text);
    char plain[256];
    size_t n = 0;

    if (value != NULL)
        return value;
    for (; text[n] != '\0' && n < sizeof plain - 1; n++)
        plain[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
    plain[n] = '\0';
    return json_string(plain);
}

static json_t *make_text(const char *text)
{
    return text[0] != '\0' ? make_string(text) : json_null();
}

static json_t *make_variant(const aci_variant *variant)
{
    aci_variant copy = *variant;
    json_t *measured = json_object();
    json_t *object = json_object();

    for (size_t i = 0; i < N_FIGURES; i++) {
        double value = *figure_of(&copy, &figures[i]);

        json_object_set_new(measured, figures[i].field,
                            isfinite(value) ? json_real(value) : json_null());
    }
    json_object_set_new(object, "name", json_string(variant->name));
    json_object_set_new(object, "weight_bits",
                        json_integer(variant->weight_bits));
    json_object_set_new(object, "activation_bits",
                        json_integer(variant->activation_bits));
    json_object_set_new(object, "head_bits", json_integer(variant->head_bits));
    json_object_set_new(object, "embed_bits",
                        json_integer(variant->embed_bits));
    json_object_set_new(object, "measured", measured);
    return object;
}

static json_t *make_root(const aci_zoo_card *card)
{
    json_t *root = json_object(), *from = json_object();
    json_t *weights = json_object(), *variants = json_array();

    json_object_set_new(root, "format", json_string(CARD_FORMAT));
    json_object_set_new(root, "format_version",
                        json_integer(ACI_CARD_FORMAT_VERSION));
    json_object_set_new(root, "name", make_string(card->name));
    json_object_set_new(root, "architecture",
                        json_string(card->architecture));
    json_object_set_new(from, "checkpoint", make_text(card->checkpoint));
    json_object_set_new(from, "checkpoint_checksum",
                        make_hex(card->checkpoint_checksum));
    json_object_set_new(from, "library_version",
                        json_string(card->library_version));
    json_object_set_new(from, "seed", make_hex(card->seed));
    json_object_set_new(from, "created", make_text(card->created));
    json_object_set_new(root, "provenance", from);
    json_object_set_new(weights, "bytes",
                        json_integer((json_int_t)card->weights_bytes));
    json_object_set_new(weights, "group", json_integer(card->group));
    json_object_set_new(weights, "checksum",
                        make_hex(card->weights_checksum));
    json_object_set_new(root, "weights", weights);
    for (int32_t i = 0; i < card->n_variants; i++)
        json_array_append_new(variants, make_variant(&card->variants[i]));
    json_object_set_new(root, "variants", variants);
    return root;
}

/* jansson's setters return -1 and free the value when memory ran out, which
 * leaves a field out: count them all before trusting the tree. */
static int is_complete(const json_t *root, const aci_zoo_card *card)
{
    const json_t *variants = json_object_get(root, "variants");

    if (json_object_size(root) != 7 ||
        json_object_size(json_object_get(root, "provenance")) != 5 ||
        json_object_size(json_object_get(root, "weights")) != 3 ||
        json_array_size(variants) != (size_t)card->n_variants)
        return 0;
    for (size_t i = 0; i < json_array_size(variants); i++) {
        const json_t *variant = json_array_get(variants, i);

        if (json_object_size(variant) != 6 ||
            json_object_size(json_object_get(variant, "measured")) !=
                N_FIGURES)
            return 0;
    }
    return 1;
}

typedef struct card_sink {
    aci_writer *writer;
    ac_error *error;
    ac_status status;
} card_sink;

static int write_piece(const char *piece, size_t n_bytes, void *user)
{
    card_sink *sink = user;

    sink->status = aci_platform_writer_append(sink->writer, piece, n_bytes,
                                              sink->error);
    return sink->status == AC_OK ? 0 : -1;
}

static ac_status write_tree(const json_t *root, aci_memory *memory,
                            const char *path, ac_error *error)
{
    card_sink sink = { NULL, error, AC_OK };
    ac_status status = aci_platform_writer_open(&sink.writer, memory, path,
                                                error);

    if (status != AC_OK)
        return status;
    if (json_dump_callback(root, write_piece, &sink,
                           JSON_INDENT(2) | JSON_REAL_PRECISION(17)) != 0)
        status = sink.status != AC_OK
                     ? sink.status
                     : aci_platform_fail_memory(error, "the zoo's card");
    if (status == AC_OK)
        status = aci_platform_writer_append(sink.writer, "\n", 1, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(sink.writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(sink.writer);
    return status;
}

ac_status aci_model_card_write(const aci_zoo_card *card, aci_memory *memory,
                               const char *path, ac_error *error)
{
    json_t *root = make_root(card);
    ac_status status;

    if (root != NULL && is_complete(root, card))
        status = write_tree(root, memory, path, error);
    else
        status = aci_platform_fail_memory(error, "the zoo's card");
    json_decref(root);
    return status;
}
