/* target_choose.h - one option for every unit, the least loss in all that a
 * budget allows: the multiple-choice knapsack. */
#ifndef ACI_WORKSHOP_TARGET_CHOOSE_H
#define ACI_WORKSHOP_TARGET_CHOOSE_H

#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

typedef struct aci_target_option {
    double cost;               /* >= 0 */
    double loss;               /* >= 0 */
    int32_t kept;              /* heads or neurons */
    int32_t rank_qkv, rank_o;  /* 0: no factors */
} aci_target_option;

typedef struct aci_target_unit {
    aci_target_option *options;
    int32_t n;
} aci_target_unit;

/* chosen [n]: numbers of options; *loss their sum. By dynamic programming over
 * costs in 16,384 steps of the dearest choice of all, rounded up: a budget is
 * never exceeded, missed by a step for each unit at most, and a larger one is
 * never worse. Ties go to the first option.
 *
 * AC_E_BUDGET when no choice is that cheap: chosen are then the cheapest, and
 * *loss is infinite. AC_E_NO_MEMORY. */
ac_status aci_workshop_target_choose(int32_t *chosen, double *loss,
                                     aci_memory *memory,
                                     const aci_target_unit *units, int32_t n,
                                     double budget, ac_error *error);

/* What the cheapest option of every unit costs. */
double aci_workshop_target_least(const aci_target_unit *units, int32_t n);

#endif
