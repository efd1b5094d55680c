/* ac_generate.c - the whole flow on one screen: see run_request.
 *
 *     prompt -> tokens -> decision -> reserve -> prefill -> decode -> settle
 */
#include <string.h>

#include "api/answer.h"
#include "api/generate_options.h"
#include "api/handles.h"
#include "platform/clock.h"
#include "platform/error.h"

/* What one call carries through the stages. */
typedef struct request {
    ac_session *session;
    ac_generate_options options;  /* complete and checked */
    const char *routed_text;      /* what the router reads */
    size_t routed_bytes;
    aci_decision_inputs inputs;
    aci_meter meter;
    uint64_t device_began;
    aci_counts counts;
} request;

/* ---- stages -------------------------------------------------------------- */

static ac_status decide(request *r, ac_error *error)
{
    ac_session *session = r->session;
    ac_route_options route = AC_ROUTE_OPTIONS_INIT;

    route.max_tokens = r->options.max_tokens;
    route.min_confidence = r->options.min_confidence;
    route.variant = r->options.variant;
    route.budget_nanodollars = r->options.budget_nanodollars;
    return aci_api_decide(&session->decision, &r->inputs, session->engine,
                          r->routed_text, r->routed_bytes, &route,
                          session->prompt.n, error);
}

/* The most this request can cost: every token of it, on full. */
static ac_status reserve(request *r, ac_error *error)
{
    ac_session *session = r->session;
    ac_engine *engine = session->engine;
    int64_t worst;
    double seconds;

    aci_accountant_estimate(&seconds, &worst, engine->accountant,
                            engine->model->full_variant, session->prompt.n,
                            r->options.max_tokens);
    return aci_accountant_reserve(&r->meter, engine->accountant,
                                  &session->decision, &r->inputs, worst,
                                  r->options.label, error);
}

static uint32_t on_token(int32_t token, float logprob, const ac_logprob *top,
                         uint32_t n_top, void *user)
{
    request *r = user;
    const aci_accountant *accountant = r->session->engine->accountant;
    uint32_t stop = aci_api_answer_add(r->session->answer, token, logprob,
                                       top, n_top);
    int64_t spent;

    if (stop != 0 || r->options.budget_nanodollars == 0)
        return stop;
    spent = aci_accountant_price(
        accountant, aci_platform_monotonic_nanoseconds() - r->device_began);
    return spent > r->options.budget_nanodollars ? AC_STOP_BUDGET : 0;
}

/* int4 drafts for anything wider. -1: no speculation. */
static int32_t draft_variant(const request *r, int32_t variant)
{
    const aci_model *model = r->session->engine->model;
    int32_t draft = aci_model_variant_find(model, "int4");

    if (!r->options.speculate || draft == variant || draft < 0)
        return -1;
    return draft;
}

static ac_status generate(request *r, ac_error *error)
{
    ac_session *session = r->session;
    int32_t variant = (int32_t)session->decision.variant;
    aci_generation generation = { &r->options, variant,
                                  draft_variant(r, variant), on_token, r };
    ac_status status, ended;

    r->device_began = aci_platform_monotonic_nanoseconds();
    status = aci_api_answer_begin(session->answer, &r->options, error);
    if (status == AC_OK)
        status = aci_engine_prefill(&r->counts, session->session,
                                    session->prompt.ids, session->prompt.n,
                                    variant, error);
    if (status == AC_OK)
        status = aci_engine_generate(&r->counts, session->session,
                                     &generation, error);
    ended = aci_api_answer_end(session->answer, status == AC_OK ? error
                                                                : NULL);
    if (status == AC_OK)
        status = ended;
    if (status == AC_OK && r->counts.stop_reason == AC_STOP_BUDGET)
        status = aci_platform_fail(error, AC_E_BUDGET,
                                   "the budget was spent after %u tokens",
                                   r->counts.generated);
    if (status == AC_OK && r->counts.stop_reason == AC_STOP_CANCELLED)
        status = aci_platform_fail(error, AC_E_CANCELLED,
                                   "the callback stopped after %u tokens",
                                   r->counts.generated);
    return status;
}

/* Also after a failure: what was spent is written down. */
static ac_status settle(request *r, ac_error *error)
{
    ac_session *session = r->session;
    ac_usage *usage = &session->usage;
    const aci_counts *counts = &r->counts;

    memset(usage, 0, sizeof *usage);
    usage->struct_size = sizeof *usage;
    usage->variant = session->decision.variant;
    usage->prompt_tokens = counts->evaluated;
    usage->cached_tokens = counts->cached;
    usage->generated_tokens = counts->generated;
    usage->draft_tokens = counts->drafted;
    usage->accepted_tokens = counts->accepted;
    usage->queue_nanoseconds = counts->queue_nanoseconds;
    usage->route_nanoseconds = session->decision.router_nanoseconds;
    usage->prefill_nanoseconds = counts->prefill_nanoseconds;
    usage->decode_nanoseconds = counts->decode_nanoseconds;
    return aci_accountant_settle(
        usage, session->engine->accountant, &r->meter,
        (int32_t)aci_engine_session_kv_bits(session->session), counts->cached,
        counts->stop_reason, &session->decision, error);
}

