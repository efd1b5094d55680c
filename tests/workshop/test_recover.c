/* test_recover.c - recovery finds what is known to be there: neurons that were
 * copies are cut, factors are shaken; the same bits at any number of threads,
 * and a student left as it was by whatever stops it. */
#include "workshop/compress/recover.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"
#include "workshop/train/network.h"

enum { CONTEXT = 32, BATCH = 128 };

static aci_memory memory;
static aci_pool *pool;
static aci_float_model teacher, student;
static aci_corpus calibration, held_out;
static aci_recover_teacher from;
static aci_recover_options options;
static aci_recover_report report;
static ac_error error;
static int n_told, stop_at;

/* ---- models and text ----------------------------------------------------- */

static float *dense(aci_float_model *model, int l, int matrix)
{
    return model->layers[l].matrices[matrix].dense;
}

/* The second half of layer 1's neurons does what the first half does. */
static void double_neurons(void)
{
    int32_t width = teacher.shape.n_embd, half = teacher.shape.n_ff / 2;
    size_t n = (size_t)(half * width);

    memcpy(dense(&teacher, 1, ACI_MATRIX_GATE) + n,
           dense(&teacher, 1, ACI_MATRIX_GATE), n * sizeof(float));
    memcpy(dense(&teacher, 1, ACI_MATRIX_UP) + n,
           dense(&teacher, 1, ACI_MATRIX_UP), n * sizeof(float));
}

static void scale(float *x, int64_t n, float factor)
{
    for (int64_t i = 0; i < n; i++)
        x[i] *= factor;
}

static void read_teacher(void)
{
    aci_checkpoint *checkpoint;
    int64_t n_out, n_in;

    ck_assert_int_eq(aci_model_checkpoint_open(&checkpoint, &memory,
                                               "tests/golden/training/llama",
                                               &error),
                     AC_OK);
    ck_assert_int_eq(aci_workshop_floats_read(&teacher, &memory, checkpoint,
                                              &error),
                     AC_OK);
    aci_model_checkpoint_close(checkpoint);
    ck_assert_int_eq(teacher.shape.n_layer, 2);
    /* the feed-forward is to matter */
    for (int i = ACI_MATRIX_GATE; i <= ACI_MATRIX_DOWN; i++) {
        aci_workshop_floats_size(&n_out, &n_in, &teacher, 1, i);
        scale(dense(&teacher, 1, i), n_out * n_in, 2.0f);
    }
    double_neurons();
}

/* Two languages: in the second, tokens are more alike. */
static void write_text(aci_corpus *corpus, uint64_t seed, uint64_t spread)
{
    int32_t tokens[CONTEXT + 1];
    aci_random random;

    aci_workshop_corpus_init(corpus, &memory, CONTEXT,
                             teacher.shape.n_vocab);
    ck_assert_int_eq(aci_workshop_corpus_source_begin(corpus, 1.0, NULL),
                     AC_OK);
    aci_platform_random_seed(&random, seed);
    for (int i = 0; i < 48; i++) {
        for (int k = 0; k <= CONTEXT; k++)
            tokens[k] = (int32_t)(aci_platform_random_below(&random, spread) *
                                  7 % (uint64_t)teacher.shape.n_vocab);
        ck_assert_int_eq(aci_workshop_corpus_add(corpus, tokens, CONTEXT + 1,
                                                 0, NULL),
                         AC_OK);
    }
}

static void cut_student(void)
{
    const aci_shape *shape = &teacher.shape;
    aci_kept kept[] = { { shape->n_head_kv, shape->n_ff },
                        { shape->n_head_kv, shape->n_ff / 2 } };

    ck_assert_int_eq(aci_workshop_floats_cut(&student, &teacher, kept, &error),
                     AC_OK);
    student.layers[1].biases[ACI_MATRIX_DOWN] =
        aci_workshop_floats_array(&student, (size_t)teacher.shape.n_embd);
}

static void set_up(void)
{
    error = (ac_error)AC_ERROR_INIT;
    n_told = stop_at = 0;
    aci_platform_memory_init(&memory);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL),
                     AC_OK);
    read_teacher();
    write_text(&calibration, 1, (uint64_t)teacher.shape.n_vocab);
    write_text(&held_out, 2, (uint64_t)teacher.shape.n_vocab / 2);
    from = (aci_recover_teacher){ .model = &teacher };
    options = (aci_recover_options){
        .batch_tokens = BATCH, .block_tokens = 8 * BATCH, .block_passes = 50,
        .block_rate = 2e-2f, .end_rate = 3e-3f, .end_tokens = 60 * BATCH,
        .judge_tokens = 8 * BATCH, .seed = 3
    };
    cut_student();
}

