/* float_model.c - models as float arrays: reading, cutting, checking. */
#include "workshop/train/float_model.h"

#include <stdio.h>
#include <string.h>

#include "platform/error.h"

enum { BLOCK_HEAD = 64 }; /* bytes in front of an array: keeps it aligned */

struct aci_float_block {
    struct aci_float_block *next;
};

static const char *const matrix_names[] = { "q",    "k",  "v",   "o",
                                            "gate", "up", "down" };

/* ---- making and freeing -------------------------------------------------- */

ac_status aci_workshop_floats_open(aci_float_model *out, aci_memory *memory,
                                   const aci_shape *shape, ac_error *error)
{
    ac_status status;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    status = aci_model_shape_check(shape, error);
    if (status != AC_OK)
        return status;
    out->shape = *shape;
    out->layers = aci_platform_alloc_zeroed(memory, (size_t)shape->n_layer,
                                            sizeof *out->layers);
    if (out->layers == NULL)
        return aci_platform_fail_memory(error, "a model's layers");
    for (int32_t l = 0; l < shape->n_layer; l++) {
        out->layers[l].n_head_kv = shape->n_head_kv;
        out->layers[l].n_ff = shape->n_ff;
    }
    return AC_OK;
}

void aci_workshop_floats_close(aci_float_model *model)
{
    struct aci_float_block *block = model->blocks, *next;

    for (; block != NULL; block = next) {
        next = block->next;
        aci_platform_free(model->memory, block);
    }
    aci_platform_free(model->memory, model->layers);
    memset(model, 0, sizeof *model);
}

float *aci_workshop_floats_array(aci_float_model *model, size_t n)
{
    char *bytes;
    struct aci_float_block *block;

    if (n > (SIZE_MAX - BLOCK_HEAD) / sizeof(float))
        return NULL;
    bytes = aci_platform_alloc_zeroed(model->memory, 1,
                                      BLOCK_HEAD + n * sizeof(float));
    if (bytes == NULL)
        return NULL;
    block = (struct aci_float_block *)(void *)bytes;
    block->next = model->blocks;
    model->blocks = block;
    return (float *)(void *)(bytes + BLOCK_HEAD);
}

/* ---- the arrays ---------------------------------------------------------- */

void aci_workshop_floats_size(int64_t *n_out, int64_t *n_in,
                              const aci_float_model *model, int32_t layer,
                              int32_t matrix)
{
    const aci_shape *shape = &model->shape;
    const aci_float_layer *of = &model->layers[layer];
    int64_t keys = (int64_t)of->n_head_kv * shape->head_dim;
    int64_t heads = keys * (shape->n_head / shape->n_head_kv);
    int64_t embd = shape->n_embd, ff = of->n_ff;
    const int64_t rows[] = { heads, keys, keys, embd, ff, ff, embd };
    const int64_t columns[] = { embd, embd, embd, heads, embd, embd, ff };

    *n_out = rows[matrix];
    *n_in = columns[matrix];
}

static void describe(aci_float_array *out, float **place, int64_t n_rows,
                     int64_t n_columns, const char *name, const char *suffix)
{
    out->place = place;
    out->n_rows = n_rows;
    out->n_columns = n_columns;
    if (out->layer < 0)
        snprintf(out->name, sizeof out->name, "%s", name);
    else
        snprintf(out->name, sizeof out->name, "%d.%s%s", (int)out->layer,
                 name, suffix);
}

enum { N_OUTER = 3, N_VECTORS = 4, N_FORMS = 4 }; /* dense left right bias */
enum { N_INNER = N_VECTORS + N_FORMS * ACI_N_MATRICES };

static void describe_outer(aci_float_array *out, aci_float_model *model,
                           size_t i)
{
    int64_t embd = model->shape.n_embd, n_vocab = model->shape.n_vocab;

    if (i == 0)
        describe(out, &model->embed, n_vocab, embd, "embed", "");
    else if (i == 1)
        describe(out, &model->final_norm, 1, embd, "final_norm", "");
    else
        describe(out, &model->head, n_vocab, embd, "head", "");
}

static void describe_vector(aci_float_array *out, aci_float_model *model,
                            size_t i)
{
    aci_float_layer *layer = &model->layers[out->layer];
    int64_t embd = model->shape.n_embd, dim = model->shape.head_dim;

    if (i == 0)
        describe(out, &layer->attn_norm, 1, embd, "attn_norm", "");
    else if (i == 1)
        describe(out, &layer->ffn_norm, 1, embd, "ffn_norm", "");
    else if (i == 2)
        describe(out, &layer->q_norm, 1, dim, "q_norm", "");
    else
        describe(out, &layer->k_norm, 1, dim, "k_norm", "");
}

