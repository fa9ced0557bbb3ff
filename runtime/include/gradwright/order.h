/* Ranks: for each element of a vector how many come before it. Equal elements keep their order, NaN counts as the largest.
   A stable merge sort of positions, n log n in every case, in scratch memory of 2n elements. */
#ifndef GRADWRIGHT_ORDER_H
#define GRADWRIGHT_ORDER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GW_RUN 12

#define GW_ORDER(width, real, place_type)                                                                                      \
    typedef place_type __attribute__((may_alias)) gw_place_##width;                                                            \
    static inline int gw_before_##width(real a, real b, int descending) {                                                      \
        return descending ? (b < a) | ((b == b) & (a != a)) : (a < b) | ((a == a) & (b != b));                                 \
    }                                                                                                                          \
    static __attribute__((noinline, unused)) void gw_rank_##width(ptrdiff_t n, const real *x, ptrdiff_t x_step, real *y,       \
                                                                  ptrdiff_t y_step, real *scratch, int descending) {           \
        gw_place_##width *from = (gw_place_##width *)scratch, *to = from + n;                                                  \
        for (ptrdiff_t start = 0; start < n; start += GW_RUN) {                                                                \
            ptrdiff_t stop = n - start < GW_RUN ? n : start + GW_RUN;                                                          \
            for (ptrdiff_t i = start; i < stop; i++) {                                                                         \
                real value = x[i * x_step];                                                                                    \
                ptrdiff_t k = i;                                                                                               \
                for (; k > start && gw_before_##width(value, x[from[k - 1] * x_step], descending); k--) from[k] = from[k - 1]; \
                from[k] = (gw_place_##width)i;                                                                                 \
            }                                                                                                                  \
        }                                                                                                                      \
        for (ptrdiff_t run = GW_RUN; run < n; run *= 2) {                                                                      \
            for (ptrdiff_t start = 0; start < n; start += 2 * run) {                                                           \
                ptrdiff_t middle = n - start < run ? n : start + run, stop = n - middle < run ? n : middle + run;              \
                ptrdiff_t a = start, b = middle, k = start;                                                                    \
                if (b < stop && a < middle) {                                                                                  \
                    real left = x[from[a] * x_step], right = x[from[b] * x_step];                                              \
                    for (;;) {                                                                                                 \
                        if (gw_before_##width(right, left, descending)) {                                                      \
                            to[k++] = from[b++];                                                                               \
                            if (b == stop) break;                                                                              \
                            right = x[from[b] * x_step];                                                                       \
                        } else {                                                                                               \
                            to[k++] = from[a++];                                                                               \
                            if (a == middle) break;                                                                            \
                            left = x[from[a] * x_step];                                                                        \
                        }                                                                                                      \
                    }                                                                                                          \
                }                                                                                                              \
                while (a < middle) to[k++] = from[a++];                                                                        \
                while (b < stop) to[k++] = from[b++];                                                                          \
            }                                                                                                                  \
            gw_place_##width *swap = from;                                                                                     \
            from = to;                                                                                                         \
            to = swap;                                                                                                         \
        }                                                                                                                      \
        for (ptrdiff_t k = 0; k < n; k++) y[from[k] * y_step] = (real)k;                                                       \
    }

GW_ORDER(f64, double, int64_t)
GW_ORDER(f32, float, int32_t)
#undef GW_ORDER
#undef GW_RUN

#endif
