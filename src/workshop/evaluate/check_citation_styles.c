/* check_citation_styles.c - APA, MLA and Vancouver; see check_citation.h. */
#include "tokenizer/utf8.h"
#include "workshop/evaluate/check_citation.h"

/* ---- the cursor ---------------------------------------------------------- */

bool aci_workshop_cursor_fail(aci_cursor *cursor, const char *wanted)
{
    if (cursor->wanted == NULL)
        cursor->wanted = wanted;
    return false;
}

bool aci_workshop_cursor_try(aci_cursor *cursor, const char *literal)
{
    size_t at = cursor->at;

    if (cursor->wanted != NULL)
        return false;
    for (; *literal != '\0'; literal++) {
        if (*literal == '~') {
            at += at < cursor->text.n && cursor->text.at[at] == ' ';
            continue;
        }
        if (at == cursor->text.n || cursor->text.at[at] != *literal)
            return false;
        at++;
    }
    cursor->at = at;
    return true;
}

bool aci_workshop_cursor_accept(aci_cursor *cursor, const char *literal)
{
    return aci_workshop_cursor_try(cursor, literal) ||
           aci_workshop_cursor_fail(cursor, literal);
}

/* Where `stop` stands next, or text.n. */
static size_t find(const aci_cursor *cursor, const char *stop)
{
    size_t n = strlen(stop), at = cursor->at;

    while (at + n <= cursor->text.n &&
           memcmp(cursor->text.at + at, stop, n) != 0)
        at++;
    return at + n <= cursor->text.n ? at : cursor->text.n;
}

bool aci_workshop_cursor_until(aci_cursor *cursor, aci_slice *out,
                               const char *stop, const char *what)
{
    size_t end = find(cursor, stop);

    if (cursor->wanted != NULL || end == cursor->text.n || end == cursor->at)
        return aci_workshop_cursor_fail(cursor, what);
    *out = aci_slice_part(cursor->text, cursor->at, end);
    cursor->at = end + strlen(stop);
    return true;
}

bool aci_workshop_cursor_word(aci_cursor *cursor, aci_slice *out,
                              const char *what)
{
    size_t at = cursor->at;

    while (at < cursor->text.n && aci_is_word(cursor->text.at[at]))
        at++;
    if (cursor->wanted != NULL || at == cursor->at)
        return aci_workshop_cursor_fail(cursor, what);
    *out = aci_slice_part(cursor->text, cursor->at, at);
    cursor->at = at;
    return true;
}

bool aci_workshop_cursor_pages(aci_cursor *cursor, aci_reference *out)
{
    if (!aci_workshop_cursor_word(cursor, &out->first_page, "pages"))
        return false;
    if (!aci_workshop_cursor_try(cursor, "~-~"))
        return true;
    return aci_workshop_cursor_word(cursor, &out->last_page, "the last page");
}

/* ---- what the styles share ----------------------------------------------- */

static bool begins_with(const aci_cursor *cursor, aci_slice text)
{
    return text.n > 0 && text.n <= cursor->text.n - cursor->at &&
           memcmp(cursor->text.at + cursor->at, text.at, text.n) == 0;
}

static bool ends_itself(aci_slice title)
{
    return title.n > 0 && (title.at[title.n - 1] == '?' ||
                           title.at[title.n - 1] == '!');
}

/* "Title. " or "Title? ". */
static bool read_title(aci_reference *out, aci_cursor *cursor,
                       const aci_reference *expected)
{
    size_t at = cursor->at;

    if (cursor->wanted != NULL)
        return false;
    if (begins_with(cursor, expected->title)) {
        out->title = expected->title;
        cursor->at += out->title.n;
        return aci_workshop_cursor_accept(
            cursor, ends_itself(out->title) ? " " : ". ");
    }
    for (; at + 1 < cursor->text.n; at++) {
        char c = cursor->text.at[at];

        if ((c == '.' || c == '?' || c == '!') &&
            cursor->text.at[at + 1] == ' ') {
            out->title = aci_slice_part(cursor->text, cursor->at,
                                        c == '.' ? at : at + 1);
            cursor->at = at + 2;
            return true;
        }
    }
    return aci_workshop_cursor_fail(cursor, "a title and a full stop");
}

