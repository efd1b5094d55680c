/* text_windows.h - how a text is cut into windows the model reads, and which
 * tokens of each are judged.
 *
 *     stride = context   |0.......|0.......|0..    disjoint; the first token of
 *                                                  each has nothing before it
 *     second half        |....####|....####|       llama.cpp's perplexity
 *     stride < context   |0.......|
 *                           |.....###|             sliding: each token once,
 *                              |.....###|          after >= context - stride
 *
 * A last window that is not whole is judged like the others unless the rule
 * leaves it out. */
#ifndef ACI_WORKSHOP_TEXT_WINDOWS_H
#define ACI_WORKSHOP_TEXT_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct aci_window_rule {
    size_t context, stride; /* 2 <= context, 1 <= stride <= context */
    bool second_half;       /* with stride == context only */
    bool whole;             /* leave out a last window that is not whole */
} aci_window_rule;

/* Tokens [begin, end) are read, [first, end) judged; first > begin. A window
 * of one token judges none: first == end. */
typedef struct aci_window {
    size_t begin, end, first;
} aci_window;

/* The window after *window, or the first when its end is 0, in a document of
 * n_tokens; false when there is no more. */
bool aci_workshop_window_next(aci_window *window, const aci_window_rule *rule,
                              size_t n_tokens);

#endif
