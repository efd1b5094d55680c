/* test_calibration_make.c - statistics of a model's inputs: against what
 * PyTorch saw in float64, and what happens when making them goes wrong.
 * tests/golden/make_calibration.py is the recipe of the golden. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/checkpoint_tokenizer.h"
#include "platform/files.h"
#include "workshop/compress/calibration.h"
#include "workshop/compress/calibration_text.h"

#define MODEL "tests/golden/models/llama-tied-bias"
#define TEXT "tests/golden/calibration/text.jsonl"
#define GOLDEN "tests/golden/calibration/llama-tied-bias.bin"

static aci_memory memory;
static aci_pool *pool;
static aci_checkpoint *checkpoint;
static aci_tokenizer *tokenizer;
static ac_error error;
static char folder[64], path[96], told[4096];
static const char *files[1] = { TEXT };

static void open_model(const char *name)
{
    ck_assert_msg(aci_model_checkpoint_open(&checkpoint, &memory, name,
                                            &error) == AC_OK,
                  "%s", error.message);
}

static void set_up(void)
{
    ac_error empty = AC_ERROR_INIT;

    error = empty;
    told[0] = '\0';
    files[0] = TEXT;
    aci_platform_memory_init(&memory);
    strcpy(folder, "/tmp/ac-test-calibration-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/made.acc", folder);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 2, NULL), AC_OK);
    ck_assert_int_eq(aci_api_byte_tokenizer(&tokenizer, &memory, NULL),
                     AC_OK);
    open_model(MODEL);
}

static void tear_down(void)
{
    char command[128];

    aci_model_checkpoint_close(checkpoint);
    aci_tokenizer_close(tokenizer);
    aci_platform_pool_free(pool);
    ck_assert_uint_eq(memory.used_bytes, 0);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void on_log(int32_t level, const char *text, void *user)
{
    size_t n = strlen(told);

    (void)level;
    (void)user;
    snprintf(told + n, sizeof told - n, "%s\n", text);
}

static aci_calibration_request request_for(const char *where)
{
    aci_calibration_request request = { .checkpoint = checkpoint,
                                        .tokenizer = tokenizer,
                                        .files = files,
                                        .n_files = 1,
                                        .path = where,
                                        .on_log = on_log };

    return request;
}

static aci_calibration *make(void)
{
    aci_calibration_request request = request_for(path);
    aci_calibration *made = NULL;

    ck_assert_msg(aci_workshop_calibration_make(&made, &memory, pool,
                                                &request, &error) == AC_OK,
                  "%s", error.message);
    return made;
}

static ac_status try_make(const aci_calibration_request *request)
{
    aci_calibration *made = NULL;
    ac_status status = aci_workshop_calibration_make(&made, &memory, pool,
                                                     request, &error);

    aci_workshop_calibration_close(made);
    return status;
}

static int n_files_left(void)
{
    char command[128];
    FILE *pipe;
    int n = -1;

    snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
    pipe = popen(command, "r");
    ck_assert_int_eq(fscanf(pipe, "%d", &n), 1);
    pclose(pipe);
    return n;
}

static size_t triangle(int32_t n)
{
    return (size_t)n * ((size_t)n + 1) / 2;
}

/* float32 sums of float32 activations against float64 ones. */
static void expect_near(const float *got, const float *want, size_t n,
                        const char *what)
{
    double most = 0.0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)want[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= 2e-5 * most,
                      "%s %zu: %g, not %g", what, i, (double)got[i],
                      (double)want[i]);
}

static const float *check_input(const aci_calibration *c, const float *golden,
                                int32_t layer, int32_t input)
{
    aci_input_statistics s;

    aci_workshop_calibration_input(&s, c, layer, input);
    ck_assert_int_eq(s.n, 64);
    expect_near(s.mean, golden, 64, "mean");
    expect_near(s.largest, golden + 64, 64, "largest");
    expect_near(s.moments, golden + 128, triangle(64), "moment");
    return golden + 128 + triangle(64);
}

