/* zoo_card_write.c - zoo.json written whole, and measured figures put in. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/card_json.h"
#include "platform/error.h"
#include "platform/files.h"
#include "platform/json_file.h"

const aci_card_figure aci_model_card_figures[ACI_N_FIGURES] = {
    { "decode_ratio", offsetof(aci_variant, decode_ratio), 1e6 },
    { "prefill_ratio", offsetof(aci_variant, prefill_ratio), 1e6 },
    { "kl_divergence", offsetof(aci_variant, kl_divergence), 1e6 },
    { "perplexity", offsetof(aci_variant, perplexity), 1e30 },
    { "success_rate", offsetof(aci_variant, success_rate), 1 },
};

double *aci_model_card_figure(aci_variant *variant, size_t i)
{
    return (double *)(void *)((char *)variant +
                              aci_model_card_figures[i].member);
}

static json_t *make_hex(uint64_t value)
{
    char text[17];

    snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    return json_string(text);
}

json_t *aci_model_card_string(const char *text)
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
    return text[0] != '\0' ? aci_model_card_string(text) : json_null();
}

json_t *aci_model_card_plan(const aci_kept *kept, int32_t n)
{
    json_t *heads = json_array(), *neurons = json_array();
    json_t *plan = json_object();

    for (int32_t l = 0; l < n; l++) {
        json_array_append_new(heads, json_integer(kept[l].n_head_kv));
        json_array_append_new(neurons, json_integer(kept[l].n_ff));
    }
    json_object_set_new(plan, "n_head_kv", heads);
    json_object_set_new(plan, "n_ff", neurons);
    return plan;
}

/* Figures that are no numbers are null. */
static json_t *make_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *make_recovered(const aci_recovered *recovered)
{
    json_t *object = json_object();

    json_object_set_new(object, "kl_before", make_real(recovered->kl_before));
    json_object_set_new(object, "kl_after", make_real(recovered->kl_after));
    json_object_set_new(object, "tokens",
                        json_integer((json_int_t)recovered->n_tokens));
    json_object_set_new(object, "seconds", make_real(recovered->seconds));
    return object;
}

static json_t *make_targeted(const aci_targeted *targeted)
{
    json_t *object = json_object();

    json_object_set_new(object, "cost", json_string(targeted->cost));
    json_object_set_new(object, "at_most", make_real(targeted->at_most));
    json_object_set_new(object, "expected", make_real(targeted->expected));
    json_object_set_new(object, "kl_expected",
                        make_real(targeted->kl_expected));
    return object;
}

