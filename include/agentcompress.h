/* agentcompress.h - run language-model agents cheaply.
 *
 * libagentcompress keeps a *zoo*: one model, stored once, that can be run in
 * several *variants* (full, 8-bit, 4-bit, ...). For every prompt a small
 * *predictor* picks the cheapest variant expected to succeed, the *engine*
 * generates, and the *accountant* records what that cost and what the full
 * model would have cost.
 *
 * The whole of it in fifteen lines:
 *
 *     ac_engine *engine = NULL;
 *     ac_session *session = NULL;
 *     ac_error error = AC_ERROR_INIT;
 *     ac_result result = AC_RESULT_INIT;
 *
 *     if (ac_open(&engine, "my.zoo", NULL, &error) == AC_OK &&
 *         ac_session_open(&session, engine, NULL, &error) == AC_OK &&
 *         ac_generate(&result, session, "Hello", 5, NULL, &error) == AC_OK)
 *         printf("%s\n[%s]\n", result.text, result.decision->variant_name);
 *     else
 *         fprintf(stderr, "%s\n", error.message);
 *     ac_session_close(session);
 *     ac_close(engine);
 *
 * Rules that hold everywhere
 *   Output comes first, then the object, then inputs, then options, then the
 *   caller's `ac_error *` (may be NULL). Functions return AC_OK (0) or a
 *   negative ac_status whose number never changes meaning. A failed call
 *   leaves its objects as they were, unless its comment says otherwise.
 *   Text is UTF-8 with an explicit length; it need not end in NUL on the way
 *   in and always does on the way out. Strings returned are lent: valid until
 *   the next call on the same object. `*_close(NULL)` does nothing.
 *
 * Threads
 *   An ac_engine may be used by any number of threads at once. An ac_session
 *   or ac_ledger belongs to one thread at a time; ac_session_cancel alone may
 *   be called from any thread.
 *
 * Structs
 *   Options and results begin with `struct_size`; start them from their
 *   *_INIT macro, which zeroes the rest. 0 in a field means its default.
 *   The library never writes past the caller's struct_size, and refuses
 *   options from the future whose unknown fields are not zero.
 *
 * The library never prints, exits, aborts, installs signal handlers, or reads
 * environment variables.
 */
#ifndef AGENTCOMPRESS_H
#define AGENTCOMPRESS_H

#include <stddef.h>
#include <stdint.h>

#define AC_VERSION_MAJOR 0
#define AC_VERSION_MINOR 1
#define AC_VERSION_PATCH 0
#define AC_VERSION_STRING "0.1.0"

#if defined(__GNUC__) || defined(__clang__)
#define AC_API __attribute__((visibility("default")))
#else
#define AC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- 1. Status and errors ---------------------------------------------- */

/* What a call returns. Numbers are never reused. docs/errors.md explains each
 * and says what to do about it. Since 0.1. */
typedef int32_t ac_status;

#define AC_OK 0
#define AC_E_ARGUMENT (-1)    /* an argument is NULL, out of range or unknown */
#define AC_E_NO_MEMORY (-2)   /* allocation failed or the memory limit is hit */
#define AC_E_IO (-3)          /* the system refused a read or write */
#define AC_E_FORMAT (-4)      /* a file is malformed */
#define AC_E_UNSUPPORTED (-5) /* well-formed, but not something we can run */
#define AC_E_NOT_FOUND (-6)   /* no such file, variant, request or tensor */
#define AC_E_CONTEXT_FULL (-7) /* prompt is longer than the context */
#define AC_E_CANCELLED (-8)   /* stopped by the callback or ac_session_cancel */
#define AC_E_BUDGET (-9)      /* the call's or ledger's budget is spent */
#define AC_E_TOO_SMALL (-10)  /* the caller's buffer is too small; size given */
#define AC_E_DEVICE (-11)     /* the device failed or is not there */
#define AC_E_BUSY (-12)       /* another thread or process holds the object */
#define AC_E_DISK_FULL (-13)  /* no space left; nothing was half-written */
#define AC_E_CHECKSUM (-14)   /* stored bytes differ from their checksum */
#define AC_E_NUMERIC (-15)    /* NaN or infinity where a number must be */
#define AC_E_INTERNAL (-16)   /* our own mistake; please report it */

/* Details of a failure, filled by the call that failed. `message` is one line,
 * past tense, in English. Untouched by calls that succeed. Since 0.1. */
typedef struct ac_error {
    uint32_t struct_size;
    int32_t status;
    char message[504];
} ac_error;

#define AC_ERROR_INIT { sizeof(ac_error), 0, { 0 } }

/* ac_status_name: "AC_E_FORMAT" for AC_E_FORMAT; "AC_E_?" for unknown numbers.
 * Static storage. Since 0.1. */
AC_API const char *ac_status_name(ac_status status);

/* ac_version: version of the library loaded, "major.minor.patch"; compare it
 * with AC_VERSION_STRING of the header compiled against. Since 0.1. */
AC_API const char *ac_version(void);

/* ---- 2. Opening a zoo --------------------------------------------------- */

typedef struct ac_engine ac_engine;   /* an opened zoo on a device */
typedef struct ac_session ac_session; /* one conversation */
typedef struct ac_ledger ac_ledger;   /* the durable record of usage */

/* Severity passed to the log callback. */
#define AC_LOG_ERROR 1
#define AC_LOG_WARNING 2
#define AC_LOG_INFO 3

/* Called with one line of text, no newline, from any thread using the object;
 * `text` is valid during the call only. */
typedef void (*ac_log_callback)(int32_t level, const char *text, void *user);

/* The host's allocator. `allocate` returns memory aligned to 64 bytes or NULL;
 * `release` accepts NULL. Both may be called from any thread. */
typedef void *(*ac_allocate_callback)(size_t bytes, void *user);
typedef void (*ac_release_callback)(void *memory, void *user);

/* Long work reports how far it is; return anything but 0 to stop it (the call
 * then returns AC_E_CANCELLED and leaves nothing half-made). `total` is 0
 * when it is not known. Units are named by `stage`. */
typedef struct ac_progress {
    uint32_t struct_size;
    uint32_t reserved;
    const char *stage;            /* "quantize", "train", ... */
    uint64_t done, total;
    double seconds;               /* since the call began */
    double loss;                  /* training: last loss; else NaN */
} ac_progress;

typedef int32_t (*ac_progress_callback)(const ac_progress *progress,
                                        void *user);

/* What to do when the ledger cannot be written. */
#define AC_LEDGER_REFUSE 0 /* fail the request before any token is spent */
#define AC_LEDGER_DROP 1   /* go on, and count the drop in ac_engine_info */

typedef struct ac_open_options {
    uint32_t struct_size;
    uint32_t n_threads;           /* 0: one per physical core we may run on */
    uint64_t memory_limit_bytes;  /* 0: none. Mapped weights do not count */
    const char *device;           /* NULL or "auto", "cpu", "cuda:N" */
    const char *ledger_path;      /* NULL: no ledger */
    const char *price_book_path;  /* NULL: the price book built in */
    const char *price_name;       /* entry to charge; NULL: "local-cpu" */
    ac_log_callback on_log;       /* NULL: silent */
    void *log_user;
    ac_allocate_callback allocate; /* NULL: the C library; both or neither */
    ac_release_callback release;
    void *allocator_user;
    uint32_t ledger_policy;       /* AC_LEDGER_REFUSE or AC_LEDGER_DROP */
    uint32_t verify_checksums;    /* 1: read and check every byte on open */
    const char *cpu_level;        /* NULL: best; "reference", "avx2" or
                                     "avx512" */
    uint64_t device_memory_limit_bytes; /* of a GPU; 0: all that is free */
    ac_progress_callback on_progress; /* while weights are copied to a GPU:
                                     "upload", in bytes; NULL: none */
    void *progress_user;
} ac_open_options;

