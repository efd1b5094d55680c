/* random_codes.c - see random_codes.h. */
#include "workshop/compress/random_codes.h"

#include <math.h>
#include <string.h>

void aci_workshop_random_nibbles(uint8_t *out, size_t n_bytes,
                                 aci_random *random)
{
    const uint64_t ones = UINT64_C(0x1111111111111111);

    for (size_t i = 0; i + 8 <= n_bytes; i += 8) {
        uint64_t x = aci_platform_random_next(random);
        uint64_t some = (x | x >> 1 | x >> 2 | x >> 3) & ones;

        x |= (~some & ones) << 3;
        memcpy(out + i, &x, 8);
    }
}

float aci_workshop_random_gain(const aci_shape *shape,
                               const aci_tensor *tensor)
{
    if (tensor->layer < 0)
        return 2.0f;
    if (tensor->row == ACI_ROW_O || tensor->row == ACI_ROW_DOWN)
        return 1.0f / sqrtf(2.0f * (float)shape->n_layer);
    return 1.0f;
}

int aci_workshop_random_is_norm(const aci_tensor *tensor)
{
    return tensor->row == ACI_ROW_ATTN_NORM ||
           tensor->row == ACI_ROW_FFN_NORM ||
           tensor->row == ACI_ROW_Q_NORM || tensor->row == ACI_ROW_K_NORM ||
           tensor->row == ACI_ROW_FINAL_NORM;
}
