/* answer_cases.c - see answer_cases.h. */
#include "workshop/answer_cases.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "workshop/evaluate/check_answer.h"

static char line[1 << 16];

static json_t *next_line(FILE *file)
{
    json_t *out;

    if (fgets(line, sizeof line, file) == NULL)
        return NULL;
    out = json_loads(line, 0, NULL);
    ck_assert_msg(out != NULL, "not JSON: %.60s", line);
    return out;
}

static void judge(const json_t *check, const json_t *wanted)
{
    const json_t *answer = json_object_get(wanted, "answer");
    aci_verdict verdict;
    aci_memory memory;
    ac_error error = AC_ERROR_INIT;
    ac_status status;

    aci_platform_memory_init(&memory);
    status = aci_workshop_check_answer(&verdict, &memory, check,
                                       json_string_value(answer),
                                       json_string_length(answer), &error);
    ck_assert_msg(status == AC_OK, "%s", error.message);
    ck_assert_msg(
        verdict.pass == json_is_true(json_object_get(wanted, "pass")),
        "%s: \"%s\" %s: %s",
        json_string_value(json_object_get(wanted, "why")),
        json_string_value(answer), verdict.pass ? "passed" : "did not pass",
        verdict.reason);
    ck_assert(verdict.pass == (verdict.reason[0] == '\0'));
    ck_assert(verdict.pass == (verdict.score == 1.0));
    ck_assert(verdict.score >= 0.0 && verdict.score <= 1.0);
    ck_assert_uint_eq(memory.used_bytes, 0);
}

void answer_cases_hold(const char *path)
{
    FILE *file = fopen(path, "r");
    json_t *row, *check = NULL;
    int n = 0, n_right = 0;

    ck_assert_msg(file != NULL, "%s is not there", path);
    while ((row = next_line(file)) != NULL) {
        json_t *next = json_object_get(row, "check");

        if (next != NULL) {
            json_decref(check);
            check = json_incref(next);
        } else {
            judge(check, row);
            n++;
            n_right += json_is_true(json_object_get(row, "pass"));
        }
        json_decref(row);
    }
    json_decref(check);
    fclose(file);
    ck_assert_int_ge(n, 60);
    ck_assert_int_ge(n_right, 20);
    ck_assert_int_ge(n - n_right, 20);
}

json_t *answer_cases_check(const char *path)
{
    FILE *file = fopen(path, "r");
    json_t *row, *check;

    ck_assert_msg(file != NULL, "%s is not there", path);
    row = next_line(file);
    check = json_incref(json_object_get(row, "check"));
    json_decref(row);
    fclose(file);
    ck_assert_ptr_nonnull(check);
    return check;
}

/* The object or list member that holds the last part of `key`. */
static json_t *holder_of(json_t *root, const char **key)
{
    const char *slash;

    while ((slash = strchr(*key, '/')) != NULL) {
        char part[32];

        snprintf(part, sizeof part, "%.*s", (int)(slash - *key), *key);
        root = json_is_array(root)
                   ? json_array_get(root, (size_t)(part[0] - '0'))
                   : json_object_get(root, part);
        ck_assert_ptr_nonnull(root);
        *key = slash + 1;
    }
    return root;
}

void answer_cases_refused(const char *path, const char *key,
                          const char *value, const char *named)
{
    json_t *check = answer_cases_check(path);
    const char *last = key;
    json_t *holder = holder_of(check, &last);
    aci_verdict verdict;
    aci_memory memory;
    ac_error error = AC_ERROR_INIT;

    aci_platform_memory_init(&memory);
    if (value == NULL)
        json_object_del(holder, last);
    else
        json_object_set_new(holder, last,
                            json_loads(value, JSON_DECODE_ANY |
                                                  JSON_ALLOW_NUL, NULL));
    ck_assert_msg(aci_workshop_check_answer(&verdict, &memory, check, "x", 1,
                                            &error) == AC_E_FORMAT,
                  "%s = %s was taken", key, value);
    ck_assert_msg(strstr(error.message, named) != NULL, "%s: \"%s\"", key,
                  error.message);
    ck_assert_uint_eq(memory.used_bytes, 0);
    json_decref(check);
}
