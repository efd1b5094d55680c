/* tokenizer_text.h - the words of whole files, on all threads.
 *
 * Text is gathered in a block, cut where no piece can reach across (behind a
 * line end before a printable character, or before a space behind a letter),
 * and the parts are counted in parallel. The counts do not depend on the
 * number of threads, nor on the size of a block. */
#ifndef ACI_WORKSHOP_TRAIN_TOKENIZER_TEXT_H
#define ACI_WORKSHOP_TRAIN_TOKENIZER_TEXT_H

#include "platform/threads.h"
#include "workshop/train/tokenizer_words.h"

typedef struct aci_text_counter aci_text_counter;

/* Called now and then with the bytes of text read so far; anything but AC_OK
 * ends the reading. */
typedef ac_status (*aci_text_progress)(void *context, uint64_t n_bytes,
                                       ac_error *error);

ac_status aci_workshop_text_counter_create(aci_text_counter **out,
                                           aci_memory *memory, aci_pool *pool,
                                           aci_scanner scanner,
                                           const aci_specials *specials,
                                           aci_text_progress on_progress,
                                           void *context, ac_error *error);
void aci_workshop_text_counter_free(aci_text_counter *counter);

/* Counts a file: JSON lines ("text", or "prompt" and "completion") when its
 * name ends in .jsonl or .json, else plain text; .xz of both. */
ac_status aci_workshop_text_counter_file(aci_text_counter *counter,
                                         const char *path, ac_error *error);

/* All words counted, in no particular order; the counter's. */
ac_status aci_workshop_text_counter_words(aci_words **out,
                                          uint64_t *n_bytes,
                                          aci_text_counter *counter,
                                          ac_error *error);

#endif
