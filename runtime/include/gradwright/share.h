/* A long loop whose rounds do not touch one another, in parts.

     gw_share(part, given, sizes, rounds, work, block, sums, count, room)

   calls part(given, sizes, first, last, sums of this part, own) until all rounds from 0 on are done. Each part has a multiple of
   block rounds, and what it sums is added to that of the parts before it. How the rounds are divided depends on their number and
   on the work of one (in additions) alone: the same bits with any number of threads. Where the whole is too little work for a
   team there is one part. A thread that is not the caller's has `room` bytes of its own, for what lasts one round; for the caller,
   own is NULL. */
#ifndef GRADWRIGHT_SHARE_H
#define GRADWRIGHT_SHARE_H

#include <stdint.h>

#include "trial.h"

typedef void (*gw_part)(void** given, const ptrdiff_t* sizes, ptrdiff_t first, ptrdiff_t last, double* sums, void* own);

enum { GW_PARTS = 64, GW_ALL_SUMS = 8192 }; /* at most so many parts, which may sum so much together */
#define GW_PART_WORK 262144.0

typedef struct {
    gw_part part;
    void** given;
    const ptrdiff_t* sizes;
    ptrdiff_t rounds, length, stride;
    double* sums;
} gw_shared;

static __attribute__((unused)) void gw_share_some(void* of, ptrdiff_t first, ptrdiff_t last, void* own) {
    const gw_shared* const what = of;
    for (ptrdiff_t k = first; k < last; k++) {
        const ptrdiff_t from = k * what->length, left = what->rounds - from;
        what->part(what->given, what->sizes, from, from + (left < what->length ? left : what->length),
                   what->sums + k * what->stride, own);
    }
}

static __attribute__((noinline, unused)) void gw_share(gw_part part, void** given, const ptrdiff_t* sizes, ptrdiff_t rounds,
                                                       ptrdiff_t work, ptrdiff_t block, double* sums, ptrdiff_t count,
                                                       size_t room) {
    double partial[GW_ALL_SUMS];
    const double all = (double)rounds * (double)work;
    const ptrdiff_t stride = (count + 15) / 16 * 16, fit = count ? GW_ALL_SUMS / stride : GW_PARTS;
    const ptrdiff_t most = fit < GW_PARTS ? fit : GW_PARTS;
    ptrdiff_t parts = all < GW_PART_WORK * (double)most ? (ptrdiff_t)(all / GW_PART_WORK) : most;
    if (rounds <= 0 || parts < 2) {
        part(given, sizes, 0, rounds, sums, NULL);
        return;
    }
    const ptrdiff_t length = ((rounds + parts - 1) / parts + block - 1) / block * block;
    gw_shared what = {part, given, sizes, rounds, length, stride, partial};
    parts = (rounds + length - 1) / length;
    if (parts > 1 && all >= 4 * GW_PART_WORK && gw_team_size() > 1)
        gw_team_do(gw_share_some, &what, parts, room, rounds, (ptrdiff_t)(uintptr_t)part, work, gw_team_size());
    else
        gw_share_some(&what, 0, parts, NULL);
    for (ptrdiff_t j = 0; j < count; j++) {
        sums[j] = 0;
        for (ptrdiff_t k = 0; k < parts; k++) sums[j] += partial[k * stride + j];
    }
}

#endif
