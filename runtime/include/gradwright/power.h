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
typedef struct {
    struct {
        double base, step, power;
    } of[GW_POWERS];
    int next;
} gw_powers;

/* The thread's own. In a shared library the address of such a variable is a call, which gcc makes anew at each use; of this
   function it knows that once is enough. */
static __attribute__((noinline, const, unused)) gw_powers *gw_own_powers(void)
{
    static __thread gw_powers own;
    return &own;
}

/* Of a base that is not known yet, of another step than the next, or where a run of 64 begins. */
static __attribute__((noinline, unused)) double gw_step_power_anew(gw_powers *own, double base, double step)
{
    int k, rest = (int)((int64_t)step & 63), done = 0;
    double power;
    for (k = 0; k < GW_POWERS; k++)
        if (own->of[k].base == base) break;
    if (k < GW_POWERS && own->of[k].step == step) return own->of[k].power;
    for (power = pow(base, step - rest); done < rest; done++) power *= base;
    if (k == GW_POWERS) {
        k = own->next;
        own->next = (k + 1) % GW_POWERS;
    }
    own->of[k].base = base;
    own->of[k].step = step;
    own->of[k].power = power;
    return power;
}

/* Inlined, for the step after the last one is all that a run asks for. */
static inline __attribute__((always_inline, unused)) double gw_step_power(double base, double step)
{
    gw_powers *own = gw_own_powers();
    int k;
    for (k = 0; k < GW_POWERS; k++)
        if (own->of[k].base == base) {
            if (own->of[k].step != step - 1 || ((int64_t)step & 63) == 0) break;
            own->of[k].step = step;
            return own->of[k].power *= base;
        }
    return gw_step_power_anew(own, base, step);
}

#endif
