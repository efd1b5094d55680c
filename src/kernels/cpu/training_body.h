/* training_body.h - norms, rotation, gate, losses and updates of training: one
 * source that each level compiles over its lanes. Formulas: training.h.
 *
 * NaN: maxima may swallow one, exponentials and sums do not, and every maximum
 * here is followed by them. The network looks at the loss and at the
 * gradients' norm. */
#include "kernels/cpu/training_lanes.h"

/* ---- norm ---------------------------------------------------------------- */

static inline aci_real norm_factor(aci_real squares, int32_t width,
                                   aci_real eps)
{
    aci_real mean = squares / (aci_real)width + eps;

    return 1 / vroot(splat(mean))[0];
}

static void norm_row(const aci_training_norm *c, int64_t row)
{
    int64_t at = row * c->width, i;
    vr squares = { 0 };
    aci_real factor;

    for (i = 0; i < c->width; i += LANES) {
        vr x = take(c->x + at + i, c->width - i);

        if (c->branch != NULL) {
            x += take(c->branch + at + i, c->width - i);
            put(c->sum + at + i, x, c->width - i);
        }
        squares = madd(x, x, squares);
    }
    factor = norm_factor(sum_lanes(squares), c->width, c->eps);
    c->scale[row] = factor;
    for (i = 0; i < c->width; i += LANES) {
        const aci_real *x = c->branch != NULL ? c->sum : c->x;

        put(c->out + at + i,
            take(x + at + i, c->width - i) * factor *
                take(c->weight + i, c->width - i),
            c->width - i);
    }
}

static void norm(void *argument, int64_t first, int64_t last, int32_t thread)
{
    const aci_training_job *job = argument;

    (void)thread;
    for (; first < last; first++)
        norm_row(job->call, first);
}

/* d_x (+)= factor (g - h mean(g h)), g = d_out weight, h = x factor; and
 * d_weight += d_out h when it is wanted. */
static inline void norm_row_backward(aci_real *d_x, aci_real *d_weight,
                                     const aci_real *d_out, const aci_real *x,
                                     const aci_real *weight, aci_real factor,
                                     int32_t width, int accumulate)
{
    vr dot = { 0 };
    aci_real mean;
    int64_t i;

    for (i = 0; i < width; i += LANES) {
        vr h = take(x + i, width - i) * factor;
        vr d = take(d_out + i, width - i);

        dot = madd(d * take(weight + i, width - i), h, dot);
        if (d_weight != NULL)
            put(d_weight + i, madd(d, h, take(d_weight + i, width - i)),
                width - i);
    }
    mean = sum_lanes(dot) / (aci_real)width;
    for (i = 0; i < width; i += LANES) {
        vr h = take(x + i, width - i) * factor;
        vr g = take(d_out + i, width - i) * take(weight + i, width - i);
        vr d = (g - h * mean) * factor;

        if (accumulate)
            d += take(d_x + i, width - i);
        put(d_x + i, d, width - i);
    }
}

static void norm_backward(void *argument, int64_t first, int64_t last,
                          int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_norm *c = job->call;
    int64_t row, end;

    (void)thread;
    for (; first < last; first++) {
        aci_real *sum = c->d_weight != NULL
                            ? job->partial + first * job->partial_width
                            : NULL;

        if (sum != NULL)
            memset(sum, 0, (size_t)c->width * sizeof *sum);
        row = aci_part_bound(c->n_rows, first);
        end = aci_part_bound(c->n_rows, first + 1);
        for (; row < end; row++)
            norm_row_backward(c->d_x + row * c->width, sum,
                              c->d_out + row * c->width,
                              c->x + row * c->width, c->weight,
                              c->scale[row], c->width, 1);
    }
}

/* ---- bias ---------------------------------------------------------------- */

static void add_bias(void *argument, int64_t first, int64_t last,
                     int32_t thread)
{
    const aci_training_job *job = argument;
    int64_t i;

    (void)thread;
    for (; first < last; first++) {
        aci_real *x = job->out + first * job->stride;

        for (i = 0; i < job->width; i += LANES)
            put(x + i,
                take(x + i, job->width - i) +
                    take(job->in + i, job->width - i),
                job->width - i);
    }
}

static void sum_rows(void *argument, int64_t first, int64_t last,
                     int32_t thread)
{
    const aci_training_job *job = argument;
    int64_t row, end, i;

    (void)thread;
    for (; first < last; first++) {
        aci_real *sum = job->partial + first * job->partial_width;

        memset(sum, 0, (size_t)job->width * sizeof *sum);
        row = aci_part_bound(job->n, first);
        end = aci_part_bound(job->n, first + 1);
        for (; row < end; row++)
            for (i = 0; i < job->width; i += LANES)
                put(sum + i,
                    take(sum + i, job->width - i) +
                        take(job->in + row * job->stride + i, job->width - i),
                    job->width - i);
    }
}

