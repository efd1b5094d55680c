/* ladder_student.c - what a variant owns, in closed form: o and down that make
 * good for the columns they lost, factors of attention, biases for what is
 * lost on average. */
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/ladder_make.h"
#include "workshop/compress/prune_columns.h"

/* What a matrix that lost columns, or becomes factors, is made with. */
typedef struct making {
    aci_float_model *student;
    const aci_ladder_work *work;
    const aci_unit_order *order;
    const aci_variant_plan *plan;
    int32_t layer;
} making;

aci_kept aci_workshop_ladder_kept(const aci_ladder_work *work,
                                  const aci_variant_plan *plan,
                                  int32_t layer)
{
    aci_kept all = { work->shape->n_head_kv, work->shape->n_ff };

    return plan->kept != NULL ? plan->kept[layer] : all;
}

int aci_workshop_ladder_owns(const aci_float_model *student,
                             const aci_variant_plan *plan, int32_t layer,
                             int32_t matrix)
{
    const aci_float_layer *l = &student->layers[layer];

    if (l->matrices[matrix].rank > 0)
        return 1;
    if (!plan->recipe.compensate)
        return 0;
    if (matrix == ACI_MATRIX_O)
        return l->n_head_kv < student->shape.n_head_kv;
    return matrix == ACI_MATRIX_DOWN && l->n_ff < student->shape.n_ff;
}

static ac_status make_array(float **out, aci_float_model *student, size_t n,
                            ac_error *error)
{
    *out = aci_workshop_floats_array(student, n);
    return *out != NULL ? AC_OK
                        : aci_platform_fail_memory(error,
                                                   "a variant's matrices");
}

/* The bias of a matrix, the store's or zeros, plus `more`. */
static ac_status add_bias(const making *m, int32_t matrix, const double *more,
                          ac_error *error)
{
    static const int32_t rows[] = { ACI_ROW_Q_BIAS, ACI_ROW_K_BIAS,
                                    ACI_ROW_V_BIAS, ACI_ROW_O_BIAS,
                                    ACI_ROW_GATE_BIAS, ACI_ROW_UP_BIAS,
                                    ACI_ROW_DOWN_BIAS };
    aci_kept kept = aci_workshop_ladder_kept(m->work, m->plan, m->layer);
    float **bias = &m->student->layers[m->layer].biases[matrix], *stored;
    aci_tensor tensor;
    int64_t n, n_in;
    ac_status status = AC_OK;

    aci_workshop_floats_size(&n, &n_in, m->student, m->layer, matrix);
    aci_model_tensor_row(&tensor, m->work->shape, m->layer, rows[matrix]);
    if (*bias == NULL) {
        status = make_array(bias, m->student, (size_t)n, error);
        if (status == AC_OK &&
            aci_model_tensor_present(m->work->shape, &tensor)) {
            status = aci_workshop_ladder_tensor(&stored, m->work, m->order,
                                                m->layer, rows[matrix], &kept,
                                                error);
            if (status == AC_OK)
                memcpy(*bias, stored, (size_t)n * sizeof *stored);
            aci_platform_free(m->work->memory, stored);
        }
    }
    for (int64_t i = 0; status == AC_OK && i < n; i++)
        (*bias)[i] += (float)more[i];
    return status;
}

/* ---- columns that are gone ----------------------------------------------- */

/* W [n_out, n_in] whole and in order, of which the first `units` of `width`
 * columns stay. */
static ac_status make_good(const making *m, int32_t matrix,
                           const aci_prune_input *input, int64_t units,
                           ac_error *error)
{
    double *bias = aci_platform_alloc_array(
        m->work->memory, (size_t)input->n_out, sizeof *bias);
    float **dense = &m->student->layers[m->layer].matrices[matrix].dense;
    aci_pruning pruning;
    ac_status status = bias != NULL
                           ? aci_workshop_prune(&pruning, m->work->algebra,
                                                input, error)
                           : aci_platform_fail_memory(error, "a bias");

    if (status == AC_OK) {
        status = make_array(dense, m->student,
                            (size_t)(input->n_out * units * input->width),
                            error);
        if (status == AC_OK)
            status = aci_workshop_prune_compensate(*dense, bias,
                                                   m->work->algebra, &pruning,
                                                   units, error);
        aci_workshop_pruning_free(&pruning);
    }
    if (status == AC_OK)
        status = add_bias(m, matrix, bias, error);
    aci_platform_free(m->work->memory, bias);
    return status;
}

/* The bias alone: what the columns that are gone say on average. */
static ac_status make_bias(const making *m, int32_t matrix,
                           const aci_prune_input *input, int64_t units,
                           ac_error *error)
{
    double *bias = aci_platform_alloc_zeroed(
        m->work->memory, (size_t)input->n_out, sizeof *bias);
    ac_status status;

    if (bias == NULL)
        return aci_platform_fail_memory(error, "a bias");
    for (int64_t i = 0; i < input->n_out; i++)
        for (int64_t j = units * input->width; j < input->n_in; j++)
            bias[i] += (double)input->weights[i * input->n_in + j] *
                       input->mean[j];
    status = add_bias(m, matrix, bias, error);
    aci_platform_free(m->work->memory, bias);
    return status;
}

