# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""xor: a model

Made by gradwright 0.1.0 from examples/xor.gw (sha256 90cf9c3ee2fb5405); edit the model and make it again:
    gradwright compile examples/xor.gw

Sizes        N is free, H = 8
Inputs       x[N, 2] y[N, 1]
Parameters   W1[2, 8] b1[8] W2[8, 1] b2[1]: 33 float64, in this order in theta
Kept         h[N, 8] p[N, 1] for the backward pass
Unnamed      h_matmul1 = x @ W1
             h_add1    = x @ W1 + b1
             p_matmul1 = h @ W2
             p_add1    = h @ W2 + b2
             loss_bce1 = binary_cross_entropy(p, y)
Operations   the forward graph as written: 75*N + 1
             predict 66*N, 9*N of them transcendental; bytes moved 24*N + 264
             forward 73*N + 1, 10*N of them transcendental; bytes moved 104*N + 272
             backward 91*N; bytes moved 160*N + 328
             train 164*N + 1, 10*N of them transcendental; bytes moved 24*N + 536
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const double *read "gw_read_f64"
    ctypedef double *write "gw_write_f64"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"
    double absolute "gw_abs"(double) noexcept
    double maximum "gw_max"(double, double) noexcept
    double sigmoid "gw_sigmoid"(double) noexcept
    double softplus "gw_softplus"(double) noexcept
    double tanh "gw_tanh"(double) noexcept
    # gates of one x have exp(-abs(x)) in common, which is computed once
    double sigmoid_shared "gw_sigmoid_shared"(double) noexcept
    # a kernel is compiled for so few rows as well, by itself: it then knows all lengths
    void few "gw_few"(Py_ssize_t, ...) noexcept
cdef extern from "gradwright/sum.h" nogil:
    double short_dot "gw_short_dot_f64"(const double *, const double *, Py_ssize_t) noexcept
cdef extern from "gradwright/share.h" nogil:
    # all rounds of a loop, in parts of whole blocks: by several threads where their work is worth it
    ctypedef void (*part_t)(void **, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, double *,
                            void *) noexcept nogil
    void share "gw_share"(part_t part, void **given, const Py_ssize_t *sizes,
          Py_ssize_t rounds, Py_ssize_t work, Py_ssize_t block, double *sums, Py_ssize_t count,
          size_t room) noexcept

ctypedef double real


cdef void _predict_part1(read x, read W1, read b1, read W2, read b2, write p, Py_ssize_t N, Py_ssize_t first,
                         Py_ssize_t last, double *sums) noexcept nogil:
    # the rounds of a loop of predict from first up to last
    cdef real h_matmul1
    cdef real h[64]
    cdef real p_matmul1[8]
    cdef Py_ssize_t n, n_start, n_count, n_in, j, k
    for n_start in range(first, last, 8):
        n_count = last - n_start if last - n_start < 8 else 8
        # examples/xor.gw:9   h = tanh(x @ W1 + b1)
        for n_in in range(n_count):
            n = n_start + n_in
            for j in range(8):
                h_matmul1 = 0
                for k in range(2):
                    h_matmul1 += x[2*n + k]*W1[8*k + j]
                h[8*n_in + j] = tanh(h_matmul1 + b1[j])
        # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
        for n_in in range(n_count):
            n = n_start + n_in
            p_matmul1[n_in] = 0
            p_matmul1[n_in] += short_dot(h + 8*n_in, W2, 8)
        for n_in in range(n_count):
            n = n_start + n_in
            p[n] = sigmoid(p_matmul1[n_in] + b2[0])


cdef void _call_predict_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                              double *sums, void *own) noexcept nogil:
    _predict_part1(<read>s[0], <read>s[1], <read>s[2], <read>s[3], <read>s[4], <write>s[5], n[0], first, last, sums)


