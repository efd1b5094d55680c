/* ladder_memory.c - what the making of a ladder takes of memory, from the shape
 * alone. Each figure counts what is held at once in the function named beside
 * it, rounded up; parts follow each other, so the largest is the run's. */
#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/compress/ladder_make.h"

typedef struct sizes {
    uint64_t embd, ff, heads, keys, wide;
} sizes;

static sizes sizes_of(const aci_shape *s)
{
    sizes z = { .embd = (uint64_t)s->n_embd, .ff = (uint64_t)s->n_ff,
                .heads = (uint64_t)s->n_head * (uint64_t)s->head_dim,
                .keys = (uint64_t)s->n_head_kv * (uint64_t)s->head_dim };

    z.wide = z.ff > z.heads ? z.ff : z.heads;
    z.wide = z.wide > z.embd ? z.wide : z.embd;
    return z;
}

/* aci_workshop_prune: five matrices of doubles, statistics in order, and three
 * forms of the weights. */
static uint64_t order_bytes(const sizes *z)
{
    return 42 * z->wide * z->wide + 28 * z->embd * z->wide;
}

/* aci_workshop_low_rank of q, k and v together. */
static uint64_t ranks_bytes(const sizes *z)
{
    uint64_t n = z->heads + 2 * z->keys;

    n = n > z->embd ? n : z->embd;
    return 72 * n * n;
}

/* aci_workshop_feedback_create, and blocks of strips. */
static uint64_t codes_bytes(const sizes *z)
{
    return 18 * z->wide * z->wide + ((uint64_t)32 << 20);
}

/* ladder_recover.c: the teacher and, while codes of the trained are held
 * against codes of the untrained, four forms of the student; copies of two in
 * networks, with gradients and moments of what is trained; what the layers
 * leave of a batch. */
static uint64_t end_bytes(const aci_shape *s, const sizes *z)
{
    uint64_t row = 8 * z->embd + 4 * z->ff;

    return 40 * (uint64_t)aci_model_parameter_count(s) +
           2 * 1024 * (uint64_t)s->n_layer * row * sizeof(float);
}

/* target_facts.c: the model and a form of it, and copies of both in
 * networks. */
static uint64_t targets_bytes(const aci_shape *s)
{
    return 20 * (uint64_t)aci_model_parameter_count(s);
}

static ac_status check(const char *what, uint64_t needed, uint64_t limit,
                       ac_error *error)
{
    char a[24], b[24];

    if (limit == 0 || needed <= limit)
        return AC_OK;
    return aci_platform_fail(error, AC_E_NO_MEMORY,
                             "%s needs %s of memory; the limit was %s", what,
                             aci_platform_bytes_text(a, needed),
                             aci_platform_bytes_text(b, limit));
}

static int32_t choose_teaching(const aci_ladder_work *work, const sizes *z)
{
    uint64_t limit = work->memory->limit_bytes, blocks;
    uint64_t end = end_bytes(work->shape, z);
    char a[24], b[24], c[24];

    if (work->options->recovery_tokens == AC_RECOVERY_NONE)
        return ACI_TEACH_NONE;
    if (limit == 0)
        limit = aci_platform_machine_bytes() / 4 * 3;
    if (limit == 0 || end <= limit)
        return ACI_TEACH_END;
    blocks = aci_workshop_ladder_blocks_bytes(work);
    aci_platform_bytes_text(a, end);
    aci_platform_bytes_text(b, limit);
    aci_platform_bytes_text(c, blocks);
    if (blocks > limit) {
        aci_workshop_ladder_note(work, AC_LOG_WARNING,
                                 "variants are not trained: a layer at a time "
                                 "it would take %s of memory, end to end %s; "
                                 "there are %s", c, a, b);
        return ACI_TEACH_NONE;
    }
    aci_workshop_ladder_note(work, AC_LOG_WARNING,
                             "variants are trained a layer at a time, which "
                             "takes %s of memory: end to end would take %s, "
                             "and there are %s", c, a, b);
    return ACI_TEACH_BLOCKS;
}

ac_status aci_workshop_ladder_memory(int32_t *out, const aci_ladder_work *work,
                                     const aci_ladder *ladder, ac_error *error)
{
    sizes z = sizes_of(work->shape);
    uint64_t limit = work->memory->limit_bytes;
    int targets = aci_workshop_ladder_has_target(ladder);
    int factors = targets, prunes = targets; /* a target tries both */
    char a[24], b[24], c[24];
    ac_status status = AC_OK;

    for (int32_t i = 0; i < ladder->n; i++) {
        const aci_recipe *r = &ladder->recipes[i];

        factors |= r->rank < 1.0;
        prunes |= aci_workshop_recipe_prunes(r);
    }
    aci_workshop_ladder_note(
        work, AC_LOG_INFO,
        "memory besides calibration: %s to put units in order, %s for ranks, "
        "%s to choose codes",
        aci_platform_bytes_text(a, prunes ? order_bytes(&z) : 0),
        aci_platform_bytes_text(b, factors ? ranks_bytes(&z) : 0),
        aci_platform_bytes_text(c, codes_bytes(&z)));
    if (prunes)
        status = check("putting a layer's units in order", order_bytes(&z),
                       limit, error);
    if (status == AC_OK && factors)
        status = check("finding ranks", ranks_bytes(&z), limit, error);
    if (status == AC_OK && targets)
        status = check("measuring what targets are chosen by",
                       targets_bytes(work->shape), limit, error);
    *out = choose_teaching(work, &z);
    return status;
}
