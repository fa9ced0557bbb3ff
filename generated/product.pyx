# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""product: the first circuit of every course on backpropagation

Made by gradwright 0.1.0 from examples/product.gw (sha256 ac5f2f70bc54cb03); edit the model and make it again:
    gradwright compile examples/product.gw

Inputs       x y z
Kept         q for the backward pass
Operations   the forward graph as written: 2
             forward 2; bytes moved 40
             backward 2; bytes moved 48
             value_and_grad 4; bytes moved 64
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const double *read "gw_read_f64"
    ctypedef double *write "gw_write_f64"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"

ctypedef double real


cdef void forward(read x, read y, read z, write f, write kept) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef write q = kept
    # examples/product.gw:3   q = x + y
    q[0] = x[0] + y[0]
    # examples/product.gw:4   output f = q * z
    f[0] = q[0]*z[0]


cdef void backward(read z, read upstream_f, write d_x, write d_y, write d_z, read kept) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read q = kept
    cdef real d_q
    # examples/product.gw:4   backward of  output f = q * z
    d_q = upstream_f[0]*z[0]
    # examples/product.gw:3   backward of  q = x + y
    d_x[0] = d_q
    d_y[0] = d_q
    # examples/product.gw:4   backward of  output f = q * z
    d_z[0] = upstream_f[0]*q[0]


cdef void value_and_grad(read x, read y, read z, read upstream_f, write f, write d_x, write d_y,
                         write d_z) noexcept nogil:
    # the outputs and the adjoints in one go, nothing kept
    cdef real q, d_q
    # examples/product.gw:3   q = x + y
    q = x[0] + y[0]
    # examples/product.gw:4   output f = q * z
    f[0] = q*z[0]
    # examples/product.gw:4   backward of  output f = q * z
    d_q = upstream_f[0]*z[0]
    # examples/product.gw:3   backward of  q = x + y
    d_x[0] = d_q
    d_y[0] = d_q
    # examples/product.gw:4   backward of  output f = q * z
    d_z[0] = upstream_f[0]*q


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
    forward(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <read>s[1], <write>s[2], <write>s[3], <write>s[4], <read>s[5])

cdef void _call_value_and_grad(void **s, const Py_ssize_t *n) noexcept nogil:
    value_and_grad(<read>s[0], <read>s[1], <read>s[2], <read>s[3], <write>s[4], <write>s[5], <write>s[6], <write>s[7])

cdef kernel_t[3] _KERNELS = [_call_forward, _call_backward, _call_value_and_grad]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

# what the model is; read when the module is imported
_SPEC = """{
    'gradwright': '0.1.0',
    'name': 'product',
    'doc': 'the first circuit of every course on backpropagation',
    'source': 'examples/product.gw',
    'hash': 'ac5f2f70bc54cb03d88fd9b0baf9a31b42c675a78da022e4ff77c03fd446a5a2',
    'dtype': 'float64',
    'backend': 'cython',
    'sizes': (),
    'fixed': {},
    'inputs': (
        {'name': 'x', 'kind': 'real', 'shape': (), 'below': None, 'declared': 'x', 'line': 2, 'doc': ''},
        {'name': 'y', 'kind': 'real', 'shape': (), 'below': None, 'declared': 'y', 'line': 2, 'doc': ''},
        {'name': 'z', 'kind': 'real', 'shape': (), 'below': None, 'declared': 'z', 'line': 2, 'doc': ''},
    ),
    'params': (),
    'hypers': (),
    'outputs': ({'name': 'f', 'kind': 'real', 'shape': (), 'doc': ''},),
    'loss': None,
    'targets': ({'name': 'f', 'shape': (), 'declared': False, 'wrt': (('x', 'input'), ('y', 'input'), ('z', 'input'))},),
    'values': {},
    'kept': (('q', 0, ()),),
    'lines': ((3, 'q', (), 1, 8), (4, 'f', (), 1, 8)),
    'kernels': (
        {'name': 'forward', 'slots': ('in:x', 'in:y', 'in:z', 'out:f', 'kept'), 'kept': 1, 'work': 0, 'sizes': ()},
        {
            'name': 'backward',
            'slots': ('in:z', 'up:f', 'din:f:x', 'din:f:y', 'din:f:z', 'kept'),
            'kept': 1,
            'work': 0,
            'sizes': (),
        },
        {
            'name': 'value_and_grad',
            'slots': ('in:x', 'in:y', 'in:z', 'up:f', 'out:f', 'din:f:x', 'din:f:y', 'din:f:z'),
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
