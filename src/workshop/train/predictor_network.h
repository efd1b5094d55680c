/* predictor_network.h - the predictor's network in double, with its gradient.
 *
 * The same formulas and the same places as router/predictor_forward.h, in
 * double so that the gradient can be checked to many digits against central
 * differences; the test also holds the two forward passes together. */
#ifndef ACI_WORKSHOP_TRAIN_PREDICTOR_NETWORK_H
#define ACI_WORKSHOP_TRAIN_PREDICTOR_NETWORK_H

#include <stdint.h>

#include "router/predictor_forward.h"

/* Everything one forward pass leaves for the backward one. */
typedef struct aci_layer_trace {
    double x[ACI_NETWORK_SEQUENCE][ACI_NETWORK_WIDTH];      /* coming in */
    double normal_1[ACI_NETWORK_SEQUENCE][ACI_NETWORK_WIDTH];
    double scale_1[ACI_NETWORK_SEQUENCE];
    double qkv[ACI_NETWORK_SEQUENCE][3 * ACI_NETWORK_WIDTH];
    double weight[ACI_NETWORK_SEQUENCE][ACI_NETWORK_ATTENTION]
                 [ACI_NETWORK_SEQUENCE];
    double mixed[ACI_NETWORK_SEQUENCE][ACI_NETWORK_WIDTH];
    double normal_2[ACI_NETWORK_SEQUENCE][ACI_NETWORK_WIDTH];
    double scale_2[ACI_NETWORK_SEQUENCE];
    double hidden[ACI_NETWORK_SEQUENCE][ACI_NETWORK_HIDDEN]; /* after ReLU */
} aci_layer_trace;

typedef struct aci_network_trace {
    aci_layer_trace layers[ACI_NETWORK_LAYERS];
    double x[ACI_NETWORK_SEQUENCE][ACI_NETWORK_WIDTH]; /* going out */
    double normal[ACI_NETWORK_WIDTH], scale;
    double deep[ACI_NETWORK_WIDTH], wide, standard[ACI_ROUTER_SHAPES];
    double logit[ACI_NETWORK_MAX_HEADS]; /* before calibration */
} aci_network_trace;

/* What dropout keeps: 0 or 1 / (1 - rate). NULL members: everything. */
typedef struct aci_network_drop {
    const double *wide; /* [n_wide of the input] */
    const double *deep; /* [width] */
} aci_network_drop;

double aci_workshop_exp(double x);
double aci_workshop_sigmoid(double x);
double aci_workshop_log(double x); /* x > 0 */

void aci_workshop_network_forward(aci_network_trace *trace,
                                  const double *numbers,
                                  const aci_network_shape *shape,
                                  const aci_network_places *places,
                                  const aci_network_input *input,
                                  const aci_network_drop *drop);

/* Adds to `gradient` [places->total], given the loss's derivative by each
 * head's logit. Calibration and standardisation have no gradient. */
void aci_workshop_network_backward(double *gradient,
                                   const aci_network_trace *trace,
                                   const double *d_logit,
                                   const double *numbers,
                                   const aci_network_shape *shape,
                                   const aci_network_places *places,
                                   const aci_network_input *input,
                                   const aci_network_drop *drop);

#endif
