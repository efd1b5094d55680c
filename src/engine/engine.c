/* engine.c - opening a model on a device.
 *
 * Norms and biases are placed on the device, matrices are adopted where they
 * lie, and for every variant a plan is laid out: how much of each layer there
 * is and which planes each product reads. Nothing here changes after open. */
#include <string.h>

#include "engine/engine_internal.h"
#include "platform/error.h"

/* A chunk's buffers stay under this, so that a big model's session keeps to
 * its memory promise. */
#define WORKSPACE_BYTES ((size_t)32 << 20)

/* ---- placing vectors ----------------------------------------------------- */

/* Every vector of a layer with its length, so that counting, copying and
 * replacing are one loop. */
typedef struct vector_slot {
    const float **pointer;
    size_t n;
} vector_slot;

enum { VECTORS_PER_LAYER = 11 };

static void layer_vectors(vector_slot *out, aci_layer *layer,
                          const aci_shape *shape)
{
    size_t embd = (size_t)shape->n_embd, ff = (size_t)shape->n_ff;
    size_t dim = (size_t)shape->head_dim;
    size_t q = (size_t)shape->n_head * dim;
    size_t kv = (size_t)shape->n_head_kv * dim;
    const vector_slot all[VECTORS_PER_LAYER] = {
        { &layer->attn_norm, embd }, { &layer->ffn_norm, embd },
        { &layer->q_norm, dim },     { &layer->k_norm, dim },
        { &layer->q_bias, q },       { &layer->k_bias, kv },
        { &layer->v_bias, kv },      { &layer->o_bias, embd },
        { &layer->gate_bias, ff },   { &layer->up_bias, ff },
        { &layer->down_bias, embd },
    };

    memcpy(out, all, sizeof all);
}

static size_t count_vectors(aci_engine *engine)
{
    const aci_shape *shape = &engine->model->shape;
    size_t n = (size_t)shape->n_embd, k;
    int32_t l;
    int i;

    for (k = 0; k < engine->n_owned; k++)
        n += (size_t)engine->owned[k].n;

    for (l = 0; l < shape->n_layer; l++) {
        vector_slot slots[VECTORS_PER_LAYER];

        layer_vectors(slots, &engine->layers[l], shape);
        for (i = 0; i < VECTORS_PER_LAYER; i++)
            n += *slots[i].pointer ? slots[i].n : 0;
    }
    return n;
}

static ac_status place_vectors(aci_engine *engine, ac_error *error)
{
    const aci_shape *shape = &engine->model->shape;
    aci_backend *backend = engine->backend;
    float *at;
    size_t k;
    int32_t l;
    int i;
    ac_status status;

    engine->vectors = backend->operations->allocate(
        backend, count_vectors(engine) * sizeof(float));
    if (engine->vectors == NULL)
        return backend->operations->refuse(
            backend, count_vectors(engine) * sizeof(float),
            "norms and biases", error);
    at = engine->vectors;
    engine->final_norm = at;
    status = backend->operations->host_to(
        backend, at, engine->model->final_norm,
        (size_t)shape->n_embd * sizeof(float), error);
    at += shape->n_embd;
    for (l = 0; l < shape->n_layer && status == AC_OK; l++) {
        vector_slot slots[VECTORS_PER_LAYER];

        layer_vectors(slots, &engine->layers[l], shape);
        for (i = 0; i < VECTORS_PER_LAYER && status == AC_OK; i++) {
            if (*slots[i].pointer == NULL)
                continue;
            status = backend->operations->host_to(
                backend, at, *slots[i].pointer, slots[i].n * sizeof(float),
                error);
            *slots[i].pointer = at;
            at += slots[i].n;
        }
    }
    for (k = 0; k < engine->n_owned && status == AC_OK; k++) {
        aci_owned *owned = &engine->owned[k];

        if (owned->kind != ACI_OWNED_VECTOR)
            continue;
        status = backend->operations->host_to(
            backend, at, owned->vector, (size_t)owned->n * sizeof(float),
            error);
        owned->vector = at;
        at += owned->n;
    }
    return status;
}

static uint64_t matrix_bytes(const aci_matrix *m)
{
    uint64_t nibbles;

    if (m->dense != NULL)
        return (uint64_t)m->n_out * (uint64_t)m->n_in * sizeof(float);
    nibbles = aci_matrix_nibble_bytes(m);
    return (m->plane_a != NULL ? nibbles : 0) +
           (m->plane_b != NULL ? nibbles : 0) +
           (m->plane_c != NULL ? 2 * nibbles : 0) +
           (m->scales != NULL ? aci_matrix_scale_bytes(m) : 0);
}