static bool read_journal(aci_reference *out, aci_cursor *cursor,
                         const aci_reference *expected, const char *stop)
{
    if (cursor->wanted == NULL && begins_with(cursor, expected->journal)) {
        out->journal = expected->journal;
        cursor->at += out->journal.n;
        return aci_workshop_cursor_accept(cursor, stop);
    }
    return aci_workshop_cursor_until(cursor, &out->journal, stop, "a journal");
}

static bool read_doi(aci_reference *out, aci_cursor *cursor, bool url,
                     bool plain)
{
    static const char *const urls[] = { "https://doi.org/",
                                        "http://doi.org/",
                                        "https://dx.doi.org/",
                                        "http://dx.doi.org/" };
    size_t i, at;
    bool found = plain && (aci_workshop_cursor_try(cursor, "doi:~") ||
                           aci_workshop_cursor_try(cursor, "DOI:~"));

    for (i = 0; url && !found && i < 4; i++)
        found = aci_workshop_cursor_try(cursor, urls[i]);
    if (!found)
        return aci_workshop_cursor_fail(cursor, "a DOI in the style's form");
    for (at = cursor->at; at < cursor->text.n && cursor->text.at[at] != ' ';
         at++)
        ;
    out->doi = aci_slice_part(cursor->text, cursor->at, at);
    cursor->at = at;
    return true;
}

/* A full stop at the end is not the DOI's. */
static bool doi_gives_stop(aci_reference *out)
{
    if (out->doi.n == 0 || out->doi.at[out->doi.n - 1] != '.')
        return false;
    out->doi.n--;
    return true;
}

static void read_end(aci_cursor *cursor)
{
    if (cursor->at != cursor->text.n)
        aci_workshop_cursor_fail(cursor, "the end");
}

static aci_person *next_author(aci_reference *out, aci_cursor *cursor)
{
    if (out->n_authors < ACI_MOST_AUTHORS)
        return &out->authors[out->n_authors++];
    aci_workshop_cursor_fail(cursor, "fewer authors");
    return NULL;
}

/* ---- APA ----------------------------------------------------------------- */

/* "M. J.", "M.J.", "J.-P."; the place behind, or `at`. */
static size_t initials_end(aci_slice text, size_t at)
{
    size_t end = at, next = at;

    for (;;) {
        size_t n = aci_utf8_length(text.at + next, text.n - next);

        if (n == 0 || (n == 1 && !aci_is_upper(text.at[next])) ||
            next + n >= text.n || text.at[next + n] != '.')
            return end;
        end = next = next + n + 1;
        if (next < text.n && (text.at[next] == ' ' || text.at[next] == '-'))
            next++;
    }
}

static bool read_apa_author(aci_reference *out, aci_cursor *cursor)
{
    aci_person *author = next_author(out, cursor);
    size_t end;

    if (author == NULL ||
        !aci_workshop_cursor_until(cursor, &author->family, ", ",
                                   "a family name and a comma"))
        return false;
    end = initials_end(cursor->text, cursor->at);
    if (end == cursor->at)
        return aci_workshop_cursor_fail(cursor, "initials");
    author->given = aci_slice_part(cursor->text, cursor->at, end);
    cursor->at = end;
    return true;
}

static bool read_apa_authors(aci_reference *out, aci_cursor *cursor)
{
    if (!read_apa_author(out, cursor))
        return false;
    while (!aci_workshop_cursor_try(cursor, " (")) {
        if (aci_workshop_cursor_try(cursor, ", & "))
            return read_apa_author(out, cursor) &&
                   aci_workshop_cursor_accept(cursor, " (");
        if (!aci_workshop_cursor_accept(cursor, ", ") ||
            !read_apa_author(out, cursor))
            return false;
    }
    return out->n_authors == 1 || aci_workshop_cursor_fail(cursor, ", & ");
}

