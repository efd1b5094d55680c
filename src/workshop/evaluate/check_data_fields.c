/* check_data_fields.c - the `check` object of a data-to-text request, read as
 * if it were hostile. */
#include "platform/error.h"
#include "workshop/evaluate/check_data.h"
#include "workshop/evaluate/check_lexicon.h"

static int32_t index_of(aci_slice *list, int32_t *n, aci_slice text)
{
    int32_t i;

    for (i = 0; i < *n; i++) {
        if (aci_slice_equal(list[i], text))
            return i;
    }
    list[(*n)++] = text;
    return i;
}

static ac_status read_value(aci_number *out, aci_slice text, const char *key,
                            ac_error *error)
{
    if (!aci_workshop_number_read(out, text))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"%s\" has \"%.*s\", which is not a "
                                 "number", key, ACI_SLICE(text));
    return AC_OK;
}

/* {entity, value, unit} objects, behind those already there. */
static ac_status read_facts(aci_data_check *out, int32_t *n,
                            const json_t *check, const char *key,
                            ac_error *error)
{
    const json_t *list;
    size_t i;
    ac_status status = aci_workshop_check_objects(&list, ACI_DATA_MOST, check,
                                                  key, error);

    for (i = 0; status == AC_OK && i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        aci_data_fact *fact = &out->facts[*n];
        aci_slice entity, unit;

        status = aci_workshop_check_text_or(&entity, object, "entity", error);
        if (status == AC_OK)
            status = aci_workshop_check_text_or(&unit, object, "unit", error);
        if (status == AC_OK)
            status = aci_workshop_check_text(&fact->text, object, "value",
                                             error);
        if (status == AC_OK)
            status = read_value(&fact->value, fact->text, "value", error);
        if (status != AC_OK)
            return aci_platform_fail_within(error, status, key);
        fact->optional = json_is_true(json_object_get(object, "optional"));
        fact->name = entity.n == 0 ? -1 : index_of(out->names, &out->n_names,
                                                   entity);
        fact->unit = unit.n == 0 ? -1 : index_of(out->units, &out->n_units,
                                                 unit);
        (*n)++;
    }
    return status;
}

static ac_status read_allowed(aci_data_check *out, const json_t *check,
                              ac_error *error)
{
    aci_slice texts[ACI_DATA_MOST];
    int32_t i;
    ac_status status = aci_workshop_check_texts(
        texts, &out->n_allowed, ACI_DATA_MOST, check, "allowed", error);

    for (i = 0; status == AC_OK && i < out->n_allowed; i++)
        status = read_value(&out->allowed[i], texts[i], "allowed", error);
    return status;
}

/* [["240", "250"], ...] */
static ac_status read_pairs(aci_data_check *out, const json_t *check,
                            ac_error *error)
{
    const json_t *list = json_object_get(check, "pairs");
    size_t n = json_array_size(list), i, k;

    if (list != NULL && (!json_is_array(list) || n > ACI_DATA_MOST))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"pairs\" is not a list of at most "
                                 "%d", ACI_DATA_MOST);
    for (i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i);

        for (k = 0; k < 2; k++) {
            const json_t *text = json_array_get(pair, k);
            aci_slice value = { json_string_value(text),
                                json_string_length(text) };
            ac_status status = read_value(&out->pairs[i][k], value, "pairs",
                                          error);

            if (status != AC_OK)
                return status;
        }
    }
    out->n_pairs = (int32_t)n;
    return AC_OK;
}

static ac_status read_direction(aci_data_check *out, const json_t *check,
                                ac_error *error)
{
    aci_slice direction, groups[2];
    int32_t n, i;
    ac_status status =
        aci_workshop_check_text_or(&direction, check, "direction", error);

    if (status == AC_OK)
        status = aci_workshop_check_texts(groups, &n, 2, check, "groups",
                                          error);
    if (status != AC_OK)
        return status;
    if (direction.n > 0) {
        bool up = aci_slice_equal(direction, aci_slice_of("increase"));

        if (!up && !aci_slice_equal(direction, aci_slice_of("decrease")))
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "check: \"direction\" is neither "
                                     "increase nor decrease");
        out->sign = up ? 1 : -1;
    }
    if (n == 1 || (n == 2 && aci_slice_equal(groups[0], groups[1])))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"groups\" is not two names");
    for (i = 0; i < 2; i++)
        out->groups[i] = n == 0 ? -1 : index_of(out->names, &out->n_names,
                                                groups[i]);
    return AC_OK;
}

static ac_status read_roles(aci_data_check *out, const json_t *check,
                            ac_error *error)
{
    const json_t *list;
    size_t i;
    ac_status status = aci_workshop_check_objects(&list, ACI_DATA_MOST, check,
                                                  "roles", error);

    for (i = 0; status == AC_OK && i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        aci_data_role *role = &out->roles[out->n_roles];
        aci_slice entity;

        status = aci_workshop_check_text(&role->role, object, "role", error);
        if (status == AC_OK && !aci_workshop_role_known(role->role))
            status = aci_platform_fail(error, AC_E_FORMAT,
                                       "check: \"role\" is none of highest, "
                                       "lowest, second, larger");
        if (status == AC_OK)
            status = aci_workshop_check_text(&entity, object, "entity",
                                             error);
        if (status != AC_OK)
            return aci_platform_fail_within(error, status, "roles");
        role->name = index_of(out->names, &out->n_names, entity);
        role->required = !json_is_true(json_object_get(object, "optional"));
        out->n_roles++;
    }
    return status;
}

ac_status aci_workshop_data_fields(aci_data_check *out, const json_t *check,
                                   ac_error *error)
{
    aci_slice unit;
    ac_status status =
        aci_workshop_check_text(&out->source, check, "source", error);

    if (status == AC_OK)
        status = aci_workshop_check_text_or(&out->quantity, check, "quantity",
                                            error);
    if (status == AC_OK)
        status = read_facts(out, &out->n_facts, check, "facts", error);
    out->n_rows = out->n_facts;
    if (status == AC_OK)
        status = read_facts(out, &out->n_rows, check, "rows", error);
    if (status == AC_OK)
        status = aci_workshop_check_text_or(&unit, check, "unit", error);
    if (status == AC_OK && unit.n > 0)
        index_of(out->units, &out->n_units, unit);
    if (status == AC_OK)
        status = read_allowed(out, check, error);
    if (status == AC_OK)
        status = read_pairs(out, check, error);
    out->counted = json_is_true(json_object_get(check, "counted"));
    if (status == AC_OK)
        status = read_direction(out, check, error);
    if (status == AC_OK)
        status = read_roles(out, check, error);
    if (status == AC_OK)
        status = aci_workshop_check_texts(out->words, &out->n_words,
                                          ACI_DATA_MOST, check, "words",
                                          error);
    if (status == AC_OK)
        status = aci_workshop_check_texts(out->none, &out->n_none,
                                          ACI_DATA_MOST, check, "none",
                                          error);
    if (status == AC_OK)
        status = aci_workshop_check_integer(&out->max_words, check,
                                            "max_words", 1, 10000, error);
    return status;
}
