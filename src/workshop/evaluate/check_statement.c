/* check_statement.c - see check_statement.h.
 *
 * Words become tokens, the condition is taken out, and what is left must be
 * one of (S a word with a sign, W "with", "as" or "when", names by initial):
 *
 *     O S W [S] V     O S W V S     W V S O S     [S] V S O     S V S O
 *     W V O S         any order with "positive" or "negative"
 *
 * Signs multiply: lower light lowers yield, so yield rises with light. */
#include "workshop/evaluate/check_statement.h"

#include <stdio.h>

typedef enum token_kind {
    FILL, OUTCOME, VARIABLE, CONDITION, VALUE, CHANGE, COMPARE, RELATION, WITH,
    WHEN, PLACE, IS, AND, COMMA
} token_kind;

typedef struct token {
    token_kind kind;
    int32_t number;    /* of a name; the sign of a word */
    int32_t value;     /* of a VALUE */
} token;

enum { MOST_TOKENS = 96 };

typedef struct reader {
    const aci_vocabulary *words;
    aci_slice text;
    aci_statement *out;
    token list[MOST_TOKENS];
    int32_t n;
} reader;

/* ---- words --------------------------------------------------------------- */

typedef struct token_words {
    token_kind kind;
    int32_t sign;
    const char *words; /* one blank between and at both ends */
} token_words;

static const token_words lexicon[] = {
    { CHANGE, 1, " increase increases increased increasing rise rises rose "
                 "rising grow grows grew growing climb climbs raise raises "
                 "raised raising boost boosts boosted enhance enhances "
                 "enhanced promote promotes up " },
    { CHANGE, -1, " decrease decreases decreased decreasing fall falls fell "
                  "falling drop drops dropped decline declines declined "
                  "declining lowers lowered lowering reduce reduces reduced "
                  "reducing reduction shrink shrinks cut cuts diminish "
                  "diminishes suppress suppresses inhibit inhibits down " },
    { COMPARE, 1, " higher more greater larger stronger longer high " },
    { COMPARE, -1, " lower less smaller weaker shorter fewer low " },
    { RELATION, 1, " positive positively direct directly " },
    { RELATION, -1, " negative negatively inverse inversely " },
    { WITH, 0, " with as " },
    { WHEN, 0, " when if whenever while " },
    { PLACE, 0, " where under in for at among within given during " },
    { IS, 0, " is are equals be being " },
    { AND, 0, " and " },
    { FILL, 0, " the a an of on to its it there that this we i our hypothesis "
               "hypothesise hypothesize propose expect predict suggest then "
               "only effect effects relation relationship association "
               "correlation correlated correlates associated related linked "
               "depends tend tends will should may can strongly clearly "
               "significantly steadily monotonically consistently level "
               "levels value values amount amounts has have between cause "
               "causes leads drives makes go goes responds case due because "
               "change changes one group subset " }
};

/* The kind of a common word; false when it is not known. */
static bool common_word(token *out, aci_slice word)
{
    char padded[24] = " ";
    size_t i;

    if (word.n > sizeof padded - 3)
        return false;
    for (i = 0; i < word.n; i++) {
        char c = word.at[i];

        padded[i + 1] = aci_is_upper(c) ? (char)(c - 'A' + 'a') : c;
    }
    padded[word.n + 1] = ' ';
    for (i = 0; i < sizeof lexicon / sizeof *lexicon; i++) {
        if (strstr(lexicon[i].words, padded) != NULL) {
            *out = (token){ lexicon[i].kind, lexicon[i].sign, 0 };
            return true;
        }
    }
    return false;
}

/* ---- tokens -------------------------------------------------------------- */

/* A longer name than `*end` at text[at] becomes the token. */
static void try_name(token *out, size_t *end, const reader *r, size_t at,
                     aci_slice name, token as)
{
    size_t here = aci_workshop_phrase_at(r->text, at, name, false);

    if (here > *end) {
        *end = here;
        *out = as;
    }
}

