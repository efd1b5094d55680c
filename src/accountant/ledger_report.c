/* ledger_report.c - the ledger as one HTML page with its own drawings: what
 * was spent, what full would have cost and on what grounds, per variant, day
 * and reason, and the latest requests. Nothing is loaded from elsewhere, and
 * the page forbids itself to.
 *
 * The saving is one of device time, the router's included: it needs no price
 * and is the same as that of dollars under any one price. */
#include <string.h>

#include "accountant/cost_model.h"
#include "accountant/html_page.h"
#include "accountant/ledger.h"
#include "platform/error.h"

enum { FEW_REQUESTS = 30, DAYS_DRAWN = 60, ROWS_SHOWN = 400, LATEST = 50 };

static const char HEAD[] =
"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"
" style-src 'unsafe-inline'\">\n"
"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
"<meta name=\"color-scheme\" content=\"light dark\">\n"
"<title>Ledger</title>\n<style>\n"
":root{--ink:#1c2430;--soft:#5c6776;--page:#f5f6f8;--card:#fff;"
"--line:#dfe3e8;--own:#0b7a6f;--full:#b9c2cd;--warn:#9a5b00}\n"
"@media (prefers-color-scheme:dark){:root{--ink:#e8ebef;--soft:#9aa5b3;"
"--page:#12161b;--card:#1b2027;--line:#2d343d;--own:#3fc5b5;--full:#56606c;"
"--warn:#f0b357}}\n"
"*{box-sizing:border-box}body{margin:0;background:var(--page);"
"color:var(--ink);font:15px/1.5 system-ui,sans-serif}\n"
"main{max-width:60rem;margin:0 auto;padding:2rem 1rem}\n"
"h1{font-size:1.25rem;margin:0 0 1rem}h2{font-size:1rem;margin:0 0 .75rem}\n"
"section{background:var(--card);border:1px solid var(--line);"
"border-radius:10px;padding:1.25rem;margin:0 0 1rem;overflow-x:auto}\n"
".big{font-size:2.75rem;font-weight:650;line-height:1.1;color:var(--own)}\n"
"p{margin:.4rem 0;max-width:46rem}.soft{color:var(--soft)}"
".warn{color:var(--warn)}\n"
"dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));"
"gap:1rem;margin:0}dt{color:var(--soft);font-size:.8rem}"
"dd{margin:0;font-size:1.15rem;font-weight:600}\n"
"table{border-collapse:collapse;width:100%;font-size:.875rem;"
"font-variant-numeric:tabular-nums}\n"
"th,td{padding:.35rem .6rem;text-align:right;white-space:nowrap;"
"border-bottom:1px solid var(--line)}th{color:var(--soft);"
"font-weight:500}\n"
"th:first-child,td:first-child,td.label{text-align:left}"
"td.label{max-width:16rem;overflow:hidden;text-overflow:ellipsis}\n"
"svg{display:block;width:100%;height:auto}svg text{fill:var(--ink);"
"font:12px system-ui,sans-serif}svg .soft{fill:var(--soft)}\n"
".own{fill:var(--own)}.full{fill:var(--full)}\n"
".key{display:inline-block;width:.7rem;height:.7rem;border-radius:2px;"
"margin:0 .3rem 0 .8rem}\n"
"</style></head><body><main>\n";

/* ---- what is shown ------------------------------------------------------- */

typedef struct group {
    char name[48];
    ac_ledger_totals totals; /* its `group` is not ours: use name */
} group;

typedef struct groups {
    aci_memory *memory;
    group *rows;
    size_t n, capacity;
    int out_of_memory;
} groups;

static int32_t collect(const ac_ledger_totals *row, void *user)
{
    groups *all = user;

    if (all->n == all->capacity) {
        size_t capacity = all->capacity ? 2 * all->capacity : 32;
        group *rows = aci_platform_realloc(all->memory, all->rows,
                                           capacity * sizeof *rows);

        all->out_of_memory = rows == NULL;
        if (rows == NULL)
            return 1;
        all->rows = rows;
        all->capacity = capacity;
    }
    memset(&all->rows[all->n], 0, sizeof *all->rows);
    strncpy(all->rows[all->n].name, row->group,
            sizeof all->rows->name - 1);
    all->rows[all->n].totals = *row;
    all->rows[all->n].totals.group = NULL;
    all->n++;
    return 0;
}

