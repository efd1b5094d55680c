/* price_book.c - see price_book.h. Money is integer from here on: the hour's
 * dollars become nanodollars once, when the book is read. */
#include "accountant/price_book.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "platform/files.h"

#define FORMAT "agentcompress-price-book"
enum { FORMAT_VERSION = 1, MAX_BOOK_BYTES = 1 << 20, MAX_PRICES = 4096 };
static const double HIGHEST_USD_PER_HOUR = 1e6;

/* List prices as seen on the dates given, for one device each; the same chip
 * is sold at a fourfold spread. "illustrative" marks what is no offer. */
static const char BUILT_IN[] =
"{\"format\": \"" FORMAT "\", \"format_version\": 1, \"prices\": [\n"
"{\"name\": \"local-cpu\", \"provider\": \"none\", \"usd_per_hour\": 0.085,\n"
" \"as_of\": \"2026-11-23\", \"source\": \"illustrative: 2 of the 8 vCPU of"
" an AWS c5.2xlarge at 0.34, us-east-1 on demand, as printed in the EC2 Auto"
" Scaling user guide's example; put your own price\"},\n"
"{\"name\": \"cpu-aws-c5.2xlarge\", \"provider\": \"AWS\","
" \"usd_per_hour\": 0.34,\n"
" \"as_of\": \"2026-11-23\", \"source\": \"8 vCPU, us-east-1 on demand, as"
" printed in the EC2 Auto Scaling user guide's example\"},\n"
"{\"name\": \"cpu-aws-m7g.large\", \"provider\": \"AWS\","
" \"usd_per_hour\": 0.0816,\n"
" \"as_of\": \"2026-06-17\", \"source\": \"2 vCPU (Arm), us-east-1 on demand,"
" factualminds.com\"},\n"
"{\"name\": \"a100\", \"provider\": \"RunPod secure\","
" \"usd_per_hour\": 1.79,\n"
" \"as_of\": \"2026-11-09\", \"source\": \"A100 80GB SXM, datareceipts\"},\n"
"{\"name\": \"a100-aws\", \"provider\": \"AWS p4de\","
" \"usd_per_hour\": 3.43,\n"
" \"as_of\": \"2026-11-09\", \"source\": \"per GPU of 8, datareceipts\"},\n"
"{\"name\": \"h100\", \"provider\": \"RunPod secure\","
" \"usd_per_hour\": 3.99,\n"
" \"as_of\": \"2026-11-09\", \"source\": \"H100 80GB SXM, datareceipts\"},\n"
"{\"name\": \"h100-aws\", \"provider\": \"AWS p5\","
" \"usd_per_hour\": 6.88,\n"
" \"as_of\": \"2026-11-09\", \"source\": \"per GPU of 8, datareceipts\"},\n"
"{\"name\": \"h200\", \"provider\": \"Akash\", \"usd_per_hour\": 4.45,\n"
" \"as_of\": \"2026-09-20\", \"source\": \"H200 141GB SXM, list price\"},\n"
"{\"name\": \"l40s\", \"provider\": \"RunPod\", \"usd_per_hour\": 0.86,\n"
" \"as_of\": \"2025-08-12\", \"source\": \"L40S 48GB on demand,"
" modal.com/blog/nvidia-l40s-price-article\"},\n"
"{\"name\": \"l40s-aws\", \"provider\": \"AWS g6e.xlarge\","
" \"usd_per_hour\": 1.861,\n"
" \"as_of\": \"2025-08-12\", \"source\": \"us-east-1 on demand,"
" modal.com/blog/nvidia-l40s-price-article\"},\n"
"{\"name\": \"unpriced\", \"provider\": \"none\", \"usd_per_hour\": null,\n"
" \"as_of\": \"2026-11-23\", \"source\": \"device seconds only\"}\n"
"]}\n";

/* ---- one entry ----------------------------------------------------------- */

