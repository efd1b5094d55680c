/* matrix.h - how a weight matrix lies in memory, on disk, CPU and GPU alike.
 *
 * W [n_out, n_in] is cut into strips of 16 rows and tiles of 16 rows x 64
 * columns ("T16x64"). Strips follow one another; inside a strip the tiles go
 * along the columns, so every reader sees one sequential stream per plane.
 * n_out is padded to 16 and n_in to 64 (128 where groups are of 128) with zero
 * weights.
 *
 * A matrix may be a view of a larger one: its first rows and columns, over the
 * same bytes (aci_matrix_cut). Fewer rows are fewer strips; fewer columns stop
 * early in every strip, whose next begins `n_in_stored` columns on. Any cut is
 * exact, inside a group too: activations behind n_in are zero, so whatever the
 * weights there are adds nothing to the integer sums.
 *
 * A weight is held in up to three planes, each refining the last:
 *
 *     plane A   q in [-8,7]      w4  = q * s
 *     plane B   r in [-8,7]      w8  = (D*q + r) * s / D           = c * s/D
 *     plane C   t in [-127,127]  w16 = (256*c + t) * s / (256*D)
 *
 * with one float16 scale s per row and group of `group` columns (32, 64 or
 * 128; a group never crosses a tile unless it is 128), and one small integer
 * D = `ratio` (8..14) per matrix. int4 reads A; int8 reads A and B; full reads
 * all three. So -120 <= c <= 105: two products with an int8 fit int16, which
 * AVX2's maddubs needs.
 *
 * Tile of plane A or B, 512 bytes: a 64-byte line for each row pair (g, g+8),
 * g = 0..7. The 8-byte word i of that line belongs to row g + 8*(i & 1) and
 * columns 16*(i >> 1) .. +15: byte b holds column b in its low nibble and
 * column b+8 in its high nibble, both offset by 8 (stored = value + 8).
 *
 *     line g:  | row g, k 0-15 | row g+8, k 0-15 | row g, k 16-31 | ...
 *
 * Tile of plane C, 1024 bytes: for each row pair 128 bytes; the first 64 are
 * the columns of the low nibbles, the next 64 those of the high nibbles, in
 * the same byte order; stored = value + 128.
 *
 * Scales: [n_strip][n_in_stored / group][16] float16, one per row of the
 * strip.
 *
 * The same bytes feed vpdpbusd on a 64-byte line, m16n8k32 and wgmma A
 * fragments on 16-byte pieces. docs/formats.md has the file around them. */
#ifndef ACI_KERNELS_MATRIX_H
#define ACI_KERNELS_MATRIX_H

#include <stddef.h>
#include <stdint.h>

/* The layout is written once: what follows is compiled for a GPU as well. */
#ifdef __CUDACC__
#define ACI_HOST_DEVICE __host__ __device__
#else
#define ACI_HOST_DEVICE
#endif

enum {
    ACI_STRIP_ROWS = 16,
    ACI_TILE_COLUMNS = 64,
    ACI_COLUMN_PADDING = 128,  /* the most that any group asks for */
    ACI_NIBBLE_TILE_BYTES = 512,
    ACI_BYTE_TILE_BYTES = 1024
};

typedef struct aci_matrix {
    int32_t n_out, n_in;       /* logical shape */
    int32_t n_in_padded;       /* columns multiplied: aci_matrix_padded */
    int32_t n_in_stored;       /* columns a strip has in memory, not fewer */
    int32_t n_strip;           /* ceil(n_out / 16) */
    int32_t group;             /* 32, 64, 128; 0: float32 only */
    int32_t ratio;             /* D */
    const uint8_t *plane_a;    /* NULL when the matrix is float32 */
    const uint8_t *plane_b;
    const uint8_t *plane_c;
    const uint16_t *scales;
    const float *dense;        /* [n_out, n_in] float32, or NULL */
} aci_matrix;

/* One product of a variant: which planes to read, at which activation
 * precision. Bias, when there is one, is [n_out] float32. */
