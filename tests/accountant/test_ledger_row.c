/* test_ledger_row.c - structs to columns and back, to the bit; strange rows
 * brought into range. */
#include "accountant/ledger_row.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "small_model.h"

static sqlite3 *db;
static sqlite3_stmt *s;

static void prepare(const char *sql)
{
    ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
}

static void step(void)
{
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
}

static void finish(void)
{
    sqlite3_finalize(s);
    sqlite3_close(db);
}

START_TEST(a_decision_comes_back_to_the_bit)
{
    aci_model model = small_model();
    ac_decision d = small_decision(&model, SMALL_INT4), back;
    uint32_t nan_bits = 0x7FC12345u, other;

    memcpy(&d.success[5], &nan_bits, 4); /* even a NaN's payload */
    d.success[6] = -0.0f;
    d.full_nanodollars = -1;
    prepare("SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?");
    aci_accountant_bind_decision(s, 1, &d);
    step();
    memset(&back, 0, sizeof back);
    back.struct_size = sizeof back;
    aci_accountant_column_decision(&back, s, 0);
    ck_assert_mem_eq(&back, &d, sizeof d);
    memcpy(&other, &back.success[5], 4);
    ck_assert_uint_eq(other, nan_bits);
    finish();
}
END_TEST

START_TEST(usage_comes_back)
{
    ac_usage u = small_usage(SMALL_INT8), back;

    u.macs = 1;
    u.bit_operations = 2;
    u.bytes_moved = 3;
    u.draft_tokens = 4;
    u.accepted_tokens = UINT32_MAX;
    u.microjoules = -1;
    u.nanodollars = 0;
    u.full_nanodollars = INT64_MAX;
    u.full_nanoseconds = 6;
    u.full_basis = AC_BASIS_CARD;
    u.energy_source = AC_ENERGY_RAPL;
    prepare("SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?");
    ck_assert_int_eq(sqlite3_column_count(s), ACI_LEDGER_N_USAGE);
    aci_accountant_bind_usage(s, 1, &u);
    step();
    ck_assert_int_eq(sqlite3_column_type(s, 15), SQLITE_NULL);
    memset(&back, 0, sizeof back);
    back.struct_size = sizeof back;
    back.variant = u.variant;
    aci_accountant_column_usage(&back, s, 0);
    ck_assert_mem_eq(&back, &u, sizeof u);
    finish();
}
END_TEST

START_TEST(counts_stop_where_sqlite_does)
{
    prepare("SELECT ?, ?, ?, ?");
    aci_accountant_bind_count(s, 1, UINT64_MAX);
    aci_accountant_bind_count(s, 2, INT64_MAX);
    aci_accountant_bind_optional(s, 3, -5);
    aci_accountant_bind_optional(s, 4, 0);
    step();
    ck_assert(sqlite3_column_int64(s, 0) == INT64_MAX);
    ck_assert(sqlite3_column_int64(s, 1) == INT64_MAX);
    ck_assert(aci_accountant_column_optional(s, 2) == -1);
    ck_assert(aci_accountant_column_optional(s, 3) == 0);
    finish();
}
END_TEST

START_TEST(strange_rows_are_brought_into_range)
{
    ac_decision d;
    ac_usage u;

    prepare("SELECT -1, 'a name that is far longer than thirty-two bytes, "
            "really', 9223372036854775807, 4000000000, 'x', NULL, x'0102', "
            "-7, 'seven', -9, -1");
    step();
    memset(&d, 0, sizeof d);
    aci_accountant_column_decision(&d, s, 0);
    ck_assert_uint_eq(d.variant, 0);
    ck_assert_uint_eq(strlen(d.variant_name), 31);
    ck_assert_uint_eq(d.reason, UINT32_MAX);
    ck_assert_uint_eq(d.n_variants, AC_MAX_VARIANTS);
    ck_assert(d.success[0] == 0.0f && d.expected_nanodollars == -1);
    ck_assert(d.router_nanoseconds == 0 && d.prompt_hash == UINT64_MAX);
    finish();
    prepare("SELECT -1, NULL, 5000000000, 'x', 1.5, -2, 2, 3, 4, 5, 6, 7, 8,"
            " 9, 10, -3, 'y', NULL");
    step();
    memset(&u, 0, sizeof u);
    aci_accountant_column_usage(&u, s, 0);
    ck_assert_uint_eq(u.prompt_tokens, 0);
    ck_assert_uint_eq(u.generated_tokens, UINT32_MAX);
    ck_assert(u.macs == 0 && u.microjoules == -1);
    ck_assert(u.full_nanodollars == -1);
    finish();
}
END_TEST

START_TEST(inputs_come_back_to_the_bit)
{
    uint8_t bytes[ACI_LEDGER_INPUT_BYTES];
    aci_decision_inputs in, out;
    size_t n, i;

    memset(&in, 0, sizeof in);
    in.min_confidence = 0.7f;
    in.max_unfamiliarity = 1e-40f; /* subnormal */
    in.pinned = -1;
    in.n_candidates = AC_MAX_VARIANTS;
    in.budget_nanodollars = -1;
    in.prompt_tokens = UINT64_MAX;
    in.max_tokens = 256;
    for (i = 0; i < AC_MAX_VARIANTS; i++) {
        in.cost[i] = 1.0 / (3.0 + (double)i);
        in.expected_nanodollars[i] = -1 + (int64_t)i;
    }
    n = aci_accountant_pack_inputs(bytes, &in);
    ck_assert_uint_eq(n, sizeof bytes);
    ck_assert(aci_accountant_unpack_inputs(&out, bytes, n));
    ck_assert_mem_eq(&out, &in, sizeof in);
    for (i = 0; i < n; i++)
        ck_assert(!aci_accountant_unpack_inputs(&out, bytes, i));
    bytes[15] = 0x80; /* n_candidates */
    ck_assert(!aci_accountant_unpack_inputs(&out, bytes, n));
    ck_assert(!aci_accountant_unpack_inputs(&out, NULL, n));
    in.n_candidates = 99;
    ck_assert_uint_eq(aci_accountant_pack_inputs(bytes, &in), sizeof bytes);
    in.n_candidates = -99;
    ck_assert_uint_eq(aci_accountant_pack_inputs(bytes, &in), 40);
}
END_TEST

Suite *test_ledger_row_suite(void);
Suite *test_ledger_row_suite(void)
{
    Suite *suite = suite_create("test_ledger_row");
    TCase *tests = tcase_create("test_ledger_row");

    tcase_add_test(tests, a_decision_comes_back_to_the_bit);
    tcase_add_test(tests, usage_comes_back);
    tcase_add_test(tests, counts_stop_where_sqlite_does);
    tcase_add_test(tests, strange_rows_are_brought_into_range);
    tcase_add_test(tests, inputs_come_back_to_the_bit);
    suite_add_tcase(suite, tests);
    return suite;
}
