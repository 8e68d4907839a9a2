// Stacked dilated convolution on tensor cores with bf16 storage, and its adjoints. Branch k is a 3x3 convolution with dilation d_k and zero
// padding d_k; it owns channels k·O .. (k+1)·O-1 of the concatenated result (O = c_out, I = c_in, both multiples of 8). Sums are f32.
//
// TILES. The pixels of a batch form one list. A tile is as many whole image rows as fit (8 rows of 32 pixels are 256, 11 rows of 23 are
// 253), possibly of several images, or, if a row is longer, a part of the list. Tap (a, b) reads pixel p at p + ((a-1) d, (b-1) d), and this
// is a fixed distance in the list too. So a kernel row a needs one SLAB: the tile's pixels moved by (a-1) d W in the list. It is copied to
// shared memory once; the three column taps read it there through the row addresses of ldmatrix, moved by (b-1) d:
//
//     tile, d = 1                slab of kernel row 0           column tap 0 of the pixels 0 1 2 .. 7
//     row y    0  1  2 .. 31     row y-1   0  1  2 .. 31        z  0  1 .. 6     z: a chunk of zeros in shared memory
//     row y+1 32 33 34 .. 63     row y    32 33 34 .. 63
//
//   - A row outside the image is copied as zeros, which costs no traffic; if all rows of a slab are outside, its step is left out.
//   - A column outside the image is read from the zeros, so padding is never stored. With d >= W only the centre column is left.
//   - If a tile is a part of a longer row, each column tap has a slab of its own, moved by ((a-1) W + b-1) d: slower, but right for any W.
//
// SWIZZLE. Slabs of forward and input gradient are [256 pixels][32 channels] as depth_chunk (mma_layout.cuh) places them, those of the
// weight gradient [128 pixels][64 channels] as row_chunk does. Any eight consecutive rows of either lie in different eighths of 128 bytes,
// wherever they start, so moved rows have no bank conflicts. A row outside reads the zeros at its own offset modulo 128 bytes, so it keeps
// its eighth.
#include "mma_layout.cuh"
#include "sdc.cuh"

struct Bf16Branches { const bf16* at[MAX_BRANCHES]; };  // one buffer per branch, null past the last branch

constexpr uint32_t NOWHERE = 1u << 31;  // a coordinate that no tap moves into an image
constexpr uint32_t ZEROS = 64;          // values of 128 bytes: all banks once

// Distance of tap 0, 1 or 2 from the centre along one axis, modulo 2^32. Adjoints read mirrored taps.
DEVICE uint32_t tap_distance(uint32_t tap, uint32_t dilation, bool mirrored) { return (mirrored ? 1 - tap : tap - 1) * dilation; }

struct Position { uint32_t y, x; };

// The tiles of up to PIXELS pixels.
template <uint32_t PIXELS> struct RowTiles {
    Divisor lines, columns;
    uint32_t total, size;  // pixels of the batch and of a tile
    bool whole;            // tiles consist of whole rows
    DEVICE explicit RowTiles(const SdcSpec& s)
        : lines(s.h), columns(s.w), total(pixels_of(s)), size(s.w <= PIXELS ? PIXELS / s.w * s.w : PIXELS), whole(s.w <= PIXELS) {}
    DEVICE uint32_t count() const { return (total + size - 1) / size; }
    // Pixel r of the tile that starts at pixel `first`; nowhere past its end.
    DEVICE Position at(uint32_t first, uint32_t r) const {
        uint32_t pixel = first + r, line = columns.quotient(pixel);
        if (r >= size || pixel >= total) return {NOWHERE, NOWHERE};
        return {line - lines.quotient(line) * lines.d, pixel - line * columns.d};
    }
    DEVICE Lines lines_at(uint32_t first) const { return lines_of(lines, columns, first, min(first + size, total) - 1); }
};

// FORWARD AND INPUT GRADIENT
//
// Block: 4 warps compute 256 pixels x 64 channels, a warp 64 x 64 in 4 x 8 fragments of 16 x 8: 128 sums a thread. A warp tile of 64 x 64
// reads 4 KiB of shared memory for 32 HMMA, 32 of the about 50 clocks that these take. A step of the depth is (branch, kernel row, slice of 32
// channels): 16 KiB of slab and 3 x 4 KiB of weights, of which three stages are in shared memory; one is multiplied while two are copied.
constexpr uint32_t SLAB_PIXELS = 256, SLAB_CHANNELS = 64, SLAB_THREADS = 128, SLAB_STAGES = 3, WARP_PIXELS = 64;
constexpr uint32_t FRAGMENTS_M = WARP_PIXELS / 16, FRAGMENTS_N = SLAB_CHANNELS / 8;
static_assert(SLAB_PIXELS == SLAB_THREADS / WARP * WARP_PIXELS, "the warps share the pixels; each has all channels");

struct SlabStage {
    bf16 slab[SLAB_PIXELS * MMA_K + ZEROS];  // then the zeros
    bf16 weights[3][SLAB_CHANNELS * MMA_K];  // per column tap
};
constexpr uint32_t SLAB_PASS = SLAB_THREADS / DEPTH_CHUNKS, SLAB_COPIES = SLAB_PIXELS / SLAB_PASS;  // rows at a time, rows per thread
static_assert(SLAB_PASS % 8 == 0, "the swizzles repeat after eight rows, so a thread's chunks lie the same in each pass");
static_assert(SLAB_COPIES <= 32, "a word tells which of a thread's rows are inside the image");
struct SlabTiles {
    SlabStage stages[SLAB_STAGES];
    Position pixels[SLAB_PIXELS];
};
constexpr uint32_t SLAB_BYTES = 88448;
static_assert(sizeof(SlabTiles) == SLAB_BYTES, "as the kernels' headers say");
static_assert(sizeof(SlabStage) % 128 == 0, "the swizzle counts from bank 0");
static_assert(sizeof(SlabTiles::stages) >= SLAB_PIXELS * SLAB_CHANNELS * sizeof(float), "the sums are staged where the slabs were");
static_assert(2 * (SLAB_BYTES + 1024) <= 228 * 1024, "two blocks per multiprocessor; the system takes 1 KiB of each");

