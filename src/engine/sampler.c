/* sampler.c - see sampler.h. */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

#include "platform/error.h"

ac_status aci_engine_sampler_open(aci_sampler *sampler, aci_memory *memory,
                                  int32_t n_vocab, ac_error *error)
{
    size_t n = (size_t)n_vocab;

    memset(sampler, 0, sizeof *sampler);
    sampler->memory = memory;
    sampler->n_vocab = n_vocab;
    sampler->adjusted = aci_platform_alloc_array(memory, n, sizeof(float));
    sampler->heap = aci_platform_alloc_array(memory, n, sizeof(aci_choice));
    sampler->counts = aci_platform_alloc_zeroed(memory, n, sizeof(uint16_t));
    if (sampler->adjusted && sampler->heap && sampler->counts)
        return AC_OK;
    aci_engine_sampler_close(sampler);
    return aci_platform_fail_memory(error, "the sampler");
}

void aci_engine_sampler_close(aci_sampler *sampler)
{
    if (sampler->memory == NULL)
        return;
    aci_platform_free(sampler->memory, sampler->adjusted);
    aci_platform_free(sampler->memory, sampler->heap);
    aci_platform_free(sampler->memory, sampler->counts);
    memset(sampler, 0, sizeof *sampler);
}

void aci_engine_sampler_seed(aci_sampler *sampler, uint64_t seed)
{
    aci_platform_random_seed(&sampler->random, seed);
}

double aci_engine_logprob(const float *logits, int32_t n_vocab, int32_t token)
{
    double sum = 0.0;
    float top = logits[0];
    int32_t i;

    for (i = 1; i < n_vocab; i++)
        if (logits[i] > top)
            top = logits[i];
    for (i = 0; i < n_vocab; i++)
        sum += (double)expf(logits[i] - top);
    return (double)logits[token] - ((double)top + log(sum));
}

float aci_engine_scale(const ac_generate_options *options)
{
    return options->temperature > 0.0f ? 1.0f / options->temperature : 0.0f;
}

int32_t aci_engine_n_best(const ac_generate_options *options)
{
    if (options->temperature > 0.0f)
        return ACI_PEAKS;
    return options->n_logprobs > 1 ? (int32_t)options->n_logprobs : 1;
}

/* ---- the whole row, best first ------------------------------------------- */