void aci_workshop_read_apa(aci_reference *out, aci_cursor *cursor,
                           const aci_reference *expected)
{
    if (!read_apa_authors(out, cursor) ||
        !aci_workshop_cursor_word(cursor, &out->year, "a year") ||
        !aci_workshop_cursor_accept(cursor, "). ") ||
        !read_title(out, cursor, expected) ||
        !read_journal(out, cursor, expected, ", ") ||
        !aci_workshop_cursor_word(cursor, &out->volume, "a volume"))
        return;
    if (aci_workshop_cursor_try(cursor, "~(") &&
        (!aci_workshop_cursor_word(cursor, &out->issue, "an issue") ||
         !aci_workshop_cursor_accept(cursor, ")")))
        return;
    if (!aci_workshop_cursor_accept(cursor, ", ") ||
        !aci_workshop_cursor_pages(cursor, out) ||
        !aci_workshop_cursor_accept(cursor, "."))
        return;
    if (aci_workshop_cursor_try(cursor, " "))
        read_doi(out, cursor, true, false);
    read_end(cursor);
}

/* ---- MLA ----------------------------------------------------------------- */

static bool ends_with(aci_slice text, const char *end)
{
    size_t n = strlen(end);

    return text.n >= n && memcmp(text.at + text.n - n, end, n) == 0;
}

/* "Kenji P. Sato": as many words of family name as the expected one has. */
static bool read_mla_second(aci_reference *out, aci_cursor *cursor,
                            aci_slice text, const aci_reference *expected)
{
    aci_person *author = next_author(out, cursor);
    size_t n = expected->n_authors > 1 ? expected->authors[1].family.n : 0;
    size_t at;

    if (author == NULL)
        return false;
    for (at = text.n; at > 0 && text.at[at - 1] != ' '; at--)
        ;
    if (n > 0 && n < text.n && text.at[text.n - n - 1] == ' ' &&
        aci_slice_equal(expected->authors[1].family,
                        aci_slice_part(text, text.n - n, text.n)))
        at = text.n - n;
    if (at < 2)
        return aci_workshop_cursor_fail(cursor, "a second author's names");
    author->given = aci_slice_part(text, 0, at - 1);
    author->family = aci_slice_part(text, at, text.n);
    return true;
}

/* Authors stand before the quoted title and end in a full stop, which an
 * initial may lend. */
static bool read_mla_authors(aci_reference *out, aci_cursor *cursor,
                             const aci_reference *expected)
{
    aci_cursor names = { 0 };
    aci_person *author = next_author(out, cursor);
    aci_slice text, given;

    if (!aci_workshop_cursor_until(cursor, &text, " \"",
                                   "authors and a title in quotes"))
        return false;
    if (!ends_with(text, "."))
        return aci_workshop_cursor_fail(cursor, "a full stop after authors");
    names.text = aci_slice_part(text, 0, text.n - 1);
    if (!aci_workshop_cursor_until(&names, &author->family, ", ", ""))
        return aci_workshop_cursor_fail(cursor, "a family name and a comma");
    given = aci_slice_part(names.text, names.at, names.text.n);
    if (ends_with(given, ", et al")) {
        out->et_al = true;
        given.n -= strlen(", et al");
        author->given = given;
    } else if (aci_workshop_cursor_until(&names, &author->given, ", and ",
                                         "")) {
        return read_mla_second(out, cursor,
                               aci_slice_part(names.text, names.at,
                                              names.text.n), expected);
    } else {
        author->given = given;
        /* "Mara J." has lent its stop. */
        if (expected->n_authors == 1 && given.n + 1 ==
            expected->authors[0].given.n &&
            ends_with(expected->authors[0].given, "."))
            author->given.n++;
    }
    return author->given.n > 0 ||
           aci_workshop_cursor_fail(cursor, "a given name");
}

static bool read_quoted_title(aci_reference *out, aci_cursor *cursor,
                              const aci_reference *expected)
{
    if (begins_with(cursor, expected->title)) {
        out->title = expected->title;
        cursor->at += out->title.n;
        return aci_workshop_cursor_accept(
            cursor, ends_itself(out->title) ? "\" " : ".\" ");
    }
    if (!aci_workshop_cursor_until(cursor, &out->title, "\" ", "a title"))
        return false;
    if (ends_itself(out->title))
        return true;
    if (!ends_with(out->title, "."))
        return aci_workshop_cursor_fail(cursor, "a full stop in the quotes");
    out->title.n--;
    return true;
}

