/* Sums of blocks: several accumulators in a fixed order, so that the same numbers give the same bits. */
#ifndef GRADWRIGHT_SUM_H
#define GRADWRIGHT_SUM_H
#include <stddef.h>
static inline double gw_sum_f64(const double *x, ptrdiff_t n) {
    double lane[16] = {0}, total = 0; ptrdiff_t i = 0; int k;
    for (; i + 16 <= n; i += 16) for (k = 0; k < 16; k++) lane[k] += x[i + k];
    for (k = 0; k < 16; k++) total += lane[k];
    for (; i < n; i++) total += x[i];
    return total;
}
static inline float gw_sum_f32(const float *x, ptrdiff_t n) {
    float lane[32] = {0}, total = 0; ptrdiff_t i = 0; int k;
    for (; i + 32 <= n; i += 32) for (k = 0; k < 32; k++) lane[k] += x[i + k];
    for (k = 0; k < 32; k++) total += lane[k];
    for (; i < n; i++) total += x[i];
    return total;
}
#endif
