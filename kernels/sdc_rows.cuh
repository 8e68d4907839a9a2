// Tiles of whole image rows for the stacked dilated convolution on tensor cores with bf16 storage (sdc_rows_bf16.cu),
// and the product that its forward pass and its input gradient share. Branch k is a 3x3 convolution with dilation d_k
// and zero padding d_k. O = c_out and I = c_in are multiples of 8. Sums are f32.
//
// TILES. The pixels of a batch form one list. A tile is as many whole image rows as fit (8 rows of 32 pixels are 256,
// 11 rows of 23 are 253), possibly of several images, or, if a row is longer, a part of the list. Tap (a, b) of pixel p
// reads p + ((a-1) d, (b-1) d), and this is a fixed distance in the list too. So a kernel row a needs one SLAB: the
// tile's pixels moved by (a-1) d W in the list. It is copied to shared memory once; the three column taps read it there
// through the row addresses of ldmatrix, moved by (b-1) d:
//
//     tile, d = 1                slab of kernel row 0           column tap 0 of the pixels 0 1 2 .. 7
//     row y    0  1  2 .. 31     row y-1   0  1  2 .. 31        z  0  1 .. 6     z: a chunk of zeros in shared memory
//     row y+1 32 33 34 .. 63     row y    32 33 34 .. 63
//
//   - A row outside the image is copied as zeros, without traffic. If all rows of a slab are outside, its step is left
//     out.
//   - A column outside the image is read from the zeros. With d >= W only the centre column is left.
//   - If a tile is a part of a longer row, each column tap has a slab of its own, moved by ((a-1) W + b-1) d: slower,
//     but right for any W.
//
// SWIZZLE. Slabs of forward and input gradient are [256 pixels][32 channels] as depth_chunk (mma_layout.cuh) places
// them, those of the weight gradient [128 pixels][64 channels] as row_chunk does. Any eight consecutive rows of either
// lie in different eighths of 128 bytes, wherever they start, so moved rows have no bank conflicts. A row outside reads
// the zeros at its own offset modulo 128 bytes, so it keeps its eighth.
//
// PRODUCT. Block: 4 warps compute 256 pixels x 64 channels.
//
//     pixels    0.. 63 | warp 0: 4 x 8 fragments of 16 x 8, 128 sums a thread      stage: slab    [256][32]    16 KiB
//              64..127 | warp 1                                                           zeros                128 B
//             128..191 | warp 2                                                           weights [3][64][32]  12 KiB
//             192..255 | warp 3
//
// A warp tile of 64 x 64 reads 4 KiB of shared memory for 32 HMMA: 32 clocks of the about 50 that these take. A step of
// the depth is (branch, kernel row, slice of 32 channels). Three stages: one is multiplied while two are copied.
#pragma once
#include "mma_layout.cuh"
#include "sdc.cuh"

struct Bf16Branches { const bf16* at[MAX_BRANCHES]; };  // one buffer per branch, null past the last branch

constexpr uint32_t NOWHERE = 1u << 31;  // a coordinate that no tap moves into an image
constexpr uint32_t ZEROS = 64;          // values of 128 bytes: all banks once
constexpr uint32_t ZERO_CHUNKS = ZEROS / CHUNK;

// Distance of tap 0, 1 or 2 from the centre along one axis, modulo 2^32. Adjoints read mirrored taps.
DEVICE uint32_t tap_distance(uint32_t tap, uint32_t dilation, bool mirrored) {
    return (mirrored ? 1 - tap : tap - 1) * dilation;
}

struct Position { uint32_t y, x; };

// The tiles of up to PIXELS pixels.
template <uint32_t PIXELS> struct RowTiles {
    Divisor lines, columns;
    uint32_t total, size;  // pixels of the batch and of a tile
    bool whole;            // tiles consist of whole rows
    DEVICE explicit RowTiles(const SdcSpec& s)
        : lines(s.h), columns(s.w), total(pixels_of(s)), size(s.w <= PIXELS ? PIXELS / s.w * s.w : PIXELS),
          whole(s.w <= PIXELS) {}
    DEVICE uint32_t count() const { return (total + size - 1) / size; }
    // Pixel r of the tile that starts at pixel `first`; nowhere past its end.
    DEVICE Position at(uint32_t first, uint32_t r) const {
        uint32_t pixel = first + r, line = columns.quotient(pixel);
        if (r >= size || pixel >= total) return {NOWHERE, NOWHERE};
        return {line - lines.quotient(line) * lines.d, pixel - line * columns.d};
    }
    DEVICE Lines lines_at(uint32_t first) const {
        return lines_of(lines, columns, first, min(first + size, total) - 1);
    }
};

