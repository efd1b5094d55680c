/* vendor_products.h - cuBLAS, opened at run time: what the kernels of cuda/ are
 * held against. The library itself never uses it. */
#ifndef TESTS_BENCH_VENDOR_PRODUCTS_H
#define TESTS_BENCH_VENDOR_PRODUCTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct vendor_products vendor_products;

/* The library of the environment variable AC_CUBLAS; one that is loaded; the
 * newest of libcublas.so.13, .12, .11. NULL with one line of why:
 * none, one that lacks a function, does not start, or is of another major. */
vendor_products *vendor_products_open(char *why, size_t why_bytes);
void vendor_products_close(vendor_products *vendor);

int vendor_products_version(const vendor_products *vendor);

/* out [n_rows, n_out] = x [n_rows, n_in] w' [n_out, n_in], bfloat16 in and out,
 * float32 sums; device memory, queued on `stream`. 0: done. */
int vendor_products_run(vendor_products *vendor, void *stream, uint16_t *out,
                        const uint16_t *x, const uint16_t *w, int n_rows,
                        int n_out, int n_in);

#endif
