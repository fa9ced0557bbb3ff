/* A part of module.h: what can be seen of arrays at once: whether they are plain (`_match`), whether one has changed (`_mark`),
   where one begins (`_place`), whether results fit into some (`_fits`). */
#ifndef GRADWRIGHT_MODULE_MATCH_H
#define GRADWRIGHT_MODULE_MATCH_H

#include "module_array.h"

/* An ndarray itself (no subclass) of this dtype, which is native, C-contiguous (1) and aligned (0x100). */
static int gwm_plain(PyObject *array, PyObject *dtype)
{
    return (PyObject *)Py_TYPE(array) == gwm_ndarray && ((gwm_array *)array)->descr == dtype
        && (((gwm_array *)array)->flags & 0x101) == 0x101;
}

/* Whether all of them are in [0, bound). */
GWM_OVER_DATA static int gwm_within(const int64_t *value, Py_ssize_t length, int64_t bound)
{
    int64_t wrong = 0;
    Py_ssize_t k;
    for (k = 0; k < length; k++) wrong |= (value[k] < 0) | (value[k] >= bound);
    return !wrong;
}

/* _match(arrays, code, count): the sizes, if every array is just what the model declares; else None, and the face looks closer.
   code: for each array 1 for an index plus 2 for a bound, its number of axes, its dims, its bound; a dim is a number, -1 - k for
   size k, or -1 - count for what only the face can work out. */
GWM_OVER_ARGUMENTS static PyObject *gwm_match(PyObject *self, PyObject *const *args, Py_ssize_t given)
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
            dim = word[axes];
            if (dim == -1 - count || (dim < 0 && (dim = sizes[-1 - dim]) < 0)) Py_RETURN_NONE;
            if (!gwm_within((const int64_t *)array->data, length, dim)) Py_RETURN_NONE;
        }
        word += axes + 1;
    }
    for (k = 0; k < count; k++)
        if (sizes[k] < 0) Py_RETURN_NONE;
    if (!(result = PyTuple_New(count))) return NULL;
    for (k = 0; k < count; k++) PyTuple_SET_ITEM(result, k, PyLong_FromSsize_t(sizes[k]));
    return result;
}

/* All words mixed into one, eight at a time. Each step can be undone, so that no single change goes unseen. */
GWM_OVER_DATA static uint64_t gwm_mixed(const char *data, Py_ssize_t length)
{
    typedef uint64_t words __attribute__((vector_size(64)));
    typedef uint64_t anywhere __attribute__((vector_size(64), aligned(1), may_alias));
    words lane = {1, 2, 3, 4, 5, 6, 7, 8}, last = {0};
    uint64_t total = (uint64_t)length;
    Py_ssize_t left = length;
    int k;
#define GWM_MIX(word) lane = (lane ^ (word)) * UINT64_C(0x9E3779B97F4A7C15), lane = lane << 29 | lane >> 35
    for (; left >= 64; left -= 64, data += 64) GWM_MIX(*(const anywhere *)data);
    memcpy(&last, data, (size_t)left);
    if (left > 0) GWM_MIX(last);
#undef GWM_MIX
    for (k = 0; k < 8; k++) {
        total = (total ^ lane[k]) * UINT64_C(0x9E3779B97F4A7C15);
        total = total << 29 | total >> 35;
    }
    return total;
}

/* _mark(array): what a contiguous array holds, as one word, to see later whether it was written to. */
GWM_OVER_ARGUMENTS static PyObject *gwm_mark(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    const gwm_array *array;
    uint64_t total;
    Py_ssize_t length;
    int k;
    (void)self;
    if (gwm_expect("_mark", given, 1)) return NULL;
    array = (const gwm_array *)args[0];
    length = array->descr == gwm_index ? 8 : gwm_width;
    for (k = 0; k < array->nd; k++) length *= array->dimensions[k];
    Py_BEGIN_ALLOW_THREADS
    total = gwm_mixed(array->data, length);
    Py_END_ALLOW_THREADS
    return PyLong_FromUnsignedLongLong(total);
}

/* _place(array): the address of its first element, which NumPy tells in a dict that takes fifty times as long. */
static PyObject *gwm_place(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    (void)self;
    if (gwm_expect("_place", given, 1)) return NULL;
    return PyLong_FromVoidPtr(gwm_data(args[0]));
}

typedef struct { const char *first, *last; } gwm_span;

/* Where an array of the model's types lies; nowhere if it is empty. */
GWM_OVER_ARGUMENTS static gwm_span gwm_span_of(PyObject *object)
{
    const gwm_array *array = (const gwm_array *)object;
    Py_ssize_t length = array->descr == gwm_index ? 8 : gwm_width;
    gwm_span span = {array->data, array->data};
    int k;
    for (k = 0; k < array->nd; k++) length *= array->dimensions[k];
    span.last += length;
    return span;
}

/* _fits(into, code, sizes, read): whether every array of `into` is just what `_call` would make with this code in its place,
   writeable, and shares no memory with another one or with what is read. If not, the face looks closer. */
GWM_OVER_ARGUMENTS static PyObject *gwm_fits(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    gwm_span spans[GWM_SLOTS], span;
    Py_ssize_t sizes[GWM_SIZES], k, j, taken = 0;
    const int64_t *word;
    (void)self;
    if (gwm_expect("_fits", given, 4) || gwm_sizes(args[2], sizes)) return NULL;
    word = gwm_data(args[1]);
    word += 2 + 2 * word[0]; /* to the first result */
    if (PyTuple_GET_SIZE(args[0]) > GWM_SLOTS) Py_RETURN_FALSE;
    for (k = 0; k < PyTuple_GET_SIZE(args[0]); k++, word += 2 + word[1]) {
        const gwm_array *array = (const gwm_array *)PyTuple_GET_ITEM(args[0], k);
        if ((PyObject *)array == Py_None) continue;
        if (!gwm_plain((PyObject *)array, word[0] ? gwm_index : gwm_real) || !(array->flags & 0x400) || array->nd != word[1])
            Py_RETURN_FALSE;
        for (j = 0; j < array->nd; j++)
            if (array->dimensions[j] != (word[2 + j] < 0 ? sizes[-1 - word[2 + j]] : word[2 + j])) Py_RETURN_FALSE;
        span = gwm_span_of((PyObject *)array);
        for (j = 0; j < taken; j++)
            if (span.first < spans[j].last && spans[j].first < span.last) Py_RETURN_FALSE;
        spans[taken++] = span;
    }
    for (k = 0; k < PyTuple_GET_SIZE(args[3]); k++) {
        span = gwm_span_of(PyTuple_GET_ITEM(args[3], k));
        for (j = 0; j < taken; j++)
            if (span.first < spans[j].last && spans[j].first < span.last) Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
}

#endif
