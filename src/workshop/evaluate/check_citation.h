/* check_citation.h - a reference read back into its parts, by the grammar of
 * its style (inside this folder).
 *
 *     APA        Okafor, M. J., & Sato, K. (2010). Title. Journal, 12(3),
 *                45-59. https://doi.org/10.1000/abc
 *     MLA        Okafor, Mara J., and Kenji Sato. "Title." Journal, vol. 12,
 *                no. 3, 2010, pp. 45-59, https://doi.org/10.1000/abc.
 *     Vancouver  Okafor MJ, Sato K. Title. Journal. 2010;12(3):45-59.
 *                doi:10.1000/abc
 *     BibTeX     @article{key, author = {Okafor, Mara J. and Sato, Kenji}, ...}
 */
#ifndef ACI_WORKSHOP_CHECK_CITATION_H
#define ACI_WORKSHOP_CHECK_CITATION_H

#include "workshop/evaluate/check_text.h"

enum { ACI_MOST_AUTHORS = 32 };

/* A person's given names: as written, "Mara J.", or initials, "M. J.", "MJ". */
typedef struct aci_person {
    aci_slice family, given;
} aci_person;

/* What was wanted, or what was read; absent parts are empty. */
typedef struct aci_reference {
    aci_person authors[ACI_MOST_AUTHORS];
    int32_t n_authors;
    bool et_al;
    aci_slice year, title, journal, volume, issue, doi;
    aci_slice first_page, last_page;
} aci_reference;

/* A place in the answer. `wanted` is NULL as long as the grammar held, then
 * what should have stood at `at`. */
typedef struct aci_cursor {
    aci_slice text;
    size_t at;
    const char *wanted;
} aci_cursor;

/* `literal` stands here: moves behind it. '~' in it is a blank or nothing. */
bool aci_workshop_cursor_try(aci_cursor *cursor, const char *literal);
/* The same, and the grammar is broken when it does not. */
bool aci_workshop_cursor_accept(aci_cursor *cursor, const char *literal);
bool aci_workshop_cursor_fail(aci_cursor *cursor, const char *wanted);
/* Everything before `stop`, which is skipped. */
bool aci_workshop_cursor_until(aci_cursor *cursor, aci_slice *out,
                               const char *stop, const char *what);
/* Letters and digits; "45-59", "45 - 59" or one page. */
bool aci_workshop_cursor_word(aci_cursor *cursor, aci_slice *out,
                              const char *what);
bool aci_workshop_cursor_pages(aci_cursor *cursor, aci_reference *out);

/* Reads all of the text; cursor->wanted says whether it could. Text that the
 * grammar alone cannot divide (a title with a full stop in it) is divided as
 * in `expected` when that fits. */
typedef void aci_reference_reader(aci_reference *out, aci_cursor *cursor,
                                  const aci_reference *expected);
aci_reference_reader aci_workshop_read_apa;
aci_reference_reader aci_workshop_read_mla;
aci_reference_reader aci_workshop_read_vancouver;
aci_reference_reader aci_workshop_read_bibtex;

/* The DOI without "https://doi.org/", "doi:" or the like. */
aci_slice aci_workshop_bare_doi(aci_slice doi);

#endif
