/* target_options.c - what every width and rank of a layer costs, and what it
 * is expected to lose. Costs are those of token_cost.c, where a variant's own
 * biases are counted as if it had all of them: a target is met rather than
 * missed by a bias. */
#include <math.h>

#include "platform/error.h"
#include "workshop/compress/ladder_target.h"
#include "workshop/compress/prune_allocate.h"
#include "workshop/compress/prune_neurons.h"

enum { KV_BITS = 16, ATTENTION_BITS = 16 };

static double of_kind(const aci_token_cost *cost, int32_t kind)
{
    return kind == ACI_COST_BYTES  ? (double)cost->bytes
           : kind == ACI_COST_MACS ? (double)cost->macs
                                   : (double)cost->bit_operations;
}

/* A matrix of one kind (aci_layer_matrix, or the head). */
static double matrix_cost(const aci_target_space *s, int32_t matrix,
                          int32_t n_out, int32_t n_in, int32_t bits)
{
    aci_token_cost cost = { 0, 0, 0 };
    const double *timed;

    if (s->cost != ACI_COST_SECONDS) {
        aci_model_matrix_cost(&cost, n_out, n_in, bits, bits == 16 ? 16 : 8,
                              (int32_t)s->group);
        return of_kind(&cost, s->cost);
    }
    timed = s->facts->seconds[matrix][bits == 4 ? 0 : bits == 8 ? 1 : 2];
    return timed[0] + timed[1] * (double)n_out * (double)n_in;
}

static int32_t heads_of(const aci_target_space *s, int32_t n_head_kv)
{
    return n_head_kv * (s->shape->n_head / s->shape->n_head_kv) *
           s->shape->head_dim;
}

/* The cache of the token itself, and its scores. */
static double cache_cost(const aci_target_space *s, int32_t n_head_kv)
{
    uint64_t macs = 2 * (uint64_t)heads_of(s, n_head_kv);
    aci_token_cost cost = {
        .macs = macs, .bit_operations = macs * KV_BITS * ATTENTION_BITS,
        .bytes = 2 * (uint64_t)n_head_kv * (uint64_t)s->shape->head_dim *
                 KV_BITS / 8
    };

    return s->cost == ACI_COST_SECONDS ? 0.0 : of_kind(&cost, s->cost);
}

static double attention_cost(const aci_target_space *s, int32_t n_head_kv,
                             int32_t rank_qkv, int32_t rank_o, int32_t bits)
{
    int32_t heads = heads_of(s, n_head_kv), embd = s->shape->n_embd;
    int32_t keys = n_head_kv * s->shape->head_dim;
    int32_t in = rank_qkv > 0 ? rank_qkv : embd;
    double sum = cache_cost(s, n_head_kv) +
                 matrix_cost(s, ACI_MATRIX_Q, heads, in, bits) +
                 matrix_cost(s, ACI_MATRIX_K, keys, in, bits) +
                 matrix_cost(s, ACI_MATRIX_V, keys, in, bits);

    if (rank_qkv > 0)
        sum += matrix_cost(s, ACI_MATRIX_Q, rank_qkv, embd, bits);
    if (rank_o == 0)
        return sum + matrix_cost(s, ACI_MATRIX_O, embd, heads, bits);
    return sum + matrix_cost(s, ACI_MATRIX_O, embd, rank_o, bits) +
           matrix_cost(s, ACI_MATRIX_O, rank_o, heads, bits);
}

static double feed_forward_cost(const aci_target_space *s, int32_t n_ff,
                                int32_t bits)
{
    int32_t embd = s->shape->n_embd;

    return matrix_cost(s, ACI_MATRIX_GATE, n_ff, embd, bits) +
           matrix_cost(s, ACI_MATRIX_UP, n_ff, embd, bits) +
           matrix_cost(s, ACI_MATRIX_DOWN, embd, n_ff, bits);
}

/* Head and embedding row; norms, and biases where there are, or could be. */
static double outer_cost(const aci_target_space *s, int32_t head_bits,
                         int32_t embed_bits, int with_biases)
{
    const aci_shape *shape = s->shape;
    double embd = (double)shape->n_embd, vectors;
    aci_token_cost row = { 0, 0, 0 };

    vectors = embd + (double)shape->n_layer *
                         (2.0 * embd +
                          (with_biases ? 2.0 * embd : 0.0) +
                          (with_biases || shape->attention_bias
                               ? (double)heads_of(s, shape->n_head_kv) +
                                     2.0 * shape->n_head_kv * shape->head_dim
                               : 0.0));
    aci_model_matrix_cost(&row, 16, shape->n_embd, embed_bits, 8,
                          (int32_t)s->group);
    return matrix_cost(s, ACI_TIMED_HEAD, shape->n_vocab, shape->n_embd,
                       head_bits) +
           (s->cost == ACI_COST_BYTES
                ? 4.0 * vectors + (double)row.bytes / 16.0
                : 0.0);
}

double aci_workshop_target_full(const aci_target_space *space)
{
    const aci_shape *shape = space->shape;

    return outer_cost(space, 16, 16, 0) +
           shape->n_layer *
               (attention_cost(space, shape->n_head_kv, 0, 0, 16) +
                feed_forward_cost(space, shape->n_ff, 16));
}

double aci_workshop_target_fixed(const aci_target_space *space)
{
    return outer_cost(space, space->head_bits, 8, 1);
}

