/* check_hypothesis.c - is the planted relation stated, and true of rows that
 * were not shown?
 *
 * The answer is read into outcome, direction, variable and condition; each is
 * compared; and the stated predicate is tried on the held-out rows. There it
 * must beat chance: Kendall's S over its standard deviation above 1.645 (one
 * side, 5 %). */
#include <math.h>

#include "platform/error.h"
#include "workshop/evaluate/check_rules.h"
#include "workshop/evaluate/check_statement.h"

enum { MOST_ROWS = 256 };
static const double beats_chance = 1.645;

typedef struct row {
    double outcome, variables[ACI_MOST_VARIABLES];
    aci_slice conditions[ACI_MOST_CONDITIONS];
} row;

typedef struct hypothesis_check {
    aci_vocabulary words;
    int32_t predictor, sign, condition, value; /* what was planted */
    int32_t n_rows;
    row rows[MOST_ROWS];
} hypothesis_check;

/* ---- fields -------------------------------------------------------------- */

static int32_t index_of(const aci_slice *list, int32_t n, aci_slice text)
{
    int32_t i = 0;

    while (i < n && !aci_slice_equal(list[i], text))
        i++;
    return i < n ? i : -1;
}

static ac_status read_conditions(aci_vocabulary *out, const json_t *check,
                                 ac_error *error)
{
    json_t *object = json_object_get(check, "conditions");
    const char *key;
    json_t *values;

    if (!json_is_object(object) ||
        json_object_size(object) > ACI_MOST_CONDITIONS)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"conditions\" is not an object of "
                                 "at most %d", ACI_MOST_CONDITIONS);
    json_object_foreach(object, key, values) {
        int32_t i = out->n_conditions++;
        ac_status status = aci_workshop_check_texts(
            out->values[i], &out->n_values[i], ACI_MOST_CONDITIONS, object,
            key, error);

        out->conditions[i] = aci_slice_of(key);
        if (status != AC_OK)
            return aci_platform_fail_within(error, status, "conditions");
    }
    return AC_OK;
}

static ac_status read_condition(hypothesis_check *out, const json_t *check,
                                ac_error *error)
{
    const json_t *object = json_object_get(check, "condition");
    const aci_vocabulary *w = &out->words;
    aci_slice variable, value;
    ac_status status;

    out->condition = out->value = -1;
    if (json_is_null(object))
        return AC_OK;
    status = aci_workshop_check_text(&variable, object, "variable", error);
    if (status == AC_OK)
        status = aci_workshop_check_text(&value, object, "value", error);
    if (status != AC_OK)
        return aci_platform_fail_within(error, status, "condition");
    out->condition = index_of(w->conditions, w->n_conditions, variable);
    if (out->condition >= 0)
        out->value = index_of(w->values[out->condition],
                              w->n_values[out->condition], value);
    if (out->value < 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"condition\" is not one of "
                                 "\"conditions\"");
    return AC_OK;
}

static ac_status read_row(row *out, const aci_vocabulary *w,
                          const json_t *object, ac_error *error)
{
    int32_t i;
    /* Names are texts of the check: they end in NUL and hold none. */
    const json_t *value = json_object_get(object, w->outcome.at);
    bool valid = json_is_number(value);

    out->outcome = json_number_value(value);
    for (i = 0; i < w->n_variables; i++) {
        value = json_object_get(object, w->variables[i].at);
        valid &= json_is_number(value);
        out->variables[i] = json_number_value(value);
    }
    for (i = 0; i < w->n_conditions; i++) {
        value = json_object_get(object, w->conditions[i].at);
        valid &= json_is_string(value);
        out->conditions[i] = (aci_slice){ json_string_value(value),
                                          json_string_length(value) };
    }
    if (!valid)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"rows\" has a row without a number "
                                 "for each variable or a text for each "
                                 "condition");
    return AC_OK;
}

static ac_status read_rows(hypothesis_check *out, const json_t *check,
                           ac_error *error)
{
    const json_t *list;
    ac_status status = aci_workshop_check_objects(&list, MOST_ROWS, check,
                                                  "rows", error);

    while (status == AC_OK && out->n_rows < (int32_t)json_array_size(list)) {
        status = read_row(&out->rows[out->n_rows], &out->words,
                          json_array_get(list, (size_t)out->n_rows), error);
        out->n_rows++;
    }
    if (status == AC_OK && out->n_rows == 0)
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "check: \"rows\" is empty");
    return status;
}