static ac_status run_request(ac_result *out, request *r, ac_error *error)
{
    ac_session *session = r->session;
    ac_result result = AC_RESULT_INIT;
    ac_status status, settled, given;

    status = decide(r, error);
    if (status == AC_OK)
        status = aci_engine_check_prompt(session->session,
                                         session->prompt.ids,
                                         session->prompt.n, error);
    if (status == AC_OK)
        status = reserve(r, error);
    if (status != AC_OK)
        return status; /* nothing was spent */
    status = generate(r, error);
    settled = settle(r, status == AC_OK ? error : NULL);
    if (status == AC_OK)
        status = settled;

    aci_api_answer_lend(&result, session->answer);
    result.stop_reason = r->counts.stop_reason;
    result.request_id = r->meter.request_id;
    result.decision = &session->decision;
    result.usage = &session->usage;
    given = aci_api_give_result(out, &result, sizeof result, "out",
                                status == AC_OK ? error : NULL);
    return status == AC_OK ? given : status;
}

/* ---- the two doors ------------------------------------------------------- */

static ac_status begin(request *r, const ac_result *out, ac_session *session,
                       const ac_generate_options *options, ac_error *error)
{
    ac_status status = aci_api_need(out, "out", error);

    memset(r, 0, sizeof *r);
    if (status == AC_OK)
        status = aci_api_need(session, "session", error);
    if (status == AC_OK)
        status = aci_api_take_generate_options(
            &r->options, options, session->engine->model->shape.n_vocab,
            error);
    if (status != AC_OK)
        return status;
    r->session = session;
    session->prompt.n = 0;
    return AC_OK;
}

/* With keep_session the new text continues what the session holds. */
static ac_status take_held_tokens(request *r, ac_error *error)
{
    ac_session *session = r->session;
    aci_tokens *prompt = &session->prompt;
    size_t n;
    const int32_t *held = aci_engine_session_tokens(session->session, &n);

    if (!r->options.keep_session || n == 0)
        return AC_OK;
    if (n > prompt->capacity) {
        int32_t *ids = aci_platform_realloc(&session->engine->memory,
                                            prompt->ids, n * sizeof *ids);

        if (ids == NULL)
            return aci_platform_fail_memory(error, "the prompt");
        prompt->ids = ids;
        prompt->capacity = n;
    }
    memcpy(prompt->ids, held, n * sizeof *held);
    prompt->n = n;
    return AC_OK;
}

ac_status ac_generate(ac_result *out, ac_session *session, const char *prompt,
                      size_t prompt_bytes, const ac_generate_options *options,
                      ac_error *error)
{
    request r;
    ac_status status = begin(&r, out, session, options, error);

    if (status == AC_OK && prompt_bytes > 0)
        status = aci_api_need(prompt, "prompt", error);
    if (status == AC_OK)
        status = take_held_tokens(&r, error);
    if (status == AC_OK)
        status = aci_tokenizer_encode(
            &session->prompt, session->engine->tokenizer, prompt,
            prompt_bytes, r.options.special == AC_SPECIAL_PARSE,
            session->prompt.n == 0, error);
    if (status != AC_OK)
        return status;
    r.routed_text = prompt;
    r.routed_bytes = prompt_bytes;
    return run_request(out, &r, error);
}

static ac_status check_messages(const ac_message *messages, size_t n,
                                ac_error *error)
{
    size_t i;

    if (messages == NULL || n == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there were no messages");
    for (i = 0; i < n; i++) {
        const char *role = messages[i].role;

        if (role == NULL || messages[i].content == NULL)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "message %zu had no role or content", i);
        if (strcmp(role, "system") != 0 && strcmp(role, "user") != 0 &&
            strcmp(role, "assistant") != 0)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "message %zu had the role \"%.32s\", not "
                                     "system, user or assistant", i, role);
    }
    return AC_OK;
}

ac_status ac_generate_chat(ac_result *out, ac_session *session,
                           const ac_message *messages, size_t n_messages,
                           const ac_generate_options *options,
                           ac_error *error)
{
    request r;
    size_t i;
    ac_status status = begin(&r, out, session, options, error);

    if (status == AC_OK)
        status = check_messages(messages, n_messages, error);
    if (status == AC_OK)
        status = aci_tokenizer_encode_chat(&session->prompt,
                                           session->engine->tokenizer,
                                           messages, n_messages, error);
    if (status != AC_OK)
        return status;
    r.routed_text = "";
    for (i = 0; i < n_messages; i++)
        if (strcmp(messages[i].role, "user") == 0)
            r.routed_text = messages[i].content;
    r.routed_bytes = strlen(r.routed_text);
    return run_request(out, &r, error);
}
