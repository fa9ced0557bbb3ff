/* Which instructions a unit was compiled with, held against those that this processor has.

   Compilers may use whatever the flags allow anywhere, so that this is asked before anything else of a module runs. A unit says
   what it needs as data, under the name GW_NEEDS; start.h, which is compiled for any processor, reads it with gw_lacks. */
#ifndef GRADWRIGHT_MACHINE_H
#define GRADWRIGHT_MACHINE_H

#include "object.h"

#ifdef GW_NEEDS
extern __attribute__((visibility("hidden"))) const char GW_NEEDS[];
const char GW_NEEDS[] =
#if defined(__x86_64__)
#ifdef __SSE3__
    "sse3 "
#endif
#ifdef __SSSE3__
    "ssse3 "
#endif
#ifdef __SSE4_1__
    "sse4.1 "
#endif
#ifdef __SSE4_2__
    "sse4.2 "
#endif
#ifdef __POPCNT__
    "popcnt "
#endif
#ifdef __AVX__
    "avx "
#endif
#ifdef __FMA__
    "fma "
#endif
#ifdef __BMI__
    "bmi "
#endif
#ifdef __BMI2__
    "bmi2 "
#endif
#ifdef __AVX2__
    "avx2 "
#endif
#ifdef __AVX512F__
    "avx512f "
#endif
#ifdef __AVX512CD__
    "avx512cd "
#endif
#ifdef __AVX512DQ__
    "avx512dq "
#endif
#ifdef __AVX512BW__
    "avx512bw "
#endif
#ifdef __AVX512VL__
    "avx512vl "
#endif
#ifdef __AVX512IFMA__
    "avx512ifma "
#endif
#ifdef __AVX512VBMI__
    "avx512vbmi "
#endif
#ifdef __AVX512VBMI2__
    "avx512vbmi2 "
#endif
#ifdef __AVX512VNNI__
    "avx512vnni "
#endif
#ifdef __AVX512BITALG__
    "avx512bitalg "
#endif
#ifdef __AVX512VPOPCNTDQ__
    "avx512vpopcntdq "
#endif
#ifdef __AVX512ER__
    "avx512er "
#endif
#ifdef __AVX512PF__
    "avx512pf "
#endif
#ifdef __AVX5124FMAPS__
    "avx5124fmaps "
#endif
#elif defined(__aarch64__)
#ifdef __ARM_FEATURE_DOTPROD
    "dotprod "
#endif
#ifdef __ARM_FEATURE_SVE
    "sve "
#endif
#ifdef __ARM_FEATURE_SVE2
    "sve2 "
#endif
#endif
    "";
#endif

#ifdef GW_OBJECT_START
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

/* Whether a word is among others, each of which a space ends. */
static GW_PLAIN int gw_among(const char *words, const char *word)
{
    while (*words) {
        const char *w = word;
        while (*w && *words == *w) words++, w++;
        if (!*w && *words == ' ') return 1;
        while (*words && *words++ != ' ') {}
    }
    return 0;
}

#if defined(__x86_64__)
/* Which parts of the registers the system keeps when it goes from one program to another: XCR0, where there is one. */
static GW_PLAIN unsigned gw_kept(unsigned leaf1_ecx)
{
    unsigned low = 0, high = 0;
    if (leaf1_ecx >> 27 & 1) __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0)); /* xgetbv */
#ifdef __APPLE__
    if ((low & 6) == 6) low |= 0xe0; /* said of AVX-512 only to a program that has used it */
#endif
    return low;
}
#endif

/* The first of what is needed that this processor has not, or NULL. The processor is asked itself: __builtin_cpu_supports asks a
   library that not every compiler links, and that says no to everything with some. */
static GW_PLAIN const char *gw_lacks(const char *needs)
{
#if defined(__x86_64__)
    enum { LEAF1_C, LEAF7_B, LEAF7_C, LEAF7_D };
    static const struct { const char *name; unsigned char word, bit, state; } asked[] = {
        {"sse3", LEAF1_C, 0, 0}, {"ssse3", LEAF1_C, 9, 0}, {"sse4.1", LEAF1_C, 19, 0}, {"sse4.2", LEAF1_C, 20, 0},
        {"popcnt", LEAF1_C, 23, 0}, {"avx", LEAF1_C, 28, 0x06}, {"fma", LEAF1_C, 12, 0x06}, {"bmi", LEAF7_B, 3, 0},
        {"bmi2", LEAF7_B, 8, 0}, {"avx2", LEAF7_B, 5, 0x06}, {"avx512f", LEAF7_B, 16, 0xe6}, {"avx512cd", LEAF7_B, 28, 0xe6},
        {"avx512dq", LEAF7_B, 17, 0xe6}, {"avx512bw", LEAF7_B, 30, 0xe6}, {"avx512vl", LEAF7_B, 31, 0xe6},
        {"avx512ifma", LEAF7_B, 21, 0xe6}, {"avx512vbmi", LEAF7_C, 1, 0xe6}, {"avx512vbmi2", LEAF7_C, 6, 0xe6},
        {"avx512vnni", LEAF7_C, 11, 0xe6}, {"avx512bitalg", LEAF7_C, 12, 0xe6}, {"avx512vpopcntdq", LEAF7_C, 14, 0xe6},
        {"avx512er", LEAF7_B, 27, 0xe6}, {"avx512pf", LEAF7_B, 26, 0xe6}, {"avx5124fmaps", LEAF7_D, 3, 0xe6},
    };
    unsigned words[4] = {0, 0, 0, 0}, a, b, c, d, kept, k;
    if (__get_cpuid(1, &a, &b, &c, &d)) words[LEAF1_C] = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) words[LEAF7_B] = b, words[LEAF7_C] = c, words[LEAF7_D] = d;
    kept = gw_kept(words[LEAF1_C]);
    for (k = 0; k < sizeof(asked) / sizeof(asked[0]); k++) {
        int has = words[asked[k].word] >> asked[k].bit & 1 && (kept & asked[k].state) == asked[k].state;
        if (!has && gw_among(needs, asked[k].name)) return asked[k].name;
    }
#elif defined(__aarch64__) && defined(__linux__)
    if (gw_among(needs, "dotprod") && !(getauxval(AT_HWCAP) >> 20 & 1)) return "dotprod";
    if (gw_among(needs, "sve") && !(getauxval(AT_HWCAP) >> 22 & 1)) return "sve";
    if (gw_among(needs, "sve2") && !(getauxval(AT_HWCAP2) >> 1 & 1)) return "sve2";
#endif
    (void)needs;
    (void)gw_among;
    return 0;
}
#endif

#endif
