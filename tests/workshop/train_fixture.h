/* train_fixture.h - a folder with a model to train, small enough to be trained
 * in a blink, and something to learn. */
#ifndef AC_TEST_TRAIN_FIXTURE_H
#define AC_TEST_TRAIN_FIXTURE_H

#include "workshop/workshop.h"

extern aci_memory train_memory;
extern ac_error train_error;
extern ac_training_options train_options; /* defaults for small runs */

/* Makes the folder and goes there: "model", "data.jsonl", "held.txt". */
void train_set_up(void);
void train_tear_down(void);

void train_write(const char *path, const char *text);
/* The file's bytes, NUL-terminated; the caller frees them. */
char *train_read(size_t *n, const char *path);

/* Trains "model" into `out` with train_options on n_threads. */
ac_status train_run(const char *model, const char *out, uint32_t n_threads,
                    ac_training_report *report);
/* Stops after `step` steps, as Ctrl-C does. */
ac_status train_until(const char *model, const char *out, uint32_t n_threads,
                      uint64_t step);

/* Weights and moments of two runs are the same, bit for bit. */
void train_expect_same(const char *one, const char *other);

#endif
