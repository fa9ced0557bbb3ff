/* A team of threads that does work in parts: one for the whole process, which sleeps while there is nothing to do.

   gw_team_run calls task(what, first, last, own) until the parts from 0 to parts - 1 are done. What a part computes may not depend on
   who does it, and then no bit depends on the number of threads. (trial.h asks first whether the team pays.)

   Each member of the team begins with a share of its own, the same each time, and then takes over what of the others' is not
   begun. So the caller never waits for a thread that does not come, be it asleep or put aside by the system: it takes that one's
   parts back, and waits only for a part that is being done. Between two calls a member looks out for work for GW_LOOK seconds,
   as the loops of a step follow each other; then it sleeps. Who asks while others have the team, or from within a part, works
   alone. A child of fork has a team of its own. */
#ifndef GRADWRIGHT_TEAM_H
#define GRADWRIGHT_TEAM_H

#if defined(GW_OBJECT_TEAM) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* for sched_getaffinity */
#endif

#include "object.h"

#define GW_LEVEL_TEAM 1

#include <stddef.h>
#include <time.h>

#if defined(GW_OBJECT_TEAM)
#define GW_TEAM_ENTRY GW_SHARED
#elif defined(GW_LINKED_TEAM)
#define GW_TEAM_ENTRY GW_ELSEWHERE
#else
#define GW_TEAM_ENTRY static __attribute__((unused))
#endif

/* `own`: memory of the thread that does it, for what lasts no longer; NULL for the caller, who has his. */
typedef void (*gw_task)(void* what, ptrdiff_t first, ptrdiff_t last, void* own);

/* The members that a caller now has, itself included, at most `wanted`: 1, or a team that it must give back. */
GW_TEAM_ENTRY int gw_team_take(int wanted);
/* Whether every member that the caller has taken has so many bytes of its own. */
GW_TEAM_ENTRY int gw_team_room(size_t bytes);
GW_TEAM_ENTRY void gw_team_run(gw_task task, void* what, ptrdiff_t parts);
GW_TEAM_ENTRY void gw_team_give(void);
/* How many threads there are by default. */
GW_TEAM_ENTRY int gw_team_usual(void);
/* Whether any work of this module was ever worth asking for a team. */
GW_TEAM_ENTRY int gw_team_wanted(void);
/* What this thread is to do, as it has been told, for all its work until it is told otherwise; 0: as it likes. */
enum { GW_ALONE = 1, GW_TOGETHER };
GW_TEAM_ENTRY int gw_team_order(void);
GW_TEAM_ENTRY void gw_team_tell(int order);
/* Whether the team is to be left alone now, and what it has won, in seconds, or lost. */
GW_TEAM_ENTRY int gw_team_rests(double now);
GW_TEAM_ENTRY void gw_team_settle(double now, double won);
/* The team of this process, which all modules share: that of another module, or what this one has to give. */
GW_TEAM_ENTRY void* gw_team_join(void* team);

static __attribute__((unused)) double gw_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Whether a team pays is measured where it runs, because no bound is right twice; and for a whole kernel at once: what one core
   has written the other must fetch, so that a product that gains by itself may lose more in what comes after it. The better way
   is taken, and the other tried again after 20 ms, twice as long each time that it is found to be the worse one, up to a second.
   A trial is two runs, of which the first finds everything in the wrong caches. To pay, a team must win a tenth. */
