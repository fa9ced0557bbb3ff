/* The body of winograd.h, included once for each real type. */

/* The columns `n` of a convolution with filters of r x r, or of its weights' gradient: places (image, y, x), of which a tile has
   2 x 2, and pixels of `channels` reals that lie together, of which it reads r + 1 squared. */
typedef struct {
    int r;
    ptrdiff_t images, high, wide, channels, n;
    ptrdiff_t x_image, x_y, x_x; /* strides of the pixels */
    ptrdiff_t w_u, w_v, w_c;     /* of the weights */
    ptrdiff_t y_image, y_y, y_x; /* of the places */
    ptrdiff_t d_image, d_y, d_x; /* of what is added to them */
} GW_NAME(gw_filter);

/* Where a tile begins, and whether its first row or column belongs to the tile before: the last one of an odd number does so. */
typedef struct { ptrdiff_t x, y, d; int above, left; } GW_NAME(gw_square_at);

static __thread GW_REAL GW_NAME(gw_pixels)[GW_PIXELS + GW_MOST_PARTS * GW_STAGGER] __attribute__((aligned(64), unused));
static __thread GW_REAL GW_NAME(gw_weights)[GW_WEIGHT_BYTES / sizeof(GW_REAL) + 16 * GW_MOST_PARTS * GW_STAGGER]
    __attribute__((aligned(64), unused));
static __thread GW_REAL GW_NAME(gw_places_of)[GW_MOST_PARTS * (3 * GW_MOST_TILES * GW_VECTOR_BYTES / sizeof(GW_REAL) + GW_STAGGER)]
    __attribute__((aligned(64), unused));

static __thread GW_REAL GW_NAME(gw_kept)[GW_KEPT] __attribute__((aligned(64), unused));

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
GW_INLINE ptrdiff_t GW_NAME(gw_filter_block)(ptrdiff_t every, ptrdiff_t channels) {
    const ptrdiff_t fit = GW_WEIGHT_BYTES / (ptrdiff_t)sizeof(GW_REAL) / every / channels / GW_W * GW_W;
    return fit < 32 * GW_W ? fit : 32 * GW_W;
}

/* How many come next, where no less than a vector may be left. */
GW_INLINE ptrdiff_t GW_NAME(gw_some_of)(ptrdiff_t left, ptrdiff_t most) {
    return left <= most ? left : left - most < GW_W ? left - GW_W : most;
}

/* How many channels of the weights' gradient are computed at once, so that many tiles of them have room. */
GW_INLINE ptrdiff_t GW_NAME(gw_channels_at_once)(const GW_NAME(gw_filter)* f) {
    const ptrdiff_t most = GW_CHANNELS_AT_ONCE / (f->r == 3 ? 1 : 2);
    return f->channels < most ? f->channels : most;
}

/* Of so many channels, how many tiles have room. */
GW_INLINE ptrdiff_t GW_NAME(gw_tiles_at_once)(ptrdiff_t every, ptrdiff_t channels) {
    const ptrdiff_t fit = GW_PIXELS / every / ((channels + GW_W - 1) / GW_W * GW_W) / 8 * 8;
    return fit < GW_MOST_TILES ? fit : GW_MOST_TILES;
}

/* A vector of columns, or of channels: the last one begins in the one before it where the last are fewer. */
#define GW_ALONG(at, count) for (ptrdiff_t j_ = 0, at; at = j_ + GW_W <= (count) ? j_ : (count) - GW_W, j_ < (count); j_ += GW_W)

/* ---- along one axis, r weights: what the sixteen, or thirty-six, products are made of and what is made of them ---- */

