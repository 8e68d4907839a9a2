// Convolution, y[p, q, o] = A(b[o] + Σ_{a, b, i} w[o, a, b, i] x[p·stride + a·dilation - padding, q·stride + b·dilation
// - padding, i]), and its adjoints on tensor cores, for any kernel, stride and dilation. conv3x3_bf16.cu has the
// kernels for the layers of the networks.
//
// Activations and their gradients are bf16 and have whole chunks of channels; weights are rounded copies of the f32
// ones. Sums and bias are f32. Each stored value is rounded once, to nearest even, so that it has a relative error of
// at most u = 2^-8.
//
// Every convolution is an implicit GEMM, see mma_pipeline.cuh: the loaders copy rows or columns of the im2col matrix
// chunk by chunk from the image, without storing the matrix. A chunk never spans two taps. Bound by arithmetic with
// about 64 channels or more, by memory with fewer. The reference on the device is the naive f32 kernels of conv2d.cu.
#include "mma_epilogue.cuh"
#include "taps.cuh"

constexpr uint32_t OUTSIDE = 1u << 30;  // a line so far outside the image that no tap reaches the image

// (r, k) = (pixel, (tap, channel)): the values that the window of pixel r reads. source: [pixels, channels].
template <uint32_t ROWS> struct PatchRows {
    static constexpr bool ALONG_DEPTH = true;
    static constexpr uint32_t EXTENT = ROWS;
    const bf16* source;
    const Window& window;
    Taps taps;
    Window::Origin origins[ROWS / DEPTH_PASS];

    DEVICE PatchRows(const bf16* source, const Window& window, Taps taps, uint32_t first_row, uint32_t rows)
        : source(source), window(window), taps(taps) {
#pragma unroll
        for (uint32_t j = 0; j < ROWS / DEPTH_PASS; j++) {
            uint32_t row = first_row + DepthPlace::row() + j * DEPTH_PASS;
            origins[j] = window.origin(row);
            if (row >= rows) origins[j].y = OUTSIDE;
        }
    }
    DEVICE void fill(bf16* tile, uint32_t k) const {
        Tap tap = taps.at(k + DepthPlace::k());
#pragma unroll
        for (uint32_t j = 0; j < ROWS / DEPTH_PASS; j++) {
            Place at = window.at(origins[j], tap.row, tap.column);
            bool valid = at.inside && taps.has(tap);
            cp_async16(DepthPlace::target(tile, j * DEPTH_PASS),
                       source + (valid ? at.index * taps.channels.d + tap.channel : 0), valid);
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
    Taps taps;
    uint32_t end;
    Tap tap;

    DEVICE PatchColumns(const bf16* source, const Window& window, Taps taps, uint32_t first_row, uint32_t end)
        : source(source), window(window), taps(taps), end(end), tap(taps.at(first_row + Own::row())) {}

    DEVICE void fill(bf16* tile, uint32_t k) const {
#pragma unroll
        for (uint32_t j = 0; j < MMA_K; j += Own::PASS) {
            uint32_t pixel = k + Own::k() + j;
            Place at = window.at(window.origin(pixel), tap.row, tap.column);
            bool valid = at.inside && taps.has(tap) && pixel < end;
            cp_async16(Own::target(tile, j), source + (valid ? at.index * taps.channels.d + tap.channel : 0), valid);
        }
    }
};

// (r, k) = (input channel, (tap, output channel)) of weights [c_out, taps, c_in]. The input channels are adjacent in
// memory, so that the weights need not be turned.
template <uint32_t ROWS> struct TurnedWeights {
    static constexpr bool ALONG_DEPTH = false;
    static constexpr uint32_t EXTENT = ROWS;
    using Own = RowPlace<ROWS>;
    const bf16* w;
    uint32_t c_in, taps, first_row;
    Divisor c_out;

    DEVICE void fill(bf16* tile, uint32_t k) const {
        uint32_t i = first_row + Own::row();
#pragma unroll
        for (uint32_t j = 0; j < MMA_K; j += Own::PASS) {
            uint32_t step = k + Own::k() + j, tap = c_out.quotient(step), o = step - tap * c_out.d;
            bool valid = i < c_in && tap < taps;
            cp_async16(Own::target(tile, j), w + (valid ? (o * taps + tap) * c_in + i : 0), valid);
        }
    }
};

// Tiles of pixels by channels, and of weights: output channels by (tap, input channel). The side of the pixels, of
// which there are more, is the longer one, so that a block reads fewer bytes for the same products.
constexpr uint32_t PIXELS_BF16 = 128, CHANNELS_BF16 = 64, WEIGHTS_BF16 = 128;
using PixelTiles = MmaTiles<PIXELS_BF16, CHANNELS_BF16>;
using WeightTiles = MmaTiles<CHANNELS_BF16, WEIGHTS_BF16>;
static_assert(sizeof(PixelTiles) <= 48 * 1024 && sizeof(WeightTiles) <= 48 * 1024,
              "more static shared memory does not compile");

// y = A(w * x + b). x: [N,H,W,I] bf16, w: [O,kH,kW,I] bf16, b: [O] or null, y: [N,Hout,Wout,O] bf16.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 2 (n h w c_in + c_out kernel kernel c_in + n h_out w_out c_out) + 4 bias. Unit: matrix.
KERNEL __launch_bounds__(128) conv2d_bf16(const bf16* __restrict__ x, const bf16* __restrict__ w,
                                          const float* __restrict__ b, bf16* __restrict__ y, Conv2dSpec s) {
    SHARED(PixelTiles, tiles);
    uint32_t m0 = blockIdx.x * PIXELS_BF16, n0 = blockIdx.y * CHANNELS_BF16, depth = tap_count(s) * s.c_in;
    Window window = forward_window(s);
    MmaSums<PIXELS_BF16, CHANNELS_BF16> sums;
    PatchRows<PIXELS_BF16> patches(x, window, Taps(s.kernel, s.c_in), m0, output_pixels(s));
    mma(tiles, patches, DepthChunks<CHANNELS_BF16>{w, s.c_out, depth, n0}, 0, depth, sums);
    each_eight(tiles, sums, m0, n0, StoreActivated8{y, b, output_pixels(s), s.c_out, s.activation});
}
REGISTER_KERNEL(conv2d_bf16)

// dx += wᵀ * dz, then dx *= S(slope_of) if slope_of is not null. dz: [N,Hout,Wout,O] bf16, w: [O,kH,kW,I] bf16, dx,
// slope_of: [N,H,W,I] bf16. sloped: 1 if there is a slope, else 0. With stride 2, three quarters of the products are
// with zeros.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 2 (n h_out w_out c_out + c_out kernel kernel c_in + (1 + adds + sloped) n h w c_in). Unit: matrix.
KERNEL __launch_bounds__(128)
    conv2d_input_grad_bf16(const bf16* __restrict__ dz, const bf16* __restrict__ w, bf16* __restrict__ dx,
                           uint32_t blank, const bf16* __restrict__ slope_of, uint32_t activation, Conv2dSpec s) {
    SHARED(PixelTiles, tiles);
    uint32_t m0 = blockIdx.x * PIXELS_BF16, n0 = blockIdx.y * CHANNELS_BF16, taps = tap_count(s);
    Window window = adjoint_window(s);
    MmaSums<PIXELS_BF16, CHANNELS_BF16> sums;
    PatchRows<PIXELS_BF16> patches(dz, window, Taps(s.kernel, s.c_out), m0, input_pixels(s));
    mma(tiles, patches, TurnedWeights<CHANNELS_BF16>{w, s.c_in, taps, n0, Divisor(s.c_out)}, 0, taps * s.c_out, sums);
    each_eight(tiles, sums, m0, n0, StoreAdded8{dx, blank, slope_of, activation, input_pixels(s), s.c_in});
}
REGISTER_KERNEL(conv2d_input_grad_bf16)

// partial[s] = Σ x dz over split s of the output pixels; sum_splits adds them up.
// x: [N,H,W,I] bf16, dz: [N,Hout,Wout,O] bf16, partial: [splits,O,kH,kW,I].
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in.
// Bytes: 2 (n h w c_in + n h_out w_out c_out) + 4 splits c_out kernel kernel c_in. Unit: matrix.
KERNEL __launch_bounds__(128) conv2d_weight_grad_bf16(const bf16* __restrict__ x, const bf16* __restrict__ dz,
                                                      float* __restrict__ partial, Conv2dSpec s) {
    SHARED(WeightTiles, tiles);
    uint32_t m0 = blockIdx.x * CHANNELS_BF16, n0 = blockIdx.y * WEIGHTS_BF16, columns = tap_count(s) * s.c_in;
    Split split = split_of(output_pixels(s), blockIdx.z, gridDim.z);
    Window window = forward_window(s);
    MmaSums<CHANNELS_BF16, WEIGHTS_BF16> sums;
    PatchColumns<WEIGHTS_BF16> patches(x, window, Taps(s.kernel, s.c_in), n0, split.end);
    mma(tiles, RowChunks<CHANNELS_BF16>{dz, s.c_out, m0, split.end}, patches, split.begin, split.end, sums);
    each_eight(tiles, sums, m0, n0, StorePlain8{partial + (uint64_t)blockIdx.z * s.c_out * columns, s.c_out, columns});
}
REGISTER_KERNEL(conv2d_weight_grad_bf16)
