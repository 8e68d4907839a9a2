// Loaders that read the images of a convolution as bf16 operands for tensor cores (mma.cuh). They copy rows or columns of the im2col matrix
// chunk by chunk from the image, without storing the matrix. Channels are padded to whole chunks, so a chunk never spans two taps.
#pragma once
#include "mma.cuh"
#include "taps.cuh"

constexpr uint32_t OUTSIDE = 1u << 30;  // a line so far outside the image that no tap reaches the image

// Position of a chunk of the depth: its offset from a window's origin, and its channel.
struct ChunkPlace { uint32_t dy, dx, channel; bool inside; };

// The depth (tap, channel).
struct TapChunks {
    Taps taps;
    uint32_t step;  // distance between taps
    DEVICE uint32_t pitch() const { return taps.channels.d; }
    DEVICE ChunkPlace at(uint32_t k) const {
        Tap tap = taps.at(k);
        return {tap.row * step, tap.column * step, tap.channel, taps.has(tap)};
    }
};

// (r, k) = (pixel, chunk of the depth): the values that the window of pixel r reads. source: [pixels, pitch].
template <uint32_t ROWS, class Depth> struct PatchRows {
    static constexpr bool ALONG_DEPTH = true;
    static constexpr uint32_t EXTENT = ROWS;
    const bf16* source;
    const Window& window;
    const Depth& depth;
    Window::Origin origins[ROWS / DEPTH_PASS];

    DEVICE PatchRows(const bf16* source, const Window& window, const Depth& depth, uint32_t first_row, uint32_t rows)
        : source(source), window(window), depth(depth) {
#pragma unroll
        for (uint32_t j = 0; j < ROWS / DEPTH_PASS; j++) {
            uint32_t row = first_row + DepthPlace::row() + j * DEPTH_PASS;
            origins[j] = window.origin(row);
            if (row >= rows) origins[j].y = OUTSIDE;
        }
    }
    DEVICE void fill(bf16* tile, uint32_t k) const {
        ChunkPlace chunk = depth.at(k + DepthPlace::k());
#pragma unroll
        for (uint32_t j = 0; j < ROWS / DEPTH_PASS; j++) {
            Place at = window.shifted(origins[j], chunk.dy, chunk.dx);
            bool valid = at.inside && chunk.inside;
            cp_async16(DepthPlace::target(tile, j * DEPTH_PASS), source + (valid ? at.index * depth.pitch() + chunk.channel : 0), valid);
        }
    }
};

// (r, k) = ((tap, channel), pixel) up to pixel `end`: the transpose of the above.
template <uint32_t ROWS> struct PatchColumns {
    static constexpr bool ALONG_DEPTH = false;
    static constexpr uint32_t EXTENT = ROWS;
    using Own = RowPlace<ROWS>;
    const bf16* source;
    const Window& window;
    uint32_t channels, end;
    ChunkPlace chunk;

    DEVICE PatchColumns(const bf16* source, const Window& window, const TapChunks& taps, uint32_t first_row, uint32_t end)
        : source(source), window(window), channels(taps.pitch()), end(end), chunk(taps.at(first_row + Own::row())) {}

    DEVICE void fill(bf16* tile, uint32_t k) const {
#pragma unroll
        for (uint32_t j = 0; j < MMA_K; j += Own::PASS) {
            uint32_t pixel = k + Own::k() + j;
            Place at = window.shifted(window.origin(pixel), chunk.dy, chunk.dx);
            bool valid = at.inside && chunk.inside && pixel < end;
            cp_async16(Own::target(tile, j), source + (valid ? at.index * channels + chunk.channel : 0), valid);
        }
    }
};

// C = c for a matrix [rows, taps, channels]. The channels of c are padded.
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
constexpr uint32_t PIXELS_BF16 = 128, CHANNELS_BF16 = 64, WEIGHTS_BF16 = 128;
using PixelTiles = MmaTiles<PIXELS_BF16, CHANNELS_BF16>;
using WeightTiles = MmaTiles<CHANNELS_BF16, WEIGHTS_BF16>;

// The forward product of one tile; `store` receives its rows. x: [N,H,W,padded I], w: [O,kH,kW,padded I].
template <class Store, class Steps = EveryStep>
DEVICE void convolve(PixelTiles& tiles, const bf16* x, const bf16* w, const Conv2dSpec& s, const Store& store, const Steps& steps = Steps{}) {
    uint32_t m0 = blockIdx.x * PIXELS_BF16, n0 = blockIdx.y * CHANNELS_BF16, channels = padded(s.c_in), depth = tap_count(s) * channels;
    Window window = forward_window(s);
    TapChunks taps{Taps(s.kernel, channels), window.step};
    MmaSums<PIXELS_BF16, CHANNELS_BF16> sums;
    mma(tiles, PatchRows<PIXELS_BF16, TapChunks>(x, window, taps, m0, output_pixels(s)), DepthChunks<CHANNELS_BF16>{w, s.c_out, depth, n0}, 0, depth,
        sums, steps);
    sums.each_row(m0, n0, store);
}

// The input gradient of one tile. `depth` indexes (branch, tap, output channel), `length` values in total. dz: [pixels, pitch],
// w: [I, length].
template <class Depth, class Steps = EveryStep>
DEVICE void convolve_adjoint(PixelTiles& tiles, const bf16* dz, const bf16* w, float* dx, const Conv2dSpec& s, const Window& window,
                             const Depth& depth, uint32_t length, const Steps& steps = Steps{}) {
    uint32_t m0 = blockIdx.x * PIXELS_BF16, n0 = blockIdx.y * CHANNELS_BF16;
    MmaSums<PIXELS_BF16, CHANNELS_BF16> sums;
    mma(tiles, PatchRows<PIXELS_BF16, Depth>(dz, window, depth, m0, input_pixels(s)), DepthChunks<CHANNELS_BF16>{w, s.c_in, length, n0}, 0, length,
        sums, steps);
    sums.each_row(m0, n0, StoreAdded{dx, input_pixels(s), s.c_in});
}

// The weight gradient of one tile over a split of the output pixels. x: [N,H,W,padded I], dz: [pixels, branches, padded O].
template <class Steps = EveryStep>
DEVICE void convolve_weight_grad(WeightTiles& tiles, const bf16* x, const bf16* dz, float* partial, const Conv2dSpec& s, Split split, uint32_t branch,
                                 uint32_t branches, const Steps& steps = Steps{}) {
    uint32_t m0 = blockIdx.x * CHANNELS_BF16, n0 = blockIdx.y * WEIGHTS_BF16, c_out = padded(s.c_out);
    Window window = forward_window(s);
    TapChunks taps{Taps(s.kernel, padded(s.c_in)), window.step};
    MmaSums<CHANNELS_BF16, WEIGHTS_BF16> sums;
    mma(tiles, RowChunks<CHANNELS_BF16>{dz, c_out, branches * c_out, branch * c_out, m0, split.end},
        PatchColumns<WEIGHTS_BF16>(x, window, taps, n0, split.end), split.begin, split.end, sums, steps);
    sums.each_row(m0, n0, StoreTaps{partial, s.c_out, tap_count(s), s.c_in});
}
