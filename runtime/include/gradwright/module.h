/* What joins a module's kernels to Python. It knows no model.

   In C and not in Cython, for what Cython makes of it took the C compiler two seconds in every module. Arrays are read through
   our own declaration of NumPy's array struct, whose layout is fixed: 26 ns for five arrays where typed memoryviews take 480, and
   no NumPy headers to compile. Results are made by NumPy's own constructor, from the table of its C interface.

   What is slow to write in C and never in a hurry is written in Python: the face (runtime/model.py and its parts), which is in
   here as text (face.h) or, where a build says so, as the bytecode of the Python that builds. */
#ifndef GRADWRIGHT_MODULE_H
#define GRADWRIGHT_MODULE_H

#include <Python.h>

#include "object.h"
#include "team.h"

/* A checked module has its own: it looks at what others do not. */
#if defined(GW_OBJECT_MODULE)
#define GWM_ENTRY GW_SHARED
#elif defined(GW_LINKED_MODULE) && !defined(GRADWRIGHT_CHECKED_H)
#define GWM_ENTRY GW_ELSEWHERE
#define GWM_ELSEWHERE
#else
#define GWM_ENTRY static
#endif

typedef void (*gwm_kernel_t)(Py_ssize_t number, void **slots, const Py_ssize_t *sizes);
typedef void (*gwm_update_t)(Py_ssize_t number, void *w, const void *g, void **states, const double *hypers, double t, Py_ssize_t n);

/* Make the module what its _SPEC says: the functions below, the face's over them, and Model. `width` is that of a real. */
GWM_ENTRY int gwm_install(PyObject *module, gwm_kernel_t kernel, gwm_update_t update, Py_ssize_t width);

#ifndef GWM_ELSEWHERE
#include <marshal.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

#include "move.h"

#ifdef __has_include
#if __has_include("gradwright_face.h")
#include "gradwright_face.h"
#endif
#endif
#ifndef GWM_FACE_LENGTH
#include "face.h"
#endif

/* Most of this waits for Python, and is as fast at -O1, which takes the compiler half the time. What runs over data says so. */
#if defined(GW_OBJECT_MODULE) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O1")
#define GWM_OVER_DATA __attribute__((optimize("O3")))
#else
#define GWM_OVER_DATA
#endif

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

