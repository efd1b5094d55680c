/* hello_zoo.c - the whole of it: open a zoo, route a prompt, answer it, say
 * what it cost.
 *
 *     cc hello_zoo.c $(pkg-config --cflags --libs agentcompress)
 *     ./a.out my.zoo "The symbol of iron is" */
#include <agentcompress.h>
#include <stdio.h>
#include <string.h>

static int answer(ac_session *session, const char *prompt)
{
    ac_error error = AC_ERROR_INIT;
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;

    options.max_tokens = 32;
    if (ac_generate(&result, session, prompt, strlen(prompt), &options,
                    &error) != AC_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    printf("%s\n[%s, because %s; %u tokens]\n", result.text,
           result.decision->variant_name,
           ac_reason_name(result.decision->reason),
           result.usage->generated_tokens);
    return 0;
}

int main(int argc, char **argv)
{
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    ac_session *session = NULL;
    int bad = 1;

    if (argc < 2) {
        printf("libagentcompress %s\nusage: %s ZOO [PROMPT]\n", ac_version(),
               argv[0]);
        return 0;
    }
    if (ac_open(&engine, argv[1], NULL, &error) == AC_OK &&
        ac_session_open(&session, engine, NULL, &error) == AC_OK)
        bad = answer(session, argc > 2 ? argv[2] : "Once upon a time");
    else
        fprintf(stderr, "%s\n", error.message);
    ac_session_close(session);
    ac_close(engine);
    return bad;
}
