/* low_rank_allocate.c - which rank each of many matrices gets. */
#include <math.h>

#include "platform/error.h"
#include "workshop/compress/low_rank.h"

enum { LARGE = 1024 /* the smaller side from which ranks are wide */ };

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t aci_workshop_rank_multiple(int64_t n_out, int64_t n_in)
{
    return smaller(n_out, n_in) >= LARGE ? 64 : 16;
}

int64_t aci_workshop_rank_ceiling(int64_t n_out, int64_t n_in)
{
    int64_t multiple = aci_workshop_rank_multiple(n_out, n_in);
    double even = (double)n_out * (double)n_in / (double)(n_out + n_in);

    return (int64_t)(0.8 * even) / multiple * multiple;
}

/* What the next step of a choice brings for its cost; below 0: there is no
 * further step. */
static double gain(const aci_rank_choice *choice, int64_t rank,
                   int64_t multiple, double left)
{
    int64_t next = smaller(rank + multiple, choice->most);
    double cost = (double)(next - rank) * choice->cost_per_rank, drop;

    if (next == rank || cost > left)
        return -1.0;
    if (choice->error[0] <= 0.0)
        return 0.0;
    drop = (choice->error[rank] - choice->error[next]) / choice->error[0];
    return fmax(drop, 0.0) * (choice->weight > 0.0 ? choice->weight : 1.0) /
           cost;
}

static ac_status check(const aci_rank_choice *choices, int32_t n,
                       int64_t multiple, double budget, ac_error *error)
{
    int32_t i;

    if (n < 1 || multiple < 1 || !(budget > 0.0))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there are no ranks to choose");
    for (i = 0; i < n; i++)
        if (choices[i].most < 1 || !(choices[i].cost_per_rank > 0.0) ||
            isnan(choices[i].error[0]))
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "matrix %d has no ranks to choose from",
                                     (int)i);
    return AC_OK;
}

/* Half the equal share, in whole multiples, at least one. */
static double set_floors(int64_t *ranks, const aci_rank_choice *choices,
                         int32_t n, int64_t multiple, double budget)
{
    double all = 0.0, spent = 0.0, share;
    int32_t i;

    for (i = 0; i < n; i++)
        all += (double)choices[i].most * choices[i].cost_per_rank;
    share = fmin(budget / all, 1.0);
    for (i = 0; i < n; i++) {
        int64_t half = (int64_t)(0.5 * share * (double)choices[i].most);

        ranks[i] = half / multiple * multiple;
        if (ranks[i] < multiple)
            ranks[i] = smaller(multiple, choices[i].most);
        spent += (double)ranks[i] * choices[i].cost_per_rank;
    }
    return spent;
}

ac_status aci_workshop_allocate_ranks(int64_t *ranks,
                                      const aci_rank_choice *choices,
                                      int32_t n, int64_t multiple,
                                      double budget, ac_error *error)
{
    ac_status status = check(choices, n, multiple, budget, error);
    double spent;

    if (status != AC_OK)
        return status;
    spent = set_floors(ranks, choices, n, multiple, budget);
    if (spent > budget)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "ranks of %lld each cost %g, the budget was "
                                 "%g", (long long)multiple, spent, budget);
    for (;;) {
        int32_t best = -1, i;
        double most = -1.0;

        for (i = 0; i < n; i++) {
            double g = gain(&choices[i], ranks[i], multiple, budget - spent);

            if (g > most) {
                most = g;
                best = i;
            }
        }
        if (best < 0)
            return AC_OK;
        spent -= (double)ranks[best] * choices[best].cost_per_rank;
        ranks[best] = smaller(ranks[best] + multiple, choices[best].most);
        spent += (double)ranks[best] * choices[best].cost_per_rank;
    }
}
