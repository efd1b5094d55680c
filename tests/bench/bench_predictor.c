/* bench_predictor.c - how well predictors do, over several seeds.
 *
 *     make bench-predictor ARGS="OUTCOMES [SEEDS [TEXT]...]"
 *
 * Trains one predictor for each seed 1..SEEDS (default 3), each on its own
 * split, and prints the report's figures, their mean and spread, and besides:
 * the calibration error that chance alone leaves on so few prompts, the error
 * in 15 bins of equal width, and that of all seeds' test predictions taken
 * together, which chance blurs less. For each TEXT (any text file) it prints
 * how many of its paragraphs the last predictor finds unfamiliar. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/files.h"
#include "workshop/train/predictor_data.h"
#include "workshop/train/predictor_judge.h"
#include "workshop/train/text_lines.h"
#include "workshop/workshop.h"

enum { MAX_SEEDS = 32, FIGURES = 16 };

static const char *const names[FIGURES] = {
    "AUROC", "Brier", "ECE", "ECE by chance", "ECE equal width",
    "AUROC length", "AUROC logistic", "APGR", "APGR random", "APGR length",
    "APGR logistic", "APGR oracle", "share to full", "retention",
    "unfamiliar", "seconds"
};

typedef struct pool {
    double *success, *labels;
    uint32_t n;
} pool;

static aci_memory memory;

static double equal_width(const double *p, const double *y, uint32_t n)
{
    double gap[15] = { 0 }, error = 0.0;
    uint32_t i;
    int bin;

    for (i = 0; i < n; i++) {
        bin = (int)(p[i] * 15.0);
        gap[bin > 14 ? 14 : bin] += p[i] - y[i];
    }
    for (bin = 0; bin < 15; bin++)
        error += fabs(gap[bin]);
    return error / n;
}

/* The test part again, by the same seed, through the file just written. */
static void look_again(double *figures, pool *all, const char *outcomes_path,
                       const char *file, uint64_t seed)
{
    aci_outcomes outcomes;
    aci_predictor_data data;
    aci_predictor *p = NULL;
    uint32_t i, first = all->n, unfamiliar = 0;
    aci_ranked *scratch;
    double *drawn;

    if (aci_workshop_outcomes_read(&outcomes, &memory, outcomes_path, NULL) ||
        aci_workshop_data_split(&data, &memory, &outcomes, 0.2f, seed, NULL) ||
        aci_router_predictor_open(&p, &memory, file, NULL))
        exit(1);
    all->success = realloc(all->success, (first + data.test.n) * 8);
    all->labels = realloc(all->labels, (first + data.test.n) * 8);
    for (i = 0; i < data.test.n; i++) {
        const aci_outcome *item = &outcomes.items[data.test.items[i]];
        float success[ACI_NETWORK_MAX_HEADS], strange;
        uint64_t hash;

        aci_router_predict(success, &strange, &hash, p, item->prompt,
                           (size_t)item->prompt_bytes);
        unfamiliar += strange > p->max_unfamiliarity;
        if (isnan(item->success[0]))
            continue;
        all->success[all->n] = (double)success[0];
        all->labels[all->n++] = (double)item->success[0];
    }
    scratch = malloc((all->n - first) * sizeof *scratch);
    drawn = malloc((all->n - first) * sizeof *drawn);
    figures[3] = aci_workshop_ece_floor(scratch, drawn, all->success + first,
                                     all->n - first, seed);
    figures[4] = equal_width(all->success + first, all->labels + first,
                             all->n - first);
    figures[14] = (double)unfamiliar / data.test.n;
    free(scratch);
    free(drawn);
    aci_router_predictor_close(p);
    aci_workshop_data_free(&data);
    aci_workshop_outcomes_free(&outcomes);
}

