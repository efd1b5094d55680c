/* predictor_network.c - forward and backward; see predictor_network.h.
 *
 * Each backward function undoes the forward function above it: it takes the
 * derivative of the loss by what that one gave and adds the derivatives by
 * what it took. d_x is read "dLoss / dx". */
#include "workshop/train/predictor_network.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = ACI_NETWORK_WIDTH,
    HIDDEN = ACI_NETWORK_HIDDEN,
    HEADS = ACI_NETWORK_ATTENTION,
    EACH = WIDTH / HEADS
};

/* As aci_router_exp, in double: the C library's differs by machine. */
double aci_workshop_exp(double x)
{
    double held = !(x > -700.0) ? -700.0 : (x > 700.0 ? 700.0 : x);
    double scaled = held * 1.4426950408889634;
    int n = (int)(scaled + (scaled < 0.0 ? -0.5 : 0.5));
    double r = (held - n * 0.693145751953125) - n * 1.4286068203094172e-6;
    double series = 1.0;
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double power;
    int k;

    for (k = 14; k > 0; k--)
        series = series * r / k + 1.0;
    memcpy(&power, &bits, sizeof power);
    return series * power;
}

/* Halley's iteration on e^y = x, from the exponent: each round triples the
 * digits. */
double aci_workshop_log(double x)
{
    int exponent, round;
    double fraction = frexp(x, &exponent);
    double y = (exponent + 2.0 * (fraction - 1.0)) * 0.6931471805599453;

    for (round = 0; round < 4; round++) {
        double power = aci_workshop_exp(y);

        y += 2.0 * (x - power) / (x + power);
    }
    return y;
}

double aci_workshop_sigmoid(double x)
{
    return 1.0 / (1.0 + aci_workshop_exp(-x));
}

/* ---- Pieces -------------------------------------------------------------- */

static inline void add_product(double *restrict out,
                               const double *restrict in,
                               const double *restrict weight, int n_in,
                               int n_out)
{
    int i, j;

    for (i = 0; i < n_in; i++)
        for (j = 0; j < n_out; j++)
            out[j] += in[i] * weight[i * n_out + j];
}

/* n_out is a multiple of 4: four sums side by side, for their additions would
 * else wait for one another. */
