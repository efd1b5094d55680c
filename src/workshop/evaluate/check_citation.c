/* check_citation.c - does a reference say what the record says, in its style?
 *
 * The answer is read by the grammar of its style (check_citation.h), then
 * every part is compared. Where the grammar breaks, parts not yet read count
 * as right when their text is somewhere in the answer: the score stays fair,
 * the verdict is no anyway. */
#include "workshop/evaluate/check_citation.h"

#include <stdio.h>

#include "platform/error.h"
#include "tokenizer/utf8.h"
#include "workshop/evaluate/check_rules.h"

typedef struct style {
    const char *key;
    aci_reference_reader *read;
    bool full_given;       /* given names in full, not initials */
    bool any_case;         /* the title may be set in title case */
    bool short_pages;      /* 445-59 for 445-459 */
} style;

static const style styles[] = {
    { "apa", aci_workshop_read_apa, false, false, false },
    { "mla", aci_workshop_read_mla, true, true, true },
    { "vancouver", aci_workshop_read_vancouver, false, false, true },
    { "bibtex", aci_workshop_read_bibtex, true, true, false }
};

/* The record, in plain spelling; `numbers` holds texts of whole numbers. */
typedef struct record {
    const style *style;
    aci_reference wanted;
    char numbers[3][16];
    char *plain;           /* where the plain spellings are */
} record;

/* ---- the record ---------------------------------------------------------- */

static ac_status read_style(record *out, const json_t *check, ac_error *error)
{
    aci_slice key;
    size_t i;
    ac_status status = aci_workshop_check_text(&key, check, "style", error);

    if (status != AC_OK)
        return status;
    for (i = 0; i < sizeof styles / sizeof *styles; i++) {
        if (aci_slice_equal(key, aci_slice_of(styles[i].key))) {
            out->style = &styles[i];
            return AC_OK;
        }
    }
    return aci_platform_fail(error, AC_E_FORMAT,
                             "check: \"style\" is none of apa, mla, "
                             "vancouver, bibtex");
}

static ac_status read_authors(aci_reference *out, const json_t *list,
                              ac_error *error)
{
    size_t n = json_array_size(list), i;

    if (n == 0 || n > ACI_MOST_AUTHORS)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"authors\" is not a list of 1 to %d",
                                 ACI_MOST_AUTHORS);
    for (i = 0; i < n; i++) {
        const json_t *pair = json_array_get(list, i);
        aci_person *a = &out->authors[i];
        const json_t *family = json_array_get(pair, 0);
        const json_t *given = json_array_get(pair, 1);

        a->family = (aci_slice){ json_string_value(family),
                                 json_string_length(family) };
        a->given = (aci_slice){ json_string_value(given),
                                json_string_length(given) };
        if (json_array_size(pair) != 2 || a->family.n == 0 ||
            a->given.n == 0 || a->family.n + a->given.n > 200 ||
            !aci_workshop_text_clean(a->family) ||
            !aci_workshop_text_clean(a->given))
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "check: \"authors\" has a member that is "
                                     "not a family and a given name");
    }
    out->n_authors = (int32_t)n;
    return AC_OK;
}

/* A text or a whole number; absent is empty when it is `optional`. */
static ac_status read_part(aci_slice *out, char room[16], const json_t *object,
                           const char *key, bool optional, ac_error *error)
{
    int32_t number;
    ac_status status;

    if (!json_is_integer(json_object_get(object, key)))
        return optional
                   ? aci_workshop_check_text_or(out, object, key, error)
                   : aci_workshop_check_text(out, object, key, error);
    status = aci_workshop_check_integer(&number, object, key, 0, 1000000,
                                        error);
    if (status != AC_OK)
        return status;
    snprintf(room, 16, "%d", (int)number);
    *out = aci_slice_of(room);
    return AC_OK;
}

static ac_status read_pages(aci_reference *out, const json_t *object,
                            ac_error *error)
{
    aci_slice pages;
    aci_cursor cursor = { 0 };
    ac_status status =
        aci_workshop_check_text(&pages, object, "pages", error);

    if (status != AC_OK)
        return status;
    cursor.text = pages;
    aci_workshop_cursor_pages(&cursor, out);
    if (cursor.wanted != NULL || cursor.at != pages.n)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "check: \"pages\" is neither a page nor two "
                                 "with a hyphen");
    return AC_OK;
}

