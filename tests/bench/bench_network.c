/* bench_network.c - how much of the machine's matrix rate a whole training
 * step reaches, and where the rest goes.
 *
 *     make bench-network ARGS="[TOKENS [THREADS [RUNS [bf16]]]]"   16384 2 5
 *
 * A model of the size that ships, documents of 100 to 400 tokens, every row a
 * target. The matrix rate is that of the step's own products, alone and
 * repeated: each operation of the table is timed, products by shape, and the
 * shapes then run by themselves in the same process, in turns with steps. A
 * share counts what must be computed; packing tokens, recomputation and the
 * half of attention that the mask hides do not count. Medians of RUNS. One
 * thread is timed by the processor's clock, so that other programs take less
 * part in the figures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform/random.h"
#include "workshop/train/network_internal.h"

enum { MAX_SHAPES = 64, MAX_RUNS = 64, MAX_LINES = 32 };

typedef struct line {
    const char *name;
    double seconds;
} line;

typedef struct timed_shape {
    aci_multiply product;
    double seconds, alone;
    int n;
} timed_shape;

static aci_memory memory;
static const aci_training_operations *inner; /* what is timed */
static line lines[MAX_LINES];
static int n_lines;
static timed_shape shapes[MAX_SHAPES];
static int n_shapes;

static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;

    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void book(const char *name, double seconds)
{
    int i;

    for (i = 0; i < n_lines && strcmp(lines[i].name, name) != 0; i++)
        ;
    if (i == n_lines)
        lines[n_lines++].name = name;
    lines[i].seconds += seconds;
}

static int same(const aci_multiply *a, const aci_multiply *b)
{
    return a->m == b->m && a->n == b->n && a->k == b->k &&
           a->a_transposed == b->a_transposed &&
           a->b_transposed == b->b_transposed &&
           a->accumulate == b->accumulate;
}

static void multiply(aci_training *t, const aci_multiply *product)
{
    double began = now();
    int i;

    inner->multiply(t, product);
    began = now() - began;
    book("products", began);
    for (i = 0; i < n_shapes && !same(&shapes[i].product, product); i++)
        ;
    if (i == MAX_SHAPES)
        return;
    if (i == n_shapes)
        shapes[n_shapes++].product = *product;
    shapes[i].seconds += began;
    shapes[i].n++;
}