static inline void undo_product(double *restrict d_in,
                                double *restrict d_weight,
                                const double *restrict d_out,
                                const double *restrict in,
                                const double *restrict weight, int n_in,
                                int n_out)
{
    int i, j, k;

    for (i = 0; i < n_in; i++) {
        double sum[4] = { 0.0, 0.0, 0.0, 0.0 };

        for (j = 0; j < n_out; j += 4)
            for (k = 0; k < 4; k++)
                sum[k] += d_out[j + k] * weight[i * n_out + j + k];
        for (j = 0; j < n_out; j++)
            d_weight[i * n_out + j] += in[i] * d_out[j];
        d_in[i] += (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
}

/* `normal` keeps (x - mean) * scale, before gain and bias. */
static void normalise(double *out, double *normal, double *scale,
                      const double *x, const double *gain)
{
    double mean = 0.0, variance = 0.0;
    int i;

    for (i = 0; i < WIDTH; i++)
        mean += x[i];
    mean /= WIDTH;
    for (i = 0; i < WIDTH; i++)
        variance += (x[i] - mean) * (x[i] - mean);
    *scale = 1.0 / sqrt(variance / WIDTH + 1e-5);
    for (i = 0; i < WIDTH; i++) {
        normal[i] = (x[i] - mean) * *scale;
        out[i] = normal[i] * gain[i] + gain[WIDTH + i];
    }
}

static void undo_normalise(double *d_x, double *d_gain, const double *d_out,
                           const double *normal, double scale,
                           const double *gain)
{
    double sum = 0.0, along = 0.0;
    int i;

    for (i = 0; i < WIDTH; i++) {
        double d_normal = d_out[i] * gain[i];

        sum += d_normal;
        along += d_normal * normal[i];
        d_gain[i] += d_out[i] * normal[i];
        d_gain[WIDTH + i] += d_out[i];
    }
    for (i = 0; i < WIDTH; i++)
        d_x[i] += scale * (d_out[i] * gain[i] - sum / WIDTH -
                           normal[i] * along / WIDTH);
}

static void attend(aci_layer_trace *t, int query, int n)
{
    const double temper = 1.0 / sqrt((double)EACH);
    int head, i, j;

    memset(t->mixed[query], 0, sizeof t->mixed[query]);
    for (head = 0; head < HEADS; head++) {
        double *weight = t->weight[query][head], largest = -1e300, sum = 0.0;
        int base = head * EACH;

        for (i = 0; i < n; i++) {
            weight[i] = 0.0;
            for (j = base; j < base + EACH; j++)
                weight[i] += t->qkv[query][j] * t->qkv[i][WIDTH + j];
            weight[i] *= temper;
            largest = weight[i] > largest ? weight[i] : largest;
        }
        for (i = 0; i < n; i++) {
            weight[i] = aci_workshop_exp(weight[i] - largest);
            sum += weight[i];
        }
        for (i = 0; i < n; i++) {
            weight[i] /= sum;
            for (j = base; j < base + EACH; j++)
                t->mixed[query][j] += weight[i] * t->qkv[i][2 * WIDTH + j];
        }
    }
}

static void undo_attend(double (*d_qkv)[3 * WIDTH], const double *d_mixed,
                        const aci_layer_trace *t, int query, int n)
{
    const double temper = 1.0 / sqrt((double)EACH);
    int head, i, j;

    for (head = 0; head < HEADS; head++) {
        const double *weight = t->weight[query][head];
        double d_weight[ACI_NETWORK_SEQUENCE], along = 0.0;
        int base = head * EACH;

        for (i = 0; i < n; i++) {
            d_weight[i] = 0.0;
            for (j = base; j < base + EACH; j++) {
                d_weight[i] += d_mixed[j] * t->qkv[i][2 * WIDTH + j];
                d_qkv[i][2 * WIDTH + j] += weight[i] * d_mixed[j];
            }
            along += weight[i] * d_weight[i];
        }
        for (i = 0; i < n; i++) {
            double d = weight[i] * (d_weight[i] - along) * temper;

            for (j = base; j < base + EACH; j++) {
                d_qkv[query][j] += d * t->qkv[i][WIDTH + j];
                d_qkv[i][WIDTH + j] += d * t->qkv[query][j];
            }
        }
    }
}

/* ---- A layer ------------------------------------------------------------- */

/* x[0..n) in; the first n_out of them out, in place. */
static void run_layer(double (*x)[WIDTH], aci_layer_trace *t,
                      const double *layer, int n, int n_out)
{
    double out[WIDTH];
    int i, j;

    memcpy(t->x, x, (size_t)n * sizeof *x);
    for (i = 0; i < n; i++) {
        normalise(out, t->normal_1[i], &t->scale_1[i], x[i],
                  layer + ACI_LAYER_NORM_1);
        memset(t->qkv[i], 0, sizeof t->qkv[i]);
        add_product(t->qkv[i], out, layer + ACI_LAYER_QKV, WIDTH, 3 * WIDTH);
    }
    for (i = 0; i < n_out; i++) {
        attend(t, i, n);
        add_product(x[i], t->mixed[i], layer + ACI_LAYER_OUT, WIDTH, WIDTH);
        normalise(out, t->normal_2[i], &t->scale_2[i], x[i],
                  layer + ACI_LAYER_NORM_2);
        memcpy(t->hidden[i], layer + ACI_LAYER_UP_BIAS, sizeof t->hidden[i]);
        add_product(t->hidden[i], out, layer + ACI_LAYER_UP, WIDTH, HIDDEN);
        for (j = 0; j < HIDDEN; j++)
            t->hidden[i][j] = t->hidden[i][j] > 0.0 ? t->hidden[i][j] : 0.0;
        for (j = 0; j < WIDTH; j++)
            x[i][j] += layer[ACI_LAYER_DOWN_BIAS + j];
        add_product(x[i], t->hidden[i], layer + ACI_LAYER_DOWN, HIDDEN, WIDTH);
    }
}

/* What normalise gave, from what it kept. */
static void again(double *out, const double *normal, const double *gain)
{
    int i;

    for (i = 0; i < WIDTH; i++)
        out[i] = normal[i] * gain[i] + gain[WIDTH + i];
}

static void undo_feed_forward(double *d_x, double *d_layer,
                              const aci_layer_trace *t, const double *layer,
                              int i)
{
    double d_hidden[HIDDEN] = { 0 }, d_normal[WIDTH] = { 0 }, normal[WIDTH];
    int j;

    for (j = 0; j < WIDTH; j++)
        d_layer[ACI_LAYER_DOWN_BIAS + j] += d_x[j];
    undo_product(d_hidden, d_layer + ACI_LAYER_DOWN, d_x, t->hidden[i],
                 layer + ACI_LAYER_DOWN, HIDDEN, WIDTH);
    for (j = 0; j < HIDDEN; j++) {
        d_hidden[j] = t->hidden[i][j] > 0.0 ? d_hidden[j] : 0.0;
        d_layer[ACI_LAYER_UP_BIAS + j] += d_hidden[j];
    }
    again(normal, t->normal_2[i], layer + ACI_LAYER_NORM_2);
    undo_product(d_normal, d_layer + ACI_LAYER_UP, d_hidden, normal,
                 layer + ACI_LAYER_UP, WIDTH, HIDDEN);
    undo_normalise(d_x, d_layer + ACI_LAYER_NORM_2, d_normal, t->normal_2[i],
                   t->scale_2[i], layer + ACI_LAYER_NORM_2);
}

/* d_x[0..n): by what the layer gave, turned into by what it took. */
static void undo_layer(double (*d_x)[WIDTH], double *d_layer,
                       const aci_layer_trace *t, const double *layer, int n,
                       int n_out)
{
    double d_qkv[ACI_NETWORK_SEQUENCE][3 * WIDTH] = { { 0 } };
    double d_part[WIDTH], normal[WIDTH];
    int i;

    for (i = 0; i < n_out; i++) {
        undo_feed_forward(d_x[i], d_layer, t, layer, i);
        memset(d_part, 0, sizeof d_part);
        undo_product(d_part, d_layer + ACI_LAYER_OUT, d_x[i], t->mixed[i],
                     layer + ACI_LAYER_OUT, WIDTH, WIDTH);
        undo_attend(d_qkv, d_part, t, i, n);
    }
    for (i = 0; i < n; i++) {
        memset(d_part, 0, sizeof d_part);
        again(normal, t->normal_1[i], layer + ACI_LAYER_NORM_1);
        undo_product(d_part, d_layer + ACI_LAYER_QKV, d_qkv[i], normal,
                     layer + ACI_LAYER_QKV, WIDTH, 3 * WIDTH);
        undo_normalise(d_x[i], d_layer + ACI_LAYER_NORM_1, d_part,
                       t->normal_1[i], t->scale_1[i],
                       layer + ACI_LAYER_NORM_1);
    }
}

/* ---- The whole ----------------------------------------------------------- */

static void standardise(double *out, const double *mean, const float *shape)
{
    int i;

    for (i = 0; i < ACI_ROUTER_SHAPES; i++) {
        double z = (shape[i] - mean[i]) * mean[ACI_ROUTER_SHAPES + i];

        out[i] = z < -4.0 ? -4.0 : (z > 4.0 ? 4.0 : z);
    }
}

static void embed(double (*x)[WIDTH], const double *numbers,
                  const aci_network_places *places,
                  const aci_network_input *input, const double *standard)
{
    const double *shape_in = numbers + places->shape_in;
    uint32_t i;
    int j, k;

    memcpy(x[0], shape_in + ACI_ROUTER_SHAPES * WIDTH, sizeof x[0]);
    add_product(x[0], standard, shape_in, ACI_ROUTER_SHAPES, WIDTH);
    for (i = 0; i < input->n_tokens; i++) {
        memcpy(x[i + 1], numbers + places->position + i * WIDTH, sizeof x[0]);
        for (k = 0; k < 4; k++)
            for (j = 0; j < WIDTH; j++)
                x[i + 1][j] += numbers[places->embedding +
                                       (size_t)input->rows[i][k] * WIDTH +
                                       (size_t)j];
    }
}

static void undo_embed(double *gradient, double (*d_x)[WIDTH],
                       const aci_network_places *places,
                       const aci_network_input *input, const double *standard)
{
    double *d_shape_in = gradient + places->shape_in;
    uint32_t i;
    int j, k;

    for (k = 0; k < ACI_ROUTER_SHAPES; k++)
        for (j = 0; j < WIDTH; j++)
            d_shape_in[k * WIDTH + j] += standard[k] * d_x[0][j];
    for (j = 0; j < WIDTH; j++)
        d_shape_in[ACI_ROUTER_SHAPES * WIDTH + j] += d_x[0][j];
    for (i = 0; i < input->n_tokens; i++)
        for (j = 0; j < WIDTH; j++) {
            gradient[places->position + i * WIDTH + (size_t)j] +=
                d_x[i + 1][j];
            for (k = 0; k < 4; k++)
                gradient[places->embedding +
                         (size_t)input->rows[i][k] * WIDTH + (size_t)j] +=
                    d_x[i + 1][j];
        }
}

static double signed_keep(const aci_network_input *input,
                          const aci_network_drop *drop, uint32_t i)
{
    double keep = drop != NULL && drop->wide != NULL ? drop->wide[i] : 1.0;

    return input->wide[i] & ACI_ROUTER_WIDE_NEGATIVE ? -keep : keep;
}

void aci_workshop_network_forward(aci_network_trace *trace,
                                  const double *numbers,
                                  const aci_network_shape *shape,
                                  const aci_network_places *places,
                                  const aci_network_input *input,
                                  const aci_network_drop *drop)
{
    int n = 1 + (int)input->n_tokens, layer, j;
    uint32_t i, k;

    standardise(trace->standard, numbers + places->standard, input->shape);
    embed(trace->x, numbers, places, input, trace->standard);
    for (layer = 0; layer < ACI_NETWORK_LAYERS; layer++)
        run_layer(trace->x, &trace->layers[layer],
                  numbers + places->layers + layer * ACI_LAYER_SIZE, n,
                  layer + 1 == ACI_NETWORK_LAYERS ? 1 : n);
    normalise(trace->deep, trace->normal, &trace->scale, trace->x[0],
              numbers + places->norm);
    for (j = 0; drop != NULL && drop->deep != NULL && j < WIDTH; j++)
        trace->deep[j] *= drop->deep[j];
    trace->wide = 0.0;
    for (i = 0; i < input->n_wide; i++)
        trace->wide += signed_keep(input, drop, i) *
                       numbers[places->wide +
                               (input->wide[i] & ~ACI_ROUTER_WIDE_NEGATIVE)];
    for (k = 0; k < shape->n_heads; k++) {
        const double *head = numbers + places->heads + k * ACI_HEAD_SIZE;
        double logit = head[ACI_HEAD_WIDE] * trace->wide +
                       head[ACI_HEAD_BIAS];

        for (j = 0; j < WIDTH; j++)
            logit += head[ACI_HEAD_DEEP + j] * trace->deep[j];
        for (j = 0; j < ACI_ROUTER_SHAPES; j++)
            logit += head[ACI_HEAD_SHAPE + j] * trace->standard[j];
        trace->logit[k] = logit;
    }
}

/* The heads, and the wide table under them. */
static void undo_heads(double *gradient, double *d_deep,
                       const aci_network_trace *trace, const double *d_logit,
                       const double *numbers, const aci_network_shape *shape,
                       const aci_network_places *places,
                       const aci_network_input *input,
                       const aci_network_drop *drop)
{
    double d_wide = 0.0;
    uint32_t i, k;
    int j;

    for (k = 0; k < shape->n_heads; k++) {
        const double *head = numbers + places->heads + k * ACI_HEAD_SIZE;
        double *d_head = gradient + places->heads + k * ACI_HEAD_SIZE;

        for (j = 0; j < WIDTH; j++) {
            d_head[ACI_HEAD_DEEP + j] += d_logit[k] * trace->deep[j];
            d_deep[j] += d_logit[k] * head[ACI_HEAD_DEEP + j];
        }
        for (j = 0; j < ACI_ROUTER_SHAPES; j++)
            d_head[ACI_HEAD_SHAPE + j] += d_logit[k] * trace->standard[j];
        d_head[ACI_HEAD_WIDE] += d_logit[k] * trace->wide;
        d_head[ACI_HEAD_BIAS] += d_logit[k];
        d_wide += d_logit[k] * head[ACI_HEAD_WIDE];
    }
    for (i = 0; i < input->n_wide; i++)
        gradient[places->wide + (input->wide[i] & ~ACI_ROUTER_WIDE_NEGATIVE)] +=
            signed_keep(input, drop, i) * d_wide;
}

void aci_workshop_network_backward(double *gradient,
                                   const aci_network_trace *trace,
                                   const double *d_logit,
                                   const double *numbers,
                                   const aci_network_shape *shape,
                                   const aci_network_places *places,
                                   const aci_network_input *input,
                                   const aci_network_drop *drop)
{
    double d_x[ACI_NETWORK_SEQUENCE][WIDTH] = { { 0 } };
    double d_deep[WIDTH] = { 0 };
    int n = 1 + (int)input->n_tokens, layer, j;

    undo_heads(gradient, d_deep, trace, d_logit, numbers, shape, places,
               input, drop);
    for (j = 0; drop != NULL && drop->deep != NULL && j < WIDTH; j++)
        d_deep[j] *= drop->deep[j];
    undo_normalise(d_x[0], gradient + places->norm, d_deep, trace->normal,
                   trace->scale, numbers + places->norm);
    for (layer = ACI_NETWORK_LAYERS - 1; layer >= 0; layer--)
        undo_layer(d_x,
                   gradient + places->layers + layer * ACI_LAYER_SIZE,
                   &trace->layers[layer],
                   numbers + places->layers + layer * ACI_LAYER_SIZE, n,
                   layer + 1 == ACI_NETWORK_LAYERS ? 1 : n);
    undo_embed(gradient, d_x, places, input, trace->standard);
}