static void tear_down(void)
{
    aci_workshop_floats_close(&student);
    aci_workshop_floats_close(&teacher);
    aci_workshop_corpus_free(&calibration);
    aci_workshop_corpus_free(&held_out);
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static ac_status recover(void)
{
    return aci_workshop_recover(&memory, pool, &report, &student, &from,
                                &calibration, &held_out, &options, &error);
}

/* Sum over all values, each times its place: any change shows. */
static double sum_of(aci_float_model *model)
{
    aci_float_array array;
    double sum = 0.0;

    for (size_t i = 0; aci_workshop_floats_at(&array, model, i); i++)
        for (int64_t k = 0;
             *array.place != NULL && k < array.n_rows * array.n_columns; k++)
            sum += (double)(*array.place)[k] * (double)(k + 1);
    return sum;
}

/* ---- what is recovered --------------------------------------------------- */

START_TEST(neurons_that_were_copies_are_made_up_for)
{
    double untouched = (double)dense(&student, 1, ACI_MATRIX_UP)[5];

    ck_assert_msg(recover() == AC_OK, "%s", error.message);
    ck_assert_double_gt(report.kl[0], 0.5);
    ck_assert_msg(report.kl[1] < 0.01 * report.kl[0], "%g to %g",
                  report.kl[0], report.kl[1]);
    ck_assert_double_le(report.kl[2], report.kl[1]);
    ck_assert(report.blocks_kept);
    ck_assert_double_lt(report.block_error[1], 0.01 * report.block_error[0]);
    ck_assert_double_lt(fabs(report.perplexity[2] -
                             report.teacher_perplexity),
                        fabs(report.perplexity[0] -
                             report.teacher_perplexity));
    ck_assert_uint_le(report.n_tokens[2] - report.n_tokens[1], 60 * BATCH);
    /* only o, down, norms and biases */
    ck_assert((double)dense(&student, 1, ACI_MATRIX_UP)[5] == untouched);
    ck_assert(student.layers[1].biases[ACI_MATRIX_DOWN][0] != 0.0f);
}
END_TEST

START_TEST(the_whole_student_follows_the_teacher)
{
    options.no_blocks = true;
    options.end_tokens = 240 * BATCH;
    options.end_rate = 2e-2f;
    ck_assert_msg(recover() == AC_OK, "%s", error.message);
    ck_assert_msg(report.kl[2] < 0.1 * report.kl[0], "%g to %g",
                  report.kl[0], report.kl[2]);
    ck_assert(report.kl[1] == report.kl[0]);
    ck_assert(report.end_kept && !report.blocks_kept);
}
END_TEST

/* q, k, v of layer 0 as U V with one V, exact but for noise. */
START_TEST(factors_are_tuned)
{
    int32_t width = teacher.shape.n_embd;
    float *right;
    aci_random random;

    aci_platform_random_seed(&random, 7);
    aci_workshop_floats_close(&student);
    ck_assert_int_eq(aci_workshop_floats_cut(&student, &teacher, NULL, NULL),
                     AC_OK);
    right = aci_workshop_floats_array(&student, (size_t)(width * width));
    for (int32_t i = 0; i < width; i++)
        right[i * width + i] = 1.0f;
    for (int i = ACI_MATRIX_Q; i <= ACI_MATRIX_V; i++) {
        aci_float_matrix *m = &student.layers[0].matrices[i];
        int64_t n_out, n_in;

        aci_workshop_floats_size(&n_out, &n_in, &student, 0, i);
        for (int64_t k = 0; k < n_out * n_in; k++)
            m->dense[k] += (float)(0.05 *
                                   aci_platform_random_normal(&random));
        *m = (aci_float_matrix){ .left = m->dense, .rank = width,
                                 .right = i == ACI_MATRIX_Q ? right : NULL };
    }
    options.block_parts = options.end_parts = ACI_CHOOSE_FACTORS;
    options.no_end = true;
    ck_assert_msg(recover() == AC_OK, "%s", error.message);
    ck_assert_msg(report.block_error[1] < 0.5 * report.block_error[0],
                  "%g to %g", report.block_error[0], report.block_error[1]);
    ck_assert(report.kl[1] < 0.5 * report.kl[0]);
    ck_assert(right[1] != 0.0f);
    ck_assert(dense(&student, 1, ACI_MATRIX_Q)[0] ==
              dense(&teacher, 1, ACI_MATRIX_Q)[0]);
}
END_TEST

static ac_status answer(float *out, const aci_batch *batch, void *user,
                        ac_error *e)
{
    return aci_workshop_network_logits(user, out, batch, e);
}

START_TEST(answers_alone_are_a_teacher)
{
    aci_network_options network_options = { .max_tokens = BATCH,
                                            .forward_only = true };
    aci_network *network;
    double by_weights;

    options.no_blocks = true;
    options.end_tokens = 8 * BATCH;
    options.cross_entropy = 0.1f;
    ck_assert_int_eq(recover(), AC_OK);
    by_weights = report.kl[2];
    ck_assert_double_lt(by_weights, report.kl[0]);
    aci_workshop_floats_close(&student);
    cut_student();
    ck_assert_int_eq(aci_workshop_network_create_from(
                         &network, &memory, pool, &teacher, &network_options,
                         NULL),
                     AC_OK);
    from = (aci_recover_teacher){ .logits = answer, .user = network };
    options.no_blocks = false; /* left out for want of weights */
    ck_assert_int_eq(recover(), AC_OK);
    ck_assert(report.kl[2] == by_weights);
    ck_assert(report.kl[1] == report.kl[0]);
    ck_assert(isnan(report.teacher_perplexity));
    aci_workshop_network_free(network);
}
END_TEST

START_TEST(threads_change_no_bit)
{
    double sums[2], kl[2];

    options.end_tokens = 8 * BATCH;
    options.block_passes = 3;
    for (int i = 0; i < 2; i++) {
        aci_platform_pool_free(pool);
        ck_assert_int_eq(aci_platform_pool_create(&pool, &memory,
                                                  (uint32_t)i + 1, NULL),
                         AC_OK);
        aci_workshop_floats_close(&student);
        cut_student();
        ck_assert_int_eq(recover(), AC_OK);
        sums[i] = sum_of(&student);
        kl[i] = report.kl[2];
    }
    ck_assert(memcmp(&sums[0], &sums[1], sizeof *sums) == 0);
    ck_assert(memcmp(&kl[0], &kl[1], sizeof *kl) == 0);
    ck_assert(report.end_kept);
    options.seed++;
    aci_workshop_floats_close(&student);
    cut_student();
    ck_assert_int_eq(recover(), AC_OK);
    ck_assert(sums[0] != sum_of(&student));
}
END_TEST

/* ---- what is left alone -------------------------------------------------- */

START_TEST(nothing_to_recover_changes_nothing)
{
    double before;

    aci_workshop_floats_close(&student);
    ck_assert_int_eq(aci_workshop_floats_cut(&student, &teacher, NULL, NULL),
                     AC_OK);
    before = sum_of(&student);
    options.end_tokens = 4 * BATCH;
    options.block_passes = 1;
    ck_assert_int_eq(recover(), AC_OK);
    ck_assert(!report.blocks_kept && !report.end_kept);
    ck_assert_double_eq_tol(report.kl[2], 0.0, 1e-7);
    ck_assert_double_eq_tol(report.perplexity[0], report.teacher_perplexity,
                            1e-9);
    ck_assert(before == sum_of(&student));
}
END_TEST

static int32_t tell(const aci_recover_progress *progress, void *user)
{
    ck_assert_ptr_eq(user, &n_told);
    ck_assert_double_gt(progress->tokens_per_second, 0.0);
    ck_assert_uint_le(progress->n_tokens, progress->n_tokens_all);
    ck_assert_double_ge(progress->seconds_left, 0.0);
    ck_assert(isfinite(progress->loss));
    return ++n_told == stop_at;
}

START_TEST(a_stopped_recovery_leaves_the_student)
{
    double before = sum_of(&student);

    options.on_progress = tell;
    options.progress_user = &n_told;
    options.block_passes = 2; /* 14 steps a layer */
    stop_at = _i;
    ck_assert_int_eq(recover(), AC_E_CANCELLED);
    ck_assert_int_eq(n_told, stop_at);
    ck_assert(before == sum_of(&student));
}
END_TEST

START_TEST(time_ends_it)
{
    options.seconds = 0.2;
    options.end_tokens = options.block_tokens = 1000000000;
    options.block_passes = 1000000;
    ck_assert_int_eq(recover(), AC_OK);
    ck_assert_double_lt(report.seconds[2], 30.0);
    ck_assert_uint_gt(report.n_tokens[1], 0);
    ck_assert_uint_ge(report.n_steps, 1);
}
END_TEST

START_TEST(numbers_that_are_not_finite_stop_it)
{
    double before;

    options.block_rate = 1e30f;
    before = sum_of(&student);
    ck_assert_int_eq(recover(), AC_E_NUMERIC);
    ck_assert_msg(strncmp(error.message, "recovery of layer ", 18) == 0,
                  "%s", error.message);
    ck_assert(before == sum_of(&student));
    options.no_blocks = true;
    options.end_rate = 1e30f;
    ck_assert_int_eq(recover(), AC_E_NUMERIC);
    ck_assert_msg(strncmp(error.message, "recovery end to end, step ", 26) ==
                      0, "%s", error.message);
    ck_assert(before == sum_of(&student));
    dense(&student, 1, ACI_MATRIX_O)[3] = NAN;
    ck_assert_int_eq(recover(), AC_E_NUMERIC);
    ck_assert_str_eq(error.message, "1.o was not finite");
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    aci_corpus empty;
    aci_recover_options good = options;

    options.temperature = -1.0f;
    ck_assert_int_eq(recover(), AC_E_ARGUMENT);
    options = good;
    options.cross_entropy = 1.0f;
    ck_assert_int_eq(recover(), AC_E_ARGUMENT);
    options = good;
    options.seconds = NAN;
    ck_assert_int_eq(recover(), AC_E_ARGUMENT);
    options = good;
    options.batch_tokens = CONTEXT - 1;
    ck_assert_int_eq(recover(), AC_E_ARGUMENT);
    options = good;
    from.model = NULL;
    ck_assert_int_eq(recover(), AC_E_ARGUMENT);
    from.model = &teacher;
    student.shape.n_vocab--;
    ck_assert_int_eq(recover(), AC_E_ARGUMENT);
    student.shape.n_vocab++;
    aci_workshop_corpus_init(&empty, &memory, CONTEXT, 10);
    ck_assert_int_eq(aci_workshop_recover(&memory, pool, &report, &student,
                                          &from, &empty, &held_out, &options,
                                          &error),
                     AC_E_ARGUMENT);
}
END_TEST

/* Every thirteenth allocation, from another start each time. */
START_TEST(failed_allocations_leak_nothing)
{
    double before = sum_of(&student);
    uint64_t used = memory.used_bytes, at = 1 + (uint64_t)_i;
    ac_status status = AC_E_NO_MEMORY;

    options.block_passes = 1;
    options.block_tokens = options.judge_tokens = BATCH;
    options.end_tokens = BATCH;
    for (; status == AC_E_NO_MEMORY; at += 13) {
        memory.n_allocations = 0;
        memory.fail_at = at;
        status = recover();
        ck_assert_uint_eq(memory.used_bytes, used);
        ck_assert(status == AC_OK || before == sum_of(&student));
    }
    memory.fail_at = 0;
    ck_assert_int_eq(status, AC_OK);
    ck_assert_uint_gt(at, 100);
}
END_TEST

Suite *test_recover_suite(void);
Suite *test_recover_suite(void)
{
    Suite *suite = suite_create("test_recover");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, neurons_that_were_copies_are_made_up_for);
    tcase_add_test(tests, the_whole_student_follows_the_teacher);
    tcase_add_test(tests, factors_are_tuned);
    tcase_add_test(tests, answers_alone_are_a_teacher);
    tcase_add_test(tests, threads_change_no_bit);
    tcase_add_test(tests, nothing_to_recover_changes_nothing);
    tcase_add_loop_test(tests, a_stopped_recovery_leaves_the_student, 1, 3);
    tcase_add_loop_test(tests, a_stopped_recovery_leaves_the_student, 29, 31);
    tcase_add_test(tests, time_ends_it);
    tcase_add_test(tests, numbers_that_are_not_finite_stop_it);
    tcase_add_test(tests, what_makes_no_sense_is_refused);
    tcase_add_loop_test(tests, failed_allocations_leak_nothing, 0, 3);
    suite_add_tcase(suite, tests);
    return suite;
}
