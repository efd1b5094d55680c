/* train_state.c - OUT/train.state: everything needed to go on.
 *
 *     header      magic, version, sizes
 *     counters    step, data cursor, losses        aci_train_counters
 *     settings    JSON: what a resumed run must share
 *     per trainable parameter, in the network's order
 *                 value, moment 1, moment 2, [average]   float32
 *     checksum    XXH64 of all before
 *
 * Written beside its place, made durable and renamed: at every moment the name
 * leads to a whole state, the last one or the one before. Weights that are not
 * trained are not kept; that they are the same is known by the checksum of the
 * network before its first step, which is among the settings. */
#include <string.h>

#include "platform/checksum.h"
#include "platform/error.h"
#include "workshop/train/trainer.h"

#define STATE_NAME "train.state"
static const char magic[8] = "ACTRAIN";
enum { VERSION = 1, MAX_SETTINGS = 1 << 16 };

typedef struct state_header {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t counters_bytes, settings_bytes;
    uint64_t n_values;      /* floats behind the settings */
} state_header;

static char *state_path(const aci_trainer *trainer)
{
    return aci_platform_join(trainer->memory, trainer->out, STATE_NAME);
}

ac_status aci_workshop_state_exists(int *out, const aci_trainer *trainer,
                                    ac_error *error)
{
    char *path = state_path(trainer);

    if (path == NULL)
        return aci_platform_fail_memory(error, "a path");
    *out = aci_platform_is_file(path);
    aci_platform_free(trainer->memory, path);
    return AC_OK;
}

static int64_t size_of(const aci_network *network, size_t i)
{
    const aci_parameter *p = aci_workshop_network_at(network, i);

    return p->n_rows * p->n_columns;
}

static int is_trained(const aci_network *network, size_t i)
{
    return aci_workshop_network_at(network, i)->gradient != NULL;
}

static float *largest_buffer(aci_memory *memory, const aci_network *network)
{
    int64_t most = 1;

    for (size_t i = 0; i < aci_workshop_network_count(network); i++)
        if (size_of(network, i) > most)
            most = size_of(network, i);
    return aci_platform_alloc_array(memory, (size_t)most, sizeof(float));
}

ac_status aci_workshop_state_checksum(uint64_t *out, aci_memory *memory,
                                      aci_network *network, ac_error *error)
{
    float *buffer = largest_buffer(memory, network);
    aci_checksum state;
    ac_status status = AC_OK;

    if (buffer == NULL)
        return aci_platform_fail_memory(error, "a checksum");
    aci_platform_checksum_begin(&state, 0);
    for (size_t i = 0; i < aci_workshop_network_count(network); i++) {
        status = aci_workshop_network_read(buffer, network, i, ACI_OF_VALUE,
                                           error);
        if (status != AC_OK)
            break;
        aci_platform_checksum_add(
            &state, buffer, (size_t)size_of(network, i) * sizeof *buffer);
    }
    *out = aci_platform_checksum_end(&state);
    aci_platform_free(memory, buffer);
    return status;
}

static uint64_t count_values(const aci_trainer *trainer)
{
    uint64_t n = 0, copies = trainer->average != NULL ? 4 : 3;

    for (size_t i = 0; i < aci_workshop_network_count(trainer->network); i++)
        if (is_trained(trainer->network, i))
            n += copies * (uint64_t)size_of(trainer->network, i);
    return n;
}

/* ---- saving -------------------------------------------------------------- */

typedef struct saving {
    aci_writer *writer;
    aci_checksum checksum;
    float *buffer;
} saving;

static ac_status put(saving *s, const void *data, size_t n_bytes,
                     ac_error *error)
{
    aci_platform_checksum_add(&s->checksum, data, n_bytes);
    return aci_platform_writer_append(s->writer, data, n_bytes, error);
}

static ac_status put_parameters(saving *s, aci_trainer *trainer,
                                ac_error *error)
{
    static const int32_t parts[] = { ACI_OF_VALUE, ACI_OF_MOMENT_1,
                                     ACI_OF_MOMENT_2 };
    aci_network *network = trainer->network;
    ac_status status = AC_OK;

    for (size_t i = 0; i < aci_workshop_network_count(network); i++) {
        size_t n_bytes = (size_t)size_of(network, i) * sizeof(float);

        if (!is_trained(network, i))
            continue;
        for (int k = 0; status == AC_OK && k < 3; k++) {
            status = aci_workshop_network_read(s->buffer, network, i,
                                               parts[k], error);
            if (status == AC_OK)
                status = put(s, s->buffer, n_bytes, error);
        }
        if (status == AC_OK && trainer->average != NULL)
            status = put(s, trainer->average[i], n_bytes, error);
        if (status != AC_OK)
            break;
    }
    return status;
}

