# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""digits: a two-layer network that reads handwritten digits of 8 by 8 pixels

Made by gradwright 0.1.0 from examples/digits.gw (sha256 5ae5b019e9944ae3); edit the model and make it again:
    gradwright compile examples/digits.gw

Sizes        N is free, D = 64, H = 64, C = 10
Inputs       x[N, 64] y[N]
Parameters   W1[64, 64] b1[64] W2[64, 10] b2[10]: 4810 float64, in this order in theta
Kept         h[N, 64] loss_lse1_exp[N, 10] loss_lse1_sum[N] for the backward pass
Unnamed      h_add1     = x @ W1 + b1
             loss_mean1 = mean(softmax_cross_entropy(scores, y))
             loss_pow1  = W1**2
             loss_sum2  = sum(W1**2)
             loss_pow2  = W2**2
             loss_sum3  = sum(W2**2)
Operations   the forward graph as written: 9686*N + 9476
             predict 9674*N; bytes moved 1104*N + 38480
             forward 9722*N + 9476, 11*N of them transcendental; bytes moved 1200*N + 38496
             backward 11041*N + 9472; bytes moved 2224*N + 76376
             train 20763*N + 18948, 11*N of them transcendental; bytes moved 2216*N + 76976
             step 20763*N + 9772, 11*N of them transcendental; bytes moved 2216*N + 76992
Products     h (N x 64 x 64) in predict, forward, train, step: tiles of 8 x (2*3+2) vectors with AVX-512, 4 x (4*3+2*2) vectors with AVX2, b1 added in registers and relu taken there
             scores (N x 10 x 64) in predict, forward, train, step: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2, b2 added in registers
             d_h (N x 64 x 10) in backward, train, step: tiles of 8 x (2*3+2) vectors with AVX-512, 4 x (4*3+2*2) vectors with AVX2; of few rows, its transpose
             d_W1 (64 x 64 x N) in backward, train: tiles of 8 x (2*3+2) vectors with AVX-512, 4 x (4*3+2*2) vectors with AVX2, added in registers
             d_W2 (64 x 10 x N) in backward, train: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2, added in registers
             W1_next (64 x 64 x N) in step: tiles of 8 x (2*3+2) vectors with AVX-512, 4 x (4*3+2*2) vectors with AVX2, scaled and added in registers
             W2_next (64 x 10 x N) in step: tiles of 8 x (1+1/2) vectors with AVX-512, 4 x (3) vectors with AVX2, scaled and added in registers
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
cdef extern from "math.h" nogil:
    double inf "INFINITY"
cdef extern from "gradwright/sum.h" nogil:
    double block_squares "gw_squares_f64"(const double *, Py_ssize_t) noexcept
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


