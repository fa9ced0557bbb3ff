# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""lenet: a small convolutional network that reads handwritten digits of 8 by 8 pixels

Made by gradwright 0.1.0 from examples/lenet.gw (sha256 6a9f93f9e3904718); edit the model and make it again:
    gradwright compile examples/lenet.gw

Sizes        N is free
Inputs       x[N, 1, 8, 8] y[N]
Parameters   first.W[8, 1, 3, 3] first.b[8] second.W[16, 8, 3, 3] second.b[16] head.W[64, 10] head.b[10]: 1898 float32, in this order in theta
Kept         scores_t6[N, 8, 8, 8] scores_t7[N, 8, 8, 8] scores_t8_t1[N, 8, 4, 4, 2] scores_t8[N, 8, 4, 4] scores_t14[N, 16, 4, 4] scores_t15[N, 16, 4, 4] scores_t16_t1[N, 16, 2, 2, 2] scores_t17[N, 64] loss_t1_exp[N, 10] loss_t1_sum[N] for the backward pass
Operations   the forward graph as written: 96534*N + 1
             predict 51392*N; bytes moved 4136*N + 7592
             forward 50672*N + 1, 11*N of them transcendental; bytes moved 8796*N + 7596
             backward 93473*N; bytes moved 13660*N + 14760
             train 144155*N + 1, 11*N of them transcendental; bytes moved 12120*N + 15188
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
    float pow "gw_powf"(float, float) noexcept
    float sign "gw_signf"(float) noexcept
    float sqrt "gw_sqrtf"(float) noexcept
cdef extern from "math.h" nogil:
    float inf "INFINITY"
cdef extern from "gradwright/gemm.h" nogil:
    # c[m, n] = alpha * a[m, k] @ b[k, n] + beta * c, with the strides of rows and columns
    void gemm "gw_gemm_f32"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, float alpha,
              const float *a, Py_ssize_t a_row, Py_ssize_t a_column,
              const float *b, Py_ssize_t b_row, Py_ssize_t b_column,
              float beta, float *c, Py_ssize_t c_row) noexcept

ctypedef float real


