/* rows_table.h - how a compiled rows_body.h is handed to its level. */
#ifndef ACI_KERNELS_CPU_ROWS_TABLE_H
#define ACI_KERNELS_CPU_ROWS_TABLE_H

#include "kernels/cpu/cpu_level.h"

#define ACI_ROW_FUNCTIONS                                                     \
    { norm, quantise, gate, dense, rotate, append, attend }

extern const aci_row_functions aci_kernels_rows_reference;
extern const aci_row_functions aci_kernels_rows_avx2;
extern const aci_row_functions aci_kernels_rows_avx512;

#endif