// y = w * x: the depth is the input channels of one branch. Weights lie along the depth, [64 outputs][32 inputs].
struct Forward {
    static constexpr bool MIRRORED = false;
    static constexpr uint32_t ROW_CHUNKS = DEPTH_CHUNKS;  // of a row of the weights
    DEVICE static uint32_t depth(const SdcSpec& s) { return s.c_in; }
    DEVICE static uint32_t pitch(const SdcSpec& s) { return s.c_in; }
    DEVICE static uint32_t weight_pitch(const SdcSpec&) { return 1; }  // distance of weights along the depth
    DEVICE static uint32_t start(const SdcSpec&, uint32_t) { return 0; }
    // The output and input channel of chunk `chunk` in row `row` of the weights, and its place in the tile.
    struct Weight { uint32_t o, i; };
    DEVICE static Weight weight(uint32_t row, uint32_t chunk, uint32_t column, uint32_t depth) { return {column + row, depth + chunk * CHUNK}; }
    DEVICE static uint32_t place(uint32_t row, uint32_t chunk) { return depth_chunk(row, chunk); }
    // Where a lane's row of the right operand lies: for columns and depth 0, and from there for columns 8 j.. and depth k.. of the tile.
    DEVICE static uint32_t right(uint32_t lane) { return depth_chunk(lane % 8 + lane / 16 * 8, lane / 8 % 2); }
    DEVICE static uint32_t right(uint32_t first, uint32_t j, uint32_t k) { return (first ^ k) + j * 8 * MMA_K; }
    DEVICE static void load(uint32_t (&right)[4], const bf16* row) { ldmatrix4(right, row); }
};
// dx = wᵀ * dz: the depth is the output channels of all branches. Weights lie along the columns, [32 outputs][64 inputs].
struct Adjoint {
    static constexpr bool MIRRORED = true;
    static constexpr uint32_t ROW_CHUNKS = SLAB_CHANNELS / CHUNK;
    DEVICE static uint32_t depth(const SdcSpec& s) { return s.c_out; }
    DEVICE static uint32_t pitch(const SdcSpec& s) { return concat_channels(s); }
    DEVICE static uint32_t weight_pitch(const SdcSpec& s) { return TAPS * s.c_in; }
    DEVICE static uint32_t start(const SdcSpec& s, uint32_t branch) { return branch * s.c_out; }
    using Weight = Forward::Weight;
    DEVICE static Weight weight(uint32_t row, uint32_t chunk, uint32_t column, uint32_t depth) { return {depth + row, column + chunk * CHUNK}; }
    DEVICE static uint32_t place(uint32_t row, uint32_t chunk) { return row_chunk<SLAB_CHANNELS>(row, chunk); }
    DEVICE static uint32_t right(uint32_t lane) { return row_chunk<SLAB_CHANNELS>(lane % 16, lane / 16); }
    DEVICE static uint32_t right(uint32_t first, uint32_t j, uint32_t k) { return (first ^ j * CHUNK) + k * SLAB_CHANNELS; }
    DEVICE static void load(uint32_t (&right)[4], const bf16* row) { ldmatrix4_transposed(right, row); }
};

// A step of the depth: the slab of kernel row `row`, for all column taps if tiles are whole rows, else for `column` alone.
struct SlabStep { uint32_t branch, row, column, channel; };

// The steps that a tile needs, in the order branch, row, column, channel: most steps only move on along the channels.
template <class Pass> struct SlabSteps {
    const SdcSpec& s;
    bool whole;
    uint32_t end;      // past the last branch
    uint32_t reached;  // bit 3 branch + row: whether the kernel row reaches the image from any line of the tile
    static_assert(3 * MAX_BRANCHES <= 32, "a bit per branch and kernel row");
    DEVICE SlabSteps(const SdcSpec& s, Lines lines, bool whole, uint32_t begin, uint32_t end) : s(s), whole(whole), end(end), reached(0) {
#pragma unroll 1
        for (uint32_t branch = begin; branch < end; branch++)
#pragma unroll
            for (uint32_t row = 0; row < 3; row++)
                reached |= (reaches(s, lines, (Pass::MIRRORED ? 2 - row : row) * 3 + 1, s.dilations[branch]) ? 1u : 0u) << (3 * branch + row);
    }
    DEVICE bool done(const SlabStep& t) const { return t.branch >= end; }
    DEVICE bool sideways(uint32_t branch) const { return s.dilations[branch] < s.w; }  // whether other columns than the centre are inside
    DEVICE bool needed(const SlabStep& t) const {
        return reached >> (3 * t.branch + t.row) & 1 && (whole || t.column == 1 || sideways(t.branch));
    }
    DEVICE void next_tap(SlabStep& t) const {
        if (!whole && ++t.column < 3) return;
        t.column = whole ? 1 : 0;
        if (++t.row < 3) return;
        t.row = 0;
        t.branch++;
    }
    DEVICE SlabStep first(uint32_t branch) const {
        SlabStep t{branch, 0, whole ? 1u : 0u, 0};
        while (!needed(t)) next_tap(t);
        return t;
    }
    DEVICE SlabStep after(SlabStep t) const {
        t.channel += MMA_K;
        if (t.channel < Pass::depth(s)) return t;
        t.channel = 0;
        do next_tap(t);
        while (!done(t) && !needed(t));
        return t;
    }
    // Bit b: whether column tap b is multiplied in this step.
    DEVICE uint32_t columns(const SlabStep& t) const { return !whole ? 1u << t.column : sideways(t.branch) ? 7 : 2; }
};

