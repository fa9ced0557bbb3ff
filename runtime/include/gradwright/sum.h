/* Reductions of contiguous arrays, in double (_f64) and in float (_f32):

     gw_sum_f64(x, n)       the sum
     gw_dot_f64(x, y, n)    the inner product
     gw_squares_f64(x, n)   the sum of squares
     gw_absolutes_f64(x, n) the sum of the absolute values
     gw_product_f64(x, n)   the product
     gw_short_sum_f64, gw_short_dot_f64, gw_short_squares_f64   the same of a few terms, where n is known: no call
     gw_maximum_f64(x, n), gw_minimum_f64(x, n)   of nothing -inf and +inf; a NaN anywhere is the answer
     gw_place_of_maximum_f64(x, n), gw_place_of_minimum_f64(x, n)   where that is, the first of equals; of nothing 0

   Sums go over blocks of GW_SUM_BLOCK terms, in which each of the eight vectors adds a few, and the blocks are added in
   pairs: the error grows with the logarithm of n, and the order depends on n and on the width of the machine alone. */
#ifndef GRADWRIGHT_SUM_H
#define GRADWRIGHT_SUM_H

#include "vector.h"

#define GW_SUM_BLOCK 4096

/* Vectors of so many bytes, and what lies anywhere in memory; a vector with its lanes in another order. */
#define GW_OF_BYTES(bytes) \
    typedef float gw_##bytes##_f32 __attribute__((vector_size(bytes))); \
    typedef float gw_any_##bytes##_f32 __attribute__((vector_size(bytes), aligned(4), may_alias)); \
    typedef int32_t gw_whole_##bytes##_f32 __attribute__((vector_size(bytes))); \
    typedef double gw_##bytes##_f64 __attribute__((vector_size(bytes))); \
    typedef double gw_any_##bytes##_f64 __attribute__((vector_size(bytes), aligned(8), may_alias)); \
    typedef int64_t gw_whole_##bytes##_f64 __attribute__((vector_size(bytes)));
GW_OF_BYTES(16)
GW_OF_BYTES(32)
#undef GW_OF_BYTES
#if defined(__clang__)
#define GW_SWAPPED(v, whole, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#else
#define GW_SWAPPED(v, whole, ...) __builtin_shuffle(v, (GW_NAME(whole)){__VA_ARGS__})
#endif

/* A product as it is, which no addition is fused with. */
#if defined(__x86_64__) && defined(__FMA__)
#define GW_ROUNDED(v) __asm__("" : "+x"(v))
#elif defined(__aarch64__)
#define GW_ROUNDED(v) __asm__("" : "+w"(v))
#else
#define GW_ROUNDED(v) (void)(v)
#endif

#define GW_REAL float
#define GW_WHOLE int32_t
#define GW_NAME(name) name##_f32
#define GW_ALL_BUT_SIGN INT32_MAX
#define GW_HALVES_16 2, 3, 0, 1
#define GW_HALVES_32 4, 5, 6, 7, 0, 1, 2, 3
#define GW_QUARTERS_32 2, 3, 0, 1, 6, 7, 4, 5
#include "sum_real.h"
#undef GW_REAL
#undef GW_WHOLE
#undef GW_NAME
#undef GW_ALL_BUT_SIGN
#undef GW_HALVES_16
#undef GW_HALVES_32
#undef GW_QUARTERS_32

#define GW_REAL double
#define GW_WHOLE int64_t
#define GW_NAME(name) name##_f64
#define GW_ALL_BUT_SIGN INT64_MAX
#define GW_HALVES_16 1, 0
#define GW_HALVES_32 2, 3, 0, 1
#define GW_QUARTERS_32 1, 0, 3, 2
#include "sum_real.h"
#undef GW_REAL
#undef GW_WHOLE
#undef GW_NAME
#undef GW_ALL_BUT_SIGN
#undef GW_HALVES_16
#undef GW_HALVES_32
#undef GW_QUARTERS_32

#endif
