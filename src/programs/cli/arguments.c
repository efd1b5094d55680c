/* arguments.c - reading the command line from a table of options. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void print_command_help(const command *self,
                               const argument *arguments, size_t n)
{
    size_t i;

    printf("agentcompress %s - %s\n\nusage: agentcompress %s [OPTIONS] %s\n\n",
           self->name, self->summary, self->name, self->usage);
    for (i = 0; i < n; i++) {
        char left[40];

        snprintf(left, sizeof left, "--%s%s%s", arguments[i].name,
                 arguments[i].hint ? " " : "",
                 arguments[i].hint ? arguments[i].hint : "");
        printf("  %-22s %s\n", left, arguments[i].help);
    }
    printf("  %-22s %s\n\nexamples:\n%s", "--help", "this text",
           self->examples);
}

static int usage_error(const command *self, const char *what,
                       const char *which)
{
    fprintf(stderr, "agentcompress %s: %s%s%s\n"
            "usage: agentcompress %s [OPTIONS] %s   (--help for more)\n",
            self->name, what, which ? " " : "", which ? which : "",
            self->name, self->usage);
    return EXIT_USAGE;
}

static bool read_large(uint64_t *out, const char *text)
{
    char *end;
    unsigned long long value;
    int shift = 0;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (*end == 'K')
        shift = 10;
    else if (*end == 'M')
        shift = 20;
    else if (*end == 'G')
        shift = 30;
    if (shift != 0)
        end++;
    if (errno != 0 || *end != '\0' || value > (UINT64_MAX >> shift))
        return false;
    *out = (uint64_t)value << shift;
    return true;
}

static bool add_text(text_list *list, const char *text)
{
    if (list->n == sizeof list->items / sizeof *list->items)
        return false;
    list->items[list->n++] = text;
    return true;
}

static bool read_value(const argument *a, const char *text)
{
    uint64_t large;
    char *end;
    float real;

    switch (a->kind) {
    case ARGUMENT_TEXT:
        *(const char **)a->value = text;
        return true;
    case ARGUMENT_NUMBER:
        if (!read_large(&large, text) || large > UINT32_MAX)
            return false;
        *(uint32_t *)a->value = (uint32_t)large;
        return true;
    case ARGUMENT_LARGE:
        return read_large(a->value, text);
    case ARGUMENT_REAL:
        real = strtof(text, &end);
        if (end == text || *end != '\0' || !isfinite(real))
            return false;
        *(float *)a->value = real;
        return true;
    case ARGUMENT_EACH:
    case ARGUMENT_TEXTS:
        return add_text(a->value, text);
    case ARGUMENT_FLAG:
    default:
        return false;
    }
}

/* The option named by `text` ("--name" or "--name=value"), or NULL. */
static const argument *find(const char *text, const argument *arguments,
                            size_t n, const char **value)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    size_t i;

    *value = equals ? equals + 1 : NULL;
    for (i = 0; i < n; i++)
        if (strlen(arguments[i].name) == length &&
            memcmp(arguments[i].name, text, length) == 0)
            return &arguments[i];
    return NULL;
}

int parse_arguments(int argc, char **argv, const command *self,
                    const argument *arguments, size_t n_arguments,
                    const char **positionals, size_t least, size_t most)
{
    size_t n_positionals = 0;
    bool options_end = false;
    int i;

    for (i = 0; i < argc; i++) {
        const argument *a;
        const char *value;

        if (options_end || strncmp(argv[i], "--", 2) != 0) {
            if (n_positionals == most)
                return usage_error(self, "too many arguments at", argv[i]);
            positionals[n_positionals++] = argv[i];
            continue;
        }
        if (argv[i][2] == '\0') {
            options_end = true;
            continue;
        }
        if (strcmp(argv[i], "--help") == 0) {
            print_command_help(self, arguments, n_arguments);
            return EXIT_DONE;
        }
        a = find(argv[i] + 2, arguments, n_arguments, &value);
        if (a == NULL)
            return usage_error(self, "there is no option", argv[i]);
        if (a->kind == ARGUMENT_FLAG && value == NULL) {
            *(bool *)a->value = true;
            continue;
        }
        if (value == NULL && i + 1 < argc)
            value = argv[++i];
        if (value == NULL || !read_value(a, value))
            return usage_error(self, "there was no good value for --",
                               a->name);
        while (a->kind == ARGUMENT_TEXTS && i + 1 < argc &&
               strncmp(argv[i + 1], "--", 2) != 0)
            if (!add_text(a->value, argv[++i]))
                return usage_error(self, "too many values for --", a->name);
    }
    if (n_positionals < least)
        return usage_error(self, "something is missing:", self->usage);
    return -1;
}
