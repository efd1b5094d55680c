/* packed_matrix.c - float weights into planes in memory. */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/extras_build.h"
#include "workshop/compress/plane_packer.h"
#include "workshop/compress/plane_quantizer.h"

enum { ROWS = ACI_STRIP_ROWS };

static size_t nibble_bytes(const aci_packed *packed)
{
    aci_matrix m = aci_workshop_packed_matrix(packed);

    return aci_matrix_nibble_bytes(&m);
}

ac_status aci_workshop_pack_open(aci_packed *out, aci_memory *memory,
                                 int32_t n_out, int32_t n_in, int32_t bits,
                                 int32_t group, ac_error *error)
{
    aci_matrix m;

    memset(out, 0, sizeof *out);
    if (n_out < 1 || n_in < 1 || (bits != 4 && bits != 8))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a matrix of %d x %d at %d bits was to be "
                                 "packed", (int)n_out, (int)n_in, (int)bits);
    out->n_out = n_out;
    out->n_in = n_in;
    out->group = group;
    out->bits = bits;
    out->ratio = ACI_PLANE_RATIO;
    m = aci_workshop_packed_matrix(out);
    out->a = aci_platform_alloc(memory, nibble_bytes(out));
    out->scales = aci_platform_alloc_zeroed(
        memory, aci_matrix_scale_bytes(&m), 1);
    if (bits == 8)
        out->b = aci_platform_alloc(memory, nibble_bytes(out));
    if (out->a == NULL || out->scales == NULL ||
        (bits == 8 && out->b == NULL)) {
        aci_workshop_pack_close(out, memory);
        return aci_platform_fail_memory(error, "a matrix in planes");
    }
    memset(out->a, 0x88, nibble_bytes(out));
    if (out->b != NULL)
        memset(out->b, 0x88, nibble_bytes(out));
    return AC_OK;
}

void aci_workshop_pack_close(aci_packed *packed, aci_memory *memory)
{
    aci_platform_free(memory, packed->a);
    aci_platform_free(memory, packed->b);
    aci_platform_free(memory, packed->scales);
    memset(packed, 0, sizeof *packed);
}

aci_matrix aci_workshop_packed_matrix(const aci_packed *packed)
{
    aci_matrix m = { .n_out = packed->n_out, .n_in = packed->n_in,
                     .group = packed->group, .ratio = packed->ratio,
                     .plane_a = packed->a, .plane_b = packed->b,
                     .scales = packed->scales };

    m.n_in_padded = m.n_in_stored = aci_matrix_padded(m.n_in, m.group);
    m.n_strip = (m.n_out + ROWS - 1) / ROWS;
    return m;
}

/* ---- quantising ---------------------------------------------------------- */

typedef struct packing {
    aci_packed *out;
    const float *weights;
    const aci_feedback *feedback; /* NULL: codes are rounded */
    float *columns;            /* [threads][n_in_padded][16] */
    float *errors;             /* likewise */
    int8_t *codes;             /* [threads][3][n_in_padded][16] */
    int32_t n_in_padded;
    int32_t *bad_row;          /* [threads], the lowest; INT32_MAX: none */
} packing;

/* [n][n_in] to [n_in_padded][16]; the row of a weight that is not finite, or
 * -1. */
static int32_t transpose(float *columns, const packing *work, int32_t strip)
{
    const aci_packed *out = work->out;
    int32_t first = strip * ROWS;
    int32_t n = out->n_out - first < ROWS ? out->n_out - first : ROWS;

    memset(columns, 0, (size_t)work->n_in_padded * ROWS * sizeof *columns);
    for (int32_t i = 0; i < n; i++) {
        const float *row = work->weights +
                           (size_t)(first + i) * (size_t)out->n_in;

        for (int32_t k = 0; k < out->n_in; k++) {
            if (!isfinite(row[k]))
                return i;
            columns[(size_t)k * ROWS + (size_t)i] = row[k];
        }
    }
    return -1;
}

