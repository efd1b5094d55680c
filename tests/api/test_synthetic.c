/* test_synthetic.c - zoos of random weights that are on no disk: all variants
 * run and stay finite, the seed decides the bits, sizes are those of the models
 * they are named after, bad descriptions are errors, nothing stays behind. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zoo_fixture.h"

static ac_error error = AC_ERROR_INIT;
static const char text[] = "Forty bytes of text to judge a model by.";

static ac_engine *open_synthetic(const char *path)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_engine *engine = NULL;

    options.device = "cpu";
    options.n_threads = 2;
    ck_assert_msg(ac_open(&engine, path, &options, &error) == AC_OK, "%s: %s",
                  path, error.message);
    return engine;
}

static json_t *inspect(const char *path)
{
    char *json = NULL;
    json_t *root;

    ck_assert_msg(ac_inspect(&json, path, &error) == AC_OK, "%s: %s", path,
                  error.message);
    root = json_loads(json, 0, NULL);
    ck_assert_ptr_nonnull(root);
    ac_free(json);
    return root;
}

static uint64_t integer_at(const json_t *root, const char *part,
                           const char *field)
{
    const json_t *value = json_object_get(json_object_get(root, part), field);

    ck_assert_msg(json_is_integer(value), "%s.%s", part, field);
    return (uint64_t)json_integer_value(value);
}

/* Perplexities of every variant, in order. */
static size_t judge(double *perplexity, const char *path)
{
    ac_engine *engine = open_synthetic(path);
    ac_perplexity_options options = AC_PERPLEXITY_OPTIONS_INIT;
    ac_quality found[AC_MAX_VARIANTS] = { AC_QUALITY_INIT };
    size_t n = 0;

    options.text = text;
    options.text_bytes = sizeof text - 1;
    ck_assert_msg(ac_perplexity(found, AC_MAX_VARIANTS, &n, NULL, engine, NULL,
                                &options, &error) == AC_OK, "%s: %s", path,
                  error.message);
    for (size_t i = 0; i < n; i++)
        perplexity[i] = found[i].perplexity;
    ac_close(engine);
    return n;
}

START_TEST(every_variant_of_a_ladder_is_finite)
{
    static const char *const paths[] = {
        "synthetic:tiny", "synthetic:tiny,n_layer=80,seed=3",
        "synthetic:tiny,n_layer=9,n_embd=1024,n_head=8,n_head_kv=8,"
        "head_dim=128,n_ff=256,tied=0,group=128",
        "synthetic:qwen2.5-0.5b,n_layer=2,n_vocab=400"
    };
    double perplexity[AC_MAX_VARIANTS];

    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        ck_assert_uint_eq(judge(perplexity, paths[p]), 8);
        for (int v = 0; v < 8; v++)
            ck_assert_msg(isfinite(perplexity[v]) && perplexity[v] > 10.0 &&
                              perplexity[v] < 1e5,
                          "%s, variant %d: %g", paths[p], v, perplexity[v]);
    }
}
END_TEST

START_TEST(each_variant_generates_its_own_text)
{
    ac_engine *engine = open_synthetic("synthetic:tiny,n_layer=8");
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_session *session = NULL;

    ck_assert_int_eq(ac_describe(&info, engine, &error), AC_OK);
    ck_assert_uint_eq(info.n_variants, 8);
    ck_assert_int_eq(ac_session_open(&session, engine, NULL, &error), AC_OK);
    for (uint32_t v = 0; v < info.n_variants; v++) {
        ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
        ac_variant_info variant = AC_VARIANT_INFO_INIT;
        ac_result result = AC_RESULT_INIT;

        ck_assert_int_eq(ac_variant_describe(&variant, engine, v, &error),
                         AC_OK);
        options.variant = variant.name;
        options.max_tokens = 12;
        options.ignore_end = 1;
        ck_assert_msg(ac_generate(&result, session, text, sizeof text - 1,
                                  &options, &error) == AC_OK, "%s: %s",
                      variant.name, error.message);
        ck_assert_uint_eq(result.usage->generated_tokens, 12);
    }
    ac_session_close(session);
    ac_close(engine);
}
END_TEST

START_TEST(seed_decides_the_bits)
{
    double a[AC_MAX_VARIANTS], b[AC_MAX_VARIANTS], c[AC_MAX_VARIANTS];

    judge(a, "synthetic:tiny,seed=5");
    judge(b, "synthetic:tiny,seed=5");
    judge(c, "synthetic:tiny,seed=6");
    for (int v = 0; v < 8; v++) {
        ck_assert(memcmp(&a[v], &b[v], sizeof a[v]) == 0);
        ck_assert(a[v] != c[v]);
    }
}
END_TEST