static int better(aci_choice a, aci_choice b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

static void sift_down(aci_choice *heap, int32_t n, int32_t at)
{
    for (;;) {
        int32_t child = 2 * at + 1;
        aci_choice held = heap[at];

        if (child >= n)
            return;
        if (child + 1 < n && better(heap[child + 1], heap[child]))
            child++;
        if (!better(heap[child], held))
            return;
        heap[at] = heap[child];
        heap[child] = held;
        at = child;
    }
}

static void heap_fill(aci_choice *heap, const float *logits, int32_t n)
{
    int32_t i;

    for (i = 0; i < n; i++)
        heap[i] = (aci_choice){ logits[i], i };
    for (i = n / 2 - 1; i >= 0; i--)
        sift_down(heap, n, i);
}

/* Moves the best of heap[0..n) to the end, heap[n-1]. */
static aci_choice heap_pop(aci_choice *heap, int32_t n)
{
    aci_choice best = heap[0];

    heap[0] = heap[n - 1];
    heap[n - 1] = best;
    sift_down(heap, n - 1, 0);
    return best;
}

/* ---- bias and penalties -------------------------------------------------- */

static int penalises(const ac_generate_options *options)
{
    float repetition = options->repetition_penalty;

    return (repetition != 0.0f && repetition != 1.0f) ||
           options->frequency_penalty != 0.0f ||
           options->presence_penalty != 0.0f;
}

/* Repetition penalty after Keskar et al. (CTRL, 2019); frequency and presence
 * as in OpenAI's interface. */
static void penalise(aci_sampler *sampler, const ac_generate_options *options,
                     const int32_t *history, size_t n_history)
{
    size_t window = options->penalty_window ? options->penalty_window : 64;
    size_t first = n_history > window ? n_history - window : 0;
    float repetition = options->repetition_penalty;
    size_t i;

    for (i = first; i < n_history; i++)
        if (sampler->counts[history[i]] < UINT16_MAX)
            sampler->counts[history[i]]++;
    for (i = first; i < n_history; i++) {
        int32_t token = history[i];
        float count = sampler->counts[token];
        float logit = sampler->adjusted[token];

        if (count == 0.0f) /* done already */
            continue;
        sampler->counts[token] = 0;
        if (repetition > 0.0f)
            logit = logit > 0.0f ? logit / repetition : logit * repetition;
        sampler->adjusted[token] = logit -
                                   options->frequency_penalty * count -
                                   options->presence_penalty;
    }
}

/* The row with bias and penalties in sampler->adjusted. */
static void adjust(aci_sampler *sampler, const float *logits,
                   const ac_generate_options *options, const int32_t *history,
                   size_t n_history)
{
    uint32_t i;

    memcpy(sampler->adjusted, logits,
           (size_t)sampler->n_vocab * sizeof(float));
    for (i = 0; i < options->n_logit_bias; i++)
        sampler->adjusted[options->logit_bias[i].token] +=
            options->logit_bias[i].bias;
    if (penalises(options))
        penalise(sampler, options, history, n_history);
}

/* ---- drawing ------------------------------------------------------------- */

/* A share of the best one's probability that is never drawn in practice. */
#define LEAST 1e-12

/* The choices of a row, best first: its peaks, and then what comes off the
 * heap of all of it. */
typedef struct order {
    aci_sampler *sampler;
    const aci_row *row;
    int32_t n_taken;  /* off the heap; the i-th best lies at n_vocab - 1 - i */
    double scale;
    ac_status status; /* of bringing the row; then weights are 0 */
    ac_error *error;
} order;

static aci_choice nth(order *o, int32_t i)
{
    aci_sampler *s = o->sampler;
    const aci_peaks *peaks = o->row->peaks;
    const float *whole;

    if (i < peaks->n)
        return peaks->best[i];
    if (o->n_taken == 0) {
        o->status = o->row->whole(o->row->user, &whole, o->error);
        if (o->status != AC_OK)
            return (aci_choice){ -INFINITY, 0 };
        heap_fill(s->heap, whole, s->n_vocab);
    }
    for (; o->n_taken <= i; o->n_taken++)
        heap_pop(s->heap, s->n_vocab - o->n_taken);
    return s->heap[s->n_vocab - 1 - i];
}

/* Of the i-th best, with the best one's as 1. */
static double weight(order *o, int32_t i)
{
    double best = (double)o->row->peaks->best[0].logit;

    return exp(((double)nth(o, i).logit - best) * o->scale);
}

/* How many choices top-k and min-p leave, and their mass. */
static int32_t keep(order *o, const ac_generate_options *options, double *mass)
{
    int32_t n = o->sampler->n_vocab, kept;

    *mass = 0.0;
    if (options->top_k > 0 && options->top_k < (uint32_t)n)
        n = (int32_t)options->top_k;
    else if (options->min_p <= 0.0f) {
        *mass = o->row->peaks->mass;
        return n;
    }
    for (kept = 0; kept < n; kept++) {
        double w = weight(o, kept);

        if (w < (double)options->min_p || w < LEAST)
            break;
        *mass += w;
    }
    return kept;
}

/* The first of n whose weights make up `share` of the mass, which becomes
 * theirs. */
static int32_t nucleus(order *o, int32_t n, double share, double *mass)
{
    double sum = 0.0;
    int32_t i;

    for (i = 0; i < n && sum < share * *mass; i++) {
        double w = weight(o, i);

        if (w < LEAST)
            break;
        sum += w;
    }
    *mass = sum;
    return i;
}

static aci_choice draw(order *o, const ac_generate_options *options)
{
    double unit = aci_platform_random_unit(&o->sampler->random), mass;
    int32_t n = keep(o, options, &mass), i;

    if (options->top_p > 0.0f && options->top_p < 1.0f)
        n = nucleus(o, n, (double)options->top_p, &mass);
    unit *= mass;
    for (i = 0; i < n; i++) {
        double w = weight(o, i);

        unit -= w;
        if (unit < 0.0 || w < LEAST)
            break;
    }
    /* rounding, or what is never drawn: the last that may be */
    while (i > 0 && (i == n || weight(o, i) < LEAST))
        i--;
    return nth(o, i);
}

/* ---- a token ------------------------------------------------------------- */

static void fill_top(aci_sample *out, const aci_peaks *peaks, uint32_t n_top)
{
    uint32_t i;

    for (i = 0; i < n_top && i < (uint32_t)peaks->n; i++) {
        out->top[i].token = peaks->best[i].token;
        out->top[i].logprob =
            (float)((double)peaks->best[i].logit - peaks->log_sum);
    }
    out->n_top = i;
}

static ac_status choose(aci_choice *chosen, aci_sampler *sampler,
                        const aci_row *row,
                        const ac_generate_options *options, ac_error *error)
{
    order o = { sampler, row, 0, (double)aci_engine_scale(options), AC_OK,
                error };

    if (!isfinite(row->peaks->best[0].logit))
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "the logit bias forbade every token");
    *chosen = options->temperature > 0.0f ? draw(&o, options)
                                          : row->peaks->best[0];
    return o.status;
}

static ac_status give_adjusted(void *user, const float **logits,
                               ac_error *error)
{
    (void)error;
    *logits = ((aci_sampler *)user)->adjusted;
    return AC_OK;
}

/* With bias or penalties: from the whole row, and the peaks of what it
 * becomes. `chosen` has the model's own logit. */
static ac_status choose_adjusted(aci_choice *chosen, aci_sampler *sampler,
                                 const aci_row *row,
                                 const ac_generate_options *options,
                                 const int32_t *history, size_t n_history,
                                 ac_error *error)
{
    aci_peaks peaks;
    const aci_row adjusted = { &peaks, give_adjusted, sampler };
    const float *logits;
    ac_status status = row->whole(row->user, &logits, error);

    if (status != AC_OK)
        return status;
    adjust(sampler, logits, options, history, n_history);
    aci_kernels_peaks(&peaks, sampler->adjusted, sampler->n_vocab,
                      aci_engine_n_best(options), aci_engine_scale(options));
    status = choose(chosen, sampler, &adjusted, options, error);
    if (status == AC_OK)
        chosen->logit = logits[chosen->token];
    return status;
}

ac_status aci_engine_sample(aci_sample *out, aci_sampler *sampler,
                            const aci_row *row,
                            const ac_generate_options *options,
                            const int32_t *history, size_t n_history,
                            ac_error *error)
{
    aci_choice chosen = { 0 };
    ac_status status;

    if (!isfinite(row->peaks->log_sum)) /* a NaN anywhere ends up in it */
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "the model's logits were not finite");
    if (options->n_logit_bias > 0 || penalises(options))
        status = choose_adjusted(&chosen, sampler, row, options, history,
                                 n_history, error);
    else
        status = choose(&chosen, sampler, row, options, error);
    if (status != AC_OK)
        return status;
    out->token = chosen.token;
    out->logprob = (float)((double)chosen.logit - row->peaks->log_sum);
    fill_top(out, row->peaks, options->n_logprobs);
    return AC_OK;
}
