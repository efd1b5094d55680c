/* bench_tokenizer.c - encoding 10 MB of English on one core.
 *
 * The corpus and the vocabularies are test data ($AC_TEST_DATA, else
 * ../shared/data); without them a small vocabulary and made-up text stand in,
 * and the lines say so. Each figure is the best of five runs, and the result
 * is decoded and compared with the text. */
#include <inttypes.h>
#include <lzma.h>

#include "../tokenizer/listed_vocabulary.h"
#include "platform/clock.h"
#include "platform/random.h"

#define TEXT_BYTES ((size_t)10 << 20)
#define RUNS 5

static aci_memory memory;

/* The first TEXT_BYTES of an .xz file into text; the bytes it had. */
static size_t unpack(char *text, const char *path)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    char *packed = NULL;
    size_t n_packed = 0, n = 0;

    if (aci_platform_read_file(&packed, &n_packed, &memory, path, 1 << 28,
                               NULL) != AC_OK)
        return 0;
    if (lzma_stream_decoder(&stream, UINT64_MAX, 0) == LZMA_OK) {
        stream.next_in = (const uint8_t *)packed;
        stream.avail_in = n_packed;
        stream.next_out = (uint8_t *)text;
        stream.avail_out = TEXT_BYTES;
        lzma_ret result = lzma_code(&stream, LZMA_RUN);

        if (result == LZMA_OK || result == LZMA_STREAM_END)
            n = TEXT_BYTES - stream.avail_out;
        lzma_end(&stream);
    }
    aci_platform_free(&memory, packed);
    return n;
}

static size_t make_text(char *text)
{
    static const char *const words[] = { "the ", "of ", "river, ", "and ",
                                         "which ", "a ", "never", "theless ",
                                         "Mr. ", "Darwin ", "\n", "1859 " };
    aci_random random;
    size_t n = 0;

    printf("SKIP the corpus is not there: made-up text instead\n");
    aci_platform_random_seed(&random, 1);
    while (n + 16 < TEXT_BYTES) {
        const char *word = words[aci_platform_random_below(
            &random, sizeof words / sizeof *words)];
        memcpy(text + n, word, strlen(word));
        n += strlen(word);
    }
    return n;
}

static void measure(const char *name, const aci_tokenizer *tokenizer,
                    const char *text, size_t n_text)
{
    aci_tokens tokens = { NULL, 0, 0 };
    uint64_t best = UINT64_MAX, begun, passed;
    char *back = aci_platform_alloc(&memory, n_text + 16);
    size_t n_back;
    int i;

    for (i = 0; i < RUNS; i++) {
        tokens.n = 0;
        begun = aci_platform_monotonic_nanoseconds();
        if (aci_tokenizer_encode(&tokens, tokenizer, text, n_text, 0, 0,
                                 NULL) != AC_OK)
            abort();
        passed = aci_platform_monotonic_nanoseconds() - begun;
        best = passed < best ? passed : best;
    }
    begun = aci_platform_monotonic_nanoseconds();
    n_back = aci_tokenizer_decode(back, n_text + 16, tokenizer, tokens.ids,
                                  tokens.n, 0);
    passed = aci_platform_monotonic_nanoseconds() - begun;
    printf("%-8s encode %6.1f MB/s   %.2f bytes per token   decode %6.1f MB/s"
           "   %s\n", name, (double)n_text * 1e3 / (double)best,
           (double)n_text / (double)tokens.n,
           (double)n_back * 1e3 / (double)passed,
           n_back == n_text && memcmp(back, text, n_text) == 0
               ? "same text" : "text differs");
    aci_tokenizer_tokens_free(&memory, &tokens);
    aci_platform_free(&memory, back);
}

/* Prompts of 300 bytes, each encoded on its own as a request would be. */
static void measure_prompts(const char *name, const aci_tokenizer *tokenizer,
                            const char *text, size_t n_text)
{
    const size_t n_bytes = 300, n_prompts = 2000;
    size_t i, step = (n_text - n_bytes) / n_prompts;
    uint64_t begun = aci_platform_monotonic_nanoseconds(), passed;

    for (i = 0; i < n_prompts; i++) {
        aci_tokens tokens = { NULL, 0, 0 };

        if (aci_tokenizer_encode(&tokens, tokenizer, text + i * step, n_bytes,
                                 0, 1, NULL) != AC_OK)
            abort();
        aci_tokenizer_tokens_free(&memory, &tokens);
    }
    passed = aci_platform_monotonic_nanoseconds() - begun;
    printf("%-8s prompt %6.2f us     mean of %zu, 300 bytes each\n", name,
           (double)passed / 1e3 / (double)n_prompts, n_prompts);
}

/* Saves, opens and times the opening. */
static void measure_open(const char *name, const aci_tokenizer *tokenizer)
{
    char path[64];
    uint64_t begun, best = UINT64_MAX, passed;
    aci_tokenizer *opened = NULL;
    int i;

    snprintf(path, sizeof path, "/tmp/bench-%d.act", (int)getpid());
    if (aci_tokenizer_save(tokenizer, path, NULL) != AC_OK)
        abort();
    for (i = 0; i < RUNS; i++) {
        begun = aci_platform_monotonic_nanoseconds();
        if (aci_tokenizer_open(&opened, &memory, path, NULL) != AC_OK)
            abort();
        passed = aci_platform_monotonic_nanoseconds() - begun;
        best = passed < best ? passed : best;
        aci_tokenizer_close(opened);
    }
    printf("%-8s open   %6.2f ms     %" PRId64 " bytes of tokenizer.act\n",
           name, (double)best / 1e6, aci_platform_file_size(path));
    unlink(path);
}

static void measure_both(const char *name, aci_tokenizer *tokenizer,
                         const char *text, size_t n_text)
{
    if (tokenizer == NULL)
        return;
    measure(name, tokenizer, text, n_text);
    measure_prompts(name, tokenizer, text, n_text);
    measure_open(name, tokenizer);
    aci_tokenizer_close(tokenizer);
}

int main(void)
{
    const char *data = getenv("AC_TEST_DATA");
    aci_tokenizer *tokenizer = NULL;
    char path[512], *text;
    size_t n_text;

    aci_platform_memory_init(&memory);
    text = aci_platform_alloc(&memory, TEXT_BYTES);
    if (text == NULL)
        return EXIT_FAILURE;
    snprintf(path, sizeof path, "%s/corpora/simple_english.txt.xz",
             data != NULL ? data : "../shared/data");
    n_text = unpack(text, path);
    if (n_text == 0)
        n_text = make_text(text);
    else
        printf("text: the first %zu bytes of %s\n", n_text, path);
    while (n_text > 0 && ((uint8_t)text[n_text - 1] & 0x80) != 0)
        n_text--; /* not into the middle of a character */
    measure_both("gpt-2", open_gpt2(&memory), text, n_text);
    measure_both("llama", open_llama(&memory), text, n_text);
    if (aci_tokenizer_from_folder(&tokenizer, &memory,
                                  "tests/golden/tokenizer/bytes",
                                  NULL) == AC_OK)
        measure_both("700", tokenizer, text, n_text);
    aci_platform_free(&memory, text);
    return EXIT_SUCCESS;
}
