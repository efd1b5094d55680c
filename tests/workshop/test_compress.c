/* test_compress.c - checkpoints into zoos: what is in them, and what is left
 * behind when making one goes wrong. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../model/store_fixture.h"
#include "model/tensor_list.h"
#include "model/weight_store.h"
#include "platform/files.h"
#include "platform/half.h"

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

static const char *tinystories(void)
{
    return data_path("models/tinystories-656k");
}

/* Compresses into an existing folder. */
static ac_status compress_into(const char *from, const char *folder,
                               const ac_compress_options *options,
                               uint32_t n_threads)
{
    aci_checkpoint *checkpoint;
    aci_pool *pool;
    ac_status status;

    ck_assert_int_eq(
        aci_platform_pool_create(&pool, &zoo_memory, n_threads, NULL), AC_OK);
    status = aci_model_checkpoint_open(&checkpoint, &zoo_memory, from,
                                       &zoo_error);
    ck_assert_msg(status == AC_OK, "%s", zoo_error.message);
    status = aci_workshop_compress(&zoo_memory, pool, checkpoint, folder,
                                   options, &zoo_error);
    aci_model_checkpoint_close(checkpoint);
    aci_platform_pool_free(pool);
    return status;
}

static void assert_same_zoo(const char *a, const char *b)
{
    zoo_assert_same(a, b, "weights.acw");
    zoo_assert_same(a, b, "zoo.json");
}

START_TEST(same_bytes_at_any_thread_count_and_memory)
{
    const char *from = tinystories();
    char other[128];

    if (from == NULL)
        return;
    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    ck_assert_int_eq(compress_into(from, zoo_path, NULL, 1), AC_OK);
    for (uint32_t threads = 2; threads <= 5; threads++) {
        snprintf(other, sizeof other, "%s/%u", zoo_folder, threads);
        ck_assert_int_eq(mkdir(other, 0777), 0);
        ck_assert_int_eq(compress_into(from, other, NULL, threads), AC_OK);
        assert_same_zoo(zoo_path, other);
    }
    snprintf(other, sizeof other, "%s/small", zoo_folder);
    ck_assert_int_eq(mkdir(other, 0777), 0);
    zoo_memory.limit_bytes = 1 << 20;
    ck_assert_int_eq(compress_into(from, other, NULL, 2), AC_OK);
    zoo_memory.limit_bytes = 0;
    assert_same_zoo(zoo_path, other);
}
END_TEST

static double plane_value(const aci_matrix *m, int32_t row, int32_t k,
                          int planes)
{
    int shift;
    size_t at = aci_matrix_nibble_at(m, row, k, &shift);
    int q = (m->plane_a[at] >> shift & 15) - 8;
    int r = (m->plane_b[at] >> shift & 15) - 8;
    int t = m->plane_c[aci_matrix_byte_at(m, row, k)] - 128;
    double s = (double)aci_platform_f32_from_f16(
        m->scales[aci_matrix_scale_at(m, row, k / m->group)]);

    if (planes == 1)
        return q * s;
    if (planes == 2)
        return (m->ratio * q + r) * s / m->ratio;
    return (256.0 * (m->ratio * q + r) + t) * s / (256.0 * m->ratio);
}

/* Relative errors of the planes over one matrix; padding must be zero. */
static void check_matrix(const aci_matrix *m, const float *values,
                         const char *name)
{
    double square = 0, error[4] = { 0 };
    int n_padding = 0;

    for (int32_t row = 0; row < m->n_strip * 16; row++)
        for (int32_t k = 0; k < m->n_in_padded; k++) {
            double w;

            if (row >= m->n_out || k >= m->n_in) {
                int shift;
                size_t at = aci_matrix_nibble_at(m, row, k, &shift);

                n_padding += (m->plane_a[at] >> shift & 15) != 8 ||
                             (m->plane_b[at] >> shift & 15) != 8 ||
                             m->plane_c[aci_matrix_byte_at(m, row, k)] != 128;
                continue;
            }
            w = (double)values[(size_t)row * (size_t)m->n_in + (size_t)k];
            square += w * w;
            for (int planes = 1; planes <= 3; planes++) {
                double e = w - plane_value(m, row, k, planes);

                error[planes] += e * e;
            }
        }
    ck_assert_msg(n_padding == 0, "%s", name);
    for (int i = 1; i <= 3; i++)
        error[i] = sqrt(error[i] / square);
    ck_assert_msg(error[1] < 0.13 && error[2] < 0.012 && error[3] < 5e-5,
                  "%s: %g %g %g", name, error[1], error[2], error[3]);
}

