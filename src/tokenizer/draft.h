/* draft.h - a tokenizer being put together: growable lists that every importer
 * fills (tokenizer.json, tokenizer.model, vocab.json, GGUF) and that
 * image_build.c turns into an image. Text in a draft is as decoding gives it:
 * GPT-2's letters for bytes and SentencePiece's U+2581 are undone before. */
#ifndef ACI_TOKENIZER_DRAFT_H
#define ACI_TOKENIZER_DRAFT_H

#include "tokenizer/act.h"

typedef struct aci_draft_token {
    uint64_t offset;
    uint32_t n_bytes;
    float score;
    uint8_t kind;                    /* ACI_ACT_MODEL ... */
    uint8_t present;
} aci_draft_token;

typedef struct aci_draft_index {
    aci_act_slot *slots;
    uint32_t n_slots, probes;
} aci_draft_index;

typedef struct aci_draft {
    aci_memory *memory;
    aci_draft_token *tokens;         /* [n_tokens], gaps not present */
    size_t n_tokens, tokens_capacity;
    char *text;
    size_t text_bytes, text_capacity;
    aci_act_merge *merges;
    size_t n_merges, merges_capacity;
    aci_act_added *added;
    size_t n_added, added_capacity;
    aci_act_split splits[ACI_ACT_MAX_SPLITS];
    size_t n_splits;
    char *split_text;
    size_t split_bytes;
    char *chat_template;
    size_t chat_template_bytes;
    uint32_t family, flags, prefix, form;
    int32_t bos, eos, unknown;
    aci_draft_index index;           /* by text; made by draft_index */
} aci_draft;

void aci_tokenizer_draft_init(aci_draft *draft, aci_memory *memory);
void aci_tokenizer_draft_free(aci_draft *draft);

/* Token `id`; AC_E_FORMAT when it is there already or out of range. */
ac_status aci_tokenizer_draft_token(aci_draft *draft, size_t id,
                                    const char *text, size_t n_bytes,
                                    uint8_t kind, float score,
                                    ac_error *error);

/* Makes draft->index over all tokens but byte ones, or with `model_only` over
 * those merging may produce. Of equal texts the later one wins. */
ac_status aci_tokenizer_draft_index(aci_draft *draft, int model_only,
                                    ac_error *error);
int32_t aci_tokenizer_draft_find(const aci_draft *draft, const char *text,
                                 size_t n_bytes);

ac_status aci_tokenizer_draft_merge(aci_draft *draft, int32_t left,
                                    int32_t right, size_t rank,
                                    int32_t result, ac_error *error);

/* Makes token `id` an added one; a token already added keeps its flags. */
ac_status aci_tokenizer_draft_added(aci_draft *draft, size_t id,
                                    uint32_t flags, ac_error *error);

ac_status aci_tokenizer_draft_split(aci_draft *draft, const char *pattern,
                                    size_t n_bytes, uint32_t behaviour,
                                    uint32_t invert, ac_error *error);
ac_status aci_tokenizer_draft_template(aci_draft *draft, const char *text,
                                       size_t n_bytes, ac_error *error);

/* Marks what ends generation: eos and the end tokens known by name. */
void aci_tokenizer_draft_mark_ends(aci_draft *draft);

/* The finished tokenizer; the draft stays the caller's to free. */
ac_status aci_tokenizer_draft_finish(aci_tokenizer **out, aci_draft *draft,
                                     ac_error *error);

/* Importers. */
ac_status aci_tokenizer_read_json(aci_draft *draft, const char *path,
                                  ac_error *error);
ac_status aci_tokenizer_read_sentencepiece(aci_draft *draft, const char *path,
                                           ac_error *error);
ac_status aci_tokenizer_read_vocabulary(aci_draft *draft,
                                        const aci_vocabulary_source *source,
                                        ac_error *error);
/* tokenizer_config.json and its neighbours in `folder`, over what the
 * vocabulary itself said. */
ac_status aci_tokenizer_read_configs(aci_draft *draft, const char *folder,
                                     ac_error *error);

#endif
