// The images of a convolution as bf16 operands of tensor cores: rows or columns of the matrix that im2col would write, copied chunk by
// chunk from where they are. Channels are padded to whole chunks.
#pragma once
#include "mma.cuh"

// A number in mixed radix, counted on without divisions.
struct Digits { uint32_t high, middle, low; };
DEVICE Digits digits(uint32_t value, uint32_t middle, uint32_t low) { return {value / low / middle, value / low % middle, value % low}; }
DEVICE void advance(Digits& d, Digits by, uint32_t middle, uint32_t low) {
    d.high += by.high; d.middle += by.middle; d.low += by.low;
    if (d.low >= low) { d.low -= low; d.middle++; }
    if (d.middle >= middle) { d.middle -= middle; d.high++; }
}

// How far the taps of a branch reach: tap a lies at a·dilation - padding.
struct Reach { uint32_t dilation, padding; };
struct OneBranch {
    Reach reach;
    DEVICE uint32_t count() const { return 1; }
    DEVICE uint32_t of(uint32_t, uint32_t) const { return 0; }
    DEVICE Reach operator[](uint32_t) const { return reach; }
};
// Selected, not indexed: an index that is no constant would put the spec into local memory.
DEVICE uint32_t dilation_of(const SdcSpec& s, uint32_t branch) {
    uint32_t dilation = s.dilations[0];
#pragma unroll
    for (uint32_t k = 1; k < MAX_BRANCHES; k++) dilation = branch == k ? s.dilations[k] : dilation;
    return dilation;
}
struct SdcBranches {
    const SdcSpec& s;
    DEVICE uint32_t count() const { return s.branches; }
    DEVICE uint32_t of(uint32_t row, uint32_t kernel) const { return min(row / kernel, s.branches - 1); }
    DEVICE Reach operator[](uint32_t branch) const {
        uint32_t dilation = dilation_of(s, branch);
        return {dilation, dilation};
    }
};

// A tap's offset from where a pixel looks, in rows and columns of the image seen.
struct Offset { uint32_t row, column; };

// Pixels of one image look at taps of another. Forward, output pixels look at p·stride + offset. In the adjoint, input pixels look
// at p - offset, of which every stride-th is an output pixel; strides are 1 and 2.
struct View {
    uint32_t n, h, w;  // pixels that look
    uint32_t seen_h, seen_w, stride;
    bool adjoint;

    DEVICE uint32_t pixels() const { return n * h * w; }
    DEVICE Offset offset(uint32_t a, uint32_t b, Reach reach) const {
        Offset o{a * reach.dilation - reach.padding, b * reach.dilation - reach.padding};
        return adjoint ? Offset{0 - o.row, 0 - o.column} : o;
    }
    // Whether there is a pixel at (row, column), positions that a pixel looks at; `index` is which.
    DEVICE bool find(uint32_t image, uint32_t row, uint32_t column, uint32_t& index) const {
        uint32_t halve = adjoint ? stride - 1 : 0, r = row >> halve, c = column >> halve;
        index = (image * seen_h + r) * seen_w + c;
        return ((row | column) & halve) == 0 && r < seen_h && c < seen_w;
    }
    DEVICE uint32_t scale() const { return adjoint ? 1 : stride; }
};
DEVICE View forward_view(const Conv2dSpec& s) { return {s.n, s.h_out, s.w_out, s.h, s.w, s.stride, false}; }
DEVICE View adjoint_view(const Conv2dSpec& s) { return {s.n, s.h, s.w, s.h_out, s.w_out, s.stride, true}; }

constexpr uint32_t NOWHERE = 1u << 30;  // a position that no tap brings back into an image

// Rows: pixels that look. Depth: (branch, tap, channel). seen: [pixels seen, branches, channels].
template <uint32_t ROWS, class Branches> struct PatchRows {
    static constexpr bool ALONG_DEPTH = true;
    static constexpr uint32_t EXTENT = ROWS;
    static constexpr uint32_t PASS = MMA_THREADS / DEPTH_CHUNKS, PASSES = ROWS / PASS;
    const bf16* seen;
    const View& view;
    const Branches& branches;
    uint32_t kernel, channels, image[PASSES], top[PASSES], left[PASSES];
    Digits tap, step;  // rows of taps of all branches, column of the tap, channel

    DEVICE PatchRows(const bf16* seen, const View& view, const Branches& branches, uint32_t kernel, uint32_t channels, uint32_t first_row)
        : seen(seen), view(view), branches(branches), kernel(kernel), channels(channels),
          tap(digits(threadIdx.x % DEPTH_CHUNKS * CHUNK, kernel, channels)), step(digits(MMA_K, kernel, channels)) {
#pragma unroll
        for (uint32_t j = 0; j < PASSES; j++) {
            uint32_t m = first_row + threadIdx.x / DEPTH_CHUNKS + j * PASS;
            Digits pixel = digits(m, view.h, view.w);
            image[j] = pixel.high;
            top[j] = m < view.pixels() ? pixel.middle * view.scale() : NOWHERE;
            left[j] = pixel.low * view.scale();
        }
    }

    DEVICE void fill(bf16* tile) {
        uint32_t branch = branches.of(tap.high, kernel), a = tap.high - branch * kernel;
        Offset offset = view.offset(a, tap.middle, branches[branch]);
#pragma unroll
        for (uint32_t j = 0; j < PASSES; j++) {
            uint32_t pixel;
            bool valid = view.find(image[j], top[j] + offset.row, left[j] + offset.column, pixel) && a < kernel;
            uint32_t target = depth_chunk(threadIdx.x / DEPTH_CHUNKS + j * PASS, threadIdx.x % DEPTH_CHUNKS);
            cp_async16(tile + target, seen + (valid ? (pixel * branches.count() + branch) * channels + tap.low : 0), valid);
        }
        advance(tap, step, kernel, channels);
    }
};