static size_t name_token(token *out, const reader *r, size_t at)
{
    const aci_vocabulary *w = r->words;
    size_t end = 0;
    int32_t i, k;

    try_name(out, &end, r, at, w->outcome, (token){ OUTCOME, 0, 0 });
    for (i = 0; i < w->n_variables; i++)
        try_name(out, &end, r, at, w->variables[i],
                 (token){ VARIABLE, i, 0 });
    for (i = 0; i < w->n_conditions; i++) {
        try_name(out, &end, r, at, w->conditions[i],
                 (token){ CONDITION, i, 0 });
        for (k = 0; k < w->n_values[i]; k++)
            try_name(out, &end, r, at, w->values[i][k],
                     (token){ VALUE, i, k });
    }
    return end;
}

static size_t word_end(aci_slice text, size_t at)
{
    while (at < text.n && (aci_is_word(text.at[at]) || text.at[at] == '-' ||
                           text.at[at] == '\''))
        at++;
    return at;
}

static bool refuse(reader *r, const char *why, aci_slice word)
{
    if (r->out->broken[0] == '\0')
        snprintf(r->out->broken, sizeof r->out->broken, why, ACI_SLICE(word));
    return false;
}

/* One token, or what needs none; false when it is not understood. */
static bool read_token(reader *r, size_t *at)
{
    char c = r->text.at[*at];
    token found = { FILL, 0, 0 };
    size_t end = name_token(&found, r, *at);

    if (end == 0 && aci_is_word(c)) {
        end = word_end(r->text, *at);
        if (!common_word(&found, aci_slice_part(r->text, *at, end)))
            return refuse(r, "\"%.*s\" is not understood",
                          aci_slice_part(r->text, *at, end));
    } else if (end == 0) {
        end = *at + 1;
        if (c == '.' && end == r->text.n) {
            *at = end;
            return true;
        }
        if (strchr(" ,:()=", c) == NULL)
            return refuse(r, "\"%.*s\" is not understood",
                          aci_slice_part(r->text, *at, end));
        found.kind = c == ',' ? COMMA : c == '=' ? IS : FILL;
    }
    *at = end;
    if (found.kind == FILL)
        return true;
    if (r->n == MOST_TOKENS)
        return refuse(r, "it is too long%.*s", aci_slice_of(""));
    r->list[r->n++] = found;
    return true;
}

static void remove_tokens(reader *r, int32_t from, int32_t to)
{
    memmove(&r->list[from], &r->list[to],
            (size_t)(r->n - to) * sizeof *r->list);
    r->n -= to - from;
}

/* ---- the condition ------------------------------------------------------- */

static bool kind_at(const reader *r, int32_t i, token_kind kind)
{
    return i >= 0 && i < r->n && r->list[i].kind == kind;
}

/* "when region is urban", "in urban region", "when urban": taken out. */
static bool take_condition(reader *r)
{
    int32_t at = 0, from, to;
    const token *value = NULL;

    while (at < r->n && !kind_at(r, at, VALUE))
        at++;
    if (at == r->n)
        return true;
    value = &r->list[at];
    r->out->condition = value->number;
    r->out->value = value->value;
    from = at;
    to = at + 1;
    if (kind_at(r, from - 1, IS) && kind_at(r, from - 2, CONDITION) &&
        r->list[from - 2].number == value->number)
        from -= 2;
    else if (kind_at(r, to, CONDITION) && r->list[to].number == value->number)
        to++;
    if (!kind_at(r, from - 1, WHEN) && !kind_at(r, from - 1, WITH) &&
        !kind_at(r, from - 1, PLACE))
        return refuse(r, "the condition has no \"when\"%.*s",
                      aci_slice_of(""));
    remove_tokens(r, from - 1, to);
    return true;
}

/* Names left over are a second condition, or a half one. */
static bool no_condition_left(reader *r)
{
    int32_t i;

    for (i = 0; i < r->n; i++) {
        if (r->list[i].kind == VALUE || r->list[i].kind == CONDITION)
            return refuse(r, "its condition is not one variable with one "
                             "value%.*s", aci_slice_of(""));
    }
    return true;
}

/* ---- the statement ------------------------------------------------------- */

static bool is_sign(const token *t)
{
    return t->kind == CHANGE || t->kind == COMPARE || t->kind == RELATION;
}

