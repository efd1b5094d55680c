/* bench.h - what the files of `agentcompress bench` share: what is asked for,
 * and the rows that come of it.
 *
 * A row is JSON: of one variant and one length of prompt the medians of several
 * runs, or why there are none. Rows are kept by the variant's number, since
 * those of a large model may be timed in another order. */
#ifndef BENCH_H
#define BENCH_H

#include "cli.h"

enum { MAX_RUNS = 32, MAX_LENGTHS = 8, MAX_PRICES = 8 };

typedef struct bench_price {
    char name[64], provider[64], as_of[16], source[256];
    double dollars_per_hour;       /* NaN: unset */
} bench_price;

typedef struct bench {
    open_arguments open;
    const char *synthetic, *variant;
    const char *lengths_text;      /* "512,2048"; NULL: by the device */
    uint32_t lengths[MAX_LENGTHS], n_lengths;
    uint32_t n_generate;           /* 0 until bench_settle */
    uint32_t n_runs;
    bool json, speculate;
    const char *price_book;        /* NULL: the one built in. What the engine
                                      charges is not looked at */
    text_list wanted_prices;
    bench_price prices[MAX_PRICES];
    uint32_t n_prices;
    progress_state progress;
    double began;                  /* progress_seconds of the first run */
    uint64_t n_done;               /* runs */
    uint32_t n_variants;           /* that are to be timed */
    /* Found. */
    char name[128], device[320];
    uint64_t device_bytes;         /* most of any opening */
    double open_seconds;           /* of all openings */
    json_t *rows[AC_MAX_VARIANTS]; /* arrays; NULL: not asked for */
} bench;

/* An engine with a session that holds the longest prompt. */
typedef struct bench_opened {
    ac_engine *engine;
    ac_session *session;
    ac_engine_info info;
} bench_opened;

/* ---- bench_time.c -------------------------------------------------------- */

/* "512,2048" into numbers; false when it is not 1 to MAX_LENGTHS of them. */
bool bench_read_lengths(bench *b);
/* Opens what the path names; lengths that were not given follow from the
 * device of the first. Closed again after a failure. */
ac_status bench_open(bench_opened *out, bench *b, const char *path,
                     ac_error *error);
void bench_close(bench_opened *opened);
/* Times variant number `v` of the engine into the rows of number `row`. */
ac_status bench_variant(bench *b, const bench_opened *opened, uint32_t v,
                        uint32_t row, ac_error *error);

/* ---- bench_synthetic.c --------------------------------------------------- */

/* Rows of random weights, and what the zoo of them is (ac_inspect's words). */
ac_status bench_synthetic(json_t **out_zoo, bench *b, ac_error *error);

/* ---- bench_table.c ------------------------------------------------------- */

/* The prices asked for, or those that go with the device. */
ac_status bench_find_prices(bench *b, ac_error *error);
/* Costs relative to full and in dollars into the rows; then all of them. */
json_t *bench_finish_rows(bench *b);
/* The whole as JSON or as tables; both release what they are given. */
json_t *bench_summary(bench *b, json_t *rows, json_t *zoo);
void bench_print(const bench *b, json_t *rows, json_t *zoo);

#endif
