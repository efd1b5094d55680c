/* bootstrap.h - how sure are we of a share? Whole clusters (workflows) are
 * drawn again and again with replacement (Efron and Tibshirani 1993, ch. 6):
 * steps of one workflow stand or fall together, so they are drawn together.
 *
 * A quantity is a ratio of two sums over clusters, passes over steps say.
 * Resample r is a function of (seed, r) alone: the same at any thread count,
 * and two sets of answers to one suite drawn with one seed are drawn alike,
 * which makes their difference a paired one. */
#ifndef ACI_WORKSHOP_BOOTSTRAP_H
#define ACI_WORKSHOP_BOOTSTRAP_H

#include <stdint.h>

#include "agentcompress.h"
#include "platform/memory.h"
#include "platform/threads.h"

/* What one cluster adds to one ratio. */
typedef struct aci_share {
    uint32_t cluster, ratio;
    double numerator, denominator;
} aci_share;

typedef struct aci_clusters {
    aci_memory *memory;
    aci_share *shares;       /* by cluster, ascending */
    size_t n_shares, capacity;
    uint32_t n_clusters, n_ratios;
} aci_clusters;

/* Adds to the share of the last cluster, or begins the next one. */
ac_status aci_workshop_clusters_add(aci_clusters *clusters, uint32_t cluster,
                                    uint32_t ratio, double numerator,
                                    double denominator, ac_error *error);
void aci_workshop_clusters_free(aci_clusters *clusters);

/* out [n_ratios][n_resamples]; NaN where a resample has nothing of a ratio. */
ac_status aci_workshop_bootstrap(double *out, aci_pool *pool,
                                 const aci_clusters *clusters,
                                 uint32_t n_resamples, uint64_t seed,
                                 ac_error *error);

/* The ratio itself, NaN when its denominator is 0. */
double aci_workshop_ratio(const aci_clusters *clusters, uint32_t ratio);

/* Number of clusters that add to the ratio. */
uint32_t aci_workshop_ratio_clusters(const aci_clusters *clusters,
                                     uint32_t ratio);

/* Sorts `values`; the central 95 % of those that are not NaN (percentiles);
 * NaN twice when there are none. */
void aci_workshop_interval(double *low, double *high, double *values,
                           uint32_t n);

/* A share of 0 or 1 has no spread to draw from: its far bound is then the
 * exact one of n independent clusters (Clopper and Pearson 1934). */
void aci_workshop_interval_extreme(double *low, double *high, double share,
                                   uint32_t n_clusters);

#endif
