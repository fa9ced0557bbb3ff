/* Matrix products: C = alpha A B + beta C.

     gw_gemm_f32(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row)        and gw_gemm_f64

   A is m by k and its element (i, l) is a[i*a_row + l*a_col]; B is k by n likewise: a transposed operand is one
   with its strides exchanged. C is row-major with c_row reals from row to row. With beta == 0, C is only
   written. C overlaps neither A nor B.

   Every element of C is the sum over l in blocks of GW_GEMM_DEPTH, each in order, whatever tile computes it:
   the same bits with any number of threads. Products of constant and very small shape are written out where they
   are called; all others are calls of one routine, so that a unit pays for it once.

   Nothing depends on the machine but the width of its vectors (vector.h) and the number of its registers. */
#ifndef GRADWRIGHT_GEMM_H
#define GRADWRIGHT_GEMM_H

#include "vector.h"
#ifdef _OPENMP
#include <fcntl.h>
#include <omp.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#endif

/* Rows of the largest tile, which is up to three vectors wide: 24 accumulators where there are 32 registers and
   12 where there are 16. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define GW_GEMM_ROWS 8
#else
#define GW_GEMM_ROWS 4
#endif

/* A block of A, GW_GEMM_BLOCK rows by GW_GEMM_DEPTH, and one of B, GW_GEMM_DEPTH by GW_GEMM_COLUMN_BYTES, stay in the
   second-level cache. */
#define GW_GEMM_DEPTH 256
#define GW_GEMM_BLOCK 128
#define GW_GEMM_COLUMN_BYTES 1024

/* Up to this many multiply-adds, nothing is packed. */
#define GW_GEMM_SMALL 256.0

/* How many threads large products may use: 0 means all that OpenMP would. A build may say. */
#ifndef GW_THREADS
#define GW_THREADS 0
#endif
static int gw_threads __attribute__((unused)) = GW_THREADS;

#ifdef _OPENMP
/* OpenMP's threads do not survive a fork, and a child that asks for them waits for ever: one thread there. That goes for this
   unit loaded before the fork and after it, since another one (or another library) may have started them in the parent: Linux
   says of a process whether it is the copy of one (PF_FORKNOEXEC). */
static long gw_loaded_by;
static int gw_is_copy;
__attribute__((constructor)) static void gw_remember_process(void) {
    gw_loaded_by = getpid();
#ifdef __linux__
    char text[512], *word;
    const int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[length > 0 ? length : 0] = 0;
    if (!(word = strrchr(text, ')'))) return; /* of the name, which may hold anything; the flags are the seventh word after it */
    for (int k = 0; k < 7 && word; k++) word = strchr(word + 1, ' ');
    if (word) gw_is_copy = (strtoul(word, NULL, 10) & 0x40) != 0;
#endif
}
static __attribute__((unused)) int gw_team_size(void) {
    if (gw_threads == 1 || gw_is_copy || omp_in_parallel() || getpid() != gw_loaded_by) return 1;
    return gw_threads > 0 ? gw_threads : omp_get_max_threads();
}
/* Below this many multiply-adds (10 us of one core in float32) a team gains too little to ask whether it pays. */
#define GW_GEMM_PARALLEL 500000.0

/* Above that it is measured where it runs, for each shape and thread, because no bound is right twice. Two threads of two
   virtual cores, float32, medians of 31 turns (benchmarks/kernels/run.py --threads 2): while the cores were free, 128 x 64 x 64
   took 6.8 us instead of 9.3, and 64 x 64 x 64 took 3.8 instead of 4.6. While other programs wanted them, 200 x 200 x 200 took
   3600 us instead of 135: a team waits at its end for whoever was put aside. The better way is taken, and the other tried again after 20 ms, twice as long each time that it is found to be the worse
   one, up to a second. The bits do not depend on it. */
typedef struct { ptrdiff_t m, n, k, kind; double one, team, again, pause; } gw_trial;
enum { GW_TRIALS = 32 };
static __thread gw_trial gw_trials[GW_TRIALS] __attribute__((unused));
static __attribute__((unused)) double gw_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
static __attribute__((unused)) gw_trial* gw_trial_of(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t kind) {
    const size_t mixed = ((size_t)m * 31 + (size_t)n) * 31 + (size_t)k * 2 + (size_t)kind / 8;
    gw_trial* trial = &gw_trials[(mixed ^ mixed >> 5 ^ mixed >> 10) % GW_TRIALS];
    if (trial->m != m || trial->n != n || trial->k != k || trial->kind != kind)
        *trial = (gw_trial){m, n, k, kind, 0, 0, 0, 0.02};
    return trial;
}
/* Whether to run on one thread now. */
static __attribute__((unused)) int gw_trial_alone(const gw_trial* trial, double now) {
    if (trial->one == 0 || trial->team == 0) return trial->one == 0;
    return (trial->one <= trial->team) != (now >= trial->again);
}
static __attribute__((unused)) void gw_trial_took(gw_trial* trial, int alone, double start, double end) {
    double *const mine = alone ? &trial->one : &trial->team, *const other = alone ? &trial->team : &trial->one;
    const double took = end - start;
    const int was_better = *mine != 0 && *mine <= *other;
    *mine = *mine == 0 || took < *mine ? took : *mine + (took - *mine) / 8;
    if (*other == 0) return;
    if (!was_better) trial->pause = *mine < *other ? trial->pause / 2 : trial->pause * 2; /* this was a trial */
    trial->pause = trial->pause < 0.02 ? 0.02 : trial->pause > 1 ? 1 : trial->pause;
    if (!was_better || *mine > *other) trial->again = end + trial->pause;
}
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
#else
#define GW_LOW4 0, 4, 1, 5
#define GW_HIGH4 2, 6, 3, 7
#define GW_LOW8 0, 2
#define GW_HIGH8 1, 3
#endif

/* The element of row i at the current depth: three rows share a pointer, as x86 can address p, p + s and p + 2s. */
#define GW_A_0 p0[0]
#define GW_A_1 p0[a_row]
#define GW_A_2 p0[2 * a_row]
#define GW_A_3 p1[0]
#define GW_A_4 p1[a_row]
#define GW_A_5 p1[2 * a_row]
#define GW_A_6 p2[0]
#define GW_A_7 p2[a_row]
#define GW_A_8 p2[2 * a_row]
#define GW_A_9 p3[0]
#define GW_A_10 p3[a_row]
#define GW_A_11 p3[2 * a_row]
#define GW_A_12 p4[0]
#define GW_A_13 p4[a_row]
#define GW_A_14 p4[2 * a_row]
#define GW_A_15 p5[0]

/* What must be unrolled is written out below; compiling the rest for -O3 takes half as long again and gains nothing. */
#if defined(__clang__)
#define GW_UNROLLED GW_CALLED
#else
#define GW_UNROLLED GW_CALLED __attribute__((optimize("O3")))
#pragma GCC push_options
#pragma GCC optimize("O2")
#endif

#define GW_REAL float
#define GW_NAME(name) name##_f32
#define GW_LOW GW_LOW4
#define GW_HIGH GW_HIGH4
#include "gemm_real.h"
#undef GW_REAL
#undef GW_NAME
#undef GW_LOW
#undef GW_HIGH

#define GW_REAL double
#define GW_NAME(name) name##_f64
#define GW_LOW GW_LOW8
#define GW_HIGH GW_HIGH8
#include "gemm_real.h"
#undef GW_REAL
#undef GW_NAME
#undef GW_LOW
#undef GW_HIGH


#if !defined(__clang__)
#pragma GCC pop_options
#endif

#endif
