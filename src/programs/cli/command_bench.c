/* command_bench.c - `agentcompress bench`: tokens per second of every variant,
 * prefill and decode, and what a thousand of them cost. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static ac_status bench_zoo(bench *b, const char *zoo, ac_error *error)
{
    bench_opened opened;
    uint32_t i, v, n_timed = 0;
    ac_status status = bench_open(&opened, b, zoo, error);

    if (status != AC_OK)
        return status;
    b->n_variants = b->variant != NULL ? 1 : opened.info.n_variants;
    for (i = 0; i < opened.info.n_variants && status == AC_OK; i++) {
        ac_variant_info variant = AC_VARIANT_INFO_INIT;

        v = (opened.info.full_variant + i) % opened.info.n_variants;
        status = ac_variant_describe(&variant, opened.engine, v, error);
        if (status != AC_OK ||
            (b->variant && strcmp(b->variant, variant.name) != 0))
            continue;
        status = bench_variant(b, &opened, v, i, error); /* full first */
        n_timed++;
    }
    bench_close(&opened);
    if (status != AC_OK || n_timed > 0)
        return status;
    snprintf(error->message, sizeof error->message, "%.200s has no variant "
             "\"%.60s\"", zoo, b->variant);
    return AC_E_NOT_FOUND;
}

static int check(bench *b, bool has_zoo)
{
    if (!bench_read_lengths(b)) {
        fprintf(stderr, "agentcompress bench: --prompt takes 1 to %d numbers "
                "from 1 to 65536, like 512,2048\n", MAX_LENGTHS);
        return EXIT_USAGE;
    }
    if (b->n_runs < 1 || b->n_runs > MAX_RUNS || b->n_generate > 65536) {
        fprintf(stderr, "agentcompress bench: --runs takes 1 to %d, "
                "--generate 1 to 65536\n", MAX_RUNS);
        return EXIT_USAGE;
    }
    if (b->wanted_prices.n > MAX_PRICES) {
        fprintf(stderr, "agentcompress bench: --price takes at most %d "
                "names\n", MAX_PRICES);
        return EXIT_USAGE;
    }
    if (has_zoo == (b->synthetic != NULL)) {
        fprintf(stderr, "agentcompress bench: give ZOO or --synthetic\n");
        return EXIT_USAGE;
    }
    return -1;
}

static int run_bench(bench *b, const char *zoo_path)
{
    ac_error error = AC_ERROR_INIT;
    json_t *zoo = NULL, *rows;
    ac_status status = bench_find_prices(b, &error); /* before hours of work */

    b->began = progress_seconds();
    if (status == AC_OK)
        status = zoo_path != NULL ? bench_zoo(b, zoo_path, &error)
                                  : bench_synthetic(&zoo, b, &error);
    if (status == AC_OK)
        status = bench_find_prices(b, &error);
    end_progress(&b->progress);
    rows = bench_finish_rows(b);
    if (status == AC_OK && b->json)
        return print_json(bench_summary(b, rows, zoo));
    if (status == AC_OK) {
        bench_print(b, rows, zoo);
        return EXIT_DONE;
    }
    json_decref(rows);
    json_decref(zoo);
    return report_failure(status, &error);
}

int command_bench(int argc, char **argv, const command *self)
{
    bench *b = calloc(1, sizeof *b);
    const char *zoo = NULL;
    int code;

    if (b == NULL) {
        const ac_error error = { .message = "out of memory" };

        return report_failure(AC_E_NO_MEMORY, &error);
    }
    b->n_runs = 3;
    b->open.progress = &b->progress;
    {
        const argument table[] = {
            { "synthetic", ARGUMENT_TEXT, &b->synthetic, "SHAPE",
              "random weights: llama-2-70b, smollm-135m, ..." },
            { "variant", ARGUMENT_TEXT, &b->variant, "V", "only this one" },
            { "prompt", ARGUMENT_TEXT, &b->lengths_text, "N,...",
              "tokens (128; SHAPE on a GPU: 512,2048)" },
            { "generate", ARGUMENT_NUMBER, &b->n_generate, "N",
              "tokens (64; SHAPE on a GPU: 128)" },
            { "runs", ARGUMENT_NUMBER, &b->n_runs, "N", "of each (3)" },
            { "speculate", ARGUMENT_FLAG, &b->speculate, NULL,
              "int4 drafts for the others" },
            { "prices", ARGUMENT_TEXT, &b->price_book, "FILE",
              "price book (the one built in)" },
            { "price", ARGUMENT_EACH, &b->wanted_prices, "NAME",
              "entry of it, as often as wanted\n"
              "                         (a GPU: h200 and a100; else "
              "local-cpu)" },
            { "json", ARGUMENT_FLAG, &b->json, NULL,
              "a JSON array; of SHAPE an object" },
            OPEN_ARGUMENTS(b->open),
        };

        code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, &zoo, 0, 1);
    }
    if (code < 0)
        code = check(b, zoo != NULL);
    if (code < 0)
        code = run_bench(b, zoo);
    free(b);
    return code;
}
