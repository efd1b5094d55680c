/* check_data.c - does a text say what the data say?
 *
 * Every fact: its value, its unit, and the value given to its own entity. No
 * value given to another row than its own, none that is neither in the source
 * nor allowed. Direction and roles (check_data_ways.c), words that must or
 * must not be there, length, and that it is no copy of the prompt. */
#include "workshop/evaluate/check_data.h"

#include "platform/error.h"

/* ---- facts --------------------------------------------------------------- */

/* The value is that of its own row, not a result that happens to be equal. */
static bool is_row_value(const aci_data_check *check, const aci_mention *m)
{
    int32_t i;

    if (!m->firm || m->differs)
        return false;
    for (i = 0; i < check->n_rows; i++) {
        const aci_data_fact *row = &check->facts[i];

        if (row->name == m->name && row->name >= 0 && row->unit == m->unit &&
            aci_workshop_number_equal(&row->value, &m->number))
            return true;
    }
    return false;
}

static bool states(const aci_data_check *check, const aci_data_fact *fact,
                   const aci_mention *m, aci_slice text)
{
    if (!m->is_value || m->inexact || m->unit != fact->unit ||
        !aci_workshop_number_equal(&fact->value, &m->number) ||
        aci_workshop_text_negated(text, 0, m->at))
        return false;
    return fact->name >= 0 ? m->name == fact->name && !m->differs
                           : !is_row_value(check, m);
}

/* The number of an optional fact stands there in no other unit. */
static bool unit_kept(const aci_data_fact *fact, const aci_mentions *mentions)
{
    int32_t i;

    for (i = 0; i < mentions->n; i++) {
        const aci_mention *m = &mentions->list[i];

        if (m->is_value && m->unit != fact->unit &&
            aci_workshop_number_equal(&fact->value, &m->number))
            return false;
    }
    return true;
}

static void fact_rules(aci_rules *rules, const aci_data_check *check,
                       const aci_mentions *mentions, aci_slice text)
{
    int32_t i, k;

    for (i = 0; i < check->n_facts; i++) {
        const aci_data_fact *fact = &check->facts[i];
        aci_slice unit = fact->unit < 0 ? aci_slice_of("")
                                        : check->units[fact->unit];

        for (k = 0; k < mentions->n &&
                    !states(check, fact, &mentions->list[k], text);
             k++)
            ;
        aci_workshop_rule(rules, fact->optional ? unit_kept(fact, mentions)
                                                : k < mentions->n,
                          "\"%.*s %.*s\" is not said%s%.*s",
                          ACI_SLICE(fact->text), ACI_SLICE(unit),
                          fact->name < 0 ? "" : " of ",
                          ACI_SLICE(fact->name < 0
                                        ? aci_slice_of("")
                                        : check->names[fact->name]));
    }
}

/* ---- values that contradict ---------------------------------------------- */

static bool is_result(const aci_data_check *check, const aci_mention *m)
{
    int32_t i;

    for (i = 0; i < check->n_facts; i++) {
        if (check->facts[i].name < 0 &&
            aci_workshop_number_equal(&check->facts[i].value, &m->number))
            return true;
    }
    return false;
}

/* A row's value, in an answer that counts rows, without the row's unit. */
static bool lost_unit(const aci_data_check *check, const aci_mention *m)
{
    int32_t i;

    for (i = 0; i < check->n_allowed; i++) {
        if (aci_workshop_number_equal(&check->allowed[i], &m->number))
            return false;
    }
    for (i = check->n_facts; i < check->n_rows; i++) {
        if (aci_workshop_number_equal(&check->facts[i].value, &m->number))
            return true;
    }
    return false;
}

/* A value firmly given to an entity whose rows in that unit are others; for
 * a count also a row's value that is given to none. */
static bool contradicts(const aci_data_check *check, const aci_mention *m)
{
    bool known = false;
    int32_t i;

    if (!m->is_value || m->differs)
        return false;
    if (m->unit < 0)
        return check->counted && lost_unit(check, m);
    if (is_result(check, m) && !(check->counted && m->firm && m->name >= 0))
        return false; /* a limit may not be said of a row */
    for (i = 0; i < check->n_rows; i++) {
        const aci_data_fact *row = &check->facts[i];
        bool equal = aci_workshop_number_equal(&row->value, &m->number);
        bool own = m->firm && row->name == m->name && row->unit == m->unit;

        if (own && equal)
            return false;
        known |= own || (equal && check->counted);
    }
    return known;
}

