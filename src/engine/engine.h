/* engine.h - running the model: engine (shared, read-only) and session (one
 * conversation, one thread).
 *
 * Two passes: prefill (many tokens of one prompt) and decode (one token, or a
 * drafted few). A variant is chosen per call; the KV cache is shared by all
 * variants of a session. */
#ifndef ACI_ENGINE_ENGINE_H
#define ACI_ENGINE_ENGINE_H

#include "flow.h"
#include "kernels/backend.h"
#include "model/model.h"

typedef struct aci_engine aci_engine;
typedef struct aci_session aci_session;

ac_status aci_engine_open(aci_engine **out, aci_memory *memory,
                          const aci_model *model, aci_backend *backend,
                          ac_error *error);
/* The same, telling how many bytes of weights were copied to a device that has
 * memory of its own. A failure that `on_copied` answers ends it and is the
 * answer. */
typedef ac_status aci_engine_copied(uint64_t done, uint64_t total, void *user,
                                    ac_error *error);
ac_status aci_engine_open_told(aci_engine **out, aci_memory *memory,
                               const aci_model *model, aci_backend *backend,
                               aci_engine_copied *on_copied, void *user,
                               ac_error *error);
void aci_engine_close(aci_engine *engine);

ac_status aci_engine_session_open(aci_session **out, aci_engine *engine,
                                  uint32_t n_context, uint32_t kv_bits,
                                  ac_error *error);
void aci_engine_session_close(aci_session *session);
void aci_engine_session_reset(aci_session *session);

/* Tokens held, and how many. */
const int32_t *aci_engine_session_tokens(const aci_session *session,
                                         size_t *n_tokens);
uint32_t aci_engine_session_context(const aci_session *session);
uint32_t aci_engine_session_kv_bits(const aci_session *session);

/* May be called from any thread; checked between tokens and chunks. */
void aci_engine_session_cancel(aci_session *session);

/* At least one token, no more than the context, all in the vocabulary. */
ac_status aci_engine_check_prompt(const aci_session *session,
                                  const int32_t *tokens, size_t n_tokens,
                                  ac_error *error);
/* The same for tokens behind those the session holds. */
ac_status aci_engine_check_more(const aci_session *session,
                                const int32_t *tokens, size_t n_tokens,
                                ac_error *error);

/* What a request came to: prefill starts it from zero, generate adds. */
typedef struct aci_counts {
    uint32_t cached, evaluated;             /* prompt tokens */
    uint32_t generated, drafted, accepted;
    uint32_t stop_reason;                   /* AC_STOP_* */
    uint64_t prefill_nanoseconds, decode_nanoseconds;
    uint64_t queue_nanoseconds;             /* waiting; in neither of them */
} aci_counts;

/* Make the session hold exactly `tokens`: keeps the common prefix, drops the
 * rest, prefills what is new in chunks. Afterwards the logits of the last
 * token are in the session. At least the last token is always evaluated.
 * AC_E_CONTEXT_FULL names both sizes and leaves the session as it was. */
ac_status aci_engine_prefill(aci_counts *counts, aci_session *session,
                             const int32_t *tokens, size_t n_tokens,
                             int32_t variant, ac_error *error);

/* Sampling, limits and callbacks of a generation; the public options, plus what
 * the api worked out of them. */
typedef struct aci_generation {
    const ac_generate_options *options; /* never NULL, complete size */
    int32_t variant;
    int32_t draft_variant;              /* -1: no speculation */
    /* Called once per kept token; return non-zero to stop (end token, stop
     * string, budget): the value becomes the stop reason (AC_STOP_*). */
    uint32_t (*on_token)(int32_t token, float logprob,
                         const ac_logprob *top, uint32_t n_top, void *user);
    void *user;
} aci_generation;

/* Decode from where prefill left the session. AC_E_CANCELLED after a cancel;
 * AC_E_NUMERIC when logits are not finite. Counts are valid in every case. */
ac_status aci_engine_generate(aci_counts *counts,
                              aci_session *session,
                              const aci_generation *generation,
                              ac_error *error);

/* Logits of every one of the last call's rows for scoring: evaluates `tokens`
 * from an empty session, calling on_logits per position in order. */
ac_status aci_engine_score(aci_session *session, const int32_t *tokens,
                           size_t n_tokens, int32_t variant,
                           void (*on_logits)(size_t position,
                                             const aci_logits *logits,
                                             void *user),
                           void *user, ac_error *error);

/* The same behind the tokens the session holds, and without asking for
 * logits: a long text in pieces, or several variants in step, each with a
 * session of its own. Logits are brought over score_rows at a time. */
ac_status aci_engine_score_more(aci_session *session, const int32_t *tokens,
                                size_t n_tokens, int32_t variant,
                                void (*on_logits)(size_t position,
                                                  const aci_logits *logits,
                                                  void *user),
                                void *user, ac_error *error);
ac_status aci_engine_skip(aci_session *session, const int32_t *tokens,
                          size_t n_tokens, int32_t variant, ac_error *error);
size_t aci_engine_score_rows(const aci_session *session);

#endif
