/* Contractions: C[i, j] = alpha sum_l A[i, l] B[l, j] + beta C[i, j] over rows i = (i0, i1, i2) and depth l = (l0, l1, l2).

     gw_contract_f32(m0, a_i0, c_i0, m1, a_i1, c_i1, m2, a_i2, c_i2,
                     k0, a_l0, b_l0, k1, a_l1, b_l1, k2, a_l2, b_l2,
                     n, b_j, c_j, alpha, a, b, beta, c)        and gw_contract_f64

   Levels are outer to inner, each with its extent and its strides in reals; those that are not needed have extent 1. Strides may be
   anything, zero included for A and B; C overlaps neither. With beta == 0, C is only written. A matrix product has one level of
   each; a convolution has its windows in the depth. */
#ifndef GRADWRIGHT_CONTRACT_H
#define GRADWRIGHT_CONTRACT_H

#include "gemm.h"

#define GW_REAL float
#define GW_NAME(name) name##_f32
#include "contract_real.h"
#undef GW_REAL
#undef GW_NAME

#define GW_REAL double
#define GW_NAME(name) name##_f64
#include "contract_real.h"
#undef GW_REAL
#undef GW_NAME

#endif
