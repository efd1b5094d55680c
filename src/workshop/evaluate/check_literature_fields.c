/* check_literature_fields.c - the `check` object of a review, read as if it
 * were hostile. */
#include "platform/error.h"
#include "workshop/evaluate/check_literature.h"
#include "workshop/evaluate/check_numbers.h"

static ac_status read_sources(uint64_t *out, const json_t *object,
                              const char *key, int32_t n_sources,
                              ac_error *error)
{
    int32_t list[ACI_MOST_SOURCES], n, i;
    ac_status status = aci_workshop_check_integers(
        list, &n, ACI_MOST_SOURCES, object, key, 1, n_sources, error);

    *out = 0;
    for (i = 0; status == AC_OK && i < n; i++)
        *out |= (uint64_t)1 << list[i];
    return status;
}

static ac_status read_claim(aci_claim *out, const json_t *object,
                            int32_t n_sources, ac_error *error)
{
    aci_number number;
    int32_t i;
    ac_status status;

    out->optional = json_is_true(json_object_get(object, "optional"));
    status = aci_workshop_check_texts(
        out->any, &out->n_any, ACI_REVIEW_MOST, object, "any", error);

    if (status == AC_OK && out->n_any == 0)
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "check: \"any\" is empty");
    if (status == AC_OK)
        status = aci_workshop_check_texts(out->against, &out->n_against,
                                          ACI_REVIEW_MOST, object, "against",
                                          error);
    if (status == AC_OK)
        status = read_sources(&out->sources, object, "markers", n_sources,
                              error);
    if (status == AC_OK && out->sources == 0)
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "check: \"markers\" is empty");
    if (status == AC_OK)
        status = aci_workshop_check_texts(out->numbers, &out->n_numbers, 4,
                                          object, "numbers", error);
    for (i = 0; status == AC_OK && i < out->n_numbers; i++) {
        if (!aci_workshop_number_read(&number, out->numbers[i]))
            status = aci_platform_fail(error, AC_E_FORMAT,
                                       "check: \"numbers\" has a text that is "
                                       "not a number");
    }
    if (status == AC_OK)
        status = aci_workshop_check_text_or(&out->unit, object, "unit",
                                            error);
    return status;
}

static ac_status read_claims(aci_review_check *out, const json_t *check,
                             ac_error *error)
{
    const json_t *list;
    size_t i;
    ac_status status = aci_workshop_check_objects(&list, ACI_REVIEW_MOST,
                                                  check, "claims", error);

    for (i = 0; status == AC_OK && i < json_array_size(list); i++) {
        status = read_claim(&out->claims[i], json_array_get(list, i),
                            out->n_sources, error);
        if (status != AC_OK)
            return aci_platform_fail_within(error, status, "claims");
        out->n_claims++;
    }
    return status;
}

ac_status aci_workshop_review_fields(aci_review_check *out,
                                     const json_t *check, ac_error *error)
{
    ac_status status = aci_workshop_check_integer(
        &out->n_sources, check, "n_sources", 1, ACI_MOST_SOURCES, error);

    if (status == AC_OK)
        status = aci_workshop_check_text(&out->source, check, "source",
                                         error);
    if (status == AC_OK)
        status = read_claims(out, check, error);
    if (status == AC_OK)
        status = aci_workshop_check_integer(&out->min_sources, check,
                                            "min_sources", 0,
                                            ACI_MOST_SOURCES, error);
    if (status == AC_OK)
        status = read_sources(&out->ignore, check, "ignore", out->n_sources,
                              error);
    if (status == AC_OK)
        status = aci_workshop_check_texts(out->words, &out->n_words,
                                          ACI_REVIEW_MOST, check, "words",
                                          error);
    if (status == AC_OK)
        status = aci_workshop_check_texts(out->none, &out->n_none,
                                          ACI_REVIEW_MOST, check, "none",
                                          error);
    if (status == AC_OK)
        status = aci_workshop_check_integer(&out->max_words, check,
                                            "max_words", 1, 10000, error);
    return status;
}
