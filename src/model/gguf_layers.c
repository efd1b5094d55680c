/* gguf_layers.c - see gguf_layers.h. A layer without heads or without neurons
 * is llama.cpp's way (architecture deci) to leave out the block. */
#include "model/gguf_layers.h"

#include <stdio.h>

#include "model/gguf_shape.h"
#include "platform/error.h"

/* One of the three keys. */
typedef struct layer_key {
    const char *name;          /* behind the prefix */
    char full[96];
    int32_t one;               /* the number for all layers */
    int is_array, is_there;
} layer_key;

enum { HEADS, HEADS_KV, NEURONS, N_KEYS };

static ac_status check_array(const layer_key *key, const aci_gguf *gguf,
                             size_t n, int32_t n_layer, ac_error *error)
{
    if (n != (size_t)n_layer)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%s had %zu numbers for %d layers", key->full,
                                 n, (int)n_layer);
    for (size_t i = 0; i < n; i++) {
        int64_t value;

        if (!aci_model_gguf_array_integer(&value, gguf, key->full, i) ||
            value < 0 || value > INT32_MAX)
            return aci_platform_fail(
                error, AC_E_FORMAT, "%s of layer %zu was no whole number from "
                "0 up that fits 31 bits", key->full, i);
    }
    return AC_OK;
}

static ac_status read_key(layer_key *key, const aci_gguf *gguf,
                          const char *prefix, int32_t n_layer,
                          ac_error *error)
{
    int found;
    size_t n;

    snprintf(key->full, sizeof key->full, "%s.%s", prefix, key->name);
    if (aci_model_gguf_array_length(&n, gguf, key->full)) {
        key->is_array = key->is_there = 1;
        return check_array(key, gguf, n, n_layer, error);
    }
    found = aci_model_gguf_shape_integer(&key->one, gguf, prefix, key->name);
    if (found < 0)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "%s was neither a whole number that fits "
            "31 bits nor an array of them", key->full);
    key->is_there = found && key->one > 0;
    return AC_OK;
}

static int32_t number_of(const layer_key *key, const aci_gguf *gguf,
                         int32_t layer)
{
    int64_t value = key->one;

    if (key->is_array)
        (void)aci_model_gguf_array_integer(&value, gguf, key->full,
                                           (size_t)layer);
    return (int32_t)value;
}

/* Heads of a layer: *ratio of them share a key-value head, the same everywhere
 * (0 at first). */
static ac_status read_heads(int32_t *n_head_kv, int32_t *ratio,
                            const layer_key *keys, const aci_gguf *gguf,
                            int32_t layer, ac_error *error)
{
    int32_t n = number_of(&keys[HEADS], gguf, layer);
    int32_t n_kv = keys[HEADS_KV].is_there
                       ? number_of(&keys[HEADS_KV], gguf, layer) : n;

    *n_head_kv = n_kv;
    if (n == 0 && n_kv == 0)
        return AC_OK;
    if (n_kv == 0)
        return aci_platform_fail(error, AC_E_UNSUPPORTED,
                                 "layer %d had %d heads and none for keys and "
                                 "values: linear attention is not supported",
                                 (int)layer, (int)n);
    if (n == 0 || n % n_kv != 0)
        return aci_platform_fail(
            error, AC_E_FORMAT,
            "%d heads of layer %d could not share %d key-value heads evenly",
            (int)n, (int)layer, (int)n_kv);
    if (*ratio != 0 && *ratio != n / n_kv)
        return aci_platform_fail(
            error, AC_E_UNSUPPORTED, "%d heads shared a key-value head in "
            "layer %d and %d in an earlier one; one number is supported",
            (int)(n / n_kv), (int)layer, (int)*ratio);
    *ratio = n / n_kv;
    return AC_OK;
}

static ac_status read_layers(aci_shape *out, aci_kept *kept, int *all_alike,
                             const layer_key *keys, const aci_gguf *gguf,
                             ac_error *error)
{
    int32_t ratio = 0;

    out->n_head_kv = out->n_ff = 0;
    *all_alike = 1;
    for (int32_t l = 0; l < out->n_layer; l++) {
        ac_status status = read_heads(&kept[l].n_head_kv, &ratio, keys, gguf,
                                      l, error);

        if (status != AC_OK)
            return status;
        kept[l].n_ff = number_of(&keys[NEURONS], gguf, l);
        if (kept[l].n_head_kv > out->n_head_kv)
            out->n_head_kv = kept[l].n_head_kv;
        if (kept[l].n_ff > out->n_ff)
            out->n_ff = kept[l].n_ff;
        *all_alike &= kept[l].n_head_kv == kept[0].n_head_kv &&
                      kept[l].n_ff == kept[0].n_ff;
    }
    if ((int64_t)ratio * out->n_head_kv > INT32_MAX)
        return aci_platform_fail(error, AC_E_FORMAT,
                                 "%d key-value heads for %d heads each were "
                                 "too many", (int)out->n_head_kv, (int)ratio);
    out->n_head = ratio * out->n_head_kv;
    return AC_OK;
}

static ac_status read_arrays(aci_shape *out, aci_kept **kept,
                             aci_memory *memory, const layer_key *keys,
                             const aci_gguf *gguf, ac_error *error)
{
    int all_alike = 0;
    ac_status status;

    *kept = aci_platform_alloc_zeroed(memory, (size_t)out->n_layer,
                                      sizeof **kept);
    if (*kept == NULL)
        return aci_platform_fail_memory(error, "the sizes of layers");
    status = read_layers(out, *kept, &all_alike, keys, gguf, error);
    if (status == AC_OK && !all_alike)
        return AC_OK;
    aci_platform_free(memory, *kept);
    *kept = NULL;
    return status;
}

ac_status aci_model_gguf_layers(aci_shape *out, aci_kept **kept,
                                aci_memory *memory, const aci_gguf *gguf,
                                const char *prefix, ac_error *error)
{
    layer_key keys[N_KEYS] = { { .name = "attention.head_count" },
                               { .name = "attention.head_count_kv" },
                               { .name = "feed_forward_length" } };

    *kept = NULL;
    for (int i = 0; i < N_KEYS; i++) {
        ac_status status = read_key(&keys[i], gguf, prefix, out->n_layer,
                                    error);

        if (status != AC_OK)
            return status;
        if (i != HEADS_KV && !keys[i].is_there)
            return aci_platform_fail(error, AC_E_FORMAT,
                                     "%s was missing or 0", keys[i].full);
    }
    if (keys[HEADS].is_array || keys[HEADS_KV].is_array ||
        keys[NEURONS].is_array)
        return read_arrays(out, kept, memory, keys, gguf, error);
    out->n_head = keys[HEADS].one;
    out->n_head_kv = keys[HEADS_KV].is_there ? keys[HEADS_KV].one
                                             : out->n_head;
    out->n_ff = keys[NEURONS].one;
    return AC_OK;
}
