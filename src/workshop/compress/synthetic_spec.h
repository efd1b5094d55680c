/* synthetic_spec.h - what somebody asks for who wants random weights.
 *
 *     NAME_OR_CONFIG[,FIELD=VALUE]...
 *
 *     llama-2-70b
 *     llama-3-8b,n_layer=4,seed=7
 *     ./my-model/config.json,variants=int8+int4
 *
 * A name of known_shapes.h, or a config.json of Hugging Face (whatever has a
 * "/" or ends in ".json"; without commas). Fields: n_layer, n_embd, n_head,
 * n_head_kv, head_dim, n_ff, n_vocab, n_context, tied (0 or 1); seed; group
 * (32, 64, 128); block_mib, the memory that all weights share; variants, joined
 * by "+" ("ladder": the default). */
#ifndef ACI_WORKSHOP_SYNTHETIC_SPEC_H
#define ACI_WORKSHOP_SYNTHETIC_SPEC_H

#include "model/shape.h"
#include "platform/memory.h"
#include "workshop/compress/ladder_recipe.h"

typedef struct aci_synthetic_spec {
    aci_shape shape;
    uint32_t group;
    uint64_t seed;
    uint64_t block_bytes;      /* 0: not said */
    aci_ladder ladder;         /* full is there, and first */
    int32_t without_full;      /* 1: it was not asked for */
} aci_synthetic_spec;

/* AC_E_ARGUMENT for fields and values that are none, AC_E_NOT_FOUND for other
 * names and variants (with the list), and what aci_model_shape_check says. */
ac_status aci_workshop_synthetic_parse(aci_synthetic_spec *out,
                                       aci_memory *memory, const char *text,
                                       ac_error *error);

#endif
