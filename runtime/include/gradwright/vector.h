/* The width of a vector on this machine, and how gemm.h and sum.h spell vectors: GCC's vector extensions, which clang has
   too and which need no header of intrinsics. */
#ifndef GRADWRIGHT_VECTOR_H
#define GRADWRIGHT_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define GW_VECTOR_BYTES 64
#elif defined(__AVX__)
#define GW_VECTOR_BYTES 32
#else
#define GW_VECTOR_BYTES 16
#endif

#ifndef GW_INLINE
#define GW_INLINE static inline __attribute__((always_inline, unused))
#endif
/* Compiled once a unit, however often it is called; and not at all where it is not, which the compiler without optimisation does
   only for what may be inlined. */
#if !defined(__OPTIMIZE__)
#define GW_CALLED static inline __attribute__((unused))
#elif defined(__clang__)
#define GW_CALLED static __attribute__((noinline, unused))
#else
#define GW_CALLED static __attribute__((noinline, noclone, unused))
#endif

/* gw_vec is a vector in a register, gw_mem one anywhere in memory. */
typedef float gw_vec_f32 __attribute__((vector_size(GW_VECTOR_BYTES)));
typedef float gw_mem_f32 __attribute__((vector_size(GW_VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t gw_lanes_f32 __attribute__((vector_size(GW_VECTOR_BYTES)));
typedef double gw_vec_f64 __attribute__((vector_size(GW_VECTOR_BYTES)));
typedef double gw_mem_f64 __attribute__((vector_size(GW_VECTOR_BYTES), aligned(8), may_alias));
typedef int64_t gw_lanes_f64 __attribute__((vector_size(GW_VECTOR_BYTES)));

/* In the files that are included once for each real type, GW_REAL is the type and GW_NAME(x) is x with its suffix. */
#define GW_W ((ptrdiff_t)(GW_VECTOR_BYTES / sizeof(GW_REAL)))
#define GW_LOAD(p) (*(const GW_NAME(gw_mem)*)(p))
#define GW_STORE(p, v) (*(GW_NAME(gw_mem)*)(p) = (v))

#define GW_EACH_1(X) X(0)
#define GW_EACH_2(X) GW_EACH_1(X) X(1)
#define GW_EACH_4(X) GW_EACH_2(X) X(2) X(3)
#define GW_EACH_5(X) GW_EACH_4(X) X(4)
#define GW_EACH_6(X) GW_EACH_5(X) X(5)
#define GW_EACH_8(X) GW_EACH_4(X) X(4) X(5) X(6) X(7)
#define GW_EACH_9(X) GW_EACH_8(X) X(8)
#define GW_EACH_16(X) GW_EACH_8(X) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#endif
