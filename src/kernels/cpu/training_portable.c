/* training_portable.c - the bodies of training in plain C, for any processor;
 * the tests compile it for double as well. */
#pragma GCC diagnostic ignored "-Wpsabi" /* lanes never cross a file */
#include "kernels/cpu/training_level.h"

#include <math.h>

typedef aci_real vr __attribute__((vector_size(64)));
enum { LANES = 64 / sizeof(aci_real), TILE_ROWS = 4, TILE_VECTORS = 1 };

static inline vr madd(vr a, vr b, vr c)
{
    return a * b + c;
}

static inline vr vroot(vr x)
{
    int i;

    for (i = 0; i < LANES; i++)
        x[i] = (aci_real)sqrt((double)x[i]);
    return x;
}

#include "kernels/cpu/training_body.h"
#include "kernels/cpu/training_losses_body.h"
#include "kernels/cpu/training_attention_body.h"

const aci_training_level aci_kernels_training_portable =
    ACI_TRAINING_LEVEL("portable");