cdef void predict(read x, read theta, write scores, write work, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read W1 = theta, b1 = theta + 4096, W2 = theta + 4160, b2 = theta + 4800
    cdef write h = work
    # examples/digits.gw:17   h = relu(x @ W1 + b1)
    gemm_onto(N, 64, 64, 1,
              x, 64, 1,
              W1, 64, 1,
              1, b1, 0, 1, relu,
              h, 64)
    # examples/digits.gw:20   output scores = h @ W2 + b2
    gemm_onto(N, 10, 64, 1,
              h, 64, 1,
              W2, 10, 1,
              1, b2, 0, 1, as_it_is,
              scores, 10)


cdef void forward(read x, indices y, read theta, read hyper, write scores, write loss, write kept,
                  Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read W1 = theta, b1 = theta + 4096, W2 = theta + 4160, b2 = theta + 4800
    cdef write h = kept, loss_lse1_exp = kept + 64*N, loss_lse1_sum = kept + 74*N
    cdef real reg = hyper[0]
    cdef real loss_lse1_max
    cdef real loss_sum1_block[8]
    cdef real loss_lse1_shift[8]
    cdef double loss_sum1, loss_sum2, loss_sum3
    cdef Py_ssize_t n, n_start, n_count, n_in, j, k
    # examples/digits.gw:17   h = relu(x @ W1 + b1)
    gemm_onto(N, 64, 64, 1,
              x, 64, 1,
              W1, 64, 1,
              1, b1, 0, 1, relu,
              h, 64)
    # examples/digits.gw:20   output scores = h @ W2 + b2
    gemm_onto(N, 10, 64, 1,
              h, 64, 1,
              W2, 10, 1,
              1, b2, 0, 1, as_it_is,
              scores, 10)
    # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    loss_sum1 = 0
    #     the largest, taken away below
    #     at most 1 each
    #     in softmax_cross_entropy
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_max = -inf
            for j in range(10):
                loss_lse1_max = maximum(loss_lse1_max, scores[10*n + j])
            loss_lse1_shift[n_in] = (0.0 if absolute(loss_lse1_max) == inf else loss_lse1_max)
            for j in range(10):
                loss_lse1_exp[10*n + j] = exp(scores[10*n + j] - loss_lse1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_sum[n] = 0
            loss_lse1_sum[n] += short_sum(loss_lse1_exp + 10*n, 10)
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = loss_lse1_shift[n_in] + log(loss_lse1_sum[n]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    loss_sum2 = 0
    for j in range(64):
        loss_sum2 += block_squares(W1 + 64*j, 64)
    loss_sum3 = 0
    for j in range(64):
        loss_sum3 += short_squares(W2 + 10*j, 10)
    loss[0] = loss_sum1/N + reg*(loss_sum2 + loss_sum3)


cdef void backward(read x, indices y, read theta, read hyper, write grad, read kept, write work,
                   Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read W1 = theta, W2 = theta + 4160
    cdef write d_W1 = grad, d_b1 = grad + 4096, d_W2 = grad + 4160, d_b2 = grad + 4800
    cdef read h = kept, loss_lse1_exp = kept + 64*N, loss_lse1_sum = kept + 74*N
    cdef real reg = hyper[0]
    cdef write d_scores = work, d_h = work + 10*N, d_h_add1 = work + 74*N
    cdef Py_ssize_t j, n, k
    # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
    for j in range(10):
        d_b2[j] = 0
    for n in range(N):
        # examples/digits.gw:21   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     scores is used 2 times: its adjoints add
        #     exp(t - logsumexp(t)): the softmax
        #     d loss_mean1 / d loss_sum1 = 1 / N
        #     exp(scores - loss_lse1_shift) is there already: loss_lse1_exp, and this is loss_lse1_exp / (loss_lse1_sum * N)
        for j in range(10):
            d_scores[10*n + j] = loss_lse1_exp[10*n + j]/(loss_lse1_sum[n]*N)
        d_scores[10*n + y[n]] -= 1.0/N
        # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
        for j in range(10):
            d_b2[j] += d_scores[10*n + j]
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         W2, 1, 10,
         0, d_h, 64)
    # examples/digits.gw:17   backward of  h = relu(x @ W1 + b1)
    for j in range(64):
        d_b1[j] = 0
    #     d h / d h_add1 = where(h_add1 <= 0, 0, 1)
    #     h is above 0 where h_add1 is
    for n in range(N):
        for j in range(64):
            d_h_add1[64*n + j] = d_h[64*n + j]*(0.0 if h[64*n + j] <= 0 else 1.0)
            d_b1[j] += d_h_add1[64*n + j]
    # examples/digits.gw:21   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    # examples/digits.gw:17                h = relu(x @ W1 + b1)
    #     W1 is used 2 times: its adjoints add
    #     d loss_pow1 / d W1 = 2 * W1
    for j in range(64):
        for k in range(64):
            d_W1[64*j + k] = reg*(2*W1[64*j + k])
    # examples/digits.gw:17   backward of  h = relu(x @ W1 + b1)
    gemm(64, 64, N, 1,
         x, 1, 64,
         d_h_add1, 64, 1,
         1, d_W1, 64)
    # examples/digits.gw:21   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    # examples/digits.gw:20                output scores = h @ W2 + b2
    #     W2 is used 2 times: its adjoints add
    #     d loss_pow2 / d W2 = 2 * W2
    for j in range(64):
        for k in range(10):
            d_W2[10*j + k] = reg*(2*W2[10*j + k])
    # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
    gemm(64, 10, N, 1,
         h, 1, 64,
         d_scores, 10, 1,
         1, d_W2, 10)


cdef void train(read x, indices y, read theta, read hyper, write loss, write grad, write work,
                Py_ssize_t N) noexcept nogil:
    # the loss and its gradient in one go
    cdef read W1 = theta, b1 = theta + 4096, W2 = theta + 4160, b2 = theta + 4800
    cdef write d_W1 = grad, d_b1 = grad + 4096, d_W2 = grad + 4160, d_b2 = grad + 4800
    cdef real reg = hyper[0]
    cdef write h = work, scores = work + 64*N, d_scores = work + 192*N, d_h = work + 64*N, d_h_add1 = work + 128*N
    cdef real loss_lse1_max
    cdef real loss_sum1_block[8]
    cdef real loss_lse1_shift[8]
    cdef real loss_lse1_exp[80]
    cdef real loss_lse1_sum[8]
    cdef double loss_sum1, loss_sum2, loss_sum3
    cdef Py_ssize_t j, n, n_start, n_count, n_in, k
    # examples/digits.gw:17   h = relu(x @ W1 + b1)
    gemm_onto(N, 64, 64, 1,
              x, 64, 1,
              W1, 64, 1,
              1, b1, 0, 1, relu,
              h, 64)
    # examples/digits.gw:20   output scores = h @ W2 + b2
    gemm_onto(N, 10, 64, 1,
              h, 64, 1,
              W2, 10, 1,
              1, b2, 0, 1, as_it_is,
              scores, 10)
    # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    loss_sum1 = 0
    # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
    for j in range(10):
        d_b2[j] = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     the largest, taken away below
        #     at most 1 each
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_max = -inf
            for j in range(10):
                loss_lse1_max = maximum(loss_lse1_max, scores[10*n + j])
            loss_lse1_shift[n_in] = (0.0 if absolute(loss_lse1_max) == inf else loss_lse1_max)
            for j in range(10):
                loss_lse1_exp[10*n_in + j] = exp(scores[10*n + j] - loss_lse1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_sum[n_in] = 0
            loss_lse1_sum[n_in] += short_sum(loss_lse1_exp + 10*n_in, 10)
            # examples/digits.gw:21   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
            #     scores is used 2 times: its adjoints add
            #     exp(t - logsumexp(t)): the softmax
            #     d loss_mean1 / d loss_sum1 = 1 / N
            #     exp(scores - loss_lse1_shift) is there already: loss_lse1_exp, and this is loss_lse1_exp / (loss_lse1_sum * N)
            for j in range(10):
                d_scores[10*n + j] = loss_lse1_exp[10*n_in + j]/(loss_lse1_sum[n_in]*N)
            d_scores[10*n + y[n]] -= 1.0/N
            # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
            for j in range(10):
                d_b2[j] += d_scores[10*n + j]
        # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     in softmax_cross_entropy
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = loss_lse1_shift[n_in] + log(loss_lse1_sum[n_in]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    loss_sum2 = 0
    for j in range(64):
        for k in range(64):
            # examples/digits.gw:21   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
            # examples/digits.gw:17                h = relu(x @ W1 + b1)
            #     W1 is used 2 times: its adjoints add
            #     d loss_pow1 / d W1 = 2 * W1
            d_W1[64*j + k] = reg*(2*W1[64*j + k])
        # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        loss_sum2 += block_squares(W1 + 64*j, 64)
    loss_sum3 = 0
    for j in range(64):
        loss_sum3 += short_squares(W2 + 10*j, 10)
        # examples/digits.gw:21   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        # examples/digits.gw:20                output scores = h @ W2 + b2
        #     W2 is used 2 times: its adjoints add
        #     d loss_pow2 / d W2 = 2 * W2
        for k in range(10):
            d_W2[10*j + k] = reg*(2*W2[10*j + k])
    # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    loss[0] = loss_sum1/N + reg*(loss_sum2 + loss_sum3)
    # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         W2, 1, 10,
         0, d_h, 64)
    # examples/digits.gw:17   backward of  h = relu(x @ W1 + b1)
    for j in range(64):
        d_b1[j] = 0
    #     d h / d h_add1 = where(h_add1 <= 0, 0, 1)
    #     h is above 0 where h_add1 is
    for n in range(N):
        for j in range(64):
            d_h_add1[64*n + j] = d_h[64*n + j]*(0.0 if h[64*n + j] <= 0 else 1.0)
            d_b1[j] += d_h_add1[64*n + j]
    gemm(64, 64, N, 1,
         x, 1, 64,
         d_h_add1, 64, 1,
         1, d_W1, 64)
    # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
    gemm(64, 10, N, 1,
         h, 1, 64,
         d_scores, 10, 1,
         1, d_W2, 10)


cdef void step(read x, indices y, write theta, read hyper, read rule, write loss, write work,
               Py_ssize_t N) noexcept nogil:
    # a whole step by the rule sgd, whose gradient is kept nowhere
    cdef write W1 = theta, b1 = theta + 4096, W2 = theta + 4160, b2 = theta + 4800
    cdef real reg = hyper[0]
    cdef real lr = rule[0]
    cdef real weight_decay = rule[3]
    cdef write h = work, scores = work + 64*N, d_scores = work + 192*N, d_h = work + 64*N, d_h_add1 = work + 128*N
    cdef real loss_lse1_max
    cdef real loss_sum1_block[8]
    cdef real loss_lse1_shift[8]
    cdef real loss_lse1_exp[80]
    cdef real loss_lse1_sum[8]
    cdef real d_b1_t1[64]
    cdef real d_b2_t1[10]
    cdef double loss_sum1, loss_sum2, loss_sum3
    cdef Py_ssize_t j, n, n_start, n_count, n_in, k
    # examples/digits.gw:17   h = relu(x @ W1 + b1)
    gemm_onto(N, 64, 64, 1,
              x, 64, 1,
              W1, 64, 1,
              1, b1, 0, 1, relu,
              h, 64)
    # examples/digits.gw:20   output scores = h @ W2 + b2
    gemm_onto(N, 10, 64, 1,
              h, 64, 1,
              W2, 10, 1,
              1, b2, 0, 1, as_it_is,
              scores, 10)
    # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    loss_sum1 = 0
    # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
    for j in range(10):
        d_b2_t1[j] = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     the largest, taken away below
        #     at most 1 each
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_max = -inf
            for j in range(10):
                loss_lse1_max = maximum(loss_lse1_max, scores[10*n + j])
            loss_lse1_shift[n_in] = (0.0 if absolute(loss_lse1_max) == inf else loss_lse1_max)
            for j in range(10):
                loss_lse1_exp[10*n_in + j] = exp(scores[10*n + j] - loss_lse1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_sum[n_in] = 0
            loss_lse1_sum[n_in] += short_sum(loss_lse1_exp + 10*n_in, 10)
            # examples/digits.gw:21   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
            #     scores is used 2 times: its adjoints add
            #     exp(t - logsumexp(t)): the softmax
            #     d loss_mean1 / d loss_sum1 = 1 / N
            #     exp(scores - loss_lse1_shift) is there already: loss_lse1_exp, and this is loss_lse1_exp / (loss_lse1_sum * N)
            for j in range(10):
                d_scores[10*n + j] = loss_lse1_exp[10*n_in + j]/(loss_lse1_sum[n_in]*N)
            d_scores[10*n + y[n]] -= 1.0/N
            # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
            for j in range(10):
                d_b2_t1[j] += d_scores[10*n + j]
        # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     in softmax_cross_entropy
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = loss_lse1_shift[n_in] + log(loss_lse1_sum[n_in]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    loss_sum2 = 0
    for j in range(64):
        loss_sum2 += block_squares(W1 + 64*j, 64)
    loss_sum3 = 0
    for j in range(64):
        loss_sum3 += short_squares(W2 + 10*j, 10)
    loss[0] = loss_sum1/N + reg*(loss_sum2 + loss_sum3)
    # examples/digits.gw:20   backward of  output scores = h @ W2 + b2
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         W2, 1, 10,
         0, d_h, 64)
    # examples/digits.gw:17   backward of  h = relu(x @ W1 + b1)
    for j in range(64):
        d_b1_t1[j] = 0
    #     d h / d h_add1 = where(h_add1 <= 0, 0, 1)
    #     h is above 0 where h_add1 is
    for n in range(N):
        for j in range(64):
            d_h_add1[64*n + j] = d_h[64*n + j]*(0.0 if h[64*n + j] <= 0 else 1.0)
            d_b1_t1[j] += d_h_add1[64*n + j]
    # optimizers.gw:10        w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    # examples/digits.gw:17   h = relu(x @ W1 + b1)
    #     W1, from its gradient
    #     W1 is used 2 times: its adjoints add
    #     d loss_pow1 / d W1 = 2 * W1
    gemm(64, 64, N, -lr,
         x, 1, 64,
         d_h_add1, 64, 1,
         1 - lr*(reg*2 + weight_decay), W1, 64)
    # optimizers.gw:10        w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/digits.gw:17   h = relu(x @ W1 + b1)
    #     b1, from its gradient
    for j in range(64):
        b1[j] = b1[j] - lr*(d_b1_t1[j] + weight_decay*b1[j])
    # optimizers.gw:10        w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/digits.gw:21   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    # examples/digits.gw:20   output scores = h @ W2 + b2
    #     W2, from its gradient
    #     W2 is used 2 times: its adjoints add
    #     d loss_pow2 / d W2 = 2 * W2
    gemm(64, 10, N, -lr,
         h, 1, 64,
         d_scores, 10, 1,
         1 - lr*(reg*2 + weight_decay), W2, 10)
    # optimizers.gw:10        w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/digits.gw:20   output scores = h @ W2 + b2
    #     b2, from its gradient
    for j in range(10):
        b2[j] = b2[j] - lr*(d_b2_t1[j] + weight_decay*b2[j])


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
    predict(<read>s[0], <read>s[1], <write>s[2], <write>s[3], n[0])

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
    'name': 'digits',
    'doc': 'a two-layer network that reads handwritten digits of 8 by 8 pixels',
    'source': 'examples/digits.gw',
    'hash': '5ae5b019e9944ae369296929da23200304329fb36cf6e8f521ac2bc63993cd40',
    'dtype': 'float64',
    'backend': 'cython',
    'sizes': ('N',),
    'fixed': {'D': 64, 'H': 64, 'C': 10},
    'inputs': (
        {
            'name': 'x',
            'kind': 'real',
            'shape': ('N', 64),
            'below': None,
            'declared': 'x[N, 64]',
            'line': 8,
            'doc': 'Images as rows of D grey values.',
        },
        {
            'name': 'y',
            'kind': 'index',
            'shape': ('N',),
            'below': 10,
            'declared': 'y[N]',
            'line': 10,
            'doc': 'The digit that each image shows.',
        },
    ),
    'params': (
        {'name': 'W1', 'shape': (64, 64), 'offset': 0, 'frozen': False, 'init': ('he_normal',), 'line': 12, 'doc': ''},
        {
            'name': 'b1',
            'shape': (64,),
            'offset': 4096,
            'frozen': False,
            'init': ('values', (0.0,)),
            'line': 13,
            'doc': '',
        },
        {
            'name': 'W2',
            'shape': (64, 10),
            'offset': 4160,
            'frozen': False,
            'init': ('he_normal',),
            'line': 14,
            'doc': '',
        },
        {
            'name': 'b2',
            'shape': (10,),
            'offset': 4800,
            'frozen': False,
            'init': ('values', (0.0,)),
            'line': 15,
            'doc': '',
        },
    ),
    'hypers': ({'name': 'reg', 'default': 0.0001, 'line': 5, 'doc': 'Strength of the penalty on large weights.'},),
    'outputs': (
        {
            'name': 'scores',
            'kind': 'real',
            'shape': ('N', 10),
            'doc': 'One score for each digit; the highest is the answer.',
        },
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
    'values': {'loss:W1': (64, 64), 'loss:b1': (64,), 'loss:W2': (64, 10), 'loss:b2': (10,)},
    'kept': (('h', 0, ('N', 64)),),
    'lines': (
        (17, 'h', ('N', 64), ('*', 8384, 'N'), 8),
        (20, 'scores', ('N', 10), ('*', 1290, 'N'), 8),
        (21, 'loss', (), ('+', ('*', 12, 'N'), 9476), 8),
    ),
    'kernels': (
        {
            'name': 'predict',
            'slots': ('in:x', 'theta', 'out:scores', 'work'),
            'kept': 0,
            'work': ('*', 64, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'forward',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'out:scores', 'out:loss', 'kept'),
            'kept': ('*', 75, 'N'),
            'work': 0,
            'sizes': ('N',),
        },
        {
            'name': 'backward',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'grad:loss', 'kept', 'work'),
            'kept': ('*', 75, 'N'),
            'work': ('*', 138, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'train',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'out:loss', 'grad:loss', 'work'),
            'kept': 0,
            'work': ('*', 202, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'step',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'rule', 'out:loss', 'work'),
            'kept': 0,
            'work': ('*', 202, 'N'),
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
