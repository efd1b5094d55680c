/* fuzz_predictor.c - predictor.acp, its checksum put right, then a prediction
 * from it. */
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "fuzz/target.h"
#include "platform/checksum.h"
#include "router/router.h"

/* docs/formats.md: length at 16, checksum at 24 over everything from 32. */
static void seal(uint8_t *file, size_t n)
{
    uint64_t length = n, checksum;

    if (n < 32)
        return;
    checksum = aci_platform_checksum(file + 32, n - 32, 0);
    memcpy(file + 16, &length, sizeof length);
    memcpy(file + 24, &checksum, sizeof checksum);
}

static void use(const aci_predictor *predictor)
{
    static const char prompt[] = "Why is \xFF the sky blue? <|im_end|>";
    aci_candidate candidates[2] = { { "full", 1.0, -1 },
                                    { "int4", 0.3, -1 } };
    aci_policy policy = { 0.7f, 0, -1, 0 };
    ac_decision decision = AC_DECISION_INIT;

    for (int32_t i = 0; i < aci_router_predictor_heads(predictor); i++)
        if (strlen(aci_router_predictor_head_name(predictor, i)) > 64)
            abort();
    aci_router_decide(&decision, predictor, candidates, 2, 0, &policy, prompt,
                      sizeof prompt - 1);
    if (decision.variant > 1)
        abort();
    aci_router_decide(&decision, predictor, candidates, 2, 0, &policy, "", 0);
}

int fuzz_predictor(const uint8_t *data, size_t n);
int fuzz_predictor(const uint8_t *data, size_t n)
{
    aci_predictor *predictor = NULL;
    uint8_t *file = malloc(n + 1);
    const char *path;
    aci_memory memory;
    char *description = NULL;

    memcpy(file, data, n);
    seal(file, n);
    path = fuzz_file("predictor.acp", file, n);
    free(file);
    fuzz_memory_begin(&memory);
    if (aci_router_predictor_open(&predictor, &memory, path, NULL) == AC_OK)
        use(predictor);
    aci_router_predictor_close(predictor);
    if (aci_router_predictor_describe(&description, &memory, path, NULL) ==
        AC_OK)
        aci_platform_free(&memory, description);
    fuzz_memory_end(&memory);
    return 0;
}
