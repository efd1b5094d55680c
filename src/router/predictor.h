/* predictor.h - a predictor in memory, and its file.
 *
 * Made by reading a file (aci_router_predictor_open) or by training
 * (workshop/train); after that nothing in it changes, so any number of
 * threads may use it. The file is described in docs/formats.md. */
#ifndef ACI_ROUTER_PREDICTOR_H
#define ACI_ROUTER_PREDICTOR_H

#include "router/predictor_forward.h"
#include "router/router.h"

enum { ACI_PREDICTOR_NAME_BYTES = 32 };

/* How it was made and did on prompts it never saw; told by ac_inspect. */
typedef struct aci_predictor_record {
    uint32_t n_train, n_calibrate, n_test;
    float auroc, brier, ece; /* NaN: not measured */
    uint64_t seed;
} aci_predictor_record;

struct aci_predictor {
    aci_memory *memory;
    aci_network_shape shape;
    aci_network_places places;
    aci_templates templates; /* their text lies in template_text */
    char *template_text;
    char names[ACI_NETWORK_MAX_HEADS][ACI_PREDICTOR_NAME_BYTES];
    float max_unfamiliarity; /* in (0, 1] */
    uint32_t familiar_log2;  /* bits of `familiar`: 2^this */
    uint8_t *familiar;       /* Bloom filter of training's words, pairs */
    float *numbers;          /* [places.total] */
    aci_predictor_record record;
};

/* Limits of a file, and of what training may make. */
enum {
    ACI_PREDICTOR_MAX_WIDE = 1 << 20,
    ACI_PREDICTOR_MAX_EMBEDDING = 1 << 16,
    ACI_PREDICTOR_MIN_FAMILIAR_LOG2 = 10,
    ACI_PREDICTOR_MAX_FAMILIAR_LOG2 = 24
};

/* An empty predictor of that shape: numbers and filter zero, no templates.
 * NULL when there is no memory. */
aci_predictor *aci_router_predictor_new(aci_memory *memory,
                                        const aci_network_shape *shape,
                                        uint32_t familiar_log2);

/* Copies the templates. */
ac_status aci_router_predictor_set_templates(aci_predictor *predictor,
                                             const aci_templates *templates,
                                             ac_error *error);

/* The numbers counted honestly: everything fitted to data but the filter. */
uint32_t aci_router_predictor_parameters(const aci_predictor *predictor);

/* Makes the prompt's words and pairs of neighbours known. */
void aci_router_familiar_add(aci_predictor *predictor,
                             const aci_features *features);

/* From 0, like the training prompts, to 1: the larger of the share of words
 * and pairs never seen in training and how far the shape lies outside. */
float aci_router_unfamiliarity(const aci_predictor *predictor,
                               const aci_features *features);

/* Written beside its place and renamed. */
ac_status aci_router_predictor_write(const aci_predictor *predictor,
                                     const char *path, ac_error *error);

#endif