static int gwm_sizes(PyObject *tuple, Py_ssize_t *sizes)
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
static void gwm_compute(Py_ssize_t number, void **slots, const Py_ssize_t *sizes)
{
    static __thread gw_trial trials[GWM_TRIALS];
    gw_trial *trial;
    uint64_t mixed = (uint64_t)number;
    double start, end;
    Py_ssize_t k;
    int alone;
    if (!gw_team_wanted()) {
        gwm_kernel(number, slots, sizes);
        return;
    }
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

/* _run(kernel, arrays, sizes): run one kernel on these arrays, which the face has checked, without the GIL. */
static PyObject *gwm_run(PyObject *self, PyObject *const *args, Py_ssize_t given)
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

/* Large results, which are remembered: one that the caller has let go of (we alone hold it) is handed out again, since the
   first touch of fresh memory costs more than most kernels spend on it. What is held by anybody, a view included, is left alone. */
enum { GWM_SPARE = 16, GWM_LARGE = 1 << 18 };
static PyObject *gwm_spare[GWM_SPARE];

static PyObject *gwm_reuse(PyObject *dtype, int axes, const Py_ssize_t *dims)
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
static void gwm_remember(PyObject *array)
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

static PyObject *gwm_make(const int64_t *shape, int axes, int index, const Py_ssize_t *sizes)
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
static PyObject *gwm_call(PyObject *self, PyObject *const *args, Py_ssize_t given)
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

/* _at(name, doc, code, constants, look, module): a function of numbers, for models of a few: one argument for each input and
   parameter in order, a number or (for a vector) a tuple or list of numbers; numbers come back. Everything lies in one small
   vector on the stack, in cells of a real each: the constants first, then what was given, what comes out, what lies between.
   code: how many constants, how many arguments are needed, how many are the most, whether the work is long, the number of kernels;
   for each argument its first cell and its length (-1 for a number, -2 for what only the face takes apart); for each kernel its
   number, the number of its slots, the first cell of each; the number of results; for each its first cell, its axes, its dims.
   Whatever is not plain goes to look(arguments), which returns the filled vector, or raises the error. */
enum { GWM_CELLS = 512 };

static int gwm_number(PyObject *value, double *number)
{
    if (PyFloat_Check(value)) *number = PyFloat_AS_DOUBLE(value);
    else if (PyLong_CheckExact(value)) {
        int beyond;
        *number = (double)PyLong_AsLongLongAndOverflow(value, &beyond);
        if (beyond) return 0;
    }
    else return 0;
    return gwm_width == 8 || !isfinite(*number) || isfinite((float)*number);
}

static int gwm_put(char *cells, int64_t place, PyObject *value)
{
    double number;
    if (!gwm_number(value, &number)) return 0;
    if (gwm_width == 8) ((double *)cells)[place] = number;
    else ((float *)cells)[place] = (float)number;
    return 1;
}

/* Tuples and numbers that we alone hold are filled again: to make and to free them takes longer than most small models. From 3.14
   on a tuple remembers its hash. */
#if defined(Py_GIL_DISABLED) || PY_VERSION_HEX >= 0x030e0000
enum { GWM_AGAIN = 0 };
#else
enum { GWM_AGAIN = 1 };
#endif
#define GWM_OURS(object) (GWM_AGAIN && Py_REFCNT(object) == 1)

/* Item k of a tuple of results: the number in this cell, or a tuple of those from there on. What was the item, if anything, was
   made here, too. */
static inline int gwm_fill(PyObject *tuple, Py_ssize_t k, double number)
{
    PyObject *old = PyTuple_GET_ITEM(tuple, k), *item;
    if (old && GWM_OURS(old)) {
        ((PyFloatObject *)old)->ob_fval = number;
        return 1;
    }
    if (!(item = PyFloat_FromDouble(number))) return 0;
    PyTuple_SET_ITEM(tuple, k, item);
    Py_XDECREF(old);
    return 1;
}

static int gwm_put_out(PyObject *tuple, Py_ssize_t k, const char *cells, int64_t *place, const int64_t *dims, int64_t axes)
{
    PyObject *old = PyTuple_GET_ITEM(tuple, k), *item = old;
    Py_ssize_t at;
    if (!axes) {
        at = (Py_ssize_t)(*place)++;
        return gwm_fill(tuple, k, gwm_width == 8 ? ((const double *)cells)[at] : ((const float *)cells)[at]);
    }
    if (!old || !GWM_OURS(old)) {
        if (!(item = PyTuple_New((Py_ssize_t)*dims))) return 0;
        PyTuple_SET_ITEM(tuple, k, item);
        Py_XDECREF(old);
    }
    for (at = 0; at < *dims; at++)
        if (!gwm_put_out(item, at, cells, place, dims + 1, axes - 1)) return 0;
    return 1;
}

/* A tuple for so many results; `spare` has the last two, of which the caller often has one when it asks for the next. */
static PyObject *gwm_spared(PyObject *spare, Py_ssize_t count)
{
    PyObject *tuple;
    int k;
    for (k = 0; k < 2; k++) {
        tuple = PyTuple_GET_ITEM(spare, k);
        if (tuple != Py_None && GWM_OURS(tuple)) {
            Py_INCREF(tuple);
            return tuple;
        }
    }
    return PyTuple_New(count);
}

static void gwm_keep(PyObject *spare, PyObject *tuple)
{
    PyObject *last = PyTuple_GET_ITEM(spare, 1);
    if (!GWM_AGAIN || tuple == PyTuple_GET_ITEM(spare, 0) || tuple == last) return;
    Py_INCREF(tuple);
    PyTuple_SET_ITEM(spare, 1, PyTuple_GET_ITEM(spare, 0));
    PyTuple_SET_ITEM(spare, 0, tuple);
    Py_DECREF(last);
}

static PyObject *gwm_looked(PyObject *look, PyObject *const *args, Py_ssize_t given, char *cells)
{
    PyObject *tuple = PyTuple_New(given), *filled;
    Py_ssize_t k;
    if (!tuple) return NULL;
    for (k = 0; k < given; k++) {
        Py_INCREF(args[k]);
        PyTuple_SET_ITEM(tuple, k, args[k]);
    }
    filled = PyObject_CallFunctionObjArgs(look, tuple, NULL);
    Py_DECREF(tuple);
    if (filled) memcpy(cells, gwm_data(filled), (size_t)(((gwm_array *)filled)->dimensions[0] * gwm_width));
    return filled;
}

/* For loops of a few rounds: vectors would only make them slower. */
#if defined(__GNUC__) && !defined(__clang__)
#define GWM_FEW __attribute__((optimize("no-tree-vectorize", "no-unroll-loops")))
#else
#define GWM_FEW
#endif

/* The arguments into their cells, if all are plain. */
GWM_FEW static int gwm_take(char *cells, const int64_t *word, PyObject *const *args, Py_ssize_t given)
{
    Py_ssize_t k, at;
    if (gwm_width == 8) { /* floats by themselves, without looking further */
        for (k = 0; k < given && word[2 * k + 1] == -1 && PyFloat_CheckExact(args[k]); k++)
            ((double *)cells)[word[2 * k]] = PyFloat_AS_DOUBLE(args[k]);
        if (k == given) return 1;
    }
    for (k = 0; k < given; k++, word += 2) {
        if (word[1] == -1) {
            if (!gwm_put(cells, word[0], args[k])) return 0;
        }
        else if (word[1] >= 0 && (PyTuple_CheckExact(args[k]) || PyList_CheckExact(args[k]))) {
            if (PySequence_Fast_GET_SIZE(args[k]) != word[1]) return 0;
            for (at = 0; at < word[1]; at++)
                if (!gwm_put(cells, word[0] + at, PySequence_Fast_GET_ITEM(args[k], at))) return 0;
        }
        else return 0;
    }
    return 1;
}

GWM_FEW static PyObject *gwm_at(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    double room[GWM_CELLS];
    char *cells = (char *)room;
    const int64_t *code = gwm_data(PyTuple_GET_ITEM(self, 0)), *word = code + 5 + 2 * code[2];
    const char *constants = gwm_data(PyTuple_GET_ITEM(self, 1));
    PyObject *results, *item, *spare = PyTuple_GET_ITEM(self, 3);
    Py_ssize_t k, count, bytes = (Py_ssize_t)code[0] * gwm_width;
    int64_t place;
    void *slots[GWM_SLOTS];

    for (k = 0; k + 8 <= bytes; k += 8) memcpy(cells + k, constants + k, 8);
    if (k < bytes) memcpy(cells + k, constants + k, 4);
    if (given < code[1] || given > code[2] || !gwm_take(cells, code + 5, args, given)) {
        if (!(results = gwm_looked(PyTuple_GET_ITEM(self, 2), args, given, cells))) return NULL;
        Py_DECREF(results);
    }
    for (count = (Py_ssize_t)code[4]; count > 0; count--, word += 2 + word[1]) {
        for (k = 0; k < word[1]; k++) slots[k] = cells + word[2 + k] * gwm_width;
        if (code[3]) {
            Py_BEGIN_ALLOW_THREADS
            gwm_kernel((Py_ssize_t)word[0], slots, NULL);
            Py_END_ALLOW_THREADS
        }
        else gwm_kernel((Py_ssize_t)word[0], slots, NULL);
    }
    count = (Py_ssize_t)*word++;
    if (!(results = gwm_spared(spare, count))) return NULL;
    for (k = 0; k < count; k++, word += 2 + word[1]) {
        place = word[0];
        if (!(word[1] == 0 && gwm_width == 8 ? gwm_fill(results, k, room[place])
                                             : gwm_put_out(results, k, cells, &place, word + 2, word[1]))) {
            Py_DECREF(results);
            return NULL;
        }
    }
    gwm_keep(spare, results);
    if (count != 1) return results;
    item = PyTuple_GET_ITEM(results, 0); /* as it is */
    Py_INCREF(item);
    Py_DECREF(results);
    return item;
}

static PyObject *gwm_make_at(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    PyObject *method, *own, *function, *module, *spare;
    PyMethodDef *def;
    (void)self;
    if (gwm_expect("_at", given, 6)) return NULL;
    /* CPython lets what a function belongs to keep its definition alive */
    if (!(method = PyBytes_FromStringAndSize(NULL, sizeof(PyMethodDef)))) return NULL;
    def = (PyMethodDef *)PyBytes_AS_STRING(method);
    def->ml_name = PyUnicode_AsUTF8(args[0]);
    def->ml_doc = PyUnicode_AsUTF8(args[1]);
    def->ml_meth = (PyCFunction)(void (*)(void))gwm_at;
    def->ml_flags = METH_FASTCALL;
    module = args[5];
    spare = def->ml_name && def->ml_doc ? PyTuple_Pack(2, Py_None, Py_None) : NULL;
    own = spare ? PyTuple_Pack(7, args[2], args[3], args[4], spare, method, args[0], args[1]) : NULL;
    function = own ? PyCFunction_NewEx(def, own, module) : NULL;
    Py_DECREF(method);
    Py_XDECREF(spare);
    Py_XDECREF(own);
    return function;
}

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

static double gwm_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

GWM_OVER_DATA static void gwm_gather(char *to, const char *from, const int64_t *order, Py_ssize_t rows, Py_ssize_t width)
{
    Py_ssize_t row;
    if (width == 8) /* the short rows, where a call of memcpy is what costs */
        for (row = 0; row < rows; row++) memcpy(to + 8 * row, from + 8 * order[row], 8);
    else if (width == 16)
        for (row = 0; row < rows; row++) memcpy(to + 16 * row, from + 16 * order[row], 16);
    else
        for (row = 0; row < rows; row++) memcpy(to + width * row, from + width * order[row], (size_t)width);
}

#define GWM_CLIP(name, real)                                                                    \
    GWM_OVER_DATA static void name(real *grad, Py_ssize_t count, double norm_bound, double bound) \
    {                                                                                           \
        double norm = 0;                                                                        \
        Py_ssize_t k;                                                                           \
        if (bound > 0)                                                                          \
            for (k = 0; k < count; k++)                                                         \
                grad[k] = grad[k] > bound ? (real)bound : grad[k] < -bound ? (real)-bound : grad[k]; \
        if (norm_bound > 0) {                                                                   \
            for (k = 0; k < count; k++) norm += (double)grad[k] * grad[k];                      \
            norm = sqrt(norm);                                                                  \
            if (norm > norm_bound)                                                              \
                for (k = 0; k < count; k++) grad[k] = (real)(grad[k] * (norm_bound / norm));    \
        }                                                                                       \
    }
GWM_CLIP(gwm_clip_double, double)
GWM_CLIP(gwm_clip_float, float)

/* _train(kernel, update, slots, sizes, batches, rule): a run of training steps, without the GIL and without allocating; returns
   how many.

   slots    the kernel's arrays; one that is batched is the whole data
   batches  (rowbytes, staging, order, epochs, rows, batch, loss, losses, done)
            rowbytes int64[slots]: the bytes of a row where the slot is batched, 0 where it is passed whole; staging: room for a
            batch of every batched slot (each rounded up to 64 bytes), unused without an order; order int64[epochs, rows] or None:
            the rows of each epoch; batch 0: no batches, a step takes all; loss: the kernel's loss; losses float64[epochs] gets
            the means over the rows; done int64[3]: gets whole epochs and steps; has the row at which the first epoch goes on,
            whose losses up to there add up to losses[0]. A run that is stopped within an epoch leaves that sum in its place
   rule     (theta, grad, states, hypers, groups, rate, rates, clip_norm, clip_value, t, kept, following, random, cells)
            hypers float64[groups, H] and groups int64[groups, 2]: which stretch of theta (start, length) is updated with which
            hypers; rates float64[steps] or None: factors on hyper number `rate`, step by step; a clip of 0 is none; t: steps
            before this one; kept: the model's own states, which take what the kernel left in `following` when its step is done;
            random int64[2]: seed and counter, which goes up by one for each step; cells: None, or where the kernel, which is the
            whole step, reads the hyper-parameters; as int64, where it reads the whole rule (move.h)

   A checked module stops at the first NaN or infinity, with everything as the step before left it. */
#ifdef GRADWRIGHT_CHECKED_H
#define GWM_FOUND (gw_found >= 0)
#else
#define GWM_FOUND 0
#endif

/* A run of training steps, taken apart from the arguments of `_train`. */
typedef struct {
    Py_ssize_t number, update, epochs, rows, batch, rate, count, states, groups, width, params, bytes, resumed, kept_bytes;
    Py_ssize_t sizes[GWM_SIZES];
    void *state[GWM_SIZES];
    double clip_norm, clip_value, t;
    const int64_t *rowbytes, *order, *places;
    const double *hypers, *rates;
    double *losses;
    int64_t *done, *random;
    char **whole, *staging, *theta, *grad, *loss, *safe, *kept, *cells;
    gw_move_rule *moves;
    double *scaled; /* the hyper-parameters, where the rate has a factor */
    const char *following;
    void **slots;
} gwm_job;

static void gwm_free(gwm_job *job)
{
    PyMem_Free(job->whole);
    PyMem_Free(job->safe);
    PyMem_Free(job->scaled);
    job->whole = NULL;
    job->safe = NULL;
    job->scaled = NULL;
}

/* args: those of `_train`; what they hold must stay while the job is used. */
static int gwm_prepare(gwm_job *job, PyObject *const *args)
{
    PyObject *rowbytes, *staging, *order, *loss, *losses, *done, *theta, *grad, *states, *hypers, *groups, *rates;
    PyObject *kept = NULL, *following = NULL, *random = NULL, *cells = NULL;
    Py_ssize_t k;

    memset(job, 0, sizeof *job);
    if (gwm_sizes(args[3], job->sizes)
        || !PyArg_ParseTuple(args[4], "OOOnnnOOO", &rowbytes, &staging, &order, &job->epochs, &job->rows, &job->batch, &loss,
                             &losses, &done)
        || !PyArg_ParseTuple(args[5], "OOO!OOnOddd|OOOO", &theta, &grad, &PyTuple_Type, &states, &hypers, &groups, &job->rate,
                             &rates, &job->clip_norm, &job->clip_value, &job->t, &kept, &following, &random, &cells))
        return -1;
    job->number = PyLong_AsSsize_t(args[0]);
    job->update = PyLong_AsSsize_t(args[1]);
    job->count = PyTuple_GET_SIZE(args[2]);
    job->rowbytes = gwm_data(rowbytes);
    job->staging = gwm_data(staging);
    job->order = order == Py_None ? NULL : gwm_data(order);
    job->theta = gwm_data(theta);
    job->grad = gwm_data(grad);
    job->params = ((gwm_array *)theta)->dimensions[0];
    job->bytes = job->params * gwm_width;
    job->hypers = gwm_data(hypers);
    job->groups = ((gwm_array *)hypers)->dimensions[0];
    job->width = ((gwm_array *)hypers)->dimensions[1];
    job->places = gwm_data(groups);
    job->rates = rates == Py_None ? NULL : gwm_data(rates);
    job->loss = gwm_data(loss);
    job->losses = gwm_data(losses);
    job->done = gwm_data(done);
    job->resumed = ((gwm_array *)done)->dimensions[0] > 2 ? (Py_ssize_t)job->done[2] : 0;
    if (random) {
        job->kept = gwm_data(kept);
        job->kept_bytes = ((gwm_array *)kept)->dimensions[0] * gwm_width;
        job->following = gwm_data(following);
        job->random = gwm_data(random);
    }
    if (cells && cells != Py_None) {
        if (((gwm_array *)cells)->descr != gwm_index) job->cells = gwm_data(cells);
        else if (((gwm_array *)cells)->dimensions[0] * 8 < (Py_ssize_t)sizeof(gw_move_rule))
            PyErr_SetString(PyExc_ValueError, "there is no room for the rule");
        else job->moves = gwm_data(cells);
    }
    if (PyErr_Occurred()) return -1;
    job->states = PyTuple_GET_SIZE(states);
    if (job->states > GWM_SIZES || job->width > GWM_SLOTS) {
        PyErr_SetString(PyExc_ValueError, "too many states or hyper-parameters of an update");
        return -1;
    }
    for (k = 0; k < job->states; k++) job->state[k] = gwm_data(PyTuple_GET_ITEM(states, k));
    if (!(job->whole = PyMem_Malloc((size_t)(2 * job->count + 1) * sizeof(char *)))) {
        PyErr_NoMemory();
        return -1;
    }
    if (!(job->scaled = PyMem_Malloc((size_t)(job->groups * job->width + 1) * sizeof(double)))) {
        gwm_free(job);
        PyErr_NoMemory();
        return -1;
    }
    job->slots = (void **)(job->whole + job->count);
    for (k = 0; k < job->count; k++) job->slots[k] = job->whole[k] = gwm_data(PyTuple_GET_ITEM(args[2], k));
    if (job->batch == 0) job->rows = 1;
#ifdef GRADWRIGHT_CHECKED_H
    if (!(job->safe = PyMem_Malloc((size_t)((job->states + 1) * job->bytes + 1)))) {
        gwm_free(job);
        PyErr_NoMemory();
        return -1;
    }
#endif
    return 0;
}

static double gwm_loss(const gwm_job *job)
{
    return gwm_width == 4 ? (double)*(float *)job->loss : *(double *)job->loss;
}

/* One step on what lies in the slots, whose rate is `factor` times its hyper-parameter; 0 where it met what is not finite, and
   then everything is as it was. */
static int gwm_step(gwm_job *job, double factor)
{
    Py_ssize_t k, g;
    const double *hypers = job->hypers;
    void *part[GWM_SIZES], **states;

    if (factor != 1) {
        memcpy(job->scaled, hypers, (size_t)(job->groups * job->width) * sizeof(double));
        for (g = 0; g < job->groups; g++) job->scaled[g * job->width + job->rate] *= factor;
        hypers = job->scaled;
    }
    if (job->moves)
        *job->moves = (gw_move_rule){gwm_update, job->update, job->states, job->groups, job->width, job->theta, job->state,
                                     job->places, hypers, job->t + 1};
    if (job->cells) {
        for (k = 0; k < job->width; k++) {
            if (gwm_width == 4) ((float *)job->cells)[k] = (float)hypers[k];
            else ((double *)job->cells)[k] = hypers[k];
        }
    }
    if (job->number >= 0) gwm_compute(job->number, job->slots, job->sizes); /* else loss and gradient are there already */
    if (GWM_FOUND) return 0;
    if (job->safe) {
        memcpy(job->safe, job->theta, (size_t)job->bytes);
        for (k = 0; k < job->states; k++) memcpy(job->safe + (k + 1) * job->bytes, job->state[k], (size_t)job->bytes);
    }
    if (job->clip_norm > 0 || job->clip_value > 0) {
        if (gwm_width == 4) gwm_clip_float((float *)job->grad, job->params, job->clip_norm, job->clip_value);
        else gwm_clip_double((double *)job->grad, job->params, job->clip_norm, job->clip_value);
    }
    job->t += 1;
    for (g = 0; g < (job->cells || job->moves ? 0 : job->groups) && !GWM_FOUND; g++) {
        const Py_ssize_t offset = (Py_ssize_t)job->places[2 * g] * gwm_width;
        states = job->state;
        if (offset) {
            for (k = 0; k < job->states; k++) part[k] = (char *)job->state[k] + offset;
            states = part;
        }
        gwm_update(job->update, job->theta + offset, job->grad + offset, states, hypers + g * job->width, job->t,
                   (Py_ssize_t)job->places[2 * g + 1]);
#ifdef GRADWRIGHT_CHECKED_H
        if (GWM_FOUND) gw_found_at += (Py_ssize_t)job->places[2 * g]; /* counted along theta */
#endif
    }
    if (job->safe && GWM_FOUND) {
        memcpy(job->theta, job->safe, (size_t)job->bytes);
        for (k = 0; k < job->states; k++) memcpy(job->state[k], job->safe + (k + 1) * job->bytes, (size_t)job->bytes);
        return 0;
    }
    if (job->number >= 0 && job->random) {
        memcpy(job->kept, job->following, (size_t)job->kept_bytes);
        job->random[1]++;
    }
    return 1;
}

/* Whether a signal ended the run: the clock is read so seldom that it costs nothing, and signals are looked at every 50 ms. */
typedef struct {
    PyThreadState *thread;
    double last;
    Py_ssize_t since, every;
} gwm_watch;

static void gwm_watch_begin(gwm_watch *watch)
{
    watch->thread = PyEval_SaveThread();
    watch->last = gwm_seconds();
    watch->since = 0;
    watch->every = 1;
}

static int gwm_signalled(gwm_watch *watch)
{
    double now;
    int stopped = 0;
    if (++watch->since < watch->every) return 0;
    watch->since = 0;
    now = gwm_seconds();
    if (now - watch->last > 0.05) {
        watch->last = now;
        watch->every = watch->every > 1 ? watch->every / 2 : 1;
        PyEval_RestoreThread(watch->thread);
        stopped = PyErr_CheckSignals();
        watch->thread = PyEval_SaveThread();
    }
    else if (now - watch->last < 0.005 && watch->every < 65536) watch->every *= 2;
    return stopped;
}

static PyObject *gwm_train(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_ssize_t k, epoch, start, size, steps = 0;
    double total;
    char *staged;
    int stopped = 0;
    gwm_job own, *job = &own;
    gwm_watch watch;
    (void)self;

    if (gwm_expect("_train", given, 6) || gwm_prepare(job, args)) return NULL;
    gwm_watch_begin(&watch);
    for (epoch = 0; epoch < job->epochs && !stopped; epoch++) {
        start = epoch == 0 ? job->resumed : 0;
        for (total = start > 0 ? job->losses[0] : 0; start < job->rows && !stopped; start += size) {
            size = job->batch == 0 ? 1 : job->rows - start < job->batch ? job->rows - start : job->batch;
            if (job->batch > 0) {
                job->sizes[0] = size;
                for (k = 0, staged = job->staging; k < job->count; k++) {
                    if (job->rowbytes[k] == 0) continue;
                    if (!job->order) {
                        job->slots[k] = job->whole[k] + start * job->rowbytes[k];
                        continue;
                    }
                    gwm_gather(staged, job->whole[k], job->order + epoch * job->rows + start, size, (Py_ssize_t)job->rowbytes[k]);
                    job->slots[k] = staged;
                    staged += (job->batch * job->rowbytes[k] + 63) / 64 * 64;
                }
            }
            if (!gwm_step(job, job->rates ? job->rates[steps] : 1)) break;
            total += gwm_loss(job) * (double)size;
            job->done[1] = ++steps;
            stopped = gwm_signalled(&watch);
        }
        job->losses[epoch] = start < job->rows ? total : total / (double)job->rows;
        if (start < job->rows) break; /* stopped within the epoch */
        job->done[0] = epoch + 1;
    }
    PyEval_RestoreThread(watch.thread);
    gwm_free(job);
    return stopped ? NULL : PyLong_FromSsize_t(steps);
}

/* ---- steps whose arrays are bound already

   A bound step is called as run() or run(count). What it was bound to is a job whose batch is 0. It goes straight to the kernels
   where the model's dictionary says that nothing has come between (`_bound` is the mark that it was given) and no other thread
   runs a kernel (the lock is free); else `again(count)` of the face sees to it, which ends in `_steps(run, count)`. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *dict, *weak, *args, *model, *mark, *locked, *again;
    int64_t *counter; /* of the optimiser's steps */
    gwm_job job;
    int brief; /* a step takes so little that other threads may wait for it */
} gwm_bound;

