# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False
"""Two-layer network for XOR: a generated module written by hand, for the runtime's tests."""
cdef extern from "math.h" nogil:
    double tanh(double)
    double exp(double)
    double log1p(double)
    double fabs(double)
    double sqrt(double)
    double pow(double, double)

ctypedef double real
ctypedef void (*kernel_t)(void **slots, const Py_ssize_t *sizes) noexcept nogil
ctypedef void (*update_t)(real *w, const real *g, real **states, const double *hypers, double t, Py_ssize_t n) noexcept nogil


cdef void forward(const real *x, const real *y, const real *theta, const real *hyper, real *p, real *loss, real *h,
                  Py_ssize_t N) noexcept nogil:
    cdef const real *W1 = theta
    cdef const real *b1 = theta + 16
    cdef const real *W2 = theta + 24
    cdef const real *b2 = theta + 32
    cdef real z, total = 0
    cdef Py_ssize_t n, j
    for n in range(N):
        z = b2[0]
        for j in range(8):
            h[8*n + j] = tanh(x[2*n]*W1[j] + x[2*n + 1]*W1[8 + j] + b1[j])
            z += h[8*n + j]*W2[j]
        p[n] = 1/(1 + exp(-z))
        if y != NULL:
            total += (z if z > 0 else 0) + log1p(exp(-fabs(z))) - y[n]*z
    if y != NULL:
        loss[0] = 0
        for j in range(33):
            loss[0] += hyper[0]*theta[j]*theta[j]
        loss[0] += total/N


cdef void backward(const real *x, const real *y, const real *theta, const real *hyper, const real *h, const real *p, real up,
                   real *grad, Py_ssize_t N) noexcept nogil:
    cdef real d_z, d_a
    cdef Py_ssize_t n, j
    for j in range(33):
        grad[j] = 2*hyper[0]*up*theta[j]
    for n in range(N):
        d_z = up*(p[n] - y[n])/N
        grad[32] += d_z
        for j in range(8):
            grad[24 + j] += h[8*n + j]*d_z
            d_a = theta[24 + j]*d_z*(1 - h[8*n + j]*h[8*n + j])
            grad[16 + j] += d_a
            grad[j] += x[2*n]*d_a
            grad[8 + j] += x[2*n + 1]*d_a


cdef void sgd(real *w, const real *g, real **states, const double *hypers, double t, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real *v = states[0]
    for i in range(n):
        v[i] = hypers[1]*v[i] + g[i]
        w[i] -= hypers[0]*(g[i] + hypers[1]*v[i] if hypers[2] else v[i])


cdef void adam(real *w, const real *g, real **states, const double *hypers, double t, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real *m = states[0]
    cdef real *s = states[1]
    cdef double b1 = 1 - pow(hypers[1], t), b2 = 1 - pow(hypers[2], t)
    for i in range(n):
        m[i] = hypers[1]*m[i] + (1 - hypers[1])*g[i]
        s[i] = hypers[2]*s[i] + (1 - hypers[2])*g[i]*g[i]
        w[i] -= hypers[0]*(m[i]/b1)/(sqrt(s[i]/b2) + hypers[3])


cdef void k_predict(void **s, const Py_ssize_t *d) noexcept nogil:
    cdef real hidden[8]
    cdef Py_ssize_t n
    for n in range(d[0]):
        forward(<real *>s[0] + 2*n, NULL, <real *>s[1], NULL, <real *>s[2] + n, NULL, hidden, 1)


cdef void k_forward(void **s, const Py_ssize_t *d) noexcept nogil:
    cdef real *q = <real *>s[6] + 8*d[0]
    cdef Py_ssize_t n
    forward(<real *>s[0], <real *>s[1], <real *>s[2], <real *>s[3], <real *>s[4], <real *>s[5], <real *>s[6], d[0])
    for n in range(d[0]):
        q[n] = (<real *>s[4])[n]


cdef void k_backward(void **s, const Py_ssize_t *d) noexcept nogil:
    backward(<real *>s[0], <real *>s[1], <real *>s[2], <real *>s[3], <real *>s[4], <real *>s[4] + 8*d[0], (<real *>s[5])[0],
             <real *>s[6], d[0])


cdef void k_train(void **s, const Py_ssize_t *d) noexcept nogil:
    cdef real *q = <real *>s[4] + 8*d[0]
    forward(<real *>s[0], <real *>s[1], <real *>s[2], <real *>s[3], q, <real *>s[5], <real *>s[4], d[0])
    backward(<real *>s[0], <real *>s[1], <real *>s[2], <real *>s[3], <real *>s[4], q, 1, <real *>s[6], d[0])


cdef kernel_t *_KERNELS = [k_predict, k_forward, k_backward, k_train]
cdef update_t *_UPDATES = [sgd, adam]

_SPEC = {}      # the tests put handmade.py's here

include "gradwright/module.pxi"
