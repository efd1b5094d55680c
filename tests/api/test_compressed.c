/* test_compressed.c - directories of compressed tensors as other tools, or
 * nobody, would write them: what is not read is refused, what is broken is an
 * error with the tensor's name, and nothing crashes. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zoo_fixture.h"

Suite *test_compressed_suite(void);

static char folder[256];
static char *weights, *config;     /* of a good directory */
static size_t n_weights, n_config;

static char *load(const char *name, size_t *n)
{
    char path[512], *text;
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    text = calloc(1, *n + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_eq(fread(text, 1, *n, file), *n);
    fclose(file);
    return text;
}

static void store(const char *name, const char *data, size_t n)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, n, file), n);
    fclose(file);
}

static void setup(void)
{
    ac_export_options options = AC_EXPORT_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    const char *zoo = make_zoo();

    snprintf(folder, sizeof folder, "%s", beside_zoo("w4a16"));
    options.variant = "int4";
    ck_assert_msg(ac_export(NULL, zoo, folder, &options, &error) == AC_OK,
                  "%s", error.message);
    weights = load("model.safetensors", &n_weights);
    config = load("config.json", &n_config);
}

static void teardown(void)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf '%s'", beside_zoo(""));
    ck_assert_int_eq(system(command), 0);
    free(weights);
    free(config);
}

static void assert_opens(ac_status wanted, const char *word)
{
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    ac_status status = ac_open(&engine, folder, NULL, &error);

    ac_close(engine);
    ck_assert_msg(status == wanted, "%s: %s instead of %s",
                  ac_status_name(status), error.message,
                  ac_status_name(wanted));
    ck_assert_msg(strstr(error.message, word) != NULL, "\"%s\" lacks %s",
                  error.message, word);
}

/* config.json with the first `from` made `to`. */
static void change_config(const char *from, const char *to)
{
    char *at = strstr(config, from), *text = malloc(n_config + 256);
    size_t n;

    ck_assert_msg(at != NULL, "config.json has no %s", from);
    ck_assert_ptr_nonnull(text);
    n = (size_t)(at - config);
    memcpy(text, config, n);
    n += (size_t)sprintf(text + n, "%s%s", to, at + strlen(from));
    store("config.json", text, n);
    free(text);
}

START_TEST(what_is_not_read_is_refused)
{
    static const struct {
        const char *from, *to, *word;
    } rows[] = {
        { "\"num_bits\": 4", "\"num_bits\": 3", "4 or 8 bits" },
        { "\"type\": \"int\"", "\"type\": \"float\"", "4 or 8 bits" },
        { "\"symmetric\": true", "\"symmetric\": false", "zero points" },
        { "\"strategy\": \"group\"", "\"strategy\": \"block\"", "scales" },
        { "\"actorder\": null", "\"actorder\": \"group\"", "order" },
        { "\"kv_cache_scheme\": null", "\"kv_cache_scheme\": {\"x\": 1}",
          "cache" },
        { "\"kv_cache_scheme\": null", "\"sparsity_config\": {\"format\": "
          "\"sparse-24-bitmask\"}", "sparsity" },
        { "\"kv_cache_scheme\": null", "\"transform_config\": {\"x\": 1}",
          "transforms" },
        { "\"pack-quantized\"", "\"marlin-24\"", "format" },
        { "\"compressed-tensors\"", "\"gptq\"", "quantised already" },
        { "\"config_groups\"", "\"other\"", "config_groups" },
        { "\"weights\"", "\"other\"", "no weights" },
    };

    assert_opens(AC_OK, "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        change_config(rows[i].from, rows[i].to);
        assert_opens(AC_E_UNSUPPORTED, rows[i].word);
    }
}
END_TEST

/* The first `from` in the header made `to`, of the same length. */
static void change_header(const char *from, const char *to)
{
    char *copy = malloc(n_weights), *at;

    ck_assert_ptr_nonnull(copy);
    ck_assert_uint_eq(strlen(from), strlen(to));
    memcpy(copy, weights, n_weights);
    at = memmem(copy, n_weights, from, strlen(from));
    ck_assert_msg(at != NULL, "the header has no %s", from);
    memcpy(at, to, strlen(to));
    store("model.safetensors", copy, n_weights);
    free(copy);
}

