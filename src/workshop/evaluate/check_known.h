/* check_known.h - a misspelt field of a `check` object must not pass as one
 * that was left out: nothing would be checked by it. */
#ifndef ACI_WORKSHOP_CHECK_KNOWN_H
#define ACI_WORKSHOP_CHECK_KNOWN_H

#include <jansson.h>

#include "agentcompress.h"

/* AC_E_FORMAT naming the first field that the check's kind does not have, in
 * the object itself or in those it holds. Kinds it does not know pass. */
ac_status aci_workshop_check_known(const json_t *check, ac_error *error);

#endif
