/* training_attention_body.h - attention of one document and key-value head,
 * forward and backward; compiled with training_body.h.
 *
 * Keys and values are packed once per item: as rows, and turned so that a
 * vector holds neighbouring keys. Then every product is the same small one,
 *     c [rows, vectors] (+)= sum over k of a[row, k] * b[k, vectors]
 * with c in registers. Forward keeps the scores of a tile of queries against
 * all keys it sees; backward goes over blocks of keys that stay in the first
 * cache and computes probabilities again from log_sum (Dao et al. 2022).
 *
 * Places beyond a document's end are zeros and take part harmlessly. */

/* Where an item's arrays lie in a thread's scratch; lengths are padded to
 * ACI_KEY_BLOCK keys, widths to whole vectors. */
typedef struct attention_space {
    aci_real *k, *v;             /* [length, width] */
    aci_real *k_turned, *v_turned; /* [width, length] */
    aci_real *d_k, *d_v;         /* [length, width] */
    aci_real *q, *d_out, *d_q;   /* [tile, width] */
    aci_real *scores;            /* [tile, length] */
    aci_real *d_scores;          /* [tile, block] */
    int64_t length, width;
} attention_space;

static int64_t round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static void lay_out(attention_space *space, aci_real *at, int64_t n_tokens,
                    int32_t head_dim)
{
    int64_t length = round_up(n_tokens, ACI_KEY_BLOCK);
    int64_t width = round_up(head_dim, 16);
    int64_t whole = length * width, tile = ACI_ATTENTION_TILE * width;

    space->length = length;
    space->width = width;
    space->k = at;
    space->v = space->k + whole;
    space->k_turned = space->v + whole;
    space->v_turned = space->k_turned + whole;
    space->d_k = space->v_turned + whole;
    space->d_v = space->d_k + whole;
    space->q = space->d_v + whole;
    space->d_out = space->q + tile;
    space->d_q = space->d_out + tile;
    space->d_scores = space->d_q + tile;
    space->scores = space->d_scores + ACI_ATTENTION_TILE * ACI_KEY_BLOCK;
}

/* ---- the product --------------------------------------------------------- */

typedef struct small_product {
    aci_real *c;
    const aci_real *a, *b;
    int64_t c_stride, a_row, a_k, b_stride;
    int64_t n_rows, n_vectors, n_k;
    int accumulate;
} small_product;

