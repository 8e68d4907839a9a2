// Sums in fixed order, in double: the same bits on every run.
#pragma once
#include "dev.cuh"

constexpr uint32_t SUM_THREADS = 256;
constexpr uint32_t SUM_WARPS = SUM_THREADS / WARP;

// Lane 0 gets the sum over its warp.
DEVICE double warp_sum(double value) {
    for (uint32_t distance = WARP / 2; distance > 0; distance /= 2)
        value += __shfl_down_sync(ALL_LANES, value, distance);
    return value;
}

// Thread i below N gets the sum of values[i] over a block of SUM_THREADS threads, warp after warp. Call it at most once
// per kernel.
template <uint32_t N> DEVICE double block_sum(const double (&values)[N], double (*warps)[N]) {
    for (uint32_t i = 0; i < N; i++) {
        double sum = warp_sum(values[i]);
        if (threadIdx.x % WARP == 0) warps[threadIdx.x / WARP][i] = sum;
    }
    __syncthreads();
    double sum = 0.0;
    if (threadIdx.x < N) {
        for (uint32_t warp = 0; warp < SUM_WARPS; warp++) sum += warps[warp][threadIdx.x];
    }
    return sum;
}
