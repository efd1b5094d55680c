/* tokenizer_merges.c - byte pair encoding learned from counted words
 * (R. Sennrich, B. Haddow, A. Birch, "Neural machine translation of rare
 * words with subword units", 2016).
 *
 *     words    symbols of every distinct word, end to end, shrinking in place
 *     pairs    hash table (left, right) -> count, list of words it was seen in
 *     heap     (count, pair), highest count first, then the smaller pair
 *
 * The most frequent pair is merged in the words of its list alone, and only
 * counts of pairs beside a merge change. Counts in the heap are corrected when
 * they come up: they only fall after a pair's first round. Lists may name
 * words that have lost the pair; those are passed over.
 *
 * A token is made by one merge only, and a pair is gone once it is merged:
 * nothing reaches across the ends of what becomes a token, so the same bytes
 * come together in the same steps wherever they stand. Hence a pair enters the
 * heap once, when the younger of its tokens is made.
 *
 * Order and ties are those of Hugging Face's BpeTrainer: the same words give
 * the same merges. */
#include "workshop/train/tokenizer_merges.h"

#include <stdbool.h>
#include <string.h>

#include "platform/error.h"

#define NONE UINT32_MAX
#define WHAT "learning merges"

typedef struct pair {
    uint64_t key;                    /* left << 32 | right */
    int64_t count;
    uint32_t places;                 /* first of its list, or NONE */
    uint32_t touched;                /* it gained in this round */
} pair;

typedef struct place {
    uint32_t word, next;             /* next NONE: the last */
} place;

typedef struct entry {
    int64_t count;
    uint64_t key;
    uint32_t pair;
} entry;

typedef struct learner {
    aci_learned *out;
    aci_memory *memory;
    ac_error *error;
    uint32_t *symbols;
    size_t *starts;                  /* [n_words] into symbols */
    uint32_t *lengths;               /* [n_words] */
    int64_t *counts;                 /* [n_words] */
    size_t n_words;
    pair *pairs;
    size_t n_pairs, pairs_capacity;
    uint32_t *slots;                 /* pair + 1, or 0 */
    size_t n_slots;
    place *places;
    size_t n_places, places_capacity;
    uint32_t free_place;
    entry *heap;
    size_t n_heap, heap_capacity;
    uint32_t *touched;               /* pairs that gained in this round */
    size_t n_touched, touched_capacity;
    void *moved;                     /* see HAS_ROOM */
} learner;

static ac_status no_memory(const learner *l)
{
    return aci_platform_fail_memory(l->error, WHAT);
}

/* The array, moved when it needs it for one element more; NULL, and the array
 * as it was, without memory. */
static void *enlarged(const learner *l, void *array, size_t *capacity,
                      size_t n, size_t size)
{
    size_t larger = *capacity + *capacity / 2 + 1024;
    void *moved;

    if (n < *capacity)
        return array;
    if (larger > NONE || larger > SIZE_MAX / size)
        return NULL;
    moved = aci_platform_realloc(l->memory, array, larger * size);
    if (moved != NULL)
        *capacity = larger;
    return moved;
}

#define HAS_ROOM(l, owner, array)                                            \
    (((l)->moved = enlarged(l, (owner)->array, &(owner)->array##_capacity,   \
                            (owner)->n_##array,                              \
                            sizeof *(owner)->array)) != NULL &&              \
     ((owner)->array = (l)->moved) != NULL)

/* ---- Pairs --------------------------------------------------------------- */

static size_t slot_of(uint64_t key, size_t n_slots)
{
    key *= 0x9E3779B97F4A7C15u;
    return (size_t)(key >> 20 ^ key >> 41) & (n_slots - 1);
}

