// 3x3 convolutions with stride 1, dilation 1 and padding 1 in bf16 on tensor cores, and their adjoints.
// Operands and results are bf16, sums are f32, and every stored bf16 value is rounded once, to nearest even.
//
// All nine taps read the same pixels, so a block copies a tile of 16 x 16 pixels with a border, its halo, to shared
// memory once. A tap is a shift of the addresses that ldmatrix gets. A pixel is copied 18 * 18 / (16 * 16) = 1.27 times
// instead of nine times.
//
//   halo, 18 x 18 pixels                   a row of the halo: 18 pixels of 4 chunks of 8 channels
//     . . . . . . . . . . . . . . . . . .    column   0       1       2       3       4       5       6
//     . o o o o o o o o o o o o o o o o .    chunk  | 0 1 2 3 0 1 2 3|1 0 3 2 1 0 3 2|2 3 0 1 2 3 0 1|3 2 1 0 ...
//     . o o o o o o o o o o o o o o o o .           |  128 bytes     |
//     .   ... 16 rows of 16 pixels ...  .
//     . o o o o o o o o o o o o o o o o .  Chunk c of column q lies at place c ^ (q / 2 % 4); with 8 chunks a pixel,
//     . . . . . . . . . . . . . . . . . .  at c ^ (q % 8). ldmatrix reads one chunk of 8 neighbouring pixels at once.
//                                          At whatever pixel it begins, the 8 chunks lie in different eighths of
//                                          128 bytes: no bank is read twice.
//
// The place of a chunk does not depend on the row. So a lane needs one address per shift of the columns and step of
// the depth. All rows and buffers are at constant offsets from it, which are part of the instructions.
//
// Forward and input gradient. The input gradient is the convolution of dz with the weights turned by half a turn and
// transposed, so both are `convolve`; they differ in how they read the weights. A block of 4 warps computes 256
// pixels x 64 outputs, a warp 4 rows of 16 pixels x 64 outputs, in fragments of 16 pixels x 8 outputs. It goes
// through the kernel column by column, because then a fragment of the halo serves three taps:
//
//   row of the halo   0      1      2      3      4      5       6 ldmatrix of pixels and 12 of weights feed 96 mma,
//   tap (0, b)      row 0  row 1  row 2  row 3                   for every column b and 16 channels of the depth
//   tap (1, b)             row 0  row 1  row 2  row 3
//   tap (2, b)                    row 0  row 1  row 2  row 3
//
// The depth runs in slices of 32 channels, and a slice in three stages, one per column of the kernel:
//
//   shared memory   | halo of slice s | of s + 1 | weights of stage t | of t + 1 | of t + 2 |   then   | sums | ahead |
//
// While stage t is multiplied, the weights of t + 1 and t + 2 are on their way. The next slice's halo is copied in
// the first two stages of a slice, so it is complete when the weights of its first stage are. In the end the sums go
// through shared memory, so that a thread finishes 8 channels of a pixel at a time.
//
// Weight gradient. A block of 8 warps computes 64 outputs x 64 inputs x 9 taps over a share of the tiles. Pixels are
// the depth, a row of a tile at a time; both operands lie pixel by pixel, so ldmatrix transposes both. Going down the
// rows, the fragments of x stay in registers for the three rows of taps that use them: 5 ldmatrix feed 36 mma.
//
// Copies past the end write zeros that nobody reads, which costs less than branches in the loops. A copy of zeros
// reads nothing, so its source need not exist.
#include "activation.cuh"
#include "mma_layout.cuh"

constexpr uint32_t TILE = 16;         // pixels on a side: 16 pixels of a row are the rows, or the depth, of one mma
constexpr uint32_t TAPS = 3;          // on a side
constexpr uint32_t COPY_PIXELS = 32;  // pixels that the threads of a block copy at once, one chunk each

struct TilePlace { uint32_t image, y, x; };  // a tile's image and first pixel

DEVICE uint32_t tiles_across(uint32_t side) { return (side + TILE - 1) / TILE; }
DEVICE TilePlace tile_at(uint32_t tile, const Conv2dSpec& s) {
    uint32_t columns = tiles_across(s.w), rows = tiles_across(s.h);
    return {tile / columns / rows, tile / columns % rows * TILE, tile % columns * TILE};
}

