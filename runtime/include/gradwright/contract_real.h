/* The body of contract.h, included once for each real type. */

static __thread GW_REAL GW_NAME(gw_packed_b)[(GW_MOST_DEPTH + 16) * GW_MOST_COLUMNS / sizeof(GW_REAL)]
    __attribute__((aligned(64), unused));
static __thread GW_REAL GW_NAME(gw_packed_a)[(GW_MOST_DEPTH + 1) * GW_MOST_ROWS] __attribute__((aligned(64), unused));

#if defined(__clang__)
#define GW_INTERLEAVE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define GW_INTERLEAVE(x, y, ...) __builtin_shuffle(x, y, (GW_NAME(gw_lanes)){__VA_ARGS__})
#endif
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_low)(GW_NAME(gw_vec) x, GW_NAME(gw_vec) y) { return GW_INTERLEAVE(x, y, GW_LOW); }
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_high)(GW_NAME(gw_vec) x, GW_NAME(gw_vec) y) { return GW_INTERLEAVE(x, y, GW_HIGH); }

/* ---- tiles: R rows by 1, 2 or 3 vectors, or by half of one, all of it in registers ---- */

/* Row i of D begins at at[i], and its columns lie `j` apart. */
typedef struct { const GW_REAL* d; const ptrdiff_t* at; ptrdiff_t j; } GW_NAME(gw_addend);

typedef struct {
    const gw_run* runs;
    ptrdiff_t count, a_step, b_step, b_unit; /* the b of a run is in units of b_unit */
    int packed; /* B, in strips of whole vectors */
    uint16_t mask; /* columns of the last vector that are written, where there are masks */
    ptrdiff_t end, b_end; /* where there are none: where the last of several vectors begins, in C and D and in B */
    GW_NAME(gw_ending) ending;
} GW_NAME(gw_depth);

#if GW_MASKS
typedef GW_REAL GW_NAME(gw_half) __attribute__((vector_size(GW_VECTOR_BYTES / 2)));
typedef GW_REAL GW_NAME(gw_half_mem) __attribute__((vector_size(GW_VECTOR_BYTES / 2), aligned(sizeof(GW_REAL)), may_alias));
#endif

#define GW_ROW(i) const GW_REAL* const p##i = a + a_at[i];
#define GW_ZERO1(i) GW_NAME(gw_vec) c##i##_0 = {0};
#define GW_ZERO2(i) GW_ZERO1(i) GW_NAME(gw_vec) c##i##_1 = {0};
#define GW_ZERO3(i) GW_ZERO2(i) GW_NAME(gw_vec) c##i##_2 = {0};
#define GW_ZEROh(i) GW_NAME(gw_half) c##i##_0 = {0};
#define GW_FMA1(i) { const GW_REAL x = p##i[l]; c##i##_0 += x * b0; }
#define GW_FMA2(i) { const GW_REAL x = p##i[l]; c##i##_0 += x * b0; c##i##_1 += x * b1; }
#define GW_FMA3(i) { const GW_REAL x = p##i[l]; c##i##_0 += x * b0; c##i##_1 += x * b1; c##i##_2 += x * b2; }
#define GW_FMAh GW_FMA1
#define GW_READ(j, at) GW_NAME(gw_vec) b##j = GW_LOAD(b + (at)); GW_HOLD(b##j);
#define GW_READ1 GW_READ(0, 0)
#define GW_READ2 GW_READ1 GW_READ(1, GW_LAST(1, b_end))
#define GW_READ3 GW_READ1 GW_READ(1, GW_W) GW_READ(2, GW_LAST(2, b_end))
#define GW_READh GW_NAME(gw_half) b0 = *(const GW_NAME(gw_half_mem)*)b; GW_HOLD(b0);
/* Without masks, the last vector of two or three ends where the columns do: what it shares with the one before it is computed and
   written twice, with the same bits, after all that is added was read. */
#if GW_MASKS
#define GW_LAST(j, end) ((j) * GW_W)
#else
#define GW_LAST(j, end) (end)
#endif
#if GW_MASKS
#define GW_MASKED(mem, to, x, mask) __asm__(GW_MOVE " %1, %0%{%2%}" : "+m"(*(GW_NAME(mem)*)(to)) : "v"(x), "Yk"(mask))
#define GW_MASKED_READ(mem, y, from, mask) \
    __asm__(GW_MOVE " %1, %0%{%2%}%{z%}" : "=v"(y) : "m"(*(const GW_NAME(mem)*)(from)), "Yk"(mask))
