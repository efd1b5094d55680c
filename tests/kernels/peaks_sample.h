/* peaks_sample.h - rows of logits that are hard to put in order, for the tests
 * of peaks on the CPU and on the device. */
#ifndef TESTS_KERNELS_PEAKS_SAMPLE_H
#define TESTS_KERNELS_PEAKS_SAMPLE_H

#include "kernels/peaks.h"
#include "platform/random.h"

/* Mostly equal ones, both zeros, some minus infinity when `holes`. */
void peaks_sample_fill(float *logits, int32_t n, aci_random *dice, int holes);

/* Fails the test unless `found` is what sorting the row and adding it up in
 * long double say. */
void peaks_sample_check(const aci_peaks *found, const float *logits, int32_t n,
                        int32_t n_best, float scale);

#endif
