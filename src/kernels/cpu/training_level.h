/* training_level.h - what one level of the processor fills in for training:
 * pool tasks over ranges of items. training_cpu.c runs them over threads.
 *
 * Tasks that sum over rows do it in ACI_PARTS parts whose bounds depend on the
 * number of rows alone, each into its own line of `partial`; sum_parts adds
 * the lines in order. */
#ifndef ACI_KERNELS_CPU_TRAINING_LEVEL_H
#define ACI_KERNELS_CPU_TRAINING_LEVEL_H

#include "kernels/training.h"

enum {
    ACI_PARTS = 32,
    ACI_CLASSES = 16,      /* of table rows, for scatter_add */
    ACI_ATTENTION_TILE = 32, /* queries at a time */
    ACI_KEY_BLOCK = 64
};

/* The argument of every task; a task reads the members it needs. */
typedef struct aci_training_job {
    const void *call;      /* the operation's own struct */
    aci_real *partial;     /* [ACI_PARTS, partial_width] */
    double *sums;          /* [ACI_PARTS] */
    aci_real *scratch;     /* [n_threads, scratch_size] */
    size_t scratch_size;
    int64_t partial_width;
    /* operations without a struct */
    aci_real *out;
    const aci_real *in;
    const int32_t *rows;
    int64_t n, stride;
    int32_t width;
    aci_real factor;
} aci_training_job;

typedef struct aci_training_level {
    const char *name;
    /* items: rows */
    aci_pool_task norm, add_bias, rotate, gate, gate_backward, cross_entropy,
        divergence, squared_error;
    /* items: parts */
    aci_pool_task norm_backward, rotate_backward, sum_rows, sum_squares;
    /* items: columns in groups of 16: out += the lines of partial */
    aci_pool_task sum_parts;
    /* items: classes of table rows */
    aci_pool_task scatter_add;
    /* items: documents times key-value heads */
    aci_pool_task attend, attend_backward;
    /* items: groups of 16 elements */
    aci_pool_task scale, adamw;
} aci_training_level;

#define ACI_TRAINING_LEVEL(name)                                              \
    { name, norm, add_bias, rotate, gate, gate_backward, cross_entropy,       \
      divergence, squared_error, norm_backward, rotate_backward, sum_rows,    \
      sum_squares, sum_parts, scatter_add, attend, attend_backward, scale,    \
      adamw }

extern const aci_training_level aci_kernels_training_portable;
extern const aci_training_level aci_kernels_training_avx2;
extern const aci_training_level aci_kernels_training_avx512;

/* Numbers of scratch that a thread needs for attention. */
size_t aci_kernels_attention_scratch(int32_t max_document, int32_t head_dim);

/* Bounds of part p of n rows. */
static inline int64_t aci_part_bound(int64_t n, int64_t p)
{
    return n * p / ACI_PARTS;
}

#endif