#define AC_OPEN_OPTIONS_INIT { sizeof(ac_open_options), 0, 0, NULL, NULL, \
                               NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
                               0, 0, NULL, 0, NULL, NULL }

/* ac_open: open a zoo directory, or a checkpoint (a Hugging Face directory or
 * a GGUF file), for use. A zoo's weights are mapped and used in place, so this
 * takes milliseconds; a checkpoint is read into float32 and has one variant,
 * "full", without a predictor: the reference the others are judged by.
 *
 * out         set to the engine, or NULL on failure.
 * path        of the zoo or checkpoint; or "synthetic:SHAPE", a zoo of random
 *             weights that is on no disk and takes little memory whatever its
 *             size, for benchmarks (docs/measuring.md). May be freed on
 *             return.
 * options     NULL means defaults.
 * Returns     AC_OK; AC_E_NOT_FOUND, AC_E_FORMAT, AC_E_CHECKSUM, AC_E_DEVICE,
 *             AC_E_UNSUPPORTED, AC_E_NO_MEMORY, AC_E_IO; AC_E_CANCELLED when
 *             on_progress said so.
 * Owns        the caller; ac_close it after its sessions.     Since 0.1. */
AC_API ac_status ac_open(ac_engine **out, const char *path,
                         const ac_open_options *options, ac_error *error);

/* ac_close: free the engine. Its sessions must be closed first; a session
 * still open keeps the engine's memory alive until it too is closed.
 * Since 0.1. */
AC_API void ac_close(ac_engine *engine);

/* What runs where. Strings are lent until ac_close. */
typedef struct ac_engine_info {
    uint32_t struct_size;
    uint32_t n_variants;          /* numbered from 0, cheapest last is not
                                     promised: read their costs */
    uint32_t full_variant;        /* number of the variant named "full" */
    uint32_t n_threads;
    uint32_t n_layer, n_embd, n_head, n_head_kv;
    uint32_t n_vocab, n_context;
    uint64_t n_parameters;
    uint64_t mapped_bytes;        /* weights, shared by every variant */
    uint64_t allocated_bytes;     /* everything else, sessions included */
    uint64_t ledger_drops;        /* entries lost under AC_LEDGER_DROP */
    const char *name;             /* of the model, as its makers call it */
    const char *architecture;     /* "llama", "mistral", "qwen2", "qwen3" */
    const char *device;           /* "cpu avx512-vnni" ... and why */
    const char *chat_template;    /* "chatml", "llama3", ... or "plain" */
    uint32_t has_predictor;
    uint32_t is_checkpoint;       /* 1: opened from a checkpoint */
    uint64_t device_bytes;        /* taken of a GPU's memory, weights and
                                     sessions; 0 on the CPU */
} ac_engine_info;

#define AC_ENGINE_INFO_INIT { sizeof(ac_engine_info), 0, 0, 0, 0, 0, 0, 0, 0, \
                              0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, 0, \
                              0 }

/* ac_describe: fill `out`. Since 0.1. */
AC_API ac_status ac_describe(ac_engine_info *out, const ac_engine *engine,
                             ac_error *error);

/* One way of running the zoo's model. Costs are relative to `full` (1.0) and
 * come from the zoo's card; quality fields are NaN where not measured. */
typedef struct ac_variant_info {
    uint32_t struct_size;
    uint32_t index;
    char name[32];
    uint32_t weight_bits;         /* 4, 8, 16 or 32 */
    uint32_t activation_bits;     /* 8, 16 or 32 */
    uint64_t bytes_per_token;     /* weights read to decode one token */
    uint64_t macs_per_token;      /* multiply-accumulates, one token */
    double cost_ratio;            /* decode seconds relative to full */
    double kl_divergence;         /* nats per token against full */
    double perplexity;
    double success_rate;          /* on the predictor's held-out prompts */
} ac_variant_info;

#define AC_VARIANT_INFO_INIT { sizeof(ac_variant_info), 0, { 0 }, 0, 0, 0, 0, \
                               0, 0, 0, 0 }

/* ac_variant_describe: fill `out` for variant `index`. AC_E_ARGUMENT when
 * there is no such variant. Since 0.1. */
AC_API ac_status ac_variant_describe(ac_variant_info *out,
                                     const ac_engine *engine, uint32_t index,
                                     ac_error *error);

/* ---- 3. Routing ---------------------------------------------------------- */

#define AC_MAX_VARIANTS 16

/* Why a variant was chosen. */
#define AC_REASON_CHEAPEST 1      /* cheapest that passes the threshold */
#define AC_REASON_LOW_CONFIDENCE 2 /* none passed: full */
#define AC_REASON_UNFAMILIAR 3    /* prompt unlike the training prompts: full */
#define AC_REASON_PINNED 4        /* the caller named it */
#define AC_REASON_BUDGET 5        /* the best that the budget allows */
#define AC_REASON_NO_PREDICTOR 6  /* the zoo has none: full */
#define AC_REASON_ESCALATED 7     /* changed while running */

typedef struct ac_route_options {
    uint32_t struct_size;
    uint32_t max_tokens;          /* assumed for the expected cost; 0: 256 */
    float min_confidence;         /* 0: 0.7 */
    float max_unfamiliarity;      /* 0: the predictor's own threshold */
    const char *variant;          /* pin a variant; NULL or "auto": route */
    int64_t budget_nanodollars;   /* 0: none */
} ac_route_options;

#define AC_ROUTE_OPTIONS_INIT { sizeof(ac_route_options), 0, 0, 0, NULL, 0 }

typedef struct ac_decision {
    uint32_t struct_size;
    uint32_t variant;             /* index, for ac_variant_describe */
    char variant_name[32];
    uint32_t reason;              /* AC_REASON_* */
    uint32_t n_variants;
    float confidence;             /* probability that `variant` succeeds */
    float unfamiliarity;          /* 0 like the training prompts, 1 unlike */
    float success[AC_MAX_VARIANTS]; /* per variant; 1 for full by definition
                                       of success as "as good as full" */
    int64_t expected_nanodollars; /* of the chosen variant; -1: no price */
    int64_t full_nanodollars;     /* of full, same tokens; -1: no price */
    uint64_t router_nanoseconds;  /* what deciding took */
    uint64_t prompt_hash;         /* of the features read: replay key */
} ac_decision;

#define AC_DECISION_INIT { sizeof(ac_decision), 0, { 0 }, 0, 0, 0, 0, { 0 }, \
                           0, 0, 0, 0 }

/* ac_route: decide which variant should answer `prompt`, without running it.
 *
 * out          the decision.
 * prompt       UTF-8, `prompt_bytes` long; may be empty.
 * options      NULL means defaults.
 * Returns      AC_OK; AC_E_ARGUMENT; AC_E_NOT_FOUND (no such variant pinned).
 * Threads      any, concurrently.                              Since 0.1. */
AC_API ac_status ac_route(ac_decision *out, const ac_engine *engine,
                          const char *prompt, size_t prompt_bytes,
                          const ac_route_options *options, ac_error *error);

/* ac_reason_name: "cheapest", "low-confidence", ... Static. Since 0.1. */
AC_API const char *ac_reason_name(uint32_t reason);

/* ---- 4. Sessions and generation ------------------------------------------ */

typedef struct ac_session_options {
    uint32_t struct_size;
    uint32_t n_context;           /* tokens kept; 0: the model's own, <= 8192 */
    uint32_t kv_bits;             /* 32, 16 or 8; 0: 16, a checkpoint's 32 */
    uint32_t reserved;            /* must be 0 */
} ac_session_options;