static ac_status read_record(record *out, const json_t *check,
                             ac_error *error)
{
    const json_t *object = json_object_get(check, "record");
    aci_reference *w = &out->wanted;
    ac_status status = read_style(out, check, error);

    if (status == AC_OK && !json_is_object(object))
        status = aci_platform_fail(error, AC_E_FORMAT,
                                   "check: \"record\" is not an object");
    if (status == AC_OK)
        status = read_authors(w, json_object_get(object, "authors"), error);
    if (status == AC_OK)
        status = read_part(&w->year, out->numbers[0], object, "year", false,
                           error);
    if (status == AC_OK)
        status = aci_workshop_check_text(&w->title, object, "title", error);
    if (status == AC_OK)
        status = aci_workshop_check_text(&w->journal, object, "journal",
                                         error);
    if (status == AC_OK)
        status = read_part(&w->volume, out->numbers[1], object, "volume",
                           false, error);
    if (status == AC_OK)
        status = read_part(&w->issue, out->numbers[2], object, "issue", true,
                           error);
    if (status == AC_OK)
        status = read_pages(w, object, error);
    if (status == AC_OK)
        status = aci_workshop_check_text_or(&w->doi, object, "doi", error);
    return status;
}

/* Puts the texts of the record into plain spelling, as the answer is. */
static ac_status make_plain(record *out, aci_memory *memory, ac_error *error)
{
    aci_reference *w = &out->wanted;
    aci_slice *parts[3 + 2 * ACI_MOST_AUTHORS] = { &w->title, &w->journal,
                                                   &w->doi };
    size_t n = 3, total = 0, i;
    char *room;

    for (i = 0; i < (size_t)w->n_authors; i++) {
        parts[n++] = &w->authors[i].family;
        parts[n++] = &w->authors[i].given;
    }
    for (i = 0; i < n; i++)
        total += parts[i]->n;
    room = out->plain = aci_platform_alloc(memory, total);
    if (room == NULL)
        return aci_platform_fail_memory(error, "a record");
    for (i = 0; i < n; i++) {
        parts[i]->n = aci_workshop_text_respell(room, *parts[i], false);
        parts[i]->at = room;
        room += parts[i]->n;
    }
    return AC_OK;
}

/* ---- comparing ----------------------------------------------------------- */

