/* test_weight_store.c - weights.acw whole, torn, flipped and forged. */
#include <fcntl.h>
#include <time.h>

#include "model/weight_store.h"
#include "store_fixture.h"

static uint8_t *store;      /* the good one */
static size_t n_store;

static void enter(void)
{
    zoo_enter_tiny();
    store = zoo_load(zoo_weights, &n_store);
}

static void leave(void)
{
    free(store);
    zoo_leave();
}

static ac_status try_bytes(const uint8_t *bytes, size_t n, int verify)
{
    aci_weight_store *opened;
    ac_status status;

    zoo_save(zoo_weights, bytes, n);
    zoo_error.message[0] = '\0';
    status = aci_model_store_open(&opened, &zoo_memory, zoo_weights, verify,
                                  &zoo_error);
    if (status == AC_OK)
        aci_model_store_close(opened);
    else
        ck_assert_ptr_null(opened);
    return status;
}

START_TEST(opens_in_place)
{
    aci_weight_store *opened;
    aci_matrix matrix;

    ck_assert_int_eq(aci_model_store_open(&opened, &zoo_memory, zoo_weights, 1,
                                          &zoo_error), AC_OK);
    ck_assert_uint_eq(aci_model_store_bytes(opened), n_store);
    ck_assert_int_eq(aci_model_store_shape(opened)->n_layer, 2);
    ck_assert_str_eq(aci_model_store_shape(opened)->name, "synthetic tiny");
    ck_assert_int_eq(aci_model_store_group(opened), 64);
    aci_model_store_matrix(&matrix, opened, 0);
    ck_assert_int_eq(matrix.n_out, 320);
    ck_assert_int_eq(matrix.n_in, 128);
    ck_assert_int_eq(matrix.n_strip, 20);
    ck_assert_uint_eq((uintptr_t)matrix.plane_a % 4096, 0);
    ck_assert_uint_eq((uintptr_t)matrix.plane_b % 4096, 0);
    ck_assert_uint_eq((uintptr_t)matrix.plane_c % 4096, 0);
    ck_assert_uint_eq((uintptr_t)matrix.scales % 4096, 0);
    ck_assert(matrix.plane_a < matrix.plane_b);
    ck_assert(matrix.plane_b < matrix.plane_c);
    ck_assert(aci_model_store_vector(opened, 1)[127] == 1.0f); /* attn_norm */
    aci_model_store_close(opened);
}
END_TEST

/* Everything int4 reads lies before the first byte of plane B, and so on. */
START_TEST(planes_of_the_model_are_contiguous)
{
    aci_weight_store *opened;
    const aci_store_header *header;
    const aci_store_entry *entries;

    ck_assert_int_eq(aci_model_store_open(&opened, &zoo_memory, zoo_weights, 0,
                                          NULL), AC_OK);
    header = aci_model_store_header(opened);
    entries = aci_model_store_entries(opened);
    for (uint32_t i = 0; i < header->n_tensors; i++)
        for (int part = 0; part < ACI_N_PARTS; part++) {
            int section = entries[i].kind == ACI_TENSOR_VECTOR
                              ? ACI_SECTION_VECTORS
                          : part == ACI_PART_B ? ACI_SECTION_B
                          : part == ACI_PART_C ? ACI_SECTION_C
                                               : ACI_SECTION_A;

            if (entries[i].n_bytes[part] == 0)
                continue;
            ck_assert_uint_ge(entries[i].offset[part],
                              header->section_offset[section]);
            ck_assert_uint_le(entries[i].offset[part] +
                                  entries[i].n_bytes[part],
                              header->section_offset[section] +
                                  header->section_bytes[section]);
        }
    aci_model_store_close(opened);
}
END_TEST

