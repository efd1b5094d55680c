/* predictor_forward.h - the predictor's numbers and what is computed from them.
 *
 * Wide and deep. The wide part is a table of one weight per hashed feature
 * (a logistic regression); the deep part is a transformer of 2 layers, width
 * 12, 2 attention heads, 64 hidden units in the feed-forward, reading
 *
 *     x[0] = shape . shape_in           the prompt's shape, where it is read
 *     x[i] = sum of 4 embedding rows + position[i]        tokens i = 1..n
 *
 * and each head k (a variant) answers
 *
 *     logit_k   = deep . w_k + shape . v_k + s_k wide + b_k
 *     success_k = sigmoid(slope_k logit_k + offset_k)
 *
 * where deep is the last layer's x[0], normalised. All heads share the wide
 * table and the transformer: a head more costs 30 numbers. */
#ifndef ACI_ROUTER_PREDICTOR_FORWARD_H
#define ACI_ROUTER_PREDICTOR_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "router/features.h"

enum {
    ACI_NETWORK_WIDTH = 12,
    ACI_NETWORK_HIDDEN = 64,
    ACI_NETWORK_ATTENTION = 2, /* attention heads */
    ACI_NETWORK_LAYERS = 2,
    ACI_NETWORK_SEQUENCE = 1 + ACI_ROUTER_MAX_TOKENS,
    ACI_NETWORK_MAX_HEADS = 16
};

/* Inside a layer: matrices are [in, out], row-major. */
enum {
    ACI_LAYER_NORM_1 = 0, /* gain [width], bias [width] */
    ACI_LAYER_QKV = ACI_LAYER_NORM_1 + 2 * ACI_NETWORK_WIDTH,
    ACI_LAYER_OUT = ACI_LAYER_QKV + 3 * ACI_NETWORK_WIDTH * ACI_NETWORK_WIDTH,
    ACI_LAYER_NORM_2 = ACI_LAYER_OUT + ACI_NETWORK_WIDTH * ACI_NETWORK_WIDTH,
    ACI_LAYER_UP = ACI_LAYER_NORM_2 + 2 * ACI_NETWORK_WIDTH,
    ACI_LAYER_UP_BIAS = ACI_LAYER_UP + ACI_NETWORK_WIDTH * ACI_NETWORK_HIDDEN,
    ACI_LAYER_DOWN = ACI_LAYER_UP_BIAS + ACI_NETWORK_HIDDEN,
    ACI_LAYER_DOWN_BIAS = ACI_LAYER_DOWN +
                          ACI_NETWORK_WIDTH * ACI_NETWORK_HIDDEN,
    ACI_LAYER_SIZE = ACI_LAYER_DOWN_BIAS + ACI_NETWORK_WIDTH
};

/* Inside a head. */
enum {
    ACI_HEAD_DEEP = 0,
    ACI_HEAD_SHAPE = ACI_HEAD_DEEP + ACI_NETWORK_WIDTH,
    ACI_HEAD_WIDE = ACI_HEAD_SHAPE + ACI_ROUTER_SHAPES,
    ACI_HEAD_BIAS,
    ACI_HEAD_SLOPE,  /* calibration, fitted last */
    ACI_HEAD_OFFSET,
    ACI_HEAD_SIZE
};

/* What a predictor file may choose. */
typedef struct aci_network_shape {
    uint32_t n_tokens;    /* 10..15 */
    uint32_t n_wide;
    uint32_t n_embedding; /* rows */
    uint32_t n_heads;     /* 1..16 */
} aci_network_shape;

/* Where each part begins in the one array of numbers. */
typedef struct aci_network_places {
    size_t wide;      /* [n_wide] */
    size_t embedding; /* [n_embedding, width] */
    size_t position;  /* [n_tokens, width] */
    size_t shape_in;  /* [shapes, width], then bias [width] */
    size_t layers;    /* [layers, ACI_LAYER_SIZE] */
    size_t norm;      /* gain [width], bias [width] */
    size_t heads;     /* [n_heads, ACI_HEAD_SIZE] */
    size_t standard;  /* mean [shapes], 1 / deviation [shapes] */
    size_t total;
} aci_network_places;

aci_network_places aci_router_network_places(const aci_network_shape *shape);

/* The features as the network takes them in. */
typedef struct aci_network_input {
    uint32_t n_tokens, n_wide;
    uint32_t rows[ACI_ROUTER_MAX_TOKENS][4];
    uint32_t wide[ACI_ROUTER_MAX_WIDE];
    float shape[ACI_ROUTER_SHAPES]; /* as read, not standardised */
} aci_network_input;

void aci_router_network_read(aci_network_input *out,
                             const aci_features *features,
                             const aci_network_shape *shape);

/* The shapes with mean 0, deviation 1, held to [-4, 4] so that one strange
 * number cannot run away with the answer. */
void aci_router_network_standardise(float *out, const float *numbers,
                                    const aci_network_places *places,
                                    const float *shape);

/* success[n_heads], calibrated. `numbers` is the array of `places`. */
void aci_router_network_run(float *success, const float *numbers,
                            const aci_network_shape *shape,
                            const aci_network_places *places,
                            const aci_network_input *input);

#endif
