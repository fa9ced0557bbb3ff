# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""expression: one formula over a long vector, and its gradient

Made by gradwright 0.1.0 from examples/expression.gw (sha256 371cccfc63a8ed9d); edit the model and make it again:
    gradwright compile examples/expression.gw

Sizes        N is free
Inputs       x[N]
Kept         f_sigmoid1[N] f_tanh1[N] f_exp1[N] for the backward pass
Unnamed      f_sigmoid1 = sigmoid(x)
             f_tanh1    = tanh(x)
             f_mul2     = -x * x
             f_exp1     = exp(-x * x)
Operations   the forward graph as written: 8*N
             predict 8*N, 3*N of them transcendental; bytes moved 8*N + 8
             forward 8*N, 3*N of them transcendental; bytes moved 32*N + 8
             backward 11*N; bytes moved 40*N + 8
             value_and_grad 19*N, 3*N of them transcendental; bytes moved 16*N + 16
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const double *read "gw_read_f64"
    ctypedef double *write "gw_write_f64"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"
    # exp of what is not above 0
    double exp_below "gw_exp_below"(double) noexcept
    # y*(1 - y) of a y from 0 to 1
    double sigmoid_slope "gw_sigmoid_slope"(double) noexcept
    # gates of one x have exp(-abs(x)) in common, which is computed once
    double sigmoid_shared "gw_sigmoid_shared"(double) noexcept
    double tanh_shared "gw_tanh_shared"(double) noexcept
cdef extern from "gradwright/share.h" nogil:
    # all rounds of a loop, in parts of whole blocks: by several threads where their work is worth it
    ctypedef void (*part_t)(void **, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, double *,
                            void *) noexcept nogil
    void share "gw_share"(part_t part, void **given, const Py_ssize_t *sizes,
          Py_ssize_t rounds, Py_ssize_t work, Py_ssize_t block, double *sums, Py_ssize_t count,
          size_t room) noexcept
cdef extern from "gradwright/stream.h" nogil:
    # results that are larger than the caches go past them, in whole lines
    ctypedef struct beside_t "gw_beside_f64":
        double at[1]
    bint past_caches "gw_past_caches"(double bytes) noexcept
    Py_ssize_t to_line "gw_to_line_f64"(const double *) noexcept
    void stream "gw_stream_f64"(double *to, const double *source, Py_ssize_t count) noexcept
    void settle "gw_settle"() noexcept

ctypedef double real


cdef void _predict_part1(read x, Py_ssize_t N, Py_ssize_t first, Py_ssize_t last, double *sums) noexcept nogil:
    # the rounds of a loop of predict from first up to last
    cdef real _f_total_block
    cdef double f_total
    cdef Py_ssize_t n, n_start, n_count, n_in
    f_total = 0
    # examples/expression.gw:4   output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
    for n_start in range(first, last, 2048):
        n_count = last - n_start if last - n_start < 2048 else 2048
        _f_total_block = 0
        for n_in in range(n_count):
            n = n_start + n_in
            _f_total_block += sigmoid_shared(x[n])*tanh_shared(x[n]) + exp_below(-(x[n]*x[n]))
        f_total += _f_total_block
    sums[0] = f_total


cdef void _call_predict_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                              double *sums, void *own) noexcept nogil:
    _predict_part1(<read>s[0], n[0], first, last, sums)


cdef void predict(read x, write f, Py_ssize_t N) noexcept nogil:
    # the outputs alone
    cdef double f_total
    cdef double _sums1[1]
    cdef Py_ssize_t _sizes[1]
    cdef void *_given1[1]
    # examples/expression.gw:4   output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
    f_total = 0
    _given1[0] = <void *>x
    _sizes[0] = N
    share(_call_predict_part1, _given1, _sizes, N, 45, 2048, _sums1, 1, 0)
    f_total += _sums1[0]
    f[0] = f_total


cdef void _forward_part1(read x, write f_sigmoid1, write f_tanh1, write f_exp1, Py_ssize_t N, Py_ssize_t first,
                         Py_ssize_t last, double *sums) noexcept nogil:
    # the rounds of a loop of forward from first up to last
    cdef real _f_total_block
    cdef double f_total
    cdef Py_ssize_t n, n_start, n_count, n_in
    f_total = 0
    # examples/expression.gw:4   output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
    for n_start in range(first, last, 2048):
        n_count = last - n_start if last - n_start < 2048 else 2048
        _f_total_block = 0
        for n_in in range(n_count):
            n = n_start + n_in
            f_sigmoid1[n] = sigmoid_shared(x[n])
            f_tanh1[n] = tanh_shared(x[n])
            f_exp1[n] = exp_below(-(x[n]*x[n]))
            _f_total_block += f_sigmoid1[n]*f_tanh1[n] + f_exp1[n]
        f_total += _f_total_block
    sums[0] = f_total


