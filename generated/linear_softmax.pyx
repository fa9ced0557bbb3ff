# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""linear_softmax: a linear classifier with probabilities

Made by gradwright 0.1.0 from examples/linear_softmax.gw (sha256 0f8ae50c4d3504c9); edit the model and make it again:
    gradwright compile examples/linear_softmax.gw

Sizes        N is free, D = 64, C = 10
Inputs       x[N, 64] y[N]
Parameters   W[64, 10] b[10]: 650 float64, in this order in theta
Kept         p_t1_exp[N, 1, 10] p_t1_sum[N, 1] for the backward pass
Operations   the forward graph as written: 1342*N + 1283
             predict 1367*N, 21*N of them transcendental; bytes moved 680*N + 5200
             forward 1369*N + 1283, 21*N + 640 of them transcendental; bytes moved 776*N + 5216
             backward 1313*N + 1280; bytes moved 688*N + 10328
             train 2651*N + 2563, 11*N + 640 of them transcendental; bytes moved 680*N + 10416
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const double *read "gw_read_f64"
    ctypedef double *write "gw_write_f64"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"
    double absolute "gw_abs"(double) noexcept
    double exp "gw_exp"(double) noexcept
    double log "gw_log"(double) noexcept
    double maximum "gw_max"(double, double) noexcept
    double pow "gw_pow"(double, double) noexcept
    double sign "gw_sign"(double) noexcept
    double sqrt "gw_sqrt"(double) noexcept
cdef extern from "math.h" nogil:
    double inf "INFINITY"
cdef extern from "gradwright/gemm.h" nogil:
    # c[m, n] = alpha * a[m, k] @ b[k, n] + beta * c, with the strides of rows and columns
    void gemm "gw_gemm_f64"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha,
              const double *a, Py_ssize_t a_row, Py_ssize_t a_column,
              const double *b, Py_ssize_t b_row, Py_ssize_t b_column,
              double beta, double *c, Py_ssize_t c_row) noexcept

ctypedef double real


