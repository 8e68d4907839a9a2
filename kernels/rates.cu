// Rates that a model of kernel time needs, each by a loop that is bound by one resource. `examples/calibrate.rs`
// reports them.
#include "elements.cuh"

DEVICE float sum4(float4 v) { return (v.x + v.y) + (v.z + v.w); }
// Threads of the whole grid.
DEVICE uint32_t all_threads() { return gridDim.x * blockDim.x; }

// y = x, four floats at a time. x, y: [4 quads]. Bound by memory if they are larger than L2.
// FLOPs: 0. Bytes: 32 quads.
KERNEL __launch_bounds__(256) rate_copy(const float* __restrict__ x, float* __restrict__ y, uint32_t quads) {
#pragma unroll 4
    for (uint32_t i = element(); i < quads; i += all_threads()) store4(y + 4 * i, load4(x + 4 * i));
}
REGISTER_KERNEL(rate_copy)

// y[thread] = sum of what it reads: x is read `repeats` times, past L1. x: [4 quads]; y: [len], one per thread. Bound
// by L2 if x fits into it.
// FLOPs: 4 quads repeats. Bytes: 16 quads + 4 len.
KERNEL __launch_bounds__(256) rate_l2(const float* __restrict__ x, float* __restrict__ y, uint32_t quads,
                                      uint32_t repeats, uint32_t len) {
    float sum = 0.0f;
    for (uint32_t r = 0; r < repeats; r++) {
#pragma unroll 8
        for (uint32_t i = element(); i < quads; i += all_threads()) sum += sum4(load4_past_l1(x + 4 * i));
    }
    if (element() < len) y[element()] = sum;
}
REGISTER_KERNEL(rate_l2)

// y[thread] = sum of what it reads: every block reads all of x `repeats` times, through L1. x: [4 quads]; y: [len], one
// per thread. Bound by L1 if x fits into it.
// FLOPs: 4 quads repeats blocks. Bytes: 16 quads + 4 len.
KERNEL __launch_bounds__(256) rate_l1(const float* __restrict__ x, float* __restrict__ y, uint32_t quads,
                                      uint32_t repeats, uint32_t len) {
    float sum = 0.0f;
    for (uint32_t r = 0; r < repeats; r++) {
#pragma unroll 4
        for (uint32_t i = threadIdx.x; i < quads; i += blockDim.x) sum += sum4(load4_through_l1(x + 4 * i));
    }
    if (element() < len) y[element()] = sum;
}
REGISTER_KERNEL(rate_l1)

// y[thread] = sum of what it reads from shared memory, 16 bytes without bank conflicts in every iteration, and
// clocks[block] = the cycles that the block needed. x: [4096]; y: [len], one per thread; clocks: [gridDim.x].
// FLOPs: 4 iterations len. Bytes: 4 len + 4 blocks + 16384.
KERNEL __launch_bounds__(1024) rate_shared(const float* __restrict__ x, float* __restrict__ y,
                                           float* __restrict__ clocks, uint32_t iterations, uint32_t len) {
    SHARED(float, tile, [4096]);
    store4(tile + 4 * threadIdx.x, load4(x + 4 * threadIdx.x));
    __syncthreads();
    uint32_t begin = cycles();
    float sum = 0.0f;
#pragma unroll 16
    for (uint32_t i = 0; i < iterations; i++) sum += sum4(load4(tile + 4 * ((threadIdx.x + WARP * i) % 1024)));
    __syncthreads();
    if (threadIdx.x == 0) clocks[blockIdx.x] = (float)(cycles() - begin);
    if (element() < len) y[element()] = sum;
}
REGISTER_KERNEL(rate_shared)

// Does nothing, for the time between two launches.
// FLOPs: 0. Bytes: 4 len.
KERNEL __launch_bounds__(32) rate_empty(float* __restrict__ y, uint32_t len) {
    if (element() < len) y[element()] = 0.0f;
}
REGISTER_KERNEL(rate_empty)
