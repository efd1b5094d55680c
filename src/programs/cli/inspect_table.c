/* inspect_table.c - the variants of a zoo side by side: what each costs next
 * to `full`, and what was measured of it. */
#include <math.h>
#include <string.h>

#include "cli.h"

double number_at(const json_t *object, const char *part, const char *field)
{
    const json_t *value = json_object_get(json_object_get(object, part),
                                          field);

    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void print_number(double value, const char *format)
{
    char text[32];

    if (value < 0.0 && value > -5e-6) /* rounding, shown as -0.00000 */
        value = 0.0;
    if (isnan(value))
        snprintf(text, sizeof text, "-");
    else
        snprintf(text, sizeof text, format, value);
    printf(" %10s", text);
}

const json_t *find_full(const json_t *variants)
{
    size_t i;

    for (i = 0; i < json_array_size(variants); i++) {
        const json_t *v = json_array_get(variants, i);
        const char *name = json_string_value(json_object_get(v, "name"));

        if (name != NULL && strcmp(name, "full") == 0)
            return v;
    }
    return NULL;
}

void print_variants(const json_t *zoo)
{
    static const char *const costs[] = { "bytes_per_token", "macs_per_token",
                                         "bit_operations_per_token" };
    const json_t *variants = json_object_get(zoo, "variants");
    const json_t *full = find_full(variants);
    size_t i, c;

    if (full == NULL)
        return;
    printf("\n%-20s %10s %10s %10s %10s %10s %10s %10s %10s\n", "variant",
           "bytes", "macs", "bit-ops", "decode", "prefill", "KL",
           "perplexity", "recovered");
    for (i = 0; i < json_array_size(variants); i++) {
        const json_t *v = json_array_get(variants, i);
        const char *name = json_string_value(json_object_get(v, "name"));

        printf("%-20s", name != NULL ? name : "?");
        for (c = 0; c < sizeof costs / sizeof *costs; c++)
            print_number(number_at(v, "cost", costs[c]) /
                             number_at(full, "cost", costs[c]), "%.4f");
        print_number(number_at(v, "measured", "decode_ratio"), "%.3f");
        print_number(number_at(v, "measured", "prefill_ratio"), "%.3f");
        print_number(number_at(v, "measured", "kl_divergence"), "%.5f");
        print_number(number_at(v, "measured", "perplexity"), "%.3f");
        print_number(number_at(v, "recovery", "kl_after") /
                         number_at(v, "recovery", "kl_before"), "%.3f");
        putchar('\n');
    }
    printf("\nbytes, macs, bit-ops: of a token; decode, prefill: seconds; all "
           "over full's.\nKL in nats per token; recovered: KL after training "
           "over before.\n");
}