static bool grow_slots(learner *l)
{
    size_t n = l->n_slots == 0 ? 1 << 16 : l->n_slots * 2, i, at;
    uint32_t *slots = aci_platform_alloc_zeroed(l->memory, n, sizeof *slots);

    if (slots == NULL)
        return false;
    for (i = 0; i < l->n_pairs; i++) {
        for (at = slot_of(l->pairs[i].key, n); slots[at] != 0;)
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    aci_platform_free(l->memory, l->slots);
    l->slots = slots;
    l->n_slots = n;
    return true;
}

/* The pair, made when it is new; NULL without memory. */
static pair *find_pair(learner *l, uint32_t left, uint32_t right)
{
    uint64_t key = (uint64_t)left << 32 | right;
    size_t at;

    if (l->n_pairs * 2 >= l->n_slots && !grow_slots(l))
        return NULL;
    for (at = slot_of(key, l->n_slots); l->slots[at] != 0;
         at = (at + 1) & (l->n_slots - 1))
        if (l->pairs[l->slots[at] - 1].key == key)
            return &l->pairs[l->slots[at] - 1];
    if (!HAS_ROOM(l, l, pairs))
        return NULL;
    l->pairs[l->n_pairs] = (pair){ key, 0, NONE, 0 };
    l->slots[at] = (uint32_t)++l->n_pairs;
    return &l->pairs[l->n_pairs - 1];
}

static bool add_place(learner *l, pair *p, uint32_t word)
{
    uint32_t at = l->free_place;

    if (p->places != NONE && l->places[p->places].word == word)
        return true;
    if (at != NONE) {
        l->free_place = l->places[at].next;
    } else {
        if (!HAS_ROOM(l, l, places))
            return false;
        at = (uint32_t)l->n_places++;
    }
    l->places[at] = (place){ word, p->places };
    p->places = at;
    return true;
}

/* One more of the pair in a word, for each time the word occurs. */
static bool gain(learner *l, uint32_t left, uint32_t right, uint32_t word)
{
    pair *p = find_pair(l, left, right);

    if (p == NULL)
        return false;
    p->count += l->counts[word];
    if (!p->touched) {
        if (!HAS_ROOM(l, l, touched))
            return false;
        l->touched[l->n_touched++] = (uint32_t)(p - l->pairs);
        p->touched = 1;
    }
    return add_place(l, p, word);
}

static bool lose(learner *l, uint32_t left, uint32_t right, uint32_t word)
{
    pair *p = find_pair(l, left, right);

    if (p == NULL)
        return false;
    p->count -= l->counts[word];
    return true;
}

/* ---- The heap ------------------------------------------------------------ */

static bool comes_first(const entry *a, const entry *b)
{
    return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static void sink(entry *heap, size_t n, size_t at)
{
    entry moved = heap[at];
    size_t child;

    while ((child = 2 * at + 1) < n) {
        if (child + 1 < n && comes_first(&heap[child + 1], &heap[child]))
            child++;
        if (!comes_first(&heap[child], &moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static bool push(learner *l, uint32_t number)
{
    const pair *p = &l->pairs[number];
    entry added = { p->count, p->key, number };
    size_t at;

    if (!HAS_ROOM(l, l, heap))
        return false;
    for (at = l->n_heap++; at > 0; at = (at - 1) / 2) {
        if (!comes_first(&added, &l->heap[(at - 1) / 2]))
            break;
        l->heap[at] = l->heap[(at - 1) / 2];
    }
    l->heap[at] = added;
    return true;
}

/* Puts the pairs that gained in this round into the heap. */
static bool push_touched(learner *l)
{
    size_t i;

    for (i = 0; i < l->n_touched; i++) {
        pair *p = &l->pairs[l->touched[i]];

        p->touched = 0;
        if (p->count > 0 && !push(l, l->touched[i]))
            return false;
    }
    l->n_touched = 0;
    return true;
}

/* The most frequent pair, taken from the heap; NULL when none occurs `least`
 * times. */
static pair *pop(learner *l, int64_t least)
{
    while (l->n_heap > 0) {
        entry *top = &l->heap[0];
        pair *p = &l->pairs[top->pair];

        if (top->count != p->count && p->count >= least) {
            top->count = p->count;
            sink(l->heap, l->n_heap, 0);
            continue;
        }
        *top = l->heap[--l->n_heap];
        if (l->n_heap > 0)
            sink(l->heap, l->n_heap, 0);
        if (p->count >= least)
            return p;
    }
    return NULL;
}

/* ---- Words --------------------------------------------------------------- */

/* Bytes in the order of GPT-2's letters for them: first those that are
 * printable, then the others. Hugging Face numbers them so. */
static bool is_printable(int byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

static ac_status add_alphabet(learner *l, const aci_specials *specials,
                              uint32_t of_byte[256])
{
    aci_words *tokens = &l->out->tokens;
    ac_status status = AC_OK;
    uint32_t item, i;
    int byte, printable;

    for (i = 0; i < specials->n && status == AC_OK; i++)
        status = aci_workshop_words_find(&item, tokens, specials->names[i],
                                         strlen(specials->names[i]),
                                         l->error);
    l->out->n_special = (uint32_t)tokens->n;
    for (printable = 1; printable >= 0; printable--)
        for (byte = 0; byte < 256 && status == AC_OK; byte++) {
            char c = (char)byte;

            if (is_printable(byte) != (bool)printable)
                continue;
            status = aci_workshop_words_find(&of_byte[byte], tokens, &c, 1,
                                             l->error);
        }
    return status;
}

static ac_status load_words(learner *l, const aci_words *words,
                            const uint32_t of_byte[256])
{
    size_t i, j, n = 0;

    l->n_words = words->n;
    l->symbols = aci_platform_alloc_array(l->memory, words->text_bytes,
                                          sizeof *l->symbols);
    l->starts = aci_platform_alloc_array(l->memory, words->n,
                                         sizeof *l->starts);
    l->lengths = aci_platform_alloc_array(l->memory, words->n,
                                          sizeof *l->lengths);
    l->counts = aci_platform_alloc_array(l->memory, words->n,
                                         sizeof *l->counts);
    if (l->symbols == NULL || l->starts == NULL || l->lengths == NULL ||
        l->counts == NULL)
        return no_memory(l);
    for (i = 0; i < words->n; i++) {
        const aci_word *word = &words->items[i];
        const uint8_t *text = (const uint8_t *)words->text + word->at;

        l->starts[i] = n;
        l->lengths[i] = word->n_bytes;
        l->counts[i] = (int64_t)word->count;
        for (j = 0; j < word->n_bytes; j++)
            l->symbols[n++] = of_byte[text[j]];
        for (j = 1; j < word->n_bytes; j++)
            if (!gain(l, of_byte[text[j - 1]], of_byte[text[j]],
                      (uint32_t)i))
                return no_memory(l);
    }
    return push_touched(l) ? AC_OK : no_memory(l);
}

/* Replaces left right by `made` throughout a word. */
static bool merge_word(learner *l, uint32_t word, uint32_t left,
                       uint32_t right, uint32_t made)
{
    uint32_t *s = l->symbols + l->starts[word], n = l->lengths[word];
    uint32_t from = 0, to = 0;
    bool good = true;

    while (from < n && good) {
        if (from + 1 == n || s[from] != left || s[from + 1] != right) {
            s[to++] = s[from++];
            continue;
        }
        if (to > 0)
            good = lose(l, s[to - 1], left, word) &&
                   gain(l, s[to - 1], made, word);
        if (good && from + 2 < n)
            good = lose(l, right, s[from + 2], word) &&
                   gain(l, made, s[from + 2], word);
        s[to++] = made;
        from += 2;
    }
    l->lengths[word] = to;
    return good;
}

/* Makes the token of the two together. */
static ac_status join(uint32_t *made, learner *l, uint32_t left,
                      uint32_t right)
{
    aci_words *tokens = &l->out->tokens;
    const aci_word *a = &tokens->items[left], *b = &tokens->items[right];
    char text[ACI_LONGEST_WORD];

    memcpy(text, tokens->text + a->at, a->n_bytes);
    memcpy(text + a->n_bytes, tokens->text + b->at, b->n_bytes);
    return aci_workshop_words_find(made, tokens, text,
                                   a->n_bytes + b->n_bytes, l->error);
}

static ac_status merge(learner *l, pair *p)
{
    uint32_t left = (uint32_t)(p->key >> 32), right = (uint32_t)p->key;
    uint32_t at = p->places, made, next;
    ac_status status = join(&made, l, left, right);

    if (status != AC_OK)
        return status;
    if (!HAS_ROOM(l, l->out, merges))
        return no_memory(l);
    l->out->merges[l->out->n_merges++] = (aci_learned_merge){ left, right };
    p->places = NONE;
    for (; at != NONE; at = next) { /* `p` may move from here on */
        uint32_t word = l->places[at].word;

        next = l->places[at].next;
        l->places[at].next = l->free_place;
        l->free_place = at;
        if (!merge_word(l, word, left, right, made))
            return no_memory(l);
    }
    return push_touched(l) ? AC_OK : no_memory(l);
}

static void release(learner *l)
{
    aci_platform_free(l->memory, l->symbols);
    aci_platform_free(l->memory, l->starts);
    aci_platform_free(l->memory, l->lengths);
    aci_platform_free(l->memory, l->counts);
    aci_platform_free(l->memory, l->pairs);
    aci_platform_free(l->memory, l->slots);
    aci_platform_free(l->memory, l->places);
    aci_platform_free(l->memory, l->heap);
    aci_platform_free(l->memory, l->touched);
}

ac_status aci_workshop_learn_merges(aci_learned *out, aci_memory *memory,
                                    const aci_words *words,
                                    const aci_specials *specials,
                                    uint32_t n_vocab, uint64_t min_count,
                                    aci_merge_progress on_progress,
                                    void *context, ac_error *error)
{
    learner l = { .out = out, .memory = memory, .error = error,
                  .free_place = NONE };
    uint32_t of_byte[256] = { 0 };
    ac_status status;
    size_t i;

    memset(out, 0, sizeof *out);
    out->memory = memory;
    aci_workshop_words_init(&out->tokens, memory);
    status = add_alphabet(&l, specials, of_byte);
    if (status == AC_OK)
        status = load_words(&l, words, of_byte);
    while (status == AC_OK && out->tokens.n < n_vocab) {
        pair *p = pop(&l, (int64_t)min_count);

        if (p == NULL)
            break;
        status = merge(&l, p);
        if (status == AC_OK)
            status = on_progress(context, (uint32_t)out->tokens.n, error);
    }
    for (i = 0; i < l.n_words && status == AC_OK; i++)
        out->n_corpus_tokens += (uint64_t)l.counts[i] * l.lengths[i];
    release(&l);
    return status;
}

void aci_workshop_learned_free(aci_learned *learned)
{
    if (learned->memory == NULL)
        return;
    aci_workshop_words_free(&learned->tokens);
    aci_platform_free(learned->memory, learned->merges);
}