typedef struct { ptrdiff_t m, n, k, kind; double one, team, again, pause; int last; } gw_trial;
static __attribute__((unused)) int gw_trial_alone_is_better(const gw_trial* trial) { return trial->one * 0.9 <= trial->team; }
/* Whether to run on one thread now. */
static __attribute__((unused)) int gw_trial_alone(const gw_trial* trial, double now) {
    if (trial->one == 0 || trial->team == 0) return trial->one == 0;
    return gw_trial_alone_is_better(trial) != (now >= trial->again);
}
static __attribute__((unused)) void gw_trial_took(gw_trial* trial, int alone, double start, double end) {
    double* const mine = alone ? &trial->one : &trial->team;
    const double took = end - start;
    const int changed = trial->last != alone;
    trial->last = alone;
    if (changed && (*mine == 0 || took >= *mine)) { /* the next run tells more */
        *mine = *mine == 0 ? took : *mine;
        return;
    }
    const int known = trial->one != 0 && trial->team != 0, was_better = known && gw_trial_alone_is_better(trial) == alone;
    *mine = *mine == 0 || took < *mine ? took : *mine + (took - *mine) / 8;
    if (trial->one == 0 || trial->team == 0) return;
    const int is_better = gw_trial_alone_is_better(trial) == alone;
    if (!was_better) trial->pause = is_better ? trial->pause / 2 : trial->pause * 2; /* this was a trial */
    trial->pause = trial->pause < 0.02 ? 0.02 : trial->pause > 1 ? 1 : trial->pause;
    if (!was_better || !is_better) trial->again = end + trial->pause;
}

#ifndef GW_LINKED_TEAM
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif

enum { GW_MOST = 64, GW_IDLE = 0, GW_CALLED_FOR, GW_AT_WORK, GW_LEAVES };
#define GW_LOOK 100e-6      /* that long a member looks out for the next piece of work, and a caller for the end of one */
#define GW_STACK (4 << 20)  /* bytes of a member's stack */
#define GW_REST 50          /* what a team loses is that many times less than the time without it thereafter */
#define GW_CREDIT 5e-3      /* what it won before counts up to so much */
#define GW_STALL 20e-3      /* a longer loss at once is not the team's: then the whole machine stood still */

typedef struct gw_team gw_team;
typedef struct {
    int state, asleep, awaited, number; /* the first three are read and written at once by two threads */
    gw_team* team;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    pthread_t thread;
    void* room;
    size_t bytes; /* of room */
    ptrdiff_t next __attribute__((aligned(64))), end; /* of its own parts, those that nobody has begun */
} __attribute__((aligned(64))) gw_member;
struct gw_team {
    int busy, helpers, size, usual, processors, grown;
    double credit, resume;
    gw_task task;
    void* what;
    gw_member members[GW_MOST]; /* the first is whoever calls */
};
static gw_team gw_own_team;
static gw_team* gw_team_here = &gw_own_team;

#define GW_GET(place) __atomic_load_n(&(place), __ATOMIC_SEQ_CST)
#define GW_SET(place, value) __atomic_store_n(&(place), value, __ATOMIC_SEQ_CST)

