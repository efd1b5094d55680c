/* session.c - one conversation: its tokens, its cache, and bringing the cache
 * up to date.
 *
 * The cache entry of a token depends on the variant that computed it and on
 * those before it. A prefix is reused only when the variant now asked for
 * computed all of it, so an answer never depends on what the session held
 * before. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "platform/clock.h"
#include "platform/error.h"

/* ---- open and close ------------------------------------------------------ */

/* Sizes of one layer's cache, every part on a cache line of its own. */
typedef struct cache_sizes {
    size_t capacity;          /* positions */
    size_t values, scales;    /* bytes of k (or v), of its scales */
} cache_sizes;

static cache_sizes measure_cache(const aci_session *session)
{
    const aci_shape *shape = &session->engine->model->shape;
    cache_sizes sizes = { ((size_t)session->n_context + 15) / 16 * 16, 0, 0 };
    size_t rows = (size_t)shape->n_head_kv * sizes.capacity;

    sizes.values = rows * (size_t)aci_kv_width(shape->head_dim) *
                   (session->kv_bits / 8);
    if (session->kv_bits == 8)
        sizes.scales = (rows * sizeof(uint16_t) + 63) / 64 * 64;
    return sizes;
}

static ac_status make_cache(aci_session *session, ac_error *error)
{
    const aci_shape *shape = &session->engine->model->shape;
    aci_backend *backend = session->engine->backend;
    cache_sizes sizes = measure_cache(session);
    size_t layer = 2 * (sizes.values + sizes.scales);
    char what[48];
    uint8_t *at;
    int32_t l;

    session->kv = aci_platform_alloc_zeroed(
        session->engine->memory, (size_t)shape->n_layer, sizeof(aci_kv));
    session->kv_block = backend->operations->allocate(
        backend, layer * (size_t)shape->n_layer);
    if (session->kv == NULL || session->kv_block == NULL) {
        snprintf(what, sizeof what, "a cache of %u tokens",
                 session->n_context);
        return backend->operations->refuse(
            backend, layer * (size_t)shape->n_layer, what, error);
    }
    at = session->kv_block;
    for (l = 0; l < shape->n_layer; l++, at += layer) {
        aci_kv *kv = &session->kv[l];

        kv->k = at;
        kv->v = at + sizes.values;
        if (session->kv_bits == 8) {
            kv->k_scales = (uint16_t *)(void *)(at + 2 * sizes.values);
            kv->v_scales = (uint16_t *)(void *)(at + 2 * sizes.values +
                                                sizes.scales);
        }
        kv->bits = (int32_t)session->kv_bits;
        kv->n_head_kv = shape->n_head_kv;
        kv->head_dim = shape->head_dim;
        kv->capacity = (int32_t)sizes.capacity;
    }
    return AC_OK;
}

static ac_status make_attention(aci_session *session, ac_error *error)
{
    const aci_engine *engine = session->engine;
    const aci_shape *shape = &engine->model->shape;
    aci_attention *common = &session->attention;

    session->inverse_frequency = aci_platform_alloc_array(
        engine->memory, (size_t)shape->head_dim / 2, sizeof(float));
    if (!session->inverse_frequency)
        return aci_platform_fail_memory(error, "attention tables");
    common->n_head = shape->n_head;
    common->n_head_kv = shape->n_head_kv;
    common->head_dim = shape->head_dim;
    common->window = shape->window;
    common->scale = 1.0f / sqrtf((float)shape->head_dim);
    common->norm_eps = shape->norm_eps;
    common->rope.inverse_frequency = session->inverse_frequency;
    common->rope.n_rotary = shape->head_dim;
    common->rope.interleaved = shape->rope_interleaved;
    aci_model_rope_frequencies(session->inverse_frequency,
                               &common->rope.magnitude, shape,
                               (int32_t)session->n_context);
    return AC_OK;
}

