// The second stage of split-K products: adds the partial sums of the blocks.
#include "dev.cuh"

// y += Σ_s partial[s, start + i], in the order of s. partial: [splits, pitch], y: [len]. Bound by memory.
// FLOPs: splits len. Bytes: 4 splits len + 4 (1 + adds) len.
KERNEL __launch_bounds__(256)
    sum_splits(const float* __restrict__ partial, float* __restrict__ y, uint32_t blank, uint32_t splits, uint32_t len,
               uint32_t pitch, uint32_t start) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= len) return;
    float sum = 0.0f;
    for (uint32_t s = 0; s < splits; s++) sum += partial[(uint64_t)s * pitch + start + i];
    y[i] = blank ? sum : y[i] + sum;
}
REGISTER_KERNEL(sum_splits)
