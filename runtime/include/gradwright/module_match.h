/* A part of module.h: what can be seen of arrays at once: whether they are plain (`_match`), whether one has changed (`_mark`). */
#ifndef GRADWRIGHT_MODULE_MATCH_H
#define GRADWRIGHT_MODULE_MATCH_H

#include "module_array.h"

/* An ndarray itself (no subclass) of this dtype, which is native, C-contiguous (1) and aligned (0x100). */
static int gwm_plain(PyObject *array, PyObject *dtype)
{
    return (PyObject *)Py_TYPE(array) == gwm_ndarray && ((gwm_array *)array)->descr == dtype
        && (((gwm_array *)array)->flags & 0x101) == 0x101;
}

/* _match(arrays, code, count): the sizes, if every array is just what the model declares; else None, and the face looks closer.
   code: for each array 1 for an index plus 2 for a bound, its number of axes, its dims, its bound; a dim is a number, -1 - k for
   size k, or -1 - count for what only the face can work out. */
GWM_OVER_DATA static PyObject *gwm_match(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_ssize_t sizes[GWM_SIZES], count, k, axis, length;
    const int64_t *word;
    PyObject *result;
    (void)self;
    if (gwm_expect("_match", given, 3)) return NULL;
    count = PyLong_AsSsize_t(args[2]);
    if (count > GWM_SIZES) Py_RETURN_NONE;
    word = gwm_data(args[1]);
    for (k = 0; k < count; k++) sizes[k] = -1;
    for (k = 0; k < PyTuple_GET_SIZE(args[0]); k++) {
        gwm_array *array = (gwm_array *)PyTuple_GET_ITEM(args[0], k);
        const int64_t flags = word[0], axes = word[1];
        int64_t dim;
        word += 2;
        if (!gwm_plain((PyObject *)array, flags & 1 ? gwm_index : gwm_real) || array->nd != axes) Py_RETURN_NONE;
        for (axis = 0, length = 1; axis < axes; axis++) {
            dim = word[axis];
            if (dim == -1 - count) Py_RETURN_NONE;
            if (dim < 0) {
                if (sizes[-1 - dim] < 0) sizes[-1 - dim] = array->dimensions[axis];
                dim = sizes[-1 - dim];
            }
            if (array->dimensions[axis] != dim) Py_RETURN_NONE;
            length *= (Py_ssize_t)dim;
        }
        if (flags & 2) {
            const int64_t *value = (const int64_t *)array->data;
            int64_t wrong = 0;
            dim = word[axes];
            if (dim == -1 - count || (dim < 0 && (dim = sizes[-1 - dim]) < 0)) Py_RETURN_NONE;
            for (axis = 0; axis < length; axis++) wrong |= (value[axis] < 0) | (value[axis] >= dim);
            if (wrong) Py_RETURN_NONE;
        }
        word += axes + 1;
    }
    for (k = 0; k < count; k++)
        if (sizes[k] < 0) Py_RETURN_NONE;
    if (!(result = PyTuple_New(count))) return NULL;
    for (k = 0; k < count; k++) PyTuple_SET_ITEM(result, k, PyLong_FromSsize_t(sizes[k]));
    return result;
}

/* _mark(array): all words of a contiguous array mixed into one, eight at a time, to see later whether it was written to. Each
   step can be undone, so that no single change goes unseen. */
GWM_OVER_DATA static PyObject *gwm_mark(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    uint64_t lane[8] = {1, 2, 3, 4, 5, 6, 7, 8}, word[8], total, mixed;
    const gwm_array *array;
    Py_ssize_t at, length;
    int k;
    (void)self;
    if (gwm_expect("_mark", given, 1)) return NULL;
    array = (const gwm_array *)args[0];
    length = array->descr == gwm_index ? 8 : gwm_width;
    for (k = 0; k < array->nd; k++) length *= array->dimensions[k];
    total = (uint64_t)length;
    Py_BEGIN_ALLOW_THREADS
    for (at = 0; at < length; at += 64) {
        if (length - at >= 64) memcpy(word, array->data + at, 64);
        else {
            memset(word, 0, 64);
            memcpy(word, array->data + at, (size_t)(length - at));
        }
        for (k = 0; k < 8; k++) {
            mixed = (lane[k] ^ word[k]) * UINT64_C(0x9E3779B97F4A7C15);
            lane[k] = mixed << 29 | mixed >> 35;
        }
    }
    for (k = 0; k < 8; k++) {
        total = (total ^ lane[k]) * UINT64_C(0x9E3779B97F4A7C15);
        total = total << 29 | total >> 35;
    }
    Py_END_ALLOW_THREADS
    return PyLong_FromUnsignedLongLong(total);
}

#endif