static void describe_matrix(aci_float_array *out, aci_float_model *model,
                            size_t form)
{
    aci_float_layer *layer = &model->layers[out->layer];
    aci_float_matrix *m = &layer->matrices[out->matrix];
    const char *name = matrix_names[out->matrix];
    int64_t n_out, n_in;

    aci_workshop_floats_size(&n_out, &n_in, model, out->layer, out->matrix);
    if (form == 0)
        describe(out, &m->dense, n_out, n_in, name, "");
    else if (form == 1)
        describe(out, &m->left, n_out, m->rank, name, ".left");
    else if (form == 2)
        describe(out, &m->right, m->rank, n_in, name, ".right");
    else
        describe(out, &layer->biases[out->matrix], 1, n_out, name, "_bias");
}

bool aci_workshop_floats_at(aci_float_array *out, aci_float_model *model,
                            size_t i)
{
    size_t inner;

    out->layer = out->matrix = -1;
    if (i >= N_OUTER + (size_t)model->shape.n_layer * N_INNER)
        return false;
    if (i < N_OUTER) {
        describe_outer(out, model, i);
        return true;
    }
    out->layer = (int32_t)((i - N_OUTER) / N_INNER);
    inner = (i - N_OUTER) % N_INNER;
    if (inner < N_VECTORS) {
        describe_vector(out, model, inner);
        return true;
    }
    out->matrix = (int32_t)((inner - N_VECTORS) / N_FORMS);
    describe_matrix(out, model, (inner - N_VECTORS) % N_FORMS);
    return true;
}

/* ---- reading ------------------------------------------------------------- */

static ac_status read_array(aci_float_model *out, aci_float_array *array,
                            const aci_checkpoint *checkpoint, ac_error *error)
{
    int64_t n_rows, n_columns;

    if (!aci_model_checkpoint_find(checkpoint, array->name, &n_rows,
                                   &n_columns))
        return AC_OK;
    if (n_rows != array->n_rows || n_columns != array->n_columns)
        return aci_platform_fail(
            error, AC_E_FORMAT, "tensor %s was %lld x %lld, not %lld x %lld",
            array->name, (long long)n_rows, (long long)n_columns,
            (long long)array->n_rows, (long long)array->n_columns);
    *array->place = aci_workshop_floats_array(out,
                                              (size_t)(n_rows * n_columns));
    if (*array->place == NULL)
        return aci_platform_fail_memory(error, array->name);
    return aci_model_checkpoint_read(*array->place, checkpoint, array->name,
                                     0, n_rows, error);
}

ac_status aci_workshop_floats_read(aci_float_model *out, aci_memory *memory,
                                   const aci_checkpoint *checkpoint,
                                   ac_error *error)
{
    aci_float_array array;
    ac_status status = aci_workshop_floats_open(
        out, memory, aci_model_checkpoint_shape(checkpoint), error);

    for (size_t i = 0;
         status == AC_OK && aci_workshop_floats_at(&array, out, i); i++)
        status = read_array(out, &array, checkpoint, error);
    if (status == AC_OK)
        status = aci_workshop_floats_check(out, error);
    return status;
}

ac_status aci_workshop_floats_read_layer(aci_float_model *out,
                                         aci_memory *memory,
                                         const aci_checkpoint *checkpoint,
                                         int32_t layer, ac_error *error)
{
    aci_float_array array;
    ac_status status = aci_workshop_floats_open(
        out, memory, aci_model_checkpoint_shape(checkpoint), error);

    for (size_t i = 0;
         status == AC_OK && aci_workshop_floats_at(&array, out, i); i++)
        if (array.layer == layer || array.place == &out->final_norm)
            status = read_array(out, &array, checkpoint, error);
    return status;
}

/* ---- cutting ------------------------------------------------------------- */

static ac_status cut_array(aci_float_model *out, const aci_float_array *to,
                           const aci_float_array *from, ac_error *error)
{
    size_t row_bytes = (size_t)to->n_columns * sizeof(float);

    if (*from->place == NULL || to->n_rows * to->n_columns == 0)
        return AC_OK;
    *to->place = aci_workshop_floats_array(
        out, (size_t)(to->n_rows * to->n_columns));
    if (*to->place == NULL)
        return aci_platform_fail_memory(error, to->name);
    for (int64_t row = 0; row < to->n_rows; row++)
        memcpy(*to->place + row * to->n_columns,
               *from->place + row * from->n_columns, row_bytes);
    return AC_OK;
}

static ac_status keep_counts(aci_float_model *out,
                             const aci_float_model *from,
                             const aci_kept *kept, ac_error *error)
{
    for (int32_t l = 0; l < out->shape.n_layer; l++) {
        aci_float_layer *to = &out->layers[l];
        const aci_float_layer *of = &from->layers[l];

        to->n_head_kv = kept != NULL ? kept[l].n_head_kv : of->n_head_kv;
        to->n_ff = kept != NULL ? kept[l].n_ff : of->n_ff;
        for (int i = 0; i < ACI_N_MATRICES; i++)
            to->matrices[i].rank = of->matrices[i].rank;
        if (to->n_head_kv < 0 || to->n_head_kv > of->n_head_kv ||
            to->n_ff < 0 || to->n_ff > of->n_ff)
            return aci_platform_fail(
                error, AC_E_ARGUMENT,
                "layer %d has %d key-value heads and %d neurons; %d and %d "
                "were to be kept", (int)l, (int)of->n_head_kv, (int)of->n_ff,
                (int)to->n_head_kv, (int)to->n_ff);
    }
    return AC_OK;
}

