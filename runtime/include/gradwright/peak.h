/* What a processor can do at most: multiply-adds on the widest vectors, and bytes read and copied. compiler/build/peak.py asks. */
#ifndef GRADWRIGHT_PEAK_H
#define GRADWRIGHT_PEAK_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif

typedef float singles __attribute__((vector_size(BYTES)));
typedef double doubles __attribute__((vector_size(BYTES)));
typedef long long words __attribute__((vector_size(BYTES)));

/* Of this thread alone: what else runs on the machine does not count, but for the caches that it takes. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* An answer that depends on everything, so that nothing is left out. */
#define KEEP(value) __asm__ volatile("" : : "g"(&(value)) : "memory")

/* As many independent sums as hide a multiply-add's latency, each in a register of its own. */
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define CHAINS 12
#define DECLARE(j) vector c##j = a * (real)j;
#define ADD(j) c##j = c##j * a + b;
#define TOTAL(j) total += c##j;
#define FLOPS(name, real_, vector_)                                                                            \
    static double name(double seconds)                                                                         \
    {                                                                                                          \
        typedef real_ real;                                                                                    \
        typedef vector_ vector;                                                                                \
        volatile real near_one = (real)0.999999, small = (real)1e-6;                                           \
        vector a = near_one - (vector){0}, b = small - (vector){0}, total = {0};                               \
        double start = now(), end = start;                                                                     \
        long rounds = 0;                                                                                       \
        EACH(DECLARE)                                                                                          \
        for (; end - start < seconds; rounds++, end = now())                                                   \
            for (int i = 0; i < 10000; i++) {                                                                  \
                EACH(ADD)                                                                                      \
            }                                                                                                  \
        EACH(TOTAL)                                                                                            \
        KEEP(total);                                                                                           \
        return (double)rounds * 10000 * CHAINS * 2 * (BYTES / sizeof(real)) / (end - start);                   \
    }

FLOPS(flops_float, float, singles)
FLOPS(flops_double, double, doubles)

static double gw_peak_flops(int bytes, double seconds) { return bytes == 4 ? flops_float(seconds) : flops_double(seconds); }

static void *aligned(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 4096, bytes)) return NULL;
    memset(memory, 1, bytes); /* every page is there before the clock runs */
    return memory;
}

/* Bytes a second that a sum over so many bytes reads; 0 where there is no memory for it. */
static double gw_peak_read(size_t bytes, double seconds)
{
    size_t count = bytes / BYTES / 8 * 8, passes = 1 + ((size_t)1 << 22) / bytes;
    words *memory = aligned(count * BYTES);
    double start = now(), end = start;
    long rounds = 0;
    if (!memory) return 0;
    for (; end - start < seconds; rounds++, end = now())
        for (size_t pass = 0; pass < passes; pass++) {
            words s0 = {0}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
            for (size_t i = 0; i < count; i += 8) {
                s0 ^= memory[i], s1 ^= memory[i + 1], s2 ^= memory[i + 2], s3 ^= memory[i + 3];
                s4 ^= memory[i + 4], s5 ^= memory[i + 5], s6 ^= memory[i + 6], s7 ^= memory[i + 7];
            }
            s0 ^= s1 ^ s2 ^ s3 ^ s4 ^ s5 ^ s6 ^ s7;
            KEEP(s0);
        }
    free(memory);
    return (double)rounds * (double)passes * (double)count * BYTES / (end - start);
}

/* Bytes a second, read and written ones counted, that a copy moves between two halves of so many bytes. */
static double copy(size_t bytes, double seconds, int by_library)
{
    volatile long long zero = 0; /* else a compiler makes the library's copy of a loop */
    words nothing = zero - (words){0}, *to, *from;
    size_t half = bytes / 2 / 4096 * 4096, passes = 1 + ((size_t)1 << 22) / bytes;
    char *memory = aligned(2 * half);
    double start = now(), end = start;
    long rounds = 0;
    if (!memory) return 0;
    to = (words *)memory, from = (words *)(memory + half);
    for (; end - start < seconds; rounds++, end = now())
        for (size_t pass = 0; pass < passes; pass++) {
            if (by_library)
                memcpy(memory, memory + half, half);
            else
                for (size_t i = 0; i < half / BYTES; i += 4) {
                    words a = from[i] ^ nothing, b = from[i + 1] ^ nothing, c = from[i + 2] ^ nothing, d = from[i + 3] ^ nothing;
                    to[i] = a, to[i + 1] = b, to[i + 2] = c, to[i + 3] = d;
                }
            KEEP(*memory);
        }
    free(memory);
    return 2.0 * (double)rounds * (double)passes * (double)half / (end - start);
}

/* Which of the two ways is faster depends on the level. */
static double gw_peak_copy(size_t bytes, double seconds)
{
    double plain = copy(bytes, seconds / 2, 0), library = copy(bytes, seconds / 2, 1);
    return plain > library ? plain : library;
}

static int gw_peak_bits(void) { return 8 * BYTES; }

#endif
