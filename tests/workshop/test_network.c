/* test_network.c - the network that trains, in float32: logits, loss and all
 * gradients as PyTorch has them (tests/golden/training), the same bits at any
 * number of threads, updates, errors. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tensor_list.h"
#include "platform/random.h"
#include "workshop/train/network.h"

static aci_memory memory;
static aci_pool *pool;
static aci_network *network;

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
}

static void tear_down(void)
{
    aci_workshop_network_free(network);
    network = NULL;
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

/* ---- goldens ------------------------------------------------------------- */

typedef struct golden {
    FILE *file;
    int32_t tokens[128], targets[128], starts[8];
    int32_t n_targets;
    aci_batch batch;
    double loss;
} golden;

static void read_exactly(void *out, size_t size, size_t n, FILE *file)
{
    ck_assert_uint_eq(fread(out, size, n, file), n);
}

static void open_golden(golden *g, const char *name)
{
    char path[128];
    int32_t sizes[3];

    snprintf(path, sizeof path, "tests/golden/training/%s/golden.bin", name);
    g->file = fopen(path, "rb");
    ck_assert_ptr_nonnull(g->file);
    read_exactly(sizes, sizeof *sizes, 3, g->file);
    ck_assert_int_le(sizes[0], 128);
    ck_assert_int_le(sizes[1], 7);
    read_exactly(g->tokens, 4, (size_t)sizes[0], g->file);
    read_exactly(g->targets, 4, (size_t)sizes[0], g->file);
    read_exactly(g->starts, 4, (size_t)sizes[1] + 1, g->file);
    read_exactly(&g->loss, sizeof g->loss, 1, g->file);
    g->n_targets = sizes[2];
    g->batch = (aci_batch){ g->tokens, g->targets, g->starts, sizes[0],
                            sizes[1] };
}

static void open_model(const char *name, aci_network_options options)
{
    char path[128];
    ac_error error = AC_ERROR_INIT;
    aci_checkpoint *checkpoint;

    snprintf(path, sizeof path, "tests/golden/training/%s", name);
    ck_assert_msg(aci_model_checkpoint_open(&checkpoint, &memory, path,
                                            &error) == AC_OK,
                  "%s", error.message);
    ck_assert_msg(aci_workshop_network_create(
                      &network, &memory, pool,
                      aci_model_checkpoint_shape(checkpoint), &options,
                      &error) == AC_OK,
                  "%s", error.message);
    ck_assert_msg(aci_workshop_network_load(network, checkpoint, &error) ==
                      AC_OK,
                  "%s", error.message);
    aci_model_checkpoint_close(checkpoint);
}

static aci_parameter parameter(const char *name)
{
    size_t i, n = aci_workshop_network_count(network);

    for (i = 0; i < n; i++)
        if (strcmp(aci_workshop_network_at(network, i)->name, name) == 0)
            return *aci_workshop_network_at(network, i);
    ck_abort_msg("no parameter %s", name);
    return (aci_parameter){ 0 };
}

/* |a - b| within `share` of the largest |b|. */
static void check_close(const float *a, const float *b, size_t n,
                        double share, const char *what)
{
    double largest = 0.0;
    size_t i;

    for (i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)b[i]));
    for (i = 0; i < n; i++)
        ck_assert_msg(fabs((double)a[i] - (double)b[i]) <= share * largest,
                      "%s[%zu]: %.8g, PyTorch %.8g", what, i, (double)a[i],
                      (double)b[i]);
}

static void check_logits(golden *g)
{
    size_t n = (size_t)g->n_targets *
               (size_t)aci_workshop_network_shape(network)->n_vocab;
    float *got = malloc(n * sizeof *got), *wanted = malloc(n * sizeof *got);

    read_exactly(wanted, sizeof *wanted, n, g->file);
    ck_assert_int_eq(
        aci_workshop_network_logits(network, got, &g->batch, NULL), AC_OK);
    check_close(got, wanted, n, 1e-5, "logits");
    free(wanted);
    free(got);
}

