/* test_replay.c - every input in tests/fuzz/corpora/X goes through fuzz_X once
 * more, without libFuzzer; and so do cuts and flips of each. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "platform/files.h"
#include "platform/random.h"

typedef int fuzz_target(const uint8_t *data, size_t n);

#define FUZZER(name) int name(const uint8_t *data, size_t n);
#include "fuzzers.inc"
#undef FUZZER

static const struct {
    const char *name;
    fuzz_target *run;
} targets[] = {
#define FUZZER(name) { #name, name },
#include "fuzzers.inc"
#undef FUZZER
};

enum { N_TARGETS = sizeof targets / sizeof *targets, N_VARIATIONS = 40 };

/* The input itself, then what is left of it after a few cuts and flips. */
static void run_with_variations(fuzz_target *run, const char *text, size_t n)
{
    aci_random random;
    uint8_t *copy = malloc(n + 1);

    aci_platform_random_seed(&random, n);
    run((const uint8_t *)text, n);
    for (int i = 0; n > 0 && i < N_VARIATIONS; i++) {
        size_t length = i % 2 == 0
                            ? n : aci_platform_random_below(&random, n);

        memcpy(copy, text, length);
        for (int k = i % 2 == 0 ? 1 + i % 3 : 0; k > 0; k--)
            copy[aci_platform_random_below(&random, length)] ^=
                (uint8_t)(1u << aci_platform_random_below(&random, 8));
        run(copy, length);
    }
    free(copy);
}

START_TEST(corpus_replays)
{
    char folder[128];
    DIR *listing;
    struct dirent *entry;
    aci_memory memory;
    int n_inputs = 0;

    aci_platform_memory_init(&memory);
    snprintf(folder, sizeof folder, "tests/fuzz/corpora/%s",
             targets[_i].name + strlen("fuzz_"));
    listing = opendir(folder);
    ck_assert_msg(listing != NULL, "%s is not there", folder);
    while ((entry = readdir(listing)) != NULL) {
        char path[512];
        char *text;
        size_t n;

        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' ||
            aci_platform_read_file(&text, &n, &memory, path, 1 << 22, NULL))
            continue;
        run_with_variations(targets[_i].run, text, n);
        aci_platform_free(&memory, text);
        n_inputs++;
    }
    closedir(listing);
    ck_assert_msg(n_inputs > 0, "%s is empty", folder);
}
END_TEST

Suite *test_replay_suite(void);
Suite *test_replay_suite(void)
{
    Suite *suite = suite_create("test_replay");
    TCase *tests = tcase_create("replay");

    tcase_add_loop_test(tests, corpus_replays, 0, N_TARGETS);
    suite_add_tcase(suite, tests);
    return suite;
}