// Copies the slabs and weights of a block. A thread copies one chunk of every SLAB_PASS-th row.
template <class Pass> struct SlabCopies {
    const bf16* source;
    const Bf16Branches& w;
    const SdcSpec& s;
    const SlabSteps<Pass>& steps;
    SlabTiles& tiles;
    uint32_t first_pixel, first_column;

    // What the steps of one tap share: the number of this thread's first value of the slab, and its first value of the weights, at channel 0;
    // bit j: whether row j of its copies is inside the image; bit b: whether column tap b is needed.
    uint32_t index, inside, columns;
    const bf16* w_first;

    DEVICE static uint32_t row() { return threadIdx.x / DEPTH_CHUNKS; }
    DEVICE static uint32_t chunk() { return threadIdx.x % DEPTH_CHUNKS; }
    DEVICE static uint32_t w_row() { return threadIdx.x / Pass::ROW_CHUNKS; }
    DEVICE static uint32_t w_chunk() { return threadIdx.x % Pass::ROW_CHUNKS; }

    // How far a step moves its slab.
    DEVICE uint32_t dy(uint32_t branch, uint32_t row) const { return tap_distance(row, s.dilations[branch], Pass::MIRRORED); }
    DEVICE uint32_t dx(uint32_t branch, uint32_t column) const {
        return steps.whole ? 0 : tap_distance(column, s.dilations[branch], Pass::MIRRORED);
    }
    DEVICE void aim(const SlabStep& t) {
        uint32_t pixel = first_pixel + row() + dy(t.branch, t.row) * s.w + dx(t.branch, t.column);
        index = pixel * Pass::pitch(s) + Pass::start(s, t.branch) + chunk() * CHUNK;
        columns = steps.columns(t);
        inside = 0;
#pragma unroll
        for (uint32_t j = 0; j < SLAB_COPIES; j++) {
            Position at = tiles.pixels[row() + j * SLAB_PASS];
            inside |= (at.y + dy(t.branch, t.row) < s.h && at.x + dx(t.branch, t.column) < s.w ? 1u : 0u) << j;
        }
        typename Pass::Weight at = Pass::weight(w_row(), w_chunk(), first_column, 0);
        w_first = w.at[t.branch] + (at.o * TAPS + t.row * 3) * s.c_in + at.i;
    }
    // A copy of zeros reads nothing, so its address may be outside the buffer.
    DEVICE void slab(bf16* target, const SlabStep& t) const {
        uint32_t bits = t.channel + chunk() * CHUNK < Pass::depth(s) ? inside : 0, next = SLAB_PASS * Pass::pitch(s);
        target += depth_chunk(row(), chunk());
#pragma unroll
        for (uint32_t j = 0; j < SLAB_COPIES; j++)
            cp_async16(target + j * SLAB_PASS * MMA_K, source + (index + t.channel + j * next), bits >> j & 1);
    }
    DEVICE void weights(SlabStage& stage, const SlabStep& t) const {
        constexpr uint32_t PASS = SLAB_THREADS / Pass::ROW_CHUNKS, ROWS = SLAB_CHANNELS * DEPTH_CHUNKS / Pass::ROW_CHUNKS;
        static_assert(PASS % 8 == 0, "as for slabs");
        typename Pass::Weight at = Pass::weight(w_row(), w_chunk(), first_column, t.channel);
        uint32_t place = Pass::place(w_row(), w_chunk());
#pragma unroll
        for (uint32_t j = 0; j < ROWS; j += PASS) {
            bool valid = at.o + j < s.c_out && at.i < s.c_in;
            const bf16* from = w_first + (t.channel * Pass::weight_pitch(s) + j * TAPS * s.c_in);
#pragma unroll
            for (uint32_t b = 0; b < 3; b++)
                if (columns >> b & 1) cp_async16(stage.weights[b] + place + j * Pass::ROW_CHUNKS * CHUNK, from + b * s.c_in, valid);
        }
    }
    // One group of copies, empty past the last step, so that the number of groups to wait for is always the same.
    DEVICE void fill(SlabStage& stage, const SlabStep& t) {
        if (!steps.done(t)) {
            if (t.channel == 0) aim(t);
            slab(stage.slab, t);
            weights(stage, t);
        }
        cp_commit();
    }
};

// Where a lane's rows of the left operand lie in a slab, per column tap and fragment.
struct SlabRows {
    uint32_t at[3][FRAGMENTS_M];
    DEVICE void place(const Position* pixels, uint32_t w, uint32_t dilation, bool whole, bool mirrored) {
        uint32_t lane = threadIdx.x % WARP, first = threadIdx.x / WARP * WARP_PIXELS + lane % 16;
#pragma unroll
        for (uint32_t b = 0; b < 3; b++)
#pragma unroll
            for (uint32_t i = 0; i < FRAGMENTS_M; i++) {
                uint32_t row = first + i * 16, dx = whole ? tap_distance(b, dilation, mirrored) : 0;
                uint32_t chunk = depth_chunk(row + dx, lane / 16);
                at[b][i] = pixels[row].x + dx < w ? chunk : SLAB_PIXELS * MMA_K + chunk % ZEROS;
            }
    }
};

