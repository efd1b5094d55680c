/* command_route.c - `agentcompress route`: the decision without the answer. */
#include <string.h>

#include "cli.h"

static void print_decision(const ac_decision *d, const ac_engine *engine)
{
    char own[32], full[32], took[32];
    uint32_t i;

    printf("variant       %s\nreason        %s\nconfidence    %.3f\n"
           "unfamiliarity %.3f\nexpected      %s (full: %s)\n"
           "decided in    %s\n\n  %-10s %8s %8s\n",
           d->variant_name, ac_reason_name(d->reason), (double)d->confidence,
           (double)d->unfamiliarity,
           format_dollars(own, d->expected_nanodollars),
           format_dollars(full, d->full_nanodollars),
           format_seconds(took, (double)d->router_nanoseconds * 1e-9),
           "variant", "success", "bits");
    for (i = 0; i < d->n_variants && i < AC_MAX_VARIANTS; i++) {
        ac_variant_info info = AC_VARIANT_INFO_INIT;

        if (ac_variant_describe(&info, engine, i, NULL) != AC_OK)
            continue;
        printf("%s %-10s %8.3f %8u\n", i == d->variant ? "*" : " ", info.name,
               (double)d->success[i], info.weight_bits);
    }
}

int command_route(int argc, char **argv, const command *self)
{
    ac_route_options options = AC_ROUTE_OPTIONS_INIT;
    open_arguments open = { 0 };
    bool json = false;
    const argument table[] = {
        { "confidence", ARGUMENT_REAL, &options.min_confidence, "C",
          "least chance of success to leave full (0.7)" },
        { "max-tokens", ARGUMENT_NUMBER, &options.max_tokens, "N",
          "assumed for the expected cost (256)" },
        { "variant", ARGUMENT_TEXT, &options.variant, "V", "pin a variant" },
        { "price", ARGUMENT_TEXT, &open.price, "NAME",
          "entry of the price book (local-cpu)" },
        { "json", ARGUMENT_FLAG, &json, NULL, "one JSON object" },
        OPEN_ARGUMENTS(open),
    };
    ac_error error = AC_ERROR_INIT;
    ac_decision decision = AC_DECISION_INIT;
    ac_engine *engine = NULL;
    const char *words[2];
    ac_status status;
    int code = parse_arguments(argc, argv, self, table,
                               sizeof table / sizeof *table, words, 2, 2);

    if (code >= 0)
        return code;
    status = open_engine(&engine, words[0], &open, false, &error);
    if (status == AC_OK)
        status = ac_route(&decision, engine, words[1], strlen(words[1]),
                          &options, &error);
    code = EXIT_DONE;
    if (status != AC_OK)
        code = report_failure(status, &error);
    else if (json)
        code = print_json(decision_json(&decision, engine));
    else
        print_decision(&decision, engine);
    ac_close(engine);
    return code;
}
