/* test_check_answer.c - all kinds: what the generator calls right passes, and
 * no change of meaning does; any bytes are judged; no allocation may fail
 * unnoticed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/random.h"
#include "workshop/answer_cases.h"
#include "workshop/evaluate/check_answer.h"
#include "workshop/evaluate/workflow_make.h"

static const char *const files[] = {
    "tests/workshop/answers/citation.jsonl",
    "tests/workshop/answers/data.jsonl",
    "tests/workshop/answers/literature.jsonl",
    "tests/workshop/answers/hypothesis.jsonl"
};

static aci_verdict judge(const json_t *check, const char *answer, size_t n)
{
    aci_verdict verdict;
    aci_memory memory;
    ac_error error = AC_ERROR_INIT;

    aci_platform_memory_init(&memory);
    ck_assert_msg(aci_workshop_check_answer(&verdict, &memory, check, answer,
                                            n, &error) == AC_OK,
                  "%s", error.message);
    ck_assert_uint_eq(memory.used_bytes, 0);
    return verdict;
}

/* ---- made workflows ------------------------------------------------------ */

static int n_changed;

static void refuse(const json_t *step, const char *changed)
{
    aci_verdict verdict =
        judge(json_object_get(step, "check"), changed, strlen(changed));

    n_changed++;
    ck_assert_msg(!verdict.pass, "passed: %s\ninstead of: %s", changed,
                  json_string_value(json_object_get(step, "answer")));
}

/* What may be changed: a BibTeX key is anyone's choice. */
static size_t first_of(const char *answer)
{
    return answer[0] == '@' ? strcspn(answer, ",") : 0;
}

static void change_digits(const json_t *step, aci_random *random)
{
    const char *answer = json_string_value(json_object_get(step, "answer"));
    char changed[4096];
    size_t i;

    for (i = first_of(answer); answer[i] != '\0'; i++) {
        if (answer[i] < '0' || answer[i] > '9')
            continue;
        snprintf(changed, sizeof changed, "%s", answer);
        changed[i] = (char)('0' + (answer[i] - '0' + 1 +
                                   (int)aci_platform_random_below(random, 9)) %
                                      10);
        refuse(step, changed);
    }
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The word replaced where it stands first between word bounds. */
static void change_word(const json_t *step, const char *from, const char *to)
{
    const char *answer = json_string_value(json_object_get(step, "answer"));
    const char *at = answer;
    size_t n = strlen(from);
    char changed[4096];

    while ((at = strstr(at, from)) != NULL) {
        if ((at == answer || !is_letter(at[-1])) && !is_letter(at[n])) {
            snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - answer),
                     answer, to, at + n);
            refuse(step, changed);
            return;
        }
        at++;
    }
}

/* A letter lost from a reference's title. */
static void lose_letter(const json_t *step, aci_random *random)
{
    const char *answer = json_string_value(json_object_get(step, "answer"));
    const char *title = json_string_value(json_object_get(
        json_object_get(json_object_get(step, "check"), "record"), "title"));
    char changed[4096];
    size_t i;

    do
        i = aci_platform_random_below(random, strlen(title));
    while (!is_letter(title[i]));
    i += (size_t)(strstr(answer, title) - answer);
    snprintf(changed, sizeof changed, "%.*s%s", (int)i, answer,
             answer + i + 1);
    refuse(step, changed);
}

/* The first two entities of the facts, swapped. */
static void swap_entities(const json_t *step)
{
    const char *answer = json_string_value(json_object_get(step, "answer"));
    const json_t *facts = json_object_get(json_object_get(step, "check"),
                                          "facts");
    const char *name[2], *at[2];
    char changed[4096];
    int i, first;

    for (i = 0; i < 2; i++) {
        name[i] = json_string_value(json_object_get(
            json_array_get(facts, (size_t)i), "entity"));
        at[i] = name[i] == NULL ? NULL : strstr(answer, name[i]);
        if (name[i] == NULL || name[i][0] == '\0' || at[i] == NULL)
            return;
    }
    first = at[0] > at[1];
    snprintf(changed, sizeof changed, "%.*s%s%.*s%s%s",
             (int)(at[first] - answer), answer, name[!first],
             (int)(at[!first] - at[first] - (long)strlen(name[first])),
             at[first] + strlen(name[first]), name[first],
             at[!first] + strlen(name[!first]));
    refuse(step, changed);
}

