// Stacked dilated convolution on tensor cores with bf16 storage, and its adjoints. Branch k is a 3x3 convolution with
// dilation d_k and zero padding d_k, and owns channels k O .. (k+1) O - 1 of the concatenated result, O = c_out. Sums
// are f32; every bf16 result is rounded once. Tiles, slabs and swizzles are drawn in sdc_rows.cuh.
#include "sdc_rows.cuh"

// y = A(concat_k(w_k * x + b_k)); blockIdx.z is the branch.
// x: [N,H,W,I], each w: [O,3,3,I], each b: [O], y: [N,H,W,branches O].
// Grid: tiles of the pixels, ceil(O / 64), branches.
// FLOPs: 18 n h w branches c_out c_in.
// Bytes: 2 n h w (c_in + branches c_out) + branches c_out (18 c_in + 4). Unit: matrix.
// Dynamic shared memory: 88448 bytes.
KERNEL __launch_bounds__(128, 2)
    sdc_rows_bf16(const bf16* __restrict__ x, const __grid_constant__ Bf16Branches w,
                  const __grid_constant__ BranchPointers b, bf16* __restrict__ y, const __grid_constant__ SdcSpec s) {
    DYN_SHARED(SlabTiles, tiles);
    uint32_t branch = blockIdx.z, first_channel = blockIdx.y * SLAB_CHANNELS;
    RowTiles<SLAB_PIXELS> grid(s);
    slab_product<Forward>(*tiles, x, w, s, branch, branch + 1, [&](uint32_t r, uint32_t channel, Eight v) {
        uint32_t pixel = blockIdx.x * grid.size + r, o = first_channel + channel;
        if (r >= grid.size || pixel >= grid.total || o >= s.c_out) return;
        // Rolled, so that the code holds each activation four times and not eight: the first half is replaced, and the
        // halves change places.
#pragma unroll 1
        for (uint32_t half = 0; half < CHUNK; half += 4) {
            float4 z = load4(b.at[branch] + o + half);
            v = {{v.v[4], v.v[5], v.v[6], v.v[7],
                  activate(s.activation, v.v[0] + z.x), activate(s.activation, v.v[1] + z.y),
                  activate(s.activation, v.v[2] + z.z), activate(s.activation, v.v[3] + z.w)}};
        }
        store8(y + (pixel * concat_channels(s) + branch * s.c_out + o), v);
    });
}
REGISTER_KERNEL(sdc_rows_bf16)

