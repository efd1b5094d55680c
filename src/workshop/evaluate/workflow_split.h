/* workflow_split.h - which template and which fact belongs to which split.
 *
 * A template ("c1.4.2": the pieces a prompt is worded from) and a fact ("leaf
 * area|light", a pair of things that a request is about) is hashed; the hash
 * alone says where it may be used. So no prompt of one split shares a template
 * or a fact with another, whatever the seeds, and adding templates moves none
 * of the old ones. */
#ifndef ACI_WORKSHOP_WORKFLOW_SPLIT_H
#define ACI_WORKSHOP_WORKFLOW_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "agentcompress.h"

typedef enum aci_split {
    ACI_SPLIT_TRAIN,
    ACI_SPLIT_CALIBRATION,
    ACI_SPLIT_TEST,
    ACI_SPLIT_OOD_KIND,     /* a form of request no other split has */
    ACI_SPLIT_OOD_DOMAIN,   /* a domain no other split has */
    ACI_SPLIT_OOD_TEMPLATE  /* wordings no other split has */
} aci_split;

enum { ACI_N_SPLITS = 6 };

const char *aci_workshop_split_name(aci_split split);

/* AC_E_ARGUMENT lists the names. */
ac_status aci_workshop_split_find(aci_split *out, const char *name,
                                  ac_error *error);

/* The three in-distribution splits own 70, 10 and 20 of 100 keys; the
 * out-of-distribution ones share those of `test`. */
bool aci_workshop_split_owns(aci_split split, const char *key);

#endif
