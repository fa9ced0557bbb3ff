/* What joins a module's kernels to Python. It knows no model.

   In C and not in Cython, for what Cython makes of it took the C compiler two seconds in every module. Arrays are read through
   our own declaration of NumPy's array struct, whose layout is fixed: 26 ns for five arrays where typed memoryviews take 480, and
   no NumPy headers to compile. Results are made by NumPy's own constructor, from the table of its C interface.

   What is slow to write in C and never in a hurry is written in Python: the face (runtime/model.py and its parts), which is in
   here as text (face.h) or, where a build says so, as the bytecode of the Python that builds. */
#ifndef GRADWRIGHT_MODULE_H
#define GRADWRIGHT_MODULE_H

#include <Python.h>

#include "entry.h"
#include "object.h"
#include "team.h"

#define GW_LEVEL_MODULE 1

/* A checked module has its own: it looks at what others do not. */
#if defined(GW_OBJECT_MODULE)
#define GWM_ENTRY GW_SHARED
#elif defined(GW_LINKED_MODULE) && !defined(GRADWRIGHT_CHECKED_H)
#define GWM_ENTRY GW_ELSEWHERE
#define GWM_ELSEWHERE
#else
#define GWM_ENTRY static
#endif

/* Make the module what its _SPEC says: the functions below, the face's over them, and Model. `width` is that of a real. */
GWM_ENTRY int gwm_install(PyObject *module, gwm_kernel_t kernel, gwm_update_t update, Py_ssize_t width);

#ifndef GWM_ELSEWHERE
#include <marshal.h>

#include "module_array.h"
#include "module_call.h"
#include "module_point.h"
#include "module_match.h"
#include "module_train.h"
#include "module_bound.h"

#ifdef __has_include
#if __has_include("gradwright_face.h")
#include "gradwright_face.h"
#endif
#endif
#ifndef GWM_FACE_LENGTH
#include "face.h"
#endif

/* The code of the face's files, in order. */
GWM_OVER_ARGUMENTS static PyObject *gwm_face(void)
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
GWM_OVER_ARGUMENTS static int gwm_run_face(PyObject *module)
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

GWM_ENTRY GWM_OVER_ARGUMENTS int gwm_install(PyObject *module, gwm_kernel_t kernel, gwm_update_t update, Py_ssize_t width)
{
    static PyMethodDef functions[] = {
        {"_run", (PyCFunction)(void (*)(void))gwm_run, METH_FASTCALL, "_run(kernel, arrays, sizes)"},
        {"_call", (PyCFunction)(void (*)(void))gwm_call, METH_FASTCALL, "_call(kernel, code, arrays, sizes, vectors, kept, work, ups, into)"},
        {"_match", (PyCFunction)(void (*)(void))gwm_match, METH_FASTCALL, "_match(arrays, code, count)"},
#ifndef GRADWRIGHT_CHECKED_H
        {"_at", (PyCFunction)(void (*)(void))gwm_make_at, METH_FASTCALL, "_at(name, doc, code, constants, look, module)"},
#endif
        {"_mark", (PyCFunction)(void (*)(void))gwm_mark, METH_FASTCALL, "_mark(array)"},
        {"_place", (PyCFunction)(void (*)(void))gwm_place, METH_FASTCALL, "_place(array)"},
        {"_fits", (PyCFunction)(void (*)(void))gwm_fits, METH_FASTCALL, "_fits(into, code, sizes, read)"},
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

#ifdef GW_OBJECT_MODULE
/* One module and one interpreter a file: the kernels' own variables are there once. */
static const gw_about *gwm_about;
static PyObject *gwm_module;

static PyObject *gwm_create(PyObject *spec, PyModuleDef *definition)
{
    static PyInterpreterState *first;
    PyObject *name;
    (void)definition;
    if (first && first != PyInterpreterState_Get()) {
        PyErr_SetString(PyExc_ImportError, "this module can only be loaded into one interpreter of a process");
        return NULL;
    }
    first = PyInterpreterState_Get();
    if (gwm_module) {
        Py_INCREF(gwm_module);
        return gwm_module;
    }
    if (!(name = PyObject_GetAttrString(spec, "name"))) return NULL;
    gwm_module = PyModule_NewObject(name);
    Py_DECREF(name);
    Py_XINCREF(gwm_module);
    return gwm_module;
}

static int gwm_execute(PyObject *module)
{
    static int done;
    PyObject *names, *spec;
    if (done) {
        if (module == gwm_module) return 0;
        PyErr_SetString(PyExc_RuntimeError, "this module has been loaded already");
        return -1;
    }
    names = PyModule_GetDict(module);
    if (!(spec = PyUnicode_FromString(gwm_about->spec))) return -1;
    done = !PyDict_SetItemString(names, "_SPEC", spec) && !gwm_install(names, gwm_about->kernel, gwm_about->update, gwm_about->width);
    Py_DECREF(spec);
    if (!done) Py_CLEAR(gwm_module);
    return done ? 0 : -1;
}

GW_SHARED void *gw_enter(const gw_about *about)
{
    static PyModuleDef_Slot slots[] = {{Py_mod_create, (void *)gwm_create}, {Py_mod_exec, (void *)gwm_execute}, {0, NULL}};
    static PyModuleDef definition = {PyModuleDef_HEAD_INIT, NULL, NULL, 0, NULL, slots, NULL, NULL, NULL};
    gwm_about = about;
    definition.m_name = about->name;
    definition.m_doc = about->doc;
    return PyModuleDef_Init(&definition);
}
#endif

#endif /* GWM_ELSEWHERE */
#endif
