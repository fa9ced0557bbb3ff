# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""cifar_two_layer: a model

Made by gradwright 0.1.0 from examples/cifar_two_layer.gw (sha256 4c75fe0e81d61114); edit the model and make it again:
    gradwright compile examples/cifar_two_layer.gw

Sizes        N is free, D = 3072, H = 100, C = 10
Inputs       x[N, 3072] y[N]
Parameters   W1[3072, 100] b1[100] W2[100, 10] b2[10]: 308310 float32, in this order in theta
Kept         h_add1[N, 100] h[N, 100] loss_lse1_exp[N, 10] loss_lse1_sum[N] for the backward pass
Unnamed      h_add1     = x @ W1 + b1
             loss_mean1 = mean(softmax_cross_entropy(scores, y))
             loss_pow1  = W1**2
             loss_sum2  = sum(W1**2)
             loss_pow2  = W2**2
             loss_sum3  = sum(W2**2)
Operations   the forward graph as written: 616622*N + 616404
             predict 616710*N; bytes moved 12728*N + 1233240
             forward 616658*N + 616404, 11*N of them transcendental; bytes moved 13180*N + 1233248
             backward 619033*N + 616400; bytes moved 13980*N + 2466044
             train 1235691*N + 1232804, 11*N of them transcendental; bytes moved 13976*N + 2466488
             step 1235691*N + 616844, 11*N of them transcendental; bytes moved 13976*N + 2466496
Products     h (N x 100 x 3072) in predict: tiles of 8 x (2*3+1/2) vectors with AVX-512, 4 x (3*3+2*2) vectors with AVX2, b1 added in registers and relu taken there
             scores (N x 10 x 100) in predict, forward, train, step: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2, b2 added in registers
             h_add1 (N x 100 x 3072) in forward, train, step: tiles of 8 x (2*3+1/2) vectors with AVX-512, 4 x (3*3+2*2) vectors with AVX2, b1 added in registers
             d_h (N x 100 x 10) in backward, train, step: tiles of 8 x (2*3+1/2) vectors with AVX-512, 4 x (3*3+2*2) vectors with AVX2; of few rows, its transpose
             d_W1 (3072 x 100 x N) in backward, train: tiles of 8 x (2*3+1/2) vectors with AVX-512, 4 x (3*3+2*2) vectors with AVX2, added in registers
             d_W2 (100 x 10 x N) in backward, train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2, added in registers
             W1_next (3072 x 100 x N) in step: tiles of 8 x (2*3+1/2) vectors with AVX-512, 4 x (3*3+2*2) vectors with AVX2, scaled and added in registers
             W2_next (100 x 10 x N) in step: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2, scaled and added in registers
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const float *read "gw_read_f32"
    ctypedef float *write "gw_write_f32"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"
    float absolute "gw_absf"(float) noexcept
    float exp "gw_expf"(float) noexcept
    float log "gw_logf"(float) noexcept
    float maximum "gw_maxf"(float, float) noexcept
    float choose "gw_choosef"(bint condition, float if_true, float otherwise) noexcept
cdef extern from "math.h" nogil:
    float inf "INFINITY"
cdef extern from "gradwright/sum.h" nogil:
    float block_squares "gw_squares_f32"(const float *, Py_ssize_t) noexcept
    float short_squares "gw_short_squares_f32"(const float *, Py_ssize_t) noexcept
    float short_sum "gw_short_sum_f32"(const float *, Py_ssize_t) noexcept
cdef extern from "gradwright/gemm.h" nogil:
    # c[m, n] = alpha * a[m, k] @ b[k, n] + beta * c, with the strides of rows and columns
    void gemm "gw_gemm_f32"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, float alpha,
              const float *a, Py_ssize_t a_row, Py_ssize_t a_column,
              const float *b, Py_ssize_t b_row, Py_ssize_t b_column,
              float beta, float *c, Py_ssize_t c_row) noexcept
cdef extern from "gradwright/contract.h" nogil:
    # how a result is stored: as it is, or 0 for what is not above it
    int as_it_is "GW_AS_IT_IS", relu "GW_RELU"
    # gemm, added to d instead of c: d has its own steps from row to row and from column to column
    void gemm_onto "gw_gemm_onto_f32"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, float alpha,
                   const float *a, Py_ssize_t a_row, Py_ssize_t a_column,
                   const float *b, Py_ssize_t b_row, Py_ssize_t b_column,
                   float beta, const float *d, Py_ssize_t d_row, Py_ssize_t d_column, int stored,
                   float *c, Py_ssize_t c_row) noexcept

