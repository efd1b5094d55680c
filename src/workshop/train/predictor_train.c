/* predictor_train.c - outcomes in, predictor and report out.
 *
 *     read -> split -> templates -> features -> five fits, each without a fold
 *          -> the fit on all -> calibrate -> judge
 *
 * The report is of the test part, which nothing before it has seen, and of
 * the cheapest variant: the first one named in the file that is not "full"
 * or "strong". */
#include <math.h>
#include <string.h>

#include "platform/error.h"
#include "platform/random.h"
#include "workshop/train/predictor_fit.h"
#include "workshop/train/predictor_judge.h"
#include "workshop/workshop.h"

enum {
    WIDE = 4096,
    EMBEDDING = 100,
    FAMILIAR_BITS = 96, /* of the filter, for each prompt read */
    RANDOM_ORDERS = 32
};

/* One test prompt's outcomes and everybody's score for it. */
typedef struct columns {
    uint32_t n;
    double *weak, *strong; /* outcomes of the cheapest and of full */
    double *success;       /* the predictor's, calibrated */
    double *length, *logistic, *oracle, *chance;
    aci_ranked *scratch;
    double *memory;
} columns;

/* Heads: the cheapest, and full (-1: not in the file, counts as 1). */
static void find_heads(uint32_t *cheapest, int32_t *full,
                       const aci_outcomes *outcomes)
{
    uint32_t k;

    *full = -1;
    *cheapest = UINT32_MAX;
    for (k = 0; k < outcomes->n_heads; k++) {
        if (strcmp(outcomes->names[k], "full") == 0 ||
            strcmp(outcomes->names[k], "strong") == 0)
            *full = (int32_t)k;
        else if (*cheapest == UINT32_MAX)
            *cheapest = k;
    }
    if (*cheapest == UINT32_MAX)
        *cheapest = 0;
}

/* A prompt brings about 12 new words and pairs; with 96 bits for it, 1 in 20
 * of those never seen is taken for known. At most 128 KiB: a large collection
 * brings fewer that are new. */
static uint32_t familiar_log2(uint32_t n_prompts)
{
    uint64_t bits = (uint64_t)n_prompts * FAMILIAR_BITS;
    uint32_t log2 = 14;

    while (log2 < 20 && ((uint64_t)1 << log2) < bits)
        log2++;
    return log2;
}

static ac_status make_predictor(aci_predictor **out, aci_memory *memory,
                                aci_predictor_data *data,
                                const ac_train_options *options,
                                ac_error *error)
{
    aci_network_shape shape = { options->n_prefix_tokens, WIDE, EMBEDDING,
                                data->n_heads };
    aci_templates templates;
    ac_status status;

    *out = aci_router_predictor_new(memory, &shape,
                                    familiar_log2(data->train.n));
    if (*out == NULL)
        return aci_platform_fail_memory(error, "a predictor");
    memcpy((*out)->names, data->outcomes->names, sizeof (*out)->names);
    status = aci_workshop_find_templates(&templates, data, error);
    if (status == AC_OK)
        status = aci_router_predictor_set_templates(*out, &templates, error);
    if (status == AC_OK)
        status = aci_workshop_data_read(data, *out, error);
    return status;
}

/* ---- Judging ------------------------------------------------------------- */

static ac_status allocate_columns(columns *c, aci_memory *memory, uint32_t n,
                                  ac_error *error)
{
    memset(c, 0, sizeof *c);
    c->memory = aci_platform_alloc_array(memory, n, 7 * sizeof(double));
    c->scratch = aci_platform_alloc_array(memory, n, sizeof *c->scratch);
    if (c->memory == NULL || c->scratch == NULL)
        return aci_platform_fail_memory(error, "judging the predictor");
    c->weak = c->memory;
    c->strong = c->weak + n;
    c->success = c->strong + n;
    c->length = c->success + n;
    c->logistic = c->length + n;
    c->oracle = c->logistic + n;
    c->chance = c->oracle + n;
    return AC_OK;
}