static PyTypeObject *gwm_bound_type;
static PyObject *gwm_bound_name;

static PyObject *gwm_bound_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    gwm_bound *run = (gwm_bound *)self;
    const Py_ssize_t given = PyVectorcall_NARGS(flags);
    PyObject *answer;
    int free;
    if (given == 0 && !names && run->brief && PyDict_GetItemWithError(run->model, gwm_bound_name) == run->mark) {
        if (!(answer = PyObject_CallNoArgs(run->locked))) return NULL;
        free = answer == Py_False;
        Py_DECREF(answer);
        if (free) {
            run->job.t = (double)*run->counter;
            gwm_step(&run->job, 1);
            ++*run->counter;
            return PyFloat_FromDouble(gwm_loss(&run->job));
        }
    }
    if (PyErr_Occurred()) return NULL;
    return PyObject_Vectorcall(run->again, args, flags, names);
}

/* _steps(run, count, rates): so many steps without the GIL; the loss before the last of them. */
static PyObject *gwm_steps(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    gwm_bound *run;
    Py_ssize_t count, steps;
    const double *rates;
    double began, took;
    int stopped = 0, fine = 1;
    gwm_watch watch;
    (void)self;
    if (gwm_expect("_steps", given, 3)) return NULL;
    run = (gwm_bound *)args[0];
    count = PyLong_AsSsize_t(args[1]);
    if (count == -1 && PyErr_Occurred()) return NULL;
    rates = args[2] == Py_None ? NULL : gwm_data(args[2]);
    run->job.t = (double)*run->counter;
    gwm_watch_begin(&watch);
    began = watch.last;
    for (steps = 0; steps < count && fine && !stopped; steps++) {
        fine = gwm_step(&run->job, rates ? rates[steps] : 1);
        if (!fine) break;
        ++*run->counter;
        stopped = gwm_signalled(&watch);
    }
    took = gwm_seconds() - began;
    PyEval_RestoreThread(watch.thread);
    run->brief = !run->job.safe && !rates && took < 1e-4 * (double)steps;
    return stopped ? NULL : PyFloat_FromDouble(gwm_loss(&run->job));
}