cdef void predict(read x, read theta, write p, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read W1 = theta, b1 = theta + 16, W2 = theta + 24, b2 = theta + 32
    cdef Py_ssize_t _sizes[1]
    cdef void *_given1[6]
    _given1[0] = <void *>x
    _given1[1] = <void *>W1
    _given1[2] = <void *>b1
    _given1[3] = <void *>W2
    _given1[4] = <void *>b2
    _given1[5] = <void *>p
    _sizes[0] = N
    share(_call_predict_part1, _given1, _sizes, N, 258, 8, NULL, 0, 0)


cdef void _forward_part1(read x, read y, read W1, read b1, read W2, read b2, write p, write h, write p_kept,
                         Py_ssize_t N, Py_ssize_t first, Py_ssize_t last, double *sums) noexcept nogil:
    # the rounds of a loop of forward from first up to last
    cdef real h_matmul1
    cdef real loss_sum1_block[8]
    cdef real p_add1[8]
    cdef double loss_sum1
    cdef Py_ssize_t n, n_start, n_count, n_in, j, k
    loss_sum1 = 0
    for n_start in range(first, last, 8):
        n_count = last - n_start if last - n_start < 8 else 8
        for n_in in range(n_count):
            n = n_start + n_in
            # examples/xor.gw:9   h = tanh(x @ W1 + b1)
            for j in range(8):
                h_matmul1 = 0
                for k in range(2):
                    h_matmul1 += x[2*n + k]*W1[8*k + j]
                h[8*n + j] = tanh(h_matmul1 + b1[j])
            # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
            p_add1[n_in] = b2[0]
        for n_in in range(n_count):
            n = n_start + n_in
            p_add1[n_in] += short_dot(h + 8*n, W2, 8)
        for n_in in range(n_count):
            n = n_start + n_in
            p[n] = sigmoid_shared(p_add1[n_in])
            # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
            # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
            #     -(y * log(p) + (1 - y) * log(1 - p)) is softplus(p_add1) - y * p_add1
            loss_sum1_block[n_in] = softplus(-absolute(p_add1[n_in])) + (maximum(p_add1[n_in], 0) - y[n]*p_add1[n_in])
            p_kept[n] = p[n]  # kept for the backward pass
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    sums[0] = loss_sum1


cdef void _call_forward_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                              double *sums, void *own) noexcept nogil:
    _forward_part1(<read>s[0], <read>s[1], <read>s[2], <read>s[3], <read>s[4], <read>s[5], <write>s[6], <write>s[7],
                   <write>s[8], n[0], first, last, sums)


