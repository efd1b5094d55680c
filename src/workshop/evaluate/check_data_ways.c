/* check_data_ways.c - direction and role words point the right way.
 *
 * "increase", "fell" go from the first group to the second, unless the words
 * say "from B to A" or tie them to one group ("an increase in A"). "higher",
 * "less" speak of the group tied to them, or of the other one than the group
 * behind "than", or of the group before them. A role ("highest") is that of
 * the name tied to it, or before it, or else behind it. */
#include "workshop/evaluate/check_data.h"
#include "workshop/evaluate/check_lexicon.h"

enum { MOST_WORDS = 32 }; /* of one sort; an answer with more is no answer */

typedef struct view {
    const aci_data_check *check;
    const aci_mentions *mentions;
    aci_slice text;
} view;

static bool is_group(const view *v, int32_t name)
{
    return name >= 0 && (name == v->check->groups[0] ||
                         name == v->check->groups[1]);
}

static int32_t other_group(const view *v, int32_t name)
{
    return v->check->groups[name == v->check->groups[0]];
}

/* The first mention at or after `at`; n when there is none. */
static int32_t mention_after(const view *v, size_t at)
{
    int32_t i = 0;

    while (i < v->mentions->n && v->mentions->list[i].at < at)
        i++;
    return i;
}

/* The name tied to the word that ended at `end` ("highest in moss"), -1. */
static int32_t tied_name(const view *v, size_t end, bool verbs)
{
    int32_t i = mention_after(v, end);

    if (i == v->mentions->n ||
        !aci_workshop_data_joined(v->check, v->text, end,
                                  v->mentions->list[i].at, verbs))
        return -1;
    return v->mentions->list[i].name;
}

/* Start and end of the sentence around `at`. */
static void sentence_around(const view *v, size_t at, size_t *from, size_t *to)
{
    size_t end = 0;

    do {
        *from = end;
        end = aci_workshop_sentence_end(v->text, *from);
    } while (end <= at && end < v->text.n);
    *to = end;
}

/* ---- direction ----------------------------------------------------------- */

/* The group behind one of the words that begin a reference, or -1. */
static int32_t reference_group(const view *v, size_t from, size_t to)
{
    static const char *const words[] = { "than", "compared with",
                                         "compared to", "relative to",
                                         "versus", "vs", "over" };
    size_t i, at;
    int32_t k;

    for (i = 0; i < sizeof words / sizeof *words; i++) {
        at = aci_workshop_phrase_find(v->text, from, aci_slice_of(words[i]),
                                      false);
        if (at >= to)
            continue;
        for (k = mention_after(v, at); k < v->mentions->n; k++) {
            const aci_mention *m = &v->mentions->list[k];

            if (m->at >= to)
                break;
            if (is_group(v, m->name))
                return m->name;
        }
    }
    return -1;
}

/* In "from B ... to A": B, when A is the other group; else -1. */
static int32_t from_group(const view *v, size_t from, size_t to)
{
    size_t a = aci_workshop_phrase_find(v->text, from, aci_slice_of("from"),
                                        false);
    size_t b = aci_workshop_phrase_find(v->text, a, aci_slice_of("to"), false);
    int32_t i = mention_after(v, a), k = mention_after(v, b);

    if (b >= to || i == v->mentions->n || k == v->mentions->n ||
        v->mentions->list[i].at > b || v->mentions->list[k].at >= to)
        return -1;
    i = v->mentions->list[i].name;
    k = v->mentions->list[k].name;
    return is_group(v, i) && is_group(v, k) && i != k ? i : -1;
}

static int32_t group_before(const view *v, size_t from, size_t at)
{
    int32_t found = -1, i;

    for (i = 0; i < v->mentions->n && v->mentions->list[i].at < at; i++) {
        const aci_mention *m = &v->mentions->list[i];

        if (m->at >= from && !m->is_value && is_group(v, m->name))
            found = m->name;
    }
    return found;
}

/* The sign, second group against first, that a direction word states; 0 when
 * it says nothing definite. */
