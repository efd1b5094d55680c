/* training_steps.c - see training_steps.h.
 *
 * The model that ships: Llama, 6 layers, 192 wide, 6 heads (2 for keys and
 * values), feed-forward 512, 4,096 tokens, tied. Batches are documents of 256
 * tokens with a target at every row. A round is, for float32 and then for bf16,
 * a probe of products by each level and some steps (forward, backward, AdamW);
 * shares are within the round, medians over rounds. */
#include "training_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "workshop/train/trainer.h"

enum { ROUNDS = 5, DOCUMENT = 256 };

typedef struct bench_batch {
    int32_t *tokens, *targets, *starts;
    aci_batch batch;
} bench_batch;

static void stop(const ac_error *error)
{
    fprintf(stderr, "bench_train: %s\n", error->message);
    exit(EXIT_FAILURE);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

static void make_batch(bench_batch *out, int32_t n)
{
    int32_t i, n_documents = n / DOCUMENT;

    out->tokens = malloc((size_t)n * sizeof(int32_t));
    out->targets = malloc((size_t)n * sizeof(int32_t));
    out->starts = malloc(((size_t)n_documents + 1) * sizeof(int32_t));
    if (out->tokens == NULL || out->targets == NULL || out->starts == NULL)
        exit(EXIT_FAILURE);
    for (i = 0; i < n; i++) {
        out->tokens[i] = (int32_t)(i * 7919L % 4096);
        out->targets[i] = (int32_t)((i + 1) * 7919L % 4096);
    }
    for (i = 0; i <= n_documents; i++)
        out->starts[i] = i * DOCUMENT;
    out->batch = (aci_batch){ out->tokens, out->targets, out->starts, n,
                              n_documents };
}

static void free_batch(bench_batch *batch)
{
    free(batch->tokens);
    free(batch->targets);
    free(batch->starts);
}

/* Seconds of one step, over as many as take half a second. */
static double time_steps(aci_network *network, const aci_batch *batch,
                         int64_t *n_done)
{
    const aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    uint64_t began = aci_platform_monotonic_nanoseconds(), now;
    ac_error error = AC_ERROR_INIT;
    int n = 0;

    do {
        aci_adamw settings = { 1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 1.0f,
                               ++*n_done };
        int64_t n_targets;
        double loss;

        aci_workshop_network_clear(network);
        if (aci_workshop_network_step(network, &loss, &n_targets, batch,
                                      &objective, 1.0f / (float)batch->n_tokens,
                                      &error) != AC_OK ||
            aci_workshop_network_update(network, NULL, &settings, &error) !=
                AC_OK)
            stop(&error);
        n++;
        now = aci_platform_monotonic_nanoseconds();
    } while (now - began < 500000000u);
    return (double)(now - began) * 1e-9 / n;
}

static double probe(aci_memory *memory, aci_pool *pool, const aci_shape *shape,
                    int32_t n_tokens, const char *level)
{
    ac_error error = AC_ERROR_INIT;
    double rate;

    return aci_workshop_rate_measure(&rate, memory, pool, shape, n_tokens,
                                     level, &error) == AC_OK
               ? rate : 0.0;
}

/* Networks of one size, by precision; NULL: not on this processor. */
typedef struct bench_run {
    aci_network *network;
    const char *name, *level;
    int64_t n_done;
    double tokens[ROUNDS], rates[ROUNDS], ours[ROUNDS], openblas[ROUNDS];
    double gain[ROUNDS];   /* tokens, over those of float32 */
} bench_run;

static void open_run(bench_run *run, aci_memory *memory, aci_pool *pool,
                     const aci_shape *shape, int32_t n_tokens,
                     int32_t precision)
{
    aci_network_options options = { .max_tokens = n_tokens,
                                    .precision = precision };
    ac_error error = AC_ERROR_INIT;
    ac_status status = aci_workshop_network_create(
        &run->network, memory, pool, shape, &options, &error);

    run->name = precision == ACI_BFLOAT16 ? "bf16" : "float32";
    run->level = precision == ACI_BFLOAT16 ? ACI_MULTIPLY_BFLOAT16 : NULL;
    if (status == AC_E_UNSUPPORTED) {
        printf("SKIP %s: %s\n", run->name, error.message);
        return;
    }
    if (status != AC_OK)
        stop(&error);
    aci_workshop_network_initialise(run->network, 1);
}

static void report_run(bench_run *run, int32_t n_tokens)
{
    printf("  %-7s %6d tokens   %7.0f tokens/s   %5.0f G/s   %3.0f%% of our "
           "products   %3.0f%% of OpenBLAS's   %.2f of float32\n", run->name,
           n_tokens, median(run->tokens), median(run->rates) * 1e-9,
           100.0 * median(run->ours), 100.0 * median(run->openblas),
           median(run->gain));
    fflush(stdout);
}

static void bench_size(aci_memory *memory, aci_pool *pool,
                       const aci_shape *shape, int32_t n_tokens)
{
    bench_run runs[2] = { 0 };
    bench_batch batch;

    make_batch(&batch, n_tokens);
    for (int k = 0; k < 2; k++)
        open_run(&runs[k], memory, pool, shape, n_tokens,
                 k == 0 ? ACI_FLOAT32 : ACI_BFLOAT16);
    for (int i = -1; i < ROUNDS; i++) { /* the first is not counted */
        double blas = probe(memory, pool, shape, n_tokens, "openblas");
        int at = i < 0 ? 0 : i;

        for (int k = 0; k < 2 && runs[k].network != NULL; k++) {
            bench_run *run = &runs[k];
            double own = probe(memory, pool, shape, n_tokens, run->level);
            double seconds = time_steps(run->network, &batch.batch,
                                        &run->n_done);

            run->rates[at] = aci_workshop_network_operations(
                                 run->network, &batch.batch) / seconds;
            run->tokens[at] = n_tokens / seconds;
            run->ours[at] = run->rates[at] / own;
            run->openblas[at] = blas > 0.0 ? run->rates[at] / blas : 0.0;
            run->gain[at] = run->tokens[at] / runs[0].tokens[at];
        }
    }
    for (int k = 0; k < 2 && runs[k].network != NULL; k++)
        report_run(&runs[k], n_tokens);
    for (int k = 0; k < 2; k++)
        aci_workshop_network_free(runs[k].network);
    free_batch(&batch);
}

void bench_training_steps(aci_memory *memory)
{
    static const aci_shape shape = {
        .architecture = ACI_LLAMA, .n_layer = 6, .n_embd = 192, .n_head = 6,
        .n_head_kv = 2, .head_dim = 32, .n_ff = 512, .n_vocab = 4096,
        .n_context = 1024, .tied_embeddings = 1, .norm_eps = 1e-5f,
        .rope_theta = 10000.0f
    };
    static const int32_t sizes[] = { 2048, 4096, 16384 };
    ac_error error = AC_ERROR_INIT;
    aci_pool *pool = NULL;

    if (aci_platform_pool_create(&pool, memory, 0, &error) != AC_OK)
        stop(&error);
    printf("whole steps, %d threads: forward, backward, AdamW\n",
           aci_platform_pool_threads(pool));
    for (int i = 0; i < 3; i++)
        bench_size(memory, pool, &shape, sizes[i]);
    aci_platform_pool_free(pool);
}