#define TIMED(operation, argument)                                            \
    static void operation(aci_training *t, const argument *call)              \
    {                                                                         \
        double began = now();                                                 \
                                                                              \
        inner->operation(t, call);                                            \
        book(#operation, now() - began);                                      \
    }
TIMED(norm, aci_training_norm)
TIMED(norm_backward, aci_training_norm)
TIMED(rotate, aci_training_rotation)
TIMED(rotate_backward, aci_training_rotation)
TIMED(attend, aci_training_attention)
TIMED(attend_backward, aci_training_attention)
TIMED(gate, aci_training_gate)
TIMED(gate_backward, aci_training_gate)
TIMED(cross_entropy, aci_training_loss)
TIMED(adamw, aci_training_adamw)

static void zero(aci_training *t, void *at, size_t bytes)
{
    double began = now();

    inner->zero(t, at, bytes);
    book("zero", now() - began);
}

static void gather(aci_training *t, aci_real *out, const aci_real *table,
                   const int32_t *rows, int64_t n_rows, int32_t width)
{
    double began = now();

    inner->gather(t, out, table, rows, n_rows, width);
    book("gather", now() - began);
}

static void scatter_add(aci_training *t, aci_real *table, const aci_real *in,
                        const int32_t *rows, int64_t n_rows, int32_t width)
{
    double began = now();

    inner->scatter_add(t, table, in, rows, n_rows, width);
    book("scatter_add", now() - began);
}

static double sum_squares(aci_training *t, const aci_real *x, int64_t n)
{
    double began = now(), sum = inner->sum_squares(t, x, n);

    book("sum_squares", now() - began);
    return sum;
}

static void time_operations(aci_network *network,
                            aci_training_operations *table)
{
    inner = network->training->operations;
    *table = *inner;
    table->multiply = multiply;
    table->norm = norm;
    table->norm_backward = norm_backward;
    table->rotate = rotate;
    table->rotate_backward = rotate_backward;
    table->attend = attend;
    table->attend_backward = attend_backward;
    table->gate = gate;
    table->gate_backward = gate_backward;
    table->cross_entropy = cross_entropy;
    table->adamw = adamw;
    table->zero = zero;
    table->gather = gather;
    table->scatter_add = scatter_add;
    table->sum_squares = sum_squares;
    network->training->operations = table;
}

/* ---- the work ------------------------------------------------------------ */

static const aci_shape shape = {
    .architecture = ACI_LLAMA, .n_layer = 6, .n_embd = 192, .n_head = 6,
    .n_head_kv = 2, .head_dim = 32, .n_ff = 512, .n_vocab = 4096,
    .n_context = 1024, .norm_eps = 1e-5f, .rope_theta = 10000.0f,
    .tied_embeddings = 1
};

static aci_batch make_batch(int32_t n)
{
    int32_t *tokens = malloc((size_t)n * 3 * sizeof *tokens);
    int32_t *starts = tokens + 2 * n, i, at = 0, n_documents = 0;
    aci_random random;

    if (tokens == NULL)
        exit(EXIT_FAILURE);
    aci_platform_random_seed(&random, 3);
    for (i = 0; i < 2 * n; i++)
        tokens[i] = (int32_t)aci_platform_random_below(&random, 4096);
    while (at < n) {
        starts[n_documents++] = at;
        at += 100 + (int32_t)aci_platform_random_below(&random, 301);
    }
    starts[n_documents] = n;
    return (aci_batch){ tokens, tokens + n, starts, n, n_documents };
}

static double step(aci_network *network, const aci_batch *batch, int64_t at)
{
    aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    aci_adamw adam = { 1e-4f, 0.9f, 0.95f, 1e-8f, 0.1f, 1.0f, at };
    ac_error error = AC_ERROR_INIT;
    double began = now(), loss;
    int64_t n;

    aci_workshop_network_clear(network);
    if (aci_workshop_network_step(network, &loss, &n, batch, &objective,
                                  1.0f / (float)batch->n_tokens,
                                  &error) != AC_OK ||
        aci_workshop_network_update(network, NULL, &adam, &error) != AC_OK) {
        fprintf(stderr, "bench_network: %s\n", error.message);
        exit(EXIT_FAILURE);
    }
    return now() - began;
}

/* All products of a step, each shape by itself: seconds. */
static double products_alone(aci_training *training)
{
    double sum = 0.0;
    int i, k;

    for (i = 0; i < n_shapes; i++) {
        int n = shapes[i].n > 8 ? 8 : shapes[i].n;
        double began = now();

        for (k = 0; k < n; k++)
            inner->multiply(training, &shapes[i].product);
        shapes[i].alone = (now() - began) / n;
        sum += shapes[i].alone * shapes[i].n;
    }
    return sum;
}

static double product_operations(void)
{
    double sum = 0.0;
    int i;

    for (i = 0; i < n_shapes; i++)
        sum += 2.0 * (double)shapes[i].product.m *
               (double)shapes[i].product.n * (double)shapes[i].product.k *
               shapes[i].n;
    return sum;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, compare);
    return x[n / 2];
}

