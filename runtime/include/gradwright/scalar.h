/* Scalar types and elementary functions of the generated kernels.

   exp, expm1, log, log1p, tanh, sigmoid, softplus and erf, in double and in float, are polynomials without
   branches, tables or calls, so that a plain loop over them is vectorised at the width of the machine.
   Everything else with a name in libm calls libm.

   Largest error, in units in the last place (tests/test_headers.py holds them to it):

                    exp   expm1   log   log1p   tanh   sigmoid   softplus   erf
                    1.0   2.0     1.0   1.5     2.0    2.0       2.0        1.5

   over the whole range, subnormal results included. NaN gives NaN, infinities and overflow give what the
   mathematics says, and odd functions keep the sign of zero.

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

/* The least whole number whose square is n or more, and 1 at least: how a long loop is cut. */
GW_INLINE ptrdiff_t gw_root(ptrdiff_t n) {
    ptrdiff_t root = n > 1 ? (ptrdiff_t)sqrt((double)(n - 1)) + 1 : 1;
    return root;
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

/* exp(r) - 1 = r + r^2 q(r), where r = hi - lo to more digits than it holds. */
GW_INLINE double gw_exp_less1(double x, double k) {
    double hi = x - k * 0x1.62e42feep-1, lo = k * 0x1.a39ef35793c76p-33;
    double r = hi - lo, s = r * r;
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
    return (s * (odd * r + even) - lo) + hi;
}

GW_INLINE float gw_exp_less1f(float x, float k) {
    float r = (x - k * 0x1.62ep-1f) - k * 0x1.0bfbe8p-15f;
    float q = 0x1.9e371cp-13f;
    q = q * r + 0x1.6d4cb6p-10f;
    q = q * r + 0x1.11130cp-7f;
    q = q * r + 0x1.5554e8p-5f;
    q = q * r + 0x1.555554p-3f;
    q = q * r + 0.5f;
    return r * r * q + r;
}

/* Scaling by 2^k takes two steps, of which the first is exact and far from both ends of the exponent: subnormal results and those
   near overflow are rounded once. What is beyond is clamped to where the result is 0 or infinity, so that k fits; NaN stays. */
GW_INLINE double gw_exp(double x) {
    x = x < -746.0 ? -746.0 : x;
    x = x > 711.0 ? 711.0 : x;
    double one = GW_EXP_ONE - __builtin_copysign(512.0, x), t = gw_exp_k(x, one);
    double back = gw_real(0x5ff0000000000000u ^ (gw_bits(x) >> 1 & 0x4000000000000000u)); /* 2^512, or 2^-512 left of 0 */
    return (gw_exp_less1(x, t - one) + 1.0) * gw_power_of(t) * back;
}

GW_INLINE float gw_expf(float x) {
    x = x < -105.0f ? -105.0f : x;
    x = x > 90.0f ? 90.0f : x;
    float one = GW_EXP_ONEF - __builtin_copysignf(64.0f, x), t = gw_exp_kf(x, one);
    float back = gw_realf(0x5f800000u ^ (gw_bitsf(x) >> 1 & 0x40000000u));
    return (gw_exp_less1f(x, t - one) + 1.0f) * gw_power_off(t) * back;
}

/* exp(-|x|). sigmoid, tanh and softplus are all made of this and nothing else that is dear: where a loop has several of one
   argument, the C compiler takes it once. */
GW_INLINE double gw_exp_below(double x) {
    x = __builtin_fabs(x);
    x = x > 746.0 ? 746.0 : x;
    double t = gw_exp_k(-x, GW_EXP_ONE + 512.0);
    return (gw_exp_less1(-x, t - (GW_EXP_ONE + 512.0)) + 1.0) * gw_power_of(t) * 0x1p-512;
}

GW_INLINE float gw_exp_belowf(float x) {
    x = __builtin_fabsf(x);
    x = x > 105.0f ? 105.0f : x;
    float t = gw_exp_kf(-x, GW_EXP_ONEF + 64.0f);
    return (gw_exp_less1f(-x, t - (GW_EXP_ONEF + 64.0f)) + 1.0f) * gw_power_off(t) * 0x1p-64f;
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

/* With e = exp(-|x|): tanh |x| = (1 - e^2)/(1 + e^2), and near 0, where that cancels, an odd polynomial. */
GW_INLINE double gw_tanh(double x) {
    double e = gw_exp_below(x), z = x * x;
    double t = (1.0 - e * e) / (1.0 + e * e);
    double near = 0x1.331a2ff4fc1f6p-18;
    near = near * z - 0x1.bb5527f137055p-16;
    near = near * z + 0x1.6e3f616b40afep-14;
    near = near * z - 0x1.eb4824e876c06p-13;
    near = near * z + 0x1.3472a39f58dc2p-11;
    near = near * z - 0x1.7d875a9b59403p-10;
    near = near * z + 0x1.d6d174f05d798p-9;
    near = near * z - 0x1.226e2452262ddp-7;
    near = near * z + 0x1.664f47e537a5ep-6;
    near = near * z - 0x1.ba1ba1b6c4006p-5;
    near = near * z + 0x1.111111110c81dp-3;
    near = near * z - 0x1.5555555555510p-2;
    near = z * near * x + x;
    return __builtin_copysign(z < 0.51 ? near : t, x);
}

GW_INLINE float gw_tanhf(float x) {
    float e = gw_exp_belowf(x), z = x * x;
    float t = (1.0f - e * e) / (1.0f + e * e);
    float near = -0x1.3fcc4cp-8f;
    near = near * z + 0x1.445ec8p-6f;
    near = near * z - 0x1.b5d24ap-5f;
    near = near * z + 0x1.10f1f0p-3f;
    near = near * z - 0x1.5554c0p-2f;
    near = z * near * x + x;
    return __builtin_copysignf(z < 0.54f ? near : t, x);
}

/* With e = exp(-|x|): 1/(1 + e) on the right, e/(1 + e) on the left; no overflow and no cancellation. What 1 + e lost is put
   back into the quotient. */
GW_INLINE double gw_sigmoid(double x) {
    double e = gw_exp_below(x), d = 1.0 + e;
    double q = (x < 0.0 ? e : 1.0) / d;
    return q - q * (e - (d - 1.0));
}

GW_INLINE float gw_sigmoidf(float x) {
    float e = gw_exp_belowf(x), d = 1.0f + e;
    float q = (x < 0.0f ? e : 1.0f) / d;
    return q - q * (e - (d - 1.0f));
}

/* log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)). */
GW_INLINE double gw_softplus(double x) {
    double e = gw_exp_below(x);
    double y = gw_log1p_inside(e);
    y = e >= 0x1p-54 ? y : e;
    return y + (x > 0.0 ? x : 0.0);
}

GW_INLINE float gw_softplusf(float x) {
    float e = gw_exp_belowf(x);
    float y = gw_log1p_insidef(e);
    y = e >= 0x1p-25f ? y : e;
    return y + (x > 0.0f ? x : 0.0f);
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
#define GW_LIBM(name) \
    extern double gw_libm_##name(double) GW_LABEL(name); \
    extern float gw_libm_##name##f(float) GW_LABEL(name##f); \
    GW_INLINE double gw_##name(double x) { return gw_libm_##name(x); } \
    GW_INLINE float gw_##name##f(float x) { return gw_libm_##name##f(x); }
GW_LIBM(tan)
GW_LIBM(sinh)
GW_LIBM(cosh)
GW_LIBM(asin)
GW_LIBM(acos)
GW_LIBM(atan)
#undef GW_LIBM
GW_INLINE double gw_atan2(double y, double x) { return atan2(y, x); }
GW_INLINE float gw_atan2f(float y, float x) { return atan2f(y, x); }
GW_INLINE double gw_pow(double x, double y) { return pow(x, y); }
GW_INLINE float gw_powf(float x, float y) { return powf(x, y); }

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
