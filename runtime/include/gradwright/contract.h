/* Contractions: C[i, j] = alpha sum_l A[i, l] B[l, j] + beta C[i, j] over rows i = (i0, i1, i2) and depth l = (l0, l1, l2).

     gw_contract_f32(m0, a_i0, c_i0, m1, a_i1, c_i1, m2, a_i2, c_i2,
                     k0, a_l0, b_l0, k1, a_l1, b_l1, k2, a_l2, b_l2,
                     n, b_j, c_j, alpha, a, b, beta, c)        and gw_contract_f64

     gw_contract_onto_f32(m0, a_i0, c_i0, d_i0, ..., n, b_j, c_j, d_j, alpha, a, b, beta, d, stored, c)

   adds to D, which has its own strides and may be a row that is the same for all (a bias: strides of 0), and stores what is above 0
   where that is asked for (GW_RELU): both as a tile leaves the registers. D is C itself, or overlaps it nowhere.

   Levels are outer to inner, each with its extent and its strides in reals; those that are not needed have extent 1. Strides may
   be anything, zero included for A and B; C overlaps neither. With beta == 0, C is only written. A matrix product has one level
   of each (gemm.h). A convolution, channels last, has rows (image, y, x) and depth (u, v, channel); the gradient of its weights
   has these exchanged.

   A tile of C, eight rows by up to three vectors, stays in registers while a block of the depth goes by. Its rows are found
   through a table, so that they may lie in different lines of an image, and the depth is a list of runs, in each of which the
   steps are even: nothing is gathered beforehand. Every element of C is the sum over l in blocks of at most GW_DEPTH, each in
   order (where half a vector of columns is computed in pairs, the even l of a run and the odd ones apart; where few columns are
   inner products, in the lanes of vectors), whatever tile computes it and whatever thread: the same bits with any number of threads.

   What gcc makes of the tiles (-O1 as below, AVX-512; the same with AVX2): nothing of a tile is spilled, B is read once a step
   and A once a row. 8 x 3 is 39 instructions for 24 multiply-adds and 11 loads, 8 x 2 is 30 for 16 and 10, 8 x 1 is 13 for 8 and
   9, with A as the memory operand of the multiply-add. So 8 x 3 and 8 x 2 are bound by multiply-adds wherever as many loads go
   beside them, and 8 x 1 by loads at 8/9 of that. So is a tile of half a vector (n <= 8 in float32) even where two halves take
   the time of one whole vector, which is what pairs are for: one load then serves two steps. Where B is for a run is looked up
   anew: handed on from run to run, it was what a tile waited for.

   A depth of one, as the gradient of weights has for one sample, is no tile's work: each row is written as memory lies.

   A product that wants a transposed operand packed has it turned in squares, in registers; gw_transpose_f32 is that alone:
   to[j*to_row + i] = from[i*from_row + j] for i < rows, j < columns.

   gw_products_f32 is `count` small products side by side, C = A B + beta C: m rows by a strip of up to three vectors, whose
   rows in B and in C follow one another. Each operand is so far apart from the next.

   Nothing depends on the machine but the width of its vectors (vector.h) and the number of its registers. */
#ifndef GRADWRIGHT_CONTRACT_H
#define GRADWRIGHT_CONTRACT_H

#include "object.h"
#include "vector.h"
#include "ending.h"
#include "blocking.h"

#if defined(GW_OBJECT_CONTRACT)
#define GW_CONTRACT_ENTRY GW_SHARED
#elif defined(GW_LINKED_CONTRACT)
#define GW_CONTRACT_ENTRY GW_ELSEWHERE
#else
#define GW_CONTRACT_ENTRY GW_CALLED
#endif

