/* score.c - the logits of every position of a given text. */
#include "engine/engine_internal.h"
#include "platform/error.h"

/* Logits held at once. */
#define SCORE_BYTES ((size_t)16 << 20)

static int32_t score_rows(const aci_session *session)
{
    size_t row = (size_t)session->engine->model->shape.n_vocab * sizeof(float);
    size_t rows = SCORE_BYTES / row;

    if (rows > (size_t)session->engine->workspace.rows)
        rows = (size_t)session->engine->workspace.rows;
    return rows > 0 ? (int32_t)rows : 1;
}

ac_status aci_engine_score(aci_session *session, const int32_t *tokens,
                           size_t n_tokens, int32_t variant,
                           void (*on_logits)(size_t position,
                                             const aci_logits *logits,
                                             void *user),
                           void *user, ac_error *error)
{
    aci_backend *backend = session->engine->backend;
    int32_t n_vocab = session->engine->model->shape.n_vocab;
    int32_t rows = score_rows(session), i;
    size_t row_bytes = (size_t)n_vocab * sizeof(float), at;
    float *device = NULL, *host = NULL;
    ac_status status = aci_engine_check_prompt(session, tokens, n_tokens,
                                               error);

    if (status != AC_OK)
        return status;
    aci_engine_session_reset(session);
    atomic_store_explicit(&session->cancelled, 0, memory_order_relaxed);
    device = backend->operations->allocate(backend, row_bytes * (size_t)rows);
    host = aci_platform_alloc_array(session->engine->memory, (size_t)rows,
                                    row_bytes);
    if (device == NULL || host == NULL)
        status = aci_platform_fail_memory(error, "scores");
    for (at = 0; at < n_tokens && status == AC_OK; at += (size_t)rows) {
        size_t left = n_tokens - at;
        int32_t n = left < (size_t)rows ? (int32_t)left : rows;

        status = aci_engine_forward(session, variant, tokens + at, n,
                                    (int32_t)at, device, n, error);
        if (status == AC_OK)
            status = backend->operations->to_host(
                backend, host, device, row_bytes * (size_t)n, error);
        for (i = 0; i < n && status == AC_OK; i++) {
            aci_logits logits = { host + (size_t)i * (size_t)n_vocab,
                                  n_vocab };

            on_logits(at + (size_t)i, &logits, user);
            session->tokens[session->n_tokens] = tokens[at + (size_t)i];
            session->token_variant[session->n_tokens++] = (uint8_t)variant;
        }
        session->n_cached = session->n_tokens;
    }
    if (device)
        backend->operations->release(backend, device);
    aci_platform_free(session->engine->memory, host);
    return status;
}
