/* request_data.c - measurements become sentences.
 *
 *     level 0  pair        two groups, both values and the direction
 *     level 1  extremes    highest and lowest of three or four samples
 *              pair        with tenths
 *     level 2  difference  of two whole numbers; from an earlier summary when
 *                          there is one
 *              count       samples above a value
 *     level 3  range       highest minus lowest of a table
 *              total       of three samples
 *     held out (ood-kind)  the second highest of a table */
#include <stdio.h>
#include <string.h>

#include "workshop/evaluate/request.h"

enum { MOST_ROWS = 5, LAYOUT_LINES = 0, LAYOUT_CSV = 1, LAYOUT_INLINE = 2 };

typedef struct table {
    const aci_quantity *quantity;
    const char *names[MOST_ROWS];
    int32_t values[MOST_ROWS];   /* tenths when decimals is 1 */
    int32_t n, decimals;
} table;

static const char *number(char out[24], const table *t, int32_t value)
{
    return aci_workshop_number_text(out, value, t->decimals);
}

/* ---- tables -------------------------------------------------------------- */

/* A quantity and what it was measured on, owned together. */
static void draw_samples(table *t, aci_request *request, int32_t n)
{
    const aci_domain *d = request->domain;
    int32_t i, j;

    t->n = n;
    do {
        t->quantity =
            &d->outcomes[aci_workshop_request_below(request, ACI_N_OUTCOMES)];
        t->names[0] =
            d->samples[aci_workshop_request_below(request, ACI_N_SAMPLES)];
    } while (!aci_workshop_request_own(request, t->quantity->name,
                                       t->names[0]));
    for (i = 1; i < n; i++) {
        do {
            t->names[i] =
                d->samples[aci_workshop_request_below(request, ACI_N_SAMPLES)];
            for (j = 0; j < i && t->names[j] != t->names[i]; j++)
                ;
        } while (j < i);
    }
    for (i = n - 1; i > 0; i--) {
        const char *kept = t->names[i];

        j = aci_workshop_request_below(request, i + 1);
        t->names[i] = t->names[j];
        t->names[j] = kept;
    }
}

static void draw_pair(table *t, aci_request *request)
{
    const aci_domain *d = request->domain;
    const aci_pairing *pairing;

    t->n = 2;
    do {
        t->quantity =
            &d->outcomes[aci_workshop_request_below(request, ACI_N_OUTCOMES)];
        pairing =
            &d->pairings[aci_workshop_request_below(request, ACI_N_PAIRINGS)];
    } while (!aci_workshop_request_own(request, t->quantity->name,
                                       pairing->first));
    t->names[0] = pairing->first;
    t->names[1] = pairing->second;
    request->topic->pairing = pairing;
    request->topic->measured = t->quantity;
}

/* Different values, in the quantity's range. */
static void draw_values(table *t, aci_request *request)
{
    int32_t scale = t->decimals ? 10 : 1, i, j;

    for (i = 0; i < t->n; i++) {
        do {
            t->values[i] = aci_workshop_request_between(
                request, t->quantity->low * scale, t->quantity->high * scale);
            for (j = 0; j < i && t->values[j] != t->values[i]; j++)
                ;
        } while (j < i);
    }
}

/* Value first, as a ranking is written. */
static void add_ranking(aci_request *request, const table *t, int32_t layout)
{
    aci_text *out = &request->prompt;
    char text[24];
    int32_t i;

    if (layout == LAYOUT_CSV)
        aci_workshop_text_add(out, "%s (%s),sample\n", t->quantity->name,
                              t->quantity->unit);
    for (i = 0; i < t->n; i++) {
        number(text, t, t->values[i]);
        if (layout == LAYOUT_CSV)
            aci_workshop_text_add(out, "%s,%s\n", text, t->names[i]);
        else
            aci_workshop_text_add(out, "%s %s in %s%s", text,
                                  t->quantity->unit, t->names[i],
                                  layout == LAYOUT_LINES || i + 1 == t->n
                                      ? "\n" : "; ");
    }
}

static void add_table(aci_request *request, const table *t, int32_t layout)
{
    aci_text *out = &request->prompt;
    char text[24];
    int32_t i;

    if (layout == LAYOUT_CSV)
        aci_workshop_text_add(out, "sample,%s (%s)\n", t->quantity->name,
                              t->quantity->unit);
    else if (layout == LAYOUT_LINES)
        aci_workshop_text_sentence(out, "%s:\n", t->quantity->name);
    else
        aci_workshop_text_sentence(out, "%s: ", t->quantity->name);
    for (i = 0; i < t->n; i++) {
        number(text, t, t->values[i]);
        if (layout == LAYOUT_CSV)
            aci_workshop_text_add(out, "%s,%s\n", t->names[i], text);
        else if (layout == LAYOUT_LINES)
            aci_workshop_text_add(out, "%s: %s %s\n", t->names[i], text,
                                  t->quantity->unit);
        else
            aci_workshop_text_add(out, "%s %s %s%s", t->names[i], text,
                                  t->quantity->unit,
                                  i + 1 < t->n ? "; " : "\n");
    }
}

