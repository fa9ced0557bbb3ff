/* Reductions of contiguous arrays, in double (_f64) and in float (_f32):

     gw_sum_f64(x, n)       the sum
     gw_dot_f64(x, y, n)    the inner product
     gw_squares_f64(x, n)   the sum of squares
     gw_maximum_f64(x, n), gw_minimum_f64(x, n)   of nothing -inf and +inf; a NaN anywhere is the answer

   Sums go over blocks of GW_SUM_BLOCK terms, in which each of the eight vectors adds a few, and the blocks are added in
   pairs: the error grows with the logarithm of n, and the order depends on n and on the width of the machine alone. */
#ifndef GRADWRIGHT_SUM_H
#define GRADWRIGHT_SUM_H

#include "vector.h"

#define GW_SUM_BLOCK 4096

#define GW_REAL float
#define GW_NAME(name) name##_f32
#include "sum_real.h"
#undef GW_REAL
#undef GW_NAME

#define GW_REAL double
#define GW_NAME(name) name##_f64
#include "sum_real.h"
#undef GW_REAL
#undef GW_NAME

#endif
