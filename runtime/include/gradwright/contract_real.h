/* The body of contract.h, included once for each real type. */

/* Where columns of C lie apart: element by element. */
GW_CALLED void GW_NAME(gw_contract_apart)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_i,
                                          ptrdiff_t a_l, const GW_REAL* b, ptrdiff_t b_l, ptrdiff_t b_j, GW_REAL beta, GW_REAL* c,
                                          ptrdiff_t c_i, ptrdiff_t c_j) {
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            GW_REAL sum = 0, *to = c + i * c_i + j * c_j;
            for (ptrdiff_t l = 0; l < k; l++) sum += a[i * a_i + l * a_l] * b[l * b_l + j * b_j];
            *to = beta == 0 ? alpha * sum : alpha * sum + beta * *to;
        }
}

GW_CALLED void GW_NAME(gw_contract)(ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1,
                                    ptrdiff_t m2, ptrdiff_t a_i2, ptrdiff_t c_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0,
                                    ptrdiff_t k1, ptrdiff_t a_l1, ptrdiff_t b_l1, ptrdiff_t k2, ptrdiff_t a_l2, ptrdiff_t b_l2,
                                    ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j, GW_REAL alpha, const GW_REAL* a, const GW_REAL* b,
                                    GW_REAL beta, GW_REAL* c) {
    if (m0 <= 0 || m1 <= 0 || m2 <= 0 || n <= 0) return;
    if (k0 <= 0 || k1 <= 0 || k2 <= 0) k0 = k1 = 1, k2 = 0;
    for (ptrdiff_t i0 = 0; i0 < m0; i0++)
        for (ptrdiff_t i1 = 0; i1 < m1; i1++)
            for (ptrdiff_t l0 = 0; l0 < k0; l0++)
                for (ptrdiff_t l1 = 0; l1 < k1; l1++) {
                    const GW_REAL *from = a + i0 * a_i0 + i1 * a_i1 + l0 * a_l0 + l1 * a_l1, *with = b + l0 * b_l0 + l1 * b_l1;
                    const GW_REAL keep = l0 + l1 == 0 ? beta : 1;
                    GW_REAL* to = c + i0 * c_i0 + i1 * c_i1;
                    if (c_j == 1)
                        GW_NAME(gw_gemm)(m2, n, k2, alpha, from, a_i2, a_l2, with, b_l2, b_j, keep, to, c_i2);
                    else
                        GW_NAME(gw_contract_apart)(m2, n, k2, alpha, from, a_i2, a_l2, with, b_l2, b_j, keep, to, c_i2, c_j);
                }
}
