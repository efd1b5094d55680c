/* cost_model.c - see cost_model.h and docs/costs.md.
 *
 * A token's cost grows linearly with its position until the sliding window is
 * full and is constant from there, so a run of tokens is summed in closed
 * form from two calls of aci_model_token_cost. */
#include "accountant/cost_model.h"

#include <math.h>

typedef unsigned __int128 wide;

static uint64_t saturate(wide value)
{
    return value > INT64_MAX ? (uint64_t)INT64_MAX : (uint64_t)value;
}

uint64_t aci_accountant_add(uint64_t a, uint64_t b)
{
    return saturate((wide)a + b);
}

/* ---- one variant's tokens ------------------------------------------------ */

static aci_cost_line measure_line(const aci_model *model, int variant,
                                  int32_t kv_bits, int with_head)
{
    aci_cost_line l;
    aci_token_cost next;

    aci_model_token_cost(&l.first, model, variant, kv_bits, 0, with_head);
    aci_model_token_cost(&next, model, variant, kv_bits, 1, with_head);
    l.step.macs = next.macs - l.first.macs;
    l.step.bit_operations = next.bit_operations - l.first.bit_operations;
    l.step.bytes = next.bytes - l.first.bytes;
    l.weight_bytes = l.first.bytes - l.step.bytes;
    return l;
}

void aci_accountant_cost_table(aci_cost_table *out, const aci_model *model)
{
    out->model = model;
    out->window = model->shape.window > 0 ? (uint64_t)model->shape.window : 0;
    for (int i = 0; i < model->n_variants; i++)
        for (int head = 0; head < 2; head++) {
            out->lines[i][0][head] = measure_line(model, i, 16, head);
            out->lines[i][1][head] = measure_line(model, i, 8, head);
            out->lines[i][2][head] = measure_line(model, i, 32, head);
        }
}

static const aci_cost_line *line_of(const aci_cost_table *table,
                                    int32_t variant, int32_t kv_bits,
                                    int with_head)
{
    int width = kv_bits == 32 ? 2 : kv_bits == 8;

    return &table->lines[variant][width][with_head];
}

/* Sum of first + p * step over p in [from, from + n), p capped. */
static uint64_t sum_line(uint64_t first, uint64_t step, uint64_t window,
                         uint64_t from, uint64_t n)
{
    uint64_t growing = n;
    wide sum;

    if (window > 0)
        growing = from >= window ? 0 : window - from < n ? window - from : n;
    sum = (wide)growing * from;
    if (growing > 0)
        sum += (wide)growing * (growing - 1) / 2;
    if (growing < n)
        sum += (wide)(n - growing) * (window - 1);
    return saturate((wide)first * n + (wide)step * sum);
}

/* `n` tokens from position `from` on, whose weights are read `reads` times. */
static void add_tokens(aci_token_cost *sum, const aci_cost_table *table,
                       const aci_cost_line *l, uint64_t from, uint64_t n,
                       uint64_t reads)
{
    uint64_t window = table->window;

    sum->macs = aci_accountant_add(
        sum->macs, sum_line(l->first.macs, l->step.macs, window, from, n));
    sum->bit_operations = aci_accountant_add(
        sum->bit_operations,
        sum_line(l->first.bit_operations, l->step.bit_operations, window,
                 from, n));
    sum->bytes = aci_accountant_add(
        sum->bytes, sum_line(l->step.bytes, l->step.bytes, window, from, n));
    sum->bytes = aci_accountant_add(sum->bytes,
                                    saturate((wide)l->weight_bytes * reads));
}

/* `rows` tokens that all sit at position `at`. */
static void add_rows(aci_token_cost *sum, const aci_cost_table *table,
                     const aci_cost_line *l, uint64_t at, uint64_t rows,
                     uint64_t reads)
{
    if (table->window > 0 && at >= table->window)
        at = table->window - 1;
    sum->macs = aci_accountant_add(
        sum->macs,
        saturate(((wide)at * l->step.macs + l->first.macs) * rows));
    sum->bit_operations = aci_accountant_add(
        sum->bit_operations,
        saturate(((wide)at * l->step.bit_operations +
                  l->first.bit_operations) * rows));
    sum->bytes = aci_accountant_add(
        sum->bytes, saturate((wide)l->step.bytes * (at + 1) * rows +
                             (wide)l->weight_bytes * reads));
}

/* ---- one request --------------------------------------------------------- */

static void prefill_cost(aci_token_cost *sum, const aci_cost_table *table,
                         const aci_work *w)
{
    const aci_cost_line *plain = line_of(table, w->variant, w->kv_bits, 0);
    const aci_cost_line *last = line_of(table, w->variant, w->kv_bits, 1);
    uint64_t n = w->prompt_tokens;

    if (n == 0)
        return;
    add_tokens(sum, table, plain, w->first_position, n,
               (n - 1) / ACI_ACCOUNTANT_CHUNK + 1);
    /* Only the prompt's last token needs the head. */
    sum->macs = aci_accountant_add(sum->macs,
                                   last->first.macs - plain->first.macs);
    sum->bit_operations = aci_accountant_add(
        sum->bit_operations,
        last->first.bit_operations - plain->first.bit_operations);
    sum->bytes = aci_accountant_add(sum->bytes,
                                    last->first.bytes - plain->first.bytes);
}

/* The first generated token comes from the prompt's logits, the last one is
 * never evaluated: generated - 1 evaluations. A round of speculation gives
 * one token more than it accepts, and evaluates one row more than it drafts;
 * its rows are put at the middle of the text. */
