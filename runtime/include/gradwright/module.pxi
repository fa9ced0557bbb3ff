# The end of every generated module: its kernels become functions of Python, and the face makes Model of them.
#
# The module before this line has
#     real                  ctypedef double or float
#     kernel_t, _KERNELS    the kernels, in the order of _SPEC["kernels"]
#     update_t, _UPDATES    the optimisers' updates, in the order of _SPEC["updates"]
#     _SPEC                 what the model is

cdef extern from "gradwright/module.h":
    int gwm_install(object module, void (*)(Py_ssize_t, void **, const Py_ssize_t *) noexcept nogil,
                    void (*)(Py_ssize_t, void *, const void *, void **, const double *, double, Py_ssize_t) noexcept nogil,
                    Py_ssize_t) except -1


cdef void _kernel(Py_ssize_t number, void **slots, const Py_ssize_t *sizes) noexcept nogil:
    _KERNELS[number](slots, sizes)


cdef void _update(Py_ssize_t number, void *w, const void *g, void **states, const double *hypers, double t,
                  Py_ssize_t n) noexcept nogil:
    _UPDATES[number](<real *>w, <const real *>g, <real **>states, hypers, t, n)


include "face.pxi"

cdef extern from *:
    """
    #ifdef __has_include
    #if __has_include("gradwright_face.h")
    #include "gradwright_face.h"
    #endif
    #endif
    #ifndef GWM_FACE_LENGTH
    #define GWM_FACE_LENGTH 0
    #define GWM_FACE_MAGIC ""
    static const char gwm_face_code[] = "";
    #endif
    """
    const char *gwm_face_code
    const char *GWM_FACE_MAGIC
    Py_ssize_t GWM_FACE_LENGTH
    object _bytes "PyBytes_FromStringAndSize"(const char *, Py_ssize_t)
    object _read "PyMarshal_ReadObjectFromString"(const char *, Py_ssize_t)


cdef object _install():
    """Run the face: its bytecode if the build put it in and this is the Python that it is for, else its text."""
    from importlib.util import MAGIC_NUMBER
    cdef dict face = {"__name__": "gradwright.runtime.model"}
    if GWM_FACE_LENGTH > 0 and _bytes(GWM_FACE_MAGIC, 4) == MAGIC_NUMBER:
        exec(_read(gwm_face_code, GWM_FACE_LENGTH), face)
    else:
        exec(compile(_FACE, "gradwright/runtime/model.py", "exec"), face)
    return face["install"]


gwm_install(globals(), _kernel, _update, sizeof(real))
_install()(globals())