/* ---- units --------------------------------------------------------------- */

static int32_t least_of(const aci_target_space *s, int32_t layer,
                        int32_t n_units, int32_t multiple)
{
    aci_prune_rules rules = { .n_layer = s->shape->n_layer };
    aci_prune_choice choice = { .n_units = n_units, .multiple = multiple,
                                .layer = layer };

    return (int32_t)aci_workshop_prune_least(&choice, &rules);
}

/* At 8 bits the store's weights stay, and biases make up for what is gone. */
static int by_bias(const aci_target_space *s)
{
    return s->weight_bits == 8;
}

static void add(aci_target_unit *unit, double cost, double loss, int32_t kept,
                int32_t rank_qkv, int32_t rank_o)
{
    unit->options[unit->n++] = (aci_target_option){ cost, fmax(loss, 0.0),
                                                    kept, rank_qkv, rank_o };
}

/* Of factors of these ranks (in steps); below 0: there are none. */
static double factors_loss(const aci_target_space *s, int32_t layer,
                           int32_t step_qkv, int32_t step_o)
{
    const aci_target_facts *facts = s->facts;
    double sum = 0.0, error;

    if (s->plan == NULL)
        return 0.0;
    if (step_qkv > 0) {
        error = aci_workshop_fact_error(facts, layer, 0, step_qkv);
        if (error < 0.0)
            return -1.0;
        sum += error * aci_workshop_fact_alpha(facts, layer, ACI_FACT_QKV);
    }
    if (step_o > 0) {
        error = aci_workshop_fact_error(facts, layer, 1, step_o);
        if (error < 0.0)
            return -1.0;
        sum += error * aci_workshop_fact_alpha(facts, layer, ACI_FACT_O);
    }
    return sum;
}

static void add_attention(aci_target_unit *unit, const aci_target_space *s,
                          int32_t layer)
{
    int32_t all = s->shape->n_head_kv;
    int32_t most_qkv = aci_workshop_target_ranks(s->shape, 0);
    int32_t most_o = aci_workshop_target_ranks(s->shape, 1);

    for (int32_t k = least_of(s, layer, all, 1); k <= all; k++)
        add(unit, attention_cost(s, k, 0, 0, s->weight_bits),
            s->plan == NULL || k == all
                ? 0.0
                : aci_workshop_fact_alpha(s->facts, layer, ACI_FACT_HEADS) *
                      aci_workshop_losses_heads(s->plan, s->shape, layer,
                                                by_bias(s))[k],
            k, 0, 0);
    for (int32_t i = 0; i <= most_qkv; i++)
        for (int32_t j = 0; j <= most_o; j++) {
            double loss = factors_loss(s, layer, i, j);

            if (i + j > 0 && loss >= 0.0)
                add(unit, attention_cost(s, all, i * ACI_LADDER_RANKS,
                                         j * ACI_LADDER_RANKS,
                                         s->weight_bits),
                    loss, all, i * ACI_LADDER_RANKS, j * ACI_LADDER_RANKS);
        }
}

static void add_feed_forward(aci_target_unit *unit, const aci_target_space *s,
                             int32_t layer)
{
    int32_t all = s->shape->n_ff, n = aci_workshop_losses_steps(s->shape);
    int32_t least = least_of(s, layer, all, ACI_NEURON_MULTIPLE);

    for (int32_t j = 1; j <= n; j++) {
        int32_t kept = j < n ? j * ACI_NEURON_MULTIPLE : all;

        if (kept >= least)
            add(unit, feed_forward_cost(s, kept, s->weight_bits),
                s->plan == NULL || kept == all
                    ? 0.0
                    : aci_workshop_fact_alpha(s->facts, layer,
                                              ACI_FACT_NEURONS) *
                          aci_workshop_losses_neurons(s->plan, s->shape,
                                                      layer, by_bias(s))[j],
                kept, 0, 0);
    }
}

ac_status aci_workshop_target_units(aci_target_unit **out,
                                    const aci_target_space *space,
                                    aci_memory *memory, ac_error *error)
{
    const aci_shape *shape = space->shape;
    int32_t n = 2 * shape->n_layer;
    size_t attention = (size_t)shape->n_head_kv +
                       (size_t)(aci_workshop_target_ranks(shape, 0) + 1) *
                           (size_t)(aci_workshop_target_ranks(shape, 1) + 1);
    aci_target_unit *units = aci_platform_alloc_zeroed(memory, (size_t)n,
                                                       sizeof *units);

    *out = units;
    for (int32_t u = 0; units != NULL && u < n; u++) {
        units[u].options = aci_platform_alloc_array(
            memory,
            u % 2 == 0 ? attention
                       : (size_t)aci_workshop_losses_steps(shape),
            sizeof *units[u].options);
        if (units[u].options == NULL) {
            aci_workshop_target_units_free(units, n, memory);
            units = *out = NULL;
        } else if (u % 2 == 0) {
            add_attention(&units[u], space, u / 2);
        } else {
            add_feed_forward(&units[u], space, u / 2);
        }
    }
    return units != NULL
               ? AC_OK
               : aci_platform_fail_memory(error, "the options of a target");
}

void aci_workshop_target_units_free(aci_target_unit *units, int32_t n,
                                    aci_memory *memory)
{
    for (int32_t u = 0; units != NULL && u < n; u++)
        aci_platform_free(memory, units[u].options);
    aci_platform_free(memory, units);
}
