/* check_data_working.c - arithmetic that an answer shows before its result:
 *
 *     "74 + 52 = 126. 126 + 86 = 212. The total mass is 212 mg."
 *
 * Every equation must be true, of numbers that are known: the source's, those
 * of the check object, or an earlier result. What was working is blanked, so
 * that the other rules judge the statement alone. */
#include <string.h>

#include "workshop/evaluate/check_data.h"

enum { MOST_RESULTS = 16 };

typedef struct equation {
    aci_number a, b, c;
    char sign;
} equation;

typedef struct known {
    const aci_data_check *check;
    aci_slice source;
    aci_number results[MOST_RESULTS];
    int32_t n_results;
} known;

static size_t skip_blanks(aci_slice text, size_t at)
{
    while (at < text.n && text.at[at] == ' ')
        at++;
    return at;
}

/* An equation whose first number ended at out->a.end. */
static bool read_equation(equation *out, aci_slice text)
{
    size_t at = skip_blanks(text, out->a.end);

    if (at >= text.n || memchr("+-x*", text.at[at], 4) == NULL)
        return false;
    out->sign = text.at[at];
    at = skip_blanks(text, at + 1);
    if (!aci_workshop_number_at(&out->b, text, at))
        return false;
    at = skip_blanks(text, out->b.end);
    if (at >= text.n || text.at[at] != '=')
        return false;
    return aci_workshop_number_at(&out->c, text, skip_blanks(text, at + 1));
}

/* The number in units of 10^-decimals; its own have at most 15 digits. */
static __int128 scaled(const aci_number *number, int32_t decimals)
{
    __int128 value = number->mantissa;
    int32_t i;

    for (i = number->decimals; i < decimals; i++)
        value *= 10;
    return value;
}

static bool is_true(const equation *e)
{
    int32_t most = e->a.decimals > e->b.decimals ? e->a.decimals
                                                 : e->b.decimals;

    if (e->a.strange || e->b.strange || e->c.strange)
        return false;
    if (e->sign == 'x' || e->sign == '*') {
        most = e->a.decimals + e->b.decimals;
        return e->c.decimals <= most &&
               (__int128)e->a.mantissa * e->b.mantissa == scaled(&e->c, most);
    }
    if (e->c.decimals > most)
        return false;
    return scaled(&e->a, most) + (e->sign == '+' ? scaled(&e->b, most)
                                                 : -scaled(&e->b, most)) ==
           scaled(&e->c, most);
}

static bool is_known(const known *k, const aci_number *number)
{
    const aci_data_check *check = k->check;
    int32_t i;

    for (i = 0; i < k->n_results; i++) {
        if (aci_workshop_number_equal(&k->results[i], number))
            return true;
    }
    for (i = 0; i < check->n_rows; i++) {
        if (aci_workshop_number_equal(&check->facts[i].value, number))
            return true;
    }
    for (i = 0; i < check->n_allowed; i++) {
        if (aci_workshop_number_equal(&check->allowed[i], number))
            return true;
    }
    return aci_workshop_data_in_source(number, k->source);
}

void aci_workshop_data_working(aci_rules *rules, const aci_data_check *check,
                               char *text, size_t n, aci_slice source)
{
    known k = { .check = check, .source = source };
    aci_slice all = { text, n };
    bool holds = true, any = false;
    equation e;
    size_t at = 0;

    while (aci_workshop_number_find(&e.a, all, at)) {
        at = aci_workshop_number_after(all, &e.a);
        if (k.n_results == MOST_RESULTS || !read_equation(&e, all))
            continue;
        any = true;
        holds = holds && is_true(&e) && is_known(&k, &e.a) &&
                is_known(&k, &e.b);
        k.results[k.n_results++] = e.c;
        at = e.c.end;
        if (at < n && memchr(".;,", text[at], 3) != NULL)
            at++;
        memset(text + e.a.at, ' ', at - e.a.at);
    }
    if (any)
        aci_workshop_rule(rules, holds, "the working shown is wrong");
}
