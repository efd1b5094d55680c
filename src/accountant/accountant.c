/* accountant.c - see accountant.h: reserve, settle, estimate. */
#include "accountant/accountant.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "accountant/cost_model.h"
#include "accountant/ledger_write.h"
#include "accountant/price_book.h"
#include "platform/error.h"
#include "platform/power.h"
#include "platform/threads.h"

/* Weight of the newest request in the measured speeds. */
static const double SMOOTHING = 0.2;

struct aci_accountant {
    aci_memory *memory;
    const aci_model *model;
    aci_cost_table costs;
    aci_mutex *mutex;             /* around the two scales */
    double prefill_scale, decode_scale; /* measured / nominal; 0: not yet */
    aci_power *power;
    aci_price price;
    aci_ledger_writer *writer;    /* NULL: no ledger, or it cannot be opened */
    int has_ledger;
    uint32_t policy;
    _Atomic uint64_t drops;
};

/* ---- opening ------------------------------------------------------------- */

static int is_refusal(ac_status status)
{
    return status == AC_E_IO || status == AC_E_DISK_FULL ||
           status == AC_E_BUSY;
}

static ac_status open_ledger(aci_accountant *accountant,
                             const aci_accountant_options *options,
                             ac_error *error)
{
    aci_ledger_opening opening = {
        accountant->model, &accountant->price, options->predictor_checksum,
        aci_platform_power_reason(accountant->power)
    };
    int may_drop = options->ledger_policy == AC_LEDGER_DROP;
    ac_error own = AC_ERROR_INIT;
    ac_status status;

    accountant->policy = options->ledger_policy;
    if (options->ledger_path == NULL)
        return AC_OK;
    accountant->has_ledger = 1;
    status = aci_accountant_writer_open(&accountant->writer,
                                        accountant->memory,
                                        options->ledger_path, &opening, &own);
    if (status == AC_OK || (may_drop && is_refusal(status)))
        return AC_OK;
    return aci_platform_fail(error, status, "%s", own.message);
}

ac_status aci_accountant_open(aci_accountant **out, aci_memory *memory,
                              const aci_model *model,
                              const aci_accountant_options *options,
                              ac_error *error)
{
    aci_accountant *accountant =
        aci_platform_alloc_zeroed(memory, 1, sizeof *accountant);
    ac_status status;

    *out = NULL;
    if (accountant == NULL)
        return aci_platform_fail_memory(error, "the accountant");
    accountant->memory = memory;
    accountant->model = model;
    aci_accountant_cost_table(&accountant->costs, model);
    status = aci_platform_mutex_create(&accountant->mutex, memory, error);
    if (status == AC_OK)
        status = aci_accountant_price_find(
            &accountant->price, memory, options->price_book_path,
            options->price_name ? options->price_name : "local-cpu", error);
    if (status == AC_OK)
        status = aci_platform_power_open(
            &accountant->power, memory,
            options->power_root ? options->power_root
                                : "/sys/class/powercap", error);
    if (status == AC_OK)
        status = open_ledger(accountant, options, error);
    if (status == AC_OK) {
        *out = accountant;
        return AC_OK;
    }
    aci_accountant_close(accountant);
    return status;
}

void aci_accountant_close(aci_accountant *accountant)
{
    if (accountant == NULL)
        return;
    aci_accountant_writer_close(accountant->writer);
    aci_platform_power_close(accountant->power);
    aci_platform_mutex_free(accountant->mutex);
    aci_platform_free(accountant->memory, accountant);
}

uint64_t aci_accountant_drops(const aci_accountant *accountant)
{
    return atomic_load(&accountant->drops);
}

const char *aci_accountant_energy_reason(const aci_accountant *accountant)
{
    return aci_platform_power_reason(accountant->power);
}

/* ---- expectation --------------------------------------------------------- */

static uint64_t whole_nanoseconds(double nanoseconds)
{
    if (!(nanoseconds > 0.0))
        return 0;
    return nanoseconds < 9.2e18 ? (uint64_t)llround(nanoseconds) : INT64_MAX;
}

void aci_accountant_estimate(double *seconds, int64_t *nanodollars,
                             const aci_accountant *accountant,
                             int32_t variant, uint64_t prompt_tokens,
                             uint64_t generated_tokens)
{
    aci_work work = { variant, -1, 16, 0, prompt_tokens, generated_tokens,
                      0, 0 };
    double prefill, decode, prefill_scale, decode_scale;

    aci_accountant_nominal_seconds(&prefill, &decode, &accountant->costs,
                                   &work);
    aci_platform_lock(accountant->mutex);
    prefill_scale = accountant->prefill_scale;
    decode_scale = accountant->decode_scale;
    aci_platform_unlock(accountant->mutex);
    if (prefill_scale > 0.0)
        prefill *= prefill_scale;
    if (decode_scale > 0.0)
        decode *= decode_scale;
    *seconds = prefill + decode;
    *nanodollars = aci_accountant_price(accountant,
                                        whole_nanoseconds(*seconds * 1e9));
}

int64_t aci_accountant_price(const aci_accountant *accountant,
                             uint64_t device_nanoseconds)
{
    return aci_accountant_price_of(&accountant->price, device_nanoseconds);
}