#define AC_SESSION_OPTIONS_INIT { sizeof(ac_session_options), 0, 0, 0 }

/* ac_session_open: start an empty conversation. Allocates everything it will
 * need; later calls do not. Since 0.1. */
AC_API ac_status ac_session_open(ac_session **out, ac_engine *engine,
                                 const ac_session_options *options,
                                 ac_error *error);

/* ac_session_close: free the session. Since 0.1. */
AC_API void ac_session_close(ac_session *session);

/* ac_session_reset: forget the conversation, keep the memory. Since 0.1. */
AC_API ac_status ac_session_reset(ac_session *session, ac_error *error);

/* ac_session_cancel: make the call now running on `session` return
 * AC_E_CANCELLED after the current token. Any thread; no effect when idle.
 * Since 0.1. */
AC_API void ac_session_cancel(ac_session *session);

/* Streaming: whole UTF-8 characters, valid during the call only. Return 0 to
 * go on, anything else to cancel. Runs on the caller's thread. */
typedef int32_t (*ac_text_callback)(const char *text, size_t text_bytes,
                                    void *user);

/* One entry of a logit bias. */
typedef struct ac_logit_bias {
    int32_t token;
    float bias;                   /* added; -INFINITY forbids the token */
} ac_logit_bias;

/* How far to trust special tokens in text. */
#define AC_SPECIAL_AS_TEXT 0      /* "<|im_end|>" is ordinary text (default) */
#define AC_SPECIAL_PARSE 1        /* it is the token */

/* Sampling and limits. Zero everywhere is greedy decoding of 256 tokens. */
typedef struct ac_generate_options {
    uint32_t struct_size;
    uint32_t max_tokens;          /* 0: 256 */
    float temperature;            /* [0,2]; 0: greedy */
    uint32_t top_k;               /* 0: off */
    float top_p;                  /* (0,1]; 0: off */
    float min_p;                  /* [0,1]; 0: off */
    float repetition_penalty;     /* 0 or 1: off */
    float frequency_penalty;      /* 0: off */
    float presence_penalty;       /* 0: off */
    uint32_t penalty_window;      /* tokens looked back at; 0: 64 */
    uint64_t seed;                /* same seed, same text */
    const char *const *stop;      /* NUL-terminated strings; may be NULL */
    uint32_t n_stop;
    uint32_t n_logit_bias;
    const ac_logit_bias *logit_bias;
    uint32_t n_logprobs;          /* alternatives per token, 0-20 */
    uint32_t special;             /* AC_SPECIAL_* for the prompt */
    uint32_t ignore_end;          /* 1: go on after the end token */
    uint32_t speculate;           /* 1: int4 drafts, the variant verifies;
                                     greedy only; same text, faster */
    uint32_t keep_session;        /* 1: append to the conversation as it is;
                                     0: the prompt is the whole text, what it
                                     shares with the last one is reused */
    float min_confidence;         /* as in ac_route_options */
    const char *variant;          /* as in ac_route_options */
    int64_t budget_nanodollars;   /* for this call; 0: none */
    ac_text_callback on_text;     /* NULL: no streaming */
    void *text_user;
    const char *label;            /* kept in the ledger; NULL: none */
} ac_generate_options;

#define AC_GENERATE_OPTIONS_INIT { sizeof(ac_generate_options), 0, 0, 0, 0, 0, \
    0, 0, 0, 0, 0, NULL, 0, 0, NULL, 0, 0, 0, 0, 0, 0, NULL, 0, NULL, NULL, \
    NULL }

/* What one request cost. Joules are -1 where not measured. */
typedef struct ac_usage {
    uint32_t struct_size;
    uint32_t variant;
    uint32_t prompt_tokens;       /* evaluated now, cached ones not included */
    uint32_t cached_tokens;       /* reused from the session */
    uint32_t generated_tokens;
    uint32_t draft_tokens;        /* proposed by speculation */
    uint32_t accepted_tokens;     /* of those, kept */
    uint32_t reserved;
    uint64_t macs;                /* multiply-accumulates, analytic */
    uint64_t bit_operations;      /* macs x weight bits x activation bits */
    uint64_t bytes_moved;         /* weights and KV cache read, analytic */
    uint64_t queue_nanoseconds;   /* waiting for the device */
    uint64_t route_nanoseconds;
    uint64_t prefill_nanoseconds;
    uint64_t decode_nanoseconds;
    int64_t microjoules;          /* -1: not measured */
    int64_t nanodollars;          /* device seconds x price; -1: no price */
    int64_t full_nanodollars;     /* the same tokens on full; -1: no price */
    uint64_t full_nanoseconds;    /* modelled device time on full */
    uint32_t full_basis;          /* AC_BASIS_* */
    uint32_t energy_source;       /* AC_ENERGY_* */
} ac_usage;

#define AC_BASIS_SAME 1           /* full itself ran: nothing is modelled */
#define AC_BASIS_CARD 2           /* measured ratio in the zoo's card */
#define AC_BASIS_ANALYTIC 3       /* bytes and operations only */
#define AC_ENERGY_NONE 0          /* no readable counter on this machine */
#define AC_ENERGY_RAPL 1          /* package counter, shared by all processes */
#define AC_ENERGY_NVML 2

/* Why generation ended. */
#define AC_STOP_END 1             /* the model's end token */
#define AC_STOP_STRING 2          /* one of the stop strings */
#define AC_STOP_MAX_TOKENS 3
#define AC_STOP_CONTEXT 4         /* the session is full */
#define AC_STOP_BUDGET 5
#define AC_STOP_CANCELLED 6

/* Log-probability of one token at one place. */
typedef struct ac_logprob {
    int32_t token;
    float logprob;                /* natural logarithm */
} ac_logprob;

/* Everything lent is valid until the next call on the session. */
typedef struct ac_result {
    uint32_t struct_size;
    uint32_t stop_reason;         /* AC_STOP_* */
    const char *text;             /* UTF-8, NUL-terminated; stop string cut */
    uint64_t text_bytes;
    const int32_t *tokens;        /* [n_tokens] generated */
    const float *token_logprobs;  /* [n_tokens]; NULL unless asked */
    const ac_logprob *top_logprobs; /* [n_tokens][n_logprobs]; or NULL */
    uint32_t n_tokens;
    uint32_t n_logprobs;
    uint64_t request_id;          /* in the ledger; 0: no ledger */
    const ac_decision *decision;  /* never NULL after ac_generate */
    const ac_usage *usage;        /* likewise */
} ac_result;

#define AC_RESULT_INIT { sizeof(ac_result), 0, NULL, 0, NULL, NULL, NULL, 0, \
                         0, 0, NULL, NULL }

/* ac_generate: route the prompt, continue it until it ends or `max_tokens` is
 * reached, and write what it cost to the ledger.
 *
 * out         text, decision and usage; filled as far as it came even when
 *             AC_E_CANCELLED or AC_E_BUDGET is returned.
 * session     open session; one thread at a time.
 * prompt      UTF-8, `prompt_bytes` long; may be freed on return.
 * options     NULL means defaults.
 * Returns     AC_OK; AC_E_CANCELLED and AC_E_BUDGET (partial text was
 *             delivered, ledger written); AC_E_CONTEXT_FULL, AC_E_NO_MEMORY,
 *             AC_E_ARGUMENT (session unchanged). Others: docs/errors.md.
 * Owns        nothing is handed over.                          Since 0.1. */
AC_API ac_status ac_generate(ac_result *out, ac_session *session,
                             const char *prompt, size_t prompt_bytes,
                             const ac_generate_options *options,
                             ac_error *error);

