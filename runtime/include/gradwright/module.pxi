# The end of every generated module: its kernels become functions of Python, and the face makes Model of them.
#
# The module before this line has
#     real                  ctypedef double or float
#     kernel_t, _KERNELS    the kernels, in the order of _SPEC["kernels"]
#     update_t, _UPDATES    the optimisers' updates, in the order of _SPEC["updates"]
#     _SPEC                 what the model is, as a dict or the text of one

cdef extern from "gradwright/module.h":
    int gwm_install(object module, void (*)(Py_ssize_t, void **, const Py_ssize_t *) noexcept nogil,
                    void (*)(Py_ssize_t, void *, const void *, void **, const double *, double, Py_ssize_t) noexcept nogil,
                    Py_ssize_t) except -1


cdef void _kernel(Py_ssize_t number, void **slots, const Py_ssize_t *sizes) noexcept nogil:
    _KERNELS[number](slots, sizes)


cdef void _update(Py_ssize_t number, void *w, const void *g, void **states, const double *hypers, double t,
                  Py_ssize_t n) noexcept nogil:
    _UPDATES[number](<real *>w, <const real *>g, <real **>states, hypers, t, n)


gwm_install(globals(), _kernel, _update, sizeof(real))
