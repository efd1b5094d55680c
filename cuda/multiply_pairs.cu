/* multiply_pairs.cu - products of up to 8 tokens, some of them in two halves of
 * low rank, in one launch:
 *
 *     first    all whole W, and every V:   out = W x,  low = V x
 *     then     all U:                      out = U low
 *
 * Each half is read in a fraction of what a launch costs, so the blocks stay,
 * all of them at once, and wait for each other in between (grid_barrier.h).
 * Strips of 16 rows (few_strip.h) go round the blocks, first W's and V's, then
 * U's. Where V has fewer strips than there are blocks its columns are shared
 * out, too, in whole groups: the parts of a strip leave the groups' values, and
 * who comes last adds them up in the contract's order. The first tiles of U,
 * which do not depend on low, are under way before a block waits. Then each
 * block quantises the rows of low that it needs for itself, into shared memory,
 * by the arithmetic of quantise.cu: the same bits as two calls of multiply_few,
 * and no second wait.
 *
 * Weight bits, 4 or 8, are per matrix, so they are asked for per strip; a launch
 * has one group and one width of activations. Whole matrices of 16 bits have a
 * launch of their own before it: with their four times the registers nothing
 * would fit. Not measured on a device yet. */
#include "cuda/few_strip.h"
#include "cuda/grid_barrier.h"
#include "cuda/quantise_group.h"

/* Most of shared memory that every device since sm_80 gives to a block. */
enum { SHARED_MOST = 98 * 1024, TOKENS = 8 };

/* What an outer product reads: [n_rows, stride] floats that inner ones wrote. */
struct low_rows {
    const float *rows;
    size_t stride;
    int32_t rank, rank_padded;
};

struct pairs_call {
    product_call first, then;
    low_rows lows[ACI_MAX_PRODUCTS]; /* of the targets of `then` */
    aci_cuda_together together;
    int32_t n_parts, part_tiles;     /* that a strip of `first` is done in */
};

/* Bytes of quantised rows in shared memory, as place_low lays them. */
static constexpr size_t low_bytes(int32_t n_rows, int32_t rank_padded, int32_t group, int bits)
{
    const size_t wide = bits == 16 ? 2 : 1;

    return static_cast<size_t>(n_rows) * static_cast<size_t>(rank_padded) * wide +
           static_cast<size_t>(rank_padded / group) * TOKENS * (1 + wide) * 4;
}

template <int activation_bits, int group>
static __device__ __forceinline__ aci_cuda_activations place_low(unsigned char *at, int32_t n_rows,
                                                                 int32_t rank_padded)
{
    const int32_t bytes = n_rows * rank_padded, numbers = rank_padded / group * TOKENS;
    aci_cuda_activations low;

    low.high = reinterpret_cast<int8_t *>(at);
    low.low = low.high + (activation_bits == 16 ? bytes : 0);
    low.scales = reinterpret_cast<float *>(low.low + bytes);
    low.sum_high = reinterpret_cast<int32_t *>(low.scales + numbers);
    low.sum_low = low.sum_high + (activation_bits == 16 ? numbers : 0);
    low.n_rows = n_rows;
    low.row_stride = TOKENS;
    low.n_in_padded = rank_padded;
    low.group = group;
    low.bits = activation_bits;
    low.is_wide = 0;
    return low;
}

/* By the whole block, a warp a group; every thread sees it afterwards. */
static __device__ __forceinline__ void quantise_low(const aci_cuda_activations &out,
                                                    const low_rows &low)
{
    const int32_t n_groups = out.n_in_padded / out.group;

    for (int32_t i = threadIdx.x / ACI_WARP; i < out.n_rows * n_groups; i += WARPS) {
        const int32_t row = i / n_groups;
        const float *x = low.rows + static_cast<size_t>(row) * low.stride;

        quantise_group(out, row, i % n_groups, low.rank, [&](int32_t k) { return x[k]; });
    }
    __syncthreads();
}

/* Where the value of a group of a strip lies for this thread's output until the
 * strip's last part is there: [n_strips, n_groups, n_rows, 16]. */
static __device__ __forceinline__ float *value_at(const pairs_call &call, int32_t item_strip,
                                                  int32_t n_groups, int32_t g)
{
    return call.together.values +
           ((static_cast<size_t>(item_strip) * static_cast<size_t>(n_groups) +
             static_cast<size_t>(g)) * static_cast<size_t>(call.first.x.n_rows) +
            threadIdx.x % 8) * 16 + threadIdx.x / 8;
}

/* Whoever comes last adds up what all the parts left, in the columns' order. */
template <int group>
static __device__ __forceinline__ void join_parts(const product_target &target,
                                                  const pairs_call &call, int32_t *shared,
                                                  int32_t item_strip, int32_t strip)
{
    const aci_cuda_activations &x = call.first.x;
    const int32_t n_groups = x.n_in_padded / group;
    float result = 0.0f;

    if (!aci_is_last(call.together.turns + item_strip, call.n_parts, shared) || !has_output(x))
        return;
#pragma unroll 4
    for (int32_t g = 0; g < n_groups; g++)
        result = fmaf(*value_at(call, item_strip, n_groups, g),
                      group_scale(target, x, strip, group, g), result);
    store_output(target, strip, result);
}

