/* request_citation.c - a record becomes a reference.
 *
 *     level 0  one author                    level 2  three or four authors,
 *     level 1  two authors                            fields that don't belong
 *     level 3  several records: which one is said by author, year, or by the
 *              review that an earlier step wrote */
#include <stdio.h>

#include "workshop/evaluate/request.h"

typedef enum style { APA, MLA, VANCOUVER, BIBTEX, N_STYLES } style;

static const char *const style_keys[N_STYLES] = { "apa", "mla", "vancouver",
                                                  "bibtex" };
static const char *const style_names[N_STYLES] = { "APA", "MLA", "Vancouver",
                                                   "BibTeX" };

/* ---- the reference answer ------------------------------------------------ */

static void add_initials(aci_text *out, const aci_author *a, bool dots)
{
    aci_workshop_text_add(out, dots ? "%c." : "%c", a->given[0]);
    if (a->middle != 0)
        aci_workshop_text_add(out, dots ? " %c." : "%c", a->middle);
}

static void add_given(aci_text *out, const aci_author *a)
{
    aci_workshop_text_add(out, "%s", a->given);
    if (a->middle != 0)
        aci_workshop_text_add(out, " %c.", a->middle);
}

static void write_apa(aci_text *out, const aci_study *s)
{
    int32_t i;

    for (i = 0; i < s->n_authors; i++) {
        if (i > 0)
            aci_workshop_text_add(out, i + 1 < s->n_authors ? ", " : ", & ");
        aci_workshop_text_add(out, "%s, ", s->authors[i].family);
        add_initials(out, &s->authors[i], true);
    }
    aci_workshop_text_add(out, " (%d). %s. %s, %d", s->year, s->title,
                          s->journal, s->volume);
    if (s->issue != 0)
        aci_workshop_text_add(out, "(%d)", s->issue);
    aci_workshop_text_add(out, ", %d-%d.", s->first_page, s->last_page);
    if (s->doi[0] != '\0')
        aci_workshop_text_add(out, " https://doi.org/%s", s->doi);
}

static void write_mla(aci_text *out, const aci_study *s)
{
    aci_workshop_text_add(out, "%s, ", s->authors[0].family);
    add_given(out, &s->authors[0]);
    if (s->n_authors == 2) {
        aci_workshop_text_add(out, ", and ");
        add_given(out, &s->authors[1]);
        aci_workshop_text_add(out, " %s", s->authors[1].family);
    } else if (s->n_authors > 2) {
        aci_workshop_text_add(out, ", et al");
    }
    if (s->n_authors != 1 || s->authors[0].middle == 0)
        aci_workshop_text_add(out, ".");
    aci_workshop_text_add(out, " \"%s.\" %s, vol. %d", s->title, s->journal,
                          s->volume);
    if (s->issue != 0)
        aci_workshop_text_add(out, ", no. %d", s->issue);
    aci_workshop_text_add(out, ", %d, pp. %d-%d", s->year, s->first_page,
                          s->last_page);
    if (s->doi[0] != '\0')
        aci_workshop_text_add(out, ", https://doi.org/%s", s->doi);
    aci_workshop_text_add(out, ".");
}

static void write_vancouver(aci_text *out, const aci_study *s)
{
    int32_t i;

    for (i = 0; i < s->n_authors; i++) {
        aci_workshop_text_add(out, i > 0 ? ", %s " : "%s ",
                              s->authors[i].family);
        add_initials(out, &s->authors[i], false);
    }
    aci_workshop_text_add(out, ". %s. %s. %d;%d", s->title, s->journal,
                          s->year, s->volume);
    if (s->issue != 0)
        aci_workshop_text_add(out, "(%d)", s->issue);
    aci_workshop_text_add(out, ":%d-%d.", s->first_page, s->last_page);
    if (s->doi[0] != '\0')
        aci_workshop_text_add(out, " doi:%s", s->doi);
}

static void write_bibtex(aci_text *out, const aci_study *s)
{
    int32_t i;

    aci_workshop_text_add(out, "@article{%s%d, author = {",
                          s->authors[0].family, s->year);
    for (i = 0; i < s->n_authors; i++) {
        aci_workshop_text_add(out, i > 0 ? " and %s, " : "%s, ",
                              s->authors[i].family);
        add_given(out, &s->authors[i]);
    }
    aci_workshop_text_add(out, "}, title = {%s}, journal = {%s}, year = {%d}, "
                          "volume = {%d}", s->title, s->journal, s->year,
                          s->volume);
    if (s->issue != 0)
        aci_workshop_text_add(out, ", number = {%d}", s->issue);
    aci_workshop_text_add(out, ", pages = {%d--%d}", s->first_page,
                          s->last_page);
    if (s->doi[0] != '\0')
        aci_workshop_text_add(out, ", doi = {%s}", s->doi);
    aci_workshop_text_add(out, "}");
}

