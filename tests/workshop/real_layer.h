/* real_layer.h - a layer of the shipped base model: its weights, and what they
 * see when the model reads text of its own kind (tests/workshop/answers). Half
 * of the text is for calibration, the other half for judging. */
#ifndef AC_TEST_REAL_LAYER_H
#define AC_TEST_REAL_LAYER_H

#include <stdint.h>

#include "platform/memory.h"

typedef struct real_input {
    int64_t n;
    int64_t n_rows;      /* of each half */
    float *seen, *held;  /* [n_rows, n] */
    double *h;           /* [n, n] = E[x x'] over `seen` */
    float *mean;         /* [n] likewise */
} real_input;

typedef struct real_layer {
    int64_t n_embd, n_attended, n_kv, n_ff, n_head, n_head_kv, head_dim;
    real_input qkv, o, down;
    float *w_qkv;        /* [n_attended + 2 n_kv, n_embd]: q, k, v stacked */
    float *w_o;          /* [n_embd, n_attended] */
    float *w_down;       /* [n_embd, n_ff] */
} real_layer;

void real_layer_open(real_layer *out, int32_t layer);
void real_layer_close(real_layer *layer);

/* Mean over rows of |w x - (w_2 x + bias)|^2, in double; bias NULL: none. */
double real_error(const float *w, const float *w_2, const double *bias,
                  const float *rows, int64_t n_rows, int64_t n_out,
                  int64_t n_in);

/* h and mean of rows. */
void real_statistics(double *h, float *mean, const float *rows,
                     int64_t n_rows, int64_t n);

#endif