// A tile in shared memory, 16 x 16 pixels with BORDER pixels around them and CHUNKS chunks each, and one thread's
// copies into it. Copies 0 to INNER - 1 are in the first 16 columns, in every second row; the others are in the last
// two columns, in every sixteenth row.
template <uint32_t CHUNKS, uint32_t BORDER> struct PixelTile {
    static_assert(CHUNKS == 4 || CHUNKS == 8, "the swizzle is for pixels of 64 or 128 bytes");
    static_assert(COPY_PIXELS == 2 * TILE && BORDER <= 1, "the columns past the first 16 are copied two at a time");
    static constexpr uint32_t SIDE = TILE + 2 * BORDER, PIXEL = CHUNKS * CHUNK, ROW = SIDE * PIXEL, VALUES = SIDE * ROW;
    static constexpr uint32_t INNER = SIDE / 2, COPIES = INNER + 2 * BORDER;
    static_assert(ROW * sizeof(bf16) % 128 == 0, "rows start at bank 0: the swizzle depends on columns only");

    DEVICE static uint32_t place(uint32_t row, uint32_t column, uint32_t chunk) {
        return row * ROW + column * PIXEL + (chunk ^ (CHUNKS == 4 ? column / 2 % 4 : column % 8)) * CHUNK;
    }

    // Copies at one column: row and offsets of the first. A pixel exists if its row is below the limit.
    struct Column { uint32_t y, limit, source, target; };
    const bf16* image;  // the thread's channels of its first pixel
    uint32_t pitch;     // values from row to row of the image
    Column inner, edge;

    DEVICE static uint32_t own_channel() { return threadIdx.x % CHUNKS * CHUNK; }

    // source: [N,H,W,channels], of which the tile holds the channels from `first` on.
    DEVICE PixelTile(const bf16* source, uint32_t number, uint32_t channels, uint32_t first, const Conv2dSpec& s)
        : pitch(s.w * channels) {
        image = source + ((uint64_t)number * s.h * pitch + first + own_channel());
    }

    // Where the tile begins in the image. If `exists` is false, it holds zeros.
    DEVICE void move(uint32_t first_y, uint32_t first_x, uint32_t channels, bool exists, const Conv2dSpec& s) {
        auto column_at = [&](uint32_t row, uint32_t column) {
            uint32_t y = first_y + row - BORDER, x = first_x + column - BORDER;  // huge if outside
            uint32_t limit = exists && x < s.w ? s.h : 0;
            return Column{y, limit, y * pitch + x * channels, place(row, column, threadIdx.x % CHUNKS)};
        };
        uint32_t pixel = threadIdx.x / CHUNKS;
        inner = column_at(pixel / TILE, pixel % TILE);
        edge = column_at(pixel / 2, TILE + pixel % 2);
    }

    // Starts copy `number`, of zeros if the channels do not exist.
    DEVICE void copy(bf16* tile, uint32_t number, bool channels_exist = true) const {
        bool is_inner = number < INNER;
        const Column& column = is_inner ? inner : edge;
        uint32_t below = is_inner ? 2 * number : (number - INNER) * TILE;  // rows below the first copy
        // The last copy has rows for a few threads only.
        if (!is_inner && threadIdx.x / CHUNKS / 2 + below >= SIDE) return;
        bool exists = column.y + below < column.limit && channels_exist;
        cp_async16(tile + column.target + below * ROW, image + (column.source + below * pitch), exists);
    }
};

// ---- Forward and input gradient ----

constexpr uint32_t CONV_THREADS = 128, OUTPUTS = 64, TILE_PIXELS = TILE * TILE, STAGES = 3;
constexpr uint32_t AHEAD = 4;                               // rows that the epilogue of the input gradient reads ahead
constexpr uint32_t WARP_ROWS = TILE * WARP / CONV_THREADS;  // rows of pixels of one warp
constexpr uint32_t HALO_ROWS = WARP_ROWS + TAPS - 1;        // rows of the halo that they read
constexpr uint32_t TAP_WEIGHTS = OUTPUTS * MMA_K;           // values of one tap in a stage
using ConvHalo = PixelTile<DEPTH_CHUNKS, 1>;
static_assert(CONV_THREADS == COPY_PIXELS * DEPTH_CHUNKS, "one thread per chunk that is copied at once");
static_assert(STAGES == TAPS, "the buffer of a column of the kernel is the same in every slice");

struct ConvOperands { bf16 halo[2][ConvHalo::VALUES], weights[STAGES][TAPS * TAP_WEIGHTS]; };
struct ConvResults { float sums[TILE_PIXELS * OUTPUTS]; bf16 ahead[AHEAD][2][CONV_THREADS * CHUNK]; };
union ConvTiles { ConvOperands operands; ConvResults results; };
static_assert(sizeof(ConvTiles) == 81920, "the headers of the kernels state this size");
static_assert(2 * (sizeof(ConvTiles) + 1024) <= 233472, "two blocks must fit on a multiprocessor of sm_90");

// Weights [O,3,3,I] as the forward pass reads them: outputs are O, the depth is I. A tap in a stage: [64 outputs, 32 of
// the depth].
struct ForwardWeights {
    static constexpr uint32_t PASS = CONV_THREADS / DEPTH_CHUNKS;  // outputs that are copied at once
    static_assert(PASS % 8 == 0, "the swizzle repeats after 8 rows");
    const bf16* source;
    uint32_t depth, left, target;  // left: outputs from the thread's first on

    DEVICE ForwardWeights(const bf16* w, uint32_t outputs, uint32_t depth, uint32_t first) : depth(depth) {
        uint32_t row = threadIdx.x / DEPTH_CHUNKS, chunk = threadIdx.x % DEPTH_CHUNKS, output = first + row;
        source = w + ((uint64_t)output * TAPS * TAPS * depth + chunk * CHUNK);
        left = output < outputs ? outputs - output : 0;
        target = depth_chunk(row, chunk);
    }
    // Starts the copies of column b of the kernel for the slice of the depth that begins at `channel`.
    DEVICE void fill(bf16* stage, uint32_t channel, uint32_t b) const {
        bool channels_exist = channel + threadIdx.x % DEPTH_CHUNKS * CHUNK < depth;
#pragma unroll
        for (uint32_t i = 0; i < OUTPUTS; i += PASS)
#pragma unroll
            for (uint32_t a = 0; a < TAPS; a++)
                cp_async16(stage + target + a * TAP_WEIGHTS + i * MMA_K, source + ((i * TAPS + a) * TAPS + b) * depth,
                           i < left && channels_exist);
    }
    DEVICE void next_slice() { source += MMA_K; }

