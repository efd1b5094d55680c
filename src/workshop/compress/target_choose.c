/* target_choose.c - see target_choose.h. */
#include "workshop/compress/target_choose.h"

#include <math.h>

#include "platform/error.h"

enum { STEPS = 16384 };

typedef struct table {
    double *loss, *next;       /* [n_steps + 1]: least for so much cost */
    uint16_t *chosen;          /* [n, n_steps + 1] */
    int32_t n_steps;           /* that the budget has */
    double step;               /* cost of one */
} table;

static int32_t cheapest(const aci_target_unit *unit)
{
    int32_t best = 0;

    for (int32_t i = 1; i < unit->n; i++)
        if (unit->options[i].cost < unit->options[best].cost)
            best = i;
    return best;
}

double aci_workshop_target_least(const aci_target_unit *units, int32_t n)
{
    double sum = 0.0;

    for (int32_t u = 0; u < n; u++)
        sum += units[u].options[cheapest(&units[u])].cost;
    return sum;
}

static double dearest(const aci_target_unit *units, int32_t n)
{
    double sum = 0.0;

    for (int32_t u = 0; u < n; u++) {
        double most = 0.0;

        for (int32_t i = 0; i < units[u].n; i++)
            most = fmax(most, units[u].options[i].cost);
        sum += most;
    }
    return sum;
}

static int32_t steps_of(const table *t, double cost)
{
    double steps = t->step > 0.0 ? ceil(cost / t->step - 1e-9) : 0.0;

    return steps < STEPS + 1 ? (int32_t)steps : STEPS + 1;
}

/* One more unit: the best option of it for every cost. */
static void add_unit(table *t, const aci_target_unit *unit, uint16_t *chosen)
{
    double *swap = t->loss;

    for (int32_t s = 0; s <= t->n_steps; s++)
        t->next[s] = INFINITY;
    for (int32_t i = 0; i < unit->n; i++) {
        int32_t takes = steps_of(t, unit->options[i].cost);

        for (int32_t s = takes; s <= t->n_steps; s++) {
            double loss = t->loss[s - takes] + unit->options[i].loss;

            if (loss < t->next[s]) {
                t->next[s] = loss;
                chosen[s] = (uint16_t)i;
            }
        }
    }
    t->loss = t->next;
    t->next = swap;
}

static ac_status open_table(table *t, aci_memory *memory,
                            const aci_target_unit *units, int32_t n,
                            double budget, ac_error *error)
{
    size_t width;
    double all = dearest(units, n);

    t->step = all / STEPS;
    t->n_steps = budget >= all ? STEPS + n
                               : (int32_t)floor(budget / t->step + 1e-9);
    width = (size_t)t->n_steps + 1;
    t->loss = aci_platform_alloc_zeroed(memory, width, sizeof *t->loss);
    t->next = aci_platform_alloc_array(memory, width, sizeof *t->next);
    t->chosen = aci_platform_alloc_zeroed(memory, (size_t)n * width,
                                          sizeof *t->chosen);
    return t->loss != NULL && t->next != NULL && t->chosen != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "the choice for a target");
}

ac_status aci_workshop_target_choose(int32_t *chosen, double *loss,
                                     aci_memory *memory,
                                     const aci_target_unit *units, int32_t n,
                                     double budget, ac_error *error)
{
    table t = { .loss = NULL };
    int32_t left;
    ac_status status = AC_OK;

    *loss = INFINITY;
    for (int32_t u = 0; u < n; u++)
        chosen[u] = cheapest(&units[u]);
    if (!(budget >= aci_workshop_target_least(units, n)))
        return aci_platform_fail(error, AC_E_BUDGET,
                                 "no choice is as cheap as the target");
    status = open_table(&t, memory, units, n, budget, error);
    if (status == AC_OK) {
        size_t width = (size_t)t.n_steps + 1;

        for (int32_t u = 0; u < n; u++)
            add_unit(&t, &units[u], t.chosen + (size_t)u * width);
        *loss = t.loss[t.n_steps];
        left = t.n_steps;
        for (int32_t u = n; isfinite(*loss) && u-- > 0;) {
            chosen[u] = t.chosen[(size_t)u * width + (size_t)left];
            left -= steps_of(&t, units[u].options[chosen[u]].cost);
        }
        if (!isfinite(*loss)) { /* within a step of the least: take that */
            *loss = 0.0;
            for (int32_t u = 0; u < n; u++)
                *loss += units[u].options[chosen[u]].loss;
        }
    }
    aci_platform_free(memory, t.loss);
    aci_platform_free(memory, t.next);
    aci_platform_free(memory, t.chosen);
    return status;
}
