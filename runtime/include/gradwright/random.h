/* Random numbers as a function of their place (seed, counter, stream, position): what runtime/draws.py says, to the last bit.

   Philox4x32-10 (Salmon, Moraes, Dror, Shaw, 2011), then for normal numbers the quantile of Wichura's AS 241 with fdlibm's
   logarithm. GW_ROUND keeps the compiler from joining a product and a sum into one operation that rounds once. */
#ifndef GRADWRIGHT_RANDOM_H
#define GRADWRIGHT_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__)
#define GW_ROUND(x) __asm__("" : "+x"(x))
#elif defined(__GNUC__) && defined(__aarch64__)
#define GW_ROUND(x) __asm__("" : "+w"(x))
#else
#define GW_ROUND(x) do { volatile double gw_rounded = (x); (x) = gw_rounded; } while (0)
#endif

/* a * b + c, rounded twice */
static inline double gw_two(double a, double b, double c)
{
    double product = a * b;
    GW_ROUND(product);
    return product + c;
}

/* Between 0 and 1, neither of them. Words of 32 bits in 64, and bits as a double without a conversion: so written a loop over draws
   is vectorised, and well. */
static inline double gw_unit(long long seed, long long counter, long long stream, long long position)
{
    const uint64_t low = UINT64_C(0xFFFFFFFF);
    uint64_t a = (uint64_t)position & low, b = (uint64_t)position >> 32, c = (uint64_t)counter & low;
    uint64_t d = ((uint64_t)stream & 0xFFFF) << 16 | ((uint64_t)counter >> 32 & 0xFFFF);
    uint64_t k = (uint64_t)seed & low, m = (uint64_t)seed >> 32, left, right, bits;
    double unit;
#define GW_PHILOX                                     \
    left = UINT64_C(0xD2511F53) * a;                  \
    right = UINT64_C(0xCD9E8D57) * c;                 \
    a = right >> 32 ^ b ^ k;                          \
    b = right & low;                                  \
    c = left >> 32 ^ d ^ m;                           \
    d = left & low;                                   \
    k = (k + UINT64_C(0x9E3779B9)) & low;             \
    m = (m + UINT64_C(0xBB67AE85)) & low;
    GW_PHILOX GW_PHILOX GW_PHILOX GW_PHILOX GW_PHILOX
    GW_PHILOX GW_PHILOX GW_PHILOX GW_PHILOX GW_PHILOX
#undef GW_PHILOX
    bits = UINT64_C(0x3FF0000000000000) | a << 20 | b >> 12; /* from 1 up to 2 */
    memcpy(&unit, &bits, sizeof unit);
    return (unit - 1) + 0x1p-53; /* all of it exact */
}

static inline double gw_ratio(double r, const double *above, const double *below)
{
    double a = above[0], b = below[0];
    int k;
    for (k = 1; k < 8; k++) {
        a = gw_two(a, r, above[k]);
        b = gw_two(b, r, below[k]);
    }
    return a / b;
}

static inline double gw_plain_log(double x)
{
    int exponent;
    double f = frexp(x, &exponent), k, s, z, w, odd, even, half, t;
    if (f < 0.70710678118654752) {
        f = 2 * f;
        exponent--;
    }
    f = f - 1;
    k = exponent;
    s = f / (2 + f);
    z = s * s;
    w = z * z;
    odd = w * gw_two(w, gw_two(w, 1.531383769920937332e-01, 2.222219843214978396e-01), 3.999999999940941908e-01);
    even = z * gw_two(w, gw_two(w, gw_two(w, 1.479819860511658591e-01, 1.818357216161805012e-01), 2.857142874366239149e-01),
                      6.666666666666735130e-01);
    GW_ROUND(odd);
    GW_ROUND(even);
    half = 0.5 * (f * f);
    GW_ROUND(half);
    t = k * 1.90821492927058770002e-10;
    GW_ROUND(t);
    t = gw_two(s, half + (odd + even), t);
    return gw_two(k, 6.93147180369123816490e-01, -((half - t) - f));
}

/* the standard normal quantile of 0 < p < 1 */
static double gw_quantile(double p)
{
    static const double near_[2][8] = {
        {2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
         1971.5909503065514427, 133.14166789178437745, 3.387132872796366608},
        {5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
         687.1870074920579083, 42.313330701600911252, 1.0}};
    static const double middle[2][8] = {
        {7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
         3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734},
        {1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
         0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0}};
    static const double far_[2][8] = {
        {2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
         0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772},
        {2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
         0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0}};
    const double q = p - 0.5;
    double r;
    if (fabs(q) <= 0.425) return q * gw_ratio(gw_two(-q, q, 0.180625), near_[0], near_[1]);
    r = sqrt(-gw_plain_log(q < 0 ? p : 1 - p));
    r = r <= 5 ? gw_ratio(r - 1.6, middle[0], middle[1]) : gw_ratio(r - 5, far_[0], far_[1]);
    return q < 0 ? -r : r;
}

#define GW_DRAWS(suffix, real, next)                                                                                         \
    static inline real gw_draw_uniform##suffix(long long seed, long long counter, long long stream, long long position,      \
                                               double low, double high)                                                      \
    {                                                                                                                        \
        const real value = (real)gw_two(high - low, gw_unit(seed, counter, stream, position), low), top = (real)high;        \
        return value >= top && high > low ? next(top, -INFINITY) : value;                                                    \
    }                                                                                                                        \
    static inline real gw_draw_normal##suffix(long long seed, long long counter, long long stream, long long position,       \
                                              double mean, double std)                                                       \
    {                                                                                                                        \
        return (real)gw_two(std, gw_quantile(gw_unit(seed, counter, stream, position)), mean);                               \
    }                                                                                                                        \
    static inline real gw_draw_bernoulli##suffix(long long seed, long long counter, long long stream, long long position,    \
                                                 double p)                                                                   \
    {                                                                                                                        \
        return gw_unit(seed, counter, stream, position) < p;                                                                 \
    }
GW_DRAWS(, double, nextafter)
GW_DRAWS(f, float, nextafterf)

#endif
