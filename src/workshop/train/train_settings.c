/* train_settings.c - options of a training run: ranges, defaults, the learning
 * rate of every step, and what two runs must share to be the same. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/trainer.h"

#define PI 3.14159265358979323846

/* ---- ranges -------------------------------------------------------------- */

static ac_status in_range(const char *name, double value, double least,
                          double most, ac_error *error)
{
    if (value >= least && value <= most)
        return AC_OK;
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "%s was %g, not in [%g, %g]", name, value, least,
                             most);
}

static ac_status check_ranges(const ac_training_options *o, ac_error *error)
{
    const struct {
        const char *name;
        double value, least, most;
    } rows[] = {
        { "n_epochs", o->n_epochs, 0, 1e6 },
        { "learning_rate", o->learning_rate, 0, 1 },
        { "final_rate_share", o->final_rate_share, 0, 1 },
        { "warmup_share", o->warmup_share, -1, 1 },
        { "beta_1", o->beta_1, 0, 0.99999 },
        { "beta_2", o->beta_2, 0, 0.9999999 },
        { "weight_decay", o->weight_decay, -1, 10 },
        { "clip_norm", o->clip_norm, -1, 1e6 },
        { "held_out_share", o->held_out_share, 0, 0.5 },
        { "distill_share", o->distill_share, 0, 1 },
        { "distill_temperature", o->distill_temperature, 0, 100 },
        { "average_decay", o->average_decay, 0, 0.999999 },
        { "lora_alpha", o->lora_alpha, 0, 1e4 },
        { "lora_rank", o->lora_rank, 0, 1024 },
        { "batch_tokens", o->batch_tokens, 0, 1 << 22 },
        { "n_accumulate", o->n_accumulate, 0, 1024 },
        { "n_context", o->n_context, 0, 1 << 20 },
        { "documents", o->documents, 0, AC_DOCUMENTS_LINE },
        { "evaluate_tokens", o->evaluate_tokens, 0, 1u << 30 },
        { "from_scratch", o->from_scratch, 0, 1 },
        { "recompute", o->recompute, 0, 1 },
        { "resume", o->resume, 0, 1 },
        { "overwrite", o->overwrite, 0, 1 },
        { "n_threads", o->n_threads, 0, 1024 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ac_status status = in_range(rows[i].name, rows[i].value,
                                    rows[i].least, rows[i].most, error);

        if (status != AC_OK)
            return status;
    }
    if (o->n_steps > (uint64_t)1 << 40)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_steps was more than 2^40");
    if (o->resume && o->overwrite)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "resume and overwrite exclude each other");
    return AC_OK;
}

/* ---- words --------------------------------------------------------------- */

static ac_status take_schedule(aci_train_settings *out, ac_error *error)
{
    static const char *const names[] = { "cosine", "linear", "constant" };
    const char *name = out->given.schedule;

    if (name == NULL)
        out->given.schedule = name = names[0];
    for (int32_t i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            out->schedule = i;
            return AC_OK;
        }
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "schedule \"%.40s\" is not known; cosine, linear "
                             "and constant are", name);
}

/* "q,v" to bits in the order of network.h. */
static ac_status take_matrices(aci_train_settings *out, ac_error *error)
{
    static const char *const names[] = { "q", "k", "v", "o", "gate", "up",
                                         "down" };
    const char *at = out->given.matrices;

    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, ",");
        int i = 0;

        while (i < 7 && (strlen(names[i]) != n ||
                         memcmp(names[i], at, n) != 0))
            i++;
        if (i == 7)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "matrices \"%.60s\": there are q, k, v, "
                                     "o, gate, up, down",
                                     out->given.matrices);
        out->network.matrices |= 1u << i;
        at += n + (at[n] == ',');
    }
    return AC_OK;
}

static ac_status take_trainable(aci_train_settings *out, ac_error *error)
{
    const char *name = out->given.trainable;
    int32_t layer = 0;
    size_t at = 6;

    if (name == NULL)
        out->given.trainable = name = "all";
    if (strcmp(name, "all") == 0) {
        out->network.trainable = ACI_TRAIN_ALL;
    } else if (strcmp(name, "small") == 0) {
        out->network.trainable = ACI_TRAIN_SMALL;
    } else if (strcmp(name, "lora") == 0) {
        out->network.trainable = ACI_TRAIN_LORA;
    } else if (strncmp(name, "block:", 6) == 0 && name[6] != '\0') {
        while (name[at] >= '0' && name[at] <= '9' && layer < 100000)
            layer = layer * 10 + (name[at++] - '0');
        out->network.trainable = ACI_TRAIN_BLOCK;
        out->network.block = name[at] == '\0' ? layer : -1;
    } else {
        out->network.block = -1;
    }
    if (out->network.block >= 0)
        return AC_OK;
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "trainable \"%.40s\" is not known; all, small, "
                             "lora and block:N are", name);
}

