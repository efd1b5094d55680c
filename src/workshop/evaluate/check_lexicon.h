/* check_lexicon.h - words that say which way something went. */
#ifndef ACI_WORKSHOP_CHECK_LEXICON_H
#define ACI_WORKSHOP_CHECK_LEXICON_H

#include "workshop/evaluate/check_text.h"

typedef enum aci_way {
    ACI_WAY_CHANGE,      /* rose, a decrease */
    ACI_WAY_COMPARE      /* higher, less */
} aci_way;

/* The end of the direction word that stands at text[at], else 0. */
size_t aci_workshop_direction_at(aci_slice text, size_t at, int32_t *sign,
                                 aci_way *way);

/* "highest" and the like for a role's name; false when there is no such role.
 * The roles: highest, lowest, second, larger. */
bool aci_workshop_role_known(aci_slice role);
/* The end of a word for `role` at text[at], else 0. */
size_t aci_workshop_role_at(aci_slice text, size_t at, aci_slice role);

#endif