static ac_status put_all(saving *s, aci_trainer *trainer, const char *settings,
                         ac_error *error)
{
    state_header header = { .version = VERSION,
                            .header_bytes = sizeof header,
                            .counters_bytes = sizeof trainer->counters,
                            .settings_bytes = strlen(settings),
                            .n_values = count_values(trainer) };
    uint64_t sum;
    ac_status status;

    memcpy(header.magic, magic, sizeof magic);
    aci_platform_checksum_begin(&s->checksum, 0);
    status = put(s, &header, sizeof header, error);
    if (status == AC_OK)
        status = put(s, &trainer->counters, sizeof trainer->counters, error);
    if (status == AC_OK)
        status = put(s, settings, strlen(settings), error);
    if (status == AC_OK)
        status = put_parameters(s, trainer, error);
    sum = aci_platform_checksum_end(&s->checksum);
    if (status == AC_OK)
        status = aci_platform_writer_append(s->writer, &sum, sizeof sum,
                                            error);
    return status;
}

/* The fingerprint as text in our memory, or NULL. */
static char *settings_text(const aci_trainer *trainer)
{
    size_t n = json_dumpb(trainer->fingerprint, NULL, 0, JSON_COMPACT);
    char *text = n > 0 ? aci_platform_alloc(trainer->memory, n + 1) : NULL;

    if (text == NULL)
        return NULL;
    json_dumpb(trainer->fingerprint, text, n, JSON_COMPACT);
    text[n] = '\0';
    return text;
}

ac_status aci_workshop_state_save(aci_trainer *trainer, ac_error *error)
{
    aci_memory *memory = trainer->memory;
    saving s = { .buffer = largest_buffer(memory, trainer->network) };
    char *path = state_path(trainer), *settings = settings_text(trainer);
    ac_status status = AC_OK;

    if (s.buffer == NULL || path == NULL || settings == NULL)
        status = aci_platform_fail_memory(error, "saving the state");
    if (status == AC_OK)
        status = aci_platform_writer_open(&s.writer, memory, path, error);
    if (status == AC_OK)
        status = put_all(&s, trainer, settings, error);
    if (status == AC_OK)
        status = aci_platform_writer_commit(s.writer, error);
    if (status != AC_OK)
        aci_platform_writer_abandon(s.writer);
    aci_platform_free(memory, settings);
    aci_platform_free(memory, path);
    aci_platform_free(memory, s.buffer);
    return status;
}

/* ---- loading ------------------------------------------------------------- */

typedef struct loading {
    aci_mapping file;
    size_t at;
    float *buffer;
    const char *path;
} loading;

static ac_status damaged(const loading *l, const char *why, ac_error *error)
{
    return aci_platform_fail(error, AC_E_FORMAT, "%s: %s", l->path, why);
}

static ac_status get(void *out, loading *l, size_t n_bytes, ac_error *error)
{
    if (n_bytes > l->file.size - l->at)
        return damaged(l, "ended early", error);
    memcpy(out, l->file.data + l->at, n_bytes);
    l->at += n_bytes;
    return AC_OK;
}

static ac_status check_header(state_header *out, loading *l,
                              const aci_trainer *trainer, ac_error *error)
{
    uint64_t sum;
    ac_status status = get(out, l, sizeof *out, error);

    if (status != AC_OK)
        return status;
    if (memcmp(out->magic, magic, sizeof magic) != 0)
        return damaged(l, "is no training state", error);
    if (out->version != VERSION || out->header_bytes != sizeof *out ||
        out->counters_bytes != sizeof trainer->counters ||
        out->settings_bytes > MAX_SETTINGS)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "%s is of another version", l->path);
    if (l->file.size < sizeof sum)
        return damaged(l, "ended early", error);
    memcpy(&sum, l->file.data + l->file.size - sizeof sum, sizeof sum);
    if (sum != aci_platform_checksum(l->file.data, l->file.size - sizeof sum,
                                     0))
        return aci_platform_fail(error, AC_E_CHECKSUM,
                                 "%s differs from its checksum", l->path);
    return AC_OK;
}

/* Short text of a JSON value for a message. */
static void value_text(char *out, size_t capacity, const json_t *value)
{
    size_t n = value == NULL ? 0
                             : json_dumpb(value, out, capacity - 1,
                                          JSON_ENCODE_ANY |
                                              JSON_REAL_PRECISION(9));

    out[n < capacity ? n : capacity - 1] = '\0';
    if (n == 0)
        memcpy(out, "absent", capacity < 7 ? capacity : 7);
}

/* States of before there was a choice say nothing of precision. */
static int add_precision(json_t *saved)
{
    return json_object_get(saved, "precision") != NULL ||
           json_object_set_new(saved, "precision",
                               json_string("float32")) == 0;
}

/* Text first: another one changes the number of steps and more. The file's name
 * is as it is given now; it may have been another then. */