static int gwm_bound_traverse(PyObject *self, visitproc visit, void *arg)
{
    gwm_bound *run = (gwm_bound *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(run->dict);
    Py_VISIT(run->args);
    Py_VISIT(run->model);
    Py_VISIT(run->mark);
    Py_VISIT(run->locked);
    Py_VISIT(run->again);
    return 0;
}

static int gwm_bound_clear(PyObject *self)
{
    gwm_bound *run = (gwm_bound *)self;
    run->brief = 0;
    Py_CLEAR(run->dict);
    Py_CLEAR(run->args);
    Py_CLEAR(run->model);
    Py_CLEAR(run->mark);
    Py_CLEAR(run->locked);
    return 0;
}

static void gwm_bound_dealloc(PyObject *self)
{
    gwm_bound *run = (gwm_bound *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (run->weak) PyObject_ClearWeakRefs(self);
    gwm_bound_clear(self);
    Py_CLEAR(run->again);
    gwm_free(&run->job);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* _bind(run or None, arguments of _train as a tuple, model's dictionary, mark, locked, counter, again): a bound step, or one that
   is bound anew. */
static PyObject *gwm_bind(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    gwm_bound *run;
    gwm_job job;
    (void)self;
    if (gwm_expect("_bind", given, 7)) return NULL;
    if (gwm_prepare(&job, &PyTuple_GET_ITEM(args[1], 0))) return NULL;
    if (args[0] == Py_None) {
        if (!(run = PyObject_GC_New(gwm_bound, gwm_bound_type))) {
            gwm_free(&job);
            return NULL;
        }
        memset((char *)run + sizeof(PyObject), 0, sizeof *run - sizeof(PyObject));
        run->call = gwm_bound_call;
        PyObject_GC_Track(run);
    }
    else {
        run = (gwm_bound *)args[0];
        Py_INCREF(run);
        gwm_free(&run->job);
    }
    run->brief = 0;
    run->job = job;
    run->counter = gwm_data(args[5]);
    Py_INCREF(args[1]);
    Py_XSETREF(run->args, args[1]);
    Py_INCREF(args[2]);
    Py_XSETREF(run->model, args[2]);
    Py_INCREF(args[3]);
    Py_XSETREF(run->mark, args[3]);
    Py_INCREF(args[4]);
    Py_XSETREF(run->locked, args[4]);
    Py_INCREF(args[6]);
    Py_XSETREF(run->again, args[6]);
    return (PyObject *)run;
}

static int gwm_make_type(void)
{
    static PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(gwm_bound, call), READONLY, NULL},
        {"__dictoffset__", T_PYSSIZET, offsetof(gwm_bound, dict), READONLY, NULL},
        {"__weaklistoffset__", T_PYSSIZET, offsetof(gwm_bound, weak), READONLY, NULL},
        {NULL, 0, 0, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_doc, "Training steps on arrays that are bound: run() does one and run(1000) does a thousand; the loss before the last."},
        {Py_tp_call, PyVectorcall_Call}, {Py_tp_traverse, gwm_bound_traverse}, {Py_tp_clear, gwm_bound_clear},
        {Py_tp_dealloc, gwm_bound_dealloc}, {Py_tp_members, members}, {0, NULL},
    };
    static PyType_Spec spec = {"gradwright.Bound", sizeof(gwm_bound), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
                                   | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE, slots};
    gwm_bound_name = PyUnicode_InternFromString("_bound");
    gwm_bound_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return gwm_bound_name && gwm_bound_type ? 0 : -1;
}

/* The code of the face's files, in order. */
static PyObject *gwm_face(void)
{
#ifdef GWM_FACE_LENGTH
    if (PyImport_GetMagicNumber() == GWM_FACE_MAGIC) return PyMarshal_ReadObjectFromString(gwm_face_code, GWM_FACE_LENGTH);
    PyErr_SetString(PyExc_ImportError, "this module was compiled for another Python; compile it again");
    return NULL;
#else
    const Py_ssize_t count = (Py_ssize_t)(sizeof gwm_face_texts / sizeof *gwm_face_texts);
    PyObject *codes = PyTuple_New(count), *code;
    Py_ssize_t k;
    for (k = 0; codes && k < count; k++) {
        code = Py_CompileString(gwm_face_texts[k], gwm_face_files[k], Py_file_input);
        if (code) PyTuple_SET_ITEM(codes, k, code);
        else Py_CLEAR(codes);
    }
    return codes;
#endif
}

/* Run the face, and let it install itself in the module. */
static int gwm_run_face(PyObject *module)
{
    PyObject *names = PyDict_New(), *name = PyUnicode_FromString("gradwright.runtime.model"), *codes = NULL, *done = NULL;
    Py_ssize_t k;
    if (names && name && !PyDict_SetItemString(names, "__name__", name)
        && !PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) && (codes = gwm_face())) {
        for (k = 0; k < PyTuple_GET_SIZE(codes) && (done = PyEval_EvalCode(PyTuple_GET_ITEM(codes, k), names, names)); k++)
            Py_DECREF(done);
        if (done) done = PyObject_CallFunctionObjArgs(PyDict_GetItemString(names, "install"), module, NULL);
    }
    Py_XDECREF(names);
    Py_XDECREF(name);
    Py_XDECREF(codes);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* _SPEC is a literal that is read when the module is imported: compiling one of its size takes Cython a second. */
static int gwm_read_spec(PyObject *module)
{
    PyObject *spec = PyDict_GetItemString(module, "_SPEC"), *ast;
    int failed;
    if (!spec || !PyUnicode_Check(spec)) return 0;
    if (!(ast = PyImport_ImportModule("ast"))) return -1;
    spec = PyObject_CallMethod(ast, "literal_eval", "O", spec);
    failed = !spec || PyDict_SetItemString(module, "_SPEC", spec) < 0;
    Py_DECREF(ast);
    Py_XDECREF(spec);
    return failed ? -1 : 0;
}

/* All modules share one team of threads: the first leaves it in sys, where the others find it. Its name has a number, which goes
   up when the team is laid out in another way (team.h). */
static int gwm_share_team(void)
{
    static const char name[] = "_gradwright_team_2";
    PyObject *held = PySys_GetObject(name);
    int failed;
    if (held && PyCapsule_IsValid(held, name)) {
        gw_team_join(PyCapsule_GetPointer(held, name));
        return 0;
    }
    if (!(held = PyCapsule_New(gw_team_join(NULL), name, NULL))) return -1;
    failed = PySys_SetObject(name, held);
    Py_DECREF(held);
    return failed;
}

GWM_ENTRY int gwm_install(PyObject *module, gwm_kernel_t kernel, gwm_update_t update, Py_ssize_t width)
{
    static PyMethodDef functions[] = {
        {"_run", (PyCFunction)(void (*)(void))gwm_run, METH_FASTCALL, "_run(kernel, arrays, sizes)"},
        {"_call", (PyCFunction)(void (*)(void))gwm_call, METH_FASTCALL, "_call(kernel, code, arrays, sizes, vectors, kept, work, ups, into)"},
        {"_match", (PyCFunction)(void (*)(void))gwm_match, METH_FASTCALL, "_match(arrays, code, count)"},
#ifndef GRADWRIGHT_CHECKED_H
        {"_at", (PyCFunction)(void (*)(void))gwm_make_at, METH_FASTCALL, "_at(name, doc, code, constants, look, module)"},
#endif
        {"_mark", (PyCFunction)(void (*)(void))gwm_mark, METH_FASTCALL, "_mark(array)"},
        {"_train", (PyCFunction)(void (*)(void))gwm_train, METH_FASTCALL, "_train(kernel, update, slots, sizes, batches, rule)"},
        {"_bind", (PyCFunction)(void (*)(void))gwm_bind, METH_FASTCALL, "_bind(run, arguments, model, mark, locked, counter, again)"},
        {"_steps", (PyCFunction)(void (*)(void))gwm_steps, METH_FASTCALL, "_steps(run, count, rates)"},
        {NULL, NULL, 0, NULL},
    };
    PyMethodDef *each;
    PyObject *function, *numpy, *interface = NULL, *core = NULL;
    int failed = 0;

    if (gwm_make_type() || gwm_share_team()) return -1;
    gwm_kernel = kernel;
    gwm_update = update;
    gwm_width = width;
    if (!(numpy = PyImport_ImportModule("numpy"))) return -1;
    gwm_ndarray = PyObject_GetAttrString(numpy, "ndarray");
    gwm_empty = PyObject_GetAttrString(numpy, "empty");
    gwm_real = PyObject_CallMethod(numpy, "dtype", "s", width == 4 ? "float32" : "float64");
    gwm_index = PyObject_CallMethod(numpy, "dtype", "s", "int64");
    Py_DECREF(numpy);
    if (!gwm_ndarray || !gwm_empty || !gwm_real || !gwm_index) return -1;
    /* Entry 94 of NumPy's table is PyArray_NewFromDescr, in every version; without the table np.empty does the same. */
    core = PyImport_ImportModule("numpy._core._multiarray_umath");
    if (!core) {
        PyErr_Clear();
        core = PyImport_ImportModule("numpy.core._multiarray_umath");
    }
    if (core) interface = PyObject_GetAttrString(core, "_ARRAY_API");
    if (interface && PyCapsule_CheckExact(interface)) {
        void **table = PyCapsule_GetPointer(interface, NULL);
        if (table) gwm_new = (gwm_new_t)table[94];
    }
    PyErr_Clear();
    Py_XDECREF(interface);
    Py_XDECREF(core);
    for (each = functions; each->ml_name && !failed; each++) {
        function = PyCFunction_New(each, NULL);
        failed = !function || PyDict_SetItemString(module, each->ml_name, function) < 0;
        Py_XDECREF(function);
    }
    return failed || gwm_read_spec(module) || gwm_run_face(module) ? -1 : 0;
}

#endif /* GWM_ELSEWHERE */
#endif
