/* The body of winograd.h, included once for each real type. */

/* The columns `n` of a convolution, or of its weights' gradient: places (image, y, x), of which a tile has 2 x 2, and pixels of
   `channels` reals that lie together, of which it reads 4 x 4. */
typedef struct {
    ptrdiff_t images, high, wide, channels, n;
    ptrdiff_t x_image, x_y, x_x; /* strides of the pixels */
    ptrdiff_t w_u, w_v, w_c;     /* of the weights */
    ptrdiff_t y_image, y_y, y_x; /* of the places */
    ptrdiff_t d_image, d_y, d_x; /* of what is added to them */
} GW_NAME(gw_filter);

/* Where a tile begins, and whether its first row or column belongs to the tile before: the last one of an odd number does so. */
typedef struct { ptrdiff_t x, y, d; int above, left; } GW_NAME(gw_square_at);

static __thread GW_REAL GW_NAME(gw_pixels)[16 * (GW_PIXELS + GW_STAGGER)] __attribute__((aligned(64), unused));
static __thread GW_REAL GW_NAME(gw_weights)[GW_WEIGHT_BYTES / sizeof(GW_REAL) + 256 * GW_STAGGER] __attribute__((aligned(64), unused));
static __thread GW_REAL GW_NAME(gw_places_of)[16 * (3 * GW_MOST_TILES * GW_VECTOR_BYTES / sizeof(GW_REAL) + GW_STAGGER)]
    __attribute__((aligned(64), unused));

GW_INLINE ptrdiff_t GW_NAME(gw_all_squares)(const GW_NAME(gw_filter)* f) {
    return f->images * ((f->high + 1) / 2) * ((f->wide + 1) / 2);
}

/* The tiles from the first on. */
GW_CALLED void GW_NAME(gw_find_squares)(const GW_NAME(gw_filter)* f, ptrdiff_t first, ptrdiff_t count, GW_NAME(gw_square_at)* at) {
    const ptrdiff_t across = (f->wide + 1) / 2, down = (f->high + 1) / 2;
    ptrdiff_t tx = first % across, ty = first / across % down, image = first / across / down;
    for (; count > 0; count--, at++) {
        const ptrdiff_t y = 2 * ty + 2 > f->high ? f->high - 2 : 2 * ty, x = 2 * tx + 2 > f->wide ? f->wide - 2 : 2 * tx;
        *at = (GW_NAME(gw_square_at)){image * f->x_image + y * f->x_y + x * f->x_x, image * f->y_image + y * f->y_y + x * f->y_x,
                                      image * f->d_image + y * f->d_y + x * f->d_x, y < 2 * ty, x < 2 * tx};
        if (++tx < across) continue;
        tx = 0;
        if (++ty == down) ty = 0, image++;
    }
}

/* What the tiles of the next block read that no tile before them does: 2 x 2 of their pixels or places, `count` reals each. The
   lines of an image are too short for the processor to foresee them, and from the third-level cache each would be waited for. */
GW_INLINE void GW_NAME(gw_foresee)(const GW_REAL* p, ptrdiff_t y_step, ptrdiff_t x_step, ptrdiff_t count) {
    for (ptrdiff_t j = 0; j < count; j += 64 / (ptrdiff_t)sizeof(GW_REAL)) {
        __builtin_prefetch(p + j, 0, 2);
        __builtin_prefetch(p + j + x_step, 0, 2);
        __builtin_prefetch(p + j + y_step, 0, 2);
        __builtin_prefetch(p + j + y_step + x_step, 0, 2);
    }
}

/* How wide the next strip of columns is, in vectors: none is less than a vector but the only one. */
GW_INLINE ptrdiff_t GW_NAME(gw_strip_vectors)(ptrdiff_t n) {
    const ptrdiff_t left = (n + GW_W - 1) / GW_W;
    return left == 4 ? 2 : left < 3 ? left : 3;
}