    // A lane's row for ldmatrix, for outputs 16 j to 16 j + 15 and depth 16 k to 16 k + 15, is at place(j, k) +
    // offset(j, k). The place depends only on j % PLACES_J and k % PLACES_K.
    static constexpr uint32_t PLACES_J = 1, PLACES_K = 2;
    DEVICE static uint32_t place(uint32_t, uint32_t k) {
        uint32_t lane = threadIdx.x % WARP;
        return depth_chunk(lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2);
    }
    DEVICE static constexpr uint32_t offset(uint32_t j, uint32_t) { return j * 16 * MMA_K; }
    DEVICE static void load(uint32_t (&pair)[4], const bf16* row) { ldmatrix4(pair, row); }
};

// The same weights as the input gradient reads them: outputs are I, depth is O, and tap (a, b) is (2 - a, 2 - b). A
// tap in a stage: [32 of the depth, 64 outputs], which ldmatrix transposes.
struct TurnedWeights {
    static constexpr uint32_t CHUNKS = OUTPUTS / CHUNK, PASS = CONV_THREADS / CHUNKS;
    static_assert(PASS % 8 == 0, "the swizzle repeats after 8 rows");
    const bf16* source;
    uint32_t depth, outputs, limit, target;  // limit: the depth, or 0 if the thread's outputs do not exist

    DEVICE TurnedWeights(const bf16* w, uint32_t outputs, uint32_t depth, uint32_t first)
        : depth(depth), outputs(outputs) {
        uint32_t row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS, output = first + chunk * CHUNK;
        source = w + ((uint64_t)row * TAPS * TAPS * outputs + output);
        limit = output < outputs ? depth : 0;
        target = row_chunk<OUTPUTS>(row, chunk);
    }
    DEVICE void fill(bf16* stage, uint32_t channel, uint32_t b) const {
        uint32_t row = channel + threadIdx.x / CHUNKS;
#pragma unroll
        for (uint32_t i = 0; i < MMA_K; i += PASS)
#pragma unroll
            for (uint32_t a = 0; a < TAPS; a++)
                cp_async16(stage + target + a * TAP_WEIGHTS + i * OUTPUTS,
                           source + ((i * TAPS + TAPS - 1 - a) * TAPS + TAPS - 1 - b) * outputs, row + i < limit);
    }
    DEVICE void next_slice() { source += MMA_K * TAPS * TAPS * outputs; }

    static constexpr uint32_t PLACES_J = OUTPUTS / 16, PLACES_K = 1;
    DEVICE static uint32_t place(uint32_t j, uint32_t) {
        uint32_t lane = threadIdx.x % WARP;
        return row_chunk<OUTPUTS>(lane % 16, 2 * j + lane / 16);
    }
    DEVICE static constexpr uint32_t offset(uint32_t, uint32_t k) { return k * 16 * OUTPUTS; }
    DEVICE static void load(uint32_t (&pair)[4], const bf16* row) { ldmatrix4_transposed(pair, row); }
};

// The copies of one block, two stages ahead of the products. Slices past the end of the depth are zeros.
template <class Weights> struct ConvCopies {
    ConvOperands& tiles;
    ConvHalo halo;
    Weights weights;

    // Starts copies `begin` to `end` of the halo of a slice.
    DEVICE void fill_halo(uint32_t slice, uint32_t begin, uint32_t end) {
        bool channels_exist = slice * MMA_K + ConvHalo::own_channel() < weights.depth;
#pragma unroll
        for (uint32_t i = begin; i < end; i++) halo.copy(tiles.halo[slice % 2], i, channels_exist);
        if (end == ConvHalo::COPIES) halo.image += MMA_K;
    }
    // Starts the copies of column b of the weights for a slice.
    DEVICE void fill_weights(uint32_t slice, uint32_t b) {
        weights.fill(tiles.weights[b], slice * MMA_K, b);
        if (b == TAPS - 1) weights.next_slice();
    }

    // Starts the copies of the first two stages, one group each.
    DEVICE void start() {
        fill_halo(0, 0, ConvHalo::COPIES);
        fill_weights(0, 0);
        cp_commit();
        fill_weights(0, 1);
        cp_commit();
    }
    // Starts the copies of the stage after next, while column b of a slice is multiplied.
    DEVICE void next(uint32_t slice, uint32_t b) {
        constexpr uint32_t HALF = ConvHalo::COPIES / 2;
        if (b == 0) fill_halo(slice + 1, 0, HALF);
        if (b == 1) fill_halo(slice + 1, HALF, ConvHalo::COPIES);
        fill_weights(b == 0 ? slice : slice + 1, (b + 2) % TAPS);
        cp_commit();
    }
};