// One warp's sums.
struct SlabSums {
    float c[FRAGMENTS_M][FRAGMENTS_N][4];
    DEVICE SlabSums() {
#pragma unroll
        for (uint32_t i = 0; i < FRAGMENTS_M; i++)
#pragma unroll
            for (uint32_t j = 0; j < FRAGMENTS_N; j++) c[i][j][0] = c[i][j][1] = c[i][j][2] = c[i][j][3] = 0.0f;
    }
    // c += the product of 16 channels, from k on, of one column tap. The second 16 channels of a row are two chunks on, which is bit 1 of the
    // chunk's number, and there the swizzle leaves an exclusive or.
    template <class Pass> DEVICE void add(const SlabStage& stage, const SlabRows& rows, uint32_t right_row, uint32_t b, uint32_t k) {
        uint32_t right[FRAGMENTS_N][2];
#pragma unroll
        for (uint32_t j = 0; j < FRAGMENTS_N; j += 2) {
            uint32_t pair[4];
            Pass::load(pair, stage.weights[b] + Pass::right(right_row, j, k));
            right[j][0] = pair[0]; right[j][1] = pair[1]; right[j + 1][0] = pair[2]; right[j + 1][1] = pair[3];
        }
#pragma unroll
        for (uint32_t i = 0; i < FRAGMENTS_M; i++) {
            uint32_t left[4];
            ldmatrix4(left, stage.slab + (rows.at[b][i] ^ k));
#pragma unroll
            for (uint32_t j = 0; j < FRAGMENTS_N; j++) mma_bf16(c[i][j], left, right[j]);
        }
    }
    template <class Pass> DEVICE void add(const SlabStage& stage, const SlabRows& rows, uint32_t right_row, uint32_t columns) {
#pragma unroll
        for (uint32_t b = 0; b < 3; b++)
            if (columns >> b & 1) {
#pragma unroll
                for (uint32_t k = 0; k < MMA_K; k += 16) add<Pass>(stage, rows, right_row, b, k);
            }
    }
};

// Offset of a sum in a warp's staging area, 64 pixels of 64 floats. Stores of two floats go out by half warps, 4 pixels x 32 bytes, so the
// pixel swizzles the eighths of its row; loads of four floats go out by quarter warps, the lower halves of eighths 0-3 and the upper of 4-7.
DEVICE uint32_t staged(uint32_t pixel, uint32_t channel) {
    uint32_t eighth = channel / 8, half = channel / 4 % 2;
    return pixel * SLAB_CHANNELS + (eighth ^ (pixel % 4)) * 8 + (half ^ (eighth / 4)) * 4 + channel % 4;
}

// Calls finish(pixel of the tile, channel of the tile, eight sums) for every chunk. The loop is rolled: `finish` holds all activations.
template <class Finish> DEVICE void each_chunk(SlabTiles& tiles, const SlabSums& sums, const Finish& finish) {
    __syncthreads();  // the last stage is no longer read
    uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    float* own = (float*)tiles.stages + warp * WARP_PIXELS * SLAB_CHANNELS;
#pragma unroll
    for (uint32_t i = 0; i < FRAGMENTS_M; i++)
#pragma unroll
        for (uint32_t j = 0; j < FRAGMENTS_N; j++)
#pragma unroll
            for (uint32_t half = 0; half < 2; half++) {
                float2 pair = {sums.c[i][j][half * 2], sums.c[i][j][half * 2 + 1]};
                *(float2*)(own + staged(i * 16 + half * 8 + lane / 4, j * 8 + lane % 4 * 2)) = pair;
            }
    __syncwarp();
#pragma unroll 1
    for (uint32_t n = lane; n < WARP_PIXELS * SLAB_CHANNELS / CHUNK; n += WARP) {
        uint32_t pixel = n / (SLAB_CHANNELS / CHUNK), channel = n % (SLAB_CHANNELS / CHUNK) * CHUNK;
        float4 low = load4(own + staged(pixel, channel)), high = load4(own + staged(pixel, channel + 4));
        finish(warp * WARP_PIXELS + pixel, channel, Eight{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}});
    }
}

