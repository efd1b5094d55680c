/* check_literature_pieces.c - see check_literature.h. */
#include "workshop/evaluate/check_literature.h"

/* ---- markers ------------------------------------------------------------- */

static size_t integer_at(int32_t *out, aci_slice text, size_t at)
{
    size_t from = at;

    *out = 0;
    while (at < text.n && aci_is_digit(text.at[at]) && at - from < 4)
        *out = *out * 10 + (text.at[at++] - '0');
    return at == from || (at < text.n && aci_is_digit(text.at[at])) ? 0 : at;
}

static size_t skip_blanks(aci_slice text, size_t at)
{
    while (at < text.n && text.at[at] == ' ')
        at++;
    return at;
}

size_t aci_workshop_marker_at(uint64_t *sources, aci_slice text, size_t at,
                              int32_t n_sources)
{
    int32_t first, last, i;
    uint64_t found = 0;

    if (at == text.n || text.at[at] != '[')
        return 0;
    do {
        at = integer_at(&first, text, skip_blanks(text, at + 1));
        last = first;
        if (at != 0 && at < text.n && text.at[at] == '-')
            at = integer_at(&last, text, at + 1);
        if (at == 0 || first < 1 || last < first || last > n_sources)
            return 0;
        for (i = first; i <= last; i++)
            found |= (uint64_t)1 << i;
        at = skip_blanks(text, at);
    } while (at < text.n && (text.at[at] == ',' || text.at[at] == ';'));
    if (at == text.n || text.at[at] != ']')
        return 0;
    *sources |= found;
    return at + 1;
}

/* What may stand between the markers of a run. */
static size_t joint_at(aci_slice text, size_t at)
{
    static const char *const joints[] = { ", and ", " and ", ", ", " & ",
                                          " ", "," };
    size_t i, n;

    for (i = 0; i < sizeof joints / sizeof *joints; i++) {
        n = strlen(joints[i]);
        if (text.n - at > n && memcmp(text.at + at, joints[i], n) == 0 &&
            text.at[at + n] == '[')
            return at + n;
    }
    return at;
}

/* "[2][3]", "[2], [3] and [4]": the end of the run, else 0. */
static size_t run_at(uint64_t *sources, aci_slice text, size_t at,
                     int32_t n_sources)
{
    size_t end = aci_workshop_marker_at(sources, text, at, n_sources), next;

    if (end == 0)
        return 0;
    for (;;) {
        next = aci_workshop_marker_at(sources, text, joint_at(text, end),
                                      n_sources);
        if (next == 0)
            return end;
        end = next;
    }
}

/* ---- pieces -------------------------------------------------------------- */

static bool has_one(const aci_slice *phrases, int32_t n, aci_slice text)
{
    int32_t i;

    for (i = 0; i < n; i++) {
        if (aci_workshop_phrase_find(text, 0, phrases[i], false) < text.n)
            return true;
    }
    return false;
}

bool aci_workshop_review_claims(const aci_review_check *check, aci_slice text)
{
    int32_t i;

    for (i = 0; i < check->n_claims; i++) {
        const aci_claim *claim = &check->claims[i];

        if (has_one(claim->any, claim->n_any, text) ||
            has_one(claim->against, claim->n_against, text))
            return true;
    }
    return false;
}

static void add_piece(aci_pieces *out, size_t from, size_t to,
                      uint64_t sources)
{
    if (out->n == ACI_MOST_PIECES)
        out->full = true;
    else
        out->list[out->n++] = (aci_piece){ from, to, sources };
}

/* ", which raised it" behind a run still speaks of its sources. */
static size_t with_aside(aci_slice text, size_t end)
{
    static const char *const starts[] = { ", which ", ", where ", ", who ",
                                          " which ", " that " };
    size_t i, n;

    for (i = 0; i < sizeof starts / sizeof *starts; i++) {
        n = strlen(starts[i]);
        if (text.n - end > n && memcmp(text.at + end, starts[i], n) == 0)
            break;
    }
    if (i == sizeof starts / sizeof *starts)
        return end;
    for (end += n; end < text.n && strchr(",;[]", text.at[end]) == NULL; end++)
        ;
    return end;
}

/* One sentence. `lead`: markers begin its pieces instead of ending them. */
static void cut_sentence(aci_pieces *out, const aci_review_check *check,
                         aci_slice text, size_t from, size_t to)
{
    aci_slice sentence = aci_slice_part(text, 0, to);
    size_t at = from, start = from;
    int32_t first = out->n;
    bool lead = false, begun = false;

    while (at < to) {
        uint64_t sources = 0;
        size_t end = run_at(&sources, sentence, at, check->n_sources);

        if (end == 0) {
            out->broken_marker |= text.at[at] == '[' || text.at[at] == ']';
            at++;
            continue;
        }
        if (!begun)
            lead = !aci_workshop_review_claims(
                check, aci_slice_part(text, from, at));
        begun = true;
        if (lead && out->n > first) {
            out->list[out->n - 1].to = at;
            start = at;
        }
        end = with_aside(sentence, end);
        add_piece(out, start, end, sources);
        at = start = end;
    }
    if (!begun)
        add_piece(out, from, to, 0);
    else if (lead ||
             !aci_workshop_review_claims(check,
                                         aci_slice_part(text, start, to)))
        out->list[out->n - 1].to = to;
    else
        add_piece(out, start, to, 0);
}

/* Markers behind the full stop, "raised it. [2]", belong before it, unless
 * the next sentence begins with them. */
static size_t with_late_markers(aci_slice text, size_t from, size_t end,
                                int32_t n_sources)
{
    size_t at = skip_blanks(text, end), run;
    uint64_t unused = 0;

    if (memchr(text.at + from, '[', end - from) != NULL)
        return end;
    run = run_at(&unused, text, at, n_sources);
    if (run == 0)
        return end;
    at = skip_blanks(text, run);
    return at == text.n || text.at[at] == '\n' || aci_is_upper(text.at[at])
               ? run : end;
}

void aci_workshop_review_pieces(aci_pieces *out, const aci_review_check *check,
                                aci_slice text)
{
    size_t from = 0, end;

    out->n = 0;
    out->full = out->broken_marker = false;
    while (from < text.n && !out->full) {
        end = aci_workshop_sentence_end(text, from);
        end = with_late_markers(text, from, end, check->n_sources);
        cut_sentence(out, check, text, from, end);
        from = end;
    }
}
