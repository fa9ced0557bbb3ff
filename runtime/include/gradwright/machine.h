/* Which instructions a unit was compiled with, held against those that this processor has.

   Compilers may use whatever the flags allow anywhere: this is asked before anything else of a module runs. The answer must
   itself run everywhere, so nothing here is optimised, and there is nothing but integers. */
#ifndef GRADWRIGHT_MACHINE_H
#define GRADWRIGHT_MACHINE_H

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#if defined(__clang__)
#define GW_PLAIN __attribute__((noinline, optnone))
#elif defined(__GNUC__)
#define GW_PLAIN __attribute__((noinline, optimize("O0")))
#else
#define GW_PLAIN
#endif

/* The first of them that is missing, or NULL. */
static GW_PLAIN const char *gw_machine_lacks(void)
{
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define GW_NEEDS(feature) if (!__builtin_cpu_supports(feature)) return feature
    __builtin_cpu_init();
#ifdef __SSE3__
    GW_NEEDS("sse3");
#endif
#ifdef __SSSE3__
    GW_NEEDS("ssse3");
#endif
#ifdef __SSE4_1__
    GW_NEEDS("sse4.1");
#endif
#ifdef __SSE4_2__
    GW_NEEDS("sse4.2");
#endif
#ifdef __POPCNT__
    GW_NEEDS("popcnt");
#endif
#ifdef __AVX__
    GW_NEEDS("avx");
#endif
#ifdef __FMA__
    GW_NEEDS("fma");
#endif
#ifdef __BMI__
    GW_NEEDS("bmi");
#endif
#ifdef __BMI2__
    GW_NEEDS("bmi2");
#endif
#ifdef __AVX2__
    GW_NEEDS("avx2");
#endif
#ifdef __AVX512F__
    GW_NEEDS("avx512f");
#endif
#ifdef __AVX512CD__
    GW_NEEDS("avx512cd");
#endif
#ifdef __AVX512DQ__
    GW_NEEDS("avx512dq");
#endif
#ifdef __AVX512BW__
    GW_NEEDS("avx512bw");
#endif
#ifdef __AVX512VL__
    GW_NEEDS("avx512vl");
#endif
#ifdef __AVX512IFMA__
    GW_NEEDS("avx512ifma");
#endif
#ifdef __AVX512VBMI__
    GW_NEEDS("avx512vbmi");
#endif
#if !defined(__clang__) || __clang_major__ >= 8
#ifdef __AVX512VBMI2__
    GW_NEEDS("avx512vbmi2");
#endif
#ifdef __AVX512VNNI__
    GW_NEEDS("avx512vnni");
#endif
#ifdef __AVX512BITALG__
    GW_NEEDS("avx512bitalg");
#endif
#ifdef __AVX512VPOPCNTDQ__
    GW_NEEDS("avx512vpopcntdq");
#endif
#endif
#if !defined(__clang__) && __GNUC__ >= 8 && __GNUC__ < 15
#ifdef __AVX512ER__
    GW_NEEDS("avx512er");
#endif
#ifdef __AVX512PF__
    GW_NEEDS("avx512pf");
#endif
#ifdef __AVX5124FMAPS__
    GW_NEEDS("avx5124fmaps");
#endif
#endif
#undef GW_NEEDS
#elif defined(__aarch64__) && defined(__linux__)
#ifdef __ARM_FEATURE_DOTPROD
    if (!(getauxval(AT_HWCAP) >> 20 & 1)) return "dotprod";
#endif
#ifdef __ARM_FEATURE_SVE
    if (!(getauxval(AT_HWCAP) >> 22 & 1)) return "sve";
#endif
#ifdef __ARM_FEATURE_SVE2
    if (!(getauxval(AT_HWCAP2) >> 1 & 1)) return "sve2";
#endif
#endif
    return 0;
}

#endif