/* One part of a strip of W or V; item_strip is its number in the launch. */
template <int weight_bits, int activation_bits, int group>
static __device__ __forceinline__ void first_part(const product_target &target,
                                                  const pairs_call &call, int32_t *shared,
                                                  int32_t item_strip, int32_t part)
{
    const aci_cuda_activations &x = call.first.x;
    const int32_t n_tiles = x.n_in_padded / ACI_TILE_COLUMNS, n_groups = x.n_in_padded / group;
    const int32_t strip = item_strip - target.first_strip, begin = part * call.part_tiles;
    const int32_t end = begin + call.part_tiles < n_tiles ? begin + call.part_tiles : n_tiles;
    tile_bytes<weight_bits> bytes[rounds<group>::tiles_of_warp];
    float result = 0.0f;

    load_round<weight_bits, group>(bytes, target, strip, begin, end);
    multiply_tiles<weight_bits, activation_bits, group>(
        bytes, shared, target, x, strip, begin, end, [&](int32_t g, float value) {
            if (call.n_parts > 1)
                *value_at(call, item_strip, n_groups, g) = value;
            else
                result = fmaf(value, group_scale(target, x, strip, group, g), result);
        });
    if (call.n_parts > 1)
        join_parts<group>(target, call, shared, item_strip, strip);
    else if (has_output(x))
        store_output(target, strip, result);
}

/* `ready`: whose quantised rows the block has; NULL before it has waited. */
template <int weight_bits, int activation_bits, int group>
static __device__ __forceinline__ void then_strip(const product_target &target,
                                                  const low_rows &low, const pairs_call &call,
                                                  unsigned char *shared, int32_t strip,
                                                  const float *&ready, uint32_t seen)
{
    const aci_cuda_activations x = place_low<activation_bits, group>(
        shared + sums_bytes(activation_bits), call.first.x.n_rows, low.rank_padded);
    tile_bytes<weight_bits> bytes[rounds<group>::tiles_of_warp];

    load_round<weight_bits, group>(bytes, target, strip, 0, x.n_in_padded / ACI_TILE_COLUMNS);
    if (ready != low.rows) {
        if (ready == nullptr)
            aci_grid_wait(call.together.arrived, seen);
        quantise_low(x, low);
        ready = low.rows;
    }
    multiply_strip<weight_bits, activation_bits, group>(
        bytes, reinterpret_cast<int32_t *>(shared), target, x, strip);
}

template <int activation_bits, int group>
static __global__ void __launch_bounds__(THREADS, 2)
    multiply_pairs(__grid_constant__ const pairs_call call)
{
    ACI_SHARED(shared);
    const int32_t step = static_cast<int32_t>(gridDim.x);
    const float *ready = nullptr;

    for (int32_t i = static_cast<int32_t>(blockIdx.x); i < call.first.n_strips * call.n_parts;
         i += step) {
        const int32_t strip = i / call.n_parts, part = i % call.n_parts;
        const product_target &target = call.first.targets[target_of(call.first, strip)];

        if (target.weight_bits == 4)
            first_part<4, activation_bits, group>(target, call,
                                                  reinterpret_cast<int32_t *>(shared), strip, part);
        else
            first_part<8, activation_bits, group>(target, call,
                                                  reinterpret_cast<int32_t *>(shared), strip, part);
    }
    const uint32_t seen = aci_grid_arrive(call.together.arrived);
    for (int32_t i = static_cast<int32_t>(blockIdx.x); i < call.then.n_strips; i += step) {
        const int t = target_of(call.then, i);
        const product_target &target = call.then.targets[t];
        const int32_t strip = i - target.first_strip;

        if (target.weight_bits == 4)
            then_strip<4, activation_bits, group>(target, call.lows[t], call, shared, strip, ready,
                                                  seen);
        else
            then_strip<8, activation_bits, group>(target, call.lows[t], call, shared, strip, ready,
                                                  seen);
    }
}

/* ---- on the host --------------------------------------------------------- */

static size_t shared_bytes_of(const aci_outer *outers, int32_t n_outers, int32_t n_rows)
{
    size_t most = 0;

    for (int32_t i = 0; i < n_outers; i++) {
        const aci_linear &u = outers[i].product.linear;
        const size_t bytes = low_bytes(n_rows, u.weight->n_in_padded, u.weight->group,
                                       u.activation_bits);

        most = bytes > most ? bytes : most;
    }
    return sums_bytes(outers[0].product.linear.activation_bits) + most;
}

static bool is_thin(const aci_product &p)
{
    return p.linear.weight_bits == 4 || p.linear.weight_bits == 8;
}

/* U of a pair, whose V is one of the products. */
static bool outer_fits(const aci_outer &outer, const aci_product *products, int32_t n_products)
{
    const aci_linear &first = products[0].linear;

    if (outer.inner < 0 || outer.inner >= n_products)
        return false;
    return is_thin(outer.product) && is_thin(products[outer.inner]) &&
           has_planes(outer.product, first.weight->group, first.activation_bits) &&
           products[outer.inner].linear.weight->n_out == outer.product.linear.weight->n_in;
}

