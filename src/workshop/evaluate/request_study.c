/* request_study.c - random publications: names, titles, numbers. The pair
 * (first author, journal) is the fact that a split owns. */
#include <stdio.h>
#include <string.h>

#include "workshop/evaluate/request.h"

static void draw_authors(aci_study *out, aci_request *request)
{
    int32_t i, j;

    for (i = 0; i < out->n_authors; i++) {
        aci_author *author = &out->authors[i];
        bool again = true;

        author->given = aci_workshop_given_names[aci_workshop_request_below(
            request, ACI_N_GIVEN_NAMES)];
        author->middle = (char)(aci_workshop_request_chance(request, 25)
                                    ? "ABCDEFGHJKLMNPRST"
                                          [aci_workshop_request_below(
                                              request, 17)]
                                    : 0);
        while (again) {
            author->family =
                aci_workshop_family_names[aci_workshop_request_below(
                    request, ACI_N_FAMILY_NAMES)];
            again = false;
            for (j = 0; j < i; j++)
                again |= out->authors[j].family == author->family;
        }
    }
}

static void draw_title(aci_study *out, aci_request *request)
{
    const aci_domain *d = request->domain;
    const char *outcome =
        d->outcomes[aci_workshop_request_below(request, ACI_N_OUTCOMES)].name;
    const char *predictor =
        d->predictors[aci_workshop_request_below(request, ACI_N_PREDICTORS)];
    const char *setting =
        d->settings[aci_workshop_request_below(request, ACI_N_SETTINGS)];

    switch (aci_workshop_request_below(request, 6)) {
    case 0:
        snprintf(out->title, sizeof out->title, "Effects of %s on %s in %s",
                 predictor, outcome, setting);
        break;
    case 1:
        snprintf(out->title, sizeof out->title, "Measuring %s in %s", outcome,
                 setting);
        break;
    case 2:
        snprintf(out->title, sizeof out->title, "How %s shapes %s", predictor,
                 outcome);
        break;
    case 3:
        snprintf(out->title, sizeof out->title,
                 "A new look at %s and %s", predictor, outcome);
        break;
    case 4:
        snprintf(out->title, sizeof out->title, "Does %s change %s in %s",
                 predictor, outcome, setting);
        break;
    default:
        snprintf(out->title, sizeof out->title, "Notes on %s under varied %s",
                 outcome, predictor);
    }
}

void aci_workshop_request_study(aci_study *out, aci_request *request,
                                int32_t n_authors)
{
    const aci_domain *d = request->domain;

    memset(out, 0, sizeof *out);
    out->n_authors = n_authors;
    do {
        draw_authors(out, request);
        out->journal =
            d->journals[aci_workshop_request_below(request, ACI_N_JOURNALS)];
    } while (!aci_workshop_request_own(request, out->authors[0].family,
                                       out->journal));
    draw_title(out, request);
    out->year = aci_workshop_request_between(request, 1985, 2025);
    out->volume = aci_workshop_request_between(request, 2, 98);
    out->issue = aci_workshop_request_chance(request, 75)
                     ? aci_workshop_request_between(request, 1, 12)
                     : 0;
    out->first_page = aci_workshop_request_between(request, 11, 880);
    out->last_page =
        out->first_page + aci_workshop_request_between(request, 3, 29);
}
