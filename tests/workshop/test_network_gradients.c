/* test_network_gradients.c - every derivative of the network against central
 * differences, in double (double_names.h): each operation, each subset that
 * can be trained, each loss. */
#include "workshop/double_names.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"
#include "workshop/train/network.h"

/* Documents shorter and longer than attention's tiles of 32 queries and blocks
 * of 64 keys; widths that are no whole number of lanes. */
enum { N_TOKENS = 111, N_DOCUMENTS = 3, VOCAB = 23, EMBD = 20 };
static const int32_t starts[N_DOCUMENTS + 1] = { 0, 1, 30, N_TOKENS };

static aci_memory memory;
static aci_pool *pool;
static aci_network *network;
static int32_t tokens[N_TOKENS], targets[N_TOKENS];
static double teacher[N_TOKENS * VOCAB];
static double block_in[N_TOKENS * EMBD], block_out[N_TOKENS * EMBD];
static aci_batch batch;
static aci_objective objective;

static aci_shape small_shape(void)
{
    aci_shape shape = {
        .architecture = ACI_LLAMA, .n_layer = 2, .n_embd = EMBD, .n_head = 4,
        .n_head_kv = 2, .head_dim = 6, .n_ff = 28, .n_vocab = VOCAB,
        .n_context = 128, .norm_eps = 1e-5f, .rope_theta = 100.0f
    };

    return shape;
}

static void set_up(void)
{
    aci_random random;
    int i;

    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
    aci_platform_random_seed(&random, 4);
    for (i = 0; i < N_TOKENS; i++) {
        tokens[i] = (int32_t)aci_platform_random_below(&random, VOCAB);
        targets[i] = (int32_t)aci_platform_random_below(&random, VOCAB);
        if (i % 4 == 1)
            targets[i] = -1;
    }
    for (i = 0; i < N_TOKENS * VOCAB; i++)
        teacher[i] = aci_platform_random_normal(&random);
    for (i = 0; i < N_TOKENS * EMBD; i++) {
        block_in[i] = aci_platform_random_normal(&random);
        block_out[i] = aci_platform_random_normal(&random);
    }
    batch = (aci_batch){ tokens, targets, starts, N_TOKENS, N_DOCUMENTS };
    objective = (aci_objective){ .loss = ACI_LOSS_CROSS_ENTROPY,
                                 .temperature = 1.7f,
                                 .teacher_logits = teacher,
                                 .block_input = block_in,
                                 .block_target = block_out };
}

