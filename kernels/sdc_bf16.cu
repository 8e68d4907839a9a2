// Stacked dilated convolution, y = A(join_k(w_k * x + b_k)) with 3x3 kernels of dilation d_k, and its input gradient on tensor cores; the
// weights' gradient is that of conv2d_bf16.cu, branch by branch. On storage and accuracy see there.
#include "patches_bf16.cuh"

// One branch as a convolution of its own.
DEVICE Conv2dSpec branch_of(const SdcSpec& s, uint32_t k) {
    uint32_t dilation = dilation_of(s, k);
    return {s.n, s.h, s.w, s.c_in, s.h, s.w, s.c_out, 3, 1, dilation, dilation, IDENTITY};
}

// y = A(join(w * x + b)). x: [n, h, w, padded c_in], w: [branches, c_out, 3, 3, padded c_in], b0..b7: [c_out], y: [n, h, w, branches c_out].
// FLOPs: 18 n h w branches c_out c_in. Bytes: 2 (n h w c_in + 9 branches c_out c_in) + 4 n h w branches c_out.
KERNEL __launch_bounds__(128)
    sdc_bf16(const bf16* __restrict__ x, const bf16* __restrict__ w, const float* __restrict__ b0, const float* __restrict__ b1,
             const float* __restrict__ b2, const float* __restrict__ b3, const float* __restrict__ b4, const float* __restrict__ b5,
             const float* __restrict__ b6, const float* __restrict__ b7, float* __restrict__ y, SdcSpec s) {
    SHARED(PixelTiles, tiles);
    uint32_t k = blockIdx.z;
    const float* b = k == 0 ? b0 : k == 1 ? b1 : k == 2 ? b2 : k == 3 ? b3 : k == 4 ? b4 : k == 5 ? b5 : k == 6 ? b6 : b7;
    convolve(tiles, x, w + k * s.c_out * 9 * padded(s.c_in), b, y, branch_of(s, k), s.branches * s.c_out, k * s.c_out, s.activation);
}
REGISTER_KERNEL(sdc_bf16)

// dx += Σ_k w_kᵀ * dz_k. dz: [n, h, w, branches, padded c_out], w: [c_in, branches, 3, 3, padded c_out], dx: [n, h, w, c_in].
// FLOPs: 18 n h w branches c_out c_in. Bytes: 2 (n h w branches c_out + 9 branches c_out c_in) + 8 n h w c_in.
KERNEL __launch_bounds__(128) sdc_input_grad_bf16(const bf16* __restrict__ dz, const bf16* __restrict__ w, float* __restrict__ dx, SdcSpec s) {
    SHARED(PixelTiles, tiles);
    convolve_adjoint(tiles, dz, w, dx, branch_of(s, 0), SdcBranches{s});
}
REGISTER_KERNEL(sdc_input_grad_bf16)