/* ---- checks -------------------------------------------------------------- */

static json_t *fact(const char *entity, const char *value, const char *unit)
{
    return json_pack("{s:s, s:s, s:s}", "entity", entity, "value", value,
                     "unit", unit);
}

static json_t *rows_json(const table *t)
{
    json_t *list = json_array();
    char value[24];
    int32_t i;

    for (i = 0; i < t->n; i++)
        json_array_append_new(list, fact(t->names[i],
                                         number(value, t, t->values[i]),
                                         t->quantity->unit));
    return list;
}

static void set_check(aci_request *request, const table *t, json_t *facts,
                      json_t *allowed)
{
    request->check = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o*, s:i}", "kind", "data_to_text",
        "source", request->prompt.data, "quantity", t->quantity->name, "unit",
        t->quantity->unit, "facts", facts, "rows", rows_json(t), "allowed",
        allowed, "max_words", 60);
}

/* A text that stands alone says what was measured. */
static void require_quantity(aci_request *request, const table *t)
{
    json_object_set_new(request->check, "words",
                        json_pack("[s]", t->quantity->name));
}

/* The second of two groups against the first. */
static void set_direction(aci_request *request, const table *t)
{
    json_object_set_new(request->check, "direction",
                        json_string(t->values[1] > t->values[0]
                                        ? "increase" : "decrease"));
    json_object_set_new(request->check, "groups",
                        json_pack("[s, s]", t->names[0], t->names[1]));
}

/* `name` is the highest, lowest, second: must be said, or if said be right. */
static void add_role(aci_request *request, const char *role, const char *name,
                     bool optional)
{
    json_t *list = json_object_get(request->check, "roles");

    if (list == NULL) {
        list = json_array();
        json_object_set_new(request->check, "roles", list);
    }
    json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "role", role,
                                          "entity", name, "optional",
                                          (int)optional));
}

/* The prompt: opening, ask, table. The ask may name the quantity. */
static void begin(aci_request *request, const char *form, const table *t,
                  const char *const *asks, int32_t n_asks, bool ranking)
{
    aci_wording wording;

    aci_workshop_request_wording(&wording, request, form, asks, n_asks, 3);
    aci_workshop_text_add(&request->prompt, "%s ", wording.opening);
    aci_workshop_text_add(&request->prompt, wording.ask, t->quantity->name);
    aci_workshop_text_add(&request->prompt, "\n");
    if (ranking)
        add_ranking(request, t, wording.layout);
    else
        add_table(request, t, wording.layout);
}

/* ---- forms --------------------------------------------------------------- */

static void make_pair(aci_request *request, int32_t decimals)
{
    static const char *const asks[] = {
        "Report both values of %s and the direction.",
        "State %s in both groups and whether it rose.",
        "Describe how %s differs, with both values.",
        "Give both values of %s and say which way it went.",
        "Say what happened to %s, with the numbers."
    };
    table t = { .decimals = decimals };
    char first[24], second[24];
    bool rose;

    draw_pair(&t, request);
    draw_values(&t, request);
    begin(request, decimals ? "pair-tenths" : "pair", &t, asks, 5, false);
    rose = t.values[1] > t.values[0];
    number(first, &t, t.values[0]);
    number(second, &t, t.values[1]);
    aci_workshop_text_sentence(
        &request->answer, "%s was %s %s in the %s and %s %s in the %s, %s.",
        t.quantity->name, first, t.quantity->unit, t.names[0], second,
        t.quantity->unit, t.names[1], rose ? "an increase" : "a decrease");
    set_check(request, &t,
              json_pack("[o, o]", fact(t.names[0], first, t.quantity->unit),
                        fact(t.names[1], second, t.quantity->unit)), NULL);
    require_quantity(request, &t);
    set_direction(request, &t);
    if (!decimals) {
        request->topic->summary_step = request->step;
        request->topic->first_value = t.values[0];
        request->topic->second_value = t.values[1];
    }
}

static void find_extremes(const table *t, int32_t *highest, int32_t *lowest)
{
    int32_t i;

    *highest = *lowest = 0;
    for (i = 1; i < t->n; i++) {
        if (t->values[i] > t->values[*highest])
            *highest = i;
        if (t->values[i] < t->values[*lowest])
            *lowest = i;
    }
}

