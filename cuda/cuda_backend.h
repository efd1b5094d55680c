/* cuda_backend.h - what the files of the CUDA backend share: its state, how
 * each operation begins and ends, and the operations themselves. Contracts are
 * those of backend.h.
 *
 *     cuda_backend.c     open and close, memory, errors
 *     cuda_weights.c     matrices on the device
 *     cuda_wide.c        whether the device multiplies by warpgroups
 *     cuda_operations.c  rows and products
 *     cuda_attention.c   rotary positions and attention
 *     cuda_passes.c      a forward pass as a whole, recorded and replayed */
#ifndef ACI_CUDA_CUDA_BACKEND_H
#define ACI_CUDA_CUDA_BACKEND_H

#include <sys/types.h>

#include "cuda/cuda_graphs.h"
#include "cuda/cuda_memory.h"
#include "cuda/kernels.h"
#include "platform/error.h"

/* A block of the host's that was uploaded; views share it. */
typedef struct aci_cuda_upload {
    const void *host;
    void *device;
    size_t bytes;
} aci_cuda_upload;

typedef struct aci_cuda_backend {
    aci_backend base;
    int32_t device;
    pid_t process;           /* that opened it: no other may use it */
    int32_t max_width;       /* padded */
    cudaStream_t stream;     /* where work runs */
    cudaStream_t recorder;   /* never runs: where passes are recorded */
    cudaStream_t queue;      /* the one of the two that operations go to */
    aci_cuda_graphs graphs;
    aci_cuda_graph_key key;  /* of the pass being recorded */
    _Atomic cudaError_t failed; /* why the device is of no use any more */
    aci_cuda_memory memory;  /* all that is allocated on the device */
    aci_cuda_upload *uploads;
    size_t n_uploads, n_uploads_room;
    int uses_wide;           /* multiply_wide.cu; it passed its self-test */
    aci_cuda_activations activations;
    aci_cuda_together together; /* what blocks that wait for others need */
    float *changed;          /* [ACI_MAX_ROWS, max_width] normed or gated */
    int32_t *tokens;         /* [ACI_MAX_ROWS], and on the host: */
    int32_t *positions;      /* [ACI_MAX_ROWS] */
    int32_t seen_positions[ACI_MAX_ROWS];
    int32_t n_seen;          /* how many of them the device has */
    float *frequencies;      /* [n_frequencies] device */
    float *seen_frequencies; /* the same on the host */
    int32_t n_frequencies, n_frequencies_room;
    void *scratch;           /* of one operation; grows */
    size_t scratch_bytes;
} aci_cuda_backend;

/* At the head of every operation: a device that failed stays failed, and the
 * calling thread may be new to it. */
ac_status aci_cuda_enter(aci_cuda_backend *cuda, ac_error *error);

/* AC_OK, or says that `what` failed. From then on the device is of no use,
 * unless it only lacked memory or a kernel refused its arguments. */
ac_status aci_cuda_check(aci_cuda_backend *cuda, cudaError_t result,
                         const char *what, ac_error *error);

/* Whether operations are being recorded, not run. */
static inline int aci_cuda_is_recording(const aci_cuda_backend *cuda)
{
    return cuda->queue != cuda->stream;
}

/* cuda_backend.c */
void *aci_cuda_allocate(aci_backend *backend, size_t bytes);
void aci_cuda_release(aci_backend *backend, void *memory);
ac_status aci_cuda_refuse(aci_backend *backend, size_t bytes,
                          const char *what, ac_error *error);
ac_status aci_cuda_host_to(aci_backend *backend, void *device,
                           const void *host, size_t bytes, ac_error *error);
ac_status aci_cuda_to_host(aci_backend *backend, void *host,
                           const void *device, size_t bytes, ac_error *error);

/* At least `bytes` of scratch, for one operation at a time. */
ac_status aci_cuda_grow_scratch(aci_cuda_backend *cuda, size_t bytes,
                                ac_error *error);

/* cuda_wide.c: tries multiply_wide.cu where it can run, sets uses_wide and
 * adds to the description. Fails only where the device did. */
ac_status aci_cuda_try_wide(aci_cuda_backend *cuda, ac_error *error);

/* cuda_weights.c */
ac_status aci_cuda_adopt(aci_backend *backend, aci_matrix *matrix,
                         ac_error *error);

/* cuda_operations.c */
ac_status aci_cuda_run_embed(aci_backend *backend, float *out,
                             const aci_linear *table, const int32_t *tokens,
                             int32_t n_rows, ac_error *error);
ac_status aci_cuda_run_norm(aci_backend *backend, float *out, const float *x,
                            const float *weight, int32_t n_rows,
                            int32_t width, float eps, ac_error *error);
ac_status aci_cuda_run_project(aci_backend *backend,
                               const aci_product *products, int32_t n_products,
                               const aci_input *input, int32_t n_rows,
                               ac_error *error);
ac_status aci_cuda_run_project_pairs(aci_backend *backend,
                                     const aci_product *products,
                                     int32_t n_products,
                                     const aci_outer *outers, int32_t n_outers,
                                     const aci_input *input, int32_t n_rows,
                                     ac_error *error);
ac_status aci_cuda_run_peaks(aci_backend *backend, aci_peaks *out,
                             const float *logits, int32_t n_rows,
                             int32_t n_vocab, int32_t n_best, float scale,
                             ac_error *error);

/* What pairs need of the device: asked once, when the backend is opened. */
ac_status aci_cuda_pairs_open(aci_cuda_backend *cuda, ac_error *error);

/* cuda_attention.c */
ac_status aci_cuda_run_rotate_append(aci_backend *backend, float *q, float *k,
                                     const float *v, const aci_span *spans,
                                     int32_t n_spans,
                                     const aci_attention *attention,
                                     ac_error *error);
ac_status aci_cuda_run_attend(aci_backend *backend, float *out,
                              const float *q, const aci_span *spans,
                              int32_t n_spans, const aci_attention *attention,
                              ac_error *error);

/* Rows as kernels see them; positions go to the device when they are other
 * than those it has: once a forward pass, not once a layer. */
ac_status aci_cuda_place_rows(aci_cuda_rows *out, aci_cuda_backend *cuda,
                              const aci_span *spans, int32_t n_spans,
                              ac_error *error);

/* The session's table of frequencies, likewise. */
ac_status aci_cuda_place_frequencies(aci_rope *rope, aci_cuda_backend *cuda,
                                     ac_error *error);

/* Positions that the longest of the spans reaches. */
int32_t aci_cuda_longest(const aci_span *spans, int32_t n_spans);

/* cuda_passes.c */
ac_status aci_cuda_begin_step(aci_backend *backend, const aci_step *step,
                              int32_t *done, ac_error *error);
ac_status aci_cuda_end_step(aci_backend *backend, int32_t succeeded,
                            ac_error *error);

#endif