// Rows: (tap, channel). Depth: pixels that look. seen: [pixels seen, channels].
template <uint32_t ROWS> struct PatchColumns {
    static constexpr bool ALONG_DEPTH = false;
    static constexpr uint32_t EXTENT = ROWS;
    static constexpr uint32_t CHUNKS = ROWS / CHUNK, PASS = MMA_THREADS / CHUNKS;
    const bf16* seen;
    const View& view;
    uint32_t channels, channel, k, end;
    Offset offset;
    Digits pixel, step;  // image, row, column

    DEVICE PatchColumns(const bf16* seen, const View& view, Reach reach, uint32_t kernel, uint32_t channels, uint32_t first_row, Split split)
        : seen(seen), view(view), channels(channels), k(split.begin + threadIdx.x / CHUNKS), end(split.end),
          pixel(digits(k, view.h, view.w)), step(digits(PASS, view.h, view.w)) {
        Digits tap = digits(first_row + threadIdx.x % CHUNKS * CHUNK, kernel, channels);
        channel = tap.low;
        offset = view.offset(tap.high, tap.middle, reach);
        if (tap.high >= kernel) end = 0;
    }

    DEVICE void fill(bf16* tile) {
#pragma unroll
        for (uint32_t j = 0; j < MMA_K; j += PASS) {
            uint32_t index;
            bool valid = view.find(pixel.high, pixel.middle * view.scale() + offset.row, pixel.low * view.scale() + offset.column, index) && k < end;
            uint32_t target = row_chunk<ROWS>(threadIdx.x / CHUNKS + j, threadIdx.x % CHUNKS);
            cp_async16(tile + target, seen + (valid ? index * channels + channel : 0), valid);
            advance(pixel, step, view.h, view.w);
            k += PASS;
        }
    }
};

// y = A(c + b) in channels start.. of a matrix [rows, pitch]; b may be null.
struct StoreChannels {
    float* y;
    const float* b;
    uint32_t rows, columns, pitch, start, activation;
    DEVICE void operator()(uint32_t m, uint32_t n, float4 v) const {
        uint32_t count = m < rows ? quad_count(n, columns) : 0;
        float4 bias = b ? load_quad(b, n, count) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        float4 z = make_float4(v.x + bias.x, v.y + bias.y, v.z + bias.z, v.w + bias.w);
        float4 result = make_float4(activate(activation, z.x), activate(activation, z.y), activate(activation, z.z), activate(activation, z.w));
        store_quad(y, m * pitch + start + n, count, result);
    }
};
// C = c in a matrix [rows, taps, channels] whose columns in c are padded.
struct StoreTaps {
    float* y;
    uint32_t rows, taps, channels;
    DEVICE void operator()(uint32_t m, uint32_t n, float4 v) const {
        uint32_t tap = n / padded(channels), i = n % padded(channels);
        uint32_t count = m < rows && tap < taps ? quad_count(i, channels) : 0;
        store_quad(y, (m * taps + tap) * channels + i, count, v);
    }
};

// Tiles of pixels by channels, and of weights: output channels by (tap, input channel).
constexpr uint32_t PIXELS = 128, CHANNELS = 64, WEIGHTS = 128;
using PixelTiles = MmaTiles<PIXELS, CHANNELS>;
using WeightTiles = MmaTiles<CHANNELS, WEIGHTS>;

// y = A(w * x + b) in channels start.. of y [pixels, pitch], for one tile. x, w: channels padded.
DEVICE void convolve(PixelTiles& tiles, const bf16* x, const bf16* w, const float* b, float* y, const Conv2dSpec& s, uint32_t pitch, uint32_t start,
                     uint32_t activation) {
    uint32_t channels = padded(s.c_in), depth = s.kernel * s.kernel * channels, m0 = blockIdx.x * PIXELS, n0 = blockIdx.y * CHANNELS;
    View view = forward_view(s);
    OneBranch branch{{s.dilation, s.padding}};
    PatchRows<PIXELS, OneBranch> left(x, view, branch, s.kernel, channels, m0);
    DepthChunks<CHANNELS> right(w, s.c_out, depth, n0);
    MmaSums<PIXELS, CHANNELS> sums;
    mma(tiles, left, right, mma_steps(depth), sums);
    sums.each_row(m0, n0, StoreChannels{y, b, view.pixels(), s.c_out, pitch, start, activation});
}

// dx += Σ over the branches of wᵀ * dz, for one tile. dz: [pixels, branches, c_out padded], w: [c_in, branches, taps, c_out padded].
template <class Branches>
DEVICE void convolve_adjoint(PixelTiles& tiles, const bf16* dz, const bf16* w, float* dx, const Conv2dSpec& s, const Branches& branches) {
    uint32_t channels = padded(s.c_out), depth = branches.count() * s.kernel * s.kernel * channels;
    uint32_t m0 = blockIdx.x * PIXELS, n0 = blockIdx.y * CHANNELS;
    View view = adjoint_view(s);
    PatchRows<PIXELS, Branches> left(dz, view, branches, s.kernel, channels, m0);
    DepthChunks<CHANNELS> right(w, s.c_in, depth, n0);
    MmaSums<PIXELS, CHANNELS> sums;
    mma(tiles, left, right, mma_steps(depth), sums);
    sums.each_row(m0, n0, StoreAdded{dx, view.pixels(), s.c_in});
}
