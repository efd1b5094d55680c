/* suite_fixture.c - see suite_fixture.h. */
#include "suite_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workshop/evaluate/workflow_row.h"
#include "workshop/evaluate/workflow_suite.h"

enum { MAX_FILES = 16 };

static char files[MAX_FILES][96];
static int n_files;

static ac_status keep(const json_t *row, void *user, ac_error *error)
{
    (void)error;
    json_array_append(user, (json_t *)(uintptr_t)row);
    return AC_OK;
}

json_t *make_workflows(const char *split, uint64_t seed, uint64_t first,
                       uint64_t n)
{
    ac_error error = AC_ERROR_INIT;
    json_t *list = json_array();
    aci_memory memory;

    aci_platform_memory_init(&memory);
    ck_assert_msg(aci_workshop_suite_make(&memory, split, seed, first, n,
                                          keep, list, &error) == AC_OK,
                  "%s", error.message);
    ck_assert_uint_eq(json_array_size(list), n);
    return list;
}

const char *new_file(const char *name)
{
    ck_assert_int_lt(n_files, MAX_FILES);
    snprintf(files[n_files], sizeof files[0], "/tmp/ac-suite-%ld-%d-%s",
             (long)getpid(), n_files, name);
    return files[n_files++];
}

void drop_files(void)
{
    while (n_files > 0)
        remove(files[--n_files]);
}

void put_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

char *reference_prompt(aci_memory *memory, const json_t *workflow,
                       size_t step)
{
    const char *answers[ACI_MAX_STEPS];
    aci_workflow read;
    char *prompt;
    size_t i;

    ck_assert_int_eq(aci_workshop_workflow_read(&read, workflow, NULL),
                     AC_OK);
    for (i = 0; i < step; i++)
        answers[i] = read.steps[i].answer;
    ck_assert_int_eq(aci_workshop_workflow_fill(&prompt, memory,
                                                read.steps[step].prompt,
                                                answers, step, NULL), AC_OK);
    return prompt;
}

void put_answers(const char *path, const json_t *workflows,
                 const char *variant, answer_callback answer, void *user)
{
    FILE *file = fopen(path, "w");
    const json_t *workflow;
    size_t w, i;

    ck_assert_ptr_nonnull(file);
    json_array_foreach(workflows, w, workflow) {
        const json_t *steps = json_object_get(workflow, "steps");

        for (i = 0; i < json_array_size(steps); i++) {
            const char *text = answer(workflow, i, user);
            json_t *row;

            if (text == NULL)
                continue;
            row = json_pack("{s:O, s:i, s:s, s:s}", "id",
                            json_object_get(workflow, "id"), "step",
                            (int)i + 1, "answer", text, "variant", variant);
            json_dumpf(row, file, JSON_COMPACT);
            fputc('\n', file);
            json_decref(row);
        }
    }
    fclose(file);
}

const char *right_answer(const json_t *workflow, size_t step, void *user)
{
    (void)user;
    return json_string_value(json_object_get(
        json_array_get(json_object_get(workflow, "steps"), step), "answer"));
}