static ac_status read_text(char *out, size_t capacity, const json_t *object,
                           const char *field, ac_error *error)
{
    const json_t *value = json_object_get(object, field);
    size_t n = json_string_length(value);

    if (!json_is_string(value) || n == 0 || n >= capacity ||
        strlen(json_string_value(value)) != n)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "\"%s\" was not a text of 1 to %zu bytes",
                                 field, capacity - 1);
    memcpy(out, json_string_value(value), n + 1);
    return AC_OK;
}

/* "2026-11-09", not more than its shape and months and days that exist. */
static int is_date(const char *text)
{
    static const char shape[] = "dddd-dd-dd";
    size_t i;
    int month, day;

    for (i = 0; shape[i] != '\0'; i++)
        if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9'
                            : text[i] != '-')
            return 0;
    month = (text[5] - '0') * 10 + text[6] - '0';
    day = (text[8] - '0') * 10 + text[9] - '0';
    return text[i] == '\0' && month >= 1 && month <= 12 && day >= 1 &&
           day <= 31;
}

static ac_status read_price(aci_price *out, const json_t *object,
                            ac_error *error)
{
    const json_t *dollars = json_object_get(object, "usd_per_hour");
    ac_status status;

    memset(out, 0, sizeof *out);
    out->nanodollars_per_hour = -1;
    status = read_text(out->name, sizeof out->name, object, "name", error);
    if (status == AC_OK)
        status = read_text(out->provider, sizeof out->provider, object,
                           "provider", error);
    if (status == AC_OK)
        status = read_text(out->as_of, sizeof out->as_of, object, "as_of",
                           error);
    if (status == AC_OK)
        status = read_text(out->source, sizeof out->source, object, "source",
                           error);
    if (status != AC_OK)
        return status;
    if (!is_date(out->as_of))
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "\"as_of\" of %s was not a date like "
                                 "2026-11-09", out->name);
    if (json_is_null(dollars))
        return AC_OK;
    /* 0 would be a price nobody pays: whoever has none writes null. */
    if (!json_is_number(dollars) ||
        !(json_number_value(dollars) >= 1e-9) ||
        json_number_value(dollars) > HIGHEST_USD_PER_HOUR)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "\"usd_per_hour\" of %s was not null or a "
                                 "number above 0, at most 1e6", out->name);
    out->nanodollars_per_hour = llround(json_number_value(dollars) * 1e9);
    return AC_OK;
}

/* ---- the book ------------------------------------------------------------ */

static void append_name(char *list, size_t capacity, size_t *used,
                        const char *name)
{
    int n = snprintf(list + *used, capacity - *used, " %s", name);

    if (n > 0 && (size_t)n < capacity - *used)
        *used += (size_t)n;
    else
        list[*used] = '\0';
}

static ac_status find_in(aci_price *out, const json_t *prices,
                         const char *name, ac_error *error)
{
    char list[320] = "";
    size_t used = 0, n = json_array_size(prices), i;
    int found = 0;

    if (!json_is_array(prices) || n > MAX_PRICES)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "\"prices\" was not a list of at most %d",
                                 MAX_PRICES);
    for (i = 0; i < n; i++) {
        aci_price price;
        ac_status status = read_price(&price, json_array_get(prices, i),
                                      error);

        if (status != AC_OK)
            return status;
        append_name(list, sizeof list, &used, price.name);
        if (strcmp(price.name, name) != 0)
            continue;
        if (found)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "%s was there twice", name);
        found = 1;
        *out = price;
    }
    return found ? AC_OK
                 : aci_platform_fail(error, AC_E_NOT_FOUND,
                                     "no price \"%.64s\"; there are:%s", name,
                                     list);
}

