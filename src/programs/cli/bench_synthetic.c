/* bench_synthetic.c - random weights of a known shape, however large: all
 * variants opened together where the device has room for them; else the one
 * with the most weights is put aside, until the rest fits, and those put aside
 * are tried by themselves. One that does not fit even alone gets a row that
 * says so.
 *
 *     full int8 int4     160 GB of 149: no
 *          int8 int4      90 GB: measured
 *     full               140 GB: measured */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Variants by their number in the zoo, those with the most weights first. */
typedef struct chosen {
    const char *names[AC_MAX_VARIANTS];
    uint32_t rows[AC_MAX_VARIANTS];
    uint32_t n;
} chosen;

static ac_status inspect(json_t **out, const char *path, ac_error *error)
{
    char *text = NULL;
    ac_status status = ac_inspect(&text, path, error);

    if (status != AC_OK)
        return status;
    *out = json_loads(text, 0, NULL);
    ac_free(text);
    return *out != NULL ? AC_OK : AC_E_NO_MEMORY;
}

/* All that the zoo can run, or the one that was asked for. */
static ac_status choose(chosen *out, const bench *b, const json_t *zoo,
                        ac_error *error)
{
    const json_t *list = json_object_get(zoo, "variants");
    size_t i;

    out->n = 0;
    for (i = 0; i < json_array_size(list) && i < AC_MAX_VARIANTS; i++) {
        const json_t *variant = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(variant,
                                                             "name"));

        if (json_is_true(json_object_get(variant, "left_out")) ||
            (b->variant != NULL && strcmp(b->variant, name) != 0))
            continue;
        out->names[out->n] = name;
        out->rows[out->n++] = (uint32_t)i;
    }
    if (out->n > 0)
        return AC_OK;
    snprintf(error->message, sizeof error->message,
             "no variant \"%.60s\" of %.200s", b->variant ? b->variant : "",
             b->synthetic);
    return AC_E_NOT_FOUND;
}

/* "synthetic:SPEC,variants=int8+int4", in new memory, or NULL. */
static char *path_of(const bench *b, const chosen *some)
{
    size_t capacity = strlen(b->synthetic) + 64 + 40 * (size_t)some->n;
    char *path = malloc(capacity);
    size_t used;
    uint32_t i;

    if (path == NULL)
        return NULL;
    used = (size_t)snprintf(path, capacity, "synthetic:%s,variants=",
                            b->synthetic);
    for (i = 0; i < some->n; i++)
        used += (size_t)snprintf(path + used, capacity - used, "%s%s",
                                 i > 0 ? "+" : "", some->names[i]);
    return path;
}

static ac_status open_some(bench_opened *out, bench *b, const chosen *some,
                           ac_error *error)
{
    char *path = path_of(b, some);
    ac_status status = AC_E_NO_MEMORY;

    if (path != NULL)
        status = bench_open(out, b, path, error);
    free(path);
    return status;
}

static ac_status time_some(bench *b, const bench_opened *opened,
                           const chosen *some, ac_error *error)
{
    ac_status status = AC_OK;
    uint32_t i, v;

    for (i = 0; i < some->n && status == AC_OK; i++) {
        ac_variant_info info = AC_VARIANT_INFO_INIT;

        for (v = 0; v < opened->info.n_variants; v++) {
            status = ac_variant_describe(&info, opened->engine, v, error);
            if (status != AC_OK || strcmp(info.name, some->names[i]) == 0)
                break;
        }
        if (status == AC_OK)
            status = bench_variant(b, opened, v, some->rows[i], error);
    }
    return status;
}

static void add_refusal(bench *b, const chosen *one, const ac_error *error)
{
    b->rows[one->rows[0]] = json_pack(
        "[{s:s, s:s}]", "variant", one->names[0], "does_not_fit",
        error->message);
}

static void put_aside(chosen *aside, chosen *some)
{
    uint32_t i;

    aside->names[aside->n] = some->names[0];
    aside->rows[aside->n++] = some->rows[0];
    some->n--;
    for (i = 0; i < some->n; i++) {
        some->names[i] = some->names[i + 1];
        some->rows[i] = some->rows[i + 1];
    }
}

/* *n_timed grows by those that fitted. */
static ac_status time_what_fits(bench *b, chosen some, uint32_t *n_timed,
                                ac_error *error)
{
    chosen aside = { .n = 0 };
    bench_opened opened;
    ac_status status;

    for (;;) {
        status = open_some(&opened, b, &some, error);
        if (status != AC_E_NO_MEMORY || some.n == 1)
            break;
        put_aside(&aside, &some);
    }
    if (status == AC_E_NO_MEMORY) {
        add_refusal(b, &some, error);
    } else if (status == AC_OK) {
        status = time_some(b, &opened, &some, error);
        bench_close(&opened);
        *n_timed += some.n;
    }
    if (status != AC_OK && status != AC_E_NO_MEMORY)
        return status;
    return aside.n > 0 ? time_what_fits(b, aside, n_timed, error) : AC_OK;
}

ac_status bench_synthetic(json_t **out_zoo, bench *b, ac_error *error)
{
    chosen all;
    size_t capacity = strlen(b->synthetic) + 16;
    char *path = malloc(capacity);
    uint32_t n_timed = 0;
    ac_status status = AC_E_NO_MEMORY;

    if (path == NULL)
        return status;
    snprintf(path, capacity, "synthetic:%s", b->synthetic);
    status = inspect(out_zoo, path, error);
    free(path);
    if (status == AC_OK)
        status = choose(&all, b, *out_zoo, error);
    if (status != AC_OK)
        return status;
    b->n_variants = all.n;
    status = time_what_fits(b, all, &n_timed, error);
    return status == AC_OK && n_timed == 0 ? AC_E_NO_MEMORY : status;
}
