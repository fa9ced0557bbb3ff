# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""lenet: a small convolutional network that reads handwritten digits of 8 by 8 pixels

Made by gradwright 0.1.0 from examples/lenet.gw (sha256 6a9f93f9e3904718); edit the model and make it again:
    gradwright compile examples/lenet.gw

Sizes        N is free
Inputs       x[N, 1, 8, 8] y[N]
Parameters   first.W[8, 1, 3, 3] first.b[8] second.W[16, 8, 3, 3] second.b[16] head.W[64, 10] head.b[10]: 1898 float32, in this order in theta
Kept         x_pad[N, 1, 10, 10] scores_t6[N, 8, 8, 8] scores_t7[N, 8, 8, 8] scores_t8_t1[N, 4, 2, 4, 8] scores_t8_pad[N, 6, 6, 8] scores_t14[N, 4, 4, 16] scores_t15[N, 4, 4, 16] scores_t16_t1[N, 2, 2, 2, 16] scores_t16[N, 2, 2, 16] loss_t1_exp[N, 10] loss_t1_sum[N] for the backward pass
Operations   the forward graph as written: 96534*N + 1
             predict 51392*N; bytes moved 5176*N + 14248
             forward 50672*N + 1, 11*N of them transcendental; bytes moved 9836*N + 12204
             backward 92641*N; bytes moved 20588*N + 26024
             train 144091*N + 1, 11*N of them transcendental; bytes moved 19304*N + 33108
Products     scores_t3 (64*N x 8 x 9) in predict, train: tiles of 8 x (1/2) vectors with AVX-512, 4 x (1) vectors with AVX2
             scores_t11 (16*N x 16 x 72) in predict, train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2
             scores (N x 10 x 64) in predict, forward: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2, added in registers
             scores_t6 (64*N x 8 x 9) in forward: tiles of 8 x (1/2) vectors with AVX-512, 4 x (1) vectors with AVX2, added in registers
             scores_t14 (16*N x 16 x 72) in forward: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2, added in registers
             d_scores_t17 (N x 64 x 10) in backward, train: tiles of 8 x (2*2) vectors with AVX-512, 4 x (2*3+2) vectors with AVX2
             d_scores_t8 (16*N x 8 x 144) in backward, train: tiles of 8 x (1/2) vectors with AVX-512, 4 x (1) vectors with AVX2
             d_first.W_laid (9 x 8 x 64*N) in backward, train: tiles of 8 x (1/2) vectors with AVX-512, 4 x (1) vectors with AVX2
             d_second.W_laid (72 x 16 x 16*N) in backward, train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2
             d_head.W (64 x 10 x N) in backward, train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2
             scores_t18 (N x 10 x 64) in train: tiles of 8 x (1) vectors with AVX-512, 4 x (2) vectors with AVX2
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
    # c[i, j] = alpha * sum(a[i, l] * b[l, j] for l) + beta * c[i, j]: three loops over rows,
    # each with its extent and its steps in a and c; three over depth, in a and b; one over columns
    void contract "gw_contract_f32"(
        Py_ssize_t m0, Py_ssize_t a_i0, Py_ssize_t c_i0, Py_ssize_t m1, Py_ssize_t a_i1, Py_ssize_t c_i1, Py_ssize_t m2, Py_ssize_t a_i2, Py_ssize_t c_i2,
        Py_ssize_t k0, Py_ssize_t a_l0, Py_ssize_t b_l0, Py_ssize_t k1, Py_ssize_t a_l1, Py_ssize_t b_l1, Py_ssize_t k2, Py_ssize_t a_l2, Py_ssize_t b_l2,
        Py_ssize_t n, Py_ssize_t b_j, Py_ssize_t c_j,
        float alpha, const float *a, const float *b, float beta, float *c) noexcept

ctypedef float real


cdef void predict(read x, read theta, write scores, write work, Py_ssize_t N) noexcept nogil:
    # the outputs without the loss
    cdef read first_W = theta, first_b = theta + 72, second_W = theta + 80, second_b = theta + 1232
    cdef read head_W = theta + 1248, head_b = theta + 1888
    cdef write x_pad = work + 512*N + 1152, scores_t3 = work + 1152, scores_t7 = work
    cdef write scores_t8_pad = work + 512*N + 1152, second_W_laid = work, scores_t11 = work + 1152
    cdef write scores_t16 = work + 256*N + 1152
    cdef real t1, t2
    cdef real first_W_laid[72]
    cdef real scores_t8_t1[8]
    cdef real scores_t8[4]
    cdef real scores_t15[256]
    cdef real scores_t16_t1[4]
    cdef Py_ssize_t n, j, k, l, i
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     x with zeros around it
    #     in dense
    for n in range(N):
        for j in range(10):
            for k in range(10):
                x_pad[100*n + 10*j + k] = 0
        for j in range(8):
            for k in range(8):
                x_pad[100*n + 10*j + k + 11] = x[64*n + 8*j + k]
        for j in range(10):
            scores[10*n + j] = head_b[j]
    #     first.W as the kernel reads it
    for j in range(3):
        for k in range(3):
            for l in range(8):
                first_W_laid[24*j + 8*k + l] = first_W[9*l + 3*j + k]
    #     in conv2d
    contract(N, 100, 512,  8, 10, 64,  8, 1, 8,
             1, 0, 0,  3, 10, 24,  3, 1, 8,
             8, 1, 1,
             1, x_pad, first_W_laid, 0, scores_t3)
    #     in max_pool2d
    #     scores_t8 with zeros around it
    for n in range(N):
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    t1 = scores_t3[512*n + 64*j + 8*k + l] + first_b[l]
                    scores_t7[64*j + 8*k + l] = (<real>0 if t1 <= 0 else t1)
        for j in range(6):
            for k in range(6):
                for l in range(8):
                    scores_t8_pad[288*n + 48*j + 8*k + l] = 0
        for j in range(4):
            for k in range(8):
                scores_t8[0] = -inf
                scores_t8_t1[0] = -inf
                scores_t8_t1[0] = maximum(scores_t8_t1[0], scores_t7[16*j + k])
                scores_t8_t1[0] = maximum(scores_t8_t1[0], scores_t7[16*j + k + 8])
                scores_t8[0] = maximum(scores_t8[0], scores_t8_t1[0])
                scores_t8_t1[1] = -inf
                scores_t8_t1[1] = maximum(scores_t8_t1[1], scores_t7[16*j + k + 64])
                scores_t8_t1[1] = maximum(scores_t8_t1[1], scores_t7[16*j + k + 72])
                scores_t8[0] = maximum(scores_t8[0], scores_t8_t1[1])
                scores_t8_pad[288*n + 8*j + k + 56] = scores_t8[0]
                scores_t8[1] = -inf
                scores_t8_t1[2] = -inf
                scores_t8_t1[2] = maximum(scores_t8_t1[2], scores_t7[16*j + k + 128])
                scores_t8_t1[2] = maximum(scores_t8_t1[2], scores_t7[16*j + k + 136])
                scores_t8[1] = maximum(scores_t8[1], scores_t8_t1[2])
                scores_t8_t1[3] = -inf
                scores_t8_t1[3] = maximum(scores_t8_t1[3], scores_t7[16*j + k + 192])
                scores_t8_t1[3] = maximum(scores_t8_t1[3], scores_t7[16*j + k + 200])
                scores_t8[1] = maximum(scores_t8[1], scores_t8_t1[3])
                scores_t8_pad[288*n + 8*j + k + 104] = scores_t8[1]
                scores_t8[2] = -inf
                scores_t8_t1[4] = -inf
                scores_t8_t1[4] = maximum(scores_t8_t1[4], scores_t7[16*j + k + 256])
                scores_t8_t1[4] = maximum(scores_t8_t1[4], scores_t7[16*j + k + 264])
                scores_t8[2] = maximum(scores_t8[2], scores_t8_t1[4])
                scores_t8_t1[5] = -inf
                scores_t8_t1[5] = maximum(scores_t8_t1[5], scores_t7[16*j + k + 320])
                scores_t8_t1[5] = maximum(scores_t8_t1[5], scores_t7[16*j + k + 328])
                scores_t8[2] = maximum(scores_t8[2], scores_t8_t1[5])
                scores_t8_pad[288*n + 8*j + k + 152] = scores_t8[2]
                scores_t8[3] = -inf
                scores_t8_t1[6] = -inf
                scores_t8_t1[6] = maximum(scores_t8_t1[6], scores_t7[16*j + k + 384])
                scores_t8_t1[6] = maximum(scores_t8_t1[6], scores_t7[16*j + k + 392])
                scores_t8[3] = maximum(scores_t8[3], scores_t8_t1[6])
                scores_t8_t1[7] = -inf
                scores_t8_t1[7] = maximum(scores_t8_t1[7], scores_t7[16*j + k + 448])
                scores_t8_t1[7] = maximum(scores_t8_t1[7], scores_t7[16*j + k + 456])
                scores_t8[3] = maximum(scores_t8[3], scores_t8_t1[7])
                scores_t8_pad[288*n + 8*j + k + 200] = scores_t8[3]
    #     second.W as the kernel reads it
    for j in range(8):
        for k in range(3):
            for l in range(3):
                for i in range(16):
                    second_W_laid[384*k + 128*l + 16*j + i] = second_W[72*i + 9*j + 3*k + l]
    contract(N, 288, 256,  4, 48, 64,  4, 8, 16,
             1, 0, 0,  3, 48, 384,  24, 1, 16,
             16, 1, 1,
             1, scores_t8_pad, second_W_laid, 0, scores_t11)
    for n in range(N):
        for j in range(4):
            for k in range(4):
                for l in range(16):
                    t2 = scores_t11[256*n + 64*j + 16*k + l] + second_b[l]
                    scores_t15[64*j + 16*k + l] = (<real>0 if t2 <= 0 else t2)
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    scores_t16[64*n + 32*k + 16*l + j] = -inf
                scores_t16_t1[0] = -inf
                scores_t16_t1[0] = maximum(scores_t16_t1[0], scores_t15[128*k + j])
                scores_t16_t1[0] = maximum(scores_t16_t1[0], scores_t15[128*k + j + 16])
                scores_t16[64*n + 32*k + j] = maximum(scores_t16[64*n + 32*k + j], scores_t16_t1[0])
                scores_t16_t1[1] = -inf
                scores_t16_t1[1] = maximum(scores_t16_t1[1], scores_t15[128*k + j + 32])
                scores_t16_t1[1] = maximum(scores_t16_t1[1], scores_t15[128*k + j + 48])
                scores_t16[64*n + 32*k + j + 16] = maximum(scores_t16[64*n + 32*k + j + 16], scores_t16_t1[1])
                scores_t16_t1[2] = -inf
                scores_t16_t1[2] = maximum(scores_t16_t1[2], scores_t15[128*k + j + 64])
                scores_t16_t1[2] = maximum(scores_t16_t1[2], scores_t15[128*k + j + 80])
                scores_t16[64*n + 32*k + j] = maximum(scores_t16[64*n + 32*k + j], scores_t16_t1[2])
                scores_t16_t1[3] = -inf
                scores_t16_t1[3] = maximum(scores_t16_t1[3], scores_t15[128*k + j + 96])
                scores_t16_t1[3] = maximum(scores_t16_t1[3], scores_t15[128*k + j + 112])
                scores_t16[64*n + 32*k + j + 16] = maximum(scores_t16[64*n + 32*k + j + 16], scores_t16_t1[3])
    #     in flatten
    contract(1, 0, 0,  1, 0, 0,  N, 64, 10,
             1, 0, 0,  4, 16, 10,  16, 1, 40,
             10, 1, 1,
             1, scores_t16, head_W, 1, scores)


