/* zoo_card.c - zoo.json read, field by field, believing nothing.
 *
 * 64-bit checksums and the seed are strings of 16 hexadecimal digits: JSON
 * readers elsewhere keep 53 bits. What was not measured is null in the file
 * and NaN in memory. */
#include "model/zoo_card.h"

#include <math.h>
#include <string.h>

#include "model/card_json.h"

#include "platform/error.h"
#include "platform/files.h"

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
    ac_status status;

    status = read_integer(&value, object, field, lowest, 16, error);

    if (status != AC_OK)
        return status;
    if (value != 4 && value != 8 && value != 16)
        return fail_field(error, field, "4, 8 or 16");
    *out = (int32_t)value;
    return AC_OK;
}

static ac_status read_measured(aci_variant *out, const json_t *object,
                               ac_error *error)
{
    const json_t *measured = json_object_get(object, "measured");

    if (measured != NULL && !json_is_object(measured))
        return fail_field(error, "measured", "an object");
    for (size_t i = 0; i < ACI_N_FIGURES; i++) {
        const aci_card_figure *figure = &aci_model_card_figures[i];
        const json_t *value = json_object_get(measured, figure->field);
        double number;

        *aci_model_card_figure(out, i) = NAN;
        if (value == NULL || json_is_null(value))
            continue;
        number = json_number_value(value);
        if (!json_is_number(value) || !(number >= 0) ||
            number > figure->highest)
            return fail_field(error, figure->field,
                              "null or a number in its range");
        *aci_model_card_figure(out, i) = number;
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

/* One number per layer; not negative, and small enough for any shape. */
static ac_status read_layers(aci_variant *out, const json_t *plan,
                             const char *field, size_t member,
                             ac_error *error)
{
    const json_t *list = json_object_get(plan, field);

    if (json_array_size(list) != (size_t)out->n_kept)
        return fail_field(error, field, "a list of one number per layer");
    for (int32_t l = 0; l < out->n_kept; l++) {
        const json_t *value = json_array_get(list, (size_t)l);
        char *kept = (char *)&out->kept[l];

        if (!json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > ACI_CARD_MAX_KEPT)
            return fail_field(error, field, "a list of numbers in range");
        *(int32_t *)(void *)(kept + member) =
            (int32_t)json_integer_value(value);
    }
    return AC_OK;
}

static ac_status read_plan(aci_variant *out, const json_t *object,
                           aci_memory *memory, ac_error *error)
{
    const json_t *plan = json_object_get(object, "plan");
    size_t n = json_array_size(json_object_get(plan, "n_head_kv"));
    ac_status status;

    if (plan == NULL || json_is_null(plan))
        return AC_OK;
    if (!json_is_object(plan) || n == 0 || n > ACI_CARD_MAX_LAYERS)
        return fail_field(error, "plan", "an object with a list n_head_kv");
    if (strcmp(out->name, "full") == 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "full had a plan that leaves something out");
    out->kept = aci_platform_alloc_zeroed(memory, n, sizeof *out->kept);
    if (out->kept == NULL)
        return aci_platform_fail_memory(error, "a variant's plan");
    out->n_kept = (int32_t)n;
    status = read_layers(out, plan, "n_head_kv",
                         offsetof(aci_kept, n_head_kv), error);
    if (status == AC_OK)
        status = read_layers(out, plan, "n_ff", offsetof(aci_kept, n_ff),
                             error);
    return status;
}

static ac_status read_variant(aci_zoo_card *card, const json_t *object,
                              aci_memory *memory, ac_error *error)
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
        status = read_plan(out, object, memory, error);
    if (status == AC_OK)
        card->n_variants++;
    return status;
}

static ac_status read_variants(aci_zoo_card *card, const json_t *root,
                               aci_memory *memory, ac_error *error)
{
    const json_t *list = json_object_get(root, "variants");
    size_t n = json_array_size(list);
    int has_full = 0;

    if (!json_is_array(list) || n == 0 || n > AC_MAX_VARIANTS)
        return fail_field(error, "variants", "a list of 1 to 16 objects");
    for (size_t i = 0; i < n; i++) {
        ac_status status = read_variant(card, json_array_get(list, i),
                                        memory, error);

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

static ac_status read_extras(aci_zoo_card *card, const json_t *root,
                             ac_error *error)
{
    const json_t *extras = json_object_get(root, "extras");
    int64_t value = 0;
    ac_status status;

    if (extras == NULL || json_is_null(extras))
        return AC_OK;
    if (!json_is_object(extras))
        return fail_field(error, "extras", "an object");
    status = read_integer(&value, extras, "bytes", 1, INT64_MAX, error);
    card->extras_bytes = (uint64_t)value;
    if (status == AC_OK)
        status = read_hex(&card->extras_checksum, extras, "checksum", error);
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
                           aci_memory *memory, ac_error *error)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    const json_t *version = json_object_get(root, "format_version");
    ac_status status;

    if (format == NULL || strcmp(format, ACI_CARD_FORMAT) != 0 ||
        !json_is_integer(version))
        return fail_field(error, "format", "\"" ACI_CARD_FORMAT
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
        status = read_extras(card, root, error);
    if (status == AC_OK)
        status = read_variants(card, root, memory, error);
    return status;
}

void aci_model_card_clear(aci_zoo_card *card, aci_memory *memory)
{
    for (int i = 0; i < AC_MAX_VARIANTS; i++) {
        aci_platform_free(memory, card->variants[i].kept);
        card->variants[i].kept = NULL;
        card->variants[i].n_kept = 0;
    }
}

ac_status aci_model_card_load(json_t **out_root, aci_zoo_card *out,
                              aci_memory *memory, const char *path,
                              ac_error *error)
{
    json_error_t where;
    char *text = NULL;
    size_t n = 0;
    json_t *root;
    ac_status status;

    *out_root = NULL;
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
                 ? read_root(out, root, memory, error)
                 : fail_field(error, "the card", "an object");
    if (status != AC_OK) {
        json_decref(root);
        aci_model_card_clear(out, memory);
        return aci_platform_fail_within(error, status, path);
    }
    *out_root = root;
    return AC_OK;
}

ac_status aci_model_card_read(aci_zoo_card *out, aci_memory *memory,
                              const char *path, ac_error *error)
{
    json_t *root;
    ac_status status = aci_model_card_load(&root, out, memory, path, error);

    json_decref(root);
    return status;
}
