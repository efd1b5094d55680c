/* ladder_recipe.c - the named recipes, lists of them, and plan files. */
#include "workshop/compress/ladder_recipe.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/variant_names.h"
#include "platform/error.h"
#include "platform/files.h"

enum { MAX_PLAN_BYTES = 1 << 20 };

#define LADDER "ladder"
#define DEFAULT_FAMILY \
    "full,int8a16,int8,int4,int4-lowrank,int8-pruned,int4-pruned,int4-small"

/* Those of variant_names.h are whole; these keep less. int8-pruned keeps its
 * weights: a matrix of its own would cost the zoo more bytes than the others'
 * together (docs/compression.md). */
static const aci_recipe structural[] = {
    { "int4-lowrank", 4, 8, 8, 8, 1.0, 1.0, 1.0, 0.7, 1, 0.0, 0 },
    { "int8-pruned", 8, 8, 8, 8, 0.85, 1.0, 1.0, 1.0, 0, 0.0, 0 },
    { "int4-pruned", 4, 8, 8, 8, 0.7, 1.0, 1.0, 1.0, 1, 0.0, 0 },
    { "int4-small", 4, 8, 4, 8, 0.5, 1.0, 1.0, 1.0, 1, 0.0, 0 },
};

enum { N_STRUCTURAL = sizeof structural / sizeof structural[0] };

int aci_workshop_recipe_prunes(const aci_recipe *recipe)
{
    return recipe->width < 1.0 || recipe->heads < 1.0 ||
           recipe->neurons < 1.0;
}

int aci_workshop_recipe_is_structural(const aci_recipe *recipe)
{
    return aci_workshop_recipe_prunes(recipe) || recipe->rank < 1.0 ||
           recipe->target > 0.0;
}

int aci_workshop_ladder_is_structural(const aci_ladder *ladder)
{
    for (int32_t i = 0; i < ladder->n; i++)
        if (aci_workshop_recipe_is_structural(&ladder->recipes[i]))
            return 1;
    return 0;
}

int aci_workshop_ladder_has_target(const aci_ladder *ladder)
{
    for (int32_t i = 0; i < ladder->n; i++)
        if (ladder->recipes[i].target > 0.0)
            return 1;
    return 0;
}

void aci_workshop_recipe_variant(aci_variant *out, const aci_recipe *recipe)
{
    aci_model_variant_named(out, "full"); /* nothing measured */
    snprintf(out->name, sizeof out->name, "%s", recipe->name);
    out->weight_bits = recipe->weight_bits;
    out->activation_bits = recipe->activation_bits;
    out->head_bits = recipe->head_bits;
    out->embed_bits = recipe->embed_bits;
}

/* ---- lists --------------------------------------------------------------- */

static int recipe_named(aci_recipe *out, const char *name)
{
    aci_variant plain;

    for (int i = 0; i < N_STRUCTURAL; i++)
        if (strcmp(structural[i].name, name) == 0) {
            *out = structural[i];
            return 1;
        }
    if (!aci_model_variant_named(&plain, name))
        return 0;
    memset(out, 0, sizeof *out);
    snprintf(out->name, sizeof out->name, "%s", name);
    out->weight_bits = plain.weight_bits;
    out->activation_bits = plain.activation_bits;
    out->head_bits = plain.head_bits;
    out->embed_bits = plain.embed_bits;
    out->width = out->heads = out->neurons = out->rank = 1.0;
    return 1;
}

static ac_status add(aci_ladder *ladder, const aci_recipe *recipe,
                     ac_error *error)
{
    for (int32_t i = 0; i < ladder->n; i++)
        if (strcmp(ladder->recipes[i].name, recipe->name) == 0)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "variant %s was named twice",
                                     recipe->name);
    if (ladder->n == AC_MAX_VARIANTS)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there were more than %d variants",
                                 AC_MAX_VARIANTS);
    ladder->recipes[ladder->n++] = *recipe;
    return AC_OK;
}

static ac_status add_name(aci_ladder *ladder, const char *name, size_t n,
                          ac_error *error)
{
    char text[32] = { 0 };
    aci_recipe recipe;

    memcpy(text, name, n < sizeof text ? n : sizeof text - 1);
    if (n >= sizeof text || !recipe_named(&recipe, text))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there was no variant \"%s\"; known are %s, "
                                 "int4-lowrank, int8-pruned, int4-pruned, "
                                 "int4-small and ladder, all of them", text,
                                 aci_model_variant_list());
    return add(ladder, &recipe, error);
}