// The product of one block: tile blockIdx.x of the pixels, tile blockIdx.y of the channels, branches from `branch` up to `end`.
template <class Pass, class Finish>
DEVICE void slab_product(SlabTiles& tiles, const bf16* source, const Bf16Branches& w, const SdcSpec& s, uint32_t branch, uint32_t end,
                         const Finish& finish) {
    RowTiles<SLAB_PIXELS> grid(s);
    uint32_t first = blockIdx.x * grid.size;
    for (uint32_t r = threadIdx.x; r < SLAB_PIXELS; r += SLAB_THREADS) tiles.pixels[r] = grid.at(first, r);
    constexpr uint32_t ZERO_CHUNKS = ZEROS / CHUNK;
    if (threadIdx.x < SLAB_STAGES * ZERO_CHUNKS)
        store16(tiles.stages[threadIdx.x / ZERO_CHUNKS].slab + SLAB_PIXELS * MMA_K + threadIdx.x % ZERO_CHUNKS * CHUNK, make_uint4(0, 0, 0, 0));
    __syncthreads();  // the positions are complete

    SlabSteps<Pass> steps(s, grid.lines_at(first), grid.whole, branch, end);
    SlabCopies<Pass> copies{source, w, s, steps, tiles, first, blockIdx.y * SLAB_CHANNELS, 0, 0, 0, nullptr};
    SlabStep now = steps.first(branch), next = steps.after(now);
    copies.fill(tiles.stages[0], now);
    copies.fill(tiles.stages[1], next);
    SlabSums sums;
    SlabRows rows;
    uint32_t right_row = Pass::right(threadIdx.x % WARP), placed = MAX_BRANCHES, stage = 0, spare = 2;
    while (!steps.done(now)) {
        if (placed != now.branch) rows.place(tiles.pixels, s.w, s.dilations[now.branch], grid.whole, Pass::MIRRORED);
        placed = now.branch;
        cp_wait<1>();     // this thread's copies of the stage are complete
        __syncthreads();  // all threads' copies are complete, and the previous stage is no longer read
        SlabStep last = steps.done(next) ? next : steps.after(next);
        copies.fill(tiles.stages[spare], last);
        sums.template add<Pass>(tiles.stages[stage], rows, right_row, steps.columns(now));
        now = next;
        next = last;
        spare = stage;
        stage = stage + 1 == SLAB_STAGES ? 0 : stage + 1;
    }
    each_chunk(tiles, sums, finish);
}

// y = A(concat_k(w_k * x + b_k)); blockIdx.z is the branch. x: [N,H,W,I], each w: [O,3,3,I], each b: [O], y: [N,H,W,branches O].
// Grid: tiles of the pixels, ceil(O / 64), branches.
// FLOPs: 18 n h w branches c_out c_in. Bytes: 2 (n h w c_in + 9 branches c_out c_in + n h w branches c_out) + 4 branches c_out. Unit: matrix.
// Dynamic shared memory: 88448 bytes.
KERNEL __launch_bounds__(128, 2)
    sdc_rows_bf16(const bf16* __restrict__ x, const __grid_constant__ Bf16Branches w, const __grid_constant__ BranchPointers b,
                  bf16* __restrict__ y, const __grid_constant__ SdcSpec s) {
    DYN_SHARED(SlabTiles, tiles);
    uint32_t branch = blockIdx.z, first_channel = blockIdx.y * SLAB_CHANNELS;
    RowTiles<SLAB_PIXELS> grid(s);
    slab_product<Forward>(*tiles, x, w, s, branch, branch + 1, [&](uint32_t r, uint32_t channel, Eight v) {
        uint32_t pixel = blockIdx.x * grid.size + r, o = first_channel + channel;
        if (r >= grid.size || pixel >= grid.total || o >= s.c_out) return;
        // Rolled, so that the code holds each activation four times and not eight: the first half is replaced, and the halves change places.
#pragma unroll 1
        for (uint32_t half = 0; half < CHUNK; half += 4) {
            float4 z = load4(b.at[branch] + o + half);
            v = {{v.v[4], v.v[5], v.v[6], v.v[7], activate(s.activation, v.v[0] + z.x), activate(s.activation, v.v[1] + z.y),
                  activate(s.activation, v.v[2] + z.z), activate(s.activation, v.v[3] + z.w)}};
        }
        store8(y + (pixel * concat_channels(s) + branch * s.c_out + o), v);
    });
}
REGISTER_KERNEL(sdc_rows_bf16)

// dx += Σ_k w_kᵀ * dz_k, the branches in the depth of one product; dx_blank: dx stands for zeros that were never written. With y, the output
// of activation A that is x, the sum is then multiplied by A'. dz: [N,H,W,branches O], each w: [O,3,3,I], dx and y: [N,H,W,I].
// Grid: tiles of the pixels, ceil(I / 64). Bytes without the read of dx and of y.
// FLOPs: 18 n h w branches c_out c_in. Bytes: 2 (n h w branches c_out + 9 branches c_out c_in + n h w c_in). Unit: matrix.
// Dynamic shared memory: 88448 bytes.
KERNEL __launch_bounds__(128, 2)
    sdc_rows_input_grad_bf16(const bf16* __restrict__ dz, const __grid_constant__ Bf16Branches w, bf16* __restrict__ dx, uint32_t dx_blank,
                             const bf16* __restrict__ y, uint32_t activation, const __grid_constant__ SdcSpec s) {
    DYN_SHARED(SlabTiles, tiles);
    uint32_t first_channel = blockIdx.y * SLAB_CHANNELS;
    RowTiles<SLAB_PIXELS> grid(s);
    slab_product<Adjoint>(*tiles, dz, w, s, 0, s.branches, [&](uint32_t r, uint32_t channel, Eight v) {
        uint32_t pixel = blockIdx.x * grid.size + r, i = first_channel + channel;
        if (r >= grid.size || pixel >= grid.total || i >= s.c_in) return;
        uint32_t at = pixel * s.c_in + i;
        if (!dx_blank) {
            Eight old = load8(dx + at);
#pragma unroll
            for (uint32_t e = 0; e < CHUNK; e++) v.v[e] += old.v[e];
        }
        if (y) {
            Eight out = load8(y + at);
#pragma unroll
            for (uint32_t e = 0; e < CHUNK; e++) v.v[e] *= slope(activation, 0, out.v[e]);
        }
        store8(dx + at, v);
    });
}
REGISTER_KERNEL(sdc_rows_input_grad_bf16)

