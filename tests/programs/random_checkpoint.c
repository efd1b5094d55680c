/* random_checkpoint.c - writes a Llama-shaped Hugging Face checkpoint of random
 * weights, a row at a time, so that a model of any size takes no memory:
 *
 *     random_checkpoint FOLDER [layers=22] [embd=2048] [heads=32]
 *         [kv-heads=4] [ff=5632] [vocab=32000] [seed=1] [nan=TENSOR]
 *
 * The defaults are TinyLlama's: 1.1 billion weights, 2.2 GB at bf16. A matrix
 * is
 *
 *     W = size (0.8 noise + 0.6 U V) columns      U V of rank 16, falling
 *
 * so that it has a spectrum, and `columns` vary from one to the next with one
 * in 256 four times as large, so that inputs matter unequally. Matrices keep
 * the size of their input; o and down are divided by sqrt(2 layers), so states
 * stay finite. nan=TENSOR makes the first weight of that tensor NaN.
 *
 * The tokenizer is byte-level BPE over made-up merges of lower-case letters. */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RANK = 16, MOST_TENSORS = 4096, LETTERS = 26, BYTES = 256 };

typedef struct tensor {
    char name[80];
    long n_rows, n_columns;  /* n_rows 0: a vector of ones */
    double size;             /* standard deviation of a weight */
} tensor;

typedef struct model {
    long layers, embd, heads, kv_heads, ff, vocab, seed;
    const char *folder, *nan_tensor;
    tensor *tensors;
    size_t n;
} model;