static void sum_parts(void *argument, int64_t first, int64_t last,
                      int32_t thread)
{
    const aci_training_job *job = argument;
    int64_t i = first * 16, end = last * 16, p;

    (void)thread;
    for (end = end < job->width ? end : job->width; i < end; i += LANES) {
        vr sum = { 0 };

        for (p = 0; p < ACI_PARTS; p++)
            sum += take(job->partial + p * job->partial_width + i, end - i);
        put(job->out + i, take(job->out + i, end - i) + sum, end - i);
    }
}

/* ---- embedding ----------------------------------------------------------- */

static void scatter_add(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    const aci_training_job *job = argument;
    int64_t row, i;

    (void)thread;
    for (row = 0; row < job->n; row++) {
        int64_t to = job->rows[row];
        aci_real *out = job->out + to * job->width;
        const aci_real *in = job->in + row * job->width;

        if (to % ACI_CLASSES < first || to % ACI_CLASSES >= last)
            continue;
        for (i = 0; i < job->width; i += LANES)
            put(out + i,
                take(out + i, job->width - i) + take(in + i, job->width - i),
                job->width - i);
    }
}

/* ---- rotary positions and the norm of q and k ---------------------------- */

/* Turns pairs by the angle, or back (direction -1). */
static inline void turn(aci_real *x, const aci_real *cosine,
                        const aci_real *sine, int32_t half, int interleaved,
                        aci_real direction)
{
    int32_t i;

    if (interleaved) {
        for (i = 0; i < half; i++) {
            aci_real a = x[2 * i], b = x[2 * i + 1], s = sine[i] * direction;

            x[2 * i] = a * cosine[i] - b * s;
            x[2 * i + 1] = b * cosine[i] + a * s;
        }
        return;
    }
    for (i = 0; i < half; i += LANES) {
        vr a = take(x + i, half - i), b = take(x + half + i, half - i);
        vr c = take(cosine + i, half - i);
        vr s = take(sine + i, half - i) * direction;

        put(x + i, a * c - b * s, half - i);
        put(x + half + i, b * c + a * s, half - i);
    }
}

static inline void norm_head(aci_real *x, aci_real *raw, aci_real *scale,
                             const aci_real *weight, int32_t dim,
                             aci_real eps)
{
    vr squares = { 0 };
    int32_t i;

    for (i = 0; i < dim; i += LANES) {
        vr v = take(x + i, dim - i);

        put(raw + i, v, dim - i);
        squares = madd(v, v, squares);
    }
    *scale = norm_factor(sum_lanes(squares), dim, eps);
    for (i = 0; i < dim; i += LANES)
        put(x + i,
            take(x + i, dim - i) * *scale * take(weight + i, dim - i),
            dim - i);
}

static void rotate(void *argument, int64_t first, int64_t last,
                   int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_rotation *c = job->call;
    int32_t half = c->head_dim / 2, n = c->n_head + c->n_head_kv, h;

    (void)thread;
    for (; first < last; first++) {
        int64_t at = (int64_t)c->positions[first] * half;

        for (h = 0; h < n; h++) {
            aci_real *x = c->qkv + first * c->stride + h * c->head_dim;
            int64_t head = first * n + h;

            if (c->q_norm != NULL)
                norm_head(x, c->raw + head * c->head_dim, c->scale + head,
                          h < c->n_head ? c->q_norm : c->k_norm, c->head_dim,
                          c->eps);
            turn(x, c->cosine + at, c->sine + at, half, c->interleaved, 1);
        }
    }
}

/* sum: [2, head_dim] of this part, for q_norm and k_norm. */
static void rotate_row_backward(const aci_training_rotation *c, int64_t row,
                                aci_real *sum)
{
    int32_t half = c->head_dim / 2, n = c->n_head + c->n_head_kv, h;
    int64_t at = (int64_t)c->positions[row] * half;

    for (h = 0; h < n; h++) {
        aci_real *d = c->qkv + row * c->stride + h * c->head_dim;
        int64_t head = row * n + h;

        turn(d, c->cosine + at, c->sine + at, half, c->interleaved, -1);
        if (c->q_norm != NULL)
            norm_row_backward(
                d, sum != NULL && h >= c->n_head ? sum + c->head_dim : sum, d,
                c->raw + head * c->head_dim,
                h < c->n_head ? c->q_norm : c->k_norm, c->scale[head],
                c->head_dim, 0);
    }
}

