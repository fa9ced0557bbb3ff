# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=False, annotation_typing=False, embedsignature=False
"""lstm: a loop that stays a loop in the generated code

Made by gradwright 0.1.0 from examples/lstm.gw (sha256 d1cb7f3a383547b2); edit the model and make it again:
    gradwright compile examples/lstm.gw

Sizes        N, T are free, D = 16, H = 32
Inputs       x[N, T, 16] target[N, 32]
Parameters   W[48, 128] b[128]: 6272 float64, in this order in theta
Kept         h_start[N, 32] x_by_t[T, N, 16] h_before[T, N, 32] c_before[T, N, 32] c_sigmoid1_steps[T, N, 32] c_sigmoid2_steps[T, N, 32] c_tanh1_steps[T, N, 32] h_sigmoid1_steps[T, N, 32] h_tanh1_steps[T, N, 32] loss_sub1[N, 32] for the backward pass
Unnamed      c_sigmoid1 = sigmoid(f)
             c_sigmoid2 = sigmoid(i)
             c_tanh1    = tanh(g)
             h_sigmoid1 = sigmoid(o)
             h_tanh1    = tanh(c)
             loss_sub1  = h - target
             loss_pow1  = (h - target)**2
Operations   the forward graph as written: 96*N + 1
             predict 12832*N*T, 160*N*T of them transcendental; bytes moved 1536*N*T + 2048*N + 50176
             forward 12832*N*T + 96*N + 1, 160*N*T of them transcendental; bytes moved 3328*N*T + 2560*N + 50184
             backward 21312*N*T + 64*N; bytes moved 2944*N*T + 1280*N + 181248
             train 34144*N*T + 160*N + 1, 160*N*T of them transcendental; bytes moved 4096*N*T + 3072*N + 182280
Products     i_matmul1_part1 (N*T x 128 x 16) in predict, forward, train: tiles of 8 x (4*3+2*2) vectors with AVX-512, 4 x (10*3+2) vectors with AVX2
             i_matmul1_part2 (N x 128 x 32) in predict, forward, train: tiles of 8 x (4*3+2*2) vectors with AVX-512, 4 x (10*3+2) vectors with AVX2
             d_h_2 (N x 32 x 128) in backward, train: tiles of 8 x (2*2) vectors with AVX-512, 4 x (2*3+2) vectors with AVX2
             d_W_part2_sum (32 x 128 x N*T) in backward, train: tiles of 8 x (4*3+2*2) vectors with AVX-512, 4 x (10*3+2) vectors with AVX2
             d_W_part1 (16 x 128 x N*T) in backward, train: tiles of 8 x (4*3+2*2) vectors with AVX-512, 4 x (10*3+2) vectors with AVX2
"""

cdef extern from "gradwright/scalar.h" nogil:
    # restrict pointers: nothing read here is written here
    ctypedef const double *read "gw_read_f64"
    ctypedef double *write "gw_write_f64"
    ctypedef const long long *indices "gw_read_i64"
    ctypedef long long *write_indices "gw_write_i64"
    double sigmoid "gw_sigmoid"(double) noexcept
    double tanh "gw_tanh"(double) noexcept
    # y*(1 - y) of a y from 0 to 1
    double sigmoid_slope "gw_sigmoid_slope"(double) noexcept
cdef extern from "gradwright/sum.h" nogil:
    double short_squares "gw_short_squares_f64"(const double *, Py_ssize_t) noexcept
cdef extern from "gradwright/share.h" nogil:
    # all rounds of a loop, in parts of whole blocks: by several threads where their work is worth it
    ctypedef void (*part_t)(void **, const Py_ssize_t *, Py_ssize_t, Py_ssize_t, double *,
                            void *) noexcept nogil
    void share "gw_share"(part_t part, void **given, const Py_ssize_t *sizes,
          Py_ssize_t rounds, Py_ssize_t work, Py_ssize_t block, double *sums, Py_ssize_t count,
          size_t room) noexcept
cdef extern from "gradwright/gemm.h" nogil:
    # c[m, n] = alpha * a[m, k] @ b[k, n] + beta * c, with the strides of rows and columns
    void gemm "gw_gemm_f64"(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, double alpha,
              const double *a, Py_ssize_t a_row, Py_ssize_t a_column,
              const double *b, Py_ssize_t b_row, Py_ssize_t b_column,
              double beta, double *c, Py_ssize_t c_row) noexcept