/* Of how many columns the weights, or the sums of their gradient, have room: of at most 16 strips. */
GW_INLINE ptrdiff_t GW_NAME(gw_filter_block)(ptrdiff_t channels) {
    const ptrdiff_t fit = GW_WEIGHT_BYTES / (ptrdiff_t)sizeof(GW_REAL) / 16 / channels / GW_W * GW_W;
    return fit < 32 * GW_W ? fit : 32 * GW_W;
}

/* How many come next, where no less than a vector may be left. */
GW_INLINE ptrdiff_t GW_NAME(gw_some_of)(ptrdiff_t left, ptrdiff_t most) {
    return left <= most ? left : left - most < GW_W ? left - GW_W : most;
}

/* A vector of columns, or of channels: the last one begins in the one before it where the last are fewer. */
#define GW_ALONG(at, count) for (ptrdiff_t j_ = 0, at; at = j_ + GW_W <= (count) ? j_ : (count) - GW_W, j_ < (count); j_ += GW_W)

/* B' d B of a tile: to[16][channels]. */
GW_CALLED void GW_NAME(gw_turn_pixels)(const GW_REAL* x, ptrdiff_t y_step, ptrdiff_t x_step, ptrdiff_t channels, GW_REAL* to,
                                       ptrdiff_t apart) {
    GW_ALONG(c, channels) {
        GW_NAME(gw_vec) s[4][4];
        for (int v = 0; v < 4; v++) {
            const GW_REAL* p = x + v * x_step + c;
            const GW_NAME(gw_vec) d0 = GW_LOAD(p), d1 = GW_LOAD(p + y_step), d2 = GW_LOAD(p + 2 * y_step), d3 = GW_LOAD(p + 3 * y_step);
            s[0][v] = d0 - d2;
            s[1][v] = d1 + d2;
            s[2][v] = d2 - d1;
            s[3][v] = d1 - d3;
        }
        for (int u = 0; u < 4; u++) {
            GW_REAL* q = to + 4 * u * apart + c;
            GW_STORE(q, s[u][0] - s[u][2]);
            GW_STORE(q + apart, s[u][1] + s[u][2]);
            GW_STORE(q + 2 * apart, s[u][2] - s[u][1]);
            GW_STORE(q + 3 * apart, s[u][1] - s[u][3]);
        }
    }
}

/* G g G' of the weights of a strip: to[16][channels][width], of which cols columns exist. */
GW_CALLED void GW_NAME(gw_turn_weights)(const GW_NAME(gw_filter)* f, const GW_REAL* w, ptrdiff_t cols, ptrdiff_t width, GW_REAL* to) {
    const ptrdiff_t apart = f->channels * width + GW_STAGGER;
    const GW_REAL half = (GW_REAL)0.5;
    for (ptrdiff_t c = 0; c < f->channels; c++)
        GW_ALONG(j, cols) {
            GW_NAME(gw_vec) s[4][3];
            for (int v = 0; v < 3; v++) {
                const GW_REAL* p = w + v * f->w_v + c * f->w_c + j;
                const GW_NAME(gw_vec) g0 = GW_LOAD(p), g2 = GW_LOAD(p + 2 * f->w_u);
                const GW_NAME(gw_vec) outer = half * (g0 + g2), inner = half * GW_LOAD(p + f->w_u);
                s[0][v] = g0;
                s[1][v] = outer + inner;
                s[2][v] = outer - inner;
                s[3][v] = g2;
            }
            for (int u = 0; u < 4; u++) {
                GW_REAL* q = to + 4 * u * apart + c * width + j;
                const GW_NAME(gw_vec) outer = half * (s[u][0] + s[u][2]), inner = half * s[u][1];
                GW_STORE(q, s[u][0]);
                GW_STORE(q + apart, outer + inner);
                GW_STORE(q + 2 * apart, outer - inner);
                GW_STORE(q + 3 * apart, s[u][2]);
            }
        }
}

