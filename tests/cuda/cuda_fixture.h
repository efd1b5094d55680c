/* cuda_fixture.h - what the tests of cuda/ share: a CUDA backend, emulated or
 * (in the runner of `make gpu-check`) real, beside the CPU's
 * reference, and copies between them. Failures end the test. */
#ifndef TESTS_CUDA_CUDA_FIXTURE_H
#define TESTS_CUDA_CUDA_FIXTURE_H

#include "kernels/backend.h"

typedef struct cuda_fixture {
    aci_memory memory;
    aci_pool *pool;
    aci_backend *cpu, *cuda;
} cuda_fixture;

extern cuda_fixture fixture;

/* One device is plugged in, both backends are opened for this width. */
void cuda_fixture_open(int32_t max_width);
/* Everything was given back, on the host and on the device. */
void cuda_fixture_close(void);
/* New backends. What was adopted is known by its address for as long as a
 * backend is open: before other matrices may lie where old ones did. */
void cuda_fixture_reopen(int32_t max_width);

/* The order in which an emulated device runs its threads: 0 one after the
 * other, each other seed an order of its own; with odd ones asynchronous copies
 * are carried out at once, not at the wait for them. */
void cuda_fixture_order(unsigned seed);

void cuda_fixture_adopt(aci_matrix *matrix);
float *cuda_fixture_upload(const float *x, size_t n);
void cuda_fixture_download(float *out, const float *device, size_t n);
void cuda_fixture_release(void *device);

#endif
