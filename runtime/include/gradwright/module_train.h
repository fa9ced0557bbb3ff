/* A part of module.h: runs of training steps (`_train`). */
#ifndef GRADWRIGHT_MODULE_TRAIN_H
#define GRADWRIGHT_MODULE_TRAIN_H

#include <math.h>
#include <time.h>

#include "module_array.h"
#include "move.h"

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
    int plain; /* a step is its kernel and then the rule, once over all parameters */
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
GWM_OVER_ARGUMENTS static int gwm_prepare(gwm_job *job, PyObject *const *args)
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
#ifndef GRADWRIGHT_CHECKED_H
    job->plain = job->number >= 0 && !job->moves && !job->cells && !(job->clip_norm > 0) && !(job->clip_value > 0)
              && job->kept_bytes == 0 && job->groups == 1 && job->places[0] == 0 && job->params < GW_MOVE_SHARED;
#else
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

/* The rule behind the kernel, which has left the whole gradient: what is little is moved here, group by group. */
GWM_OVER_ARGUMENTS static void gwm_update_all(gwm_job *job, const double *hypers)
{
    void *part[GWM_SIZES], **states;
    Py_ssize_t k, g;
#ifndef GRADWRIGHT_CHECKED_H
    if (job->params >= GW_MOVE_SHARED) {
        const gw_move_rule rule = {gwm_update, job->update, job->states, job->groups, job->width, job->theta, job->state,
                                   job->places, hypers, job->t};
        gw_move_any(&rule, job->theta, job->grad, job->params, gwm_width);
        return;
    }
#endif
    for (g = 0; g < job->groups && !GWM_FOUND; g++) {
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
}

/* One step on what lies in the slots, whose rate is `factor` times its hyper-parameter; 0 where it met what is not finite, and
   then everything is as it was. */
GWM_OVER_ARGUMENTS static int gwm_step_of_any(gwm_job *job, double factor)
{
    Py_ssize_t k, g;
    const double *hypers = job->hypers;

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
    if (!job->cells && !job->moves) gwm_update_all(job, hypers);
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

/* The same. Of a small model, what is asked here takes a tenth of the step. */
static inline int gwm_step(gwm_job *job, double factor)
{
    if (!job->plain || factor != 1) return gwm_step_of_any(job, factor);
    gwm_compute(job->number, job->slots, job->sizes);
    job->t += 1;
    gwm_update(job->update, job->theta, job->grad, job->state, job->hypers, job->t, (Py_ssize_t)job->places[1]);
    if (job->random) job->random[1]++;
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

GWM_OVER_ARGUMENTS static PyObject *gwm_train(PyObject *self, PyObject *const *args, Py_ssize_t given)
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

#endif
