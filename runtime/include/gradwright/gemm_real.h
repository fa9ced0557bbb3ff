/* The body of gemm.h, included once for each real type. */

static __thread GW_REAL GW_NAME(gw_packed_b)[GW_GEMM_DEPTH * GW_GEMM_COLUMN_BYTES / sizeof(GW_REAL)]
    __attribute__((aligned(64), unused));
static __thread GW_REAL GW_NAME(gw_packed_a)[(GW_GEMM_DEPTH + 16) * GW_GEMM_BLOCK] __attribute__((aligned(64), unused));

#if defined(__clang__)
#define GW_INTERLEAVE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define GW_INTERLEAVE(x, y, ...) __builtin_shuffle(x, y, (GW_NAME(gw_lanes)){__VA_ARGS__})
#endif
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_low)(GW_NAME(gw_vec) x, GW_NAME(gw_vec) y) { return GW_INTERLEAVE(x, y, GW_LOW); }
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_high)(GW_NAME(gw_vec) x, GW_NAME(gw_vec) y) { return GW_INTERLEAVE(x, y, GW_HIGH); }

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
        __asm__("" : "+r"(a_row), "+r"(a_col), "+r"(b_row)); /* or gcc compiles the loop again for strides of 1 */ \
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

/* A row of n reals: vectors, then halves of them. */
GW_INLINE void GW_NAME(gw_copy)(GW_REAL* __restrict__ to, const GW_REAL* __restrict__ from, ptrdiff_t n) {
    for (; n >= GW_W; n -= GW_W, to += GW_W, from += GW_W) GW_STORE(to, GW_LOAD(from));
#define GW_COPY_PART(bytes) \
    if (GW_VECTOR_BYTES > bytes && n >= (ptrdiff_t)(bytes / sizeof(GW_REAL))) { \
        memcpy(to, from, bytes); \
        to += bytes / sizeof(GW_REAL); \
        from += bytes / sizeof(GW_REAL); \
        n -= bytes / sizeof(GW_REAL); \
    }
    GW_COPY_PART(32)
    GW_COPY_PART(16)
    GW_COPY_PART(8)
#undef GW_COPY_PART
    if (n > 0) *to = *from;
}

/* m rows by one strip of B: v vectors, of which cols columns exist. Sixteen rows of A lie a_panel apart. */
GW_CALLED void GW_NAME(gw_strip)(ptrdiff_t m, ptrdiff_t v, ptrdiff_t cols, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a,
                                 ptrdiff_t a_panel, ptrdiff_t a_row, ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row,
                                 GW_REAL beta, GW_REAL* c, ptrdiff_t c_row) {
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
    const ptrdiff_t width = v * GW_W;
    GW_REAL whole[16 * 3 * GW_VECTOR_BYTES / sizeof(GW_REAL)] __attribute__((aligned(64)));
    if (cols != width)
        for (ptrdiff_t j = 0; j < 16 * width; j += GW_W) GW_STORE(whole + j, (GW_NAME(gw_vec)){0});
    ptrdiff_t i = 0;
    for (int t = 0; t < 5; t++) {
        const GW_NAME(gw_tile) tile = tiles[v - 1][t];
        const ptrdiff_t rows = 16 >> t;
        if (!tile) continue;
        for (; m - i >= rows; i += rows) {
            const GW_REAL* from = a + (i >> 4) * a_panel + (i & 15) * a_row;
            GW_REAL* to = c + i * c_row;
            if (cols == width) {
                tile(k, alpha, from, a_row, a_col, b, b_row, beta, to, c_row);
                continue;
            }
            /* the strip hangs over the right edge of C: compute it aside */
            if (beta != 0)
                for (ptrdiff_t r = 0; r < rows; r++) GW_NAME(gw_copy)(whole + r * width, to + r * c_row, cols);
            tile(k, alpha, from, a_row, a_col, b, b_row, beta, whole, width);
            for (ptrdiff_t r = 0; r < rows; r++) GW_NAME(gw_copy)(to + r * c_row, whole + r * width, cols);
        }
    }
}

/* ---- packing ---- */

/* to[l][j] = from[j][l] for a square of W by W of which cols columns exist: log2(W) rounds, each of which interleaves row r
   with row r + W/2. */
