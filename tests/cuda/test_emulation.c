/* test_emulation.c - what the emulated device finds of blocks that wait for
 * each other. */
#include <check.h>

#include "waiting_blocks.h"

Suite *test_emulation_suite(void);

enum { MOST = 32 }; /* 4 processors of 512 threads, blocks of 64 */

static cudaStream_t stream;
static uint32_t *out, *slots, *arrived;

static void setup(void)
{
    const size_t bytes = MOST * sizeof *out;

    emulation_plug(1);
    ck_assert_int_eq(cudaStreamCreateWithFlags(&stream, 0), cudaSuccess);
    ck_assert_int_eq(cudaMalloc((void **)&out, bytes), cudaSuccess);
    ck_assert_int_eq(cudaMalloc((void **)&slots, bytes), cudaSuccess);
    ck_assert_int_eq(cudaMalloc((void **)&arrived, sizeof *arrived),
                     cudaSuccess);
    ck_assert_int_eq(cudaMemsetAsync(arrived, 0, sizeof *arrived, stream),
                     cudaSuccess);
    ck_assert_int_eq(cudaMemsetAsync(slots, 0, bytes, stream), cudaSuccess);
}

static void teardown(void)
{
    emulation_plug(1); /* what failed is forgotten */
    emulation_order(0);
    cudaFree(out);
    cudaFree(slots);
    cudaFree(arrived);
    cudaStreamDestroy(stream);
}

/* How many blocks came to the sum of all; or -1, the launch failed. */
static int run(unsigned n_blocks, enum waiting_fault fault)
{
    uint32_t found[MOST];
    int n_right = 0;
    unsigned i;

    ck_assert_int_eq(waiting_blocks(out, slots, arrived, n_blocks, fault,
                                    stream), cudaSuccess);
    if (cudaStreamSynchronize(stream) != cudaSuccess)
        return -1;
    ck_assert_int_eq(cudaMemcpyAsync(found, out, n_blocks * sizeof *found,
                                     cudaMemcpyDeviceToHost, stream),
                     cudaSuccess);
    ck_assert_int_eq(cudaStreamSynchronize(stream), cudaSuccess);
    for (i = 0; i < n_blocks; i++)
        n_right += found[i] == n_blocks * (n_blocks + 1) / 2;
    return n_right;
}

/* Of any number, in any order, one launch after another over one word. */
START_TEST(blocks_wait_for_each_other)
{
    static const unsigned n_blocks[] = { 1, 5, MOST, 2, 7, MOST, 1, 1, 3 };
    unsigned order, i;

    for (order = 0; order < 5; order++) {
        emulation_order(order);
        for (i = 0; i < sizeof n_blocks / sizeof *n_blocks; i++)
            ck_assert_int_eq(run(n_blocks[i], WAITING_RIGHT),
                             (int)n_blocks[i]);
    }
}
END_TEST

START_TEST(a_block_that_does_not_wait_sees_too_little)
{
    unsigned order;

    for (order = 0; order < 5; order++) {
        ck_assert_int_eq(cudaMemsetAsync(slots, 0, MOST * sizeof *slots,
                                         stream), cudaSuccess);
        emulation_order(order);
        ck_assert_int_lt(run(MOST, WAITING_NOT), MOST);
    }
}
END_TEST

START_TEST(a_block_that_never_comes_is_found)
{
    ck_assert_int_eq(run(6, WAITING_ABSENT), -1);
}
END_TEST

START_TEST(blocks_that_are_not_there_at_once_must_not_wait)
{
    ck_assert_int_eq(run(2, WAITING_ALONE), -1);
}
END_TEST

START_TEST(more_blocks_than_the_device_holds_are_refused)
{
    ck_assert_int_eq(waiting_blocks(out, slots, arrived, MOST + 1,
                                    WAITING_RIGHT, stream),
                     cudaErrorCooperativeLaunchTooLarge);
}
END_TEST

Suite *test_emulation_suite(void)
{
    Suite *suite = suite_create("test_emulation");
    TCase *tc = tcase_create("waiting");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, blocks_wait_for_each_other);
    tcase_add_test(tc, a_block_that_does_not_wait_sees_too_little);
    tcase_add_test(tc, a_block_that_never_comes_is_found);
    tcase_add_test(tc, blocks_that_are_not_there_at_once_must_not_wait);
    tcase_add_test(tc, more_blocks_than_the_device_holds_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