cdef extern from "gradwright/contract.h" nogil:
    # to[j, i] = from[i, j], with the steps from row to row
    void transpose "gw_transpose_f64"(Py_ssize_t rows, Py_ssize_t columns, const double *source,
                   Py_ssize_t source_row, double *to, Py_ssize_t to_row) noexcept

ctypedef double real


cdef void _predict_part1(read x, write x_by_t, Py_ssize_t N, Py_ssize_t T, Py_ssize_t first, Py_ssize_t last,
                         double *sums) noexcept nogil:
    # the rounds of a loop of predict from first up to last
    cdef Py_ssize_t t, n, j
    # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    for t in range(first, last):
        for n in range(N):
            for j in range(16):
                x_by_t[16*N*t + 16*n + j] = x[16*T*n + 16*t + j]


cdef void _call_predict_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                              double *sums, void *own) noexcept nogil:
    _predict_part1(<read>s[0], <write>s[1], n[0], n[1], first, last, sums)


cdef void predict(read x, read theta, write h, write hs, write work, Py_ssize_t N, Py_ssize_t T) noexcept nogil:
    # the outputs without the loss
    cdef read W = theta, b = theta + 6144
    cdef write h_start = work, x_by_t = work + 192*N, i_matmul1_part1 = work + 16*N*T + 192*N, h_h = work + 128*N
    cdef write h_c = work + 160*N, i_matmul1_part2 = work
    cdef real i, f, o, g
    cdef Py_ssize_t n, j, t
    cdef Py_ssize_t _sizes[2]
    cdef void *_given1[2]
    # examples/lstm.gw:8   carry h = zeros(N, H)
    for n in range(N):
        for j in range(32):
            h_start[32*n + j] = 0
    # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    _given1[0] = <void *>x
    _given1[1] = <void *>x_by_t
    _sizes[0] = N
    _sizes[1] = T
    share(_call_predict_part1, _given1, _sizes, T, 32*N, 1, NULL, 0, 0)
    #     for all steps at once
    gemm(N*T, 128, 16, 1,
         x_by_t, 16, 1,
         W, 128, 1,
         0, i_matmul1_part1, 128)
    # examples/lstm.gw:7   scan t in range(T):
    for n in range(N):
        for j in range(32):
            h_h[32*n + j] = h_start[32*n + j]
    for n in range(N):
        for j in range(32):
            h_c[32*n + j] = h_start[32*n + j]
    for t in range(T):
        # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
        gemm(N, 128, 32, 1,
             h_h, 32, 1,
             W + 2048, 128, 1,
             0, i_matmul1_part2, 128)
        for n in range(N):
            for j in range(32):
                #     in parts, of which not all wait for the step before
                i = i_matmul1_part1[128*N*t + 128*n + j] + i_matmul1_part2[128*n + j] + b[j]
                f = i_matmul1_part1[128*N*t + 128*n + j + 32] + i_matmul1_part2[128*n + j + 32] + b[j + 32]
                o = i_matmul1_part1[128*N*t + 128*n + j + 64] + i_matmul1_part2[128*n + j + 64] + b[j + 64]
                g = i_matmul1_part1[128*N*t + 128*n + j + 96] + i_matmul1_part2[128*n + j + 96] + b[j + 96]
                # examples/lstm.gw:11   c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                h_c[32*n + j] = sigmoid(f)*h_c[32*n + j] + sigmoid(i)*tanh(g)
                # examples/lstm.gw:12   h = sigmoid(o) * tanh(c)
                h_h[32*n + j] = sigmoid(o)*tanh(h_c[32*n + j])
                hs[32*N*t + 32*n + j] = h_h[32*n + j]
    # examples/lstm.gw:7   scan t in range(T):
    for n in range(N):
        for j in range(32):
            h[32*n + j] = h_h[32*n + j]


cdef void _forward_part1(read x, write x_by_t, Py_ssize_t N, Py_ssize_t T, Py_ssize_t first, Py_ssize_t last,
                         double *sums) noexcept nogil:
    # the rounds of a loop of forward from first up to last
    cdef Py_ssize_t t, n, j
    # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    for t in range(first, last):
        for n in range(N):
            for j in range(16):
                x_by_t[16*N*t + 16*n + j] = x[16*T*n + 16*t + j]


