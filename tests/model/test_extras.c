/* test_extras.c - extras.acw and plans: read as written, and refused with the
 * right code when anything in them is not as it must be. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/describe.h"
#include "model/model.h"
#include "model/tensor_list.h"
#include "platform/checksum.h"
#include "structural_zoo.h"

static aci_zoo_card card;
static char zoo[160], extras_path[200];
static uint8_t *file;
static size_t n_file;
static ac_error error;

static const aci_kept kept[4] = { { 4, 256 }, { 2, 128 }, { 0, 256 },
                                  { 4, 0 } };

/* ---- one zoo ------------------------------------------------------------- */

static aci_packed pack(int32_t n_out, int32_t n_in, int32_t bits)
{
    float *values = structural_matrix(60, bits, n_out, n_in);
    aci_packed out;

    ck_assert_int_eq(aci_workshop_pack(&out, &structural_memory,
                                       structural_pool, values, n_out, n_in,
                                       bits, 64, NULL), AC_OK);
    free(values);
    return out;
}

/* Entry 0: 1.q and 1: 1.k of 2 groups, sharing V; 2: 0.down; 3: 0.o_bias. */
static void add_entries(aci_extras_build *build)
{
    aci_packed u = pack(128, 32, 8), v = pack(32, 128, 4);
    aci_packed k = pack(64, 32, 8), down = pack(128, 256, 8);
    float bias[128] = { 1.0f, 2.0f };

    ck_assert_int_eq(aci_workshop_extras_low_rank(build, "slim", "1.q", 128,
                                                  &u, &v, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_low_rank(build, "slim", "1.k", 128,
                                                  &k, NULL, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_matrix(build, "slim", "0.down",
                                                &down, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_vector(build, "slim", "0.o_bias",
                                                bias, 128, NULL), AC_OK);
    aci_workshop_pack_close(&u, &structural_memory);
    aci_workshop_pack_close(&v, &structural_memory);
    aci_workshop_pack_close(&k, &structural_memory);
    aci_workshop_pack_close(&down, &structural_memory);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *out = fopen(path, "wb");

    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(bytes, 1, n, out), n);
    ck_assert_int_eq(fclose(out), 0);
}

static void load_file(void)
{
    FILE *in = fopen(extras_path, "rb");

    ck_assert_ptr_nonnull(in);
    fseek(in, 0, SEEK_END);
    n_file = (size_t)ftell(in);
    rewind(in);
    file = malloc(n_file + 64);
    ck_assert_uint_eq(fread(file, 1, n_file, in), n_file);
    fclose(in);
}

static void enter(void)
{
    aci_shape shape = structural_shape();
    aci_extras_build *build;
    aci_store_built built;

    structural_enter();
    shape.output_bias = 0; /* 0.o_bias comes to be */
    strcpy(zoo, structural_path("zoo"));
    structural_zoo(&card, zoo, &shape, NULL);
    snprintf(extras_path, sizeof extras_path, "%s/extras.acw", zoo);
    structural_add(&card, "slim", 8, kept, 4);
    ck_assert_int_eq(aci_workshop_extras_open(&build, &structural_memory,
                                              extras_path, 64, NULL), AC_OK);
    add_entries(build);
    ck_assert_int_eq(aci_workshop_extras_commit(
                         &built, build, card.weights_checksum, NULL), AC_OK);
    card.extras_bytes = built.n_bytes;
    card.extras_checksum = built.checksum;
    structural_save(&card, zoo);
    load_file();
}

static void leave(void)
{
    free(file);
    structural_leave();
}

static ac_status try_open(int verify)
{
    aci_model *model;
    ac_status status;

    error = (ac_error)AC_ERROR_INIT;
    status = aci_model_open(&model, &structural_memory, zoo, verify, &error);
    if (status == AC_OK) {
        aci_model_close(model);
    } else {
        ck_assert_ptr_null(model);
        ck_assert_uint_gt(strlen(error.message), 0);
    }
    return status;
}

/* ---- as written ---------------------------------------------------------- */

START_TEST(what_was_written_is_read)
{
    aci_model *model;
    const aci_owned *all;
    size_t n;
    int32_t slim, i;

    ck_assert_int_eq(aci_model_open(&model, &structural_memory, zoo, 1,
                                    &error), AC_OK);
    slim = aci_model_variant_find(model, "slim");
    ck_assert_mem_eq(model->variants[slim].kept, kept, sizeof kept);
    ck_assert_ptr_null(model->variants[0].kept);
    all = aci_model_extras_all(&n, model->extras);
    ck_assert_uint_eq(n, 4);
    i = aci_model_extras_find(model->extras, slim, 1, ACI_ROW_K);
    ck_assert_int_eq(i, 1);
    ck_assert_int_eq(all[1].kind, ACI_OWNED_SHARED);
    ck_assert_int_eq(all[1].rank, 32);
    ck_assert_int_eq(all[1].matrix.n_out, 64);
    ck_assert_ptr_eq(all[1].inner.plane_a, all[0].inner.plane_a);
    ck_assert_ptr_null(all[0].inner.plane_b);
    ck_assert_int_eq(all[0].inner.n_in, 128);
    ck_assert_int_eq(all[2].matrix.n_in, 256);
    ck_assert(all[3].vector[1] == 2.0f);
    ck_assert_int_eq(all[3].n, 128);
    ck_assert_int_eq(aci_model_extras_find(model->extras, slim, 1, ACI_ROW_V),
                     -1);
    ck_assert_int_eq(aci_model_extras_find(model->extras, 0, 1, ACI_ROW_Q),
                     -1);
    aci_model_close(model);
}
END_TEST

START_TEST(it_is_described)
{
    char *text;

    ck_assert_int_eq(aci_model_describe_zoo(&text, &structural_memory, zoo, 1,
                                            &error), AC_OK);
    ck_assert_ptr_nonnull(strstr(text, "\"macs_per_token\""));
    ck_assert_ptr_nonnull(strstr(text, "\"own\""));
    ck_assert_ptr_nonnull(strstr(text, "\"rank\""));
    aci_platform_free(&structural_memory, text);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    uint64_t n = 0;
    ac_status status = AC_E_NO_MEMORY;
    uint64_t held = structural_memory.used_bytes;

    while (status != AC_OK) {
        structural_memory.n_allocations = 0;
        structural_memory.fail_at = ++n;
        status = try_open(0);
        if (status != AC_OK)
            ck_assert_int_eq(status, AC_E_NO_MEMORY);
        ck_assert_uint_eq(structural_memory.used_bytes, held);
    }
    structural_memory.fail_at = 0;
    ck_assert_uint_gt(n, 8);
}
END_TEST

/* ---- the file ------------------------------------------------------------ */

/* Makes the checksums right again, and the card's. */
static void seal(uint8_t *bytes, size_t n)
{
    aci_extras_header header;

    memcpy(&header, bytes, sizeof header);
    if (header.directory_offset <= n &&
        header.directory_bytes <= n - header.directory_offset)
        header.directory_checksum = aci_platform_checksum(
            bytes + header.directory_offset, (size_t)header.directory_bytes,
            0);
    header.header_checksum = aci_platform_checksum(
        &header, offsetof(aci_extras_header, header_checksum), 0);
    memcpy(bytes, &header, sizeof header);
    card.extras_checksum = header.header_checksum;
    structural_save(&card, zoo);
}

#define HEADER(field) offsetof(aci_extras_header, field)
#define ENTRY(i, field) \
    (DIRECTORY + (i) * sizeof(aci_extras_entry) + \
     offsetof(aci_extras_entry, field))

/* Places in the directory are marked by this bit. */
enum { DIRECTORY = 1 << 30 };

static const struct {
    size_t at, n_bytes;
    uint64_t value;
    ac_status status;
} forgeries[] = {
    { HEADER(magic), 4, 0x58585858, AC_E_FORMAT },
    { HEADER(format_version), 4, 2, AC_E_UNSUPPORTED },
    { HEADER(layout_version), 4, 1, AC_E_UNSUPPORTED },
    { HEADER(endian_mark), 4, 0x04030201, AC_E_UNSUPPORTED },
    { HEADER(file_bytes), 8, UINT64_MAX, AC_E_FORMAT },
    { HEADER(directory_offset), 8, 0, AC_E_FORMAT },
    { HEADER(directory_offset), 8, UINT64_MAX - 63, AC_E_FORMAT },
    { HEADER(directory_bytes), 8, 0, AC_E_FORMAT },
    { HEADER(directory_bytes), 8, UINT64_MAX, AC_E_FORMAT },
    { HEADER(n_entries), 4, 3, AC_E_FORMAT },
    { HEADER(n_entries), 4, UINT32_MAX, AC_E_FORMAT },
    { HEADER(group), 4, 32, AC_E_FORMAT },
    { HEADER(store_checksum), 8, 1, AC_E_CHECKSUM },
    { ENTRY(0, variant), 4, 0x6C6C7566, AC_E_FORMAT },      /* "full" */
    { ENTRY(0, variant), 4, 0x78787878, AC_E_FORMAT },
    { ENTRY(0, tensor), 3, 0x712E39, AC_E_FORMAT },         /* "9.q" */
    { ENTRY(0, tensor), 3, 0x712E32, AC_E_FORMAT },         /* skipped */
    { ENTRY(0, tensor), 3, 0x712E30, AC_E_FORMAT },         /* other size */
    { ENTRY(0, tensor), 8, 0x6465626D65, AC_E_FORMAT },     /* "embed" */
    { ENTRY(1, tensor), 3, 0x712E31, AC_E_FORMAT },         /* twice */
    { ENTRY(0, kind), 4, 0, AC_E_FORMAT },
    { ENTRY(0, kind), 4, 1, AC_E_FORMAT },
    { ENTRY(0, kind), 4, 2, AC_E_FORMAT },
    { ENTRY(0, kind), 4, 4, AC_E_FORMAT },                  /* q shares */
    { ENTRY(0, kind), 4, 5, AC_E_FORMAT },
    { ENTRY(3, kind), 4, 2, AC_E_FORMAT },                  /* of a vector */
    { ENTRY(0, n_out), 4, 256, AC_E_FORMAT },
    { ENTRY(0, n_out), 4, UINT32_MAX, AC_E_FORMAT },
    { ENTRY(0, n_in), 4, 0, AC_E_FORMAT },
    { ENTRY(3, n_in), 4, 127, AC_E_FORMAT },
    { ENTRY(0, rank), 4, 0, AC_E_FORMAT },
    { ENTRY(0, rank), 4, 33, AC_E_FORMAT },
    { ENTRY(0, rank), 4, UINT32_MAX, AC_E_FORMAT },
    { ENTRY(1, rank), 4, 31, AC_E_FORMAT },                 /* not q's */
    { ENTRY(2, rank), 4, 1, AC_E_FORMAT },
    { ENTRY(0, bits), 4, 16, AC_E_FORMAT },
    { ENTRY(0, bits), 4, 4, AC_E_FORMAT },
    { ENTRY(0, inner_bits), 4, 8, AC_E_FORMAT },
    { ENTRY(1, inner_bits), 4, 4, AC_E_FORMAT },
    { ENTRY(0, ratio), 4, 15, AC_E_FORMAT },
    { ENTRY(0, inner_ratio), 4, 0, AC_E_FORMAT },
    { ENTRY(3, ratio), 4, 12, AC_E_FORMAT },
    { ENTRY(0, offset), 8, 64, AC_E_FORMAT },
    { ENTRY(2, offset), 8, UINT64_MAX, AC_E_FORMAT },
    { ENTRY(2, n_bytes), 8, UINT64_MAX, AC_E_FORMAT },
    { ENTRY(0, reserved), 8, 1, AC_E_FORMAT },
};

START_TEST(forged_numbers_are_refused)
{
    uint8_t *forged = malloc(n_file);
    aci_extras_header header;

    memcpy(&header, file, sizeof header);
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        size_t at = forgeries[i].at;
        ac_status status;

        if (at >= DIRECTORY)
            at = at - DIRECTORY + (size_t)header.directory_offset;
        memcpy(forged, file, n_file);
        memcpy(forged + at, &forgeries[i].value, forgeries[i].n_bytes);
        seal(forged, n_file);
        write_file(extras_path, forged, n_file);
        status = try_open(1);
        ck_assert_msg(status == forgeries[i].status, "forgery %zu: %d %s", i,
                      status, error.message);
    }
    memcpy(forged, file, n_file);
    seal(forged, n_file);
    write_file(extras_path, forged, n_file);
    ck_assert_int_eq(try_open(1), AC_OK);
    free(forged);
}
END_TEST

START_TEST(cut_and_changed_files_are_refused)
{
    for (size_t n = 0; n < n_file; n += 1 + n_file / 97) {
        write_file(extras_path, file, n);
        ck_assert_int_ne(try_open(0), AC_OK);
    }
    for (size_t at = 0; at < n_file; at += at < 128 ? 3 : 1 + n_file / 89) {
        ac_status status;

        file[at] ^= 4;
        write_file(extras_path, file, n_file);
        status = try_open(1);
        file[at] ^= 4;
        /* padding between parts is not looked at */
        if (status != AC_OK)
            ck_assert(status == AC_E_CHECKSUM || status == AC_E_FORMAT ||
                      status == AC_E_UNSUPPORTED);
        else
            ck_assert_uint_eq(file[at], 0);
    }
}
END_TEST

START_TEST(a_zoo_without_its_extras_is_refused)
{
    remove(extras_path);
    ck_assert_int_eq(try_open(0), AC_E_NOT_FOUND);
    write_file(extras_path, file, n_file);
    card.extras_checksum ^= 1;
    structural_save(&card, zoo);
    ck_assert_int_eq(try_open(0), AC_E_CHECKSUM);
    card.extras_bytes = 0; /* then nobody asks for them */
    structural_save(&card, zoo);
    ck_assert_int_eq(try_open(0), AC_OK);
}
END_TEST

/* ---- plans --------------------------------------------------------------- */

START_TEST(plans_that_do_not_fit_are_refused)
{
    static const aci_kept bad[][4] = {
        { { 5, 256 }, { 4, 256 }, { 4, 256 }, { 4, 256 } },
        { { 4, 256 }, { 4, 100 }, { 4, 256 }, { 4, 256 } },
        { { 4, 256 }, { 4, 256 }, { 4, 256 }, { 4, 320 } },
    };
    aci_variant *slim = &card.variants[card.n_variants - 1];

    card.extras_bytes = 0;
    for (int i = 0; i < 3; i++) {
        slim->kept = (aci_kept *)(uintptr_t)bad[i];
        structural_save(&card, zoo);
        ck_assert_int_eq(try_open(0), AC_E_FORMAT);
        ck_assert_ptr_nonnull(strstr(error.message, "slim"));
    }
    slim->kept = (aci_kept *)(uintptr_t)kept;
    slim->n_kept = 3;
    structural_save(&card, zoo);
    ck_assert_int_eq(try_open(0), AC_E_FORMAT);
    slim->n_kept = 4;
    card.variants[0].kept = slim->kept; /* full */
    card.variants[0].n_kept = 4;
    structural_save(&card, zoo);
    ck_assert_int_eq(try_open(0), AC_E_FORMAT);
}
END_TEST

/* ---- writing ------------------------------------------------------------- */

START_TEST(the_writer_refuses_what_cannot_be)
{
    char path[200];
    aci_extras_build *build;
    aci_store_built built;
    float values[2] = { 1.0f, 1.0f / 0.0f };
    aci_packed packed, narrow;

    snprintf(path, sizeof path, "%s/other.acw", zoo);
    ck_assert_int_eq(aci_workshop_extras_open(&build, &structural_memory,
                                              path, 64, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_commit(&built, build, 1, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(aci_workshop_extras_vector(build, "a", "0.o_bias",
                                                values, 2, NULL),
                     AC_E_NUMERIC);
    ck_assert_int_eq(aci_workshop_extras_vector(build, "a", "0.o_bias",
                                                values, 1, NULL), AC_OK);
    ck_assert_int_eq(aci_workshop_extras_vector(build, "a", "0.o_bias",
                                                values, 1, NULL),
                     AC_E_ARGUMENT);
    ck_assert_int_eq(aci_workshop_extras_vector(
                         build, "a name of thirty-two characters..",
                         "0.o_bias", values, 1, NULL), AC_E_ARGUMENT);
    ck_assert_int_eq(aci_workshop_pack(&packed, &structural_memory,
                                       structural_pool, values, 1, 2, 8, 64,
                                       NULL), AC_E_NUMERIC);
    packed = pack(64, 16, 8);
    narrow = pack(15, 128, 8);
    ck_assert_int_eq(aci_workshop_extras_low_rank(build, "a", "0.q", 128,
                                                  &packed, &narrow, NULL),
                     AC_E_ARGUMENT);
    aci_workshop_pack_close(&packed, &structural_memory);
    aci_workshop_pack_close(&narrow, &structural_memory);
    aci_workshop_extras_abandon(build);
    ck_assert_ptr_null(fopen(path, "rb"));
}
END_TEST

Suite *test_extras_suite(void);
Suite *test_extras_suite(void)
{
    Suite *suite = suite_create("test_extras");
    TCase *tests = tcase_create("extras");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, enter, leave);
    tcase_add_test(tests, what_was_written_is_read);
    tcase_add_test(tests, it_is_described);
    tcase_add_test(tests, every_allocation_may_fail);
    tcase_add_test(tests, forged_numbers_are_refused);
    tcase_add_test(tests, cut_and_changed_files_are_refused);
    tcase_add_test(tests, a_zoo_without_its_extras_is_refused);
    tcase_add_test(tests, plans_that_do_not_fit_are_refused);
    tcase_add_test(tests, the_writer_refuses_what_cannot_be);
    suite_add_tcase(suite, tests);
    return suite;
}
