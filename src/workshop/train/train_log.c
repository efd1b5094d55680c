/* train_log.c - OUT/log.csv: a line per step.
 *
 *     step,tokens,seconds,lr,loss,grad_norm,held_out
 *
 * held_out is empty where nothing was judged. A resumed run first drops the
 * lines of steps that it is about to do again. */
#include <string.h>

#include "platform/error.h"
#include "workshop/train/trainer.h"

#define HEADER "step,tokens,seconds,lr,loss,grad_norm,held_out\n"

/* Bytes of `text` up to the first line that is cut off or of a step beyond
 * `last`; 0 when it does not begin with our header. */
static size_t kept_bytes(const char *text, size_t n, uint64_t last)
{
    size_t at = sizeof HEADER - 1;

    if (n < at || memcmp(text, HEADER, at) != 0)
        return 0;
    while (at < n) {
        const char *end = memchr(text + at, '\n', n - at);
        uint64_t step = 0;

        if (end == NULL)
            break;
        for (const char *c = text + at; *c >= '0' && *c <= '9'; c++)
            step = step * 10 + (uint64_t)(*c - '0');
        if (step > last)
            break;
        at = (size_t)(end - text) + 1;
    }
    return at;
}

ac_status aci_workshop_log_open(aci_trainer *trainer, ac_error *error)
{
    char *path = aci_platform_join(trainer->memory, trainer->out, "log.csv");
    aci_mapping file = { NULL, 0 };
    size_t kept = 0;
    ac_status status;

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    status = aci_platform_line_log_open(&trainer->log, trainer->memory, path,
                                        error);
    if (status == AC_OK)
        status = aci_platform_map(&file, path, error);
    if (status == AC_OK && file.size > 0 && trainer->counters.step > 0)
        kept = kept_bytes((const char *)file.data, file.size,
                          trainer->counters.step);
    aci_platform_unmap(&file);
    if (status == AC_OK)
        status = aci_platform_line_log_cut(trainer->log, kept, error);
    if (status == AC_OK && kept == 0)
        status = aci_platform_line_log_add(trainer->log, HEADER,
                                           sizeof HEADER - 1, error);
    aci_platform_free(trainer->memory, path);
    return status;
}

ac_status aci_workshop_log_step(const aci_trainer *trainer, int is_judged,
                                ac_error *error)
{
    const aci_train_counters *c = &trainer->counters;
    json_t *row = json_pack("[I, I, f, f, f, f]", (json_int_t)c->step,
                            (json_int_t)c->n_tokens, c->seconds,
                            trainer->last_rate, trainer->last_loss,
                            trainer->last_norm);
    char line[256];
    size_t n;

    /* jansson writes numbers alike in every locale: "[1,4096,0.5,...]". */
    if (is_judged && row != NULL)
        json_array_append_new(row, json_real(c->held_out_loss));
    n = json_dumpb(row, line, sizeof line,
                   JSON_COMPACT | JSON_REAL_PRECISION(7));
    json_decref(row);
    if (n < 2 || n > sizeof line - 2)
        return aci_platform_fail_memory(error, "a line of the log");
    n--; /* where "]" is */
    if (!is_judged)
        line[n++] = ',';
    line[n++] = '\n';
    return aci_platform_line_log_add(trainer->log, line + 1, n - 1, error);
}
