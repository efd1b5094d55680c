/* double_device.c - see double_names.h; and products by plain loops. */
#include "workshop/double_names.h"

#include "kernels/cpu/training_cpu.c"

#include "workshop/train/network_batch.c"

ac_status double_multiplier_create(aci_multiplier **out, aci_memory *memory,
                                   aci_pool *pool, const char *level,
                                   ac_error *error)
{
    (void)memory;
    (void)pool;
    (void)level;
    (void)error;
    *out = NULL;
    return AC_OK;
}

void double_multiplier_free(aci_multiplier *multiplier)
{
    (void)multiplier;
}

void double_multiply(aci_multiplier *multiplier, const aci_multiply *p)
{
    int64_t a_row = p->a_transposed ? 1 : p->a_stride;
    int64_t a_k = p->a_transposed ? p->a_stride : 1;
    int64_t b_k = p->b_transposed ? 1 : p->b_stride;
    int64_t b_column = p->b_transposed ? p->b_stride : 1;
    int64_t i, j, k;

    (void)multiplier;
    for (i = 0; i < p->m; i++)
        for (j = 0; j < p->n; j++) {
            double sum = p->accumulate ? p->c[i * p->c_stride + j] : 0.0;

            for (k = 0; k < p->k; k++)
                sum += p->a[i * a_row + k * a_k] *
                       p->b[k * b_k + j * b_column];
            p->c[i * p->c_stride + j] = sum;
        }
}