void aci_workshop_read_mla(aci_reference *out, aci_cursor *cursor,
                           const aci_reference *expected)
{
    if (!read_mla_authors(out, cursor, expected) ||
        !read_quoted_title(out, cursor, expected) ||
        !read_journal(out, cursor, expected, ", ") ||
        !aci_workshop_cursor_accept(cursor, "vol. ") ||
        !aci_workshop_cursor_word(cursor, &out->volume, "a volume"))
        return;
    if (aci_workshop_cursor_try(cursor, ", no. "))
        aci_workshop_cursor_word(cursor, &out->issue, "an issue");
    if (!aci_workshop_cursor_accept(cursor, ", ") ||
        !aci_workshop_cursor_word(cursor, &out->year, "a year") ||
        !aci_workshop_cursor_accept(cursor, ", p") ||
        !aci_workshop_cursor_accept(
            cursor, expected->last_page.n > 0 ? "p. " : ". ") ||
        !aci_workshop_cursor_pages(cursor, out))
        return;
    if (aci_workshop_cursor_try(cursor, ", ")) {
        if (read_doi(out, cursor, true, true) && !doi_gives_stop(out))
            aci_workshop_cursor_fail(cursor, "a full stop at the end");
    } else {
        aci_workshop_cursor_accept(cursor, ".");
    }
    read_end(cursor);
}

/* ---- Vancouver ----------------------------------------------------------- */

/* "van Berg MJ": the last word is the initials. */
static bool read_vancouver_author(aci_reference *out, aci_cursor *cursor,
                                  aci_slice text)
{
    aci_person *author = next_author(out, cursor);
    size_t at, i;

    if (author == NULL)
        return false;
    for (at = text.n; at > 0 && text.at[at - 1] != ' '; at--)
        ;
    if (at < 2 || at == text.n)
        return aci_workshop_cursor_fail(cursor, "a family name and initials");
    for (i = at; i < text.n; i++) {
        if ((unsigned char)text.at[i] < 0x80 && !aci_is_upper(text.at[i]))
            return aci_workshop_cursor_fail(cursor, "initials");
    }
    author->family = aci_slice_part(text, 0, at - 1);
    author->given = aci_slice_part(text, at, text.n);
    return true;
}

static bool read_vancouver_authors(aci_reference *out, aci_cursor *cursor)
{
    aci_cursor names = { 0 };
    aci_slice one;

    if (!aci_workshop_cursor_until(cursor, &names.text, ". ",
                                   "authors and a full stop"))
        return false;
    while (aci_workshop_cursor_until(&names, &one, ", ", "")) {
        if (!read_vancouver_author(out, cursor, one))
            return false;
    }
    one = aci_slice_part(names.text, names.at, names.text.n);
    if (out->n_authors > 0 && aci_slice_equal(one, aci_slice_of("et al")))
        return out->et_al = true;
    return read_vancouver_author(out, cursor, one);
}

void aci_workshop_read_vancouver(aci_reference *out, aci_cursor *cursor,
                                 const aci_reference *expected)
{
    if (!read_vancouver_authors(out, cursor) ||
        !read_title(out, cursor, expected) ||
        !read_journal(out, cursor, expected, ". ") ||
        !aci_workshop_cursor_word(cursor, &out->year, "a year") ||
        !aci_workshop_cursor_accept(cursor, ";~") ||
        !aci_workshop_cursor_word(cursor, &out->volume, "a volume"))
        return;
    if (aci_workshop_cursor_try(cursor, "~(") &&
        (!aci_workshop_cursor_word(cursor, &out->issue, "an issue") ||
         !aci_workshop_cursor_accept(cursor, ")")))
        return;
    if (!aci_workshop_cursor_accept(cursor, ":~") ||
        !aci_workshop_cursor_pages(cursor, out) ||
        !aci_workshop_cursor_accept(cursor, "."))
        return;
    if (aci_workshop_cursor_try(cursor, " ") &&
        read_doi(out, cursor, false, true))
        doi_gives_stop(out);
    read_end(cursor);
}