/* rows and vectors are constants. */
static inline __attribute__((always_inline)) void
multiply_tile(const small_product *p, int64_t row, int64_t vector, int rows,
              int vectors)
{
    aci_real *c = p->c + row * p->c_stride + vector * LANES;
    const aci_real *a = p->a + row * p->a_row;
    const aci_real *b = p->b + vector * LANES;
    vr sum[TILE_ROWS][4];
    int64_t k;
    int i, j;

#pragma GCC unroll 8
    for (i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (j = 0; j < vectors; j++)
            sum[i][j] = p->accumulate ? load(c + i * p->c_stride + j * LANES)
                                      : (vr){ 0 };
    for (k = 0; k < p->n_k; k++) {
        vr line[4];

#pragma GCC unroll 4
        for (j = 0; j < vectors; j++)
            line[j] = load(b + j * LANES);
#pragma GCC unroll 8
        for (i = 0; i < rows; i++) {
            vr x = splat(a[i * p->a_row]);

#pragma GCC unroll 4
            for (j = 0; j < vectors; j++)
                sum[i][j] = madd(x, line[j], sum[i][j]);
        }
        a += p->a_k;
        b += p->b_stride;
    }
#pragma GCC unroll 8
    for (i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (j = 0; j < vectors; j++)
            store(c + i * p->c_stride + j * LANES, sum[i][j]);
}

/* Rows in groups of TILE_ROWS (a divisor of every n_rows here), vectors in
 * groups of TILE_VECTORS, then single ones. */
static void multiply_small(const small_product *p)
{
    int64_t row, vector = 0;

    for (; vector + TILE_VECTORS <= p->n_vectors; vector += TILE_VECTORS)
        for (row = 0; row < p->n_rows; row += TILE_ROWS)
            multiply_tile(p, row, vector, TILE_ROWS, TILE_VECTORS);
    for (; vector < p->n_vectors; vector++)
        for (row = 0; row < p->n_rows; row += TILE_ROWS)
            multiply_tile(p, row, vector, TILE_ROWS, 1);
}

/* ---- packing ------------------------------------------------------------- */

/* n rows of `width` real numbers each, times factor, into padded rows. */
static void pack_rows(aci_real *out, const aci_real *in, int64_t stride,
                      int64_t n, int64_t n_padded, int32_t dim, int64_t width,
                      aci_real factor)
{
    int64_t row, i;

    for (row = 0; row < n; row++)
        for (i = 0; i < width; i += LANES)
            store(out + row * width + i,
                  (i < dim ? take(in + row * stride + i, dim - i)
                           : (vr){ 0 }) * factor);
    memset(out + n * width, 0,
           (size_t)((n_padded - n) * width) * sizeof *out);
}

/* [length, width] to [width, length], in squares that stay in cache. */
static void turn_rows(aci_real *out, const aci_real *in, int64_t length,
                      int64_t width)
{
    int64_t block, d, i;

    for (block = 0; block < length; block += 16)
        for (d = 0; d < width; d++)
            for (i = 0; i < 16; i++)
                out[d * length + block + i] = in[(block + i) * width + d];
}

/* One item. */
typedef struct attention_item {
    const aci_training_attention *call;
    attention_space space;
    int64_t start, n;            /* tokens of the document */
    int32_t kv_head, head;
} attention_item;

static void open_item(attention_item *item, const aci_training_job *job,
                      int64_t number, int32_t thread)
{
    const aci_training_attention *c = job->call;
    int64_t document = number / c->n_head_kv;

    item->call = c;
    item->kv_head = (int32_t)(number % c->n_head_kv);
    item->start = c->starts[document];
    item->n = c->starts[document + 1] - item->start;
    lay_out(&item->space,
            job->scratch + (size_t)thread * job->scratch_size, item->n,
            c->head_dim);
}

/* Where a head's numbers of the document's token `i` are. */
static int64_t place_q(const attention_item *item, int64_t i)
{
    return (item->start + i) * item->call->stride +
           (int64_t)item->head * item->call->head_dim;
}

static int64_t place_k(const attention_item *item, int64_t i)
{
    return (item->start + i) * item->call->stride +
           (int64_t)(item->call->n_head + item->kv_head) *
               item->call->head_dim;
}

static int64_t place_v(const attention_item *item, int64_t i)
{
    return place_k(item, i) +
           (int64_t)item->call->n_head_kv * item->call->head_dim;
}

static int64_t place_out(const attention_item *item, int64_t i)
{
    return ((item->start + i) * item->call->n_head + item->head) *
           item->call->head_dim;
}

static void pack_keys(attention_item *item)
{
    const aci_training_attention *c = item->call;
    attention_space *s = &item->space;

    pack_rows(s->k, c->qkv + place_k(item, 0), c->stride, item->n, s->length,
              c->head_dim, s->width, 1);
    pack_rows(s->v, c->qkv + place_v(item, 0), c->stride, item->n, s->length,
              c->head_dim, s->width, 1);
    turn_rows(s->k_turned, s->k, s->length, s->width);
}

/* The first key that query i sees. */
static int64_t first_key(const attention_item *item, int64_t i)
{
    int64_t first = i - item->call->window + 1;

    return item->call->window > 0 && first > 0 ? first : 0;
}

static const int64_t lane_numbers[16] = { 0, 1, 2,  3,  4,  5,  6,  7,
                                          8, 9, 10, 11, 12, 13, 14, 15 };

/* Lanes of keys [at, at + LANES) that lie in [low, high). */
static inline vmask inside(int64_t at, int64_t low, int64_t high)
{
    vmask lane;
    int i;

    for (i = 0; i < LANES; i++)
        lane[i] = (__typeof__(lane[0]))lane_numbers[i];
    return (lane >= (__typeof__(lane[0]))(low - at)) &
           (lane < (__typeof__(lane[0]))(high - at));
}

/* ---- forward ------------------------------------------------------------- */

/* Scores of query i against keys [from, to) into weights before division by
 * their sum, which is returned; zeros where it does not see. */
static aci_real weigh_row(aci_real *scores, aci_real *top, int64_t low,
                          int64_t high, int64_t from, int64_t to)
{
    vr most = splat((aci_real)-INFINITY), sum = { 0 };
    int64_t at;

    for (at = from; at < to; at += LANES)
        if (at >= low && at + LANES <= high)
            most = vmax(load(scores + at), most);
        else
            most = vmax(choose(inside(at, low, high), load(scores + at),
                               most),
                        most);
    *top = max_lanes(most);
    for (at = from; at < to; at += LANES) {
        vr w = vexp(load(scores + at) - *top);

        if (at < low || at + LANES > high)
            w = (vr)((vmask)w & inside(at, low, high));
        sum += w;
        store(scores + at, w);
    }
    return sum_lanes(sum);
}

static void attend_tile(attention_item *item, int64_t first)
{
    const aci_training_attention *c = item->call;
    attention_space *s = &item->space;
    int64_t n = item->n - first < ACI_ATTENTION_TILE ? item->n - first
                                                     : ACI_ATTENTION_TILE;
    int64_t from = first_key(item, first) / LANES * LANES, end = first + n;
    int64_t to = round_up(end, LANES), i, d;
    small_product scores = { s->scores + from, s->q, s->k_turned + from,
                             s->length, s->width, 1, s->length,
                             ACI_ATTENTION_TILE, (to - from) / LANES,
                             c->head_dim, 0 };
    small_product mixed = { s->d_out, s->scores + from, s->v + from * s->width,
                            s->width, s->length, 1, s->width,
                            ACI_ATTENTION_TILE, s->width / LANES, end - from,
                            0 };
    aci_real sum[ACI_ATTENTION_TILE];

    pack_rows(s->q, c->qkv + place_q(item, first), c->stride, n,
              ACI_ATTENTION_TILE, c->head_dim, s->width, c->scale);
    multiply_small(&scores);
    for (i = 0; i < n; i++) {
        aci_real top;

        sum[i] = weigh_row(s->scores + i * s->length, &top,
                           first_key(item, first + i), first + i + 1, from,
                           to);
        c->log_sum[item->head * c->n_tokens + item->start + first + i] =
            top + (aci_real)log((double)sum[i]);
    }
    multiply_small(&mixed);
    for (i = 0; i < n; i++)
        for (d = 0; d < c->head_dim; d += LANES)
            put(c->out + place_out(item, first + i) + d,
                load(s->d_out + i * s->width + d) * (1 / sum[i]),
                c->head_dim - d);
}

static void attend(void *argument, int64_t first, int64_t last,
                   int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_attention *c = job->call;
    int32_t group = c->n_head / c->n_head_kv, g;
    attention_item item;
    int64_t i;

    for (; first < last; first++) {
        open_item(&item, job, first, thread);
        pack_keys(&item);
        for (g = 0; g < group; g++) {
            item.head = item.kv_head * group + g;
            for (i = 0; i < item.n; i += ACI_ATTENTION_TILE)
                attend_tile(&item, i);
        }
    }
}

/* ---- backward ------------------------------------------------------------ */

/* Scores against `n_keys` keys from `at` on become probabilities, and d_scores
 * p (d_p - delta), zeros where a query does not see. */
static void differentiate(attention_item *item, int64_t first, int64_t n,
                          int64_t at, int64_t n_keys, const aci_real *delta)
{
    const aci_training_attention *c = item->call;
    const aci_real *log_sum = c->log_sum + item->head * c->n_tokens +
                              item->start + first;
    int64_t i, j;

    for (i = 0; i < n; i++) {
        aci_real *p = item->space.scores + i * ACI_KEY_BLOCK;
        aci_real *d = item->space.d_scores + i * ACI_KEY_BLOCK;
        int64_t low = first_key(item, first + i), high = first + i + 1;

        for (j = 0; j < n_keys; j += LANES) {
            vr w = vexp(load(p + j) - log_sum[i]);

            if (at + j < low || at + j + LANES > high)
                w = (vr)((vmask)w & inside(at + j, low, high));
            store(p + j, w);
            store(d + j, w * (load(d + j) - delta[i]));
        }
    }
}

/* One block of keys for one tile of queries: five products. Rows of the tile
 * behind the n queries are zeros in q and d_out and end in rows of d_q that
 * nobody reads. */
static void block_backward(attention_item *item, int64_t first, int64_t n,
                           int64_t at, const aci_real *delta)
{
    const aci_training_attention *c = item->call;
    attention_space *s = &item->space;
    enum { TILE = ACI_ATTENTION_TILE, BLOCK = ACI_KEY_BLOCK };
    int64_t row = at * s->width, vectors = s->width / LANES;
    int64_t seen = round_up(first + n - at, 16);
    int64_t keys = seen < BLOCK ? seen : BLOCK;
    small_product scores = { s->scores, s->q, s->k_turned + at, BLOCK,
                             s->width, 1, s->length, TILE, keys / LANES,
                             c->head_dim, 0 };
    small_product d_scores = { s->d_scores, s->d_out, s->v_turned + at, BLOCK,
                               s->width, 1, s->length, TILE, keys / LANES,
                               c->head_dim, 0 };
    small_product d_v = { s->d_v + row, s->scores, s->d_out, s->width, 1,
                          BLOCK, s->width, keys, vectors, n, 1 };
    small_product d_k = { s->d_k + row, s->d_scores, s->q, s->width, 1,
                          BLOCK, s->width, keys, vectors, n, 1 };
    small_product d_q = { s->d_q, s->d_scores, s->k + row, s->width, BLOCK, 1,
                          s->width, TILE, vectors, keys, 1 };

    multiply_small(&scores);
    multiply_small(&d_scores);
    differentiate(item, first, n, at, keys, delta);
    multiply_small(&d_v);
    multiply_small(&d_k);
    multiply_small(&d_q);
}

static void tile_backward(attention_item *item, int64_t first)
{
    const aci_training_attention *c = item->call;
    attention_space *s = &item->space;
    int64_t n = item->n - first < ACI_ATTENTION_TILE ? item->n - first
                                                     : ACI_ATTENTION_TILE;
    int64_t wide = (int64_t)c->n_head * c->head_dim, i, d, at;
    aci_real delta[ACI_ATTENTION_TILE];

    pack_rows(s->q, c->qkv + place_q(item, first), c->stride, n,
              ACI_ATTENTION_TILE, c->head_dim, s->width, c->scale);
    pack_rows(s->d_out, c->d_out + place_out(item, first), wide, n,
              ACI_ATTENTION_TILE, c->head_dim, s->width, 1);
    memset(s->d_q, 0,
           (size_t)(ACI_ATTENTION_TILE * s->width) * sizeof *s->d_q);
    for (i = 0; i < n; i++) {
        vr dot = { 0 };

        for (d = 0; d < c->head_dim; d += LANES)
            dot = madd(load(s->d_out + i * s->width + d),
                       take(c->out + place_out(item, first + i) + d,
                            c->head_dim - d),
                       dot);
        delta[i] = sum_lanes(dot);
    }
    at = first_key(item, first) / ACI_KEY_BLOCK * ACI_KEY_BLOCK;
    for (; at < first + n; at += ACI_KEY_BLOCK)
        block_backward(item, first, n, at, delta);
    for (i = 0; i < n; i++)
        for (d = 0; d < c->head_dim; d += LANES)
            put(c->d_qkv + place_q(item, first + i) + d,
                load(s->d_q + i * s->width + d) * c->scale, c->head_dim - d);
}

static void unpack_rows(aci_real *out, int64_t stride, const aci_real *in,
                        int64_t n, int32_t dim, int64_t width)
{
    int64_t row, d;

    for (row = 0; row < n; row++)
        for (d = 0; d < dim; d += LANES)
            put(out + row * stride + d, load(in + row * width + d), dim - d);
}

static void attend_backward(void *argument, int64_t first, int64_t last,
                            int32_t thread)
{
    const aci_training_job *job = argument;
    const aci_training_attention *c = job->call;
    int32_t group = c->n_head / c->n_head_kv, g;
    attention_item item;
    int64_t i;

    for (; first < last; first++) {
        attention_space *s = &item.space;

        open_item(&item, job, first, thread);
        pack_keys(&item);
        turn_rows(s->v_turned, s->v, s->length, s->width);
        memset(s->d_k, 0,
               2 * (size_t)(s->length * s->width) * sizeof *s->d_k);
        for (g = 0; g < group; g++) {
            item.head = item.kv_head * group + g;
            for (i = 0; i < item.n; i += ACI_ATTENTION_TILE)
                tile_backward(&item, i);
        }
        unpack_rows(c->d_qkv + place_k(&item, 0), c->stride, s->d_k, item.n,
                    c->head_dim, s->width);
        unpack_rows(c->d_qkv + place_v(&item, 0), c->stride, s->d_v, item.n,
                    c->head_dim, s->width);
    }
}