ctypedef float real


cdef void predict(read x, read theta, write scores, write work, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read W1 = theta, b1 = theta + 307200, W2 = theta + 307300, b2 = theta + 308300
    cdef write h = work
    # examples/cifar_two_layer.gw:12   h = max(0, x @ W1 + b1)
    gemm_onto(N, 100, 3072, 1,
              x, 3072, 1,
              W1, 100, 1,
              1, b1, 0, 1, relu,
              h, 100)
    # examples/cifar_two_layer.gw:13   output scores = h @ W2 + b2
    gemm_onto(N, 10, 100, 1,
              h, 100, 1,
              W2, 10, 1,
              1, b2, 0, 1, as_it_is,
              scores, 10)


cdef void forward(read x, indices y, read theta, read hyper, write scores, write loss, write kept,
                  Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read W1 = theta, b1 = theta + 307200, W2 = theta + 307300, b2 = theta + 308300
    cdef write h_add1 = kept, h = kept + 100*N, loss_lse1_exp = kept + 200*N, loss_lse1_sum = kept + 210*N
    cdef real reg = hyper[0]
    cdef real loss_lse1_max
    cdef real loss_sum1_block[8]
    cdef real loss_lse1_shift[8]
    cdef double loss_sum1, loss_sum2, loss_sum3
    cdef Py_ssize_t n, j, n_start, n_count, n_in, k
    # examples/cifar_two_layer.gw:12   h = max(0, x @ W1 + b1)
    gemm_onto(N, 100, 3072, 1,
              x, 3072, 1,
              W1, 100, 1,
              1, b1, 0, 1, as_it_is,
              h_add1, 100)
    for n in range(N):
        for j in range(100):
            h[100*n + j] = maximum(0, h_add1[100*n + j])
    # examples/cifar_two_layer.gw:13   output scores = h @ W2 + b2
    gemm_onto(N, 10, 100, 1,
              h, 100, 1,
              W2, 10, 1,
              1, b2, 0, 1, as_it_is,
              scores, 10)
    # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
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
            loss_lse1_shift[n_in] = (<real>0 if absolute(loss_lse1_max) == inf else loss_lse1_max)
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
    for j in range(3072):
        loss_sum2 += block_squares(W1 + 100*j, 100)
    loss_sum3 = 0
    for j in range(100):
        loss_sum3 += short_squares(W2 + 10*j, 10)
    loss[0] = loss_sum1/N + reg*(loss_sum2 + loss_sum3)


cdef void backward(read x, indices y, read theta, read hyper, write grad, read kept, write work,
                   Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read W1 = theta, W2 = theta + 307300
    cdef write d_W1 = grad, d_b1 = grad + 307200, d_W2 = grad + 307300, d_b2 = grad + 308300
    cdef read h_add1 = kept, h = kept + 100*N, loss_lse1_exp = kept + 200*N, loss_lse1_sum = kept + 210*N
    cdef real reg = hyper[0]
    cdef write d_scores = work, d_h = work + 10*N, d_h_add1 = work + 122*N
    cdef Py_ssize_t j, n, k
    # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
    for j in range(10):
        d_b2[j] = 0
    for n in range(N):
        # examples/cifar_two_layer.gw:14   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     scores is used 2 times: its adjoints add
        #     exp(t - logsumexp(t)): the softmax
        #     d loss_mean1 / d loss_sum1 = 1 / N
        #     exp(scores - loss_lse1_shift) is there already: loss_lse1_exp, and this is loss_lse1_exp / (loss_lse1_sum * N)
        for j in range(10):
            d_scores[10*n + j] = loss_lse1_exp[10*n + j]/(loss_lse1_sum[n]*N)
        d_scores[10*n + y[n]] -= <real>1/N
        # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
        for j in range(10):
            d_b2[j] += d_scores[10*n + j]
    gemm(N, 100, 10, 1,
         d_scores, 10, 1,
         W2, 1, 10,
         0, d_h, 100)
    # examples/cifar_two_layer.gw:12   backward of  h = max(0, x @ W1 + b1)
    for j in range(100):
        d_b1[j] = 0
    #     d h / d h_add1 = where(0 <= h_add1, where(0 == h_add1, 0.5, 1), 0)
    for n in range(N):
        for j in range(100):
            d_h_add1[100*n + j] = d_h[100*n + j]*choose(0 <= h_add1[100*n + j], (<real>0.5 if 0 == h_add1[100*n + j] else <real>1), <real>0)
            d_b1[j] += d_h_add1[100*n + j]
    # examples/cifar_two_layer.gw:14   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    # examples/cifar_two_layer.gw:12                h = max(0, x @ W1 + b1)
    #     W1 is used 2 times: its adjoints add
    #     d loss_pow1 / d W1 = 2 * W1
    for j in range(3072):
        for k in range(100):
            d_W1[100*j + k] = reg*(<real>2*W1[100*j + k])
    # examples/cifar_two_layer.gw:12   backward of  h = max(0, x @ W1 + b1)
    gemm(3072, 100, N, 1,
         x, 1, 3072,
         d_h_add1, 100, 1,
         1, d_W1, 100)
    # examples/cifar_two_layer.gw:14   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    # examples/cifar_two_layer.gw:13                output scores = h @ W2 + b2
    #     W2 is used 2 times: its adjoints add
    #     d loss_pow2 / d W2 = 2 * W2
    for j in range(100):
        for k in range(10):
            d_W2[10*j + k] = reg*(<real>2*W2[10*j + k])
    # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
    gemm(100, 10, N, 1,
         h, 1, 100,
         d_scores, 10, 1,
         1, d_W2, 10)


cdef void train(read x, indices y, read theta, read hyper, write loss, write grad, write work,
                Py_ssize_t N) noexcept nogil:
    # the loss and its gradient in one go
    cdef read W1 = theta, b1 = theta + 307200, W2 = theta + 307300, b2 = theta + 308300
    cdef write d_W1 = grad, d_b1 = grad + 307200, d_W2 = grad + 307300, d_b2 = grad + 308300
    cdef real reg = hyper[0]
    cdef write h_add1 = work, h = work + 112*N, scores = work + 224*N, d_scores = work + 448*N, d_h = work + 224*N
    cdef write d_h_add1 = work + 336*N
    cdef real loss_lse1_max
    cdef real loss_sum1_block[8]
    cdef real loss_lse1_shift[8]
    cdef real loss_lse1_exp[80]
    cdef real loss_lse1_sum[8]
    cdef double loss_sum1, loss_sum2, loss_sum3
    cdef Py_ssize_t n, j, n_start, n_count, n_in, k
    # examples/cifar_two_layer.gw:12   h = max(0, x @ W1 + b1)
    gemm_onto(N, 100, 3072, 1,
              x, 3072, 1,
              W1, 100, 1,
              1, b1, 0, 1, as_it_is,
              h_add1, 100)
    for n in range(N):
        for j in range(100):
            h[100*n + j] = maximum(0, h_add1[100*n + j])
    # examples/cifar_two_layer.gw:13   output scores = h @ W2 + b2
    gemm_onto(N, 10, 100, 1,
              h, 100, 1,
              W2, 10, 1,
              1, b2, 0, 1, as_it_is,
              scores, 10)
    # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    loss_sum1 = 0
    # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
    for j in range(10):
        d_b2[j] = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     the largest, taken away below
        #     at most 1 each
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_max = -inf
            for j in range(10):
                loss_lse1_max = maximum(loss_lse1_max, scores[10*n + j])
            loss_lse1_shift[n_in] = (<real>0 if absolute(loss_lse1_max) == inf else loss_lse1_max)
            for j in range(10):
                loss_lse1_exp[10*n_in + j] = exp(scores[10*n + j] - loss_lse1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_sum[n_in] = 0
            loss_lse1_sum[n_in] += short_sum(loss_lse1_exp + 10*n_in, 10)
            # examples/cifar_two_layer.gw:14   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
            #     scores is used 2 times: its adjoints add
            #     exp(t - logsumexp(t)): the softmax
            #     d loss_mean1 / d loss_sum1 = 1 / N
            #     exp(scores - loss_lse1_shift) is there already: loss_lse1_exp, and this is loss_lse1_exp / (loss_lse1_sum * N)
            for j in range(10):
                d_scores[10*n + j] = loss_lse1_exp[10*n_in + j]/(loss_lse1_sum[n_in]*N)
            d_scores[10*n + y[n]] -= <real>1/N
            # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
            for j in range(10):
                d_b2[j] += d_scores[10*n + j]
        # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     in softmax_cross_entropy
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = loss_lse1_shift[n_in] + log(loss_lse1_sum[n_in]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    loss_sum2 = 0
    for j in range(3072):
        for k in range(100):
            # examples/cifar_two_layer.gw:14   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
            # examples/cifar_two_layer.gw:12                h = max(0, x @ W1 + b1)
            #     W1 is used 2 times: its adjoints add
            #     d loss_pow1 / d W1 = 2 * W1
            d_W1[100*j + k] = reg*(<real>2*W1[100*j + k])
        # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        loss_sum2 += block_squares(W1 + 100*j, 100)
    loss_sum3 = 0
    for j in range(100):
        loss_sum3 += short_squares(W2 + 10*j, 10)
        # examples/cifar_two_layer.gw:14   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        # examples/cifar_two_layer.gw:13                output scores = h @ W2 + b2
        #     W2 is used 2 times: its adjoints add
        #     d loss_pow2 / d W2 = 2 * W2
        for k in range(10):
            d_W2[10*j + k] = reg*(<real>2*W2[10*j + k])
    # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    loss[0] = loss_sum1/N + reg*(loss_sum2 + loss_sum3)
    # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
    gemm(N, 100, 10, 1,
         d_scores, 10, 1,
         W2, 1, 10,
         0, d_h, 100)
    # examples/cifar_two_layer.gw:12   backward of  h = max(0, x @ W1 + b1)
    for j in range(100):
        d_b1[j] = 0
    #     d h / d h_add1 = where(0 <= h_add1, where(0 == h_add1, 0.5, 1), 0)
    for n in range(N):
        for j in range(100):
            d_h_add1[100*n + j] = d_h[100*n + j]*choose(0 <= h_add1[100*n + j], (<real>0.5 if 0 == h_add1[100*n + j] else <real>1), <real>0)
            d_b1[j] += d_h_add1[100*n + j]
    gemm(3072, 100, N, 1,
         x, 1, 3072,
         d_h_add1, 100, 1,
         1, d_W1, 100)
    # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
    gemm(100, 10, N, 1,
         h, 1, 100,
         d_scores, 10, 1,
         1, d_W2, 10)


cdef void step(read x, indices y, write theta, read hyper, read rule, write loss, write work,
               Py_ssize_t N) noexcept nogil:
    # a whole step by the rule sgd, whose gradient is kept nowhere
    cdef write W1 = theta, b1 = theta + 307200, W2 = theta + 307300, b2 = theta + 308300
    cdef real reg = hyper[0]
    cdef real lr = rule[0]
    cdef real weight_decay = rule[3]
    cdef write h_add1 = work, h = work + 112*N, scores = work + 224*N, d_scores = work + 448*N, d_h = work + 224*N
    cdef write d_h_add1 = work + 336*N
    cdef real loss_lse1_max
    cdef real loss_sum1_block[8]
    cdef real loss_lse1_shift[8]
    cdef real loss_lse1_exp[80]
    cdef real loss_lse1_sum[8]
    cdef real d_b1_t1[100]
    cdef real d_b2_t1[10]
    cdef double loss_sum1, loss_sum2, loss_sum3
    cdef Py_ssize_t n, j, n_start, n_count, n_in, k
    # examples/cifar_two_layer.gw:12   h = max(0, x @ W1 + b1)
    gemm_onto(N, 100, 3072, 1,
              x, 3072, 1,
              W1, 100, 1,
              1, b1, 0, 1, as_it_is,
              h_add1, 100)
    for n in range(N):
        for j in range(100):
            h[100*n + j] = maximum(0, h_add1[100*n + j])
    # examples/cifar_two_layer.gw:13   output scores = h @ W2 + b2
    gemm_onto(N, 10, 100, 1,
              h, 100, 1,
              W2, 10, 1,
              1, b2, 0, 1, as_it_is,
              scores, 10)
    # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    loss_sum1 = 0
    # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
    for j in range(10):
        d_b2_t1[j] = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     the largest, taken away below
        #     at most 1 each
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_max = -inf
            for j in range(10):
                loss_lse1_max = maximum(loss_lse1_max, scores[10*n + j])
            loss_lse1_shift[n_in] = (<real>0 if absolute(loss_lse1_max) == inf else loss_lse1_max)
            for j in range(10):
                loss_lse1_exp[10*n_in + j] = exp(scores[10*n + j] - loss_lse1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            loss_lse1_sum[n_in] = 0
            loss_lse1_sum[n_in] += short_sum(loss_lse1_exp + 10*n_in, 10)
            # examples/cifar_two_layer.gw:14   backward of  minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
            #     scores is used 2 times: its adjoints add
            #     exp(t - logsumexp(t)): the softmax
            #     d loss_mean1 / d loss_sum1 = 1 / N
            #     exp(scores - loss_lse1_shift) is there already: loss_lse1_exp, and this is loss_lse1_exp / (loss_lse1_sum * N)
            for j in range(10):
                d_scores[10*n + j] = loss_lse1_exp[10*n_in + j]/(loss_lse1_sum[n_in]*N)
            d_scores[10*n + y[n]] -= <real>1/N
            # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
            for j in range(10):
                d_b2_t1[j] += d_scores[10*n + j]
        # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
        #     in softmax_cross_entropy
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = loss_lse1_shift[n_in] + log(loss_lse1_sum[n_in]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    loss_sum2 = 0
    for j in range(3072):
        loss_sum2 += block_squares(W1 + 100*j, 100)
    loss_sum3 = 0
    for j in range(100):
        loss_sum3 += short_squares(W2 + 10*j, 10)
    loss[0] = loss_sum1/N + reg*(loss_sum2 + loss_sum3)
    # examples/cifar_two_layer.gw:13   backward of  output scores = h @ W2 + b2
    gemm(N, 100, 10, 1,
         d_scores, 10, 1,
         W2, 1, 10,
         0, d_h, 100)
    # examples/cifar_two_layer.gw:12   backward of  h = max(0, x @ W1 + b1)
    for j in range(100):
        d_b1_t1[j] = 0
    #     d h / d h_add1 = where(0 <= h_add1, where(0 == h_add1, 0.5, 1), 0)
    for n in range(N):
        for j in range(100):
            d_h_add1[100*n + j] = d_h[100*n + j]*choose(0 <= h_add1[100*n + j], (<real>0.5 if 0 == h_add1[100*n + j] else <real>1), <real>0)
            d_b1_t1[j] += d_h_add1[100*n + j]
    # optimizers.gw:10                 w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    # examples/cifar_two_layer.gw:12   h = max(0, x @ W1 + b1)
    #     W1, from its gradient
    #     W1 is used 2 times: its adjoints add
    #     d loss_pow1 / d W1 = 2 * W1
    gemm(3072, 100, N, -lr,
         x, 1, 3072,
         d_h_add1, 100, 1,
         <real>1 - lr*(reg*<real>2 + weight_decay), W1, 100)
    # optimizers.gw:10                 w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/cifar_two_layer.gw:12   h = max(0, x @ W1 + b1)
    #     b1, from its gradient
    for j in range(100):
        b1[j] = b1[j] - lr*(d_b1_t1[j] + weight_decay*b1[j])
    # optimizers.gw:10                 w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/cifar_two_layer.gw:14   minimize mean(softmax_cross_entropy(scores, y)) + reg * (sum(W1**2) + sum(W2**2))
    # examples/cifar_two_layer.gw:13   output scores = h @ W2 + b2
    #     W2, from its gradient
    #     W2 is used 2 times: its adjoints add
    #     d loss_pow2 / d W2 = 2 * W2
    gemm(100, 10, N, -lr,
         h, 1, 100,
         d_scores, 10, 1,
         <real>1 - lr*(reg*<real>2 + weight_decay), W2, 10)
    # optimizers.gw:10                 w = w - lr * where(nesterov, d + momentum * v, v)
    # examples/cifar_two_layer.gw:13   output scores = h @ W2 + b2
    #     b2, from its gradient
    for j in range(10):
        b2[j] = b2[j] - lr*(d_b2_t1[j] + weight_decay*b2[j])


# What follows is the same for every model but for its tables: from Python to the kernels above.

ctypedef void (*kernel_t)(void **slots, const Py_ssize_t *sizes) noexcept nogil
ctypedef void (*update_t)(write, read, real **, const double *, double, Py_ssize_t) noexcept nogil

cdef extern from "gradwright/updates.h" nogil:
    # the rules of optimizers.gw: each is one loop over the parameters
    update_t update_sgd "gw_update_sgd_f32"
    update_t update_adagrad "gw_update_adagrad_f32"
    update_t update_rmsprop "gw_update_rmsprop_f32"
    update_t update_adam "gw_update_adam_f32"
    update_t update_adamw "gw_update_adamw_f32"
    update_t update_adadelta "gw_update_adadelta_f32"
    update_t update_adamax "gw_update_adamax_f32"
    update_t update_nadam "gw_update_nadam_f32"
    update_t update_radam "gw_update_radam_f32"
    update_t update_lion "gw_update_lion_f32"

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
    'name': 'cifar_two_layer',
    'doc': '',
    'source': 'examples/cifar_two_layer.gw',
    'hash': '4c75fe0e81d611147d41a4d399bf3c5a9c6124348c734bfeb4a351672e42732a',
    'dtype': 'float32',
    'backend': 'cython',
    'sizes': ('N',),
    'fixed': {'D': 3072, 'H': 100, 'C': 10},
    'inputs': (
        {
            'name': 'x',
            'kind': 'real',
            'shape': ('N', 3072),
            'below': None,
            'declared': 'x[N, 3072]',
            'line': 5,
            'doc': '',
        },
        {'name': 'y', 'kind': 'index', 'shape': ('N',), 'below': 10, 'declared': 'y[N]', 'line': 6, 'doc': ''},
    ),
    'params': (
        {
            'name': 'W1',
            'shape': (3072, 100),
            'offset': 0,
            'frozen': False,
            'init': ('normal', 0.0, 0.01),
            'line': 7,
            'doc': '',
        },
        {
            'name': 'b1',
            'shape': (100,),
            'offset': 307200,
            'frozen': False,
            'init': ('values', (0.0,)),
            'line': 8,
            'doc': '',
        },
        {
            'name': 'W2',
            'shape': (100, 10),
            'offset': 307300,
            'frozen': False,
            'init': ('normal', 0.0, 0.01),
            'line': 9,
            'doc': '',
        },
        {
            'name': 'b2',
            'shape': (10,),
            'offset': 308300,
            'frozen': False,
            'init': ('values', (0.0,)),
            'line': 10,
            'doc': '',
        },
    ),
    'hypers': ({'name': 'reg', 'default': 0.001, 'line': 4, 'doc': ''},),
    'outputs': (
        {'name': 'scores', 'kind': 'real', 'shape': ('N', 10), 'doc': ''},
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
    'values': {'loss:W1': (3072, 100), 'loss:b1': (100,), 'loss:W2': (100, 10), 'loss:b2': (10,)},
    'kept': (('h_add1', 0, ('N', 100)), ('h', ('*', 100, 'N'), ('N', 100))),
    'lines': (
        (12, 'h', ('N', 100), ('*', 614600, 'N'), 4),
        (13, 'scores', ('N', 10), ('*', 2010, 'N'), 4),
        (14, 'loss', (), ('+', ('*', 12, 'N'), 616404), 4),
    ),
    'kernels': (
        {
            'name': 'predict',
            'slots': ('in:x', 'theta', 'out:scores', 'work'),
            'kept': 0,
            'work': ('*', 112, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'forward',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'out:scores', 'out:loss', 'kept'),
            'kept': ('*', 211, 'N'),
            'work': 0,
            'sizes': ('N',),
        },
        {
            'name': 'backward',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'grad:loss', 'kept', 'work'),
            'kept': ('*', 211, 'N'),
            'work': ('*', 234, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'train',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'out:loss', 'grad:loss', 'work'),
            'kept': 0,
            'work': ('*', 458, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'step',
            'slots': ('in:x', 'in:y', 'theta', 'hyper', 'rule', 'out:loss', 'work'),
            'kept': 0,
            'work': ('*', 458, 'N'),
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
