/* attend_desk.h - the shared memory of a block of attend_tensor.cu, and how a
 * stretch of a cache comes into it.
 *
 *     q, weights   high and low halves of the lines, [lines][row] each; a row
 *                  is 16 bytes longer than what it holds
 *     keys         the cache's own bytes, 4 blocks [width][16 positions], then
 *                  the scales of the stretch's keys and values (8 bits)
 *     values       [64 positions][row]: of the block's columns, at most 128
 *     tops, most   largest score, and scale of a value, that each warp found
 *     sums         of the weights of 16 positions
 *
 * ldmatrix reads 8 rows of 16 bytes at a time, free of conflicts where their
 * numbers in units of 16 bytes differ modulo 8: in rows of an odd number of
 * units they do, hence the longer rows. Keys of 16 bits lie in rows of two
 * units, and trade the two in every other four rows (unit u stands at
 * u ^ (u / 8 % 2)); keys of 8 bits in rows of one, which need nothing. */
#ifndef ACI_CUDA_ATTEND_DESK_H
#define ACI_CUDA_ATTEND_DESK_H

#include "cuda/attend_call.h"
#include "cuda/half_code.h"

enum {
    STRETCH = 64,  /* positions */
    COLUMNS = 128, /* of values that a block mixes */
    WEIGHTS_ROW = 2 * STRETCH + 16,
    STRETCHES_OF_CHUNK = ACI_TENSOR_CHUNK / STRETCH,
    MOST_SHARED = 99 * 1024 /* of sm_89, which has the least */
};

/* `warps_beside` warps share 16 lines. Sizes in bytes. */
struct desk_plan {
    int32_t q_row, value_row, q, weights, keys, values, tops, bytes;
    bool one_buffer; /* values, then weights, come where the keys were */
};

static __host__ __device__ __forceinline__ desk_plan plan_desk(int32_t bits, int32_t lines,
                                                               int32_t warps_beside,
                                                               int32_t width)
{
    const int32_t row = (width < COLUMNS ? width : static_cast<int32_t>(COLUMNS)) * (bits / 8);
    desk_plan p;

    p.q_row = 2 * width + 16;
    p.value_row = row / 16 % 2 == 0 ? row + 16 : row;
    p.q = 2 * lines * p.q_row;
    p.weights = 2 * lines * WEIGHTS_ROW;
    p.keys = STRETCH * width * (bits / 8) + (bits == 8 ? 4 * STRETCH : 0);
    p.values = STRETCH * p.value_row;
    p.tops = (2 * warps_beside + 4 + 1) * lines * 4;
    p.bytes = p.q + p.weights + p.keys + p.values + p.tops;
    p.one_buffer = p.bytes > MOST_SHARED;
    if (p.one_buffer)
        p.bytes = p.q + p.tops +
                  (p.keys > p.values + p.weights ? p.keys : p.values + p.weights);
    return p;
}

struct desk {
    desk_plan plan;
    unsigned char *q, *weights, *keys, *values;
    float *tops, *most;  /* [warps_beside][lines] */
    float *sums;         /* [4][lines] */
    float *factors;      /* [lines]: what a line's scores are multiplied by */
    const uint16_t *key_scales, *value_scales; /* [STRETCH] */
};

static __device__ __forceinline__ desk lay_desk(unsigned char *shared, int32_t bits,
                                                int32_t lines, int32_t warps_beside,
                                                int32_t width)
{
    desk d;

    d.plan = plan_desk(bits, lines, warps_beside, width);
    d.q = shared;
    d.tops = reinterpret_cast<float *>(d.q + d.plan.q);
    d.most = d.tops + warps_beside * lines;
    d.sums = d.most + warps_beside * lines;
    d.factors = d.sums + 4 * lines;
    d.keys = d.q + d.plan.q + d.plan.tops;
    d.values = d.plan.one_buffer ? d.keys : d.keys + d.plan.keys;
    d.weights = d.values + d.plan.values;
    d.key_scales = reinterpret_cast<const uint16_t *>(d.keys + STRETCH * width * (bits / 8));
    d.value_scales = d.key_scales + STRETCH;
    return d;
}

/* ---- a stretch of the cache ------------------------------------------------ */

/* Blocks of 16 keys of which no line sees any are zero instead; of the others
 * what is not seen may be anything. */
