/* check_citation_bibtex.c - one @article entry; see check_citation.h. Values
 * stand in braces or quotes, or are bare numbers; fields come in any order and
 * once each; the key is anyone's choice. */
#include "workshop/evaluate/check_citation.h"

static void skip_space(aci_cursor *cursor)
{
    aci_workshop_cursor_try(cursor, "~");
}

static bool is_name(aci_slice text, const char *name)
{
    size_t i;

    if (text.n != strlen(name))
        return false;
    for (i = 0; i < text.n; i++) {
        char c = text.at[i];

        if ((aci_is_upper(c) ? c - 'A' + 'a' : c) != name[i])
            return false;
    }
    return true;
}

/* {...} with what is nested inside, "...", or 2010. */
static bool read_value(aci_cursor *cursor, aci_slice *out)
{
    aci_slice text = cursor->text;
    bool quoted = aci_workshop_cursor_try(cursor, "\"");
    int32_t depth = 0;
    size_t at = cursor->at;

    if (!quoted && !aci_workshop_cursor_try(cursor, "{"))
        return cursor->at < text.n && aci_is_digit(text.at[cursor->at])
                   ? aci_workshop_cursor_word(cursor, out, "a value")
                   : aci_workshop_cursor_fail(cursor, "a value");
    for (at = cursor->at; at < text.n; at++) {
        char c = text.at[at];

        if (depth == 0 && c == (quoted ? '"' : '}'))
            break;
        depth += (c == '{') - (c == '}');
        if (depth < 0)
            break;
    }
    if (at == text.n || depth != 0)
        return aci_workshop_cursor_fail(cursor, "balanced braces");
    *out = aci_slice_part(text, cursor->at, at);
    while (out->n > 0 && out->at[0] == ' ') {
        out->at++;
        out->n--;
    }
    while (out->n > 0 && out->at[out->n - 1] == ' ')
        out->n--;
    cursor->at = at + 1;
    return out->n > 0 || aci_workshop_cursor_fail(cursor, "a value");
}

/* "Sato, Kenji P." or "Kenji P. Sato". */
static bool read_author(aci_reference *out, aci_cursor *cursor,
                        aci_slice text)
{
    aci_cursor name = { text, 0, NULL };
    aci_person *author;
    size_t at;

    if (out->n_authors == ACI_MOST_AUTHORS)
        return aci_workshop_cursor_fail(cursor, "fewer authors");
    author = &out->authors[out->n_authors++];
    if (aci_workshop_cursor_until(&name, &author->family, ", ", "")) {
        author->given = aci_slice_part(text, name.at, text.n);
    } else {
        for (at = text.n; at > 0 && text.at[at - 1] != ' '; at--)
            ;
        if (at < 2)
            return aci_workshop_cursor_fail(cursor, "an author's names");
        author->given = aci_slice_part(text, 0, at - 1);
        author->family = aci_slice_part(text, at, text.n);
    }
    return author->given.n > 0 ||
           aci_workshop_cursor_fail(cursor, "an author's names");
}

static bool read_authors(aci_reference *out, aci_cursor *cursor,
                         aci_slice text)
{
    aci_cursor list = { text, 0, NULL };
    aci_slice one;

    while (aci_workshop_cursor_until(&list, &one, " and ", "")) {
        if (!read_author(out, cursor, one))
            return false;
    }
    return read_author(out, cursor, aci_slice_part(text, list.at, text.n));
}

static bool read_pages(aci_reference *out, aci_cursor *cursor, aci_slice text)
{
    aci_cursor pages = { text, 0, NULL };

    aci_workshop_cursor_word(&pages, &out->first_page, "pages");
    if (aci_workshop_cursor_try(&pages, "~--~") ||
        aci_workshop_cursor_try(&pages, "~-~"))
        aci_workshop_cursor_word(&pages, &out->last_page, "the last page");
    return (pages.wanted == NULL && pages.at == text.n) ||
           aci_workshop_cursor_fail(cursor, "pages");
}

static bool read_field(aci_reference *out, aci_cursor *cursor,
                       uint32_t *seen)
{
    static const char *const names[] = { "author", "title", "journal", "year",
                                         "volume", "number", "pages", "doi" };
    aci_slice *const places[] = { NULL, &out->title, &out->journal,
                                  &out->year, &out->volume, &out->issue,
                                  NULL, &out->doi };
    aci_slice name, value;
    uint32_t i;

    if (!aci_workshop_cursor_word(cursor, &name, "a field"))
        return false;
    for (i = 0; i < 8 && !is_name(name, names[i]); i++)
        ;
    if (i == 8)
        return aci_workshop_cursor_fail(cursor, "a field of the record");
    if (*seen >> i & 1)
        return aci_workshop_cursor_fail(cursor, "each field once");
    *seen |= 1u << i;
    if (!aci_workshop_cursor_accept(cursor, "~=~") ||
        !read_value(cursor, &value))
        return false;
    if (i == 0)
        return read_authors(out, cursor, value);
    if (i == 6)
        return read_pages(out, cursor, value);
    *places[i] = value;
    return true;
}

static bool read_key(aci_cursor *cursor)
{
    size_t at = cursor->at;

    while (at < cursor->text.n && cursor->text.at[at] > ' ' &&
           strchr(",{}\"#%~\\'()=", cursor->text.at[at]) == NULL)
        at++;
    if (at == cursor->at)
        return aci_workshop_cursor_fail(cursor, "a key");
    cursor->at = at;
    return aci_workshop_cursor_accept(cursor, "~,~");
}

void aci_workshop_read_bibtex(aci_reference *out, aci_cursor *cursor,
                              const aci_reference *expected)
{
    uint32_t seen = 0;
    aci_slice type = { "", 0 };

    (void)expected;
    if (!aci_workshop_cursor_accept(cursor, "@") ||
        !aci_workshop_cursor_word(cursor, &type, "article"))
        return;
    if (!is_name(type, "article")) {
        aci_workshop_cursor_fail(cursor, "@article");
        return;
    }
    if (!aci_workshop_cursor_accept(cursor, "~{~") || !read_key(cursor))
        return;
    do {
        if (!read_field(out, cursor, &seen))
            return;
        skip_space(cursor);
        if (!aci_workshop_cursor_try(cursor, ",~")) {
            aci_workshop_cursor_accept(cursor, "}");
            break;
        }
    } while (!aci_workshop_cursor_try(cursor, "}"));
    if (cursor->at != cursor->text.n)
        aci_workshop_cursor_fail(cursor, "the end");
}