static int32_t stated_sign(const view *v, size_t at, size_t end, int32_t sign,
                           aci_way way)
{
    size_t from, to;
    int32_t subject, reference;

    if (v->check->groups[0] < 0)
        return sign;
    sentence_around(v, at, &from, &to);
    reference = reference_group(v, end, to);
    subject = tied_name(v, end, false);
    if (!is_group(v, subject))
        subject = -1;
    if (reference < 0 && way == ACI_WAY_CHANGE) {
        reference = from_group(v, from, to);
        subject = reference < 0 ? subject : -1;
    }
    if (reference >= 0 && subject == reference)
        return 0;
    if (reference >= 0)
        subject = other_group(v, reference);
    else if (subject < 0 && way == ACI_WAY_CHANGE)
        subject = v->check->groups[1];
    if (subject < 0)
        subject = group_before(v, from, at);
    if (subject < 0)
        return 0;
    return subject == v->check->groups[1] ? sign : -sign;
}

void aci_workshop_data_direction(aci_rules *rules, const aci_data_check *check,
                                 const aci_mentions *mentions, aci_slice text)
{
    view v = { check, mentions, text };
    int32_t sign, next = 0, found = 0;
    size_t at = 0, end, from, to;
    bool wrong = false;
    aci_way way;

    while (at < text.n && found < MOST_WORDS) {
        while (next < mentions->n && mentions->list[next].end <= at)
            next++;
        if (next < mentions->n && mentions->list[next].at <= at) {
            at = mentions->list[next].end; /* names may hold such words */
            continue;
        }
        end = aci_workshop_phrase_at(text, at, check->quantity, false);
        if (end != 0) {
            at = end;
            continue;
        }
        end = aci_workshop_direction_at(text, at, &sign, &way);
        if (end == 0) {
            at++;
            continue;
        }
        sentence_around(&v, at, &from, &to);
        found++;
        wrong |= aci_workshop_text_negated(text, from, at) ||
                 stated_sign(&v, at, end, sign, way) != check->sign;
        at = end;
    }
    aci_workshop_rule(rules, found > 0 && found < MOST_WORDS && !wrong,
                      found > 0 ? "a direction word says the opposite, or "
                                  "of no group"
                                : "no word says the direction");
}

/* ---- roles --------------------------------------------------------------- */

static int32_t role_name(const view *v, size_t at, size_t end)
{
    int32_t name = tied_name(v, end, true), i, before = -1, after = -1;
    size_t from, to;

    if (name >= 0)
        return name;
    sentence_around(v, at, &from, &to);
    for (i = 0; i < v->mentions->n; i++) {
        const aci_mention *m = &v->mentions->list[i];

        if (m->at < from || m->at >= to)
            continue;
        if (m->at < at && !m->is_value)
            before = m->name;
        if (m->at >= end && after < 0)
            after = m->name;
    }
    return before >= 0 ? before : after;
}

static void one_role(aci_rules *rules, const view *v,
                     const aci_data_role *role)
{
    int32_t next = 0, found = 0;
    size_t at = 0, end, from, to;
    bool wrong = false;

    while (at < v->text.n && found < MOST_WORDS) {
        while (next < v->mentions->n && v->mentions->list[next].end <= at)
            next++;
        if (next < v->mentions->n && v->mentions->list[next].at <= at) {
            at = v->mentions->list[next].end;
            continue;
        }
        end = aci_workshop_role_at(v->text, at, role->role);
        if (end == 0) {
            at++;
            continue;
        }
        sentence_around(v, at, &from, &to);
        found++;
        wrong |= role_name(v, at, end) != role->name ||
                 aci_workshop_text_negated(v->text, from, at);
        at = end;
    }
    aci_workshop_rule(rules, !wrong && found < MOST_WORDS &&
                                 (found > 0 || !role->required),
                      "it is not said that the %.*s is %.*s",
                      ACI_SLICE(role->role),
                      ACI_SLICE(v->check->names[role->name]));
}

void aci_workshop_data_roles(aci_rules *rules, const aci_data_check *check,
                             const aci_mentions *mentions, aci_slice text)
{
    view v = { check, mentions, text };
    int32_t i;

    for (i = 0; i < check->n_roles; i++)
        one_role(rules, &v, &check->roles[i]);
}
