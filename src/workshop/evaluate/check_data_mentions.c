/* check_data_mentions.c - names and values in an answer, and whose a value is.
 *
 * In this order: two or more values and as many names, all of one before all
 * of the other, belong together in order ("35 and 43 mm in A and B"). A value
 * that a preposition ties to the name behind it is that name's ("35 mm in the
 * first brood"). Else it is the name's before it in the sentence ("the first
 * brood had 35 mm"). Else, loosely, the next name's. */
#include "workshop/evaluate/check_data.h"
#include "workshop/evaluate/check_lexicon.h"

/* ---- joining words ------------------------------------------------------- */

static size_t one_of_at(aci_slice text, size_t at, const char *const *words)
{
    size_t end = 0;

    for (; *words != NULL && end == 0; words++)
        end = aci_workshop_phrase_at(text, at, aci_slice_of(*words), false);
    return end;
}

bool aci_workshop_data_joined(const aci_data_check *check, aci_slice text,
                              size_t from, size_t to, bool verbs)
{
    static const char *const joins[] = { "in", "for", "at", "of", "on",
                                         "from", "among", "within", "the",
                                         "a", "an", NULL };
    static const char *const states[] = { "is", "was", "were", "are", "has",
                                          "had", "with", "value", "came",
                                          "goes to", NULL };

    while (from < to) {
        size_t end = one_of_at(text, from, joins);

        if (end == 0 && verbs)
            end = one_of_at(text, from, states);
        if (end == 0)
            end = aci_workshop_phrase_at(text, from, check->quantity, false);
        if (end == 0 && (text.at[from] == ' ' || text.at[from] == '('))
            end = from + 1;
        if (end == 0 || end > to)
            return false;
        from = end;
    }
    return true;
}

/* ---- finding ------------------------------------------------------------- */

static int32_t name_at(const aci_data_check *check, aci_slice text, size_t at,
                       size_t *end)
{
    int32_t found = -1, i;

    *end = 0;
    for (i = 0; i < check->n_names; i++) {
        size_t here = aci_workshop_phrase_at(
            text, at, check->names[i],
            aci_workshop_phrase_exact(check->names[i]));

        if (here > *end) {
            *end = here;
            found = i;
        }
    }
    return found;
}

static void find_unit(aci_mention *value, const aci_data_check *check,
                      aci_slice text)
{
    int32_t i;

    value->unit = -1;
    value->end = value->number.end;
    for (i = 0; i < check->n_units; i++) {
        size_t end = aci_workshop_unit_end(text, value->number.end,
                                           check->units[i]);

        if (end > value->end) {
            value->end = end;
            value->unit = i;
        }
    }
}

static void find_all(aci_mentions *out, const aci_data_check *check,
                     aci_slice text)
{
    size_t at = 0, end, sentence_end = 0;
    int32_t sentence = -1;

    while (at < text.n) {
        aci_mention m = { .name = -1, .unit = -1, .at = at };

        if (at >= sentence_end) {
            sentence_end = aci_workshop_sentence_end(text, at);
            sentence++;
        }
        m.sentence = sentence;
        m.name = name_at(check, text, at, &m.end);
        if (m.name >= 0) {
            end = m.end;
        } else if (aci_workshop_number_at(&m.number, text, at)) {
            m.is_value = true;
            find_unit(&m, check, text);
            end = aci_workshop_number_after(text, &m.number);
            end = m.end > end ? m.end : end;
        } else {
            at = aci_workshop_number_skip(text, at);
            continue;
        }
        if (out->n == ACI_MOST_MENTIONS) {
            out->full = true;
            return;
        }
        out->list[out->n++] = m;
        at = end;
    }
}

/* ---- binding ------------------------------------------------------------- */

/* Between two mentions stands just `words`. */
static bool only_between(aci_slice text, const aci_mention *a,
                         const aci_mention *b, const char *words)
{
    return aci_slice_equal(aci_slice_part(text, a->end, b->at),
                           aci_slice_of(words));
}

