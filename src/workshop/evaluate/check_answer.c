/* check_answer.c - see check_answer.h. What holds for every kind is looked at
 * here: an answer is clean text, not empty, and not absurdly long. */
#include "workshop/evaluate/check_answer.h"

#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/evaluate/check_known.h"
#include "workshop/evaluate/check_rules.h"

typedef struct kind_checker {
    const char *kind;
    aci_checker *judge;
} kind_checker;

static const kind_checker checkers[] = {
    { "citation", aci_workshop_check_citation },
    { "data_to_text", aci_workshop_check_data },
    { "literature_review", aci_workshop_check_literature },
    { "hypothesis", aci_workshop_check_hypothesis }
};

static aci_checker *find_checker(const json_t *check)
{
    const char *kind = json_string_value(json_object_get(check, "kind"));
    size_t i;

    for (i = 0; kind != NULL && i < sizeof checkers / sizeof *checkers; i++) {
        if (strcmp(checkers[i].kind, kind) == 0)
            return checkers[i].judge;
    }
    return NULL;
}

static bool is_blank(aci_slice answer)
{
    size_t i;

    for (i = 0; i < answer.n; i++) {
        if (!aci_is_space(answer.at[i]) && answer.at[i] != '\t' &&
            answer.at[i] != '\r')
            return false;
    }
    return true;
}

ac_status aci_workshop_check_answer(aci_verdict *out, aci_memory *memory,
                                    const json_t *check, const char *answer,
                                    size_t n_bytes, ac_error *error)
{
    aci_slice text = { answer, n_bytes };
    aci_rules rules = { 0 };
    aci_checker *judge = find_checker(check);
    ac_status status;
    bool judged;

    memset(out, 0, sizeof *out);
    if (judge == NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"kind\" is none of citation, "
                                 "data_to_text, literature_review, "
                                 "hypothesis");
    status = aci_workshop_check_known(check, error);
    if (status != AC_OK)
        return status;
    if (n_bytes > ACI_CHECK_MOST_TEXT)
        aci_workshop_rule(&rules, false, "the answer has %zu bytes, more "
                          "than %d", n_bytes, ACI_CHECK_MOST_TEXT);
    else if (is_blank(text))
        aci_workshop_rule(&rules, false, "the answer is empty");
    else
        aci_workshop_rule(&rules, aci_workshop_text_clean(text),
                          "the answer is not clean UTF-8 text");
    judged = rules.n_held == 1;
    /* A wrong `check` is told even when there is nothing to judge. */
    status = judge(&rules, memory, check, judged ? text : aci_slice_of(""),
                   error);
    if (status != AC_OK)
        return status;
    out->pass = rules.n_held == rules.n;
    out->score = judged ? (double)rules.n_held / rules.n : 0.0;
    snprintf(out->reason, sizeof out->reason, "%s", rules.reason);
    return AC_OK;
}
