/* chat_encode.c - a conversation in the model's own template, as tokens.
 *
 * The turns are written out as the template would write them, remembering
 * where the callers' contents lie; the whole is then encoded at once, special
 * tokens allowed everywhere but there. */
#include <string.h>

#include "platform/error.h"
#include "tokenizer/encode.h"
#include "tokenizer/normalise.h"
#include "tokenizer/utf8.h"

typedef struct page {
    const aci_tokenizer *tokenizer;
    const aci_chat_style *style;
    aci_bytes text;
    aci_span *guarded;               /* contents, in order */
    size_t n_guarded;
    bool failed;                     /* out of memory; writing goes nowhere */
} page;

static void put_bytes(page *p, const char *text, size_t n_bytes)
{
    if (!p->failed &&
        aci_tokenizer_bytes_add(&p->text, text, n_bytes) != AC_OK)
        p->failed = true;
}

static void put(page *p, const char *text)
{
    put_bytes(p, text, strlen(text));
}

static void put_literal(page *p, const aci_chat_literal *literal)
{
    put_bytes(p, literal->text, literal->n_bytes);
}

static void put_token(page *p, int32_t id)
{
    if (id >= 0)
        put_bytes(p, p->tokenizer->text + p->tokenizer->offsets[id],
                  aci_act_token_bytes(p->tokenizer, id));
}

/* White space as Python's str.strip has it. */
static bool is_blank(uint32_t point)
{
    return (point >= 9 && point <= 13) || (point >= 28 && point <= 32) ||
           point == 0x85 || point == 0xA0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
           point == 0x2029 || point == 0x202F || point == 0x205F ||
           point == 0x3000;
}

static void strip(const char **text, size_t *n_bytes)
{
    size_t length, k;

    while ((length = aci_utf8_length(*text, *n_bytes)) > 0 &&
           is_blank(aci_utf8_decode(*text, length))) {
        *text += length;
        *n_bytes -= length;
    }
    for (k = 1; k <= 4 && k <= *n_bytes; k++) {
        const char *tail = *text + *n_bytes - k;

        if (aci_utf8_length(tail, k) != k)
            continue;
        if (!is_blank(aci_utf8_decode(tail, k)))
            return;
        *n_bytes -= k;
        k = 0;
    }
}

/* A caller's text: never special tokens. */
static void put_content(page *p, const char *text, bool trim)
{
    size_t n_bytes = strlen(text), first = p->text.n;

    if (trim)
        strip(&text, &n_bytes);
    put_bytes(p, text, n_bytes);
    if (!p->failed && n_bytes > 0)
        p->guarded[p->n_guarded++] = (aci_span){ first, p->text.n };
}

static bool is_role(const ac_message *message, const char *role)
{
    return strcmp(message->role, role) == 0;
}

/* An earlier answer without its thinking, as Qwen 3 shows it. */
static const char *without_thoughts(const char *text)
{
    const char *end = NULL, *at = text;

    while ((at = strstr(at, "</think>")) != NULL)
        end = at += strlen("</think>");
    if (end == NULL)
        return text;
    while (*end == '\n')
        end++;
    return end;
}

static void write_chatml(page *p, const ac_message *messages, size_t n)
{
    const aci_chat_style *style = p->style;
    size_t i;

    if (style->begins)
        put_token(p, p->tokenizer->header->bos);
    if (style->system.n_bytes > 0 && !is_role(&messages[0], "system")) {
        put(p, "<|im_start|>system\n");
        put_literal(p, &style->system);
        put(p, "<|im_end|>\n");
    }
    for (i = 0; i < n; i++) {
        const char *content = messages[i].content;

        if (style->drops_thoughts && is_role(&messages[i], "assistant"))
            content = without_thoughts(content);
        put(p, "<|im_start|>");
        put(p, messages[i].role);
        put(p, "\n");
        put_content(p, content, style->trims);
        put(p, "<|im_end|>\n");
    }
    put_literal(p, &style->prompt);
}

static void write_llama3_turn(page *p, const char *role, const char *content)
{
    put(p, "<|start_header_id|>");
    put(p, role);
    put(p, "<|end_header_id|>\n\n");
    put_content(p, content, p->style->trims);
    put(p, "<|eot_id|>");
}

static void write_llama3(page *p, const ac_message *messages, size_t n)
{
    size_t i = 0;

    if (p->style->begins)
        put_token(p, p->tokenizer->header->bos);
    if (p->style->has_dates) {
        put(p, "<|start_header_id|>system<|end_header_id|>\n\n"
               "Cutting Knowledge Date: December 2023\nToday Date: ");
        put_literal(p, &p->style->date);
        put(p, "\n\n");
        if (is_role(&messages[0], "system"))
            put_content(p, messages[i++].content, true);
        put(p, "<|eot_id|>");
    }
    for (; i < n; i++)
        write_llama3_turn(p, messages[i].role, messages[i].content);
    put_literal(p, &p->style->prompt);
}

static void write_zephyr(page *p, const ac_message *messages, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        put(p, "<|");
        put(p, messages[i].role);
        put(p, "|>\n");
        put_content(p, messages[i].content, p->style->trims);
        put_token(p, p->tokenizer->header->eos);
        put_literal(p, &p->style->after_answer);
    }
    put_literal(p, &p->style->prompt);
}

/* Llama 2 strips the whole of a turn; with a system text in front of it only
 * its end is left to strip. */
