/* calibration.h - what a model's matrices see when it reads text: one file,
 * made once, from which every method of compression takes its statistics.
 *
 * Of each distinct input x [n] of a layer (and of the head's):
 *
 *     H = E[x x']      mean = E[x]      largest = max |x|     over all tokens
 *
 * and of each layer the mean cosine between what goes into its two halves and
 * what comes out of them (1 - cosine is the block influence of Men et al.,
 * ShortGPT 2024). The model is run as it is ("dense H"), in float32.
 *
 * An opened calibration is a mapped file: it takes no memory of the process
 * until a matrix of it is unpacked, and threads may share it. docs/formats.md
 * has the bytes. */
#ifndef ACI_WORKSHOP_CALIBRATION_H
#define ACI_WORKSHOP_CALIBRATION_H

#include <stdint.h>

#include "model/checkpoint.h"
#include "model/tensor_list.h"
#include "platform/files.h"
#include "platform/memory.h"
#include "platform/threads.h"
#include "tokenizer/tokenizer.h"

/* Inputs of a layer. The head's is ACI_INPUT_HEAD of layer n_layer. */
enum aci_calibrated_input {
    ACI_INPUT_QKV = 0,     /* [n_embd], after attn_norm: q, k, v */
    ACI_INPUT_O = 1,       /* [n_head * head_dim]: o */
    ACI_INPUT_GATE_UP = 2, /* [n_embd], after ffn_norm: gate, up */
    ACI_INPUT_DOWN = 3,    /* [n_ff], silu(gate) * up: down */
    ACI_N_LAYER_INPUTS = 4,
    ACI_INPUT_HEAD = 4,    /* [n_embd], after final_norm: head */
    ACI_N_INPUTS = 5
};

typedef struct aci_calibration {
    aci_memory *memory;
    aci_mapping file;
    uint64_t model_checksum;  /* of the checkpoint's weights and shape */
    uint64_t data_checksum;   /* of the tokens read, as they were cut */
    uint64_t n_tokens;        /* rows every mean is over */
    int32_t n_layer;
    int32_t width[ACI_N_INPUTS];
} aci_calibration;

/* Lent until the calibration is closed. */
typedef struct aci_input_statistics {
    int32_t n;
    const float *mean;        /* [n] */
    const float *largest;     /* [n], >= 0 */
    const float *moments;     /* lower triangle of H, row after row: H[i][j],
                                 j <= i, is moments[i * (i + 1) / 2 + j] */
} aci_input_statistics;

void aci_workshop_calibration_input(aci_input_statistics *out,
                                    const aci_calibration *calibration,
                                    int32_t layer, int32_t input);

/* All of H, [n, n]. C = H - mean mean' is the covariance. */
void aci_workshop_calibration_moments(double *out,
                                      const aci_input_statistics *input);

/* Mean cosine between x and x + attention(x), and between that and the layer's
 * output. */
void aci_workshop_calibration_cosines(double *attention, double *feed_forward,
                                      const aci_calibration *calibration,
                                      int32_t layer);

/* Which input a matrix reads: 1 and *layer, *input; 0 for a tensor that is no
 * matrix and for an embedding that is not the head as well. */
int aci_workshop_calibration_of(int32_t *layer, int32_t *input,
                                const aci_tensor *tensor,
                                const aci_shape *shape);

/* "layer 3, input of down"; fits 64 bytes. */
void aci_workshop_calibration_name(char out[64], int32_t layer, int32_t input,
                                   int32_t n_layer);

/* ---- making one (calibration_make.c) ------------------------------------- */

/* Tokens read when the caller names no number. */
enum { ACI_CALIBRATION_TOKENS = 65536 };

typedef struct aci_calibration_request {
    const aci_checkpoint *checkpoint;
    const aci_tokenizer *tokenizer;
    const char *const *files; /* text, JSON lines, .xz of both: corpus.h */
    uint32_t n_files;
    uint64_t n_tokens;        /* at most; 0: ACI_CALIBRATION_TOKENS */
    const char *path;         /* the calibration's file: opened when it is
                                 there, else made */
    int32_t replace;          /* 1: a file that is damaged, or of another model
                                 or text, is made anew */
    ac_progress_callback on_progress; /* NULL: none; non-zero stops */
    void *progress_user;
    ac_log_callback on_log;   /* told what it will take before it starts */
    void *log_user;
} aci_calibration_request;

/* One pass over the text, layer by layer: the hidden states of all tokens are
 * kept, one layer's weights at a time are read and run. Pieces are taken in a
 * fixed shuffled order over all files. With a memory limit fewer tokens are
 * read, which the log is told; AC_E_NO_MEMORY when even ACI_CALIBRATION_LEAST
 * do not fit. A file that is there must have been made from this model and
 * text: AC_E_ARGUMENT says what differs, AC_E_FORMAT that it is damaged.
 * AC_E_NUMERIC names layer and input where numbers were not finite;
 * AC_E_CANCELLED; AC_E_DISK_FULL. On failure no file is left. The same
 * statistics at any thread count. */
ac_status aci_workshop_calibration_make(aci_calibration **out,
                                        aci_memory *memory, aci_pool *pool,
                                        const aci_calibration_request *request,
                                        ac_error *error);

enum { ACI_CALIBRATION_LEAST = 256 };

/* ---- its file (calibration_file.c) --------------------------------------- */

/* Opens a file and checks all of it: sizes, both checksums, that it is of this
 * shape. */
ac_status aci_workshop_calibration_open(aci_calibration **out,
                                        aci_memory *memory, const char *path,
                                        const aci_shape *shape,
                                        ac_error *error);
void aci_workshop_calibration_close(aci_calibration *calibration);

/* Written front to back: for each layer its inputs in order, then its cosines;
 * then the head's input. */
typedef struct aci_calibration_writer aci_calibration_writer;

/* The stamps and number of tokens of `start`; its mapping is not looked at.
 * The file's whole size is taken from the disk now. */
ac_status aci_workshop_calibration_writer_open(aci_calibration_writer **out,
                                               aci_memory *memory,
                                               const char *path,
                                               const aci_calibration *start,
                                               ac_error *error);
ac_status aci_workshop_calibration_write_input(
    aci_calibration_writer *writer, const aci_input_statistics *input,
    ac_error *error);
ac_status aci_workshop_calibration_write_cosines(
    aci_calibration_writer *writer, double attention, double feed_forward,
    ac_error *error);
ac_status aci_workshop_calibration_commit(aci_calibration_writer *writer,
                                          ac_error *error);
void aci_workshop_calibration_abandon(aci_calibration_writer *writer);

/* Names and widths of a shape into an empty calibration. */
void aci_workshop_calibration_shape(aci_calibration *out,
                                    const aci_shape *shape);

#endif
