/* request_literature.c - supplied findings become a short review with markers.
 *
 *     level 0  two studies that agree
 *     level 1  three, of which one may disagree, and the largest effect
 *     level 2  four, one of them about something else, to be left out
 *     level 3  four or five that conflict; the largest study has the last word
 *
 * When an earlier step stated a hypothesis, the review says instead which
 * sources support and which contradict it: a wrong hypothesis turns the answer
 * around. */
#include <stdio.h>
#include <string.h>

#include "workshop/evaluate/request.h"

enum { UP, DOWN, NONE, N_FINDINGS };

static const char *const verbs[N_FINDINGS][3] = {
    { "raised", "increased", "boosted" },
    { "lowered", "reduced", "cut" },
    { "did not change", "left unchanged", "had no effect on" }
};

/* Words that state a finding. */
static const char *const accepted[N_FINDINGS] = {
    "raised|raises|raise|increased|increases|increase|boosted|boosts|"
    "boost|rose|rises|higher",
    "lowered|lowers|lower|reduced|reduces|reduce|cut|cuts|decreased|"
    "decreases|decrease|fell|falls",
    "did not change|does not change|unchanged|no effect|no change"
};

static int32_t finding_of(const aci_study *s)
{
    return s->sign > 0 ? UP : s->sign < 0 ? DOWN : NONE;
}

/* ---- the studies --------------------------------------------------------- */

static bool same_number(const aci_study *studies, int32_t n, int32_t i)
{
    int32_t j;

    for (j = 0; j < n; j++) {
        if (j != i && (studies[j].percent == studies[i].percent ||
                       studies[j].n_counted == studies[i].n_counted ||
                       studies[j].authors[0].family ==
                           studies[i].authors[0].family))
            return true;
    }
    return false;
}

/* How many agree with the topic's sign, oppose it, or found nothing. */
static void draw_signs(aci_request *request)
{
    aci_topic *t = request->topic;
    int32_t i;

    for (i = 0; i < t->n_studies; i++) {
        aci_study *s = &t->studies[i];
        int32_t dice = aci_workshop_request_below(request, 100);

        s->sign = t->sign;
        if (request->level > 0 && dice < 30)
            s->sign = -t->sign;
        else if (request->level > 1 && dice < 45)
            s->sign = 0;
    }
    t->studies[aci_workshop_request_below(request, t->n_studies)].sign =
        t->sign;
    if (request->level == 3) /* there is a dispute */
        t->studies[t->studies[0].sign == t->sign].sign = -t->sign;
}

static void draw_studies(aci_request *request)
{
    aci_topic *t = request->topic;
    int32_t i;

    t->n_studies = request->level == 0   ? 2
                   : request->level == 3 ? aci_workshop_request_between(
                                               request, 4, 5)
                                         : request->level + 2;
    for (i = 0; i < t->n_studies; i++) {
        do {
            aci_workshop_request_study(&t->studies[i], request,
                                       1 + aci_workshop_request_below(request,
                                                                      2));
            t->studies[i].percent =
                aci_workshop_request_between(request, 3, 48);
            t->studies[i].n_counted =
                aci_workshop_request_between(request, 4, 96) * 5;
        } while (same_number(t->studies, i + 1, i));
    }
    draw_signs(request);
    if (request->level == 2)
        t->studies[aci_workshop_request_below(request, t->n_studies)]
            .off_topic = 1;
}

/* "[2] Sleep lowered absence by 12% (Vega 2005, 460 households)." */
static void add_study(aci_request *request, int32_t i)
{
    const aci_topic *t = request->topic;
    const aci_study *s = &t->studies[i];
    const char *predictor = s->off_topic ? t->rival : t->predictor;
    const char *verb =
        verbs[finding_of(s)][aci_workshop_request_below(request, 3)];
    bool turned = strcmp(verb, "left unchanged") == 0;
    aci_text *out = &request->prompt;

    aci_workshop_text_add(out, "[%d] ", i + 1);
    aci_workshop_text_sentence(out, "%s ", predictor);
    if (turned)
        aci_workshop_text_add(out, "left %s unchanged", t->outcome->name);
    else
        aci_workshop_text_add(out, "%s %s", verb, t->outcome->name);
    if (s->sign != 0)
        aci_workshop_text_add(out, " by %d%%", s->percent);
    aci_workshop_text_add(out, " (%s %d, %d %s).\n", s->authors[0].family,
                          s->year, s->n_counted, request->domain->counted);
}