#define GW_ENTRIES(REAL, s) \
    GW_CONTRACT_ENTRY void gw_contract_##s( \
        ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t m2, \
        ptrdiff_t a_i2, ptrdiff_t c_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1, ptrdiff_t a_l1, \
        ptrdiff_t b_l1, ptrdiff_t k2, ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j, REAL alpha, \
        const REAL* a, const REAL* b, REAL beta, REAL* c); \
    GW_CONTRACT_ENTRY void gw_contract_onto_##s( \
        ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t d_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t d_i1, \
        ptrdiff_t m2, ptrdiff_t a_i2, ptrdiff_t c_i2, ptrdiff_t d_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1, \
        ptrdiff_t a_l1, ptrdiff_t b_l1, ptrdiff_t k2, ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j, \
        ptrdiff_t d_j, REAL alpha, const REAL* a, const REAL* b, REAL beta, const REAL* d, int stored, REAL* c); \
    GW_CONTRACT_ENTRY void gw_gemm_onto_##s( \
        ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, REAL alpha, const REAL* a, ptrdiff_t a_row, ptrdiff_t a_col, const REAL* b, \
        ptrdiff_t b_row, ptrdiff_t b_col, REAL beta, const REAL* d, ptrdiff_t d_row, ptrdiff_t d_col, int stored, REAL* c, \
        ptrdiff_t c_row); \
    GW_CONTRACT_ENTRY void gw_gemm_any_##s( \
        ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, REAL alpha, const REAL* a, ptrdiff_t a_row, ptrdiff_t a_col, const REAL* b, \
        ptrdiff_t b_row, ptrdiff_t b_col, REAL beta, REAL* c, ptrdiff_t c_row); \
    GW_CONTRACT_ENTRY void gw_transpose_##s(ptrdiff_t rows, ptrdiff_t columns, const REAL* from, ptrdiff_t from_row, REAL* to, \
                                            ptrdiff_t to_row); \
    GW_CONTRACT_ENTRY void gw_products_##s(ptrdiff_t count, ptrdiff_t m, ptrdiff_t vectors, ptrdiff_t k, const REAL* a, \
                                           ptrdiff_t a_row, ptrdiff_t a_col, ptrdiff_t a_apart, const REAL* b, ptrdiff_t b_apart, \
                                           REAL beta, REAL* c, ptrdiff_t c_apart);
GW_ENTRIES(float, f32)
GW_ENTRIES(double, f64)
#undef GW_ENTRIES

#ifndef GW_LINKED_CONTRACT
#include "trial.h"

/* Rows of the largest tile of three vectors: 24 accumulators where there are 32 registers and 12 where there are 16. There, two
   vectors have six rows, eight loads for twelve multiply-adds, and one has nine where that leaves no row over. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define GW_TILE_ROWS 8
#else
#define GW_TILE_ROWS 4
#endif

/* Below this many multiply-adds (10 us of one core in float32) a team gains too little to ask whether it pays. While the cores
   were free, two threads took 6.8 us instead of 9.3 for 128 x 64 x 64, and 3.8 instead of 4.6 for 64 x 64 x 64. */
#define GW_PARALLEL 500000.0

/* Up to this many multiply-adds, nothing is packed and no table is made. */
#define GW_SMALL 256.0

/* Where there are masks, a tile that hangs over the right edge of C writes its columns by them, and a strip may be half a vector
   wide: that takes half the time of a whole one on some processors, and nowhere longer. Without them, the last of several vectors
   ends where the columns do. */
#if defined(__AVX512F__) && defined(__AVX512VL__)
#define GW_MASKS 1
#else
#define GW_MASKS 0
#endif

