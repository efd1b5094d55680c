/* client_0_1.c - a program as somebody wrote it against 0.1. It is compiled
 * with that release's header (agentcompress_0_1.h) for ever and runs against
 * today's library. Do not modernise it.
 *
 *     client_0_1 [ZOO]      with a zoo: route, generate, tokens, ledger */
#include <stdio.h>
#include <string.h>

#include "agentcompress_0_1.h"

static int fail(const char *what, const ac_error *error)
{
    fprintf(stderr, "%s: %s: %s\n", what, ac_status_name(error->status),
            error->message);
    return 1;
}

static int32_t count_text(const char *text, size_t text_bytes, void *user)
{
    (void)text;
    *(size_t *)user += text_bytes;
    return 0;
}

static int use(ac_engine *engine)
{
    static const char prompt[] = "Once upon a time";
    ac_error error = AC_ERROR_INIT;
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_variant_info variant = AC_VARIANT_INFO_INIT;
    ac_decision decision = AC_DECISION_INIT;
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_session *session = NULL;
    int32_t tokens[64];
    size_t n_tokens = 0, streamed = 0;
    int bad = 0;

    if (ac_describe(&info, engine, &error) != AC_OK ||
        ac_variant_describe(&variant, engine, info.full_variant, &error) != 0)
        return fail("describe", &error);
    if (strcmp(variant.name, "full") != 0 || info.n_vocab == 0)
        return fail("full variant", &error);
    if (ac_route(&decision, engine, prompt, strlen(prompt), NULL, &error) != 0)
        return fail("route", &error);
    if (ac_tokenize(tokens, 64, &n_tokens, engine, prompt, strlen(prompt),
                    AC_SPECIAL_AS_TEXT, &error) != AC_OK || n_tokens == 0)
        return fail("tokenize", &error);
    if (ac_session_open(&session, engine, NULL, &error) != AC_OK)
        return fail("session", &error);
    options.max_tokens = 8;
    options.on_text = count_text;
    options.text_user = &streamed;
    if (ac_generate(&result, session, prompt, strlen(prompt), &options,
                    &error) != AC_OK)
        bad = fail("generate", &error);
    else if (result.text_bytes != streamed || result.usage == NULL ||
             result.usage->generated_tokens == 0 ||
             result.usage->generated_tokens > 8 || result.decision == NULL)
        bad = fail("result", &error);
    ac_session_close(session);
    return bad;
}

int main(int argc, char **argv)
{
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    int bad;

    if (ac_open(&engine, "/does/not/exist", NULL, &error) !=
            AC_E_NOT_FOUND || engine != NULL || error.message[0] == '\0')
        return fail("open of nothing", &error);
    if (strcmp(ac_status_name(AC_E_NOT_FOUND), "AC_E_NOT_FOUND") != 0 ||
        strncmp(ac_version(), "0.", 2) != 0)
        return fail("names", &error);
    ac_free(NULL);
    ac_close(NULL);
    ac_session_close(NULL);
    ac_ledger_close(NULL);
    if (argc < 2)
        return 0;
    if (ac_open(&engine, argv[1], NULL, &error) != AC_OK)
        return fail("open", &error);
    bad = use(engine);
    ac_close(engine);
    return bad;
}
