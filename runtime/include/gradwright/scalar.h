/* Scalar types and elementary functions of the generated kernels.

   They are polynomials without branches, tables or calls, in double and in float, so that a plain loop over them is vectorised at
   the width of the machine. atan2 calls libm, and so does pow where there is no fused multiply-add.

   Largest error, in units in the last place (tests/test_headers.py holds them to it):

                    exp   expm1   log   log1p   tanh   sigmoid   softplus   erf   sinh   cosh   asin   acos   atan   pow
                    1.0   2.0     1.0   1.5     2.0    2.0       2.0        1.5   2.0    1.5    2.0    1.5    1.5    1.0

   over the whole range, subnormal results included; exp_below, tanh_shared and sigmoid_shared have the bounds of exp, tanh
   and sigmoid. NaN gives NaN, infinities and overflow give what the mathematics says, and odd functions keep the sign of zero.

   These rely on IEEE arithmetic as written: -ffast-math and -fassociative-math must not be used.
   Contraction of a*b + c into one rounding is welcome. */
#ifndef GRADWRIGHT_SCALAR_H
#define GRADWRIGHT_SCALAR_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__ASSOCIATIVE_MATH__)
#error "gradwright/scalar.h needs NaN, infinities and arithmetic as written: compile without -ffast-math"
#endif

/* What is read through a gw_read pointer is written through no other one, and the other way round. */
typedef const double* __restrict__ gw_read_f64;
typedef double* __restrict__ gw_write_f64;
typedef const float* __restrict__ gw_read_f32;
typedef float* __restrict__ gw_write_f32;
typedef const int64_t* __restrict__ gw_read_i64;
typedef int64_t* __restrict__ gw_write_i64;

#define gw_pi_f64 3.14159265358979323846
#define gw_pi_f32 3.14159265358979323846f

#define GW_INLINE static inline __attribute__((always_inline, unused))

/* Whether there is an instruction that multiplies and adds with one rounding. */
#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
#define GW_FUSED 1
#else
#define GW_FUSED 0
#endif

/* A kernel is compiled for so few rows as well (compiler/build/few.py); the C compiler alone knows nothing of it. */
#define gw_few(rows, ...) ((void)0)

