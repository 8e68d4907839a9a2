// 3x3 convolutions with stride 1, dilation 1 and padding 1 in bf16 on tensor cores: forward, input gradient, weight gradient.
// Operands and results are bf16, sums are f32, and every stored bf16 value is rounded once, to nearest even.
//
// All nine taps read the same pixels, so a block copies a tile of 16 x 16 pixels with its border, the halo, to shared memory once. A tap is a
// shift of the addresses that ldmatrix gets. This cuts the traffic from L2 for pixels from 9 copies to 18 * 18 / 256 = 1.27.
//
//   halo, 18 x 18 pixels                     row of the halo: 18 pixels, each a row of CHUNKS chunks of 8 channels
//     . . . . . . . . . . . . . . . . . .      pixel   0       1       2       3       4 ...
//     . o o o o o o o o o o o o o o o o .      chunk | 0 1 2 3 0 1 2 3 1 0 3 2 1 0 3 2 2 3 0 1 ... (4 chunks a pixel)
//     . o o o o o o o o o o o o o o o o .            |<-- 128 bytes -->|
//     .   ... 16 rows of 16 pixels ...  .
//     . o o o o o o o o o o o o o o o o .    Chunk c of the pixel in column q lies at place c ^ (q / 2 % 4), or c ^ (q % 8) with 8
//     . . . . . . . . . . . . . . . . . .    chunks a pixel. ldmatrix reads one chunk of 8 neighbouring pixels at once: whatever pixel
//                                            it begins at, they lie in different eighths of 128 bytes, so no bank is read twice.
//                                            The place does not depend on the row. So one address per shift of the columns and step of
//                                            the depth serves all rows and stages, at offsets that are constants in the instructions.
//
// Forward and input gradient. The input gradient is the convolution of dz with the weights turned by half a turn and transposed, so both are
// `convolve`; they differ in how they read the weights. A block of 4 warps computes 256 pixels x 64 outputs, a warp 4 rows of 16 pixels:
//
//   warp w, column b of the kernel,       a fragment of a row of the halo      sums[4 rows][8]: 16 pixels x 8 outputs each
//   16 channels of the depth:             serves up to three rows of pixels
//     halo row 4w     --- tap (0,b) ---------------------------------------->  row 0
//     halo row 4w + 1 --- tap (1,b) -> row 0 --- tap (0,b) ----------------->  row 1
//     halo row 4w + 2 --- tap (2,b) -> row 0 --- tap (1,b) -> row 1 --- ...
//     ... 6 rows: 6 ldmatrix for pixels and 12 for weights feed 96 mma.
//
//   shared memory:  | halo, slice s | halo, slice s + 1 | weights t | weights t + 1 | weights t + 2 |     then     | sums | ahead |
//
// The depth runs in slices of 32 channels, a slice in three stages, one per column of the kernel. While stage t is multiplied, the weights of
// t + 1 and t + 2 are on the way. The next slice's halo is copied in the first two stages of a slice: then it lies in the same groups of
// copies as the weights it is used with, or in earlier ones. The sums then go through shared memory, so that every thread finishes
// 8 channels of a pixel at a time.
//
// Weight gradient. A block of 8 warps computes 64 output channels x 64 input channels x 9 taps over a share of the tiles; pixels are the depth.
// Both operands lie pixel by pixel, so ldmatrix transposes both. Going down the rows, the fragments of x stay in registers for the three
// rows of taps that use them: 5 ldmatrix feed 36 mma.
#include "activation.cuh"
#include "mma_layout.cuh"

constexpr uint32_t TILE = 16;           // pixels on a side: 16 pixels of a row are the rows, or the depth, of one mma m16n8k16
constexpr uint32_t TAPS = 3;            // on a side
constexpr uint32_t COPY_PIXELS = 32;    // pixels that the threads of a block copy at once, one chunk a thread

struct TilePlace { uint32_t image, y, x; };  // a tile's image and first pixel

DEVICE uint32_t tiles_across(uint32_t side) { return (side + TILE - 1) / TILE; }
DEVICE TilePlace tile_at(uint32_t tile, const Conv2dSpec& s) {
    uint32_t columns = tiles_across(s.w), rows = tiles_across(s.h);
    return {tile / columns / rows, tile / columns % rows * TILE, tile % columns * TILE};
}