static void change_words(const json_t *step)
{
    static const char *const changes[][2] = {
        { "increases", "decreases" }, { "decreases", "increases" },
        { "increases", "changes" }, { "with", "without" },
        { "an increase", "a decrease" }, { "a decrease", "an increase" },
        { "an increase", "no change" }, { "higher", "lower" },
        { "lower", "higher" }, { "highest", "lowest" },
        { "lowest", "highest" }, { "second highest", "highest" },
        { "larger", "smaller" }, { "raised", "lowered" },
        { "lowered", "raised" }, { "did not change", "raised" },
        { "raised", "did not raise" }, { "largest", "smallest" },
        { "supported", "contradicted" }, { "contradicted", "supported" },
        { "is supported", "is not supported" }, { "exceed", "do not exceed" },
        { "agreed", "disagreed" }, { "encodes", "does not encode" },
        { "when", "unless" }, { "%", "" }, { "g/mol", "mol" },
        { "[1]", "" }, { "[2]", "" }, { "[3]", "[9]" }
    };
    size_t i;

    for (i = 0; i < sizeof changes / sizeof *changes; i++)
        change_word(step, changes[i][0], changes[i][1]);
}

static void judge_step(const json_t *step, aci_random *random)
{
    const char *kind = json_string_value(json_object_get(step, "kind"));
    const char *answer = json_string_value(json_object_get(step, "answer"));
    const char *prompt = json_string_value(json_object_get(step, "prompt"));
    char doubled[8192];
    aci_verdict verdict =
        judge(json_object_get(step, "check"), answer, strlen(answer));

    ck_assert_msg(verdict.pass, "%s: %s\n%s", kind, answer, verdict.reason);
    change_digits(step, random);
    refuse(step, prompt);
    snprintf(doubled, sizeof doubled, "%s%s", prompt, answer);
    refuse(step, doubled);
    if (strcmp(kind, "citation") == 0) {
        lose_letter(step, random);
        return;
    }
    change_words(step);
    if (strcmp(kind, "data_to_text") == 0)
        swap_entities(step);
}

START_TEST(made_answers_pass_and_changed_ones_do_not)
{
    static const char *const splits[] = { "train", "test", "ood-kind",
                                          "ood-domain" };
    aci_random random;
    aci_memory memory;
    uint64_t i;

    aci_platform_memory_init(&memory);
    aci_platform_random_seed(&random, 11);
    n_changed = 0;
    for (i = 0; i < 400; i++) {
        json_t *workflow, *step;
        size_t k;

        ck_assert(aci_workshop_workflow_make(&workflow, &memory,
                                             splits[i % 4], 5, i,
                                             NULL) == AC_OK);
        json_array_foreach(json_object_get(workflow, "steps"), k, step)
            judge_step(step, &random);
        json_decref(workflow);
    }
    ck_assert_int_gt(n_changed, 10000);
}
END_TEST

/* ---- any bytes ----------------------------------------------------------- */

START_TEST(any_bytes_are_judged)
{
    static const char *const odd[] = {
        "\xff\xfe", "\xc3", "\xed\xa0\x80", "\x01", "[", "[[[[[[", "@{", "((",
        "{\"", "35\x80mm", "\xe2\x80", "-", ".", "1.", ".5", "+-+", "1,2,3,"
    };
    json_t *check = answer_cases_check(files[_i]);
    size_t n = 1 << 20, i;
    char *bytes = malloc(n);
    aci_random random;

    for (i = 0; i < sizeof odd / sizeof *odd; i++)
        ck_assert(!judge(check, odd[i], strlen(odd[i])).pass);
    ck_assert(!judge(check, "a\0b", 3).pass);
    ck_assert(!judge(check, NULL, 0).pass);
    aci_platform_random_seed(&random, 3);
    for (i = 0; i < n; i++)
        bytes[i] = (char)aci_platform_random_below(&random, 256);
    ck_assert(!judge(check, bytes, n).pass);
    ck_assert(!judge(check, bytes, 1000).pass);
    memset(bytes, '[', n);
    ck_assert(!judge(check, bytes, n).pass);
    free(bytes);
    json_decref(check);
}
END_TEST