START_TEST(truncated_anywhere_is_refused)
{
    for (size_t n = 0; n < n_store;
         n += n < 8192 ? 61 : n_store / 97) {
        ac_status status = try_bytes(store, n, 0);

        ck_assert_int_eq(status, AC_E_FORMAT);
        ck_assert_str_ne(zoo_error.message, "");
    }
    ck_assert_int_eq(try_bytes(store, n_store - 1, 0), AC_E_FORMAT);
    store = realloc(store, n_store + 4096);
    memset(store + n_store, 0, 4096);
    ck_assert_int_eq(try_bytes(store, n_store + 1, 0), AC_E_FORMAT);
    ck_assert_int_eq(try_bytes(store, n_store + 4096, 0), AC_E_FORMAT);
    ck_assert_int_eq(try_bytes(store, n_store, 1), AC_OK);
}
END_TEST

START_TEST(flipped_header_or_directory_is_refused)
{
    aci_store_header header;
    size_t end;

    memcpy(&header, store, sizeof header);
    end = header.directory_offset + header.directory_bytes;
    for (size_t at = 0; at < end; at += at == 511 ? 4096 - 511 : 1) {
        ac_status status;

        store[at] ^= (uint8_t)(1 << at % 8);
        status = try_bytes(store, n_store, 0);
        store[at] ^= (uint8_t)(1 << at % 8);
        if (status != AC_E_FORMAT && status != AC_E_CHECKSUM &&
            status != AC_E_UNSUPPORTED)
            ck_abort_msg("byte %zu: %d", at, status);
    }
}
END_TEST

/* A flip in the weights shows only when asked for; one in padding never. */
START_TEST(flipped_weights_show_when_verified)
{
    aci_store_header header;
    const aci_store_entry *entries;

    memcpy(&header, store, sizeof header);
    entries = (const aci_store_entry *)(void *)(store + 4096);
    for (uint32_t i = 0; i < header.n_tensors; i += 3)
        for (int part = 0; part < ACI_N_PARTS; part++) {
            size_t at = entries[i].offset[part];

            if (entries[i].n_bytes[part] == 0)
                continue;
            at += (size_t)i * 7919 % entries[i].n_bytes[part];
            store[at] ^= 16;
            ck_assert_int_eq(try_bytes(store, n_store, 0), AC_OK);
            ck_assert_int_eq(try_bytes(store, n_store, 1), AC_E_CHECKSUM);
            ck_assert_ptr_nonnull(strstr(zoo_error.message, entries[i].name));
            store[at] ^= 16;
        }
    store[600] ^= 1;
    ck_assert_int_eq(try_bytes(store, n_store, 1), AC_OK);
}
END_TEST

/* What a hostile file may say with all checksums in order. */
typedef struct forgery {
    size_t at;               /* offset in the file */
    size_t n_bytes;
    uint64_t value;
} forgery;

#define HEADER(field) offsetof(aci_store_header, field)
#define SHAPE(field) (HEADER(shape) + offsetof(aci_store_shape, field))
#define ENTRY(i, field) \
    (4096 + (i) * sizeof(aci_store_entry) + offsetof(aci_store_entry, field))