// Sums of one warp, 4 rows of 16 pixels x N outputs, and where its fragments lie in shared memory.
template <class Weights, uint32_t N> struct ConvWarp {
    float sums[WARP_ROWS][N / 8][4];
    const bf16* pixels[TAPS][2];  // in the halo of the slice, by column of the kernel and step of the depth
    const bf16* weights[Weights::PLACES_J][Weights::PLACES_K];
    int32_t other_halo;  // from the halo of the slice to the next one

    DEVICE ConvWarp(const ConvOperands& tiles) : other_halo(ConvHalo::VALUES) {
        uint32_t lane = threadIdx.x % WARP, first_row = threadIdx.x / WARP * WARP_ROWS;
#pragma unroll
        for (uint32_t k = 0; k < 2; k++)
#pragma unroll
            for (uint32_t b = 0; b < TAPS; b++)
                pixels[b][k] = tiles.halo[0] + ConvHalo::place(first_row, lane % 16 + b, 2 * k + lane / 16);
#pragma unroll
        for (uint32_t j = 0; j < Weights::PLACES_J; j++)
#pragma unroll
            for (uint32_t k = 0; k < Weights::PLACES_K; k++) weights[j][k] = tiles.weights[0] + Weights::place(j, k);
#pragma unroll
        for (uint32_t i = 0; i < WARP_ROWS * N / 8 * 4; i++) sums[i / 4 / (N / 8)][i / 4 % (N / 8)][i % 4] = 0.0f;
    }

    // Adds the products of column b of the kernel with a slice of the depth.
    DEVICE void add(uint32_t b) {
#pragma unroll
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t left[HALO_ROWS][4];
#pragma unroll
            for (uint32_t row = 0; row < HALO_ROWS; row++)
                ldmatrix4(left[row], pixels[b][k] + row * ConvHalo::ROW);
#pragma unroll
            for (uint32_t a = 0; a < TAPS; a++)
#pragma unroll
                for (uint32_t j = 0; j < N / 16; j++) {
                    uint32_t pair[4];
                    const bf16* row = weights[j % Weights::PLACES_J][k % Weights::PLACES_K] + Weights::offset(j, k);
                    Weights::load(pair, row + (b * TAPS + a) * TAP_WEIGHTS);
                    uint32_t right[2][2] = {{pair[0], pair[1]}, {pair[2], pair[3]}};
#pragma unroll
                    for (uint32_t r = 0; r < WARP_ROWS; r++)
#pragma unroll
                        for (uint32_t n = 0; n < 2; n++) mma_bf16(sums[r][2 * j + n], left[r + a], right[n]);
                }
        }
    }

    DEVICE void next_slice() {
#pragma unroll
        for (uint32_t i = 0; i < TAPS * 2; i++) pixels[i / 2][i % 2] += other_halo;
        other_halo = -other_halo;
    }

    DEVICE void store(ConvResults& results) const;
};

// The place of 4 sums, half of a group of 8 channels, of a pixel. A half warp stores 4 pixels x 8 channels at once,
// and a quarter of a warp loads the same half of all groups of a pixel: both touch every bank once.
DEVICE uint32_t sum_place(uint32_t pixel, uint32_t group, uint32_t half) {
    return pixel * OUTPUTS + half * (OUTPUTS / 2) + (group ^ pixel % 8 ^ half * 4) * 4;
}

// A lane holds outputs 2 (lane % 4) and the next, of pixels lane / 4 and 8 more, of every fragment.
template <class Weights, uint32_t N> DEVICE void ConvWarp<Weights, N>::store(ConvResults& results) const {
    uint32_t lane = threadIdx.x % WARP, pixel = threadIdx.x / WARP * WARP_ROWS * TILE + lane / 4;
#pragma unroll
    for (uint32_t n = 0; n < N / 8; n++) {
        float* place = results.sums + sum_place(pixel, n, lane % 4 / 2) + lane % 2 * 2;
#pragma unroll
        for (uint32_t row = 0; row < WARP_ROWS; row++) {
            const float(&v)[4] = sums[row][n];
            *(float2*)(place + row * TILE * OUTPUTS) = {v[0], v[1]};
            *(float2*)(place + (row * TILE + 8) * OUTPUTS) = {v[2], v[3]};
        }
    }
}

// results.sums = the products of one tile with the first N of its 64 outputs; the others are not written.
template <uint32_t N, class Weights> DEVICE void multiply(ConvTiles& shared, ConvCopies<Weights>& copies) {
    ConvWarp<Weights, N> warp(shared.operands);
#pragma unroll 1
    for (uint32_t slice = 0; slice * MMA_K < copies.weights.depth; slice++) {
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++) {
            cp_wait<1>();     // this thread's copies of the stage are complete
            __syncthreads();  // all threads' copies are complete; the buffers that are filled next are no longer read
            copies.next(slice, b);
            warp.add(b);
        }
        warp.next_slice();
    }
    cp_wait<0>();     // of zeros
    __syncthreads();  // the operands are no longer read
    warp.store(shared.results);
}

// The block's tile and the first of its outputs. Blocks that share a tile follow each other, so that L2 has its pixels.
struct BlockPlace {
    TilePlace tile;
    uint32_t first;
    DEVICE BlockPlace(const Conv2dSpec& s) {
        uint32_t columns = tiles_across(s.w);
        tile = {blockIdx.z, blockIdx.y / columns * TILE, blockIdx.y % columns * TILE};
        first = blockIdx.x * OUTPUTS;
    }
};

