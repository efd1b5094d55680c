/* spelling.h - how vocabulary files spell the bytes of a token. */
#ifndef ACI_TOKENIZER_SPELLING_H
#define ACI_TOKENIZER_SPELLING_H

#include "tokenizer/draft.h"

/* GPT-2's spelling: every byte is a printable letter. Writes the bytes to out
 * [n_bytes] and returns their number, or -1 when a character is none of the
 * 256 letters. */
int64_t aci_tokenizer_unspell_bytes(char *out, const char *text,
                                    size_t n_bytes);

/* The reverse; out [2 * n_bytes]. Returns the bytes written. */
size_t aci_tokenizer_spell_bytes(char *out, const char *text, size_t n_bytes);

/* SentencePiece's spelling: U+2581 is a space. Writes to out [n_bytes]. */
size_t aci_tokenizer_unspell_spaces(char *out, const char *text,
                                    size_t n_bytes);

/* The byte of "<0x0A>", or -1. */
int aci_tokenizer_unspell_fallback(const char *text, size_t n_bytes);

/* Token `id` of the model as a vocabulary file of draft->family spells it;
 * `spaces`: U+2581 stands for a space; `fallback`: "<0x0A>" is a byte. */
ac_status aci_tokenizer_draft_spelled(aci_draft *draft, size_t id,
                                      const char *text, size_t n_bytes,
                                      uint8_t kind, float score, int spaces,
                                      int fallback, ac_error *error);

/* The merge line "left right", as spelled in a file of byte-level BPE or
 * SentencePiece. Needs draft->index. */
ac_status aci_tokenizer_draft_merge_pair(aci_draft *draft, const char *left,
                                         size_t left_bytes, const char *right,
                                         size_t right_bytes, size_t rank,
                                         int spaces, ac_error *error);
ac_status aci_tokenizer_draft_merge_line(aci_draft *draft, const char *line,
                                         size_t n_bytes, size_t rank,
                                         int spaces, ac_error *error);

#endif
