/* log gamma and its derivatives. runtime/special.py computes the same in Python; tests/test_gamma.py holds both to mpmath:
   a few units in the last place of max(1, |y|), and of y itself for digamma above 0 and for polygamma. */
#ifndef GRADWRIGHT_GAMMA_H
#define GRADWRIGHT_GAMMA_H

#include <math.h>

/* lgamma itself writes the sign of gamma into a global variable, which threads would share. */
#if defined(__GLIBC__) || defined(__APPLE__)
extern double lgamma_r(double, int *);
static inline double gw_lgamma(double x) { int sign; return lgamma_r(x, &sign); }
#else
static inline double gw_lgamma(double x) { return lgamma(x); }
#endif

static const double gw_bernoulli[10] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6, -3617.0 / 510,
                                        43867.0 / 798, -174611.0 / 330};

/* NaN at 0, -1, -2... */
static __attribute__((noinline, unused)) double gw_digamma(double x) {
    static const double p[22] = {-0.00017312261802727394, 0.00025968482126430747, -0.00015148586836773365, 0.0002272331660987376, -0.0004821990530566789,
                                 0.0007233266279287554, -0.0010376374098418604, 0.0015566317474486838, -0.002345267632540769, 0.003519006401502276,
                                 -0.005279964873257405, 0.007926944646403797, -0.011908218001568644, 0.0179072524394512, -0.02697579675613825,
                                 0.04076083381242074, -0.061922133273064534, 0.09498872445494122, -0.14840492305390884, 0.2405424842407742,
                                 -0.4236274212814605, 0.951055876031833};
    const double pi = 3.141592653589793;
    double total = 0.0, y;
    if (x != x || x == -INFINITY || (x <= 0.0 && x == floor(x))) return NAN;
    if (x < -1.0) { /* pi cot(pi x), of the part that is left of the nearest integer */
        double rest = x - floor(x + 0.5);
        total = fabs(rest) != 0.5 ? -pi / tan(pi * rest) : 0.0;
        x = 1.0 - x;
    }
    if (x >= 10.0) {
        double z = 1.0 / (x * x), series = 0.0;
        for (int k = 8; k > 0; k--) series = (series + gw_bernoulli[k - 1] / (2 * k)) * z;
        return total + (log(x) - 0.5 / x - series);
    }
    while (x > 2.0) { x -= 1.0; total += 1.0 / x; }
    while (x < 1.0) { total -= 1.0 / x; x += 1.0; }
    y = 0.0;
    for (int k = 0; k < 22; k++) y = y * (x - 1.5) + p[k];
    /* digamma is (x - root) y on [1, 2] */
    return total + ((x - 1.4616321449683622) - 9.549995429965697e-17) * y;
}

static inline double gw_whole_power(double x, int n) {
    double y = 1.0;
    for (; n > 0; n >>= 1) {
        if (n & 1) y *= x;
        x *= x;
    }
    return y;
}

/* (-1)^(n+1) n! times the sum of 1/(x + k)^(n+1) over k from 0 on; NaN at 0, -1, -2... and below -1e5. */
static __attribute__((noinline, unused)) double gw_polygamma(double n, double x) {
    double factorial = 1.0, sign, total = 0.0, tail = 0.0, factor = 1.0, z, power, start, terms[10];
    int order;
    if (n == 0.0) return gw_digamma(x);
    if (x != x || !(n > 0.0) || n != floor(n) || n > 100.0 || x < -1e5 || (x <= 0.0 && x == floor(x))) return NAN;
    order = (int)n;
    for (int k = 2; k <= order; k++) factorial *= k;
    sign = order % 2 ? 1.0 : -1.0;
    if (x == INFINITY) return sign * 0.0;
    for (; x < 14.0 + order; x += 1.0) total += 1.0 / gw_whole_power(x, order + 1);
    z = 1.0 / (x * x);
    power = 1.0;
    for (int k = 1; k <= 10; k++) { /* Euler and Maclaurin */
        factor = k == 1 ? (order + 1) / 2.0 : factor * (order + 2.0 * k - 1.0) / (2.0 * k) * ((order + 2.0 * k - 2.0) / (2.0 * k - 1.0));
        power *= z;
        terms[k - 1] = gw_bernoulli[k - 1] * factor * power;
    }
    for (int k = 9; k >= 0; k--) tail += terms[k];
    start = 1.0 / gw_whole_power(x, order);
    return sign * factorial * (total + (start / order + (start / x * 0.5 + start * tail)));
}

static inline float gw_lgammaf(float x) { return (float)gw_lgamma(x); }
static inline float gw_digammaf(float x) { return (float)gw_digamma(x); }
static inline float gw_polygammaf(float n, float x) { return (float)gw_polygamma(n, x); }

#endif
