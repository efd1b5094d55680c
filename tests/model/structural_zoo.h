/* structural_zoo.h - small zoos whose weights are a function of the tensor's
 * name, row and column: so a smaller model is what is left of a larger one
 * when heads, neurons and layers are taken away. */
#ifndef TESTS_MODEL_STRUCTURAL_ZOO_H
#define TESTS_MODEL_STRUCTURAL_ZOO_H

#include "model/zoo_card.h"
#include "platform/threads.h"
#include "workshop/compress/extras_build.h"

/* What differs between a zoo and the plain one. */
typedef struct structural_change {
    const int32_t *layers;      /* [n_layer] numbers in the plain model; NULL:
                                   as they are */
    const aci_kept *zero;       /* [n_layer]: columns of o and down behind
                                   these are zero, with the biases of blocks
                                   that have none left; NULL: none */
} structural_change;

extern aci_memory structural_memory;
extern aci_pool *structural_pool;

/* Four layers of 128, 8 heads of 32 in 4 groups, 256 neurons, biases. */
aci_shape structural_shape(void);

/* The value every zoo here has at a place of the plain model. */
float structural_weight(int32_t layer, int32_t row_kind, int32_t row,
                        int32_t column);

/* A temporary folder, and a path in it (four live at a time). */
void structural_enter(void);
void structural_leave(void);
const char *structural_path(const char *name);

/* Writes a zoo of variants full, int8, int4 and leaves its card in `card`, to
 * be changed and written again. */
void structural_zoo(aci_zoo_card *card, const char *path,
                    const aci_shape *shape, const structural_change *change);

/* Adds a variant of `bits` (16, 8 or 4) with a plan (NULL: none). */
void structural_add(aci_zoo_card *card, const char *name, int32_t bits,
                    const aci_kept *kept, int32_t n_kept);
void structural_save(const aci_zoo_card *card, const char *path);

/* Rows of a matrix of the plain model, [n_out, n_in], in malloc'd memory. */
float *structural_matrix(int32_t layer, int32_t row_kind, int32_t n_out,
                         int32_t n_in);

#endif
