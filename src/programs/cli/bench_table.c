/* bench_table.c - what was timed, in seconds and in dollars, for people and for
 * programs. */
#include <math.h>
#include <string.h>

#include "bench.h"

/* ---- prices -------------------------------------------------------------- */

typedef struct finding {
    bench *b;
    const char *name;          /* NULL: every price that is set */
    bool found;
} finding;

static int32_t take_price(const ac_price *price, void *user)
{
    finding *f = user;
    bench_price *out = &f->b->prices[f->b->n_prices];

    if (f->b->n_prices == MAX_PRICES)
        return 1;
    if (f->name == NULL ? price->nanodollars_per_hour < 0
                        : strcmp(f->name, price->name) != 0)
        return 0;
    snprintf(out->name, sizeof out->name, "%s", price->name);
    snprintf(out->provider, sizeof out->provider, "%s", price->provider);
    snprintf(out->as_of, sizeof out->as_of, "%s", price->as_of);
    snprintf(out->source, sizeof out->source, "%s", price->source);
    out->dollars_per_hour =
        price->nanodollars_per_hour < 0
            ? (double)NAN
            : 1e-9 * (double)price->nanodollars_per_hour;
    f->b->n_prices++;
    f->found = true;
    return f->name != NULL;
}

static ac_status find_price(bench *b, const char *name, ac_error *error)
{
    finding f = { b, name, false };
    ac_status status = ac_prices_read(b->price_book, take_price, &f, error);

    if (status != AC_OK || f.found)
        return status;
    snprintf(error->message, sizeof error->message,
             "no price%s%.64s%s in %.200s", name ? " \"" : "",
             name ? name : "", name ? "\"" : "",
             b->price_book ? b->price_book : "the price book built in");
    return AC_E_NOT_FOUND;
}

ac_status bench_find_prices(bench *b, ac_error *error)
{
    ac_status status = AC_OK;
    uint32_t i;

    if (b->n_prices > 0)
        return AC_OK;
    for (i = 0; i < b->wanted_prices.n && status == AC_OK; i++)
        status = find_price(b, b->wanted_prices.items[i], error);
    if (b->wanted_prices.n > 0)
        return status;
    if (b->price_book != NULL)
        return find_price(b, NULL, error);
    if (b->device[0] == '\0')
        return AC_OK;              /* not known yet what they are for */
    if (strncmp(b->device, "cpu", 3) == 0)
        return find_price(b, "local-cpu", error);
    status = find_price(b, "h200", error);
    return status == AC_OK ? find_price(b, "a100", error) : status;
}

/* ---- rows ---------------------------------------------------------------- */

static double real_at(const json_t *row, const char *field)
{
    const json_t *value = json_object_get(row, field);

    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* Decode speed of full at the same length of prompt. */
static double full_decode(const json_t *rows, const json_t *like)
{
    size_t i;

    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (strcmp(json_string_value(json_object_get(row, "variant")),
                   "full") == 0 &&
            real_at(row, "prompt_tokens") == real_at(like, "prompt_tokens"))
            return real_at(row, "decode_tokens_per_second");
    }
    return (double)NAN;
}

/* Of 1,000 tokens at a speed. */
static double dollars(const bench_price *price, double tokens_per_second)
{
    return price->dollars_per_hour / 3600.0 * 1000.0 / tokens_per_second;
}

static json_t *make_costs(const bench *b, const json_t *row)
{
    json_t *list = json_array();
    uint32_t i;

    for (i = 0; i < b->n_prices; i++)
        json_array_append_new(
            list,
            json_pack("{s:s, s:o, s:o}", "price", b->prices[i].name,
                      "prefill_per_1000_tokens",
                      json_number(dollars(&b->prices[i],
                                          real_at(row,
                                             "prefill_tokens_per_second"))),
                      "decode_per_1000_tokens",
                      json_number(dollars(&b->prices[i],
                                          real_at(row,
                                             "decode_tokens_per_second")))));
    return list;
}

json_t *bench_finish_rows(bench *b)
{
    json_t *all = json_array();
    size_t i;
    int v;

    for (v = 0; v < AC_MAX_VARIANTS; v++) {
        if (b->rows[v] != NULL)
            json_array_extend(all, b->rows[v]);
        json_decref(b->rows[v]);
        b->rows[v] = NULL;
    }
    for (i = 0; i < json_array_size(all); i++) {
        json_t *row = json_array_get(all, i);

        if (json_object_get(row, "does_not_fit") != NULL)
            continue;
        json_object_set_new(
            row, "cost_ratio",
            json_number(full_decode(all, row) /
                        real_at(row, "decode_tokens_per_second")));
        json_object_set_new(row, "dollars", make_costs(b, row));
    }
    return all;
}

static json_t *make_prices(const bench *b)
{
    json_t *list = json_array();
    uint32_t i;

    for (i = 0; i < b->n_prices; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:o}", "name",
                            b->prices[i].name, "provider",
                            b->prices[i].provider, "as_of",
                            b->prices[i].as_of, "source", b->prices[i].source,
                            "dollars_per_hour",
                            json_number(b->prices[i].dollars_per_hour)));
    return list;
}

static json_int_t bytes_of(const json_t *zoo, const char *file)
{
    return json_integer_value(json_object_get(json_object_get(zoo, file),
                                              "bytes"));
}

static json_int_t parameters_of(const json_t *zoo)
{
    return json_integer_value(json_object_get(json_object_get(zoo, "shape"),
                                              "n_parameters"));
}

