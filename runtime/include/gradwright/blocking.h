/* How contract.h cuts products into blocks, by the width of the vectors in bytes: the table of the repository.

     depth    how much of the depth is summed up in one go: a block of A and one of B stay in the second-level cache
     rows     rows of A in a block
     columns  bytes of a row of B in a block
     direct   up to so many rows of A, B is read where it is, if what is in a row of it lies together; for more it is packed, and
              with tiles of four rows for more than half as many where the rows of B do not begin with a vector, or a block of them
              lies in more than 64 pages

   `gradwright tune` measures these on a machine and writes a table of its own, which is given as -DGW_BLOCKING_64=320,128,1024,256
   and the like. The bits of a product depend on `depth` alone.

   `direct` was measured with n = 128, 480, 512 and 960, k = 128 to 1024, B on a line of the cache or not, on an AMD EPYC: with
   256, 64 x 512 x 128 goes at 97% of the peak instead of 92%, 32 x 480 x 512 at 98% instead of 84%. Tiles of four rows read B
   twice as often: with 32 bytes, 33 x 128 x 784 goes at 88% instead of 78%, 64 x 128 x 784 at 96% instead of 90%, and what has
   128 rows gains or loses by how the rows of B lie. */
#ifndef GRADWRIGHT_BLOCKING_H
#define GRADWRIGHT_BLOCKING_H

#ifndef GW_BLOCKING_64
#define GW_BLOCKING_64 512, 128, 1024, 256
#endif
#ifndef GW_BLOCKING_32
#define GW_BLOCKING_32 320, 128, 1024, 64
#endif
#ifndef GW_BLOCKING_16
#define GW_BLOCKING_16 320, 128, 1024, 32
#endif

#ifdef GW_TUNING /* while they are measured, they are variables; the room is that of the largest */
static ptrdiff_t gw_blocking[4];
enum { GW_MOST_DEPTH = 1024, GW_MOST_ROWS = 512, GW_MOST_COLUMNS = 4096 };
#define GW_DEPTH gw_blocking[0]
#define GW_BLOCK gw_blocking[1]
#define GW_COLUMN_BYTES gw_blocking[2]
#define GW_DIRECT gw_blocking[3]
#else
#define GW_FIRST_OF(a, b, c, d) (a)
#define GW_SECOND_OF(a, b, c, d) (b)
#define GW_THIRD_OF(a, b, c, d) (c)
#define GW_FOURTH_OF(a, b, c, d) (d)
#define GW_OF(which, ...) which(__VA_ARGS__)
#if GW_VECTOR_BYTES == 64
#define GW_BLOCKING_OF(which) GW_OF(which, GW_BLOCKING_64)
#elif GW_VECTOR_BYTES == 32
#define GW_BLOCKING_OF(which) GW_OF(which, GW_BLOCKING_32)
#else
#define GW_BLOCKING_OF(which) GW_OF(which, GW_BLOCKING_16)
#endif
enum {
    GW_DEPTH = GW_BLOCKING_OF(GW_FIRST_OF),
    GW_BLOCK = GW_BLOCKING_OF(GW_SECOND_OF),
    GW_COLUMN_BYTES = GW_BLOCKING_OF(GW_THIRD_OF),
    GW_DIRECT = GW_BLOCKING_OF(GW_FOURTH_OF),
    GW_MOST_DEPTH = GW_DEPTH,
    GW_MOST_ROWS = GW_BLOCK,
    GW_MOST_COLUMNS = GW_COLUMN_BYTES
};
#endif

#endif
