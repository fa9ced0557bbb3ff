/* The body of gemm.h, included once for each real type: GW_REAL is the type, GW_NAME(x) the name x with its suffix. */

typedef GW_REAL GW_NAME(gw_vec) __attribute__((vector_size(GW_VECTOR_BYTES)));
typedef GW_REAL GW_NAME(gw_mem) __attribute__((vector_size(GW_VECTOR_BYTES), aligned(sizeof(GW_REAL)), may_alias));

#define GW_W ((ptrdiff_t)(GW_VECTOR_BYTES / sizeof(GW_REAL)))
#define GW_LOAD(p) (*(const GW_NAME(gw_mem)*)(p))
#define GW_STORE(p, v) (*(GW_NAME(gw_mem)*)(p) = (v))

static __thread GW_REAL GW_NAME(gw_packed_b)[GW_GEMM_DEPTH * GW_GEMM_COLUMN_BYTES / sizeof(GW_REAL)]
    __attribute__((aligned(64), unused));
static __thread GW_REAL GW_NAME(gw_packed_a)[(GW_GEMM_DEPTH + 16) * GW_GEMM_BLOCK] __attribute__((aligned(64), unused));

/* ---- tiles: R rows by 1, 2 or 3 vectors, all of it in registers ---- */

#define GW_ZERO1(i) GW_NAME(gw_vec) c##i##_0 = {0};
#define GW_ZERO2(i) GW_ZERO1(i) GW_NAME(gw_vec) c##i##_1 = {0};
#define GW_ZERO3(i) GW_ZERO2(i) GW_NAME(gw_vec) c##i##_2 = {0};
#define GW_FMA1(i) { const GW_REAL x = GW_A_##i; c##i##_0 += x * b0; }
#define GW_FMA2(i) { const GW_REAL x = GW_A_##i; c##i##_0 += x * b0; c##i##_1 += x * b1; }
#define GW_FMA3(i) { const GW_REAL x = GW_A_##i; c##i##_0 += x * b0; c##i##_1 += x * b1; c##i##_2 += x * b2; }
#define GW_READ1 GW_NAME(gw_vec) b0 = GW_LOAD(b);
#define GW_READ2 GW_READ1 GW_NAME(gw_vec) b1 = GW_LOAD(b + GW_W);
#define GW_READ3 GW_READ2 GW_NAME(gw_vec) b2 = GW_LOAD(b + 2 * GW_W);
#define GW_PUT(i, j) GW_STORE(c + i * c_row + j * GW_W, alpha * c##i##_##j);
#define GW_PUT1(i) GW_PUT(i, 0)
#define GW_PUT2(i) GW_PUT1(i) GW_PUT(i, 1)
#define GW_PUT3(i) GW_PUT2(i) GW_PUT(i, 2)
#define GW_ADD(i, j) GW_STORE(c + i * c_row + j * GW_W, alpha * c##i##_##j + beta * GW_LOAD(c + i * c_row + j * GW_W));
#define GW_ADD1(i) GW_ADD(i, 0)
#define GW_ADD2(i) GW_ADD1(i) GW_ADD(i, 1)
#define GW_ADD3(i) GW_ADD2(i) GW_ADD(i, 2)

