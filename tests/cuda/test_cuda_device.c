/* test_cuda_device.c - which devices are taken, which are refused, and that the
 * reason is told. On the emulated device; tests/programs/cuda_loading.sh asks
 * the real runtime with drivers that are not there or do not work. */
#include <check.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentcompress.h"
#include "emulated_runtime.h"

Suite *test_cuda_device_suite(void);

static const char zoo_path[] = "examples/models/base.zoo";

static void setup(void)
{
    emulation_plug(1);
}

static void teardown(void)
{
    emulation_plug(0);
}

static ac_engine *open_on(const char *device, ac_error *error)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    ac_engine *engine;

    options.device = device;
    options.n_threads = 1;
    return ac_open(&engine, zoo_path, &options, error) == AC_OK ? engine
                                                                : NULL;
}

/* cuda:N is refused with the reason, and auto takes the CPU and tells it. */
static void expect_refused(const char *device, const char *reason)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine;

    ck_assert_ptr_null(open_on(device, &error));
    ck_assert_int_eq(error.status, AC_E_DEVICE);
    ck_assert_msg(strncmp(error.message, device, strlen(device)) == 0 &&
                      strstr(error.message, reason) != NULL, "%s",
                  error.message);
    ck_assert_uint_eq(emulation_bytes(), 0);
    if (strcmp(device, "cuda:0") != 0)
        return;
    engine = open_on("auto", &error);
    ck_assert_ptr_nonnull(engine);
    ck_assert_int_eq(ac_describe(&info, engine, NULL), AC_OK);
    ck_assert_msg(strncmp(info.device, "cpu", 3) == 0 &&
                      strstr(info.device, reason) != NULL, "%s",
                  info.device);
    ac_close(engine);
}

START_TEST(a_device_that_is_not_there_is_refused)
{
    expect_refused("cuda:1", "there is 1");
    expect_refused("cuda:1023", "there is 1");
    emulation_plug(2);
    expect_refused("cuda:2", "there are 2");
    emulation_plug(0);
    expect_refused("cuda:0", "there is no NVIDIA driver");
}
END_TEST

START_TEST(a_driver_that_does_not_start_is_refused)
{
    emulation_fail_start(cudaErrorInitializationError);
    expect_refused("cuda:0", "initialization error");
}
END_TEST

START_TEST(a_device_without_code_is_refused)
{
    emulation_code(EMULATION_HAS_NO_CODE);
    expect_refused("cuda:0", "has no code for emulated device, sm_90");
}
END_TEST

START_TEST(the_description_says_what_runs)
{
    static const struct { int code; const char *found; } all[] = {
        { EMULATION_HAS_CODE, "cuda:0 emulated device, sm_90, driver 13.0" },
        { EMULATION_HAS_PTX,
          "cuda:0 emulated device, sm_90 from PTX, driver 13.0" } };
    int i;

    for (i = 0; i < 2; i++) {
        ac_engine_info info = AC_ENGINE_INFO_INIT;
        ac_error error = AC_ERROR_INIT;
        ac_engine *engine;

        emulation_code(all[i].code);
        engine = open_on("auto", &error);
        ck_assert_msg(engine != NULL, "%s", error.message);
        ck_assert_int_eq(ac_describe(&info, engine, NULL), AC_OK);
        ck_assert_str_eq(info.device, all[i].found);
        ac_close(engine);
    }
}
END_TEST

/* The child must not touch what the parent opened; the parent keeps it. */
START_TEST(a_fork_does_not_inherit_the_device)
{
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = open_on("cuda:0", &error);
    ac_session *session;
    int status = 0;
    pid_t child;

    ck_assert_msg(engine != NULL, "%s", error.message);
    child = fork();
    ck_assert_int_ne(child, -1);
    if (child == 0) {
        ac_status found = ac_session_open(&session, engine, NULL, &error);

        _exit(found == AC_E_DEVICE && strstr(error.message, "fork") ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(ac_session_open(&session, engine, NULL, NULL), AC_OK);
    ac_session_close(session);
    ac_close(engine);
}
END_TEST

Suite *test_cuda_device_suite(void)
{
    Suite *suite = suite_create("test_cuda_device");
    TCase *tc = tcase_create("devices");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_device_that_is_not_there_is_refused);
    tcase_add_test(tc, a_driver_that_does_not_start_is_refused);
    tcase_add_test(tc, a_device_without_code_is_refused);
    tcase_add_test(tc, the_description_says_what_runs);
    tcase_add_test(tc, a_fork_does_not_inherit_the_device);
    suite_add_tcase(suite, tc);
    return suite;
}
