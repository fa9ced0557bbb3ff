# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""neuron: spelled out by hand; the compiler sees that it is a sigmoid gate

Made by gradwright 0.1.0 from examples/neuron.gw (sha256 a322d2662f46b68c); edit the model and make it again:
    gradwright compile examples/neuron.gw

Inputs       x[2]
Parameters   w[3]: 3 float64, in this order in theta
Kept         f for the backward pass
Unnamed      f_add2 = w[0]*x[0] + w[1]*x[1] + w[2]
Operations   the forward graph as written: 8
             forward 5, 1 of them transcendental; bytes moved 56
             backward 12; bytes moved 96
             value_and_grad 17, 1 of them transcendental; bytes moved 96
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const double *read "gw_read_f64"
    ctypedef double *write "gw_write_f64"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"
    double sigmoid "gw_sigmoid"(double) noexcept
    # y*(1 - y) of a y from 0 to 1
    double sigmoid_slope "gw_sigmoid_slope"(double) noexcept

ctypedef double real


cdef void forward(read x, read theta, write f, write kept) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read w = theta
    cdef write f_kept = kept
    # examples/neuron.gw:4   output f = 1 / (1 + exp(-(w[0]*x[0] + w[1]*x[1] + w[2])))
    #     1 / (1 + exp(-(w[0] * x[0] + w[1] * x[1] + w[2]))) is sigmoid(f_add2)
    f[0] = sigmoid(w[0]*x[0] + w[1]*x[1] + w[2])
    f_kept[0] = f[0]  # kept for the backward pass


cdef void backward(read x, read theta, read upstream_f, write grad, write d_x, read kept) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read w = theta
    cdef write d_w = grad
    cdef read f = kept
    cdef real d_f_add2
    cdef Py_ssize_t j
    # examples/neuron.gw:4   backward of  output f = 1 / (1 + exp(-(w[0]*x[0] + w[1]*x[1] + w[2])))
    #     d f / d f_add2 = f * (1 - f)
    d_f_add2 = upstream_f[0]*(f[0]*(1 - f[0]))
    #     x is used 2 times: its adjoints add
    for j in range(2):
        d_x[j] = 0
    d_x[1] += d_f_add2*w[1]
    d_x[0] += d_f_add2*w[0]
    #     w is used 3 times: its adjoints add
    for j in range(3):
        d_w[j] = 0
    d_w[2] += d_f_add2
    d_w[1] += d_f_add2*x[1]
    d_w[0] += d_f_add2*x[0]


cdef void value_and_grad(read x, read theta, read upstream_f, write f, write grad, write d_x) noexcept nogil:
    # the outputs and the adjoints in one go, nothing kept
    cdef read w = theta
    cdef write d_w = grad
    cdef real d_f_add2
    cdef Py_ssize_t j
    # examples/neuron.gw:4   output f = 1 / (1 + exp(-(w[0]*x[0] + w[1]*x[1] + w[2])))
    #     1 / (1 + exp(-(w[0] * x[0] + w[1] * x[1] + w[2]))) is sigmoid(f_add2)
    f[0] = sigmoid(w[0]*x[0] + w[1]*x[1] + w[2])
    # examples/neuron.gw:4   backward of  output f = 1 / (1 + exp(-(w[0]*x[0] + w[1]*x[1] + w[2])))
    #     d f / d f_add2 = f * (1 - f)
    d_f_add2 = upstream_f[0]*sigmoid_slope(f[0])
    #     x is used 2 times: its adjoints add
    for j in range(2):
        d_x[j] = 0
    d_x[1] += d_f_add2*w[1]
    d_x[0] += d_f_add2*w[0]
    #     w is used 3 times: its adjoints add
    for j in range(3):
        d_w[j] = 0
    d_w[2] += d_f_add2
    d_w[1] += d_f_add2*x[1]
    d_w[0] += d_f_add2*x[0]


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

cdef void _call_forward(void **s, const Py_ssize_t *n) noexcept nogil:
    forward(<read>s[0], <read>s[1], <write>s[2], <write>s[3])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4], <read>s[5])

cdef void _call_value_and_grad(void **s, const Py_ssize_t *n) noexcept nogil:
    value_and_grad(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5])

cdef kernel_t[3] _KERNELS = [_call_forward, _call_backward, _call_value_and_grad]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

# what the model is; read when the module is imported
_SPEC = """{
    'gradwright': '0.1.0',
    'name': 'neuron',
    'doc': 'spelled out by hand; the compiler sees that it is a sigmoid gate',
    'source': 'examples/neuron.gw',
    'hash': 'a322d2662f46b68c11106299ecb88cfb2cf7abb7265d7b0753d5fbe5124017e1',
    'dtype': 'float64',
    'backend': 'cython',
    'sizes': (),
    'fixed': {},
    'inputs': ({'name': 'x', 'kind': 'real', 'shape': (2,), 'below': None, 'declared': 'x[2]', 'line': 2, 'doc': ''},),
    'params': ({'name': 'w', 'shape': (3,), 'offset': 0, 'frozen': False, 'init': ('values', (0.0,)), 'line': 3, 'doc': ''},),
    'hypers': (),
    'outputs': ({'name': 'f', 'kind': 'real', 'shape': (), 'doc': ''},),
    'loss': None,
    'targets': ({'name': 'f', 'shape': (), 'declared': False, 'wrt': (('x', 'input'), ('w', 'param'))},),
    'values': {'f:w': (3,)},
    'kept': (('f', 0, ()),),
    'lines': ((4, 'f', (), 8, 8),),
    'kernels': (
        {'name': 'forward', 'slots': ('in:x', 'theta', 'out:f', 'kept'), 'kept': 1, 'work': 0, 'sizes': ()},
        {
            'name': 'backward',
            'slots': ('in:x', 'theta', 'up:f', 'grad:f', 'din:f:x', 'kept'),
            'kept': 1,
            'work': 0,
            'sizes': (),
        },
        {
            'name': 'value_and_grad',
            'slots': ('in:x', 'theta', 'up:f', 'out:f', 'grad:f', 'din:f:x'),
            'kept': 0,
            'work': 0,
            'sizes': (),
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
    'point': True,
}"""

include "gradwright/module.pxi"