static json_t *make_zoo(const json_t *zoo)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:O}", "bytes",
        bytes_of(zoo, "weights") + bytes_of(zoo, "extras"), "weights_bytes",
        bytes_of(zoo, "weights"), "extras_bytes", bytes_of(zoo, "extras"),
        "n_variants",
        (json_int_t)json_array_size(json_object_get(zoo, "variants")),
        "n_parameters", parameters_of(zoo), "bytes_over_16_bit",
        json_object_get(zoo, "bytes_over_16_bit"));
}

json_t *bench_summary(bench *b, json_t *rows, json_t *zoo)
{
    json_t *root;

    if (zoo == NULL)
        return rows;
    root = json_pack("{s:s, s:s, s:s, s:o, s:I, s:f, s:I, s:I, s:o, s:o}",
                     "model", b->name, "shape", b->synthetic, "device",
                     b->device, "zoo", make_zoo(zoo), "device_bytes",
                     (json_int_t)b->device_bytes, "open_seconds",
                     b->open_seconds, "generated_tokens",
                     (json_int_t)b->n_generate, "runs", (json_int_t)b->n_runs,
                     "prices", make_prices(b), "variants", rows);
    json_decref(zoo);
    return root;
}

/* ---- tables -------------------------------------------------------------- */

static int name_width(const json_t *rows)
{
    size_t width = 10, i;

    for (i = 0; i < json_array_size(rows); i++) {
        size_t n = json_string_length(json_object_get(
            json_array_get(rows, i), "variant"));

        width = n > width ? n : width;
    }
    return (int)width;
}

static void print_speeds(const json_t *rows)
{
    int width = name_width(rows);
    size_t i;

    printf("%-*s %6s %22s %22s %8s %6s\n", width, "variant", "prompt",
           "prefill tokens/s", "decode tokens/s", "GB/s", "cost");
    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *name = json_string_value(json_object_get(row, "variant"));
        const char *reason = json_string_value(
            json_object_get(row, "does_not_fit"));
        char prefill[40], decode[40];

        if (reason != NULL) {
            printf("%-*s does not fit: %s\n", width, name, reason);
            continue;
        }
        snprintf(prefill, sizeof prefill, "%.1f (%.1f)",
                 real_at(row, "prefill_tokens_per_second"),
                 real_at(row, "prefill_least"));
        snprintf(decode, sizeof decode, "%.1f (%.1f)",
                 real_at(row, "decode_tokens_per_second"),
                 real_at(row, "decode_least"));
        printf("%-*s %6.0f %22s %22s %8.2f", width, name,
               real_at(row, "prompt_tokens"), prefill, decode,
               real_at(row, "decode_gigabytes_per_second"));
        if (isnan(real_at(row, "cost_ratio")))
            printf(" %6s\n", "-");
        else
            printf(" %6.3f\n", real_at(row, "cost_ratio"));
    }
}

static void print_cost_row(const json_t *row, int width)
{
    const json_t *costs = json_object_get(row, "dollars");
    size_t i;

    printf("%-*s %6.0f", width,
           json_string_value(json_object_get(row, "variant")),
           real_at(row, "prompt_tokens"));
    for (i = 0; i < json_array_size(costs); i++) {
        const json_t *cost = json_array_get(costs, i);
        char both[64] = "-";

        if (!isnan(real_at(cost, "decode_per_1000_tokens")))
            snprintf(both, sizeof both, "%.3g %.3g",
                     real_at(cost, "prefill_per_1000_tokens"),
                     real_at(cost, "decode_per_1000_tokens"));
        printf("  %21s", both);
    }
    printf("\n");
}

static void print_costs(const bench *b, const json_t *rows)
{
    int width = name_width(rows);
    uint32_t p;
    size_t i;

    if (b->n_prices == 0)
        return;
    printf("\ndollars per 1,000 tokens, prefill and decode, were an hour of "
           "this device that price\n%-*s %6s", width, "variant", "prompt");
    for (p = 0; p < b->n_prices; p++)
        printf("  %21s", b->prices[p].name);
    printf("\n");
    for (i = 0; i < json_array_size(rows); i++)
        if (json_object_get(json_array_get(rows, i), "dollars") != NULL)
            print_cost_row(json_array_get(rows, i), width);
    for (p = 0; p < b->n_prices; p++) {
        const bench_price *price = &b->prices[p];

        if (isnan(price->dollars_per_hour))
            printf("%s: no price\n", price->name);
        else
            printf("%s: %.4g $ per hour, %s, %s (%s)\n", price->name,
                   price->dollars_per_hour, price->provider, price->as_of,
                   price->source);
    }
}

static void print_zoo(const bench *b, const json_t *zoo)
{
    double weights = (double)bytes_of(zoo, "weights");
    double extras = (double)bytes_of(zoo, "extras");
    char whole[32], shared[32], own[32], base[32], taken[32];

    printf("zoo: %s for %zu variants (%s shared, %s of their own), %.3f of "
           "the model's %s at 16 bits\n",
           format_bytes(whole, weights + extras),
           json_array_size(json_object_get(zoo, "variants")),
           format_bytes(shared, weights), format_bytes(own, extras),
           real_at(zoo, "bytes_over_16_bit"),
           format_bytes(base, 2.0 * (double)parameters_of(zoo)));
    if (b->device_bytes > 0)
        printf("device memory: at most %s at once; opening took %.1f s in "
               "all\n", format_bytes(taken, (double)b->device_bytes),
               b->open_seconds);
}

void bench_print(const bench *b, json_t *rows, json_t *zoo)
{
    printf("%s, %s; generated %u, median (least) of %u runs\n", b->name,
           b->device, b->n_generate, b->n_runs);
    if (zoo != NULL)
        print_zoo(b, zoo);
    printf("\n");
    print_speeds(rows);
    if (zoo != NULL || b->wanted_prices.n > 0 || b->price_book != NULL)
        print_costs(b, rows);
    json_decref(rows);
    json_decref(zoo);
}
