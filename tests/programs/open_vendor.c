/* open_vendor.c - what the benchmark finds of cuBLAS and cuSPARSE: one line
 * each, a version or why there is none. */
#include <stdio.h>

#include "bench/vendor_products.h"
#include "bench/vendor_sparse.h"

int main(void)
{
    char why[256] = "";
    vendor_products *dense = vendor_products_open(why, sizeof why);
    vendor_sparse *sparse;

    if (dense != NULL)
        printf("cublas %d\n", vendor_products_version(dense));
    else
        printf("cublas none: %s\n", why);
    vendor_products_close(dense);
    sparse = vendor_sparse_open(why, sizeof why);
    if (sparse != NULL)
        printf("cusparse %d\n", vendor_sparse_version(sparse));
    else
        printf("cusparse none: %s\n", why);
    vendor_sparse_close(sparse);
    return 0;
}