/* What the statement is made of, by place in the list; -1: not there. */
typedef struct outline {
    int32_t outcome, variable, n_signs, signs[2], n_relations, n_and;
} outline;

static bool make_outline(outline *out, reader *r)
{
    int32_t i;

    *out = (outline){ .outcome = -1, .variable = -1 };
    for (i = 0; i < r->n; i++) {
        const token *t = &r->list[i];

        if (t->kind == OUTCOME) {
            if (out->outcome >= 0)
                return refuse(r, "it names the outcome twice%.*s",
                              aci_slice_of(""));
            out->outcome = i;
        } else if (t->kind == VARIABLE) {
            if (out->variable >= 0)
                return refuse(r, "it names more than one variable%.*s",
                              aci_slice_of(""));
            out->variable = i;
        } else if (is_sign(t)) {
            if (out->n_signs == 2)
                return refuse(r, "it has more than two directions%.*s",
                              aci_slice_of(""));
            out->signs[out->n_signs++] = i;
            out->n_relations += t->kind == RELATION;
        }
        out->n_and += t->kind == AND;
    }
    return true;
}

static bool any_between(const reader *r, int32_t from, int32_t to,
                        token_kind kind)
{
    int32_t i;

    for (i = from; i < to; i++) {
        if (r->list[i].kind == kind)
            return true;
    }
    return false;
}

static bool joins(const reader *r, int32_t from, int32_t to)
{
    return any_between(r, from, to, WITH) || any_between(r, from, to, WHEN);
}

/* Two signs belong to two names: something must part them. */
static bool signs_apart(const reader *r, const outline *o)
{
    return o->n_signs < 2 ||
           joins(r, o->signs[0], o->signs[1]) ||
           any_between(r, o->signs[0], o->signs[1], VARIABLE) ||
           any_between(r, o->signs[0], o->signs[1], OUTCOME);
}

/* The shapes of the head of this file; which name leads matters. */
static bool has_shape(const reader *r, const outline *o)
{
    int32_t first = o->n_signs > 0 ? o->signs[0] : -1;
    int32_t last = o->n_signs > 0 ? o->signs[o->n_signs - 1] : -1;

    if (o->n_relations > 0)
        return o->n_signs == 1 && (o->n_and == 0 ||
                                   any_between(r, 0, r->n, AND));
    if (o->n_signs == 0 || o->n_and > 0 || !signs_apart(r, o))
        return false;
    if (o->outcome < o->variable) /* O S W V, S O W V */
        return first < o->variable &&
               joins(r, o->outcome, o->variable) &&
               !joins(r, 0, o->outcome);
    if (joins(r, 0, o->variable)) /* W V S O S, W V O S */
        return last > o->outcome;
    if (joins(r, o->variable, o->outcome))
        return false;             /* V S W O: the other way round */
    if (last > o->outcome)        /* V ... O up */
        return o->n_signs == 1 && r->list[last].kind == CHANGE;
    if (last > o->variable)       /* [S] V S O */
        return true;
    return false;
}

static void understand(reader *r)
{
    outline o;

    if (!take_condition(r) || !no_condition_left(r) || !make_outline(&o, r))
        return;
    r->out->outcome = o.outcome >= 0;
    if (o.variable >= 0)
        r->out->variable = r->list[o.variable].number;
    if (o.outcome < 0 || o.variable < 0) {
        refuse(r, "it does not name the outcome and a variable%.*s",
               aci_slice_of(""));
        return;
    }
    if (!has_shape(r, &o)) {
        refuse(r, "it does not say how the outcome follows%.*s",
               aci_slice_of(""));
        return;
    }
    r->out->sign = r->list[o.signs[0]].number *
                   (o.n_signs == 2 ? r->list[o.signs[1]].number : 1);
}

void aci_workshop_statement_read(aci_statement *out,
                                 const aci_vocabulary *words, aci_slice text)
{
    reader r = { .words = words, .text = text, .out = out };
    size_t at = 0;

    *out = (aci_statement){ .variable = -1, .condition = -1, .value = -1 };
    while (at < text.n) {
        if (!read_token(&r, &at))
            break;
    }
    if (at == text.n)
        understand(&r);
}
