/* bench_cpu.c - decode and prefill of whole models of well-known shapes with
 * random weights, each figure beside the roof it is held against.
 *
 *     make bench-cpu ARGS="smollm-135m llama-3.2-1b"     [--rival]
 *
 * For every shape, thread count and variant: runs of generation alternate with
 * probes of linear reading and of vpdpbusd, in the same process; medians. With
 * --rival another thread keeps one processor busy all the while. The zoo is
 * made in /tmp and removed. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentcompress.h"
#include "roofs.h"

enum { RUNS = 5, DECODE = 64, PREFILL = 512, ROOF_BYTES = 1 << 29 };

typedef struct series {
    double values[RUNS];
} series;

static _Atomic int rival_runs;

static void *rival(void *user)
{
    volatile uint64_t n = 0;

    (void)user;
    while (atomic_load(&rival_runs))
        n++;
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(series *s)
{
    qsort(s->values, RUNS, sizeof *s->values, compare);
    return s->values[RUNS / 2];
}

static void check(ac_status status, const ac_error *error)
{
    if (status == AC_OK)
        return;
    fprintf(stderr, "bench_cpu: %s\n", error->message);
    exit(EXIT_FAILURE);
}

/* One generation: sets tokens per second of both passes. */
static void generate(double *prefill, double *decode, ac_session *session,
                     const char *variant, uint32_t n_prompt, uint32_t n)
{
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_error error = AC_ERROR_INIT;
    char prompt[PREFILL + 1];
    static unsigned turn;
    uint32_t i;

    turn++;
    for (i = 0; i < n_prompt; i++) /* bytes are tokens; never the same text */
        prompt[i] = (char)('a' + (i * 7 + turn * 11 + i / 26) % 26);
    options.variant = variant;
    options.max_tokens = n;
    options.ignore_end = 1;
    check(ac_generate(&result, session, prompt, n_prompt, &options, &error),
          &error);
    *prefill = (double)result.usage->prompt_tokens * 1e9 /
               (double)result.usage->prefill_nanoseconds;
    *decode = (double)result.usage->generated_tokens * 1e9 /
              (double)result.usage->decode_nanoseconds;
}

static double head_macs(const ac_engine *engine)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;

    check(ac_describe(&info, engine, NULL), NULL);
    return (double)info.n_embd * (double)info.n_vocab;
}

static void bench_variant(const ac_engine *engine, ac_session *session,
                          aci_pool *pool, const uint8_t *memory,
                          const char *name)
{
    series decode, prefill, share, roof, peak;
    ac_variant_info info = AC_VARIANT_INFO_INIT;
    double ignored, operations;
    uint32_t v = 0;
    int i;

    while (strcmp(info.name, name) != 0)
        check(ac_variant_describe(&info, engine, v++, NULL), NULL);
    generate(&ignored, &ignored, session, name, 16, 4); /* warm */
    for (i = 0; i < RUNS; i++) {
        double before = roof_read(pool, memory, ROOF_BYTES), after;

        generate(&ignored, &decode.values[i], session, name, 16, DECODE);
        after = roof_read(pool, memory, ROOF_BYTES);
        roof.values[i] = 0.5 * (before + after);
        share.values[i] = decode.values[i] * (double)info.bytes_per_token *
                          1e-9 / roof.values[i];
        peak.values[i] = roof_multiply(pool);
        generate(&prefill.values[i], &ignored, session, name, PREFILL, 1);
    }
    /* the output head runs once per prompt: it is not counted */
    operations = 2e-9 * ((double)info.macs_per_token - head_macs(engine));
    printf("  %-6s decode %8.1f t/s  %6.2f GB/s of %6.2f  %4.0f %%   "
           "prefill %7.1f t/s  %5.0f GOP/s of %5.0f  %4.0f %%\n",
           name, median(&decode),
           median(&decode) * (double)info.bytes_per_token * 1e-9,
           median(&roof), 100.0 * median(&share), median(&prefill),
           median(&prefill) * operations, median(&peak),
           100.0 * median(&prefill) * operations / median(&peak));
    fflush(stdout);
}

static void bench_threads(const char *zoo, uint32_t n_threads,
                          const uint8_t *memory)
{
    static const char *const variants[] = { "int4", "int8", "full" };
    ac_open_options open = AC_OPEN_OPTIONS_INIT;
    ac_session_options options = AC_SESSION_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = NULL;
    ac_session *session = NULL;
    aci_memory own;
    aci_pool *pool = NULL;
    int v;

    aci_platform_memory_init(&own);
    check(aci_platform_pool_create(&pool, &own, n_threads, &error), &error);
    open.n_threads = n_threads;
    check(ac_open(&engine, zoo, &open, &error), &error);
    options.n_context = PREFILL + 64;
    check(ac_session_open(&session, engine, &options, &error), &error);
    printf("%u threads\n", n_threads);
    for (v = 0; v < 3; v++)
        bench_variant(engine, session, pool, memory, variants[v]);
    ac_session_close(session);
    ac_close(engine);
    aci_platform_pool_free(pool);
}

static void bench_shape(const char *shape, const uint8_t *memory)
{
    static const char *const files[] = { "zoo.json", "weights.acw",
                                         "tokenizer.act" };
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    char source[128], zoo[128], file[256];
    uint32_t n = aci_platform_cpu_count(), i;

    snprintf(source, sizeof source, "synthetic:%s", shape);
    snprintf(zoo, sizeof zoo, "/tmp/bench-cpu-%ld.zoo", (long)getpid());
    check(ac_compress(source, zoo, &options, &error), &error);
    printf("\n%s\n", shape);
    bench_threads(zoo, 1, memory);
    if (n > 1)
        bench_threads(zoo, n, memory);
    for (i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s/%s", zoo, files[i]);
        unlink(file);
    }
    rmdir(zoo);
}

int main(int argc, char **argv)
{
    uint8_t *memory = malloc(ROOF_BYTES);
    int i, n_shapes = 0, with_rival = 0;
    pthread_t thread;

    if (memory == NULL)
        return EXIT_FAILURE;
    memset(memory, 1, ROOF_BYTES);
    for (i = 1; i < argc; i++)
        with_rival |= strcmp(argv[i], "--rival") == 0;
    atomic_store(&rival_runs, with_rival);
    if (with_rival)
        pthread_create(&thread, NULL, rival, NULL);
    for (i = 1; i < argc; i++)
        if (strcmp(argv[i], "--rival") != 0) {
            bench_shape(argv[i], memory);
            n_shapes++;
        }
    if (n_shapes == 0) {
        bench_shape("smollm-135m", memory);
        bench_shape("llama-3.2-1b", memory);
    }
    if (with_rival) {
        atomic_store(&rival_runs, 0);
        pthread_join(thread, NULL);
    }
    free(memory);
    return EXIT_SUCCESS;
}