static const forgery forgeries[] = {
    { HEADER(magic), 4, 0x58585858 },
    { HEADER(format_version), 4, 2 },
    { HEADER(layout_version), 4, 0 },
    { HEADER(layout_version), 4, 3 },
    { HEADER(endian_mark), 4, 0x04030201 },
    { HEADER(file_bytes), 8, UINT64_MAX },
    { HEADER(directory_offset), 8, 8192 },
    { HEADER(directory_offset), 8, UINT64_MAX - 100 },
    { HEADER(directory_bytes), 8, 0 },
    { HEADER(directory_bytes), 8, UINT64_MAX },
    { HEADER(n_tensors), 4, 0 },
    { HEADER(n_tensors), 4, UINT32_MAX },
    { HEADER(group), 4, 0 },
    { HEADER(group), 4, 16 },
    { HEADER(group), 4, 128 },
    { HEADER(section_offset), 8, 4096 },
    { HEADER(section_bytes) + 8, 8, 1 },
    { SHAPE(architecture), 4, 77 },
    { SHAPE(n_layer), 4, 0 },
    { SHAPE(n_layer), 4, 0x7FFFFFFF },
    { SHAPE(n_layer), 4, 0xFFFFFFFF },
    { SHAPE(n_embd), 4, 0x7FFFFFFF },
    { SHAPE(n_embd), 4, 0 },
    { SHAPE(n_head), 4, 0 },
    { SHAPE(n_head), 4, 0x10000 },
    { SHAPE(n_head_kv), 4, 3 },
    { SHAPE(head_dim), 4, 0x7FFFFFFF },
    { SHAPE(n_ff), 4, 0x7FFFFFFF },
    { SHAPE(n_vocab), 4, 0x7FFFFFFF },
    { SHAPE(n_vocab), 4, 0x80000000 },
    { SHAPE(tied_embeddings), 4, 0 },
    { SHAPE(attention_bias), 4, 1 },
    { SHAPE(qk_norm), 4, 1 },
    { ENTRY(0, name), 8, 0x6F6F6F },
    { ENTRY(3, name), 4, 0x00712E30 },          /* a second "0.q" */
    { ENTRY(0, kind), 4, 2 },
    { ENTRY(0, kind), 4, 99 },
    { ENTRY(0, n_out), 4, UINT32_MAX },
    { ENTRY(0, n_in), 4, 64 },
    { ENTRY(0, n_in_padded), 4, 64 },
    { ENTRY(0, group), 4, 32 },
    { ENTRY(0, ratio), 4, 0 },
    { ENTRY(0, ratio), 4, 7 },
    { ENTRY(0, ratio), 4, 15 },
    { ENTRY(1, ratio), 4, 12 },                 /* of a vector */
    { ENTRY(0, reserved), 8, 1 },
    { ENTRY(0, offset), 8, 0 },                 /* over the header */
    { ENTRY(0, offset), 8, 4097 },
    { ENTRY(0, offset), 8, UINT64_MAX - 4095 },
    { ENTRY(0, offset) + 16, 8, 1ull << 63 },
    { ENTRY(0, n_bytes), 8, UINT64_MAX },
    { ENTRY(0, n_bytes) + 8, 8, 0 },
    { ENTRY(1, n_bytes), 8, 4 },
};

START_TEST(forged_numbers_are_refused)
{
    uint8_t *forged = malloc(n_store);

    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        ac_status status;

        memcpy(forged, store, n_store);
        memcpy(forged + forgeries[i].at, &forgeries[i].value,
               forgeries[i].n_bytes);
        zoo_reseal(forged);
        status = try_bytes(forged, n_store, 1);
        if (status != AC_E_FORMAT && status != AC_E_UNSUPPORTED)
            ck_abort_msg("forgery %zu: %d %s", i, status, zoo_error.message);
    }
    memcpy(forged, store, n_store);
    zoo_reseal(forged);
    ck_assert_int_eq(try_bytes(forged, n_store, 1), AC_OK);
    free(forged);
}
END_TEST

/* Layout 1 padded columns to 128: the same bytes where widths are multiples
 * of that, as here, and views of wider strips where they are not. */
START_TEST(stores_of_layout_1_are_read)
{
    aci_store_header header;
    aci_store_entry entries[64];
    aci_weight_store *opened;
    aci_matrix matrix;
    aci_shape narrow;
    uint8_t *old = malloc(n_store);

    memcpy(old, store, n_store);
    old[offsetof(aci_store_header, layout_version)] = 1;
    zoo_reseal(old);
    ck_assert_int_eq(try_bytes(old, n_store, 1), AC_OK);
    ck_assert_int_eq(aci_model_store_open(&opened, &zoo_memory, zoo_weights,
                                          1, NULL), AC_OK);
    narrow = *aci_model_store_shape(opened);
    aci_model_store_matrix(&matrix, opened, 0);
    ck_assert_int_eq(matrix.n_in_stored, 128);
    aci_model_store_close(opened);
    free(old);
    narrow.n_embd = 192;
    ck_assert_int_eq(aci_model_store_plan(&header, entries, &narrow, 64,
                                          ACI_STORE_LAYOUT_WIDE, NULL), AC_OK);
    ck_assert_uint_eq(entries[0].n_in_padded, 256);
    ck_assert_int_eq(aci_model_store_plan(&header, entries, &narrow, 64,
                                          ACI_STORE_LAYOUT_VERSION, NULL),
                     AC_OK);
    ck_assert_uint_eq(entries[0].n_in_padded, 192);
}
END_TEST

