/* test_sha256.c - SHA-256 against FIPS 180's examples and Python's hashlib. */
#include "platform/sha256.h"

#include <check.h>
#include <string.h>

Suite *test_sha256_suite(void);

static uint8_t data[100000];

static void fill(void)
{
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
}

static void expect(const char *digits, const void *bytes, size_t n)
{
    char text[ACI_SHA256_TEXT];

    aci_platform_sha256_of(text, bytes, n);
    ck_assert_str_eq(text, digits);
}

START_TEST(published_values)
{
    expect("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
           "", 0);
    expect("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
           "abc", 3);
}
END_TEST

START_TEST(every_padding)
{
    fill();
    expect("576a1bf8d4478657e6dc4af9398544765c2a92cde28478b019235cfed315fc09",
           data, 55);
    expect("9b20501dfd1d99161c257950f3444f3e49230c351c5c8e0943ef369f85f5205d",
           data, 56);
    expect("30b345906b493f06f69444b6521113511c242f30e29840462950035043682f1e",
           data, 63);
    expect("d8bc63b4fc1156e5e7d95a418b9bf54cd3174bedbc2db40f74895349b229b3c0",
           data, 64);
    expect("1ee23b0fbcaecc1aff4a9e8f1645f35ab2c8e13609cd73b68df8b5e3f63ce073",
           data, 65);
    expect("55af394c980c7a7fb68aa904c4afdd93d76e5f826487105fc06f92a25bab8cbe",
           data, sizeof data);
}
END_TEST

START_TEST(pieces_give_the_same_as_the_whole)
{
    char whole[ACI_SHA256_TEXT], pieces[ACI_SHA256_TEXT];

    fill();
    for (size_t step = 1; step < 200; step += 13) {
        aci_sha256 hash;

        aci_platform_sha256_begin(&hash);
        for (size_t at = 0; at < 1000; at += step)
            aci_platform_sha256_add(&hash, data + at,
                                    1000 - at < step ? 1000 - at : step);
        aci_platform_sha256_text(pieces, &hash);
        aci_platform_sha256_of(whole, data, 1000);
        ck_assert_str_eq(pieces, whole);
    }
}
END_TEST

Suite *test_sha256_suite(void)
{
    Suite *suite = suite_create("test_sha256");
    TCase *tc = tcase_create("sha256");

    tcase_add_test(tc, published_values);
    tcase_add_test(tc, every_padding);
    tcase_add_test(tc, pieces_give_the_same_as_the_whole);
    suite_add_tcase(suite, tc);
    return suite;
}
