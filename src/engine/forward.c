/* forward.c - the forward pass, read top to bottom.
 *
 * A pre-norm transformer decoder with grouped-query attention and a gated
 * feed-forward (Touvron et al., LLaMA, 2023):
 *
 *     x  = embed(tokens)
 *     for each layer:
 *         q, k, v = Wq n, Wk n, Wv n          n = RMSNorm(x)
 *         rotate q and k by their positions; append k and v to the cache
 *         x += Wo attend(q, cache)
 *         x += Wdown (silu(Wgate n) * Wup n)  n = RMSNorm(x)
 *     logits = Whead RMSNorm(x)
 *
 * Which planes of each W are read, how many heads and neurons there are, which
 * blocks are skipped and which W are two thin factors is the variant's plan.
 *
 * The cache has room for every head; a variant that keeps the first of them
 * writes and reads those. What a variant left out of it for a token is never
 * read: a prefix is reused only by the variant that computed it, and drafts
 * are overwritten by whoever verifies them. */
#include "engine/engine_internal.h"
#include "platform/clock.h"
#include "platform/error.h"

/* The residual stream through RMSNorm. */
static aci_input normed(const aci_engine *engine, const float *x,
                        const float *weight)
{
    const aci_shape *shape = &engine->model->shape;
    aci_input input = { .x = x, .x_stride = (size_t)shape->n_embd,
                        .norm_weight = weight, .norm_eps = shape->norm_eps };

    return input;
}

static ac_status run_attention(aci_session *session,
                               const aci_variant_layer *plan,
                               const aci_span *span, ac_error *error)
{
    aci_engine *engine = session->engine;
    const aci_backend_operations *ops = engine->backend->operations;
    const aci_workspace *work = &engine->workspace;
    aci_attention attention = session->attention;
    const aci_input n = normed(engine, work->x, plan->attn_norm);
    const aci_input attended = {
        .x = work->attended,
        .x_stride = (size_t)plan->n_head * (size_t)attention.head_dim };
    const aci_output qkv[3] = { { &plan->q, plan->q_bias, work->q, 0 },
                                { &plan->k, plan->k_bias, work->k, 0 },
                                { &plan->v, plan->v_bias, work->v, 0 } };
    const aci_output o = { &plan->o, plan->o_bias, work->x, 1 };
    ac_status status;

    attention.n_head = plan->n_head;
    attention.n_head_kv = plan->n_head_kv;
    attention.q_norm = plan->q_norm;
    attention.k_norm = plan->k_norm;
    status = aci_engine_multiply(engine, qkv, 3, &n, span->n_rows, error);
    if (status == AC_OK)
        status = ops->rotate_append(engine->backend, work->q, work->k,
                                    work->v, span, 1, &attention, error);
    if (status == AC_OK)
        status = ops->attend(engine->backend, work->attended, work->q, span,
                             1, &attention, error);
    if (status == AC_OK)
        status = aci_engine_multiply(engine, &o, 1, &attended, span->n_rows,
                                     error);
    return status;
}

static ac_status run_feed_forward(aci_engine *engine,
                                  const aci_variant_layer *plan,
                                  int32_t n_rows, ac_error *error)
{
    const aci_workspace *work = &engine->workspace;
    const aci_input n = normed(engine, work->x, plan->ffn_norm);
    const aci_input gated = { .x = work->gate, .x_stride = (size_t)plan->n_ff,
                              .up = work->up };
    const aci_output both[2] = {
        { &plan->gate, plan->gate_bias, work->gate, 0 },
        { &plan->up, plan->up_bias, work->up, 0 } };
    const aci_output down = { &plan->down, plan->down_bias, work->x, 1 };
    ac_status status = aci_engine_multiply(engine, both, 2, &n, n_rows, error);

    if (status == AC_OK)
        status = aci_engine_multiply(engine, &down, 1, &gated, n_rows, error);
    return status;
}

static ac_status run_model(aci_session *session, const aci_plan *plan,
                           const int32_t *tokens, aci_span span,
                           float *logits, int32_t n_logits, ac_error *error)
{
    aci_engine *engine = session->engine;
    const aci_shape *shape = &engine->model->shape;
    const aci_output head = { &plan->head, NULL, logits, 0 };
    float *x = engine->workspace.x;
    int32_t n_rows = span.n_rows;
    int32_t l;
    aci_input last;
    ac_status status;

    status = engine->backend->operations->embed(
        engine->backend, x, &plan->embed, tokens, n_rows, error);
    for (l = 0; l < shape->n_layer && status == AC_OK; l++) {
        const aci_variant_layer *layer = &plan->layers[l];

        span.kv = &session->kv[l];
        if (layer->n_head > 0)
            status = run_attention(session, layer, &span, error);
        if (layer->n_ff > 0 && status == AC_OK)
            status = run_feed_forward(engine, layer, n_rows, error);
    }
    if (status != AC_OK || n_logits == 0)
        return status;
    last = normed(engine, x + (size_t)(n_rows - n_logits) *
                                  (size_t)shape->n_embd, plan->final_norm);
    return aci_engine_multiply(engine, &head, 1, &last, n_logits, error);
}

/* The model between begin and end, or what was recorded of it. */
static ac_status run_step(aci_session *session, int32_t variant,
                          const int32_t *tokens, aci_span span, float *logits,
                          int32_t n_logits, ac_error *error)
{
    aci_backend *backend = session->engine->backend;
    const aci_step step = { tokens, &span, 1, &session->attention.rope,
                            session->attention.n_head, variant, n_logits,
                            logits, session->kv_block };
    int32_t done = 0;
    ac_status status = backend->operations->begin_step(backend, &step, &done,
                                                       error);
    ac_status ended;

    if (status != AC_OK || done)
        return status;
    status = run_model(session, &session->engine->plans[variant], tokens,
                       span, logits, n_logits, error);
    ended = backend->operations->end_step(backend, status == AC_OK,
                                          status == AC_OK ? error : NULL);
    return status == AC_OK ? ended : status;
}

void aci_engine_lock_device(aci_session *session)
{
    uint64_t asked = aci_platform_monotonic_nanoseconds();

    aci_platform_lock(session->engine->device_lock);
    session->queue_nanoseconds += aci_platform_monotonic_nanoseconds() - asked;
}

ac_status aci_engine_forward(aci_session *session, int32_t variant,
                             const int32_t *tokens, int32_t n_rows,
                             int32_t first_position, float *logits,
                             int32_t n_logits, ac_error *error)
{
    aci_engine *engine = session->engine;
    const aci_span span = { 0, n_rows, first_position, session->kv };
    ac_status status;

    if ((engine->model->absent_variants >> variant & 1) != 0)
        return aci_platform_fail(error, AC_E_NOT_FOUND,
                                 "the weights of %s were left out",
                                 engine->model->variants[variant].name);
    aci_engine_lock_device(session);
    status = run_step(session, variant, tokens, span, logits, n_logits,
                      error);
    aci_platform_unlock(engine->device_lock);
    return status;
}