/* "35 or 43 mm" says neither. */
static bool undecided(const aci_mention *a, const aci_mention *b,
                      aci_slice text)
{
    return a->is_value && b->is_value &&
           aci_slice_equal(aci_slice_part(text, a->end, b->at),
                           aci_slice_of(" or "));
}

/* "240 of 250", "4 of the 5", "240/250": not a pair of the data. */
static bool false_pair(const aci_data_check *check, const aci_mention *a,
                       const aci_mention *b, aci_slice text)
{
    static const char *const joints[] = { " of ", " of the ", " out of ",
                                          "/" };
    aci_slice between;
    size_t k;
    int32_t i;

    if (check->n_pairs == 0 || !a->is_value || !b->is_value)
        return false;
    between = aci_slice_part(text, a->end, b->at);
    for (k = 0; k < 4 && !aci_slice_equal(between, aci_slice_of(joints[k]));
         k++)
        ;
    for (i = 0; i < check->n_pairs; i++) {
        if (aci_workshop_number_equal(&check->pairs[i][0], &a->number) &&
            aci_workshop_number_equal(&check->pairs[i][1], &b->number))
            return false;
    }
    return k < 4;
}

static void contradiction_rule(aci_rules *rules, const aci_data_check *check,
                               const aci_mentions *mentions, aci_slice text)
{
    const aci_mention *list = mentions->list;
    int32_t i;

    for (i = 0; i < mentions->n; i++) {
        if (contradicts(check, &list[i]) ||
            (i > 0 && (undecided(&list[i - 1], &list[i], text) ||
                       false_pair(check, &list[i - 1], &list[i], text))))
            break;
    }
    aci_workshop_rule(rules, i == mentions->n && !mentions->full,
                      "\"%.*s\" contradicts the data",
                      ACI_SLICE(aci_slice_part(
                          text, i == mentions->n ? 0 : list[i].at,
                          i == mentions->n ? 0 : list[i].end)));
}

/* ---- unsupported numbers ------------------------------------------------- */

/* "{{3}}" in a source stands for the answer of step 3: no number. */
static size_t skip_reference(aci_slice text, size_t at)
{
    size_t end = at + 2;

    if (at + 5 > text.n || memcmp(text.at + at, "{{", 2) != 0)
        return at;
    while (end < text.n && aci_is_digit(text.at[end]))
        end++;
    return end + 2 <= text.n && memcmp(text.at + end, "}}", 2) == 0 ? end + 2
                                                                    : at;
}

bool aci_workshop_data_in_source(const aci_number *number, aci_slice source)
{
    aci_number found;
    size_t at = 0;

    while (at < source.n) {
        size_t end = skip_reference(source, at);

        if (end != at) {
            at = end;
        } else if (aci_workshop_number_at(&found, source, at)) {
            if (aci_workshop_number_equal(&found, number))
                return true;
            at = aci_workshop_number_after(source, &found);
        } else {
            at = aci_workshop_number_skip(source, at);
        }
    }
    return false;
}

static bool is_supported(const aci_data_check *check, const aci_mention *m,
                         aci_slice source)
{
    int32_t i;

    /* "two groups" is no figure; "two mm" and "thirty" are. */
    if (m->number.spelled && m->unit < 0 && !m->number.strange &&
        m->number.mantissa <= 12)
        return true;
    for (i = 0; i < check->n_allowed; i++) {
        if (!(check->counted && m->unit >= 0) &&
            aci_workshop_number_equal(&check->allowed[i], &m->number))
            return true;
    }
    for (i = 0; i < check->n_rows; i++) {
        if (!(check->counted && m->unit != check->facts[i].unit) &&
            aci_workshop_number_equal(&check->facts[i].value, &m->number))
            return true;
    }
    return aci_workshop_data_in_source(&m->number, source);
}

static void number_rule(aci_rules *rules, const aci_data_check *check,
                        const aci_mentions *mentions, aci_slice text,
                        aci_slice source)
{
    int32_t i;

    for (i = 0; i < mentions->n; i++) {
        const aci_mention *m = &mentions->list[i];

        if (m->is_value && !is_supported(check, m, source))
            break;
    }
    aci_workshop_rule(
        rules, i == mentions->n && !mentions->full,
        "the number \"%.*s\" is not in the source",
        ACI_SLICE(aci_slice_part(
            text, i == mentions->n ? 0 : mentions->list[i].number.at,
            i == mentions->n ? 0 : mentions->list[i].number.end)));
}

/* ---- words --------------------------------------------------------------- */

