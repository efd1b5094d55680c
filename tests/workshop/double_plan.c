/* double_plan.c - see double_names.h. */
#include "workshop/double_names.h"

#include "workshop/train/network_plan.c"