// WEIGHT GRADIENT
//
// Block: 8 warps compute 64 outputs x 64 inputs x 9 taps of one branch, a warp all outputs and taps of 8 inputs in 4 x 9 fragments of
// 16 x 8: 144 sums a thread. The depth is the pixels. A stage is a tile of 128 pixels: dz, and the slabs of x of the three kernel rows, so that
// x is read from L2 three times per branch and not nine. 16 pixels are 36 HMMA for 4.25 KiB of shared memory, since the four fragments of dz
// serve all nine taps.
//
//     left: dz [16 pixels][64 outputs]ᵀ        right, per tap: x [16 moved pixels][8 inputs of the warp]
//
// Two column taps come with one ldmatrix (lanes 0-15 tap 0, lanes 16-31 tap 1), two steps of the third with another (lanes 0-31 pixels 0-31).
constexpr uint32_t GRAD_PIXELS = 128, GRAD_CHANNELS = 64, GRAD_THREADS = 256, GRAD_STAGES = 3;
constexpr uint32_t GRAD_M = GRAD_CHANNELS / 16, GRAD_CHUNKS = GRAD_CHANNELS / CHUNK;
static_assert(GRAD_THREADS / WARP == GRAD_CHUNKS, "a warp per chunk of inputs");

struct GradStage {
    bf16 dz[GRAD_PIXELS * GRAD_CHANNELS];
    bf16 x[3][GRAD_PIXELS * GRAD_CHANNELS + ZEROS];  // per kernel row: the slab, then the zeros
};
struct GradTiles { GradStage stages[GRAD_STAGES]; };
static_assert(GRAD_PIXELS / 32 == GRAD_PIXELS / (GRAD_THREADS / GRAD_CHUNKS), "two steps of 16 pixels per row that a thread copies");
constexpr uint32_t GRAD_BYTES = 197760;
static_assert(sizeof(GradTiles) == GRAD_BYTES, "as the kernel's header says");
static_assert(sizeof(GradStage) % 128 == 0, "the swizzle counts from bank 0");
static_assert(GRAD_BYTES <= 232448, "one block per multiprocessor: its 8 warps need all registers");

// A tile of pixels, the kernel rows that reach into the image (bit a), and the column tap of the slabs if tiles are parts of rows.
struct GradStep { uint32_t tile, column, rows; };

// The steps of a split.
struct GradSteps {
    const SdcSpec& s;
    const RowTiles<GRAD_PIXELS>& grid;
    uint32_t dilation, end;
    DEVICE bool done(const GradStep& t) const { return t.tile >= end; }
    DEVICE GradStep with_rows(GradStep t) const {
        if (done(t)) return t;
        Lines lines = grid.lines_at(t.tile * grid.size);
        t.rows = 0;
#pragma unroll
        for (uint32_t a = 0; a < 3; a++) t.rows |= (reaches(s, lines, a * 3 + 1, dilation) ? 1u : 0u) << a;
        return t;
    }
    DEVICE bool one_column() const { return grid.whole || dilation >= s.w; }
    DEVICE GradStep first(uint32_t tile) const { return with_rows({tile, one_column() ? 1u : 0u, 0}); }
    DEVICE GradStep after(GradStep t) const {
        if (!one_column() && ++t.column < 3) return t;
        return first(t.tile + 1);
    }
    DEVICE uint32_t columns(const GradStep& t) const { return !grid.whole ? 1u << t.column : dilation < s.w ? 7 : 2; }
};

struct GradCopies {
    const bf16 *x, *dz;
    const SdcSpec& s;
    const GradSteps& steps;
    uint32_t branch, first_o, first_i;

    static constexpr uint32_t PASS = GRAD_THREADS / GRAD_CHUNKS, COPIES = GRAD_PIXELS / PASS;  // rows at a time, rows per thread
    static_assert(PASS % 8 == 0, "the swizzle repeats after eight rows, so a thread's chunks lie the same in each pass");

    // Starts the copies of row j of this thread. A copy of zeros reads nothing, so its address may be outside the buffer.
    DEVICE void fill(GradStage& stage, const GradStep& t, uint32_t j) const {
        if (steps.done(t)) return;
        uint32_t row = threadIdx.x / GRAD_CHUNKS, chunk = threadIdx.x % GRAD_CHUNKS, first = t.tile * steps.grid.size;
        uint32_t o = first_o + chunk * CHUNK, i = first_i + chunk * CHUNK, pixel = first + row + j * PASS;
        uint32_t place = row_chunk<GRAD_CHANNELS>(row, chunk) + j * PASS * GRAD_CHANNELS;
        uint32_t dx = steps.grid.whole ? 0 : tap_distance(t.column, steps.dilation, false);
        Position at = steps.grid.at(first, row + j * PASS);
        cp_async16(stage.dz + place, dz + (pixel * concat_channels(s) + branch * s.c_out + o), at.y < s.h && o < s.c_out);
        uint32_t h = at.x + dx < s.w && i < s.c_in ? s.h : 0;  // no row is inside an image without rows
#pragma unroll
        for (uint32_t a = 0; a < 3; a++)
            if (t.rows >> a & 1) {
                uint32_t dy = tap_distance(a, steps.dilation, false);
                cp_async16(stage.x[a] + place, x + ((pixel + dy * s.w + dx) * s.c_in + i), at.y + dy < h);
            }
    }
    DEVICE void fill(GradStage& stage, const GradStep& t) const {
#pragma unroll 1
        for (uint32_t j = 0; j < COPIES; j++) fill(stage, t, j);
        cp_commit();
    }
};