GW_UNROLLED void GW_NAME(gw_square)(ptrdiff_t cols, const GW_REAL* from, ptrdiff_t from_row, GW_REAL* __restrict__ to,
                                  ptrdiff_t to_row) {
    enum { W = GW_VECTOR_BYTES / sizeof(GW_REAL) };
    GW_NAME(gw_vec) x[W], y[W];
    for (int j = 0; j < W; j++) {
        x[j] = (GW_NAME(gw_vec)){0};
        if (j < cols) x[j] = GW_LOAD(from + j * from_row);
    }
    for (int round = 1; round < W; round *= 2) {
        for (int j = 0; j < W / 2; j++) {
            y[2 * j] = GW_NAME(gw_low)(x[j], x[j + W / 2]);
            y[2 * j + 1] = GW_NAME(gw_high)(x[j], x[j + W / 2]);
        }
        for (int j = 0; j < W; j++) x[j] = y[j];
    }
    for (int j = 0; j < W; j++) GW_STORE(to + j * to_row, x[j]);
}

/* A strip of B, k by v vectors, one row after the other. What lies beyond cols columns is never stored: it may be anything
   that can be read, and the first `whole` rows can be read beyond cols; elsewhere it is zero. */
GW_CALLED void GW_NAME(gw_pack_strip)(ptrdiff_t k, ptrdiff_t v, ptrdiff_t cols, ptrdiff_t whole, const GW_REAL* b, ptrdiff_t b_row,
                                      ptrdiff_t b_col, GW_REAL* __restrict__ to) {
    const ptrdiff_t width = v * GW_W;
    ptrdiff_t l = 0;
    if (b_col == 1) {
        if (cols == width) whole = k;
        if (v == 1) {
            for (; l < whole; l++) GW_STORE(to + l * GW_W, GW_LOAD(b + l * b_row));
        } else if (v == 2) {
            for (; l < whole; l++) {
                GW_STORE(to + l * width, GW_LOAD(b + l * b_row));
                GW_STORE(to + l * width + GW_W, GW_LOAD(b + l * b_row + GW_W));
            }
        } else {
            for (; l < whole; l++) {
                GW_STORE(to + l * width, GW_LOAD(b + l * b_row));
                GW_STORE(to + l * width + GW_W, GW_LOAD(b + l * b_row + GW_W));
                GW_STORE(to + l * width + 2 * GW_W, GW_LOAD(b + l * b_row + 2 * GW_W));
            }
        }
    } else if (b_row == 1) {
        /* transposed: squares of W by W through the shuffle of gw_square */
        for (; l + GW_W <= k; l += GW_W)
            for (ptrdiff_t j = 0; j < width; j += GW_W)
                GW_NAME(gw_square)(cols - j, b + l + j * b_col, b_col, to + l * width + j, width);
    }
    for (; l < k; l++) {
        for (ptrdiff_t j = 0; j < cols; j++) to[l * width + j] = b[l * b_row + j * b_col];
        for (ptrdiff_t j = cols; j < width; j++) to[l * width + j] = 0;
    }
}

/* m rows of A, k deep: panels of sixteen rows, in which the sixteen of one column lie together; for rows that are contiguous
   (a_col == 1) simply the rows, GW_GEMM_DEPTH + 16 apart. The first `whole` columns of a transposed A can be read in sixteens. */
GW_CALLED void GW_NAME(gw_pack_rows)(ptrdiff_t m, ptrdiff_t k, ptrdiff_t whole, const GW_REAL* a, ptrdiff_t a_row, ptrdiff_t a_col,
                                     GW_REAL* __restrict__ to) {
    if (a_col == 1) {
        for (ptrdiff_t i = 0; i < m; i++) {
            GW_REAL* row = to + i * (GW_GEMM_DEPTH + 16);
            ptrdiff_t l = 0;
            for (; l + GW_W <= k; l += GW_W) GW_STORE(row + l, GW_LOAD(a + i * a_row + l));
            for (; l < k; l++) row[l] = a[i * a_row + l];
        }
        return;
    }
    for (ptrdiff_t i = 0; i < m; i += 16) {
        const ptrdiff_t rows = m - i < 16 ? m - i : 16;
        GW_REAL* panel = to + i * k;
        ptrdiff_t l = 0;
        if (a_row == 1)
            for (const ptrdiff_t end = rows == 16 ? k : whole; l < end; l++)
                for (ptrdiff_t j = 0; j < 16; j += GW_W) GW_STORE(panel + l * 16 + j, GW_LOAD(a + i + l * a_col + j));
        for (; l < k; l++)
            for (ptrdiff_t j = 0; j < rows; j++) panel[l * 16 + j] = a[(i + j) * a_row + l * a_col];
    }
}

