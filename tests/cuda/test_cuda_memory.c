/* test_cuda_memory.c - a device that has too little memory, one that breaks,
 * and one that is not there, through the public interface. On the emulated
 * device alone: a real one cannot be told to fail. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "agentcompress.h"
#include "emulated_runtime.h"

Suite *test_cuda_memory_suite(void);

static const char zoo_path[] = "examples/models/base.zoo";

static void setup(void)
{
    emulation_plug(1);
}

/* All that was taken was given back, whatever happened. */
static void teardown(void)
{
    emulation_limit(0);
    ck_assert_uint_eq(emulation_bytes(), 0);
    emulation_plug(0);
}

static ac_engine *open_on(const char *device, uint64_t most_bytes)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine;

    options.device = device;
    options.device_memory_limit_bytes = most_bytes;
    ck_assert_msg(ac_open(&engine, zoo_path, &options, &error) == AC_OK, "%s",
                  error.message);
    return engine;
}

static ac_status open_session(ac_session **out, ac_engine *engine,
                              uint32_t n_context, ac_error *error)
{
    ac_session_options options = AC_SESSION_OPTIONS_INIT;

    options.n_context = n_context;
    return ac_session_open(out, engine, &options, error);
}

static ac_status say(ac_session *session, ac_error *error)
{
    static const char prompt[] = "Format this";
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;

    options.variant = "int8";
    options.max_tokens = 2;
    return ac_generate(&result, session, prompt, strlen(prompt), &options,
                       error);
}

static uint64_t taken(const ac_engine *engine)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;

    ck_assert_int_eq(ac_describe(&info, engine, NULL), AC_OK);
    return info.device_bytes;
}

/* ---- memory -------------------------------------------------------------- */

START_TEST(what_was_taken_is_what_the_device_lacks)
{
    ac_engine *cpu = open_on("cpu", 0), *cuda = open_on("cuda:0", 0);
    uint64_t before = taken(cuda);
    ac_session *session;

    ck_assert_uint_eq(taken(cpu), 0);
    ck_assert_uint_gt(before, 0);
    ck_assert_uint_eq(before, emulation_bytes());
    ck_assert_int_eq(open_session(&session, cuda, 64, NULL), AC_OK);
    ck_assert_uint_gt(taken(cuda), before);
    ck_assert_uint_eq(taken(cuda), emulation_bytes());
    ac_session_close(session);
    ck_assert_uint_eq(taken(cuda), before);
    ac_close(cuda);
    ac_close(cpu);
}
END_TEST

/* Every step of opening meets the bound in turn. */
START_TEST(a_zoo_that_does_not_fit_is_refused_with_the_numbers)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_engine *engine = open_on("cuda:0", 0);
    uint64_t whole = taken(engine);
    int i;

    ac_close(engine);
    options.device = "cuda:0";
    for (i = 1; i <= 24; i++) {
        ac_error error = AC_ERROR_INIT;
        char allowed[48];

        options.device_memory_limit_bytes = (whole - 1) * (uint64_t)i / 24;
        snprintf(allowed, sizeof allowed, "of %llu allowed",
                 (unsigned long long)options.device_memory_limit_bytes);
        ck_assert_int_eq(ac_open(&engine, zoo_path, &options, &error),
                         AC_E_NO_MEMORY);
        ck_assert_ptr_null(engine);
        ck_assert_msg(strstr(error.message, allowed) != NULL, "%s",
                      error.message);
        ck_assert_uint_eq(emulation_bytes(), 0);
    }
    ac_close(open_on("cuda:0", whole));
}
END_TEST

START_TEST(a_device_that_is_full_says_what_is_free)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine;

    emulation_limit(4 << 20);
    options.device = "cuda:0";
    ck_assert_int_eq(ac_open(&engine, zoo_path, &options, &error),
                     AC_E_NO_MEMORY);
    ck_assert_msg(strstr(error.message, "of 4194304 are free") != NULL, "%s",
                  error.message);
}
END_TEST

/* "auto" does not fall back to the CPU in silence: it says why. */
START_TEST(auto_takes_the_cpu_and_says_why)
{
    ac_engine *engine = open_on("auto", 1 << 20);
    ac_engine_info info = AC_ENGINE_INFO_INIT;

    ck_assert_int_eq(ac_describe(&info, engine, NULL), AC_OK);
    ck_assert_msg(strncmp(info.device, "cpu", 3) == 0 &&
                      strstr(info.device, "had no memory") != NULL, "%s",
                  info.device);
    ac_close(engine);
}
END_TEST