/* All that place_matrices will ask for. */
static uint64_t count_matrices(const aci_engine *engine)
{
    uint64_t n = matrix_bytes(&engine->embed);
    size_t k;
    int32_t l;
    int i;

    if (!engine->model->shape.tied_embeddings)
        n += matrix_bytes(&engine->head);
    for (l = 0; l < engine->model->shape.n_layer; l++) {
        const aci_layer *y = &engine->layers[l];
        const aci_matrix *all[] = { &y->q, &y->k, &y->v, &y->o,
                                    &y->gate, &y->up, &y->down };

        for (i = 0; i < 7; i++)
            n += matrix_bytes(all[i]);
    }
    for (k = 0; k < engine->n_owned; k++) {
        const aci_owned *owned = &engine->owned[k];

        if (owned->kind != ACI_OWNED_VECTOR)
            n += matrix_bytes(&owned->matrix);
        if (owned->kind == ACI_OWNED_LOW_RANK)
            n += matrix_bytes(&owned->inner);
    }
    return n;
}

/* Whom to tell of copying. */
typedef struct telling {
    aci_engine_copied *on_copied; /* NULL: nobody */
    void *user;
    uint64_t done, total;
} telling;

static ac_status adopt(aci_engine *engine, aci_matrix *matrix,
                       telling *told, ac_error *error)
{
    aci_backend *backend = engine->backend;
    uint64_t n = matrix_bytes(matrix);
    ac_status status = backend->operations->adopt(backend, matrix, error);

    told->done += n;
    /* A device that takes no memory for it copies nothing. */
    if (status != AC_OK || told->on_copied == NULL ||
        backend->operations->used_bytes(backend) == 0)
        return status;
    return told->on_copied(told->done, told->total, told->user, error);
}

static ac_status place_matrices(aci_engine *engine, telling *told,
                                ac_error *error)
{
    aci_backend *backend = engine->backend;
    size_t k;
    int32_t l;
    int i;
    ac_status status;

    told->total = count_matrices(engine);
    status = backend->operations->check_room(backend, told->total, error);
    if (status == AC_OK)
        status = adopt(engine, &engine->embed, told, error);
    if (status == AC_OK && engine->model->shape.tied_embeddings)
        engine->head = engine->embed;
    else if (status == AC_OK)
        status = adopt(engine, &engine->head, told, error);
    for (l = 0; l < engine->model->shape.n_layer && status == AC_OK; l++) {
        aci_layer *y = &engine->layers[l];
        aci_matrix *all[] = { &y->q, &y->k, &y->v, &y->o,
                              &y->gate, &y->up, &y->down };

        for (i = 0; i < 7 && status == AC_OK; i++)
            status = adopt(engine, all[i], told, error);
    }
    for (k = 0; k < engine->n_owned && status == AC_OK; k++) {
        aci_owned *owned = &engine->owned[k];

        if (owned->kind != ACI_OWNED_VECTOR)
            status = adopt(engine, &owned->matrix, told, error);
        if (status == AC_OK && owned->kind == ACI_OWNED_LOW_RANK)
            status = adopt(engine, &owned->inner, told, error);
    }
    return status;
}

/* ---- plans --------------------------------------------------------------- */

static ac_status make_plan(aci_plan *plan, aci_engine *engine,
                           int32_t variant, ac_error *error)
{
    const aci_model *model = engine->model;
    int32_t n = model->shape.n_layer, l;

    plan->layers = aci_platform_alloc_zeroed(engine->memory, (size_t)n,
                                             sizeof *plan->layers);
    if (plan->layers == NULL)
        return aci_platform_fail_memory(error, "a variant's plan");
    plan->embed = (aci_linear){ &engine->embed, NULL,
                                model->variants[variant].embed_bits,
                                model->variants[variant].activation_bits };
    aci_model_variant_head(&plan->head, &plan->final_norm, model, variant,
                           &engine->head, engine->final_norm, engine->owned);
    for (l = 0; l < n; l++)
        aci_model_variant_layer(&plan->layers[l], model, variant, l,
                                &engine->layers[l], engine->owned);
    return AC_OK;
}

/* ---- workspace ----------------------------------------------------------- */

static float *reserve(aci_engine *engine, size_t rows, size_t width)
{
    return engine->backend->operations->allocate(
        engine->backend, rows * width * sizeof(float));
}

static size_t largest_rank(const aci_engine *engine)
{
    int32_t most = 0;
    size_t i;

    for (i = 0; i < engine->n_owned; i++)
        most = engine->owned[i].rank > most ? engine->owned[i].rank : most;
    return (size_t)most;
}