/* A' m A of a tile, ended and stored; what it adds to `lost` is 0 as long as all sums are finite. */
GW_CALLED GW_NAME(gw_vec) GW_NAME(gw_turn_sums)(const GW_NAME(gw_filter)* f, const GW_NAME(gw_square_at)* at, ptrdiff_t cols,
                                                GW_NAME(gw_ending) ending, const GW_REAL* m, ptrdiff_t apart, const GW_REAL* d,
                                                GW_REAL* y, GW_NAME(gw_vec) lost) {
    GW_ALONG(j, cols) {
        GW_NAME(gw_vec) s[2][4], r[2][2];
        for (int v = 0; v < 4; v++) {
            const GW_REAL* p = m + v * apart + j;
            const GW_NAME(gw_vec) m1 = GW_LOAD(p + 4 * apart), m2 = GW_LOAD(p + 8 * apart);
            s[0][v] = GW_LOAD(p) + (m1 + m2);
            s[1][v] = (m1 - m2) - GW_LOAD(p + 12 * apart);
        }
        for (int u = 0; u < 2; u++) {
            r[u][0] = s[u][0] + (s[u][1] + s[u][2]);
            r[u][1] = (s[u][1] - s[u][2]) - s[u][3];
        }
        for (int u = 0; u < 2; u++)
            for (int v = 0; v < 2; v++) {
                GW_NAME(gw_vec) sum = r[u][v];
                lost += sum * 0;
                if (u < at->above || v < at->left) continue;
                GW_ENDED(sum, GW_LOAD(d + at->d + u * f->d_y + v * f->d_x + j))
                GW_STORE(y + at->y + u * f->y_y + v * f->y_x + j, sum);
            }
    }
    return lost;
}

/* A y A' of a tile: to[16][...][cols]. What belongs to the tile before counts as 0. */
GW_CALLED void GW_NAME(gw_turn_places)(const GW_NAME(gw_filter)* f, const GW_NAME(gw_square_at)* at, ptrdiff_t cols, const GW_REAL* y,
                                       GW_REAL* to, ptrdiff_t apart) {
    GW_ALONG(j, cols) {
        GW_NAME(gw_vec) s[4][2];
        for (int v = 0; v < 2; v++) {
            const GW_REAL* p = y + at->y + v * f->y_x + j;
            GW_NAME(gw_vec) y0 = {0}, y1 = {0};
            if (v >= at->left) {
                y1 = GW_LOAD(p + f->y_y);
                if (!at->above) y0 = GW_LOAD(p);
            }
            s[0][v] = y0;
            s[1][v] = y0 + y1;
            s[2][v] = y0 - y1;
            s[3][v] = -y1;
        }
        for (int u = 0; u < 4; u++) {
            GW_REAL* q = to + 4 * u * apart + j;
            GW_STORE(q, s[u][0]);
            GW_STORE(q + apart, s[u][0] + s[u][1]);
            GW_STORE(q + 2 * apart, s[u][0] - s[u][1]);
            GW_STORE(q + 3 * apart, -s[u][1]);
        }
    }
}

/* G' s G of the sums of a strip, s[16][channels][width], ended and stored. */
GW_CALLED GW_NAME(gw_vec) GW_NAME(gw_turn_gradient)(const GW_NAME(gw_filter)* f, ptrdiff_t cols, ptrdiff_t width,
                                                    GW_NAME(gw_ending) ending, const GW_REAL* sums, GW_REAL* w,
                                                    GW_NAME(gw_vec) lost) {
    const ptrdiff_t apart = f->channels * width + GW_STAGGER;
    const GW_REAL half = (GW_REAL)0.5;
    for (ptrdiff_t c = 0; c < f->channels; c++)
        GW_ALONG(j, cols) {
            GW_NAME(gw_vec) s[3][4];
            for (int v = 0; v < 4; v++) {
                const GW_REAL* p = sums + v * apart + c * width + j;
                const GW_NAME(gw_vec) s1 = GW_LOAD(p + 4 * apart), s2 = GW_LOAD(p + 8 * apart), even = half * (s1 + s2);
                s[0][v] = GW_LOAD(p) + even;
                s[1][v] = half * (s1 - s2);
                s[2][v] = even + GW_LOAD(p + 12 * apart);
            }
            for (int u = 0; u < 3; u++) {
                const GW_NAME(gw_vec) even = half * (s[u][1] + s[u][2]), odd = half * (s[u][1] - s[u][2]);
                const GW_NAME(gw_vec) r[3] = {s[u][0] + even, odd, even + s[u][3]};
                for (int v = 0; v < 3; v++) {
                    GW_REAL* q = w + u * f->w_u + v * f->w_v + c * f->w_c + j;
                    GW_NAME(gw_vec) sum = r[v];
                    lost += sum * 0;
                    GW_ENDED(sum, GW_LOAD(q))
                    GW_STORE(q, sum);
                }
            }
        }
    return lost;
}
#undef GW_ALONG

