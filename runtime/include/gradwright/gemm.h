/* Matrix products: C = alpha A B + beta C.

     gw_gemm_f32(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row)        and gw_gemm_f64

   A is m by k and its element (i, l) is a[i*a_row + l*a_col]; B is k by n likewise: a transposed operand is one
   with its strides exchanged. C is row-major with c_row reals from row to row. With beta == 0, C is only
   written. C overlaps neither A nor B.

   A product is a contraction with one level of rows and one of depth (contract.h). Products of constant and very small shape are
   written out where they are called; all others are calls of one routine, so that a unit pays for it once. */
#ifndef GRADWRIGHT_GEMM_H
#define GRADWRIGHT_GEMM_H

#include "contract.h"

/* Shapes that are constants and tiny become a few instructions where they stand. */
#define GW_GEMM(REAL, s) \
    GW_INLINE void gw_gemm_##s(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, REAL alpha, const REAL* a, ptrdiff_t a_row, \
                               ptrdiff_t a_col, const REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, REAL beta, REAL* c, \
                               ptrdiff_t c_row) { \
        if (__builtin_constant_p(m) && __builtin_constant_p(n) && __builtin_constant_p(k) && m * n * k <= 64) { \
            for (ptrdiff_t i = 0; i < m; i++) \
                for (ptrdiff_t j = 0; j < n; j++) { \
                    REAL sum = 0; \
                    for (ptrdiff_t l = 0; l < k; l++) sum += a[i * a_row + l * a_col] * b[l * b_row + j * b_col]; \
                    c[i * c_row + j] = beta == 0 ? alpha * sum : alpha * sum + beta * c[i * c_row + j]; \
                } \
            return; \
        } \
        gw_gemm_any_##s(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row); \
    }
GW_GEMM(float, f32)
GW_GEMM(double, f64)
#undef GW_GEMM

#endif
