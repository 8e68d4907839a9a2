// Convolution, y[p, q, o] = A(b[o] + Σ_{a, b, i} w[o, a, b, i] x[p·stride + a·dilation - padding, q·stride + b·dilation - padding, i]), and
// its adjoints on tensor cores.
//
// The operands of each product are rounded to bf16, to nearest even, once per call. Sums, bias, activation and results stay f32. Each
// operand therefore has a relative error of at most u = 2^-8, and a result differs from the result of exact operands by at most
// (2 u + u²) Σ |x| |w|, elementwise, plus the rounding of f32 sums.
//
// Every convolution is an implicit GEMM, see mma.cuh. Bound by arithmetic with about 64 channels or more, by memory with fewer. The
// reference on the device is the naive f32 kernels of conv2d.cu, on operands that bf16 represents exactly.
#include "patches_bf16.cuh"

DEVICE float bf16_pair(float low, float high) { return __uint_as_float(to_bf16(low).bits | (uint32_t)to_bf16(high).bits << 16); }

// y = x rounded, in rows first.. of y. x: [rows, c], y: [first + rows, padded c], zeros where padded. One thread per 8 values; bound by
// memory.
// FLOPs: 0. Bytes: 4 rows c + 2 rows padded(c).
KERNEL __launch_bounds__(256) round_rows(const float* __restrict__ x, bf16* __restrict__ y, uint32_t rows, uint32_t c, uint32_t first) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x, chunks = padded(c) / CHUNK;
    uint32_t row = index / chunks, i = index % chunks * CHUNK;
    if (row >= rows) return;
    float4 low = load_quad(x, row * c + i, quad_count(i, c)), high = load_quad(x, row * c + i + 4, quad_count(i + 4, c));
    float4 pairs = make_float4(bf16_pair(low.x, low.y), bf16_pair(low.z, low.w), bf16_pair(high.x, high.y), bf16_pair(high.z, high.w));
    store4((float*)(y + ((first + row) * chunks * CHUNK + i)), pairs);
}
REGISTER_KERNEL(round_rows)

// y = w rounded, output channels last. w: [c_out, taps, c_in], y: [c_in, branches, taps, padded c_out], of which this writes one branch,
// zeros where padded. One thread per 8 values; bound by memory.
// FLOPs: 0. Bytes: 4 c_out taps c_in + 2 padded(c_out) taps c_in.
KERNEL __launch_bounds__(256) round_transposed(const float* __restrict__ w, bf16* __restrict__ y, uint32_t c_out, uint32_t taps, uint32_t c_in,
                                               uint32_t branch, uint32_t branches) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    uint32_t i = index % c_in, tap = index / c_in % taps, first = index / c_in / taps * CHUNK;
    if (first >= c_out) return;
    auto value = [&](uint32_t o) { return o < c_out ? w[(o * taps + tap) * c_in + i] : 0.0f; };
    auto pair = [&](uint32_t o) { return bf16_pair(value(o), value(o + 1)); };
    uint32_t row = (i * branches + branch) * taps + tap;
    store4((float*)(y + (row * padded(c_out) + first)), make_float4(pair(first), pair(first + 2), pair(first + 4), pair(first + 6)));
}
REGISTER_KERNEL(round_transposed)

// y = A(w * x + b). x: [N,H,W,padded I], w: [O,kH,kW,padded I], b: [O] or null, y: [N,Hout,Wout,O].
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in. Bytes: 2 (n h w c_in + c_out kernel kernel c_in) + 4 (bias + n h_out w_out c_out). Unit: matrix.
KERNEL __launch_bounds__(128)
    conv2d_bf16(const bf16* __restrict__ x, const bf16* __restrict__ w, const float* __restrict__ b, float* __restrict__ y, Conv2dSpec s) {
    SHARED(PixelTiles, tiles);
    convolve(tiles, x, w, s, StoreActivated{y, b, output_pixels(s), s.c_out, s.activation});
}
REGISTER_KERNEL(conv2d_bf16)

// dx += wᵀ * dz. dz: [N,Hout,Wout,padded O], w: [I,kH,kW,padded O], dx: [N,H,W,I]. With stride 2, three quarters of the products are with zeros.
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in. Bytes: 2 (n h_out w_out c_out + c_out kernel kernel c_in) + 8 n h w c_in. Unit: matrix.
KERNEL __launch_bounds__(128)
    conv2d_input_grad_bf16(const bf16* __restrict__ dz, const bf16* __restrict__ w, float* __restrict__ dx, Conv2dSpec s) {
    SHARED(PixelTiles, tiles);
    Window window = adjoint_window(s);
    TapChunks taps{Taps(s.kernel, padded(s.c_out)), window.step};
    convolve_adjoint(tiles, dz, w, dx, s, window, taps, tap_count(s) * padded(s.c_out));
}
REGISTER_KERNEL(conv2d_input_grad_bf16)

// partial[s] = Σ x dz over split s of the output pixels; sum_splits adds them up.
// x: [N,H,W,padded I], dz: [N,Hout,Wout,padded O], partial: [splits,O,kH,kW,I].
// FLOPs: 2 n h_out w_out c_out kernel kernel c_in. Bytes: 2 (n h w c_in + n h_out w_out c_out) + 4 splits c_out kernel kernel c_in. Unit: matrix.
KERNEL __launch_bounds__(128)
    conv2d_weight_grad_bf16(const bf16* __restrict__ x, const bf16* __restrict__ dz, float* __restrict__ partial, Conv2dSpec s) {
    SHARED(WeightTiles, tiles);
    Split split = split_of(output_pixels(s), blockIdx.z, gridDim.z);
    convolve_weight_grad(tiles, x, dz, partial + (uint64_t)blockIdx.z * s.c_out * tap_count(s) * s.c_in, s, split, 0, 1);
}
REGISTER_KERNEL(conv2d_weight_grad_bf16)