static void rotate_backward(void *argument, int64_t first, int64_t last,
                            int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_rotation *c = job->call;
    int64_t row, end;

    (void)thread;
    for (; first < last; first++) {
        aci_real *sum = c->d_q_norm != NULL
                            ? job->partial + first * job->partial_width
                            : NULL;

        if (sum != NULL)
            memset(sum, 0, 2 * (size_t)c->head_dim * sizeof *sum);
        row = aci_part_bound(c->n_rows, first);
        end = aci_part_bound(c->n_rows, first + 1);
        for (; row < end; row++)
            rotate_row_backward(c, row, sum);
    }
}

/* ---- feed-forward gate --------------------------------------------------- */

static inline vr sigmoid(vr x)
{
    return 1 / (1 + vexp(-x));
}

static void gate(void *argument, int64_t first, int64_t last, int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_gate *c = job->call;
    int64_t n = c->width, i;

    (void)thread;
    for (; first < last; first++) {
        const aci_real *g = c->gate_up + first * 2 * n, *u = g + n;
        aci_real *out = c->hidden + first * n;

        for (i = 0; i < n; i += LANES) {
            vr x = take(g + i, n - i);

            put(out + i, x * sigmoid(x) * take(u + i, n - i), n - i);
        }
    }
}

/* silu'(x) = s (1 + x (1 - s)) with s the sigmoid of x. */
static void gate_backward(void *argument, int64_t first, int64_t last,
                          int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_gate *c = job->call;
    int64_t n = c->width, i;

    (void)thread;
    for (; first < last; first++) {
        const aci_real *g = c->gate_up + first * 2 * n, *u = g + n;
        aci_real *d_g = c->d_gate_up + first * 2 * n, *d_u = d_g + n;
        aci_real *hidden = c->hidden + first * n;

        for (i = 0; i < n; i += LANES) {
            vr x = take(g + i, n - i), up = take(u + i, n - i);
            vr d = take(hidden + i, n - i), s = sigmoid(x), y = x * s;

            put(d_g + i, d * up * (s * (1 + x - y)), n - i);
            put(d_u + i, d * y, n - i);
            put(hidden + i, y * up, n - i);
        }
    }
}

static void scale(void *argument, int64_t first, int64_t last, int32_t thread)
{
    const aci_training_job *job = argument;
    int64_t i = first * 16, end = last * 16;

    (void)thread;
    for (end = end < job->n ? end : job->n; i < end; i += LANES)
        put(job->out + i, take(job->out + i, end - i) * job->factor, end - i);
}

/* ---- updates ------------------------------------------------------------- */

static void sum_squares(void *argument, int64_t first, int64_t last,
                        int32_t thread)
{
    const aci_training_job *job = argument;
    int64_t i, end, k;

    (void)thread;
    for (; first < last; first++) {
        double sum[8] = { 0 };

        i = aci_part_bound(job->n, first);
        end = aci_part_bound(job->n, first + 1);
        for (; i + 8 <= end; i += 8)
            for (k = 0; k < 8; k++)
                sum[k] += (double)job->in[i + k] * (double)job->in[i + k];
        for (; i < end; i++)
            sum[0] += (double)job->in[i] * (double)job->in[i];
        job->sums[first] = ((sum[0] + sum[4]) + (sum[1] + sum[5])) +
                           ((sum[2] + sum[6]) + (sum[3] + sum[7]));
    }
}

static void adamw(void *argument, int64_t first, int64_t last, int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_adamw *c = job->call;
    aci_real rest_1 = 1 - c->beta_1, rest_2 = 1 - c->beta_2;
    aci_real over_1 = 1 / c->correction_1, over_2 = 1 / c->correction_2;
    int64_t i = first * 16, end = last * 16;

    (void)thread;
    for (end = end < c->n ? end : c->n; i < end; i += LANES) {
        int64_t n = end - i;
        vr g = take(c->gradient + i, n) * c->gradient_scale;
        vr x = take(c->value + i, n);
        vr m = take(c->moment_1 + i, n) * c->beta_1 + g * rest_1;
        vr v = take(c->moment_2 + i, n) * c->beta_2 + g * g * rest_2;

        put(c->moment_1 + i, m, n);
        put(c->moment_2 + i, v, n);
        x -= c->rate * (m * over_1 / (vroot(v * over_2) + c->epsilon) +
                        c->decay * x);
        put(c->value + i, x, n);
    }
}