static json_t *make_variant(const aci_variant *variant,
                            const aci_recovered *recovered,
                            const aci_targeted *targeted)
{
    aci_variant copy = *variant;
    json_t *measured = json_object();
    json_t *object = json_object();

    for (size_t i = 0; i < ACI_N_FIGURES; i++) {
        double value = *aci_model_card_figure(&copy, i);

        json_object_set_new(measured, aci_model_card_figures[i].field,
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
    if (variant->kept != NULL)
        json_object_set_new(object, "plan",
                            aci_model_card_plan(variant->kept,
                                                variant->n_kept));
    if (targeted->cost != NULL)
        json_object_set_new(object, "target", make_targeted(targeted));
    if (recovered->n_tokens > 0)
        json_object_set_new(object, "recovery", make_recovered(recovered));
    json_object_set_new(object, "measured", measured);
    return object;
}

/* {"q": {"4": [fixed, per weight], "8": ..., "16": ...}, ...} */
static json_t *make_timings(const aci_zoo_card *card)
{
    static const char *const names[ACI_N_TIMINGS] = {
        "q", "k", "v", "o", "gate", "up", "down", "head"
    };
    json_t *object = json_object();

    for (int i = 0; i < ACI_N_TIMINGS; i++) {
        const double (*t)[2] = card->timings[i];

        json_object_set_new(
            object, names[i],
            json_pack("{s:[o, o], s:[o, o], s:[o, o]}", "4",
                      make_real(t[0][0]), make_real(t[0][1]), "8",
                      make_real(t[1][0]), make_real(t[1][1]), "16",
                      make_real(t[2][0]), make_real(t[2][1])));
    }
    return object;
}

static json_t *make_root(const aci_zoo_card *card)
{
    json_t *root = json_object(), *from = json_object();
    json_t *weights = json_object(), *variants = json_array();

    json_object_set_new(root, "format", json_string(ACI_CARD_FORMAT));
    json_object_set_new(root, "format_version",
                        json_integer(ACI_CARD_FORMAT_VERSION));
    json_object_set_new(root, "name", aci_model_card_string(card->name));
    json_object_set_new(root, "architecture",
                        json_string(card->architecture));
    json_object_set_new(from, "checkpoint", make_text(card->checkpoint));
    json_object_set_new(from, "checkpoint_checksum",
                        make_hex(card->checkpoint_checksum));
    json_object_set_new(from, "library_version",
                        json_string(card->library_version));
    json_object_set_new(from, "seed", make_hex(card->seed));
    json_object_set_new(from, "created", make_text(card->created));
    if (card->calibration_tokens > 0) {
        json_object_set_new(from, "calibration_checksum",
                            make_hex(card->calibration_checksum));
        json_object_set_new(from, "calibration_tokens",
                            json_integer(
                                (json_int_t)card->calibration_tokens));
    }
    if (card->seconds > 0.0)
        json_object_set_new(from, "seconds", json_real(card->seconds));
    json_object_set_new(root, "provenance", from);
    json_object_set_new(weights, "bytes",
                        json_integer((json_int_t)card->weights_bytes));
    json_object_set_new(weights, "group", json_integer(card->group));
    json_object_set_new(weights, "checksum",
                        make_hex(card->weights_checksum));
    json_object_set_new(root, "weights", weights);
    if (card->extras_bytes > 0)
        json_object_set_new(
            root, "extras",
            json_pack("{s:I, s:o}", "bytes", (json_int_t)card->extras_bytes,
                      "checksum", make_hex(card->extras_checksum)));
    for (int32_t i = 0; i < card->n_variants; i++)
        json_array_append_new(variants, make_variant(&card->variants[i],
                                                     &card->recovered[i],
                                                     &card->targeted[i]));
    json_object_set_new(root, "variants", variants);
    if (card->has_timings)
        json_object_set_new(root, "timings", make_timings(card));
    return root;
}

/* jansson's setters return -1 and free the value when memory ran out, which
 * leaves a field out: count them all before trusting the tree. */
static int plan_is_complete(const json_t *object, const aci_variant *variant)
{
    const json_t *plan = json_object_get(object, "plan");
    size_t n = (size_t)variant->n_kept;

    return variant->kept == NULL ||
           (json_array_size(json_object_get(plan, "n_head_kv")) == n &&
            json_array_size(json_object_get(plan, "n_ff")) == n);
}

static size_t provenance_fields(const aci_zoo_card *card)
{
    return 5 + (card->calibration_tokens > 0 ? 2u : 0u) +
           (card->seconds > 0.0 ? 1u : 0u);
}

static size_t variant_fields(const aci_zoo_card *card, size_t i)
{
    return 6 + (card->variants[i].kept != NULL ? 1u : 0u) +
           (card->targeted[i].cost != NULL ? 1u : 0u) +
           (card->recovered[i].n_tokens > 0 ? 1u : 0u);
}

static int is_complete(const json_t *root, const aci_zoo_card *card)
{
    const json_t *variants = json_object_get(root, "variants");
    const json_t *extras = json_object_get(root, "extras");

    if (json_object_size(root) != 7 + (card->extras_bytes > 0 ? 1u : 0u) +
                                      (card->has_timings ? 1u : 0u) ||
        (card->has_timings &&
         json_object_size(json_object_get(root, "timings")) !=
             ACI_N_TIMINGS) ||
        (card->extras_bytes > 0 && json_object_size(extras) != 2) ||
        json_object_size(json_object_get(root, "provenance")) !=
            provenance_fields(card) ||
        json_object_size(json_object_get(root, "weights")) != 3 ||
        json_array_size(variants) != (size_t)card->n_variants)
        return 0;
    for (size_t i = 0; i < json_array_size(variants); i++) {
        const json_t *variant = json_array_get(variants, i);

        if (json_object_size(variant) != variant_fields(card, i) ||
            !plan_is_complete(variant, &card->variants[i]) ||
            json_object_size(json_object_get(variant, "measured")) !=
                ACI_N_FIGURES)
            return 0;
    }
    return 1;
}

ac_status aci_model_card_json(json_t **out, const aci_zoo_card *card,
                              ac_error *error)
{
    json_t *root = make_root(card);

    *out = NULL;
    if (root == NULL || !is_complete(root, card)) {
        json_decref(root);
        return aci_platform_fail_memory(error, "the zoo's card");
    }
    *out = root;
    return AC_OK;
}

ac_status aci_model_card_write(const aci_zoo_card *card, aci_memory *memory,
                               const char *path, ac_error *error)
{
    json_t *root = NULL;
    ac_status status = aci_model_card_json(&root, card, error);

    if (status == AC_OK)
        status = aci_platform_json_write(root, memory, path, error);
    json_decref(root);
    return status;
}

/* Sets the finite figures in the JSON of one variant. */
static ac_status set_measured(json_t *root, const aci_variant *figures,
                              int32_t index, ac_error *error)
{
    json_t *variant = json_array_get(json_object_get(root, "variants"),
                                     (size_t)index);
    json_t *measured = json_object_get(variant, "measured");
    aci_variant copy = *figures;

    if (measured == NULL) {
        measured = json_object();
        if (json_object_set_new(variant, "measured", measured) != 0)
            return aci_platform_fail_memory(error, "the zoo's card");
    }
    for (size_t i = 0; i < ACI_N_FIGURES; i++) {
        const aci_card_figure *figure = &aci_model_card_figures[i];
        double value = *aci_model_card_figure(&copy, i);

        if (isnan(value))
            continue;
        if (!(value >= 0) || value > figure->highest)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "%s was %g, out of its range",
                                     figure->field, value);
        if (json_object_set_new(measured, figure->field, json_real(value)))
            return aci_platform_fail_memory(error, "the zoo's card");
    }
    return AC_OK;
}

ac_status aci_model_card_update(aci_memory *memory, const char *path,
                                const aci_variant *figures, ac_error *error)
{
    aci_zoo_card *card = aci_platform_alloc_zeroed(memory, 1, sizeof *card);
    int32_t index = -1;
    json_t *root = NULL;
    ac_status status;

    if (card == NULL)
        return aci_platform_fail_memory(error, "the zoo's card");
    status = aci_model_card_load(&root, card, memory, path, error);
    for (int32_t i = 0; status == AC_OK && i < card->n_variants; i++)
        if (strcmp(card->variants[i].name, figures->name) == 0)
            index = i;
    if (status == AC_OK && index < 0)
        status = aci_platform_fail(error, AC_E_NOT_FOUND,
                                   "%s had no variant %.31s", path,
                                   figures->name);
    if (status == AC_OK)
        status = set_measured(root, figures, index, error);
    if (status == AC_OK)
        status = aci_platform_json_write(root, memory, path, error);
    json_decref(root);
    aci_model_card_clear(card, memory);
    aci_platform_free(memory, card);
    return status;
}
