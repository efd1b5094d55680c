/* test_cuda_synthetic.c - zoos of random weights on a GPU: the windows onto one
 * block are copied like any file, the ladder runs, and what does not fit can be
 * left out. On the emulated device, or in `make gpu-check` on a real one. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "agentcompress.h"
#include "emulated_runtime.h"

Suite *test_cuda_synthetic_suite(void);

static const char ladder[] = "synthetic:tiny,n_layer=7,seed=4";
static ac_error error = AC_ERROR_INIT;

static void setup(void)
{
    emulation_plug(1);
}

static void teardown(void)
{
    emulation_plug(0);
}

static ac_status try_open(ac_engine **out, const char *path,
                          const char *device, uint64_t most_bytes)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;

    options.device = device;
    options.device_memory_limit_bytes = most_bytes;
    return ac_open(out, path, &options, &error);
}

static void judge(double *perplexity, const char *device)
{
    static const char text[] = "Eighteen bytes it.";
    ac_perplexity_options options = AC_PERPLEXITY_OPTIONS_INIT;
    ac_quality found[AC_MAX_VARIANTS] = { AC_QUALITY_INIT };
    ac_engine *engine;
    size_t n = 0, i;

    ck_assert_msg(try_open(&engine, ladder, device, 0) == AC_OK, "%s",
                  error.message);
    options.text = text;
    options.text_bytes = sizeof text - 1;
    ck_assert_msg(ac_perplexity(found, AC_MAX_VARIANTS, &n, NULL, engine, NULL,
                                &options, &error) == AC_OK, "%s",
                  error.message);
    ck_assert_uint_eq(n, 8);
    for (i = 0; i < n; i++)
        perplexity[i] = found[i].perplexity;
    ac_close(engine);
}

/* One activation in thousands is rounded the other way. */
START_TEST(every_variant_is_as_on_the_cpu)
{
    double cpu[AC_MAX_VARIANTS], cuda[AC_MAX_VARIANTS];
    int v;

    judge(cpu, "cpu");
    judge(cuda, "cuda:0");
    for (v = 0; v < 8; v++)
        ck_assert_msg(isfinite(cpu[v]) && fabs(cuda[v] / cpu[v] - 1.0) < 3e-3,
                      "variant %d: %g and %g", v, cpu[v], cuda[v]);
}
END_TEST

static uint64_t taken(const char *path)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_engine *engine;

    ck_assert_msg(try_open(&engine, path, "cuda:0", 0) == AC_OK, "%s: %s",
                  path, error.message);
    ck_assert_int_eq(ac_describe(&info, engine, &error), AC_OK);
    ac_close(engine);
    return info.device_bytes;
}

static uint64_t section(const char *path, const char *name)
{
    json_t *root;
    char *text;
    uint64_t n;

    ck_assert_int_eq(ac_inspect(&text, path, &error), AC_OK);
    root = json_loads(text, 0, NULL);
    n = (uint64_t)json_integer_value(json_object_get(
        json_object_get(json_object_get(root, "store"), "section_bytes"),
        name));
    json_decref(root);
    ac_free(text);
    return n;
}

/* Sections lie on pages, blocks on the device do not. */
static void check_saved(uint64_t whole, uint64_t part, uint64_t expected)
{
    ck_assert_msg(whole > part && whole - part <= expected &&
                      whole - part > expected - 60 * 4096,
                  "%llu less, not about %llu",
                  (unsigned long long)(whole - part),
                  (unsigned long long)expected);
}

/* Only what the variants read is on the device. */
START_TEST(planes_that_nobody_reads_are_not_copied)
{
    static const char all[] = "synthetic:smollm-135m,n_layer=2,n_vocab=1024,"
                              "variants=full+int8+int4h4";
    uint64_t whole = taken(all), no_full, no_int8;

    no_full = taken("synthetic:smollm-135m,n_layer=2,n_vocab=1024,"
                    "variants=int8+int4h4");
    check_saved(whole, no_full, section(all, "plane_c"));
    no_int8 = taken("synthetic:smollm-135m,n_layer=2,n_vocab=1024,"
                    "variants=int4h4");
    ck_assert_uint_lt(no_int8, no_full);
    ck_assert_uint_gt(no_int8, section(all, "plane_a"));
}
END_TEST

