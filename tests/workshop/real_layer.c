/* real_layer.c - see real_layer.h. */
#include "real_layer.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "workshop/train/network_internal.h"

enum { WINDOW = 256, WINDOWS = 36 /* even ones calibrate */ };

static const char *const texts[] = {
    "tests/workshop/answers/citation.jsonl",
    "tests/workshop/answers/data.jsonl",
    "tests/workshop/answers/hypothesis.jsonl",
    "tests/workshop/answers/literature.jsonl",
};

static aci_memory memory;

/* The same number of tokens from each of the texts. */
static void read_tokens(aci_tokens *all)
{
    aci_tokenizer *tokenizer;
    size_t share = WINDOW * WINDOWS / 4, i;

    ck_assert(aci_tokenizer_from_folder(&tokenizer, &memory,
                                        "examples/models/base", NULL) ==
              AC_OK);
    for (i = 0; i < 4; i++) {
        static char text[20000];
        FILE *file = fopen(texts[i], "rb");
        size_t n;

        ck_assert_ptr_nonnull(file);
        n = fread(text, 1, sizeof text, file);
        fclose(file);
        while (n > 0 && text[n - 1] != '\n') /* not within a character */
            n--;
        ck_assert(aci_tokenizer_encode(all, tokenizer, text, n, 0, 0, NULL) ==
                  AC_OK);
        ck_assert_uint_ge(all->n, (i + 1) * share);
        all->n = (i + 1) * share;
    }
    aci_tokenizer_close(tokenizer);
}

static float *floats(int64_t n)
{
    return calloc((size_t)n, sizeof(float));
}

static float *tensor(const aci_checkpoint *checkpoint, float *out,
                     int32_t layer, const char *name, int64_t rows,
                     int64_t columns)
{
    char full[32];

    snprintf(full, sizeof full, "%d.%s", (int)layer, name);
    if (out == NULL)
        out = floats(rows * columns);
    ck_assert(aci_model_checkpoint_read(out, checkpoint, full, 0, rows,
                                        NULL) == AC_OK);
    return out;
}

static void make_input(real_input *in, int64_t n)
{
    in->n = n;
    in->n_rows = WINDOW * WINDOWS / 2;
    in->seen = floats(in->n_rows * n);
    in->held = floats(in->n_rows * n);
    in->h = calloc((size_t)(n * n), sizeof *in->h);
    in->mean = floats(n);
}

static float *window_of(const real_input *in, int32_t window)
{
    return (window % 2 ? in->held : in->seen) +
           (int64_t)(window / 2) * WINDOW * in->n;
}

static void keep(real_layer *out, const aci_network_layer *from,
                 int32_t window)
{
    float *hidden = window_of(&out->down, window);
    int64_t i, j;

    memcpy(window_of(&out->qkv, window), from->normal_1,
           (size_t)(WINDOW * out->n_embd) * sizeof(float));
    memcpy(window_of(&out->o, window), from->attended,
           (size_t)(WINDOW * out->n_attended) * sizeof(float));
    for (i = 0; i < WINDOW; i++)
        for (j = 0; j < out->n_ff; j++) {
            const float *both = from->gate_up_out + i * 2 * out->n_ff;
            double gate = both[j];

            hidden[i * out->n_ff + j] = (float)(
                gate / (1.0 + exp(-gate)) * both[out->n_ff + j]);
        }
}

static void run(real_layer *out, aci_pool *pool,
                const aci_checkpoint *checkpoint, int32_t layer)
{
    aci_network_options options = { .trainable = ACI_TRAIN_SMALL,
                                    .max_tokens = WINDOW };
    aci_objective objective = { .loss = ACI_LOSS_CROSS_ENTROPY };
    int32_t targets[WINDOW], starts[2] = { 0, WINDOW }, window;
    aci_tokens tokens = { NULL, 0, 0 };
    aci_network *network;
    double loss;
    int64_t n;

    ck_assert(aci_workshop_network_create(
                  &network, &memory, pool,
                  aci_model_checkpoint_shape(checkpoint), &options, NULL) ==
              AC_OK);
    ck_assert(aci_workshop_network_load(network, checkpoint, NULL) == AC_OK);
    read_tokens(&tokens);
    memset(targets, -1, sizeof targets);
    targets[WINDOW - 1] = 0;
    for (window = 0; window < WINDOWS; window++) {
        aci_batch batch = { tokens.ids + window * WINDOW, targets, starts,
                            WINDOW, 1 };

        ck_assert(aci_workshop_network_step(network, &loss, &n, &batch,
                                            &objective, 0.0f, NULL) == AC_OK);
        keep(out, &network->layers[layer], window);
    }
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_workshop_network_free(network);
}

