/* ladder_extras.c - a student's own tensors into extras.acw. Codes are chosen
 * by error feedback against what the matrix sees: columns of o and down the
 * beginning of their input's statistics, V what the layer's matrices see, U
 * what V makes of that. */
#include <math.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/export.h"
#include "workshop/compress/ladder_make.h"

/* One variant's tensors on their way. */
typedef struct packing_up {
    aci_extras_build *extras;
    aci_float_model *student;
    const aci_ladder_work *work;
    const aci_unit_order *order;
    const aci_variant_plan *plan;
    int32_t layer;
} packing_up;

static const int32_t rows_of[ACI_N_MATRICES] = {
    ACI_ROW_Q, ACI_ROW_K, ACI_ROW_V, ACI_ROW_O,
    ACI_ROW_GATE, ACI_ROW_UP, ACI_ROW_DOWN
};

static const char *name_of(char out[32], const packing_up *p, int32_t matrix)
{
    aci_tensor tensor;

    aci_model_tensor_row(&tensor, p->work->shape, p->layer, rows_of[matrix]);
    snprintf(out, 32, "%s", tensor.name);
    return out;
}

/* Codes for weights [n_out, n_in], which become what the codes say. */
static ac_status choose_codes(aci_packed *out, float *weights, int64_t n_out,
                              int64_t n_in, const packing_up *p,
                              const aci_input_statistics *seen,
                              ac_error *error)
{
    int32_t bits = p->plan->recipe.weight_bits;
    aci_feedback *feedback = NULL;
    aci_matrix matrix;
    ac_status status = aci_workshop_feedback_create(
        &feedback, p->work->memory, p->work->algebra, seen, error);

    if (status == AC_OK)
        status = aci_workshop_pack_fed(out, p->work->memory, p->work->pool,
                                       weights, (int32_t)n_out, (int32_t)n_in,
                                       bits, (int32_t)p->work->group,
                                       feedback, error);
    aci_workshop_feedback_free(feedback);
    if (status != AC_OK)
        return status;
    matrix = aci_workshop_packed_matrix(out);
    for (int64_t r = 0; r < n_out; r++)
        aci_workshop_export_values(weights + r * n_in, &matrix, (int32_t)r,
                                   bits);
    return AC_OK;
}

static ac_status add_matrix(const packing_up *p, int32_t matrix,
                            ac_error *error)
{
    float *dense = p->student->layers[p->layer].matrices[matrix].dense;
    aci_packed packed = { .a = NULL };
    aci_ladder_seen seen;
    int64_t n_out, n_in;
    char name[32];
    ac_status status;

    aci_workshop_floats_size(&n_out, &n_in, p->student, p->layer, matrix);
    status = aci_workshop_ladder_see(
        &seen, p->work, p->order, p->layer,
        matrix == ACI_MATRIX_O ? ACI_INPUT_O : ACI_INPUT_DOWN, (int32_t)n_in,
        error);
    if (status != AC_OK)
        return status;
    status = choose_codes(&packed, dense, n_out, n_in, p, &seen.input, error);
    if (status == AC_OK && p->extras != NULL)
        status = aci_workshop_extras_matrix(p->extras, p->plan->recipe.name,
                                            name_of(name, p, matrix), &packed,
                                            error);
    aci_workshop_pack_close(&packed, p->work->memory);
    aci_workshop_ladder_unsee(&seen, p->work);
    return status;
}

/* ---- factors ------------------------------------------------------------- */

/* What U reads: statistics of V x, V as its codes say. */
static ac_status see_through(aci_input_statistics *out, const packing_up *p,
                             const float *right, int64_t rank, int64_t n_in,
                             const double *h, ac_error *error)
{
    size_t n = (size_t)rank;
    double *full = aci_platform_alloc_array(p->work->memory, n,
                                            n * sizeof *full);
    float *moments = aci_platform_alloc_array(p->work->memory,
                                              n * (n + 1) / 2,
                                              sizeof *moments);
    ac_status status;

    *out = (aci_input_statistics){ .n = (int32_t)rank, .moments = moments };
    if (full == NULL || moments == NULL)
        status = aci_platform_fail_memory(error, "a factor's statistics");
    else
        status = aci_workshop_low_rank_seen(full, p->work->algebra, right,
                                            rank, n_in, h, error);
    for (size_t i = 0; status == AC_OK && i < n; i++)
        for (size_t j = 0; j <= i; j++)
            *moments++ = (float)full[i * n + j];
    aci_platform_free(p->work->memory, full);
    return status;
}