GW_INLINE int GW_NAME(gw_none_lost)(GW_NAME(gw_vec) lost) {
    int none = 1;
    for (int j = 0; j < (int)GW_W; j++) none &= lost[j] == 0;
    return none;
}

/* What a team does together: `parts` parts of so many tiles, or channels, or columns. */
typedef struct {
    GW_NAME(gw_filter) filter;
    GW_NAME(gw_ending) ending;
    const GW_REAL *a, *b, *d;
    GW_REAL* c;
    ptrdiff_t unit, units, parts;
    int by_columns, lost;
} GW_NAME(gw_filtered);

/* Tiles [first, end) of a convolution, by blocks of columns whose weights fit their room. */
GW_CALLED int GW_NAME(gw_filter_places)(const GW_NAME(gw_filter)* f, ptrdiff_t first, ptrdiff_t end, GW_NAME(gw_ending) ending,
                                        const GW_REAL* x, const GW_REAL* w, const GW_REAL* d, GW_REAL* y) {
    const ptrdiff_t channels = f->channels, row = (channels + GW_W - 1) / GW_W * GW_W;
    const ptrdiff_t fit = GW_PIXELS / row / 8 * 8, many = fit < GW_MOST_TILES ? fit : GW_MOST_TILES, apart = many * row + GW_STAGGER;
    const ptrdiff_t block = GW_NAME(gw_filter_block)(channels);
    GW_REAL *const pixels = GW_NAME(gw_pixels), *const weights = GW_NAME(gw_weights), *const products = GW_NAME(gw_places_of);
    GW_NAME(gw_square_at) at[GW_MOST_TILES], ahead[GW_MOST_TILES];
    GW_NAME(gw_vec) lost = {0};
    for (ptrdiff_t left = f->n, here; left > 0; left -= here, w += here, d += here, y += here) {
        GW_REAL* u = weights;
        here = GW_NAME(gw_some_of)(left, block);
        for (ptrdiff_t j = 0, width; j < here; j += width, u += 16 * (channels * width + GW_STAGGER)) {
            width = GW_NAME(gw_strip_vectors)(here - j) * GW_W;
            GW_NAME(gw_turn_weights)(f, w + j, here - j < width ? here - j : width, width, u);
        }
        for (ptrdiff_t t = first; t < end; t += many) {
            const ptrdiff_t tiles = end - t < many ? end - t : many, later = end - t - tiles < many ? end - t - tiles : many;
            GW_NAME(gw_find_squares)(f, t, tiles, at);
            GW_NAME(gw_find_squares)(f, t + tiles, later, ahead);
            for (ptrdiff_t i = 0; i < tiles; i++) {
                if (i < later) GW_NAME(gw_foresee)(x + ahead[i].x + 2 * (f->x_y + f->x_x), f->x_y, f->x_x, channels);
                GW_NAME(gw_turn_pixels)(x + at[i].x, f->x_y, f->x_x, channels, pixels + i * row, apart);
            }
            u = weights;
            for (ptrdiff_t j = 0, width; j < here; j += width, u += 16 * (channels * width + GW_STAGGER)) {
                width = GW_NAME(gw_strip_vectors)(here - j) * GW_W;
                const ptrdiff_t cols = here - j < width ? here - j : width, between = many * width + GW_STAGGER;
                GW_NAME(gw_products)(16, tiles, width / GW_W, channels, pixels, row, 1, apart, u, channels * width + GW_STAGGER, 0,
                                     products, between);
                for (ptrdiff_t i = 0; i < tiles; i++)
                    lost = GW_NAME(gw_turn_sums)(f, at + i, cols, ending, products + i * width, between, d + j, y + j, lost);
            }
        }
    }
    return !GW_NAME(gw_none_lost)(lost);
}