/* The lower and the upper halves of two vectors, interleaved. */
#if GW_VECTOR_BYTES == 64
#define GW_LOW4 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define GW_HIGH4 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define GW_LOW8 0, 8, 1, 9, 2, 10, 3, 11
#define GW_HIGH8 4, 12, 5, 13, 6, 14, 7, 15
#elif GW_VECTOR_BYTES == 32
#define GW_LOW4 0, 8, 1, 9, 2, 10, 3, 11
#define GW_HIGH4 4, 12, 5, 13, 6, 14, 7, 15
#define GW_LOW8 0, 4, 1, 5
#define GW_HIGH8 2, 6, 3, 7
/* Within each half, single floats and pairs of them, or doubles; and halves. */
#define GW_ONES_LOW4 0, 8, 1, 9, 4, 12, 5, 13
#define GW_ONES_HIGH4 2, 10, 3, 11, 6, 14, 7, 15
#define GW_TWOS_LOW4 0, 1, 8, 9, 4, 5, 12, 13
#define GW_TWOS_HIGH4 2, 3, 10, 11, 6, 7, 14, 15
#define GW_HALVES_LOW4 0, 1, 2, 3, 8, 9, 10, 11
#define GW_HALVES_HIGH4 4, 5, 6, 7, 12, 13, 14, 15
#define GW_ONES_LOW8 0, 4, 2, 6
#define GW_ONES_HIGH8 1, 5, 3, 7
#define GW_HALVES_LOW8 0, 1, 4, 5
#define GW_HALVES_HIGH8 2, 3, 6, 7
#else
#define GW_LOW4 0, 4, 1, 5
#define GW_HIGH4 2, 6, 3, 7
#define GW_LOW8 0, 2
#define GW_HIGH8 1, 3
#endif

/* What must be unrolled is written out below: compiling it for -O3 takes twice as long, and -O2 half as long again, and neither
   gains anything. To fuse multiplications with additions is one of gcc's expensive optimizations. */
#if defined(__clang__)
#define GW_UNROLLED GW_CALLED
#else
#define GW_UNROLLED GW_CALLED __attribute__((optimize("O3")))
#pragma GCC push_options
#pragma GCC optimize("O1", "expensive-optimizations")
#endif

/* ---- rows and depth ---- */

/* `other` is the stride in C of a level of rows, and in B of a level of the depth; d that of rows in D. */
typedef struct { ptrdiff_t extent, a, other, d; } gw_level;
typedef struct { gw_level rows[3], depth[3]; ptrdiff_t m, k, n, b_j, c_j, d_j; } gw_contraction;
/* k steps of the depth from a on in A and from b on in B. */
typedef struct { ptrdiff_t a, b, k; } gw_run;

/* Levels that are one, or that continue each other, go; what remains are the innermost ones. */
GW_CALLED void gw_merge(gw_level* levels) {
    gw_level kept[3] = {{1, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0}};
    int top = 3;
    for (int t = 2; t >= 0; t--) {
        const gw_level x = levels[t];
        if (x.extent == 1) continue;
        if (top < 3 && x.a == kept[top].extent * kept[top].a && x.other == kept[top].extent * kept[top].other &&
            x.d == kept[top].extent * kept[top].d)
            kept[top].extent *= x.extent;
        else
            kept[--top] = x;
    }
    memcpy(levels, kept, sizeof kept);
}

/* Where `count` rows from `first` on begin, in A and in C: whole vectors are written, up to seven places behind the last row.
   Row by row this took a tenth of the time of a product as shallow as 25. */
typedef ptrdiff_t gw_offsets __attribute__((vector_size(GW_VECTOR_BYTES)));
typedef ptrdiff_t gw_offsets_mem __attribute__((vector_size(GW_VECTOR_BYTES), aligned(8), may_alias));
GW_CALLED void gw_places(const gw_level* rows, ptrdiff_t first, ptrdiff_t count, ptrdiff_t* a_at, ptrdiff_t* c_at) {
    enum { each = GW_VECTOR_BYTES / sizeof(ptrdiff_t) };
    ptrdiff_t i2 = first % rows[2].extent, rest = first / rows[2].extent;
    ptrdiff_t i1 = rest % rows[1].extent, i0 = rest / rows[1].extent;
    gw_offsets a_lanes, c_lanes;
    for (int lane = 0; lane < each; lane++) a_lanes[lane] = lane * rows[2].a, c_lanes[lane] = lane * rows[2].other;
    while (count > 0) {
        const ptrdiff_t line = rows[2].extent - i2 < count ? rows[2].extent - i2 : count;
        gw_offsets a = a_lanes + (i0 * rows[0].a + i1 * rows[1].a + i2 * rows[2].a);
        gw_offsets c = c_lanes + (i0 * rows[0].other + i1 * rows[1].other + i2 * rows[2].other);
        for (ptrdiff_t i = 0; i < line; i += each, a += each * rows[2].a, c += each * rows[2].other) {
            *(gw_offsets_mem*)(a_at + i) = a;
            *(gw_offsets_mem*)(c_at + i) = c;
        }
        a_at += line, c_at += line, count -= line, i2 = 0;
        if (++i1 == rows[1].extent) i1 = 0, i0++;
    }
}