// dx += Σ_k w_kᵀ * dz_k, the branches in the depth of one product. With dx_blank, dx stands for zeros that were never
// written. With y, the output of an activation A that is x itself, the sum is then multiplied by A'(z) = slope(y).
// dz: [N,H,W,branches O], each w: [O,3,3,I], dx: [N,H,W,I], y: [N,H,W,I] or null.
// Grid: tiles of the pixels, ceil(I / 64). The bytes are without the reads of dx and y.
// adds: 0 if dx_blank, else 1. sloped: 1 with y, else 0. FLOPs: 18 n h w branches c_out c_in.
// Bytes: 2 n h w (branches c_out + (1 + adds + sloped) c_in) + 18 branches c_out c_in. Unit: matrix.
// Dynamic shared memory: 88448 bytes.
KERNEL __launch_bounds__(128, 2)
    sdc_rows_input_grad_bf16(const bf16* __restrict__ dz, const __grid_constant__ Bf16Branches w, bf16* __restrict__ dx,
                             uint32_t dx_blank, const bf16* __restrict__ y, uint32_t activation,
                             const __grid_constant__ SdcSpec s) {
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
// Block: 8 warps compute 64 outputs x 64 inputs x 9 taps of one branch, a warp all outputs and taps of 8 inputs in 4 x
// 9 fragments of 16 x 8: 144 sums a thread. The depth is the pixels. A stage is a tile of 128 pixels: dz, and the slabs
// of x of the three kernel rows. So x is read from L2 three times per branch and not nine. 16 pixels are 36 HMMA for
// 4.25 KiB of shared memory, since the four fragments of dz serve all nine taps.
//
//     left: dz [16 pixels][64 outputs]ᵀ        right, per tap: x [16 moved pixels][8 inputs of the warp]
//
// One ldmatrix brings two column taps (lanes 0-15 tap 0, lanes 16-31 tap 1), another the third tap of two steps (lanes
// 0-31 pixels 0-31).
constexpr uint32_t GRAD_PIXELS = 128, GRAD_CHANNELS = 64, GRAD_THREADS = 256, GRAD_STAGES = 3;
constexpr uint32_t GRAD_M = GRAD_CHANNELS / 16, GRAD_CHUNKS = GRAD_CHANNELS / CHUNK;
static_assert(GRAD_THREADS / WARP == GRAD_CHUNKS, "a warp per chunk of inputs");

struct GradStage {
    bf16 dz[GRAD_PIXELS * GRAD_CHANNELS];
    bf16 x[3][GRAD_PIXELS * GRAD_CHANNELS + ZEROS];  // per kernel row: the slab, then the zeros
};
struct GradTiles { GradStage stages[GRAD_STAGES]; };
static_assert(GRAD_THREADS / GRAD_CHUNKS == 32, "a thread copies as many rows of a tile as there are pairs of steps");
constexpr uint32_t GRAD_BYTES = 197760;
static_assert(sizeof(GradTiles) == GRAD_BYTES, "as the kernel's header says");
static_assert(sizeof(GradStage) % 128 == 0, "the swizzle counts from bank 0");
static_assert(GRAD_BYTES <= 232448, "one block per multiprocessor: its 8 warps need all registers");

// A tile of pixels, the column tap of its slabs if tiles are parts of rows, and bit a: whether kernel row a reaches the
// image.
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

    static constexpr uint32_t PASS = GRAD_THREADS / GRAD_CHUNKS;  // rows that the threads copy at a time
    static constexpr uint32_t COPIES = GRAD_PIXELS / PASS;        // rows that a thread copies a chunk of
    static_assert(PASS % 8 == 0, "swizzles repeat after eight rows, so a thread's chunks lie the same in each pass");

    // Starts the copies of row j of this thread. A copy of zeros reads nothing, so its address may be outside the
    // buffer.
    DEVICE void fill(GradStage& stage, const GradStep& t, uint32_t j) const {
        if (steps.done(t)) return;
        uint32_t row = threadIdx.x / GRAD_CHUNKS, chunk = threadIdx.x % GRAD_CHUNKS, first = t.tile * steps.grid.size;
        uint32_t o = first_o + chunk * CHUNK, i = first_i + chunk * CHUNK, pixel = first + row + j * PASS;
        uint32_t place = row_chunk<GRAD_CHANNELS>(row, chunk) + j * PASS * GRAD_CHANNELS;
        uint32_t dx = steps.grid.whole ? 0 : tap_distance(t.column, steps.dilation, false);
        Position at = steps.grid.at(first, row + j * PASS);
        uint32_t from = pixel * concat_channels(s) + branch * s.c_out + o;
        cp_async16(stage.dz + place, dz + from, at.y < s.h && o < s.c_out);
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

// Where a lane's rows of the right operand lie in a slab: of the first two column taps in step 0, of the third in steps
// 0 and 1. Later steps lie 16 rows on. Bit k: whether the row in step k is inside the image; tiles of whole rows have
// equal columns.
struct GradRows {
    uint32_t pair, third, pair_inside, third_inside;
    DEVICE GradRows(const RowTiles<GRAD_PIXELS>& grid, uint32_t dilation) : pair_inside(0), third_inside(0) {
        uint32_t lane = threadIdx.x % WARP, chunk = threadIdx.x / WARP;
        uint32_t pair_dx = grid.whole ? tap_distance(lane / 16, dilation, false) : 0;
        uint32_t third_dx = grid.whole ? dilation : 0;
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
    // c += the product of a stage. Calls between(j) for every pair of steps, which starts a part of the next copies, so
    // that their address arithmetic overlaps with products of other warps.
    template <class Which, class Between>
    DEVICE void add(const GradStage& stage, const GradRows& rows, const Which& which, const Between& between) {
#pragma unroll 1
        for (uint32_t k = 0; k < GRAD_PIXELS / 16; k += 2) {
            uint32_t third[3][4];
            between(k / 2);
#pragma unroll
            for (uint32_t a = 0; a < 3; a++)
                if (which.row(a) && which.column(2))
                    ldmatrix4_transposed(third[a], stage.x[a] + GradRows::at(rows.third, rows.third_inside, k));
#pragma unroll
            for (uint32_t e = 0; e < 2; e++) {
                uint32_t left[GRAD_M][4];
#pragma unroll
                for (uint32_t m = 0; m < GRAD_M; m++)
                    left_fragment<GradColumns>(left[m], stage.dz, m * 16, (k + e) * 16);
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
    DEVICE void add(const GradStage& stage, const GradRows& rows, uint32_t row_bits, uint32_t columns,
                    const Between& between) {
        if (columns != 7) add(stage, rows, SomeTaps{row_bits, columns}, between);
        else if (row_bits == 7) add(stage, rows, WholeRows<7>{}, between);
        else if (row_bits == 6) add(stage, rows, WholeRows<6>{}, between);
        else if (row_bits == 3) add(stage, rows, WholeRows<3>{}, between);
        else add(stage, rows, WholeRows<2>{}, between);
    }
    // Target: [O,3,3,I]. Four lanes store the 32 bytes of eight inputs.
    DEVICE void store(float* target, uint32_t first_o, uint32_t first_i, const SdcSpec& s) const {
        uint32_t lane = threadIdx.x % WARP, i = first_i + threadIdx.x / WARP * CHUNK + lane % 4 * 2;
#pragma unroll
        for (uint32_t m = 0; m < GRAD_M; m++)
#pragma unroll
            for (uint32_t half = 0; half < 2; half++) {
                uint32_t o = first_o + m * 16 + half * 8 + lane / 4;
                float* row = target + (o * TAPS * s.c_in + i);
                if (o >= s.c_out || i >= s.c_in) continue;
#pragma unroll
                for (uint32_t tap = 0; tap < TAPS; tap++)
                    *(float2*)(row + tap * s.c_in) = float2{c[m][tap][half * 2], c[m][tap][half * 2 + 1]};
            }
    }
};

// Sums of dz over the pixels, as products with ones: warp v adds outputs 16 (v % 4).. in every second step, from v / 4
// on.
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
    // Warps 4-7 hand their sums to warps 0-3. All columns of a fragment are equal; lanes of column 0 write rows g and g
    // + 8.
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

// partial[s, k] = Σ x dz_k and bias_partial[s, k] = Σ dz_k over split s of the tiles, for every branch k; bias_partial
// may be null. blockIdx.z = k splits + s, so that branches with small dilations, which have most taps, start first.
// x: [N,H,W,I], dz: [N,H,W,branches O], partial: [splits,branches,O,3,3,I], bias_partial: [splits,branches,O].
// Grid: ceil(O / 64), ceil(I / 64), branches splits.
// FLOPs: 18 n h w branches c_out c_in.
// Bytes: 2 n h w (c_in + branches c_out) + 4 splits branches c_out (9 c_in + 1). Unit: matrix.
// Dynamic shared memory: 197760 bytes.
KERNEL __launch_bounds__(256, 1)
    sdc_rows_weight_grad_bf16(const bf16* __restrict__ x, const bf16* __restrict__ dz, float* __restrict__ partial,
                              float* __restrict__ bias_partial, const __grid_constant__ SdcSpec s) {
    DYN_SHARED(GradTiles, tiles);
    uint32_t splits = gridDim.z / s.branches, branch = blockIdx.z / splits, split = blockIdx.z % splits;
    uint32_t first_o = blockIdx.x * GRAD_CHANNELS, first_i = blockIdx.y * GRAD_CHANNELS;
    RowTiles<GRAD_PIXELS> grid(s);
    uint32_t count = (grid.count() + splits - 1) / splits;
    if (threadIdx.x < GRAD_STAGES * 3 * ZERO_CHUNKS) {
        uint32_t slab = threadIdx.x / ZERO_CHUNKS;
        write_zeros(tiles->stages[slab / 3].x[slab % 3], threadIdx.x % ZERO_CHUNKS);
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
        sums.add(tiles->stages[stage], rows, now.rows, steps.columns(now),
                 [&](uint32_t j) { copies.fill(tiles->stages[spare], last, j); });
        cp_commit();  // one group per step, empty past the last, so the number of groups to wait for stays the same
        if (sums_bias && now.column == 1) bias.add(tiles->stages[stage]);
        now = next;
        next = last;
        spare = stage;
        stage = stage + 1 == GRAD_STAGES ? 0 : stage + 1;
    }
    uint64_t part = (uint64_t)split * s.branches + branch;
    sums.store(partial + part * s.c_out * TAPS * s.c_in, first_o, first_i, s);
    uint32_t outputs = s.c_out > first_o ? s.c_out - first_o : 0;
    if (sums_bias) bias.store((float*)tiles, bias_partial + part * s.c_out + first_o, outputs);
}
REGISTER_KERNEL(sdc_rows_weight_grad_bf16)
