/* predictor_forward.c - the forward pass in float; see predictor_forward.h.
 *
 * Sums run over the inputs in order while the inner loop runs over the
 * outputs: the compiler may do several outputs at once without ever changing
 * the order of a sum, so the bits are the same whatever it makes of it. The
 * last layer is computed for x[0] alone, since nothing else of it is read. */
#include "router/predictor_forward.h"

#include <math.h>
#include <string.h>

#include "router/arithmetic.h"

enum {
    WIDTH = ACI_NETWORK_WIDTH,
    HIDDEN = ACI_NETWORK_HIDDEN,
    EACH = ACI_NETWORK_WIDTH / ACI_NETWORK_ATTENTION /* width of one head */
};

aci_network_places aci_router_network_places(const aci_network_shape *shape)
{
    aci_network_places p;

    p.wide = 0;
    p.embedding = p.wide + shape->n_wide;
    p.position = p.embedding + (size_t)shape->n_embedding * WIDTH;
    p.shape_in = p.position + (size_t)shape->n_tokens * WIDTH;
    p.layers = p.shape_in + (ACI_ROUTER_SHAPES + 1) * WIDTH;
    p.norm = p.layers + ACI_NETWORK_LAYERS * ACI_LAYER_SIZE;
    p.heads = p.norm + 2 * WIDTH;
    p.standard = p.heads + (size_t)shape->n_heads * ACI_HEAD_SIZE;
    p.total = p.standard + 2 * ACI_ROUTER_SHAPES;
    return p;
}

void aci_router_network_read(aci_network_input *out,
                             const aci_features *features,
                             const aci_network_shape *shape)
{
    uint32_t i;

    memset(out, 0, sizeof *out);
    out->n_tokens = features->n_tokens;
    out->n_wide = aci_router_wide_entries(out->wide, features, shape->n_wide);
    for (i = 0; i < features->n_tokens; i++)
        aci_router_embedding_rows(out->rows[i], features, i,
                                  shape->n_embedding);
    memcpy(out->shape, features->shape, sizeof out->shape);
}

void aci_router_network_standardise(float *out, const float *numbers,
                                    const aci_network_places *places,
                                    const float *shape)
{
    const float *mean = numbers + places->standard;
    const float *scale = mean + ACI_ROUTER_SHAPES;
    int i;

    for (i = 0; i < ACI_ROUTER_SHAPES; i++) {
        float z = (shape[i] - mean[i]) * scale[i];

        out[i] = z < -4.0f ? -4.0f : (z > 4.0f ? 4.0f : z);
    }
}

/* out[j] += sum over i of in[i] weight[i][j], i in order. */
static inline void add_product(float *restrict out, const float *restrict in,
                               const float *restrict weight, int n_in,
                               int n_out)
{
    int i, j;

    for (i = 0; i < n_in; i++)
        for (j = 0; j < n_out; j++)
            out[j] += in[i] * weight[i * n_out + j];
}

