/* What `gradwright tune` measures: how long a product takes with the blocks that are given. */
#ifndef GRADWRIGHT_TUNING_H
#define GRADWRIGHT_TUNING_H

#undef GW_LINKED_CONTRACT /* its own contractions, whose blocks can change */
#define GW_TUNING 1
#include "contract.h"

#include <stdlib.h>
#include <time.h>

/* Seconds of this thread that one product takes, on the whole at least `least`; below 0 where there is no memory. */
static double gw_tuned_product(ptrdiff_t depth, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t direct, ptrdiff_t m, ptrdiff_t n,
                               ptrdiff_t k, int transposed, double least) {
    void* space = NULL;
    const size_t count = (size_t)(m * k + k * n + m * n);
    if (posix_memalign(&space, 64, count * sizeof(float))) return -1;
    float *const a = space, *const b = a + m * k, *const c = b + k * n;
    for (size_t i = 0; i < count; i++) a[i] = 1;
    gw_blocking[0] = depth, gw_blocking[1] = rows, gw_blocking[2] = columns, gw_blocking[3] = direct;
    struct timespec start = {0, 0}, now;
    double took = 0, times = 0;
    for (int turn = 0; took < least; turn++) {
        gw_gemm_any_f32(m, n, k, 1, a, transposed ? 1 : k, transposed ? m : 1, b, n, 1, 0, c, n);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        if (turn == 0) { /* the first one brings all of it into the caches */
            start = now;
            continue;
        }
        took = (double)(now.tv_sec - start.tv_sec) + 1e-9 * (double)(now.tv_nsec - start.tv_nsec);
        times++;
    }
    free(space);
    return took / times;
}
static int gw_tuned_width(void) { return GW_VECTOR_BYTES; }

#endif
