/* attend_scores.h - the first half of attend_tensor.cu: queries into halves,
 * scores, weights, and what a stretch adds to a line. Formula, exactness and
 * who has which lines and positions are told there. */
#ifndef ACI_CUDA_ATTEND_SCORES_H
#define ACI_CUDA_ATTEND_SCORES_H

#include "cuda/attend_desk.h"

/* What a lane knows of its two lines, lane / 4 and that + 8 of its warp's. */
struct lane_lines {
    range seen[2];
    float2 chunk[2], row[2];     /* parts so far: largest score, sum */
    float top[2], unit[2];       /* of the stretch; unit: 1 / what weights are times */
    float kept[2], added[2];     /* factors of mixed values, where `joins` */
    bool joins[2];
};

/* Which of the block's work is this warp's and this lane's. */
struct lane_place { int32_t strip, side; int lane, g, j; };

/* ---- queries --------------------------------------------------------------- */

/* A line a warp: its halves, and what scores are then multiplied by. Lines
 * beyond the last are zero. */
template <int lines, int threads>
static __device__ __forceinline__ void load_queries(const attend_call &call, const desk &d,
                                                    const tile_place &t)
{
    const int lane = static_cast<int>(threadIdx.x) % ACI_WARP;
    const int warp = static_cast<int>(threadIdx.x) / ACI_WARP;

#pragma unroll 1
    for (int32_t line = warp; line < lines; line += threads / ACI_WARP) {
        const bool there = line < t.n_lines;
        const float *q = call.q + (there ? number_of(call, t, line) : 0) *
                                      static_cast<size_t>(call.head_dim);
        const int32_t n = there ? call.head_dim : 0;
        float top = 0.0f;

#pragma unroll 1
        for (int32_t i = lane; i < n; i += ACI_WARP)
            top = fmaxf(top, fabsf(q[i]));
        const int exponent = aci_exponent_to_14(aci_warp_max(top));
        const float factor = aci_power_of_two(exponent);
#pragma unroll 1
        for (int32_t i = 2 * lane; i < t.width; i += 2 * ACI_WARP) {
            uint32_t *to = reinterpret_cast<uint32_t *>(d.q + line * d.plan.q_row + 2 * i);

            aci_split_halves(to[0], to[lines * d.plan.q_row / 4], i < n ? q[i] * factor : 0.0f,
                             i + 1 < n ? q[i + 1] * factor : 0.0f);
        }
        if (lane == 0)
            d.factors[line] = call.scale * 1.44269504f * aci_power_of_two(-exponent);
    }
}

/* ---- scores ---------------------------------------------------------------- */

template <int bits, int lines, int blocks>
static __device__ __forceinline__ void multiply_keys(float (&score)[blocks][2][4], const desk &d,
                                                     const lane_place &p, int32_t width)
{
    const unsigned char *q = d.q + (16 * p.strip + p.lane % 16) * d.plan.q_row + p.lane / 16 * 16;
    const int32_t tile = 16 * 16 * (bits / 8), block = width * 16 * (bits / 8);
    const unsigned char *k = d.keys + p.side * blocks * block + key_lane<bits>(p.lane);
    float low[blocks][2][4] = {};

#pragma unroll
    for (int b = 0; b < blocks; b++)
#pragma unroll
        for (int i = 0; i < 8; i++)
            score[b][i / 4][i % 4] = 0.0f;
#pragma unroll(blocks)
    for (int32_t c = 0; c < width / 16; c++) {
        uint32_t q_high[4], q_low[4], keys[2][2];

        load_lines(q_high, q_low, q + 32 * c, lines * d.plan.q_row);
#pragma unroll
        for (int b = 0; b < blocks; b++) {
            load_operand<bits>(keys, k + b * block + c * tile);
#pragma unroll
            for (int h = 0; h < 2; h++) {
                aci_mma_f16(score[b][h], q_high, keys[h]);
                aci_mma_f16(low[b][h], q_low, keys[h]);
            }
        }
    }
#pragma unroll
    for (int b = 0; b < blocks; b++)
#pragma unroll
        for (int i = 0; i < 8; i++)
            score[b][i / 4][i % 4] += low[b][i / 4][i % 4];
}

/* Scores of the warp's positions of the stretch, NOTHING where they are not
 * seen; the largest of them, and of the values' scales, to shared memory. */
