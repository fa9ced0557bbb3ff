# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""lenet: a small convolutional network that reads handwritten digits of 8 by 8 pixels

Made by gradwright 0.1.0 from examples/lenet.gw (sha256 6a9f93f9e3904718); edit the model and make it again:
    gradwright compile examples/lenet.gw

Sizes        N is free
Inputs       x[N, 1, 8, 8] y[N]
Parameters   first.W[8, 1, 3, 3] first.b[8] second.W[16, 8, 3, 3] second.b[16] head.W[64, 10] head.b[10]: 1898 float32, in this order in theta
Kept         x_pad[N, 1, 10, 10] scores_conv2d1[N, 8, 8, 8] scores_max_pool2d1_t1_t1[N, 4, 2, 4, 8] scores_max_pool2d1_pad[N, 6, 6, 8] scores_conv2d2[N, 4, 4, 16] scores_max_pool2d2_t1_t1[N, 2, 2, 2, 16] scores_max_pool2d2[N, 2, 2, 16] loss_lse1_exp[N, 10] loss_lse1_sum[N] for the backward pass
Unnamed      scores_conv2d1     = x |> conv2d(8, kernel=3, pad=1) as first
             scores_max_pool2d1 = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
Operations   the forward graph as written: 96534*N + 1
             predict 49098*N; bytes moved 5176*N + 12200
             forward 49146*N + 1, 11*N of them transcendental; bytes moved 6764*N + 12204
             backward 89761*N; bytes moved 13420*N + 23976
             train 138907*N + 1, 11*N of them transcendental; bytes moved 12136*N + 29012
Products     scores_sum1 (64*N x 8 x 9) in predict: tiles of 8 x (1/2) vectors with AVX-512, 4 x (1) vectors with AVX2
             scores_sum3 (16*N x 16 x 72) in predict: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2
             scores (N x 10 x 64) in predict, forward, train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2, head.b added in registers
             scores_conv2d1 (64*N x 8 x 9) in forward, train: tiles of 8 x (1/2) vectors with AVX-512, 4 x (1) vectors with AVX2, first.b added in registers
             scores_conv2d2 (16*N x 16 x 72) in forward, train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2, second.b added in registers
             d_scores_flatten1 (N x 64 x 10) in backward, train: tiles of 8 x (2*2) vectors with AVX-512, 4 x (2*3+2) vectors with AVX2; of few rows, its transpose
             d_scores_max_pool2d1 (16*N x 8 x 144) in backward, train: tiles of 8 x (1/2) vectors with AVX-512, 4 x (1) vectors with AVX2
             d_first.W_laid (9 x 8 x 64*N) in backward, train: tiles of 8 x (1/2) vectors with AVX-512, 4 x (1) vectors with AVX2
             d_second.W_laid (72 x 16 x 16*N) in backward, train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2
             d_head.W (64 x 10 x N) in backward, train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2
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
    bint above "gw_abovef"(float x, float best) noexcept
    float pick "gw_pickf"(bint condition, float if_true, float otherwise) noexcept
cdef extern from "math.h" nogil:
    float inf "INFINITY"
cdef extern from "gradwright/sum.h" nogil:
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
cdef extern from "gradwright/contract.h" nogil:
    # c[i, j] = alpha * sum(a[i, l] * b[l, j] for l) + beta * c[i, j]: three loops over rows,
    # each with its extent and its steps in a and c; three over depth, in a and b; one over columns
    void contract "gw_contract_f32"(
        Py_ssize_t m0, Py_ssize_t a_i0, Py_ssize_t c_i0, Py_ssize_t m1, Py_ssize_t a_i1, Py_ssize_t c_i1, Py_ssize_t m2, Py_ssize_t a_i2, Py_ssize_t c_i2,
        Py_ssize_t k0, Py_ssize_t a_l0, Py_ssize_t b_l0, Py_ssize_t k1, Py_ssize_t a_l1, Py_ssize_t b_l1, Py_ssize_t k2, Py_ssize_t a_l2, Py_ssize_t b_l2,
        Py_ssize_t n, Py_ssize_t b_j, Py_ssize_t c_j,
        float alpha, const float *a, const float *b, float beta, float *c) noexcept
cdef extern from "gradwright/contract.h" nogil:
    # c[i, j] = alpha * sum(a[i, l] * b[l, j] for l) + beta * d[i, j]: three loops over rows, each
    # with its extent and its steps in a, c and d; three over depth, in a and b; one over columns
    void contract_onto "gw_contract_onto_f32"(
        Py_ssize_t m0, Py_ssize_t a_i0, Py_ssize_t c_i0, Py_ssize_t d_i0, Py_ssize_t m1, Py_ssize_t a_i1, Py_ssize_t c_i1, Py_ssize_t d_i1, Py_ssize_t m2, Py_ssize_t a_i2, Py_ssize_t c_i2, Py_ssize_t d_i2,
        Py_ssize_t k0, Py_ssize_t a_l0, Py_ssize_t b_l0, Py_ssize_t k1, Py_ssize_t a_l1, Py_ssize_t b_l1, Py_ssize_t k2, Py_ssize_t a_l2, Py_ssize_t b_l2,
        Py_ssize_t n, Py_ssize_t b_j, Py_ssize_t c_j, Py_ssize_t d_j,
        float alpha, const float *a, const float *b, float beta, const float *d, int stored, float *c) noexcept

ctypedef float real