static void check_gradients(golden *g)
{
    const aci_shape *shape = aci_workshop_network_shape(network);
    size_t i, n = aci_model_tensor_count(shape);
    aci_tensor tensor;

    for (i = 0; i < n; i++) {
        aci_parameter p;
        size_t size;
        float *wanted;

        aci_model_tensor_at(&tensor, shape, i);
        p = parameter(tensor.name);
        size = (size_t)(p.n_rows * p.n_columns);
        wanted = malloc(size * sizeof *wanted);
        read_exactly(wanted, sizeof *wanted, size, g->file);
        check_close(p.gradient, wanted, size, 2e-5, p.name);
        free(wanted);
    }
}

/* 20 updates, each loss as PyTorch's. */
static void check_curve(golden *g)
{
    aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    aci_adamw now = { 3e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 1.0f, 0 };
    double wanted[20], loss;
    int64_t n;

    read_exactly(wanted, sizeof *wanted, 20, g->file);
    ck_assert_int_eq(fgetc(g->file), EOF);
    for (now.step = 1; now.step <= 20; now.step++) {
        aci_workshop_network_clear(network);
        ck_assert_int_eq(aci_workshop_network_step(
                             network, &loss, &n, &g->batch, &objective,
                             1.0f / (float)g->n_targets, NULL),
                         AC_OK);
        ck_assert_double_eq_tol(loss / (double)n, wanted[now.step - 1],
                                2e-5 * wanted[now.step - 1]);
        ck_assert_int_eq(aci_workshop_network_update(network, NULL, &now,
                                                     NULL),
                         AC_OK);
    }
}

static const char *const levels[] = { NULL, "portable", "avx2", "avx512" };
static const char *const models[] = { "llama", "qwen2", "qwen3" };
enum { N_LEVELS = 4, N_MODELS = 3 };

static int has_level(const char *level)
{
    aci_training_sizes sizes = { 16, 16, 16 };
    aci_training *training;

    if (aci_kernels_training_cpu_open(&training, &memory, pool, level,
                                      ACI_FLOAT32, &sizes, NULL) != AC_OK)
        return 0;
    training->operations->close(training);
    return 1;
}

START_TEST(bfloat16_products_are_refused_where_there_are_none)
{
    aci_training_sizes sizes = { 16, 16, 16 };
    ac_error error = AC_ERROR_INIT;
    aci_training *training;

    ck_assert_int_eq(aci_kernels_training_cpu_open(&training, &memory, pool,
                                                   "portable", ACI_BFLOAT16,
                                                   &sizes, &error),
                     AC_E_UNSUPPORTED);
    ck_assert_ptr_null(training);
    ck_assert_ptr_nonnull(strstr(error.message, "AVX512_BF16"));
}
END_TEST

START_TEST(agrees_with_pytorch)
{
    const char *level = levels[_i / N_MODELS];
    const char *name = models[_i % N_MODELS];
    aci_network_options options = { .max_tokens = 80, .max_targets = 17,
                                    .level = level,
                                    .recompute = level == NULL };
    aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    double loss;
    int64_t n;
    golden g;

    if (!has_level(level)) {
        fprintf(stderr, "SKIP no %s\n", level);
        return;
    }
    open_golden(&g, name);
    open_model(name, options);
    check_logits(&g);
    ck_assert_int_eq(aci_workshop_network_step(network, &loss, &n, &g.batch,
                                               &objective, 1.0f, NULL),
                     AC_OK);
    ck_assert_int_eq(n, g.n_targets);
    ck_assert_double_eq_tol(loss, g.loss, 1e-6 * g.loss);
    check_gradients(&g);
    check_curve(&g);
    fclose(g.file);
}
END_TEST

/* ---- larger models ------------------------------------------------------- */

enum { N_TOKENS = 700, N_DOCUMENTS = 4 };
static const int32_t starts[N_DOCUMENTS + 1] = { 0, 260, 261, 400, N_TOKENS };
static int32_t tokens[N_TOKENS], targets[N_TOKENS];

static aci_batch make_batch(int32_t n_vocab)
{
    aci_random random;
    int i;

    aci_platform_random_seed(&random, 6);
    for (i = 0; i < N_TOKENS; i++) {
        tokens[i] = (int32_t)aci_platform_random_below(&random,
                                                       (uint64_t)n_vocab);
        targets[i] = i % 5 == 0 ? -1 : (tokens[i] * 7 + 3) % n_vocab;
    }
    return (aci_batch){ tokens, targets, starts, N_TOKENS, N_DOCUMENTS };
}

