/* A long loop whose rounds do not touch one another, in parts.

     gw_share(part, given, sizes, rounds, work, block, sums, count)

   calls part(given, sizes, first, last, sums of this part) until all rounds from 0 on are done. Each part has a multiple of
   block rounds, and what it sums is added to that of the parts before it. How the rounds are divided depends on their number and
   on the work of one (in additions) alone: the same bits with any number of threads. Where the whole is too little work for a
   team there is one part; else it is measured now and then, here and now, whether a team is faster (team.h). */
#ifndef GRADWRIGHT_SHARE_H
#define GRADWRIGHT_SHARE_H

#include <stdint.h>

#include "team.h"

typedef void (*gw_part)(void** given, const ptrdiff_t* sizes, ptrdiff_t first, ptrdiff_t last, double* sums);

enum { GW_PARTS = 64, GW_PART_SUMS = 16 };
#define GW_PART_WORK 262144.0

static __attribute__((unused)) void gw_share_some(gw_part part, void** given, const ptrdiff_t* sizes, ptrdiff_t rounds,
                                                  ptrdiff_t length, ptrdiff_t parts, double* sums, int team) {
    (void)team;
#ifdef _OPENMP
#pragma omp parallel for num_threads(team) schedule(static) if (team > 1)
#endif
    for (ptrdiff_t k = 0; k < parts; k++) {
        const ptrdiff_t first = k * length, last = rounds - first < length ? rounds : first + length;
        part(given, sizes, first, last, sums + k * GW_PART_SUMS);
    }
}

static __attribute__((noinline, unused)) void gw_share(gw_part part, void** given, const ptrdiff_t* sizes, ptrdiff_t rounds,
                                                       ptrdiff_t work, ptrdiff_t block, double* sums, ptrdiff_t count) {
    double partial[GW_PARTS * GW_PART_SUMS];
    const double all = (double)rounds * (double)work;
    ptrdiff_t parts = all < GW_PART_WORK * GW_PARTS ? (ptrdiff_t)(all / GW_PART_WORK) : GW_PARTS, length;
    if (rounds <= 0) parts = 1;
    if (parts < 2) {
        part(given, sizes, 0, rounds, sums);
        return;
    }
    length = ((rounds + parts - 1) / parts + block - 1) / block * block;
    parts = (rounds + length - 1) / length;
#ifdef _OPENMP
    const ptrdiff_t most = gw_team_size(), team = parts < most ? parts : most;
    if (team > 1 && all >= 4 * GW_PART_WORK) {
        gw_trial* const trial = gw_trial_of(rounds, (ptrdiff_t)(uintptr_t)part, work, team);
        const double start = gw_now();
        const int alone = gw_trial_alone(trial, start);
        gw_share_some(part, given, sizes, rounds, length, parts, partial, alone ? 1 : (int)team);
        gw_trial_took(trial, alone, start, gw_now());
    } else
#endif
        gw_share_some(part, given, sizes, rounds, length, parts, partial, 1);
    for (ptrdiff_t j = 0; j < count; j++) {
        sums[j] = 0;
        for (ptrdiff_t k = 0; k < parts; k++) sums[j] += partial[k * GW_PART_SUMS + j];
    }
}

#endif
