/* request.h - one request being made: prompt, reference answer, checker, and
 * the studies, values and names that later requests of the same workflow go
 * back to. */
#ifndef ACI_WORKSHOP_REQUEST_H
#define ACI_WORKSHOP_REQUEST_H

#include <jansson.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/random.h"
#include "workshop/evaluate/workflow_domains.h"
#include "workshop/evaluate/workflow_split.h"
#include "workshop/evaluate/workflow_text.h"

enum { ACI_MAX_STUDIES = 5, ACI_MAX_AUTHORS = 4, ACI_N_LEVELS = 4 };

typedef struct aci_author {
    const char *family, *given;
    char middle;                 /* 'J', or 0 */
} aci_author;

/* A publication: what a citation is made from, and what it found. */
typedef struct aci_study {
    aci_author authors[ACI_MAX_AUTHORS];
    int32_t n_authors;
    int32_t year, volume, issue, first_page, last_page; /* issue 0: none */
    char title[128], doi[40];    /* doi "": none */
    const char *journal;
    int32_t sign;                /* +1 raised, -1 lowered, 0 no change */
    int32_t percent, n_counted;
    int32_t off_topic;           /* about another predictor */
} aci_study;

/* What the workflow is about; every step may lean on it. */
typedef struct aci_topic {
    const aci_quantity *outcome;
    const char *predictor, *rival;
    const aci_condition *condition;
    const char *condition_value;
    int32_t sign;
    aci_study studies[ACI_MAX_STUDIES];
    int32_t n_studies;           /* 0: no review yet */
    int32_t review_step;         /* 1-based; 0: none */
    int32_t first_cited, last_cited; /* study numbers in the review */
    int32_t hypothesis_step;
    int32_t summary_step;        /* a data summary with two values */
    int32_t first_value, second_value;
    const aci_pairing *pairing;
    const aci_quantity *measured;
} aci_topic;

typedef struct aci_request {
    aci_random *random;
    aci_split split;
    const aci_domain *domain;
    aci_topic *topic;
    int32_t demanding;           /* the workflow is one: 1, else 0 */
    int32_t step;                /* 1-based number in the workflow */
    int32_t level;               /* [0, ACI_N_LEVELS) */
    const char *kind;
    const char *voice;           /* which openings: the kind, or knowledge */
    char template_id[48];
    aci_text prompt, answer;
    json_t *facts;               /* list of keys */
    json_t *check;
    int32_t max_tokens;
} aci_request;

/* Each makes the request of its kind at request->level. They may set the
 * topic's *_step and values. AC_E_NO_MEMORY, or AC_E_INTERNAL when a text did
 * not fit. */
ac_status aci_workshop_request_citation(aci_request *request, ac_error *error);
ac_status aci_workshop_request_data(aci_request *request, ac_error *error);
ac_status aci_workshop_request_knowledge(aci_request *request,
                                         ac_error *error);
ac_status aci_workshop_request_literature(aci_request *request,
                                          ac_error *error);
ac_status aci_workshop_request_hypothesis(aci_request *request,
                                          ac_error *error);

/* request_wording.c: the opening words and the closing ask of a prompt, drawn
 * so that the template is the split's own. `form` names what is asked inside
 * the kind; openings lean towards a level without giving it away. */
typedef struct aci_wording {
    const char *opening, *ask;
    int32_t layout;              /* [0, n_layouts) */
} aci_wording;
void aci_workshop_request_wording(aci_wording *out, aci_request *request,
                                  const char *form, const char *const *asks,
                                  int32_t n_asks, int32_t n_layouts);

/* Random studies' bibliographic side, owned by the split. */
void aci_workshop_request_study(aci_study *out, aci_request *request,
                                int32_t n_authors);

/* [0, n) and [low, high]. */
int32_t aci_workshop_request_below(aci_request *request, int32_t n);
int32_t aci_workshop_request_between(aci_request *request, int32_t low,
                                     int32_t high);
/* 1 with that many chances in 100. */
int32_t aci_workshop_request_chance(aci_request *request, int32_t percent);

/* Adds a key to request->facts when the split owns it; else false. */
bool aci_workshop_request_own(aci_request *request, const char *first,
                              const char *second);

/* AC_OK when all texts fit and the objects were made. */
ac_status aci_workshop_request_finish(aci_request *request, ac_error *error);

#endif