void real_statistics(double *h, float *mean, const float *rows,
                     int64_t n_rows, int64_t n)
{
    int64_t r, i, j;

    memset(h, 0, (size_t)(n * n) * sizeof *h);
    for (r = 0; r < n_rows; r++)
        for (i = 0; i < n; i++)
            for (j = 0; j <= i; j++)
                h[i * n + j] += (double)rows[r * n + i] * rows[r * n + j];
    for (i = 0; i < n; i++)
        for (j = 0; j <= i; j++)
            h[j * n + i] = h[i * n + j] /= (double)n_rows;
    for (i = 0; i < n && mean; i++) {
        double sum = 0.0;

        for (r = 0; r < n_rows; r++)
            sum += rows[r * n + i];
        mean[i] = (float)(sum / (double)n_rows);
    }
}

void real_layer_open(real_layer *out, int32_t layer)
{
    const aci_shape *shape;
    aci_checkpoint *checkpoint;
    aci_pool *pool;
    real_input *in;

    aci_platform_memory_init(&memory);
    ck_assert(aci_platform_pool_create(&pool, &memory, 0, NULL) == AC_OK);
    ck_assert(aci_model_checkpoint_open(&checkpoint, &memory,
                                        "examples/models/base", NULL) ==
              AC_OK);
    shape = aci_model_checkpoint_shape(checkpoint);
    out->n_embd = shape->n_embd;
    out->n_head = shape->n_head;
    out->n_head_kv = shape->n_head_kv;
    out->head_dim = shape->head_dim;
    out->n_attended = out->n_head * out->head_dim;
    out->n_kv = out->n_head_kv * out->head_dim;
    out->n_ff = shape->n_ff;
    make_input(&out->qkv, out->n_embd);
    make_input(&out->o, out->n_attended);
    make_input(&out->down, out->n_ff);
    out->w_qkv = floats((out->n_attended + 2 * out->n_kv) * out->n_embd);
    tensor(checkpoint, out->w_qkv, layer, "q", out->n_attended, out->n_embd);
    tensor(checkpoint, out->w_qkv + out->n_attended * out->n_embd, layer, "k",
           out->n_kv, out->n_embd);
    tensor(checkpoint, out->w_qkv + (out->n_attended + out->n_kv) *
                                        out->n_embd,
           layer, "v", out->n_kv, out->n_embd);
    out->w_o = tensor(checkpoint, NULL, layer, "o", out->n_embd,
                      out->n_attended);
    out->w_down = tensor(checkpoint, NULL, layer, "down", out->n_embd,
                         out->n_ff);
    run(out, pool, checkpoint, layer);
    for (in = &out->qkv; in <= &out->down; in++)
        real_statistics(in->h, in->mean, in->seen, in->n_rows, in->n);
    aci_model_checkpoint_close(checkpoint);
    aci_platform_pool_free(pool);
}

void real_layer_close(real_layer *layer)
{
    real_input *in;

    for (in = &layer->qkv; in <= &layer->down; in++) {
        free(in->seen);
        free(in->held);
        free(in->h);
        free(in->mean);
    }
    free(layer->w_qkv);
    free(layer->w_o);
    free(layer->w_down);
}

double real_error(const float *w, const float *w_2, const double *bias,
                  const float *rows, int64_t n_rows, int64_t n_out,
                  int64_t n_in)
{
    double total = 0.0;
    int64_t r, i, j;

    for (r = 0; r < n_rows; r++)
        for (i = 0; i < n_out; i++) {
            double d = bias ? -bias[i] : 0.0;

            for (j = 0; j < n_in; j++)
                d += ((double)w[i * n_in + j] - w_2[i * n_in + j]) *
                     rows[r * n_in + j];
            total += d * d;
        }
    return total / (double)n_rows;
}