// shared.results.sums = the convolution of source [N,H,W,depth] with weights [outputs,3,3,depth], which W reads, for
// one block.
template <class Weights>
DEVICE void convolve(ConvTiles& shared, const bf16* source, const bf16* w, uint32_t outputs, uint32_t depth,
                     const BlockPlace& block, const Conv2dSpec& s) {
    ConvCopies<Weights> copies{shared.operands, ConvHalo(source, block.tile.image, depth, 0, s),
                               Weights(w, outputs, depth, block.first)};
    copies.halo.move(block.tile.y, block.tile.x, depth, true, s);
    copies.start();
    // Networks with 32 channels would leave half of a block idle.
    if (outputs - block.first > OUTPUTS / 2) multiply<OUTPUTS>(shared, copies);
    else multiply<OUTPUTS / 2>(shared, copies);
}

// Calls f with the activation as a constant: one branch for all values of a loop in f, instead of one for each.
template <class F> DEVICE void with_constant(uint32_t activation, const F& f) {
    switch (activation) {
    case ELU: return f(ELU);
    case TANH: return f(TANH);
    case SIGMOID: return f(SIGMOID);
    case SOFTPLUS: return f(SOFTPLUS);
    default: return f(IDENTITY);
    }
}

DEVICE Eight eight(float4 low, float4 high) { return {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}}; }

// Where a thread finishes results: 8 channels in one column of the tile, row after row.
struct Finish {
    static constexpr uint32_t GROUPS = OUTPUTS / CHUNK;
    static_assert(CONV_THREADS == TILE * GROUPS, "one thread per column and 8 channels");
    uint32_t rows, column, channel, pitch;  // pitch: values from row to row of the result
    uint64_t start;                         // of the thread's values in the result
    bool exists;                            // the column and the channels do

    DEVICE Finish(const BlockPlace& block, uint32_t channels, const Conv2dSpec& s) {
        const TilePlace& at = block.tile;
        rows = min(TILE, s.h - at.y);
        column = threadIdx.x / GROUPS;
        channel = block.first + group() * CHUNK;
        pitch = s.w * channels;
        start = (((uint64_t)at.image * s.h + at.y) * s.w + at.x + column) * channels + channel;
        exists = at.x + column < s.w && channel < channels;
    }
    DEVICE static uint32_t group() { return threadIdx.x % GROUPS; }
    DEVICE float* place(ConvResults& results, uint32_t row, uint32_t half) const {
        return results.sums + sum_place(column, group(), half) + row * TILE * OUTPUTS;
    }
    DEVICE Eight sums(ConvResults& results, uint32_t row) const {
        return eight(load4(place(results, row, 0)), load4(place(results, row, 1)));
    }
};

// The largest value of every window of 2 x 2 pixels; among equal ones, the first in row-major order. `results` holds
// 8 rounded values in place of the first half of a group of sums.
DEVICE void pool(ConvResults& results, bf16* pooled, const TilePlace& at, uint32_t channel, const Conv2dSpec& s) {
    constexpr uint32_t SIDE = TILE / 2, ROWS_AT_ONCE = CONV_THREADS / Finish::GROUPS / SIDE;
    uint32_t column = threadIdx.x / Finish::GROUPS % SIDE, q = at.x / 2 + column;
    if (q >= s.w / 2 || channel >= s.c_out) return;
#pragma unroll 1
    for (uint32_t row = threadIdx.x / Finish::GROUPS / SIDE; row < SIDE; row += ROWS_AT_ONCE) {
        uint32_t p = at.y / 2 + row;
        if (p >= s.h / 2) return;
        auto tap = [&](uint32_t dy, uint32_t dx) {
            uint32_t pixel = (2 * row + dy) * TILE + 2 * column + dx;
            return load8((const bf16*)(results.sums + sum_place(pixel, Finish::group(), 0)));
        };
        Eight best = tap(0, 0);
#pragma unroll
        for (uint32_t i = 1; i < 4; i++) {
            Eight other = tap(i / 2, i % 2);
#pragma unroll
            for (uint32_t c = 0; c < CHUNK; c++) best.v[c] = other.v[c] > best.v[c] ? other.v[c] : best.v[c];
        }
        store8(pooled + ((((uint64_t)at.image * (s.h / 2) + p) * (s.w / 2) + q) * s.c_out + channel), best);
    }
}

