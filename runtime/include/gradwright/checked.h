/* What checked modules look with: the first value that is NaN or infinite is remembered, each thread for itself. */
#ifndef GRADWRIGHT_CHECKED_H
#define GRADWRIGHT_CHECKED_H

#include <math.h>

static __thread int gw_found = -1; /* which look found something */
static __thread Py_ssize_t gw_found_at;
static __thread double gw_found_value;

static inline void gw_look(double value, Py_ssize_t at, int look)
{
    if (gw_found < 0 && !isfinite(value)) {
        gw_found = look;
        gw_found_at = at;
        gw_found_value = value;
    }
}

/* rows of `columns` reals each, `step` apart */
#define gw_look_all(values, start, rows, columns, step, jump, look)                         \
    do {                                                                                    \
        Py_ssize_t gw_row, gw_column;                                                       \
        for (gw_row = 0; gw_row < (rows) && gw_found < 0; gw_row++)                         \
            for (gw_column = 0; gw_column < (columns) && gw_found < 0; gw_column++) {       \
                const Py_ssize_t gw_place = (start) + gw_row * (step) + gw_column * (jump); \
                gw_look((double)(values)[gw_place], gw_place, look);                        \
            }                                                                               \
    } while (0)

static void gw_look_again(void) { gw_found = -1; }

#endif
