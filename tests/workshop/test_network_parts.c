/* test_network_parts.c - networks of compressed models, in double
 * (double_names.h): every derivative against central differences, logits
 * against a whole model in which what is missing is 0 and products are
 * multiplied out. */
#include "workshop/double_names.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"
#include "workshop/train/network.h"

enum { N_TOKENS = 75, N_DOCUMENTS = 3, VOCAB = 23, EMBD = 20, N_LAYER = 6 };
enum { HEADS = 4, KV = 2, DIM = 6, FF = 28 };
static const int32_t starts[N_DOCUMENTS + 1] = { 0, 1, 30, N_TOKENS };

static aci_memory memory;
static aci_pool *pool;
static aci_network *network;
static aci_float_model model;
static aci_random numbers;
static int32_t tokens[N_TOKENS], targets[N_TOKENS];
static double block_in[N_TOKENS * EMBD], block_out[N_TOKENS * EMBD];
static aci_batch batch;
static aci_objective objective;

static void set_up(void)
{
    int i;

    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
    aci_platform_random_seed(&numbers, 4);
    for (i = 0; i < N_TOKENS; i++) {
        tokens[i] = (int32_t)aci_platform_random_below(&numbers, VOCAB);
        targets[i] = (int32_t)aci_platform_random_below(&numbers, VOCAB);
        if (i % 4 == 1)
            targets[i] = -1;
    }
    for (i = 0; i < N_TOKENS * EMBD; i++) {
        block_in[i] = aci_platform_random_normal(&numbers);
        block_out[i] = aci_platform_random_normal(&numbers);
    }
    batch = (aci_batch){ tokens, targets, starts, N_TOKENS, N_DOCUMENTS };
    objective = (aci_objective){ .loss = ACI_LOSS_CROSS_ENTROPY,
                                 .temperature = 1.7f,
                                 .block_input = block_in,
                                 .block_target = block_out };
}