cdef void predict(read x, read theta, write scores, write work, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read first_W = theta, first_b = theta + 72, second_W = theta + 80, second_b = theta + 1232
    cdef read head_W = theta + 1248, head_b = theta + 1888
    cdef write x_pad = work + 512*N + 1152, scores_sum1 = work + 1152, scores_max_pool2d1_pad = work + 512*N + 1152
    cdef write second_W_laid = work, scores_sum3 = work + 1152, scores_max_pool2d2 = work + 256*N + 1152
    cdef real scores_max_pool2d1_t1, scores_max_pool2d1, scores_max_pool2d2_t1
    cdef real first_W_laid[72]
    cdef real scores_max_pool2d1_t1_t1[2]
    cdef real scores_max_pool2d2_t1_t1[2]
    cdef Py_ssize_t n, j, k, l, i
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     x with zeros around it
    for n in range(N):
        for j in range(10):
            for k in range(10):
                x_pad[100*n + 10*j + k] = 0
        for j in range(8):
            for k in range(8):
                x_pad[100*n + 10*j + k + 11] = x[64*n + 8*j + k]
    #     first.W as the kernel reads it
    for j in range(3):
        for k in range(3):
            for l in range(8):
                first_W_laid[24*j + 8*k + l] = first_W[9*l + 3*j + k]
    #     in conv2d
    contract(N, 100, 512,  8, 10, 64,  8, 1, 8,
             1, 0, 0,  3, 10, 24,  3, 1, 8,
             8, 1, 1,
             1, x_pad, first_W_laid, 0, scores_sum1)
    #     in max_pool2d
    #     of the largest: it keeps order
    #     scores_max_pool2d1 with zeros around it
    for n in range(N):
        for j in range(6):
            for k in range(6):
                for l in range(8):
                    scores_max_pool2d1_pad[288*n + 48*j + 8*k + l] = 0
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    scores_max_pool2d1_t1_t1[0] = maximum(scores_sum1[512*n + 128*j + 16*k + l] + first_b[l], scores_sum1[512*n + 128*j + 16*k + l + 8] + first_b[l])
                    scores_max_pool2d1_t1_t1[1] = maximum(scores_sum1[512*n + 128*j + 16*k + l + 64] + first_b[l], scores_sum1[512*n + 128*j + 16*k + l + 72] + first_b[l])
                    scores_max_pool2d1_t1 = maximum(scores_max_pool2d1_t1_t1[0], scores_max_pool2d1_t1_t1[1])
                    scores_max_pool2d1 = (<real>0 if scores_max_pool2d1_t1 <= 0 else scores_max_pool2d1_t1)
                    scores_max_pool2d1_pad[288*n + 48*j + 8*k + l + 56] = scores_max_pool2d1
    #     second.W as the kernel reads it
    for j in range(8):
        for k in range(3):
            for l in range(3):
                for i in range(16):
                    second_W_laid[384*k + 128*l + 16*j + i] = second_W[72*i + 9*j + 3*k + l]
    contract(N, 288, 256,  4, 48, 64,  4, 8, 16,
             1, 0, 0,  3, 48, 384,  24, 1, 16,
             16, 1, 1,
             1, scores_max_pool2d1_pad, second_W_laid, 0, scores_sum3)
    for n in range(N):
        for j in range(2):
            for k in range(2):
                for l in range(16):
                    scores_max_pool2d2_t1_t1[0] = maximum(scores_sum3[256*n + 128*j + 32*k + l] + second_b[l], scores_sum3[256*n + 128*j + 32*k + l + 16] + second_b[l])
                    scores_max_pool2d2_t1_t1[1] = maximum(scores_sum3[256*n + 128*j + 32*k + l + 64] + second_b[l], scores_sum3[256*n + 128*j + 32*k + l + 80] + second_b[l])
                    scores_max_pool2d2_t1 = maximum(scores_max_pool2d2_t1_t1[0], scores_max_pool2d2_t1_t1[1])
                    scores_max_pool2d2[64*n + 32*j + 16*k + l] = (<real>0 if scores_max_pool2d2_t1 <= 0 else scores_max_pool2d2_t1)
    #     in dense
    #     in flatten
    contract_onto(1, 0, 0, 0,  1, 0, 0, 0,  N, 64, 10, 0,
                  1, 0, 0,  4, 16, 10,  16, 1, 40,
                  10, 1, 1, 1,
                  1, scores_max_pool2d2, head_W, 1, head_b, as_it_is, scores)


cdef void forward(read x, indices y, read theta, write scores, write loss, write kept, write work,
                  Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read first_W = theta, first_b = theta + 72, second_W = theta + 80, second_b = theta + 1232
    cdef read head_W = theta + 1248, head_b = theta + 1888
    cdef write x_pad = kept, scores_conv2d1 = kept + 100*N, scores_max_pool2d1_t1_t1 = kept + 612*N
    cdef write scores_max_pool2d1_pad = kept + 868*N, scores_conv2d2 = kept + 1156*N
    cdef write scores_max_pool2d2_t1_t1 = kept + 1412*N, scores_max_pool2d2 = kept + 1540*N
    cdef write loss_lse1_exp = kept + 1604*N, loss_lse1_sum = kept + 1614*N
    cdef write second_W_laid = work
    cdef real scores_max_pool2d1_t1, scores_max_pool2d1, scores_max_pool2d2_t1, loss_lse1_max
    cdef real loss_sum1_block[8]
    cdef real first_W_laid[72]
    cdef real loss_lse1_shift[8]
    cdef double loss_sum1
    cdef Py_ssize_t n, j, k, l, i, n_start, n_count, n_in
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     x with zeros around it
    for n in range(N):
        for j in range(10):
            for k in range(10):
                x_pad[100*n + 10*j + k] = 0
        for j in range(8):
            for k in range(8):
                x_pad[100*n + 10*j + k + 11] = x[64*n + 8*j + k]
    #     first.W as the kernel reads it
    for j in range(3):
        for k in range(3):
            for l in range(8):
                first_W_laid[24*j + 8*k + l] = first_W[9*l + 3*j + k]
    #     in conv2d
    contract_onto(N, 100, 512, 0,  8, 10, 64, 0,  8, 1, 8, 0,
                  1, 0, 0,  3, 10, 24,  3, 1, 8,
                  8, 1, 1, 1,
                  1, x_pad, first_W_laid, 1, first_b, as_it_is, scores_conv2d1)
    #     in max_pool2d
    #     of the largest: it keeps order
    #     scores_max_pool2d1 with zeros around it
    for n in range(N):
        for j in range(6):
            for k in range(6):
                for l in range(8):
                    scores_max_pool2d1_pad[288*n + 48*j + 8*k + l] = 0
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    scores_max_pool2d1_t1_t1[256*n + 64*j + 8*k + l] = maximum(scores_conv2d1[512*n + 128*j + 16*k + l], scores_conv2d1[512*n + 128*j + 16*k + l + 8])
                    scores_max_pool2d1_t1_t1[256*n + 64*j + 8*k + l + 32] = maximum(scores_conv2d1[512*n + 128*j + 16*k + l + 64], scores_conv2d1[512*n + 128*j + 16*k + l + 72])
                    scores_max_pool2d1_t1 = maximum(scores_max_pool2d1_t1_t1[256*n + 64*j + 8*k + l], scores_max_pool2d1_t1_t1[256*n + 64*j + 8*k + l + 32])
                    scores_max_pool2d1 = (<real>0 if scores_max_pool2d1_t1 <= 0 else scores_max_pool2d1_t1)
                    scores_max_pool2d1_pad[288*n + 48*j + 8*k + l + 56] = scores_max_pool2d1
    #     second.W as the kernel reads it
    for j in range(8):
        for k in range(3):
            for l in range(3):
                for i in range(16):
                    second_W_laid[384*k + 128*l + 16*j + i] = second_W[72*i + 9*j + 3*k + l]
    contract_onto(N, 288, 256, 0,  4, 48, 64, 0,  4, 8, 16, 0,
                  1, 0, 0,  3, 48, 384,  24, 1, 16,
                  16, 1, 1, 1,
                  1, scores_max_pool2d1_pad, second_W_laid, 1, second_b, as_it_is, scores_conv2d2)
    for n in range(N):
        for j in range(2):
            for k in range(2):
                for l in range(16):
                    scores_max_pool2d2_t1_t1[128*n + 64*j + 16*k + l] = maximum(scores_conv2d2[256*n + 128*j + 32*k + l], scores_conv2d2[256*n + 128*j + 32*k + l + 16])
                    scores_max_pool2d2_t1_t1[128*n + 64*j + 16*k + l + 32] = maximum(scores_conv2d2[256*n + 128*j + 32*k + l + 64], scores_conv2d2[256*n + 128*j + 32*k + l + 80])
                    scores_max_pool2d2_t1 = maximum(scores_max_pool2d2_t1_t1[128*n + 64*j + 16*k + l], scores_max_pool2d2_t1_t1[128*n + 64*j + 16*k + l + 32])
                    scores_max_pool2d2[64*n + 32*j + 16*k + l] = (<real>0 if scores_max_pool2d2_t1 <= 0 else scores_max_pool2d2_t1)
    #     in dense
    #     in flatten
    contract_onto(1, 0, 0, 0,  1, 0, 0, 0,  N, 64, 10, 0,
                  1, 0, 0,  4, 16, 10,  16, 1, 40,
                  10, 1, 1, 1,
                  1, scores_max_pool2d2, head_W, 1, head_b, as_it_is, scores)
    # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
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
    loss[0] = loss_sum1/N


cdef void backward(indices y, read theta, write grad, read kept, write work, Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read second_W = theta + 80, head_W = theta + 1248
    cdef write d_first_W = grad, d_first_b = grad + 72, d_second_W = grad + 80, d_second_b = grad + 1232
    cdef write d_head_W = grad + 1248, d_head_b = grad + 1888
    cdef read x_pad = kept, scores_conv2d1 = kept + 100*N, scores_max_pool2d1_t1_t1 = kept + 612*N
    cdef read scores_max_pool2d1_pad = kept + 868*N, scores_conv2d2 = kept + 1156*N
    cdef read scores_max_pool2d2_t1_t1 = kept + 1412*N, scores_max_pool2d2 = kept + 1540*N
    cdef read loss_lse1_exp = kept + 1604*N, loss_lse1_sum = kept + 1614*N
    cdef write scores_flatten1 = work + 1344*N + 1152, d_scores = work + 1408*N + 1152
    cdef write scores_max_pool2d2_t1_at_window = work + 1216*N + 1152
    cdef write scores_max_pool2d1_t1_at_window = work + 1088*N + 1152, d_scores_flatten1 = work + 1280*N + 1152
    cdef write d_scores_conv2d2_pad = work + 1152, second_W_laid_2 = work, d_scores_max_pool2d1 = work + 1216*N + 1152
    cdef write d_scores_conv2d1 = work + 576*N + 1152, d_second_W_laid = work
    cdef real d_scores_max_pool2d1_t1
    cdef real d_scores_max_pool2d2_t1[64]
    cdef real scores_max_pool2d2_t1_t1_at[2]
    cdef real d_scores_reshape6[16]
    cdef real scores_max_pool2d1_t1_t1_at[2]
    cdef real d_scores_reshape3[8]
    cdef real d_first_W_laid[72]
    cdef Py_ssize_t j, n, k, l, i
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    for j in range(10):
        d_head_b[j] = 0
    for n in range(N):
        # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        #     in flatten
        for j in range(16):
            scores_flatten1[64*n + 4*j] = scores_max_pool2d2[64*n + j]
            scores_flatten1[64*n + 4*j + 1] = scores_max_pool2d2[64*n + j + 16]
            scores_flatten1[64*n + 4*j + 2] = scores_max_pool2d2[64*n + j + 32]
            scores_flatten1[64*n + 4*j + 3] = scores_max_pool2d2[64*n + j + 48]
        # examples/lenet.gw:15   backward of  minimize mean(softmax_cross_entropy(scores, y))
        #     scores is used 2 times: its adjoints add
        #     exp(t - logsumexp(t)): the softmax
        #     d loss / d loss_sum1 = 1 / N
        #     exp(scores - loss_lse1_shift) is there already: loss_lse1_exp, and this is loss_lse1_exp / (loss_lse1_sum * N)
        for j in range(10):
            d_scores[10*n + j] = loss_lse1_exp[10*n + j]/(loss_lse1_sum[n]*N)
        d_scores[10*n + y[n]] -= <real>1/N
        # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        #     where the max is
        #     where the max is, in the window
        for j in range(2):
            for k in range(2):
                for l in range(16):
                    scores_max_pool2d2_t1_t1_at[0] = pick(above(scores_conv2d2[256*n + 128*j + 32*k + l + 16], scores_conv2d2[256*n + 128*j + 32*k + l]), <real>1, <real>0)
                    scores_max_pool2d2_t1_t1_at[1] = pick(above(scores_conv2d2[256*n + 128*j + 32*k + l + 80], scores_conv2d2[256*n + 128*j + 32*k + l + 64]), <real>1, <real>0)
                    scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l] = pick(above(scores_max_pool2d2_t1_t1[128*n + 64*j + 16*k + l + 32], scores_max_pool2d2_t1_t1[128*n + 64*j + 16*k + l]), <real>2 + scores_max_pool2d2_t1_t1_at[1], scores_max_pool2d2_t1_t1_at[0])
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    scores_max_pool2d1_t1_t1_at[0] = pick(above(scores_conv2d1[512*n + 128*j + 16*k + l + 8], scores_conv2d1[512*n + 128*j + 16*k + l]), <real>1, <real>0)
                    scores_max_pool2d1_t1_t1_at[1] = pick(above(scores_conv2d1[512*n + 128*j + 16*k + l + 72], scores_conv2d1[512*n + 128*j + 16*k + l + 64]), <real>1, <real>0)
                    scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l] = pick(above(scores_max_pool2d1_t1_t1[256*n + 64*j + 8*k + l + 32], scores_max_pool2d1_t1_t1[256*n + 64*j + 8*k + l]), <real>2 + scores_max_pool2d1_t1_t1_at[1], scores_max_pool2d1_t1_t1_at[0])
        for j in range(10):
            d_head_b[j] += d_scores[10*n + j]
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         head_W, 1, 10,
         0, d_scores_flatten1, 64)
    for j in range(16):
        d_scores_reshape6[j] = 0
    #     d scores_max_pool2d2 / d scores_max_pool2d2_t1 = where(scores_max_pool2d2_t1 <= 0, 0, 1)
    #     scores_max_pool2d2 is above 0 where scores_max_pool2d2_t1 is
    #     max routes: the whole gradient goes to the first winner
    for n in range(N):
        for j in range(16):
            d_scores_max_pool2d2_t1[j] = d_scores_flatten1[64*n + 4*j]*(<real>0 if scores_max_pool2d2[64*n + j] <= 0 else <real>1)
            d_scores_max_pool2d2_t1[j + 16] = d_scores_flatten1[64*n + 4*j + 1]*(<real>0 if scores_max_pool2d2[64*n + j + 16] <= 0 else <real>1)
            d_scores_max_pool2d2_t1[j + 32] = d_scores_flatten1[64*n + 4*j + 2]*(<real>0 if scores_max_pool2d2[64*n + j + 32] <= 0 else <real>1)
            d_scores_max_pool2d2_t1[j + 48] = d_scores_flatten1[64*n + 4*j + 3]*(<real>0 if scores_max_pool2d2[64*n + j + 48] <= 0 else <real>1)
        for j in range(6):
            for k in range(16):
                d_scores_conv2d2_pad[576*n + 16*j + k] = 0
                d_scores_conv2d2_pad[576*n + 16*j + k + 480] = 0
        for j in range(4):
            for k in range(16):
                d_scores_conv2d2_pad[576*n + 96*j + k + 96] = 0
                d_scores_conv2d2_pad[576*n + 96*j + k + 176] = 0
        for j in range(2):
            for k in range(2):
                for l in range(16):
                    d_scores_conv2d2_pad[576*n + 192*j + 32*k + l + 112] = pick(0 == scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l], d_scores_max_pool2d2_t1[32*j + 16*k + l], <real>0)
                    d_scores_conv2d2_pad[576*n + 192*j + 32*k + l + 128] = pick(1 == scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l], d_scores_max_pool2d2_t1[32*j + 16*k + l], <real>0)
                    d_scores_conv2d2_pad[576*n + 192*j + 32*k + l + 208] = pick(2 == scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l], d_scores_max_pool2d2_t1[32*j + 16*k + l], <real>0)
                    d_scores_conv2d2_pad[576*n + 192*j + 32*k + l + 224] = pick(3 == scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l], d_scores_max_pool2d2_t1[32*j + 16*k + l], <real>0)
        for j in range(16):
            for k in range(4):
                for l in range(4):
                    d_scores_reshape6[j] += d_scores_conv2d2_pad[576*n + 96*k + 16*l + j + 112]
    #     second.W as the kernel reads it
    for j in range(3):
        for k in range(3):
            for l in range(16):
                for i in range(8):
                    second_W_laid_2[384*j + 128*k + 8*l + i] = second_W[72*l + 9*i - 3*j - k + 8]
    contract(N, 576, 128,  4, 96, 32,  4, 16, 8,
             1, 0, 0,  3, 96, 384,  48, 1, 8,
             8, 1, 1,
             1, d_scores_conv2d2_pad, second_W_laid_2, 0, d_scores_max_pool2d1)
    for j in range(8):
        d_scores_reshape3[j] = 0
    #     d scores_max_pool2d1 / d scores_max_pool2d1_t1 = where(scores_max_pool2d1_t1 <= 0, 0, 1)
    #     scores_max_pool2d1 is above 0 where scores_max_pool2d1_t1 is
    for n in range(N):
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    d_scores_max_pool2d1_t1 = d_scores_max_pool2d1[128*n + 32*j + 8*k + l]*(<real>0 if scores_max_pool2d1_pad[288*n + 48*j + 8*k + l + 56] <= 0 else <real>1)
                    d_scores_conv2d1[512*n + 128*j + 16*k + l] = pick(0 == scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l], d_scores_max_pool2d1_t1, <real>0)
                    d_scores_conv2d1[512*n + 128*j + 16*k + l + 8] = pick(1 == scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l], d_scores_max_pool2d1_t1, <real>0)
                    d_scores_conv2d1[512*n + 128*j + 16*k + l + 64] = pick(2 == scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l], d_scores_max_pool2d1_t1, <real>0)
                    d_scores_conv2d1[512*n + 128*j + 16*k + l + 72] = pick(3 == scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l], d_scores_max_pool2d1_t1, <real>0)
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    d_scores_reshape3[k] += d_scores_conv2d1[512*n + 64*j + 8*l + k]
    contract(1, 0, 0,  3, 10, 24,  3, 1, 8,
             N, 100, 512,  8, 10, 64,  8, 1, 8,
             8, 1, 1,
             1, x_pad, d_scores_conv2d1, 0, d_first_W_laid)
    for j in range(8):
        for k in range(3):
            for l in range(3):
                d_first_W[9*j + 3*k + l] = d_first_W_laid[24*k + 8*l + j]
        d_first_b[j] = d_scores_reshape3[j]
    contract(1, 0, 0,  3, 48, 384,  24, 1, 16,
             N, 288, 576,  4, 48, 96,  4, 8, 16,
             16, 1, 1,
             1, scores_max_pool2d1_pad, d_scores_conv2d2_pad + 112, 0, d_second_W_laid)
    for j in range(16):
        for k in range(8):
            for l in range(3):
                for i in range(3):
                    d_second_W[72*j + 9*k + 3*l + i] = d_second_W_laid[384*l + 128*i + 16*k + j]
        d_second_b[j] = d_scores_reshape6[j]
    gemm(64, 10, N, 1,
         scores_flatten1, 1, 64,
         d_scores, 10, 1,
         0, d_head_W, 10)


