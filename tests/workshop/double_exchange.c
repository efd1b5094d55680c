/* double_exchange.c - see double_names.h. */
#include "workshop/double_names.h"

#include "workshop/train/network_exchange.c"