static void smooth(double *scale, uint64_t nanoseconds, double nominal)
{
    double sample = (double)nanoseconds * 1e-9 / nominal;

    if (!(nominal > 0.0) || !isfinite(sample) || !(sample > 0.0))
        return;
    *scale = *scale > 0.0 ? *scale + SMOOTHING * (sample - *scale) : sample;
}

static void learn(aci_accountant *accountant, const ac_usage *usage,
                  const aci_work *work)
{
    double prefill, decode;

    aci_accountant_nominal_seconds(&prefill, &decode, &accountant->costs,
                                   work);
    aci_platform_lock(accountant->mutex);
    smooth(&accountant->prefill_scale, usage->prefill_nanoseconds, prefill);
    if (work->draft_tokens == 0 && work->generated_tokens > 1)
        smooth(&accountant->decode_scale, usage->decode_nanoseconds, decode);
    aci_platform_unlock(accountant->mutex);
}

/* ---- reserve ------------------------------------------------------------- */

/* What the policy makes of a ledger that refused. */
static ac_status refused(aci_accountant *accountant, ac_status status)
{
    if (accountant->policy != AC_LEDGER_DROP)
        return status;
    atomic_fetch_add(&accountant->drops, 1);
    return AC_OK;
}

ac_status aci_accountant_reserve(aci_meter *meter, aci_accountant *accountant,
                                 const ac_decision *decision,
                                 const aci_decision_inputs *inputs,
                                 int64_t worst_nanodollars, const char *label,
                                 ac_error *error)
{
    int may_drop = accountant->policy == AC_LEDGER_DROP;
    ac_status status = AC_OK;

    meter->request_id = 0;
    if (accountant->writer != NULL)
        status = aci_accountant_writer_reserve(
            &meter->request_id, accountant->writer, decision, inputs,
            worst_nanodollars, label, may_drop ? NULL : error);
    else if (accountant->has_ledger)
        status = AC_E_IO;
    if (status != AC_OK)
        status = refused(accountant, status);
    meter->began_microjoules =
        aci_platform_power_microjoules(accountant->power);
    return status;
}

/* ---- settle -------------------------------------------------------------- */

static uint64_t times(uint64_t nanoseconds, double ratio)
{
    return ratio == 1.0 ? nanoseconds
                        : whole_nanoseconds((double)nanoseconds * ratio);
}

static void add_energy(ac_usage *usage, const aci_accountant *accountant,
                       const aci_meter *meter)
{
    int64_t now = aci_platform_power_microjoules(accountant->power);

    usage->microjoules = -1;
    usage->energy_source = AC_ENERGY_NONE;
    if (now < 0 || meter->began_microjoules < 0 ||
        now < meter->began_microjoules)
        return;
    usage->microjoules = now - meter->began_microjoules;
    usage->energy_source = AC_ENERGY_RAPL;
}

static void add_costs(ac_usage *usage, const aci_accountant *accountant,
                      const aci_work *work)
{
    aci_work_cost cost;
    double prefill, decode;
    uint64_t device = aci_accountant_add(usage->prefill_nanoseconds,
                                         usage->decode_nanoseconds);

    aci_accountant_work_cost(&cost, &accountant->costs, work);
    usage->macs = aci_accountant_add(cost.prefill.macs, cost.decode.macs);
    usage->bit_operations = aci_accountant_add(cost.prefill.bit_operations,
                                               cost.decode.bit_operations);
    usage->bytes_moved = aci_accountant_add(cost.prefill.bytes,
                                            cost.decode.bytes);
    usage->full_basis = aci_accountant_full_ratio(&prefill, &decode,
                                                  &accountant->costs, work);
    usage->full_nanoseconds =
        aci_accountant_add(times(usage->prefill_nanoseconds, prefill),
                           times(usage->decode_nanoseconds, decode));
    usage->nanodollars = aci_accountant_price(
        accountant, aci_accountant_add(device, usage->route_nanoseconds));
    usage->full_nanodollars = aci_accountant_price(accountant,
                                                   usage->full_nanoseconds);
}

ac_status aci_accountant_settle(ac_usage *usage, aci_accountant *accountant,
                                const aci_meter *meter, int32_t kv_bits,
                                uint64_t first_position,
                                uint32_t stop_reason,
                                const ac_decision *decision, ac_error *error)
{
    const aci_model *model = accountant->model;
    aci_work work = { (int32_t)usage->variant,
                      aci_model_variant_find(model, "int4"), kv_bits,
                      first_position, usage->prompt_tokens,
                      usage->generated_tokens, usage->draft_tokens,
                      usage->accepted_tokens };
    int may_drop = accountant->policy == AC_LEDGER_DROP;
    ac_status status;

    if (usage->variant >= (uint32_t)model->n_variants)
        return aci_platform_fail(error, AC_E_INTERNAL,
                                 "usage was of variant %u of %d",
                                 usage->variant, model->n_variants);
    add_energy(usage, accountant, meter);
    add_costs(usage, accountant, &work);
    learn(accountant, usage, &work);
    if (meter->request_id == 0)
        return AC_OK;
    status = aci_accountant_writer_settle(
        accountant->writer, meter->request_id, usage,
        model->variants[usage->variant].name, decision->reason, stop_reason,
        may_drop ? NULL : error);
    return status == AC_OK ? AC_OK : refused(accountant, status);
}