/* The weights' gradient, by blocks of columns whose sums fit their room. */
GW_CALLED int GW_NAME(gw_filter_weights)(const GW_NAME(gw_filter)* f, GW_NAME(gw_ending) ending, const GW_REAL* x, const GW_REAL* y,
                                         GW_REAL* w) {
    const ptrdiff_t channels = f->channels, row = (channels + GW_W - 1) / GW_W * GW_W, all = GW_NAME(gw_all_squares)(f);
    const ptrdiff_t fit = GW_PIXELS / row / 8 * 8, many = fit < GW_MOST_TILES ? fit : GW_MOST_TILES, apart = many * row + GW_STAGGER;
    const ptrdiff_t block = GW_NAME(gw_filter_block)(channels);
    GW_REAL *const pixels = GW_NAME(gw_pixels), *const sums = GW_NAME(gw_weights), *const back = GW_NAME(gw_places_of);
    GW_NAME(gw_square_at) at[GW_MOST_TILES], ahead[GW_MOST_TILES];
    GW_NAME(gw_vec) lost = {0};
    for (ptrdiff_t left = f->n, here; left > 0; left -= here, y += here, w += here) {
        here = GW_NAME(gw_some_of)(left, block);
        for (ptrdiff_t t = 0; t < all; t += many) {
            const ptrdiff_t tiles = all - t < many ? all - t : many, later = all - t - tiles < many ? all - t - tiles : many;
            GW_NAME(gw_find_squares)(f, t, tiles, at);
            GW_NAME(gw_find_squares)(f, t + tiles, later, ahead);
            for (ptrdiff_t i = 0; i < tiles; i++) {
                if (i < later) GW_NAME(gw_foresee)(x + ahead[i].x + 2 * (f->x_y + f->x_x), f->x_y, f->x_x, channels);
                GW_NAME(gw_turn_pixels)(x + at[i].x, f->x_y, f->x_x, channels, pixels + i * row, apart);
            }
            GW_REAL* s = sums;
            for (ptrdiff_t j = 0, width; j < here; j += width, s += 16 * (channels * width + GW_STAGGER)) {
                width = GW_NAME(gw_strip_vectors)(here - j) * GW_W;
                const ptrdiff_t cols = here - j < width ? here - j : width, between = many * width + GW_STAGGER;
                for (ptrdiff_t i = 0; i < tiles; i++) {
                    if (i < later) GW_NAME(gw_foresee)(y + ahead[i].y + j, f->y_y, f->y_x, cols);
                    GW_NAME(gw_turn_places)(f, at + i, cols, y + j, back + i * width, between);
                }
                GW_NAME(gw_products)(16, channels, width / GW_W, tiles, pixels, 1, row, apart, back, between, t > 0, s,
                                     channels * width + GW_STAGGER);
            }
        }
        const GW_REAL* s = sums;
        for (ptrdiff_t j = 0, width; j < here; j += width, s += 16 * (channels * width + GW_STAGGER)) {
            width = GW_NAME(gw_strip_vectors)(here - j) * GW_W;
            lost = GW_NAME(gw_turn_gradient)(f, here - j < width ? here - j : width, width, ending, s, w + j, lost);
        }
    }
    return !GW_NAME(gw_none_lost)(lost);
}

GW_CALLED void GW_NAME(gw_filter_some)(void* of, ptrdiff_t from, ptrdiff_t to, void* own) {
    (void)own;
    GW_NAME(gw_filtered)* const x = of;
    const ptrdiff_t first = x->units * from / x->parts * x->unit, end = x->units * to / x->parts * x->unit;
    if (GW_NAME(gw_filter_places)(&x->filter, first, end, x->ending, x->a, x->b, x->d, x->c))
        __atomic_store_n(&x->lost, 1, __ATOMIC_RELAXED);
}

