/* test_train_settings.c - defaults, ranges, schedules, weights of files. */
#include <check.h>
#include <string.h>

#include "workshop/train/trainer.h"

static const char *const files[] = { "a.txt" };
static ac_error error;

static aci_train_settings take(void (*change)(ac_training_options *))
{
    ac_training_options options = AC_TRAINING_OPTIONS_INIT;
    aci_train_settings settings;

    error = (ac_error)AC_ERROR_INIT;
    options.data = files;
    options.n_data = 1;
    if (change != NULL)
        change(&options);
    error.status = aci_workshop_settings_take(&settings, &options, &error);
    return settings;
}

static void lora(ac_training_options *o)
{
    o->trainable = "lora";
}

START_TEST(defaults_are_filled_in)
{
    aci_train_settings s = take(NULL);
    aci_shape small = { .n_layer = 2, .n_embd = 64, .n_head = 4,
                        .n_head_kv = 2, .head_dim = 16, .n_ff = 64,
                        .n_vocab = 128, .n_context = 256 };

    ck_assert_int_eq(error.status, AC_OK);
    ck_assert_float_eq(s.given.beta_2, 0.95f);
    ck_assert_float_eq(s.given.weight_decay, 0.1f);
    ck_assert_str_eq(s.given.schedule, "cosine");
    ck_assert_int_eq(aci_workshop_settings_fit(&s, &small, 0, &error), AC_OK);
    ck_assert_float_eq(s.given.learning_rate, 2e-3f);
    ck_assert_uint_eq(s.given.n_context, 256);
    s = take(NULL);
    ck_assert_int_eq(aci_workshop_settings_fit(&s, &small, 1, &error), AC_OK);
    ck_assert_float_eq_tol(s.given.learning_rate, 2e-4f, 1e-9f);
    s = take(lora);
    ck_assert_int_eq(aci_workshop_settings_fit(&s, &small, 1, &error), AC_OK);
    ck_assert_float_eq(s.given.learning_rate, 2e-3f);
}
END_TEST

static void no_decay(ac_training_options *o)
{
    o->weight_decay = -1.0f;
    o->warmup_share = -1.0f;
}

START_TEST(negative_is_none)
{
    aci_train_settings s = take(no_decay);

    ck_assert_float_eq(s.given.weight_decay, 0.0f);
    ck_assert_float_eq(s.given.warmup_share, 0.0f);
}
END_TEST

static void bad_beta(ac_training_options *o) { o->beta_1 = 1.5f; }
static void bad_schedule(ac_training_options *o) { o->schedule = "stairs"; }
static void bad_trainable(ac_training_options *o) { o->trainable = "block:x"; }
static void bad_matrices(ac_training_options *o) { o->matrices = "q,w"; }
static void bad_precision(ac_training_options *o) { o->precision = "fp8"; }
static void no_data(ac_training_options *o) { o->n_data = 0; }

START_TEST(what_is_wrong_is_named)
{
    const struct {
        void (*change)(ac_training_options *);
        const char *word;
    } rows[] = { { bad_beta, "beta_1" }, { bad_schedule, "stairs" },
                 { bad_trainable, "block:x" }, { bad_matrices, "q,w" },
                 { bad_precision, "fp8" }, { no_data, "data" } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        take(rows[i].change);
        ck_assert_int_eq(error.status, AC_E_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(error.message, rows[i].word));
    }
}
END_TEST

static void words(ac_training_options *o)
{
    o->trainable = "block:12";
    o->matrices = "q,down";
    o->precision = "bf16";
}

START_TEST(words_become_numbers)
{
    aci_train_settings s = take(words);

    ck_assert_int_eq(error.status, AC_OK);
    ck_assert_int_eq(s.network.trainable, ACI_TRAIN_BLOCK);
    ck_assert_int_eq(s.network.block, 12);
    ck_assert_uint_eq(s.network.matrices, 1u | 64u);
    ck_assert_int_eq(s.network.precision, ACI_BFLOAT16);
}
END_TEST

static aci_train_settings planned(int32_t schedule)
{
    aci_train_settings s = take(NULL);

    s.schedule = schedule;
    s.given.learning_rate = 1.0f;
    s.given.n_steps = 110;
    s.n_warmup = 10;
    return s;
}

START_TEST(the_rate_follows_its_schedule)
{
    aci_train_settings s = planned(ACI_COSINE);

    ck_assert_float_eq_tol(aci_workshop_settings_rate(&s, 0), 0.1f, 1e-6f);
    ck_assert_float_eq_tol(aci_workshop_settings_rate(&s, 9), 1.0f, 1e-6f);
    ck_assert_float_eq_tol(aci_workshop_settings_rate(&s, 10), 1.0f, 1e-6f);
    ck_assert_float_eq_tol(aci_workshop_settings_rate(&s, 109), 0.1f, 1e-6f);
    for (uint64_t i = 10; i < 109; i++)
        ck_assert_float_ge(aci_workshop_settings_rate(&s, i),
                           aci_workshop_settings_rate(&s, i + 1));
    s = planned(ACI_LINEAR);
    ck_assert_float_eq_tol(aci_workshop_settings_rate(&s, 10 + 33), 0.7f,
                           1e-6f);
    s = planned(ACI_CONSTANT);
    ck_assert_float_eq(aci_workshop_settings_rate(&s, 80), 1.0f);
}
END_TEST

START_TEST(a_weight_follows_the_last_colon)
{
    double weight;
    size_t n;

    ck_assert_int_eq(aci_workshop_settings_data(&n, &weight, "a.txt", &error),
                     AC_OK);
    ck_assert_double_eq(weight, 1.0);
    ck_assert_int_eq(aci_workshop_settings_data(&n, &weight, "b:c.txt:2.25",
                                                &error), AC_OK);
    ck_assert_double_eq(weight, 2.25);
    ck_assert_uint_eq(n, 7);
    ck_assert_int_eq(aci_workshop_settings_data(&n, &weight, "a:b/c", &error),
                     AC_OK);
    ck_assert_uint_eq(n, 5);
    ck_assert_int_eq(aci_workshop_settings_data(&n, &weight, "a:x", &error),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(aci_workshop_settings_data(&n, &weight, "a:0", &error),
                     AC_E_ARGUMENT);
}
END_TEST

START_TEST(every_option_that_matters_is_described)
{
    aci_train_settings s = take(NULL), other = take(NULL);
    json_t *one = aci_workshop_settings_describe(&s), *two;

    ck_assert_ptr_nonnull(one);
    other.given.clip_norm = 0.5f;
    two = aci_workshop_settings_describe(&other);
    ck_assert(!json_equal(one, two));
    json_decref(two);
    other = s;
    other.given.precision = "bf16";
    two = aci_workshop_settings_describe(&other);
    ck_assert(!json_equal(one, two));
    json_decref(two);
    other = s;
    other.given.n_threads = 7;
    two = aci_workshop_settings_describe(&other);
    ck_assert(json_equal(one, two));
    json_decref(two);
    json_decref(one);
}
END_TEST

Suite *test_train_settings_suite(void);

Suite *test_train_settings_suite(void)
{
    Suite *suite = suite_create("test_train_settings");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, defaults_are_filled_in);
    tcase_add_test(tests, negative_is_none);
    tcase_add_test(tests, what_is_wrong_is_named);
    tcase_add_test(tests, words_become_numbers);
    tcase_add_test(tests, the_rate_follows_its_schedule);
    tcase_add_test(tests, a_weight_follows_the_last_colon);
    tcase_add_test(tests, every_option_that_matters_is_described);
    suite_add_tcase(suite, tests);
    return suite;
}