static void tear_down(void)
{
    aci_workshop_network_free(network);
    network = NULL;
    aci_workshop_floats_close(&model);
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* ---- a model with everything that can be missing ------------------------- */

static aci_shape small_shape(void)
{
    aci_shape shape = {
        .architecture = ACI_LLAMA, .n_layer = N_LAYER, .n_embd = EMBD,
        .n_head = HEADS, .n_head_kv = KV, .head_dim = DIM, .n_ff = FF,
        .n_vocab = VOCAB, .n_context = 128, .norm_eps = 1e-5f,
        .rope_theta = 100.0f
    };

    return shape;
}

static void make_low(int l, int matrix, int32_t rank, bool shares)
{
    aci_float_matrix *m = &model.layers[l].matrices[matrix];

    m->rank = rank;
    m->dense = NULL;
    m->left = (float *)1; /* to be there; filled later */
    m->right = shares ? NULL : (float *)1;
}

static void fill_place(const aci_float_array *array)
{
    int is_vector = array->n_rows == 1;
    int is_norm = strstr(array->name, "norm") != NULL;
    double spread = is_vector ? 0.3 : 1.2 / sqrt((double)array->n_columns);
    int64_t n = array->n_rows * array->n_columns, k;

    *array->place = aci_workshop_floats_array(&model, (size_t)n);
    ck_assert_ptr_nonnull(*array->place);
    for (k = 0; k < n; k++)
        (*array->place)[k] = (float)((is_norm ? 1.0 : 0.0) +
                                     spread * aci_platform_random_normal(
                                                  &numbers));
}

/* What is not NULL gets numbers. */
static void fill_model(void)
{
    aci_float_array array;
    size_t i;

    for (i = 0; aci_workshop_floats_at(&array, &model, i); i++)
        if (*array.place != NULL)
            fill_place(&array);
}

static void expect_all_of(int l)
{
    aci_float_layer *layer = &model.layers[l];
    int i;

    if (layer->n_head_kv > 0)
        layer->attn_norm = (float *)1;
    if (layer->n_head_kv > 0 && model.shape.qk_norm)
        layer->q_norm = layer->k_norm = (float *)1;
    if (layer->n_ff > 0)
        layer->ffn_norm = (float *)1;
    for (i = 0; i < ACI_N_MATRICES; i++)
        if (i < ACI_MATRIX_GATE ? layer->n_head_kv > 0 : layer->n_ff > 0)
            layer->matrices[i].dense = (float *)1;
}

static void make_model(int qk_norm)
{
    static const int32_t n_head_kv[N_LAYER] = { 2, 1, 0, 1, 2, 0 };
    static const int32_t n_ff[N_LAYER] = { 28, 12, 20, 0, 9, 0 };
    aci_shape shape = small_shape();
    int l;

    shape.qk_norm = qk_norm;
    ck_assert_int_eq(aci_workshop_floats_open(&model, &memory, &shape, NULL),
                     AC_OK);
    model.embed = model.head = model.final_norm = (float *)1;
    for (l = 0; l < N_LAYER; l++) {
        model.layers[l].n_head_kv = n_head_kv[l];
        model.layers[l].n_ff = n_ff[l];
        expect_all_of(l);
    }
    make_low(0, ACI_MATRIX_Q, 5, false);
    make_low(0, ACI_MATRIX_K, 5, true);
    make_low(0, ACI_MATRIX_V, 5, true);
    model.layers[0].biases[ACI_MATRIX_O] = (float *)1;
    model.layers[0].biases[ACI_MATRIX_DOWN] = (float *)1;
    make_low(1, ACI_MATRIX_Q, 4, false);
    make_low(1, ACI_MATRIX_O, 3, false);
    make_low(1, ACI_MATRIX_GATE, 6, false);
    make_low(1, ACI_MATRIX_UP, 6, true);
    model.layers[1].biases[ACI_MATRIX_K] = (float *)1;
    make_low(2, ACI_MATRIX_DOWN, 7, false);
    model.layers[2].biases[ACI_MATRIX_DOWN] = (float *)1;
    /* k comes between the two that share */
    make_low(3, ACI_MATRIX_Q, 4, false);
    make_low(3, ACI_MATRIX_K, 2, false);
    make_low(3, ACI_MATRIX_V, 4, true);
    model.layers[3].biases[ACI_MATRIX_O] = (float *)1;
    fill_model();
}

static void open_network(aci_network_options options)
{
    ac_error error = AC_ERROR_INIT;

    options.max_tokens = 80;
    options.max_targets = 31;
    options.level = "portable";
    ck_assert_msg(aci_workshop_network_create_from(&network, &memory, pool,
                                                   &model, &options,
                                                   &error) == AC_OK,
                  "%s", error.message);
}

/* ---- derivatives --------------------------------------------------------- */

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
        for (k = 0; k < n; k += n / 5 + 1) {
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

/* Outside the layers, and of layers 0 to 4. */
enum { N_PARAMETERS = 3 + 12 + 13 + 6 + 8 + 9 };

START_TEST(everything_is_differentiated)
{
    make_model(0);
    open_network((aci_network_options){ .recompute = _i != 0 });
    check_gradients(N_PARAMETERS);
}
END_TEST

START_TEST(norms_of_q_and_k_are_differentiated)
{
    make_model(1);
    open_network((aci_network_options){ .recompute = true });
    check_gradients(N_PARAMETERS + 2 * 4);
}
END_TEST

START_TEST(factors_alone_are_trained)
{
    make_model(0);
    open_network((aci_network_options){ .trainable = ACI_TRAIN_FACTORS });
    check_gradients(4 + 7 + 2 + 5);
}
END_TEST

START_TEST(lora_goes_on_what_is_dense)
{
    make_model(0);
    open_network((aci_network_options){ .trainable = ACI_TRAIN_LORA,
                                        .rank = 3, .alpha = 5.0f });
    aci_workshop_network_initialise(network, 1);
    objective.loss = ACI_LOSS_CROSS_ENTROPY;
    for (size_t i = 0; i < aci_workshop_network_count(network); i++) {
        const aci_parameter *p = aci_workshop_network_at(network, i);

        for (int64_t k = 0; k < p->n_rows * p->n_columns; k++)
            p->value[k] += 0.3 * aci_platform_random_normal(&numbers);
    }
    check_gradients(2 * (4 + 3 + 2 + 1 + 7));
}
END_TEST

START_TEST(what_is_chosen_is_trained)
{
    uint32_t chosen[N_LAYER + 1] = {
        [0] = 1 << ACI_MATRIX_K | ACI_CHOOSE_BIASES, /* V is q's: not moved */
        [1] = ACI_CHOOSE_NORMS | 1 << ACI_MATRIX_V | 1 << ACI_MATRIX_K,
        [3] = 1 << ACI_MATRIX_Q,
        [4] = ACI_CHOOSE_FACTORS | 1 << ACI_MATRIX_DOWN,
        [N_LAYER] = ACI_CHOOSE_HEAD | ACI_CHOOSE_NORMS
    };

    make_model(0);
    open_network((aci_network_options){ .trainable = ACI_TRAIN_CHOSEN,
                                        .chosen = chosen });
    check_gradients(3 + 4 + 2 + 1 + 2);
}
END_TEST

START_TEST(a_block_learns_its_output)
{
    static const size_t n[] = { 12, 13, 6, 8, 9 };

    make_model(0);
    objective.loss = ACI_LOSS_BLOCK_MSE;
    open_network((aci_network_options){ .trainable = ACI_TRAIN_BLOCK,
                                        .block = _i });
    check_gradients(n[_i]);
}
END_TEST

/* ---- against a whole model ----------------------------------------------- */

/* The dense values of a matrix of the cut model. */
static double dense_at(int l, int matrix, int64_t row, int64_t column)
{
    const aci_float_matrix *m = &model.layers[l].matrices[matrix];
    int owner = matrix <= ACI_MATRIX_V ? ACI_MATRIX_Q : ACI_MATRIX_GATE;
    const float *right = m->right != NULL
                             ? m->right
                             : model.layers[l].matrices[owner].right;
    int64_t n_out, n_in, k;
    double sum = 0.0;

    aci_workshop_floats_size(&n_out, &n_in, &model, l, matrix);
    if (row >= n_out || column >= n_in)
        return 0.0;
    if (m->dense != NULL)
        return (double)m->dense[row * n_in + column];
    for (k = 0; k < m->rank; k++)
        sum += (double)m->left[row * m->rank + k] *
               (double)right[k * n_in + column];
    return sum;
}

/* Parameter of the whole model by its name. */
static void fill_whole(const aci_parameter *p)
{
    static const char *const names[] = { "q",    "k",  "v",   "o",
                                         "gate", "up", "down" };
    aci_float_array array;
    int64_t k, n = p->n_rows * p->n_columns;
    size_t i;

    for (k = 0; k < n; k++)
        p->value[k] = 0.0;
    for (i = 0; aci_workshop_floats_at(&array, &model, i); i++)
        if (strcmp(array.name, p->name) == 0 && *array.place != NULL &&
            (array.matrix < 0 || array.n_rows == 1))
            for (k = 0; k < array.n_rows * array.n_columns; k++)
                p->value[k] = (double)(*array.place)[k];
    for (i = 0; i < ACI_N_MATRICES * (size_t)N_LAYER; i++) {
        char name[48];

        snprintf(name, sizeof name, "%d.%s", (int)(i / ACI_N_MATRICES),
                 names[i % ACI_N_MATRICES]);
        if (strcmp(name, p->name) != 0)
            continue;
        for (k = 0; k < n; k++)
            p->value[k] = dense_at((int)(i / ACI_N_MATRICES),
                                   (int)(i % ACI_N_MATRICES),
                                   k / p->n_columns, k % p->n_columns);
    }
}

static void open_whole(aci_network **out)
{
    aci_shape shape = model.shape;
    aci_network_options options = { .max_tokens = 80, .level = "portable",
                                    .forward_only = true };

    shape.attention_bias = shape.output_bias = shape.mlp_bias = 1;
    ck_assert_int_eq(aci_workshop_network_create(out, &memory, pool, &shape,
                                                 &options, NULL),
                     AC_OK);
    for (size_t i = 0; i < aci_workshop_network_count(*out); i++)
        fill_whole(aci_workshop_network_at(*out, i));
}

static void compare(const double *one, const double *other, int n)
{
    double largest = 0.0;
    int i;

    for (i = 0; i < n; i++) {
        largest = fmax(largest, fabs(other[i]));
        ck_assert_double_eq_tol(one[i], other[i], 1e-9);
    }
    ck_assert_double_gt(largest, 0.5);
}

START_TEST(logits_are_those_of_a_whole_model)
{
    static double got[N_TOKENS * VOCAB], wanted[N_TOKENS * VOCAB];
    aci_network *whole;

    make_model(_i / 2);
    open_network((aci_network_options){ .forward_only = _i % 2 != 0 });
    open_whole(&whole);
    ck_assert_int_eq(aci_workshop_network_logits(network, got, &batch, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_network_logits(whole, wanted, &batch, NULL),
                     AC_OK);
    compare(got, wanted, 56 * VOCAB);
    aci_workshop_network_free(whole);
}
END_TEST

START_TEST(a_teacher_network_is_its_logits)
{
    static double logits[N_TOKENS * VOCAB];
    double by_logits, by_network;
    aci_network *whole;

    make_model(0);
    open_network((aci_network_options){ 0 });
    open_whole(&whole);
    for (size_t i = 0; i < aci_workshop_network_count(whole); i++)
        aci_workshop_network_at(whole, i)->value[0] += 0.5;
    ck_assert_int_eq(aci_workshop_network_logits(whole, logits, &batch, NULL),
                     AC_OK);
    objective.loss = ACI_LOSS_KL;
    objective.teacher_logits = logits;
    by_logits = loss_of(0.0f);
    ck_assert_double_gt(by_logits, 0.1);
    objective.teacher_logits = NULL;
    objective.teacher = whole;
    by_network = loss_of(0.0f);
    ck_assert_double_eq_tol(by_network, by_logits, 1e-9 * by_logits);
    check_gradients(N_PARAMETERS);
    aci_workshop_network_free(whole);
}
END_TEST

START_TEST(a_block_gives_what_the_layer_does)
{
    static double out[N_TOKENS * EMBD];
    aci_network_options options = { .trainable = ACI_TRAIN_BLOCK,
                                    .block = _i };
    double wanted = 0.0;

    make_model(0);
    open_network(options);
    objective.loss = ACI_LOSS_BLOCK_MSE;
    ck_assert_int_eq(aci_workshop_network_block(network, out, block_in,
                                                &batch, NULL),
                     AC_OK);
    for (int i = 0; i < N_TOKENS * EMBD; i++)
        if (targets[i / EMBD] >= 0)
            wanted += pow(out[i] - block_out[i], 2.0) / EMBD;
    ck_assert_double_eq_tol(loss_of(0.0f), wanted, 1e-9 * wanted);
    if (_i == N_LAYER - 1) /* nothing of it is left */
        compare(out, block_in, N_TOKENS * EMBD);
}
END_TEST

START_TEST(work_is_counted)
{
    double pairs = 1 + 29. * 30 / 2 + 45. * 46 / 2;
    double dense_4 = EMBD * (24. + 24 + 24) + EMBD * 9. * 3; /* layer 4 */
    double low_0 = 5. * (EMBD + 24 + 12 + 12), dense_0 = EMBD * (24. + 84);
    double low_1 = 4. * (EMBD + 12) + 3. * (12 + EMBD) +
                   6. * (EMBD + 12 + 12);
    double dense_1 = EMBD * 12. + EMBD * 12.;
    double all_2 = EMBD * 40. + 7. * (EMBD + 20);
    double all_3 = 4. * (EMBD + 12 + 6) + 2. * (EMBD + 6) + 12. * EMBD;
    double layers = dense_4 + low_0 + dense_0 + low_1 + dense_1 + all_2 +
                    all_3;
    double wanted = 2 * (3 * N_TOKENS * layers +
                         7 * (24. + 12 + 12 + 24) * pairs +
                         3 * 56. * EMBD * VOCAB);

    make_model(0);
    open_network((aci_network_options){ 0 });
    ck_assert_double_eq_tol(aci_workshop_network_operations(network, &batch),
                            wanted, 1.0);
}
END_TEST

Suite *test_network_parts_suite(void);
Suite *test_network_parts_suite(void)
{
    Suite *suite = suite_create("test_network_parts");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, everything_is_differentiated, 0, 2);
    tcase_add_test(tests, norms_of_q_and_k_are_differentiated);
    tcase_add_test(tests, factors_alone_are_trained);
    tcase_add_test(tests, lora_goes_on_what_is_dense);
    tcase_add_test(tests, what_is_chosen_is_trained);
    tcase_add_loop_test(tests, a_block_learns_its_output, 0, 5);
    tcase_add_loop_test(tests, logits_are_those_of_a_whole_model, 0, 4);
    tcase_add_test(tests, a_teacher_network_is_its_logits);
    tcase_add_loop_test(tests, a_block_gives_what_the_layer_does, 0, N_LAYER);
    tcase_add_test(tests, work_is_counted);
    suite_add_tcase(suite, tests);
    return suite;
}