/* Every matrix of the zoo against the checkpoint it came from. */
static void check_zoo(const char *from, uint32_t group)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    aci_model *model, *reference;
    size_t n;

    options.group = group;
    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    ck_assert_msg(compress_into(from, zoo_path, &options, 2) == AC_OK, "%s",
                  zoo_error.message);
    ck_assert_msg(aci_model_open(&model, &zoo_memory, zoo_path, 1,
                                 &zoo_error) == AC_OK, "%s",
                  zoo_error.message);
    ck_assert_int_eq(aci_model_open(&reference, &zoo_memory, from, 0, NULL),
                     AC_OK);
    ck_assert_int_eq(model->group, group == 0 ? 64 : (int32_t)group);
    ck_assert_mem_eq(&model->shape, &reference->shape, sizeof model->shape);
    n = aci_model_tensor_count(&model->shape);
    for (size_t i = 0; i < n; i++) {
        aci_tensor tensor;

        aci_model_tensor_at(&tensor, &model->shape, i);
        if (tensor.is_matrix)
            check_matrix(aci_model_tensor_matrix(model, &tensor),
                         aci_model_tensor_matrix(reference, &tensor)->dense,
                         tensor.name);
        else
            ck_assert_mem_eq(*aci_model_tensor_vector(model, &tensor),
                             *aci_model_tensor_vector(reference, &tensor),
                             (size_t)tensor.n_in * sizeof(float));
    }
    aci_model_close(model);
    aci_model_close(reference);
}

START_TEST(tinystories_is_in_its_zoo)
{
    static const uint32_t groups[] = { 0, 32, 128 };
    const char *from = tinystories();

    if (from != NULL)
        check_zoo(from, groups[_i]);
}
END_TEST

/* Widths of 64 and 172: padding in both directions. */
START_TEST(narrow_gguf_is_in_its_zoo)
{
    const char *from = data_path("models/stories260k/stories260k-f32.gguf");

    if (from != NULL)
        check_zoo(from, 0);
}
END_TEST

typedef struct watch {
    int n_calls, stop_at, pipe;
    uint64_t last_done, total;
} watch;

static int32_t on_progress(const ac_progress *progress, void *user)
{
    watch *seen = user;

    ck_assert_str_eq(progress->stage, "quantize");
    ck_assert_uint_ge(progress->done, seen->last_done);
    ck_assert_uint_le(progress->done, progress->total);
    ck_assert(progress->seconds >= 0);
    ck_assert(isnan(progress->loss));
    seen->last_done = progress->done;
    seen->total = progress->total;
    seen->n_calls++;
    if (seen->pipe != 0 && seen->n_calls == 5) {
        ck_assert_int_eq(write(seen->pipe, "x", 1), 1);
        for (;;)
            pause();
    }
    return seen->n_calls == seen->stop_at;
}

START_TEST(progress_reaches_its_total)
{
    const char *from = tinystories();
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    watch seen = { 0 };

    if (from == NULL)
        return;
    options.on_progress = on_progress;
    options.progress_user = &seen;
    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    ck_assert_int_eq(compress_into(from, zoo_path, &options, 2), AC_OK);
    ck_assert_int_gt(seen.n_calls, 10);
    ck_assert_uint_eq(seen.last_done, seen.total);
}
END_TEST

START_TEST(cancelling_leaves_nothing)
{
    const char *from = tinystories();

    if (from == NULL)
        return;
    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    for (int stop_at = 1; stop_at < 14; stop_at += 4) {
        ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
        watch seen = { .stop_at = stop_at };

        options.on_progress = on_progress;
        options.progress_user = &seen;
        ck_assert_int_eq(compress_into(from, zoo_path, &options, 2),
                         AC_E_CANCELLED);
        ck_assert_int_eq(zoo_n_files(zoo_path), 0);
    }
}
END_TEST

START_TEST(full_disk_leaves_nothing)
{
    const char *from = tinystories();
    struct rlimit limit = { 100000, 100000 };
    ac_status status;

    if (from == NULL)
        return;
    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    status = compress_into(from, zoo_path, NULL, 2);
    ck_assert_int_eq(status, AC_E_DISK_FULL);
    ck_assert_int_eq(zoo_n_files(zoo_path), 0);
}
END_TEST

