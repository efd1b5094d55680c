/* suite_fixture.h - workflows in memory and answers in files, for the tests of
 * workshop/evaluate. */
#ifndef TESTS_SUITE_FIXTURE_H
#define TESTS_SUITE_FIXTURE_H

#include <jansson.h>
#include <stdint.h>

#include "platform/memory.h"

/* Workflows [first, first + n) of the split, as a JSON list. */
json_t *make_workflows(const char *split, uint64_t seed, uint64_t first,
                       uint64_t n);

/* A fresh path in /tmp, valid until the process ends; drop_files removes every
 * one of them. */
const char *new_file(const char *name);
void drop_files(void);
void put_text(const char *path, const char *text);

/* The prompt of `step` (from 0) with the reference's answers put in; the
 * caller's, from `memory`. */
char *reference_prompt(aci_memory *memory, const json_t *workflow,
                       size_t step);

/* One row {"id", "step", "answer", "variant"} for every step. */
typedef const char *(*answer_callback)(const json_t *workflow, size_t step,
                                       void *user);
void put_answers(const char *path, const json_t *workflows,
                 const char *variant, answer_callback answer, void *user);
/* Gives the reference's answer. */
const char *right_answer(const json_t *workflow, size_t step, void *user);

#endif
