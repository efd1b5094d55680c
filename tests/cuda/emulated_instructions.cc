/* emulated_instructions.cc - tensor-core products by the fragment maps of the
 * PTX ISA (section "Matrix Fragments for mma.m16n8k32" and "...m16n8k16"), and
 * how their operands are loaded.
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

static bool cut_sums;
static size_t bank_conflicts;

/* c plus 16 products in float64, rounded once: what a device comes to lies
 * within its own rounding of this. */
static float add_rounded(float c, const float *a, const float *b)
{
    double sum = c;

    for (int k = 0; k < 16; k++)
        sum += static_cast<double>(a[k]) * b[k];
    return static_cast<float>(sum);
}

/* The same as devices were found to do it (Fasi, Higham, Mikaitis, Pranesh
 * 2021, "Numerical behavior of NVIDIA tensor cores"): 8 products at a time and
 * the sum before them are aligned to the largest of them and what lies below
 * 24 bits of it is cut off; so is the result. Later devices keep more. */
static float add_cut(float c, const float *a, const float *b)
{
    double terms[9] = { c }, largest = fabs(c), sum = 0.0;

    for (int k = 0; k < 8; k++) {
        terms[k + 1] = static_cast<double>(a[k]) * b[k];
        largest = fmax(largest, fabs(terms[k + 1]));
    }
    if (largest == 0.0 || !(largest < INFINITY))
        return static_cast<float>(terms[0] + terms[1] + terms[2] + terms[3] + terms[4] +
                                  terms[5] + terms[6] + terms[7] + terms[8]);
    const double unit = ldexp(1.0, ilogb(largest) - 23);
    for (double term : terms)
        sum += trunc(term / unit) * unit;
    const float result = static_cast<float>(sum);
    return fabs(static_cast<double>(result)) > fabs(sum) ? nextafterf(result, 0.0f) : result;
}

void m16n8k16_f16(void *const lanes[32])
{
    float a[16][16], b[8][16];

    for (int k = 0; k < 16; k++) {
        for (int row = 0; row < 16; row++)
            a[row][k] = half_of(lane_of(lanes, row % 8, k % 8 / 2)
                                    ->a[2 * (k / 8) + row / 8], k % 2);
        for (int column = 0; column < 8; column++)
            b[column][k] = half_of(lane_of(lanes, column, k % 8 / 2)
                                       ->b[k / 8], k % 2);
    }
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            float *c = static_cast<float *>(
                lane_of(lanes, row % 8, column / 2)->c);
            float *at = &c[2 * (row / 8) + column % 2];

            *at = cut_sums ? add_cut(add_cut(*at, a[row], b[column]), a[row] + 8,
                                     b[column] + 8)
                           : add_rounded(*at, a[row], b[column]);
        }
}

/* Rows of a matrix come at once where they lie in different eighths of the 128
 * bytes that the banks have. */
static void count_conflicts(void *const lanes[32], int first)
{
    unsigned taken = 0;

    for (int i = first; i < first + 8; i++) {
        const void *row = static_cast<matrix_rows *>(lanes[i])->row;
        const unsigned eighth = 1u << reinterpret_cast<uintptr_t>(row) / 16 % 8;

        bank_conflicts += (taken & eighth) != 0;
        taken |= eighth;
    }
}

/* ldmatrix.m8n8.b16 (section "ldmatrix"): lanes 8m .. 8m+7 give the rows of
 * matrix m, each 16 bytes at a multiple of 16; lane l gets elements 2j, 2j+1
 * of row g, with .trans those of the transposed matrix. */
static void load_matrices(void *const lanes[32], int n, bool transposed)
{
    uint16_t all[4][8][8];

    for (int i = 0; i < 8 * n; i++) {
        const void *row = static_cast<matrix_rows *>(lanes[i])->row;

        if (reinterpret_cast<uintptr_t>(row) % 16 != 0)
            fail("a row of ldmatrix is not aligned to 16 bytes");
        memcpy(all[i / 8][i % 8], row, 16);
        if (i % 8 == 0)
            count_conflicts(lanes, i);
    }
    for (int l = 0; l < 32; l++)
        for (int m = 0; m < n; m++) {
            const int g = l / 4, j = l % 4;
            const uint16_t first = transposed ? all[m][2 * j][g]
                                              : all[m][g][2 * j];
            const uint16_t second = transposed ? all[m][2 * j + 1][g]
                                               : all[m][g][2 * j + 1];

            static_cast<matrix_rows *>(lanes[l])->to[m] =
                first | static_cast<uint32_t>(second) << 16;
        }
}

void load_matrices_x4(void *const lanes[32])
{
    load_matrices(lanes, 4, false);
}

void load_matrices_x4_trans(void *const lanes[32])
{
    load_matrices(lanes, 4, true);
}

void load_matrices_x2_trans(void *const lanes[32])
{
    load_matrices(lanes, 2, true);
}

void any_of_lanes(void *const lanes[32])
{
    int any = 0;

    for (int i = 0; i < 32; i++)
        any |= *static_cast<int *>(lanes[i]) != 0;
    for (int i = 0; i < 32; i++)
        *static_cast<int *>(lanes[i]) = any;
}

} // namespace emulation

void emulation_cut_sums(int on) { emulation::cut_sums = on != 0; }
size_t emulation_bank_conflicts(void) { return emulation::bank_conflicts; }
