/* The body of sum.h, included once for each real type. */

/* The sum of the lanes, in pairs. */
GW_INLINE GW_REAL GW_NAME(gw_across)(GW_NAME(gw_vec) v) {
    GW_REAL lane[GW_VECTOR_BYTES / sizeof(GW_REAL)] __attribute__((aligned(GW_VECTOR_BYTES)));
    GW_STORE(lane, v);
    for (ptrdiff_t half = GW_W / 2; half >= 1; half /= 2)
        for (ptrdiff_t j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

/* A block of n terms: at(i) is the vector of the terms from i on, one(i) a single term. */
#define GW_SUM_OF(name, parameters, arguments, later, at, one) \
    GW_CALLED GW_REAL GW_NAME(name) parameters { \
        if (n > GW_SUM_BLOCK) { \
            const ptrdiff_t half = (n / 2 + GW_SUM_BLOCK - 1) / GW_SUM_BLOCK * GW_SUM_BLOCK; \
            const GW_REAL left = GW_NAME(name) arguments; \
            return left + GW_NAME(name) later; \
        } \
        GW_REAL sum = 0; \
        ptrdiff_t i = 0; \
        if (n >= GW_W) { \
            GW_EACH_8(GW_SUM_ZERO) \
            for (; i + 8 * GW_W <= n; i += 8 * GW_W) { \
                c0 += at(i); \
                c1 += at(i + GW_W); \
                c2 += at(i + 2 * GW_W); \
                c3 += at(i + 3 * GW_W); \
                c4 += at(i + 4 * GW_W); \
                c5 += at(i + 5 * GW_W); \
                c6 += at(i + 6 * GW_W); \
                c7 += at(i + 7 * GW_W); \
            } \
            for (; i + GW_W <= n; i += GW_W) c0 += at(i); \
            sum = GW_NAME(gw_across)(((c0 + c1) + (c2 + c3)) + ((c4 + c5) + (c6 + c7))); \
        } \
        for (; i < n; i++) sum += one(i); \
        return sum; \
    }
#define GW_SUM_ZERO(j) GW_NAME(gw_vec) c##j = {0};
#define GW_SUM_ONE(j) GW_NAME(gw_vec) c##j = ones;

#define GW_AT(i) GW_LOAD(x + (i))
#define GW_ONE(i) x[i]
GW_SUM_OF(gw_sum, (const GW_REAL* x, ptrdiff_t n), (x, half), (x + half, n - half), GW_AT, GW_ONE)
#undef GW_AT
#undef GW_ONE

#define GW_AT(i) (GW_LOAD(x + (i)) * GW_LOAD(x + (i)))
#define GW_ONE(i) x[i] * x[i]
GW_SUM_OF(gw_squares, (const GW_REAL* x, ptrdiff_t n), (x, half), (x + half, n - half), GW_AT, GW_ONE)
#undef GW_AT
#undef GW_ONE

#define GW_AT(i) ((GW_NAME(gw_vec))((GW_NAME(gw_lanes))GW_LOAD(x + (i)) & GW_ALL_BUT_SIGN))
#define GW_ONE(i) (x[i] < 0 ? -x[i] : x[i])
GW_SUM_OF(gw_absolutes, (const GW_REAL* x, ptrdiff_t n), (x, half), (x + half, n - half), GW_AT, GW_ONE)
#undef GW_AT
#undef GW_ONE

#define GW_AT(i) (GW_LOAD(x + (i)) * GW_LOAD(y + (i)))
#define GW_ONE(i) x[i] * y[i]
GW_SUM_OF(gw_dot, (const GW_REAL* x, const GW_REAL* y, ptrdiff_t n), (x, y, half), (x + half, y + half, n - half), GW_AT, GW_ONE)
#undef GW_AT
#undef GW_ONE

/* The product, of which each of eight vectors takes every eighth part. */
GW_CALLED GW_REAL GW_NAME(gw_product)(const GW_REAL* x, ptrdiff_t n) {
    GW_REAL product = 1, lane[GW_VECTOR_BYTES / sizeof(GW_REAL)] __attribute__((aligned(GW_VECTOR_BYTES)));
    ptrdiff_t i = 0;
    if (n >= GW_W) {
        const GW_NAME(gw_vec) ones = (GW_NAME(gw_vec)){0} + 1;
        GW_EACH_8(GW_SUM_ONE)
        for (; i + 8 * GW_W <= n; i += 8 * GW_W) {
            c0 *= GW_LOAD(x + i);
            c1 *= GW_LOAD(x + i + GW_W);
            c2 *= GW_LOAD(x + i + 2 * GW_W);
            c3 *= GW_LOAD(x + i + 3 * GW_W);
            c4 *= GW_LOAD(x + i + 4 * GW_W);
            c5 *= GW_LOAD(x + i + 5 * GW_W);
            c6 *= GW_LOAD(x + i + 6 * GW_W);
            c7 *= GW_LOAD(x + i + 7 * GW_W);
        }
        for (; i + GW_W <= n; i += GW_W) c0 *= GW_LOAD(x + i);
        GW_STORE(lane, ((c0 * c1) * (c2 * c3)) * ((c4 * c5) * (c6 * c7)));
        for (ptrdiff_t half = GW_W / 2; half >= 1; half /= 2)
            for (ptrdiff_t j = 0; j < half; j++) lane[j] *= lane[j + half];
        product = lane[0];
    }
    for (; i < n; i++) product *= x[i];
    return product;
}

/* A few terms, whose number the compiler knows: in vectors of 32 and 16 bytes, the lanes of each added in pairs. */
GW_INLINE GW_REAL GW_NAME(gw_across_16)(GW_NAME(gw_16) v) {
    if (sizeof(GW_REAL) == 4) v += GW_SWAPPED(v, gw_whole_16, GW_HALVES_16);
    return v[0] + v[1];
}
GW_INLINE GW_REAL GW_NAME(gw_across_32)(GW_NAME(gw_32) v) {
    v += GW_SWAPPED(v, gw_whole_32, GW_HALVES_32);
    if (sizeof(GW_REAL) == 4) v += GW_SWAPPED(v, gw_whole_32, GW_QUARTERS_32);
    return v[0] + v[1];
}
#define GW_FEW(bytes, at) \
    if (n - i >= (ptrdiff_t)(bytes / sizeof(GW_REAL))) { \
        const int first = i == 0; /* nothing to add to */ \
        GW_NAME(gw_##bytes) c = at(bytes, i); \
        for (i += bytes / (ptrdiff_t)sizeof(GW_REAL); n - i >= (ptrdiff_t)(bytes / sizeof(GW_REAL)); \
             i += bytes / (ptrdiff_t)sizeof(GW_REAL)) \
            c += at(bytes, i); \
        sum = first ? GW_NAME(gw_across_##bytes)(c) : sum + GW_NAME(gw_across_##bytes)(c); \
    }
#if GW_VECTOR_BYTES >= 32
#define GW_FEW_32(at) GW_FEW(32, at)
#else
#define GW_FEW_32(at)
#endif
#define GW_SHORT_OF(name, parameters, at, one) \
    GW_INLINE GW_REAL GW_NAME(name) parameters { \
        GW_REAL sum = 0; \
        ptrdiff_t i = 0; \
        GW_FEW_32(at) \
        GW_FEW(16, at) \
        for (; i < n; i++) sum += one(i); \
        return sum; \
    }
#define GW_PIECE(bytes, p) (*(const GW_NAME(gw_any_##bytes)*)(p))

#define GW_AT(bytes, i) GW_PIECE(bytes, x + (i))
#define GW_ONE(i) x[i]
GW_SHORT_OF(gw_short_sum, (const GW_REAL* x, ptrdiff_t n), GW_AT, GW_ONE)
#undef GW_AT
#undef GW_ONE

#define GW_AT(bytes, i) ((GW_NAME(gw_##bytes))((GW_NAME(gw_whole_##bytes))GW_PIECE(bytes, x + (i)) & GW_ALL_BUT_SIGN))
#define GW_ONE(i) (x[i] < 0 ? -x[i] : x[i])
GW_SHORT_OF(gw_short_absolutes, (const GW_REAL* x, ptrdiff_t n), GW_AT, GW_ONE)
#undef GW_AT
#undef GW_ONE

#define GW_AT(bytes, i) (GW_PIECE(bytes, x + (i)) * GW_PIECE(bytes, x + (i)))
#define GW_ONE(i) x[i] * x[i]
GW_SHORT_OF(gw_short_squares, (const GW_REAL* x, ptrdiff_t n), GW_AT, GW_ONE)
#undef GW_AT
#undef GW_ONE

#define GW_AT(bytes, i) (GW_PIECE(bytes, x + (i)) * GW_PIECE(bytes, y + (i)))
#define GW_ONE(i) x[i] * y[i]
GW_SHORT_OF(gw_short_dot, (const GW_REAL* x, const GW_REAL* y, ptrdiff_t n), GW_AT, GW_ONE)
#undef GW_AT
#undef GW_ONE

/* The larger of each pair of lanes; a NaN stays, since nothing is larger, and replaces, since it differs from itself. */
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_larger)(GW_NAME(gw_vec) m, GW_NAME(gw_vec) x) {
    const GW_NAME(gw_lanes) take = (GW_NAME(gw_lanes))((x > m) | (x != x));
    return (GW_NAME(gw_vec))(((GW_NAME(gw_lanes))x & take) | ((GW_NAME(gw_lanes))m & ~take));
}

/* The largest of sign*x, for a sign of 1 or -1. */
GW_INLINE GW_REAL GW_NAME(gw_extreme)(GW_REAL sign, const GW_REAL* x, ptrdiff_t n) {
    GW_REAL best = -(GW_REAL)__builtin_inf();
    ptrdiff_t i = 0;
    if (n >= GW_W) {
        GW_REAL lane[GW_VECTOR_BYTES / sizeof(GW_REAL)] __attribute__((aligned(GW_VECTOR_BYTES)));
        GW_NAME(gw_vec) c0 = sign * GW_LOAD(x), c1 = c0, c2 = c0, c3 = c0;
        for (; i + 4 * GW_W <= n; i += 4 * GW_W) {
            c0 = GW_NAME(gw_larger)(c0, sign * GW_LOAD(x + i));
            c1 = GW_NAME(gw_larger)(c1, sign * GW_LOAD(x + i + GW_W));
            c2 = GW_NAME(gw_larger)(c2, sign * GW_LOAD(x + i + 2 * GW_W));
            c3 = GW_NAME(gw_larger)(c3, sign * GW_LOAD(x + i + 3 * GW_W));
        }
        for (; i + GW_W <= n; i += GW_W) c0 = GW_NAME(gw_larger)(c0, sign * GW_LOAD(x + i));
        GW_STORE(lane, GW_NAME(gw_larger)(GW_NAME(gw_larger)(c0, c1), GW_NAME(gw_larger)(c2, c3)));
        for (ptrdiff_t j = 0; j < GW_W; j++) best = ((lane[j] > best) | (lane[j] != lane[j])) ? lane[j] : best;
    }
    for (; i < n; i++) {
        const GW_REAL t = sign * x[i];
        best = ((t > best) | (t != t)) ? t : best;
    }
    return best;
}
GW_CALLED GW_REAL GW_NAME(gw_maximum)(const GW_REAL* x, ptrdiff_t n) { return GW_NAME(gw_extreme)(1, x, n); }
GW_CALLED GW_REAL GW_NAME(gw_minimum)(const GW_REAL* x, ptrdiff_t n) { return -GW_NAME(gw_extreme)(-1, x, n); }

#undef GW_SUM_OF
#undef GW_SUM_ZERO
#undef GW_SUM_ONE
#undef GW_FEW
#undef GW_FEW_32
#undef GW_SHORT_OF
#undef GW_PIECE