cdef void _call_forward_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                              double *sums, void *own) noexcept nogil:
    _forward_part1(<read>s[0], <write>s[1], n[0], n[1], first, last, sums)


cdef void forward(read x, read target, read theta, write h, write hs, write loss, write kept, write work, Py_ssize_t N,
                  Py_ssize_t T) noexcept nogil:
    # the outputs, and what the backward pass keeps
    cdef read W = theta, b = theta + 6144
    cdef write h_start = kept, x_by_t = kept + 32*N, h_before = kept + 16*N*T + 32*N, c_before = kept + 48*N*T + 32*N
    cdef write c_sigmoid1_steps = kept + 80*N*T + 32*N, c_sigmoid2_steps = kept + 112*N*T + 32*N
    cdef write c_tanh1_steps = kept + 144*N*T + 32*N, h_sigmoid1_steps = kept + 176*N*T + 32*N
    cdef write h_tanh1_steps = kept + 208*N*T + 32*N, loss_sub1 = kept + 240*N*T + 32*N
    cdef write i_matmul1_part1 = work, h_h = work + 128*N*T, h_c = work + 128*N*T + 32*N
    cdef write i_matmul1_part2 = work + 128*N*T + 64*N
    cdef real i, f, o, g
    cdef double loss_sum1
    cdef Py_ssize_t n, j, t
    cdef Py_ssize_t _sizes[2]
    cdef void *_given1[2]
    # examples/lstm.gw:8   carry h = zeros(N, H)
    for n in range(N):
        for j in range(32):
            h_start[32*n + j] = 0
    # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    _given1[0] = <void *>x
    _given1[1] = <void *>x_by_t
    _sizes[0] = N
    _sizes[1] = T
    share(_call_forward_part1, _given1, _sizes, T, 32*N, 1, NULL, 0, 0)
    #     for all steps at once
    gemm(N*T, 128, 16, 1,
         x_by_t, 16, 1,
         W, 128, 1,
         0, i_matmul1_part1, 128)
    # examples/lstm.gw:7   scan t in range(T):
    for n in range(N):
        for j in range(32):
            h_h[32*n + j] = h_start[32*n + j]
    for n in range(N):
        for j in range(32):
            h_c[32*n + j] = h_start[32*n + j]
    for t in range(T):
        for n in range(N):
            for j in range(32):
                h_before[32*N*t + 32*n + j] = h_h[32*n + j]
            for j in range(32):
                c_before[32*N*t + 32*n + j] = h_c[32*n + j]
        # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
        gemm(N, 128, 32, 1,
             h_h, 32, 1,
             W + 2048, 128, 1,
             0, i_matmul1_part2, 128)
        for n in range(N):
            for j in range(32):
                #     in parts, of which not all wait for the step before
                i = i_matmul1_part1[128*N*t + 128*n + j] + i_matmul1_part2[128*n + j] + b[j]
                f = i_matmul1_part1[128*N*t + 128*n + j + 32] + i_matmul1_part2[128*n + j + 32] + b[j + 32]
                o = i_matmul1_part1[128*N*t + 128*n + j + 64] + i_matmul1_part2[128*n + j + 64] + b[j + 64]
                g = i_matmul1_part1[128*N*t + 128*n + j + 96] + i_matmul1_part2[128*n + j + 96] + b[j + 96]
                # examples/lstm.gw:11   c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                c_sigmoid1_steps[32*N*t + 32*n + j] = sigmoid(f)
                c_sigmoid2_steps[32*N*t + 32*n + j] = sigmoid(i)
                c_tanh1_steps[32*N*t + 32*n + j] = tanh(g)
                h_c[32*n + j] = c_sigmoid1_steps[32*N*t + 32*n + j]*h_c[32*n + j] + c_sigmoid2_steps[32*N*t + 32*n + j]*c_tanh1_steps[32*N*t + 32*n + j]
                # examples/lstm.gw:12   h = sigmoid(o) * tanh(c)
                h_sigmoid1_steps[32*N*t + 32*n + j] = sigmoid(o)
                h_tanh1_steps[32*N*t + 32*n + j] = tanh(h_c[32*n + j])
                h_h[32*n + j] = h_sigmoid1_steps[32*N*t + 32*n + j]*h_tanh1_steps[32*N*t + 32*n + j]
                hs[32*N*t + 32*n + j] = h_h[32*n + j]
    # examples/lstm.gw:7   scan t in range(T):
    for n in range(N):
        for j in range(32):
            h[32*n + j] = h_h[32*n + j]
    # examples/lstm.gw:16   minimize mean((h - target)**2)
    loss_sum1 = 0
    for n in range(N):
        for j in range(32):
            loss_sub1[32*n + j] = h[32*n + j] - target[32*n + j]
        loss_sum1 += short_squares(loss_sub1 + 32*n, 32)
    loss[0] = loss_sum1/(32*N)


