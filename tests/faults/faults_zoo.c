/* faults_zoo.c - see faults_zoo.h. */
#include "faults/faults_zoo.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[64];

const char *faults_path(const char *name)
{
    static char paths[4][160];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Outcomes a predictor can learn: long prompts fail on int4. */
static void write_outcomes(const char *path)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 120; i++)
        fprintf(file,
                "{\"prompt\": \"%s number %d %s\", \"success\": {\"full\": 1, "
                "\"int8\": 1, \"int4\": %d}}\n",
                i % 2 ? "say the word" : "prove the theorem", i,
                i % 3 ? "now" : "at once", i % 2);
    fclose(file);
}

void faults_zoo_make(void)
{
    ac_compress_options options = AC_COMPRESS_OPTIONS_INIT;
    ac_train_options training = AC_TRAIN_OPTIONS_INIT;
    ac_error error = AC_ERROR_INIT;
    char zoo[160], predictor[160];

    strcpy(folder, "/tmp/ac-test-faults-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    strcpy(zoo, faults_path("tiny.zoo"));
    strcpy(predictor, faults_path("predictor.acp"));
    write_outcomes(faults_path("outcomes.jsonl"));
    training.max_epochs = 2;
    training.seed = 1;
    ck_assert_msg(ac_train_predictor(NULL, faults_path("outcomes.jsonl"),
                                     predictor, &training, &error) == AC_OK,
                  "%s", error.message);
    options.seed = 1;
    options.predictor_path = predictor;
    ck_assert_msg(ac_compress("synthetic:tiny", zoo, &options, &error) ==
                  AC_OK, "%s", error.message);
}

void faults_zoo_remove(void)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static ac_status use_session(ac_engine *engine, ac_error *error)
{
    static const char prompt[] = "say the word number 7 now";
    static const int32_t tokens[] = { 1, 2, 3, 4 };
    ac_session_options options = AC_SESSION_OPTIONS_INIT;
    ac_generate_options generate = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;
    ac_session *session = NULL;
    float logprobs[4];
    ac_status status;

    options.n_context = 64;
    generate.max_tokens = 3;
    generate.ignore_end = 1;
    status = ac_session_open(&session, engine, &options, error);
    if (status == AC_OK)
        status = ac_generate(&result, session, prompt, sizeof prompt - 1,
                             &generate, error);
    if (status == AC_OK)
        status = ac_score(logprobs, NULL, session, tokens, 4, "int4", error);
    ac_session_close(session);
    return status;
}

static int32_t take_row(const ac_ledger_totals *row, void *user)
{
    (void)row;
    (void)user;
    return 0;
}

static int32_t take_entry(const ac_ledger_entry *entry, void *user)
{
    (void)entry;
    (void)user;
    return 0;
}

static ac_status use_ledger(const char *path, ac_error *error)
{
    ac_ledger *ledger = NULL;
    ac_status status = ac_ledger_open(&ledger, path, error);

    if (status == AC_OK)
        status = ac_ledger_totals_by(ledger, AC_BY_VARIANT, take_row, NULL,
                                     error);
    if (status == AC_OK)
        status = ac_ledger_read(ledger, 0, take_entry, NULL, error);
    ac_ledger_close(ledger);
    return status;
}

ac_status faults_use_zoo(const char *path, const ac_open_options *options,
                         ac_error *error)
{
    ac_engine_info info = AC_ENGINE_INFO_INIT;
    ac_decision decision = AC_DECISION_INIT;
    ac_engine *engine = NULL;
    int32_t tokens[64];
    size_t n_tokens;
    ac_status status = ac_open(&engine, path, options, error);

    if (status != AC_OK) {
        ck_assert_ptr_null(engine);
        return status;
    }
    status = ac_describe(&info, engine, error);
    for (uint32_t i = 0; status == AC_OK && i < info.n_variants; i++) {
        ac_variant_info variant = AC_VARIANT_INFO_INIT;

        status = ac_variant_describe(&variant, engine, i, error);
    }
    if (status == AC_OK)
        status = ac_tokenize(tokens, 64, &n_tokens, engine, "hello", 5, 0,
                             error);
    if (status == AC_OK)
        status = ac_route(&decision, engine, "hello", 5, NULL, error);
    if (status == AC_OK)
        status = use_session(engine, error);
    ac_close(engine);
    if (status == AC_OK && options != NULL && options->ledger_path != NULL)
        status = use_ledger(options->ledger_path, error);
    return status;
}
