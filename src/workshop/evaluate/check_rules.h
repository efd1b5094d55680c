/* check_rules.h - what the checkers share: rules counted, fields of the
 * `check` object read as if it were hostile. */
#ifndef ACI_WORKSHOP_CHECK_RULES_H
#define ACI_WORKSHOP_CHECK_RULES_H

#include <jansson.h>

#include "workshop/evaluate/check_text.h"

typedef struct aci_rules {
    int32_t n, n_held;
    char reason[160];    /* of the first one broken */
} aci_rules;

/* Counts a rule; the words say what was wrong, for when it does not hold.
 * Bytes that are not printable ASCII become '?'. */
void aci_workshop_rule(aci_rules *rules, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum { ACI_CHECK_MOST_TEXT = 1 << 16 };

/* Fields. All fail with AC_E_FORMAT naming the key. Texts are lent, without
 * control characters, at most ACI_CHECK_MOST_TEXT bytes. */
ac_status aci_workshop_check_text(aci_slice *out, const json_t *object,
                                  const char *key, ac_error *error);
/* Absent gives an empty slice, which a present one may be too. */
ac_status aci_workshop_check_text_or(aci_slice *out, const json_t *object,
                                     const char *key, ac_error *error);
/* A list of texts; absent gives none. */
ac_status aci_workshop_check_texts(aci_slice *out, int32_t *n, int32_t most,
                                   const json_t *object, const char *key,
                                   ac_error *error);
ac_status aci_workshop_check_integer(int32_t *out, const json_t *object,
                                     const char *key, int32_t low,
                                     int32_t high, ac_error *error);
/* A list of [low, high] whole numbers; absent gives none. */
ac_status aci_workshop_check_integers(int32_t *out, int32_t *n, int32_t most,
                                      const json_t *object, const char *key,
                                      int32_t low, int32_t high,
                                      ac_error *error);
/* A list of at most `most` objects, lent; absent gives NULL. */
ac_status aci_workshop_check_objects(const json_t **out, size_t most,
                                     const json_t *object, const char *key,
                                     ac_error *error);

/* The checkers, one a kind; `answer` is clean text of at most
 * ACI_CHECK_MOST_TEXT bytes, or empty. */
typedef ac_status aci_checker(aci_rules *rules, aci_memory *memory,
                              const json_t *check, aci_slice answer,
                              ac_error *error);
aci_checker aci_workshop_check_citation;
aci_checker aci_workshop_check_data;
aci_checker aci_workshop_check_literature;
aci_checker aci_workshop_check_hypothesis;

#endif