cdef void forward(read x, indices y, read theta, write scores, write loss, write kept, write work,
                  Py_ssize_t N) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read first_W = theta, first_b = theta + 72, second_W = theta + 80, second_b = theta + 1232
    cdef read head_W = theta + 1248, head_b = theta + 1888
    cdef write x_pad = kept, scores_t6 = kept + 100*N, scores_t7 = kept + 612*N, scores_t8_t1 = kept + 1124*N
    cdef write scores_t8_pad = kept + 1380*N, scores_t14 = kept + 1668*N, scores_t15 = kept + 1924*N
    cdef write scores_t16_t1 = kept + 2180*N, scores_t16 = kept + 2308*N, loss_t1_exp = kept + 2372*N
    cdef write loss_t1_sum = kept + 2382*N
    cdef write second_W_laid = work
    cdef real loss_t1_max
    cdef real loss_t4_block[8]
    cdef real first_W_laid[72]
    cdef real scores_t8[4]
    cdef real loss_t1_shift[8]
    cdef double loss_t4
    cdef Py_ssize_t n, j, k, l, i, n_start, n_count, n_in
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     x with zeros around it
    #     in conv2d
    #     in dense
    for n in range(N):
        for j in range(10):
            for k in range(10):
                x_pad[100*n + 10*j + k] = 0
        for j in range(8):
            for k in range(8):
                x_pad[100*n + 10*j + k + 11] = x[64*n + 8*j + k]
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    scores_t6[512*n + 64*j + 8*k + l] = first_b[l]
        for j in range(4):
            for k in range(4):
                for l in range(16):
                    scores_t14[256*n + 64*j + 16*k + l] = second_b[l]
        for j in range(10):
            scores[10*n + j] = head_b[j]
    #     first.W as the kernel reads it
    for j in range(3):
        for k in range(3):
            for l in range(8):
                first_W_laid[24*j + 8*k + l] = first_W[9*l + 3*j + k]
    contract(N, 100, 512,  8, 10, 64,  8, 1, 8,
             1, 0, 0,  3, 10, 24,  3, 1, 8,
             8, 1, 1,
             1, x_pad, first_W_laid, 1, scores_t6)
    #     in max_pool2d
    #     scores_t8 with zeros around it
    for n in range(N):
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    scores_t7[512*n + 64*j + 8*k + l] = (<real>0 if scores_t6[512*n + 64*j + 8*k + l] <= 0 else scores_t6[512*n + 64*j + 8*k + l])
        for j in range(6):
            for k in range(6):
                for l in range(8):
                    scores_t8_pad[288*n + 48*j + 8*k + l] = 0
        for j in range(4):
            for k in range(8):
                scores_t8[0] = -inf
                scores_t8_t1[256*n + 8*j + k] = -inf
                scores_t8_t1[256*n + 8*j + k] = maximum(scores_t8_t1[256*n + 8*j + k], scores_t7[512*n + 16*j + k])
                scores_t8_t1[256*n + 8*j + k] = maximum(scores_t8_t1[256*n + 8*j + k], scores_t7[512*n + 16*j + k + 8])
                scores_t8[0] = maximum(scores_t8[0], scores_t8_t1[256*n + 8*j + k])
                scores_t8_t1[256*n + 8*j + k + 32] = -inf
                scores_t8_t1[256*n + 8*j + k + 32] = maximum(scores_t8_t1[256*n + 8*j + k + 32], scores_t7[512*n + 16*j + k + 64])
                scores_t8_t1[256*n + 8*j + k + 32] = maximum(scores_t8_t1[256*n + 8*j + k + 32], scores_t7[512*n + 16*j + k + 72])
                scores_t8[0] = maximum(scores_t8[0], scores_t8_t1[256*n + 8*j + k + 32])
                scores_t8_pad[288*n + 8*j + k + 56] = scores_t8[0]
                scores_t8[1] = -inf
                scores_t8_t1[256*n + 8*j + k + 64] = -inf
                scores_t8_t1[256*n + 8*j + k + 64] = maximum(scores_t8_t1[256*n + 8*j + k + 64], scores_t7[512*n + 16*j + k + 128])
                scores_t8_t1[256*n + 8*j + k + 64] = maximum(scores_t8_t1[256*n + 8*j + k + 64], scores_t7[512*n + 16*j + k + 136])
                scores_t8[1] = maximum(scores_t8[1], scores_t8_t1[256*n + 8*j + k + 64])
                scores_t8_t1[256*n + 8*j + k + 96] = -inf
                scores_t8_t1[256*n + 8*j + k + 96] = maximum(scores_t8_t1[256*n + 8*j + k + 96], scores_t7[512*n + 16*j + k + 192])
                scores_t8_t1[256*n + 8*j + k + 96] = maximum(scores_t8_t1[256*n + 8*j + k + 96], scores_t7[512*n + 16*j + k + 200])
                scores_t8[1] = maximum(scores_t8[1], scores_t8_t1[256*n + 8*j + k + 96])
                scores_t8_pad[288*n + 8*j + k + 104] = scores_t8[1]
                scores_t8[2] = -inf
                scores_t8_t1[256*n + 8*j + k + 128] = -inf
                scores_t8_t1[256*n + 8*j + k + 128] = maximum(scores_t8_t1[256*n + 8*j + k + 128], scores_t7[512*n + 16*j + k + 256])
                scores_t8_t1[256*n + 8*j + k + 128] = maximum(scores_t8_t1[256*n + 8*j + k + 128], scores_t7[512*n + 16*j + k + 264])
                scores_t8[2] = maximum(scores_t8[2], scores_t8_t1[256*n + 8*j + k + 128])
                scores_t8_t1[256*n + 8*j + k + 160] = -inf
                scores_t8_t1[256*n + 8*j + k + 160] = maximum(scores_t8_t1[256*n + 8*j + k + 160], scores_t7[512*n + 16*j + k + 320])
                scores_t8_t1[256*n + 8*j + k + 160] = maximum(scores_t8_t1[256*n + 8*j + k + 160], scores_t7[512*n + 16*j + k + 328])
                scores_t8[2] = maximum(scores_t8[2], scores_t8_t1[256*n + 8*j + k + 160])
                scores_t8_pad[288*n + 8*j + k + 152] = scores_t8[2]
                scores_t8[3] = -inf
                scores_t8_t1[256*n + 8*j + k + 192] = -inf
                scores_t8_t1[256*n + 8*j + k + 192] = maximum(scores_t8_t1[256*n + 8*j + k + 192], scores_t7[512*n + 16*j + k + 384])
                scores_t8_t1[256*n + 8*j + k + 192] = maximum(scores_t8_t1[256*n + 8*j + k + 192], scores_t7[512*n + 16*j + k + 392])
                scores_t8[3] = maximum(scores_t8[3], scores_t8_t1[256*n + 8*j + k + 192])
                scores_t8_t1[256*n + 8*j + k + 224] = -inf
                scores_t8_t1[256*n + 8*j + k + 224] = maximum(scores_t8_t1[256*n + 8*j + k + 224], scores_t7[512*n + 16*j + k + 448])
                scores_t8_t1[256*n + 8*j + k + 224] = maximum(scores_t8_t1[256*n + 8*j + k + 224], scores_t7[512*n + 16*j + k + 456])
                scores_t8[3] = maximum(scores_t8[3], scores_t8_t1[256*n + 8*j + k + 224])
                scores_t8_pad[288*n + 8*j + k + 200] = scores_t8[3]
    #     second.W as the kernel reads it
    for j in range(8):
        for k in range(3):
            for l in range(3):
                for i in range(16):
                    second_W_laid[384*k + 128*l + 16*j + i] = second_W[72*i + 9*j + 3*k + l]
    contract(N, 288, 256,  4, 48, 64,  4, 8, 16,
             1, 0, 0,  3, 48, 384,  24, 1, 16,
             16, 1, 1,
             1, scores_t8_pad, second_W_laid, 1, scores_t14)
    for n in range(N):
        for j in range(4):
            for k in range(4):
                for l in range(16):
                    scores_t15[256*n + 64*j + 16*k + l] = (<real>0 if scores_t14[256*n + 64*j + 16*k + l] <= 0 else scores_t14[256*n + 64*j + 16*k + l])
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    scores_t16[64*n + 32*k + 16*l + j] = -inf
                scores_t16_t1[128*n + 64*k + j] = -inf
                scores_t16_t1[128*n + 64*k + j] = maximum(scores_t16_t1[128*n + 64*k + j], scores_t15[256*n + 128*k + j])
                scores_t16_t1[128*n + 64*k + j] = maximum(scores_t16_t1[128*n + 64*k + j], scores_t15[256*n + 128*k + j + 16])
                scores_t16[64*n + 32*k + j] = maximum(scores_t16[64*n + 32*k + j], scores_t16_t1[128*n + 64*k + j])
                scores_t16_t1[128*n + 64*k + j + 16] = -inf
                scores_t16_t1[128*n + 64*k + j + 16] = maximum(scores_t16_t1[128*n + 64*k + j + 16], scores_t15[256*n + 128*k + j + 32])
                scores_t16_t1[128*n + 64*k + j + 16] = maximum(scores_t16_t1[128*n + 64*k + j + 16], scores_t15[256*n + 128*k + j + 48])
                scores_t16[64*n + 32*k + j + 16] = maximum(scores_t16[64*n + 32*k + j + 16], scores_t16_t1[128*n + 64*k + j + 16])
                scores_t16_t1[128*n + 64*k + j + 32] = -inf
                scores_t16_t1[128*n + 64*k + j + 32] = maximum(scores_t16_t1[128*n + 64*k + j + 32], scores_t15[256*n + 128*k + j + 64])
                scores_t16_t1[128*n + 64*k + j + 32] = maximum(scores_t16_t1[128*n + 64*k + j + 32], scores_t15[256*n + 128*k + j + 80])
                scores_t16[64*n + 32*k + j] = maximum(scores_t16[64*n + 32*k + j], scores_t16_t1[128*n + 64*k + j + 32])
                scores_t16_t1[128*n + 64*k + j + 48] = -inf
                scores_t16_t1[128*n + 64*k + j + 48] = maximum(scores_t16_t1[128*n + 64*k + j + 48], scores_t15[256*n + 128*k + j + 96])
                scores_t16_t1[128*n + 64*k + j + 48] = maximum(scores_t16_t1[128*n + 64*k + j + 48], scores_t15[256*n + 128*k + j + 112])
                scores_t16[64*n + 32*k + j + 16] = maximum(scores_t16[64*n + 32*k + j + 16], scores_t16_t1[128*n + 64*k + j + 48])
    #     in flatten
    contract(1, 0, 0,  1, 0, 0,  N, 64, 10,
             1, 0, 0,  4, 16, 10,  16, 1, 40,
             10, 1, 1,
             1, scores_t16, head_W, 1, scores)
    # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
    loss_t4 = 0
    #     the largest, taken away below
    #     at most 1 each
    #     in softmax_cross_entropy
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        for n_in in range(n_count):
            n = n_start + n_in
            loss_t1_max = -inf
            for j in range(10):
                loss_t1_max = maximum(loss_t1_max, scores[10*n + j])
            loss_t1_shift[n_in] = (<real>0 if absolute(loss_t1_max) == inf else loss_t1_max)
            for j in range(10):
                loss_t1_exp[10*n + j] = exp(scores[10*n + j] - loss_t1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            loss_t1_sum[n] = 0
            loss_t1_sum[n] += short_sum(loss_t1_exp + 10*n, 10)
        for n_in in range(n_count):
            n = n_start + n_in
            loss_t4_block[n_in] = loss_t1_shift[n_in] + log(loss_t1_sum[n]) - scores[10*n + y[n]]
        for n_in in range(n_count):
            loss_t4 += loss_t4_block[n_in]
    loss[0] = loss_t4/N


cdef void backward(indices y, read theta, write grad, read kept, write work, Py_ssize_t N) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read second_W = theta + 80, head_W = theta + 1248
    cdef write d_first_W = grad, d_first_b = grad + 72, d_second_W = grad + 80, d_second_b = grad + 1232
    cdef write d_head_W = grad + 1248, d_head_b = grad + 1888
    cdef read x_pad = kept, scores_t6 = kept + 100*N, scores_t7 = kept + 612*N, scores_t8_t1 = kept + 1124*N
    cdef read scores_t8_pad = kept + 1380*N, scores_t14 = kept + 1668*N, scores_t15 = kept + 1924*N
    cdef read scores_t16_t1 = kept + 2180*N, scores_t16 = kept + 2308*N, loss_t1_exp = kept + 2372*N
    cdef read loss_t1_sum = kept + 2382*N
    cdef write scores_t17 = work + 1152, d_scores = work + 64*N + 1152, scores_t16_at = work + 74*N + 1152
    cdef write scores_t16_t1_at = work + 138*N + 1152, scores_t8_at = work + 266*N + 1152
    cdef write scores_t8_t1_at = work + 394*N + 1152, d_scores_t17 = work + 650*N + 1152
    cdef write d_scores_t14 = work + 714*N + 1152, d_scores_t14_pad = work + 970*N + 1152, second_W_laid_2 = work
    cdef write d_scores_t8 = work + 74*N + 1152, d_scores_t7 = work, d_scores_t6 = work + 970*N + 1152
    cdef write d_second_W_laid = work
    cdef real t1, t3, t5, t7, t9, t11, t13, t15, t17, t19, t21, t23, t25, t27, t29, t31, t33, t35, t37, t39, t41, t43
    cdef real t45, t47, t49, t51, t53, t55, t57, t59, t61, t63, t65, t67, scores_t16_at_best, scores_t8_at_best
    cdef real d_scores_t16_t1[8]
    cdef real scores_t16_t1_at_best[8]
    cdef real d_scores_t15[16]
    cdef real d_scores_t13[16]
    cdef real d_scores_t8_t1[256]
    cdef real scores_t8_t1_at_best[8]
    cdef real d_scores_t5[8]
    cdef real d_first_W_laid[72]
    cdef bint t2, t4, t6, t8, t10, t12, t14, t16, t18, t20, t22, t24, t26, t28, t30, t32, t34, t36, t38, t40, t42, t44
    cdef bint t46, t48, t50, t52, t54, t56, t58, t60, t62, t64, t66, t68
    cdef Py_ssize_t j, n, k, l, i
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    for j in range(10):
        d_head_b[j] = 0
    for n in range(N):
        # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        #     in flatten
        for j in range(16):
            scores_t17[64*n + 4*j] = scores_t16[64*n + j]
            scores_t17[64*n + 4*j + 1] = scores_t16[64*n + j + 16]
            scores_t17[64*n + 4*j + 2] = scores_t16[64*n + j + 32]
            scores_t17[64*n + 4*j + 3] = scores_t16[64*n + j + 48]
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
        for j in range(2):
            for k in range(2):
                for l in range(16):
                    scores_t16_at[64*n + 32*j + 16*k + l] = 0
                    scores_t16_at_best = -inf
                    for i in range(2):
                        t1 = scores_t16_t1[128*n + 64*j + 32*i + 16*k + l]
                        t2 = above(t1, scores_t16_at_best)
                        scores_t16_at_best = pick(t2, t1, scores_t16_at_best)
                        scores_t16_at[64*n + 32*j + 16*k + l] = pick(t2, i, scores_t16_at[64*n + 32*j + 16*k + l])
        for j in range(16):
            scores_t16_t1_at[128*n + j] = 0
            scores_t16_t1_at_best[0] = -inf
            t3 = scores_t15[256*n + j]
            t4 = above(t3, scores_t16_t1_at_best[0])
            scores_t16_t1_at_best[0] = pick(t4, t3, scores_t16_t1_at_best[0])
            scores_t16_t1_at[128*n + j] = pick(t4, 0, scores_t16_t1_at[128*n + j])
            t5 = scores_t15[256*n + j + 16]
            t6 = above(t5, scores_t16_t1_at_best[0])
            scores_t16_t1_at_best[0] = pick(t6, t5, scores_t16_t1_at_best[0])
            scores_t16_t1_at[128*n + j] = pick(t6, 1, scores_t16_t1_at[128*n + j])
            scores_t16_t1_at[128*n + j + 16] = 0
            scores_t16_t1_at_best[1] = -inf
            t7 = scores_t15[256*n + j + 32]
            t8 = above(t7, scores_t16_t1_at_best[1])
            scores_t16_t1_at_best[1] = pick(t8, t7, scores_t16_t1_at_best[1])
            scores_t16_t1_at[128*n + j + 16] = pick(t8, 0, scores_t16_t1_at[128*n + j + 16])
            t9 = scores_t15[256*n + j + 48]
            t10 = above(t9, scores_t16_t1_at_best[1])
            scores_t16_t1_at_best[1] = pick(t10, t9, scores_t16_t1_at_best[1])
            scores_t16_t1_at[128*n + j + 16] = pick(t10, 1, scores_t16_t1_at[128*n + j + 16])
            scores_t16_t1_at[128*n + j + 32] = 0
            scores_t16_t1_at_best[2] = -inf
            t11 = scores_t15[256*n + j + 64]
            t12 = above(t11, scores_t16_t1_at_best[2])
            scores_t16_t1_at_best[2] = pick(t12, t11, scores_t16_t1_at_best[2])
            scores_t16_t1_at[128*n + j + 32] = pick(t12, 0, scores_t16_t1_at[128*n + j + 32])
            t13 = scores_t15[256*n + j + 80]
            t14 = above(t13, scores_t16_t1_at_best[2])
            scores_t16_t1_at_best[2] = pick(t14, t13, scores_t16_t1_at_best[2])
            scores_t16_t1_at[128*n + j + 32] = pick(t14, 1, scores_t16_t1_at[128*n + j + 32])
            scores_t16_t1_at[128*n + j + 48] = 0
            scores_t16_t1_at_best[3] = -inf
            t15 = scores_t15[256*n + j + 96]
            t16 = above(t15, scores_t16_t1_at_best[3])
            scores_t16_t1_at_best[3] = pick(t16, t15, scores_t16_t1_at_best[3])
            scores_t16_t1_at[128*n + j + 48] = pick(t16, 0, scores_t16_t1_at[128*n + j + 48])
            t17 = scores_t15[256*n + j + 112]
            t18 = above(t17, scores_t16_t1_at_best[3])
            scores_t16_t1_at_best[3] = pick(t18, t17, scores_t16_t1_at_best[3])
            scores_t16_t1_at[128*n + j + 48] = pick(t18, 1, scores_t16_t1_at[128*n + j + 48])
            scores_t16_t1_at[128*n + j + 64] = 0
            scores_t16_t1_at_best[4] = -inf
            t19 = scores_t15[256*n + j + 128]
            t20 = above(t19, scores_t16_t1_at_best[4])
            scores_t16_t1_at_best[4] = pick(t20, t19, scores_t16_t1_at_best[4])
            scores_t16_t1_at[128*n + j + 64] = pick(t20, 0, scores_t16_t1_at[128*n + j + 64])
            t21 = scores_t15[256*n + j + 144]
            t22 = above(t21, scores_t16_t1_at_best[4])
            scores_t16_t1_at_best[4] = pick(t22, t21, scores_t16_t1_at_best[4])
            scores_t16_t1_at[128*n + j + 64] = pick(t22, 1, scores_t16_t1_at[128*n + j + 64])
            scores_t16_t1_at[128*n + j + 80] = 0
            scores_t16_t1_at_best[5] = -inf
            t23 = scores_t15[256*n + j + 160]
            t24 = above(t23, scores_t16_t1_at_best[5])
            scores_t16_t1_at_best[5] = pick(t24, t23, scores_t16_t1_at_best[5])
            scores_t16_t1_at[128*n + j + 80] = pick(t24, 0, scores_t16_t1_at[128*n + j + 80])
            t25 = scores_t15[256*n + j + 176]
            t26 = above(t25, scores_t16_t1_at_best[5])
            scores_t16_t1_at_best[5] = pick(t26, t25, scores_t16_t1_at_best[5])
            scores_t16_t1_at[128*n + j + 80] = pick(t26, 1, scores_t16_t1_at[128*n + j + 80])
            scores_t16_t1_at[128*n + j + 96] = 0
            scores_t16_t1_at_best[6] = -inf
            t27 = scores_t15[256*n + j + 192]
            t28 = above(t27, scores_t16_t1_at_best[6])
            scores_t16_t1_at_best[6] = pick(t28, t27, scores_t16_t1_at_best[6])
            scores_t16_t1_at[128*n + j + 96] = pick(t28, 0, scores_t16_t1_at[128*n + j + 96])
            t29 = scores_t15[256*n + j + 208]
            t30 = above(t29, scores_t16_t1_at_best[6])
            scores_t16_t1_at_best[6] = pick(t30, t29, scores_t16_t1_at_best[6])
            scores_t16_t1_at[128*n + j + 96] = pick(t30, 1, scores_t16_t1_at[128*n + j + 96])
            scores_t16_t1_at[128*n + j + 112] = 0
            scores_t16_t1_at_best[7] = -inf
            t31 = scores_t15[256*n + j + 224]
            t32 = above(t31, scores_t16_t1_at_best[7])
            scores_t16_t1_at_best[7] = pick(t32, t31, scores_t16_t1_at_best[7])
            scores_t16_t1_at[128*n + j + 112] = pick(t32, 0, scores_t16_t1_at[128*n + j + 112])
            t33 = scores_t15[256*n + j + 240]
            t34 = above(t33, scores_t16_t1_at_best[7])
            scores_t16_t1_at_best[7] = pick(t34, t33, scores_t16_t1_at_best[7])
            scores_t16_t1_at[128*n + j + 112] = pick(t34, 1, scores_t16_t1_at[128*n + j + 112])
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    scores_t8_at[128*n + 32*j + 8*k + l] = 0
                    scores_t8_at_best = -inf
                    for i in range(2):
                        t35 = scores_t8_t1[256*n + 64*j + 32*i + 8*k + l]
                        t36 = above(t35, scores_t8_at_best)
                        scores_t8_at_best = pick(t36, t35, scores_t8_at_best)
                        scores_t8_at[128*n + 32*j + 8*k + l] = pick(t36, i, scores_t8_at[128*n + 32*j + 8*k + l])
        for j in range(4):
            for k in range(8):
                scores_t8_t1_at[256*n + 8*j + k] = 0
                scores_t8_t1_at_best[0] = -inf
                t37 = scores_t7[512*n + 16*j + k]
                t38 = above(t37, scores_t8_t1_at_best[0])
                scores_t8_t1_at_best[0] = pick(t38, t37, scores_t8_t1_at_best[0])
                scores_t8_t1_at[256*n + 8*j + k] = pick(t38, 0, scores_t8_t1_at[256*n + 8*j + k])
                t39 = scores_t7[512*n + 16*j + k + 8]
                t40 = above(t39, scores_t8_t1_at_best[0])
                scores_t8_t1_at_best[0] = pick(t40, t39, scores_t8_t1_at_best[0])
                scores_t8_t1_at[256*n + 8*j + k] = pick(t40, 1, scores_t8_t1_at[256*n + 8*j + k])
                scores_t8_t1_at[256*n + 8*j + k + 32] = 0
                scores_t8_t1_at_best[1] = -inf
                t41 = scores_t7[512*n + 16*j + k + 64]
                t42 = above(t41, scores_t8_t1_at_best[1])
                scores_t8_t1_at_best[1] = pick(t42, t41, scores_t8_t1_at_best[1])
                scores_t8_t1_at[256*n + 8*j + k + 32] = pick(t42, 0, scores_t8_t1_at[256*n + 8*j + k + 32])
                t43 = scores_t7[512*n + 16*j + k + 72]
                t44 = above(t43, scores_t8_t1_at_best[1])
                scores_t8_t1_at_best[1] = pick(t44, t43, scores_t8_t1_at_best[1])
                scores_t8_t1_at[256*n + 8*j + k + 32] = pick(t44, 1, scores_t8_t1_at[256*n + 8*j + k + 32])
                scores_t8_t1_at[256*n + 8*j + k + 64] = 0
                scores_t8_t1_at_best[2] = -inf
                t45 = scores_t7[512*n + 16*j + k + 128]
                t46 = above(t45, scores_t8_t1_at_best[2])
                scores_t8_t1_at_best[2] = pick(t46, t45, scores_t8_t1_at_best[2])
                scores_t8_t1_at[256*n + 8*j + k + 64] = pick(t46, 0, scores_t8_t1_at[256*n + 8*j + k + 64])
                t47 = scores_t7[512*n + 16*j + k + 136]
                t48 = above(t47, scores_t8_t1_at_best[2])
                scores_t8_t1_at_best[2] = pick(t48, t47, scores_t8_t1_at_best[2])
                scores_t8_t1_at[256*n + 8*j + k + 64] = pick(t48, 1, scores_t8_t1_at[256*n + 8*j + k + 64])
                scores_t8_t1_at[256*n + 8*j + k + 96] = 0
                scores_t8_t1_at_best[3] = -inf
                t49 = scores_t7[512*n + 16*j + k + 192]
                t50 = above(t49, scores_t8_t1_at_best[3])
                scores_t8_t1_at_best[3] = pick(t50, t49, scores_t8_t1_at_best[3])
                scores_t8_t1_at[256*n + 8*j + k + 96] = pick(t50, 0, scores_t8_t1_at[256*n + 8*j + k + 96])
                t51 = scores_t7[512*n + 16*j + k + 200]
                t52 = above(t51, scores_t8_t1_at_best[3])
                scores_t8_t1_at_best[3] = pick(t52, t51, scores_t8_t1_at_best[3])
                scores_t8_t1_at[256*n + 8*j + k + 96] = pick(t52, 1, scores_t8_t1_at[256*n + 8*j + k + 96])
                scores_t8_t1_at[256*n + 8*j + k + 128] = 0
                scores_t8_t1_at_best[4] = -inf
                t53 = scores_t7[512*n + 16*j + k + 256]
                t54 = above(t53, scores_t8_t1_at_best[4])
                scores_t8_t1_at_best[4] = pick(t54, t53, scores_t8_t1_at_best[4])
                scores_t8_t1_at[256*n + 8*j + k + 128] = pick(t54, 0, scores_t8_t1_at[256*n + 8*j + k + 128])
                t55 = scores_t7[512*n + 16*j + k + 264]
                t56 = above(t55, scores_t8_t1_at_best[4])
                scores_t8_t1_at_best[4] = pick(t56, t55, scores_t8_t1_at_best[4])
                scores_t8_t1_at[256*n + 8*j + k + 128] = pick(t56, 1, scores_t8_t1_at[256*n + 8*j + k + 128])
                scores_t8_t1_at[256*n + 8*j + k + 160] = 0
                scores_t8_t1_at_best[5] = -inf
                t57 = scores_t7[512*n + 16*j + k + 320]
                t58 = above(t57, scores_t8_t1_at_best[5])
                scores_t8_t1_at_best[5] = pick(t58, t57, scores_t8_t1_at_best[5])
                scores_t8_t1_at[256*n + 8*j + k + 160] = pick(t58, 0, scores_t8_t1_at[256*n + 8*j + k + 160])
                t59 = scores_t7[512*n + 16*j + k + 328]
                t60 = above(t59, scores_t8_t1_at_best[5])
                scores_t8_t1_at_best[5] = pick(t60, t59, scores_t8_t1_at_best[5])
                scores_t8_t1_at[256*n + 8*j + k + 160] = pick(t60, 1, scores_t8_t1_at[256*n + 8*j + k + 160])
                scores_t8_t1_at[256*n + 8*j + k + 192] = 0
                scores_t8_t1_at_best[6] = -inf
                t61 = scores_t7[512*n + 16*j + k + 384]
                t62 = above(t61, scores_t8_t1_at_best[6])
                scores_t8_t1_at_best[6] = pick(t62, t61, scores_t8_t1_at_best[6])
                scores_t8_t1_at[256*n + 8*j + k + 192] = pick(t62, 0, scores_t8_t1_at[256*n + 8*j + k + 192])
                t63 = scores_t7[512*n + 16*j + k + 392]
                t64 = above(t63, scores_t8_t1_at_best[6])
                scores_t8_t1_at_best[6] = pick(t64, t63, scores_t8_t1_at_best[6])
                scores_t8_t1_at[256*n + 8*j + k + 192] = pick(t64, 1, scores_t8_t1_at[256*n + 8*j + k + 192])
                scores_t8_t1_at[256*n + 8*j + k + 224] = 0
                scores_t8_t1_at_best[7] = -inf
                t65 = scores_t7[512*n + 16*j + k + 448]
                t66 = above(t65, scores_t8_t1_at_best[7])
                scores_t8_t1_at_best[7] = pick(t66, t65, scores_t8_t1_at_best[7])
                scores_t8_t1_at[256*n + 8*j + k + 224] = pick(t66, 0, scores_t8_t1_at[256*n + 8*j + k + 224])
                t67 = scores_t7[512*n + 16*j + k + 456]
                t68 = above(t67, scores_t8_t1_at_best[7])
                scores_t8_t1_at_best[7] = pick(t68, t67, scores_t8_t1_at_best[7])
                scores_t8_t1_at[256*n + 8*j + k + 224] = pick(t68, 1, scores_t8_t1_at[256*n + 8*j + k + 224])
        for j in range(10):
            d_head_b[j] += d_scores[10*n + j]
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         head_W, 1, 10,
         0, d_scores_t17, 64)
    for j in range(16):
        d_scores_t13[j] = 0
    #     max routes: the whole gradient goes to the first winner
    #     d scores_t15 / d scores_t14 = where(scores_t14 <= 0, 0, 1)
    #     d_scores_t14 with zeros around it
    for n in range(N):
        for j in range(16):
            for k in range(2):
                d_scores_t16_t1[k] = pick(k == scores_t16_at[64*n + j], d_scores_t17[64*n + 4*j], <real>0)
                d_scores_t16_t1[k + 2] = pick(k == scores_t16_at[64*n + j + 16], d_scores_t17[64*n + 4*j + 1], <real>0)
                d_scores_t16_t1[k + 4] = pick(k == scores_t16_at[64*n + j + 32], d_scores_t17[64*n + 4*j + 2], <real>0)
                d_scores_t16_t1[k + 6] = pick(k == scores_t16_at[64*n + j + 48], d_scores_t17[64*n + 4*j + 3], <real>0)
            d_scores_t15[0] = pick(0 == scores_t16_t1_at[128*n + j], d_scores_t16_t1[0], <real>0)
            d_scores_t15[1] = pick(1 == scores_t16_t1_at[128*n + j], d_scores_t16_t1[0], <real>0)
            d_scores_t15[2] = pick(0 == scores_t16_t1_at[128*n + j + 16], d_scores_t16_t1[2], <real>0)
            d_scores_t15[3] = pick(1 == scores_t16_t1_at[128*n + j + 16], d_scores_t16_t1[2], <real>0)
            d_scores_t15[4] = pick(0 == scores_t16_t1_at[128*n + j + 32], d_scores_t16_t1[1], <real>0)
            d_scores_t15[5] = pick(1 == scores_t16_t1_at[128*n + j + 32], d_scores_t16_t1[1], <real>0)
            d_scores_t15[6] = pick(0 == scores_t16_t1_at[128*n + j + 48], d_scores_t16_t1[3], <real>0)
            d_scores_t15[7] = pick(1 == scores_t16_t1_at[128*n + j + 48], d_scores_t16_t1[3], <real>0)
            d_scores_t15[8] = pick(0 == scores_t16_t1_at[128*n + j + 64], d_scores_t16_t1[4], <real>0)
            d_scores_t15[9] = pick(1 == scores_t16_t1_at[128*n + j + 64], d_scores_t16_t1[4], <real>0)
            d_scores_t15[10] = pick(0 == scores_t16_t1_at[128*n + j + 80], d_scores_t16_t1[6], <real>0)
            d_scores_t15[11] = pick(1 == scores_t16_t1_at[128*n + j + 80], d_scores_t16_t1[6], <real>0)
            d_scores_t15[12] = pick(0 == scores_t16_t1_at[128*n + j + 96], d_scores_t16_t1[5], <real>0)
            d_scores_t15[13] = pick(1 == scores_t16_t1_at[128*n + j + 96], d_scores_t16_t1[5], <real>0)
            d_scores_t15[14] = pick(0 == scores_t16_t1_at[128*n + j + 112], d_scores_t16_t1[7], <real>0)
            d_scores_t15[15] = pick(1 == scores_t16_t1_at[128*n + j + 112], d_scores_t16_t1[7], <real>0)
            for k in range(6):
                for l in range(6):
                    d_scores_t14_pad[576*n + 96*k + 16*l + j] = 0
            for k in range(4):
                for l in range(4):
                    d_scores_t14[256*n + 64*k + 16*l + j] = d_scores_t15[4*k + l]*(<real>0 if scores_t14[256*n + 64*k + 16*l + j] <= 0 else <real>1)
                    d_scores_t14_pad[576*n + 96*k + 16*l + j + 112] = d_scores_t14[256*n + 64*k + 16*l + j]
                for l in range(4):
                    d_scores_t13[j] += d_scores_t14[256*n + 64*k + 16*l + j]
    #     second.W as the kernel reads it
    for j in range(3):
        for k in range(3):
            for l in range(16):
                for i in range(8):
                    second_W_laid_2[384*j + 128*k + 8*l + i] = second_W[72*l + 9*i - 3*j - k + 8]
    contract(N, 576, 128,  4, 96, 32,  4, 16, 8,
             1, 0, 0,  3, 96, 384,  48, 1, 8,
             8, 1, 1,
             1, d_scores_t14_pad, second_W_laid_2, 0, d_scores_t8)
    for j in range(8):
        d_scores_t5[j] = 0
    #     d scores_t7 / d scores_t6 = where(scores_t6 <= 0, 0, 1)
    for n in range(N):
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    for i in range(2):
                        d_scores_t8_t1[64*j + 16*k + 2*l + i] = pick(i == scores_t8_at[128*n + 32*j + 8*k + l], d_scores_t8[128*n + 32*j + 8*k + l], <real>0)
        for j in range(4):
            for k in range(8):
                d_scores_t7[16*j + k] = pick(0 == scores_t8_t1_at[256*n + 8*j + k], d_scores_t8_t1[16*j + 2*k], <real>0)
                d_scores_t7[16*j + k + 8] = pick(1 == scores_t8_t1_at[256*n + 8*j + k], d_scores_t8_t1[16*j + 2*k], <real>0)
                d_scores_t7[16*j + k + 64] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 32], d_scores_t8_t1[16*j + 2*k + 1], <real>0)
                d_scores_t7[16*j + k + 72] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 32], d_scores_t8_t1[16*j + 2*k + 1], <real>0)
                d_scores_t7[16*j + k + 128] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 64], d_scores_t8_t1[16*j + 2*k + 64], <real>0)
                d_scores_t7[16*j + k + 136] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 64], d_scores_t8_t1[16*j + 2*k + 64], <real>0)
                d_scores_t7[16*j + k + 192] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 96], d_scores_t8_t1[16*j + 2*k + 65], <real>0)
                d_scores_t7[16*j + k + 200] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 96], d_scores_t8_t1[16*j + 2*k + 65], <real>0)
                d_scores_t7[16*j + k + 256] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 128], d_scores_t8_t1[16*j + 2*k + 128], <real>0)
                d_scores_t7[16*j + k + 264] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 128], d_scores_t8_t1[16*j + 2*k + 128], <real>0)
                d_scores_t7[16*j + k + 320] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 160], d_scores_t8_t1[16*j + 2*k + 129], <real>0)
                d_scores_t7[16*j + k + 328] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 160], d_scores_t8_t1[16*j + 2*k + 129], <real>0)
                d_scores_t7[16*j + k + 384] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 192], d_scores_t8_t1[16*j + 2*k + 192], <real>0)
                d_scores_t7[16*j + k + 392] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 192], d_scores_t8_t1[16*j + 2*k + 192], <real>0)
                d_scores_t7[16*j + k + 448] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 224], d_scores_t8_t1[16*j + 2*k + 193], <real>0)
                d_scores_t7[16*j + k + 456] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 224], d_scores_t8_t1[16*j + 2*k + 193], <real>0)
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    d_scores_t6[512*n + 64*j + 8*k + l] = d_scores_t7[64*j + 8*k + l]*(<real>0 if scores_t6[512*n + 64*j + 8*k + l] <= 0 else <real>1)
                    d_scores_t5[l] += d_scores_t6[512*n + 64*j + 8*k + l]
    contract(1, 0, 0,  3, 10, 24,  3, 1, 8,
             N, 100, 512,  8, 10, 64,  8, 1, 8,
             8, 1, 1,
             1, x_pad, d_scores_t6, 0, d_first_W_laid)
    for j in range(8):
        for k in range(3):
            for l in range(3):
                d_first_W[9*j + 3*k + l] = d_first_W_laid[24*k + 8*l + j]
        d_first_b[j] = d_scores_t5[j]
    contract(1, 0, 0,  3, 48, 384,  24, 1, 16,
             N, 288, 256,  4, 48, 64,  4, 8, 16,
             16, 1, 1,
             1, scores_t8_pad, d_scores_t14, 0, d_second_W_laid)
    for j in range(16):
        for k in range(8):
            for l in range(3):
                for i in range(3):
                    d_second_W[72*j + 9*k + 3*l + i] = d_second_W_laid[384*l + 128*i + 16*k + j]
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
    cdef write x_pad = work + 2400*N + 2304, scores_t3 = work + 2304, scores_t6 = work + 576*N + 2304, scores_t7 = work
    cdef write scores_t8_pad = work + 1088*N + 2304, scores_t8_at = work + 2144*N + 2304
    cdef write scores_t8_t1_at = work + 1376*N + 2304, second_W_laid = work, second_W_laid_2 = work + 1152
    cdef write scores_t11 = work + 2304, scores_t14 = work + 1632*N + 2304, scores_t16 = work + 1888*N + 2304
    cdef write scores_t17 = work + 2512*N + 2304, scores_t16_at = work + 2576*N + 2304
    cdef write scores_t16_t1_at = work + 2272*N + 2304, scores_t18 = work + 1952*N + 2304
    cdef write d_scores = work + 2704*N + 2304, d_scores_t17 = work + 2640*N + 2304
    cdef write d_scores_t14 = work + 1888*N + 2304, d_scores_t14_pad = work + 2304, d_scores_t8 = work + 1632*N + 2304
    cdef write d_scores_t7 = work, d_scores_t6 = work + 2304, d_second_W_laid = work
    cdef real t1, t3, t5, t7, t9, t11, t13, t15, t17, t19, t21, t23, t25, t27, t29, t31, t33, t35, t37, t39, t41, t43
    cdef real t45, t47, t49, t51, t53, t55, t57, t59, t61, t63, t65, t67, t69, t71, loss_t1_max
    cdef real loss_t4_block[8]
    cdef real first_W_laid[72]
    cdef real scores_t8_t1[8]
    cdef real scores_t8[4]
    cdef real scores_t15[256]
    cdef real scores_t16_t1[4]
    cdef real scores[80]
    cdef real loss_t1_shift[8]
    cdef real loss_t1_exp[80]
    cdef real loss_t1_sum[8]
    cdef real scores_t16_at_best[2]
    cdef real d_scores_t16_t1[8]
    cdef real scores_t16_t1_at_best[4]
    cdef real d_scores_t15[16]
    cdef real d_scores_t13[16]
    cdef real scores_t8_at_best[4]
    cdef real d_scores_t8_t1[256]
    cdef real scores_t8_t1_at_best[8]
    cdef real d_scores_t5[8]
    cdef real d_first_W_laid[72]
    cdef double loss_t4
    cdef bint t2, t4, t6, t8, t10, t12, t14, t16, t18, t20, t22, t24, t26, t28, t30, t32, t34, t36, t38, t40, t42, t44
    cdef bint t46, t48, t50, t52, t54, t56, t58, t60, t62, t64, t66, t68, t70, t72
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
    contract(N, 100, 512,  8, 10, 64,  8, 1, 8,
             1, 0, 0,  3, 10, 24,  3, 1, 8,
             8, 1, 1,
             1, x_pad, first_W_laid, 0, scores_t3)
    for n in range(N):
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    scores_t6[512*n + 64*j + 8*k + l] = scores_t3[512*n + 64*j + 8*k + l] + first_b[l]
                    scores_t7[64*j + 8*k + l] = (<real>0 if scores_t6[512*n + 64*j + 8*k + l] <= 0 else scores_t6[512*n + 64*j + 8*k + l])
        for j in range(6):
            for k in range(6):
                for l in range(8):
                    scores_t8_pad[288*n + 48*j + 8*k + l] = 0
        for j in range(4):
            for k in range(8):
                scores_t8[0] = -inf
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_at[128*n + 8*j + k] = 0
                scores_t8_at_best[0] = -inf
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1[0] = -inf
                #     in max_pool2d
                scores_t8_t1[0] = maximum(scores_t8_t1[0], scores_t7[16*j + k])
                scores_t8_t1[0] = maximum(scores_t8_t1[0], scores_t7[16*j + k + 8])
                scores_t8[0] = maximum(scores_t8[0], scores_t8_t1[0])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t1 = scores_t8_t1[0]
                t2 = above(t1, scores_t8_at_best[0])
                scores_t8_at_best[0] = pick(t2, t1, scores_t8_at_best[0])
                scores_t8_at[128*n + 8*j + k] = pick(t2, 0, scores_t8_at[128*n + 8*j + k])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1[1] = -inf
                #     in max_pool2d
                scores_t8_t1[1] = maximum(scores_t8_t1[1], scores_t7[16*j + k + 64])
                scores_t8_t1[1] = maximum(scores_t8_t1[1], scores_t7[16*j + k + 72])
                scores_t8[0] = maximum(scores_t8[0], scores_t8_t1[1])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t3 = scores_t8_t1[1]
                t4 = above(t3, scores_t8_at_best[0])
                scores_t8_at_best[0] = pick(t4, t3, scores_t8_at_best[0])
                scores_t8_at[128*n + 8*j + k] = pick(t4, 1, scores_t8_at[128*n + 8*j + k])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     scores_t8 with zeros around it
                scores_t8_pad[288*n + 8*j + k + 56] = scores_t8[0]
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1_at[256*n + 8*j + k] = 0
                scores_t8_t1_at_best[0] = -inf
                #     where the max is
                t5 = scores_t7[16*j + k]
                t6 = above(t5, scores_t8_t1_at_best[0])
                scores_t8_t1_at_best[0] = pick(t6, t5, scores_t8_t1_at_best[0])
                scores_t8_t1_at[256*n + 8*j + k] = pick(t6, 0, scores_t8_t1_at[256*n + 8*j + k])
                t7 = scores_t7[16*j + k + 8]
                t8 = above(t7, scores_t8_t1_at_best[0])
                scores_t8_t1_at_best[0] = pick(t8, t7, scores_t8_t1_at_best[0])
                scores_t8_t1_at[256*n + 8*j + k] = pick(t8, 1, scores_t8_t1_at[256*n + 8*j + k])
                scores_t8_t1_at[256*n + 8*j + k + 32] = 0
                scores_t8_t1_at_best[1] = -inf
                t9 = scores_t7[16*j + k + 64]
                t10 = above(t9, scores_t8_t1_at_best[1])
                scores_t8_t1_at_best[1] = pick(t10, t9, scores_t8_t1_at_best[1])
                scores_t8_t1_at[256*n + 8*j + k + 32] = pick(t10, 0, scores_t8_t1_at[256*n + 8*j + k + 32])
                t11 = scores_t7[16*j + k + 72]
                t12 = above(t11, scores_t8_t1_at_best[1])
                scores_t8_t1_at_best[1] = pick(t12, t11, scores_t8_t1_at_best[1])
                scores_t8_t1_at[256*n + 8*j + k + 32] = pick(t12, 1, scores_t8_t1_at[256*n + 8*j + k + 32])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8[1] = -inf
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_at[128*n + 8*j + k + 32] = 0
                scores_t8_at_best[1] = -inf
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1[2] = -inf
                #     in max_pool2d
                scores_t8_t1[2] = maximum(scores_t8_t1[2], scores_t7[16*j + k + 128])
                scores_t8_t1[2] = maximum(scores_t8_t1[2], scores_t7[16*j + k + 136])
                scores_t8[1] = maximum(scores_t8[1], scores_t8_t1[2])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t13 = scores_t8_t1[2]
                t14 = above(t13, scores_t8_at_best[1])
                scores_t8_at_best[1] = pick(t14, t13, scores_t8_at_best[1])
                scores_t8_at[128*n + 8*j + k + 32] = pick(t14, 0, scores_t8_at[128*n + 8*j + k + 32])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1[3] = -inf
                #     in max_pool2d
                scores_t8_t1[3] = maximum(scores_t8_t1[3], scores_t7[16*j + k + 192])
                scores_t8_t1[3] = maximum(scores_t8_t1[3], scores_t7[16*j + k + 200])
                scores_t8[1] = maximum(scores_t8[1], scores_t8_t1[3])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t15 = scores_t8_t1[3]
                t16 = above(t15, scores_t8_at_best[1])
                scores_t8_at_best[1] = pick(t16, t15, scores_t8_at_best[1])
                scores_t8_at[128*n + 8*j + k + 32] = pick(t16, 1, scores_t8_at[128*n + 8*j + k + 32])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     scores_t8 with zeros around it
                scores_t8_pad[288*n + 8*j + k + 104] = scores_t8[1]
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1_at[256*n + 8*j + k + 64] = 0
                scores_t8_t1_at_best[2] = -inf
                #     where the max is
                t17 = scores_t7[16*j + k + 128]
                t18 = above(t17, scores_t8_t1_at_best[2])
                scores_t8_t1_at_best[2] = pick(t18, t17, scores_t8_t1_at_best[2])
                scores_t8_t1_at[256*n + 8*j + k + 64] = pick(t18, 0, scores_t8_t1_at[256*n + 8*j + k + 64])
                t19 = scores_t7[16*j + k + 136]
                t20 = above(t19, scores_t8_t1_at_best[2])
                scores_t8_t1_at_best[2] = pick(t20, t19, scores_t8_t1_at_best[2])
                scores_t8_t1_at[256*n + 8*j + k + 64] = pick(t20, 1, scores_t8_t1_at[256*n + 8*j + k + 64])
                scores_t8_t1_at[256*n + 8*j + k + 96] = 0
                scores_t8_t1_at_best[3] = -inf
                t21 = scores_t7[16*j + k + 192]
                t22 = above(t21, scores_t8_t1_at_best[3])
                scores_t8_t1_at_best[3] = pick(t22, t21, scores_t8_t1_at_best[3])
                scores_t8_t1_at[256*n + 8*j + k + 96] = pick(t22, 0, scores_t8_t1_at[256*n + 8*j + k + 96])
                t23 = scores_t7[16*j + k + 200]
                t24 = above(t23, scores_t8_t1_at_best[3])
                scores_t8_t1_at_best[3] = pick(t24, t23, scores_t8_t1_at_best[3])
                scores_t8_t1_at[256*n + 8*j + k + 96] = pick(t24, 1, scores_t8_t1_at[256*n + 8*j + k + 96])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8[2] = -inf
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_at[128*n + 8*j + k + 64] = 0
                scores_t8_at_best[2] = -inf
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1[4] = -inf
                #     in max_pool2d
                scores_t8_t1[4] = maximum(scores_t8_t1[4], scores_t7[16*j + k + 256])
                scores_t8_t1[4] = maximum(scores_t8_t1[4], scores_t7[16*j + k + 264])
                scores_t8[2] = maximum(scores_t8[2], scores_t8_t1[4])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t25 = scores_t8_t1[4]
                t26 = above(t25, scores_t8_at_best[2])
                scores_t8_at_best[2] = pick(t26, t25, scores_t8_at_best[2])
                scores_t8_at[128*n + 8*j + k + 64] = pick(t26, 0, scores_t8_at[128*n + 8*j + k + 64])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1[5] = -inf
                #     in max_pool2d
                scores_t8_t1[5] = maximum(scores_t8_t1[5], scores_t7[16*j + k + 320])
                scores_t8_t1[5] = maximum(scores_t8_t1[5], scores_t7[16*j + k + 328])
                scores_t8[2] = maximum(scores_t8[2], scores_t8_t1[5])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t27 = scores_t8_t1[5]
                t28 = above(t27, scores_t8_at_best[2])
                scores_t8_at_best[2] = pick(t28, t27, scores_t8_at_best[2])
                scores_t8_at[128*n + 8*j + k + 64] = pick(t28, 1, scores_t8_at[128*n + 8*j + k + 64])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     scores_t8 with zeros around it
                scores_t8_pad[288*n + 8*j + k + 152] = scores_t8[2]
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1_at[256*n + 8*j + k + 128] = 0
                scores_t8_t1_at_best[4] = -inf
                #     where the max is
                t29 = scores_t7[16*j + k + 256]
                t30 = above(t29, scores_t8_t1_at_best[4])
                scores_t8_t1_at_best[4] = pick(t30, t29, scores_t8_t1_at_best[4])
                scores_t8_t1_at[256*n + 8*j + k + 128] = pick(t30, 0, scores_t8_t1_at[256*n + 8*j + k + 128])
                t31 = scores_t7[16*j + k + 264]
                t32 = above(t31, scores_t8_t1_at_best[4])
                scores_t8_t1_at_best[4] = pick(t32, t31, scores_t8_t1_at_best[4])
                scores_t8_t1_at[256*n + 8*j + k + 128] = pick(t32, 1, scores_t8_t1_at[256*n + 8*j + k + 128])
                scores_t8_t1_at[256*n + 8*j + k + 160] = 0
                scores_t8_t1_at_best[5] = -inf
                t33 = scores_t7[16*j + k + 320]
                t34 = above(t33, scores_t8_t1_at_best[5])
                scores_t8_t1_at_best[5] = pick(t34, t33, scores_t8_t1_at_best[5])
                scores_t8_t1_at[256*n + 8*j + k + 160] = pick(t34, 0, scores_t8_t1_at[256*n + 8*j + k + 160])
                t35 = scores_t7[16*j + k + 328]
                t36 = above(t35, scores_t8_t1_at_best[5])
                scores_t8_t1_at_best[5] = pick(t36, t35, scores_t8_t1_at_best[5])
                scores_t8_t1_at[256*n + 8*j + k + 160] = pick(t36, 1, scores_t8_t1_at[256*n + 8*j + k + 160])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8[3] = -inf
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_at[128*n + 8*j + k + 96] = 0
                scores_t8_at_best[3] = -inf
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1[6] = -inf
                #     in max_pool2d
                scores_t8_t1[6] = maximum(scores_t8_t1[6], scores_t7[16*j + k + 384])
                scores_t8_t1[6] = maximum(scores_t8_t1[6], scores_t7[16*j + k + 392])
                scores_t8[3] = maximum(scores_t8[3], scores_t8_t1[6])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t37 = scores_t8_t1[6]
                t38 = above(t37, scores_t8_at_best[3])
                scores_t8_at_best[3] = pick(t38, t37, scores_t8_at_best[3])
                scores_t8_at[128*n + 8*j + k + 96] = pick(t38, 0, scores_t8_at[128*n + 8*j + k + 96])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1[7] = -inf
                #     in max_pool2d
                scores_t8_t1[7] = maximum(scores_t8_t1[7], scores_t7[16*j + k + 448])
                scores_t8_t1[7] = maximum(scores_t8_t1[7], scores_t7[16*j + k + 456])
                scores_t8[3] = maximum(scores_t8[3], scores_t8_t1[7])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t39 = scores_t8_t1[7]
                t40 = above(t39, scores_t8_at_best[3])
                scores_t8_at_best[3] = pick(t40, t39, scores_t8_at_best[3])
                scores_t8_at[128*n + 8*j + k + 96] = pick(t40, 1, scores_t8_at[128*n + 8*j + k + 96])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     scores_t8 with zeros around it
                scores_t8_pad[288*n + 8*j + k + 200] = scores_t8[3]
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t8_t1_at[256*n + 8*j + k + 192] = 0
                scores_t8_t1_at_best[6] = -inf
                #     where the max is
                t41 = scores_t7[16*j + k + 384]
                t42 = above(t41, scores_t8_t1_at_best[6])
                scores_t8_t1_at_best[6] = pick(t42, t41, scores_t8_t1_at_best[6])
                scores_t8_t1_at[256*n + 8*j + k + 192] = pick(t42, 0, scores_t8_t1_at[256*n + 8*j + k + 192])
                t43 = scores_t7[16*j + k + 392]
                t44 = above(t43, scores_t8_t1_at_best[6])
                scores_t8_t1_at_best[6] = pick(t44, t43, scores_t8_t1_at_best[6])
                scores_t8_t1_at[256*n + 8*j + k + 192] = pick(t44, 1, scores_t8_t1_at[256*n + 8*j + k + 192])
                scores_t8_t1_at[256*n + 8*j + k + 224] = 0
                scores_t8_t1_at_best[7] = -inf
                t45 = scores_t7[16*j + k + 448]
                t46 = above(t45, scores_t8_t1_at_best[7])
                scores_t8_t1_at_best[7] = pick(t46, t45, scores_t8_t1_at_best[7])
                scores_t8_t1_at[256*n + 8*j + k + 224] = pick(t46, 0, scores_t8_t1_at[256*n + 8*j + k + 224])
                t47 = scores_t7[16*j + k + 456]
                t48 = above(t47, scores_t8_t1_at_best[7])
                scores_t8_t1_at_best[7] = pick(t48, t47, scores_t8_t1_at_best[7])
                scores_t8_t1_at[256*n + 8*j + k + 224] = pick(t48, 1, scores_t8_t1_at[256*n + 8*j + k + 224])
    for j in range(8):
        # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        #     second.W as the kernel reads it
        for k in range(3):
            for l in range(3):
                for i in range(16):
                    second_W_laid[384*k + 128*l + 16*j + i] = second_W[72*i + 9*j + 3*k + l]
        # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
        #     second.W as the kernel reads it
        for k in range(3):
            for l in range(3):
                for i in range(16):
                    second_W_laid_2[384*k + 128*l + 8*i + j] = second_W[72*i + 9*j - 3*k - l + 8]
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     in conv2d
    contract(N, 288, 256,  4, 48, 64,  4, 8, 16,
             1, 0, 0,  3, 48, 384,  24, 1, 16,
             16, 1, 1,
             1, scores_t8_pad, second_W_laid, 0, scores_t11)
    for n in range(N):
        for j in range(4):
            for k in range(4):
                for l in range(16):
                    scores_t14[256*n + 64*j + 16*k + l] = scores_t11[256*n + 64*j + 16*k + l] + second_b[l]
                    scores_t15[64*j + 16*k + l] = (<real>0 if scores_t14[256*n + 64*j + 16*k + l] <= 0 else scores_t14[256*n + 64*j + 16*k + l])
        for j in range(16):
            for k in range(2):
                for l in range(2):
                    scores_t16[64*n + 32*k + 16*l + j] = -inf
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                for l in range(2):
                    scores_t16_at[64*n + 32*k + 16*l + j] = 0
                    scores_t16_at_best[l] = -inf
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t16_t1[0] = -inf
                #     in max_pool2d
                scores_t16_t1[0] = maximum(scores_t16_t1[0], scores_t15[128*k + j])
                scores_t16_t1[0] = maximum(scores_t16_t1[0], scores_t15[128*k + j + 16])
                scores_t16[64*n + 32*k + j] = maximum(scores_t16[64*n + 32*k + j], scores_t16_t1[0])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t49 = scores_t16_t1[0]
                t50 = above(t49, scores_t16_at_best[0])
                scores_t16_at_best[0] = pick(t50, t49, scores_t16_at_best[0])
                scores_t16_at[64*n + 32*k + j] = pick(t50, 0, scores_t16_at[64*n + 32*k + j])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t16_t1[1] = -inf
                #     in max_pool2d
                scores_t16_t1[1] = maximum(scores_t16_t1[1], scores_t15[128*k + j + 32])
                scores_t16_t1[1] = maximum(scores_t16_t1[1], scores_t15[128*k + j + 48])
                scores_t16[64*n + 32*k + j + 16] = maximum(scores_t16[64*n + 32*k + j + 16], scores_t16_t1[1])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t51 = scores_t16_t1[1]
                t52 = above(t51, scores_t16_at_best[1])
                scores_t16_at_best[1] = pick(t52, t51, scores_t16_at_best[1])
                scores_t16_at[64*n + 32*k + j + 16] = pick(t52, 0, scores_t16_at[64*n + 32*k + j + 16])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t16_t1[2] = -inf
                #     in max_pool2d
                scores_t16_t1[2] = maximum(scores_t16_t1[2], scores_t15[128*k + j + 64])
                scores_t16_t1[2] = maximum(scores_t16_t1[2], scores_t15[128*k + j + 80])
                scores_t16[64*n + 32*k + j] = maximum(scores_t16[64*n + 32*k + j], scores_t16_t1[2])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t53 = scores_t16_t1[2]
                t54 = above(t53, scores_t16_at_best[0])
                scores_t16_at_best[0] = pick(t54, t53, scores_t16_at_best[0])
                scores_t16_at[64*n + 32*k + j] = pick(t54, 1, scores_t16_at[64*n + 32*k + j])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t16_t1[3] = -inf
                #     in max_pool2d
                scores_t16_t1[3] = maximum(scores_t16_t1[3], scores_t15[128*k + j + 96])
                scores_t16_t1[3] = maximum(scores_t16_t1[3], scores_t15[128*k + j + 112])
                scores_t16[64*n + 32*k + j + 16] = maximum(scores_t16[64*n + 32*k + j + 16], scores_t16_t1[3])
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     where the max is
                t55 = scores_t16_t1[3]
                t56 = above(t55, scores_t16_at_best[1])
                scores_t16_at_best[1] = pick(t56, t55, scores_t16_at_best[1])
                scores_t16_at[64*n + 32*k + j + 16] = pick(t56, 1, scores_t16_at[64*n + 32*k + j + 16])
                # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                #     in flatten
                scores_t17[64*n + 4*j + 2*k] = scores_t16[64*n + 32*k + j]
                scores_t17[64*n + 4*j + 2*k + 1] = scores_t16[64*n + 32*k + j + 16]
                # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
                scores_t16_t1_at[128*n + 64*k + j] = 0
                scores_t16_t1_at_best[0] = -inf
                #     where the max is
                t57 = scores_t15[128*k + j]
                t58 = above(t57, scores_t16_t1_at_best[0])
                scores_t16_t1_at_best[0] = pick(t58, t57, scores_t16_t1_at_best[0])
                scores_t16_t1_at[128*n + 64*k + j] = pick(t58, 0, scores_t16_t1_at[128*n + 64*k + j])
                t59 = scores_t15[128*k + j + 16]
                t60 = above(t59, scores_t16_t1_at_best[0])
                scores_t16_t1_at_best[0] = pick(t60, t59, scores_t16_t1_at_best[0])
                scores_t16_t1_at[128*n + 64*k + j] = pick(t60, 1, scores_t16_t1_at[128*n + 64*k + j])
                scores_t16_t1_at[128*n + 64*k + j + 16] = 0
                scores_t16_t1_at_best[1] = -inf
                t61 = scores_t15[128*k + j + 32]
                t62 = above(t61, scores_t16_t1_at_best[1])
                scores_t16_t1_at_best[1] = pick(t62, t61, scores_t16_t1_at_best[1])
                scores_t16_t1_at[128*n + 64*k + j + 16] = pick(t62, 0, scores_t16_t1_at[128*n + 64*k + j + 16])
                t63 = scores_t15[128*k + j + 48]
                t64 = above(t63, scores_t16_t1_at_best[1])
                scores_t16_t1_at_best[1] = pick(t64, t63, scores_t16_t1_at_best[1])
                scores_t16_t1_at[128*n + 64*k + j + 16] = pick(t64, 1, scores_t16_t1_at[128*n + 64*k + j + 16])
                scores_t16_t1_at[128*n + 64*k + j + 32] = 0
                scores_t16_t1_at_best[2] = -inf
                t65 = scores_t15[128*k + j + 64]
                t66 = above(t65, scores_t16_t1_at_best[2])
                scores_t16_t1_at_best[2] = pick(t66, t65, scores_t16_t1_at_best[2])
                scores_t16_t1_at[128*n + 64*k + j + 32] = pick(t66, 0, scores_t16_t1_at[128*n + 64*k + j + 32])
                t67 = scores_t15[128*k + j + 80]
                t68 = above(t67, scores_t16_t1_at_best[2])
                scores_t16_t1_at_best[2] = pick(t68, t67, scores_t16_t1_at_best[2])
                scores_t16_t1_at[128*n + 64*k + j + 32] = pick(t68, 1, scores_t16_t1_at[128*n + 64*k + j + 32])
                scores_t16_t1_at[128*n + 64*k + j + 48] = 0
                scores_t16_t1_at_best[3] = -inf
                t69 = scores_t15[128*k + j + 96]
                t70 = above(t69, scores_t16_t1_at_best[3])
                scores_t16_t1_at_best[3] = pick(t70, t69, scores_t16_t1_at_best[3])
                scores_t16_t1_at[128*n + 64*k + j + 48] = pick(t70, 0, scores_t16_t1_at[128*n + 64*k + j + 48])
                t71 = scores_t15[128*k + j + 112]
                t72 = above(t71, scores_t16_t1_at_best[3])
                scores_t16_t1_at_best[3] = pick(t72, t71, scores_t16_t1_at_best[3])
                scores_t16_t1_at[128*n + 64*k + j + 48] = pick(t72, 1, scores_t16_t1_at[128*n + 64*k + j + 48])
    # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    #     in dense
    #     in flatten
    contract(1, 0, 0,  1, 0, 0,  N, 64, 10,
             1, 0, 0,  4, 16, 10,  16, 1, 40,
             10, 1, 1,
             1, scores_t16, head_W, 0, scores_t18)
    # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
    loss_t4 = 0
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    for j in range(10):
        d_head_b[j] = 0
    for n_start in range(0, N, 8):
        n_count = N - n_start if N - n_start < 8 else 8
        for n_in in range(n_count):
            n = n_start + n_in
            # examples/lenet.gw:12   output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
            #     in dense
            for j in range(10):
                scores[10*n_in + j] = scores_t18[10*n + j] + head_b[j]
            # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
            loss_t1_max = -inf
            #     the largest, taken away below
            for j in range(10):
                loss_t1_max = maximum(loss_t1_max, scores[10*n_in + j])
            loss_t1_shift[n_in] = (<real>0 if absolute(loss_t1_max) == inf else loss_t1_max)
            #     at most 1 each
            for j in range(10):
                loss_t1_exp[10*n_in + j] = exp(scores[10*n_in + j] - loss_t1_shift[n_in])
        for n_in in range(n_count):
            n = n_start + n_in
            loss_t1_sum[n_in] = 0
            loss_t1_sum[n_in] += short_sum(loss_t1_exp + 10*n_in, 10)
            # examples/lenet.gw:15   backward of  minimize mean(softmax_cross_entropy(scores, y))
            #     scores is used 2 times: its adjoints add
            #     exp(t - logsumexp(t)): the softmax
            #     d loss / d loss_t4 = 1 / N
            #     exp(scores - loss_t1_shift) is there already: loss_t1_exp, and this is loss_t1_exp / (loss_t1_sum * N)
            for j in range(10):
                d_scores[10*n + j] = loss_t1_exp[10*n_in + j]/(loss_t1_sum[n_in]*N)
            d_scores[10*n + y[n]] -= <real>1/N
            # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
            for j in range(10):
                d_head_b[j] += d_scores[10*n + j]
        # examples/lenet.gw:15   minimize mean(softmax_cross_entropy(scores, y))
        #     in softmax_cross_entropy
        for n_in in range(n_count):
            n = n_start + n_in
            loss_t4_block[n_in] = loss_t1_shift[n_in] + log(loss_t1_sum[n_in]) - scores[10*n_in + y[n]]
        for n_in in range(n_count):
            loss_t4 += loss_t4_block[n_in]
    loss[0] = loss_t4/N
    # examples/lenet.gw:12   backward of  output scores = x |> conv2d(8, kernel=3, pad=1) as first |> relu |> max_pool2d(2)
    gemm(N, 64, 10, 1,
         d_scores, 10, 1,
         head_W, 1, 10,
         0, d_scores_t17, 64)
    for j in range(16):
        d_scores_t13[j] = 0
    #     max routes: the whole gradient goes to the first winner
    #     d scores_t15 / d scores_t14 = where(scores_t14 <= 0, 0, 1)
    #     d_scores_t14 with zeros around it
    for n in range(N):
        for j in range(16):
            for k in range(2):
                d_scores_t16_t1[k] = pick(k == scores_t16_at[64*n + j], d_scores_t17[64*n + 4*j], <real>0)
                d_scores_t16_t1[k + 2] = pick(k == scores_t16_at[64*n + j + 16], d_scores_t17[64*n + 4*j + 1], <real>0)
                d_scores_t16_t1[k + 4] = pick(k == scores_t16_at[64*n + j + 32], d_scores_t17[64*n + 4*j + 2], <real>0)
                d_scores_t16_t1[k + 6] = pick(k == scores_t16_at[64*n + j + 48], d_scores_t17[64*n + 4*j + 3], <real>0)
            d_scores_t15[0] = pick(0 == scores_t16_t1_at[128*n + j], d_scores_t16_t1[0], <real>0)
            d_scores_t15[1] = pick(1 == scores_t16_t1_at[128*n + j], d_scores_t16_t1[0], <real>0)
            d_scores_t15[2] = pick(0 == scores_t16_t1_at[128*n + j + 16], d_scores_t16_t1[2], <real>0)
            d_scores_t15[3] = pick(1 == scores_t16_t1_at[128*n + j + 16], d_scores_t16_t1[2], <real>0)
            d_scores_t15[4] = pick(0 == scores_t16_t1_at[128*n + j + 32], d_scores_t16_t1[1], <real>0)
            d_scores_t15[5] = pick(1 == scores_t16_t1_at[128*n + j + 32], d_scores_t16_t1[1], <real>0)
            d_scores_t15[6] = pick(0 == scores_t16_t1_at[128*n + j + 48], d_scores_t16_t1[3], <real>0)
            d_scores_t15[7] = pick(1 == scores_t16_t1_at[128*n + j + 48], d_scores_t16_t1[3], <real>0)
            d_scores_t15[8] = pick(0 == scores_t16_t1_at[128*n + j + 64], d_scores_t16_t1[4], <real>0)
            d_scores_t15[9] = pick(1 == scores_t16_t1_at[128*n + j + 64], d_scores_t16_t1[4], <real>0)
            d_scores_t15[10] = pick(0 == scores_t16_t1_at[128*n + j + 80], d_scores_t16_t1[6], <real>0)
            d_scores_t15[11] = pick(1 == scores_t16_t1_at[128*n + j + 80], d_scores_t16_t1[6], <real>0)
            d_scores_t15[12] = pick(0 == scores_t16_t1_at[128*n + j + 96], d_scores_t16_t1[5], <real>0)
            d_scores_t15[13] = pick(1 == scores_t16_t1_at[128*n + j + 96], d_scores_t16_t1[5], <real>0)
            d_scores_t15[14] = pick(0 == scores_t16_t1_at[128*n + j + 112], d_scores_t16_t1[7], <real>0)
            d_scores_t15[15] = pick(1 == scores_t16_t1_at[128*n + j + 112], d_scores_t16_t1[7], <real>0)
            for k in range(6):
                for l in range(6):
                    d_scores_t14_pad[576*n + 96*k + 16*l + j] = 0
            for k in range(4):
                for l in range(4):
                    d_scores_t14[256*n + 64*k + 16*l + j] = d_scores_t15[4*k + l]*(<real>0 if scores_t14[256*n + 64*k + 16*l + j] <= 0 else <real>1)
                    d_scores_t14_pad[576*n + 96*k + 16*l + j + 112] = d_scores_t14[256*n + 64*k + 16*l + j]
                for l in range(4):
                    d_scores_t13[j] += d_scores_t14[256*n + 64*k + 16*l + j]
    contract(N, 576, 128,  4, 96, 32,  4, 16, 8,
             1, 0, 0,  3, 96, 384,  48, 1, 8,
             8, 1, 1,
             1, d_scores_t14_pad, second_W_laid_2, 0, d_scores_t8)
    for j in range(8):
        d_scores_t5[j] = 0
    #     d scores_t7 / d scores_t6 = where(scores_t6 <= 0, 0, 1)
    for n in range(N):
        for j in range(4):
            for k in range(4):
                for l in range(8):
                    for i in range(2):
                        d_scores_t8_t1[64*j + 16*k + 2*l + i] = pick(i == scores_t8_at[128*n + 32*j + 8*k + l], d_scores_t8[128*n + 32*j + 8*k + l], <real>0)
        for j in range(4):
            for k in range(8):
                d_scores_t7[16*j + k] = pick(0 == scores_t8_t1_at[256*n + 8*j + k], d_scores_t8_t1[16*j + 2*k], <real>0)
                d_scores_t7[16*j + k + 8] = pick(1 == scores_t8_t1_at[256*n + 8*j + k], d_scores_t8_t1[16*j + 2*k], <real>0)
                d_scores_t7[16*j + k + 64] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 32], d_scores_t8_t1[16*j + 2*k + 1], <real>0)
                d_scores_t7[16*j + k + 72] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 32], d_scores_t8_t1[16*j + 2*k + 1], <real>0)
                d_scores_t7[16*j + k + 128] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 64], d_scores_t8_t1[16*j + 2*k + 64], <real>0)
                d_scores_t7[16*j + k + 136] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 64], d_scores_t8_t1[16*j + 2*k + 64], <real>0)
                d_scores_t7[16*j + k + 192] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 96], d_scores_t8_t1[16*j + 2*k + 65], <real>0)
                d_scores_t7[16*j + k + 200] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 96], d_scores_t8_t1[16*j + 2*k + 65], <real>0)
                d_scores_t7[16*j + k + 256] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 128], d_scores_t8_t1[16*j + 2*k + 128], <real>0)
                d_scores_t7[16*j + k + 264] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 128], d_scores_t8_t1[16*j + 2*k + 128], <real>0)
                d_scores_t7[16*j + k + 320] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 160], d_scores_t8_t1[16*j + 2*k + 129], <real>0)
                d_scores_t7[16*j + k + 328] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 160], d_scores_t8_t1[16*j + 2*k + 129], <real>0)
                d_scores_t7[16*j + k + 384] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 192], d_scores_t8_t1[16*j + 2*k + 192], <real>0)
                d_scores_t7[16*j + k + 392] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 192], d_scores_t8_t1[16*j + 2*k + 192], <real>0)
                d_scores_t7[16*j + k + 448] = pick(0 == scores_t8_t1_at[256*n + 8*j + k + 224], d_scores_t8_t1[16*j + 2*k + 193], <real>0)
                d_scores_t7[16*j + k + 456] = pick(1 == scores_t8_t1_at[256*n + 8*j + k + 224], d_scores_t8_t1[16*j + 2*k + 193], <real>0)
        for j in range(8):
            for k in range(8):
                for l in range(8):
                    d_scores_t6[512*n + 64*j + 8*k + l] = d_scores_t7[64*j + 8*k + l]*(<real>0 if scores_t6[512*n + 64*j + 8*k + l] <= 0 else <real>1)
                    d_scores_t5[l] += d_scores_t6[512*n + 64*j + 8*k + l]
    contract(1, 0, 0,  3, 10, 24,  3, 1, 8,
             N, 100, 512,  8, 10, 64,  8, 1, 8,
             8, 1, 1,
             1, x_pad, d_scores_t6, 0, d_first_W_laid)
    for j in range(8):
        for k in range(3):
            for l in range(3):
                d_first_W[9*j + 3*k + l] = d_first_W_laid[24*k + 8*l + j]
        d_first_b[j] = d_scores_t5[j]
    contract(1, 0, 0,  3, 48, 384,  24, 1, 16,
             N, 288, 256,  4, 48, 64,  4, 8, 16,
             16, 1, 1,
             1, scores_t8_pad, d_scores_t14, 0, d_second_W_laid)
    for j in range(16):
        for k in range(8):
            for l in range(3):
                for i in range(3):
                    d_second_W[72*j + 9*k + 3*l + i] = d_second_W_laid[384*l + 128*i + 16*k + j]
        d_second_b[j] = d_scores_t13[j]
    gemm(64, 10, N, 1,
         scores_t17, 1, 64,
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
        ('scores_t6', ('*', 100, 'N'), ('N', 8, 8, 8), (512, 1, 64, 8)),
        ('scores_t7', ('*', 612, 'N'), ('N', 8, 8, 8), (512, 1, 64, 8)),
        ('scores_t8', ('+', ('*', 1380, 'N'), 56), ('N', 8, 4, 4), (288, 1, 48, 8)),
        ('scores_t14', ('*', 1668, 'N'), ('N', 16, 4, 4), (256, 1, 64, 16)),
        ('scores_t15', ('*', 1924, 'N'), ('N', 16, 4, 4), (256, 1, 64, 16)),
        ('scores_t16', ('*', 2308, 'N'), ('N', 16, 2, 2), (64, 1, 32, 16)),
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
            'kept': ('*', 2383, 'N'),
            'work': 1152,
            'sizes': ('N',),
        },
        {
            'name': 'backward',
            'slots': ('in:y', 'theta', 'grad:loss', 'kept', 'work'),
            'kept': ('*', 2383, 'N'),
            'work': ('+', ('*', 1546, 'N'), 1152),
            'sizes': ('N',),
        },
        {
            'name': 'train',
            'slots': ('in:x', 'in:y', 'theta', 'out:loss', 'grad:loss', 'work'),
            'kept': 0,
            'work': ('+', ('*', 2714, 'N'), 2304),
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