static void print_profile(double total)
{
    double known = 0.0;
    int i;

    printf("\n  %-16s %8s %6s\n", "operation", "ms", "share");
    for (i = 0; i < n_lines; i++) {
        printf("  %-16s %8.1f %5.1f%%\n", lines[i].name,
               lines[i].seconds * 1e3, 100.0 * lines[i].seconds / total);
        known += lines[i].seconds;
    }
    printf("  %-16s %8.1f %5.1f%%\n", "rest", (total - known) * 1e3,
           100.0 * (total - known) / total);
    printf("\n  %-34s %3s %9s %9s\n", "product m n k", "n", "GFLOP/s",
           "alone");
    for (i = 0; i < n_shapes; i++) {
        const aci_multiply *p = &shapes[i].product;
        double work = 2.0 * (double)p->m * (double)p->n * (double)p->k * 1e-9;

        printf("  %6d %6d %6d %s%s%s %10s %3d %9.0f %9.0f\n", (int)p->m,
               (int)p->n, (int)p->k, p->a_transposed ? "a'" : "a ",
               p->b_transposed ? "b'" : "b ", p->accumulate ? "+" : " ", "",
               shapes[i].n, work * shapes[i].n / shapes[i].seconds,
               work / shapes[i].alone);
    }
}

static void measure(aci_network *network, const aci_batch *batch, int n_runs)
{
    double steps[MAX_RUNS], alone[MAX_RUNS], work, rate, total, first;
    int run;

    step(network, batch, 1);
    for (run = 0; run < n_runs; run++) {
        n_lines = n_shapes = 0;
        memset(lines, 0, sizeof lines);
        memset(shapes, 0, sizeof shapes);
        steps[run] = first = step(network, batch, run + 2);
        alone[run] = products_alone(network->training);
    }
    work = aci_workshop_network_operations(network, batch) * 1e-9;
    rate = product_operations() * 1e-9 / median(alone, n_runs);
    total = median(steps, n_runs);
    printf("%s: %d tokens in %d documents\n", network->training->description,
           batch->n_tokens, batch->n_documents);
    printf("step %.0f ms (%.0f to %.0f), %.0f tokens/s, %.1f GFLOP\n",
           total * 1e3, steps[0] * 1e3, steps[n_runs - 1] * 1e3,
           batch->n_tokens / total, work);
    printf("%.0f GFLOP/s end to end; its products alone %.0f: %.1f %%\n",
           work / total, rate, 100.0 * work / total / rate);
    print_profile(first);
}

int main(int argc, char **argv)
{
    int32_t n_tokens = argc > 1 ? atoi(argv[1]) : 16384;
    int n_threads = argc > 2 ? atoi(argv[2]) : 2;
    int n_runs = argc > 3 ? atoi(argv[3]) : 5;
    aci_network_options options = { .max_tokens = n_tokens };
    aci_training_operations table;
    ac_error error = AC_ERROR_INIT;
    aci_network *network;
    aci_batch batch;
    aci_pool *pool;

    if (argc > 4 && strcmp(argv[4], "bf16") == 0)
        options.precision = ACI_BFLOAT16;
    if (n_tokens < 1 || n_threads < 1 || n_runs < 1 || n_runs > MAX_RUNS) {
        fprintf(stderr, "bench_network [TOKENS [THREADS [RUNS "
                        "[bf16]]]]\n");
        return EXIT_FAILURE;
    }
    if (n_threads == 1)
        clock_used = CLOCK_THREAD_CPUTIME_ID;
    aci_platform_memory_init(&memory);
    if (aci_platform_pool_create(&pool, &memory, (uint32_t)n_threads,
                                 &error) != AC_OK ||
        aci_workshop_network_create(&network, &memory, pool, &shape, &options,
                                    &error) != AC_OK) {
        fprintf(stderr, "bench_network: %s\n", error.message);
        return EXIT_FAILURE;
    }
    aci_workshop_network_initialise(network, 1);
    time_operations(network, &table);
    batch = make_batch(n_tokens);
    measure(network, &batch, n_runs);
    network->training->operations = inner;
    aci_workshop_network_free(network);
    aci_platform_pool_free(pool);
    free((void *)(uintptr_t)batch.tokens);
    return EXIT_SUCCESS;
}
