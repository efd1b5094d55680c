/* training.h - what a device does when a model is trained: one table of
 * operations, filled in kernels/cpu and (where there is CUDA) in cuda/. The
 * network (workshop/train) is written against it once.
 *
 * Arrays are row-major and lie in memory of the table. Operations run in the
 * order they are called; they may be queued, and a failure then shows at the
 * next download. Every sum has an order that depends on the sizes alone, so a
 * result is the same at any number of threads.
 *
 * aci_real is float. The tests compile the CPU's filling and the network for
 * double as well, to hold every derivative against central differences. */
#ifndef ACI_KERNELS_TRAINING_H
#define ACI_KERNELS_TRAINING_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/multiply.h"

#ifndef ACI_REAL
#define ACI_REAL float
#endif
typedef ACI_REAL aci_real;

typedef struct aci_training aci_training;

/* Root mean square norm of rows:
 *     sum = x + branch        (branch NULL: sum is x, and is not written)
 *     scale = 1 / sqrt(mean(sum^2) + eps),  out = sum * scale * weight
 * Backward, given d_out; x is then the sum:
 *     d_x += J' d_out,  d_weight += ...     (NULL: frozen) */
typedef struct aci_training_norm {
    const aci_real *x, *branch;         /* [n_rows, width] */
    aci_real *sum, *out;                /* [n_rows, width] */
    aci_real *scale;                    /* [n_rows] */
    const aci_real *weight;             /* [width] */
    const aci_real *d_out;
    aci_real *d_x, *d_weight;
    int64_t n_rows;
    int32_t width;
    aci_real eps;
} aci_training_norm;

/* Norm (when q_norm is there) and rotary positions of the q and k heads in
 * rows of [q heads, k heads, v heads], in place. Forward keeps what the norm
 * changed in `raw` and its factors in `scale`; backward turns the gradient of
 * the result, in qkv, into that of the input. */
typedef struct aci_training_rotation {
    aci_real *qkv;                      /* [n_rows, stride] */
    aci_real *raw;                      /* [n_rows, n_head + n_head_kv, dim] */
    aci_real *scale;                    /* [n_rows, n_head + n_head_kv] */
    const aci_real *q_norm, *k_norm;    /* [head_dim] or NULL */
    aci_real *d_q_norm, *d_k_norm;      /* NULL: frozen */
    const aci_real *cosine, *sine;      /* [n_positions, head_dim / 2] */
    const int32_t *positions;           /* [n_rows] */
    int64_t n_rows, stride;
    int32_t n_head, n_head_kv, head_dim;
    int32_t interleaved;                /* pairs (2i, 2i+1), not (i, i+half) */
    aci_real eps;
} aci_training_rotation;

/* Causal grouped-query attention within documents. Forward keeps one number a
 * query, log_sum = log sum exp(scores), from which backward computes the
 * probabilities again. */
typedef struct aci_training_attention {
    const aci_real *qkv;                /* [n_tokens, stride], rotated */
    aci_real *out;                      /* [n_tokens, n_head * head_dim] */
    aci_real *log_sum;                  /* [n_head, n_tokens] */
    const aci_real *d_out;
    aci_real *d_qkv;                    /* [n_tokens, stride], written */
    const int32_t *starts;              /* [n_documents + 1] */
    int64_t n_tokens, stride;
    int32_t n_documents;
    int32_t longest;                    /* tokens of a document */
    int32_t n_head, n_head_kv, head_dim;
    int32_t window;                     /* keys a query sees; 0: all before */
    aci_real scale;                     /* 1 / sqrt(head_dim) */
} aci_training_attention;

/* hidden = silu(gate) * up over rows of [gate, up]. Backward computes hidden
 * again, over d_hidden: the product behind it needs both, one after the
 * other. */
typedef struct aci_training_gate {
    const aci_real *gate_up;            /* [n_rows, 2 * width] */
    aci_real *hidden;                   /* [n_rows, width]; backward: d_hidden
                                           going in, hidden coming out */
    aci_real *d_gate_up;
    int64_t n_rows;
    int32_t width;
} aci_training_gate;

/* Losses of rows, and with `with_gradient` their derivative times `weight` in
 * place of what they were computed from. */