/* ---- the record in the prompt -------------------------------------------- */

enum { FIELDS = 10, LAYOUT_LINES = 0, LAYOUT_ONE_LINE = 1 };

static void add_authors(aci_text *out, const aci_study *s)
{
    int32_t i;

    for (i = 0; i < s->n_authors; i++) {
        if (i > 0)
            aci_workshop_text_add(out, " and ");
        add_given(out, &s->authors[i]);
        aci_workshop_text_add(out, " %s", s->authors[i].family);
    }
}

/* Field `i` as "name: value" without a line end; false when there is none. */
static bool add_field(aci_text *out, const aci_study *s, int32_t i,
                      int32_t distractor)
{
    switch (i) {
    case 0:
        aci_workshop_text_add(out, "authors: ");
        add_authors(out, s);
        return true;
    case 1:
        aci_workshop_text_add(out, "title: %s", s->title);
        return true;
    case 2:
        aci_workshop_text_add(out, "journal: %s", s->journal);
        return true;
    case 3:
        aci_workshop_text_add(out, "year: %d", s->year);
        return true;
    case 4:
        aci_workshop_text_add(out, "volume: %d", s->volume);
        return true;
    case 5:
        if (s->issue != 0)
            aci_workshop_text_add(out, "issue: %d", s->issue);
        return s->issue != 0;
    case 6:
        aci_workshop_text_add(out, "pages: %d-%d", s->first_page,
                              s->last_page);
        return true;
    case 7:
        if (s->doi[0] != '\0')
            aci_workshop_text_add(out, "doi: %s", s->doi);
        return s->doi[0] != '\0';
    case 8:
        if (distractor != 0)
            aci_workshop_text_add(out, "received: %d", s->year - 1);
        return distractor != 0;
    default:
        if (distractor != 0)
            aci_workshop_text_add(out, "copies held: %d", distractor);
        return distractor != 0;
    }
}

