/* skip_tiles.h - a product that skips blocks of 16 x 128 weights, to see what a
 * block-sparse matrix would win. Blocks that are there follow one another; one
 * scale a block is enough to tell the time. */
#ifndef TESTS_BENCH_SKIP_TILES_H
#define TESTS_BENCH_SKIP_TILES_H

#include <stdint.h>

typedef struct skip_matrix {
    int32_t n_strips;
    const int32_t *first;   /* [n_strips + 1]: where a strip's blocks begin */
    const int32_t *block;   /* [first[n_strips]]: number along the columns */
    const float *scales;    /* likewise */
    const uint8_t *nibbles; /* likewise, 1024 bytes each */
} skip_matrix;

int skip_tiles_possible(void);

/* out [16 n_strips]; x: 256 bytes a block, as products_avx512.c expands. */
void skip_tiles_multiply(float *out, const skip_matrix *m, const int8_t *x);

#endif
