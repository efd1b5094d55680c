/* request_hypothesis.c - observations with a planted relation become one
 * testable statement.
 *
 *     level 0  one variable                    outcome follows it throughout
 *     level 1  two or three correlations       one of them is strong
 *     level 2  one variable and a condition    the relation holds at one value
 *     level 3  two variables and a condition
 *
 * Rows come group by group, each sorted by the outcome.
 * Noise is made, not hoped for: a variable that must not matter has a rank
 * correlation (Kendall) with the outcome of at most 1/3 in size, wherever the
 * planted one has 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workshop/evaluate/request.h"

enum { MOST = 16, PER_GROUP = 4, HELD_OUT = 8 };

typedef struct observation {
    int32_t planted, rival, outcome;
    int32_t group;             /* 0: where the relation holds */
} observation;

/* ---- making observations ------------------------------------------------- */

static int32_t concordance(const int32_t *x, const int32_t *y, int32_t n)
{
    int32_t i, j, sum = 0;

    for (i = 0; i < n; i++) {
        for (j = 0; j < i; j++)
            sum += ((x[i] > x[j]) - (x[i] < x[j])) *
                   ((y[i] > y[j]) - (y[i] < y[j]));
    }
    return sum;
}

/* `n` different numbers in rising order, well apart. */
static void draw_ladder(int32_t *out, aci_request *request, int32_t n)
{
    int32_t gap = 80 / n, i;

    for (i = 0; i < n; i++)
        out[i] = 11 + i * gap + aci_workshop_request_below(request, gap - 3);
}

static void shuffle(int32_t *values, aci_request *request, int32_t n)
{
    int32_t i;

    for (i = n - 1; i > 0; i--) {
        int32_t j = aci_workshop_request_below(request, i + 1);
        int32_t kept = values[i];

        values[i] = values[j];
        values[j] = kept;
    }
}

/* Up, down, up, ... throughout. */
static bool swings(const int32_t *values, int32_t n)
{
    int32_t i;

    for (i = 2; i < n; i++) {
        if ((values[i] > values[i - 1]) == (values[i - 1] > values[i - 2]))
            return false;
    }
    return true;
}

/* Values in an order that does not follow `outcome`, a rising ladder; of a few
 * rows, as a reader sees them, one that swings to and fro. */
static void draw_noise(int32_t *out, aci_request *request,
                       const int32_t *outcome, int32_t n)
{
    draw_ladder(out, request, n);
    do
        shuffle(out, request, n);
    while (3 * abs(concordance(out, outcome, n)) > n * (n - 1) / 2 ||
           (n < HELD_OUT && !swings(out, n)));
}

/* One group of n observations; `sign` 0: the planted variable is noise too. */
static void draw_group(observation *out, aci_request *request, int32_t n,
                       int32_t sign, int32_t group)
{
    int32_t planted[MOST] = { 0 }, rival[MOST] = { 0 };
    int32_t outcome[MOST] = { 0 }, order[MOST], i;

    draw_ladder(outcome, request, n);
    draw_ladder(planted, request, n);
    if (sign == 0)
        draw_noise(planted, request, outcome, n);
    draw_noise(rival, request, outcome, n);
    for (i = 0; i < n; i++)
        order[i] = i;
    shuffle(order, request, n);
    for (i = 0; i < n; i++) {
        int32_t at = order[i];

        out[i].outcome = outcome[at];
        out[i].planted = planted[sign < 0 ? n - 1 - at : at];
        out[i].rival = rival[at];
        out[i].group = group;
    }
}

static int32_t draw_all(observation *out, aci_request *request, int32_t n,
                        int32_t sign, bool conditional)
{
    int32_t first;

    if (!conditional) {
        draw_group(out, request, n, sign, 0);
        return n;
    }
    first = aci_workshop_request_below(request, 2); /* which comes first */
    draw_group(out + first * n, request, n, sign, 0);
    draw_group(out + (1 - first) * n, request, n, 0, 1);
    return 2 * n;
}

/* Each group by its outcome, as a ranking is shown. */
static void sort_rows(observation *rows, int32_t n)
{
    int32_t i, j;

    for (i = 1; i < n; i++) {
        observation kept = rows[i];

        for (j = i; j > 0 && rows[j - 1].group == kept.group &&
                    rows[j - 1].outcome > kept.outcome;
             j--)
            rows[j] = rows[j - 1];
        rows[j] = kept;
    }
}

/* ---- showing them -------------------------------------------------------- */

typedef struct display {
    const char *outcome, *planted, *rival; /* rival NULL: not shown */
    const char *variable, *values[2];      /* variable NULL: no condition */
    bool rival_first;
} display;

static void add_rows(aci_request *request, const display *d,
                     const observation *rows, int32_t n, int32_t layout)
{
    aci_text *out = &request->prompt;
    const char *first = d->rival_first ? d->rival : d->planted;
    const char *second = d->rival_first ? d->planted : d->rival;
    int32_t i;

    if (layout == 1) {
        if (d->variable != NULL)
            aci_workshop_text_add(out, "%s,", d->variable);
        aci_workshop_text_add(out, "%s,", first);
        if (d->rival != NULL)
            aci_workshop_text_add(out, "%s,", second);
        aci_workshop_text_add(out, "%s\n", d->outcome);
    }
    for (i = 0; i < n; i++) {
        const observation *o = &rows[i];
        int32_t x = d->rival_first ? o->rival : o->planted;
        int32_t y = d->rival_first ? o->planted : o->rival;

        if (layout == 1) {
            if (d->variable != NULL)
                aci_workshop_text_add(out, "%s,", d->values[o->group]);
            aci_workshop_text_add(out, "%d,", x);
            if (d->rival != NULL)
                aci_workshop_text_add(out, "%d,", y);
            aci_workshop_text_add(out, "%d\n", o->outcome);
            continue;
        }
        if (d->variable != NULL)
            aci_workshop_text_add(out, "%s %s: ", d->variable,
                                  d->values[o->group]);
        aci_workshop_text_add(out, "%s %d, ", first, x);
        if (d->rival != NULL)
            aci_workshop_text_add(out, "%s %d, ", second, y);
        aci_workshop_text_add(out, "%s %d\n", d->outcome, o->outcome);
    }
}

