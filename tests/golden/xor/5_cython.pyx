# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""xor: a model

Made by gradwright 0.1.0 from examples/xor.gw (sha256 90cf9c3ee2fb5405); edit the model and make it again:
    gradwright compile examples/xor.gw

Sizes        N is free, H = 8
Inputs       x[N, 2] y[N, 1]
Parameters   W1[2, 8] b1[8] W2[8, 1] b2[1]: 33 float64, in this order in theta
Kept         h[N, 8] p[N, 1] for the backward pass
Operations   the forward graph as written: 75*N + 1
             predict 66*N, 9*N of them transcendental; bytes moved 24*N + 264
             forward 73*N + 1, 10*N of them transcendental; bytes moved 104*N + 272
             backward 91*N, 8*N of them transcendental; bytes moved 96*N + 328
             train 164*N + 1, 18*N of them transcendental; bytes moved 24*N + 536
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const double *read "gw_read_f64"
    ctypedef double *write "gw_write_f64"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"
    double absolute "gw_abs"(double) noexcept
    double maximum "gw_max"(double, double) noexcept
    double pow "gw_pow"(double, double) noexcept
    double sigmoid "gw_sigmoid"(double) noexcept
    double sign "gw_sign"(double) noexcept
    double softplus "gw_softplus"(double) noexcept
    double sqrt "gw_sqrt"(double) noexcept
    double tanh "gw_tanh"(double) noexcept

ctypedef double real


