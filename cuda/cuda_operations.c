/* cuda_operations.c - the operations on rows and the products of backend.h:
 * which kernels run, in which order. */
#include "cuda/cuda_backend.h"

/* ---- rows ---------------------------------------------------------------- */

ac_status aci_cuda_run_embed(aci_backend *backend, float *out,
                             const aci_linear *table, const int32_t *tokens,
                             int32_t n_rows, ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    if (status == AC_OK &&
        !aci_cuda_is_recording(cuda)) /* else begin_step did */
        status = aci_cuda_host_to(backend, cuda->tokens, tokens,
                                  (size_t)n_rows * sizeof *tokens, error);
    if (status != AC_OK)
        return status;
    return aci_cuda_check(
        cuda, aci_cuda_embed(out, table, cuda->tokens, n_rows, cuda->queue),
        "embed", error);
}

ac_status aci_cuda_run_norm(aci_backend *backend, float *out, const float *x,
                            const float *weight, int32_t n_rows, int32_t width,
                            float eps, ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    if (status != AC_OK)
        return status;
    return aci_cuda_check(cuda,
                          aci_cuda_norm(out, x, (size_t)width, weight, n_rows,
                                        width, eps, cuda->queue),
                          "norm", error);
}

/* ---- products ------------------------------------------------------------ */

/* The rows of the input, quantised for `first` and all that share it. */
static cudaError_t quantise(aci_cuda_activations *out, aci_cuda_backend *cuda,
                            const aci_linear *first, const aci_input *input,
                            int32_t n_rows)
{
    *out = cuda->activations;
    out->n_rows = n_rows;
    out->n_in_padded = first->weight->n_in_padded;
    out->group = first->weight->group;
    out->bits = first->activation_bits;
    out->is_wide = cuda->uses_wide && aci_cuda_wide_takes(out);
    return aci_cuda_quantise(out, input, first->weight->n_in, cuda->queue);
}

static ac_status run_quantised(aci_cuda_backend *cuda,
                               const aci_product *products, int32_t n_products,
                               const aci_input *input, int32_t n_rows,
                               ac_error *error)
{
    aci_cuda_activations a;
    cudaError_t result =
        quantise(&a, cuda, &products[0].linear, input, n_rows);

    if (result == cudaSuccess && n_rows <= ACI_CUDA_FEW_ROWS)
        result = aci_cuda_multiply_few(products, n_products, &a, cuda->queue);
    else if (result == cudaSuccess && a.is_wide)
        result =
            aci_cuda_multiply_wide(products, n_products, &a, 0, cuda->queue);
    else if (result == cudaSuccess)
        result = aci_cuda_multiply_many(products, n_products, &a, cuda->queue);
    return aci_cuda_check(cuda, result, "a product", error);
}

static ac_status run_dense(aci_cuda_backend *cuda, const aci_product *products,
                           int32_t n_products, const aci_input *input,
                           int32_t n_rows, ac_error *error)
{
    cudaError_t result = cudaSuccess;
    int32_t i, width = products[0].linear.weight->n_in;
    const float *x = input->x;
    size_t x_stride = input->x_stride;

    if (input->norm_weight != NULL)
        result = aci_cuda_norm(cuda->changed, x, x_stride, input->norm_weight,
                               n_rows, width, input->norm_eps, cuda->queue);
    else if (input->up != NULL)
        result = aci_cuda_activate(cuda->changed, x, input->up, x_stride,
                                   n_rows, width, cuda->queue);
    if (input->norm_weight != NULL || input->up != NULL) {
        x = cuda->changed;
        x_stride = (size_t)width;
    }
    for (i = 0; i < n_products && result == cudaSuccess; i++)
        result = aci_cuda_multiply_dense(&products[i], x, x_stride, n_rows,
                                         cuda->queue);
    return aci_cuda_check(cuda, result, "a float32 product", error);
}

