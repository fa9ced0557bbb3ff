/* b^t for the steps t = 1, 2, 3, ... of an optimiser, one multiplication a step.

   pow(b, t - t % 64) times b, t % 64 times over: a function of b and t alone, so that a run gives the same bits however it is
   cut into calls. Its error is that of pow and half a unit in the last place for each of the at most 63 multiplications; then
   1 - b^t for b near 1 is as exact at every step as it is at the first. The last powers are remembered, each thread for itself,
   and the next step multiplies once. */
#ifndef GRADWRIGHT_POWER_H
#define GRADWRIGHT_POWER_H

#include <math.h>
#include <stdint.h>

enum { GW_POWERS = 4 };
static __thread struct {
    double base, step, power;
} gw_powers[GW_POWERS];
static __thread int gw_powers_next;

static inline __attribute__((unused)) double gw_step_power(double base, double step)
{
    int k, rest = (int)((int64_t)step & 63), done = 0;
    double power;
    for (k = 0; k < GW_POWERS; k++)
        if (gw_powers[k].base == base) break;
    if (k < GW_POWERS && gw_powers[k].step == step) return gw_powers[k].power;
    if (k < GW_POWERS && gw_powers[k].step == step - 1 && rest > 0) {
        power = gw_powers[k].power;
        done = rest - 1;
    }
    else power = pow(base, step - rest);
    for (; done < rest; done++) power *= base;
    if (k == GW_POWERS) {
        k = gw_powers_next;
        gw_powers_next = (k + 1) % GW_POWERS;
    }
    gw_powers[k].base = base;
    gw_powers[k].step = step;
    gw_powers[k].power = power;
    return power;
}

#endif