static ac_status make_workspace(aci_engine *engine, ac_error *error)
{
    const aci_shape *shape = &engine->model->shape;
    aci_workspace *work = &engine->workspace;
    size_t dim = (size_t)shape->head_dim;
    size_t q = (size_t)shape->n_head * dim;
    size_t kv = (size_t)shape->n_head_kv * dim;
    size_t embd = (size_t)shape->n_embd, ff = (size_t)shape->n_ff;
    size_t rank = largest_rank(engine);
    size_t row_bytes = (embd + 2 * q + 2 * kv + 2 * ff +
                        ACI_LOW_ROWS * rank) * sizeof(float);
    size_t rows = WORKSPACE_BYTES / row_bytes / 64 * 64;
    int i, n_missing = 0;

    if (rows > ACI_MAX_ROWS)
        rows = ACI_MAX_ROWS;
    if (rows < 64)
        rows = 64;
    work->rows = (int32_t)rows;
    work->x = reserve(engine, rows, embd);
    work->q = reserve(engine, rows, q);
    work->attended = reserve(engine, rows, q);
    work->k = reserve(engine, rows, kv);
    work->v = reserve(engine, rows, kv);
    work->gate = reserve(engine, rows, ff);
    work->up = reserve(engine, rows, ff);
    for (i = 0; i < ACI_LOW_ROWS && rank > 0; i++) {
        work->low[i] = reserve(engine, rows, rank);
        n_missing += work->low[i] == NULL;
    }
    if (work->x && work->q && work->attended && work->k && work->v &&
        work->gate && work->up && n_missing == 0)
        return AC_OK;
    return engine->backend->operations->refuse(
        engine->backend, rows * row_bytes, "the forward pass", error);
}

/* ---- open and close ------------------------------------------------------ */

/* Copies of what the model points to, to be pointed at the device. */
static ac_status copy_model(aci_engine *engine, ac_error *error)
{
    const aci_model *model = engine->model;
    size_t n = (size_t)model->shape.n_layer;
    const aci_owned *owned = aci_model_extras_all(&engine->n_owned,
                                                  model->extras);

    engine->embed = model->embed;
    engine->head = model->head;
    engine->layers = aci_platform_alloc_array(engine->memory, n,
                                              sizeof(aci_layer));
    engine->owned = aci_platform_alloc_array(
        engine->memory, engine->n_owned + 1, sizeof(aci_owned));
    if (engine->layers == NULL || engine->owned == NULL)
        return aci_platform_fail_memory(error, "the layers");
    memcpy(engine->layers, model->layers, n * sizeof(aci_layer));
    if (engine->n_owned > 0)
        memcpy(engine->owned, owned, engine->n_owned * sizeof(aci_owned));
    return AC_OK;
}

ac_status aci_engine_open(aci_engine **out, aci_memory *memory,
                          const aci_model *model, aci_backend *backend,
                          ac_error *error)
{
    return aci_engine_open_told(out, memory, model, backend, NULL, NULL,
                                error);
}

ac_status aci_engine_open_told(aci_engine **out, aci_memory *memory,
                               const aci_model *model, aci_backend *backend,
                               aci_engine_copied *on_copied, void *user,
                               ac_error *error)
{
    telling told = { on_copied, user, 0, 0 };
    aci_engine *engine = aci_platform_alloc_zeroed(memory, 1, sizeof *engine);
    ac_status status;
    int32_t i;

    *out = NULL;
    if (engine == NULL)
        return aci_platform_fail_memory(error, "the engine");
    engine->memory = memory;
    engine->model = model;
    engine->backend = backend;
    status = copy_model(engine, error);
    if (status == AC_OK)
        status = place_vectors(engine, error);
    if (status == AC_OK)
        status = place_matrices(engine, &told, error);
    for (i = 0; i < model->n_variants && status == AC_OK; i++)
        status = make_plan(&engine->plans[i], engine, i, error);
    if (status == AC_OK)
        status = make_workspace(engine, error);
    if (status == AC_OK)
        status = aci_platform_mutex_create(&engine->device_lock, memory,
                                           error);
    if (status == AC_OK)
        *out = engine;
    else
        aci_engine_close(engine);
    return status;
}

void aci_engine_close(aci_engine *engine)
{
    aci_workspace *work;
    int32_t i;

    if (engine == NULL)
        return;
    work = &engine->workspace;
    {
        float *blocks[] = { work->x, work->q, work->attended, work->k,
                            work->v, work->gate, work->up,
                            work->low[0], work->low[1], work->low[2],
                            engine->vectors };

        for (i = 0; i < 11; i++)
            if (blocks[i])
                engine->backend->operations->release(engine->backend,
                                                     blocks[i]);
    }
    for (i = 0; i < AC_MAX_VARIANTS; i++)
        aci_platform_free(engine->memory, engine->plans[i].layers);
    aci_platform_mutex_free(engine->device_lock);
    aci_platform_free(engine->memory, engine->owned);
    aci_platform_free(engine->memory, engine->layers);
    aci_platform_free(engine->memory, engine);
}