cdef void predict(read x, read theta, write scores, write work, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read first_W = theta, first_b = theta + 72, second_W = theta + 80, second_b = theta + 1232
    cdef read head_W = theta + 1248, head_b = theta + 1888
    cdef write scores_t7 = work, scores_t8 = work + 512*N, scores_t15 = work + 640*N, scores_t17 = work + 896*N
    cdef real t1, t2, scores_t3, scores_t8_t1, scores_t11, scores_t16_t1
    cdef real scores_t16[64]
    cdef Py_ssize_t n, j, k, l, i, m, q
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     in conv2d
    #     in dense
    for n in range(N):
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    scores_t3 = 0
                    for i in range(3):
                        for m in range(3):
                            scores_t3 += (x[64*n + 8*k + 8*i + l + m - 9] if 0 <= k + i - 1 < 8 and 0 <= l + m - 1 < 8 else <real>0)*first_W[9*j + 3*i + m]
                    t1 = scores_t3 + first_b[j]
                    scores_t7[512*n + 64*j + 8*k + l] = (<real>0 if t1 <= 0 else t1)
        for j in range(10):
            scores[10*n + j] = head_b[j]
    #     in max_pool2d
    for n in range(N):
        for j in range(8):
            for k in range(4):
                for l in range(4):
                    scores_t8[128*n + 16*j + 4*k + l] = -inf
                    for i in range(2):
                        scores_t8_t1 = -inf
                        for m in range(2):
                            scores_t8_t1 = maximum(scores_t8_t1, (scores_t7[512*n + 64*j + 16*k + 8*i + 2*l + m] if 0 <= 2*k + i < 8 and 0 <= 2*l + m < 8 else -inf))
                        scores_t8[128*n + 16*j + 4*k + l] = maximum(scores_t8[128*n + 16*j + 4*k + l], scores_t8_t1)
    for n in range(N):
        for j in range(16):
            for k in range(4):
                for l in range(4):
                    scores_t11 = 0
                    for i in range(8):
                        for m in range(3):
                            for q in range(3):
                                scores_t11 += (scores_t8[128*n + 16*i + 4*k + 4*m + l + q - 5] if 0 <= k + m - 1 < 4 and 0 <= l + q - 1 < 4 else <real>0)*second_W[72*j + 9*i + 3*m + q]
                    t2 = scores_t11 + second_b[j]
                    scores_t15[256*n + 16*j + 4*k + l] = (<real>0 if t2 <= 0 else t2)
    #     in flatten
    for n in range(N):
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    scores_t16[4*j + 2*k + l] = -inf
                    for i in range(2):
                        scores_t16_t1 = -inf
                        for m in range(2):
                            scores_t16_t1 = maximum(scores_t16_t1, (scores_t15[256*n + 16*j + 8*k + 4*i + 2*l + m] if 0 <= 2*k + i < 4 and 0 <= 2*l + m < 4 else -inf))
                        scores_t16[4*j + 2*k + l] = maximum(scores_t16[4*j + 2*k + l], scores_t16_t1)
        for j in range(64):
            scores_t17[64*n + j] = scores_t16[4*((j) // (4)) + 2*((((j) // (2))) % (2)) + ((j) % (2))]
    gemm(N, 10, 64, 1,
         scores_t17, 64, 1,
         head_W, 10, 1,
         1, scores, 10)


cdef void forward(read x, indices y, read theta, write scores, write loss, write kept, Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read first_W = theta, first_b = theta + 72, second_W = theta + 80, second_b = theta + 1232
    cdef read head_W = theta + 1248, head_b = theta + 1888
    cdef write scores_t6 = kept, scores_t7 = kept + 512*N, scores_t8_t1 = kept + 1024*N, scores_t8 = kept + 1280*N
    cdef write scores_t14 = kept + 1408*N, scores_t15 = kept + 1664*N, scores_t16_t1 = kept + 1920*N
    cdef write scores_t17 = kept + 2048*N, loss_t1_exp = kept + 2112*N, loss_t1_sum = kept + 2122*N
    cdef real loss_t1_max, loss_t1_shift
    cdef real scores_t16[64]
    cdef double loss_t4
    cdef Py_ssize_t n, j, k, l, i, m, q
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     in conv2d
    #     in dense
    for n in range(N):
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    scores_t6[512*n + 64*j + 8*k + l] = first_b[j]
                    for i in range(3):
                        for m in range(3):
                            scores_t6[512*n + 64*j + 8*k + l] += (x[64*n + 8*k + 8*i + l + m - 9] if 0 <= k + i - 1 < 8 and 0 <= l + m - 1 < 8 else <real>0)*first_W[9*j + 3*i + m]
                    scores_t7[512*n + 64*j + 8*k + l] = (<real>0 if scores_t6[512*n + 64*j + 8*k + l] <= 0 else scores_t6[512*n + 64*j + 8*k + l])
        for j in range(16):
            for k in range(4):
                for l in range(4):
                    scores_t14[256*n + 16*j + 4*k + l] = second_b[j]
        for j in range(10):
            scores[10*n + j] = head_b[j]
    #     in max_pool2d
    for n in range(N):
        for j in range(8):
            for k in range(4):
                for l in range(4):
                    scores_t8[128*n + 16*j + 4*k + l] = -inf
                    for i in range(2):
                        scores_t8_t1[256*n + 32*j + 8*k + 2*l + i] = -inf
                        for m in range(2):
                            scores_t8_t1[256*n + 32*j + 8*k + 2*l + i] = maximum(scores_t8_t1[256*n + 32*j + 8*k + 2*l + i], (scores_t7[512*n + 64*j + 16*k + 8*i + 2*l + m] if 0 <= 2*k + i < 8 and 0 <= 2*l + m < 8 else -inf))
                        scores_t8[128*n + 16*j + 4*k + l] = maximum(scores_t8[128*n + 16*j + 4*k + l], scores_t8_t1[256*n + 32*j + 8*k + 2*l + i])
    for n in range(N):
        for j in range(16):
            for k in range(4):
                for l in range(4):
                    for i in range(8):
                        for m in range(3):
                            for q in range(3):
                                scores_t14[256*n + 16*j + 4*k + l] += (scores_t8[128*n + 16*i + 4*k + 4*m + l + q - 5] if 0 <= k + m - 1 < 4 and 0 <= l + q - 1 < 4 else <real>0)*second_W[72*j + 9*i + 3*m + q]
                    scores_t15[256*n + 16*j + 4*k + l] = (<real>0 if scores_t14[256*n + 16*j + 4*k + l] <= 0 else scores_t14[256*n + 16*j + 4*k + l])
    #     in flatten
    for n in range(N):
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    scores_t16[4*j + 2*k + l] = -inf
                    for i in range(2):
                        scores_t16_t1[128*n + 8*j + 4*k + 2*l + i] = -inf
                        for m in range(2):
                            scores_t16_t1[128*n + 8*j + 4*k + 2*l + i] = maximum(scores_t16_t1[128*n + 8*j + 4*k + 2*l + i], (scores_t15[256*n + 16*j + 8*k + 4*i + 2*l + m] if 0 <= 2*k + i < 4 and 0 <= 2*l + m < 4 else -inf))
                        scores_t16[4*j + 2*k + l] = maximum(scores_t16[4*j + 2*k + l], scores_t16_t1[128*n + 8*j + 4*k + 2*l + i])
        for j in range(64):
            scores_t17[64*n + j] = scores_t16[4*((j) // (4)) + 2*((((j) // (2))) % (2)) + ((j) % (2))]
    gemm(N, 10, 64, 1,
         scores_t17, 64, 1,
         head_W, 10, 1,
         1, scores, 10)
    # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
    loss_t4 = 0
    #     the largest, taken away below
    #     at most 1 each
    #     in softmax_cross_entropy
    for n in range(N):
        loss_t1_max = -inf
        for j in range(10):
            loss_t1_max = maximum(loss_t1_max, scores[10*n + j])
        loss_t1_shift = (<real>0 if absolute(loss_t1_max) == inf else loss_t1_max)
        for j in range(10):
            loss_t1_exp[10*n + j] = exp(scores[10*n + j] - loss_t1_shift)
        loss_t1_sum[n] = 0
        for j in range(10):
            loss_t1_sum[n] += loss_t1_exp[10*n + j]
        loss_t4 += loss_t1_shift + log(loss_t1_sum[n]) - scores[10*n + y[n]]
    loss[0] = loss_t4/N


cdef void backward(read x, indices y, read theta, write grad, read kept, write work, Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read second_W = theta + 80, head_W = theta + 1248
    cdef write d_first_W = grad, d_first_b = grad + 72, d_second_W = grad + 80, d_second_b = grad + 1232
    cdef write d_head_W = grad + 1248, d_head_b = grad + 1888
    cdef read scores_t6 = kept, scores_t7 = kept + 512*N, scores_t8_t1 = kept + 1024*N, scores_t8 = kept + 1280*N
    cdef read scores_t14 = kept + 1408*N, scores_t15 = kept + 1664*N, scores_t16_t1 = kept + 1920*N
    cdef read scores_t17 = kept + 2048*N, loss_t1_exp = kept + 2112*N, loss_t1_sum = kept + 2122*N
    cdef write d_scores = work, scores_t16_at = work + 10*N, scores_t16_t1_at = work + 74*N
    cdef write scores_t8_at = work + 202*N, scores_t8_t1_at = work + 330*N, d_scores_t17 = work + 586*N
    cdef real t1, t2, t3, t4, scores_t16_at_best, d_scores_t16_t1, scores_t16_t1_at_best, scores_t8_at_best
    cdef real d_scores_t8_t1, scores_t8_t1_at_best
    cdef real d_scores_t16[64]
    cdef real d_scores_t15[16]
    cdef real d_scores_t14[4]
    cdef real d_scores_t13[16]
    cdef real d_scores_t8[128]
    cdef real d_scores_t7[64]
    cdef real d_scores_t6[8]
    cdef real d_scores_t5[8]
    cdef Py_ssize_t j, n, k, l, i, m, q
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    for j in range(10):
        d_head_b[j] = 0
    for n in range(N):
        # examples/lenet.gw:15   backward of  minimize mean(softmax_cross_entropy(scores, y))
        #     scores is used 2 times: its adjoints add
        #     exp(t - logsumexp(t)): the softmax
        #     d loss / d loss_t4 = 1 / N
        #     exp(scores - loss_t1_shift) is there already: loss_t1_exp, and this is loss_t1_exp / (loss_t1_sum * N)
        for j in range(10):
            d_scores[10*n + j] = loss_t1_exp[10*n + j]/(loss_t1_sum[n]*N)
        d_scores[10*n + y[n]] -= <real>1/N
        # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        #     where the max is
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    scores_t16_at[64*n + 4*j + 2*k + l] = 0
                    scores_t16_at_best = -inf
                    for i in range(2):
                        t1 = scores_t16_t1[128*n + 8*j + 4*k + 2*l + i]
                        if t1 > scores_t16_at_best or (i == 0) or (t1 != t1 and scores_t16_at_best == scores_t16_at_best):
                            scores_t16_at_best = t1
                            scores_t16_at[64*n + 4*j + 2*k + l] = i
                    for i in range(2):
                        scores_t16_t1_at[128*n + 8*j + 4*k + 2*l + i] = 0
                        scores_t16_t1_at_best = -inf
                        for m in range(2):
                            t2 = (scores_t15[256*n + 16*j + 8*k + 4*i + 2*l + m] if 0 <= 2*k + i < 4 and 0 <= 2*l + m < 4 else -inf)
                            if t2 > scores_t16_t1_at_best or (m == 0) or (t2 != t2 and scores_t16_t1_at_best == scores_t16_t1_at_best):
                                scores_t16_t1_at_best = t2
                                scores_t16_t1_at[128*n + 8*j + 4*k + 2*l + i] = m
        for j in range(8):
            for k in range(4):
                for l in range(4):
                    scores_t8_at[128*n + 16*j + 4*k + l] = 0
                    scores_t8_at_best = -inf
                    for i in range(2):
                        t3 = scores_t8_t1[256*n + 32*j + 8*k + 2*l + i]
                        if t3 > scores_t8_at_best or (i == 0) or (t3 != t3 and scores_t8_at_best == scores_t8_at_best):
                            scores_t8_at_best = t3
                            scores_t8_at[128*n + 16*j + 4*k + l] = i
                    for i in range(2):
                        scores_t8_t1_at[256*n + 32*j + 8*k + 2*l + i] = 0
                        scores_t8_t1_at_best = -inf
                        for m in range(2):
                            t4 = (scores_t7[512*n + 64*j + 16*k + 8*i + 2*l + m] if 0 <= 2*k + i < 8 and 0 <= 2*l + m < 8 else -inf)
                            if t4 > scores_t8_t1_at_best or (m == 0) or (t4 != t4 and scores_t8_t1_at_best == scores_t8_t1_at_best):
                                scores_t8_t1_at_best = t4
                                scores_t8_t1_at[256*n + 32*j + 8*k + 2*l + i] = m
        for j in range(10):
            d_head_b[j] += d_scores[10*n + j]
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         head_W, 1, 10,
         0, d_scores_t17, 64)
    for j in range(16):
        d_scores_t13[j] = 0
    for j in range(8):
        d_scores_t5[j] = 0
    for j in range(8):
        for k in range(3):
            for l in range(3):
                d_first_W[9*j + 3*k + l] = 0
    for j in range(16):
        for k in range(8):
            for l in range(3):
                for i in range(3):
                    d_second_W[72*j + 9*k + 3*l + i] = 0
    #     max routes: the whole gradient goes to the first winner
    #     d scores_t15 / d scores_t14 = where(scores_t14 <= 0, 0, 1)
    #     d scores_t7 / d scores_t6 = where(scores_t6 <= 0, 0, 1)
    for n in range(N):
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    d_scores_t16[4*j + 2*k + l] = 0
        for j in range(8):
            for k in range(4):
                for l in range(4):
                    d_scores_t8[16*j + 4*k + l] = 0
        for j in range(16):
            for k in range(4):
                d_scores_t16[4*j + 2*((((4*j + k) // (2))) % (2)) + ((4*j + k) % (2))] += d_scores_t17[64*n + 4*j + k]
            for k in range(4):
                for l in range(4):
                    d_scores_t15[4*k + l] = 0
            for k in range(2):
                for l in range(2):
                    for i in range(2):
                        d_scores_t16_t1 = (d_scores_t16[4*j + 2*k + l] if i == scores_t16_at[64*n + 4*j + 2*k + l] else <real>0)
                        for m in range(2):
                            if 0 <= 2*k + i < 4 and 0 <= 2*l + m < 4:
                                d_scores_t15[8*k + 4*i + 2*l + m] += (d_scores_t16_t1 if m == scores_t16_t1_at[128*n + 8*j + 4*k + 2*l + i] else <real>0)
            for k in range(4):
                for l in range(4):
                    d_scores_t14[l] = d_scores_t15[4*k + l]*(<real>0 if scores_t14[256*n + 16*j + 4*k + l] <= 0 else <real>1)
                    for i in range(8):
                        for m in range(3):
                            for q in range(3):
                                if 0 <= k + m - 1 < 4 and 0 <= l + q - 1 < 4:
                                    d_scores_t8[16*i + 4*k + 4*m + l + q - 5] += d_scores_t14[l]*second_W[72*j + 9*i + 3*m + q]
                    for i in range(8):
                        for m in range(3):
                            for q in range(3):
                                d_second_W[72*j + 9*i + 3*m + q] += d_scores_t14[l]*(scores_t8[128*n + 16*i + 4*k + 4*m + l + q - 5] if 0 <= k + m - 1 < 4 and 0 <= l + q - 1 < 4 else <real>0)
                for l in range(4):
                    d_scores_t13[j] += d_scores_t14[l]
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    d_scores_t7[8*k + l] = 0
            for k in range(4):
                for l in range(4):
                    for i in range(2):
                        d_scores_t8_t1 = (d_scores_t8[16*j + 4*k + l] if i == scores_t8_at[128*n + 16*j + 4*k + l] else <real>0)
                        for m in range(2):
                            if 0 <= 2*k + i < 8 and 0 <= 2*l + m < 8:
                                d_scores_t7[16*k + 8*i + 2*l + m] += (d_scores_t8_t1 if m == scores_t8_t1_at[256*n + 32*j + 8*k + 2*l + i] else <real>0)
            for k in range(8):
                for l in range(8):
                    d_scores_t6[l] = d_scores_t7[8*k + l]*(<real>0 if scores_t6[512*n + 64*j + 8*k + l] <= 0 else <real>1)
                    for i in range(3):
                        for m in range(3):
                            d_first_W[9*j + 3*i + m] += d_scores_t6[l]*(x[64*n + 8*k + 8*i + l + m - 9] if 0 <= k + i - 1 < 8 and 0 <= l + m - 1 < 8 else <real>0)
                for l in range(8):
                    d_scores_t5[j] += d_scores_t6[l]
    for j in range(8):
        d_first_b[j] = d_scores_t5[j]
    for j in range(16):
        d_second_b[j] = d_scores_t13[j]
    gemm(64, 10, N, 1,
         scores_t17, 1, 64,
         d_scores, 10, 1,
         0, d_head_W, 10)


cdef void train(read x, indices y, read theta, write loss, write grad, write work, Py_ssize_t N) noexcept nogil:
    # the loss and its gradient in one go
    cdef read first_W = theta, first_b = theta + 72, second_W = theta + 80, second_b = theta + 1232
    cdef read head_W = theta + 1248, head_b = theta + 1888
    cdef write d_first_W = grad, d_first_b = grad + 72, d_second_W = grad + 80, d_second_b = grad + 1232
    cdef write d_head_W = grad + 1248, d_head_b = grad + 1888
    cdef write scores_t6 = work, scores_t7 = work + 512*N, scores_t14 = work + 1024*N, scores_t8 = work + 1280*N
    cdef write scores_t8_at = work + 1408*N, scores_t8_t1_at = work + 1536*N, scores_t15 = work + 1792*N
    cdef write scores_t17 = work + 2048*N, scores_t16_at = work + 2112*N, scores_t16_t1_at = work + 2176*N
    cdef write scores_t18 = work + 2304*N, d_scores = work + 2314*N, d_scores_t17 = work + 2324*N
    cdef real t1, t2, t3, t4, scores_t8_t1, scores_t16_t1, loss_t1_max, loss_t1_shift, loss_t1_sum, scores_t16_at_best
    cdef real d_scores_t16_t1, scores_t16_t1_at_best, scores_t8_at_best, d_scores_t8_t1, scores_t8_t1_at_best
    cdef real scores_t16[64]
    cdef real scores[10]
    cdef real loss_t1_exp[10]
    cdef real d_scores_t16[64]
    cdef real d_scores_t15[16]
    cdef real d_scores_t14[4]
    cdef real d_scores_t13[16]
    cdef real d_scores_t8[128]
    cdef real d_scores_t7[64]
    cdef real d_scores_t6[8]
    cdef real d_scores_t5[8]
    cdef double loss_t4
    cdef Py_ssize_t n, j, k, l, i, m, q
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     in conv2d
    for n in range(N):
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    scores_t6[512*n + 64*j + 8*k + l] = first_b[j]
                    for i in range(3):
                        for m in range(3):
                            scores_t6[512*n + 64*j + 8*k + l] += (x[64*n + 8*k + 8*i + l + m - 9] if 0 <= k + i - 1 < 8 and 0 <= l + m - 1 < 8 else <real>0)*first_W[9*j + 3*i + m]
                    scores_t7[512*n + 64*j + 8*k + l] = (<real>0 if scores_t6[512*n + 64*j + 8*k + l] <= 0 else scores_t6[512*n + 64*j + 8*k + l])
        for j in range(16):
            for k in range(4):
                for l in range(4):
                    scores_t14[256*n + 16*j + 4*k + l] = second_b[j]
    for n in range(N):
        for j in range(8):
            for k in range(4):
                for l in range(4):
                    scores_t8[128*n + 16*j + 4*k + l] = -inf
                    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                    scores_t8_at[128*n + 16*j + 4*k + l] = 0
                    scores_t8_at_best = -inf
                    for i in range(2):
                        # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                        scores_t8_t1 = -inf
                        #     in max_pool2d
                        for m in range(2):
                            scores_t8_t1 = maximum(scores_t8_t1, (scores_t7[512*n + 64*j + 16*k + 8*i + 2*l + m] if 0 <= 2*k + i < 8 and 0 <= 2*l + m < 8 else -inf))
                        scores_t8[128*n + 16*j + 4*k + l] = maximum(scores_t8[128*n + 16*j + 4*k + l], scores_t8_t1)
                        # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                        #     where the max is
                        t1 = scores_t8_t1
                        if t1 > scores_t8_at_best or (i == 0) or (t1 != t1 and scores_t8_at_best == scores_t8_at_best):
                            scores_t8_at_best = t1
                            scores_t8_at[128*n + 16*j + 4*k + l] = i
                    for i in range(2):
                        scores_t8_t1_at[256*n + 32*j + 8*k + 2*l + i] = 0
                        scores_t8_t1_at_best = -inf
                        for m in range(2):
                            t2 = (scores_t7[512*n + 64*j + 16*k + 8*i + 2*l + m] if 0 <= 2*k + i < 8 and 0 <= 2*l + m < 8 else -inf)
                            if t2 > scores_t8_t1_at_best or (m == 0) or (t2 != t2 and scores_t8_t1_at_best == scores_t8_t1_at_best):
                                scores_t8_t1_at_best = t2
                                scores_t8_t1_at[256*n + 32*j + 8*k + 2*l + i] = m
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     in conv2d
    for n in range(N):
        for j in range(16):
            for k in range(4):
                for l in range(4):
                    for i in range(8):
                        for m in range(3):
                            for q in range(3):
                                scores_t14[256*n + 16*j + 4*k + l] += (scores_t8[128*n + 16*i + 4*k + 4*m + l + q - 5] if 0 <= k + m - 1 < 4 and 0 <= l + q - 1 < 4 else <real>0)*second_W[72*j + 9*i + 3*m + q]
                    scores_t15[256*n + 16*j + 4*k + l] = (<real>0 if scores_t14[256*n + 16*j + 4*k + l] <= 0 else scores_t14[256*n + 16*j + 4*k + l])
    for n in range(N):
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    scores_t16[4*j + 2*k + l] = -inf
                    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                    scores_t16_at[64*n + 4*j + 2*k + l] = 0
                    scores_t16_at_best = -inf
                    for i in range(2):
                        # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                        scores_t16_t1 = -inf
                        #     in max_pool2d
                        for m in range(2):
                            scores_t16_t1 = maximum(scores_t16_t1, (scores_t15[256*n + 16*j + 8*k + 4*i + 2*l + m] if 0 <= 2*k + i < 4 and 0 <= 2*l + m < 4 else -inf))
                        scores_t16[4*j + 2*k + l] = maximum(scores_t16[4*j + 2*k + l], scores_t16_t1)
                        # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                        #     where the max is
                        t3 = scores_t16_t1
                        if t3 > scores_t16_at_best or (i == 0) or (t3 != t3 and scores_t16_at_best == scores_t16_at_best):
                            scores_t16_at_best = t3
                            scores_t16_at[64*n + 4*j + 2*k + l] = i
                    for i in range(2):
                        scores_t16_t1_at[128*n + 8*j + 4*k + 2*l + i] = 0
                        scores_t16_t1_at_best = -inf
                        for m in range(2):
                            t4 = (scores_t15[256*n + 16*j + 8*k + 4*i + 2*l + m] if 0 <= 2*k + i < 4 and 0 <= 2*l + m < 4 else -inf)
                            if t4 > scores_t16_t1_at_best or (m == 0) or (t4 != t4 and scores_t16_t1_at_best == scores_t16_t1_at_best):
                                scores_t16_t1_at_best = t4
                                scores_t16_t1_at[128*n + 8*j + 4*k + 2*l + i] = m
        # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        #     in flatten
        for j in range(64):
            scores_t17[64*n + j] = scores_t16[4*((j) // (4)) + 2*((((j) // (2))) % (2)) + ((j) % (2))]
    #     in dense
    gemm(N, 10, 64, 1,
         scores_t17, 64, 1,
         head_W, 10, 1,
         0, scores_t18, 10)
    # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
    loss_t4 = 0
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    for j in range(10):
        d_head_b[j] = 0
    for n in range(N):
        # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        #     in dense
        for j in range(10):
            scores[j] = scores_t18[10*n + j] + head_b[j]
        # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
        loss_t1_max = -inf
        #     the largest, taken away below
        for j in range(10):
            loss_t1_max = maximum(loss_t1_max, scores[j])
        loss_t1_shift = (<real>0 if absolute(loss_t1_max) == inf else loss_t1_max)
        #     at most 1 each
        for j in range(10):
            loss_t1_exp[j] = exp(scores[j] - loss_t1_shift)
        loss_t1_sum = 0
        for j in range(10):
            loss_t1_sum += loss_t1_exp[j]
        #     in softmax_cross_entropy
        loss_t4 += loss_t1_shift + log(loss_t1_sum) - scores[y[n]]
        # examples/lenet.gw:15   backward of  minimize mean(softmax_cross_entropy(scores, y))
        #     scores is used 2 times: its adjoints add
        #     exp(t - logsumexp(t)): the softmax
        #     d loss / d loss_t4 = 1 / N
        #     exp(scores - loss_t1_shift) is there already: loss_t1_exp, and this is loss_t1_exp / (loss_t1_sum * N)
        for j in range(10):
            d_scores[10*n + j] = loss_t1_exp[j]/(loss_t1_sum*N)
        d_scores[10*n + y[n]] -= <real>1/N
        # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        for j in range(10):
            d_head_b[j] += d_scores[10*n + j]
    # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
    loss[0] = loss_t4/N
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         head_W, 1, 10,
         0, d_scores_t17, 64)
    for j in range(16):
        d_scores_t13[j] = 0
    for j in range(8):
        d_scores_t5[j] = 0
    for j in range(8):
        for k in range(3):
            for l in range(3):
                d_first_W[9*j + 3*k + l] = 0
    for j in range(16):
        for k in range(8):
            for l in range(3):
                for i in range(3):
                    d_second_W[72*j + 9*k + 3*l + i] = 0
    #     max routes: the whole gradient goes to the first winner
    #     d scores_t15 / d scores_t14 = where(scores_t14 <= 0, 0, 1)
    #     d scores_t7 / d scores_t6 = where(scores_t6 <= 0, 0, 1)
    for n in range(N):
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    d_scores_t16[4*j + 2*k + l] = 0
        for j in range(8):
            for k in range(4):
                for l in range(4):
                    d_scores_t8[16*j + 4*k + l] = 0
        for j in range(16):
            for k in range(4):
                d_scores_t16[4*j + 2*((((4*j + k) // (2))) % (2)) + ((4*j + k) % (2))] += d_scores_t17[64*n + 4*j + k]
            for k in range(4):
                for l in range(4):
                    d_scores_t15[4*k + l] = 0
            for k in range(2):
                for l in range(2):
                    for i in range(2):
                        d_scores_t16_t1 = (d_scores_t16[4*j + 2*k + l] if i == scores_t16_at[64*n + 4*j + 2*k + l] else <real>0)
                        for m in range(2):
                            if 0 <= 2*k + i < 4 and 0 <= 2*l + m < 4:
                                d_scores_t15[8*k + 4*i + 2*l + m] += (d_scores_t16_t1 if m == scores_t16_t1_at[128*n + 8*j + 4*k + 2*l + i] else <real>0)
            for k in range(4):
                for l in range(4):
                    d_scores_t14[l] = d_scores_t15[4*k + l]*(<real>0 if scores_t14[256*n + 16*j + 4*k + l] <= 0 else <real>1)
                    for i in range(8):
                        for m in range(3):
                            for q in range(3):
                                if 0 <= k + m - 1 < 4 and 0 <= l + q - 1 < 4:
                                    d_scores_t8[16*i + 4*k + 4*m + l + q - 5] += d_scores_t14[l]*second_W[72*j + 9*i + 3*m + q]
                        for m in range(3):
                            for q in range(3):
                                d_second_W[72*j + 9*i + 3*m + q] += d_scores_t14[l]*(scores_t8[128*n + 16*i + 4*k + 4*m + l + q - 5] if 0 <= k + m - 1 < 4 and 0 <= l + q - 1 < 4 else <real>0)
                for l in range(4):
                    d_scores_t13[j] += d_scores_t14[l]
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    d_scores_t7[8*k + l] = 0
            for k in range(4):
                for l in range(4):
                    for i in range(2):
                        d_scores_t8_t1 = (d_scores_t8[16*j + 4*k + l] if i == scores_t8_at[128*n + 16*j + 4*k + l] else <real>0)
                        for m in range(2):
                            if 0 <= 2*k + i < 8 and 0 <= 2*l + m < 8:
                                d_scores_t7[16*k + 8*i + 2*l + m] += (d_scores_t8_t1 if m == scores_t8_t1_at[256*n + 32*j + 8*k + 2*l + i] else <real>0)
            for k in range(8):
                for l in range(8):
                    d_scores_t6[l] = d_scores_t7[8*k + l]*(<real>0 if scores_t6[512*n + 64*j + 8*k + l] <= 0 else <real>1)
                    for i in range(3):
                        for m in range(3):
                            d_first_W[9*j + 3*i + m] += d_scores_t6[l]*(x[64*n + 8*k + 8*i + l + m - 9] if 0 <= k + i - 1 < 8 and 0 <= l + m - 1 < 8 else <real>0)
                for l in range(8):
                    d_scores_t5[j] += d_scores_t6[l]
    for j in range(8):
        d_first_b[j] = d_scores_t5[j]
    for j in range(16):
        d_second_b[j] = d_scores_t13[j]
    gemm(64, 10, N, 1,
         scores_t17, 1, 64,
         d_scores, 10, 1,
         0, d_head_W, 10)


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
    c1 = beta1*(1 - <real>0.5*pow(<real>0.96, t*momentum_decay))
    c2 = 1 - c1
    c3 = beta1*(1 - <real>0.5*pow(<real>0.96, (t + 1)*momentum_decay))
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
        w[i] = w[i] - lr*m_i/c7*(c8/(sqrt(v_i) + eps) if c9 else <real>1)


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
    predict(<read>s[0], <read>s[1], <write>s[2], <write>s[3], n[0])

cdef void _call_forward(void **s, const Py_ssize_t *n) noexcept nogil:
    forward(<read>s[0], <indices>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5], n[0])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <indices>s[1], <read>s[2], <write>s[3], <read>s[4], <write>s[5], n[0])

cdef void _call_train(void **s, const Py_ssize_t *n) noexcept nogil:
    train(<read>s[0], <indices>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5], n[0])

cdef kernel_t[4] _KERNELS = [_call_predict, _call_forward, _call_backward, _call_train]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

_REAL = 'float32'
# read as text: a literal of this size takes the Cython compiler a second
from ast import literal_eval as _literal
_SPEC = _literal("""{
    'gradwright': '0.1.0',
    'name': 'lenet',
    'doc': 'a small convolutional network that reads handwritten digits of 8 by 8 pixels',
    'source': 'examples/lenet.gw',
    'hash': '6a9f93f9e3904718b3c5e31f6d8e12ced9c97c6d71383d8e0979a8c6e3fdabac',
    'dtype': 'float32',
    'backend': 'cython',
    'sizes': ('N',),
    'fixed': {},
    'inputs': (
        {
            'name': 'x',
            'kind': 'real',
            'shape': ('N', 1, 8, 8),
            'below': None,
            'declared': 'x[N, 1, 8, 8]',
            'line': 7,
            'doc': 'Images of one channel.',
        },
        {
            'name': 'y',
            'kind': 'index',
            'shape': ('N',),
            'below': 10,
            'declared': 'y[N]',
            'line': 9,
            'doc': 'The digit that each image shows.',
        },
    ),
    'params': (
        {
            'name': 'first.W',
            'shape': (8, 1, 3, 3),
            'offset': 0,
            'frozen': False,
            'init': ('he_uniform',),
            'line': 12,
            'doc': '',
        },
        {
            'name': 'first.b',
            'shape': (8,),
            'offset': 72,
            'frozen': False,
            'init': ('values', (0.0,)),
            'line': 12,
            'doc': '',
        },
        {
            'name': 'second.W',
            'shape': (16, 8, 3, 3),
            'offset': 80,
            'frozen': False,
            'init': ('he_uniform',),
            'line': 12,
            'doc': '',
        },
        {
            'name': 'second.b',
            'shape': (16,),
            'offset': 1232,
            'frozen': False,
            'init': ('values', (0.0,)),
            'line': 12,
            'doc': '',
        },
        {
            'name': 'head.W',
            'shape': (64, 10),
            'offset': 1248,
            'frozen': False,
            'init': ('glorot_uniform',),
            'line': 12,
            'doc': '',
        },
        {
            'name': 'head.b',
            'shape': (10,),
            'offset': 1888,
            'frozen': False,
            'init': ('values', (0.0,)),
            'line': 12,
            'doc': '',
        },
    ),
    'hypers': (),
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
            'wrt': (
                ('first.W', 'param'),
                ('first.b', 'param'),
                ('second.W', 'param'),
                ('second.b', 'param'),
                ('head.W', 'param'),
                ('head.b', 'param'),
            ),
        },
    ),
    'values': {
        'loss:first.W': (8, 1, 3, 3),
        'loss:first.b': (8,),
        'loss:second.W': (16, 8, 3, 3),
        'loss:second.b': (16,),
        'loss:head.W': (64, 10),
        'loss:head.b': (10,),
    },
    'kept': (
        ('scores_t6', 0, ('N', 8, 8, 8)),
        ('scores_t7', ('*', 512, 'N'), ('N', 8, 8, 8)),
        ('scores_t8', ('*', 1280, 'N'), ('N', 8, 4, 4)),
        ('scores_t14', ('*', 1408, 'N'), ('N', 16, 4, 4)),
        ('scores_t15', ('*', 1664, 'N'), ('N', 16, 4, 4)),
        ('scores_t17', ('*', 2048, 'N'), ('N', 64)),
    ),
    'lines': ((12, 'scores', ('N', 10), ('*', 96522, 'N'), 4), (15, 'loss', (), ('+', ('*', 12, 'N'), 1), 4)),
    'kernels': (
        {
            'name': 'predict',
            'slots': ('in:x', 'theta', 'out:scores', 'work'),
            'kept': 0,
            'work': ('*', 960, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'forward',
            'slots': ('in:x', 'in:y', 'theta', 'out:scores', 'out:loss', 'kept'),
            'kept': ('*', 2123, 'N'),
            'work': 0,
            'sizes': ('N',),
        },
        {
            'name': 'backward',
            'slots': ('in:x', 'in:y', 'theta', 'grad:loss', 'kept', 'work'),
            'kept': ('*', 2123, 'N'),
            'work': ('*', 650, 'N'),
            'sizes': ('N',),
        },
        {
            'name': 'train',
            'slots': ('in:x', 'in:y', 'theta', 'out:loss', 'grad:loss', 'work'),
            'kept': 0,
            'work': ('*', 2388, 'N'),
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
    'layers': {
        'first': 'conv2d',
        'max_pool2d_1': 'max_pool2d',
        'second': 'conv2d',
        'max_pool2d_2': 'max_pool2d',
        'flatten_1': 'flatten',
        'head': 'dense',
    },
}""")

include "gradwright/module.pxi"
