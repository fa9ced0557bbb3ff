/* Parameters that move by a gradient that is a matrix product.

     gw_gemm_move_f32(rule, m, n, k, a, a_row, a_col, b, b_row, b_col, g, w)        and gw_gemm_move_f64

   moves the parameters w, m by n, by the gradient A B (gemm.h) and the rule (move.h). Where one thread does all, g holds as many
   rows of it at a time as stay in the second-level cache until they are used; what lies behind them is never touched. The bits are
   those of the whole product and the whole update. */
#ifndef GRADWRIGHT_GEMM_MOVE_H
#define GRADWRIGHT_GEMM_MOVE_H

#include "gemm.h"
#include "move.h"
#include "trial.h"

/* Rows of the gradient in one panel: at least 32 and evenly many, so that none is left for another kind of kernel. */
#define GW_MOVE_BYTES 262144

static inline __attribute__((unused)) ptrdiff_t gw_move_rows(ptrdiff_t m, ptrdiff_t n, ptrdiff_t real) {
    const ptrdiff_t wanted = n > 0 ? GW_MOVE_BYTES / (n * real) : m, least = wanted < 32 ? 32 : wanted;
    const ptrdiff_t panels = m / least;
    return panels < 2 ? m : ((m + panels - 1) / panels + 15) / 16 * 16;
}

#define GW_GEMM_MOVE(REAL, s) \
    static inline __attribute__((unused)) void gw_gemm_move_##s( \
        gw_moves rule, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const REAL* a, ptrdiff_t a_row, ptrdiff_t a_col, const REAL* b, \
        ptrdiff_t b_row, ptrdiff_t b_col, REAL* g, REAL* w) { \
        const ptrdiff_t rows = gw_team_size() == 1 ? gw_move_rows(m, n, sizeof(REAL)) : m; \
        for (ptrdiff_t i = 0, left; i < m; i += left) { \
            left = m - i < rows + 16 ? m - i : rows; \
            gw_gemm_any_##s(left, n, k, 1, a + i * a_row, a_row, a_col, b, b_row, b_col, 0, g, n); \
            gw_move_any(rule, (char*)(w + i * n), (const char*)g, left * n, sizeof(REAL)); \
        } \
    }
GW_GEMM_MOVE(float, f32)
GW_GEMM_MOVE(double, f64)
#undef GW_GEMM_MOVE

#endif
