// Linear map, y[r, o] = A(b[o] + Σ_i x[r, i] w[o, i]), and its adjoints. See gemm.cuh for the tiles; bound by
// arithmetic for many features, by memory for few. Each has a naive version, one thread per output.
#include "gemm.cuh"

// y = A(x wᵀ + b). x: [rows, c_in], w: [c_out, c_in], b: [c_out] or null, y: [rows, c_out].
// FLOPs: 2 rows c_in c_out. Bytes: 4 (rows c_in + c_out c_in + bias + rows c_out).
KERNEL __launch_bounds__(128) linear(const float* __restrict__ x, const float* __restrict__ w,
                                     const float* __restrict__ b, float* __restrict__ y, LinearSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE;
    gemm(tiles, DepthMatrix{x, s.rows, s.c_in}, DepthMatrix{w, s.c_out, s.c_in}, m0, n0, 0, s.c_in, c);
    each_row(tiles, c, m0, n0, StoreActivated{y, b, s.rows, s.c_out, s.activation});
}
REGISTER_KERNEL(linear)

// dx += dz w. dz: [rows, c_out], w: [c_out, c_in], dx: [rows, c_in].
// FLOPs: 2 rows c_in c_out. Bytes: 4 (rows c_out + c_out c_in + (1 + adds) rows c_in).
KERNEL __launch_bounds__(128) linear_input_grad(const float* __restrict__ dz, const float* __restrict__ w,
                                                float* __restrict__ dx, uint32_t blank, LinearSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE;
    gemm(tiles, DepthMatrix{dz, s.rows, s.c_out}, RowMatrix{w, s.c_in, s.c_out}, m0, n0, 0, s.c_out, c);
    each_row(tiles, c, m0, n0, StoreAdded{dx, blank, s.rows, s.c_in});
}
REGISTER_KERNEL(linear_input_grad)

// partial[s] = dzᵀ x over split s of the rows; sum_splits adds them up. dz: [rows, c_out], x: [rows, c_in], partial:
// [splits, c_out, c_in].
// FLOPs: 2 rows c_in c_out. Bytes: 4 (rows c_out + rows c_in + splits c_out c_in).
KERNEL __launch_bounds__(128) linear_weight_grad(const float* __restrict__ x, const float* __restrict__ dz,
                                                 float* __restrict__ partial, LinearSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE;
    Split k = split_of(s.rows, blockIdx.z, gridDim.z);
    gemm(tiles, RowMatrix{dz, s.c_out, s.rows}, RowMatrix{x, s.c_in, s.rows}, m0, n0, k.begin, k.end, c);
    each_row(tiles, c, m0, n0, StorePlain{partial + (uint64_t)blockIdx.z * s.c_out * s.c_in, s.c_out, s.c_in});
}
REGISTER_KERNEL(linear_weight_grad)

// As linear.
// FLOPs: 2 rows c_in c_out. Bytes: 4 (rows c_in + c_out c_in + bias + rows c_out).
KERNEL __launch_bounds__(256) linear_naive(const float* __restrict__ x, const float* __restrict__ w,
                                           const float* __restrict__ b, float* __restrict__ y, LinearSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= s.rows * s.c_out) return;
    uint32_t r = index / s.c_out, o = index % s.c_out;
    float sum = b ? b[o] : 0.0f;
    for (uint32_t i = 0; i < s.c_in; i++) sum = fmaf(x[r * s.c_in + i], w[o * s.c_in + i], sum);
    y[index] = activate(s.activation, sum);
}
REGISTER_KERNEL(linear_naive)

// As linear_input_grad.
// FLOPs: 2 rows c_in c_out. Bytes: 4 (rows c_out + c_out c_in + 2 rows c_in).
KERNEL __launch_bounds__(256) linear_input_grad_naive(const float* __restrict__ dz, const float* __restrict__ w,
                                                      float* __restrict__ dx, LinearSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= s.rows * s.c_in) return;
    uint32_t r = index / s.c_in, i = index % s.c_in;
    float sum = 0.0f;
    for (uint32_t o = 0; o < s.c_out; o++) sum = fmaf(dz[r * s.c_out + o], w[o * s.c_in + i], sum);
    dx[index] += sum;
}
REGISTER_KERNEL(linear_input_grad_naive)

// dw += dzᵀ x. dz: [rows, c_out], x: [rows, c_in], dw: [c_out, c_in].
// FLOPs: 2 rows c_in c_out. Bytes: 4 (rows c_out + rows c_in + 2 c_out c_in).
KERNEL __launch_bounds__(256) linear_weight_grad_naive(const float* __restrict__ x, const float* __restrict__ dz,
                                                       float* __restrict__ dw, LinearSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= s.c_out * s.c_in) return;
    uint32_t o = index / s.c_in, i = index % s.c_in;
    float sum = 0.0f;
    for (uint32_t r = 0; r < s.rows; r++) sum = fmaf(dz[r * s.c_out + o], x[r * s.c_in + i], sum);
    dw[index] += sum;
}
REGISTER_KERNEL(linear_weight_grad_naive)