static void tear_down(void)
{
    aci_workshop_network_free(network);
    network = NULL;
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* Weights far larger than at the start of training, so that nothing is nearly
 * linear; biases and norms that are not 0 and 1. */
static void open_network(const aci_shape *shape, aci_network_options options)
{
    aci_random random;
    ac_error error = AC_ERROR_INIT;
    size_t i;
    int64_t k;

    options.max_tokens = 120;
    options.max_targets = 31; /* several slices, the last one short */
    options.level = "portable";
    ck_assert_msg(aci_workshop_network_create(&network, &memory, pool, shape,
                                              &options, &error) == AC_OK,
                  "%s", error.message);
    aci_platform_random_seed(&random, 5);
    for (i = 0; i < aci_workshop_network_count(network); i++) {
        const aci_parameter *p = aci_workshop_network_at(network, i);
        double base = strstr(p->name, "norm") != NULL ? 1.0 : 0.0;
        double spread = p->decays ? 1.2 / sqrt((double)p->n_columns) : 0.3;

        for (k = 0; k < p->n_rows * p->n_columns; k++)
            p->value[k] = base + spread * aci_platform_random_normal(&random);
    }
}

static double loss_of(float weight)
{
    ac_error error = AC_ERROR_INIT;
    double loss;
    int64_t n;

    ck_assert_msg(aci_workshop_network_step(network, &loss, &n, &batch,
                                            &objective, weight,
                                            &error) == AC_OK,
                  "%s", error.message);
    return loss;
}

static double slope_of(double *at)
{
    const double step = 1e-5;
    double kept = *at, above, below;

    *at = kept + step;
    above = loss_of(0.0f);
    *at = kept - step;
    below = loss_of(0.0f);
    *at = kept;
    return (above - below) / (2.0 * step);
}

/* Some numbers of every parameter. */
static void check_gradients(size_t n_expected)
{
    const float weight = 0.25f;
    size_t i, n_trained = 0;
    int64_t k, n;

    aci_workshop_network_clear(network);
    loss_of(weight);
    loss_of(weight); /* gradients accumulate */
    for (i = 0; i < aci_workshop_network_count(network); i++) {
        const aci_parameter *p = aci_workshop_network_at(network, i);
        double largest = 0.0;

        if (p->gradient == NULL)
            continue;
        n_trained++;
        n = p->n_rows * p->n_columns;
        for (k = 0; k < n; k += n / 7 + 1) {
            double wanted = slope_of(&p->value[k]);
            double got = p->gradient[k] / (2.0 * (double)weight);

            ck_assert_msg(fabs(got - wanted) < 1e-6 + 1e-5 * fabs(wanted),
                          "%s[%d]: %.9g by differences, %.9g by formula",
                          p->name, (int)k, wanted, got);
        }
        for (k = 0; k < n; k++)
            largest = fmax(largest, fabs(p->gradient[k]));
        ck_assert_msg(largest > 0.0, "%s was never moved", p->name);
    }
    ck_assert_uint_eq(n_trained, n_expected);
}

START_TEST(everything_of_a_tied_model_is_differentiated)
{
    aci_shape shape = small_shape();

    shape.tied_embeddings = 1;
    open_network(&shape, (aci_network_options){ 0 });
    check_gradients(2 * 9 + 2);
}
END_TEST

START_TEST(biases_and_a_head_of_its_own_are_differentiated)
{
    aci_shape shape = small_shape();

    shape.attention_bias = shape.output_bias = shape.mlp_bias = 1;
    open_network(&shape, (aci_network_options){ 0 });
    check_gradients(2 * 16 + 3);
}
END_TEST

START_TEST(norms_of_q_and_k_are_differentiated)
{
    aci_shape shape = small_shape();

    shape.qk_norm = 1;
    open_network(&shape, (aci_network_options){ .recompute = true });
    check_gradients(2 * 11 + 3);
}
END_TEST

START_TEST(windows_and_interleaved_pairs_are_differentiated)
{
    aci_shape shape = small_shape();

    shape.window = 13;
    shape.rope_interleaved = 1;
    open_network(&shape, (aci_network_options){ 0 });
    check_gradients(2 * 9 + 3);
}
END_TEST

START_TEST(norms_and_biases_alone_can_be_trained)
{
    aci_shape shape = small_shape();

    shape.attention_bias = shape.qk_norm = 1;
    open_network(&shape, (aci_network_options){
                             .trainable = ACI_TRAIN_SMALL });
    check_gradients(2 * 7 + 1);
}
END_TEST

START_TEST(lora_can_be_trained)
{
    aci_shape shape = small_shape();

    open_network(&shape, (aci_network_options){ .trainable = ACI_TRAIN_LORA,
                                                .rank = 3, .alpha = 5.0f });
    check_gradients(2 * 14);
}
END_TEST

START_TEST(lora_of_chosen_matrices_can_be_trained)
{
    aci_shape shape = small_shape();

    open_network(&shape, (aci_network_options){
                             .trainable = ACI_TRAIN_LORA, .rank = 2,
                             .alpha = 2.0f, .matrices = 1 | 4 | 64,
                             .recompute = true });
    check_gradients(2 * 6);
}
END_TEST

START_TEST(factors_can_be_trained)
{
    aci_shape shape = small_shape();

    open_network(&shape, (aci_network_options){
                             .trainable = ACI_TRAIN_FACTORS, .rank = 4,
                             .matrices = 2 | 8 | 32 });
    check_gradients(2 * 6);
}
END_TEST

START_TEST(one_block_can_be_trained)
{
    aci_shape shape = small_shape();

    open_network(&shape, (aci_network_options){
                             .trainable = ACI_TRAIN_BLOCK, .block = 1 });
    check_gradients(9);
}
END_TEST

START_TEST(a_teacher_is_followed)
{
    aci_shape shape = small_shape();

    objective.loss = ACI_LOSS_KL;
    open_network(&shape, (aci_network_options){ 0 });
    check_gradients(2 * 9 + 3);
}
END_TEST

START_TEST(a_block_learns_its_output)
{
    aci_shape shape = small_shape();

    objective.loss = ACI_LOSS_BLOCK_MSE;
    open_network(&shape, (aci_network_options){
                             .trainable = ACI_TRAIN_BLOCK, .block = 0 });
    check_gradients(9);
}
END_TEST

Suite *test_network_gradients_suite(void);
Suite *test_network_gradients_suite(void)
{
    Suite *suite = suite_create("test_network_gradients");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, everything_of_a_tied_model_is_differentiated);
    tcase_add_test(tests, biases_and_a_head_of_its_own_are_differentiated);
    tcase_add_test(tests, norms_of_q_and_k_are_differentiated);
    tcase_add_test(tests, windows_and_interleaved_pairs_are_differentiated);
    tcase_add_test(tests, norms_and_biases_alone_can_be_trained);
    tcase_add_test(tests, lora_can_be_trained);
    tcase_add_test(tests, lora_of_chosen_matrices_can_be_trained);
    tcase_add_test(tests, factors_can_be_trained);
    tcase_add_test(tests, one_block_can_be_trained);
    tcase_add_test(tests, a_teacher_is_followed);
    tcase_add_test(tests, a_block_learns_its_output);
    suite_add_tcase(suite, tests);
    return suite;
}
