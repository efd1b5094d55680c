/* linear_algebra_table.h - what a level of float64 algebra fills in. All run on
 * the caller's thread; arguments were checked by linear_algebra.c. */
#ifndef ACI_WORKSHOP_LINEAR_ALGEBRA_TABLE_H
#define ACI_WORKSHOP_LINEAR_ALGEBRA_TABLE_H

#include "platform/library.h"
#include "workshop/compress/linear_algebra.h"

/* OpenBLAS's own functions (linear_algebra_openblas.c). */
typedef struct aci_lapack {
    aci_library *library; /* NULL: not open */
    int n_threads;        /* to be restored */
    int (*threads)(void);
    void (*set_threads)(int n);
    void (*dgemm)(int order, int transpose_a, int transpose_b, int m, int n,
                  int k, double alpha, const double *a, int a_stride,
                  const double *b, int b_stride, double beta, double *c,
                  int c_stride);
    void (*dtrsm)(int order, int side, int triangle, int transpose,
                  int diagonal, int m, int n, double alpha, const double *a,
                  int a_stride, double *b, int b_stride);
    void (*dpotrf)(const char *triangle, const int *n, double *a,
                   const int *stride, int *info, size_t length);
    void (*dtrtri)(const char *triangle, const char *diagonal, const int *n,
                   double *a, const int *stride, int *info, size_t length,
                   size_t diagonal_length);
    void (*dsyevd)(const char *job, const char *triangle, const int *n,
                   double *a, const int *stride, double *values, double *work,
                   const int *n_work, int *integers, const int *n_integers,
                   int *info, size_t job_length, size_t length);
} aci_lapack;

typedef struct aci_algebra_level {
    const char *name;
    void (*product)(const aci_lapack *lapack, const aci_dense_product *p);
    /* -1, or the row of the pivot that failed; the upper triangle is left. */
    int64_t (*cholesky)(const aci_lapack *lapack, double *a, int64_t n);
    /* Lower, in place; the upper triangle is left. */
    void (*invert_lower)(const aci_lapack *lapack, double *l, int64_t n);
    void (*solve)(const aci_lapack *lapack, const aci_solve *s,
                  int32_t transposed);
    /* Doubles of `work`; 0 on failure to converge, else 1. Signs of vectors
     * are free. */
    size_t (*eigen_work)(int64_t n);
    int (*eigen)(const aci_lapack *lapack, double *values, double *a,
                 double *work, int64_t n);
} aci_algebra_level;

extern const aci_algebra_level aci_workshop_algebra_openblas;
extern const aci_algebra_level aci_workshop_algebra_plain;

int aci_workshop_lapack_open(aci_lapack *lapack); /* 0: there is none */
void aci_workshop_lapack_close(aci_lapack *lapack);
/* Between these OpenBLAS has one thread. */
void aci_workshop_lapack_begin(aci_lapack *lapack);
void aci_workshop_lapack_end(aci_lapack *lapack);

/* linear_algebra_eigen.c, the plain one. */
size_t aci_workshop_plain_eigen_work(int64_t n);
int aci_workshop_plain_eigen(const aci_lapack *lapack, double *values,
                             double *a, double *work, int64_t n);

/* sum x[i] y[i], in one fixed order. */
double aci_workshop_plain_dot(const double *x, const double *y, int64_t n);

#endif