cdef void train(read x, indices y, read theta, write loss, write grad, write work, Py_ssize_t N) noexcept nogil:
    # the loss and its gradient in one go
    cdef read first_W = theta, first_b = theta + 72, second_W = theta + 80, second_b = theta + 1232
    cdef read head_W = theta + 1248, head_b = theta + 1888
    cdef write d_first_W = grad, d_first_b = grad + 72, d_second_W = grad + 80, d_second_b = grad + 1232
    cdef write d_head_W = grad + 1248, d_head_b = grad + 1888
    cdef write x_pad = work + 1632*N + 1152, scores_conv2d1 = work + 1152
    cdef write scores_max_pool2d1_pad = work + 1088*N + 1152, scores_max_pool2d1_t1_at_window = work + 1376*N + 1152
    cdef write second_W_laid = work, scores_conv2d2 = work + 1152, scores_max_pool2d2 = work + 1504*N + 1152
    cdef write scores_flatten1 = work + 1744*N + 1152, scores_max_pool2d2_t1_at_window = work + 1568*N + 1152
    cdef write scores = work + 1152, d_scores = work + 1808*N + 1152, d_scores_flatten1 = work + 576*N + 1152
    cdef write d_scores_conv2d2_pad = work + 1152, second_W_laid_2 = work, d_scores_max_pool2d1 = work + 1504*N + 1152
    cdef write d_scores_conv2d1 = work + 576*N + 1152, d_second_W_laid = work
    cdef real scores_max_pool2d1_t1, scores_max_pool2d1, scores_max_pool2d2_t1, loss_lse1_max, d_scores_max_pool2d1_t1
    cdef real loss_sum1_block[8]
    cdef real first_W_laid[72]
    cdef real scores_max_pool2d1_t1_t1[2]
    cdef real scores_max_pool2d2_t1_t1[2]
    cdef real loss_lse1_shift[8]
    cdef real loss_lse1_exp[80]
    cdef real loss_lse1_sum[8]
    cdef real d_scores_max_pool2d2_t1[64]
    cdef real scores_max_pool2d2_t1_t1_at[2]
    cdef real d_scores_reshape6[16]
    cdef real scores_max_pool2d1_t1_t1_at[2]
    cdef real d_scores_reshape3[8]
    cdef real d_first_W_laid[72]
    cdef double loss_sum1
    cdef Py_ssize_t n, j, k, l, i, n_start, n_count, n_in
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     x with zeros around it
    for n in range(N):
        for j in range(10):
            for k in range(10):
                x_pad[100*n + 10*j + k] = 0
        for j in range(8):
            for k in range(8):
                x_pad[100*n + 10*j + k + 11] = x[64*n + 8*j + k]
    #     first.W as the kernel reads it
    for j in range(3):
        for k in range(3):
            for l in range(8):
                first_W_laid[24*j + 8*k + l] = first_W[9*l + 3*j + k]
    #     in conv2d
    contract_onto(N, 100, 512, 0,  8, 10, 64, 0,  8, 1, 8, 0,
                  1, 0, 0,  3, 10, 24,  3, 1, 8,
                  8, 1, 1, 1,
                  1, x_pad, first_W_laid, 1, first_b, as_it_is, scores_conv2d1)
    for n in range(N):
        for j in range(6):
            for k in range(6):
                for l in range(8):
                    scores_max_pool2d1_pad[288*n + 48*j + 8*k + l] = 0
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    #     in max_pool2d
                    scores_max_pool2d1_t1_t1[0] = maximum(scores_conv2d1[512*n + 128*j + 16*k + l], scores_conv2d1[512*n + 128*j + 16*k + l + 8])
                    scores_max_pool2d1_t1_t1[1] = maximum(scores_conv2d1[512*n + 128*j + 16*k + l + 64], scores_conv2d1[512*n + 128*j + 16*k + l + 72])
                    scores_max_pool2d1_t1 = maximum(scores_max_pool2d1_t1_t1[0], scores_max_pool2d1_t1_t1[1])
                    #     of the largest: it keeps order
                    scores_max_pool2d1 = (<real>0 if scores_max_pool2d1_t1 <= 0 else scores_max_pool2d1_t1)
                    #     scores_max_pool2d1 with zeros around it
                    scores_max_pool2d1_pad[288*n + 48*j + 8*k + l + 56] = scores_max_pool2d1
                    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                    #     where the max is
                    scores_max_pool2d1_t1_t1_at[0] = pick(above(scores_conv2d1[512*n + 128*j + 16*k + l + 8], scores_conv2d1[512*n + 128*j + 16*k + l]), <real>1, <real>0)
                    scores_max_pool2d1_t1_t1_at[1] = pick(above(scores_conv2d1[512*n + 128*j + 16*k + l + 72], scores_conv2d1[512*n + 128*j + 16*k + l + 64]), <real>1, <real>0)
                    #     where the max is, in the window
                    scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l] = pick(above(scores_max_pool2d1_t1_t1[1], scores_max_pool2d1_t1_t1[0]), <real>2 + scores_max_pool2d1_t1_t1_at[1], scores_max_pool2d1_t1_t1_at[0])
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     second.W as the kernel reads it
    for j in range(8):
        for k in range(3):
            for l in range(3):
                for i in range(16):
                    second_W_laid[384*k + 128*l + 16*j + i] = second_W[72*i + 9*j + 3*k + l]
    #     in conv2d
    contract_onto(N, 288, 256, 0,  4, 48, 64, 0,  4, 8, 16, 0,
                  1, 0, 0,  3, 48, 384,  24, 1, 16,
                  16, 1, 1, 1,
                  1, scores_max_pool2d1_pad, second_W_laid, 1, second_b, as_it_is, scores_conv2d2)
    for n in range(N):
        for j in range(2):
            for k in range(2):
                for l in range(16):
                    #     in max_pool2d
                    scores_max_pool2d2_t1_t1[0] = maximum(scores_conv2d2[256*n + 128*j + 32*k + l], scores_conv2d2[256*n + 128*j + 32*k + l + 16])
                    scores_max_pool2d2_t1_t1[1] = maximum(scores_conv2d2[256*n + 128*j + 32*k + l + 64], scores_conv2d2[256*n + 128*j + 32*k + l + 80])
                    scores_max_pool2d2_t1 = maximum(scores_max_pool2d2_t1_t1[0], scores_max_pool2d2_t1_t1[1])
                    #     of the largest: it keeps order
                    scores_max_pool2d2[64*n + 32*j + 16*k + l] = (<real>0 if scores_max_pool2d2_t1 <= 0 else scores_max_pool2d2_t1)
                    #     in flatten
                    scores_flatten1[64*n + 4*l + 2*j + k] = scores_max_pool2d2[64*n + 32*j + 16*k + l]
                    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                    #     where the max is
                    scores_max_pool2d2_t1_t1_at[0] = pick(above(scores_conv2d2[256*n + 128*j + 32*k + l + 16], scores_conv2d2[256*n + 128*j + 32*k + l]), <real>1, <real>0)
                    scores_max_pool2d2_t1_t1_at[1] = pick(above(scores_conv2d2[256*n + 128*j + 32*k + l + 80], scores_conv2d2[256*n + 128*j + 32*k + l + 64]), <real>1, <real>0)
                    #     where the max is, in the window
                    scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l] = pick(above(scores_max_pool2d2_t1_t1[1], scores_max_pool2d2_t1_t1[0]), <real>2 + scores_max_pool2d2_t1_t1_at[1], scores_max_pool2d2_t1_t1_at[0])
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     in dense
    #     in flatten
    contract_onto(1, 0, 0, 0,  1, 0, 0, 0,  N, 64, 10, 0,
                  1, 0, 0,  4, 16, 10,  16, 1, 40,
                  10, 1, 1, 1,
                  1, scores_max_pool2d2, head_W, 1, head_b, as_it_is, scores)
    # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
    loss_sum1 = 0
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    for j in range(10):
        d_head_b[j] = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
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
            # examples/lenet.gw:15   backward of  minimize mean(softmax_cross_entropy(scores, y))
            #     scores is used 2 times: its adjoints add
            #     exp(t - logsumexp(t)): the softmax
            #     d loss / d loss_sum1 = 1 / N
            #     exp(scores - loss_lse1_shift) is there already: loss_lse1_exp, and this is loss_lse1_exp / (loss_lse1_sum * N)
            for j in range(10):
                d_scores[10*n + j] = loss_lse1_exp[10*n_in + j]/(loss_lse1_sum[n_in]*N)
            d_scores[10*n + y[n]] -= <real>1/N
            # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
            for j in range(10):
                d_head_b[j] += d_scores[10*n + j]
        # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
        #     in softmax_cross_entropy
        for n_in in range(n_count):
            n = n_start + n_in
            loss_sum1_block[n_in] = loss_lse1_shift[n_in] + log(loss_lse1_sum[n_in]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_sum1 += loss_sum1_block[n_in]
    loss[0] = loss_sum1/N
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         head_W, 1, 10,
         0, d_scores_flatten1, 64)
    for j in range(16):
        d_scores_reshape6[j] = 0
    #     d scores_max_pool2d2 / d scores_max_pool2d2_t1 = where(scores_max_pool2d2_t1 <= 0, 0, 1)
    #     scores_max_pool2d2 is above 0 where scores_max_pool2d2_t1 is
    #     max routes: the whole gradient goes to the first winner
    for n in range(N):
        for j in range(16):
            d_scores_max_pool2d2_t1[j] = d_scores_flatten1[64*n + 4*j]*(<real>0 if scores_max_pool2d2[64*n + j] <= 0 else <real>1)
            d_scores_max_pool2d2_t1[j + 16] = d_scores_flatten1[64*n + 4*j + 1]*(<real>0 if scores_max_pool2d2[64*n + j + 16] <= 0 else <real>1)
            d_scores_max_pool2d2_t1[j + 32] = d_scores_flatten1[64*n + 4*j + 2]*(<real>0 if scores_max_pool2d2[64*n + j + 32] <= 0 else <real>1)
            d_scores_max_pool2d2_t1[j + 48] = d_scores_flatten1[64*n + 4*j + 3]*(<real>0 if scores_max_pool2d2[64*n + j + 48] <= 0 else <real>1)
        for j in range(6):
            for k in range(16):
                d_scores_conv2d2_pad[576*n + 16*j + k] = 0
                d_scores_conv2d2_pad[576*n + 16*j + k + 480] = 0
        for j in range(4):
            for k in range(16):
                d_scores_conv2d2_pad[576*n + 96*j + k + 96] = 0
                d_scores_conv2d2_pad[576*n + 96*j + k + 176] = 0
        for j in range(2):
            for k in range(2):
                for l in range(16):
                    d_scores_conv2d2_pad[576*n + 192*j + 32*k + l + 112] = pick(0 == scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l], d_scores_max_pool2d2_t1[32*j + 16*k + l], <real>0)
                    d_scores_conv2d2_pad[576*n + 192*j + 32*k + l + 128] = pick(1 == scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l], d_scores_max_pool2d2_t1[32*j + 16*k + l], <real>0)
                    d_scores_conv2d2_pad[576*n + 192*j + 32*k + l + 208] = pick(2 == scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l], d_scores_max_pool2d2_t1[32*j + 16*k + l], <real>0)
                    d_scores_conv2d2_pad[576*n + 192*j + 32*k + l + 224] = pick(3 == scores_max_pool2d2_t1_at_window[64*n + 32*j + 16*k + l], d_scores_max_pool2d2_t1[32*j + 16*k + l], <real>0)
        for j in range(16):
            for k in range(4):
                for l in range(4):
                    d_scores_reshape6[j] += d_scores_conv2d2_pad[576*n + 96*k + 16*l + j + 112]
    #     second.W as the kernel reads it
    for j in range(3):
        for k in range(3):
            for l in range(16):
                for i in range(8):
                    second_W_laid_2[384*j + 128*k + 8*l + i] = second_W[72*l + 9*i - 3*j - k + 8]
    contract(N, 576, 128,  4, 96, 32,  4, 16, 8,
             1, 0, 0,  3, 96, 384,  48, 1, 8,
             8, 1, 1,
             1, d_scores_conv2d2_pad, second_W_laid_2, 0, d_scores_max_pool2d1)
    for j in range(8):
        d_scores_reshape3[j] = 0
    #     d scores_max_pool2d1 / d scores_max_pool2d1_t1 = where(scores_max_pool2d1_t1 <= 0, 0, 1)
    #     scores_max_pool2d1 is above 0 where scores_max_pool2d1_t1 is
    for n in range(N):
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    d_scores_max_pool2d1_t1 = d_scores_max_pool2d1[128*n + 32*j + 8*k + l]*(<real>0 if scores_max_pool2d1_pad[288*n + 48*j + 8*k + l + 56] <= 0 else <real>1)
                    d_scores_conv2d1[512*n + 128*j + 16*k + l] = pick(0 == scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l], d_scores_max_pool2d1_t1, <real>0)
                    d_scores_conv2d1[512*n + 128*j + 16*k + l + 8] = pick(1 == scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l], d_scores_max_pool2d1_t1, <real>0)
                    d_scores_conv2d1[512*n + 128*j + 16*k + l + 64] = pick(2 == scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l], d_scores_max_pool2d1_t1, <real>0)
                    d_scores_conv2d1[512*n + 128*j + 16*k + l + 72] = pick(3 == scores_max_pool2d1_t1_at_window[128*n + 32*j + 8*k + l], d_scores_max_pool2d1_t1, <real>0)
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    d_scores_reshape3[k] += d_scores_conv2d1[512*n + 64*j + 8*l + k]
    contract(1, 0, 0,  3, 10, 24,  3, 1, 8,
             N, 100, 512,  8, 10, 64,  8, 1, 8,
             8, 1, 1,
             1, x_pad, d_scores_conv2d1, 0, d_first_W_laid)
    for j in range(8):
        for k in range(3):
            for l in range(3):
                d_first_W[9*j + 3*k + l] = d_first_W_laid[24*k + 8*l + j]
        d_first_b[j] = d_scores_reshape3[j]
    contract(1, 0, 0,  3, 48, 384,  24, 1, 16,
             N, 288, 576,  4, 48, 96,  4, 8, 16,
             16, 1, 1,
             1, scores_max_pool2d1_pad, d_scores_conv2d2_pad + 112, 0, d_second_W_laid)
    for j in range(16):
        for k in range(8):
            for l in range(3):
                for i in range(3):
                    d_second_W[72*j + 9*k + 3*l + i] = d_second_W_laid[384*l + 128*i + 16*k + j]
        d_second_b[j] = d_scores_reshape6[j]
    gemm(64, 10, N, 1,
         scores_flatten1, 1, 64,
         d_scores, 10, 1,
         0, d_head_W, 10)


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
    forward(<read>s[0], <indices>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5], <write>s[6], n[0])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<indices>s[0], <read>s[1], <write>s[2], <read>s[3], <write>s[4], n[0])

