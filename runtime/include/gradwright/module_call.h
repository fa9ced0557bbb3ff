/* A part of module.h: results, and `_call`, which makes them and runs a kernel. */
#ifndef GRADWRIGHT_MODULE_CALL_H
#define GRADWRIGHT_MODULE_CALL_H

#include "module_array.h"

/* Large results, which are remembered: one that the caller has let go of (we alone hold it) is handed out again, since the
   first touch of fresh memory costs more than most kernels spend on it. What is held by anybody, a view included, is left alone. */
enum { GWM_SPARE = 16, GWM_LARGE = 1 << 18 };
static PyObject *gwm_spare[GWM_SPARE];

GWM_OVER_ARGUMENTS static PyObject *gwm_reuse(PyObject *dtype, int axes, const Py_ssize_t *dims)
{
#ifndef Py_GIL_DISABLED
    int k;
    for (k = 0; k < GWM_SPARE; k++) {
        gwm_array *spare = (gwm_array *)gwm_spare[k];
        if (spare && Py_REFCNT(spare) == 1 && spare->descr == dtype && spare->nd == axes && (spare->flags & 0x505) == 0x505
            && memcmp(spare->dimensions, dims, (size_t)axes * sizeof *dims) == 0) { /* contiguous, its own, writeable */
            Py_INCREF(spare);
            return (PyObject *)spare;
        }
    }
#endif
    return NULL;
}

/* A new one takes the place of what nobody wants any more: other shapes do not keep memory. */
GWM_OVER_ARGUMENTS static void gwm_remember(PyObject *array)
{
#ifndef Py_GIL_DISABLED
    static int turn;
    int k, place = -1;
    for (k = 0; k < GWM_SPARE; k++) {
        if (gwm_spare[k] && Py_REFCNT(gwm_spare[k]) == 1) Py_CLEAR(gwm_spare[k]);
        if (!gwm_spare[k]) place = k;
    }
    if (place < 0) {
        place = turn = (turn + 1) % GWM_SPARE;
        Py_CLEAR(gwm_spare[place]);
    }
    Py_INCREF(array);
    gwm_spare[place] = array;
#endif
}

GWM_OVER_ARGUMENTS static PyObject *gwm_make(const int64_t *shape, int axes, int index, const Py_ssize_t *sizes)
{
    Py_ssize_t dims[GWM_AXES], bytes = index ? 8 : gwm_width;
    PyObject *dtype = index ? gwm_index : gwm_real, *tuple, *array;
    int k;
    for (k = 0; k < axes; k++) {
        dims[k] = shape[k] < 0 ? sizes[-1 - shape[k]] : (Py_ssize_t)shape[k];
        bytes = dims[k] > 0 && bytes > GWM_LARGE ? bytes : bytes * dims[k];
    }
    if (axes && bytes >= GWM_LARGE && gwm_new) {
        if ((array = gwm_reuse(dtype, axes, dims))) return array;
        Py_INCREF(dtype);
        array = gwm_new((PyTypeObject *)gwm_ndarray, dtype, axes, dims, NULL, NULL, 0, NULL);
        if (array) gwm_remember(array);
        return array;
    }
    if (gwm_new) {
        Py_INCREF(dtype); /* which the constructor takes */
        return gwm_new((PyTypeObject *)gwm_ndarray, dtype, axes, dims, NULL, NULL, 0, NULL);
    }
    tuple = PyTuple_New(axes);
    for (k = 0; tuple && k < axes; k++) PyTuple_SET_ITEM(tuple, k, PyLong_FromSsize_t(dims[k]));
    array = tuple ? PyObject_CallFunctionObjArgs(gwm_empty, tuple, dtype, NULL) : NULL;
    Py_XDECREF(tuple);
    return array;
}

/* _call(kernel, code, arrays, sizes, vectors, kept, work, ups, into): make the results, but for those that `into` has, which is
   empty or has None for one that is to be made; run the kernel; return them as a tuple.
   code: the number of slots; for each, which argument it comes from (0 arrays, 1 vectors, 2 kept, 3 work, 4 ups, 5 results) and
   its place there; the number of results; for each, whether it holds indices, its number of axes, its dims (-1 - k: size k). */
GWM_OVER_ARGUMENTS static PyObject *gwm_call(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    void *few[GWM_SLOTS], **slots = few;
    Py_ssize_t sizes[GWM_SIZES], number, k, count;
    const int64_t *word, *places;
    PyObject *results, *array;
    (void)self;
    if (gwm_expect("_call", given, 9) || gwm_sizes(args[3], sizes)) return NULL;
    number = PyLong_AsSsize_t(args[0]);
    word = gwm_data(args[1]);
    count = (Py_ssize_t)*word++;
    places = word;
    word += 2 * count;
    results = PyTuple_New((Py_ssize_t)*word);
    if (!results) return NULL;
    word++;
    for (k = 0; k < PyTuple_GET_SIZE(results); k++) {
        array = PyTuple_GET_SIZE(args[8]) ? PyTuple_GET_ITEM(args[8], k) : Py_None;
        if (array != Py_None) Py_INCREF(array);
        else array = gwm_make(word + 2, (int)word[1], (int)word[0], sizes);
        if (!array) {
            Py_DECREF(results);
            return NULL;
        }
        PyTuple_SET_ITEM(results, k, array);
        word += 2 + word[1];
    }
    if (count > GWM_SLOTS && !(slots = PyMem_Malloc((size_t)count * sizeof(void *)))) {
        Py_DECREF(results);
        return PyErr_NoMemory();
    }
    for (k = 0; k < count; k++) {
        const int64_t from = places[2 * k], place = places[2 * k + 1];
        array = from == 0 ? PyTuple_GET_ITEM(args[2], place) : from == 1 ? PyTuple_GET_ITEM(args[4], place)
              : from == 2 ? args[5] : from == 3 ? args[6] : PyTuple_GET_ITEM(from == 4 ? args[7] : results, place);
        slots[k] = gwm_data(array);
    }
    Py_BEGIN_ALLOW_THREADS
    gwm_compute(number, slots, sizes);
    Py_END_ALLOW_THREADS
    if (slots != few) PyMem_Free(slots);
    return results;
}

#endif