static ac_status make_buffers(aci_session *session, ac_error *error)
{
    aci_engine *engine = session->engine;
    size_t n_vocab = (size_t)engine->model->shape.n_vocab;
    size_t n_logits = n_vocab * ACI_LOGIT_ROWS;
    ac_status status;

    session->tokens = aci_platform_alloc_array(
        engine->memory, session->n_context, sizeof(int32_t));
    session->token_variant = aci_platform_alloc(engine->memory,
                                                session->n_context);
    session->device_logits = engine->backend->operations->allocate(
        engine->backend, n_logits * sizeof(float));
    session->logits = aci_platform_alloc_array(engine->memory, n_vocab,
                                               sizeof(float));
    if (!session->device_logits)
        return engine->backend->operations->refuse(
            engine->backend, n_logits * sizeof(float), "a session's logits",
            error);
    if (!session->tokens || !session->token_variant || !session->logits)
        return aci_platform_fail_memory(error, "the session");
    status = aci_engine_sampler_open(&session->sampler, engine->memory,
                                     engine->model->shape.n_vocab, error);
    return status;
}

ac_status aci_engine_session_open(aci_session **out, aci_engine *engine,
                                  uint32_t n_context, uint32_t kv_bits,
                                  ac_error *error)
{
    aci_session *session;
    ac_status status;

    *out = NULL;
    if (kv_bits != 8 && kv_bits != 16 && kv_bits != 32)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "kv_bits was %u, not 8, 16 or 32", kv_bits);
    if (n_context < 1 ||
        n_context > (uint32_t)engine->model->shape.n_context)
        return aci_platform_fail(
            error, AC_E_ARGUMENT,
            "n_context was %u, the model's own is %d", n_context,
            (int)engine->model->shape.n_context);
    session = aci_platform_alloc_zeroed(engine->memory, 1, sizeof *session);
    if (session == NULL)
        return aci_platform_fail_memory(error, "the session");
    session->engine = engine;
    session->n_context = n_context;
    session->kv_bits = kv_bits;
    status = make_buffers(session, error);
    if (status == AC_OK)
        status = make_cache(session, error);
    if (status == AC_OK)
        status = make_attention(session, error);
    if (status == AC_OK)
        *out = session;
    else
        aci_engine_session_close(session);
    return status;
}

void aci_engine_session_close(aci_session *session)
{
    aci_engine *engine;

    if (session == NULL)
        return;
    engine = session->engine;
    aci_engine_sampler_close(&session->sampler);
    if (session->kv_block)
        engine->backend->operations->release(engine->backend,
                                             session->kv_block);
    if (session->device_logits)
        engine->backend->operations->release(engine->backend,
                                             session->device_logits);
    aci_platform_free(engine->memory, session->kv);
    aci_platform_free(engine->memory, session->inverse_frequency);
    aci_platform_free(engine->memory, session->logits);
    aci_platform_free(engine->memory, session->token_variant);
    aci_platform_free(engine->memory, session->tokens);
    aci_platform_free(engine->memory, session);
}

void aci_engine_session_reset(aci_session *session)
{
    session->n_tokens = 0;
    session->n_cached = 0;
    session->logits_valid = 0;
}

/* ---- small questions ----------------------------------------------------- */

const int32_t *aci_engine_session_tokens(const aci_session *session,
                                         size_t *n_tokens)
{
    *n_tokens = session->n_tokens;
    return session->tokens;
}

uint32_t aci_engine_session_context(const aci_session *session)
{
    return session->n_context;
}

uint32_t aci_engine_session_kv_bits(const aci_session *session)
{
    return session->kv_bits;
}

void aci_engine_session_cancel(aci_session *session)
{
    atomic_store_explicit(&session->cancelled, 1, memory_order_relaxed);
}

/* ---- logits -------------------------------------------------------------- */

ac_status aci_engine_find_peaks(aci_session *session, int32_t first,
                                int32_t n_rows, int32_t n_best, float scale,
                                ac_error *error)
{
    aci_engine *engine = session->engine;
    int32_t n_vocab = engine->model->shape.n_vocab;
    ac_status status;

    aci_engine_lock_device(session);
    status = engine->backend->operations->peaks(
        engine->backend, session->peaks + first,
        session->device_logits + (size_t)first * (size_t)n_vocab, n_rows,
        n_vocab, n_best, scale, error);
    aci_platform_unlock(engine->device_lock);
    return status;
}

ac_status aci_engine_fetch_row(aci_session *session, int32_t row,
                               ac_error *error)
{
    aci_engine *engine = session->engine;
    size_t n_vocab = (size_t)engine->model->shape.n_vocab;

    return engine->backend->operations->to_host(
        engine->backend, session->logits,
        session->device_logits + (size_t)row * n_vocab,
        n_vocab * sizeof(float), error);
}