cdef void backward(read theta, write grad, read kept, write work, Py_ssize_t N, Py_ssize_t T) noexcept nogil:
    # the adjoints, from what the forward pass kept
    cdef read W = theta
    cdef write d_W_3 = grad, d_b_3 = grad + 6144
    cdef read h_start = kept, x_by_t = kept + 32*N, h_before = kept + 16*N*T + 32*N, c_before = kept + 48*N*T + 32*N
    cdef read c_sigmoid1_steps = kept + 80*N*T + 32*N, c_sigmoid2_steps = kept + 112*N*T + 32*N
    cdef read c_tanh1_steps = kept + 144*N*T + 32*N, h_sigmoid1_steps = kept + 176*N*T + 32*N
    cdef read h_tanh1_steps = kept + 208*N*T + 32*N, loss_sub1 = kept + 240*N*T + 32*N
    cdef write d_h = work + 4096, W_T = work, d_h_2 = work + 32*N + 4096, d_c_2 = work + 4096
    cdef write d_i_matmul1_part1 = work + 64*N + 6144, d_W_part2_sum = work, d_W_part1 = work + 4096
    cdef real d_c_2_2, d_g, d_o, d_f, d_i
    cdef real d_b[128]
    cdef real d_b_2[128]
    cdef real sum_b[128]
    cdef Py_ssize_t n, j, t, k
    # examples/lstm.gw:16   backward of  minimize mean((h - target)**2)
    #     d loss_pow1 / d loss_sub1 = 2 * loss_sub1
    #     d loss / d loss_sum1 = 1 / 32*N
    for n in range(N):
        for j in range(32):
            d_h[32*n + j] = 2*loss_sub1[32*n + j]/(32*N)
    # examples/lstm.gw:7   backward of  scan t in range(T):
    #     the running sum starts at 0
    for j in range(128):
        d_b[j] = 0
    # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    #     transposed once for all steps
    transpose(32, 128, W + 2048, 128, W_T, 32)
    # examples/lstm.gw:7   backward of  scan t in range(T):
    #     the same steps backwards
    for n in range(N):
        for j in range(32):
            d_h_2[32*n + j] = d_h[32*n + j]
    for n in range(N):
        for j in range(32):
            d_c_2[32*n + j] = h_start[32*n + j]
    for j in range(128):
        sum_b[j] = d_b[j]
    for t in range(T):
        for n in range(N):
            for j in range(32):
                # examples/lstm.gw:11   backward of  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                # examples/lstm.gw:12                h = sigmoid(o) * tanh(c)
                #     c_2 is used 2 times: its adjoints add
                #     d h_tanh1 / d c_2 = 1 - h_tanh1**2
                d_c_2_2 = d_c_2[32*n + j] + d_h_2[32*n + j]*h_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(1 - h_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*h_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N])
                # examples/lstm.gw:11   backward of  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                #     d c_tanh1 / d g = 1 - c_tanh1**2
                d_g = d_c_2_2*c_sigmoid2_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(1 - c_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*c_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N])
                # examples/lstm.gw:12   backward of  h = sigmoid(o) * tanh(c)
                #     d h_sigmoid1 / d o = h_sigmoid1 * (1 - h_sigmoid1)
                d_o = d_h_2[32*n + j]*h_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(h_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(1 - h_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]))
                # examples/lstm.gw:11   backward of  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                #     d c_sigmoid1 / d f = c_sigmoid1 * (1 - c_sigmoid1)
                d_f = d_c_2_2*c_before[-32*N*t + 32*n + j + 32*N*T - 32*N]*(c_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(1 - c_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]))
                #     d c_sigmoid2 / d i = c_sigmoid2 * (1 - c_sigmoid2)
                d_i = d_c_2_2*c_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(c_sigmoid2_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(1 - c_sigmoid2_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]))
                # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
                d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N + 96] = d_g
                d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N + 64] = d_o
                d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N + 32] = d_f
                d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N] = d_i
                # examples/lstm.gw:11   backward of  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                d_c_2[32*n + j] = d_c_2_2*c_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]
            # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
            for j in range(128):
                sum_b[j] += d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N]
        gemm(N, 32, 128, 1,
             d_i_matmul1_part1 + -128*N*t + 128*N*T - 128*N, 128, 1,
             W_T, 32, 1,
             0, d_h_2, 32)
    # examples/lstm.gw:7   backward of  scan t in range(T):
    #     the same steps backwards
    for j in range(128):
        d_b_2[j] = sum_b[j]
    # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    #     the sum over all steps at once
    gemm(32, 128, N*T, 1,
         h_before, 1, 32,
         d_i_matmul1_part1, 128, 1,
         0, d_W_part2_sum, 128)
    # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    # examples/lstm.gw:7                 scan t in range(T):
    #     the same steps backwards
    gemm(16, 128, N*T, 1,
         x_by_t, 1, 16,
         d_i_matmul1_part1, 128, 1,
         0, d_W_part1, 128)
    # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    for j in range(32):
        for k in range(128):
            d_W_3[128*j + k + 2048] = d_W_part2_sum[128*j + k]
    for j in range(16):
        for k in range(128):
            d_W_3[128*j + k] = d_W_part1[128*j + k]
    # examples/lstm.gw:7   backward of  scan t in range(T):
    #     the same steps backwards
    for j in range(128):
        d_b_3[j] = d_b_2[j]


