/* Convolutions by Winograd's minimal filtering: 16 multiplications for the 36 that filters of 3 x 3 take for 2 x 2 places, and 36
   for the 100 that those of 5 x 5 take.

     gw_winograd_f32(m0, a_i0, c_i0, d_i0, ...)          as gw_contract_onto: a convolution, or its input's gradient
     gw_winograd_weights_f32(m0, a_i0, c_i0, ...)        as gw_contract: the gradient of its weights         and _f64

   These are contractions like those of contract.h, of a form of their own. In the first, rows are (image, y, x) and the depth is
   (u, v, channel), u and v from 0 to r - 1, or (u, v and channel in one); a step in u is one in y, and a step in v one in x. In the
   second, rows and depth are exchanged. Columns lie together. Whatever is not of this form is left to contract.h, and so are fewer
   channels or columns than a vector holds, more channels than have room (512, and 224 for 5 x 5), places that are added to
   themselves, and more than GW_KEPT weights that are.

   Of a line of pixels d and a filter g, two places are (Winograd 1980; Lavin and Gray 2016, section 4.1)

     d0 g0 + d1 g1 + d2 g2 = m0 + m1 + m2        m0 = (d0 - d2) g0    m1 = (d1 + d2) (g0 + g1 + g2) / 2
     d1 g0 + d2 g1 + d3 g2 = m1 - m2 - m3        m3 = (d1 - d3) g2    m2 = (d2 - d1) (g0 - g1 + g2) / 2

   four multiplications instead of six, and in two dimensions 16 instead of 36: Y = A' [(G g G') . (B' d B)] A. For r = 5 it is the
   same with the points 0, 1, -1, 1/2, -2 and infinity (Toom and Cook's construction): of those tried, they round least. Over all
   channels each part is a matrix product of tiles by channels with channels by columns. The gradient of the weights has the same
   factors: G' [sum over the tiles of (B' d B) . (A y A')] G.

   The first place reads nothing of the last pixel, and the second nothing of the first: what a filter does not touch has no
   influence, be it ever so large, and where all that it touches is 0, so is the sum. The error is that of a sum whose terms are as
   large as the largest pixel times the largest weight of a channel. Where a sum is not finite, all of it is computed anew by
   contract.h, so that infinities and NaN are as they are there: a difference of infinities here may be none there.

   Each place is computed in the same way whatever thread has it, and so is each weight: the same bits with any number of threads.

   Time, r = 3, in vectors: 16 multiply-adds for each tile, channel and vector of columns, about 75 cycles for each tile and vector of
   channels, as many for each tile and vector of columns, and for each vector of weights. Most of these wait for the lines that they
   store, so that to turn the pixels that two tiles share once gains nothing. On an AVX-512 machine of 115 GFLOP/s, of which contract.h
   reaches 113 there, 32 channels to 32 on 32 x 32 go at 190 of what contract.h counts, and their weights' gradient at 205. */
#ifndef GRADWRIGHT_WINOGRAD_H
#define GRADWRIGHT_WINOGRAD_H

#include "object.h"
#include "vector.h"
#include "ending.h"
#include "contract.h"

#if defined(GW_OBJECT_WINOGRAD)
#define GW_WINOGRAD_ENTRY GW_SHARED
#elif defined(GW_LINKED_WINOGRAD)
#define GW_WINOGRAD_ENTRY GW_ELSEWHERE
#else
#define GW_WINOGRAD_ENTRY GW_CALLED
#endif

#define GW_ENTRIES(REAL, s) \
    GW_WINOGRAD_ENTRY void gw_winograd_##s( \
        ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t d_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t d_i1, \
        ptrdiff_t m2, ptrdiff_t a_i2, ptrdiff_t c_i2, ptrdiff_t d_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1, \
        ptrdiff_t a_l1, ptrdiff_t b_l1, ptrdiff_t k2, ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j, \
        ptrdiff_t d_j, REAL alpha, const REAL* a, const REAL* b, REAL beta, const REAL* d, int stored, REAL* c); \
    GW_WINOGRAD_ENTRY void gw_winograd_weights_##s( \
        ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t m2, ptrdiff_t a_i2, \
        ptrdiff_t c_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1, ptrdiff_t a_l1, ptrdiff_t b_l1, ptrdiff_t k2, \
        ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j, REAL alpha, const REAL* a, const REAL* b, \
        REAL beta, REAL* c);
GW_ENTRIES(float, f32)
GW_ENTRIES(double, f64)
#undef GW_ENTRIES

#ifndef GW_LINKED_WINOGRAD
#include "trial.h"

/* Below this many multiply-adds as contract.h counts them a team gains too little. */
#define GW_WINOGRAD_PARALLEL 500000.0

/* Of each thread: tiles of pixels, in so many reals; weights, or the sums of their gradient, of a block of columns; and what the
   products are, or what comes back, of up to GW_MOST_TILES tiles and three vectors. The second-level cache holds them. */
enum {
    GW_MOST_WINDOW = 5,
    GW_MOST_PARTS = 36,
    GW_CHANNELS_AT_ONCE = 128, /* of the weights' gradient */
    GW_MOST_TILES = 48,
    GW_PIXELS = 65536,
    GW_WEIGHT_BYTES = 1 << 20,
    GW_KEPT = 1 << 16,
    GW_STAGGER = 16 /* so that no two parts begin on the same lines of the first-level cache */
};

#if !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif

#ifndef GW_WITHOUT_F32
#define GW_REAL float
#define GW_NAME(name) name##_f32
#include "winograd_real.h"
#undef GW_REAL
#undef GW_NAME
#endif

#ifndef GW_WITHOUT_F64
#define GW_REAL double
#define GW_NAME(name) name##_f64
#include "winograd_real.h"
#undef GW_REAL
#undef GW_NAME
#endif

#if !defined(__clang__)
#pragma GCC pop_options
#endif
#endif /* GW_LINKED_WINOGRAD */

#endif
