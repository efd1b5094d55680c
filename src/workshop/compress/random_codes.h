/* random_codes.h - weights that nobody trained, drawn as codes.
 *
 * Codes are uniform in [-7, 7] with 0 twice as likely: mean 0, standard
 * deviation ACI_CODE_DEVIATION. Scales make each product keep the size of its
 * input, and the two that feed the residual stream add up to about one over
 * all layers, so logits come out with a standard deviation near 2. */
#ifndef ACI_WORKSHOP_RANDOM_CODES_H
#define ACI_WORKSHOP_RANDOM_CODES_H

#include <stddef.h>

#include "model/tensor_list.h"
#include "platform/random.h"

#define ACI_CODE_DEVIATION 4.1833f /* sqrt(2 (1 + 4 + ... + 49) / 16) */

/* Random nibbles; stored 0 (code -8) becomes stored 8 (code 0). n_bytes is a
 * multiple of 8. */
void aci_workshop_random_nibbles(uint8_t *out, size_t n_bytes,
                                 aci_random *random);

/* What a matrix multiplies the size of its input by; over sqrt(n_in) it is the
 * standard deviation wanted of its weights. */
float aci_workshop_random_gain(const aci_shape *shape,
                               const aci_tensor *tensor);

/* 1 for a norm, whose weights are ones; other vectors are biases, of zeros. */
int aci_workshop_random_is_norm(const aci_tensor *tensor);

#endif