// y = A(w * x + b) and, unless it is null, pooled = the maxima of y over windows of 2 x 2 pixels.
// Left-over rows and columns of y belong to no window.
// x: [N,H,W,I], w: [O,3,3,I], b: [O] or null, y: [N,H,W,O], pooled: [N,H/2,W/2,O] or null.
// Grid: ceil(O/64) x ceil(H/16) ceil(W/16) x N. bias, pooled: their elements, or 0.
// FLOPs: 18 n h w c_out c_in.
// Bytes: 2 (n h w (c_in + c_out) + 9 c_out c_in + pooled) + 4 bias. Unit: matrix.
// Dynamic shared memory: 81920 bytes.
KERNEL __launch_bounds__(128, 2)
    conv3x3_bf16(const bf16* __restrict__ x, const bf16* __restrict__ w, const float* __restrict__ b,
                 bf16* __restrict__ y, bf16* __restrict__ pooled, Conv2dSpec s) {
    DYN_SHARED(ConvTiles, shared);
    BlockPlace block(s);
    convolve<ForwardWeights>(*shared, x, w, s.c_out, s.c_in, block, s);
    __syncthreads();
    ConvResults& results = shared->results;
    Finish own(block, s.c_out, s);
    if (own.exists) {
        float4 low_bias = {}, high_bias = {};
        if (b) low_bias = load4(b + own.channel), high_bias = load4(b + own.channel + 4);
#pragma unroll 1
        for (uint32_t row = 0; row < own.rows; row++) {
            uint4 bits = {};
#pragma unroll 1
            for (uint32_t half = 0; half < 2; half++) {  // a loop: the code of an activation is there 4 times only
                float4 v = load4(own.place(results, row, half)), c = half == 0 ? low_bias : high_bias;
                with_constant(s.activation, [&](uint32_t activation) {
                    v.x = activate(activation, v.x + c.x);
                    v.y = activate(activation, v.y + c.y);
                    v.z = activate(activation, v.z + c.z);
                    v.w = activate(activation, v.w + c.w);
                });
                bits = make_uint4(bits.z, bits.w, to_bf16_pair(v.x, v.y), to_bf16_pair(v.z, v.w));
            }
            store16(y + (own.start + row * own.pitch), bits);
            if (pooled) store16(own.place(results, row, 0), bits);
        }
    }
    if (!pooled) return;
    __syncthreads();
    pool(results, pooled, block.tile, own.channel, s);
}
REGISTER_KERNEL(conv3x3_bf16)

// dx += w^T * dz and then, if y is given, dx *= A'(z) as a function of y = A(z).
// If dx_blank, dx stands for zeros and is not read.
// dz: [N,H,W,O], w: [O,3,3,I], dx: [N,H,W,I], y: [N,H,W,I] or null; `activation` is A.
// Grid: ceil(I/64) x ceil(H/16) ceil(W/16) x N. adds: 0 if dx_blank, else 1. sloped: 1 with y, else 0.
// FLOPs: 18 n h w c_out c_in. Bytes: 2 (n h w (c_out + (1 + adds + sloped) c_in) + 9 c_out c_in). Unit: matrix.
// Dynamic shared memory: 81920 bytes.
KERNEL __launch_bounds__(128, 2)
    conv3x3_input_grad_bf16(const bf16* __restrict__ dz, const bf16* __restrict__ w, bf16* dx, uint32_t dx_blank,
                            const bf16* __restrict__ y, uint32_t activation, Conv2dSpec s) {
    DYN_SHARED(ConvTiles, shared);
    BlockPlace block(s);
    convolve<TurnedWeights>(*shared, dz, w, s.c_in, s.c_out, block, s);
    ConvResults& results = shared->results;
    Finish own(block, s.c_in, s);
    // A thread reads its own values of dx and y a few rows ahead. One group of copies per row, empty past the end.
    auto ahead = [&](uint32_t row, uint32_t which) { return results.ahead[row % AHEAD][which] + threadIdx.x * CHUNK; };
    auto read_ahead = [&](uint32_t row) {
        bool exists = own.exists && row < own.rows;
        if (exists && !dx_blank) cp_async16(ahead(row, 0), dx + (own.start + row * own.pitch), true);
        if (exists && y) cp_async16(ahead(row, 1), y + (own.start + row * own.pitch), true);
        cp_commit();
    };
#pragma unroll
    for (uint32_t row = 0; row < AHEAD; row++) read_ahead(row);
    __syncthreads();
    if (!own.exists) return;
#pragma unroll 1
    for (uint32_t row = 0; row < own.rows; row++) {
        cp_wait<AHEAD - 1>();
        Eight v = own.sums(results, row);
        if (!dx_blank) {
            Eight before = load8(ahead(row, 0));
#pragma unroll
            for (uint32_t c = 0; c < CHUNK; c++) v.v[c] += before.v[c];
        }
        if (y) {
            Eight output = load8(ahead(row, 1));
#pragma unroll
            for (uint32_t c = 0; c < CHUNK; c++) v.v[c] *= slope(activation, 0, output.v[c]);
        }
        store8(dx + (own.start + row * own.pitch), v);
        read_ahead(row + AHEAD);
    }
}
REGISTER_KERNEL(conv3x3_input_grad_bf16)

// ---- Weight gradient ----

constexpr uint32_t GRAD_THREADS = 256;
constexpr uint32_t GRAD_CHANNELS = 64;  // outputs, and inputs, of a block
// A warp has half of the outputs and a quarter of the inputs.
constexpr uint32_t HALVES = 2, QUARTERS = GRAD_THREADS / WARP / HALVES;
static_assert(GRAD_CHANNELS / HALVES == 2 * 16 && GRAD_CHANNELS / QUARTERS == 2 * 8, "2 x 2 fragments of a tap a warp");
using GradHalo = PixelTile<GRAD_CHANNELS / CHUNK, 1>;
using GradPixels = PixelTile<GRAD_CHANNELS / CHUNK, 0>;
static_assert(GRAD_THREADS == COPY_PIXELS * GRAD_CHANNELS / CHUNK, "one thread per chunk that is copied at once");

struct GradTiles { bf16 x[2][GradHalo::VALUES], dz[2][GradPixels::VALUES]; };
static_assert(sizeof(GradTiles) == 148480, "the header of the kernel states this size");

DEVICE uint32_t own_half() { return threadIdx.x / WARP % HALVES; }
DEVICE uint32_t own_quarter() { return threadIdx.x / WARP / HALVES; }

