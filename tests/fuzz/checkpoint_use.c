/* checkpoint_use.c - see checkpoint_use.h. */
#include "fuzz/checkpoint_use.h"

#include <stdio.h>

#include "model/checkpoint.h"

enum { MOST_NUMBERS = 1 << 20 };

static void read_ends(aci_memory *memory, const aci_checkpoint *checkpoint,
                      const char *name)
{
    int64_t n_rows, n_columns;
    float *rows;

    if (!aci_model_checkpoint_find(checkpoint, name, &n_rows, &n_columns) ||
        n_rows < 1 || n_columns < 1 || n_columns > MOST_NUMBERS)
        return;
    rows = aci_platform_alloc_array(memory, (size_t)n_columns, sizeof *rows);
    if (rows == NULL)
        return;
    aci_model_checkpoint_read(rows, checkpoint, name, 0, 1, NULL);
    aci_model_checkpoint_read(rows, checkpoint, name, n_rows - 1, 1, NULL);
    aci_platform_free(memory, rows);
}

void fuzz_use_checkpoint(aci_memory *memory, const char *path)
{
    static const char *const names[] = {
        "attn_norm", "q", "k", "v", "o", "q_bias", "k_bias", "v_bias",
        "o_bias", "q_norm", "k_norm", "ffn_norm", "gate", "up", "down",
        "gate_bias", "up_bias", "down_bias",
    };
    aci_checkpoint *checkpoint = NULL;
    int32_t n_layer;

    if (aci_model_checkpoint_open_cut(&checkpoint, memory, path, NULL) !=
        AC_OK)
        return;
    n_layer = aci_model_checkpoint_shape(checkpoint)->n_layer;
    read_ends(memory, checkpoint, "embed");
    read_ends(memory, checkpoint, "head");
    read_ends(memory, checkpoint, "final_norm");
    for (int32_t layer = 0; layer < n_layer && layer < 4; layer++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            char name[32];

            snprintf(name, sizeof name, "%d.%s", layer, names[i]);
            read_ends(memory, checkpoint, name);
        }
    aci_model_checkpoint_checksum(checkpoint);
    aci_model_checkpoint_close(checkpoint);
}