START_TEST(what_is_broken_is_named)
{
    static const struct {
        const char *from, *to, *word;
        ac_status status;
    } rows[] = {
        { "\"I32\"", "\"F32\"", "codes", AC_E_FORMAT },
        { "q_proj.weight_shape", "q_proj.weight_shapf", "no weight_shape",
          AC_E_FORMAT },
        { "q_proj.weight_scale", "q_proj.weight_scalf", "missing",
          AC_E_FORMAT },
        { "q_proj.weight_packed", "q_proj.weight_packee", "missing",
          AC_E_FORMAT },
        { "\"I64\"", "\"U64\"", "weight_shape", AC_E_FORMAT },
        { "model.norm.weight", "model.norm.weighs", "missing", AC_E_FORMAT },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        change_header(rows[i].from, rows[i].to);
        assert_opens(rows[i].status, rows[i].word);
    }
}
END_TEST

/* Where the bytes of a tensor begin in the file. */
static size_t place_of(const char *name)
{
    size_t n = (size_t)(uint8_t)weights[0] | (size_t)(uint8_t)weights[1] << 8 |
               (size_t)(uint8_t)weights[2] << 16;
    json_t *header = json_loadb(weights + 8, n, 0, NULL);
    const json_t *begin = json_array_get(
        json_object_get(json_object_get(header, name), "data_offsets"), 0);
    size_t at = 8 + n + (size_t)json_integer_value(begin);

    ck_assert_msg(begin != NULL, "there is no %s", name);
    json_decref(header);
    return at;
}

static void change_bytes(const char *name, const char *bytes, size_t n)
{
    char *copy = malloc(n_weights);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, weights, n_weights);
    memcpy(copy + place_of(name), bytes, n);
    store("model.safetensors", copy, n_weights);
    free(copy);
}

START_TEST(shapes_and_scales_are_looked_at)
{
    change_bytes("model.layers.0.mlp.up_proj.weight_shape", "\x01", 1);
    assert_opens(AC_E_FORMAT, "up_proj.weight had a weight_shape");
    change_bytes("model.layers.0.mlp.up_proj.weight_scale", "\x00\x7E", 2);
    assert_opens(AC_E_NUMERIC, "up_proj.weight_packed held NaN at row 0");
    change_bytes("model.layers.0.mlp.up_proj.weight_scale", "\x00\xFC", 2);
    assert_opens(AC_E_NUMERIC, "infinity");
}
END_TEST

/* Cut anywhere, flipped anywhere in the header: an error, or a model. */
START_TEST(damage_does_no_harm)
{
    size_t n = (size_t)(uint8_t)weights[0] | (size_t)(uint8_t)weights[1] << 8;
    int n_refused = 0;

    for (size_t i = 0; i < 200; i++) {
        ac_engine *engine = NULL;
        size_t at = i * n_weights / 200;

        store("model.safetensors", weights, at);
        ck_assert_int_ne(ac_open(&engine, folder, NULL, NULL), AC_OK);
    }
    for (size_t at = 0; at < 8 + n; at += 7) {
        ac_engine *engine = NULL;

        weights[at] ^= (char)(1 << at % 7);
        store("model.safetensors", weights, n_weights);
        n_refused += ac_open(&engine, folder, NULL, NULL) != AC_OK;
        ac_close(engine);
        weights[at] ^= (char)(1 << at % 7);
    }
    ck_assert_int_gt(n_refused, 100);
}
END_TEST

Suite *test_compressed_suite(void)
{
    Suite *suite = suite_create("test_compressed");
    TCase *tests = tcase_create("compressed");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_not_read_is_refused);
    tcase_add_test(tests, what_is_broken_is_named);
    tcase_add_test(tests, shapes_and_scales_are_looked_at);
    tcase_add_test(tests, damage_does_no_harm);
    suite_add_tcase(suite, tests);
    return suite;
}
