/* A part of module.h: what all of it reads, arrays and what a kernel is given of them, and `_run`. */
#ifndef GRADWRIGHT_MODULE_ARRAY_H
#define GRADWRIGHT_MODULE_ARRAY_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "team.h"

/* Most of module.h waits for Python, and is as fast at -O1 (GW_LEVEL_MODULE), which takes the compiler half the time. A function
   with a loop says what it runs over: the elements of arrays, and then it is vectorised all the same, or only arguments, axes,
   results, steps. Where one asks for -O3, gcc looks through all the others as well: a fifth of the time. */
#if defined(GW_OBJECT_MODULE) && defined(__GNUC__) && !defined(__clang__)
#define GWM_OVER_DATA __attribute__((optimize("tree-loop-vectorize")))
#else
#define GWM_OVER_DATA
#endif
#define GWM_OVER_ARGUMENTS

typedef struct {
    PyObject_HEAD
    char *data;
    int nd;
    Py_ssize_t *dimensions, *strides;
    PyObject *base, *descr;
    int flags;
} gwm_array;

typedef PyObject *(*gwm_new_t)(PyTypeObject *, PyObject *, int, const Py_ssize_t *, const Py_ssize_t *, void *, int, PyObject *);

enum { GWM_SIZES = 16, GWM_SLOTS = 64, GWM_AXES = 32, GWM_TRIALS = 32 };

static gwm_kernel_t gwm_kernel;
static gwm_update_t gwm_update;
static gwm_new_t gwm_new;
static Py_ssize_t gwm_width; /* of a real, in bytes */
static Py_ssize_t gwm_count; /* of free sizes */
static PyObject *gwm_ndarray, *gwm_real, *gwm_index, *gwm_empty;

static void *gwm_data(PyObject *array) { return ((gwm_array *)array)->data; }

GWM_OVER_ARGUMENTS static int gwm_sizes(PyObject *tuple, Py_ssize_t *sizes)
{
    Py_ssize_t k, count = PyTuple_GET_SIZE(tuple);
    if (count > GWM_SIZES) {
        PyErr_Format(PyExc_ValueError, "more than %d free sizes", GWM_SIZES);
        return -1;
    }
    for (k = 0; k < count; k++) sizes[k] = PyLong_AsSsize_t(PyTuple_GET_ITEM(tuple, k));
    gwm_count = count;
    return PyErr_Occurred() ? -1 : 0;
}

static int gwm_expect(const char *name, Py_ssize_t got, Py_ssize_t want)
{
    if (got == want) return 0;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, got %zd", name, want, got);
    return -1;
}

/* A kernel, by a team of threads where that has been found to pay for these sizes. */
GWM_OVER_ARGUMENTS static void gwm_compute_tried(Py_ssize_t number, void **slots, const Py_ssize_t *sizes)
{
    static __thread gw_trial trials[GWM_TRIALS];
    gw_trial *trial;
    uint64_t mixed = (uint64_t)number;
    double start, end;
    Py_ssize_t k;
    int alone;
    for (k = 0; k < gwm_count; k++) mixed = (mixed + (uint64_t)sizes[k]) * 0x9e3779b97f4a7c15u;
    trial = &trials[mixed >> 32 & (GWM_TRIALS - 1)];
    if (trial->m != number || trial->n != (ptrdiff_t)mixed) {
        const gw_trial fresh = {number, (ptrdiff_t)mixed, 0, 0, 0, 0, 0, 0.02, 1};
        *trial = fresh;
    }
    start = gw_now();
    alone = gw_team_rests(start) || gw_trial_alone(trial, start);
    gw_team_tell(alone ? GW_ALONE : GW_TOGETHER);
    gwm_kernel(number, slots, sizes);
    gw_team_tell(0);
    end = gw_now();
    if (!alone) gw_team_settle(end, trial->one - (end - start));
    gw_trial_took(trial, alone, start, end);
}

static inline void gwm_compute(Py_ssize_t number, void **slots, const Py_ssize_t *sizes)
{
    if (gw_team_wanted()) gwm_compute_tried(number, slots, sizes);
    else gwm_kernel(number, slots, sizes);
}

/* _run(kernel, arrays, sizes): run one kernel on these arrays, which the face has checked, without the GIL. */
GWM_OVER_ARGUMENTS static PyObject *gwm_run(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    void *few[GWM_SLOTS], **slots = few;
    Py_ssize_t sizes[GWM_SIZES], number, k, count;
    (void)self;
    if (gwm_expect("_run", given, 3) || gwm_sizes(args[2], sizes)) return NULL;
    number = PyLong_AsSsize_t(args[0]);
    count = PyTuple_GET_SIZE(args[1]);
    if (count > GWM_SLOTS && !(slots = PyMem_Malloc((size_t)count * sizeof(void *)))) return PyErr_NoMemory();
    for (k = 0; k < count; k++) slots[k] = gwm_data(PyTuple_GET_ITEM(args[1], k));
    Py_BEGIN_ALLOW_THREADS
    gwm_compute(number, slots, sizes);
    Py_END_ALLOW_THREADS
    if (slots != few) PyMem_Free(slots);
    Py_RETURN_NONE;
}

#endif