/* As their makers count them. */
START_TEST(shapes_have_the_parameters_of_their_models)
{
    static const struct {
        const char *path;
        uint64_t n_parameters;
    } rows[] = {
        { "synthetic:smollm-135m", 134515008 },
        { "synthetic:qwen2.5-0.5b", 494032768 },
        { "synthetic:tinyllama-1.1b", 1100048384 },
        { "synthetic:llama-3.2-1b", 1235814400 },
        { "synthetic:llama-2-7b", 6738415616 },
        { "synthetic:llama-3-8b", 8030261248 },
        { "synthetic:llama-3.1-8b", 8030261248 },
        { "synthetic:llama-2-13b", 13015864320 },
        { "synthetic:llama-2-70b", 68976648192 },
        { "synthetic:llama-3-70b", 70553706496 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *root = inspect(rows[i].path);

        ck_assert_msg(integer_at(root, "shape", "n_parameters") ==
                          rows[i].n_parameters, "%s", rows[i].path);
        ck_assert_uint_eq(json_array_size(json_object_get(root, "variants")),
                          8);
        json_decref(root);
    }
}
END_TEST

static void check_share(const json_t *variant, const json_t *full,
                        const char *name, double least, double most)
{
    double share = (double)integer_at(variant, "cost", "macs_per_token") /
                   (double)integer_at(full, "cost", "macs_per_token");

    ck_assert_str_eq(json_string_value(json_object_get(variant, "name")),
                     name);
    ck_assert_msg(share >= least && share <= most, "%s: %g", name, share);
}

/* What is kept is what the recipes of a real ladder ask for. */
START_TEST(a_large_ladder_keeps_what_its_recipes_say)
{
    json_t *root = inspect("synthetic:llama-2-70b");
    const json_t *variants = json_object_get(root, "variants");
    const json_t *full = json_array_get(variants, 0);

    check_share(json_array_get(variants, 3), full, "int4", 1.0, 1.0);
    check_share(json_array_get(variants, 4), full, "int4-lowrank", 0.92, 0.95);
    check_share(json_array_get(variants, 5), full, "int8-pruned", 0.84, 0.86);
    check_share(json_array_get(variants, 6), full, "int4-pruned", 0.69, 0.71);
    check_share(json_array_get(variants, 7), full, "int4-small", 0.49, 0.52);
    json_decref(root);
}
END_TEST

START_TEST(memory_is_what_inspect_says)
{
    static const char path[] = "synthetic:smollm-135m";
    json_t *root = inspect(path);
    ac_engine *engine = open_synthetic(path);
    ac_engine_info info = AC_ENGINE_INFO_INIT;

    ck_assert_int_eq(ac_describe(&info, engine, &error), AC_OK);
    ck_assert_uint_eq(info.mapped_bytes, integer_at(root, "weights", "bytes") +
                                             integer_at(root, "extras",
                                                        "bytes"));
    ck_assert_uint_eq(integer_at(root, "weights", "bytes"),
                      integer_at(root, "store", "bytes"));
    for (uint32_t v = 0; v < info.n_variants; v++) {
        const json_t *listed = json_array_get(
            json_object_get(root, "variants"), v);
        ac_variant_info variant = AC_VARIANT_INFO_INIT;

        ck_assert_int_eq(ac_variant_describe(&variant, engine, v, &error),
                         AC_OK);
        ck_assert_str_eq(variant.name, json_string_value(json_object_get(
                                           listed, "name")));
        ck_assert_uint_eq(variant.bytes_per_token,
                          integer_at(listed, "cost", "bytes_per_token"));
    }
    ac_close(engine);
    json_decref(root);
}
END_TEST

/* The store that synthesize.c writes for the shape has as many bytes. */
START_TEST(a_zoo_on_disk_is_as_large)
{
    const char *zoo = make_zoo();
    json_t *disk = inspect(zoo);
    json_t *memory = inspect("synthetic:tiny,variants=full+int8+int4");

    ck_assert_uint_eq(integer_at(disk, "weights", "bytes"),
                      integer_at(memory, "weights", "bytes"));
    ck_assert_ptr_null(json_object_get(memory, "extras"));
    json_decref(disk);
    json_decref(memory);
    remove_zoo();
}
END_TEST

START_TEST(variants_can_be_left_out)
{
    ac_engine *engine = open_synthetic("synthetic:tiny,variants=int4+int8");
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_session *session = NULL;

    ck_assert_int_eq(ac_describe(&info, engine, &error), AC_OK);
    ck_assert_uint_eq(info.n_variants, 3); /* full is named, and cannot run */
    ck_assert_int_eq(ac_session_open(&session, engine, NULL, &error), AC_OK);
    options.max_tokens = 4;
    options.ignore_end = 1;
    options.variant = "full";
    ck_assert_int_eq(ac_generate(&result, session, text, sizeof text - 1,
                                 &options, &error), AC_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(error.message, "full"));
    options.variant = "int8";
    ck_assert_int_eq(ac_generate(&result, session, text, sizeof text - 1,
                                 &options, &error), AC_OK);
    options.variant = "int4-small";
    ck_assert_int_eq(ac_generate(&result, session, text, sizeof text - 1,
                                 &options, &error), AC_E_NOT_FOUND);
    ac_session_close(session);
    ac_close(engine);
}
END_TEST

START_TEST(shape_comes_from_a_config_too)
{
    json_t *root = inspect("synthetic:examples/models/base/config.json,"
                           "n_layer=5");

    ck_assert_uint_eq(integer_at(root, "shape", "n_layer"), 5);
    ck_assert_uint_eq(integer_at(root, "shape", "n_embd"), 192);
    json_decref(root);
}
END_TEST

START_TEST(bad_descriptions_are_errors)
{
    static const struct {
        const char *path;
        ac_status status;
        const char *part;      /* of the message */
    } rows[] = {
        { "synthetic:", AC_E_NOT_FOUND, "llama-2-70b" },
        { "synthetic:no-such-shape", AC_E_NOT_FOUND, "llama-3-70b" },
        { "synthetic:nowhere/config.json", AC_E_NOT_FOUND, "nowhere" },
        { "synthetic:README.md/config.json", AC_E_NOT_FOUND, "README" },
        { "synthetic:tiny,", AC_E_ARGUMENT, "NAME=VALUE" },
        { "synthetic:tiny,n_layer", AC_E_ARGUMENT, "NAME=VALUE" },
        { "synthetic:tiny,n_layer=", AC_E_ARGUMENT, "whole number" },
        { "synthetic:tiny,n_layer=-1", AC_E_ARGUMENT, "whole number" },
        { "synthetic:tiny,n_layer=4x", AC_E_ARGUMENT, "whole number" },
        { "synthetic:tiny,n_layer=0", AC_E_FORMAT, "layers" },
        { "synthetic:tiny,n_layer=1025", AC_E_FORMAT, "layers" },
        { "synthetic:tiny,n_layer=2147483648", AC_E_ARGUMENT, "2^31" },
        { "synthetic:tiny,n_ff=99999999999999999999", AC_E_ARGUMENT, "n_ff" },
        { "synthetic:tiny,n_embd=0", AC_E_FORMAT, "embedding width" },
        { "synthetic:tiny,n_head=0", AC_E_FORMAT, "heads" },
        { "synthetic:tiny,n_head_kv=3", AC_E_FORMAT, "evenly" },
        { "synthetic:tiny,n_vocab=20", AC_E_ARGUMENT, "257" },
        { "synthetic:tiny,colour=3", AC_E_ARGUMENT, "block_mib" },
        { "synthetic:tiny,group=48", AC_E_ARGUMENT, "group" },
        { "synthetic:tiny,block_mib=0", AC_E_ARGUMENT, "block_mib" },
        { "synthetic:tiny,variants=int5", AC_E_ARGUMENT, "int5" },
        { "synthetic:tiny,variants=int4+int4", AC_E_ARGUMENT, "twice" },
        { "synthetic:llama-2-70b,block_mib=1", AC_E_ARGUMENT, "block_mib" },
        { "synthetic:tiny,n_layer=1024,n_embd=65536,n_ff=1048576",
          AC_E_UNSUPPORTED, "TiB" },
        { "synthetic:llama-2-70b,block_mib=1048576", AC_E_NO_MEMORY, "block" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ac_open_options options = AC_OPEN_OPTIONS_INIT;
        ac_engine *engine = NULL;
        ac_status status;

        options.device = "cpu";
        error.message[0] = '\0';
        status = ac_open(&engine, rows[i].path, &options, &error);
        ck_assert_ptr_null(engine);
        ck_assert_msg(status == rows[i].status, "%s: %s (%s)", rows[i].path,
                      ac_status_name(status), error.message);
        ck_assert_msg(strstr(error.message, rows[i].part) != NULL, "%s: %s",
                      rows[i].path, error.message);
    }
}
END_TEST

START_TEST(nothing_stays_mapped)
{
    char line[512];
    FILE *maps;

    ac_close(open_synthetic("synthetic:smollm-135m,n_layer=4"));
    maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        ck_assert_msg(strstr(line, "memfd:") == NULL, "%s", line);
    fclose(maps);
}
END_TEST

START_TEST(it_has_no_card_to_measure_into)
{
    ck_assert_int_eq(ac_measure("synthetic:tiny", NULL, &error),
                     AC_E_ARGUMENT);
}
END_TEST

Suite *test_synthetic_suite(void);
Suite *test_synthetic_suite(void)
{
    Suite *suite = suite_create("test_synthetic");
    TCase *tests = tcase_create("synthetic");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_variant_of_a_ladder_is_finite);
    tcase_add_test(tests, each_variant_generates_its_own_text);
    tcase_add_test(tests, seed_decides_the_bits);
    tcase_add_test(tests, shapes_have_the_parameters_of_their_models);
    tcase_add_test(tests, a_large_ladder_keeps_what_its_recipes_say);
    tcase_add_test(tests, memory_is_what_inspect_says);
    tcase_add_test(tests, a_zoo_on_disk_is_as_large);
    tcase_add_test(tests, variants_can_be_left_out);
    tcase_add_test(tests, shape_comes_from_a_config_too);
    tcase_add_test(tests, bad_descriptions_are_errors);
    tcase_add_test(tests, nothing_stays_mapped);
    tcase_add_test(tests, it_has_no_card_to_measure_into);
    suite_add_tcase(suite, tests);
    return suite;
}
