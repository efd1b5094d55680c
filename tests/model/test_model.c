/* test_model.c - opening zoos and checkpoints, and what can go wrong there. */
#include <jansson.h>
#include <math.h>

#include "model/describe.h"
#include "model/variant_names.h"
#include "store_fixture.h"

static const char *data_path(const char *name)
{
    static char path[512];
    const char *root = getenv("AC_TEST_DATA");

    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", name);
    if (access(path, R_OK) == 0)
        return path;
    printf("SKIP no test data: %s\n", path);
    return NULL;
}

START_TEST(zoo_opens_with_everything_in_place)
{
    aci_model *model;

    ck_assert_int_eq(aci_model_is_zoo(zoo_path), 1);
    ck_assert_int_eq(aci_model_is_zoo(zoo_folder), 0);
    ck_assert_int_eq(aci_model_is_zoo(zoo_card), 0);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, zoo_path, 1,
                                    &zoo_error), AC_OK);
    ck_assert_int_eq(model->is_checkpoint, 0);
    ck_assert_int_eq(model->n_variants, 3);
    ck_assert_int_eq(model->full_variant, 0);
    ck_assert_int_eq(aci_model_variant_find(model, "int8"), 1);
    ck_assert_int_eq(aci_model_variant_find(model, "int4"), 2);
    ck_assert_int_eq(aci_model_variant_find(model, "int3"), -1);
    ck_assert_int_eq(model->variants[2].weight_bits, 4);
    ck_assert_int_eq(model->variants[2].head_bits, 8);
    ck_assert_int_eq(model->variants[0].activation_bits, 16);
    ck_assert(isnan(model->variants[2].decode_ratio));
    ck_assert_int_eq(model->group, 64);
    ck_assert_ptr_eq(model->head.plane_a, model->embed.plane_a);
    for (int i = 0; i < 2; i++) {
        const aci_layer *layer = &model->layers[i];

        ck_assert_int_eq(layer->q.n_out, 128);
        ck_assert_int_eq(layer->k.n_out, 64);
        ck_assert_int_eq(layer->o.n_in, 128);
        ck_assert_int_eq(layer->gate.n_out, 384);
        ck_assert_int_eq(layer->down.n_in, 384);
        ck_assert_int_eq(layer->down.ratio, 12);
        ck_assert(layer->attn_norm[0] == 1.0f);
        ck_assert(layer->ffn_norm[127] == 1.0f);
        ck_assert_ptr_null(layer->q_bias);
        ck_assert_ptr_null(layer->k_norm);
        ck_assert_ptr_null(layer->q.dense);
    }
    ck_assert(model->final_norm[5] == 1.0f);
    ck_assert_uint_gt(model->mapped_bytes, 0);
    ck_assert_uint_ne(model->checksum, 0);
    aci_model_close(model);
}
END_TEST

START_TEST(card_of_another_store_is_refused)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    char other[128], from[160], command[400];
    aci_model *model;

    options.seed = 5;
    snprintf(other, sizeof other, "%s/other", zoo_folder);
    zoo_synthesize("tiny", other, &options, 1);
    snprintf(from, sizeof from, "%s/weights.acw", other);
    snprintf(command, sizeof command, "cp %s %s", from, zoo_weights);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, zoo_path, 0,
                                    &zoo_error), AC_E_CHECKSUM);
    ck_assert_ptr_null(model);
}
END_TEST

START_TEST(half_a_zoo_is_refused)
{
    aci_model *model;

    remove(zoo_weights);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, zoo_path, 0,
                                    &zoo_error), AC_E_NOT_FOUND);
    zoo_save(zoo_weights, "", 0);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, zoo_path, 0,
                                    &zoo_error), AC_E_FORMAT);
    remove(zoo_card);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, zoo_path, 0,
                                    &zoo_error), AC_E_NOT_FOUND);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, "/nowhere/at/all", 0,
                                    &zoo_error), AC_E_NOT_FOUND);
}
END_TEST

/* Every allocation fails once; nothing leaks (zoo_leave counts). */
static void fail_every_allocation(const char *path)
{
    aci_model *model;
    uint64_t n = 0;

    for (;;) {
        ac_status status;

        zoo_memory.n_allocations = 0;
        zoo_memory.fail_at = ++n;
        status = aci_model_open(&model, &zoo_memory, path, 0, &zoo_error);
        if (status == AC_OK)
            break;
        ck_assert_int_eq(status, AC_E_NO_MEMORY);
        ck_assert_uint_eq(zoo_memory.used_bytes, 0);
    }
    zoo_memory.fail_at = 0;
    ck_assert_uint_gt(n, 5);
    aci_model_close(model);
}

START_TEST(zoo_survives_failing_allocations)
{
    fail_every_allocation(zoo_path);
}
END_TEST

START_TEST(checkpoint_survives_failing_allocations)
{
    const char *path = data_path("models/tinystories-656k");

    if (path != NULL)
        fail_every_allocation(path);
}
END_TEST