typedef struct aci_linear {
    const aci_matrix *weight;
    const float *bias;         /* NULL: none */
    int32_t weight_bits;       /* 4, 8, 16; 32: weight->dense */
    int32_t activation_bits;   /* 8 or 16; 32 with dense */
} aci_linear;

/* The factor of a matrix's scales at a weight width: 1, 1/D, 1/(256 D). */
static inline float aci_scale_factor(const aci_linear *linear)
{
    float ratio = (float)linear->weight->ratio;

    if (linear->weight_bits == 4)
        return 1.0f;
    return linear->weight_bits == 8 ? 1.0f / ratio : 1.0f / (256.0f * ratio);
}

/* Columns with their padding: whole tiles, and whole groups. */
static inline int32_t aci_matrix_padded(int32_t n_in, int32_t group)
{
    int32_t step = group == 128 ? 128 : ACI_TILE_COLUMNS;

    return (n_in + step - 1) / step * step;
}

/* The first n_out rows and n_in columns of a matrix in planes, over the same
 * bytes; neither more than it has. */
static inline aci_matrix aci_matrix_cut(const aci_matrix *whole,
                                        int32_t n_out, int32_t n_in)
{
    aci_matrix view = *whole;

    view.n_out = n_out;
    view.n_strip = (n_out + ACI_STRIP_ROWS - 1) / ACI_STRIP_ROWS;
    view.n_in = n_in;
    view.n_in_padded = aci_matrix_padded(n_in, whole->group);
    return view;
}

/* Bytes of each part of a matrix as it is stored. */
static inline size_t aci_matrix_nibble_bytes(const aci_matrix *m)
{
    return (size_t)m->n_strip * (size_t)(m->n_in_stored / ACI_TILE_COLUMNS) *
           ACI_NIBBLE_TILE_BYTES;
}

static inline size_t aci_matrix_scale_bytes(const aci_matrix *m)
{
    return (size_t)m->n_strip * (size_t)(m->n_in_stored / m->group) *
           ACI_STRIP_ROWS * sizeof(uint16_t);
}

/* Number of the scale of (row, group of columns). */
ACI_HOST_DEVICE static inline size_t
aci_matrix_scale_at(const aci_matrix *m, int32_t row, int32_t group)
{
    return ((size_t)(row / ACI_STRIP_ROWS) *
                (size_t)(m->n_in_stored / m->group) + (size_t)group) *
               ACI_STRIP_ROWS + (size_t)(row % ACI_STRIP_ROWS);
}

/* Where element (row, column) of a nibble plane lies: byte offset, and the
 * shift (0 or 4) of its nibble. Plane C: byte offset alone. */
ACI_HOST_DEVICE static inline size_t
aci_matrix_nibble_at(const aci_matrix *m, int32_t row, int32_t column,
                     int *shift)
{
    size_t tiles = (size_t)(m->n_in_stored / ACI_TILE_COLUMNS);
    size_t tile = (size_t)(row / 16) * tiles + (size_t)(column / 64);
    int32_t r = row % 16, k = column % 64;

    *shift = (k & 8) ? 4 : 0;
    return tile * ACI_NIBBLE_TILE_BYTES +
           (size_t)(64 * (r & 7) + 8 * (2 * (k >> 4) + (r >> 3)) + (k & 7));
}

ACI_HOST_DEVICE static inline size_t
aci_matrix_byte_at(const aci_matrix *m, int32_t row, int32_t column)
{
    size_t tiles = (size_t)(m->n_in_stored / ACI_TILE_COLUMNS);
    size_t tile = (size_t)(row / 16) * tiles + (size_t)(column / 64);
    int32_t r = row % 16, k = column % 64;

    return tile * ACI_BYTE_TILE_BYTES +
           (size_t)(128 * (r & 7) + ((k & 8) ? 64 : 0) +
                    8 * (2 * (k >> 4) + (r >> 3)) + (k & 7));
}

#endif