GW_CALLED void GW_NAME(gw_filter_some_weights)(void* of, ptrdiff_t from, ptrdiff_t to, void* own) {
    (void)own;
    GW_NAME(gw_filtered)* const x = of;
    GW_NAME(gw_filter) f = x->filter;
    ptrdiff_t* const many = x->by_columns ? &f.n : &f.channels;
    const ptrdiff_t first = x->units * from / x->parts * x->unit;
    *many = (to == x->parts ? *many : x->units * to / x->parts * x->unit) - first; /* the last ones are with a whole vector */
    ptrdiff_t channel = x->by_columns ? 0 : first;
    const ptrdiff_t column = x->by_columns ? first : 0;
    /* some channels after others, so that many tiles of them have room */
    for (ptrdiff_t left = f.channels; left > 0; left -= f.channels, channel += f.channels) {
        f.channels = GW_NAME(gw_some_of)(left, GW_CHANNELS_AT_ONCE);
        if (GW_NAME(gw_filter_weights)(&f, x->ending, x->a + channel, x->b + column, x->c + channel * f.w_c + column))
            __atomic_store_n(&x->lost, 1, __ATOMIC_RELAXED);
    }
}

/* The filter that rows of places and a depth of (u, v, channel) make, in which v and the channel may be one level. */
GW_INLINE int GW_NAME(gw_is_filter)(const ptrdiff_t places[3][4], const ptrdiff_t filter[3][3], ptrdiff_t n,
                                    GW_NAME(gw_filter)* f) {
    const ptrdiff_t pixel = places[2][1], line = places[1][1];
    const int one = filter[0][0] == 1 && filter[1][0] == 3 && filter[2][0] == 3 * pixel && filter[2][1] == 1 && filter[1][1] == line;
    const int apart = filter[0][0] == 3 && filter[1][0] == 3 && filter[0][1] == line && filter[1][1] == pixel && filter[2][1] == 1;
    if (!one && !apart) return 0;
    const ptrdiff_t* const u = filter[one ? 1 : 0];
    *f = (GW_NAME(gw_filter)){places[0][0], places[1][0], places[2][0], one ? pixel : filter[2][0], n,
                              places[0][1], line, pixel, u[2], one ? pixel * filter[2][2] : filter[1][2], filter[2][2],
                              places[0][2], places[1][2], places[2][2], places[0][3], places[1][3], places[2][3]};
    return f->images > 0 && f->high >= 2 && f->wide >= 2 && f->channels >= GW_W && f->channels <= GW_MOST_CHANNELS && n >= GW_W;
}

GW_WINOGRAD_ENTRY void GW_NAME(gw_winograd)(
    ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t d_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t d_i1,
    ptrdiff_t m2, ptrdiff_t a_i2, ptrdiff_t c_i2, ptrdiff_t d_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1,
    ptrdiff_t a_l1, ptrdiff_t b_l1, ptrdiff_t k2, ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j,
    ptrdiff_t d_j, GW_REAL alpha, const GW_REAL* a, const GW_REAL* b, GW_REAL beta, const GW_REAL* d, int stored, GW_REAL* c) {
    const ptrdiff_t places[3][4] = {{m0, a_i0, c_i0, d_i0}, {m1, a_i1, c_i1, d_i1}, {m2, a_i2, c_i2, d_i2}};
    const ptrdiff_t filter[3][3] = {{k0, a_l0, b_l0}, {k1, a_l1, b_l1}, {k2, a_l2, b_l2}};
    GW_NAME(gw_filtered) x = {.ending = {alpha, beta, stored == GW_RELU}, .a = a, .b = b, .d = d, .c = c, .unit = 1, .parts = 1};
    if (b_j == 1 && c_j == 1 && (beta == 0 || (d_j == 1 && d != c)) && GW_NAME(gw_is_filter)(places, filter, n, &x.filter)) {
        const ptrdiff_t across = (m2 + 1) / 2, all = GW_NAME(gw_all_squares)(&x.filter), size = gw_team_size();
        x.units = all;
        if (size > 1 && (double)m0 * m1 * m2 * x.filter.channels * 9 * n >= GW_WINOGRAD_PARALLEL) {
            x.unit = across, x.units = all / across;
            x.parts = x.units < size ? x.units : size;
        }
        if (x.parts > 1)
            gw_team_do(GW_NAME(gw_filter_some), &x, x.parts, 0, all, n, 9 * x.filter.channels, (ptrdiff_t)sizeof(GW_REAL) + 16 * size);
        else
            GW_NAME(gw_filter_some)(&x, 0, 1, NULL);
        if (!x.lost) return;
    }
    GW_NAME(gw_contract_onto)(m0, a_i0, c_i0, d_i0, m1, a_i1, c_i1, d_i1, m2, a_i2, c_i2, d_i2, k0, a_l0, b_l0, k1, a_l1, b_l1, k2,
                              a_l2, b_l2, n, b_j, c_j, d_j, alpha, a, b, beta, d, stored, c);
}

