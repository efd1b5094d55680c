/* faults_zoo.h - a small zoo with a predictor, made once for the fault tests,
 * in a directory of its own. Public interface only. */
#ifndef TESTS_FAULTS_FAULTS_ZOO_H
#define TESTS_FAULTS_FAULTS_ZOO_H

#include "agentcompress.h"

/* For an unchecked fixture: made once, seen by every test of the case. */
void faults_zoo_make(void);
void faults_zoo_remove(void);

/* Paths inside the directory: "tiny.zoo", "ledger.sqlite", ... Lent until
 * the fourth call after: copy what is kept. */
const char *faults_path(const char *name);

/* Everything a program does with a zoo: describe, tokenize, route, a session,
 * generate, score, ledger. Stops at the first failure and returns it, with
 * everything closed. */
ac_status faults_use_zoo(const char *path, const ac_open_options *options,
                         ac_error *error);

#endif