cdef void predict(read x, read theta, write p, write_indices guess, write work, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read W = theta, b = theta + 640
    cdef write scores_t1 = work
    cdef real t1, p_t1_max, p_t1_shift, p_t1_sum, p_t1, guess_best
    cdef real scores[10]
    cdef real p_t1_exp[10]
    cdef Py_ssize_t n, j
    # examples/linear_softmax.gw:9   scores = x @ W + b
    gemm(N, 10, 64, 1,
         x, 64, 1,
         W, 10, 1,
         0, scores_t1, 10)
    for n in range(N):
        for j in range(10):
            scores[j] = scores_t1[10*n + j] + b[j]
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        p_t1_max = -inf
        # examples/linear_softmax.gw:11   output guess = argmax(scores, axis=1)
        guess[n] = 0
        guess_best = -inf
        for j in range(10):
            # examples/linear_softmax.gw:10   output p = softmax(scores)
            #     the largest, taken away below
            p_t1_max = maximum(p_t1_max, scores[j])
            # examples/linear_softmax.gw:11   output guess = argmax(scores, axis=1)
            t1 = scores[j]
            if t1 > guess_best or (j == 0) or (t1 != t1 and guess_best == guess_best):
                guess_best = t1
                guess[n] = j
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        p_t1_shift = (0.0 if absolute(p_t1_max) == inf else p_t1_max)
        #     at most 1 each
        for j in range(10):
            p_t1_exp[j] = exp(scores[j] - p_t1_shift)
        p_t1_sum = 0
        for j in range(10):
            p_t1_sum += p_t1_exp[j]
        #     in softmax
        p_t1 = p_t1_shift + log(p_t1_sum)
        for j in range(10):
            p[10*n + j] = exp(scores[j] - p_t1)


cdef void forward(read x, indices y, read theta, read hyper, write p, write_indices guess, write loss, write kept,
                  write work, Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read W = theta, b = theta + 640
    cdef write p_t1_exp = kept, p_t1_sum = kept + 10*N
    cdef real reg = hyper[0]
    cdef write scores_t1 = work
    cdef real t1, p_t1_max, p_t1_shift, p_t1, guess_best
    cdef real scores[10]
    cdef double loss_t4, loss_t7
    cdef Py_ssize_t n, j, k
    # examples/linear_softmax.gw:9   scores = x @ W + b
    gemm(N, 10, 64, 1,
         x, 64, 1,
         W, 10, 1,
         0, scores_t1, 10)
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    loss_t4 = 0
    for n in range(N):
        # examples/linear_softmax.gw:9   scores = x @ W + b
        for j in range(10):
            scores[j] = scores_t1[10*n + j] + b[j]
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        p_t1_max = -inf
        # examples/linear_softmax.gw:11   output guess = argmax(scores, axis=1)
        guess[n] = 0
        guess_best = -inf
        for j in range(10):
            # examples/linear_softmax.gw:10   output p = softmax(scores)
            #     the largest, taken away below
            p_t1_max = maximum(p_t1_max, scores[j])
            # examples/linear_softmax.gw:11   output guess = argmax(scores, axis=1)
            t1 = scores[j]
            if t1 > guess_best or (j == 0) or (t1 != t1 and guess_best == guess_best):
                guess_best = t1
                guess[n] = j
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        p_t1_shift = (0.0 if absolute(p_t1_max) == inf else p_t1_max)
        #     at most 1 each
        for j in range(10):
            p_t1_exp[10*n + j] = exp(scores[j] - p_t1_shift)
        p_t1_sum[n] = 0
        for j in range(10):
            p_t1_sum[n] += p_t1_exp[10*n + j]
        #     in softmax
        p_t1 = p_t1_shift + log(p_t1_sum[n])
        # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        #     in softmax_cross_entropy
        loss_t4 += p_t1 - scores[y[n]]
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        #     in softmax
        for j in range(10):
            p[10*n + j] = exp(scores[j] - p_t1)
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    loss_t7 = 0
    for j in range(64):
        for k in range(10):
            loss_t7 += W[10*j + k]*W[10*j + k]
    loss[0] = loss_t4/N + reg*loss_t7


cdef void backward(read x, indices y, read theta, read hyper, write grad, read kept, write work,
                   Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read W = theta
    cdef write d_W = grad, d_b = grad + 640
    cdef read p_t1_exp = kept, p_t1_sum = kept + 10*N
    cdef real reg = hyper[0]
    cdef write d_scores = work
    cdef Py_ssize_t j, n, k
    # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
    for j in range(10):
        d_b[j] = 0
    for n in range(N):
        # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        # examples/linear_softmax.gw:10                output p = softmax(scores)
        #     scores is used 2 times: its adjoints add
        #     exp(t - logsumexp(t)): the softmax
        #     d loss_t5 / d loss_t4 = 1 / N
        #     exp(scores - p_t1_shift) is there already: p_t1_exp, and this is p_t1_exp / (p_t1_sum * N)
        for j in range(10):
            d_scores[10*n + j] = p_t1_exp[10*n + j]/(p_t1_sum[n]*N)
        # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        #     d loss_t5 / d loss_t4 = 1 / N
        d_scores[10*n + y[n]] -= 1.0/N
        # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
        for j in range(10):
            d_b[j] += d_scores[10*n + j]
    # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    # examples/linear_softmax.gw:9                 scores = x @ W + b
    #     W is used 2 times: its adjoints add
    #     d loss_t6 / d W = 2 * W
    for j in range(64):
        for k in range(10):
            d_W[10*j + k] = reg*(2*W[10*j + k])
    # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
    gemm(64, 10, N, 1,
         x, 1, 64,
         d_scores, 10, 1,
         1, d_W, 10)


cdef void train(read x, indices y, read theta, read hyper, write loss, write grad, write work,
                Py_ssize_t N) noexcept nogil:
    # the loss and its gradient in one go
    cdef read W = theta, b = theta + 640
    cdef write d_W = grad, d_b = grad + 640
    cdef real reg = hyper[0]
    cdef write scores_t1 = work, d_scores = work + 10*N
    cdef real p_t1_max, p_t1_shift, p_t1_sum
    cdef real scores[10]
    cdef real p_t1_exp[10]
    cdef double loss_t4, loss_t7
    cdef Py_ssize_t j, n, k
    # examples/linear_softmax.gw:9   scores = x @ W + b
    gemm(N, 10, 64, 1,
         x, 64, 1,
         W, 10, 1,
         0, scores_t1, 10)
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    # examples/linear_softmax.gw:10   output p = softmax(scores)
    loss_t4 = 0
    # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
    for j in range(10):
        d_b[j] = 0
    for n in range(N):
        # examples/linear_softmax.gw:9   scores = x @ W + b
        for j in range(10):
            scores[j] = scores_t1[10*n + j] + b[j]
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        p_t1_max = -inf
        #     the largest, taken away below
        for j in range(10):
            p_t1_max = maximum(p_t1_max, scores[j])
        p_t1_shift = (0.0 if absolute(p_t1_max) == inf else p_t1_max)
        #     at most 1 each
        for j in range(10):
            p_t1_exp[j] = exp(scores[j] - p_t1_shift)
        p_t1_sum = 0
        for j in range(10):
            p_t1_sum += p_t1_exp[j]
        # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        #     in softmax_cross_entropy
        #     in softmax
        loss_t4 += p_t1_shift + log(p_t1_sum) - scores[y[n]]
        # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        # examples/linear_softmax.gw:10                output p = softmax(scores)
        #     scores is used 2 times: its adjoints add
        #     exp(t - logsumexp(t)): the softmax
        #     d loss_t5 / d loss_t4 = 1 / N
        #     exp(scores - p_t1_shift) is there already: p_t1_exp, and this is p_t1_exp / (p_t1_sum * N)
        for j in range(10):
            d_scores[10*n + j] = p_t1_exp[j]/(p_t1_sum*N)
        # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        #     d loss_t5 / d loss_t4 = 1 / N
        d_scores[10*n + y[n]] -= 1.0/N
        # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
        for j in range(10):
            d_b[j] += d_scores[10*n + j]
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    loss_t7 = 0
    for j in range(64):
        for k in range(10):
            loss_t7 += W[10*j + k]*W[10*j + k]
        # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        # examples/linear_softmax.gw:9                 scores = x @ W + b
        #     W is used 2 times: its adjoints add
        #     d loss_t6 / d W = 2 * W
        for k in range(10):
            d_W[10*j + k] = reg*(2*W[10*j + k])
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    loss[0] = loss_t4/N + reg*loss_t7
    # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
    gemm(64, 10, N, 1,
         x, 1, 64,
         d_scores, 10, 1,
         1, d_W, 10)


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
    predict(<read>s[0], <read>s[1], <write>s[2], <write_indices>s[3], <write>s[4], n[0])

cdef void _call_forward(void **s, const Py_ssize_t *n) noexcept nogil:
    forward(<read>s[0], <indices>s[1], <read>s[2], <read>s[3], <write>s[4], <write_indices>s[5], <write>s[6], <write>s[7], <write>s[8], n[0])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <indices>s[1], <read>s[2], <read>s[3], <write>s[4], <read>s[5], <write>s[6], n[0])

cdef void _call_train(void **s, const Py_ssize_t *n) noexcept nogil:
    train(<read>s[0], <indices>s[1], <read>s[2], <read>s[3], <write>s[4], <write>s[5], <write>s[6], n[0])

cdef kernel_t[4] _KERNELS = [_call_predict, _call_forward, _call_backward, _call_train]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

_REAL = 'float64'
# read as text: a literal of this size takes the Cython compiler a second
from ast import literal_eval as _literal
_SPEC = _literal("""{
    'gradwright': '0.1.0',
    'name': 'linear_softmax',
    'doc': 'a linear classifier with probabilities',
    'source': 'examples/linear_softmax.gw',
    'hash': '0f8ae50c4d3504c9709927abe234c5f2fd8b08fd5e60e71589f4854a04ca7e0d',
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
        {'name': 'b', 'shape': (10,), 'offset': 640, 'frozen': False, 'init': ('values', (0.0,)), 'line': 7, 'doc': ''},
    ),
    'hypers': ({'name': 'reg', 'default': 0.0001, 'line': 3, 'doc': ''},),
    'outputs': (
        {'name': 'p', 'kind': 'real', 'shape': ('N', 10), 'doc': ''},
        {'name': 'guess', 'kind': 'int', 'shape': ('N',), 'doc': ''},
        {'name': 'loss', 'kind': 'real', 'shape': (), 'doc': 'the loss'},
    ),
    'loss': 'loss',
    'targets': ({'name': 'loss', 'shape': (), 'declared': False, 'wrt': (('W', 'param'), ('b', 'param'))},),
    'values': {'loss:W': (64, 10), 'loss:b': (10,)},
    'kept': (),
    'lines': (
        (9, 'scores', ('N', 10), ('*', 1290, 'N'), 8),
        (10, 'p', ('N', 10), ('*', 30, 'N'), 8),
        (11, 'guess', ('N',), ('*', 10, 'N'), 8),
        (12, 'loss', (), ('+', ('*', 12, 'N'), 1283), 8),
    ),
    'kernels': (
        {
            'name': 'predict',
            'slots': ('in:x', 'theta', 'out:p', 'out:guess', 'work'),
            'kept': 0,
            'work': ('*', 10, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'forward',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'out:p', 'out:guess', 'out:loss', 'kept', 'work'),
            'kept': ('*', 11, 'N'),
            'work': ('*', 10, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'backward',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'grad:loss', 'kept', 'work'),
            'kept': ('*', 11, 'N'),
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