/* +1 when longer prompts succeed more often in the training part, else -1. */
static double length_sign(const aci_predictor_data *data, uint32_t head)
{
    double n = 0.0, x = 0.0, y = 0.0, xy = 0.0;
    uint32_t i;

    for (i = 0; i < data->train.n; i++) {
        uint32_t item = data->train.items[i];
        double label = (double)aci_data_label(data, item, head);
        double length =
            (double)data->features[item].shape[ACI_SHAPE_LENGTH];

        if (isnan(label))
            continue;
        n += 1.0;
        x += length;
        y += label;
        xy += length * label;
    }
    return xy * n - x * y > 0.0 ? 1.0 : -1.0;
}

/* Rows of the test prompts that know the cheapest's and full's outcome. */
static void fill_columns(columns *c, const aci_predictor_data *data,
                         const aci_predictor *predictor, uint32_t cheapest,
                         int32_t full, const double *logistic)
{
    double sign = length_sign(data, cheapest);
    uint32_t i;

    for (i = 0; i < data->test.n; i++) {
        uint32_t item = data->test.items[i], n = c->n;
        float weak = aci_data_label(data, item, cheapest);
        float strong = full < 0 ? 1.0f
                                : aci_data_label(data, item, (uint32_t)full);
        float success[ACI_NETWORK_MAX_HEADS];

        if (isnan(weak) || isnan(strong))
            continue;
        aci_router_network_run(success, predictor->numbers, &predictor->shape,
                               &predictor->places, &data->inputs[item]);
        c->weak[n] = (double)weak;
        c->strong[n] = (double)strong;
        c->success[n] = (double)success[cheapest];
        c->length[n] = sign * (double)data->outcomes->items[item].prompt_bytes;
        c->logistic[n] = logistic[i];
        c->oracle[n] = (double)weak - (double)strong;
        c->n++;
    }
}

static double random_apgr(columns *c, uint64_t seed)
{
    aci_random random;
    double sum = 0.0;
    uint32_t i;
    int order;

    aci_platform_random_seed(&random, seed);
    for (order = 0; order < RANDOM_ORDERS; order++) {
        for (i = 0; i < c->n; i++)
            c->chance[i] = aci_platform_random_unit(&random);
        sum += aci_workshop_apgr(c->scratch, c->chance, c->weak, c->strong,
                              c->n);
    }
    return sum / RANDOM_ORDERS;
}

/* The real policy at its default threshold over the test prompts. */
static void judge_policy(ac_train_report *report,
                         const aci_predictor_data *data,
                         const aci_predictor *predictor, uint32_t cheapest,
                         int32_t full)
{
    aci_candidate candidates[2] = {
        { predictor->names[cheapest], 0.5, -1 },
        { full < 0 ? "full" : predictor->names[full], 1.0, -1 }
    };
    aci_policy policy = { 0.0f, 0.0f, -1, 0 };
    double n = 0.0, to_full = 0.0, reached = 0.0, possible = 0.0;
    uint32_t i;

    for (i = 0; i < data->test.n; i++) {
        const aci_outcome *item =
            &data->outcomes->items[data->test.items[i]];
        float weak = item->success[cheapest];
        float strong = full < 0 ? 1.0f : item->success[full];
        ac_decision decision;

        if (isnan(weak) || isnan(strong))
            continue;
        aci_router_decide(&decision, predictor, candidates, 2, 1, &policy,
                          item->prompt, (size_t)item->prompt_bytes);
        n += 1.0;
        to_full += decision.variant;
        reached += (double)(decision.variant ? strong : weak);
        possible += (double)strong;
    }
    report->share_full_at_threshold = n > 0.0 ? to_full / n : NAN;
    report->retention_at_threshold = possible > 0.0 ? reached / possible : NAN;
}