constexpr uint32_t SLAB_PIXELS = 256, SLAB_CHANNELS = 64, SLAB_THREADS = 128, SLAB_STAGES = 3, WARP_PIXELS = 64;
constexpr uint32_t FRAGMENTS_M = WARP_PIXELS / 16, FRAGMENTS_N = SLAB_CHANNELS / 8;
static_assert(SLAB_PIXELS == SLAB_THREADS / WARP * WARP_PIXELS, "the warps share the pixels; each has all channels");

struct SlabStage {
    bf16 slab[SLAB_PIXELS * MMA_K + ZEROS];  // then the zeros
    bf16 weights[3][SLAB_CHANNELS * MMA_K];  // per column tap
};
constexpr uint32_t SLAB_PASS = SLAB_THREADS / DEPTH_CHUNKS;    // rows that the threads copy at a time
constexpr uint32_t SLAB_COPIES = SLAB_PIXELS / SLAB_PASS;      // chunks that a thread copies
static_assert(SLAB_PASS % 8 == 0, "swizzles repeat after eight rows, so a thread's chunks lie the same in each pass");
static_assert(SLAB_COPIES <= 32, "a word tells which of a thread's rows are inside the image");
struct SlabTiles {
    SlabStage stages[SLAB_STAGES];
    Position pixels[SLAB_PIXELS];
};
constexpr uint32_t SLAB_BYTES = 88448;
static_assert(sizeof(SlabTiles) == SLAB_BYTES, "as the kernels' headers say");
static_assert(sizeof(SlabStage) % 128 == 0, "the swizzle counts from bank 0");
static_assert(sizeof(SlabTiles::stages) >= SLAB_PIXELS * SLAB_CHANNELS * sizeof(float), "sums are staged in it");
static_assert(2 * (SLAB_BYTES + 1024) <= 228 * 1024, "two blocks per multiprocessor; the system takes 1 KiB of each");

// y = w * x: the depth is the input channels of one branch. Weights are [64 outputs][32 inputs].
struct Forward {
    static constexpr bool MIRRORED = false;
    static constexpr uint32_t ROW_CHUNKS = DEPTH_CHUNKS;  // of a row of the weights
    DEVICE static uint32_t depth(const SdcSpec& s) { return s.c_in; }
    DEVICE static uint32_t pitch(const SdcSpec& s) { return s.c_in; }
    DEVICE static uint32_t weight_pitch(const SdcSpec&) { return 1; }  // distance of weights along the depth
    DEVICE static uint32_t start(const SdcSpec&, uint32_t) { return 0; }
    // The output and input channel of chunk `chunk` in row `row` of the weights, and its place in the tile.
    struct Weight { uint32_t o, i; };
    DEVICE static Weight weight(uint32_t row, uint32_t chunk, uint32_t column, uint32_t depth) {
        return {column + row, depth + chunk * CHUNK};
    }
    DEVICE static uint32_t place(uint32_t row, uint32_t chunk) { return depth_chunk(row, chunk); }
    // Where a lane's row of the right operand lies: for columns and depth 0; and from there, for columns 8 j.. and
    // depth k..
    DEVICE static uint32_t right(uint32_t lane) { return depth_chunk(lane % 8 + lane / 16 * 8, lane / 8 % 2); }
    DEVICE static uint32_t right(uint32_t first, uint32_t j, uint32_t k) { return (first ^ k) + j * 8 * MMA_K; }
    DEVICE static void load(uint32_t (&right)[4], const bf16* row) { ldmatrix4(right, row); }
};
// dx = wᵀ * dz: the depth is the output channels of all branches. Weights are [32 outputs][64 inputs].
struct Adjoint {
    static constexpr bool MIRRORED = true;
    static constexpr uint32_t ROW_CHUNKS = SLAB_CHANNELS / CHUNK;
    DEVICE static uint32_t depth(const SdcSpec& s) { return s.c_out; }
    DEVICE static uint32_t pitch(const SdcSpec& s) { return concat_channels(s); }
    DEVICE static uint32_t weight_pitch(const SdcSpec& s) { return TAPS * s.c_in; }
    DEVICE static uint32_t start(const SdcSpec& s, uint32_t branch) { return branch * s.c_out; }
    using Weight = Forward::Weight;
    DEVICE static Weight weight(uint32_t row, uint32_t chunk, uint32_t column, uint32_t depth) {
        return {depth + row, column + chunk * CHUNK};
    }
    DEVICE static uint32_t place(uint32_t row, uint32_t chunk) { return row_chunk<SLAB_CHANNELS>(row, chunk); }
    DEVICE static uint32_t right(uint32_t lane) { return row_chunk<SLAB_CHANNELS>(lane % 16, lane / 16); }
    DEVICE static uint32_t right(uint32_t first, uint32_t j, uint32_t k) {
        return (first ^ j * CHUNK) + k * SLAB_CHANNELS;
    }
    DEVICE static void load(uint32_t (&right)[4], const bf16* row) { ldmatrix4_transposed(right, row); }
};

