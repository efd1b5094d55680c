/* test_trained_model.c - what training writes is a checkpoint: its tensors are
 * the weights of the state, rounded; LoRA is merged. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/checkpoint.h"
#include "model/safetensors.h"
#include "platform/half.h"
#include "workshop/train_fixture.h"

static void expect_ok(ac_status status)
{
    ck_assert_msg(status == AC_OK, "%s", train_error.message);
}

/* The embeddings are the first parameter of a state. */
static const float *first_values(const char *state)
{
    uint64_t sizes[2];

    memcpy(sizes, state + 16, sizeof sizes);
    return (const float *)(const void *)(state + 40 + sizes[0] + sizes[1]);
}

START_TEST(weights_are_rounded_to_nearest_even)
{
    const aci_safetensor *table;
    aci_safetensors *file;
    const char *values;
    size_t n;
    char *state;

    expect_ok(train_run("model", "out", 2, NULL));
    state = train_read(&n, "out/train.state");
    values = (const char *)first_values(state);
    expect_ok(aci_model_safetensors_open(&file, &train_memory,
                                         "out/model.safetensors",
                                         &train_error));
    table = aci_model_safetensors_find(file, "model.embed_tokens.weight");
    ck_assert_ptr_nonnull(table);
    ck_assert_str_eq(table->type, "BF16");
    ck_assert_uint_eq(table->n_bytes, 600 * 32 * 2);
    for (size_t i = 0; i < 600 * 32; i++) {
        uint16_t bits;
        float value, rounded, ulp;

        memcpy(&bits, table->data + 2 * i, sizeof bits);
        memcpy(&value, values + 4 * i, sizeof value);
        rounded = aci_platform_f32_from_bf16(bits);
        ulp = ldexpf(1.0f, ilogbf(value) - 7);
        ck_assert_float_le(fabsf(rounded - value), ulp / 2);
        if (fabsf(rounded - value) == ulp / 2)
            ck_assert_uint_eq(bits & 1u, 0);
    }
    aci_model_safetensors_close(file);
    free(state);
}
END_TEST

START_TEST(it_is_a_checkpoint_with_everything_in_place)
{
    aci_checkpoint *checkpoint;
    const aci_shape *shape;
    int64_t n_rows, n_columns;
    float row[48];
    size_t n;
    char *config;

    expect_ok(train_run("model", "out", 2, NULL));
    expect_ok(aci_model_checkpoint_open(&checkpoint, &train_memory, "out",
                                        &train_error));
    shape = aci_model_checkpoint_shape(checkpoint);
    ck_assert_int_eq(shape->n_layer, 2);
    ck_assert_int_eq(aci_model_checkpoint_find(checkpoint, "1.down", &n_rows,
                                               &n_columns), 1);
    ck_assert_int_eq(n_rows, 32);
    ck_assert_int_eq(n_columns, 48);
    expect_ok(aci_model_checkpoint_read(row, checkpoint, "1.down", 3, 1,
                                        &train_error));
    aci_model_checkpoint_close(checkpoint);
    config = train_read(&n, "out/config.json");
    ck_assert_ptr_nonnull(strstr(config, "bfloat16"));
    ck_assert_ptr_nonnull(strstr(config, "rope_theta"));
    free(config);
}
END_TEST

/* The loss of the first step on a model as it is. */
static double loss_of(const char *model, const char *out)
{
    ac_training_report report;

    train_options.n_steps = 1;
    train_options.learning_rate = 1e-9f;
    expect_ok(train_run(model, out, 1, &report));
    return report.loss;
}

START_TEST(lora_is_merged)
{
    ac_training_options kept = train_options;
    double before, after;

    train_options.n_steps = 40;
    train_options.learning_rate = 1e-2f;
    expect_ok(train_run("model", "start", 2, NULL));
    train_options.trainable = "lora";
    train_options.matrices = "q,v,down";
    train_options.lora_rank = 4;
    train_options.n_steps = 200;
    expect_ok(train_run("start", "lora", 2, NULL));
    train_options = kept;
    before = loss_of("start", "a");
    after = loss_of("lora", "b");
    ck_assert_double_lt(after, 0.9 * before);
}
END_TEST

Suite *test_trained_model_suite(void);

Suite *test_trained_model_suite(void)
{
    Suite *suite = suite_create("test_trained_model");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, train_set_up, train_tear_down);
    tcase_add_test(tests, weights_are_rounded_to_nearest_even);
    tcase_add_test(tests, it_is_a_checkpoint_with_everything_in_place);
    tcase_add_test(tests, lora_is_merged);
    suite_add_tcase(suite, tests);
    return suite;
}