#define GW_TILE(R, V) \
    GW_CALLED void GW_NAME(gw_tile_##R##x##V)( \
        ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row, ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, \
        GW_REAL beta, GW_REAL* c, ptrdiff_t c_row) { \
        const GW_REAL *p0 = a, *p1 = a + 3 * a_row, *p2 = a + 6 * a_row; \
        const GW_REAL *p3 = a + 9 * a_row, *p4 = a + 12 * a_row, *p5 = a + 15 * a_row; \
        GW_EACH_##R(GW_ZERO##V) \
        for (ptrdiff_t l = 0; l < k; l++) { \
            GW_READ##V \
            GW_EACH_##R(GW_FMA##V) \
            b += b_row; \
            p0 += a_col; p1 += a_col; p2 += a_col; p3 += a_col; p4 += a_col; p5 += a_col; \
        } \
        (void)p1; (void)p2; (void)p3; (void)p4; (void)p5; \
        if (beta == 0) { GW_EACH_##R(GW_PUT##V) } else { GW_EACH_##R(GW_ADD##V) } \
    }

#if GW_GEMM_ROWS == 8
GW_TILE(16, 1)
GW_TILE(8, 3)
GW_TILE(8, 2)
#endif
GW_TILE(8, 1)
GW_TILE(4, 3)
GW_TILE(4, 2)
GW_TILE(4, 1)
GW_TILE(2, 3)
GW_TILE(2, 2)
GW_TILE(2, 1)
GW_TILE(1, 3)
GW_TILE(1, 2)
GW_TILE(1, 1)

typedef void (*GW_NAME(gw_tile))(ptrdiff_t, GW_REAL, const GW_REAL*, ptrdiff_t, ptrdiff_t, const GW_REAL*, ptrdiff_t, GW_REAL,
                                 GW_REAL*, ptrdiff_t);

/* m rows by one strip of B: v vectors, of which cols columns exist. */
GW_CALLED void GW_NAME(gw_strip)(ptrdiff_t m, ptrdiff_t v, ptrdiff_t cols, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a,
                                 ptrdiff_t a_row, ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, GW_REAL beta, GW_REAL* c,
                                 ptrdiff_t c_row) {
#if GW_GEMM_ROWS == 8
    static const GW_NAME(gw_tile) tiles[3][5] = {
        {GW_NAME(gw_tile_16x1), GW_NAME(gw_tile_8x1), GW_NAME(gw_tile_4x1), GW_NAME(gw_tile_2x1), GW_NAME(gw_tile_1x1)},
        {0, GW_NAME(gw_tile_8x2), GW_NAME(gw_tile_4x2), GW_NAME(gw_tile_2x2), GW_NAME(gw_tile_1x2)},
        {0, GW_NAME(gw_tile_8x3), GW_NAME(gw_tile_4x3), GW_NAME(gw_tile_2x3), GW_NAME(gw_tile_1x3)}};
#else
    static const GW_NAME(gw_tile) tiles[3][5] = {
        {0, GW_NAME(gw_tile_8x1), GW_NAME(gw_tile_4x1), GW_NAME(gw_tile_2x1), GW_NAME(gw_tile_1x1)},
        {0, 0, GW_NAME(gw_tile_4x2), GW_NAME(gw_tile_2x2), GW_NAME(gw_tile_1x2)},
        {0, 0, GW_NAME(gw_tile_4x3), GW_NAME(gw_tile_2x3), GW_NAME(gw_tile_1x3)}};
#endif
    GW_REAL whole[16 * 3 * GW_VECTOR_BYTES / sizeof(GW_REAL)] __attribute__((aligned(64)));
    ptrdiff_t i = 0;
    for (int t = 0; t < 5; t++) {
        const GW_NAME(gw_tile) tile = tiles[v - 1][t];
        const ptrdiff_t rows = 16 >> t;
        if (!tile) continue;
        for (; m - i >= rows; i += rows) {
            if (cols == v * GW_W) {
                tile(k, alpha, a + i * a_row, a_row, a_col, b, b_row, beta, c + i * c_row, c_row);
                continue;
            }
            /* the strip hangs over the right edge of C: compute it whole and copy what exists */
            tile(k, alpha, a + i * a_row, a_row, a_col, b, b_row, 0, whole, v * GW_W);
            for (ptrdiff_t r = 0; r < rows; r++) {
                const GW_REAL* from = whole + r * v * GW_W;
                GW_REAL* to = c + (i + r) * c_row;
                if (beta == 0) {
                    for (ptrdiff_t j = 0; j < cols; j++) to[j] = from[j];
                } else {
                    for (ptrdiff_t j = 0; j < cols; j++) to[j] = from[j] + beta * to[j];
                }
            }
        }
    }
}

/* ---- packing ---- */

/* A strip of B, k by v vectors, one row after the other; what lies beyond cols columns is zero. */
GW_CALLED void GW_NAME(gw_pack_strip)(ptrdiff_t k, ptrdiff_t v, ptrdiff_t cols, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col,
                                      GW_REAL* to) {
    const ptrdiff_t width = v * GW_W;
    for (ptrdiff_t l = 0; l < k; l++, to += width, b += b_row) {
        if (b_col == 1 && cols == width) {
            for (ptrdiff_t j = 0; j < width; j += GW_W) GW_STORE(to + j, GW_LOAD(b + j));
        } else {
            ptrdiff_t j = 0;
            for (; j < cols; j++) to[j] = b[j * b_col];
            for (; j < width; j++) to[j] = 0;
        }
    }
}

/* ---- the product ---- */

GW_CALLED void GW_NAME(gw_gemm_scale)(ptrdiff_t m, ptrdiff_t n, GW_REAL beta, GW_REAL* c, ptrdiff_t c_row) {
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) c[i * c_row + j] = beta == 0 ? 0 : beta * c[i * c_row + j];
}