// Where a lane's rows of the right operand lie in a slab: of the first two column taps in step 0, of the third in steps 0 and 1. Later
// steps lie 16 rows on. The bits tell per step whether the row is inside the image; the columns of a tile of whole rows do not depend on it.
struct GradRows {
    uint32_t pair, third, pair_inside, third_inside;
    DEVICE GradRows(const RowTiles<GRAD_PIXELS>& grid, uint32_t dilation) : pair_inside(0), third_inside(0) {
        uint32_t lane = threadIdx.x % WARP, chunk = threadIdx.x / WARP;
        uint32_t pair_dx = grid.whole ? tap_distance(lane / 16, dilation, false) : 0, third_dx = grid.whole ? dilation : 0;
        pair = row_chunk<GRAD_CHANNELS>(lane % 16 + pair_dx, chunk);
        third = row_chunk<GRAD_CHANNELS>(lane + third_dx, chunk);
#pragma unroll 1
        for (uint32_t k = 0; k < GRAD_PIXELS / 16; k++) {
            pair_inside |= (inside(grid, k * 16 + lane % 16, pair_dx) ? 1u : 0u) << k;
            third_inside |= (inside(grid, k * 16 + lane, third_dx) ? 1u : 0u) << k;
        }
    }
    // In a part of a row, pixels outside were copied as zeros.
    DEVICE static bool inside(const RowTiles<GRAD_PIXELS>& grid, uint32_t r, uint32_t dx) {
        if (!grid.whole) return r < GRAD_PIXELS;
        return r < grid.size && r - grid.columns.quotient(r) * grid.columns.d + dx < grid.columns.d;
    }
    DEVICE static uint32_t at(uint32_t first, uint32_t bits, uint32_t step) {
        return bits >> step & 1 ? first + step * 16 * GRAD_CHANNELS : GRAD_PIXELS * GRAD_CHANNELS + first % ZEROS;
    }
};

// Which kernel rows and column taps are multiplied: known to the compiler, or not.
template <uint32_t ROWS> struct WholeRows {
    DEVICE static bool row(uint32_t a) { return ROWS >> a & 1; }
    DEVICE static bool column(uint32_t) { return true; }
};
struct SomeTaps {
    uint32_t rows, columns;
    DEVICE bool row(uint32_t a) const { return rows >> a & 1; }
    DEVICE bool column(uint32_t b) const { return columns >> b & 1; }
};
struct GradColumns {
    static constexpr bool ALONG_DEPTH = false;
    static constexpr uint32_t EXTENT = GRAD_CHANNELS;
};

// One warp's sums: fragments of outputs, taps.
struct GradSums {
    float c[GRAD_M][TAPS][4];
    DEVICE GradSums() {
#pragma unroll
        for (uint32_t m = 0; m < GRAD_M; m++)
#pragma unroll
            for (uint32_t tap = 0; tap < TAPS; tap++) c[m][tap][0] = c[m][tap][1] = c[m][tap][2] = c[m][tap][3] = 0.0f;
    }
    DEVICE void add(const uint32_t (&left)[GRAD_M][4], uint32_t tap, uint32_t low, uint32_t high) {
        uint32_t right[2] = {low, high};
#pragma unroll
        for (uint32_t m = 0; m < GRAD_M; m++) mma_bf16(c[m][tap], left[m], right);
    }
    // c += the product of a stage. Calls between(j) four times, which starts a part of the next copies: their address arithmetic then
    // overlaps with the products.
    template <class Which, class Between>
    DEVICE void add(const GradStage& stage, const GradRows& rows, const Which& which, const Between& between) {
#pragma unroll 1
        for (uint32_t k = 0; k < GRAD_PIXELS / 16; k += 2) {
            uint32_t third[3][4];
            between(k / 2);
#pragma unroll
            for (uint32_t a = 0; a < 3; a++)
                if (which.row(a) && which.column(2)) ldmatrix4_transposed(third[a], stage.x[a] + GradRows::at(rows.third, rows.third_inside, k));
#pragma unroll
            for (uint32_t e = 0; e < 2; e++) {
                uint32_t left[GRAD_M][4];
#pragma unroll
                for (uint32_t m = 0; m < GRAD_M; m++) left_fragment<GradColumns>(left[m], stage.dz, m * 16, (k + e) * 16);
#pragma unroll
                for (uint32_t a = 0; a < 3; a++)
                    if (which.row(a)) {
                        uint32_t pair[4];
                        ldmatrix4_transposed(pair, stage.x[a] + GradRows::at(rows.pair, rows.pair_inside, k + e));
                        if (which.column(0)) add(left, a * 3, pair[0], pair[1]);
                        if (which.column(1)) add(left, a * 3 + 1, pair[2], pair[3]);
                        if (which.column(2)) add(left, a * 3 + 2, third[a][e * 2], third[a][e * 2 + 1]);
                    }
            }
        }
    }
    // The usual sets of taps in straight lines.
    template <class Between>
    DEVICE void add(const GradStage& stage, const GradRows& rows, uint32_t row_bits, uint32_t columns, const Between& between) {
        if (columns != 7) add(stage, rows, SomeTaps{row_bits, columns}, between);
        else if (row_bits == 7) add(stage, rows, WholeRows<7>{}, between);
        else if (row_bits == 6) add(stage, rows, WholeRows<6>{}, between);
        else if (row_bits == 3) add(stage, rows, WholeRows<3>{}, between);
        else add(stage, rows, WholeRows<2>{}, between);
    }
};