// A tile in shared memory: 16 x 16 pixels with BORDER pixels around them, CHUNKS chunks each, and one thread's copies into it. The threads
// copy the first 16 columns two rows at a time, and then the last two columns sixteen rows at a time.
template <uint32_t CHUNKS, uint32_t BORDER> struct PixelTile {
    static_assert(CHUNKS == 4 || CHUNKS == 8, "a pixel must be half a pass over the banks, or a whole one");
    static_assert(COPY_PIXELS == 2 * TILE && 2 * BORDER <= 2, "columns past the first 16 are copied two at a time");
    static constexpr uint32_t SIDE = TILE + 2 * BORDER, PIXEL = CHUNKS * CHUNK, ROW = SIDE * PIXEL, VALUES = SIDE * ROW;
    static constexpr uint32_t INNER = SIDE / 2, COPIES = INNER + 2 * BORDER;
    static_assert(ROW * sizeof(bf16) % 128 == 0, "every row must start at bank 0, so that the swizzle depends on the column only");

    DEVICE static uint32_t place(uint32_t row, uint32_t column, uint32_t chunk) {
        return row * ROW + column * PIXEL + (chunk ^ (CHUNKS == 4 ? column / 2 % 4 : column % 8)) * CHUNK;
    }

    DEVICE static uint32_t own_chunk() { return threadIdx.x % CHUNKS; }
    DEVICE static uint32_t own_pixel() { return threadIdx.x / CHUNKS; }
    DEVICE static uint32_t row(uint32_t copy) {
        return copy < INNER ? 2 * copy + own_pixel() / TILE : (copy - INNER) * TILE + own_pixel() / 2;
    }
    DEVICE static uint32_t column(uint32_t copy) { return copy < INNER ? own_pixel() % TILE : TILE + own_pixel() % 2; }

    const bf16* image;       // the thread's chunk of the image's first pixel
    uint32_t inner, edge;    // offsets of copy 0 and of copy INNER
    uint32_t pitch, valid;   // values from row to row; bit c: copy c reads a pixel of the image

    // source: [N,H,W,channels], of which the tile reads the chunks from `first` on.
    DEVICE PixelTile(const bf16* source, const TilePlace& at, uint32_t channels, uint32_t first, const Conv2dSpec& s)
        : image(source + (uint64_t)at.image * s.h * s.w * channels + first + own_chunk() * CHUNK), pitch(s.w * channels), valid(0) {
        auto offset = [&](uint32_t copy) {
            return (at.y + row(copy) - BORDER) * pitch + (at.x + column(copy) - BORDER) * channels;
        };
        inner = offset(0);
        edge = offset(INNER);
#pragma unroll
        for (uint32_t copy = 0; copy < COPIES; copy++) {
            bool inside = at.y + row(copy) - BORDER < s.h && at.x + column(copy) - BORDER < s.w;
            valid |= (inside ? 1u : 0u) << copy;
        }
    }

    // Starts one copy. Pixels outside the image and channels past the end become zeros.
    DEVICE void copy(bf16* tile, uint32_t copy, bool channel_exists) const {
        bool is_inner = copy < INNER;
        uint32_t below = is_inner ? 2 * copy : (copy - INNER) * TILE;  // rows below the place and the offset
        if (row(copy) >= SIDE) return;                                 // the last copy has rows for a few threads only
        bool exists = (valid >> copy & 1) && channel_exists;
        cp_async16(tile + place(row(copy) - below, column(copy), own_chunk()) + below * ROW,
                   image + (exists ? (is_inner ? inner : edge) + below * pitch : 0), exists);
    }
};

// ---- Forward and input gradient ----

constexpr uint32_t CONV_THREADS = 128, OUTPUTS = 64, TILE_PIXELS = TILE * TILE, STAGES = 3, AHEAD = 4;
constexpr uint32_t WARP_ROWS = TILE / (CONV_THREADS / WARP);      // rows of pixels of one warp
constexpr uint32_t TAP_WEIGHTS = OUTPUTS * MMA_K;                 // values of one tap in a stage
using ConvHalo = PixelTile<DEPTH_CHUNKS, 1>;
static_assert(CONV_THREADS == COPY_PIXELS * DEPTH_CHUNKS, "one thread per copied chunk");

struct ConvOperands { bf16 halo[2][ConvHalo::VALUES], weights[STAGES][TAPS * TAP_WEIGHTS]; };
// The sums, and the values that the epilogue of the input gradient reads ahead: AHEAD rows of dx and of y.
struct ConvResults { float sums[TILE_PIXELS * OUTPUTS]; bf16 ahead[AHEAD][2][CONV_THREADS * CHUNK]; };
union ConvTiles { ConvOperands operands; ConvResults results; };
static_assert(sizeof(ConvTiles) == 81920 && 2 * (sizeof(ConvTiles) + 1024) <= 233472, "two blocks must fit on a multiprocessor of sm_90");

// Weights [O,3,3,I] as the forward pass reads them. A tap in a stage: [64 outputs, 32 channels].
struct ForwardWeights {
    const bf16* w;
    uint32_t outputs, depth, first;  // first: of the block's outputs

