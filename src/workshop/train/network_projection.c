/* network_projection.c - y = x W' of one or several matrices that read the
 * same input, and its derivatives.
 *
 *     dense      y = x W'
 *     LoRA       y = x W' + s (x A') B'      s = alpha / rank (Hu et al. 2021)
 *     factors    y = (x A') B'               A is "right", B is "left";
 *                                            of q, k, v it may be one A
 *
 * The thin product x A' is computed again in the backward pass: it costs less
 * than keeping it. */
#include "workshop/train/network_internal.h"

static void multiply(aci_network *network, const aci_multiply *product)
{
    network->training->operations->multiply(network->training, product);
}

static void scale_low(aci_network *network, aci_real *low,
                      const aci_projection_part *part)
{
    if (part->scale != 1)
        network->training->operations->scale(
            network->training, low, (int64_t)network->n_tokens * part->rank,
            part->scale);
}

/* network->low = s x A' */
static void lower(aci_network *network, const aci_projection *p,
                  const aci_projection_part *part, const aci_real *in)
{
    int64_t rank = part->rank;
    aci_multiply down = { .c = network->low, .a = in, .b = part->a.value,
                          .m = network->n_tokens, .n = rank, .k = p->n_in,
                          .c_stride = rank, .a_stride = p->n_in,
                          .b_stride = p->n_in, .b_transposed = 1 };

    multiply(network, &down);
    scale_low(network, network->low, part);
}

/* network->d_low (+)= s dy B */
static void lower_back(aci_network *network, const aci_projection *p,
                       const aci_projection_part *part, const aci_real *d_out,
                       int32_t accumulate)
{
    int64_t rank = part->rank;
    aci_multiply up = { .c = network->d_low, .a = d_out + part->column,
                        .b = part->b.value, .m = network->n_tokens,
                        .n = rank, .k = part->n_out, .c_stride = rank,
                        .a_stride = p->n_out, .b_stride = rank,
                        .accumulate = accumulate };

    multiply(network, &up);
    scale_low(network, network->d_low, part);
}

/* The same summed over part i and those that share its A. */
static void lower_all_back(aci_network *network, const aci_projection *p,
                           int32_t i, const aci_real *d_out)
{
    int32_t k;

    for (k = i; k < p->n_parts; k++)
        if (p->parts[k].a.value == p->parts[i].a.value)
            lower_back(network, p, &p->parts[k], d_out, k > i);
}

/* ---- forward ------------------------------------------------------------- */

/* A run of columns of the output by one dense matrix. */
static void project_dense(aci_network *network, aci_real *out,
                          const aci_projection *p, const aci_real *weights,
                          int32_t column, int32_t n_out, const aci_real *in)
{
    aci_multiply product = { .c = out + column, .a = in, .b = weights,
                             .m = network->n_tokens, .n = n_out,
                             .k = p->n_in, .c_stride = p->n_out,
                             .a_stride = p->n_in, .b_stride = p->n_in,
                             .b_transposed = 1 };

    multiply(network, &product);
}

static void project_low(aci_network *network, aci_real *out,
                        const aci_projection *p,
                        const aci_projection_part *part)
{
    int64_t rank = part->rank;
    aci_multiply up = { .c = out + part->column, .a = network->low,
                        .b = part->b.value, .m = network->n_tokens,
                        .n = part->n_out, .k = rank, .c_stride = p->n_out,
                        .a_stride = rank, .b_stride = rank,
                        .b_transposed = 1,
                        .accumulate = part->dense.value != NULL };

    multiply(network, &up);
}

void aci_workshop_project(aci_network *network, aci_real *out,
                          const aci_projection *p, const aci_real *in)
{
    aci_training *training = network->training;
    const aci_real *lowered = NULL; /* whose product is in network->low */
    int32_t i;

    if (p->fused)
        project_dense(network, out, p, p->parts[0].dense.value, 0, p->n_out,
                      in);
    for (i = 0; i < p->n_parts; i++) {
        const aci_projection_part *part = &p->parts[i];

        if (!p->fused && part->dense.value != NULL)
            project_dense(network, out, p, part->dense.value, part->column,
                          part->n_out, in);
        if (part->a.value != lowered && part->a.value != NULL)
            lower(network, p, part, in);
        if (part->a.value != NULL) {
            lowered = part->a.value;
            project_low(network, out, p, part);
        }
        if (part->bias.value != NULL)
            training->operations->add_bias(training, out + part->column,
                                           p->n_out, part->bias.value,
                                           network->n_tokens, part->n_out);
    }
}