static aci_shape medium_shape(void)
{
    aci_shape shape = {
        .architecture = ACI_QWEN3, .n_layer = 2, .n_embd = 96, .n_head = 6,
        .n_head_kv = 2, .head_dim = 32, .n_ff = 160, .n_vocab = 300,
        .n_context = 512, .norm_eps = 1e-5f, .rope_theta = 10000.0f,
        .qk_norm = 1, .attention_bias = 1, .tied_embeddings = 1
    };

    return shape;
}

static void open_medium(aci_pool *on, aci_network_options options)
{
    aci_shape shape = medium_shape();
    ac_error error = AC_ERROR_INIT;

    options.max_tokens = 1000;
    ck_assert_msg(aci_workshop_network_create(&network, &memory, on, &shape,
                                              &options, &error) == AC_OK,
                  "%s", error.message);
    aci_workshop_network_initialise(network, 11);
}

static const aci_adamw settings = { .rate = 1e-3f, .beta_1 = 0.9f,
                                    .beta_2 = 0.95f, .epsilon = 1e-8f,
                                    .decay = 0.1f, .max_norm = 1.0f };

static double train(int32_t n_steps, double *last_norm)
{
    aci_batch batch = make_batch(300);
    aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    double loss = 0.0;
    int64_t n, step;

    for (step = 1; step <= n_steps; step++) {
        aci_adamw now = settings;

        now.step = step;
        aci_workshop_network_clear(network);
        ck_assert_int_eq(aci_workshop_network_step(network, &loss, &n, &batch,
                                                   &objective, 1.0f / 560.0f,
                                                   NULL),
                         AC_OK);
        ck_assert_int_eq(
            aci_workshop_network_update(network, last_norm, &now, NULL),
            AC_OK);
    }
    return loss / (double)n;
}

START_TEST(threads_change_no_bit)
{
    float *first = NULL;
    size_t n_values = 0;
    uint32_t n_threads;
    double loss = 0.0;

    for (n_threads = 1; n_threads <= 3; n_threads++) {
        aci_pool *other;
        const aci_parameter *last;
        const float *values;
        double now;

        aci_platform_pool_create(&other, &memory, n_threads, NULL);
        open_medium(other, (aci_network_options){ 0 });
        now = train(3, NULL);
        last = aci_workshop_network_at(
            network, aci_workshop_network_count(network) - 1);
        values = aci_workshop_network_at(network, 0)->value;
        n_values = (size_t)(last->value - values) +
                   (size_t)(last->n_rows * last->n_columns);
        if (first == NULL) {
            first = malloc(n_values * sizeof *first);
            memcpy(first, values, n_values * sizeof *first);
            loss = now;
        }
        ck_assert(memcmp(&now, &loss, sizeof now) == 0);
        ck_assert(memcmp(first, values, n_values * sizeof *first) == 0);
        aci_workshop_network_free(network);
        network = NULL;
        aci_platform_pool_free(other);
    }
    free(first);
}
END_TEST

START_TEST(recomputing_changes_no_bit)
{
    double kept, again, norm_kept, norm_again;

    open_medium(pool, (aci_network_options){ 0 });
    kept = train(2, &norm_kept);
    aci_workshop_network_free(network);
    open_medium(pool, (aci_network_options){ .recompute = true });
    again = train(2, &norm_again);
    ck_assert(memcmp(&kept, &again, sizeof kept) == 0);
    ck_assert(memcmp(&norm_kept, &norm_again, sizeof norm_kept) == 0);
}
END_TEST

START_TEST(a_batch_is_learnt)
{
    double loss, norm;

    open_medium(pool, (aci_network_options){ 0 });
    loss = train(1, &norm);
    ck_assert_double_eq_tol(loss, log(300.0), 0.3);
    loss = train(60, &norm);
    ck_assert_double_lt(loss, 2.0);
}
END_TEST