/* B' d: of r + 1 pixels. */
GW_INLINE void GW_NAME(gw_of_pixels)(int r, const GW_NAME(gw_vec)* d, GW_NAME(gw_vec)* to) {
    if (r == 3) {
        to[0] = d[0] - d[2];
        to[1] = d[1] + d[2];
        to[2] = d[2] - d[1];
        to[3] = d[1] - d[3];
    } else {
        const GW_REAL half = (GW_REAL)0.5, more = (GW_REAL)1.5;
        const GW_NAME(gw_vec) even = d[4] - d[2], odd = d[3] - d[1];
        to[0] = (d[0] - d[2]) + even + more * odd;
        to[1] = (even + odd) + more * (d[3] + d[2]);
        to[2] = (even - odd) + more * (d[3] - d[2]);
        to[3] = even + 2 * odd;
        to[4] = even - half * odd;
        to[5] = (d[5] - d[3]) - odd + more * even;
    }
}

/* G g: of r weights. */
GW_INLINE void GW_NAME(gw_of_weights)(int r, const GW_NAME(gw_vec)* g, GW_NAME(gw_vec)* to) {
    if (r == 3) {
        const GW_REAL half = (GW_REAL)0.5;
        const GW_NAME(gw_vec) even = half * (g[0] + g[2]), odd = half * g[1];
        to[0] = g[0];
        to[1] = even + odd;
        to[2] = even - odd;
        to[3] = g[2];
    } else {
        const GW_REAL third = (GW_REAL)1 / 3, part = (GW_REAL)1 / 15;
        const GW_NAME(gw_vec) even = third * (g[0] + g[2] + g[4]), odd = third * (g[1] + g[3]);
        to[0] = g[0];
        to[1] = even + odd;
        to[2] = odd - even;
        to[3] = -part * (16 * g[0] + 8 * g[1] + 4 * g[2] + 2 * g[3] + g[4]);
        to[4] = part * (g[0] - 2 * g[1] + 4 * g[2] - 8 * g[3] + 16 * g[4]);
        to[5] = g[4];
    }
}

/* A' m: two places. */
GW_INLINE void GW_NAME(gw_to_places)(int r, const GW_NAME(gw_vec)* m, GW_NAME(gw_vec)* to) {
    if (r == 3) {
        to[0] = m[0] + (m[1] + m[2]);
        to[1] = (m[1] - m[2]) - m[3];
    } else {
        const GW_REAL half = (GW_REAL)0.5;
        to[0] = (m[0] + m[1]) + (m[2] + m[3]) + m[4];
        to[1] = (m[1] - m[2]) + (m[5] + half * m[3] - 2 * m[4]);
    }
}

/* A y: of two places. */
GW_INLINE void GW_NAME(gw_of_places)(int r, GW_NAME(gw_vec) y0, GW_NAME(gw_vec) y1, GW_NAME(gw_vec)* to) {
    to[0] = y0;
    to[1] = y0 + y1;
    to[2] = y0 - y1;
    if (r == 3) {
        to[3] = -y1;
    } else {
        to[3] = y0 + (GW_REAL)0.5 * y1;
        to[4] = y0 - 2 * y1;
        to[5] = y1;
    }
}

/* G' s: r weights. */
GW_INLINE void GW_NAME(gw_to_weights)(int r, const GW_NAME(gw_vec)* s, GW_NAME(gw_vec)* to) {
    if (r == 3) {
        const GW_REAL half = (GW_REAL)0.5;
        const GW_NAME(gw_vec) even = half * (s[1] + s[2]);
        to[0] = s[0] + even;
        to[1] = half * (s[1] - s[2]);
        to[2] = even + s[3];
    } else {
        const GW_REAL third = (GW_REAL)1 / 3, part = (GW_REAL)1 / 15;
        const GW_NAME(gw_vec) even = third * (s[1] - s[2]), odd = third * (s[1] + s[2]), near = part * s[3], far = part * s[4];
        to[0] = (s[0] + even) + (far - 16 * near);
        to[1] = odd - 2 * (far + 4 * near);
        to[2] = even + 4 * (far - near);
        to[3] = odd - 2 * (4 * far + near);
        to[4] = (even + s[5]) + (16 * far - near);
    }
}