/* ---- the answer and its claims ------------------------------------------- */

typedef struct review {
    json_t *claims, *ignore;
    int32_t n_sources; /* relevant ones */
} review;

/* JSON list of the relevant studies with that finding. */
static json_t *sources_of(const aci_topic *t, int32_t finding)
{
    json_t *list = json_array();
    int32_t i;

    for (i = 0; i < t->n_studies; i++) {
        if (!t->studies[i].off_topic && finding_of(&t->studies[i]) == finding)
            json_array_append_new(list, json_integer(i + 1));
    }
    return list;
}

static void note_cited(aci_topic *t, int32_t source)
{
    if (t->first_cited == 0)
        t->first_cited = source;
    t->last_cited = source;
}

/* "rose|higher" behind what the list has. */
static void add_words(json_t *list, const char *words)
{
    const char *end;

    for (; *words != '\0'; words = *end == '\0' ? end : end + 1) {
        end = strchr(words, '|');
        if (end == NULL)
            end = words + strlen(words);
        json_array_append_new(list,
                              json_stringn(words, (size_t)(end - words)));
    }
}

static json_t *add_claim(review *out, const char *words, json_t *sources)
{
    json_t *any = json_array();
    json_t *claim = json_pack("{s:o, s:o, s:[], s:[]}", "any", any, "markers",
                              sources, "numbers", "against");

    add_words(any, words);
    json_array_append_new(out->claims, claim);
    return claim;
}

static void add_number(json_t *claim, const char *number, const char *unit)
{
    json_array_append_new(json_object_get(claim, "numbers"),
                          json_string(number));
    json_object_set_new(claim, "unit", json_string(unit));
}

/* Of finding i `words[i]`, of none of its sources another's. */
static void add_findings(const aci_topic *t, review *out,
                         const char *const words[N_FINDINGS],
                         const int32_t findings[N_FINDINGS], bool optional)
{
    int32_t i, k;

    for (i = 0; i < N_FINDINGS; i++) {
        json_t *list = sources_of(t, findings[i]), *claim;

        if (json_array_size(list) == 0) {
            json_decref(list);
            continue;
        }
        claim = add_claim(out, words[i], list);
        if (optional)
            json_object_set_new(claim, "optional", json_true());
        for (k = 0; k < N_FINDINGS; k++) {
            if (k != i)
                add_words(json_object_get(claim, "against"), words[k]);
        }
    }
}

/* "[1] found that light raised turnover, [2] that it raised it." */
static void write_findings(aci_request *request, review *out)
{
    static const int32_t findings[N_FINDINGS] = { UP, DOWN, NONE };
    aci_topic *t = request->topic;
    bool first = true;
    int32_t i;

    for (i = 0; i < t->n_studies; i++) {
        const char *verb = verbs[finding_of(&t->studies[i])][0];

        if (t->studies[i].off_topic)
            continue;
        if (first)
            aci_workshop_text_add(&request->answer,
                                  "[%d] found that %s %s %s", i + 1,
                                  t->predictor, verb, t->outcome->name);
        else
            aci_workshop_text_add(&request->answer, ", [%d] that it %s it",
                                  i + 1, verb);
        first = false;
        note_cited(t, i + 1);
    }
    aci_workshop_text_add(&request->answer, ".");
    add_findings(t, out, accepted, findings, false);
}

/* "The largest effect was 12% [1]." or the study with most plots. */
static void write_weight(aci_request *request, review *out)
{
    aci_topic *t = request->topic;
    int32_t best = -1, i;
    char value[24];
    bool by_count = request->level == 3;

    for (i = 0; i < t->n_studies; i++) {
        const aci_study *s = &t->studies[i];

        if (s->off_topic || (!by_count && s->sign == 0))
            continue;
        if (best < 0 ||
            (by_count ? s->n_counted > t->studies[best].n_counted
                      : s->percent > t->studies[best].percent))
            best = i;
    }
    if (best < 0)
        return;
    t->last_cited = best + 1;
    if (by_count) {
        aci_workshop_number_text(value, t->studies[best].n_counted, 0);
        aci_workshop_text_add(&request->answer,
                              " The largest study had %s %s [%d].", value,
                              request->domain->counted, best + 1);
        add_number(add_claim(out, "largest|biggest",
                             json_pack("[i]", best + 1)), value,
                   request->domain->counted);
    } else {
        aci_workshop_number_text(value, t->studies[best].percent, 0);
        aci_workshop_text_add(&request->answer,
                              " The largest effect was %s%% [%d].", value,
                              best + 1);
        add_number(add_claim(out, "largest|strongest|biggest",
                             json_pack("[i]", best + 1)), value, "%");
    }
}