static ac_status gather(groups *out, aci_ledger *ledger, uint32_t by,
                        ac_error *error)
{
    ac_status status;

    *out = (groups){ aci_accountant_ledger_memory(ledger), NULL, 0, 0, 0 };
    status = aci_accountant_ledger_totals(ledger, by, collect, out, error);
    if (status == AC_OK && out->out_of_memory)
        status = aci_platform_fail_memory(error, "the report");
    return status;
}

/* Device time with the router's. */
static uint64_t own_time(const ac_ledger_totals *t)
{
    return aci_accountant_add(t->device_nanoseconds, t->route_nanoseconds);
}

/* ---- headline ------------------------------------------------------------ */

static void show_basis(aci_page *page, const aci_ledger_basis *basis)
{
    aci_accountant_page_format(
        page,
        "<p class=\"soft\">What full would have taken: %s requests ran on full"
        " itself; for %s it is worked out from ratios measured in the zoo's"
        " card, for %s from bytes and operations only, not measured.</p>\n",
        aci_accountant_figure_count(basis->n_requests[AC_BASIS_SAME]).text,
        aci_accountant_figure_count(basis->n_requests[AC_BASIS_CARD]).text,
        aci_accountant_figure_count(
            basis->n_requests[AC_BASIS_ANALYTIC]).text);
}

static void show_warnings(aci_page *page, const ac_ledger_totals *t,
                          const aci_ledger_basis *basis)
{
    if (basis->n_requests[AC_BASIS_ANALYTIC] > t->n_requests / 2)
        aci_accountant_page_markup(
            page, "<p class=\"warn\">Most of what full would have taken is "
            "not measured: it is the most that this device could gain, and "
            "the saving may be much smaller; agentcompress bench times the "
            "variants against full.</p>\n");
    if (t->n_requests > 0 && t->n_requests < FEW_REQUESTS)
        aci_accountant_page_format(
            page, "<p class=\"warn\">From %d requests only: too few to "
            "expect the same of others.</p>\n", (int)t->n_requests);
    if (t->n_unsettled > 0)
        aci_accountant_page_format(
            page, "<p class=\"warn\">Not settled: %s, still "
            "running or killed with their process; in no sum.</p>\n",
            aci_accountant_figure_count(t->n_unsettled).text);
    if (t->n_unpriced > 0)
        aci_accountant_page_format(
            page, "<p class=\"warn\">%s requests had no price and are in no "
            "sum of dollars.</p>\n",
            aci_accountant_figure_count(t->n_unpriced).text);
}

static void show_headline(aci_page *page, const ac_ledger_totals *t,
                          const aci_ledger_basis *basis)
{
    uint64_t own = own_time(t), full = t->full_nanoseconds;

    aci_accountant_page_markup(page, "<section>");
    if (full == 0)
        aci_accountant_page_markup(page, "<div class=\"big\">nothing settled"
                                         "</div>\n");
    else
        aci_accountant_page_format(
            page,
            "<div class=\"big\">%s</div><p>%s device time than running every"
            " request on full: %s, the router's %s included, against %s."
            "</p>\n<p>Spent %s; on full %s.</p>\n",
            aci_accountant_figure_saving(own, full).text,
            own <= full ? "less" : "(negative: more)",
            aci_accountant_figure_time(own).text,
            aci_accountant_figure_time(t->route_nanoseconds).text,
            aci_accountant_figure_time(full).text,
            aci_accountant_figure_dollars(
                t->n_unpriced < t->n_requests ? t->nanodollars : -1).text,
            aci_accountant_figure_dollars(
                t->n_unpriced < t->n_requests ? t->full_nanodollars
                                              : -1).text);
    show_basis(page, basis);
    show_warnings(page, t, basis);
    aci_accountant_page_markup(page, "</section>\n");
}

static void show_tile(aci_page *page, const char *name, aci_figure figure)
{
    aci_accountant_page_format(page, "<div><dt>%s</dt><dd>%s</dd></div>",
                               name, figure.text);
}

