/* sin, cos and tan, in double and in float, at most 1.5 ulp and 2 for tan (tests/test_vector_functions.py), for any argument.

   |x| up to GW_CIRCULAR_FAR is reduced by multiples of pi/2 in several parts, whose products with the multiple are exact; what
   is farther away goes to libm, element by element. A loop cannot be vectorised over such a choice. So the C compiler is told
   that these functions have variants for whole vectors (the simd attribute, with the names of x86's vector ABI), and those are
   defined here, by GCC's vector extensions: a call for a vector, with one test for all of its elements. */
#ifndef GRADWRIGHT_CIRCULAR_H
#define GRADWRIGHT_CIRCULAR_H

#include "scalar.h"

#define GW_CIRCULAR_FAR_d 1e5
#define GW_CIRCULAR_FAR_f 6e3f

extern double gw_libm_sin(double) GW_LABEL(sin);
extern double gw_libm_cos(double) GW_LABEL(cos);
extern double gw_libm_tan(double) GW_LABEL(tan);
extern float gw_libm_sinf(float) GW_LABEL(sinf);
extern float gw_libm_cosf(float) GW_LABEL(cosf);
extern float gw_libm_tanf(float) GW_LABEL(tanf);

#if defined(__x86_64__) && defined(__ELF__) && defined(__GNUC__) && !defined(__clang__)

/* r = x - k (a + b + c) - rest: the products are exact, and what the second and the third difference lose is put back. */
#define GW_REDUCED(V, a, b, c, rest) \
    V r1 = x - k * a, r2 = r1 - k * b, r3 = r2 - k * c; \
    V lost = ((r1 - r2) - k * b) + ((r2 - r3) - k * c); \
    V lacks = lost - (rest), r = r3 + lacks;

/* r = x - k pi/2 for the nearest k, whose last two bits go to n. */
#define GW_TURNED_d(V, I) \
    V t = x * 0x1.45f306dc9c883p-1 + 0x1.8p52, k = t - 0x1.8p52; \
    I n = (I)t; \
    GW_REDUCED(V, 0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e0p-69, k * 0x1.b839a252049c1p-104) \
    V z = r * r;
#define GW_TURNED_f(V, I) \
    V t = x * 0x1.45f306p-1f + 0x1.8p23f, k = t - 0x1.8p23f; \
    I n = (I)t; \
    GW_REDUCED(V, 0x1.92p+0f, 0x1.fb4p-12f, 0x1.444p-24f, k * 0x1.68c234p-39f + k * 0x1.898cc6p-64f) \
    V z = r * r;

/* sin and cos of r, of which n tells one and its sign. */
#define GW_CIRCULAR_d(V) \
    V s = 0x1.5dfb39c3139b6p-33 * z - 0x1.ae5fde7f12068p-26; \
    s = s * z + 0x1.71de376b644ccp-19; \
    s = s * z - 0x1.a01a019e620eep-13; \
    s = s * z + 0x1.1111111110b23p-7; \
    s = s * z - 0x1.5555555555555p-3; \
    V c = -0x1.906dbf4fda044p-37 * z + 0x1.1eeb52a201da3p-29; \
    c = c * z - 0x1.27e4fa0241f7cp-22; \
    c = c * z + 0x1.a01a019f3dde1p-16; \
    c = c * z - 0x1.6c16c16c1691fp-10; \
    c = c * z + 0x1.5555555555555p-5;
#define GW_CIRCULAR_f(V) \
    V s = -0x1.9aae86p-13f * z + 0x1.110bf6p-7f; \
    s = s * z - 0x1.555552p-3f; \
    V c = 0x1.9bc2d4p-16f * z - 0x1.6c12aap-10f; \
    c = c * z + 0x1.555554p-5f;