template <int bits, int lines, int blocks>
static __device__ __forceinline__ void find_scores(float (&score)[blocks][2][4],
                                                   float (&scales)[blocks][2][2],
                                                   const desk &d, const lane_place &p,
                                                   const lane_lines &l, int32_t first,
                                                   int32_t width)
{
    float top[2] = { NOTHING, NOTHING }, most[2] = { 0.0f, 0.0f };
    const float *factors = d.factors + 16 * p.strip + p.g;

    multiply_keys<bits, lines, blocks>(score, d, p, width);
#pragma unroll
    for (int b = 0; b < blocks; b++)
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const int h = i / 4, r = i % 4 / 2;
            const int32_t place = 16 * (p.side * blocks + b) + place_of<bits>(h, 2 * p.j + i % 2);
            float &x = score[b][h][i % 4];

            if (bits == 8) { /* the scale first: the factor of a huge q is huge */
                x *= aci_half_to_float(d.key_scales[place]);
                scales[b][h][i % 2] = aci_half_to_float(d.value_scales[place]);
            }
            x *= factors[8 * r];
            if (!holds(l.seen[r], first + place))
                x = NOTHING;
            else if (bits == 8)
                most[r] = fmaxf(most[r], scales[b][h][i % 2]);
            top[r] = fmaxf(top[r], x);
        }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int32_t at = p.side * lines + 16 * p.strip + p.g + 8 * r;

        for (int step = 1; step < 4; step *= 2) {
            top[r] = fmaxf(top[r], __shfl_xor_sync(ACI_ALL_LANES, top[r], step));
            if (bits == 8)
                most[r] = fmaxf(most[r], __shfl_xor_sync(ACI_ALL_LANES, most[r], step));
        }
        if (p.j == 0) {
            d.tops[at] = top[r];
            if (bits == 8)
                d.most[at] = most[r];
        }
    }
}

/* ---- weights --------------------------------------------------------------- */

/* The stretch's largest score of the lane's lines, of all warps beside; and
 * what to multiply weights by, a power of two. */
template <int bits, int lines, int beside>
static __device__ __forceinline__ void find_tops(float (&times)[2], const desk &d,
                                                 const lane_place &p, lane_lines &l)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int32_t at = 16 * p.strip + p.g + 8 * r;
        float top = d.tops[at], most = 0.0f;
        int exponent = 15;

#pragma unroll
        for (int i = 1; i < beside; i++)
            top = fmaxf(top, d.tops[i * lines + at]);
        if (bits == 8) {
#pragma unroll
            for (int i = 0; i < beside; i++)
                most = fmaxf(most, d.most[i * lines + at]);
            exponent = aci_exponent_to_14(most);
        }
        l.top[r] = top;
        times[r] = aci_power_of_two(exponent);
        l.unit[r] = aci_power_of_two(-exponent);
    }
}

/* Weights of the warp's positions to shared memory, in halves, and their sums
 * by 16. */
template <int bits, int lines, int beside, int blocks>
static __device__ __forceinline__ void weigh(const float (&score)[blocks][2][4],
                                             const float (&scales)[blocks][2][2], const desk &d,
                                             const lane_place &p, lane_lines &l)
{
    float times[2];

    find_tops<bits, lines, beside>(times, d, p, l);
#pragma unroll
    for (int b = 0; b < blocks; b++) {
        const int32_t block = p.side * blocks + b;

#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float top = l.top[r] == NOTHING ? 0.0f : l.top[r];
            const int32_t line = 16 * p.strip + p.g + 8 * r;
            unsigned char *to = d.weights + line * WEIGHTS_ROW + (16 * block + 2 * p.j) * 2;
            float sum = 0.0f;

#pragma unroll
            for (int h = 0; h < 2; h++) {
                uint32_t *at = reinterpret_cast<uint32_t *>(to + 16 * h);
                float weight[2], x[2];

#pragma unroll
                for (int i = 0; i < 2; i++) {
                    const float s = score[b][h][2 * r + i];

                    weight[i] = exp2f(s - top);
                    x[i] = weight[i];
                    if (bits == 8) /* the scale of what is not seen may be no number */
                        x[i] = s == NOTHING ? 0.0f : weight[i] * scales[b][h][i];
                    x[i] *= times[r];
                }
                sum += weight[0] + weight[1];
                aci_split_halves(at[0], at[lines * WEIGHTS_ROW / 4], x[0], x[1]);
            }
            for (int step = 1; step < 4; step *= 2)
                sum += __shfl_xor_sync(ACI_ALL_LANES, sum, step);
            if (p.j == 0)
                d.sums[block * lines + line] = sum;
        }
    }
}

/* The stretch's part joins the chunk's. */
template <int lines>
static __device__ __forceinline__ void join_stretch(const desk &d, const lane_place &p,
                                                    lane_lines &l)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const float *sums = d.sums + 16 * p.strip + p.g + 8 * r;
        const float sum = ((sums[0] + sums[lines]) + sums[2 * lines]) + sums[3 * lines];

        l.joins[r] = sum != 0.0f;
        if (l.joins[r]) {
            join(l.chunk[r], l.kept[r], l.added[r], { l.top[r], sum });
            l.added[r] *= l.unit[r];
        }
    }
}

#endif
