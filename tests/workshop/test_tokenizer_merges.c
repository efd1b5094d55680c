/* test_tokenizer_merges.c - merges learned incrementally against the plain
 * method: count every pair of every word anew before each merge. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "platform/random.h"
#include "workshop/train/tokenizer_merges.h"

enum { MOST_WORDS = 48, LONGEST = 10, MOST_TOKENS = 1024 };

static aci_memory memory;
static aci_words words;
static const aci_specials none = { NULL, 0 };

static void set_up(void)
{
    aci_platform_memory_init(&memory);
    aci_workshop_words_init(&words, &memory);
}

static void tear_down(void)
{
    aci_workshop_words_free(&words);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

static ac_status go_on(void *context, uint32_t n_tokens, ac_error *error)
{
    (void)context;
    (void)n_tokens;
    (void)error;
    return AC_OK;
}

static void add(const char *word, uint64_t n_times)
{
    uint32_t item;

    ck_assert_int_eq(aci_workshop_words_find(&item, &words, word,
                                             strlen(word), NULL), AC_OK);
    words.items[item].count += n_times;
}

/* The plain method. */
typedef struct plain {
    uint32_t symbols[MOST_WORDS][LONGEST];
    uint32_t lengths[MOST_WORDS];
    char tokens[MOST_TOKENS][LONGEST + 1];
    uint32_t n_tokens;
    uint64_t counts[MOST_TOKENS][MOST_TOKENS];
} plain;

static plain p;

static void load_plain(const aci_learned *learned)
{
    size_t i, j, k;

    memset(&p, 0, sizeof p);
    p.n_tokens = 256;
    for (i = 0; i < 256; i++)
        p.tokens[i][0] = learned->tokens.text[learned->tokens.items[i].at];
    for (i = 0; i < words.n; i++) {
        p.lengths[i] = words.items[i].n_bytes;
        for (j = 0; j < p.lengths[i]; j++)
            for (k = 0; k < 256; k++)
                if (p.tokens[k][0] == words.text[words.items[i].at + j])
                    p.symbols[i][j] = (uint32_t)k;
    }
}

/* The pair to merge, and how often it occurs. */
static uint64_t choose(uint32_t *left, uint32_t *right)
{
    uint64_t best = 0;
    uint32_t a, b;
    size_t i, j;

    memset(p.counts, 0, sizeof p.counts);
    for (i = 0; i < words.n; i++)
        for (j = 1; j < p.lengths[i]; j++)
            p.counts[p.symbols[i][j - 1]][p.symbols[i][j]] +=
                words.items[i].count;
    for (a = 0; a < p.n_tokens; a++)
        for (b = 0; b < p.n_tokens; b++) {
            if (p.counts[a][b] <= best)
                continue;
            best = p.counts[a][b];
            *left = a;
            *right = b;
        }
    return best;
}

static void merge_plain(uint32_t left, uint32_t right)
{
    char text[2 * LONGEST + 1];
    uint32_t made = 0, from, to;
    size_t i;

    snprintf(text, sizeof text, "%s%s", p.tokens[left], p.tokens[right]);
    while (made < p.n_tokens && strcmp(p.tokens[made], text) != 0)
        made++;
    ck_assert_uint_eq(made, p.n_tokens); /* one way to each token */
    memcpy(p.tokens[p.n_tokens++], text, strlen(text) + 1);
    for (i = 0; i < words.n; i++) {
        uint32_t *s = p.symbols[i];

        for (from = to = 0; from < p.lengths[i]; to++) {
            int here = from + 1 < p.lengths[i] && s[from] == left &&
                       s[from + 1] == right;

            s[to] = here ? made : s[from];
            from += here ? 2 : 1;
        }
        p.lengths[i] = to;
    }
}

static void expect_plain(const aci_learned *learned)
{
    uint32_t left = 0, right = 0;
    uint64_t n_tokens = 0;
    size_t n = 0, i;

    load_plain(learned);
    while (choose(&left, &right) > 0) {
        ck_assert_uint_lt(n, learned->n_merges);
        ck_assert_uint_eq(learned->merges[n].left, left);
        ck_assert_uint_eq(learned->merges[n].right, right);
        n++;
        merge_plain(left, right);
    }
    ck_assert_uint_eq(n, learned->n_merges);
    ck_assert_uint_eq(p.n_tokens, learned->tokens.n);
    for (i = 0; i < words.n; i++)
        n_tokens += words.items[i].count * p.lengths[i];
    ck_assert_uint_eq(n_tokens, learned->n_corpus_tokens);
}

START_TEST(the_plain_method_gives_the_same)
{
    aci_random random;
    aci_learned learned;
    char word[LONGEST + 1];
    uint64_t n_letters = 3 + (uint64_t)_i % 3;
    int i;

    aci_platform_random_seed(&random, (uint64_t)_i);
    for (i = 0; i < MOST_WORDS; i++) {
        size_t n = 1 + (size_t)aci_platform_random_below(&random, LONGEST), j;

        for (j = 0; j < n; j++)
            word[j] = (char)('a' + aci_platform_random_below(&random,
                                                             n_letters));
        word[n] = '\0';
        add(word, 1 + aci_platform_random_below(&random, 9));
    }
    ck_assert_int_eq(aci_workshop_learn_merges(&learned, &memory, &words,
                                               &none, MOST_TOKENS, 1, go_on,
                                               NULL, NULL), AC_OK);
    expect_plain(&learned);
    aci_workshop_learned_free(&learned);
}
END_TEST

START_TEST(rare_pairs_are_left)
{
    aci_learned learned;

    add("xy", 4);
    add("xz", 3);
    add("yz", 2);
    ck_assert_int_eq(aci_workshop_learn_merges(&learned, &memory, &words,
                                               &none, 1000, 3, go_on, NULL,
                                               NULL), AC_OK);
    ck_assert_uint_eq(learned.n_merges, 2);
    ck_assert_uint_eq(learned.n_corpus_tokens, 4 + 3 + 4);
    aci_workshop_learned_free(&learned);
}
END_TEST

Suite *test_tokenizer_merges_suite(void);
Suite *test_tokenizer_merges_suite(void)
{
    Suite *suite = suite_create("test_tokenizer_merges");
    TCase *tests = tcase_create("tokenizer_merges");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, the_plain_method_gives_the_same, 0, 12);
    tcase_add_test(tests, rare_pairs_are_left);
    suite_add_tcase(suite, tests);
    return suite;
}