    DEVICE void fill(bf16* stage, uint32_t slice, uint32_t b) const {
        uint32_t chunk = threadIdx.x % DEPTH_CHUNKS, channel = slice * MMA_K + chunk * CHUNK;
#pragma unroll
        for (uint32_t i = 0; i < OUTPUTS; i += CONV_THREADS / DEPTH_CHUNKS) {
            uint32_t row = threadIdx.x / DEPTH_CHUNKS + i;
            bool exists = first + row < outputs && channel < depth;
#pragma unroll
            for (uint32_t a = 0; a < TAPS; a++)
                cp_async16(stage + a * TAP_WEIGHTS + depth_chunk(row, chunk),
                           w + (exists ? ((first + row) * TAPS * TAPS + a * TAPS + b) * depth + channel : 0), exists);
        }
    }
    // Offset of a lane's row for ldmatrix: outputs 16 j to 16 j + 15, depth 16 k to 16 k + 15.
    DEVICE static uint32_t place(uint32_t j, uint32_t k) {
        uint32_t lane = threadIdx.x % WARP;
        return depth_chunk(lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2) + j * 16 * MMA_K;
    }
    DEVICE static void load(uint32_t (&pair)[4], const bf16* row) { ldmatrix4(pair, row); }
};

// The same weights as the input gradient reads them: the depth is O, the outputs are I, and the kernel is turned by half a turn. A tap in a
// stage: [32 of the depth, 64 outputs], which ldmatrix transposes.
struct TurnedWeights {
    const bf16* w;
    uint32_t outputs, depth, first;
    static constexpr uint32_t CHUNKS = OUTPUTS / CHUNK;

    DEVICE void fill(bf16* stage, uint32_t slice, uint32_t b) const {
        uint32_t chunk = threadIdx.x % CHUNKS, output = first + chunk * CHUNK;
#pragma unroll
        for (uint32_t i = 0; i < MMA_K; i += CONV_THREADS / CHUNKS) {
            uint32_t row = threadIdx.x / CHUNKS + i, k = slice * MMA_K + row;
            bool exists = output < outputs && k < depth;
#pragma unroll
            for (uint32_t a = 0; a < TAPS; a++)
                cp_async16(stage + a * TAP_WEIGHTS + row_chunk<OUTPUTS>(row, chunk),
                           w + (exists ? (k * TAPS * TAPS + (TAPS - 1 - a) * TAPS + TAPS - 1 - b) * outputs + output : 0), exists);
        }
    }
    DEVICE static uint32_t place(uint32_t j, uint32_t k) {
        uint32_t lane = threadIdx.x % WARP;
        return row_chunk<OUTPUTS>(lane % 16, 2 * j + lane / 16) + k * 16 * OUTPUTS;
    }
    DEVICE static void load(uint32_t (&pair)[4], const bf16* row) { ldmatrix4_transposed(pair, row); }
};

// Sums of one warp: 4 rows of 16 pixels x N outputs, and the places of its fragments in the first buffers of shared memory.
template <class Weights, uint32_t N> struct ConvWarp {
    float sums[WARP_ROWS][N / 8][4];
    const bf16* pixels[TAPS][2];      // by column of the kernel and step of the depth
    const bf16* weights[N / 16][2];   // by pair of fragments and step of the depth

    DEVICE ConvWarp(const ConvOperands& tiles) {
        uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
        for (uint32_t k = 0; k < 2; k++) {
#pragma unroll
            for (uint32_t b = 0; b < TAPS; b++)
                pixels[b][k] = tiles.halo[0] + ConvHalo::place(warp * WARP_ROWS, lane % 16 + b, 2 * k + lane / 16);
#pragma unroll
            for (uint32_t j = 0; j < N / 16; j++) weights[j][k] = tiles.weights[0] + Weights::place(j, k);
        }
#pragma unroll
        for (uint32_t row = 0; row < WARP_ROWS; row++)
#pragma unroll
            for (uint32_t n = 0; n < N / 8; n++)
#pragma unroll
                for (uint32_t i = 0; i < 4; i++) sums[row][n][i] = 0.0f;
    }

    // Adds the products of column b of the kernel with a slice of the depth, at these offsets from the first buffers.
    DEVICE void add(uint32_t b, uint32_t halo, uint32_t stage) {
#pragma unroll
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t left[WARP_ROWS + TAPS - 1][4];
#pragma unroll
            for (uint32_t row = 0; row < WARP_ROWS + TAPS - 1; row++) ldmatrix4(left[row], pixels[b][k] + halo + row * ConvHalo::ROW);
#pragma unroll
            for (uint32_t a = 0; a < TAPS; a++)
#pragma unroll
                for (uint32_t j = 0; j < N / 16; j++) {
                    uint32_t pair[4];
                    Weights::load(pair, weights[j][k] + stage + a * TAP_WEIGHTS);
                    uint32_t right[2][2] = {{pair[0], pair[1]}, {pair[2], pair[3]}};
#pragma unroll
                    for (uint32_t row = 0; row < WARP_ROWS; row++)
#pragma unroll
                        for (uint32_t half = 0; half < 2; half++) mma_bf16(sums[row][2 * j + half], left[row + a], right[half]);
                }
        }
    }
};