cdef void forward(read x, read y, read theta, write p, write loss, write kept, Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read W1 = theta, b1 = theta + 16, W2 = theta + 24, b2 = theta + 32
    cdef write h = kept, p_kept = kept + 8*N
    cdef double loss_sum1
    cdef double _sums1[1]
    cdef Py_ssize_t _sizes[1]
    cdef void *_given1[9]
    # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
    # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
    loss_sum1 = 0
    _given1[0] = <void *>x
    _given1[1] = <void *>y
    _given1[2] = <void *>W1
    _given1[3] = <void *>b1
    _given1[4] = <void *>W2
    _given1[5] = <void *>b2
    _given1[6] = <void *>p
    _given1[7] = <void *>h
    _given1[8] = <void *>p_kept
    _sizes[0] = N
    share(_call_forward_part1, _given1, _sizes, N, 281, 8, _sums1, 1, 0)
    loss_sum1 += _sums1[0]
    # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
    loss[0] = loss_sum1/N


cdef void backward(read x, read y, read theta, write grad, read kept, write work, Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read W2 = theta + 24
    cdef write d_W1 = grad, d_b1 = grad + 16, d_W2 = grad + 24, d_b2 = grad + 32
    cdef read h = kept, p = kept + 8*N
    cdef write d_h_add1 = work
    cdef real d_p_add1, d_h
    cdef Py_ssize_t j, n, k
    # d_b1, d_W2 and d_b2 are added up from 0
    for j in range(17):
        grad[16 + j] = 0
    for n in range(N):
        # examples/xor.gw:11   backward of  minimize mean(binary_cross_entropy(p, y))
        # examples/xor.gw:10                output p = sigmoid(h @ W2 + b2)
        #     d loss_bce1 / d p_add1 = sigmoid(p_add1) - y
        #     d loss / d loss_sum1 = 1 / N
        #     sigmoid(p_add1) is there already: p, and this is (p - y) / N
        d_p_add1 = (p[n] - y[n])/N
        # examples/xor.gw:10   backward of  output p = sigmoid(h @ W2 + b2)
        d_b2[0] += d_p_add1
        for j in range(8):
            d_h = d_p_add1*W2[j]
            # examples/xor.gw:9   backward of  h = tanh(x @ W1 + b1)
            #     d h / d h_add1 = 1 - h**2
            d_h_add1[8*n + j] = d_h*(1 - h[8*n + j]*h[8*n + j])
            d_b1[j] += d_h_add1[8*n + j]
            # examples/xor.gw:10   backward of  output p = sigmoid(h @ W2 + b2)
            d_W2[j] += d_p_add1*h[8*n + j]
    # examples/xor.gw:9   backward of  h = tanh(x @ W1 + b1)
    for j in range(2):
        for k in range(8):
            d_W1[8*j + k] = 0
        for n in range(N):
            for k in range(8):
                d_W1[8*j + k] += d_h_add1[8*n + k]*x[2*n + j]


cdef void train(read x, read y, read theta, write loss, write grad, Py_ssize_t N) noexcept nogil:
    # the loss and its gradient in one go
    cdef read W1 = theta, b1 = theta + 16, W2 = theta + 24, b2 = theta + 32
    cdef write d_W1 = grad, d_b1 = grad + 16, d_W2 = grad + 24, d_b2 = grad + 32
    cdef real h_matmul1, p, d_h, d_h_add1
    cdef real loss_sum1_block[8]
    cdef real d_b2_block[8]
    cdef real h[64]
    cdef real p_add1[8]
    cdef real d_p_add1[8]
    cdef double loss_sum1
    cdef Py_ssize_t j, n, n_start, n_count, n_in, k
    few(N, 1, 4, 8)
    # d_W1, d_b1, d_W2 and d_b2 are added up from 0
    for j in range(33):
        grad[j] = 0
    # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
    # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
    loss_sum1 = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        for n_in in range(n_count):
            n = n_start + n_in
            # examples/xor.gw:9   h = tanh(x @ W1 + b1)
            for j in range(8):
                h_matmul1 = 0
                for k in range(2):
                    h_matmul1 += x[2*n + k]*W1[8*k + j]
                h[8*n_in + j] = tanh(h_matmul1 + b1[j])
            # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
            p_add1[n_in] = b2[0]
        for n_in in range(n_count):
            n = n_start + n_in
            p_add1[n_in] += short_dot(h + 8*n_in, W2, 8)
        for n_in in range(n_count):
            n = n_start + n_in
            p = sigmoid_shared(p_add1[n_in])
            # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
            # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
            #     -(y * log(p) + (1 - y) * log(1 - p)) is softplus(p_add1) - y * p_add1
            loss_sum1_block[n_in] = softplus(-absolute(p_add1[n_in])) + (maximum(p_add1[n_in], 0) - y[n]*p_add1[n_in])
            # examples/xor.gw:11   backward of  minimize mean(binary_cross_entropy(p, y))
            # examples/xor.gw:10                output p = sigmoid(h @ W2 + b2)
            #     d loss_bce1 / d p_add1 = sigmoid(p_add1) - y
            #     d loss / d loss_sum1 = 1 / N
            #     sigmoid(p_add1) is there already: p, and this is (p - y) / N
            d_p_add1[n_in] = (p - y[n])/N
            # examples/xor.gw:10   backward of  output p = sigmoid(h @ W2 + b2)
            d_b2_block[n_in] = d_p_add1[n_in]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
            d_b2[0] += d_b2_block[n_in]
        for j in range(8):
            for n_in in range(n_count):
                n = n_start + n_in
                d_h = d_p_add1[n_in]*W2[j]
                # examples/xor.gw:9   backward of  h = tanh(x @ W1 + b1)
                #     d h / d h_add1 = 1 - h**2
                d_h_add1 = d_h*(1 - h[8*n_in + j]*h[8*n_in + j])
                d_b1[j] += d_h_add1
                # examples/xor.gw:10   backward of  output p = sigmoid(h @ W2 + b2)
                d_W2[j] += d_p_add1[n_in]*h[8*n_in + j]
                # examples/xor.gw:9   backward of  h = tanh(x @ W1 + b1)
                for k in range(2):
                    d_W1[8*k + j] += d_h_add1*x[2*n + k]
    # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
    loss[0] = loss_sum1/N


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
    forward(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5], n[0])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <read>s[4], <write>s[5], n[0])

