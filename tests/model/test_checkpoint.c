/* test_checkpoint.c - Hugging Face directories: what is read, what is refused
 * and in which words. Each test changes one thing of the tiny golden models. */
#include "model/checkpoint.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/files.h"
#include "platform/random.h"

#define MODELS "tests/golden/models/"

static char folder[64];
static aci_memory memory;
static ac_error error;
static aci_checkpoint *opened;

static void enter(void)
{
    ac_error empty = AC_ERROR_INIT;

    error = empty;
    opened = NULL;
    aci_platform_memory_init(&memory);
    strcpy(folder, "/tmp/ac-test-checkpoint-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void leave(void)
{
    char command[96];

    aci_model_checkpoint_close(opened);
    ck_assert_uint_eq(memory.used_bytes, 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* ---- copying and changing ---------------------------------------------- */

static void put(const char *name, const void *bytes, size_t n)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

/* A file of a golden model, or of our copy when `model` is NULL. */
static char *get(const char *model, const char *name, size_t *n)
{
    char path[256], *bytes;

    if (model != NULL)
        snprintf(path, sizeof path, MODELS "%s/%s", model, name);
    else
        snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(aci_platform_read_file(&bytes, n, &memory, path, 4 << 20,
                                            NULL), AC_OK);
    return bytes;
}

static void copy(const char *model, const char *name)
{
    size_t n;
    char *bytes = get(model, name, &n);

    put(name, bytes, n);
    aci_platform_free(&memory, bytes);
}

static void copy_model(const char *model)
{
    copy(model, "config.json");
    copy(model, "model.safetensors");
}

static void write_json(const char *name, const json_t *root)
{
    char *text = json_dumps(root, 0);

    put(name, text, strlen(text));
    free(text);
}

/* config.json with `key` as the JSON text says; NULL takes it out. */
static void set(const char *key, const char *value)
{
    size_t n;
    char *text = get(NULL, "config.json", &n);
    json_t *config = json_loads(text, 0, NULL);

    ck_assert_ptr_nonnull(config);
    if (value == NULL) {
        json_object_del(config, key);
    } else {
        json_t *parsed = json_loads(value, JSON_DECODE_ANY, NULL);

        ck_assert_ptr_nonnull(parsed);
        json_object_set_new(config, key, parsed);
    }
    write_json("config.json", config);
    json_decref(config);
    aci_platform_free(&memory, text);
}

/* Rewrites the header of model.safetensors through `change`. */
static void edit_header(const char *name, void (*change)(json_t *header))
{
    size_t n, n_text;
    uint64_t n_header;
    char *bytes = get(NULL, name, &n), *text, *out;
    json_t *header;

    memcpy(&n_header, bytes, 8);
    header = json_loadb(bytes + 8, n_header, 0, NULL);
    ck_assert_ptr_nonnull(header);
    change(header);
    text = json_dumps(header, JSON_COMPACT);
    n_text = strlen(text);
    out = malloc(n + n_text);
    memcpy(out, &(uint64_t){ n_text }, 8);
    memcpy(out + 8, text, n_text);
    memcpy(out + 8 + n_text, bytes + 8 + n_header, n - 8 - n_header);
    put(name, out, n - n_header + n_text);
    free(out);
    free(text);
    json_decref(header);
    aci_platform_free(&memory, bytes);
}

static void expect(ac_status wanted, const char *words)
{
    ac_status status = aci_model_checkpoint_open(&opened, &memory, folder,
                                                 &error);

    ck_assert_msg(status == wanted, "%s: %s", ac_status_name(status),
                  status == AC_OK ? "opened" : error.message);
    if (words != NULL)
        ck_assert_msg(strstr(error.message, words) != NULL,
                      "\"%s\" does not say \"%s\"", error.message, words);
    if (wanted != AC_OK)
        ck_assert_ptr_null(opened);
}

static const aci_shape *reopen(void)
{
    aci_model_checkpoint_close(opened);
    opened = NULL;
    expect(AC_OK, NULL);
    return aci_model_checkpoint_shape(opened);
}

/* ---- reading ----------------------------------------------------------- */

START_TEST(rows_come_in_any_portion)
{
    float all[64 * 64], some[3 * 64];
    int64_t rows, columns;

    copy_model("llama");
    reopen();
    ck_assert(aci_model_checkpoint_find(opened, "1.q", &rows, &columns));
    ck_assert_int_eq(rows, 64);
    ck_assert_int_eq(columns, 64);
    ck_assert(aci_model_checkpoint_find(opened, "1.attn_norm", &rows,
                                        &columns));
    ck_assert_int_eq(rows, 1);
    ck_assert(!aci_model_checkpoint_find(opened, "2.q", &rows, &columns));
    ck_assert(!aci_model_checkpoint_find(opened, "0.q_bias", &rows,
                                         &columns));
    ck_assert_int_eq(aci_model_checkpoint_read(all, opened, "1.q", 0, 64,
                                               &error), AC_OK);
    ck_assert_int_eq(aci_model_checkpoint_read(some, opened, "1.q", 61, 3,
                                               &error), AC_OK);
    ck_assert_mem_eq(some, all + 61 * 64, sizeof some);
    ck_assert_int_eq(aci_model_checkpoint_read(some, opened, "1.q", 62, 3,
                                               &error), AC_E_ARGUMENT);
    ck_assert_int_eq(aci_model_checkpoint_read(some, opened, "1.q", -1, 1,
                                               &error), AC_E_ARGUMENT);
    ck_assert_int_eq(aci_model_checkpoint_read(some, opened, "1.x", 0, 1,
                                               &error), AC_E_NOT_FOUND);
    ck_assert(!aci_model_checkpoint_is_gguf(opened));
    ck_assert_str_eq(aci_model_checkpoint_path(opened), folder);
}
END_TEST

START_TEST(the_checksum_follows_the_weights)
{
    uint64_t first;
    size_t n;
    char *bytes;

    copy_model("llama");
    reopen();
    first = aci_model_checkpoint_checksum(opened);
    reopen();
    ck_assert_uint_eq(first, aci_model_checkpoint_checksum(opened));
    bytes = get(NULL, "model.safetensors", &n);
    bytes[n - 2] ^= 1;
    put("model.safetensors", bytes, n);
    aci_platform_free(&memory, bytes);
    reopen();
    ck_assert_uint_ne(first, aci_model_checkpoint_checksum(opened));
}
END_TEST

START_TEST(config_defaults_are_those_of_the_class)
{
    const aci_shape *shape;

    copy_model("llama");
    set("rms_norm_eps", NULL);
    set("rope_theta", NULL);
    set("max_position_embeddings", NULL);
    shape = reopen();
    ck_assert_float_eq(shape->norm_eps, 1e-6f);
    ck_assert_float_eq(shape->rope_theta, 10000.0f);
    ck_assert_int_eq(shape->n_context, 2048);
    ck_assert_int_eq(shape->head_dim, 16);
    set("architectures", "[\"MistralForCausalLM\"]");
    ck_assert_int_eq(reopen()->window, 4096);
    set("sliding_window", "null");
    ck_assert_int_eq(reopen()->window, 0);
}
END_TEST

START_TEST(rope_scaling_is_read_in_every_spelling)
{
    static const char *const spellings[][2] = {
        { "rope_scaling", "{\"type\": \"linear\", \"factor\": 2}" },
        { "rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 2.0}" },
        { "rope_parameters", "{\"rope_type\": \"linear\", \"factor\": 2.0, "
                             "\"rope_theta\": 10000.0}" },
    };

    for (int i = 0; i < 3; i++) {
        const aci_shape *shape;

        copy_model("llama");
        set(spellings[i][0], spellings[i][1]);
        shape = reopen();
        ck_assert_int_eq(shape->rope_scaling, ACI_ROPE_LINEAR);
        ck_assert_float_eq(shape->rope_factor, 2.0f);
        ck_assert_float_eq(shape->rope_theta, 10000.0f);
    }
}
END_TEST

/* ---- refused configurations -------------------------------------------- */

static const struct {
    const char *key, *value;
    ac_status status;
    const char *words;
} refused[] = {
    { "architectures", "[\"GPT2LMHeadModel\"]", AC_E_UNSUPPORTED,
      "GPT2LMHeadModel is not supported; these are: LlamaForCausalLM" },
    { "hidden_size", NULL, AC_E_FORMAT, "hidden_size" },
    { "hidden_size", "\"64\"", AC_E_FORMAT, "hidden_size" },
    { "hidden_size", "1e300", AC_E_FORMAT, "hidden_size" },
    { "hidden_size", "64.5", AC_E_FORMAT, "hidden_size" },
    { "hidden_size", "128", AC_E_FORMAT, "model.embed_tokens.weight" },
    { "num_hidden_layers", "0", AC_E_FORMAT, "num_hidden_layers" },
    { "num_hidden_layers", "2000000000", AC_E_FORMAT, "layers" },
    { "num_hidden_layers", "3", AC_E_FORMAT,
      "model.layers.2.input_layernorm.weight was missing" },
    { "num_hidden_layers", "1", AC_E_UNSUPPORTED, "model.layers.1." },
    { "num_attention_heads", "-4", AC_E_FORMAT, "num_attention_heads" },
    { "num_key_value_heads", "3", AC_E_FORMAT, "heads" },
    { "num_key_value_heads", "0", AC_E_FORMAT, "heads" },
    { "vocab_size", "129", AC_E_FORMAT, "128 x 64, not 129 x 64" },
    { "rms_norm_eps", "-1e-5", AC_E_FORMAT, "epsilon" },
    { "rms_norm_eps", "0", AC_E_FORMAT, "epsilon" },
    { "attention_bias", "true", AC_E_FORMAT, "self_attn.q_proj.bias" },
    { "tie_word_embeddings", "1", AC_E_FORMAT, "tie_word_embeddings" },
    { "hidden_act", "\"gelu\"", AC_E_UNSUPPORTED, "gelu" },
    { "quantization_config", "{}", AC_E_UNSUPPORTED, "quantised" },
    { "partial_rotary_factor", "0.5", AC_E_UNSUPPORTED, "0.5" },
    { "rope_scaling", "{\"type\": \"longrope\"}", AC_E_UNSUPPORTED,
      "longrope is not supported; these are: default, linear" },
    { "rope_scaling", "{\"type\": \"linear\"}", AC_E_FORMAT, "factor" },
    { "rope_scaling", "{\"type\": \"linear\", \"factor\": -2}", AC_E_FORMAT,
      "impossible" },
    { "rope_scaling", "[]", AC_E_FORMAT, "rope_scaling" },
    { "max_position_embeddings", "-1", AC_E_FORMAT, "context" },
};

enum { N_REFUSED = sizeof refused / sizeof refused[0] };

START_TEST(wrong_configurations_are_refused_in_words)
{
    copy_model("llama");
    set(refused[_i].key, refused[_i].value);
    expect(refused[_i].status, refused[_i].words);
}
END_TEST

START_TEST(qwen_windows_are_for_all_layers_or_none)
{
    copy_model("qwen2");
    ck_assert_int_eq(reopen()->window, 16);
    set("max_window_layers", "2");
    ck_assert_int_eq(reopen()->window, 0);
    set("use_sliding_window", "false");
    ck_assert_int_eq(reopen()->window, 0);
    aci_model_checkpoint_close(opened);
    opened = NULL;
    set("use_sliding_window", "true");
    set("max_window_layers", "1");
    expect(AC_E_UNSUPPORTED, "1 of 2 layers");
}
END_TEST

START_TEST(config_must_be_sane_json)
{
    char deep[4096];

    copy_model("llama");
    put("config.json", "{", 1);
    expect(AC_E_FORMAT, "JSON");
    put("config.json", "[]", 2);
    expect(AC_E_FORMAT, "object");
    put("config.json", "{\"a\":1e400}", 11);
    expect(AC_E_FORMAT, "JSON");
    put("config.json", "{\"rms_norm_eps\":NaN}", 20);
    expect(AC_E_FORMAT, "JSON");
    put("config.json", "{\"a\":1,\"a\":2}", 13);
    expect(AC_E_FORMAT, "duplicate");
    memset(deep, '[', sizeof deep);
    put("config.json", deep, sizeof deep);
    expect(AC_E_FORMAT, "deeper");
}
END_TEST

START_TEST(missing_files_are_named)
{
    expect(AC_E_NOT_FOUND, "config.json");
    copy("llama", "config.json");
    expect(AC_E_NOT_FOUND, "model.safetensors");
    put("pytorch_model.bin", "", 0);
    expect(AC_E_UNSUPPORTED, "safetensors");
}
END_TEST

/* ---- refused safetensors ----------------------------------------------- */

static json_t *some_tensor(json_t *header)
{
    return json_object_get(header, "model.layers.0.self_attn.q_proj.weight");
}

static void rename_one(json_t *header)
{
    json_object_set(header, "model.layers.0.self_attn.qq.weight",
                    some_tensor(header));
    json_object_del(header, "model.layers.0.self_attn.q_proj.weight");
}

static void reshape_one(json_t *header)
{
    json_object_set_new(some_tensor(header), "shape",
                        json_pack("[i,i]", 32, 128));
}

static void overflow_shape(json_t *header)
{
    json_object_set_new(some_tensor(header), "shape",
                        json_pack("[I,I]", (json_int_t)1 << 62,
                                  (json_int_t)64));
}

static void negative_shape(json_t *header)
{
    json_object_set_new(some_tensor(header), "shape",
                        json_pack("[i,i]", -64, -64));
}

static void overlap_one(json_t *header)
{
    json_t *other = json_object_get(header,
                                    "model.layers.1.self_attn.q_proj.weight");

    json_object_set(some_tensor(header), "data_offsets",
                    json_object_get(other, "data_offsets"));
}

static void offsets_beyond(json_t *header)
{
    json_object_set_new(some_tensor(header), "data_offsets",
                        json_pack("[I,I]", INT64_MAX - 8192, INT64_MAX));
}

static void offsets_backwards(json_t *header)
{
    json_object_set_new(some_tensor(header), "data_offsets",
                        json_pack("[i,i]", 8192, 0));
}

static void unknown_type(json_t *header)
{
    json_object_set_new(some_tensor(header), "dtype", json_string("Q7"));
}

static void integer_type(json_t *header)
{
    json_object_set_new(some_tensor(header), "dtype", json_string("I16"));
}

static void no_type(json_t *header)
{
    json_object_del(some_tensor(header), "dtype");
}

static void drop_one(json_t *header)
{
    json_object_del(header, "model.layers.0.self_attn.q_proj.weight");
}

static const struct {
    void (*change)(json_t *header);
    ac_status status;
    const char *words;
} headers[] = {
    { rename_one, AC_E_FORMAT,
      "model.layers.0.self_attn.q_proj.weight was missing" },
    { reshape_one, AC_E_FORMAT, "32 x 128, not 64 x 64" },
    { overflow_shape, AC_E_FORMAT, "q_proj.weight" },
    { negative_shape, AC_E_FORMAT, "impossible shape" },
    { overlap_one, AC_E_FORMAT, "lay " },
    { offsets_beyond, AC_E_FORMAT, "ended at byte" },
    { offsets_backwards, AC_E_FORMAT, "impossible offsets" },
    { unknown_type, AC_E_UNSUPPORTED, "Q7" },
    { integer_type, AC_E_UNSUPPORTED, "type I16" },
    { no_type, AC_E_FORMAT, "no type" },
    { drop_one, AC_E_FORMAT, "bytes of no tensor" },
};

enum { N_HEADERS = sizeof headers / sizeof headers[0] };

START_TEST(wrong_headers_are_refused_in_words)
{
    copy_model("llama");
    edit_header("model.safetensors", headers[_i].change);
    expect(headers[_i].status, headers[_i].words);
}
END_TEST

START_TEST(numbers_that_are_none_are_named)
{
    static const uint16_t not_finite[] = { 0x7E00, 0x7C00, 0xFC00 };
    static const char *const names[] = { "1.q", "1.k", "1.v", "1.o",
                                         "final_norm", "1.down" };
    float row[64 * 64];
    size_t n;
    char *bytes;

    copy_model("llama");
    bytes = get(NULL, "model.safetensors", &n);
    for (size_t i = 0; i < 3; i++) {
        ac_status status = AC_OK;

        memcpy(bytes + n - 2, &not_finite[i], 2); /* the last value */
        put("model.safetensors", bytes, n);
        reopen();
        /* whichever tensor is last in the file */
        for (size_t t = 0; t < 6 && status == AC_OK; t++) {
            int64_t rows, columns;

            aci_model_checkpoint_find(opened, names[t], &rows, &columns);
            if (rows * columns <= 64 * 64)
                status = aci_model_checkpoint_read(row, opened, names[t], 0,
                                                   rows, &error);
        }
        ck_assert_int_eq(status, AC_E_NUMERIC);
        ck_assert_ptr_nonnull(strstr(error.message, "model."));
    }
    aci_platform_free(&memory, bytes);
}
END_TEST

/* ---- shards ------------------------------------------------------------ */

#define INDEX "model.safetensors.index.json"

static void copy_shards(void)
{
    copy("llama-sharded", "config.json");
    copy("llama-sharded", INDEX);
    for (int i = 1; i <= 3; i++) {
        char name[64];

        snprintf(name, sizeof name, "model-%05d-of-00003.safetensors", i);
        copy("llama-sharded", name);
    }
}

/* Where the index says that final_norm is. */
static void say_in(const char *file)
{
    size_t n;
    char *text;
    json_t *root;

    copy_shards();
    text = get(NULL, INDEX, &n);
    root = json_loads(text, 0, NULL);
    if (file != NULL)
        json_object_set_new(json_object_get(root, "weight_map"),
                            "model.norm.weight", json_string(file));
    else
        json_object_del(json_object_get(root, "weight_map"),
                        "model.norm.weight");
    write_json(INDEX, root);
    json_decref(root);
    aci_platform_free(&memory, text);
}

START_TEST(an_index_that_lies_is_refused)
{
    copy_shards();
    reopen();
    aci_model_checkpoint_close(opened);
    opened = NULL;
    say_in("model-00001-of-00003.safetensors");
    if (aci_model_checkpoint_open(&opened, &memory, folder, &error) == AC_OK) {
        aci_model_checkpoint_close(opened); /* that was the truth */
        opened = NULL;
        say_in("model-00002-of-00003.safetensors");
        expect(AC_E_FORMAT, "model.norm.weight");
    }
    say_in("model-00009-of-00003.safetensors");
    expect(AC_E_NOT_FOUND, "model-00009");
    say_in(INDEX);
    expect(AC_E_FORMAT, "model.norm.weight"); /* the index itself: a cycle */
    say_in("../" INDEX);
    expect(AC_E_FORMAT, "model.norm.weight");
    say_in("../llama/model.safetensors");
    expect(AC_E_FORMAT, "model.norm.weight");
    say_in(NULL);
    expect(AC_E_FORMAT, "index has it not");
    put(INDEX, "{}", 2);
    expect(AC_E_FORMAT, "weight_map");
    put(INDEX, "{\"weight_map\":{}}", 17);
    expect(AC_E_FORMAT, "weight_map");
}
END_TEST

/* ---- truncated and mutated --------------------------------------------- */

static void survive(void)
{
    static float row[1 << 16];
    ac_status status = aci_model_checkpoint_open(&opened, &memory, folder,
                                                 &error);

    if (status == AC_OK)
        (void)aci_model_checkpoint_read(row, opened, "0.q", 0, 64, &error);
    else
        ck_assert_int_ne(error.message[0], 0);
    aci_model_checkpoint_close(opened);
    opened = NULL;
}

START_TEST(truncated_weights_are_refused)
{
    size_t n;
    char *bytes;

    copy_model("llama");
    bytes = get(NULL, "model.safetensors", &n);
    for (size_t cut = 0; cut < n; cut += cut < 32 ? 1 : n / 97) {
        put("model.safetensors", bytes, cut);
        expect(AC_E_FORMAT, NULL);
    }
    aci_platform_free(&memory, bytes);
    bytes = get(NULL, "config.json", &n);
    copy("llama", "model.safetensors");
    for (size_t cut = 0; cut + 2 < n; cut++) {
        put("config.json", bytes, cut);
        expect(AC_E_FORMAT, NULL);
    }
    aci_platform_free(&memory, bytes);
}
END_TEST

START_TEST(mutated_headers_never_crash)
{
    static const char likely[] = "0123456789-[]{}\",:\\eE.";
    aci_random random;
    uint64_t n_header;
    size_t n;
    char *bytes;

    copy_model("llama");
    aci_platform_random_seed(&random, 656);
    bytes = get(NULL, "model.safetensors", &n);
    memcpy(&n_header, bytes, 8);
    for (int i = 0; i < 600; i++) {
        size_t at = aci_platform_random_below(&random, n_header + 8);
        char kept = bytes[at];

        bytes[at] = i % 2 ? (char)aci_platform_random_next(&random)
                          : likely[aci_platform_random_below(
                                &random, sizeof likely - 1)];
        put("model.safetensors", bytes, n);
        survive();
        bytes[at] = kept;
    }
    aci_platform_free(&memory, bytes);
}
END_TEST

/* ---- GGUF -------------------------------------------------------------- */

START_TEST(gguf_llama3_scaling_is_recovered_from_its_table)
{
    const aci_shape *shape;

    ck_assert_int_eq(aci_model_checkpoint_open(&opened, &memory,
                                               MODELS "llama.gguf", &error),
                     AC_OK);
    ck_assert(aci_model_checkpoint_is_gguf(opened));
    shape = aci_model_checkpoint_shape(opened);
    ck_assert_str_eq(shape->name, "tiny llama");
    ck_assert_int_eq(shape->rope_scaling, ACI_ROPE_LLAMA3);
    ck_assert_double_eq_tol((double)shape->rope_factor, 8.0, 1e-6);
    ck_assert_int_eq(shape->rope_original_context, 32);
}
END_TEST

/* ---- memory ------------------------------------------------------------- */

START_TEST(every_allocation_may_fail)
{
    static const char *const paths[] = { MODELS "llama-sharded",
                                         MODELS "llama.gguf" };
    ac_status status;

    for (int i = 0; i < 2; i++) {
        uint64_t n = 0;

        do {
            aci_platform_memory_init(&memory);
            memory.fail_at = ++n;
            status = aci_model_checkpoint_open(&opened, &memory, paths[i],
                                               &error);
            ck_assert_int_eq(status, n <= memory.n_allocations
                                         ? AC_E_NO_MEMORY : AC_OK);
            aci_model_checkpoint_close(opened);
            opened = NULL;
            ck_assert_uint_eq(memory.used_bytes, 0);
        } while (status != AC_OK);
        ck_assert_uint_gt(n, 5);
    }
}
END_TEST

static TCase *reading(void)
{
    TCase *tests = tcase_create("reading");

    tcase_add_test(tests, rows_come_in_any_portion);
    tcase_add_test(tests, the_checksum_follows_the_weights);
    tcase_add_test(tests, config_defaults_are_those_of_the_class);
    tcase_add_test(tests, rope_scaling_is_read_in_every_spelling);
    tcase_add_test(tests, gguf_llama3_scaling_is_recovered_from_its_table);
    return tests;
}

static TCase *refusing(void)
{
    TCase *tests = tcase_create("refusing");

    tcase_add_loop_test(tests, wrong_configurations_are_refused_in_words, 0,
                        N_REFUSED);
    tcase_add_loop_test(tests, wrong_headers_are_refused_in_words, 0,
                        N_HEADERS);
    tcase_add_test(tests, qwen_windows_are_for_all_layers_or_none);
    tcase_add_test(tests, config_must_be_sane_json);
    tcase_add_test(tests, missing_files_are_named);
    tcase_add_test(tests, numbers_that_are_none_are_named);
    tcase_add_test(tests, an_index_that_lies_is_refused);
    tcase_add_test(tests, truncated_weights_are_refused);
    tcase_add_test(tests, mutated_headers_never_crash);
    tcase_add_test(tests, every_allocation_may_fail);
    tcase_set_timeout(tests, 60);
    return tests;
}

Suite *test_checkpoint_suite(void);

Suite *test_checkpoint_suite(void)
{
    Suite *suite = suite_create("test_checkpoint");
    TCase *cases[] = { reading(), refusing() };

    for (size_t i = 0; i < 2; i++) {
        tcase_add_checked_fixture(cases[i], enter, leave);
        suite_add_tcase(suite, cases[i]);
    }
    return suite;
}