START_TEST(what_does_not_fit_is_refused_and_can_be_left_out)
{
    static const char all[] = "synthetic:smollm-135m,n_layer=8,n_vocab=1024";
    static const char some[] = "synthetic:smollm-135m,n_layer=8,n_vocab=1024,"
                               "variants=int8+int4";
    uint64_t limit = taken(some) + (4 << 20); /* and a session */
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_session_options session_options = AC_SESSION_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_session *session;
    ac_engine *engine;

    ck_assert_int_eq(try_open(&engine, all, "cuda:0", limit),
                     AC_E_NO_MEMORY);
    ck_assert_msg(strstr(error.message, "GiB of weights") != NULL, "%s",
                  error.message);
    ck_assert_msg(try_open(&engine, some, "cuda:0", limit) == AC_OK, "%s",
                  error.message);
    session_options.n_context = 32;
    ck_assert_int_eq(ac_session_open(&session, engine, &session_options,
                                     &error), AC_OK);
    options.variant = "full";
    options.max_tokens = 2;
    ck_assert_int_eq(ac_generate(&result, session, "abc", 3, &options,
                                 &error), AC_E_NOT_FOUND);
    options.variant = "int4";
    ck_assert_msg(ac_generate(&result, session, "abc", 3, &options, &error) ==
                      AC_OK, "%s", error.message);
    ac_session_close(session);
    ac_close(engine);
}
END_TEST

/* ---- progress ------------------------------------------------------------ */

typedef struct watching {
    uint64_t done, total, stop_at;
    int n;
} watching;

static int32_t watch(const ac_progress *progress, void *user)
{
    watching *w = user;

    ck_assert_str_eq(progress->stage, "upload");
    ck_assert_uint_gt(progress->done, w->done);
    ck_assert_uint_le(progress->done, progress->total);
    ck_assert(w->total == 0 || w->total == progress->total);
    w->done = progress->done;
    w->total = progress->total;
    return ++w->n && w->stop_at > 0 && w->done >= w->stop_at;
}

static ac_status open_watched(ac_engine **out, const char *device,
                              watching *w)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;

    options.device = device;
    options.on_progress = watch;
    options.progress_user = w;
    return ac_open(out, "synthetic:tiny", &options, &error);
}

START_TEST(copying_is_told_and_can_be_stopped)
{
    watching all = { .n = 0 }, some = { .n = 0 }, none = { .n = 0 };
    ac_engine *engine;

    ck_assert_int_eq(open_watched(&engine, "cuda:0", &all), AC_OK);
    ck_assert_uint_eq(all.done, all.total);
    ck_assert_int_gt(all.n, 15);
    ac_close(engine);
    some.stop_at = all.total / 2;
    ck_assert_int_eq(open_watched(&engine, "cuda:0", &some), AC_E_CANCELLED);
    ck_assert_ptr_null(engine);
    ck_assert_uint_lt(some.done, all.total);
    ck_assert_int_eq(open_watched(&engine, "cpu", &none), AC_OK);
    ck_assert_int_eq(none.n, 0); /* nothing is copied */
    ac_close(engine);
}
END_TEST

Suite *test_cuda_synthetic_suite(void)
{
    Suite *suite = suite_create("test_cuda_synthetic");
    TCase *tests = tcase_create("test_cuda_synthetic");

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_variant_is_as_on_the_cpu);
    tcase_add_test(tests, planes_that_nobody_reads_are_not_copied);
    tcase_add_test(tests, what_does_not_fit_is_refused_and_can_be_left_out);
    tcase_add_test(tests, copying_is_told_and_can_be_stopped);
    suite_add_tcase(suite, tests);
    return suite;
}