static void show_tiles(aci_page *page, const ac_ledger_totals *t)
{
    aci_accountant_page_markup(page, "<section><dl>");
    show_tile(page, "requests", aci_accountant_figure_count(t->n_requests));
    show_tile(page, "prompt tokens",
              aci_accountant_figure_count(t->prompt_tokens));
    show_tile(page, "reused from sessions",
              aci_accountant_figure_count(t->cached_tokens));
    show_tile(page, "generated tokens",
              aci_accountant_figure_count(t->generated_tokens));
    show_tile(page, "device time",
              aci_accountant_figure_time(t->device_nanoseconds));
    show_tile(page, "energy, whole machine",
              aci_accountant_figure_joules(t->n_energy ? t->microjoules
                                                       : -1));
    show_tile(page, "said to be good",
              aci_accountant_figure_count(t->n_success));
    show_tile(page, "said to be bad",
              aci_accountant_figure_count(t->n_failure));
    aci_accountant_page_markup(page, "</dl></section>\n");
}

/* ---- drawings ------------------------------------------------------------ */

static uint64_t longest(const groups *all, size_t first)
{
    uint64_t most = 1;

    for (size_t i = first; i < all->n; i++) {
        uint64_t own = own_time(&all->rows[i].totals);
        uint64_t full = all->rows[i].totals.full_nanoseconds;

        most = own > most ? own : most;
        most = full > most ? full : most;
    }
    return most;
}

static int scaled(uint64_t value, uint64_t most, int length)
{
    return (int)((unsigned __int128)value * (unsigned)length / most);
}

static const char KEY[] =
    "<span class=\"soft\"><svg class=\"key\" viewBox=\"0 0 1 1\""
    " style=\"display:inline-block;width:.7rem\"><rect class=\"own\""
    " width=\"1\" height=\"1\"/></svg>as run"
    "<svg class=\"key\" viewBox=\"0 0 1 1\""
    " style=\"display:inline-block;width:.7rem\"><rect class=\"full\""
    " width=\"1\" height=\"1\"/></svg>the same on full</span>";

static void draw_variants(aci_page *page, const groups *all)
{
    uint64_t most = longest(all, 0);
    size_t n = all->n < ROWS_SHOWN ? all->n : ROWS_SHOWN;

    aci_accountant_page_format(
        page, "<section><h2>Device time by variant %s</h2>\n"
        "<svg viewBox=\"0 0 720 %d\" role=\"img\" aria-label=\"device time "
        "by variant\">", KEY, (int)n * 48 + 4);
    for (size_t i = 0; i < n; i++) {
        const ac_ledger_totals *t = &all->rows[i].totals;
        int y = (int)i * 48 + 4, own, full;

        own = scaled(own_time(t), most, 460);
        full = scaled(t->full_nanoseconds, most, 460);
        aci_accountant_page_format(page, "<text x=\"0\" y=\"%d\">", y + 22);
        aci_accountant_page_text(page, all->rows[i].name);
        aci_accountant_page_format(
            page,
            "</text><rect class=\"own\" x=\"130\" y=\"%d\" width=\"%d\" "
            "height=\"16\" rx=\"2\"/><text x=\"%d\" y=\"%d\">%s</text>"
            "<rect class=\"full\" x=\"130\" y=\"%d\" width=\"%d\" "
            "height=\"16\" rx=\"2\"/><text class=\"soft\" x=\"%d\" y=\"%d\">"
            "%s</text>\n", y, own + 1, own + 138, y + 13,
            aci_accountant_figure_time(own_time(t)).text, y + 19, full + 1,
            full + 138, y + 32,
            aci_accountant_figure_time(t->full_nanoseconds).text);
    }
    aci_accountant_page_markup(page, "</svg></section>\n");
}