static void pack_strips(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    const packing *work = argument;
    aci_packed *out = work->out;
    size_t n = (size_t)work->n_in_padded * ROWS;
    float *columns = work->columns + (size_t)thread * n;
    int8_t *codes = work->codes + (size_t)thread * 3 * n;
    aci_matrix m = aci_workshop_packed_matrix(out);

    for (int32_t strip = (int32_t)first; strip < (int32_t)last; strip++) {
        aci_strip_codes own = { codes, codes + n, codes + 2 * n,
                                out->scales +
                                    aci_matrix_scale_at(&m, strip * ROWS, 0) };
        int32_t bad = transpose(columns, work, strip);

        if (bad < 0 && work->feedback != NULL)
            bad = aci_workshop_feedback_strip(
                &own, work->errors + (size_t)thread * n, work->feedback,
                columns, work->n_in_padded, out->group, out->ratio);
        else if (bad < 0)
            bad = aci_workshop_quantize_strip(&own, columns,
                                              work->n_in_padded, out->group,
                                              out->ratio);
        if (bad >= 0 && strip * ROWS + bad < work->bad_row[thread])
            work->bad_row[thread] = strip * ROWS + bad;
        if (bad >= 0)
            continue;
        aci_workshop_pack_nibbles(out->a + (size_t)strip * n / 2, own.q,
                                  work->n_in_padded);
        if (out->b != NULL)
            aci_workshop_pack_nibbles(out->b + (size_t)strip * n / 2, own.r,
                                      work->n_in_padded);
    }
}

static ac_status quantize(packing *work, aci_memory *memory, aci_pool *pool,
                          ac_error *error)
{
    int32_t threads = aci_platform_pool_threads(pool), bad = INT32_MAX;
    size_t n = (size_t)work->n_in_padded * ROWS;
    ac_status status = AC_OK;

    work->columns = aci_platform_alloc_array(memory, (size_t)threads * n,
                                             sizeof(float));
    work->errors = aci_platform_alloc_array(
        memory, work->feedback != NULL ? (size_t)threads * n : 0,
        sizeof(float));
    work->codes = aci_platform_alloc_array(memory, (size_t)threads * n, 3);
    work->bad_row = aci_platform_alloc_array(memory, (size_t)threads,
                                             sizeof(int32_t));
    if (work->columns == NULL || work->errors == NULL ||
        work->codes == NULL || work->bad_row == NULL) {
        status = aci_platform_fail_memory(error, "room for strips");
    } else {
        for (int32_t i = 0; i < threads; i++)
            work->bad_row[i] = INT32_MAX;
        aci_platform_pool_run(pool, pack_strips, work,
                              (work->out->n_out + ROWS - 1) / ROWS, 1);
        for (int32_t i = 0; i < threads; i++)
            bad = work->bad_row[i] < bad ? work->bad_row[i] : bad;
    }
    if (status == AC_OK && bad != INT32_MAX)
        status = aci_platform_fail(
            error, AC_E_NUMERIC, "row %d had a weight that was not finite or "
            "too large for a float16 scale", (int)bad);
    aci_platform_free(memory, work->columns);
    aci_platform_free(memory, work->errors);
    aci_platform_free(memory, work->codes);
    aci_platform_free(memory, work->bad_row);
    return status;
}

ac_status aci_workshop_pack_fed(aci_packed *out, aci_memory *memory,
                                aci_pool *pool, const float *weights,
                                int32_t n_out, int32_t n_in, int32_t bits,
                                int32_t group, const aci_feedback *feedback,
                                ac_error *error)
{
    packing work = { .out = out, .weights = weights, .feedback = feedback };
    ac_status status = aci_workshop_pack_open(out, memory, n_out, n_in, bits,
                                              group, error);

    if (status != AC_OK)
        return status;
    work.n_in_padded = aci_matrix_padded(n_in, group);
    status = quantize(&work, memory, pool, error);
    if (status != AC_OK)
        aci_workshop_pack_close(out, memory);
    return status;
}

ac_status aci_workshop_pack(aci_packed *out, aci_memory *memory,
                            aci_pool *pool, const float *weights,
                            int32_t n_out, int32_t n_in, int32_t bits,
                            int32_t group, ac_error *error)
{
    return aci_workshop_pack_fed(out, memory, pool, weights, n_out, n_in,
                                 bits, group, NULL, error);
}