/* One turn of a chat. `role` is "system", "user" or "assistant". */
typedef struct ac_message {
    const char *role;
    const char *content;          /* UTF-8, NUL-terminated */
} ac_message;

/* ac_generate_chat: the same for a list of turns, put into the model's own
 * chat template. Special tokens inside `content` are ordinary text. Routing
 * reads the last user turn. AC_E_UNSUPPORTED when the model's template is not
 * one we know (message lists those we do). Since 0.1. */
AC_API ac_status ac_generate_chat(ac_result *out, ac_session *session,
                                  const ac_message *messages,
                                  size_t n_messages,
                                  const ac_generate_options *options,
                                  ac_error *error);

/* ---- 5. Tokens and scores ------------------------------------------------ */

/* ac_tokenize: text to token ids.
 *
 * tokens      [capacity]; may be NULL when capacity is 0.
 * n_tokens    set to the number the text needs, whatever the capacity.
 * special     AC_SPECIAL_*; with AC_SPECIAL_PARSE the model's own begin token
 *             is added as well, as for a prompt.
 * Returns     AC_OK; AC_E_TOO_SMALL (nothing written but n_tokens).
 * Threads     any, concurrently.                               Since 0.1. */
AC_API ac_status ac_tokenize(int32_t *tokens, size_t capacity,
                             size_t *n_tokens, const ac_engine *engine,
                             const char *text, size_t text_bytes,
                             uint32_t special, ac_error *error);

/* ac_detokenize: token ids to text; exact inverse for ordinary text.
 * `text_bytes` is set to the size needed, without the final NUL; `capacity`
 * counts it. Special tokens are written out only with AC_SPECIAL_PARSE.
 * Since 0.1. */
AC_API ac_status ac_detokenize(char *text, size_t capacity, size_t *text_bytes,
                               const ac_engine *engine, const int32_t *tokens,
                               size_t n_tokens, uint32_t special,
                               ac_error *error);

/* ac_score: log-probability of each of `tokens` given those before it, under
 * one variant. The session is reset first and holds the tokens afterwards.
 *
 * logprobs    [n_tokens]; the first is 0 (nothing comes before it).
 * logits      NULL, or [n_tokens][n_vocab]: every next-token logit.
 * variant     name; NULL means "full".
 * Returns     AC_OK; AC_E_CONTEXT_FULL; AC_E_NOT_FOUND.       Since 0.1. */
AC_API ac_status ac_score(float *logprobs, float *logits, ac_session *session,
                          const int32_t *tokens, size_t n_tokens,
                          const char *variant, ac_error *error);

/* ---- 6. The ledger ------------------------------------------------------- */

/* One settled or unsettled request. Strings are lent during the callback. */
typedef struct ac_ledger_entry {
    uint32_t struct_size;
    uint32_t settled;             /* 0: the process died before settling */
    uint64_t request_id;
    int64_t wall_nanoseconds;     /* since 1970, when it was reserved */
    int64_t reserved_nanodollars; /* worst case booked before the work */
    int32_t success;              /* feedback: 1, 0, or -1 for none */
    uint32_t stop_reason;
    const char *variant_name;
    const char *label;            /* NULL: none */
    const ac_decision *decision;
    const ac_usage *usage;
} ac_ledger_entry;

/* Sums over the settled requests of one group. */
typedef struct ac_ledger_totals {
    uint32_t struct_size;
    uint32_t reserved;
    const char *group;            /* variant, day or reason; "total" */
    uint64_t n_requests;
    uint64_t n_unsettled;
    uint64_t n_success, n_failure; /* from feedback */
    uint64_t prompt_tokens, cached_tokens, generated_tokens;
    uint64_t macs, bit_operations, bytes_moved;
    uint64_t device_nanoseconds;  /* prefill + decode */
    uint64_t route_nanoseconds;   /* the router's own cost */
    uint64_t full_nanoseconds;
    int64_t microjoules;          /* sum of those measured */
    uint64_t n_energy;            /* how many were measured */
    int64_t nanodollars;          /* router included */
    int64_t full_nanodollars;
    uint64_t n_unpriced;          /* requests without a price, in no sum */
} ac_ledger_totals;

#define AC_BY_TOTAL 0
#define AC_BY_VARIANT 1
#define AC_BY_DAY 2
#define AC_BY_REASON 3

/* Return 0 to go on, anything else to stop early. */
typedef int32_t (*ac_entry_callback)(const ac_ledger_entry *entry, void *user);
typedef int32_t (*ac_totals_callback)(const ac_ledger_totals *row, void *user);

/* ac_ledger_open: open an existing ledger for reading and feedback, also while
 * other processes write it. Since 0.1. */
AC_API ac_status ac_ledger_open(ac_ledger **out, const char *path,
                                ac_error *error);
AC_API void ac_ledger_close(ac_ledger *ledger);

/* ac_ledger_read: entries with request_id >= first_id, in order. Since 0.1. */
AC_API ac_status ac_ledger_read(ac_ledger *ledger, uint64_t first_id,
                                ac_entry_callback on_entry, void *user,
                                ac_error *error);

/* ac_ledger_totals_by: one row per group, AC_BY_*. Since 0.1. */
AC_API ac_status ac_ledger_totals_by(ac_ledger *ledger, uint32_t by,
                                     ac_totals_callback on_row, void *user,
                                     ac_error *error);

/* ac_ledger_feedback: record whether a request's answer was good (1) or not
 * (0). AC_E_NOT_FOUND when there is no such request. Since 0.1. */
AC_API ac_status ac_ledger_feedback(ac_ledger *ledger, uint64_t request_id,
                                    int32_t success, ac_error *error);

/* ac_ledger_report: write a self-contained HTML page. Since 0.1. */
AC_API ac_status ac_ledger_report(ac_ledger *ledger, const char *html_path,
                                  ac_error *error);

/* One entry of a price book (docs/costs.md): what an hour of one device costs,
 * by whom it is asked and who says so since when. Texts are lent for the
 * call. */
typedef struct ac_price {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t nanodollars_per_hour; /* -1: unset */
    const char *name;
    const char *provider;
    const char *as_of;            /* "2026-11-09" */
    const char *source;
} ac_price;

/* Return 0 to go on, anything else to stop early. */
typedef int32_t (*ac_price_callback)(const ac_price *price, void *user);

/* ac_prices_read: the entries of a price book, in its order.
 *
 * price_book_path  as in ac_open_options: NULL is the one built in.
 * on_price         called on this thread, after the whole book was checked.
 * Returns          AC_OK, also when stopped early; AC_E_NOT_FOUND (no such
 *                  file), AC_E_FORMAT, AC_E_UNSUPPORTED, AC_E_IO,
 *                  AC_E_NO_MEMORY.
 * Threads          any, concurrently.                        Since 0.1. */
AC_API ac_status ac_prices_read(const char *price_book_path,
                                ac_price_callback on_price, void *user,
                                ac_error *error);

/* ---- 7. The workshop: making zoos and predictors ------------------------- */