// Copies of stage `step`, one column of the kernel of a slice. Empty past the end.
template <class Weights> DEVICE void fill_weights(ConvOperands& tiles, const Weights& weights, uint32_t slice, uint32_t b) {
    if (slice * MMA_K < weights.depth) weights.fill(tiles.weights[b], slice, b);
}

// Copies `begin` to `end` of the halo of a slice. Empty past the end.
DEVICE void fill_halo(ConvOperands& tiles, const ConvHalo& halo, uint32_t depth, uint32_t slice, uint32_t begin, uint32_t end) {
    if (slice * MMA_K >= depth) return;
    ConvHalo at = halo;
    at.image += slice * MMA_K;
    bool exists = slice * MMA_K + ConvHalo::own_chunk() * CHUNK < depth;
#pragma unroll
    for (uint32_t copy = begin; copy < end; copy++) at.copy(tiles.halo[slice % 2], copy, exists);
}

// The place of half a group of 8 channels, 4 sums, of a pixel. A warp stores 8 pixels x 8 channels at once, and a quarter of a warp reads
// one half of all 8 groups of a pixel: both touch every bank once.
DEVICE uint32_t sum_place(uint32_t pixel, uint32_t group, uint32_t half) {
    return pixel * OUTPUTS + half * (OUTPUTS / 2) + (group ^ pixel % 8 ^ half * 4) * 4;
}

template <class Weights, uint32_t N> DEVICE void stage_sums(ConvResults& results, const ConvWarp<Weights, N>& warp) {
    uint32_t lane = threadIdx.x % WARP, first = threadIdx.x / WARP * WARP_ROWS * TILE + lane / 4;
#pragma unroll
    for (uint32_t n = 0; n < N / 8; n++) {
        float* place = results.sums + sum_place(first, n, lane % 4 / 2) + lane % 2 * 2;
#pragma unroll
        for (uint32_t row = 0; row < WARP_ROWS; row++) {
            const float(&v)[4] = warp.sums[row][n];
            *(float2*)(place + row * TILE * OUTPUTS) = {v[0], v[1]};
            *(float2*)(place + (row * TILE + 8) * OUTPUTS) = {v[2], v[3]};
        }
    }
}

// results.sums = the convolution of source [N,H,W,depth] with the weights, for one tile and N of its 64 outputs; the others are not written.
template <uint32_t N, class Weights>
DEVICE void convolve(ConvTiles& shared, const bf16* source, const Weights& weights, const TilePlace& at, const Conv2dSpec& s) {
    ConvOperands& tiles = shared.operands;
    uint32_t depth = weights.depth;
    constexpr uint32_t HALF = ConvHalo::COPIES / 2;
    ConvHalo halo(source, at, depth, 0, s);
    fill_halo(tiles, halo, depth, 0, 0, ConvHalo::COPIES);
    fill_weights(tiles, weights, 0, 0);
    cp_commit();
    fill_weights(tiles, weights, 0, 1);
    cp_commit();
    ConvWarp<Weights, N> warp(tiles);
#pragma unroll 1
    for (uint32_t slice = 0; slice * MMA_K < depth; slice++) {
        static_assert(TAPS == STAGES, "the stage of a column of the kernel is the same in every slice");
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++) {
            cp_wait<1>();     // this thread's copies of the stage are complete
            __syncthreads();  // all threads' copies are complete, and the buffers that are filled next are no longer read
            if (b == 0) fill_halo(tiles, halo, depth, slice + 1, 0, HALF);
            if (b == 1) fill_halo(tiles, halo, depth, slice + 1, HALF, ConvHalo::COPIES);
            fill_weights(tiles, weights, b == 0 ? slice : slice + 1, (b + 2) % TAPS);
            cp_commit();  // even if empty, so that the number of groups to wait for is the same in every stage
            warp.add(b, slice % 2 * ConvHalo::VALUES, b * TAPS * TAP_WEIGHTS);
        }
    }
    __syncthreads();  // the operands are no longer read
    stage_sums(shared.results, warp);
}

// Where a thread finishes results: 8 channels of one column of the tile, row after row.
struct Finish {
    uint32_t rows, column, channel, place;
    bool exists;  // the column and the channels do

