/* Work in parts by as many threads as pay.

     gw_team_do(task, what, parts, trial)

   calls task(what, first, last) until the parts from 0 to parts - 1 are done: on this thread alone, or by the team (team.h). */
#ifndef GRADWRIGHT_TRIAL_H
#define GRADWRIGHT_TRIAL_H

#include "team.h"

/* How many threads there may be: 0 means OMP_NUM_THREADS, or else as many as this process has processors. A build may say. */
#ifndef GW_THREADS
#define GW_THREADS 0
#endif
static int gw_threads __attribute__((unused)) = GW_THREADS;

/* Whether a team pays is measured where it runs, for each kind of work and each thread, because no bound is right twice. The
   better way is taken, and the other tried again after 20 ms, twice as long each time that it is found to be the worse one, up
   to a second. To pay, a team must win a tenth. */
typedef struct { ptrdiff_t m, n, k, kind; double one, team, again, pause; } gw_trial;
enum { GW_TRIALS = 64 };
static __thread gw_trial gw_trials[GW_TRIALS] __attribute__((unused));
static __attribute__((unused)) gw_trial* gw_trial_of(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, ptrdiff_t kind) {
    const size_t mixed = ((size_t)m * 31 + (size_t)n) * 31 + (size_t)k * 2 + (size_t)kind / 8;
    gw_trial* trial = &gw_trials[(mixed ^ mixed >> 6 ^ mixed >> 12) % GW_TRIALS];
    if (trial->m != m || trial->n != n || trial->k != k || trial->kind != kind)
        *trial = (gw_trial){m, n, k, kind, 0, 0, 0, 0.02};
    return trial;
}
static __attribute__((unused)) int gw_trial_alone_is_better(const gw_trial* trial) { return trial->one * 0.9 <= trial->team; }
/* Whether to run on one thread now. */
static __attribute__((unused)) int gw_trial_alone(const gw_trial* trial, double now) {
    if (trial->one == 0 || trial->team == 0) return trial->one == 0;
    return gw_trial_alone_is_better(trial) != (now >= trial->again);
}
static __attribute__((unused)) void gw_trial_took(gw_trial* trial, int alone, double start, double end) {
    double* const mine = alone ? &trial->one : &trial->team;
    const double took = end - start;
    const int known = trial->one != 0 && trial->team != 0, was_better = known && gw_trial_alone_is_better(trial) == alone;
    *mine = *mine == 0 || took < *mine ? took : *mine + (took - *mine) / 8;
    if (trial->one == 0 || trial->team == 0) return;
    const int is_better = gw_trial_alone_is_better(trial) == alone;
    if (!was_better) trial->pause = is_better ? trial->pause / 2 : trial->pause * 2; /* this was a trial */
    trial->pause = trial->pause < 0.02 ? 0.02 : trial->pause > 1 ? 1 : trial->pause;
    if (!was_better || !is_better) trial->again = end + trial->pause;
}

/* How many threads a piece of work may be shared by. */
static __attribute__((unused)) int gw_team_size(void) { return gw_threads > 0 ? gw_threads : gw_team_usual(); }

static __attribute__((unused)) void gw_team_do(gw_task task, void* what, ptrdiff_t parts, gw_trial* trial) {
    const int size = gw_team_size(), most = parts < size ? (int)parts : size;
    const double start = gw_now();
    int alone = gw_trial_alone(trial, start);
    if (alone && trial->one != 0) alone = gw_team_mood(start, 0) < 2; /* others are trying the team */
    else if (!alone && gw_team_mood(start, trial->team == 0 || gw_trial_alone_is_better(trial)) == 0) alone = 1;
    if (!alone && gw_team_take(most) < 2) { /* somebody else has it */
        task(what, 0, parts);
        return;
    }
    if (alone) task(what, 0, parts);
    else gw_team_run(task, what, parts);
    const double end = gw_now();
    if (!alone) gw_team_give(end, trial->one - (end - start));
    gw_trial_took(trial, alone, start, end);
}

#endif