static inline float dot(const float *a, const float *b, int n)
{
    float sum = 0.0f;
    int i;

    for (i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* (x - mean) / deviation * gain + bias. */
static void normalise(float *out, const float *x, const float *gain)
{
    const float *bias = gain + WIDTH;
    float mean = 0.0f, variance = 0.0f, scale;
    int i;

    for (i = 0; i < WIDTH; i++)
        mean += x[i];
    mean /= (float)WIDTH;
    for (i = 0; i < WIDTH; i++)
        variance += (x[i] - mean) * (x[i] - mean);
    scale = 1.0f / sqrtf(variance / (float)WIDTH + 1e-5f);
    for (i = 0; i < WIDTH; i++)
        out[i] = (x[i] - mean) * scale * gain[i] + bias[i];
}

/* Attention of one query over `n` keys; qkv is [n][3 * WIDTH]. */
static void attend(float *restrict out, const float *query,
                   const float (*qkv)[3 * WIDTH], int n)
{
    const float temper = 1.0f / sqrtf((float)EACH);
    int head, i, j;

    memset(out, 0, WIDTH * sizeof *out);
    for (head = 0; head < WIDTH; head += EACH) {
        float weight[ACI_NETWORK_SEQUENCE], largest, sum = 0.0f;

        for (i = 0; i < n; i++)
            weight[i] = temper * dot(query + head, qkv[i] + WIDTH + head,
                                     EACH);
        largest = weight[0];
        for (i = 1; i < n; i++)
            largest = weight[i] > largest ? weight[i] : largest;
        for (i = 0; i < n; i++) {
            weight[i] = aci_router_exp(weight[i] - largest);
            sum += weight[i];
        }
        for (i = 0; i < n; i++)
            for (j = 0; j < EACH; j++)
                out[head + j] += weight[i] / sum *
                                 qkv[i][2 * WIDTH + head + j];
    }
}

static void feed_forward(float *x, const float *layer)
{
    float normal[WIDTH], hidden[HIDDEN];
    int j;

    normalise(normal, x, layer + ACI_LAYER_NORM_2);
    memcpy(hidden, layer + ACI_LAYER_UP_BIAS, sizeof hidden);
    add_product(hidden, normal, layer + ACI_LAYER_UP, WIDTH, HIDDEN);
    for (j = 0; j < HIDDEN; j++)
        hidden[j] = hidden[j] > 0.0f ? hidden[j] : 0.0f;
    for (j = 0; j < WIDTH; j++)
        x[j] += layer[ACI_LAYER_DOWN_BIAS + j];
    add_product(x, hidden, layer + ACI_LAYER_DOWN, HIDDEN, WIDTH);
}

/* One layer over x[0..n), written back for x[0..n_out). */
static void run_layer(float (*x)[WIDTH], const float *layer, int n, int n_out)
{
    float qkv[ACI_NETWORK_SEQUENCE][3 * WIDTH];
    float normal[WIDTH], mixed[WIDTH];
    int i;

    for (i = 0; i < n; i++) {
        normalise(normal, x[i], layer + ACI_LAYER_NORM_1);
        memset(qkv[i], 0, sizeof qkv[i]);
        add_product(qkv[i], normal, layer + ACI_LAYER_QKV, WIDTH, 3 * WIDTH);
    }
    for (i = 0; i < n_out; i++) {
        attend(mixed, qkv[i], (const float(*)[3 * WIDTH])qkv, n);
        add_product(x[i], mixed, layer + ACI_LAYER_OUT, WIDTH, WIDTH);
        feed_forward(x[i], layer);
    }
}

static void embed(float (*x)[WIDTH], const float *numbers,
                  const aci_network_places *places,
                  const aci_network_input *input, const float *standard)
{
    const float *shape_in = numbers + places->shape_in;
    uint32_t i;
    int j, k;

    memcpy(x[0], shape_in + ACI_ROUTER_SHAPES * WIDTH, sizeof x[0]);
    add_product(x[0], standard, shape_in, ACI_ROUTER_SHAPES, WIDTH);
    for (i = 0; i < input->n_tokens; i++) {
        memcpy(x[i + 1], numbers + places->position + i * WIDTH, sizeof x[0]);
        for (k = 0; k < 4; k++) {
            const float *row = numbers + places->embedding +
                               (size_t)input->rows[i][k] * WIDTH;

            for (j = 0; j < WIDTH; j++)
                x[i + 1][j] += row[j];
        }
    }
}

static float run_wide(const float *table, const aci_network_input *input)
{
    float sum = 0.0f;
    uint32_t i;

    for (i = 0; i < input->n_wide; i++) {
        float weight = table[input->wide[i] & ~ACI_ROUTER_WIDE_NEGATIVE];

        sum += input->wide[i] & ACI_ROUTER_WIDE_NEGATIVE ? -weight : weight;
    }
    return sum;
}

void aci_router_network_run(float *success, const float *numbers,
                            const aci_network_shape *shape,
                            const aci_network_places *places,
                            const aci_network_input *input)
{
    float x[ACI_NETWORK_SEQUENCE][WIDTH], deep[WIDTH];
    float standard[ACI_ROUTER_SHAPES], wide;
    int n = 1 + (int)input->n_tokens, layer;
    uint32_t k;

    aci_router_network_standardise(standard, numbers, places, input->shape);
    embed(x, numbers, places, input, standard);
    for (layer = 0; layer < ACI_NETWORK_LAYERS; layer++)
        run_layer(x, numbers + places->layers + layer * ACI_LAYER_SIZE, n,
                  layer + 1 == ACI_NETWORK_LAYERS ? 1 : n);
    normalise(deep, x[0], numbers + places->norm);
    wide = run_wide(numbers + places->wide, input);
    for (k = 0; k < shape->n_heads; k++) {
        const float *head = numbers + places->heads + k * ACI_HEAD_SIZE;
        float logit = dot(head + ACI_HEAD_DEEP, deep, WIDTH) +
                      dot(head + ACI_HEAD_SHAPE, standard, ACI_ROUTER_SHAPES) +
                      head[ACI_HEAD_WIDE] * wide + head[ACI_HEAD_BIAS];

        success[k] = aci_router_sigmoid(head[ACI_HEAD_SLOPE] * logit +
                                        head[ACI_HEAD_OFFSET]);
    }
}
