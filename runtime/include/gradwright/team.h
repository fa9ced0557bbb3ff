/* Teams of OpenMP's threads: how many, whether there may be one, and whether one pays.

   Without -fopenmp there is one thread, and of this file only gw_threads is left. */
#ifndef GRADWRIGHT_TEAM_H
#define GRADWRIGHT_TEAM_H

#include "object.h"

#include <stddef.h>
#include <string.h>
#ifdef _OPENMP
#include <fcntl.h>
#include <omp.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#endif

/* How many threads large products may use: 0 means all that OpenMP would. A build may say. */
#ifndef GW_THREADS
#define GW_THREADS 0
#endif
static int gw_threads __attribute__((unused)) = GW_THREADS;

#ifdef _OPENMP
/* OpenMP's threads do not survive a fork, and a child that asks for them waits for ever: one thread there. That goes for this
   unit loaded before the fork and after it, since another one (or another library) may have started them in the parent: Linux
   says of a process whether it is the copy of one (PF_FORKNOEXEC). */
static long gw_loaded_by;
static int gw_is_copy;
__attribute__((constructor)) static GW_PLAIN void gw_remember_process(void) {
    gw_loaded_by = getpid();
#ifdef __linux__
    char text[512], *word;
    const int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[length > 0 ? length : 0] = 0;
    if (!(word = strrchr(text, ')'))) return; /* of the name, which may hold anything; the flags are the seventh word after it */
    for (int k = 0; k < 7 && word; k++) word = strchr(word + 1, ' ');
    if (word) gw_is_copy = (strtoul(word, NULL, 10) & 0x40) != 0;
#endif
}
static __attribute__((unused)) int gw_team_size(void) {
    if (gw_threads == 1 || gw_is_copy || omp_in_parallel() || getpid() != gw_loaded_by) return 1;
    return gw_threads > 0 ? gw_threads : omp_get_max_threads();
}
/* Below this many multiply-adds (10 us of one core in float32) a team gains too little to ask whether it pays. */
#define GW_PARALLEL 500000.0

/* Above that it is measured where it runs, for each shape and thread, because no bound is right twice. Two threads of two
   virtual cores, float32, medians of 31 turns (benchmarks/kernels/run.py --threads 2): while the cores were free, 128 x 64 x 64
   took 6.8 us instead of 9.3, and 64 x 64 x 64 took 3.8 instead of 4.6. While other programs wanted them, 200 x 200 x 200 took
   3600 us instead of 135: a team waits at its end for whoever was put aside. The better way is taken, and the other tried again
   after 20 ms, twice as long each time that it is found to be the worse one, up to a second. The bits do not depend on it. */
typedef struct { ptrdiff_t m, n, k, kind; double one, team, again, pause; } gw_trial;
enum { GW_TRIALS = 32 };
static __thread gw_trial gw_trials[GW_TRIALS] __attribute__((unused));
static __attribute__((unused)) double gw_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
static __attribute__((unused)) gw_trial* gw_trial_of(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t kind) {
    const size_t mixed = ((size_t)m * 31 + (size_t)n) * 31 + (size_t)k * 2 + (size_t)kind / 8;
    gw_trial* trial = &gw_trials[(mixed ^ mixed >> 5 ^ mixed >> 10) % GW_TRIALS];
    if (trial->m != m || trial->n != n || trial->k != k || trial->kind != kind)
        *trial = (gw_trial){m, n, k, kind, 0, 0, 0, 0.02};
    return trial;
}
/* Whether to run on one thread now. */
static __attribute__((unused)) int gw_trial_alone(const gw_trial* trial, double now) {
    if (trial->one == 0 || trial->team == 0) return trial->one == 0;
    return (trial->one <= trial->team) != (now >= trial->again);
}
static __attribute__((unused)) void gw_trial_took(gw_trial* trial, int alone, double start, double end) {
    double *const mine = alone ? &trial->one : &trial->team, *const other = alone ? &trial->team : &trial->one;
    const double took = end - start;
    const int was_better = *mine != 0 && *mine <= *other;
    *mine = *mine == 0 || took < *mine ? took : *mine + (took - *mine) / 8;
    if (*other == 0) return;
    if (!was_better) trial->pause = *mine < *other ? trial->pause / 2 : trial->pause * 2; /* this was a trial */
    trial->pause = trial->pause < 0.02 ? 0.02 : trial->pause > 1 ? 1 : trial->pause;
    if (!was_better || *mine > *other) trial->again = end + trial->pause;
}
#endif

#endif
