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
 * Which planes of each W are read is the variant's plan. */
#include "engine/engine_internal.h"
#include "platform/clock.h"

static aci_product product(aci_linear linear, float *out, int32_t accumulate)
{
    aci_product p = { linear, out, (size_t)linear.weight->n_out, accumulate };

    return p;
}

static ac_status run_layer(aci_session *session, const aci_layer_plan *plan,
                           int32_t l, const aci_span *span, ac_error *error)
{
    aci_engine *engine = session->engine;
    const aci_backend_operations *ops = engine->backend->operations;
    const aci_workspace *work = &engine->workspace;
    const aci_layer *layer = &engine->layers[l];
    const aci_attention *attention = &session->attention[l];
    float eps = engine->model->shape.norm_eps;
    size_t embd = (size_t)engine->model->shape.n_embd;
    size_t q_width = (size_t)attention->n_head * (size_t)attention->head_dim;
    size_t ff = (size_t)engine->model->shape.n_ff;
    int32_t n = span->n_rows;
    aci_product qkv[3], o, down;
    ac_status status;

    qkv[0] = product(plan->q, work->q, 0);
    qkv[1] = product(plan->k, work->k, 0);
    qkv[2] = product(plan->v, work->v, 0);
    status = ops->project(engine->backend, qkv, 3, work->x, embd,
                          layer->attn_norm, eps, n, error);
    if (status == AC_OK)
        status = ops->rotate_append(engine->backend, work->q, work->k,
                                    work->v, span, 1, attention, error);
    if (status == AC_OK)
        status = ops->attend(engine->backend, work->attended, work->q, span,
                             1, attention, error);
    o = product(plan->o, work->x, 1);
    if (status == AC_OK)
        status = ops->project(engine->backend, &o, 1, work->attended, q_width,
                              NULL, 0.0f, n, error);
    if (status == AC_OK)
        status = ops->gate(engine->backend, work->hidden, work->scratch,
                           &plan->gate, &plan->up, work->x, layer->ffn_norm,
                           eps, n, error);
    down = product(plan->down, work->x, 1);
    if (status == AC_OK)
        status = ops->project(engine->backend, &down, 1, work->hidden, ff,
                              NULL, 0.0f, n, error);
    return status;
}

static ac_status run_model(aci_session *session, const aci_plan *plan,
                           const int32_t *tokens, int32_t n_rows,
                           int32_t first_position, float *logits,
                           int32_t n_logits, ac_error *error)
{
    aci_engine *engine = session->engine;
    const aci_backend_operations *ops = engine->backend->operations;
    const aci_shape *shape = &engine->model->shape;
    float *x = engine->workspace.x;
    aci_span span = { 0, n_rows, first_position, NULL };
    aci_product head;
    int32_t l;
    ac_status status;

    status = ops->embed(engine->backend, x, &plan->embed, tokens, n_rows,
                        error);
    for (l = 0; l < shape->n_layer && status == AC_OK; l++) {
        span.kv = &session->kv[l];
        status = run_layer(session, &plan->layers[l], l, &span, error);
    }
    if (status != AC_OK || n_logits == 0)
        return status;
    head = product(plan->head, logits, 0);
    x += (size_t)(n_rows - n_logits) * (size_t)shape->n_embd;
    return ops->project(engine->backend, &head, 1, x, (size_t)shape->n_embd,
                        engine->final_norm, shape->norm_eps, n_logits, error);
}

ac_status aci_engine_forward(aci_session *session, int32_t variant,
                             const int32_t *tokens, int32_t n_rows,
                             int32_t first_position, float *logits,
                             int32_t n_logits, ac_error *error)
{
    aci_engine *engine = session->engine;
    uint64_t asked = aci_platform_monotonic_nanoseconds();
    ac_status status;

    aci_platform_lock(engine->device_lock);
    session->queue_nanoseconds += aci_platform_monotonic_nanoseconds() - asked;
    status = run_model(session, &engine->plans[variant], tokens, n_rows,
                       first_position, logits, n_logits, error);
    aci_platform_unlock(engine->device_lock);
    return status;
}