template <int bits, int threads>
static __device__ __forceinline__ void fetch_keys(const desk &d, const tile_place &t,
                                                  int32_t first)
{
    const int32_t units = t.width * (bits / 8); /* of 16 bytes, of 16 positions */
    const unsigned char *from =
        static_cast<const unsigned char *>(t.kv->k) +
        (t.heads_line + static_cast<size_t>(first)) * static_cast<size_t>(units);

#pragma unroll 1
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < 4 * units; i += threads) {
        const bool inside = meets(t.any, first + i / units * 16, 16);
        const int32_t place = bits == 16 ? i ^ (i >> 3 & 1) : i;

        aci_copy_async(d.keys + place * 16,
                       inside ? from + static_cast<size_t>(i) * 16
                              : static_cast<const unsigned char *>(t.kv->k),
                       inside);
    }
#pragma unroll 1
    for (int32_t i = static_cast<int32_t>(threadIdx.x); bits == 8 && i < STRETCH / 4;
         i += threads) {
        const bool inside = meets(t.any, first + i % 8 * 8, 8);
        const uint16_t *scales = i < 8 ? t.kv->k_scales : t.kv->v_scales;

        aci_copy_async(d.keys + (4 * units + i) * 16,
                       scales + (inside ? t.heads_line + static_cast<size_t>(first + i % 8 * 8)
                                        : 0),
                       inside);
    }
    aci_copies_commit();
}

/* Where a position stands among the 16 that a product takes at a time, and
 * which one stands in column or row `at` of half `h` of them: bytes come in
 * pairs, of which one half takes the first and the other the second. The same
 * for the columns of 16 values. */
template <int bits> static __device__ __forceinline__ int32_t slot_of(int32_t position)
{
    return bits == 16 ? position
                      : (position & ~15) | (position & 1) << 3 | (position >> 1 & 7);
}

template <int bits> static __device__ __forceinline__ int32_t place_of(int h, int at)
{
    return bits == 16 ? 8 * h + at : 2 * at + h;
}

/* The block's columns of the values. Those that no line sees are zero: a
 * weight of zero times what was never written could be no number. */
template <int bits, int threads>
static __device__ __forceinline__ void fetch_values(const desk &d, const tile_place &t,
                                                    int32_t first, const range &columns)
{
    const int32_t units = (columns.last + 1 - columns.first) * (bits / 8) / 16;
    const size_t row = static_cast<size_t>(t.width) * (bits / 8);
    const unsigned char *from = static_cast<const unsigned char *>(t.kv->v) +
                                (t.heads_line + static_cast<size_t>(first)) * row +
                                static_cast<size_t>(columns.first) * (bits / 8);

#pragma unroll 1
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < STRETCH * units; i += threads) {
        const int32_t position = i / units;
        const bool inside = holds(t.any, first + position);

        aci_copy_async(d.values + slot_of<bits>(position) * d.plan.value_row + i % units * 16,
                       inside ? from + static_cast<size_t>(position) * row +
                                    static_cast<size_t>(i % units) * 16
                              : static_cast<const unsigned char *>(t.kv->v),
                       inside);
    }
    aci_copies_commit();
}

/* ---- operands -------------------------------------------------------------- */

/* B operands of 16 rows by 16 columns from `at` on; x[h] those of half h. Where
 * a lane's row of keys begins, and of values: */
template <int bits> static __device__ __forceinline__ int32_t key_lane(int lane)
{
    const int unit = 2 * (lane % 16) + lane / 16;

    return bits == 16 ? (unit ^ (unit >> 3 & 1)) * 16 : lane % 16 * 16;
}

template <int bits>
static __device__ __forceinline__ int32_t value_lane(const desk &d, int lane)
{
    return lane % 16 * d.plan.value_row + (bits == 16 ? lane / 16 * 16 : 0);
}

template <int bits>
static __device__ __forceinline__ void load_operand(uint32_t (&x)[2][2], const unsigned char *at)
{
    if constexpr (bits == 16) {
        uint32_t raw[4];

        aci_load_transposed(raw, at);
        x[0][0] = raw[0], x[0][1] = raw[1], x[1][0] = raw[2], x[1][1] = raw[3];
    } else {
        uint32_t raw[2];

        aci_load_transposed(raw, at);
        aci_widen_bytes(x[0][0], x[1][0], raw[0]);
        aci_widen_bytes(x[0][1], x[1][1], raw[1]);
    }
}

/* A operands of 16 lines, high and low: `at` is the lane's place, lane % 16
 * rows and lane / 16 units from the corner; low halves lie `low` bytes on. */
static __device__ __forceinline__ void load_lines(uint32_t (&high)[4], uint32_t (&low)[4],
                                                  const unsigned char *at, int32_t low_bytes)
{
    aci_load_matrices(high, at);
    aci_load_matrices(low, at + low_bytes);
}

#endif
