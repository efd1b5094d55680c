/* rows_reference.c - rows_body.h in plain C, for any processor. */
#pragma GCC diagnostic ignored "-Wpsabi" /* lanes never cross a file */
#include "kernels/cpu/lanes.h"

#include <math.h>

#include "platform/half.h"

static inline vf madd(vf a, vf b, vf c)
{
    int i;

    for (i = 0; i < 16; i++)
        c[i] = fmaf(a[i], b[i], c[i]);
    return c;
}

static inline vf load_half(const uint16_t *p)
{
    vf v;
    int i;

    for (i = 0; i < 16; i++)
        v[i] = aci_platform_f32_from_f16(p[i]);
    return v;
}

#include "kernels/cpu/rows_body.h"
#include "kernels/cpu/rows_table.h"

const aci_row_functions aci_kernels_rows_reference = ACI_ROW_FUNCTIONS;
