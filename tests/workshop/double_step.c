/* double_step.c - see double_names.h. */
#include "workshop/double_names.h"

#include "workshop/train/network_step.c"
#include "workshop/train/network_load.c"
#include "workshop/train/network_operations.c"
