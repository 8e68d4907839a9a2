// Peak arithmetic of the device: multiply-adds on operands in registers, in independent chains.
// Every step contributes to the result, so the compiler cannot remove any. With a = b = 1 the result counts the steps. Bound by arithmetic.
#include "elements.cuh"

// Chains per thread and per warp: more than the latency of a multiply-add in cycles.
constexpr uint32_t CHAINS = 16, MATRIX_CHAINS = 8;

// y[i] = Σ_k x_k, where x_k starts as lane + k and becomes a x_k + b in every iteration, k < 16. y: [len], one thread per element. The few
// operations before and after the loop are not counted.
// FLOPs: 32 iterations len. Bytes: 4 len.
KERNEL __launch_bounds__(256) peak_multiply_add(float* __restrict__ y, float a, float b, uint32_t iterations, uint32_t len) {
    float x[CHAINS], sum = 0.0f;
#pragma unroll
    for (uint32_t k = 0; k < CHAINS; k++) x[k] = (float)(threadIdx.x % WARP + k);
    // Unrolled, so that the cost of the loop counter is negligible.
#pragma unroll 16
    for (uint32_t i = 0; i < iterations; i++) {
#pragma unroll
        for (uint32_t k = 0; k < CHAINS; k++) x[k] = fmaf(a, x[k], b);
    }
#pragma unroll
    for (uint32_t k = 0; k < CHAINS; k++) sum += x[k];
    if (element() < len) y[element()] = sum;
}
REGISTER_KERNEL(peak_multiply_add)

// y[i] = the thread's part of Σ_k D_k, where D_k starts as k and becomes A B + D_k in every iteration, k < 8. All elements of A [16, 16]
// are a and all of B [16, 8] are b, rounded to bf16. y: [len], one thread per element. A warp's product has 4096 operations.
// FLOPs: 1024 iterations len. Bytes: 4 len. Unit: matrix.
KERNEL __launch_bounds__(256) peak_matrix(float* __restrict__ y, float a, float b, uint32_t iterations, uint32_t len) {
    uint32_t two_a = to_bf16(a).bits * 0x10001u, two_b = to_bf16(b).bits * 0x10001u;
    uint32_t left[4] = {two_a, two_a, two_a, two_a}, right[2] = {two_b, two_b};
    float d[MATRIX_CHAINS][4], sum = 0.0f;
#pragma unroll
    for (uint32_t k = 0; k < MATRIX_CHAINS; k++) d[k][0] = d[k][1] = d[k][2] = d[k][3] = (float)k;
#pragma unroll 4
    for (uint32_t i = 0; i < iterations; i++) {
#pragma unroll
        for (uint32_t k = 0; k < MATRIX_CHAINS; k++) mma_bf16(d[k], left, right);
    }
#pragma unroll
    for (uint32_t k = 0; k < MATRIX_CHAINS; k++) sum += (d[k][0] + d[k][1]) + (d[k][2] + d[k][3]);
    if (element() < len) y[element()] = sum;
}
REGISTER_KERNEL(peak_matrix)
