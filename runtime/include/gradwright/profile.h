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

#endif
