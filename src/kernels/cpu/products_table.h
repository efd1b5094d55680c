/* products_table.h - the products of each level. */
#ifndef ACI_KERNELS_CPU_PRODUCTS_TABLE_H
#define ACI_KERNELS_CPU_PRODUCTS_TABLE_H

#include "kernels/cpu/cpu_level.h"

extern const aci_product_functions aci_kernels_products_reference;
extern const aci_product_functions aci_kernels_products_avx2;
extern const aci_product_functions aci_kernels_products_avx512;

#endif