ac_status aci_workshop_settings_data(size_t *n_path, double *weight,
                                     const char *text, ac_error *error)
{
    const char *colon = strrchr(text, ':'), *at;
    double value = 0.0, unit = 1.0;
    int point = 0, digits = 0;

    *n_path = strlen(text);
    *weight = 1.0;
    if (colon == NULL || strchr(colon, '/') != NULL)
        return AC_OK;
    for (at = colon + 1; *at != '\0'; at++) {
        if (*at == '.' && !point) {
            point = 1;
            continue;
        }
        if (*at < '0' || *at > '9' || digits++ > 15)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "\"%.200s\": what follows the colon is "
                                     "no weight", text);
        value = value * 10.0 + (*at - '0');
        unit *= point ? 10.0 : 1.0;
    }
    *n_path = (size_t)(colon - text);
    *weight = value / unit;
    return in_range("a file's weight", *weight, 0.000001, 1e6, error);
}

static ac_status take_precision(aci_train_settings *out, ac_error *error)
{
    const char *name = out->given.precision;

    if (name == NULL)
        out->given.precision = name = "float32";
    out->network.precision = strcmp(name, "bf16") == 0 ? ACI_BFLOAT16
                                                       : ACI_FLOAT32;
    if (out->network.precision == ACI_BFLOAT16 || strcmp(name, "float32") == 0)
        return AC_OK;
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "precision \"%.40s\" is not known; float32 and "
                             "bf16 are", name);
}

/* ---- defaults ------------------------------------------------------------ */

static void otherwise(float *value, float fallback)
{
    if (*value == 0.0f)
        *value = fallback;
}

static void otherwise_n(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

/* Negative stands for none where 0 stands for the default. */
static void fill_or_none(float *value, float fallback)
{
    otherwise(value, fallback);
    if (*value < 0.0f)
        *value = 0.0f;
}

ac_status aci_workshop_settings_take(aci_train_settings *out,
                                     const ac_training_options *options,
                                     ac_error *error)
{
    ac_training_options *o = &out->given;
    ac_status status = check_ranges(options, error);

    memset(out, 0, sizeof *out);
    *o = *options;
    if (status == AC_OK && (o->n_data == 0 || o->data == NULL))
        status = aci_platform_fail(error, AC_E_ARGUMENT,
                                   "no data files were given");
    if (status == AC_OK)
        status = take_schedule(out, error);
    if (status == AC_OK)
        status = take_matrices(out, error);
    if (status == AC_OK)
        status = take_trainable(out, error);
    if (status == AC_OK)
        status = take_precision(out, error);
    otherwise(&o->n_epochs, 1.0f);
    otherwise(&o->final_rate_share, 0.1f);
    fill_or_none(&o->warmup_share, 0.02f);
    otherwise(&o->beta_1, 0.9f);
    otherwise(&o->beta_2, 0.95f);
    fill_or_none(&o->weight_decay, 0.1f);
    fill_or_none(&o->clip_norm, 1.0f);
    otherwise(&o->distill_share, 1.0f);
    otherwise(&o->distill_temperature, 1.0f);
    otherwise_n(&o->lora_rank, 8);
    otherwise(&o->lora_alpha, 2.0f * (float)o->lora_rank);
    otherwise_n(&o->batch_tokens, 4096);
    otherwise_n(&o->n_accumulate, 1);
    otherwise_n(&o->evaluate_tokens, 65536);
    return status;
}

/* Peaks that small models of these sizes are commonly trained at. */
static float rate_by_size(uint64_t n_parameters)
{
    if (n_parameters < 10000000)
        return 2e-3f;
    if (n_parameters < 100000000)
        return 1e-3f;
    return n_parameters < 1000000000 ? 5e-4f : 3e-4f;
}

ac_status aci_workshop_settings_fit(aci_train_settings *settings,
                                    const aci_shape *shape,
                                    int32_t has_weights, ac_error *error)
{
    ac_training_options *o = &settings->given;
    uint32_t most = (uint32_t)shape->n_context;
    float rate = rate_by_size(aci_model_parameter_count(shape));
    int32_t what = settings->network.trainable;

    /* Adapters, and the few values of norms, are new or move slowly. */
    if (has_weights && what != ACI_TRAIN_LORA && what != ACI_TRAIN_SMALL)
        rate /= 10.0f;
    otherwise(&o->learning_rate, rate);
    if (o->n_context == 0) {
        o->n_context = most < 1024 ? most : 1024;
        if (o->n_context > o->batch_tokens)
            o->n_context = o->batch_tokens;
    }
    if (o->n_context > most)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_context was %u, more than the model's %u",
                                 o->n_context, most);
    if (o->n_context > o->batch_tokens)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "batch_tokens was %u, less than n_context, "
                                 "%u", o->batch_tokens, o->n_context);
    if (settings->network.block >= shape->n_layer)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "trainable \"%.40s\": there are %d layers",
                                 o->trainable, shape->n_layer);
    settings->network.rank = (int32_t)o->lora_rank;
    settings->network.alpha = o->lora_alpha;
    settings->network.max_tokens = (int32_t)o->batch_tokens;
    settings->network.recompute = o->recompute != 0;
    return AC_OK;
}