typedef struct ac_compress_options {
    uint32_t struct_size;
    uint32_t n_threads;           /* 0: one per core */
    uint64_t memory_limit_bytes;  /* of the whole run, mapped files not counted;
                                     0: none. on_log is told what is left out */
    const char *variants;         /* "full,int8,int4"; NULL: those three;
                                     "ladder": eight, some of which keep less
                                     of the model (docs/compression.md) */
    const char *predictor_path;   /* copied into the zoo; NULL: none */
    uint32_t group;               /* weights per scale: 32, 64 or 128;
                                     0: by size */
    uint32_t overwrite;           /* 1: replace an existing zoo, atomically */
    ac_progress_callback on_progress;
    void *progress_user;
    ac_log_callback on_log;
    void *log_user;
    uint64_t seed;                /* of synthetic weights */
    /* Text the model is run on, so that codes are chosen by what
     * they do to its products. Never the text it is judged by. */
    const char *const *calibration; /* [n_calibration] files: text, JSON lines
                                     of "text" or "prompt" and "completion",
                                     .xz of both; lent for the call */
    uint64_t calibration_tokens;  /* read at most; 0: 65,536. With a memory
                                     limit maybe fewer; on_log is told */
    const char *calibration_cache; /* file the statistics are kept in: made, or
                                     taken when it is of this model and text
                                     (else AC_E_ARGUMENT); NULL: not kept */
    uint32_t n_calibration;       /* 0: without calibration; at most 32 */
    uint32_t reserved;            /* must be 0 */
    /* Variants that keep less of the model need calibration. */
    const char *plan_path;        /* JSON file of more variants, see
                                     docs/compression.md; NULL: none */
    uint64_t recovery_tokens;     /* on which each variant that lost quality is
                                     trained, end to end, at most; 0: 300,000
                                     when a variant keeps less, else none; or
                                     AC_RECOVERY_NONE. All rungs together are
                                     2.25 times as many (docs/compression.md)
                                     */
    const char *targets;          /* "cost=0.3,bytes=0.2": for each a variant
                                     with the least expected loss whose cost
                                     over full's is at most that: cost (or
                                     bit_operations), bytes, macs, seconds.
                                     AC_E_ARGUMENT names the least that can be
                                     reached; NULL: none */
} ac_compress_options;

#define AC_COMPRESS_OPTIONS_INIT { sizeof(ac_compress_options), 0, 0, NULL, \
                                   NULL, 0, 0, NULL, NULL, NULL, NULL, 0, \
                                   NULL, 0, NULL, 0, 0, NULL, 0, NULL }

#define AC_RECOVERY_TOKENS 300000 /* the default of recovery_tokens */
#define AC_RECOVERY_NONE UINT64_MAX

/* ac_compress: make a zoo from a checkpoint.
 *
 * checkpoint  a Hugging Face directory, a GGUF file, or "synthetic:SHAPE" for
 *             random weights of a known shape (for benchmarks; the list is in
 *             docs/measuring.md).
 * zoo         directory to make; written beside its place and renamed, so a
 *             killed run or a full disk leaves no zoo at all. With calibration
 *             what a killed or cancelled run finished is left as
 *             "<zoo>.unfinished", and the same call goes on from there.
 * Returns     AC_OK; AC_E_UNSUPPORTED (architecture or tensor type, named),
 *             AC_E_NUMERIC (NaN weights, tensor named), AC_E_DISK_FULL,
 *             AC_E_ARGUMENT (zoo exists and overwrite is 0), ... Since 0.1. */
AC_API ac_status ac_compress(const char *checkpoint, const char *zoo,
                             const ac_compress_options *options,
                             ac_error *error);

/* How an export is held against the variant it was made of. */
#define AC_EXPORT_CHECK_ALL 0     /* weights, tokens and logits (default) */
#define AC_EXPORT_CHECK_WEIGHTS 1 /* not the logits, for which the model is
                                     opened as float32 */

typedef struct ac_export_options {
    uint32_t struct_size;
    uint32_t n_threads;           /* of the comparison; 0: one per core */
    uint64_t memory_limit_bytes;  /* 0: none; where the model as float32 is
                                     more, logits are not compared */
    const char *format;           /* "gguf", "compressed-tensors"; NULL: by
                                     whether `out` ends in .gguf */
    const char *variant;          /* NULL: "full" */
    const char *type;             /* of the weights (docs/export.md); NULL:
                                     the variant's own */
    const char *prompt;           /* text to compare on; NULL: four of ours */
    uint32_t overwrite;           /* 1: replace an earlier export */
    uint32_t check;               /* AC_EXPORT_CHECK_* */
    ac_progress_callback on_progress; /* "export", "compare", "run" */
    void *progress_user;
    ac_log_callback on_log;       /* warnings: what the target does otherwise */
    void *log_user;
} ac_export_options;

#define AC_EXPORT_OPTIONS_INIT { sizeof(ac_export_options), 0, 0, NULL, NULL, \
                                 NULL, NULL, 0, 0, NULL, NULL, NULL, NULL }

/* What was written, and how near it is, read back, to the variant. */
typedef struct ac_export_report {
    uint32_t struct_size;
    uint32_t logits_compared;     /* 0: they were left out */
    uint64_t n_bytes;             /* of the file, or of all of them */
    uint64_t n_tensors;
    double weight_error;          /* largest |W - W'| / |W| of a tensor W */
    double logit_difference;      /* largest of all positions and tokens */
    double kl;                    /* of the export from the variant, mean, nats
                                     per token */
    double same_top;              /* share with the same most likely token */
    uint64_t n_tokens;            /* of the texts compared */
    uint32_t n_texts;
    uint32_t n_texts_differ;      /* which the exported tokenizer cuts into
                                     other tokens */
    double seconds;
} ac_export_report;

#define AC_EXPORT_REPORT_INIT { sizeof(ac_export_report), 0, 0, 0, 0, 0, 0, \
                                0, 0, 0, 0, 0 }

/* ac_export: write a variant as a GGUF file for llama.cpp, or as a Hugging
 * Face directory with compressed tensors for vLLM. It is read back by the
 * library's own importer before it gets its name: weights, tokens and, unless
 * told otherwise, logits are compared with the variant's.
 *
 * report      NULL, or filled.
 * zoo         a zoo; or a checkpoint, whose only variant is "full".
 * out         file or directory to make; written beside its place and
 *             renamed, so a killed run or a full disk leaves nothing there.
 *             Memory does not grow with the model, but for the logits.
 * options     NULL means defaults.
 * Returns     AC_OK; AC_E_UNSUPPORTED (what the target cannot serve, with the
 *             reason), AC_E_NOT_FOUND (no such variant), AC_E_ARGUMENT (`out`
 *             exists and overwrite is 0, a type the format has not, ...),
 *             AC_E_NUMERIC (a weight that the type does not hold, tensor
 *             named), AC_E_DISK_FULL, AC_E_CANCELLED, AC_E_INTERNAL (what was
 *             read back is not the variant; nothing is kept).
 * Threads     any; two exports to one place are AC_E_BUSY.     Since 0.1. */
AC_API ac_status ac_export(ac_export_report *report, const char *zoo,
                           const char *out, const ac_export_options *options,
                           ac_error *error);

/* Where the model's begin token stands when a text is judged. */
#define AC_BEGIN_DOCUMENT 0       /* before each document, where the model
                                     wants one */
#define AC_BEGIN_WINDOW 1         /* in place of each window's first token, as
                                     llama.cpp does */
#define AC_BEGIN_NONE 2

typedef struct ac_perplexity_options {
    uint32_t struct_size;
    uint32_t n_context;           /* tokens of a window; 0: 512, or the
                                     model's own when that is less */
    uint32_t stride;              /* from window to window; 0: n_context, so
                                     that they are disjoint; less: they slide,
                                     and each token is judged once, after at
                                     least n_context - stride others */
    uint32_t second_half;         /* 1: judge each disjoint window's second
                                     half only */
    uint32_t whole_windows;       /* 1: leave out a last window that is not
                                     whole */
    uint32_t begin;               /* AC_BEGIN_* */
    uint32_t special;             /* AC_SPECIAL_* for the text */
    uint32_t kv_bits;             /* as in ac_session_options */
    uint32_t end;                 /* 1: judge the model's end token behind each
                                     document too, as ac_train does */
    uint32_t reserved;            /* must be 0 */
    uint64_t max_tokens;          /* of the text, the rest is left; 0: all */
    const char *variants;         /* "int8,int4"; NULL: all. full always runs */
    const char *text;             /* UTF-8, judged when text_path is NULL */
    uint64_t text_bytes;
    ac_progress_callback on_progress; /* in tokens, over all variants */
    void *progress_user;
} ac_perplexity_options;