#else
#define GW_MASKED(mem, to, x, mask) GW_STORE(to, x)
#define GW_MASKED_READ(mem, y, from, mask) y = GW_LOAD(from)
#endif
#define GW_PUT1(i) GW_MASKED(gw_mem, c + c_at[i], c##i##_0, mask);
#define GW_PUT2(i) GW_STORE(c + c_at[i], c##i##_0); GW_MASKED(gw_mem, c + c_at[i] + GW_LAST(1, end), c##i##_1, mask);
#define GW_PUT3(i) \
    GW_STORE(c + c_at[i], c##i##_0); \
    GW_STORE(c + c_at[i] + GW_W, c##i##_1); \
    GW_MASKED(gw_mem, c + c_at[i] + GW_LAST(2, end), c##i##_2, mask);
#define GW_PUTh(i) GW_MASKED(gw_half_mem, c + c_at[i], c##i##_0, mask);
#define GW_ENDED_ONE(sum, d) \
    sum *= ending.alpha; \
    GW_HOLD(sum); \
    if (ending.beta != 0) sum += ending.beta * (d); \
    if (ending.relu && sum <= 0) sum = 0;
#define GW_CUT1(i) GW_CUT(c##i##_0)
#define GW_CUT2(i) GW_CUT1(i) GW_CUT(c##i##_1)
#define GW_CUT3(i) GW_CUT2(i) GW_CUT(c##i##_2)
#define GW_CUTh GW_CUT1
#define GW_SCALE1(i) c##i##_0 *= alpha; GW_HOLD(c##i##_0);
#define GW_SCALE2(i) GW_SCALE1(i) c##i##_1 *= alpha; GW_HOLD(c##i##_1);
#define GW_SCALE3(i) GW_SCALE2(i) c##i##_2 *= alpha; GW_HOLD(c##i##_2);
#define GW_SCALEh GW_SCALE1
#define GW_ADD(i, j) c##i##_##j += beta * GW_LOAD(d + d_at[i] + j * GW_W);
#define GW_ADD_LAST(vec, mem, i, j, at) { \
    GW_NAME(vec) y; \
    GW_MASKED_READ(mem, y, d + d_at[i] + (at), mask); \
    c##i##_##j += beta * y; \
}
#define GW_ADD1(i) GW_ADD_LAST(gw_vec, gw_mem, i, 0, 0)
#define GW_ADD2(i) GW_ADD(i, 0) GW_ADD_LAST(gw_vec, gw_mem, i, 1, GW_LAST(1, end))
#define GW_ADD3(i) GW_ADD(i, 0) GW_ADD(i, 1) GW_ADD_LAST(gw_vec, gw_mem, i, 2, GW_LAST(2, end))
#define GW_ADDh(i) GW_ADD_LAST(gw_half, gw_half_mem, i, 0, 0)

/* `groups` times R rows, one group after the other: a call for each of them takes as long as two steps of the depth. */
#define GW_TILE(R, V) \
    GW_CALLED void GW_NAME(gw_tile_##R##x##V)(ptrdiff_t groups, const GW_NAME(gw_depth)* depth, const GW_REAL* a, \
                                              const ptrdiff_t* a_at, const GW_REAL* start, const GW_REAL* d, \
                                              const ptrdiff_t* d_at, GW_REAL* c, const ptrdiff_t* c_at) { \
        const gw_run *const runs = depth->runs, *const behind = runs + depth->count; \
        const ptrdiff_t b_unit = depth->b_unit, b_end = depth->b_end; \
        ptrdiff_t a_step = depth->a_step, b_step = depth->b_step; \
        (void)b_end; \
        __asm__("" : "+r"(a_step), "+r"(b_step)); /* or gcc compiles the loop again for strides of 1 */ \
        for (; groups > 0; groups--, a_at += R, d_at += R, c_at += R) { \
            GW_EACH_##R(GW_ROW) \
            GW_EACH_##R(GW_ZERO##V) \
            for (const gw_run* run = runs; run != behind; run++) { \
                ptrdiff_t l = run->a; \
                const GW_REAL* b = start + run->b * b_unit; \
                for (ptrdiff_t left = run->k; left; left--) { \
                    GW_READ##V \
                    GW_EACH_##R(GW_FMA##V) \
                    l += a_step; \
                    b += b_step; \
                } \
            } \
            const GW_NAME(gw_depth)* last = depth; \
            __asm__ volatile("" : "+r"(last)); /* or all that is read of it stays in registers meanwhile */ \
            const uint16_t mask = last->mask; \
            const ptrdiff_t end = last->end; \
            const GW_REAL alpha = last->ending.alpha, beta = last->ending.beta; \
            (void)mask, (void)end; \
            if (alpha != 1) { GW_EACH_##R(GW_SCALE##V) } \
            if (beta != 0) { GW_EACH_##R(GW_ADD##V) } \
            if (last->ending.relu) { GW_EACH_##R(GW_CUT##V) } \
            GW_EACH_##R(GW_PUT##V) \
        } \
    }

#if GW_TILE_ROWS == 8
GW_TILE(8, 3)
GW_TILE(8, 2)
#else
GW_TILE(6, 2)
GW_TILE(9, 1)
#endif
GW_TILE(8, 1)
GW_TILE(4, 3)
GW_TILE(4, 2)
GW_TILE(4, 1)
GW_TILE(2, 3)
GW_TILE(2, 2)
GW_TILE(2, 1)
#if GW_MASKS
GW_TILE(8, h)
GW_TILE(5, h)
GW_TILE(4, h)
#endif

/* Half a vector of columns in whole vectors: the even and the odd elements of each run side by side, which are two neighbours in
   A and interleaved in the packed B. An odd one at the end has zero beside it on both sides. */
#if GW_PAIRS
#define GW_PAIR(i) c##i##_0 += GW_NAME(gw_two)(p##i + l) * b0;
#define GW_ODD(i) c##i##_0 += GW_NAME(gw_one)(p##i + l) * b0;
#define GW_SPREAD(x) (twins){x, x, x, x, x, x, x, x}
#define GW_SUM(i, j) \
    GW_STORE(sums + i * half, GW_INTERLEAVE(c##i##_0, c##j##_0, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) + \
                                  GW_INTERLEAVE(c##i##_0, c##j##_0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_two)(const GW_REAL* p) {
    typedef int64_t twins __attribute__((vector_size(GW_VECTOR_BYTES)));
    int64_t x;
    memcpy(&x, p, sizeof x);
    return (GW_NAME(gw_vec))GW_SPREAD(x);
}
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_one)(const GW_REAL* p) {
    typedef int64_t twins __attribute__((vector_size(GW_VECTOR_BYTES)));
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return (GW_NAME(gw_vec))GW_SPREAD((int64_t)x);
}
#define GW_SUMS_4 GW_SUM(0, 1) GW_SUM(2, 3)
#define GW_SUMS_5 GW_SUMS_4 GW_SUM(4, 4)
#define GW_SUMS_8 GW_SUMS_4 GW_SUM(4, 5) GW_SUM(6, 7)
#define GW_TILE_PAIRS(R) \
    GW_CALLED void GW_NAME(gw_tile_##R##xp)(ptrdiff_t groups, const GW_NAME(gw_depth)* depth, const GW_REAL* a, \
                                            const ptrdiff_t* a_at, const GW_REAL* start, const GW_REAL* d, \
                                            const ptrdiff_t* d_at, GW_REAL* c, const ptrdiff_t* c_at) { \
        enum { half = GW_VECTOR_BYTES / sizeof(GW_REAL) / 2 }; \
        const gw_run *const runs = depth->runs, *const end = runs + depth->count; \
        const GW_NAME(gw_ending) ending = depth->ending; \
        const uint16_t mask = depth->mask; \
        GW_REAL sums[8 * half] __attribute__((aligned(64))); \
        for (; groups > 0; groups--, a_at += R, d_at += R, c_at += R) { \
            const GW_REAL* b = start; \
            GW_EACH_##R(GW_ROW) \
            GW_EACH_##R(GW_ZERO1) \
            for (const gw_run* run = runs; run != end; run++) { \
                ptrdiff_t l = run->a; \
                for (ptrdiff_t left = run->k / 2; left; left--) { \
                    GW_READ1 \
                    GW_EACH_##R(GW_PAIR) \
                    l += 2; \
                    b += GW_W; \
                } \
                if (run->k % 2) { \
                    GW_READ1 \
                    GW_EACH_##R(GW_ODD) \
                    b += GW_W; \
                } \
            } \
            GW_SUMS_##R \
            for (int i = 0; i < R; i++) { \
                GW_NAME(gw_half) sum = *(const GW_NAME(gw_half_mem)*)(sums + i * half), y = {0}; \
                if (ending.beta != 0) GW_MASKED_READ(gw_half_mem, y, d + d_at[i], mask); \
                GW_ENDED(sum, y) \
                GW_MASKED(gw_half_mem, c + c_at[i], sum, mask); \
            } \
        } \
    }
GW_TILE_PAIRS(8)
GW_TILE_PAIRS(5)
GW_TILE_PAIRS(4)
#endif

typedef void (*GW_NAME(gw_tile))(ptrdiff_t, const GW_NAME(gw_depth)*, const GW_REAL*, const ptrdiff_t*, const GW_REAL*,
                                 const GW_REAL*, const ptrdiff_t*, GW_REAL*, const ptrdiff_t*);

GW_INLINE GW_REAL GW_NAME(gw_ended)(GW_REAL sum, GW_NAME(gw_ending) ending, const GW_REAL* d) {
    sum = ending.beta == 0 ? ending.alpha * sum : ending.alpha * sum + ending.beta * *d;
    return ending.relu && sum <= 0 ? 0 : sum;
}

/* A row of n reals: vectors, then halves of them. */
GW_CALLED void GW_NAME(gw_copy)(GW_REAL* __restrict__ to, const GW_REAL* __restrict__ from, ptrdiff_t n) {
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

/* The kinds of strips: as many vectors, or half of one, or half of one in pairs. */
enum { GW_NAME(gw_strip_half) = 4, GW_NAME(gw_strip_pairs) = 5 };

/* C = alpha X + beta D for rows of X that lie `width` apart: rounded as a tile does it. */
GW_CALLED void GW_NAME(gw_finish)(ptrdiff_t rows, ptrdiff_t cols, GW_NAME(gw_ending) ending, const GW_REAL* x, ptrdiff_t width,
                                  GW_NAME(gw_addend) add, GW_REAL* c, const ptrdiff_t* c_at, ptrdiff_t c_j) {
    for (; rows > 0; rows--, x += width) {
        GW_REAL* to = c + *c_at++;
        const GW_REAL* d = add.d + *add.at++;
        ptrdiff_t j = 0;
        if (ending.alpha == 1 && ending.beta == 0 && !ending.relu && c_j == 1) {
            GW_NAME(gw_copy)(to, x, cols);
            continue;
        }
        if (c_j == 1 && (add.j == 1 || ending.beta == 0)) {
            for (; j + GW_W <= cols; j += GW_W) {
                GW_NAME(gw_vec) sum = GW_LOAD(x + j);
                GW_ENDED(sum, GW_LOAD(d + j))
                GW_STORE(to + j, sum);
            }
#if GW_MASKS
            if (j < cols) {
                const uint16_t mask = (uint16_t)~(0xffffu << (cols - j));
                GW_NAME(gw_vec) sum = GW_LOAD(x + j), y = {0};
                if (ending.beta != 0) GW_MASKED_READ(gw_mem, y, d + j, mask);
                GW_ENDED(sum, y)
                GW_MASKED(gw_mem, to + j, sum, mask);
                continue;
            }
#endif
        }
        for (; j < cols; j++) {
            GW_REAL sum = x[j];
            GW_ENDED_ONE(sum, d[j * add.j])
            to[j * c_j] = sum;
        }
    }
}

/* to[l][j] = from[j][l] for a square of W by W of which cols columns exist, at least one, which stands for those behind it as well: an
   `if` made gcc clear all of the square, and keep it in memory, which took half of the time. log2(W) rounds, each of which interleaves row r
   with row r + W/2; with 32 bytes, where that takes four instructions and not two, neighbours within the halves and then these. */
GW_UNROLLED void GW_NAME(gw_square)(ptrdiff_t cols, const GW_REAL* from, ptrdiff_t from_row, GW_REAL* __restrict__ to,
                                  ptrdiff_t to_row) {
    enum { W = GW_VECTOR_BYTES / sizeof(GW_REAL) };
    GW_NAME(gw_vec) x[W], y[W];
    for (int j = 0; j < W; j++, from += j < cols ? from_row : 0) x[j] = GW_LOAD(from);
#if GW_VECTOR_BYTES == 32
    for (int j = 0; j < W; j += 2) {
        y[j] = GW_INTERLEAVE(x[j], x[j + 1], GW_SUFFIX(GW_ONES_LOW));
        y[j + 1] = GW_INTERLEAVE(x[j], x[j + 1], GW_SUFFIX(GW_ONES_HIGH));
    }
#if GW_FLOATS
    for (int j = 0; j < W; j += 4)
        for (int l = 0; l < 2; l++) {
            x[j + 2 * l] = GW_INTERLEAVE(y[j + l], y[j + l + 2], GW_TWOS_LOW4);
            x[j + 2 * l + 1] = GW_INTERLEAVE(y[j + l], y[j + l + 2], GW_TWOS_HIGH4);
        }
    for (int j = 0; j < W; j++) y[j] = x[j];
#endif
    for (int j = 0; j < W / 2; j++) {
        x[j] = GW_INTERLEAVE(y[j], y[j + W / 2], GW_SUFFIX(GW_HALVES_LOW));
        x[j + W / 2] = GW_INTERLEAVE(y[j], y[j + W / 2], GW_SUFFIX(GW_HALVES_HIGH));
    }
#else
    for (int round = 1; round < W; round *= 2) {
        for (int j = 0; j < W / 2; j++) {
            y[2 * j] = GW_NAME(gw_low)(x[j], x[j + W / 2]);
            y[2 * j + 1] = GW_NAME(gw_high)(x[j], x[j + W / 2]);
        }
        for (int j = 0; j < W; j++) x[j] = y[j];
    }
#endif
    for (int j = 0; j < W; j++) GW_STORE(to + j * to_row, x[j]);
}

/* The same where the rows of C are its columns: X has up to GW_TURNED rows, which lie side by side in C, and its columns lie c_j
   apart there. In squares, so that C is written by whole lines. */
#define GW_TURNED 16
GW_CALLED void GW_NAME(gw_finish_turned)(ptrdiff_t rows, ptrdiff_t cols, GW_NAME(gw_ending) ending, const GW_REAL* x, ptrdiff_t width,
                                         GW_NAME(gw_addend) add, GW_REAL* c, ptrdiff_t c_j) {
    enum { W = GW_VECTOR_BYTES / sizeof(GW_REAL) };
    const int plain = ending.alpha == 1 && ending.beta == 0 && !ending.relu;
    for (ptrdiff_t j = 0; j < cols; j += W)
        for (ptrdiff_t i = 0; i < rows; i += W) {
            const ptrdiff_t in = rows - i < W ? rows - i : W, jn = cols - j < W ? cols - j : W;
            GW_REAL turned[W * W] __attribute__((aligned(64)));
            if (in == W && jn == W && plain) {
                GW_NAME(gw_square)(W, x + i * width + j, width, c + j * c_j + i, c_j);
                continue;
            }
            GW_NAME(gw_square)(in, x + i * width + j, width, turned, W);
            const int together = (GW_MASKS || in == W) && (ending.beta == 0 || add.at[i + in - 1] - add.at[i] == in - 1);
            const uint16_t mask = (uint16_t)~(0xffffffffu << in);
            (void)mask;
            for (ptrdiff_t l = 0; l < jn; l++) {
                GW_REAL* to = c + (j + l) * c_j + i;
                const GW_REAL* d = add.d + (j + l) * add.j;
                if (plain) {
                    GW_NAME(gw_copy)(to, turned + l * W, in);
                } else if (together) {
                    GW_NAME(gw_vec) sum = GW_LOAD(turned + l * W), y = {0};
                    if (ending.beta != 0) GW_MASKED_READ(gw_mem, y, d + add.at[i], mask);
                    GW_ENDED(sum, y)
                    GW_MASKED(gw_mem, to, sum, mask);
                } else {
                    for (ptrdiff_t r = 0; r < in; r++) {
                        GW_REAL sum = turned[l * W + r];
                        GW_ENDED_ONE(sum, d[add.at[i + r]])
                        to[r] = sum;
                    }
                }
            }
        }
}

/* m rows by one strip of B, of which cols columns exist. After the last row, a_at holds it again up to a multiple of eight. */
GW_CALLED void GW_NAME(gw_strip)(ptrdiff_t m, ptrdiff_t kind, ptrdiff_t cols, GW_NAME(gw_ending) ending, GW_NAME(gw_depth)* depth,
                                 const GW_REAL* a, const ptrdiff_t* a_at, const GW_REAL* b, GW_NAME(gw_addend) add, GW_REAL* c,
                                 const ptrdiff_t* c_at, ptrdiff_t c_j) {
    static const GW_NAME(gw_tile) tiles[5][3] = {
        {GW_NAME(gw_tile_8x1), GW_NAME(gw_tile_4x1), GW_NAME(gw_tile_2x1)},
#if GW_TILE_ROWS == 8
        {GW_NAME(gw_tile_8x2), GW_NAME(gw_tile_4x2), GW_NAME(gw_tile_2x2)},
        {GW_NAME(gw_tile_8x3), GW_NAME(gw_tile_4x3), GW_NAME(gw_tile_2x3)},
#else
        {GW_NAME(gw_tile_6x2), GW_NAME(gw_tile_4x2), GW_NAME(gw_tile_2x2)},
        {0, GW_NAME(gw_tile_4x3), GW_NAME(gw_tile_2x3)},
#endif
#if GW_MASKS
        {GW_NAME(gw_tile_8xh), GW_NAME(gw_tile_5xh), GW_NAME(gw_tile_4xh)},
#endif
#if GW_PAIRS
        {GW_NAME(gw_tile_8xp), GW_NAME(gw_tile_5xp), GW_NAME(gw_tile_4xp)},
#endif
    };
    const ptrdiff_t width = kind <= 3 ? kind * GW_W : GW_W / 2;
    const GW_NAME(gw_tile)* tile = tiles[kind - 1];
    /* half a vector of columns is read as a whole one, behind the last row */
    GW_REAL aside[(GW_TURNED * 3 + 1) * GW_VECTOR_BYTES / sizeof(GW_REAL)] __attribute__((aligned(64)));
    ptrdiff_t aside_at[GW_TURNED + 2]; /* three tiles of six rows */
    const int straight = c_j == 1 && (add.j == 1 || ending.beta == 0) && (GW_MASKS || kind > 1 || cols == width);
    const uint16_t edge = (uint16_t)~(0xffffffffu << (cols - (kind <= 3 ? width - GW_W : 0)));
    depth->end = kind > 1 ? cols - GW_W : 0;
    depth->b_end = depth->packed ? width - GW_W : depth->end;
    for (ptrdiff_t i = 0, rows; i < m; i += rows) {
        const ptrdiff_t left = m - i;
        int size = left > 6 ? 0 : left > 2 ? 1 : 2;
        ptrdiff_t high = 8 >> size, groups = left / high;
        GW_NAME(gw_tile) other = 0; /* than the one of that size */
        if (kind > 3) { /* tiles of 8, 5 and 4 rows: 9 rows are 5 and 4, not 8 and 1 */
            size = left > 10 || (left > 5 && left < 9) ? 0 : left > 4 ? 1 : 2;
            high = size == 0 ? 8 : 6 - size;
            groups = left > 10 ? (left - 3) / 8 : left >= high;
#if GW_TILE_ROWS < 8
        } else if (kind == 1 && straight && left % 8 > 0 && left % 8 < 5 && left % 8 <= groups) {
            high = 9, groups = left % 8; /* 25 rows are 9, 8 and 8 */
            other = GW_NAME(gw_tile_9x1);
#endif
        } else if (GW_TILE_ROWS < 8 && kind == 2) { /* tiles of 6, 4 and 2 rows: 8 rows are 4 and 4, 9 are 6 and 4 */
            size = left > 8 || left == 6 || left == 5 ? 0 : left > 2 ? 1 : 2;
            high = 6 - 2 * size;
            groups = left > 8 ? (left - 3) / 6 : left / high;
        } else if (!tile[size]) {
            size = 1, high = 4, groups = left / 4;
        }
        if (straight && groups > 0) {
            rows = groups * high;
            depth->mask = edge;
            depth->ending = ending;
            (other ? other : tile[size])(groups, depth, a, a_at + i, b, add.d, add.at + i, c, c_at + i);
            continue;
        }
        for (ptrdiff_t r = 0; r < GW_TURNED + 2; r++) aside_at[r] = r * width;
        depth->mask = 0xffff;
        depth->ending = (GW_NAME(gw_ending)){1, 0, 0};
        const GW_NAME(gw_addend) here = {add.d, add.at + i, add.j};
        const ptrdiff_t most = left < GW_TURNED ? left : GW_TURNED;
        if (c_j != 1 && width >= GW_W && gw_in_line(c_at + i, most)) { /* C is written as its transpose */
            rows = most;
            tile[size]((rows + high - 1) / high, depth, a, a_at + i, b, aside, aside_at, aside, aside_at);
            GW_NAME(gw_finish_turned)(rows, cols, ending, aside, width, here, c + c_at[i], c_j);
        } else { /* the tile hangs over an edge of C */
            rows = left < high ? left : high;
            tile[size](1, depth, a, a_at + i, b, aside, aside_at, aside, aside_at);
            GW_NAME(gw_finish)(rows, cols, ending, aside, width, here, c, c_at + i, c_j);
        }
    }
}

/* Few columns, where the depth lies together in A and in B: inner products of eight rows with up to three columns at once. Each is
   summed in vectors and these across, whatever is beside it. */
#define GW_DOT1(i) c##i##_0 += x * b0;
#define GW_DOT2(i) GW_DOT1(i) c##i##_1 += x * b1;
#define GW_DOT3(i) GW_DOT2(i) c##i##_2 += x * b2;
#define GW_DOTTED(i, V) { const GW_NAME(gw_vec) x = GW_LOAD(p##i + l); GW_DOT##V(i) }
#define GW_DOTTED1(i) GW_DOTTED(i, 1)
#define GW_DOTTED2(i) GW_DOTTED(i, 2)
#define GW_DOTTED3(i) GW_DOTTED(i, 3)
#define GW_COLUMN(j) GW_NAME(gw_vec) b##j = GW_LOAD(y + j * b_col + l); GW_HOLD(b##j);
#define GW_COLUMNS1 GW_COLUMN(0)
#define GW_COLUMNS2 GW_COLUMN(0) GW_COLUMN(1)
#define GW_COLUMNS3 GW_COLUMN(0) GW_COLUMN(1) GW_COLUMN(2)
#if GW_MASKS
#define GW_COLUMN_LAST(j) GW_NAME(gw_vec) b##j; GW_MASKED_READ(gw_mem, b##j, y + j * b_col + l, mask);
#define GW_LAST1 GW_COLUMN_LAST(0)
#define GW_LAST2 GW_COLUMN_LAST(0) GW_COLUMN_LAST(1)
#define GW_LAST3 GW_COLUMN_LAST(0) GW_COLUMN_LAST(1) GW_COLUMN_LAST(2)
#define GW_DOTEND(i, V) { GW_NAME(gw_vec) x; GW_MASKED_READ(gw_mem, x, p##i + l, mask); GW_DOT##V(i) }
#define GW_DOTEND1(i) GW_DOTEND(i, 1)
#define GW_DOTEND2(i) GW_DOTEND(i, 2)
#define GW_DOTEND3(i) GW_DOTEND(i, 3)
#define GW_OVER(V) \
    if (l < last) { \
        const uint16_t mask = (uint16_t)~(0xffffffffu << (last - l)); \
        GW_LAST##V \
        GW_EACH_8(GW_DOTEND##V) \
    }
#else
#define GW_OVER(V) \
    for (; l < last; l++) \
        for (int j = 0; j < V; j++) \
            for (int i = 0; i < 8; i++) sums[8 * j + i] += a[a_at[i] + l] * y[j * b_col + l];
#endif
#define GW_ACROSS(x, y) (GW_NAME(gw_low)(x, y) + GW_NAME(gw_high)(x, y)) /* sums of pairs, those of x and of y in turn */
#define GW_TOTAL(j) GW_NAME(gw_total)(sums + 8 * j, c0_##j, c1_##j, c2_##j, c3_##j, c4_##j, c5_##j, c6_##j, c7_##j);
#define GW_TOTAL1 GW_TOTAL(0)
#define GW_TOTAL2 GW_TOTAL(0) GW_TOTAL(1)
#define GW_TOTAL3 GW_TOTAL(0) GW_TOTAL(1) GW_TOTAL(2)
typedef GW_REAL GW_NAME(gw_eight) __attribute__((vector_size(8 * sizeof(GW_REAL)), aligned(16), may_alias));
/* Add the sum of the elements of each to one of eight sums. */
GW_INLINE void GW_NAME(gw_total)(GW_REAL* sums, GW_NAME(gw_vec) c0, GW_NAME(gw_vec) c1, GW_NAME(gw_vec) c2, GW_NAME(gw_vec) c3,
                                 GW_NAME(gw_vec) c4, GW_NAME(gw_vec) c5, GW_NAME(gw_vec) c6, GW_NAME(gw_vec) c7) {
    GW_REAL all[16] __attribute__((aligned(64)));
    const GW_NAME(gw_vec) v0 = GW_ACROSS(c0, c4), v1 = GW_ACROSS(c1, c5), v2 = GW_ACROSS(c2, c6), v3 = GW_ACROSS(c3, c7);
    const GW_NAME(gw_vec) w0 = GW_ACROSS(v0, v2), w1 = GW_ACROSS(v1, v3);
    if (GW_W >= 8) { /* rows 0 to 7, twice if there is room */
        GW_STORE(all, GW_ACROSS(w0, w1));
        if (GW_W == 16) *(GW_NAME(gw_eight)*)all += *(GW_NAME(gw_eight)*)(all + 8);
    } else if (GW_W == 4) { /* rows 0, 2, 4, 6 and 1, 3, 5, 7 */
        GW_STORE(all, GW_NAME(gw_low)(w0, w1));
        GW_STORE(all + GW_W, GW_NAME(gw_high)(w0, w1));
    } else { /* rows j and j + 4 */
        GW_STORE(all, GW_NAME(gw_low)(v0, v1));
        GW_STORE(all + 2, GW_NAME(gw_low)(v2, v3));
        GW_STORE(all + 4, GW_NAME(gw_high)(v0, v1));
        GW_STORE(all + 6, GW_NAME(gw_high)(v2, v3));
    }
    *(GW_NAME(gw_eight)*)sums += *(GW_NAME(gw_eight)*)all;
}
#define GW_DOTS(V) \
    GW_CALLED void GW_NAME(gw_dots_##V)(const GW_NAME(gw_depth)* depth, const GW_REAL* a, const ptrdiff_t* a_at, const GW_REAL* b, \
                                        ptrdiff_t b_col, GW_REAL* sums) { \
        const gw_run *run = depth->runs, *const end = run + depth->count; \
        GW_EACH_8(GW_ROW) \
        GW_EACH_8(GW_ZERO##V) \
        memset(sums, 0, 8 * V * sizeof *sums); \
        for (; run != end; run++) { \
            const GW_REAL* const y = b + run->b - run->a; \
            const ptrdiff_t last = run->a + run->k; \
            ptrdiff_t l = run->a; \
            for (; l + GW_W <= last; l += GW_W) { \
                GW_COLUMNS##V \
                GW_EACH_8(GW_DOTTED##V) \
            } \
            GW_OVER(V) \
        } \
        GW_TOTAL##V \
    }
GW_DOTS(1)
#if GW_TILE_ROWS == 8
GW_DOTS(2)
GW_DOTS(3)
#endif

/* m rows and n columns so. After the last row, a_at holds it again up to a multiple of eight. */
GW_CALLED void GW_NAME(gw_dots)(ptrdiff_t m, ptrdiff_t n, GW_NAME(gw_ending) ending, const GW_NAME(gw_depth)* depth, const GW_REAL* a,
                                const ptrdiff_t* a_at, const GW_REAL* b, ptrdiff_t b_col, GW_NAME(gw_addend) add, GW_REAL* c,
                                const ptrdiff_t* c_at, ptrdiff_t c_j) {
    GW_REAL sums[24] __attribute__((aligned(64)));
    for (ptrdiff_t i = 0; i < m; i += 8) {
        const ptrdiff_t rows = m - i < 8 ? m - i : 8;
        const int line = ending.alpha == 1 && ending.beta == 0 && !ending.relu && rows == 8 && gw_in_line(c_at + i, 8);
        for (ptrdiff_t j = 0, columns; j < n; j += columns) {
            columns = n - j;
#if GW_TILE_ROWS == 8
            columns = columns == 4 ? 2 : columns < 3 ? columns : 3;
            (columns == 1 ? GW_NAME(gw_dots_1) : columns == 2 ? GW_NAME(gw_dots_2) : GW_NAME(gw_dots_3))
#else
            columns = 1;
            GW_NAME(gw_dots_1)
#endif
                (depth, a, a_at + i, b + j * b_col, b_col, sums);
            for (ptrdiff_t v = 0; v < columns; v++) {
                GW_REAL* to = c + (j + v) * c_j;
                if (line) {
                    memcpy(to + c_at[i], sums + 8 * v, 8 * sizeof *sums);
                    continue;
                }
                for (ptrdiff_t r = 0; r < rows; r++)
                    to[c_at[i + r]] = GW_NAME(gw_ended)(sums[8 * v + r], ending, add.d + add.at[i + r] + (j + v) * add.j);
            }
        }
    }
}

/* Up to half a vector of columns of m rows that lie together in A: vectors of rows, which take no longer than their columns are.
   Returns how many rows that were. `depth` has the parts of A and B exchanged. */
GW_CALLED ptrdiff_t GW_NAME(gw_upright)(ptrdiff_t m, ptrdiff_t cols, GW_NAME(gw_ending) ending, GW_NAME(gw_depth)* depth,
                                        const GW_REAL* a, const GW_REAL* b, ptrdiff_t b_col, GW_NAME(gw_addend) add, ptrdiff_t d_row,
                                        GW_REAL* c, const ptrdiff_t* c_at, ptrdiff_t c_row, ptrdiff_t c_j) {
    enum { W = GW_VECTOR_BYTES / sizeof(GW_REAL) };
    ptrdiff_t b_at[W + 8], to[W], from[W], i = 0;
    for (ptrdiff_t j = 0; j < cols; j++) b_at[j] = j * b_col, to[j] = j * c_j, from[j] = j * add.j;
    for (ptrdiff_t j = cols; j < cols + 8; j++) b_at[j] = b_at[cols - 1];
    for (ptrdiff_t vectors; m - i >= GW_W; i += vectors * GW_W) {
        vectors = (m - i) / GW_W;
        vectors = vectors == 4 ? 2 : vectors < 3 ? vectors : 3;
        const GW_NAME(gw_addend) turned = {add.d + add.at[i], from, d_row};
        GW_NAME(gw_strip)(cols, vectors, vectors * GW_W, ending, depth, b, b_at, a + i, turned, c + c_at[i], to, c_row);
    }
    return i;
}

/* ---- packing ---- */

GW_CONTRACT_ENTRY void GW_NAME(gw_transpose)(ptrdiff_t rows, ptrdiff_t columns, const GW_REAL* from, ptrdiff_t from_row, GW_REAL* to,
                                             ptrdiff_t to_row) {
    const ptrdiff_t whole = columns / GW_W * GW_W;
    for (ptrdiff_t i = 0; i < rows; i += GW_W) {
        const ptrdiff_t left = rows - i;
        ptrdiff_t j = 0;
        if (left >= GW_W)
            for (; j < whole; j += GW_W) GW_NAME(gw_square)(GW_W, from + i * from_row + j, from_row, to + j * to_row + i, to_row);
        for (; j < columns; j++)
            for (ptrdiff_t l = i; l < rows && l < i + GW_W; l++) to[j * to_row + l] = from[l * from_row + j];
    }
}

/* k rows of a strip of B, one after the other. Where there are masks, what lies beyond cols columns is never stored: it may be
   anything that can be read, and the first `whole` rows can be read beyond cols; elsewhere it is zero. Without them, the last of
   several vectors begins at `end`. */
GW_CALLED void GW_NAME(gw_pack_strip)(ptrdiff_t k, ptrdiff_t width, ptrdiff_t cols, ptrdiff_t whole, const GW_REAL* b,
                                      ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL* __restrict__ to) {
    const ptrdiff_t last = width - GW_W, end = GW_MASKS || cols < GW_W ? last : cols - GW_W;
    ptrdiff_t l = 0;
    if (b_col == 1) {
        if (end + GW_W == cols || cols == width || whole > k) whole = k;
        for (; l < whole; l++) {
            const GW_REAL* from = b + l * b_row;
            GW_REAL* row = to + l * width;
            if (width < GW_W) {
                memcpy(row, from, GW_VECTOR_BYTES / 2);
                continue;
            }
            GW_STORE(row, GW_LOAD(from));
            if (width > 2 * GW_W) GW_STORE(row + GW_W, GW_LOAD(from + GW_W));
            if (width > GW_W) GW_STORE(row + last, GW_LOAD(from + end));
        }
    } else if (b_row == 1 && width >= GW_W) {
        /* transposed: squares of W by W through the shuffle of gw_square */
        for (; l < k; l += GW_W)
            for (ptrdiff_t j = 0; j < width; j += GW_W) {
                enum { W = GW_VECTOR_BYTES / sizeof(GW_REAL) };
                GW_REAL corner[W * W] __attribute__((aligned(64)));
                const ptrdiff_t first = j == last ? end : j;
                const GW_REAL* from = b + l + first * b_col;
                ptrdiff_t row = b_col;
                if (k - l < GW_W) {
                    for (ptrdiff_t i = 0; i < W && i < cols - first; i++)
                        GW_NAME(gw_copy)(corner + i * W, from + i * b_col, k - l);
                    from = corner;
                    row = GW_W;
                }
                /* what is written beyond k is where the next strip goes, or room that is left for it */
                GW_NAME(gw_square)(cols - first, from, row, to + l * width + j, width);
            }
    }
    for (; l < k; l++) {
        GW_REAL* row = to + l * width;
        for (ptrdiff_t j = 0; j < cols; j++) row[j] = b[l * b_row + j * b_col];
        for (ptrdiff_t j = cols; j < width; j++) row[j] = 0;
        if (end < last)
            for (ptrdiff_t j = 0; j < GW_W; j++) row[last + j] = b[l * b_row + (end + j) * b_col];
    }
}

#if GW_PAIRS
/* k rows of half a vector, each two of them interleaved; returns where the next run goes. */
GW_CALLED GW_REAL* GW_NAME(gw_pack_pairs)(ptrdiff_t k, ptrdiff_t cols, ptrdiff_t whole, const GW_REAL* b, ptrdiff_t b_row,
                                          ptrdiff_t b_col, GW_REAL* __restrict__ to) {
    enum { half = GW_VECTOR_BYTES / sizeof(GW_REAL) / 2 };
    ptrdiff_t l = 0;
    if (b_col == 1) {
        if (cols == half || whole > k) whole = k;
        for (; l + 2 <= whole; l += 2, to += GW_W) {
            GW_REAL two[2 * half];
            GW_NAME(gw_vec) x;
            if (b_row == half) {
                x = GW_LOAD(b + l * b_row);
            } else {
                memcpy(two, b + l * b_row, sizeof two / 2);
                memcpy(two + half, b + (l + 1) * b_row, sizeof two / 2);
                x = GW_LOAD(two);
            }
            GW_STORE(to, GW_INTERLEAVE(x, x, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
        }
    }
    for (; l < k; l += 2, to += GW_W) {
        GW_STORE(to, (GW_NAME(gw_vec)){0});
        for (ptrdiff_t j = 0; j < cols; j++) {
            to[2 * j] = b[l * b_row + j * b_col];
            if (l + 1 < k) to[2 * j + 1] = b[(l + 1) * b_row + j * b_col];
        }
    }
    return to;
}
#endif

/* k columns of A, m reals each: panels of sixteen rows, in which the sixteen of one column lie together. The first `whole`
   columns can be read in sixteens. */
GW_CALLED void GW_NAME(gw_pack_columns)(ptrdiff_t m, ptrdiff_t k, ptrdiff_t whole, const GW_REAL* a, ptrdiff_t a_col,
                                        GW_REAL* __restrict__ to, ptrdiff_t* at) {
    const ptrdiff_t apart = 16 * k + 16; /* panels do not begin on the same lines of the cache */
    for (ptrdiff_t i = 0; i < m; i++) at[i] = i / 16 * apart + i % 16;
    for (ptrdiff_t l = 0; l < k; l++) { /* along the columns: they are far apart */
        for (ptrdiff_t i = 0; i < m; i += 16) __builtin_prefetch(a + i + (l + 8) * a_col);
        for (ptrdiff_t i = 0; i < m; i += 16) {
            GW_REAL* panel = to + i / 16 * apart + l * 16;
            if (m - i >= 16 || l < whole)
                for (ptrdiff_t j = 0; j < 16; j += GW_W) GW_STORE(panel + j, GW_LOAD(a + i + l * a_col + j));
            else
                GW_NAME(gw_copy)(panel, a + i + l * a_col, m - i);
        }
    }
}

/* ---- products with a vector: y = alpha A x + beta d ---- */

/* A sum of k columns of A, `vectors` vectors long, up to GW_COMBINED: four columns at a time, which lie together or far apart.
   Where there are one or two vectors, sums of their own keep one addition from waiting for the other. */
#define GW_COMBINED 64
GW_CALLED void GW_NAME(gw_combine)(ptrdiff_t vectors, ptrdiff_t k, const GW_REAL* a, ptrdiff_t a_col, const GW_REAL* x,
                                   ptrdiff_t x_step, GW_REAL* __restrict__ y) {
    ptrdiff_t l = 0;
    if (vectors == 1) {
        GW_EACH_8(GW_ZERO1)
        for (; l + 8 <= k; l += 8, a += 8 * a_col, x += 8 * x_step) {
#define GW_ONE(j) c##j##_0 += x[j * x_step] * GW_LOAD(a + j * a_col);
            GW_EACH_8(GW_ONE)
#undef GW_ONE
        }
        for (; l < k; l++, a += a_col, x += x_step) c0_0 += *x * GW_LOAD(a);
        GW_STORE(y, ((c0_0 + c1_0) + (c2_0 + c3_0)) + ((c4_0 + c5_0) + (c6_0 + c7_0)));
        return;
    }
    if (vectors == 2) {
        GW_EACH_4(GW_ZERO2)
        for (; l + 4 <= k; l += 4, a += 4 * a_col, x += 4 * x_step) {
#define GW_TWO(j) \
    c##j##_0 += x[j * x_step] * GW_LOAD(a + j * a_col); \
    c##j##_1 += x[j * x_step] * GW_LOAD(a + j * a_col + GW_W);
            GW_EACH_4(GW_TWO)
#undef GW_TWO
        }
        for (; l < k; l++, a += a_col, x += x_step) {
            c0_0 += *x * GW_LOAD(a);
            c0_1 += *x * GW_LOAD(a + GW_W);
        }
        GW_STORE(y, (c0_0 + c1_0) + (c2_0 + c3_0));
        GW_STORE(y + GW_W, (c0_1 + c1_1) + (c2_1 + c3_1));
        return;
    }
    for (ptrdiff_t j = 0; j < vectors; j++) GW_STORE(y + j * GW_W, (GW_NAME(gw_vec)){0});
    for (; l + 4 <= k; l += 4, a += 4 * a_col, x += 4 * x_step) {
        const GW_REAL x0 = x[0], x1 = x[x_step], x2 = x[2 * x_step], x3 = x[3 * x_step];
        const GW_REAL *p0 = a, *p1 = a + a_col, *p2 = p1 + a_col, *p3 = p2 + a_col;
        GW_REAL* to = y;
        for (ptrdiff_t j = vectors; j; j--, to += GW_W, p0 += GW_W, p1 += GW_W, p2 += GW_W, p3 += GW_W) {
            GW_NAME(gw_vec) sum = GW_LOAD(to);
            sum += x0 * GW_LOAD(p0);
            sum += x1 * GW_LOAD(p1);
            sum += x2 * GW_LOAD(p2);
            sum += x3 * GW_LOAD(p3);
            GW_STORE(to, sum);
        }
    }
    for (; l < k; l++, a += a_col, x += x_step)
        for (ptrdiff_t j = 0; j < vectors; j++) {
            GW_NAME(gw_vec) sum = GW_LOAD(y + j * GW_W);
            sum += *x * GW_LOAD(a + j * GW_W);
            GW_STORE(y + j * GW_W, sum);
        }
}

GW_CALLED void GW_NAME(gw_gemv)(ptrdiff_t m, ptrdiff_t k, GW_NAME(gw_ending) ending, const GW_REAL* a, ptrdiff_t a_row,
                                ptrdiff_t a_col, const GW_REAL* x, ptrdiff_t x_step, const GW_REAL* d, ptrdiff_t d_step, GW_REAL* y,
                                ptrdiff_t y_step) {
    enum { W = GW_VECTOR_BYTES / sizeof(GW_REAL) };
    GW_REAL part[GW_COMBINED * W] __attribute__((aligned(64)));
    const ptrdiff_t none = 0;
    ptrdiff_t rows;
    if (m > 1 && a_row != 1 && a_col == 1 && x_step == 1) { /* inner products of rows */
        const gw_run run = {0, 0, k};
        const GW_NAME(gw_depth) depth = {.runs = &run, .count = 1, .a_step = 1, .b_step = 1, .b_unit = 1};
        ptrdiff_t a_at[GW_COMBINED], y_at[GW_COMBINED], d_at[GW_COMBINED];
        for (ptrdiff_t i = 0; i < m; i += GW_COMBINED) {
            rows = m - i < GW_COMBINED ? m - i : GW_COMBINED;
            for (ptrdiff_t j = 0; j < GW_COMBINED; j++) {
                a_at[j] = (i + (j < rows ? j : rows - 1)) * a_row;
                y_at[j] = (i + j) * y_step;
                d_at[j] = (i + j) * d_step;
            }
            const GW_NAME(gw_addend) add = {d, d_at, 0};
            GW_NAME(gw_dots)(rows, 1, ending, &depth, a, a_at, x, 0, add, y, y_at, 0);
        }
        return;
    }
    for (ptrdiff_t i = 0; i < m; i += rows) {
        const GW_REAL* p = a + i * a_row;
        if (a_row == 1 && m > 1) {
            /* a combination of columns; the last vector of each is read beyond m where that is still inside of A */
            rows = m - i < GW_COMBINED * W ? m - i : GW_COMBINED * W;
            const ptrdiff_t vectors = (rows + W - 1) / W;
            const ptrdiff_t whole = rows == vectors * W ? k : gw_whole_rows(k, m, a_col, i + vectors * W);
            GW_NAME(gw_combine)(vectors, whole, p, a_col, x, x_step, part);
            for (ptrdiff_t l = whole; l < k; l++)
                for (ptrdiff_t j = 0; j < rows; j++) part[j] += x[l * x_step] * p[l * a_col + j];
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
        if (y_step == 1 && rows > 1) {
            const GW_NAME(gw_addend) add = {d + i * d_step, &none, d_step};
            GW_NAME(gw_finish)(1, rows, ending, part, 0, add, y + i, &none, 1);
            continue;
        }
        for (ptrdiff_t j = 0; j < rows; j++)
            y[(i + j) * y_step] = GW_NAME(gw_ended)(part[j], ending, d + (i + j) * d_step);
    }
}

/* One row by columns that lie together, over levels of the depth of which the last is short: a filter along the lines of an
   image. Up to four vectors of the result stay in registers while all of the depth goes by. */
#define GW_ROW_ADD1 c0_0 += x * GW_LOAD(p + at[0]);
#define GW_ROW_ADD2 GW_ROW_ADD1 c1_0 += x * GW_LOAD(p + at[1]);
#define GW_ROW_ADD4 GW_ROW_ADD2 c2_0 += x * GW_LOAD(p + at[2]); c3_0 += x * GW_LOAD(p + at[3]);
#define GW_ROW_PUT1 GW_STORE(y, c0_0);
#define GW_ROW_PUT2 GW_ROW_PUT1 GW_STORE(y + GW_W, c1_0);
#define GW_ROW_PUT4 GW_ROW_PUT2 GW_STORE(y + 2 * GW_W, c2_0); GW_STORE(y + 3 * GW_W, c3_0);
#define GW_ROW_OF(V) \
    GW_CALLED void GW_NAME(gw_row_##V)(const gw_level* depth, const GW_REAL* a, const GW_REAL* b, const ptrdiff_t* at, GW_REAL* y) { \
        GW_EACH_##V(GW_ZERO1) \
        for (ptrdiff_t l0 = 0; l0 < depth[0].extent; l0++) \
            for (ptrdiff_t l1 = 0; l1 < depth[1].extent; l1++) { \
                const GW_REAL *w = a + l0 * depth[0].a + l1 * depth[1].a, *p = b + l0 * depth[0].other + l1 * depth[1].other; \
                for (ptrdiff_t l = depth[2].extent; l; l--, w += depth[2].a, p += depth[2].other) { \
                    const GW_REAL x = *w; \
                    GW_ROW_ADD##V \
                } \
            } \
        GW_ROW_PUT##V \
    }
GW_ROW_OF(1)
GW_ROW_OF(2)
GW_ROW_OF(4)
GW_CALLED void GW_NAME(gw_row)(const gw_level* depth, ptrdiff_t n, GW_NAME(gw_ending) ending, const GW_REAL* a, const GW_REAL* b,
                               const GW_REAL* d, ptrdiff_t d_j, GW_REAL* c) {
    enum { W = GW_VECTOR_BYTES / sizeof(GW_REAL) };
    GW_REAL part[4 * W] __attribute__((aligned(64)));
    const ptrdiff_t none = 0;
    for (ptrdiff_t j = 0; j < n; j += 4 * W) {
        const ptrdiff_t left = n - j < 4 * W ? n - j : 4 * W, whole = left / W * W;
        ptrdiff_t at[4], over = whole; /* where what is over is in `part` */
        if (n >= W) { /* the last vector begins in the one before it */
            for (int v = 0; v < 4; v++) at[v] = (v + 1) * W <= left ? v * W : left - W;
            (left <= W ? GW_NAME(gw_row_1) : left <= 2 * W ? GW_NAME(gw_row_2) : GW_NAME(gw_row_4))(depth, a, b + j, at, part);
            over = whole + W - (left - whole);
        } else {
            for (ptrdiff_t r = 0; r < n; r++) part[r] = 0;
            for (ptrdiff_t l0 = 0; l0 < depth[0].extent; l0++)
                for (ptrdiff_t l1 = 0; l1 < depth[1].extent; l1++)
                    for (ptrdiff_t l = 0; l < depth[2].extent; l++) {
                        const GW_REAL x = a[l0 * depth[0].a + l1 * depth[1].a + l * depth[2].a];
                        const GW_REAL* p = b + l0 * depth[0].other + l1 * depth[1].other + l * depth[2].other;
                        for (ptrdiff_t r = 0; r < n; r++) part[r] += x * p[r];
                    }
        }
        const GW_NAME(gw_addend) here = {d + j * d_j, &none, d_j}, rest = {d + (j + whole) * d_j, &none, d_j};
        if (whole) GW_NAME(gw_finish)(1, whole, ending, part, 0, here, c + j, &none, 1);
        if (left > whole) GW_NAME(gw_finish)(1, left - whole, ending, part + over, 0, rest, c + j + whole, &none, 1);
    }
}

/* ---- contractions ---- */

/* What strip comes next where n columns are left: threes of vectors, but no single one after them; where few are over, half a
   vector takes them. */
GW_INLINE ptrdiff_t GW_NAME(gw_strip_kind)(ptrdiff_t n, int halves, int pairs) {
    const ptrdiff_t h = halves ? (2 * n + GW_W - 1) / GW_W : (n + GW_W - 1) / GW_W * 2;
    if (h == 1) return GW_PAIRS && pairs ? GW_NAME(gw_strip_pairs) : GW_NAME(gw_strip_half);
    return h < 4 ? 1 : h < 6 || h == 8 || h == 9 ? 2 : 3;
}

/* Whether inner products take less time than tiles, in cycles about: eight rows with one column are a vector of the depth a step,
   which takes half as long again as one of a tile, whose operands are nearer, and twice as long where rows and columns do not fit
   the first-level cache together; to be added up takes as long as two. What is over of a run counts as a vector, without masks as
   one each. n columns fill half a vector of a tile in part, or a vector. Whichever does not find the columns as it wants them lays
   them out. Measured with 2 to 10 columns and 50 to 3,000 steps. */
GW_INLINE int GW_NAME(gw_dotted)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t run, int along) {
    const ptrdiff_t over = run % GW_W, rows = (m + 7) / 8;
    const ptrdiff_t vectors = k / run * (run / GW_W + (GW_MASKS ? over > 0 : over));
    const ptrdiff_t step = (8 + n) * (k < GW_DEPTH ? k : GW_DEPTH) * (ptrdiff_t)sizeof(GW_REAL) <= 32768 ? 12 : 16;
    const double tile = (double)rows * k * (GW_MASKS && n <= GW_W / 2 ? 4 : 8), laid = (double)k * n;
    return n == 1 || (double)rows * n * (step * vectors + 24) + (along ? 0 : 3 * laid) < tile + (along ? laid : 0);
}

/* Rows [row, row + m) and columns [column, column + n) of a contraction. */
GW_CALLED void GW_NAME(gw_contract_part)(const gw_contraction* what, ptrdiff_t row, ptrdiff_t m, ptrdiff_t column, ptrdiff_t n,
                                         GW_NAME(gw_ending) whole, const GW_REAL* a, const GW_REAL* b, const GW_REAL* d, GW_REAL* c) {
    const gw_level *const outer = what->depth + 1, depth = what->depth[2], rows = what->rows[2];
    const ptrdiff_t columns = GW_COLUMN_BYTES / (ptrdiff_t)sizeof(GW_REAL) / (3 * GW_W) * (3 * GW_W);
    const ptrdiff_t b_row = depth.other, b_col = what->b_j;
    const int plain = what->m == rows.extent && what->k == depth.extent;
    const int dots = what->m > 1 && depth.a == 1 && (b_row == 1 || (what->m >= 32 && what->n > 1)) &&
                     GW_NAME(gw_dotted)(what->m, what->n, what->k, depth.extent, b_row == 1);
    const ptrdiff_t blocks = (what->k + GW_DEPTH - 1) / GW_DEPTH, deep = ((what->k + blocks - 1) / blocks + 15) / 16 * 16;
    /* whether the rows of B are evenly spaced through all of the depth */
    const int even = (outer[0].extent == 1 || outer[0].other == depth.extent * b_row) &&
                     (outer[-1].extent == 1 || outer[-1].other == outer[0].extent * outer[0].other);
    GW_REAL *const packed_a = GW_NAME(gw_packed_a), *const packed_b = GW_NAME(gw_packed_b);
    gw_run runs[GW_MOST_DEPTH], together[GW_MOST_DEPTH];
    ptrdiff_t a_at[GW_MOST_ROWS + 8], c_at[GW_MOST_ROWS + 8], elsewhere[GW_MOST_ROWS + 8];
    /* A is used where it is: packing its rows never paid, nor did packing its columns while they fitted one block of the depth.
       Of a longer depth, columns that fall on few lines of the cache are collected: 1024 x 32 x 2048, A transposed, goes at 64%
       of the peak instead of 39%. Where tiles have four rows, more of them go over a line: 3072 x 100 x 128, 83%, not 73%. */
    const ptrdiff_t stride = depth.a * (ptrdiff_t)sizeof(GW_REAL) % 1024;
    const int pack_a = plain && rows.a == 1 && depth.a != 1 && (stride < 64 || stride > 1024 - 64) && what->m >= 8 &&
                       (what->k > GW_DEPTH || (GW_TILE_ROWS < 8 && what->n > 3 * GW_W));
    const int pairs = GW_PAIRS && depth.a == 1 && what->m >= 16 && (depth.extent % 2 == 0 || depth.extent >= 9);
    /* Few rows do not pay for the packing of B; nor do more of them, where B is read for eight rows at once, or no vector of it goes
       over a line of the cache and a block of the depth lies in so many pages as are known to a core. */
    const ptrdiff_t b_bytes = b_row * (ptrdiff_t)sizeof(GW_REAL);
    const int near = ((uintptr_t)b | (uintptr_t)b_bytes) % GW_VECTOR_BYTES == 0 && deep * b_bytes <= 64 * 4096;
    const int direct = b_col == 1 && m <= (near || GW_TILE_ROWS == 8 ? GW_DIRECT : GW_DIRECT / 2);
    GW_NAME(gw_depth) with = {0};
    for (ptrdiff_t j0 = 0; j0 < n; j0 += columns) {
        const ptrdiff_t jn = n - j0 < columns ? n - j0 : columns;
        for (ptrdiff_t l0 = 0; l0 < what->k; l0 += deep) {
            const ptrdiff_t ln = what->k - l0 < deep ? what->k - l0 : deep;
            with.count = gw_runs(what->depth, l0, ln, runs);
            /* D is added to the first block of the depth, the others to what is there; relu is of the last one */
            const int first = l0 == 0, beside = first && whole.beta != 0 && d != c;
            const GW_NAME(gw_ending) ending = {whole.alpha, first ? whole.beta : 1, l0 + ln == what->k && whole.relu};
            for (ptrdiff_t r = 0, l = 0; r < with.count; l += runs[r++].k) together[r] = (gw_run){runs[r].a, l, runs[r].k};
            ptrdiff_t packed_to = 0; /* the columns up to here are packed */
            for (ptrdiff_t i0 = 0; i0 < m; i0 += GW_BLOCK) {
                const ptrdiff_t in = m - i0 < GW_BLOCK ? m - i0 : GW_BLOCK;
                const GW_REAL* from_a = a;
                with.a_step = depth.a;
                gw_places(what->rows, row + i0, in, a_at, c_at);
                GW_NAME(gw_addend) add = {c, c_at, what->c_j};
                if (beside) {
                    add = (GW_NAME(gw_addend)){d, gw_places_of_d(what->rows, row + i0, in, elsewhere), what->d_j};
                }
                if (dots) {
                    for (ptrdiff_t i = in; i < in + 8; i++) a_at[i] = a_at[in - 1];
                    const GW_REAL* from_b = b + column * b_col;
                    ptrdiff_t from_col = b_col;
                    with.runs = runs;
                    if (b_row != 1) { /* a few columns, one behind the other */
                        for (ptrdiff_t r = 0; r < with.count && i0 == 0; r++)
                            for (ptrdiff_t l = 0; l < runs[r].k; l++)
                                for (ptrdiff_t j = 0; j < n; j++)
                                    packed_b[j * ln + together[r].b + l] = from_b[runs[r].b + l * b_row + j * b_col];
                        from_b = packed_b;
                        from_col = ln;
                        with.runs = together;
                    }
                    add.d += column * add.j;
                    GW_NAME(gw_dots)(in, n, ending, &with, a, a_at, from_b, from_col, add, c + column * what->c_j, c_at, what->c_j);
                    continue;
                }
                if (pack_a) {
                    const ptrdiff_t whole = gw_whole_rows(what->k, what->m, depth.a, row + (i0 + in + 15) / 16 * 16) - l0;
                    GW_NAME(gw_pack_columns)(in, ln, whole, a + row + i0 + l0 * depth.a, depth.a, packed_a, a_at);
                    from_a = packed_a;
                    with.a_step = 16;
                    runs[0].a = together[0].a = 0;
                }
                for (ptrdiff_t i = in; i < in + 8; i++) a_at[i] = a_at[in - 1];
                for (ptrdiff_t j = 0, width; j < jn; j += width) {
                    const ptrdiff_t kind = GW_NAME(gw_strip_kind)(jn - j, GW_MASKS && what->m > 4, pairs);
                    width = kind <= 3 ? kind * GW_W : GW_W / 2;
                    const ptrdiff_t cols = jn - j < width ? jn - j : width;
                    const GW_REAL* from = b + (column + j0 + j) * b_col;
                    GW_REAL *strip = packed_b + j * ln, *to = c + (column + j0 + j) * what->c_j;
                    GW_NAME(gw_addend) from_d = {add.d + (column + j0 + j) * add.j, add.at, add.j};
                    ptrdiff_t done = 0;
                    /* upright, columns are stored one by one, which takes longer than a short depth does */
                    const int deep_enough = !GW_MASKS || what->k >= 12 * cols;
                    if (cols <= GW_W / 2 && deep_enough && plain && rows.a == 1 && depth.a != 1 && in >= GW_W) {
                        const gw_run upright = {runs[0].b, l0 * depth.a, ln};
                        with.packed = 0;
                        with.runs = &upright;
                        with.b_unit = 1;
                        with.a_step = b_row;
                        with.b_step = depth.a;
                        done = GW_NAME(gw_upright)(in, cols, ending, &with, a + row + i0, from, b_col, from_d,
                                                   beside ? rows.d : rows.other, to, c_at, rows.other, what->c_j);
                        from_d.at += done;
                        with.a_step = pack_a ? 16 : depth.a;
                        if (done == in) continue;
                    }
                    const int fits = cols == width ? kind != GW_NAME(gw_strip_pairs) : !GW_MASKS && kind > 1;
                    if (fits && (direct || (b_col == 1 && b_row == width && cols == width))) {
                        with.packed = 0;
                        with.runs = runs;
                        with.b_step = b_row;
                        with.b_unit = 1;
                        GW_NAME(gw_strip)(in - done, kind, cols, ending, &with, from_a, a_at + done, from, from_d, to, c_at + done,
                                          what->c_j);
                        continue;
                    }
                    if (packed_to <= j) {
                        packed_to = j + width;
                        const ptrdiff_t whole =
                            even ? gw_whole_rows(what->k, what->n, b_row, column + j0 + j + width) - l0 : 0;
                        GW_REAL* end = strip;
#if GW_PAIRS
                        if (kind == GW_NAME(gw_strip_pairs)) {
                            for (ptrdiff_t r = 0; r < with.count; r++)
                                end = GW_NAME(gw_pack_pairs)(runs[r].k, cols, whole - together[r].b, from + runs[r].b, b_row,
                                                             b_col, end);
                        } else
#endif
                        if (even) {
                            GW_NAME(gw_pack_strip)(ln, width, cols, whole, from + runs[0].b, b_row, b_col, strip);
                        } else {
                            for (ptrdiff_t r = 0; r < with.count; end += runs[r++].k * width)
                                GW_NAME(gw_pack_strip)(runs[r].k, width, cols, 0, from + runs[r].b, b_row, b_col, end);
                        }
                    }
                    with.packed = 1;
                    with.runs = together;
                    with.b_step = with.b_unit = width;
                    GW_NAME(gw_strip)(in - done, kind, cols, ending, &with, from_a, a_at + done, strip, from_d, to, c_at + done,
                                      what->c_j);
                }
            }
        }
    }
}

/* What a team does together: units of columns, or else of rows, in so many parts. */
typedef struct {
    const gw_contraction* what;
    ptrdiff_t unit, units, parts, columns;
    GW_NAME(gw_ending) ending;
    const GW_REAL *a, *b, *d;
    GW_REAL* c;
} GW_NAME(gw_divided);
GW_CALLED void GW_NAME(gw_contract_parts)(void* of, ptrdiff_t from, ptrdiff_t to, void* own) {
    (void)own;
    const GW_NAME(gw_divided)* const x = of;
    const ptrdiff_t m = x->what->m, n = x->what->n, most = x->columns ? n : m;
    const ptrdiff_t first = x->units * from / x->parts * x->unit, end = x->units * to / x->parts * x->unit;
    const ptrdiff_t count = (end < most ? end : most) - first;
    if (x->columns)
        GW_NAME(gw_contract_part)(x->what, 0, m, first, count, x->ending, x->a, x->b, x->d, x->c);
    else
        GW_NAME(gw_contract_part)(x->what, first, count, 0, n, x->ending, x->a, x->b, x->d, x->c);
}

GW_CALLED void GW_NAME(gw_contract_all)(const gw_contraction* what, GW_NAME(gw_ending) ending, const GW_REAL* a, const GW_REAL* b,
                                        const GW_REAL* d, GW_REAL* c) {
    const ptrdiff_t m = what->m, n = what->n;
    if ((double)m * n * what->k >= GW_PARALLEL && gw_team_size() > 1) {
        /* Columns are divided, so that a weight stays with one core, or rows, where each core packs all of B, which takes as long
           as 10 rows: whatever leaves less to the one that has most. */
        const ptrdiff_t size = gw_team_size(), wide = 3 * GW_W, across = (n + wide - 1) / wide, down = (m + 7) / 8;
        const ptrdiff_t most_columns = (across + size - 1) / size * wide, most_rows = (down + size - 1) / size * 8;
        const int by_columns = across > 1 && (double)most_columns * m <= (double)(most_rows + 10) * n;
        const ptrdiff_t unit = by_columns ? wide : 8, units = by_columns ? across : down;
        GW_NAME(gw_divided) x = {what, unit, units, units < size ? units : size, by_columns, ending, a, b, d, c};
        if (x.parts > 1) {
            gw_team_do(GW_NAME(gw_contract_parts), &x, x.parts, 0, m, n, what->k, (ptrdiff_t)sizeof(GW_REAL) + 16 * size);
            return;
        }
    }
    GW_NAME(gw_contract_part)(what, 0, what->m, 0, what->n, ending, a, b, d, c);
}

/* A few multiplications, where everything lies: four columns (two doubles) at a time where they are contiguous. */
GW_CALLED void GW_NAME(gw_contract_few)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_NAME(gw_ending) ending, const GW_REAL* a,
                                        ptrdiff_t a_row, ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col,
                                        const GW_REAL* d, ptrdiff_t d_row, ptrdiff_t d_col, GW_REAL* c, ptrdiff_t c_row,
                                        ptrdiff_t c_col) {
    typedef GW_REAL quad __attribute__((vector_size(16)));
    typedef GW_REAL anywhere __attribute__((vector_size(16), aligned(sizeof(GW_REAL)), may_alias));
    enum { Q = 16 / sizeof(GW_REAL) };
    const GW_REAL alpha = ending.alpha, beta = ending.beta;
    for (ptrdiff_t i = 0; i < m; i++, a += a_row, c += c_row, d += d_row) {
        ptrdiff_t j = 0;
        if (b_col == 1 && c_col == 1 && (d_col == 1 || beta == 0))
            for (; j + Q <= n; j += Q) {
                quad sum = {0};
                for (ptrdiff_t l = 0; l < k; l++) sum += a[l * a_col] * *(const anywhere*)(b + l * b_row + j);
                sum = beta == 0 ? alpha * sum : alpha * sum + beta * *(const anywhere*)(d + j);
                if (ending.relu) GW_CUT(sum)
                *(anywhere*)(c + j) = sum;
            }
        for (; j < n; j++) {
            GW_REAL sum = 0;
            for (ptrdiff_t l = 0; l < k; l++) sum += a[l * a_col] * b[l * b_row + j * b_col];
            c[j * c_col] = GW_NAME(gw_ended)(sum, ending, d + j * d_col);
        }
    }
}

/* A column by a row of a vector at least, as the gradient of weights is from one sample: row by row, as a tile would do it. The last
   vector ends where the row does; what it is added to is read before the one in front of it is written. */
#define GW_OUTER(at, y) { \
    GW_NAME(gw_vec) sum = x * GW_LOAD(b + (at)) + zero; \
    sum *= ending.alpha; \
    GW_HOLD(sum); \
    if (adds) sum += ending.beta * (y); \
    if (ending.relu) GW_CUT(sum) \
    GW_STORE(c + (at), sum); \
}
GW_INLINE void GW_NAME(gw_outer_rows)(const int adds, ptrdiff_t m, ptrdiff_t n, GW_NAME(gw_ending) ending, const GW_REAL* a,
                                      ptrdiff_t a_row, const GW_REAL* b, const GW_REAL* d, ptrdiff_t d_row, GW_REAL* c,
                                      ptrdiff_t c_row) {
    GW_NAME(gw_vec) zero = {0};
    GW_HOLD(zero);
    for (; m > 0; m--, a += a_row, d += d_row, c += c_row) {
        const GW_REAL x = *a;
        GW_NAME(gw_vec) y = zero;
        ptrdiff_t j = 0;
        if (adds) y = GW_LOAD(d + n - GW_W);
        for (; j + 2 * GW_W <= n; j += 2 * GW_W) {
            GW_OUTER(j, GW_LOAD(d + j))
            GW_OUTER(j + GW_W, GW_LOAD(d + j + GW_W))
        }
        if (j + GW_W <= n) {
            GW_OUTER(j, GW_LOAD(d + j))
            j += GW_W;
        }
        if (j < n) GW_OUTER(n - GW_W, y)
    }
}
GW_CALLED void GW_NAME(gw_outer)(ptrdiff_t m, ptrdiff_t n, GW_NAME(gw_ending) ending, const GW_REAL* a, ptrdiff_t a_row,
                                 const GW_REAL* b, const GW_REAL* d, ptrdiff_t d_row, GW_REAL* c, ptrdiff_t c_row) {
    if (ending.beta != 0)
        GW_NAME(gw_outer_rows)(1, m, n, ending, a, a_row, b, d, d_row, c, c_row);
    else
        GW_NAME(gw_outer_rows)(0, m, n, ending, a, a_row, b, d, d_row, c, c_row);
}

/* One level of rows and one of depth. */
GW_CALLED void GW_NAME(gw_contract_plain)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_NAME(gw_ending) ending, const GW_REAL* a,
                                          ptrdiff_t a_row, ptrdiff_t a_col, const GW_REAL* b, ptrdiff_t b_row, ptrdiff_t b_col,
                                          const GW_REAL* d, ptrdiff_t d_row, ptrdiff_t d_col, GW_REAL* c, ptrdiff_t c_row,
                                          ptrdiff_t c_col) {
    if (m <= 0 || n <= 0) return;
    if (k <= 0) k = 0;
    if ((double)m * n * k <= GW_SMALL) {
        if (b_col == 1 && c_col == 1 && m <= 16 && (n == GW_W || n == 2 * GW_W || n == 3 * GW_W)) {
            const gw_run run = {0, 0, k};
            GW_NAME(gw_depth) depth = {.runs = &run, .count = 1, .a_step = a_col, .b_step = b_row};
            ptrdiff_t a_at[24], c_at[16], d_at[16];
            for (ptrdiff_t i = 0; i < m; i++) a_at[i] = i * a_row, c_at[i] = i * c_row, d_at[i] = i * d_row;
            for (ptrdiff_t i = m; i < m + 8; i++) a_at[i] = a_at[m - 1];
            const GW_NAME(gw_addend) add = {d, d_at, d_col};
            GW_NAME(gw_strip)(m, n / GW_W, n, ending, &depth, a, a_at, b, add, c, c_at, 1);
        } else {
            GW_NAME(gw_contract_few)(m, n, k, ending, a, a_row, a_col, b, b_row, b_col, d, d_row, d_col, c, c_row, c_col);
        }
        return;
    }
    if (n == 1) {
        GW_NAME(gw_gemv)(m, k, ending, a, a_row, a_col, b, b_row, d, d_row, c, c_row);
        return;
    }
    if (k == 1 && m > 1 && n >= GW_W && b_col == 1 && c_col == 1 && (d_col == 1 || ending.beta == 0) &&
        ((double)m * n < GW_PARALLEL || gw_team_size() == 1)) {
        GW_NAME(gw_outer)(m, n, ending, a, a_row, b, d, d_row, c, c_row);
        return;
    }
    if (m == 1 && b_col == 1 && c_col == 1 && k <= GW_W && n >= GW_W) {
        const gw_level depth[3] = {{1, 0, 0, 0}, {1, 0, 0, 0}, {k, a_col, b_row, 0}};
        GW_NAME(gw_row)(depth, n, ending, a, b, d, d_col, c);
        return;
    }
    if (m == 1) {
        GW_NAME(gw_gemv)(n, k, ending, b, b_col, b_row, a, a_col, d, d_col, c, c_col);
        return;
    }
    gw_contraction what = {{{1, 0, 0, 0}, {1, 0, 0, 0}, {m, a_row, c_row, d_row}},
                           {{1, 0, 0, 0}, {1, 0, 0, 0}, {k, a_col, b_row, 0}}, m, k, n, b_col, c_col, d_col};
    /* Where what is stored is its transpose, that is computed; and where B is transposed and it costs more to pack it than to pack A
       and turn C, unless little of a vector is filled for a short time. Then B is read where it is: 64 x 512 x 512 goes at 96% of the
       peak instead of 84%, 8 x 512 x 512 at 84% instead of 40%. */
    const int turned = b_row == 1 && b_col != 1 && c_col == 1 && (m >= GW_W || k >= 4 * GW_W) &&
                       (a_col == 1 ? (double)k * (n - m) > (double)m * n : a_row == 1 && k > m);
    if ((c_col != 1 && c_row == 1) || turned) {
        what.rows[2] = (gw_level){n, b_col, c_col, d_col};
        what.depth[2] = (gw_level){k, b_row, a_col, 0};
        what.m = n, what.n = m, what.b_j = a_row, what.c_j = c_row, what.d_j = d_row;
        GW_NAME(gw_contract_all)(&what, ending, b, a, d, c);
        return;
    }
    GW_NAME(gw_contract_all)(&what, ending, a, b, d, c);
}

GW_CONTRACT_ENTRY void GW_NAME(gw_contract_onto)(
    ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t d_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t d_i1,
    ptrdiff_t m2, ptrdiff_t a_i2, ptrdiff_t c_i2, ptrdiff_t d_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1,
    ptrdiff_t a_l1, ptrdiff_t b_l1, ptrdiff_t k2, ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j,
    ptrdiff_t d_j, GW_REAL alpha, const GW_REAL* a, const GW_REAL* b, GW_REAL beta, const GW_REAL* d, int stored, GW_REAL* c) {
    gw_contraction what = {{{m0, a_i0, c_i0, d_i0}, {m1, a_i1, c_i1, d_i1}, {m2, a_i2, c_i2, d_i2}},
                           {{k0, a_l0, b_l0, 0}, {k1, a_l1, b_l1, 0}, {k2, a_l2, b_l2, 0}}, 0, 0, n, b_j, c_j, d_j};
    gw_level *const x = what.rows, *const y = what.depth;
    const GW_NAME(gw_ending) ending = {alpha, beta, stored == GW_RELU};
    if (m0 <= 0 || m1 <= 0 || m2 <= 0 || n <= 0) return;
    if (k0 <= 0 || k1 <= 0 || k2 <= 0) y[0].extent = y[1].extent = 1, y[2].extent = 0;
    gw_merge(x);
    gw_merge(y);
    what.m = x[0].extent * x[1].extent * x[2].extent;
    what.k = y[0].extent * y[1].extent * y[2].extent;
    const int plain = what.m == x[2].extent && what.k == y[2].extent;
    if (!plain && what.m > 1 && (double)what.m * n * what.k > GW_SMALL) {
        GW_NAME(gw_contract_all)(&what, ending, a, b, d, c);
        return;
    }
    if (what.m == 1 && y[1].extent > 1 && y[1].other < y[2].other) { /* along the rows of B as they lie */
        const gw_level outer = y[1];
        y[1] = y[2];
        y[2] = outer;
    }
    if (what.m == 1 && b_j == 1 && c_j == 1 && y[1].extent > 1 && y[2].extent <= GW_W) {
        GW_NAME(gw_row)(y, n, ending, a, b, d, d_j, c);
        return;
    }
    const ptrdiff_t parts = y[0].extent * y[1].extent;
    for (ptrdiff_t i0 = 0; i0 < x[0].extent; i0++)
        for (ptrdiff_t i1 = 0; i1 < x[1].extent; i1++)
            for (ptrdiff_t part = 0; part < parts; part++) {
                const ptrdiff_t l0 = part / y[1].extent, l1 = part % y[1].extent;
                const GW_REAL* from = a + i0 * x[0].a + i1 * x[1].a + l0 * y[0].a + l1 * y[1].a;
                const GW_REAL* with = b + l0 * y[0].other + l1 * y[1].other;
                GW_REAL* to = c + i0 * x[0].other + i1 * x[1].other;
                const GW_NAME(gw_ending) here = {alpha, part == 0 ? beta : 1, part == parts - 1 && ending.relu};
                if (part == 0)
                    GW_NAME(gw_contract_plain)(x[2].extent, n, y[2].extent, here, from, x[2].a, y[2].a, with, y[2].other, b_j,
                                               d + i0 * x[0].d + i1 * x[1].d, x[2].d, d_j, to, x[2].other, c_j);
                else
                    GW_NAME(gw_contract_plain)(x[2].extent, n, y[2].extent, here, from, x[2].a, y[2].a, with, y[2].other, b_j,
                                               to, x[2].other, c_j, to, x[2].other, c_j);
            }
}

GW_CONTRACT_ENTRY void GW_NAME(gw_contract)(
    ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t m2, ptrdiff_t a_i2,
    ptrdiff_t c_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1, ptrdiff_t a_l1, ptrdiff_t b_l1, ptrdiff_t k2,
    ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j, GW_REAL alpha, const GW_REAL* a, const GW_REAL* b,
    GW_REAL beta, GW_REAL* c) {
    GW_NAME(gw_contract_onto)(m0, a_i0, c_i0, c_i0, m1, a_i1, c_i1, c_i1, m2, a_i2, c_i2, c_i2, k0, a_l0, b_l0, k1, a_l1, b_l1, k2,
                              a_l2, b_l2, n, b_j, c_j, c_j, alpha, a, b, beta, c, 0, c);
}

GW_CONTRACT_ENTRY void GW_NAME(gw_gemm_onto)(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row, ptrdiff_t a_col, const GW_REAL* b,
    ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta, const GW_REAL* d, ptrdiff_t d_row, ptrdiff_t d_col, int stored, GW_REAL* c,
    ptrdiff_t c_row) {
    const GW_NAME(gw_ending) ending = {alpha, beta, stored == GW_RELU};
    GW_NAME(gw_contract_plain)(m, n, k, ending, a, a_row, a_col, b, b_row, b_col, d, d_row, d_col, c, c_row, 1);
}

GW_CONTRACT_ENTRY void GW_NAME(gw_gemm_any)(
    ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, GW_REAL alpha, const GW_REAL* a, ptrdiff_t a_row, ptrdiff_t a_col, const GW_REAL* b,
    ptrdiff_t b_row, ptrdiff_t b_col, GW_REAL beta, GW_REAL* c, ptrdiff_t c_row) {
    GW_NAME(gw_gemm_onto)(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row, 1, 0, c, c_row);
}

GW_CONTRACT_ENTRY void GW_NAME(gw_products)(ptrdiff_t count, ptrdiff_t m, ptrdiff_t vectors, ptrdiff_t k, const GW_REAL* a,
                                            ptrdiff_t a_row, ptrdiff_t a_col, ptrdiff_t a_apart, const GW_REAL* b,
                                            ptrdiff_t b_apart, GW_REAL beta, GW_REAL* c, ptrdiff_t c_apart) {
    ptrdiff_t a_at[GW_MOST_ROWS + 8], c_at[GW_MOST_ROWS];
    const ptrdiff_t width = vectors * GW_W;
    const gw_run run = {0, 0, k};
    const GW_NAME(gw_ending) ending = {1, beta, 0};
    GW_NAME(gw_depth) depth = {.runs = &run, .count = 1, .a_step = a_col, .b_step = width, .b_unit = 1};
    for (ptrdiff_t i0 = 0; i0 < m; i0 += GW_MOST_ROWS, a += GW_MOST_ROWS * a_row, c += GW_MOST_ROWS * width) {
        const ptrdiff_t in = m - i0 < GW_MOST_ROWS ? m - i0 : GW_MOST_ROWS;
        for (ptrdiff_t i = 0; i < in; i++) a_at[i] = i * a_row, c_at[i] = i * width;
        for (ptrdiff_t i = in; i < in + 8; i++) a_at[i] = a_at[in - 1];
        for (ptrdiff_t x = 0; x < count; x++) {
            GW_REAL* const to = c + x * c_apart;
            const GW_NAME(gw_addend) add = {to, c_at, 1};
            GW_NAME(gw_strip)(in, vectors, width, ending, &depth, a + x * a_apart, a_at, b + x * b_apart, add, to, c_at, 1);
        }
    }
}

#undef GW_INTERLEAVE
#undef GW_OUTER
#undef GW_ROW_ADD1
#undef GW_ROW_ADD2
#undef GW_ROW_ADD4
#undef GW_ROW_PUT1
#undef GW_ROW_PUT2
#undef GW_ROW_PUT4
#undef GW_ROW_OF
#undef GW_DOT1
#undef GW_DOT2
#undef GW_DOT3
#undef GW_DOTTED
#undef GW_DOTTED1
#undef GW_DOTTED2
#undef GW_DOTTED3
#undef GW_COLUMN
#undef GW_COLUMNS1
#undef GW_COLUMNS2
#undef GW_COLUMNS3
#undef GW_COLUMN_LAST
#undef GW_LAST1
#undef GW_LAST2
#undef GW_LAST3
#undef GW_DOTEND1
#undef GW_DOTEND2
#undef GW_DOTEND3
#undef GW_DOTEND
#undef GW_OVER
#undef GW_ACROSS
#undef GW_TOTAL
#undef GW_TOTAL1
#undef GW_TOTAL2
#undef GW_TOTAL3
#undef GW_DOTS
#undef GW_ROW
#undef GW_ZERO1
#undef GW_ZERO2
#undef GW_ZERO3
#undef GW_ZEROh
#undef GW_FMA1
#undef GW_FMA2
#undef GW_FMA3
#undef GW_FMAh
#undef GW_READ
#undef GW_READ1
#undef GW_READ2
#undef GW_READ3
#undef GW_READh
#undef GW_LAST
#undef GW_MASKED
#undef GW_MASKED_READ
#undef GW_ENDED_ONE
#undef GW_CUT1
#undef GW_CUT2
#undef GW_CUT3
#undef GW_CUTh
#undef GW_SCALE1
#undef GW_SCALE2
#undef GW_SCALE3
#undef GW_SCALEh
#undef GW_ADD
#undef GW_ADD_LAST
#undef GW_ADD1
#undef GW_ADD2
#undef GW_ADD3
#undef GW_ADDh
#undef GW_PUT1
#undef GW_PUT2
#undef GW_PUT3
#undef GW_PUTh
#undef GW_TILE
#undef GW_PAIR
#undef GW_ODD
#undef GW_SPREAD
#undef GW_SUM
#undef GW_SUMS_4
#undef GW_SUMS_5
#undef GW_SUMS_8
#undef GW_TILE_PAIRS