/* A twentieth of the run, or more where judging would take over a tenth of the
 * time: it does a third of the work of training on as much. */
static uint32_t evaluations_apart(const ac_training_options *o,
                                  double per_step)
{
    double apart = (double)(o->n_steps / 20);
    double least = 3.0 * (double)o->evaluate_tokens / per_step;

    apart = apart > least ? apart : least;
    return apart < 1.0 ? 1 : apart > 1e6 ? 1000000 : (uint32_t)apart;
}

ac_status aci_workshop_settings_plan(aci_train_settings *settings,
                                     const aci_corpus *data, ac_error *error)
{
    ac_training_options *o = &settings->given;
    double rows = aci_workshop_corpus_rows(data), per_step;

    if (!(rows > 0.0))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the data files had nothing to learn");
    per_step = (double)o->batch_tokens * (double)o->n_accumulate;
    if (o->n_steps == 0)
        o->n_steps = (uint64_t)ceil((double)o->n_epochs * rows / per_step);
    if (o->evaluate_every == 0)
        o->evaluate_every = evaluations_apart(o, per_step);
    settings->n_warmup = (uint64_t)ceil((double)o->warmup_share *
                                        (double)o->n_steps);
    return AC_OK;
}

float aci_workshop_settings_rate(const aci_train_settings *settings,
                                 uint64_t step)
{
    const ac_training_options *o = &settings->given;
    uint64_t warmup = settings->n_warmup;
    double peak = o->learning_rate, least = peak * o->final_rate_share, done;

    if (step < warmup)
        return (float)(peak * (double)(step + 1) / (double)warmup);
    if (settings->schedule == ACI_CONSTANT || o->n_steps <= warmup + 1)
        return (float)peak;
    done = (double)(step - warmup) / (double)(o->n_steps - warmup - 1);
    done = done < 1.0 ? done : 1.0;
    if (settings->schedule == ACI_LINEAR)
        return (float)(peak + (least - peak) * done);
    return (float)(least + (peak - least) * 0.5 * (1.0 + cos(PI * done)));
}

/* ---- what a resumed run must share --------------------------------------- */

json_t *aci_workshop_settings_describe(const aci_train_settings *settings)
{
    const ac_training_options *o = &settings->given;

    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f,"
        " s:f, s:f, s:f, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s}",
        "trainable", o->trainable, "matrices",
        o->matrices != NULL ? o->matrices : "", "schedule", o->schedule,
        "n_steps", (json_int_t)o->n_steps, "seed", (json_int_t)o->seed,
        "learning_rate", (double)o->learning_rate, "final_rate_share",
        (double)o->final_rate_share, "warmup_share", (double)o->warmup_share,
        "beta_1", (double)o->beta_1, "beta_2", (double)o->beta_2,
        "weight_decay", (double)o->weight_decay, "clip_norm",
        (double)o->clip_norm, "distill_share", (double)o->distill_share,
        "distill_temperature", (double)o->distill_temperature,
        "average_decay", (double)o->average_decay, "lora_alpha",
        (double)o->lora_alpha, "lora_rank", (int)o->lora_rank,
        "batch_tokens", (int)o->batch_tokens, "n_accumulate",
        (int)o->n_accumulate, "n_context", (int)o->n_context,
        "evaluate_every", (int)o->evaluate_every, "evaluate_tokens",
        (int)o->evaluate_tokens, "patience", (int)o->patience, "precision",
        o->precision);
}
