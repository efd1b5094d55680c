/* export_rows.c - a variant's weights as numbers, row by row. kernels/matrix.h
 * has the planes; the arithmetic is that of the exactness contract in
 * kernels/backend.h: a scale is the float16 one times 1/D or 1/(256 D) in
 * float32, a weight is its code times that. */
#include <math.h>
#include <string.h>

#include "model/tensor_list.h"
#include "platform/half.h"
#include "workshop/compress/export.h"

enum { RUN = 8 }; /* neighbouring columns that lie in neighbouring bytes */

/* Eight nibbles of a row, from column k. */
static void nibbles(int *out, const uint8_t *plane, const aci_matrix *matrix,
                    int32_t row, int32_t k)
{
    int shift;
    size_t at = aci_matrix_nibble_at(matrix, row, k, &shift);

    for (int i = 0; i < RUN; i++)
        out[i] = (plane[at + (size_t)i] >> shift & 15) - 8;
}

/* [n_in_padded]: q or c, also of columns that a cut left out. */
static void read_codes(int8_t *codes, const aci_matrix *matrix, int32_t row,
                       int32_t bits)
{
    int q[RUN], r[RUN];

    for (int32_t k = 0; k < matrix->n_in_padded; k += RUN) {
        nibbles(q, matrix->plane_a, matrix, row, k);
        if (bits == 8)
            nibbles(r, matrix->plane_b, matrix, row, k);
        for (int i = 0; i < RUN; i++)
            codes[k + i] = (int8_t)(bits == 8 ? matrix->ratio * q[i] + r[i]
                                              : q[i]);
    }
}

static float scale_at(const aci_matrix *matrix, int32_t row, int32_t group,
                      int32_t bits)
{
    size_t at = aci_matrix_scale_at(matrix, row, group);
    float scale = aci_platform_f32_from_f16(matrix->scales[at]);

    if (bits == 8)
        return scale * (1.0f / (float)matrix->ratio);
    return bits == 16 ? scale * (1.0f / (256.0f * (float)matrix->ratio))
                      : scale;
}

void aci_workshop_export_values(float *out, const aci_matrix *matrix,
                                int32_t row, int32_t bits)
{
    int q[RUN], r[RUN];
    float scale = 0.0f;

    if (bits == 32) {
        memcpy(out, matrix->dense + (size_t)row * (size_t)matrix->n_in,
               (size_t)matrix->n_in * sizeof *out);
        return;
    }
    for (int32_t k = 0; k < matrix->n_in; k += RUN) {
        int32_t n = matrix->n_in - k < RUN ? matrix->n_in - k : RUN;

        if (k % matrix->group == 0)
            scale = scale_at(matrix, row, k / matrix->group, bits);
        nibbles(q, matrix->plane_a, matrix, row, k);
        if (bits > 4)
            nibbles(r, matrix->plane_b, matrix, row, k);
        for (int32_t i = 0; i < n; i++) {
            int code = bits > 4 ? matrix->ratio * q[i] + r[i] : q[i];

            if (bits == 16)
                code = 256 * code +
                       matrix->plane_c[aci_matrix_byte_at(matrix, row,
                                                          k + i)] - 128;
            out[k + i] = (float)code * scale;
        }
    }
}

static void read_vector(float *out, const aci_export_tensor *tensor)
{
    size_t n = (size_t)tensor->n_vector;

    if (n > 0)
        memcpy(out, tensor->vector, n * sizeof *out);
    for (int32_t i = tensor->n_vector; i < tensor->tensor.n_in; i++)
        out[i] = tensor->fill;
}

/* A row of U V. Rows come one after another, so V is decoded once. */
static void multiply_out(float *out, aci_export *work,
                         const aci_export_tensor *tensor, int32_t row)
{
    const aci_matrix *inner = &tensor->inner;
    size_t n = (size_t)inner->n_in;

    for (int32_t k = 0; work->inner_of != tensor && k < tensor->rank; k++)
        aci_workshop_export_values(work->inner + (size_t)k * n, inner, k,
                                   tensor->inner_bits);
    work->inner_of = tensor;
    aci_workshop_export_values(work->outer, &tensor->matrix, row,
                               tensor->bits);
    memset(out, 0, n * sizeof *out);
    for (int32_t k = 0; k < tensor->rank; k++)
        for (size_t i = 0; i < n; i++)
            out[i] += work->outer[k] * work->inner[(size_t)k * n + i];
}

void aci_workshop_export_read(float *out, aci_export *work,
                              const aci_export_tensor *tensor, int32_t row)
{
    const aci_matrix *matrix = &tensor->matrix;
    int32_t n = tensor->rank > 0 ? tensor->inner.n_in : matrix->n_in;

    if (!tensor->tensor.is_matrix) {
        read_vector(out, tensor);
        return;
    }
    if (row >= matrix->n_out)
        n = 0;
    else if (tensor->rank > 0)
        multiply_out(out, work, tensor, row);
    else
        aci_workshop_export_values(out, matrix, row, tensor->bits);
    memset(out + n, 0, (size_t)(tensor->tensor.n_in - n) * sizeof *out);
}

void aci_workshop_export_row(int8_t *codes, float *scales,
                             const aci_export_tensor *tensor, int32_t row,
                             int32_t group)
{
    const aci_matrix *matrix = &tensor->matrix;
    int32_t n_groups = (tensor->tensor.n_in + group - 1) / group;
    int32_t n = row < matrix->n_out ? matrix->n_in : 0, whole;

    if (n > 0)
        read_codes(codes, matrix, row, tensor->bits);
    whole = n_groups * group;
    if (whole > n)
        memset(codes + n, 0, (size_t)(whole - n));
    for (int32_t g = 0; g < n_groups; g++)
        scales[g] = g * group < n ? scale_at(matrix, row,
                                             g * group / matrix->group,
                                             tensor->bits)
                                  : 0.0f;
}

/* Round to nearest even. */
static uint16_t bf16_of(float value)
{
    uint32_t bits = aci_platform_bits_from_f32(value);

    return (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

int64_t aci_workshop_export_halves(uint8_t *out, const float *values,
                                   size_t n, int bfloat)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half = bfloat ? bf16_of(values[i])
                               : aci_platform_f16_from_f32(values[i]);
        uint16_t top = bfloat ? 0x7F80u : 0x7C00u;

        if ((half & top) == top) /* infinite, or not a number */
            return (int64_t)i;
        out[2 * i] = (uint8_t)half;
        out[2 * i + 1] = (uint8_t)(half >> 8);
    }
    return -1;
}