// Sums of one warp: 32 outputs x 9 taps x 16 inputs, and 32 outputs of the bias. Fragments are of 16 outputs x 8
// inputs.
struct GradWarp {
    float sums[TAPS * TAPS][2][2][4], bias[2][4];
    const bf16* x[TAPS];    // where the fragments lie in the tile, of x by column of the kernel,
    const bf16* dz[2];      // and of dz
    int32_t other_x, other_dz;  // from the tile's buffer to the other

    DEVICE GradWarp(const GradTiles& tiles) : other_x(GradHalo::VALUES), other_dz(GradPixels::VALUES) {
        uint32_t lane = threadIdx.x % WARP;
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++)
            x[b] = tiles.x[0] + GradHalo::place(0, lane % 16 + b, own_quarter() * 2 + lane / 16);
#pragma unroll
        for (uint32_t m = 0; m < 2; m++)
            dz[m] = tiles.dz[0] + GradPixels::place(0, lane % 8 + lane / 16 * 8, own_half() * 4 + m * 2 + lane / 8 % 2);
#pragma unroll
        for (uint32_t i = 0; i < TAPS * TAPS * 16; i++) sums[i / 16][i / 8 % 2][i / 4 % 2][i % 4] = 0.0f;
#pragma unroll
        for (uint32_t i = 0; i < 8; i++) bias[i / 4][i % 4] = 0.0f;
    }

    // Loads the fragments of a row of the halo, two of 16 pixels x 8 inputs for every column of the kernel.
    DEVICE void load_x(uint32_t (&right)[TAPS][4], uint32_t row) const {
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++) ldmatrix4_transposed(right[b], x[b] + row * GradHalo::ROW);
    }

    // Adds the products of a row of dz with a row of the halo, for row a of the kernel.
    DEVICE void add(uint32_t a, const uint32_t (&left)[2][4], const uint32_t (&right)[TAPS][4]) {
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++)
#pragma unroll
            for (uint32_t n = 0; n < 2; n++) {
                uint32_t operand[2] = {right[b][2 * n], right[b][2 * n + 1]};
#pragma unroll
                for (uint32_t m = 0; m < 2; m++) mma_bf16(sums[a * TAPS + b][m][n], left[m], operand);
            }
    }

    // Adds one of the rows row to row + 3 of dz to the sums of the bias, by a product with ones: four warps have the
    // same outputs, and each adds another row.
    DEVICE void add_bias(uint32_t row) {
        const uint32_t ones[2] = {0x3F803F80u, 0x3F803F80u};
#pragma unroll
        for (uint32_t m = 0; m < 2; m++) {
            uint32_t left[4];
            ldmatrix4_transposed(left, dz[m] + own_quarter() * GradPixels::ROW + row * GradPixels::ROW);
            mma_bf16(bias[m], left, ones);
        }
    }

    // Adds a tile, and calls next(row) in every row, which starts copies of the next tile.
    template <class Next> DEVICE void add_tile(bool with_bias, const Next& next) {
        uint32_t right[TAPS][TAPS][4];  // three rows of the halo, row r at r % 3
        load_x(right[0], 0);
        load_x(right[1], 1);
#pragma unroll
        for (uint32_t row = 0; row < TILE; row++) {
            uint32_t left[2][4];
#pragma unroll
            for (uint32_t m = 0; m < 2; m++) ldmatrix4_transposed(left[m], dz[m] + row * GradPixels::ROW);
            load_x(right[(row + 2) % TAPS], row + 2);
            next(row);
            if (with_bias && row % QUARTERS == 0) add_bias(row);
#pragma unroll
            for (uint32_t a = 0; a < TAPS; a++) add(a, left, right[(row + a) % TAPS]);
        }
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++) x[b] += other_x;
#pragma unroll
        for (uint32_t m = 0; m < 2; m++) dz[m] += other_dz;
        other_x = -other_x;
        other_dz = -other_dz;
    }

    // partial: [O,3,3,I].
    DEVICE void store(float* partial, uint32_t first_o, uint32_t first_i, const Conv2dSpec& s) const {
        uint32_t lane = threadIdx.x % WARP;
#pragma unroll
        for (uint32_t m = 0; m < 4; m++)  // 8 outputs
#pragma unroll
            for (uint32_t n = 0; n < 2; n++) {  // 8 inputs
                uint32_t o = first_o + own_half() * 32 + m * 8 + lane / 4;
                uint32_t i = first_i + own_quarter() * 16 + n * 8 + lane % 4 * 2;
                if (o >= s.c_out || i >= s.c_in) continue;
                float* first = partial + ((uint64_t)o * TAPS * TAPS * s.c_in + i);
#pragma unroll
                for (uint32_t tap = 0; tap < TAPS * TAPS; tap++) {
                    const float(&v)[4] = sums[tap][m / 2][n];
                    *(float2*)(first + tap * s.c_in) = {v[m % 2 * 2], v[m % 2 * 2 + 1]};
                }
            }
    }

    // bias_partial: [O]. The four warps with the same outputs add up their sums in a fixed order.
    DEVICE void store_bias(float* scratch, float* bias_partial, uint32_t first_o, const Conv2dSpec& s) const {
        uint32_t lane = threadIdx.x % WARP;
        if (lane % 4 == 0) {
#pragma unroll
            for (uint32_t m = 0; m < 4; m++)
                scratch[own_quarter() * GRAD_CHANNELS + own_half() * 32 + m * 8 + lane / 4] = bias[m / 2][m % 2 * 2];
        }
        __syncthreads();
        uint32_t o = first_o + threadIdx.x;
        if (threadIdx.x >= GRAD_CHANNELS || o >= s.c_out) return;
        float sum = 0.0f;
#pragma unroll
        for (uint32_t i = 0; i < QUARTERS; i++) sum += scratch[i * GRAD_CHANNELS + threadIdx.x];
        bias_partial[o] = sum;
    }
};