START_TEST(pytorch_saw_the_same)
{
    size_t n_golden;
    char *bytes;
    const float *golden;
    aci_calibration *c = make();

    ck_assert_int_eq(aci_platform_read_file(&bytes, &n_golden, &memory,
                                            GOLDEN, 1 << 20, NULL), AC_OK);
    golden = (const float *)(const void *)bytes;
    ck_assert_uint_eq(c->n_tokens, 56 + 45 + 6);
    for (int32_t layer = 0; layer < 2; layer++) {
        double attention, feed_forward;

        for (int input = 0; input < ACI_N_LAYER_INPUTS; input++)
            golden = check_input(c, golden, layer, input);
        aci_workshop_calibration_cosines(&attention, &feed_forward, c, layer);
        ck_assert_double_eq_tol(attention, (double)golden[0], 1e-5);
        ck_assert_double_eq_tol(feed_forward, (double)golden[1], 1e-5);
        golden += 2;
    }
    golden = check_input(c, golden, 2, ACI_INPUT_HEAD);
    ck_assert_ptr_eq((const char *)golden, bytes + n_golden);
    aci_platform_free(&memory, bytes);
    aci_workshop_calibration_close(c);
}
END_TEST

START_TEST(moments_are_whole_and_symmetric)
{
    aci_calibration *c = make();
    aci_input_statistics s;
    double h[64 * 64];

    aci_workshop_calibration_input(&s, c, 1, ACI_INPUT_DOWN);
    aci_workshop_calibration_moments(h, &s);
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 64; j++)
            ck_assert_double_eq(h[i * 64 + j],
                                (double)s.moments[i > j
                                                      ? i * (i + 1) / 2 + j
                                                      : j * (j + 1) / 2 + i]);
    aci_workshop_calibration_close(c);
}
END_TEST

/* A text of several batches, so that sums over batches are tried too. */
static void write_long_text(void)
{
    static char name[96];
    FILE *file;

    snprintf(name, sizeof name, "%s/long.txt", folder);
    file = fopen(name, "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 200; i++)
        fprintf(file, "Line %d of a text that says %d little.\n\n\n", i,
                i * i);
    fclose(file);
    files[0] = name;
}

START_TEST(threads_do_not_matter)
{
    char other[96];
    char *a, *b;
    size_t n_a, n_b;

    write_long_text();
    aci_workshop_calibration_close(make());
    aci_platform_pool_free(pool);
    ck_assert_int_eq(aci_platform_pool_create(&pool, &memory, 5, NULL), AC_OK);
    strcpy(other, path);
    snprintf(path, sizeof path, "%s/other.acc", folder);
    aci_workshop_calibration_close(make());
    ck_assert_int_eq(aci_platform_read_file(&a, &n_a, &memory, other, 1 << 20,
                                            NULL), AC_OK);
    ck_assert_int_eq(aci_platform_read_file(&b, &n_b, &memory, path, 1 << 20,
                                            NULL), AC_OK);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_mem_eq(a, b, n_a);
    aci_platform_free(&memory, a);
    aci_platform_free(&memory, b);
}
END_TEST

START_TEST(a_file_that_is_there_is_taken)
{
    aci_workshop_calibration_close(make());
    ck_assert_ptr_null(strstr(told, "taken"));
    aci_workshop_calibration_close(make());
    ck_assert_ptr_nonnull(strstr(told, "taken"));
}
END_TEST

START_TEST(a_file_of_other_text_or_model_is_refused)
{
    aci_calibration_request request;

    aci_workshop_calibration_close(make());
    request = request_for(path);
    request.n_tokens = 60;
    ck_assert_int_eq(try_make(&request), AC_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.message, "text"));
    aci_model_checkpoint_close(checkpoint);
    open_model("tests/golden/models/llama"); /* the same shape but for ties */
    request = request_for(path);
    ck_assert_int_eq(try_make(&request), AC_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(error.message, "model"));
}
END_TEST

typedef struct watch {
    int n_calls, stop_at;
    uint64_t done, total;
} watch;

static int32_t on_progress(const ac_progress *progress, void *user)
{
    watch *seen = user;

    ck_assert_str_eq(progress->stage, "calibrate");
    ck_assert_uint_ge(progress->done, seen->done);
    seen->done = progress->done;
    seen->total = progress->total;
    return ++seen->n_calls == seen->stop_at;
}

