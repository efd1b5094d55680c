/* attention_sample.h - key-value caches on the host and on the device, and
 * attention over them in float64, for the tests of cuda/. */
#ifndef TESTS_CUDA_ATTENTION_SAMPLE_H
#define TESTS_CUDA_ATTENTION_SAMPLE_H

#include "cuda_fixture.h"
#include "platform/random.h"

/* One cache twice. It begins as bytes of 0xFF: in floats and scales NaN, so
 * that whoever reads what was never written is found out. */
typedef struct cache_sample {
    aci_kv host, device;
    size_t bytes, scale_bytes; /* of k (of v), of k_scales (of v_scales) */
} cache_sample;

/* capacity: rounded up to 16. */
void cache_sample_make(cache_sample *s, int32_t bits, int32_t n_head_kv,
                       int32_t head_dim, int32_t capacity);
void cache_sample_free(cache_sample *s);

/* Writes k and v [head_dim] of one position, on the host. */
void cache_sample_set(cache_sample *s, int32_t head, int32_t position,
                      const float *k, const float *v);
/* Normal numbers at the positions first .. last - 1 of every head. */
void cache_sample_fill(cache_sample *s, aci_random *dice, int32_t first,
                       int32_t last);
void cache_sample_upload(cache_sample *s);
void cache_sample_download(cache_sample *s);

/* Spans of rows, each over a cache of its own; the first without rows ends the
 * list of at most `n`. cache_samples_spans puts them one behind the other over
 * the caches on the host or on the device, and says how many there are. */
typedef struct span_sample { int32_t first, n_rows; } span_sample;
int32_t cache_samples_spans(aci_span *out, const cache_sample *caches,
                            const span_sample *spans, int32_t n,
                            int on_device);
void cache_samples_free(cache_sample *caches, const span_sample *spans,
                        int32_t n);

/* What is kept, as numbers. */
double cache_sample_key(const aci_kv *kv, int32_t head, int32_t position,
                        int32_t d);
double cache_sample_value(const aci_kv *kv, int32_t head, int32_t position,
                          int32_t d);

/* One row of attention in float64; out and q [n_head, head_dim]. */
void attention_exact(double *out, const float *q, const aci_kv *kv,
                     const aci_attention *a, int32_t position);

#endif