static ac_status add_names(aci_ladder *ladder, const char *names,
                           ac_error *error)
{
    int seen_full = 0;

    for (;;) {
        size_t n = strcspn(names, ",");

        if (n == 4 && memcmp(names, "full", 4) == 0 && !seen_full) {
            seen_full = 1; /* it is there already */
        } else {
            ac_status status = add_name(ladder, names, n, error);

            if (status != AC_OK)
                return status;
        }
        if (names[n] == '\0')
            return AC_OK;
        names += n + 1;
    }
}

/* ---- plan files ---------------------------------------------------------- */

static ac_status fail_field(ac_error *error, const char *path, int32_t i,
                            const char *what)
{
    return aci_platform_fail(error, AC_E_FORMAT, "%s, variant %d: %s", path,
                             (int)i + 1, what);
}

/* Absent: *value stays. 0 for anything that is not a share. */
static int read_share(double *value, const json_t *object, const char *field)
{
    const json_t *given = json_object_get(object, field);

    if (given == NULL)
        return 1;
    *value = json_number_value(given);
    return json_is_number(given) && *value > 0.0 && *value <= 1.0;
}

static int read_bits(int32_t *value, const json_t *object, const char *field,
                     int lowest)
{
    const json_t *given = json_object_get(object, field);
    json_int_t bits = json_integer_value(given);

    if (given == NULL)
        return 1;
    if (!json_is_integer(given) || bits < lowest ||
        (bits != 4 && bits != 8 && bits != 16))
        return 0;
    *value = (int32_t)bits;
    return 1;
}

static int is_plain_name(const char *name)
{
    size_t n = name != NULL ? strlen(name) : 0;

    return n > 0 && n < 32 && strcmp(name, "full") != 0 &&
           strcmp(name, LADDER) != 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789-_.") == n;
}

/* A misspelt field must not pass as a default. */
static const char *unknown_field(const json_t *object)
{
    static const char *const known[] = {
        "name", "weight_bits", "activation_bits", "head_bits", "embed_bits",
        "width", "heads", "neurons", "rank", "compensate"
    };
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;

        while (i < sizeof known / sizeof *known && strcmp(known[i], key) != 0)
            i++;
        if (i == sizeof known / sizeof *known)
            return key;
    }
    return NULL;
}

static ac_status read_recipe(aci_recipe *out, const json_t *object,
                             const char *path, int32_t i, ac_error *error)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    const json_t *compensate = json_object_get(object, "compensate");

    memset(out, 0, sizeof *out);
    if (!json_is_object(object) || !is_plain_name(name))
        return fail_field(error, path, i,
                          "was no object with a name of letters, digits, - _ "
                          "and . that is free");
    if (unknown_field(object) != NULL)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s, variant %s: nothing is called \"%.40s\"",
                                 path, name, unknown_field(object));
    snprintf(out->name, sizeof out->name, "%s", name);
    out->weight_bits = 4;
    out->activation_bits = 8;
    out->width = out->heads = out->neurons = out->rank = 1.0;
    if (!read_bits(&out->weight_bits, object, "weight_bits", 4) ||
        !read_bits(&out->activation_bits, object, "activation_bits", 8))
        return fail_field(error, path, i, "bits were not 4, 8 or 16");
    out->head_bits = out->embed_bits = out->weight_bits == 16 ? 16 : 8;
    if (!read_bits(&out->head_bits, object, "head_bits", 4) ||
        !read_bits(&out->embed_bits, object, "embed_bits", 4))
        return fail_field(error, path, i, "bits were not 4, 8 or 16");
    if (!read_share(&out->width, object, "width") ||
        !read_share(&out->heads, object, "heads") ||
        !read_share(&out->neurons, object, "neurons") ||
        !read_share(&out->rank, object, "rank"))
        return fail_field(error, path, i,
                          "width, heads, neurons and rank are shares above 0, "
                          "up to 1");
    if (out->width < 1.0 && (out->heads < 1.0 || out->neurons < 1.0))
        return fail_field(error, path, i,
                          "had both a width and shares of heads or neurons");
    if (compensate != NULL && !json_is_boolean(compensate))
        return fail_field(error, path, i, "compensate was not true or false");
    out->compensate = compensate != NULL ? json_is_true(compensate)
                                         : out->weight_bits == 4;
    if (out->weight_bits == 16 && (out->compensate || out->rank < 1.0))
        return fail_field(error, path, i,
                          "a variant of 16 bits can own no matrices: no "
                          "rank, no compensate");
    return AC_OK;
}