/* The owner of V and those that share it, from `first` to `last`. */
static ac_status add_factors(const packing_up *p, int32_t first, int32_t last,
                             int32_t input, ac_error *error)
{
    aci_float_matrix *own = &p->student->layers[p->layer].matrices[first];
    aci_input_statistics through = { .moments = NULL };
    aci_packed v = { .a = NULL }, u = { .a = NULL };
    aci_ladder_seen seen;
    int64_t n_out, n_in;
    char name[32];
    ac_status status;

    aci_workshop_floats_size(&n_out, &n_in, p->student, p->layer, first);
    status = aci_workshop_ladder_see(&seen, p->work, p->order, p->layer,
                                     input, (int32_t)n_in, error);
    if (status != AC_OK)
        return status;
    status = choose_codes(&v, own->right, own->rank, n_in, p, &seen.input,
                          error);
    if (status == AC_OK)
        status = see_through(&through, p, own->right, own->rank, n_in, seen.h,
                             error);
    for (int32_t i = first; status == AC_OK && i <= last; i++) {
        aci_float_matrix *m = &p->student->layers[p->layer].matrices[i];

        aci_workshop_floats_size(&n_out, &n_in, p->student, p->layer, i);
        status = choose_codes(&u, m->left, n_out, own->rank, p, &through,
                              error);
        if (status == AC_OK && p->extras != NULL)
            status = aci_workshop_extras_low_rank(
                p->extras, p->plan->recipe.name, name_of(name, p, i),
                (int32_t)n_in, &u, i == first ? &v : NULL, error);
        aci_workshop_pack_close(&u, p->work->memory);
    }
    aci_workshop_pack_close(&v, p->work->memory);
    aci_platform_free(p->work->memory, (void *)(uintptr_t)through.moments);
    aci_workshop_ladder_unsee(&seen, p->work);
    return status;
}

static ac_status add_layer(const packing_up *p, ac_error *error)
{
    const aci_float_layer *layer = &p->student->layers[p->layer];
    ac_status status = AC_OK;

    if (layer->matrices[ACI_MATRIX_Q].rank > 0)
        status = add_factors(p, ACI_MATRIX_Q, ACI_MATRIX_V, ACI_INPUT_QKV,
                             error);
    if (status != AC_OK)
        return status;
    if (layer->matrices[ACI_MATRIX_O].rank > 0)
        status = add_factors(p, ACI_MATRIX_O, ACI_MATRIX_O, ACI_INPUT_O,
                             error);
    else if (aci_workshop_ladder_owns(p->student, p->plan, p->layer,
                                      ACI_MATRIX_O))
        status = add_matrix(p, ACI_MATRIX_O, error);
    if (status == AC_OK &&
        aci_workshop_ladder_owns(p->student, p->plan, p->layer,
                                 ACI_MATRIX_DOWN))
        status = add_matrix(p, ACI_MATRIX_DOWN, error);
    return status;
}

ac_status aci_workshop_ladder_layer_matrices(aci_extras_build *extras,
                                             aci_float_model *student,
                                             const aci_ladder_work *work,
                                             const aci_unit_order *order,
                                             const aci_variant_plan *plan,
                                             int32_t layer, ac_error *error)
{
    packing_up p = { extras, student, work, order, plan, layer };

    return add_layer(&p, error);
}

ac_status aci_workshop_ladder_matrices(aci_extras_build *extras,
                                       aci_float_model *student,
                                       const aci_ladder_work *work,
                                       const aci_unit_order *order,
                                       const aci_variant_plan *plan,
                                       ac_error *error)
{
    packing_up p = { extras, student, work, order, plan, 0 };
    ac_status status = AC_OK;

    for (; status == AC_OK && p.layer < work->shape->n_layer; p.layer++) {
        status = aci_workshop_ladder_progress(
            work, "codes", (uint64_t)p.layer,
            (uint64_t)work->shape->n_layer, NAN, error);
        if (status == AC_OK)
            status = add_layer(&p, error);
    }
    return status;
}

/* ---- vectors ------------------------------------------------------------- */

/* The store's vector of that name; NULL: it has none. */
static const float *stored_vector(const aci_model *model,
                                  const aci_tensor *tensor)
{
    /* The list's look-up hands out what may be changed; we only read. */
    aci_model *open = (aci_model *)(uintptr_t)model;

    return aci_model_tensor_present(&model->shape, tensor)
               ? *aci_model_tensor_vector(open, tensor)
               : NULL;
}

static int differs(const float *own, const float *stored, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (own[i] != (stored != NULL ? stored[i] : 0.0f))
            return 1;
    return 0;
}

ac_status aci_workshop_ladder_vectors(aci_extras_build *extras,
                                      aci_float_model *student,
                                      const aci_variant_plan *plan,
                                      const aci_model *model,
                                      int32_t *n_added, ac_error *error)
{
    aci_float_array array;
    ac_status status = AC_OK;

    for (size_t i = 0;
         status == AC_OK && aci_workshop_floats_at(&array, student, i); i++) {
        aci_tensor tensor;

        if (*array.place == NULL ||
            !aci_model_tensor_named(&tensor, &model->shape, array.name) ||
            tensor.is_matrix ||
            !differs(*array.place, stored_vector(model, &tensor),
                     array.n_columns))
            continue;
        status = aci_workshop_extras_vector(
            extras, plan->recipe.name, tensor.name, *array.place,
            (int32_t)array.n_columns, error);
        *n_added += 1;
    }
    return status;
}
