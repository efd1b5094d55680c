/* merge.c - byte-pair merging of one piece of text.
 *
 * Short pieces (words): ranks of neighbours in an array, the smallest found by
 * looking; nothing beats that under thirty symbols. Long ones: a linked list
 * of symbols and a heap of candidates, n log n, so that a megabyte without a
 * space stays a matter of a second. A candidate in the heap is stale when the
 * symbols at its place are no longer the ones it was made from. */
#include "tokenizer/merge.h"

#include "tokenizer/utf8.h"

#define SHORT 32
#define NONE UINT32_MAX

typedef struct node {
    int32_t id;                      /* -1: merged into its left neighbour */
    uint32_t previous, next;         /* NONE at the ends */
} node;

typedef struct candidate {
    uint32_t rank, place;            /* of the left symbol */
    int32_t left, right;
} candidate;

void aci_tokenizer_merger_free(aci_merger *merger)
{
    aci_memory *memory = merger->tokenizer->memory;

    aci_platform_free(memory, merger->heap);
    aci_platform_free(memory, merger->nodes);
    aci_platform_free(memory, merger->ids);
}

static bool reserve(aci_memory *memory, void **block, size_t *capacity,
                    size_t n, size_t size)
{
    size_t wanted = n + n / 2 + 64;
    void *bigger;

    if (n <= *capacity)
        return true;
    if (wanted > SIZE_MAX / size)
        return false;
    bigger = aci_platform_realloc(memory, *block, wanted * size);
    if (bigger == NULL)
        return false;
    *block = bigger;
    *capacity = wanted;
    return true;
}

/* Appends what stands for bytes the vocabulary has no symbol for. */
static void fall_back(aci_merger *merger, const char *text, size_t n_bytes)
{
    const aci_tokenizer *tokenizer = merger->tokenizer;
    const aci_act_header *header = tokenizer->header;
    size_t i;

    for (i = 0; i < n_bytes; i++)
        if (tokenizer->byte_ids[(uint8_t)text[i]] < 0)
            break;
    if (i == n_bytes) {
        for (i = 0; i < n_bytes; i++)
            merger->ids[merger->n++] = tokenizer->byte_ids[(uint8_t)text[i]];
    } else if (header->unknown >= 0 &&
               !((header->flags & ACI_ACT_FUSE_UNKNOWN) != 0 &&
                 merger->n > 0 &&
                 merger->ids[merger->n - 1] == header->unknown)) {
        merger->ids[merger->n++] = header->unknown;
    }
}

/* Symbols of the piece into ids; at most one per byte. */
static void list_symbols(aci_merger *merger, const char *text, size_t n_bytes)
{
    const aci_tokenizer *tokenizer = merger->tokenizer;
    size_t i = 0;

    merger->n = 0;
    if (tokenizer->header->family == ACI_ACT_BYTES) {
        for (; i < n_bytes; i++) {
            int32_t id = tokenizer->byte_ids[(uint8_t)text[i]];
            if (id >= 0)
                merger->ids[merger->n++] = id;
            else
                fall_back(merger, text + i, 1);
        }
        return;
    }
    while (i < n_bytes) {
        size_t length = aci_utf8_length(text + i, n_bytes - i);
        int whole;
        int32_t id = -1;

        if (length > 0)
            id = aci_act_find(tokenizer, text + i, length, &whole);
        else
            length = 1; /* not UTF-8: a byte on its own */
        if (id >= 0)
            merger->ids[merger->n++] = id;
        else
            fall_back(merger, text + i, length);
        i += length;
    }
}

/* n <= SHORT symbols in place; returns how many are left. */
static size_t merge_short(const aci_tokenizer *tokenizer, int32_t *ids,
                          size_t n)
{
    uint32_t ranks[SHORT];
    int32_t results[SHORT];
    size_t i, best;

#define LOOK(at) do {                                                       \
        const aci_act_merge *found_ =                                       \
            aci_act_find_merge(tokenizer, ids[at], ids[(at) + 1]);          \
        ranks[at] = found_ == NULL ? NONE : found_->rank;                   \
        results[at] = found_ == NULL ? -1 : (int32_t)found_->result;        \
    } while (0)

    for (i = 0; i + 1 < n; i++)
        LOOK(i);
    while (n > 1) {
        best = 0;
        for (i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (ranks[best] == NONE)
            break;
        ids[best] = results[best];
        n--;
        for (i = best + 1; i < n; i++)
            ids[i] = ids[i + 1];
        for (i = best + 1; i + 1 < n; i++) {
            ranks[i] = ranks[i + 1];
            results[i] = results[i + 1];
        }
        if (best + 1 < n)
            LOOK(best);
        if (best > 0)
            LOOK(best - 1);
    }
#undef LOOK
    return n;
}

