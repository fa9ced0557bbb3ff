# The end of every generated module: what joins its kernels to Python. It knows no model.
#
# The module before this line has
#     real                  ctypedef double or float
#     kernel_t, _KERNELS    the kernels, in the order of _SPEC["kernels"]
#     update_t, _UPDATES    the optimisers' updates, in the order of _SPEC["updates"]
#     _SPEC, _REAL          what the model is, and its NumPy dtype's name
# An array's data pointer, shape and flags are read through our own declaration of NumPy's array struct (its ABI is fixed):
# 26 ns for five arrays where typed memoryviews take 480, and no NumPy headers to compile.

import numpy as _numpy

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #include <time.h>

    typedef struct {
        PyObject_HEAD
        char *data;
        int nd;
        Py_ssize_t *dimensions, *strides;
        PyObject *base, *descr;
        int flags;
    } gw_array;

    static CYTHON_INLINE void *gw_data(PyObject *array) { return ((gw_array *)array)->data; }

    /* An ndarray itself (no subclass) of this dtype, C-contiguous (1) and aligned (0x100); native order is the dtype's own. */
    static CYTHON_INLINE int gw_plain(PyObject *array, PyObject *type, PyObject *descr) {
        return (PyObject *)Py_TYPE(array) == type && ((gw_array *)array)->descr == descr
            && (((gw_array *)array)->flags & 0x101) == 0x101;
    }

    /* All words of an array mixed into one, eight at a time: whether it was written to. Each step can be undone, so that no
       single change goes unseen. */
    static uint64_t gw_mark(const char *data, Py_ssize_t length) {
        uint64_t lane[8] = {1, 2, 3, 4, 5, 6, 7, 8}, word[8], total = (uint64_t)length;
        Py_ssize_t at = 0;
        int k;
        for (; at < length; at += 64) {
            if (length - at >= 64) memcpy(word, data + at, 64);
            else { memset(word, 0, 64); memcpy(word, data + at, (size_t)(length - at)); }
            for (k = 0; k < 8; k++) {
                uint64_t mixed = (lane[k] ^ word[k]) * UINT64_C(0x9E3779B97F4A7C15);
                lane[k] = mixed << 29 | mixed >> 35;
            }
        }
        for (k = 0; k < 8; k++) {
            total = (total ^ lane[k]) * UINT64_C(0x9E3779B97F4A7C15);
            total = total << 29 | total >> 35;
        }
        return total;
    }

    static double gw_seconds(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    """
    ctypedef struct PyObject
    ctypedef struct gw_array:
        char *data
        int nd
        Py_ssize_t *dimensions
    void *gw_data(PyObject *array) noexcept nogil
    bint gw_plain(PyObject *array, PyObject *type, PyObject *descr) noexcept
    unsigned long long gw_mark(const char *data, Py_ssize_t length) noexcept nogil
    double gw_seconds() noexcept nogil

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1
    void *PyMem_Malloc(size_t)
    void PyMem_Free(void *)
    PyObject *PyTuple_GET_ITEM(object, Py_ssize_t)
    Py_ssize_t PyTuple_GET_SIZE(object)

cdef extern from "string.h" nogil:
    void *_memcpy "memcpy"(void *, const void *, size_t)

cdef extern from "math.h" nogil:
    double _sqrt "sqrt"(double)

cdef enum:
    SLOTS = 64          # what a call keeps on the stack; more are allocated
    SIZES = 16

cdef object _ndarray = _numpy.ndarray
cdef object _real_dtype = _numpy.dtype(_REAL)
cdef object _index_dtype = _numpy.dtype("int64")


def _run(Py_ssize_t kernel, tuple arrays, tuple sizes):
    """Run one kernel on these arrays, without the GIL. The face has checked them."""
    cdef void *few[SLOTS]
    cdef Py_ssize_t extents[SIZES]
    cdef Py_ssize_t k, count = PyTuple_GET_SIZE(arrays), dims = PyTuple_GET_SIZE(sizes)
    cdef void **slots = few
    cdef kernel_t function = _KERNELS[kernel]
    if dims > SIZES:
        raise ValueError(f"more than {SIZES} free sizes")
    if count > SLOTS:
        slots = <void **>PyMem_Malloc(count * sizeof(void *))
        if slots == NULL:
            raise MemoryError()
    for k in range(count):
        slots[k] = gw_data(PyTuple_GET_ITEM(arrays, k))
    for k in range(dims):
        extents[k] = sizes[k]
    with nogil:
        function(slots, extents)
    if slots != few:
        PyMem_Free(slots)


def _match(tuple arrays, code, Py_ssize_t count):
    """The sizes, if every array is just what the model declares; else None, and the face looks closer.

    `code` holds for each input: 1 for an index and 2 for a bound, the number of axes less one (of the list that follows), the
    dims and the bound. A dim is a number, or -1 - k for size k, or -1 - count for what only the face can work out.
    """
    cdef Py_ssize_t sizes[SIZES]
    cdef Py_ssize_t k, axis, dim, want, axes
    cdef long long *word = <long long *>gw_data(<PyObject *>code)
    cdef long long *value
    cdef long long flags
    cdef gw_array *array
    cdef PyObject *item
    if count > SIZES:
        return None
    for k in range(count):
        sizes[k] = -1
    for k in range(PyTuple_GET_SIZE(arrays)):
        item = PyTuple_GET_ITEM(arrays, k)
        flags, axes = word[0], word[1]
        word += 2
        if not gw_plain(item, <PyObject *>_ndarray, <PyObject *>(_index_dtype if flags & 1 else _real_dtype)):
            return None
        array = <gw_array *>item
        if array.nd != axes:
            return None
        want = 1
        for axis in range(axes + 1):
            dim = word[axis]
            if dim < 0:
                if dim == -1 - count:
                    return None
                if axis < axes and sizes[-1 - dim] < 0:
                    sizes[-1 - dim] = array.dimensions[axis]
                dim = sizes[-1 - dim]
                if dim < 0:
                    return None
            if axis < axes:
                if array.dimensions[axis] != dim:
                    return None
                want *= dim
            elif flags & 2:
                value = <long long *>array.data
                for axis in range(want):
                    if value[axis] < 0 or value[axis] >= dim:
                        return None
        word += axes + 1
    for k in range(count):
        if sizes[k] < 0:
            return None
    if count == 1:
        return (sizes[0],)
    return tuple([sizes[k] for k in range(count)])


def _mark(array):
    """A number that tells whether a contiguous array was written to."""
    cdef char *data = <char *>gw_data(<PyObject *>array)
    cdef Py_ssize_t length = array.nbytes
    cdef unsigned long long mark
    with nogil:
        mark = gw_mark(data, length)
    return mark


def _train(Py_ssize_t kernel, Py_ssize_t update, tuple slots, tuple sizes, tuple batches, tuple rule):
    """A run of training steps, without the GIL and without allocating. Returns the steps done.

    slots    the kernel's arrays; one that is batched is the whole data
    batches  (rowbytes, staging, order, epochs, rows, batch, loss, losses, progress)
             rowbytes int64[slots]: the bytes of a row where the slot is batched, 0 where it is passed whole; staging: bytes for
             a batch of every batched slot (each rounded up to 64), unused without an order; order int64[epochs, rows] or None:
             the rows of each epoch; batch 0: no batches, a step takes all; loss: the kernel's loss; losses float64[epochs]
             gets the means over the rows; progress int64[2]: whole epochs, steps
    rule     (theta, grad, states, hypers, groups, rate, rates, clip_norm, clip_value, t)
             hypers float64[groups, H] and groups int64[groups, 2]: which stretch of theta (start, length) is updated with which
             hypers; rates float64[steps] or None: factors on hyper number `rate`, step by step; a clip of 0 is none
    """
    cdef Py_ssize_t k, row, epoch, start, size, steps = 0, g, since = 0, every = 1
    cdef Py_ssize_t count = PyTuple_GET_SIZE(slots), dims = PyTuple_GET_SIZE(sizes)
    cdef object rowbytes_, staging_, order_, loss_, losses_, progress_
    cdef object theta_, grad_, states_, hypers_, groups_, rates_
    cdef Py_ssize_t epochs, rows, batch, rate
    cdef double clip_norm, clip_value, t, total, norm, now, last, old_rate
    rowbytes_, staging_, order_, epochs, rows, batch, loss_, losses_, progress_ = batches
    theta_, grad_, states_, hypers_, groups_, rate, rates_, clip_norm, clip_value, t = rule
    cdef long long *rowbytes = <long long *>gw_data(<PyObject *>rowbytes_)
    cdef char *staging = <char *>gw_data(<PyObject *>staging_)
    cdef long long *order = NULL
    cdef real *loss = <real *>gw_data(<PyObject *>loss_)
    cdef double *losses = <double *>gw_data(<PyObject *>losses_)
    cdef long long *progress = <long long *>gw_data(<PyObject *>progress_)
    cdef real *theta = <real *>gw_data(<PyObject *>theta_)
    cdef real *grad = <real *>gw_data(<PyObject *>grad_)
    cdef double *hypers = <double *>gw_data(<PyObject *>hypers_)
    cdef long long *groups = <long long *>gw_data(<PyObject *>groups_)
    cdef double *rates = NULL
    cdef Py_ssize_t width = hypers_.shape[1], stretches = hypers_.shape[0], params = theta_.size
    cdef Py_ssize_t states = len(states_)
    cdef kernel_t function = _KERNELS[kernel]
    cdef update_t apply = _UPDATES[update]
    cdef char *source
    cdef char *staged
    if order_ is not None:
        order = <long long *>gw_data(<PyObject *>order_)
    if rates_ is not None:
        rates = <double *>gw_data(<PyObject *>rates_)
    if dims > SIZES or states > SIZES or width > SLOTS:
        raise ValueError("too many sizes, or states or hyper-parameters of an optimiser")
    cdef Py_ssize_t extents[SIZES]
    cdef real *state[SIZES]
    cdef real *state_of[SIZES]
    cdef double own[SLOTS]
    for k in range(dims):
        extents[k] = sizes[k]
    for k in range(states):
        state[k] = <real *>gw_data(<PyObject *>states_[k])
    cdef char **whole = <char **>PyMem_Malloc((2 * count + 1) * sizeof(char *))
    if whole == NULL:
        raise MemoryError()
    cdef void **given = <void **>(whole + count)
    for k in range(count):
        whole[k] = <char *>gw_data(PyTuple_GET_ITEM(slots, k))
        given[k] = whole[k]
    if batch == 0:
        rows = 1
        size = 1
    try:
        with nogil:
            last = gw_seconds()
            for epoch in range(epochs):
                total = 0
                start = 0
                while start < rows:
                    if batch > 0:
                        size = rows - start if rows - start < batch else batch
                        extents[0] = size
                        staged = staging
                        for k in range(count):
                            if rowbytes[k] > 0:
                                if order == NULL:
                                    given[k] = whole[k] + start * rowbytes[k]
                                else:
                                    given[k] = staged
                                    source = whole[k]
                                    _gather(staged, source, order + epoch * rows + start, size, rowbytes[k])
                                    staged += (batch * rowbytes[k] + 63) // 64 * 64
                    function(given, extents)
                    total += <double>loss[0] * size
                    if clip_value > 0:
                        for k in range(params):
                            if grad[k] > clip_value:
                                grad[k] = <real>clip_value
                            elif grad[k] < -clip_value:
                                grad[k] = <real>-clip_value
                    if clip_norm > 0:
                        norm = 0
                        for k in range(params):
                            norm += <double>grad[k] * grad[k]
                        norm = _sqrt(norm)
                        if norm > clip_norm:
                            for k in range(params):
                                grad[k] = <real>(grad[k] * (clip_norm / norm))
                    t += 1
                    for g in range(stretches):
                        for k in range(width):
                            own[k] = hypers[g * width + k]
                        if rates != NULL:
                            own[rate] = own[rate] * rates[steps]
                        k = groups[2 * g]
                        for row in range(states):
                            state_of[row] = state[row] + k
                        apply(theta + k, grad + k, state_of, own, t, <Py_ssize_t>groups[2 * g + 1])
                    steps += 1
                    start += size
                    progress[1] = steps
                    # Look at the clock every so many steps that it costs nothing, and at signals every 50 ms.
                    since += 1
                    if since >= every:
                        since = 0
                        now = gw_seconds()
                        if now - last > 0.05:
                            every = every // 2 if every > 1 else 1
                            last = now
                            with gil:
                                PyErr_CheckSignals()
                        elif now - last < 0.005 and every < 65536:
                            every *= 2
                losses[epoch] = total / rows
                progress[0] = epoch + 1
    finally:
        PyMem_Free(whole)
    return steps


cdef inline void _gather(char *to, const char *source, const long long *order, Py_ssize_t rows, Py_ssize_t rowbytes) noexcept nogil:
    cdef Py_ssize_t row
    if rowbytes == 8:           # the usual lengths of short rows, where a call of memcpy is what costs
        for row in range(rows):
            (<long long *>to)[row] = (<const long long *>source)[order[row]]
    elif rowbytes == 16:
        for row in range(rows):
            (<long long *>to)[2 * row] = (<const long long *>source)[2 * order[row]]
            (<long long *>to)[2 * row + 1] = (<const long long *>source)[2 * order[row] + 1]
    else:
        for row in range(rows):
            _memcpy(to + row * rowbytes, source + order[row] * rowbytes, rowbytes)


include "face.pxi"



cdef object _install():
    """The face's install: of gradwright.runtime.model where that is the same text, since it is compiled already."""
    cdef dict face = {"__name__": "gradwright.runtime.model"}
    try:
        from gradwright.runtime import model
        with open(model.__file__, encoding="utf-8") as file:
            if file.read() == _FACE:
                return model.install
    except (ImportError, OSError):
        pass
    exec(compile(_FACE, "gradwright/runtime/model.py", "exec"), face)
    return face["install"]


_install()(globals())