cdef void _call_forward_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                              double *sums, void *own) noexcept nogil:
    _forward_part1(<read>s[0], <write>s[1], <write>s[2], <write>s[3], n[0], first, last, sums)


cdef void forward(read x, write f, write kept, Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef write f_sigmoid1 = kept, f_tanh1 = kept + N, f_exp1 = kept + 2*N
    cdef double f_total
    cdef double _sums1[1]
    cdef Py_ssize_t _sizes[1]
    cdef void *_given1[4]
    # examples/expression.gw:4   output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
    f_total = 0
    _given1[0] = <void *>x
    _given1[1] = <void *>f_sigmoid1
    _given1[2] = <void *>f_tanh1
    _given1[3] = <void *>f_exp1
    _sizes[0] = N
    share(_call_forward_part1, _given1, _sizes, N, 53, 2048, _sums1, 1, 0)
    f_total += _sums1[0]
    f[0] = f_total


cdef void _backward_part1(read x, read upstream_f, write d_x, read f_sigmoid1, read f_tanh1, read f_exp1, Py_ssize_t N,
                          Py_ssize_t first, Py_ssize_t last, double *sums) noexcept nogil:
    # the rounds of a loop of backward from first up to last
    cdef write d_x_to
    cdef beside_t beside
    cdef bint far
    cdef Py_ssize_t n, n_start, n_count, lead, step_, n_in
    # examples/expression.gw:4   backward of  output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
    #     x is used 3 times: its adjoints add
    #     d f_mul2 / d x = -(2 * x)
    #     d f_exp1 / d f_mul2 = f_exp1
    #     d f_tanh1 / d x = 1 - f_tanh1**2
    #     d f_sigmoid1 / d x = f_sigmoid1 * (1 - f_sigmoid1)
    lead = to_line(d_x + first)
    far = past_caches(8*N)
    step_ = 256 if far else 512
    n_start = first
    while n_start < last:
        n_count = last - n_start if last - n_start < step_ else step_
        if far and 0 < lead < n_count:  # up to where a line of the cache begins
            n_count = lead
        lead = 0
        d_x_to = &beside.at[0] if far else d_x + n_start
        for n_in in range(n_count):
            n = n_start + n_in
            d_x_to[n_in] = upstream_f[0]*(f_sigmoid1[n]*(1 - f_tanh1[n]*f_tanh1[n]) - f_exp1[n]*(2*x[n]) + f_tanh1[n]*(f_sigmoid1[n]*(1 - f_sigmoid1[n])))
        if far:
            stream(d_x + n_start, d_x_to, n_count)
        n_start += n_count
    if far:
        settle()


cdef void _call_backward_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                               double *sums, void *own) noexcept nogil:
    _backward_part1(<read>s[0], <read>s[1], <write>s[2], <read>s[3], <read>s[4], <read>s[5], n[0], first, last, sums)


cdef void backward(read x, read upstream_f, write d_x, read kept, Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read f_sigmoid1 = kept, f_tanh1 = kept + N, f_exp1 = kept + 2*N
    cdef Py_ssize_t _sizes[1]
    cdef void *_given1[6]
    # examples/expression.gw:4   backward of  output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
    #     x is used 3 times: its adjoints add
    #     d f_mul2 / d x = -(2 * x)
    #     d f_exp1 / d f_mul2 = f_exp1
    #     d f_tanh1 / d x = 1 - f_tanh1**2
    #     d f_sigmoid1 / d x = f_sigmoid1 * (1 - f_sigmoid1)
    _given1[0] = <void *>x
    _given1[1] = <void *>upstream_f
    _given1[2] = <void *>d_x
    _given1[3] = <void *>f_sigmoid1
    _given1[4] = <void *>f_tanh1
    _given1[5] = <void *>f_exp1
    _sizes[0] = N
    share(_call_backward_part1, _given1, _sizes, N, 17, 512, NULL, 0, 0)


cdef void _value_and_grad_part1(read x, read upstream_f, write d_x, Py_ssize_t N, Py_ssize_t first, Py_ssize_t last,
                                double *sums) noexcept nogil:
    # the rounds of a loop of value_and_grad from first up to last
    cdef real _f_total_block, f_sigmoid1, f_tanh1, f_exp1
    cdef double f_total
    cdef Py_ssize_t n, n_start, n_count, n_in
    f_total = 0
    for n_start in range(first, last, 2048):
        n_count = last - n_start if last - n_start < 2048 else 2048
        _f_total_block = 0
        for n_in in range(n_count):
            n = n_start + n_in
            # examples/expression.gw:4   output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
            f_sigmoid1 = sigmoid_shared(x[n])
            f_tanh1 = tanh_shared(x[n])
            f_exp1 = exp_below(-(x[n]*x[n]))
            _f_total_block += f_sigmoid1*f_tanh1 + f_exp1
            # examples/expression.gw:4   backward of  output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
            #     x is used 3 times: its adjoints add
            #     d f_mul2 / d x = -(2 * x)
            #     d f_exp1 / d f_mul2 = f_exp1
            #     d f_tanh1 / d x = 1 - f_tanh1**2
            #     d f_sigmoid1 / d x = f_sigmoid1 * (1 - f_sigmoid1)
            d_x[n] = upstream_f[0]*(f_sigmoid1*(1 - f_tanh1*f_tanh1) - f_exp1*(2*x[n]) + f_tanh1*sigmoid_slope(f_sigmoid1))
        f_total += _f_total_block
    sums[0] = f_total


cdef void _call_value_and_grad_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                                     double *sums, void *own) noexcept nogil:
    _value_and_grad_part1(<read>s[0], <read>s[1], <write>s[2], n[0], first, last, sums)


