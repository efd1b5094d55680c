/* chat.h - which chat template a model has, told from the template's text, and
 * the details in which templates of one kind differ. Not an interpreter: what
 * is not recognised is refused. */
#ifndef ACI_TOKENIZER_CHAT_H
#define ACI_TOKENIZER_CHAT_H

#include <stddef.h>
#include <stdint.h>

#define ACI_CHAT_PLAIN 0u            /* no template */
#define ACI_CHAT_CHATML 1u
#define ACI_CHAT_LLAMA2 2u
#define ACI_CHAT_LLAMA3 3u
#define ACI_CHAT_MISTRAL 4u
#define ACI_CHAT_ZEPHYR 5u
#define ACI_CHAT_UNKNOWN 6u

/* A text taken from the template, escapes undone. */
#define ACI_CHAT_LITERAL_BYTES 508
typedef struct aci_chat_literal {
    uint32_t n_bytes;
    char text[ACI_CHAT_LITERAL_BYTES];
} aci_chat_literal;

typedef struct aci_chat_style {
    uint32_t kind;                   /* ACI_CHAT_* */
    uint32_t begins;                 /* 1: the template writes bos first */
    uint32_t trims;                  /* 1: contents are stripped */
    uint32_t drops_thoughts;         /* 1: answers are cut behind </think> */
    uint32_t has_dates;              /* 1: Llama 3.1's two lines of dates */
    uint32_t has_system;             /* Mistral: system turns are allowed ... */
    uint32_t system_last;            /* ... and go with the last user turn */
    aci_chat_literal system;         /* ChatML: when no turn gives one */
    aci_chat_literal date;           /* Llama 3.1: today, says the template */
    aci_chat_literal open, close;    /* Mistral: around a user turn */
    aci_chat_literal before_answer;  /* Mistral: in front of a past answer */
    aci_chat_literal after_answer;   /* Mistral, Zephyr: behind its eos */
    aci_chat_literal prompt;         /* what opens the answer to come */
} aci_chat_style;

/* Reads the style from a template; NULL or 0 bytes is plain. */
void aci_tokenizer_chat_recognise(aci_chat_style *style, const char *text,
                                  size_t n_bytes);

#endif