cdef void _call_train(void **s, const Py_ssize_t *n) noexcept nogil:
    train(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4], n[0])

cdef kernel_t[4] _KERNELS = [_call_predict, _call_forward, _call_backward, _call_train]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

# what the model is; read when the module is imported
_SPEC = """{
    'gradwright': '0.1.0',
    'name': 'xor',
    'doc': '',
    'source': 'examples/xor.gw',
    'hash': '90cf9c3ee2fb54056ef7276a6a98cc286a3afa02e1481d8e32a894f51d930cca',
    'dtype': 'float64',
    'backend': 'cython',
    'sizes': ('N',),
    'fixed': {'H': 8},
    'inputs': (
        {'name': 'x', 'kind': 'real', 'shape': ('N', 2), 'below': None, 'declared': 'x[N, 2]', 'line': 3, 'doc': ''},
        {'name': 'y', 'kind': 'real', 'shape': ('N', 1), 'below': None, 'declared': 'y[N, 1]', 'line': 3, 'doc': ''},
    ),
    'params': (
        {'name': 'W1', 'shape': (2, 8), 'offset': 0, 'frozen': False, 'init': ('glorot_uniform',), 'line': 4, 'doc': ''},
        {'name': 'b1', 'shape': (8,), 'offset': 16, 'frozen': False, 'init': ('values', (0.0,)), 'line': 5, 'doc': ''},
        {
            'name': 'W2',
            'shape': (8, 1),
            'offset': 24,
            'frozen': False,
            'init': ('glorot_uniform',),
            'line': 6,
            'doc': '',
        },
        {'name': 'b2', 'shape': (1,), 'offset': 32, 'frozen': False, 'init': ('values', (0.0,)), 'line': 7, 'doc': ''},
    ),
    'hypers': (),
    'outputs': (
        {'name': 'p', 'kind': 'real', 'shape': ('N', 1), 'doc': ''},
        {'name': 'loss', 'kind': 'real', 'shape': (), 'doc': 'the loss'},
    ),
    'loss': 'loss',
    'targets': (
        {
            'name': 'loss',
            'shape': (),
            'declared': False,
            'wrt': (('W1', 'param'), ('b1', 'param'), ('W2', 'param'), ('b2', 'param')),
        },
    ),
    'values': {'loss:W1': (2, 8), 'loss:b1': (8,), 'loss:W2': (8, 1), 'loss:b2': (1,)},
    'kept': (('h', 0, ('N', 8)), ('p', ('*', 8, 'N'), ('N', 1))),
    'lines': (
        (9, 'h', ('N', 8), ('*', 48, 'N'), 8),
        (10, 'p', ('N', 1), ('*', 18, 'N'), 8),
        (11, 'loss', (), ('+', ('*', 9, 'N'), 1), 8),
    ),
    'kernels': (
        {'name': 'predict', 'slots': ('in:x', 'theta', 'out:p'), 'kept': 0, 'work': 0, 'sizes': ('N',)},
        {
            'name': 'forward',
            'slots': ('in:x', 'in:y', 'theta', 'out:p', 'out:loss', 'kept'),
            'kept': ('*', 9, 'N'),
            'work': 0,
            'sizes': ('N',),
        },
        {
            'name': 'backward',
            'slots': ('in:x', 'in:y', 'theta', 'grad:loss', 'kept', 'work'),
            'kept': ('*', 9, 'N'),
            'work': ('*', 8, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'train',
            'slots': ('in:x', 'in:y', 'theta', 'out:loss', 'grad:loss'),
            'kept': 0,
            'work': 0,
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
}"""

include "gradwright/module.pxi"
