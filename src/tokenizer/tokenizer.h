/* tokenizer.h - text to token ids and back.
 *
 * Byte-level BPE (GPT-2, Llama 3, Qwen families) and SentencePiece BPE with
 * byte fallback (Llama 2, Mistral). Built from a Hugging Face directory or
 * GGUF vocabulary once, kept in a zoo as tokenizer.act, which is mapped and
 * ready at once. Read-only after open; any thread. */
#ifndef ACI_TOKENIZER_TOKENIZER_H
#define ACI_TOKENIZER_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "flow.h"
#include "platform/memory.h"

typedef struct aci_tokenizer aci_tokenizer;

/* What a vocabulary importer hands over (the api builds it from GGUF, since a
 * stage may not see the model folder's reader). Everything is lent. */
typedef struct aci_vocabulary_source {
    void *context;
    size_t n_tokens, n_merges;
    /* Token i: bytes as the file spells it, score, and type as in GGUF
     * (1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte). */
    int (*token)(void *context, size_t i, const char **text, size_t *n_bytes,
                 float *score, int32_t *type);
    int (*merge)(void *context, size_t i, const char **text, size_t *n_bytes);
    const char *model;              /* "gpt2", "llama" */
    const char *pre;                /* "gpt-2", "llama-bpe", "qwen2", ... */
    size_t pre_bytes;
    int32_t bos, eos, unknown;      /* -1: none */
    int32_t add_bos, add_eos, add_space_prefix; /* -1: the model's default */
    const char *chat_template;      /* or NULL */
    size_t chat_template_bytes;
} aci_vocabulary_source;

/* From tokenizer.json, or tokenizer.model, or vocab.json + merges.txt, with
 * tokenizer_config.json and generation_config.json beside it. */
ac_status aci_tokenizer_from_folder(aci_tokenizer **out, aci_memory *memory,
                                    const char *folder, ac_error *error);
ac_status aci_tokenizer_from_vocabulary(aci_tokenizer **out,
                                        aci_memory *memory,
                                        const aci_vocabulary_source *source,
                                        ac_error *error);
/* tokenizer.act, our own file. */
ac_status aci_tokenizer_open(aci_tokenizer **out, aci_memory *memory,
                             const char *path, ac_error *error);
ac_status aci_tokenizer_save(const aci_tokenizer *tokenizer, const char *path,
                             ac_error *error);
void aci_tokenizer_close(aci_tokenizer *tokenizer);

int32_t aci_tokenizer_size(const aci_tokenizer *tokenizer);
int32_t aci_tokenizer_bos(const aci_tokenizer *tokenizer); /* -1: none */
int32_t aci_tokenizer_eos(const aci_tokenizer *tokenizer); /* -1: none */
/* 1 when generation ends at this token (eos, <|eot_id|>, <|im_end|>, ...). */
int aci_tokenizer_is_end(const aci_tokenizer *tokenizer, int32_t token);

/* Appends to `tokens`, growing it. `parse_special`: special tokens in the text
 * become their ids. `add_begin`: bos first, where the model wants one. */
ac_status aci_tokenizer_encode(aci_tokens *tokens,
                               const aci_tokenizer *tokenizer,
                               const char *text, size_t n_bytes,
                               int parse_special, int add_begin,
                               ac_error *error);

/* Bytes of one token into out [capacity]; returns the number needed. Special
 * tokens give 0 bytes unless `with_special`. Ids out of range give 0. */
size_t aci_tokenizer_piece(char *out, size_t capacity,
                           const aci_tokenizer *tokenizer, int32_t token,
                           int with_special);

/* Text of a list of tokens, the SentencePiece leading space removed. Returns
 * the bytes needed. */
size_t aci_tokenizer_decode(char *out, size_t capacity,
                            const aci_tokenizer *tokenizer,
                            const int32_t *tokens, size_t n_tokens,
                            int with_special);

/* Tokens in, whole UTF-8 characters out: a character that spans tokens is held
 * back until it is complete, and bytes that are no character come out as
 * U+FFFD. Memory is fixed at open. One thread at a time. `at_start`: the
 * tokens begin a text, so SentencePiece's leading space is dropped. */
typedef struct aci_tokenizer_stream aci_tokenizer_stream;
ac_status aci_tokenizer_stream_open(aci_tokenizer_stream **out,
                                    aci_memory *memory,
                                    const aci_tokenizer *tokenizer,
                                    int at_start, int with_special,
                                    ac_error *error);
/* Text that has become whole, NUL-terminated, lent until the next call; often
 * empty. */
const char *aci_tokenizer_stream_push(size_t *n_bytes,
                                      aci_tokenizer_stream *stream,
                                      int32_t token);
/* What is left when no more tokens come. */
const char *aci_tokenizer_stream_finish(size_t *n_bytes,
                                        aci_tokenizer_stream *stream);
void aci_tokenizer_stream_reset(aci_tokenizer_stream *stream);
void aci_tokenizer_stream_close(aci_tokenizer_stream *stream);

/* "chatml", "llama2", "llama3", "mistral", "zephyr", "plain" (no template), or
 * "unknown" (a template that aci_tokenizer_encode_chat refuses). */
const char *aci_tokenizer_chat_name(const aci_tokenizer *tokenizer);

/* Turns into tokens of the model's template, the answer's opening included.
 * Special tokens in contents stay text. AC_E_UNSUPPORTED with the list when
 * the template is none we know. */
ac_status aci_tokenizer_encode_chat(aci_tokens *tokens,
                                    const aci_tokenizer *tokenizer,
                                    const ac_message *messages,
                                    size_t n_messages, ac_error *error);

void aci_tokenizer_tokens_free(aci_memory *memory, aci_tokens *tokens);

#endif
