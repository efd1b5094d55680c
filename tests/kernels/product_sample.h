/* product_sample.h - matrices of random codes for tests of products, and the
 * list of problems in tests/operations/products.txt. */
#ifndef TESTS_KERNELS_PRODUCT_SAMPLE_H
#define TESTS_KERNELS_PRODUCT_SAMPLE_H

#include "kernels/matrix.h"
#include "platform/memory.h"
#include "platform/random.h"

/* Made through the layout's own address functions: padding is zero codes with
 * zero scales. */
typedef struct product_sample {
    aci_matrix matrix;
    uint8_t *a, *b, *c;
    uint16_t *scales;
} product_sample;

/* extreme: only the largest codes, where sums could overflow. */
void product_sample_make(product_sample *s, aci_memory *memory,
                         aci_random *dice, int32_t n_out, int32_t n_in,
                         int32_t group, int32_t ratio, int extreme);
void product_sample_free(aci_memory *memory, product_sample *s);

void product_sample_set_nibble(uint8_t *plane, const aci_matrix *m,
                               int32_t row, int32_t column, int value);

/* n normal numbers of standard deviation `size`. */
void product_sample_fill(aci_random *dice, float *x, size_t n, float size);

/* The same n floats to the bit, or the test ends. */
void product_sample_expect_same(const float *expected, const float *found,
                                size_t n, const char *what);

/* A line of the list: rows, n_out, n_in, group, ratio, bits of weights and
 * activations, with bias and norm, accumulate. */
typedef struct product_problem {
    int rows, n_out, n_in, group, ratio, w, a, with_bias, accumulate;
} product_problem;

/* Calls for every line; how many there were. */
int product_problems_each(void (*check)(const product_problem *problem,
                                        const char *line));

#endif
