// Stacked dilated convolution: branch k is the 3x3 convolution with dilation d_k and writes channels k·c_out ..
// (k+1)·c_out of the concatenated result, y = A(concat_k(w_k * x + b_k)); and its adjoints. One launch computes all
// branches. Implicit GEMMs (taps.cuh, gemm.cuh), bound by arithmetic; each has a naive version. Steps of the depth
// whose taps are outside the image for every pixel of the tile are skipped: on 32x32 pixels a third of them with a
// dilation of 16, and all but the centre's with a dilation of 32.
#include "sdc.cuh"

// y = A(concat_k(w_k * x + b_k)); blockIdx.z is the branch. x: [N,H,W,I], each w: [O,3,3,I], each b: [O], y:
// [N,H,W,branches O].
// FLOPs: 18 n h w branches c_out c_in.
// Bytes: 4 (n h w c_in + 9 branches c_out c_in + branches c_out + n h w branches c_out).
KERNEL __launch_bounds__(128)
    sdc(const float* __restrict__ x, const __grid_constant__ BranchPointers w, const __grid_constant__ BranchPointers b,
        float* __restrict__ y, const __grid_constant__ SdcSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, branch = blockIdx.z, depth = TAPS * s.c_in;
    TapDepth patches{x, pixels_of(s), forward_window(branch_of(s, branch)), Taps(3, s.c_in)};
    TapSteps<TILE_K> steps(s, m0, TILE, s.c_in, branch, depth, false);
    gemm(tiles, patches, DepthMatrix{w.at[branch], s.c_out, depth}, m0, n0, 0, depth, c, steps);
    each_row(
        tiles, c, m0, n0,
        StoreActivated{y, b.at[branch], pixels_of(s), s.c_out, s.activation, concat_channels(s), branch * s.c_out});
}
REGISTER_KERNEL(sdc)

// (r, k) = (input pixel, (branch, tap, o)) of the concatenated gradient.
struct ConcatDepth {
    static constexpr bool ALONG_DEPTH = true;
    const float* dz;
    const SdcSpec& s;
    Window window;  // without dilation: each branch has its own
    BranchDepth depth;
    struct Row { Window::Origin origin; bool inside; };
    DEVICE Row row(uint32_t r) const { return {window.origin(r), r < pixels_of(s)}; }
    DEVICE Place place(const Row& r, uint32_t k) const {
        BranchDepth::Position at = depth.at(k);
        if (at.branch >= s.branches) return {0, false};
        uint32_t dilation = s.dilations[at.branch];
        Place from = window.shifted(r.origin, (1 - at.tap / 3) * dilation, (1 - at.tap % 3) * dilation);
        return {from.index * concat_channels(s) + at.branch * s.c_out + at.o, from.inside && r.inside};
    }
    DEVICE float4 quad(const Row& r, uint32_t k) const {
        return load_places(dz, s.c_out, k, [&](uint32_t k) { return place(r, k); });
    }
};

// (r, k) = (input channel, (branch, tap, o)) of the branches' weights.
struct BranchWeights {
    static constexpr bool ALONG_DEPTH = false;
    const BranchPointers& w;
    const SdcSpec& s;
    BranchDepth depth;
    struct Row { uint32_t start, count; };
    DEVICE Row row(uint32_t r) const { return {r, quad_count(r, s.c_in)}; }
    DEVICE float4 quad(Row r, uint32_t k) const {
        BranchDepth::Position at = depth.at(k);
        if (at.branch >= s.branches) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        return load_quad(w.at[at.branch], (at.o * TAPS + at.tap) * s.c_in + r.start, r.count);
    }
};

// dx += Σ_k w_kᵀ * dz_k, the branches in the depth of one product. dz: [N,H,W,branches O], each w: [O,3,3,I], dx:
// [N,H,W,I].
// FLOPs: 18 n h w branches c_out c_in. Bytes: 4 (n h w branches c_out + 9 branches c_out c_in + (1 + adds) n h w c_in).
KERNEL __launch_bounds__(128)
    sdc_input_grad(const float* __restrict__ dz, const __grid_constant__ BranchPointers w, float* __restrict__ dx,
                   uint32_t blank, const __grid_constant__ SdcSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, end = s.branches * TAPS * s.c_out;
    Window window{Divisor(s.h), Divisor(s.w), s.h, s.w, 1, 0, 0, 1};
    BranchDepth depth(s.c_out);
    TapSteps<TILE_K> steps(s, m0, TILE, s.c_out, 0, end, true);
    gemm(tiles, ConcatDepth{dz, s, window, depth}, BranchWeights{w, s, depth}, m0, n0, 0, end, c, steps);
    each_row(tiles, c, m0, n0, StoreAdded{dx, blank, pixels_of(s), s.c_in});
}
REGISTER_KERNEL(sdc_input_grad)

