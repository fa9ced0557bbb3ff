# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""svm: index notation, as it stands in the textbook

Made by gradwright 0.1.0 from examples/svm.gw (sha256 ca1d013824c23311); edit the model and make it again:
    gradwright compile examples/svm.gw

Sizes        N is free, D = 64, C = 10
Inputs       x[N, 64] y[N]
Parameters   W[64, 10]: 640 float64, in this order in theta
Kept         s[N, 10] for the backward pass
Unnamed      loss_mean1 = mean(L)
             loss_pow1  = W**2
             loss_sum2  = sum(W**2)
Operations   the forward graph as written: 1341*N + 1283
             predict 1280*N; bytes moved 592*N + 5120
             forward 1341*N + 1283; bytes moved 680*N + 5136
             backward 1480*N + 1280; bytes moved 680*N + 10248
             train 2821*N + 2563; bytes moved 680*N + 10256
             step 2821*N + 1283; bytes moved 680*N + 10272
Products     s (N x 10 x 64) in predict, forward, train, step: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2
             d_W (64 x 10 x N) in backward, train: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2, added in registers
             W_next (64 x 10 x N) in step: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2, scaled and added in registers
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const double *read "gw_read_f64"
    ctypedef double *write "gw_write_f64"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"
    double maximum "gw_max"(double, double) noexcept
    double choose "gw_choose"(bint condition, double if_true, double otherwise) noexcept
cdef extern from "gradwright/sum.h" nogil:
    double short_squares "gw_short_squares_f64"(const double *, Py_ssize_t) noexcept
cdef extern from "gradwright/gemm.h" nogil:
    # c[m, n] = alpha * a[m, k] @ b[k, n] + beta * c, with the strides of rows and columns
    void gemm "gw_gemm_f64"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha,
              const double *a, Py_ssize_t a_row, Py_ssize_t a_column,
              const double *b, Py_ssize_t b_row, Py_ssize_t b_column,
              double beta, double *c, Py_ssize_t c_row) noexcept

ctypedef double real