static void decode_cost(aci_token_cost *sum, const aci_cost_table *table,
                        const aci_work *w)
{
    uint64_t from = w->first_position + w->prompt_tokens;
    uint64_t steps = w->generated_tokens > 0 ? w->generated_tokens - 1 : 0;
    uint64_t middle = from + steps / 2, rounds = 1;
    int32_t draft = w->draft_variant >= 0 ? w->draft_variant : w->variant;

    if (w->draft_tokens == 0) {
        add_tokens(sum, table, line_of(table, w->variant, w->kv_bits, 1),
                   from, steps, steps);
        return;
    }
    if (steps > w->accepted_tokens + 1)
        rounds = steps - w->accepted_tokens;
    add_rows(sum, table, line_of(table, draft, w->kv_bits, 1), middle,
             w->draft_tokens, w->draft_tokens);
    add_rows(sum, table, line_of(table, w->variant, w->kv_bits, 1), middle,
             rounds + w->draft_tokens, rounds);
}

/* Positions far beyond any context would overflow the token's own cost. */
static aci_work bounded(const aci_work *work)
{
    aci_work w = *work;

    if (w.first_position > INT32_MAX)
        w.first_position = INT32_MAX;
    if (w.prompt_tokens > INT32_MAX)
        w.prompt_tokens = INT32_MAX;
    if (w.generated_tokens > INT32_MAX)
        w.generated_tokens = INT32_MAX;
    if (w.draft_tokens > INT32_MAX)
        w.draft_tokens = INT32_MAX;
    if (w.accepted_tokens > w.draft_tokens)
        w.accepted_tokens = w.draft_tokens;
    return w;
}

void aci_accountant_work_cost(aci_work_cost *out,
                              const aci_cost_table *table,
                              const aci_work *work)
{
    aci_work w = bounded(work);

    *out = (aci_work_cost){ { 0, 0, 0 }, { 0, 0, 0 } };
    prefill_cost(&out->prefill, table, &w);
    decode_cost(&out->decode, table, &w);
}

/* ---- the same on full ---------------------------------------------------- */

/* A ratio of the card that can be divided by. A thousandfold is no variant of
 * one model but a broken measurement. */
static int usable(double ratio)
{
    return isfinite(ratio) && ratio >= 1e-3 && ratio <= 1e3;
}

static double divide(uint64_t a, uint64_t b)
{
    return a > 0 && b > 0 ? (double)a / (double)b : 1.0;
}

/* Prefill is bound by arithmetic, and bit-operations say how much narrower it
 * is; but few devices gain from narrow arithmetic all that it promises, so no
 * more is claimed than the bytes of the same weights bear out. */
static double analytic_prefill(const aci_work_cost *own,
                               const aci_work_cost *full,
                               const aci_cost_table *table, int32_t variant)
{
    const aci_cost_line *a = line_of(table, variant, 16, 0);
    const aci_cost_line *b = line_of(table, table->model->full_variant, 16,
                                     0);
    double bits = divide(full->prefill.bit_operations,
                         own->prefill.bit_operations);
    double bytes = divide(b->weight_bytes, a->weight_bytes);

    return bits < bytes ? bits : bytes;
}

uint32_t aci_accountant_full_ratio(double *prefill, double *decode,
                                   const aci_cost_table *table,
                                   const aci_work *work)
{
    const aci_model *model = table->model;
    const aci_variant *variant = &model->variants[work->variant];
    aci_work plain = *work;
    aci_work_cost own, full;
    uint32_t basis = AC_BASIS_CARD;

    *prefill = *decode = 1.0;
    if (work->variant == model->full_variant && work->draft_tokens == 0)
        return AC_BASIS_SAME;
    plain.variant = model->full_variant;
    plain.draft_tokens = plain.accepted_tokens = 0;
    aci_accountant_work_cost(&own, table, work);
    aci_accountant_work_cost(&full, table, &plain);

    if (work->variant == model->full_variant)
        *prefill = 1.0;
    else if (usable(variant->prefill_ratio))
        *prefill = 1.0 / variant->prefill_ratio;
    else if (work->prompt_tokens > 0) {
        *prefill = analytic_prefill(&own, &full, table, work->variant);
        basis = AC_BASIS_ANALYTIC;
    }
    /* The card's decode ratio is one of plain decoding. */
    if (usable(variant->decode_ratio) && work->draft_tokens == 0)
        *decode = 1.0 / variant->decode_ratio;
    else if (work->generated_tokens > 1) {
        *decode = divide(full.decode.bytes, own.decode.bytes);
        basis = AC_BASIS_ANALYTIC;
    }
    return basis;
}

void aci_accountant_nominal_seconds(double *prefill, double *decode,
                                    const aci_cost_table *table,
                                    const aci_work *work)
{
    aci_work full = *work;
    aci_work_cost cost;
    double prefill_ratio, decode_ratio;

    full.variant = table->model->full_variant;
    aci_accountant_work_cost(&cost, table, &full);
    aci_accountant_full_ratio(&prefill_ratio, &decode_ratio, table, work);
    *prefill = (double)cost.prefill.macs / ACI_ACCOUNTANT_NOMINAL_MACS /
               prefill_ratio;
    *decode = (double)cost.decode.bytes / ACI_ACCOUNTANT_NOMINAL_BYTES /
              decode_ratio;
}