static char lower(char c)
{
    return aci_is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static bool equal_any_case(aci_slice a, aci_slice b)
{
    size_t i;

    if (a.n != b.n)
        return false;
    for (i = 0; i < a.n; i++) {
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

/* The same text in BibTeX, where braces protect and "\\&" is '&'. Letter case
 * matters in the first letter, and in all unless `any_case`. */
static bool equal_bibtex(aci_slice wanted, aci_slice said, bool any_case)
{
    size_t i, k = 0;

    for (i = 0; i < said.n; i++) {
        char c = said.at[i];

        if (c == '{' || c == '}' ||
            (c == '\\' && i + 1 < said.n &&
             strchr("&%#_$", said.at[i + 1]) != NULL))
            continue;
        if (k == wanted.n ||
            (c != wanted.at[k] &&
             (!any_case || k == 0 || lower(c) != lower(wanted.at[k]))))
            return false;
        k++;
    }
    return k == wanted.n;
}

/* The next initial of "Mara J.", "M. J.", "J.-P."; `packed`: of "MJ". */
static aci_slice next_initial(aci_slice *names, bool packed)
{
    aci_slice out;

    while (names->n > 0 && !aci_is_word(names->at[0]))
        *names = aci_slice_part(*names, 1, names->n);
    out = aci_slice_part(*names, 0, aci_utf8_length(names->at, names->n));
    *names = aci_slice_part(*names, out.n, names->n);
    while (!packed && names->n > 0 && aci_is_word(names->at[0]))
        *names = aci_slice_part(*names, 1, names->n);
    return out;
}

static bool same_initials(aci_slice wanted, aci_slice said)
{
    aci_slice a, b;
    bool packed;

    if (said.n == 0)
        return false;
    packed = memchr(said.at, '.', said.n) == NULL;
    do {
        a = next_initial(&wanted, false);
        b = next_initial(&said, packed);
        if (!aci_slice_equal(a, b))
            return false;
    } while (a.n > 0);
    return true;
}

/* "Adam M." and, in BibTeX, "Adam M". */
static bool same_given(aci_slice wanted, aci_slice said, bool stop_optional)
{
    if (stop_optional && wanted.n > 0 && wanted.at[wanted.n - 1] == '.' &&
        said.n + 1 == wanted.n)
        wanted.n--;
    return aci_slice_equal(wanted, said);
}

static bool same_authors(const aci_reference *said, const record *r)
{
    const aci_reference *w = &r->wanted;
    const style *s = r->style;
    bool bibtex = s->read == aci_workshop_read_bibtex;
    int32_t shown = w->n_authors, i;

    if (s->read == aci_workshop_read_mla && w->n_authors > 2)
        shown = 1;
    if (s->read == aci_workshop_read_vancouver && said->et_al)
        shown = w->n_authors > 6 ? 6 : -1;
    if (said->n_authors != shown || said->et_al != (shown != w->n_authors))
        return false;
    for (i = 0; i < shown; i++) {
        if (!aci_slice_equal(said->authors[i].family, w->authors[i].family) ||
            !(s->full_given ? same_given(w->authors[i].given,
                                         said->authors[i].given, bibtex)
                            : same_initials(w->authors[i].given,
                                            said->authors[i].given)))
            return false;
    }
    return true;
}

/* Title case is fine where the style allows it, a small first letter not. */
static bool same_text(const style *s, aci_slice wanted, aci_slice said,
                      bool any_case)
{
    if (s->read == aci_workshop_read_bibtex)
        return equal_bibtex(wanted, said, any_case);
    if (!any_case)
        return aci_slice_equal(wanted, said);
    return said.n > 0 && said.at[0] == wanted.at[0] &&
           equal_any_case(wanted, said);
}

static bool same_pages(const aci_reference *w, const aci_reference *said,
                       bool short_pages)
{
    size_t cut;

    if (!aci_slice_equal(w->first_page, said->first_page))
        return false;
    if (aci_slice_equal(w->last_page, said->last_page))
        return true;
    /* 445-59: what is left out is what both pages begin with. */
    if (!short_pages || said->last_page.n == 0 ||
        w->first_page.n != w->last_page.n ||
        said->last_page.n > w->last_page.n)
        return false;
    cut = w->last_page.n - said->last_page.n;
    return memcmp(w->first_page.at, w->last_page.at, cut) == 0 &&
           aci_slice_equal(aci_slice_part(w->last_page, cut, w->last_page.n),
                           said->last_page);
}

/* Both are parts of one text. */
static aci_slice both_pages(const aci_reference *r)
{
    aci_slice out = r->first_page;

    if (r->last_page.n > 0)
        out.n = (size_t)(r->last_page.at - out.at) + r->last_page.n;
    return out;
}

aci_slice aci_workshop_bare_doi(aci_slice doi)
{
    size_t i;

    for (i = 0; i + 3 <= doi.n; i++) {
        if (memcmp(doi.at + i, "10.", 3) == 0)
            return i == 0 || !aci_is_word(doi.at[i - 1])
                       ? aci_slice_part(doi, i, doi.n) : doi;
    }
    return doi;
}

/* ---- the verdict --------------------------------------------------------- */

static void part_rule(aci_rules *rules, const aci_cursor *cursor, bool same,
                      const char *name, aci_slice wanted, aci_slice said)
{
    if (!same && cursor->wanted != NULL && said.n == 0)
        same = wanted.n == 0 ||
               aci_workshop_phrase_find(cursor->text, 0, wanted, true) <
                   cursor->text.n;
    if (wanted.n == 0)
        aci_workshop_rule(rules, same, "%s: \"%.*s\" is invented", name,
                          ACI_SLICE(said));
    else
        aci_workshop_rule(rules, same, "%s: \"%.*s\" instead of \"%.*s\"",
                          name, ACI_SLICE(said), ACI_SLICE(wanted));
}

static void judge(aci_rules *rules, const record *r, aci_slice answer)
{
    const aci_reference *w = &r->wanted;
    aci_reference said = { 0 };
    aci_cursor c = { answer, 0, NULL };
    const style *s = r->style;
    aci_slice doi = aci_workshop_bare_doi(w->doi), said_doi;

    s->read(&said, &c, w);
    said_doi = s->read == aci_workshop_read_bibtex
                   ? aci_workshop_bare_doi(said.doi) : said.doi;
    aci_workshop_rule(rules, c.wanted == NULL,
                      "at byte %zu the style asks for \"%s\"", c.at,
                      c.wanted == NULL ? "" : c.wanted);
    aci_workshop_rule(rules, same_authors(&said, r),
                      "the authors are not those of the record");
    part_rule(rules, &c, aci_slice_equal(w->year, said.year), "year",
              w->year, said.year);
    part_rule(rules, &c, same_text(s, w->title, said.title, s->any_case),
              "title", w->title, said.title);
    part_rule(rules, &c, same_text(s, w->journal, said.journal, false),
              "journal", w->journal, said.journal);
    part_rule(rules, &c, aci_slice_equal(w->volume, said.volume), "volume",
              w->volume, said.volume);
    part_rule(rules, &c, aci_slice_equal(w->issue, said.issue), "issue",
              w->issue, said.issue);
    part_rule(rules, &c, same_pages(w, &said, s->short_pages), "pages",
              both_pages(w), both_pages(&said));
    part_rule(rules, &c, equal_any_case(doi, said_doi), "DOI", doi, said_doi);
}

ac_status aci_workshop_check_citation(aci_rules *rules, aci_memory *memory,
                                      const json_t *check, aci_slice answer,
                                      ac_error *error)
{
    record wanted = { 0 };
    aci_slice plain = { NULL, 0 };
    ac_status status = read_record(&wanted, check, error);

    if (status == AC_OK)
        status = make_plain(&wanted, memory, error);
    if (status == AC_OK)
        status = aci_workshop_text_plain(&plain, memory, answer, false,
                                         error);
    if (status == AC_OK)
        judge(rules, &wanted, plain);
    aci_platform_free(memory, (void *)(uintptr_t)plain.at);
    aci_platform_free(memory, wanted.plain);
    return status;
}