static void run_seed(double *figures, pool *all, const char *outcomes,
                     const char *file, uint64_t seed)
{
    ac_train_options options = AC_TRAIN_OPTIONS_INIT;
    ac_train_report r = AC_TRAIN_REPORT_INIT;
    ac_error error = AC_ERROR_INIT;
    uint64_t began = aci_platform_monotonic_nanoseconds();

    options.seed = seed;
    if (aci_workshop_train_predictor(&memory, &r, outcomes, file, &options,
                                     &error) != AC_OK) {
        fprintf(stderr, "bench-predictor: %s\n", error.message);
        exit(1);
    }
    figures[0] = r.auroc;
    figures[1] = r.brier;
    figures[2] = r.ece;
    figures[5] = r.auroc_length;
    figures[6] = r.auroc_logistic;
    figures[7] = r.apgr;
    figures[8] = r.apgr_random;
    figures[9] = r.apgr_length;
    figures[10] = r.apgr_logistic;
    figures[11] = r.apgr_oracle;
    figures[12] = r.share_full_at_threshold;
    figures[13] = r.retention_at_threshold;
    figures[15] =
        (double)(aci_platform_monotonic_nanoseconds() - began) * 1e-9;
    look_again(figures, all, outcomes, file, seed);
    printf("seed %2d: %u to train, %u to test, %u parameters; AUROC %.4f, "
           "ECE %.4f (by chance %.4f)\n",
           (int)seed, r.n_train, r.n_test, r.n_parameters, figures[0],
           figures[2], figures[3]);
    fflush(stdout);
}

static void print_figures(double (*figures)[FIGURES], int n)
{
    int i, j;

    for (j = 0; j < FIGURES; j++) {
        double sum = 0.0, squares = 0.0, low = figures[0][j], high = low;

        for (i = 0; i < n; i++) {
            sum += figures[i][j];
            low = figures[i][j] < low ? figures[i][j] : low;
            high = figures[i][j] > high ? figures[i][j] : high;
        }
        for (i = 0; i < n; i++)
            squares += (figures[i][j] - sum / n) * (figures[i][j] - sum / n);
        printf("%-16s mean %8.4f  deviation %.4f  lowest %.4f  highest "
               "%.4f\n", names[j], sum / n, sqrt(squares / (n > 1 ? n - 1 : 1)),
               low, high);
    }
}

/* Paragraphs of a text as prompts. */
static void print_unfamiliar(const char *text, const char *file)
{
    ac_error error = AC_ERROR_INIT;
    aci_text_lines *lines = NULL;
    aci_predictor *p = NULL;
    unsigned n = 0, unfamiliar = 0;
    const char *line;
    size_t n_bytes;

    if (aci_router_predictor_open(&p, &memory, file, &error) ||
        aci_workshop_lines_open(&lines, &memory, text, &error)) {
        fprintf(stderr, "bench-predictor: %s\n", error.message);
        exit(1);
    }
    while (n < 20000 && aci_workshop_lines_next(&line, &n_bytes, lines,
                                                NULL) == AC_OK &&
           line != NULL) {
        float success[ACI_NETWORK_MAX_HEADS], strange;
        uint64_t hash;

        if (n_bytes < 40)
            continue;
        aci_router_predict(success, &strange, &hash, p, line, n_bytes);
        unfamiliar += strange > p->max_unfamiliarity;
        n++;
    }
    printf("%s: %u of %u lines unfamiliar (%.1f %%; threshold %.3f)\n", text,
           unfamiliar, n, 100.0 * unfamiliar / (n ? n : 1),
           (double)p->max_unfamiliarity);
    aci_workshop_lines_close(lines);
    aci_router_predictor_close(p);
}

int main(int argc, char **argv)
{
    static double figures[MAX_SEEDS][FIGURES];
    pool all = { NULL, NULL, 0 };
    aci_ranked *scratch;
    double *drawn;
    char file[64];
    int n_seeds = argc > 2 ? atoi(argv[2]) : 3, i;

    if (argc < 2 || n_seeds < 1 || n_seeds > MAX_SEEDS) {
        fprintf(stderr, "usage: bench_predictor OUTCOMES [SEEDS [TEXT]...]\n");
        return 1;
    }
    aci_platform_memory_init(&memory);
    snprintf(file, sizeof file, "/tmp/bench-predictor-%ld.acp",
             (long)getpid());
    for (i = 0; i < n_seeds; i++)
        run_seed(figures[i], &all, argv[1], file, (uint64_t)i + 1);
    print_figures(figures, n_seeds);
    scratch = malloc(all.n * sizeof *scratch);
    drawn = malloc(all.n * sizeof *drawn);
    printf("all %u test predictions: AUROC %.4f, ECE %.4f (by chance %.4f), "
           "ECE equal width %.4f\n", all.n,
           aci_workshop_auroc(scratch, all.success, all.labels, all.n),
           aci_workshop_ece(scratch, all.success, all.labels, all.n),
           aci_workshop_ece_floor(scratch, drawn, all.success, all.n, 1),
           equal_width(all.success, all.labels, all.n));
    for (i = 3; i < argc; i++)
        print_unfamiliar(argv[i], file);
    remove(file);
    return 0;
}
