/* emulated_instructions.cc - tensor-core products by the fragment maps of the
 * PTX ISA (section "Matrix Fragments for mma.m16n8k32" and "...m16n8k16").
 *
 * Lane l: g = l / 4, j = l % 4.
 *     A, 8-bit, 16 x 32:  a[0] row g, k 4j..4j+3     a[1] row g + 8, the same
 *                         a[2] row g, k 16+4j..      a[3] row g + 8
 *     B, 8-bit, 32 x 8:   b[0] column g, k 4j..      b[1] k 16+4j..
 *     A, 16-bit, 16 x 16: a[0] row g, k 2j, 2j+1     a[1] row g + 8
 *                         a[2] row g, k 8+2j..       a[3] row g + 8
 *     B, 16-bit, 16 x 8:  b[0] column g, k 2j, 2j+1  b[1] k 8+2j..
 *     C, 16 x 8:          c[0], c[1] row g, columns 2j, 2j+1;  c[2], c[3]
 *                         row g + 8 */
#include "emulation.h"
#include "platform/half.h"

namespace emulation {

static const fragment *lane_of(void *const lanes[32], int g, int j)
{
    return static_cast<const fragment *>(lanes[4 * g + j]);
}

static int byte_of(uint32_t word, int i)
{
    return static_cast<int>(word >> (8 * i) & 255u);
}

static int a_byte(void *const lanes[32], int row, int k)
{
    const fragment *f = lane_of(lanes, row % 8, k % 16 / 4);

    return byte_of(f->a[2 * (k / 16) + row / 8], k % 4);
}

static int b_byte(void *const lanes[32], int k, int column)
{
    const fragment *f = lane_of(lanes, column, k % 16 / 4);

    return static_cast<int8_t>(byte_of(f->b[k / 16], k % 4));
}

void m16n8k32_u8_s8(void *const lanes[32])
{
    int16_t a[16][32], b[8][32]; /* so that the compiler multiplies many at once */

    for (int k = 0; k < 32; k++) {
        for (int row = 0; row < 16; row++)
            a[row][k] = static_cast<int16_t>(a_byte(lanes, row, k));
        for (int column = 0; column < 8; column++)
            b[column][k] = static_cast<int16_t>(b_byte(lanes, k, column));
    }
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            uint32_t *c = static_cast<uint32_t *>( /* sums wrap around */
                lane_of(lanes, row % 8, column / 2)->c);
            int32_t sum = 0;

            for (int k = 0; k < 32; k++)
                sum += a[row][k] * b[column][k];
            c[2 * (row / 8) + column % 2] += static_cast<uint32_t>(sum);
        }
}

static float half_of(uint32_t word, int i)
{
    return aci_platform_f32_from_f16(
        static_cast<uint16_t>(word >> (16 * i) & 0xFFFFu));
}

/* In float64, rounded once: what a device comes to lies within its own
 * rounding of this. */
void m16n8k16_f16(void *const lanes[32])
{
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            float *c = static_cast<float *>(
                lane_of(lanes, row % 8, column / 2)->c);
            float *at = &c[2 * (row / 8) + column % 2];
            double sum = *at;

            for (int k = 0; k < 16; k++) {
                const fragment *a = lane_of(lanes, row % 8, k % 8 / 2);
                const fragment *b = lane_of(lanes, column, k % 8 / 2);

                sum += static_cast<double>(
                           half_of(a->a[2 * (k / 8) + row / 8], k % 2)) *
                       half_of(b->b[k / 8], k % 2);
            }
            *at = static_cast<float>(sum);
        }
}

} // namespace emulation