static void shuffle(aci_request *request, int32_t *order, int32_t n)
{
    int32_t i;

    for (i = n - 1; i > 0; i--) {
        int32_t j = aci_workshop_request_below(request, i + 1);
        int32_t kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}

static void add_record(aci_request *request, const aci_study *s,
                       int32_t layout, int32_t distractor)
{
    aci_text *out = &request->prompt;
    int32_t order[FIELDS], i;

    for (i = 0; i < FIELDS; i++)
        order[i] = i;
    if (aci_workshop_request_chance(request, 40))
        shuffle(request, order, FIELDS);
    for (i = 0; i < FIELDS; i++) {
        size_t before = out->n;

        if (add_field(out, s, order[i], distractor) && out->n > before)
            aci_workshop_text_add(out, layout == LAYOUT_LINES ? "\n" : "; ");
    }
    if (layout != LAYOUT_LINES) {
        out->n -= 2;
        aci_workshop_text_add(out, "\n");
    }
}

/* ---- the checker --------------------------------------------------------- */

static json_t *record_json(const aci_study *s)
{
    json_t *authors = json_array(), *record;
    char pages[32], given[40];
    int32_t i;

    for (i = 0; i < s->n_authors; i++) {
        const aci_author *a = &s->authors[i];

        if (a->middle != 0)
            snprintf(given, sizeof given, "%s %c.", a->given, a->middle);
        else
            snprintf(given, sizeof given, "%s", a->given);
        json_array_append_new(authors, json_pack("[s, s]", a->family, given));
    }
    snprintf(pages, sizeof pages, "%d-%d", (int)s->first_page,
             (int)s->last_page);
    record = json_pack("{s:o, s:i, s:s, s:s, s:i, s:s}", "authors", authors,
                       "year", s->year, "title", s->title, "journal",
                       s->journal, "volume", s->volume, "pages", pages);
    if (s->issue != 0)
        json_object_set_new(record, "issue", json_integer(s->issue));
    if (s->doi[0] != '\0')
        json_object_set_new(record, "doi", json_string(s->doi));
    return record;
}

/* ---- requests ------------------------------------------------------------ */

static const char *const single_asks[] = {
    "Give it in %s style.", "Format the following in %s.",
    "Turn this into a %s reference.", "I need the %s form.",
    "Write the %s entry."
};
static const char *const choice_asks[] = {
    "In %s, format only the paper %s.",
    "Give the %s reference of the paper %s.",
    "Find the paper %s and write its %s entry.",
    "Only the paper %s is wanted, in %s."
};

/* "by Okafor" / "from 2014" / "that the note cites first" */
static void describe(char *out, size_t size, aci_request *request,
                     const aci_study *studies, int32_t n, int32_t *chosen)
{
    const aci_topic *topic = request->topic;
    int32_t i, same = 0;

    if (studies == topic->studies) {
        bool first = topic->first_cited == topic->last_cited ||
                     aci_workshop_request_chance(request, 50);

        *chosen = (first ? topic->first_cited : topic->last_cited) - 1;
        snprintf(out, size, "that the note cites %s",
                 first ? "first" : "last");
        return;
    }
    *chosen = aci_workshop_request_below(request, n);
    for (i = 0; i < n; i++)
        same += studies[i].year == studies[*chosen].year;
    if (same == 1 && aci_workshop_request_chance(request, 50))
        snprintf(out, size, "from %d", (int)studies[*chosen].year);
    else
        snprintf(out, size, "by %s", studies[*chosen].authors[0].family);
}

static void add_choice_ask(aci_request *request, const char *ask,
                           const char *which, const char *style_name)
{
    bool which_first = ask == choice_asks[2] || ask == choice_asks[3];
    size_t i;

    /* The two blanks in the order of this ask. */
    for (i = 0; ask[i] != '\0'; i++) {
        if (ask[i] == '%') {
            aci_workshop_text_add(&request->prompt, "%s",
                                  which_first ? which : style_name);
            which_first = !which_first;
            i++;
        } else {
            aci_workshop_text_add(&request->prompt, "%c", ask[i]);
        }
    }
}

static void choose_record(aci_request *request, aci_study *out,
                          const char *style_name)
{
    aci_study own[3];
    const aci_study *studies = own;
    const aci_topic *topic = request->topic;
    int32_t n = aci_workshop_request_between(request, 2, 3), i, chosen;
    aci_wording wording;
    char which[64];

    if (topic->review_step != 0) {
        studies = topic->studies;
        n = topic->n_studies;
    } else {
        for (i = 0; i < n; i++)
            aci_workshop_request_study(&own[i], request, 1 + i % 2);
        while (own[1].authors[0].family == own[0].authors[0].family)
            aci_workshop_request_study(&own[1], request, 2);
        while (n == 3 &&
               (own[2].authors[0].family == own[0].authors[0].family ||
                own[2].authors[0].family == own[1].authors[0].family))
            aci_workshop_request_study(&own[2], request, 1);
    }
    aci_workshop_request_wording(&wording, request, "cite-choice",
                                 choice_asks, 4, 2);
    describe(which, sizeof which, request, studies, n, &chosen);
    aci_workshop_text_add(&request->prompt, "%s ", wording.opening);
    add_choice_ask(request, wording.ask, which, style_name);
    if (topic->review_step != 0)
        aci_workshop_text_add(&request->prompt, "\nNote: {{%d}}\n",
                              topic->review_step);
    else
        aci_workshop_text_add(&request->prompt, "\n");
    for (i = 0; i < n; i++) {
        aci_workshop_text_add(&request->prompt, "[%d] ", i + 1);
        add_record(request, &studies[i], LAYOUT_ONE_LINE, 0);
    }
    *out = studies[chosen];
}

static void single_record(aci_request *request, aci_study *out,
                          const char *style_name)
{
    int32_t n_authors = request->level < 2
                            ? request->level + 1
                            : aci_workshop_request_between(request, 3, 4);
    aci_wording wording;

    aci_workshop_request_study(out, request, n_authors);
    if (aci_workshop_request_chance(request, request->level < 2 ? 25 : 50))
        snprintf(out->doi, sizeof out->doi, "10.%d/%c%c%c.%d",
                 1000 + (int)aci_workshop_request_below(request, 9000),
                 'a' + (int)aci_workshop_request_below(request, 26),
                 'a' + (int)aci_workshop_request_below(request, 26),
                 'a' + (int)aci_workshop_request_below(request, 26),
                 (int)aci_workshop_request_below(request, 1000));
    aci_workshop_request_wording(&wording, request, "cite", single_asks, 5, 2);
    aci_workshop_text_add(&request->prompt, "%s ", wording.opening);
    aci_workshop_text_add(&request->prompt, wording.ask, style_name);
    aci_workshop_text_add(&request->prompt, "\n");
    add_record(request, out, wording.layout,
               request->level == 2
                   ? aci_workshop_request_between(request, 2, 40)
                   : 0);
}

ac_status aci_workshop_request_citation(aci_request *request, ac_error *error)
{
    static void (*const writers[N_STYLES])(aci_text *, const aci_study *) = {
        write_apa, write_mla, write_vancouver, write_bibtex
    };
    style chosen = (style)aci_workshop_request_below(request, N_STYLES);
    aci_study study;

    request->kind = request->voice = "citation";
    request->max_tokens = 160;
    if (request->level == 3)
        choose_record(request, &study, style_names[chosen]);
    else
        single_record(request, &study, style_names[chosen]);
    writers[chosen](&request->answer, &study);
    request->check = json_pack("{s:s, s:s, s:o}", "kind", "citation", "style",
                               style_keys[chosen], "record",
                               record_json(&study));
    return aci_workshop_request_finish(request, error);
}
