/* score.c - the logits of every position of a given text. */
#include "engine/engine_internal.h"
#include "platform/error.h"

/* Logits held at once. */
#define SCORE_BYTES ((size_t)16 << 20)

size_t aci_engine_score_rows(const aci_session *session)
{
    size_t row = (size_t)session->engine->model->shape.n_vocab * sizeof(float);
    size_t rows = SCORE_BYTES / row;

    if (rows > (size_t)session->engine->workspace.rows)
        rows = (size_t)session->engine->workspace.rows;
    return rows > 0 ? rows : 1;
}

/* One chunk of tokens behind those the session holds; no logits when `device`
 * is NULL. */
static ac_status append(aci_session *session, const int32_t *tokens, size_t n,
                        int32_t variant, float *device, ac_error *error)
{
    size_t at = session->n_tokens, i;
    ac_status status = aci_engine_forward(session, variant, tokens,
                                          (int32_t)n, (int32_t)at, device,
                                          device ? (int32_t)n : 0, error);

    if (status != AC_OK)
        return status;
    for (i = 0; i < n; i++) {
        session->tokens[at + i] = tokens[i];
        session->token_variant[at + i] = (uint8_t)variant;
    }
    session->n_tokens = session->n_cached = at + n;
    session->logits_valid = 0;
    return AC_OK;
}

ac_status aci_engine_skip(aci_session *session, const int32_t *tokens,
                          size_t n_tokens, int32_t variant, ac_error *error)
{
    size_t rows = (size_t)session->engine->workspace.rows, at;
    ac_status status = AC_OK;

    if (n_tokens == 0)
        return AC_OK;
    status = aci_engine_check_more(session, tokens, n_tokens, error);
    for (at = 0; at < n_tokens && status == AC_OK; at += rows)
        status = append(session, tokens + at,
                        n_tokens - at < rows ? n_tokens - at : rows, variant,
                        NULL, error);
    return status;
}

ac_status aci_engine_score_more(aci_session *session, const int32_t *tokens,
                                size_t n_tokens, int32_t variant,
                                void (*on_logits)(size_t position,
                                                  const aci_logits *logits,
                                                  void *user),
                                void *user, ac_error *error)
{
    aci_backend *backend = session->engine->backend;
    int32_t n_vocab = session->engine->model->shape.n_vocab;
    size_t rows = aci_engine_score_rows(session), at, i;
    size_t row_bytes = (size_t)n_vocab * sizeof(float);
    float *device = NULL, *host = NULL;
    ac_status status = aci_engine_check_more(session, tokens, n_tokens,
                                             error);

    if (status != AC_OK)
        return status;
    rows = rows < n_tokens ? rows : n_tokens;
    device = backend->operations->allocate(backend, row_bytes * rows);
    host = aci_platform_alloc_array(session->engine->memory, rows, row_bytes);
    if (device == NULL)
        status = backend->operations->refuse(backend, row_bytes * rows,
                                             "scores", error);
    else if (host == NULL)
        status = aci_platform_fail_memory(error, "scores");
    for (at = 0; at < n_tokens && status == AC_OK; at += rows) {
        size_t n = n_tokens - at < rows ? n_tokens - at : rows;
        size_t position = session->n_tokens;

        status = append(session, tokens + at, n, variant, device, error);
        if (status == AC_OK)
            status = backend->operations->to_host(
                backend, host, device, row_bytes * n, error);
        for (i = 0; i < n && status == AC_OK; i++) {
            aci_logits logits = { host + i * (size_t)n_vocab, n_vocab };

            on_logits(position + i, &logits, user);
        }
    }
    if (device)
        backend->operations->release(backend, device);
    aci_platform_free(session->engine->memory, host);
    return status;
}

ac_status aci_engine_score(aci_session *session, const int32_t *tokens,
                           size_t n_tokens, int32_t variant,
                           void (*on_logits)(size_t position,
                                             const aci_logits *logits,
                                             void *user),
                           void *user, ac_error *error)
{
    ac_status status = aci_engine_check_prompt(session, tokens, n_tokens,
                                               error);

    if (status != AC_OK)
        return status;
    aci_engine_session_reset(session);
    atomic_store_explicit(&session->cancelled, 0, memory_order_relaxed);
    return aci_engine_score_more(session, tokens, n_tokens, variant,
                                 on_logits, user, error);
}