static ac_status cut_columns(const making *m, int32_t matrix, int32_t row,
                             int32_t calibrated, int64_t width, int64_t n_in,
                             int64_t units, ac_error *error)
{
    aci_prune_input input = { .n_out = m->work->shape->n_embd, .n_in = n_in,
                              .width = width, .method = ACI_PRUNE_AS_IS };
    aci_ladder_seen seen;
    float *weights;
    ac_status status;

    if (units * width == n_in || units == 0)
        return AC_OK;
    status = aci_workshop_ladder_tensor(&weights, m->work, m->order, m->layer,
                                        row, NULL, error);
    if (status == AC_OK) {
        status = aci_workshop_ladder_see(&seen, m->work, m->order, m->layer,
                                         calibrated, (int32_t)n_in, error);
        if (status == AC_OK) {
            input.weights = weights;
            input.h = seen.h;
            input.mean = seen.input.mean;
            status = m->plan->recipe.compensate
                         ? make_good(m, matrix, &input, units, error)
                         : make_bias(m, matrix, &input, units, error);
            aci_workshop_ladder_unsee(&seen, m->work);
        }
    }
    aci_platform_free(m->work->memory, weights);
    return status;
}

/* ---- factors ------------------------------------------------------------- */

/* Rows [first, first + n) of U into their matrix, with or without V, and the
 * bias for what W x - U V x is on average. */
static ac_status take_factors(const making *m, int32_t matrix,
                              const float *weights, const float *left,
                              const float *right, int64_t n, int64_t n_in,
                              int64_t rank, const float *mean, int with_right,
                              ac_error *error)
{
    aci_float_matrix *to = &m->student->layers[m->layer].matrices[matrix];
    double *bias = aci_platform_alloc_array(m->work->memory, (size_t)n,
                                            sizeof *bias);
    ac_status status = bias != NULL
                           ? AC_OK
                           : aci_platform_fail_memory(error, "a bias");

    to->rank = (int32_t)rank;
    to->dense = NULL;
    if (status == AC_OK)
        status = make_array(&to->left, m->student, (size_t)(n * rank), error);
    if (status == AC_OK && with_right)
        status = make_array(&to->right, m->student, (size_t)(rank * n_in),
                            error);
    if (status == AC_OK) {
        memcpy(to->left, left, (size_t)(n * rank) * sizeof *left);
        if (with_right)
            memcpy(to->right, right, (size_t)(rank * n_in) * sizeof *right);
        aci_workshop_low_rank_bias(bias, weights, left, right, n, n_in, rank,
                                   mean);
        status = add_bias(m, matrix, bias, error);
    }
    aci_platform_free(m->work->memory, bias);
    return status;
}

/* Left and right of `factors` as floats. */
static ac_status open_factors(float **left, float **right, const making *m,
                              const aci_low_rank *factors, int64_t rank,
                              ac_error *error)
{
    *left = aci_platform_alloc_array(m->work->memory,
                                     (size_t)(factors->n_out * rank),
                                     sizeof **left);
    *right = aci_platform_alloc_array(m->work->memory,
                                      (size_t)(rank * factors->n_in),
                                      sizeof **right);
    if (*left == NULL || *right == NULL)
        return aci_platform_fail_memory(error, "factors");
    aci_workshop_low_rank_take(*left, *right, factors, rank);
    return AC_OK;
}

static ac_status factor_qkv(const making *m, int64_t rank, ac_error *error)
{
    aci_kept kept = aci_workshop_ladder_kept(m->work, m->plan, m->layer);
    int64_t embd = m->work->shape->n_embd, n_out, n_in, at = 0;
    aci_input_statistics seen;
    aci_low_rank factors;
    float *left = NULL, *right = NULL, *weights;
    ac_status status = aci_workshop_ladder_factor_qkv(
        &factors, m->work, m->order, m->layer, &kept, rank, error);

    if (status != AC_OK)
        return status;
    rank = factors.most < rank ? factors.most : rank;
    aci_workshop_calibration_input(&seen, m->work->calibration, m->layer,
                                   ACI_INPUT_QKV);
    status = open_factors(&left, &right, m, &factors, rank, error);
    for (int32_t i = ACI_MATRIX_Q; status == AC_OK && i <= ACI_MATRIX_V;
         i++) {
        aci_workshop_floats_size(&n_out, &n_in, m->student, m->layer, i);
        status = aci_workshop_ladder_tensor(&weights, m->work, m->order,
                                            m->layer,
                                            ACI_ROW_Q + i - ACI_MATRIX_Q,
                                            &kept, error);
        if (status == AC_OK)
            status = take_factors(m, i, weights, left + at * rank, right,
                                  n_out, embd, rank, seen.mean,
                                  i == ACI_MATRIX_Q, error);
        at += n_out;
        aci_platform_free(m->work->memory, weights);
    }
    aci_platform_free(m->work->memory, left);
    aci_platform_free(m->work->memory, right);
    aci_workshop_low_rank_free(&factors);
    return status;
}