typedef struct aci_training_loss {
    aci_real *x;                        /* [n_rows, width]: logits, outputs */
    aci_real *losses;                   /* [n_rows], without `weight` */
    const int32_t *targets;             /* [n_rows]; squared error: rows with
                                           -1 cost nothing, NULL: none such */
    const aci_real *reference;          /* [n_rows, width] teacher, outputs */
    int64_t n_rows;
    int32_t width, with_gradient;
    aci_real weight, temperature;
} aci_training_loss;

/* value -= rate * (m / correction_1 / (sqrt(v / correction_2) + epsilon)
 *                  + decay * value), of gradients times gradient_scale. */
typedef struct aci_training_adamw {
    aci_real *value, *moment_1, *moment_2;
    const aci_real *gradient;
    int64_t n;
    aci_real rate, beta_1, beta_2, epsilon, decay;
    aci_real correction_1, correction_2, gradient_scale;
} aci_training_adamw;

typedef struct aci_training_operations {
    /* Memory. allocate gives NULL when there is none. */
    void *(*allocate)(aci_training *training, size_t bytes);
    void (*release)(aci_training *training, void *block);
    ac_status (*upload)(aci_training *training, void *to, const void *from,
                        size_t bytes, ac_error *error);
    ac_status (*download)(aci_training *training, void *to, const void *from,
                          size_t bytes, ac_error *error);
    void (*zero)(aci_training *training, void *at, size_t bytes);

    void (*multiply)(aci_training *training, const aci_multiply *product);

    /* out[i] = table[rows[i]] */
    void (*gather)(aci_training *training, aci_real *out,
                   const aci_real *table, const int32_t *rows, int64_t n_rows,
                   int32_t width);
    /* table[rows[i]] += in[i], i rising */
    void (*scatter_add)(aci_training *training, aci_real *table,
                        const aci_real *in, const int32_t *rows,
                        int64_t n_rows, int32_t width);

    void (*norm)(aci_training *training, const aci_training_norm *norm);
    void (*norm_backward)(aci_training *training,
                          const aci_training_norm *norm);

    void (*scale)(aci_training *training, aci_real *x, int64_t n,
                  aci_real factor);

    /* x[i] += bias, and its derivative: d_bias += the sum of rows */
    void (*add_bias)(aci_training *training, aci_real *x, int64_t stride,
                     const aci_real *bias, int64_t n_rows, int32_t width);
    void (*sum_rows)(aci_training *training, aci_real *d_bias,
                     const aci_real *x, int64_t stride, int64_t n_rows,
                     int32_t width);

    void (*rotate)(aci_training *training,
                   const aci_training_rotation *rotation);
    void (*rotate_backward)(aci_training *training,
                            const aci_training_rotation *rotation);
    void (*attend)(aci_training *training,
                   const aci_training_attention *attention);
    void (*attend_backward)(aci_training *training,
                            const aci_training_attention *attention);
    void (*gate)(aci_training *training, const aci_training_gate *gate);
    void (*gate_backward)(aci_training *training,
                          const aci_training_gate *gate);

    void (*cross_entropy)(aci_training *training,
                          const aci_training_loss *loss);
    void (*divergence)(aci_training *training, const aci_training_loss *loss);
    void (*squared_error)(aci_training *training,
                          const aci_training_loss *loss);

    /* In double; not finite when an element is not. */
    double (*sum_squares)(aci_training *training, const aci_real *x,
                          int64_t n);
    void (*adamw)(aci_training *training, const aci_training_adamw *update);

    void (*close)(aci_training *training);
} aci_training_operations;

struct aci_training {
    const aci_training_operations *operations;
    aci_memory *memory;
    aci_pool *pool;
    char description[160]; /* "cpu avx512, 2 threads" */
};

/* What products of matrices make of their operands (kernels/multiply.h).
 * Attention's, and everything else, are float32 at both. */
enum aci_training_precision { ACI_FLOAT32 = 0, ACI_BFLOAT16 = 1 };

/* What is allocated at open; operations allocate nothing. */
typedef struct aci_training_sizes {
    int32_t max_width;     /* of a row that is summed over rows */
    int32_t max_document;  /* tokens */
    int32_t head_dim;
} aci_training_sizes;

/* `level` NULL: the best there is; "portable", "avx2", "avx512" force one
 * (AC_E_UNSUPPORTED when the processor lacks it, or bfloat16 asked for). */
ac_status aci_kernels_training_cpu_open(aci_training **out,
                                        aci_memory *memory, aci_pool *pool,
                                        const char *level, int32_t precision,
                                        const aci_training_sizes *sizes,
                                        ac_error *error);

#endif