ac_status aci_cuda_run_project(aci_backend *backend,
                               const aci_product *products, int32_t n_products,
                               const aci_input *input, int32_t n_rows,
                               ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    if (status != AC_OK)
        return status;
    return (products[0].linear.weight_bits == 32 ? run_dense : run_quantised)(
        cuda, products, n_products, input, n_rows, error);
}

/* Room for the parts of products of low rank, per column: of a rank of 1024 and
 * groups of 128, eight rows. */
enum { PART_VALUES = 64 };

ac_status aci_cuda_pairs_open(aci_cuda_backend *cuda, ac_error *error)
{
    const size_t words = (1 + ACI_CUDA_MOST_TURNS) * sizeof(uint32_t);
    aci_cuda_together *t = &cuda->together;
    int n = 0, together = 0;
    cudaError_t result = cudaDeviceGetAttribute(
        &together, cudaDevAttrCooperativeLaunch, cuda->device);

    if (result == cudaSuccess)
        result = cudaDeviceGetAttribute(&n, cudaDevAttrMultiProcessorCount,
                                        cuda->device);
    if (result != cudaSuccess)
        return aci_cuda_check(cuda, result, "asking the device", error);
    t->n_processors = together ? n : 0;
    t->n_values = (size_t)cuda->max_width * PART_VALUES;
    t->arrived = aci_cuda_allocate(&cuda->base, words);
    t->values = aci_cuda_allocate(&cuda->base, t->n_values * sizeof(float));
    if (t->arrived == NULL || t->values == NULL)
        return aci_cuda_refuse(&cuda->base,
                               words + t->n_values * sizeof(float),
                               "products of low rank", error);
    t->turns = t->arrived + 1;
    return aci_cuda_check(cuda,
                          cudaMemsetAsync(t->arrived, 0, words, cuda->stream),
                          "clearing a barrier", error);
}

/* In one launch where the rows are few, else by launches of products. */
ac_status aci_cuda_run_project_pairs(aci_backend *backend,
                                     const aci_product *products,
                                     int32_t n_products,
                                     const aci_outer *outers, int32_t n_outers,
                                     const aci_input *input, int32_t n_rows,
                                     ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    aci_cuda_activations a;
    cudaError_t result;
    ac_status status;

    if (cuda->together.n_processors == 0 ||
        !aci_cuda_pairs_fit(products, n_products, outers, n_outers, n_rows))
        return aci_kernels_project_pairs(backend, products, n_products, outers,
                                         n_outers, input, n_rows, error);
    status = aci_cuda_enter(cuda, error);
    if (status != AC_OK)
        return status;
    result = quantise(&a, cuda, &products[0].linear, input, n_rows);
    if (result == cudaSuccess)
        result = aci_cuda_multiply_pairs(products, n_products, outers,
                                         n_outers, &a, &cuda->together,
                                         cuda->queue);
    return aci_cuda_check(cuda, result, "products of low rank", error);
}

/* ---- choosing ------------------------------------------------------------ */

/* All of them: sorting costs the device nothing beside the wait. */
ac_status aci_cuda_run_peaks(aci_backend *backend, aci_peaks *out,
                             const float *logits, int32_t n_rows,
                             int32_t n_vocab, int32_t n_best, float scale,
                             ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    ac_status status = aci_cuda_enter(cuda, error);

    (void)n_best;
    if (status == AC_OK)
        status = aci_cuda_grow_scratch(
            cuda, aci_cuda_peaks_bytes(n_rows, n_vocab), error);
    if (status == AC_OK)
        status = aci_cuda_check(
            cuda,
            aci_cuda_peaks(cuda->scratch, cuda->scratch_bytes, logits, n_rows,
                           n_vocab, scale, cuda->stream),
            "choosing tokens", error);
    return status == AC_OK
               ? aci_cuda_to_host(backend, out, cuda->scratch,
                                  (size_t)n_rows * sizeof *out, error)
               : status;
}
