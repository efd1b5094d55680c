/* training_lanes.h - vectors of 64 bytes of aci_real, for the bodies of
 * training. The includer defines before it
 *     vr      the vector type        LANES  how many numbers it has
 *     madd    a * b + c              vroot  square roots
 * and may define ACI_REAL as double: then exponentials are the library's. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/training_level.h"

typedef __typeof__((vr){ 0 } < (vr){ 0 }) vmask;

static inline vr load(const aci_real *p)
{
    vr v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(aci_real *p, vr v)
{
    memcpy(p, &v, sizeof v);
}

static inline vr splat(aci_real x)
{
    return x - (vr){ 0 };
}

/* The first n lanes, zeros behind. */
static inline vr take(const aci_real *p, int64_t n)
{
    vr v = { 0 };

    if (n >= LANES)
        return load(p);
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}

static inline void put(aci_real *p, vr v, int64_t n)
{
    if (n >= LANES)
        store(p, v);
    else
        memcpy(p, &v, (size_t)n * sizeof *p);
}

/* Lanes summed as a tree. */
static inline aci_real sum_lanes(vr v)
{
    aci_real a[LANES];
    int step, i;

    store(a, v);
    for (step = LANES / 2; step > 0; step /= 2)
        for (i = 0; i < step; i++)
            a[i] += a[i + step];
    return a[0];
}

static inline aci_real max_lanes(vr v)
{
    aci_real a[LANES], top;
    int i;

    store(a, v);
    top = a[0];
    for (i = 1; i < LANES; i++)
        top = a[i] > top ? a[i] : top;
    return top;
}

static inline vr choose(vmask which, vr a, vr b)
{
    return (vr)(((vmask)a & which) | ((vmask)b & ~which));
}

static inline vr vmax(vr a, vr b)
{
    return choose(a > b, a, b);
}

#ifdef ACI_REAL_IS_DOUBLE
static inline vr vexp(vr x)
{
    int i;

    for (i = 0; i < LANES; i++)
        x[i] = exp(x[i]);
    return x;
}
#else
/* As in rows_body.h: Cody-Waite reduction and a polynomial of degree 6
 * (Cephes, S. Moshier), relative error about 1e-7. NaN stays NaN. */
static inline vr vexp(vr x)
{
    vr n, y;

    x = choose(x < -87.33654f, splat(-87.33654f), x);
    x = choose(x > 88.37626f, splat(88.37626f), x);
    n = (x * 1.44269504f + 0x1.8p23f) - 0x1.8p23f;
    x = madd(n, splat(-0.693359375f), x);
    x = madd(n, splat(2.12194440e-4f), x);
    y = splat(1.9875691500e-4f);
    y = madd(y, x, splat(1.3981999507e-3f));
    y = madd(y, x, splat(8.3334519073e-3f));
    y = madd(y, x, splat(4.1665795894e-2f));
    y = madd(y, x, splat(1.6666665459e-1f));
    y = madd(y, x, splat(5.0000001201e-1f));
    y = madd(y, x * x, x + 1.0f);
    return (vr)((vmask)y + (__builtin_convertvector(n, vmask) << 23));
}
#endif