// Sums of dz over the pixels, as products with ones: warp v adds outputs 16 (v % 4).. in every second step, from v / 4 on.
struct GradBias {
    float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    DEVICE static uint32_t first_output() { return threadIdx.x / WARP % GRAD_M * 16; }
    DEVICE void add(const GradStage& stage) {
        constexpr uint32_t ONES = 0x3F803F80;
        uint32_t ones[2] = {ONES, ONES}, left[4];
#pragma unroll
        for (uint32_t k = 0; k < GRAD_PIXELS; k += 32) {
            left_fragment<GradColumns>(left, stage.dz, first_output(), k + threadIdx.x / WARP / GRAD_M * 16);
            mma_bf16(c, left, ones);
        }
    }
    // Warps 4-7 hand their sums to warps 0-3. All eight columns of a fragment are equal; lanes of column 0 write rows g and g + 8.
    DEVICE void store(float* sums, float* target, uint32_t count) const {
        uint32_t lane = threadIdx.x % WARP, o = first_output() + lane / 4;
        bool writes = lane % 4 == 0, upper = threadIdx.x >= GRAD_M * WARP;
        __syncthreads();  // the last stage is no longer read
        if (writes && upper) { sums[o] = c[0]; sums[o + 8] = c[2]; }
        __syncthreads();
        if (writes && !upper) {
            if (o < count) target[o] = c[0] + sums[o];
            if (o + 8 < count) target[o + 8] = c[2] + sums[o + 8];
        }
    }
};

// partial[s, k] = Σ x dz_k and bias_partial[s, k] = Σ dz_k over split s of the tiles, for every branch k; bias_partial may be null.
// blockIdx.z = k splits + s, so that branches with small dilations, which have most taps, start first.
// x: [N,H,W,I], dz: [N,H,W,branches O], partial: [splits,branches,O,3,3,I], bias_partial: [splits,branches,O].
// Grid: ceil(O / 64), ceil(I / 64), branches splits.
// FLOPs: 18 n h w branches c_out c_in. Bytes: 2 (n h w c_in + n h w branches c_out) + 36 splits branches c_out c_in. Unit: matrix.
// Dynamic shared memory: 197760 bytes.
KERNEL __launch_bounds__(256, 1)
    sdc_rows_weight_grad_bf16(const bf16* __restrict__ x, const bf16* __restrict__ dz, float* __restrict__ partial,
                              float* __restrict__ bias_partial, const __grid_constant__ SdcSpec s) {
    DYN_SHARED(GradTiles, tiles);
    uint32_t splits = gridDim.z / s.branches, branch = blockIdx.z / splits, split = blockIdx.z % splits;
    uint32_t first_o = blockIdx.x * GRAD_CHANNELS, first_i = blockIdx.y * GRAD_CHANNELS;
    RowTiles<GRAD_PIXELS> grid(s);
    uint32_t count = (grid.count() + splits - 1) / splits;
    constexpr uint32_t ZERO_CHUNKS = ZEROS / CHUNK;
    if (threadIdx.x < GRAD_STAGES * 3 * ZERO_CHUNKS) {
        uint32_t slab = threadIdx.x / ZERO_CHUNKS;
        store16(tiles->stages[slab / 3].x[slab % 3] + GRAD_PIXELS * GRAD_CHANNELS + threadIdx.x % ZERO_CHUNKS * CHUNK, make_uint4(0, 0, 0, 0));
    }
    GradSteps steps{s, grid, s.dilations[branch], min((split + 1) * count, grid.count())};
    GradCopies copies{x, dz, s, steps, branch, first_o, first_i};
    GradStep now = steps.first(split * count), next = steps.done(now) ? now : steps.after(now);
    copies.fill(tiles->stages[0], now);
    copies.fill(tiles->stages[1], next);
    GradRows rows(grid, steps.dilation);
    GradSums sums;
    GradBias bias;
    bool sums_bias = bias_partial && blockIdx.y == 0;
    uint32_t stage = 0, spare = 2;
    while (!steps.done(now)) {
        cp_wait<1>();     // this thread's copies of the stage are complete
        __syncthreads();  // all threads' copies are complete, and the previous stage is no longer read
        GradStep last = steps.done(next) ? next : steps.after(next);
        sums.add(tiles->stages[stage], rows, now.rows, steps.columns(now), [&](uint32_t j) { copies.fill(tiles->stages[spare], last, j); });
        cp_commit();  // one group per step, empty past the last, so that the number of groups to wait for is always the same
        if (sums_bias && now.column == 1) bias.add(tiles->stages[stage]);
        now = next;
        next = last;
        spare = stage;
        stage = stage + 1 == GRAD_STAGES ? 0 : stage + 1;
    }
    uint32_t lane = threadIdx.x % WARP, i = first_i + threadIdx.x / WARP * CHUNK + lane % 4 * 2;
    uint64_t part = (uint64_t)split * s.branches + branch;
#pragma unroll
    for (uint32_t m = 0; m < GRAD_M; m++)
#pragma unroll
        for (uint32_t half = 0; half < 2; half++) {
            uint32_t o = first_o + m * 16 + half * 8 + lane / 4;
            float* row = partial + ((part * s.c_out + o) * TAPS * s.c_in + i);
            if (o < s.c_out && i < s.c_in)
#pragma unroll
                for (uint32_t tap = 0; tap < TAPS; tap++)
                    *(float2*)(row + tap * s.c_in) = float2{sums.c[m][tap][half * 2], sums.c[m][tap][half * 2 + 1]};
        }
    if (sums_bias) bias.store((float*)tiles, bias_partial + part * s.c_out + first_o, s.c_out > first_o ? s.c_out - first_o : 0);
}
REGISTER_KERNEL(sdc_rows_weight_grad_bf16)