/* ---- prefill ------------------------------------------------------------- */

ac_status aci_engine_catch_up(aci_session *session, int32_t variant,
                              ac_error *error)
{
    size_t chunk = (size_t)session->engine->workspace.rows;
    ac_status status = AC_OK;

    while (status == AC_OK && session->n_cached < session->n_tokens) {
        size_t first = session->n_cached;
        size_t left = session->n_tokens - first;
        size_t n = left < chunk ? left : chunk;
        int last = n == left;

        if (atomic_load_explicit(&session->cancelled, memory_order_relaxed))
            return aci_platform_fail(error, AC_E_CANCELLED,
                                     "cancelled during prefill");
        session->logits_valid = 0;
        status = aci_engine_forward(session, variant, session->tokens + first,
                                    (int32_t)n, (int32_t)first,
                                    session->device_logits, last, error);
        if (status != AC_OK)
            break;
        memset(session->token_variant + first, variant, n);
        session->n_cached += n;
        session->last_row = 0;
        session->logits_valid = last;
    }
    return status;
}

static size_t reusable_prefix(const aci_session *session,
                              const int32_t *tokens, size_t n_tokens,
                              int32_t variant)
{
    size_t i, n = session->n_cached < n_tokens ? session->n_cached : n_tokens;

    for (i = 0; i < n; i++)
        if (session->tokens[i] != tokens[i] ||
            session->token_variant[i] != variant)
            break;
    return i;
}

static ac_status check_tokens(const aci_session *session, size_t n_held,
                              const int32_t *tokens, size_t n_tokens,
                              ac_error *error)
{
    size_t i;

    if (n_tokens == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the prompt had no tokens");
    if (n_tokens > session->n_context - n_held)
        return aci_platform_fail(
            error, AC_E_CONTEXT_FULL,
            "the prompt had %zu tokens, the session holds %u",
            n_held + n_tokens, session->n_context);
    for (i = 0; i < n_tokens; i++)
        if (tokens[i] < 0 ||
            tokens[i] >= session->engine->model->shape.n_vocab)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "token %d was outside the vocabulary",
                                     (int)tokens[i]);
    return AC_OK;
}

ac_status aci_engine_check_prompt(const aci_session *session,
                                  const int32_t *tokens, size_t n_tokens,
                                  ac_error *error)
{
    return check_tokens(session, 0, tokens, n_tokens, error);
}

ac_status aci_engine_check_more(const aci_session *session,
                                const int32_t *tokens, size_t n_tokens,
                                ac_error *error)
{
    return check_tokens(session, session->n_tokens, tokens, n_tokens, error);
}

ac_status aci_engine_prefill(aci_counts *counts, aci_session *session,
                             const int32_t *tokens, size_t n_tokens,
                             int32_t variant, ac_error *error)
{
    uint64_t began = aci_platform_monotonic_nanoseconds();
    uint64_t queued = session->queue_nanoseconds;
    size_t kept;
    ac_status status;

    memset(counts, 0, sizeof *counts);
    atomic_store_explicit(&session->cancelled, 0, memory_order_relaxed);
    status = aci_engine_check_prompt(session, tokens, n_tokens, error);
    if (status != AC_OK)
        return status;
    kept = reusable_prefix(session, tokens, n_tokens, variant);
    if (kept == n_tokens) /* its logits may be gone: do the last one again */
        kept--;
    memmove(session->tokens, tokens, n_tokens * sizeof(int32_t));
    session->n_tokens = n_tokens;
    session->n_cached = kept;
    status = aci_engine_catch_up(session, variant, error);
    if (status == AC_OK) /* what was only queued is not done */
        status = session->engine->backend->operations->synchronize(
            session->engine->backend, error);
    counts->cached = (uint32_t)kept;
    counts->evaluated = (uint32_t)(session->n_cached - kept);
    counts->queue_nanoseconds = session->queue_nanoseconds - queued;
    counts->prefill_nanoseconds = aci_platform_monotonic_nanoseconds() -
                                  began - counts->queue_nanoseconds;
    return status;
}