int32_t aci_cuda_pairs_fit(const aci_product *products, int32_t n_products,
                           const aci_outer *outers, int32_t n_outers, int32_t n_rows)
{
    const aci_linear &first = products[0].linear;

    if (n_rows < 1 || n_rows > ACI_CUDA_FEW_ROWS || n_products < 1 || n_outers < 1 ||
        n_products > ACI_MAX_PRODUCTS || n_outers > ACI_MAX_PRODUCTS ||
        (first.activation_bits != 8 && first.activation_bits != 16))
        return 0;
    for (int32_t i = 0; i < n_products; i++)
        if (!has_planes(products[i], first.weight->group, first.activation_bits) ||
            products[i].linear.weight->n_in_padded != first.weight->n_in_padded)
            return 0;
    for (int32_t i = 0; i < n_outers; i++)
        if (!outer_fits(outers[i], products, n_products))
            return 0;
    return shared_bytes_of(outers, n_outers, n_rows) <= SHARED_MOST;
}

/* Parts of a strip so that most of the blocks have one, of a round of tiles or
 * more each, and as there is room for what they leave. */
static void set_parts(pairs_call &call, int32_t most)
{
    const aci_cuda_activations &x = call.first.x;
    const int32_t n_tiles = x.n_in_padded / ACI_TILE_COLUMNS;
    const int32_t most_parts = call.first.n_strips > 0 ? most / call.first.n_strips : 1;
    const size_t values = static_cast<size_t>(call.first.n_strips) * 16 *
                          static_cast<size_t>(x.n_in_padded / x.group) *
                          static_cast<size_t>(x.n_rows);
    int32_t round = SLOTS / 2; /* whole groups, whichever they are */

    call.n_parts = 1;
    call.part_tiles = n_tiles;
    if (most_parts < 2 || n_tiles <= round || call.first.n_strips > ACI_CUDA_MOST_TURNS ||
        values > call.together.n_values)
        return;
    while (round * most_parts < n_tiles)
        round += 2;
    call.part_tiles = round;
    call.n_parts = (n_tiles + round - 1) / round;
}

template <int activation_bits, int group>
static cudaError_t start_pairs(pairs_call &call, size_t shared_bytes, cudaStream_t stream)
{
    int resident = 0;
    const cudaError_t error = aci_resident_blocks(
        &resident, multiply_pairs<activation_bits, group>, THREADS, shared_bytes);
    const int32_t most = resident * call.together.n_processors;
    int32_t items;

    if (error != cudaSuccess || most < 1)
        return error != cudaSuccess ? error : cudaErrorInvalidValue;
    set_parts(call, most);
    items = call.first.n_strips * call.n_parts;
    items = items > call.then.n_strips ? items : call.then.n_strips;
    return aci_launch_together(multiply_pairs<activation_bits, group>,
                               dim3(static_cast<unsigned>(items < most ? items : most)),
                               dim3(THREADS), shared_bytes, stream, call);
}

template <int activation_bits>
static cudaError_t start_pairs_of(pairs_call &call, size_t shared_bytes, cudaStream_t stream)
{
    switch (call.first.x.group) {
    case 32: return start_pairs<activation_bits, 32>(call, shared_bytes, stream);
    case 64: return start_pairs<activation_bits, 64>(call, shared_bytes, stream);
    case 128: return start_pairs<activation_bits, 128>(call, shared_bytes, stream);
    default: return cudaErrorInvalidValue;
    }
}

cudaError_t aci_cuda_multiply_pairs(const aci_product *products, int32_t n_products,
                                    const aci_outer *outers, int32_t n_outers,
                                    const aci_cuda_activations *x,
                                    const aci_cuda_together *together, cudaStream_t stream)
{
    pairs_call call = {};
    cudaError_t error = cudaSuccess;
    size_t shared_bytes;

    if (!aci_cuda_pairs_fit(products, n_products, outers, n_outers, x->n_rows) ||
        x->group != products[0].linear.weight->group ||
        x->bits != products[0].linear.activation_bits ||
        x->n_in_padded != products[0].linear.weight->n_in_padded)
        return cudaErrorInvalidValue;
    call.first.x = *x;
    call.together = *together;
    for (int32_t i = 0; i < n_products && error == cudaSuccess; i++)
        if (is_thin(products[i]))
            add_target(call.first, products[i]);
        else
            error = aci_cuda_multiply_few(&products[i], 1, x, stream);
    if (error != cudaSuccess)
        return error;
    for (int32_t i = 0; i < n_outers; i++) {
        const aci_product &inner = products[outers[i].inner];
        const aci_matrix &u = *outers[i].product.linear.weight;

        call.lows[i] = { inner.out, inner.out_stride, u.n_in, u.n_in_padded };
        add_target(call.then, outers[i].product);
    }
    shared_bytes = shared_bytes_of(outers, n_outers, x->n_rows);
    return (x->bits == 8 ? start_pairs_of<8> : start_pairs_of<16>)(call, shared_bytes, stream);
}
