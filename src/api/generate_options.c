/* generate_options.c - see generate_options.h. */
#include "api/generate_options.h"

#include <math.h>
#include <string.h>

#include "api/handles.h"
#include "engine/sampler.h"
#include "platform/error.h"

enum { MAX_STOP_STRINGS = 64, MAX_STOP_BYTES = 1024, MAX_BIASES = 65536 };

/* One number and the range it must lie in; NaN lies in none. */
typedef struct range {
    const char *name;
    float value, low, high;
} range;

static ac_status check_numbers(const ac_generate_options *o, ac_error *error)
{
    const range ranges[] = {
        { "temperature", o->temperature, 0.0f, 2.0f },
        { "top_p", o->top_p, 0.0f, 1.0f },
        { "min_p", o->min_p, 0.0f, 1.0f },
        { "repetition_penalty", o->repetition_penalty, 0.0f, 10.0f },
        { "frequency_penalty", o->frequency_penalty, -2.0f, 2.0f },
        { "presence_penalty", o->presence_penalty, -2.0f, 2.0f },
        { "min_confidence", o->min_confidence, 0.0f, 1.0f },
    };
    size_t i;

    for (i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low &&
              ranges[i].value <= ranges[i].high))
            return aci_platform_fail(
                error, AC_E_ARGUMENT, "%s was %g, not in [%g, %g]",
                ranges[i].name, (double)ranges[i].value,
                (double)ranges[i].low, (double)ranges[i].high);
    if (o->n_logprobs > ACI_MAX_LOGPROBS)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "n_logprobs was %u, more than %d",
                                 o->n_logprobs, ACI_MAX_LOGPROBS);
    if (o->special > AC_SPECIAL_PARSE || o->ignore_end > 1 ||
        o->speculate > 1 || o->keep_session > 1)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "special, ignore_end, speculate or "
                                 "keep_session was neither 0 nor 1");
    if (o->budget_nanodollars < 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "the budget was negative");
    return AC_OK;
}

static ac_status check_stops(const ac_generate_options *o, ac_error *error)
{
    uint32_t i;

    if (o->n_stop > MAX_STOP_STRINGS)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there were %u stop strings, more than %d",
                                 o->n_stop, MAX_STOP_STRINGS);
    if (o->n_stop > 0 && o->stop == NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT, "stop was NULL");
    for (i = 0; i < o->n_stop; i++) {
        if (o->stop[i] == NULL || o->stop[i][0] == '\0')
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "stop string %u was empty", i);
        if (strnlen(o->stop[i], MAX_STOP_BYTES + 1) > MAX_STOP_BYTES)
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "stop string %u was longer than %d bytes",
                                     i, MAX_STOP_BYTES);
    }
    return AC_OK;
}

static ac_status check_biases(const ac_generate_options *o, int32_t n_vocab,
                              ac_error *error)
{
    uint32_t i;

    if (o->n_logit_bias > MAX_BIASES)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "there were more than %d logit biases",
                                 MAX_BIASES);
    if (o->n_logit_bias > 0 && o->logit_bias == NULL)
        return aci_platform_fail(error, AC_E_ARGUMENT, "logit_bias was NULL");
    for (i = 0; i < o->n_logit_bias; i++) {
        if (o->logit_bias[i].token < 0 || o->logit_bias[i].token >= n_vocab)
            return aci_platform_fail(
                error, AC_E_ARGUMENT,
                "logit_bias token %d was outside the vocabulary of %d",
                (int)o->logit_bias[i].token, (int)n_vocab);
        if (!(o->logit_bias[i].bias < INFINITY)) /* -INFINITY is fine */
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "a logit bias was not a number below "
                                     "infinity");
    }
    return AC_OK;
}

ac_status aci_api_take_generate_options(ac_generate_options *own,
                                        const ac_generate_options *given,
                                        int32_t n_vocab, ac_error *error)
{
    ac_generate_options start = AC_GENERATE_OPTIONS_INIT;
    ac_status status;

    *own = start;
    status = aci_api_take_options(own, sizeof *own, given, "options", error);
    own->struct_size = sizeof *own;
    if (own->max_tokens == 0)
        own->max_tokens = 256;
    if (status == AC_OK)
        status = check_numbers(own, error);
    if (status == AC_OK)
        status = check_stops(own, error);
    if (status == AC_OK)
        status = check_biases(own, n_vocab, error);
    return status;
}
