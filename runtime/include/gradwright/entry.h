/* How Python enters a module whose Python part is linked, and not compiled for it.

   What Python sees of a module is the same for every model but for its tables. Where the build links module.h it compiles the
   model's functions alone, without Python's headers: it hands over what Cython would have written a module's init for, and
   gw_enter does what that init does. It includes nothing, so that a unit that has Py_ssize_t can use it. */
#ifndef GRADWRIGHT_ENTRY_H
#define GRADWRIGHT_ENTRY_H

#include "object.h"

typedef void (*gwm_kernel_t)(Py_ssize_t number, void **slots, const Py_ssize_t *sizes);
typedef void (*gwm_update_t)(Py_ssize_t number, void *w, const void *g, void **states, const double *hypers, double t, Py_ssize_t n);

typedef struct {
    const char *name, *doc, *spec; /* in UTF-8 */
    gwm_kernel_t kernel;
    gwm_update_t update;
    Py_ssize_t width; /* of a real */
} gw_about;

/* What PyInit_NAME returns. */
GW_ELSEWHERE void *gw_enter(const gw_about *about);

#endif