static void draw_days(aci_page *page, const groups *all)
{
    size_t first = all->n > DAYS_DRAWN ? all->n - DAYS_DRAWN : 0;
    uint64_t most = longest(all, first);
    int n = (int)(all->n - first), step, width;

    if (n == 0)
        return;
    step = 640 / n;
    step = step > 64 ? 64 : step;
    width = step * 2 / 5 > 0 ? step * 2 / 5 : 1;
    aci_accountant_page_format(
        page, "<section><h2>Device time by day %s</h2>\n"
        "<svg viewBox=\"0 0 720 190\" role=\"img\" aria-label=\"device time "
        "by day\"><text class=\"soft\" x=\"0\" y=\"16\">%s</text>"
        "<rect class=\"full\" x=\"70\" y=\"160\" width=\"650\" "
        "height=\"1\"/>", KEY, aci_accountant_figure_time(most).text);
    for (int i = 0; i < n; i++) {
        const group *day = &all->rows[first + (size_t)i];
        int own = scaled(own_time(&day->totals), most, 150);
        int full = scaled(day->totals.full_nanoseconds, most, 150);
        int x = 74 + i * step;

        aci_accountant_page_format(
            page,
            "<rect class=\"own\" x=\"%d\" y=\"%d\" width=\"%d\" "
            "height=\"%d\"/><rect class=\"full\" x=\"%d\" y=\"%d\" "
            "width=\"%d\" height=\"%d\"/>\n", x, 160 - own, width, own,
            x + width, 160 - full, width, full);
        if (i == 0 || (i == n - 1 && i * step > 90)) {
            aci_accountant_page_format(
                page, "<text class=\"soft\" x=\"%d\" y=\"180\">", x);
            aci_accountant_page_text(page, day->name);
            aci_accountant_page_markup(page, "</text>");
        }
    }
    aci_accountant_page_markup(page, "</svg></section>\n");
}

/* ---- tables -------------------------------------------------------------- */

static void show_group(aci_page *page, const group *g)
{
    const ac_ledger_totals *t = &g->totals;
    int priced = t->n_unpriced < t->n_requests;

    aci_accountant_page_markup(page, "<tr><td>");
    aci_accountant_page_text(page, g->name);
    aci_accountant_page_format(
        page,
        "</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td>"
        "<td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>\n",
        aci_accountant_figure_count(t->n_requests).text,
        aci_accountant_figure_count(t->n_unsettled).text,
        aci_accountant_figure_count(t->prompt_tokens).text,
        aci_accountant_figure_count(t->generated_tokens).text,
        aci_accountant_figure_time(t->device_nanoseconds).text,
        aci_accountant_figure_time(t->route_nanoseconds).text,
        aci_accountant_figure_time(t->full_nanoseconds).text,
        aci_accountant_figure_dollars(priced ? t->nanodollars : -1).text,
        aci_accountant_figure_dollars(priced ? t->full_nanodollars : -1).text,
        aci_accountant_figure_saving(own_time(t), t->full_nanoseconds).text);
}

static void show_groups(aci_page *page, const char *title, const groups *all)
{
    size_t first = all->n > ROWS_SHOWN ? all->n - ROWS_SHOWN : 0;

    aci_accountant_page_format(
        page,
        "<section><h2>%s</h2><table><tr><th></th><th>requests</th>"
        "<th>unsettled</th><th>prompt</th><th>generated</th><th>device</th>"
        "<th>router</th><th>on full</th><th>cost</th><th>cost on full</th>"
        "<th>saving</th></tr>\n", title);
    for (size_t i = first; i < all->n; i++)
        show_group(page, &all->rows[i]);
    aci_accountant_page_markup(page, "</table></section>\n");
}

static int32_t show_entry(const ac_ledger_entry *e, void *user)
{
    aci_page *page = user;
    const ac_usage *u = e->usage;

    aci_accountant_page_format(page, "<tr><td>%llu</td><td class=\"label\">",
                               (unsigned long long)e->request_id);
    aci_accountant_page_text(page, e->label ? e->label : "");
    aci_accountant_page_markup(page, "</td><td>");
    aci_accountant_page_text(page, e->variant_name);
    aci_accountant_page_format(
        page,
        "</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td>"
        "<td>%s</td></tr>\n", ac_reason_name(e->decision->reason),
        e->settled ? aci_accountant_figure_count(u->prompt_tokens).text : "",
        e->settled ? aci_accountant_figure_count(u->generated_tokens).text
                   : "",
        e->settled ? aci_accountant_figure_time(aci_accountant_add(
                         u->prefill_nanoseconds, u->decode_nanoseconds)).text
                   : "not settled",
        e->settled ? aci_accountant_figure_dollars(u->nanodollars).text : "",
        e->success < 0 ? "" : e->success ? "good" : "bad");
    return page->status != AC_OK;
}

