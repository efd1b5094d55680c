/* cuda_fixture.c - see cuda_fixture.h. */
#include "cuda_fixture.h"

#include <check.h>

#include "emulated_runtime.h"

cuda_fixture fixture;

static void open_backends(int32_t max_width)
{
    ac_error error = AC_ERROR_INIT;

    ck_assert_int_eq(aci_kernels_cpu_open(&fixture.cpu, &fixture.memory,
                                          fixture.pool, "reference",
                                          max_width, NULL), AC_OK);
    ck_assert_msg(aci_cuda_open(&fixture.cuda, &fixture.memory, 0, max_width, 0,
                                &error) == AC_OK, "%s", error.message);
}

static void close_backends(void)
{
    fixture.cpu->operations->close(fixture.cpu);
    fixture.cuda->operations->close(fixture.cuda);
}

void cuda_fixture_open(int32_t max_width)
{
    emulation_plug(1);
    aci_platform_memory_init(&fixture.memory);
    ck_assert_int_eq(aci_platform_pool_create(&fixture.pool, &fixture.memory,
                                              2, NULL), AC_OK);
    open_backends(max_width);
}

void cuda_fixture_close(void)
{
    close_backends();
    aci_platform_pool_free(fixture.pool);
    ck_assert_uint_eq(fixture.memory.used_bytes, 0);
    ck_assert_uint_eq(emulation_bytes(), 0);
}

void cuda_fixture_reopen(int32_t max_width)
{
    close_backends();
    open_backends(max_width);
}

void cuda_fixture_order(unsigned seed)
{
    emulation_order(seed);
}

void cuda_fixture_adopt(aci_matrix *matrix)
{
    ck_assert_int_eq(fixture.cuda->operations->adopt(fixture.cuda, matrix,
                                                     NULL), AC_OK);
}

float *cuda_fixture_upload(const float *x, size_t n)
{
    float *device = fixture.cuda->operations->allocate(fixture.cuda,
                                                       n * sizeof *x);

    ck_assert_ptr_nonnull(device);
    ck_assert_int_eq(fixture.cuda->operations->host_to(
                         fixture.cuda, device, x, n * sizeof *x, NULL),
                     AC_OK);
    return device;
}

void cuda_fixture_download(float *out, const float *device, size_t n)
{
    ac_error error = AC_ERROR_INIT;

    ck_assert_msg(fixture.cuda->operations->to_host(
                      fixture.cuda, out, device, n * sizeof *out, &error) ==
                      AC_OK, "%s", error.message);
}

void cuda_fixture_release(void *device)
{
    fixture.cuda->operations->release(fixture.cuda, device);
}
