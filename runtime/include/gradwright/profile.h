/* The clock of modules that are made to profile. */
#ifndef GRADWRIGHT_PROFILE_H
#define GRADWRIGHT_PROFILE_H

#include <time.h>

static inline long long gw_profile_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline long long gw_profile_lap(long long *spent, long long since)
{
    long long now = gw_profile_now();
    *spent += now - since;
    return now;
}

/* Of a part that several threads may be in at once: from the first that enters to the last that leaves. */
typedef struct {
    int inside;
    long long since;
} gw_profile_door;

static inline void gw_profile_enter(gw_profile_door *door)
{
    if (__atomic_fetch_add(&door->inside, 1, __ATOMIC_SEQ_CST) == 0) __atomic_store_n(&door->since, gw_profile_now(), __ATOMIC_SEQ_CST);
}

static inline void gw_profile_leave(gw_profile_door *door, long long *spent)
{
    const long long since = __atomic_load_n(&door->since, __ATOMIC_SEQ_CST);
    if (__atomic_sub_fetch(&door->inside, 1, __ATOMIC_SEQ_CST) == 0)
        __atomic_fetch_add(spent, gw_profile_now() - since, __ATOMIC_SEQ_CST);
}

#endif