/* Nothing of a skipped block is kept, its bias neither. */
static bool is_skipped(const aci_float_model *model,
                       const aci_float_array *array)
{
    const aci_float_layer *layer;
    const char *name = strchr(array->name, '.');

    if (array->layer < 0)
        return false;
    layer = &model->layers[array->layer];
    if (array->matrix < 0)
        return strcmp(name, ".ffn_norm") == 0 ? layer->n_ff == 0
                                              : layer->n_head_kv == 0;
    return array->matrix >= ACI_MATRIX_GATE ? layer->n_ff == 0
                                            : layer->n_head_kv == 0;
}

ac_status aci_workshop_floats_cut(aci_float_model *out,
                                  const aci_float_model *from,
                                  const aci_kept *kept, ac_error *error)
{
    aci_float_model source = *from; /* `at` gives places to write to */
    aci_float_array to, of;
    ac_status status = aci_workshop_floats_open(out, from->memory,
                                                &from->shape, error);

    if (status == AC_OK)
        status = keep_counts(out, from, kept, error);
    for (size_t i = 0; status == AC_OK && aci_workshop_floats_at(&to, out, i);
         i++) {
        aci_workshop_floats_at(&of, &source, i);
        if (!is_skipped(out, &to))
            status = cut_array(out, &to, &of, error);
    }
    for (int32_t l = 0; status == AC_OK && l < out->shape.n_layer; l++)
        for (int i = 0; i < ACI_N_MATRICES; i++)
            if (out->layers[l].matrices[i].left == NULL)
                out->layers[l].matrices[i].rank = 0;
    return status;
}

/* ---- checking ------------------------------------------------------------ */

static ac_status lacks(const char *what, int32_t layer, ac_error *error)
{
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "the model in memory had no sound %s in layer %d",
                             what, (int)layer);
}

/* Whose V a matrix may share; -1: nobody's. */
static int owner_of(int matrix)
{
    if (matrix == ACI_MATRIX_K || matrix == ACI_MATRIX_V)
        return ACI_MATRIX_Q;
    return matrix == ACI_MATRIX_UP ? ACI_MATRIX_GATE : -1;
}

static bool is_sound(const aci_float_layer *layer, int matrix)
{
    const aci_float_matrix *m = &layer->matrices[matrix];
    int owner = owner_of(matrix);

    if (m->dense != NULL)
        return m->rank == 0 && m->left == NULL && m->right == NULL;
    if (m->left == NULL || m->rank < 1 || m->rank > 65536)
        return false;
    return m->right != NULL ||
           (owner >= 0 && layer->matrices[owner].right != NULL &&
            layer->matrices[owner].rank == m->rank);
}

static bool is_bare(const aci_float_layer *layer, int matrix)
{
    const aci_float_matrix *m = &layer->matrices[matrix];

    return m->dense == NULL && m->left == NULL && m->right == NULL &&
           layer->biases[matrix] == NULL;
}

static ac_status check_layer(const aci_float_model *model, int32_t l,
                             ac_error *error)
{
    const aci_float_layer *layer = &model->layers[l];

    if (layer->n_head_kv < 0 || layer->n_head_kv > model->shape.n_head_kv)
        return lacks("count of heads", l, error);
    if (layer->n_ff < 0 || layer->n_ff > model->shape.n_ff)
        return lacks("count of neurons", l, error);
    for (int i = 0; i < ACI_N_MATRICES; i++) {
        bool there = i < ACI_MATRIX_GATE ? layer->n_head_kv > 0
                                         : layer->n_ff > 0;

        if (there ? !is_sound(layer, i) : !is_bare(layer, i))
            return lacks(matrix_names[i], l, error);
    }
    if (layer->n_head_kv > 0 && layer->attn_norm == NULL)
        return lacks("attn_norm", l, error);
    if (layer->n_ff > 0 && layer->ffn_norm == NULL)
        return lacks("ffn_norm", l, error);
    if (layer->n_head_kv > 0 &&
        ((layer->q_norm != NULL) != (model->shape.qk_norm != 0) ||
         (layer->k_norm != NULL) != (model->shape.qk_norm != 0)))
        return lacks("norm of q and k", l, error);
    return AC_OK;
}

ac_status aci_workshop_floats_check(const aci_float_model *model,
                                    ac_error *error)
{
    ac_status status = aci_model_shape_check(&model->shape, error);

    if (status != AC_OK)
        return status;
    if (model->embed == NULL || model->final_norm == NULL ||
        (model->head == NULL) != (model->shape.tied_embeddings != 0))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the model in memory had no sound embedding, "
                                 "last norm or head");
    for (int32_t l = 0; status == AC_OK && l < model->shape.n_layer; l++)
        status = check_layer(model, l, error);
    return status;
}