static void make_extremes(aci_request *request)
{
    static const char *const asks[] = {
        "Where was %s highest and lowest?",
        "Name the highest and the lowest %s.",
        "Report the extremes of %s with their values.",
        "Which samples had the most and the least %s?"
    };
    table t = { .decimals = 0 };
    char high[24], low[24];
    int32_t highest, lowest;

    draw_samples(&t, request, aci_workshop_request_between(request, 3, 4));
    draw_values(&t, request);
    begin(request, "extremes", &t, asks, 4, true);
    find_extremes(&t, &highest, &lowest);
    number(high, &t, t.values[highest]);
    number(low, &t, t.values[lowest]);
    aci_workshop_text_sentence(
        &request->answer,
        "%s was highest at %s %s in %s and lowest at %s %s in %s.",
        t.quantity->name, high, t.quantity->unit, t.names[highest], low,
        t.quantity->unit, t.names[lowest]);
    set_check(request, &t,
              json_pack("[o, o]", fact(t.names[highest], high,
                                       t.quantity->unit),
                        fact(t.names[lowest], low, t.quantity->unit)), NULL);
    require_quantity(request, &t);
    add_role(request, "highest", t.names[highest], false);
    add_role(request, "lowest", t.names[lowest], false);
}

/* By how much the second group differs, from a table or from the summary that
 * an earlier step wrote. */
static void make_difference(aci_request *request)
{
    static const char *const asks[] = {
        "By how much does %s differ between the two?",
        "Work out the difference in %s.",
        "How far apart are the two values of %s?",
        "Compute the change in %s from the first to the second."
    };
    const aci_topic *topic = request->topic;
    table t = { .decimals = 0 };
    char value[24];
    bool higher;

    if (topic->summary_step != 0) {
        aci_wording wording;

        t.quantity = topic->measured;
        t.names[0] = topic->pairing->first;
        t.names[1] = topic->pairing->second;
        t.n = 2;
        t.values[0] = topic->first_value;
        t.values[1] = topic->second_value;
        aci_workshop_request_wording(&wording, request, "difference-of", asks,
                                     4, 1);
        aci_workshop_text_add(&request->prompt, "%s ", wording.opening);
        aci_workshop_text_add(&request->prompt, wording.ask,
                              t.quantity->name);
        aci_workshop_text_add(&request->prompt, "\nSummary: {{%d}}\n",
                              topic->summary_step);
    } else {
        draw_pair(&t, request);
        draw_values(&t, request);
        begin(request, "difference", &t, asks, 4, false);
    }
    higher = t.values[1] > t.values[0];
    number(value, &t, higher ? t.values[1] - t.values[0]
                             : t.values[0] - t.values[1]);
    aci_workshop_text_add(&request->answer, "%d - %d = %s. ",
                          t.values[higher], t.values[!higher], value);
    aci_workshop_text_sentence(&request->answer,
                               "%s was %s %s %s in the %s than in the %s.",
                               t.quantity->name, value, t.quantity->unit,
                               higher ? "higher" : "lower", t.names[1],
                               t.names[0]);
    set_check(request, &t,
              json_pack("[o]", fact("", value, t.quantity->unit)),
              json_pack("[s]", value));
    require_quantity(request, &t);
    set_direction(request, &t);
}

/* "Fern has 67 mg. Moss has 80 mg. ": those above the limit. */
static void add_counted(aci_request *request, const table *t, int32_t limit)
{
    int32_t i;

    for (i = 0; i < t->n; i++) {
        if (t->values[i] > limit)
            aci_workshop_text_sentence(&request->answer, "%s has %d %s. ",
                                       t->names[i], t->values[i],
                                       t->quantity->unit);
    }
}

static void make_count(aci_request *request)
{
    static const char *const asks[] = {
        "How many samples exceed the limit for %s?",
        "Count the samples whose %s is above the limit.",
        "For how many samples is %s over the limit?"
    };
    table t = { .decimals = 0 };
    char value[24], all[24], bound[24];
    int32_t limit, count = 0, i;

    draw_samples(&t, request, aci_workshop_request_between(request, 4, 5));
    draw_values(&t, request);
    limit = aci_workshop_request_between(request, t.quantity->low / 10 + 1,
                                         t.quantity->high / 10 - 1) * 10;
    for (i = 0; i < t.n; i++) {
        if (t.values[i] == limit)
            t.values[i]++;
        count += t.values[i] > limit;
    }
    begin(request, "count", &t, asks, 3, false);
    aci_workshop_text_add(&request->prompt, "Limit: %d %s\n", limit,
                          t.quantity->unit);
    aci_workshop_number_text(value, count, 0);
    add_counted(request, &t, limit);
    aci_workshop_text_add(&request->answer,
                          "%s of the samples exceed %d %s.", value, limit,
                          t.quantity->unit);
    aci_workshop_number_text(all, t.n, 0);
    set_check(request, &t,
              json_pack("[o, {s:s, s:s, s:b}]", fact("", value, ""), "value",
                        aci_workshop_number_text(bound, limit, 0), "unit",
                        t.quantity->unit, "optional", 1),
              json_pack("[s, s]", value, all));
    json_object_set_new(request->check, "pairs",
                        json_pack("[[s, s]]", value, all));
    json_object_set_new(request->check, "counted", json_true());
    json_object_set_new(request->check, "none",
                        json_pack("[s, s, s, s, s]", "below", "under",
                                  "within", "not", "less"));
}

