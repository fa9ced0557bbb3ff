/* What joins a module's kernels to Python. It knows no model.

   In C and not in Cython, for what Cython makes of it took the C compiler two seconds in every module. Arrays are read through
   our own declaration of NumPy's array struct, whose layout is fixed: 26 ns for five arrays where typed memoryviews take 480, and
   no NumPy headers to compile. Results are made by NumPy's own constructor, from the table of its C interface. */
#ifndef GRADWRIGHT_MODULE_H
#define GRADWRIGHT_MODULE_H

#include <marshal.h>
#include <math.h>
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
} gwm_array;

typedef void (*gwm_kernel_t)(Py_ssize_t number, void **slots, const Py_ssize_t *sizes);
typedef void (*gwm_update_t)(Py_ssize_t number, void *w, const void *g, void **states, const double *hypers, double t, Py_ssize_t n);
typedef PyObject *(*gwm_new_t)(PyTypeObject *, PyObject *, int, const Py_ssize_t *, const Py_ssize_t *, void *, int, PyObject *);

enum { GWM_SIZES = 16, GWM_SLOTS = 64, GWM_AXES = 32 };

static gwm_kernel_t gwm_kernel;
static gwm_update_t gwm_update;
static gwm_new_t gwm_new;
static Py_ssize_t gwm_width; /* of a real, in bytes */
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
    return PyErr_Occurred() ? -1 : 0;
}

static int gwm_expect(const char *name, Py_ssize_t got, Py_ssize_t want)
{
    if (got == want) return 0;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, got %zd", name, want, got);
    return -1;
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
    gwm_kernel(number, slots, sizes);
    Py_END_ALLOW_THREADS
    if (slots != few) PyMem_Free(slots);
    Py_RETURN_NONE;
}