/* "[1] raised it, which supports the hypothesis. [2] did not change it." */
static void write_verdict(aci_request *request, review *out)
{
    static const char *const endings[N_FINDINGS] = {
        ", which supports the hypothesis.",
        ", which contradicts the hypothesis.", "."
    };
    static const char *const words[N_FINDINGS] = {
        "supported|support|supports",
        "contradicted|contradict|contradicts", "no effect|did not change"
    };
    static const int32_t told[N_FINDINGS] = { UP, DOWN, NONE };
    aci_topic *t = request->topic;
    const int32_t findings[N_FINDINGS] = { t->sign > 0 ? UP : DOWN,
                                           t->sign > 0 ? DOWN : UP, NONE };
    int32_t i, k;

    for (i = 0; i < t->n_studies; i++) {
        int32_t finding = finding_of(&t->studies[i]);

        if (t->studies[i].off_topic)
            continue;
        for (k = 0; findings[k] != finding; k++)
            ;
        aci_workshop_text_add(&request->answer, "%s[%d] %s it%s",
                              request->answer.n > 0 ? " " : "", i + 1,
                              verbs[finding][0], endings[k]);
        note_cited(t, i + 1);
    }
    add_findings(t, out, words, findings, false);
    add_findings(t, out, accepted, told, true);
}

/* ---- the request --------------------------------------------------------- */

static const char *const review_asks[] = {
    "What do they say about %s and %s? Cite by number.",
    "Summarise the effect of %s on %s with markers.",
    "Write up %s and %s, citing each source.",
    "State what is known on %s and %s, with citations.",
    "How does %s affect %s according to them?"
};
static const char *const verdict_asks[] = {
    "Which sources on %s and %s support it, which contradict it?",
    "Sort the studies of %s and %s into support and contradiction.",
    "Judge it by these findings on %s and %s.",
    "Do the sources on %s and %s back it? Cite them."
};

ac_status aci_workshop_request_literature(aci_request *request,
                                          ac_error *error)
{
    aci_topic *t = request->topic;
    bool verdict = t->hypothesis_step != 0;
    review made = { .claims = json_array(), .ignore = json_array() };
    aci_wording wording;
    int32_t i;

    request->kind = request->voice = "literature_review";
    request->max_tokens = 96;
    t->first_cited = t->last_cited = 0;
    draw_studies(request);
    aci_workshop_request_wording(&wording, request,
                                 verdict ? "verdict" : "review",
                                 verdict ? verdict_asks : review_asks,
                                 verdict ? 4 : 5, 1);
    if (verdict)
        aci_workshop_text_add(&request->prompt, "%s\nHypothesis: {{%d}}\n",
                              wording.opening, t->hypothesis_step);
    else
        aci_workshop_text_add(&request->prompt, "%s\n", wording.opening);
    for (i = 0; i < t->n_studies; i++) {
        add_study(request, i);
        if (t->studies[i].off_topic)
            json_array_append_new(made.ignore, json_integer(i + 1));
        else
            made.n_sources++;
    }
    aci_workshop_text_add(&request->prompt, wording.ask, t->predictor,
                          t->outcome->name);
    aci_workshop_text_add(&request->prompt, "\n");
    if (verdict) {
        write_verdict(request, &made);
    } else {
        write_findings(request, &made);
        if (request->level > 0)
            write_weight(request, &made);
    }
    t->review_step = request->step;
    request->check = json_pack(
        "{s:s, s:i, s:s, s:o, s:i, s:o, s:[], s:[], s:i}", "kind",
        "literature_review", "n_sources", t->n_studies, "source",
        request->prompt.data, "claims", made.claims, "min_sources",
        made.n_sources, "ignore", made.ignore, "words", "none", "max_words",
        80);
    if (!verdict)
        add_words(json_object_get(request->check, "words"), t->predictor);
    if (!verdict)
        add_words(json_object_get(request->check, "words"), t->outcome->name);
    if (made.n_sources < t->n_studies)
        add_words(json_object_get(request->check, "none"), t->rival);
    return aci_workshop_request_finish(request, error);
}