/* ---- products with a vector: y = alpha A x + beta y ---- */

GW_CALLED void GW_NAME(gw_gemv)(ptrdiff_t m, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row, ptrdiff_t a_col,
                                const GW_REAL* x, ptrdiff_t x_step, GW_REAL beta, GW_REAL* y, ptrdiff_t y_step) {
    enum { W = GW_VECTOR_BYTES / sizeof(GW_REAL) };
    GW_REAL part[8 * W] __attribute__((aligned(64)));
    ptrdiff_t rows;
    for (ptrdiff_t i = 0; i < m; i += rows) {
        const GW_REAL* p = a + i * a_row;
        if (a_row == 1 && m - i >= W) {
            /* a combination of columns: eight vectors of y together, or one */
            GW_EACH_8(GW_ZERO1)
            rows = m - i >= 8 * W ? 8 * W : W;
            if (rows == W) {
                for (ptrdiff_t l = 0; l < k; l++) c0_0 += x[l * x_step] * GW_LOAD(p + l * a_col);
            } else {
                for (ptrdiff_t l = 0; l < k; l++, p += a_col) {
                    const GW_REAL f = x[l * x_step];
#define GW_AXPY(j) c##j##_0 += f * GW_LOAD(p + j * W);
                    GW_EACH_8(GW_AXPY)
#undef GW_AXPY
                }
            }
#define GW_PART(j) GW_STORE(part + j * W, c##j##_0);
            GW_EACH_8(GW_PART)
#undef GW_PART
        } else {
            /* the inner product of a row */
            GW_REAL sum = 0;
            ptrdiff_t l = 0;
            rows = 1;
            if (a_col == 1 && x_step == 1 && k >= W) {
                GW_EACH_4(GW_ZERO1)
                for (; l + 4 * W <= k; l += 4 * W) {
#define GW_DOT(j) c##j##_0 += GW_LOAD(p + l + j * W) * GW_LOAD(x + l + j * W);
                    GW_EACH_4(GW_DOT)
#undef GW_DOT
                }
                for (; l + W <= k; l += W) c0_0 += GW_LOAD(p + l) * GW_LOAD(x + l);
                GW_STORE(part, (c0_0 + c1_0) + (c2_0 + c3_0));
                for (ptrdiff_t half = W / 2; half >= 1; half /= 2)
                    for (ptrdiff_t j = 0; j < half; j++) part[j] += part[j + half];
                sum = part[0];
            }
            for (; l < k; l++) sum += p[l * a_col] * x[l * x_step];
            part[0] = sum;
        }
        for (ptrdiff_t j = 0; j < rows; j++) {
            GW_REAL* to = y + (i + j) * y_step;
            *to = beta == 0 ? alpha * part[j] : alpha * part[j] + beta * *to;
        }
    }
}

/* ---- the product ---- */

/* How many vectors the next strip takes: threes, but no single one after them. */
GW_INLINE ptrdiff_t GW_NAME(gw_strip_width)(ptrdiff_t n) {
    const ptrdiff_t v = (n + GW_W - 1) / GW_W;
    return v == 4 ? 2 : v < 3 ? v : 3;
}

/* Of k rows of n contiguous reals, how many can be read up to column `end` >= n without leaving the matrix. */
GW_INLINE ptrdiff_t GW_NAME(gw_whole_rows)(ptrdiff_t k, ptrdiff_t n, ptrdiff_t row, ptrdiff_t end) {
    if (row < n) return 0;
    const ptrdiff_t over = (end - n + row - 1) / row;
    return over < k ? k - over : 0;
}

