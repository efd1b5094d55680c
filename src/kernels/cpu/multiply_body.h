/* multiply_body.h - the kernel of a dense product, compiled once per level.
 *
 *     c [ROWS, 2 * LANES] (+)= sum over k of a[k, :] outer b[k, :]
 *
 * All of c stays in registers; each step loads two vectors of b and spreads
 * ROWS numbers of a. The including file defines
 *     vec, LANES          its vector of floats
 *     FMA(x, y, z)        x * y + z
 *     SPREAD(x)           one number in all lanes
 *     ROWS, EACH_ROW(X)   X(0) ... X(ROWS - 1)
 * Rows are named, not an array: gcc 12 keeps arrays in memory. */

typedef vec unaligned_vec __attribute__((aligned(4)));

static inline vec load(const float *x)
{
    return *(const unaligned_vec *)x;
}

static inline void store(float *x, vec v)
{
    *(unaligned_vec *)x = v;
}

/* A patch at the edge: made in full beside, then copied. */
static void store_part(const aci_multiply_patch *patch, const float *full)
{
    int32_t i, j;

    for (i = 0; i < patch->n_rows; i++) {
        float *c = patch->c + i * patch->stride;
        const float *x = full + (size_t)i * 2 * LANES;

        for (j = 0; j < patch->n_columns; j++)
            c[j] = patch->accumulate ? c[j] + x[j] : x[j];
    }
}

static void multiply(const aci_multiply_patch *patch, const float *a,
                     const float *b, int64_t k)
{
    float full[ROWS * 2 * LANES], *c = patch->c;
    int64_t stride = patch->stride;
    int whole = patch->n_rows == ROWS && patch->n_columns == 2 * LANES;
#define DECLARE(r) vec low##r = { 0 }, high##r = { 0 };
    EACH_ROW(DECLARE)

    for (; k > 0; k--, a += ROWS, b += 2 * LANES) {
        vec b_low = load(b), b_high = load(b + LANES), x;

#define STEP(r) \
        x = SPREAD(a[r]); \
        low##r = FMA(x, b_low, low##r); \
        high##r = FMA(x, b_high, high##r);
        EACH_ROW(STEP)
    }
#define ADD(r) \
    low##r += load(c + r * stride); \
    high##r += load(c + r * stride + LANES);
    if (whole && patch->accumulate) {
        EACH_ROW(ADD)
    }
    if (!whole) {
        c = full;
        stride = 2 * LANES;
    }
#define STORE(r) \
    store(c + r * stride, low##r); \
    store(c + r * stride + LANES, high##r);
    EACH_ROW(STORE)
    if (!whole)
        store_part(patch, full);
}
