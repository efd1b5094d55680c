/* double_update.c - see double_names.h. */
#include "workshop/double_names.h"

#include "workshop/train/network_update.c"
#include "workshop/train/network_parameters.c"