// partial[s, k] = Σ x dz_k over split s of the pixels, for every branch k; blockIdx.z = s branches + k. sdc_sum_splits
// adds them up.
// x: [N,H,W,I], dz: [N,H,W,branches O], partial: [splits,branches,O,3,3,I].
// FLOPs: 18 n h w branches c_out c_in. Bytes: 4 (n h w c_in + n h w branches c_out + 9 splits branches c_out c_in).
KERNEL __launch_bounds__(128) sdc_weight_grad(const float* __restrict__ x, const float* __restrict__ dz,
                                              float* __restrict__ partial, const __grid_constant__ SdcSpec s) {
    SHARED(GemmTiles, tiles);
    float c[THREAD_M][THREAD_N];
    clear(c);
    uint32_t m0 = blockIdx.x * TILE, n0 = blockIdx.y * TILE, branch = blockIdx.z % s.branches, pixels = pixels_of(s),
             columns = TAPS * s.c_in;
    Split k = split_of(pixels, blockIdx.z / s.branches, gridDim.z / s.branches);
    TapRows patches{x, pixels, forward_window(branch_of(s, branch)), Taps(3, s.c_in)};
    PixelSteps<TILE_K> steps{
        s, Divisor(s.h), Divisor(s.w), n0 / s.c_in, (min(n0 + TILE, columns) - 1) / s.c_in, s.dilations[branch], k.end};
    // Rows of the concatenated gradient past this branch belong to the next branch; their products are not stored.
    gemm(tiles, RowMatrix{dz, concat_channels(s), pixels}, patches, branch * s.c_out + m0, n0, k.begin, k.end, c,
         steps);
    each_row(tiles, c, m0, n0, StorePlain{partial + (uint64_t)blockIdx.z * s.c_out * columns, s.c_out, columns});
}
REGISTER_KERNEL(sdc_weight_grad)

// dw_k += Σ_s partial[s, k], in the order of s. partial: [splits,branches,len], each dw: [len]. One thread per element;
// bound by memory.
// FLOPs: splits branches len. Bytes: 4 splits branches len + 4 (1 + adds) branches len.
KERNEL __launch_bounds__(256)
    sdc_sum_splits(const float* __restrict__ partial, const __grid_constant__ BranchOutputs dw, uint32_t blank,
                   uint32_t splits, uint32_t branches, uint32_t len) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= branches * len) return;
    float sum = 0.0f;
    for (uint32_t s = 0; s < splits; s++) sum += partial[(uint64_t)s * branches * len + index];
    float* target = dw.at[index / len] + index % len;
    *target = blank ? sum : *target + sum;
}
REGISTER_KERNEL(sdc_sum_splits)

// As sdc.
// FLOPs: 18 n h w branches c_out c_in.
// Bytes: 4 (n h w c_in + 9 branches c_out c_in + branches c_out + n h w branches c_out).
KERNEL __launch_bounds__(256)
    sdc_naive(const float* __restrict__ x, const __grid_constant__ BranchPointers w,
              const __grid_constant__ BranchPointers b, float* __restrict__ y, const __grid_constant__ SdcSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= pixels_of(s) * concat_channels(s)) return;
    uint32_t o = index % s.c_out, branch = index / s.c_out % s.branches, pixel = index / concat_channels(s);
    float z = naive_output(branch_of(s, branch), x, w.at[branch], pixel, o) + b.at[branch][o];
    y[index] = activate(s.activation, z);
}
REGISTER_KERNEL(sdc_naive)

// As sdc_input_grad.
// FLOPs: 18 n h w branches c_out c_in. Bytes: 4 (n h w branches c_out + 9 branches c_out c_in + 2 n h w c_in).
KERNEL __launch_bounds__(256)
    sdc_input_grad_naive(const float* __restrict__ dz, const __grid_constant__ BranchPointers w, float* __restrict__ dx,
                         const __grid_constant__ SdcSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= pixels_of(s) * s.c_in) return;
    float sum = 0.0f;
    for (uint32_t branch = 0; branch < s.branches; branch++)
        sum += naive_input_grad(branch_of(s, branch), dz, w.at[branch], index / s.c_in, index % s.c_in,
                                concat_channels(s), branch * s.c_out);
    dx[index] += sum;
}
REGISTER_KERNEL(sdc_input_grad_naive)

// dw_k += Σ x dz_k. x: [N,H,W,I], dz: [N,H,W,branches O], each dw: [O,3,3,I].
// FLOPs: 18 n h w branches c_out c_in. Bytes: 4 (n h w c_in + n h w branches c_out + 18 branches c_out c_in).
KERNEL __launch_bounds__(256)
    sdc_weight_grad_naive(const float* __restrict__ x, const float* __restrict__ dz,
                          const __grid_constant__ BranchOutputs dw, const __grid_constant__ SdcSpec s) {
    uint32_t index = blockIdx.x * blockDim.x + threadIdx.x, len = s.c_out * TAPS * s.c_in;
    if (index >= s.branches * len) return;
    uint32_t branch = index / len, element = index % len;
    dw.at[branch][element] +=
        naive_weight_grad(branch_of(s, branch), x, dz, element, concat_channels(s), branch * s.c_out);
}
REGISTER_KERNEL(sdc_weight_grad_naive)
