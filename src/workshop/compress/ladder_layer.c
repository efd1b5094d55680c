/* ladder_layer.c - tensors, statistics and factors of one layer. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/error.h"
#include "workshop/compress/ladder_plan.h"
#include "workshop/tell.h"

/* ---- tensors ------------------------------------------------------------- */

ac_status aci_workshop_ladder_tensor(float **to, const aci_ladder_work *work,
                                     const aci_unit_order *order,
                                     int32_t layer, int32_t row,
                                     const aci_kept *kept, ac_error *error)
{
    aci_tensor tensor, cut;
    float *out, *scratch;
    size_t n_in;
    ac_status status = AC_OK;

    aci_model_tensor_row(&tensor, work->shape, layer, row);
    cut = tensor;
    if (kept != NULL)
        aci_model_tensor_cut(&cut, work->shape, kept);
    n_in = (size_t)cut.n_in;
    out = aci_platform_alloc_array(work->memory, (size_t)cut.n_out * n_in,
                                   sizeof *out);
    scratch = aci_platform_alloc_array(work->memory,
                                       2 * (size_t)tensor.n_in,
                                       sizeof *scratch);
    if (out == NULL || scratch == NULL)
        status = aci_platform_fail_memory(error, tensor.name);
    for (int32_t i = 0; status == AC_OK && i < cut.n_out; i++) {
        status = aci_workshop_order_read(scratch, scratch + tensor.n_in,
                                         order, work->checkpoint, &tensor, i,
                                         1, error);
        memcpy(out + (size_t)i * n_in, scratch, n_in * sizeof *out);
    }
    aci_platform_free(work->memory, scratch);
    *to = status == AC_OK ? out : NULL;
    if (status != AC_OK)
        aci_platform_free(work->memory, out);
    return status;
}

ac_status aci_workshop_ladder_see(aci_ladder_seen *out,
                                  const aci_ladder_work *work,
                                  const aci_unit_order *order, int32_t layer,
                                  int32_t input, int32_t n, ac_error *error)
{
    ac_status status;

    memset(out, 0, sizeof *out);
    status = aci_workshop_order_statistics(&out->input, work->memory, order,
                                           work->calibration, layer, input,
                                           error);
    if (status != AC_OK)
        return status;
    out->input.n = n;
    out->h = aci_platform_alloc_array(work->memory, (size_t)n,
                                      (size_t)n * sizeof *out->h);
    if (out->h == NULL) {
        aci_workshop_ladder_unsee(out, work);
        return aci_platform_fail_memory(error, "an input's statistics");
    }
    aci_workshop_calibration_moments(out->h, &out->input);
    return AC_OK;
}

void aci_workshop_ladder_unsee(aci_ladder_seen *seen,
                               const aci_ladder_work *work)
{
    aci_workshop_order_statistics_free(&seen->input, work->memory);
    aci_platform_free(work->memory, seen->h);
    seen->h = NULL;
}

/* ---- factors ------------------------------------------------------------- */

int64_t aci_workshop_ladder_ceiling(int64_t n_out, int64_t n_in)
{
    int64_t rank = 4 * n_out * n_in / (5 * (n_out + n_in));

    return rank / ACI_LADDER_RANKS * ACI_LADDER_RANKS;
}

ac_status aci_workshop_ladder_factor(aci_low_rank *out,
                                     const aci_ladder_work *work,
                                     const float *weights, int64_t n_out,
                                     int64_t n_in, const double *h,
                                     int64_t rank, ac_error *error)
{
    aci_low_rank_input input = { .weights = weights, .n_out = n_out,
                                 .n_in = n_in, .h = h, .rank = rank };

    return aci_workshop_low_rank(out, work->algebra, &input, error);
}

/* q over k over v, [rows[0] + rows[1] + rows[2], n_embd]. */
static ac_status stack(float **to, int64_t rows[3],
                       const aci_ladder_work *work,
                       const aci_unit_order *order, int32_t layer,
                       const aci_kept *kept, ac_error *error)
{
    const aci_shape *shape = work->shape;
    int64_t keys = (int64_t)(kept != NULL ? kept->n_head_kv
                                          : shape->n_head_kv) *
                   shape->head_dim;
    size_t embd = (size_t)shape->n_embd, at = 0;
    ac_status status = AC_OK;
    float *part;

    rows[0] = keys * (shape->n_head / shape->n_head_kv);
    rows[1] = rows[2] = keys;
    *to = aci_platform_alloc_array(work->memory,
                                   (size_t)(rows[0] + 2 * keys) * embd,
                                   sizeof **to);
    if (*to == NULL)
        return aci_platform_fail_memory(error, "q, k and v");
    for (int i = 0; status == AC_OK && i < 3; i++) {
        status = aci_workshop_ladder_tensor(&part, work, order, layer,
                                            ACI_ROW_Q + i, kept, error);
        if (status == AC_OK)
            memcpy(*to + at, part, (size_t)rows[i] * embd * sizeof *part);
        at += (size_t)rows[i] * embd;
        aci_platform_free(work->memory, part);
    }
    return status;
}

ac_status aci_workshop_ladder_factor_qkv(aci_low_rank *out,
                                         const aci_ladder_work *work,
                                         const aci_unit_order *order,
                                         int32_t layer, const aci_kept *kept,
                                         int64_t rank, ac_error *error)
{
    aci_low_rank_input input = { .n_in = work->shape->n_embd, .rank = rank };
    aci_ladder_seen seen = { .h = NULL };
    int64_t rows[3];
    double *by = NULL;
    float *weights;
    ac_status status;

    memset(out, 0, sizeof *out);
    status = stack(&weights, rows, work, order, layer, kept, error);
    input.weights = weights;
    input.n_out = rows[0] + rows[1] + rows[2];
    if (status == AC_OK)
        status = aci_workshop_ladder_see(&seen, work, order, layer,
                                         ACI_INPUT_QKV, work->shape->n_embd,
                                         error);
    input.h = seen.h;
    by = aci_platform_alloc_array(work->memory, (size_t)input.n_out,
                                  sizeof *by);
    if (status == AC_OK && by == NULL)
        status = aci_platform_fail_memory(error, "the weights of rows");
    if (status == AC_OK)
        status = aci_workshop_low_rank_balance(by, work->algebra, &input,
                                               rows, 3, error);
    input.row_weight = by;
    if (status == AC_OK)
        status = aci_workshop_low_rank(out, work->algebra, &input, error);
    aci_workshop_ladder_unsee(&seen, work);
    aci_platform_free(work->memory, by);
    aci_platform_free(work->memory, weights);
    return status;
}

/* ---- telling ------------------------------------------------------------- */

void aci_workshop_ladder_note(const aci_ladder_work *work, int32_t level,
                              const char *format, ...)
{
    char text[400];
    va_list arguments;

    if (work->options->on_log == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    work->options->on_log(level, text, work->options->log_user);
}

ac_status aci_workshop_ladder_progress(const aci_ladder_work *work,
                                       const char *stage, uint64_t done,
                                       uint64_t total, double loss,
                                       ac_error *error)
{
    return aci_workshop_tell(work->options->on_progress,
                             work->options->progress_user, stage, done, total,
                             loss, work->began_nanoseconds, error);
}