/* An 8B store with nothing in its planes: opening reads header and directory
 * only, however long the file. */
START_TEST(opens_at_once_whatever_the_size)
{
    aci_shape shape = *(aci_shape[]){ {
        .architecture = ACI_LLAMA, .n_layer = 32, .n_embd = 4096,
        .n_head = 32, .n_head_kv = 8, .head_dim = 128, .n_ff = 14336,
        .n_vocab = 128256, .n_context = 8192, .norm_eps = 1e-5f,
        .rope_theta = 5e5f, .rope_factor = 1, .name = "large" } };
    static aci_store_entry entries[512];
    struct timespec before, after;
    aci_store_header header;
    aci_weight_store *opened;
    double seconds;
    int file;

    ck_assert_int_eq(aci_model_store_plan(&header, entries, &shape, 128,
                                          ACI_STORE_LAYOUT_VERSION,
                                          &zoo_error), AC_OK);
    ck_assert_uint_gt(header.file_bytes, 15000000000u);
    for (uint32_t i = 0; i < header.n_tensors; i++)
        entries[i].ratio = entries[i].kind == ACI_TENSOR_PLANES ? 12 : 0;
    header.directory_checksum = aci_platform_checksum(
        entries, header.directory_bytes, 0);
    header.header_checksum = aci_platform_checksum(
        &header, offsetof(aci_store_header, header_checksum), 0);
    file = open(zoo_weights, O_WRONLY | O_TRUNC);
    ck_assert_int_ge(file, 0);
    if (ftruncate(file, (off_t)header.file_bytes) != 0) {
        printf("SKIP no sparse file of 16 GB here\n");
        close(file);
        return;
    }
    ck_assert(pwrite(file, &header, sizeof header, 0) == sizeof header);
    ck_assert(pwrite(file, entries, header.directory_bytes, 4096) ==
              (ssize_t)header.directory_bytes);
    close(file);
    clock_gettime(CLOCK_MONOTONIC, &before);
    ck_assert_int_eq(aci_model_store_open(&opened, &zoo_memory, zoo_weights, 0,
                                          &zoo_error), AC_OK);
    clock_gettime(CLOCK_MONOTONIC, &after);
    seconds = (double)(after.tv_sec - before.tv_sec) +
              1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    printf("16 GB store opened in %.3f ms\n", 1e3 * seconds);
    ck_assert(seconds < 0.1);
    aci_model_store_close(opened);
}
END_TEST

Suite *test_weight_store_suite(void);
Suite *test_weight_store_suite(void)
{
    Suite *suite = suite_create("test_weight_store");
    TCase *tests = tcase_create("store");

    tcase_add_checked_fixture(tests, enter, leave);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, opens_in_place);
    tcase_add_test(tests, planes_of_the_model_are_contiguous);
    tcase_add_test(tests, truncated_anywhere_is_refused);
    tcase_add_test(tests, flipped_header_or_directory_is_refused);
    tcase_add_test(tests, flipped_weights_show_when_verified);
    tcase_add_test(tests, forged_numbers_are_refused);
    tcase_add_test(tests, stores_of_layout_1_are_read);
    tcase_add_test(tests, opens_at_once_whatever_the_size);
    suite_add_tcase(suite, tests);
    return suite;
}
