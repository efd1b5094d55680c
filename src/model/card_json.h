/* card_json.h - what reading and writing zoo.json share, inside this folder. */
#ifndef ACI_MODEL_CARD_JSON_H
#define ACI_MODEL_CARD_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "model/zoo_card.h"

#define ACI_CARD_FORMAT "agentcompress-zoo"

/* The measured figures of a variant, and how large each may be. */
typedef struct aci_card_figure {
    const char *field;
    size_t member;             /* offset of the double in aci_variant */
    double highest;
} aci_card_figure;

enum { ACI_N_FIGURES = 5 };

/* Bounds of plans before the shape is known. */
enum { ACI_CARD_MAX_LAYERS = 1024, ACI_CARD_MAX_KEPT = 1 << 20 };

extern const aci_card_figure aci_model_card_figures[ACI_N_FIGURES];
double *aci_model_card_figure(aci_variant *variant, size_t i);

/* A JSON text of bytes that may not be UTF-8 (checkpoints name themselves as
 * they like): then '?' stands for every byte that is not ASCII. */
json_t *aci_model_card_string(const char *text);

/* {"n_head_kv": [...], "n_ff": [...]} of n layers. */
json_t *aci_model_card_plan(const aci_kept *kept, int32_t n);

/* aci_model_card_read, with the JSON as well: json_decref it, and clear the
 * card. */
ac_status aci_model_card_load(json_t **out_root, aci_zoo_card *out,
                              aci_memory *memory, const char *path,
                              ac_error *error);

/* What aci_model_card_write writes; json_decref it. */
ac_status aci_model_card_json(json_t **out, const aci_zoo_card *card,
                              ac_error *error);

#endif
