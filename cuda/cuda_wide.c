/* cuda_wide.c - whether a device multiplies by warpgroups (multiply_wide.cu).
 *
 * That kernel was written without a Hopper at hand. So, where the driver runs
 * our code for sm_90a, opening a backend lets it multiply a few awkward
 * matrices in every precision and group that it knows, and takes it into use
 * only if each result is, bit for bit, that of multiply_many.cu: uneven rows,
 * a partly filled block of strips, two products in a launch, columns that end
 * within a tile and before those stored, rings that wrap around, rows of zeros
 * and of very large and very small numbers. One megabyte on the device and on
 * the host, given back before the backend is used. */
#include "cuda/cuda_backend.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "platform/random.h"

enum {
    ROWS = 131,
    STRIDE = 256,
    N_IN = 700,
    N_STORED = 896,
    N_OUT = 54,
    N_CUT = 20, /* rows of the second product */
    NIBBLES = 4 * N_STORED / ACI_TILE_COLUMNS * ACI_NIBBLE_TILE_BYTES,
    LEAST_GROUP = 64,
    N_SCALES = 4 * N_STORED / LEAST_GROUP * ACI_STRIP_ROWS,
    N_LINES = N_STORED / LEAST_GROUP * STRIDE,
    PATIENCE = 1000 /* a wait of ten milliseconds will not end any more */
};

/* The same on the device and on the host. */
typedef struct wide_sample {
    _Alignas(16) uint8_t planes[4 * NIBBLES]; /* A, B, C */
    _Alignas(16) uint16_t scales[N_SCALES];
    _Alignas(16) float x[ROWS * N_IN];
    /* made on the device: */
    _Alignas(16) int8_t codes[2][N_STORED * STRIDE];
    _Alignas(16) float line_scales[N_LINES];
    _Alignas(16) int32_t line_sums[2][N_LINES];
    _Alignas(16) float out[2][ROWS * (N_OUT + N_CUT)]; /* by many, by wide */
} wide_sample;

static void fill_sample(wide_sample *s)
{
    aci_random dice;
    size_t i;

    aci_platform_random_seed(&dice, 90);
    for (i = 0; i < sizeof s->planes; i++)
        s->planes[i] = (uint8_t)(1 + aci_platform_random_below(&dice, 255));
    for (i = 0; i < N_SCALES; i++) /* float16 of 2^-7 .. 2^-3 */
        s->scales[i] =
            (uint16_t)(0x2000 + aci_platform_random_below(&dice, 0x1000));
    for (i = 0; i < (size_t)ROWS * N_IN; i++) {
        static const float sizes[] = { 1.0f, 0.0f, 1e4f, 1e-42f, 3.0f };

        s->x[i] = sizes[i / N_IN % 5] *
                  ((float)aci_platform_random_below(&dice, 20001) - 1e4f) *
                  1e-4f;
    }
}

/* One precision by one kernel: into out[by_wide]. */
static cudaError_t multiply_sample(aci_cuda_backend *cuda, wide_sample *d,
                                   int32_t weight_bits, int32_t bits,
                                   int32_t group, int by_wide)
{
    aci_matrix whole = { N_OUT, N_IN, aci_matrix_padded(N_IN, group), N_STORED,
                         4, group, 13, d->planes,
                         d->planes + NIBBLES, d->planes + 2 * NIBBLES,
                         d->scales, NULL };
    aci_matrix cut = aci_matrix_cut(&whole, N_CUT, N_IN);
    float *out = d->out[by_wide];
    aci_product products[2] = {
        { { &whole, d->x, weight_bits, bits }, out, N_OUT, 1 },
        { { &cut, NULL, weight_bits, bits }, out + ROWS * N_OUT, N_CUT, 0 } };
    aci_cuda_activations x = {
        d->codes[0], d->codes[1], d->line_scales, d->line_sums[0],
        d->line_sums[1], ROWS, STRIDE, whole.n_in_padded, group, bits,
        by_wide };
    const aci_input input = { .x = d->x, .x_stride = N_IN };
    cudaError_t result;

    cut.ratio = 9;
    result = cudaMemsetAsync(out, 0x3C, sizeof d->out[0], cuda->stream);
    if (result == cudaSuccess)
        result = aci_cuda_quantise(&x, &input, N_IN, cuda->stream);
    if (result != cudaSuccess)
        return result;
    return by_wide ? aci_cuda_multiply_wide(products, 2, &x, PATIENCE,
                                            cuda->stream)
                   : aci_cuda_multiply_many(products, 2, &x, cuda->stream);
}

/* *same: whether all that was tried came out the same. A launch that was
 * refused is a difference; a fault of the device is a failure. */
static ac_status compare_kernels(int *same, aci_cuda_backend *cuda,
                                 wide_sample *device, wide_sample *host,
                                 ac_error *error)
{
    static const int32_t precisions[][2] = { { 4, 8 }, { 8, 8 }, { 4, 16 },
                                             { 8, 16 }, { 16, 16 } };
    ac_status status;
    size_t i;

    *same = 1;
    fill_sample(host);
    status = aci_cuda_host_to(&cuda->base, device, host,
                              offsetof(wide_sample, codes), error);
    for (i = 0; i < 10 && status == AC_OK && *same; i++) {
        const int32_t *p = precisions[i / 2];
        int32_t group = i % 2 == 0 ? 64 : 128;
        int by_wide;

        for (by_wide = 0; by_wide < 2; by_wide++)
            if (multiply_sample(cuda, device, p[0], p[1], group, by_wide) !=
                cudaSuccess)
                *same = 0;
        cudaGetLastError(); /* what is lasting shows while copying */
        status = aci_cuda_to_host(&cuda->base, host->out, device->out,
                                  sizeof host->out, error);
        *same = *same && status == AC_OK &&
                memcmp(host->out[0], host->out[1], sizeof host->out[0]) == 0;
    }
    return status;
}

static void describe(aci_cuda_backend *cuda, const char *what)
{
    char *description = cuda->base.description;
    size_t used = strlen(description);

    snprintf(description + used, sizeof cuda->base.description - used, ", %s",
             what);
}

ac_status aci_cuda_try_wide(aci_cuda_backend *cuda, ac_error *error)
{
    wide_sample *host, *device;
    ac_status status = AC_OK;
    int same = 0;

    if (!aci_cuda_wide_image())
        return AC_OK;
    host = aci_platform_alloc_zeroed(cuda->base.memory, 1, sizeof *host);
    device = aci_cuda_allocate(&cuda->base, sizeof *device);
    if (host == NULL || device == NULL) {
        describe(cuda, "wgmma off: no memory for its self-test");
    } else {
        status = compare_kernels(&same, cuda, device, host, error);
        cuda->uses_wide = same;
        describe(cuda, same ? "wgmma" : "wgmma off: failed its self-test");
    }
    aci_cuda_release(&cuda->base, device);
    aci_platform_free(cuda->base.memory, host);
    return status;
}