static void die(const char *what)
{
    fprintf(stderr, "random_checkpoint: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *need(size_t n, size_t size)
{
    void *p = calloc(n, size);

    if (p == NULL)
        die("memory");
    return p;
}

/* ---- random numbers ------------------------------------------------------ */

static uint64_t state;

static uint64_t next(void) /* splitmix64 */
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Near enough to normal: four uniform numbers together. */
static float normal(void)
{
    uint64_t x = next();
    int32_t sum = (int32_t)(x & 65535) + (int32_t)(x >> 16 & 65535) +
                  (int32_t)(x >> 32 & 65535) + (int32_t)(x >> 48);

    return (float)(sum - 131070) * (1.0f / 37837.0f);
}

static uint16_t bf16(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* ---- weights ------------------------------------------------------------- */

static void list(model *m, const char *name, long n_rows, long n_columns,
                 double size)
{
    tensor *t = &m->tensors[m->n++];

    snprintf(t->name, sizeof t->name, "%s", name);
    t->n_rows = n_rows;
    t->n_columns = n_columns;
    t->size = size;
}

static void list_layer(model *m, long l)
{
    long dim = m->embd / m->heads;
    double residual = 1.0 / sqrt(2.0 * (double)m->layers);
    const struct {
        const char *name;
        long n_rows, n_columns;
        double size;
    } parts[] = {
        { "input_layernorm", 0, m->embd, 0 },
        { "self_attn.q_proj", m->embd, m->embd, 1 },
        { "self_attn.k_proj", dim * m->kv_heads, m->embd, 1 },
        { "self_attn.v_proj", dim * m->kv_heads, m->embd, 1 },
        { "self_attn.o_proj", m->embd, m->embd, residual },
        { "post_attention_layernorm", 0, m->embd, 0 },
        { "mlp.gate_proj", m->ff, m->embd, 1 },
        { "mlp.up_proj", m->ff, m->embd, 1 },
        { "mlp.down_proj", m->embd, m->ff, residual },
    };
    char name[80];

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(name, sizeof name, "model.layers.%ld.%s.weight", l,
                 parts[i].name);
        list(m, name, parts[i].n_rows, parts[i].n_columns,
             parts[i].size / sqrt((double)parts[i].n_columns));
    }
}

static void list_all(model *m)
{
    m->tensors = need(MOST_TENSORS, sizeof *m->tensors);
    list(m, "model.embed_tokens.weight", m->vocab, m->embd, 1.0);
    for (long l = 0; l < m->layers; l++)
        list_layer(m, l);
    list(m, "model.norm.weight", 0, m->embd, 0);
    list(m, "lm_head.weight", m->vocab, m->embd, 2.0 / sqrt((double)m->embd));
}

static void write_tensor(FILE *file, const model *m, const tensor *t)
{
    size_t n = (size_t)t->n_columns;
    uint16_t *row = need(n, sizeof *row);
    float *columns = need(n, sizeof *columns), *right = need(n * RANK, 4);
    int is_nan = m->nan_tensor != NULL && strcmp(t->name, m->nan_tensor) == 0;

    for (size_t k = 0; k < n; k++)
        columns[k] = (float)t->size * expf(0.3f * normal()) *
                     (next() % 256 == 0 ? 4.0f : 1.0f);
    for (size_t k = 0; k < n * RANK; k++)
        right[k] = 0.6f * normal();
    for (long i = 0; i < (t->n_rows > 0 ? t->n_rows : 1); i++) {
        float left[RANK], sum;

        for (int r = 0; r < RANK; r++) /* squares add up to about 1 */
            left[r] = normal() * 0.62f * powf(0.8f, (float)r);
        for (size_t k = 0; k < n; k++) {
            sum = 0.8f * normal();
            for (int r = 0; r < RANK; r++)
                sum += left[r] * right[k * RANK + (size_t)r];
            row[k] = bf16(t->n_rows > 0 ? sum * columns[k] : 1.0f);
        }
        if (is_nan && i == 0)
            row[0] = 0x7FC0;
        if (fwrite(row, sizeof *row, n, file) != n)
            die(t->name);
    }
    free(row);
    free(columns);
    free(right);
}

static FILE *create(const model *m, const char *name)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", m->folder, name);
    file = fopen(path, "wb");
    if (file == NULL)
        die(path);
    return file;
}

static void finish(FILE *file, const char *name)
{
    if (fclose(file) != 0)
        die(name);
}

static void write_weights(const model *m)
{
    FILE *file = create(m, "model.safetensors");
    char *header = need(m->n + 1, 256);
    size_t at = 1, offset = 0;
    uint64_t n;

    header[0] = '{';
    for (size_t i = 0; i < m->n; i++) {
        const tensor *t = &m->tensors[i];
        size_t bytes = 2 * (size_t)t->n_columns *
                       (size_t)(t->n_rows > 0 ? t->n_rows : 1);

        at += (size_t)sprintf(header + at, "%s\"%s\":{\"dtype\":\"BF16\","
                              "\"shape\":[", i > 0 ? "," : "", t->name);
        if (t->n_rows > 0)
            at += (size_t)sprintf(header + at, "%ld,", t->n_rows);
        at += (size_t)sprintf(header + at, "%ld],\"data_offsets\":[%zu,%zu]}",
                              t->n_columns, offset, offset + bytes);
        offset += bytes;
    }
    at += (size_t)sprintf(header + at, "}");
    while (at % 8 != 0)
        header[at++] = ' ';
    n = at;
    if (fwrite(&n, 8, 1, file) != 1 || fwrite(header, 1, at, file) != at)
        die("model.safetensors");
    for (size_t i = 0; i < m->n; i++)
        write_tensor(file, m, &m->tensors[i]);
    finish(file, "model.safetensors");
    free(header);
}

/* ---- config and tokenizer ------------------------------------------------ */

static void write_config(const model *m)
{
    FILE *file = create(m, "config.json");

    fprintf(file,
            "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": "
            "\"llama\", \"hidden_size\": %ld, \"intermediate_size\": %ld, "
            "\"num_hidden_layers\": %ld, \"num_attention_heads\": %ld, "
            "\"num_key_value_heads\": %ld, \"vocab_size\": %ld, "
            "\"max_position_embeddings\": 2048, \"rms_norm_eps\": 1e-5, "
            "\"rope_theta\": 10000.0, \"hidden_act\": \"silu\", "
            "\"tie_word_embeddings\": false, \"bos_token_id\": null, "
            "\"eos_token_id\": 0, \"torch_dtype\": \"bfloat16\"}\n",
            m->embd, m->ff, m->layers, m->heads, m->kv_heads, m->vocab);
    finish(file, "config.json");
}

/* GPT-2's letter for a byte, as JSON. */
static void put_byte(FILE *file, int byte)
{
    int is_plain = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    int code = byte, hidden = 0;

    if (!is_plain) {
        for (int b = 0; b < byte; b++)
            hidden += !((b >= 33 && b <= 126) || (b >= 161 && b != 173));
        code = 256 + hidden;
    }
    fprintf(file, "\\u%04x", (unsigned)code);
}

/* Token i of the merges: all words of two letters, of three, and so on. */
static void spell(char *out, long i)
{
    long n = LETTERS * LETTERS;
    int length = 2;

    while (i >= n) {
        i -= n;
        n *= LETTERS;
        length++;
    }
    out[length] = '\0';
    while (length-- > 0) {
        out[length] = (char)('a' + i % LETTERS);
        i /= LETTERS;
    }
}

static void write_tokenizer(const model *m)
{
    FILE *file = create(m, "tokenizer.json");
    char word[16];

    fprintf(file,
            "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 0, "
            "\"content\": \"<|endoftext|>\", \"single_word\": false, "
            "\"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
            "\"special\": true}], \"normalizer\": null, \"pre_tokenizer\": "
            "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
            "\"trim_offsets\": true, \"use_regex\": true}, "
            "\"post_processor\": null, \"decoder\": {\"type\": "
            "\"ByteLevel\"}, \"model\": {\"type\": \"BPE\", \"dropout\": null, "
            "\"unk_token\": null, \"fuse_unk\": false, \"vocab\": "
            "{\"<|endoftext|>\": 0");
    for (int b = 0; b < BYTES; b++) {
        fprintf(file, ", \"");
        put_byte(file, b);
        fprintf(file, "\": %d", b + 1);
    }
    for (long i = 0; i < m->vocab - BYTES - 1; i++) {
        spell(word, i);
        fprintf(file, ", \"%s\": %ld", word, i + BYTES + 1);
    }
    fprintf(file, "}, \"merges\": [");
    for (long i = 0; i < m->vocab - BYTES - 1; i++) {
        size_t n;

        spell(word, i);
        n = strlen(word) - 1;
        fprintf(file, "%s\"%.*s %s\"", i > 0 ? ", " : "", (int)n, word,
                word + n);
    }
    fprintf(file, "]}}\n");
    finish(file, "tokenizer.json");
}

/* ---- the program --------------------------------------------------------- */

static void take(model *m, const char *word)
{
    const struct {
        const char *name;
        long *value;
    } numbers[] = {
        { "layers=", &m->layers }, { "embd=", &m->embd },
        { "heads=", &m->heads }, { "kv-heads=", &m->kv_heads },
        { "ff=", &m->ff }, { "vocab=", &m->vocab }, { "seed=", &m->seed },
    };

    if (strncmp(word, "nan=", 4) == 0) {
        m->nan_tensor = word + 4;
        return;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        size_t n = strlen(numbers[i].name);

        if (strncmp(word, numbers[i].name, n) == 0) {
            *numbers[i].value = atol(word + n);
            return;
        }
    }
    fprintf(stderr, "random_checkpoint: %s is no option\n", word);
    exit(2);
}

int main(int argc, char **argv)
{
    model m = { .layers = 22, .embd = 2048, .heads = 32, .kv_heads = 4,
                .ff = 5632, .vocab = 32000, .seed = 1 };

    if (argc < 2) {
        fprintf(stderr, "usage: random_checkpoint FOLDER [NAME=VALUE ...]\n");
        return 2;
    }
    m.folder = argv[1];
    for (int i = 2; i < argc; i++)
        take(&m, argv[i]);
    if (m.layers < 1 || m.layers > 400 || m.heads < 1 || m.embd < m.heads ||
        m.vocab < BYTES + 1) {
        fprintf(stderr, "random_checkpoint: the shape was out of range\n");
        return 2;
    }
    if (mkdir(m.folder, 0777) != 0 && errno != EEXIST)
        die(m.folder);
    state = (uint64_t)m.seed;
    list_all(&m);
    write_weights(&m);
    write_config(&m);
    write_tokenizer(&m);
    free(m.tensors);
    return 0;
}