static bool before(candidate a, candidate b)
{
    return a.rank < b.rank || (a.rank == b.rank && a.place < b.place);
}

/* Pushes the pair that begins at `place`, when it can merge. */
static bool push(aci_merger *merger, uint32_t place)
{
    const node *nodes = merger->nodes;
    uint32_t next = nodes[place].next;
    const aci_act_merge *merge;
    candidate *heap, fresh;
    size_t at;

    if (next == NONE)
        return true;
    merge = aci_act_find_merge(merger->tokenizer, nodes[place].id,
                               nodes[next].id);
    if (merge == NULL)
        return true;
    if (!reserve(merger->tokenizer->memory, &merger->heap,
                 &merger->heap_capacity, merger->heap_n + 1, sizeof *heap))
        return false;
    fresh = (candidate){ merge->rank, place, nodes[place].id, nodes[next].id };
    heap = merger->heap;
    for (at = merger->heap_n++; at > 0; at = (at - 1) / 2) {
        if (!before(fresh, heap[(at - 1) / 2]))
            break;
        heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = fresh;
    return true;
}

static candidate pop(aci_merger *merger)
{
    candidate *heap = merger->heap, top = heap[0], last;
    size_t n = --merger->heap_n, at = 0, child;

    last = heap[n];
    while ((child = 2 * at + 1) < n) {
        if (child + 1 < n && before(heap[child + 1], heap[child]))
            child++;
        if (!before(heap[child], last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

static ac_status merge_long(aci_merger *merger)
{
    const aci_tokenizer *tokenizer = merger->tokenizer;
    uint32_t n = (uint32_t)merger->n, i;
    node *nodes;

    if (!reserve(tokenizer->memory, &merger->nodes, &merger->nodes_capacity, n,
                 sizeof *nodes))
        return AC_E_NO_MEMORY;
    nodes = merger->nodes;
    for (i = 0; i < n; i++)
        nodes[i] = (node){ merger->ids[i], i == 0 ? NONE : i - 1,
                           i + 1 == n ? NONE : i + 1 };
    merger->heap_n = 0;
    for (i = 0; i < n; i++)
        if (!push(merger, i))
            return AC_E_NO_MEMORY;
    while (merger->heap_n > 0) {
        candidate best = pop(merger);
        node *left = &nodes[best.place];
        uint32_t next = left->next;

        if (left->id != best.left || next == NONE ||
            nodes[next].id != best.right)
            continue; /* stale */
        left->id = (int32_t)aci_act_find_merge(tokenizer, best.left,
                                               best.right)->result;
        left->next = nodes[next].next;
        nodes[next].id = -1;
        if (left->next != NONE)
            nodes[left->next].previous = best.place;
        if (!push(merger, best.place) ||
            (left->previous != NONE && !push(merger, left->previous)))
            return AC_E_NO_MEMORY;
    }
    merger->n = 0;
    for (i = 0; i != NONE; i = nodes[i].next)
        merger->ids[merger->n++] = nodes[i].id;
    return AC_OK;
}

ac_status aci_tokenizer_merge_piece(aci_merger *merger, const char *text,
                                    size_t n_bytes)
{
    const aci_tokenizer *tokenizer = merger->tokenizer;

    if (n_bytes >= NONE || !reserve(tokenizer->memory, (void **)&merger->ids,
                                    &merger->capacity, n_bytes,
                                    sizeof *merger->ids))
        return AC_E_NO_MEMORY;
    list_symbols(merger, text, n_bytes);
    if (merger->n > SHORT)
        return merge_long(merger);
    merger->n = merge_short(tokenizer, merger->ids, merger->n);
    return AC_OK;
}
