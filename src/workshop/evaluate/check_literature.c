/* check_literature.c - does a review cite its sources for what they found?
 *
 * Every marker is a source, none of them one to be left out. Each claim is
 * made with exactly its sources, with its numbers, and nothing against it is
 * said of them. Nothing is claimed without a marker; a number is in a cited
 * source's own line. Words, length, and that it is no copy of the prompt. */
#include "workshop/evaluate/check_literature.h"

#include "platform/error.h"
#include "workshop/evaluate/check_lexicon.h"
#include "workshop/evaluate/check_numbers.h"

typedef struct review {
    const aci_review_check *check;
    const aci_pieces *pieces;
    aci_slice text, source;
} review;

/* ---- claims -------------------------------------------------------------- */

/* One of the phrases is in the piece; `negated` when a "not" stands before
 * one of those found. */
static bool says(const review *r, const aci_piece *piece,
                 const aci_slice *phrases, int32_t n, bool *negated)
{
    aci_slice text = aci_slice_part(r->text, 0, piece->to);
    bool found = false;
    int32_t i;

    *negated = false;
    for (i = 0; i < n; i++) {
        size_t at = aci_workshop_phrase_find(text, piece->from, phrases[i],
                                             false);

        if (at == text.n)
            continue;
        if (aci_workshop_text_negated(text, piece->from, at))
            *negated = true;
        else
            found = true;
    }
    return found;
}

static bool has_number(const review *r, const aci_piece *piece,
                       aci_slice wanted, aci_slice unit)
{
    aci_slice text = aci_slice_part(r->text, 0, piece->to);
    aci_number number, value;
    size_t at = piece->from;

    aci_workshop_number_read(&value, wanted);
    while (aci_workshop_number_find(&number, text, at)) {
        if (aci_workshop_number_equal(&number, &value) &&
            (unit.n == 0 ||
             aci_workshop_unit_end(text, number.end, unit) != 0))
            return true;
        at = aci_workshop_number_after(text, &number);
    }
    return false;
}

typedef struct finding {
    uint64_t sources;      /* the claim was made of */
    bool wrong;            /* of others too, or the opposite was */
    uint32_t numbers;      /* bit i: that number was given */
} finding;

static void look_for(finding *out, const review *r, const aci_claim *claim)
{
    int32_t i, k;

    for (i = 0; i < r->pieces->n; i++) {
        const aci_piece *piece = &r->pieces->list[i];
        bool own = (piece->sources & claim->sources) != 0, not_said, other;
        bool against = says(r, piece, claim->against, claim->n_against,
                            &other);
        bool said = says(r, piece, claim->any, claim->n_any, &not_said);

        out->wrong |= own && (against || not_said);
        if (!said || piece->sources == 0)
            continue;
        out->wrong |= (piece->sources & ~claim->sources) != 0;
        out->sources |= piece->sources;
        for (k = 0; k < claim->n_numbers; k++)
            out->numbers |=
                (uint32_t)has_number(r, piece, claim->numbers[k], claim->unit)
                << k;
    }
}

static void claim_rules(aci_rules *rules, const review *r)
{
    int32_t i, k;

    for (i = 0; i < r->check->n_claims; i++) {
        const aci_claim *claim = &r->check->claims[i];
        finding found = { 0 };

        look_for(&found, r, claim);
        aci_workshop_rule(rules, !found.wrong &&
                                     (claim->optional ||
                                      found.sources == claim->sources),
                          "\"%.*s\" is not said of exactly its sources",
                          ACI_SLICE(claim->any[0]));
        for (k = 0; k < claim->n_numbers; k++)
            aci_workshop_rule(rules, found.numbers >> k & 1,
                              "\"%.*s\" comes without %.*s %.*s",
                              ACI_SLICE(claim->any[0]),
                              ACI_SLICE(claim->numbers[k]),
                              ACI_SLICE(claim->unit));
    }
}

/* ---- numbers ------------------------------------------------------------- */

static bool number_in(const aci_number *number, aci_slice text)
{
    aci_number found;
    size_t at = 0;

    while (aci_workshop_number_find(&found, text, at)) {
        if (aci_workshop_number_equal(&found, number))
            return true;
        at = aci_workshop_number_after(text, &found);
    }
    return false;
}

/* The line of the source that begins with "[i]", behind that. */
static aci_slice source_line(const review *r, int32_t i)
{
    size_t at = 0, end;

    while (at < r->source.n) {
        uint64_t mark = 0;
        size_t behind = aci_workshop_marker_at(&mark, r->source, at,
                                               r->check->n_sources);
        const char *line_end = memchr(r->source.at + at, '\n',
                                      r->source.n - at);

        end = line_end == NULL ? r->source.n
                               : (size_t)(line_end - r->source.at);
        if (behind != 0 && behind <= end && mark == (uint64_t)1 << i)
            return aci_slice_part(r->source, behind, end);
        at = end + 1;
    }
    return aci_slice_of("");
}

static bool number_supported(const review *r, const aci_piece *piece,
                             const aci_number *number)
{
    int32_t i;

    for (i = 1; i <= r->check->n_sources; i++) {
        if (piece->sources >> i & 1 && number_in(number, source_line(r, i)))
            return true;
    }
    return false;
}