static ac_status read_plan(aci_ladder *ladder, const json_t *root,
                           const char *path, ac_error *error)
{
    const json_t *list = json_object_get(root, "variants");
    size_t n = json_array_size(list);
    ac_status status = AC_OK;

    if (!json_is_array(list) || n == 0)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s had no list \"variants\"", path);
    for (size_t i = 0; status == AC_OK && i < n; i++) {
        aci_recipe recipe;

        status = read_recipe(&recipe, json_array_get(list, i), path,
                             (int32_t)i, error);
        if (status == AC_OK)
            status = add(ladder, &recipe, error);
    }
    return status;
}

static ac_status add_plan(aci_ladder *ladder, aci_memory *memory,
                          const char *path, ac_error *error)
{
    json_error_t where;
    char *text = NULL;
    size_t n = 0;
    json_t *root;
    ac_status status = aci_platform_read_file(&text, &n, memory, path,
                                              MAX_PLAN_BYTES, error);

    if (status != AC_OK)
        return status;
    root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL)
        status = aci_platform_fail(error, AC_E_FORMAT, "%s, line %d: %s",
                                   path, where.line, where.text);
    else
        status = read_plan(ladder, root, path, error);
    json_decref(root);
    aci_platform_free(memory, text);
    return status;
}

/* ---- targets ------------------------------------------------------------- */

static const char *const cost_names[] = { "bit_operations", "bytes", "macs",
                                          "seconds" };

/* A number as JSON has it, which no locale changes; NaN for anything else. */
static double read_number(const char *text, size_t n)
{
    json_t *json = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    double value = json_is_number(json) ? json_number_value(json) : NAN;

    json_decref(json);
    return value;
}

static int32_t cost_named(const char *name, size_t n)
{
    int32_t cost = (int32_t)(sizeof cost_names / sizeof *cost_names) - 1;

    if (n == 4 && memcmp(name, "cost", n) == 0)
        return ACI_COST_BIT_OPERATIONS;
    while (cost >= 0 && (strlen(cost_names[cost]) != n ||
                         memcmp(cost_names[cost], name, n) != 0))
        cost--;
    return cost;
}

const char *aci_workshop_target_name(int32_t cost)
{
    return cost_names[cost];
}

/* "cost=0.3", n bytes long. */
static ac_status read_target(aci_recipe *out, const char *text, size_t n,
                             ac_error *error)
{
    size_t length = strcspn(text, "=,");
    int32_t cost = length < n ? cost_named(text, length) : -1;
    double share = cost >= 0 ? read_number(text + length + 1, n - length - 1)
                             : NAN;
    int32_t parts = share > 0.0 && share <= 1.0
                        ? (int32_t)lround(10000.0 * share) : 0;

    if (parts == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "target \"%.*s\" was not cost, bytes, "
                                 "bit_operations, macs or seconds, =, and a "
                                 "share of full's above 0, up to 1",
                                 n < 60 ? (int)n : 60, text);
    out->target = share;
    out->target_cost = cost;
    length = text[0] == 'c' ? 0 : length;
    snprintf(out->name, sizeof out->name, "target-%.*s%s%d.%0*d", (int)length,
             text, length > 0 ? "-" : "", (int)(parts / 10000),
             parts % 100 == 0 ? 2 : 4,
             (int)(parts % 100 == 0 ? parts % 10000 / 100 : parts % 10000));
    return AC_OK;
}

static ac_status add_targets(aci_ladder *ladder, const char *targets,
                             ac_error *error)
{
    for (;;) {
        size_t n = strcspn(targets, ",");
        aci_recipe recipe;
        ac_status status;

        memset(&recipe, 0, sizeof recipe);
        recipe.weight_bits = 4;
        recipe.activation_bits = recipe.head_bits = recipe.embed_bits = 8;
        recipe.width = recipe.heads = recipe.neurons = recipe.rank = 1.0;
        status = read_target(&recipe, targets, n, error);
        if (status == AC_OK)
            status = add(ladder, &recipe, error);
        if (status != AC_OK || targets[n] == '\0')
            return status;
        targets += n + 1;
    }
}

ac_status aci_workshop_ladder_parse(aci_ladder *out, aci_memory *memory,
                                    const char *names, const char *plan_path,
                                    const char *targets, ac_error *error)
{
    ac_status status;

    memset(out, 0, sizeof *out);
    if (names == NULL)
        names = plan_path != NULL ? "full" : "full,int8,int4";
    if (strcmp(names, LADDER) == 0)
        names = DEFAULT_FAMILY;
    status = add_name(out, "full", 4, error);
    if (status == AC_OK)
        status = add_names(out, names, error);
    if (status == AC_OK && plan_path != NULL)
        status = add_plan(out, memory, plan_path, error);
    if (status == AC_OK && targets != NULL)
        status = add_targets(out, targets, error);
    return status;
}
