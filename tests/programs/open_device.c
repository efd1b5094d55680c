/* open_device.c ZOO DEVICE - opens the zoo, says one token, and prints where it
 * ran; or the error's number and message. */
#include <stdio.h>
#include <string.h>

#include <agentcompress.h>

static int report(const ac_error *error)
{
    printf("%d %s\n", (int)error->status, error->message);
    return 1;
}

int main(int n, char **arguments)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_generate_options generate = AC_GENERATE_OPTIONS_INIT;
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine;
    ac_session *session = NULL;
    int failed = 1;

    if (n != 3)
        return 2;
    options.device = arguments[2];
    if (ac_open(&engine, arguments[1], &options, &error) != AC_OK)
        return report(&error);
    generate.max_tokens = 1;
    if (ac_describe(&info, engine, &error) == AC_OK &&
        ac_session_open(&session, engine, NULL, &error) == AC_OK &&
        ac_generate(&result, session, "hello", strlen("hello"), &generate,
                    &error) == AC_OK)
        failed = 0;
    if (failed)
        report(&error);
    else
        printf("%s\n", info.device);
    ac_session_close(session);
    ac_close(engine);
    return failed;
}