static void show_latest(aci_page *page, aci_ledger *ledger,
                        const ac_ledger_totals *total)
{
    uint64_t last = total->n_requests + total->n_unsettled;
    ac_status status;

    aci_accountant_page_markup(
        page,
        "<section><h2>Latest requests</h2><table><tr><th>request</th>"
        "<th>label</th><th>variant</th><th>reason</th><th>prompt</th>"
        "<th>generated</th><th>device</th><th>cost</th><th>feedback</th>"
        "</tr>\n");
    if (page->status != AC_OK)
        return;
    /* Numbers are given in order, without gaps. */
    status = aci_accountant_ledger_read(ledger,
                                        last > LATEST ? last - LATEST + 1 : 1,
                                        show_entry, page, page->error);
    if (page->status == AC_OK)
        page->status = status;
    aci_accountant_page_markup(page, "</table></section>\n");
}

static void show_source(const aci_ledger_source *source, void *user)
{
    aci_page *page = user;

    aci_accountant_page_format(
        page, "<p>%s requests: model ",
        aci_accountant_figure_count(source->n_requests).text);
    aci_accountant_page_text(page, source->model);
    aci_accountant_page_markup(page, ", price ");
    aci_accountant_page_text(page, source->price_name);
    if (source->nanodollars_per_hour < 0)
        aci_accountant_page_markup(page, " (unset)");
    else
        aci_accountant_page_format(
            page, ", %s per hour", aci_accountant_figure_dollars(
                source->nanodollars_per_hour).text);
    aci_accountant_page_markup(page, " (");
    aci_accountant_page_text(page, source->price_provider);
    aci_accountant_page_markup(page, ", ");
    aci_accountant_page_text(page, source->price_as_of);
    aci_accountant_page_markup(page, ": ");
    aci_accountant_page_text(page, source->price_source);
    aci_accountant_page_markup(page, "). Energy: ");
    aci_accountant_page_text(page, source->energy_reason
                                       ? source->energy_reason
                                       : "package counters, which count the "
                                         "whole machine");
    aci_accountant_page_markup(page, ".</p>\n");
}

/* ---- the page ------------------------------------------------------------ */

static void show_sources(aci_page *page, aci_ledger *ledger)
{
    ac_status status;

    aci_accountant_page_markup(page, "<section class=\"soft\"><h2>Prices and "
                                     "counters</h2>\n");
    status = aci_accountant_ledger_sources(ledger, show_source, page,
                                           page->error);
    if (page->status == AC_OK)
        page->status = status;
    aci_accountant_page_markup(page, "</section></main></body></html>\n");
}

static ac_status write_page(aci_writer *writer, aci_ledger *ledger,
                            ac_error *error)
{
    aci_page page = { writer, AC_OK, error };
    groups by[4] = { { NULL, NULL, 0, 0, 0 } };
    aci_ledger_basis basis;
    ac_status status = aci_accountant_ledger_basis(&basis, ledger, error);

    for (uint32_t i = 0; i < 4 && status == AC_OK; i++)
        status = gather(&by[i], ledger, i, error);
    if (status == AC_OK) {
        const ac_ledger_totals *total = &by[AC_BY_TOTAL].rows[0].totals;

        aci_accountant_page_markup(&page, HEAD);
        aci_accountant_page_markup(&page,
                                   "<h1>What the answers cost</h1>\n");
        show_headline(&page, total, &basis);
        show_tiles(&page, total);
        draw_variants(&page, &by[AC_BY_VARIANT]);
        draw_days(&page, &by[AC_BY_DAY]);
        show_groups(&page, "By variant", &by[AC_BY_VARIANT]);
        show_groups(&page, "By reason", &by[AC_BY_REASON]);
        show_groups(&page, "By day (UTC)", &by[AC_BY_DAY]);
        show_latest(&page, ledger, total);
        show_sources(&page, ledger);
        status = page.status;
    }
    for (uint32_t i = 0; i < 4; i++)
        aci_platform_free(by[i].memory, by[i].rows);
    return status;
}

ac_status aci_accountant_ledger_report(aci_ledger *ledger,
                                       const char *html_path, ac_error *error)
{
    aci_writer *writer;
    ac_status status = aci_platform_writer_open(
        &writer, aci_accountant_ledger_memory(ledger), html_path, error);

    if (status != AC_OK)
        return status;
    status = write_page(writer, ledger, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(writer);
    return status;
}
