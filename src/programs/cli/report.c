/* report.c - failures, JSON and numbers for people. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static int exit_code(ac_status status)
{
    switch (status) {
    case AC_OK:
        return EXIT_DONE;
    case AC_E_ARGUMENT:
        return EXIT_USAGE;
    case AC_E_NOT_FOUND:
    case AC_E_IO:
    case AC_E_BUSY:
        return EXIT_MISSING;
    case AC_E_FORMAT:
    case AC_E_UNSUPPORTED:
    case AC_E_CHECKSUM:
    case AC_E_NUMERIC:
        return EXIT_MALFORMED;
    case AC_E_CONTEXT_FULL:
    case AC_E_TOO_SMALL:
        return EXIT_CONTEXT;
    case AC_E_NO_MEMORY:
    case AC_E_DISK_FULL:
        return EXIT_RESOURCES;
    case AC_E_DEVICE:
        return EXIT_DEVICE;
    case AC_E_BUDGET:
        return EXIT_BUDGET;
    case AC_E_CANCELLED:
        return EXIT_CANCELLED;
    default:
        return EXIT_INTERNAL;
    }
}

int report_failure(ac_status status, const ac_error *error)
{
    const char *message = error->message[0] ? error->message
                                            : ac_status_name(status);

    fprintf(stderr, "agentcompress: %s\n", message);
    return exit_code(status);
}

/* ---- JSON ---------------------------------------------------------------- */

int print_json(json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;

    json_decref(json);
    if (text == NULL) {
        fprintf(stderr, "agentcompress: out of memory for JSON\n");
        return EXIT_RESOURCES;
    }
    puts(text);
    free(text);
    return EXIT_DONE;
}

json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_text(const char *text, size_t n_bytes)
{
    json_t *json = json_stringn(text, n_bytes);
    char *clean;
    size_t i, n = 0;

    if (json != NULL)
        return json;
    clean = malloc(3 * n_bytes + 1); /* not UTF-8: ASCII stays */
    if (clean == NULL)
        return json_null();
    for (i = 0; i < n_bytes; i++) {
        if ((unsigned char)text[i] < 0x80) {
            clean[n++] = text[i];
        } else {
            memcpy(clean + n, "\xEF\xBF\xBD", 3);
            n += 3;
        }
    }
    json = json_stringn(clean, n);
    free(clean);
    return json ? json : json_null();
}

static json_t *dollars_json(int64_t nanodollars)
{
    return nanodollars < 0 ? json_null()
                           : json_real((double)nanodollars * 1e-9);
}

json_t *decision_json(const ac_decision *decision, const ac_engine *engine)
{
    json_t *success = json_object();
    uint32_t i;

    for (i = 0; i < decision->n_variants && i < AC_MAX_VARIANTS; i++) {
        ac_variant_info info = AC_VARIANT_INFO_INIT;

        if (ac_variant_describe(&info, engine, i, NULL) == AC_OK)
            json_object_set_new(success, info.name,
                                json_number((double)decision->success[i]));
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:f}",
                     "variant", decision->variant_name,
                     "reason", ac_reason_name(decision->reason),
                     "confidence", json_number((double)decision->confidence),
                     "unfamiliarity",
                     json_number((double)decision->unfamiliarity),
                     "success", success, "expected_dollars",
                     dollars_json(decision->expected_nanodollars),
                     "full_dollars", dollars_json(decision->full_nanodollars),
                     "router_microseconds",
                     (double)decision->router_nanoseconds * 1e-3);
}

