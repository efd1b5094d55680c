/* answer_cases.h - answers judged by hand, kept in tests/workshop/answers.
 *
 * A line is {"check": ...}, which holds for the lines behind it, or
 * {"pass": ..., "why": ..., "answer": ...}. */
#ifndef TESTS_WORKSHOP_ANSWER_CASES_H
#define TESTS_WORKSHOP_ANSWER_CASES_H

#include <jansson.h>

#include "agentcompress.h"

/* Every answer of the file is judged as written there; there are at least 60,
 * and 20 of them right. */
void answer_cases_hold(const char *path);

/* The first check object of the file; json_decref it. */
json_t *answer_cases_check(const char *path);

/* The check with `key` (a path: "record/year") set to the JSON text, or
 * removed when that is NULL, is refused as AC_E_FORMAT with `named` in the
 * message. */
void answer_cases_refused(const char *path, const char *key,
                          const char *value, const char *named);

#endif