cdef void predict(read x, read theta, write p, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read W1 = theta, b1 = theta + 16, W2 = theta + 24, b2 = theta + 32
    cdef real h_t1, p_t1
    cdef real h[8]
    cdef Py_ssize_t n, j, k
    for n in range(N):
        # examples/xor.gw:9   h = tanh(x @ W1 + b1)
        for j in range(8):
            h_t1 = 0
            for k in range(2):
                h_t1 += x[2*n + k]*W1[8*k + j]
            h[j] = tanh(h_t1 + b1[j])
        # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
        p_t1 = 0
        for j in range(8):
            p_t1 += h[j]*W2[j]
        p[n] = sigmoid(p_t1 + b2[0])


cdef void forward(read x, read y, read theta, write p, write loss, write kept, Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read W1 = theta, b1 = theta + 16, W2 = theta + 24, b2 = theta + 32
    cdef write h = kept, p_kept = kept + 8*N
    cdef real h_t1, p_t2
    cdef double loss_t2
    cdef Py_ssize_t n, j, k
    # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
    # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
    loss_t2 = 0
    for n in range(N):
        # examples/xor.gw:9   h = tanh(x @ W1 + b1)
        for j in range(8):
            h_t1 = 0
            for k in range(2):
                h_t1 += x[2*n + k]*W1[8*k + j]
            h[8*n + j] = tanh(h_t1 + b1[j])
        # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
        p_t2 = b2[0]
        for j in range(8):
            p_t2 += h[8*n + j]*W2[j]
        p[n] = sigmoid(p_t2)
        # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
        # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
        #     -(y * log(p) + (1 - y) * log(1 - p)) is softplus(p_t2) - y * p_t2
        loss_t2 += softplus(-absolute(p_t2)) + (maximum(p_t2, 0) - y[n]*p_t2)
        p_kept[n] = p[n]
    # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
    loss[0] = loss_t2/N


cdef void backward(read x, read y, read theta, write grad, read kept, Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read W2 = theta + 24
    cdef write d_W1 = grad, d_b1 = grad + 16, d_W2 = grad + 24, d_b2 = grad + 32
    cdef read h = kept, p = kept + 8*N
    cdef real d_p_t2, d_h, d_h_t2
    cdef Py_ssize_t j, n, k
    for j in range(33):
        grad[j] = 0
    for n in range(N):
        # examples/xor.gw:11   backward of  minimize mean(binary_cross_entropy(p, y))
        # examples/xor.gw:10                output p = sigmoid(h @ W2 + b2)
        #     d loss_t1 / d p_t2 = sigmoid(p_t2) - y
        #     d loss / d loss_t2 = 1 / N
        #     sigmoid(p_t2) is there already: p, and this is (p - y) / N
        d_p_t2 = (p[n] - y[n])/N
        # examples/xor.gw:10   backward of  output p = sigmoid(h @ W2 + b2)
        d_b2[0] += d_p_t2
        for j in range(8):
            d_h = d_p_t2*W2[j]
            # examples/xor.gw:9   backward of  h = tanh(x @ W1 + b1)
            #     d h / d h_t2 = 1 - h**2
            d_h_t2 = d_h*(1 - h[8*n + j]*h[8*n + j])
            d_b1[j] += d_h_t2
            # examples/xor.gw:10   backward of  output p = sigmoid(h @ W2 + b2)
            d_W2[j] += d_p_t2*h[8*n + j]
            # examples/xor.gw:9   backward of  h = tanh(x @ W1 + b1)
            for k in range(2):
                d_W1[8*k + j] += d_h_t2*x[2*n + k]


cdef void train(read x, read y, read theta, write loss, write grad, Py_ssize_t N) noexcept nogil:
    # the loss and its gradient in one go
    cdef read W1 = theta, b1 = theta + 16, W2 = theta + 24, b2 = theta + 32
    cdef write d_W1 = grad, d_b1 = grad + 16, d_W2 = grad + 24, d_b2 = grad + 32
    cdef real h_t1, p_t2, p, d_p_t2, d_h, d_h_t2
    cdef real h[8]
    cdef double loss_t2
    cdef Py_ssize_t j, n, k
    for j in range(33):
        grad[j] = 0
    # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
    # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
    loss_t2 = 0
    for n in range(N):
        # examples/xor.gw:9   h = tanh(x @ W1 + b1)
        for j in range(8):
            h_t1 = 0
            for k in range(2):
                h_t1 += x[2*n + k]*W1[8*k + j]
            h[j] = tanh(h_t1 + b1[j])
        # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
        p_t2 = b2[0]
        for j in range(8):
            p_t2 += h[j]*W2[j]
        p = sigmoid(p_t2)
        # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
        # examples/xor.gw:10   output p = sigmoid(h @ W2 + b2)
        #     -(y * log(p) + (1 - y) * log(1 - p)) is softplus(p_t2) - y * p_t2
        loss_t2 += softplus(-absolute(p_t2)) + (maximum(p_t2, 0) - y[n]*p_t2)
        # examples/xor.gw:11   backward of  minimize mean(binary_cross_entropy(p, y))
        # examples/xor.gw:10                output p = sigmoid(h @ W2 + b2)
        #     d loss_t1 / d p_t2 = sigmoid(p_t2) - y
        #     d loss / d loss_t2 = 1 / N
        #     sigmoid(p_t2) is there already: p, and this is (p - y) / N
        d_p_t2 = (p - y[n])/N
        # examples/xor.gw:10   backward of  output p = sigmoid(h @ W2 + b2)
        d_b2[0] += d_p_t2
        for j in range(8):
            d_h = d_p_t2*W2[j]
            # examples/xor.gw:9   backward of  h = tanh(x @ W1 + b1)
            #     d h / d h_t2 = 1 - h**2
            d_h_t2 = d_h*(1 - h[j]*h[j])
            d_b1[j] += d_h_t2
            # examples/xor.gw:10   backward of  output p = sigmoid(h @ W2 + b2)
            d_W2[j] += d_p_t2*h[j]
            # examples/xor.gw:9   backward of  h = tanh(x @ W1 + b1)
            for k in range(2):
                d_W1[8*k + j] += d_h_t2*x[2*n + k]
    # examples/xor.gw:11   minimize mean(binary_cross_entropy(p, y))
    loss[0] = loss_t2/N


cdef void update_sgd(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # Stochastic gradient descent, with momentum if wanted (Sutskever et al., 2013: v = momentum*v + g). torch.optim.SGD.
    cdef write v = <write>states_[0]
    cdef real lr = <real>hypers_[0]
    cdef real momentum = <real>hypers_[1]
    cdef real nesterov = <real>hypers_[2]
    cdef real weight_decay = <real>hypers_[3]
    cdef real c2, v_i
    cdef bint c1
    cdef Py_ssize_t i
    c1 = nesterov != 0
    for i in range(count):
        # optimizers.gw:9   v = momentum * v + d
        # optimizers.gw:10   w = w - lr * where(nesterov, d + momentum * v, v)
        c2 = g[i] + weight_decay*w[i]
        v_i = momentum*v[i] + c2
        v[i] = v_i
        w[i] = w[i] - lr*(c2 + momentum*v_i if c1 else v_i)


cdef void update_adagrad(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # AdaGrad (Duchi et al., 2011): steps shrink with the sum of all squares so far. torch.optim.Adagrad.
    cdef write s = <write>states_[0]
    cdef real lr = <real>hypers_[0]
    cdef real lr_decay = <real>hypers_[1]
    cdef real eps = <real>hypers_[2]
    cdef real weight_decay = <real>hypers_[3]
    cdef real c1, c2, s_i
    cdef Py_ssize_t i
    c1 = lr/(1 + (t - 1)*lr_decay)
    for i in range(count):
        # optimizers.gw:16   s = s + d**2
        # optimizers.gw:17   w = w - lr / (1 + (t - 1) * lr_decay) * d / (sqrt(s) + eps)
        c2 = g[i] + weight_decay*w[i]
        s_i = s[i] + c2*c2
        s[i] = s_i
        w[i] = w[i] - c1*c2/(sqrt(s_i) + eps)


cdef void update_rmsprop(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # RMSProp (Tieleman and Hinton, 2012): the square is a running mean; eps is outside the root. torch.optim.RMSprop.
    cdef write s = <write>states_[0]
    cdef write v = <write>states_[1]
    cdef real lr = <real>hypers_[0]
    cdef real alpha = <real>hypers_[1]
    cdef real eps = <real>hypers_[2]
    cdef real weight_decay = <real>hypers_[3]
    cdef real momentum = <real>hypers_[4]
    cdef real c1, c2, s_i, v_i
    cdef Py_ssize_t i
    c1 = 1 - alpha
    for i in range(count):
        # optimizers.gw:24   s = alpha * s + (1 - alpha) * d**2
        # optimizers.gw:25   v = momentum * v + d / (sqrt(s) + eps)
        # optimizers.gw:26   w = w - lr * v
        c2 = g[i] + weight_decay*w[i]
        s_i = alpha*s[i] + c1*(c2*c2)
        v_i = momentum*v[i] + c2/(sqrt(s_i) + eps)
        s[i] = s_i
        v[i] = v_i
        w[i] = w[i] - lr*v_i


cdef void update_adam(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # Adam (Kingma and Ba, 2015), with the bias of both running means corrected. torch.optim.Adam.
    cdef write m = <write>states_[0]
    cdef write v = <write>states_[1]
    cdef real lr = <real>hypers_[0]
    cdef real beta1 = <real>hypers_[1]
    cdef real beta2 = <real>hypers_[2]
    cdef real eps = <real>hypers_[3]
    cdef real weight_decay = <real>hypers_[4]
    cdef real c1, c2, c3, c4, c5, m_i, v_i
    cdef Py_ssize_t i
    c1 = 1 - beta1
    c2 = 1 - pow(beta1, t)
    c3 = 1 - beta2
    c4 = 1 - pow(beta2, t)
    for i in range(count):
        # optimizers.gw:33   m = beta1 * m + (1 - beta1) * d
        # optimizers.gw:34   v = beta2 * v + (1 - beta2) * d**2
        # optimizers.gw:35   w = w - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)
        c5 = g[i] + weight_decay*w[i]
        m_i = beta1*m[i] + c1*c5
        v_i = beta2*v[i] + c3*(c5*c5)
        m[i] = m_i
        v[i] = v_i
        w[i] = w[i] - lr*(m_i/c2)/(sqrt(v_i/c4) + eps)


cdef void update_adamw(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # AdamW (Loshchilov and Hutter, 2019): Adam whose weight decay does not go through the running means. torch.optim.AdamW.
    cdef write m = <write>states_[0]
    cdef write v = <write>states_[1]
    cdef real lr = <real>hypers_[0]
    cdef real beta1 = <real>hypers_[1]
    cdef real beta2 = <real>hypers_[2]
    cdef real eps = <real>hypers_[3]
    cdef real weight_decay = <real>hypers_[4]
    cdef real c1, c2, c3, c4, c5, m_i, v_i
    cdef Py_ssize_t i
    c1 = 1 - lr*weight_decay
    c2 = 1 - beta1
    c3 = 1 - pow(beta1, t)
    c4 = 1 - beta2
    c5 = 1 - pow(beta2, t)
    for i in range(count):
        # optimizers.gw:41   m = beta1 * m + (1 - beta1) * g
        # optimizers.gw:42   v = beta2 * v + (1 - beta2) * g**2
        # optimizers.gw:43   w = (1 - lr * weight_decay) * w - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)
        m_i = beta1*m[i] + c2*g[i]
        v_i = beta2*v[i] + c4*(g[i]*g[i])
        m[i] = m_i
        v[i] = v_i
        w[i] = c1*w[i] - lr*(m_i/c3)/(sqrt(v_i/c5) + eps)


cdef void update_adadelta(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # AdaDelta (Zeiler, 2012): steps as large as the running mean of earlier ones over that of the gradients. torch.optim.Adadelta.
    cdef write s = <write>states_[0]
    cdef write a = <write>states_[1]
    cdef real lr = <real>hypers_[0]
    cdef real rho = <real>hypers_[1]
    cdef real eps = <real>hypers_[2]
    cdef real weight_decay = <real>hypers_[3]
    cdef real c1, c2, s_i, c4
    cdef Py_ssize_t i
    c1 = 1 - rho
    for i in range(count):
        # optimizers.gw:50   s = rho * s + (1 - rho) * d**2
        # optimizers.gw:52   a = rho * a + (1 - rho) * step**2
        # optimizers.gw:53   w = w - lr * step
        c2 = g[i] + weight_decay*w[i]
        s_i = rho*s[i] + c1*(c2*c2)
        c4 = sqrt(a[i] + eps)/sqrt(s_i + eps)*c2
        s[i] = s_i
        a[i] = rho*a[i] + c1*(c4*c4)
        w[i] = w[i] - lr*c4


cdef void update_adamax(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # Adamax (Kingma and Ba, 2015): Adam with the largest gradient so far, fading, in place of the mean square. torch.optim.Adamax.
    cdef write m = <write>states_[0]
    cdef write u = <write>states_[1]
    cdef real lr = <real>hypers_[0]
    cdef real beta1 = <real>hypers_[1]
    cdef real beta2 = <real>hypers_[2]
    cdef real eps = <real>hypers_[3]
    cdef real weight_decay = <real>hypers_[4]
    cdef real c1, c2, c3, m_i, u_i
    cdef Py_ssize_t i
    c1 = 1 - beta1
    c2 = lr/(1 - pow(beta1, t))
    for i in range(count):
        # optimizers.gw:60   m = beta1 * m + (1 - beta1) * d
        # optimizers.gw:61   u = max(beta2 * u, abs(d) + eps)
        # optimizers.gw:62   w = w - lr / (1 - beta1**t) * m / u
        c3 = g[i] + weight_decay*w[i]
        m_i = beta1*m[i] + c1*c3
        u_i = maximum(beta2*u[i], absolute(c3) + eps)
        m[i] = m_i
        u[i] = u_i
        w[i] = w[i] - c2*m_i/u_i


cdef void update_nadam(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # NAdam (Dozat, 2016): Adam with Nesterov's look ahead; p is the product of all mu so far. torch.optim.NAdam.
    cdef write m = <write>states_[0]
    cdef write v = <write>states_[1]
    cdef write p = <write>states_[2]
    cdef real lr = <real>hypers_[0]
    cdef real beta1 = <real>hypers_[1]
    cdef real beta2 = <real>hypers_[2]
    cdef real eps = <real>hypers_[3]
    cdef real weight_decay = <real>hypers_[4]
    cdef real momentum_decay = <real>hypers_[5]
    cdef real c1, c2, c3, c4, c5, c6, p_i, c8, m_i, v_i
    cdef Py_ssize_t i
    c1 = beta1*(1 - 0.5*pow(0.96, t*momentum_decay))
    c2 = 1 - c1
    c3 = beta1*(1 - 0.5*pow(0.96, (t + 1)*momentum_decay))
    c4 = 1 - beta1
    c5 = 1 - beta2
    c6 = 1 - pow(beta2, t)
    for i in range(count):
        # optimizers.gw:70   m = beta1 * m + (1 - beta1) * d
        # optimizers.gw:71   v = beta2 * v + (1 - beta2) * d**2
        # optimizers.gw:74   p = p * mu
        # optimizers.gw:75   w = w - lr * ((1 - mu) / (1 - p) * d + next_mu / (1 - p * next_mu) * m) / (sqrt(v / (1 - beta2**t)) + eps)
        p_i = p[i]*c1
        c8 = g[i] + weight_decay*w[i]
        m_i = beta1*m[i] + c4*c8
        v_i = beta2*v[i] + c5*(c8*c8)
        m[i] = m_i
        v[i] = v_i
        p[i] = p_i
        w[i] = w[i] - lr*(c2/(1 - p_i)*c8 + c3/(1 - p_i*c3)*m_i)/(sqrt(v_i/c6) + eps)


cdef void update_radam(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # RAdam (Liu et al., 2020): Adam that waits with the square until its variance is bounded. torch.optim.RAdam.
    cdef write m = <write>states_[0]
    cdef write v = <write>states_[1]
    cdef real lr = <real>hypers_[0]
    cdef real beta1 = <real>hypers_[1]
    cdef real beta2 = <real>hypers_[2]
    cdef real eps = <real>hypers_[3]
    cdef real weight_decay = <real>hypers_[4]
    cdef real c1, c2, c3, c4, c5, c6, c7, c8, c10, m_i, c12, c13, c14, c15, v_i
    cdef bint c9
    cdef Py_ssize_t i
    c1 = 1 - beta2
    c2 = 2/c1 - 1
    c3 = pow(beta2, t)
    c4 = 1 - c3
    c5 = c2 - 2*t*c3/c4
    c6 = 1 - beta1
    c7 = 1 - pow(beta1, t)
    c8 = sqrt((c5 - 4)*(c5 - 2)*c2/((c2 - 4)*(c2 - 2)*c5))*sqrt(c4)
    c9 = c5 > 5
    for i in range(count):
        # optimizers.gw:82   m = beta1 * m + (1 - beta1) * d
        # optimizers.gw:83   v = beta2 * v + (1 - beta2) * d**2
        # optimizers.gw:88   w = w - lr * m / (1 - beta1**t) * step
        c10 = g[i] + weight_decay*w[i]
        m_i = beta1*m[i] + c6*c10
        c12 = 2/c1 - 1
        c13 = pow(beta2, t)
        c14 = 1 - c13
        c15 = c12 - 2*t*c13/c14
        v_i = beta2*v[i] + c1*(c10*c10)
        m[i] = m_i
        v[i] = v_i
        w[i] = w[i] - lr*m_i/c7*(c8/(sqrt(v_i) + eps) if c9 else 1.0)


cdef void update_lion(write w, read g, real **states_, const double *hypers_, double t, Py_ssize_t count) noexcept nogil:
    # Lion (Chen et al., 2023): steps of the sign of a running mean, with a weight decay of their own.
    cdef write m = <write>states_[0]
    cdef real lr = <real>hypers_[0]
    cdef real beta1 = <real>hypers_[1]
    cdef real beta2 = <real>hypers_[2]
    cdef real weight_decay = <real>hypers_[3]
    cdef real c1, c2
    cdef real w_i
    cdef Py_ssize_t i
    c1 = 1 - beta1
    c2 = 1 - beta2
    for i in range(count):
        # optimizers.gw:94   m = beta2 * m + (1 - beta2) * g
        # optimizers.gw:95   w = w - lr * (d + weight_decay * w)
        w_i = w[i] - lr*(sign(beta1*m[i] + c1*g[i]) + weight_decay*w[i])
        m[i] = beta2*m[i] + c2*g[i]
        w[i] = w_i


# What follows is the same for every model but for its tables: from Python to the kernels above.

ctypedef void (*kernel_t)(void **slots, const Py_ssize_t *sizes) noexcept nogil
ctypedef void (*update_t)(write, read, real **, const double *, double, Py_ssize_t) noexcept nogil

cdef void _call_predict(void **s, const Py_ssize_t *n) noexcept nogil:
    predict(<read>s[0], <read>s[1], <write>s[2], n[0])

cdef void _call_forward(void **s, const Py_ssize_t *n) noexcept nogil:
    forward(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5], n[0])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <read>s[4], n[0])

cdef void _call_train(void **s, const Py_ssize_t *n) noexcept nogil:
    train(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4], n[0])

cdef kernel_t[4] _KERNELS = [_call_predict, _call_forward, _call_backward, _call_train]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

_REAL = 'float64'
# read as text: a literal of this size takes the Cython compiler a second
from ast import literal_eval as _literal
_SPEC = _literal("""{
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
            'slots': ('in:x', 'in:y', 'theta', 'grad:loss', 'kept'),
            'kept': ('*', 9, 'N'),
            'work': 0,
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
}""")

include "gradwright/module.pxi"