cdef void value_and_grad(read x, read upstream_f, write f, write d_x, Py_ssize_t N) noexcept nogil:
    # the outputs and the adjoints in one go, nothing kept
    cdef double f_total
    cdef double _sums1[1]
    cdef Py_ssize_t _sizes[1]
    cdef void *_given1[3]
    # examples/expression.gw:4   output f = sum(sigmoid(x) * tanh(x) + exp(-x * x))
    f_total = 0
    _given1[0] = <void *>x
    _given1[1] = <void *>upstream_f
    _given1[2] = <void *>d_x
    _sizes[0] = N
    share(_call_value_and_grad_part1, _given1, _sizes, N, 70, 2048, _sums1, 1, 0)
    f_total += _sums1[0]
    f[0] = f_total


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
    predict(<read>s[0], <write>s[1], n[0])

cdef void _call_forward(void **s, const Py_ssize_t *n) noexcept nogil:
    forward(<read>s[0], <write>s[1], <write>s[2], n[0])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <read>s[1], <write>s[2], <read>s[3], n[0])

cdef void _call_value_and_grad(void **s, const Py_ssize_t *n) noexcept nogil:
    value_and_grad(<read>s[0], <read>s[1], <write>s[2], <write>s[3], n[0])

cdef kernel_t[4] _KERNELS = [_call_predict, _call_forward, _call_backward, _call_value_and_grad]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

# what the model is; read when the module is imported
_SPEC = """{
    'gradwright': '0.1.0',
    'name': 'expression',
    'doc': 'one formula over a long vector, and its gradient',
    'source': 'examples/expression.gw',
    'hash': '371cccfc63a8ed9d348eb186dc181a203665f02c595af734e47395da03533fed',
    'dtype': 'float64',
    'backend': 'cython',
    'sizes': ('N',),
    'fixed': {},
    'inputs': ({'name': 'x', 'kind': 'real', 'shape': ('N',), 'below': None, 'declared': 'x[N]', 'line': 3, 'doc': ''},),
    'params': (),
    'hypers': (),
    'outputs': ({'name': 'f', 'kind': 'real', 'shape': (), 'doc': ''},),
    'loss': None,
    'targets': ({'name': 'f', 'shape': (), 'declared': False, 'wrt': (('x', 'input'),)},),
    'values': {},
    'kept': (('f_sigmoid1', 0, ('N',)), ('f_tanh1', 'N', ('N',)), ('f_exp1', ('*', 2, 'N'), ('N',))),
    'lines': ((4, 'f', (), ('*', 8, 'N'), 8),),
    'kernels': (
        {'name': 'predict', 'slots': ('in:x', 'out:f'), 'kept': 0, 'work': 0, 'sizes': ('N',)},
        {'name': 'forward', 'slots': ('in:x', 'out:f', 'kept'), 'kept': ('*', 3, 'N'), 'work': 0, 'sizes': ('N',)},
        {
            'name': 'backward',
            'slots': ('in:x', 'up:f', 'din:f:x', 'kept'),
            'kept': ('*', 3, 'N'),
            'work': 0,
            'sizes': ('N',),
        },
        {'name': 'value_and_grad', 'slots': ('in:x', 'up:f', 'out:f', 'din:f:x'), 'kept': 0, 'work': 0, 'sizes': ('N',)},
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
    'together': True,
}"""

include "gradwright/module.pxi"