GW_CALLED void GW_NAME(gw_gemm_blocked)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row,
                                        ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta,
                                        GW_REAL* c, ptrdiff_t c_row) {
    const ptrdiff_t columns = GW_GEMM_COLUMN_BYTES / sizeof(GW_REAL) / (3 * GW_W) * (3 * GW_W);
    GW_REAL *const packed_a = GW_NAME(gw_packed_a), *const packed_b = GW_NAME(gw_packed_b);
    /* A is used where it is, unless its rows (or columns) all fall on the same lines of the cache; columns, of which a tile
       takes half a line at a time, are collected when more than one strip or more than one block of depth goes over them. */
    const ptrdiff_t stride = (a_col == 1 ? a_row : a_col) * (ptrdiff_t)sizeof(GW_REAL) % 4096;
    const int crowded = stride < 64 || stride > 4096 - 64, worth = m >= 8 && k >= 8;
    const int pack_a = a_col == 1   ? worth && n > 3 * GW_W && crowded
                       : a_row == 1 ? worth && (n > 3 * GW_W || (n > GW_W && (crowded || k > GW_GEMM_DEPTH)))
                                    : 1;
    /* Few rows do not pay for the packing of B, unless its own rows crowd the cache. */
    const int direct = b_col == 1 && (m <= 2 * GW_GEMM_ROWS || (m <= 64 && b_row * sizeof(GW_REAL) <= 1024));
    for (ptrdiff_t j0 = 0; j0 < n; j0 += columns) {
        const ptrdiff_t jn = n - j0 < columns ? n - j0 : columns;
        for (ptrdiff_t l0 = 0; l0 < k; l0 += GW_GEMM_DEPTH) {
            const ptrdiff_t ln = k - l0 < GW_GEMM_DEPTH ? k - l0 : GW_GEMM_DEPTH;
            const GW_REAL keep = l0 == 0 ? beta : 1;
            for (ptrdiff_t i0 = 0; i0 < m; i0 += GW_GEMM_BLOCK) {
                const ptrdiff_t in = m - i0 < GW_GEMM_BLOCK ? m - i0 : GW_GEMM_BLOCK;
                const GW_REAL* rows = a + i0 * a_row + l0 * a_col;
                ptrdiff_t row = a_row, col = a_col, panel = 16 * a_row;
                if (pack_a) {
                    GW_NAME(gw_pack_rows)(in, ln, GW_NAME(gw_whole_rows)(k, m, a_col, (i0 + in + 15) / 16 * 16) - l0, rows, a_row,
                                          a_col, packed_a);
                    rows = packed_a;
                    row = a_col == 1 ? GW_GEMM_DEPTH + 16 : 1;
                    col = a_col == 1 ? 1 : 16;
                    panel = a_col == 1 ? 16 * row : 16 * ln;
                }
                for (ptrdiff_t j = 0, v; j < jn; j += v * GW_W) {
                    v = GW_NAME(gw_strip_width)(jn - j);
                    const ptrdiff_t cols = jn - j < v * GW_W ? jn - j : v * GW_W;
                    const GW_REAL* from = b + l0 * b_row + (j0 + j) * b_col;
                    GW_REAL* strip = packed_b + j * ln;
                    if (direct && cols == v * GW_W) {
                        GW_NAME(gw_strip)(in, v, cols, ln, alpha, rows, panel, row, col, from, b_row, keep, c + i0 * c_row + j0 + j,
                                          c_row);
                        continue;
                    }
                    if (i0 == 0) {
                        ptrdiff_t whole = GW_NAME(gw_whole_rows)(k, n, b_row, j0 + j + v * GW_W) - l0;
                        GW_NAME(gw_pack_strip)(ln, v, cols, whole < ln ? whole : ln, from, b_row, b_col, strip);
                    }
                    GW_NAME(gw_strip)(in, v, cols, ln, alpha, rows, panel, row, col, strip, v * GW_W, keep,
                                      c + i0 * c_row + j0 + j, c_row);
                }
            }
        }
    }
}