    DEVICE Finish(const TilePlace& at, uint32_t first, uint32_t channels, const Conv2dSpec& s)
        : rows(min(TILE, s.h - at.y)), column(threadIdx.x / (OUTPUTS / CHUNK)), channel(first + threadIdx.x % (OUTPUTS / CHUNK) * CHUNK) {
        exists = at.x + column < s.w && channel < channels;
    }
    DEVICE static uint32_t group() { return threadIdx.x % (OUTPUTS / CHUNK); }
    DEVICE float* half(ConvResults& results, uint32_t row, uint32_t half) const {
        return results.sums + sum_place(column, group(), half) + row * TILE * OUTPUTS;
    }
    DEVICE Eight sums(ConvResults& results, uint32_t row) const {
        float4 low = load4(half(results, row, 0)), high = load4(half(results, row, 1));
        return {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
    }
};
static_assert(CONV_THREADS == TILE * OUTPUTS / CHUNK, "one thread per column and 8 channels");

// The larger value of every window of 2 x 2 pixels, the first in row-major order if several are equal. `results` holds 8 rounded values in
// place of the first half of each group of sums.
DEVICE void pool(ConvResults& results, bf16* pooled, const TilePlace& at, uint32_t channel, uint32_t channels, const Conv2dSpec& s) {
    uint32_t column = threadIdx.x / (OUTPUTS / CHUNK) % (TILE / 2), q = at.x / 2 + column;
    if (q >= s.w / 2 || channel >= channels) return;
#pragma unroll 1
    for (uint32_t row = threadIdx.x / (CONV_THREADS / 2); row < TILE / 2; row += 2) {
        uint32_t p = at.y / 2 + row;
        if (p >= s.h / 2) return;
        auto tap = [&](uint32_t dy, uint32_t dx) {
            return load8((const bf16*)(results.sums + sum_place((2 * row + dy) * TILE + 2 * column + dx, Finish::group(), 0)));
        };
        Eight best = tap(0, 0);
#pragma unroll
        for (uint32_t i = 1; i < 4; i++) {
            Eight other = tap(i / 2, i % 2);
#pragma unroll
            for (uint32_t c = 0; c < CHUNK; c++) best.v[c] = other.v[c] > best.v[c] ? other.v[c] : best.v[c];
        }
        store8(pooled + (((uint64_t)at.image * (s.h / 2) + p) * (s.w / 2) + q) * channels + channel, best);
    }
}

// The block's tile and the first of its outputs. Blocks that share a tile follow each other, so that its pixels are still in L2.
struct BlockPlace {
    TilePlace tile;
    uint32_t first;
    DEVICE BlockPlace(uint32_t outputs, const Conv2dSpec& s) {
        uint32_t groups = (outputs + OUTPUTS - 1) / OUTPUTS;
        tile = tile_at(blockIdx.x / groups, s);
        first = blockIdx.x % groups * OUTPUTS;
    }
};

// y = A(w * x + b), and pooled = its maxima over windows of 2 x 2 pixels; left-over rows and columns belong to no window.
// x: [N,H,W,I], w: [O,3,3,I], b: [O] or null, y: [N,H,W,O], pooled: [N,H/2,W/2,O] or null.
// 128 threads; a block per tile of 16 x 16 pixels and 64 outputs: ceil(O/64) N ceil(H/16) ceil(W/16). bias: O or 0; pools: 1 or 0.
// FLOPs: 18 n h w c_out c_in. Bytes: 2 (n h w (c_in + c_out) + 9 c_out c_in) + 4 bias + pools n h w c_out / 2. Unit: matrix.
// Dynamic shared memory: 81920 bytes.
KERNEL __launch_bounds__(128, 2) conv3x3_bf16(const bf16* __restrict__ x, const bf16* __restrict__ w, const float* __restrict__ b,
                                              bf16* __restrict__ y, bf16* __restrict__ pooled, Conv2dSpec s) {
    DYN_SHARED(ConvTiles, shared);
    BlockPlace block(s.c_out, s);
    ForwardWeights weights{w, s.c_out, s.c_in, block.first};
    if (s.c_out - block.first > OUTPUTS / 2) convolve<OUTPUTS>(*shared, x, weights, block.tile, s);
    else convolve<OUTPUTS / 2>(*shared, x, weights, block.tile, s);
    __syncthreads();
    Finish own(block.tile, block.first, s.c_out, s);
    if (own.exists) {
        Eight bias = {};
        if (b) {
            float4 low = load4(b + own.channel), high = load4(b + own.channel + 4);
            bias = {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
        }
        uint64_t start = ((uint64_t)block.tile.image * s.h + block.tile.y) * s.w + block.tile.x + own.column;
        bf16* target = y + start * s.c_out + own.channel;
#pragma unroll 1
        for (uint32_t row = 0; row < own.rows; row++) {
            Eight v = own.sums(shared->results, row);
#pragma unroll
            for (uint32_t c = 0; c < CHUNK; c++) v.v[c] = activate(s.activation, v.v[c] + bias.v[c]);
            store8(target + row * s.w * s.c_out, v);
            if (pooled) store8((bf16*)own.half(shared->results, row, 0), v);
        }
    }
    if (!pooled) return;
    __syncthreads();
    pool(shared->results, pooled, block.tile, own.channel, s.c_out, s);
}
REGISTER_KERNEL(conv3x3_bf16)

// dx += w^T * dz, then, if y is given, dx *= A'(z) as a function of y = A(z). If dx_blank, dx stands for zeros and is not read.
// dz: [N,H,W,O], w: [O,3,3,I], dx: [N,H,W,I], y: [N,H,W,I] or null; `activation` is A.
// 128 threads; a block per tile of 16 x 16 pixels and 64 channels of dx: ceil(I/64) N ceil(H/16) ceil(W/16). adds, finishes: 1 or 0.
// FLOPs: 18 n h w c_out c_in. Bytes: 2 (n h w (c_out + (1 + adds + finishes) c_in) + 9 c_out c_in). Unit: matrix.
// Dynamic shared memory: 81920 bytes.
KERNEL __launch_bounds__(128, 2) conv3x3_input_grad_bf16(const bf16* __restrict__ dz, const bf16* __restrict__ w, bf16* dx, uint32_t dx_blank,
                                                         const bf16* __restrict__ y, uint32_t activation, Conv2dSpec s) {
    DYN_SHARED(ConvTiles, shared);
    BlockPlace block(s.c_in, s);
    TurnedWeights weights{w, s.c_in, s.c_out, block.first};
    if (s.c_in - block.first > OUTPUTS / 2) convolve<OUTPUTS>(*shared, dz, weights, block.tile, s);
    else convolve<OUTPUTS / 2>(*shared, dz, weights, block.tile, s);
    Finish own(block.tile, block.first, s.c_in, s);
    uint64_t start = (((uint64_t)block.tile.image * s.h + block.tile.y) * s.w + block.tile.x + own.column) * s.c_in + own.channel;
    bf16* own_ahead = shared->results.ahead[0][0] + threadIdx.x * CHUNK;
    auto ahead = [&](uint32_t row, uint32_t which) { return own_ahead + (row % AHEAD * 2 + which) * CONV_THREADS * CHUNK; };
    // Every thread reads its own values of dx and y a few rows ahead. One group of copies per row, empty past the end.
    auto read_ahead = [&](uint32_t row) {
        uint64_t at = start + row * s.w * s.c_in;
        if (own.exists && row < own.rows) {
            if (!dx_blank) cp_async16(ahead(row, 0), dx + at, true);
            if (y) cp_async16(ahead(row, 1), y + at, true);
        }
        cp_commit();
    };
#pragma unroll
    for (uint32_t row = 0; row < AHEAD; row++) read_ahead(row);
    __syncthreads();
    if (own.exists) {
#pragma unroll 1
        for (uint32_t row = 0; row < own.rows; row++) {
            cp_wait<AHEAD - 1>();
            Eight v = own.sums(shared->results, row);
            if (!dx_blank) {
                Eight before = load8(ahead(row, 0));
#pragma unroll
                for (uint32_t c = 0; c < CHUNK; c++) v.v[c] = before.v[c] + v.v[c];
            }
            if (y) {
                Eight output = load8(ahead(row, 1));
#pragma unroll
                for (uint32_t c = 0; c < CHUNK; c++) v.v[c] *= slope(activation, 0, output.v[c]);
            }
            store8(dx + start + row * s.w * s.c_in, v);
            read_ahead(row + AHEAD);
        }
    }
    cp_wait<0>();
}
REGISTER_KERNEL(conv3x3_input_grad_bf16)

// ---- Weight gradient ----

constexpr uint32_t GRAD_THREADS = 256, GRAD_OUTPUTS = 64, GRAD_INPUTS = 64, GRAD_WARPS = GRAD_THREADS / WARP;
constexpr uint32_t HALVES = 2, QUARTERS = 4;  // a warp has one half of the outputs and one quarter of the inputs
static_assert(HALVES * QUARTERS == GRAD_WARPS && GRAD_OUTPUTS / HALVES == 2 * 16 && GRAD_INPUTS / QUARTERS == 2 * 8, "2 x 2 fragments a warp and tap");
using GradHalo = PixelTile<GRAD_INPUTS / CHUNK, 1>;
using GradPixels = PixelTile<GRAD_OUTPUTS / CHUNK, 0>;
static_assert(GRAD_THREADS == COPY_PIXELS * GRAD_INPUTS / CHUNK && GRAD_INPUTS == GRAD_OUTPUTS, "one thread per copied chunk");

struct GradTiles { bf16 x[2][GradHalo::VALUES], dz[2][GradPixels::VALUES]; };
static_assert(sizeof(GradTiles) == 148480, "the header of the kernel states this size");

// Sums of one warp: 32 outputs x 9 taps x 16 inputs, and 32 outputs of the bias.
struct GradWarp {
    float sums[TAPS][TAPS][2][2][4], bias[2][4];  // by tap, 16 outputs, 8 inputs
    const bf16* x[TAPS];                          // by column of the kernel
    const bf16* dz[2];
    uint32_t quarter;

    DEVICE GradWarp(const GradTiles& tiles) : quarter(threadIdx.x / WARP / HALVES) {
        uint32_t lane = threadIdx.x % WARP, half = threadIdx.x / WARP % HALVES;
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++) x[b] = tiles.x[0] + GradHalo::place(0, lane % 16 + b, quarter * 2 + lane / 16);
#pragma unroll
        for (uint32_t m = 0; m < 2; m++) dz[m] = tiles.dz[0] + GradPixels::place(0, lane % 8 + lane / 16 * 8, half * 4 + m * 2 + lane / 8 % 2);
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            bias[0][i] = bias[1][i] = 0.0f;
#pragma unroll
            for (uint32_t j = 0; j < TAPS * TAPS * 4; j++) sums[j / 12][j / 4 % 3][j / 2 % 2][j % 2][i] = 0.0f;
        }
    }

