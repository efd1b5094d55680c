/* predictor_judge.h - how good scores are, in the usual figures. Outcomes may
 * be fractions: an item of 0.3 counts as 0.3 success and 0.7 failure. Items
 * with NaN must be left out before. All give NaN when they are not defined. */
#ifndef ACI_WORKSHOP_TRAIN_PREDICTOR_JUDGE_H
#define ACI_WORKSHOP_TRAIN_PREDICTOR_JUDGE_H

#include <stddef.h>
#include <stdint.h>

/* What is sorted: scratch of [n] for all functions here. */
typedef struct aci_ranked {
    double key;
    uint32_t item;
} aci_ranked;

/* Chance that a success scores above a failure, ties counting half. */
double aci_workshop_auroc(aci_ranked *scratch, const double *scores,
                       const double *outcomes, uint32_t n);

/* Mean squared distance of probability and outcome. */
double aci_workshop_brier(const double *probabilities, const double *outcomes,
                       uint32_t n);

/* Expected calibration error: 15 bins of equally many items by probability;
 * the mean over items of |mean probability - mean outcome| of their bin. */
double aci_workshop_ece(aci_ranked *scratch, const double *probabilities,
                     const double *outcomes, uint32_t n);

/* The mean ECE of probabilities that are exactly right, on as many items:
 * what chance alone leaves (outcomes drawn 200 times). */
double aci_workshop_ece_floor(aci_ranked *scratch, double *drawn,
                           const double *probabilities, uint32_t n,
                           uint64_t seed);

/* Average performance gap recovered (RouteLLM): items go from the weak to the
 * strong variant in order of rising score; the area under (success - weak) /
 * (strong - weak) over the share sent. Random order gives 0.5. */
double aci_workshop_apgr(aci_ranked *scratch, const double *scores,
                      const double *weak, const double *strong, uint32_t n);

#endif
