/* ac_session.c - conversations. */
#include "api/answer.h"
#include "api/handles.h"
#include "platform/error.h"

/* A model may promise far more context than a conversation wants. */
enum { DEFAULT_CONTEXT = 8192 };

static ac_status take(ac_session_options *own, const ac_engine *engine,
                      const ac_session_options *options, ac_error *error)
{
    uint32_t most = (uint32_t)engine->model->shape.n_context;
    ac_status status = aci_api_take_options(own, sizeof *own, options,
                                            "options", error);

    if (status != AC_OK)
        return status;
    if (own->reserved != 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "options.reserved was not 0");
    if (own->n_context == 0)
        own->n_context = most < DEFAULT_CONTEXT ? most : DEFAULT_CONTEXT;
    if (own->kv_bits == 0) /* a checkpoint is the reference: exact */
        own->kv_bits = engine->model->is_checkpoint ? 32 : 16;
    return AC_OK;
}

ac_status ac_session_open(ac_session **out, ac_engine *engine,
                          const ac_session_options *options, ac_error *error)
{
    ac_session_options own = AC_SESSION_OPTIONS_INIT;
    ac_session *session = NULL;
    ac_status status = aci_api_need(out, "out", error);

    if (status != AC_OK)
        return status;
    *out = NULL;
    status = aci_api_need(engine, "engine", error);
    if (status == AC_OK)
        status = take(&own, engine, options, error);
    if (status != AC_OK)
        return status;
    session = aci_platform_alloc_zeroed(&engine->memory, 1, sizeof *session);
    if (session == NULL)
        return aci_platform_fail_memory(error, "the session");
    session->engine = engine;
    atomic_fetch_add(&engine->n_references, 1);
    status = aci_engine_session_open(&session->session, engine->engine,
                                     own.n_context, own.kv_bits, error);
    if (status == AC_OK)
        status = aci_api_answer_create(&session->answer, &engine->memory,
                                       engine->tokenizer, own.n_context,
                                       error);
    if (status == AC_OK)
        *out = session;
    else
        ac_session_close(session);
    return status;
}

void ac_session_close(ac_session *session)
{
    ac_engine *engine;

    if (session == NULL)
        return;
    engine = session->engine;
    aci_engine_session_close(session->session);
    aci_api_answer_free(session->answer);
    aci_tokenizer_tokens_free(&engine->memory, &session->prompt);
    aci_platform_free(&engine->memory, session);
    aci_api_engine_release(engine);
}

ac_status ac_session_reset(ac_session *session, ac_error *error)
{
    ac_status status = aci_api_need(session, "session", error);

    if (status == AC_OK)
        aci_engine_session_reset(session->session);
    return status;
}

void ac_session_cancel(ac_session *session)
{
    if (session != NULL)
        aci_engine_session_cancel(session->session);
}
