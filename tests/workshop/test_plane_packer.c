/* test_plane_packer.c - packed tiles against the addresses of matrix.h. */
#include <check.h>
#include <string.h>

#include "platform/random.h"
#include "workshop/compress/plane_packer.h"

enum { ROWS = 16, COLUMNS = 384 };

START_TEST(every_code_is_where_matrix_h_says)
{
    static int8_t codes[COLUMNS * ROWS];
    static uint8_t nibbles[COLUMNS * ROWS / 2], bytes[COLUMNS * ROWS];
    aci_matrix matrix = { .n_strip = 1, .n_in_stored = COLUMNS };
    aci_random random;
    int n_bad = 0;

    ck_assert_uint_eq(aci_matrix_nibble_bytes(&matrix), sizeof nibbles);
    aci_platform_random_seed(&random, 1);
    for (int i = 0; i < COLUMNS * ROWS; i++)
        codes[i] = (int8_t)(aci_platform_random_below(&random, 16)) - 8;
    aci_workshop_pack_nibbles(nibbles, codes, COLUMNS);
    for (int32_t row = 0; row < ROWS; row++)
        for (int32_t k = 0; k < COLUMNS; k++) {
            int shift;
            size_t at = aci_matrix_nibble_at(&matrix, row, k, &shift);

            n_bad += (nibbles[at] >> shift & 15) - 8 != codes[k * ROWS + row];
        }
    for (int i = 0; i < COLUMNS * ROWS; i++)
        codes[i] = (int8_t)((int)aci_platform_random_below(&random, 255) -
                            127);
    aci_workshop_pack_bytes(bytes, codes, COLUMNS);
    for (int32_t row = 0; row < ROWS; row++)
        for (int32_t k = 0; k < COLUMNS; k++)
            n_bad += bytes[aci_matrix_byte_at(&matrix, row, k)] - 128 !=
                     codes[k * ROWS + row];
    ck_assert_int_eq(n_bad, 0);
}
END_TEST

/* The picture of matrix.h, by hand: line 2 holds rows 2 and 10. */
START_TEST(picture_of_a_line)
{
    static int8_t codes[64 * ROWS];
    static uint8_t tile[512];

    memset(codes, 0, sizeof codes);
    codes[0 * ROWS + 2] = 7;    /* row 2, k 0: first byte, low nibble */
    codes[8 * ROWS + 2] = -8;   /* row 2, k 8: first byte, high nibble */
    codes[1 * ROWS + 10] = 3;   /* row 10, k 1: second word, byte 1 */
    codes[63 * ROWS + 10] = 5;  /* row 10, k 63: last byte, high nibble */
    aci_workshop_pack_nibbles(tile, codes, 64);
    ck_assert_uint_eq(tile[2 * 64 + 0], 0x0F);
    ck_assert_uint_eq(tile[2 * 64 + 9], 0x8B);
    ck_assert_uint_eq(tile[2 * 64 + 63], 0xD8);
    ck_assert_uint_eq(tile[2 * 64 + 1], 0x88);
    ck_assert_uint_eq(tile[0], 0x88);
}
END_TEST

Suite *test_plane_packer_suite(void);
Suite *test_plane_packer_suite(void)
{
    Suite *suite = suite_create("test_plane_packer");
    TCase *tests = tcase_create("tiles");

    tcase_add_test(tests, every_code_is_where_matrix_h_says);
    tcase_add_test(tests, picture_of_a_line);
    suite_add_tcase(suite, tests);
    return suite;
}
