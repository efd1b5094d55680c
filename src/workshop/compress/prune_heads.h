/* prune_heads.h - the KV groups of an attention block by importance.
 *
 * A group is one key and value head with the n_head / n_head_kv query heads
 * that read it: rows of k and v, rows of q, columns of o. Whole groups go, so
 * that what is left has the same grouping and runs as a smaller attention.
 * Groups may change places; heads within a group stay. */
#ifndef ACI_WORKSHOP_PRUNE_HEADS_H
#define ACI_WORKSHOP_PRUNE_HEADS_H

#include "workshop/compress/prune_columns.h"

typedef struct aci_attention_block {
    const float *q;    /* [n_head * head_dim, n_embd] */
    const float *k;    /* [n_head_kv * head_dim, n_embd] */
    const float *v;    /* the same */
    const float *o;    /* [n_embd, n_head * head_dim] */
    int64_t n_embd, n_head, n_head_kv, head_dim;
} aci_attention_block;

/* h and mean of what o reads, [n_head * head_dim]. Units of `out` are groups.
 * q, k and v are not read. AC_E_ARGUMENT when heads do not share out evenly. */
ac_status aci_workshop_prune_heads(aci_pruning *out, aci_algebra *algebra,
                                   const aci_attention_block *block,
                                   const double *h, const float *mean,
                                   int32_t method, ac_error *error);

/* The block with its groups in order. Biases of q, k and v are matrices of one
 * column to aci_workshop_order_rows. */
void aci_workshop_order_heads(float *q, float *k, float *v, float *o,
                              const aci_attention_block *block,
                              const int32_t *order);

#endif
