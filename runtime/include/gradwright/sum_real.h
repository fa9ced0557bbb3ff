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

/* A few terms, whose number the compiler knows: in vectors of 32 and 16 bytes, the lanes of each added in pairs. The first products
   are rounded: which of two products in a sum gcc fuses depends on where it stands, and forward and predict would differ. */
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
        GW_FIRST(c) \
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

#define GW_FIRST(c)
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

#undef GW_FIRST
#define GW_FIRST(c) GW_ROUNDED(c);
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
#undef GW_FIRST

/* The larger of each pair of lanes, and the lesser of whole numbers; a NaN stays, since nothing is larger, and replaces, since it differs from itself. */
#define GW_LARGER(larger, lesser, vec, whole) \
    GW_INLINE GW_NAME(vec) GW_NAME(larger)(GW_NAME(vec) m, GW_NAME(vec) x) { \
        const GW_NAME(whole) take = (GW_NAME(whole))((x > m) | (x != x)); \
        return (GW_NAME(vec))(((GW_NAME(whole))x & take) | ((GW_NAME(whole))m & ~take)); \
    } \
    GW_INLINE GW_NAME(whole) GW_NAME(lesser)(GW_NAME(whole) a, GW_NAME(whole) b) { \
        const GW_NAME(whole) take = (GW_NAME(whole))(b < a); \
        return (b & take) | (a & ~take); \
    }
GW_LARGER(gw_larger, gw_lesser, gw_vec, gw_lanes)
#if GW_VECTOR_BYTES >= 32
GW_LARGER(gw_larger_32, gw_lesser_32, gw_32, gw_whole_32)
#endif
GW_LARGER(gw_larger_16, gw_lesser_16, gw_16, gw_whole_16)
GW_INLINE GW_REAL GW_NAME(gw_larger_one)(GW_REAL m, GW_REAL x) { return ((x > m) | (x != x)) ? x : m; }