static void fill_report(ac_train_report *report, columns *c, uint64_t seed)
{
    aci_ranked *s = c->scratch;

    report->auroc = aci_workshop_auroc(s, c->success, c->weak, c->n);
    report->brier = aci_workshop_brier(c->success, c->weak, c->n);
    report->ece = aci_workshop_ece(s, c->success, c->weak, c->n);
    report->auroc_length = aci_workshop_auroc(s, c->length, c->weak, c->n);
    report->auroc_logistic = aci_workshop_auroc(s, c->logistic, c->weak, c->n);
    report->apgr = aci_workshop_apgr(s, c->success, c->weak, c->strong, c->n);
    report->apgr_length = aci_workshop_apgr(s, c->length, c->weak, c->strong,
                                         c->n);
    report->apgr_logistic = aci_workshop_apgr(s, c->logistic, c->weak,
                                              c->strong, c->n);
    report->apgr_oracle = aci_workshop_apgr(s, c->oracle, c->weak, c->strong,
                                         c->n);
    report->apgr_random = random_apgr(c, seed);
}

/* How long: told by the first fold held out; then on all, as the predictor. */
static ac_status fit_baseline(double *scores, aci_predictor_data *data,
                              const aci_predictor *predictor, uint32_t head,
                              uint32_t n_weights,
                              const aci_fit_settings *settings,
                              ac_error *error)
{
    aci_fit_settings s = *settings;
    uint32_t epochs = 0;
    ac_status status;

    aci_workshop_data_take(data, 0);
    status = aci_workshop_fit_logistic(scores, &epochs, data, predictor, head,
                                       n_weights, &s, error);
    aci_workshop_data_take(data, ACI_FOLDS);
    s.max_epochs = epochs > 0 ? epochs : 1;
    if (status == AC_OK)
        status = aci_workshop_fit_logistic(scores, &epochs, data, predictor,
                                           head, n_weights, &s, error);
    return status;
}

static ac_status judge(ac_train_report *report, aci_predictor *predictor,
                       aci_predictor_data *data,
                       const aci_fit_settings *settings, ac_error *error)
{
    uint32_t n_numbers = aci_router_predictor_parameters(predictor), cheapest;
    int32_t full;
    double *logistic = NULL;
    columns c;
    ac_status status = allocate_columns(&c, data->memory, data->test.n, error);

    find_heads(&cheapest, &full, data->outcomes);
    logistic = aci_platform_alloc_array(data->memory, data->test.n,
                                        sizeof *logistic);
    if (status == AC_OK && logistic == NULL)
        status = aci_platform_fail_memory(error, "judging the predictor");
    if (status == AC_OK)
        status = fit_baseline(logistic, data, predictor, cheapest, n_numbers,
                              settings, error);
    if (status == AC_OK) {
        fill_columns(&c, data, predictor, cheapest, full, logistic);
        fill_report(report, &c, settings->seed);
        judge_policy(report, data, predictor, cheapest, full);
        report->n_parameters = n_numbers;
        report->n_train = data->train.n;
        report->n_calibrate = data->train.n; /* each held out once */
        report->n_test = data->test.n;
        report->n_variants = data->n_heads;
    }
    aci_platform_free(data->memory, logistic);
    aci_platform_free(data->memory, c.memory);
    aci_platform_free(data->memory, c.scratch);
    return status;
}

/* ---- The whole ----------------------------------------------------------- */

/* Defaults put in, and what is out of range refused. */
static ac_status settle_options(ac_train_options *out,
                                const ac_train_options *options,
                                ac_error *error)
{
    static const ac_train_options none = AC_TRAIN_OPTIONS_INIT;

    *out = options != NULL ? *options : none;
    if (out->n_prefix_tokens == 0)
        out->n_prefix_tokens = ACI_ROUTER_MAX_TOKENS;
    if (out->test_share == 0.0f)
        out->test_share = 0.2f;
    if (out->n_prefix_tokens < ACI_ROUTER_MIN_TOKENS ||
        out->n_prefix_tokens > ACI_ROUTER_MAX_TOKENS)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_prefix_tokens was %u, not 10 to 15",
                                 out->n_prefix_tokens);
    if (!(out->test_share > 0.0f && out->test_share <= 0.9f))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "test_share was not in (0, 0.9]");
    return AC_OK;
}

