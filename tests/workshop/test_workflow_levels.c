/* test_workflow_levels.c - the first words of a prompt carry some of its
 * difficulty, not all: naive Bayes on twelve words of train prompts tells the
 * level of test prompts better than chance, and is often wrong. Otherwise a
 * router that reads beginnings could not be tested, or could not fail. Train
 * leans to hard workflows, so the shares of levels are those of test. */
#include <check.h>
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "suite_fixture.h"
#include "workshop/evaluate/workflow_row.h"

enum { N_LEVELS = 4, N_WORDS = 12, BUCKETS = 1 << 14 };

static aci_memory memory;
static double counts[N_LEVELS][BUCKETS], totals[N_LEVELS], shares[N_LEVELS];

/* Buckets of the first words; their number. */
static int words_of(uint32_t out[N_WORDS], const char *text)
{
    uint32_t hash = 2166136261u;
    int n = 0;
    bool inside = false;

    for (; n < N_WORDS; text++) {
        if (isalnum((unsigned char)*text)) {
            hash = (hash ^ (uint32_t)tolower((unsigned char)*text)) *
                   16777619u;
            inside = true;
            continue;
        }
        if (inside)
            out[n++] = (hash ^ (hash >> 15)) % BUCKETS;
        inside = false;
        hash = 2166136261u;
        if (*text == '\0')
            break;
    }
    return n;
}

static int guess(const char *prompt)
{
    double best = -INFINITY;
    uint32_t words[N_WORDS];
    int n = words_of(words, prompt), level, found = 0, i;

    for (level = 0; level < N_LEVELS; level++) {
        double sum = log(shares[level]);

        for (i = 0; i < n; i++)
            sum += log((counts[level][words[i]] + 1.0) /
                       (totals[level] + BUCKETS));
        if (sum > best) {
            best = sum;
            found = level;
        }
    }
    return found;
}

static void learn(const char *prompt, int level)
{
    uint32_t words[N_WORDS];
    int n = words_of(words, prompt), i;

    for (i = 0; i < n; i++)
        counts[level][words[i]]++;
    totals[level] += n;
}

typedef enum purpose { LEARN, COUNT, GUESS } purpose;

/* Learns from the split, or counts its levels, or right guesses of it: their
 * share. */
static double walk(const char *split, uint64_t n, purpose why)
{
    json_t *list = make_workflows(split, 0, 0, n), *row;
    double right = 0.0, all = 0.0;
    size_t w;
    int32_t i;

    json_array_foreach(list, w, row) {
        aci_workflow read;

        ck_assert_int_eq(aci_workshop_workflow_read(&read, row, NULL), AC_OK);
        for (i = 0; i < read.n_steps; i++) {
            char *prompt = reference_prompt(&memory, row, (size_t)i);

            if (why == LEARN)
                learn(prompt, read.steps[i].level);
            else if (why == COUNT)
                shares[read.steps[i].level]++;
            else
                right += guess(prompt) == read.steps[i].level;
            all++;
            aci_platform_free(&memory, prompt);
        }
    }
    json_decref(list);
    return right / all;
}

START_TEST(first_words_tell_some_of_the_level)
{
    double commonest = 0.0, all = 0.0, accuracy;
    int level;

    aci_platform_memory_init(&memory);
    walk("train", 3000, LEARN);
    walk("test", 500, COUNT);
    accuracy = walk("test", 500, GUESS);
    for (level = 0; level < N_LEVELS; level++) {
        all += shares[level];
        commonest = shares[level] > commonest ? shares[level] : commonest;
    }
    ck_assert_double_gt(accuracy, commonest / all + 0.08);
    ck_assert_double_lt(accuracy, 0.80);
    ck_assert_uint_eq(memory.used_bytes, 0);
}
END_TEST

Suite *test_workflow_levels_suite(void);
Suite *test_workflow_levels_suite(void)
{
    Suite *suite = suite_create("test_workflow_levels");
    TCase *tests = tcase_create("workflow_levels");

    tcase_add_test(tests, first_words_tell_some_of_the_level);
    suite_add_tcase(suite, tests);
    return suite;
}