// One thread's copies of the tiles of a share, one tile after another. Past the last tile they write zeros.
struct GradCopies {
    static constexpr uint32_t COUNT = GradHalo::COPIES + GradPixels::COPIES;
    GradHalo x;
    GradPixels dz;
    uint32_t first_y, first_x, left, buffer;  // the tile's place, the tiles that are left
    bool inputs_exist, outputs_exist;         // the thread's

    DEVICE GradCopies(const bf16* x, const bf16* dz, TilePlace at, uint32_t tiles, uint32_t first_o, uint32_t first_i,
                      const Conv2dSpec& s)
        : x(x, at.image, s.c_in, first_i, s), dz(dz, at.image, s.c_out, first_o, s),
          first_y(at.y), first_x(at.x), left(tiles), buffer(0),
          inputs_exist(first_i + GradHalo::own_channel() < s.c_in),
          outputs_exist(first_o + GradPixels::own_channel() < s.c_out) {
        move(s);
    }
    DEVICE void move(const Conv2dSpec& s) {
        x.move(first_y, first_x, s.c_in, left > 0 && inputs_exist, s);
        dz.move(first_y, first_x, s.c_out, left > 0 && outputs_exist, s);
    }
    DEVICE void next_tile(const Conv2dSpec& s) {
        first_x += TILE;
        if (first_x >= s.w) first_x = 0, first_y += TILE;
        if (first_y >= s.h) {
            first_y = 0;
            x.image += s.h * x.pitch;
            dz.image += s.h * dz.pitch;
        }
        left -= min(left, 1u);
        buffer ^= 1;
        move(s);
    }
    // Starts a copy of the tile.
    DEVICE void copy(GradTiles& tiles, uint32_t number) const {
        if (number < GradHalo::COPIES) x.copy(tiles.x[buffer], number);
        else if (number < COUNT) dz.copy(tiles.dz[buffer], number - GradHalo::COPIES);
    }
};

// partial[split] = sum of x dz, and bias_partial[split] = sum of dz, over the split's share of the tiles of all images.
// x: [N,H,W,I], dz: [N,H,W,O], partial: [splits,O,3,3,I], bias_partial: [splits,O] or null.
// Grid: ceil(I/64) x ceil(O/64) x splits. biases: elements of bias_partial, or 0.
// FLOPs: 18 n h w c_out c_in. Bytes: 2 n h w (c_in + c_out) + 4 (9 splits c_out c_in + biases). Unit: matrix.
// Dynamic shared memory: 148480 bytes.
KERNEL __launch_bounds__(256, 1)
    conv3x3_weight_grad_bf16(const bf16* __restrict__ x, const bf16* __restrict__ dz, float* __restrict__ partial,
                             float* __restrict__ bias_partial, Conv2dSpec s) {
    DYN_SHARED(GradTiles, tiles);
    constexpr uint32_t EACH = 2;  // copies in every row of a tile
    static_assert(EACH * TILE >= GradCopies::COUNT, "all copies must be started");
    uint32_t first_i = blockIdx.x * GRAD_CHANNELS, first_o = blockIdx.y * GRAD_CHANNELS;
    uint32_t count = s.n * tiles_across(s.h) * tiles_across(s.w);
    uint32_t begin = (uint64_t)count * blockIdx.z / gridDim.z, end = (uint64_t)count * (blockIdx.z + 1) / gridDim.z;
    bool with_bias = bias_partial && blockIdx.x == 0;
    GradCopies copies(x, dz, tile_at(begin, s), end - begin, first_o, first_i, s);
#pragma unroll
    for (uint32_t i = 0; i < GradCopies::COUNT; i++) copies.copy(*tiles, i);
    cp_commit();
    GradWarp warp(*tiles);
#pragma unroll 1
    for (uint32_t tile = begin; tile < end; tile++) {
        cp_wait<0>();
        __syncthreads();  // all threads' copies are complete, and the other buffer is no longer read
        copies.next_tile(s);
        warp.add_tile(with_bias, [&](uint32_t row) {
#pragma unroll
            for (uint32_t i = 0; i < EACH; i++) copies.copy(*tiles, row * EACH + i);
        });
        cp_commit();
    }
    cp_wait<0>();
    warp.store(partial + (uint64_t)blockIdx.z * s.c_out * TAPS * TAPS * s.c_in, first_o, first_i, s);
    if (!with_bias) return;
    __syncthreads();  // the tiles are no longer read or written
    warp.store_bias((float*)tiles, bias_partial + blockIdx.z * s.c_out, first_o, s);
}
REGISTER_KERNEL(conv3x3_weight_grad_bf16)
