/* workflow_check.c - see workflow_check.h. */
#include "workshop/evaluate/workflow_check.h"

#include <stdio.h>
#include <string.h>

#include "platform/error.h"
#include "workshop/evaluate/check_answer.h"

ac_status aci_workshop_workflow_complete(json_t **out, aci_memory *memory,
                                         const aci_workflow *workflow,
                                         int32_t step, ac_error *error)
{
    const json_t *check = workflow->steps[step].check;
    const char *source = json_string_value(json_object_get(check, "source"));
    const char *reference[ACI_MAX_STEPS];
    char *filled;
    ac_status status;

    *out = json_copy((json_t *)(uintptr_t)check);
    if (*out == NULL)
        return aci_platform_fail_memory(error, "a check");
    if (source == NULL || strstr(source, "{{") == NULL)
        return AC_OK;
    for (int32_t i = 0; i < step; i++)
        reference[i] = workflow->steps[i].answer;
    status = aci_workshop_workflow_fill(&filled, memory, source, reference,
                                        (size_t)step, error);
    if (status == AC_OK &&
        json_object_set_new(*out, "source", json_string(filled)) != 0)
        status = aci_platform_fail_memory(error, "a check");
    aci_platform_free(memory, filled);
    return status;
}

static ac_status check_step(aci_memory *memory, const aci_workflow *workflow,
                            int32_t step, ac_error *error)
{
    const char *earlier[ACI_MAX_STEPS];
    char *prompt = NULL;
    json_t *check = NULL;
    aci_verdict verdict;
    ac_status status;

    for (int32_t i = 0; i < step; i++)
        earlier[i] = "";
    status = aci_workshop_workflow_fill(&prompt, memory,
                                        workflow->steps[step].prompt, earlier,
                                        (size_t)step, error);
    if (status == AC_OK)
        status = aci_workshop_workflow_complete(&check, memory, workflow,
                                                step, error);
    if (status == AC_OK) /* a wrong check is told without an answer, too */
        status = aci_workshop_check_answer(&verdict, memory, check, "", 0,
                                           error);
    json_decref(check);
    aci_platform_free(memory, prompt);
    return status;
}

ac_status aci_workshop_workflow_check(aci_memory *memory, const json_t *row,
                                      ac_error *error)
{
    aci_workflow workflow;
    char place[120];
    ac_status status = aci_workshop_workflow_read(&workflow, row, error);

    if (status != AC_OK)
        return status;
    for (int32_t i = 0; i < workflow.n_steps; i++) {
        status = check_step(memory, &workflow, i, error);
        if (status != AC_OK) {
            snprintf(place, sizeof place, "%.80s: step %d", workflow.id,
                     (int)i + 1);
            return aci_platform_fail_within(error, status, place);
        }
    }
    return AC_OK;
}
