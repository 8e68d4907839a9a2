// Peak of Hopper's matrix instruction, with both operands in shared memory. Its operands come from memory, see peak.cu.
// Bound by arithmetic.
// Architecture: sm_90a only.
#include "elements.cuh"
#include "hopper.cuh"

constexpr uint32_t OPERANDS = 1024, DEPTH = 64, ROWS = 64, COLUMNS = 128;

// y[i] = the thread's part of D, which starts as 0 and becomes A B + D in every iteration, with A [64, 64] and B
// [64, 128]. Value i of both in shared memory, A before B, is operands[i % 1024], rounded to bf16. y: [len], one thread
// per element; operands: [1024]. The product of a group of four warps has 1048576 operations.
// FLOPs: 8192 iterations len. Bytes: 4 len + 4096. Unit: matrix.
// Dynamic shared memory: 24576 bytes.
KERNEL __launch_bounds__(128) peak_wgmma(const float* __restrict__ operands, float* __restrict__ y,
                                         uint32_t iterations, uint32_t len) {
    DYN_SHARED(bf16, memory);
    for (uint32_t i = threadIdx.x; i < DEPTH * (ROWS + COLUMNS); i += 128) memory[i] = to_bf16(operands[i % OPERANDS]);
    proxy_fence();
    __syncthreads();
    const bf16 *a = memory, *b = memory + DEPTH * ROWS;
    float d[COLUMNS / 2], sum = 0.0f;
#pragma unroll
    for (uint32_t i = 0; i < COLUMNS / 2; i++) d[i] = 0.0f;
    for (uint32_t i = 0; i < iterations; i++) {
        wgmma_fence();
#pragma unroll
        for (uint32_t k = 0; k < DEPTH; k += 16) wgmma_128(d, operand(a + k, ROWS_OF_64), operand(b + k, ROWS_OF_64));
        wgmma_commit();  // products of the same shape that add to the same registers need no wait between them
    }
    wgmma_wait<0>();
#pragma unroll
    for (uint32_t i = 0; i < COLUMNS / 2; i++) sum += d[i];
    if (element() < len) y[element()] = sum;
}
REGISTER_KERNEL(peak_wgmma)
