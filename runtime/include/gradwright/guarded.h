/* Contractions in which a zero wins: where the operand that is guarded is 0, the term is 0, whatever the other one is.

     gw_contract_guarded_f32(guard, m0, a_i0, ...)        and gw_contract_guarded_f64; the rest as gw_contract's

   That is the gradient behind a branch not taken, which is 0 also where what it is multiplied by is infinite or NaN. As
   long as the other operand is finite it is a contraction like any other: that is looked at first, once. guard is 0
   where a's zeros win, and 1 where b's do. */
#ifndef GRADWRIGHT_GUARDED_H
#define GRADWRIGHT_GUARDED_H

#include "contract.h"

/* Whether all elements at these levels, the narrowest step first, are finite: 0 times such a one is 0, and so is the sum of these,
   of which sixteen go beside one another through all rows. */
#define GW_GUARDED(real, width) \
    GW_CALLED void gw_times_zero_##width(const ptrdiff_t* extents, const ptrdiff_t* steps, int levels, const real* __restrict__ x, \
                                         real* __restrict__ none) { \
        const ptrdiff_t n = levels ? extents[levels - 1] : 1, step = levels ? steps[levels - 1] : 1; \
        if (levels > 1) { \
            for (ptrdiff_t i = 0; i < n; i++) gw_times_zero_##width(extents, steps, levels - 1, x + i * step, none); \
            return; \
        } \
        ptrdiff_t i = 0; \
        if (step == 1) \
            for (; i + 16 <= n; i += 16) \
                for (int j = 0; j < 16; j++) none[j] += x[i + j] * 0; \
        for (; i < n; i++) none[0] += x[i * step] * 0; \
    } \
    GW_CALLED int gw_all_finite_##width(const ptrdiff_t* extents, const ptrdiff_t* steps, int levels, const real* x) { \
        real none[16] = {0}; \
        gw_times_zero_##width(extents, steps, levels, x, none); \
        for (int j = 1; j < 16; j++) none[0] += none[j]; \
        return none[0] == 0; \
    } \
    GW_CALLED void gw_contract_guarded_##width( \
        ptrdiff_t guard, ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t m2, \
        ptrdiff_t a_i2, ptrdiff_t c_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1, ptrdiff_t a_l1, \
        ptrdiff_t b_l1, ptrdiff_t k2, ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j, real alpha, \
        const real* a, const real* b, real beta, real* c) { \
        if (m0 <= 0 || m1 <= 0 || m2 <= 0 || n <= 0) return; \
        const ptrdiff_t of_a[6] = {m2, m1, m0, k2, k1, k0}, by_a[6] = {a_i2, a_i1, a_i0, a_l2, a_l1, a_l0}; \
        const ptrdiff_t of_b[4] = {n, k2, k1, k0}, by_b[4] = {b_j, b_l2, b_l1, b_l0}; \
        ptrdiff_t extents[6], steps[6]; \
        int used = 0; \
        for (int k = 0; k < (guard ? 6 : 4); k++) { /* by their steps: what lies together is looked at together */ \
            const ptrdiff_t extent = guard ? of_a[k] : of_b[k], step = guard ? by_a[k] : by_b[k]; \
            int at = used; \
            if (extent == 1 || step == 0) continue; \
            for (; at > 0 && steps[at - 1] > step; at--) { \
                steps[at] = steps[at - 1]; \
                extents[at] = extents[at - 1]; \
            } \
            steps[at] = step; \
            extents[at] = extent; \
            used++; \
        } \
        const int finite = k0 <= 0 || k1 <= 0 || k2 <= 0 || gw_all_finite_##width(extents, steps, used, guard ? a : b); \
        if (finite) { \
            gw_contract_##width(m0, a_i0, c_i0, m1, a_i1, c_i1, m2, a_i2, c_i2, k0, a_l0, b_l0, k1, a_l1, b_l1, k2, a_l2, b_l2, n, \
                                b_j, c_j, alpha, a, b, beta, c); \
            return; \
        } \
        for (ptrdiff_t i0 = 0; i0 < m0; i0++) \
            for (ptrdiff_t i1 = 0; i1 < m1; i1++) \
                for (ptrdiff_t i2 = 0; i2 < m2; i2++) \
                    for (ptrdiff_t j = 0; j < n; j++) { \
                        real sum = 0; \
                        const real* p = a + i0 * a_i0 + i1 * a_i1 + i2 * a_i2; \
                        for (ptrdiff_t l0 = 0; l0 < k0; l0++) \
                            for (ptrdiff_t l1 = 0; l1 < k1; l1++) \
                                for (ptrdiff_t l2 = 0; l2 < k2; l2++) { \
                                    const real x = p[l0 * a_l0 + l1 * a_l1 + l2 * a_l2]; \
                                    const real y = b[l0 * b_l0 + l1 * b_l1 + l2 * b_l2 + j * b_j]; \
                                    sum += (guard ? y : x) == 0 ? 0 : x * y; \
                                } \
                        real* to = c + i0 * c_i0 + i1 * c_i1 + i2 * c_i2 + j * c_j; \
                        *to = beta == 0 ? alpha * sum : alpha * sum + beta * *to; \
                    } \
    }
#ifndef GW_WITHOUT_F32
GW_GUARDED(float, f32)
#endif
#ifndef GW_WITHOUT_F64
GW_GUARDED(double, f64)
#endif
#undef GW_GUARDED

#endif