    // Loads the fragments of row `row` of the halo, two of 16 pixels x 8 inputs for each shift of the columns.
    DEVICE void load_x(uint32_t (&right)[TAPS][4], uint32_t row, uint32_t buffer) const {
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++) ldmatrix4_transposed(right[b], x[b] + buffer * GradHalo::VALUES + row * GradHalo::ROW);
    }

    // Adds row a of the taps.
    DEVICE void add(uint32_t a, const uint32_t (&left)[2][4], const uint32_t (&right)[TAPS][4]) {
#pragma unroll
        for (uint32_t b = 0; b < TAPS; b++)
#pragma unroll
            for (uint32_t n = 0; n < 2; n++) {
                uint32_t operand[2] = {right[b][2 * n], right[b][2 * n + 1]};
#pragma unroll
                for (uint32_t m = 0; m < 2; m++) mma_bf16(sums[a][b][m][n], left[m], operand);
            }
    }

    // Adds dz to the sums of the bias: a product with ones. The four warps with the same outputs take turns.
    DEVICE void add_bias(uint32_t row, const uint32_t (&left)[2][4]) {
        if (row % QUARTERS != quarter) return;
        const uint32_t ones[2] = {0x3F803F80u, 0x3F803F80u};
#pragma unroll
        for (uint32_t m = 0; m < 2; m++) mma_bf16(bias[m], left[m], ones);
    }

    // Adds a tile, and calls next(row) in every row, which starts copies of the next tile.
    template <class Next> DEVICE void add_tile(uint32_t buffer, bool with_bias, const Next& next) {
        uint32_t right[TAPS][TAPS][4];  // of three rows of the halo; row r at r % 3
        load_x(right[0], 0, buffer);
        load_x(right[1], 1, buffer);
#pragma unroll
        for (uint32_t row = 0; row < TILE; row++) {
            uint32_t left[2][4];
#pragma unroll
            for (uint32_t m = 0; m < 2; m++) ldmatrix4_transposed(left[m], dz[m] + buffer * GradPixels::VALUES + row * GradPixels::ROW);
            load_x(right[(row + 2) % TAPS], row + 2, buffer);
            next(row);
            if (with_bias) add_bias(row, left);
#pragma unroll
            for (uint32_t a = 0; a < TAPS; a++) add(a, left, right[(row + a) % TAPS]);
        }
    }

    // partial: [O,3,3,I].
    DEVICE void store(float* partial, uint32_t first_o, uint32_t first_i, const Conv2dSpec& s) const {
        uint32_t lane = threadIdx.x % WARP, half = threadIdx.x / WARP % HALVES;
#pragma unroll
        for (uint32_t m = 0; m < 4; m++) {  // 8 outputs at a time
            uint32_t o = first_o + half * 32 + m * 8 + lane / 4;
#pragma unroll
            for (uint32_t n = 0; n < 2; n++) {
                uint32_t i = first_i + quarter * 16 + n * 8 + lane % 4 * 2;
                if (o >= s.c_out || i >= s.c_in) continue;
#pragma unroll
                for (uint32_t tap = 0; tap < TAPS * TAPS; tap++) {
                    const float* v = sums[tap / TAPS][tap % TAPS][m / 2][n] + m % 2 * 2;
                    *(float2*)(partial + (o * TAPS * TAPS + tap) * s.c_in + i) = {v[0], v[1]};
                }
            }
        }
    }

    // bias_partial: [O]. The four warps that share outputs add up their sums in a fixed order.
    DEVICE void store_bias(float* scratch, float* bias_partial, uint32_t first_o, const Conv2dSpec& s) const {
        uint32_t lane = threadIdx.x % WARP, half = threadIdx.x / WARP % HALVES;
        __syncthreads();  // the tiles are no longer read
        if (lane % 4 == 0) {
#pragma unroll
            for (uint32_t m = 0; m < 4; m++) scratch[quarter * GRAD_OUTPUTS + half * 32 + m * 8 + lane / 4] = bias[m / 2][m % 2 * 2];
        }
        __syncthreads();
        uint32_t o = first_o + threadIdx.x;
        if (threadIdx.x >= GRAD_OUTPUTS || o >= s.c_out) return;
        float sum = 0.0f;
#pragma unroll
        for (uint32_t i = 0; i < QUARTERS; i++) sum += scratch[i * GRAD_OUTPUTS + threadIdx.x];
        bias_partial[o] = sum;
    }
};