/* "r = -0.94 for humidity": Pearson of each variable with the outcome, in a
 * drawn order; a strong one of the planted's sign, the others weak. */
static void add_correlations(aci_request *request, const display *d)
{
    const char *names[3] = { d->planted, d->rival, NULL };
    int32_t n = aci_workshop_request_between(request, 2, 3), i;
    int32_t planted = aci_workshop_request_below(request, n);

    do
        names[2] = request->domain->predictors[aci_workshop_request_below(
            request, ACI_N_PREDICTORS)];
    while (names[2] == d->planted || names[2] == d->rival);
    names[0] = names[planted];
    names[planted] = d->planted;
    for (i = 0; i < n; i++) {
        int32_t size = i == planted
                           ? aci_workshop_request_between(request, 82, 99)
                           : aci_workshop_request_between(request, 1, 24);
        int32_t minus = i == planted
                            ? request->topic->sign < 0
                            : aci_workshop_request_chance(request, 50);

        aci_workshop_text_add(&request->prompt, "r = %s0.%02d for %s\n",
                              minus ? "-" : "", size, names[i]);
    }
}

static json_t *rows_json(const display *d, const observation *rows, int32_t n)
{
    json_t *list = json_array();
    int32_t i;

    for (i = 0; i < n; i++) {
        json_t *row = json_pack("{s:i, s:i}", d->planted, rows[i].planted,
                                d->outcome, rows[i].outcome);

        if (d->rival != NULL)
            json_object_set_new(row, d->rival, json_integer(rows[i].rival));
        if (d->variable != NULL)
            json_object_set_new(row, d->variable,
                                json_string(d->values[rows[i].group]));
        json_array_append_new(list, row);
    }
    return list;
}

static void set_check(aci_request *request, const display *d)
{
    const aci_topic *t = request->topic;
    observation rows[MOST];
    int32_t n = draw_all(rows, request, HELD_OUT, t->sign,
                         d->variable != NULL);
    json_t *variables = json_pack("[s]", d->planted);

    if (d->rival != NULL)
        json_array_append_new(variables, json_string(d->rival));
    request->check = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "kind", "hypothesis",
        "outcome", d->outcome, "predictor", d->planted, "sign",
        t->sign > 0 ? "+" : "-", "condition",
        d->variable == NULL ? json_null()
                            : json_pack("{s:s, s:s}", "variable", d->variable,
                                        "value", d->values[0]),
        "variables", variables, "conditions",
        d->variable == NULL
            ? json_object()
            : json_pack("{s:[s, s]}", d->variable, d->values[0],
                        d->values[1]),
        "rows", rows_json(d, rows, n));
}

/* ---- the request --------------------------------------------------------- */

static const char *const asks[] = {
    "State one hypothesis for %s.", "What drives %s?",
    "Propose a testable statement about %s.", "How does %s behave?",
    "Formulate a hypothesis about %s."
};

static void draw_condition(aci_request *request, display *d)
{
    const aci_condition *c = &request->domain->conditions
        [aci_workshop_request_below(request, ACI_N_CONDITIONS)];
    int32_t holds = aci_workshop_request_below(request, c->n_values);
    int32_t other = aci_workshop_request_below(request, c->n_values - 1);

    d->variable = c->variable;
    d->values[0] = c->values[holds];
    d->values[1] = c->values[other + (other >= holds)];
}

ac_status aci_workshop_request_hypothesis(aci_request *request,
                                          ac_error *error)
{
    static const int32_t n_rows[ACI_N_LEVELS] = { 4, 4, 4, 4 };
    aci_topic *t = request->topic;
    display d = { .outcome = t->outcome->name, .planted = t->predictor };
    observation rows[MOST];
    aci_wording wording;
    int32_t n;

    request->kind = request->voice = "hypothesis";
    request->max_tokens = 48;
    if (request->level == 1 || request->level == 3) {
        d.rival = t->rival;
        d.rival_first = aci_workshop_request_chance(request, 50) != 0;
    }
    if (request->level >= 2)
        draw_condition(request, &d);
    json_array_append_new(request->facts,
                          json_sprintf("%s|%s", d.outcome, d.planted));
    n = draw_all(rows, request, n_rows[request->level], t->sign,
                 d.variable != NULL);
    sort_rows(rows, n);
    aci_workshop_request_wording(&wording, request, "hypothesis", asks, 5, 2);
    aci_workshop_text_add(&request->prompt, "%s ", wording.opening);
    aci_workshop_text_add(&request->prompt, wording.ask, d.outcome);
    aci_workshop_text_add(&request->prompt, "\n");
    if (request->level == 1)
        add_correlations(request, &d);
    else
        add_rows(request, &d, rows, n, wording.layout);
    aci_workshop_text_sentence(&request->answer, "%s %s with %s", d.outcome,
                               t->sign > 0 ? "increases" : "decreases",
                               d.planted);
    if (d.variable != NULL)
        aci_workshop_text_add(&request->answer, " when %s is %s", d.variable,
                              d.values[0]);
    aci_workshop_text_add(&request->answer, ".");
    set_check(request, &d);
    t->hypothesis_step = request->step;
    return aci_workshop_request_finish(request, error);
}
