/* A training step in which each gradient goes to the optimiser's rule as soon as it is there.

     gw_move_f32(rule, w, g, count)        and gw_move_f64

   moves `count` parameters from w on by their gradient g, which is not needed afterwards. `rule` points to what the training loop
   (module.h) says of the step: the rule's function, its states, and which stretch of the parameters has which hyper-parameters.
   Many are moved by a team of threads (trial.h), in stretches: a rule looks at one parameter at a time, so the bits are the same. */
#ifndef GRADWRIGHT_MOVE_H
#define GRADWRIGHT_MOVE_H

#include <stddef.h>
#include <stdint.h>

#include "trial.h"

typedef const void* gw_moves;

/* A stretch is read and written in some 5 us; of whole lines of the cache, so that no two threads write in one. */
enum { GW_MOVE_STATES = 16, GW_MOVE_STRETCH = 16384, GW_MOVE_SHARED = 4 * GW_MOVE_STRETCH };

typedef struct {
    void (*update)(ptrdiff_t number, void* w, const void* g, void** states, const double* hypers, double t, ptrdiff_t count);
    ptrdiff_t number, states, groups, width; /* of the rule; how many states, groups, and hyper-parameters of a group */
    char* theta;
    void** state;          /* each as long as theta */
    const int64_t* places; /* of each group: first element, length */
    const double* hypers;
    double t;
} gw_move_rule;

static inline __attribute__((unused)) void gw_move_one(gw_moves rule, char* w, const char* g, ptrdiff_t count, ptrdiff_t real) {
    const gw_move_rule* const step = (const gw_move_rule*)rule;
    const ptrdiff_t start = (w - step->theta) / real;
    void* states[GW_MOVE_STATES];
    for (ptrdiff_t k = 0; k < step->groups; k++) {
        const ptrdiff_t begin = step->places[2 * k], end = begin + step->places[2 * k + 1];
        const ptrdiff_t first = start > begin ? start : begin, last = start + count < end ? start + count : end;
        if (first >= last) continue;
        for (ptrdiff_t s = 0; s < step->states; s++) states[s] = (char*)step->state[s] + first * real;
        step->update(step->number, w + (first - start) * real, g + (first - start) * real, states, step->hypers + k * step->width,
                     step->t, last - first);
    }
}

typedef struct {
    gw_moves rule;
    char* w;
    const char* g;
    ptrdiff_t count, real;
} gw_moved;

static __attribute__((unused)) void gw_move_some(void* of, ptrdiff_t first, ptrdiff_t last, void* own) {
    const gw_moved* const all = (const gw_moved*)of;
    const ptrdiff_t from = first * GW_MOVE_STRETCH, to = last * GW_MOVE_STRETCH;
    (void)own;
    gw_move_one(all->rule, all->w + from * all->real, all->g + from * all->real, (to < all->count ? to : all->count) - from, all->real);
}

static __attribute__((noinline, unused)) void gw_move_team(gw_moves rule, char* w, const char* g, ptrdiff_t count, ptrdiff_t real) {
    const ptrdiff_t kind = ((const gw_move_rule*)rule)->number;
    gw_moved all = {rule, w, g, count, real};
    gw_team_do(gw_move_some, &all, (count + GW_MOVE_STRETCH - 1) / GW_MOVE_STRETCH, 0, count, real, -1, kind);
}

static inline __attribute__((unused)) void gw_move_any(gw_moves rule, char* w, const char* g, ptrdiff_t count, ptrdiff_t real) {
    if (count >= GW_MOVE_SHARED && gw_team_size() > 1) gw_move_team(rule, w, g, count, real);
    else gw_move_one(rule, w, g, count, real);
}

static inline __attribute__((unused)) void gw_move_f32(gw_moves rule, float* w, const float* g, ptrdiff_t count) {
    gw_move_any(rule, (char*)w, (const char*)g, count, sizeof(float));
}

static inline __attribute__((unused)) void gw_move_f64(gw_moves rule, double* w, const double* g, ptrdiff_t count) {
    gw_move_any(rule, (char*)w, (const char*)g, count, sizeof(double));
}

#endif