/* ---- of a tile, or of a strip of weights, along both axes ---- */

/* B' d B of a tile: to[xi][channels], whose parts lie `apart`. */
GW_INLINE void GW_NAME(gw_turn_pixels)(int r, const GW_REAL* x, ptrdiff_t y_step, ptrdiff_t x_step, ptrdiff_t channels, GW_REAL* to,
                                       ptrdiff_t apart) {
    GW_ALONG(c, channels) {
        GW_NAME(gw_vec) s[GW_MOST_WINDOW + 1][GW_MOST_WINDOW + 1], d[GW_MOST_WINDOW + 1], o[GW_MOST_WINDOW + 1];
        for (int v = 0; v <= r; v++) {
            for (int u = 0; u <= r; u++) d[u] = GW_LOAD(x + u * y_step + v * x_step + c);
            GW_NAME(gw_of_pixels)(r, d, o);
            for (int u = 0; u <= r; u++) s[u][v] = o[u];
        }
        for (int u = 0; u <= r; u++) {
            GW_NAME(gw_of_pixels)(r, s[u], o);
            for (int v = 0; v <= r; v++) GW_STORE(to + (u * (r + 1) + v) * apart + c, o[v]);
        }
    }
}

/* G g G' of the weights of a strip: to[xi][channels][width], of which cols columns exist. */
GW_INLINE void GW_NAME(gw_turn_weights)(int r, const GW_NAME(gw_filter)* f, const GW_REAL* w, ptrdiff_t cols, ptrdiff_t width,
                                        GW_REAL* to) {
    const ptrdiff_t apart = f->channels * width + GW_STAGGER;
    for (ptrdiff_t c = 0; c < f->channels; c++)
        GW_ALONG(j, cols) {
            GW_NAME(gw_vec) s[GW_MOST_WINDOW + 1][GW_MOST_WINDOW], g[GW_MOST_WINDOW], o[GW_MOST_WINDOW + 1];
            for (int v = 0; v < r; v++) {
                for (int u = 0; u < r; u++) g[u] = GW_LOAD(w + u * f->w_u + v * f->w_v + c * f->w_c + j);
                GW_NAME(gw_of_weights)(r, g, o);
                for (int u = 0; u <= r; u++) s[u][v] = o[u];
            }
            for (int u = 0; u <= r; u++) {
                GW_NAME(gw_of_weights)(r, s[u], o);
                for (int v = 0; v <= r; v++) GW_STORE(to + (u * (r + 1) + v) * apart + c * width + j, o[v]);
            }
        }
}

/* A' m A of a tile, ended and stored; what it adds to `lost` is 0 as long as all sums are finite. */
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_turn_sums)(int r, const GW_NAME(gw_filter)* f, const GW_NAME(gw_square_at)* at, ptrdiff_t cols,
                                                GW_NAME(gw_ending) ending, const GW_REAL* m, ptrdiff_t apart, const GW_REAL* d,
                                                GW_REAL* y, GW_NAME(gw_vec) lost) {
    GW_ALONG(j, cols) {
        GW_NAME(gw_vec) s[2][GW_MOST_WINDOW + 1], p[GW_MOST_WINDOW + 1], o[2];
        for (int v = 0; v <= r; v++) {
            for (int u = 0; u <= r; u++) p[u] = GW_LOAD(m + (u * (r + 1) + v) * apart + j);
            GW_NAME(gw_to_places)(r, p, o);
            s[0][v] = o[0], s[1][v] = o[1];
        }
        for (int u = 0; u < 2; u++) {
            GW_NAME(gw_to_places)(r, s[u], o);
            for (int v = 0; v < 2; v++) {
                GW_NAME(gw_vec) sum = o[v];
                lost += sum * 0;
                if (u < at->above || v < at->left) continue;
                GW_ENDED(sum, GW_LOAD(d + at->d + u * f->d_y + v * f->d_x + j))
                GW_STORE(y + at->y + u * f->y_y + v * f->y_x + j, sum);
            }
        }
    }
    return lost;
}