// One thread's copies of a tile of x and dz, by number.
struct GradCopies {
    static constexpr uint32_t COUNT = GradHalo::COPIES + GradPixels::COPIES;
    GradHalo x;
    GradPixels dz;
    bool input_exists, output_exists;

    DEVICE GradCopies(const bf16* x, const bf16* dz, uint32_t tile, uint32_t first_o, uint32_t first_i, const Conv2dSpec& s)
        : x(x, tile_at(tile, s), s.c_in, first_i, s), dz(dz, tile_at(tile, s), s.c_out, first_o, s) {
        input_exists = first_i + GradHalo::own_chunk() * CHUNK < s.c_in;
        output_exists = first_o + GradPixels::own_chunk() * CHUNK < s.c_out;
    }
    DEVICE void copy(GradTiles& tiles, uint32_t buffer, uint32_t number) const {
        if (number < GradHalo::COPIES) x.copy(tiles.x[buffer], number, input_exists);
        else if (number < COUNT) dz.copy(tiles.dz[buffer], number - GradHalo::COPIES, output_exists);
    }
};

// partial[split] = sum of x dz and bias_partial[split] = sum of dz over the split's share of the tiles of 16 x 16 pixels of all images.
// x: [N,H,W,I], dz: [N,H,W,O], partial: [splits,O,3,3,I], bias_partial: [splits,O] or null.
// 256 threads; x: 64 inputs, ceil(I/64); y: 64 outputs, ceil(O/64); z: splits. biases: splits O or 0.
// FLOPs: 18 n h w c_out c_in. Bytes: 2 n h w (c_in + c_out) + 4 (9 splits c_out c_in + biases). Unit: matrix.
// Dynamic shared memory: 148480 bytes.
KERNEL __launch_bounds__(256, 1) conv3x3_weight_grad_bf16(const bf16* __restrict__ x, const bf16* __restrict__ dz, float* __restrict__ partial,
                                                          float* __restrict__ bias_partial, Conv2dSpec s) {
    DYN_SHARED(GradTiles, tiles);
    uint32_t first_i = blockIdx.x * GRAD_INPUTS, first_o = blockIdx.y * GRAD_OUTPUTS, split = blockIdx.z;
    uint32_t count = s.n * tiles_across(s.h) * tiles_across(s.w);
    uint32_t tile = (uint64_t)count * split / gridDim.z, end = (uint64_t)count * (split + 1) / gridDim.z;
    bool with_bias = bias_partial && blockIdx.x == 0;
    if (tile < end) {
        GradCopies first(x, dz, tile, first_o, first_i, s);
#pragma unroll
        for (uint32_t i = 0; i < GradCopies::COUNT; i++) first.copy(*tiles, 0, i);
    }
    cp_commit();
    GradWarp warp(*tiles);
    uint32_t buffer = 0;
#pragma unroll 1
    for (; tile < end; tile++) {
        cp_wait<0>();
        __syncthreads();  // all threads' copies are complete, and the other buffer is no longer read
        GradCopies next(x, dz, tile + 1, first_o, first_i, s);
        constexpr uint32_t EACH = 2;  // copies per row of the tile
        static_assert(EACH * TILE >= GradCopies::COUNT, "all copies must be started");
        warp.add_tile(buffer, with_bias, [&](uint32_t row) {
            if (tile + 1 == end) return;
#pragma unroll
            for (uint32_t i = 0; i < EACH; i++) next.copy(*tiles, buffer ^ 1, row * EACH + i);
        });
        cp_commit();
        buffer ^= 1;
    }
    uint64_t weights = (uint64_t)s.c_out * TAPS * TAPS * s.c_in;
    warp.store(partial + split * weights, first_o, first_i, s);
    if (with_bias) warp.store_bias((float*)tiles, bias_partial + split * s.c_out, first_o, s);
}
REGISTER_KERNEL(conv3x3_weight_grad_bf16)