/* One update by hand. */
START_TEST(updates_are_adamw)
{
    aci_parameter p;
    aci_adamw now = settings;
    double norm, clip, m, v, wanted, before, g;

    open_medium(pool, (aci_network_options){ 0 });
    p = parameter("1.down");
    p.gradient[5] = 30.0f;
    p.gradient[6] = -40.0f;
    before = (double)p.value[5];
    now.step = 1;
    ck_assert_int_eq(aci_workshop_network_update(network, &norm, &now, NULL),
                     AC_OK);
    ck_assert_double_eq_tol(norm, 50.0, 1e-9);
    clip = 1.0 / 50.0;
    g = 30.0 * clip;
    m = 0.1 * g;
    v = 0.05 * g * g;
    ck_assert_double_eq_tol((double)p.moment_1[5], m, 1e-7);
    ck_assert_double_eq_tol((double)p.moment_2[5], v, 1e-7);
    wanted = before - 1e-3 * (m / 0.1 / (sqrt(v / 0.05) + 1e-8) +
                              0.1 * before);
    ck_assert_double_eq_tol((double)p.value[5], wanted, 1e-7);
    /* norms do not decay */
    ck_assert(parameter("1.attn_norm").value[0] == 1.0f);
}
END_TEST

/* Whole vectors, many tiles and blocks: each level against the portable. */
START_TEST(levels_agree)
{
    aci_batch batch = make_batch(300);
    aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    float *wanted = NULL;
    double loss;
    int64_t n;
    size_t i, k, size, at;
    int level;

    for (level = 1; level < N_LEVELS; level++) {
        aci_network_options options = { .level = levels[level] };

        if (!has_level(levels[level]))
            continue;
        open_medium(pool, options);
        ck_assert_int_eq(aci_workshop_network_step(network, &loss, &n, &batch,
                                                   &objective, 1.0f, NULL),
                         AC_OK);
        if (wanted == NULL)
            wanted = calloc(1 << 20, sizeof *wanted);
        for (i = at = 0; i < aci_workshop_network_count(network); i++) {
            const aci_parameter *p = aci_workshop_network_at(network, i);

            size = (size_t)(p->n_rows * p->n_columns);
            ck_assert_uint_le(at + size, 1 << 20);
            if (level > 1)
                check_close(p->gradient, wanted + at, size, 2e-4, p->name);
            for (k = 0; k < size; k++)
                wanted[at + k] = level > 1 ? wanted[at + k] : p->gradient[k];
            at += size;
        }
        aci_workshop_network_free(network);
        network = NULL;
    }
    free(wanted);
}
END_TEST

START_TEST(what_is_not_finite_is_named)
{
    aci_batch batch = make_batch(300);
    aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    ac_error error = AC_ERROR_INIT;
    static const char *const places[] = { "1.gate", "1.q", "1.k_norm" };
    aci_adamw now = settings;
    double loss;
    int64_t n;
    int i;

    open_medium(pool, (aci_network_options){ 0 });
    for (i = 0; i < 3; i++) {
        parameter(places[i]).value[7] = NAN;
        ck_assert_int_eq(aci_workshop_network_step(network, &loss, &n, &batch,
                                                   &objective, 1.0f, &error),
                         AC_E_NUMERIC);
        ck_assert_str_eq(error.message,
                         "layer 1 gave numbers that were not finite");
        parameter(places[i]).value[7] = 0.0f;
    }
    aci_workshop_network_clear(network);
    parameter("0.k").gradient[9] = INFINITY;
    now.step = 1;
    ck_assert_int_eq(aci_workshop_network_update(network, NULL, &now, &error),
                     AC_E_NUMERIC);
    ck_assert_str_eq(error.message, "the gradient of 0.k was not finite");
}
END_TEST

