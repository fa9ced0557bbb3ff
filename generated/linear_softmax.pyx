# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""linear_softmax: a linear classifier with probabilities

Made by gradwright 0.1.0 from examples/linear_softmax.gw (sha256 0f8ae50c4d3504c9); edit the model and make it again:
    gradwright compile examples/linear_softmax.gw

Sizes        N is free, D = 64, C = 10
Inputs       x[N, 64] y[N]
Parameters   W[64, 10] b[10]: 650 float64, in this order in theta
Kept         p[N, 10] for the backward pass
Unnamed      loss_mean1 = mean(softmax_cross_entropy(scores, y))
             loss_pow1  = W**2
             loss_sum2  = sum(W**2)
Operations   the forward graph as written: 1342*N + 1283
             predict 1355*N, 10*N of them transcendental; bytes moved 680*N + 5200
             forward 1359*N + 1283, 11*N of them transcendental; bytes moved 768*N + 5216
             backward 1303*N + 1280; bytes moved 680*N + 10328
             train 2651*N + 2563, 11*N of them transcendental; bytes moved 680*N + 10416
             step 2651*N + 1323, 11*N of them transcendental; bytes moved 680*N + 10432
Products     scores (N x 10 x 64) in predict, forward, train, step: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2, b added in registers
             d_W (64 x 10 x N) in backward, train: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2, added in registers
             W_next (64 x 10 x N) in step: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2, scaled and added in registers
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
    bint above "gw_above"(double x, double best) noexcept
    double pick "gw_pick"(bint condition, double if_true, double otherwise) noexcept
cdef extern from "math.h" nogil:
    double inf "INFINITY"
cdef extern from "gradwright/sum.h" nogil:
    double short_squares "gw_short_squares_f64"(const double *, Py_ssize_t) noexcept
    double short_sum "gw_short_sum_f64"(const double *, Py_ssize_t) noexcept
cdef extern from "gradwright/gemm.h" nogil:
    # c[m, n] = alpha * a[m, k] @ b[k, n] + beta * c, with the strides of rows and columns
    void gemm "gw_gemm_f64"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha,
              const double *a, Py_ssize_t a_row, Py_ssize_t a_column,
              const double *b, Py_ssize_t b_row, Py_ssize_t b_column,
              double beta, double *c, Py_ssize_t c_row) noexcept
cdef extern from "gradwright/contract.h" nogil:
    # how a result is stored: as it is, or 0 for what is not above it
    int as_it_is "GW_AS_IT_IS", relu "GW_RELU"
    # gemm, added to d instead of c: d has its own steps from row to row and from column to column
    void gemm_onto "gw_gemm_onto_f64"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha,
                   const double *a, Py_ssize_t a_row, Py_ssize_t a_column,
                   const double *b, Py_ssize_t b_row, Py_ssize_t b_column,
                   double beta, const double *d, Py_ssize_t d_row, Py_ssize_t d_column, int stored,
                   double *c, Py_ssize_t c_row) noexcept

ctypedef double real


