/* ledger_row.c - see ledger_row.h. */
#include "accountant/ledger_row.h"

#include <string.h>

void aci_accountant_bind_count(sqlite3_stmt *statement, int i, uint64_t n)
{
    sqlite3_bind_int64(statement, i, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

void aci_accountant_bind_optional(sqlite3_stmt *statement, int i, int64_t n)
{
    if (n < 0)
        sqlite3_bind_null(statement, i);
    else
        sqlite3_bind_int64(statement, i, n);
}

int64_t aci_accountant_column_optional(sqlite3_stmt *statement, int i)
{
    int64_t n;

    if (sqlite3_column_type(statement, i) == SQLITE_NULL)
        return -1;
    n = sqlite3_column_int64(statement, i);
    return n < 0 ? -1 : n;
}

static uint64_t column_count(sqlite3_stmt *statement, int i)
{
    int64_t n = sqlite3_column_int64(statement, i);

    return n < 0 ? 0 : (uint64_t)n;
}

static uint32_t column_small(sqlite3_stmt *statement, int i)
{
    uint64_t n = column_count(statement, i);

    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* ---- usage --------------------------------------------------------------- */

void aci_accountant_bind_usage(sqlite3_stmt *s, int first, const ac_usage *u)
{
    const uint64_t counts[] = {
        u->prompt_tokens, u->cached_tokens, u->generated_tokens,
        u->draft_tokens, u->accepted_tokens, u->macs, u->bit_operations,
        u->bytes_moved, u->queue_nanoseconds, u->route_nanoseconds,
        u->prefill_nanoseconds, u->decode_nanoseconds, u->full_nanoseconds,
        u->full_basis, u->energy_source,
    };
    const int n = (int)(sizeof counts / sizeof *counts);

    for (int i = 0; i < n; i++)
        aci_accountant_bind_count(s, first + i, counts[i]);
    aci_accountant_bind_optional(s, first + n, u->microjoules);
    aci_accountant_bind_optional(s, first + n + 1, u->nanodollars);
    aci_accountant_bind_optional(s, first + n + 2, u->full_nanodollars);
}

void aci_accountant_column_usage(ac_usage *u, sqlite3_stmt *s, int first)
{
    u->prompt_tokens = column_small(s, first);
    u->cached_tokens = column_small(s, first + 1);
    u->generated_tokens = column_small(s, first + 2);
    u->draft_tokens = column_small(s, first + 3);
    u->accepted_tokens = column_small(s, first + 4);
    u->macs = column_count(s, first + 5);
    u->bit_operations = column_count(s, first + 6);
    u->bytes_moved = column_count(s, first + 7);
    u->queue_nanoseconds = column_count(s, first + 8);
    u->route_nanoseconds = column_count(s, first + 9);
    u->prefill_nanoseconds = column_count(s, first + 10);
    u->decode_nanoseconds = column_count(s, first + 11);
    u->full_nanoseconds = column_count(s, first + 12);
    u->full_basis = column_small(s, first + 13);
    u->energy_source = column_small(s, first + 14);
    u->microjoules = aci_accountant_column_optional(s, first + 15);
    u->nanodollars = aci_accountant_column_optional(s, first + 16);
    u->full_nanodollars = aci_accountant_column_optional(s, first + 17);
}

/* ---- decision ------------------------------------------------------------ */

static uint32_t bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void put(uint8_t *out, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *bytes, int n_bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < n_bytes; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

void aci_accountant_bind_decision(sqlite3_stmt *s, int first,
                                  const ac_decision *d)
{
    uint8_t success[4 * AC_MAX_VARIANTS];
    int name_bytes = (int)strnlen(d->variant_name, sizeof d->variant_name);

    for (int i = 0; i < AC_MAX_VARIANTS; i++)
        put(success + 4 * i, bits_of(d->success[i]), 4);
    sqlite3_bind_int64(s, first, d->variant);
    sqlite3_bind_text(s, first + 1, d->variant_name, name_bytes,
                      SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, first + 2, d->reason);
    sqlite3_bind_int64(s, first + 3, d->n_variants);
    sqlite3_bind_int64(s, first + 4, bits_of(d->confidence));
    sqlite3_bind_int64(s, first + 5, bits_of(d->unfamiliarity));
    sqlite3_bind_blob(s, first + 6, success, sizeof success,
                      SQLITE_TRANSIENT);
    aci_accountant_bind_optional(s, first + 7, d->expected_nanodollars);
    aci_accountant_bind_optional(s, first + 8, d->full_nanodollars);
    aci_accountant_bind_count(s, first + 9, d->router_nanoseconds);
    sqlite3_bind_int64(s, first + 10, (int64_t)d->prompt_hash);
}

void aci_accountant_column_decision(ac_decision *d, sqlite3_stmt *s,
                                    int first)
{
    const char *name = (const char *)sqlite3_column_text(s, first + 1);
    const uint8_t *success = sqlite3_column_blob(s, first + 6);
    int n = sqlite3_column_bytes(s, first + 6) / 4;

    d->variant = column_small(s, first);
    if (name != NULL)
        strncpy(d->variant_name, name, sizeof d->variant_name - 1);
    d->reason = column_small(s, first + 2);
    d->n_variants = column_small(s, first + 3);
    if (d->n_variants > AC_MAX_VARIANTS)
        d->n_variants = AC_MAX_VARIANTS;
    d->confidence = float_of(column_small(s, first + 4));
    d->unfamiliarity = float_of(column_small(s, first + 5));
    for (int i = 0; success != NULL && i < n && i < AC_MAX_VARIANTS; i++)
        d->success[i] = float_of((uint32_t)get(success + 4 * i, 4));
    d->expected_nanodollars = aci_accountant_column_optional(s, first + 7);
    d->full_nanodollars = aci_accountant_column_optional(s, first + 8);
    d->router_nanoseconds = column_count(s, first + 9);
    d->prompt_hash = (uint64_t)sqlite3_column_int64(s, first + 10);
}

/* ---- what a decision was made from --------------------------------------- */

size_t aci_accountant_pack_inputs(uint8_t *out, const aci_decision_inputs *in)
{
    int32_t n = in->n_candidates;

    if (n < 0)
        n = 0;
    if (n > AC_MAX_VARIANTS)
        n = AC_MAX_VARIANTS;
    put(out, bits_of(in->min_confidence), 4);
    put(out + 4, bits_of(in->max_unfamiliarity), 4);
    put(out + 8, (uint32_t)in->pinned, 4);
    put(out + 12, (uint32_t)n, 4);
    put(out + 16, (uint64_t)in->budget_nanodollars, 8);
    put(out + 24, in->prompt_tokens, 8);
    put(out + 32, in->max_tokens, 8);
    for (int32_t i = 0; i < n; i++) {
        uint64_t bits;

        memcpy(&bits, &in->cost[i], sizeof bits);
        put(out + 40 + 16 * i, bits, 8);
        put(out + 48 + 16 * i, (uint64_t)in->expected_nanodollars[i], 8);
    }
    return 40 + 16 * (size_t)n;
}

int aci_accountant_unpack_inputs(aci_decision_inputs *out,
                                 const uint8_t *bytes, size_t n_bytes)
{
    uint32_t n;

    memset(out, 0, sizeof *out);
    if (bytes == NULL || n_bytes < 40)
        return 0;
    n = (uint32_t)get(bytes + 12, 4);
    if (n > AC_MAX_VARIANTS || n_bytes != 40 + 16 * (size_t)n)
        return 0;
    out->min_confidence = float_of((uint32_t)get(bytes, 4));
    out->max_unfamiliarity = float_of((uint32_t)get(bytes + 4, 4));
    out->pinned = (int32_t)get(bytes + 8, 4);
    out->n_candidates = (int32_t)n;
    out->budget_nanodollars = (int64_t)get(bytes + 16, 8);
    out->prompt_tokens = get(bytes + 24, 8);
    out->max_tokens = get(bytes + 32, 8);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t bits = get(bytes + 40 + 16 * i, 8);

        memcpy(&out->cost[i], &bits, sizeof bits);
        out->expected_nanodollars[i] = (int64_t)get(bytes + 48 + 16 * i, 8);
    }
    return 1;
}