START_TEST(failing_allocations_leave_nothing)
{
    const char *from = tinystories();
    aci_checkpoint *checkpoint;
    aci_pool *pool;
    uint64_t before;

    if (from == NULL)
        return;
    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &zoo_memory, 2, NULL),
                     AC_OK);
    ck_assert_int_eq(aci_model_checkpoint_open(&checkpoint, &zoo_memory, from,
                                               NULL), AC_OK);
    before = zoo_memory.used_bytes;
    for (uint64_t n = 1;; n += n < 40 ? 1 : 17) {
        ac_status status;

        zoo_memory.n_allocations = 0;
        zoo_memory.fail_at = n;
        status = aci_workshop_compress(&zoo_memory, pool, checkpoint,
                                       zoo_path, NULL, &zoo_error);
        zoo_memory.fail_at = 0;
        ck_assert_uint_eq(zoo_memory.used_bytes, before);
        if (status == AC_OK)
            break;
        ck_assert_int_eq(status, AC_E_NO_MEMORY);
        ck_assert_int_eq(aci_model_is_zoo(zoo_path), 0);
    }
    aci_model_checkpoint_close(checkpoint);
    aci_platform_pool_free(pool);
}
END_TEST

static void compress_and_be_killed(const char *from, int pipe_end)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    watch seen = { .pipe = pipe_end };
    char *temporary;

    options.on_progress = on_progress;
    options.progress_user = &seen;
    if (aci_platform_folder_begin(&temporary, &zoo_memory, zoo_path, false,
                                  NULL) == AC_OK)
        compress_into(from, temporary, &options, 2);
    _exit(0);
}

START_TEST(a_killed_run_leaves_no_zoo)
{
    const char *from = tinystories();
    char *temporary, byte;
    int ends[2], how;
    pid_t child;

    if (from == NULL)
        return;
    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    if (child == 0)
        compress_and_be_killed(from, ends[1]);
    close(ends[1]); /* a child that fails ends the read */
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFSIGNALED(how));
    ck_assert_int_ne(access(zoo_path, F_OK), 0);
    ck_assert_int_eq(aci_model_is_zoo(zoo_path), 0);
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &zoo_memory,
                                               zoo_path, false, NULL), AC_OK);
    ck_assert_int_eq(compress_into(from, temporary, NULL, 2), AC_OK);
    ck_assert_int_eq(aci_platform_folder_commit(&zoo_memory, temporary,
                                                zoo_path, NULL), AC_OK);
    ck_assert_int_eq(aci_model_is_zoo(zoo_path), 1);
}
END_TEST

START_TEST(an_existing_zoo_is_replaced_only_on_request)
{
    const char *from = tinystories();
    char *temporary;
    aci_model *model;

    if (from == NULL)
        return;
    zoo_synthesize("tiny", zoo_path, NULL, 1);
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &zoo_memory,
                                               zoo_path, false, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(aci_platform_folder_begin(&temporary, &zoo_memory,
                                               zoo_path, true, NULL), AC_OK);
    ck_assert_int_eq(compress_into(from, temporary, NULL, 2), AC_OK);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, zoo_path, 1, NULL),
                     AC_OK);
    ck_assert_int_eq(model->shape.n_vocab, 320); /* still the old one */
    aci_model_close(model);
    ck_assert_int_eq(aci_platform_folder_commit(&zoo_memory, temporary,
                                                zoo_path, NULL), AC_OK);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, zoo_path, 1, NULL),
                     AC_OK);
    ck_assert_int_eq(model->shape.n_vocab, 2048);
    aci_model_close(model);
}
END_TEST

/* Copies the checkpoint and puts `value` in the middle of its weights. */
static void poison(const char *from, char *to, float value)
{
    char command[1200], path[256];
    size_t n;
    uint8_t *bytes;

    sprintf(to, "%s/poisoned", zoo_folder);
    snprintf(command, sizeof command,
             "rm -rf %s && cp -r %s %s && chmod -R u+w %s", to, from, to, to);
    ck_assert_int_eq(system(command), 0);
    snprintf(path, sizeof path, "%s/model.safetensors", to);
    bytes = zoo_load(path, &n);
    memcpy(bytes + n / 8 * 4, &value, 4);
    zoo_save(path, bytes, n);
    free(bytes);
}