cdef void _train_part1(read x, write x_by_t, Py_ssize_t N, Py_ssize_t T, Py_ssize_t first, Py_ssize_t last,
                       double *sums) noexcept nogil:
    # the rounds of a loop of train from first up to last
    cdef Py_ssize_t t, n, j
    # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    for t in range(first, last):
        for n in range(N):
            for j in range(16):
                x_by_t[16*N*t + 16*n + j] = x[16*T*n + 16*t + j]


cdef void _call_train_part1(void **s, const Py_ssize_t *n, Py_ssize_t first, Py_ssize_t last,
                            double *sums, void *own) noexcept nogil:
    _train_part1(<read>s[0], <write>s[1], n[0], n[1], first, last, sums)


cdef void train(read x, read target, read theta, write loss, write grad, write work, Py_ssize_t N,
                Py_ssize_t T) noexcept nogil:
    # the loss and its gradient in one go
    cdef read W = theta, b = theta + 6144
    cdef write d_W_3 = grad, d_b_3 = grad + 6144
    cdef write h_start = work + 4096, x_by_t = work + 224*N + 6144, i_matmul1_part1 = work + 16*N*T + 224*N + 6144
    cdef write h_h = work + 32*N + 4096, h_c = work + 64*N + 4096, h_before = work + 144*N*T + 224*N + 6144
    cdef write c_before = work + 176*N*T + 224*N + 6144, c_sigmoid1_steps = work + 208*N*T + 224*N + 6144
    cdef write c_sigmoid2_steps = work + 240*N*T + 224*N + 6144, c_tanh1_steps = work + 272*N*T + 224*N + 6144
    cdef write h_sigmoid1_steps = work + 304*N*T + 224*N + 6144, h_tanh1_steps = work + 336*N*T + 224*N + 6144
    cdef write i_matmul1_part2 = work + 96*N + 4096, h = work + 64*N + 4096, d_h = work + 32*N + 4096, W_T = work
    cdef write d_h_2 = work + 64*N + 4096, d_c_2 = work + 32*N + 4096, d_i_matmul1_part1 = work + 16*N*T + 224*N + 6144
    cdef write d_W_part2_sum = work, d_W_part1 = work + 4096
    cdef real i, f, o, g, d_c_2_2, d_g, d_o, d_f, d_i
    cdef real loss_sub1[32]
    cdef real d_b[128]
    cdef real d_b_2[128]
    cdef real sum_b[128]
    cdef double loss_sum1
    cdef Py_ssize_t n, j, t, k
    cdef Py_ssize_t _sizes[2]
    cdef void *_given1[2]
    # examples/lstm.gw:8   carry h = zeros(N, H)
    for n in range(N):
        for j in range(32):
            h_start[32*n + j] = 0
    # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    _given1[0] = <void *>x
    _given1[1] = <void *>x_by_t
    _sizes[0] = N
    _sizes[1] = T
    share(_call_train_part1, _given1, _sizes, T, 32*N, 1, NULL, 0, 0)
    #     for all steps at once
    gemm(N*T, 128, 16, 1,
         x_by_t, 16, 1,
         W, 128, 1,
         0, i_matmul1_part1, 128)
    # examples/lstm.gw:7   scan t in range(T):
    for n in range(N):
        for j in range(32):
            h_h[32*n + j] = h_start[32*n + j]
    for n in range(N):
        for j in range(32):
            h_c[32*n + j] = h_start[32*n + j]
    for t in range(T):
        for n in range(N):
            for j in range(32):
                h_before[32*N*t + 32*n + j] = h_h[32*n + j]
            for j in range(32):
                c_before[32*N*t + 32*n + j] = h_c[32*n + j]
        # examples/lstm.gw:10   i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
        gemm(N, 128, 32, 1,
             h_h, 32, 1,
             W + 2048, 128, 1,
             0, i_matmul1_part2, 128)
        for n in range(N):
            for j in range(32):
                #     in parts, of which not all wait for the step before
                i = i_matmul1_part1[128*N*t + 128*n + j] + i_matmul1_part2[128*n + j] + b[j]
                f = i_matmul1_part1[128*N*t + 128*n + j + 32] + i_matmul1_part2[128*n + j + 32] + b[j + 32]
                o = i_matmul1_part1[128*N*t + 128*n + j + 64] + i_matmul1_part2[128*n + j + 64] + b[j + 64]
                g = i_matmul1_part1[128*N*t + 128*n + j + 96] + i_matmul1_part2[128*n + j + 96] + b[j + 96]
                # examples/lstm.gw:11   c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                c_sigmoid1_steps[32*N*t + 32*n + j] = sigmoid(f)
                c_sigmoid2_steps[32*N*t + 32*n + j] = sigmoid(i)
                c_tanh1_steps[32*N*t + 32*n + j] = tanh(g)
                h_c[32*n + j] = c_sigmoid1_steps[32*N*t + 32*n + j]*h_c[32*n + j] + c_sigmoid2_steps[32*N*t + 32*n + j]*c_tanh1_steps[32*N*t + 32*n + j]
                # examples/lstm.gw:12   h = sigmoid(o) * tanh(c)
                h_sigmoid1_steps[32*N*t + 32*n + j] = sigmoid(o)
                h_tanh1_steps[32*N*t + 32*n + j] = tanh(h_c[32*n + j])
                h_h[32*n + j] = h_sigmoid1_steps[32*N*t + 32*n + j]*h_tanh1_steps[32*N*t + 32*n + j]
    # examples/lstm.gw:7   scan t in range(T):
    for n in range(N):
        for j in range(32):
            h[32*n + j] = h_h[32*n + j]
    # examples/lstm.gw:16   minimize mean((h - target)**2)
    loss_sum1 = 0
    for n in range(N):
        for j in range(32):
            loss_sub1[j] = h[32*n + j] - target[32*n + j]
            # examples/lstm.gw:16   backward of  minimize mean((h - target)**2)
            #     d loss_pow1 / d loss_sub1 = 2 * loss_sub1
            #     d loss / d loss_sum1 = 1 / 32*N
            d_h[32*n + j] = 2*loss_sub1[j]/(32*N)
        # examples/lstm.gw:16   minimize mean((h - target)**2)
        loss_sum1 += short_squares(loss_sub1, 32)
    loss[0] = loss_sum1/(32*N)
    # examples/lstm.gw:7   backward of  scan t in range(T):
    #     the running sum starts at 0
    for j in range(128):
        d_b[j] = 0
    # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    #     transposed once for all steps
    transpose(32, 128, W + 2048, 128, W_T, 32)
    # examples/lstm.gw:7   backward of  scan t in range(T):
    #     the same steps backwards
    for n in range(N):
        for j in range(32):
            d_h_2[32*n + j] = d_h[32*n + j]
    for n in range(N):
        for j in range(32):
            d_c_2[32*n + j] = h_start[32*n + j]
    for j in range(128):
        sum_b[j] = d_b[j]
    for t in range(T):
        for n in range(N):
            for j in range(32):
                # examples/lstm.gw:11   backward of  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                # examples/lstm.gw:12                h = sigmoid(o) * tanh(c)
                #     c_2 is used 2 times: its adjoints add
                #     d h_tanh1 / d c_2 = 1 - h_tanh1**2
                d_c_2_2 = d_c_2[32*n + j] + d_h_2[32*n + j]*h_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(1 - h_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*h_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N])
                # examples/lstm.gw:11   backward of  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                #     d c_tanh1 / d g = 1 - c_tanh1**2
                d_g = d_c_2_2*c_sigmoid2_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*(1 - c_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*c_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N])
                # examples/lstm.gw:12   backward of  h = sigmoid(o) * tanh(c)
                #     d h_sigmoid1 / d o = h_sigmoid1 * (1 - h_sigmoid1)
                d_o = d_h_2[32*n + j]*h_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*sigmoid_slope(h_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N])
                # examples/lstm.gw:11   backward of  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                #     d c_sigmoid1 / d f = c_sigmoid1 * (1 - c_sigmoid1)
                d_f = d_c_2_2*c_before[-32*N*t + 32*n + j + 32*N*T - 32*N]*sigmoid_slope(c_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N])
                #     d c_sigmoid2 / d i = c_sigmoid2 * (1 - c_sigmoid2)
                d_i = d_c_2_2*c_tanh1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]*sigmoid_slope(c_sigmoid2_steps[-32*N*t + 32*n + j + 32*N*T - 32*N])
                # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
                d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N + 96] = d_g
                d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N + 64] = d_o
                d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N + 32] = d_f
                d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N] = d_i
                # examples/lstm.gw:11   backward of  c = sigmoid(f) * c + sigmoid(i) * tanh(g)
                d_c_2[32*n + j] = d_c_2_2*c_sigmoid1_steps[-32*N*t + 32*n + j + 32*N*T - 32*N]
            # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
            for j in range(128):
                sum_b[j] += d_i_matmul1_part1[-128*N*t + 128*n + j + 128*N*T - 128*N]
        gemm(N, 32, 128, 1,
             d_i_matmul1_part1 + -128*N*t + 128*N*T - 128*N, 128, 1,
             W_T, 32, 1,
             0, d_h_2, 32)
    # examples/lstm.gw:7   backward of  scan t in range(T):
    #     the same steps backwards
    for j in range(128):
        d_b_2[j] = sum_b[j]
    # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    #     the sum over all steps at once
    gemm(32, 128, N*T, 1,
         h_before, 1, 32,
         d_i_matmul1_part1, 128, 1,
         0, d_W_part2_sum, 128)
    # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    # examples/lstm.gw:7                 scan t in range(T):
    #     the same steps backwards
    gemm(16, 128, N*T, 1,
         x_by_t, 1, 16,
         d_i_matmul1_part1, 128, 1,
         0, d_W_part1, 128)
    # examples/lstm.gw:10   backward of  i, f, o, g = split(concat(x[:, t], h, axis=1) @ W + b, 4, axis=1)
    for j in range(32):
        for k in range(128):
            d_W_3[128*j + k + 2048] = d_W_part2_sum[128*j + k]
    for j in range(16):
        for k in range(128):
            d_W_3[128*j + k] = d_W_part1[128*j + k]
    # examples/lstm.gw:7   backward of  scan t in range(T):
    #     the same steps backwards
    for j in range(128):
        d_b_3[j] = d_b_2[j]


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
    predict(<read>s[0], <read>s[1], <write>s[2], <write>s[3], <write>s[4], n[0], n[1])