START_TEST(bad_batches_are_refused)
{
    aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    aci_batch good = make_batch(300), batch = good;
    const int32_t gap[] = { 0, 300, 200, N_TOKENS };
    const int32_t whole[] = { 0, N_TOKENS };
    double loss;
    int64_t n;

    open_medium(pool, (aci_network_options){ 0 });
    batch.starts = gap;
    batch.n_documents = 3;
    ck_assert_int_eq(aci_workshop_network_step(network, &loss, &n, &batch,
                                               &objective, 1.0f, NULL),
                     AC_E_ARGUMENT);
    batch.starts = whole; /* 700 tokens, context 512 */
    batch.n_documents = 1;
    ck_assert_int_eq(aci_workshop_network_step(network, &loss, &n, &batch,
                                               &objective, 1.0f, NULL),
                     AC_E_CONTEXT_FULL);
    tokens[3] = 300;
    ck_assert_int_eq(aci_workshop_network_step(network, &loss, &n, &good,
                                               &objective, 1.0f, NULL),
                     AC_E_ARGUMENT);
}
END_TEST

START_TEST(frozen_parts_are_left_alone)
{
    aci_network_options options = { .trainable = ACI_TRAIN_LORA, .rank = 4,
                                    .alpha = 8.0f, .matrices = 1 };
    float zeros[96 * 192], before[96 * 192];
    size_t i = 0;

    open_medium(pool, options);
    while (strcmp(aci_workshop_network_at(network, i)->name, "0.q") != 0)
        i++;
    ck_assert_ptr_null(aci_workshop_network_at(network, i)->gradient);
    ck_assert_int_eq(aci_workshop_network_read(zeros, network, i,
                                               ACI_OF_MOMENT_1, NULL),
                     AC_OK);
    ck_assert(zeros[0] == 0.0f);
    ck_assert_int_eq(aci_workshop_network_write(network, i, ACI_OF_GRADIENT,
                                                zeros, NULL),
                     AC_E_ARGUMENT);
    aci_workshop_network_read(before, network, i, ACI_OF_VALUE, NULL);
    train(2, NULL);
    ck_assert(memcmp(before, aci_workshop_network_at(network, i)->value,
                     sizeof before) == 0);
    ck_assert(parameter("0.q.lora_b").value[0] != 0.0f);
}
END_TEST

/* A memory that ends early leaves nothing behind. */
START_TEST(failed_allocations_leak_nothing)
{
    aci_shape shape = medium_shape();
    aci_network_options options = { .max_tokens = 64 };
    uint64_t used = memory.used_bytes, i;
    ac_status status = AC_E_NO_MEMORY;

    for (i = 1; status == AC_E_NO_MEMORY; i++) {
        memory.n_allocations = 0;
        memory.fail_at = i;
        status = aci_workshop_network_create(&network, &memory, pool, &shape,
                                             &options, NULL);
        ck_assert(status == AC_OK || memory.used_bytes == used);
    }
    memory.fail_at = 0;
    ck_assert_int_eq(status, AC_OK);
    ck_assert_uint_gt(i, 8);
}
END_TEST

START_TEST(work_is_counted)
{
    aci_batch batch = make_batch(300);
    double pairs = 260. * 261 / 2 + 1 + 139. * 140 / 2 + 300. * 301 / 2;
    double layer = 96. * (192 + 2 * 64 + 192 + 3 * 160);
    double wanted = 2 * (2 * (700 * 3 * layer + 7 * 192 * pairs) +
                         560 * 3 * 96. * 300);

    open_medium(pool, (aci_network_options){ 0 });
    ck_assert_double_eq_tol(aci_workshop_network_operations(network, &batch),
                            wanted, 1.0);
}
END_TEST

Suite *test_network_suite(void);
Suite *test_network_suite(void)
{
    Suite *suite = suite_create("test_network");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, bfloat16_products_are_refused_where_there_are_none);
    tcase_add_loop_test(tests, agrees_with_pytorch, 0, N_LEVELS * N_MODELS);
    tcase_add_test(tests, threads_change_no_bit);
    tcase_add_test(tests, recomputing_changes_no_bit);
    tcase_add_test(tests, a_batch_is_learnt);
    tcase_add_test(tests, updates_are_adamw);
    tcase_add_test(tests, levels_agree);
    tcase_add_test(tests, what_is_not_finite_is_named);
    tcase_add_test(tests, bad_batches_are_refused);
    tcase_add_test(tests, frozen_parts_are_left_alone);
    tcase_add_test(tests, failed_allocations_leak_nothing);
    tcase_add_test(tests, work_is_counted);
    suite_add_tcase(suite, tests);
    return suite;
}
