/* html_page.c - see html_page.h. */
#include "accountant/html_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append(aci_page *page, const char *bytes, size_t n)
{
    if (page->status == AC_OK && n > 0)
        page->status = aci_platform_writer_append(page->writer, bytes, n,
                                                  page->error);
}

void aci_accountant_page_markup(aci_page *page, const char *markup)
{
    append(page, markup, strlen(markup));
}

void aci_accountant_page_format(aci_page *page, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (n > 0)
        append(page, text, (size_t)n < sizeof text ? (size_t)n
                                                   : sizeof text - 1);
}

/* ---- text ---------------------------------------------------------------- */

/* Bytes of the UTF-8 character at `at`; 0 when there is none. Ends at NUL. */
static size_t character_bytes(const unsigned char *at)
{
    static const unsigned char lowest[] = { 0, 0, 0, 0xA0, 0x90 };
    size_t n = at[0] < 0x80   ? 1
               : at[0] < 0xC2 ? 0
               : at[0] < 0xE0 ? 2
               : at[0] < 0xF0 ? 3
               : at[0] < 0xF5 ? 4
                              : 0;

    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    if ((at[0] == 0xE0 || at[0] == 0xF0) && at[1] < lowest[n])
        return 0; /* longer than need be */
    if ((at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF4 && at[1] > 0x8F))
        return 0; /* a surrogate; above U+10FFFF */
    return n;
}

static const char *escape_of(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return c < 32 || c == 127 ? " " : NULL;
    }
}

void aci_accountant_page_text(aci_page *page, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at != '\0') {
        size_t n = character_bytes(at);
        const char *escape = n == 0 ? "\xEF\xBF\xBD"
                             : n == 1 ? escape_of(*at)
                                      : NULL;

        if (escape != NULL)
            append(page, escape, strlen(escape));
        else
            append(page, (const char *)at, n);
        at += n > 0 ? n : 1;
    }
}

/* ---- figures ------------------------------------------------------------- */

aci_figure aci_accountant_figure_count(uint64_t n)
{
    char digits[24];
    aci_figure figure;
    int length = snprintf(digits, sizeof digits, "%llu",
                          (unsigned long long)n), used = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            figure.text[used++] = ',';
        figure.text[used++] = digits[i];
    }
    figure.text[used] = '\0';
    return figure;
}

/* `value` in units of 10^-9, with `decimals` of them. */
static aci_figure fixed(const char *before, uint64_t value, int decimals,
                        const char *after)
{
    aci_figure figure, whole;
    uint64_t unit = 1000000000, step = unit;

    for (int i = 0; i < decimals; i++)
        step /= 10;
    value = value > UINT64_MAX - step ? value : value + step / 2;
    value -= value % step;
    whole = aci_accountant_figure_count(value / unit);
    if (decimals == 0)
        snprintf(figure.text, sizeof figure.text, "%s%.28s%s", before,
                 whole.text, after);
    else
        snprintf(figure.text, sizeof figure.text, "%s%.22s.%0*llu%s", before,
                 whole.text, decimals,
                 (unsigned long long)(value % unit / step), after);
    return figure;
}

aci_figure aci_accountant_figure_time(uint64_t ns)
{
    if (ns < 1000000)
        return fixed("", ns * 1000000, 1, " \xC2\xB5s");
    if (ns < 1000000000)
        return fixed("", ns * 1000, 1, " ms");
    if (ns < 600000000000u)
        return fixed("", ns, 2, " s");
    if (ns < 36000000000000u)
        return fixed("", ns / 60, 1, " min");
    return fixed("", ns / 3600, 1, " h");
}

aci_figure aci_accountant_figure_dollars(int64_t nanodollars)
{
    uint64_t n = (uint64_t)nanodollars;
    aci_figure none = { "no price" };

    if (nanodollars < 0)
        return none;
    return fixed("$", n, n >= 1000000000 ? 2 : n >= 1000000 ? 6 : 9, "");
}

aci_figure aci_accountant_figure_joules(int64_t microjoules)
{
    uint64_t n = (uint64_t)microjoules;
    aci_figure none = { "not measured" };

    if (microjoules < 0)
        return none;
    if (n < 1000000000000u)
        return fixed("", n * 1000, 2, " J");
    return fixed("", n / 1000, 2, " MJ");
}

aci_figure aci_accountant_figure_saving(uint64_t part, uint64_t whole)
{
    aci_figure figure = { "-" };
    unsigned __int128 tenths = (unsigned __int128)part * 1000;
    unsigned long long percent;
    int less;

    if (whole == 0)
        return figure;
    tenths = (tenths + whole / 2) / whole;
    less = tenths <= 1000;
    tenths = less ? 1000 - tenths : tenths - 1000;
    percent = tenths > 9999999 ? 9999999 : (unsigned long long)tenths;
    snprintf(figure.text, sizeof figure.text, "%s%llu.%llu%%",
             less ? "" : "-", percent / 10, percent % 10);
    return figure;
}
