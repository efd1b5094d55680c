/* block_sparse.h - which blocks of 16 rows x 128 columns a matrix can do
 * without.
 *
 * A strip of 16 outputs is a matrix of its own whose units are 128 columns, two
 * neighbouring tiles of matrix.h: prune_columns.h orders and compensates it.
 * Strips then compare what their next block would cost, in the mean squared
 * error of the whole output. A byte of it runs as fast as a byte of a narrower
 * dense matrix and answers several times worse (docs/speed_log.md): it is for
 * matrices of which no whole unit can go. */
#ifndef ACI_WORKSHOP_BLOCK_SPARSE_H
#define ACI_WORKSHOP_BLOCK_SPARSE_H

#include "workshop/compress/prune_columns.h"

enum { ACI_BLOCK_ROWS = 16, ACI_BLOCK_COLUMNS = 128 };

/* Owned by the caller, aci_workshop_block_sparse_free. */
typedef struct aci_block_sparse {
    aci_memory *memory;
    int64_t n_out, n_in, n_strips, n_blocks; /* blocks of a strip */
    uint8_t *kept;   /* [n_strips, n_blocks], 1: the block is there */
    float *weights;  /* [n_out, n_in], compensated; 0 in what is gone */
    double *bias;    /* [n_out] */
    double loss;     /* mean squared error of the output */
} aci_block_sparse;

/* Keeps share * n_strips * n_blocks of the blocks, rounded to the nearest.
 * `input` as of aci_workshop_prune, whose width is not looked at; n_in is a
 * multiple of 128. Costs two factorisations of [n_in, n_in] a strip: for
 * experiments, not for a billion weights. */
ac_status aci_workshop_block_sparse(aci_block_sparse *out,
                                    aci_algebra *algebra,
                                    const aci_prune_input *input,
                                    double share, ac_error *error);
void aci_workshop_block_sparse_free(aci_block_sparse *sparse);

#endif