cdef void predict(read x, read theta, write p, write_indices guess, write work, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read W = theta, b = theta + 640
    cdef write scores = work
    cdef real t1, p_lse1_max, p_lse1_shift, p_lse1_sum, guess_best
    cdef real p_lse1_exp[10]
    cdef bint t2
    cdef Py_ssize_t n, j
    # examples/linear_softmax.gw:9   scores = x @ W + b
    gemm_onto(N, 10, 64, 1,
              x, 64, 1,
              W, 10, 1,
              1, b, 0, 1, as_it_is,
              scores, 10)
    for n in range(N):
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        p_lse1_max = -inf
        # examples/linear_softmax.gw:11   output guess = argmax(scores, axis=1)
        guess[n] = 0
        guess_best = -inf
        for j in range(10):
            # examples/linear_softmax.gw:10   output p = softmax(scores)
            #     the largest, taken away below
            p_lse1_max = maximum(p_lse1_max, scores[10*n + j])
            # examples/linear_softmax.gw:11   output guess = argmax(scores, axis=1)
            t1 = scores[10*n + j]
            t2 = above(t1, guess_best)
            guess_best = pick(t2, t1, guess_best)
            guess[n] = j if t2 else guess[n]
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        p_lse1_shift = (0.0 if absolute(p_lse1_max) == inf else p_lse1_max)
        #     at most 1 each
        for j in range(10):
            p_lse1_exp[j] = exp(scores[10*n + j] - p_lse1_shift)
        p_lse1_sum = 0
        p_lse1_sum += short_sum(p_lse1_exp, 10)
        #     in softmax
        #     exp(scores - p_lse1_shift) is there already: p_lse1_exp, and this is p_lse1_exp / p_lse1_sum
        for j in range(10):
            p[10*n + j] = p_lse1_exp[j]/p_lse1_sum


cdef void forward(read x, indices y, read theta, read hyper, write p, write_indices guess, write loss, write kept,
                  write work, Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read W = theta, b = theta + 640
    cdef write p_kept = kept
    cdef real reg = hyper[0]
    cdef write scores = work
    cdef real t1, p_lse1_max, guess_best
    cdef real loss_sum1_block[8]
    cdef real p_lse1_shift[8]
    cdef real p_lse1_exp[80]
    cdef real p_lse1_sum[8]
    cdef double loss_sum1, loss_sum2
    cdef bint t2
    cdef Py_ssize_t n, n_start, n_count, n_in, j
    # examples/linear_softmax.gw:9   scores = x @ W + b
    gemm_onto(N, 10, 64, 1,
              x, 64, 1,
              W, 10, 1,
              1, b, 0, 1, as_it_is,
              scores, 10)
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    # examples/linear_softmax.gw:10   output p = softmax(scores)
    loss_sum1 = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        #     the largest, taken away below
        #     at most 1 each
        for n_in in range(n_count):
            n = n_start + n_in
            p_lse1_max = -inf
            for j in range(10):
                p_lse1_max = maximum(p_lse1_max, scores[10*n + j])
            p_lse1_shift[n_in] = (0.0 if absolute(p_lse1_max) == inf else p_lse1_max)
            for j in range(10):
                p_lse1_exp[10*n_in + j] = exp(scores[10*n + j] - p_lse1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            p_lse1_sum[n_in] = 0
            # examples/linear_softmax.gw:11   output guess = argmax(scores, axis=1)
            guess[n] = 0
            guess_best = -inf
            for j in range(10):
                # examples/linear_softmax.gw:10   output p = softmax(scores)
                #     at most 1 each
                p_lse1_sum[n_in] += p_lse1_exp[10*n_in + j]
                # examples/linear_softmax.gw:11   output guess = argmax(scores, axis=1)
                t1 = scores[10*n + j]
                t2 = above(t1, guess_best)
                guess_best = pick(t2, t1, guess_best)
                guess[n] = j if t2 else guess[n]
            # examples/linear_softmax.gw:10   output p = softmax(scores)
            #     in softmax
            #     exp(scores - p_lse1_shift) is there already: p_lse1_exp, and this is p_lse1_exp / p_lse1_sum
            for j in range(10):
                p[10*n + j] = p_lse1_exp[10*n_in + j]/p_lse1_sum[n_in]
                p_kept[10*n + j] = p[10*n + j]  # kept for the backward pass
        # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        #     in softmax_cross_entropy
        #     in softmax
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = p_lse1_shift[n_in] + log(p_lse1_sum[n_in]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    loss_sum2 = 0
    for j in range(64):
        loss_sum2 += short_squares(W + 10*j, 10)
    loss[0] = loss_sum1/N + reg*loss_sum2


cdef void backward(read x, indices y, read theta, read hyper, write grad, read kept, write work,
                   Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read W = theta
    cdef write d_W = grad, d_b = grad + 640
    cdef read p = kept
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
        #     d loss_mean1 / d loss_sum1 = 1 / N
        for j in range(10):
            d_scores[10*n + j] = p[10*n + j]/N
        # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        #     d loss_mean1 / d loss_sum1 = 1 / N
        d_scores[10*n + y[n]] -= 1.0/N
        # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
        for j in range(10):
            d_b[j] += d_scores[10*n + j]
    # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    # examples/linear_softmax.gw:9                 scores = x @ W + b
    #     W is used 2 times: its adjoints add
    #     d loss_pow1 / d W = 2 * W
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
    cdef write scores = work, d_scores = work + 10*N
    cdef real p_lse1_max, p
    cdef real loss_sum1_block[8]
    cdef real p_lse1_shift[8]
    cdef real p_lse1_exp[80]
    cdef real p_lse1_sum[8]
    cdef double loss_sum1, loss_sum2
    cdef Py_ssize_t j, n, n_start, n_count, n_in, k
    # examples/linear_softmax.gw:9   scores = x @ W + b
    gemm_onto(N, 10, 64, 1,
              x, 64, 1,
              W, 10, 1,
              1, b, 0, 1, as_it_is,
              scores, 10)
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    # examples/linear_softmax.gw:10   output p = softmax(scores)
    loss_sum1 = 0
    # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
    for j in range(10):
        d_b[j] = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        #     the largest, taken away below
        #     at most 1 each
        for n_in in range(n_count):
            n = n_start + n_in
            p_lse1_max = -inf
            for j in range(10):
                p_lse1_max = maximum(p_lse1_max, scores[10*n + j])
            p_lse1_shift[n_in] = (0.0 if absolute(p_lse1_max) == inf else p_lse1_max)
            for j in range(10):
                p_lse1_exp[10*n_in + j] = exp(scores[10*n + j] - p_lse1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            p_lse1_sum[n_in] = 0
            p_lse1_sum[n_in] += short_sum(p_lse1_exp + 10*n_in, 10)
            for j in range(10):
                #     in softmax
                #     exp(scores - p_lse1_shift) is there already: p_lse1_exp, and this is p_lse1_exp / p_lse1_sum
                p = p_lse1_exp[10*n_in + j]/p_lse1_sum[n_in]
                # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
                # examples/linear_softmax.gw:10                output p = softmax(scores)
                #     scores is used 2 times: its adjoints add
                #     exp(t - logsumexp(t)): the softmax
                #     d loss_mean1 / d loss_sum1 = 1 / N
                d_scores[10*n + j] = p/N
            # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
            #     d loss_mean1 / d loss_sum1 = 1 / N
            d_scores[10*n + y[n]] -= 1.0/N
            # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
            for j in range(10):
                d_b[j] += d_scores[10*n + j]
        # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        #     in softmax_cross_entropy
        #     in softmax
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = p_lse1_shift[n_in] + log(p_lse1_sum[n_in]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    loss_sum2 = 0
    for j in range(64):
        loss_sum2 += short_squares(W + 10*j, 10)
        # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        # examples/linear_softmax.gw:9                 scores = x @ W + b
        #     W is used 2 times: its adjoints add
        #     d loss_pow1 / d W = 2 * W
        for k in range(10):
            d_W[10*j + k] = reg*(2*W[10*j + k])
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    loss[0] = loss_sum1/N + reg*loss_sum2
    # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
    gemm(64, 10, N, 1,
         x, 1, 64,
         d_scores, 10, 1,
         1, d_W, 10)


cdef void step(read x, indices y, write theta, read hyper, read rule, write loss, write work,
               Py_ssize_t N) noexcept nogil:
    # a whole step by the rule sgd, whose gradient is kept nowhere
    cdef write W = theta, b = theta + 640
    cdef real reg = hyper[0]
    cdef real lr = rule[0]
    cdef real weight_decay = rule[3]
    cdef write scores = work, d_scores = work + 10*N
    cdef real p_lse1_max, p
    cdef real loss_sum1_block[8]
    cdef real p_lse1_shift[8]
    cdef real p_lse1_exp[80]
    cdef real p_lse1_sum[8]
    cdef real d_b_t1[10]
    cdef double loss_sum1, loss_sum2
    cdef Py_ssize_t j, n, n_start, n_count, n_in
    # examples/linear_softmax.gw:9   scores = x @ W + b
    gemm_onto(N, 10, 64, 1,
              x, 64, 1,
              W, 10, 1,
              1, b, 0, 1, as_it_is,
              scores, 10)
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    # examples/linear_softmax.gw:10   output p = softmax(scores)
    loss_sum1 = 0
    # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
    for j in range(10):
        d_b_t1[j] = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        #     the largest, taken away below
        #     at most 1 each
        for n_in in range(n_count):
            n = n_start + n_in
            p_lse1_max = -inf
            for j in range(10):
                p_lse1_max = maximum(p_lse1_max, scores[10*n + j])
            p_lse1_shift[n_in] = (0.0 if absolute(p_lse1_max) == inf else p_lse1_max)
            for j in range(10):
                p_lse1_exp[10*n_in + j] = exp(scores[10*n + j] - p_lse1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            p_lse1_sum[n_in] = 0
            p_lse1_sum[n_in] += short_sum(p_lse1_exp + 10*n_in, 10)
            for j in range(10):
                #     in softmax
                #     exp(scores - p_lse1_shift) is there already: p_lse1_exp, and this is p_lse1_exp / p_lse1_sum
                p = p_lse1_exp[10*n_in + j]/p_lse1_sum[n_in]
                # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
                # examples/linear_softmax.gw:10                output p = softmax(scores)
                #     scores is used 2 times: its adjoints add
                #     exp(t - logsumexp(t)): the softmax
                #     d loss_mean1 / d loss_sum1 = 1 / N
                d_scores[10*n + j] = p/N
            # examples/linear_softmax.gw:12   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
            #     d loss_mean1 / d loss_sum1 = 1 / N
            d_scores[10*n + y[n]] -= 1.0/N
            # examples/linear_softmax.gw:9   backward of  scores = x @ W + b
            for j in range(10):
                d_b_t1[j] += d_scores[10*n + j]
        # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
        # examples/linear_softmax.gw:10   output p = softmax(scores)
        #     in softmax_cross_entropy
        #     in softmax
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = p_lse1_shift[n_in] + log(p_lse1_sum[n_in]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    loss_sum2 = 0
    for j in range(64):
        loss_sum2 += short_squares(W + 10*j, 10)
    loss[0] = loss_sum1/N + reg*loss_sum2
    # optimizers.gw:10                w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/linear_softmax.gw:12   minimize mean(softmax_cross_entropy(scores, y)) + reg * sum(W**2)
    # examples/linear_softmax.gw:9    scores = x @ W + b
    #     W, from its gradient
    #     W is used 2 times: its adjoints add
    #     d loss_pow1 / d W = 2 * W
    gemm(64, 10, N, -lr,
         x, 1, 64,
         d_scores, 10, 1,
         1 - lr*(reg*2 + weight_decay), W, 10)
    # optimizers.gw:10               w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/linear_softmax.gw:9   scores = x @ W + b
    #     b, from its gradient
    for j in range(10):
        b[j] = b[j] - lr*(d_b_t1[j] + weight_decay*b[j])


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
    predict(<read>s[0], <read>s[1], <write>s[2], <write_indices>s[3], <write>s[4], n[0])

cdef void _call_forward(void **s, const Py_ssize_t *n) noexcept nogil:
    forward(<read>s[0], <indices>s[1], <read>s[2], <read>s[3], <write>s[4], <write_indices>s[5], <write>s[6], <write>s[7], <write>s[8], n[0])

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
    'kept': (('p', 0, ('N', 10)),),
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
            'kept': ('*', 10, 'N'),
            'work': ('*', 10, 'N'),
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
