/* prune_heads.c - see prune_heads.h. */
#include "workshop/compress/prune_heads.h"

#include "platform/error.h"

ac_status aci_workshop_prune_heads(aci_pruning *out, aci_algebra *algebra,
                                   const aci_attention_block *block,
                                   const double *h, const float *mean,
                                   int32_t method, ac_error *error)
{
    aci_prune_input input = { .weights = block->o,
                              .n_out = block->n_embd,
                              .n_in = block->n_head * block->head_dim,
                              .h = h,
                              .mean = mean,
                              .method = method };

    if (block->n_head_kv < 1 || block->n_head % block->n_head_kv != 0) {
        *out = (aci_pruning){ 0 };
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%lld heads do not share %lld keys evenly",
                                 (long long)block->n_head,
                                 (long long)block->n_head_kv);
    }
    input.width = block->n_head / block->n_head_kv * block->head_dim;
    return aci_workshop_prune(out, algebra, &input, error);
}

void aci_workshop_order_heads(float *q, float *k, float *v, float *o,
                              const aci_attention_block *block,
                              const int32_t *order)
{
    int64_t groups = block->n_head_kv;
    int64_t width = block->n_head / groups * block->head_dim;

    aci_workshop_order_rows(q, block->q, order, groups, width, block->n_embd);
    aci_workshop_order_rows(k, block->k, order, groups, block->head_dim,
                            block->n_embd);
    aci_workshop_order_rows(v, block->v, order, groups, block->head_dim,
                            block->n_embd);
    aci_workshop_order_columns(o, block->o, order, block->n_embd, groups,
                               width);
}
