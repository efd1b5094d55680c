/* plane_quantizer.h - one strip of 16 rows into codes of the three planes.
 *
 * A strip is worked on transposed, [n_in_padded][16]: sixteen rows side by
 * side are one vector operation each. */
#ifndef ACI_WORKSHOP_PLANE_QUANTIZER_H
#define ACI_WORKSHOP_PLANE_QUANTIZER_H

#include <stdint.h>

#include "kernels/matrix.h"

/* D of matrix.h, see plane_quantizer.c for why. */
enum { ACI_PLANE_RATIO = 12 };

/* Codes of a strip, each [n_in_padded][16], and scales [groups][16] as float16
 * bits. The value is (256 * (ratio * q + r) + t) * s / (256 * ratio). */
typedef struct aci_strip_codes {
    int8_t *q, *r, *t;
    uint16_t *scales;
} aci_strip_codes;

/* Quantises weights [n_in_padded][16], all finite, padding zero. Returns -1,
 * or the row (0-15) that has a weight too large for a float16 scale. */
int32_t aci_workshop_quantize_strip(aci_strip_codes *out, const float *weights,
                                    int32_t n_in_padded, int32_t group,
                                    int32_t ratio);

/* The scales alone, [groups][16] float16 bits, as quantize_strip chooses them;
 * with `importance` [n_in_padded], E[x^2] of each column, by weighted squares.
 * Returns as above. */
int32_t aci_workshop_search_scales(uint16_t *out, const float *weights,
                                   const float *importance,
                                   int32_t n_in_padded, int32_t group,
                                   int32_t ratio);

#endif
