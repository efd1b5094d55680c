/* ac_prices.c - reading a price book. */
#include "accountant/price_book.h"
#include "api/handles.h"

typedef struct reader {
    ac_price_callback on_price;
    void *user;
} reader;

static int32_t give(const aci_price *price, void *user)
{
    const reader *r = user;
    const ac_price out = { sizeof out, 0, price->nanodollars_per_hour,
                           price->name, price->provider, price->as_of,
                           price->source };

    return r->on_price(&out, r->user);
}

ac_status ac_prices_read(const char *price_book_path,
                         ac_price_callback on_price, void *user,
                         ac_error *error)
{
    reader r = { on_price, user };
    aci_memory memory;

    if (on_price == NULL)
        return aci_api_need(NULL, "on_price", error);
    aci_platform_memory_init(&memory);
    return aci_accountant_prices(&memory, price_book_path, give, &r, error);
}
