/* perplexity.h - judging variants by a text: how well each predicts it, and
 * how near it stays to full. */
#ifndef ACI_WORKSHOP_PERPLEXITY_H
#define ACI_WORKSHOP_PERPLEXITY_H

#include "engine/engine.h"
#include "platform/threads.h"
#include "workshop/evaluate/judged_text.h"

/* An opened model, lent. */
typedef struct aci_judged_model {
    aci_memory *memory;
    const aci_model *model;
    aci_engine *engine;
    const aci_tokenizer *tokenizer;
    aci_pool *pool;
} aci_judged_model;

/* Fills in what 0 stands for, and refuses what makes no sense. */
ac_status aci_workshop_perplexity_settle(ac_perplexity_options *options,
                                         const aci_judged_model *with,
                                         ac_error *error);

/* The numbers of the variants that will be judged, full first. */
ac_status aci_workshop_perplexity_variants(int32_t *numbers, int32_t *n,
                                           const aci_model *model,
                                           const char *names,
                                           ac_error *error);

/* ac_perplexity on a text already read; options settled; `out` has room for
 * the n_variants `numbers`. */
ac_status aci_workshop_perplexity(ac_quality *out, ac_text_summary *summary,
                                  const aci_judged_model *with,
                                  const aci_judged_text *text,
                                  const int32_t *numbers, int32_t n_variants,
                                  const ac_perplexity_options *options,
                                  ac_error *error);

#endif