/* Five fits for when to stop and how to calibrate, then the one to keep. */
static ac_status fit_all(aci_predictor *predictor, aci_predictor_data *data,
                         aci_held_scores *held,
                         const aci_fit_settings *settings, ac_error *error)
{
    aci_fit_settings s = *settings;
    uint32_t fold, epochs = 0, sum = 0;
    ac_status status = AC_OK;

    s.epochs_total = (uint64_t)settings->max_epochs * (ACI_FOLDS + 1);
    for (fold = 0; status == AC_OK && fold < ACI_FOLDS; fold++) {
        aci_workshop_data_take(data, fold);
        aci_workshop_data_familiarise(predictor, data);
        s.epochs_before = (uint64_t)settings->max_epochs * fold;
        status = aci_workshop_fit(predictor, &epochs, data, &s, error);
        if (status == AC_OK)
            status = aci_workshop_held_score(held, predictor, data, error);
        sum += epochs;
    }
    aci_workshop_data_take(data, ACI_FOLDS);
    aci_workshop_data_familiarise(predictor, data);
    s.max_epochs = (sum + ACI_FOLDS / 2) / ACI_FOLDS;
    s.max_epochs = s.max_epochs < 1 ? 1 : s.max_epochs;
    s.epochs_before = s.epochs_total - s.max_epochs;
    if (status == AC_OK)
        status = aci_workshop_fit(predictor, &epochs, data, &s, error);
    if (status == AC_OK)
        status = aci_workshop_calibrate(predictor, data, held, error);
    return status;
}

static ac_status learn(aci_predictor **out, ac_train_report *report,
                       aci_predictor_data *data,
                       const ac_train_options *options, ac_error *error)
{
    aci_held_scores held = { 0 };
    aci_fit_settings settings;
    ac_status status;

    aci_workshop_fit_defaults(&settings);
    settings.seed = options->seed;
    if (options->max_epochs != 0)
        settings.max_epochs = options->max_epochs;
    settings.on_progress = options->on_progress;
    settings.progress_user = options->progress_user;
    status = make_predictor(out, data->memory, data, options, error);
    if (status == AC_OK)
        status = aci_workshop_held_new(&held, data, error);
    if (status == AC_OK)
        status = fit_all(*out, data, &held, &settings, error);
    if (status == AC_OK)
        status = judge(report, *out, data, &settings, error);
    if (status == AC_OK)
        (*out)->record = (aci_predictor_record){
            report->n_train, report->n_calibrate, report->n_test,
            (float)report->auroc, (float)report->brier, (float)report->ece,
            options->seed
        };
    aci_workshop_held_free(&held);
    return status;
}

ac_status aci_workshop_train_predictor(aci_memory *memory,
                                       ac_train_report *report,
                                       const char *outcomes_path,
                                       const char *predictor_path,
                                       const ac_train_options *options,
                                       ac_error *error)
{
    ac_train_report own = AC_TRAIN_REPORT_INIT;
    aci_outcomes outcomes = { .memory = memory };
    aci_predictor_data data = { .memory = memory };
    aci_predictor *predictor = NULL;
    ac_train_options settled;
    ac_status status = settle_options(&settled, options, error);

    if (status == AC_OK)
        status = aci_workshop_outcomes_read(&outcomes, memory, outcomes_path,
                                            error);
    if (status == AC_OK)
        status = aci_workshop_data_split(&data, memory, &outcomes,
                                         settled.test_share, settled.seed,
                                         error);
    if (status == AC_OK)
        status = learn(&predictor, &own, &data, &settled, error);
    if (status == AC_OK)
        status = aci_router_predictor_write(predictor, predictor_path, error);
    if (status == AC_OK && report != NULL)
        *report = own;
    aci_router_predictor_close(predictor);
    aci_workshop_data_free(&data);
    aci_workshop_outcomes_free(&outcomes);
    return status;
}