json_t *usage_json(const ac_usage *usage)
{
    static const char *const basis[] = { "none", "same", "card", "analytic" };
    uint32_t b = usage->full_basis < 4 ? usage->full_basis : 0;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o, "
        "s:o, s:o, s:f, s:s}",
        "prompt_tokens", (json_int_t)usage->prompt_tokens,
        "cached_tokens", (json_int_t)usage->cached_tokens,
        "generated_tokens", (json_int_t)usage->generated_tokens,
        "draft_tokens", (json_int_t)usage->draft_tokens,
        "accepted_tokens", (json_int_t)usage->accepted_tokens,
        "macs", (json_int_t)usage->macs,
        "bit_operations", (json_int_t)usage->bit_operations,
        "bytes_moved", (json_int_t)usage->bytes_moved,
        "queue_seconds", (double)usage->queue_nanoseconds * 1e-9,
        "route_seconds", (double)usage->route_nanoseconds * 1e-9,
        "prefill_seconds", (double)usage->prefill_nanoseconds * 1e-9,
        "decode_seconds", (double)usage->decode_nanoseconds * 1e-9,
        "joules",
        usage->microjoules < 0 ? json_null()
                               : json_real((double)usage->microjoules * 1e-6),
        "dollars", dollars_json(usage->nanodollars),
        "full_dollars", dollars_json(usage->full_nanodollars),
        "full_seconds", (double)usage->full_nanoseconds * 1e-9,
        "full_basis", basis[b]);
}

/* ---- numbers for people -------------------------------------------------- */

double without_sign(double value, int decimals)
{
    return value < 0.0 && value > -0.5 * pow(10.0, -decimals) ? 0.0 : value;
}

const char *format_dollars(char *out, int64_t nanodollars)
{
    if (nanodollars < 0)
        snprintf(out, 32, "no price");
    else if (nanodollars < 1000000)
        snprintf(out, 32, "%.3f u$", (double)nanodollars * 1e-3);
    else
        snprintf(out, 32, "$%.6f", (double)nanodollars * 1e-9);
    return out;
}

const char *format_seconds(char *out, double seconds)
{
    if (seconds < 1e-3)
        snprintf(out, 32, "%.0f us", seconds * 1e6);
    else if (seconds < 1.0)
        snprintf(out, 32, "%.1f ms", seconds * 1e3);
    else if (seconds < 120.0)
        snprintf(out, 32, "%.1f s", seconds);
    else
        snprintf(out, 32, "%.0f min", seconds / 60.0);
    return out;
}

const char *format_bytes(char *out, double bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    int unit = 0;

    while (bytes >= 1000.0 && unit < 4) {
        bytes /= 1000.0;
        unit++;
    }
    snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.2f %s", bytes, units[unit]);
    return out;
}

/* ---- opening ------------------------------------------------------------- */

void ledger_path(char *out, size_t capacity, const char *zoo)
{
    struct stat about;

    if (stat(zoo, &about) == 0 && S_ISREG(about.st_mode))
        snprintf(out, capacity, "%s", zoo);
    else
        snprintf(out, capacity, "%s/ledger.sqlite", zoo);
}

/* A zoo has a card; anything else is a checkpoint and keeps no ledger. */
static bool has_card(const char *path)
{
    char card[4096];
    struct stat about;

    snprintf(card, sizeof card, "%s/zoo.json", path);
    return stat(card, &about) == 0;
}

ac_status open_engine(ac_engine **out, const char *path,
                      const open_arguments *arguments, bool with_ledger,
                      ac_error *error)
{
    ac_open_options options = AC_OPEN_OPTIONS_INIT;
    char own_ledger[4096];

    options.n_threads = arguments->n_threads;
    options.device = arguments->device;
    options.cpu_level = arguments->cpu_level;
    options.price_book_path = arguments->prices;
    options.price_name = arguments->price;
    options.verify_checksums = arguments->verify;
    if (arguments->progress != NULL) {
        options.on_progress = draw_progress;
        options.progress_user = arguments->progress;
    }
    if (with_ledger && !arguments->no_ledger) {
        options.ledger_path = arguments->ledger;
        if (options.ledger_path == NULL && has_card(path)) {
            ledger_path(own_ledger, sizeof own_ledger, path);
            options.ledger_path = own_ledger;
        }
    }
    return ac_open(out, path, &options, error);
}