/* How many vectors the next strip takes: threes, but no single one after them. */
GW_INLINE ptrdiff_t GW_NAME(gw_strip_width)(ptrdiff_t n) {
    const ptrdiff_t v = (n + GW_W - 1) / GW_W;
    return v == 4 ? 2 : v < 3 ? v : 3;
}

GW_CALLED void GW_NAME(gw_gemm_blocked)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row,
                                        ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta,
                                        GW_REAL* c, ptrdiff_t c_row) {
    const ptrdiff_t columns = GW_GEMM_COLUMN_BYTES / sizeof(GW_REAL) / (3 * GW_W) * (3 * GW_W);
    GW_REAL* const packed = GW_NAME(gw_packed_b);
    for (ptrdiff_t j0 = 0; j0 < n; j0 += columns) {
        const ptrdiff_t jn = n - j0 < columns ? n - j0 : columns;
        for (ptrdiff_t l0 = 0; l0 < k; l0 += GW_GEMM_DEPTH) {
            const ptrdiff_t ln = k - l0 < GW_GEMM_DEPTH ? k - l0 : GW_GEMM_DEPTH;
            const GW_REAL keep = l0 == 0 ? beta : 1;
            for (ptrdiff_t i0 = 0; i0 < m; i0 += GW_GEMM_BLOCK) {
                const ptrdiff_t in = m - i0 < GW_GEMM_BLOCK ? m - i0 : GW_GEMM_BLOCK;
                for (ptrdiff_t j = 0, v; j < jn; j += v * GW_W) {
                    v = GW_NAME(gw_strip_width)(jn - j);
                    const ptrdiff_t cols = jn - j < v * GW_W ? jn - j : v * GW_W;
                    GW_REAL* strip = packed + j * ln;
                    if (i0 == 0) GW_NAME(gw_pack_strip)(ln, v, cols, b + l0 * b_row + (j0 + j) * b_col, b_row, b_col, strip);
                    GW_NAME(gw_strip)(in, v, cols, ln, alpha, a + i0 * a_row + l0 * a_col, a_row, a_col, strip, v * GW_W, keep,
                                      c + i0 * c_row + j0 + j, c_row);
                }
            }
        }
    }
}

GW_CALLED void GW_NAME(gw_gemm_any)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row,
                                    ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta, GW_REAL* c,
                                    ptrdiff_t c_row) {
    if (m <= 0 || n <= 0) return;
    if (k <= 0) {
        GW_NAME(gw_gemm_scale)(m, n, beta, c, c_row);
        return;
    }
    GW_NAME(gw_gemm_blocked)(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row);
}

GW_INLINE void GW_NAME(gw_gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row,
                                ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta, GW_REAL* c,
                                ptrdiff_t c_row) {
    GW_NAME(gw_gemm_any)(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row);
}

#undef GW_W
#undef GW_LOAD
#undef GW_STORE
#undef GW_ZERO1
#undef GW_ZERO2
#undef GW_ZERO3
#undef GW_FMA1
#undef GW_FMA2
#undef GW_FMA3
#undef GW_READ1
#undef GW_READ2
#undef GW_READ3
#undef GW_PUT
#undef GW_PUT1
#undef GW_PUT2
#undef GW_PUT3
#undef GW_ADD
#undef GW_ADD1
#undef GW_ADD2
#undef GW_ADD3
#undef GW_TILE