/* ---- backward ------------------------------------------------------------ */

static void back_dense(aci_network *network, aci_real *d_in,
                       const aci_projection *p, const aci_real *weights,
                       int32_t column, int32_t n_out, const aci_real *d_out,
                       int32_t accumulate)
{
    aci_multiply product = { .c = d_in, .a = d_out + column, .b = weights,
                             .m = network->n_tokens, .n = p->n_in, .k = n_out,
                             .c_stride = p->n_in, .a_stride = p->n_out,
                             .b_stride = p->n_in, .accumulate = accumulate };

    multiply(network, &product);
}

/* Part i and those that share its A. */
static void back_low(aci_network *network, aci_real *d_in,
                     const aci_projection *p, int32_t i,
                     const aci_real *d_out, int32_t accumulate)
{
    int64_t rank = p->parts[i].rank;
    aci_multiply product = { .c = d_in, .a = network->d_low,
                             .b = p->parts[i].a.value, .m = network->n_tokens,
                             .n = p->n_in, .k = rank, .c_stride = p->n_in,
                             .a_stride = rank, .b_stride = p->n_in,
                             .accumulate = accumulate };

    lower_all_back(network, p, i, d_out);
    multiply(network, &product);
}

void aci_workshop_project_back(aci_network *network, aci_real *d_in,
                               const aci_projection *p, const aci_real *d_out)
{
    int32_t i, accumulate = 0;

    if (p->fused) {
        back_dense(network, d_in, p, p->parts[0].dense.value, 0, p->n_out,
                   d_out, 0);
        accumulate = 1;
    }
    for (i = 0; i < p->n_parts; i++) {
        const aci_projection_part *part = &p->parts[i];

        if (!p->fused && part->dense.value != NULL) {
            back_dense(network, d_in, p, part->dense.value, part->column,
                       part->n_out, d_out, accumulate);
            accumulate = 1;
        }
        if (part->a.value != NULL && !part->shares) {
            back_low(network, d_in, p, i, d_out, accumulate);
            accumulate = 1;
        }
    }
}

/* gradient [n_out, n_in] += d_out' in */
static void learn(aci_network *network, aci_real *gradient, int64_t n_out,
                  const aci_real *d_out, int64_t d_stride, int64_t n_in,
                  const aci_real *in)
{
    aci_multiply product = { .c = gradient, .a = d_out, .b = in, .m = n_out,
                             .n = n_in, .k = network->n_tokens,
                             .c_stride = n_in, .a_stride = d_stride,
                             .b_stride = n_in, .a_transposed = 1,
                             .accumulate = 1 };

    multiply(network, &product);
}

/* Part i and those that share its A. */
static void learn_low(aci_network *network, const aci_projection *p,
                      int32_t i, const aci_real *in, const aci_real *d_out)
{
    const aci_projection_part *part = &p->parts[i];
    int64_t rank = part->rank;
    bool is_lowered = false;
    int32_t k;

    for (k = i; k < p->n_parts; k++) {
        const aci_projection_part *user = &p->parts[k];

        if (user->a.value != part->a.value || user->b.gradient == NULL)
            continue;
        if (!is_lowered)
            lower(network, p, part, in);
        is_lowered = true;
        learn(network, user->b.gradient, user->n_out, d_out + user->column,
              p->n_out, rank, network->low);
    }
    if (part->a.gradient == NULL)
        return;
    lower_all_back(network, p, i, d_out);
    learn(network, part->a.gradient, rank, network->d_low, rank, p->n_in, in);
}

void aci_workshop_project_learn(aci_network *network, const aci_projection *p,
                                const aci_real *in, const aci_real *d_out)
{
    aci_training *training = network->training;
    int32_t i;

    if (p->fused_gradient)
        learn(network, p->parts[0].dense.gradient, p->n_out, d_out, p->n_out,
              p->n_in, in);
    for (i = 0; i < p->n_parts; i++) {
        const aci_projection_part *part = &p->parts[i];

        if (!p->fused_gradient && part->dense.gradient != NULL)
            learn(network, part->dense.gradient, part->n_out,
                  d_out + part->column, p->n_out, p->n_in, in);
        if (part->a.value != NULL && !part->shares)
            learn_low(network, p, i, in, d_out);
        if (part->bias.gradient != NULL)
            training->operations->sum_rows(training, part->bias.gradient,
                                           d_out + part->column, p->n_out,
                                           network->n_tokens, part->n_out);
    }
}