/* Where they begin in D; where that is one row for all of them, nothing is written. */
GW_CALLED const ptrdiff_t* gw_places_of_d(const gw_level* rows, ptrdiff_t first, ptrdiff_t count, ptrdiff_t* d_at) {
    static const ptrdiff_t none[GW_MOST_ROWS + 8] = {0};
    gw_level of_d[3];
    if (rows[0].d == 0 && rows[1].d == 0 && rows[2].d == 0) return none;
    for (int t = 0; t < 3; t++) of_d[t] = (gw_level){rows[t].extent, rows[t].d, rows[t].d, 0};
    gw_places(of_d, first, count, d_at, d_at);
    return d_at;
}

/* The runs of `count` steps of the depth from `first` on. */
GW_CALLED ptrdiff_t gw_runs(const gw_level* depth, ptrdiff_t first, ptrdiff_t count, gw_run* runs) {
    ptrdiff_t l2 = first % depth[2].extent, rest = first / depth[2].extent, number = 0;
    while (count > 0) {
        const ptrdiff_t l1 = rest % depth[1].extent, l0 = rest / depth[1].extent;
        const ptrdiff_t length = depth[2].extent - l2 < count ? depth[2].extent - l2 : count;
        runs[number++] = (gw_run){l0 * depth[0].a + l1 * depth[1].a + l2 * depth[2].a,
                                  l0 * depth[0].other + l1 * depth[1].other + l2 * depth[2].other, length};
        count -= length, l2 = 0, rest++;
    }
    return number;
}

/* Whether these places follow one another. */
GW_INLINE int gw_in_line(const ptrdiff_t* at, ptrdiff_t count) {
    for (ptrdiff_t i = 1; i < count; i++)
        if (at[i] != at[0] + i) return 0;
    return 1;
}

/* Of k rows of n contiguous reals, how many can be read up to column `end` >= n without leaving the matrix. */
GW_INLINE ptrdiff_t gw_whole_rows(ptrdiff_t k, ptrdiff_t n, ptrdiff_t row, ptrdiff_t end) {
    if (row <= 0) return 0;
    const ptrdiff_t over = (end - n + row - 1) / row;
    return over < k ? k - over : 0;
}

#ifndef GW_WITHOUT_F32
#define GW_REAL float
#define GW_NAME(name) name##_f32
#define GW_LOW GW_LOW4
#define GW_HIGH GW_HIGH4
#define GW_SUFFIX(name) name##4
#define GW_MOVE "vmovups"
#define GW_PAIRS GW_MASKS
#define GW_FLOATS 1
#include "contract_real.h"
#undef GW_REAL
#undef GW_NAME
#undef GW_LOW
#undef GW_HIGH
#undef GW_SUFFIX
#undef GW_PAIRS
#undef GW_FLOATS
#undef GW_MOVE
#endif

#ifndef GW_WITHOUT_F64
#define GW_REAL double
#define GW_NAME(name) name##_f64
#define GW_LOW GW_LOW8
#define GW_HIGH GW_HIGH8
#define GW_SUFFIX(name) name##8
#define GW_MOVE "vmovupd"
#define GW_PAIRS 0
#define GW_FLOATS 0
#include "contract_real.h"
#undef GW_REAL
#undef GW_NAME
#undef GW_LOW
#undef GW_HIGH
#undef GW_SUFFIX
#undef GW_PAIRS
#undef GW_FLOATS
#undef GW_MOVE
#endif

#if !defined(__clang__)
#pragma GCC pop_options
#endif
#endif /* GW_LINKED_CONTRACT */

#endif
