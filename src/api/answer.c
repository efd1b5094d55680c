/* answer.c - see answer.h.
 *
 * The tokenizer's stream gives whole characters, so that what the caller gets
 * is always text. Text that could be the beginning of a stop string is held
 * back until it is clear that it is not. */
#include "api/answer.h"

#include <stdbool.h>
#include <string.h>

#include "platform/error.h"

struct aci_answer {
    aci_memory *memory;
    const aci_tokenizer *tokenizer;
    const ac_generate_options *options;
    char *text;                   /* [capacity] whole characters, then NUL */
    size_t n_bytes, capacity;
    size_t n_sent;                /* of those, given to on_text */
    aci_tokenizer_stream *stream;
    int32_t *tokens;              /* [n_context] */
    float *logprobs;              /* [n_context] */
    ac_logprob *top;              /* [n_context, n_logprobs] */
    uint32_t n_context, n_tokens;
    bool out_of_memory;
};

ac_status aci_api_answer_create(aci_answer **out, aci_memory *memory,
                                const aci_tokenizer *tokenizer,
                                uint32_t n_context, ac_error *error)
{
    aci_answer *answer = aci_platform_alloc_zeroed(memory, 1, sizeof *answer);
    ac_status status;

    *out = NULL;
    if (answer == NULL)
        return aci_platform_fail_memory(error, "the answer");
    answer->memory = memory;
    answer->tokenizer = tokenizer;
    answer->n_context = n_context;
    answer->capacity = 8 * (size_t)n_context + 64;
    answer->text = aci_platform_alloc(memory, answer->capacity);
    answer->tokens = aci_platform_alloc_array(memory, n_context,
                                              sizeof(int32_t));
    answer->logprobs = aci_platform_alloc_array(memory, n_context,
                                                sizeof(float));
    if (answer->text && answer->tokens && answer->logprobs)
        status = aci_tokenizer_stream_open(&answer->stream, memory, tokenizer,
                                           0, 0, error);
    else
        status = aci_platform_fail_memory(error, "the answer");
    if (status == AC_OK)
        *out = answer;
    else
        aci_api_answer_free(answer);
    return status;
}

void aci_api_answer_free(aci_answer *answer)
{
    if (answer == NULL)
        return;
    aci_tokenizer_stream_close(answer->stream);
    aci_platform_free(answer->memory, answer->text);
    aci_platform_free(answer->memory, answer->tokens);
    aci_platform_free(answer->memory, answer->logprobs);
    aci_platform_free(answer->memory, answer->top);
    aci_platform_free(answer->memory, answer);
}

ac_status aci_api_answer_begin(aci_answer *answer,
                               const ac_generate_options *options,
                               ac_error *error)
{
    answer->options = options;
    aci_tokenizer_stream_reset(answer->stream);
    answer->n_bytes = answer->n_sent = 0;
    answer->text[0] = '\0';
    answer->n_tokens = 0;
    answer->out_of_memory = false;
    aci_platform_free(answer->memory, answer->top);
    answer->top = NULL;
    if (options->n_logprobs == 0)
        return AC_OK;
    answer->top = aci_platform_alloc_zeroed(
        answer->memory, (size_t)answer->n_context * options->n_logprobs,
        sizeof(ac_logprob));
    if (answer->top == NULL)
        return aci_platform_fail_memory(error, "log-probabilities");
    return AC_OK;
}

/* ---- text ---------------------------------------------------------- */

static void append(aci_answer *answer, const char *text, size_t n)
{
    if (answer->n_bytes + n + 1 > answer->capacity) {
        size_t larger = 2 * (answer->capacity + n);
        char *grown = aci_platform_realloc(answer->memory, answer->text,
                                           larger);

        if (grown == NULL) {
            answer->out_of_memory = true;
            return;
        }
        answer->text = grown;
        answer->capacity = larger;
    }
    memcpy(answer->text + answer->n_bytes, text, n);
    answer->n_bytes += n;
    answer->text[answer->n_bytes] = '\0';
}

