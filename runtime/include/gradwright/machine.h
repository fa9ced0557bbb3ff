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
#if !defined(__clang__) || __clang_major__ >= 8
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
#endif
#if !defined(__clang__) && __GNUC__ >= 8 && __GNUC__ < 15
#ifdef __AVX512ER__
    "avx512er "
#endif
#ifdef __AVX512PF__
    "avx512pf "
#endif
#ifdef __AVX5124FMAPS__
    "avx5124fmaps "
#endif
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
#if defined(__aarch64__) && defined(__linux__)
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

/* The first of what is needed that this processor has not, or NULL. */
static GW_PLAIN const char *gw_lacks(const char *needs)
{
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define GW_ASK(feature) if (gw_among(needs, feature) && !__builtin_cpu_supports(feature)) return feature
    __builtin_cpu_init();
    GW_ASK("sse3");
    GW_ASK("ssse3");
    GW_ASK("sse4.1");
    GW_ASK("sse4.2");
    GW_ASK("popcnt");
    GW_ASK("avx");
    GW_ASK("fma");
    GW_ASK("bmi");
    GW_ASK("bmi2");
    GW_ASK("avx2");
    GW_ASK("avx512f");
    GW_ASK("avx512cd");
    GW_ASK("avx512dq");
    GW_ASK("avx512bw");
    GW_ASK("avx512vl");
    GW_ASK("avx512ifma");
    GW_ASK("avx512vbmi");
#if !defined(__clang__) || __clang_major__ >= 8
    GW_ASK("avx512vbmi2");
    GW_ASK("avx512vnni");
    GW_ASK("avx512bitalg");
    GW_ASK("avx512vpopcntdq");
#endif
#if !defined(__clang__) && __GNUC__ >= 8 && __GNUC__ < 15
    GW_ASK("avx512er");
    GW_ASK("avx512pf");
    GW_ASK("avx5124fmaps");
#endif
#undef GW_ASK
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
