/* cuda_attention.c - rotary positions and attention: where rows sit, and the
 * memory that parts of a long cache are joined in. */
#include "cuda/cuda_backend.h"

#include <string.h>

/* Rows as kernels see them; positions go to the device when they are other
 * than those it has: once a forward pass, not once a layer. */
ac_status aci_cuda_place_rows(aci_cuda_rows *out, aci_cuda_backend *cuda,
                              const aci_span *spans, int32_t n_spans,
                              ac_error *error)
{
    int32_t positions[ACI_MAX_ROWS], s, i, n = 0;

    for (s = 0; s < n_spans; s++) {
        out->first_row[s] = n;
        out->kv[s] = *spans[s].kv;
        for (i = 0; i < spans[s].n_rows; i++)
            positions[n++] = spans[s].first_position + i;
    }
    out->first_row[n_spans] = n;
    out->n_spans = n_spans;
    out->n_rows = n;
    out->positions = cuda->positions;
    if (n <= cuda->n_seen && memcmp(positions, cuda->seen_positions,
                                    (size_t)n * sizeof *positions) == 0)
        return AC_OK;
    memcpy(cuda->seen_positions, positions, (size_t)n * sizeof *positions);
    cuda->n_seen = n;
    return aci_cuda_host_to(&cuda->base, cuda->positions, positions,
                            (size_t)n * sizeof *positions, error);
}

/* The session's table of frequencies, likewise. */
ac_status aci_cuda_place_frequencies(aci_rope *rope, aci_cuda_backend *cuda,
                                     ac_error *error)
{
    int32_t n = rope->n_rotary / 2;
    size_t bytes = (size_t)n * sizeof(float);

    if (n > cuda->max_width)
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "%d rotary pairs are too many", (int)n);
    if (n != cuda->n_frequencies ||
        memcmp(cuda->seen_frequencies, rope->inverse_frequency, bytes) != 0) {
        ac_status status =
            aci_cuda_host_to(&cuda->base, cuda->frequencies,
                             rope->inverse_frequency, bytes, error);

        if (status != AC_OK)
            return status;
        memcpy(cuda->seen_frequencies, rope->inverse_frequency, bytes);
        cuda->n_frequencies = n;
    }
    rope->inverse_frequency = cuda->frequencies;
    return AC_OK;
}

ac_status aci_cuda_run_rotate_append(aci_backend *backend, float *q, float *k,
                                     const float *v, const aci_span *spans,
                                     int32_t n_spans,
                                     const aci_attention *attention,
                                     ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    aci_attention placed = *attention;
    aci_cuda_rows rows;
    ac_status status = aci_cuda_enter(cuda, error);

    if (status == AC_OK)
        status = aci_cuda_place_rows(&rows, cuda, spans, n_spans, error);
    if (status == AC_OK)
        status = aci_cuda_place_frequencies(&placed.rope, cuda, error);
    if (status != AC_OK)
        return status;
    return aci_cuda_check(
        cuda, aci_cuda_rotate_append(q, k, v, &rows, &placed, cuda->queue),
        "rotary positions", error);
}

int32_t aci_cuda_longest(const aci_span *spans, int32_t n_spans)
{
    int32_t longest = 0, s;

    for (s = 0; s < n_spans; s++)
        if (spans[s].first_position + spans[s].n_rows > longest)
            longest = spans[s].first_position + spans[s].n_rows;
    return longest;
}

ac_status aci_cuda_run_attend(aci_backend *backend, float *out, const float *q,
                              const aci_span *spans, int32_t n_spans,
                              const aci_attention *attention, ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    aci_cuda_rows rows;
    int32_t longest;
    ac_status status = aci_cuda_enter(cuda, error);

    if (status == AC_OK)
        status = aci_cuda_place_rows(&rows, cuda, spans, n_spans, error);
    longest = aci_cuda_is_recording(cuda) ? cuda->key.reach
                                          : aci_cuda_longest(spans, n_spans);
    if (status == AC_OK)
        status = aci_cuda_grow_scratch(
            cuda,
            aci_cuda_attend_bytes(rows.n_rows, attention->n_head,
                                  attention->head_dim, longest),
            error);
    if (status != AC_OK)
        return status;
    return aci_cuda_check(cuda,
                          aci_cuda_attend(out, q, &rows, attention, longest,
                                          cuda->scratch, cuda->scratch_bytes,
                                          cuda->queue),
                          "attention", error);
}
