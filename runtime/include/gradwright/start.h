/* Where Python enters a module that the build made: at one of its levels, each the same module for other processors.

   This is compiled for any processor, and runs first, but for the call to it, which is GW_PLAIN. It takes the best level that this
   one can run, and says what is missing when it can run none. */
#ifndef GRADWRIGHT_START_H
#define GRADWRIGHT_START_H

#include "object.h"

#if defined(GW_OBJECT_START)
#define GW_START_ENTRY GW_SHARED
#else
#define GW_START_ENTRY GW_ELSEWHERE
#endif

typedef struct {
    const char *needs;    /* machine.h */
    void *(*init)(void); /* what Cython calls PyInit_NAME */
} gw_way;

/* `levels`, of which there are `count`, go from the best to the one that runs on most processors. */
GW_START_ENTRY void *gw_start(const char *module, const gw_way *levels, int count);

#ifdef GW_OBJECT_START
#include "machine.h"

/* All that is used of Python.h, which takes longer to read than the rest to compile. */
typedef struct _object PyObject;
extern PyObject *PyExc_ImportError;
PyObject *PyErr_Format(PyObject *exception, const char *format, ...);

GW_PLAIN void *gw_start(const char *module, const gw_way *levels, int count)
{
    const char *lacks = 0;
    int k;
    for (k = 0; k < count; k++)
        if (!(lacks = gw_lacks(levels[k].needs))) return levels[k].init();
    PyErr_Format(PyExc_ImportError, "this module was compiled for processors with %s, which this machine lacks; "
                 "compile %s again here, or with --march x86-64-v2", lacks, module);
    return 0;
}
#endif

#endif
