/* vendor_sparse.h - cuSPARSE, opened at run time: what block-sparse products of
 * cuda/ are held against. The library itself never uses it. */
#ifndef TESTS_BENCH_VENDOR_SPARSE_H
#define TESTS_BENCH_VENDOR_SPARSE_H

#include <stddef.h>
#include <stdint.h>

typedef struct vendor_sparse vendor_sparse;
typedef struct vendor_sparse_product vendor_sparse_product;

/* The library of the environment variable AC_CUSPARSE, else libcusparse.so.12
 * or .11; libnvJitLink, which it needs from 12 on, is looked for in the same
 * folder first. NULL with one line of why: none, one that lacks a function,
 * does not start, or is of another major than 11 and 12. */
vendor_sparse *vendor_sparse_open(char *why, size_t why_bytes);
void vendor_sparse_close(vendor_sparse *vendor);
int vendor_sparse_version(const vendor_sparse *vendor);

/* A product out [n_rows, n_out] = x [n_rows, n_in] w' of float16, sums of
 * float32, whose w has in every strip of 16 rows the same number of blocks of
 * 16 x 16 (Blocked-ELL): `columns` [n_out / 16, n_kept / 16] their numbers,
 * `values` [n_out, n_kept]. All device memory, which must stay; *scratch_bytes
 * is what it needs besides. NULL: refused. */
vendor_sparse_product *
vendor_sparse_make(vendor_sparse *vendor, uint16_t *out, uint16_t *x,
                   const int32_t *columns, const uint16_t *values, int n_rows,
                   int n_out, int n_in, int n_kept, size_t *scratch_bytes);
void vendor_sparse_free(vendor_sparse *vendor,
                        vendor_sparse_product *product);

/* Queued on `stream`. 0: done. */
int vendor_sparse_run(vendor_sparse *vendor,
                      const vendor_sparse_product *product, void *scratch,
                      void *stream);

#endif
