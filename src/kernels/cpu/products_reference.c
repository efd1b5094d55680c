/* products_reference.c - the contract of backend.h written out plainly; the
 * judge of every other level, and of CUDA. */
#include <math.h>

#include "kernels/cpu/products_table.h"
#include "platform/half.h"

static size_t no_bytes(int32_t n_rows, int32_t n_in_padded)
{
    (void)n_rows;
    (void)n_in_padded;
    return 0;
}

static size_t no_panel(int32_t n_in_padded)
{
    (void)n_in_padded;
    return 0;
}

static void arrange(aci_activations *activations, int32_t first, int32_t last)
{
    (void)activations;
    (void)first;
    (void)last;
}

static int32_t nibble(const aci_matrix *m, const uint8_t *plane, int32_t row,
                      int32_t column)
{
    int shift;
    size_t at = aci_matrix_nibble_at(m, row, column, &shift);

    return ((plane[at] >> shift) & 15) - 8;
}

/* The integer sums of one row and group. */
typedef struct sums {
    int32_t high, low; /* of 8-bit activations: high alone */
} sums;

static sums sum_group(const aci_linear *linear, const aci_activations *a,
                      int32_t token, int32_t row, int32_t group)
{
    const aci_matrix *m = linear->weight;
    size_t at = (size_t)token * (size_t)a->n_in_padded;
    sums s = { 0, 0 };
    int32_t k;

    for (k = group * m->group; k < (group + 1) * m->group; k++) {
        int32_t w = nibble(m, m->plane_a, row, k);
        int32_t high = a->high[at + (size_t)k];

        if (linear->weight_bits > 4)
            w = m->ratio * w + nibble(m, m->plane_b, row, k);
        s.high += w * high;
        if (a->bits == 16)
            s.low += w * a->low[at + (size_t)k];
        if (linear->weight_bits == 16)
            s.low += (m->plane_c[aci_matrix_byte_at(m, row, k)] - 128) * high;
    }
    return s;
}

static float value_of(sums s, const aci_linear *linear, int32_t bits)
{
    if (bits == 8)
        return (float)s.high;
    if (linear->weight_bits == 16)
        return fmaf((float)s.high, 65536.0f, (float)s.low * 256.0f);
    return fmaf((float)s.high, 256.0f, (float)s.low);
}

static float multiply_row(const aci_product_job *job, int32_t token,
                          int32_t row)
{
    const aci_matrix *m = job->linear->weight;
    const aci_activations *a = job->activations;
    float factor = aci_scale_factor(job->linear), result = 0.0f;
    int32_t g;

    for (g = 0; g < a->n_groups; g++) {
        sums s = sum_group(job->linear, a, token, row, g);
        size_t at = aci_matrix_scale_at(m, row, g);
        float scale = aci_platform_f32_from_f16(m->scales[at]) * factor;

        scale *= a->scales[(size_t)token * (size_t)a->n_groups + (size_t)g];
        result = fmaf(value_of(s, job->linear, a->bits), scale, result);
    }
    return result;
}

static void product(const aci_product_job *job, int32_t first, int32_t last)
{
    int32_t end = 16 * last, row, token;

    if (end > job->linear->weight->n_out)
        end = job->linear->weight->n_out;
    for (row = 16 * first; row < end; row++)
        for (token = 0; token < job->activations->n_rows; token++)
            aci_store_result(job, token, row,
                             multiply_row(job, token, row));
}

const aci_product_functions aci_kernels_products_reference = {
    no_bytes, no_panel, arrange, product
};