cdef void predict(read x, read theta, write s, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read W = theta
    # examples/svm.gw:8   s[n, j] = sum(x[n, d] * W[d, j] for d)
    gemm(N, 10, 64, 1,
         x, 64, 1,
         W, 10, 1,
         0, s, 10)


cdef void forward(read x, indices y, read theta, read hyper, write s, write loss, write kept,
                  Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read W = theta
    cdef write s_kept = kept
    cdef real reg = hyper[0]
    cdef real L
    cdef double loss_sum1, loss_sum2
    cdef Py_ssize_t n, j
    # examples/svm.gw:8   s[n, j] = sum(x[n, d] * W[d, j] for d)
    gemm(N, 10, 64, 1,
         x, 64, 1,
         W, 10, 1,
         0, s, 10)
    # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
    loss_sum1 = 0
    for n in range(N):
        # examples/svm.gw:9   L[n]    = sum(max(0, s[n, j] - s[n, y[n]] + 1) for j if j != y[n])
        L = 0
        for j in range(10):
            L += (maximum(0, s[10*n + j] - s[10*n + y[n]] + 1) if j != y[n] else 0.0)
        # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
        loss_sum1 += L
        for j in range(10):
            s_kept[10*n + j] = s[10*n + j]  # kept for the backward pass
    loss_sum2 = 0
    for j in range(64):
        loss_sum2 += short_squares(W + 10*j, 10)
    loss[0] = loss_sum1/N + reg*loss_sum2


cdef void backward(read x, indices y, read theta, read hyper, write grad, read kept, write work,
                   Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read W = theta
    cdef write d_W = grad
    cdef read s = kept
    cdef real reg = hyper[0]
    cdef write d_s = work
    cdef real t1, t2
    cdef Py_ssize_t n, j, k
    # examples/svm.gw:9    backward of  L[n]    = sum(max(0, s[n, j] - s[n, y[n]] + 1) for j if j != y[n])
    # examples/svm.gw:11                minimize mean(L) + reg * sum(W**2)
    #     s is used 2 times: its adjoints add
    #     d loss_mean1 / d loss_sum1 = 1 / N
    for n in range(N):
        for j in range(10):
            t1 = s[10*n + j] - s[10*n + y[n]] + 1
            d_s[10*n + j] = choose(j != y[n], choose(0 <= t1, (0.5 if 0 == t1 else 1.0), 0.0), 0.0)/N
        for j in range(10):
            t2 = s[10*n + j] - s[10*n + y[n]] + 1
            d_s[10*n + y[n]] += choose(j != y[n], choose(0 <= t2, -(0.5 if 0 == t2 else 1.0), 0.0), 0.0)/N
    # examples/svm.gw:11   backward of  minimize mean(L) + reg * sum(W**2)
    # examples/svm.gw:8                 s[n, j] = sum(x[n, d] * W[d, j] for d)
    #     W is used 2 times: its adjoints add
    #     d loss_pow1 / d W = 2 * W
    for j in range(64):
        for k in range(10):
            d_W[10*j + k] = reg*(2*W[10*j + k])
    # examples/svm.gw:8   backward of  s[n, j] = sum(x[n, d] * W[d, j] for d)
    gemm(64, 10, N, 1,
         x, 1, 64,
         d_s, 10, 1,
         1, d_W, 10)


cdef void train(read x, indices y, read theta, read hyper, write loss, write grad, write work,
                Py_ssize_t N) noexcept nogil:
    # the loss and its gradient in one go
    cdef read W = theta
    cdef write d_W = grad
    cdef real reg = hyper[0]
    cdef write s = work, d_s = work + 10*N
    cdef real t1, t2, L
    cdef double loss_sum1, loss_sum2
    cdef Py_ssize_t n, j, k
    # examples/svm.gw:8   s[n, j] = sum(x[n, d] * W[d, j] for d)
    gemm(N, 10, 64, 1,
         x, 64, 1,
         W, 10, 1,
         0, s, 10)
    # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
    loss_sum1 = 0
    for n in range(N):
        # examples/svm.gw:9   L[n]    = sum(max(0, s[n, j] - s[n, y[n]] + 1) for j if j != y[n])
        L = 0
        for j in range(10):
            L += (maximum(0, s[10*n + j] - s[10*n + y[n]] + 1) if j != y[n] else 0.0)
        # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
        loss_sum1 += L
        # examples/svm.gw:9    backward of  L[n]    = sum(max(0, s[n, j] - s[n, y[n]] + 1) for j if j != y[n])
        # examples/svm.gw:11                minimize mean(L) + reg * sum(W**2)
        #     s is used 2 times: its adjoints add
        #     d loss_mean1 / d loss_sum1 = 1 / N
        for j in range(10):
            t1 = s[10*n + j] - s[10*n + y[n]] + 1
            d_s[10*n + j] = choose(j != y[n], choose(0 <= t1, (0.5 if 0 == t1 else 1.0), 0.0), 0.0)/N
        for j in range(10):
            t2 = s[10*n + j] - s[10*n + y[n]] + 1
            d_s[10*n + y[n]] += choose(j != y[n], choose(0 <= t2, -(0.5 if 0 == t2 else 1.0), 0.0), 0.0)/N
    # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
    loss_sum2 = 0
    for j in range(64):
        loss_sum2 += short_squares(W + 10*j, 10)
        # examples/svm.gw:11   backward of  minimize mean(L) + reg * sum(W**2)
        # examples/svm.gw:8                 s[n, j] = sum(x[n, d] * W[d, j] for d)
        #     W is used 2 times: its adjoints add
        #     d loss_pow1 / d W = 2 * W
        for k in range(10):
            d_W[10*j + k] = reg*(2*W[10*j + k])
    # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
    loss[0] = loss_sum1/N + reg*loss_sum2
    # examples/svm.gw:8   backward of  s[n, j] = sum(x[n, d] * W[d, j] for d)
    gemm(64, 10, N, 1,
         x, 1, 64,
         d_s, 10, 1,
         1, d_W, 10)


cdef void step(read x, indices y, write theta, read hyper, read rule, write loss, write work,
               Py_ssize_t N) noexcept nogil:
    # a whole step by the rule sgd, whose gradient is kept nowhere
    cdef write W = theta
    cdef real reg = hyper[0]
    cdef real lr = rule[0]
    cdef real weight_decay = rule[3]
    cdef write s = work, d_s = work + 10*N
    cdef real t1, t2, L
    cdef double loss_sum1, loss_sum2
    cdef Py_ssize_t n, j
    # examples/svm.gw:8   s[n, j] = sum(x[n, d] * W[d, j] for d)
    gemm(N, 10, 64, 1,
         x, 64, 1,
         W, 10, 1,
         0, s, 10)
    # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
    loss_sum1 = 0
    for n in range(N):
        # examples/svm.gw:9   L[n]    = sum(max(0, s[n, j] - s[n, y[n]] + 1) for j if j != y[n])
        L = 0
        for j in range(10):
            L += (maximum(0, s[10*n + j] - s[10*n + y[n]] + 1) if j != y[n] else 0.0)
        # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
        loss_sum1 += L
        # examples/svm.gw:9    backward of  L[n]    = sum(max(0, s[n, j] - s[n, y[n]] + 1) for j if j != y[n])
        # examples/svm.gw:11                minimize mean(L) + reg * sum(W**2)
        #     s is used 2 times: its adjoints add
        #     d loss_mean1 / d loss_sum1 = 1 / N
        for j in range(10):
            t1 = s[10*n + j] - s[10*n + y[n]] + 1
            d_s[10*n + j] = choose(j != y[n], choose(0 <= t1, (0.5 if 0 == t1 else 1.0), 0.0), 0.0)/N
        for j in range(10):
            t2 = s[10*n + j] - s[10*n + y[n]] + 1
            d_s[10*n + y[n]] += choose(j != y[n], choose(0 <= t2, -(0.5 if 0 == t2 else 1.0), 0.0), 0.0)/N
    # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
    loss_sum2 = 0
    for j in range(64):
        loss_sum2 += short_squares(W + 10*j, 10)
    loss[0] = loss_sum1/N + reg*loss_sum2
    # optimizers.gw:10     w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/svm.gw:11   minimize mean(L) + reg * sum(W**2)
    # examples/svm.gw:8    s[n, j] = sum(x[n, d] * W[d, j] for d)
    #     W, from its gradient
    #     W is used 2 times: its adjoints add
    #     d loss_pow1 / d W = 2 * W
    gemm(64, 10, N, -lr,
         x, 1, 64,
         d_s, 10, 1,
         1 - lr*(reg*2 + weight_decay), W, 10)


# What follows is the same for every model but for its tables: from Python to the kernels above.

ctypedef void (*kernel_t)(void **slots, const Py_ssize_t *sizes) noexcept nogil
ctypedef void (*update_t)(write, read, real **, const double *, double, Py_ssize_t) noexcept nogil

cdef extern from "gradwright/updates.h" nogil:
    # the rules of optimizers.gw: each is one loop over the parameters
    update_t update_sgd "gw_update_sgd_f64"
    update_t update_adagrad "gw_update_adagrad_f64"
    update_t update_rmsprop "gw_update_rmsprop_f64"
    update_t update_adam "gw_update_adam_f64"
    update_t update_adamw "gw_update_adamw_f64"
    update_t update_adadelta "gw_update_adadelta_f64"
    update_t update_adamax "gw_update_adamax_f64"
    update_t update_nadam "gw_update_nadam_f64"
    update_t update_radam "gw_update_radam_f64"
    update_t update_lion "gw_update_lion_f64"

cdef void _call_predict(void **s, const Py_ssize_t *n) noexcept nogil:
    predict(<read>s[0], <read>s[1], <write>s[2], n[0])

cdef void _call_forward(void **s, const Py_ssize_t *n) noexcept nogil:
    forward(<read>s[0], <indices>s[1], <read>s[2], <read>s[3], <write>s[4], <write>s[5], <write>s[6], n[0])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <indices>s[1], <read>s[2], <read>s[3], <write>s[4], <read>s[5], <write>s[6], n[0])

cdef void _call_train(void **s, const Py_ssize_t *n) noexcept nogil:
    train(<read>s[0], <indices>s[1], <read>s[2], <read>s[3], <write>s[4], <write>s[5], <write>s[6], n[0])

cdef void _call_step(void **s, const Py_ssize_t *n) noexcept nogil:
    step(<read>s[0], <indices>s[1], <write>s[2], <read>s[3], <read>s[4], <write>s[5], <write>s[6], n[0])

cdef kernel_t[5] _KERNELS = [_call_predict, _call_forward, _call_backward, _call_train, _call_step]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

# what the model is; read when the module is imported
_SPEC = """{
    'gradwright': '0.1.0',
    'name': 'svm',
    'doc': 'index notation, as it stands in the textbook',
    'source': 'examples/svm.gw',
    'hash': 'ca1d013824c23311674cb092d49384dc5c8f0fbd9229c7c1a14ecfda5b49ef6c',
    'dtype': 'float64',
    'backend': 'cython',
    'sizes': ('N',),
    'fixed': {'D': 64, 'C': 10},
    'inputs': (
        {'name': 'x', 'kind': 'real', 'shape': ('N', 64), 'below': None, 'declared': 'x[N, 64]', 'line': 4, 'doc': ''},
        {'name': 'y', 'kind': 'index', 'shape': ('N',), 'below': 10, 'declared': 'y[N]', 'line': 5, 'doc': ''},
    ),
    'params': (
        {
            'name': 'W',
            'shape': (64, 10),
            'offset': 0,
            'frozen': False,
            'init': ('normal', 0.0, 0.01),
            'line': 6,
            'doc': '',
        },
    ),
    'hypers': ({'name': 'reg', 'default': 0.0001, 'line': 3, 'doc': ''},),
    'outputs': (
        {'name': 's', 'kind': 'real', 'shape': ('N', 10), 'doc': ''},
        {'name': 'loss', 'kind': 'real', 'shape': (), 'doc': 'the loss'},
    ),
    'loss': 'loss',
    'targets': ({'name': 'loss', 'shape': (), 'declared': False, 'wrt': (('W', 'param'),)},),
    'values': {'loss:W': (64, 10)},
    'kept': (('s', 0, ('N', 10)),),
    'lines': (
        (8, 's', ('N', 10), ('*', 1280, 'N'), 8),
        (9, 'L', ('N',), ('*', 60, 'N'), 8),
        (11, 'loss', (), ('+', 'N', 1283), 8),
    ),
    'kernels': (
        {'name': 'predict', 'slots': ('in:x', 'theta', 'out:s'), 'kept': 0, 'work': 0, 'sizes': ('N',)},
        {
            'name': 'forward',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'out:s', 'out:loss', 'kept'),
            'kept': ('*', 10, 'N'),
            'work': 0,
            'sizes': ('N',),
        },
        {
            'name': 'backward',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'grad:loss', 'kept', 'work'),
            'kept': ('*', 10, 'N'),
            'work': ('*', 10, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'train',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'out:loss', 'grad:loss', 'work'),
            'kept': 0,
            'work': ('*', 20, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'step',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'rule', 'out:loss', 'work'),
            'kept': 0,
            'work': ('*', 20, 'N'),
            'sizes': ('N',),
        },
    ),
    'updates': (
        {
            'name': 'sgd',
            'hypers': (('lr', 0.01), ('momentum', 0.0), ('nesterov', 0.0), ('weight_decay', 0.0)),
            'states': (('v', 0.0),),
            'doc': 'Stochastic gradient descent, with momentum if wanted (Sutskever et al., 2013: v = momentum*v + g). torch.optim.SGD.',
        },
        {
            'name': 'adagrad',
            'hypers': (('lr', 0.01), ('lr_decay', 0.0), ('eps', 1e-10), ('weight_decay', 0.0)),
            'states': (('s', 0.0),),
            'doc': 'AdaGrad (Duchi et al., 2011): steps shrink with the sum of all squares so far. torch.optim.Adagrad.',
        },
        {
            'name': 'rmsprop',
            'hypers': (('lr', 0.01), ('alpha', 0.99), ('eps', 1e-08), ('weight_decay', 0.0), ('momentum', 0.0)),
            'states': (('s', 0.0), ('v', 0.0)),
            'doc': 'RMSProp (Tieleman and Hinton, 2012): the square is a running mean; eps is outside the root. torch.optim.RMSprop.',
        },
        {
            'name': 'adam',
            'hypers': (('lr', 0.001), ('beta1', 0.9), ('beta2', 0.999), ('eps', 1e-08), ('weight_decay', 0.0)),
            'states': (('m', 0.0), ('v', 0.0)),
            'doc': 'Adam (Kingma and Ba, 2015), with the bias of both running means corrected. torch.optim.Adam.',
        },
        {
            'name': 'adamw',
            'hypers': (('lr', 0.001), ('beta1', 0.9), ('beta2', 0.999), ('eps', 1e-08), ('weight_decay', 0.01)),
            'states': (('m', 0.0), ('v', 0.0)),
            'doc': 'AdamW (Loshchilov and Hutter, 2019): Adam whose weight decay does not go through the running means. torch.optim.AdamW.',
        },
        {
            'name': 'adadelta',
            'hypers': (('lr', 1.0), ('rho', 0.9), ('eps', 1e-06), ('weight_decay', 0.0)),
            'states': (('s', 0.0), ('a', 0.0)),
            'doc': 'AdaDelta (Zeiler, 2012): steps as large as the running mean of earlier ones over that of the gradients. torch.optim.Adadelta.',
        },
        {
            'name': 'adamax',
            'hypers': (('lr', 0.002), ('beta1', 0.9), ('beta2', 0.999), ('eps', 1e-08), ('weight_decay', 0.0)),
            'states': (('m', 0.0), ('u', 0.0)),
            'doc': 'Adamax (Kingma and Ba, 2015): Adam with the largest gradient so far, fading, in place of the mean square. torch.optim.Adamax.',
        },
        {
            'name': 'nadam',
            'hypers': (
                ('lr', 0.002),
                ('beta1', 0.9),
                ('beta2', 0.999),
                ('eps', 1e-08),
                ('weight_decay', 0.0),
                ('momentum_decay', 0.004),
            ),
            'states': (('m', 0.0), ('v', 0.0), ('p', 1.0)),
            'doc': "NAdam (Dozat, 2016): Adam with Nesterov's look ahead; p is the product of all mu so far. torch.optim.NAdam.",
        },
        {
            'name': 'radam',
            'hypers': (('lr', 0.001), ('beta1', 0.9), ('beta2', 0.999), ('eps', 1e-08), ('weight_decay', 0.0)),
            'states': (('m', 0.0), ('v', 0.0)),
            'doc': 'RAdam (Liu et al., 2020): Adam that waits with the square until its variance is bounded. torch.optim.RAdam.',
        },
        {
            'name': 'lion',
            'hypers': (('lr', 0.0001), ('beta1', 0.9), ('beta2', 0.99), ('weight_decay', 0.0)),
            'states': (('m', 0.0),),
            'doc': 'Lion (Chen et al., 2023): steps of the sign of a running mean, with a weight decay of their own.',
        },
    ),
    'nonempty': (),
    'nonnegative': (),
    'countable': (),
    'optimizer': None,
    'step': {'update': 'sgd', 'zero': ('momentum',)},
}"""

include "gradwright/module.pxi"
