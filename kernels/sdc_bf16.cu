// Stacked dilated convolution as in sdc.cu, on tensor cores; for storage and accuracy see conv2d_bf16.cu. Bound by arithmetic. The reference on
// the device is the naive kernels of sdc.cu, on operands that bf16 represents exactly.
#include "patches_bf16.cuh"
#include "sdc.cuh"

// y = A(concat_k(w_k * x + b_k)); blockIdx.z is the branch. x: [N,H,W,padded I], w: [branches,O,3,3,padded I], each b: [O],
// y: [N,H,W,branches O].
// FLOPs: 18 n h w branches c_out c_in. Bytes: 2 (n h w c_in + 9 branches c_out c_in) + 4 (branches c_out + n h w branches c_out). Unit: matrix.
KERNEL __launch_bounds__(128)
    sdc_bf16(const bf16* __restrict__ x, const bf16* __restrict__ w, const __grid_constant__ BranchPointers b, float* __restrict__ y,
             const __grid_constant__ SdcSpec s) {
    SHARED(PixelTiles, tiles);
    uint32_t branch = blockIdx.z, channels = padded(s.c_in), depth = TAPS * channels;
    TapSteps<MMA_K> steps(s, blockIdx.x * PIXELS_BF16, PIXELS_BF16, channels, branch, depth, false);
    StoreActivated store{y, b.at[branch], pixels_of(s), s.c_out, s.activation, concat_channels(s), branch * s.c_out};
    convolve(tiles, x, w + branch * s.c_out * depth, branch_of(s, branch), store, steps);
}
REGISTER_KERNEL(sdc_bf16)

// The depth (branch, tap, o) of the concatenated gradient.
struct ConcatChunks {
    const SdcSpec& s;
    BranchDepth depth;
    DEVICE uint32_t pitch() const { return s.branches * depth.channels.d; }
    DEVICE ChunkPlace at(uint32_t k) const {
        BranchDepth::Position at = depth.at(k);
        if (at.branch >= s.branches) return {0, 0, 0, false};
        uint32_t dilation = s.dilations[at.branch];
        return {(1 - at.tap / 3) * dilation, (1 - at.tap % 3) * dilation, at.branch * depth.channels.d + at.o, true};
    }
};

// dx += Σ_k w_kᵀ * dz_k, the branches in the depth of one product. dz: [N,H,W,branches,padded O], w: [I,branches,3,3,padded O], dx: [N,H,W,I].
// FLOPs: 18 n h w branches c_out c_in. Bytes: 2 (n h w branches c_out + 9 branches c_out c_in) + 8 n h w c_in. Unit: matrix.
KERNEL __launch_bounds__(128) sdc_input_grad_bf16(const bf16* __restrict__ dz, const bf16* __restrict__ w, float* __restrict__ dx,
                                                  const __grid_constant__ SdcSpec s) {
    SHARED(PixelTiles, tiles);
    uint32_t channels = padded(s.c_out), depth = s.branches * TAPS * channels;
    Window window{Divisor(s.h), Divisor(s.w), s.h, s.w, 1, 0, 0, 1};
    TapSteps<MMA_K> steps(s, blockIdx.x * PIXELS_BF16, PIXELS_BF16, channels, 0, depth, true);
    convolve_adjoint(tiles, dz, w, dx, branch_of(s, 0), window, ConcatChunks{s, BranchDepth(channels)}, depth, steps);
}
REGISTER_KERNEL(sdc_input_grad_bf16)

// partial[s, k] = Σ x dz_k over split s of the pixels, for every branch k; blockIdx.z = s branches + k. sdc_sum_splits adds them up.
// x: [N,H,W,padded I], dz: [N,H,W,branches,padded O], partial: [splits,branches,O,3,3,I].
// FLOPs: 18 n h w branches c_out c_in. Bytes: 2 (n h w c_in + n h w branches c_out) + 36 splits branches c_out c_in. Unit: matrix.
KERNEL __launch_bounds__(128) sdc_weight_grad_bf16(const bf16* __restrict__ x, const bf16* __restrict__ dz, float* __restrict__ partial,
                                                   const __grid_constant__ SdcSpec s) {
    SHARED(WeightTiles, tiles);
    uint32_t branch = blockIdx.z % s.branches, channels = padded(s.c_in), n0 = blockIdx.y * WEIGHTS_BF16;
    Split split = split_of(pixels_of(s), blockIdx.z / s.branches, gridDim.z / s.branches);
    uint32_t last_tap = (min(n0 + WEIGHTS_BF16, TAPS * channels) - 1) / channels;
    PixelSteps<MMA_K> steps{s, Divisor(s.h), Divisor(s.w), n0 / channels, last_tap, s.dilations[branch], split.end};
    float* sums = partial + (uint64_t)blockIdx.z * s.c_out * TAPS * s.c_in;
    convolve_weight_grad(tiles, x, dz, sums, branch_of(s, branch), split, branch, s.branches, steps);
}
REGISTER_KERNEL(sdc_weight_grad_bf16)