cdef void _call_train(void **s, const Py_ssize_t *n) noexcept nogil:
    train(<read>s[0], <indices>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5], n[0])

cdef kernel_t[4] _KERNELS = [_call_predict, _call_forward, _call_backward, _call_train]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

# what the model is; read when the module is imported
_SPEC = """{
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
        ('scores_conv2d1', ('*', 100, 'N'), ('N', 8, 8, 8), (512, 1, 64, 8)),
        ('scores_max_pool2d1', ('+', ('*', 868, 'N'), 56), ('N', 8, 4, 4), (288, 1, 48, 8)),
        ('scores_conv2d2', ('*', 1156, 'N'), ('N', 16, 4, 4), (256, 1, 64, 16)),
        ('scores_max_pool2d2', ('*', 1540, 'N'), ('N', 16, 2, 2), (64, 1, 32, 16)),
    ),
    'lines': ((12, 'scores', ('N', 10), ('*', 96522, 'N'), 4), (15, 'loss', (), ('+', ('*', 12, 'N'), 1), 4)),
    'kernels': (
        {
            'name': 'predict',
            'slots': ('in:x', 'theta', 'out:scores', 'work'),
            'kept': 0,
            'work': ('+', ('*', 800, 'N'), 1152),
            'sizes': ('N',),
        },
        {
            'name': 'forward',
            'slots': ('in:x', 'in:y', 'theta', 'out:scores', 'out:loss', 'kept', 'work'),
            'kept': ('*', 1615, 'N'),
            'work': 1152,
            'sizes': ('N',),
        },
        {
            'name': 'backward',
            'slots': ('in:y', 'theta', 'grad:loss', 'kept', 'work'),
            'kept': ('*', 1615, 'N'),
            'work': ('+', ('*', 1418, 'N'), 1152),
            'sizes': ('N',),
        },
        {
            'name': 'train',
            'slots': ('in:x', 'in:y', 'theta', 'out:loss', 'grad:loss', 'work'),
            'kept': 0,
            'work': ('+', ('*', 1818, 'N'), 1152),
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
}"""

include "gradwright/module.pxi"
