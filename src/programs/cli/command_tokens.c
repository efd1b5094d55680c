/* command_tokens.c - `agentcompress tokenize`. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Tokens of a text in memory the caller frees. */
static ac_status all_tokens(int32_t **out, size_t *n, const ac_engine *engine,
                            const char *text, size_t n_bytes,
                            uint32_t special, ac_error *error)
{
    ac_status status = ac_tokenize(NULL, 0, n, engine, text, n_bytes, special,
                                   error);

    *out = NULL;
    if (status != AC_OK && status != AC_E_TOO_SMALL)
        return status;
    *out = malloc((*n + 1) * sizeof **out);
    if (*out == NULL)
        return AC_E_NO_MEMORY;
    return ac_tokenize(*out, *n, n, engine, text, n_bytes, special, error);
}

static void print_tokens(const int32_t *tokens, size_t n,
                         const ac_engine *engine, json_t *list)
{
    size_t i;

    for (i = 0; i < n; i++) {
        char text[512];
        size_t bytes = 0;
        json_t *piece;
        char *quoted;

        if (ac_detokenize(text, sizeof text, &bytes, engine, &tokens[i], 1,
                          AC_SPECIAL_PARSE, NULL) != AC_OK)
            bytes = 0;
        piece = json_text(text, bytes);
        if (list != NULL) {
            json_array_append_new(list, json_pack("{s:i, s:o}", "token",
                                                  (int)tokens[i], "text",
                                                  piece));
            continue;
        }
        quoted = json_dumps(piece, JSON_ENCODE_ANY);
        printf("%8d  %s\n", (int)tokens[i], quoted ? quoted : "?");
        free(quoted);
        json_decref(piece);
    }
}

int command_tokenize(int argc, char **argv, const command *self)
{
    open_arguments open = { 0 };
    bool json = false, special = false;
    const argument table[] = {
        { "special", ARGUMENT_FLAG, &special, NULL,
          "read special tokens in the text, and add the begin token" },
        { "json", ARGUMENT_FLAG, &json, NULL, "a JSON array" },
        OPEN_ARGUMENTS(open),
    };
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    const char *words[2];
    int32_t *tokens = NULL;
    size_t n = 0;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2, 2);

    if (code >= 0)
        return code;
    status = open_engine(&engine, words[0], &open, false, &error);
    if (status == AC_OK)
        status = all_tokens(&tokens, &n, engine, words[1], strlen(words[1]),
                            special ? AC_SPECIAL_PARSE : AC_SPECIAL_AS_TEXT,
                            &error);
    code = EXIT_DONE;
    if (status != AC_OK) {
        code = report_failure(status, &error);
    } else {
        json_t *list = json ? json_array() : NULL;

        print_tokens(tokens, n, engine, list);
        if (list != NULL)
            code = print_json(list);
    }
    free(tokens);
    ac_close(engine);
    return code;
}