/* A few multiplications, where everything lies: four columns (two doubles) at a time where they are contiguous. */
GW_CALLED void GW_NAME(gw_gemm_small)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row,
                                      ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta,
                                      GW_REAL* c, ptrdiff_t c_row) {
    typedef GW_REAL quad __attribute__((vector_size(16)));
    typedef GW_REAL anywhere __attribute__((vector_size(16), aligned(sizeof(GW_REAL)), may_alias));
    enum { Q = 16 / sizeof(GW_REAL) };
    for (ptrdiff_t i = 0; i < m; i++, a += a_row, c += c_row) {
        ptrdiff_t j = 0;
        if (b_col == 1)
            for (; j + Q <= n; j += Q) {
                quad sum = {0};
                for (ptrdiff_t l = 0; l < k; l++) sum += a[l * a_col] * *(const anywhere*)(b + l * b_row + j);
                *(anywhere*)(c + j) = beta == 0 ? alpha * sum : alpha * sum + beta * *(const anywhere*)(c + j);
            }
        for (; j < n; j++) {
            GW_REAL sum = 0;
            for (ptrdiff_t l = 0; l < k; l++) sum += a[l * a_col] * b[l * b_row + j * b_col];
            c[j] = beta == 0 ? alpha * sum : alpha * sum + beta * c[j];
        }
    }
}

GW_CALLED void GW_NAME(gw_gemm_any)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row,
                                    ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta, GW_REAL* c,
                                    ptrdiff_t c_row) {
    if (m <= 0 || n <= 0) return;
    if (k <= 0) k = 0;
    if ((double)m * n * k <= GW_GEMM_SMALL) {
        if (b_col == 1 && (n == GW_W || n == 2 * GW_W || n == 3 * GW_W))
            GW_NAME(gw_strip)(m, n / GW_W, n, k, alpha, a, 16 * a_row, a_row, a_col, b, b_row, beta, c, c_row);
        else
            GW_NAME(gw_gemm_small)(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row);
        return;
    }
    if (n == 1) {
        GW_NAME(gw_gemv)(m, k, alpha, a, a_row, a_col, b, b_row, beta, c, c_row);
        return;
    }
    if (m == 1) {
        GW_NAME(gw_gemv)(n, k, alpha, b, b_col, b_row, a, a_col, beta, c, 1);
        return;
    }
#ifdef _OPENMP
    if ((double)m * n * k >= GW_GEMM_PARALLEL) {
        /* Columns are divided where there are enough of them, so that a weight stays with one core; rows elsewhere. */
        const ptrdiff_t unit = n >= 6 * GW_W ? 3 * GW_W : 16, units = ((n >= 6 * GW_W ? n : m) + unit - 1) / unit;
        const ptrdiff_t most = gw_team_size(), team = units < most ? units : most;
        if (team > 1) {
            gw_trial* const trial = gw_trial_of(m, n, k, (ptrdiff_t)sizeof(GW_REAL) + 16 * team);
            const double start = gw_now();
            if (gw_trial_alone(trial, start)) {
                GW_NAME(gw_gemm_blocked)(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row);
                gw_trial_took(trial, 1, start, gw_now());
                return;
            }
#pragma omp parallel num_threads((int)team)
            {
                const ptrdiff_t size = omp_get_num_threads(), me = omp_get_thread_num();
                const ptrdiff_t first = units * me / size * unit, end = units * (me + 1) / size * unit;
                if (n >= 6 * GW_W)
                    GW_NAME(gw_gemm_blocked)(m, (end < n ? end : n) - first, k, alpha, a, a_row, a_col, b + first * b_col, b_row,
                                             b_col, beta, c + first, c_row);
                else
                    GW_NAME(gw_gemm_blocked)((end < m ? end : m) - first, n, k, alpha, a + first * a_row, a_row, a_col, b, b_row,
                                             b_col, beta, c + first * c_row, c_row);
            }
            gw_trial_took(trial, 0, start, gw_now());
            return;
        }
    }
#endif
    GW_NAME(gw_gemm_blocked)(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row);
}

/* Shapes that are constants and tiny become a few instructions where they stand. */
GW_INLINE void GW_NAME(gw_gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row,
                                ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta, GW_REAL* c,
                                ptrdiff_t c_row) {
    if (__builtin_constant_p(m) && __builtin_constant_p(n) && __builtin_constant_p(k) && m * n * k <= 64) {
        for (ptrdiff_t i = 0; i < m; i++)
            for (ptrdiff_t j = 0; j < n; j++) {
                GW_REAL sum = 0;
                for (ptrdiff_t l = 0; l < k; l++) sum += a[i * a_row + l * a_col] * b[l * b_row + j * b_col];
                c[i * c_row + j] = beta == 0 ? alpha * sum : alpha * sum + beta * c[i * c_row + j];
            }
        return;
    }
    GW_NAME(gw_gemm_any)(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row);
}

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
#undef GW_INTERLEAVE
