/* A part of module.h: models as functions of numbers (`_at`). */
#ifndef GRADWRIGHT_MODULE_POINT_H
#define GRADWRIGHT_MODULE_POINT_H

#include "module_array.h"

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

GWM_OVER_ARGUMENTS static int gwm_put_out(PyObject *tuple, Py_ssize_t k, const char *cells, int64_t *place, const int64_t *dims, int64_t axes)
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
    if (axes == 1 && gwm_width == 8) {
        const double *numbers = (const double *)cells + *place;
        *place += *dims;
        for (at = 0; at < *dims; at++)
            if (!gwm_fill(item, at, numbers[at])) return 0;
        return 1;
    }
    for (at = 0; at < *dims; at++)
        if (!gwm_put_out(item, at, cells, place, dims + 1, axes - 1)) return 0;
    return 1;
}

/* A tuple for so many results; `spare` has the last two, of which the caller often has one when it asks for the next. */
GWM_OVER_ARGUMENTS static PyObject *gwm_spared(PyObject *spare, Py_ssize_t count)
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

GWM_OVER_ARGUMENTS static PyObject *gwm_looked(PyObject *look, PyObject *const *args, Py_ssize_t given, char *cells)
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
            PyObject *const *items = PySequence_Fast_ITEMS(args[k]);
            const Py_ssize_t count = PySequence_Fast_GET_SIZE(args[k]);
            if (count != word[1]) return 0;
            at = 0;
            if (gwm_width == 8)
                for (; at < count && PyFloat_CheckExact(items[at]); at++)
                    ((double *)cells)[word[0] + at] = PyFloat_AS_DOUBLE(items[at]);
            for (; at < count; at++)
                if (!gwm_put(cells, word[0] + at, items[at])) return 0;
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

#endif