/* Of o as it was made good, or as it is. */
static ac_status factor_o(const making *m, int64_t rank, ac_error *error)
{
    aci_kept kept = aci_workshop_ladder_kept(m->work, m->plan, m->layer);
    aci_float_matrix *o =
        &m->student->layers[m->layer].matrices[ACI_MATRIX_O];
    aci_ladder_seen seen = { .h = NULL };
    aci_low_rank factors = { .memory = NULL };
    float *left = NULL, *right = NULL, *own = NULL;
    const float *weights = o->dense;
    int64_t n_out, n_in;
    ac_status status = AC_OK;

    aci_workshop_floats_size(&n_out, &n_in, m->student, m->layer,
                             ACI_MATRIX_O);
    if (weights == NULL) {
        status = aci_workshop_ladder_tensor(&own, m->work, m->order, m->layer,
                                            ACI_ROW_O, &kept, error);
        weights = own;
    }
    if (status == AC_OK)
        status = aci_workshop_ladder_see(&seen, m->work, m->order, m->layer,
                                         ACI_INPUT_O, (int32_t)n_in, error);
    if (status == AC_OK)
        status = aci_workshop_ladder_factor(&factors, m->work, weights, n_out,
                                            n_in, seen.h, rank, error);
    if (status == AC_OK) {
        rank = factors.most < rank ? factors.most : rank;
        status = open_factors(&left, &right, m, &factors, rank, error);
        if (status == AC_OK)
            status = take_factors(m, ACI_MATRIX_O, weights, left, right,
                                  n_out, n_in, rank, seen.input.mean, 1,
                                  error);
        aci_workshop_low_rank_free(&factors);
    }
    aci_workshop_ladder_unsee(&seen, m->work);
    aci_platform_free(m->work->memory, own);
    aci_platform_free(m->work->memory, left);
    aci_platform_free(m->work->memory, right);
    return status;
}

/* ---- the whole ----------------------------------------------------------- */

static ac_status make_layer(const making *m, ac_error *error)
{
    const aci_shape *s = m->work->shape;
    aci_kept kept = aci_workshop_ladder_kept(m->work, m->plan, m->layer);
    int64_t group = (int64_t)(s->n_head / s->n_head_kv) * s->head_dim;
    ac_status status;

    m->student->layers[m->layer].n_head_kv = kept.n_head_kv;
    m->student->layers[m->layer].n_ff = kept.n_ff;
    status = cut_columns(m, ACI_MATRIX_O, ACI_ROW_O, ACI_INPUT_O, group,
                         group * s->n_head_kv, kept.n_head_kv, error);
    if (status == AC_OK)
        status = cut_columns(m, ACI_MATRIX_DOWN, ACI_ROW_DOWN,
                             ACI_INPUT_DOWN, 1, s->n_ff, kept.n_ff, error);
    if (status == AC_OK && m->plan->rank_qkv != NULL &&
        m->plan->rank_qkv[m->layer] > 0)
        status = factor_qkv(m, m->plan->rank_qkv[m->layer], error);
    if (status == AC_OK && m->plan->rank_o != NULL &&
        m->plan->rank_o[m->layer] > 0)
        status = factor_o(m, m->plan->rank_o[m->layer], error);
    return status;
}

ac_status aci_workshop_ladder_student_layer(aci_float_model *out,
                                            const aci_ladder_work *work,
                                            const aci_unit_order *order,
                                            const aci_variant_plan *plan,
                                            int32_t layer, ac_error *error)
{
    making m = { out, work, order, plan, layer };
    ac_status status = aci_workshop_floats_open(out, work->memory,
                                                work->shape, error);

    return status == AC_OK ? make_layer(&m, error) : status;
}

ac_status aci_workshop_ladder_student(aci_float_model *out,
                                      const aci_ladder_work *work,
                                      const aci_unit_order *order,
                                      const aci_variant_plan *plan,
                                      ac_error *error)
{
    making m = { out, work, order, plan, 0 };
    int32_t n = work->shape->n_layer;
    ac_status status = aci_workshop_floats_open(out, work->memory,
                                                work->shape, error);

    for (; status == AC_OK && m.layer < n; m.layer++) {
        status = aci_workshop_ladder_progress(work, plan->recipe.name,
                                              (uint64_t)m.layer, (uint64_t)n,
                                              0.0, error);
        if (status == AC_OK)
            status = make_layer(&m, error);
    }
    return status;
}
