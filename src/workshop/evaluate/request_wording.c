/* request_wording.c - how prompts begin and ask.
 *
 * Every kind has openings (knowledge its own) that lean towards one level:
 * they are drawn with weights 6, 3, 1, 1 by distance, so the first words carry
 * some of the difficulty, not all of it. A template is (form, opening, ask,
 * layout), and is redrawn until the split owns it. The split ood-template
 * draws from openings that no other split has. */
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/evaluate/request.h"

enum { N_OPENINGS = 12, N_UNSEEN = 4, TRIES = 1000 };

typedef struct openings {
    const char *voice;
    const char *texts[N_OPENINGS];  /* three for each level */
    const char *unseen[N_UNSEEN];   /* ood-template */
} openings;

static const openings tables[] = {
    { "citation",
      { "Quick formatting job.", "One reference to tidy up.",
        "Please set this entry for me.", "For the reference list:",
        "I need this for the bibliography.",
        "Could you prepare a reference?", "The editor sent this back.",
        "A long record this time.", "Mind the extra fields here.",
        "Before we submit, one more reference.",
        "Choose carefully and then format.",
        "The co-authors disagree about this reference." },
      { "Reference desk request.", "Bibliography chores again.",
        "My reference manager broke.", "Typesetting question." } },
    { "data_to_text",
      { "Short summary, please.", "Put these numbers into words.",
        "One sentence for the abstract.", "For the results section:",
        "I have a small table.", "Please describe the measurements.",
        "The reviewer asks for a figure.", "Work it out from the data.",
        "We need the exact number here.", "Some arithmetic is needed.",
        "Careful with this one, it needs a calculation.",
        "Check the values twice before you answer." },
      { "Lab meeting in ten minutes.", "Caption wanted.",
        "Numbers into prose, if you would.", "Draft text for a poster." } },
    { "knowledge",
      { "A quick fact check.", "Textbook question.", "Look this up for me.",
        "For the methods section:", "A small calculation.",
        "I need a number for the appendix.", "Please verify this step.",
        "Double-check what I have here.", "The referee wants this worked out.",
        "This one takes a few steps.", "Go through it slowly.",
        "A longer case, please be exact." },
      { "Exam preparation.", "Whiteboard exercise.", "From the lab manual:",
        "Teaching notes." } },
    { "literature_review",
      { "Two abstracts to summarise.", "A short review paragraph, please.",
        "What does the literature say?", "For the related work section:",
        "Summarise these sources.", "I collected a few studies.",
        "The findings do not quite agree.", "Sort out these studies for me.",
        "Not all of these are relevant.", "There is a dispute here.",
        "Weigh the evidence below.", "The sources conflict, look closely." },
      { "Reading group notes.", "Journal club tomorrow.",
        "Background paragraph needed.", "Evidence table to prose." } },
    { "hypothesis",
      { "A simple pattern, I think.", "What do you see here?",
        "Suggest a hypothesis.", "Here are some observations.",
        "Which variable matters?", "Please propose an explanation.",
        "Something depends on the condition.",
        "The trend is not the same everywhere.",
        "Look at the groups one by one.",
        "Several variables, one real effect.",
        "There may be a confounder here.",
        "This data set is puzzling us." },
      { "Field notebook, page nine.", "Pattern hunting time.",
        "Grant idea wanted.", "Raw observations follow." } },
};

static const openings *openings_of(const char *voice)
{
    size_t i = 0;

    while (strcmp(tables[i].voice, voice) != 0)
        i++;
    return &tables[i];
}

/* An opening at distance 0, 1, 2, 3 of the level with weight 6, 3, 1, 1. */
static int32_t draw_opening(aci_request *request)
{
    static const int32_t weights[ACI_N_LEVELS] = { 6, 3, 1, 1 };
    int32_t sum = 0, level, at;

    for (level = 0; level < ACI_N_LEVELS; level++)
        sum += weights[level > request->level ? level - request->level
                                              : request->level - level];
    at = aci_workshop_request_below(request, sum);
    for (level = 0; level < ACI_N_LEVELS - 1; level++) {
        at -= weights[level > request->level ? level - request->level
                                             : request->level - level];
        if (at < 0)
            break;
    }
    return level * (N_OPENINGS / ACI_N_LEVELS) +
           aci_workshop_request_below(request, N_OPENINGS / ACI_N_LEVELS);
}

void aci_workshop_request_wording(aci_wording *out, aci_request *request,
                                  const char *form, const char *const *asks,
                                  int32_t n_asks, int32_t n_layouts)
{
    const openings *table = openings_of(request->voice);
    bool unseen = request->split == ACI_SPLIT_OOD_TEMPLATE;
    int32_t opening, ask, tries;

    for (tries = 0; tries < TRIES; tries++) {
        opening = unseen ? aci_workshop_request_below(request, N_UNSEEN)
                         : draw_opening(request);
        ask = aci_workshop_request_below(request, n_asks);
        out->layout = aci_workshop_request_below(request, n_layouts);
        out->opening = (unseen ? table->unseen : table->texts)[opening];
        out->ask = asks[ask];
        snprintf(request->template_id, sizeof request->template_id,
                 "%s.%d.%d.%d", form, (int)(opening + (unseen ? 100 : 0)),
                 (int)ask, (int)out->layout);
        if (aci_workshop_split_owns(request->split, request->template_id))
            return;
    }
    request->prompt.overflow = true; /* refused by finish; never seen */
}

int32_t aci_workshop_request_below(aci_request *request, int32_t n)
{
    return (int32_t)aci_platform_random_below(request->random, (uint64_t)n);
}

int32_t aci_workshop_request_between(aci_request *request, int32_t low,
                                     int32_t high)
{
    return low + aci_workshop_request_below(request, high - low + 1);
}

int32_t aci_workshop_request_chance(aci_request *request, int32_t percent)
{
    return aci_workshop_request_below(request, 100) < percent;
}

bool aci_workshop_request_own(aci_request *request, const char *first,
                              const char *second)
{
    char key[128];

    snprintf(key, sizeof key, "%s|%s", first, second);
    if (!aci_workshop_split_owns(request->split, key))
        return false;
    json_array_append_new(request->facts, json_string(key));
    return true;
}

ac_status aci_workshop_request_finish(aci_request *request, ac_error *error)
{
    if (request->prompt.overflow || request->answer.overflow)
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "a request of template %s did not fit",
                                 request->template_id);
    if (request->check == NULL || request->facts == NULL)
        return aci_platform_fail_memory(error, "a request");
    return AC_OK;
}
