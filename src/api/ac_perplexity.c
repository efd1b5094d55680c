/* ac_perplexity.c - judging an engine's variants by a text. */
#include <string.h>

#include "api/handles.h"
#include "platform/error.h"
#include "workshop/evaluate/perplexity.h"

/* What a call carries. */
typedef struct call {
    ac_perplexity_options options;
    aci_judged_model with;
    aci_judged_text text;
    int32_t numbers[AC_MAX_VARIANTS], n_variants;
    ac_quality found[AC_MAX_VARIANTS];
} call;

static ac_status take(call *c, ac_engine *engine, const char *text_path,
                      const ac_perplexity_options *options, ac_error *error)
{
    ac_perplexity_options start = AC_PERPLEXITY_OPTIONS_INIT;
    ac_status status;

    c->options = start;
    status = aci_api_take_options(&c->options, sizeof c->options, options,
                                  "options", error);
    if (status == AC_OK && text_path == NULL)
        status = aci_api_need(c->options.text, "text_path and options.text",
                              error);
    c->with.memory = &engine->memory;
    c->with.model = engine->model;
    c->with.engine = engine->engine;
    c->with.tokenizer = engine->tokenizer;
    c->with.pool = engine->pool;
    if (status == AC_OK)
        status = aci_workshop_perplexity_variants(
            c->numbers, &c->n_variants, engine->model, c->options.variants,
            error);
    return status;
}

/* A window that was asked for and cannot be filled would give figures under a
 * name that is not theirs. */
static ac_status check_length(const call *c, uint32_t asked, ac_error *error)
{
    size_t n = c->text.tokens.n;

    if (c->text.counts != NULL || n < 2 || n >= asked)
        return AC_OK;
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "the text had %zu tokens, fewer than a window "
                             "of %u; ask for a context of %zu or less, or "
                             "give more text", n, asked, n);
}

static ac_status judge(call *c, ac_text_summary *summary,
                       const char *text_path, ac_error *error)
{
    uint32_t asked = c->options.n_context;
    ac_status status = aci_workshop_perplexity_settle(&c->options, &c->with,
                                                      error);

    if (status == AC_OK)
        status = aci_workshop_judged_text_read(
            &c->text, c->with.memory, c->with.tokenizer, text_path,
            &c->options, error);
    if (status == AC_OK)
        status = check_length(c, asked, error);
    if (status == AC_OK)
        status = aci_workshop_perplexity(
            c->found, summary, &c->with, &c->text, c->numbers, c->n_variants,
            &c->options, error);
    aci_workshop_judged_text_free(&c->text);
    return status;
}

/* The caller's structs may be of another version's size: the first says how
 * far it is to the next. */
static ac_status give(ac_quality *out, const call *c, ac_error *error)
{
    uint32_t size = out->struct_size;
    ac_status status = AC_OK;
    int32_t v;

    for (v = 0; v < c->n_variants && status == AC_OK; v++) {
        char *to = (char *)out + (size_t)v * size;

        memcpy(to, &size, sizeof size);
        status = aci_api_give_result(to, &c->found[v], sizeof c->found[v],
                                     "out", error);
    }
    return status;
}

ac_status ac_perplexity(ac_quality *out, size_t capacity, size_t *n_out,
                        ac_text_summary *summary, ac_engine *engine,
                        const char *text_path,
                        const ac_perplexity_options *options,
                        ac_error *error)
{
    ac_text_summary found = AC_TEXT_SUMMARY_INIT;
    call *c;
    ac_status status = aci_api_need(n_out, "n_out", error);

    if (status == AC_OK)
        status = aci_api_need(engine, "engine", error);
    if (status == AC_OK && capacity > 0)
        status = aci_api_need(out, "out", error);
    if (status != AC_OK)
        return status;
    c = aci_platform_alloc_zeroed(&engine->memory, 1, sizeof *c);
    if (c == NULL)
        return aci_platform_fail_memory(error, "judging");
    status = take(c, engine, text_path, options, error);
    if (status == AC_OK) {
        *n_out = (size_t)c->n_variants;
        if (capacity < *n_out)
            status = aci_platform_fail(error, AC_E_TOO_SMALL,
                                       "%zu variants did not fit in %zu",
                                       *n_out, capacity);
    }
    if (status == AC_OK) /* looked at before the long work */
        status = aci_api_give_result(out, &c->found[0], sizeof c->found[0],
                                     "out", error);
    if (status == AC_OK && summary != NULL)
        status = aci_api_give_result(summary, &found, sizeof found,
                                     "summary", error);
    if (status == AC_OK)
        status = judge(c, &found, text_path, error);
    if (status == AC_OK)
        status = give(out, c, error);
    if (status == AC_OK && summary != NULL)
        status = aci_api_give_result(summary, &found, sizeof found,
                                     "summary", error);
    aci_platform_free(&engine->memory, c);
    return status;
}
