/* answer.c - see answer.h.
 *
 * Bytes of tokens are put together to whole UTF-8 characters (bytes that are
 * not UTF-8 become U+FFFD, so that what the caller gets is always text). Text
 * that could be the beginning of a stop string is held back until it is clear
 * that it is not. */
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
    uint8_t pending[4];           /* a character not yet complete */
    size_t n_pending;
    int32_t *tokens;              /* [n_context] */
    float *logprobs;              /* [n_context] */
    ac_logprob *top;              /* [n_context, n_logprobs] */
    uint32_t n_context, n_tokens;
    bool out_of_memory;
};

ac_status aci_api_answer_create(aci_answer **out, aci_memory *memory,
                                uint32_t n_context, ac_error *error)
{
    aci_answer *answer = aci_platform_alloc_zeroed(memory, 1, sizeof *answer);

    *out = NULL;
    if (answer == NULL)
        return aci_platform_fail_memory(error, "the answer");
    answer->memory = memory;
    answer->n_context = n_context;
    answer->capacity = 8 * (size_t)n_context + 64;
    answer->text = aci_platform_alloc(memory, answer->capacity);
    answer->tokens = aci_platform_alloc_array(memory, n_context,
                                              sizeof(int32_t));
    answer->logprobs = aci_platform_alloc_array(memory, n_context,
                                                sizeof(float));
    if (answer->text && answer->tokens && answer->logprobs) {
        *out = answer;
        return AC_OK;
    }
    aci_api_answer_free(answer);
    return aci_platform_fail_memory(error, "the answer");
}

void aci_api_answer_free(aci_answer *answer)
{
    if (answer == NULL)
        return;
    aci_platform_free(answer->memory, answer->text);
    aci_platform_free(answer->memory, answer->tokens);
    aci_platform_free(answer->memory, answer->logprobs);
    aci_platform_free(answer->memory, answer->top);
    aci_platform_free(answer->memory, answer);
}

ac_status aci_api_answer_begin(aci_answer *answer,
                               const aci_tokenizer *tokenizer,
                               const ac_generate_options *options,
                               ac_error *error)
{
    answer->tokenizer = tokenizer;
    answer->options = options;
    answer->n_bytes = answer->n_sent = answer->n_pending = 0;
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

/* ---- characters ---------------------------------------------------------- */

static void append(aci_answer *answer, const void *bytes, size_t n)
{
    if (answer->n_bytes + n + 1 > answer->capacity) {
        size_t larger = 2 * (answer->capacity + n);
        char *text = aci_platform_realloc(answer->memory, answer->text,
                                          larger);

        if (text == NULL) {
            answer->out_of_memory = true;
            return;
        }
        answer->text = text;
        answer->capacity = larger;
    }
    memcpy(answer->text + answer->n_bytes, bytes, n);
    answer->n_bytes += n;
    answer->text[answer->n_bytes] = '\0';
}

static void append_replacement(aci_answer *answer)
{
    append(answer, "\xEF\xBF\xBD", 3);
    answer->n_pending = 0;
}

/* Bytes a character has, from its first; 0: not a first byte. */
static size_t character_length(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return 0;
}

/* Second bytes that would spell a surrogate, an overlong form or a number
 * above U+10FFFF are refused along with those that continue nothing. */
static bool continues(const uint8_t *pending, size_t n, uint8_t byte)
{
    if (byte < 0x80 || byte > 0xBF)
        return false;
    if (n > 1)
        return true;
    return !(pending[0] == 0xE0 && byte < 0xA0) &&
           !(pending[0] == 0xED && byte > 0x9F) &&
           !(pending[0] == 0xF0 && byte < 0x90) &&
           !(pending[0] == 0xF4 && byte > 0x8F);
}

static void add_byte(aci_answer *answer, uint8_t byte)
{
    if (answer->n_pending > 0 &&
        !continues(answer->pending, answer->n_pending, byte))
        append_replacement(answer);
    if (answer->n_pending == 0 && character_length(byte) == 0) {
        append_replacement(answer);
        return;
    }
    answer->pending[answer->n_pending++] = byte;
    if (answer->n_pending == character_length(answer->pending[0])) {
        append(answer, answer->pending, answer->n_pending);
        answer->n_pending = 0;
    }
}

static void add_piece(aci_answer *answer, int32_t token)
{
    char piece[512];
    size_t n = aci_tokenizer_piece(piece, sizeof piece, answer->tokenizer,
                                   token, 0);
    size_t i;

    if (n > sizeof piece) /* pieces are far shorter; keep what fits */
        n = sizeof piece;
    for (i = 0; i < n; i++)
        add_byte(answer, (uint8_t)piece[i]);
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
        answer->n_pending = 0;
        answer->text[stop] = '\0';
        return AC_STOP_STRING;
    }
    if (send(answer, answer->n_bytes - held_back(answer)) != 0)
        return AC_STOP_CANCELLED;
    return 0;
}

ac_status aci_api_answer_end(aci_answer *answer, ac_error *error)
{
    if (answer->n_pending > 0)
        append_replacement(answer);
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