/* The first number that no cited source has; false when all are fine. */
static bool find_unsupported(aci_number *out, const review *r)
{
    enum { MOST_NUMBERS = 64 };
    int32_t i, n = 0;

    for (i = 0; i < r->pieces->n; i++) {
        const aci_piece *piece = &r->pieces->list[i];
        aci_slice text = aci_slice_part(r->text, 0, piece->to);
        size_t at = piece->from, end;
        uint64_t mark = 0;

        while (at < text.n) {
            end = aci_workshop_marker_at(&mark, text, at,
                                         r->check->n_sources);
            if (end == 0 && aci_workshop_number_at(out, text, at)) {
                /* "two studies" is no figure */
                if ((!out->spelled || out->strange || out->mantissa > 12) &&
                    (++n > MOST_NUMBERS || !number_supported(r, piece, out)))
                    return true;
                end = aci_workshop_number_after(text, out);
            }
            at = end != 0 ? end : aci_workshop_number_skip(text, at);
        }
    }
    return false;
}

/* ---- the verdict --------------------------------------------------------- */

/* A word that says which way something went, outside the names: "temperature
 * rise" is one. "To sum up", "the sources below" go nowhere. */
static bool says_direction(const review *r, const aci_piece *piece)
{
    static const char *const places[] = { "up", "down", "above", "below" };
    aci_slice text = aci_slice_part(r->text, 0, piece->to);
    size_t at = piece->from, end, i;
    int32_t k, sign;
    aci_way way;

    while (at < text.n) {
        for (k = 0, end = 0; k < r->check->n_words && end == 0; k++)
            end = aci_workshop_phrase_at(text, at, r->check->words[k], false);
        for (i = 0; i < 4 && end == 0; i++)
            end = aci_workshop_phrase_at(text, at, aci_slice_of(places[i]),
                                         false);
        if (end == 0 && aci_workshop_direction_at(text, at, &sign, &way) != 0)
            return true;
        at = end != 0 ? end : at + 1;
    }
    return false;
}

static void marker_rules(aci_rules *rules, const review *r)
{
    uint64_t cited = 0, left;
    int32_t i, n = 0;
    bool unmarked = false;

    for (i = 0; i < r->pieces->n; i++) {
        const aci_piece *piece = &r->pieces->list[i];

        cited |= piece->sources;
        unmarked |= piece->sources == 0 &&
                    (says_direction(r, piece) ||
                     aci_workshop_review_claims(
                         r->check, aci_slice_part(r->text, piece->from,
                                                  piece->to)));
    }
    for (left = cited & ~r->check->ignore; left != 0; left &= left - 1)
        n++;
    aci_workshop_rule(rules, !r->pieces->broken_marker && !r->pieces->full,
                      "a marker is not one of [1] to [%d]",
                      (int)r->check->n_sources);
    aci_workshop_rule(rules, (cited & r->check->ignore) == 0,
                      "it cites a source to be left out");
    aci_workshop_rule(rules, n >= r->check->min_sources,
                      "it cites %d sources of %d", (int)n,
                      (int)r->check->min_sources);
    aci_workshop_rule(rules, !unmarked, "a claim has no marker");
}

static void word_rules(aci_rules *rules, const review *r)
{
    const aci_review_check *check = r->check;
    int32_t i;

    for (i = 0; i < check->n_words; i++)
        aci_workshop_rule(rules,
                          aci_workshop_phrase_find(r->text, 0,
                                                   check->words[i], false) <
                              r->text.n,
                          "\"%.*s\" is missing", ACI_SLICE(check->words[i]));
    for (i = 0; i < check->n_none; i++)
        aci_workshop_rule(rules,
                          aci_workshop_phrase_find(r->text, 0, check->none[i],
                                                   false) == r->text.n,
                          "\"%.*s\" must not be said",
                          ACI_SLICE(check->none[i]));
    aci_workshop_rule(rules, aci_workshop_text_words(r->text) <=
                                 (size_t)check->max_words,
                      "it is longer than %d words", (int)check->max_words);
}

static ac_status judge(aci_rules *rules, aci_memory *memory, review *r,
                       ac_error *error)
{
    aci_pieces *pieces = aci_platform_alloc(memory, sizeof *pieces);
    aci_number number = { .at = 0 };
    bool copied, unsupported;
    ac_status status;

    if (pieces == NULL)
        return aci_platform_fail_memory(error, "an answer");
    aci_workshop_review_pieces(pieces, r->check, r->text);
    r->pieces = pieces;
    marker_rules(rules, r);
    claim_rules(rules, r);
    unsupported = find_unsupported(&number, r);
    aci_workshop_rule(rules, !unsupported,
                      "the number \"%.*s\" is in no source cited for it",
                      ACI_SLICE(aci_slice_part(r->text, number.at,
                                               number.end)));
    word_rules(rules, r);
    status = aci_workshop_text_copied(&copied, memory, r->text, r->source,
                                      error);
    aci_workshop_rule(rules, !copied, "it repeats the prompt");
    aci_platform_free(memory, pieces);
    return status;
}

ac_status aci_workshop_check_literature(aci_rules *rules, aci_memory *memory,
                                        const json_t *check, aci_slice answer,
                                        ac_error *error)
{
    aci_review_check *wanted = aci_platform_alloc_zeroed(memory, 1,
                                                         sizeof *wanted);
    review r = { .check = wanted };
    ac_status status = wanted == NULL
                           ? aci_platform_fail_memory(error, "a check")
                           : aci_workshop_review_fields(wanted, check, error);

    if (status == AC_OK)
        status = aci_workshop_text_plain(&r.text, memory, answer, true,
                                         error);
    if (status == AC_OK)
        status = aci_workshop_text_plain(&r.source, memory, wanted->source,
                                         true, error);
    if (status == AC_OK)
        status = judge(rules, memory, &r, error);
    aci_platform_free(memory, (void *)(uintptr_t)r.source.at);
    aci_platform_free(memory, (void *)(uintptr_t)r.text.at);
    aci_platform_free(memory, wanted);
    return status;
}