// A step of the depth: the slab of kernel row `row`, for all column taps if tiles are whole rows, else for `column`.
struct SlabStep { uint32_t branch, row, column, channel; };

// The steps that a tile needs, in the order branch, row, column, channel: most steps only move on along the channels.
template <class Pass> struct SlabSteps {
    const SdcSpec& s;
    bool whole;
    uint32_t end;      // past the last branch
    uint32_t reached;  // bit 3 branch + row: whether the kernel row reaches the image from any line of the tile
    static_assert(3 * MAX_BRANCHES <= 32, "a bit per branch and kernel row");
    DEVICE SlabSteps(const SdcSpec& s, Lines lines, bool whole, uint32_t begin, uint32_t end)
        : s(s), whole(whole), end(end), reached(0) {
#pragma unroll 1
        for (uint32_t branch = begin; branch < end; branch++)
#pragma unroll
            for (uint32_t row = 0; row < 3; row++) {
                uint32_t centre = (Pass::MIRRORED ? 2 - row : row) * 3 + 1;
                reached |= (reaches(s, lines, centre, s.dilations[branch]) ? 1u : 0u) << (3 * branch + row);
            }
    }
    DEVICE bool done(const SlabStep& t) const { return t.branch >= end; }
    // Whether other column taps than the centre's reach the image.
    DEVICE bool sideways(uint32_t branch) const { return s.dilations[branch] < s.w; }
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

    // What the steps of one tap share. Of this thread's copies at channel 0: where the slab's first chunk is in the
    // source, bit j: whether its row j is inside the image, and where its first weights are. Bit b: whether column tap
    // b is needed.
    uint32_t index, inside, columns;
    const bf16* w_first;

    DEVICE static uint32_t row() { return threadIdx.x / DEPTH_CHUNKS; }
    DEVICE static uint32_t chunk() { return threadIdx.x % DEPTH_CHUNKS; }
    DEVICE static uint32_t w_row() { return threadIdx.x / Pass::ROW_CHUNKS; }
    DEVICE static uint32_t w_chunk() { return threadIdx.x % Pass::ROW_CHUNKS; }

    // How far a step moves its slab.
    DEVICE uint32_t dy(uint32_t branch, uint32_t row) const {
        return tap_distance(row, s.dilations[branch], Pass::MIRRORED);
    }
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
    DEVICE void weights(bf16* target, const SlabStep& t, uint32_t column) const {
        constexpr uint32_t PASS = SLAB_THREADS / Pass::ROW_CHUNKS;
        constexpr uint32_t ROWS = SLAB_CHANNELS * DEPTH_CHUNKS / Pass::ROW_CHUNKS;
        static_assert(PASS % 8 == 0, "as for slabs");
        typename Pass::Weight at = Pass::weight(w_row(), w_chunk(), first_column, t.channel);
        const bf16* from = w_first + (t.channel * Pass::weight_pitch(s) + column * s.c_in);
        target += Pass::place(w_row(), w_chunk());
#pragma unroll
        for (uint32_t j = 0; j < ROWS; j += PASS) {
            bool valid = at.o + j < s.c_out && at.i < s.c_in;
            cp_async16(target + j * Pass::ROW_CHUNKS * CHUNK, from + j * TAPS * s.c_in, valid);
        }
    }
    DEVICE void weights(SlabStage& stage, const SlabStep& t) const {
        if (columns != 7) return weights(stage.weights[t.column], t, t.column);  // one column alone, see SlabSteps
#pragma unroll
        for (uint32_t b = 0; b < 3; b++) weights(stage.weights[b], t, b);
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
    // c += the product of 16 channels, from k on, of column tap b. The second 16 channels of a row are two chunks on.
    // That is bit 1 of the chunk's number, which the swizzle leaves an exclusive or.
    template <class Pass>
    DEVICE void add(const SlabStage& stage, const SlabRows& rows, uint32_t right_row, uint32_t b, uint32_t k) {
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
    template <class Pass>
    DEVICE void add(const SlabStage& stage, const SlabRows& rows, uint32_t right_row, uint32_t columns) {
#pragma unroll
        for (uint32_t b = 0; b < 3; b++)
            if (columns >> b & 1) {
#pragma unroll
                for (uint32_t k = 0; k < MMA_K; k += 16) add<Pass>(stage, rows, right_row, b, k);
            }
    }
};

// Offset of a sum in a warp's staging area, 64 pixels of 64 floats. Half a warp stores pairs of floats together, 32
// bytes in each of 4 pixels, so the pixel swizzles the eighths of its row. A quarter of a warp loads four floats each
// together, from eight eighths of one pixel, so the halves of eighths 4-7 change places.
DEVICE uint32_t staged(uint32_t pixel, uint32_t channel) {
    uint32_t eighth = channel / 8, half = channel / 4 % 2;
    return pixel * SLAB_CHANNELS + (eighth ^ (pixel % 4)) * 8 + (half ^ (eighth / 4)) * 4 + channel % 4;
}

// Calls finish(pixel of the tile, channel of the tile, eight sums) for every chunk. The loop is rolled, since `finish`
// holds the code of all activations.
template <class Finish> DEVICE void each_chunk(SlabTiles& tiles, const SlabSums& warp_sums, const Finish& finish) {
    __syncthreads();  // the last stage is no longer read
    uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    float* own = (float*)tiles.stages + warp * WARP_PIXELS * SLAB_CHANNELS;
#pragma unroll
    for (uint32_t i = 0; i < FRAGMENTS_M; i++)
#pragma unroll
        for (uint32_t j = 0; j < FRAGMENTS_N; j++)
#pragma unroll
            for (uint32_t half = 0; half < 2; half++) {
                float2 pair = {warp_sums.c[i][j][half * 2], warp_sums.c[i][j][half * 2 + 1]};
                *(float2*)(own + staged(i * 16 + half * 8 + lane / 4, j * 8 + lane % 4 * 2)) = pair;
            }
    __syncwarp();
#pragma unroll 1
    for (uint32_t n = lane; n < WARP_PIXELS * SLAB_CHANNELS / CHUNK; n += WARP) {
        uint32_t pixel = n / (SLAB_CHANNELS / CHUNK), channel = n % (SLAB_CHANNELS / CHUNK) * CHUNK;
        float4 low = load4(own + staged(pixel, channel)), high = load4(own + staged(pixel, channel + 4));
        Eight sums{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
        finish(warp * WARP_PIXELS + pixel, channel, sums);
    }
}

// Writes chunk `thread` of the zeros behind a slab.
template <uint32_t SLAB> DEVICE void write_zeros(bf16 (&slab)[SLAB], uint32_t thread) {
    store16(slab + SLAB - ZEROS + thread * CHUNK, make_uint4(0, 0, 0, 0));
}

// The product of one block: tile blockIdx.x of the pixels, tile blockIdx.y of the channels, branches from `begin` to
// `end`.
template <class Pass, class Finish>
DEVICE void slab_product(SlabTiles& tiles, const bf16* source, const Bf16Branches& w, const SdcSpec& s, uint32_t begin,
                         uint32_t end, const Finish& finish) {
    RowTiles<SLAB_PIXELS> grid(s);
    uint32_t first = blockIdx.x * grid.size;
    for (uint32_t r = threadIdx.x; r < SLAB_PIXELS; r += SLAB_THREADS) tiles.pixels[r] = grid.at(first, r);
    if (threadIdx.x < SLAB_STAGES * ZERO_CHUNKS)
        write_zeros(tiles.stages[threadIdx.x / ZERO_CHUNKS].slab, threadIdx.x % ZERO_CHUNKS);
    __syncthreads();  // the positions are complete

    SlabSteps<Pass> steps(s, grid.lines_at(first), grid.whole, begin, end);
    SlabCopies<Pass> copies{source, w, s, steps, tiles, first, blockIdx.y * SLAB_CHANNELS, 0, 0, 0, nullptr};
    SlabStep now = steps.first(begin), next = steps.after(now);
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
