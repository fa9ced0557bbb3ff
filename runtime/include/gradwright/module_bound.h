/* A part of module.h: steps whose arrays are bound already (`_bind`, `_steps`).

   A bound step is called as run() or run(count). What it was bound to is a job whose batch is 0. It goes straight to the kernels
   where the model says that nothing has come between (its slot `_bound` has the mark that the step was given) and no other thread
   runs a kernel (the lock is free); else `again(count)` of the face sees to it, which ends in `_steps(run, count)`. */
#ifndef GRADWRIGHT_MODULE_BOUND_H
#define GRADWRIGHT_MODULE_BOUND_H

#include <structmember.h>

#include "module_train.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *dict, *weak, *args, *model, *mark, *locked, *again;
    PyObject **bound; /* the model's slot */
    int64_t *counter; /* of the optimiser's steps */
    gwm_job job;
    int brief; /* a step takes so little that other threads may wait for it */
} gwm_bound;

static PyTypeObject *gwm_bound_type;

/* Where the model has its `_bound`, which takes a tenth of a look into a dictionary; NULL where a class derived from it has put
   something else in the place of the slot. */
static PyObject **gwm_slot(PyObject *model)
{
    PyObject *slot = PyObject_GetAttrString((PyObject *)Py_TYPE(model), "_bound"), **place = NULL;
    if (!slot) PyErr_Clear();
    else if (Py_IS_TYPE(slot, &PyMemberDescr_Type) && ((PyMemberDescrObject *)slot)->d_member->type == T_OBJECT_EX)
        place = (PyObject **)((char *)model + ((PyMemberDescrObject *)slot)->d_member->offset);
    Py_XDECREF(slot);
    return place;
}

/* locked(): the lock's own function itself, which to have Python call takes ten times as long. */
static PyObject *gwm_ask(PyObject *locked)
{
    if (Py_IS_TYPE(locked, &PyCFunction_Type) && PyCFunction_GET_FLAGS(locked) == METH_NOARGS)
        return PyCFunction_GET_FUNCTION(locked)(PyCFunction_GET_SELF(locked), NULL);
    return PyObject_CallNoArgs(locked);
}

static PyObject *gwm_bound_call(PyObject *self, PyObject *const *args, size_t flags, PyObject *names)
{
    gwm_bound *run = (gwm_bound *)self;
    const Py_ssize_t given = PyVectorcall_NARGS(flags);
    PyObject *answer;
    int free;
    if (given == 0 && !names && run->brief && *run->bound == run->mark) {
        if (!(answer = gwm_ask(run->locked))) return NULL;
        free = answer == Py_False;
        Py_DECREF(answer);
        if (free) {
            run->job.t = (double)*run->counter;
            gwm_step(&run->job, 1);
            ++*run->counter;
            return PyFloat_FromDouble(gwm_loss(&run->job));
        }
    }
    return PyObject_Vectorcall(run->again, args, flags, names);
}

/* _steps(run, count, rates): so many steps without the GIL; the loss before the last of them. */
GWM_OVER_ARGUMENTS static PyObject *gwm_steps(PyObject *self, PyObject *const *args, Py_ssize_t given)
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
    run->brief = run->bound && !run->job.safe && !rates && took < 1e-4 * (double)steps;
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
    run->bound = NULL;
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

/* _bind(run or None, arguments of _train as a tuple, model, mark, locked, counter, again): a bound step, or one that is bound
   anew. */
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
    run->bound = gwm_slot(run->model);
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
    gwm_bound_type = (PyTypeObject *)PyType_FromSpec(&spec);
    return gwm_bound_type ? 0 : -1;
}

#endif