static void write_llama2(page *p, const ac_message *messages, size_t n)
{
    const aci_act_header *header = p->tokenizer->header;
    const char *system = NULL;
    size_t i = 0;

    if (is_role(&messages[0], "system"))
        system = messages[i++].content;
    for (; i < n; i++) {
        if (is_role(&messages[i], "assistant")) {
            put(p, " ");
            put_content(p, messages[i].content, true);
            put(p, " ");
            put_token(p, header->eos);
            continue;
        }
        put_token(p, header->bos);
        put(p, "[INST] ");
        if (system != NULL) {
            const char *content = messages[i].content;
            size_t n_bytes = strlen(content), kept = n_bytes;
            size_t first;

            put(p, "<<SYS>>\n");
            put_content(p, system, false);
            put(p, "\n<</SYS>>\n\n");
            strip(&content, &kept);
            kept += (size_t)(content - messages[i].content);
            first = p->text.n;
            put_bytes(p, messages[i].content, kept);
            if (!p->failed && kept > 0)
                p->guarded[p->n_guarded++] = (aci_span){ first, p->text.n };
            system = NULL;
        } else {
            put_content(p, messages[i].content, true);
        }
        put(p, " [/INST]");
    }
}

static void write_mistral(page *p, const ac_message *messages, size_t n)
{
    const aci_act_header *header = p->tokenizer->header;
    const aci_chat_style *style = p->style;
    const char *system = NULL;
    size_t i = 0, first;

    if (style->begins)
        put_token(p, header->bos);
    if (is_role(&messages[0], "system"))
        system = messages[i++].content;
    for (first = i; i < n; i++) {
        if (is_role(&messages[i], "assistant")) {
            put_literal(p, &style->before_answer);
            put_content(p, messages[i].content, style->trims);
            put_token(p, header->eos);
            put_literal(p, &style->after_answer);
            continue;
        }
        put_literal(p, &style->open);
        if (system != NULL && i == (style->system_last ? n - 1 : first)) {
            put_content(p, system, false);
            put(p, "\n\n");
        }
        put_content(p, messages[i].content, style->trims);
        put_literal(p, &style->close);
    }
}

/* A model without a template: the texts, a line each. */
static void write_plain(page *p, const ac_message *messages, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (i > 0)
            put(p, "\n");
        put_content(p, messages[i].content, false);
    }
}

static ac_status check_messages(const aci_tokenizer *tokenizer,
                                const ac_message *messages, size_t n,
                                ac_error *error)
{
    uint32_t kind = tokenizer->chat.kind;
    size_t i, start;

    if (kind == ACI_CHAT_UNKNOWN)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the model's chat template is none of those "
                                 "we know: chatml, llama2, llama3, mistral, "
                                 "zephyr, plain");
    if (n == 0)
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "a chat needs at least one turn");
    for (i = 0; i < n; i++)
        if (messages[i].role == NULL || messages[i].content == NULL ||
            (!is_role(&messages[i], "system") &&
             !is_role(&messages[i], "user") &&
             !is_role(&messages[i], "assistant")))
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "turn %zu had no text, or a role other "
                                     "than system, user and assistant", i);
    if (kind != ACI_CHAT_LLAMA2 && kind != ACI_CHAT_MISTRAL)
        return AC_OK;
    start = is_role(&messages[0], "system") ? 1 : 0;
    if (start == 1 && kind == ACI_CHAT_MISTRAL && !tokenizer->chat.has_system)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "the model's template has no system turn");
    for (i = start; i < n; i++)
        if (!is_role(&messages[i], (i - start) % 2 == 0 ? "user"
                                                        : "assistant"))
            return aci_platform_fail(error, AC_E_ARGUMENT,
                                     "turn %zu was not the user's and the "
                                     "assistant's in turn, as the model's "
                                     "template asks", i);
    return AC_OK;
}

ac_status aci_tokenizer_encode_chat(aci_tokens *tokens,
                                    const aci_tokenizer *tokenizer,
                                    const ac_message *messages, size_t n,
                                    ac_error *error)
{
    static void (*const writers[])(page *, const ac_message *, size_t) = {
        [ACI_CHAT_PLAIN] = write_plain,
        [ACI_CHAT_CHATML] = write_chatml,
        [ACI_CHAT_LLAMA2] = write_llama2,
        [ACI_CHAT_LLAMA3] = write_llama3,
        [ACI_CHAT_MISTRAL] = write_mistral,
        [ACI_CHAT_ZEPHYR] = write_zephyr,
    };
    aci_memory *memory = tokenizer->memory;
    page p = { .tokenizer = tokenizer, .style = &tokenizer->chat,
               .text = { .memory = memory } };
    ac_status status = check_messages(tokenizer, messages, n, error);

    if (status != AC_OK)
        return status;
    p.guarded = aci_platform_alloc_array(memory, n, sizeof *p.guarded);
    if (p.guarded == NULL)
        return aci_platform_fail_memory(error, "the chat");
    writers[p.style->kind](&p, messages, n);
    if (p.failed)
        status = aci_platform_fail_memory(error, "the chat");
    else
        status = aci_tokenizer_encode_guarded(
            tokens, tokenizer, p.text.data, p.text.n, p.guarded, p.n_guarded,
            1, p.style->kind == ACI_CHAT_PLAIN, error);
    aci_platform_free(memory, p.text.data);
    aci_platform_free(memory, p.guarded);
    return status;
}

const char *aci_tokenizer_chat_name(const aci_tokenizer *tokenizer)
{
    static const char *const names[] = { "plain", "chatml", "llama2",
                                         "llama3", "mistral", "zephyr",
                                         "unknown" };

    return names[tokenizer->chat.kind];
}