START_TEST(progress_reaches_its_total_and_can_stop)
{
    aci_calibration_request request = request_for(path);
    watch seen = { 0 };
    int n_calls;

    write_long_text();
    request.files = files;
    request.on_progress = on_progress;
    request.progress_user = &seen;
    ck_assert_int_eq(try_make(&request), AC_OK);
    ck_assert_uint_eq(seen.done, seen.total);
    ck_assert_int_eq(unlink(path), 0);
    n_calls = seen.n_calls;
    ck_assert_int_gt(n_calls, 4);
    for (int stop_at = 1; stop_at <= n_calls; stop_at++) {
        seen = (watch){ .stop_at = stop_at };
        ck_assert_int_eq(try_make(&request), AC_E_CANCELLED);
        ck_assert_int_eq(n_files_left(), 1); /* the text */
    }
}
END_TEST

/* The limit is the allocator's: to succeed is to have stayed below it. */
START_TEST(less_memory_means_fewer_tokens_then_a_refusal)
{
    aci_calibration_request request = request_for(path);
    uint64_t needed = 0;
    unsigned long long tokens = 0, of = 0, mib = 0;

    write_long_text();
    request.files = files;
    ck_assert_int_eq(try_make(&request), AC_OK);
    ck_assert_ptr_nonnull(strstr(told, "MiB"));
    ck_assert_int_eq(sscanf(told, "calibration: %llu tokens, %llu MiB",
                            &tokens, &mib), 2);
    ck_assert_int_eq(unlink(path), 0);
    memory.limit_bytes = mib << 20; /* what it said is enough */
    told[0] = '\0';
    ck_assert_msg(try_make(&request) == AC_OK, "%s", error.message);
    ck_assert_ptr_null(strstr(told, "leaves room"));
    ck_assert_int_eq(unlink(path), 0);
    for (needed = mib << 20; memory.limit_bytes > 0; needed -= 65536) {
        told[0] = '\0';
        memory.limit_bytes = needed;
        if (try_make(&request) != AC_OK)
            break;
        ck_assert_int_eq(unlink(path), 0);
        if (sscanf(told, "calibration: the memory limit leaves room for %llu "
                         "of %llu", &tokens, &of) == 2)
            ck_assert_uint_lt(tokens, of);
    }
    ck_assert_uint_ne(of, 0);
    ck_assert_int_eq(error.status, AC_E_NO_MEMORY);
    ck_assert_int_eq(n_files_left(), 1);
    memory.limit_bytes = 0;
}
END_TEST

START_TEST(failing_allocations_leave_nothing)
{
    aci_calibration_request request = request_for(path);
    uint64_t before = memory.used_bytes;
    ac_status status = AC_E_NO_MEMORY;

    for (uint64_t n = 1; status != AC_OK; n++) {
        memory.n_allocations = 0;
        memory.fail_at = n;
        status = try_make(&request);
        memory.fail_at = 0;
        ck_assert_uint_eq(memory.used_bytes, before);
        ck_assert(status == AC_OK || status == AC_E_NO_MEMORY);
    }
}
END_TEST

START_TEST(a_full_disk_leaves_nothing)
{
    struct rlimit limit = { 20000, 20000 };
    aci_calibration_request request = request_for(path);

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(try_make(&request), AC_E_DISK_FULL);
    ck_assert_int_eq(n_files_left(), 0);
}
END_TEST

/* Weights in the range of float16's largest square away in the feed-forward
 * of the last layer. */