/* "35 and 43 mm": the first has the unit of the second. */
static void inherit_units(aci_mentions *m, aci_slice text)
{
    int32_t i;

    for (i = m->n - 2; i >= 0; i--) {
        aci_mention *a = &m->list[i], *b = &m->list[i + 1];

        if (a->is_value && b->is_value && a->unit < 0 &&
            (only_between(text, a, b, " and ") ||
             only_between(text, a, b, " to ") ||
             only_between(text, a, b, "-")))
            a->unit = b->unit;
    }
}

static bool word_before(aci_slice text, size_t at, const char *word)
{
    size_t n = strlen(word);

    return at > n && aci_workshop_phrase_at(text, at - n - 1,
                                            aci_slice_of(word), false) ==
                         at - 1;
}

/* "9 cm higher", "by 9 cm", "a difference of 9 cm". */
static bool is_difference(const aci_mention *value, aci_slice text)
{
    static const char *const before[] = { "by", "difference of", "change of",
                                          "increase of", "decrease of",
                                          "rise of", "drop of", "range of",
                                          "difference is",
                                          "difference was" };
    size_t i, at = value->end;
    int32_t sign;
    aci_way way;

    for (i = 0; i < sizeof before / sizeof *before; i++) {
        if (word_before(text, value->at, before[i]))
            return true;
    }
    if (at < text.n && text.at[at] == ' ')
        at++;
    return at < text.n &&
           aci_workshop_direction_at(text, at, &sign, &way) != 0;
}

static bool is_inexact(const aci_mention *value, aci_slice text)
{
    static const char *const before[] = { "at least", "at most", "up to",
                                          "nearly", "almost", "not quite" };
    size_t i;

    for (i = 0; i < sizeof before / sizeof *before; i++) {
        if (word_before(text, value->at, before[i]))
            return true;
    }
    return false;
}

/* Values then names, or names then values, as many: in order. */
static bool bind_in_order(aci_mention *list, int32_t n)
{
    int32_t half = n / 2, i;

    if (n < 4 || n % 2 != 0)
        return false;
    for (i = 0; i < n; i++) {
        if (list[i].is_value != (list[0].is_value == (i < half)))
            return false;
    }
    for (i = 0; i < half; i++) {
        aci_mention *a = &list[i], *b = &list[half + i];

        if (a->is_value)
            a->name = b->name;
        else
            b->name = a->name;
        (a->is_value ? a : b)->firm = true;
    }
    return true;
}

static void bind_value(aci_mention *list, int32_t n, int32_t i,
                       const aci_data_check *check, aci_slice text)
{
    aci_mention *value = &list[i];
    int32_t k;

    if (i + 1 < n && !list[i + 1].is_value &&
        aci_workshop_data_joined(check, text, value->end, list[i + 1].at,
                                 false)) {
        value->name = list[i + 1].name;
        value->firm = true;
        return;
    }
    for (k = i - 1; k >= 0 && list[k].is_value; k--)
        ;
    if (k >= 0) {
        value->name = list[k].name;
        value->firm = true;
        return;
    }
    for (k = i + 1; k < n && list[k].is_value; k++)
        ;
    value->name = k < n ? list[k].name : -1;
}

void aci_workshop_data_mentions(aci_mentions *out, const aci_data_check *check,
                                aci_slice text)
{
    int32_t first, last, i;

    out->n = 0;
    out->full = false;
    find_all(out, check, text);
    inherit_units(out, text);
    for (first = 0; first < out->n; first = last) {
        for (last = first; last < out->n && out->list[last].sentence ==
                                                out->list[first].sentence;
             last++)
            ;
        if (bind_in_order(out->list + first, last - first))
            continue;
        for (i = first; i < last; i++) {
            if (out->list[i].is_value)
                bind_value(out->list + first, last - first, i - first, check,
                           text);
        }
    }
    for (i = 0; i < out->n; i++) {
        aci_mention *m = &out->list[i];

        m->differs = m->is_value && is_difference(m, text);
        m->inexact = m->is_value && is_inexact(m, text);
    }
}