GW_WINOGRAD_ENTRY void GW_NAME(gw_winograd_weights)(
    ptrdiff_t m0, ptrdiff_t a_i0, ptrdiff_t c_i0, ptrdiff_t m1, ptrdiff_t a_i1, ptrdiff_t c_i1, ptrdiff_t m2, ptrdiff_t a_i2,
    ptrdiff_t c_i2, ptrdiff_t k0, ptrdiff_t a_l0, ptrdiff_t b_l0, ptrdiff_t k1, ptrdiff_t a_l1, ptrdiff_t b_l1, ptrdiff_t k2,
    ptrdiff_t a_l2, ptrdiff_t b_l2, ptrdiff_t n, ptrdiff_t b_j, ptrdiff_t c_j, GW_REAL alpha, const GW_REAL* a, const GW_REAL* b,
    GW_REAL beta, GW_REAL* c) {
    const ptrdiff_t places[3][4] = {{k0, a_l0, b_l0, 0}, {k1, a_l1, b_l1, 0}, {k2, a_l2, b_l2, 0}};
    const ptrdiff_t filter[3][3] = {{m0, a_i0, c_i0}, {m1, a_i1, c_i1}, {m2, a_i2, c_i2}};
    GW_NAME(gw_filtered) x = {.ending = {alpha, 0, 0}, .a = a, .b = b, .c = c, .parts = 1};
    if (b_j == 1 && c_j == 1 && beta == 0 && GW_NAME(gw_is_filter)(places, filter, n, &x.filter)) {
        const ptrdiff_t channels = x.filter.channels, size = gw_team_size(), all = GW_NAME(gw_all_squares)(&x.filter);
        x.by_columns = n >= channels; /* whoever has some of them turns all of the others */
        const ptrdiff_t many = x.by_columns ? n : channels;
        x.unit = many, x.units = 1;
        if (size > 1 && many >= 2 * GW_W && (double)k0 * k1 * k2 * channels * 9 * n >= GW_WINOGRAD_PARALLEL) {
            x.unit = GW_W, x.units = many / GW_W; /* none has less than a vector */
            x.parts = x.units < size ? x.units : size;
        }
        if (x.parts > 1)
            gw_team_do(GW_NAME(gw_filter_some_weights), &x, x.parts, 0, all, n, 9 * channels, (ptrdiff_t)sizeof(GW_REAL) + 16 * size);
        else
            GW_NAME(gw_filter_some_weights)(&x, 0, 1, NULL);
        if (!x.lost) return;
    }
    GW_NAME(gw_contract)(m0, a_i0, c_i0, m1, a_i1, c_i1, m2, a_i2, c_i2, k0, a_l0, b_l0, k1, a_l1, b_l1, k2, a_l2, b_l2, n, b_j, c_j,
                         alpha, a, b, beta, c);
}