#define AC_PERPLEXITY_OPTIONS_INIT { sizeof(ac_perplexity_options), 0, 0, 0, \
                                     0, 0, 0, 0, 0, 0, 0, NULL, NULL, 0, \
                                     NULL, NULL }

/* What was judged, and how: to be printed beside every figure, since figures
 * of two conventions do not compare. */
typedef struct ac_text_summary {
    uint32_t struct_size;
    uint32_t n_context, stride, second_half, whole_windows;
    uint32_t begin, special, kv_bits; /* as they were taken */
    uint64_t n_bytes;             /* of text, unpacked */
    uint64_t n_tokens;            /* of text, begin tokens included */
    uint64_t n_judged;            /* tokens the figures are over */
    uint64_t judged_bytes;        /* what those spell */
    uint64_t n_documents, n_windows;
    uint64_t n_batches;           /* independent parts the errors rest on */
    uint32_t n_vocab;
    int32_t begin_token;          /* -1: none was put in */
    int32_t end_token;            /* likewise */
    uint32_t reserved;
    char text_sha256[72];         /* of the file as it lies, in hexadecimal */
    char vocabulary_sha256[72];   /* of every token's length and bytes */
} ac_text_summary;

#define AC_TEXT_SUMMARY_INIT { sizeof(ac_text_summary), 0, 0, 0, 0, 0, 0, 0, \
                               0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, \
                               { 0 } }

/* How well a variant predicts the text, and how near it is to full. Means are
 * over the tokens judged, in double precision over the whole vocabulary; each
 * *_error is the standard error from batches of n_context tokens (a document,
 * where that is shorter), NaN of a single batch. */
typedef struct ac_quality {
    uint32_t struct_size;
    uint32_t variant;             /* index, for ac_variant_describe */
    char name[32];
    double nats, nats_error;      /* -ln p, per token */
    double perplexity, perplexity_error; /* exp(nats) */
    double bits_per_byte, bits_per_byte_error;
    double nats_over_full, nats_over_full_error; /* paired, token by token */
    double kl, kl_error;          /* of this variant from full, nats */
    double kl_median, kl_p99, kl_max;
    double same_top, same_top_error; /* share with full's most likely token */
    double seconds;               /* running it and comparing */
} ac_quality;

#define AC_QUALITY_INIT { sizeof(ac_quality), 0, { 0 }, 0, 0, 0, 0, 0, 0, 0, \
                          0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* ac_perplexity: judge variants by a text: perplexity, divergence from full,
 * how often the most likely token is full's. Memory is bounded: the text's
 * tokens, one cache per variant, 32 MiB of logits, 4 bytes per token and
 * variant.
 *
 * out         [capacity], full first; AC_MAX_VARIANTS always suffice. Begin
 *             out[0] from AC_QUALITY_INIT: its struct_size holds for all.
 * n_out       set to the number of variants judged.
 * summary     NULL, or filled.
 * text_path   UTF-8 text, one document; NAME.jsonl: a document per line, in
 *             "text", or in "prompt" and "completion", of which only the
 *             completion is judged; .xz of either. NULL: options->text.
 * Returns     AC_OK; AC_E_TOO_SMALL (n_out is set, nothing was run);
 *             AC_E_ARGUMENT (the text is too short for a window, ...);
 *             AC_E_FORMAT (not UTF-8, or a bad line, named); AC_E_NOT_FOUND
 *             (no such variant or file); AC_E_NUMERIC (logits that are not
 *             finite); AC_E_CANCELLED.
 * Threads     any, concurrently.                               Since 0.1. */
AC_API ac_status ac_perplexity(ac_quality *out, size_t capacity,
                               size_t *n_out, ac_text_summary *summary,
                               ac_engine *engine, const char *text_path,
                               const ac_perplexity_options *options,
                               ac_error *error);

typedef struct ac_measure_options {
    uint32_t struct_size;
    uint32_t n_threads;           /* 0: one per core */
    const char *device;           /* as in ac_open_options */
    const char *text_path;        /* UTF-8 text to judge by; NULL: none */
    uint32_t n_prompt;            /* tokens per prefill; 0: 128 */
    uint32_t n_generate;          /* tokens per decode; 0: 32 */
    uint32_t n_runs;              /* of each variant, 1-64; 0: 5, and
                                   * more while all take under 2 seconds */
    uint32_t reserved;            /* must be 0 */
    ac_progress_callback on_progress;
    void *progress_user;
} ac_measure_options;

#define AC_MEASURE_OPTIONS_INIT { sizeof(ac_measure_options), 0, NULL, NULL, \
                                  0, 0, 0, 0, NULL, NULL }

/* ac_measure: time every variant of a zoo on this machine, and write what came
 * out into its card, where routing and the accountant read it: seconds relative
 * to full, prefill and decode apart; with text_path also the divergence from
 * full and the perplexity. Figures of another machine are replaced.
 *
 * Returns     AC_OK; AC_E_ARGUMENT (a checkpoint has no card), AC_E_CANCELLED
 *             and whatever ac_open returns; the card is then as it was.
 *             Since 0.1. */
AC_API ac_status ac_measure(const char *zoo,
                            const ac_measure_options *options,
                            ac_error *error);

typedef struct ac_train_options {
    uint32_t struct_size;
    uint32_t n_prefix_tokens;     /* 10-15; 0: 15 */
    uint32_t max_epochs;          /* 0: 40 */
    float test_share;             /* 0: 0.2, split by prompt */
    uint64_t seed;
    ac_progress_callback on_progress;
    void *progress_user;
} ac_train_options;

#define AC_TRAIN_OPTIONS_INIT { sizeof(ac_train_options), 0, 0, 0, 0, NULL, \
                                NULL }

/* How a predictor did on the prompts it never saw, for its cheapest variant.
 * APGR: average performance gap recovered (Ong et al., RouteLLM, 2024). */
typedef struct ac_train_report {
    uint32_t struct_size;
    uint32_t n_parameters;
    uint32_t n_train, n_calibrate, n_test;
    uint32_t n_variants;
    double auroc, brier, ece;
    double apgr, apgr_random, apgr_length, apgr_logistic, apgr_oracle;
    double auroc_length, auroc_logistic;
    double share_full_at_threshold; /* test prompts that go to full at 0.7 */
    double retention_at_threshold;  /* success there / success of full */
} ac_train_report;

#define AC_TRAIN_REPORT_INIT { sizeof(ac_train_report), 0, 0, 0, 0, 0, 0, 0, \
                               0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* ac_train_predictor: learn from outcomes which prompts each variant can
 * answer.
 *
 * report        NULL, or filled with held-out results.
 * outcomes      JSON lines: {"prompt": "...", "success": {"int4": 1,
 *               "full": 1}}, values in [0,1]; .xz is read too.
 * predictor     file to write, atomically.
 * Returns       AC_OK; AC_E_FORMAT (line named); ...           Since 0.1. */
AC_API ac_status ac_train_predictor(ac_train_report *report,
                                    const char *outcomes,
                                    const char *predictor,
                                    const ac_train_options *options,
                                    ac_error *error);

