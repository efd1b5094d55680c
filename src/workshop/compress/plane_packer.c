/* plane_packer.c - T16x64: see the picture in kernels/matrix.h. The loops run
 * in the order of the bytes written; a tile's codes are 1 KB and stay near. */
#include "workshop/compress/plane_packer.h"

#include <stddef.h>

enum { ROWS = ACI_STRIP_ROWS, COLUMNS = ACI_TILE_COLUMNS };

/* Row and first column of the 8-byte word `word` in line `line` of a tile. */
static inline const int8_t *word_codes(const int8_t *tile, int line, int word)
{
    int row = line + 8 * (word & 1);
    int column = 16 * (word >> 1);

    return tile + column * ROWS + row;
}

void aci_workshop_pack_nibbles(uint8_t *out, const int8_t *codes,
                               int32_t n_in_padded)
{
    for (int32_t first = 0; first < n_in_padded; first += COLUMNS) {
        const int8_t *tile = codes + (size_t)first * ROWS;

        for (int line = 0; line < 8; line++)
            for (int word = 0; word < 8; word++) {
                const int8_t *from = word_codes(tile, line, word);

                for (int b = 0; b < 8; b++) {
                    int low = from[b * ROWS] + 8;
                    int high = from[(b + 8) * ROWS] + 8;

                    *out++ = (uint8_t)(low | high << 4);
                }
            }
    }
}

void aci_workshop_pack_bytes(uint8_t *out, const int8_t *codes,
                             int32_t n_in_padded)
{
    for (int32_t first = 0; first < n_in_padded; first += COLUMNS) {
        const int8_t *tile = codes + (size_t)first * ROWS;

        for (int line = 0; line < 8; line++)
            for (int half = 0; half < 2; half++)
                for (int word = 0; word < 8; word++) {
                    const int8_t *from = word_codes(tile, line, word) +
                                         half * 8 * ROWS;

                    for (int b = 0; b < 8; b++)
                        *out++ = (uint8_t)(from[b * ROWS] + 128);
                }
    }
}
