/* chat.c - recognising a chat template.
 *
 * A template is a small Jinja program. Its marker tokens tell the kind; the
 * few things that models of one kind do differently (a default system text,
 * spaces around [INST], stripping) are read from the string literals next to
 * landmarks in the program. */
#include "tokenizer/chat.h"

#include <stdbool.h>
#include <string.h>

typedef struct source {
    const char *text;
    size_t n_bytes;
} source;

#define NOWHERE SIZE_MAX

/* Where `word` is at or behind `from`. */
static size_t find(source s, const char *word, size_t from)
{
    const char *at;

    if (from > s.n_bytes)
        return NOWHERE;
    at = memmem(s.text + from, s.n_bytes - from, word, strlen(word));
    return at == NULL ? NOWHERE : (size_t)(at - s.text);
}

static bool has(source s, const char *word)
{
    return find(s, word, 0) != NOWHERE;
}

static bool starts(source s, size_t at, const char *word)
{
    size_t n = strlen(word);

    return at <= s.n_bytes && n <= s.n_bytes - at &&
           memcmp(s.text + at, word, n) == 0;
}

static size_t skip_spaces(source s, size_t at)
{
    while (at < s.n_bytes && (s.text[at] == ' ' || s.text[at] == '\t'))
        at++;
    return at;
}

static void put(aci_chat_literal *out, const char *text)
{
    out->n_bytes = (uint32_t)strlen(text);
    memcpy(out->text, text, out->n_bytes);
}

/* Copies [first, last) of a string literal, undoing \n, \t and \x; false when
 * it is longer than we keep. */