static int gw_swap(int* place, int old, int new) {
    return __atomic_compare_exchange_n(place, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static int gw_processors(void) {
#if defined(__linux__) && defined(CPU_COUNT)
    cpu_set_t mine;
    if (sched_getaffinity(0, sizeof mine, &mine) == 0) return CPU_COUNT(&mine) < GW_MOST ? CPU_COUNT(&mine) : GW_MOST;
#endif
    const long all = sysconf(_SC_NPROCESSORS_ONLN);
    return all < 1 ? 1 : all > GW_MOST ? GW_MOST : (int)all;
}

GW_TEAM_ENTRY int gw_team_usual(void) {
    gw_team* const team = gw_team_here;
    int usual = GW_GET(team->usual);
    if (usual == 0) {
        const char* said = getenv("OMP_NUM_THREADS");
        usual = said ? atoi(said) : 0;
        usual = usual < 1 ? gw_processors() : usual > GW_MOST ? GW_MOST : usual;
        GW_SET(team->usual, usual);
    }
    return usual;
}

/* Look for a while whether a state is still what it is: no use where another thread must have this processor to change it. */
static void gw_look(const gw_team* team, const int* state, int now) {
    if (GW_GET(team->helpers) >= team->processors) return;
    const double until = gw_now() + GW_LOOK;
    do {
        for (int k = 0; k < 16; k++) {
            if (GW_GET(*state) != now) return;
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            __asm__ volatile("yield");
#endif
        }
    } while (gw_now() < until);
}

static void gw_team_work(gw_team* team, int me) {
    for (int k = 0; k < team->size; k++) {
        gw_member* const whose = &team->members[(me + k) % team->size];
        while (__atomic_load_n(&whose->next, __ATOMIC_RELAXED) < whose->end) {
            const ptrdiff_t part = __atomic_fetch_add(&whose->next, 1, __ATOMIC_RELAXED);
            if (part < whose->end) team->task(team->what, part, part + 1, team->members[me].room);
        }
    }
}

static void* gw_team_help(void* member) {
    gw_member* const me = member;
    for (;;) {
        gw_look(me->team, &me->state, GW_IDLE);
        if (GW_GET(me->state) == GW_IDLE) {
            pthread_mutex_lock(&me->lock);
            GW_SET(me->asleep, 1);
            while (GW_GET(me->state) == GW_IDLE) pthread_cond_wait(&me->turn, &me->lock);
            GW_SET(me->asleep, 0);
            pthread_mutex_unlock(&me->lock);
        }
        if (GW_GET(me->state) == GW_LEAVES) return NULL;
        if (!gw_swap(&me->state, GW_CALLED_FOR, GW_AT_WORK)) continue; /* too late */
        gw_team_work(me->team, me->number);
        GW_SET(me->state, GW_IDLE);
        if (GW_GET(me->awaited)) {
            pthread_mutex_lock(&me->lock);
            pthread_cond_signal(&me->turn);
            pthread_mutex_unlock(&me->lock);
        }
    }
}

/* The child of a fork has this thread alone, whatever the others were at. */
static void gw_team_forked(void) {
    gw_team* const team = gw_team_here;
    team->busy = team->helpers = team->usual = 0;
    team->credit = team->resume = 0;
}

/* When a module gives its team to the process, which is when it is loaded, and not when the first thread is made: a fork at that
   very moment would not be told of it. Only then: a handler in each of many modules would be run from the pages of each, whatever
   has become of their files. A library that is no module has nobody to join, and asks when it makes its first thread. */
static int gw_team_watched;
static GW_PLAIN void gw_team_watch(void) {
    if (!gw_team_watched) gw_team_watched = pthread_atfork(NULL, NULL, gw_team_forked) == 0;
}

static int gw_team_grow(gw_team* team) {
    gw_member* const one = &team->members[team->helpers + 1];
    sigset_t all, before;
    pthread_attr_t how;
    gw_team_watch();
    if (!gw_team_watched) return 0;
    if (team->helpers == 0) team->processors = gw_processors();
    memset(one, 0, sizeof *one);
    one->team = team;
    one->number = team->helpers + 1;
    if (pthread_mutex_init(&one->lock, NULL) || pthread_cond_init(&one->turn, NULL) || pthread_attr_init(&how)) return 0;
    pthread_attr_setstacksize(&how, GW_STACK);
    sigfillset(&all); /* signals are for threads that know what to do with them */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&one->thread, &how, gw_team_help, one);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
    if (!failed) GW_SET(team->helpers, team->helpers + 1);
    GW_SET(team->grown, 1);
    return !failed;
}

GW_TEAM_ENTRY int gw_team_take(int wanted) {
    gw_team* const team = gw_team_here;
    if (GW_GET(team->busy) || !gw_swap(&team->busy, 0, 1)) return 1;
    wanted = wanted < GW_MOST ? wanted : GW_MOST;
    while (team->helpers < wanted - 1 && gw_team_grow(team)) {}
    team->size = wanted <= team->helpers + 1 ? wanted : team->helpers + 1;
    if (team->size < 2) GW_SET(team->busy, 0);
    return team->size;
}

/* Whether every member that the caller has taken has so many bytes of its own. */
GW_TEAM_ENTRY int gw_team_room(size_t bytes);
GW_TEAM_ENTRY int gw_team_room(size_t bytes) {
    gw_team* const team = gw_team_here;
    for (int k = 1; k < team->size; k++) {
        gw_member* const one = &team->members[k];
        if (bytes <= one->bytes) continue;
        free(one->room);
        one->bytes = posix_memalign(&one->room, 64, bytes) ? 0 : bytes;
        if (one->bytes == 0) {
            one->room = NULL;
            return 0;
        }
    }
    return 1;
}

GW_TEAM_ENTRY void gw_team_run(gw_task task, void* what, ptrdiff_t parts) {
    gw_team* const team = gw_team_here;
    const int size = team->size;
    team->task = task;
    team->what = what;
    for (int k = 0; k < size; k++) {
        team->members[k].next = parts * k / size;
        team->members[k].end = parts * (k + 1) / size;
    }
    for (int k = 1; k < size; k++) {
        gw_member* const one = &team->members[k];
        GW_SET(one->state, GW_CALLED_FOR);
        if (GW_GET(one->asleep)) {
            pthread_mutex_lock(&one->lock);
            pthread_cond_signal(&one->turn);
            pthread_mutex_unlock(&one->lock);
        }
    }
    gw_team_work(team, 0);
    for (int k = 1; k < size; k++) {
        gw_member* const one = &team->members[k];
        if (gw_swap(&one->state, GW_CALLED_FOR, GW_IDLE)) continue; /* it has not come, and nothing is left for it */
        gw_look(team, &one->state, GW_AT_WORK);
        if (GW_GET(one->state) != GW_AT_WORK) continue;
        pthread_mutex_lock(&one->lock);
        GW_SET(one->awaited, 1);
        while (GW_GET(one->state) == GW_AT_WORK) pthread_cond_wait(&one->turn, &one->lock);
        GW_SET(one->awaited, 0);
        pthread_mutex_unlock(&one->lock);
    }
}

GW_TEAM_ENTRY void gw_team_give(void) { GW_SET(gw_team_here->busy, 0); }

/* A thread that is put aside in the middle of a part can hold the others up for milliseconds, and on a busy machine that happens
   again and again, to all kinds of work. So the team as a whole has an account: what it loses must have been won before, or it
   is left alone for GW_REST times as long. */
GW_TEAM_ENTRY void gw_team_settle(double now, double won) {
    gw_team* const team = gw_team_here;
    double credit, resume;
    if (__atomic_exchange_n(&team->grown, 0, __ATOMIC_SEQ_CST)) return; /* that threads had to be made is no loss */
    __atomic_load(&team->credit, &credit, __ATOMIC_RELAXED);
    credit += won < -GW_STALL ? -GW_STALL : won;
    if (credit < 0) {
        resume = now - GW_REST * credit;
        __atomic_store(&team->resume, &resume, __ATOMIC_RELAXED);
    }
    credit = credit < 0 ? 0 : credit > GW_CREDIT ? GW_CREDIT : credit;
    __atomic_store(&team->credit, &credit, __ATOMIC_RELAXED);
}

GW_TEAM_ENTRY int gw_team_rests(double now) {
    double resume;
    __atomic_load(&gw_team_here->resume, &resume, __ATOMIC_RELAXED);
    return now < resume;
}

static int gw_team_asked;
static __thread int gw_team_told;
GW_TEAM_ENTRY int gw_team_wanted(void) { return __atomic_load_n(&gw_team_asked, __ATOMIC_RELAXED); }
GW_TEAM_ENTRY void gw_team_tell(int order) { gw_team_told = order; }
GW_TEAM_ENTRY int gw_team_order(void) {
    __atomic_store_n(&gw_team_asked, 1, __ATOMIC_RELAXED);
    return gw_team_told;
}

GW_TEAM_ENTRY void* gw_team_join(void* team) {
    if (team) gw_team_here = team;
    else gw_team_watch();
    return gw_team_here;
}

static void gw_team_end(gw_team* team) {
    if (!gw_swap(&team->busy, 0, 1)) return; /* whoever is in the middle of something ends with the process */
    for (int k = 1; k <= team->helpers; k++) {
        gw_member* const one = &team->members[k];
        pthread_mutex_lock(&one->lock);
        GW_SET(one->state, GW_LEAVES);
        pthread_cond_signal(&one->turn);
        pthread_mutex_unlock(&one->lock);
        pthread_join(one->thread, NULL);
    }
    team->helpers = 0;
}
__attribute__((destructor)) static GW_PLAIN void gw_team_at_end(void) {
    if (gw_own_team.helpers) gw_team_end(&gw_own_team);
}
#endif /* GW_LINKED_TEAM */

#endif
