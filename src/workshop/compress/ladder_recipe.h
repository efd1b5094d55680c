/* ladder_recipe.h - what a variant is to become, before anything is known of
 * the model: bits, and how much of the model's blocks is kept. */
#ifndef ACI_WORKSHOP_LADDER_RECIPE_H
#define ACI_WORKSHOP_LADDER_RECIPE_H

#include "model/variant.h"
#include "platform/memory.h"

typedef struct aci_recipe {
    char name[32];
    int32_t weight_bits, activation_bits, head_bits, embed_bits;
    double width;          /* share of the blocks' operations that is kept,
                              dealt out over heads and neurons of all layers;
                              1: all */
    double heads, neurons; /* the same of one kind alone, when width is 1 */
    double rank;           /* share of the operations of q, k, v and o that
                              their factors may take; 1: they stay matrices */
    int32_t compensate;    /* 1: o and down that lost columns are made anew for
                              this variant, which owns them; 0: a bias only */
    double target;         /* cost over full's at most, and everything else but
                              the name is chosen (ladder_target.h); 0: none */
    int32_t target_cost;   /* aci_target_cost */
} aci_recipe;

enum aci_target_cost { ACI_COST_BIT_OPERATIONS, ACI_COST_BYTES, ACI_COST_MACS,
                       ACI_COST_SECONDS };

typedef struct aci_ladder {
    aci_recipe recipes[AC_MAX_VARIANTS];
    int32_t n;
} aci_ladder;

/* 1 when the variant keeps a part of its heads or neurons alone. */
int aci_workshop_recipe_prunes(const aci_recipe *recipe);

/* 1 when the variant needs a plan or tensors of its own. */
int aci_workshop_recipe_is_structural(const aci_recipe *recipe);
int aci_workshop_ladder_is_structural(const aci_ladder *ladder);
int aci_workshop_ladder_has_target(const aci_ladder *ladder);

/* From "full,int8,int4-small" (NULL: full,int8,int4; "ladder" stands for the
 * default family), the variants of a plan file (NULL: none; JSON, see
 * docs/compression.md) after them, and of targets "cost=0.3,bytes=0.2" (NULL:
 * none), called target-0.30 and target-bytes-0.20, last. full is there whether
 * named or not, and first. AC_E_ARGUMENT for unknown names, with the list, for
 * doubled ones, and for targets that are none; AC_E_FORMAT names what is wrong
 * in a plan file. */
ac_status aci_workshop_ladder_parse(aci_ladder *out, aci_memory *memory,
                                    const char *names, const char *plan_path,
                                    const char *targets, ac_error *error);

/* "bit_operations", "bytes", ... of aci_target_cost. */
const char *aci_workshop_target_name(int32_t cost);

/* Bits and name, nothing measured, no plan. */
void aci_workshop_recipe_variant(aci_variant *out, const aci_recipe *recipe);

#endif
