/* html_page.h - writing an HTML page: text escaped, figures with their units.
 *
 * Figures are made of whole numbers only: printf's floats follow the host's
 * locale, and an SVG coordinate of "1,5" is no coordinate. */
#ifndef ACI_ACCOUNTANT_HTML_PAGE_H
#define ACI_ACCOUNTANT_HTML_PAGE_H

#include "flow.h"
#include "platform/files.h"

/* The first failure stays; what is added after it is lost. */
typedef struct aci_page {
    aci_writer *writer;
    ac_status status;
    ac_error *error;
} aci_page;

/* As it stands: markup of our own. */
void aci_accountant_page_markup(aci_page *page, const char *markup);
/* The same by printf, up to 1 KiB; no text from outside, which %s would not
 * escape. */
void aci_accountant_page_format(aci_page *page, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Anybody's text: markup and control characters made harmless, bytes that are
 * not UTF-8 become U+FFFD. */
void aci_accountant_page_text(aci_page *page, const char *text);

/* A figure as text; lent from the caller's buffer. */
typedef struct aci_figure {
    char text[40];
} aci_figure;
aci_figure aci_accountant_figure_count(uint64_t n);       /* 1,234,567 */
aci_figure aci_accountant_figure_time(uint64_t nanoseconds);  /* 12.3 ms */
aci_figure aci_accountant_figure_dollars(int64_t nanodollars); /* $0.0012 */
aci_figure aci_accountant_figure_joules(int64_t microjoules);
/* Share of 1 in tenths of a percent: 1 - part / whole; "-" of nothing. */
aci_figure aci_accountant_figure_saving(uint64_t part, uint64_t whole);

#endif