static void make_range(aci_request *request)
{
    static const char *const asks[] = {
        "What is the range of %s, highest minus lowest?",
        "Compute the spread of %s from lowest to highest.",
        "How wide is the range of %s in this table?"
    };
    table t = { .decimals = 0 };
    char value[24];
    int32_t highest, lowest;

    draw_samples(&t, request, aci_workshop_request_between(request, 3, 4));
    draw_values(&t, request);
    begin(request, "range", &t, asks, 3, false);
    find_extremes(&t, &highest, &lowest);
    number(value, &t, t.values[highest] - t.values[lowest]);
    aci_workshop_text_add(
        &request->answer, "%d - %d = %s. The range of %s is %s %s.",
        t.values[highest], t.values[lowest], value, t.quantity->name, value,
        t.quantity->unit);
    set_check(request, &t,
              json_pack("[o]", fact("", value, t.quantity->unit)),
              json_pack("[s]", value));
    add_role(request, "lowest", t.names[lowest], true);
    add_role(request, "highest", t.names[highest], true);
}

static void make_total(aci_request *request)
{
    static const char *const asks[] = {
        "What is the total of %s over the samples?",
        "Add up %s for all rows.",
        "Give the sum of %s over this table."
    };
    table t = { .decimals = 0 };
    char value[24];
    int32_t sum, i;

    draw_samples(&t, request, 3);
    draw_values(&t, request);
    begin(request, "total", &t, asks, 3, false);
    for (i = 1, sum = t.values[0]; i < t.n; i++) {
        aci_workshop_text_add(&request->answer, "%d + %d = %d. ", sum,
                              t.values[i], sum + t.values[i]);
        sum += t.values[i];
    }
    number(value, &t, sum);
    aci_workshop_text_add(&request->answer, "The total %s is %s %s.",
                          t.quantity->name, value, t.quantity->unit);
    set_check(request, &t,
              json_pack("[o]", fact("", value, t.quantity->unit)),
              json_pack("[s]", value));
    require_quantity(request, &t);
}

static void make_second(aci_request *request)
{
    static const char *const asks[] = {
        "Which sample has the second highest %s?",
        "Name the runner-up for %s with its value.",
        "Leave out the highest %s; which one leads then?"
    };
    table t = { .decimals = 0 };
    char value[24];
    int32_t highest, lowest, second = -1, i;

    draw_samples(&t, request, aci_workshop_request_between(request, 3, 4));
    draw_values(&t, request);
    begin(request, "second", &t, asks, 3, false);
    find_extremes(&t, &highest, &lowest);
    for (i = 0; i < t.n; i++) {
        if (i != highest && (second < 0 || t.values[i] > t.values[second]))
            second = i;
    }
    number(value, &t, t.values[second]);
    aci_workshop_text_add(&request->answer,
                          "The second highest %s was %s %s in %s.",
                          t.quantity->name, value, t.quantity->unit,
                          t.names[second]);
    set_check(request, &t,
              json_pack("[o]", fact(t.names[second], value,
                                    t.quantity->unit)), NULL);
    require_quantity(request, &t);
    add_role(request, "second", t.names[second], false);
    json_object_set_new(request->check, "none",
                        json_pack("[s, s, s]", "lowest", "smallest",
                                  "least"));
}

ac_status aci_workshop_request_data(aci_request *request, ac_error *error)
{
    bool first = aci_workshop_request_chance(request, 50) != 0;

    request->kind = request->voice = "data_to_text";
    request->max_tokens = 80;
    if (request->split == ACI_SPLIT_OOD_KIND)
        make_second(request);
    else if (request->level == 0)
        make_pair(request, 0);
    else if (request->level == 1)
        first ? make_extremes(request) : make_pair(request, 1);
    else if (request->level == 2)
        first || request->topic->summary_step != 0 ? make_difference(request)
                                                   : make_count(request);
    else
        first ? make_range(request) : make_total(request);
    return aci_workshop_request_finish(request, error);
}
