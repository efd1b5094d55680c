/* bench_ledger.c - what accounting adds to a request: reserving, settling and
 * expecting. The file is in the folder named by the first argument, else
 * build/: its disk is what is measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accountant/accountant.h"
#include "platform/clock.h"

enum { N = 1000 };

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void tell(const char *what, uint64_t *times)
{
    qsort(times, N, sizeof *times, by_size);
    printf("%-28s p50 %8.1f us   p99 %8.1f us   max %8.1f us\n", what,
           (double)times[N / 2] * 1e-3, (double)times[N * 99 / 100] * 1e-3,
           (double)times[N - 1] * 1e-3);
}

static aci_model made_model(void)
{
    aci_model model;

    memset(&model, 0, sizeof model);
    model.shape = (aci_shape){ .architecture = ACI_LLAMA, .n_layer = 32,
                               .n_embd = 4096, .n_head = 32, .n_head_kv = 8,
                               .head_dim = 128, .n_ff = 14336,
                               .n_vocab = 128256, .n_context = 8192 };
    model.group = 64;
    model.n_variants = 2;
    for (int i = 0; i < 2; i++) {
        aci_variant *v = &model.variants[i];

        strcpy(v->name, i ? "int4" : "full");
        v->weight_bits = v->head_bits = v->embed_bits = i ? 4 : 16;
        v->activation_bits = i ? 8 : 16;
    }
    return model;
}

static int run(aci_accountant *accountant)
{
    static uint64_t reserve[N], settle[N], expect[N];
    ac_decision decision = AC_DECISION_INIT;
    aci_decision_inputs inputs = { .n_candidates = 2 };
    ac_error error = AC_ERROR_INIT;

    strcpy(decision.variant_name, "int4");
    for (int i = 0; i < N; i++) {
        ac_usage usage = { sizeof usage, 1, 200, 0, 64, 0, 0, 0, 0, 0, 0, 0,
                           1000, 1000000, 2000000, 0, 0, 0, 0, 0, 0 };
        uint64_t t0 = aci_platform_monotonic_nanoseconds(), t1, t2;
        aci_meter meter;
        double seconds;
        int64_t dollars;

        if (aci_accountant_reserve(&meter, accountant, &decision, &inputs, 1,
                                   "bench", &error) != AC_OK)
            break;
        t1 = aci_platform_monotonic_nanoseconds();
        if (aci_accountant_settle(&usage, accountant, &meter, 16, 0, 1,
                                  &decision, &error) != AC_OK)
            break;
        t2 = aci_platform_monotonic_nanoseconds();
        aci_accountant_estimate(&seconds, &dollars, accountant, 1, 200, 64);
        expect[i] = aci_platform_monotonic_nanoseconds() - t2;
        reserve[i] = t1 - t0;
        settle[i] = t2 - t1;
    }
    if (error.status != 0) {
        fprintf(stderr, "%s\n", error.message);
        return EXIT_FAILURE;
    }
    tell("reserve (survives a kill)", reserve);
    tell("settle (on the disk)", settle);
    tell("expectation, one variant", expect);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    aci_model model = made_model();
    aci_accountant_options options = { 0 };
    aci_accountant *accountant;
    ac_error error = AC_ERROR_INIT;
    aci_memory memory;
    char path[1024];
    int code;

    snprintf(path, sizeof path, "%s/bench-ledger-%d.sqlite",
             argc > 1 ? argv[1] : "build", (int)getpid());
    options.ledger_path = path;
    aci_platform_memory_init(&memory);
    if (aci_accountant_open(&accountant, &memory, &model, &options,
                            &error) != AC_OK) {
        fprintf(stderr, "%s\n", error.message);
        return EXIT_FAILURE;
    }
    printf("%d requests, ledger in %s\n", (int)N, path);
    code = run(accountant);
    aci_accountant_close(accountant);
    unlink(path);
    return code;
}