/* 0 and NULL are defaults. */
typedef struct ac_tokenizer_options {
    uint32_t struct_size;
    uint32_t n_threads;           /* of reading; 0: one per core. The result
                                     does not depend on it */
    const char *const *data;      /* [n_data] files: text, or JSON lines when
                                     named .jsonl or .json; .xz of both */
    const char *const *special_tokens; /* [n_special_tokens] printable ASCII
                                     without spaces; ids 1 and up */
    uint32_t n_data, n_special_tokens;
    uint32_t n_vocab;             /* all tokens together; 0: 4096 */
    uint32_t max_digits;          /* a token may hold: 1 or 3; 0: 1 */
    uint64_t min_count;           /* rarer pairs are not merged; 0: 2 */
    ac_progress_callback on_progress; /* "count bytes", "learn merges" */
    void *progress_user;
} ac_tokenizer_options;

#define AC_TOKENIZER_OPTIONS_INIT { sizeof(ac_tokenizer_options), 0, NULL, \
                                    NULL, 0, 0, 0, 0, 0, NULL, NULL }

typedef struct ac_tokenizer_report {
    uint32_t struct_size;
    uint32_t n_vocab;             /* fewer than asked when pairs ran out */
    uint32_t n_merges;
    uint32_t reserved;
    uint64_t n_bytes;             /* of text read */
    uint64_t n_words, n_distinct_words; /* pieces of it */
    uint64_t n_tokens;            /* the text becomes, special ones aside */
    double seconds;
} ac_tokenizer_report;

#define AC_TOKENIZER_REPORT_INIT { sizeof(ac_tokenizer_report), 0, 0, 0, 0, \
                                   0, 0, 0, 0 }

/* ac_train_tokenizer: learn a byte-level BPE tokenizer from text. The pattern
 * that cuts text into words is that of Qwen 2, or of Llama 3 with max_digits
 * 3; no normalisation, so that every text comes back byte for byte.
 * `<|endoftext|>` is token 0 and begins and ends texts.
 *
 * report      NULL, or filled with what came of it.
 * out         directory for tokenizer.json and tokenizer_config.json, made
 *             when it is missing; or a name ending in .json for the first
 *             alone. Written atomically; files of these names are replaced.
 * options     as above; `data` must name something.
 * Returns     AC_OK; AC_E_ARGUMENT (a vocabulary too small for the 256 bytes
 *             and the special tokens, no text in the data), AC_E_FORMAT (line
 *             named), AC_E_NOT_FOUND, AC_E_CANCELLED, AC_E_DISK_FULL, ...
 *             In plain text bytes that are not UTF-8 are left out.
 *             Since 0.1. */
AC_API ac_status ac_train_tokenizer(ac_tokenizer_report *report,
                                    const char *out,
                                    const ac_tokenizer_options *options,
                                    ac_error *error);

/* How text files are cut into documents. JSON lines have one each. */
#define AC_DOCUMENTS_BLANK 0      /* two blank lines end one (default); a line
                                     <|endoftext|> does too */
#define AC_DOCUMENTS_FILE 1       /* the whole file is one */
#define AC_DOCUMENTS_LINE 2       /* every line is one */

/* How far training is, after every step. Losses are nats per token. */
typedef struct ac_training_progress {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t step, n_steps;       /* steps done, and planned */
    uint64_t n_tokens;            /* trained on since the run began */
    double seconds;               /* likewise; over resumed runs together */
    double tokens_per_second;     /* of late */
    double loss;                  /* smoothed over some steps */
    double held_out_loss;         /* last measured; NaN before the first */
    double learning_rate;
    double matrix_share;          /* of the rate of products alone, measured at
                                     the start at the model's own shapes; 0 in
                                     a run too short for that */
    double seconds_left;
} ac_training_progress;

/* Return 0 to go on, anything else to stop: the step is finished, the state
 * saved, and the call returns AC_E_CANCELLED. */
typedef int32_t (*ac_training_callback)(const ac_training_progress *progress,
                                        void *user);

/* 0 and NULL are defaults throughout. Everything that follows `data` down to
 * `overwrite` decides the result, and a run can only be resumed with the same;
 * n_threads does not. */
typedef struct ac_training_options {
    uint32_t struct_size;
    uint32_t n_threads;           /* 0: one per core */
    const char *const *data;      /* [n_data] "FILE" or "FILE:WEIGHT": JSON
                                     lines or text, .xz too; the weight times
                                     a file's size is its share */
    const char *const *held_out;  /* [n_held_out] files to be judged by */
    uint32_t n_data, n_held_out;
    const char *teacher;          /* checkpoint to learn from; NULL: none */
    const char *trainable;        /* "all"; "small": norms and biases; "lora";
                                     "block:N": layer N; NULL: "all" */
    const char *matrices;         /* lora: of "q,k,v,o,gate,up,down"; NULL:
                                     all seven */
    const char *schedule;         /* "cosine", "linear", "constant"; NULL:
                                     "cosine" */
    uint64_t n_steps;             /* 0: from n_epochs */
    uint64_t seed;                /* of fresh weights, and the data's order */
    float n_epochs;               /* passes over the data; 0: 1 */
    float learning_rate;          /* 0: by size, 2e-3 below 10 M parameters; a
                                     tenth of it when weights were there and
                                     are trained themselves */
    float final_rate_share;       /* of the peak, at the end; 0: 0.1 */
    float warmup_share;           /* of the steps; 0: 0.02; negative: none */
    float beta_1, beta_2;         /* 0: 0.9, 0.95 */
    float weight_decay;           /* 0: 0.1; negative: none */
    float clip_norm;              /* 0: 1; negative: none */
    float held_out_share;         /* of documents, by hash; 0: none */
    float distill_share;          /* of the loss, with a teacher; 0: 1 */
    float distill_temperature;    /* 0: 1 */
    float average_decay;          /* of the weights' running mean, which is
                                     then what is judged and written; 0: none */
    float lora_alpha;             /* 0: twice the rank */
    uint32_t lora_rank;           /* 0: 8 */
    uint32_t batch_tokens;        /* in one pass; 0: 4096 */
    uint32_t n_accumulate;        /* passes per step; 0: 1 */
    uint32_t n_context;           /* longest piece; 0: the model's, <= 1024 */
    uint32_t documents;           /* AC_DOCUMENTS_* */
    uint32_t evaluate_every;      /* steps; 0: a twentieth of them, or so that
                                     it takes about a tenth of the time */
    uint32_t evaluate_tokens;     /* held-out tokens read; 0: 65536 */
    uint32_t patience;            /* evaluations without a better one before
                                     it ends early; 0: never */
    uint32_t from_scratch;        /* 1: fresh weights though the model has
                                     some */
    uint32_t recompute;           /* 1: less memory, a third more work */
    uint32_t save_every;          /* steps; 0: every five minutes */
    uint32_t resume;              /* 1: go on where `out` stopped; begin, when
                                     there is nothing yet */
    uint32_t overwrite;           /* 1: begin anew though `out` has a run */
    ac_training_callback on_progress;
    void *progress_user;
    ac_log_callback on_log;
    void *log_user;
    const char *precision;        /* of the operands of matrix products:
                                     "float32" (NULL), or "bf16", which is
                                     faster and needs AVX512_BF16; weights,
                                     sums and the rest are float32 at both.
                                     Decides the result, too */
} ac_training_options;

#define AC_TRAINING_OPTIONS_INIT { sizeof(ac_training_options), 0, NULL, NULL, \
    0, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL }

/* What came of it. */
typedef struct ac_training_report {
    uint32_t struct_size;
    uint32_t stopped_early;       /* 1: patience ran out */
    uint64_t n_parameters, n_trainable;
    uint64_t n_steps;             /* done */
    uint64_t n_tokens;            /* trained on */
    double seconds;
    double tokens_per_second;
    double matrix_share;          /* as in ac_training_progress */
    double loss;                  /* smoothed, at the end */
    double held_out_loss;         /* the best; NaN: nothing was held out */
    uint64_t best_step;           /* when that was; 0: nothing was held out */
} ac_training_report;