START_TEST(a_session_too_large_leaves_the_engine_usable)
{
    ac_engine *engine = open_on("cuda:0", 0);
    uint64_t whole = taken(engine), large, small;
    ac_error error = AC_ERROR_INIT;
    ac_session *session, *second;

    ck_assert_int_eq(open_session(&session, engine, 64, NULL), AC_OK);
    small = taken(engine) - whole;
    ac_session_close(session);
    ck_assert_int_eq(open_session(&session, engine, 256, NULL), AC_OK);
    large = taken(engine) - whole;
    ac_session_close(session);
    ac_close(engine);
    ck_assert_uint_gt(large, small);

    /* attention has its scratch: half a MiB is more than it needs here */
    engine = open_on("cuda:0", whole + small + (large - small) / 2);
    ck_assert_int_eq(open_session(&second, engine, 256, &error),
                     AC_E_NO_MEMORY);
    ck_assert_ptr_null(second);
    ck_assert_msg(strstr(error.message, "a cache of 256 tokens") != NULL,
                  "%s", error.message);
    ck_assert_uint_eq(taken(engine), whole);
    ck_assert_int_eq(open_session(&session, engine, 64, NULL), AC_OK);
    ck_assert_msg(say(session, &error) == AC_OK, "%s", error.message);
    ac_session_close(session);
    ac_close(engine);
}
END_TEST

/* ---- faults -------------------------------------------------------------- */

START_TEST(a_fault_is_told_from_then_on_and_stays_on_its_engine)
{
    ac_engine *cuda = open_on("cuda:0", 0), *cpu = open_on("cpu", 0);
    ac_session *session, *other, *late;
    ac_error first = AC_ERROR_INIT, error = AC_ERROR_INIT;

    ck_assert_int_eq(open_session(&session, cuda, 64, NULL), AC_OK);
    ck_assert_int_eq(open_session(&other, cpu, 64, NULL), AC_OK);
    ck_assert_int_eq(say(session, NULL), AC_OK);
    emulation_fail_launch(3);
    ck_assert_int_eq(say(session, &first), AC_E_DEVICE);
    ck_assert_msg(strstr(first.message, "unspecified launch failure") != NULL,
                  "%s", first.message);
    ck_assert_int_eq(say(session, &error), AC_E_DEVICE);
    ck_assert_msg(strstr(error.message, "unspecified launch failure") != NULL,
                  "%s", error.message);
    ck_assert_int_eq(open_session(&late, cuda, 64, &error), AC_E_DEVICE);
    ck_assert_ptr_null(late);
    ck_assert_msg(say(other, &error) == AC_OK, "%s", error.message);
    ac_session_close(session);
    ac_close(cuda);
    ck_assert_msg(say(other, &error) == AC_OK, "%s", error.message);
    ac_session_close(other);
    ac_close(cpu);
}
END_TEST

/* The fault may come at any launch of a request, while a pass is recorded or
 * replayed too. */
START_TEST(a_fault_at_any_launch_is_an_error)
{
    int n;

    for (n = 1; n < 400; n += 37) {
        ac_engine *engine;
        ac_session *session;
        ac_status status;

        emulation_plug(1);
        engine = open_on("cuda:0", 0);
        ck_assert_int_eq(open_session(&session, engine, 64, NULL), AC_OK);
        emulation_fail_launch(n);
        status = say(session, NULL);
        ck_assert_msg(status == AC_E_DEVICE || status == AC_OK, "%d", status);
        ac_session_close(session);
        ac_close(engine);
        ck_assert_uint_eq(emulation_bytes(), 0);
    }
}
END_TEST

Suite *test_cuda_memory_suite(void)
{
    Suite *suite = suite_create("test_cuda_memory");
    TCase *tc = tcase_create("memory and faults");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_was_taken_is_what_the_device_lacks);
    tcase_add_test(tc, a_zoo_that_does_not_fit_is_refused_with_the_numbers);
    tcase_add_test(tc, a_device_that_is_full_says_what_is_free);
    tcase_add_test(tc, auto_takes_the_cpu_and_says_why);
    tcase_add_test(tc, a_session_too_large_leaves_the_engine_usable);
    tcase_add_test(tc, a_fault_is_told_from_then_on_and_stays_on_its_engine);
    tcase_add_test(tc, a_fault_at_any_launch_is_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