START_TEST(numbers_that_are_not_finite_are_named)
{
    char command[512], model[96];
    aci_calibration_request request;

    snprintf(model, sizeof model, "%s/model", folder);
    snprintf(command, sizeof command,
             "mkdir %s && cp " MODEL "/config.json %s && "
             "cp " MODEL "/model.safetensors %s", model, model, model);
    ck_assert_int_eq(system(command), 0);
    {
        /* bfloat16 0x7F00 is 1.7e38: finite, its products are not */
        char file[128];
        size_t n;
        char *bytes, *at;
        FILE *out;
        unsigned long long first = 0, last = 0, header = 0;

        snprintf(file, sizeof file, "%s/model.safetensors", model);
        ck_assert_int_eq(aci_platform_read_file(&bytes, &n, &memory, file,
                                                1 << 24, NULL), AC_OK);
        memcpy(&header, bytes, 8);
        at = strstr(bytes + 8, "model.layers.1.mlp.up_proj.weight");
        ck_assert_ptr_nonnull(at);
        at = strstr(at, "data_offsets");
        ck_assert_int_eq(sscanf(strchr(at, '['), "[%llu,%llu", &first, &last),
                         2);
        for (size_t i = first; i < last; i += 2)
            memcpy(bytes + 8 + header + i, "\x00\x7F", 2);
        out = fopen(file, "wb");
        ck_assert_uint_eq(fwrite(bytes, 1, n, out), n);
        fclose(out);
        aci_platform_free(&memory, bytes);
    }
    aci_model_checkpoint_close(checkpoint);
    open_model(model);
    request = request_for(path);
    ck_assert_int_eq(try_make(&request), AC_E_NUMERIC);
    ck_assert_msg(strstr(error.message, "layer 1, the input of down") != NULL,
                  "%s", error.message);
    ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(an_empty_text_is_refused)
{
    aci_calibration_request request = request_for(path);
    static char name[96];
    FILE *file;

    snprintf(name, sizeof name, "%s/empty.txt", folder);
    file = fopen(name, "w");
    fclose(file);
    files[0] = name;
    ck_assert_int_eq(try_make(&request), AC_E_ARGUMENT);
    files[0] = "/nowhere.txt";
    ck_assert_int_eq(try_make(&request), AC_E_NOT_FOUND);
}
END_TEST

/* ---- the file ------------------------------------------------------------ */

static void write_bytes(const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

START_TEST(damage_is_seen)
{
    const aci_shape *shape = aci_model_checkpoint_shape(checkpoint);
    aci_calibration *c;
    size_t n;
    char *bytes;

    aci_workshop_calibration_close(make());
    ck_assert_int_eq(aci_platform_read_file(&bytes, &n, &memory, path, 1 << 20,
                                            NULL), AC_OK);
    for (size_t at = 0; at < n; at += at < 128 ? 1 : 997) {
        ac_status status;

        bytes[at] = (char)(bytes[at] ^ 0x40);
        write_bytes(bytes, n);
        status = aci_workshop_calibration_open(&c, &memory, path, shape,
                                               &error);
        ck_assert_msg(status == AC_E_FORMAT || status == AC_E_UNSUPPORTED,
                      "byte %zu: %d", at, (int)status);
        ck_assert_ptr_null(c);
        bytes[at] = (char)(bytes[at] ^ 0x40);
    }
    for (size_t size = 0; size < n; size += size < 200 ? 7 : 1999) {
        write_bytes(bytes, size);
        ck_assert_int_eq(aci_workshop_calibration_open(&c, &memory, path,
                                                       shape, &error),
                         AC_E_FORMAT);
    }
    write_bytes(bytes, n);
    ck_assert_int_eq(aci_workshop_calibration_open(&c, &memory, path, shape,
                                                   &error), AC_OK);
    aci_workshop_calibration_close(c);
    aci_platform_free(&memory, bytes);
}
END_TEST

Suite *test_calibration_make_suite(void);
Suite *test_calibration_make_suite(void)
{
    Suite *suite = suite_create("test_calibration_make");
    TCase *test = tcase_create("calibration");

    tcase_add_checked_fixture(test, set_up, tear_down);
    tcase_set_timeout(test, 60);
    tcase_add_test(test, pytorch_saw_the_same);
    tcase_add_test(test, moments_are_whole_and_symmetric);
    tcase_add_test(test, threads_do_not_matter);
    tcase_add_test(test, a_file_that_is_there_is_taken);
    tcase_add_test(test, a_file_of_other_text_or_model_is_refused);
    tcase_add_test(test, progress_reaches_its_total_and_can_stop);
    tcase_add_test(test, less_memory_means_fewer_tokens_then_a_refusal);
    tcase_add_test(test, failing_allocations_leave_nothing);
    tcase_add_test(test, a_full_disk_leaves_nothing);
    tcase_add_test(test, numbers_that_are_not_finite_are_named);
    tcase_add_test(test, an_empty_text_is_refused);
    tcase_add_test(test, damage_is_seen);
    suite_add_tcase(suite, test);
    return suite;
}