/* A y A' of a tile: to[xi][...][cols]. What belongs to the tile before counts as 0. */
GW_INLINE void GW_NAME(gw_turn_places)(int r, const GW_NAME(gw_filter)* f, const GW_NAME(gw_square_at)* at, ptrdiff_t cols,
                                       const GW_REAL* y, GW_REAL* to, ptrdiff_t apart) {
    GW_ALONG(j, cols) {
        GW_NAME(gw_vec) s[2][GW_MOST_WINDOW + 1], o[GW_MOST_WINDOW + 1];
        for (int v = 0; v < 2; v++) {
            const GW_REAL* p = y + at->y + v * f->y_x + j;
            GW_NAME(gw_vec) y0 = {0}, y1 = {0};
            if (v >= at->left) {
                y1 = GW_LOAD(p + f->y_y);
                if (!at->above) y0 = GW_LOAD(p);
            }
            GW_NAME(gw_of_places)(r, y0, y1, s[v]);
        }
        for (int u = 0; u <= r; u++) {
            GW_NAME(gw_of_places)(r, s[0][u], s[1][u], o);
            for (int v = 0; v <= r; v++) GW_STORE(to + (u * (r + 1) + v) * apart + j, o[v]);
        }
    }
}

/* G' s G of the sums of a strip, s[xi][channels][width], ended and stored. */
GW_INLINE GW_NAME(gw_vec) GW_NAME(gw_turn_gradient)(int r, const GW_NAME(gw_filter)* f, ptrdiff_t cols, ptrdiff_t width,
                                                    GW_NAME(gw_ending) ending, const GW_REAL* sums, GW_REAL* w,
                                                    GW_NAME(gw_vec) lost) {
    const ptrdiff_t apart = f->channels * width + GW_STAGGER;
    GW_NAME(gw_lanes) lane;
    for (int k = 0; k < (int)GW_W; k++) lane[k] = k;
    for (ptrdiff_t c = 0; c < f->channels; c++)
        GW_ALONG(j, cols) {
            /* what the vector before has added to is not added to again */
            const GW_NAME(gw_lanes) done = lane < (lane ^ lane) + (__typeof__(lane[0]))(j_ - j);
            GW_NAME(gw_vec) s[GW_MOST_WINDOW][GW_MOST_WINDOW + 1], p[GW_MOST_WINDOW + 1], o[GW_MOST_WINDOW];
            for (int v = 0; v <= r; v++) {
                for (int u = 0; u <= r; u++) p[u] = GW_LOAD(sums + (u * (r + 1) + v) * apart + c * width + j);
                GW_NAME(gw_to_weights)(r, p, o);
                for (int u = 0; u < r; u++) s[u][v] = o[u];
            }
            for (int u = 0; u < r; u++) {
                GW_NAME(gw_to_weights)(r, s[u], o);
                for (int v = 0; v < r; v++) {
                    GW_REAL* q = w + u * f->w_u + v * f->w_v + c * f->w_c + j;
                    GW_NAME(gw_vec) sum = o[v];
                    lost += sum * 0;
                    GW_ENDED(sum, GW_LOAD(q))
                    if (ending.beta != 0)
                        sum = (GW_NAME(gw_vec))((done & (GW_NAME(gw_lanes))GW_LOAD(q)) | (~done & (GW_NAME(gw_lanes))sum));
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
GW_INLINE int GW_NAME(gw_filter_places)(int r, const GW_NAME(gw_filter)* f, ptrdiff_t first, ptrdiff_t end, GW_NAME(gw_ending) ending,
                                        const GW_REAL* x, const GW_REAL* w, const GW_REAL* d, GW_REAL* y) {
    const ptrdiff_t channels = f->channels, row = (channels + GW_W - 1) / GW_W * GW_W;
    const ptrdiff_t every = (r + 1) * (r + 1), many = GW_NAME(gw_tiles_at_once)(every, channels), apart = many * row + GW_STAGGER;
    const ptrdiff_t block = GW_NAME(gw_filter_block)(every, channels);
    GW_REAL *const pixels = GW_NAME(gw_pixels), *const weights = GW_NAME(gw_weights), *const products = GW_NAME(gw_places_of);
    GW_NAME(gw_square_at) at[GW_MOST_TILES], ahead[GW_MOST_TILES];
    GW_NAME(gw_vec) lost = {0};
    for (ptrdiff_t left = f->n, here; left > 0; left -= here, w += here, d += here, y += here) {
        GW_REAL* u = weights;
        here = GW_NAME(gw_some_of)(left, block);
        for (ptrdiff_t j = 0, width; j < here; j += width, u += every * (channels * width + GW_STAGGER)) {
            width = GW_NAME(gw_strip_vectors)(here - j) * GW_W;
            GW_NAME(gw_turn_weights)(r, f, w + j, here - j < width ? here - j : width, width, u);
        }
        for (ptrdiff_t t = first; t < end; t += many) {
            const ptrdiff_t tiles = end - t < many ? end - t : many, later = end - t - tiles < many ? end - t - tiles : many;
            GW_NAME(gw_find_squares)(f, t, tiles, at);
            GW_NAME(gw_find_squares)(f, t + tiles, later, ahead);
            for (ptrdiff_t i = 0; i < tiles; i++) {
                if (i < later) GW_NAME(gw_foresee)(x + ahead[i].x + (r - 1) * (f->x_y + f->x_x), f->x_y, f->x_x, channels);
                GW_NAME(gw_turn_pixels)(r, x + at[i].x, f->x_y, f->x_x, channels, pixels + i * row, apart);
            }
            u = weights;
            for (ptrdiff_t j = 0, width; j < here; j += width, u += every * (channels * width + GW_STAGGER)) {
                width = GW_NAME(gw_strip_vectors)(here - j) * GW_W;
                const ptrdiff_t cols = here - j < width ? here - j : width, between = many * width + GW_STAGGER;
                GW_NAME(gw_products)(every, tiles, width / GW_W, channels, pixels, row, 1, apart, u, channels * width + GW_STAGGER, 0,
                                     products, between);
                for (ptrdiff_t i = 0; i < tiles; i++)
                    lost = GW_NAME(gw_turn_sums)(r, f, at + i, cols, ending, products + i * width, between, d + j, y + j, lost);
            }
        }
    }
    return !GW_NAME(gw_none_lost)(lost);
}

/* The weights' gradient, by blocks of columns whose sums fit their room. So many tiles are added up at a time: as many whichever
   channels these are, so that the bits are the same. */
GW_INLINE int GW_NAME(gw_filter_weights)(int r, const GW_NAME(gw_filter)* f, ptrdiff_t many, GW_NAME(gw_ending) ending,
                                         const GW_REAL* x, const GW_REAL* y, GW_REAL* w) {
    const ptrdiff_t channels = f->channels, row = (channels + GW_W - 1) / GW_W * GW_W, all = GW_NAME(gw_all_squares)(f);
    const ptrdiff_t every = (r + 1) * (r + 1), apart = many * row + GW_STAGGER;
    const ptrdiff_t block = GW_NAME(gw_filter_block)(every, channels);
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
                if (i < later) GW_NAME(gw_foresee)(x + ahead[i].x + (r - 1) * (f->x_y + f->x_x), f->x_y, f->x_x, channels);
                GW_NAME(gw_turn_pixels)(r, x + at[i].x, f->x_y, f->x_x, channels, pixels + i * row, apart);
            }
            GW_REAL* s = sums;
            for (ptrdiff_t j = 0, width; j < here; j += width, s += every * (channels * width + GW_STAGGER)) {
                width = GW_NAME(gw_strip_vectors)(here - j) * GW_W;
                const ptrdiff_t cols = here - j < width ? here - j : width, between = many * width + GW_STAGGER;
                for (ptrdiff_t i = 0; i < tiles; i++) {
                    if (i < later) GW_NAME(gw_foresee)(y + ahead[i].y + j, f->y_y, f->y_x, cols);
                    GW_NAME(gw_turn_places)(r, f, at + i, cols, y + j, back + i * width, between);
                }
                GW_NAME(gw_products)(every, channels, width / GW_W, tiles, pixels, 1, row, apart, back, between, t > 0, s,
                                     channels * width + GW_STAGGER);
            }
        }
        const GW_REAL* s = sums;
        for (ptrdiff_t j = 0, width; j < here; j += width, s += every * (channels * width + GW_STAGGER)) {
            width = GW_NAME(gw_strip_vectors)(here - j) * GW_W;
            lost = GW_NAME(gw_turn_gradient)(r, f, here - j < width ? here - j : width, width, ending, s, w + j, lost);
        }
    }
    return !GW_NAME(gw_none_lost)(lost);
}

/* For each size of filters. */
#define GW_FILTER(R) \
    GW_CALLED int GW_NAME(gw_filter_places_##R)(const GW_NAME(gw_filter)* f, ptrdiff_t first, ptrdiff_t end, \
                                                GW_NAME(gw_ending) ending, const GW_REAL* x, const GW_REAL* w, const GW_REAL* d, \
                                                GW_REAL* y) { \
        return GW_NAME(gw_filter_places)(R, f, first, end, ending, x, w, d, y); \
    } \
    GW_CALLED int GW_NAME(gw_filter_weights_##R)(const GW_NAME(gw_filter)* f, ptrdiff_t many, GW_NAME(gw_ending) ending, \
                                                 const GW_REAL* x, const GW_REAL* y, GW_REAL* w) { \
        return GW_NAME(gw_filter_weights)(R, f, many, ending, x, y, w); \
    }
GW_FILTER(3)
GW_FILTER(5)
#undef GW_FILTER

GW_CALLED void GW_NAME(gw_filter_some)(void* of, ptrdiff_t from, ptrdiff_t to, void* own) {
    (void)own;
    GW_NAME(gw_filtered)* const x = of;
    const ptrdiff_t first = x->units * from / x->parts * x->unit, end = x->units * to / x->parts * x->unit;
    if ((x->filter.r == 3 ? GW_NAME(gw_filter_places_3) : GW_NAME(gw_filter_places_5))(&x->filter, first, end, x->ending, x->a, x->b,
                                                                                      x->d, x->c))
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
    const ptrdiff_t most = GW_NAME(gw_channels_at_once)(&x->filter);
    const ptrdiff_t tiles = GW_NAME(gw_tiles_at_once)((f.r + 1) * (f.r + 1), most);
    for (ptrdiff_t left = f.channels; left > 0; left -= f.channels, channel += f.channels) {
        f.channels = GW_NAME(gw_some_of)(left, most);
        if ((f.r == 3 ? GW_NAME(gw_filter_weights_3) : GW_NAME(gw_filter_weights_5))(
                &f, tiles, x->ending, x->a + channel, x->b + column, x->c + channel * f.w_c + column))
            __atomic_store_n(&x->lost, 1, __ATOMIC_RELAXED);
    }
}

/* What weights that are added to were before, in case that a sum is not finite: one behind the other, or put back. */
GW_CALLED void GW_NAME(gw_keep_weights)(const GW_NAME(gw_filter)* f, GW_REAL* w, int back) {
    GW_REAL* kept = GW_NAME(gw_kept);
    for (int u = 0; u < f->r; u++)
        for (int v = 0; v < f->r; v++)
            for (ptrdiff_t c = 0; c < f->channels; c++, kept += f->n) {
                GW_REAL* const q = w + u * f->w_u + v * f->w_v + c * f->w_c;
                memcpy(back ? q : kept, back ? kept : q, (size_t)f->n * sizeof(GW_REAL));
            }
}

/* The filter that rows of places and a depth of (u, v, channel) make, in which v and the channel may be one level. */
GW_INLINE int GW_NAME(gw_is_filter)(const ptrdiff_t places[3][4], const ptrdiff_t filter[3][3], ptrdiff_t n,
                                    GW_NAME(gw_filter)* f) {
    const ptrdiff_t pixel = places[2][1], line = places[1][1];
    const ptrdiff_t r = filter[1][0];
    const int one = filter[0][0] == 1 && filter[2][0] == r * pixel && filter[2][1] == 1 && filter[1][1] == line;
    const int apart = filter[0][0] == r && filter[0][1] == line && filter[1][1] == pixel && filter[2][1] == 1;
    if ((!one && !apart) || (r != 3 && r != 5)) return 0;
    const ptrdiff_t* const u = filter[one ? 1 : 0];
    *f = (GW_NAME(gw_filter)){(int)r, places[0][0], places[1][0], places[2][0], one ? pixel : filter[2][0], n,
                              places[0][1], line, pixel, u[2], one ? pixel * filter[2][2] : filter[1][2], filter[2][2],
                              places[0][2], places[1][2], places[2][2], places[0][3], places[1][3], places[2][3]};
    return f->images > 0 && f->high >= 2 && f->wide >= 2 && f->channels >= GW_W && n >= GW_W &&
           f->channels <= GW_PIXELS / ((r + 1) * (r + 1)) / 128 * 16;
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
        if (size > 1 && (double)m0 * m1 * m2 * k0 * k1 * k2 * n >= GW_WINOGRAD_PARALLEL) {
            x.unit = across, x.units = all / across;
            x.parts = x.units < size ? x.units : size;
        }
        if (x.parts > 1)
            gw_team_do(GW_NAME(gw_filter_some), &x, x.parts, 0, all, n, k0 * k1 * k2, (ptrdiff_t)sizeof(GW_REAL) + 16 * size);
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
    GW_NAME(gw_filtered) x = {.ending = {alpha, beta, 0}, .a = a, .b = b, .c = c, .parts = 1};
    if (b_j == 1 && c_j == 1 && GW_NAME(gw_is_filter)(places, filter, n, &x.filter) &&
        (beta == 0 || x.filter.r * x.filter.r * x.filter.channels * n <= GW_KEPT)) {
        if (beta != 0) GW_NAME(gw_keep_weights)(&x.filter, c, 0);
        const ptrdiff_t channels = x.filter.channels, size = gw_team_size(), all = GW_NAME(gw_all_squares)(&x.filter);
        x.by_columns = n >= channels; /* whoever has some of them turns all of the others */
        const ptrdiff_t many = x.by_columns ? n : channels;
        x.unit = many, x.units = 1;
        if (size > 1 && many >= 2 * GW_W && (double)m0 * m1 * m2 * k0 * k1 * k2 * n >= GW_WINOGRAD_PARALLEL) {
            x.unit = GW_W, x.units = many / GW_W; /* none has less than a vector */
            x.parts = x.units < size ? x.units : size;
        }
        if (x.parts > 1)
            gw_team_do(GW_NAME(gw_filter_some_weights), &x, x.parts, 0, all, n, m0 * m1 * m2, (ptrdiff_t)sizeof(GW_REAL) + 16 * size);
        else
            GW_NAME(gw_filter_some_weights)(&x, 0, 1, NULL);
        if (!x.lost) return;
        if (beta != 0) GW_NAME(gw_keep_weights)(&x.filter, c, 1);
    }
    GW_NAME(gw_contract)(m0, a_i0, c_i0, m1, a_i1, c_i1, m2, a_i2, c_i2, k0, a_l0, b_l0, k1, a_l1, b_l1, k2, a_l2, b_l2, n, b_j, c_j,
                         alpha, a, b, beta, c);
}
