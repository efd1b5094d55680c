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

/* Log of the sum of exponentials; sets `largest`. */
static double log_sum(const float *logits, int32_t n_vocab, float *largest)
{
    double sum = 0.0;
    float top = logits[0];
    int32_t i;

    for (i = 1; i < n_vocab; i++)
        if (logits[i] > top)
            top = logits[i];
    for (i = 0; i < n_vocab; i++)
        sum += (double)expf(logits[i] - top);
    *largest = top;
    return (double)top + log(sum);
}

double aci_engine_logprob(const float *logits, int32_t n_vocab, int32_t token)
{
    float top;

    return (double)logits[token] - log_sum(logits, n_vocab, &top);
}

int32_t aci_engine_argmax(const float *logits, int32_t n_vocab)
{
    int32_t best = 0, i;

    for (i = 1; i < n_vocab; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

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

static void adjust(aci_sampler *sampler, const float *logits,
                   const ac_generate_options *options, const int32_t *history,
                   size_t n_history)
{
    float repetition = options->repetition_penalty;
    uint32_t i;

    memcpy(sampler->adjusted, logits,
           (size_t)sampler->n_vocab * sizeof(float));
    for (i = 0; i < options->n_logit_bias; i++)
        sampler->adjusted[options->logit_bias[i].token] +=
            options->logit_bias[i].bias;
    if ((repetition != 0.0f && repetition != 1.0f) ||
        options->frequency_penalty != 0.0f ||
        options->presence_penalty != 0.0f)
        penalise(sampler, options, history, n_history);
}

/* Unrestricted sampling: no order is needed. */
static int32_t draw_any(aci_sampler *sampler, double scale)
{
    const float *logits = sampler->adjusted;
    double unit = aci_platform_random_unit(&sampler->random);
    double best = (double)logits[aci_engine_argmax(logits, sampler->n_vocab)];
    double total = 0.0, sum = 0.0;
    int32_t i, last = 0;

    for (i = 0; i < sampler->n_vocab; i++)
        total += exp(((double)logits[i] - best) * scale);
    for (i = 0; i < sampler->n_vocab; i++) {
        double weight = exp(((double)logits[i] - best) * scale);

        if (weight == 0.0)
            continue;
        last = i;
        sum += weight;
        if (unit * total < sum)
            break;
    }
    return last;
}

/* Candidates come off the heap best first, so only as many are ordered as
 * top-k, min-p and top-p let through. The nucleus is a share of the mass that
 * top-k and min-p leave. The kept ones end at the back of the heap. */
static int32_t draw_best(aci_sampler *sampler,
                         const ac_generate_options *options, double scale)
{
    aci_choice *heap = sampler->heap;
    int32_t n = sampler->n_vocab, kept, n_nucleus;
    int32_t limit = options->top_k && options->top_k < (uint32_t)n
                        ? (int32_t)options->top_k : n;
    double share = options->top_p > 0.0f ? (double)options->top_p : 1.0;
    double unit = aci_platform_random_unit(&sampler->random);
    double best, mass = 0.0, sum = 0.0;

    heap_fill(heap, sampler->adjusted, n);
    best = (double)heap[0].logit;
    for (kept = 0; kept < limit; kept++) {
        double weight = exp(((double)heap[0].logit - best) * scale);

        if (weight < (double)options->min_p || weight < 1e-12)
            break; /* 1e-12 of the best: never drawn in practice */
        mass += weight;
        heap_pop(heap, n - kept);
    }
    for (n_nucleus = 0; n_nucleus < kept && sum < share * mass; n_nucleus++)
        sum += exp(((double)heap[n - 1 - n_nucleus].logit - best) * scale);
    unit *= sum;
    for (kept = 0; kept < n_nucleus - 1; kept++) {
        unit -= exp(((double)heap[n - 1 - kept].logit - best) * scale);
        if (unit < 0.0)
            break;
    }
    return heap[n - 1 - kept].token;
}

static int32_t draw(aci_sampler *sampler, const ac_generate_options *options)
{
    double scale = 1.0 / (double)options->temperature;
    int nucleus = options->top_p > 0.0f && options->top_p < 1.0f;

    if (options->top_k == 0 && !nucleus && options->min_p <= 0.0f)
        return draw_any(sampler, scale);
    return draw_best(sampler, options, scale);
}

static void fill_top(aci_sample *out, aci_sampler *sampler,
                     const float *logits, double total, uint32_t n_top)
{
    uint32_t i;

    heap_fill(sampler->heap, logits, sampler->n_vocab);
    for (i = 0; i < n_top && i < (uint32_t)sampler->n_vocab; i++) {
        aci_choice choice = heap_pop(sampler->heap,
                                     sampler->n_vocab - (int32_t)i);

        out->top[i].token = choice.token;
        out->top[i].logprob = (float)((double)choice.logit - total);
    }
    out->n_top = i;
}

ac_status aci_engine_sample(aci_sample *out, aci_sampler *sampler,
                            const float *logits,
                            const ac_generate_options *options,
                            const int32_t *history, size_t n_history,
                            ac_error *error)
{
    float largest;
    double total = log_sum(logits, sampler->n_vocab, &largest);

    if (!isfinite(total)) /* a NaN anywhere ends up in the sum */
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "the model's logits were not finite");
    adjust(sampler, logits, options, history, n_history);
    if (options->temperature > 0.0f)
        out->token = draw(sampler, options);
    else
        out->token = aci_engine_argmax(sampler->adjusted, sampler->n_vocab);
    if (!isfinite(sampler->adjusted[out->token]))
        return aci_platform_fail(error, AC_E_NUMERIC,
                                 "the logit bias forbade every token");
    out->logprob = (float)((double)logits[out->token] - total);
    out->n_top = 0;
    if (options->n_logprobs > 0)
        fill_top(out, sampler, logits, total, options->n_logprobs);
    return AC_OK;
}