static PyObject *gwm_make(const int64_t *shape, int axes, int index, const Py_ssize_t *sizes)
{
    Py_ssize_t dims[GWM_AXES];
    PyObject *dtype = index ? gwm_index : gwm_real, *tuple, *array;
    int k;
    for (k = 0; k < axes; k++) dims[k] = shape[k] < 0 ? sizes[-1 - shape[k]] : (Py_ssize_t)shape[k];
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

/* _call(kernel, code, arrays, sizes, vectors, kept, work, ups): make the results, run the kernel, return them as a tuple.
   code: the number of slots; for each, which argument it comes from (0 arrays, 1 vectors, 2 kept, 3 work, 4 ups, 5 results) and
   its place there; the number of results; for each, whether it holds indices, its number of axes, its dims (-1 - k: size k). */
static PyObject *gwm_call(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    void *few[GWM_SLOTS], **slots = few;
    Py_ssize_t sizes[GWM_SIZES], number, k, count;
    const int64_t *word, *places;
    PyObject *results, *array;
    (void)self;
    if (gwm_expect("_call", given, 8) || gwm_sizes(args[3], sizes)) return NULL;
    number = PyLong_AsSsize_t(args[0]);
    word = gwm_data(args[1]);
    count = (Py_ssize_t)*word++;
    places = word;
    word += 2 * count;
    results = PyTuple_New((Py_ssize_t)*word);
    if (!results) return NULL;
    word++;
    for (k = 0; k < PyTuple_GET_SIZE(results); k++) {
        array = gwm_make(word + 2, (int)word[1], (int)word[0], sizes);
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
    gwm_kernel(number, slots, sizes);
    Py_END_ALLOW_THREADS
    if (slots != few) PyMem_Free(slots);
    return results;
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
static PyObject *gwm_match(PyObject *self, PyObject *const *args, Py_ssize_t given)
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
static PyObject *gwm_mark(PyObject *self, PyObject *const *args, Py_ssize_t given)
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

static void gwm_gather(char *to, const char *from, const int64_t *order, Py_ssize_t rows, Py_ssize_t width)
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
    static void name(real *grad, Py_ssize_t count, double norm_bound, double bound)             \
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
   rule     (theta, grad, states, hypers, groups, rate, rates, clip_norm, clip_value, t, kept, following, random)
            hypers float64[groups, H] and groups int64[groups, 2]: which stretch of theta (start, length) is updated with which
            hypers; rates float64[steps] or None: factors on hyper number `rate`, step by step; a clip of 0 is none; t: steps
            before this one; kept: the model's own states, which take what the kernel left in `following` when its step is done;
            random int64[2]: seed and counter, which goes up by one for each step

   A checked module stops at the first NaN or infinity, with everything as the step before left it. */
#ifdef GRADWRIGHT_CHECKED_H
#define GWM_FOUND (gw_found >= 0)
#else
#define GWM_FOUND 0
#endif

static PyObject *gwm_train(PyObject *self, PyObject *const *args, Py_ssize_t given)
{
    Py_ssize_t number, update, epochs, rows, batch, rate, count, k, g, epoch, start, size, steps = 0, since = 0, every = 1;
    Py_ssize_t sizes[GWM_SIZES], width, groups, params;
    PyObject *rowbytes_, *staging_, *order_, *loss_, *losses_, *done_, *theta_, *grad_, *states_, *hypers_, *groups_, *rates_;
    PyObject *kept_ = NULL, *following_ = NULL, *random_ = NULL;
    double clip_norm, clip_value, t, total, before = 0, last, now, own[GWM_SLOTS];
    const int64_t *rowbytes, *order, *places;
    const double *hypers, *rates;
    double *losses;
    Py_ssize_t bytes, resumed;
    void *state[GWM_SIZES], *part[GWM_SIZES];
    char **whole, *staging, *staged, *theta, *grad, *safe = NULL;
    void **slots;
    int stopped = 0;
    PyThreadState *thread;
    (void)self;

    if (gwm_expect("_train", given, 6) || gwm_sizes(args[3], sizes)
        || !PyArg_ParseTuple(args[4], "OOOnnnOOO", &rowbytes_, &staging_, &order_, &epochs, &rows, &batch, &loss_, &losses_, &done_)
        || !PyArg_ParseTuple(args[5], "OOO!OOnOddd|OOO", &theta_, &grad_, &PyTuple_Type, &states_, &hypers_, &groups_, &rate, &rates_,
                             &clip_norm, &clip_value, &t, &kept_, &following_, &random_))
        return NULL;
    number = PyLong_AsSsize_t(args[0]);
    update = PyLong_AsSsize_t(args[1]);
    count = PyTuple_GET_SIZE(args[2]);
    rowbytes = gwm_data(rowbytes_);
    staging = gwm_data(staging_);
    order = order_ == Py_None ? NULL : gwm_data(order_);
    theta = gwm_data(theta_);
    grad = gwm_data(grad_);
    params = ((gwm_array *)theta_)->dimensions[0];
    hypers = gwm_data(hypers_);
    groups = ((gwm_array *)hypers_)->dimensions[0];
    width = ((gwm_array *)hypers_)->dimensions[1];
    places = gwm_data(groups_);
    rates = rates_ == Py_None ? NULL : gwm_data(rates_);
    if (PyErr_Occurred()) return NULL;
    if (PyTuple_GET_SIZE(states_) > GWM_SIZES || width > GWM_SLOTS) {
        PyErr_SetString(PyExc_ValueError, "too many states or hyper-parameters of an update");
        return NULL;
    }
    for (k = 0; k < PyTuple_GET_SIZE(states_); k++) state[k] = gwm_data(PyTuple_GET_ITEM(states_, k));
    if (!(whole = PyMem_Malloc((size_t)(2 * count + 1) * sizeof(char *)))) return PyErr_NoMemory();
    slots = (void **)(whole + count);
    for (k = 0; k < count; k++) slots[k] = whole[k] = gwm_data(PyTuple_GET_ITEM(args[2], k));
    if (batch == 0) rows = 1;
    losses = gwm_data(losses_);
    resumed = ((gwm_array *)done_)->dimensions[0] > 2 ? (Py_ssize_t)((int64_t *)gwm_data(done_))[2] : 0;
    bytes = params * gwm_width;
#ifdef GRADWRIGHT_CHECKED_H
    if (!(safe = PyMem_Malloc((size_t)((PyTuple_GET_SIZE(states_) + 1) * bytes + 1)))) {
        PyMem_Free(whole);
        return PyErr_NoMemory();
    }
#endif

    thread = PyEval_SaveThread();
    last = gwm_seconds();
    for (epoch = 0; epoch < epochs && !stopped; epoch++) {
        start = epoch == 0 ? resumed : 0;
        for (total = start > 0 ? losses[0] : 0; start < rows && !stopped; start += size) {
            size = batch == 0 ? 1 : rows - start < batch ? rows - start : batch;
            if (batch > 0) {
                sizes[0] = size;
                for (k = 0, staged = staging; k < count; k++) {
                    if (rowbytes[k] == 0) continue;
                    if (!order) {
                        slots[k] = whole[k] + start * rowbytes[k];
                        continue;
                    }
                    gwm_gather(staged, whole[k], order + epoch * rows + start, size, (Py_ssize_t)rowbytes[k]);
                    slots[k] = staged;
                    staged += (batch * rowbytes[k] + 63) / 64 * 64;
                }
            }
            if (number >= 0) gwm_kernel(number, slots, sizes); /* else loss and gradient are there already */
            if (GWM_FOUND) break;
            before = total;
            if (safe) {
                memcpy(safe, theta, (size_t)bytes);
                for (k = 0; k < PyTuple_GET_SIZE(states_); k++) memcpy(safe + (k + 1) * bytes, state[k], (size_t)bytes);
            }
            total += (gwm_width == 4 ? (double)*(float *)gwm_data(loss_) : *(double *)gwm_data(loss_)) * (double)size;
            if (clip_norm > 0 || clip_value > 0) {
                if (gwm_width == 4) gwm_clip_float((float *)grad, params, clip_norm, clip_value);
                else gwm_clip_double((double *)grad, params, clip_norm, clip_value);
            }
            t += 1;
            for (g = 0; g < groups && !GWM_FOUND; g++) {
                const Py_ssize_t offset = (Py_ssize_t)places[2 * g] * gwm_width;
                memcpy(own, hypers + g * width, (size_t)width * sizeof(double));
                if (rates) own[rate] *= rates[steps];
                for (k = 0; k < PyTuple_GET_SIZE(states_); k++) part[k] = (char *)state[k] + offset;
                gwm_update(update, theta + offset, grad + offset, part, own, t, (Py_ssize_t)places[2 * g + 1]);
#ifdef GRADWRIGHT_CHECKED_H
                if (GWM_FOUND) gw_found_at += (Py_ssize_t)places[2 * g]; /* counted along theta */
#endif
            }
            if (safe && GWM_FOUND) {
                memcpy(theta, safe, (size_t)bytes);
                for (k = 0; k < PyTuple_GET_SIZE(states_); k++) memcpy(state[k], safe + (k + 1) * bytes, (size_t)bytes);
                total = before;
                break;
            }
            if (number >= 0 && random_) {
                memcpy(gwm_data(kept_), gwm_data(following_), (size_t)(((gwm_array *)kept_)->dimensions[0] * gwm_width));
                ((int64_t *)gwm_data(random_))[1]++;
            }
            ((int64_t *)gwm_data(done_))[1] = ++steps;
            /* The clock is read so seldom that it costs nothing, and signals are looked at every 50 ms. */
            if (++since >= every) {
                since = 0;
                now = gwm_seconds();
                if (now - last > 0.05) {
                    last = now;
                    every = every > 1 ? every / 2 : 1;
                    PyEval_RestoreThread(thread);
                    stopped = PyErr_CheckSignals();
                    thread = PyEval_SaveThread();
                }
                else if (now - last < 0.005 && every < 65536) every *= 2;
            }
        }
        losses[epoch] = start < rows ? total : total / (double)rows;
        if (start < rows) break; /* stopped within the epoch */
        ((int64_t *)gwm_data(done_))[0] = epoch + 1;
    }
    PyEval_RestoreThread(thread);
    PyMem_Free(whole);
    PyMem_Free(safe);
    return stopped ? NULL : PyLong_FromSsize_t(steps);
}

/* Put these functions into the module. */
static int gwm_install(PyObject *module, gwm_kernel_t kernel, gwm_update_t update, Py_ssize_t width)
{
    static PyMethodDef functions[] = {
        {"_run", (PyCFunction)(void (*)(void))gwm_run, METH_FASTCALL, "_run(kernel, arrays, sizes)"},
        {"_call", (PyCFunction)(void (*)(void))gwm_call, METH_FASTCALL, "_call(kernel, code, arrays, sizes, vectors, kept, work, ups)"},
        {"_match", (PyCFunction)(void (*)(void))gwm_match, METH_FASTCALL, "_match(arrays, code, count)"},
        {"_mark", (PyCFunction)(void (*)(void))gwm_mark, METH_FASTCALL, "_mark(array)"},
        {"_train", (PyCFunction)(void (*)(void))gwm_train, METH_FASTCALL, "_train(kernel, update, slots, sizes, batches, rule)"},
        {NULL, NULL, 0, NULL},
    };
    PyMethodDef *each;
    PyObject *function, *numpy, *interface = NULL, *core = NULL;
    int failed = 0;

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
    return failed ? -1 : 0;
}

#endif
