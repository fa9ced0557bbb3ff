/* Work in parts by as many threads as pay.

     gw_team_do(task, what, parts, room, m, n, k, kind)

   calls task(what, first, last, own) until the parts from 0 to parts - 1 are done: on this thread alone, or by the team (team.h), as
   whoever called the kernel has decided for all of it. Where nobody has, it is measured for each kind of work, which the four
   numbers tell apart. */
#ifndef GRADWRIGHT_TRIAL_H
#define GRADWRIGHT_TRIAL_H

#include <stdint.h>

#include "team.h"

/* How many threads there may be: 0 means OMP_NUM_THREADS, or else as many as this process has processors. A build may say. */
#ifndef GW_THREADS
#define GW_THREADS 0
#endif
static int gw_threads __attribute__((unused)) = GW_THREADS;

enum { GW_TRIALS = 128, GW_NEAR = 8 };
static __thread gw_trial gw_trials[GW_TRIALS] __attribute__((unused));
static __attribute__((unused)) gw_trial* gw_trial_of(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t kind) {
    const uint64_t mixed = ((((uint64_t)m * 31 + (uint64_t)n) * 31 + (uint64_t)k) * 31 + (uint64_t)kind) * 0x9e3779b97f4a7c15u;
    gw_trial* trial = &gw_trials[mixed >> 32 & (GW_TRIALS - 1)];
    for (int j = 0; j < GW_NEAR; j++) { /* of a few places, the one that has it, or else the first that is free */
        gw_trial* const at = &gw_trials[((mixed >> 32) + (uint64_t)j) & (GW_TRIALS - 1)];
        if (at->m == m && at->n == n && at->k == k && at->kind == kind) return at;
        if (at->pause == 0) {
            trial = at;
            break;
        }
    }
    *trial = (gw_trial){m, n, k, kind, 0, 0, 0, 0.02, 1};
    return trial;
}
/* How many threads a piece of work may be shared by. */
static __attribute__((unused)) int gw_team_size(void) { return gw_threads > 0 ? gw_threads : gw_team_usual(); }

static __attribute__((unused)) void gw_team_do(gw_task task, void* what, ptrdiff_t parts, size_t room, ptrdiff_t m, ptrdiff_t n,
                                               ptrdiff_t k, ptrdiff_t kind) {
    const int size = gw_team_size(), most = parts < size ? (int)parts : size, order = gw_team_order();
    gw_trial* const trial = order == 0 ? gw_trial_of(m, n, k, kind) : NULL;
    const double start = trial ? gw_now() : 0;
    const int alone = trial ? gw_trial_alone(trial, start) : order == GW_ALONE;
    if (!alone && gw_team_take(most) > 1) {
        if (gw_team_room(room)) gw_team_run(task, what, parts);
        else task(what, 0, parts, NULL);
        gw_team_give();
    } else {
        task(what, 0, parts, NULL);
    }
    if (trial) gw_trial_took(trial, alone, start, gw_now());
}

#endif