static ac_status read_sign(hypothesis_check *out, const json_t *check,
                           ac_error *error)
{
    aci_slice sign;
    ac_status status = aci_workshop_check_text(&sign, check, "sign", error);

    if (status != AC_OK)
        return status;
    out->sign = aci_slice_equal(sign, aci_slice_of("+"))   ? 1
                : aci_slice_equal(sign, aci_slice_of("-")) ? -1
                                                           : 0;
    if (out->sign == 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"sign\" is neither + nor -");
    return AC_OK;
}

static ac_status read_fields(hypothesis_check *out, const json_t *check,
                             ac_error *error)
{
    aci_vocabulary *w = &out->words;
    aci_slice predictor;
    ac_status status = aci_workshop_check_text(&w->outcome, check, "outcome",
                                               error);

    if (status == AC_OK)
        status = aci_workshop_check_text(&predictor, check, "predictor",
                                         error);
    if (status == AC_OK)
        status = read_sign(out, check, error);
    if (status == AC_OK)
        status = aci_workshop_check_texts(w->variables, &w->n_variables,
                                          ACI_MOST_VARIABLES, check,
                                          "variables", error);
    if (status == AC_OK) {
        out->predictor = index_of(w->variables, w->n_variables, predictor);
        if (out->predictor < 0)
            status = aci_platform_fail(error, AC_E_FORMAT,
                                       "check: \"predictor\" is not one of "
                                       "\"variables\"");
    }
    if (status == AC_OK)
        status = read_conditions(w, check, error);
    if (status == AC_OK)
        status = read_condition(out, check, error);
    return status == AC_OK ? read_rows(out, check, error) : status;
}

/* ---- trying it ----------------------------------------------------------- */

static bool applies(const hypothesis_check *check, const aci_statement *s,
                    const row *r)
{
    return s->condition < 0 ||
           aci_slice_equal(r->conditions[s->condition],
                           check->words.values[s->condition][s->value]);
}

/* Kendall's S of the stated relation over its standard deviation. */
static double evidence(const hypothesis_check *check, const aci_statement *s)
{
    int32_t i, k, n = 0, sum = 0;

    for (i = 0; i < check->n_rows; i++) {
        const row *a = &check->rows[i];

        if (!applies(check, s, a))
            continue;
        n++;
        for (k = 0; k < i; k++) {
            const row *b = &check->rows[k];
            double x = a->variables[s->variable] - b->variables[s->variable];
            double y = a->outcome - b->outcome;

            if (applies(check, s, b))
                sum += ((x > 0) - (x < 0)) * ((y > 0) - (y < 0));
        }
    }
    return n < 2 ? 0.0
                 : s->sign * sum /
                       sqrt((double)n * (n - 1) * (2 * n + 5) / 18.0);
}

static void judge(aci_rules *rules, const hypothesis_check *check,
                  aci_slice text)
{
    const aci_vocabulary *w = &check->words;
    aci_statement s;
    bool read;

    aci_workshop_statement_read(&s, w, text);
    read = s.broken[0] == '\0' && s.sign != 0;
    aci_workshop_rule(rules, read, "no hypothesis can be read: %s", s.broken);
    aci_workshop_rule(rules, s.outcome, "the outcome is not \"%.*s\"",
                      ACI_SLICE(w->outcome));
    aci_workshop_rule(rules, s.variable == check->predictor,
                      "the variable is not \"%.*s\"",
                      ACI_SLICE(w->variables[check->predictor]));
    aci_workshop_rule(rules, s.sign == check->sign,
                      "the direction is the wrong one");
    aci_workshop_rule(rules, read && s.condition == check->condition &&
                                 s.value == check->value,
                      check->condition < 0 ? "there is no condition"
                                           : "the condition is another");
    aci_workshop_rule(rules, read && evidence(check, &s) > beats_chance,
                      "it does not beat chance on the held-out rows");
}

ac_status aci_workshop_check_hypothesis(aci_rules *rules, aci_memory *memory,
                                        const json_t *check, aci_slice answer,
                                        ac_error *error)
{
    hypothesis_check *wanted = aci_platform_alloc_zeroed(memory, 1,
                                                         sizeof *wanted);
    aci_slice text = { NULL, 0 };
    ac_status status = wanted == NULL
                           ? aci_platform_fail_memory(error, "a check")
                           : read_fields(wanted, check, error);

    if (status == AC_OK)
        status = aci_workshop_text_plain(&text, memory, answer, false, error);
    if (status == AC_OK)
        judge(rules, wanted, text);
    aci_platform_free(memory, (void *)(uintptr_t)text.at);
    aci_platform_free(memory, wanted);
    return status;
}
