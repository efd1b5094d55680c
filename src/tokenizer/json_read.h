/* json_read.h - reading the JSON files of a model folder with jansson. */
#ifndef ACI_TOKENIZER_JSON_READ_H
#define ACI_TOKENIZER_JSON_READ_H

#include <jansson.h>

#include "platform/memory.h"

/* A JSON file's value; the caller's to json_decref. Errors name the file. */
ac_status aci_tokenizer_json_load(json_t **out, aci_memory *memory,
                                  const char *path, ac_error *error);

/* The value as a whole number from 0 to `limit`, exclusive, or -1. Numbers are
 * read as doubles: model_max_length is often 1e30 written out. */
int64_t aci_tokenizer_json_id(const json_t *value, int64_t limit);

/* Member that is a string equal to `text`. */
int aci_tokenizer_json_is(const json_t *object, const char *key,
                          const char *text);
/* Member that is true; `otherwise` when it is absent or not a boolean. */
int aci_tokenizer_json_true(const json_t *object, const char *key,
                            int otherwise);

#endif