/* A chain of three-letter parts, "UCG-CUC" or "Ser-Leu"; its end, else 0. */
static size_t chain_end(aci_slice text, size_t at)
{
    size_t n = 0, end = at;

    if (at > 0 && (aci_is_word(text.at[at - 1]) || text.at[at - 1] == '-'))
        return 0;
    while (end + 3 <= text.n && aci_is_upper(text.at[end]) &&
           aci_is_letter(text.at[end + 1]) &&
           aci_is_letter(text.at[end + 2])) {
        n++;
        end += 3;
        if (end == text.n || text.at[end] != '-')
            break;
        end++;
    }
    return n >= 2 ? end : 0;
}

/* Every chain in the answer is the source's or a required word. */
static bool chains_known(const aci_data_check *check, aci_slice text,
                         aci_slice source)
{
    size_t at, end;

    for (at = 0; at < text.n; at++) {
        int32_t i;
        aci_slice chain;

        end = chain_end(text, at);
        if (end == 0)
            continue;
        chain = aci_slice_part(text, at, end);
        for (i = 0; i < check->n_words &&
                    !aci_slice_equal(check->words[i], chain);
             i++)
            ;
        if (i == check->n_words &&
            aci_workshop_phrase_find(source, 0, chain, true) == source.n)
            return false;
        at = end - 1;
    }
    return true;
}

static void word_rules(aci_rules *rules, const aci_data_check *check,
                       aci_slice text, aci_slice source)
{
    int32_t i;

    for (i = 0; i < check->n_words; i++) {
        aci_slice word = check->words[i];
        size_t at = aci_workshop_phrase_find(text, 0, word,
                                             aci_workshop_phrase_exact(word));

        aci_workshop_rule(rules, at < text.n &&
                                     !aci_workshop_text_negated(text, 0, at),
                          "\"%.*s\" is missing", ACI_SLICE(word));
    }
    for (i = 0; i < check->n_none; i++)
        aci_workshop_rule(rules,
                          aci_workshop_phrase_find(text, 0, check->none[i],
                                                   false) == text.n,
                          "\"%.*s\" must not be said",
                          ACI_SLICE(check->none[i]));
    aci_workshop_rule(rules, chains_known(check, text, source),
                      "a sequence is not that of the source");
}

/* ---- the verdict --------------------------------------------------------- */

static ac_status judge(aci_rules *rules, aci_memory *memory,
                       const aci_data_check *check, aci_slice text,
                       aci_slice source, ac_error *error)
{
    aci_mentions *mentions = aci_platform_alloc(memory, sizeof *mentions);
    bool copied = false;
    ac_status status = AC_OK;

    if (mentions == NULL)
        return aci_platform_fail_memory(error, "an answer");
    aci_workshop_data_mentions(mentions, check, text);
    fact_rules(rules, check, mentions, text);
    contradiction_rule(rules, check, mentions, text);
    number_rule(rules, check, mentions, text, source);
    if (check->sign != 0)
        aci_workshop_data_direction(rules, check, mentions, text);
    aci_workshop_data_roles(rules, check, mentions, text);
    word_rules(rules, check, text, source);
    aci_workshop_rule(rules, aci_workshop_text_words(text) <=
                                 (size_t)check->max_words,
                      "it is longer than %d words", (int)check->max_words);
    status = aci_workshop_text_copied(&copied, memory, text, source, error);
    aci_workshop_rule(rules, !copied, "it repeats the prompt");
    aci_platform_free(memory, mentions);
    return status;
}

ac_status aci_workshop_check_data(aci_rules *rules, aci_memory *memory,
                                  const json_t *check, aci_slice answer,
                                  ac_error *error)
{
    aci_data_check *wanted = aci_platform_alloc_zeroed(memory, 1,
                                                       sizeof *wanted);
    aci_slice text = { NULL, 0 }, source = { NULL, 0 };
    ac_status status = wanted == NULL
                           ? aci_platform_fail_memory(error, "a check")
                           : aci_workshop_data_fields(wanted, check, error);

    if (status == AC_OK)
        status = aci_workshop_text_plain(&text, memory, answer, true, error);
    if (status == AC_OK)
        status = aci_workshop_text_plain(&source, memory, wanted->source,
                                         true, error);
    if (status == AC_OK) {
        aci_workshop_data_working(rules, wanted, (char *)(uintptr_t)text.at,
                                  text.n, source);
        status = judge(rules, memory, wanted, text, source, error);
    }
    aci_platform_free(memory, (void *)(uintptr_t)source.at);
    aci_platform_free(memory, (void *)(uintptr_t)text.at);
    aci_platform_free(memory, wanted);
    return status;
}