START_TEST(weights_that_are_no_numbers_are_named)
{
    static const float values[] = { NAN, INFINITY, 3e38f };
    const char *from = tinystories();
    char to[128];

    if (from == NULL)
        return;
    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    for (size_t i = 0; i < 3; i++) {
        poison(from, to, values[i]);
        ck_assert_int_eq(compress_into(to, zoo_path, NULL, 2), AC_E_NUMERIC);
        ck_assert_msg(strstr(zoo_error.message, "tensor") != NULL ||
                          strstr(zoo_error.message, "model.") != NULL, "%s",
                      zoo_error.message);
        ck_assert_int_eq(zoo_n_files(zoo_path), 0);
    }
}
END_TEST

START_TEST(wrong_options_are_refused)
{
    static const char *const wrong[] = { "int3", "", "int8,", "int8,int8",
                                         "full,full", "int8 ,int4",
                                         "int8,an-extremely-long-name-that-"
                                         "does-not-fit-anywhere" };
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    aci_pool *pool;

    ck_assert_int_eq(mkdir(zoo_path, 0777), 0);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &zoo_memory, 1, NULL),
                     AC_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        options.variants = wrong[i];
        ck_assert_int_eq(aci_workshop_synthesize(&zoo_memory, pool, "tiny",
                                                 zoo_path, &options,
                                                 &zoo_error), AC_E_ARGUMENT);
    }
    options.variants = NULL;
    options.group = 48;
    ck_assert_int_eq(aci_workshop_synthesize(&zoo_memory, pool, "tiny",
                                             zoo_path, &options, &zoo_error),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(aci_workshop_synthesize(&zoo_memory, pool, "huge",
                                             zoo_path, NULL, &zoo_error),
                     AC_E_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(zoo_error.message, "llama-3.2-1b"));
    ck_assert_int_eq(zoo_n_files(zoo_path), 0);
    aci_platform_pool_free(pool);
}
END_TEST

START_TEST(variants_are_listed_with_full_first)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    static const char *const names[] = { "full", "int4", "int4a16", "int8" };
    aci_model *model;

    options.variants = "int4,int4a16,full,int8";
    zoo_synthesize("tiny", zoo_path, &options, 1);
    ck_assert_int_eq(aci_model_open(&model, &zoo_memory, zoo_path, 0, NULL),
                     AC_OK);
    ck_assert_int_eq(model->n_variants, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_str_eq(model->variants[i].name, names[i]);
    aci_model_close(model);
}
END_TEST

START_TEST(synthetic_weights_follow_their_seed)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    char same[128], other[128];
    size_t n_a, n_b;
    uint8_t *a, *b;

    options.seed = 3;
    snprintf(same, sizeof same, "%s/same", zoo_folder);
    snprintf(other, sizeof other, "%s/other", zoo_folder);
    zoo_synthesize("tiny", zoo_path, &options, 1);
    zoo_synthesize("tiny", same, &options, 2);
    assert_same_zoo(zoo_path, same);
    options.seed = 4;
    zoo_synthesize("tiny", other, &options, 1);
    strcat(other, "/weights.acw");
    a = zoo_load(zoo_weights, &n_a);
    b = zoo_load(other, &n_b);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_int_ne(memcmp(a, b, n_a), 0);
    free(a);
    free(b);
}
END_TEST

Suite *test_compress_suite(void);
Suite *test_compress_suite(void)
{
    Suite *suite = suite_create("test_compress");
    TCase *tests = tcase_create("zoo");

    tcase_add_checked_fixture(tests, zoo_enter, zoo_leave);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, same_bytes_at_any_thread_count_and_memory);
    tcase_add_loop_test(tests, tinystories_is_in_its_zoo, 0, 3);
    tcase_add_test(tests, narrow_gguf_is_in_its_zoo);
    tcase_add_test(tests, progress_reaches_its_total);
    tcase_add_test(tests, cancelling_leaves_nothing);
    tcase_add_test(tests, full_disk_leaves_nothing);
    tcase_add_test(tests, failing_allocations_leave_nothing);
    tcase_add_test(tests, a_killed_run_leaves_no_zoo);
    tcase_add_test(tests, an_existing_zoo_is_replaced_only_on_request);
    tcase_add_test(tests, weights_that_are_no_numbers_are_named);
    tcase_add_test(tests, wrong_options_are_refused);
    tcase_add_test(tests, variants_are_listed_with_full_first);
    tcase_add_test(tests, synthetic_weights_follow_their_seed);
    suite_add_tcase(suite, tests);
    return suite;
}