START_TEST(checkpoint_opens_as_float32)
{
    const char *path = data_path("models/tinystories-656k");
    aci_checkpoint *checkpoint;
    aci_model *model;
    float *row;

    if (path == NULL)
        return;
    ck_assert_msg(aci_model_open(&model, &zoo_memory, path, 0, &zoo_error) ==
                      AC_OK, "%s", zoo_error.message);
    ck_assert_int_eq(model->is_checkpoint, 1);
    ck_assert_int_eq(model->n_variants, 1);
    ck_assert_str_eq(model->variants[0].name, "full");
    ck_assert_int_eq(model->variants[0].weight_bits, 32);
    ck_assert_int_eq(model->variants[0].activation_bits, 32);
    ck_assert_int_eq(model->group, 0);
    ck_assert_int_eq(model->shape.n_layer, 2);
    ck_assert_int_eq(model->shape.n_vocab, 2048);
    ck_assert_ptr_eq(model->head.dense, model->embed.dense);
    ck_assert_int_eq(model->layers[1].down.n_in, 384);
    ck_assert_int_eq(model->layers[1].down.n_out, 128);
    ck_assert_int_eq(aci_model_checkpoint_open(&checkpoint, &zoo_memory, path,
                                               NULL), AC_OK);
    row = malloc(384 * sizeof *row);
    ck_assert_int_eq(aci_model_checkpoint_read(row, checkpoint, "1.down", 77,
                                               1, NULL), AC_OK);
    ck_assert_mem_eq(row, model->layers[1].down.dense + 77 * 384,
                     384 * sizeof *row);
    free(row);
    ck_assert_uint_eq(model->checksum,
                      aci_model_checkpoint_checksum(checkpoint));
    aci_model_checkpoint_close(checkpoint);
    aci_model_close(model);
}
END_TEST

START_TEST(gguf_opens_as_float32)
{
    const char *path = data_path("models/stories260k/stories260k-f32.gguf");
    aci_model *model;

    if (path == NULL)
        return;
    ck_assert_msg(aci_model_open(&model, &zoo_memory, path, 0, &zoo_error) ==
                      AC_OK, "%s", zoo_error.message);
    ck_assert_int_eq(model->shape.n_layer, 5);
    ck_assert_int_eq(model->layers[4].gate.n_out, 172);
    ck_assert_int_eq(model->layers[4].down.n_in, 172);
    ck_assert_ptr_nonnull(model->final_norm);
    aci_model_close(model);
}
END_TEST

START_TEST(zoo_is_described_as_json)
{
    json_t *root;
    char *text;

    ck_assert_int_eq(aci_model_describe_zoo(&text, &zoo_memory, zoo_path, 1,
                                            &zoo_error), AC_OK);
    root = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_str_eq(json_string_value(json_object_get(root, "kind")), "zoo");
    ck_assert_int_eq(json_integer_value(json_object_get(
                         json_object_get(root, "shape"), "n_vocab")), 320);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "variants")), 3);
    ck_assert_int_gt(json_integer_value(json_object_get(
                         json_object_get(root, "store"), "bytes")), 0);
    json_decref(root);
    aci_platform_free(&zoo_memory, text);
    remove(zoo_weights);
    ck_assert_int_eq(aci_model_describe_zoo(&text, &zoo_memory, zoo_path, 0,
                                            &zoo_error), AC_E_NOT_FOUND);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(checkpoint_is_described_as_json)
{
    const char *path = data_path("models/tinystories-656k");
    char *text;

    if (path == NULL)
        return;
    ck_assert_int_eq(aci_model_describe_checkpoint(&text, &zoo_memory, path,
                                                   &zoo_error), AC_OK);
    ck_assert_ptr_nonnull(strstr(text, "\"checkpoint\""));
    ck_assert_ptr_nonnull(strstr(text, "\"n_vocab\": 2048"));
    aci_platform_free(&zoo_memory, text);
}
END_TEST

START_TEST(named_variants_are_as_documented)
{
    aci_variant variant;

    ck_assert(aci_model_variant_named(&variant, "int4a16"));
    ck_assert_int_eq(variant.weight_bits, 4);
    ck_assert_int_eq(variant.activation_bits, 16);
    ck_assert(aci_model_variant_named(&variant, "int4h4"));
    ck_assert_int_eq(variant.head_bits, 4);
    ck_assert_int_eq(variant.embed_bits, 8);
    ck_assert(aci_model_variant_named(&variant, "int8a16"));
    ck_assert_int_eq(variant.head_bits, 8);
    ck_assert(!aci_model_variant_named(&variant, "INT8"));
    ck_assert(!aci_model_variant_named(&variant, ""));
}
END_TEST

Suite *test_model_suite(void);
Suite *test_model_suite(void)
{
    Suite *suite = suite_create("test_model");
    TCase *tests = tcase_create("model");

    tcase_add_checked_fixture(tests, zoo_enter_tiny, zoo_leave);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, zoo_opens_with_everything_in_place);
    tcase_add_test(tests, card_of_another_store_is_refused);
    tcase_add_test(tests, half_a_zoo_is_refused);
    tcase_add_test(tests, zoo_survives_failing_allocations);
    tcase_add_test(tests, checkpoint_survives_failing_allocations);
    tcase_add_test(tests, checkpoint_opens_as_float32);
    tcase_add_test(tests, gguf_opens_as_float32);
    tcase_add_test(tests, zoo_is_described_as_json);
    tcase_add_test(tests, checkpoint_is_described_as_json);
    tcase_add_test(tests, named_variants_are_as_documented);
    suite_add_tcase(suite, tests);
    return suite;
}