/* The book of a text, when it is one; json_decref it in every case. */
static ac_status read_book(json_t **out, const char *text, size_t n,
                           ac_error *error)
{
    json_error_t mistake;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &mistake);
    const char *format = json_string_value(json_object_get(root, "format"));
    const json_t *version = json_object_get(root, "format_version");
    ac_status status = AC_OK;

    *out = root;
    if (root == NULL)
        status = aci_platform_fail(error, AC_E_FORMAT, "line %d: %.160s",
                                   mistake.line, mistake.text);
    else if (format == NULL || strcmp(format, FORMAT) != 0 ||
             !json_is_integer(version))
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "it had no \"format\": \"" FORMAT "\" with "
                                   "a \"format_version\"");
    else if (json_integer_value(version) != FORMAT_VERSION)
        status = aci_platform_fail(error, AC_E_UNSUPPORTED,
                                   "format_version was %lld, not %d",
                                   (long long)json_integer_value(version),
                                   FORMAT_VERSION);
    return status;
}

/* What is wanted of a book: one price, or each of them. */
typedef struct asking {
    aci_price *one;
    const char *name;
    aci_price_each *each;
    void *user;
} asking;

static ac_status give_each(const json_t *prices, const asking *a,
                           ac_error *error)
{
    size_t n = json_array_size(prices), i;
    aci_price price;
    ac_status status = AC_OK;

    for (i = 0; i < n && status == AC_OK; i++) {
        status = read_price(&price, json_array_get(prices, i), error);
        if (status == AC_OK)
            status = find_in(&price, prices, price.name, error);
    }
    for (i = 0; i < n && status == AC_OK; i++) {
        status = read_price(&price, json_array_get(prices, i), error);
        if (status == AC_OK && a->each(&price, a->user) != 0)
            break;
    }
    return status;
}

static ac_status answer(const asking *a, const char *text, size_t n,
                        ac_error *error)
{
    json_t *root = NULL;
    ac_status status = read_book(&root, text, n, error);
    const json_t *prices = json_object_get(root, "prices");

    if (status == AC_OK && a->each != NULL && !json_is_array(prices))
        status = find_in(NULL, prices, "", error); /* says so */
    else if (status == AC_OK && a->each != NULL)
        status = give_each(prices, a, error);
    else if (status == AC_OK)
        status = find_in(a->one, prices, a->name, error);
    json_decref(root);
    if (status == AC_OK && a->one != NULL)
        a->one->book_checksum = aci_platform_checksum(text, n, 0);
    return status;
}

static ac_status ask(const asking *a, aci_memory *memory, const char *path,
                     ac_error *error)
{
    char *text;
    char prefix[160];
    size_t n;
    ac_status status;

    if (path == NULL)
        return answer(a, BUILT_IN, sizeof BUILT_IN - 1, error);
    status = aci_platform_read_file(&text, &n, memory, path, MAX_BOOK_BYTES,
                                    error);
    if (status != AC_OK)
        return status;
    status = answer(a, text, n, error);
    aci_platform_free(memory, text);
    if (status == AC_OK)
        return AC_OK;
    snprintf(prefix, sizeof prefix, "price book %.140s", path);
    return aci_platform_fail_within(error, status, prefix);
}

ac_status aci_accountant_price_find(aci_price *out, aci_memory *memory,
                                    const char *path, const char *name,
                                    ac_error *error)
{
    const asking a = { out, name, NULL, NULL };

    return ask(&a, memory, path, error);
}

ac_status aci_accountant_prices(aci_memory *memory, const char *path,
                                aci_price_each *each, void *user,
                                ac_error *error)
{
    const asking a = { NULL, NULL, each, user };

    return ask(&a, memory, path, error);
}

int64_t aci_accountant_price_of(const aci_price *price, uint64_t nanoseconds)
{
    const unsigned __int128 hour = 3600000000000u;
    unsigned __int128 value;

    if (price->nanodollars_per_hour < 0)
        return -1;
    value = ((unsigned __int128)nanoseconds *
             (uint64_t)price->nanodollars_per_hour + hour / 2) / hour;
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}