static bool copy_literal(aci_chat_literal *out, source s, size_t first,
                         size_t last)
{
    size_t n = 0;

    while (first < last) {
        char c = s.text[first++];

        if (c == '\\' && first < last) {
            c = s.text[first++];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        if (n == sizeof out->text)
            return false;
        out->text[n++] = c;
    }
    out->n_bytes = (uint32_t)n;
    return true;
}

/* End of the literal whose opening quote is at `at`: its closing quote. */
static size_t closing_quote(source s, size_t at)
{
    char quote = s.text[at];

    for (at++; at < s.n_bytes && s.text[at] != quote; at++)
        if (s.text[at] == '\\')
            at++;
    return at < s.n_bytes ? at : NOWHERE;
}

/* The literal that `at` lies in: back to the nearest quote, forward to the
 * same. */
static bool literal_around(aci_chat_literal *out, source s, size_t at)
{
    size_t first = at, last;

    while (first > 0 && s.text[first] != '\'' && s.text[first] != '"')
        first--;
    if (s.text[first] != '\'' && s.text[first] != '"')
        return false;
    last = closing_quote(s, first);
    return last != NOWHERE && last > at &&
           copy_literal(out, s, first + 1, last);
}

/* Contents are stripped: "content" and a filter right behind it. */
static bool trims(source s)
{
    size_t at = 0;

    while ((at = find(s, "content", at)) != NOWHERE) {
        at += strlen("content");
        if (starts(s, at, "']") || starts(s, at, "\"]"))
            at += 2;
        at = skip_spaces(s, at);
        if (starts(s, at, ".strip()"))
            return true;
        if (starts(s, at, "|") &&
            starts(s, skip_spaces(s, at + 1), "trim"))
            return true;
    }
    return false;
}

/* A newline the template itself leaves behind "}}" at or after `at`. */
static bool newline_behind(source s, size_t at)
{
    at = find(s, "}}", at);
    return at != NOWHERE && at > 0 && s.text[at - 1] != '-' &&
           starts(s, at + 2, "\n") &&
           !starts(s, skip_spaces(s, at + 3), "{%-") &&
           !starts(s, skip_spaces(s, at + 3), "{{-");
}

/* What opens the answer: the literal with `marker` that follows the last
 * add_generation_prompt, or `otherwise`. */
static void find_prompt(aci_chat_style *style, source s, const char *marker,
                        const char *otherwise)
{
    size_t at = 0, last = NOWHERE;

    while ((at = find(s, "add_generation_prompt", at)) != NOWHERE)
        last = at++;
    at = last == NOWHERE ? NOWHERE : find(s, marker, last);
    if (at == NOWHERE || !literal_around(&style->prompt, s, at)) {
        put(&style->prompt, otherwise);
        return;
    }
    if (newline_behind(s, at) &&
        style->prompt.n_bytes < sizeof style->prompt.text)
        style->prompt.text[style->prompt.n_bytes++] = '\n';
}

/* ChatML's default: "<|im_start|>system\n" and plain text up to the end. */
static void find_system(aci_chat_style *style, source s)
{
    static const char mark[] = "<|im_start|>system";
    size_t at = 0, first, last, i;

    while ((at = find(s, mark, at)) != NOWHERE) {
        at += sizeof mark - 1;
        first = starts(s, at, "\\n") ? at + 2 : at + 1;
        if (!starts(s, at, "\\n") && !starts(s, at, "\n"))
            continue;
        last = find(s, "<|im_end|>", first);
        if (last == NOWHERE)
            return;
        for (i = first; i < last; i++) {
            if (s.text[i] == '\\')
                i++;
            else if (strchr("'\"{}", s.text[i]) != NULL)
                break;
        }
        if (i >= last && last > first &&
            copy_literal(&style->system, s, first, last))
            return;
        style->system.n_bytes = 0;
    }
}

static uint32_t read_chatml(aci_chat_style *style, source s)
{
    /* Some put today's date into the system text. */
    if (!has(s, "<|im_end|>") || has(s, "<|im_sep|>") ||
        has(s, "strftime_now"))
        return ACI_CHAT_UNKNOWN;
    style->drops_thoughts = has(s, "</think>");
    find_system(style, s);
    find_prompt(style, s, "<|im_start|>assistant", "<|im_start|>assistant\n");
    return ACI_CHAT_CHATML;
}

static uint32_t read_llama3(aci_chat_style *style, source s)
{
    size_t at;

    if (!has(s, "<|eot_id|>") || !has(s, "<|end_header_id|>"))
        return ACI_CHAT_UNKNOWN;
    style->has_dates = has(s, "Cutting Knowledge Date");
    put(&style->date, "26 Jul 2024");
    at = find(s, "set date_string = \"", 0);
    if (at != NOWHERE && !literal_around(&style->date, s,
                                         at + strlen("set date_string = \"")))
        return ACI_CHAT_UNKNOWN;
    put(&style->prompt, "<|start_header_id|>assistant<|end_header_id|>\n\n");
    return ACI_CHAT_LLAMA3;
}

/* Literals around an answer: `"a" + message["content"] + eos_token + "b"`. */
static void find_answer(aci_chat_style *style, source s)
{
    size_t at = 0, i;

    while ((at = find(s, "eos_token", at)) != NOWHERE) {
        size_t content;

        i = skip_spaces(s, at + strlen("eos_token"));
        at++;
        for (content = at - 1; content > 0 && at - content < 60; content--)
            if (starts(s, content, "message"))
                break;
        if (!starts(s, content, "message") ||
            memchr(s.text + content, '}', at - content) != NULL)
            continue;
        if (starts(s, i, "+")) {
            i = skip_spaces(s, i + 1);
            if (i < s.n_bytes && (s.text[i] == '\'' || s.text[i] == '"') &&
                closing_quote(s, i) != NOWHERE)
                copy_literal(&style->after_answer, s, i + 1,
                             closing_quote(s, i));
        }
        while (content > 0 && s.text[content - 1] == ' ')
            content--;
        if (content > 0 && s.text[content - 1] == '+') {
            content--;
            while (content > 0 && s.text[content - 1] == ' ')
                content--;
            if (content > 1 && (s.text[content - 1] == '\'' ||
                                s.text[content - 1] == '"'))
                literal_around(&style->before_answer, s, content - 2);
        }
        return;
    }
}

static uint32_t read_mistral(aci_chat_style *style, source s)
{
    size_t open = find(s, "[INST]", 0), close = find(s, "[/INST]", 0);

    if (has(s, "[SYSTEM_PROMPT]") || close == NOWHERE ||
        !literal_around(&style->open, s, open) ||
        !literal_around(&style->close, s, close) ||
        find((source){ style->open.text, style->open.n_bytes }, "[/INST]",
             0) != NOWHERE)
        return ACI_CHAT_UNKNOWN;
    style->has_system = has(s, "system_message");
    style->system_last = has(s, "loop.last and system_message");
    find_answer(style, s);
    return ACI_CHAT_MISTRAL;
}

static uint32_t read_zephyr(aci_chat_style *style, source s)
{
    size_t at = find(s, "<|user|>", 0);

    at = find(s, "eos_token", at);
    if (at == NOWHERE || has(s, "<|end|>") || !has(s, "<|assistant|>"))
        return ACI_CHAT_UNKNOWN;
    find_answer(style, s);
    if (style->after_answer.n_bytes == 0 && newline_behind(s, at))
        put(&style->after_answer, "\n");
    find_prompt(style, s, "<|assistant|>", "<|assistant|>\n");
    return ACI_CHAT_ZEPHYR;
}

void aci_tokenizer_chat_recognise(aci_chat_style *style, const char *text,
                                  size_t n_bytes)
{
    const source s = { text, n_bytes };

    memset(style, 0, sizeof *style);
    style->kind = ACI_CHAT_PLAIN;
    if (n_bytes == 0)
        return;
    style->begins = has(s, "bos_token");
    style->trims = trims(s);
    if (has(s, "<|im_start|>"))
        style->kind = read_chatml(style, s);
    else if (has(s, "<|start_header_id|>"))
        style->kind = read_llama3(style, s);
    else if (has(s, "<|user|>"))
        style->kind = read_zephyr(style, s);
    else if (has(s, "[INST]") && has(s, "<<SYS>>"))
        style->kind = has(s, "[/INST]") ? ACI_CHAT_LLAMA2 : ACI_CHAT_UNKNOWN;
    else if (has(s, "[INST]"))
        style->kind = read_mistral(style, s);
    else
        style->kind = ACI_CHAT_UNKNOWN;
}