static void add_piece(aci_answer *answer, int32_t token)
{
    size_t n;
    const char *text = aci_tokenizer_stream_push(&n, answer->stream, token);

    append(answer, text, n);
}

/* ---- stop strings -------------------------------------------------------- */

/* Where the first stop string begins at or after `from`, or n_bytes. */
static size_t find_stop(const aci_answer *answer, size_t from)
{
    size_t best = answer->n_bytes;
    uint32_t i;

    for (i = 0; i < answer->options->n_stop; i++) {
        const char *stop = answer->options->stop[i];
        const char *at = memmem(answer->text + from, answer->n_bytes - from,
                                stop, strlen(stop));

        if (at != NULL && (size_t)(at - answer->text) < best)
            best = (size_t)(at - answer->text);
    }
    return best;
}

/* Bytes at the end that may become a stop string. */
static size_t held_back(const aci_answer *answer)
{
    size_t most = 0;
    uint32_t i;

    for (i = 0; i < answer->options->n_stop; i++) {
        const char *stop = answer->options->stop[i];
        size_t n = strlen(stop) - 1;

        if (n > answer->n_bytes - answer->n_sent)
            n = answer->n_bytes - answer->n_sent;
        for (; n > most; n--)
            if (memcmp(answer->text + answer->n_bytes - n, stop, n) == 0)
                most = n;
    }
    return most;
}

/* ---- writing ------------------------------------------------------------- */

static int32_t send(aci_answer *answer, size_t until)
{
    size_t first = answer->n_sent;

    if (answer->options->on_text == NULL || until <= first)
        return 0;
    answer->n_sent = until;
    return answer->options->on_text(answer->text + first, until - first,
                                    answer->options->text_user);
}

uint32_t aci_api_answer_add(aci_answer *answer, int32_t token, float logprob,
                            const ac_logprob *top, uint32_t n_top)
{
    size_t longest = 0, from, stop;
    uint32_t i;

    answer->tokens[answer->n_tokens] = token;
    answer->logprobs[answer->n_tokens] = logprob;
    if (answer->top != NULL)
        memcpy(answer->top + (size_t)answer->n_tokens *
                                 answer->options->n_logprobs,
               top, n_top * sizeof *top);
    answer->n_tokens++;
    if (!answer->options->ignore_end &&
        aci_tokenizer_is_end(answer->tokenizer, token))
        return AC_STOP_END;

    for (i = 0; i < answer->options->n_stop; i++)
        if (strlen(answer->options->stop[i]) > longest)
            longest = strlen(answer->options->stop[i]);
    from = answer->n_bytes > longest ? answer->n_bytes - longest : 0;
    add_piece(answer, token);
    if (answer->out_of_memory)
        return AC_STOP_CANCELLED;
    stop = find_stop(answer, from);
    if (stop < answer->n_bytes) {
        answer->n_bytes = stop;
        aci_tokenizer_stream_reset(answer->stream);
        answer->text[stop] = '\0';
        return AC_STOP_STRING;
    }
    if (send(answer, answer->n_bytes - held_back(answer)) != 0)
        return AC_STOP_CANCELLED;
    return 0;
}

ac_status aci_api_answer_end(aci_answer *answer, ac_error *error)
{
    size_t n;
    const char *text = aci_tokenizer_stream_finish(&n, answer->stream);

    append(answer, text, n);
    if (answer->out_of_memory)
        return aci_platform_fail_memory(error, "the answer's text");
    send(answer, answer->n_bytes);
    return AC_OK;
}

void aci_api_answer_lend(ac_result *out, const aci_answer *answer)
{
    out->text = answer->text;
    out->text_bytes = answer->n_bytes;
    out->tokens = answer->tokens;
    out->n_tokens = answer->n_tokens;
    out->token_logprobs = answer->top ? answer->logprobs : NULL;
    out->top_logprobs = answer->top;
    out->n_logprobs = answer->options ? answer->options->n_logprobs : 0;
}
