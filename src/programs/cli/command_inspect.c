/* command_inspect.c - `agentcompress inspect`. */
#include "cli.h"

static void print_value(const char *key, const json_t *value, int depth);

static void print_object(const json_t *object, int depth)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
        print_value(key, value, depth);
}

static bool is_integers(const json_t *array)
{
    size_t i, n = json_array_size(array);

    for (i = 0; i < n; i++)
        if (!json_is_integer(json_array_get(array, i)))
            return false;
    return n > 0;
}

/* A number per layer, runs of equal ones together: "3 x 20, 0, 2 x 9". */
static void print_integers(const char *key, const json_t *array, int depth)
{
    size_t i = 0, n = json_array_size(array), run;

    printf("%*s%-*s ", 2 * depth, "", 24 - 2 * depth, key);
    for (; i < n; i += run) {
        long long value = json_integer_value(json_array_get(array, i));

        for (run = 1; i + run < n &&
                      json_integer_value(json_array_get(array, i + run)) ==
                          value; run++)
            ;
        printf("%s%lld", i > 0 ? ", " : "", value);
        if (run > 1)
            printf(" x %zu", run);
    }
    putchar('\n');
}

/* JSON for people: "key  value" lines, lists of objects as blocks. */
static void print_value(const char *key, const json_t *value, int depth)
{
    size_t i;

    if (json_is_null(value))
        return;
    if (json_is_object(value)) {
        printf("%*s%s\n", 2 * depth, "", key);
        print_object(value, depth + 1);
    } else if (is_integers(value)) {
        print_integers(key, value, depth);
    } else if (json_is_array(value)) {
        for (i = 0; i < json_array_size(value); i++)
            print_value(key, json_array_get(value, i), depth);
    } else if (json_is_string(value)) {
        printf("%*s%-*s %s\n", 2 * depth, "", 24 - 2 * depth, key,
               json_string_value(value));
    } else if (json_is_integer(value)) {
        printf("%*s%-*s %lld\n", 2 * depth, "", 24 - 2 * depth, key,
               (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        printf("%*s%-*s %.6g\n", 2 * depth, "", 24 - 2 * depth, key,
               json_real_value(value));
    } else {
        printf("%*s%-*s %s\n", 2 * depth, "", 24 - 2 * depth, key,
               json_is_true(value) ? "yes" : "no");
    }
}

int command_inspect(int argc, char **argv, const command *self)
{
    bool json = false;
    const char *plot = NULL, *cost = NULL, *quality = NULL;
    const argument table[] = {
        { "json", ARGUMENT_FLAG, &json, NULL, "as JSON" },
        { "plot", ARGUMENT_TEXT, &plot, "FILE",
          "draw a zoo's variants as SVG: cost against quality" },
        { "cost", ARGUMENT_TEXT, &cost, "C",
          "of the picture: bytes, bit_operations, macs, seconds" },
        { "quality", ARGUMENT_TEXT, &quality, "Q",
          "of the picture: kl, perplexity, success" },
    };
    ac_error error = AC_ERROR_INIT;
    const char *path;
    char *text = NULL;
    json_t *parsed;
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &path, 1, 1);

    if (code >= 0)
        return code;
    status = ac_inspect(&text, path, &error);
    if (status != AC_OK)
        return report_failure(status, &error);
    parsed = json_loads(text, 0, NULL);
    if (plot != NULL) {
        code = draw_frontier(parsed, path, plot, cost, quality);
    } else if (json || parsed == NULL) {
        puts(text);
    } else {
        print_object(parsed, 0);
        print_variants(parsed);
    }
    json_decref(parsed);
    ac_free(text);
    return code < 0 ? EXIT_DONE : code;
}
