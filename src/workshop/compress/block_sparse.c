/* block_sparse.c - see block_sparse.h. */
#include "workshop/compress/block_sparse.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"

/* Strip s as a matrix with units of 128 columns. */
static aci_prune_input strip_of(const aci_prune_input *input, int64_t s)
{
    aci_prune_input strip = *input;
    int64_t first = s * ACI_BLOCK_ROWS, left = input->n_out - first;

    strip.weights += first * input->n_in;
    strip.n_out = left < ACI_BLOCK_ROWS ? left : ACI_BLOCK_ROWS;
    strip.width = ACI_BLOCK_COLUMNS;
    return strip;
}

static ac_status allocate(aci_block_sparse *out, double **losses,
                          aci_memory *memory, const aci_prune_input *input,
                          ac_error *error)
{
    size_t strips, blocks;

    out->memory = memory;
    out->n_out = input->n_out;
    out->n_in = input->n_in;
    out->n_strips = (input->n_out + ACI_BLOCK_ROWS - 1) / ACI_BLOCK_ROWS;
    out->n_blocks = input->n_in / ACI_BLOCK_COLUMNS;
    strips = (size_t)out->n_strips;
    blocks = (size_t)out->n_blocks;
    out->kept = aci_platform_alloc_zeroed(memory, strips * blocks, 1);
    out->weights = aci_platform_alloc_zeroed(
        memory, (size_t)out->n_out * (size_t)out->n_in, sizeof(float));
    out->bias = aci_platform_alloc_array(memory, (size_t)out->n_out,
                                         sizeof(double));
    *losses = aci_platform_alloc_array(memory, strips * (blocks + 1),
                                       sizeof(double));
    if (out->kept && out->weights && out->bias && *losses)
        return AC_OK;
    return aci_platform_fail_memory(error, "block-sparse weights");
}

/* n_kept [n_strips]: blocks of each, `left` in all. The strip whose next block
 * costs least gives it up. */
static void share_out(int64_t *n_kept, const aci_block_sparse *out,
                      const double *losses, int64_t left)
{
    int64_t total = out->n_strips * out->n_blocks, s;

    for (s = 0; s < out->n_strips; s++)
        n_kept[s] = out->n_blocks;
    for (; total > left; total--) {
        double least = INFINITY;
        int64_t best = -1;

        for (s = 0; s < out->n_strips; s++) {
            const double *loss = losses + s * (out->n_blocks + 1);
            double more = n_kept[s] > 0 ? loss[n_kept[s] - 1] - loss[n_kept[s]]
                                        : INFINITY;

            if (more < least) {
                least = more;
                best = s;
            }
        }
        if (best < 0)
            return;
        n_kept[best]--;
    }
}

/* The weights of strip s with k blocks, at their places. */
static ac_status fill_strip(aci_block_sparse *out, aci_algebra *algebra,
                            const aci_prune_input *input, int64_t s, int64_t k,
                            ac_error *error)
{
    aci_prune_input strip = strip_of(input, s);
    int64_t first = s * ACI_BLOCK_ROWS, kept = k * ACI_BLOCK_COLUMNS, i, b;
    float *dense = NULL;
    aci_pruning p;
    ac_status status = aci_workshop_prune(&p, algebra, &strip, error);

    if (status != AC_OK)
        return status;
    dense = aci_platform_alloc_array(out->memory,
                                     (size_t)(strip.n_out * kept),
                                     sizeof *dense);
    status = dense ? aci_workshop_prune_compensate(dense, out->bias + first,
                                                   algebra, &p, k, error)
                   : aci_platform_fail_memory(error, "block-sparse weights");
    for (b = 0; b < k && status == AC_OK; b++) {
        out->kept[s * out->n_blocks + p.order[b]] = 1;
        for (i = 0; i < strip.n_out; i++)
            memcpy(out->weights + (first + i) * out->n_in +
                       p.order[b] * ACI_BLOCK_COLUMNS,
                   dense + i * kept + b * ACI_BLOCK_COLUMNS,
                   ACI_BLOCK_COLUMNS * sizeof *dense);
    }
    out->loss += p.loss[k];
    aci_platform_free(out->memory, dense);
    aci_workshop_pruning_free(&p);
    return status;
}

ac_status aci_workshop_block_sparse(aci_block_sparse *out,
                                    aci_algebra *algebra,
                                    const aci_prune_input *input, double share,
                                    ac_error *error)
{
    aci_memory *memory = aci_workshop_algebra_memory(algebra);
    double *losses = NULL;
    int64_t *n_kept = NULL, s;
    ac_status status = AC_OK;

    memset(out, 0, sizeof *out);
    if (input->n_in < 1 || input->n_in % ACI_BLOCK_COLUMNS != 0 ||
        input->n_out < 1 || !(share >= 0.0 && share <= 1.0))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a %lld x %lld matrix has no %g of its blocks",
                                 (long long)input->n_out,
                                 (long long)input->n_in, share);
    status = allocate(out, &losses, memory, input, error);
    n_kept = aci_platform_alloc_array(memory, (size_t)out->n_strips,
                                      sizeof *n_kept);
    if (status == AC_OK && n_kept == NULL)
        status = aci_platform_fail_memory(error, "block-sparse weights");
    for (s = 0; s < out->n_strips && status == AC_OK; s++) {
        aci_prune_input strip = strip_of(input, s);
        aci_pruning p;

        status = aci_workshop_prune(&p, algebra, &strip, error);
        if (status != AC_OK)
            break;
        memcpy(losses + s * (out->n_blocks + 1), p.loss,
               (size_t)(out->n_blocks + 1) * sizeof *losses);
        aci_workshop_pruning_free(&p);
    }
    if (status == AC_OK)
        share_out(n_kept, out, losses,
                  llround(share * (double)(out->n_strips * out->n_blocks)));
    for (s = 0; s < out->n_strips && status == AC_OK; s++)
        status = fill_strip(out, algebra, input, s, n_kept[s], error);
    aci_platform_free(memory, n_kept);
    aci_platform_free(memory, losses);
    if (status != AC_OK)
        aci_workshop_block_sparse_free(out);
    return status;
}

void aci_workshop_block_sparse_free(aci_block_sparse *sparse)
{
    aci_platform_free(sparse->memory, sparse->kept);
    aci_platform_free(sparse->memory, sparse->weights);
    aci_platform_free(sparse->memory, sparse->bias);
    memset(sparse, 0, sizeof *sparse);
}
