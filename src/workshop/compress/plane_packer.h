/* plane_packer.h - codes of a strip into the tiles of matrix.h. */
#ifndef ACI_WORKSHOP_PLANE_PACKER_H
#define ACI_WORKSHOP_PLANE_PACKER_H

#include <stdint.h>

#include "kernels/matrix.h"

/* One strip's share of every part of a matrix, as it goes to the file. */
typedef struct aci_strip_planes {
    uint8_t *a, *b;      /* [tiles][512] */
    uint8_t *c;          /* [tiles][1024] */
    uint16_t *scales;    /* [groups][16] */
} aci_strip_planes;

/* Codes are [n_in_padded][16], as plane_quantizer.h leaves them. */
void aci_workshop_pack_nibbles(uint8_t *out, const int8_t *codes,
                               int32_t n_in_padded);
void aci_workshop_pack_bytes(uint8_t *out, const int8_t *codes,
                             int32_t n_in_padded);

#endif
