/* price_book.h - what an hour of a device costs, by whom and since when said.
 * docs/costs.md has the format. */
#ifndef ACI_ACCOUNTANT_PRICE_BOOK_H
#define ACI_ACCOUNTANT_PRICE_BOOK_H

#include "flow.h"
#include "platform/memory.h"

typedef struct aci_price {
    char name[64];
    char provider[64];
    char as_of[16];             /* "2026-11-09" */
    char source[256];
    int64_t nanodollars_per_hour; /* -1: unset */
    uint64_t book_checksum;     /* of the whole book's text */
} aci_price;

/* The entry `name` of the book at `path` (NULL: the one built in). Every entry
 * of the book is checked. AC_E_NOT_FOUND lists the names there are. */
ac_status aci_accountant_price_find(aci_price *out, aci_memory *memory,
                                    const char *path, const char *name,
                                    ac_error *error);

/* Every entry, in the book's order, once the whole book was found good; stops
 * when `each` does not answer 0. */
typedef int32_t aci_price_each(const aci_price *price, void *user);
ac_status aci_accountant_prices(aci_memory *memory, const char *path,
                                aci_price_each *each, void *user,
                                ac_error *error);

/* Nanodollars of `nanoseconds`, rounded to nearest; -1 when unset. */
int64_t aci_accountant_price_of(const aci_price *price, uint64_t nanoseconds);

#endif