/* What `larger` makes of both halves of a vector. By way of a copy: what has an address stays in memory, also in loops. */
#define GW_FOLD(larger, half, bytes, v, to) \
    do { \
        GW_NAME(half##_##bytes) halves[2]; \
        __typeof__(v) copy = v; \
        memcpy(halves, &copy, sizeof halves); \
        to = GW_NAME(larger##_##bytes)(halves[0], halves[1]); \
    } while (0)
#if GW_VECTOR_BYTES == 64
#define GW_FOLD_64(larger, half, v, to) GW_FOLD(larger, half, 32, v, to)
#elif GW_VECTOR_BYTES == 32
#define GW_FOLD_64(larger, half, v, to) to = (GW_NAME(half##_32))(v)
#endif

/* The largest of sign*x, for a sign of 1 or -1. */
GW_INLINE GW_REAL GW_NAME(gw_extreme)(GW_REAL sign, const GW_REAL* x, ptrdiff_t n) {
    GW_NAME(gw_vec) v = (GW_NAME(gw_vec)){0} - (GW_REAL)__builtin_inf();
    ptrdiff_t i = 0;
    if (n >= GW_W) {
        GW_NAME(gw_vec) c0 = sign * GW_LOAD(x), c1 = c0, c2 = c0, c3 = c0;
        for (; i + 4 * GW_W <= n; i += 4 * GW_W) {
            c0 = GW_NAME(gw_larger)(c0, sign * GW_LOAD(x + i));
            c1 = GW_NAME(gw_larger)(c1, sign * GW_LOAD(x + i + GW_W));
            c2 = GW_NAME(gw_larger)(c2, sign * GW_LOAD(x + i + 2 * GW_W));
            c3 = GW_NAME(gw_larger)(c3, sign * GW_LOAD(x + i + 3 * GW_W));
        }
        if (i > 0) c0 = GW_NAME(gw_larger)(GW_NAME(gw_larger)(c0, c1), GW_NAME(gw_larger)(c2, c3));
        for (; i + GW_W <= n; i += GW_W) c0 = GW_NAME(gw_larger)(c0, sign * GW_LOAD(x + i));
        v = c0;
    }
    GW_NAME(gw_16) v16;
#if GW_VECTOR_BYTES >= 32
    GW_NAME(gw_32) v32;
    GW_FOLD_64(gw_larger, gw, v, v32);
    const ptrdiff_t w32 = 32 / sizeof(GW_REAL);
    if (n - i >= w32) v32 = GW_NAME(gw_larger_32)(v32, sign * GW_PIECE(32, x + i)), i += w32;
    GW_FOLD(gw_larger, gw, 16, v32, v16);
#else
    v16 = (GW_NAME(gw_16))v;
#endif
    const ptrdiff_t w16 = 16 / sizeof(GW_REAL);
    if (n - i >= w16) v16 = GW_NAME(gw_larger_16)(v16, sign * GW_PIECE(16, x + i)), i += w16;
    if (sizeof(GW_REAL) == 4) v16 = GW_NAME(gw_larger_16)(v16, GW_SWAPPED(v16, gw_whole_16, GW_HALVES_16));
    GW_REAL best = GW_NAME(gw_larger_one)(v16[0], v16[1]);
    for (; i < n; i++) best = GW_NAME(gw_larger_one)(best, sign * x[i]);
    return best;
}
GW_CALLED GW_REAL GW_NAME(gw_maximum)(const GW_REAL* x, ptrdiff_t n) { return GW_NAME(gw_extreme)(1, x, n); }
GW_CALLED GW_REAL GW_NAME(gw_minimum)(const GW_REAL* x, ptrdiff_t n) { return -GW_NAME(gw_extreme)(-1, x, n); }

/* Where the largest of sign*x is, or the first NaN: first which it is, then where it stands, which both go by vectors. */
GW_INLINE ptrdiff_t GW_NAME(gw_place_of)(GW_REAL sign, const GW_REAL* x, ptrdiff_t n) {
    const GW_REAL best = sign * GW_NAME(gw_extreme)(sign, x, n);
    ptrdiff_t i = 0;
    if (n >= GW_W && n <= GW_SUM_BLOCK) {
        GW_WHOLE lane[GW_VECTOR_BYTES / sizeof(GW_REAL)] __attribute__((aligned(GW_VECTOR_BYTES)));
        GW_NAME(gw_lanes) here, v = (GW_NAME(gw_lanes)){0} + (GW_WHOLE)n;
        for (ptrdiff_t j = 0; j < GW_W; j++) lane[j] = (GW_WHOLE)j;
        memcpy(&here, lane, sizeof here);
        for (i = n / GW_W * GW_W - GW_W; i >= 0; i -= GW_W) { /* backwards: what comes first has the last word */
            const GW_NAME(gw_vec) terms = GW_LOAD(x + i);
            const GW_NAME(gw_lanes) take = (GW_NAME(gw_lanes))((terms == best) | (terms != terms));
            v = ((here + (GW_WHOLE)i) & take) | (v & ~take);
        }
        GW_NAME(gw_whole_16) v16;
#if GW_VECTOR_BYTES >= 32
        GW_NAME(gw_whole_32) v32;
        GW_FOLD_64(gw_lesser, gw_whole, v, v32);
        GW_FOLD(gw_lesser, gw_whole, 16, v32, v16);
#else
        v16 = (GW_NAME(gw_whole_16))v;
#endif
        if (sizeof(GW_REAL) == 4) v16 = GW_NAME(gw_lesser_16)(v16, GW_SWAPPED(v16, gw_whole_16, GW_HALVES_16));
        const GW_WHOLE first = v16[0] < v16[1] ? v16[0] : v16[1];
        if (first < n) return (ptrdiff_t)first;
        i = n / GW_W * GW_W;
    }
    for (; i < n; i++)
        if ((x[i] == best) | (x[i] != x[i])) return i;
    return 0;
}
GW_CALLED ptrdiff_t GW_NAME(gw_place_of_maximum)(const GW_REAL* x, ptrdiff_t n) { return GW_NAME(gw_place_of)(1, x, n); }
GW_CALLED ptrdiff_t GW_NAME(gw_place_of_minimum)(const GW_REAL* x, ptrdiff_t n) { return GW_NAME(gw_place_of)(-1, x, n); }

#undef GW_LARGER
#undef GW_FOLD
#undef GW_FOLD_64
#undef GW_SUM_OF
#undef GW_SUM_ZERO
#undef GW_SUM_ONE
#undef GW_FEW
#undef GW_FEW_32
#undef GW_SHORT_OF
#undef GW_PIECE
