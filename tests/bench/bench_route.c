/* bench_route.c - how long a decision takes, tokenising included.
 *
 *     make bench-route                       random weights, random words
 *     make bench-route ARGS="FILE.acp OUTCOMES"   yours, on your prompts
 *     make bench-route ARGS="ZOO OUTCOMES"   ac_route of an opened zoo
 *
 * One thread, a different prompt every time, each decision timed on its own;
 * prints percentiles over 200,000 decisions, and the clock's own cost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/files.h"
#include "platform/random.h"
#include "router/predictor.h"
#include "workshop/train/predictor_outcomes.h"

enum { DECISIONS = 200000, MADE_UP = 2000 };

static const aci_candidate zoo[4] = {
    { "full", 1.0, 1000 }, { "strong", 1.0, 1000 },
    { "int8", 0.5, 500 }, { "int4", 0.3, 300 }
};

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Prompts of 20 to 400 words, when there are no real ones. */
static void make_up(aci_outcomes *out, aci_memory *memory)
{
    static char text[8192];
    aci_random random;
    size_t i, n;

    aci_platform_random_seed(&random, 1);
    out->memory = memory;
    out->items = aci_platform_alloc_zeroed(memory, MADE_UP,
                                           sizeof *out->items);
    for (i = 0; i < MADE_UP; i++) {
        uint64_t words = 20 + aci_platform_random_below(&random, 380);

        for (n = 0; words > 0 && n + 16 < sizeof text; words--) {
            uint64_t letters = 1 + aci_platform_random_below(&random, 10);

            while (letters-- > 0)
                text[n++] = (char)('a' + aci_platform_random_below(&random,
                                                                   26));
            text[n++] = words % 9 ? ' ' : '\n';
        }
        out->items[i].prompt = aci_platform_strndup(memory, text, n);
        out->items[i].prompt_bytes = n;
        out->n++;
    }
}

static aci_predictor *make_predictor(aci_memory *memory)
{
    aci_network_shape shape = { 15, 4096, 100, 4 };
    aci_predictor *p = aci_router_predictor_new(memory, &shape, 18);
    aci_random random;
    size_t i;

    aci_platform_random_seed(&random, 2);
    for (i = 0; p != NULL && i < p->places.total; i++)
        p->numbers[i] = (float)aci_platform_random_unit(&random) - 0.5f;
    return p;
}

static void report(const char *what, uint64_t *times, size_t n)
{
    static const double shares[] = { 0.5, 0.9, 0.99, 0.999 };
    size_t i;

    qsort(times, n, sizeof *times, compare);
    printf("%-22s", what);
    for (i = 0; i < 4; i++)
        printf("  p%-4g %6.2f us", shares[i] * 100,
               (double)times[(size_t)(shares[i] * (double)n)] * 1e-3);
    printf("  max %.1f us\n", (double)times[n - 1] * 1e-3);
}

/* With an engine, all of ac_route; else the router alone. */
static void measure(const ac_engine *engine, const aci_predictor *p,
                    const aci_outcomes *prompts)
{
    aci_policy policy = { 0.7f, 0.0f, -1, 0 };
    uint64_t *times = malloc(DECISIONS * sizeof *times);
    uint64_t check = 0, bytes = 0;
    size_t i;

    for (i = 0; i < DECISIONS; i++) {
        const aci_outcome *item = &prompts->items[i % prompts->n];
        ac_decision decision = AC_DECISION_INIT;
        uint64_t began = aci_platform_monotonic_nanoseconds();

        if (engine != NULL)
            ac_route(&decision, engine, item->prompt,
                     (size_t)item->prompt_bytes, NULL, NULL);
        else
            aci_router_decide(&decision, p, zoo, 4, 0, &policy, item->prompt,
                              (size_t)item->prompt_bytes);
        times[i] = aci_platform_monotonic_nanoseconds() - began;
        check += decision.prompt_hash;
        bytes += item->prompt_bytes;
    }
    printf("%d decisions, %zu prompts of %.0f bytes on average (check "
           "%016llx)\n", DECISIONS, prompts->n, (double)bytes / DECISIONS,
           (unsigned long long)check);
    report(engine != NULL ? "ac_route" : "decide", times, DECISIONS);
    for (i = 0; i < DECISIONS; i++) {
        uint64_t began = aci_platform_monotonic_nanoseconds();

        times[i] = aci_platform_monotonic_nanoseconds() - began;
    }
    report("of that, the clock", times, DECISIONS);
    free(times);
}

int main(int argc, char **argv)
{
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    aci_predictor *p = NULL;
    aci_outcomes prompts = { 0 };
    aci_memory memory;
    ac_status status = AC_OK;

    aci_platform_memory_init(&memory);
    if (argc > 1 && aci_platform_is_directory(argv[1]))
        status = ac_open(&engine, argv[1], NULL, &error);
    else if (argc > 1)
        status = aci_router_predictor_open(&p, &memory, argv[1], &error);
    else
        p = make_predictor(&memory);
    if (status == AC_OK && argc > 2)
        status = aci_workshop_outcomes_read(&prompts, &memory, argv[2],
                                            &error);
    else
        make_up(&prompts, &memory);
    if (status != AC_OK) {
        fprintf(stderr, "bench-route: %s\n", error.message);
        return 1;
    }
    measure(engine, p, &prompts);
    aci_workshop_outcomes_free(&prompts);
    aci_router_predictor_close(p);
    ac_close(engine);
    return 0;
}