cdef void _call_forward(void **s, const Py_ssize_t *n) noexcept nogil:
    forward(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5], <write>s[6], <write>s[7], n[0], n[1])

cdef void _call_backward(void **s, const Py_ssize_t *n) noexcept nogil:
    backward(<read>s[0], <write>s[1], <read>s[2], <write>s[3], n[0], n[1])

cdef void _call_train(void **s, const Py_ssize_t *n) noexcept nogil:
    train(<read>s[0], <read>s[1], <read>s[2], <write>s[3], <write>s[4], <write>s[5], n[0], n[1])

cdef kernel_t[4] _KERNELS = [_call_predict, _call_forward, _call_backward, _call_train]
cdef update_t[10] _UPDATES = [update_sgd, update_adagrad, update_rmsprop, update_adam, update_adamw, update_adadelta, update_adamax, update_nadam, update_radam, update_lion]

# what the model is; read when the module is imported
_SPEC = """{
    'gradwright': '0.1.0',
    'name': 'lstm',
    'doc': 'a loop that stays a loop in the generated code',
    'source': 'examples/lstm.gw',
    'hash': 'd1cb7f3a383547b295408b8ff325cd575674b6c7f66b0c59f18de90aa1135a0f',
    'dtype': 'float64',
    'backend': 'cython',
    'sizes': ('N', 'T'),
    'fixed': {'D': 16, 'H': 32},
    'inputs': (
        {
            'name': 'x',
            'kind': 'real',
            'shape': ('N', 'T', 16),
            'below': None,
            'declared': 'x[N, T, 16]',
            'line': 3,
            'doc': '',
        },
        {
            'name': 'target',
            'kind': 'real',
            'shape': ('N', 32),
            'below': None,
            'declared': 'target[N, 32]',
            'line': 3,
            'doc': '',
        },
    ),
    'params': (
        {
            'name': 'W',
            'shape': (48, 128),
            'offset': 0,
            'frozen': False,
            'init': ('glorot_uniform',),
            'line': 4,
            'doc': '',
        },
        {
            'name': 'b',
            'shape': (128,),
            'offset': 6144,
            'frozen': False,
            'init': ('values', (0.0,)),
            'line': 5,
            'doc': '',
        },
    ),
    'hypers': (),
    'outputs': (
        {'name': 'h', 'kind': 'real', 'shape': ('N', 32), 'doc': ''},
        {'name': 'hs', 'kind': 'real', 'shape': ('T', 'N', 32), 'doc': ''},
        {'name': 'loss', 'kind': 'real', 'shape': (), 'doc': 'the loss'},
    ),
    'loss': 'loss',
    'targets': ({'name': 'loss', 'shape': (), 'declared': False, 'wrt': (('W', 'param'), ('b', 'param'))},),
    'values': {'loss:W': (48, 128), 'loss:b': (128,)},
    'kept': (
        ('h_start', 0, ('N', 32)),
        ('x_by_t', ('*', 32, 'N'), ('T', 'N', 16)),
        ('loss_sub1', ('+', ('*', 240, ('*', 'N', 'T')), ('*', 32, 'N')), ('N', 32)),
    ),
    'lines': (
        (7, 'h', ('N', 32), 0, 8),
        (8, 'h_start', ('N', 32), 0, 8),
        (9, 'c_start', ('N', 32), 0, 8),
        (10, 'g', ('N', 32), ('*', 12512, ('*', 'N', 'T')), 8),
        (11, 'c_2', ('N', 32), ('*', 192, ('*', 'N', 'T')), 8),
        (12, 'h_2', ('N', 32), ('*', 96, ('*', 'N', 'T')), 8),
        (16, 'loss', (), ('+', ('*', 96, 'N'), 1), 8),
    ),
    'kernels': (
        {
            'name': 'predict',
            'slots': ('in:x', 'theta', 'out:h', 'out:hs', 'work'),
            'kept': 0,
            'work': ('+', ('*', 144, ('*', 'N', 'T')), ('*', 192, 'N')),
            'sizes': ('N', 'T'),
        },
        {
            'name': 'forward',
            'slots': ('in:x', 'in:target', 'theta', 'out:h', 'out:hs', 'out:loss', 'kept', 'work'),
            'kept': ('+', ('*', 240, ('*', 'N', 'T')), ('*', 64, 'N')),
            'work': ('+', ('*', 128, ('*', 'N', 'T')), ('*', 192, 'N')),
            'sizes': ('N', 'T'),
        },
        {
            'name': 'backward',
            'slots': ('theta', 'grad:loss', 'kept', 'work'),
            'kept': ('+', ('*', 240, ('*', 'N', 'T')), ('*', 64, 'N')),
            'work': ('+', ('+', ('*', 128, ('*', 'N', 'T')), ('*', 64, 'N')), 6144),
            'sizes': ('N', 'T'),
        },
        {
            'name': 'train',
            'slots': ('in:x', 'in:target', 'theta', 'out:loss', 'grad:loss', 'work'),
            'kept': 0,
            'work': ('+', ('+', ('*', 368, ('*', 'N', 'T')), ('*', 224, 'N')), 6144),
            'sizes': ('N', 'T'),
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