#define GW_SIN_OR_COS(V, I, K, real, whole, bits, turn) \
    GW_CIRCULAR_##K(V) \
    s = r + r * z * s; \
    const V half = (real)0.5 * z, most = (real)1 - half; \
    c = most + ((((real)1 - most) - half) + z * z * c); \
    n += turn; \
    const I take = -(n & 1), minus = (n & 2) << (bits - 2); \
    V y = (V)((((I)s & ~take) | ((I)c & take)) ^ minus); \
    const I tiny = (I)((V)magnitude < (real)0x1p-30) & (whole)(turn - 1); /* sin is x there, also where it is -0 */
#define GW_FINISH_sin(V, I, K, real, whole, bits) GW_SIN_OR_COS(V, I, K, real, whole, bits, 0)
#define GW_FINISH_cos(V, I, K, real, whole, bits) GW_SIN_OR_COS(V, I, K, real, whole, bits, 1)

/* tan (r + low) = r + r^3 P(r^2) and what the slope 1 + tan^2 makes of low; -1 over it at odd multiples of pi/2, where what the sum
   lacks is put back into the quotient. */
#define GW_TANGENT_d(V) \
    V p = 0x1.46020394cc124p-17 * z - 0x1.90fe59bbbd22bp-16; \
    p = p * z + 0x1.91b1f3a8ac260p-15; \
    p = p * z - 0x1.9f0a8e31e1820p-16; \
    p = p * z + 0x1.16fd9571c7073p-14; \
    p = p * z + 0x1.60171b96be125p-14; \
    p = p * z + 0x1.fede2e6137d48p-13; \
    p = p * z + 0x1.34c1b29b94e82p-11; \
    p = p * z + 0x1.7db1008edbf7bp-10; \
    p = p * z + 0x1.d6d2f1a07815ap-9; \
    p = p * z + 0x1.226e3a44f6047p-7; \
    p = p * z + 0x1.664f485efe014p-6; \
    p = p * z + 0x1.ba1ba1bab6d3ap-5; \
    p = p * z + 0x1.111111111065ap-3; \
    p = p * z + 0x1.555555555555ep-2;
#define GW_TANGENT_f(V) \
    V p = 0x1.1ee010p-8f * z + 0x1.6e7014p-14f; \
    p = p * z + 0x1.631f6ep-7f; \
    p = p * z + 0x1.5cad52p-6f; \
    p = p * z + 0x1.badc1cp-5f; \
    p = p * z + 0x1.110d8cp-3f; \
    p = p * z + 0x1.555560p-2f;
#define GW_FINISH_tan(V, I, K, real, whole, bits) \
    GW_TANGENT_##K(V) \
    V more = r * z * p, low = (r3 - r) + lacks, about = r + more; \
    more += low * ((real)1 + about * about); \
    V tangent = r + more; \
    V over = (real)-1 / tangent; \
    over += over * over * ((r - tangent) + more); \
    const I take = -(n & 1), tiny = (I)((V)magnitude < (real)0x1p-30); \
    V y = (V)(((I)tangent & ~take) | ((I)over & take));