#define AC_TRAINING_REPORT_INIT { sizeof(ac_training_report), 0, 0, 0, 0, 0, \
                                  0, 0, 0, 0, 0, 0 }

/* ac_train: train a model, or go on training one.
 *
 * report      NULL, or filled with what came of it.
 * model       a Hugging Face directory: config.json and a tokenizer; with
 *             weights they are the start, without them fresh ones are drawn.
 * out         directory to fill: the model (weights in bfloat16, the best on
 *             held-out data when there is any), log.csv with a line per step,
 *             and train.state, from which a run goes on. Killed at any moment
 *             and resumed, a run gives the very weights it would have given.
 * Returns     AC_OK; AC_E_ARGUMENT (a resumed run differs: the option is
 *             named), AC_E_FORMAT (file and line named), AC_E_NUMERIC (step
 *             and layer named; the last good state is kept), AC_E_DISK_FULL
 *             (likewise), AC_E_CANCELLED (state saved), AC_E_UNSUPPORTED
 *             (bf16, and the processor lacks it), AC_E_BUSY, ...
 *             Since 0.1. */
AC_API ac_status ac_train(ac_training_report *report, const char *model,
                          const char *out, const ac_training_options *options,
                          ac_error *error);

/* ac_inspect: what a zoo, checkpoint or predictor is, as JSON; nothing is
 * loaded. `*out_json` is the caller's: ac_free it. Since 0.1. */
AC_API ac_status ac_inspect(char **out_json, const char *path,
                            ac_error *error);

/* ac_free: release memory that a function handed over. NULL is fine.
 * Since 0.1. */
AC_API void ac_free(void *memory);

/* ---- 8. Workflows: tasks with checkers ----------------------------------- */

/* A workflow is a chain of requests of which later ones use earlier answers,
 * with a checker for each; docs/workflows.md has the rows, the splits and the
 * rules. Everything is JSON lines, so that any engine can be judged. */

/* One row, without a newline; lent during the call. Return 0 to go on,
 * anything else to stop (the call then returns AC_E_CANCELLED). */
typedef int32_t (*ac_row_callback)(const char *json, size_t json_bytes,
                                   void *user);

typedef struct ac_workflows_options {
    uint32_t struct_size;
    uint32_t training;            /* 1: a row {"prompt", "completion"} for
                                     each step, the reference's earlier
                                     answers put in, instead of workflows */
    uint64_t seed;                /* 0: the one of the frozen sets */
    uint64_t first;               /* number of the first workflow */
    uint64_t n_workflows;         /* 0: 500 of "test", 1000 of "train" and
                                     "calibration", 200 of the others */
    ac_progress_callback on_progress;
    void *progress_user;
} ac_workflows_options;

#define AC_WORKFLOWS_OPTIONS_INIT { sizeof(ac_workflows_options), 0, 0, 0, 0, \
                                    NULL, NULL }

/* ac_workflows_generate: make workflows, each a function of split, seed and
 * its number alone.
 *
 * split       "train", "calibration", "test", "ood-kind", "ood-domain" or
 *             "ood-template"; they share no template and no fact with train.
 * options     NULL means defaults.
 * on_row      called on this thread with each row, in order.
 * Returns     AC_OK; AC_E_ARGUMENT (no such split); AC_E_CANCELLED;
 *             AC_E_NO_MEMORY.                                  Since 0.1. */
AC_API ac_status ac_workflows_generate(const char *split,
                                       const ac_workflows_options *options,
                                       ac_row_callback on_row, void *user,
                                       ac_error *error);

/* ac_workflows_prompt: the prompt of a workflow's next step, with an engine's
 * own earlier answers put in where it says "{{1}}", "{{2}}", ...
 *
 * out_prompt  set to NUL-terminated text, the caller's: ac_free it; NULL when
 *             all steps have been answered.
 * workflow    one row as ac_workflows_generate gives it, `n_bytes` long.
 * answers     [n_answers] to the first steps; may be NULL when n_answers is 0.
 * max_tokens  NULL, or set to how long the answer may be.
 * Returns     AC_OK; AC_E_FORMAT (the row, or its "{{n}}").    Since 0.1. */
AC_API ac_status ac_workflows_prompt(char **out_prompt, uint32_t *max_tokens,
                                     const char *workflow, size_t n_bytes,
                                     const char *const *answers,
                                     size_t n_answers, ac_error *error);

/* ac_workflows_check: whether a workflow's row can be asked and judged: its
 * steps, the "{{n}}" of its prompts, every field of its checks.
 *
 * workflow    one row, `n_bytes` long, for instance of your own.
 * Returns     AC_OK; AC_E_FORMAT (what is wrong, with step and field; a field
 *             that the checker does not know is wrong); AC_E_NO_MEMORY.
 *                                                              Since 0.1. */
AC_API ac_status ac_workflows_check(const char *workflow, size_t n_bytes,
                                    ac_error *error);

/* What the checker said about one answer. Strings are lent during the call. */
typedef struct ac_step_verdict {
    uint32_t struct_size;
    uint32_t step;                /* from 1 */
    uint32_t level;
    uint32_t passed;              /* 1: every rule held */
    uint32_t answered;            /* 0: there was no answer */
    uint32_t reserved;
    double score;                 /* share of the rules that held */
    const char *workflow, *domain, *kind;
    const char *variant;          /* who answered; NULL: rows do not say */
    const char *prompt;           /* with its own earlier answers; NULL: one
                                     of those is missing */
    const char *answer;           /* NULL: none */
    const char *reason;           /* the first rule broken; "" */
} ac_step_verdict;

/* Return 0 to go on, anything else to stop. */
typedef int32_t (*ac_verdict_callback)(const ac_step_verdict *verdict,
                                       void *user);

typedef struct ac_workflows_score_options {
    uint32_t struct_size;
    uint32_t n_threads;           /* 0: one per core; figures are the same */
    const char *workflows_path;   /* JSON lines; NULL: those of `split` */
    const char *split;            /* NULL: "test" */
    uint64_t seed, first, n_workflows; /* as in ac_workflows_options */
    const char *against_path;     /* another's answers to compare with */
    uint32_t n_resamples;         /* of the bootstrap; 0: 10000 */
    uint32_t reserved;            /* must be 0 */
    uint64_t resample_seed;
    ac_verdict_callback on_verdict; /* NULL: none */
    void *verdict_user;
} ac_workflows_score_options;

#define AC_WORKFLOWS_SCORE_OPTIONS_INIT { sizeof(ac_workflows_score_options), \
    0, NULL, NULL, 0, 0, 0, NULL, 0, 0, 0, NULL, NULL }

/* ac_workflows_score: judge an engine's answers to a suite. A step without an
 * answer failed; a workflow succeeds when all its steps do.
 *
 * out_json    the report (docs/workflows.md), the caller's: ac_free it. NULL:
 *             only the verdicts are wanted.
 * answers     path of JSON lines {"id", "step", "answer"}, step from 1, and
 *             optionally "variant"; .xz is read too.
 * options     NULL means defaults: the frozen test set.
 * Returns     AC_OK; AC_E_FORMAT (line named: the same step twice, rows of two
 *             variants, answers to no step of the suite, a bad checker);
 *             AC_E_NOT_FOUND, AC_E_ARGUMENT, AC_E_CANCELLED, AC_E_NO_MEMORY.
 *                                                              Since 0.1. */
AC_API ac_status ac_workflows_score(char **out_json, const char *answers,
                                    const ac_workflows_score_options *options,
                                    ac_error *error);

#ifdef __cplusplus
}
#endif
#endif /* AGENTCOMPRESS_H */