static ac_status compare_text(const json_t *saved, const aci_trainer *trainer,
                              ac_error *error)
{
    static const char *const keys[] = { "data", "held_out data" };
    const json_t *files = json_object_get(trainer->fingerprint, "files");
    const json_t *before = json_object_get(saved, "files");
    int same = 1;

    for (int i = 0; i < 2; i++)
        same &= json_equal(json_object_get(saved, keys[i]),
                           json_object_get(trainer->fingerprint, keys[i]));
    if (same)
        return AC_OK;
    if (before != NULL &&
        !json_equal(json_array_get(before, 0), json_array_get(files, 0)))
        return aci_platform_fail(error, AC_E_ARGUMENT,
                                 "%s was begun with another n_context, "
                                 "documents or held_out_share and cannot be "
                                 "resumed with these", trainer->out);
    for (size_t i = 1; i < json_array_size(before) ||
                       i < json_array_size(files); i++) {
        const json_t *was = json_array_get(before, i);
        const json_t *is = json_array_get(files, i);
        const char *name = json_string_value(json_array_get(is, 0));
        const char *old = json_string_value(json_array_get(was, 0));

        if (before == NULL ||
            (was != NULL && is != NULL &&
             json_equal(json_array_get(was, 1), json_array_get(is, 1))))
            continue;
        return aci_platform_fail(
            error, AC_E_ARGUMENT,
            "%s was begun with other text and cannot be resumed with this: "
            "file %zu, %s, is not what it was%s%s%s", trainer->out, i,
            name != NULL ? name : "which is not given now",
            old != NULL ? " (" : "", old != NULL ? old : "",
            old != NULL ? ")" : "");
    }
    return aci_platform_fail(error, AC_E_ARGUMENT,
                             "%s was begun with other text and cannot be "
                             "resumed with this", trainer->out);
}

static ac_status compare_settings(const loading *l, const char *text, size_t n,
                                  const aci_trainer *trainer, ac_error *error)
{
    json_t *saved = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    ac_status status = AC_OK;
    const char *key;
    json_t *value;

    if (!json_is_object(saved)) {
        json_decref(saved);
        return damaged(l, "its settings are no JSON", error);
    }
    if (!add_precision(saved)) {
        json_decref(saved);
        return aci_platform_fail_memory(error, "the settings of a state");
    }
    status = compare_text(saved, trainer, error);
    json_object_foreach(trainer->fingerprint, key, value) {
        const json_t *before = json_object_get(saved, key);
        char was[80], is[80];

        if (status != AC_OK)
            break;
        if (json_equal(before, value) || strcmp(key, "files") == 0)
            continue;
        value_text(was, sizeof was, before);
        value_text(is, sizeof is, value);
        status = aci_platform_fail(
            error, AC_E_ARGUMENT,
            "%s was begun with another %s (%s, now %s) and cannot be resumed "
            "with this one", trainer->out, key, was, is);
        break;
    }
    json_decref(saved);
    return status;
}

static ac_status get_parameters(loading *l, aci_trainer *trainer,
                                ac_error *error)
{
    static const int32_t parts[] = { ACI_OF_VALUE, ACI_OF_MOMENT_1,
                                     ACI_OF_MOMENT_2 };
    aci_network *network = trainer->network;
    ac_status status = AC_OK;

    for (size_t i = 0; i < aci_workshop_network_count(network); i++) {
        size_t n_bytes = (size_t)size_of(network, i) * sizeof(float);

        if (!is_trained(network, i))
            continue;
        for (int k = 0; status == AC_OK && k < 3; k++) {
            status = get(l->buffer, l, n_bytes, error);
            if (status == AC_OK)
                status = aci_workshop_network_write(network, i, parts[k],
                                                    l->buffer, error);
        }
        if (status == AC_OK && trainer->average != NULL)
            status = get(trainer->average[i], l, n_bytes, error);
        if (status != AC_OK)
            break;
    }
    return status;
}

static ac_status get_all(loading *l, aci_trainer *trainer, ac_error *error)
{
    aci_train_counters counters;
    state_header header;
    const char *settings;
    ac_status status = check_header(&header, l, trainer, error);

    if (status == AC_OK)
        status = get(&counters, l, sizeof counters, error);
    if (status != AC_OK)
        return status;
    if (header.settings_bytes > l->file.size - l->at)
        return damaged(l, "ended early", error);
    settings = (const char *)l->file.data + l->at;
    l->at += header.settings_bytes;
    status = compare_settings(l, settings, header.settings_bytes, trainer,
                              error);
    if (status == AC_OK && header.n_values != count_values(trainer))
        status = damaged(l, "holds another number of values", error);
    if (status == AC_OK)
        status = get_parameters(l, trainer, error);
    if (status == AC_OK)
        trainer->counters = counters;
    return status;
}

ac_status aci_workshop_state_load(aci_trainer *trainer, ac_error *error)
{
    aci_memory *memory = trainer->memory;
    char *path = state_path(trainer);
    loading l = { .buffer = largest_buffer(memory, trainer->network),
                  .path = path };
    ac_status status = AC_OK;

    if (l.buffer == NULL || path == NULL)
        status = aci_platform_fail_memory(error, "loading the state");
    if (status == AC_OK)
        status = aci_platform_map(&l.file, path, error);
    if (status == AC_OK)
        status = get_all(&l, trainer, error);
    aci_platform_unmap(&l.file);
    aci_platform_free(memory, path);
    aci_platform_free(memory, l.buffer);
    return status;
}