/* One variant of sin, cos or tan, on vectors of so many bytes, under its name in the vector ABI. */
#define GW_VARIANT(name, real, K, whole, bits, bytes, label) \
    typedef real gw_##name##_v##bytes##K __attribute__((vector_size(bytes))); \
    typedef whole gw_##name##_i##bytes##K __attribute__((vector_size(bytes))); \
    static gw_##name##_v##bytes##K gw_##name##_##bytes##K(gw_##name##_v##bytes##K) __asm__(label) __attribute__((used)); \
    static gw_##name##_v##bytes##K gw_##name##_##bytes##K(gw_##name##_v##bytes##K x) { \
        typedef gw_##name##_v##bytes##K V; \
        typedef gw_##name##_i##bytes##K I; \
        const I magnitude = (I)x & (whole)(((whole)1 << (bits - 2)) - 1 + ((whole)1 << (bits - 2))); \
        const I far = (I)(((V)magnitude <= GW_CIRCULAR_FAR_##K) == 0); \
        GW_TURNED_##K(V, I) \
        GW_FINISH_##name(V, I, K, real, whole, bits) \
        y = (V)(((I)y & ~tiny) | ((I)x & tiny)); \
        whole any = 0; \
        for (unsigned j = 0; j < bytes / sizeof(real); j++) any |= far[j]; \
        if (__builtin_expect(any != 0, 0)) \
            for (unsigned j = 0; j < bytes / sizeof(real); j++) \
                if (far[j]) y[j] = gw_libm_##name##K##_(x[j]); \
        return y; \
    }
#define gw_libm_sind_ gw_libm_sin
#define gw_libm_cosd_ gw_libm_cos
#define gw_libm_tand_ gw_libm_tan
#define gw_libm_sinf_ gw_libm_sinf
#define gw_libm_cosf_ gw_libm_cosf
#define gw_libm_tanf_ gw_libm_tanf

#define GW_VARIANTS(name) \
    extern double gw_lanes_##name##d(double) __attribute__((simd("notinbranch"), const, nothrow)); \
    extern float gw_lanes_##name##f(float) __attribute__((simd("notinbranch"), const, nothrow)); \
    static double gw_one_##name##d(double) __asm__("gw_lanes_" #name "d") __attribute__((used)); \
    static float gw_one_##name##f(float) __asm__("gw_lanes_" #name "f") __attribute__((used)); \
    GW_VARIANT(name, double, d, int64_t, 64, 16, "_ZGVbN2v_gw_lanes_" #name "d") \
    GW_VARIANT(name, float, f, int32_t, 32, 16, "_ZGVbN4v_gw_lanes_" #name "f") \
    GW_VARIANTS_32(name) \
    GW_VARIANTS_64(name) \
    static double gw_one_##name##d(double x) { return gw_##name##_16d((gw_##name##_v16d){x})[0]; } \
    static float gw_one_##name##f(float x) { return gw_##name##_16f((gw_##name##_v16f){x})[0]; } \
    GW_INLINE double gw_##name(double x) { return gw_lanes_##name##d(x); } \
    GW_INLINE float gw_##name##f(float x) { return gw_lanes_##name##f(x); }
#if defined(__AVX2__)
#define GW_VARIANTS_32(name) \
    GW_VARIANT(name, double, d, int64_t, 64, 32, "_ZGVdN4v_gw_lanes_" #name "d") \
    GW_VARIANT(name, float, f, int32_t, 32, 32, "_ZGVdN8v_gw_lanes_" #name "f")
#elif defined(__AVX__)
#define GW_VARIANTS_32(name) \
    GW_VARIANT(name, double, d, int64_t, 64, 32, "_ZGVcN4v_gw_lanes_" #name "d") \
    GW_VARIANT(name, float, f, int32_t, 32, 32, "_ZGVcN8v_gw_lanes_" #name "f")
#else
#define GW_VARIANTS_32(name)
#endif
#if defined(__AVX512F__)
#define GW_VARIANTS_64(name) \
    GW_VARIANT(name, double, d, int64_t, 64, 64, "_ZGVeN8v_gw_lanes_" #name "d") \
    GW_VARIANT(name, float, f, int32_t, 32, 64, "_ZGVeN16v_gw_lanes_" #name "f")
#else
#define GW_VARIANTS_64(name)
#endif
GW_VARIANTS(sin)
GW_VARIANTS(cos)
GW_VARIANTS(tan)
#else
GW_INLINE double gw_sin(double x) { return gw_libm_sin(x); }
GW_INLINE double gw_cos(double x) { return gw_libm_cos(x); }
GW_INLINE double gw_tan(double x) { return gw_libm_tan(x); }
GW_INLINE float gw_sinf(float x) { return gw_libm_sinf(x); }
GW_INLINE float gw_cosf(float x) { return gw_libm_cosf(x); }
GW_INLINE float gw_tanf(float x) { return gw_libm_tanf(x); }
#endif

#endif
