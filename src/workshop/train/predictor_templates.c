/* predictor_templates.c - the openings that many training prompts share.
 *
 * Sorted, prompts with a common opening stand together: every run of prompts
 * whose neighbours share at least L bytes is found in one sweep with a stack
 * (the intervals of a longest-common-prefix array). An opening counts when at
 * least 1 % of the prompts, and 20, have it and it is at least 48 bytes long;
 * it is cut back to the end of a word, and the 16 that skip the most bytes are
 * kept. */
#include <stdlib.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/train/predictor_data.h"

enum { FEWEST_BYTES = 48, FEWEST_PROMPTS = 20 };

typedef struct opening {
    const char *text;
    size_t n_bytes;
    size_t n_prompts;
} opening;

typedef struct run {
    size_t shared; /* bytes */
    size_t first;  /* prompt */
} run;

typedef struct search {
    const aci_outcome **sorted; /* [n], different prompts */
    size_t n;
    run *stack;                 /* [n + 1] */
    opening best[ACI_ROUTER_MAX_TEMPLATES]; /* by bytes skipped, falling */
    uint32_t n_best;
} search;

static size_t kept_bytes(const aci_outcome *item)
{
    return item->prompt_bytes < ACI_OUTCOME_KEPT_BYTES
               ? (size_t)item->prompt_bytes
               : ACI_OUTCOME_KEPT_BYTES;
}

static int compare(const void *left, const void *right)
{
    const aci_outcome *a = *(const aci_outcome *const *)left;
    const aci_outcome *b = *(const aci_outcome *const *)right;
    size_t n_a = kept_bytes(a), n_b = kept_bytes(b);
    int order = memcmp(a->prompt, b->prompt, n_a < n_b ? n_a : n_b);

    if (order != 0)
        return order;
    if (n_a != n_b)
        return n_a < n_b ? -1 : 1;
    return (a->prompt_hash > b->prompt_hash) -
           (a->prompt_hash < b->prompt_hash);
}

static size_t shared_bytes(const aci_outcome *a, const aci_outcome *b)
{
    size_t n_a = kept_bytes(a), n_b = kept_bytes(b), i = 0;
    size_t n = n_a < n_b ? n_a : n_b;

    while (i < n && a->prompt[i] == b->prompt[i])
        i++;
    return i;
}

/* Cut back behind the last white space, not beyond the longest allowed. */
static size_t cut_to_word(const char *text, size_t n)
{
    if (n > ACI_ROUTER_MAX_TEMPLATE_BYTES)
        n = ACI_ROUTER_MAX_TEMPLATE_BYTES;
    while (n > 0 && text[n - 1] != ' ' && text[n - 1] != '\n')
        n--;
    return n;
}

static void consider(search *s, const char *text, size_t n_bytes,
                     size_t n_prompts)
{
    opening new = { text, cut_to_word(text, n_bytes), n_prompts };
    uint32_t i;

    if (new.n_bytes < FEWEST_BYTES)
        return;
    for (i = 0; i < s->n_best; i++)
        if (s->best[i].n_bytes == new.n_bytes &&
            memcmp(s->best[i].text, text, new.n_bytes) == 0) {
            if (s->best[i].n_prompts >= n_prompts)
                return;
            /* The same opening, of more prompts: comes in again. */
            memmove(&s->best[i], &s->best[i + 1],
                    (s->n_best - i - 1) * sizeof s->best[0]);
            s->n_best--;
            break;
        }
    i = s->n_best;
    while (i > 0 && s->best[i - 1].n_bytes * s->best[i - 1].n_prompts <
                        new.n_bytes * new.n_prompts)
        i--;
    if (i == ACI_ROUTER_MAX_TEMPLATES)
        return;
    if (s->n_best < ACI_ROUTER_MAX_TEMPLATES)
        s->n_best++;
    memmove(&s->best[i + 1], &s->best[i],
            (s->n_best - i - 1) * sizeof s->best[0]);
    s->best[i] = new;
}

static void sweep(search *s)
{
    size_t fewest = s->n / 100 > FEWEST_PROMPTS ? s->n / 100 : FEWEST_PROMPTS;
    size_t depth = 0, i;

    for (i = 1; i <= s->n; i++) {
        size_t shared = i < s->n ? shared_bytes(s->sorted[i - 1], s->sorted[i])
                                 : 0;
        size_t first = i - 1;

        while (depth > 0 && s->stack[depth - 1].shared > shared) {
            depth--;
            first = s->stack[depth].first;
            if (i - first >= fewest)
                consider(s, s->sorted[first]->prompt,
                         s->stack[depth].shared, i - first);
        }
        if (shared > 0 &&
            (depth == 0 || s->stack[depth - 1].shared < shared)) {
            s->stack[depth].shared = shared;
            s->stack[depth++].first = first;
        }
    }
}

ac_status aci_workshop_find_templates(aci_templates *out,
                                      const aci_predictor_data *data,
                                      ac_error *error)
{
    search s = { 0 };
    ac_status status = AC_OK;
    size_t i;

    memset(out, 0, sizeof *out);
    s.sorted = aci_platform_alloc_array(data->memory, data->train.n,
                                        sizeof *s.sorted);
    s.stack = aci_platform_alloc_array(data->memory,
                                       (size_t)data->train.n + 1,
                                       sizeof *s.stack);
    if (s.sorted == NULL || s.stack == NULL) {
        status = aci_platform_fail_memory(error, "finding prompt templates");
        goto out;
    }
    for (i = 0; i < data->train.n; i++)
        s.sorted[i] = &data->outcomes->items[data->train.items[i]];
    qsort(s.sorted, data->train.n, sizeof *s.sorted, compare);
    for (i = 0; i < data->train.n; i++)
        if (s.n == 0 ||
            s.sorted[s.n - 1]->prompt_hash != s.sorted[i]->prompt_hash)
            s.sorted[s.n++] = s.sorted[i];
    sweep(&s);
    out->n = s.n_best;
    for (i = 0; i < s.n_best; i++) {
        out->text[i] = s.best[i].text;
        out->n_bytes[i] = (uint32_t)s.best[i].n_bytes;
    }
out:
    aci_platform_free(data->memory, s.sorted);
    aci_platform_free(data->memory, s.stack);
    return status;
}
