/* prune_allocate.c - see prune_allocate.h. */
#include "workshop/compress/prune_allocate.h"

#include <math.h>

#include "platform/error.h"

static const double usual_share = 0.3;
enum { SMALL_MODEL = 6 };

static int is_protected(const aci_prune_rules *rules, int32_t layer)
{
    int large = rules->n_layer > SMALL_MODEL;
    int32_t first = rules->n_first, last = rules->n_last;

    if (first == 0 && large)
        first = 2;
    if (last == 0 && large)
        last = 1;
    return layer < first || (last > 0 && layer >= rules->n_layer - last);
}

int64_t aci_workshop_prune_least(const aci_prune_choice *choice,
                                 const aci_prune_rules *rules)
{
    double share = rules->least_share > 0.0 ? rules->least_share : usual_share;
    int64_t least;

    if (is_protected(rules, choice->layer))
        return choice->n_units;
    least = (int64_t)ceil(share * (double)choice->n_units - 1e-9);
    least = (least + choice->multiple - 1) / choice->multiple *
            choice->multiple;
    return least < choice->n_units ? least : choice->n_units;
}

/* The next fewer number of units: whole multiples, whatever n_units is. */
static int64_t fewer(const aci_prune_choice *choice, int64_t units)
{
    return (units - 1) / choice->multiple * choice->multiple;
}

/* The least loss per cost of giving up units now, and to how many. */
static double best_step(int64_t *to, const aci_prune_choice *choice,
                        int64_t units, int64_t least)
{
    double best = INFINITY;
    double scale = choice->loss[0] > 0.0 ? choice->loss[0] : 1.0;
    int64_t k;

    for (k = units > least ? fewer(choice, units) : -1; k >= least && k >= 0;
         k = k > 0 ? fewer(choice, k) : -1) {
        double cost = (double)(units - k) * choice->cost_per_unit;
        double loss = (choice->loss[k] - choice->loss[units]) / scale *
                      (choice->weight > 0.0 ? choice->weight : 1.0) / cost;

        if (loss < best) {
            best = loss;
            *to = k;
        }
    }
    return best;
}

static ac_status check(const aci_prune_choice *choices, int32_t n,
                       const aci_prune_rules *rules, ac_error *error)
{
    int32_t i;
    int64_t k;

    if (n < 1 || !(rules->target > 0.0) || !(rules->target <= 1.0) ||
        !(rules->fixed_cost >= 0.0) || !(rules->least_share >= 0.0) ||
        !(rules->least_share <= 1.0))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the target or the least share to keep was "
                                 "not between 0 and 1");
    for (i = 0; i < n; i++) {
        if (choices[i].n_units < 1 || choices[i].multiple < 1 ||
            !(choices[i].cost_per_unit > 0.0) || choices[i].layer < 0 ||
            choices[i].layer >= rules->n_layer)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "block %d has nothing to give up",
                                     (int)i);
        for (k = 0; k <= choices[i].n_units; k++)
            if (!isfinite(choices[i].loss[k]))
                return aci_platform_fail(error, AC_E_NUMERIC,
                                         "the losses of block %d were not "
                                         "finite", (int)i);
    }
    return AC_OK;
}

/* The block that loses least per cost, and to how many units; -1: none can. */
static int32_t next_block(int64_t *to, const int64_t *kept,
                          const aci_prune_choice *choices, int32_t n,
                          const aci_prune_rules *rules)
{
    double best = INFINITY;
    int32_t which = -1, i;

    for (i = 0; i < n; i++) {
        int64_t k = 0;
        double loss = best_step(&k, &choices[i], kept[i],
                                aci_workshop_prune_least(&choices[i],
                                                         rules));

        if (loss < best) {
            best = loss;
            which = i;
            *to = k;
        }
    }
    return which;
}

ac_status aci_workshop_prune_allocate(int64_t *kept, double *reached,
                                      const aci_prune_choice *choices,
                                      int32_t n, const aci_prune_rules *rules,
                                      ac_error *error)
{
    ac_status status = check(choices, n, rules, error);
    double whole, cost, enough;
    int64_t to = 0;
    int32_t i;

    if (status != AC_OK)
        return status;
    whole = rules->fixed_cost;
    for (i = 0; i < n; i++) {
        kept[i] = choices[i].n_units;
        whole += (double)kept[i] * choices[i].cost_per_unit;
    }
    cost = whole;
    enough = rules->target * whole * (1.0 + 1e-12);
    while (cost > enough &&
           (i = next_block(&to, kept, choices, n, rules)) >= 0)
        while (kept[i] > to && cost > enough) {
            int64_t k = fewer(&choices[i], kept[i]);

            cost -= (double)(kept[i] - k) * choices[i].cost_per_unit;
            kept[i] = k;
        }
    *reached = cost / whole;
    if (cost > enough)
        return aci_platform_fail(error, AC_E_BUDGET,
                                 "pruning stopped at %.3f of the cost, above "
                                 "the target of %.3f: blocks keep their least "
                                 "share", *reached, rules->target);
    return AC_OK;
}

ac_status aci_workshop_next_layer(int32_t *layer, const double *cosine,
                                  const uint8_t *gone,
                                  const aci_prune_rules *rules,
                                  ac_error *error)
{
    int32_t i;

    *layer = -1;
    for (i = 0; i < rules->n_layer; i++) {
        if (gone[i] || is_protected(rules, i))
            continue;
        if (!isfinite(cosine[i]))
            return aci_platform_fail(error, AC_E_NUMERIC,
                                     "the cosine of layer %d was not finite",
                                     (int)i);
        if (*layer < 0 || cosine[i] > cosine[*layer])
            *layer = i;
    }
    return AC_OK;
}
