/* What a long loop writes and nothing reads soon, past the caches: to write a part of a line, the processor reads the line first,
   unless the whole line goes straight to memory. A loop writes a few lines of each result beside one another, then

     gw_stream_f64(to, from, n)            and gw_stream_f32

   moves them, line by line where they begin on one. After the last of them comes gw_settle(), before another thread reads. */
#ifndef GRADWRIGHT_STREAM_H
#define GRADWRIGHT_STREAM_H

#include "vector.h"

/* Bytes that a loop writes, from which on they are not found in a cache anyway. */
#define GW_PAST_CACHES 16777216.0

/* Where a loop writes its results first, one behind the other. */
#define GW_BESIDE 2048
typedef struct { double at[GW_BESIDE / sizeof(double)]; } __attribute__((aligned(64))) gw_beside_f64;
typedef struct { float at[GW_BESIDE / sizeof(float)]; } __attribute__((aligned(64))) gw_beside_f32;

#if defined(__x86_64__)
typedef float gw_flow __attribute__((vector_size(GW_VECTOR_BYTES)));
typedef float gw_flow_of __attribute__((vector_size(GW_VECTOR_BYTES), aligned(4), may_alias));
#if defined(__clang__)
#define GW_FLOW(to, v) __builtin_nontemporal_store(v, (gw_flow*)(to))
#elif defined(__AVX512F__)
#define GW_FLOW(to, v) __builtin_ia32_movntps512((float*)(to), v)
#elif defined(__AVX__)
#define GW_FLOW(to, v) __builtin_ia32_movntps256((float*)(to), v)
#else
#define GW_FLOW(to, v) __builtin_ia32_movntps((float*)(to), v)
#endif
#endif

/* Whether a loop that writes so many bytes does better past the caches. */
GW_INLINE int gw_past_caches(double bytes) {
#ifdef GW_FLOW
    return bytes >= GW_PAST_CACHES;
#else
    (void)bytes;
    return 0;
#endif
}

/* How many elements there are before the next line of the cache. */
GW_INLINE ptrdiff_t gw_to_line_f64(const double* p) { return (ptrdiff_t)((0 - (uintptr_t)p) % 64 / sizeof *p); }
GW_INLINE ptrdiff_t gw_to_line_f32(const float* p) { return (ptrdiff_t)((0 - (uintptr_t)p) % 64 / sizeof *p); }

GW_INLINE void gw_stream(char* to, const char* from, size_t bytes) {
    size_t k = 0;
#ifdef GW_FLOW
    if ((uintptr_t)to % 64 == 0)
        for (; k + 64 <= bytes; k += 64)
            for (size_t j = k; j < k + 64; j += GW_VECTOR_BYTES) GW_FLOW(to + j, *(const gw_flow_of*)(from + j));
#endif
    if (k < bytes) memcpy(to + k, from + k, bytes - k);
}
GW_INLINE void gw_stream_f64(double* to, const double* from, ptrdiff_t n) {
    gw_stream((char*)to, (const char*)from, (size_t)n * sizeof *to);
}
GW_INLINE void gw_stream_f32(float* to, const float* from, ptrdiff_t n) {
    gw_stream((char*)to, (const char*)from, (size_t)n * sizeof *to);
}

GW_INLINE void gw_settle(void) {
#ifdef GW_FLOW
    __builtin_ia32_sfence();
#endif
}

#endif
