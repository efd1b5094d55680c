/* handles.h - what is behind the public handles, and the small checks every
 * public function begins with. */
#ifndef ACI_API_HANDLES_H
#define ACI_API_HANDLES_H

#include <stdatomic.h>

#include "accountant/accountant.h"
#include "engine/engine.h"
#include "flow.h"
#include "platform/memory.h"
#include "router/router.h"
#include "tokenizer/tokenizer.h"

struct ac_engine {
    aci_memory memory;           /* everything below comes from here */
    aci_model *model;
    aci_tokenizer *tokenizer;
    aci_predictor *predictor;    /* NULL: the zoo has none */
    uint64_t predictor_checksum; /* of its file, for the ledger; 0: none */
    aci_pool *pool;
    aci_backend *backend;
    aci_engine *engine;
    aci_accountant *accountant;
    ac_log_callback on_log;
    void *log_user;
    _Atomic uint32_t n_references; /* the caller's, and one per session */
    char device[320];            /* what runs, and why */
};

struct ac_session {
    ac_engine *engine;
    aci_session *session;
    aci_tokens prompt;           /* of the call at hand */
    struct aci_answer *answer;   /* see answer.h */
    ac_decision decision;        /* lent through ac_result */
    ac_usage usage;
};

/* Copies the caller's options into `own` (own_bytes long, already holding the
 * defaults), as much as struct_size says. AC_E_UNSUPPORTED when the caller
 * knows fields that we do not and set one. `given` NULL leaves defaults. */
ac_status aci_api_take_options(void *own, size_t own_bytes, const void *given,
                               const char *what, ac_error *error);

/* Writes `own` into the caller's struct, no further than its struct_size. */
ac_status aci_api_give_result(void *out, const void *own, size_t own_bytes,
                              const char *what, ac_error *error);

/* AC_E_ARGUMENT naming `what` when `pointer` is NULL. */
ac_status aci_api_need(const void *pointer, const char *what,
                       ac_error *error);

/* What follows "synthetic:" in a path, or NULL. */
const char *aci_api_synthetic(const char *path);

/* Drops a reference; frees the engine with the last one. */
void aci_api_engine_release(ac_engine *engine);

/* One line to the host's log callback; dropped when there is none. */
void aci_api_log(const ac_engine *engine, int32_t level, const char *text);

/* The decision for a prompt of `prompt_tokens` tokens, and what it was made
 * from; options complete. */
ac_status aci_api_decide(ac_decision *out, aci_decision_inputs *inputs,
                         const ac_engine *engine,
                         const char *prompt, size_t prompt_bytes,
                         const ac_route_options *options,
                         uint64_t prompt_tokens, ac_error *error);

#endif
