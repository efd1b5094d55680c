/* checkpoint_json.h - JSON of a checkpoint, read as if it were hostile: size
 * and depth limited, duplicate names refused. */
#ifndef ACI_MODEL_CHECKPOINT_JSON_H
#define ACI_MODEL_CHECKPOINT_JSON_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"

/* One JSON object; `what` names it in messages. json_decref the result. */
ac_status aci_model_json_parse(json_t **out, const char *text, size_t n,
                               const char *what, ac_error *error);
ac_status aci_model_json_load(json_t **out, aci_memory *memory,
                              const char *path, size_t max_bytes,
                              ac_error *error);

/* Members of an object. Absent and null give `otherwise`; anything that is not
 * of the kind asked for is AC_E_FORMAT, naming the key. */
ac_status aci_model_json_integer(int32_t *out, const json_t *object,
                                 const char *key, int32_t otherwise,
                                 ac_error *error);
ac_status aci_model_json_real(float *out, const json_t *object,
                              const char *key, float otherwise,
                              ac_error *error);
ac_status aci_model_json_flag(int32_t *out, const json_t *object,
                              const char *key, int32_t otherwise,
                              ac_error *error);
/* A string, lent; NULL when absent. */
ac_status aci_model_json_string(const char **out, const json_t *object,
                                const char *key, ac_error *error);
/* Present and not null. */
int aci_model_json_has(const json_t *object, const char *key);

#endif