/* a*b + c. Left to itself, gcc fuses the first product of a sum, which may be the one that is there long before the other. */
GW_INLINE double gw_fused(double a, double b, double c) {
#if GW_FUSED
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

/* The least whole number whose square is n or more, and 1 at least: how a long loop is cut. */
GW_INLINE ptrdiff_t gw_root(ptrdiff_t n) {
    ptrdiff_t root = n > 1 ? (ptrdiff_t)sqrt((double)(n - 1)) + 1 : 1;
    return root;
}

/* n, of which the C compiler knows nothing: gcc 12 vectorises reads with a step of 63 or 65, but of 64, more than a vector has. */
GW_INLINE ptrdiff_t gw_stride(ptrdiff_t n) {
    __asm__("" : "+r"(n));
    return n;
}

/* ---- bits ---- */

GW_INLINE uint64_t gw_bits(double x) { uint64_t u; memcpy(&u, &x, sizeof u); return u; }
GW_INLINE double gw_real(uint64_t u) { double x; memcpy(&x, &u, sizeof x); return x; }
GW_INLINE uint32_t gw_bitsf(float x) { uint32_t u; memcpy(&u, &x, sizeof u); return u; }
GW_INLINE float gw_realf(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }

/* The nearest integer where |x| < 2^30 (a half may go either way), and anything elsewhere. An instruction where there is one;
   else a conversion, which is the vector form that SSE2 has. */
#if defined(__SSE4_1__) || defined(__aarch64__) || defined(__ARM_FEATURE_DIRECTED_ROUNDING)
GW_INLINE double gw_round(double x) { return __builtin_rint(x); }
GW_INLINE float gw_roundf(float x) { return __builtin_rintf(x); }
#else
GW_INLINE double gw_round(double x) {
    x = x < 0x1p30 ? x : 0.0;
    x = x > -0x1p30 ? x : 0.0;
    return (double)(int32_t)(x + __builtin_copysign(0.5, x));
}
GW_INLINE float gw_roundf(float x) {
    x = x < 0x1p30f ? x : 0.0f;
    x = x > -0x1p30f ? x : 0.0f;
    return (float)(int32_t)(x + __builtin_copysignf(0.5f, x));
}
#endif

/* x, but not below low < 0 and not above top > 0; NaN becomes one of them. The bits of reals of one sign are ordered as they are, and
   the lesser of two whole numbers is an instruction, while a comparison of reals and the choice after it are two, which do not go
   side by side with multiplications. */
GW_INLINE float gw_withinf(float x, float low, float top) {
    int32_t bits = (int32_t)gw_bitsf(x), most = (int32_t)gw_bitsf(top);
    uint32_t kept = (uint32_t)(bits < most ? bits : most), least = gw_bitsf(low);
    return gw_realf(kept < least ? kept : least);
}

/* The bits of "below" where the sign of x is set, and those of "above" elsewhere: a comparison would wait for multiplications. */
GW_INLINE float gw_by_signf(float x, float below, float above) {
    uint32_t mask = (uint32_t)((int32_t)gw_bitsf(x) >> 31);
    return gw_realf((gw_bitsf(below) & mask) | (gw_bitsf(above) & ~mask));
}

/* All bits where x is a NaN, and none elsewhere: what it is or-ed into becomes a NaN. */
GW_INLINE uint32_t gw_nan_bitsf(float x) {
    return (uint32_t)((0x7f800000 - (int32_t)gw_bitsf(__builtin_fabsf(x))) >> 31);
}

/* |x|, but not above top, which a NaN becomes. Of real numbers, not of bits, C compilers know that |x| is that of -|x| as well. */
GW_INLINE float gw_size_withinf(float x, float top) {
    int32_t bits = (int32_t)gw_bitsf(__builtin_fabsf(x)), most = (int32_t)gw_bitsf(top);
    return gw_realf((uint32_t)(bits < most ? bits : most));
}

/* 2^k for a real k that is an integer in [-1022, 1023] ([-126, 127]): adding 1.5 * 2^52 puts the integer into
   the low bits of the significand, whence it is shifted into the exponent. */
GW_INLINE double gw_power2(double k) { return gw_real(gw_bits(k + (0x1.8p52 + 1023)) << 52); }
GW_INLINE float gw_power2f(float k) { return gw_realf(gw_bitsf(k + (0x1.8p23f + 127)) << 23); }

/* ---- exp and expm1 ---- */

/* x = k log 2 + r with |r| <= log(2)/2 to a hair, k an integer. The sum of x / log 2 and 1.5 * 2^52 has k in its low bits, rounded
   to nearest, and a bias more if that was added: shifted into the exponent they are 2^(k + bias). */
#define GW_EXP_ONE (0x1.8p52 + 1023)
#define GW_EXP_ONEF (0x1.8p23f + 127)
GW_INLINE double gw_exp_k(double x, double one) { return x * 0x1.71547652b82fep+0 + one; }
GW_INLINE float gw_exp_kf(float x, float one) { return x * 0x1.715476p+0f + one; }
GW_INLINE double gw_power_of(double t) { return gw_real(gw_bits(t) << 52); }
GW_INLINE float gw_power_off(float t) { return gw_realf(gw_bitsf(t) << 23); }

/* (exp(r) - 1 - r)/r^2 of r and s = r^2 */
GW_INLINE double gw_exp_rest(double r, double s) {
    double even = 0x1.1f66f85dfa20ap-29;
    double odd = 0x1.af38d53857513p-26;
    even = even * s + 0x1.27e4e1ea0f53ap-22;
    odd = odd * s + 0x1.71de0d9c145d0p-19;
    even = even * s + 0x1.a01a01a47db6fp-16;
    odd = odd * s + 0x1.a01a01a7c8d47p-13;
    even = even * s + 0x1.6c16c16c167dep-10;
    odd = odd * s + 0x1.11111111109adp-7;
    even = even * s + 0x1.5555555555555p-5;
    odd = odd * s + 0x1.5555555555556p-3;
    even = even * s + 0.5;
    return odd * r + even;
}
/* The same for gates, each of which a small net waits for: the terms are added in pairs, and these in pairs. In the two chains above
   each waits for the last, but it is less to do. */
GW_INLINE double gw_exp_rest_soon(double r, double s) {
    double p0 = 0x1.5555555555556p-3 * r + 0.5;
    double p2 = 0x1.11111111109adp-7 * r + 0x1.5555555555555p-5;
    double p4 = 0x1.a01a01a7c8d47p-13 * r + 0x1.6c16c16c167dep-10;
    double p6 = 0x1.71de0d9c145d0p-19 * r + 0x1.a01a01a47db6fp-16;
    double p8 = 0x1.af38d53857513p-26 * r + 0x1.27e4e1ea0f53ap-22;
    double z = s * s;
    p0 = p2 * s + p0;
    p4 = p6 * s + p4;
    p8 = 0x1.1f66f85dfa20ap-29 * s + p8;
    return (p8 * z + p4) * z + p0;
}
/* exp(r) - 1, where r = hi - lo to more digits than it holds; ``more`` is what x lacks. */
GW_INLINE double gw_exp_less1_and(double x, double k, double more) {
    double hi = x - k * 0x1.62e42feep-1, lo = k * 0x1.a39ef35793c76p-33 - more;
    double r = hi - lo, s = r * r;
    return (s * gw_exp_rest(r, s) - lo) + hi;
}
GW_INLINE double gw_exp_less1(double x, double k) { return gw_exp_less1_and(x, k, 0.0); }
GW_INLINE double gw_exp_less1_soon(double x, double k) {
    double hi = x - k * 0x1.62e42feep-1, lo = k * 0x1.a39ef35793c76p-33, r = hi - lo, s = r * r;
    return gw_fused(s, gw_exp_rest_soon(r, s), -lo) + hi;
}

GW_INLINE float gw_exp_rf(float x, float k) { return (x - k * 0x1.62ep-1f) - k * 0x1.0bfbe8p-15f; }
/* In one step, where multiplications are fused with additions: the float next to log 2 is nearer than 2^-28 of it. */
GW_INLINE float gw_exp_near_rf(float x, float k) { return GW_FUSED ? x - k * 0x1.62e43p-1f : gw_exp_rf(x, k); }
/* exp(r) - 1 in float; the pairs of the polynomial do not wait for one another. */
GW_INLINE float gw_exp_less1_off(float r) {
    float s = r * r;
    float even = 0x1.6c2e6ap-10f * s + (0x1.1229dap-7f * r + 0x1.55549cp-5f);
    return s * (even * s + (0x1.5554aep-3f * r + 0x1.000002p-1f)) + r;
}
GW_INLINE float gw_exp_less1f(float x, float k) { return gw_exp_less1_off(gw_exp_rf(x, k)); }
/* exp(r) times a power of two: where multiplications are fused with additions, rounded once and in fewer of them. */
GW_INLINE float gw_exp_whole_off(float r, float scale) {
    float q = 0x1.6c2e6ap-10f * scale;
    q = q * r + 0x1.1229dap-7f * scale;
    q = q * r + 0x1.55549cp-5f * scale;
    q = q * r + 0x1.5554aep-3f * scale;
    q = q * r + 0x1.000002p-1f * scale;
#if GW_FUSED
    return (q * r + scale) * r + scale;
#else
    return r * r * q + r * scale + scale;
#endif
}
GW_INLINE float gw_exp_wholef(float x, float k, float scale) { return gw_exp_whole_off(gw_exp_rf(x, k), scale); }

/* Scaling by 2^k takes two steps of half of it, of which the first is exact: subnormal results and those near overflow are rounded
   once. In double, the result is put in at the end, so that nothing waits for the comparison. */
#define GW_EXP_TWO (0x1.8p52 + 2046)
GW_INLINE double gw_exp_scaled(double y, double t) {
    uint64_t whole = gw_bits(t) << 52, half = gw_bits(t) << 51 & 0xfff0000000000000u;
    return y * gw_real(half) * gw_real(whole - half);
}

GW_INLINE double gw_exp(double x) {
    double t = gw_exp_k(x, GW_EXP_TWO), y = gw_exp_scaled(gw_exp_less1(x, t - GW_EXP_TWO) + 1.0, t);
    y = x < -746.0 ? 0.0 : y;
    return x > 711.0 ? INFINITY : y;
}

/* In float, x stays where k fits, and the exact step adds to the exponent: bits are added beside multiplications, which are what
   takes the time. It is of exp(r) 2^-64, so that no bias is to be taken away; from -132 down the other step is 0: a product that
   underflows takes 30 cycles, and what is masked in a softmax would. */
#define GW_EXP_TWOF (GW_EXP_ONEF + 64.0f)
GW_INLINE float gw_expf(float x) {
    float a = gw_withinf(x, -132.4f, 90.0f), t = gw_exp_kf(a, GW_EXP_TWOF), y = gw_exp_wholef(a, t - GW_EXP_TWOF, 0x1p-64f);
    uint32_t whole = gw_bitsf(t) << 23, half = gw_bitsf(t) << 22 & 0xff800000u;
    y = gw_realf(gw_bitsf(y) + (whole - half)) * gw_realf(half);
    return x != x ? x : y;
}

/* exp(-|x|), which is exp(x) of what is not above 0. */
GW_INLINE double gw_exp_below(double x) {
    x = __builtin_fabs(x);
    double t = gw_exp_k(-x, GW_EXP_ONE + 512.0);
    double y = (gw_exp_less1(-x, t - (GW_EXP_ONE + 512.0)) + 1.0) * gw_power_of(t) * 0x1p-512;
    return x > 746.0 ? 0.0 : y;
}

GW_INLINE float gw_exp_belowf(float x) {
    float a = gw_size_withinf(x, 104.0f), t = gw_exp_kf(-a, 0x1.8p23f + 64.0f);
    float y = gw_exp_wholef(-a, t - (0x1.8p23f + 64.0f), 1.0f);
    return gw_realf(gw_bitsf(y) + (gw_bitsf(t) << 23)) * 0x1p-64f + gw_realf(gw_nan_bitsf(x));
}

/* exp(x) - 1 = 2^k (exp(r) - 1) + (2^k - 1), computed at half its size so that k = 1024 does not overflow early.
   Where |x| is below 2^-54 it is x itself, which keeps subnormals and the sign of zero. */
GW_INLINE double gw_expm1(double x) {
    double t = gw_exp_k(x, GW_EXP_ONE - 1.0), half = gw_power_of(t);
    double e = gw_exp_less1(x, t - (GW_EXP_ONE - 1.0)) * half + (half - 0.5);
    e = e + e;
    e = x > 710.0 ? INFINITY : e;
    e = x < -40.0 ? -1.0 : e;
    return __builtin_fabs(x) < 0x1p-54 ? x : e;
}

GW_INLINE float gw_expm1f(float x) {
    float t = gw_exp_kf(x, GW_EXP_ONEF - 1.0f), half = gw_power_off(t);
    float e = gw_exp_less1f(x, t - (GW_EXP_ONEF - 1.0f)) * half + (half - 0.5f);
    e = e + e;
    e = x > 89.0f ? INFINITY : e;
    e = x < -20.0f ? -1.0f : e;
    return __builtin_fabsf(x) < 0x1p-25f ? x : e;
}

/* ---- log and log1p ---- */

/* x = 2^k m with m in [sqrt(1/2), sqrt(2)), for a positive normal x. */
GW_INLINE double gw_log_k(double x) {
    uint64_t u = gw_bits(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    return gw_real(u >> 52 | 0x4330000000000000u) - (0x1p52 + 1023);
}
GW_INLINE double gw_log_m(double x) {
    uint64_t u = gw_bits(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    return gw_real((u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
}
/* With s = f/(2 + f): log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)); c is what f lost by rounding. */
GW_INLINE double gw_log_sum(double f, double k, double c) {
    double s = f / (2.0 + f), z = s * s, w = z * z, h = 0.5 * f * f;
    double odd = w * (w * (w * 0x1.39a09d078c69fp-3 + 0x1.c71c51d8e78afp-3) + 0x1.999999997fa04p-2);
    double even = z * (w * (w * (w * 0x1.2f112df3e5244p-3 + 0x1.7466496cb03dep-3) + 0x1.2492494229359p-2) + 0x1.5555555555593p-1);
    return k * 0x1.62e42feep-1 - ((h - (s * (h + (odd + even)) + (k * 0x1.a39ef35793c76p-33 + c))) - f);
}

GW_INLINE float gw_log_kf(float x) {
    uint32_t u = gw_bitsf(x) + (0x3f800000u - 0x3f3504f3u);
    return gw_realf(u >> 23 | 0x4b000000u) - (0x1p23f + 127);
}
GW_INLINE float gw_log_mf(float x) {
    uint32_t u = gw_bitsf(x) + (0x3f800000u - 0x3f3504f3u);
    return gw_realf((u & 0x007fffffu) + 0x3f3504f3u);
}
GW_INLINE float gw_log_sumf(float f, float k, float c) {
    float s = f / (2.0f + f), z = s * s, w = z * z, h = 0.5f * f * f;
    float odd = w * (w * 0xf.89e26p-6f + 0xc.ccce13p-5f);
    float even = z * (w * 0x9.1e9eep-5f + 0xa.aaaaap-4f);
    return k * 0x1.62e3p-1f - ((h - (s * (h + (odd + even)) + (k * 0x1.2fefa2p-17f + c))) - f);
}

GW_INLINE double gw_log(double x) {
    double small = x < 0x1p-1022 ? 52.0 : 0.0;
    double t = x < 0x1p-1022 ? x * 0x1p52 : x;
    double y = gw_log_sum(gw_log_m(t) - 1.0, gw_log_k(t) - small, 0.0);
    double edge = x == 0.0 ? -INFINITY : (double)NAN;
    y = x < INFINITY ? y : x;
    return x > 0.0 ? y : edge;
}

GW_INLINE float gw_logf(float x) {
    float small = x < 0x1p-126f ? 23.0f : 0.0f;
    float t = x < 0x1p-126f ? x * 0x1p23f : x;
    float y = gw_log_sumf(gw_log_mf(t) - 1.0f, gw_log_kf(t) - small, 0.0f);
    float edge = x == 0.0f ? -INFINITY : NAN;
    y = x < INFINITY ? y : x;
    return x > 0.0f ? y : edge;
}

/* u = 1 + x loses c. Where k = 0, f is x itself and nothing is lost; elsewhere the logarithm gains c/u, and
   c/u = c 2^-k / m, of which 2 - m is near enough to 1/m. */
GW_INLINE double gw_log1p_inside(double x) {
    double u = 1.0 + x, b = u - 1.0;
    double k = gw_log_k(u), m = gw_log_m(u);
    double c = ((1.0 - (u - b)) + (x - b)) * gw_power2(k < 1000.0 ? -k : -1000.0) * (2.0 - m);
    return gw_log_sum(k == 0.0 ? x : m - 1.0, k, k == 0.0 ? 0.0 : c);
}
GW_INLINE double gw_log1p(double x) {
    double y = gw_log1p_inside(x);
    double edge = x == -1.0 ? -INFINITY : (double)NAN;
    y = x < INFINITY ? y : x;
    y = __builtin_fabs(x) < 0x1p-54 ? x : y;
    return x > -1.0 ? y : edge;
}

GW_INLINE float gw_log1p_insidef(float x) {
    float u = 1.0f + x, b = u - 1.0f;
    float k = gw_log_kf(u), m = gw_log_mf(u);
    float c = ((1.0f - (u - b)) + (x - b)) * gw_power2f(k < 100.0f ? -k : -100.0f) * (2.0f - m);
    return gw_log_sumf(k == 0.0f ? x : m - 1.0f, k, k == 0.0f ? 0.0f : c);
}
GW_INLINE float gw_log1pf(float x) {
    float y = gw_log1p_insidef(x);
    float edge = x == -1.0f ? -INFINITY : NAN;
    y = x < INFINITY ? y : x;
    y = __builtin_fabsf(x) < 0x1p-25f ? x : y;
    return x > -1.0f ? y : edge;
}

/* ---- gates ---- */

/* What tanh, sigmoid and softplus of one x have in common: e = exp(-|x|), subnormals included, and u = 1 - e to all its digits, which
   is (1 - 2^k) - 2^k (exp(r) - 1). A C compiler computes it once where several of them stand in one loop, and u where it is used. */
typedef struct { double e, u; } gw_gate_f64;
typedef struct { float e, u; } gw_gate_f32;

GW_INLINE gw_gate_f64 gw_gate(double x) {
    double a = __builtin_fabs(x);
    a = a > 746.0 ? 746.0 : a;
    double t = gw_exp_k(-a, GW_EXP_ONE + 512.0), less1 = gw_exp_less1_soon(-a, t - (GW_EXP_ONE + 512.0));
    double above = gw_power_of(t), s = above * 0x1p-512;
    gw_gate_f64 gate = {(less1 * above + above) * 0x1p-512, (1.0 - s) - less1 * s};
    return gate;
}
GW_INLINE gw_gate_f32 gw_gatef(float x) {
    float a = gw_size_withinf(x, 104.0f), t = gw_exp_kf(-a, GW_EXP_ONEF + 64.0f);
    float less1 = gw_realf(gw_bitsf(gw_exp_less1f(-a, t - (GW_EXP_ONEF + 64.0f))) | gw_nan_bitsf(x));
    float above = gw_power_off(t);
    int32_t power = (int32_t)(gw_bitsf(above) - (64u << 23));
    float s = gw_realf((uint32_t)(power > 0 ? power : 0));
    gw_gate_f32 gate = {(less1 * above + above) * 0x1p-64f, (1.0f - s) - less1 * s};
    return gate;
}

/* tanh |x| = u (1 + e)/(1 + e^2) = u + u^2 e/(1 + e^2), where the second term is at most a fifth of the first. */
GW_INLINE double gw_tanh_of(double x, double e, double u) {
    return __builtin_copysign(u * (u * e / (1.0 + e * e)) + u, x);
}
GW_INLINE float gw_tanh_off(float x, float e, float u) { return __builtin_copysignf(u * (u * e / (1.0f + e * e)) + u, x); }

/* Alone, in fewer steps: what r lacks to be x - k log 2 counts for less the less e is. Where multiplications are fused with
   additions, one quotient is less to do and no less right. In float it is (1 - e)/(1 + e) of e = exp(-2|x|) = s + s m: 1 - s and
   1 + s are exact where it matters, so that both sides of the line are rounded once, and r needs one step.

   In double it is n/(n + 2) of n = exp(2|x|) - 1 = (s - 1 + s r) + s q, of which only the last sum is rounded, and where n is large
   what it loses is lost above and below. Below 0.17, where s = 1, both have the other sign, |n| then being further above a power of
   two. q = r^2/2 + (r^3/6 + ...) has the rest of k log 2, times what exp(r) is where it counts most, a little above 0.17. Of 600
   million points, most of them between 0.11 and 0.26, the largest error is 1.95; without a fused instruction it would be above 2. */
GW_INLINE double gw_tanh(double x) {
#if GW_FUSED
    double a = __builtin_fabs(x);
    double h = a < 0.17 ? -(a + a) : a + a;
    double t = a * 0x1.71547652b82fep+1 + GW_EXP_ONE, k = t - GW_EXP_ONE, r = h - k * 0x1.62e42fefa39efp-1, z = r * r;
    double p2 = 0x1.11111111109adp-7 * r + 0x1.5555555555555p-5;
    double p4 = 0x1.a01a01a7c8d47p-13 * r + 0x1.6c16c16c167dep-10;
    double p6 = 0x1.71de0d9c145d0p-19 * r + 0x1.a01a01a47db6fp-16;
    double p8 = 0x1.af38d53857513p-26 * r + 0x1.27e4e1ea0f53ap-22;
    double w = z * z, cube = gw_fused(z * r, 0x1.5555555555556p-3, k * -0x1.4p-56);
    p2 = gw_fused(p4, z, p2);
    p8 = gw_fused(0x1.1f66f85dfa20ap-29, z, p8);
    p6 = gw_fused(p8, z, p6);
    double q = gw_fused(z, 0.5, gw_fused(gw_fused(p6, w, p2), w, cube)), s = gw_power_of(t);
    double n = gw_fused(q, s, gw_fused(r, s, s - 1.0));
    return __builtin_copysign(a > 40.0 ? 1.0 : n / (n + 2.0), x);
#else
    return gw_tanh_of(x, gw_gate(x).e, gw_gate(x).u);
#endif
}
GW_INLINE float gw_tanhf(float x) {
#if GW_FUSED
    float a = __builtin_fabsf(x) + __builtin_fabsf(x), t = gw_exp_kf(-a, GW_EXP_ONEF), s = gw_power_off(t);
    float m = gw_exp_less1_off(gw_exp_near_rf(-a, t - GW_EXP_ONEF)), y = ((1.0f - s) - m * s) / ((1.0f + s) + m * s);
    return __builtin_copysignf(a > 40.0f ? 1.0f : y, x);
#else
    float a = gw_size_withinf(x, 20.0f), t = gw_exp_kf(-a, GW_EXP_ONEF), r = -a - (t - GW_EXP_ONEF) * 0x1.62e43p-1f;
    float less1 = gw_exp_less1_off(r), s = gw_power_off(t);
    float y = gw_tanh_off(x, less1 * s + s, (1.0f - s) - less1 * s);
    return gw_realf(gw_bitsf(y) | gw_nan_bitsf(x));
#endif
}
GW_INLINE double gw_tanh_shared(double x) { return gw_tanh_of(x, gw_gate(x).e, gw_gate(x).u); }
GW_INLINE float gw_tanh_sharedf(float x) { return gw_tanh_off(x, gw_gatef(x).e, gw_gatef(x).u); }

/* 1/(1 + exp(-x)) with everything below the line 2^54 (2^24) times smaller, so that it does not overflow before the result has
   become 0. exp(-x) + 1 = (2^k (exp(r) - 1) + 1) + 2^k: added so, it is rounded little more than once. */
GW_INLINE double gw_sigmoid(double x) {
    double t = gw_exp_k(-x, GW_EXP_ONE - 54.0), s = gw_power_of(t);
    double y = 0x1p-54 / ((gw_exp_less1_soon(-x, t - (GW_EXP_ONE - 54.0)) * s + 0x1p-54) + s);
    y = x < -746.0 ? 0.0 : y;
    return x > 40.0 ? 1.0 : y;
}
GW_INLINE float gw_sigmoidf(float x) {
    float a = gw_withinf(x, -104.0f, 20.0f), t = gw_exp_kf(-a, GW_EXP_ONEF - 24.0f), s = gw_power_off(t);
    float y = 0x1p-24f / ((gw_exp_less1f(-a, t - (GW_EXP_ONEF - 24.0f)) * s + 0x1p-24f) + s);
    return x != x ? x : y;
}

/* y (1 - y), the slope of a sigmoid whose value is y, from 0 to 1: rounded once where multiplications are fused with additions,
   1.5 ulp elsewhere. */
#if GW_FUSED
GW_INLINE double gw_sigmoid_slope(double y) { return __builtin_fma(-y, y, y); }
GW_INLINE float gw_sigmoid_slopef(float y) { return __builtin_fmaf(-y, y, y); }
#else
GW_INLINE double gw_sigmoid_slope(double y) { return y * (1.0 - y); }
GW_INLINE float gw_sigmoid_slopef(float y) { return y * (1.0f - y); }
#endif

/* With n = 1, or e where x is below 0: n/(1 + e) = n - e n/(1 + e), which loses less than the quotient itself. */
GW_INLINE double gw_sigmoid_shared(double x) {
    double e = gw_gate(x).e, n = x < 0.0 ? e : 1.0;
    return n - e * (n / (1.0 + e));
}
GW_INLINE float gw_sigmoid_sharedf(float x) {
    float e = gw_gatef(x).e, n = gw_by_signf(x, e, 1.0f);
    return n - e * (n / (1.0f + e));
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + e) with e = exp(-|x|) from 0 to 1, where the sum of gw_log_sum needs a few more terms and
   no exponent. */
GW_INLINE double gw_softplus(double x) {
    double e = gw_gate(x).e;
    double s = e / (2.0 + e), z = s * s, w = z * z, h = 0.5 * e * e;
    double even = 0x1.559c7cdc83547p-4, odd = 0x1.5c8a2d866bca2p-3;
    even = even * w + 0x1.106769394c9f5p-3;
    odd = odd * w + 0x1.efdd7904f2ac8p-4;
    even = even * w + 0x1.745cb39be63f2p-3;
    odd = odd * w + 0x1.3b1de318b07d7p-3;
    even = even * w + 0x1.24924920857adp-2;
    odd = odd * w + 0x1.c71c741f897c0p-3;
    even = even * w + 0x1.5555555555535p-1;
    odd = odd * w + 0x1.99999999a0840p-2;
    double y = e - (h - s * (h + z * (odd * z + even)));
    return y + (x > 0.0 ? x : 0.0);
}

GW_INLINE float gw_softplusf(float x) {
    float e = gw_gatef(x).e;
    float s = e / (2.0f + e), z = s * s, h = 0.5f * e * e;
    float r = 0x1.f1aef6p-3f;
    r = r * z + 0x1.b6d6a0p-3f;
    r = r * z + 0x1.250970p-2f;
    r = r * z + 0x1.9996a8p-2f;
    r = r * z + 0x1.555558p-1f;
    float y = e - (h - s * (h + z * r));
    return y + gw_by_signf(x, 0.0f, x);
}

/* erf |x| = |x| + |x| P(x^2) below 1. Beyond, it is 1 less erfc: a polynomial in float, exp(-x^2) times one of (x - 2.5)/(x + 2.5)
   in double; from 4 (6) on it is 1. */
GW_INLINE double gw_erf(double x) {
    double a = __builtin_fabs(x), z = a * a;
    double near = 0x1.05ffd737fb32ep-34;
    near = near * z - 0x1.389d4f2641625p-30;
    near = near * z + 0x1.f7b4bf3b13964p-27;
    near = near * z - 0x1.5f1ecb6f0764cp-23;
    near = near * z + 0x1.b9df224ca4b97p-20;
    near = near * z - 0x1.f4d1e3183f7aep-17;
    near = near * z + 0x1.f9a321d5b8e1ep-14;
    near = near * z - 0x1.c02db3dac435fp-11;
    near = near * z + 0x1.565bcd0dbaa38p-8;
    near = near * z - 0x1.b82ce31284e00p-6;
    near = near * z + 0x1.ce2f21a042b30p-4;
    near = near * z - 0x1.812746b0379e6p-2;
    near = near * z + 0x1.06eba8214db69p-3;
    a = a > 6.0 ? 6.0 : a;
    double t = (a - 2.5) / (a + 2.5);
    double far = 0x1.5d5e7634f4ca6p-24;
    far = far * t - 0x1.a36ff5774dd16p-20;
    far = far * t - 0x1.32951befcce73p-19;
    far = far * t + 0x1.f64be7b5a367bp-18;
    far = far * t + 0x1.38381b1459556p-16;
    far = far * t - 0x1.1ea84db776574p-15;
    far = far * t - 0x1.0e460ac2287b2p-13;
    far = far * t + 0x1.def25794251e9p-13;
    far = far * t + 0x1.cb3b600ad87b6p-11;
    far = far * t - 0x1.5a57167cd25c8p-9;
    far = far * t - 0x1.05bb2fe3d797cp-8;
    far = far * t + 0x1.470ba1f66220cp-5;
    far = far * t - 0x1.001154371704cp-3;
    far = far * t + 0x1.01c11a735ce12p-2;
    far = far * t - 0x1.7ca88dec217a4p-2;
    far = far * t + 0x1.afbb3f3b7343ap-3;
    far = 1.0 - gw_exp_below(a * a) * far;
    return __builtin_copysign(z < 1.0 ? a * near + a : far, x);
}

GW_INLINE float gw_erff(float x) {
    float a = __builtin_fabsf(x), z = a * a;
    float near = 0x1.476688p-14f;
    near = near * z - 0x1.a34e6ap-11f;
    near = near * z + 0x1.53f1eep-8f;
    near = near * z - 0x1.b7f718p-6f;
    near = near * z + 0x1.ce2ce6p-4f;
    near = near * z - 0x1.81273ep-2f;
    near = near * z + 0x1.06eba8p-3f;
    a = a > 4.0f ? 4.0f : a;
    float t = a - 2.5f;
    float far = -0x1.da7c16p-21f;
    far = far * t - 0x1.05fcd8p-21f;
    far = far * t + 0x1.06db56p-16f;
    far = far * t - 0x1.2b4404p-16f;
    far = far * t - 0x1.53759ap-14f;
    far = far * t + 0x1.1bfdfcp-12f;
    far = far * t - 0x1.0f948cp-12f;
    far = far * t - 0x1.25f1c2p-11f;
    far = far * t + 0x1.6eb5e2p-9f;
    far = far * t - 0x1.905a9cp-8f;
    far = far * t + 0x1.1a8ae4p-7f;
    far = far * t - 0x1.11ac2ep-7f;
    far = far * t + 0x1.64e3bap-8f;
    far = far * t - 0x1.1d7f9ap-9f;
    far = far * t + 0x1.aab85ap-12f;
    far = 1.0f - far;
    return __builtin_copysignf(z < 1.0f ? a * near + a : far, x);
}

/* ---- hyperbolic functions ---- */

/* exp(|x|)/2 = h, and exp(-|x|)/2 = 1/(4 h): half as much does not overflow before sinh and cosh do. */
GW_INLINE double gw_exp_half(double x) {
    x = __builtin_fabs(x);
    double t = gw_exp_k(x, GW_EXP_ONE - 513.0);
    double y = (gw_exp_less1(x, t - (GW_EXP_ONE - 513.0)) + 1.0) * gw_power_of(t) * 0x1p512;
    return x > 711.0 ? INFINITY : y;
}
GW_INLINE float gw_exp_halff(float x) {
    x = __builtin_fabsf(x);
    float t = gw_exp_kf(x, GW_EXP_ONEF - 65.0f);
    float y = gw_exp_wholef(x, t - (GW_EXP_ONEF - 65.0f), 1.0f) * gw_power_off(t) * 0x1p64f;
    return x > 90.0f ? INFINITY : y;
}

/* Below 1, where that cancels, sinh x = x + x^3 P(x^2). */
GW_INLINE double gw_sinh(double x) {
    double h = gw_exp_half(x), z = x * x;
    double near = 0x1.9a794290c4732p-49;
    near = near * z + 0x1.ae756e92a9e6fp-41;
    near = near * z + 0x1.61246afa380c1p-33;
    near = near * z + 0x1.ae6456741b7e2p-26;
    near = near * z + 0x1.71de3a5573f7ap-19;
    near = near * z + 0x1.a01a01a019fc1p-13;
    near = near * z + 0x1.1111111111111p-7;
    near = near * z + 0x1.5555555555555p-3;
    near = z * near * x + x;
    double far = __builtin_copysign(h - 0.25 / h, x);
    return z < 1.0 ? near : far;
}
GW_INLINE float gw_sinhf(float x) {
    float h = gw_exp_halff(x), z = x * x;
    float near = 0x1.7a15b6p-19f;
    near = near * z + 0x1.9ffe92p-13f;
    near = near * z + 0x1.111134p-7f;
    near = near * z + 0x1.555556p-3f;
    near = z * near * x + x;
    float far = __builtin_copysignf(h - 0.25f / h, x);
    return z < 1.0f ? near : far;
}
GW_INLINE double gw_cosh(double x) {
    double h = gw_exp_half(x);
    return h + 0.25 / h;
}
GW_INLINE float gw_coshf(float x) {
    float h = gw_exp_halff(x);
    return h + 0.25f / h;
}

/* ---- inverse circular functions ---- */

/* (asin s - s)/s^3 up to s = 1/2, of z = s^2. */
GW_INLINE double gw_asin_beyond(double z) {
    double y = 0x1.056d71c754cb3p-5;
    y = y * z - 0x1.09d36f4076a14p-6;
    y = y * z + 0x1.3ff4ff66c7aacp-6;
    y = y * z + 0x1.abce9beebed6bp-8;
    y = y * z + 0x1.8ec31bc3ff731p-7;
    y = y * z + 0x1.c6fdbb6c6f0c3p-7;
    y = y * z + 0x1.1c6be20cf2b7ap-6;
    y = y * z + 0x1.6e89f437c4ddap-6;
    y = y * z + 0x1.f1c72c3965284p-6;
    y = y * z + 0x1.6db6db4278d3bp-5;
    y = y * z + 0x1.333333336e839p-4;
    return y * z + 0x1.5555555555390p-3;
}
GW_INLINE float gw_asin_beyondf(float z) {
    float y = 0x1.596d82p-5f;
    y = y * z + 0x1.8c27d0p-6f;
    y = y * z + 0x1.747e56p-5f;
    y = y * z + 0x1.3301e4p-4f;
    return y * z + 0x1.5555c8p-3f;
}

/* Beyond 1/2, asin |x| = pi/2 - 2 asin s and acos |x| = 2 asin s with s^2 = (1 - |x|)/2, which is exact; acos(-x) = pi - acos x.
   Beyond 1 the root is a NaN. */
GW_INLINE double gw_asin(double x) {
    double a = __builtin_fabs(x), far = 0.5 - 0.5 * a, z = a < 0.5 ? a * a : far;
    double s = a < 0.5 ? a : sqrt(far), y = s * z * gw_asin_beyond(z);
    y = a < 0.5 ? s + y : (0x1.921fb54442d18p+0 - 2.0 * s) - (2.0 * y - 0x1.1a62633145c07p-54);
    return __builtin_copysign(y, x);
}
GW_INLINE float gw_asinf(float x) {
    float a = __builtin_fabsf(x), far = 0.5f - 0.5f * a, z = a < 0.5f ? a * a : far;
    float s = a < 0.5f ? a : sqrtf(far), y = s * z * gw_asin_beyondf(z);
    y = a < 0.5f ? s + y : (0x1.921fb6p+0f - 2.0f * s) - (2.0f * y + 0x1.777a5cp-25f);
    return __builtin_copysignf(y, x);
}
GW_INLINE double gw_acos(double x) {
    double a = __builtin_fabs(x), far = 0.5 - 0.5 * a, z = a < 0.5 ? a * a : far;
    double s = a < 0.5 ? a : sqrt(far), y = s * z * gw_asin_beyond(z);
    double middle = 0x1.921fb54442d18p+0 - (x - (0x1.1a62633145c07p-54 - __builtin_copysign(y, x)));
    double left = 0x1.921fb54442d18p+1 - (2.0 * (s + y) - 0x1.1a62633145c07p-53);
    double side = x < 0.0 ? left : 2.0 * (s + y);
    return a < 0.5 ? middle : side;
}
GW_INLINE float gw_acosf(float x) {
    float a = __builtin_fabsf(x), far = 0.5f - 0.5f * a, z = a < 0.5f ? a * a : far;
    float s = a < 0.5f ? a : sqrtf(far), y = s * z * gw_asin_beyondf(z);
    float middle = 0x1.921fb6p+0f - (x + (0x1.777a5cp-25f + __builtin_copysignf(y, x)));
    float left = 0x1.921fb6p+1f - (2.0f * (s + y) + 0x1.777a5cp-24f);
    float side = x < 0.0f ? left : 2.0f * (s + y);
    return a < 0.5f ? middle : side;
}

/* atan |x| = pi/4 + atan((|x| - 1)/(|x| + 1)) from 1/2 on and pi/2 - atan(1/|x|) from 5/2 on; one division for both. */
GW_INLINE double gw_atan(double x) {
    double a = __builtin_fabs(x);
    double above = a < 2.5 ? a - 1.0 : -1.0, below = a < 2.5 ? a + 1.0 : a;
    double base = a < 2.5 ? 0x1.921fb54442d18p-1 : 0x1.921fb54442d18p+0;
    double rest = a < 2.5 ? 0x1.1a62633145c07p-55 : 0x1.1a62633145c07p-54;
    double t = a < 0.5 ? a : above / below, z = t * t;
    double y = 0x1.4b84ad1d2798cp-7;
    y = y * z - 0x1.c18075c05bca9p-6;
    y = y * z + 0x1.56f60b939f482p-5;
    y = y * z - 0x1.a39886b601518p-5;
    y = y * z + 0x1.dfe9814d0eae1p-5;
    y = y * z - 0x1.10f31ffe466f2p-4;
    y = y * z + 0x1.3b113ddc943f3p-4;
    y = y * z - 0x1.745cf4cd60856p-4;
    y = y * z + 0x1.c71c709104c91p-4;
    y = y * z - 0x1.249249215e5b8p-3;
    y = y * z + 0x1.999999999116fp-3;
    y = y * z - 0x1.5555555555516p-2;
    y = t * z * y;
    y = a < 0.5 ? t + y : base + (t + (y + rest));
    return __builtin_copysign(y, x);
}
GW_INLINE float gw_atanf(float x) {
    float a = __builtin_fabsf(x);
    float above = a < 2.5f ? a - 1.0f : -1.0f, below = a < 2.5f ? a + 1.0f : a;
    float base = a < 2.5f ? 0x1.921fb6p-1f : 0x1.921fb6p+0f, rest = a < 2.5f ? -0x1.777a5cp-26f : -0x1.777a5cp-25f;
    float t = a < 0.5f ? a : above / below, z = t * t;
    float y = 0x1.3d38d4p-5f;
    y = y * z - 0x1.470714p-4f;
    y = y * z + 0x1.c0248cp-4f;
    y = y * z - 0x1.244accp-3f;
    y = y * z + 0x1.9996ecp-3f;
    y = y * z - 0x1.555550p-2f;
    y = t * z * y;
    y = a < 0.5f ? t + y : base + (t + (y + rest));
    return __builtin_copysignf(y, x);
}

/* ---- choices: a NaN of either operand is the answer, as in NumPy's maximum and minimum ---- */

/* The bits of a where the condition holds, and those of b elsewhere. A choice by ?: is a branch as soon as gcc knows something
   about two of them in a row (that one decides the other), and a loop with branches is not vectorised. */
GW_INLINE double gw_pick(int condition, double a, double b) {
    const uint64_t mask = -(uint64_t)condition;
    return gw_real((gw_bits(a) & mask) | (gw_bits(b) & ~mask));
}
GW_INLINE float gw_pickf(int condition, float a, float b) {
    const uint32_t mask = -(uint32_t)condition;
    return gw_realf((gw_bitsf(a) & mask) | (gw_bitsf(b) & ~mask));
}
/* One of two that are both computed, as cheaply as can be. */
GW_INLINE double gw_choose(int condition, double a, double b) { return condition ? a : b; }
GW_INLINE float gw_choosef(int condition, float a, float b) { return condition ? a : b; }

/* Whether a place is one of an axis, and the element of a row where all its places are, or what stands around. The question has the
   same answer all along the row: so written, without a branch, it is asked before the loop, and the loop is vectorised. */
GW_INLINE int gw_within(ptrdiff_t place, ptrdiff_t extent) { return (size_t)place < (size_t)extent; }
GW_INLINE double gw_framed(gw_read_f64 x, ptrdiff_t row, ptrdiff_t place, int inside, double around) {
    return gw_pick(inside, x[(row & -(ptrdiff_t)inside) + place], around);
}
GW_INLINE float gw_framedf(gw_read_f32 x, ptrdiff_t row, ptrdiff_t place, int inside, float around) {
    return gw_pickf(inside, x[(row & -(ptrdiff_t)inside) + place], around);
}
GW_INLINE double gw_max(double a, double b) { return gw_pick((b > a) | (b != b), b, a); }
GW_INLINE double gw_min(double a, double b) { return gw_pick((b < a) | (b != b), b, a); }
GW_INLINE float gw_maxf(float a, float b) { return gw_pickf((b > a) | (b != b), b, a); }
GW_INLINE float gw_minf(float a, float b) { return gw_pickf((b < a) | (b != b), b, a); }

/* whether x takes the place of the largest (smallest) so far: the first of equals stays, and the first NaN stays */
GW_INLINE int gw_above(double x, double best) { return (x > best) | ((x != x) & (best == best)); }
GW_INLINE int gw_below(double x, double best) { return (x < best) | ((x != x) & (best == best)); }
GW_INLINE int gw_abovef(float x, float best) { return (x > best) | ((x != x) & (best == best)); }
GW_INLINE int gw_belowf(float x, float best) { return (x < best) | ((x != x) & (best == best)); }
GW_INLINE double gw_sign(double x) { return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x; }
GW_INLINE float gw_signf(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

/* ---- powers ---- */

/* x^y where |x|^y is known: the sign for a negative x, a NaN where there is no real power, and 1 where one of both says so whatever
   the other is. A whole y is odd if its half is not whole. */
GW_INLINE double gw_power_of_sign(double x, double y, double power) {
    double a = __builtin_fabs(x), b = __builtin_fabs(y), half = 0.5 * y;
    int whole = (gw_round(y) == y) | (b >= 0x1p53), odd = whole & (gw_round(half) != half) & (b < 0x1p53);
    power = gw_real(gw_bits(power) | (gw_bits(x) & ((uint64_t)odd << 63)));
    power = gw_pick((x < 0.0) & (x > -INFINITY) & (whole ^ 1), (double)NAN, power);
    return gw_pick((x == 1.0) | (y == 0.0) | ((a == 1.0) & (b == INFINITY)), 1.0, power);
}
GW_INLINE float gw_power_of_signf(float x, float y, float power) {
    float a = __builtin_fabsf(x), b = __builtin_fabsf(y), half = 0.5f * y;
    int whole = (gw_roundf(y) == y) | (b >= 0x1p24f), odd = whole & (gw_roundf(half) != half) & (b < 0x1p24f);
    power = gw_realf(gw_bitsf(power) | (gw_bitsf(x) & ((uint32_t)odd << 31)));
    power = gw_pickf((x < 0.0f) & (x > -INFINITY) & (whole ^ 1), NAN, power);
    return gw_pickf((x == 1.0f) | (y == 0.0f) | ((a == 1.0f) & (b == INFINITY)), 1.0f, power);
}

/* x^y of a whole y from 5 to 31, or minus that, which the C compiler knows: squares and products of x or of 1/x, each with what it
   loses by rounding. In float they are of doubles. */
#define GW_KNOWN_WHOLE(y) (__builtin_constant_p(y) && (y) == (double)(int)(y) && __builtin_fabs(y) >= 5.0 && __builtin_fabs(y) < 32.0)
#define GW_SQUARES(STEP) STEP(8) STEP(4) STEP(2) STEP(1)
GW_INLINE double gw_whole_pow(double x, int y) {
    const int n = y < 0 ? -y : y;
    double base = y < 0 ? 1.0 / x : x, rest = y < 0 ? gw_fused(-x, base, 1.0) * base : 0.0, h = base, low = rest, p;
#define GW_STEP(bit)                                                                    \
    if (n >= 2 * bit) {                                                                 \
        p = h * h;                                                                      \
        low = gw_fused(h, h, -p) + (y > 0 && n < 4 * bit ? 0.0 : (h + h) * low);        \
        h = p;                                                                          \
    }                                                                                   \
    if (n >= 2 * bit && n & bit) {                                                      \
        p = h * base;                                                                   \
        low = gw_fused(h, base, -p) + (y > 0 ? low * base : low * base + h * rest);     \
        h = p;                                                                          \
    }
    GW_SQUARES(GW_STEP)
#undef GW_STEP
    double size = __builtin_fabs(h);
    return ((size > 0.0) & (size < INFINITY)) ? h + low : h;
}
GW_INLINE float gw_whole_powf(float x, int y) {
    const int n = y < 0 ? -y : y;
    const double base = y < 0 ? 1.0 / x : x;
    double h = base;
#define GW_STEP(bit)                \
    if (n >= 2 * bit) h = h * h;    \
    if (n >= 2 * bit && n & bit) h = h * base;
    GW_SQUARES(GW_STEP)
#undef GW_STEP
    return (float)h;
}

/* exp(y log |x|). The logarithm is the sum of two numbers, for an error of y log |x| as a whole is one of the result's last places:
   k log 2 + 2 s + s^3 (2/3 + s^2 Q(s^2)) with s = (m - 1)/(m + 1), in which products lose nothing that a fused multiply-add does
   not give back. Without that instruction libm is faster. */
#if GW_FUSED
GW_INLINE double gw_pow(double x, double y) {
    if (GW_KNOWN_WHOLE(y)) return gw_whole_pow(x, (int)y);
    double a = __builtin_fabs(x), small = a < 0x1p-1022 ? 54.0 : 0.0, t = a < 0x1p-1022 ? a * 0x1p54 : a;
    double k = gw_log_k(t) - small, f = gw_log_m(t) - 1.0;
    double d = f + 2.0, d_low = f - (d - 2.0), inverse = 1.0 / d;
    double s = f * inverse, s_low = (__builtin_fma(-s, d, f) - s * d_low) * inverse;
    double z = s * s, z_low = __builtin_fma(s, s, -z) + 2.0 * s * s_low;
    double q = 0x1.0e43228116b10p-3;
    q = q * z + 0x1.0f7fdd333bec8p-3;
    q = q * z + 0x1.3b1eec8fc8f8fp-3;
    q = q * z + 0x1.745ce9e08bee2p-3;
    q = q * z + 0x1.c71c722d6e6f8p-3;
    q = q * z + 0x1.2492492457d01p-2;
    q = q * z + 0x1.9999999999b30p-2;
    q = q * z;
    double g = 0x1.5555555555555p-1 + q, g_low = ((0x1.5555555555555p-1 - g) + q) + 0x1.5555555555555p-55;
    double u = z * g, u_low = __builtin_fma(z, g, -u) + (z * g_low + z_low * g);
    double c = s * u, c_low = __builtin_fma(s, u, -c) + (s * u_low + s_low * u);
    double first = k * 0x1.62e42feep-1, second = 2.0 * s;
    double sum = first + second, lost = (first - sum) + second;
    double log = sum + c, log_low = ((sum - log) + c) + (lost + (c_low + 2.0 * s_low + k * 0x1.a39ef35793c76p-33));
    log = a == 0.0 ? -INFINITY : log;
    log = a < INFINITY ? log : a;
    double p = y * log, p_low = __builtin_fma(y, log, -p) + y * log_low;
    double e = gw_exp_k(p, GW_EXP_TWO), power = gw_exp_scaled(gw_exp_less1_and(p, e - GW_EXP_TWO, p_low) + 1.0, e);
    power = p < -746.0 ? 0.0 : power;
    power = p > 711.0 ? INFINITY : power;
    return gw_power_of_sign(x, y, power);
}

/* 2^(y log2 |x|) in double, which holds more than enough of it; its range holds subnormals, and what overflows. */
GW_INLINE float gw_powf(float x, float y) {
    if (GW_KNOWN_WHOLE(y)) return gw_whole_powf(x, (int)y);
    float a = __builtin_fabsf(x);
    double t = a, m = gw_log_m(t), k = gw_log_k(t), s = (m - 1.0) / (m + 1.0), z = s * s;
    double q = 0x1.21b0ea97e634ap-2;
    q = q * z + 0x1.47955635813fbp-2;
    q = q * z + 0x1.a61a2ec9b1b2bp-2;
    q = q * z + 0x1.2776c2933ecdcp-1;
    q = q * z + 0x1.ec709dc53c66bp-1;
    q = q * z + 0x1.71547652b8251p+1;
    double log = q * s + k;
    log = a == 0.0f ? -INFINITY : log;
    log = a < INFINITY ? log : t;
    double p = y * log;
    p = p > 200.0 ? 200.0 : p;
    p = p < -200.0 ? -200.0 : p;
    double e = p + GW_EXP_ONE, r = p - (e - GW_EXP_ONE);
    double power = 0x1.c04828d9ef960p-17;
    power = power * r + 0x1.443fb7fa97744p-13;
    power = power * r + 0x1.5dc0574af4831p-10;
    power = power * r + 0x1.3b2a1bd2ba42bp-7;
    power = power * r + 0x1.c6b05511251f2p-5;
    power = power * r + 0x1.ebfbe0458c383p-3;
    power = power * r + 0x1.62e4300ba71a0p-1;
    power = power * r + 1.0;
    return gw_power_of_signf(x, y, (float)(power * gw_power_of(e)));
}
#else
GW_INLINE double gw_pow(double x, double y) { return pow(x, y); }
GW_INLINE float gw_powf(float x, float y) { return powf(x, y); }
#endif

/* ---- what the machine or libm has ---- */

GW_INLINE double gw_abs(double x) { return __builtin_fabs(x); }
GW_INLINE float gw_absf(float x) { return __builtin_fabsf(x); }
GW_INLINE double gw_sqrt(double x) { return sqrt(x); }
GW_INLINE float gw_sqrtf(float x) { return sqrtf(x); }
GW_INLINE double gw_floor(double x) { return floor(x); }
GW_INLINE float gw_floorf(float x) { return floorf(x); }
GW_INLINE double gw_square(double x) { return x * x; }
GW_INLINE float gw_squaref(float x) { return x * x; }

/* By names that the compiler knows nothing of: gcc 12 turns sin(atan(x)) into x/sqrt(1 + x*x) with a branch that makes 1 of
   NaN, and inverse pairs alike. */
#define GW_TEXT(x) #x
#define GW_TEXT_OF(x) GW_TEXT(x)
#define GW_LABEL(name) __asm__(GW_TEXT_OF(__USER_LABEL_PREFIX__) #name) __attribute__((const, nothrow))
GW_INLINE double gw_atan2(double y, double x) { return atan2(y, x); }
GW_INLINE float gw_atan2f(float y, float x) { return atan2f(y, x); }

/* x^n for an integer n, by squaring; x^0 is 1 for every x. */
GW_INLINE double gw_powi(double x, int n) {
    unsigned left = n < 0 ? 0u - (unsigned)n : (unsigned)n;
    double y = left & 1 ? x : 1.0;
    while (left >>= 1) {
        x *= x;
        y = left & 1 ? y * x : y;
    }
    return n < 0 ? 1.0 / y : y;
}
GW_INLINE float gw_powif(float x, int n) {
    unsigned left = n < 0 ? 0u - (unsigned)n : (unsigned)n;
    float y = left & 1 ? x : 1.0f;
    while (left >>= 1) {
        x *= x;
        y = left & 1 ? y * x : y;
    }
    return n < 0 ? 1.0f / y : y;
}

/* dst[i] = src[rows[i]] for rows of row_bytes bytes: how a shuffled mini-batch is collected. */
static inline __attribute__((unused)) void gw_gather_rows(void* __restrict__ dst, const void* __restrict__ src,
                                                           const int64_t* __restrict__ rows, ptrdiff_t count, ptrdiff_t row_bytes) {
    char* to = (char*)dst;
    const char* from = (const char*)src;
    if (row_bytes == 8) {
        for (ptrdiff_t i = 0; i < count; i++) memcpy(to + 8 * i, from + 8 * rows[i], 8);
    } else if (row_bytes == 4) {
        for (ptrdiff_t i = 0; i < count; i++) memcpy(to + 4 * i, from + 4 * rows[i], 4);
    } else {
        for (ptrdiff_t i = 0; i < count; i++) memcpy(to + row_bytes * i, from + row_bytes * rows[i], (size_t)row_bytes);
    }
}

#endif
