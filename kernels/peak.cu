// Peak arithmetic of the device: multiply-adds on operands in registers, in independent chains. The operands come from
// memory, because a GPU that multiplies zeros or ones draws less power and runs faster than with real data.
// Every step contributes to the result, so the compiler cannot remove any. Bound by arithmetic.
#include "elements.cuh"

// Chains per thread and per warp: more than the latency of a multiply-add in cycles.
constexpr uint32_t CHAINS = 16, MATRIX_CHAINS = 8;
constexpr uint32_t OPERANDS = 1024;

// y[i] = Σ_k x_k, where x_k starts as operands[(16 i + k) % 1024] and becomes a x_k + b in every iteration, k < 16.
// With a = -1 all bits keep changing and no value grows. y: [len], one thread per element; operands: [1024]. The few
// operations before and after the loop are not counted.
// FLOPs: 32 iterations len. Bytes: 4 len + 4096.
KERNEL __launch_bounds__(256) peak_multiply_add(const float* __restrict__ operands, float* __restrict__ y, float a,
                                                float b, uint32_t iterations, uint32_t len) {
    float x[CHAINS], sum = 0.0f;
#pragma unroll
    for (uint32_t k = 0; k < CHAINS; k++) x[k] = operands[(CHAINS * element() + k) % OPERANDS];
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

// Two operands as a pair of bf16.
DEVICE uint32_t operand_pair(const float* operands, uint32_t i) {
    uint32_t low = to_bf16(operands[2 * i % OPERANDS]).bits, high = to_bf16(operands[(2 * i + 1) % OPERANDS]).bits;
    return low | high << 16;
}

// y[i] = the thread's part of Σ_k D_k, where D_k starts as 0 and becomes A_k B_k + D_k in every iteration, k < 8. Lane
// l has the pairs 8 l + 24 r of `operands` as register r of its A [16, 16] and B [16, 8]; there are four A and two B,
// so that successive products have different operands. y: [len], one thread per element; operands: [1024]. A warp's
// product has 4096 operations.
// FLOPs: 1024 iterations len. Bytes: 4 len + 4096. Unit: matrix.
KERNEL __launch_bounds__(256) peak_matrix(const float* __restrict__ operands, float* __restrict__ y,
                                          uint32_t iterations, uint32_t len) {
    uint32_t left[4][4], right[2][2], lane = threadIdx.x % WARP;
#pragma unroll
    for (uint32_t r = 0; r < 16; r++) left[r / 4][r % 4] = operand_pair(operands, 8 * lane + 24 * r);
#pragma unroll
    for (uint32_t r = 0; r < 4; r++) right[r / 2][r % 2] = operand_pair(operands, 8 * lane + 24 * (16 + r));
    float d[MATRIX_CHAINS][4], sum = 0.0f;
#pragma unroll
    for (uint32_t k = 0; k < MATRIX_CHAINS; k++) d[k][0] = d[k][1] = d[k][2] = d[k][3] = 0.0f;
#pragma unroll 4
    for (uint32_t i = 0; i < iterations; i++) {
#pragma unroll
        for (uint32_t k = 0; k < MATRIX_CHAINS; k++) mma_bf16(d[k], left[k % 4], right[k / 4]);
    }
#pragma unroll
    for (uint32_t k = 0; k < MATRIX_CHAINS; k++) sum += (d[k][0] + d[k][1]) + (d[k][2] + d[k][3]);
    if (element() < len) y[element()] = sum;
}
REGISTER_KERNEL(peak_matrix)