/* As long as an answer may be, of what could be slow. */
START_TEST(long_answers_take_no_time)
{
    static const char *const parts[] = {
        "[1]", "[1] raised ", "[1-3],", "35 mm or ", "higher than ",
        "from first brood to ", "a, ", "increases with ", "and ", "9",
        "@article{a, ", "Okafor, M. J., ", "{", ". ", "\n", "Ser-", "highest "
    };
    json_t *check = answer_cases_check(files[_i]);
    size_t n = 1 << 16, i, k;
    char *bytes = malloc(n);

    for (i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (k = 0; k < n; k++)
            bytes[k] = parts[i][k % strlen(parts[i])];
        ck_assert(!judge(check, bytes, n).pass);
    }
    free(bytes);
    json_decref(check);
}
END_TEST

START_TEST(unknown_kinds_are_refused)
{
    json_t *check = json_pack("{s:s}", "kind", "essay");
    aci_verdict verdict;
    aci_memory memory;
    ac_error error = AC_ERROR_INIT;

    aci_platform_memory_init(&memory);
    ck_assert(aci_workshop_check_answer(&verdict, &memory, check, "a", 1,
                                        &error) == AC_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(error.message, "\"kind\""));
    ck_assert(aci_workshop_check_answer(&verdict, &memory, NULL, "a", 1,
                                        NULL) == AC_E_FORMAT);
    json_decref(check);
}
END_TEST

/* A field renamed, in the check or in what it holds, is named and refused. */
static void misspell(json_t *object, const json_t *check)
{
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, key, value) {
        char name[64], message[80];
        aci_verdict verdict;
        aci_memory memory;
        ac_error error = AC_ERROR_INIT;

        if (strcmp(key, "kind") == 0)
            continue;
        snprintf(name, sizeof name, "%sz", key);
        snprintf(message, sizeof message, "no field \"%s\"", name);
        json_object_set(object, name, value);
        aci_platform_memory_init(&memory);
        ck_assert_int_eq(aci_workshop_check_answer(&verdict, &memory, check,
                                                   "a", 1, &error),
                         AC_E_FORMAT);
        ck_assert_msg(strstr(error.message, message) != NULL, "%s",
                      error.message);
        json_object_del(object, name);
    }
}

START_TEST(misspelt_fields_are_refused)
{
    static const char *const parts[] = { "record", "facts", "rows", "roles",
                                         "claims", "condition" };
    json_t *check = answer_cases_check(files[_i]);

    misspell(check, check);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        json_t *part = json_object_get(check, parts[i]);

        if (_i == 3 && strcmp(parts[i], "rows") == 0)
            continue; /* a hypothesis's variables are the user's */
        if (json_is_array(part))
            part = json_array_get(part, json_array_size(part) - 1);
        misspell(part, check);
    }
    json_decref(check);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    json_t *check = answer_cases_check(files[_i]);
    aci_verdict verdict;
    aci_memory memory;
    uint64_t at = 0, n;

    do {
        ac_error error = AC_ERROR_INIT;
        ac_status status;

        aci_platform_memory_init(&memory);
        memory.fail_at = ++at;
        status = aci_workshop_check_answer(&verdict, &memory, check,
                                           "Some [1] answer.", 16, &error);
        n = memory.n_allocations;
        ck_assert_uint_eq(memory.used_bytes, 0);
        ck_assert_int_eq(status, n >= at ? AC_E_NO_MEMORY : AC_OK);
    } while (n >= at);
    ck_assert_uint_gt(at, 1);
    json_decref(check);
}
END_TEST

Suite *test_check_answer_suite(void);
Suite *test_check_answer_suite(void)
{
    Suite *suite = suite_create("test_check_answer");
    TCase *tests = tcase_create("answers");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, made_answers_pass_and_changed_ones_do_not);
    tcase_add_loop_test(tests, any_bytes_are_judged, 0, 4);
    tcase_add_loop_test(tests, long_answers_take_no_time, 0, 4);
    tcase_add_test(tests, unknown_kinds_are_refused);
    tcase_add_loop_test(tests, misspelt_fields_are_refused, 0, 4);
    tcase_add_loop_test(tests, every_allocation_may_fail, 0, 4);
    suite_add_tcase(suite, tests);
    return suite;
}
